//! See README.md beside this file.

use fsx_test_support::{
    rig::{Bench, Call},
    template::words,
};

#[test]
fn carrier_silent() {
    let Some(bench) = Bench::find("carrier-silent") else { return };
    let mut rig = bench.start(&[(3001, "carrier-silent.xml"), (3002, "carrier-answers.xml")]);
    let generation = rig.generation();

    rig.call(&Call::default());

    assert_eq!(rig.dialled_at(3001), ["447700900123"]);
    assert_eq!(rig.dialled_at(3002), ["00447700900123"]);
    let record = &rig.expect_records(&words([("GENERATION", generation.to_string())]))[0];
    let first = &record["attempts"][0];
    let took = first["ended_ms"].as_i64().unwrap_or(0) - first["started_ms"].as_i64().unwrap_or(0);
    assert!((1_900..4_000).contains(&took), "the silent attempt took {took} ms");
    rig.close();
}
