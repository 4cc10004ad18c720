//! FreeSWITCH's XML, looked up for the switches: in a policy, or at a service over HTTP.
//!
//! mod_xml_curl asks its service from the call's own thread, anew each time, and where the service
//! does not answer the switch quietly runs what lies on its disk. Here the switch asks its own host;
//! answers are bounded, looked through, and kept; one question under way serves all who ask the same;
//! and when the service is away its last good answer is given, with its age.
//!
//! - [`upstream`]: the service over HTTP;
//! - [`scripted`]: the policy;
//! - [`check`]: what is an answer;
//! - [`answers`] and [`store`]: those that were given, in memory and on disk.

mod answers;
mod check;
mod scripted;
mod store;
#[cfg(test)]
mod tests;
mod upstream;

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use fsx_wire::xml::{LAST_GOOD, XmlAnswer, XmlQuery};
use metrics::{counter, histogram};
use tokio::sync::watch;

use answers::{Answers, Document};
use check::Kind;
use store::{Change, Store};
use upstream::{Problem, Upstream};

use crate::config;
use crate::health::metrics as names;
use crate::policy::Engine;

/// Memory for answers, in bytes.
const MOST_BYTES: usize = 64 << 20;

/// An answer that has not changed is written to the store again after this long, so that its age there
/// is about right.
const WRITE_AGAIN: Duration = Duration::from_secs(60);

/// After a failure, the same question is given its last good answer at once for this long; where the
/// service as a whole is in trouble, every question that has one is.
const REST: Duration = Duration::from_secs(1);

/// Most questions of which it is remembered that they failed a moment ago.
const MOST_FAILED: usize = 1_000;

