//! Each part by its options, in the middle of every step, and with options that are wrong.

use std::time::{Duration, Instant};

use tokio::io::AsyncWriteExt as _;

use super::super::tests::LONG;
use super::*;

const MENU: &str = "{greeting = 'hi.wav', greeting_short = 'hi2.wav', invalid = 'bad.wav',
    timeout = 'slow.wav', goodbye = 'bye.wav', timeout_ms = 3000, digit_timeout_ms = 1500,
    max_timeouts = 2, max_invalid = 2, max_turns = 6,
    choices = {['1'] = {user = '1001'}, ['#'] = 'back', ['12'] = 'continue', ['9'] = 'again',
               ['0'] = function(s, digits) s:execute('playback', 'f' .. digits) return false end,
               ['5'] = {play = 'five.wav', otherwise = {hangup = 'CALL_REJECTED'}},
               ['6'] = {{user = '1'}, {user = '2'}, {hangup = 'USER_BUSY'}},
               ['7'] = {policy = 'Night'}},
    extensions = {min = 3, max = 4, to = function(s, digits) s:execute('playback', 'x' .. digits) return 'taken' end}}";

#[tokio::test]
async fn a_switchboard() {
    for (presses, bridges, expected) in [
        // A choice that is taken ends the call.
        (&["1"][..], &["SUCCESS"][..], &["bridge [^^;leg_timeout=20]user/1001@37"][..]),
        // Nobody took it: the menu again, by its short greeting.
        (
            &["1", "", ""],
            &["USER_BUSY"],
            &[
                "bridge [^^;leg_timeout=20]user/1001@37",
                "read 1 4 hi2.wav",
                "playback slow.wav",
                "read 1 4 hi2.wav",
                "playback bye.wav",
                "hangup NORMAL_CLEARING",
            ],
        ),
        (
            &["44", "8"],
            &[],
            &["playback bad.wav", "read 1 4 hi2.wav", "playback bye.wav", "hangup NORMAL_CLEARING"],
        ),
        // The one terminator there is, as a choice.
        (&["#"], &[], &["playback back.nil"]),
        (&["12"], &[], &["playback continue.12"]),
        (&["1234"], &[], &["playback x1234", "playback taken.nil"]),
        (
            &["0", "12"],
            &[],
            // "continue" of a function leaves the menu to the script.
            &["playback f0", "playback continue.0"],
        ),
        (&["5"], &[], &["playback five.wav", "hangup CALL_REJECTED"]),
        (
            &["6"],
            &["NO_ANSWER", "USER_BUSY"],
            &[
                "bridge [^^;leg_timeout=20]user/1@37",
                "bridge [^^;leg_timeout=20]user/2@37",
                "hangup USER_BUSY",
            ],
        ),
        (&["7"], &[], &["playback night.wav", "playback taken.keep"]),
        (
            &["9", "9", "9", "9", "9", "9", "9"],
            &[],
            &[
                "read 1 4 hi2.wav",
                "read 1 4 hi2.wav",
                "read 1 4 hi2.wav",
                "read 1 4 hi2.wav",
                "read 1 4 hi2.wav",
                "playback bye.wav",
                "hangup NORMAL_CLEARING",
            ],
        ),
    ] {
        let scene = Scene { presses: words(presses), bridges: words(bridges), ..Scene::default() };
        let did = says("switchboard", MENU, scene).await;
        assert_eq!(did[..2], ["answer", "read 1 4 hi.wav"], "{presses:?}");
        assert_eq!(did[2..], *expected, "{presses:?}");
    }
    // A greeting that is not there still leaves time to press something.
    let scene = Scene { presses: words(&["12"]), missing: "hi.wav", ..Scene::default() };
    let did = says("switchboard", MENU, scene).await;
    let expected =
        ["answer", "read 1 4 hi.wav", "read 1 4 silence_stream://10", "playback continue.12"];
    assert_eq!(did, expected);
    // No answer first.
    let early =
        "{greeting = 'a.wav', answer = false, max_timeouts = 1, choices = {['1'] = 'back'}}";
    let did = says("switchboard", early, Scene::default()).await;
    assert_eq!(did, ["read 1 1 a.wav", "playback timeout.nil"]);
}

