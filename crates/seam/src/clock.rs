//! Instants, deadlines and short pauses.
//!
//! The engine has no clock: seams read it, once a call, and hand the instant in. Deadlines use the
//! monotonic clock, so that a stepped wall clock neither ends nor extends a wait.

use std::{
    sync::OnceLock,
    time::{Duration, Instant, SystemTime, UNIX_EPOCH},
};

/// Now, in seconds since 1970 UTC; what [`fsx_core::CallFacts::at`] wants.
#[must_use]
pub fn utc_s() -> i64 {
    utc_ms().div_euclid(1000)
}

/// Now, in milliseconds since 1970 UTC; what call records want.
#[must_use]
pub fn utc_ms() -> i64 {
    match SystemTime::now().duration_since(UNIX_EPOCH) {
        Ok(since) => i64::try_from(since.as_millis()).unwrap_or(i64::MAX),
        Err(before) => i64::try_from(before.duration().as_millis()).map_or(i64::MIN, |ms| -ms),
    }
}

/// Milliseconds of the monotonic clock since this library first looked at it: for intervals within one
/// process (and its forks).
#[must_use]
pub fn monotonic_ms() -> u64 {
    static FIRST: OnceLock<Instant> = OnceLock::new();
    let first = FIRST.get_or_init(Instant::now);
    u64::try_from(first.elapsed().as_millis()).unwrap_or(u64::MAX)
}

/// Lets `ms` milliseconds pass without burning a core. For bounded waits only: OpenSIPS workers handle
/// nothing else meanwhile.
pub fn pause_ms(ms: u32) {
    crate::socket::pause(Duration::from_millis(u64::from(ms)));
}

/// The instant by which something must be over.
#[derive(Clone, Copy, Debug)]
pub struct Deadline {
    begun: Instant,
    allowed: Duration,
}

impl Deadline {
    /// `ms` milliseconds from now.
    #[must_use]
    pub fn after_ms(ms: u32) -> Self {
        Self { begun: Instant::now(), allowed: Duration::from_millis(u64::from(ms)) }
    }

    /// What is left; zero once it has passed.
    #[must_use]
    pub fn left(&self) -> Duration {
        self.allowed.saturating_sub(self.begun.elapsed())
    }

    /// What is left in whole milliseconds, rounded up so that 0 means passed.
    #[must_use]
    pub fn left_ms(&self) -> u32 {
        u32::try_from(self.left().as_micros().div_ceil(1000)).unwrap_or(u32::MAX)
    }

    /// Whether it has passed.
    #[must_use]
    pub fn passed(&self) -> bool {
        self.left().is_zero()
    }

    /// How long it has been running, in milliseconds.
    #[must_use]
    pub fn waited_ms(&self) -> u32 {
        u32::try_from(self.begun.elapsed().as_millis()).unwrap_or(u32::MAX)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn deadlines_end() {
        let now = Deadline::after_ms(0);
        assert!(now.passed());
        assert_eq!(now.left_ms(), 0);
        let later = Deadline::after_ms(60_000);
        assert!(!later.passed());
        assert!((59_000..=60_000).contains(&later.left_ms()), "{}", later.left_ms());
        assert!(!Deadline::after_ms(u32::MAX).passed());
    }

    #[test]
    fn clocks_agree_with_each_other() {
        let (s, ms) = (utc_s(), utc_ms());
        assert!((0..60_000).contains(&(ms - s * 1000)), "{s} s, {ms} ms");
        let before = monotonic_ms();
        pause_ms(20);
        assert!(monotonic_ms() - before >= 20);
    }
}
