//! What can go wrong with a database, in one line each.

use std::path::PathBuf;

/// A database could not be used.
#[derive(Debug, thiserror::Error)]
pub enum DbError {
    /// The address is not one.
    #[error("bad database address: {why}; expected sqlite:FILE or mysql://user:password@host/name")]
    BadUrl {
        /// What is wrong with it.
        why: String,
    },
    /// No such SQLite file.
    #[error("no database at {path}: make one with `fsxinetd db init --db sqlite:{path}`", path = path.display())]
    NoFile {
        /// Where it was looked for.
        path: PathBuf,
    },
    /// It cannot be connected to or opened.
    #[error("cannot open {url}: {source}")]
    Open {
        /// The address, without its password.
        url: String,
        /// The engine's word.
        source: sqlx::Error,
    },
    /// A statement failed.
    #[error("{what}: {source}")]
    Query {
        /// What was being done.
        what: String,
        /// The engine's word.
        source: sqlx::Error,
    },
    /// The database did not answer in time.
    #[error("{what}: no answer within {after_ms} ms")]
    Timeout {
        /// What was being done.
        what: String,
        /// How long was waited.
        after_ms: u128,
    },
    /// A table that nothing works without is missing.
    #[error(
        "table {table} is missing: make the tables with `fsxinetd db init`, or complete them with `fsxinetd db migrate`"
    )]
    NoTable {
        /// Which.
        table: &'static str,
    },
    /// It is none of the databases that are taken over.
    #[error("the database of {option} is not {whose}: it has no table {table}")]
    NotOne {
        /// The option that names it.
        option: &'static str,
        /// Whose it was said to be.
        whose: &'static str,
        /// Which table it should have.
        table: &'static str,
    },
    /// A column that nothing works without is missing.
    #[error("table {table} has no column {column}")]
    NoColumn {
        /// In which table.
        table: &'static str,
        /// Which.
        column: &'static str,
    },
    /// The tables were made by a later release.
    #[error(
        "the tables are at version {found}, this release knows up to {known}: use the later release"
    )]
    TooNew {
        /// What the database says.
        found: u32,
        /// What this release knows.
        known: u32,
    },
}

impl DbError {
    /// The caller's mistake (exit 2) rather than a failure (exit 1).
    #[must_use]
    pub fn is_usage(&self) -> bool {
        matches!(self, Self::BadUrl { .. } | Self::NoFile { .. } | Self::NotOne { .. })
    }
}
