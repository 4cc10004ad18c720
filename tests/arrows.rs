//! Arrows between the rooms only go down, and a switch process links nothing that it should not.
//!
//! A reversed arrow compiles, works, and costs a year later: the day a module drags in a runtime,
//! calls start to hang. `docs/architecture.md` draws the arrows; this holds them, over what cargo
//! itself says of the workspace.

use std::{
    collections::{BTreeMap, BTreeSet},
    process::Command,
};

use serde_json::Value;

/// Each room and what of ours it may use. Nothing else may be used, not even by its tests.
const ARROWS: &[(&str, &[&str])] = &[
    ("fsx-core", &[]),
    ("fsx-snapshot", &["fsx-core"]),
    ("fsx-live", &["fsx-core"]),
    ("fsx-wire", &["fsx-core"]),
    ("fsx-seam", &["fsx-core", "fsx-snapshot", "fsx-live", "fsx-wire"]),
    ("mod_fsx", &["fsx-core", "fsx-snapshot", "fsx-live", "fsx-wire", "fsx-seam"]),
    ("fsx-opensips", &["fsx-core", "fsx-snapshot", "fsx-live", "fsx-wire", "fsx-seam"]),
    ("fsxinetd", &["fsx-core", "fsx-snapshot", "fsx-live", "fsx-wire"]),
    // The tests stand above all and look at built things from outside.
    ("fsx", &["fsx-core", "fsx-snapshot", "fsx-live", "fsx-wire"]),
];

/// Everything that code inside a switch may link, with what brought it
/// (`docs/decisions/0003-what-a-module-may-link.md`). Procedural macros run in the compiler and do
/// not count.
const IN_A_SWITCH: &[&str] = &[
    "libc",
    "memmap2",
    "crc32fast",
    "cfg-if", // crc32fast
    "zerocopy",
    "serde",      //
    "serde_core", // serde
    "serde_json", //
    "itoa",       // serde_json
    "memchr",     // serde_json
    "zmij",       // serde_json
];

/// Named apart from the list above so that the message says why.
const NEVER_IN_A_SWITCH: &[(&str, &str)] = &[
    ("tokio", "a runtime and its threads do not survive the fork, nor a call thread's stack"),
    ("sqlx", "no database on the call path"),
    ("mlua", "policies run in the daemon, where they can be stopped"),
    ("hyper", "no HTTP on the call path"),
    ("tracing", "its thread-locals pin the library in memory"),
    ("arc-swap", "its thread-locals pin the library in memory"),
    ("regex", "its caches are thread-local and its stacks are deep"),
];

struct Package {
    name: String,
    license: Option<String>,
    proc_macro: bool,
    /// Every declared dependency of ours, of any kind.
    declared: BTreeSet<String>,
    /// Linked dependencies, by package id.
    linked: Vec<String>,
}

struct Workspace {
    packages: BTreeMap<String, Package>,
    members: Vec<String>,
}

impl Workspace {
    /// Asks cargo, for this machine's own platform.
    fn read() -> Self {
        let rustc = std::env::var("RUSTC").unwrap_or_else(|_| "rustc".to_owned());
        let version = output(Command::new(rustc).arg("-vV"));
        let host = version.lines().find_map(|line| line.strip_prefix("host: ")).expect("a host");
        let text = output(
            Command::new(std::env::var("CARGO").unwrap_or_else(|_| "cargo".to_owned()))
                .args(["metadata", "--format-version", "1", "--filter-platform", host])
                .current_dir(env!("CARGO_MANIFEST_DIR")),
        );
        let root: Value = serde_json::from_str(&text).expect("cargo metadata prints JSON");

        let mut packages = BTreeMap::new();
        for package in list(&root["packages"]) {
            let proc_macro = list(&package["targets"])
                .iter()
                .flat_map(|target| list(&target["kind"]))
                .any(|kind| kind == "proc-macro");
            let declared = list(&package["dependencies"])
                .iter()
                .filter(|dependency| dependency["path"].is_string())
                .map(|dependency| text_of(&dependency["name"]))
                .collect();
            packages.insert(
                text_of(&package["id"]),
                Package {
                    name: text_of(&package["name"]),
                    license: package["license"].as_str().map(str::to_owned),
                    proc_macro,
                    declared,
                    linked: Vec::new(),
                },
            );
        }
        for node in list(&root["resolve"]["nodes"]) {
            let linked = list(&node["deps"])
                .iter()
                // A null kind is a normal dependency; "dev" and "build" are not linked.
                .filter(|dep| list(&dep["dep_kinds"]).iter().any(|kind| kind["kind"].is_null()))
                .map(|dep| text_of(&dep["pkg"]))
                .collect();
            if let Some(package) = packages.get_mut(&text_of(&node["id"])) {
                package.linked = linked;
            }
        }
        let members = list(&root["workspace_members"]).iter().map(text_of).collect();
        Self { packages, members }
    }

