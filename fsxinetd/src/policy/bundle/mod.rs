//! Policy bundles: `<dir>/default/` for the platform, `<dir>/<OrgID>/` for an organisation.
//!
//! A bundle is a manifest and Lua files, read and compiled as a whole, because half of a new policy
//! is worse than all of the old one: one that does not compile, or fails its own tests, is refused
//! with file and line, and the one in force stays. A run keeps the bundle it began with.
//!
//! - [`files`]: what is in it; [`manifest`]: what runs for what; [`numbers`]: called numbers;
//! - [`set`]: the bundles in force;
//! - [`shelf`]: versions kept on disk, and which of them is in force;
//! - [`keeper`]: who puts them in force while the daemon runs; [`fetch`]: from the Core API;
//!   `trial`: their tests, beside both.

mod fault;
pub mod fetch;
pub mod files;
pub mod keeper;
pub mod manifest;
mod numbers;
mod set;
pub mod shelf;
#[cfg(test)]
mod tests;
mod trial;

use std::collections::BTreeMap;
use std::path::Path;

pub use fault::{Fault, Severity};
pub use files::Files;
pub use manifest::Manifest;
pub use set::{BundleSet, canonical};

use super::Phase;

/// The name of the platform's own bundle.
pub const DEFAULT: &str = "default";

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
    /// Of everything in it, from its digest: equal hashes are equal bundles.
    pub hash: u64,
    /// SHA-256 of everything in it.
    pub digest: String,
    manifest: Manifest,
    files: BTreeMap<String, Vec<u8>>,
    tests: BTreeMap<String, Vec<u8>>,
    /// Policy documents and other JSON.
    texts: BTreeMap<String, String>,
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
        let task = if task.is_empty() { DEFAULT } else { task };
        self.manifest.tasks.get(&(phase, task.to_owned())).map(|runs| &runs.entry)
    }

    /// What a call to this number runs where no task is named: the most particular number of the
    /// manifest.
    #[must_use]
    pub fn number(&self, phase: Phase, called: &str) -> Option<&Entry> {
        let found = |(pattern, of, _): &&(numbers::Pattern, Phase, _)| {
            *of == phase && pattern.matches(called)
        };
        self.manifest.numbers.iter().find(found).map(|(_, _, runs)| &runs.entry)
    }

    /// What the manifest says.
    #[must_use]
    pub fn manifest(&self) -> &Manifest {
        &self.manifest
    }

    /// The compiled file of that name. Tests are none: a call cannot load them.
    #[must_use]
    pub fn bytecode(&self, file: &str) -> Option<&[u8]> {
        self.files.get(file).map(Vec::as_slice)
    }

    /// A JSON file as it is, for `fsx.file`.
    #[must_use]
    pub fn text(&self, file: &str) -> Option<&str> {
        self.texts.get(file).map(String::as_str)
    }

    /// The compiled tests, by name.
    pub fn tests(&self) -> impl Iterator<Item = (&str, &[u8])> {
        self.tests.iter().map(|(name, code)| (name.as_str(), code.as_slice()))
    }

    /// Names of the compiled files.
    pub fn file_names(&self) -> impl Iterator<Item = &str> {
        self.files.keys().map(String::as_str)
    }

    /// Reads and compiles the folder.
    ///
    /// # Errors
    /// Everything that is wrong with it.
    pub fn read(dir: &Path, name: &str) -> Result<Self, Vec<Fault>> {
        Self::compile(&Files::read(dir).map_err(|fault| vec![fault])?, name)
    }

    /// Compiles the files.
    ///
    /// # Errors
    /// Everything that is wrong with them: manifest first, then each file in the order of names.
    pub fn compile(files: &Files, name: &str) -> Result<Self, Vec<Fault>> {
        let mut faults = Vec::new();
        let manifest = match files.get(files::MANIFEST).map(std::str::from_utf8) {
            None => Err(vec![Fault::of(files::MANIFEST, "there is none")]),
            Some(Err(_)) => Err(vec![Fault::of(files::MANIFEST, "is not UTF-8 text")]),
            Some(Ok(text)) => Manifest::parse(text),
        };
        let manifest = manifest.unwrap_or_else(|found| {
            faults.extend(found);
            Manifest::default()
        });
        for (_, what, entry, line) in manifest.entries() {
            let wrong = if files::is_test(&entry.file) {
                format!("{what}: {} is a test", entry.file)
            } else if files.get(&entry.file).is_none() {
                format!("{what}: there is no file {}", entry.file)
            } else {
                continue;
            };
            faults.push(Fault::at(files::MANIFEST, line, wrong));
        }
        let (mut compiled, mut tests) = (BTreeMap::new(), BTreeMap::new());
        for (file, source) in files.lua() {
            match compile(file, source) {
                Ok(code) if files::is_test(file) => drop(tests.insert(file.to_owned(), code)),
                Ok(code) => drop(compiled.insert(file.to_owned(), code)),
                Err(fault) => faults.push(fault),
            }
        }
        let mut texts = BTreeMap::new();
        for (file, bytes) in files.iter().filter(|(file, _)| file.ends_with(".json")) {
            match std::str::from_utf8(bytes) {
                Ok(text) => drop(texts.insert(file.to_owned(), text.to_owned())),
                Err(_) => faults.push(Fault::of(file, "is not UTF-8 text")),
            }
        }
        if !faults.is_empty() {
            return Err(faults);
        }
        let digest = files.digest();
        Ok(Self {
            name: name.to_owned(),
            version: manifest.version.clone(),
            hash: u64::from_str_radix(&digest[..16], 16).unwrap_or_default(),
            digest,
            manifest,
            files: compiled,
            tests,
            texts,
        })
    }
}

/// Source to bytecode.
///
/// # Errors
/// What the compiler says, with its line.
pub fn compile(file: &str, source: &[u8]) -> Result<Vec<u8>, Fault> {
    if source.first() == Some(&0x1b) || source.contains(&0) {
        return Err(Fault::of(file, "is not Lua source"));
    }
    let compiler = mlua::chunk::Compiler::new().set_optimization_level(1).set_debug_level(1);
    let compiler = compiler.set_mutable_globals(super::unasked::MUTABLE);
    compiler.compile(source).map_err(|error| match error {
        // The compiler does not know the file; it says `:3: …`.
        mlua::Error::SyntaxError { message, .. } => {
            let first = message.lines().next().unwrap_or("").trim_start_matches(':');
            let (line, text) = first.split_once(':').unwrap_or(("", first));
            match line.trim().parse() {
                Ok(line) => Fault::at(file, line, text.trim()),
                Err(_) => Fault::of(file, first.trim()),
            }
        }
        other => Fault::of(file, other.to_string()),
    })
}
