//! What editors and linters are told of the names that policies may use.
//!
//! It is made from the catalogue, so it cannot promise what the daemon has not; a test holds the
//! committed copies to it.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;

use super::api::catalogue::{self, Function, Phases};
use super::lint::{LUA, TESTS};

/// File names, each with its text, as `fsxinetd policy stubs DIR` writes them.
#[must_use]
pub fn files() -> Vec<(&'static str, String)> {
    vec![
        ("fsx.lua", editor()),
        ("fsx-tests.lua", TEST_STUBS.to_owned()),
        (".luarc.json", LUARC.to_owned()),
        (".luacheckrc", luacheck()),
    ]
}

/// Settings of LuaLS beside the stubs.
const LUARC: &str = r#"{
  "$schema": "https://raw.githubusercontent.com/LuaLS/vscode-lua/master/setting/schema.json",
  "runtime.version": "Lua 5.1",
  "runtime.builtin": { "io": "disable", "debug": "disable", "package": "disable", "ffi": "disable", "jit": "disable" },
  "workspace.library": ["."],
  "diagnostics.globals": ["ACTIONS", "XML_STRING"]
}
"#;

const HEAD: &str =
    "-- Made by `fsxinetd policy stubs`: what policies may use, for LuaLS. Do not edit.\n";

/// The `---@meta` file.
#[must_use]
pub fn editor() -> String {
    let mut out = format!("---@meta\n{HEAD}\n");
    for class in catalogue::classes() {
        let _ = writeln!(out, "---{}\n---@class {}", class.doc, class.name);
        for (field, kind, doc) in class.fields {
            let _ = writeln!(out, "---@field {field} {kind} {doc}");
        }
        out.push('\n');
    }
    let mut owners: BTreeMap<&str, Vec<&Function>> = BTreeMap::new();
    for function in catalogue::functions() {
        owners.entry(function.owner()).or_default().push(function);
    }
    let mut tables = BTreeSet::new();
    for (owner, functions) in &owners {
        let methods = functions.iter().any(|f| f.is_method());
        let table = if methods && owner.contains('.') {
            // An object: it has a type and no place of its own.
            let short = owner.rsplit('.').next().unwrap_or(owner);
            let _ = writeln!(out, "---@class {owner}\nlocal {short} = {{}}\n");
            short.to_owned()
        } else {
            // `fsx` before `fsx.kv`; Lua's own tables are there already.
            for (at, _) in owner.match_indices('.').chain([(owner.len(), "")]) {
                let table = &owner[..at];
                if !table.is_empty() && !LUA.contains(&table) && tables.insert(table) {
                    let class = if table == "session" { "---@class fsx.Session\n" } else { "" };
                    let _ = writeln!(out, "{class}{table} = {{}}\n");
                }
            }
            (*owner).to_owned()
        };
        for function in functions {
            stub(&mut out, &table, function);
        }
    }
    for global in catalogue::globals() {
        let _ = writeln!(
            out,
            "---{}{}\n---@type {}\n{} = nil\n",
            global.doc,
            phases(global.phases),
            global.kind,
            global.name
        );
    }
    out.truncate(out.trim_end().len());
    out.push('\n');
    out
}

fn stub(out: &mut String, table: &str, function: &Function) {
    let _ = writeln!(out, "---{}{}", function.doc, phases(function.phases));
    let params = function.params();
    for param in &params {
        let mark = if param.optional { "?" } else { "" };
        let _ = writeln!(out, "---@param {}{mark} {}", param.name, param.kind);
    }
    for result in function.results() {
        let _ = writeln!(out, "---@return {result}");
    }
    let names: Vec<_> = params.iter().map(|p| p.name).collect();
    let mark = match (table.is_empty(), function.is_method()) {
        (true, _) => "",
        (_, true) => ":",
        _ => ".",
    };
    let _ = writeln!(out, "function {table}{mark}{}({}) end\n", function.short(), names.join(", "));
}

