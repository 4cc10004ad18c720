//! Lists of offers: what serves a run of numbers, each distinct list stored once, cheapest first.
//!
//! A list whose carriers have one price each is in its final order. One on which a price varies has an
//! order for each column and class of [`crate::regimes`], lists of their own, found through the
//! variants section; as many of them are equal as there are calls for which nothing changes. A list
//! on which something is left open is put in order call by call.

use std::collections::HashMap;

use fsx_core::data::Ranked;

use crate::{
    hashed,
    layout::{ALIGN, BY_CALLER, HEADER, NONE, OFFER, VARIES},
    regimes::{Course, Regimes},
    sums::Sum,
    vet::{Carrier, Model},
};

/// Most rows of the variants section; lists past it are left open.
const MOST_ROWS: usize = 1 << 24;

/// One offer on a list in the making, in the order of the list: where its band stands among all
/// (32 bits), its carrier (8), and the length of its prefix, long before short (8).
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug, Default)]
pub(crate) struct Entry(u64);

impl Entry {
    pub(crate) fn new(rank: u32, carrier: u8, len: u8) -> Self {
        Self(u64::from(rank) << 16 | u64::from(carrier) << 8 | u64::from(u8::MAX - len))
    }

    /// What stands for an entry of a carrier that has none; no prefix is as long.
    pub(crate) fn none_of(carrier: u8) -> Self {
        Self::new(0, carrier, u8::MAX)
    }

    fn rank(self) -> usize {
        (self.0 >> 16) as usize
    }

    pub(crate) fn carrier(self) -> u8 {
        (self.0 >> 8) as u8
    }

    pub(crate) fn word(self) -> u64 {
        self.0
    }

    fn prefix_len(self) -> u8 {
        u8::MAX - self.0 as u8
    }
}

/// How a band's price depends on the call.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Terms {
    /// One rate, whoever calls and from the build on.
    Settled { rate: u32 },
    /// By column, and by class where callers matter: rates from `at` on in [`Ranks::resolved`].
    Varies { by_caller: bool, at: u32 },
    /// By the call.
    Open,
    /// No call can use it: disabled, no rates, no exchange rate, or only through an override.
    Dead,
}

/// Every band's place in the order of the default profile, and its terms by that place.
pub(crate) struct Ranks {
    of_band: Vec<u32>,
    bands: Vec<u32>,
    terms: Vec<Terms>,
    /// Rates of bands that vary, columns within classes.
    resolved: Vec<u32>,
    /// No band's price depends on the call.
    all_settled: bool,
    columns: usize,
    classes: usize,
    /// By rate row: its place in the order of the default profile, and a number for its cost. Empty
    /// where nothing varies, but for the costs of rates that are settled.
    places: Vec<u32>,
    costs: Vec<u32>,
    /// By carrier: what stands of it in an entry with a rate.
    servers: Vec<Server>,
    /// By place: a settled band's entry in a list, and the number for its cost.
    settled: Vec<Settled>,
    /// From which place on bands are dead.
    dead_from: usize,
}

/// What a list says of a band that has one rate whatever the call, but for the length of the prefix.
#[derive(Clone, Copy, Default)]
struct Settled {
    entry: u64,
    cost: u32,
}

