//! See README.md beside this file.

use std::{fs, time::Duration};

use fsx_test_support::{
    rig::{Bench, Call},
    template::words,
    wait,
};
use serde_json::Value;

#[test]
fn daemon_gone() {
    let Some(bench) = Bench::find("daemon-gone") else { return };
    let mut rig = bench.start(&[(3001, "carrier-answers.xml"), (3002, "carrier-answers.xml")]);
    let generation = rig.generation();
    let spool = rig.daemon().file("spool/freeswitch.jsonl");

    rig.call(&Call::default());
    let _ = rig.daemon().wait_for_records(1, Duration::from_secs(10));

    rig.daemon().kill();
    rig.call(&Call { number: "07700900124", ..Call::default() });
    rig.call(&Call { number: "07700900125", ..Call::default() });
    assert_eq!(rig.dialled_at(3001), ["447700900123", "447700900124", "447700900125"]);
    rig.expect_no_calls(&[3002]);

    let waiting = wait::until("two records in the spool", Duration::from_secs(10), || {
        let text = fs::read_to_string(&spool).ok()?;
        (text.lines().count() >= 2).then_some(text)
    });
    let waiting: Vec<Value> = waiting
        .lines()
        .map(|line| serde_json::from_str(line).expect("one record a line"))
        .collect();
    let called: Vec<_> = waiting.iter().map(|record| &record["facts"]["called"]).collect();
    assert_eq!(called, ["07700900124", "07700900125"]);

    rig.daemon().start();
    let records = rig.expect_records(&words([("GENERATION", generation.to_string())]));
    assert_eq!(records[1]["id"], waiting[0]["id"], "the id is the switch's, wherever it travels");
    wait::until("the spool to be empty", Duration::from_secs(10), || {
        fs::read_to_string(&spool).unwrap_or_default().is_empty().then_some(())
    });
    rig.close();
}
