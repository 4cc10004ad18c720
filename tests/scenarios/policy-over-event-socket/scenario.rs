//! See README.md beside this file.

use std::time::{Duration, Instant};

use fsx_test_support::{
    rig::{Bench, Call},
    template::words,
    wait,
};

const LIMIT: Duration = Duration::from_secs(20);

#[test]
fn policy_over_event_socket() {
    let Some(bench) = Bench::find("policy-over-event-socket") else { return };
    let mut rig = bench.start(&[
        (3001, "carrier-503.xml"),
        (3002, "carrier-answers.xml"),
        (3009, "carrier-answers.xml"),
    ]);
    let generation = rig.generation();
    // Executed, not only listed.
    let went_on = |log: &str| {
        log.lines().filter(|l| l.contains("EXECUTE ") && l.contains("the dialplan goes on")).count()
    };

    rig.call(&Call::default());
    assert_eq!(rig.dialled_at(3001), ["447700900123"]);
    assert_eq!(rig.dialled_at(3002), ["00447700900123"]);
    let log = rig.freeswitch.log(&rig.run);
    assert!(log.contains("rmDecidedBy=outbound policy"), "the policy's variable was not set");
    assert_eq!(went_on(&log), 0, "the policy's answer takes the call over");

    rig.call(&Call { number: "999", ..Call::default() });
    assert_eq!(rig.dialled_at(3009), ["999"]);
    assert_eq!(went_on(&rig.freeswitch.log(&rig.run)), 1);

    rig.daemon().kill();
    rig.call(&Call { number: "07700900124", ..Call::default() });
    assert_eq!(rig.dialled_at(3001), ["447700900123", "447700900124"]);
    assert_eq!(rig.dialled_at(3002), ["00447700900123", "00447700900124"]);

    assert_eq!(went_on(&rig.freeswitch.log(&rig.run)), 2);

    // It hangs, and takes connections all the same: the call stands in `socket` until somebody kills the
    // daemon, as systemd's watchdog does; then it goes on at once.
    rig.daemon().start();
    rig.daemon().hang(true);
    let mut caller = rig.begin(&Call { number: "07700900125", ..Call::default() });
    wait::until("the call to stand in `socket`", LIMIT, || {
        let log = rig.freeswitch.log(&rig.run);
        (log.lines().filter(|l| l.contains("EXECUTE ") && l.contains(" socket(")).count() == 4)
            .then_some(())
    });
    std::thread::sleep(Duration::from_secs(1));
    assert_eq!(rig.dialled_at(3002).len(), 2, "the call waits for the daemon");
    rig.daemon().kill();
    let killed = Instant::now();
    rig.carriers[&3002].wait_for_calls(3, LIMIT);
    assert!(killed.elapsed() < Duration::from_secs(3), "went on after {:?}", killed.elapsed());
    assert_eq!(caller.finish(LIMIT), 0);
    assert_eq!(went_on(&rig.freeswitch.log(&rig.run)), 3);

    rig.daemon().start();
    rig.expect_records(&words([("GENERATION", generation.to_string())]));
    rig.close();
}
