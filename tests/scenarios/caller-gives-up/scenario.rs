//! See README.md beside this file.

use fsx_test_support::{
    rig::{Bench, Call},
    template::words,
};

#[test]
fn caller_gives_up() {
    let Some(bench) = Bench::find("caller-gives-up") else { return };
    let mut rig = bench.start(&[(3001, "carrier-rings.xml"), (3002, "carrier-answers.xml")]);
    let generation = rig.generation();

    rig.call(&Call { file: "caller-gives-up.xml", ..Call::default() });

    assert_eq!(rig.dialled_at(3001), ["447700900123"]);
    rig.expect_records(&words([("GENERATION", generation.to_string())]));
    rig.expect_no_calls(&[3002]);
    rig.close();
}