#[tokio::test]
async fn a_hunt() {
    const ALL: &str = "{members = {'1001', '1002', {user = '1003', ring_timeout_ms = 5500}}, MORE}";
    let one = |n: u32| format!("bridge [^^;leg_timeout=20]user/100{n}@37");
    let third = "bridge [^^;leg_timeout=6]user/1003@37".to_owned();
    let words_of = |list: &[&str]| words(list);
    for (more, bridges, expected) in [
        ("", &["USER_BUSY", "NO_ANSWER", "CALL_REJECTED"][..], vec![
            one(1), one(2), third.clone(), "playback busy.USER_BUSY".into(),
        ]),
        ("on_busy = 'stop'", &["USER_BUSY"], vec![one(1), "playback busy.USER_BUSY".into()]),
        ("on_no_answer = 'stop'", &["NO_ANSWER"], vec![
            one(1), "playback no_answer.NO_ANSWER".into(),
        ]),
        ("on_rejected = 'stop'", &["CALL_REJECTED"], vec![
            one(1), "playback rejected.CALL_REJECTED".into(),
        ]),
        ("after = 'continue'", &["USER_NOT_REGISTERED", "SUCCESS"], vec![
            one(1), one(2), "playback taken.SUCCESS".into(),
        ]),
        ("rounds = 2", &["NO_ANSWER", "NO_ANSWER", "NO_ANSWER", "NO_ANSWER", "SUCCESS"], vec![
            one(1), one(2), third.clone(), one(1), one(2),
        ]),
        // Nobody can be reached at all: once is enough.
        ("rounds = 9", &["USER_NOT_REGISTERED", "SUBSCRIBER_ABSENT", "DESTINATION_OUT_OF_ORDER"], vec![
            one(1), one(2), third.clone(), "playback unreachable.USER_NOT_REGISTERED".into(),
        ]),
        ("announce = 'hold.wav', otherwise = {voicemail = '1001'}", &[], vec![
            "answer".into(), "playback hold.wav".into(), one(1), one(2), third.clone(),
            "module_exists mod_voicemail".into(), "voicemail default 37 1001".into(),
            "hangup NORMAL_CLEARING".into(),
        ]),
        ("strategy = 'enterprise'", &["USER_BUSY"], vec![
            "bridge [^^;leg_timeout=20]user/1001@37:_:[^^;leg_timeout=20]user/1002@37:_:\
             [^^;leg_timeout=6]user/1003@37".into(),
            "playback busy.USER_BUSY".into(),
        ]),
        ("ring_timeout_ms = 1001, confirm = {prompt = {'a.wav', 'b.wav'}, key = '9', timeout_ms = 2500}",
         &["SUCCESS"], vec![
            "bridge [^^;leg_timeout=2;group_confirm_key=9;group_confirm_file=file_string://a.wav!b.wav;\
             group_confirm_timeout=3]user/1001@37".into(),
        ]),
    ] {
        let options = ALL.replace("MORE", more);
        let scene = Scene { bridges: words_of(bridges), ..Scene::default() };
        assert_eq!(says("hunt", &options, scene).await, expected, "{more}");
    }
    // Its own domain, and no other's.
    let more = "variable_domain_name: acme.example\n";
    let scene = || Scene { more: more.to_owned(), ..Scene::default() };
    let did = says("hunt", "{members = {'1001'}}", scene()).await;
    assert_eq!(did[0], "bridge [^^;leg_timeout=20]user/1001@acme.example");
    let did = says("hunt", "{members = {{user = '1', domain = 'other.example'}}}", scene()).await;
    assert!(did.is_empty(), "{did:?}");
    // A number, before any routing data is there.
    let did = says("hunt", "{members = {'+447700900123'}}", Scene::default()).await;
    assert_eq!(did, ["playback failed.nil"]);
}

