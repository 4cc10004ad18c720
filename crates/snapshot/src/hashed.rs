//! Maps whose keys are hashes already, for what a build meets a million times.
//!
//! Whoever uses one compares what it finds with what it looked for, and goes to the next key where
//! they differ; so a poor hash costs time, never an answer. The words come from our own rows, not
//! from an enemy who picks them.

use std::hash::{BuildHasherDefault, Hasher};

/// For `HashMap<u64, _, Build>`, and for keys that are sums of 128 bits ([`crate::sums`]).
pub(crate) type Build = BuildHasherDefault<Hashed>;

/// Takes one word and leaves it as it is.
#[derive(Default)]
pub(crate) struct Hashed(u64);

impl Hasher for Hashed {
    fn finish(&self) -> u64 {
        self.0
    }
    fn write(&mut self, _: &[u8]) {
        unreachable!("only whole words are hashed");
    }
    fn write_u64(&mut self, word: u64) {
        self.0 = word;
    }
    fn write_u128(&mut self, word: u128) {
        self.0 = word as u64 ^ (word >> 64) as u64;
    }
}

/// One word for many, after the fashion of Firefox's hash.
pub(crate) fn words(words: impl Iterator<Item = u64>) -> u64 {
    let hash = words
        .fold(1u64, |hash, word| (hash.rotate_left(5) ^ word).wrapping_mul(0x517c_c1b7_2722_0a95));
    // Mixed once more, since the map takes the low bits.
    hash ^ hash >> 32
}

/// The same for a long row of words, four of them at a time: none has to wait for the one before.
pub(crate) fn row<T: Copy>(of: &[T], word: impl Fn(T) -> u64) -> u64 {
    let mut lanes = [1u64, 2, 3, 4];
    let (fours, rest) = of.as_chunks::<4>();
    for four in fours {
        for (lane, &one) in lanes.iter_mut().zip(four) {
            *lane = (lane.rotate_left(5) ^ word(one)).wrapping_mul(0x517c_c1b7_2722_0a95);
        }
    }
    words(rest.iter().map(|&one| word(one)).chain(lanes))
}

/// The same for a text.
pub(crate) fn text(text: &str) -> u64 {
    let (eights, rest) = text.as_bytes().as_chunks::<8>();
    let tail = rest.iter().fold(rest.len() as u64, |tail, byte| tail << 8 | u64::from(*byte));
    words(eights.iter().map(|eight| u64::from_le_bytes(*eight)).chain([tail]))
}
