//! Scripts that behave, and scripts that attack.

use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};

use fsx_wire::esl::Action;
use fsx_wire::message::WireFacts;

use super::*;
use crate::config;
use crate::published::PublishedHandle;

/// A folder of bundles, and an engine over it.
pub(super) struct Rig {
    pub(super) dir: tempfile::TempDir,
    pub(super) config: config::Policy,
    pub(super) engine: Engine,
}

impl Rig {
    /// `files` are paths under the policy folder, with their text.
    pub(super) fn new(files: &[(&str, &str)]) -> Self {
        Self::with(files, |_| {})
    }

    pub(super) fn with(files: &[(&str, &str)], change: impl FnOnce(&mut config::Policy)) -> Self {
        let dir = tempfile::tempdir().expect("a folder");
        write(dir.path(), files);
        let mut config = config::Policy {
            dir: dir.path().to_owned(),
            // Generous, so that a slow machine fails no script that behaves.
            route_budget_ms: 5_000,
            call_budget_ms: 5_000,
            cpu_budget_ms: 3_000,
            ..config::Policy::default()
        };
        change(&mut config);
        let engine = Engine::start(&config, PublishedHandle::new()).expect("threads");
        Self { dir, config, engine }
    }

    /// One script as org 0's, for both phases.
    pub(super) fn script(text: &str) -> Self {
        Self::new(&[("default/manifest.toml", MANIFEST), ("default/x.lua", text)])
    }

    pub(super) async fn run(&self, phase: Phase, org: u32, task: &str) -> Result<Outcome, Failure> {
        self.called(phase, org, task, "07700900123").await
    }

    pub(super) async fn called(
        &self,
        phase: Phase,
        org: u32,
        task: &str,
        number: &str,
    ) -> Result<Outcome, Failure> {
        let vars = [("rmOrgID", org.to_string()), ("caller_id_name", "Åsa".to_owned())];
        let facts = WireFacts {
            call_id: "c1".to_owned(),
            called: number.to_owned(),
            org,
            vars: vars.map(|(n, v)| (n.to_owned(), v)).into(),
            ..WireFacts::default()
        };
        let call = Arc::new(Call { facts, task: task.to_owned(), ..Call::default() });
        self.engine.run(phase, call, Duration::from_secs(10)).await
    }

    pub(super) async fn route(&self) -> Result<Outcome, Failure> {
        self.run(Phase::Route, 0, "").await
    }

    pub(super) async fn call(&self) -> Result<Outcome, Failure> {
        self.run(Phase::Call, 0, "default").await
    }

    pub(super) async fn fault(&self, phase: Phase) -> String {
        self.run(phase, 0, "").await.expect_err("a failure").to_string()
    }
}

pub(super) const MANIFEST: &str = "version = \"1\"\n[route]\ndefault = \"x.lua:decide\"\n\
                        [call]\ndefault = \"x.lua\"\nfunction = \"x.lua:decide\"\n";

pub(super) fn write(dir: &Path, files: &[(&str, &str)]) {
    for (name, text) in files {
        let path = dir.join(name);
        std::fs::create_dir_all(path.parent().expect("a parent")).expect("a folder");
        std::fs::write(path, text).expect("written");
    }
}

#[tokio::test]
async fn verdicts() {
    for (text, verdict) in [
        ("function decide() end", Verdict::Keep),
        ("function decide(call) return 'keep' end", Verdict::Keep),
        (
            "function decide(call) return {reject = 21, reason = 'no ' .. call.number} end",
            Verdict::Reject { cause: 21, reason: "no 07700900123".to_owned() },
        ),
        (
            "local M = {} function M.decide() return {reject = 3} end return M",
            Verdict::Reject { cause: 3, reason: "refused by policy".to_owned() },
        ),
    ] {
        let outcome = Rig::script(text).route().await.expect(text);
        assert_eq!(outcome.verdict, verdict, "{text}");
        assert_eq!(outcome.policy_version, "default@1");
    }
    let routes =
        "function decide() return {routes = {{gateway_id = 7, dial_string = 'user/1'}}} end";
    let outcome = Rig::script(routes).route().await.expect("routes");
    let Verdict::Route(answer) = outcome.verdict else { panic!("{outcome:?}") };
    assert_eq!((answer.routes[0].gateway_id, answer.routes[0].dial_string.as_str()), (7, "user/1"));
    assert_eq!((answer.number.as_str(), answer.decision.as_str()), ("07700900123", "route"));
}

