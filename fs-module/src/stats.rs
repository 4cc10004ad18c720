//! What the module counts of its own work, for `fsx status`.

use std::sync::atomic::{AtomicU64, Ordering::Relaxed};

/// Upper ends of the histogram's buckets, in nanoseconds; the last bucket has none.
const EDGES_NS: [u64; 16] = [
    250, 500, 1_000, 2_000, 3_000, 4_000, 5_000, 7_500, 10_000, 15_000, 20_000, 50_000, 100_000,
    200_000, 500_000, 1_000_000,
];

/// Declares the counters once.
macro_rules! counters {
    ($($(#[$doc:meta])* $name:ident,)*) => {
        /// Counters since the module was loaded.
        #[derive(Debug, Default)]
        pub(crate) struct Stats {
            $($(#[$doc])* pub(crate) $name: AtomicU64,)*
            decisions_ns: [AtomicU64; EDGES_NS.len() + 1],
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
    /// Attempts put off to the end of their plan, because their gateway stood back by then.
    put_off,
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
    /// Attempts whose cost could not be added to what an organisation has spent: a policy's own route
    /// gave a currency without its worth, or the live table is full.
    spend_unknown,
}

/// Counts one.
pub(crate) fn count(counter: &AtomicU64) {
    counter.fetch_add(1, Relaxed);
}

/// How long local decisions took: the histogram, and what it says. Times are the upper ends of
/// buckets, in microseconds; `None` is past the last.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct DecisionTimes {
    /// How many there were.
    pub(crate) count: u64,
    /// Half of them took less than this.
    pub(crate) median_us: Option<f64>,
    /// All but one of a hundred took less than this.
    pub(crate) p99_us: Option<f64>,
    /// Upper end and count of each bucket.
    pub(crate) buckets: Vec<(Option<f64>, u64)>,
}

impl Stats {
    /// Notes how long a local decision took.
    pub(crate) fn decided_in(&self, took: std::time::Duration) {
        let ns = u64::try_from(took.as_nanos()).unwrap_or(u64::MAX);
        let bucket = EDGES_NS.iter().position(|&edge| ns < edge).unwrap_or(EDGES_NS.len());
        count(&self.decisions_ns[bucket]);
    }

    /// How long local decisions took.
    pub(crate) fn decision_times(&self) -> DecisionTimes {
        let edge = |n: usize| EDGES_NS.get(n).map(|&ns| ns as f64 / 1000.0);
        let counts: Vec<u64> = self.decisions_ns.iter().map(|n| n.load(Relaxed)).collect();
        let count: u64 = counts.iter().sum();
        let under = |percent: u64| {
            let wanted = (count * percent).div_ceil(100);
            let mut sum = 0;
            let at = counts.iter().position(|n| {
                sum += n;
                sum >= wanted
            });
            at.filter(|_| count > 0).and_then(edge)
        };
        let buckets = counts.iter().enumerate().map(|(n, &count)| (edge(n), count)).collect();
        DecisionTimes { count, median_us: under(50), p99_us: under(99), buckets }
    }
}

impl std::fmt::Display for DecisionTimes {
    /// `1204, median <2us, p99 <10us: <1us 12, <2us 800, …`; empty buckets are left out.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let under = |edge: Option<f64>| edge.map_or(">=1000us".to_owned(), |us| format!("<{us}us"));
        if self.count == 0 {
            return f.write_str("none yet");
        }
        let (median, p99) = (under(self.median_us), under(self.p99_us));
        write!(f, "{}, median {median}, p99 {p99}:", self.count)?;
        let mut comma = "";
        for &(edge, count) in self.buckets.iter().filter(|(_, count)| *count > 0) {
            write!(f, "{comma} {} {count}", under(edge))?;
            comma = ",";
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::Duration;

    #[test]
    fn histogram_in_words() {
        let stats = Stats::default();
        assert_eq!(stats.decision_times().to_string(), "none yet");
        for ns in [100, 4_500, 4_900, 5_000_000] {
            stats.decided_in(Duration::from_nanos(ns));
        }
        let times = stats.decision_times();
        assert_eq!((times.count, times.median_us, times.p99_us), (4, Some(5.0), None));
        assert_eq!(
            times.to_string(),
            "4, median <5us, p99 >=1000us: <0.25us 1, <5us 2, >=1000us 1"
        );
    }
}
