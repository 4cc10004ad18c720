//! The spool file: what stands in it after every kind of trouble.

use std::{
    fs::{self, File},
    io::Write as _,
    os::unix::fs::PermissionsExt as _,
    path::{Path, PathBuf},
    sync::atomic::{AtomicBool, Ordering::SeqCst},
};

use fsx_seam::{
    ask::{AskError, Asker},
    clock::Deadline,
    spool::{Spool, SpoolError, Taken, hand_over},
};
use fsx_wire::record::CallRecord;

struct Fixture {
    dir: tempfile::TempDir,
    path: PathBuf,
}

fn fixture() -> Fixture {
    let dir = tempfile::tempdir().expect("tempdir");
    let path = dir.path().join("records.spool");
    Fixture { dir, path }
}

fn record(id: &str) -> CallRecord {
    serde_json::from_value(serde_json::json!({
        "id": id, "switch": "freeswitch", "host": "h", "facts": {"called": "+44\n7700"}, "generation": 7,
        "decided_by": "local", "decision": "route", "attempts": [], "started_ms": 1, "ended_ms": 2,
        "cause": 16, "cause_name": "NORMAL_CLEARING"
    }))
    .expect("a record")
}

fn text(path: &Path) -> String {
    fs::read_to_string(path).expect("reads")
}

/// How often this process has the file open.
fn opened(path: &Path) -> usize {
    fs::read_dir("/proc/self/fd")
        .expect("lists")
        .filter(|fd| fs::read_link(fd.as_ref().expect("entry").path()).is_ok_and(|to| to == path))
        .count()
}

#[test]
fn records_are_lines() {
    let at = fixture();
    let spool = Spool::new(&at.path);
    for id in ["a", "b"] {
        spool.append(&record(id)).expect("appends");
    }
    let text = text(&at.path);
    assert!(text.ends_with('\n'));
    let back: Vec<CallRecord> =
        text.lines().map(|line| serde_json::from_str(line).expect("a record")).collect();
    assert_eq!(back, [record("a"), record("b")]);
    let mode = fs::metadata(&at.path).expect("there").permissions().mode();
    assert_eq!(mode & 0o137, 0, "not for everybody: {mode:o}");
}

#[test]
fn a_torn_last_line_stays_alone() {
    let at = fixture();
    fs::write(&at.path, "{\"id\":\"to").expect("writes");
    Spool::new(&at.path).append_line(b"next").expect("appends");
    assert_eq!(text(&at.path), "{\"id\":\"to\nnext\n");
}

#[test]
fn one_line_only() {
    let at = fixture();
    let error = Spool::new(&at.path).append_line(b"a\nb").expect_err("refused");
    assert!(matches!(error, SpoolError::NotOneLine));
    assert!(!at.path.exists());
}

#[test]
fn full() {
    let at = fixture();
    let spool = Spool::new(&at.path).max_bytes(8).sync(false);
    spool.append_line(b"abc").expect("4 bytes");
    spool.append_line(b"def").expect("8 bytes");
    let error = spool.append_line(b"").expect_err("9 bytes");
    assert!(matches!(error, SpoolError::Full { max_bytes: 8, .. }), "{error}");
    assert_eq!(text(&at.path), "abc\ndef\n");
}

#[test]
fn no_place_to_write() {
    let at = fixture();
    let deeper = at.dir.path().join("none/records.spool");
    let error = Spool::new(&deeper).append_line(b"x").expect_err("refused");
    assert!(error.to_string().contains("none/records.spool"), "{error}");
    let error = Spool::new(at.dir.path()).append_line(b"x").expect_err("a directory");
    assert!(matches!(error, SpoolError::Io { .. }), "{error}");
    let error = Spool::new("/dev/null").append_line(b"x").expect_err("a device");
    assert!(matches!(error, SpoolError::NotAFile { .. }), "{error}");
    let fifo = at.dir.path().join("fifo");
    assert!(std::process::Command::new("mkfifo").arg(&fifo).status().expect("mkfifo").success());
    let error = Spool::new(&fifo).append_line(b"x").expect_err("a FIFO");
    assert!(matches!(error, SpoolError::NotAFile { .. }), "{error}");
}

