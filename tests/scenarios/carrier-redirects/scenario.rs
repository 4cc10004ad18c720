//! See README.md beside this file.

use std::time::Duration;

use fsx_test_support::{
    rig::{Bench, Call},
    template::words,
};

#[test]
fn carrier_redirects() {
    let Some(bench) = Bench::find("carrier-redirects") else { return };
    let mut rig = bench.start(&[
        (3001, "carrier-redirects.xml 127.0.0.1"),
        (3002, "carrier-answers.xml"),
        (3003, "carrier-redirects.xml elsewhere.invalid"),
        (3009, "carrier-answers.xml"),
    ]);
    let generation = rig.generation();

    rig.call(&Call::default());
    rig.call(&Call { number: "07701900123", ..Call::default() });

    assert_eq!(rig.dialled_at(3001), ["447700900123"]);
    assert_eq!(rig.dialled_at(3003), ["447701900123"]);
    assert_eq!(rig.dialled_at(3002), ["00447700900123", "00447701900123"]);
    rig.expect_no_calls(&[3009]);
    let log = rig.freeswitch.log(&rig.run);
    assert!(!log.contains("Redirect: Transfering to"), "the caller's leg was moved");
    rig.expect_records(&words([("GENERATION", generation.to_string())]));

    rig.daemon().deck.run(
        "UPDATE CarrierGateway SET ChannelVars = 'outbound_redirect_fatal=false' WHERE ID = 3001",
    );
    let _ = rig.wait_for_generation_after(generation, Duration::from_secs(10));
    rig.call(&Call { number: "07700900124", ..Call::default() });
    assert_eq!(rig.dialled_at(3009), ["999"], "what the carrier chose");
    rig.close();
}
