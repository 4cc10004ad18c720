//! See README.md beside this file.

use std::{
    fs::{self, OpenOptions},
    os::unix::fs::MetadataExt as _,
    path::Path,
    time::Duration,
};

use fsx_core::data::LiveView as _;
use fsx_live::LiveTable;
use fsx_test_support::{
    rig::{Bench, Call, Rig},
    wait,
};

const LIMIT: Duration = Duration::from_secs(15);

#[test]
fn live_table_lost() {
    let Some(bench) = Bench::find("live-table-lost") else { return };
    let mut rig = bench.start(&[(3001, "carrier-answers.xml"), (3002, "carrier-answers.xml")]);
    let _ = rig.generation();
    let path = rig.daemon().file("routing.live");
    let first = LiveTable::open(&path).expect("the live table");
    let talk = Duration::from_secs(25);
    let mut long = rig.begin(&Call { calls: 4, rate: 20, talk, ..Call::default() });
    wait::until("the calls to be counted", LIMIT, || {
        (first.calls_in_progress(3001) == 4).then_some(())
    });
    rig.daemon().deck.run(
        "UPDATE CarrierGateway SET PingGateway = 'YES' WHERE ID = 3002;
         INSERT INTO CarrierGatewayHealth (ID, DataCentre, Healthy) VALUES (3002, 'LON1', 'NO')",
    );
    wait::until("health", LIMIT, || (!first.healthy(3002, "LON1")).then_some(()));

    fs::remove_file(&path).expect("removes");
    let (second, inode) = another(&rig, &path, 0);
    assert!(!second.healthy(3002, "LON1"), "what was known is kept");
    counts_in(&mut rig, &second, "07700900131");

    cut(&path);
    rig.call(&Call { number: "07700900132", ..Call::default() });
    let (third, inode) = another(&rig, &path, inode);
    wait::until("health to be told again", LIMIT, || (!third.healthy(3002, "LON1")).then_some(()));
    counts_in(&mut rig, &third, "07700900133");

    rig.daemon().kill();
    cut(&path);
    rig.call(&Call { number: "07700900134", ..Call::default() });
    let (fourth, _) = another(&rig, &path, inode);
    counts_in(&mut rig, &fourth, "07700900135");
    rig.daemon().start();

    assert_eq!(long.finish(Duration::from_secs(60)), 0, "the calls that were up all the while");
    rig.expect_at_rest();
    assert_eq!(rig.daemon().wait_for_records(9, LIMIT).len(), 9);
    let log = rig.freeswitch.log(&rig.run);
    assert!(log.contains(": made anew"), "by the module itself: {log}");
    rig.close();
}

/// Cuts the table to nothing, as a careless copy begins.
fn cut(path: &Path) {
    OpenOptions::new().write(true).open(path).and_then(|file| file.set_len(0)).expect("cuts");
}

/// Waits until another table than the one of that inode stands at the path and FreeSWITCH is in it. On a
/// starved machine daemon and module may both make one: the last stays.
#[track_caller]
fn another(rig: &Rig, path: &Path, than: u64) -> (LiveTable, u64) {
    wait::until("FreeSWITCH to be in another live table", LIMIT, || {
        let inode = fs::metadata(path).ok().map(|about| about.ino()).filter(|n| *n != than)?;
        let table = LiveTable::open(path).ok()?;
        let there = table.owners().iter().any(|owner| owner.pid == rig.freeswitch.pid());
        there.then_some((table, inode))
    })
}

/// FreeSWITCH counts in that table: a call shows it.
#[track_caller]
fn counts_in(rig: &mut Rig, table: &LiveTable, number: &'static str) {
    let before = table.quality(3001).answers;
    rig.call(&Call { number, ..Call::default() });
    assert_eq!(table.quality(3001).answers, before + 1, "{number}");
    wait::until("its place to be given back", LIMIT, || {
        (table.calls_in_progress(3001) == 0).then_some(())
    });
}
