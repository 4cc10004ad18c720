//! What a gateway's calls were like: how many were answered, how long they lasted, how soon they rang.
//!
//! A carrier may be cheap because half of its calls lead nowhere. The figures are kept here, where
//! every switch process of the host adds to them and every decision can read them, in a window that
//! slides: six buckets of ten minutes, the oldest of which is used again. Each counter is one word that
//! carries the number of its bucket's ten minutes with it, so a bucket needs no clearing: whoever adds
//! to a counter of an hour ago begins it anew, in the same exchange. There is nothing that a killed
//! process could leave half done, and nothing that grows.

use std::sync::atomic::{
    AtomicU64,
    Ordering::{AcqRel, Acquire, Relaxed},
};

use fsx_core::profile::Quality;

use crate::{
    health::GatewayAt,
    layout::{BUCKET_WORDS, BUCKETS, QUALITY_WORDS, word},
    table::LiveTable,
};

/// Seconds of a bucket.
const BUCKET_S: u64 = 600;

/// Seconds that quality looks back over, at most; a bucket less at least.
pub const QUALITY_WINDOW_S: u64 = BUCKET_S * BUCKETS as u64;

/// Bits of a counter's value; the rest number the ten minutes since 1970 (good until 2288).
const VALUE_BITS: u32 = 40;
const VALUE_MAX: u64 = (1 << VALUE_BITS) - 1;
const STAMP_MAX: u64 = u64::MAX >> VALUE_BITS;

/// Places of a bucket's counters.
#[derive(Clone, Copy)]
enum Part {
    Seizures = 0,
    Answers = 1,
    Failed = 2,
    Ended = 3,
    TalkMs = 4,
    Rang = 5,
    DelayMs = 6,
}

impl LiveTable {
    /// Counts an attempt whose outcome is known: it was answered, or it ended without. `failed` says
    /// that the gateway was to blame. `at` is in seconds UTC, as everywhere here. Call path.
    pub fn count_attempt(&self, gateway_id: u32, at: i64, answered: bool, failed: bool) {
        let Some(row) = self.claim_gateway(gateway_id) else { return };
        let stamp = self.stamp(at);
        self.add(&row, stamp, Part::Seizures, 1);
        if answered {
            self.add(&row, stamp, Part::Answers, 1);
        }
        if failed {
            self.add(&row, stamp, Part::Failed, 1);
        }
    }

    /// Counts how long a call was heard nothing of: from the INVITE to the first sign that it rings, or
    /// to its answer. Call path.
    pub fn count_delay(&self, gateway_id: u32, at: i64, ms: u64) {
        let Some(row) = self.claim_gateway(gateway_id) else { return };
        let stamp = self.stamp(at);
        self.add(&row, stamp, Part::Rang, 1);
        self.add(&row, stamp, Part::DelayMs, ms);
    }

    /// Counts an answered call that has ended, and how long it lasted from its answer. Call path.
    pub fn count_talk(&self, gateway_id: u32, at: i64, ms: u64) {
        let Some(row) = self.claim_gateway(gateway_id) else { return };
        let stamp = self.stamp(at);
        self.add(&row, stamp, Part::Ended, 1);
        self.add(&row, stamp, Part::TalkMs, ms);
    }

    /// What was measured of a gateway in the window that ends with the second seen last.
    pub(crate) fn quality_of(&self, gateway_id: u32) -> Quality {
        self.gateway(gateway_id).map_or_else(Quality::default, |row| self.quality_at(&row))
    }

    pub(crate) fn quality_at(&self, at: &GatewayAt<'_>) -> Quality {
        let Some(words) = self.row::<QUALITY_WORDS>(self.layout.quality, at.n) else {
            return Quality::default();
        };
        let clock = self.word(word::CLOCK).map_or(0, |w| w.load(Relaxed));
        let now = (clock / BUCKET_S) & STAMP_MAX;
        let mut sums = [0u64; BUCKET_WORDS];
        for bucket in words.as_chunks::<BUCKET_WORDS>().0 {
            for (sum, counter) in sums.iter_mut().zip(bucket) {
                let counter = counter.load(Relaxed);
                let age = now.wrapping_sub(counter >> VALUE_BITS);
                if age < BUCKETS as u64 {
                    *sum += counter & VALUE_MAX;
                }
            }
        }
        let sum = |part: Part| sums[part as usize];
        Quality {
            seizures: sum(Part::Seizures),
            answers: sum(Part::Answers),
            failed: sum(Part::Failed),
            ended: sum(Part::Ended),
            talk_s: sum(Part::TalkMs) / 1000,
            rang: sum(Part::Rang),
            pdd_ms: sum(Part::DelayMs),
        }
    }

    /// The ten minutes of an instant, noted as the latest.
    fn stamp(&self, at: i64) -> u64 {
        self.set_clock(at);
        (at.max(0).unsigned_abs() / BUCKET_S) & STAMP_MAX
    }

    /// Notes what time it is. The last word counts, so that a clock that was put right is followed.
    pub(crate) fn set_clock(&self, at: i64) {
        let at = at.max(0).unsigned_abs();
        if let Some(clock) = self.word(word::CLOCK)
            && clock.load(Relaxed) != at
        {
            clock.store(at, Relaxed);
        }
    }

    fn add(&self, at: &GatewayAt<'_>, stamp: u64, part: Part, value: u64) {
        let bucket = (stamp % BUCKETS as u64) as usize;
        let counter = self
            .row::<QUALITY_WORDS>(self.layout.quality, at.n)
            .and_then(|words| words.get(bucket * BUCKET_WORDS + part as usize));
        if let Some(counter) = counter {
            add(counter, stamp, value);
        }
    }
}

/// Adds to a counter of these ten minutes, or begins it.
fn add(counter: &AtomicU64, stamp: u64, value: u64) {
    let value = value.min(VALUE_MAX);
    // Never an error: the closure always answers.
    let _ = counter.fetch_update(AcqRel, Acquire, |now| {
        let so_far = if now >> VALUE_BITS == stamp { now & VALUE_MAX } else { 0 };
        Some(stamp << VALUE_BITS | (so_far + value).min(VALUE_MAX))
    });
}
