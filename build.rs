//! One build script for both modules, so that they are stamped and checked alike.
//!
//! It needs no switch and no network. Where a switch's own headers are installed it compiles C
//! checks of every layout that the module declares against them, so that a mistake fails the build
//! and not a call; where they are not, it writes a note that it skipped (read it with
//! `cargo build -vv`, or in the file `host-headers` of the build's output directory).

use std::{
    env, fs,
    path::{Path, PathBuf},
    process::Command,
};

fn main() {
    println!("cargo::rerun-if-changed=build.rs");
    stamp();
    match env::var("CARGO_PKG_NAME").as_deref() {
        Ok("mod_fsx") => freeswitch(),
        Ok("fsx-opensips") => opensips(),
        _ => {}
    }
}

/// Puts the build's identity into `FSX_BUILD_ID`: the release and, in a git checkout, the commit.
/// Packagers without git set `FSX_BUILD_ID` themselves.
fn stamp() {
    println!("cargo::rerun-if-env-changed=FSX_BUILD_ID");
    let version = env::var("CARGO_PKG_VERSION").unwrap_or_default();
    let given = env::var("FSX_BUILD_ID").ok().filter(|id| !id.is_empty());
    let id = given.unwrap_or_else(|| match git_describe() {
        Some(commit) => format!("{version}-{commit}"),
        None => version,
    });
    println!("cargo::rustc-env=FSX_BUILD_ID={id}");
}

fn git_describe() -> Option<String> {
    let root = root();
    // Without this a new commit would keep the old stamp.
    for path in [".git/HEAD", ".git/index"] {
        if root.join(path).exists() {
            println!("cargo::rerun-if-changed={}", root.join(path).display());
        }
    }
    let output = Command::new("git")
        .arg("-C")
        .arg(&root)
        .args(["describe", "--always", "--dirty", "--abbrev=12"])
        .output()
        .ok()?;
    let text = String::from_utf8(output.stdout).ok()?.trim().to_owned();
    (output.status.success() && !text.is_empty()).then_some(text)
}

/// The workspace's root: this script is shared, the packages that run it lie one level below.
fn root() -> PathBuf {
    let manifest = PathBuf::from(env::var_os("CARGO_MANIFEST_DIR").unwrap_or_default());
    manifest.parent().map_or(manifest.clone(), Path::to_path_buf)
}

/// Compiles `include/freeswitch/layout.c` against FreeSWITCH's headers, where they are: under the
/// prefix in `FSX_FREESWITCH`, or where packages put them.
fn freeswitch() {
    freeswitch_stand_in();
    println!("cargo::rerun-if-env-changed=FSX_FREESWITCH");
    let check = root().join("include/freeswitch/layout.c");
    println!("cargo::rerun-if-changed={}", check.display());
    let prefixes = [env::var_os("FSX_FREESWITCH").map(PathBuf::from), Some(PathBuf::from("/usr"))];
    let headers = prefixes
        .into_iter()
        .flatten()
        .map(|prefix| prefix.join("include/freeswitch"))
        .find(|dir| dir.join("switch.h").is_file());
    let Some(headers) = headers else {
        note(
            "FreeSWITCH headers not found: layout checks skipped (set FSX_FREESWITCH to a prefix)",
        );
        return;
    };
    println!("cargo::rerun-if-changed={}", headers.join("switch.h").display());
    // The archive holds nothing; only that it compiles matters.
    cc::Build::new()
        .file(&check)
        .include(&headers)
        .flag("-std=gnu11")
        .flag("-Wno-error")
        .flag("-Werror=incompatible-pointer-types")
        .cargo_metadata(false)
        .warnings(false)
        .compile("fsx_freeswitch_layout");
    note(&format!("FreeSWITCH layouts checked against {}", headers.display()));
}

/// Compiles the stand-in's functions for the module's unit tests: a test is a program, and a program
/// must find every function that it names. Nothing but `cfg(test)` links them.
fn freeswitch_stand_in() {
    let dir = root().join("fs-module/tests/standin");
    for file in ["host.c", "standin.h"] {
        println!("cargo::rerun-if-changed={}", dir.join(file).display());
    }
    cc::Build::new()
        .file(dir.join("host.c"))
        .std("gnu11")
        .cargo_metadata(false)
        .compile("fsx_freeswitch_stand_in");
    println!("cargo::rustc-link-search=native={}", env::var("OUT_DIR").unwrap_or_default());
}

/// Links the OpenSIPS module, and compiles `include/opensips/layout.c` against OpenSIPS' headers
/// where `FSX_OPENSIPS_SRC` names a source tree (no package installs them).
fn opensips() {
    // OpenSIPS opens some modules with RTLD_GLOBAL, and every module has a symbol `exports`: without
    // this, ours would be read from and written to theirs.
    println!("cargo::rustc-cdylib-link-arg=-Wl,-Bsymbolic");
    println!("cargo::rerun-if-env-changed=FSX_OPENSIPS_SRC");
    let check = root().join("include/opensips/layout.c");
    println!("cargo::rerun-if-changed={}", check.display());
    let Some(source) = env::var_os("FSX_OPENSIPS_SRC").map(PathBuf::from) else {
        note(
            "OpenSIPS headers not given: layout checks skipped (set FSX_OPENSIPS_SRC to a source)",
        );
        return;
    };
    println!("cargo::rerun-if-changed={}", source.join("sr_module.h").display());
    cc::Build::new()
        .file(&check)
        .include(&source)
        .define("FSX_RELEASE", opensips_release(&source).as_str())
        .flag("-std=gnu11")
        .cargo_metadata(false)
        .warnings(false)
        .compile("fsx_opensips_layout");
    note(&format!("OpenSIPS layouts checked against {}", source.display()));
}

/// 3.6.8 as 30608: the release that a source tree says it is.
fn opensips_release(source: &Path) -> String {
    let defs = fs::read_to_string(source.join("Makefile.defs")).unwrap_or_default();
    let number = |name: &str| {
        let line = defs.lines().find_map(|line| line.strip_prefix(name)?.trim().strip_prefix('='));
        line.and_then(|value| value.trim().parse::<u32>().ok()).expect("OpenSIPS' Makefile.defs")
    };
    let series = number("VERSION_MAJOR") * 100 + number("VERSION_MINOR");
    (series * 100 + number("VERSION_SUBMINOR")).to_string()
}

/// Says something without a warning: into the build's log and a file beside its output.
fn note(text: &str) {
    println!("fsx: {text}");
    if let Some(out) = env::var_os("OUT_DIR") {
        // A note that cannot be written is not worth failing a build for.
        let _ = fs::write(PathBuf::from(out).join("host-headers"), format!("{text}\n"));
    }
}
