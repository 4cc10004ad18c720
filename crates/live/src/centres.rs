//! Names of data centres, so that a gateway's health in each is one bit.

use std::sync::atomic::{
    AtomicU64,
    Ordering::{AcqRel, Acquire, Relaxed, Release},
};

use crate::{
    layout::{CENTRE_WORDS, MAX_DATA_CENTRES, MAX_NAME},
    table::LiveTable,
};

/// States of a row: a name is written once, between the two.
const WRITING: u64 = 1;
const READY: u64 = 2;

/// Words of a name.
const NAME_WORDS: usize = MAX_NAME / 8;

type Row = [AtomicU64; CENTRE_WORDS];

/// A name padded with zeros; `None` for the empty one, one with a NUL, and one too long.
fn padded(name: &str) -> Option<[u64; NAME_WORDS]> {
    let bytes = name.as_bytes();
    if bytes.is_empty() || bytes.len() > MAX_NAME || bytes.contains(&0) {
        return None;
    }
    let mut words = [0; NAME_WORDS];
    for (word, chunk) in words.iter_mut().zip(bytes.chunks(8)) {
        let mut eight = [0; 8];
        for (to, from) in eight.iter_mut().zip(chunk) {
            *to = *from;
        }
        *word = u64::from_le_bytes(eight);
    }
    Some(words)
}

fn is_named(row: &Row, name: &[u64; NAME_WORDS]) -> bool {
    row[1..].iter().zip(name).all(|(word, want)| word.load(Relaxed) == *want)
}

impl LiveTable {
    /// The bit of a data centre, if its name is known.
    pub(crate) fn centre_bit(&self, name: &str) -> Option<u64> {
        let name = padded(name)?;
        for n in 0..MAX_DATA_CENTRES {
            let row = self.row::<CENTRE_WORDS>(self.layout.centres, n)?;
            match row[0].load(Acquire) {
                READY if is_named(row, &name) => return Some(1 << n),
                0 => return None, // Rows are taken in order.
                _ => {}
            }
        }
        None
    }

    /// The bit of a data centre, its name taken down if it is new; `None` when it cannot be.
    pub(crate) fn claim_centre_bit(&self, name: &str) -> Option<u64> {
        let name = padded(name)?;
        for n in 0..MAX_DATA_CENTRES {
            let row = self.row::<CENTRE_WORDS>(self.layout.centres, n)?;
            let mut state = row[0].load(Acquire);
            if state == 0 {
                match row[0].compare_exchange(0, WRITING, AcqRel, Acquire) {
                    Ok(_) => {
                        for (word, value) in row[1..].iter().zip(name) {
                            word.store(value, Relaxed);
                        }
                        row[0].store(READY, Release);
                        return Some(1 << n);
                    }
                    Err(other) => state = other,
                }
            }
            // Somebody writes a name here that may be ours. Eight stores take no time; whoever died in
            // the middle of them is passed over.
            for _ in 0..10_000 {
                if state != WRITING {
                    break;
                }
                std::hint::spin_loop();
                state = row[0].load(Acquire);
            }
            if state == READY && is_named(row, &name) {
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
            if row[0].load(Acquire) != READY {
                continue;
            }
            let bytes: Vec<u8> = row[1..=NAME_WORDS]
                .iter()
                .flat_map(|w| w.load(Relaxed).to_le_bytes())
                .take_while(|&b| b != 0)
                .collect();
            names.push((1 << n, String::from_utf8_lossy(&bytes).into_owned()));
        }
        names
    }
}
