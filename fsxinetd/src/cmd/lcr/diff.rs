//! `fsxinetd lcr diff`: what another snapshot would do to calls.
//!
//! Both snapshots cut the numbering space into runs that share one list of offers. Over the union of
//! both files' cuts (and those of overrides, private numbers and sell prices) every number of a
//! piece is routed alike, so one call each through the engine itself is exact: nothing is sampled.
//! What is not cut along prefixes is left out: dialling rules and normalisation are patterns.

use std::collections::BTreeMap;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use clap::Args;
use fsx_core::data::{NoLive, RoutingData};
use fsx_core::digits::Key;
use fsx_core::{CallFacts, Decision, decide};
use fsx_snapshot::Snapshot;
use serde_json::json;

use super::prefixes::{END, cover, digits};
use super::{instant, now};
use crate::cmd::progress::thousands;
use crate::cmd::{Failure, Progress};
use crate::feed;

/// Options of `diff`.
#[derive(Clone, Debug, Args)]
pub struct DiffArgs {
    /// The snapshot before
    before: PathBuf,
    /// The snapshot after
    after: PathBuf,
    /// As calls of this organisation
    #[arg(long, value_name = "ID", default_value_t = 0)]
    org: u32,
    /// From this caller
    #[arg(long, value_name = "NUMBER", allow_hyphen_values = true)]
    cli: Option<String>,
    /// At this instant; now where not given
    #[arg(long, value_name = "INSTANT", value_parser = instant)]
    at: Option<i64>,
    /// In this data centre
    #[arg(long, value_name = "NAME", default_value = "")]
    dc: String,
    /// One JSON object a line: each change, then the totals
    #[arg(long)]
    json: bool,
}

/// One attempt: carrier, gateway, cost per minute in 10⁻⁹.
type Attempt = (u32, u32, i64);

/// What a call gets.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
struct Routes {
    attempts: Vec<Attempt>,
    /// Why there is none.
    reason: &'static str,
}

/// How a change counts.
fn kind(before: &Routes, after: &Routes) -> &'static str {
    match (before.attempts.is_empty(), after.attempts.is_empty()) {
        (true, true) => "reason",
        (true, false) => "gained",
        (false, true) => "lost",
        (false, false) => {
            let who = |r: &Routes| r.attempts.iter().map(|a| (a.0, a.1)).collect::<Vec<_>>();
            if who(before) == who(after) { "price" } else { "route" }
        }
    }
}

pub(super) fn load(path: &Path) -> Result<Snapshot<Vec<u8>>, Failure> {
    match feed::load(path) {
        Ok(Some(data)) => Ok(data),
        Ok(None) => Err(Failure::usage(format!("no snapshot at {}", path.display()))),
        Err(reason) => Err(Failure::failed(reason)),
    }
}

/// Every place where a snapshot may begin to route otherwise, for an organisation.
fn edges(data: &Snapshot<Vec<u8>>, org: u32) -> Vec<Key> {
    let mut all: Vec<Key> = data.runs().collect();
    let private = data.private_numbers().filter(|n| n.org_id == org);
    all.extend(private.flat_map(|n| [n.prefix, n.prefix.end(n.prefix_len.into())]));
    let overrides = data.overrides().filter(|o| o.org_id == org || o.org_id == 0);
    all.extend(overrides.flat_map(|o| [o.prefix, o.prefix.end(o.prefix_len.into())]));
    if data.org(org).is_some_and(|org| org.has_margin) {
        all.extend(data.retail_edges());
    }
    all
}

fn routes(data: &Snapshot<Vec<u8>>, facts: &CallFacts<'_>) -> Routes {
    match decide(data, &NoLive, facts) {
        Decision::Reject { why, .. } => Routes { attempts: Vec::new(), reason: why.reason() },
        Decision::Route(plan) => Routes {
            attempts: plan
                .routes()
                .iter()
                .map(|c| {
                    let carrier = data.carrier(c.carrier).map_or(0, |row| row.id);
                    let gateway = data.gateway(c.gateway).map_or(0, |row| row.id);
                    (carrier, gateway, c.cost_per_min(data).0)
                })
                .collect(),
            reason: "",
        },
    }
}

/// Numbers `[from, to)` that are routed otherwise.
struct Change {
    from: Key,
    to: Key,
    before: Routes,
    after: Routes,
}

pub(super) fn diff(args: &DiffArgs) -> Result<ExitCode, Failure> {
    let (before, after) = (load(&args.before)?, load(&args.after)?);
    let at = args.at.unwrap_or_else(now);
    let out = std::io::BufWriter::with_capacity(1 << 16, std::io::stdout().lock());
    compare(args, &before, &after, at, out)?;
    Ok(ExitCode::SUCCESS)
}

