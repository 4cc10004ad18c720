//! `fsxinetd policy list`, `activate`, `rollback`, `deactivate`.

use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::sync::Arc;

use clap::Args;
use serde_json::json;

use super::{Beside, Failure, bundle_files, name_of, said};
use crate::policy::bundle::shelf::{By, Shelf, ShelfError, Version};
use crate::policy::bundle::{Bundle, Files, Severity, canonical};
use crate::policy::lint;
use crate::policy::sim::suite;

/// Options of `list`.
#[derive(Debug, Args)]
pub struct ListArgs {
    /// Only this bundle: an OrgID or "default"
    #[arg(value_name = "ORG")]
    org: Option<String>,
    /// As JSON
    #[arg(long)]
    json: bool,
}

/// Options of `activate`.
#[derive(Debug, Args)]
pub struct ActivateArgs {
    /// Folder of the bundle; or an OrgID or "default" for its folder in `dir` of the section policy
    #[arg(value_name = "DIR")]
    dir: String,
    /// Whose the bundle is; by the folder's name where not given
    #[arg(long, value_name = "ORG")]
    org: Option<String>,
    /// Take names that `policy check` does not know; compiling and tests are never left out
    #[arg(long)]
    unchecked: bool,
}

/// Options of `rollback`.
#[derive(Debug, Args)]
pub struct RollbackArgs {
    /// Whose bundle: an OrgID or "default"
    #[arg(value_name = "ORG")]
    org: String,
    /// A kept version, by its version or the beginning of its digest; the one before where not given
    #[arg(long, value_name = "VERSION")]
    to: Option<String>,
}

/// Options of `deactivate`.
#[derive(Debug, Args)]
pub struct DeactivateArgs {
    /// Whose bundle: an OrgID or "default"
    #[arg(value_name = "ORG")]
    org: String,
}

fn failed(error: ShelfError) -> Failure {
    match error {
        ShelfError::Name { .. } | ShelfError::NoVersion { .. } | ShelfError::Ambiguous { .. } => {
            Failure::usage(error)
        }
        other => Failure::failed(other),
    }
}

fn store(beside: &Beside) -> Result<PathBuf, Failure> {
    let store = beside.config()?.policy.store;
    if store.as_os_str().is_empty() {
        return Err(Failure::usage("[policy] store is empty: no versions are kept"));
    }
    Ok(store)
}

fn shelf(beside: &Beside) -> Result<Shelf, Failure> {
    Shelf::open(&store(beside)?).map_err(failed)
}

pub(super) fn list(args: &ListArgs, beside: &Beside) -> Result<ExitCode, Failure> {
    let shelf = Shelf::look(&store(beside)?);
    let names: Vec<String> = match &args.org {
        Some(org) if canonical(org) => vec![org.clone()],
        Some(org) => return Err(failed(ShelfError::Name { name: org.clone() })),
        None => shelf.names(),
    };
    let mut rows = Vec::new();
    for name in names {
        let active = shelf.state(&name).map_err(failed)?.active;
        for version in shelf.versions(&name).map_err(failed)?.into_iter().rev() {
            let in_force = active.as_ref().is_some_and(|a| a.digest == version.digest);
            let version = if in_force { active.clone().unwrap_or(version) } else { version };
            rows.push((name.clone(), in_force, version));
        }
    }
    if args.json {
        let list: Vec<_> = rows
            .iter()
            .map(|(name, in_force, v)| {
                json!({"org": name, "version": v.version, "active": in_force, "at": v.at,
                       "by": v.by.as_str(), "digest": v.digest})
            })
            .collect();
        say!("{}", serde_json::to_string_pretty(&list).map_err(Failure::failed)?)?;
        return Ok(ExitCode::SUCCESS);
    }
    if rows.is_empty() {
        say!("no versions are kept")?;
        return Ok(ExitCode::SUCCESS);
    }
    let widest = rows.iter().map(|(_, _, v)| v.version.len()).max().unwrap_or(0).max(7);
    say!(
        "{:<10} {:<2}{:<widest$}  {:<12}  {:<20}  by",
        "bundle",
        "",
        "version",
        "digest",
        "in force since"
    )?;
    for (name, in_force, v) in rows {
        let mark = if in_force { "*" } else { "" };
        let since = if in_force { v.at.as_str() } else { "" };
        let by = if in_force { v.by.as_str() } else { "" };
        let line = format!(
            "{name:<10} {mark:<2}{:<widest$}  {:<12}  {since:<20}  {by}",
            v.version,
            &v.digest[..12.min(v.digest.len())]
        );
        say!("{}", line.trim_end())?;
    }
    Ok(ExitCode::SUCCESS)
}

