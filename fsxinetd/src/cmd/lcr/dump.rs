//! `fsxinetd lcr dump` and `fsxinetd lcr stats`: what is in a snapshot.

use std::collections::BTreeMap;
use std::io::Write;
use std::path::PathBuf;
use std::process::ExitCode;

use clap::Args;
use fsx_core::data::{Index, OverrideAction, RoutingData};
use fsx_core::digits::Key;
use fsx_snapshot::Snapshot;
use fsx_wire::answer::rfc3339;
use serde_json::{Value, json};

use super::diff::load;
use super::prefixes::{END, cover, digits};
use crate::cmd::Failure;
use crate::cmd::progress::thousands;

/// Options of `dump` and `stats`.
#[derive(Clone, Debug, Args)]
pub struct DumpArgs {
    /// The routing file
    file: PathBuf,
    /// JSON: dump writes one object a line
    #[arg(long)]
    json: bool,
}

pub(super) fn dump(args: &DumpArgs) -> Result<ExitCode, Failure> {
    let data = load(&args.file)?;
    let out = std::io::BufWriter::with_capacity(1 << 16, std::io::stdout().lock());
    write_all(&data, args.json, out)?;
    Ok(ExitCode::SUCCESS)
}

/// Everything, in the order of the file, one thing a line.
pub(super) fn write_all(
    data: &Snapshot<Vec<u8>>,
    as_json: bool,
    mut out: impl Write,
) -> Result<(), Failure> {
    let mut line = |value: Value| -> Result<(), Failure> {
        if as_json {
            writeln!(out, "{value}")?;
        } else {
            writeln!(out, "{}", plain(&value))?;
        }
        Ok(())
    };
    let settings = data.settings();
    line(json!({
        "is": "snapshot", "generation": data.generation(), "built_at": rfc3339(data.built_at()),
        "horizon_end": rfc3339(settings.horizon_end),
        "reference_seconds": settings.reference_seconds,
    }))?;
    let rows = |name: &str| {
        data.section_rows().find(|(section, _, _)| *section == name).map_or(0, |(_, rows, _)| rows)
    };
    let carrier_id = |at: Index| data.carrier(at).map_or(0, |row| row.id);
    for carrier in (0..rows("carriers")).filter_map(|at| data.carrier(Index(at))) {
        line(json!({
            "is": "carrier", "id": carrier.id, "name": carrier.name,
            "closed_loop": carrier.closed_loop, "private_services": carrier.private_services,
        }))?;
    }
    for row in (0..rows("gateways")).filter_map(|at| data.gateway(Index(at))) {
        line(json!({
            "is": "gateway", "id": row.id, "carrier_id": carrier_id(row.carrier),
            "reliability": row.reliability, "weight": row.weight, "conc_calls": row.conc_calls,
            "max_cps": row.max_cps, "data_centres": row.data_centres,
            "carrier_groups": row.carrier_groups, "prefix": row.prefix, "suffix": row.suffix,
            "dial_string": row.dial_string,
        }))?;
    }
    for band in (0..rows("bands")).filter_map(|at| data.band(Index(at))) {
        line(json!({
            "is": "band", "id": band.id, "name": band.name, "enabled": band.enabled,
            "carrier_id": carrier_id(band.carrier),
        }))?;
        let rates = (0..band.rates).filter_map(|n| data.rate(Index(band.first_rate + n)));
        for rate in rates {
            line(json!({
                "is": "rate", "id": rate.id, "band_id": band.id,
                "rate": rate.tariff.rate_per_min.to_string(),
                "setup": rate.tariff.setup.to_string(), "currency": rate.currency,
                "increments":
                    [rate.tariff.initial_increment_s, rate.tariff.next_increment_s],
                "start": rfc3339(rate.start),
                "cost_per_min": rate.cost_per_min.map(|cost| cost.to_string()),
                "period": rate.period != Index::NONE, "origin": rate.a_band != Index::NONE,
            }))?;
        }
    }
    for row in data.private_numbers() {
        line(json!({
            "is": "private number", "org_id": row.org_id, "prefix": digits(row.prefix),
            "carrier_id": carrier_id(row.carrier),
            "band_id": data.band(row.band).map_or(0, |band| band.id),
        }))?;
    }
    for row in data.overrides() {
        let action = match row.action {
            OverrideAction::Force => "FORCE",
            OverrideAction::Prefer => "PREFER",
            OverrideAction::Forbid => "FORBID",
        };
        line(json!({
            "is": "override", "id": row.id, "org_id": row.org_id, "prefix": digits(row.prefix),
            "carrier_id": carrier_id(row.carrier), "action": action, "priority": row.priority,
        }))?;
    }
    for (from, to) in runs(data) {
        let list = data.offers(from);
        let offers: Vec<Value> = (0..list.len)
            .filter_map(|n| data.offer(list, n))
            .map(|offer| {
                json!({
                    "carrier_id": carrier_id(offer.carrier),
                    "band_id": data.band(offer.band).map_or(0, |band| band.id),
                    "prefix_length": offer.prefix_len,
                })
            })
            .collect();
        let mut prefixes = Vec::new();
        cover(from, to, &mut prefixes);
        if !offers.is_empty() && !prefixes.is_empty() {
            line(json!({ "is": "numbers", "prefixes": prefixes, "offers": offers }))?;
        }
    }
    out.flush()?;
    Ok(())
}

