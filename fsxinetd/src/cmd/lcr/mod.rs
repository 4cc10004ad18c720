//! `fsxinetd lcr`: snapshots and routes by hand.
//!
//! The answer is the engine's own, the same as the daemon's and both modules'.

mod batch;
mod build;
mod diff;
mod dump;
mod import;
mod prefixes;
mod route;
#[cfg(test)]
mod tests;
mod verify;

use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use clap::{Args, Subcommand, ValueEnum};
use fsx_core::Country;
use fsx_core::data::{LiveView, NoLive};
use fsx_live::LiveTable;
use fsx_snapshot::Snapshot;

pub use build::BuildArgs;
pub use diff::DiffArgs;
pub use dump::DumpArgs;
pub use import::ImportArgs;
pub use route::RouteArgs;
pub use verify::VerifyArgs;

pub(super) use route::one;

use super::progress::thousands;
use super::{Failure, Progress, exit, open};
use crate::config;
use crate::db::{Access, Conn};
use crate::feed::{self, MakeSettings, TableLive};

/// Least cost routing: build, verify and ask snapshots.
#[derive(Debug, Subcommand)]
pub enum LcrCommand {
    /// Take a carrier's rate deck, or another router's tables, into the database
    Import(Box<ImportArgs>),
    /// Build a snapshot from a database
    Build(BuildArgs),
    /// Where would a call go, and why?
    #[command(visible_alias = "test")]
    Route(Box<RouteArgs>),
    /// Check a snapshot file through and through
    Verify(VerifyArgs),
    /// Print everything that a snapshot holds
    Dump(DumpArgs),
    /// Say which numbers change route or price between two snapshots
    Diff(DiffArgs),
    /// Count what a snapshot holds
    Stats(DumpArgs),
}

/// Runs it beside a configuration: where there is a good one at `config`, calls are routed by the
/// snapshot that it names unless the command names another.
pub async fn run_beside(mut command: LcrCommand, config: &Path) -> ExitCode {
    if let LcrCommand::Route(args) = &mut command
        && args.source.snapshot.is_none()
        && args.source.db.is_none()
        && let Ok(config) = config::load(config)
    {
        args.source.snapshot = Some(config.feed.snapshot);
    }
    run(command).await
}

/// Runs it. No configuration is needed.
pub async fn run(command: LcrCommand) -> ExitCode {
    exit(match command {
        LcrCommand::Import(args) => import::import(*args).await,
        LcrCommand::Build(args) => build::build(args).await,
        LcrCommand::Route(args) => route::route(*args).await,
        LcrCommand::Verify(args) => verify::verify(&args),
        LcrCommand::Dump(args) => dump::dump(&args),
        LcrCommand::Diff(args) => diff::diff(&args),
        LcrCommand::Stats(args) => dump::stats(&args),
    })
}

/// Where the routing data comes from.
#[derive(Clone, Debug, Default, Args)]
pub struct Source {
    /// Routing file; without it and --db, the one that the configuration names
    #[arg(long, value_name = "FILE", conflicts_with = "db")]
    snapshot: Option<PathBuf>,
    /// Build in memory from this database, as of --at
    #[arg(long, value_name = "URL")]
    db: Option<String>,
    /// Live table: health, load and spend are taken from it
    #[arg(long, value_name = "FILE")]
    live: Option<PathBuf>,
    #[command(flatten)]
    make: MakeArgs,
}

