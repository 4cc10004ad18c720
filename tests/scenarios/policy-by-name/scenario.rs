//! See README.md beside this file.

use fsx_test_support::rig::{Bench, Call};

#[test]
fn policy_by_name() {
    let Some(bench) = Bench::find("policy-by-name") else { return };
    let mut rig = bench.start(&[(3001, "carrier-answers.xml"), (3002, "carrier-answers.xml")]);
    let _ = rig.generation();

    rig.call(&Call::default());
    assert_eq!(rig.dialled_at(3002), ["00447700900123"]);
    rig.expect_no_calls(&[3001]);

    rig.call(&Call { number: "07700900124", ..Call::default() });
    assert_eq!(rig.dialled_at(3001), ["447700900124"]);

    let file = "caller-refused.xml";
    rig.call(&Call { file, number: "07700900125", status: 603, ..Call::default() });
    assert_eq!((rig.dialled_at(3001).len(), rig.dialled_at(3002).len()), (1, 1));

    let log = rig.freeswitch.log(&rig.run);
    for line in [
        "vip: route by policy of 37@names-1",
        "nobody-has-this: route by fallback of ",
        "credit: reject by policy of 37@names-1",
    ] {
        assert!(log.contains(line), "{line}");
    }
    rig.close();
}
