//! Millions of numbers into order.
//!
//! Decks come sorted by number, one after another, and a sort that merges them moves each row five or
//! six times through all of memory. Their first six digits say where a row belongs: each is put there
//! in one move, and what lies together is sorted where it lies.

use fsx_core::digits::POW11;

use super::model::PublicNumber;
use crate::layout::HEADS;

/// Fewer rows than this are not worth a table of all heads.
const MANY: usize = 1 << 16;

/// Numbers by prefix, carrier and ID.
pub(super) fn in_order(numbers: Vec<PublicNumber>) -> Vec<PublicNumber> {
    if numbers.len() < MANY {
        let mut numbers = numbers;
        numbers.sort_unstable_by_key(PublicNumber::whole_order);
        return numbers;
    }
    if numbers.is_sorted_by_key(PublicNumber::whole_order) {
        return numbers;
    }
    let head = |number: &PublicNumber| (number.prefix().key.0 / POW11[9]) as usize;
    // Where the next row of each head goes; in the end, where the next head begins.
    let mut next = vec![0u32; HEADS];
    for number in &numbers {
        next[head(number)] += 1;
    }
    let mut from = 0;
    for next in &mut next {
        from += std::mem::replace(next, from);
    }
    let mut placed = vec![PublicNumber::default(); numbers.len()];
    for number in numbers {
        let next = &mut next[head(&number)];
        placed[*next as usize] = number;
        *next += 1;
    }
    let mut from = 0;
    for to in next {
        placed[from..to as usize].sort_unstable_by_key(PublicNumber::whole_order);
        from = to as usize;
    }
    placed
}

#[cfg(test)]
mod tests {
    use fsx_core::digits::Key;

    use super::super::model::Prefix;
    use super::*;

    #[test]
    fn many_rows_stand_as_a_sort_would_put_them() {
        let mut seed = 3u64;
        let mut random = || {
            seed = seed.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
            seed >> 33
        };
        let numbers: Vec<PublicNumber> = (0..2 * MANY as u32)
            .map(|id| {
                let digits = format!("{}", random() % 20_000_000);
                let prefix = Prefix { key: Key::of(digits.as_bytes()), len: digits.len() as u8 };
                PublicNumber::new(prefix, (random() % 40) as u32, id, 0)
            })
            .collect();
        let mut sorted = numbers.clone();
        sorted.sort_by_key(PublicNumber::whole_order);
        assert_eq!(in_order(numbers), sorted);
        assert_eq!(in_order(sorted.clone()), sorted);
    }
}
