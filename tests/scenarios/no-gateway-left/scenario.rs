//! See README.md beside this file.

use std::time::Duration;

use fsx_test_support::{
    rig::{Bench, Call, Rig},
    wait,
};

const LIMIT: Duration = Duration::from_secs(15);

#[test]
fn no_gateway_left() {
    let Some(bench) = Bench::find("no-gateway-left") else { return };
    let mut rig = bench.start(&[(3001, "carrier-answers.xml"), (3002, "carrier-answers.xml")]);
    let old = rig.generation();
    rig.daemon().deck.run(
        "UPDATE CarrierGateway SET ConcCalls = 1, PingGateway = 'YES' WHERE ID IN (3001, 3002)",
    );
    let _ = rig.wait_for_generation_after(old, LIMIT);

    // All full.
    let talk = Duration::from_secs(4);
    let mut first = rig.begin(&Call { talk, ..Call::default() });
    let _ = first.wait_for("SIP/2.0 200", LIMIT);
    let mut second = rig.begin(&Call { talk, number: "07700900124", ..Call::default() });
    let _ = second.wait_for("SIP/2.0 200", LIMIT);
    assert_eq!(rig.counted(), 2);
    refused(&mut rig, "07700900125");
    assert!(!first.ended() && !second.ended(), "both gateways were full until then");
    assert_eq!((first.finish(LIMIT), second.finish(LIMIT)), (0, 0));
    let _ = rig.daemon().wait_for_records(3, LIMIT);
    rig.expect_at_rest();
    rig.call(&Call { number: "07700900126", ..Call::default() });
    assert_eq!(rig.dialled_at(3001), ["447700900123", "447700900126"]);
    assert_eq!(rig.dialled_at(3002), ["00447700900124"]);

    // All down.
    for gateway in [3001, 3002] {
        let said = rig.freeswitch.api(&format!("fsx gateway {gateway} down"));
        assert!(said.starts_with("+OK"), "{said}");
    }
    refused(&mut rig, "07700900127");
    rig.freeswitch.api("fsx gateway 3002 auto");
    rig.call(&Call { number: "07700900128", ..Call::default() });
    assert_eq!(rig.dialled_at(3002), ["00447700900124", "00447700900128"]);
    assert_eq!(rig.dialled_at(3001).len(), 2);
    let _ = rig.daemon().wait_for_records(6, LIMIT);
    rig.expect_at_rest();
    rig.close();
}

/// Calls `number`, for which nobody has room: the caller and the record say so.
#[track_caller]
fn refused(rig: &mut Rig, number: &str) {
    // Past the proxy, which would refuse for the same reason before the switch is asked.
    let call = Call { file: "caller-refused.xml", number, status: 503, ..Call::default() };
    assert_eq!(rig.begin_direct(&call, &[]).finish(LIMIT), 0);
    let record = wait::until("its record", LIMIT, || {
        rig.daemon().records().into_iter().find(|record| record["facts"]["called"] == number)
    });
    assert_eq!(
        (&record["decision"], &record["cause"]),
        (&"reject".into(), &34.into()),
        "{record:#}"
    );
    assert_eq!(record["attempts"], serde_json::json!([]), "{record:#}");
}
