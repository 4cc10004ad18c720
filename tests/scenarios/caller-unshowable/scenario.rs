//! See README.md beside this file.

use fsx_test_support::rig::{Bench, Call};

#[test]
fn caller_unshowable() {
    let Some(bench) = Bench::find("caller-unshowable") else { return };
    let mut rig = bench.start(&[
        (3001, "carrier-answers.xml"),
        (3002, "carrier-answers.xml"),
        (3009, "carrier-answers.xml"),
    ]);
    let _ = rig.generation();

    let cli = "442079460000%0D%0AX-Evil%3A%20yes";
    rig.call(&Call { cli, ..Call::default() });
    rig.call(&Call { cli, number: "999", ..Call::default() });

    for (gateway, dialled) in [(3001, "447700900123"), (3009, "999")] {
        let calls = rig.carriers[&gateway].calls_received();
        assert_eq!(calls.len(), 1, "gateway {gateway}");
        assert_eq!(calls[0].dialled(), dialled);
        let from = calls[0].header("From").unwrap_or("");
        assert!(from.contains("nonymous"), "gateway {gateway}: {from}");
        assert!(!calls[0].text.contains("Evil"), "gateway {gateway}: {}", calls[0].text);
    }
    rig.expect_no_calls(&[3002]);
    rig.close();
}
