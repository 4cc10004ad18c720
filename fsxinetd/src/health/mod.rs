//! Is the daemon alive, and is it any use?
//!
//! `livez` never looks at anything outside the process: a restart cures only the process. `readyz`
//! looks at what answers depend on. A database or a record receiver that is away is a warning and
//! not a failure, since routing goes on without them.

pub mod gateways;
pub mod metrics;
pub mod notify;

use std::sync::{
    Arc, Mutex, OnceLock, PoisonError,
    atomic::{AtomicBool, Ordering},
};
use std::time::{Duration, SystemTime};

use tokio::sync::watch;

use crate::feed::FeedStatus;
use crate::published::PublishedHandle;

/// What is known of the daemon's parts. Cheap to clone.
#[derive(Clone, Debug)]
pub struct Health {
    inner: Arc<Inner>,
}

#[derive(Debug)]
struct Inner {
    published: PublishedHandle,
    max_age: Duration,
    parts: [(Part, Mutex<Result<(), String>>); 4],
    draining: AtomicBool,
    feed: OnceLock<watch::Receiver<FeedStatus>>,
}

/// A part of the daemon that is up or not.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Part {
    /// The event socket listens.
    Esl,
    /// The decision socket listens.
    Decide,
    /// The record store takes records.
    Cdr,
    /// At least one policy bundle is loaded.
    Policies,
}

impl Part {
    fn name(self) -> &'static str {
        match self {
            Self::Esl => "esl",
            Self::Decide => "decide",
            Self::Cdr => "cdr",
            Self::Policies => "policies",
        }
    }

    /// Without it the daemon is of no use to a switch.
    fn required(self) -> bool {
        self != Self::Policies
    }
}

/// One line of the report.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Check {
    /// Which part.
    pub name: &'static str,
    /// Detail, or why not.
    pub state: Result<String, String>,
    /// Its failure makes the daemon unready.
    pub required: bool,
}

impl Health {
    /// Nothing is up yet. A snapshot older than `max_age` counts as failed; zero never does.
    #[must_use]
    pub fn new(published: PublishedHandle, max_age: Duration) -> Self {
        let parts = [Part::Esl, Part::Decide, Part::Cdr, Part::Policies]
            .map(|part| (part, Mutex::new(Err("not up".to_owned()))));
        let (draining, feed) = (AtomicBool::new(false), OnceLock::new());
        let inner = Inner { published, max_age, parts, draining, feed };
        Self { inner: Arc::new(inner) }
    }

    /// A part came up or went down.
    pub fn set(&self, part: Part, up: bool) {
        self.say(part, (!up).then(|| "not up".to_owned()));
    }

    /// A part is up, or is not and says why. What has changed is logged.
    pub fn say(&self, part: Part, fault: Option<String>) {
        let found = self.inner.parts.iter().find(|(p, _)| *p == part);
        let Some((_, state)) = found else { return };
        let mut state = state.lock().unwrap_or_else(PoisonError::into_inner);
        let now = fault.map_or(Ok(()), Err);
        if *state != now {
            match &now {
                Err(why) if state.is_ok() => {
                    tracing::error!(part = part.name(), "not well: {why}");
                }
                Ok(()) => tracing::info!(part = part.name(), "up"),
                Err(_) => {}
            }
            *state = now;
        }
    }

    /// Reports on the feed, too.
    pub fn follow(&self, feed: watch::Receiver<FeedStatus>) {
        // There is one feed; a second would be a fault of ours, and the first is still true.
        let _ = self.inner.feed.set(feed);
    }

    /// The daemon has been told to stop: it is unready from now on, so that nobody sends it more.
    pub fn drain(&self) {
        self.inner.draining.store(true, Ordering::Relaxed);
    }

    /// Every check, and whether all required ones hold.
    #[must_use]
    pub fn report(&self) -> (bool, Vec<Check>) {
        let mut checks = vec![self.snapshot()];
        checks.extend(self.feed());
        for (part, state) in &self.inner.parts {
            let state = state.lock().unwrap_or_else(PoisonError::into_inner).clone();
            let state = state.map(|()| String::new());
            checks.push(Check { name: part.name(), state, required: part.required() });
        }
        if self.inner.draining.load(Ordering::Relaxed) {
            let state = Err("told to stop".to_owned());
            checks.push(Check { name: "draining", state, required: true });
        }
        (checks.iter().all(|c| c.state.is_ok() || !c.required), checks)
    }

    /// The database may be away: routing goes on, so this is never more than a warning.
    fn feed(&self) -> Option<Check> {
        let status = self.inner.feed.get()?.borrow();
        let state = match &status.error {
            Some(error) => Err(error.clone()),
            None => Ok(format!("{} builds", status.builds)),
        };
        Some(Check { name: "feed", state, required: false })
    }

    fn snapshot(&self) -> Check {
        let state = match self.inner.published.current() {
            None => Err("no routing data published yet".to_owned()),
            Some(published) => {
                let age = SystemTime::now().duration_since(published.at).unwrap_or_default();
                let said = format!("generation {}, {} s old", published.generation, age.as_secs());
                if self.inner.max_age.is_zero() || age <= self.inner.max_age {
                    Ok(said)
                } else {
                    Err(format!("{said}, at most {} s allowed", self.inner.max_age.as_secs()))
                }
            }
        };
        Check { name: "snapshot", state, required: true }
    }
}

/// The report as text, one line a check, as Kubernetes' own endpoints print it.
#[must_use]
pub fn report_text(ready: bool, checks: &[Check]) -> String {
    let mut out = String::new();
    for check in checks {
        match &check.state {
            Ok(detail) if detail.is_empty() => out.push_str(&format!("[+]{} ok\n", check.name)),
            Ok(detail) => out.push_str(&format!("[+]{} ok: {detail}\n", check.name)),
            Err(why) if check.required => {
                out.push_str(&format!("[-]{} failed: {why}\n", check.name));
            }
            Err(why) => out.push_str(&format!("[!]{} warning: {why}\n", check.name)),
        }
    }
    out.push_str(if ready { "ready\n" } else { "not ready\n" });
    out
}
