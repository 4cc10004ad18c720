//! Prices by where the caller is: mod_lcr's rates within a state and within a LATA.
//!
//! mod_lcr looks both numbers up in `npa_nxx_company_ocn` at every call. Here the table is read once, at the
//! import: each state and LATA becomes a band of the area codes and exchanges in it, under a carrier that
//! sells nothing, and a price within it becomes a rate for callers of that band (`ABandID`). A code that is
//! too short to lie in one state has no such price; how many is said.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::ops::Bound::Included;

use super::apply::{self, Batch, instant};
use super::codes::Code;
use super::deck::Terms;
use super::state::{self, select};
use crate::db::{Conn, DbError, Schema, quote};
use crate::feed::text::{whole, words};

/// The carrier whose bands say where a caller is.
const CARRIER: &str = "mod_lcr origins";

/// A price of a code for callers of a class.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Origin {
    /// The code.
    pub code: Code,
    /// The class: `state NY`, `LATA 132`.
    pub class: String,
    /// From when, seconds UTC.
    pub start: i64,
    /// The price.
    pub terms: Terms,
}

/// Where each exchange of North America lies.
#[derive(Clone, Debug, Default)]
pub struct Places {
    /// By area code × 1000 + exchange: state and LATA.
    exchanges: BTreeMap<u32, (String, String)>,
}

/// The classes that some price is for, each with the codes of its callers.
pub type Classes = Vec<(String, Vec<Code>)>;

impl Places {
    /// Reads `npa_nxx_company_ocn`; nothing where there is none.
    ///
    /// # Errors
    /// [`DbError`].
    pub async fn read(conn: &mut Conn, schema: &Schema) -> Result<Self, DbError> {
        let mut places = Self::default();
        let table = "npa_nxx_company_ocn";
        if !["npa", "nxx", "state"].iter().all(|column| schema.has(table, column)) {
            return Ok(places);
        }
        let lata = if schema.has(table, "lata") { "lata" } else { "NULL" };
        let sql = select(conn, &["npa", "nxx", "state", lata], &format!("FROM {table}"));
        conn.for_each("read npa_nxx_company_ocn", &sql, |row| {
            let (npa, nxx) = (whole::<u32>(row.bytes(0)?), whole::<u32>(row.bytes(1)?));
            if let (Some(npa @ 200..1000), Some(nxx @ 0..1000)) = (npa, nxx) {
                let text = |at| row.bytes(at).map(|t| words(t).trim().to_ascii_uppercase());
                places.exchanges.insert(npa * 1000 + nxx, (text(2)?, text(3)?));
            }
            Ok(())
        })
        .await?;
        Ok(places)
    }

    /// The classes that a code lies in wholly: of its state, of its LATA.
    #[must_use]
    pub fn of(&self, code: &Code) -> (Option<String>, Option<String>) {
        let digits = code.as_str();
        // An area code at the least.
        let Some(rest) = digits.strip_prefix('1').filter(|rest| rest.len() >= 3) else {
            return (None, None);
        };
        let exchange = &rest[..rest.len().min(6)];
        let Ok(value) = exchange.parse::<u32>() else { return (None, None) };
        let below = 10u32.pow(6 - exchange.len() as u32);
        let first = value * below;
        let inside = || self.exchanges.range((Included(first), Included(first + below - 1)));
        let only = |of: fn(&(String, String)) -> &String| {
            let mut all = inside().map(|(_, place)| of(place));
            let first = all.next().filter(|name| !name.is_empty())?;
            all.all(|name| name == first).then(|| first.clone())
        };
        (only(|p| &p.0).map(|s| format!("state {s}")), only(|p| &p.1).map(|l| format!("LATA {l}")))
    }

    /// The codes of each class: whole area codes where they lie in it wholly, else exchanges.
    #[must_use]
    pub fn classes(&self, wanted: &BTreeSet<String>) -> Classes {
        let mut codes: BTreeMap<&str, BTreeSet<Code>> = BTreeMap::new();
        for &place in self.exchanges.keys() {
            let text = |n: u32| Code::new(format!("1{n}").as_bytes());
            let (Some(area), Some(exchange)) = (text(place / 1000), text(place)) else { continue };
            for (of_area, of_exchange) in
                [(self.of(&area).0, self.of(&exchange).0), (self.of(&area).1, self.of(&exchange).1)]
            {
                let Some(class) = of_exchange.as_ref().and_then(|class| wanted.get(class)) else {
                    continue;
                };
                let whole = of_area.as_ref() == Some(class);
                codes.entry(class).or_default().insert(if whole { area } else { exchange });
            }
        }
        codes
            .into_iter()
            .map(|(class, all)| (class.to_owned(), all.into_iter().collect()))
            .collect()
    }
}

