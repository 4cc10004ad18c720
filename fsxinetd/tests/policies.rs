//! docs/policies.md teaches by examples; here each of them is written to a folder and run, and what
//! the page shows must be what comes out. `FSX_BLESS=1` writes what came out into the page.

use std::path::{Path, PathBuf};
use std::process::{Command, Output};

/// The page.
fn page() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../docs/policies.md")
}

/// One fenced block: what its first line says after the language, and its lines.
struct Block {
    language: String,
    name: String,
    /// Lines of the page, from 0: the first inside, and the closing fence.
    from: usize,
    to: usize,
}

fn blocks(lines: &[&str]) -> Vec<Block> {
    let mut found = Vec::new();
    let mut at = 0;
    while at < lines.len() {
        if let Some(info) = lines[at].strip_prefix("```") {
            let (language, name) = info.split_once(' ').unwrap_or((info, ""));
            let end = lines[at + 1..].iter().position(|line| line.starts_with("```"));
            let to = at + 1 + end.expect("every block is closed");
            found.push(Block {
                language: language.to_owned(),
                name: name.trim().to_owned(),
                from: at + 1,
                to,
            });
            at = to;
        }
        at += 1;
    }
    found
}

fn fsxinetd(dir: &Path, line: &str) -> Output {
    let mut words = line.split_whitespace();
    assert_eq!(words.next(), Some("fsxinetd"), "only our own program is run: {line}");
    Command::new(env!("CARGO_BIN_EXE_fsxinetd"))
        .args(words)
        .current_dir(dir)
        .env("FSX_CONFIG", "fsxinetd.toml")
        .env("TZ", "UTC")
        .output()
        .expect("it starts")
}

/// Instants differ from run to run.
fn settled(text: &str) -> String {
    let mut out = String::new();
    let mut rest = text;
    while let Some(at) = rest.find("20") {
        let (before, here) = rest.split_at(at);
        out.push_str(before);
        let shape = |text: &str| {
            text.len() >= 20
                && text.as_bytes()[..20].iter().zip(b"0000-00-00T00:00:00Z").all(|(got, want)| {
                    if *want == b'0' { got.is_ascii_digit() } else { got == want }
                })
        };
        if shape(here) {
            out.push_str("2026-11-23T09:30:00Z");
            rest = &here[20..];
        } else {
            out.push_str(&here[..2]);
            rest = &here[2..];
        }
    }
    out.push_str(rest);
    out.lines().map(|line| line.trim_end().to_owned() + "\n").collect()
}

