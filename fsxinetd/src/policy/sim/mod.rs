//! Simulated calls: the very machine, functions and budgets of a live call, with the switch and the
//! world replaced by a scene.
//!
//! An author sees what a policy would do before any call depends on it, and its tests run in
//! milliseconds. Nothing of the script's side is a copy: the machine is [`super::vm`]'s, the switch's
//! end of the [`super::line`] speaks the event socket's bytes, and what the policy decides goes
//! through the same encoder as a live answer.
//!
//! - [`scene`]: who calls, and what everybody answers;
//! - [`switch`]: the channel; [`world`]: everything else; [`trace`]: what happened;
//! - [`mod@report`]: the trace for people; [`suite`]: tests of a bundle.

pub mod report;
pub mod scene;
pub mod suite;
mod switch;
pub mod trace;
mod world;

#[cfg(test)]
mod parts_tests;
#[cfg(test)]
mod routes_tests;
#[cfg(test)]
mod tests;

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::{Duration, Instant};

use fsx_wire::esl::ChannelData;
use fsx_wire::message::WireFacts;
use serde::Serialize;
use serde_json::Value as Json;

use self::scene::Scene;
use self::switch::{Reply, Switch};
use self::trace::{Kind, Step, Trace, whole_ms};
use self::world::Scripted;
use super::api::World;
use super::bundle::{Bundle, DEFAULT, Entry};
use super::line::{self, Lost, Order};
use super::run::Run;
use super::vm::Vm;
use super::{Call, Ended, Failure, Outcome, Phase, Terms, Verdict};
use crate::config;
use crate::esl::{answer, facts};

/// Real time that a simulated run has at least.
const GENEROUS: Duration = Duration::from_secs(10);

/// How much longer a build that is not optimised may compute.
const UNOPTIMISED: u32 = 20;

/// What a daemon that has been up for a while has behind it: the numbering plans are read at first
/// use, and that is not the script's time.
fn warm_up() {
    use rlibphonenumber::PHONE_NUMBER_UTIL;
    for number in ["+442079460000", "+447700900123", "+449098790000", "+16502530000"] {
        if let Ok(number) = PHONE_NUMBER_UTIL.parse(number, None) {
            let _ = (number.is_valid(), number.get_type());
        }
    }
}

/// Where simulated calls run: limits and what the switch may be asked, as a daemon's configuration
/// says them.
#[derive(Clone, Debug)]
pub struct Stage {
    terms: Terms,
    site: config::Site,
}

impl Stage {
    /// As the configuration says.
    #[must_use]
    pub fn new(policy: &config::Policy, site: &config::Site) -> Self {
        warm_up();
        let mut terms = Terms::from(policy);
        if cfg!(debug_assertions) {
            // A build that is not optimised computes many times longer over the same thing.
            terms.limits.cpu_budget *= UNOPTIMISED;
        }
        Self { terms, site: site.clone() }
    }
}

impl Default for Stage {
    fn default() -> Self {
        Self::new(&config::Policy::default(), &config::Site::default())
    }
}

/// How a simulated call went.
#[derive(Clone, Debug, Serialize)]
pub struct Played {
    /// `37@4`.
    pub policy: String,
    /// `route`, `call` or `hangup`.
    pub phase: &'static str,
    /// File and function that ran.
    pub ran: String,
    /// What came of it: `kept`, `routed`, `rejected`, or `failed`.
    pub outcome: &'static str,
    /// Why it failed.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub failure: Option<String>,
    /// Q.850 cause of a refusal.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub reject: Option<u16>,
    /// Reason of a refusal.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
    /// Dial strings that the policy gave, in order.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub routes: Vec<String>,
    /// Why the call ended; `None` where it goes on.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub hangup_cause: Option<String>,
    /// Who ended it: `the caller`, `the policy`, `the other side`, `the switch`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub ended_by: Option<&'static str>,
    /// Somebody answered.
    pub answered: bool,
    /// Where the dialplan goes on by transfer.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub transferred: Option<String>,
    /// The call goes on with the dialplan's next action.
    pub dialplan: bool,
    /// The channel's variables at the end.
    pub vars: BTreeMap<String, String>,
    /// The key-value store at the end.
    pub kv: BTreeMap<String, Json>,
    /// How long it took by the simulated clock, in milliseconds.
    pub took_ms: u64,
    /// Everything that happened.
    pub steps: Vec<Step>,
}