/// Makes the bands of the classes that are not there, and gives each one's ID.
///
/// # Errors
/// [`DbError`]; the caller then rolls back.
pub async fn place(conn: &mut Conn, classes: Classes) -> Result<HashMap<String, u32>, DbError> {
    let mut ids = HashMap::new();
    if classes.is_empty() {
        return Ok(ids);
    }
    let carrier = match state::carrier(conn, CARRIER).await? {
        Some((id, _)) => id,
        // Retail: it is asked for no route, and no organisation sells by it.
        None => apply::carrier(conn, CARRIER, "retail").await?,
    };
    let had = state::State::read(conn, carrier).await?;
    // A code may stand in two of them: of its state, and of its LATA.
    let rest =
        format!("FROM Bands b JOIN Numbers n ON n.BandID = b.ID WHERE b.CarrierID = {carrier}");
    let sql = select(conn, &["n.Number", "n.BandID"], &rest);
    let mut placed: BTreeSet<(Code, u32)> = BTreeSet::new();
    conn.for_each("read Numbers", &sql, |row| {
        let code = Code::new(row.bytes(0)?.unwrap_or_default().trim_ascii());
        if let (Some(code), Some(band)) = (code, whole::<u32>(row.bytes(1)?)) {
            placed.insert((code, band));
        }
        Ok(())
    })
    .await?;
    let mut next = apply::next_id(conn, "Bands").await?;
    let mut bands =
        Batch::new(conn, "INSERT INTO Bands (ID, BandName, CarrierID, Enabled) VALUES ");
    let mut numbers = Vec::new();
    for (class, codes) in classes {
        let there = had.bands.iter().find(|(_, band)| band.name == class).map(|(id, _)| *id);
        let id = match there {
            Some(id) => id,
            None => {
                let name = quote(bands.is_sqlite(), &class);
                bands.add(format_args!("{next}, {name}, {carrier}, 'YES'")).await?;
                next += 1;
                next - 1
            }
        };
        let new = |code: &Code| !placed.contains(&(*code, id));
        numbers.extend(codes.into_iter().filter(new).map(|code| (code, id)));
        ids.insert(class, id);
    }
    bands.flush().await?;
    let mut batch = Batch::new(conn, "INSERT INTO Numbers (Number, BandID) VALUES ");
    for (code, band) in numbers {
        batch.add(format_args!("'{code}', {band}")).await?;
    }
    batch.flush().await?;
    Ok(ids)
}

/// Price, start and class of one rate: what makes it the same.
type Rate = (u32, i64, Terms);

/// Writes a carrier's prices by class, whose codes are in their bands already. Gives how many bands have
/// codes of different prices by now, and are left as they are.
///
/// # Errors
/// [`DbError`]; the caller then rolls back.
pub async fn write(
    conn: &mut Conn,
    carrier: u32,
    origins: Vec<Origin>,
    classes: &HashMap<String, u32>,
) -> Result<u64, DbError> {
    if origins.is_empty() {
        return Ok(0);
    }
    let had = state::State::read(conn, carrier).await?;
    let mut by_code: BTreeMap<Code, Vec<Rate>> = BTreeMap::new();
    for origin in origins {
        let Some(&class) = classes.get(&origin.class) else { continue };
        by_code.entry(origin.code).or_default().push((class, origin.start, origin.terms));
    }
    let mut by_band: BTreeMap<u32, (Vec<Rate>, bool)> = BTreeMap::new();
    for (code, number) in had.numbers.iter().filter(|(_, number)| number.enabled) {
        let rates = by_code.remove(code).unwrap_or_default();
        match by_band.get_mut(&number.band) {
            None => drop(by_band.insert(number.band, (rates, true))),
            Some((first, alike)) => *alike &= *first == rates,
        }
    }
    let mut left = 0;
    for (band, (rates, alike)) in by_band.into_iter().filter(|(_, (rates, _))| !rates.is_empty()) {
        if !alike {
            left += 1;
            continue;
        }
        let ids: Vec<String> = classes.values().map(u32::to_string).collect();
        let of_ours = format!("BandID = {band} AND ABandID IN ({})", ids.join(", "));
        let columns = ["ABandID", "Start", "Rate", "FormatNumber", "FormatCLI"];
        let rest = format!("FROM LCRRates WHERE {of_ours} AND Enabled = 'YES' ORDER BY ID");
        let sql = select(conn, &columns, &rest);
        let there = conn.rows("read LCRRates", &sql, 5).await?;
        let same = there.len() == rates.len()
            && there.iter().zip(&rates).all(|(row, (class, start, terms))| {
                let text = |at: usize| row[at].as_deref().unwrap_or_default();
                let money = fsx_core::Nano::parse(&crate::feed::text::decimal(
                    row[2].as_deref().map(str::as_bytes),
                ));
                text(0) == class.to_string()
                    && crate::feed::instant(Some(text(1).as_bytes())) == Ok(*start)
                    && money == Ok(terms.rate)
                    && Some(text(3)) == terms.format_number.as_deref()
                    && Some(text(4)) == terms.format_cli.as_deref()
            });
        if same {
            continue;
        }
        // All of them anew, the LATA's last: of two that hold, the later row counts.
        let sql = format!("UPDATE LCRRates SET Enabled = 'NO' WHERE {of_ours}");
        conn.execute("end rates", &sql).await?;
        let mut batch = Batch::new(
            conn,
            "INSERT INTO LCRRates (BandID, ABandID, Rate, Setup, Currency, Period, Start, FormatNumber, \
             FormatCLI) VALUES ",
        );
        for (class, start, terms) in rates {
            let text = |text: &str| quote(batch.is_sqlite(), text);
            let row = format!(
                "{band}, {class}, '{}', '0', {}, '', {}, {}, {}",
                terms.rate,
                text(&terms.currency),
                text(&instant(start)),
                text(terms.format_number.as_deref().unwrap_or_default()),
                text(terms.format_cli.as_deref().unwrap_or_default()),
            );
            batch.add(format_args!("{row}")).await?;
        }
        batch.flush().await?;
    }
    Ok(left)
}