/// How a build is made; the daemon takes these from its configuration.
#[derive(Clone, Debug, Args)]
#[command(next_help_heading = "When building from a database")]
pub struct MakeArgs {
    /// Currency that prices are compared in
    #[arg(long, value_name = "ISO4217", default_value = "GBP")]
    base_currency: String,
    /// Country whose dialling rules apply where neither the call nor its organisation names one
    #[arg(long, value_name = "CC", default_value = "GB", value_parser = country)]
    home_country: Country,
    /// Length of the call that prices are compared for
    #[arg(long, value_name = "S", default_value_t = 60, value_parser = clap::value_parser!(u32).range(1..))]
    reference_seconds: u32,
    /// An exchange rate older than this is not used
    #[arg(long, value_name = "HOURS", default_value_t = 72)]
    fx_max_age_h: u32,
    /// Days ahead that periods are resolved for
    #[arg(long, value_name = "DAYS", default_value_t = 35, value_parser = clap::value_parser!(u32).range(1..=3660))]
    horizon_days: u32,
    /// What a disabled band or a missing rate does: takes the carrier out, or tries a shorter prefix
    #[arg(long, value_enum, default_value_t = Unusable::Out)]
    unusable_prefix: Unusable,
    /// Take a Numbers row with an empty prefix, which routes everything
    #[arg(long)]
    allow_empty_prefix: bool,
    /// Refuse to build when more than this share of the rows would be lost
    #[arg(long, value_name = "PERCENT", default_value_t = 10, value_parser = clap::value_parser!(u8).range(0..=100))]
    max_loss_percent: u8,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum Unusable {
    Out,
    Shorter,
}

impl Default for MakeArgs {
    fn default() -> Self {
        let settings = MakeSettings::default();
        Self {
            base_currency: settings.base_currency,
            home_country: Country::GB,
            reference_seconds: settings.reference_seconds,
            fx_max_age_h: (settings.fx_max_age_s / 3600) as u32,
            horizon_days: settings.horizon_days,
            unusable_prefix: Unusable::Out,
            allow_empty_prefix: false,
            max_loss_percent: 10,
        }
    }
}

impl MakeArgs {
    fn settings(&self) -> Result<MakeSettings, Failure> {
        let currency = self.base_currency.trim().to_ascii_uppercase();
        if currency.len() != 3 || !currency.bytes().all(|b| b.is_ascii_uppercase()) {
            return Err(Failure::usage(format!(
                "--base-currency {}: expected three letters such as GBP",
                self.base_currency
            )));
        }
        Ok(MakeSettings {
            reference_seconds: self.reference_seconds,
            home_country: Some(self.home_country),
            base_currency: currency,
            shorter_prefix: self.unusable_prefix == Unusable::Shorter,
            allow_empty_prefix: self.allow_empty_prefix,
            max_lost_share: f64::from(self.max_loss_percent) / 100.0,
            fx_max_age_s: i64::from(self.fx_max_age_h) * 3600,
            horizon_days: self.horizon_days,
        })
    }
}

fn country(text: &str) -> Result<Country, String> {
    Country::new(text.as_bytes()).ok_or_else(|| "expected two letters such as GB".to_owned())
}

/// An instant from the command line: RFC 3339, a date (UTC), or seconds since 1970.
fn instant(text: &str) -> Result<i64, String> {
    match text.trim() {
        "" => Err("expected an instant such as 2026-01-20T10:00:00Z".to_owned()),
        "now" => Ok(now()),
        text => feed::instant(Some(text.as_bytes())),
    }
}

fn now() -> i64 {
    SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |d| d.as_secs() as i64)
}

/// Routing data, and what is known of the moment.
pub(super) struct Opened {
    data: Snapshot<Vec<u8>>,
    live: Live,
}

/// What is known of the moment, by where it is known from.
enum Live {
    /// Nothing.
    None(NoLive),
    /// A live table.
    Table(LiveTable),
    /// The tables of a database.
    Rows(TableLive),
}

impl Live {
    fn view(&self) -> &dyn LiveView {
        match self {
            Self::None(live) => live,
            Self::Table(live) => live,
            Self::Rows(live) => live,
        }
    }
}

/// Opens what `source` names. Built from a database, the data is as of `at` (now where there is
/// none), and health and spend are its tables'.
pub(super) async fn open_source(source: &Source, at: Option<i64>) -> Result<Opened, Failure> {
    let live = match &source.live {
        Some(path) => Some(open_live(path)?),
        None => None,
    };
    if let Some(url) = &source.db {
        let settings = source.make.settings()?;
        let at = at.unwrap_or_else(now);
        let (_, mut conn) = open(url, Access::ReadOnly).await?;
        let read = read(&mut conn, &settings, at).await?.0;
        let tables = TableLive::read(&mut conn).await?;
        conn.close().await;
        let built = feed::make(&read, &settings, 1, at)?;
        if built.report.lost_rows > 0 {
            // To whoever watches: an answer from what is left may be another price.
            let lost = built.report.lost_rows;
            let _ = writeln!(
                std::io::stderr(),
                "fsxinetd: bad rows left out: {lost}; `fsxinetd lcr build` names them"
            );
        }
        let data = Snapshot::open(built.bytes).map_err(Failure::failed)?;
        let live = live.map_or(Live::Rows(tables), Live::Table);
        return Ok(Opened { data, live });
    }
    let path = source.snapshot.clone().unwrap_or_else(|| config::Feed::default().snapshot);
    let data = match feed::load(&path) {
        Ok(Some(data)) => data,
        Ok(None) => {
            return Err(Failure::usage(format!(
                "no snapshot at {}: name one with --snapshot FILE, or a database with --db URL",
                path.display()
            )));
        }
        Err(reason) => return Err(Failure::failed(reason)),
    };
    let live = live.map_or(Live::None(NoLive), Live::Table);
    Ok(Opened { data, live })
}

fn open_live(path: &Path) -> Result<LiveTable, Failure> {
    LiveTable::open(path).map_err(|error| {
        if error.is_missing() { Failure::usage(error) } else { Failure::failed(error) }
    })
}

/// Reads everything, showing how far it is.
async fn read(
    conn: &mut Conn,
    settings: &MakeSettings,
    at: i64,
) -> Result<(feed::Read, Duration), Failure> {
    let began = std::time::Instant::now();
    let mut progress = Progress::new();
    let read = feed::read(conn, &settings.reading(at), &mut |table, rows| {
        progress.show(|| format!("reading {table}: {} rows", thousands(rows)));
    })
    .await;
    progress.done();
    Ok((read?, began.elapsed()))
}
