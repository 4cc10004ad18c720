//! What `lcr import --dry-run` shows a person before a rate deck is let in: the whole of it, as it stands
//! in `golden/import-preview.txt`. Somebody decides by this page, so a change of it is to be seen.
//!
//! `FSX_GOLDEN=write` writes the file anew; look at the difference before it is committed.

use std::path::Path;
use std::process::{Command, Output};

const GOLDEN: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/golden/import-preview.txt");

fn fsxinetd(dir: &Path, words: &[&str]) -> Output {
    let mut command = Command::new(env!("CARGO_BIN_EXE_fsxinetd"));
    command.args(words).current_dir(dir).output().expect("starts")
}

#[test]
fn a_preview_names_what_would_come_change_and_go() {
    let dir = tempfile::tempdir().expect("dir");
    let run = |words: &[&str]| fsxinetd(dir.path(), words);
    let write = |name: &str, text: &str| std::fs::write(dir.path().join(name), text).expect(name);
    write(
        "march.csv",
        "Destination,Code,Rate,Effective\n\
         United Kingdom,44,0.0100,2025-03-01\n\
         United Kingdom Mobile,447[4-5],0.0200,2025-03-01\n\
         Spain,34,0.0125,2025-03-01\n\
         Portugal,351,0.0090,2025-03-01\n\
         Andorra,376,0.0500,2025-03-01\n",
    );
    write(
        "july.csv",
        "Destination,Code,Rate,Effective,Remark\n\
         United Kingdom,44,0.0105,2030-07-01,up\n\
         United Kingdom Mobile,447[4-5],0.0180,2030-07-01,down\n\
         Spain,34,0.0125,2030-07-01,same\n\
         Denmark,45,0.0160,2030-07-01,new\n\
         Nowhere,4x,0.0160,2030-07-01,bad code\n\
         Sweden,46,-0.01,2030-07-01,bad rate\n\
         Portugal,351,0.0085,soon,bad date\n",
    );
    let made = run(&["db", "init", "sqlite:lcr.sqlite"]);
    assert!(made.status.success(), "{made:?}");
    let usual = ["--db", "sqlite:lcr.sqlite", "--carrier", "Alpha", "--currency", "GBP"];
    let first = run(&[&["lcr", "import", "march.csv", "--create"][..], &usual].concat());
    assert!(first.status.success(), "{first:?}");

    let preview =
        run(&[&["lcr", "import", "july.csv", "--full", "--dry-run"][..], &usual].concat());
    assert!(preview.status.success(), "{preview:?}");
    let text = String::from_utf8(preview.stdout).expect("UTF-8");
    // The last line ends with how long it took.
    let (text, seconds) = text.rsplit_once(", ").expect("a last line");
    assert!(seconds.trim_end().ends_with(" s"), "{seconds:?}");
    let text = format!("{text}\n");
    if std::env::var_os("FSX_GOLDEN").is_some_and(|what| what == "write") {
        std::fs::write(GOLDEN, &text).expect("written");
    }
    assert_eq!(text, std::fs::read_to_string(GOLDEN).expect("a golden file"));

    // And it was a preview.
    let again = run(&[&["lcr", "import", "july.csv", "--full", "--dry-run"][..], &usual].concat());
    let again = String::from_utf8(again.stdout).expect("UTF-8");
    assert_eq!(again.rsplit_once(", ").expect("a last line").0, text.trim_end());
}
