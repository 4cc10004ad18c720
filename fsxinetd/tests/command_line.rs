//! The command line as somebody meets it: what the manual says of it, and what it says when a file may
//! not grow.

use std::collections::BTreeSet;
use std::process::{Command, Output};

use clap::CommandFactory as _;
use fsxinetd::cli::Cli;

const MANUAL: &str = include_str!("../../pkg/man/fsxinetd.8");

/// Options that the manual names once for all.
const FOR_ALL: &[&str] = &["help", "version", "config"];

/// Every command that does something, with its options.
fn commands(tree: &clap::Command, path: &str, found: &mut Vec<(String, BTreeSet<String>)>) {
    let below: Vec<_> = tree.get_subcommands().filter(|c| c.get_name() != "help").collect();
    if below.is_empty() {
        let options =
            tree.get_arguments().filter(|a| !a.is_hide_set()).filter_map(|a| a.get_long());
        let options = options.filter(|long| !FOR_ALL.contains(long)).map(str::to_owned).collect();
        found.push((path.to_owned(), options));
    }
    for command in below {
        commands(command, format!("{path} {}", command.get_name()).trim(), found);
    }
}

/// The same from the manual: `.It Cm NAME`, and `.It Fl -OPTION` up to the next.
fn manual() -> Vec<(String, BTreeSet<String>)> {
    let mut found: Vec<(String, BTreeSet<String>)> = Vec::new();
    let (_, listed) = MANUAL.split_once("The commands are:").expect("a list of commands");
    let (listed, _) = listed.split_once("\n.Sh ").expect("a next section");
    for line in listed.lines() {
        if let Some(rest) = line.strip_prefix(".It Cm ") {
            let name = rest.split(" Ar ").next().unwrap_or(rest);
            found.push((name.to_owned(), BTreeSet::new()));
        } else if let Some(rest) = line.strip_prefix(".It Fl -")
            && let Some((_, options)) = found.last_mut()
        {
            options.insert(rest.split(' ').next().unwrap_or(rest).to_owned());
        }
    }
    found
}

#[test]
fn the_manual_and_the_help_name_the_same() {
    let mut real = Vec::new();
    commands(&Cli::command(), "", &mut real);
    let manual = manual();
    for (name, options) in &real {
        let Some((_, told)) = manual.iter().find(|(told, _)| told == name) else {
            panic!("pkg/man/fsxinetd.8 does not know `fsxinetd {name}`");
        };
        let lacks: Vec<_> = options.difference(told).collect();
        assert!(lacks.is_empty(), "pkg/man/fsxinetd.8, {name}: no {lacks:?}");
        let gone: Vec<_> = told.difference(options).collect();
        assert!(gone.is_empty(), "pkg/man/fsxinetd.8, {name}: {gone:?} are no options");
    }
    for (name, _) in &manual {
        assert!(real.iter().any(|(real, _)| real == name), "`fsxinetd {name}` is no command");
    }
    assert!(real.len() > 12, "{real:?}");
}

/// Runs the command in a shell that lets files grow to so many blocks.
fn limited(blocks: u32, words: &str) -> Output {
    Command::new("sh")
        .args(["-c", &format!("ulimit -f {blocks}; exec \"$0\" {words}")])
        .arg(env!("CARGO_BIN_EXE_fsxinetd"))
        .output()
        .expect("a shell")
}

#[test]
fn a_file_that_may_not_grow_is_told_and_ends_nothing() {
    let dir = tempfile::tempdir().expect("dir");
    let path = |name: &str| dir.path().join(name).display().to_string();
    let (db, out) = (path("lcr.sqlite"), path("routes.fsx"));
    let made = limited(1_000_000, &format!("db init sqlite:{db}"));
    assert!(made.status.success(), "{made:?}");
    // Small tables, and a file of some hundred KiB from them.
    let deck: String = (0..5000).map(|n| format!("44{n:04},0.{:05}\n", n * 7 % 9973)).collect();
    std::fs::write(path("deck.csv"), format!("code,rate\n{deck}")).expect("written");
    let words = format!(
        "lcr import {} --db sqlite:{db} --carrier A --create --currency GBP",
        path("deck.csv")
    );
    let imported = limited(1_000_000, &words);
    assert!(imported.status.success(), "{imported:?}");
    std::fs::write(&out, "FSXROUTE, the last good one").expect("written");
    let built = limited(100, &format!("lcr build --db sqlite:{db} --out {out}"));
    let said = String::from_utf8_lossy(&built.stderr);
    assert_eq!(built.status.code(), Some(1), "{said}");
    assert!(said.contains("File too large"), "{said}");
    assert_eq!(std::fs::read(&out).expect("stays"), b"FSXROUTE, the last good one");
}

