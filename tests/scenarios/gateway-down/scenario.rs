//! See README.md beside this file.

use std::time::Duration;

use fsx_core::data::LiveView as _;
use fsx_live::LiveTable;
use fsx_test_support::{
    rig::{Bench, Call, Rig},
    wait,
};

#[test]
fn gateway_down() {
    let Some(bench) = Bench::find("gateway-down") else { return };
    let mut rig = bench.start(&[(3001, "carrier-answers.xml"), (3002, "carrier-answers.xml")]);
    let old = rig.generation();
    rig.daemon().deck.run(
        "UPDATE CarrierGateway SET PingGateway = 'YES' WHERE ID = 3001;
         INSERT INTO CarrierGatewayHealth (ID, DataCentre, Healthy) VALUES
             (3001, 'LON1', 'YES'), (3001, 'LON2', 'NO')",
    );
    let generation = rig.wait_for_generation_after(old, Duration::from_secs(10));
    rig.call(&Call::default());

    prober_says(&mut rig, "NO");
    rig.call(&Call { number: "07700900124", ..Call::default() });
    prober_says(&mut rig, "YES");
    rig.call(&Call { number: "07700900125", ..Call::default() });

    assert_eq!(rig.dialled_at(3001), ["447700900123", "447700900125"]);
    assert_eq!(rig.dialled_at(3002), ["00447700900124"]);
    let records = rig.daemon().wait_for_records(3, Duration::from_secs(10));
    assert!(records.iter().all(|record| record["generation"] == generation), "{records:#?}");
    rig.close();
}

#[test]
fn gateway_down_by_then() {
    let Some(bench) = Bench::find("gateway-down-by-then") else { return };
    let mut rig = bench.start(&[(3001, "carrier-503-late.xml"), (3002, "carrier-answers.xml")]);
    let refused = Call { file: "caller-refused.xml", status: 503, ..Call::default() };
    let mut caller = rig.begin_direct(&refused, &[]);
    wait::until("the first attempt", Duration::from_secs(10), || {
        (rig.dialled_at(3001).len() == 1).then_some(())
    });
    let said = rig.freeswitch.api("fsx gateway 3002 down");
    assert!(said.starts_with("+OK"), "{said}");
    assert_eq!(caller.finish(Duration::from_secs(20)), 0);
    let records = rig.daemon().wait_for_records(1, Duration::from_secs(10));
    assert_eq!(records[0]["attempts"].as_array().map(Vec::len), Some(1), "{records:#?}");
    rig.expect_no_calls(&[3002]);
    rig.close();
}

/// Writes what LON1's prober writes, and waits until the daemon has told the switches.
fn prober_says(rig: &mut Rig, word: &str) {
    rig.daemon().deck.run(&format!(
        "UPDATE CarrierGatewayHealth SET Healthy = '{word}' WHERE ID = 3001 AND DataCentre = 'LON1'"
    ));
    let live = LiveTable::open(rig.daemon().file("routing.live")).expect("the live table");
    wait::until("the health of gateway 3001", Duration::from_secs(10), || {
        (live.healthy(3001, "LON1") == (word == "YES")).then_some(())
    });
}