/// `numbers  prefixes=4477,4478  offers=101:501:4 …`: the JSON, without its signs.
fn plain(value: &Value) -> String {
    let text = |value: &Value| match value {
        Value::String(text) => text.clone(),
        other => other.to_string(),
    };
    let Some(members) = value.as_object() else { return text(value) };
    let mut line = format!("{:<15}", members.get("is").map(text).unwrap_or_default());
    for (name, value) in members.iter().filter(|(name, _)| *name != "is") {
        let value = match value {
            Value::Array(items) => items
                .iter()
                .map(|item| match item.as_object() {
                    Some(parts) => parts.values().map(text).collect::<Vec<_>>().join(":"),
                    None => text(item),
                })
                .collect::<Vec<_>>()
                .join(","),
            other => text(other),
        };
        if !matches!(value.as_str(), "" | "null") {
            line.push_str(&format!(" {name}={value}"));
        }
    }
    line
}

/// Runs with their ends.
fn runs(data: &Snapshot<Vec<u8>>) -> impl Iterator<Item = (Key, Key)> {
    let mut all = data.runs().peekable();
    std::iter::from_fn(move || {
        let from = all.next()?;
        Some((from, all.peek().copied().unwrap_or(END)))
    })
}

/// Counts of a snapshot.
pub(super) fn counts(data: &Snapshot<Vec<u8>>) -> Value {
    let (mut number_runs, mut offers, mut longest) = (0u64, 0u64, 0u32);
    let mut lists = std::collections::HashSet::new();
    let mut by_carrier: BTreeMap<u32, u64> = BTreeMap::new();
    let mut ranked = 0u64;
    for (from, _) in runs(data) {
        let list = data.offers(from);
        if list.len == 0 {
            continue;
        }
        number_runs += 1;
        offers += u64::from(list.len);
        longest = longest.max(list.len);
        if lists.insert(list.first) {
            ranked += u64::from(data.ranked_len(list) > 0);
        }
        for offer in (0..list.len).filter_map(|n| data.offer(list, n)) {
            let id = data.carrier(offer.carrier).map_or(0, |row| row.id);
            *by_carrier.entry(id).or_default() += 1;
        }
    }
    let sections: serde_json::Map<_, _> = data
        .section_rows()
        .filter(|(_, rows, _)| *rows > 0)
        .map(|(name, rows, size)| {
            (name.to_owned(), json!({ "rows": rows, "bytes": u64::from(rows) * size as u64 }))
        })
        .collect();
    let carriers: serde_json::Map<_, _> =
        by_carrier.iter().map(|(id, runs)| (id.to_string(), json!(runs))).collect();
    json!({
        "generation": data.generation(),
        "built_at": rfc3339(data.built_at()),
        "horizon_end": rfc3339(data.settings().horizon_end),
        "bytes": data.bytes().len(),
        "sections": sections,
        "runs": number_runs,
        "lists": lists.len(),
        "lists_ranked": ranked,
        "offers_per_run": offers.checked_div(number_runs).unwrap_or(0),
        "offers_most": longest,
        "runs_by_carrier": carriers,
    })
}

pub(super) fn stats(args: &DumpArgs) -> Result<ExitCode, Failure> {
    let counts = counts(&load(&args.file)?);
    if args.json {
        say!("{counts}")?;
        return Ok(ExitCode::SUCCESS);
    }
    let number = |name: &str| thousands(counts[name].as_u64().unwrap_or(0));
    say!(
        "generation {}, built {}, periods until {}, {} bytes",
        counts["generation"],
        counts["built_at"].as_str().unwrap_or_default(),
        counts["horizon_end"].as_str().unwrap_or_default(),
        number("bytes")
    )?;
    say!(
        "{} runs of numbers on {} lists, {} of them ranked when built; {} offers a run, {} at most",
        number("runs"),
        number("lists"),
        number("lists_ranked"),
        counts["offers_per_run"],
        counts["offers_most"]
    )?;
    for (name, section) in counts["sections"].as_object().into_iter().flatten() {
        let of = |what: &str| thousands(section[what].as_u64().unwrap_or(0));
        say!("  {:>12} rows {:>14} bytes  {name}", of("rows"), of("bytes"))?;
    }
    for (id, runs) in counts["runs_by_carrier"].as_object().into_iter().flatten() {
        say!("  {:>12} runs  carrier {id}", thousands(runs.as_u64().unwrap_or(0)))?;
    }
    Ok(ExitCode::SUCCESS)
}
