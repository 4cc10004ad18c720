//! All tables of the LCR database, as the builder takes them.
//!
//! Reading judges nothing: texts stay texts, and the builder names what is wrong with them. Only
//! what cannot even be held (an ID that is no number, a date that is none) is left out here, and
//! named in the same way.

use std::collections::BTreeSet;

use fsx_snapshot::Lost;
use fsx_snapshot::rows::{PeriodRow, Rows};

use super::periods::{self, Hours};
use super::{defaults, tables};
use crate::db::{Conn, DbError, Schema, TABLES, Table};

/// How rows are read.
#[derive(Clone, Copy, Debug)]
pub struct ReadSettings {
    /// The instant that the data is read for, in seconds UTC: ages are measured to it.
    pub at: i64,
    /// First second past which periods are not resolved.
    pub horizon_end: i64,
    /// An exchange rate older than this is not used, in seconds.
    pub fx_max_age_s: i64,
}

/// What was read.
#[derive(Debug, Default)]
pub struct Read {
    /// For the builder.
    pub rows: Rows,
    /// Tables and columns that are read as their defaults, because they are not there or not ours to see.
    pub lacking: BTreeSet<String>,
    /// Currencies whose exchange rate is too old.
    pub stale_fx: Vec<String>,
    /// Of everything read; equal to that of the last read when nothing has changed.
    pub fingerprint: u64,
    /// Periods by name, before they are resolved.
    pub(super) hours: Vec<(String, Hours)>,
}

/// Periods are resolved from this long before the instant, so that a call that came in before the
/// build finds its own.
const PERIODS_BEFORE_S: i64 = 8 * 86_400;

/// Tables of rules that are taken from [`defaults`] where they are not there.
const RULES: &[&str] = &["Formats", "Periods", "NormaliseRules", "EmergencyNumbers"];

/// Told how far reading is: table and rows so far.
pub type Progress<'a> = &'a mut (dyn FnMut(&'static str, u64) + Send + 'a);

/// The columns of a row, as bytes of text, in the order asked for; null is `None`.
pub(super) type Cells<'a, 'r> = &'a [Option<&'r [u8]>];

/// `Err` is the row's ID and the reason why it cannot be held.
pub(super) type Taken = Result<(), (u32, String)>;

/// How the rows of one table are taken.
pub(super) struct Taker {
    pub(super) table: &'static str,
    pub(super) columns: &'static [&'static str],
    pub(super) take: fn(&mut Read, &ReadSettings, Cells<'_, '_>) -> Taken,
}

/// Most columns that any table is asked for.
const MAX_COLUMNS: usize = 20;

/// Reads everything, as of one instant of the database.
///
/// # Errors
/// [`DbError`]; a missing table is one only where nothing routes without it.
pub async fn read(
    conn: &mut Conn,
    settings: &ReadSettings,
    progress: Progress<'_>,
) -> Result<Read, DbError> {
    let schema = Schema::read(conn).await?;
    for table in TABLES.iter().filter(|t| t.essential) {
        if !schema.has_table(table.name) {
            return Err(DbError::NoTable { table: table.name });
        }
        if let Some(column) = schema.lacks(table) {
            return Err(DbError::NoColumn { table: table.name, column });
        }
    }
    let mut read = Read { lacking: lacking(&schema), ..Read::default() };
    let mut print = Print::default();
    // After an error the connection is in an unknown state; whoever owns it opens another.
    conn.begin_read().await?;
    for taker in tables::ALL {
        one(conn, &schema, taker, settings, &mut read, &mut print, progress).await?;
    }
    conn.end_read().await?;
    let absent = |taker: &&Taker| RULES.contains(&taker.table) && !schema.has_table(taker.table);
    if tables::ALL.iter().any(|taker| absent(&taker)) {
        let mut rules = defaults::rules().await?;
        let schema = Schema::read(&mut rules).await?;
        for taker in tables::ALL.iter().filter(absent) {
            one(&mut rules, &schema, taker, settings, &mut read, &mut print, progress).await?;
        }
        rules.close().await;
    }
    resolve_periods(&mut read, settings);
    // The horizon moves every second; only the day that it ends on makes a build stale.
    print.word(settings.horizon_end.div_euclid(86_400) as u64);
    print.word(read.stale_fx.len() as u64);
    read.fingerprint = print.0;
    Ok(read)
}

/// Tables and columns that a build reads as their defaults: not there, or not ours to see. A table as
/// `Overrides`, a column as `Numbers.OrgID`.
pub(super) fn lacking(schema: &Schema) -> BTreeSet<String> {
    let mut lacking = BTreeSet::new();
    for Taker { table: name, columns, .. } in tables::ALL {
        if Table::named(name).is_some_and(|table| schema.readable(table)) {
            let columns = columns.iter().filter(|column| !schema.has(name, column));
            lacking.extend(columns.map(|column| format!("{name}.{column}")));
        } else {
            lacking.insert((*name).to_owned());
        }
    }
    lacking
}

