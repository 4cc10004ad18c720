//! See README.md beside this file.

use std::{fs, path::Path, time::Duration};

use fsx_live::LiveTable;
use fsx_test_support::{
    rig::{Bench, Call, Rig},
    template::words,
};
use serde_json::{Value, json};

#[test]
fn snapshot_torn() {
    let Some(bench) = Bench::find("snapshot-torn") else { return };
    let mut rig = bench.start(&[(3001, "carrier-answers.xml"), (3002, "carrier-answers.xml")]);
    let old = rig.generation();
    rig.daemon().kill();
    // FreeSWITCH's module looks at the file only when a generation is announced that it has not.
    let live = LiveTable::open(rig.daemon().file("routing.live")).expect("the live table");
    live.set_generation(old + 1);
    let snapshot = rig.daemon().file("routing.snapshot");
    let good = fs::read(&snapshot).expect("the published snapshot");
    let before = answers(&rig);
    assert_eq!(before[0]["routes"][0]["gateway_id"], 3001);

    for (damage, bytes) in damaged(&good) {
        publish(&snapshot, &bytes);
        let said = rig.freeswitch.api("fsx reload");
        assert!(said.starts_with("-ERR"), "{damage}: FreeSWITCH took it: {said}");
        let refused = rig.opensips.try_mi("fsx_reload", Value::Null);
        assert!(refused.is_err(), "{damage}: OpenSIPS took it: {refused:?}");
        assert_eq!(rig.freeswitch_generation(), old, "{damage}");
        assert_eq!(rig.opensips_generation(), old, "{damage}");
        assert_eq!(answers(&rig), before, "{damage}");
    }
    assert!(rig.freeswitch.log(&rig.run).contains("snapshot refused"));
    assert!(rig.freeswitch.api("fsx status").contains("refused"));
    assert!(rig.opensips.mi("fsx_status", Value::Null)["snapshot"]["refused"].is_string());

    // The last damaged file is still there.
    rig.call(&Call::default());
    rig.daemon().start();
    let new = rig.wait_for_generation_after(old, Duration::from_secs(10));
    rig.call(&Call { number: "07700900124", ..Call::default() });

    assert_eq!(rig.dialled_at(3001), ["447700900123", "447700900124"]);
    rig.expect_records(&words([("OLD", old.to_string()), ("NEW", new.to_string())]));
    rig.close();
}

/// What both switches would do with a call, without the instant it was asked at.
fn answers(rig: &Rig) -> [Value; 2] {
    let text = rig.freeswitch.api("fsx route 07700900123 org=37 as json");
    let freeswitch: Value = serde_json::from_str(&text).unwrap_or_else(|e| panic!("{e}: {text}"));
    let opensips = rig.opensips.mi("fsx_route", json!({"number": "07700900123", "org": "37"}));
    [freeswitch, opensips].map(|mut answer| {
        answer["at"] = Value::Null;
        answer
    })
}

/// Puts a file where the publisher would: whole, by renaming.
fn publish(path: &Path, bytes: &[u8]) {
    let draft = path.with_extension("torn");
    fs::write(&draft, bytes).expect("write");
    fs::rename(&draft, path).expect("rename");
}

/// One good file, damaged in every way that a disk, a copy or a mistake can.
fn damaged(good: &[u8]) -> Vec<(String, Vec<u8>)> {
    let mut files = vec![
        ("empty".to_owned(), Vec::new()),
        ("another program's file".to_owned(), b"#!/bin/sh\necho not a snapshot\n".repeat(200)),
        ("followed by rubbish".to_owned(), [good, &[0; 64][..]].concat()),
    ];
    for length in [1, 64, good.len() / 2, good.len() - 1] {
        files.push((format!("cut to {length} bytes"), good[..length].to_vec()));
    }
    for place in [0, 9, 20, good.len() / 3, good.len() / 2, good.len() - 1] {
        let mut bytes = good.to_vec();
        bytes[place] ^= 0x10;
        files.push((format!("one bit flipped in byte {place} of {}", good.len()), bytes));
    }
    files
}
