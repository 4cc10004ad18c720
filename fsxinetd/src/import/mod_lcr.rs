//! A mod_lcr database: tables `carriers`, `carrier_gateway` and `lcr`.
//!
//! A row of `lcr` is a code, its carrier and a price; how its number is dialled (digits stripped,
//! prefix, suffix, caller id) becomes a row of `Formats`. What a row cannot mean here is left out and
//! named: rows for ported numbers only (fsx looks every number up by its routing number), and rows
//! that have ended. Prices within a state or LATA become rates for callers of it ([`super::origins`]), where
//! `npa_nxx_company_ocn` says which those are. `date_end` in the future and `user_rate` (what customers pay:
//! a retail deck) are not taken along, and counted.

use std::collections::{BTreeMap, BTreeSet};

use fsx_core::pattern;

use super::ImportError;
use super::codes::Code;
use super::deck::{Entry, Rejected, Says, Terms};
use super::origins::{Origin, Places};
use super::state::select;
use super::transfer::{Carrier, Gateway, Sources};
use super::values::{self, Status};
use crate::db::{Conn, DbError, Schema};
use crate::feed::text::{decimal, instant, whole, words, yes};

pub use super::transfer::place;

/// Ends that far off are mod_lcr's way of saying never.
const NEVER: i64 = 1_893_456_000; // 2030-01-01

/// Reads it.
///
/// # Errors
/// [`ImportError::Db`].
pub async fn read(
    conn: &mut Conn,
    profile: Option<&str>,
    currency: &str,
    now: i64,
) -> Result<Sources, ImportError> {
    let schema = Schema::read(conn).await?;
    for table in ["carriers", "carrier_gateway", "lcr"] {
        if !schema.has_table(table) {
            let (option, whose) = ("--from-mod-lcr", "mod_lcr's");
            return Err(ImportError::Db(DbError::NotOne { option, whose, table }));
        }
    }
    let mut sources = Sources::default();
    let places = Places::read(conn, &schema).await?;
    let mut carriers: BTreeMap<u32, Carrier> = BTreeMap::new();
    let columns = had(&schema, "carriers", &["id", "carrier_name", "enabled"]);
    let sql = select(conn, &columns, "FROM carriers");
    let mut off = BTreeSet::new();
    conn.for_each("read carriers", &sql, |row| {
        if let Some(id) = whole(row.bytes(0)?) {
            if yes(row.bytes(2)?, true) {
                let name = words(row.bytes(1)?);
                carriers.insert(id, Carrier { name, ..Carrier::default() });
            } else {
                off.insert(id);
            }
        }
        Ok(())
    })
    .await?;
    let columns =
        had(&schema, "carrier_gateway", &["carrier_id", "prefix", "suffix", "codec", "enabled"]);
    let sql = select(conn, &columns, "FROM carrier_gateway ORDER BY id");
    conn.for_each("read carrier_gateway", &sql, |row| {
        let Some(carrier) = whole(row.bytes(0)?).and_then(|id: u32| carriers.get_mut(&id)) else {
            return Ok(());
        };
        let (prefix, suffix) = (words(row.bytes(1)?), words(row.bytes(2)?));
        let codec = words(row.bytes(3)?);
        carrier.gateways.push(Gateway {
            // The number already has whatever the format gave it.
            dial_string: format!("{prefix}${{number}}{suffix}"),
            channel_vars: match codec.trim() {
                "" => String::new(),
                codec => format!("absolute_codec_string={codec}"),
            },
            enabled: yes(row.bytes(4)?, true),
            ..Gateway::default()
        });
        Ok(())
    })
    .await?;
    rates(conn, &schema, profile, currency, now, &places, &mut carriers, &off, &mut sources)
        .await?;
    sources.carriers = carriers.into_values().collect();
    Ok(sources)
}

/// Column or, where the table lacks it, null.
fn had<'a>(schema: &Schema, table: &str, columns: &[&'a str]) -> Vec<&'a str> {
    columns.iter().map(|c| if schema.has(table, c) { *c } else { "NULL" }).collect()
}

