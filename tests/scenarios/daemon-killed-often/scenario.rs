//! See README.md beside this file.

use std::time::Duration;

use fsx_test_support::rig::{Bench, Call};

/// Longest that the calls may go on.
const LIMIT: Duration = Duration::from_secs(900);

#[test]
fn daemon_killed_often() {
    killed("daemon-killed-often", 4);
}

#[test]
#[ignore = "minutes: make soak"]
fn soak_daemon_killed_often() {
    killed("daemon-killed-often", 20);
}

fn killed(scenario: &str, times: u32) {
    let Some(bench) = Bench::find(scenario) else { return };
    let mut rig = bench.start(&[(3001, "carrier-answers.xml"), (3002, "carrier-answers.xml")]);
    let _ = rig.generation();

    let caller = rig.begin(&Call { calls: 0, rate: 30, limit: LIMIT, ..Call::default() });
    rig.more_calls(3001, 10);
    for _ in 0..times {
        rig.daemon().kill();
        rig.more_calls(3001, 20);
        rig.daemon().start();
        rig.more_calls(3001, 20);
    }
    let _ = rig.expect_nothing_lost(caller, 3001);
    assert!(rig.counter("records_spooled") > 0, "the daemon's absence was never noticed");
    assert!(rig.counter("records_delivered") > 0, "nor its presence");
    rig.close();
}