async fn one(
    conn: &mut Conn,
    schema: &Schema,
    taker: &Taker,
    settings: &ReadSettings,
    read: &mut Read,
    print: &mut Print,
    progress: &mut (dyn FnMut(&'static str, u64) + Send),
) -> Result<(), DbError> {
    let Taker { table: name, columns, take } = *taker;
    let Some(table) = Table::named(name).filter(|table| schema.readable(table)) else {
        return Ok(());
    };
    let sql = select(conn.is_sqlite(), schema, table, columns);
    let mut count = 0u64;
    conn.for_each(&format!("read {name}"), &sql, |row| {
        let mut cells = [None; MAX_COLUMNS];
        for (at, cell) in cells[..columns.len()].iter_mut().enumerate() {
            *cell = row.bytes(at)?;
            print.cell(*cell);
        }
        if let Err((id, reason)) = take(read, settings, &cells[..columns.len()]) {
            read.rows.unread.push(Lost { table: name, id, reason });
        }
        count += 1;
        if count.is_multiple_of(65_536) {
            progress(name, count);
        }
        Ok(())
    })
    .await?;
    print.word(count);
    progress(name, count);
    Ok(())
}

/// Everything as text, columns that are not there as null, in the order of the primary key.
fn select(sqlite: bool, schema: &Schema, table: &Table, columns: &[&str]) -> String {
    let list: Vec<String> = columns
        .iter()
        .map(|column| match (schema.has(table.name, column), sqlite) {
            (false, _) => "NULL".to_owned(),
            (true, true) => format!("CAST(`{column}` AS TEXT)"),
            // MariaDB's text protocol gives every type as text.
            (true, false) => format!("`{column}`"),
        })
        .collect();
    let order: Vec<String> = table
        .order
        .split(", ")
        .filter(|column| schema.has(table.name, column))
        .map(|column| format!("`{column}`"))
        .collect();
    let mut sql = format!("SELECT {} FROM `{}`", list.join(", "), table.name);
    if !order.is_empty() {
        sql.push_str(" ORDER BY ");
        sql.push_str(&order.join(", "));
    }
    sql
}

fn resolve_periods(read: &mut Read, settings: &ReadSettings) {
    let begin = settings.at - PERIODS_BEFORE_S;
    let mut resolved: Vec<(String, Vec<(i64, i64)>)> = Vec::new();
    for (name, hours) in std::mem::take(&mut read.hours) {
        let known = resolved.iter().position(|(known, _)| known.eq_ignore_ascii_case(&name));
        let at = known.unwrap_or_else(|| {
            resolved.push((name.clone(), Vec::new()));
            resolved.len() - 1
        });
        if let Err(reason) =
            periods::resolve(&hours, begin, settings.horizon_end, &mut resolved[at].1)
        {
            let reason = format!("{name}: {reason}");
            read.rows.unread.push(Lost { table: "Periods", id: 0, reason });
        }
    }
    read.rows.periods = resolved
        .into_iter()
        .map(|(name, intervals)| PeriodRow { name, intervals: periods::join(intervals) })
        .collect();
}

/// How many rows there are in all.
#[must_use]
pub fn count(rows: &Rows) -> u64 {
    (rows.carriers.len()
        + rows.bands.len()
        + rows.numbers.len()
        + rows.rates.len()
        + rows.gateways.len()
        + rows.overrides.len()
        + rows.closed_loop.len()
        + rows.formats.len()
        + rows.orgs.len()
        + rows.dialling_rules.len()
        + rows.emergency_numbers.len()
        + rows.emergency_gateways.len()
        + rows.normalise_rules.len()
        + rows.unread.len()) as u64
}

/// A running fingerprint of every cell read. It guards against nobody, so a fast mix is enough.
struct Print(u64);

impl Default for Print {
    fn default() -> Self {
        Self(0x9e37_79b9_7f4a_7c15)
    }
}

impl Print {
    fn word(&mut self, word: u64) {
        self.0 = (self.0.rotate_left(23) ^ word).wrapping_mul(0x517c_c1b7_2722_0a95);
    }

    fn cell(&mut self, bytes: Option<&[u8]>) {
        let Some(bytes) = bytes else { return self.word(u64::MAX) };
        let (words, rest) = bytes.as_chunks::<8>();
        for word in words {
            self.word(u64::from_le_bytes(*word));
        }
        let mut last = [0; 8];
        last[..rest.len()].copy_from_slice(rest);
        self.word(u64::from_le_bytes(last) ^ (bytes.len() as u64) << 56);
    }
}
