//! Rows of a deck to what they say of each code.

use std::collections::{HashMap, HashSet};
use std::path::Path;

use fsx_core::Nano;
use jiff::tz::TimeZone;

use super::ImportError;
use super::codes::{Code, codes};
use super::columns::{Columns, Field, Told};
use super::origins::Origin;
use super::sheet::Each;
use super::values::{self, DateOrder, Status};

/// What a code costs. Formats that the deck does not give are those of the rate before.
#[derive(Clone, PartialEq, Eq, Hash, Debug)]
pub struct Terms {
    /// Per minute.
    pub rate: Nano,
    /// Per call.
    pub setup: Nano,
    /// ISO 4217.
    pub currency: String,
    /// `Period`; empty is always.
    pub period: String,
    /// First block, seconds.
    pub initial_s: u32,
    /// Following blocks, seconds.
    pub next_s: u32,
    /// `FormatNumber`.
    pub format_number: Option<String>,
    /// `FormatCLI`.
    pub format_cli: Option<String>,
}

/// What a row says of a code.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Says {
    /// It costs this: a place in [`Deck::terms`].
    Costs(u32),
    /// It is not sold.
    Blocked,
    /// It is no code of its own any longer.
    Closed,
}

/// One code of one row.
#[derive(Clone, Copy, Debug)]
pub struct Entry {
    /// The code.
    pub code: Code,
    /// A place in [`Deck::names`].
    pub name: u32,
    /// From when, seconds UTC.
    pub start: i64,
    /// What.
    pub says: Says,
    /// What the deck calls it: [`Status::Price`] where it says nothing.
    pub status: Status,
    /// The row that it stands in.
    pub row: u64,
}

/// A row that makes no sense.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Rejected {
    /// Its number; 0 for one that has none.
    pub row: u64,
    /// What is wrong with it.
    pub reason: String,
}

/// A deck that was read.
#[derive(Clone, Debug, Default)]
pub struct Deck {
    /// Names of destinations.
    pub names: Vec<String>,
    /// Prices.
    pub terms: Vec<Terms>,
    /// By row.
    pub entries: Vec<Entry>,
    /// Rows left out.
    pub rejected: Vec<Rejected>,
    /// Codes of rows that were left out: they do not end because of it.
    pub held: HashSet<Code>,
    /// Some row was left out whose codes nobody knows.
    pub unknown_codes: bool,
    /// Rows read, without the headers.
    pub rows: u64,
    /// Prices by where the caller is; only mod_lcr's tables have these.
    pub origins: Vec<Origin>,
    /// How columns were understood.
    pub columns: Columns,
    known_names: HashMap<String, u32>,
    known_terms: HashMap<Terms, u32>,
}

/// How a deck is read.
#[derive(Clone, Debug)]
pub struct DeckSettings {
    /// Columns as told.
    pub map: Vec<Told>,
    /// There is no row of headers.
    pub no_header: bool,
    /// CSV: what stands between cells.
    pub delimiter: Option<u8>,
    /// XLSX: the sheet.
    pub sheet: Option<String>,
    /// Currency of rows that name none.
    pub currency: Option<String>,
    /// Start of rows that name none, seconds UTC.
    pub effective: i64,
    /// Zone of dates without an offset.
    pub zone: TimeZone,
    /// How dates are written.
    pub dates: DateOrder,
    /// 0,0125.
    pub decimal_comma: bool,
    /// Blocks of rows that name none.
    pub increments: (u32, u32),
    /// `FormatNumber` of every rate.
    pub format_number: Option<String>,
    /// `FormatCLI` of every rate.
    pub format_cli: Option<String>,
}

/// Rows before the headers that may be titles and addresses.
const MOST_TITLES: usize = 50;

/// Most codes of a deck, some 60 bytes each: the thousand-blocks of North America ten times over.
const MOST_CODES: usize = 8_000_000;

/// Most rows that make no sense: a file of more is no deck.
const MOST_REJECTED: usize = 1_000_000;

