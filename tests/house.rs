//! The rules of the house that can be seen in the text: where unsafe may live, how long a file may
//! grow, and what code inside a switch never says.
//!
//! Each rule has cost someone a night; a rule nobody checks is a wish.

use std::{
    fs,
    path::{Path, PathBuf},
};

/// Longest source file, in lines.
const MAX_LINES: usize = 800;

/// Folders that hold what was built or fetched, not written.
const NOT_OURS: &[&str] = &["target", "run", ".git", "corpus"];

/// Crate roots that shut unsafe out altogether.
const FORBID: &[&str] = &[
    "crates/core/src/lib.rs",
    "crates/snapshot/src/lib.rs",
    "crates/wire/src/lib.rs",
    "fsxinetd/src/lib.rs",
    "fsxinetd/src/main.rs",
    "tests/support/lib.rs",
];

/// Crate roots that shut it out but for the files and folders of [`MAY_BE_UNSAFE`].
const DENY: &[&str] =
    &["crates/live/src/lib.rs", "fs-module/src/lib.rs", "opensips-module/src/lib.rs"];

/// The only places where the word may stand. Test folders of the same crates may hold it too: a
/// stand-in host is C by nature.
const MAY_BE_UNSAFE: &[&str] = &[
    "crates/seam/",
    "crates/live/src/map.rs",
    "crates/live/tests/",
    "fs-module/src/sys/",
    "fs-module/src/host/",
    "fs-module/tests/",
    "opensips-module/src/sys/",
    "opensips-module/src/host/",
    "opensips-module/tests/",
];

/// Rooms whose code runs inside a switch.
const IN_A_SWITCH: &[&str] = &[
    "crates/core/src/",
    "crates/snapshot/src/",
    "crates/live/src/",
    "crates/wire/src/",
    "crates/seam/src/",
    "fs-module/src/",
    "opensips-module/src/",
];

/// What such code never says, and why.
const NEVER_SAID: &[(&str, &str)] = &[
    ("println!", "a switch has its own log; its standard output is somebody else's"),
    ("eprintln!", "a switch has its own log; its standard error may be closed"),
    ("dbg!", "a switch has its own log"),
    ("thread_local!", "a destructor on a host's thread pins the library in memory"),
    ("thread::spawn", "threads do not survive a fork, and pin the library in memory"),
    ("thread::sleep", "nothing sleeps on a call thread"),
    ("process::exit", "the process is not ours to end"),
    ("process::abort", "the process is not ours to end"),
];

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

/// Every file of the tree whose name ends in one of `endings`, as (path from the root, text).
fn files(endings: &[&str]) -> Vec<(String, String)> {
    fn walk(folder: &Path, endings: &[&str], found: &mut Vec<PathBuf>) {
        for entry in fs::read_dir(folder).expect("a folder").map(|entry| entry.expect("an entry")) {
            let (path, name) = (entry.path(), entry.file_name());
            let name = name.to_string_lossy();
            if entry.file_type().expect("a type").is_dir() {
                if !NOT_OURS.contains(&name.as_ref()) {
                    walk(&path, endings, found);
                }
            } else if endings.iter().any(|ending| name.ends_with(ending)) {
                found.push(path);
            }
        }
    }
    let mut found = Vec::new();
    walk(root(), endings, &mut found);
    found.sort();
    let read = |path: PathBuf| {
        let text = fs::read_to_string(&path).unwrap_or_else(|e| panic!("{}: {e}", path.display()));
        (path.strip_prefix(root()).expect("below the root").to_string_lossy().into_owned(), text)
    };
    found.into_iter().map(read).collect()
}

