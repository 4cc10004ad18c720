//! A sum that stands for a list of offers while a build walks the prefixes in order.
//!
//! From one prefix to the next a few entries come and go, and most lists were met before. To know one
//! again by going through its entries would cost more than all the rest of a build; so a list is known
//! by the sum of its entries' own sums, which a coming or going entry changes in one step. Nothing is
//! compared behind it: two lists of one sum would be taken for one, which is why it has 128 bits under
//! a key. Debug builds add up each list anew ([`Sums::of_all`]).

use std::hash::{BuildHasher, RandomState};

use crate::lists::Entry;

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

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use super::*;

    fn some() -> Vec<Entry> {
        (1..=40).map(|at| Entry::new(u32::from(at) * 1_000, at, at % 12)).collect()
    }

    #[test]
    fn a_set_has_one_sum_in_whatever_order_its_entries_came_and_went() {
        let sums = Sums::new();
        let (mut entries, passing) = (some(), Entry::new(7, 41, 3));
        let at_once = sums.of_all(&entries, true);
        entries.reverse();
        let sum = entries
            .iter()
            .fold(Sum::default().with(sums.of(passing)), |sum, &entry| sum.with(sums.of(entry)));
        assert_ne!(sum, at_once);
        assert_eq!(sum.without(sums.of(passing)), at_once);
    }

    #[test]
    fn an_entry_that_takes_the_place_of_none_is_counted_once() {
        let sums = Sums::new();
        let [first, second] = [Entry::new(9, 3, 4), Entry::new(5, 3, 6)];
        let put = |sum: Sum, from: Entry, to: Entry| sum.without(sums.of(from)).with(sums.of(to));
        let (none, empty) = (Entry::none_of(3), Sum::default());
        let shorter = put(empty, none, first);
        assert_eq!(shorter, sums.of_all(&[first], false));
        assert_eq!(put(shorter, first, second), sums.of_all(&[second], false));
        assert_eq!(put(put(shorter, first, second), second, none), empty);
    }

    #[test]
    fn entries_that_differ_in_anything_have_other_sums() {
        let sums = Sums::new();
        let (mut seen, mut entries) = (HashSet::new(), 0);
        for rank in 0..64 {
            for carrier in 0..16 {
                for len in [1, 5, 12] {
                    entries += 1;
                    // Pairs as well: the sum of two must not be that of two others.
                    let one = sums.of(Entry::new(rank, carrier, len));
                    assert!(seen.insert(one));
                    assert!(seen.insert(one.with(sums.of(Entry::new(rank + 1, carrier, len)))));
                }
            }
        }
        assert_eq!(seen.len(), 2 * entries);
    }
}
