//! Every shipped part in a simulated call, as its authors try it: what `policy run` shows of one is
//! what the parts do.

use serde_json::{Value as Json, json};

use super::tests::{apps, stage};
use super::*;
use crate::policy::bundle::Files;

const MANIFEST: &str = "version = \"1\"\n[call]\ndefault = \"x.lua\"\nNight = \"night.lua:take\"\n";

const NIGHT: &str = "function take(session) session:execute('playback', 'night.wav') end";

/// Runs `options` of `part` for organisation 37; the applications, without variables, and the result.
async fn run(part: &str, options: &str, scene: Json) -> (Vec<String>, String) {
    let script = format!(
        "local result, more = require('fsx.parts.{part}').run(session, {options})
         fsx.log('came to ' .. tostring(result) .. ' ' .. tostring(more))"
    );
    let files = [("manifest.toml", MANIFEST), ("x.lua", &script), ("night.lua", NIGHT)];
    let bundle = Arc::new(Bundle::compile(&Files::of(&files), "37").expect("a bundle"));
    let scene = Scene::from_json(&[scene]).expect("a scene");
    let played = play(&stage(), &bundle, None, &scene).await.expect("played");
    assert_eq!(played.failure, None, "{part} {options}");
    let said = played.steps.iter().rev().find(|step| step.data.starts_with("came to "));
    let said = said.map(|step| step.data.trim_start_matches("came to ").to_owned());
    let mut did = apps(&played);
    let noted = ["set ", "unset ", "multiset "];
    did.retain(|app| !noted.iter().any(|start| app.starts_with(start)));
    (did, said.unwrap_or_default())
}

#[tokio::test]
async fn every_part_runs_in_a_simulated_call() {
    let yes = json!({"module_exists": "true"});
    for (part, options, scene, did, said) in [
        (
            "switchboard",
            "{greeting = 'hi.wav', choices = {['1'] = {user = '1001'}}}",
            json!({"digits": ["1"], "bridges": ["USER_BUSY"], "hang_up": {"during": "read", "time": 2}}),
            &["answer", "read", "bridge [^^;leg_timeout=20]user/1001@37", "read"][..],
            "gone nil",
        ),
        (
            "time_switch",
            "{schedule = {zone = 'Europe/London', hours = {{days = 'sun'}}},
              open = {user = '1'}, closed = {hangup = 'NO_ANSWER'}}",
            json!({}),
            &["hangup NO_ANSWER"],
            "gone nil",
        ),
        (
            "hunt",
            "{members = {'1001', '1002'}}",
            json!({"bridges": ["NO_ANSWER", "USER_BUSY"]}),
            &["bridge [^^;leg_timeout=20]user/1001@37", "bridge [^^;leg_timeout=20]user/1002@37"],
            "busy USER_BUSY",
        ),
        (
            "screening",
            "{deny = {'+4477*'}, refusal = 'no.wav'}",
            json!({}),
            &["answer", "playback no.wav", "hangup CALL_REJECTED"],
            "rejected denied",
        ),
        (
            "voicemail",
            "{voicemail = '1001'}",
            json!({"api": yes}),
            &["answer", "voicemail default 37 1001", "hangup NORMAL_CLEARING"],
            "taken nil",
        ),
        (
            "queue",
            "{queue = 'sales'}",
            json!({"api": yes, "apps": {"callcenter": {"vars": {"cc_cause": "answered"}}}}),
            &["answer", "callcenter sales@37"],
            "taken nil",
        ),
        (
            "queue",
            "{queue = 'sales', kind = 'fifo'}",
            json!({"api": yes, "apps": {"fifo": {"vars": {"fifo_status": "TIMEOUT"}}}}),
            &["answer", "fifo sales@37 in undef undef"],
            "timeout nil",
        ),
        (
            "get_info",
            "{prompt = 'pin.wav', min = 4, max = 4, variable = 'my_pin'}",
            json!({"digits": ["1234"]}),
            &["answer", "read"],
            "1234 nil",
        ),
        ("to_policy", "{policy = 'Night'}", json!({}), &["playback night.wav"], "taken nil"),
        (
            "document",
            "{document = {rules = {{when = 'fallback', ['then'] = {user = '1'}, set = {my_note = 'x', rmOrgID = '1'}}}}}",
            json!({"bridges": ["answered"]}),
            &["bridge [^^;leg_timeout=20]user/1@37", "hangup NORMAL_CLEARING"],
            "taken SUCCESS",
        ),
    ] {
        let (ran, came) = run(part, options, scene).await;
        let ran: Vec<String> = ran
            .iter()
            .map(|app| if app.starts_with("read ") { "read".to_owned() } else { app.clone() })
            .collect();
        assert_eq!(
            (ran, came.as_str()),
            (did.iter().map(|s| (*s).to_owned()).collect(), said),
            "{part}"
        );
    }
}

#[tokio::test]
async fn recording_is_begun_and_ended() {
    let script = "local record = require('fsx.parts.record')
        local result, recording = record.start(session, {consent = {mode = 'press', prompt = 'may-we.wav'}})
        fsx.log('came to ' .. result)
        record.stop(session, recording)";
    let files = [("manifest.toml", MANIFEST), ("x.lua", script), ("night.lua", NIGHT)];
    let bundle = Arc::new(Bundle::compile(&Files::of(&files), "37").expect("a bundle"));
    let scene = Scene::from_json(&[json!({"digits": ["1"]})]).expect("a scene");
    let played = play(&stage(), &bundle, None, &scene).await.expect("played");
    assert_eq!(played.failure, None);
    let ran = apps(&played);
    for start in ["record_session /37/", "stop_record_session /37/"] {
        assert!(ran.iter().any(|app| app.starts_with(start)), "{start}: {ran:?}");
    }
    assert_eq!(played.vars.get("fsx_recording").map(String::as_str), Some("on"));
}
