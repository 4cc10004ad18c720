//! One run: what it was asked, what it may still do, and what it has asked for.

use std::collections::BTreeMap;
use std::future::Future;
use std::ops::Range;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use fsx_wire::answer::Route;
use fsx_wire::esl::{Action, ChannelData};

use super::allowed::{Allowances, Rights};
use super::api::{Asker, LogLevel, World};
use super::bundle::Bundle;
use super::call::find;
use super::handoff::{self, Own};
use super::line::{Deadline, Line};
use super::screen::{self, Author};
use super::shows;
use super::talk::Hook;
use super::{Call, Phase, Terms};

/// Most host calls of one run.
const MAX_HOST_CALLS: u32 = 1_000;

/// Of one that talks with the switch, which paces it.
const MAX_HOST_CALLS_LIVE: u32 = 100_000;

/// How much longer than its own limit something outside is waited for.
const OUTSIDE_SLACK: Duration = Duration::from_millis(100);

/// Deepest nesting of functions of the script that the host calls and that may wait.
const MAX_THREADS: usize = 8;

/// Most dial strings that one run may have made.
const MAX_DIALS: usize = 1_000;

/// From how many routes on those of further answers are not remembered: they cannot be dialled.
const MAX_GIVEN: usize = 1_000;

/// Most bytes of events that one run makes, all together.
const MAX_HELD: usize = 1 << 20;

/// Most log lines of one run.
const MAX_LOG_LINES: u32 = 50;

/// What the host functions of a machine see of the run that is going on in it.
#[derive(Debug)]
pub(super) struct Run {
    pub(super) phase: Phase,
    pub(super) call: Arc<Call>,
    pub(super) bundle: Arc<Bundle>,
    pub(super) deadline: Deadline,
    pub(super) max_actions: usize,
    /// To the switch, in the call phase.
    pub(super) line: Option<Line>,
    /// Everything else that it reaches.
    pub(super) world: Arc<dyn World>,
    /// Who it is there.
    pub(super) asker: Arc<Asker>,
    /// What the operator lets organisations do.
    pub(super) allowed: Arc<Allowances>,
    /// What is waited for beside the switch, together.
    outside_budget: Duration,
    state: Mutex<State>,
}

/// What changes during a run.
#[derive(Debug, Default)]
struct State {
    host_calls: u32,
    log_lines: u32,
    /// Time spent computing.
    used: Duration,
    vars: BTreeMap<String, String>,
    unset: Vec<String>,
    actions: Vec<Action>,
    given: Vec<Route>,
    /// Which of them each answer has, by its address.
    answers: BTreeMap<usize, Range<usize>>,
    /// Dial strings that `fsx.dial` made.
    dials: Vec<String>,
    hung_up: bool,
    /// Bytes of events that the script made.
    held: usize,
    /// Time spent waiting for what is neither the switch nor the script.
    outside: Duration,
    talk: Talk,
}

/// A conversation with the switch.
#[derive(Debug, Default)]
struct Talk {
    /// It has begun: what the script does goes to the switch at once.
    live: bool,
    /// Something was done since the switch last described the call.
    stale: bool,
    /// The call has ended.
    over: bool,
    /// Why, once known.
    cause: Option<String>,
    /// How the switch described the call last.
    data: Option<ChannelData>,
    hook: Option<Hook>,
    hook_ran: bool,
    auto_hangup: Option<bool>,
    /// Time spent waiting for the switch.
    waited: Duration,
    digits: u32,
    /// Lua threads that we made for functions of the script: hooks, rows.
    threads: Vec<usize>,
    tts: Option<(String, String)>,
}

impl Run {
    pub(super) fn new(
        phase: Phase,
        call: Arc<Call>,
        bundle: Arc<Bundle>,
        world: Arc<dyn World>,
        deadline: Instant,
        terms: &Terms,
    ) -> Self {
        let author = if bundle.trusted() { Author::Platform } else { Author::Organisation };
        let asker = Arc::new(Asker {
            org: call.facts.org,
            author,
            bundle: bundle.name.clone(),
            task: call.task.clone(),
            phase,
            call_id: call.facts.call_id.clone(),
        });
        Self {
            phase,
            call,
            bundle,
            deadline: Deadline::new(deadline),
            max_actions: terms.limits.max_actions,
            line: None,
            world,
            asker,
            outside_budget: terms.limits.outside_budget,
            allowed: Arc::clone(&terms.allowed),
            state: Mutex::default(),
        }
    }

