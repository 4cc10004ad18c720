//! See README.md beside this file.

use std::time::{Duration, Instant};

use fsx_core::data::LiveView as _;
use fsx_live::LiveTable;
use fsx_test_support::{
    rig::{Bench, Call},
    wait,
};

const CALLS: u32 = 8;

#[test]
fn switch_killed() {
    let Some(bench) = Bench::find("switch-killed") else { return };
    let mut rig = bench.start(&[(3001, "carrier-answers.xml"), (3002, "carrier-answers.xml")]);
    let _ = rig.generation();
    let live = LiveTable::open(rig.daemon().file("routing.live")).expect("the live table");

    let talk = Duration::from_secs(60);
    let callers = rig.begin(&Call { calls: CALLS, rate: 20, talk, ..Call::default() });
    wait::until("all calls to be counted", Duration::from_secs(10), || {
        (live.calls_in_progress(3001) == CALLS).then_some(())
    });
    rig.freeswitch.kill();
    let killed = Instant::now();
    wait::until("its calls to be given back", Duration::from_secs(8), || {
        (live.calls_in_progress(3001) == 0).then_some(())
    });
    eprintln!("given back after {} ms", killed.elapsed().as_millis());
    // Their calls can end no more.
    drop((callers, rig.carriers.remove(&3001)));

    rig.freeswitch.start_again();
    rig.call(&Call { number: "07799900124", ..Call::default() });
    let records = rig.daemon().wait_for_records(1, Duration::from_secs(10));
    assert_eq!(records[0]["facts"]["called"], "07799900124");
    rig.expect_at_rest();
    rig.close();
}
