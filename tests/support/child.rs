//! A child process that cannot outlive its test.
//!
//! Each child leads a process group of its own, so that its workers go with it. A second, tiny
//! process in the same group reads from a pipe that only the test holds: when the test ends in any
//! way, also by SIGKILL, the pipe closes and the whole group is killed.

use std::{
    fs::File,
    os::unix::process::{CommandExt as _, ExitStatusExt as _},
    path::{Path, PathBuf},
    process::{Child, Command, ExitStatus, Stdio},
    time::Duration,
};

use rustix::process::{Pid, Signal, kill_process, kill_process_group};

use crate::{run_dir::tail, wait};

/// How long a program may take to end after SIGTERM before it is killed.
pub const GRACE: Duration = Duration::from_secs(8);

/// How much of a log a failure prints.
const TAIL_LINES: usize = 60;

/// A running child and its log.
#[derive(Debug)]
pub struct ChildGuard {
    name: String,
    child: Child,
    reaper: Child,
    log: PathBuf,
    /// Files worth reading when the test fails.
    show: Vec<PathBuf>,
    status: Option<ExitStatus>,
}

impl ChildGuard {
    /// Starts `command` with its output going to `log`.
    ///
    /// # Panics
    /// When it cannot be started.
    pub fn spawn(name: &str, command: &mut Command, log: &Path) -> Self {
        let out = File::create(log)
            .unwrap_or_else(|e| panic!("cannot write the log {}: {e}", log.display()));
        let err = out.try_clone().unwrap_or_else(|e| panic!("cannot share {}: {e}", log.display()));
        let child = command
            .stdin(Stdio::null())
            .stdout(out)
            .stderr(err)
            .process_group(0)
            .spawn()
            .unwrap_or_else(|e| panic!("cannot start {name} ({command:?}): {e}"));
        let group = i32::try_from(child.id()).unwrap_or_default();
        // End of file means that the test is gone.
        // 0 is "my own group" in every shell.
        let reaper = Command::new("sh")
            .args(["-c", "read -r never; kill -s KILL 0"])
            .stdin(Stdio::piped())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .process_group(group)
            .spawn()
            .unwrap_or_else(|e| panic!("cannot start the reaper of {name}: {e}"));
        Self {
            name: name.to_owned(),
            child,
            reaper,
            log: log.to_owned(),
            show: vec![log.to_owned()],
            status: None,
        }
    }

    /// Names another file whose end is printed when the test fails.
    pub fn also_show(&mut self, file: &Path) {
        self.show.push(file.to_owned());
    }

    /// Names the files whose ends are printed instead of the log's.
    pub fn show_instead(&mut self, files: &[&Path]) {
        self.show = files.iter().map(|&file| file.to_owned()).collect();
    }

    /// Process id.
    #[must_use]
    pub fn pid(&self) -> u32 {
        self.child.id()
    }

    /// Everything that it wrote so far.
    #[must_use]
    pub fn log(&self) -> String {
        String::from_utf8_lossy(&std::fs::read(&self.log).unwrap_or_default()).into_owned()
    }

    /// How it ended, if it has.
    pub fn ended(&mut self) -> Option<ExitStatus> {
        if self.status.is_none() {
            self.status = self.child.try_wait().ok().flatten();
        }
        self.status
    }

    /// Sends a signal to the process alone; nothing happens when it has ended.
    pub fn signal(&mut self, signal: Signal) {
        if self.ended().is_none()
            && let Some(pid) = pid_of(self.child.id())
        {
            let _ = kill_process(pid, signal);
        }
    }

    /// Waits for it to end by itself.
    ///
    /// # Panics
    /// When it has not ended within `limit`.
    #[track_caller]
    pub fn wait(&mut self, limit: Duration) -> ExitStatus {
        let what = format!("{} to end", self.name);
        wait::until(&what, limit, || self.ended())
    }

    /// SIGTERM, [`GRACE`], then SIGKILL to whatever is left of the group.
    pub fn stop(&mut self) -> ExitStatus {
        self.stop_within(GRACE)
    }

    /// The same for a program that needs another time to end.
    pub fn stop_within(&mut self, grace: Duration) -> ExitStatus {
        self.signal(Signal::TERM);
        let ended = wait::try_until(grace, || Ok::<_, ()>(self.ended()));
        if ended.is_err() {
            eprintln!("{} did not end within {grace:?} of SIGTERM and is killed", self.name);
        }
        self.kill()
    }

    /// SIGKILL to the whole group, as a crash or the kernel's memory killer would.
    pub fn kill(&mut self) -> ExitStatus {
        // The reaper holds the group's number, so that it cannot have become another's.
        if let Some(group) = pid_of(self.child.id()) {
            let _ = kill_process_group(group, Signal::KILL);
        }
        let _ = self.reaper.wait();
        let status = self.status.or_else(|| self.child.wait().ok());
        self.status = status;
        status.unwrap_or(ExitStatus::from_raw(9))
    }

