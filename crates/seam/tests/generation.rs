//! Moving from one snapshot to the next, with files that are missing, torn, damaged and good.

use std::{
    fs,
    os::unix::fs::MetadataExt as _,
    path::{Path, PathBuf},
    sync::{
        Arc,
        atomic::{AtomicU32, Ordering::SeqCst},
        mpsc,
    },
};

use fsx_seam::{
    generation::{Holder, HolderOf, Published, Refresh},
    map::MappedFile,
};
use fsx_snapshot::{BuildSettings, build, rows::Rows};

struct Fixture {
    _dir: tempfile::TempDir,
    path: PathBuf,
}

fn fixture() -> Fixture {
    let dir = tempfile::tempdir().expect("tempdir");
    let path = dir.path().join("snapshot");
    Fixture { _dir: dir, path }
}

fn snapshot(generation: u64) -> Vec<u8> {
    let settings = BuildSettings { generation, ..BuildSettings::default() };
    build(&Rows::default(), &settings).expect("builds").bytes
}

/// As the publisher does it.
fn publish(path: &Path, bytes: &[u8]) {
    let new = path.with_extension("new");
    fs::write(&new, bytes).expect("writes");
    fs::rename(&new, path).expect("renames");
}

#[test]
fn from_nothing_to_the_next() {
    let at = fixture();
    let holder = Holder::new();
    assert_eq!(holder.refresh(&at.path, None), Refresh::Missing);
    assert_eq!(holder.refresh(&at.path, Some(0)), Refresh::Missing, "0 is no generation in hand");
    assert!(holder.current().is_none());
    publish(&at.path, &snapshot(7));
    assert_eq!(holder.refresh(&at.path, Some(7)), Refresh::Swapped { from: 0, to: 7 });
    assert_eq!(holder.refresh(&at.path, None), Refresh::Same);
    let call = holder.current().expect("adopted");
    publish(&at.path, &snapshot(8));
    assert_eq!(holder.generation(), 7, "until somebody looks");
    assert_eq!(holder.refresh(&at.path, Some(8)), Refresh::Swapped { from: 7, to: 8 });
    assert_eq!(holder.generation(), 8);
    assert_eq!(call.generation(), 7, "a call keeps what it began with");
    assert_eq!(call.data.verify(), Ok(()));
    assert_eq!(Arc::strong_count(&call), 1, "and is the last to hold it");
}

#[test]
fn the_expected_generation_in_hand_asks_nothing() {
    let at = fixture();
    let holder = Holder::new();
    publish(&at.path, &snapshot(7));
    holder.refresh(&at.path, None);
    fs::remove_file(&at.path).expect("removes");
    assert_eq!(holder.refresh(&at.path, Some(7)), Refresh::Same);
    assert_eq!(holder.refresh(&at.path, Some(8)), Refresh::Missing);
    assert_eq!(holder.generation(), 7, "what was in hand stays");
}

#[test]
fn another_file_of_the_same_number_is_adopted() {
    let at = fixture();
    let holder = Holder::new();
    publish(&at.path, &snapshot(7));
    holder.refresh(&at.path, None);
    // Somebody began anew: his seventh is not ours, whatever the live table says.
    fs::remove_file(&at.path).expect("removes");
    publish(&at.path, &snapshot(7));
    assert_eq!(holder.refresh(&at.path, Some(7)), Refresh::Swapped { from: 7, to: 7 });
    let said = Refresh::Swapped { from: 7, to: 7 }.to_string();
    assert_eq!(said, "took another file of generation 7");
    assert_eq!(holder.refresh(&at.path, Some(7)), Refresh::Same);
}

#[test]
fn a_publisher_may_go_back() {
    let at = fixture();
    let holder = Holder::new();
    for (generation, from) in [(9, 0), (4, 9), (4, 4)] {
        publish(&at.path, &snapshot(generation));
        assert_eq!(holder.refresh(&at.path, None), Refresh::Swapped { from, to: generation });
    }
}

#[test]
fn torn_files_are_refused_and_the_last_good_one_serves() {
    let at = fixture();
    let holder = Holder::new();
    publish(&at.path, &snapshot(7));
    holder.refresh(&at.path, None);
    let good = snapshot(8);
    for len in [0, 1, 7, 8, 64, good.len() / 2, good.len() - 1] {
        publish(&at.path, &good[..len]);
        let Refresh::Refused { reason, first: true } = holder.refresh(&at.path, Some(8)) else {
            panic!("{len} bytes of {}", good.len());
        };
        assert!(reason.contains(at.path.to_str().expect("UTF-8")), "{reason}");
        assert_eq!(holder.refusal(), Some(reason.clone()));
        let known = Refresh::Refused { reason, first: false };
        assert_eq!(holder.refresh(&at.path, Some(8)), known);
        assert_eq!(holder.generation(), 7);
        assert!(holder.current().is_some_and(|c| c.data.verify().is_ok()));
    }
    publish(&at.path, &good);
    assert_eq!(holder.refresh(&at.path, Some(8)), Refresh::Swapped { from: 7, to: 8 });
    assert_eq!(holder.refusal(), None);
}

