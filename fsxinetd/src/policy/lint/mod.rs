//! What can be said of a policy without running it.
//!
//! A script that uses a name which is not there fails at the call that reaches it, perhaps weeks
//! later. So the names that a file uses are held against the catalogue before, and against the phase
//! that the manifest runs them in. What cannot be known for sure is not said.

mod documents;
mod tokens;
mod uses;

#[cfg(test)]
mod tests;

use std::collections::{BTreeMap, BTreeSet};

use self::tokens::{Token, What, tokens, unquoted};
use self::uses::{Source, Use};
use super::Phase;
use super::api::catalogue;
use super::bundle::{Bundle, Fault, Files, Manifest, files};

/// Checks a bundle: first whether it would be taken at all, then every name that it uses.
#[must_use]
pub fn check(bundle_files: &Files, name: &str) -> Vec<Fault> {
    let mut faults = Bundle::compile(bundle_files, name).err().unwrap_or_default();
    let manifest = bundle_files
        .get(files::MANIFEST)
        .and_then(|text| std::str::from_utf8(text).ok())
        .and_then(|text| Manifest::parse(text).ok())
        .unwrap_or_default();
    let mut sources = BTreeMap::new();
    for (file, bytes) in bundle_files.lua() {
        // What does not compile has been named; its words would be guesses.
        let broken = faults.iter().any(|fault| fault.file == file);
        if let (false, Ok(text)) = (broken, std::str::from_utf8(bytes)) {
            sources.insert(file, Source::read(text));
        }
    }
    for (file, bytes) in bundle_files.iter().filter(|(file, _)| file.ends_with(".json")) {
        if let Err(error) = serde_json::from_slice::<serde::de::IgnoredAny>(bytes) {
            faults.push(Fault::at(file, error.line().max(1), error.to_string()));
        }
    }
    faults.extend(documents::check(bundle_files, name));
    let defined: BTreeSet<&str> =
        sources.values().flat_map(|source| source.globals.iter().copied()).collect();
    for (file, source) in &sources {
        if !files::is_test(file) {
            names(file, source, &mut faults);
        }
        unknown(file, source, &defined, &mut faults);
        requires(file, source, bundle_files, &mut faults);
    }
    entries(&manifest, &sources, &mut faults);
    let place = |fault: &Fault| (fault.file.clone(), fault.line);
    faults.sort_by_key(place);
    faults.dedup();
    faults
}

/// Files that a text requires by name, as paths.
#[must_use]
pub fn required(text: &str) -> Vec<String> {
    let path = |name: &str| format!("{}.lua", name.trim_end_matches(".lua").replace('.', "/"));
    Source::read(text).requires.iter().map(|(name, _)| path(name)).collect()
}

/// Names of ours and of mod_lua's that are not there.
fn names(file: &str, source: &Source<'_>, faults: &mut Vec<Fault>) {
    for used in &source.uses {
        if let Some(text) = wrong_name(&used.name) {
            faults.push(Fault::at(file, used.line, text));
        }
    }
}

/// Files that are required and not there.
fn requires(file: &str, source: &Source<'_>, all: &Files, faults: &mut Vec<Fault>) {
    for (required, line) in &source.requires {
        let path = format!("{}.lua", required.trim_end_matches(".lua").replace('.', "/"));
        if super::api::part(&path).is_none() && all.get(&path).is_none() {
            let text = format!("require \"{required}\": there is no file {path}");
            faults.push(Fault::at(file, *line, text));
        }
    }
}

/// Why a name cannot be used, where it cannot.
fn wrong_name(name: &str) -> Option<String> {
    if catalogue::function(name).is_some() {
        return None;
    }
    if let Some(why) = catalogue::why_refused(name) {
        return Some(format!("{name} is not available here: {why}"));
    }
    let ours = ["fsx.", "freeswitch.", "session:"].iter().any(|start| name.starts_with(start));
    let is_table = catalogue::functions()
        .any(|f| f.name.strip_prefix(name).is_some_and(|rest| rest.starts_with(['.', ':'])));
    if !ours || is_table || catalogue::globals().iter().any(|global| global.name == name) {
        return None;
    }
    let near = catalogue::functions()
        .map(|f| (distance(name, f.name), f.name))
        .filter(|(far, known)| *far <= 1 + known.len() / 6)
        .min();
    Some(match near {
        Some((_, known)) => format!("there is no {name}; did you mean {known}?"),
        None => format!("there is no {name}"),
    })
}

