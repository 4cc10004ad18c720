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