#[tokio::test]
async fn what_the_switch_is_told_before_a_hunt() {
    let rig = rig(&saying("hunt", "{members = {'1'}, timeout_ms = 30000}")).await;
    let mut stream = call(rig.address).await;
    let described = reply("t", "variable_rmHCDCode: 44\n");
    stream.write_all(described.as_bytes()).await.expect("sent");
    let mut switch = Switch::on(stream);
    while let Some(said) = switch.hear().await {
        if matches!(&said, Said::Run(app, _) if app == "bridge") {
            for (name, value) in [
                ("continue_on_fail", "true"),
                ("hangup_after_bridge", "true"),
                ("ignore_early_media", "true"),
                ("call_timeout", "30"),
                ("ringback", "%(400,200,400,450);%(400,2000,400,450)"),
                ("transfer_ringback", "%(400,200,400,450);%(400,2000,400,450)"),
            ] {
                assert_eq!(switch.vars.get(name).map(String::as_str), Some(value), "{name}");
            }
            return;
        }
        assert!(switch.obey(&said).await);
    }
    panic!("no bridge");
}

#[tokio::test]
async fn voicemail_and_queues() {
    for (part, options, scene, expected) in [
        (
            "voicemail",
            "{voicemail = '1001', announce = 'a.wav', profile = 'p', after = 'continue'}",
            Scene::default(),
            &[
                "module_exists mod_voicemail",
                "answer",
                "playback a.wav",
                "voicemail p 37 1001",
                "playback taken.nil",
            ][..],
        ),
        (
            "voicemail",
            "{voicemail = '1001'}",
            Scene { modules: false, ..Scene::default() },
            &["module_exists mod_voicemail", "playback unavailable.nil"],
        ),
        (
            "voicemail",
            "{voicemail = '1001', otherwise = {hangup = 'NO_ANSWER'}}",
            Scene { modules: false, ..Scene::default() },
            &["module_exists mod_voicemail", "hangup NO_ANSWER"],
        ),
        (
            "queue",
            "{queue = 'sales'}",
            Scene { queue: "answered".into(), ..Scene::default() },
            &[
                "module_exists mod_callcenter",
                "answer",
                "callcenter sales@37",
                "playback taken.nil",
            ],
        ),
        // Somebody takes it: the two are connected once the script has let go of it.
        (
            "queue",
            "{queue = 'sales', kind = 'fifo'}",
            Scene { queue: "WAITING".into(), ..Scene::default() },
            &[
                "module_exists mod_fifo",
                "answer",
                "fifo sales@37 in undef undef",
                "playback taken.nil",
            ],
        ),
        (
            "queue",
            "{queue = 'sales'}",
            Scene { queue: "TIMEOUT".into(), ..Scene::default() },
            &[
                "module_exists mod_callcenter",
                "answer",
                "callcenter sales@37",
                "playback timeout.nil",
            ],
        ),
        (
            "queue",
            "{queue = 'sales'}",
            Scene { queue: "NO_AGENT_TIMEOUT".into(), ..Scene::default() },
            &[
                "module_exists mod_callcenter",
                "answer",
                "callcenter sales@37",
                "playback no_agents.nil",
            ],
        ),
        (
            "queue",
            "{queue = 'sales', exit_key = '0'}",
            Scene { queue: "EXIT_WITH_KEY".into(), ..Scene::default() },
            &["module_exists mod_callcenter", "answer", "callcenter sales@37", "playback exit.0"],
        ),
        // A queue that the switch does not know.
        (
            "queue",
            "{queue = 'sales'}",
            Scene::default(),
            &[
                "module_exists mod_callcenter",
                "answer",
                "callcenter sales@37",
                "playback unavailable.nil",
            ],
        ),
        (
            "queue",
            "{queue = 'sales', kind = 'fifo', timeout_ms = 30000, priority = 2, music = 'local_stream://moh'}",
            Scene { queue: "TIMEOUT".into(), ..Scene::default() },
            &[
                "module_exists mod_fifo",
                "answer",
                "fifo sales@37 in undef local_stream://moh",
                "playback timeout.nil",
            ],
        ),
        (
            "queue",
            "{queue = 'sales', kind = 'fifo', exit_key = '0'}",
            Scene { queue: "ABORTED".into(), ..Scene::default() },
            &[
                "module_exists mod_fifo",
                "answer",
                "fifo sales@37 in undef undef",
                "playback exit.0",
            ],
        ),
    ] {
        assert_eq!(says(part, options, scene).await, *expected, "{part} {options}");
    }
}

