//! Other people's prices into the LCR tables.
//!
//! A carrier mails a spreadsheet, once a week, in a shape of its own; a wrong digit in it loses money
//! on every call until somebody notices. So nothing is guessed in silence: how columns were
//! understood is printed, every row that makes no sense is named with its number and the reason, the
//! whole change can be looked at before it is made, and it is made in one transaction or not at all.
//!
//! - [`sheet`]: CSV and XLSX as rows of text (`workbook`: the latter, whatever is in them);
//! - [`columns`]: which column is what;
//! - [`codes`] and [`values`]: what cells mean;
//! - [`deck`]: rows to prices by code;
//! - [`state`]: what the carrier has now;
//! - [`plan`]: what would change;
//! - [`apply`]: the change;
//! - [`mod_lcr`] and [`drouting`]: whole databases of other routers; [`origins`]: prices by where the
//!   caller is.
//!
//! How a price lives in the tables: a band is a set of codes that share all their rates. A new price
//! is a new row of `LCRRates` with its own `Start`, so what was charged before stays on record; when
//! only some codes of a band change, those move to a band of their own that takes the old rates
//! along.

pub mod apply;
pub mod codes;
pub mod columns;
pub mod deck;
pub mod drouting;
pub mod mod_lcr;
pub mod origins;
pub mod plan;
pub mod sheet;
pub mod state;
#[cfg(test)]
mod tests;
pub mod transfer;
pub mod values;
mod workbook;

use crate::db::DbError;

/// Why nothing was imported.
#[derive(Debug, thiserror::Error)]
pub enum ImportError {
    /// The database.
    #[error(transparent)]
    Db(#[from] DbError),
    /// The file cannot be read, or is no deck.
    #[error("{file}: {reason}")]
    File {
        /// Which.
        file: String,
        /// Why.
        reason: String,
    },
    /// Asked wrongly.
    #[error("{0}")]
    Usage(String),
    /// The change would be a bad one.
    #[error("nothing was imported: {0}")]
    Refused(String),
}

impl ImportError {
    pub(crate) fn file(file: &std::path::Path, reason: impl std::fmt::Display) -> Self {
        Self::File { file: file.display().to_string(), reason: reason.to_string() }
    }
}
