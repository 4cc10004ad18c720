//! How far a long piece of work is.
//!
//! On a terminal one line that is written over; elsewhere a line now and then, so that a log shows
//! that something moves and is not filled with it.

use std::io::{IsTerminal, Write};
use std::time::{Duration, Instant};

/// Between two lines on a terminal, and elsewhere.
const TERMINAL: Duration = Duration::from_millis(100);
const LOG: Duration = Duration::from_secs(5);

/// Progress on standard error.
pub(crate) struct Progress {
    terminal: bool,
    last: Instant,
    shown: bool,
}

impl Progress {
    /// Nothing shown yet; short work shows nothing at all.
    pub(crate) fn new() -> Self {
        let terminal = std::io::stderr().is_terminal();
        Self { terminal, last: Instant::now(), shown: false }
    }

    /// Shows a line, unless it is too soon.
    pub(crate) fn show(&mut self, line: impl FnOnce() -> String) {
        if self.last.elapsed() < if self.terminal { TERMINAL } else { LOG } {
            return;
        }
        self.last = Instant::now();
        let mut out = std::io::stderr().lock();
        // Nobody is helped by failing because nobody watches.
        let _ = if self.terminal {
            self.shown = true;
            write!(out, "\r\x1b[K{}", line()).and_then(|()| out.flush())
        } else {
            writeln!(out, "{}", line())
        };
    }

    /// Takes the line away.
    pub(crate) fn done(&mut self) {
        if std::mem::take(&mut self.shown) {
            let mut out = std::io::stderr().lock();
            let _ = write!(out, "\r\x1b[K").and_then(|()| out.flush());
        }
    }
}

impl Drop for Progress {
    fn drop(&mut self) {
        self.done();
    }
}

/// `1234567` as `1,234,567`.
pub(crate) fn thousands(n: u64) -> String {
    let digits = n.to_string();
    let mut out = String::with_capacity(digits.len() + digits.len() / 3);
    for (at, digit) in digits.chars().enumerate() {
        if at > 0 && (digits.len() - at).is_multiple_of(3) {
            out.push(',');
        }
        out.push(digit);
    }
    out
}

#[cfg(test)]
mod tests {
    #[test]
    fn thousands_are_grouped() {
        for (n, text) in [(0, "0"), (999, "999"), (1000, "1,000"), (1_234_567, "1,234,567")] {
            assert_eq!(super::thousands(n), text);
        }
    }
}
