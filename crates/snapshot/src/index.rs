//! From number rows to intervals and lists of offers: the heart of the build.
//!
//! One pass over the union of all carriers' prefixes, in key order. Prefixes nest, so a stack of
//! open prefixes gives at every point the longest match of every carrier; each distinct list is
//! stored once, cheapest offer first.

use std::collections::HashMap;

use fsx_core::digits::Key;

use crate::{
    layout::{OFFERS_PER_LINE, Section},
    vet::{Model, Number},
};

/// Where a run of numbers begins and which list serves it.
pub(crate) struct Interval {
    pub(crate) low: Key,
    pub(crate) line: u32,
}

/// The finished index.
pub(crate) struct Index {
    /// Sorted; the first begins at key 0; neighbours differ.
    pub(crate) intervals: Vec<Interval>,
    /// The offers section.
    pub(crate) offers: Vec<u8>,
    pub(crate) lists: u64,
    pub(crate) prefixes: u64,
}

/// One offer on a list in the making: static rank of its band, then what the entry holds.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
struct Entry {
    rank: u32,
    band: u32,
    carrier: u16,
    len: u8,
}

struct Node {
    end: Key,
    entries: Vec<Entry>,
    line: u32,
}

/// The lists made so far, each stored once.
struct Lists {
    bytes: Vec<u8>,
    known: HashMap<Vec<Entry>, u32>,
}

impl Lists {
    fn line(&mut self, mut entries: Vec<Entry>) -> u32 {
        entries.sort_unstable_by_key(|e| (e.rank, e.carrier, std::cmp::Reverse(e.len)));
        if let Some(&line) = self.known.get(&entries) {
            return line;
        }
        let row = Section::ROW[Section::Offers as usize];
        let line = (self.bytes.len() / (row * OFFERS_PER_LINE)) as u32;
        self.bytes.extend_from_slice(&(entries.len() as u32).to_le_bytes());
        self.bytes.extend_from_slice(&[0; 4]);
        for entry in &entries {
            self.bytes.extend_from_slice(&entry.band.to_le_bytes());
            self.bytes.extend_from_slice(&entry.carrier.to_le_bytes());
            self.bytes.extend_from_slice(&[entry.len, 0]);
        }
        self.bytes.resize(self.bytes.len().next_multiple_of(row * OFFERS_PER_LINE), 0);
        self.known.insert(entries, line);
        line
    }
}

/// Builds the index over the rows for everyone. With `keep_shorter` a list keeps all matching
/// prefixes of a carrier instead of the longest.
pub(crate) fn index(model: &Model, keep_shorter: bool) -> Index {
    let ranks = band_ranks(model);
    let mut lists = Lists { bytes: Vec::new(), known: HashMap::new() };
    let root = Node { end: Key(u64::MAX), entries: Vec::new(), line: lists.line(Vec::new()) };
    let mut intervals = vec![Interval { low: Key(0), line: root.line }];
    let mut open = vec![root];
    let mut prefixes = 0;
    for rows in model.numbers.chunk_by(|a, b| a.prefix == b.prefix) {
        prefixes += 1;
        let prefix = rows[0].prefix;
        close(&mut open, &mut intervals, prefix.key);
        let parent = open.last().map(|node| node.entries.as_slice()).unwrap_or_default();
        let entries = inherit(parent, rows, &ranks, keep_shorter);
        let line = lists.line(entries.clone());
        mark(&mut intervals, prefix.key, line);
        open.push(Node { end: prefix.key.end(usize::from(prefix.len)), entries, line });
    }
    close(&mut open, &mut intervals, Key(u64::MAX));
    Index { intervals, offers: lists.bytes, lists: lists.known.len() as u64, prefixes }
}

/// Ends every open prefix that does not reach `key`.
fn close(open: &mut Vec<Node>, intervals: &mut Vec<Interval>, key: Key) {
    while open.len() > 1 && open.last().is_some_and(|node| node.end <= key) {
        if let Some(ended) = open.pop()
            && let Some(around) = open.last()
        {
            mark(intervals, ended.end, around.line);
        }
    }
}

/// From `low` on, `line` serves.
fn mark(intervals: &mut Vec<Interval>, low: Key, line: u32) {
    if intervals.last().is_some_and(|last| last.low == low) {
        intervals.pop();
    }
    if intervals.last().is_none_or(|last| last.line != line) {
        intervals.push(Interval { low, line });
    }
}

fn inherit(parent: &[Entry], rows: &[Number], ranks: &[u32], keep_shorter: bool) -> Vec<Entry> {
    let replaced = |carrier: u16| rows.iter().any(|row| row.carrier as u16 == carrier);
    let kept = parent.iter().filter(|entry| keep_shorter || !replaced(entry.carrier)).copied();
    let own = rows.iter().map(|row| Entry {
        rank: ranks[row.band as usize],
        band: row.band,
        carrier: row.carrier as u16,
        len: row.prefix.len,
    });
    kept.chain(own).collect()
}

/// Bands by the cost of the rate that most callers get: lists come out nearly sorted, and the
/// decision's own sort, which alone is the contract's order, has little to do.
fn band_ranks(model: &Model) -> Vec<u32> {
    let mut order: Vec<u32> = (0..model.bands.len() as u32).collect();
    order.sort_by_key(|&at| {
        let band = &model.bands[at as usize];
        let last = (band.first_rate + band.rates).checked_sub(1);
        let cost = last
            .filter(|_| band.rates > 0)
            .and_then(|last| model.rates[last as usize].cost_per_min);
        (cost.is_none(), cost, model.carriers[band.carrier as usize].id, band.id)
    });
    let mut ranks = vec![0; order.len()];
    for (rank, band) in order.into_iter().enumerate() {
        ranks[band as usize] = rank as u32;
    }
    ranks
}