#[test]
fn a_file_damaged_in_its_place_is_let_go_of() {
    let at = fixture();
    let holder = Holder::new();
    let good = snapshot(7);
    let in_place = |bytes: &[u8]| fs::write(&at.path, bytes).expect("writes");
    for damage in [&good[..40], b"", b"a letter", &vec![0; good.len()]] {
        publish(&at.path, &good);
        assert!(matches!(holder.refresh(&at.path, Some(7)), Refresh::Swapped { to: 7, .. }));
        let call = holder.current().expect("in hand");
        in_place(damage);
        // Announced is what is in hand, and yet the file is looked at.
        let lost = holder.refresh(&at.path, Some(7));
        assert!(matches!(lost, Refresh::Lost { generation: 7, .. }), "{lost}");
        assert!(holder.current().is_none());
        assert_eq!(holder.generation(), 0);
        assert!(matches!(holder.refresh(&at.path, Some(7)), Refresh::Refused { first: false, .. }));
        // Whoever still has it lives: zeros are read, and it says so.
        let _ = call.data.verify();
        assert!(call.lost() || damage.len() >= good.len() || good.len() <= 4096);
    }
    // Written over by a sound one, which is worse luck than sense: that one is taken.
    publish(&at.path, &good);
    assert!(matches!(holder.refresh(&at.path, Some(7)), Refresh::Swapped { .. }));
    in_place(&snapshot(8));
    assert_eq!(holder.refresh(&at.path, Some(7)), Refresh::Swapped { from: 7, to: 8 });
    // Removed, it is as it was.
    fs::remove_file(&at.path).expect("removes");
    assert_eq!(holder.refresh(&at.path, Some(8)), Refresh::Same);
    assert!(holder.current().is_some_and(|c| c.data.verify().is_ok()));
}

#[test]
fn every_flipped_byte_is_refused() {
    let at = fixture();
    let holder = Holder::new();
    let good = snapshot(8);
    for byte in 0..good.len() {
        let mut damaged = good.clone();
        damaged[byte] ^= 0x10;
        publish(&at.path, &damaged);
        let got = holder.refresh(&at.path, None);
        assert!(matches!(got, Refresh::Refused { first: true, .. }), "byte {byte}: {got}");
        assert!(holder.current().is_none());
    }
}

#[test]
fn not_a_file() {
    let at = fixture();
    let holder = Holder::new();
    fs::create_dir(&at.path).expect("makes");
    let got = holder.refresh(&at.path, None);
    assert!(
        matches!(&got, Refresh::Refused { reason, first: true } if reason.contains("regular")),
        "{got}"
    );
    assert!(matches!(holder.refresh(&at.path, None), Refresh::Refused { first: false, .. }));
}

/// Counts how often it is verified; refuses what begins with `x`.
#[derive(Debug)]
struct Counted(MappedFile);

static VERIFIED: AtomicU32 = AtomicU32::new(0);

impl Published for Counted {
    fn open(file: MappedFile) -> Result<Self, String> {
        Ok(Self(file))
    }
    fn verify(&self) -> Result<(), String> {
        VERIFIED.fetch_add(1, SeqCst);
        if self.0.as_ref().starts_with(b"x") { Err("an x".to_owned()) } else { Ok(()) }
    }
    fn generation(&self) -> u64 {
        self.0.as_ref().len() as u64
    }
}

#[test]
fn a_refused_file_is_read_once() {
    let at = fixture();
    let holder = HolderOf::<Counted>::new();
    publish(&at.path, b"x");
    for _ in 0..5 {
        assert!(matches!(holder.refresh(&at.path, Some(9)), Refresh::Refused { .. }));
    }
    assert_eq!(VERIFIED.load(SeqCst), 1);
    let inode = fs::metadata(&at.path).expect("there").ino();
    publish(&at.path, b"x2");
    assert_ne!(inode, fs::metadata(&at.path).expect("there").ino());
    assert!(matches!(holder.refresh(&at.path, Some(9)), Refresh::Refused { first: true, .. }));
    publish(&at.path, b"good");
    assert_eq!(holder.refresh(&at.path, Some(9)), Refresh::Swapped { from: 0, to: 4 });
    assert_eq!(VERIFIED.load(SeqCst), 3);
    assert_eq!(holder.refresh(&at.path, Some(9)), Refresh::Same, "another generation, same file");
    assert_eq!(VERIFIED.load(SeqCst), 3);
}

/// Verifies for as long as the test wants.
#[derive(Debug)]
struct Slow;

type Gate = (mpsc::Receiver<()>, mpsc::Sender<()>);
static GATE: std::sync::Mutex<Option<Gate>> = std::sync::Mutex::new(None);

impl Published for Slow {
    fn open(_: MappedFile) -> Result<Self, String> {
        Ok(Self)
    }
    fn verify(&self) -> Result<(), String> {
        let (go, begun) = GATE.lock().expect("unpoisoned").take().expect("set");
        begun.send(()).expect("listening");
        go.recv().map_err(|error| error.to_string())
    }
    fn generation(&self) -> u64 {
        5
    }
}

#[test]
fn others_do_not_wait_for_a_slow_look() {
    let at = fixture();
    let (go, gate) = mpsc::channel();
    let (begun, has_begun) = mpsc::channel();
    *GATE.lock().expect("unpoisoned") = Some((gate, begun));
    publish(&at.path, b"any");
    let holder = HolderOf::<Slow>::new();
    std::thread::scope(|scope| {
        let slow = scope.spawn(|| holder.refresh(&at.path, None));
        has_begun.recv().expect("begins");
        assert_eq!(holder.refresh(&at.path, None), Refresh::Busy);
        assert!(holder.current().is_none());
        assert_eq!((holder.generation(), holder.refusal()), (0, None));
        go.send(()).expect("waits");
        assert_eq!(slow.join().expect("ends"), Refresh::Swapped { from: 0, to: 5 });
    });
    assert_eq!(holder.generation(), 5);
}