fn phases(phases: Phases) -> String {
    match phases {
        Phases::Any => String::new(),
        some => format!(" Only in the {} phase.", some.names()),
    }
}

/// `.luacheckrc`.
#[must_use]
pub fn luacheck() -> String {
    let mut out = String::from(
        "-- Made by `fsxinetd policy stubs`: what policies may use, for luacheck. Do not edit.\n\
         std = \"none\"\nmax_line_length = 120\nself = false\n\
         -- Functions that the manifest names are globals of their file.\n\
         allow_defined_top = true\n\n",
    );
    let mut roots: BTreeMap<&str, BTreeSet<&str>> = BTreeMap::new();
    for function in catalogue::functions() {
        let mut parts = function.name.split(['.', ':']);
        let root = parts.next().unwrap_or_default();
        let fields = roots.entry(root).or_default();
        fields.extend(parts.next());
    }
    let written: Vec<_> = catalogue::globals()
        .iter()
        .filter(|g| g.written)
        .map(|g| format!("\"{}\"", g.name))
        .collect();
    let _ = writeln!(out, "globals = {{ {} }}\n", written.join(", "));
    out.push_str("read_globals = {\n");
    let ours: BTreeSet<&str> = roots.keys().copied().collect();
    for name in LUA.iter().filter(|name| **name != "self" && !ours.contains(*name)) {
        let _ = writeln!(out, "    \"{name}\",");
    }
    for global in catalogue::globals().iter().filter(|g| !g.written) {
        let _ = writeln!(out, "    \"{}\",", global.name);
    }
    for (root, fields) in &roots {
        if fields.is_empty() {
            let _ = writeln!(out, "    \"{root}\",");
            continue;
        }
        let fields: Vec<_> = fields.iter().map(|field| format!("\"{field}\"")).collect();
        let mut line = format!("    {root} = {{ other_fields = true, fields = {{");
        let mut width = line.len();
        for (n, field) in fields.iter().enumerate() {
            let comma = if n == 0 { " " } else { ", " };
            if width + field.len() > 104 {
                let _ = write!(line, ",\n       ");
                width = 8;
                let _ = write!(line, " {field}");
            } else {
                let _ = write!(line, "{comma}{field}");
            }
            width += field.len() + 2;
        }
        let _ = writeln!(out, "{line} }} }},");
    }
    out.push_str("}\n\nfiles[\"**/*_test.lua\"] = { read_globals = { ");
    let tests: Vec<_> = TESTS.iter().map(|name| format!("\"{name}\"")).collect();
    let _ = writeln!(out, "{} }} }}", tests.join(", "));
    let _ = writeln!(
        out,
        "files[\"**/tests/*.lua\"] = {{ read_globals = {{ {} }} }}",
        tests.join(", ")
    );
    out
}

/// Written by hand: the library is Lua.
const TEST_STUBS: &str = include_str!("sim/stubs.lua");

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::*;

    #[test]
    fn the_committed_copies_are_true() {
        let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../policies/stubs");
        for (name, made) in files() {
            let path = folder.join(name);
            if std::env::var_os("FSX_BLESS").is_some() {
                std::fs::create_dir_all(&folder).expect("a folder");
                std::fs::write(&path, &made).expect("written");
            }
            let kept = std::fs::read_to_string(&path).unwrap_or_default();
            assert!(
                kept == made,
                "policies/stubs/{name} is not what the catalogue says: run `fsxinetd policy stubs policies/stubs`"
            );
        }
    }

    #[test]
    fn stubs_are_lua_and_name_every_function() {
        let text = editor();
        let compiler = mlua::chunk::Compiler::new();
        compiler.compile(text.replace("\nlocal function", "\n")).expect("Lua");
        compiler.compile(TEST_STUBS).expect("Lua");
        compiler.compile(luacheck()).expect("Lua");
        for function in catalogue::functions() {
            assert!(text.contains(&format!("{}(", function.short())), "{}", function.name);
        }
    }
}
