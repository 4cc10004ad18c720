//! A stand-in host built, started and driven; a real OpenSIPS; small routing files for both.

// Each test program uses its own part.
#![allow(dead_code)]

pub(crate) mod deck;
pub(crate) mod proxy;

use std::{
    io::{BufRead as _, BufReader, Read as _, Write as _},
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
    sync::{
        OnceLock,
        mpsc::{Receiver, channel},
    },
    thread,
    time::{Duration, Instant},
};

/// The layouts, each with the release that stands for it.
pub(crate) const LAYOUTS: &[(&str, &str)] = &[
    ("30300", "opensips 3.3.10 (x86_64/linux)"),
    ("30400", "opensips 3.4.18 (x86_64/linux)"),
    ("30607", "opensips 3.6.8 (x86_64/linux)"),
    ("40000", "opensips 4.0.1 (x86_64/linux)"),
];

/// How long an answer may take before the test fails.
const PATIENCE: Duration = Duration::from_secs(20);

/// A running stand-in.
pub(crate) struct Host {
    child: Child,
    lines: Receiver<String>,
    log: PathBuf,
}

/// What a start gave.
pub(crate) enum Started {
    /// It runs.
    Host(Host),
    /// The module, or its `mod_init`, refused: the line and the log.
    Refused(String, String),
}

/// Everything that a start can vary.
#[derive(Default)]
pub(crate) struct Start<'a> {
    /// `RELEASE` of the stand-in; empty is 3.6.8's.
    pub(crate) release: &'a str,
    /// Version text; empty is the release's own.
    pub(crate) version: &'a str,
    /// Module parameters.
    pub(crate) params: &'a [String],
    /// Site to panic at.
    pub(crate) panic_at: Option<&'a str>,
    /// Build without a function that the module needs.
    pub(crate) without: Option<&'a str>,
}

/// The library as cargo built it for these tests.
fn module() -> PathBuf {
    let tests = std::env::current_exe().expect("the test's own path");
    let library = tests.with_file_name("libfsx.so");
    assert!(library.is_file(), "{} is missing", library.display());
    library
}

/// Compiles a stand-in once a run and layout.
fn program(release: &str, without: Option<&str>) -> PathBuf {
    static BUILT: OnceLock<std::sync::Mutex<Vec<PathBuf>>> = OnceLock::new();
    let mut built =
        BUILT.get_or_init(Default::default).lock().unwrap_or_else(|poisoned| poisoned.into_inner());
    let name = format!("host-{}-{release}-{}", std::process::id(), without.unwrap_or("whole"));
    let program = Path::new(env!("CARGO_TARGET_TMPDIR")).join(name);
    if built.contains(&program) {
        return program;
    }
    let source = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/host/host.c");
    let mut compiler = Command::new(std::env::var_os("CC").unwrap_or_else(|| "cc".into()));
    compiler
        .args(["-std=gnu11", "-Wall", "-Wextra", "-Werror", "-g", "-rdynamic"])
        .arg(format!("-DRELEASE={release}"));
    if let Some(without) = without {
        compiler.arg(format!("-D{without}=not_{without}"));
    }
    let status = compiler.arg(source).arg("-o").arg(&program).arg("-ldl").status();
    assert!(status.expect("a C compiler").success(), "the stand-in host compiles");
    built.push(program.clone());
    program
}

/// Starts a stand-in with the module in it.
pub(crate) fn start(dir: &Path, start: &Start<'_>) -> Started {
    let release = if start.release.is_empty() { "30607" } else { start.release };
    let own = LAYOUTS.iter().find(|(layout, _)| *layout == release).map_or("", |(_, v)| *v);
    let version = if start.version.is_empty() { own } else { start.version };
    let log = dir.join("host.log");
    let mut command = Command::new(program(release, start.without));
    command
        .arg(module())
        .arg(version)
        .args(start.params)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(std::fs::File::create(&log).expect("a log"))
        .env_remove("FSX_PANIC_AT");
    if let Some(site) = start.panic_at {
        command.env("FSX_PANIC_AT", site);
    }
    let mut child = command.spawn().expect("the stand-in starts");
    let out = BufReader::new(child.stdout.take().expect("piped"));
    let (to, lines) = channel();
    thread::spawn(move || {
        for line in out.lines() {
            let Ok(line) = line else { return };
            if to.send(line).is_err() {
                return;
            }
        }
    });
    let mut host = Host { child, lines, log };
    let first = host.lines.recv_timeout(PATIENCE).expect("the stand-in says how it went");
    if first == "loaded" {
        return Started::Host(host);
    }
    let ended = host.wait();
    assert_eq!(ended, Some(1), "{first}");
    Started::Refused(first, host.log())
}

/// Starts one that must run.
pub(crate) fn run(dir: &Path, options: &Start<'_>) -> Host {
    match start(dir, options) {
        Started::Host(host) => host,
        Started::Refused(line, log) => panic!("refused: {line}\n{log}"),
    }
}

impl Host {
    /// Sends words and gives the answer.
    pub(crate) fn ask(&mut self, words: &[&str]) -> String {
        let line = words.join("\t");
        let stdin = self.child.stdin.as_mut().expect("piped");
        writeln!(stdin, "{line}").and_then(|()| stdin.flush()).expect("the stand-in listens");
        match self.lines.recv_timeout(PATIENCE) {
            Ok(answer) => answer,
            Err(_) => panic!("no answer to {line:?}; log:\n{}", self.log()),
        }
    }

    /// Calls `fsx_route` for a number and organisation.
    pub(crate) fn route(&mut self, number: &str, org: &str) -> String {
        self.ask(&["route", number, org, "-"])
    }

    /// Reads `$fsx(name)` as text; `null` where it has no value.
    pub(crate) fn fsx(&mut self, name: &str) -> String {
        let answer = self.ask(&["fsx", name]);
        match answer.strip_prefix("text ").or_else(|| answer.strip_prefix("number ")) {
            Some(value) => value.rsplit_once(' ').expect("text and number").0.to_owned(),
            None => answer,
        }
    }

    /// Calls an MI command and reads its JSON.
    pub(crate) fn mi(&mut self, words: &[&str]) -> serde_json::Value {
        let mut all = vec!["mi"];
        all.extend(words);
        let answer = self.ask(&all);
        serde_json::from_str(&answer).unwrap_or_else(|error| panic!("{error}: {answer}"))
    }

    /// What the module and the stand-in wrote to standard error.
    pub(crate) fn log(&self) -> String {
        let mut text = Vec::new();
        let mut file = std::fs::File::open(&self.log).expect("the log");
        file.read_to_end(&mut text).expect("the log");
        String::from_utf8_lossy(&text).into_owned()
    }

    /// Waits for the end and gives the exit code; kills when it does not come.
    pub(crate) fn wait(&mut self) -> Option<i32> {
        drop(self.child.stdin.take());
        let deadline = Instant::now() + PATIENCE;
        while Instant::now() < deadline {
            if let Some(status) = self.child.try_wait().expect("our child") {
                return status.code();
            }
            thread::sleep(Duration::from_millis(5));
        }
        let _ = self.child.kill();
        let _ = self.child.wait();
        None
    }
}

impl Drop for Host {
    fn drop(&mut self) {
        drop(self.child.stdin.take());
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Asks again and again until the answer is as wanted.
pub(crate) fn until(what: &str, mut check: impl FnMut() -> bool) {
    let deadline = Instant::now() + PATIENCE;
    while !check() {
        assert!(Instant::now() < deadline, "not within {PATIENCE:?}: {what}");
        thread::sleep(Duration::from_millis(10));
    }
}
