//! See README.md beside this file.

use std::time::Duration;

use fsx_core::{Nano, data::LiveView as _};
use fsx_live::LiveTable;
use fsx_test_support::{
    rig::{Bench, Call, Rig},
    wait,
};
use serde_json::Value;

const LIMIT: Duration = Duration::from_secs(15);

#[test]
fn transferred() {
    let Some(bench) = Bench::find("transferred") else { return };
    let mut rig = bench.start(&[(3001, "carrier-answers.xml"), (3002, "carrier-answers.xml")]);
    let _ = rig.generation();

    // Back into the dialplan.
    let talk = Duration::from_secs(2);
    let mut caller = rig.begin(&Call { talk, ..Call::default() });
    let _ = caller.wait_for("SIP/2.0 200", LIMIT);
    let leg = wait::until("the bridge", LIMIT, || talking(&rig, 1).pop());
    let said = rig.freeswitch.api(&format!("uuid_transfer {} 07799900124 XML dpOutbound", leg.0));
    assert!(said.starts_with("+OK"), "{said}");
    assert_eq!(caller.finish(LIMIT), 0);
    let record = rig.daemon().wait_for_records(1, LIMIT).remove(0);
    assert_eq!(gateways(&record), [3001, 3002], "{record:#}");
    assert_eq!(record["facts"]["called"], "07799900124");
    assert_eq!(counted(&rig), 0);

    // The carriers' legs joined.
    let file = "caller-hung-up-on.xml";
    let mut first = rig.begin(&Call { file, ..Call::default() });
    let mut second = rig.begin(&Call { file, number: "07700900125", ..Call::default() });
    let legs =
        wait::until("two bridges", LIMIT, || Some(talking(&rig, 2)).filter(|legs| legs.len() == 2));
    let said = rig.freeswitch.api(&format!("uuid_bridge {} {}", legs[0].1, legs[1].1));
    assert!(said.starts_with("+OK"), "{said}");
    assert_eq!((first.finish(LIMIT), second.finish(LIMIT)), (0, 0));
    wait::until("the callers' legs to be gone", LIMIT, || {
        (rig.freeswitch.channels() == 2).then_some(())
    });
    assert_eq!(counted(&rig), 2, "the carriers go on charging");
    assert_eq!(rig.daemon().records().len(), 1, "what these calls cost is not known yet");
    for (_, far) in &legs {
        let _ = rig.freeswitch.api(&format!("uuid_kill {far}"));
    }
    let records = rig.daemon().wait_for_records(3, LIMIT);
    assert_eq!(counted(&rig), 0);
    for record in &records[1..] {
        let attempt = &record["attempts"][0];
        assert!(
            attempt["ended_ms"].as_i64() > record["ended_ms"].as_i64(),
            "the attempt ends with the carrier's leg: {record:#}"
        );
        assert!(attempt["cost"].as_str().is_some_and(|cost| cost != "0"), "{record:#}");
    }
    let costs =
        records.iter().flat_map(|record| record["attempts"].as_array().into_iter().flatten());
    let spent: i64 = costs
        .filter_map(|attempt| attempt["cost"].as_str())
        .map(|cost| Nano::parse(cost).expect("money").0)
        .sum();
    let live = LiveTable::open(rig.daemon().file("routing.live")).expect("the live table");
    assert_eq!(live.spend(37), Some(Nano(spent)), "what all four attempts cost, and no more");
    rig.close();
}

/// Callers' legs that fsx routed and that are bridged, each with its carrier's leg; empty unless
/// there are `count` calls.
fn talking(rig: &Rig, count: usize) -> Vec<(String, String)> {
    let text = rig.freeswitch.api("fsx calls as json");
    let value: Value = serde_json::from_str(&text).unwrap_or_else(|e| panic!("{e}: {text}"));
    let calls = value["calls"].as_array().cloned().unwrap_or_default();
    if calls.len() != count {
        return Vec::new();
    }
    calls
        .iter()
        .filter_map(|call| {
            let leg = call["uuid"].as_str()?.to_owned();
            let far = rig.freeswitch.api(&format!("uuid_getvar {leg} bridge_uuid"));
            let far = far.trim().to_owned();
            (far.len() == 36).then_some((leg, far))
        })
        .collect()
}

/// Calls in progress over all gateways, as the live table has them.
fn counted(rig: &Rig) -> u64 {
    let text = rig.freeswitch.api("fsx gateways as json");
    let value: Value = serde_json::from_str(&text).unwrap_or_else(|e| panic!("{e}: {text}"));
    let gateways = value["gateways"].as_array().cloned().unwrap_or_default();
    gateways.iter().filter_map(|gateway| gateway["calls_in_progress"].as_u64()).sum()
}

fn gateways(record: &Value) -> Vec<u64> {
    let attempts = record["attempts"].as_array().cloned().unwrap_or_default();
    attempts.iter().filter_map(|attempt| attempt["gateway_id"].as_u64()).collect()
}