    /// The same, with a switch to talk to.
    pub(super) fn on(mut self, line: Option<Line>) -> Self {
        if let Some(line) = &line {
            line.runs(format!("{}@{}", self.bundle.name, self.bundle.version));
        }
        self.line = line;
        self
    }

    fn state(&self) -> std::sync::MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(super) fn author(&self) -> Author {
        self.asker.author
    }

    pub(super) fn org(&self) -> u32 {
        self.call.facts.org
    }

    /// Adds time spent computing and says how much there has been.
    pub(super) fn used(&self, more: Duration) -> Duration {
        let mut state = self.state();
        state.used += more;
        state.used
    }

    /// Counts a call into the host.
    pub(super) fn host_call(&self) -> Result<(), String> {
        let mut state = self.state();
        state.host_calls += 1;
        let most = if state.talk.live { MAX_HOST_CALLS_LIVE } else { MAX_HOST_CALLS };
        if state.host_calls > most {
            return Err(format!("more than {most} calls into fsx in one run"));
        }
        Ok(())
    }

    /// Writes a line of the script's to the log; past the limit, one that says so and no more.
    pub(super) fn log(&self, level: LogLevel, text: &str) {
        let lines = {
            let mut state = self.state();
            state.log_lines += 1;
            state.log_lines
        };
        if lines > MAX_LOG_LINES {
            if lines == MAX_LOG_LINES + 1 {
                let more =
                    format!("more than {MAX_LOG_LINES} lines in one run: the rest is left out");
                self.world.log(&self.asker, LogLevel::Warning, &more);
            }
            return;
        }
        let text: String =
            text.chars().take(1_000).map(|c| if c.is_control() { ' ' } else { c }).collect();
        self.world.log(&self.asker, level, text.trim_end());
    }

    /// How long something outside may take, of what was asked for. In a live call that is its own
    /// time, as the switch's is; elsewhere it is the script's, and some is kept back so that the
    /// script can still decide without the answer.
    pub(super) fn patience(&self, asked: Duration) -> Duration {
        match self.phase {
            Phase::Call => asked.min(self.outside_budget.saturating_sub(self.state().outside)),
            Phase::Route | Phase::Hangup => {
                asked.min(self.deadline.at().saturating_duration_since(Instant::now()) * 3 / 4)
            }
        }
    }

    /// Waits for something outside that keeps to its own limit, `limit`.
    pub(super) async fn outside<T>(&self, limit: Duration, work: impl Future<Output = T>) -> T {
        let began = Instant::now();
        let done = match self.phase {
            Phase::Call => {
                let _waiting = self.deadline.waiting(limit + OUTSIDE_SLACK);
                work.await
            }
            Phase::Route | Phase::Hangup => work.await,
        };
        self.state().outside += began.elapsed();
        done
    }

    /// Time spent waiting for what is neither the switch nor the script.
    pub(super) fn was_outside(&self) -> Duration {
        self.state().outside
    }

    /// Calls into the host so far.
    pub(super) fn host_calls(&self) -> u32 {
        self.state().host_calls
    }

    /// A function of the script runs on this Lua thread of ours, and may wait there. Each within another
    /// takes its part of the stack, so there is an end to that.
    pub(super) fn begin_thread(&self, thread: usize) -> Result<(), String> {
        let threads = &mut self.state().talk.threads;
        if threads.len() >= MAX_THREADS {
            return Err(format!(
                "functions that wait call one another more than {MAX_THREADS} deep"
            ));
        }
        threads.push(thread);
        Ok(())
    }

    pub(super) fn end_thread(&self, thread: usize) {
        self.state().talk.threads.retain(|known| *known != thread);
    }

    pub(super) fn is_own_thread(&self, thread: usize) -> bool {
        self.state().talk.threads.contains(&thread)
    }

    /// Counts memory that is the script's but not the machine's.
    pub(super) fn hold(&self, bytes: usize) -> Result<(), String> {
        let mut state = self.state();
        state.held += bytes;
        if state.held > MAX_HELD {
            return Err(format!("more than {MAX_HELD} bytes of events in one run"));
        }
        Ok(())
    }

