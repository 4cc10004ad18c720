//! Tables of OpenSIPS drouting: `dr_carriers`, `dr_gateways`, `dr_rules`.
//!
//! drouting has no prices: the list of a rule is its order. So every carrier sells the rule's prefix
//! at nothing, and `Overrides` keep the order: PREFER by place in the list, and FORBID for carriers
//! of shorter prefixes that the rule does not name, since in drouting only the longest prefix counts.
//! Give the carriers their prices later (`lcr import`), and take the overrides away.

use std::collections::{BTreeMap, BTreeSet};

use super::ImportError;
use super::codes::Code;
use super::deck::{Entry, Rejected, Says, Terms};
use super::state::select;
use super::transfer::{Carrier, Gateway, Sources};
use super::values::Status;
use crate::db::{Conn, DbError, Schema};
use crate::feed::text::{whole, words};

/// `flags` of a carrier: only the first gateway of its list, once that is sorted, is used
/// (`DR_CR_FLAG_FIRST`).
const FIRST_ONLY: u32 = 1;

/// A number has no more digits.
const MOST_STRIPPED: u8 = 15;

/// Reads the rules of one group.
///
/// # Errors
/// [`ImportError::Db`].
pub async fn read(conn: &mut Conn, group: u32, currency: &str) -> Result<Sources, ImportError> {
    let schema = Schema::read(conn).await?;
    for table in ["dr_gateways", "dr_rules"] {
        if !schema.has_table(table) {
            let (option, whose) = ("--from-drouting", "drouting's");
            return Err(ImportError::Db(DbError::NotOne { option, whose, table }));
        }
    }
    let mut sources = Sources::default();
    let gateways = gateways(conn, &mut sources).await?;
    let mut carriers: BTreeMap<String, Carrier> = BTreeMap::new();
    // Digits that the gateways of a carrier strip.
    let mut strips: BTreeMap<String, u8> = BTreeMap::new();
    if schema.has_table("dr_carriers") {
        let sql = select(
            conn,
            &["carrierid", "gwlist", "flags", "sort_alg", "state"],
            "FROM dr_carriers ORDER BY carrierid",
        );
        for row in conn.rows("read dr_carriers", &sql, 5).await? {
            sources.rows += 1;
            let text = |at: usize| row[at].as_deref().unwrap_or_default();
            let name = text(0);
            if text(4) == "1" {
                sources.notes.push(format!("carrier {name} is disabled: left out"));
                continue;
            }
            let mut carrier = Carrier { name: name.to_owned(), ..Carrier::default() };
            let weighted = text(3).eq_ignore_ascii_case("W");
            let first_only = whole::<u32>(Some(text(2).as_bytes())).unwrap_or(0) & FIRST_ONLY != 0;
            let mut strip = None;
            for (gateway, weight) in list(text(1)) {
                match gateways.get(gateway) {
                    // A format belongs to a carrier's rates, so its gateways have to agree.
                    Some((_, own)) if strip.is_some_and(|strip| strip != *own) => {
                        sources.notes.push(format!(
                            "carrier {name}: gateway {gateway} strips {own} digits and the first another \
                             number of them: left out, make it a carrier of its own"
                        ));
                    }
                    Some((found, own)) => {
                        strip = Some(*own);
                        let weight = if weighted { weight } else { 0 };
                        carrier.gateways.push(Gateway { weight, ..found.clone() });
                    }
                    None => sources.notes.push(format!("carrier {name}: no gateway {gateway}")),
                }
            }
            if first_only && weighted && carrier.gateways.len() > 1 {
                sources.notes.push(format!(
                    "carrier {name} uses one gateway a call (flags 1): here the others are tried after it"
                ));
            } else if first_only {
                carrier.gateways.truncate(1);
            }
            strips.insert(format!("#{name}"), strip.unwrap_or(0));
            if text(3).eq_ignore_ascii_case("Q") {
                sources.notes.push(format!("carrier {name} is sorted by quality: here by order"));
            }
            carriers.insert(format!("#{name}"), carrier);
        }
    }
    for (id, (gateway, strip)) in &gateways {
        // A gateway that a rule names without a carrier is one of its own.
        let carrier =
            Carrier { name: id.clone(), gateways: vec![gateway.clone()], ..Carrier::default() };
        carriers.insert(id.clone(), carrier);
        strips.insert(id.clone(), *strip);
    }
    let rules = rules(conn, group, &mut sources, &mut carriers).await?;
    let terms = Terms {
        rate: fsx_core::Nano::ZERO,
        setup: fsx_core::Nano::ZERO,
        currency: currency.to_owned(),
        period: String::new(),
        initial_s: 1,
        next_s: 1,
        format_number: None,
        format_cli: None,
    };
    for (prefix, (row, members)) in &rules {
        for (place, member) in members.iter().enumerate() {
            let Some(carrier) = carriers.get_mut(member) else { continue };
            let deck = &mut carrier.deck;
            deck.rows += 1;
            let format_number = match strips.get(member) {
                None | Some(0) => None,
                Some(strip) => Some(stripping(*strip, &mut sources.formats)),
            };
            let says = Says::Costs(deck.terms(Terms { format_number, ..terms.clone() }));
            let name = deck.name("drouting");
            let (status, row) = (Status::Price, *row);
            deck.entries.push(Entry { code: *prefix, name, start: 0, says, status, row });
            carrier.overrides.push((prefix.to_string(), "PREFER", place as i32 + 1));
        }
        // Those whom only a shorter prefix names.
        let shorter: BTreeSet<&String> = rules
            .iter()
            .filter(|(other, _)| *other != prefix && prefix.as_str().starts_with(other.as_str()))
            .flat_map(|(_, (_, members))| members)
            .filter(|member| !members.contains(member))
            .collect();
        for member in shorter {
            if let Some(carrier) = carriers.get_mut(member) {
                carrier.overrides.push((prefix.to_string(), "FORBID", 0));
            }
        }
    }
    sources.carriers =
        carriers.into_values().filter(|carrier| !carrier.deck.entries.is_empty()).collect();
    sources.carriers.sort_by(|a, b| a.name.cmp(&b.name));
    if let Some(first) = sources.carriers.first_mut() {
        // Rules that nobody can take stand in the first carrier's report, so that they count.
        let (rules, notes): (Vec<_>, Vec<_>) =
            sources.notes.drain(..).partition(|note| note.starts_with("rule "));
        sources.notes = notes;
        first.deck.rejected.extend(rules.iter().filter_map(|note| {
            let (row, reason) = note.strip_prefix("rule ")?.split_once(": ")?;
            Some(Rejected { row: row.parse().ok()?, reason: reason.to_owned() })
        }));
    }
    Ok(sources)
}