impl Ranks {
    /// Puts bands in the order of step 13: cost, then the best gateway's reliability, then the
    /// carrier. Bands whose price depends on the call come after, dead ones last.
    pub(crate) fn new(model: &Model<'_>, regimes: &Regimes) -> Self {
        let (columns, classes) = (regimes.columns(), regimes.classes());
        let mut resolved = Vec::new();
        let terms: Vec<Terms> = model
            .bands
            .iter()
            .map(|band| {
                let carrier = model.carriers.get(band.carrier as usize);
                match regimes.course(model, band) {
                    _ if carrier.is_some_and(|carrier| carrier.private_services) => Terms::Dead,
                    Course::Settled(rate) => Terms::Settled { rate },
                    Course::Open => Terms::Open,
                    Course::Dead => Terms::Dead,
                    Course::Varies { by_caller } => {
                        let at = resolved.len() as u32;
                        for class in 0..if by_caller { classes } else { 1 } {
                            let rates =
                                (0..columns).map(|column| regimes.rate(model, band, class, column));
                            resolved.extend(rates.map(|rate| rate.unwrap_or(NONE)));
                        }
                        Terms::Varies { by_caller, at }
                    }
                }
            })
            .collect();
        let unreliability = unreliability(model);
        let order = |carrier: u32| {
            let id = model.carriers.get(carrier as usize).map_or(u32::MAX, |carrier| carrier.id);
            (unreliability.get(carrier as usize).copied(), id)
        };
        let cost = |rate: u32| model.rates[rate as usize].cost_per_min;
        let places = places_of_carriers(model, order);
        // Keys are made once, and each is one number: a sort compares them many times. Costs are not
        // negative.
        let mut keys: Vec<(u128, u32)> = (model.bands.iter().zip(&terms).zip(0u32..))
            .map(|((band, terms), at)| {
                let (class, cost) = match *terms {
                    Terms::Settled { rate } => (0, cost(rate).unwrap_or_default().0.max(0)),
                    Terms::Varies { .. } | Terms::Open => (1, 0),
                    Terms::Dead => (2, 0),
                };
                let carrier = places.get(band.carrier as usize).copied().unwrap_or(u16::MAX);
                let of_carrier = u128::from(carrier) << 32 | u128::from(band.id);
                (class << 126 | u128::from(cost.unsigned_abs()) << 48 | of_carrier, at)
            })
            .collect();
        keys.sort_unstable();
        let bands: Vec<u32> = keys.into_iter().map(|(_, at)| at).collect();
        let mut of_band = vec![0; bands.len()];
        for (&band, rank) in bands.iter().zip(0..) {
            of_band[band as usize] = rank;
        }
        let terms: Vec<Terms> = bands.iter().map(|&band| terms[band as usize]).collect();
        let all_settled =
            terms.iter().all(|terms| matches!(terms, Terms::Settled { .. } | Terms::Dead));
        let mut costs = vec![0; model.rates.len()];
        let mut places = Vec::new();
        let settled = terms.iter().filter_map(|terms| match terms {
            Terms::Settled { rate } => Some(*rate),
            _ => None,
        });
        if resolved.is_empty() {
            number_costs(settled, cost, &mut costs);
        } else {
            let mut rates: Vec<_> = (model.rates.iter().zip(0u32..))
                .map(|(rate, at)| {
                    let carrier = model.bands[rate.band as usize].carrier;
                    (rate.cost_per_min, order(carrier), rate.id, at)
                })
                .collect();
            rates.sort_unstable();
            places = vec![0; rates.len()];
            for (&(.., at), place) in rates.iter().zip(0..) {
                places[at as usize] = place;
            }
            number_costs(rates.iter().map(|&(.., at)| at), cost, &mut costs);
        }
        let servers: Vec<Server> = (model.carriers.iter().zip(0u16..)).map(Server::of).collect();
        let settled = terms.iter().zip(&bands).map(|(terms, &band)| {
            let Terms::Settled { rate } = *terms else { return Settled::default() };
            let carrier = model.bands[band as usize].carrier as usize;
            let server = servers.get(carrier).copied().unwrap_or_default();
            Settled { entry: entry_of(rate, server, 0), cost: costs[rate as usize] }
        });
        let settled = settled.collect();
        let dead_from = terms.partition_point(|terms| *terms != Terms::Dead);
        Self {
            of_band,
            bands,
            terms,
            resolved,
            all_settled,
            columns,
            classes,
            places,
            costs,
            servers,
            settled,
            dead_from,
        }
    }

