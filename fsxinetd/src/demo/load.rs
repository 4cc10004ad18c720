//! The sample deck into a database: one transaction, many rows a statement.

use std::fmt::Write;
use std::time::{Duration, Instant};

use super::deck::{CARRIERS, MARK};
use super::plan::{Kind, Plan, PlanError};
use crate::db::{self, Access, Conn, DbError, DbUrl, quote};

/// Rows of one INSERT: large enough that statements cost little, small enough for any server.
const ROWS: usize = 1000;

/// How long opening the database may take.
const OPEN_TIMEOUT: Duration = Duration::from_secs(15);

/// What came of it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Loaded {
    /// The deck was there already; only the age of its exchange rates was renewed.
    pub already: bool,
    /// Carriers in the deck.
    pub carriers: usize,
    /// Rows of `Numbers`.
    pub numbers: u64,
    /// Rows of `LCRRates`.
    pub rates: u64,
    /// How long it took.
    pub took: Duration,
}

/// Why there is no deck.
#[derive(Debug, thiserror::Error)]
pub enum DemoError {
    /// The database.
    #[error(transparent)]
    Db(#[from] DbError),
    /// The shipped plan.
    #[error(transparent)]
    Plan(#[from] PlanError),
    /// There is somebody's data in it.
    #[error(
        "{url} holds carriers that are not of the demonstration ({name}): use another database"
    )]
    NotOurs {
        /// Which database.
        url: String,
        /// The first carrier.
        name: String,
    },
}

/// Makes the tables where there are none, and fills them unless they are. `progress` hears of rows
/// written so far and in all.
///
/// # Errors
/// [`DemoError`]; the database is then as it was, but for empty tables.
pub async fn load(
    url: &DbUrl,
    progress: &mut (dyn FnMut(u64, u64) + Send),
) -> Result<Loaded, DemoError> {
    let began = Instant::now();
    let mut conn = Conn::open(url, Access::Create, OPEN_TIMEOUT).await?;
    db::migrate(&mut conn).await?;
    let names =
        conn.rows("read Carriers", "SELECT CarrierName FROM Carriers ORDER BY ID", 1).await?;
    let ours = |name: &str| name.ends_with(MARK);
    if let Some(name) = names.iter().filter_map(|r| r[0].as_deref()).find(|name| !ours(name)) {
        return Err(DemoError::NotOurs { url: url.to_string(), name: name.to_owned() });
    }
    let already = !names.is_empty();
    if already {
        // The rates of the deck do not age: they are no market's.
        conn.execute("renew FxRates", "UPDATE FxRates SET AsOf = CURRENT_TIMESTAMP").await?;
    } else {
        let plan = Plan::shipped()?;
        conn.execute("begin", if conn.is_sqlite() { "BEGIN" } else { "START TRANSACTION" }).await?;
        if let Err(error) = fill(&mut conn, &plan, progress).await {
            // The first error is the one to tell.
            let _ = conn.execute("roll back", "ROLLBACK").await;
            return Err(error.into());
        }
        conn.execute("commit", "COMMIT").await?;
        if conn.is_sqlite() {
            conn.execute("fold the log", "PRAGMA wal_checkpoint(TRUNCATE)").await?;
        }
    }
    let numbers = count(&mut conn, "Numbers").await?;
    let rates = count(&mut conn, "LCRRates").await?;
    conn.close().await;
    Ok(Loaded {
        already,
        carriers: names.len().max(CARRIERS.len() + 2),
        numbers,
        rates,
        took: began.elapsed(),
    })
}

async fn count(conn: &mut Conn, table: &str) -> Result<u64, DbError> {
    let rows = conn.rows("count rows", &format!("SELECT COUNT(*) FROM {table}"), 1).await?;
    Ok(rows.first().and_then(|r| r[0].as_deref()).and_then(|n| n.parse().ok()).unwrap_or(0))
}

/// Rows of one table on their way.
struct Batch<'a> {
    conn: &'a mut Conn,
    head: &'static str,
    sql: String,
    rows: usize,
}

impl<'a> Batch<'a> {
    fn new(conn: &'a mut Conn, head: &'static str) -> Self {
        Self { conn, head, sql: String::new(), rows: 0 }
    }

    /// `row` is the values between the brackets.
    async fn add(&mut self, row: std::fmt::Arguments<'_>) -> Result<(), DbError> {
        self.sql.push_str(if self.rows == 0 { self.head } else { "," });
        // Writing to a String cannot fail.
        let _ = write!(self.sql, "({row})");
        self.rows += 1;
        if self.rows == ROWS { self.flush().await } else { Ok(()) }
    }

