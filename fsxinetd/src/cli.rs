//! The command line. Exit codes: 0 done, 1 failed, 2 asked or configured wrongly; what is wrong is
//! one line on standard error.

use std::path::{Path, PathBuf};
use std::process::ExitCode;

use clap::{Args, Parser, Subcommand};

use crate::{admin, cdr, cmd, config, daemon};

/// Routes telephone calls: makes the routing data that the switches map, runs the organisations'
/// policies, takes the call records.
#[derive(Debug, Parser)]
#[command(name = "fsxinetd", version, about, max_term_width = 100)]
pub struct Cli {
    /// Configuration file
    #[arg(
        long,
        global = true,
        value_name = "FILE",
        env = "FSX_CONFIG",
        default_value = config::DEFAULT_PATH
    )]
    config: PathBuf,
    #[command(subcommand)]
    command: Command,
}

/// What can be asked.
#[derive(Debug, Subcommand)]
enum Command {
    /// Run the daemon until SIGTERM
    Run,
    /// Say what is wrong with the configuration and the policies, if anything
    CheckConfig {
        /// Print a configuration with every key, its meaning and its default
        #[arg(long)]
        sample: bool,
    },
    /// Ask the running daemon how it does
    Status {
        /// As JSON
        #[arg(long)]
        json: bool,
    },
    /// Call records
    #[command(subcommand)]
    Cdr(CdrCommand),
    /// The tables of the LCR database
    #[command(subcommand)]
    Db(cmd::db::DbCommand),
    /// Route numbers, build and examine snapshots
    #[command(subcommand)]
    Lcr(cmd::lcr::LcrCommand),
    /// Policies: check, try, test, and put in force
    #[command(subcommand)]
    Policy(cmd::policy::PolicyCommand),
    /// Sample data to try fsx with
    #[command(subcommand)]
    Demo(cmd::demo::DemoCommand),
}

/// `fsxinetd cdr`.
#[derive(Debug, Subcommand)]
enum CdrCommand {
    /// Show the records in the store
    List(CdrList),
}

/// `fsxinetd cdr list`.
#[derive(Debug, Args)]
struct CdrList {
    /// As JSON: a list of records
    #[arg(long)]
    json: bool,
    /// The store; without it, the configuration's
    #[arg(long, value_name = "FILE")]
    db: Option<PathBuf>,
    /// Of one organisation only
    #[arg(long)]
    org: Option<u32>,
    /// Only the last so many; 0 is all
    #[arg(long, default_value_t = 0, value_name = "N")]
    last: u32,
    /// What will never be delivered instead, and why; always JSON
    #[arg(long)]
    dead: bool,
}

impl Cli {
    /// Does it.
    #[must_use]
    pub fn run(self) -> ExitCode {
        let config = self.config;
        match self.command {
            Command::Run => with_config(&config, daemon::start),
            Command::CheckConfig { sample: true } => {
                print!("{}", config::SAMPLE);
                ExitCode::SUCCESS
            }
            Command::CheckConfig { sample: false } => with_config(&config, admin::check_config),
            Command::Status { json } => {
                with_config(&config, |config, _| admin::status(&config, json))
            }
            Command::Cdr(CdrCommand::List(list)) => cdr_list(&config, &list),
            Command::Db(command) => block_on(cmd::db::run(command)),
            Command::Lcr(command) => block_on(cmd::lcr::run_beside(command, &config)),
            Command::Policy(command) => block_on(cmd::policy::run(command, &config)),
            Command::Demo(command) => block_on(cmd::demo::run(command)),
        }
    }
}

/// Says one line (or, for a configuration, one a fault) and gives the code.
pub(crate) fn fail(code: u8, line: &dyn std::fmt::Display) -> ExitCode {
    eprintln!("fsxinetd: {line}");
    ExitCode::from(code)
}

fn with_config(path: &Path, run: impl FnOnce(config::Config, &Path) -> ExitCode) -> ExitCode {
    match config::load(path) {
        Ok(config) => run(config, path),
        Err(error) => fail(2, &error),
    }
}

/// Commands are short and sequential; one thread does.
fn block_on(command: impl Future<Output = ExitCode>) -> ExitCode {
    match tokio::runtime::Builder::new_current_thread().enable_all().build() {
        Ok(runtime) => runtime.block_on(async {
            large_files_fail();
            command.await
        }),
        Err(error) => fail(1, &format!("cannot start: {error}")),
    }
}

/// Past a limit on the size of files (`ulimit -f`, `LimitFSIZE=`) a write is an error that is told,
/// where it would end the process without a word.
pub(crate) fn large_files_fail() {
    const SIGXFSZ: i32 = 25;
    // Once listened to, it ends nothing any more. Where that fails it is as it was.
    let _ = tokio::signal::unix::signal(tokio::signal::unix::SignalKind::from_raw(SIGXFSZ));
}

fn cdr_list(config: &Path, list: &CdrList) -> ExitCode {
    let store = match &list.db {
        Some(file) => file.clone(),
        None => match config::load(config) {
            Ok(config) => config.cdr.store,
            Err(error) => return fail(2, &error),
        },
    };
    let wanted = cdr::list::Wanted { org: list.org, last: list.last };
    block_on(async {
        let printed = if list.dead {
            cdr::list::dead(&store).await.map(|letters| pretty(&letters))
        } else if list.json {
            cdr::list::records(&store, wanted).await.map(|records| pretty(&records))
        } else {
            cdr::list::table(&store, wanted).await
        };
        match printed {
            Ok(text) => {
                print!("{text}");
                ExitCode::SUCCESS
            }
            Err(error) => fail(1, &error),
        }
    })
}

fn pretty(values: &[serde_json::Value]) -> String {
    serde_json::to_string_pretty(values).map_or_else(|e| e.to_string(), |text| text + "\n")
}