#[tokio::test]
async fn digits_are_checked() {
    const ASK: &str =
        "{prompt = 'ask.wav', min = 2, max = 5, invalid = 'bad.wav', timeout = 'slow.wav', MORE}";
    for (more, presses, expected) in [
        (
            "",
            &["1", "", "12"][..],
            &[
                "playback bad.wav",
                "read 1 5 ask.wav",
                "playback slow.wav",
                "read 1 5 ask.wav",
                "playback 12.nil",
            ][..],
        ),
        ("tries = 1", &["1"], &["playback nil.invalid"]),
        (
            "tries = 2",
            &["", ""],
            &["playback slow.wav", "read 1 5 ask.wav", "playback nil.timeout"],
        ),
        (
            "pattern = '%d+5', tries = 2",
            &["12", "15"],
            &["playback bad.wav", "read 1 5 ask.wav", "playback 15.nil"],
        ),
        ("only = {'12', '13'}, tries = 1", &["14"], &["playback nil.invalid"]),
        ("only = {'12', '13'}", &["13"], &["playback 13.nil"]),
        (
            "validate = function(d) return d == '77', 'own.wav' end",
            &["78", "77"],
            &["playback own.wav", "read 1 5 ask.wav", "playback 77.nil"],
        ),
        (
            "read_back = {before = 'you.wav', after = 'ok.wav', yes = '1'}",
            &["12", "2", "13", "1"],
            &[
                "playback you.wav",
                "say en number iterated 12",
                "read 1 1 ok.wav",
                "playback bad.wav",
                "read 1 5 ask.wav",
                "playback you.wav",
                "say en number iterated 13",
                "read 1 1 ok.wav",
                "playback 13.nil",
            ],
        ),
        ("tries = 1, otherwise = {hangup = 'CALL_REJECTED'}", &["1"], &["hangup CALL_REJECTED"]),
        ("answer = false", &["12"], &["playback 12.nil"]),
    ] {
        let options = ASK.replace("MORE", more);
        let scene = Scene { presses: words(presses), ..Scene::default() };
        let did = says("get_info", &options, scene).await;
        let start = usize::from(!more.contains("answer = false"));
        assert_eq!(did[start], "read 1 5 ask.wav", "{more}");
        assert_eq!(did[start + 1..], *expected, "{more}");
    }
}

#[tokio::test]
async fn recording_with_consent() {
    const FILE: &str = "record_session ${recordings_dir}/37/2a1c6d1e.wav {RECORD_STEREO=true}";
    for (options, presses, expected) in [
        ("{}", &[][..], &[FILE, "playback played.table-"][..]),
        (
            "{stereo = false, name = 'x-1', format = 'mp3', max_ms = 1500}",
            &[],
            &["record_session ${recordings_dir}/37/x-1.mp3 +2", "playback played.table-"],
        ),
        (
            "{stereo = false, min_ms = 2000, bridged_only = true, beep = true}",
            &[],
            &[
                "playback tone_stream://%(200,0,800)",
                "record_session ${recordings_dir}/37/2a1c6d1e.wav {RECORD_BRIDGE_REQ=true,RECORD_MIN_SEC=2}",
                "playback played.table-",
            ],
        ),
        (
            "{consent = {prompt = 'c.wav'}}",
            &[],
            &["answer", "playback c.wav", FILE, "playback played.table-"],
        ),
        (
            "{consent = {prompt = 'c.wav', mode = 'press'}}",
            &["1"],
            &["answer", "read 1 1 c.wav", FILE, "playback played.table-"],
        ),
        (
            "{consent = {prompt = 'c.wav', mode = 'press'}}",
            &["2"],
            &["answer", "read 1 1 c.wav", "playback played.nil"],
        ),
        (
            "{consent = {prompt = 'c.wav', mode = 'press', tries = 2}}",
            &["", ""],
            &["answer", "read 1 1 c.wav", "read 1 1 c.wav", "playback played.nil"],
        ),
        (
            "{consent = {prompt = 'c.wav', mode = 'refuse', key = '9'}}",
            &["9"],
            &["answer", "read 1 1 c.wav", "playback played.nil"],
        ),
        (
            "{consent = {prompt = 'c.wav', mode = 'refuse', key = '9'}}",
            &[""],
            &["answer", "read 1 1 c.wav", FILE, "playback played.table-"],
        ),
        (
            "{consent = {prompt = 'c.wav', mode = 'press', tries = 1}, otherwise = {hangup = 'CALL_REJECTED'}}",
            &[],
            &["answer", "read 1 1 c.wav", "hangup CALL_REJECTED"],
        ),
    ] {
        let scene = Scene { presses: words(presses), ..Scene::default() };
        let did: Vec<String> = says("record", options, scene)
            .await
            .into_iter()
            .map(|deed| {
                // A table says where it lies.
                match deed.find("table-") {
                    Some(at) => deed[..at + 6].to_owned(),
                    None => deed,
                }
            })
            .collect();
        assert_eq!(did, *expected, "{options} {presses:?}");
    }
}