#[tokio::test]
async fn a_calls_variables_are_there_when_asked_for() {
    let rig = Rig::script(
        "local own = call
         assert(own.nothing == nil and rawget(own, 'nothing') == nil)
         local seen = {}
         for name, value in pairs(own.vars) do seen[name] = value end
         assert(seen.rmOrgID == '0' and seen.caller_id_name == 'Åsa')
         assert(next(own.vars) ~= nil and call.vars.rmOrgID == '0' and own.vars == own.vars)
         own.vars.rmOrgID = '7'
         assert(own.vars.rmOrgID == '7' and session:getVariable('rmOrgID') == '0')
         own.vars = nil
         assert(own.vars == nil and getmetatable(own) == nil)",
    );
    rig.call().await.expect("fine");
    let all = "local found for name, value in call do if name == 'vars' then found = value end end
               assert(found.rmOrgID == '0' and found == call.vars)";
    Rig::script(all).call().await.expect("fine");
    for all in [
        "local found for name, value in pairs(call) do if name == 'vars' then found = value end end
         assert(found.rmOrgID == '0')",
        "local n = 0 local name = next(call)
         while name do n += name == 'vars' and 1 or 0 name = next(call, name) end
         assert(n == 1)",
        "assert(table.clone(call).vars.rmOrgID == '0')",
        "assert(rawget(call, 'vars').rmOrgID == '0')",
        "assert(getmetatable(call) == nil and setmetatable(call, {}) == call and call.vars)",
        "assert(table.freeze(call).vars.rmOrgID == '0' and table.isfrozen(call))",
        "local n = 0 for name in next, call do n += name == 'vars' and 1 or 0 end assert(n == 1)",
        "local n = 0 table.foreach(call, function(name) n += name == 'vars' and 1 or 0 end)
         assert(n == 1)",
        "call.vars = nil assert(call.vars == nil and getmetatable(call) == nil)",
        "call.mine = 1 assert(call.mine == 1 and call.vars.rmOrgID == '0')",
        "assert(fsx.json.decode(fsx.json.encode({ it = call })).it.vars.rmOrgID == '0')",
        // Other tables are none of its business.
        "local t = setmetatable({1}, {__metatable = false, __index = {vars = 2}})
         assert(next(t) == 1 and fsx.json.encode({a = 1}) ~= nil)",
    ] {
        Rig::script(all).call().await.expect(all);
    }
}

#[tokio::test]
async fn what_a_call_script_does_is_collected_in_order() {
    let rig = Rig::script(
        "session:setVariable('ringback', 'x')
         if session:getVariable('RINGBACK') == 'x' and session:getVariable('rmOrgID') == '0' then
             session:answer()
         end
         session:setVariable('ringback', '')
         assert(session:getVariable('ringback') == nil and session:ready())
         session:execute('bridge', 'user/1001')
         session:hangup('user_busy')
         assert(not session:ready() and argv[0] == 'x.lua')
         return nil",
    );
    let outcome = rig.call().await.expect("fine");
    let expected = [
        ("set", "ringback=x"),
        ("answer", ""),
        ("unset", "ringback"),
        ("bridge", "user/1001"),
        ("hangup", "USER_BUSY"),
    ];
    assert_eq!(outcome.actions, expected.map(|(app, data)| Action::new(app, data)));
    assert!(outcome.vars.is_empty());
    let rig = Rig::script("ACTIONS = { 'answer', {'sleep', '10'}, {'echo'} }");
    let outcome = rig.call().await.expect("fine");
    let expected = [("answer", ""), ("sleep", "10"), ("echo", "")];
    assert_eq!(outcome.actions, expected.map(|(app, data)| Action::new(app, data)));
}

