//! What happened in a simulated call, in order.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use serde::Serialize;

/// Most steps that are kept: a script that loops must not fill the memory.
const MAX_STEPS: usize = 20_000;

/// One thing that happened.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Step {
    /// Milliseconds since the call began, by the simulated clock.
    pub at_ms: u64,
    /// `bundle/file.lua:12`; empty where nobody's line did it.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub place: String,
    /// What kind of thing.
    pub kind: Kind,
    /// What was asked: an application, a command, a path, a key.
    pub what: String,
    /// Its arguments.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub data: String,
    /// What came of it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub result: Option<String>,
}

/// Kinds of steps.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Kind {
    /// A function of the catalogue was called.
    Called,
    /// The switch ran an application.
    App,
    /// The switch ran a command.
    Api,
    /// An event went into the switch.
    Event,
    /// The Core API was asked.
    Core,
    /// The key-value store was asked.
    Kv,
    /// A database was asked.
    Db,
    /// The engine was asked for routes.
    Route,
    /// A metric was changed.
    Metric,
    /// The script waited.
    Sleep,
    /// The script logged.
    Log,
    /// The call ended.
    Hangup,
}

impl Kind {
    /// The word in traces.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Called => "call",
            Self::App => "app",
            Self::Api => "api",
            Self::Event => "event",
            Self::Core => "core",
            Self::Kv => "kv",
            Self::Db => "db",
            Self::Route => "route",
            Self::Metric => "metric",
            Self::Sleep => "sleep",
            Self::Log => "log",
            Self::Hangup => "end",
        }
    }
}

#[derive(Debug, Default)]
struct Inner {
    now: Duration,
    place: String,
    steps: Vec<Step>,
}

/// The trace, with the clock that stamps it. Shared by the switch and the world.
#[derive(Clone, Debug, Default)]
pub struct Trace(Arc<Mutex<Inner>>);

impl Trace {
    fn inner(&self) -> std::sync::MutexGuard<'_, Inner> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Since the call began.
    #[must_use]
    pub fn now(&self) -> Duration {
        self.inner().now
    }

    /// Time goes by.
    pub fn advance(&self, time: Duration) {
        let mut inner = self.inner();
        // A script may ask to wait for a century; the clock need not overflow for it.
        inner.now = inner.now.saturating_add(time).min(Duration::from_secs(1 << 32));
    }

    /// The line of the script that is at work.
    pub fn at(&self, place: &str) {
        self.inner().place = place.to_owned();
    }

    /// Notes a step at the line that is at work.
    pub fn note(
        &self,
        kind: Kind,
        what: impl Into<String>,
        data: impl Into<String>,
        result: Option<String>,
    ) {
        let mut inner = self.inner();
        if inner.steps.len() < MAX_STEPS {
            let (at_ms, place) = (whole_ms(inner.now), inner.place.clone());
            inner.steps.push(Step {
                at_ms,
                place,
                kind,
                what: what.into(),
                data: data.into(),
                result,
            });
        }
    }

    /// All steps so far.
    #[must_use]
    pub fn steps(&self) -> Vec<Step> {
        self.inner().steps.clone()
    }
}

/// Milliseconds.
#[must_use]
pub fn whole_ms(time: Duration) -> u64 {
    u64::try_from(time.as_millis()).unwrap_or(u64::MAX)
}
