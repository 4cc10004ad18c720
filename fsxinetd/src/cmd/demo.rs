//! `fsxinetd demo`: a database to try fsx on.

use std::process::ExitCode;

use clap::{Args, Subcommand};

use super::lcr::{self, RouteArgs, Source};
use super::progress::thousands;
use super::{Failure, Progress, exit};
use crate::db::DbUrl;
use crate::demo::{self, CALLS};

/// A demonstration database: real prefixes, sample carriers and prices.
#[derive(Debug, Subcommand)]
pub enum DemoCommand {
    /// Make and fill the database; instant when that is done already
    Init(InitArgs),
    /// Route a handful of telling numbers through it, and say why
    Route(Source),
}

/// What to fill.
#[derive(Debug, Args)]
pub struct InitArgs {
    /// sqlite:FILE or mysql://user:password@host/name; must hold nobody else's carriers
    #[arg(long, value_name = "URL")]
    db: String,
}

/// Runs it.
pub async fn run(command: DemoCommand) -> ExitCode {
    exit(match command {
        DemoCommand::Init(args) => init(args).await,
        DemoCommand::Route(source) => route(source).await,
    })
}

async fn init(args: InitArgs) -> Result<ExitCode, Failure> {
    let url: DbUrl = args.db.parse()?;
    let mut progress = Progress::new();
    let loaded = demo::load(&url, &mut |done, all| {
        progress.show(|| {
            format!(
                "loading the demonstration deck: {} of {} rows",
                thousands(done),
                thousands(all)
            )
        });
    })
    .await;
    progress.done();
    let loaded = loaded.map_err(|error| match error {
        demo::DemoError::Db(error) => error.into(),
        other => Failure::failed(other),
    })?;
    let verb = if loaded.already { "holds" } else { "now holds" };
    say!(
        "{url} {verb} {} rows of real prefixes, sold by {} sample carriers at {} sample prices (made \
         up, no market's); {:.1} s",
        thousands(loaded.numbers),
        loaded.carriers,
        thousands(loaded.rates),
        loaded.took.as_secs_f64()
    )?;
    Ok(ExitCode::SUCCESS)
}

async fn route(source: Source) -> Result<ExitCode, Failure> {
    let data = lcr::open_source(&source, None).await?;
    for &(what, number, org, data_centre) in CALLS {
        say!("── {what}: fsxinetd lcr route {number} --org {org} --dc {data_centre} --why")?;
        let args = RouteArgs::of_call(number, org, data_centre);
        say!("{}", lcr::one(&data, &args)?)?;
    }
    Ok(ExitCode::SUCCESS)
}
