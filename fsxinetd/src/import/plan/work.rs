//! The preview and the work, as things: what would happen to each code, and what is to be written.

use std::collections::BTreeMap;

use super::super::codes::Code;
use super::super::deck::{Rejected, Terms};

/// What happens to a code.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub enum Kind {
    /// Was not sold before, or not under this code.
    Created,
    /// A minute costs more.
    Dearer,
    /// A minute costs less.
    Cheaper,
    /// A minute costs the same, and increments, currency or format are others; or another currency.
    Changed,
    /// Nothing.
    Unchanged,
    /// No longer a code of its own, or no longer sold.
    Ended,
    /// Ends, but not yet: nothing is changed until it is imported again on the day.
    EndsLater,
}

impl Kind {
    /// All, in the order of the preview.
    pub const ALL: [Self; 7] = [
        Self::Created,
        Self::Dearer,
        Self::Cheaper,
        Self::Changed,
        Self::Unchanged,
        Self::Ended,
        Self::EndsLater,
    ];

    /// For people and for machines.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Created => "created",
            Self::Dearer => "dearer",
            Self::Cheaper => "cheaper",
            Self::Changed => "changed",
            Self::Unchanged => "unchanged",
            Self::Ended => "ended",
            Self::EndsLater => "ends_later",
        }
    }
}

/// One line of the preview.
#[derive(Clone, Debug)]
pub struct Change {
    /// What.
    pub kind: Kind,
    /// Which code.
    pub code: Code,
    /// Its destination's name.
    pub name: String,
    /// The row of the deck; 0 where it is the lack of one.
    pub row: u64,
    /// What it costs now.
    pub from: Option<String>,
    /// What it will cost.
    pub to: Option<String>,
    /// From when, seconds UTC.
    pub start: i64,
}

/// A band, there or to be made.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub enum BandRef {
    /// `Bands.ID`.
    Old(u32),
    /// A place in [`Work::bands`].
    New(u32),
}

/// A band to be made.
#[derive(Clone, Debug)]
pub struct NewBand {
    /// Type, country and rates are taken along from this one.
    pub copy_of: Option<u32>,
    /// Rates of it that are not taken along.
    pub except: Vec<u32>,
    /// `BandName`.
    pub name: String,
    /// `Enabled`.
    pub enabled: bool,
}

/// What is to be written, in this order.
#[derive(Clone, Debug, Default)]
pub struct Work {
    /// Bands to make.
    pub bands: Vec<NewBand>,
    /// `LCRRates` to disable.
    pub end_rates: Vec<u32>,
    /// `LCRRates` to add: band, start, price.
    pub rates: Vec<(BandRef, i64, Terms)>,
    /// `Numbers` to add.
    pub numbers: Vec<(Code, BandRef)>,
    /// `Numbers` to move (and enable).
    pub moves: Vec<(u32, BandRef)>,
    /// `Numbers` to disable.
    pub end_numbers: Vec<u32>,
}

impl Work {
    /// Nothing to be done.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.rows() == 0
    }

    /// Rows that it writes, for showing how far it is.
    #[must_use]
    pub fn rows(&self) -> u64 {
        (self.bands.len()
            + self.end_rates.len()
            + self.rates.len()
            + self.numbers.len()
            + self.moves.len()
            + self.end_numbers.len()) as u64
    }
}

/// The preview and the work.
#[derive(Clone, Debug, Default)]
pub struct Planned {
    /// How many codes of each kind.
    pub totals: BTreeMap<Kind, u64>,
    /// All but the unchanged, by code.
    pub changes: Vec<Change>,
    /// Rows left out, by row.
    pub rejected: Vec<Rejected>,
    /// What looks odd and is done all the same.
    pub notes: Vec<Rejected>,
    /// Codes of the carrier that are in force before.
    pub before: u64,
    /// Codes that the deck names.
    pub codes: u64,
    /// Codes missing from a full deck that are kept, since rows were left out.
    pub kept: u64,
    /// What is to be written.
    pub work: Work,
}

/// How a plan is made.
#[derive(Clone, Copy, Debug)]
pub struct PlanSettings {
    /// The deck is all that the carrier sells: what is missing ends.
    pub full: bool,
    /// Now, seconds UTC.
    pub now: i64,
    /// When missing codes end, seconds UTC.
    pub effective: i64,
}