/// Plays a scene with a bundle. `entry` runs where it is given, else what the manifest says of the
/// scene's task and number.
///
/// # Errors
/// When the scene is not a call that could be: no such task, no such phase.
pub async fn play(
    stage: &Stage,
    bundle: &Arc<Bundle>,
    entry: Option<Entry>,
    scene: &Scene,
) -> Result<Played, String> {
    let phase = scene.phase()?;
    let (task, arguments) = split_task(&scene.task);
    let entry = match entry {
        Some(entry) => entry,
        None => find(bundle, phase, &task, &scene.number)?,
    };
    let own = if bundle.name == DEFAULT { 0 } else { bundle.name.parse().unwrap_or(0) };
    let org = scene.org.unwrap_or(own);
    let trace = Trace::default();
    let mut switch = Switch::new(scene, org, &trace);
    let data = ChannelData::new(&switch.describe());
    let at_s = scene.at_ms()? / 1_000;
    let told = |data: &ChannelData| Some(Arc::new(data.clone()));
    let call = match phase {
        Phase::Call => {
            let asked = facts::read(&data, &stage.site, at_s)?;
            Call { facts: asked.facts, told: told(&data), task, arguments, ..Call::default() }
        }
        Phase::Route => {
            Call { facts: plain_facts(scene, org, at_s), task, arguments, ..Call::default() }
        }
        Phase::Hangup => {
            let facts = facts::read(&data, &stage.site, at_s)?.facts;
            let (told, ended) = (told(&data), Some(ended(scene, at_s)));
            Call { facts, told, task, arguments, ended, ..Call::default() }
        }
    };
    let budget = match phase {
        Phase::Route => stage.terms.limits.route_budget,
        Phase::Call | Phase::Hangup => stage.terms.limits.call_budget,
    };
    let world = Arc::new(Scripted::new(scene, &trace, budget));
    let vm = Vm::new(stage.terms.limits).map_err(|e| format!("no virtual machine: {e}"))?;
    let (scripts, orders) = line::line(&data, Arc::clone(&stage.terms.manners));
    let outside: Arc<dyn World> = Arc::clone(&world) as Arc<dyn World>;
    // The author's machine may be slow, and nobody waits: the real wall clock is generous. What the
    // script waits for is counted by the scene's clock, and what it computes as in a live call.
    let deadline = Instant::now() + budget.max(GENEROUS);
    let run = Run::new(phase, Arc::new(call), Arc::clone(bundle), outside, deadline, &stage.terms);
    let run = Arc::new(if phase == Phase::Call { run.on(Some(scripts)) } else { run });
    let script = vm.execute(&run, &entry);
    let ended = tokio::select! {
        ended = converse(&mut switch, orders, script) => ended,
        () = world.late.notified() => {
            Err(Failure::Budget { what: "wall clock", after_ms: whole_ms(budget) })
        }
    };
    drop(run);
    let mut left = Left::default();
    if phase == Phase::Call {
        left = conclude(&mut switch, &ended);
    }
    Ok(report(bundle, phase, &entry, &ended, &switch, &world, &trace, left))
}

/// The first word of a task is its name; the others are for `argv`.
fn split_task(text: &str) -> (String, Vec<String>) {
    let mut words = text.split_whitespace().map(str::to_owned);
    (words.next().unwrap_or_default(), words.collect())
}

fn find(bundle: &Bundle, phase: Phase, task: &str, number: &str) -> Result<Entry, String> {
    let unnamed = task.is_empty() || task == DEFAULT;
    let by_number = if unnamed { bundle.number(phase, number) } else { None };
    by_number.or_else(|| bundle.entry(phase, task)).cloned().ok_or_else(|| {
        let name = if task.is_empty() { DEFAULT } else { task };
        format!("{}: the manifest has no task \"{name}\" in [{}]", bundle.name, phase.as_str())
    })
}

/// The facts of a call that a module asks about.
fn plain_facts(scene: &Scene, org: u32, at: i64) -> WireFacts {
    let vars = scene.vars.iter().filter_map(|(n, v)| Some((n.clone(), scene::plain(v)?)));
    WireFacts {
        call_id: scene.id.clone(),
        called: scene.number.clone(),
        caller: scene.caller.clone(),
        withhold_cli: scene.withhold,
        org,
        home_country: scene.country.clone(),
        data_centre: scene.data_centre.clone(),
        at,
        vars: vars.collect(),
        ..WireFacts::default()
    }
}

fn ended(scene: &Scene, at_s: i64) -> Ended {
    let end = scene.ended.clone().unwrap_or_default();
    let micros = |s: f64| (s * 1e6) as i64;
    let began_us = at_s.saturating_mul(1_000_000);
    let answered_us = if end.talked_s > 0.0 { began_us + micros(end.rang_s) } else { 0 };
    Ended {
        cause: end.cause.to_ascii_uppercase(),
        code: super::ended::code(&end.cause),
        answered: answered_us > 0,
        began_us,
        answered_us,
        ended_us: began_us + micros(end.rang_s) + micros(end.talked_s),
    }
}

/// The script and the switch, until one of them has ended: as the event socket's task does it.
async fn converse(
    switch: &mut Switch,
    mut orders: line::Orders,
    script: impl Future<Output = Result<Outcome, Failure>>,
) -> Result<Outcome, Failure> {
    tokio::pin!(script);
    let mut told = false;
    loop {
        tokio::select! {
            biased;
            ended = &mut script => return ended,
            order = orders.queue.recv() => {
                let Some(order) = order else { return script.await };
                let Order { bytes, reply, .. } = *order;
                let said = switch.obey(&bytes);
                if switch.over.is_some() && !told {
                    told = true;
                    let last = switch.lingers.then(|| ChannelData::new(&switch.describe()));
                    orders.hung_up(last);
                }
                let _ = reply.send(match said {
                    Reply::Frame(frame) => Ok(frame),
                    Reply::Gone | Reply::Left => Err(Lost::Gone),
                });
            }
        }
    }
}

