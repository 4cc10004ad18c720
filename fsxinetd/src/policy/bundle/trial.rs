//! Bundles on trial: compiled and tested beside whoever waits for them.
//!
//! A bundle's tests are an organisation's program, and some never end. So each trial has threads of
//! its own and a limit that does not need the program to give way; few run at once, one for each
//! organisation. A thread that outlives its limit cannot be stopped: it keeps only its own
//! organisation waiting, and holds no place.

use std::collections::{BTreeMap, VecDeque};
use std::sync::mpsc::RecvTimeoutError;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError, mpsc};
use std::thread;
use std::time::{Duration, Instant};

use tokio::sync::Notify;

use super::files::MANIFEST;
use super::keeper::Check;
use super::shelf::{By, State, Version};
use super::{Bundle, Fault, Files, Manifest};
use crate::policy::STACK;

/// Most trials at once. Calls share the machine with them.
const AT_ONCE: usize = 2;

/// How long a trial may take. The tests' own minute ends first where their code gives way.
const LIMIT: Duration = Duration::from_secs(75);

/// A bundle that is offered.
#[derive(Debug)]
pub(super) struct Candidate {
    pub(super) name: String,
    pub(super) files: Files,
    pub(super) by: By,
    /// What it is remembered by: its own digest, or that of what the Core API sent.
    pub(super) mark: String,
    /// In force when it was offered.
    pub(super) over: Option<Version>,
}

impl Candidate {
    /// Its version as its manifest says it; a question mark where that cannot be read.
    fn version(&self) -> String {
        let text = self.files.get(MANIFEST).and_then(|bytes| std::str::from_utf8(bytes).ok());
        let manifest = text.and_then(|text| Manifest::parse(text).ok());
        manifest.map_or_else(|| "?".to_owned(), |manifest| manifest.version)
    }

    fn same(&self, other: &Self) -> bool {
        (&self.name, self.by, &self.mark) == (&other.name, other.by, &other.mark)
    }

    /// Whether it has been looked at.
    pub(super) fn seen_in(&self, state: &State) -> bool {
        let seen = if self.by == By::Core { &state.seen_core } else { &state.seen_folder };
        seen.as_ref() == Some(&self.mark)
    }

    /// Notes that it has been looked at.
    pub(super) fn note(&self, state: &mut State) {
        let seen = if self.by == By::Core { &mut state.seen_core } else { &mut state.seen_folder };
        *seen = Some(self.mark.clone());
    }
}

/// What came of a trial.
#[derive(Debug)]
pub(super) struct Tried {
    pub(super) candidate: Arc<Candidate>,
    pub(super) result: Result<Bundle, Vec<Fault>>,
}

/// Tries bundles.
#[derive(Clone)]
pub(super) struct Trials {
    check: Check,
    limit: Duration,
    desk: Arc<(Mutex<Desk>, Condvar)>,
    news: Arc<Notify>,
}

#[derive(Default)]
struct Desk {
    /// At most one of each name.
    waiting: VecDeque<Arc<Candidate>>,
    running: BTreeMap<String, Running>,
    /// Past their limit, and still not ended.
    stuck: BTreeMap<String, Arc<Candidate>>,
    done: VecDeque<Tried>,
}

struct Running {
    candidate: Arc<Candidate>,
    /// Nobody wants to know any more.
    dropped: bool,
}

impl Desk {
    /// What was offered last under a name, as long as nobody has heard what came of it.
    fn last(&self, name: &str) -> Option<&Arc<Candidate>> {
        let named = |candidate: &&Arc<Candidate>| candidate.name == name;
        let running = self.running.get(name).filter(|running| !running.dropped);
        let waiting = self.waiting.iter().find(named);
        let done = || self.done.iter().map(|tried| &tried.candidate).find(named);
        waiting.or_else(|| running.map(|running| &running.candidate)).or_else(done)
    }

    fn forget(&mut self, gone: impl Fn(&Candidate) -> bool) {
        self.waiting.retain(|candidate| !gone(candidate));
        self.done.retain(|tried| !gone(&tried.candidate));
        for running in self.running.values_mut() {
            running.dropped |= gone(&running.candidate);
        }
    }

    /// What will begin by itself, and has not.
    fn queue(&self) -> impl Iterator<Item = &Arc<Candidate>> {
        self.waiting.iter().filter(|candidate| !self.stuck.contains_key(&candidate.name))
    }
}

impl Trials {
    pub(super) fn new(check: Check) -> Self {
        Self { check, limit: LIMIT, desk: Arc::default(), news: Arc::default() }
    }

    /// The same with another limit.
    #[cfg(test)]
    pub(super) fn within(self, limit: Duration) -> Self {
        Self { limit, ..self }
    }

    fn desk(&self) -> MutexGuard<'_, Desk> {
        self.desk.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Takes a bundle for trial, in the place of an older one of its name. What the folder has on
    /// trial is not displaced by what the Core API offers.
    pub(super) fn offer(&self, candidate: Candidate) {
        let mut desk = self.desk();
        let keeps = |last: &Arc<Candidate>| {
            last.same(&candidate) || (last.by == By::Folder && candidate.by == By::Core)
        };
        if desk.last(&candidate.name).is_some_and(keeps) {
            return;
        }
        desk.forget(|older| older.name == candidate.name);
        if let Some(stuck) = desk.stuck.get(&candidate.name) {
            self.waits(&candidate, stuck);
        }
        desk.waiting.push_back(Arc::new(candidate));
        self.pump(&mut desk);
    }