    /// What the script reads: its own word first, then the call's.
    pub(super) fn variable(&self, name: &str) -> Option<String> {
        let state = self.state();
        if let Some(value) = find(&state.vars, name) {
            return Some(value.to_owned());
        }
        if state.unset.iter().any(|unset| unset.eq_ignore_ascii_case(name)) {
            return None;
        }
        if let Some(data) = &state.talk.data {
            return data.variable(name).filter(|value| !value.is_empty()).map(str::to_owned);
        }
        drop(state);
        self.call.variable(name).filter(|value| !value.is_empty()).map(str::to_owned)
    }

    pub(super) fn set_variable(&self, name: &str, value: &str) -> Result<(), String> {
        self.with_rights(|rights| screen::variable(rights, name, value))?;
        if value.is_empty() {
            self.push(Action::new("unset", name))?;
            let mut state = self.state();
            state.vars.remove(name);
            state.unset.push(name.to_owned());
        } else {
            self.push(Action::new("set", format!("{name}={value}")))?;
            let mut state = self.state();
            state.unset.retain(|unset| !unset.eq_ignore_ascii_case(name));
            state.vars.insert(name.to_owned(), value.to_owned());
        }
        Ok(())
    }

    /// Asks the switch to run something.
    pub(super) fn action(&self, mut action: Action) -> Result<(), String> {
        if action.app == "bridge" && self.author() == Author::Organisation {
            action.data = self.own().completed(&action.data);
        }
        self.screen(&action)?;
        if action.app == "hangup" {
            self.state().hung_up = true;
        }
        self.push(action)
    }