/// What becomes of the call once the policy is done with it.
#[derive(Debug, Default)]
struct Left {
    dialplan: bool,
}

/// Sends what the policy decided, as the event socket does, and has the switch do it.
fn conclude(switch: &mut Switch, ended: &Result<Outcome, Failure>) -> Left {
    if switch.over.is_some() {
        return Left::default();
    }
    let Ok(outcome) = ended else { return Left { dialplan: true } };
    let Ok(bytes) = answer::bytes(outcome) else { return Left { dialplan: true } };
    let mut extension = Vec::new();
    for command in commands(&bytes) {
        let head = String::from_utf8_lossy(command).into_owned();
        if head.contains("\ncall-command: xferext\n") {
            extension = head
                .lines()
                .filter_map(|line| line.strip_prefix("application: "))
                .map(|line| line.split_once(' ').unwrap_or((line, "")))
                .map(|(app, data)| (app.to_owned(), data.to_owned()))
                .collect();
        } else {
            switch.obey(command);
        }
    }
    if extension.is_empty() {
        return Left { dialplan: switch.over.is_none() && switch.transferred.is_none() };
    }
    for (app, data) in extension {
        switch.execute(&app, &data);
        if app == "bridge" && switch.over.is_none() {
            switch.after_bridge();
        }
        if switch.over.is_some() || switch.transferred.is_some() {
            return Left::default();
        }
    }
    switch.end("NORMAL_CLEARING", "the switch");
    Left::default()
}

/// The commands of one write, each a head and a body of the length that it names.
fn commands(mut bytes: &[u8]) -> Vec<&[u8]> {
    let mut found = Vec::new();
    while let Some(end) = bytes.windows(2).position(|pair| pair == b"\n\n") {
        let head = String::from_utf8_lossy(&bytes[..end]);
        let length = head.lines().find_map(|line| {
            line.strip_prefix("content-length: ").and_then(|n| n.trim().parse::<usize>().ok())
        });
        let whole = (end + 2 + length.unwrap_or(0)).min(bytes.len());
        found.push(&bytes[..whole]);
        bytes = &bytes[whole..];
    }
    found
}

#[allow(clippy::too_many_arguments, reason = "one place gathers what all parts know")]
fn report(
    bundle: &Bundle,
    phase: Phase,
    entry: &Entry,
    ended: &Result<Outcome, Failure>,
    switch: &Switch,
    world: &Scripted,
    trace: &Trace,
    left: Left,
) -> Played {
    let ran = match &entry.function {
        Some(function) => format!("{}:{function}", entry.file),
        None => entry.file.clone(),
    };
    let (mut reject, mut reason, mut routes) = (None, None, Vec::new());
    let outcome = match ended {
        Err(_) => "failed",
        Ok(outcome) => match &outcome.verdict {
            Verdict::Keep => "kept",
            Verdict::Route(answer) => {
                routes = answer.routes.iter().map(|r| r.dial_string.clone()).collect();
                "routed"
            }
            Verdict::Reject { cause, reason: why } => {
                (reject, reason) = (Some(*cause), Some(why.clone()));
                "rejected"
            }
        },
    };
    let mut vars = switch.variables().clone();
    if let (Phase::Route | Phase::Hangup, Ok(outcome)) = (phase, ended) {
        vars.extend(outcome.vars.clone());
    }
    vars.retain(|name, _| {
        !name.starts_with("fsx_digits_") && name != "current_application_response"
    });
    Played {
        policy: format!("{}@{}", bundle.name, bundle.version),
        phase: phase.as_str(),
        ran,
        outcome,
        failure: ended.as_ref().err().map(ToString::to_string),
        reject,
        reason,
        routes,
        hangup_cause: switch.over.clone(),
        ended_by: switch.over.as_ref().map(|_| switch.ended_by),
        answered: switch.answered().is_some(),
        transferred: switch.transferred.clone(),
        dialplan: left.dialplan,
        vars,
        kv: world.kept(),
        took_ms: whole_ms(trace.now()),
        steps: trace.steps(),
    }
}

/// FreeSWITCH's name of a cause that is given as a number or in any case.
fn cause_name(text: &str) -> String {
    let text = text.trim();
    match text.parse::<u16>() {
        Ok(code) => super::ended::name(code).map_or_else(|| text.to_owned(), str::to_owned),
        Err(_) => text.to_ascii_uppercase(),
    }
}

/// Steps that change something or ask somebody: what is shown where nobody asked for every call.
#[must_use]
pub fn tells(step: &Step) -> bool {
    step.kind != Kind::Called
}
