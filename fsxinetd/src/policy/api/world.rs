//! The world of a policy: everything outside its virtual machine but the switch.
//!
//! The switch is a [`super::super::line::Line`]; the rest is here, behind one trait, so that a
//! simulated call uses the very functions that a live one does.

use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;

use fsx_wire::answer::RouteAnswer;
use fsx_wire::message::WireFacts;
use serde_json::Value as Json;

use crate::policy::Phase;
use crate::policy::screen::Author;
use crate::published::Published;
use crate::routing::NoData;

/// Something that comes later.
pub type Later<'a, T> = Pin<Box<dyn Future<Output = T> + Send + 'a>>;

/// Who asks: what a door needs to know of a run.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Asker {
    /// The call's organisation.
    pub org: u32,
    /// Who wrote the script. What the platform's scripts keep for an organisation is not what the
    /// organisation's own scripts keep.
    pub author: Author,
    /// The bundle's name: `default` or the organisation's number.
    pub bundle: String,
    /// The task as asked for; empty is the default one.
    pub task: String,
    /// When in the call.
    pub phase: Phase,
    /// The call.
    pub call_id: String,
}

/// How a line of a script's log is meant.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub enum LogLevel {
    /// For whoever looks for a fault.
    Debug,
    /// In the ordinary course.
    Info,
    /// Worth a look.
    Warning,
    /// Something failed.
    Error,
}

impl LogLevel {
    /// FreeSWITCH's names, `warn` and `error`; anything else is information.
    #[must_use]
    pub fn parse(name: &str) -> Self {
        match name.to_ascii_lowercase().as_str() {
            "err" | "crit" | "alert" | "emerg" | "console" | "error" => Self::Error,
            "warning" | "warn" => Self::Warning,
            "debug" => Self::Debug,
            _ => Self::Info,
        }
    }

    /// FreeSWITCH's word.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Debug => "debug",
            Self::Info => "info",
            Self::Warning => "warning",
            Self::Error => "err",
        }
    }
}

/// A request to the Core API.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CoreAsk {
    /// `GET` or `POST`.
    pub method: &'static str,
    /// Path below the configured base: begins with `/`, no `..`, no scheme, no host, no query.
    pub path: String,
    /// The query, not yet encoded, in order.
    pub query: Vec<(String, String)>,
    /// JSON text of a `POST`.
    pub body: Option<String>,
    /// How long the answer may take; the world's own limit holds where it is shorter.
    pub timeout: Option<Duration>,
    /// An answer this young is given without asking again. `GET` only.
    pub cache: Duration,
    /// An answer this much older than that is given where asking fails. `GET` only.
    pub stale: Duration,
}

/// Where an answer of the Core API came from.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum CoreSource {
    /// From the API, just now.
    Fetched,
    /// Kept, and young enough.
    Cache,
    /// Kept, older than wanted; the API could not be asked.
    Stale,
}

impl CoreSource {
    /// The word that scripts see.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Fetched => "fetched",
            Self::Cache => "cache",
            Self::Stale => "stale",
        }
    }
}

/// An answer of the Core API: any status that it gave.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CoreAnswer {
    /// HTTP status.
    pub status: u16,
    /// The body as text; JSON where the API keeps its word.
    pub body: String,
    /// Where it came from.
    pub source: CoreSource,
    /// How old it is.
    pub age: Duration,
}

/// A request to the key-value store. Keys are the asker's own: another organisation's are other
/// keys.
#[derive(Clone, Debug, PartialEq)]
pub enum KvAsk {
    /// What is there.
    Get {
        /// Which key.
        key: String,
    },
    /// Puts a value.
    Set {
        /// Which key.
        key: String,
        /// Anything but null.
        value: Json,
        /// For how long; `None` until it is deleted or makes room.
        ttl: Option<Duration>,
    },
    /// Adds to a number; one that is not there begins at 0.
    Add {
        /// Which key.
        key: String,
        /// How much; negative takes away.
        by: f64,
        /// From the number's beginning, not from the last addition.
        ttl: Option<Duration>,
    },
    /// Takes a value away.
    Delete {
        /// Which key.
        key: String,
    },
    /// Names of keys, sorted.
    Keys {
        /// That begin with this.
        prefix: String,
        /// At most so many.
        most: usize,
    },
}

