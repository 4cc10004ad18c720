//! What a carrier has in the tables now.

use std::collections::{BTreeMap, HashMap};

use fsx_core::Nano;

use super::codes::Code;
use super::deck::Terms;
use crate::db::{Conn, DbError, Schema, quote};
use crate::feed::text::{decimal, instant, whole, words, yes};

/// A rate of a band.
#[derive(Clone, Debug)]
pub struct OldRate {
    /// `LCRRates.ID`.
    pub id: u32,
    /// `Start`, seconds UTC.
    pub start: i64,
    /// What it costs; `None` where the row makes no sense, which equals nothing.
    pub terms: Option<Terms>,
    /// For callers of a band only; an import never touches these.
    pub a_band: bool,
}

/// A band.
#[derive(Clone, Debug, Default)]
pub struct OldBand {
    /// `BandName`.
    pub name: String,
    /// `Enabled`.
    pub enabled: bool,
    /// Enabled rates by ID.
    pub rates: Vec<OldRate>,
    /// Enabled numbers for everybody.
    pub numbers: u32,
    /// Numbers of one organisation.
    pub private: u32,
    /// Some rate is for callers of this band.
    pub origin: bool,
}

/// A number for everybody.
#[derive(Clone, Copy, Debug)]
pub struct OldNumber {
    /// `Numbers.ID`.
    pub id: u32,
    /// Its band.
    pub band: u32,
    /// `Enabled`.
    pub enabled: bool,
}

/// All of it.
#[derive(Clone, Debug, Default)]
pub struct State {
    /// By ID.
    pub bands: BTreeMap<u32, OldBand>,
    /// The row that counts: enabled before disabled, then the lowest ID.
    pub numbers: HashMap<Code, OldNumber>,
    /// Further enabled rows of the same number.
    pub doubles: Vec<(Code, u32)>,
}

/// What an import writes that the owner's nine tables may lack.
const COLUMNS: &[(&str, &[&str])] = &[
    ("Carriers", &["Type"]),
    ("Bands", &["BandName", "Type", "CountryCode", "Enabled"]),
    ("Numbers", &["Enabled", "OrgID"]),
    (
        "LCRRates",
        &[
            "Setup",
            "Period",
            "Start",
            "Enabled",
            "FormatNumber",
            "FormatCLI",
            "ABandID",
            "InitialIncrement",
            "NextIncrement",
        ],
    ),
];

/// Whether the tables can take an import.
///
/// # Errors
/// [`DbError::NoTable`] or [`DbError::NoColumn`].
pub async fn check(conn: &mut Conn) -> Result<(), DbError> {
    let schema = Schema::read(conn).await?;
    for (table, columns) in COLUMNS {
        if !schema.has_table(table) {
            return Err(DbError::NoTable { table });
        }
        if let Some(column) = columns.iter().find(|column| !schema.has(table, column)) {
            return Err(DbError::NoColumn { table, column });
        }
    }
    Ok(())
}

/// Every column as text, where the engine does not give it so by itself.
pub(super) fn select(conn: &Conn, columns: &[&str], rest: &str) -> String {
    let columns: Vec<String> = if conn.is_sqlite() {
        columns.iter().map(|column| format!("CAST({column} AS TEXT)")).collect()
    } else {
        columns.iter().map(|column| (*column).to_owned()).collect()
    };
    format!("SELECT {} {rest}", columns.join(", "))
}

/// A carrier by name, or by ID where no carrier has such a name.
///
/// # Errors
/// [`DbError`].
pub async fn carrier(conn: &mut Conn, named: &str) -> Result<Option<(u32, String)>, DbError> {
    let by_name = quote(conn.is_sqlite(), named.trim());
    let by_id = named.trim().parse::<u32>().ok();
    let mut found = None;
    for clause in [Some(format!("CarrierName = {by_name}")), by_id.map(|id| format!("ID = {id}"))] {
        let Some(clause) = clause else { continue };
        let sql = select(conn, &["ID", "CarrierName"], &format!("FROM Carriers WHERE {clause}"));
        let rows = conn.rows("read Carriers", &sql, 2).await?;
        found = rows.first().and_then(|row| {
            Some((row[0].as_deref()?.parse().ok()?, row[1].clone().unwrap_or_default()))
        });
        if found.is_some() {
            break;
        }
    }
    Ok(found)
}

