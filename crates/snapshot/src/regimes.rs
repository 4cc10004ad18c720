//! When prices change, and for whom: settled when the file is built, so that a call at peak time or
//! from a caller who is charged more reads a list in order like any other.
//!
//! Between two instants at which a period begins or ends, or a rate starts, nothing changes: that is
//! a *regime*. Regimes in which the same conditions hold are one *column*. The A-bands that a caller's
//! number is in are its *class*. A band has one rate in force for each column and class, so a list has
//! one order for each. Compiled up to the horizon only, and while there are few enough of both; what
//! is left over is decided row by row, as the contract says it, and just as right.

use std::collections::{BTreeSet, HashMap};

use fsx_core::digits::Key;

use crate::{
    layout::NONE,
    vet::{Band, Model, Rate},
};

/// Most columns, and most classes times columns. A list may be stored once for each.
const MOST_COLUMNS: usize = 64;
const MOST_VARIANTS: usize = 256;

/// Most instants at which something changes.
const MOST_REGIMES: usize = 4096;

/// Most A-bands that callers are told apart by.
const MOST_A_BANDS: usize = 64;

/// Regimes, columns and classes of one build.
pub(crate) struct Regimes {
    /// First second and column of each regime, in order; the first begins when the file is built.
    pub(crate) starts: Vec<(i64, u32)>,
    /// Where runs of callers begin and their class, in order; empty where callers do not matter. Who
    /// is in no A-band, or unknown, is of class 0.
    pub(crate) callers: Vec<(Key, u32)>,
    /// An instant of each column.
    columns: Vec<i64>,
    /// The A-bands of each class, a bit each.
    classes: Vec<u64>,
    /// The bit of each A-band row.
    bits: HashMap<u32, u64>,
    /// Instants, or callers, were too many.
    times_open: bool,
    callers_open: bool,
    built_at: i64,
}

/// What a band costs, as far as the build can know.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Course {
    /// One rate from the build on, for everyone.
    Settled(u32),
    /// By column, and by class too.
    Varies {
        /// Callers matter.
        by_caller: bool,
    },
    /// Too many conditions: by the call.
    Open,
    /// Nothing that a call could use, ever.
    Dead,
}

impl Regimes {
    /// Of the rates that routing can come to.
    pub(crate) fn of(model: &Model<'_>, built_at: i64, horizon_end: i64) -> Self {
        let routing = model.bands.iter().filter(|band| band.enabled && band.retail == NONE);
        let rates = || routing.clone().flat_map(|band| rates_of(model, band));
        let mut edges = BTreeSet::new();
        let mut periods = BTreeSet::new();
        let mut a_bands = BTreeSet::new();
        for rate in rates() {
            edges.insert(rate.start);
            if rate.period != NONE && periods.insert(rate.period) {
                let intervals = model.periods.get(rate.period as usize).map(|(_, all)| all);
                edges.extend(intervals.into_iter().flatten().flat_map(|&(from, to)| [from, to]));
            }
            if rate.a_band != NONE {
                a_bands.insert(rate.a_band);
            }
        }
        edges.retain(|&edge| built_at < edge && edge < horizon_end);
        edges.insert(built_at);
        let mut regimes = Self {
            starts: Vec::new(),
            callers: Vec::new(),
            columns: Vec::new(),
            classes: vec![0],
            bits: HashMap::new(),
            times_open: edges.len() > MOST_REGIMES,
            callers_open: a_bands.len() > MOST_A_BANDS,
            built_at,
        };
        if !regimes.times_open {
            let starts: BTreeSet<i64> = rates().map(|rate| rate.start).collect();
            regimes.set_columns(model, &edges, &periods, &starts);
        }
        if !regimes.callers_open {
            regimes.set_classes(model, &a_bands);
        }
        regimes
    }

    fn set_columns(
        &mut self,
        model: &Model<'_>,
        edges: &BTreeSet<i64>,
        periods: &BTreeSet<u32>,
        starts: &BTreeSet<i64>,
    ) {
        let mut known: HashMap<(Vec<u32>, Option<i64>), u32> = HashMap::new();
        for &edge in edges {
            let covering = periods.iter().copied().filter(|&period| covers(model, period, edge));
            // The last start that has passed says which have.
            let last_start = starts.range(..=edge).next_back().copied();
            let next = known.len() as u32;
            let column = *known.entry((covering.collect(), last_start)).or_insert(next);
            if column == next {
                self.columns.push(edge);
            }
            self.starts.push((edge, column));
        }
        if self.columns.len() > MOST_COLUMNS {
            self.times_open = true;
            self.columns.clear();
            self.starts.clear();
        }
    }