    fn by_name(&self, name: &str) -> (&str, &Package) {
        let found = self.packages.iter().find(|(_, package)| package.name == name);
        let (id, package) = found.unwrap_or_else(|| panic!("no package {name}"));
        (id, package)
    }

    /// Every package that ends up in the binary of `name`, itself included.
    fn closure(&self, name: &str) -> Vec<&Package> {
        let mut seen = BTreeSet::new();
        let mut waiting = vec![self.by_name(name).0];
        while let Some(id) = waiting.pop() {
            let package = &self.packages[id];
            if !package.proc_macro && seen.insert(id) {
                waiting.extend(package.linked.iter().map(String::as_str));
            }
        }
        seen.into_iter().map(|id| &self.packages[id]).collect()
    }
}

fn output(command: &mut Command) -> String {
    let out = command.output().expect("the tool starts");
    assert!(out.status.success(), "{command:?}: {}", String::from_utf8_lossy(&out.stderr));
    String::from_utf8(out.stdout).expect("UTF-8")
}

fn list(value: &Value) -> &[Value] {
    value.as_array().map_or(&[], Vec::as_slice)
}

fn text_of(value: &Value) -> String {
    value.as_str().expect("text").to_owned()
}

#[test]
fn arrows_only_go_down() {
    let workspace = Workspace::read();
    let rules: BTreeMap<_, _> = ARROWS.iter().copied().collect();
    for id in &workspace.members {
        let room = &workspace.packages[id];
        let allowed = rules.get(room.name.as_str()).unwrap_or_else(|| {
            panic!("{} is a new room: give it a place in docs/architecture.md and here", room.name)
        });
        for used in &room.declared {
            assert!(
                allowed.contains(&used.as_str()),
                "{} uses {used}; it may use {allowed:?}",
                room.name
            );
        }
    }
    assert_eq!(workspace.members.len(), ARROWS.len(), "a room named here is gone");
}

#[test]
fn a_switch_process_links_only_what_is_listed() {
    let workspace = Workspace::read();
    for module in ["mod_fsx", "fsx-opensips"] {
        let closure = workspace.closure(module);
        // A walk that found nothing would agree with everything.
        assert!(closure.iter().any(|package| package.name == "fsx-core"), "{module}: no fsx-core");
        for package in closure {
            let name = package.name.as_str();
            if let Some((_, why)) = NEVER_IN_A_SWITCH.iter().find(|(never, _)| *never == name) {
                panic!("{module} links {name}: {why}");
            }
            let ours = ARROWS.iter().any(|(room, _)| *room == name);
            assert!(
                ours || IN_A_SWITCH.contains(&name),
                "{module} links {name}, which is not listed"
            );
        }
    }
}

#[test]
fn the_daemon_knows_no_host() {
    for package in Workspace::read().closure("fsxinetd") {
        assert!(
            !["fsx-seam", "mod_fsx", "fsx-opensips"].contains(&package.name.as_str()),
            "fsxinetd links {}",
            package.name
        );
    }
}

#[test]
fn licences() {
    let workspace = Workspace::read();
    for id in &workspace.members {
        let room = &workspace.packages[id];
        let expected =
            if room.name == "fsx-opensips" { "GPL-2.0-or-later" } else { "MIT OR Apache-2.0" };
        assert_eq!(room.license.as_deref(), Some(expected), "{}", room.name);
    }
    // Apache-2.0 alone may not be joined to GPL-2.0, so all that fsx.so links must offer MIT.
    for package in workspace.closure("fsx-opensips") {
        let license = package.license.as_deref().unwrap_or_default();
        assert!(
            package.name == "fsx-opensips" || license.contains("MIT"),
            "fsx.so links {}, which is under {license:?}",
            package.name
        );
    }
}
