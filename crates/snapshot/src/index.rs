//! From number rows to intervals and lists of offers: the heart of the build.
//!
//! One pass over the union of all carriers' prefixes, in key order. Prefixes nest, so a stack of
//! open prefixes gives at every point the longest match of every carrier; each distinct list is
//! stored once, cheapest offer first.

use std::collections::HashMap;

use fsx_core::digits::Key;

use crate::{
    BuildSettings, hashed,
    layout::{ALIGN, ENTRY_RATE, ENTRY_TIED, NONE},
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
    /// The offers section.
    pub(crate) offers: Vec<u8>,
    pub(crate) lists: u64,
    pub(crate) prefixes: u64,
}

/// One offer on a list in the making, in the order of the list: where its band stands among all
/// (32 bits), its carrier (8), and the length of its prefix, long before short (8).
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
struct Entry(u64);

impl Entry {
    fn new(rank: u32, carrier: u8, len: u8) -> Self {
        Self(u64::from(rank) << 16 | u64::from(carrier) << 8 | u64::from(u8::MAX - len))
    }

    fn rank(self) -> usize {
        (self.0 >> 16) as usize
    }

    fn carrier(self) -> u8 {
        (self.0 >> 8) as u8
    }

    fn prefix_len(self) -> u8 {
        u8::MAX - self.0 as u8
    }
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

/// How a band's price depends on the call.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
enum Terms {
    /// One rate, whoever calls and from the build on; a cost group numbers equal costs.
    Settled { rate: u32, cost_group: u32 },
    /// By caller or instant.
    Open,
    /// No call can use it: disabled, no rates, or no exchange rate for the one it has.
    Dead,
}

/// Every band's place in the order of the default profile, and its terms by that place.
struct Ranks {
    of_band: Vec<u32>,
    bands: Vec<u32>,
    terms: Vec<Terms>,
    /// By carrier: who may use it depends on the call.
    restricted: Vec<bool>,
}

/// The lists made so far, each stored once.
struct Lists {
    bytes: Vec<u8>,
    /// A list by the hash of its entries; in the next slot where two lists share one.
    known: HashMap<u64, Known, hashed::Build>,
    /// The entries of all lists, one after another.
    entries: Vec<Entry>,
    ranks: Ranks,
    keep_shorter: bool,
}

/// A list that is stored: its line, and its entries among all.
struct Known {
    line: u32,
    from: u32,
    len: u32,
}

impl Lists {
    fn new(ranks: Ranks, keep_shorter: bool) -> Self {
        let (bytes, entries) = (Vec::new(), Vec::new());
        Self { bytes, known: HashMap::default(), entries, ranks, keep_shorter }
    }

    /// The line of the list with these entries, which are in order.
    fn line(&mut self, entries: &[Entry]) -> u32 {
        let mut slot = hashed::words(entries.iter().map(|entry| entry.0));
        while let Some(known) = self.known.get(&slot) {
            let (from, len) = (known.from as usize, known.len as usize);
            if self.entries[from..from + len] == *entries {
                return known.line;
            }
            slot = slot.wrapping_add(1);
        }
        let line = (self.bytes.len() / ALIGN) as u32;
        let (from, len) = (self.entries.len() as u32, entries.len() as u32);
        self.known.insert(slot, Known { line, from, len });
        self.entries.extend_from_slice(entries);
        self.write(entries);
        line
    }

    fn write(&mut self, entries: &[Entry]) {
        let ranked = self.ranked(entries);
        self.bytes.extend_from_slice(&(entries.len() as u32).to_le_bytes());
        self.bytes.extend_from_slice(&(ranked as u32).to_le_bytes());
        let terms = |at: usize| entries.get(at).map(|entry| self.ranks.terms[entry.rank()]);
        let group = |of: Option<Terms>| match of {
            Some(Terms::Settled { cost_group, .. }) => Some(cost_group),
            _ => None,
        };
        let (mut before, mut here) = (None, terms(0));
        for (at, entry) in entries.iter().enumerate() {
            let after = terms(at + 1);
            let (place, flags) = match here {
                Some(Terms::Settled { rate, cost_group }) if at < ranked => {
                    let tied = [before, after].map(group).contains(&Some(cost_group));
                    (rate, if tied { ENTRY_RATE | ENTRY_TIED } else { ENTRY_RATE })
                }
                _ => (self.ranks.bands[entry.rank()], 0),
            };
            self.bytes.extend_from_slice(&place.to_le_bytes());
            self.bytes.extend_from_slice(&[entry.carrier(), 0, entry.prefix_len(), flags]);
            (before, here) = (here, after);
        }
        self.bytes.resize(self.bytes.len().next_multiple_of(ALIGN), 0);
    }

