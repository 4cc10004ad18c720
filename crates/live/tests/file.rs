//! The file itself: what is refused, with which words, and how one file takes another's place.

use std::{
    fs,
    os::unix::fs::{MetadataExt as _, PermissionsExt as _},
    path::PathBuf,
};

use fsx_live::{LiveError, LiveSpec, LiveTable};

const SMALL: LiveSpec = LiveSpec { gateways: 16, organisations: 16, mode: 0o660 };

struct Fixture {
    _dir: tempfile::TempDir,
    path: PathBuf,
}

fn fixture() -> Fixture {
    let dir = tempfile::tempdir().expect("tempdir");
    let path = dir.path().join("live");
    Fixture { _dir: dir, path }
}

#[test]
fn made_once_then_opened() {
    let at = fixture();
    let made = LiveTable::open_or_create(&at.path, &SMALL).expect("makes");
    made.set_generation(7);
    let inode = fs::metadata(&at.path).expect("there").ino();
    let other = LiveSpec { gateways: 64, ..SMALL };
    let opened = LiveTable::open_or_create(&at.path, &other).expect("opens");
    assert_eq!(fs::metadata(&at.path).expect("there").ino(), inode);
    assert_eq!(opened.generation(), 7);
    assert_eq!(opened.stats().gateway_capacity, 16, "a usable file keeps its size");
    made.set_generation(8);
    assert_eq!(opened.generation(), 8);
    assert!(!made.superseded());
}

#[test]
fn mode_does_not_depend_on_the_umask() {
    let at = fixture();
    for mode in [0o660, 0o600, 0o666] {
        LiveTable::create(&at.path, &LiveSpec { mode, ..SMALL }).expect("makes");
        let got = fs::metadata(&at.path).expect("there").permissions().mode();
        assert_eq!(got & 0o777, mode);
    }
}

#[test]
fn every_byte_is_on_the_disk() {
    // In memory where possible: a file system that compresses would leave zeros out whatever we do.
    let dir = tempfile::tempdir_in("/dev/shm").or_else(|_| tempfile::tempdir()).expect("tempdir");
    let path = dir.path().join("live");
    LiveTable::create(&path, &LiveSpec::default()).expect("makes");
    let about = fs::metadata(&path).expect("there");
    assert!(
        about.blocks() * 512 >= about.len(),
        "{} blocks, {} bytes",
        about.blocks(),
        about.len()
    );
}

#[test]
fn missing_is_said_so() {
    let at = fixture();
    let error = LiveTable::open(&at.path).expect_err("none");
    assert!(error.is_missing() && !error.is_unusable(), "{error}");
    assert!(error.to_string().contains("cannot open"), "{error}");
}

#[test]
fn lengths_that_do_not_fit() {
    let at = fixture();
    LiveTable::create(&at.path, &SMALL).expect("makes");
    let whole = fs::read(&at.path).expect("reads");
    for len in [0, 1, 8, 63, 64, 511, 512, 4096, whole.len() - 1] {
        fs::write(&at.path, &whole[..len]).expect("writes");
        let error = LiveTable::open(&at.path).expect_err("short");
        assert!(matches!(error, LiveError::Length { got, .. } if got == len as u64), "{error}");
        assert!(error.is_unusable());
    }
    let mut long = whole.clone();
    long.push(0);
    fs::write(&at.path, long).expect("writes");
    let error = LiveTable::open(&at.path).expect_err("long");
    assert!(matches!(error, LiveError::Length { .. }), "{error}");
}

#[test]
fn every_flipped_bit_of_the_head_is_noticed() {
    let at = fixture();
    LiveTable::create(&at.path, &SMALL).expect("makes");
    let whole = fs::read(&at.path).expect("reads");
    for bit in 0..64 * 8 {
        let mut torn = whole.clone();
        torn[bit / 8] ^= 1 << (bit % 8);
        fs::write(&at.path, torn).expect("writes");
        let error = LiveTable::open(&at.path).expect_err("damaged");
        assert!(error.is_unusable(), "bit {bit}: {error}");
        match bit / 64 {
            0 => assert!(matches!(error, LiveError::Foreign { .. }), "{error}"),
            1 => assert!(matches!(error, LiveError::Version { .. }), "{error}"),
            _ => assert!(matches!(error, LiveError::Damaged { .. }), "{error}"),
        }
    }
}

#[test]
fn no_regular_file() {
    let at = fixture();
    let dir = at.path.parent().expect("has one");
    let error = LiveTable::open(dir).expect_err("a directory");
    assert!(matches!(error, LiveError::Io { .. } | LiveError::NotAFile { .. }), "{error}");
    let made = std::process::Command::new("mkfifo").arg(&at.path).status().expect("mkfifo");
    assert!(made.success());
    // Would hang here if opening waited for the other end.
    let error = LiveTable::open(&at.path).expect_err("a FIFO");
    assert!(matches!(error, LiveError::NotAFile { .. }), "{error}");
    assert!(LiveTable::open_or_create(&at.path, &SMALL).is_err(), "nor is it replaced");
}

#[test]
fn an_unusable_file_is_replaced_whole() {
    let at = fixture();
    fs::write(&at.path, b"something else").expect("writes");
    let table = LiveTable::open_or_create(&at.path, &SMALL).expect("replaces");
    assert!(table.set_healthy(1, "LON1", false));
    let left: Vec<_> = fs::read_dir(at.path.parent().expect("has one"))
        .expect("lists")
        .map(|entry| entry.expect("entry").file_name())
        .collect();
    assert_eq!(left, ["live"], "nothing is left beside it");
}

#[test]
fn the_old_file_says_that_it_was_replaced() {
    let at = fixture();
    let old = LiveTable::create(&at.path, &SMALL).expect("makes");
    let new = LiveTable::create(&at.path, &SMALL).expect("makes another");
    assert!(old.superseded());
    assert!(!new.superseded());
    old.set_generation(3);
    assert_eq!(new.generation(), 0, "two files");
}

#[test]
fn capacities_that_cannot_be() {
    let at = fixture();
    for (gateways, organisations) in [(0, 16), (8, 16), (17, 16), (1 << 17, 16), (16, 1 << 23)] {
        let spec = LiveSpec { gateways, organisations, ..SMALL };
        let error = LiveTable::create(&at.path, &spec).expect_err("refused");
        assert!(matches!(error, LiveError::Capacity { .. }), "{error}");
        assert!(!at.path.exists());
    }
}

#[test]
fn a_directory_that_is_not_there() {
    let at = fixture();
    let error =
        LiveTable::open_or_create(at.path.join("deeper/live"), &SMALL).expect_err("refused");
    assert!(error.to_string().contains("deeper/live"), "{error}");
}
