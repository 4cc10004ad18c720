//! See README.md beside this file.

use std::time::Duration;

use fsx_test_support::{
    rig::{Bench, Call},
    skip::skip,
};

#[test]
fn interface_allowlist() {
    let Some(bench) = Bench::find("interface-allowlist") else { return };
    let mut rig = bench.start(&[(3001, "carrier-answers.xml"), (3002, "carrier-answers.xml")]);
    let _ = rig.generation();
    let log = rig.freeswitch.log(&rig.run);
    let kept_out = |name: &str| log.contains(&format!("<interface-allowlist> keeps {name} out"));
    let added = |name: &str| log.contains(&format!("Adding Application '{name}'"));
    if !rig.freeswitch.api("interface_allowlist_dump").contains("fsx_bridge") {
        assert!(!kept_out("fsx_route"), "an older switch has no list: {log}");
        assert!(added("fsx_route"), "{log}");
        skip("interface-allowlist", "this FreeSWITCH has no interface allowlist (1.11.2 has)");
        return rig.close();
    }
    assert!(kept_out("fsx_route") && kept_out("fsx_policy"), "{log}");
    assert!(!kept_out("fsx") && !kept_out("fsx_bridge"), "{log}");
    assert!(added("fsx_bridge") && !added("fsx_route") && !added("fsx_policy"), "{log}");

    rig.call(&Call::default());
    let _ = rig.daemon().wait_for_records(1, Duration::from_secs(10));
    rig.close();
}