    /// How many entries are in their final order: all that can be used, or none.
    fn ranked(&self, entries: &[Entry]) -> usize {
        let terms = |entry: &Entry| self.ranks.terms[entry.rank()];
        let open = |entry: &Entry| {
            terms(entry) == Terms::Open || self.ranks.restricted[usize::from(entry.carrier())]
        };
        if self.keep_shorter || entries.iter().any(open) {
            return 0;
        }
        entries.iter().take_while(|entry| terms(entry) != Terms::Dead).count()
    }
}

/// Builds the index over the rows for everyone. With `shorter_prefix` a list keeps all matching
/// prefixes of a carrier instead of the longest.
pub(crate) fn index(model: &Model<'_>, settings: &BuildSettings) -> Index {
    let keep_shorter = settings.shorter_prefix;
    let ranks = rank_bands(model, settings.built_at);
    let mut lists = Lists::new(ranks, keep_shorter);
    let root = Node { end: Key(u64::MAX), entries: Vec::new(), line: lists.line(&[]) };
    let mut intervals = vec![Interval { low: Key(0), line: root.line }];
    let mut open = vec![root];
    // Vectors of closed nodes, to be filled again.
    let mut spare: Vec<Vec<Entry>> = Vec::new();
    let mut own = Vec::new();
    let mut prefixes = 0;
    for rows in model.numbers.chunk_by(|a, b| a.prefix() == b.prefix()) {
        prefixes += 1;
        let prefix = rows[0].prefix();
        close(&mut open, &mut intervals, prefix.key, &mut spare);
        let mut replaced = CarrierSet::default();
        own.clear();
        for row in rows {
            let rank = lists.ranks.of_band[row.band as usize];
            own.push(Entry::new(rank, row.carrier(), prefix.len));
            if !keep_shorter {
                replaced.insert(row.carrier());
            }
        }
        own.sort_unstable();
        let parent = open.last().map(|node| node.entries.as_slice()).unwrap_or_default();
        let mut entries = spare.pop().unwrap_or_default();
        merge(
            parent.iter().filter(|entry| !replaced.contains(entry.carrier())),
            &own,
            &mut entries,
        );
        let line = lists.line(&entries);
        mark(&mut intervals, prefix.key, line);
        open.push(Node { end: prefix.key.end(usize::from(prefix.len)), entries, line });
    }
    close(&mut open, &mut intervals, Key(u64::MAX), &mut spare);
    Index { intervals, offers: lists.bytes, lists: lists.known.len() as u64, prefixes }
}

/// Both in order into one.
fn merge<'a>(kept: impl Iterator<Item = &'a Entry>, own: &[Entry], into: &mut Vec<Entry>) {
    into.clear();
    let mut own = own.iter().copied().peekable();
    for &entry in kept {
        while let Some(before) = own.next_if(|own| *own < entry) {
            into.push(before);
        }
        into.push(entry);
    }
    into.extend(own);
}

/// Ends every open prefix that does not reach `key`.
fn close(
    open: &mut Vec<Node>,
    intervals: &mut Vec<Interval>,
    key: Key,
    spare: &mut Vec<Vec<Entry>>,
) {
    while open.len() > 1 && open.last().is_some_and(|node| node.end <= key) {
        if let Some(ended) = open.pop()
            && let Some(around) = open.last()
        {
            mark(intervals, ended.end, around.line);
            spare.push(ended.entries);
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

/// Puts bands in the order of step 13: cost, then the best gateway's reliability, then the carrier.
/// Bands whose price depends on the call come after, dead ones last.
fn rank_bands(model: &Model<'_>, built_at: i64) -> Ranks {
    let unreliability: Vec<u8> = model
        .carriers
        .iter()
        .map(|carrier| {
            let best = model.gateways.get(carrier.first_gateway as usize);
            let reliability =
                best.filter(|_| carrier.gateways > 0).map_or(0, |g| g.row.reliability);
            u8::MAX - reliability
        })
        .collect();
    let cost = |rate: u32| model.rates[rate as usize].cost_per_min;
    let terms: Vec<Terms> = model
        .bands
        .iter()
        .map(|band| {
            if !band.enabled || band.rates == 0 || band.retail != NONE {
                return Terms::Dead;
            }
            let first = &model.rates[band.first_rate as usize];
            let ages = first.cost_per_min.is_some() && first.priced_until != i64::MAX;
            if ages || first.a_band != NONE || first.period != NONE || first.start > built_at {
                return Terms::Open;
            }
            match first.cost_per_min {
                Some(_) => Terms::Settled { rate: band.first_rate, cost_group: 0 },
                None => Terms::Dead,
            }
        })
        .collect();
    // Keys are made once: a sort asks for each many times.
    let mut keys: Vec<_> = (model.bands.iter().zip(&terms).zip(0u32..))
        .map(|((band, terms), at)| {
            let carrier = band.carrier as usize;
            let (class, cost) = match *terms {
                Terms::Settled { rate, .. } => (0u8, cost(rate)),
                Terms::Open => (1, None),
                Terms::Dead => (2, None),
            };
            let id = model.carriers.get(carrier).map_or(u32::MAX, |carrier| carrier.id);
            (class, cost, unreliability.get(carrier).copied(), id, band.id, at)
        })
        .collect();
    keys.sort_unstable();
    let bands: Vec<u32> = keys.into_iter().map(|(.., at)| at).collect();
    let mut ranks = Ranks {
        of_band: vec![0; bands.len()],
        terms: Vec::with_capacity(bands.len()),
        restricted: model.carriers.iter().map(|c| c.closed_loop || c.private_services).collect(),
        bands,
    };
    let (mut group, mut last) = (0, None);
    for (rank, &band) in ranks.bands.iter().enumerate() {
        ranks.of_band[band as usize] = rank as u32;
        ranks.terms.push(match terms[band as usize] {
            Terms::Settled { rate, .. } => {
                group += u32::from(cost(rate) != last);
                last = cost(rate);
                Terms::Settled { rate, cost_group: group }
            }
            other => other,
        });
    }
    ranks
}
