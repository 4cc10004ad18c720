//! What the two modules ask of the process that loads them, read from the files themselves.
//!
//! A switch forks, starts threads of its own and ends them as it likes. A module with threads, with an
//! executable stack, with names that clash with the host's or with libraries that the host's machine may
//! lack does harm there that no call in a test shows. `readelf` shows it.
//!
//! Rust's standard library names `__cxa_thread_atexit_impl` and `pthread_key_create` whether or not a
//! thread-local with a destructor is ever made, so for those the file proves nothing: the stand-in host
//! of `fs-module/tests` ends with a message when the former is called.

use std::{collections::BTreeSet, process::Command};

use fsx_test_support::{place, skip::skip};

/// Libraries that every machine with either switch has.
const LIBRARIES: [&str; 4] = ["libgcc_s.so.1", "libc.so.6", "libm.so.6", "ld-linux"];

/// Names of libc that start threads or processes, or wait without a deadline that we could give.
const FORBIDDEN: [&str; 12] = [
    "pthread_create",
    "thrd_create",
    "clone",
    "clone3",
    "fork",
    "vfork",
    "posix_spawn",
    "posix_spawnp",
    "execve",
    "execvp",
    "system",
    "popen",
];

#[test]
fn mod_fsx_asks_nothing_unheard_of() {
    sound("libmod_fsx.so", "mod_fsx_module_interface");
}

#[test]
fn fsx_asks_nothing_unheard_of() {
    // The keeper is a process that OpenSIPS forks; the module itself forks nothing.
    sound("libfsx.so", "exports");
}

fn sound(file: &str, exported: &str) {
    let Some(readelf) = place::on_path("readelf") else {
        return skip(file, "readelf (binutils) is not installed");
    };
    let path = place::built(file);
    let read = |what: &str| {
        let out = Command::new(&readelf).args(["-W", what]).arg(&path).output().expect("readelf");
        assert!(out.status.success(), "readelf {what}: {}", out.status);
        String::from_utf8_lossy(&out.stdout).into_owned()
    };

    let symbols = read("--dyn-syms");
    let (mut imports, mut exports) = (BTreeSet::new(), BTreeSet::new());
    for line in symbols.lines() {
        // Num: Value Size Type Bind Vis Ndx Name
        let fields: Vec<&str> = line.split_whitespace().collect();
        let [_, _, _, _, "GLOBAL" | "WEAK", _, place, name, ..] = fields.as_slice() else {
            continue;
        };
        let name = name.split('@').next().unwrap_or_default();
        let _ = if *place == "UND" { imports.insert(name) } else { exports.insert(name) };
    }
    assert!(imports.len() > 20, "readelf was not understood: {symbols}");
    assert_eq!(
        exports,
        BTreeSet::from([exported]),
        "{file} exports what its host asks for, and that"
    );
    for name in FORBIDDEN {
        assert!(!imports.contains(name), "{file} imports {name}");
    }

    let segments = read("--program-headers");
    let stack = segments.lines().find(|line| line.contains("GNU_STACK")).expect("GNU_STACK");
    let flags = stack.split_whitespace().rev().nth(1).unwrap_or_default();
    assert_eq!(flags, "RW", "{file} wants an executable stack: {stack}");
    for line in segments.lines().filter(|line| line.trim_start().starts_with("LOAD")) {
        assert!(!line.contains("RWE"), "{file} has memory that is written and run: {line}");
    }

    let dynamic = read("--dynamic");
    assert!(!dynamic.contains("TEXTREL"), "{file} is changed as it is loaded");
    for line in dynamic.lines().filter(|line| line.contains("(NEEDED)")) {
        let known = LIBRARIES.iter().any(|library| line.contains(library));
        assert!(known, "{file} needs a library that machines may lack: {line}");
    }
}
