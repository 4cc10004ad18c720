//! Panics behind the door: what C is answered, and what is left to read afterwards.
//!
//! One program of its own, since the panic hook and the host's log function are the process's.

use std::{
    panic,
    sync::{Mutex, MutexGuard, Once, PoisonError},
};

use fsx_seam::{
    guard::{self, Site, guarded},
    log::{self, Level},
};

static LINES: Mutex<Vec<(Level, String)>> = Mutex::new(Vec::new());

fn host_log(level: Level, line: &str) {
    LINES.lock().unwrap_or_else(PoisonError::into_inner).push((level, line.to_owned()));
    assert!(!line.contains("bring the log down"), "asked for");
}

/// Panics are counted for the whole process: one test at a time.
fn alone() -> MutexGuard<'static, ()> {
    static ALONE: Mutex<()> = Mutex::new(());
    static ONCE: Once = Once::new();
    let alone = ALONE.lock().unwrap_or_else(PoisonError::into_inner);
    ONCE.call_once(|| {
        assert!(log::set_host_log(host_log));
        assert!(!log::set_host_log(host_log), "once");
        guard::install_panic_hook();
    });
    LINES.lock().unwrap_or_else(PoisonError::into_inner).clear();
    alone
}

fn lines() -> Vec<(Level, String)> {
    LINES.lock().unwrap_or_else(PoisonError::into_inner).clone()
}

#[test]
fn the_work_is_done() {
    let _alone = alone();
    static SITE: Site = Site::new("works");
    let before = guard::panics();
    assert_eq!(guarded(&SITE, -1, || 7), 7);
    assert_eq!((SITE.panics(), guard::panics()), (0, before));
    assert!(lines().is_empty());
}

#[test]
fn a_panic_becomes_the_fallback() {
    let _alone = alone();
    static SITE: Site = Site::new("app.example");
    let before = guard::panics();
    let line = line!() + 1;
    assert_eq!(guarded(&SITE, -1, || panic!("no route for {}", 42)), -1);
    assert_eq!((SITE.name(), SITE.panics(), guard::panics()), ("app.example", 1, before + 1));
    let last = guard::last_panic().expect("noted");
    assert_eq!(last.file.as_str(), "seam/tests/guard.rs", "no path of the build machine");
    assert_eq!((last.line, last.message.as_str()), (line, "no route for 42"));
    let lines = lines();
    assert_eq!(lines.len(), 1);
    assert_eq!(lines[0].0, Level::Error);
    for word in ["app.example", "seam/tests/guard.rs", "no route for 42", "1 so far"] {
        assert!(lines[0].1.contains(word), "{word}: {}", lines[0].1);
    }
}

#[test]
fn a_storm_of_panics_is_logged_once_a_minute() {
    let _alone = alone();
    static SITE: Site = Site::new("storm");
    static OTHER: Site = Site::new("other");
    for _ in 0..100 {
        assert_eq!(guarded(&SITE, 3, || panic!("again")), 3);
    }
    assert_eq!(SITE.panics(), 100);
    assert_eq!(lines().len(), 1);
    assert_eq!(guarded(&OTHER, 4, || panic!("elsewhere")), 4);
    assert_eq!(lines().len(), 2, "each site has its own minute");
}

#[test]
fn payloads_of_every_kind() {
    struct Bomb;
    impl Drop for Bomb {
        fn drop(&mut self) {
            panic!("in the payload's drop");
        }
    }
    let _alone = alone();
    static SITE: Site = Site::new("payloads");
    assert_eq!(guarded(&SITE, 1, || panic::panic_any(42_u64)), 1);
    assert_eq!(guard::last_panic().expect("noted").message.as_str(), "(not a text)");
    assert_eq!(guarded(&SITE, 2, || panic::panic_any(Bomb)), 2);
    assert_eq!(guarded(&SITE, 3, || panic!("{}", "é".repeat(1000))), 3);
    let last = guard::last_panic().expect("noted").message;
    assert!(last.was_cut() && last.as_str().ends_with('é'), "{last}");
    assert_eq!(guarded(&SITE, 4, || panic!("two\nlines\0")), 4);
    assert_eq!(SITE.panics(), 4);
    assert!(lines().iter().all(|(_, line)| !line.contains(['\n', '\0'])));
}

#[test]
fn a_log_that_panics_is_survived() {
    let _alone = alone();
    static SITE: Site = Site::new("log");
    assert_eq!(guarded(&SITE, 5, || panic!("bring the log down")), 5);
    assert_eq!(guarded(&SITE, 6, || 7), 7);
    assert_eq!(SITE.panics(), 1);
}

#[test]
fn out_of_bounds_and_overflow_are_panics_too() {
    let _alone = alone();
    static SITE: Site = Site::new("arithmetic");
    let index = std::hint::black_box(9);
    assert_eq!(guarded(&SITE, 1, || [1, 2, 3][index]), 1);
    assert_eq!(guarded(&SITE, 2, || u32::try_from(-1_i64).expect("fits")), 2);
    assert_eq!(SITE.panics(), 2);
}

#[test]
fn many_threads_panic_at_once() {
    let _alone = alone();
    static SITE: Site = Site::new("crowd");
    let before = guard::panics();
    std::thread::scope(|scope| {
        for _ in 0..8 {
            scope.spawn(|| {
                for _ in 0..500 {
                    assert_eq!(guarded(&SITE, 1, || panic!("crowd")), 1);
                }
            });
        }
    });
    assert_eq!((SITE.panics(), guard::panics()), (4000, before + 4000));
    assert_eq!(lines().len(), 1);
}

#[test]
fn levels() {
    let _alone = alone();
    log::debug(format_args!("not shown"));
    log::info(format_args!("shown"));
    log::set_level(Level::Error);
    log::warning(format_args!("not shown either"));
    log::set_level(Level::Debug);
    log::debug(format_args!("shown {}", "x".repeat(5000)));
    log::set_level(Level::Info);
    let lines = lines();
    assert_eq!(lines.len(), 2);
    assert_eq!(lines[0], (Level::Info, "shown".to_owned()));
    assert_eq!(lines[1].1.len(), log::MAX_LINE);
}
