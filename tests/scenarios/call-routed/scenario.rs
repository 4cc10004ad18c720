//! See README.md beside this file.

use fsx_test_support::{
    rig::{Bench, Call},
    template::words,
};

#[test]
fn call_routed() {
    let Some(bench) = Bench::find("call-routed") else { return };
    let mut rig = bench.start(&[
        (3001, "carrier-answers.xml"),
        (3002, "carrier-answers.xml"),
        (3009, "carrier-answers.xml"),
    ]);
    let generation = rig.generation();

    rig.call(&Call::default());

    let calls = rig.carriers[&3001].calls_received();
    assert_eq!(calls.len(), 1);
    assert_eq!(calls[0].dialled(), "447700900123");
    // The carrier sees who calls, and none of what the platform says to itself.
    let from = calls[0].header("From").unwrap_or("");
    assert!(from.contains("sip:442079460000@"), "From: {from}");
    assert_eq!(calls[0].header("X-rmOrgID"), None);
    // ChannelVars of the gateway: one codec, so one payload type (and perhaps DTMF events).
    let audio = calls[0].text.lines().find(|line| line.starts_with("m=audio")).unwrap_or("");
    assert_eq!(audio.split(' ').nth(3), Some("8"), "{audio}");
    rig.expect_no_calls(&[3002, 3009]);

    let record = &rig.expect_records(&words([("GENERATION", generation.to_string())]))[0];
    let attempt = &record["attempts"][0];
    let at = |name: &str| attempt[name].as_i64().unwrap_or_default();
    let billed_s = (at("ended_ms") - at("answered_ms") + 999) / 1000;
    let cost = match billed_s {
        1 => "0.005208333",
        2 => "0.005416667",
        3 => "0.005625",
        other => panic!("a call of 0.3 s is billed as {other} s"),
    };
    assert_eq!(attempt["cost"], cost);
    assert_eq!(record["id"], record["facts"]["call_id"]);
    rig.close();
}
