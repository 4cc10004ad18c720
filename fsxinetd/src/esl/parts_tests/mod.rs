//! The shipped parts through a live conversation, as an organisation's policy: with a caller who
//! presses keys, people who are busy, and a switch that does as it is told.

use std::collections::VecDeque;
use tokio::io::AsyncWriteExt as _;

mod calls;
mod documents;

use super::talk_tests::{Said, Switch};
use super::tests::{Rig, call, reply, rig_with};

const MANIFEST: &str = "version = \"1\"\n[call]\nt = \"x.lua\"\nNight = \"night.lua:take\"\n\
                        Echo = \"echo.lua\"\n";

/// A second policy, and one that hands the call back.
const NIGHT: &str = "function take(session, call) session:execute('playback', 'night.wav')
                     fsx.log('argv ' .. tostring(argv[1])) return 'keep' end";
const ECHO: &str = "return require('fsx.parts.to_policy').run(session, {policy = 'Echo'})";

/// What the caller and the people called do.
#[derive(Clone, Debug)]
struct Scene {
    caller: &'static str,
    presses: Vec<String>,
    bridges: Vec<String>,
    /// What a queue or a fifo says of how it ended.
    queue: String,
    /// More that the switch says of the call as it begins.
    more: String,
    /// The caller hangs up in the middle of this command of the conversation.
    hangs_up_at: Option<usize>,
    /// Sounds that are not there.
    missing: &'static str,
    /// What the switch says of `module_exists`.
    modules: bool,
    lingers: bool,
}

impl Default for Scene {
    fn default() -> Self {
        Self {
            caller: "07700900123",
            presses: Vec::new(),
            bridges: Vec::new(),
            queue: String::new(),
            more: String::new(),
            hangs_up_at: None,
            missing: "no sound",
            modules: true,
            lingers: true,
        }
    }
}

fn words(list: &[&str]) -> Vec<String> {
    list.iter().map(|word| (*word).to_owned()).collect()
}

async fn rig(script: &str) -> Rig {
    let files = [
        ("x.lua", script),
        ("night.lua", NIGHT),
        ("echo.lua", ECHO),
        ("main.json", MAIN),
        ("loop.json", LOOP),
    ];
    rig_with(
        "37",
        MANIFEST,
        &files,
        |_| {},
        |policy| {
            policy.cpu_budget_ms = 2_000;
            policy.caller_ids_organisations = [("37".to_owned(), words(&["+442079460000"]))].into();
        },
    )
    .await
}

/// A document in the bundle.
const MAIN: &str = r#"{"rules": [{"when": "fallback", "then": {"user": "1009"}}]}"#;

/// One that hands the call to itself.
const LOOP: &str = r#"{"rules": [{"when": "fallback", "then": {"document": "loop.json"}}]}"#;

/// One call. What the switch was asked to do, but for variables.
async fn play(rig: &Rig, scene: &Scene) -> Vec<String> {
    talk(rig, scene).await.0
}

/// The same, and whether it went as far as the caller's hanging up.
async fn talk(rig: &Rig, scene: &Scene) -> (Vec<String>, bool) {
    let mut stream = call(rig.address).await;
    let described = format!(
        "Caller-Caller-ID-Number: {}\nvariable_rmHCDCode: 44\n{}",
        scene.caller, scene.more
    );
    stream.write_all(reply("t", &described).as_bytes()).await.expect("sent");
    let mut switch = Switch::on(stream);
    let (mut presses, mut bridges): (VecDeque<_>, VecDeque<_>) =
        (scene.presses.clone().into(), scene.bridges.clone().into());
    let (mut did, mut count) = (Vec::new(), 0);
    while let Some(said) = switch.hear().await {
        count += 1;
        if scene.hangs_up_at == Some(count) {
            switch.lingers &= scene.lingers;
            switch.hang_up("ORIGINATOR_CANCEL").await;
            return (did, true);
        }
        let Said::Run(app, data) = &said else {
            if let Said::Line(line) = &said {
                if let Some(module) = line.strip_prefix("api module_exists ") {
                    did.push(format!("module_exists {module}"));
                    switch.api(if scene.modules { "true" } else { "false" }).await;
                    continue;
                }
                // What a script did that had no need to wait for the switch.
                let listed = line.lines().filter_map(|line| line.strip_prefix("application: "));
                did.extend(listed.filter(|deed| !is_variable(deed)).map(str::to_owned));
            }
            if !switch.obey(&said).await {
                break;
            }
            continue;
        };
        if !is_variable(app) {
            // Of the rest, what was asked is the same each time.
            let shown = if app == "read" {
                data.splitn(4, ' ').take(3).collect::<Vec<_>>().join(" ")
            } else {
                data.clone()
            };
            did.push(format!("{app} {shown}").trim_end().to_owned());
        }
        match app.as_str() {
            "read" => {
                let words: Vec<&str> = data.split(' ').collect();
                switch.vars.remove("read_result");
                if words[2] != scene.missing {
                    let pressed = presses.pop_front().unwrap_or_default();
                    let result = if pressed.is_empty() { "timeout" } else { "success" };
                    switch.set(&format!("read_result={result}"));
                    if words[5].contains(pressed.as_str()) && pressed.len() == 1 {
                        switch.set(&format!("read_terminator_used={pressed}"));
                    } else if !pressed.is_empty() {
                        switch.set(&format!("{}={pressed}", words[3]));
                    }
                }
                switch.ok().await;
            }
            "playback" if data == scene.missing => {
                switch.set("current_application_response=FILE NOT FOUND");
                switch.ok().await;
            }
            "bridge" => {
                let outcome = bridges.pop_front().unwrap_or_else(|| "NO_ANSWER".to_owned());
                switch.set(&format!("originate_disposition={outcome}"));
                let ends = switch.vars.get("hangup_after_bridge").is_some_and(|v| v == "true");
                if outcome == "SUCCESS" && ends {
                    switch.hang_up("NORMAL_CLEARING").await;
                    break;
                }
                switch.ok().await;
            }
            "callcenter" => {
                match scene.queue.as_str() {
                    "" => {}
                    "answered" => switch.set("cc_cause=answered"),
                    reason => {
                        switch.set("cc_cause=cancel");
                        switch.set(&format!("cc_cancel_reason={reason}"));
                        switch.set("cc_exit_key=0");
                    }
                }
                switch.ok().await;
            }
            "fifo" => {
                switch.set(&format!("fifo_status={}", scene.queue));
                if scene.queue == "WAITING" {
                    switch.set("fifo_serviced_uuid=5a0e");
                }
                switch.ok().await;
            }
            _ => {
                if !switch.obey(&said).await {
                    break;
                }
            }
        }
    }
    (did, false)
}

/// Variables are not shown.
fn is_variable(deed: &str) -> bool {
    matches!(deed.split(' ').next(), Some("set" | "multiset" | "unset"))
}

/// Plays `script` once.
async fn once(script: &str, scene: Scene) -> Vec<String> {
    play(&rig(script).await, &scene).await
}

/// Runs `options` of `part` and says the result by playing it.
fn saying(part: &str, options: &str) -> String {
    format!(
        "local part = require 'fsx.parts.{part}'
         local result, more = part.run(session, {options})
         if session:ready() then
             session:execute('playback', tostring(result) .. '.' .. tostring(more):gsub('[^%w_]', '-'))
         end"
    )
}

async fn says(part: &str, options: &str, scene: Scene) -> Vec<String> {
    once(&saying(part, options), scene).await
}