/// Code, start, terms, and the callers that pay otherwise, of one row.
type Priced = (Code, i64, Terms, Vec<Origin>);

#[allow(clippy::too_many_arguments)] // Everything that reading so far has found.
async fn rates(
    conn: &mut Conn,
    schema: &Schema,
    profile: Option<&str>,
    currency: &str,
    now: i64,
    places: &Places,
    carriers: &mut BTreeMap<u32, Carrier>,
    off: &BTreeSet<u32>,
    sources: &mut Sources,
) -> Result<(), ImportError> {
    let columns = had(
        schema,
        "lcr",
        &[
            "id",
            "digits",
            "rate",
            "carrier_id",
            "lead_strip",
            "trail_strip",
            "prefix",
            "suffix",
            "lcr_profile",
            "date_start",
            "date_end",
            "cid",
            "enabled",
            "lrn",
            "intrastate_rate",
            "intralata_rate",
            "user_rate",
        ],
    );
    let sql = select(conn, &columns, "FROM lcr ORDER BY id");
    let mut formats: BTreeMap<String, (String, String)> = BTreeMap::new();
    let (mut disabled, mut by_state, mut ends, mut sold) = (0u64, 0u64, 0u64, 0u64);
    let mut others = BTreeMap::<String, u64>::new();
    let mut wanted = BTreeSet::new();
    conn.for_each("read lcr", &sql, |row| {
        sources.rows += 1;
        let cell = |at: usize| row.bytes(at).map(words);
        let id = whole::<u64>(row.bytes(0)?).unwrap_or(0);
        let carrier = whole::<u32>(row.bytes(3)?).unwrap_or(0);
        if !yes(row.bytes(12)?, true) || off.contains(&carrier) {
            disabled += 1;
            return Ok(());
        }
        let own = cell(8)?;
        if !matches!(own.trim(), "" | "0") && Some(own.trim()) != profile {
            *others.entry(own.trim().to_owned()).or_default() += 1;
            return Ok(());
        }
        let Some(carrier) = carriers.get_mut(&carrier) else {
            sources.notes.push(format!("row {id} of lcr: no carrier {carrier}"));
            return Ok(());
        };
        let deck = &mut carrier.deck;
        deck.rows += 1;
        let mut price = || -> Result<Option<Priced>, String> {
            let text = |at: usize| row.bytes(at).map(words).map_err(|e| e.to_string());
            let bytes = |at: usize| row.bytes(at).map_err(|e| e.to_string());
            if yes(bytes(13)?, false) {
                return Err("for ported numbers only (lrn)".to_owned());
            }
            let digits = text(1)?;
            let code = Code::new(digits.trim().as_bytes())
                .ok_or_else(|| format!("digits \"{digits}\" are no code"))?;
            let date = |at: usize| instant(bytes(at)?);
            let end = date(10)?;
            if end != 0 && end <= now {
                return Err("it has ended (date_end)".to_owned());
            }
            ends += u64::from(end != 0 && end < NEVER);
            let rate = decimal(bytes(2)?);
            if rate.trim().is_empty() {
                return Err("it has no rate".to_owned());
            }
            let user_rate = decimal(bytes(16)?);
            sold += u64::from(!user_rate.trim().is_empty() && !zero(&user_rate));
            let strip = |at: usize| whole::<u8>(bytes(at)?).ok_or("").or(Ok::<u8, String>(0));
            let number = dialled(strip(4)?, strip(5)?, &text(6)?, &text(7)?, &mut formats)?;
            let cid = caller(&text(11)?, &mut formats)?;
            let terms = Terms {
                rate: values::money(&rate, false)?,
                setup: fsx_core::Nano::ZERO,
                currency: currency.to_owned(),
                period: String::new(),
                initial_s: 1,
                next_s: 1,
                format_number: Some(number),
                format_cli: Some(cid),
            };
            let start = date(9)?;
            let mut origins = Vec::new();
            // Of a caller within both the LATA's price counts, as there: it comes last.
            let (state, lata) = places.of(&code);
            for (at, class) in [(14, state), (15, lata)] {
                let rate = decimal(bytes(at)?);
                if rate.trim().is_empty() || zero(&rate) {
                    continue;
                }
                let Some(class) = class else {
                    by_state += 1;
                    continue;
                };
                let rate = values::money(&rate, false)?;
                origins.push(Origin { code, class, start, terms: Terms { rate, ..terms.clone() } });
            }
            Ok(Some((code, start, terms, origins)))
        };
        match price() {
            Ok(Some((code, start, terms, origins))) => {
                let says = Says::Costs(deck.terms(terms));
                // Codes of one band share all their prices, those by class too.
                let mut name = "mod_lcr".to_owned();
                for Origin { class, terms, .. } in &origins {
                    name = format!("{name} {class} {}", terms.rate);
                    wanted.insert(class.clone());
                }
                deck.origins.extend(origins);
                let name = deck.name(&name);
                let status = Status::Price;
                deck.entries.push(Entry { code, name, start, says, status, row: id });
            }
            Ok(None) => {}
            Err(reason) => deck.rejected.push(Rejected { row: id, reason }),
        }
        Ok(())
    })
    .await?;
    sources.classes = places.classes(&wanted);
    sources.formats = formats.into_iter().map(|(name, (p, r))| (name, p, r)).collect();
    for (count, what) in [
        (disabled, "rows of lcr are disabled, or their carrier is: left out"),
        (
            by_state,
            "prices by state or LATA are not taken along: their digits lie in no one state or LATA \
                    that npa_nxx_company_ocn knows",
        ),
        (sold, "rows of lcr have a user_rate, what customers pay: import those as a retail deck"),
        (ends, "rows of lcr have a date_end to come, which is not taken along"),
    ] {
        if count > 0 {
            sources.notes.push(format!("{count} {what}"));
        }
    }
    for (other, count) in others {
        sources.notes.push(format!(
            "{count} rows of lcr are of profile {other}: left out, --lcr-profile {other} takes them"
        ));
    }
    Ok(())
}

