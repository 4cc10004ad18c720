//! The change itself: one transaction, many rows a statement.

use std::fmt::Write;

use super::plan::{BandRef, Work};
use super::state::select;
use crate::db::{Conn, DbError, quote};

/// Rows of one statement: large enough that statements cost little, small enough for any server.
const ROWS: usize = 1000;

/// Begins a transaction that keeps other writers of the carriers out, so that what is planned is
/// what is changed.
///
/// # Errors
/// [`DbError`].
pub async fn begin(conn: &mut Conn) -> Result<(), DbError> {
    if conn.is_sqlite() {
        conn.execute("begin", "BEGIN IMMEDIATE").await?;
    } else {
        conn.execute("begin", "START TRANSACTION").await?;
        // Imports wait for each other here.
        conn.rows("lock Carriers", "SELECT ID FROM Carriers ORDER BY ID LIMIT 1 FOR UPDATE", 1)
            .await?;
    }
    Ok(())
}

/// Ends it: everything, or nothing.
///
/// # Errors
/// [`DbError`].
pub async fn end(conn: &mut Conn, keep: bool) -> Result<(), DbError> {
    let (what, sql) = if keep { ("commit", "COMMIT") } else { ("roll back", "ROLLBACK") };
    conn.execute(what, sql).await.map(drop)
}

/// The next free ID of a table.
///
/// # Errors
/// [`DbError`].
pub async fn next_id(conn: &mut Conn, table: &str) -> Result<u32, DbError> {
    let rows = conn
        .rows("read the last ID", &select(conn, &["MAX(ID)"], &format!("FROM {table}")), 1)
        .await?;
    Ok(rows.first().and_then(|r| r[0].as_deref()).and_then(|n| n.parse::<u32>().ok()).unwrap_or(0)
        + 1)
}

/// Makes a carrier and gives its ID.
///
/// # Errors
/// [`DbError`].
pub async fn carrier(conn: &mut Conn, name: &str, kind: &str) -> Result<u32, DbError> {
    let id = next_id(conn, "Carriers").await?;
    let (name, kind) = (quote(conn.is_sqlite(), name), quote(conn.is_sqlite(), kind));
    let sql = format!("INSERT INTO Carriers (ID, CarrierName, Type) VALUES ({id}, {name}, {kind})");
    conn.execute("add to Carriers", &sql).await?;
    Ok(id)
}

/// Rows of one table on their way.
pub(super) struct Batch<'a> {
    conn: &'a mut Conn,
    head: &'static str,
    sql: String,
    rows: usize,
}

impl<'a> Batch<'a> {
    pub(super) fn new(conn: &'a mut Conn, head: &'static str) -> Self {
        Self { conn, head, sql: String::new(), rows: 0 }
    }

    pub(super) fn is_sqlite(&self) -> bool {
        self.conn.is_sqlite()
    }

    /// `row` is the values between the brackets.
    pub(super) async fn add(&mut self, row: std::fmt::Arguments<'_>) -> Result<(), DbError> {
        self.sql.push_str(if self.rows == 0 { self.head } else { "," });
        // Writing to a String cannot fail.
        let _ = write!(self.sql, "({row})");
        self.rows += 1;
        if self.rows == ROWS { self.flush().await } else { Ok(()) }
    }

    pub(super) async fn flush(&mut self) -> Result<(), DbError> {
        if self.rows > 0 {
            self.conn.execute(self.head, &self.sql).await?;
            self.sql.clear();
            self.rows = 0;
        }
        Ok(())
    }
}