impl State {
    /// Reads bands, numbers and rates of a carrier.
    ///
    /// # Errors
    /// [`DbError`].
    pub async fn read(conn: &mut Conn, carrier: u32) -> Result<Self, DbError> {
        let mut state = Self::default();
        let sql = select(
            conn,
            &["ID", "BandName", "Enabled"],
            &format!("FROM Bands WHERE CarrierID = {carrier}"),
        );
        conn.for_each("read Bands", &sql, |row| {
            if let Some(id) = whole(row.bytes(0)?) {
                let band = OldBand {
                    name: words(row.bytes(1)?),
                    enabled: yes(row.bytes(2)?, true),
                    ..OldBand::default()
                };
                state.bands.insert(id, band);
            }
            Ok(())
        })
        .await?;
        let sql =
            select(conn, &["ABandID"], "FROM (SELECT DISTINCT ABandID FROM LCRRates) origins");
        conn.for_each("read origins", &sql, |row| {
            if let Some(band) = whole(row.bytes(0)?).and_then(|id: u32| state.bands.get_mut(&id)) {
                band.origin = true;
            }
            Ok(())
        })
        .await?;
        state.read_rates(conn, carrier).await?;
        state.read_numbers(conn, carrier).await?;
        Ok(state)
    }

    async fn read_rates(&mut self, conn: &mut Conn, carrier: u32) -> Result<(), DbError> {
        let sql = select(
            conn,
            &[
                "r.ID",
                "r.BandID",
                "r.Rate",
                "r.Setup",
                "r.Currency",
                "r.Period",
                "r.Start",
                "r.Enabled",
                "r.FormatNumber",
                "r.FormatCLI",
                "r.ABandID",
                "r.InitialIncrement",
                "r.NextIncrement",
            ],
            &format!(
                "FROM Bands b JOIN LCRRates r ON r.BandID = b.ID WHERE b.CarrierID = {carrier} \
                 ORDER BY r.ID"
            ),
        );
        conn.for_each("read LCRRates", &sql, |row| {
            let (id, band) = (whole(row.bytes(0)?), whole::<u32>(row.bytes(1)?));
            let (Some(id), Some(band)) = (id, band.and_then(|id| self.bands.get_mut(&id))) else {
                return Ok(());
            };
            if !yes(row.bytes(7)?, true) {
                return Ok(());
            }
            let money = |text: Option<&[u8]>| match decimal(text).trim() {
                "" => Some(Nano::ZERO),
                text => Nano::parse(text).ok(),
            };
            let period = words(row.bytes(5)?);
            let terms = match (money(row.bytes(2)?), money(row.bytes(3)?)) {
                (Some(rate), Some(setup)) => Some(Terms {
                    rate,
                    setup,
                    currency: words(row.bytes(4)?).trim().to_ascii_uppercase(),
                    period: match period.trim() {
                        text if text.eq_ignore_ascii_case("standard") => String::new(),
                        text => text.to_owned(),
                    },
                    initial_s: whole(row.bytes(11)?).unwrap_or(1),
                    next_s: whole(row.bytes(12)?).unwrap_or(1),
                    format_number: Some(words(row.bytes(8)?)),
                    format_cli: Some(words(row.bytes(9)?)),
                }),
                _ => None,
            };
            let a_band = whole::<u32>(row.bytes(10)?).is_some_and(|id| id != 0);
            let start = instant(row.bytes(6)?).unwrap_or(0);
            band.rates.push(OldRate { id, start, terms, a_band });
            Ok(())
        })
        .await
    }

    async fn read_numbers(&mut self, conn: &mut Conn, carrier: u32) -> Result<(), DbError> {
        let sql = select(
            conn,
            &["n.ID", "n.Number", "n.BandID", "n.Enabled", "n.OrgID"],
            &format!(
                "FROM Bands b JOIN Numbers n ON n.BandID = b.ID WHERE b.CarrierID = {carrier}"
            ),
        );
        let (bands, numbers, doubles) = (&mut self.bands, &mut self.numbers, &mut self.doubles);
        conn.for_each("read Numbers", &sql, |row| {
            let (Some(id), Some(band)) = (whole(row.bytes(0)?), whole::<u32>(row.bytes(2)?)) else {
                return Ok(());
            };
            let Some(of_band) = bands.get_mut(&band) else { return Ok(()) };
            let enabled = yes(row.bytes(3)?, true);
            if whole::<u32>(row.bytes(4)?).is_some_and(|org| org != 0) {
                of_band.private += u32::from(enabled);
                return Ok(());
            }
            of_band.numbers += u32::from(enabled);
            let Some(code) = Code::new(row.bytes(1)?.unwrap_or_default().trim_ascii()) else {
                return Ok(());
            };
            let new = OldNumber { id, band, enabled };
            match numbers.get_mut(&code) {
                None => drop(numbers.insert(code, new)),
                Some(old) => {
                    let before = |n: &OldNumber| (!n.enabled, n.id);
                    let other =
                        if before(&new) < before(old) { std::mem::replace(old, new) } else { new };
                    if other.enabled {
                        doubles.push((code, other.id));
                    }
                }
            }
            Ok(())
        })
        .await
    }
}
