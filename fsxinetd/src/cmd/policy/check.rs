//! `fsxinetd policy check`.

use std::path::PathBuf;
use std::process::ExitCode;

use clap::Args;
use serde_json::json;

use super::{Failure, bundle_files, name_of, shown};
use crate::policy::bundle::{Severity, files};
use crate::policy::lint;

/// Options of `check`.
#[derive(Debug, Args)]
pub struct CheckArgs {
    /// Folders of bundles; a folder that holds bundles stands for all of them
    #[arg(value_name = "DIR", required = true)]
    dirs: Vec<PathBuf>,
    /// Whose the bundle is: an OrgID or "default"; by the folder's name where not given
    #[arg(long, value_name = "ORG")]
    org: Option<String>,
    /// Warnings are errors
    #[arg(long)]
    strict: bool,
    /// As JSON: a list of faults
    #[arg(long)]
    json: bool,
}

pub(super) fn check(args: &CheckArgs) -> Result<ExitCode, Failure> {
    let mut dirs = Vec::new();
    for dir in &args.dirs {
        dirs.extend(bundles(dir)?);
    }
    let (mut errors, mut warnings, mut list) = (0, 0, Vec::new());
    for dir in &dirs {
        let found = lint::check(&bundle_files(dir)?, &name_of(dir, args.org.as_deref())?);
        for fault in &found {
            let error = fault.severity == Severity::Error || args.strict;
            if error {
                errors += 1
            } else {
                warnings += 1
            }
            if args.json {
                list.push(json!({
                    "dir": shown(dir),
                    "file": fault.file,
                    "line": fault.line,
                    "severity": if error { "error" } else { "warning" },
                    "text": fault.text,
                }));
            } else {
                let mark = if error { "" } else { " (warning)" };
                say!("{}{mark}", fault.line_in(&shown(dir)))?;
            }
        }
    }
    if args.json {
        say!("{}", serde_json::to_string_pretty(&list).map_err(Failure::failed)?)?;
    } else {
        let many = |n: usize, what: &str| format!("{n} {what}{}", if n == 1 { "" } else { "s" });
        let checked = many(dirs.len(), "bundle");
        match (errors, warnings) {
            (0, 0) => say!("{checked}: good")?,
            (0, _) => say!("{checked}: good; {}", many(warnings, "warning"))?,
            _ => say!("{checked}: {}, {}", many(errors, "error"), many(warnings, "warning"))?,
        }
    }
    Ok(if errors == 0 { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

/// The folder, or those in it that are bundles.
fn bundles(dir: &PathBuf) -> Result<Vec<PathBuf>, Failure> {
    if dir.join(files::MANIFEST).is_file() {
        return Ok(vec![dir.clone()]);
    }
    let entries =
        std::fs::read_dir(dir).map_err(|e| Failure::usage(format!("{}: {e}", dir.display())))?;
    let mut found: Vec<PathBuf> = entries
        .flatten()
        .map(|entry| entry.path())
        .filter(|path| path.join(files::MANIFEST).is_file())
        .collect();
    found.sort();
    if found.is_empty() {
        let dir = dir.display();
        return Err(Failure::usage(format!("{dir}: there is no {} in it", files::MANIFEST)));
    }
    Ok(found)
}
