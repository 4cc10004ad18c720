//! What came of a run: a verdict with what the call is to do, or why there is none.

use std::collections::BTreeMap;

use fsx_wire::answer::RouteAnswer;
use fsx_wire::esl::Action;

/// What the script said of the call.
#[derive(Clone, Debug, PartialEq)]
pub enum Verdict {
    /// The plan in hand stands; on the event socket, the dialplan goes on.
    Keep,
    /// These routes, in this order.
    Route(Box<RouteAnswer>),
    /// No.
    Reject {
        /// Q.850.
        cause: u16,
        /// For the log and the record.
        reason: String,
    },
}

/// A run that ended well.
#[derive(Clone, Debug, PartialEq)]
pub struct Outcome {
    /// `<bundle>@<version>`.
    pub policy_version: String,
    /// What it said.
    pub verdict: Verdict,
    /// Variables that it set, last value each.
    pub vars: BTreeMap<String, String>,
    /// What it did to the call, in order; variables are among them as `set` and `unset`.
    pub actions: Vec<Action>,
    /// The piece of XML that it answers a look-up with; `None` where it has none.
    pub xml: Option<String>,
}

/// Why there is no verdict. In every case the plan in hand, or the dialplan, goes on.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Failure {
    /// No bundle has the task.
    #[error("no policy for the {phase} phase{}", if task.is_empty() { String::new() } else { format!(" is called {task:?}") })]
    NoTask {
        /// Which phase.
        phase: &'static str,
        /// Which task.
        task: String,
    },
    /// Every policy thread has as many runs as it may, or the run came to its turn too late.
    #[error("too many policies are running, or no time was left for this one")]
    Busy,
    /// The script failed.
    #[error("{0}")]
    Script(String),
    /// It went on for too long.
    #[error("stopped after {after_ms} ms: {what}")]
    Budget {
        /// Which budget: `wall clock` or `computing`.
        what: &'static str,
        /// How long it had, in milliseconds.
        after_ms: u64,
    },
    /// It wanted too much memory.
    #[error("stopped: more than {limit_mib} MiB of memory")]
    Memory {
        /// The limit, in MiB.
        limit_mib: u32,
    },
}

impl Failure {
    /// The word in metrics.
    #[must_use]
    pub fn label(&self) -> &'static str {
        match self {
            Self::NoTask { .. } => "no_task",
            Self::Busy => "busy",
            Self::Script(_) => "error",
            Self::Budget { what: "computing", .. } => "cpu_budget",
            Self::Budget { .. } => "timeout",
            Self::Memory { .. } => "memory",
        }
    }

    /// The same question may do better in a moment.
    #[must_use]
    pub fn passing(&self) -> bool {
        matches!(self, Self::Busy)
    }
}
