//! See README.md beside this file.

use std::time::Duration;

use fsx_test_support::{
    rig::{Bench, Call},
    template::words,
};

/// How long the policy of organisation 39 sleeps.
const SLEEP: Duration = Duration::from_millis(1_500);

#[test]
fn policy_late() {
    let Some(bench) = Bench::find("policy-late") else { return };
    let mut rig = bench.start(&[(3001, "carrier-answers.xml"), (3002, "carrier-answers.xml")]);
    let generation = rig.generation();

    rig.call(&Call::default());
    assert_eq!(rig.dialled_at(3002), ["00447700900123"]);
    rig.expect_no_calls(&[3001]);

    let mut caller = rig.begin(&Call { number: "07700900124", org: 39, ..Call::default() });
    assert_eq!(caller.finish(Duration::from_secs(20)), 0);
    let waited = rig.carriers[&3001].calls_received()[0].since(&caller.messages()[0]);
    assert!(waited >= Duration::from_millis(150), "the policy was given only {waited:?}");
    assert!(waited < SLEEP, "the call waited for the sleeping policy: {waited:?}");

    rig.call(&Call { number: "07700900125", org: 40, ..Call::default() });
    assert_eq!(rig.dialled_at(3001), ["447700900124", "447700900125"]);
    rig.expect_records(&words([("GENERATION", generation.to_string())]));
    rig.close();
}
