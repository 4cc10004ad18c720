//! See README.md beside this file.

use std::{fs::OpenOptions, path::Path, time::Duration};

use fsx_test_support::{
    rig::{Bench, Call, Rig},
    wait,
};
use serde_json::{Value, json};

const LIMIT: Duration = Duration::from_secs(20);

#[test]
fn snapshot_damaged() {
    let Some(bench) = Bench::find("snapshot-damaged") else { return };
    let mut rig = bench.start(&[
        (3001, "carrier-answers.xml"),
        (3002, "carrier-answers.xml"),
        (3010, "carrier-answers.xml"),
    ]);
    let old = rig.generation();
    let snapshot = rig.daemon().file("routing.snapshot");
    rig.call(&Call::default());
    assert_eq!(rig.dialled_at(3001).len(), 1);

    rig.daemon().kill();
    cut(&snapshot);
    for n in 0..4 {
        let number = format!("0770090012{n}");
        let file = "caller-refused.xml";
        rig.call(&Call { file, number: &number, status: 503, ..Call::default() });
    }
    assert!(rig.opensips.alive() && rig.freeswitch.alive());
    wait::until("FreeSWITCH to say so", LIMIT, || {
        rig.freeswitch.log(&rig.run).contains("was damaged in its place").then_some(())
    });
    rig.call(&Call { number: "999", ..Call::default() });
    assert_eq!(rig.dialled_at(3010), ["999"]);
    assert_eq!(rig.dialled_at(3001).len(), 1, "zeros led to a number");
    rig.expect_no_calls(&[3002]);

    rig.daemon().start();
    let new = rig.wait_for_generation_after(old, LIMIT);
    rig.call(&Call::default());
    assert_eq!(rig.dialled_at(3001).len(), 2);

    // Nothing changes in the database: it is the daemon that sees the file.
    cut(&snapshot);
    wait::until("the file to be whole again", LIMIT, || whole(&rig, new).then_some(()));
    rig.call(&Call::default());
    assert_eq!(rig.dialled_at(3001).len(), 3);
    let _ = rig.daemon().wait_for_records(4, LIMIT);
    rig.close();
}

/// Cuts a file to a page, in its place.
fn cut(path: &Path) {
    let len = std::fs::metadata(path).expect("the snapshot").len();
    assert!(len > 8192, "too small a file to lose a page: {len}");
    OpenOptions::new().write(true).open(path).and_then(|file| file.set_len(4096)).expect("cuts");
}

/// Whether both switches would route a call, by this generation.
fn whole(rig: &Rig, generation: u64) -> bool {
    let asked = json!({"number": "07700900123", "org": "37"});
    let proxy = rig.opensips.try_mi("fsx_route", asked);
    // The generation alone would also be that of the map that was cut, before anybody has looked.
    let here = rig.freeswitch.api("fsx route 07700900123 org=37 as json");
    rig.freeswitch_generation() == generation
        && serde_json::from_str::<Value>(&here).is_ok_and(|answer| answer["decision"] == "route")
        && proxy.is_ok_and(|answer| answer["decision"] == "route")
}
