//! See README.md beside this file.

use fsx_test_support::rig::{Bench, Call};

#[test]
fn switches_alone() {
    let Some(bench) = Bench::find("switches-alone") else { return };
    let mut rig = bench.start_plain(&[(3001, "carrier-answers.xml"), (3002, "carrier-503.xml")]);

    rig.call(&Call { number: "447700900123", ..Call::default() });

    let calls = rig.carriers[&3001].calls_received();
    assert_eq!(calls.len(), 1);
    assert_eq!(calls[0].dialled(), "447700900123");
    assert!(rig.carriers[&3002].calls_received().is_empty());
    rig.close();
}
