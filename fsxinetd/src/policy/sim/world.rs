//! The world of a simulated call: scripted answers, and a clock that only the scene moves.
//!
//! What a script asks for and the scene does not say is an error that names what to write: a guess
//! would make a test pass that should not.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use fsx_wire::answer::{RouteAnswer, rfc3339};
use fsx_wire::message::WireFacts;
use serde_json::Value as Json;
use tokio::sync::Notify;

use super::scene::{Core, Db, Routes, Scene, plain};
use super::trace::{Kind, Trace};
use crate::policy::api::{
    Asker, CoreAnswer, CoreAsk, CoreSource, DbAnswer, DbAsk, KvAnswer, KvAsk, Later, LogLevel,
    MetricAsk, MetricKind, World,
};
use crate::published::Published;
use crate::routing::NoData;

/// Longest text of a result in the trace, in characters.
const MAX_SHOWN: usize = 2_000;

/// See the module.
#[derive(Debug)]
pub(super) struct Scripted {
    scene: Scene,
    began_ms: i64,
    trace: Trace,
    /// How long the script may wait on its own account; past it, it is stopped, as a live one is.
    patience: Duration,
    /// Told when it has waited for longer than it may.
    pub(super) late: Notify,
    state: Mutex<State>,
}

#[derive(Debug, Default)]
struct State {
    kv: BTreeMap<String, (Json, Option<Duration>)>,
    asked: BTreeMap<String, usize>,
    cache: BTreeMap<String, (Duration, CoreAnswer)>,
    slept: Duration,
}

impl Scripted {
    pub(super) fn new(scene: &Scene, trace: &Trace, patience: Duration) -> Self {
        let kv = scene.kv.iter().map(|(key, value)| (key.clone(), (value.clone(), None))).collect();
        Self {
            scene: scene.clone(),
            began_ms: scene.at_ms().unwrap_or(0),
            trace: trace.clone(),
            patience,
            late: Notify::new(),
            state: Mutex::new(State { kv, ..State::default() }),
        }
    }

    fn state(&self) -> std::sync::MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// What the key-value store holds at the end.
    pub(super) fn kept(&self) -> BTreeMap<String, Json> {
        let now = self.trace.now();
        let state = self.state();
        let alive = state.kv.iter().filter(|(_, (_, until))| until.is_none_or(|until| until > now));
        alive.map(|(key, (value, _))| (key.clone(), value.clone())).collect()
    }

    /// The scripted answer, and time that it takes.
    fn scripted(&self, ask: &CoreAsk) -> Option<Core> {
        let mut query = String::new();
        for (n, (name, value)) in ask.query.iter().enumerate() {
            let _ = write!(query, "{}{name}={value}", if n == 0 { '?' } else { '&' });
        }
        let (method, path) = (ask.method, &ask.path);
        let keys = [
            format!("{method} {path}{query}"),
            format!("{method} {path}"),
            format!("{path}{query}"),
            path.clone(),
        ];
        let key = keys.iter().find(|key| self.scene.core.contains_key(*key))?;
        let n = self.turn(&format!("core {key}"));
        self.scene.core[key].nth(n)
    }

    /// How often this was asked before.
    fn turn(&self, what: &str) -> usize {
        let mut state = self.state();
        let n = state.asked.entry(what.to_owned()).or_default();
        *n += 1;
        *n - 1
    }

    fn asked(&self, ask: &CoreAsk) -> Result<CoreAnswer, String> {
        let now = self.trace.now();
        let key = format!("{} {} {:?}", ask.method, ask.path, ask.query);
        let cached = self.state().cache.get(&key).cloned();
        let of = |(at, answer): &(Duration, CoreAnswer), source| CoreAnswer {
            source,
            age: now.saturating_sub(*at),
            ..answer.clone()
        };
        if let Some(kept) = &cached
            && !ask.cache.is_zero()
            && now.saturating_sub(kept.0) < ask.cache
        {
            return Ok(of(kept, CoreSource::Cache));
        }
        let answer = match self.scripted(ask) {
            Some(core) => {
                let took = Duration::from_millis(core.after_ms);
                let limit = ask.timeout.unwrap_or(Duration::from_secs(3_600));
                self.trace.advance(took.min(limit));
                match core.error {
                    _ if took > limit => Err(format!("no answer within {} ms", limit.as_millis())),
                    Some(error) => Err(error),
                    None => {
                        let body = match &core.body {
                            Json::String(text) => text.clone(),
                            Json::Null => String::new(),
                            body => body.to_string(),
                        };
                        let (source, age) = (CoreSource::Fetched, Duration::ZERO);
                        Ok(CoreAnswer { status: core.status, body, source, age })
                    }
                }
            }
            None => Err(format!(
                "the scene has no answer for {} {}: give it under \"core\"",
                ask.method, ask.path
            )),
        };
        match (answer, cached) {
            (Ok(answer), _) => {
                self.state().cache.insert(key, (self.trace.now(), answer.clone()));
                Ok(answer)
            }
            (Err(_), Some(kept))
                if !ask.stale.is_zero() && now.saturating_sub(kept.0) < ask.cache + ask.stale =>
            {
                Ok(of(&kept, CoreSource::Stale))
            }
            (Err(error), _) => Err(error),
        }
    }

