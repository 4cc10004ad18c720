//! `fsxinetd policy run`: one simulated call.

use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::sync::Arc;

use clap::Args;
use serde_json::Value as Json;

use super::{Beside, Failure, compiled, name_of, said};
use crate::policy::bundle::{self, Bundle, Entry, Files, files};
use crate::policy::lint;
use crate::policy::sim::{self, report, scene::Scene};

/// Options of `run`.
#[derive(Debug, Args)]
pub struct RunArgs {
    /// What runs: a Lua file, a function of it as "file.lua:function", or a bundle's folder, whose
    /// manifest then says by the call's task and number
    #[arg(value_name = "FILE")]
    what: String,
    /// The call: number, caller, at, task, vars, …; a plain one where not given
    #[arg(long, value_name = "JSON")]
    call: Option<PathBuf>,
    /// What happens to it: digits, bridges, core, api, hang_up, …
    #[arg(long, value_name = "JSON")]
    answers: Option<PathBuf>,
    /// Whose the policy is: an OrgID or "default", which is the platform; by the folder's name where not
    /// given
    #[arg(long, value_name = "ORG")]
    org: Option<String>,
    /// Phase, where the call does not say: route, call or hangup
    #[arg(long, value_name = "PHASE")]
    phase: Option<String>,
    /// Show every function that the policy calls
    #[arg(long)]
    all: bool,
    /// As JSON
    #[arg(long)]
    json: bool,
}

pub(super) async fn run(args: &RunArgs, beside: &Beside) -> Result<ExitCode, Failure> {
    let (bundle, entry) = what(args)?;
    let mut parts = Vec::new();
    for path in [&args.call, &args.answers].into_iter().flatten() {
        parts.push(json(path)?);
    }
    if let Some(phase) = &args.phase {
        parts.push(serde_json::json!({ "phase": phase }));
    }
    let scene = Scene::from_json(&parts).map_err(Failure::usage)?;
    let played = sim::play(&beside.stage(), &Arc::new(bundle), entry, &scene)
        .await
        .map_err(Failure::usage)?;
    if args.json {
        say!("{}", serde_json::to_string_pretty(&played).map_err(Failure::failed)?)?;
    } else {
        say!("{}", report::text(&scene, &played, args.all).trim_end())?;
    }
    Ok(if played.failure.is_none() { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

fn json(path: &Path) -> Result<Json, Failure> {
    let shown = path.display();
    let text = if path.as_os_str() == "-" {
        std::io::read_to_string(std::io::stdin())
    } else {
        std::fs::read_to_string(path)
    };
    let text = text.map_err(|e| Failure::usage(format!("{shown}: {e}")))?;
    serde_json::from_str(&text)
        .map_err(|e| Failure::usage(format!("{shown}:{}: {e}", e.line().max(1))))
}

/// The bundle, and what of it runs where that was said.
fn what(args: &RunArgs) -> Result<(Bundle, Option<Entry>), Failure> {
    let path = Path::new(&args.what);
    if path.is_dir() {
        return Ok((compiled(path, &name_of(path, args.org.as_deref())?)?, None));
    }
    let (file, function) = match args.what.rsplit_once(".lua:") {
        Some((file, function)) => (PathBuf::from(format!("{file}.lua")), Some(function.to_owned())),
        None => (path.to_owned(), None),
    };
    if !file.is_file() {
        return Err(Failure::usage(format!("{}: there is no such file", file.display())));
    }
    // The bundle that the file is in, or its own folder.
    let folder = file.parent().filter(|p| !p.as_os_str().is_empty()).unwrap_or(Path::new("."));
    let root = folder.ancestors().take(5).find(|dir| dir.join(files::MANIFEST).is_file());
    let inside = |root: &Path| {
        let name = file.strip_prefix(root).unwrap_or(&file);
        name.to_string_lossy().trim_start_matches("./").to_owned()
    };
    if let Some(root) = root {
        let bundle = compiled(root, &name_of(root, args.org.as_deref())?)?;
        return Ok((bundle, Some(Entry { file: inside(root), function })));
    }
    let name = name_of(folder, args.org.as_deref())?;
    let wanted = inside(folder);
    if files::is_test(&wanted) {
        return Err(Failure::usage(format!(
            "{}: is a test by its name; `policy test` runs tests",
            file.display()
        )));
    }
    Ok((alone(folder, &wanted, &name)?, Some(Entry { file: wanted, function })))
}

/// A file that is in no bundle, with what it may require from its folder.
fn alone(folder: &Path, wanted: &str, name: &str) -> Result<Bundle, Failure> {
    let read = |file: &str| std::fs::read(folder.join(file)).map_err(Failure::failed);
    let mut alone = Files::of(&[(files::MANIFEST, "version = \"0\"\n")]);
    alone.insert(wanted, read(wanted)?);
    let own = Bundle::compile(&alone, name);
    let own = own.map_err(|faults| Failure::failed(said(folder, &faults)))?;
    // What it requires is looked for beside it, and what that requires; a file that does not compile
    // is not this one's fault.
    let mut waiting = vec![wanted.to_owned()];
    while let Some(file) = waiting.pop() {
        let text = String::from_utf8_lossy(alone.get(&file).unwrap_or_default()).into_owned();
        for path in lint::required(&text) {
            let Ok(bytes) = std::fs::read(folder.join(&path)) else { continue };
            let fits =
                (bytes.len() as u64) <= files::MAX_FILE && alone.iter().count() < files::MAX_FILES;
            if fits && alone.get(&path).is_none() && bundle::compile(&path, &bytes).is_ok() {
                alone.insert(&path, bytes);
                waiting.push(path);
            }
        }
    }
    Ok(Bundle::compile(&alone, name).unwrap_or(own))
}
