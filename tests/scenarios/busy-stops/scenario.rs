//! See README.md beside this file.

use fsx_test_support::{
    rig::{Bench, Call},
    template::words,
};

#[test]
fn busy_stops() {
    let Some(bench) = Bench::find("busy-stops") else { return };
    let mut rig = bench.start(&[
        (3001, "carrier-486.xml"),
        (3002, "carrier-answers.xml"),
        (3009, "carrier-answers.xml"),
    ]);
    let generation = rig.generation();

    rig.call(&Call { file: "caller-refused.xml", status: 486, ..Call::default() });

    assert_eq!(rig.dialled_at(3001), ["447700900123"]);
    rig.expect_records(&words([("GENERATION", generation.to_string())]));
    rig.expect_no_calls(&[3002, 3009]);
    rig.close();
}