pub(super) async fn activate(args: &ActivateArgs, beside: &Beside) -> Result<ExitCode, Failure> {
    let mut dir = PathBuf::from(&args.dir);
    let mut own = false;
    if !dir.is_dir() && canonical(&args.dir) {
        dir = beside.config()?.policy.dir.join(&args.dir);
        own = true;
    }
    let name = name_of(&dir, args.org.as_deref())?;
    let shelf = shelf(beside)?;
    let files = bundle_files(&dir)?;
    let bundle = checked(&dir, &files, &name, args.unchecked)?;
    let results = suite::run(&beside.stage(), &bundle, "").await;
    if !results.ok() {
        let faults = said(&dir, &results.faults());
        return Err(Failure::failed(format!("{faults}\n{}", stays(&shelf, &name))));
    }
    let before = shelf.state(&name).map_err(failed)?.active;
    let version = shelf.keep(&name, &bundle.version, &files, By::Command).map_err(failed)?;
    let digest = version.digest.clone();
    shelf.activate(&name, version).map_err(failed)?;
    if own {
        // The next look at the folder finds nothing new.
        let seen = |state: &mut crate::policy::bundle::shelf::State| {
            state.seen_folder = Some(digest);
            Ok(())
        };
        shelf.change(&name, seen).map_err(failed)?;
    } else {
        folder_is_older(&shelf, &name, beside)?;
    }
    let was = before.map_or_else(String::new, |v| format!(" (was {})", v.version));
    let tests = match results.tests.len() {
        0 => "it has no tests".to_owned(),
        1 => "1 test passed".to_owned(),
        n => format!("{n} tests passed"),
    };
    say!("{name}: version {} is in force{was}; {tests}", bundle.version)?;
    Ok(ExitCode::SUCCESS)
}

fn checked(dir: &Path, files: &Files, name: &str, unchecked: bool) -> Result<Arc<Bundle>, Failure> {
    let bundle = Bundle::compile(files, name);
    let bundle = bundle.map_err(|faults| Failure::failed(said(dir, &faults)))?;
    let mut faults = lint::check(files, name);
    faults.retain(|fault| fault.severity == Severity::Error);
    if !faults.is_empty() && !unchecked {
        return Err(Failure::failed(said(dir, &faults)));
    }
    Ok(Arc::new(bundle))
}

fn stays(shelf: &Shelf, name: &str) -> String {
    match shelf.state(name).ok().and_then(|state| state.active) {
        Some(version) => format!("{name}: version {} stays in force", version.version),
        None => format!("{name}: none is in force"),
    }
}

pub(super) fn rollback(args: &RollbackArgs, beside: &Beside) -> Result<ExitCode, Failure> {
    let shelf = shelf(beside)?;
    let was = shelf.state(&args.org).map_err(failed)?.active;
    let found = match &args.to {
        Some(to) => Some(shelf.find(&args.org, to).map_err(failed)?),
        None => shelf.state(&args.org).map_err(failed)?.before.last().cloned(),
    };
    // What is damaged is not put in force.
    if let Some(version) = &found {
        shelf.files(&args.org, version).map_err(failed)?;
    }
    let now = shelf.rollback(&args.org, args.to.as_deref()).map_err(failed)?;
    folder_is_older(&shelf, &args.org, beside)?;
    let was = was.map_or_else(String::new, |v: Version| format!(" (was {})", v.version));
    say!("{}: version {} is in force{was}", args.org, now.version)?;
    Ok(ExitCode::SUCCESS)
}

/// What lies in the policies' folder and was never looked at is older than this command: the daemon's first
/// look must not undo it.
fn folder_is_older(shelf: &Shelf, name: &str, beside: &Beside) -> Result<(), Failure> {
    // Without a configuration there is a store and no folder.
    let Ok(config) = beside.config() else { return Ok(()) };
    let Ok(files) = Files::read(&config.policy.dir.join(name)) else { return Ok(()) };
    let seen = |state: &mut crate::policy::bundle::shelf::State| {
        state.seen_folder.get_or_insert_with(|| files.digest());
        Ok(())
    };
    shelf.change(name, seen).map_err(failed)
}

pub(super) fn deactivate(args: &DeactivateArgs, beside: &Beside) -> Result<ExitCode, Failure> {
    let shelf = shelf(beside)?;
    let was = shelf
        .change(&args.org, |state| {
            let was = state.active.clone();
            state.put(None);
            Ok(was)
        })
        .map_err(failed)?;
    folder_is_older(&shelf, &args.org, beside)?;
    match was {
        Some(was) => say!("{}: version {} is no longer in force", args.org, was.version)?,
        None => say!("{}: none was in force", args.org)?,
    }
    Ok(ExitCode::SUCCESS)
}
