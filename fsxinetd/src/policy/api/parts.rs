//! The parts that ship: Lua that every bundle may require as `fsx.parts.<name>`.
//!
//! They are in the program, so that a bundle finds the parts of the release that runs it.

use std::collections::HashMap;
use std::sync::LazyLock;

use mlua::chunk::Compiler;

use super::super::unasked;

/// How their file names begin; `require("fsx.parts.hunt")` is `fsx/parts/hunt.lua`.
pub const PARTS: &str = "fsx/parts/";

macro_rules! parts {
    ($($name:literal),* $(,)?) => {
        &[$((
            concat!("fsx/parts/", $name, ".lua"),
            include_str!(concat!("../../../../policies/parts/", $name, ".lua")),
        )),*]
    };
}

/// File name and source of each, by name.
const SOURCES: &[(&str, &str)] = parts!(
    "call",
    "document",
    "get_info",
    "hunt",
    "options",
    "queue",
    "record",
    "screening",
    "switchboard",
    "target",
    "time_switch",
    "to_policy",
    "voicemail",
);

static COMPILED: LazyLock<HashMap<&'static str, Vec<u8>>> = LazyLock::new(|| {
    let compiler = Compiler::new().set_optimization_level(1).set_debug_level(1);
    let compiler = compiler.set_mutable_globals(unasked::MUTABLE);
    SOURCES
        .iter()
        // One that does not compile is no part; a test compiles them all.
        .filter_map(|(name, source)| Some((*name, compiler.compile(source).ok()?)))
        .collect()
});

/// The compiled part of that file name.
#[must_use]
pub fn part(file: &str) -> Option<&'static [u8]> {
    COMPILED.get(file).map(Vec::as_slice)
}

/// File names and sources.
#[must_use]
pub fn parts() -> &'static [(&'static str, &'static str)] {
    SOURCES
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_file_is_a_part_and_compiles() {
        let folder = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("../policies/parts");
        let mut files: Vec<_> = std::fs::read_dir(folder)
            .map(|entries| entries.flatten().map(|e| e.file_name().into_string()).collect())
            .unwrap_or_default();
        files.retain(|file| file.as_ref().is_ok_and(|file| file.ends_with(".lua")));
        let mut files: Vec<_> =
            files.into_iter().flatten().map(|file| format!("{PARTS}{file}")).collect();
        files.sort();
        let mut listed: Vec<_> = SOURCES.iter().map(|(name, _)| (*name).to_owned()).collect();
        listed.sort();
        assert_eq!(listed, files);
        for (name, _) in SOURCES {
            assert!(part(name).is_some(), "{name} does not compile");
        }
    }
}