#[tokio::test]
async fn one_policy_hands_over_to_another() {
    let did = says("to_policy", "{policy = 'Night', arguments = {'a'}}", Scene::default()).await;
    assert_eq!(did, ["playback night.wav", "playback taken.keep"]);
    let did = says("to_policy", "{policy = 'None'}", Scene::default()).await;
    assert_eq!(did.len(), 1);
    assert!(did[0].starts_with("playback unknown.bundle-37-has-no-task"), "{did:?}");
    let did = says(
        "to_policy",
        "{policy = 'None', otherwise = {hangup = 'USER_BUSY'}}",
        Scene::default(),
    )
    .await;
    assert_eq!(did, ["hangup USER_BUSY"]);
    // One that hands the call to itself is stopped.
    let did = says("to_policy", "{policy = 'Echo'}", Scene::default()).await;
    assert_eq!(did, ["hangup EXCHANGE_ROUTING_ERROR"]);
}

/// Every part, in the middle of every command: the conversation ends, and soon.
#[tokio::test]
async fn a_caller_may_hang_up_in_any_step() {
    let busy = words(&["USER_BUSY", "USER_BUSY", "USER_BUSY"]);
    for (part, options) in [
        ("switchboard", MENU),
        (
            "hunt",
            "{members = {'1', '2'}, announce = 'a.wav', rounds = 3, otherwise = {voicemail = '1'}}",
        ),
        ("voicemail", "{voicemail = '1', announce = 'a.wav'}"),
        ("queue", "{queue = 'q', announce = 'a.wav', otherwise = {play = 'x.wav'}}"),
        ("queue", "{queue = 'q', kind = 'fifo', otherwise = {play = 'x.wav'}}"),
        ("get_info", "{prompt = 'a.wav', invalid = 'b.wav', read_back = {after = 'c.wav'}}"),
        ("record", "{beep = true, consent = {mode = 'press', prompt = 'a.wav'}}"),
        ("to_policy", "{policy = 'Night'}"),
    ] {
        let rig = rig(&saying(part, options)).await;
        for lingers in [true, false] {
            for at in 1.. {
                let scene = Scene {
                    presses: words(&["1", "44", "6", ""]),
                    bridges: busy.clone(),
                    hangs_up_at: Some(at),
                    lingers,
                    ..Scene::default()
                };
                let started = Instant::now();
                let (did, gone) = talk(&rig, &scene).await;
                assert!(started.elapsed() < Duration::from_secs(3), "{part} at {at}: {did:?}");
                if !gone {
                    assert!(at > 2, "{part} was over at once: {did:?}");
                    break;
                }
            }
        }
        assert!(rig.stopper.drain(LONG).await, "{part}: a conversation is left");
    }
}

