//! See README.md beside this file.

use std::{fs, time::Duration};

use fsx_core::data::LiveView as _;
use fsx_live::LiveTable;
use fsx_test_support::{
    rig::{Bench, Call, Rig},
    wait,
};

const LIMIT: Duration = Duration::from_secs(15);

#[test]
fn live_table_deleted() {
    let Some(bench) = Bench::find("live-table-deleted") else { return };
    let mut rig = bench.start(&[(3001, "carrier-answers.xml"), (3002, "carrier-answers.xml")]);
    let _ = rig.generation();
    let table = rig.daemon().file("routing.live");

    let talk = Duration::from_millis(600);
    let caller = rig.begin(&Call { calls: 0, rate: 30, talk, ..Call::default() });
    rig.more_calls(3001, 20);
    fs::remove_file(&table).expect("the live table is there");
    expect_counted_anew(&mut rig);

    rig.daemon().stop();
    fs::remove_file(&table).expect("the live table is there again");
    rig.more_calls(3001, 20);
    rig.daemon().start();
    expect_counted_anew(&mut rig);

    let _ = rig.expect_nothing_lost(caller, 3001);
    let live = LiveTable::open(&table).expect("the live table");
    assert_eq!(live.calls_in_progress(3001), 0);
    rig.close();
}

/// Waits until the file is there again and calls are counted in it.
fn expect_counted_anew(rig: &mut Rig) {
    let table = rig.daemon().file("routing.live");
    wait::until("calls to be counted in a new live table", LIMIT, || {
        let live = LiveTable::open(&table).ok()?;
        (live.calls_in_progress(3001) > 0).then_some(())
    });
    rig.more_calls(3001, 20);
}
