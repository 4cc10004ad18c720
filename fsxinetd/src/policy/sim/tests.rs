//! Simulated calls are live calls with another switch.

use std::sync::Arc;

use serde_json::json;

use super::*;
use crate::policy::bundle::Files;

pub(super) fn bundle(name: &str, files: &[(&str, &str)]) -> Arc<Bundle> {
    Arc::new(Bundle::compile(&Files::of(files), name).expect("a bundle"))
}

fn one(text: &str) -> Arc<Bundle> {
    let manifest =
        "version = \"1\"\n[call]\ndefault = \"x.lua\"\n[route]\ndefault = \"x.lua:decide\"\n";
    bundle("default", &[("manifest.toml", manifest), ("x.lua", text)])
}

/// Generous, so that a slow machine fails no script that behaves.
pub(super) fn stage() -> Stage {
    let policy = config::Policy {
        route_budget_ms: 20_000,
        call_budget_ms: 20_000,
        cpu_budget_ms: 5_000,
        ..config::Policy::default()
    };
    Stage::new(&policy, &config::Site::default())
}

async fn played(text: &str, scene: Json) -> Played {
    let scene = Scene::from_json(&[scene]).expect("a scene");
    play(&stage(), &one(text), None, &scene).await.expect("played")
}

pub(super) fn apps(played: &Played) -> Vec<String> {
    let ran = played.steps.iter().filter(|step| step.kind == Kind::App);
    ran.map(|step| format!("{} {}", step.what, step.data).trim_end().to_owned()).collect()
}

/// What the script wrote into the log.
fn logged(played: &Played) -> Vec<&str> {
    let lines = played.steps.iter().filter(|step| step.kind == Kind::Log);
    lines.map(|step| step.data.as_str()).collect()
}

#[tokio::test]
async fn a_conversation() {
    let text = "session:answer()
        local pin = session:playAndGetDigits(4, 4, 2, 3000, '#', 'pin.wav', '', '[0-9]+')
        session:setVariable('pin', pin)
        session:execute('bridge', 'user/1001')
        local why = session:getVariable('originate_disposition')
        if why == 'USER_BUSY' then session:execute('bridge', 'user/1002') end
        session:sleep(1500)
        session:hangup('USER_BUSY')";
    let scene = json!({"digits": ["1234"], "bridges": ["USER_BUSY", {"talk_s": 30}]});
    let played = played(text, scene).await;
    assert_eq!(played.failure, None);
    let ran = apps(&played);
    assert_eq!(ran[0], "answer");
    assert!(ran[1].starts_with("play_and_get_digits 4 4 2 3000 "), "{ran:?}");
    assert_eq!(
        ran[2..],
        ["set pin=1234", "bridge user/1001", "bridge user/1002", "sleep 1500", "hangup USER_BUSY"]
    );
    assert_eq!(played.took_ms, 31_500);
    assert_eq!(played.hangup_cause.as_deref(), Some("USER_BUSY"));
    assert_eq!((played.ended_by, played.answered), (Some("the policy"), true));
    assert_eq!(played.vars.get("pin").map(String::as_str), Some("1234"));
}

#[tokio::test]
async fn prompts_take_what_the_switch_would() {
    let text = "local d = session:playAndGetDigits(1, 2, 3, 2000, '#', 'menu.wav', '', '^[12]+$')
        session:setVariable('got', '=' .. d)";
    for (digits, got, took_ms) in [
        (json!(["9", "", "12"]), "=12", 2_000),
        (json!(["1#99"]), "=1", 0),
        (json!(["2134"]), "=21", 0),
        (json!(["9", "8", "7", "1"]), "=", 0),
        (json!([]), "=", 6_000),
    ] {
        let played = played(text, json!({"digits": digits})).await;
        let found = played.vars.get("got").cloned().unwrap_or_default();
        assert_eq!((found.as_str(), played.took_ms), (got, took_ms), "{digits} {played:?}");
    }
}

#[tokio::test]
async fn a_caller_who_goes() {
    let text = "session:answer()
        while session:ready() do session:streamFile('music.wav') end
        freeswitch.consoleLog('info', 'gone: ' .. tostring(session:ready()))";
    let scene = json!({"apps": {"playback": {"seconds": 10}}, "hang_up": {"after_s": 25}});
    let played = played(text, scene).await;
    assert_eq!(played.failure, None);
    assert_eq!(
        apps(&played),
        ["answer", "playback music.wav", "playback music.wav", "playback music.wav"]
    );
    assert_eq!((played.took_ms, played.ended_by), (25_000, Some("the caller")));
    assert!(played.steps.iter().any(|s| s.kind == Kind::Log && s.data == "gone: false"));
}

