//! See README.md beside this file.

use fsx_test_support::{
    rig::{Bench, Call},
    template::words,
};

#[test]
fn failover_on_503() {
    let Some(bench) = Bench::find("failover-on-503") else { return };
    let mut rig = bench.start(&[
        (3001, "carrier-503.xml"),
        (3002, "carrier-answers.xml"),
        (3009, "carrier-answers.xml"),
    ]);
    let generation = rig.generation();

    rig.call(&Call::default());

    assert_eq!(rig.dialled_at(3001), ["447700900123"]);
    assert_eq!(rig.dialled_at(3002), ["00447700900123"]);
    rig.expect_no_calls(&[3009]);
    let channels = rig.freeswitch.log(&rig.run).matches(" New Channel sofia/").count();
    assert_eq!(channels, 3, "the caller's leg and one an attempt");
    rig.expect_records(&words([("GENERATION", generation.to_string())]));
    rig.close();
}
