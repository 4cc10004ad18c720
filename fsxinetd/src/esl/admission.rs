//! Who gets in.
//!
//! Past a limit a call must be told at once, and cheaply, that nobody will help it, since the old
//! service's way of refusing everybody for ten seconds turned a burst into an outage. A health probe
//! looks like a call until it has said its task, so a few connections beyond the limits are let in
//! to say it: a machine that is busy is not one that is ill.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Instant;

use tokio::sync::{OwnedSemaphorePermit, Semaphore};

/// Connections beyond the limits that may say whether they are probes. Each takes a millisecond, so
/// only peers that say nothing can fill it. A call on an `async` socket must have been heard before it is left.
const PROBES: usize = 1_024;

/// The limits.
#[derive(Debug)]
pub struct Admission {
    calls: Arc<Semaphore>,
    probes: Arc<Semaphore>,
    bucket: Mutex<Bucket>,
}

/// Whether somebody is in. Leaves when dropped.
#[derive(Debug)]
pub enum Admitted {
    /// A call like any other.
    Call(OwnedSemaphorePermit),
    /// Over a limit: only a probe is answered.
    ProbeOnly(OwnedSemaphorePermit),
    /// Not at all.
    Refused,
}

/// As many tokens as calls may begin now.
#[derive(Debug)]
struct Bucket {
    rate: f64,
    tokens: f64,
    at: Instant,
}

impl Bucket {
    fn take(&mut self, now: Instant) -> bool {
        let elapsed = now.saturating_duration_since(self.at).as_secs_f64();
        self.tokens = (self.tokens + elapsed * self.rate).min(self.rate);
        self.at = now;
        let some = self.tokens >= 1.0;
        if some {
            self.tokens -= 1.0;
        }
        some
    }
}

impl Admission {
    /// At most `calls` at a time and `per_second` new ones a second.
    #[must_use]
    pub fn new(calls: u32, per_second: u32) -> Self {
        let rate = f64::from(per_second);
        Self {
            calls: Arc::new(Semaphore::new(calls as usize)),
            probes: Arc::new(Semaphore::new(PROBES)),
            bucket: Mutex::new(Bucket { rate, tokens: rate, at: Instant::now() }),
        }
    }

    /// Decides about a connection that has just come.
    pub fn admit(&self) -> Admitted {
        self.admit_at(Instant::now())
    }

    fn admit_at(&self, now: Instant) -> Admitted {
        if let Ok(permit) = Arc::clone(&self.calls).try_acquire_owned()
            && self.bucket.lock().unwrap_or_else(PoisonError::into_inner).take(now)
        {
            return Admitted::Call(permit);
        }
        match Arc::clone(&self.probes).try_acquire_owned() {
            Ok(permit) => Admitted::ProbeOnly(permit),
            Err(_) => Admitted::Refused,
        }
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    #[test]
    fn limits_in_number_and_in_time() {
        let start = Instant::now();
        let admission = Admission::new(2, 100);
        let first = admission.admit_at(start);
        let second = admission.admit_at(start);
        assert!(matches!((&first, &second), (Admitted::Call(_), Admitted::Call(_))));
        let probes: Vec<_> = (0..PROBES).map(|_| admission.admit_at(start)).collect();
        assert!(probes.iter().all(|p| matches!(p, Admitted::ProbeOnly(_))));
        assert!(matches!(admission.admit_at(start), Admitted::Refused));
        drop((first, probes));
        assert!(matches!(admission.admit_at(start), Admitted::Call(_)));

        let admission = Admission::new(1_000, 10);
        let in_at =
            |at| (0..50).filter(|_| matches!(admission.admit_at(at), Admitted::Call(_))).count();
        assert_eq!(in_at(start), 10);
        assert_eq!(in_at(start + Duration::from_millis(510)), 5);
        assert_eq!(in_at(start + Duration::from_secs(3_600)), 10);
    }
}