/// The code of a Rust file: comments and the insides of strings are blanked, lines are kept.
fn code(text: &str) -> String {
    let bytes = text.as_bytes();
    let mut out = String::with_capacity(text.len());
    let mut at = 0;
    let keep_lines = |skipped: &str, out: &mut String| {
        out.extend(skipped.chars().filter(|c| *c == '\n'));
        out.push(' ');
    };
    while at < bytes.len() {
        let rest = &text[at..];
        let skip = if rest.starts_with("//") {
            rest.find('\n').unwrap_or(rest.len())
        } else if rest.starts_with("/*") {
            block_comment(rest)
        } else if let Some(len) = raw_string(text, at) {
            len
        } else if rest.starts_with('"') {
            quoted(rest, b'"')
        } else if rest.starts_with("'\"'") {
            3 // The one character literal that would look like a string.
        } else if rest.starts_with("'\\") {
            quoted(rest, b'\'')
        } else {
            0
        };
        if skip > 0 {
            keep_lines(&rest[..skip], &mut out);
            at += skip;
        } else {
            let c = rest.chars().next().expect("not at the end");
            out.push(c);
            at += c.len_utf8();
        }
    }
    out
}

/// Length of a block comment, nested ones included.
fn block_comment(rest: &str) -> usize {
    let (mut depth, mut at) = (0, 0);
    let bytes = rest.as_bytes();
    while at < bytes.len() {
        match bytes.get(at..at + 2) {
            Some(b"/*") => (depth, at) = (depth + 1, at + 2),
            Some(b"*/") => (depth, at) = (depth - 1, at + 2),
            _ => at += 1,
        }
        if depth == 0 {
            break;
        }
    }
    at
}

/// Length of a literal with backslash escapes, its quotes included.
fn quoted(rest: &str, quote: u8) -> usize {
    let mut at = 1;
    let bytes = rest.as_bytes();
    while at < bytes.len() && bytes[at] != quote {
        at += if bytes[at] == b'\\' { 2 } else { 1 };
    }
    (at + 1).min(bytes.len())
}

/// Length of a raw string that begins at `at`, if one does.
fn raw_string(text: &str, at: usize) -> Option<usize> {
    let rest = &text[at..];
    let before = text[..at].chars().next_back();
    if before.is_some_and(|c| c.is_alphanumeric() || c == '_') {
        return None;
    }
    let body = ["br", "cr", "r"].iter().find_map(|start| rest.strip_prefix(start))?;
    let hashes = body.len() - body.trim_start_matches('#').len();
    let inside = body[hashes..].strip_prefix('"')?;
    let close = format!("\"{}", "#".repeat(hashes));
    let end = inside.find(&close)?;
    Some(rest.len() - inside.len() + end + close.len())
}

/// Lines, from 1, on which `word` stands as a word of its own.
fn lines_with(code: &str, word: &str) -> Vec<usize> {
    let part = |c: char| c.is_alphanumeric() || c == '_';
    let stands = |line: &str| {
        line.match_indices(word).any(|(at, _)| {
            !line[..at].chars().next_back().is_some_and(part)
                && !line[at + word.len()..].chars().next().is_some_and(part)
        })
    };
    code.lines().enumerate().filter(|(_, line)| stands(line)).map(|(at, _)| at + 1).collect()
}

/// The code before the unit tests, which stand last in a file.
fn shipped(code: &str) -> &str {
    code.find("#[cfg(test)]").map_or(code, |at| &code[..at])
}

#[test]
fn crate_roots_shut_unsafe_out() {
    for (paths, attribute) in [(FORBID, "#![forbid(unsafe_code)]"), (DENY, "#![deny(unsafe_code)]")]
    {
        for path in paths {
            let text =
                fs::read_to_string(root().join(path)).unwrap_or_else(|e| panic!("{path}: {e}"));
            assert!(code(&text).contains(attribute), "{path} lacks {attribute}");
        }
    }
}

#[test]
fn unsafe_stays_in_its_rooms() {
    let mut seen = 0;
    for (path, text) in files(&[".rs"]) {
        let mut code = code(&text);
        if DENY.contains(&path.as_str()) {
            // The name under which the host looks for our table: no unsafe code, but a promise that
            // no other symbol has it.
            code = code.replace("#[unsafe(no_mangle)]", "");
        }
        let lines = lines_with(&code, "unsafe");
        seen += lines.len();
        assert!(
            lines.is_empty() || MAY_BE_UNSAFE.iter().any(|room| path.starts_with(room)),
            "{path}: unsafe on lines {lines:?}; its rooms are {MAY_BE_UNSAFE:?}"
        );
    }
    // The modules cannot exist without it: finding none means that the search is broken.
    assert!(seen > 0, "no unsafe found anywhere");
}