/// Writes everything. `progress` hears of rows written so far.
///
/// # Errors
/// [`DbError`]; the caller then rolls back.
pub async fn apply(
    conn: &mut Conn,
    carrier: u32,
    work: &Work,
    progress: &mut (dyn FnMut(u64) + Send),
) -> Result<(), DbError> {
    let sqlite = conn.is_sqlite();
    let mut done = 0u64;
    let mut tick = |rows: usize| {
        done += rows as u64;
        progress(done);
    };
    let first_band = next_id(conn, "Bands").await?;
    let id = |band: BandRef| match band {
        BandRef::Old(id) => id,
        BandRef::New(at) => first_band + at,
    };
    let mut batch =
        Batch::new(conn, "INSERT INTO Bands (ID, BandName, CarrierID, Enabled) VALUES ");
    for (at, band) in (first_band..).zip(&work.bands) {
        let (name, enabled) = (quote(sqlite, &band.name), if band.enabled { "YES" } else { "NO" });
        batch.add(format_args!("{at}, {name}, {carrier}, '{enabled}'")).await?;
    }
    batch.flush().await?;
    for (at, band) in (first_band..).zip(&work.bands) {
        let Some(old) = band.copy_of else { continue };
        // MariaDB does not read the table that it updates, so the row is read apart.
        let sql = select(conn, &["Type", "CountryCode"], &format!("FROM Bands WHERE ID = {old}"));
        if let Some(row) = conn.rows("read Bands", &sql, 2).await?.first() {
            let text = |at: usize| quote(sqlite, row[at].as_deref().unwrap_or_default());
            let sql = format!(
                "UPDATE Bands SET Type = {}, CountryCode = {} WHERE ID = {at}",
                text(0),
                text(1)
            );
            conn.execute("complete Bands", &sql).await?;
        }
        let except = match list(&band.except) {
            list if list.is_empty() => String::new(),
            list => format!(" AND ID NOT IN ({list})"),
        };
        const RATE: &str = "Rate, Setup, Currency, Period, Start, Enabled, FormatNumber, \
                            FormatCLI, ABandID, InitialIncrement, NextIncrement";
        let sql = format!(
            "INSERT INTO LCRRates (BandID, {RATE}) SELECT {at}, {RATE} FROM LCRRates \
             WHERE BandID = {old}{except} ORDER BY ID"
        );
        conn.execute("take rates along", &sql).await?;
    }
    tick(work.bands.len());
    for ids in work.end_rates.chunks(ROWS) {
        let sql = format!("UPDATE LCRRates SET Enabled = 'NO' WHERE ID IN ({})", list(ids));
        conn.execute("end rates", &sql).await?;
    }
    tick(work.end_rates.len());
    for rates in work.rates.chunks(ROWS) {
        let mut batch = Batch::new(
            conn,
            "INSERT INTO LCRRates (BandID, Rate, Setup, Currency, Period, Start, FormatNumber, \
             FormatCLI, InitialIncrement, NextIncrement) VALUES ",
        );
        for (band, start, terms) in rates {
            let text = |text: &Option<String>| quote(sqlite, text.as_deref().unwrap_or_default());
            batch
                .add(format_args!(
                    "{}, '{}', '{}', {}, {}, {}, {}, {}, {}, {}",
                    id(*band),
                    terms.rate,
                    terms.setup,
                    quote(sqlite, &terms.currency),
                    quote(sqlite, &terms.period),
                    quote(sqlite, &instant(*start)),
                    text(&terms.format_number),
                    text(&terms.format_cli),
                    terms.initial_s,
                    terms.next_s
                ))
                .await?;
        }
        batch.flush().await?;
        tick(rates.len());
    }
    for numbers in work.numbers.chunks(ROWS) {
        let mut batch = Batch::new(conn, "INSERT INTO Numbers (Number, BandID) VALUES ");
        for (code, band) in numbers {
            batch.add(format_args!("'{code}', {}", id(*band))).await?;
        }
        batch.flush().await?;
        tick(numbers.len());
    }
    let mut moves: Vec<(u32, u32)> =
        work.moves.iter().map(|(number, band)| (id(*band), *number)).collect();
    moves.sort_unstable();
    for to in moves.chunk_by(|a, b| a.0 == b.0) {
        for some in to.chunks(ROWS) {
            let ids: Vec<u32> = some.iter().map(|(_, number)| *number).collect();
            let sql = format!(
                "UPDATE Numbers SET BandID = {}, Enabled = 'YES' WHERE ID IN ({})",
                some[0].0,
                list(&ids)
            );
            conn.execute("move numbers", &sql).await?;
        }
        tick(to.len());
    }
    for ids in work.end_numbers.chunks(ROWS) {
        let sql = format!("UPDATE Numbers SET Enabled = 'NO' WHERE ID IN ({})", list(ids));
        conn.execute("end numbers", &sql).await?;
        tick(ids.len());
    }
    Ok(())
}

/// An instant as both engines keep it: `2026-01-31 00:00:00`, UTC.
pub(super) fn instant(at: i64) -> String {
    let text = fsx_wire::answer::rfc3339(at);
    text.replace('T', " ").trim_end_matches('Z').to_owned()
}

fn list(ids: &[u32]) -> String {
    let mut out = String::with_capacity(ids.len() * 8);
    for (at, id) in ids.iter().enumerate() {
        // Writing to a String cannot fail.
        let _ = write!(out, "{}{id}", if at > 0 { "," } else { "" });
    }
    out
}
