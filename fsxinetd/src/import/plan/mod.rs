//! What a deck would change: the preview, and the work.
//!
//! Nothing here asks a database: a deck and what the carrier has now go in, and what would be written
//! comes out, so that it can be shown first and tried in tests.

mod price;
mod work;

use std::collections::{BTreeMap, HashMap, HashSet};

use super::codes::Code;
use super::deck::{Deck, Entry, Rejected, Says, Terms};
use super::state::{OldBand, OldNumber, OldRate, State};
use super::values::Status;
use price::{compare, completed, rate_at};

pub use price::{day, price};
pub use work::{BandRef, Change, Kind, NewBand, PlanSettings, Planned, Work};

/// Prices to add to a code, by start.
type Adds = Vec<(i64, Terms)>;

/// What a deck says of one code, and what that code is now.
struct Coded {
    code: Code,
    old: Option<OldNumber>,
    adds: Adds,
    /// Goes into a disabled band.
    blocked: bool,
    name: u32,
    row: u64,
}

/// Makes the plan. The state is taken apart.
#[must_use]
pub fn plan(mut deck: Deck, state: &State, settings: PlanSettings) -> Planned {
    let mut planned = Planned {
        before: state.numbers.values().filter(|n| n.enabled).count() as u64,
        rejected: std::mem::take(&mut deck.rejected),
        ..Planned::default()
    };
    let mut entries = std::mem::take(&mut deck.entries);
    // Stable, so that rows of one code and start stay in the deck's order.
    entries.sort_by_key(|entry| (entry.code, entry.start));
    let mut coded: Vec<Coded> = Vec::new();
    let mut ended: Vec<(Code, u64)> = Vec::new();
    let mut by_name: HashMap<&str, Vec<u32>> = HashMap::new();
    for (id, band) in state.bands.iter().filter(|(_, band)| band.enabled && !band.origin) {
        by_name.entry(&band.name).or_default().push(*id);
    }
    let touched = HashSet::new();
    let mut run = Run { deck: &deck, state, settings, by_name, touched, planned: &mut planned };
    for of_code in entries.chunk_by(|a, b| a.code == b.code) {
        run.code(of_code, &mut coded, &mut ended);
    }
    run.look_for_zeros(&entries);
    run.missing(&entries, &mut ended);
    run.bands(coded, &ended);
    run.ends(&ended);
    planned.changes.sort_by_key(|change| (change.code, change.start));
    planned.rejected.sort_by_key(|rejected| rejected.row);
    planned
}

struct Run<'a> {
    deck: &'a Deck,
    state: &'a State,
    settings: PlanSettings,
    /// Bands that a new code may join.
    by_name: HashMap<&'a str, Vec<u32>>,
    /// Bands whose prices change.
    touched: HashSet<u32>,
    planned: &'a mut Planned,
}

