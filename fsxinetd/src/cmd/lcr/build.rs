//! `fsxinetd lcr build`.

use std::io::Write as _;
use std::path::PathBuf;
use std::process::ExitCode;
use std::time::{Duration, Instant};

use clap::Args;
use fsx_core::{Country, data::RoutingData as _};
use fsx_snapshot::{Report, Snapshot};
use serde_json::json;

use super::{MakeArgs, instant, now, open_live, read};
use crate::cmd::progress::thousands;
use crate::cmd::{Failure, open};
use crate::db::{self, Access, Conn};
use crate::feed::{self, FeedError};

/// Options of `build`.
#[derive(Debug, Args)]
pub struct BuildArgs {
    /// sqlite:FILE or mysql://user:password@host/name
    #[arg(long, value_name = "URL", env = "FSX_DB", hide_env_values = true)]
    db: String,
    /// Where to put the routing file; what is there is replaced in one step
    #[arg(long, value_name = "FILE")]
    out: PathBuf,
    /// Live table in which to name the new generation, so that switches take it at once
    #[arg(long, value_name = "FILE")]
    live: Option<PathBuf>,
    /// Build as of this instant: ages of exchange rates and periods are measured from it
    #[arg(long, value_name = "INSTANT", value_parser = instant)]
    at: Option<i64>,
    /// The report as JSON on standard output
    #[arg(long)]
    json: bool,
    #[command(flatten)]
    make: MakeArgs,
}

/// What was done, for the report.
struct Done {
    generation: u64,
    /// What the database does not have and is taken as its default.
    notes: Vec<String>,
    report: Report,
    stale_fx: Vec<String>,
    /// The home country, where it has no emergency gateway.
    without_emergency: Option<Country>,
    read: Duration,
    build: Duration,
    publish: Duration,
}

pub(super) async fn build(args: BuildArgs) -> Result<ExitCode, Failure> {
    let settings = args.make.settings()?;
    feed::replaceable(&args.out).map_err(Failure::usage)?;
    let live = args.live.as_deref().map(open_live).transpose()?;
    let at = args.at.unwrap_or_else(now);
    let (url, mut conn) = open(&args.db, Access::ReadOnly).await?;
    let notes = notes(&mut conn).await;
    let (rows, reading) = read(&mut conn, &settings, at).await?;
    conn.close().await;
    let began = Instant::now();
    let turn = feed::turn(&args.out)?;
    let generation = feed::next_generation(&args.out, live.as_ref());
    let built = feed::make(&rows, &settings, generation, at)?;
    let building = began.elapsed();
    let data = Snapshot::open(built.bytes.as_slice()).map_err(FeedError::Open)?;
    feed::leaves_something(&args.out, &data, &rows.lacking)?;
    let without_emergency =
        settings.home_country.filter(|home| data.emergency_gateway(Some(*home), 0).is_none());
    let began = Instant::now();
    feed::publish(&args.out, &built.bytes, generation, live.as_ref())?;
    drop(turn);
    let done = Done {
        generation,
        notes,
        report: built.report,
        stale_fx: rows.stale_fx,
        without_emergency,
        read: reading,
        build: building,
        publish: began.elapsed(),
    };
    if args.json {
        say!("{}", as_json(&args, &done))?;
    } else {
        // Where nobody listens to the report the file is still in place.
        let report = in_words(&args, &url.to_string(), &done);
        let _ = std::io::stderr().write_all(report.as_bytes());
    }
    Ok(ExitCode::SUCCESS)
}

/// What is missing of the database, and does not keep it from being built. What does is the reader's to
/// say.
pub(super) async fn notes(conn: &mut Conn) -> Vec<String> {
    let findings = db::check(conn).await.unwrap_or_default();
    findings.into_iter().filter(|f| f.of_structure).map(|f| f.line).collect()
}

fn as_json(args: &BuildArgs, done: &Done) -> serde_json::Value {
    let r = &done.report;
    let lost: Vec<_> = r
        .lost
        .iter()
        .map(|l| json!({ "table": l.table, "id": l.id, "reason": l.reason }))
        .collect();
    json!({
        "out": args.out.display().to_string(),
        "generation": done.generation,
        "notes": done.notes,
        "rows_in": r.rows_in,
        "rows_lost": r.lost_rows,
        "lost": lost,
        "stale_fx": done.stale_fx,
        "no_exchange_rate": unknown(done).map(|(currency, _)| currency).collect::<Vec<_>>(),
        "no_emergency_gateway": done.without_emergency.map(|country| country.to_string()),
        "carriers": r.carriers,
        "bands": r.bands,
        "rates": r.rates,
        "gateways": r.gateways,
        "numbers": r.numbers,
        "prefixes": r.prefixes,
        "intervals": r.intervals,
        "lists": r.lists,
        "bytes": r.bytes,
        "read_s": done.read.as_secs_f64(),
        "build_s": done.build.as_secs_f64(),
        "publish_s": done.publish.as_secs_f64(),
    })
}

/// Currencies without an exchange rate, but for those whose rate is merely too old.
fn unknown(done: &Done) -> impl Iterator<Item = &(String, u64)> {
    done.report.no_exchange_rate.iter().filter(|(currency, _)| !done.stale_fx.contains(currency))
}

/// Most lost rows that are shown one by one; `--json` names them all.
const MOST_SHOWN: usize = 50;

fn in_words(args: &BuildArgs, url: &str, done: &Done) -> String {
    use std::fmt::Write;
    let r = &done.report;
    let seconds = |d: Duration| format!("{:.1} s", d.as_secs_f64());
    let mut out = String::new();
    // Writing to a String cannot fail.
    let _ =
        writeln!(out, "read   {} rows from {url} in {}", thousands(r.rows_in), seconds(done.read));
    if !done.notes.is_empty() {
        let count = done.notes.len();
        let _ = writeln!(
            out,
            "note   {count} of the tables and columns that fsx knows are not there, and are taken as \
             their defaults; `fsxinetd db check` names them"
        );
    }
    for currency in &done.stale_fx {
        let _ =
            writeln!(out, "stale  the exchange rate of {currency} is too old: its rates are out");
    }
    for (currency, rates) in unknown(done) {
        let _ =
            writeln!(out, "no fx  FxRates has no {currency}: {} rates are out", thousands(*rates));
    }
    if let Some(country) = done.without_emergency {
        let _ = writeln!(
            out,
            "note   EmergencyGateways has none for {country}: emergency calls there have only what the \
             switch's own configuration names"
        );
    }
    let _ = writeln!(out, "lost   {} rows", thousands(r.lost_rows));
    for lost in r.lost.iter().take(MOST_SHOWN) {
        let _ = writeln!(out, "       {lost}");
    }
    if r.lost_rows > MOST_SHOWN as u64 {
        let _ = writeln!(out, "       … and {} more", thousands(r.lost_rows - MOST_SHOWN as u64));
    }
    let _ = writeln!(
        out,
        "built  generation {} in {}: {} carriers, {} gateways, {} bands, {} rates, {} numbers on {} \
         prefixes, {} lists",
        done.generation,
        seconds(done.build),
        thousands(r.carriers.into()),
        thousands(r.gateways.into()),
        thousands(r.bands.into()),
        thousands(r.rates.into()),
        thousands(r.numbers),
        thousands(r.prefixes),
        thousands(r.lists)
    );
    let _ = writeln!(
        out,
        "wrote  {}: {} bytes, verified, in place in {}",
        args.out.display(),
        thousands(r.bytes),
        seconds(done.publish)
    );
    out
}
