//! What an operator asks from the command line.

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

/// `fsxinetd status`: asks over the decision socket.
pub fn status(config: &Config, json: bool) -> ExitCode {
    match client::ask(&config.decide.socket, Ask::Status, PATIENCE) {
        Ok(Outcome::Status(status)) if json => match serde_json::to_string_pretty(&status) {
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
            ExitCode::SUCCESS
        }
        Ok(Outcome::Failed { reason, .. }) => fail(1, &reason),
        Ok(other) => fail(1, &format!("an answer that makes no sense: {other:?}")),
        Err(error) => fail(1, &error),
    }
}