    /// Waits until `probe` gives a value, and gives up at once when the program has died.
    ///
    /// # Panics
    /// When the time is up or the program has ended.
    #[track_caller]
    pub fn ready<T>(
        &mut self,
        what: &str,
        limit: Duration,
        mut probe: impl FnMut() -> Option<T>,
    ) -> T {
        let outcome = wait::try_until(limit, || match self.ended() {
            Some(status) => Err(status),
            None => Ok(probe()),
        });
        match outcome {
            Ok(value) => value,
            Err(Some(status)) => panic!("{} ended ({status}) before {what}", self.name),
            Err(None) => panic!("waited {limit:?} for {what} of {}", self.name),
        }
    }
}

impl Drop for ChildGuard {
    fn drop(&mut self) {
        // Before it is stopped: what it says while ending is not what went wrong.
        if std::thread::panicking() {
            for file in &self.show {
                let text = tail(file, TAIL_LINES);
                if !text.is_empty() {
                    eprintln!("---- {} {}\n{text}", self.name, file.display());
                }
            }
        }
        if self.ended().is_none() {
            self.stop();
        } else {
            self.kill();
        }
    }
}

fn pid_of(id: u32) -> Option<Pid> {
    i32::try_from(id).ok().and_then(Pid::from_raw)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::run_dir::RunDir;

    fn sh(dir: &RunDir, script: &str) -> ChildGuard {
        ChildGuard::spawn("sh", Command::new("sh").args(["-c", script]), &dir.file("sh.log"))
    }

    fn gone(pid: &str) -> bool {
        // A killed process may stay a zombie until its new parent reaps it.
        match std::fs::read_to_string(format!("/proc/{pid}/stat")) {
            Ok(stat) => stat.rsplit(')').next().is_some_and(|s| s.trim_start().starts_with('Z')),
            Err(_) => true,
        }
    }

    #[test]
    fn keeps_the_log_and_the_exit_code() {
        let dir = RunDir::new("child");
        let mut child = sh(&dir, "echo out; echo err >&2; exit 7");
        assert_eq!(child.wait(Duration::from_secs(10)).code(), Some(7));
        assert_eq!(child.log(), "out\nerr\n");
    }

    #[test]
    fn stops_politely() {
        let dir = RunDir::new("child");
        let mut child =
            sh(&dir, "trap 'echo bye; exit 3' TERM; echo up; while :; do sleep 0.05; done");
        child.ready("its word", Duration::from_secs(10), || None.or(Some(())));
        wait::until("up", Duration::from_secs(10), || child.log().contains("up").then_some(()));
        assert_eq!(child.stop().code(), Some(3));
        assert_eq!(child.log(), "up\nbye\n");
    }

    #[test]
    fn takes_its_workers_with_it() {
        let dir = RunDir::new("child");
        let mut child = sh(&dir, "sleep 600 & echo $!; wait");
        let worker = wait::until("the worker", Duration::from_secs(10), || {
            child.log().strip_suffix('\n').map(str::to_owned)
        });
        assert!(!gone(&worker));
        child.kill();
        drop(child);
        wait::until("the worker to go", Duration::from_secs(10), || gone(&worker).then_some(()));
    }

    /// Set for [`ends_with_a_killed_test`]'s own child: where it writes its grandchild's number.
    const ORPHAN: &str = "FSX_TEST_ORPHAN";

    #[test]
    fn ends_with_a_killed_test() {
        let me = "child::tests::ends_with_a_killed_test";
        if let Some(path) = std::env::var_os(ORPHAN) {
            let dir = RunDir::new("child");
            let child = sh(&dir, "sleep 600");
            std::fs::write(path, format!("{}\n", child.pid())).expect("write");
            std::thread::sleep(Duration::from_secs(600));
            return;
        }
        let dir = RunDir::new("child");
        let note = dir.file("pid");
        let exe = std::env::current_exe().expect("own path");
        let mut test = Command::new(exe)
            .args(["--exact", me])
            .env(ORPHAN, &note)
            .env("TMPDIR", dir.path())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .expect("spawn");
        let orphan = wait::until("the grandchild", Duration::from_secs(20), || {
            std::fs::read_to_string(&note).ok()?.strip_suffix('\n').map(str::to_owned)
        });
        assert!(!gone(&orphan));
        test.kill().expect("kill");
        test.wait().expect("wait");
        wait::until("the grandchild to go", Duration::from_secs(10), || {
            gone(&orphan).then_some(())
        });
    }

    #[test]
    fn notices_a_death_while_waiting() {
        let dir = RunDir::new("child");
        let waited = std::panic::catch_unwind(|| {
            let mut child = sh(&dir, "exit 1");
            child.ready("its word", Duration::from_secs(60), || None::<()>);
        });
        let said = waited.expect_err("it must not wait a minute for the dead");
        let said = said.downcast_ref::<String>().expect("a message");
        assert!(said.contains("before its word"), "{said}");
    }
}