    fn rows(&self, ask: &DbAsk) -> Result<DbAnswer, String> {
        let unknown = || {
            format!(
                "the scene has no answer of {} for {:?}: give it under \"db\"",
                ask.alias, ask.sql
            )
        };
        let statements = self.scene.db.get(&ask.alias).ok_or_else(unknown)?;
        let squeezed = |sql: &str| sql.split_whitespace().collect::<Vec<_>>().join(" ");
        let wanted = squeezed(&ask.sql);
        let found = statements.iter().find(|(sql, _)| squeezed(sql) == wanted);
        let answer = found.map(|(_, db)| db).or_else(|| statements.get("*")).ok_or_else(unknown)?;
        match answer {
            Db::Rows(rows) if rows.len() > ask.max_rows => {
                Err(format!("more than {} rows", ask.max_rows))
            }
            Db::Rows(rows) => {
                let mut columns: Vec<String> = Vec::new();
                for name in rows.iter().flat_map(BTreeMap::keys) {
                    if !columns.contains(name) {
                        columns.push(name.clone());
                    }
                }
                let row = |row: &BTreeMap<String, Json>| {
                    columns.iter().map(|name| row.get(name).and_then(plain)).collect()
                };
                Ok(DbAnswer { rows: rows.iter().map(row).collect(), columns, affected: 0 })
            }
            Db::Done { error: Some(error), .. } => Err(error.clone()),
            Db::Done { affected, .. } => {
                Ok(DbAnswer { affected: *affected, ..DbAnswer::default() })
            }
        }
    }
}

fn shown(text: &str) -> String {
    text.chars().take(MAX_SHOWN).collect()
}

impl World for Scripted {
    fn now_ms(&self) -> i64 {
        self.began_ms
            .saturating_add(i64::try_from(self.trace.now().as_millis()).unwrap_or(i64::MAX))
    }

    fn monotonic(&self) -> Duration {
        self.trace.now()
    }

