//! Maps whose keys are hashes already, for what a build meets a million times.
//!
//! Whoever uses one compares what it finds with what it looked for, and goes to the next key where
//! they differ; so a poor hash costs time, never an answer. The words come from our own rows, not
//! from an enemy who picks them. The one exception is [`Sum`], which stands for what it was made of.

use std::hash::{BuildHasher, BuildHasherDefault, Hasher, RandomState};

use crate::lists::Entry;

/// For `HashMap<u64, _, Build>` and by [`Sum`].
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

/// What stands for a set of entries: 128 bits under a key that is drawn for each build, so neither
/// chance (1 in 10^26 for a million lists) nor a carrier's own deck makes two sets alike.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug, Default)]
pub(crate) struct Sum(u128);

impl Sum {
    /// With one more entry, by its own sum.
    pub(crate) fn with(self, entry: Self) -> Self {
        Self(self.0.wrapping_add(entry.0))
    }

    /// Without one that is in it.
    pub(crate) fn without(self, entry: Self) -> Self {
        Self(self.0.wrapping_sub(entry.0))
    }
}

/// The key that sums are made under.
pub(crate) struct Sums([u64; 4]);

impl Sums {
    pub(crate) fn new() -> Self {
        let keys = RandomState::new();
        Self([1u8, 2, 3, 4].map(|at| keys.hash_one(at)))
    }

    /// The sum of one entry.
    pub(crate) fn of(&self, entry: Entry) -> Sum {
        let [a, b, c, d] = self.0;
        // Each half is folded from a product, as wyhash does: sums of such are not sums of the words.
        let half = |mask: u64, by: u64| {
            let product = u128::from(entry.word() ^ mask) * u128::from(by | 1);
            product as u64 ^ (product >> 64) as u64
        };
        Sum(u128::from(half(a, b)) << 64 | u128::from(half(c, d)))
    }

    /// The sum of a whole list, as it comes about by adding one prefix after another: an entry that
    /// replaced what a carrier had, or had not, took that away.
    pub(crate) fn of_all(&self, entries: &[Entry], keep_shorter: bool) -> Sum {
        entries.iter().fold(Sum::default(), |sum, &entry| {
            let sum = sum.with(self.of(entry));
            let none = Entry::none_of(entry.carrier());
            if keep_shorter { sum } else { sum.without(self.of(none)) }
        })
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
