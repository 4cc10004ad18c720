//! Saying that a scenario was not run, so that nobody takes silence for success.

use std::{fs::OpenOptions, io::Write as _};

/// Prints `SKIPPED <scenario>: <reason>` and appends it to the file named by `FSX_SKIP_LOG`.
///
/// It writes to standard error itself, past the capture of the test harness: a passing test's
/// output is hidden, and this must not be.
///
/// # Panics
/// When `FSX_SKIP_LOG` is set and cannot be written: the list of what was not tested would be short.
pub fn skip(scenario: &str, reason: &str) {
    let line = format!("SKIPPED {scenario}: {reason}\n");
    let _ = std::io::stderr().write_all(line.as_bytes());
    if let Some(path) = std::env::var_os("FSX_SKIP_LOG") {
        let written = OpenOptions::new()
            .create(true)
            .append(true)
            .open(&path)
            .and_then(|mut file| file.write_all(line.as_bytes()));
        if let Err(e) = written {
            panic!("FSX_SKIP_LOG ({}) cannot be written: {e}", path.display());
        }
    }
}
