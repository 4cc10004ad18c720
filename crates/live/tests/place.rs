//! The file removed, replaced, overwritten and cut under open tables.

use std::{fs, path::PathBuf};

use fsx_core::{
    Nano,
    data::{LiveView, Standing},
};
use fsx_live::{LiveError, LiveSpec, LiveTable, Operator, Place};

const AT: i64 = 1_768_903_200;
const SPEC: LiveSpec = LiveSpec { gateways: 64, organisations: 64, mode: 0o640 };

fn table() -> (tempfile::TempDir, PathBuf, LiveTable) {
    let dir = tempfile::tempdir().expect("tempdir");
    let path = dir.path().join("live");
    let table = LiveTable::create(&path, &SPEC).expect("makes");
    (dir, path, table)
}

/// Gives it something of each kind.
fn fill(live: &LiveTable) {
    live.set_generation(7);
    live.set_shutting_down(true);
    live.set_healthy(5, "LON1", false);
    live.set_spend(37, Nano(12));
    live.count_attempt(5, AT, true, false);
    live.set_operator(6, Operator::Down);
}

fn expect_filled(live: &LiveTable) {
    assert!(live.generation() == 7 && live.shutting_down() && !live.healthy(5, "LON1"));
    assert_eq!((live.spend(37), live.quality(5).answers), (Some(Nano(12)), 1));
    assert_eq!((live.standing(6, AT), live.all_ordinary()), (Standing::Out, false));
}

#[test]
fn a_table_in_its_place() {
    let (dir, path, live) = table();
    assert_eq!(live.look(&path), Place::Same);
    fs::rename(&path, dir.path().join("elsewhere")).expect("renames");
    assert_eq!(live.look(&path), Place::Missing);
    fs::rename(dir.path().join("elsewhere"), &path).expect("renames");
    assert_eq!(live.look(&path), Place::Same);
}

#[test]
fn removed_and_made_anew_with_all_but_the_calls() {
    let (_dir, path, live) = table();
    fill(&live);
    let me = live.register_owner();
    assert!(live.begin_call(me, 5, AT));
    fs::remove_file(&path).expect("removes");
    assert_eq!(live.look(&path), Place::Missing);
    let new = live.remake(&path).expect("makes");
    expect_filled(&new);
    assert_eq!((new.calls_in_progress(5), new.stats().owners), (0, 0));
    assert!(live.superseded() && !new.superseded());
    assert_eq!((live.look(&path), new.look(&path)), (Place::Replaced, Place::Same));
    // The call ends where it began.
    assert_eq!(live.calls_in_progress(5), 1);
    live.end_call(me, 5);
    assert_eq!((live.calls_in_progress(5), new.calls_in_progress(5)), (0, 0));
    let mode = std::os::unix::fs::PermissionsExt::mode(
        &fs::metadata(&path).expect("is there").permissions(),
    );
    assert_eq!(mode & 0o777, 0o640);
}

#[test]
fn replaced_by_another() {
    let (dir, path, live) = table();
    let other = LiveTable::create(dir.path().join("other"), &SPEC).expect("makes");
    other.set_generation(9);
    fs::rename(dir.path().join("other"), &path).expect("renames");
    assert_eq!(live.look(&path), Place::Replaced);
    assert_eq!(LiveTable::open(&path).expect("opens").generation(), 9);
    fs::remove_file(&path).expect("removes");
    fs::write(&path, b"something else").expect("writes");
    assert_eq!(live.look(&path), Place::Replaced);
    assert!(LiveTable::open(&path).is_err());
}

#[test]
fn overwritten_in_place() {
    let (_dir, path, live) = table();
    fill(&live);
    let len = fs::metadata(&path).expect("is there").len();
    fs::write(&path, vec![0xff; len as usize]).expect("writes");
    assert!(matches!(live.look(&path), Place::Damaged(_)));
    // Whatever stands there now, every operation answers.
    let _ = (live.stats(), live.health(), live.owners(), live.gateway_rows(AT));
    let _ = live.register_owner();
    let new = live.remake(&path).expect("makes");
    assert_eq!((new.generation(), new.look(&path)), (0, Place::Same), "nothing is taken over");
}

/// The dangerous one: without the handler the first access ends the process.
#[test]
fn cut_to_every_length_under_an_open_table() {
    for left in [0, 1, 4095, 4096, 5000, 65_536] {
        let (_dir, path, live) = table();
        fill(&live);
        let me = live.register_owner();
        assert!(live.begin_call(me, 5, AT));
        let file = fs::OpenOptions::new().write(true).open(&path).expect("opens");
        file.set_len(left).expect("cuts");
        // Everything is asked for and changed, past the end too.
        for id in 0..64 {
            let _ = (live.healthy(id, "LON1"), live.calls_in_progress(id), live.quality(id));
            live.begin_call(me, id, AT);
            live.end_call(me, id);
            live.count_attempt(id, AT, true, true);
            live.add_spend(id, Nano(1));
        }
        let _ = (live.stats(), live.health(), live.owners(), live.gateway_rows(AT));
        live.end_call(me, 5);
        assert!(matches!(live.look(&path), Place::Damaged(_)), "cut to {left}");
        // Whole again as far as its length goes: the lost pages are still lost.
        file.set_len(fs::metadata(&path).expect("there").len().max(1 << 20)).expect("extends");
        assert!(matches!(live.look(&path), Place::Damaged(_)), "cut to {left}, then extended");
        let new = live.remake(&path).expect("makes");
        assert_eq!(new.look(&path), Place::Same);
        assert!(!new.register_owner().is_none() && new.healthy(5, "LON1"));
    }
}

#[test]
fn an_older_table_is_refused_and_told_to_go() {
    let (_dir, path, _live) = table();
    // As version 1 wrote it: the same header words.
    let mut bytes = fs::read(&path).expect("reads");
    bytes[8..16].copy_from_slice(&1u64.to_ne_bytes());
    fs::write(&path, &bytes).expect("writes");
    let error = LiveTable::open(&path).expect_err("older");
    assert!(matches!(error, LiveError::Version { expected: 2, got: 1, .. }), "{error}");
    assert!(error.to_string().ends_with("version 1, expected 2"), "{error}");
    let old = fs::File::open(&path).expect("opens");
    let new = LiveTable::open_or_create(&path, &SPEC).expect("makes a new one");
    assert_eq!(new.look(&path), Place::Same);
    let mut head = [0; 96];
    std::io::Read::read_exact(&mut &old, &mut head).expect("reads");
    assert_eq!(head[80..88], 1u64.to_ne_bytes(), "who has it mapped is told");
}
