//! What the module counts of its own work, for `fsx status`.

use std::sync::atomic::{AtomicU64, Ordering::Relaxed};

/// Upper ends of the histogram's buckets, in microseconds; the last bucket has none.
const EDGES_US: [u64; 10] = [1, 2, 5, 10, 20, 50, 100, 200, 500, 1000];

/// Declares the counters once.
macro_rules! counters {
    ($($(#[$doc:meta])* $name:ident,)*) => {
        /// Counters since the module was loaded.
        #[derive(Debug, Default)]
        pub(crate) struct Stats {
            $($(#[$doc])* pub(crate) $name: AtomicU64,)*
            decisions_us: [AtomicU64; EDGES_US.len() + 1],
        }

        impl Stats {
            /// All counters, by name.
            pub(crate) fn all(&self) -> Vec<(&'static str, u64)> {
                vec![$((stringify!($name), self.$name.load(Relaxed)),)*]
            }
        }
    };
}

counters! {
    /// Calls decided.
    calls,
    /// Of them, routed.
    routed,
    /// Of them, refused.
    rejected,
    /// Of them, emergency calls.
    emergency,
    /// Attempts at gateways.
    attempts,
    /// Of them, answered.
    answered,
    /// Policies asked for.
    policy_asked,
    /// Policies that did not answer in time.
    policy_late,
    /// Records taken by the daemon.
    records_delivered,
    /// Records put into the spool.
    records_spooled,
    /// Records that found no place at all.
    records_lost,
}

/// Counts one.
pub(crate) fn count(counter: &AtomicU64) {
    counter.fetch_add(1, Relaxed);
}

impl Stats {
    /// Notes how long a local decision took.
    pub(crate) fn decided_in(&self, took: std::time::Duration) {
        let us = u64::try_from(took.as_micros()).unwrap_or(u64::MAX);
        let bucket = EDGES_US.iter().position(|&edge| us < edge).unwrap_or(EDGES_US.len());
        count(&self.decisions_us[bucket]);
    }

    /// The histogram in words: `<1us 12, <2us 3, …`; empty buckets are left out.
    pub(crate) fn decision_times(&self) -> String {
        let mut words = Vec::new();
        for (n, counter) in self.decisions_us.iter().enumerate() {
            let count = counter.load(Relaxed);
            if count > 0 {
                words.push(match EDGES_US.get(n) {
                    Some(edge) => format!("<{edge}us {count}"),
                    None => format!(">=1000us {count}"),
                });
            }
        }
        if words.is_empty() { "none yet".to_owned() } else { words.join(", ") }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::Duration;

    #[test]
    fn histogram_in_words() {
        let stats = Stats::default();
        assert_eq!(stats.decision_times(), "none yet");
        for us in [0, 4, 4, 5_000] {
            stats.decided_in(Duration::from_micros(us));
        }
        assert_eq!(stats.decision_times(), "<1us 1, <5us 2, >=1000us 1");
    }
}
