//! Words to the host's log.
//!
//! A module has no stderr worth writing to and must not bring a logging library; the host has a log,
//! and its operators read it. The module sets one function at load; everything here goes through it.
//! Before that, and in programs that set none, words are dropped.

use std::{
    fmt::{self, Write as _},
    sync::{
        OnceLock,
        atomic::{AtomicU8, AtomicU64, Ordering::Relaxed},
    },
};

use crate::{clock, text::CBuf};

/// How much a line matters, most first.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug, Hash)]
#[repr(u8)]
pub enum Level {
    /// Something is broken and calls suffer.
    Error = 0,
    /// Something is wrong and was got round.
    Warning = 1,
    /// Something an operator wants to know happened.
    Notice = 2,
    /// Ordinary work.
    Info = 3,
    /// For whoever looks for a fault.
    Debug = 4,
}

/// Writes a line to the host's log. Gets no line ends and no NULs, at most [`MAX_LINE`] bytes; called on
/// whichever thread has something to say; must neither wait nor panic (a panic is caught and lost).
pub type HostLog = fn(Level, &str);

/// Longest line, in bytes; what is longer is cut.
pub const MAX_LINE: usize = 1023;

static SINK: OnceLock<HostLog> = OnceLock::new();
static MOST: AtomicU8 = AtomicU8::new(Level::Info as u8);

/// Sets the host's log function, once. False when it was set before (the first one stays).
pub fn set_host_log(sink: HostLog) -> bool {
    SINK.set(sink).is_ok()
}

/// Sets the least important level that is written; [`Level::Info`] at first.
pub fn set_level(most: Level) {
    MOST.store(most as u8, Relaxed);
}

/// Whether a line of this level would be written: ask before working for one.
#[must_use]
pub fn enabled(level: Level) -> bool {
    level as u8 <= MOST.load(Relaxed) && SINK.get().is_some()
}

/// Writes a line: `log::write(Level::Notice, format_args!("generation {n}"))`. Does not allocate.
pub fn write(level: Level, line: fmt::Arguments<'_>) {
    if !enabled(level) {
        return;
    }
    let Some(sink) = SINK.get() else { return };
    let mut cut = OneLine(CBuf::<{ MAX_LINE + 1 }>::new());
    let _ = cut.write_fmt(line); // A Display that fails leaves what it wrote so far.
    sink(level, cut.0.as_str());
}

/// [`Level::Error`].
pub fn error(line: fmt::Arguments<'_>) {
    write(Level::Error, line);
}

/// [`Level::Warning`].
pub fn warning(line: fmt::Arguments<'_>) {
    write(Level::Warning, line);
}

/// [`Level::Notice`].
pub fn notice(line: fmt::Arguments<'_>) {
    write(Level::Notice, line);
}

/// [`Level::Info`].
pub fn info(line: fmt::Arguments<'_>) {
    write(Level::Info, line);
}

/// [`Level::Debug`].
pub fn debug(line: fmt::Arguments<'_>) {
    write(Level::Debug, line);
}

/// Lets one line a minute through for each place that holds one, so that a fault at a thousand calls a
/// second does not fill the disk. Make it a static.
#[derive(Debug)]
pub struct OnceAMinute {
    /// Monotonic milliseconds and one when the last line passed; 0 before the first.
    last: AtomicU64,
    held_back: AtomicU64,
}

impl OnceAMinute {
    /// One that lets the first line through.
    #[must_use]
    pub const fn new() -> Self {
        Self { last: AtomicU64::new(0), held_back: AtomicU64::new(0) }
    }

    /// How many lines were held back since the last one, if this one may be written; `None` if it may
    /// not.
    pub fn allow(&self) -> Option<u64> {
        self.allow_at(clock::monotonic_ms())
    }

    /// As [`allow`](Self::allow), at a given monotonic millisecond.
    pub fn allow_at(&self, now_ms: u64) -> Option<u64> {
        let now = now_ms.saturating_add(1);
        let last = self.last.load(Relaxed);
        let due = last == 0 || now.saturating_sub(last) >= 60_000;
        // Of several threads that find it due, one wins.
        if due && self.last.compare_exchange(last, now, Relaxed, Relaxed).is_ok() {
            return Some(self.held_back.swap(0, Relaxed));
        }
        self.held_back.fetch_add(1, Relaxed);
        None
    }

    /// Writes a line if one may be written, saying how many were held back before it.
    pub fn write(&self, level: Level, line: fmt::Arguments<'_>) {
        match self.allow() {
            Some(0) => write(level, line),
            Some(n) => write(level, format_args!("{line} ({n} more like it in between)")),
            None => {}
        }
    }
}

impl Default for OnceAMinute {
    fn default() -> Self {
        Self::new()
    }
}

/// Control characters become spaces: a caller's number must not begin a line of its own in the log.
struct OneLine<const N: usize>(CBuf<N>);

impl<const N: usize> fmt::Write for OneLine<N> {
    fn write_str(&mut self, text: &str) -> fmt::Result {
        for piece in text.split_inclusive(char::is_control) {
            let clean = piece.trim_end_matches(char::is_control);
            self.0.push_str(clean);
            if clean.len() != piece.len() {
                self.0.push_str(" ");
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn once_a_minute() {
        let limit = OnceAMinute::new();
        assert_eq!(limit.allow_at(0), Some(0));
        assert_eq!(limit.allow_at(1), None);
        assert_eq!(limit.allow_at(59_999), None);
        assert_eq!(limit.allow_at(60_000), Some(2));
        assert_eq!(limit.allow_at(60_001), None);
        assert_eq!(limit.allow_at(500_000), Some(1));
    }

    #[test]
    fn one_line_stays_one() {
        let mut line = OneLine(CBuf::<64>::new());
        line.write_str("a\nb\r\n\u{1b}[31mc\0d\u{85}é").expect("never fails");
        assert_eq!(line.0.as_str(), "a b   [31mc d é");
    }
}