    /// The rate of a band in one variant.
    fn rate(&self, terms: Terms, class: usize, column: usize) -> Option<u32> {
        match terms {
            Terms::Settled { rate } => Some(rate),
            Terms::Varies { by_caller, at } => {
                let class = if by_caller { class } else { 0 };
                let rate = *self.resolved.get(at as usize + class * self.columns + column)?;
                (rate != NONE).then_some(rate)
            }
            Terms::Open | Terms::Dead => None,
        }
    }
}

/// Who serves, as an entry with a rate says it ([`Ranked::of`] reads it).
#[derive(Clone, Copy, Default)]
struct Server {
    /// First gateway row, or the carrier.
    at: u16,
    gateways: u8,
    flags: u8,
}

impl Server {
    fn of((carrier, row): (&Carrier, u16)) -> Self {
        let of_carrier = |flags: u8| Self { at: row, gateways: 0, flags: Ranked::RATE | flags };
        if carrier.closed_loop {
            return of_carrier(Ranked::CLOSED_LOOP);
        }
        match (u16::try_from(carrier.first_gateway), u8::try_from(carrier.gateways)) {
            _ if carrier.gateways == 0 => of_carrier(0),
            (Ok(at), Ok(gateways)) if !carrier.weighted => {
                Self { at, gateways, flags: Ranked::RATE }
            }
            // Also the one that has too many for an entry: the long way tells.
            _ => of_carrier(Ranked::DRAWN),
        }
    }
}

/// Every carrier's place in the order in which carriers of one price stand.
fn places_of_carriers<K: Ord>(model: &Model<'_>, order: impl Fn(u32) -> K) -> Vec<u16> {
    let mut sorted: Vec<u32> = (0..model.carriers.len() as u32).collect();
    sorted.sort_unstable_by_key(|&carrier| order(carrier));
    let mut places = vec![0; sorted.len()];
    for (&carrier, place) in sorted.iter().zip(0..) {
        places[carrier as usize] = place;
    }
    places
}

/// Complement of the best gateway's reliability, by carrier.
fn unreliability(model: &Model<'_>) -> Vec<u8> {
    let best = model.carriers.iter().map(|carrier| {
        let best = model.gateways.get(carrier.first_gateway as usize);
        best.filter(|_| carrier.gateways > 0).map_or(0, |gateway| gateway.row.reliability)
    });
    best.map(|reliability| u8::MAX - reliability).collect()
}

/// Gives rates, in order of cost, a number for it.
fn number_costs<C: PartialEq>(
    rates: impl Iterator<Item = u32>,
    cost: impl Fn(u32) -> C,
    costs: &mut [u32],
) {
    let (mut number, mut last) = (0, None);
    for rate in rates {
        let cost = Some(cost(rate));
        number += u32::from(cost != last);
        last = cost;
        costs[rate as usize] = number;
    }
}

/// An offer in its place: rate, carrier, length of the prefix.
type Placed = (u32, u8, u8);

/// The lists made so far.
pub(crate) struct Lists {
    /// The file as far as its end of the offers section; the header is still empty.
    pub(crate) bytes: Vec<u8>,
    /// The variants section: lines of lists.
    pub(crate) variants: Vec<u32>,
    /// Lists on which a price varies.
    pub(crate) varying: u64,
    /// Lists that are put in order call by call.
    pub(crate) open: u64,
    /// The line of a list by the sum of its entries.
    known: HashMap<Sum, u32, hashed::Build>,
    /// Lists of one variant, by hash, likewise; and rows of variants.
    placed: HashMap<u64, (u32, u32), hashed::Build>,
    rows: HashMap<u64, u32, hashed::Build>,
    ranks: Ranks,
    keep_shorter: bool,
    /// To be filled again and again.
    scratch: Vec<(u32, Placed)>,
}

impl Lists {
    pub(crate) fn new(ranks: Ranks, keep_shorter: bool) -> Self {
        Self {
            bytes: vec![0; HEADER],
            variants: Vec::new(),
            varying: 0,
            open: 0,
            known: HashMap::default(),
            placed: HashMap::default(),
            rows: HashMap::default(),
            ranks,
            keep_shorter,
            scratch: Vec::new(),
        }
    }

