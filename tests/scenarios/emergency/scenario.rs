//! See README.md beside this file.

use std::fs;

use fsx_test_support::{
    rig::{Bench, Call},
    template::words,
};
use serde_json::Value;

#[test]
fn emergency() {
    let Some(bench) = Bench::find("emergency") else { return };
    let carriers = [
        (3001, "carrier-answers.xml"),
        (3009, "carrier-answers.xml"),
        (3010, "carrier-answers.xml"),
    ];
    let mut rig = bench.start_without_daemon(&carriers, |daemon| {
        fs::write(daemon.file("routing.snapshot"), "half a fi").expect("write");
    });

    // Nothing is there that could be used.
    assert_eq!((rig.freeswitch_generation(), rig.opensips_generation()), (0, 0));
    rig.call(&Call { number: "999", ..Call::default() });
    assert_eq!(rig.dialled_at(3010), ["999"]);
    rig.call(&Call { file: "caller-refused.xml", status: 503, ..Call::default() });

    // Data, and an organisation over its limit.
    rig.daemon().start();
    let generation = rig.generation();
    rig.call(&Call { file: "caller-refused.xml", status: 403, org: 38, ..Call::default() });
    let text = rig.freeswitch.api("fsx route 07700900123 org=38 as json");
    let answer: Value = serde_json::from_str(&text).unwrap_or_else(|e| panic!("{e}: {text}"));
    assert_eq!((&answer["decision"], &answer["cause"]), (&"reject".into(), &21.into()), "{text}");
    rig.call(&Call { number: "112", org: 38, ..Call::default() });
    assert_eq!(rig.dialled_at(3009), ["112"]);

    // The data stays when the daemon goes.
    rig.daemon().kill();
    rig.call(&Call { number: "999", org: 38, ..Call::default() });
    assert_eq!(rig.dialled_at(3009), ["112", "999"]);

    assert_eq!(rig.dialled_at(3010), ["999"]);
    rig.expect_no_calls(&[3001]);
    rig.daemon().start();
    rig.expect_records(&words([("GENERATION", generation.to_string())]));
    rig.close();
}