#[tokio::test]
async fn faults_name_file_and_line() {
    for (text, fault) in [
        ("function decide()\n  local x = nil\n  return x.y\nend", "default/x.lua:3: "),
        ("function decide()\n  error('boom')\nend", "default/x.lua:2: boom"),
        (
            "\nfunction decide()\n  fsx.route{nonsense = 1}\nend",
            "default/x.lua:3: fsx.route: nonsense",
        ),
        ("function decide()\n  freeswitch.Dbh('x')\nend", "default/x.lua:2: freeswitch.Dbh"),
        (
            "function decide()\n\n  session:execute('answer')\nend",
            "default/x.lua:3: session:execute is for the call phase",
        ),
        ("function decide()\n  return 7\nend", "the policy returned integer"),
        ("x = 1", "the file defines no function decide"),
        ("function decide() require('gone') end", "default/x.lua:1: there is no file gone.lua"),
    ] {
        let got = Rig::script(text).fault(Phase::Route).await;
        let got = got.replace("number, expected", "integer, expected");
        assert!(got.starts_with(fault), "{text}: {got}");
        assert!(!got.contains('\n'), "{got}");
    }
    for (text, fault) in [
        ("session:execute('system', 'reboot')", "default/x.lua:1: there is no application system"),
        ("session:streamFil('x')", "default/x.lua:1: session:streamFil is not available"),
        ("session:execute('set', 'a=1\\nb')", "default/x.lua:1: data \"a=1\\nb\" holds a control"),
        (
            "session:setVariable('a', '${system(x)}')",
            "default/x.lua:1: variable a: the value holds",
        ),
        ("ACTIONS = {{1, {}}}", "ACTIONS[1]: expected"),
        ("ACTIONS = 5", "ACTIONS: expected a table"),
        ("for i = 1, 200 do session:answer() end", "default/x.lua:1: more than 100 actions"),
        ("for i = 1, 2000 do session:ready() end", "default/x.lua:1: more than 1000 calls"),
    ] {
        let got = Rig::script(text).fault(Phase::Call).await;
        assert!(got.starts_with(fault), "{text}: {got}");
    }
}

#[tokio::test]
async fn nothing_is_left_behind_for_the_next_run() {
    let rig = Rig::script(
        "function decide()
             if counter or string.poison or __loaded then return {reject = 21} end
             counter = 1
             table_of_mine = {1}
             pcall(function() string.poison = 1 end)
             pcall(function() fsx.route = nil end)
             pcall(function() getmetatable('').__index = nil end)
             pcall(function() rawset(_G, 'string', nil) end)
             assert(type(fsx.route) == 'function' and ('x'):upper() == 'X')
         end",
    );
    for _ in 0..3 {
        assert_eq!(rig.route().await.expect("fine").verdict, Verdict::Keep);
    }
}

/// Files are read once for all runs, so nothing of one run may have got into what was read.
#[tokio::test]
async fn a_file_that_was_read_before_knows_nothing_of_the_run_before() {
    let rig = Rig::new(&[
        ("default/manifest.toml", MANIFEST),
        (
            "default/x.lua",
            "local first = call.number
             Config = { number = call.number, made = {}, turn = 1 }
             local other = require 'lib.other'
             function decide(question)
                 assert(question == call and first == question.number)
                 assert(other.number() == question.number and Config.number == question.number)
                 assert(other.made() == Config.made and next(Config.made) == nil)
                 Config.made[1] = 1
                 Config.turn = 2
                 assert(other.turn() == 2, 'as it is now, and not as it was when the file was read')
                 local tag = question.number:sub(-1)
                 if tag == '1' then
                     print = function() return 'mine' end
                     local ok, own = pcall(require, 'lib.late')
                     assert(ok and own == 'mine', own)
                 else
                     assert(require('lib.late') == 'said nothing')
                 end
             end",
        ),
        (
            "default/lib/other.lua",
            "local at_load = Config.number
             return {
                 number = function() assert(at_load == Config.number) return call.number end,
                 made = function() return Config.made end,
                 turn = function() return Config.turn end,
             }",
        ),
        ("default/lib/late.lua", "return print(7) or 'said nothing'"),
    ]);
    for number in ["07700900120", "07700900121", "07700900122", "07700900131", "07700900120"] {
        let outcome = rig.called(Phase::Route, 0, "", number).await;
        assert_eq!(outcome.expect(number).verdict, Verdict::Keep, "{number}");
    }
}