/// Globals that nobody defines.
fn unknown(file: &str, source: &Source<'_>, defined: &BTreeSet<&str>, faults: &mut Vec<Fault>) {
    let mut told = BTreeSet::new();
    for (name, line) in &source.reads {
        let known = defined.contains(name)
            || LUA.contains(name)
            || (files::is_test(file) && TESTS.contains(name))
            || catalogue::globals().iter().any(|global| global.name == *name)
            || catalogue::functions().any(|f| {
                let root = f.name.split(['.', ':']).next().unwrap_or(f.name);
                root == *name
            })
            // `io.open` has been named by its whole name.
            || catalogue::refused().any(|refused| {
                refused.name.strip_prefix(*name).is_some_and(|rest| rest.starts_with('.'))
            });
        if known || !told.insert(*name) {
            continue;
        }
        match catalogue::why_refused(name) {
            Some(why) => {
                let text = format!("{name} is not available here: {why}");
                faults.push(Fault::at(file, *line, text));
            }
            None => {
                let text = format!("{name} is defined nowhere in this bundle");
                faults.push(Fault::at(file, *line, text).warning());
            }
        }
    }
}

/// What the manifest runs: whether it is there, and whether all that it reaches may be used in its
/// phase.
fn entries(manifest: &Manifest, sources: &BTreeMap<&str, Source<'_>>, faults: &mut Vec<Fault>) {
    for (phase, what, entry, line) in manifest.entries() {
        let Some(source) = sources.get(entry.file.as_str()) else { continue };
        if let Some(function) = &entry.function
            && !source.mentions(function)
        {
            let text = format!("{what}: {} defines no function {function}", entry.file);
            faults.push(Fault::at(files::MANIFEST, line, text));
            continue;
        }
        for used in source.reached(entry.function.as_deref()) {
            if let Some(text) = wrong_phase(used, phase, &what) {
                faults.push(Fault::at(&entry.file, used.line, text));
            }
        }
    }
}

fn wrong_phase(used: &Use, phase: Phase, what: &str) -> Option<String> {
    let function = catalogue::function(&used.name)?;
    if function.phases.has(phase) {
        return None;
    }
    Some(format!(
        "{} is for the {} phase; the manifest runs this in the {} phase ({what})",
        used.name,
        function.phases.names(),
        phase.as_str()
    ))
}

/// Edit distance of two short names.
fn distance(a: &str, b: &str) -> usize {
    let b: Vec<char> = b.chars().collect();
    let mut row: Vec<usize> = (0..=b.len()).collect();
    for (i, x) in a.chars().enumerate() {
        let mut corner = row[0];
        row[0] = i + 1;
        for (j, y) in b.iter().enumerate() {
            let swap = corner + usize::from(x != *y);
            corner = row[j + 1];
            row[j + 1] = swap.min(row[j] + 1).min(corner + 1);
        }
    }
    row[b.len()]
}

/// What Lua itself brings, as the machines have it.
pub(super) const LUA: &[&str] = &[
    "_G",
    "_VERSION",
    "assert",
    "bit32",
    "buffer",
    "coroutine",
    "error",
    "gcinfo",
    "getmetatable",
    "ipairs",
    "math",
    "next",
    "os",
    "pairs",
    "pcall",
    "rawequal",
    "rawget",
    "rawlen",
    "rawset",
    "select",
    "self",
    "setmetatable",
    "string",
    "table",
    "tonumber",
    "tostring",
    "type",
    "typeof",
    "unpack",
    "utf8",
    "vector",
    "xpcall",
];

/// What tests have besides.
pub(super) const TESTS: &[&str] = &["describe", "it", "before_each", "expect", "call", "show"];