/// What came of asking the source.
type Fetched = Result<(Document, &'static str), Arc<str>>;

/// Answers look-ups. Cheap to clone.
#[derive(Clone, Debug)]
pub struct Room {
    inner: Arc<Inner>,
}

#[derive(Debug)]
struct Inner {
    sections: [Section; 3],
    answers: Answers,
    store: Option<Store>,
    engine: Engine,
}

/// One section of FreeSWITCH's tree.
#[derive(Debug)]
struct Section {
    name: &'static str,
    config: config::XmlSection,
    upstream: Option<Upstream>,
    most_bytes: usize,
    /// Questions under way, by key.
    under_way: Mutex<HashMap<String, watch::Receiver<Option<Fetched>>>>,
    failed: Mutex<Failed>,
}

/// What failed a moment ago. One user whom the service does not know must not keep another's answer from
/// being asked for anew.
#[derive(Debug, Default)]
struct Failed {
    service: Option<Instant>,
    questions: HashMap<String, Instant>,
}

impl Room {
    /// What the configuration says. A store that cannot be opened is logged, and answers are kept in
    /// memory alone.
    ///
    /// # Errors
    /// One line that names the section.
    pub async fn open(config: &config::Xml, engine: Engine) -> Result<Self, String> {
        let most_bytes = (config.max_kib as usize) << 10;
        let section = |name: &'static str, config: &config::XmlSection| {
            let upstream =
                Upstream::new(config, most_bytes).map_err(|e| format!("[xml.{name}] url: {e}"))?;
            Ok::<_, String>(Section {
                name,
                config: config.clone(),
                upstream,
                most_bytes,
                under_way: Mutex::default(),
                failed: Mutex::default(),
            })
        };
        let sections = [
            section("dialplan", &config.dialplan)?,
            section("directory", &config.directory)?,
            section("configuration", &config.configuration)?,
        ];
        let used = sections.iter().any(Section::has_source);
        let store = if used && !config.store.as_os_str().is_empty() {
            let opened = Store::open(&config.store, config.max_answers).await;
            opened
                .inspect_err(|e| tracing::error!("{e}; last good answers are kept in memory alone"))
                .ok()
        } else {
            None
        };
        let answers = Answers::new(config.max_answers as usize, MOST_BYTES);
        Ok(Self { inner: Arc::new(Inner { sections, answers, store, engine }) })
    }

    /// Looks `query` up for an asker who waits for `within`.
    ///
    /// # Errors
    /// Why there is no answer, not even an old one.
    pub async fn answer(&self, query: XmlQuery, within: Duration) -> Result<XmlAnswer, String> {
        let started = Instant::now();
        let Some(n) = self.inner.sections.iter().position(|s| s.name == query.section) else {
            return Err(format!("there is no section {:?}", query.section));
        };
        let name = self.inner.sections[n].name;
        let result = self.section_answer(n, query, within).await;
        let outcome = match &result {
            Ok(XmlAnswer { from, .. }) if from == LAST_GOOD => "last_good",
            Ok(XmlAnswer { document: None, .. }) => "not_found",
            Ok(_) => "found",
            Err(_) => "failed",
        };
        counter!(names::XML_LOOKUPS, "section" => name, "outcome" => outcome).increment(1);
        histogram!(names::XML_SECONDS, "section" => name).record(started.elapsed());
        result
    }

    async fn section_answer(
        &self,
        n: usize,
        query: XmlQuery,
        within: Duration,
    ) -> Result<XmlAnswer, String> {
        let inner = &self.inner;
        let section = &inner.sections[n];
        if !section.has_source() {
            return Err(format!(
                "[xml.{}] in fsxinetd.toml names neither url nor policy",
                section.name
            ));
        }
        let key = query.key(&section.config.key);
        let remembered = inner.answers.get(&key);
        if let Some((document, age)) = &remembered
            && *age < section.fresh_for(document)
        {
            return Ok(answer(document.as_deref(), "cache", *age));
        }
        // What is left is for the last good answer, and for the way back.
        let patience = within.saturating_sub((within / 8).max(Duration::from_millis(10)));
        let has_last_good = remembered.as_ref().is_some_and(|(document, _)| document.is_some());
        let problem: Arc<str> = if has_last_good && section.rests(&key) {
            "it failed a moment ago".into()
        } else {
            let mut result = self.under_way(n, query, &key);
            match tokio::time::timeout(patience, result.wait_for(Option::is_some)).await {
                Ok(Ok(done)) => match done.clone() {
                    Some(Ok((document, from))) => {
                        return Ok(answer(document.as_deref(), from, Duration::ZERO));
                    }
                    Some(Err(problem)) => problem,
                    None => "it was given up".into(),
                },
                Ok(Err(_)) => "it was given up".into(),
                Err(_) => format!("no answer in {} ms", patience.as_millis()).into(),
            }
        };
        match self.last_good(section, &key).await {
            Some((document, age)) => {
                let section = section.name;
                tracing::warn!(
                    section,
                    age_s = age.as_secs(),
                    "XML: {problem}; the last good answer is given"
                );
                Ok(answer(Some(&document), LAST_GOOD, age))
            }
            None => {
                tracing::warn!(
                    section = section.name,
                    "XML: {problem}; there is no earlier answer"
                );
                Err(format!("{}: {problem}", section.name))
            }
        }
    }

    /// Joins the question that is under way, or asks it. It goes on when nobody waits any more: its
    /// answer is there for the next.
    fn under_way(&self, n: usize, query: XmlQuery, key: &str) -> watch::Receiver<Option<Fetched>> {
        let section = &self.inner.sections[n];
        let mut under_way = section.under_way.lock().unwrap_or_else(PoisonError::into_inner);
        if section.shares()
            && let Some(result) = under_way.get(key)
        {
            return result.clone();
        }
        let (tell, result) = watch::channel(None);
        if section.shares() {
            under_way.insert(key.to_owned(), result.clone());
        }
        drop(under_way);
        let (room, key) = (self.clone(), key.to_owned());
        tokio::spawn(async move {
            let fetched = room.fetch(n, &query, &key).await;
            let section = &room.inner.sections[n];
            if section.shares() {
                section.under_way.lock().unwrap_or_else(PoisonError::into_inner).remove(&key);
            }
            tell.send_replace(Some(fetched));
        });
        result
    }

    /// Asks the sources in their order and remembers what they say.
    async fn fetch(&self, n: usize, query: &XmlQuery, key: &str) -> Fetched {
        let section = &self.inner.sections[n];
        let limit = Duration::from_millis(section.config.timeout_ms.into());
        let asked = tokio::time::timeout(limit, self.ask(section, query)).await;
        // A policy that is slow is so for its own questions.
        let late = || Problem {
            text: format!("no answer in {} ms", limit.as_millis()),
            away: section.config.policy.is_empty(),
        };
        let fetched = asked.unwrap_or_else(|_| Err(late()));
        section.learn(key, fetched.as_ref().err());
        let (document, from) = fetched.map_err(|problem| problem.text)?;
        let document: Document = document.map(Into::into);
        self.remember(section, key, &document);
        Ok((document, from))
    }

    async fn ask(
        &self,
        section: &Section,
        query: &XmlQuery,
    ) -> Result<(Option<String>, &'static str), Problem> {
        let mut from = "policy";
        if !section.config.policy.is_empty() {
            let found = scripted::ask(&self.inner.engine, &section.config, query).await?;
            if let Some(text) = section.checked(found, "the policy's answer", query)? {
                return Ok((Some(text), from));
            }
        }
        if let Some(upstream) = &section.upstream {
            from = "http";
            let url = &section.config.url;
            let text = upstream.ask(query).await.map_err(|problem| Problem {
                text: format!("{url}: {}", problem.text),
                ..problem
            })?;
            let found = section.checked(Some(text), &format!("{url}: its answer"), query)?;
            return Ok((found, from));
        }
        Ok((None, from))
    }

    fn remember(&self, section: &Section, key: &str, document: &Document) {
        let before = self.inner.answers.get(key);
        self.inner.answers.put(key, document.clone());
        let Some(store) = self.inner.store.as_ref().filter(|_| key.len() <= answers::MAX_KEY)
        else {
            return;
        };
        let same = before.is_some_and(|(old, age)| old == *document && age < WRITE_AGAIN);
        if !same {
            let (key, document) = (key.to_owned(), document.clone());
            store.note(Change { key, section: section.name, document, at: now_s() });
        }
    }

    async fn last_good(&self, section: &Section, key: &str) -> Option<(Arc<str>, Duration)> {
        let most = Duration::from_secs(section.config.stale_s.into());
        let found = match self.inner.answers.get(key) {
            // Certain, and not to be undone by what an older store may still say.
            Some((None, age)) if age <= most => return None,
            Some((Some(document), age)) => Some((document, age)),
            _ => {
                let (document, at) = self.inner.store.as_ref()?.get(key).await?;
                let age = u64::try_from(now_s().saturating_sub(at)).unwrap_or(0);
                Some((document, Duration::from_secs(age)))
            }
        };
        found.filter(|(_, age)| *age <= most)
    }
}

