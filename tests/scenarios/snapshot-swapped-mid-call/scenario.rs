//! See README.md beside this file.

use std::time::Duration;

use fsx_test_support::{
    rig::{Bench, Call},
    template::words,
    wait,
};
use serde_json::Value;

#[test]
fn snapshot_swapped_mid_call() {
    let Some(bench) = Bench::find("snapshot-swapped-mid-call") else { return };
    let mut rig = bench.start(&[(3001, "carrier-answers.xml"), (3002, "carrier-answers.xml")]);
    let old = rig.generation();

    let mut first = rig.begin(&Call { talk: Duration::from_secs(6), ..Call::default() });
    let _ = first.wait_for("SIP/2.0 200", Duration::from_secs(10));

    rig.daemon().deck.run("UPDATE LCRRates SET Rate = '0.5' WHERE ID = 20001");
    let new = rig.wait_for_generation_after(old, Duration::from_secs(10));
    wait::until("every OpenSIPS worker to follow", Duration::from_secs(3), || {
        let status = rig.opensips.mi("fsx_status", Value::Null);
        let mut workers = status["processes"].as_array()?.clone();
        workers.retain(|process| process["worker"] == true);
        (workers.len() >= 3 && workers.iter().all(|w| w["generation"] == new)).then_some(())
    });
    assert!(!first.ended(), "the first call must still talk when the new prices are in use");
    rig.call(&Call { number: "07700900124", ..Call::default() });
    assert!(!first.ended(), "the first call must outlast the second");
    assert_eq!(first.finish(Duration::from_secs(20)), 0);

    assert_eq!(rig.dialled_at(3001), ["447700900123"]);
    assert_eq!(rig.dialled_at(3002), ["00447700900124"]);
    rig.expect_records(&words([("OLD", old.to_string()), ("NEW", new.to_string())]));
    rig.close();
}