#[test]
fn every_example_does_what_the_page_shows() {
    let text = std::fs::read_to_string(page()).expect("the page");
    let lines: Vec<&str> = text.lines().collect();
    let blocks = blocks(&lines);
    let dir = tempfile::tempdir().expect("a folder");
    let files: Vec<&Block> = blocks.iter().filter(|block| !block.name.is_empty()).collect();
    for block in &files {
        let path = dir.path().join(&block.name);
        std::fs::create_dir_all(path.parent().expect("a parent")).expect("a folder");
        std::fs::write(path, lines[block.from..block.to].join("\n") + "\n").expect("written");
    }
    assert!(files.len() > 10, "the page's files are found");

    let mut blessed = String::new();
    let mut written = 0;
    let mut wrong = Vec::new();
    for block in blocks.iter().filter(|block| block.language == "console") {
        let shown = lines[block.from..block.to].join("\n") + "\n";
        let mut got = String::new();
        for line in shown.lines().filter_map(|line| line.strip_prefix("$ ")) {
            let output = fsxinetd(dir.path(), line);
            got.push_str(&format!("$ {line}\n"));
            for stream in [&output.stdout, &output.stderr] {
                got.push_str(&settled(&String::from_utf8_lossy(stream)));
            }
        }
        assert!(!got.is_empty(), "line {}: a console without a command", block.from);
        if settled(&shown) != got {
            wrong.push(format!("line {}:\nshown:\n{shown}\ngot:\n{got}", block.from + 1));
        }
        blessed.push_str(&(lines[written..block.from].join("\n") + "\n" + &got));
        written = block.to;
    }
    blessed.push_str(&(lines[written..].join("\n") + "\n"));
    if std::env::var_os("FSX_BLESS").is_some() {
        std::fs::write(page(), blessed).expect("written");
        return;
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn codes_say_whose_fault_it_was() {
    let dir = tempfile::tempdir().expect("a folder");
    let write = |name: &str, text: &str| {
        let path = dir.path().join(name);
        std::fs::create_dir_all(path.parent().expect("a parent")).expect("a folder");
        std::fs::write(path, text).expect("written");
    };
    write("fsxinetd.toml", "[policy]\nstore = \"versions\"\ndir = \"policies\"\n");
    write("7/manifest.toml", "version = \"1\"\n[call]\na = \"a.lua\"\n");
    write("7/a.lua", "session:answer()\n");
    write("8/manifest.toml", "version = \"1\"\n");
    write("8/a.lua", "x = = 1\n");
    write("9/manifest.toml", "version = \"1\"\n[call]\na = \"a.lua\"\n");
    write("9/a.lua", "error('no')\n");
    write(
        "9/a_test.lua",
        "it('works', function() expect(call{task = 'a'}.outcome):to_be('kept') end)",
    );
    write("bad.json", "{\n \"digit\": [1]\n}");
    write("torn.json", "{\n");
    for (line, code, said) in [
        ("fsxinetd policy check 7", 0, "1 bundle: good"),
        ("fsxinetd policy check 8", 1, "8/a.lua:1: "),
        ("fsxinetd policy check nowhere", 2, "nowhere: "),
        ("fsxinetd policy check . --json", 1, "\"severity\": \"error\""),
        ("fsxinetd policy run 7/a.lua", 0, "answer"),
        ("fsxinetd policy run 9/a.lua", 1, "9/a.lua:1: no"),
        ("fsxinetd policy run 7 --call torn.json", 2, "torn.json:2: "),
        ("fsxinetd policy run 7/a.lua --call bad.json", 2, "unknown field `digit`"),
        ("fsxinetd policy run 7", 2, "the manifest has no task \"default\" in [call]"),
        ("fsxinetd policy run gone.lua", 2, "there is no such file"),
        ("fsxinetd policy test 7", 2, "there are no tests"),
        ("fsxinetd policy test 9", 1, "FAILED works"),
        ("fsxinetd policy test 9 --json", 1, "\"ok\": false"),
        ("fsxinetd policy activate 9", 1, "none is in force"),
        ("fsxinetd policy list", 0, "no versions are kept"),
        ("fsxinetd policy activate 7", 0, "7: version 1 is in force; it has no tests"),
        ("fsxinetd policy rollback 7", 1, "7: there is no version to go back to"),
        ("fsxinetd policy rollback 7 --to 5", 2, "7: no version 5 is kept"),
        ("fsxinetd policy rollback x", 2, "expected \"default\" or an OrgID"),
        ("fsxinetd policy list --json", 0, "\"active\": true"),
        ("fsxinetd policy deactivate 7", 0, "7: version 1 is no longer in force"),
        ("fsxinetd policy stubs stubs", 0, "stubs/.luacheckrc"),
        ("fsxinetd policy frobnicate", 2, "unrecognized subcommand"),
    ] {
        let output = fsxinetd(dir.path(), line);
        let all = [output.stdout, output.stderr].concat();
        let all = String::from_utf8_lossy(&all);
        assert_eq!(output.status.code(), Some(code), "{line}: {all}");
        assert!(all.contains(said), "{line}: expected {said:?} in {all}");
    }
}

#[test]
fn a_command_before_the_first_start_is_not_undone_by_the_folder() {
    use fsxinetd::policy::BundleSet;
    use fsxinetd::policy::bundle::{Bundle, Files, keeper::Keeper};

    let dir = tempfile::tempdir().expect("a folder");
    let write = |name: &str, text: &str| {
        let path = dir.path().join(name);
        std::fs::create_dir_all(path.parent().expect("a parent")).expect("a folder");
        std::fs::write(path, text).expect("written");
    };
    let manifest = |version: u32| format!("version = \"{version}\"\n[call]\na = \"a.lua\"\n");
    write("fsxinetd.toml", "[policy]\nstore = \"versions\"\ndir = \"policies\"\n");
    for (place, version) in [("old/7", 1), ("policies/7", 2)] {
        write(&format!("{place}/manifest.toml"), &manifest(version));
        write(&format!("{place}/a.lua"), "session:answer()\n");
    }
    for line in [
        "fsxinetd policy activate old/7",
        "fsxinetd policy activate policies/7",
        "fsxinetd policy rollback 7",
    ] {
        assert!(fsxinetd(dir.path(), line).status.success(), "{line}");
    }
    let (policies, versions) = (dir.path().join("policies"), dir.path().join("versions"));
    let check = |files: &Files, name: &str| Bundle::compile(files, name);
    let keeper = Keeper::new(&policies, &versions, std::sync::Arc::new(check));
    let in_force = || {
        let survey = keeper.survey(&BundleSet::default());
        assert!(survey.faults.is_empty(), "{:?}", survey.faults);
        survey.set.get("7").map(|bundle| bundle.version.clone())
    };
    assert_eq!(in_force().as_deref(), Some("1"), "the later word");
    // What is put into the folder after that counts.
    write("policies/7/manifest.toml", &manifest(3));
    assert_eq!(in_force().as_deref(), Some("3"));
}