    fn waits(&self, newer: &Candidate, stuck: &Candidate) {
        tracing::warn!(
            "policy: {}: version {} waits until the tests of version {} end, or for a restart of \
             the daemon: they are past their limit of {:?} and cannot be stopped",
            newer.name,
            newer.version(),
            stuck.version(),
            self.limit
        );
    }

    /// Wants to know nothing more of some of them.
    pub(super) fn forget(&self, gone: impl Fn(&Candidate) -> bool) {
        self.desk().forget(gone);
    }

    /// Whether that very bundle is on trial.
    pub(super) fn tries(&self, name: &str, by: By, mark: &str) -> bool {
        self.desk().last(name).is_some_and(|last| last.by == by && last.mark == mark)
    }

    /// How many wait for their turn.
    pub(super) fn queued(&self) -> usize {
        self.desk().queue().count()
    }

    /// Names whose trial has not ended.
    pub(super) fn open(&self) -> Vec<String> {
        let desk = self.desk();
        let running = desk.running.values().filter(|running| !running.dropped);
        let running = running.map(|running| running.candidate.name.clone());
        running.chain(desk.waiting.iter().map(|candidate| candidate.name.clone())).collect()
    }

    /// The next result; waits for it until then at most, and not where none is to come.
    pub(super) fn next(&self, until: Instant) -> Option<Tried> {
        let mut desk = self.desk();
        loop {
            if let Some(tried) = desk.done.pop_front() {
                return Some(tried);
            }
            let left = until.saturating_duration_since(Instant::now());
            let running = desk.running.values().any(|running| !running.dropped);
            if left.is_zero() || (!running && desk.queue().next().is_none()) {
                return None;
            }
            let waited = self.desk.1.wait_timeout(desk, left);
            desk = waited.unwrap_or_else(PoisonError::into_inner).0;
        }
    }

    /// Returns when there may be a result.
    pub(super) async fn news(&self) {
        self.news.notified().await;
    }

    /// Begins what there is room for.
    fn pump(&self, desk: &mut Desk) {
        while desk.running.len() < AT_ONCE {
            let free = |c: &Arc<Candidate>| {
                !desk.running.contains_key(&c.name) && !desk.stuck.contains_key(&c.name)
            };
            let next = desk.waiting.iter().position(free);
            let Some(candidate) = next.and_then(|at| desk.waiting.remove(at)) else { return };
            let running = Running { candidate: Arc::clone(&candidate), dropped: false };
            desk.running.insert(candidate.name.clone(), running);
            let (trials, tried) = (self.clone(), Arc::clone(&candidate));
            let watch = thread::Builder::new().name("trial".into());
            if let Err(error) = watch.spawn(move || trials.watch(&tried)) {
                // The machine's fault: it is not remembered, so it is tried when next offered.
                let name = &candidate.name;
                tracing::error!("policy: {name}: cannot be tested now: no thread: {error}");
                desk.running.remove(name);
            }
        }
    }

    /// Runs one trial on another thread, and waits for it no longer than the limit.
    fn watch(&self, candidate: &Arc<Candidate>) {
        let (tell, told) = mpsc::channel();
        let (check, tried) = (Arc::clone(&self.check), Arc::clone(candidate));
        // It may nest as deep as a policy does.
        let thread = thread::Builder::new().name("tests".into()).stack_size(STACK);
        let begun = thread.spawn(move || {
            let _ = tell.send(check(&tried.files, &tried.name));
        });
        if let Err(error) = begun {
            tracing::error!("policy: {}: cannot be tested now: no thread: {error}", candidate.name);
            return self.end(candidate, None);
        }
        match told.recv_timeout(self.limit) {
            Ok(result) => self.end(candidate, Some(result)),
            Err(RecvTimeoutError::Disconnected) => {
                let fault = format!("version {}: its tests broke off", candidate.version());
                self.end(candidate, Some(Err(vec![Fault::of("", fault)])));
            }
            Err(RecvTimeoutError::Timeout) => {
                let mut desk = self.desk();
                desk.stuck.insert(candidate.name.clone(), Arc::clone(candidate));
                if let Some(newer) = desk.waiting.iter().find(|c| c.name == candidate.name) {
                    self.waits(newer, candidate);
                }
                drop(desk);
                let version = candidate.version();
                let fault = format!(
                    "version {version}: refused: its tests did not end in {:?}",
                    self.limit
                );
                self.end(candidate, Some(Err(vec![Fault::of("", fault)])));
                // Whatever comes now is too late; that it ends frees its organisation.
                let _ = told.recv();
                let mut desk = self.desk();
                desk.stuck.remove(&candidate.name);
                self.pump(&mut desk);
            }
        }
    }

    /// Gives its place free and says what came of it.
    fn end(&self, candidate: &Arc<Candidate>, result: Option<Result<Bundle, Vec<Fault>>>) {
        let mut desk = self.desk();
        let running = desk.running.remove(&candidate.name);
        if let Some(result) = result.filter(|_| running.is_some_and(|running| !running.dropped)) {
            desk.done.push_back(Tried { candidate: Arc::clone(candidate), result });
        }
        self.pump(&mut desk);
        drop(desk);
        self.desk.1.notify_all();
        self.news.notify_one();
    }
}
