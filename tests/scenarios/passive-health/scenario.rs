//! See README.md beside this file.

use std::time::Duration;

use fsx_test_support::{
    rig::{Bench, Call, Rig},
    wait,
};
use serde_json::Value;

#[test]
fn passive_health() {
    let Some(bench) = Bench::find("passive-health") else { return };
    let mut rig = bench.start(&[(3001, "carrier-by-number.xml"), (3002, "carrier-by-number.xml")]);
    let _ = rig.generation();
    // How often each was called once a call is over.
    let mut after = |number: &'static str| {
        rig.call(&Call { number, ..Call::default() });
        (rig.dialled_at(3001).len(), rig.dialled_at(3002).len())
    };

    assert_eq!(after("07700900121"), (1, 1));
    assert_eq!(after("07700900122"), (2, 2));
    assert_eq!(after("07700900123"), (3, 3));
    assert_eq!(after("07700900124"), (3, 4), "down: Beta is tried first");
    assert_eq!(after("07700900129"), (4, 5), "but Alpha is not left out");
    expect_said_down(&mut rig);

    wait::until("Alpha's time to be over", Duration::from_secs(10), || {
        (gateway(&rig, 3001)["passive"]["state"] == "trial").then_some(())
    });
    let mut after = |number: &'static str| {
        rig.call(&Call { number, ..Call::default() });
        (rig.dialled_at(3001).len(), rig.dialled_at(3002).len())
    };
    assert_eq!(after("07700900118"), (5, 5));
    assert_eq!(after("07700900128"), (6, 5));
    assert_eq!(gateway(&rig, 3001)["passive"]["state"], "up");
    let log = rig.freeswitch.log(&rig.run);
    assert!(log.contains("gateway 3001 failed 3 of 3 attempts within 60 s"), "{log}");
    assert!(log.contains("gateway 3001 is up again"), "{log}");

    for (word, counts) in [("down", (6, 6)), ("auto", (7, 6))] {
        let said = rig.freeswitch.api(&format!("fsx gateway 3001 {word}"));
        assert!(said.starts_with("+OK"), "{said}");
        rig.call(&Call { number: "07700900138", ..Call::default() });
        let dialled = (rig.dialled_at(3001).len(), rig.dialled_at(3002).len());
        assert_eq!(dialled, counts, "{word}");
    }
    rig.expect_at_rest();
    rig.close();
}

/// Every door says that Alpha is down, and why.
#[track_caller]
fn expect_said_down(rig: &mut Rig) {
    let alpha = gateway(rig, 3001);
    assert_eq!((&alpha["health"], &alpha["prober"]), (&"down".into(), &"unwatched".into()));
    assert_eq!(alpha["passive"]["failed"], 3, "{alpha:#}");
    let table = rig.freeswitch.api("fsx gateways");
    assert!(table.contains("down (passive, "), "{table}");
    let said = rig.daemon().command(&["status", "--config", "fsxinetd.toml"]);
    assert!(said.contains("3001  down, "), "{said}");
    let (_, metrics) = rig.daemon().get("/metrics");
    assert!(metrics.contains("fsxinetd_gateway_up{gateway=\"3001\"} 0\n"), "{metrics}");
    // The daemon and the proxy plan as the switch does.
    let (_, plan) = rig.daemon().get("/v1/lcr/route?number=07700900124&org=37");
    let plan: Value = serde_json::from_str(&plan).unwrap_or_else(|e| panic!("{e}: {plan}"));
    assert_eq!(plan["routes"][0]["gateway_id"], 3002, "{plan:#}");
}

/// A gateway as `fsx gateways as json` shows it.
#[track_caller]
fn gateway(rig: &Rig, id: u64) -> Value {
    let text = rig.freeswitch.api("fsx gateways as json");
    let value: Value = serde_json::from_str(&text).unwrap_or_else(|e| panic!("{e}: {text}"));
    let all = value["gateways"].as_array().cloned().unwrap_or_default();
    all.into_iter().find(|gateway| gateway["gateway_id"] == id).unwrap_or_else(|| panic!("{text}"))
}
