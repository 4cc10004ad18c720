//! The physical limit: how long one read takes that has to wait for the one before.

use std::{hint::black_box, time::Instant};

/// A cycle through memory, one step a cache line, in an order that no prefetcher guesses.
pub(crate) struct Chase {
    next: Vec<[u32; 16]>,
}

impl Chase {
    pub(crate) fn new(bytes: usize) -> Self {
        let lines = bytes / 64;
        // Sattolo's shuffle: one cycle through all.
        let mut order: Vec<u32> = (0..lines as u32).collect();
        let mut seed = 1u64;
        for at in (1..lines).rev() {
            seed = seed.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
            order.swap(at, (seed >> 33) as usize % at);
        }
        let mut next = vec![[0; 16]; lines];
        for at in 0..lines {
            next[order[at] as usize][0] = order[(at + 1) % lines];
        }
        Self { next }
    }

    /// Nanoseconds a step, over `steps` from `start`.
    pub(crate) fn step_ns(&self, start: usize, steps: usize) -> f64 {
        let mut at = (start % self.next.len()) as u32;
        let began = Instant::now();
        for _ in 0..steps {
            at = self.next[at as usize][0];
        }
        black_box(at);
        began.elapsed().as_nanos() as f64 / steps as f64
    }
}

/// Memory that is walked through to push everything else out of the caches.
pub(crate) struct Evictor {
    bytes: Vec<u64>,
}

impl Evictor {
    pub(crate) fn new(bytes: usize) -> Self {
        Self { bytes: vec![1; bytes / 8] }
    }

    pub(crate) fn evict(&mut self) {
        for word in self.bytes.iter_mut().step_by(8) {
            *word = word.wrapping_add(1);
        }
        black_box(&self.bytes);
    }
}

/// The value that a tenth of the rounds stayed below: what the machine does while nobody else wants
/// it. The middle one tells how busy it was instead.
pub(crate) fn undisturbed(mut of: Vec<f64>) -> f64 {
    of.sort_unstable_by(f64::total_cmp);
    of[of.len() / 10]
}
