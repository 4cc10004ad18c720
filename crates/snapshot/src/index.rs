//! From number rows to intervals and lists of offers: the heart of the build.
//!
//! One pass over the union of all carriers' prefixes, in key order. Prefixes nest, so a stack of
//! open prefixes gives at every point the longest match of every carrier; what the lists hold is the
//! matter of [`crate::lists`].

use fsx_core::digits::Key;

use crate::{
    BuildSettings,
    lists::{Entry, Lists, Ranks},
    regimes::Regimes,
    vet::Model,
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
    pub(crate) lists: Lists,
    pub(crate) prefixes: u64,
}

/// A set of carriers.
#[derive(Clone, Copy, Default)]
struct CarrierSet([u64; 4]);

impl CarrierSet {
    fn insert(&mut self, carrier: u8) {
        self.0[usize::from(carrier / 64)] |= 1 << (carrier % 64);
    }

    fn contains(&self, carrier: u8) -> bool {
        self.0[usize::from(carrier / 64)] & 1 << (carrier % 64) != 0
    }
}

struct Node {
    end: Key,
    entries: Vec<Entry>,
    line: u32,
}

/// Builds the index over the rows for everyone. With `shorter_prefix` a list keeps all matching
/// prefixes of a carrier instead of the longest.
pub(crate) fn index(model: &Model<'_>, regimes: &Regimes, settings: &BuildSettings) -> Index {
    let keep_shorter = settings.shorter_prefix;
    let mut lists = Lists::new(Ranks::new(model, regimes), keep_shorter);
    let root = Node { end: Key(u64::MAX), entries: Vec::new(), line: lists.line(&[]) };
    let mut intervals = vec![Interval { low: Key(0), line: root.line }];
    let mut open = vec![root];
    // Closed nodes: the next to the right often has the very list of the last, and if not its vector.
    let mut spare: Vec<Node> = Vec::new();
    let (mut own, mut entries) = (Vec::new(), Vec::new());
    let mut prefixes = 0;
    for rows in model.numbers.chunk_by(|a, b| a.prefix() == b.prefix()) {
        prefixes += 1;
        let prefix = rows[0].prefix();
        close(&mut open, &mut intervals, prefix.key, &mut spare);
        let mut replaced = CarrierSet::default();
        own.clear();
        for row in rows {
            let rank = lists.rank(row.band);
            own.push(Entry::new(rank, row.carrier(), prefix.len));
            if !keep_shorter {
                replaced.insert(row.carrier());
            }
        }
        own.sort_unstable();
        let parent = open.last().map(|node| node.entries.as_slice()).unwrap_or_default();
        merge(parent, &replaced, &own, &mut entries);
        let end = prefix.key.end(usize::from(prefix.len));
        let node = match spare.pop() {
            Some(last) if last.entries == entries => Node { end, ..last },
            last => {
                let line = lists.line(&entries);
                let vector = last.map(|last| last.entries).unwrap_or_default();
                Node { end, entries: std::mem::replace(&mut entries, vector), line }
            }
        };
        mark(&mut intervals, prefix.key, node.line);
        open.push(node);
    }
    close(&mut open, &mut intervals, Key(u64::MAX), &mut spare);
    Index { intervals, lists, prefixes }
}

/// Both in order into one, without those of the parent that are replaced.
fn merge(parent: &[Entry], replaced: &CarrierSet, own: &[Entry], into: &mut Vec<Entry>) {
    into.clear();
    into.resize(parent.len() + own.len(), Entry::default());
    // Each is written, and the next one over it where it does not stay: nothing is guessed.
    let mut stay = 0;
    for &entry in parent {
        into[stay] = entry;
        stay += usize::from(!replaced.contains(entry.carrier()));
    }
    // From the end, so that what stays moves once and nothing is lost.
    let mut to = stay + own.len();
    into.truncate(to);
    let mut own = own.iter().copied().rev();
    let mut next = own.next();
    while let Some(entry) = next {
        to -= 1;
        if stay > 0 && into[stay - 1] > entry {
            into[to] = into[stay - 1];
            stay -= 1;
        } else {
            into[to] = entry;
            next = own.next();
        }
    }
}

/// Ends every open prefix that does not reach `key`.
fn close(open: &mut Vec<Node>, intervals: &mut Vec<Interval>, key: Key, spare: &mut Vec<Node>) {
    while open.len() > 1 && open.last().is_some_and(|node| node.end <= key) {
        if let Some(ended) = open.pop()
            && let Some(around) = open.last()
        {
            mark(intervals, ended.end, around.line);
            spare.push(ended);
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
