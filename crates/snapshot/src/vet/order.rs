//! Millions of numbers into order.
//!
//! Decks come sorted by number, one after another, and a sort that merges them moves each row five or
//! six times through all of memory. Here each row goes once, behind those with the same four first
//! digits, which for a sorted deck is just behind the row before; and what lies together is sorted when
//! it is wanted, in a cache.

use fsx_core::{decide::MAX_CARRIERS, digits::POW11};

use super::model::PublicNumber;

/// Keys below one head.
const BELOW: u64 = POW11[11];

/// How many heads there are.
const HEADS: usize = 11usize.pow(4);

/// Rows that a head gets room for at a time.
const ROOM: usize = 64;

/// No room yet.
const NOWHERE: u32 = u32::MAX;

/// The rows for everyone, by head.
pub(crate) struct PublicNumbers {
    /// Rooms, one after another; `before` says which one of the same head came before each.
    rows: Vec<PublicNumber>,
    before: Vec<u32>,
    /// By head: its last room, and how many rows it has.
    heads: Vec<(u32, u32)>,
    of_carrier: [bool; MAX_CARRIERS],
}

impl PublicNumbers {
    /// Makes room for about so many.
    pub(super) fn with_capacity(rows: usize) -> Self {
        Self {
            rows: Vec::with_capacity(rows + rows / 8),
            before: Vec::with_capacity(rows / ROOM),
            heads: vec![(NOWHERE, 0); HEADS],
            of_carrier: [false; MAX_CARRIERS],
        }
    }

    #[inline]
    pub(super) fn push(&mut self, number: PublicNumber) {
        let head = &mut self.heads[(number.prefix().key.0 / BELOW) as usize];
        let at = head.1 as usize % ROOM;
        if at == 0 {
            let room = (self.rows.len() / ROOM) as u32;
            self.before.push(std::mem::replace(&mut head.0, room));
            self.rows.extend_from_slice(&[PublicNumber::default(); ROOM]);
        }
        self.rows[head.0 as usize * ROOM + at] = number;
        head.1 += 1;
        self.of_carrier[usize::from(number.carrier())] = true;
    }

    /// Whether the carrier has any.
    pub(super) fn any_of(&self, carrier: usize) -> bool {
        self.of_carrier.get(carrier).is_some_and(|&any| any)
    }

    /// Which heads have rows, in order.
    pub(crate) fn heads(&self) -> impl Iterator<Item = usize> {
        (0..self.heads.len()).filter(|&head| self.heads[head].1 > 0)
    }

    /// Puts the rows of a head into order: by prefix, then carrier. Of several with one prefix and
    /// carrier that with the lowest ID stays (step 5).
    pub(crate) fn sorted_into(&self, head: usize, sorted: &mut Vec<PublicNumber>) {
        let (mut room, rows) = self.heads[head];
        sorted.clear();
        sorted.resize(rows as usize, PublicNumber::default());
        // From the last room, the only one that may not be full, to the first.
        let mut rest = sorted.as_mut_slice();
        while room != NOWHERE {
            let from = room as usize * ROOM;
            let before = (rest.len() - 1) / ROOM * ROOM;
            let (front, own) = rest.split_at_mut(before);
            own.copy_from_slice(&self.rows[from..from + own.len()]);
            (room, rest) = (self.before[room as usize], front);
        }
        // Stable, since that sort knows what stands in order already.
        sorted.sort_by_key(|number| number.order());
        sorted.dedup_by(|next, kept| {
            let same = next.order() == kept.order();
            if same && next.id < kept.id {
                *kept = *next;
            }
            same
        });
    }
}

#[cfg(test)]
mod tests {
    use fsx_core::digits::Key;

    use super::{super::model::Prefix, *};

    #[test]
    fn many_rows_stand_as_a_sort_would_put_them() {
        let mut seed = 3u64;
        let mut random = || {
            seed = seed.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
            seed >> 33
        };
        let numbers: Vec<PublicNumber> = (0..200_000)
            .map(|id| {
                // A few heads have thousands of rows, most a few.
                let digits = format!("{}", random() % if id % 2 == 0 { 20_000_000 } else { 3_000 });
                let prefix = Prefix { key: Key::of(digits.as_bytes()), len: digits.len() as u8 };
                PublicNumber::new(prefix, (random() % 40) as u32, id ^ 0x5555, 0)
            })
            .collect();
        let mut expected = numbers.clone();
        expected.sort_by_key(|number| (number.order(), number.id));
        expected.dedup_by_key(|number| number.order());
        let mut by_head = PublicNumbers::with_capacity(10);
        numbers.into_iter().for_each(|number| by_head.push(number));
        let (mut all, mut sorted) = (Vec::new(), Vec::new());
        for head in by_head.heads() {
            by_head.sorted_into(head, &mut sorted);
            all.extend_from_slice(&sorted);
        }
        assert!(expected.len() < 200_000 && all == expected);
        assert!(by_head.any_of(39) && !by_head.any_of(40) && !by_head.any_of(1000));
    }
}
