//! See README.md beside this file.

use std::time::Duration;

use fsx_test_support::{
    rig::{Bench, Call},
    wait,
};

/// From a step of the script to its line in a log.
const SOON: Duration = Duration::from_secs(20);

#[test]
fn policy_talks() {
    let Some(bench) = Bench::find("policy-talks") else { return };
    let mut rig = bench.start(&[(3001, "carrier-503.xml"), (3002, "carrier-answers.xml")]);
    // Executed, not only listed.
    let went_on = |log: &str, noted: &str| {
        let line = format!("the dialplan goes on: {noted}");
        log.lines().filter(|l| l.contains("EXECUTE ") && l.contains(&line)).count()
    };
    assert!(rig.freeswitch.api("load mod_tone_stream").contains("+OK"), "no mod_tone_stream");

    let mut caller = rig.begin(&Call { talk: Duration::from_secs(5), ..Call::default() });
    let uuid = wait::until("the switch to ask for digits", SOON, || {
        let log = rig.freeswitch.log(&rig.run);
        let line =
            log.lines().find(|l| l.contains("EXECUTE ") && l.contains(" play_and_get_digits("))?;
        line.split(' ').find(|word| word.len() == 36).map(str::to_owned)
    });
    assert!(rig.freeswitch.api(&format!("uuid_recv_dtmf {uuid} 42")).contains("+OK"));
    assert_eq!(caller.finish(SOON), 0, "SIPp's exit code");
    wait::until("the hook and the end", SOON, || {
        rig.daemon().log().contains("the end, ready=false").then_some(())
    });
    let log = rig.daemon().log();
    for said in [
        "ready true answered true",
        "tone 1",
        "nothing ''",
        "digits '42' second 'two words'",
        "bridge gw3001/447700900123 NORMAL_TEMPORARY_FAILURE",
        "hook 1 hangup NORMAL_CLEARING ready=false",
    ] {
        assert!(log.contains(said), "the policy did not say {said:?}:\n{log}");
    }
    assert!(!log.contains("hook 2"), "the hook ran twice");
    assert_eq!(rig.dialled_at(3001), ["447700900123"]);
    assert_eq!(rig.dialled_at(3002).len(), 1);

    let refused = Call { file: "caller-refused.xml", status: 486, ..Call::default() };
    rig.call(&Call { number: "07700900200", ..refused.clone() });
    let log = rig.daemon().log();
    assert!(log.contains("uuid of 36") && log.contains("hook 1 hangup USER_BUSY"), "{log}");

    rig.call(&Call { number: "07700900300", ..refused });
    assert_eq!(went_on(&rig.freeswitch.log(&rig.run), "here and there"), 1);
    let after = "after Menu::note 07700900300 USER_BUSY";
    wait::until("the hangup phase of a call without a record", SOON, || {
        rig.daemon().log().contains(after).then_some(())
    });
    assert_eq!(rig.daemon().log().matches(after).count(), 1, "it ran twice");

    let mut caller = rig.begin(&Call {
        number: "07700900400",
        talk: Duration::from_secs(10),
        ..Call::default()
    });
    wait::until("the long tone", SOON, || {
        let log = rig.freeswitch.log(&rig.run);
        log.lines()
            .any(|l| l.contains("EXECUTE ") && l.contains("playback(silence_stream://1500)"))
            .then_some(())
    });
    rig.daemon().kill();
    // The switch ends this call; the caller's file expects to do so itself.
    wait::until("the dialplan to go on", SOON, || {
        (went_on(&rig.freeswitch.log(&rig.run), "long") == 1).then_some(())
    });
    let _ = caller.finish(SOON);
    rig.daemon().start();
    wait::until("the call to end", SOON, || (rig.freeswitch.channels() == 0).then_some(()));
    rig.close();
}
