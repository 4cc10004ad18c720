//! See README.md beside this file.

use std::time::{Duration, Instant};

use fsx_test_support::{
    rig::{Bench, Call},
    wait,
};

/// From a step to its trace.
const SOON: Duration = Duration::from_secs(20);

/// Calls of the organisation that behaves.
const GOOD: usize = 10;

/// The script of tricks, and the bombs.
const NUMBERS: [&str; 6] =
    ["07700900600", "07700900601", "07700900602", "07700900603", "07700900604", "07700900605"];

#[test]
fn policy_untrusted() {
    let Some(bench) = Bench::find("policy-untrusted") else { return };
    let mut rig = bench.start(&[(3001, "carrier-answers.xml")]);
    let _ = rig.generation();

    let good = Call {
        number: "07700900700",
        calls: GOOD as u32,
        rate: 10,
        talk: Duration::from_secs(10),
        ..Call::default()
    };
    let mut others = rig.begin_direct(&good, &[]);
    wait::until("the other organisation's calls", SOON, || {
        (rig.freeswitch.channels() >= GOOD).then_some(())
    });

    let attack = Call { talk: Duration::from_secs(9), ..Call::default() };
    let mut attacks = vec![rig.begin_direct(&Call { number: NUMBERS[0], ..attack.clone() }, &[])];
    rig.carriers[&3001].wait_for_calls(1, SOON);
    let began = Instant::now();
    let bombs = NUMBERS[1..].iter().map(|number| Call { number, ..attack.clone() });
    attacks.extend(bombs.map(|call| rig.begin_direct(&call, &[])).collect::<Vec<_>>());
    // Every one of them goes on, with the platform's plan, while its caller is still there.
    rig.carriers[&3001].wait_for_calls(NUMBERS.len(), SOON);
    assert!(began.elapsed() < Duration::from_secs(9), "stopped after {:?}", began.elapsed());
    assert!(rig.freeswitch.channels() > GOOD, "the others talk");
    for caller in attacks.iter_mut().chain([&mut others]) {
        assert_eq!(caller.finish(SOON), 0, "SIPp's exit code");
    }

    let mut dialled = rig.dialled_at(3001);
    dialled.sort();
    let expected: Vec<String> =
        NUMBERS.iter().map(|number| format!("44{}", &number[1..])).collect();
    assert_eq!(dialled, expected, "the carrier's numbers are the callers' own");

    wait::until("the good calls' ends", SOON, || {
        let log = rig.daemon().log();
        (log.matches("good call over after turns enough").count() == GOOD).then_some(())
    });
    let log = rig.daemon().log();
    assert!(!log.contains("NOT REFUSED"), "{log}");
    assert!(log.contains("through 0"), "the script of tricks came to its end");
    for n in 1..NUMBERS.len() {
        // By what depends on who else is in the machine: an organisation's runs share its memory.
        let task = format!("Main::bomb{n}");
        let stopped = |line: &str| line.contains(&task) && line.contains("policy: stopped");
        assert!(log.lines().any(stopped), "{task} was to be stopped\n{log}");
    }

    let log = rig.freeswitch.log(&rig.run);
    let executed = |what: &str| log.lines().any(|l| l.contains("EXECUTE ") && l.contains(what));
    for what in [
        " system(",
        " bgsystem(",
        " transfer(",
        "_nolocal_",
        "sip_invite_req_uri=",
        "fsx_gateway_id=",
        "elsewhere",
        "passwd",
        "good.example 1001",
        "rmOrgID=38 api",
    ] {
        assert!(!executed(what), "{what} reached the switch");
    }
    let went_on = "the dialplan goes on: org 37 gateway [] request [] exported [] note [still mine] policy [37@1]";
    assert!(log.contains(went_on), "{went_on}");
    wait::until("all calls to end", SOON, || (rig.freeswitch.channels() == 0).then_some(()));
    rig.close();
}
