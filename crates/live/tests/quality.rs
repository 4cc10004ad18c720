//! Quality of calls in its sliding window, and how concurrent counting adds up.

use fsx_core::{data::LiveView, profile::Quality};
use fsx_live::{LiveSpec, LiveTable, QUALITY_WINDOW_S};

/// The beginning of ten minutes.
const AT: i64 = 1_768_903_200;
const BUCKET: i64 = 600;

fn table() -> (tempfile::TempDir, LiveTable) {
    let dir = tempfile::tempdir().expect("tempdir");
    let spec = LiveSpec { gateways: 16, organisations: 16, mode: 0o600 };
    let table = LiveTable::create(dir.path().join("live"), &spec).expect("makes");
    (dir, table)
}

#[test]
fn nothing_measured_is_nothing() {
    let (_dir, live) = table();
    assert_eq!(live.quality(5), Quality::default());
    assert_eq!(live.quality(u32::MAX), Quality::default());
    assert!(live.gateway_row(5, AT).is_none(), "asking takes no row");
}

#[test]
fn each_figure_is_its_own() {
    let (_dir, live) = table();
    live.count_attempt(5, AT, true, false);
    live.count_attempt(5, AT, false, true);
    live.count_attempt(5, AT, false, false);
    live.count_delay(5, AT, 1500);
    live.count_delay(5, AT, 2500);
    live.count_talk(5, AT + 60, 61_900);
    live.count_attempt(6, AT, true, false);
    let want =
        Quality { seizures: 3, answers: 1, failed: 1, ended: 1, talk_s: 61, rang: 2, pdd_ms: 4000 };
    assert_eq!(live.quality(5), want);
    assert_eq!(live.quality(6), Quality { seizures: 1, answers: 1, ..Quality::default() });
    assert_eq!(live.gateway_row(5, AT).expect("seen").quality, want);
    assert_eq!(live.overflow(), 0);
}

#[test]
fn the_window_slides() {
    let (_dir, live) = table();
    for n in 0..12 {
        live.count_attempt(5, AT + n * BUCKET, true, false);
        // Everything so far, until the window is full; then the oldest goes as the newest comes.
        assert_eq!(live.quality(5).seizures, (n as u64 + 1).min(6), "bucket {n}");
    }
    // Nobody calls any more: the clock alone empties it.
    for (later, left) in [(0, 6), (BUCKET - 1, 6), (BUCKET, 5), (4 * BUCKET, 2), (6 * BUCKET, 0)] {
        live.tick(AT + 11 * BUCKET + later);
        assert_eq!(live.quality(5).seizures, left, "{later} s later");
    }
    live.tick(AT + 11 * BUCKET + QUALITY_WINDOW_S as i64 * 400);
    assert_eq!(live.quality(5).seizures, 0);
}

#[test]
fn a_clock_that_is_set_back_starts_anew() {
    let (_dir, live) = table();
    live.count_attempt(5, AT + 40 * BUCKET, true, false);
    assert_eq!(live.quality(5).seizures, 1);
    // What came from the future is no longer looked at, and does not come back.
    live.count_attempt(5, AT, true, false);
    live.count_attempt(5, AT, true, false);
    assert_eq!(live.quality(5).seizures, 2);
    for at in [i64::MIN, -1, 0, i64::MAX] {
        live.count_attempt(5, at, true, true);
        live.count_talk(5, at, u64::MAX);
        live.count_delay(5, at, u64::MAX);
        let _ = live.quality(5);
        let _ = live.gateway_rows(at);
    }
}

#[test]
fn counters_stop_at_the_most() {
    let (_dir, live) = table();
    for _ in 0..3 {
        live.count_talk(5, AT, u64::MAX);
    }
    let quality = live.quality(5);
    assert_eq!((quality.ended, quality.talk_s), (3, ((1 << 40) - 1) / 1000));
}

#[test]
fn a_full_table_counts_nothing_and_says_so() {
    let (_dir, live) = table();
    for id in 0..16 {
        live.count_attempt(id, AT, true, false);
    }
    live.count_attempt(99, AT, true, false);
    live.count_delay(99, AT, 1);
    live.count_talk(99, AT, 1);
    assert_eq!((live.quality(99), live.overflow()), (Quality::default(), 3));
}

#[test]
fn threads_add_up_also_over_the_edge_of_a_bucket() {
    let (_dir, live) = table();
    const EACH: u64 = 5_000;
    std::thread::scope(|scope| {
        for thread in 0..4 {
            let live = &live;
            scope.spawn(move || {
                for n in 0..EACH {
                    // The same ten-minute edge for all, crossed by each at its own moment.
                    let at = AT + BUCKET - 1 + i64::from(n >= EACH / 2 + thread * 100);
                    live.count_attempt(5, at, n % 2 == 0, n % 5 == 0);
                    live.count_talk(5, at, 1000);
                    live.count_delay(5, at, 10);
                }
            });
        }
    });
    live.tick(AT + BUCKET);
    let sum = 4 * EACH;
    let want = Quality {
        seizures: sum,
        answers: sum / 2,
        failed: sum / 5,
        ended: sum,
        talk_s: sum,
        rang: sum,
        pdd_ms: sum * 10,
    };
    assert_eq!(live.quality(5), want);
}
