//! Policy bundles: `<dir>/default/` for the platform, `<dir>/<OrgID>/` for an organisation.
//!
//! A bundle is a manifest and Lua files, read and compiled as a whole. One that does not compile is
//! refused with file and line, and the one in force stays; a run keeps the bundle it began with.

use std::collections::BTreeMap;
use std::collections::hash_map::DefaultHasher;
use std::hash::{Hash as _, Hasher as _};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use serde::Deserialize;

use super::Phase;

/// The name of the platform's own bundle.
pub const DEFAULT: &str = "default";

/// Longest Lua file, in bytes.
const MAX_FILE: u64 = 256 << 10;

/// Most Lua files of one bundle.
const MAX_FILES: usize = 200;

/// Deepest folder of a bundle.
const MAX_DEPTH: usize = 4;

/// `manifest.toml`.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Manifest {
    /// Said in records and logs.
    version: String,
    /// Tasks of the route phase: name to `file.lua` or `file.lua:function`; `default` is the one
    /// that runs where no task is named.
    #[serde(default)]
    route: BTreeMap<String, String>,
    /// Tasks of the call phase, by the value of `rmSocketTask`.
    #[serde(default)]
    call: BTreeMap<String, String>,
}

/// What a task runs.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Entry {
    /// File in the bundle.
    pub file: String,
    /// Function that the file defines; `None` runs the file itself.
    pub function: Option<String>,
}

/// One bundle, compiled.
#[derive(Debug)]
pub struct Bundle {
    /// `default` or the organisation's number.
    pub name: String,
    /// From the manifest.
    pub version: String,
    /// Hash of everything in it: equal hashes are equal bundles.
    pub hash: u64,
    route: BTreeMap<String, Entry>,
    call: BTreeMap<String, Entry>,
    files: BTreeMap<String, Vec<u8>>,
}

impl Bundle {
    /// The platform wrote it, not an organisation.
    #[must_use]
    pub fn trusted(&self) -> bool {
        self.name == DEFAULT
    }

    /// What a task runs; an empty name is `default`.
    #[must_use]
    pub fn entry(&self, phase: Phase, task: &str) -> Option<&Entry> {
        let task = if task.is_empty() { "default" } else { task };
        match phase {
            Phase::Route => self.route.get(task),
            Phase::Call => self.call.get(task),
        }
    }

    /// The compiled file of that name.
    #[must_use]
    pub fn bytecode(&self, file: &str) -> Option<&[u8]> {
        self.files.get(file).map(Vec::as_slice)
    }

    /// Reads and compiles the folder.
    ///
    /// # Errors
    /// One line that names the file, and the line in it where there is one.
    pub fn read(dir: &Path, name: &str) -> Result<Self, String> {
        let path = dir.join("manifest.toml");
        let shown = |file: &str| format!("{name}/{file}");
        let text = std::fs::read_to_string(&path)
            .map_err(|e| format!("{}: cannot be read: {e}", shown("manifest.toml")))?;
        let manifest: Manifest = toml::from_str(&text).map_err(|error| {
            let line = error.span().map_or(1, |span| {
                text.as_bytes()[..span.start.min(text.len())]
                    .iter()
                    .filter(|b| **b == b'\n')
                    .count()
                    + 1
            });
            let message = error.message().lines().next().unwrap_or("").to_owned();
            format!("{}:{line}: {message}", shown("manifest.toml"))
        })?;
        if manifest.version.is_empty() {
            return Err(format!("{}: version is empty", shown("manifest.toml")));
        }

        let mut hasher = DefaultHasher::new();
        (name, &text).hash(&mut hasher);
        let mut files = BTreeMap::new();
        for file in lua_files(dir)? {
            let source = std::fs::read(dir.join(&file))
                .map_err(|e| format!("{}: cannot be read: {e}", shown(&file)))?;
            (&file, &source).hash(&mut hasher);
            let code = compile(&source).map_err(|e| format!("{}{e}", shown(&file)))?;
            files.insert(file, code);
        }
        let entries = |tasks: BTreeMap<String, String>| -> Result<BTreeMap<_, _>, String> {
            tasks
                .into_iter()
                .map(|(task, run)| {
                    let (file, function) = match run.split_once(':') {
                        Some((file, function)) => (file.to_owned(), Some(function.to_owned())),
                        None => (run, None),
                    };
                    if files.contains_key(&file) {
                        Ok((task, Entry { file, function }))
                    } else {
                        let manifest = shown("manifest.toml");
                        Err(format!("{manifest}: task \"{task}\": there is no file {file}"))
                    }
                })
                .collect()
        };
        Ok(Self {
            name: name.to_owned(),
            version: manifest.version,
            hash: hasher.finish(),
            route: entries(manifest.route)?,
            call: entries(manifest.call)?,
            files,
        })
    }
}