#[test]
fn files_stay_readable() {
    for (path, text) in files(&[".rs", ".c", ".h", ".lua", ".luau", ".sh", ".md", ".sls"]) {
        let lines = text.lines().count();
        assert!(lines <= MAX_LINES, "{path} has {lines} lines: split it before {MAX_LINES}");
    }
}

#[test]
fn a_guest_is_quiet_and_starts_no_threads() {
    for (path, text) in files(&[".rs"]) {
        if !IN_A_SWITCH.iter().any(|room| path.starts_with(room)) {
            continue;
        }
        let code = code(&text);
        for (never, why) in NEVER_SAID {
            let lines: Vec<_> = shipped(&code)
                .lines()
                .enumerate()
                .filter(|(_, line)| line.contains(never))
                .map(|(at, _)| at + 1)
                .collect();
            assert!(lines.is_empty(), "{path}: {never} on lines {lines:?}: {why}");
        }
    }
}

#[test]
fn a_decision_holds_no_lock() {
    let locks = ["std::sync", "core::sync", "Mutex", "RwLock", "OnceLock", "LazyLock", "Condvar"];
    for (path, text) in files(&[".rs"]) {
        if !["crates/core/src/", "crates/snapshot/src/"].iter().any(|room| path.starts_with(room)) {
            continue;
        }
        let code = code(&text);
        let found: Vec<_> = locks.iter().filter(|lock| shipped(&code).contains(**lock)).collect();
        assert!(found.is_empty(), "{path}: {found:?}: calls are decided on every thread at once");
    }
}

#[test]
fn documents_point_at_what_exists() {
    const ROOMS: [&str; 12] = [
        "benches/",
        "crates/",
        "docs/",
        "fs-module/",
        "fsxinetd/",
        "fuzz/",
        "include/",
        "opensips-module/",
        "pkg/",
        "policies/",
        "salt/",
        "tests/",
    ];
    let mut seen = 0;
    for (path, text) in files(&[".md", ".rs", ".toml", "Makefile"]) {
        // Paths in documents stand in backticks; in code they follow "docs/" in comments.
        let quoted = text.split('`').skip(1).step_by(2).filter(|_| path.ends_with(".md"));
        let words = text.split(|c: char| c.is_whitespace() || "`()\"',;".contains(c));
        let named = words.filter(|word| word.starts_with("docs/") && word.ends_with(".md"));
        for target in quoted.chain(named) {
            let plain = |c: char| c.is_ascii_alphanumeric() || "/-_.".contains(c);
            if ROOMS.iter().any(|room| target.starts_with(room)) && target.chars().all(plain) {
                seen += 1;
                let there = root().join(target);
                let beside = root().join(&path).with_file_name(target);
                assert!(there.exists() || beside.exists(), "{path} points at {target}");
            }
        }
    }
    assert!(seen > 20, "only {seen} paths found: the search is broken");

    let index = fs::read_to_string(root().join("docs/decisions/README.md")).unwrap();
    for (path, _) in files(&[".md"]) {
        if let Some(name) = path.strip_prefix("docs/decisions/0") {
            assert!(index.contains(name), "docs/decisions/README.md lacks 0{name}");
        }
    }
}

#[test]
fn the_reader_of_these_rules_can_read() {
    let text = "let a = \"unsafe\"; // unsafe\n/* unsafe /* unsafe */ unsafe */\nlet q = '\"'; unsafe {}\n\
                let r = r#\"unsafe \" \"#; let s = \"\\\"unsafe\"; unsafe_code();\nlet e = '\\''; unsafe {}";
    assert_eq!(lines_with(&code(text), "unsafe"), [3, 5]);
}
