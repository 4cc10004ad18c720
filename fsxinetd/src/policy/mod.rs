//! Organisations' Lua, run so that it can harm nobody but its own call.
//!
//! The scripts are untrusted and the switch is shared, so each rule here is about containment. Luau
//! is the engine because it withstood every escape tried; each organisation has virtual machines of
//! its own; each run has fresh globals, a wall-clock budget, a limit on the time it computes, and a
//! share of memory; and Lua runs on threads of its own, never on the runtime's, so that the worst
//! script costs one such thread, which is replaced, and the connections of the decision socket that
//! are served on it, which end.
//!
//! - [`api`]: every name that they may use, and the world outside their machine;
//! - [`bundle`]: what is on disk, compiled and versioned;
//! - [`engine`]: who runs where, and `worker`: one of the threads;
//! - [`sim`]: calls without a switch, for authors and tests; [`lint`] and [`stubs`] beside it;
//! - [`mod@line`]: a script's way to the switch while a call is talked through;
//! - [`outcome`]: what a run asked for;
//! - [`screen`]: what scripts may have a switch do.

pub mod after;
mod allowed;
pub mod api;
mod budget;
pub mod bundle;
mod call;
mod ended;
pub mod engine;
mod errors;
mod facts;
mod files;
mod freeswitch;
mod handoff;
mod host;
pub mod line;
pub mod lint;
pub mod outcome;
mod parts;
mod routes;
mod run;
pub mod screen;
mod session;
mod shows;
pub mod sim;
pub mod stubs;
mod talk;
mod terms;
mod unasked;
mod vm;
mod worker;

pub use allowed::Allowances;
pub use bundle::{Bundle, BundleSet};
pub use call::{Call, task_name};
pub use ended::Ended;
pub use engine::{Engine, Limits};
pub use outcome::{Failure, Outcome, Verdict};
pub use terms::Terms;
pub use worker::Home;
pub(crate) use worker::STACK;

/// When in a call a script runs, which says what it may do.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub enum Phase {
    /// Deciding where the call goes: no media, a tight budget.
    Route,
    /// A live call over the event socket.
    Call,
    /// After a call: what happened is known and nothing can be changed.
    Hangup,
}

impl Phase {
    /// Every phase, in the order of a call.
    pub const ALL: &'static [Self] = &[Self::Route, Self::Call, Self::Hangup];

    /// The phase of that name.
    #[must_use]
    pub fn named(name: &str) -> Option<Self> {
        Self::ALL.iter().copied().find(|phase| phase.as_str() == name)
    }

    /// The word in messages, manifests and metrics.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Route => "route",
            Self::Call => "call",
            Self::Hangup => "hangup",
        }
    }
}

#[cfg(test)]
mod tests;