impl Deck {
    /// Reads a deck. `progress` hears of rows.
    ///
    /// # Errors
    /// [`ImportError`] where there is no deck to be read; bad rows are in [`Self::rejected`].
    pub fn read(
        path: &Path,
        settings: &DeckSettings,
        progress: &mut dyn FnMut(u64),
    ) -> Result<Self, ImportError> {
        Self::of_rows(path, settings, progress, &mut |each| {
            super::sheet::rows(path, settings.delimiter, settings.sheet.as_deref(), each)
        })
    }

    /// As [`Self::read`], of a file that is in memory.
    ///
    /// # Errors
    /// As [`Self::read`].
    pub fn of_bytes(bytes: Vec<u8>, settings: &DeckSettings) -> Result<Self, ImportError> {
        let path = Path::new("the deck");
        let mut bytes = Some(bytes);
        Self::of_rows(path, settings, &mut |_| {}, &mut |each| {
            let (sheet, bytes) = (settings.sheet.as_deref(), bytes.take().unwrap_or_default());
            super::sheet::rows_of(path, bytes, settings.delimiter, sheet, each)
        })
    }

    fn of_rows(
        path: &Path,
        settings: &DeckSettings,
        progress: &mut dyn FnMut(u64),
        rows: &mut dyn FnMut(Each<'_>) -> Result<(), ImportError>,
    ) -> Result<Self, ImportError> {
        let mut deck = Self::default();
        let mut known = false;
        if settings.no_header {
            deck.columns = Columns::numbered(&settings.map).map_err(ImportError::Usage)?;
            known = true;
        }
        let (mut titles, mut nearly) = (Vec::new(), None);
        rows(&mut |row, cells| {
            if cells.iter().all(String::is_empty) {
                return Ok(());
            }
            if !known {
                let found = Columns::from_header(row, cells, &settings.map);
                if let Some(columns) = found.map_err(ImportError::Usage)? {
                    deck.columns = columns;
                    known = true;
                    if settings.currency.is_none() && !deck.columns.has(Field::Currency) {
                        return Err(ImportError::Usage(
                            "the deck names no currency: --currency GBP, say".to_owned(),
                        ));
                    }
                } else {
                    titles.push(cells.join(" | "));
                    let absent = Columns::not_in(cells, &settings.map);
                    if nearly.is_none() && !absent.is_empty() {
                        nearly = Some((row, titles.len() - 1, absent));
                    }
                    if titles.len() > MOST_TITLES {
                        return Err(no_header(path, &titles, nearly.as_ref()));
                    }
                }
                return Ok(());
            }
            deck.rows += 1;
            if deck.rows.is_multiple_of(10_000) {
                progress(deck.rows);
            }
            deck.row(row, cells, settings);
            deck.bounded(path)
        })?;
        if !known {
            return Err(no_header(path, &titles, nearly.as_ref()));
        }
        if settings.currency.is_none() && !deck.columns.has(Field::Currency) {
            return Err(ImportError::Usage(
                "the deck names no currency: --currency GBP, say".to_owned(),
            ));
        }
        Ok(deck)
    }

    /// Whether it is still one that memory holds.
    fn bounded(&self, path: &Path) -> Result<(), ImportError> {
        let file = |reason: String| Err(ImportError::file(path, reason));
        if self.entries.len() + self.held.len() > MOST_CODES {
            return file(format!("it stands for more than {MOST_CODES} codes"));
        }
        if self.rejected.len() > MOST_REJECTED {
            let first = self.rejected.first().map_or("", |rejected| &rejected.reason);
            return file(format!(
                "more than {MOST_REJECTED} rows make no sense; the first: {first}"
            ));
        }
        Ok(())
    }

    /// Takes a row or says why not.
    fn row(&mut self, row: u64, cells: &[String], settings: &DeckSettings) {
        let cell = |field| self.columns.cell(field, cells);
        // Rows that a quote has swallowed stand in the name, mostly. A workbook's line breaks are spaces by
        // now.
        if cells.iter().any(|text| text.contains(['\n', '\r'])) {
            self.unknown_codes = true;
            let reason = "a line ends inside quotes: is one left open?".to_owned();
            self.rejected.push(Rejected { row, reason });
            return;
        }
        let codes = match codes(cell(Field::Country), cell(Field::Code)) {
            Ok(codes) => codes,
            Err(reason) => {
                self.unknown_codes = true;
                self.rejected.push(Rejected { row, reason });
                return;
            }
        };
        let says = self.says(cells, settings);
        let (status, start, terms) = match says {
            Ok(says) => says,
            Err(reason) => {
                self.held.extend(codes.iter().copied());
                self.rejected.push(Rejected { row, reason });
                return;
            }
        };
        let says = match (status, terms) {
            (Status::Blocked, _) => Says::Blocked,
            (Status::Closed, _) | (_, None) => Says::Closed,
            (_, Some(terms)) => Says::Costs(self.terms(terms)),
        };
        let name = self.columns.cell(Field::Name, cells).to_owned();
        let name = self.name(&name);
        self.entries.extend(codes.into_iter().map(|code| Entry {
            code,
            name,
            start,
            says,
            status,
            row,
        }));
    }

    fn says(
        &self,
        cells: &[String],
        settings: &DeckSettings,
    ) -> Result<(Status, i64, Option<Terms>), String> {
        let cell = |field| self.columns.cell(field, cells);
        let status = values::status(cell(Field::Status))?;
        let start = values::instant(cell(Field::Effective), settings.dates, &settings.zone)?
            .unwrap_or(settings.effective);
        if matches!(status, Status::Blocked | Status::Closed) {
            return Ok((status, start, None));
        }
        let (mut initial_s, mut next_s) = settings.increments;
        if !cell(Field::Increment).is_empty() {
            (initial_s, next_s) = values::increments(cell(Field::Increment))?;
        }
        if !cell(Field::Initial).is_empty() {
            initial_s = values::increments(cell(Field::Initial))?.0;
        }
        if !cell(Field::Next).is_empty() {
            next_s = values::increments(cell(Field::Next))?.0;
        }
        let currency = match (cell(Field::Currency), &settings.currency) {
            ("", Some(currency)) => currency.clone(),
            (text, _) => values::currency(text)?,
        };
        let setup = match cell(Field::Setup) {
            "" => Nano::ZERO,
            text => values::money(text, settings.decimal_comma)?,
        };
        let period = match cell(Field::Period) {
            text if text.eq_ignore_ascii_case("standard") => "",
            text => text,
        };
        let terms = Terms {
            rate: values::money(cell(Field::Rate), settings.decimal_comma)?,
            setup,
            currency,
            period: period.to_owned(),
            initial_s,
            next_s,
            format_number: settings.format_number.clone(),
            format_cli: settings.format_cli.clone(),
        };
        Ok((status, start, Some(terms)))
    }

    /// The place of a name.
    pub fn name(&mut self, name: &str) -> u32 {
        if let Some(at) = self.known_names.get(name) {
            return *at;
        }
        let at = self.names.len() as u32;
        self.names.push(name.to_owned());
        self.known_names.insert(name.to_owned(), at);
        at
    }

    /// The place of a price.
    pub fn terms(&mut self, terms: Terms) -> u32 {
        if let Some(at) = self.known_terms.get(&terms) {
            return *at;
        }
        let at = self.terms.len() as u32;
        self.terms.push(terms.clone());
        self.known_terms.insert(terms, at);
        at
    }
}

/// `nearly` is a row that has some of the columns that were told: its number, its place among
/// `titles`, and what it has not.
fn no_header(
    path: &Path,
    titles: &[String],
    nearly: Option<&(u64, usize, Vec<String>)>,
) -> ImportError {
    if let Some((row, at, absent)) = nearly {
        return ImportError::Usage(format!(
            "{}: --map {}: row {row} has no such column, it has: {}",
            path.display(),
            absent.join(" --map "),
            titles.get(*at).map_or("", String::as_str)
        ));
    }
    let first = titles.first().map_or("", String::as_str);
    ImportError::Usage(format!(
        "{}: no row of headers names a code and a rate (first row: \"{first}\"): say which columns \
         they are, as in --map code=Dialcode --map rate=Price, or --no-header --map code=1 --map rate=3",
        path.display()
    ))
}
