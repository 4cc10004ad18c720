//! What an operator asks from the command line.

mod live;

use std::path::Path;
use std::process::ExitCode;
use std::time::Duration;

use fsx_wire::message::{Ask, Outcome};

use crate::cli::fail;
use crate::config::Config;
use crate::daemon;
use crate::decide::client;
use crate::policy::BundleSet;

/// How long the daemon may take to answer.
const PATIENCE: Duration = Duration::from_secs(2);

/// `fsxinetd check-config`: the file has been read; policies are read here.
pub fn check_config(config: Config, path: &Path) -> ExitCode {
    if let Err(error) = daemon::feed_settings(&config) {
        return fail(2, &format!("{}: {error}", path.display()));
    }
    let (bundles, faults) = BundleSet::load(&config.policy.dir, &BundleSet::default());
    // No folder at all is a site without policies.
    let faults = if config.policy.dir.exists() { faults } else { Vec::new() };
    for fault in &faults {
        eprintln!("fsxinetd: policy: {fault}");
    }
    if !faults.is_empty() {
        return ExitCode::from(2);
    }
    println!("{}: good; {} policy bundles", path.display(), bundles.len());
    ExitCode::SUCCESS
}

/// `fsxinetd status`: asks over the decision socket, and reads the live table.
pub fn status(config: &Config, json: bool) -> ExitCode {
    let live = live::Live::read(config);
    match client::ask(&config.decide.socket, Ask::Status, PATIENCE) {
        Ok(Outcome::Status(status)) if json => match with_live(&status, &live) {
            Ok(text) => {
                println!("{text}");
                ExitCode::SUCCESS
            }
            Err(error) => fail(1, &error),
        },
        Ok(Outcome::Status(status)) => {
            println!("fsxinetd {}", status.version);
            match status.generation {
                0 => println!("routing data: none published yet"),
                generation => println!("routing data: generation {generation}"),
            }
            println!("call records waiting: {}", status.records_waiting);
            print!("{}", live.text());
            ExitCode::SUCCESS
        }
        Ok(Outcome::Failed { reason, .. }) => fail(1, &reason),
        Ok(other) => fail(1, &format!("an answer that makes no sense: {other:?}")),
        Err(error) => fail(1, &error),
    }
}

fn with_live(status: &impl serde::Serialize, live: &live::Live) -> serde_json::Result<String> {
    let mut value = serde_json::to_value(status)?;
    value["live"] = live.value();
    serde_json::to_string_pretty(&value)
}