/// Wrong options are named with their path, before the call is touched.
#[tokio::test]
async fn wrong_options_are_met_before_the_call() {
    for (part, options, expected) in [
        ("switchboard", "{}", "switchboard: greeting: is missing"),
        ("switchboard", "{greeting = 'a'}", "switchboard: has neither choices nor extensions"),
        (
            "switchboard",
            "{greeting = 'a', choices = {x = 'back'}}",
            "switchboard: choices.x: expected 1 to 8 of the keys 0-9, * and #",
        ),
        (
            "switchboard",
            "{greeting = 'a', choices = {['1'] = {usr = '1'}}}",
            "switchboard: choices.1: says nothing",
        ),
        (
            "switchboard",
            "{greeting = 'a', choices = {['1'] = {user = '1', queue = 'x'}}}",
            "switchboard: choices.1: is both",
        ),
        (
            "switchboard",
            "{greeting = 'a', timout = 1, choices = {['1'] = 'back'}}",
            "switchboard: timout: is not known",
        ),
        (
            "switchboard",
            "{greeting = \"a'b\", choices = {['1'] = 'back'}}",
            "switchboard: greeting: is no sound",
        ),
        (
            "switchboard",
            "{greeting = 'a', timeout_ms = 1, choices = {['1'] = 'back'}}",
            "switchboard: timeout_ms: 1, expected 1000 to 60000",
        ),
        (
            "switchboard",
            "{greeting = 'a', timeout_ms = 0/0, choices = {['1'] = 'back'}}",
            "switchboard: timeout_ms:",
        ),
        (
            "switchboard",
            "{greeting = 'a', timeout_ms = '5', choices = {['1'] = 'back'}}",
            "switchboard: timeout_ms: expected milliseconds, got text",
        ),
        (
            "switchboard",
            "{greeting = 'a', extensions = {min = 5, max = 3}}",
            "switchboard: extensions.min: is more than max",
        ),
        ("switchboard", "5", "switchboard: expected a table of options, got number"),
        (
            "switchboard",
            "(function() local m = {greeting = 'a'} m.choices = {['1'] = {menu = m}} return m end)()",
            "is nested more than 16 deep",
        ),
        ("hunt", "{members = {}}", "hunt: members: 0 of them, expected at least 1"),
        ("hunt", "{members = {'a b'}}", "hunt: members[1].user: expected letters"),
        (
            "hunt",
            "{members = {{user = '1', number = '2'}}}",
            "hunt: members[1]: expected either a user or a number",
        ),
        (
            "hunt",
            "{members = {'1'}, strategy = 'fast'}",
            "hunt: strategy: expected one of sequential, simultaneous, enterprise, got \"fast\"",
        ),
        ("hunt", "{members = {'1'}, confirm = {}}", "hunt: confirm.prompt: is missing"),
        ("hunt", "{members = {'1', nil, '3'}}", "hunt: members:"),
        ("hunt", "{members = {'1'}, caller_id = {name = 'a,b'}}", "hunt: caller_id.name: expected"),
        ("voicemail", "{voicemail = '../x'}", "voicemail: voicemail: expected"),
        ("queue", "{queue = 'a@b'}", "queue: queue: expected"),
        ("queue", "{queue = 'a', timeout_ms = 5000}", "queue: timeout_ms: is for kind fifo"),
        ("get_info", "{prompt = 'a', pattern = '['}", "get_info: pattern: is no Lua pattern"),
        ("get_info", "{prompt = 'a', min = 9, max = 2}", "get_info: min: is more than max"),
        ("record", "{name = '../../x'}", "record: name: expected"),
        ("record", "{consent = {}}", "record: consent.prompt: is missing"),
        ("to_policy", "{}", "to_policy: policy: is missing"),
    ] {
        let script = format!(
            "local part = require 'fsx.parts.{part}'
             local ok, why = pcall(part.run, session, {options})
             assert(not ok)
             why = tostring(why)
             if why:find({expected:?}, 1, true) then session:execute('playback', 'right')
             else fsx.log(why) error(why) end"
        );
        let did = once(&script, Scene::default()).await;
        assert_eq!(did, ["playback right"], "{part} {options}");
    }
}
