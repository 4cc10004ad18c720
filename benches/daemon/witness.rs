//! Whether the machine was there.
//!
//! A virtual machine is taken off its processors for milliseconds at a time, and then nothing on it
//! answers within one, however little it has to do. So on each processor a process of the highest
//! urgency wakes every millisecond and notes when it was late: nothing of ours can hold it up, neither
//! the daemon nor who asks it, so what held it up was the machine.

use std::process::{Child, Command, ExitCode, Stdio};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

/// How often it wakes.
const EVERY: Duration = Duration::from_millis(1);

/// Later than that is away. A wake on a processor that slept takes a tenth of a millisecond.
const LATE: Duration = Duration::from_micros(300);

/// The first argument of a witness; then how many seconds.
const ARGUMENT: &str = "witness";

/// One process on each processor.
pub(super) struct Witness(Vec<Child>);

impl Witness {
    /// Begins, for some more than `seconds`.
    ///
    /// # Errors
    /// Why nobody of that urgency can be had here.
    pub(super) fn start(seconds: u64) -> Result<Self, String> {
        let own = std::env::current_exe().map_err(|e| e.to_string())?;
        let count = std::thread::available_parallelism().map_or(1, usize::from);
        let mut all = Self(Vec::new());
        for processor in 0..count {
            let child = Command::new("chrt")
                .args(["-f", "50", "taskset", "-c", &processor.to_string()])
                .arg(&own)
                .args([ARGUMENT, &(seconds + 1).to_string()])
                .stdin(Stdio::null())
                .stdout(Stdio::piped())
                .stderr(Stdio::null())
                .spawn()
                .map_err(|e| format!("chrt: {e}"))?;
            all.0.push(child);
        }
        Ok(all)
    }

    /// When the machine was away.
    ///
    /// # Errors
    /// A witness that could not watch.
    pub(super) fn away(mut self) -> Result<Vec<(SystemTime, SystemTime)>, String> {
        let mut away = Vec::new();
        for child in std::mem::take(&mut self.0) {
            let said = child.wait_with_output().map_err(|e| e.to_string())?;
            if !said.status.success() {
                return Err("processes of real-time urgency are not allowed here".to_owned());
            }
            for line in String::from_utf8_lossy(&said.stdout).lines() {
                let mut at = line.split(' ').filter_map(|us| us.parse().ok());
                let (Some(from), Some(to)) = (at.next(), at.next()) else {
                    return Err(format!("a witness said {line:?}"));
                };
                let at = |us| UNIX_EPOCH + Duration::from_micros(us);
                away.push((at(from), at(to)));
            }
        }
        Ok(away)
    }
}

impl Drop for Witness {
    fn drop(&mut self) {
        for child in &mut self.0 {
            let _ = child.kill();
            let _ = child.wait();
        }
    }
}

/// Whether this process is to be a witness.
pub(super) fn is_asked_for() -> bool {
    std::env::args().nth(1).as_deref() == Some(ARGUMENT)
}

/// Watches, then prints when it was late: from when to when, in microseconds since 1970.
pub(super) fn watch() -> ExitCode {
    let Some(seconds) = std::env::args().nth(2).and_then(|text| text.parse().ok()) else {
        return ExitCode::from(2);
    };
    let end = SystemTime::now() + Duration::from_secs(seconds);
    let mut late = Vec::new();
    loop {
        let due = SystemTime::now() + EVERY;
        std::thread::sleep(EVERY);
        let now = SystemTime::now();
        if now.duration_since(due).is_ok_and(|by| by > LATE) {
            late.push((due, now));
        }
        if now >= end {
            break;
        }
    }
    let us = |at: SystemTime| at.duration_since(UNIX_EPOCH).unwrap_or_default().as_micros();
    for (from, to) in late {
        println!("{} {}", us(from), us(to));
    }
    ExitCode::SUCCESS
}
