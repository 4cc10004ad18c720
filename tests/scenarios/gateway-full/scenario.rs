//! See README.md beside this file.

use std::time::Duration;

use fsx_test_support::rig::{Bench, Call};

#[test]
fn gateway_full() {
    let Some(bench) = Bench::find("gateway-full") else { return };
    let mut rig = bench.start(&[(3001, "carrier-answers.xml"), (3002, "carrier-answers.xml")]);
    let old = rig.generation();
    rig.daemon().deck.run("UPDATE CarrierGateway SET ConcCalls = 1 WHERE ID = 3001");
    let _ = rig.wait_for_generation_after(old, Duration::from_secs(10));

    let mut first = rig.begin(&Call { talk: Duration::from_secs(3), ..Call::default() });
    let _ = first.wait_for("SIP/2.0 200", Duration::from_secs(10));
    rig.call(&Call { number: "07700900124", ..Call::default() });
    assert!(!first.ended(), "the first call must outlast the second");
    assert_eq!(first.finish(Duration::from_secs(20)), 0);
    let _ = rig.daemon().wait_for_records(2, Duration::from_secs(10));
    rig.call(&Call { number: "07700900125", ..Call::default() });

    assert_eq!(rig.dialled_at(3001), ["447700900123", "447700900125"]);
    assert_eq!(rig.dialled_at(3002), ["00447700900124"]);
    rig.close();
}

#[test]
fn gateway_full_by_then() {
    let Some(bench) = Bench::find("gateway-full-by-then") else { return };
    let mut rig = bench.start(&[
        (3001, "carrier-503-late.xml"),
        (3002, "carrier-answers.xml"),
        (3003, "carrier-answers.xml"),
    ]);
    let old = rig.generation();
    rig.daemon().deck.run(
        "UPDATE CarrierGateway SET MaxCPS = 1 WHERE ID = 3002;
         UPDATE CarrierGateway SET CarrierID = 102 WHERE ID = 3003",
    );
    let _ = rig.wait_for_generation_after(old, Duration::from_secs(10));

    // All are decided at once, and come to the second gateway when the first has refused them.
    rig.call(&Call { calls: 6, rate: 20, ..Call::default() });

    assert_eq!(rig.dialled_at(3001).len(), 6);
    let records = rig.daemon().wait_for_records(6, Duration::from_secs(10));
    let begun = |gateway: u64| -> Vec<i64> {
        let attempts = records.iter().filter_map(|record| record["attempts"].as_array()).flatten();
        let at_it = attempts.filter(|attempt| attempt["gateway_id"] == gateway);
        at_it.filter_map(|attempt| attempt["started_ms"].as_i64()).collect()
    };
    let (second, third) = (begun(3002), begun(3003));
    assert_eq!(second.len() + third.len(), 6, "{records:#?}");
    let span = second.iter().chain(&third).max().zip(second.iter().chain(&third).min());
    let seconds = span.map_or(0, |(last, first)| (last - first) / 1_000 + 2);
    assert!(!second.is_empty() && (second.len() as i64) <= seconds, "{second:?} {third:?}");
    assert!(seconds < 6, "too slow to show anything");
    rig.close();
}