#[tokio::test]
async fn what_was_collected_is_run_as_the_switch_would() {
    let text = "session:setVariable('a', '1') ACTIONS = { {'answer'}, {'bridge', 'user/1'}, {'playback', 'sorry.wav'} }";
    let went =
        played(text, json!({"bridges": ["NO_ANSWER"], "vars": {"continue_on_fail": "true"}})).await;
    assert_eq!(apps(&went), ["set a=1", "answer", "bridge user/1", "playback sorry.wav"]);
    let went = played(text, json!({"bridges": ["NO_ANSWER"]})).await;
    assert_eq!(apps(&went), ["set a=1", "answer", "bridge user/1"]);
    assert_eq!(went.hangup_cause.as_deref(), Some("NO_ANSWER"));
    let went = played("session:setVariable('a', '1')", json!({})).await;
    assert!(went.dialplan && went.vars.get("a").is_some_and(|a| a == "1"));
}

#[tokio::test]
async fn routes_and_failover() {
    let text = "function decide(call) return fsx.route { number = call.number } end
        if session then return fsx.route {} end";
    let routes = json!([
        {"gateway_id": 1, "dial_string": "sofia/gateway/a/4420"},
        {"gateway_id": 2, "dial_string": "sofia/gateway/b/4420"},
    ]);
    let route = played(text, json!({"phase": "route", "routes": routes})).await;
    assert_eq!((route.outcome, route.routes.len()), ("routed", 2), "{route:?}");
    let call = played(
        text,
        json!({"routes": routes, "bridges": ["NORMAL_TEMPORARY_FAILURE", {"talk_s": 5}]}),
    )
    .await;
    assert_eq!(call.failure, None);
    assert_eq!(call.hangup_cause.as_deref(), Some("NORMAL_CLEARING"), "{call:?}");
    assert_eq!(apps(&call).iter().filter(|app| app.starts_with("bridge ")).count(), 2);
    let busy = played(text, json!({"routes": routes, "bridges": ["USER_BUSY"]})).await;
    assert_eq!(busy.hangup_cause.as_deref(), Some("USER_BUSY"));
    assert_eq!(apps(&busy).iter().filter(|app| app.starts_with("bridge ")).count(), 1);
}

#[tokio::test]
async fn the_budgets_are_those_of_live_calls() {
    let policy =
        config::Policy { call_budget_ms: 300, cpu_budget_ms: 50, ..config::Policy::default() };
    let stage = Stage::new(&policy, &config::Site::default());
    let scene = Scene::from_json(&[]).expect("a scene");
    for (text, said) in [
        ("while true do end", "ms: computing"),
        ("fsx.sleep(1000)", "stopped after 300 ms: wall clock"),
        ("local t = {} while true do t[#t + 1] = string.rep('x', 1e6) end", "stopped"),
        ("session:execute('system', 'reboot')", "x.lua:1: "),
        ("fsx.core.get('/unknown')\nerror('on')", "x.lua:2: on"),
    ] {
        let played = play(&stage, &one(text), None, &scene).await.expect("played");
        let failure = played.failure.expect(text);
        assert!(failure.contains(said), "{text}: {failure}");
        assert!(played.dialplan, "{text}: the dialplan goes on");
    }
}

#[tokio::test]
async fn suites_are_bounded_and_say_where() {
    let manifest = "version = \"1\"\n[call]\ndefault = \"x.lua\"\n";
    let test = "describe('a', function()
  it('passes', function() expect({1, {b = 2}}):to_equal({1, {b = 2}}) end)
  it('fails', function()
    expect(1):to_be(2)
  end)
  it('errs', function()
    local x = nil
    return x.y
  end)
  it('asks too much', function() call { digit = { 1 } } end)
end)
error('broken here')";
    let files = [("manifest.toml", manifest), ("x.lua", "session:answer()"), ("tests/a.lua", test)];
    let results = suite::run(&stage(), &bundle("37", &files), "").await;
    let lines: Vec<_> = results.faults().iter().map(ToString::to_string).collect();
    assert_eq!(results.tests.iter().filter(|t| t.ok).count(), 1, "{lines:?}");
    let starts = [
        "tests/a.lua:4: test \"a / fails\": expected to be 2, got 1",
        "tests/a.lua:8: test \"a / errs\": attempt to index nil",
        "tests/a.lua:10: test \"a / asks too much\": call: unknown field `digit`",
        "tests/a.lua:12: test \"(the file itself)\": broken here",
    ];
    assert_eq!(lines.len(), starts.len(), "{lines:#?}");
    for (line, start) in lines.iter().zip(starts) {
        assert!(line.starts_with(start), "{line}\nexpected {start}");
    }
    let only = suite::run(&stage(), &bundle("37", &files), "passes").await;
    assert_eq!(only.tests.iter().filter(|t| t.name.starts_with("a /")).count(), 1);
}

