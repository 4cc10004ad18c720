//! See README.md beside this file.

use std::{fs, time::Duration};

use fsx_test_support::{
    rig::{Bench, Call},
    template::words,
    wait,
};

#[test]
fn daemon_hung() {
    let Some(bench) = Bench::find("daemon-hung") else { return };
    let mut rig = bench.start(&[(3001, "carrier-answers.xml"), (3002, "carrier-answers.xml")]);
    let generation = rig.generation();
    let spool = rig.daemon().file("spool/freeswitch.jsonl");
    rig.call(&Call::default());
    let _ = rig.daemon().wait_for_records(1, Duration::from_secs(10));

    rig.daemon().hang(true);
    let mut caller = rig.begin(&Call { number: "07700900124", ..Call::default() });
    assert_eq!(caller.finish(Duration::from_secs(20)), 0);
    let waited = rig.carriers[&3001].calls_received()[0].since(&caller.messages()[0]);
    assert!(waited >= Duration::from_millis(150), "the policy was given only {waited:?}");
    assert!(waited < Duration::from_secs(1), "the call waited {waited:?} for a hung daemon");
    wait::until("the record in the spool", Duration::from_secs(10), || {
        fs::read_to_string(&spool).unwrap_or_default().contains("07700900124").then_some(())
    });

    rig.daemon().hang(false);
    wait::until("the spool to be taken", Duration::from_secs(10), || {
        fs::read_to_string(&spool).unwrap_or_default().is_empty().then_some(())
    });
    rig.call(&Call { number: "07700900125", ..Call::default() });

    assert_eq!(rig.dialled_at(3001), ["447700900124"]);
    assert_eq!(rig.dialled_at(3002), ["00447700900123", "00447700900125"]);
    rig.expect_records(&words([("GENERATION", generation.to_string())]));
    rig.close();
}
