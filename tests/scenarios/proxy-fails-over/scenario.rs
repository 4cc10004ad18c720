//! See README.md beside this file.

use fsx_test_support::rig::{Bench, Call};
use serde_json::Value;

#[test]
fn proxy_fails_over() {
    let Some(bench) = Bench::find("proxy-fails-over") else { return };
    let mut rig = bench.start(&[
        (3001, "carrier-503.xml"),
        (3002, "carrier-answers.xml"),
        (3003, "carrier-486.xml"),
    ]);
    let generation = rig.generation();

    for number in ["07700900123", "07700900124", "07700900125"] {
        rig.call(&Call { number, ..Call::default() });
    }
    rig.call(&Call {
        file: "caller-refused.xml",
        number: "07701900123",
        status: 486,
        ..Call::default()
    });
    assert_eq!(rig.dialled_at(3003), ["447701900123"]);
    // No FormatNumber or Prefix is lost on the way from the plan to the proxy.
    assert_eq!(rig.dialled_at(3001), ["447700900123", "447700900124", "447700900125"]);
    assert_eq!(rig.dialled_at(3002), ["00447700900123", "00447700900124", "00447700900125"]);
    let log = rig.opensips.log();
    let second = format!("attempt 2 of 2: gateway 3002, generation {generation}");
    assert_eq!(log.matches(&second).count(), 3, "{log}");
    let status = rig.opensips.mi("fsx_status", Value::Null);
    assert_eq!(status["calls"]["next_attempts"], 3, "{status:#}");
    assert!(!rig.freeswitch.log(&rig.run).contains(" New Channel "));

    rig.close();
}
