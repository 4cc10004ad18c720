//! From number rows to intervals and lists of offers: the heart of the build.
//!
//! One pass over the union of all carriers' prefixes, in key order. Prefixes nest, so a stack of
//! open prefixes gives at every point the longest match of every carrier; each distinct list is
//! stored once, cheapest offer first.

use std::collections::HashMap;

use fsx_core::digits::Key;

use crate::{
    BuildSettings,
    layout::{ENTRY_RATE, ENTRY_TIED, NONE, OFFERS_PER_LINE, Section},
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

/// One offer on a list in the making: where its band stands among all, then what the entry holds.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
struct Entry {
    rank: u32,
    carrier: u16,
    len: std::cmp::Reverse<u8>,
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
    known: HashMap<Vec<Entry>, u32>,
    ranks: Ranks,
    keep_shorter: bool,
}

impl Lists {
    fn line(&mut self, mut entries: Vec<Entry>) -> u32 {
        entries.sort_unstable();
        if let Some(&line) = self.known.get(&entries) {
            return line;
        }
        let row = Section::ROW[Section::Offers as usize];
        let line = (self.bytes.len() / (row * OFFERS_PER_LINE)) as u32;
        let ranked = self.ranked(&entries);
        self.bytes.extend_from_slice(&(entries.len() as u32).to_le_bytes());
        self.bytes.extend_from_slice(&(ranked as u32).to_le_bytes());
        for (at, entry) in entries.iter().enumerate() {
            let terms = self.ranks.terms[entry.rank as usize];
            let (place, flags) = match terms {
                Terms::Settled { rate, cost_group } if at < ranked => {
                    let same = |other: Option<&Entry>| {
                        other.is_some_and(|other| {
                            matches!(self.ranks.terms[other.rank as usize],
                                Terms::Settled { cost_group: group, .. } if group == cost_group)
                        })
                    };
                    let tied = same(at.checked_sub(1).map(|before| &entries[before]))
                        || same(entries.get(at + 1));
                    (rate, ENTRY_RATE | if tied { ENTRY_TIED } else { 0 })
                }
                _ => (self.ranks.bands[entry.rank as usize], 0),
            };
            self.bytes.extend_from_slice(&place.to_le_bytes());
            self.bytes.extend_from_slice(&entry.carrier.to_le_bytes());
            self.bytes.extend_from_slice(&[entry.len.0, flags]);
        }
        self.bytes.resize(self.bytes.len().next_multiple_of(row * OFFERS_PER_LINE), 0);
        self.known.insert(entries, line);
        line
    }

    /// How many entries are in their final order: all that can be used, or none.
    fn ranked(&self, entries: &[Entry]) -> usize {
        let terms = |entry: &Entry| self.ranks.terms[entry.rank as usize];
        let open = |entry: &Entry| {
            terms(entry) == Terms::Open || self.ranks.restricted[usize::from(entry.carrier)]
        };
        if self.keep_shorter || entries.iter().any(open) {
            return 0;
        }
        entries.iter().take_while(|entry| terms(entry) != Terms::Dead).count()
    }
}

/// Builds the index over the rows for everyone. With `shorter_prefix` a list keeps all matching
/// prefixes of a carrier instead of the longest.
pub(crate) fn index(model: &Model, settings: &BuildSettings) -> Index {
    let keep_shorter = settings.shorter_prefix;
    let ranks = rank_bands(model, settings.built_at);
    let mut lists = Lists { bytes: Vec::new(), known: HashMap::new(), ranks, keep_shorter };
    let root = Node { end: Key(u64::MAX), entries: Vec::new(), line: lists.line(Vec::new()) };
    let mut intervals = vec![Interval { low: Key(0), line: root.line }];
    let mut open = vec![root];
    let mut prefixes = 0;
    for rows in model.numbers.chunk_by(|a, b| a.prefix == b.prefix) {
        prefixes += 1;
        let prefix = rows[0].prefix;
        close(&mut open, &mut intervals, prefix.key);
        let parent = open.last().map(|node| node.entries.as_slice()).unwrap_or_default();
        let entries = inherit(parent, rows, &lists.ranks.of_band, keep_shorter);
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
        carrier: row.carrier as u16,
        len: std::cmp::Reverse(row.prefix.len),
    });
    kept.chain(own).collect()
}

/// Puts bands in the order of step 13: cost, then the best gateway's reliability, then the carrier.
/// Bands whose price depends on the call come after, dead ones last.
fn rank_bands(model: &Model, built_at: i64) -> Ranks {
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
            if !band.enabled || band.rates == 0 {
                return Terms::Dead;
            }
            let first = &model.rates[band.first_rate as usize];
            if first.a_band != NONE || first.period != NONE || first.start > built_at {
                return Terms::Open;
            }
            match first.cost_per_min {
                Some(_) => Terms::Settled { rate: band.first_rate, cost_group: 0 },
                None => Terms::Dead,
            }
        })
        .collect();
    let mut bands: Vec<u32> = (0..model.bands.len() as u32).collect();
    bands.sort_by_key(|&at| {
        let band = &model.bands[at as usize];
        let carrier = band.carrier as usize;
        let (class, cost) = match terms[at as usize] {
            Terms::Settled { rate, .. } => (0, cost(rate)),
            Terms::Open => (1, None),
            Terms::Dead => (2, None),
        };
        (class, cost, unreliability[carrier], model.carriers[carrier].id, band.id)
    });
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