#[tokio::test]
async fn a_hook_that_sets_itself_again_is_called_once() {
    for again in [
        "session:ready()",
        "session:hangup()",
        "pcall(session.hangupCause, session)",
        "session:getVariable('a')",
    ] {
        let text = format!(
            "local n = 0
             function h()
                 n = n + 1
                 fsx.log('info', 'hook ' .. n)
                 session:setHangupHook('h')
                 {again}
             end
             session:setHangupHook('h')
             session:answer()
             session:hangup()
             session:setHangupHook('h')
             session:ready()"
        );
        let played = played(&text, json!({})).await;
        assert_eq!(played.failure, None, "{again}");
        let hooks = logged(&played);
        assert_eq!(hooks, ["hook 1"], "{again}");
    }
}

#[tokio::test]
async fn functions_that_wait_nest_so_deep_and_no_deeper() {
    let text = "local dbh = freeswitch.Dbh('there')
        local deepest = 0
        local function each(row, depth)
            deepest = math.max(deepest, (depth or 0) + 1)
            dbh:query('SELECT 1', function(row) each(row, (depth or 0) + 1) end)
        end
        local ok, why = pcall(function() dbh:query('SELECT 1', each) end)
        fsx.log('info', deepest .. ' ' .. tostring(ok) .. ' ' .. tostring(why))";
    let scene = json!({"db": {"there": {"SELECT 1": [{"a": 1}]}}});
    let played = played(text, scene).await;
    assert_eq!(played.failure, None, "{:?}", played.steps);
    let said = played.steps.iter().find(|step| step.kind == Kind::Log).expect("a line");
    assert!(said.data.starts_with("8 false "), "{}", said.data);
    assert!(said.data.contains("more than 8 deep"), "{}", said.data);
}

#[tokio::test]
async fn a_run_that_logs_too_much_says_so_once() {
    let text = "for n = 1, 70 do fsx.log('info', 'line ' .. n) end";
    let played = played(text, json!({})).await;
    let lines = logged(&played);
    assert_eq!((lines.len(), lines[49]), (51, "line 50"));
    assert!(lines[50].contains("more than 50 lines"), "{}", lines[50]);
}

#[tokio::test]
async fn the_state_of_a_call_is_what_a_switch_would_say() {
    let text = "local a = session:getState() session:answer()
        fsx.log('info', a .. ' ' .. session:getState())
        session:hangup()
        fsx.log('info', session:getState())";
    let played = played(text, json!({})).await;
    let said = logged(&played);
    assert_eq!(said, ["CS_EXECUTE CS_EXECUTE", "CS_HANGUP"], "{:?}", played.failure);
}

#[test]
fn times_that_no_call_has_are_refused() {
    for (scene, said) in [
        (json!({"ended": {"rang_s": 1e300}}), "1e300"),
        (json!({"ended": {"rang_s": 1, "talked_s": -1}}), "-1.0"),
        (json!({"hang_up": {"after_s": 1e300}}), "1e300"),
        (json!({"hang_up": {"after_s": -5}}), "-5.0"),
        (json!({"apps": {"playback": {"seconds": -3}}}), "-3.0"),
        (json!({"bridges": [{"after_s": 1e300}]}), "1e300"),
        (json!({"core": {"/x": {"after_ms": 1e18}}}), "after_ms"),
        (json!({"core": {"/x": {"after_ms": "soon"}}}), "after_ms"),
    ] {
        let error = Scene::from_json(std::slice::from_ref(&scene)).expect_err("refused");
        assert!(error.to_string().contains(said), "{scene}: {error}");
    }
}