    /// Whose call it is.
    pub(super) fn own(&self) -> Own<'_> {
        Own { call: &self.call, allowed: &self.allowed }
    }

    fn with_rights<T>(&self, check: impl FnOnce(&Rights<'_>) -> T) -> T {
        let shows = |number: &str| shows::may_show(self, number);
        check(&Rights { author: self.author(), allowed: &self.allowed, shows: &shows })
    }

    /// Whether the script may have the switch run this.
    fn screen(&self, action: &Action) -> Result<(), String> {
        let (given, permitted) = {
            let state = self.state();
            (state.given.clone(), action.app == "bridge" && state.dials.contains(&action.data))
        };
        let handed = match self.author() {
            Author::Organisation => handoff::action(&self.own(), action),
            Author::Platform => None,
        };
        match handed {
            Some(said) => said.and_then(|()| screen::data(action)),
            None if permitted => screen::data(action),
            None => self.with_rights(|rights| screen::action(rights, action, &given)),
        }
    }

    /// Remembers a dial string that was made for this run, which may bridge to it.
    pub(super) fn permit(&self, dial: &str) {
        let mut state = self.state();
        if state.dials.len() < MAX_DIALS && !state.dials.iter().any(|known| known == dial) {
            state.dials.push(dial.to_owned());
        }
    }

    pub(super) fn push(&self, action: Action) -> Result<(), String> {
        let mut state = self.state();
        if state.actions.len() >= self.max_actions {
            return Err(format!("more than {} actions in one run", self.max_actions));
        }
        state.actions.push(action);
        Ok(())
    }

    pub(super) fn hung_up(&self) -> bool {
        self.state().hung_up
    }

    /// Something waits to be sent that does more than note things down.
    pub(super) fn has_acted(&self) -> bool {
        self.state().actions.iter().any(|action| !screen::is_annotation(action))
    }

    /// Whether the conversation with the switch has begun.
    pub(super) fn is_live(&self) -> bool {
        self.state().talk.live
    }

    pub(super) fn talked(&self) {
        let talk = &mut self.state().talk;
        (talk.stale, talk.live) = (talk.stale || !talk.live, true);
    }

    pub(super) fn touched(&self) {
        self.state().talk.stale = true;
    }

    pub(super) fn is_stale(&self) -> bool {
        let state = self.state();
        state.talk.stale || !state.talk.live
    }

    pub(super) fn is_over(&self) -> bool {
        self.state().talk.over
    }

    /// Adds time spent waiting for the switch and says how much there has been.
    pub(super) fn waited(&self, more: Duration) -> Duration {
        let mut state = self.state();
        state.talk.waited += more;
        state.talk.waited
    }

    /// The call has ended, as `data` describes it where the switch did.
    pub(super) fn over(&self, data: Option<ChannelData>) {
        if let Some(line) = &self.line {
            line.ended(data.clone());
        }
        let mut state = self.state();
        (state.talk.over, state.hung_up) = (true, true);
        if let Some(data) = data {
            let cause = data.get("Hangup-Cause").or_else(|| data.variable("hangup_cause"));
            if let Some(cause) = cause.filter(|cause| !cause.is_empty()) {
                state.talk.cause = Some(cause.to_owned());
            }
            state.talk.data = Some(data);
        }
    }

    /// The script itself has ended the call.
    pub(super) fn ended_by(&self, cause: &str) {
        let mut state = self.state();
        (state.talk.over, state.hung_up) = (true, true);
        state.talk.cause = Some(cause.to_owned());
    }

    /// How the switch describes the call now.
    pub(super) fn learnt(&self, data: ChannelData) {
        let mut state = self.state();
        (state.talk.data, state.talk.stale) = (Some(data), false);
    }

    /// A variable as the switch told it last.
    pub(super) fn told(&self, name: &str) -> Option<String> {
        let state = self.state();
        state.talk.data.as_ref()?.variable(name).map(str::to_owned)
    }

    /// A header as the switch told it last, or as the call began.
    pub(super) fn header(&self, name: &str) -> Option<String> {
        self.state().talk.data.as_ref()?.get(name).map(str::to_owned)
    }

    /// Why the call ended, where that is known.
    pub(super) fn cause(&self) -> Option<String> {
        if let Some(ended) = &self.call.ended {
            return Some(ended.cause.clone());
        }
        self.state().talk.cause.clone()
    }

    pub(super) fn hook(&self, hook: Option<Hook>) {
        self.state().talk.hook = hook;
    }

    /// The hook, once: one that is set while it runs, or later, is none.
    pub(super) fn take_hook(&self) -> Option<Hook> {
        let talk = &mut self.state().talk;
        let hook = talk.hook.take().filter(|_| !talk.hook_ran);
        talk.hook_ran |= hook.is_some();
        hook
    }

    /// What the script said of the call's end when the script ends; `None` where it said nothing.
    pub(super) fn auto_hangup(&self) -> Option<bool> {
        self.state().talk.auto_hangup
    }

    pub(super) fn set_auto_hangup(&self, yes: bool) {
        self.state().talk.auto_hangup = Some(yes);
    }

    /// A variable that no digits have been in.
    pub(super) fn digits_variable(&self) -> String {
        let mut state = self.state();
        state.talk.digits += 1;
        format!("fsx_digits_{}", state.talk.digits)
    }

    pub(super) fn tts(&self, voice: Option<(String, String)>) -> Option<(String, String)> {
        let mut state = self.state();
        if voice.is_some() {
            state.talk.tts = voice;
        }
        state.talk.tts.clone()
    }

    /// What was collected, for sending now. The switch knows the variables then.
    pub(super) fn take_pending(&self) -> Vec<Action> {
        let mut state = self.state();
        state.vars.clear();
        state.unset.clear();
        std::mem::take(&mut state.actions)
    }

    /// Remembers routes that the engine gave to this run in the answer at this address.
    ///
    /// # Errors
    /// The routes, where it has as many as it may.
    pub(super) fn give(&self, answer: usize, mut routes: Vec<Route>) -> Result<(), Vec<Route>> {
        let mut state = self.state();
        let from = state.given.len();
        if from >= MAX_GIVEN {
            return Err(routes);
        }
        state.given.append(&mut routes);
        // Another answer may have been there, and be gone.
        let these = from..state.given.len();
        state.answers.insert(answer, these);
        Ok(())
    }

    pub(super) fn given(&self) -> Vec<Route> {
        self.state().given.clone()
    }

    /// The routes of the answer at this address; none where it is none of this run's.
    pub(super) fn answered(&self, answer: usize) -> Vec<Route> {
        let state = self.state();
        let these = state.answers.get(&answer).cloned().unwrap_or_default();
        state.given.get(these).map(<[Route]>::to_vec).unwrap_or_default()
    }

    /// What the run asked for.
    pub(super) fn take(&self) -> (BTreeMap<String, String>, Vec<Action>) {
        let mut state = self.state();
        (std::mem::take(&mut state.vars), std::mem::take(&mut state.actions))
    }
}
