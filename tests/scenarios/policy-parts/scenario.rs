//! See README.md beside this file.

use std::time::Duration;

use fsx_test_support::{
    core_api::{Asked, CoreApi},
    rig::{Bench, Call},
    skip::skip,
    template, wait,
};

/// From a step of the policy to its line in a log.
const SOON: Duration = Duration::from_secs(20);

/// What the Core API gives for the evening: the mailbox, and a number for who has none.
const EVENING: &str = r#"{"rules": [{"when": "fallback",
    "then": {"voicemail": "1003", "skip_greeting": true, "otherwise": {"number": "+447700900123"}}}]}"#;

#[test]
fn policy_parts() {
    let Some(bench) = Bench::find("policy-parts") else { return };
    let core = CoreApi::start(&[
        ("GET /organisations/37/callers", 200, r#"{"name": "Ada Lovelace"}"#),
        ("POST /organisations/37/accounts", 200, r#"{"tier": "gold"}"#),
        ("GET /organisations/37/policies/evening", 200, EVENING),
    ]);
    let mut rig = bench.with(template::words([("CORE_URL", core.url())])).start(&[
        (3001, "carrier-503.xml"),
        (3002, "carrier-answers.xml"),
        (4001, "carrier-486.xml"),
        (4002, "carrier-rings.xml"),
    ]);
    // A load that fails says +OK as well, of the XML that it read anew.
    let _ = rig.freeswitch.api("load mod_voicemail");
    let voicemail = rig.freeswitch.api("module_exists mod_voicemail").trim() == "true";
    let executed = |log: &str, what: &str| {
        log.lines().filter(|l| l.contains("EXECUTE ") && l.contains(what)).count()
    };
    let said = |rig: &mut fsx_test_support::rig::Rig, what: &str| {
        wait::until(what, SOON, || rig.daemon().log().contains(what).then_some(()));
    };
    // Routes are needed.
    let _ = rig.generation();

    let call = Call { file: "caller-keys.xml", number: "02079460100", ..Call::default() };
    let keys = [("key1", "7"), ("key2", "1")];
    let mut caller =
        rig.begin_direct(&Call { talk: Duration::from_secs(6), ..call.clone() }, &keys);
    assert_eq!(caller.finish(SOON), 0, "SIPp's exit code");
    said(&mut rig, "hook hangup NORMAL_CLEARING customer Ada Lovelace");
    said(&mut rig, "hangup phase NORMAL_CLEARING answered true customer Ada Lovelace");
    let log = rig.freeswitch.log(&rig.run);
    assert_eq!(executed(&log, " read("), 2, "the menu was to be heard twice");
    assert_eq!(rig.dialled_at(4001), ["1001"]);
    assert_eq!(rig.dialled_at(4002), ["1002"]);
    assert_eq!(rig.dialled_at(3001), ["447700900123"]);
    assert_eq!(rig.dialled_at(3002), ["00447700900123"]);
    assert!(rig.carriers[&4002].messages().iter().any(|m| m.start_line().starts_with("CANCEL")));

    let keys = [("key1", "2"), ("key2", "5")];
    let mut caller =
        rig.begin_direct(&Call { talk: Duration::from_secs(3), ..call.clone() }, &keys);
    assert_eq!(caller.finish(SOON), 0, "SIPp's exit code");
    said(&mut rig, "account 5 tier gold");
    wait::until("the call to end", SOON, || (rig.freeswitch.channels() == 0).then_some(()));
    let log = rig.freeswitch.log(&rig.run);
    if voicemail {
        assert_eq!(executed(&log, "voicemail(default acme.example 1003)"), 1);
        assert_eq!(rig.dialled_at(3002).len(), 1, "the call was for the mailbox");
    } else {
        skip("policy-parts: the mailbox", "FreeSWITCH has no mod_voicemail");
        assert_eq!(rig.dialled_at(3002).len(), 2);
    }

    let refused = Call { file: "caller-refused.xml", status: 486, number: "02079460300", ..call };
    let mut caller = rig.begin_direct(&refused, &[]);
    assert_eq!(caller.finish(SOON), 0, "SIPp's exit code");
    said(&mut rig, "the line is closed");
    said(&mut rig, "hook hangup USER_BUSY customer nil");

    let asked = core.asked();
    let ask = |method: &str, target: &str, body: &str| Asked {
        method: method.to_owned(),
        target: target.to_owned(),
        body: body.to_owned(),
        key: "platform".to_owned(),
    };
    for expected in [
        ask("GET", "/organisations/37/callers?number=442079460000", ""),
        ask("POST", "/organisations/37/accounts", r#"{"account":"5","caller":"442079460000"}"#),
        ask("GET", "/organisations/37/policies/evening", ""),
    ] {
        assert!(asked.contains(&expected), "{expected:?} was not asked: {asked:#?}");
    }
    wait::until("the last call to end", SOON, || (rig.freeswitch.channels() == 0).then_some(()));
    rig.close();
}