impl Section {
    fn has_source(&self) -> bool {
        self.upstream.is_some() || !self.config.policy.is_empty()
    }

    /// Whether one answer may serve several who ask the same.
    fn shares(&self) -> bool {
        self.config.cache_s > 0
    }

    fn fresh_for(&self, document: &Document) -> Duration {
        Duration::from_secs(match document {
            Some(_) => self.config.cache_s.into(),
            None => self.config.not_found_s.into(),
        })
    }

    fn rests(&self, key: &str) -> bool {
        let failed = self.failed.lock().unwrap_or_else(PoisonError::into_inner);
        let lately = |at: &Instant| at.elapsed() < REST;
        failed.service.as_ref().is_some_and(lately) || failed.questions.get(key).is_some_and(lately)
    }

    /// What a question has taught.
    fn learn(&self, key: &str, problem: Option<&Problem>) {
        let mut failed = self.failed.lock().unwrap_or_else(PoisonError::into_inner);
        match problem {
            None => {
                failed.service = None;
                failed.questions.remove(key);
            }
            Some(Problem { away: true, .. }) => failed.service = Some(Instant::now()),
            Some(_) => {
                if failed.questions.len() >= MOST_FAILED {
                    failed.questions.retain(|_, at| at.elapsed() < REST);
                }
                if failed.questions.len() < MOST_FAILED && key.len() <= answers::MAX_KEY {
                    failed.questions.insert(key.to_owned(), Instant::now());
                }
            }
        }
    }

    /// The document, if it is one; nothing where it says that there is none.
    fn checked(
        &self,
        text: Option<String>,
        whose: &str,
        query: &XmlQuery,
    ) -> Result<Option<String>, String> {
        let Some(text) = text else { return Ok(None) };
        if text.len() > self.most_bytes {
            return Err(format!("{whose} is longer than {} KiB", self.most_bytes >> 10));
        }
        match check::check(&text, query) {
            Ok(Kind::Found) => Ok(Some(text)),
            Ok(Kind::NotFound) => Ok(None),
            Err(problem) => Err(format!("{whose} {problem}")),
        }
    }
}

fn answer(document: Option<&str>, from: &str, age: Duration) -> XmlAnswer {
    XmlAnswer { document: document.map(str::to_owned), from: from.to_owned(), age_s: age.as_secs() }
}

fn now_s() -> i64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    i64::try_from(since.as_secs()).unwrap_or(i64::MAX)
}