    /// How many distinct lists there are, variants apart.
    pub(crate) fn len(&self) -> u64 {
        self.known.len() as u64
    }

    /// The place of a band among all.
    pub(crate) fn rank(&self, band: u32) -> u32 {
        self.ranks.of_band[band as usize]
    }

    /// The line of the list whose entries have this sum, where there is one already.
    pub(crate) fn known(&self, sum: Sum) -> Option<u32> {
        self.known.get(&sum).copied()
    }

    /// Keeps a new list, its entries in order, and gives its line.
    pub(crate) fn store(&mut self, sum: Sum, entries: &[Entry]) -> u32 {
        let line = self.write(entries);
        self.known.insert(sum, line);
        line
    }

    /// Writes a list; how many of its entries are in their final order, or where its variants are, is
    /// the second word of its header.
    fn write(&mut self, entries: &[Entry]) -> u32 {
        let (mut ranked, mut order) = (0, 0);
        match self.course(entries) {
            Terms::Open if self.keep_shorter => {}
            Terms::Open => self.open += 1,
            Terms::Varies { by_caller, .. } => match self.variants_of(entries, by_caller) {
                Some(first) => {
                    self.varying += 1;
                    order = VARIES | first | if by_caller { BY_CALLER } else { 0 };
                }
                None => self.open += 1,
            },
            Terms::Settled { .. } | Terms::Dead => {
                // They are in order of place.
                ranked = entries.partition_point(|entry| entry.rank() < self.ranks.dead_from);
                order = ranked as u32;
            }
        }
        let from = self.bytes.len();
        let rows = entries.len() + 1;
        self.bytes.resize((from + rows * OFFER).next_multiple_of(ALIGN), 0);
        let (head, places) = self.bytes[from..].as_chunks_mut::<OFFER>().0.split_at_mut(1);
        head[0] = header(entries.len(), order).to_le_bytes();
        let (settled, open) = entries.split_at(ranked);
        // Neighbours of one cost say so, each of the other.
        let mut before = None;
        for at in 0..settled.len() {
            let Settled { entry, cost } = self.ranks.settled[settled[at].rank()];
            let tied = before == Some(cost);
            if tied {
                places[at - 1][LAST] |= Ranked::TIED;
            }
            let entry = entry | u64::from(last_of(settled[at].prefix_len(), tied)) << 56;
            places[at] = entry.to_le_bytes();
            before = Some(cost);
        }
        for (entry, place) in open.iter().zip(&mut places[ranked..]) {
            let band = self.ranks.bands[entry.rank()];
            let server = Server { at: entry.carrier().into(), ..Server::default() };
            *place = entry_of(band, server, entry.prefix_len()).to_le_bytes();
        }
        line_at(from)
    }

    /// The terms of a whole list: the least settled of its entries'.
    fn course(&self, entries: &[Entry]) -> Terms {
        if self.keep_shorter {
            return Terms::Open;
        }
        if self.ranks.all_settled {
            return Terms::Dead;
        }
        let (mut varies, mut callers) = (false, false);
        for entry in entries {
            match self.ranks.terms[entry.rank()] {
                Terms::Open => return Terms::Open,
                Terms::Varies { by_caller, .. } => {
                    varies = true;
                    callers |= by_caller;
                }
                Terms::Settled { .. } | Terms::Dead => {}
            }
        }
        if varies { Terms::Varies { by_caller: callers, at: 0 } } else { Terms::Dead }
    }

    /// Who serves the middle one of three neighbours in order, which has a rate.
    fn server(&self, [before, here, after]: [Option<u32>; 3], carrier: u8) -> Server {
        let cost = |rate: u32| self.ranks.costs[rate as usize];
        let own = here.map(cost);
        let tied = [before, after].into_iter().flatten().any(|other| Some(cost(other)) == own);
        let server = self.ranks.servers[usize::from(carrier)];
        Server { flags: server.flags | if tied { Ranked::TIED } else { 0 }, ..server }
    }