#[test]
fn a_lock_that_is_never_given_back() {
    let at = fixture();
    let holder = File::create(&at.path).expect("makes");
    holder.lock().expect("locks");
    let spool = Spool::new(&at.path).lock_wait_ms(50);
    let deadline = Deadline::after_ms(10_000);
    let error = spool.append_line(b"x").expect_err("refused");
    assert!(matches!(error, SpoolError::Locked { waited_ms: 50.., .. }), "{error}");
    assert!(!deadline.passed(), "waited for {} ms", deadline.waited_ms());
    holder.unlock().expect("unlocks");
    spool.append_line(b"x").expect("appends");
}

#[test]
fn what_was_taken_while_we_waited_is_not_written_to() {
    // Another writer may have begun the next file, or nobody.
    for next in [None, Some("next\n")] {
        let at = fixture();
        let taken = at.dir.path().join("records.spool.taking.1");
        let mut holder = File::create(&at.path).expect("makes");
        holder.lock().expect("locks");
        let spool = Spool::new(&at.path).lock_wait_ms(20_000);
        std::thread::scope(|scope| {
            let append = scope.spawn(|| spool.append_line(b"late"));
            // Once it has the file open it can but wait for our lock.
            let begun = Deadline::after_ms(20_000);
            while opened(&at.path) < 2 {
                assert!(!begun.passed(), "the appender opens the file");
                fsx_seam::clock::pause_ms(1);
            }
            fs::rename(&at.path, &taken).expect("takes");
            if let Some(next) = next {
                fs::write(&at.path, next).expect("writes");
            }
            holder.write_all(b"early\n").expect("writes");
            holder.unlock().expect("unlocks");
            append.join().expect("ends").expect("appends");
        });
        assert_eq!(text(&taken), "early\n");
        assert_eq!(text(&at.path), format!("{}late\n", next.unwrap_or_default()));
    }
}

#[test]
fn many_write_while_one_takes() {
    const EACH: usize = 300;
    let at = fixture();
    let spool = Spool::new(&at.path).sync(false).lock_wait_ms(60_000);
    let done = AtomicBool::new(false);
    let mut got: Vec<String> = std::thread::scope(|scope| {
        let writers: Vec<_> = (0..4)
            .map(|w| {
                let spool = &spool;
                scope.spawn(move || {
                    for n in 0..EACH {
                        spool.append_line(format!("{w}-{n}").as_bytes()).expect("appends");
                    }
                })
            })
            .collect();
        let taker = scope.spawn(|| {
            let mut lines = Vec::new();
            for n in 0.. {
                let last = done.load(SeqCst);
                let taking = at.dir.path().join(format!("records.spool.taking.{n}"));
                if fs::rename(&at.path, &taking).is_ok() {
                    File::open(&taking).expect("opens").lock().expect("locks");
                    lines.extend(text(&taking).lines().map(str::to_owned));
                    fs::remove_file(&taking).expect("removes");
                }
                if last {
                    break;
                }
                fsx_seam::clock::pause_ms(1);
            }
            lines
        });
        writers.into_iter().for_each(|w| w.join().expect("ends"));
        done.store(true, SeqCst);
        taker.join().expect("ends")
    });
    got.sort();
    let mut want: Vec<_> =
        (0..4).flat_map(|w| (0..EACH).map(move |n| format!("{w}-{n}"))).collect();
    want.sort();
    assert_eq!(got.len(), want.len());
    assert_eq!(got, want);
}

#[test]
fn handed_over_to_nobody_is_spooled() {
    let at = fixture();
    let asker = Asker::new(at.dir.path().join("no.sock"));
    let spool = Spool::new(&at.path);
    let taken = hand_over(&asker, &spool, record("a"), Deadline::after_ms(100)).expect("taken");
    assert!(matches!(taken, Taken::Spool { because: AskError::NotThere { .. } }), "{taken:?}");
    let back: CallRecord = serde_json::from_str(text(&at.path).trim_end()).expect("a record");
    assert_eq!(back, record("a"));
    let nowhere = Spool::new(at.dir.path().join("none/spool"));
    assert!(hand_over(&asker, &nowhere, record("a"), Deadline::after_ms(100)).is_err());
}