    async fn flush(&mut self) -> Result<(), DbError> {
        if self.rows > 0 {
            self.conn.execute(self.head, &self.sql).await?;
            self.sql.clear();
            self.rows = 0;
        }
        Ok(())
    }
}

/// Apart enough that every carrier's bands have IDs of their own.
const BANDS_OF_CARRIER: u32 = 100_000;

async fn fill(
    conn: &mut Conn,
    plan: &Plan,
    progress: &mut (dyn FnMut(u64, u64) + Send),
) -> Result<(), DbError> {
    let sqlite = conn.is_sqlite();
    let decks: Vec<_> = CARRIERS.iter().map(|carrier| carrier.deck(plan)).collect();
    let all: u64 = decks.iter().map(|deck| (deck.numbers.len() + deck.bands.len()) as u64).sum();
    let (mut done, mut number_id) = (0u64, 0u32);
    for (carrier, deck) in CARRIERS.iter().zip(&decks) {
        let mut batch = Batch::new(conn, "INSERT INTO Carriers (ID, CarrierName, Type) VALUES ");
        let name = quote(sqlite, &carrier.full_name());
        batch.add(format_args!("{}, {name}, '{}'", carrier.id, carrier.kind)).await?;
        batch.flush().await?;
        let first_band = carrier.id * BANDS_OF_CARRIER;
        let mut batch = Batch::new(
            conn,
            "INSERT INTO Bands (ID, BandName, CarrierID, Type, CountryCode) VALUES ",
        );
        for (id, band) in (first_band..).zip(&deck.bands) {
            let (name, kind) = (quote(sqlite, &band.name), band.kind.as_str());
            let country = &band.country;
            batch.add(format_args!("{id}, {name}, {}, '{kind}', '{country}'", carrier.id)).await?;
        }
        batch.flush().await?;
        rates(conn, carrier, first_band, &deck.bands).await?;
        done += deck.bands.len() as u64;
        let mut batch = Batch::new(conn, "INSERT INTO Numbers (ID, Number, BandID) VALUES ");
        for &(prefix, band) in &deck.numbers {
            number_id += 1;
            batch.add(format_args!("{number_id}, '{prefix}', {}", first_band + band)).await?;
            done += 1;
            if done.is_multiple_of(20_000) {
                progress(done, all);
            }
        }
        batch.flush().await?;
        progress(done, all);
    }
    for statement in super::site::STATEMENTS {
        let text = if sqlite { (*statement).to_owned() } else { statement.replace('\\', "\\\\") };
        conn.execute(statement.lines().next().unwrap_or(""), &text).await?;
    }
    Ok(())
}

async fn rates(
    conn: &mut Conn,
    carrier: &super::deck::Carrier,
    first_band: u32,
    bands: &[super::deck::Band],
) -> Result<(), DbError> {
    let mut batch = Batch::new(
        conn,
        "INSERT INTO LCRRates (ID, BandID, Rate, Setup, Currency, Period, Start, FormatNumber, \
         FormatCLI, InitialIncrement, NextIncrement) VALUES ",
    );
    let (initial, next) = carrier.increments;
    let (currency, format) = (carrier.currency, carrier.format);
    let cli = if format.is_empty() { "" } else { "E164" };
    for (band_id, band) in (first_band..).zip(bands) {
        // By day, by night and at the weekend where a carrier at home sells landlines; last year's
        // price, still in the table, for everybody.
        let day_and_night = carrier.id == 104 && band.kind == Kind::Landline;
        let terms: &[(&str, &str, u64)] = if day_and_night {
            &[
                ("", "2025-01-01 00:00:00", 130),
                ("Peak", "2026-01-01 00:00:00", 115),
                ("Off-Peak", "2026-01-01 00:00:00", 90),
                ("Weekend", "2026-01-01 00:00:00", 75),
            ]
        } else {
            &[("", "2025-01-01 00:00:00", 110), ("", "2026-01-01 00:00:00", 100)]
        };
        let setup = if carrier.id == 103 { 500 } else { 0 };
        for (n, (period, start, percent)) in (1..).zip(terms) {
            let (rate, setup) = (Micros(band.micros * percent / 100), Micros(setup));
            let id = u64::from(band_id) * 4 + n - 4;
            batch
                .add(format_args!(
                    "{id}, {band_id}, '{rate}', '{setup}', '{currency}', '{period}', '{start}', \
                     '{format}', '{cli}', {initial}, {next}"
                ))
                .await?;
        }
    }
    batch.flush().await
}

/// Millionths, as decimal text.
struct Micros(u64);

impl std::fmt::Display for Micros {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}.{:06}", self.0 / 1_000_000, self.0 % 1_000_000)
    }
}