#[tokio::test]
async fn what_reaches_past_the_sandbox_is_gone() {
    let rig = Rig::script(
        "function decide()
             for _, name in ipairs{'loadstring', 'load', 'loadfile', 'module', 'getfenv', 'setfenv',
                                   'newproxy', 'collectgarbage'} do
                 if _G[name] ~= nil then return {reject = 21, reason = name} end
             end
             -- Scripts that look for them are told why they are not there.
             for _, name in ipairs{'io.open', 'package.path', 'debug.getregistry', 'os.execute',
                                   'os.exit', 'os.getenv', 'os.remove', 'os.rename'} do
                 local ok, why = pcall(function()
                     local owner, part = name:match('(.-)%.(.*)')
                     return _G[owner][part]
                 end)
                 if ok or not tostring(why):find(name .. ' is not available here: ', 1, true) then
                     return {reject = 21, reason = name .. ': ' .. tostring(why)}
                 end
             end
             for _, load in ipairs{require, dofile} do
                 for _, name in ipairs{'../other/x', '/etc/passwd', '..other.x', 'fsx.parts.none'} do
                     if pcall(load, name) then return {reject = 21, reason = name} end
                 end
             end
         end",
    );
    assert_eq!(rig.route().await.expect("fine").verdict, Verdict::Keep);
}

/// Scripts that must be stopped, and the failures that stop them. Both budgets are small.
const ATTACKS: &[(&str, &str)] = &[
    ("while true do end", "computing"),
    ("while true do pcall(function() while true do end end) end", "computing"),
    ("xpcall(function() while true do end end, function() while true do end end)", "computing"),
    ("coroutine.wrap(function() while true do end end)()", "computing"),
    ("while true do coroutine.wrap(function() for i = 1, 100 do end end)() end", "computing"),
    ("string.find(string.rep('a', 100), string.rep('.-', 15) .. 'b')", "computing"),
    ("table.sort({3, 2, 1, 5, 4}, function() while true do end end)", "computing"),
    (
        "local t = setmetatable({}, {__index = function() while true do end end}) return t.x",
        "computing",
    ),
    ("fsx.sleep(60000)", "wall clock"),
    ("while true do fsx.sleep(1) end", "wall clock"),
    ("pcall(fsx.sleep, 60000) return 'keep'", "wall clock"),
    ("local t = {} while true do t[#t + 1] = string.rep('x', 100000) .. #t end", "memory"),
    ("return string.rep('x', 1000000000)", "memory"),
    ("local t = {} while true do t[#t + 1] = coroutine.create(function() end) end", "memory"),
    ("return table.create(20000000, 1)", "memory"),
    ("return buffer.create(100000000)", "memory"),
    ("local function f() return 1 + f() end return f()", "stack overflow"),
    ("local t = {} t.t = t return {routes = t}", "routes: "),
    (
        "return {routes = setmetatable({}, {__index = function() while true do end end})}",
        "routes: 0",
    ),
];

#[tokio::test]
async fn attacks_are_stopped_and_the_engine_lives() {
    for (attack, stopped_by) in ATTACKS {
        let files = [
            ("37/manifest.toml", MANIFEST.to_owned()),
            ("37/x.lua", format!("function decide()\n{attack}\nend")),
            ("default/manifest.toml", MANIFEST.to_owned()),
            ("default/x.lua", "function decide() return {reject = 1} end".to_owned()),
        ];
        let files: Vec<_> = files.iter().map(|(n, t)| (*n, t.as_str())).collect();
        let rig = Rig::with(&files, |config| {
            (config.threads, config.memory_mib) = (1, 8);
            (config.route_budget_ms, config.cpu_budget_ms) = (2_000, 200);
        });
        let started = Instant::now();
        let failure = rig.run(Phase::Route, 37, "").await.expect_err(attack).to_string();
        let took = started.elapsed();
        // Memory is met on the way to the computing budget on a machine that is slow enough.
        let met = failure.contains(stopped_by)
            || (*stopped_by == "memory" && failure.contains("computing"))
            // On one that gives this thread a tenth of its time, the wall clock comes first.
            || failure.contains("wall clock");
        assert!(met, "{attack}: {failure}");
        assert!(took < Duration::from_millis(2_600), "{attack}: {took:?}");
        // The same thread, another organisation: unharmed.
        let other = rig.run(Phase::Route, 5, "").await.expect("the platform's own");
        assert!(matches!(other.verdict, Verdict::Reject { cause: 1, .. }), "{attack}");
        assert!(rig.engine.is_alive());
    }
}