    fn sleep(&self, time: Duration) -> Later<'_, ()> {
        self.trace.note(Kind::Sleep, format!("{} ms", time.as_millis()), "", None);
        let slept = {
            let mut state = self.state();
            state.slept = state.slept.saturating_add(time);
            state.slept
        };
        self.trace.advance(time);
        let used_up = slept > self.patience;
        Box::pin(async move {
            if used_up {
                self.late.notify_one();
                std::future::pending::<()>().await;
            }
        })
    }

    fn core(&self, _asker: Arc<Asker>, ask: CoreAsk) -> Later<'_, Result<CoreAnswer, String>> {
        let answer = self.asked(&ask);
        let result = match &answer {
            Ok(answer) => {
                let source = match answer.source {
                    CoreSource::Fetched => String::new(),
                    other => format!(" ({})", other.as_str()),
                };
                format!("{}{source} {}", answer.status, answer.body)
            }
            Err(error) => error.clone(),
        };
        let mut what = format!("{} {}", ask.method, ask.path);
        for (n, (name, value)) in ask.query.iter().enumerate() {
            let _ = write!(what, "{}{name}={value}", if n == 0 { '?' } else { '&' });
        }
        let data = ask.body.clone().unwrap_or_default();
        self.trace.note(Kind::Core, what, data, Some(shown(&result)));
        Box::pin(std::future::ready(answer))
    }

    fn kv(&self, _asker: &Asker, ask: KvAsk) -> Result<KvAnswer, String> {
        let now = self.trace.now();
        let mut state = self.state();
        state.kv.retain(|_, (_, until)| until.is_none_or(|until| until > now));
        let until = |ttl: Option<Duration>| ttl.map(|ttl| now + ttl);
        let (what, data, answer) = match ask {
            KvAsk::Get { key } => {
                let value = state.kv.get(&key).map(|(value, _)| value.clone());
                (format!("get {key}"), String::new(), Ok(KvAnswer::Value(value)))
            }
            KvAsk::Set { key, value, ttl } => {
                let data = value.to_string();
                state.kv.insert(key.clone(), (value, until(ttl)));
                (format!("set {key}"), data, Ok(KvAnswer::Done(true)))
            }
            KvAsk::Add { key, by, ttl } => {
                let (old, life) = state
                    .kv
                    .get(&key)
                    .map_or((Json::from(0), until(ttl)), |(value, life)| (value.clone(), *life));
                let sum = old.as_f64().map(|old| old + by);
                let answer = match sum {
                    Some(sum) => {
                        state.kv.insert(key.clone(), (Json::from(sum), life));
                        Ok(KvAnswer::Sum(sum))
                    }
                    None => Err(format!("{key} holds {old}, which is no number")),
                };
                (format!("add {key}"), by.to_string(), answer)
            }
            KvAsk::Delete { key } => {
                let there = state.kv.remove(&key).is_some();
                (format!("delete {key}"), String::new(), Ok(KvAnswer::Done(there)))
            }
            KvAsk::Keys { prefix, most } => {
                let keys = state.kv.keys().filter(|key| key.starts_with(&prefix)).take(most);
                let keys = keys.cloned().collect();
                (format!("keys {prefix}"), String::new(), Ok(KvAnswer::Keys(keys)))
            }
        };
        drop(state);
        let result = match &answer {
            Ok(KvAnswer::Value(None)) => "nothing".to_owned(),
            Ok(KvAnswer::Value(Some(value))) => value.to_string(),
            Ok(KvAnswer::Sum(sum)) => sum.to_string(),
            Ok(KvAnswer::Done(done)) => done.to_string(),
            Ok(KvAnswer::Keys(keys)) => keys.join(" "),
            Err(error) => error.clone(),
        };
        self.trace.note(Kind::Kv, what, data, Some(shown(&result)));
        answer
    }

    fn database(&self, _asker: &Asker, alias: &str) -> Result<(), String> {
        if self.scene.db.contains_key(alias) {
            return Ok(());
        }
        Err(format!("the scene has no database {alias}: give it under \"db\""))
    }

    fn query(&self, _asker: Arc<Asker>, ask: DbAsk) -> Later<'_, Result<DbAnswer, String>> {
        let answer = self.rows(&ask);
        let result = match &answer {
            Ok(DbAnswer { rows, affected: 0, .. }) => format!("{} rows", rows.len()),
            Ok(DbAnswer { affected, .. }) => format!("{affected} changed"),
            Err(error) => error.clone(),
        };
        self.trace.note(Kind::Db, ask.alias, ask.sql, Some(result));
        Box::pin(std::future::ready(answer))
    }

    fn metric(&self, _asker: &Asker, ask: MetricAsk) -> Result<(), String> {
        let kind = match ask.kind {
            MetricKind::Count => "count",
            MetricKind::Gauge => "gauge",
            MetricKind::Observe => "observe",
        };
        self.trace.note(Kind::Metric, format!("{kind} {}", ask.name), ask.value.to_string(), None);
        Ok(())
    }

    fn global(&self, _asker: &Asker, name: &str) -> Option<String> {
        self.scene.globals.get(name).cloned()
    }

    fn log(&self, _asker: &Asker, level: LogLevel, text: &str) {
        self.trace.note(Kind::Log, level.as_str(), text, None);
    }

    fn route(&self, asker: &Asker, facts: &WireFacts, _why: bool) -> Result<RouteAnswer, NoData> {
        let answer = RouteAnswer {
            generation: 1,
            number: facts.called.clone(),
            org: asker.org,
            data_centre: facts.data_centre.clone(),
            at: rfc3339(self.now_ms() / 1_000),
            ..RouteAnswer::default()
        };
        let (answer, result) = match &self.scene.routes {
            None => (Err(NoData), "no routing data: give \"routes\" in the scene".to_owned()),
            Some(Routes::Reject { reject, reason }) => {
                let answer = RouteAnswer {
                    decision: "reject".to_owned(),
                    cause: Some(*reject),
                    reason: Some(reason.clone()),
                    ..answer
                };
                (Ok(answer), format!("reject {reject} {reason}").trim_end().to_owned())
            }
            Some(Routes::Routes(routes)) => {
                let result = routes.iter().map(|r| r.dial_string.as_str()).collect::<Vec<_>>();
                let result = result.join(" | ");
                let routes = routes.clone();
                (Ok(RouteAnswer { decision: "route".to_owned(), routes, ..answer }), result)
            }
        };
        self.trace.note(Kind::Route, facts.called.clone(), "", Some(result));
        answer
    }

    fn published(&self) -> Option<Arc<Published>> {
        None
    }

    fn traces(&self) -> bool {
        true
    }

    fn entered(&self, _asker: &Asker, function: &'static str, place: &str) {
        self.trace.at(place);
        self.trace.note(Kind::Called, function, "", None);
    }
}