/// Source to bytecode. The error begins with a colon, and the line where there is one.
fn compile(source: &[u8]) -> Result<Vec<u8>, String> {
    if source.first() == Some(&0x1b) || source.contains(&0) {
        return Err(": is not Lua source".to_owned());
    }
    let compiler = mlua::chunk::Compiler::new().set_optimization_level(1).set_debug_level(1);
    compiler.compile(source).map_err(|error| match error {
        // The compiler does not know the file; it says `3: …`.
        mlua::Error::SyntaxError { message, .. } => {
            format!(":{}", message.lines().next().unwrap_or("").trim_start_matches(':'))
        }
        other => format!(": {other}"),
    })
}

/// The Lua files under `dir`, by their path from it. Links are not followed: a bundle is what is in
/// its folder.
fn lua_files(dir: &Path) -> Result<Vec<String>, String> {
    let mut found = Vec::new();
    let mut folders = vec![(PathBuf::new(), 0)];
    while let Some((folder, depth)) = folders.pop() {
        let path = dir.join(&folder);
        let entries = std::fs::read_dir(&path).map_err(|e| format!("{}: {e}", path.display()))?;
        for entry in entries {
            let entry = entry.map_err(|e| format!("{}: {e}", path.display()))?;
            let kind = entry.file_type().map_err(|e| format!("{}: {e}", path.display()))?;
            let name = folder.join(entry.file_name());
            let Some(text) = name.to_str() else { continue };
            if kind.is_dir() && depth < MAX_DEPTH {
                folders.push((name, depth + 1));
            } else if kind.is_file() && text.ends_with(".lua") {
                let size = entry.metadata().map_or(0, |m| m.len());
                if size > MAX_FILE {
                    return Err(format!("{text}: {size} bytes, expected at most {MAX_FILE}"));
                }
                found.push(text.to_owned());
            }
        }
        if found.len() > MAX_FILES {
            return Err(format!("more than {MAX_FILES} Lua files"));
        }
    }
    found.sort();
    Ok(found)
}

/// All bundles in force.
#[derive(Clone, Debug, Default)]
pub struct BundleSet {
    by_name: BTreeMap<String, Arc<Bundle>>,
}

impl BundleSet {
    /// Reads every bundle under `dir`. What cannot be read or compiled is named in the second part
    /// of the result and stays as it was in `before`; what did not change keeps its machines warm.
    #[must_use]
    pub fn load(dir: &Path, before: &Self) -> (Self, Vec<String>) {
        let (mut set, mut faults) = (Self::default(), Vec::new());
        let entries = match std::fs::read_dir(dir) {
            Ok(entries) => entries,
            Err(error) => {
                faults.push(format!("{}: no policies: {error}", dir.display()));
                return (before.clone(), faults);
            }
        };
        for entry in entries.flatten() {
            let name = entry.file_name().to_string_lossy().into_owned();
            if !entry.path().is_dir() || name.starts_with('.') {
                continue;
            }
            if name != DEFAULT && !canonical_org(&name) {
                faults.push(format!(
                    "{name}: is no bundle: expected \"{DEFAULT}\" or an OrgID as the folder's name"
                ));
                continue;
            }
            let before = before.by_name.get(&name);
            match Bundle::read(&entry.path(), &name) {
                Ok(bundle) if before.is_some_and(|b| b.hash == bundle.hash) => {
                    set.by_name.extend(before.map(|b| (name, Arc::clone(b))));
                }
                Ok(bundle) => {
                    set.by_name.insert(name, Arc::new(bundle));
                }
                Err(fault) => {
                    let kept = before.map(|b| format!("; version {} stays in force", b.version));
                    faults.push(format!("{fault}{}", kept.unwrap_or_default()));
                    set.by_name.extend(before.map(|b| (name, Arc::clone(b))));
                }
            }
        }
        (set, faults)
    }

    /// How many there are.
    #[must_use]
    pub fn len(&self) -> usize {
        self.by_name.len()
    }

    /// Whether there are none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.by_name.is_empty()
    }

    /// All of them, by name.
    pub fn iter(&self) -> impl Iterator<Item = &Arc<Bundle>> {
        self.by_name.values()
    }

    /// What runs for a task of an organisation: its own bundle where that has the task, else the
    /// platform's.
    #[must_use]
    pub fn find(&self, org: u32, phase: Phase, task: &str) -> Option<(Arc<Bundle>, Entry)> {
        [org.to_string().as_str(), DEFAULT].iter().find_map(|name| {
            let bundle = self.by_name.get(*name)?;
            let entry = bundle.entry(phase, task)?.clone();
            Some((Arc::clone(bundle), entry))
        })
    }
}

/// An OrgID as text, written the one way that `find` looks for.
fn canonical_org(name: &str) -> bool {
    name.parse::<u32>().is_ok_and(|org| org != 0 && org.to_string() == name)
}