#[test]
fn what_is_no_routing_file_is_not_replaced() {
    let dir = tempfile::tempdir().expect("dir");
    let run = |words: &str| {
        let mut command = Command::new(env!("CARGO_BIN_EXE_fsxinetd"));
        command.args(words.split(' ')).current_dir(dir.path()).output().expect("starts")
    };
    let says = |output: &Output| String::from_utf8_lossy(&output.stderr).into_owned();
    let deck = "code,rate\n44,0.01\n33,0.02\n";
    std::fs::write(dir.path().join("deck.csv"), deck).expect("written");
    std::fs::write(dir.path().join("empty"), "").expect("written");
    assert!(run("db init sqlite:lcr.sqlite").status.success());
    let import = "lcr import deck.csv --db sqlite:lcr.sqlite --carrier A --create --currency GPB";
    assert!(run(import).status.success());

    let before = std::fs::read(dir.path().join("lcr.sqlite")).expect("a database");
    for place in ["lcr.sqlite", "deck.csv", "/dev/null", "."] {
        let refused = run(&format!("lcr build --db sqlite:lcr.sqlite --out {place}"));
        assert_eq!(refused.status.code(), Some(2), "{place}: {refused:?}");
        assert_eq!(says(&refused).lines().count(), 1, "{}", says(&refused));
    }
    assert_eq!(std::fs::read(dir.path().join("lcr.sqlite")).expect("a database"), before);
    assert_eq!(std::fs::read_to_string(dir.path().join("deck.csv")).expect("a deck"), deck);

    // An empty file is nobody's; and the report names what a person would want to know.
    let built = run("lcr build --db sqlite:lcr.sqlite --out empty --home-country GB");
    assert!(built.status.success(), "{built:?}");
    let report = says(&built);
    assert!(report.contains("FxRates has no GPB: 2 rates are out"), "{report}");
    assert!(report.contains("EmergencyGateways has none for GB"), "{report}");
    for words in ["lcr verify /dev/zero", "lcr stats /dev/zero", "lcr dump /dev/zero"] {
        let refused = run(words);
        assert!(!refused.status.success(), "{words}: {refused:?}");
        assert!(says(&refused).contains("no regular file"), "{}", says(&refused));
    }
}

#[test]
fn rows_that_cannot_be_used_are_told_beside_an_answer() {
    use sqlx::{ConnectOptions as _, Connection as _};

    let dir = tempfile::tempdir().expect("dir");
    let run = |words: &str| {
        let mut command = Command::new(env!("CARGO_BIN_EXE_fsxinetd"));
        let output = command.args(words.split(' ')).current_dir(dir.path()).output();
        let output = output.expect("starts");
        assert!(output.status.success(), "{words}: {output:?}");
        output
    };
    std::fs::write(dir.path().join("deck.csv"), "code,rate\n44,0.01\n33,0.02\n").expect("written");
    run("db init sqlite:lcr.sqlite");
    run("lcr import deck.csv --db sqlite:lcr.sqlite --carrier A --create --currency GBP");
    let asked = "lcr route 447700900123 --db sqlite:lcr.sqlite --json";
    assert_eq!(String::from_utf8_lossy(&run(asked).stderr), "");

    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    runtime.expect("a runtime").block_on(async {
        let path = dir.path().join("lcr.sqlite");
        let mut conn = sqlx::sqlite::SqliteConnectOptions::new()
            .filename(path)
            .connect()
            .await
            .expect("a database");
        let bad = "UPDATE LCRRates SET Rate = 'dear' WHERE Rate = '0.02' OR Rate = 0.02";
        let changed = sqlx::raw_sql(bad).execute(&mut conn).await.expect("a statement that works");
        assert_eq!(changed.rows_affected(), 1);
        conn.close().await.expect("closed");
    });
    let told = run(asked);
    assert_eq!(
        String::from_utf8_lossy(&told.stderr),
        "fsxinetd: bad rows left out: 1; `fsxinetd lcr build` names them\n"
    );
    // The answer stands alone.
    let answer: serde_json::Value = serde_json::from_slice(&told.stdout).expect("JSON");
    assert_eq!(answer["number"], "447700900123");
}
