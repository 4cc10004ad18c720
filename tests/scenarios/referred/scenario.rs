//! See README.md beside this file.

use std::time::Duration;

use fsx_core::{Nano, data::LiveView as _};
use fsx_live::LiveTable;
use fsx_test_support::{
    rig::{Bench, Call, Rig},
    sipp::Message,
    wait,
};
use serde_json::Value;

const LIMIT: Duration = Duration::from_secs(15);

#[test]
fn referred() {
    let Some(bench) = Bench::find("referred") else { return };
    let mut rig = bench.start(&[(3001, "carrier-answers.xml"), (3002, "carrier-answers.xml")]);
    let _ = rig.generation();
    let talk = Duration::from_millis(500);
    let refers = Call { file: "caller-refers.xml", talk, ..Call::default() };

    // Blind.
    let mut caller = rig.begin_direct(&refers, &[("refer_to", "07799900124@127.0.0.1")]);
    assert_eq!(caller.finish(LIMIT), 0, "the caller is out");
    wait::until("the carriers to be joined", LIMIT, || {
        joined(&rig, "00447799900124").then_some(())
    });
    wait::until("two legs, the carriers'", LIMIT, || {
        (rig.freeswitch.channels() == 2).then_some(())
    });
    assert_eq!(rig.counted(), 2, "each carrier has a call");
    hang_up_all(&rig);
    let records = rig.daemon().wait_for_records(2, LIMIT);
    let tried: Vec<_> = records.iter().map(gateways).collect();
    assert_eq!(tried, [[3001], [3002]], "{records:#?}");
    let called: Vec<_> = records.iter().map(|record| &record["facts"]["called"]).collect();
    assert_eq!(called, ["07700900123", "07799900124"]);
    // The second's caller is the first's carrier, and ends with it.
    expect_charged_to_the_end(&records[..1]);
    let cost = records[1]["attempts"][0]["cost"].as_str();
    assert!(cost.is_some_and(|cost| cost != "0"), "{records:#?}");
    rig.expect_at_rest();

    // Attended.
    let held = Call { file: "caller-held.xml", number: "07799900125", ..Call::default() };
    let mut second = rig.begin_direct(&held, &[]);
    let answer = second.wait_for("SIP/2.0 200", LIMIT);
    let refer_to = format!("07799900125@127.0.0.1?Replaces={}", replaces(&answer));
    let mut first = rig.begin_direct(&refers, &[("refer_to", &refer_to)]);
    assert_eq!((first.finish(LIMIT), second.finish(LIMIT)), (0, 0), "the caller is out of both");
    wait::until("two legs, the carriers'", LIMIT, || {
        (rig.freeswitch.channels() == 2).then_some(())
    });
    assert_eq!(rig.counted(), 2, "the carriers go on charging");
    assert_eq!(rig.daemon().records().len(), 2, "what these calls cost is not known yet");
    hang_up_all(&rig);
    let records = rig.daemon().wait_for_records(4, LIMIT);
    expect_charged_to_the_end(&records[2..]);
    let mut tried: Vec<_> = records[2..].iter().map(gateways).collect();
    tried.sort_unstable();
    assert_eq!(tried, [[3001], [3002]], "{records:#?}");
    rig.expect_at_rest();

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

/// The dialog that `answer` made, as a Replaces header in a URI.
fn replaces(answer: &Message) -> String {
    let header = |name| answer.header(name).unwrap_or_else(|| panic!("no {name} in {answer:?}"));
    let tag = |name| header(name).split_once(";tag=").map_or("", |(_, tag)| tag);
    format!("{}%3Bto-tag%3D{}%3Bfrom-tag%3D{}", header("Call-ID"), tag("To"), tag("From"))
}

/// Whether the leg to `number` is bridged.
fn joined(rig: &Rig, number: &str) -> bool {
    let text = rig.freeswitch.api("show channels as json");
    let value: Value = serde_json::from_str(&text).unwrap_or_default();
    let rows = value["rows"].as_array().cloned().unwrap_or_default();
    let named = |row: &&Value| row["name"].as_str().is_some_and(|name| name.contains(number));
    let uuid = rows.iter().find(named).and_then(|row| row["uuid"].as_str().map(str::to_owned));
    uuid.is_some_and(|uuid| {
        rig.freeswitch.api(&format!("uuid_getvar {uuid} bridge_uuid")).trim().len() == 36
    })
}

/// The carriers hang up, as far as the switch can tell.
fn hang_up_all(rig: &Rig) {
    let said = rig.freeswitch.api("hupall NORMAL_CLEARING");
    assert!(said.starts_with("+OK"), "{said}");
}

fn gateways(record: &Value) -> Vec<u64> {
    let attempts = record["attempts"].as_array().cloned().unwrap_or_default();
    attempts.iter().filter_map(|attempt| attempt["gateway_id"].as_u64()).collect()
}

/// Each attempt was answered, ended after a caller that had left, and has its cost.
#[track_caller]
fn expect_charged_to_the_end(records: &[Value]) {
    for record in records {
        let attempt = &record["attempts"][0];
        assert!(attempt["answered_ms"].is_i64(), "{record:#}");
        assert!(attempt["ended_ms"].as_i64() >= record["ended_ms"].as_i64(), "{record:#}");
        assert!(attempt["cost"].as_str().is_some_and(|cost| cost != "0"), "{record:#}");
    }
}