    /// Callers by the A-bands whose prefixes begin their numbers: prefixes nest, so a stack of those
    /// that are open gives the set at every point.
    fn set_classes(&mut self, model: &Model<'_>, a_bands: &BTreeSet<u32>) {
        self.bits = a_bands.iter().copied().zip((0..).map(|bit| 1 << bit)).collect();
        let mut prefixes: Vec<(Key, Key, u64)> = Vec::new();
        for (&a_band, &bit) in &self.bits {
            let own = model.a_bands.get(a_band as usize).map(|a_band| &a_band.prefixes);
            // As when a call is decided row by row: an empty prefix says nothing of a caller.
            let rows = own.into_iter().flatten().filter(|prefix| prefix.len > 0);
            prefixes.extend(rows.map(|p| (p.key, p.key.end(usize::from(p.len)), bit)));
        }
        if prefixes.is_empty() {
            return;
        }
        // The wider of two that begin together comes first.
        prefixes.sort_unstable_by_key(|&(key, end, _)| (key, std::cmp::Reverse(end)));
        let mut known = HashMap::from([(0, 0)]);
        let mut open: Vec<(Key, u64)> = vec![(Key(u64::MAX), 0)];
        let mut runs: Vec<(Key, u64)> = vec![(Key(0), 0)];
        let mut mark = |from: Key, set: u64| {
            if runs.last().is_some_and(|last| last.0 == from) {
                runs.pop();
            }
            if runs.last().is_none_or(|last| last.1 != set) {
                runs.push((from, set));
            }
        };
        let close = |open: &mut Vec<(Key, u64)>, key: Key, mark: &mut dyn FnMut(Key, u64)| {
            while open.len() > 1 && open.last().is_some_and(|top| top.0 <= key) {
                if let Some((end, _)) = open.pop() {
                    mark(end, open.last().map_or(0, |around| around.1));
                }
            }
        };
        for (key, end, bit) in prefixes {
            close(&mut open, key, &mut mark);
            let set = bit | open.last().map_or(0, |around| around.1);
            mark(key, set);
            open.push((end, set));
        }
        close(&mut open, Key(u64::MAX), &mut mark);
        for (from, set) in runs {
            let next = known.len() as u32;
            let class = *known.entry(set).or_insert(next);
            if class == next {
                self.classes.push(set);
            }
            self.callers.push((from, class));
        }
        if self.classes.len() * self.columns.len().max(1) > MOST_VARIANTS {
            self.callers_open = true;
            self.classes.truncate(1);
            self.callers.clear();
        }
    }

    /// How many columns there are; 0 where instants are not compiled.
    pub(crate) fn columns(&self) -> usize {
        self.columns.len()
    }

    /// How many classes of callers.
    pub(crate) fn classes(&self) -> usize {
        self.classes.len()
    }

    /// How a band's price goes.
    pub(crate) fn course(&self, model: &Model<'_>, band: &Band<'_>) -> Course {
        if !band.enabled || band.retail != NONE || band.rates == 0 {
            return Course::Dead;
        }
        let mut by_caller = false;
        for (at, rate) in (band.first_rate..).zip(rates_of(model, band)) {
            let conditional = rate.period != NONE || rate.a_band != NONE;
            by_caller |= rate.a_band != NONE;
            if !conditional && rate.start <= self.built_at {
                if at == band.first_rate {
                    // What is too old at the build stays so: the file is not used with a newer one.
                    let priced = rate.cost_per_min.is_some() && self.built_at < rate.priced_until;
                    return if priced { Course::Settled(at) } else { Course::Dead };
                }
                // Rates behind one that always holds do not matter.
                break;
            }
        }
        if self.times_open || self.columns.is_empty() || (by_caller && self.callers_open) {
            return Course::Open;
        }
        Course::Varies { by_caller }
    }

    /// The rate of a band in force for a column and a class; none where the carrier is out.
    pub(crate) fn rate(
        &self,
        model: &Model<'_>,
        band: &Band<'_>,
        class: usize,
        column: usize,
    ) -> Option<u32> {
        let (&set, &at) = (self.classes.get(class)?, self.columns.get(column)?);
        let (row, rate) = (band.first_rate..).zip(rates_of(model, band)).find(|(_, rate)| {
            rate.start <= at
                && (rate.period == NONE || covers(model, rate.period, at))
                && (rate.a_band == NONE
                    || self.bits.get(&rate.a_band).is_some_and(|bit| set & bit != 0))
        })?;
        (rate.cost_per_min.is_some() && self.built_at < rate.priced_until).then_some(row)
    }
}

fn rates_of<'m>(model: &'m Model<'_>, band: &Band<'_>) -> impl Iterator<Item = &'m Rate> + use<'m> {
    let first = band.first_rate as usize;
    model.rates.get(first..first + band.rates as usize).unwrap_or_default().iter()
}

fn covers(model: &Model<'_>, period: u32, at: i64) -> bool {
    let Some((_, intervals)) = model.periods.get(period as usize) else { return false };
    intervals.iter().any(|&(from, to)| from <= at && at < to)
}