    /// Stores a list for each class and column, and gives the first of its rows in the variants
    /// section; `None` where that is full.
    fn variants_of(&mut self, entries: &[Entry], by_caller: bool) -> Option<u32> {
        let classes = if by_caller { self.ranks.classes } else { 1 };
        let mut lines = Vec::with_capacity(classes * self.ranks.columns);
        for class in 0..classes {
            for column in 0..self.ranks.columns {
                lines.push(self.variant(entries, class, column));
            }
        }
        let mut slot = hashed::words(lines.iter().map(|line| u64::from(*line)));
        while let Some(&first) = self.rows.get(&slot) {
            if self.variants.get(first as usize..first as usize + lines.len()) == Some(&lines) {
                return Some(first);
            }
            slot = slot.wrapping_add(1);
        }
        if self.variants.len() + lines.len() > MOST_ROWS {
            return None;
        }
        let first = self.variants.len() as u32;
        self.variants.extend(lines);
        self.rows.insert(slot, first);
        Some(first)
    }

    /// The line of the list as it stands in one column for one class: only what can be used.
    fn variant(&mut self, entries: &[Entry], class: usize, column: usize) -> u32 {
        let mut placed = std::mem::take(&mut self.scratch);
        placed.clear();
        for entry in entries {
            let rate = self.ranks.rate(self.ranks.terms[entry.rank()], class, column);
            if let Some(rate) = rate {
                let place = self.ranks.places[rate as usize];
                placed.push((place, (rate, entry.carrier(), entry.prefix_len())));
            }
        }
        placed.sort_unstable();
        let from = self.bytes.len();
        let head = header(placed.len(), placed.len() as u32);
        self.bytes.extend_from_slice(&head.to_le_bytes());
        for at in 0..placed.len() {
            let (_, (rate, carrier, prefix_len)) = placed[at];
            let other = |at: Option<usize>| placed.get(at?).map(|(_, (rate, ..))| *rate);
            let neighbours = [other(at.checked_sub(1)), Some(rate), other(at.checked_add(1))];
            let server = self.server(neighbours, carrier);
            self.bytes.extend_from_slice(&entry_of(rate, server, prefix_len).to_le_bytes());
        }
        self.scratch = placed;
        // Written first and looked up then: most are new, and no copy of them has to be kept.
        let made = &self.bytes[from..];
        let len = made.len() as u32;
        let eights = made.as_chunks::<8>().0;
        let mut slot = hashed::row(eights, u64::from_le_bytes);
        while let Some(&(line, known)) = self.placed.get(&slot) {
            let start = HEADER + line as usize * ALIGN;
            if known == len && self.bytes[start..start + len as usize] == *made {
                self.bytes.truncate(from);
                return line;
            }
            slot = slot.wrapping_add(1);
        }
        let line = line_at(from);
        self.placed.insert(slot, (line, len));
        self.bytes.resize(self.bytes.len().next_multiple_of(ALIGN), 0);
        line
    }
}

/// The line of a list that begins at this byte of the file.
fn line_at(from: usize) -> u32 {
    ((from - HEADER) / ALIGN) as u32
}

/// The head of a list.
fn header(count: usize, order: u32) -> u64 {
    count as u64 | u64::from(order) << 32
}

/// Which byte of an entry has flags and the length of the prefix.
const LAST: usize = OFFER - 1;

/// What that byte says beside the server's flags.
fn last_of(prefix_len: u8, tied: bool) -> u8 {
    prefix_len << 4 | if tied { Ranked::TIED } else { 0 }
}

/// One entry of a list.
fn entry_of(at: u32, server: Server, prefix_len: u8) -> u64 {
    let Server { at: first, gateways, flags } = server;
    let last = flags | prefix_len << 4;
    u64::from(at) | u64::from(first) << 32 | u64::from(gateways) << 48 | u64::from(last) << 56
}