pub(super) fn compare(
    args: &DiffArgs,
    before: &Snapshot<Vec<u8>>,
    after: &Snapshot<Vec<u8>>,
    at: i64,
    mut out: impl Write,
) -> Result<(), Failure> {
    let mut keys = edges(before, args.org);
    keys.extend(edges(after, args.org));
    keys.sort_unstable();
    keys.dedup();
    keys.retain(|key| *key < END);
    let (mut totals, mut progress) = (BTreeMap::<&str, u64>::new(), Progress::new());
    let mut open: Option<Change> = None;
    for (n, &from) in keys.iter().enumerate() {
        let to = keys.get(n + 1).copied().unwrap_or(END);
        // As E.164, so that no country's rules make another number of it. A number that has as
        // many digits as the place where the run begins is as good as any longer one.
        let mut first = Vec::new();
        let text = digits(from);
        let number = if text.is_empty() {
            cover(from, to, &mut first);
            first.first().cloned().unwrap_or_default()
        } else {
            text
        };
        if number.is_empty() {
            continue;
        }
        let called = format!("+{number}");
        let facts = CallFacts {
            caller: args.cli.as_deref().map(str::as_bytes),
            data_centre: &args.dc,
            max_attempts: fsx_core::plan::MAX_ATTEMPTS as u8,
            ..CallFacts::new(called.as_bytes(), args.org, at)
        };
        let (was, is) = (routes(before, &facts), routes(after, &facts));
        if n.is_multiple_of(4096) {
            progress.show(|| {
                format!("compared {} of {} runs", thousands(n as u64), thousands(keys.len() as u64))
            });
        }
        match &mut open {
            // What goes on in the same way is one change.
            Some(change) if change.to == from && change.before == was && change.after == is => {
                change.to = to;
            }
            _ => {
                if let Some(change) = open.take() {
                    tell(args, &change, &mut totals, &mut out)?;
                }
                if was != is {
                    open = Some(Change { from, to, before: was, after: is });
                }
            }
        }
    }
    if let Some(change) = open.take() {
        tell(args, &change, &mut totals, &mut out)?;
    }
    progress.done();
    let runs = keys.len() as u64;
    if args.json {
        let totals: serde_json::Map<_, _> =
            totals.iter().map(|(kind, n)| ((*kind).to_owned(), json!(n))).collect();
        let line = json!({
            "runs": runs, "prefixes_changed": totals,
            "before": before.generation(), "after": after.generation(),
        });
        writeln!(out, "{line}")?;
    } else {
        let changed: Vec<String> =
            totals.iter().map(|(kind, n)| format!("{} {kind}", thousands(*n))).collect();
        let changed = if changed.is_empty() { "no change".to_owned() } else { changed.join(", ") };
        writeln!(
            out,
            "generation {} → {}: {} runs of numbers compared; prefixes: {changed}",
            before.generation(),
            after.generation(),
            thousands(runs)
        )?;
    }
    out.flush()?;
    Ok(())
}

fn tell(
    args: &DiffArgs,
    change: &Change,
    totals: &mut BTreeMap<&'static str, u64>,
    out: &mut impl Write,
) -> Result<(), Failure> {
    let mut prefixes = Vec::new();
    cover(change.from, change.to, &mut prefixes);
    if prefixes.is_empty() {
        return Ok(());
    }
    let kind = kind(&change.before, &change.after);
    *totals.entry(kind).or_default() += prefixes.len() as u64;
    if args.json {
        let side = |routes: &Routes| -> serde_json::Value {
            let attempts = routes.attempts.iter().map(|(carrier, gateway, cost)| {
                let cost = fsx_core::Nano(*cost).to_string();
                json!({ "carrier_id": carrier, "gateway_id": gateway, "cost_per_min": cost })
            });
            json!({ "routes": attempts.collect::<Vec<_>>(), "reason": routes.reason })
        };
        let line = json!({
            "change": kind, "prefixes": prefixes,
            "before": side(&change.before), "after": side(&change.after),
        });
        writeln!(out, "{line}")?;
        return Ok(());
    }
    let side = |routes: &Routes| {
        if routes.attempts.is_empty() {
            return routes.reason.to_owned();
        }
        let shown = routes.attempts.iter().take(4).map(|(carrier, gateway, cost)| {
            format!("{carrier}/{gateway} {}", fsx_core::Nano(*cost))
        });
        let mut text = shown.collect::<Vec<_>>().join(", ");
        if routes.attempts.len() > 4 {
            text.push_str(", …");
        }
        text
    };
    let (before, after) = (side(&change.before), side(&change.after));
    writeln!(out, "{:<7} {}: {before} → {after}", kind, prefixes.join(" "))?;
    Ok(())
}
