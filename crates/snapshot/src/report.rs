//! What a build tells the engineer: what came in, what was left out and why, what came of it.

use std::fmt;

/// A row that was left out. The build goes on without it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Lost {
    /// Table name as in the database.
    pub table: &'static str,
    /// The row's `ID` (`OrgID` where that is the key).
    pub id: u32,
    /// In words, with what was found.
    pub reason: String,
}

impl fmt::Display for Lost {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}: {}", self.table, self.id, self.reason)
    }
}

/// The result of a build in numbers.
#[derive(Clone, Debug, Default)]
pub struct Report {
    /// Rows read, all tables together.
    pub rows_in: u64,
    /// Rows left out; only the first [`Report::MOST_NAMED`] are named.
    pub lost: Vec<Lost>,
    /// How many were left out in all.
    pub lost_rows: u64,
    /// The first row of each table that leads nowhere, and so does not say which carrier lost it.
    pub(crate) adrift: Vec<Lost>,
    /// Currencies that have no exchange rate, with how many rates are therefore out.
    pub no_exchange_rate: Vec<(String, u64)>,
    /// Carriers in the file.
    pub carriers: u32,
    /// Bands in the file.
    pub bands: u32,
    /// Rates in the file.
    pub rates: u32,
    /// Gateways in the file.
    pub gateways: u32,
    /// Number rows that route.
    pub numbers: u64,
    /// Distinct prefixes among them.
    pub prefixes: u64,
    /// Intervals of the index.
    pub intervals: u64,
    /// Distinct lists of offers.
    pub lists: u64,
    /// Of them, lists whose order changes with the instant or the caller, as compiled.
    pub varying_lists: u64,
    /// Of them, lists with too many conditions to compile: they are put in order call by call.
    pub open_lists: u64,
    /// Regimes compiled: spans of time in which no price changes.
    pub regimes: u32,
    /// Size of the file in bytes.
    pub bytes: u64,
}

impl Report {
    /// How many lost rows are named one by one.
    pub const MOST_NAMED: usize = 10_000;

    pub(crate) fn lose(&mut self, table: &'static str, id: u32, reason: impl Into<String>) {
        self.lost_rows += 1;
        if self.lost.len() < Self::MOST_NAMED {
            self.lost.push(Lost { table, id, reason: reason.into() });
        }
    }

    /// The same of a row that names a band or carrier that is not there.
    pub(crate) fn lose_adrift(&mut self, table: &'static str, id: u32, reason: String) {
        if !self.adrift.iter().any(|first| first.table == table) {
            self.adrift.push(Lost { table, id, reason: reason.clone() });
        }
        self.lose(table, id, reason);
    }
}