impl Run<'_> {
    fn count(&mut self, kind: Kind) {
        *self.planned.totals.entry(kind).or_default() += 1;
    }

    fn reject(&mut self, row: u64, reason: String) {
        self.planned.rejected.push(Rejected { row, reason });
    }

    fn change(&mut self, change: Change) {
        self.count(change.kind);
        self.planned.changes.push(change);
    }

    fn name(&self, at: u32) -> String {
        self.deck.names.get(at as usize).cloned().unwrap_or_default()
    }

    /// Codes with a dialling prefix left on them are no fault of their rows, but route nothing.
    fn look_for_zeros(&mut self, entries: &[Entry]) {
        let zeros = || entries.iter().filter(|entry| entry.code.as_str().starts_with('0'));
        if let Some(first) = zeros().min_by_key(|entry| entry.row) {
            let (code, all) = (first.code, zeros().count());
            let reason = format!(
                "code {code} begins with 0, which no number in E.164 does: is it dialled so? {all} such rows"
            );
            self.planned.notes.push(Rejected { row: first.row, reason });
        }
    }

    /// All rows of one code.
    fn code(&mut self, rows: &[Entry], coded: &mut Vec<Coded>, ended: &mut Vec<(Code, u64)>) {
        self.planned.codes += 1;
        let state = self.state;
        let code = rows[0].code;
        let old = state.numbers.get(&code).copied();
        let live = old.filter(|n| n.enabled);
        let band = live.and_then(|n| state.bands.get(&n.band));
        let mut one = Coded {
            code,
            old,
            adds: Vec::new(),
            blocked: false,
            name: rows[0].name,
            row: rows[0].row,
        };
        let mut seen: Vec<(i64, &str, u64)> = Vec::new();
        let priced = rows.iter().any(|row| matches!(row.says, Says::Costs(_)));
        for row in rows {
            match row.says {
                Says::Costs(terms) => {
                    let Some(terms) = self.deck.terms.get(terms as usize) else { continue };
                    let twice = seen.iter().find(|s| s.0 == row.start && s.1 == terms.period);
                    if let Some((_, _, first)) = twice {
                        self.reject(row.row, format!("code {code} is in row {first} already"));
                        continue;
                    }
                    seen.push((row.start, &terms.period, row.row));
                    self.price(row, terms, band, &mut one);
                }
                _ if priced => {
                    let reason = format!("code {code} has a price in another row");
                    self.reject(row.row, reason);
                }
                Says::Blocked | Says::Closed => self.end(row, live, band, &mut one, ended),
            }
        }
        if !one.adds.is_empty() || one.blocked {
            coded.push(one);
        }
    }

    /// One price of a code.
    fn price(&mut self, row: &Entry, terms: &Terms, band: Option<&OldBand>, one: &mut Coded) {
        let in_force = band.filter(|band| band.enabled).map(|band| {
            // A start that has passed is as good as now; a later one is compared with what will be.
            let at = row.start.max(self.settings.now);
            rate_at(band, &terms.period, at)
        });
        let added = one.adds.iter().rev().find(|(_, t)| t.period == terms.period);
        let (start, before) = match (added, in_force.flatten()) {
            (Some((start, terms)), None) => (*start, Some(terms)),
            (Some((start, terms)), Some(rate)) if *start >= rate.start => (*start, Some(terms)),
            (_, Some(rate)) => (rate.start, rate.terms.as_ref()),
            (None, None) => {
                let terms = completed(terms, None);
                self.change(Change {
                    kind: Kind::Created,
                    code: row.code,
                    name: self.name(row.name),
                    row: row.row,
                    from: None,
                    to: Some(price(&terms)),
                    start: row.start,
                });
                one.adds.push((row.start, terms));
                return;
            }
        };
        let terms = completed(terms, before);
        let kind = before.map_or(Kind::Changed, |before| compare(before, &terms));
        if let (Status::Increase, Kind::Cheaper) | (Status::Decrease, Kind::Dearer) =
            (row.status, kind)
        {
            let was = before.map(price).unwrap_or_default();
            self.planned.notes.push(Rejected {
                row: row.row,
                reason: format!(
                    "code {} is called {}, and its price goes from {was} to {}",
                    row.code,
                    if row.status == Status::Increase { "an increase" } else { "a decrease" },
                    price(&terms)
                ),
            });
        }
        if kind == Kind::Unchanged {
            self.count(kind);
            return;
        }
        if row.start < start {
            let reason = format!(
                "code {}: a price from {} is in force, so one from {} would never be used",
                row.code,
                day(start),
                day(row.start)
            );
            self.reject(row.row, reason);
            return;
        }
        self.change(Change {
            kind,
            code: row.code,
            name: self.name(row.name),
            row: row.row,
            from: before.map(price),
            to: Some(price(&terms)),
            start: row.start,
        });
        one.adds.push((row.start, terms));
    }

    /// A row that ends or blocks its code.
    fn end(
        &mut self,
        row: &Entry,
        live: Option<OldNumber>,
        band: Option<&OldBand>,
        one: &mut Coded,
        ended: &mut Vec<(Code, u64)>,
    ) {
        let sold = band.is_some_and(|band| band.enabled);
        let done = match row.says {
            // Without a row of its own a blocked code would be sold at a shorter code's price.
            Says::Blocked => live.is_some() && !sold,
            _ => live.is_none(),
        };
        if done {
            self.count(Kind::Unchanged);
            return;
        }
        let from = band
            .and_then(|band| rate_at(band, "", self.settings.now.max(row.start)))
            .and_then(|rate| rate.terms.as_ref().map(price));
        let later = row.start > self.settings.now;
        let mut name = self.name(row.name);
        if name.is_empty() {
            name = band.map(|band| band.name.clone()).unwrap_or_default();
        }
        self.change(Change {
            kind: if later { Kind::EndsLater } else { Kind::Ended },
            code: row.code,
            name,
            row: row.row,
            from,
            to: (row.says == Says::Blocked).then(|| "blocked".to_owned()),
            start: row.start,
        });
        match (later, row.says) {
            (true, _) => {}
            (false, Says::Blocked) => one.blocked = true,
            (false, _) => ended.push((row.code, row.row)),
        }
    }

    /// Codes that a full deck does not name.
    fn missing(&mut self, entries: &[Entry], ended: &mut Vec<(Code, u64)>) {
        if !self.settings.full {
            return;
        }
        let named: HashSet<Code> = entries.iter().map(|entry| entry.code).collect();
        let state = self.state;
        let mut missing: Vec<(Code, OldNumber)> = state
            .numbers
            .iter()
            .filter(|(code, old)| old.enabled && !named.contains(code))
            .map(|(code, old)| (*code, *old))
            .collect();
        missing.sort_by_key(|(code, _)| *code);
        for (code, old) in missing {
            if self.deck.unknown_codes || self.deck.held.contains(&code) {
                self.planned.kept += 1;
                continue;
            }
            let band = state.bands.get(&old.band);
            let later = self.settings.effective > self.settings.now;
            let from = band
                .and_then(|band| rate_at(band, "", self.settings.now))
                .and_then(|rate| rate.terms.as_ref().map(price));
            self.change(Change {
                kind: if later { Kind::EndsLater } else { Kind::Ended },
                code,
                name: band.map(|band| band.name.clone()).unwrap_or_default(),
                row: 0,
                from,
                to: None,
                start: self.settings.effective,
            });
            if !later {
                ended.push((code, 0));
            }
        }
    }

    /// Which band each code with new prices belongs to.
    fn bands(&mut self, coded: Vec<Coded>, ended: &[(Code, u64)]) {
        let state = self.state;
        let mut leaving: HashMap<u32, usize> = HashMap::new();
        for old in ended.iter().filter_map(|(code, _)| state.numbers.get(code)) {
            // Out of a band of origin nobody goes.
            if state.bands.get(&old.band).is_some_and(|band| !band.origin) {
                *leaving.entry(old.band).or_default() += 1;
            }
        }
        let mut fresh: BTreeMap<(u32, bool), HashMap<Adds, Vec<Coded>>> = BTreeMap::new();
        let mut of_band: BTreeMap<u32, HashMap<Adds, Vec<Coded>>> = BTreeMap::new();
        for one in coded {
            let band = one.old.filter(|old| old.enabled).map(|old| old.band);
            let sold = band.filter(|id| state.bands.get(id).is_some_and(|band| band.enabled));
            if let Some(id) = sold.filter(|_| one.blocked) {
                if state.bands.get(&id).is_some_and(|band| band.origin) {
                    self.stays(&one, id);
                    continue;
                }
                *leaving.entry(id).or_default() += 1;
            }
            let groups = match sold {
                Some(id) if !one.blocked => of_band.entry(id).or_default(),
                _ => fresh.entry((one.name, one.blocked)).or_default(),
            };
            groups.entry(one.adds.clone()).or_default().push(one);
        }
        for (id, groups) in of_band {
            self.old_band(id, groups, leaving.get(&id).copied().unwrap_or(0));
        }
        for ((name, blocked), groups) in fresh {
            for (adds, codes) in in_order(groups) {
                self.new_band(name, blocked, adds, codes);
            }
        }
    }

    /// New prices for codes of a band: on the band itself where they are all that it has, and else
    /// on bands of their own.
    fn old_band(&mut self, id: u32, groups: HashMap<Adds, Vec<Coded>>, leaving: usize) {
        let Some(band) = self.state.bands.get(&id) else { return };
        let touched: usize = groups.values().map(Vec::len).sum();
        let whole = touched + leaving == band.numbers as usize && band.private == 0;
        for (at, (adds, codes)) in in_order(groups).into_iter().enumerate() {
            let replaced = |rate: &OldRate| {
                let same = |(start, terms): &(i64, Terms)| {
                    rate.start == *start
                        && rate.terms.as_ref().is_none_or(|old| old.period == terms.period)
                };
                !rate.a_band && adds.iter().any(same)
            };
            let except: Vec<u32> =
                band.rates.iter().filter(|r| replaced(r)).map(|r| r.id).collect();
            if at == 0 && whole {
                self.touched.insert(id);
                self.planned.work.end_rates.extend(except);
                let rates = adds.into_iter().map(|(start, terms)| (BandRef::Old(id), start, terms));
                self.planned.work.rates.extend(rates);
                continue;
            }
            if band.origin {
                codes.iter().for_each(|one| self.stays(one, id));
                continue;
            }
            let new = self.band(NewBand {
                copy_of: Some(id),
                except,
                name: band.name.clone(),
                enabled: true,
            });
            let work = &mut self.planned.work;
            work.rates.extend(adds.into_iter().map(|(start, terms)| (new, start, terms)));
            work.moves.extend(codes.iter().filter_map(|one| Some((one.old?.id, new))));
        }
    }

    /// Codes that come to a band for the first time.
    fn new_band(&mut self, name: u32, blocked: bool, adds: Adds, codes: Vec<Coded>) {
        let name = self.name(name);
        // One with exactly these prices, whose own do not change in this very import.
        let fits = |id: &u32| {
            let Some(band) = self.state.bands.get(id) else { return false };
            let same = |(rate, (start, terms)): (&OldRate, &(i64, Terms))| {
                !rate.a_band && rate.start == *start && rate.terms.as_ref() == Some(terms)
            };
            !self.touched.contains(id)
                && band.rates.len() == adds.len()
                && band.rates.iter().zip(&adds).all(same)
        };
        let named = self.by_name.get(name.as_str()).filter(|_| !blocked);
        let there = named.and_then(|ids| ids.iter().copied().find(fits));
        let at = match there {
            Some(id) => BandRef::Old(id),
            None => {
                let new = self.band(NewBand {
                    copy_of: None,
                    except: Vec::new(),
                    name,
                    enabled: !blocked,
                });
                let rates = adds.into_iter().map(|(start, terms)| (new, start, terms));
                self.planned.work.rates.extend(rates);
                new
            }
        };
        for one in codes {
            match one.old {
                Some(old) => self.planned.work.moves.push((old.id, at)),
                None => self.planned.work.numbers.push((one.code, at)),
            }
        }
    }

    /// A code whose band decides what callers of it pay elsewhere: it is left alone, and named.
    fn stays(&mut self, one: &Coded, id: u32) {
        let name = self.state.bands.get(&id).map_or("", |band| band.name.as_str());
        let reason = format!(
            "code {} cannot leave band {id} ({name}): some rate is for callers of that band",
            one.code
        );
        self.reject(one.row, reason);
        self.forget(one.code);
    }

    fn band(&mut self, band: NewBand) -> BandRef {
        let bands = &mut self.planned.work.bands;
        bands.push(band);
        BandRef::New(bands.len() as u32 - 1)
    }

    /// Takes back what was said of a code that cannot be changed.
    fn forget(&mut self, code: Code) {
        let planned = &mut *self.planned;
        planned.changes.retain(|change| {
            if change.code == code {
                *planned.totals.entry(change.kind).or_default() -= 1;
            }
            change.code != code
        });
    }

    /// Codes that are no longer.
    fn ends(&mut self, ended: &[(Code, u64)]) {
        let codes: HashSet<Code> = ended.iter().map(|(code, _)| *code).collect();
        for (code, row) in ended {
            let Some(old) = self.state.numbers.get(code) else { continue };
            if let Some(band) = self.state.bands.get(&old.band).filter(|band| band.origin) {
                let reason = format!(
                    "code {code} cannot end: some rate is for callers of its band {} ({})",
                    old.band, band.name
                );
                self.reject(*row, reason);
                self.forget(*code);
                continue;
            }
            self.planned.work.end_numbers.push(old.id);
        }
        let doubles = self.state.doubles.iter().filter(|(code, _)| codes.contains(code));
        self.planned.work.end_numbers.extend(doubles.map(|(_, id)| *id));
    }
}

/// Largest group first, then by its first code: the order of hash maps must not show.
fn in_order(groups: HashMap<Adds, Vec<Coded>>) -> Vec<(Adds, Vec<Coded>)> {
    let mut groups: Vec<_> = groups.into_iter().collect();
    groups.sort_by_key(|(_, codes)| {
        (usize::MAX - codes.len(), codes.iter().map(|one| one.code).min())
    });
    groups
}
