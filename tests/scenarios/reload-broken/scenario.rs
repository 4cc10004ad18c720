//! See README.md beside this file.

use std::fs;

use fsx_test_support::rig::{Bench, Call, Rig};

const GOOD: &str = "<param name=\"record-timeout-ms\" value=\"500\"/>";

#[test]
fn reload_broken() {
    let Some(bench) = Bench::find("reload-broken") else { return };
    let mut rig = bench.start(&[(3001, "carrier-answers.xml"), (3002, "carrier-answers.xml")]);
    let _ = rig.generation();
    let file = rig.run.file("fs/conf/freeswitch.xml");
    let good = fs::read_to_string(&file).expect("the switch's configuration");
    assert!(good.contains(GOOD), "fsx.conf.xml has changed: {good}");

    let caller = rig.begin(&Call { calls: 0, rate: 30, ..Call::default() });
    rig.more_calls(3001, 10);
    let key = "<param name=\"record-timeout-seconds\" value=\"1\"/>";
    let value = "<param name=\"record-timeout-ms\" value=\"soon\"/>";
    // Something stands there, and it is no live table: the good one must not be let go.
    let live = rig.daemon().file("routing.live").display().to_string();
    assert!(good.contains(&live), "fsx.conf.xml has changed: {good}");
    for (broken, names) in [
        (good.replace(GOOD, key), "record-timeout-seconds"),
        (good.replace(GOOD, value), "record-timeout-ms"),
        (good.replace(GOOD, "<param name="), ""),
        (good.replace(&live, "/dev/zero"), "live: "),
        (good.replace(&live, &live.replace("routing.live", "routing.snapshot")), "live: "),
    ] {
        fs::write(&file, broken).expect("writes");
        let said = rig.freeswitch.api("fsx reload");
        assert!(said.starts_with("-ERR") && said.contains(names), "{said}");
        assert!(config(&rig).starts_with("fsx.conf.xml, read "), "{}", config(&rig));
        let status = rig.freeswitch.api("fsx status");
        assert!(status.contains(&live), "the live table is in use: {status}");
        rig.more_calls(3001, 10);
    }
    let before = config(&rig);
    // A second's grain: the line tells when it was read.
    rig.more_calls(3001, 35);
    fs::write(&file, good.replace(GOOD, &GOOD.replace("500", "400"))).expect("writes");
    let said = rig.freeswitch.api("fsx reload");
    assert!(said.starts_with("+OK"), "{said}");
    assert_ne!(config(&rig), before, "a good file is read");
    rig.more_calls(3001, 10);
    let _ = rig.expect_nothing_lost(caller, 3001);
    rig.close();
}

/// What `fsx status` says of the configuration.
fn config(rig: &Rig) -> String {
    let text = rig.freeswitch.api("fsx status as json");
    let status: serde_json::Value = serde_json::from_str(&text).expect("JSON");
    status["config"].as_str().unwrap_or_default().to_owned()
}