#[tokio::test]
async fn a_busy_script_lets_others_on_its_thread_have_their_turn() {
    let busy = "function decide() local n = 0 while true do n = n + 1 end end";
    let rig = Rig::with(
        &[
            ("37/manifest.toml", MANIFEST),
            ("37/x.lua", busy),
            ("default/manifest.toml", MANIFEST),
            ("default/x.lua", "function decide() fsx.sleep(1) return 'keep' end"),
        ],
        |config| (config.threads, config.cpu_budget_ms) = (1, 1_500),
    );
    let busy = async {
        let failure = rig.run(Phase::Route, 37, "").await.expect_err("stopped");
        assert!(matches!(failure, Failure::Budget { .. }), "{failure}");
        Instant::now()
    };
    let others = async {
        for _ in 0..5 {
            rig.run(Phase::Route, 5, "").await.expect("fine");
        }
        Instant::now()
    };
    let (busy, others) = tokio::join!(busy, others);
    // Without turns, the first of them would have waited until the busy one was stopped.
    assert!(others < busy, "{:?} after it", others - busy);
}

#[tokio::test]
async fn a_thread_that_never_comes_back_is_replaced() {
    let rig = Rig::with(
        &[
            ("default/manifest.toml", MANIFEST),
            (
                "default/x.lua",
                "function decide(call) if call.org == 9 then fsx.block(4000) end end",
            ),
        ],
        |config| {
            (config.threads, config.route_budget_ms, config.cpu_budget_ms) = (1, 100, 100);
        },
    );
    let engine = rig.engine.clone();
    let supervisor = tokio::spawn(async move { engine.supervise().await });
    let started = Instant::now();
    let failure = rig.run(Phase::Route, 9, "").await.expect_err("late");
    assert!(matches!(failure, Failure::Budget { .. }), "{failure}");
    // The asker did not wait for it, and soon somebody else is there.
    assert!(started.elapsed() < Duration::from_secs(2), "{:?}", started.elapsed());
    while rig.run(Phase::Route, 5, "").await.is_err() {
        assert!(started.elapsed() < Duration::from_secs(3), "nobody took the thread's place");
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    supervisor.abort();
}

#[tokio::test]
async fn a_question_stays_where_it_was_read_unless_that_takes_another_machine_away() {
    let rig = Rig::with(
        &[("default/manifest.toml", MANIFEST), ("default/x.lua", "function decide() end")],
        |config| (config.threads, config.max_vms_per_thread) = (2, 1),
    );
    let home = Arc::new(rig.engine.home().expect("a thread"));
    // Of two threads, odd organisations have the second.
    for (org, there) in [(1, vec![1]), (3, vec![1]), (1, vec![1])] {
        ask_at(&rig, &home, org).await;
        assert_eq!(home.organisations(), there, "after one of organisation {org}");
    }
}

/// A question of the organisation that was read there, to which the policy says nothing.
async fn ask_at(rig: &Rig, home: &Arc<super::Home>, org: u32) {
    let facts = WireFacts { org, called: "1".to_owned(), ..WireFacts::default() };
    let call = Arc::new(Call { facts, ..Call::default() });
    let (engine, at) = (rig.engine.clone(), Arc::clone(home));
    let run = async move { engine.run_at(&at, Phase::Route, call, Duration::from_secs(10)).await };
    let outcome = home.spawn(run).await.expect("no panic").expect("fine");
    assert_eq!(outcome.verdict, Verdict::Keep);
}

/// Two threads, on which organisation 1 computes and organisation 9 blocks its own for a second.
fn busy_rig() -> Rig {
    let script = "function decide(call)
        if call.org == 9 then fsx.block(1000) end
        local n = 0
        for at = 1, call.org == 1 and 500000 or 1 do n = n + at % 7 end
    end";
    Rig::with(&[("default/manifest.toml", MANIFEST), ("default/x.lua", script)], |config| {
        config.threads = 2;
    })
}

/// Has organisation 1 compute until the thread counts as busy: for most of a tenth of a second.
async fn keep_busy(rig: &Rig, home: &Arc<super::Home>) {
    let began = Instant::now();
    while home.load() < 60 {
        assert!(began.elapsed() < Duration::from_secs(20), "{}", home.load());
        ask_at(rig, home, 1).await;
    }
}

#[tokio::test]
async fn a_busy_thread_hands_on_what_another_has_time_for() {
    let rig = busy_rig();
    let home = Arc::new(rig.engine.home().expect("a thread"));
    ask_at(&rig, &home, 2).await;
    assert_eq!(home.organisations(), [2]);
    keep_busy(&rig, &home).await;
    ask_at(&rig, &home, 3).await;
    assert!(!home.organisations().contains(&3), "{:?}", home.organisations());
}

#[tokio::test]
async fn a_busy_thread_hands_nothing_to_one_that_is_held() {
    let rig = busy_rig();
    let home = Arc::new(rig.engine.home().expect("a thread"));
    let facts = WireFacts { org: 9, called: "1".to_owned(), ..WireFacts::default() };
    let call = Arc::new(Call { facts, ..Call::default() });
    let held = tokio::spawn(rig.engine.run(Phase::Route, call, Duration::from_secs(10)));
    tokio::time::sleep(Duration::from_millis(100)).await;
    keep_busy(&rig, &home).await;
    assert!(!held.is_finished(), "too slow to show anything");
    ask_at(&rig, &home, 3).await;
    assert!(home.organisations().contains(&3), "{:?}", home.organisations());
    held.await.expect("no panic").expect("fine");
}

#[tokio::test]
async fn organisations_are_kept_apart() {
    let steal = "function decide()
        local mine = fsx.route{number = '1', org = 37}
        return fsx.route{number = '1', org = 12}
    end";
    let rig = Rig::new(&[("37/manifest.toml", MANIFEST), ("37/x.lua", steal)]);
    let failure = rig.run(Phase::Route, 37, "").await.expect_err("refused").to_string();
    assert!(failure.contains("organisation 37 may not ask for organisation 12"), "{failure}");
    assert!(failure.starts_with("37/x.lua:3: "), "{failure}");
    // Another organisation does not find it at all.
    let failure = rig.run(Phase::Route, 12, "").await.expect_err("none");
    assert_eq!(failure, Failure::NoTask { phase: "route", task: String::new() });

    let forged = "function decide()
        return {routes = {{gateway_id = 1, dial_string = 'sofia/gateway/premium/0900'}}}
    end";
    let rig = Rig::new(&[("37/manifest.toml", MANIFEST), ("37/x.lua", forged)]);
    let failure = rig.run(Phase::Route, 37, "").await.expect_err("refused").to_string();
    assert!(failure.contains("routes[1]: not given by fsx.route"), "{failure}");
}

#[tokio::test]
async fn an_organisation_without_the_task_gets_the_platforms() {
    let rig = Rig::new(&[
        ("37/manifest.toml", "version = \"7\"\n[route]\nown = \"x.lua:decide\"\n"),
        ("37/x.lua", "function decide() return {reject = 37} end"),
        ("default/manifest.toml", MANIFEST),
        ("default/x.lua", "function decide() return {reject = 1} end"),
    ]);
    for (task, cause, version) in [("own", 37, "37@7"), ("", 1, "default@1")] {
        let outcome = rig.run(Phase::Route, 37, task).await.expect("fine");
        assert!(matches!(outcome.verdict, Verdict::Reject { cause: c, .. } if c == cause));
        assert_eq!(outcome.policy_version, version);
    }
}

#[tokio::test]
async fn a_reload_keeps_what_works() {
    let rig = Rig::new(&[
        ("default/manifest.toml", MANIFEST),
        ("default/x.lua", "function decide() return require('lib.part').verdict() end"),
        ("default/lib/part.lua", "return {verdict = function() return {reject = 1} end}"),
    ]);
    let cause = async || match rig.route().await.expect("fine").verdict {
        Verdict::Reject { cause, .. } => cause,
        other => panic!("{other:?}"),
    };
    assert_eq!(cause().await, 1);
    let same = rig.engine.bundles();
    rig.engine.reload(&rig.config);
    let again = rig.engine.bundles();
    assert!(Arc::ptr_eq(same.iter().next().expect("one"), again.iter().next().expect("one")));

    // A file that does not compile: the bundle in force stays, and the fault names the line.
    write(rig.dir.path(), &[("default/lib/part.lua", "return {\n\n  verdict = = 1\n}")]);
    let (_, faults) = BundleSet::load(rig.dir.path(), &again);
    assert_eq!(faults.len(), 1);
    assert!(faults[0].starts_with("default/lib/part.lua:3: "), "{faults:?}");
    assert!(faults[0].ends_with("; version 1 stays in force"), "{faults:?}");
    rig.engine.reload(&rig.config);
    assert_eq!(cause().await, 1);

    write(
        rig.dir.path(),
        &[("default/lib/part.lua", "return {verdict = function() return {reject = 2} end}")],
    );
    rig.engine.reload(&rig.config);
    assert_eq!(cause().await, 2);
}

#[test]
fn faults_of_a_bundle_name_their_place() {
    for (files, fault) in [
        (vec![("default/x.lua", "")], "default/manifest.toml: there is none"),
        (
            vec![("default/manifest.toml", "version = \"\"")],
            "default/manifest.toml:1: version is empty",
        ),
        (
            vec![("default/manifest.toml", "version = \"1\"\n\nroutes = 3")],
            "default/manifest.toml:3: unknown key \"routes\"; did you mean \"route\"?",
        ),
        (
            vec![("default/manifest.toml", "version = \"1\"\n[call]\nt = \"gone.lua\"")],
            "default/manifest.toml:3: task \"t\": there is no file gone.lua",
        ),
        (
            vec![("default/manifest.toml", MANIFEST), ("default/x.lua", "\u{1b}LuaQ")],
            "default/x.lua: is not Lua source",
        ),
        (vec![("acme/manifest.toml", MANIFEST)], "acme: is no bundle"),
        (vec![("007/manifest.toml", MANIFEST)], "007: is no bundle"),
    ] {
        let dir = tempfile::tempdir().expect("a folder");
        write(dir.path(), &files);
        let (set, faults) = BundleSet::load(dir.path(), &BundleSet::default());
        assert!(set.is_empty());
        assert!(faults.len() == 1 && faults[0].starts_with(fault), "{faults:?}");
    }
}

#[tokio::test]
async fn too_many_runs_are_refused_at_once() {
    let rig = Rig::with(
        &[
            ("default/manifest.toml", MANIFEST),
            ("default/x.lua", "function decide() fsx.sleep(300) end"),
        ],
        |config| (config.threads, config.max_runs_per_thread) = (1, 2),
    );
    let (a, b, c) = tokio::join!(rig.route(), rig.route(), async {
        let started = Instant::now();
        let refused = rig.route().await;
        assert!(started.elapsed() < Duration::from_millis(250));
        refused
    });
    assert!(a.is_ok() && b.is_ok());
    assert_eq!(c, Err(Failure::Busy));
    assert!(rig.route().await.is_ok());
}

#[tokio::test]
async fn the_policies_that_ship_work() {
    let dir = Path::new(env!("CARGO_MANIFEST_DIR")).join("../policies");
    let (set, faults) = BundleSet::load(&dir, &BundleSet::default());
    assert!(faults.is_empty() && set.len() == 1, "{faults:?}");
    let config = config::Policy {
        dir,
        route_budget_ms: 5_000,
        call_budget_ms: 5_000,
        cpu_budget_ms: 3_000,
        ..config::Policy::default()
    };
    let engine = Engine::start(&config, PublishedHandle::new()).expect("threads");
    for (phase, task) in [(Phase::Route, ""), (Phase::Call, "Outbound::route")] {
        let facts = WireFacts { called: "07700900123".to_owned(), ..WireFacts::default() };
        let call = Arc::new(Call { facts, task: task.to_owned(), ..Call::default() });
        let outcome = engine.run(phase, call, Duration::from_secs(10)).await.expect("fine");
        // With no data published, both leave things as they are.
        assert_eq!((outcome.verdict, outcome.actions), (Verdict::Keep, Vec::new()), "{task}");
    }
}

#[tokio::test]
async fn a_machine_does_not_grow_with_its_runs() {
    let rig = Rig::script(
        "function decide(call)
             kept = {call, function() return kept end}
             coroutine.wrap(function() coroutine.yield(kept) end)()
             if call.number == '1' then error(kept) end
             fsx.sleep(0)
             session:setVariable('a', tostring(call.at))
             return {routes = {{gateway_id = 7, dial_string = 'user/1'}}}
         end",
    );
    let (bundle, entry) = rig.engine.bundles().find(0, Phase::Route, "").expect("there");
    let terms = rig.engine.terms();
    let vm = vm::Vm::new(terms.limits).expect("a machine");
    let world = Arc::new(api::Outside::bare(&rig.config, PublishedHandle::new()));
    let many = async |runs: u32| {
        for n in 0..runs {
            let called = if n % 10 == 0 { "1" } else { "2" }.to_owned();
            let facts = WireFacts { called, ..WireFacts::default() };
            let call = Arc::new(Call { facts, task: String::new(), ..Call::default() });
            let deadline = Instant::now() + Duration::from_secs(10);
            let world = Arc::clone(&world) as Arc<dyn api::World>;
            let run =
                run::Run::new(Phase::Route, call, Arc::clone(&bundle), world, deadline, &terms);
            let ended = vm.execute(&Arc::new(run), &entry).await;
            assert_eq!(ended.is_ok(), n % 10 != 0, "run {n}: {ended:?}");
        }
        vm.live_memory()
    };
    // The first runs fill tables of strings and of threads to be used again.
    let early = many(200).await;
    let late = many(1_500).await;
    assert!(late < early + early / 20, "{early} bytes after 200 runs, {late} after 1,700");
}

#[tokio::test]
async fn turns_taken_at_every_step_lose_no_wake() {
    let rig = Rig::script("function decide() for n = 1, 20 do fsx.once() end return 'keep' end");
    let (bundle, entry) = rig.engine.bundles().find(0, Phase::Route, "").expect("there");
    // Others get a turn at every step, also between a host function's "not yet" and the wait for it.
    let limits = Limits { slice: Duration::ZERO, ..Limits::from(&rig.config) };
    let vm = vm::Vm::new(limits).expect("a machine");
    let terms = Terms { limits, ..rig.engine.terms() };
    let deadline = Instant::now() + Duration::from_secs(10);
    let world = Arc::new(api::Outside::bare(&rig.config, PublishedHandle::new()));
    let run = run::Run::new(Phase::Route, Arc::default(), bundle, world, deadline, &terms);
    let ended = vm.execute(&Arc::new(run), &entry).await;
    assert_eq!(ended.map(|outcome| outcome.verdict), Ok(Verdict::Keep));
}

#[tokio::test]
async fn terms_that_are_changed_hold_for_the_next_run() {
    let shows = "session:setVariable('effective_caller_id_number', '441632960000')";
    let mut rig = Rig::new(&[("37/manifest.toml", MANIFEST), ("37/x.lua", shows)]);
    let run = async |rig: &Rig| rig.run(Phase::Call, 37, "default").await.map(|_| ());
    assert!(run(&rig).await.expect_err("refused").to_string().contains("441632960000"));
    rig.config.caller_ids_organisations =
        [("37".to_owned(), vec!["441632960000".to_owned()])].into();
    rig.engine.set_terms(&rig.config);
    assert_eq!(run(&rig).await, Ok(()));
    rig.config.caller_ids_organisations.clear();
    rig.engine.set_terms(&rig.config);
    assert!(run(&rig).await.is_err(), "taken away again");

    // Limits of a machine that is kept, too.
    let fills = "local t = {} for n = 1, 60 do t[n] = string.rep('x', 100000) end return 'keep'";
    let script = format!("function decide() {fills} end");
    let mut rig = Rig::script(&script);
    assert!(rig.route().await.is_ok());
    rig.config.memory_mib = 2;
    rig.engine.set_terms(&rig.config);
    assert_eq!(rig.route().await, Err(Failure::Memory { limit_mib: 2 }));
}

#[tokio::test]
async fn what_a_script_catches_of_ours_is_text() {
    let rig = Rig::script(
        "local function why(...)
             local ok, why = ...
             assert(ok == false and type(why) == 'string', type(why))
             return why
         end
         local function bad() fsx.route{ nonsense = 1 } end
         local said = why(pcall(bad))
         assert(said:match('^default/x.lua:6: fsx.route: nonsense') and not said:find('\\n'), said)
         assert(why(pcall(session.execute, session, 'lua', 'x')):find('lua'))
         local _, handled = xpcall(bad, function(why) return 'seen ' .. why end)
         assert(handled:match('^seen default/x.lua:6: '), handled)
         assert(why(coroutine.resume(coroutine.create(bad))):find('nonsense'))
         -- Everything else is as it was.
         local thing = {}
         local ok, same = pcall(error, thing)
         assert(not ok and same == thing)
         assert(select('#', pcall(function() return 1, nil, nil end)) == 4)
         assert(why(pcall(error, 'plain', 0)) == 'plain')
         assert(pcall(function() fsx.sleep(1) return true end))
         local co = coroutine.create(function(a) local b = coroutine.yield(a + 1) return b * 2 end)
         local _, first = coroutine.resume(co, 1)
         local _, second = coroutine.resume(co, 21)
         assert(first == 2 and second == 42)",
    );
    rig.call().await.expect("fine");
}
