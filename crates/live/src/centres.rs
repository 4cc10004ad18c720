//! Names of data centres, so that a gateway's health in each is one bit.
//!
//! A name is too long for one atomic, and two processes that take it down at the same moment must not
//! take it down twice: a reader would look at one bit and a writer set the other. So a row is claimed by
//! a 64-bit hash of the name in one exchange, and found by it; the text is there to be shown. (Two of 64
//! names share a hash once in 10^16 files.)

use std::sync::atomic::{
    AtomicU64,
    Ordering::{AcqRel, Acquire, Relaxed, Release},
};

use crate::{
    layout::{CENTRE_WORDS, MAX_DATA_CENTRES, MAX_NAME},
    table::LiveTable,
};

/// Places of a data centre's words.
mod centre {
    /// Hash of its name; 0 is a free row.
    pub(super) const HASH: usize = 0;
    /// 1 once the name stands whole.
    pub(super) const READY: usize = 1;
    /// The name, padded with zeros.
    pub(super) const NAME: usize = 2;
}

/// Words of a name.
const NAME_WORDS: usize = MAX_NAME / 8;

type Row = [AtomicU64; CENTRE_WORDS];

/// FNV-1a, and never 0; `None` for a name that cannot be kept.
fn hash(name: &str) -> Option<u64> {
    let bytes = name.as_bytes();
    if bytes.is_empty() || bytes.len() > MAX_NAME || bytes.contains(&0) {
        return None;
    }
    let hash = bytes
        .iter()
        .fold(0xcbf2_9ce4_8422_2325_u64, |h, b| (h ^ u64::from(*b)).wrapping_mul(0x100_0000_01b3));
    Some(hash.max(1))
}

/// Whoever finds a name not yet whole writes it: all write the same, and none waits for another.
fn write_name(row: &Row, name: &str) {
    if row[centre::READY].load(Acquire) != 0 {
        return;
    }
    for (word, chunk) in row[centre::NAME..].iter().zip(name.as_bytes().chunks(8)) {
        let mut eight = [0; 8];
        for (to, from) in eight.iter_mut().zip(chunk) {
            *to = *from;
        }
        word.store(u64::from_le_bytes(eight), Relaxed);
    }
    row[centre::READY].store(1, Release);
}

impl LiveTable {
    /// The bit of a data centre, if its name is known.
    pub(crate) fn centre_bit(&self, name: &str) -> Option<u64> {
        let want = hash(name)?;
        for n in 0..MAX_DATA_CENTRES {
            let row = self.row::<CENTRE_WORDS>(self.layout.centres, n)?;
            match row[centre::HASH].load(Acquire) {
                0 => return None, // Rows are taken in order.
                found if found == want => return Some(1 << n),
                _ => {}
            }
        }
        None
    }

    /// The bit of a data centre, its name taken down if it is new; `None` when it cannot be.
    pub(crate) fn claim_centre_bit(&self, name: &str) -> Option<u64> {
        let want = hash(name)?;
        for n in 0..MAX_DATA_CENTRES {
            let row = self.row::<CENTRE_WORDS>(self.layout.centres, n)?;
            let found = match row[centre::HASH].load(Acquire) {
                0 => match row[centre::HASH].compare_exchange(0, want, AcqRel, Acquire) {
                    Ok(_) => want,
                    Err(other) => other,
                },
                found => found,
            };
            if found == want {
                write_name(row, name);
                return Some(1 << n);
            }
        }
        None
    }

    /// The names with their bits.
    pub(crate) fn centre_names(&self) -> Vec<(u64, String)> {
        let mut names = Vec::new();
        for n in 0..MAX_DATA_CENTRES {
            let Some(row) = self.row::<CENTRE_WORDS>(self.layout.centres, n) else { break };
            if row[centre::READY].load(Acquire) == 0 {
                continue;
            }
            let bytes: Vec<u8> = row[centre::NAME..centre::NAME + NAME_WORDS]
                .iter()
                .flat_map(|w| w.load(Relaxed).to_le_bytes())
                .take_while(|&b| b != 0)
                .collect();
            names.push((1 << n, String::from_utf8_lossy(&bytes).into_owned()));
        }
        names
    }
}
