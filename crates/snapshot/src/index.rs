//! From number rows to intervals and lists of offers: the heart of the build.
//!
//! One pass over the union of all carriers' prefixes, in key order. Prefixes nest, so a stack of
//! open prefixes gives at every point the longest match of every carrier; what the lists hold is the
//! matter of [`crate::lists`]. Three prefixes of four have a list that is there already, which the sum
//! over its entries tells ([`Sums`]); only a new one is put together.

use fsx_core::{decide::MAX_CARRIERS, digits::Key};

use crate::{
    BuildSettings,
    lists::{Entry, Lists, Ranks},
    regimes::Regimes,
    sums::{Sum, Sums},
    vet::{Model, Prefix, PublicNumber},
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
    /// Rows that they came of.
    pub(crate) numbers: u64,
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

/// An open prefix.
struct Node {
    end: Key,
    line: u32,
    sum: Sum,
    /// Where in [`Open::own`] and [`Open::before`] its part begins.
    own_from: usize,
    before_from: usize,
    /// Its list, once something new below it is to be put together.
    entries: Option<Vec<Entry>>,
}

/// The open prefixes, one inside the other.
struct Open {
    nodes: Vec<Node>,
    /// What each of them brings, and what it replaced.
    own: Vec<Entry>,
    before: Vec<Entry>,
    /// The entry that each carrier has at this point.
    now: [Entry; MAX_CARRIERS],
    /// Sum and line of the prefix that ended last: often the next one has its very list.
    last: (Sum, u32),
    /// Vectors of prefixes that ended.
    spare: Vec<Vec<Entry>>,
    keep_shorter: bool,
}

impl Open {
    fn new(line: u32, keep_shorter: bool) -> Self {
        let mut now = [Entry::default(); MAX_CARRIERS];
        for (entry, carrier) in now.iter_mut().zip(0..=u8::MAX) {
            *entry = Entry::none_of(carrier);
        }
        let root = Node {
            end: Key(u64::MAX),
            line,
            sum: Sum::default(),
            own_from: 0,
            before_from: 0,
            entries: Some(Vec::new()),
        };
        let (own, before, spare) = (Vec::new(), Vec::new(), Vec::new());
        let last = (Sum::default(), line);
        Self { nodes: vec![root], own, before, now, last, spare, keep_shorter }
    }

    /// Opens a prefix; its line is known when its sum is.
    fn begin(&mut self, prefix: Prefix, own: impl Iterator<Item = Entry>, sums: &Sums) -> Sum {
        let mut sum = self.nodes.last().map_or_else(Sum::default, |around| around.sum);
        let (own_from, before_from) = (self.own.len(), self.before.len());
        for entry in own {
            self.own.push(entry);
            sum = sum.with(sums.of(entry));
            if !self.keep_shorter {
                // Of a carrier that had none, what stands for none.
                let before = std::mem::replace(&mut self.now[usize::from(entry.carrier())], entry);
                self.before.push(before);
                sum = sum.without(sums.of(before));
            }
        }
        let end = prefix.key.end(usize::from(prefix.len));
        self.nodes.push(Node { end, line: 0, sum, own_from, before_from, entries: None });
        sum
    }

    /// Ends every open prefix that does not reach `key`.
    fn end(&mut self, intervals: &mut Vec<Interval>, key: Key) {
        while self.nodes.len() > 1 && self.nodes.last().is_some_and(|node| node.end <= key) {
            if let Some(ended) = self.nodes.pop()
                && let Some(around) = self.nodes.last()
            {
                mark(intervals, ended.end, around.line);
                self.last = (ended.sum, ended.line);
                self.own.truncate(ended.own_from);
                for before in self.before.drain(ended.before_from..) {
                    self.now[usize::from(before.carrier())] = before;
                }
                self.spare.extend(ended.entries);
            }
        }
    }

    /// The list of the innermost prefix, put together from those around it.
    fn list(&mut self) -> &[Entry] {
        let made = self.nodes.iter().rposition(|node| node.entries.is_some()).unwrap_or_default();
        let mut own_to = self.own.len();
        for at in (made + 1..self.nodes.len()).rev() {
            let own = &mut self.own[self.nodes[at].own_from..own_to];
            own.sort_unstable();
            own_to = self.nodes[at].own_from;
        }
        for at in made + 1..self.nodes.len() {
            let own_to = self.nodes.get(at + 1).map_or(self.own.len(), |inner| inner.own_from);
            let own = &self.own[self.nodes[at].own_from..own_to];
            let mut replaced = CarrierSet::default();
            if !self.keep_shorter {
                own.iter().for_each(|entry| replaced.insert(entry.carrier()));
            }
            let mut entries = self.spare.pop().unwrap_or_default();
            let around = self.nodes[at - 1].entries.as_deref().unwrap_or_default();
            merge(around, &replaced, own, &mut entries);
            self.nodes[at].entries = Some(entries);
        }
        self.nodes.last().and_then(|node| node.entries.as_deref()).unwrap_or_default()
    }
}

/// Builds the index over the rows for everyone. With `shorter_prefix` a list keeps all matching
/// prefixes of a carrier instead of the longest.
pub(crate) fn index(model: &Model<'_>, regimes: &Regimes, settings: &BuildSettings) -> Index {
    let sums = Sums::new();
    let mut lists = Lists::new(Ranks::new(model, regimes), settings.shorter_prefix);
    let nothing = lists.store(Sum::default(), &[]);
    let mut intervals = vec![Interval { low: Key(0), line: nothing }];
    let mut open = Open::new(nothing, settings.shorter_prefix);
    let (mut prefixes, mut numbers) = (0, 0);
    let mut sorted = Vec::new();
    for head in model.numbers.heads() {
        model.numbers.sorted_into(head, &mut sorted);
        numbers += sorted.len() as u64;
        for rows in sorted.chunk_by(|a, b| a.prefix() == b.prefix()) {
            prefixes += 1;
            let prefix = rows[0].prefix();
            open.end(&mut intervals, prefix.key);
            let entry =
                |row: &PublicNumber| Entry::new(lists.rank(row.band), row.carrier(), prefix.len);
            let sum = open.begin(prefix, rows.iter().map(entry), &sums);
            debug_assert_eq!(sum, sums.of_all(open.list(), settings.shorter_prefix));
            let line = match open.last {
                (last, line) if last == sum => line,
                _ => match lists.known(sum) {
                    Some(line) => line,
                    None => lists.store(sum, open.list()),
                },
            };
            mark(&mut intervals, prefix.key, line);
            if let Some(node) = open.nodes.last_mut() {
                node.line = line;
            }
        }
    }
    open.end(&mut intervals, Key(u64::MAX));
    Index { intervals, lists, prefixes, numbers }
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

/// From `low` on, `line` serves.
fn mark(intervals: &mut Vec<Interval>, low: Key, line: u32) {
    if intervals.last().is_some_and(|last| last.low == low) {
        intervals.pop();
    }
    if intervals.last().is_none_or(|last| last.line != line) {
        intervals.push(Interval { low, line });
    }
}
