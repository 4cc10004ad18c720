//! See README.md beside this file.

use std::time::Duration;

use fsx_test_support::{
    rig::{Bench, Call, Rig},
    wait,
};
use serde_json::Value;

const LIMIT: Duration = Duration::from_secs(10);

/// What came of one call: gateway, Q.850 cause and SIP status of each attempt, the caller's cause.
type Outcome = (Vec<(u64, u64, u64)>, u64);

#[test]
fn failover_matrix() {
    let Some(bench) = Bench::find("failover-matrix") else { return };
    let statuses = [302, 403, 404, 408, 410, 480, 484, 486, 488, 500, 502, 503, 504, 600, 603, 604];
    let refuses: Vec<(u32, String)> =
        statuses.map(|status| (3000 + status, format!("carrier-refuses.xml {status}"))).into();
    let mut carriers: Vec<(u32, &str)> =
        refuses.iter().map(|(id, file)| (*id, file.as_str())).collect();
    carriers.extend([(3002, "carrier-answers.xml"), (3180, "carrier-rings.xml")]);
    let mut rig = bench.start(&carriers);
    let _ = rig.generation();

    // The caller hears 200 where another carrier takes the call.
    let answered =
        |status, cause| (status, vec![(3000 + status, cause, status), (3002, 16, 0)], 16);
    let ended = |status, cause| (status, vec![(3000 + status, cause, status)], cause);
    for (status, attempts, cause) in [
        answered(302, 44),
        answered(403, 21),
        ended(404, 1),
        answered(408, 102),
        ended(410, 22),
        ended(480, 18),
        ended(484, 28),
        ended(486, 17),
        answered(488, 88),
        answered(500, 41),
        answered(502, 38),
        answered(503, 41),
        answered(504, 102),
        ended(600, 17),
        ended(603, 21),
        ended(604, 3),
    ] {
        let number = format!("07720000{status}");
        let file = if attempts.len() == 2 { "caller.xml" } else { "caller-refused.xml" };
        rig.call(&Call { file, number: &number, status: status as u16, ..Call::default() });
        assert_eq!(last(&mut rig, &number), (attempts, cause), "SIP {status}");
    }

    // Nobody answers.
    rig.call(&Call {
        file: "caller-refused.xml",
        number: "07720000180",
        status: 480,
        ..Call::default()
    });
    assert_eq!(last(&mut rig, "07720000180"), (vec![(3180, 19, 0)], 19));

    // The caller gives up while the first, the second and the third carrier rings.
    let rings = (3180, 487, 0);
    for (number, attempts) in [
        ("07720000597", vec![rings]),
        ("07720000599", vec![(3503, 41, 503), rings]),
        ("07720000598", vec![(3500, 41, 500), (3503, 41, 503), rings]),
    ] {
        let talk = Duration::from_millis(300);
        rig.call(&Call { file: "caller-gives-up.xml", number, talk, ..Call::default() });
        assert_eq!(last(&mut rig, number), (attempts, 487), "{number}");
    }
    assert_eq!(rig.dialled_at(3002).len(), 8, "Beta took what others could not, and no more");
    rig.close();
}

/// Waits for the record of the only call to `number` and gives what came of it; nothing may be left
/// in the live counters.
#[track_caller]
fn last(rig: &mut Rig, number: &str) -> Outcome {
    let record = wait::until(&format!("the record of {number}"), LIMIT, || {
        let mut records = rig.daemon().records();
        records.retain(|record| record["facts"]["called"] == number);
        assert!(records.len() < 2, "one call, one record: {records:#?}");
        records.pop()
    });
    expect_idle(rig);
    let number = |value: &Value| value.as_u64().unwrap_or_default();
    let attempts = record["attempts"].as_array().cloned().unwrap_or_default();
    let attempts = attempts
        .iter()
        .map(|a| (number(&a["gateway_id"]), number(&a["cause"]), number(&a["sip_status"])))
        .collect();
    (attempts, number(&record["cause"]))
}

/// No gateway counts a call.
#[track_caller]
fn expect_idle(rig: &Rig) {
    let text = rig.freeswitch.api("fsx gateways as json");
    let value: Value = serde_json::from_str(&text).unwrap_or_else(|e| panic!("{e}: {text}"));
    for gateway in value["gateways"].as_array().unwrap_or(&Vec::new()) {
        assert_eq!(gateway["calls_in_progress"], 0, "{gateway}");
    }
}
