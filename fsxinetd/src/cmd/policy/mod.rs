//! `fsxinetd policy`: what authors of policies work with, and how a version comes into force.

mod check;
mod run;
mod store;
mod test;

use std::path::{Path, PathBuf};
use std::process::ExitCode;

use clap::{Args, Subcommand};

use super::{Failure, exit};
use crate::config;
use crate::policy::bundle::{Bundle, DEFAULT, Fault, Files, canonical, files};
use crate::policy::sim::Stage;
use crate::policy::stubs;

/// Policies: check, try, test, and put in force.
#[derive(Debug, Subcommand)]
pub enum PolicyCommand {
    /// Say what is wrong with a bundle, with file and line
    Check(check::CheckArgs),
    /// Play one simulated call and show what happens
    Run(run::RunArgs),
    /// Run a bundle's own tests
    Test(test::TestArgs),
    /// Show which versions are in force and which are kept
    List(store::ListArgs),
    /// Check and test a bundle, keep it, and put it in force
    Activate(store::ActivateArgs),
    /// Put the version before in force again, or a named one
    Rollback(store::RollbackArgs),
    /// Take a bundle out of force
    Deactivate(store::DeactivateArgs),
    /// Write what editors and linters need to know (LuaLS, luacheck)
    Stubs(StubsArgs),
}

/// `fsxinetd policy stubs`.
#[derive(Debug, Args)]
pub struct StubsArgs {
    /// Folder to write into: fsx.lua, fsx-tests.lua, .luarc.json, .luacheckrc
    #[arg(value_name = "DIR", default_value = ".")]
    dir: PathBuf,
}

/// What is known beside the command: the configuration, where there is a good one.
struct Beside {
    config: Option<config::Config>,
    path: PathBuf,
}

impl Beside {
    fn stage(&self) -> Stage {
        match &self.config {
            Some(config) => Stage::new(&config.policy, &config.site),
            None => Stage::default(),
        }
    }

    /// The configuration, which a command that changes something needs.
    fn config(&self) -> Result<config::Config, Failure> {
        config::load(&self.path).map_err(Failure::usage)
    }
}

/// Runs it.
pub async fn run(command: PolicyCommand, config: &Path) -> ExitCode {
    let beside = Beside { config: config::load(config).ok(), path: config.to_owned() };
    exit(match command {
        PolicyCommand::Check(args) => check::check(&args),
        PolicyCommand::Run(args) => run::run(&args, &beside).await,
        PolicyCommand::Test(args) => test::test(&args, &beside).await,
        PolicyCommand::List(args) => store::list(&args, &beside),
        PolicyCommand::Activate(args) => store::activate(&args, &beside).await,
        PolicyCommand::Rollback(args) => store::rollback(&args, &beside),
        PolicyCommand::Deactivate(args) => store::deactivate(&args, &beside),
        PolicyCommand::Stubs(args) => write_stubs(&args),
    })
}

fn write_stubs(args: &StubsArgs) -> Result<ExitCode, Failure> {
    let shown =
        |path: &Path, e: std::io::Error| Failure::failed(format!("{}: {e}", path.display()));
    std::fs::create_dir_all(&args.dir).map_err(|e| shown(&args.dir, e))?;
    for (name, text) in stubs::files() {
        let path = args.dir.join(name);
        std::fs::write(&path, text).map_err(|e| shown(&path, e))?;
        say!("{}", path.display())?;
    }
    Ok(ExitCode::SUCCESS)
}

/// Whose a bundle is: as said, else by its folder's name, else the platform's.
fn name_of(dir: &Path, org: Option<&str>) -> Result<String, Failure> {
    if let Some(org) = org {
        return if canonical(org) {
            Ok(org.to_owned())
        } else {
            Err(Failure::usage(format!("--org {org}: expected an OrgID or \"{DEFAULT}\"")))
        };
    }
    let full = std::fs::canonicalize(dir).unwrap_or_else(|_| dir.to_owned());
    let name = full.file_name().map(|name| name.to_string_lossy().into_owned());
    Ok(name.filter(|name| canonical(name)).unwrap_or_else(|| DEFAULT.to_owned()))
}

/// The files of a folder that is to be a bundle.
fn bundle_files(dir: &Path) -> Result<Files, Failure> {
    if !dir.join(files::MANIFEST).is_file() {
        return Err(Failure::usage(format!(
            "{}: there is no {} in it",
            dir.display(),
            files::MANIFEST
        )));
    }
    Files::read(dir).map_err(|fault| Failure::failed(fault.line_in(&shown(dir))))
}

/// Faults as lines that begin with the path as it was given.
fn said(dir: &Path, faults: &[Fault]) -> String {
    let dir = shown(dir);
    faults.iter().map(|fault| fault.line_in(&dir)).collect::<Vec<_>>().join("\n")
}

fn shown(dir: &Path) -> String {
    let text = dir.display().to_string();
    let text = text.trim_end_matches('/');
    if text == "." { String::new() } else { text.to_owned() }
}

fn compiled(dir: &Path, name: &str) -> Result<Bundle, Failure> {
    let files = bundle_files(dir)?;
    Bundle::compile(&files, name).map_err(|faults| Failure::failed(said(dir, &faults)))
}