fn zero(text: &str) -> bool {
    text.bytes().all(|b| matches!(b, b'0' | b'.'))
}

/// The format that strips and adds as a row of `lcr` does; empty where it does nothing.
fn dialled(
    lead: u8,
    trail: u8,
    prefix: &str,
    suffix: &str,
    formats: &mut BTreeMap<String, (String, String)>,
) -> Result<String, String> {
    let (prefix, suffix) = (prefix.trim(), suffix.trim());
    if (lead, trail, prefix, suffix) == (0, 0, "", "") {
        return Ok(String::new());
    }
    let strip = |n: u8| if n == 0 { String::new() } else { format!("\\d{{{n}}}") };
    let name = format!("mod_lcr -{lead} {prefix}N{suffix} -{trail}");
    let pattern = format!("^{}(\\d+){}$", strip(lead), strip(trail));
    known(name, pattern, format!("{prefix}$1{suffix}"), formats)
}

/// The format of a `cid`: `/pattern/replacement/`.
fn caller(cid: &str, formats: &mut BTreeMap<String, (String, String)>) -> Result<String, String> {
    let cid = cid.trim();
    if cid.is_empty() {
        return Ok(String::new());
    }
    let inside = cid.strip_prefix('/').and_then(|c| c.strip_suffix('/'));
    let Some((pattern, replacement)) = inside.and_then(|c| c.split_once('/')) else {
        return Err(format!("cid \"{cid}\" is not /pattern/replacement/"));
    };
    known(format!("mod_lcr cid {cid}"), pattern.to_owned(), replacement.to_owned(), formats)
}

fn known(
    name: String,
    pattern: String,
    replacement: String,
    formats: &mut BTreeMap<String, (String, String)>,
) -> Result<String, String> {
    if name.len() > 40 {
        return Err(format!("format \"{name}\" has a name longer than 40 bytes"));
    }
    if !formats.contains_key(&name) {
        let program = pattern::compile(&pattern).map_err(|e| format!("\"{pattern}\": {e}"))?;
        pattern::check_replacement(&program, &replacement)
            .map_err(|e| format!("\"{replacement}\": {e}"))?;
        formats.insert(name.clone(), (pattern, replacement));
    }
    Ok(name)
}