/// What the key-value store says.
#[derive(Clone, Debug, PartialEq)]
pub enum KvAnswer {
    /// Of `Get`: `None` where there is nothing.
    Value(Option<Json>),
    /// Of `Add`: the sum.
    Sum(f64),
    /// Of `Set` (true) and `Delete` (there was something).
    Done(bool),
    /// Of `Keys`.
    Keys(Vec<String>),
}

/// Statements for a database.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DbAsk {
    /// The alias, as in `[databases.<alias>]`.
    pub alias: String,
    /// One statement.
    pub sql: String,
    /// Most rows; one more fails.
    pub max_rows: usize,
    /// How long it may take.
    pub timeout: Duration,
}

/// What a database says.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct DbAnswer {
    /// Names of the columns.
    pub columns: Vec<String>,
    /// Rows as text; null is `None`.
    pub rows: Vec<Vec<Option<String>>>,
    /// Rows changed.
    pub affected: u64,
}

/// What is done to a metric.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum MetricKind {
    /// Adds to a counter.
    Count,
    /// Puts a gauge.
    Gauge,
    /// Notes how long something took, in seconds.
    Observe,
}

/// One change of one metric.
#[derive(Clone, Debug, PartialEq)]
pub struct MetricAsk {
    /// What is done.
    pub kind: MetricKind,
    /// The script's own name for it: lower-case letters, digits and `_`.
    pub name: String,
    /// How much.
    pub value: f64,
}

/// Everything outside the machine but the switch. Called from the policy threads; no method may
/// block, and what takes its time is [`Later`].
///
/// Errors are one line for the script's author. They never hold what belongs to another organisation.
pub trait World: Send + Sync + std::fmt::Debug {
    /// Milliseconds since 1970 UTC.
    fn now_ms(&self) -> i64;

    /// Time that only goes forward, from any beginning.
    fn monotonic(&self) -> Duration;

    /// Waits.
    fn sleep(&self, time: Duration) -> Later<'_, ()>;

    /// Asks the Core API. An error is that there was no answer at all.
    fn core(&self, asker: Arc<Asker>, ask: CoreAsk) -> Later<'_, Result<CoreAnswer, String>>;

    /// Asks the key-value store.
    ///
    /// # Errors
    /// A value that is no number is added to, or a bound is reached.
    fn kv(&self, asker: &Asker, ask: KvAsk) -> Result<KvAnswer, String>;

    /// Whether the asker may use this database.
    ///
    /// # Errors
    /// Why not.
    fn database(&self, asker: &Asker, alias: &str) -> Result<(), String>;

    /// Whether the database is SQLite, whose literals take a backslash as it is.
    fn database_is_sqlite(&self, _asker: &Asker, _alias: &str) -> bool {
        true
    }

    /// Asks a database.
    fn query(&self, asker: Arc<Asker>, ask: DbAsk) -> Later<'_, Result<DbAnswer, String>>;

    /// Changes a metric.
    ///
    /// # Errors
    /// The bundle has as many of its own as it may.
    fn metric(&self, asker: &Asker, ask: MetricAsk) -> Result<(), String>;

    /// A global variable, where the switch cannot be asked for it.
    fn global(&self, asker: &Asker, name: &str) -> Option<String>;

    /// Writes to the log.
    fn log(&self, asker: &Asker, level: LogLevel, text: &str);

    /// The engine's answer.
    ///
    /// # Errors
    /// [`NoData`] before the first publication.
    fn route(&self, asker: &Asker, facts: &WireFacts, why: bool) -> Result<RouteAnswer, NoData>;

    /// The routing data, for number rules; `None` before the first publication.
    fn published(&self) -> Option<Arc<Published>>;

    /// Whether [`World::entered`] is to be told; finding the place costs time.
    fn traces(&self) -> bool {
        false
    }

    /// A script calls a function of the catalogue. `place` is `bundle/file.lua:12`. Only where
    /// [`World::traces`].
    fn entered(&self, _asker: &Asker, _function: &'static str, _place: &str) {}
}