/// The format that takes so many digits off the number, before the gateway's own prefix is put on.
fn stripping(strip: u8, formats: &mut Vec<(String, String, String)>) -> String {
    let name = format!("drouting -{strip}");
    if !formats.iter().any(|(known, _, _)| *known == name) {
        formats.push((name.clone(), format!("^\\d{{{strip}}}(\\d*)$"), "$1".to_owned()));
    }
    name
}

/// The gateways, and how many digits each strips.
async fn gateways(
    conn: &mut Conn,
    sources: &mut Sources,
) -> Result<BTreeMap<String, (Gateway, u8)>, DbError> {
    let sql = select(
        conn,
        &["gwid", "address", "strip", "pri_prefix", "state"],
        "FROM dr_gateways ORDER BY gwid",
    );
    let mut found = BTreeMap::new();
    for row in conn.rows("read dr_gateways", &sql, 5).await? {
        sources.rows += 1;
        let text = |at: usize| row[at].as_deref().unwrap_or_default().trim();
        let id = text(0);
        let strip = match text(2) {
            "" => Some(0),
            strip => strip.parse::<u8>().ok().filter(|strip| *strip <= MOST_STRIPPED),
        };
        let Some(strip) = strip else {
            let strip = text(2);
            sources.notes.push(format!(
                "gateway {id} strips {strip:?} digits, expected 0 to {MOST_STRIPPED}: left out"
            ));
            continue;
        };
        let host = text(1).trim_start_matches("sip:").trim_start_matches("sips:");
        let host = host.rsplit_once('@').map_or(host, |(_, host)| host);
        let gateway = Gateway {
            prefix: text(3).to_owned(),
            dial_string: format!("sip:${{number}}@{host}"),
            enabled: text(4) != "1",
            ..Gateway::default()
        };
        found.insert(id.to_owned(), (gateway, strip));
    }
    Ok(found)
}

/// `gw1=10,gw4,#carrier3=80`: names and weights.
fn list(text: &str) -> impl Iterator<Item = (&str, u32)> {
    text.split([',', ';']).map(str::trim).filter(|item| !item.is_empty()).map(|item| {
        let (name, weight) = item.split_once('=').unwrap_or((item, "0"));
        (name.trim(), weight.trim().parse().unwrap_or(0))
    })
}

type Rules = BTreeMap<Code, (u64, Vec<String>)>;

/// The rules of a group, by prefix: of each prefix the one of the highest priority.
async fn rules(
    conn: &mut Conn,
    group: u32,
    sources: &mut Sources,
    carriers: &mut BTreeMap<String, Carrier>,
) -> Result<Rules, DbError> {
    let sql = select(
        conn,
        &["ruleid", "groupid", "prefix", "timerec", "priority", "routeid", "gwlist", "sort_alg"],
        "FROM dr_rules ORDER BY priority DESC, ruleid",
    );
    let mut rules = Rules::new();
    for row in conn.rows("read dr_rules", &sql, 8).await? {
        sources.rows += 1;
        let text = |at: usize| row[at].as_deref().unwrap_or_default().trim();
        let id = whole::<u64>(Some(text(0).as_bytes())).unwrap_or(0);
        let mut groups = text(1).split([',', ';']).filter_map(|g| g.trim().parse::<u32>().ok());
        if !groups.any(|own| own == group) {
            continue;
        }
        let mut left_out = |reason: String| sources.notes.push(format!("rule {id}: {reason}"));
        if !text(3).is_empty() {
            left_out(format!("it holds at times only (timerec {})", text(3)));
            continue;
        }
        let Some(prefix) = Code::new(text(2).as_bytes()) else {
            left_out(format!("prefix \"{}\" is no code", text(2)));
            continue;
        };
        if rules.contains_key(&prefix) {
            left_out(format!("prefix {prefix} has a rule of higher priority"));
            continue;
        }
        if !text(5).is_empty() {
            left_out(format!("it runs the script route {}", text(5)));
            continue;
        }
        let members: Vec<String> = list(text(6)).map(|(name, _)| name.to_owned()).collect();
        let unknown: Vec<&String> =
            members.iter().filter(|name| !carriers.contains_key(*name)).collect();
        if let Some(name) = unknown.first() {
            left_out(format!("no gateway or carrier {name}"));
            continue;
        }
        if text(7).eq_ignore_ascii_case("W") || text(7).eq_ignore_ascii_case("Q") {
            sources.notes.push(format!(
                "the list of rule {id} is sorted by {}: here by order (profile split or quality)",
                words(Some(text(7).as_bytes()))
            ));
        }
        rules.insert(prefix, (id, members));
    }
    Ok(rules)
}
