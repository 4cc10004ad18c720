//! The real world: what a policy reaches in a running daemon.
//!
//! Lua runs on threads that have no network; whatever needs one is done on the daemon's own runtime
//! and its end is waited for. A run that is given up takes what it asked for with it.

mod api;
mod databases;
mod kept;
mod names;
mod sql;

use std::sync::{Arc, OnceLock};
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use fsx_wire::answer::RouteAnswer;
use fsx_wire::message::WireFacts;
use tokio::runtime::Handle;

use super::{
    Asker, CoreAnswer, CoreAsk, DbAnswer, DbAsk, KvAnswer, KvAsk, Later, LogLevel, MetricAsk, World,
};
use crate::config::{self, Config};
use crate::policy::screen::Author;
use crate::published::{Published, PublishedHandle};
use crate::routing::{self, NoData};

/// Whose something is: the author's kind and the organisation.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub(super) struct Owner {
    platform: bool,
    org: u32,
}

impl Owner {
    fn of(asker: &Asker) -> Self {
        Self { platform: asker.author == Author::Platform, org: asker.org }
    }
}

/// What the daemon gives its policies.
#[derive(Debug)]
pub struct Outside {
    published: PublishedHandle,
    began: Instant,
    /// Where what needs a network is done.
    runtime: Option<Handle>,
    kept: kept::Kept,
    databases: databases::Databases,
    api: Option<Arc<api::CoreApi>>,
    metrics: names::Names,
    globals: std::collections::BTreeMap<String, String>,
}

impl Outside {
    /// Everything that the configuration names. To be called on the daemon's runtime.
    ///
    /// # Errors
    /// One line that names the key.
    pub fn new(config: &Config, published: PublishedHandle) -> Result<Self, String> {
        let mut outside = Self::bare(&config.policy, published);
        outside.databases = databases::Databases::new(&config.databases);
        outside.api = api::CoreApi::new(&config.core)?.map(Arc::new);
        super::number::warm();
        Ok(outside)
    }

    /// No databases and no Core API.
    #[must_use]
    pub fn bare(config: &config::Policy, published: PublishedHandle) -> Self {
        Self {
            published,
            began: *BEGAN.get_or_init(Instant::now),
            runtime: Handle::try_current().ok(),
            kept: kept::Kept::new(config),
            databases: databases::Databases::default(),
            api: None,
            metrics: names::Names::default(),
            globals: config.globals.clone(),
        }
    }

    /// Does `work` on the daemon's runtime; it is dropped with the answer's waiter.
    fn there<T: Send + 'static>(
        &self,
        work: impl Future<Output = Result<T, String>> + Send + 'static,
    ) -> Later<'static, Result<T, String>> {
        let Some(runtime) = &self.runtime else {
            return Box::pin(async { Err("there is no network here".to_owned()) });
        };
        let task = AbortOnDrop(runtime.spawn(work));
        Box::pin(async move {
            let mut task = task;
            (&mut task.0).await.unwrap_or_else(|_| Err("the daemon is stopping".to_owned()))
        })
    }
}

static BEGAN: OnceLock<Instant> = OnceLock::new();

/// A task that nobody waits for ends.
struct AbortOnDrop<T>(tokio::task::JoinHandle<T>);

impl<T> Drop for AbortOnDrop<T> {
    fn drop(&mut self) {
        self.0.abort();
    }
}

impl World for Outside {
    fn now_ms(&self) -> i64 {
        let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        i64::try_from(now.as_millis()).unwrap_or(i64::MAX)
    }

    fn monotonic(&self) -> Duration {
        self.began.elapsed()
    }

    fn sleep(&self, time: Duration) -> Later<'_, ()> {
        Box::pin(tokio::time::sleep(time))
    }

    fn core(&self, asker: Arc<Asker>, ask: CoreAsk) -> Later<'_, Result<CoreAnswer, String>> {
        let Some(api) = self.api.clone() else {
            return Box::pin(async {
                Err("there is no [core] url in the configuration".to_owned())
            });
        };
        self.there(async move { api.ask(&asker, ask).await })
    }

    fn kv(&self, asker: &Asker, ask: KvAsk) -> Result<KvAnswer, String> {
        self.kept.ask(Owner::of(asker), ask, Instant::now())
    }

    fn database(&self, asker: &Asker, alias: &str) -> Result<(), String> {
        self.databases.find(asker, alias).map(drop)
    }

    fn database_is_sqlite(&self, asker: &Asker, alias: &str) -> bool {
        self.databases.find(asker, alias).is_ok_and(|database| database.is_sqlite())
    }

    fn query(&self, asker: Arc<Asker>, ask: DbAsk) -> Later<'_, Result<DbAnswer, String>> {
        match self.databases.find(&asker, &ask.alias) {
            Ok(database) => self.there(async move { database.ask(ask).await }),
            Err(why) => Box::pin(async { Err(why) }),
        }
    }

    fn metric(&self, asker: &Asker, ask: MetricAsk) -> Result<(), String> {
        self.metrics.change(asker, ask)
    }

    fn global(&self, _asker: &Asker, name: &str) -> Option<String> {
        self.globals.get(name).cloned()
    }

    fn log(&self, asker: &Asker, level: LogLevel, text: &str) {
        let (org, call, policy) = (asker.org, asker.call_id.as_str(), asker.bundle.as_str());
        match level {
            LogLevel::Error => tracing::error!(org, call, policy, "{text}"),
            LogLevel::Warning => tracing::warn!(org, call, policy, "{text}"),
            LogLevel::Info => tracing::info!(org, call, policy, "{text}"),
            LogLevel::Debug => tracing::debug!(org, call, policy, "{text}"),
        }
    }

    fn route(&self, _asker: &Asker, facts: &WireFacts, why: bool) -> Result<RouteAnswer, NoData> {
        routing::route(&self.published, &routing::facts(facts), why)
    }

    fn published(&self) -> Option<Arc<Published>> {
        self.published.current()
    }
}
