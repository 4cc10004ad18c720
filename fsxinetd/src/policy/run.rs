//! One run: what it was asked, what it may still do, and what it has asked for.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use fsx_wire::answer::Route;
use fsx_wire::esl::Action;

use super::bundle::Bundle;
use super::screen::{self, Author};
use super::{Call, Phase};

/// Most host calls of one run.
const MAX_HOST_CALLS: u32 = 1_000;

/// Most log lines of one run.
const MAX_LOG_LINES: u32 = 50;

/// What the host functions of a machine see of the run that is going on in it.
#[derive(Debug)]
pub(super) struct Run {
    pub(super) phase: Phase,
    pub(super) call: Arc<Call>,
    pub(super) bundle: Arc<Bundle>,
    pub(super) deadline: Instant,
    pub(super) max_actions: usize,
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
    hung_up: bool,
}

impl Run {
    pub(super) fn new(
        phase: Phase,
        call: Arc<Call>,
        bundle: Arc<Bundle>,
        deadline: Instant,
        max_actions: usize,
    ) -> Self {
        Self { phase, call, bundle, deadline, max_actions, state: Mutex::default() }
    }

    fn state(&self) -> std::sync::MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(super) fn author(&self) -> Author {
        if self.bundle.trusted() { Author::Platform } else { Author::Organisation }
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
        if state.host_calls > MAX_HOST_CALLS {
            return Err(format!("more than {MAX_HOST_CALLS} calls into fsx in one run"));
        }
        Ok(())
    }

    /// Writes a line of the script's to the log; past the limit, silently no more.
    pub(super) fn log(&self, level: &str, text: &str) {
        let lines = {
            let mut state = self.state();
            state.log_lines += 1;
            state.log_lines
        };
        if lines > MAX_LOG_LINES {
            return;
        }
        let text: String =
            text.chars().take(1_000).map(|c| if c.is_control() { ' ' } else { c }).collect();
        let (org, call, policy) = (self.org(), &self.call.facts.call_id, &self.bundle.name);
        match level {
            "err" | "crit" | "alert" | "emerg" | "console" | "error" => {
                tracing::error!(org, call, policy, "{text}");
            }
            "warning" | "warn" => tracing::warn!(org, call, policy, "{text}"),
            "debug" => tracing::debug!(org, call, policy, "{text}"),
            _ => tracing::info!(org, call, policy, "{text}"),
        }
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
        drop(state);
        find(&self.call.facts.vars, name).filter(|value| !value.is_empty()).map(str::to_owned)
    }

    pub(super) fn set_variable(&self, name: &str, value: &str) -> Result<(), String> {
        screen::variable(self.author(), name, value)?;
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
    pub(super) fn action(&self, action: Action) -> Result<(), String> {
        let given = self.state().given.clone();
        screen::action(self.author(), &action, &given)?;
        if action.app == "hangup" {
            self.state().hung_up = true;
        }
        self.push(action)
    }

    fn push(&self, action: Action) -> Result<(), String> {
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

    /// Remembers routes that the engine gave to this run.
    pub(super) fn give(&self, routes: &[Route]) {
        let mut state = self.state();
        if state.given.len() < 1_000 {
            state.given.extend_from_slice(routes);
        }
    }

    pub(super) fn given(&self) -> Vec<Route> {
        self.state().given.clone()
    }

    /// What the run asked for.
    pub(super) fn take(&self) -> (BTreeMap<String, String>, Vec<Action>) {
        let mut state = self.state();
        (std::mem::take(&mut state.vars), std::mem::take(&mut state.actions))
    }
}

fn find<'a>(vars: &'a BTreeMap<String, String>, name: &str) -> Option<&'a str> {
    vars.get(name)
        .or_else(|| vars.iter().find(|(n, _)| n.eq_ignore_ascii_case(name)).map(|(_, v)| v))
        .map(String::as_str)
}
