//! Who puts bundles in force while the daemon runs.
//!
//! Three things offer bundles: the policies' folder at start and at SIGHUP, `fsxinetd policy`, and
//! the Core API. Whatever is offered is compiled and tested before it takes the place of what is in
//! force; what fails is named and changes nothing. What was in force is kept, so a restart with a
//! broken folder, or with the Core API away, begins with the last good version.
//!
//! Neither tests nor fetching hold anything up: both run beside the loop that puts bundles in force,
//! and it takes what came of them.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, Instant};

use metrics::{counter, gauge};
use tokio::sync::{Notify, watch};

use super::fetch::{Fetch, Listed};
use super::shelf::{By, Shelf, ShelfError, Version};
use super::trial::{Candidate, Trials, Tried};
use super::{Bundle, BundleSet, Fault, Files, set};
use crate::health::metrics as names;

/// Compiles the files of a bundle and runs its tests: the whole of what keeps a bad one out.
pub type Check = Arc<dyn Fn(&Files, &str) -> Result<Bundle, Vec<Fault>> + Send + Sync>;

/// How often the store is looked at: one `stat` each time.
const LOOK_EVERY: Duration = Duration::from_secs(1);

/// How long a start waits for tests. Bundles whose tests take longer come into force after it.
const START: Duration = Duration::from_secs(10);

/// Puts bundles in force.
#[derive(Clone)]
pub struct Keeper {
    dir: PathBuf,
    shelf: Option<Shelf>,
    trials: Trials,
    patience: Duration,
}

impl std::fmt::Debug for Keeper {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Keeper").field("dir", &self.dir).field("shelf", &self.shelf).finish()
    }
}

/// What came of looking.
#[derive(Debug, Default)]
pub struct Survey {
    /// To be in force now.
    pub set: BundleSet,
    /// What is wrong, a line each.
    pub faults: Vec<String>,
}

impl Keeper {
    /// Over the folder and the store; an empty store path keeps no versions.
    #[must_use]
    pub fn new(dir: &Path, store: &Path, check: Check) -> Self {
        let shelf = if store.as_os_str().is_empty() {
            None
        } else {
            Shelf::open(store)
                .inspect_err(|error| {
                    tracing::warn!(
                        "policy: no versions are kept ([policy] store): {error}; there is no \
                         rollback, and a restart begins with the folder as it is then"
                    );
                })
                .ok()
        };
        Self { dir: dir.to_owned(), shelf, trials: Trials::new(check), patience: START }
    }

    /// The same with other limits: of one trial, and of a start.
    #[cfg(test)]
    pub(super) fn within(self, trial: Duration, start: Duration) -> Self {
        Self { trials: self.trials.within(trial), patience: start, ..self }
    }

    /// The store, where there is one.
    #[must_use]
    pub fn shelf(&self) -> Option<&Shelf> {
        self.shelf.as_ref()
    }

    /// What is on trial.
    pub(super) fn trials(&self) -> &Trials {
        &self.trials
    }

    /// Takes what is new in the policies' folder and gives what is to be in force. Blocks until its
    /// tests have ended, up to a limit: what takes longer is left to the loop.
    #[must_use]
    pub fn survey(&self, before: &BundleSet) -> Survey {
        let mut survey = self.look(before, true, self.patience);
        let mut late = self.trials.open();
        late.sort();
        for name in late {
            let text = format!(
                "{name}: its tests have not ended in {:?}; it comes into force once they pass",
                self.patience
            );
            survey.faults.push(text + &stays(survey.set.get(&name)));
        }
        survey
    }

    /// What the store says is in force and what came of trials; nothing else is looked at.
    #[must_use]
    pub fn glance(&self, before: &BundleSet) -> Survey {
        self.look(before, false, Duration::ZERO)
    }

    /// Offers what is new in the folder, where that is asked for, and takes what came of trials;
    /// waits for those no longer than `patience`.
    pub(super) fn look(&self, before: &BundleSet, folder: bool, patience: Duration) -> Survey {
        let mut survey = Survey { set: before.clone(), ..Survey::default() };
        let until = Instant::now() + patience;
        if folder {
            self.offer_folder(&mut survey);
        }
        while let Some(tried) = self.trials.next(until) {
            self.settle(tried, before, &mut survey);
        }
        if self.shelf.is_some() {
            survey.set = BundleSet::default();
            self.in_force(before, &mut survey);
        }
        survey
    }

    /// Puts on trial what is new in the folder. What is gone from it goes out of force.
    fn offer_folder(&self, survey: &mut Survey) {
        let offered = match set::names(&self.dir) {
            Ok((names, wrong)) => {
                survey.faults.extend(wrong);
                names
            }
            // A folder that cannot be read, for once, takes nothing out of force.
            Err(fault) => return survey.faults.push(fault),
        };
        self.trials.forget(|old| old.by == By::Folder && !offered.contains(&old.name));
        for name in &offered {
            let now = survey.set.get(name).cloned();
            if let Err(faults) = self.offer_from_folder(name, now.as_ref()) {
                refused(name, now.as_ref(), &faults, survey);
            }
        }
        let Some(shelf) = &self.shelf else {
            let names: Vec<String> = survey.set.iter().map(|bundle| bundle.name.clone()).collect();
            for gone in names.iter().filter(|name| !offered.contains(name)) {
                survey.set.remove(gone);
            }
            return;
        };
        // Deleting a folder is how a site without commands takes a policy away.
        for name in shelf.names().iter().filter(|name| !offered.contains(name)) {
            let gone = shelf.change(name, |state| {
                if state.active.as_ref().is_some_and(|v| v.by == By::Folder) {
                    state.put(None);
                    state.seen_folder = None;
                }
                Ok(())
            });
            survey.faults.extend(gone.err().map(|e| e.to_string()));
        }
    }

    fn offer_from_folder(&self, name: &str, now: Option<&Arc<Bundle>>) -> Result<(), Vec<Fault>> {
        let files = Files::read(&self.dir.join(name)).map_err(|fault| vec![fault]);
        // Put back as it was, or broken: what it was before is not wanted any more either.
        let old = |old: &Candidate| old.by == By::Folder && old.name == name;
        let files = files.inspect_err(|_| self.trials.forget(old))?;
        let (by, mark, mut over) = (By::Folder, files.digest(), None);
        let known = match &self.shelf {
            Some(shelf) => {
                let state = shelf.state(name).map_err(|e| vec![Fault::of("", e.to_string())])?;
                over = state.active;
                state.seen_folder.as_ref() == Some(&mark)
            }
            None => now.is_some_and(|now| now.digest == mark),
        };
        if known {
            self.trials.forget(old);
        } else {
            self.trials.offer(Candidate { name: name.to_owned(), files, by, mark, over });
        }
        Ok(())
    }

    /// Takes what came of a trial.
    fn settle(&self, tried: Tried, before: &BundleSet, survey: &mut Survey) {
        let Tried { candidate, result } = tried;
        let (name, now) = (&candidate.name, before.get(&candidate.name));
        let Some(shelf) = &self.shelf else {
            return match result {
                Ok(bundle) => survey.set.put(bundle, now),
                Err(faults) => refused(name, now, &faults, survey),
            };
        };
        // The store is at fault then, not the bundle: it is tried again when next offered.
        let noted = match result {
            Ok(bundle) => keep_passed(shelf, &candidate, &bundle),
            Err(faults) => {
                refused(name, now, &faults, survey);
                // The folder's is said again whenever somebody asks for a look at it.
                if candidate.by == By::Core { note(shelf, &candidate) } else { Ok(()) }
            }
        };
        if let Err(error) = noted {
            survey.faults.push(format!("{name}: {error}{}", stays(now)));
        }
    }

    /// Reads what the store says is in force; of a damaged version, the last whole one before it.
    fn in_force(&self, before: &BundleSet, survey: &mut Survey) {
        let Some(shelf) = &self.shelf else { return };
        for name in shelf.names() {
            let state = match shelf.state(&name) {
                Ok(state) => state,
                Err(error) => {
                    survey.faults.push(format!("{error}; what is in force stays"));
                    if let Some(bundle) = before.get(&name) {
                        survey.set.keep(Arc::clone(bundle));
                    }
                    continue;
                }
            };
            let Some(active) = &state.active else { continue };
            let candidates = std::iter::once(active).chain(state.before.iter().rev());
            for version in candidates {
                match open(shelf, &name, version, before) {
                    Ok(bundle) => {
                        survey.set.keep(bundle);
                        break;
                    }
                    Err(fault) => survey.faults.push(fault),
                }
            }
        }
    }

    /// What is to be fetched of what the Core API lists. What it no longer lists, and had put in
    /// force, goes.
    ///
    /// # Errors
    /// A line for each thing that could not be done.
    pub(super) fn wanted(&self, listed: Vec<Listed>) -> (Vec<Listed>, Vec<String>) {
        let Some(shelf) = &self.shelf else {
            let fault = "[policy] source needs a [policy] store that can be written";
            return (Vec::new(), vec![fault.to_owned()]);
        };
        let mut faults = Vec::new();
        let names: BTreeSet<String> = listed.iter().map(|listed| listed.org.to_string()).collect();
        self.trials.forget(|old| old.by == By::Core && !names.contains(&old.name));
        for name in shelf.names().iter().filter(|name| !names.contains(*name)) {
            let gone = shelf.change(name, |state| {
                if state.active.as_ref().is_some_and(|v| v.by == By::Core) {
                    state.put(None);
                }
                state.seen_core = None;
                Ok(())
            });
            faults.extend(gone.err().map(|e| e.to_string()));
        }
        // The folder's own wins.
        let own = set::names(&self.dir).map(|(names, _)| names).unwrap_or_default();
        let new = |listed: &Listed| {
            let name = listed.org.to_string();
            let seen = || shelf.state(&name).ok().and_then(|state| state.seen_core);
            !own.contains(&name)
                && !self.trials.tries(&name, By::Core, &listed.sha256)
                && seen().as_ref() != Some(&listed.sha256)
        };
        (listed.into_iter().filter(new).collect(), faults)
    }

    /// Takes what was fetched: a bundle is put on trial, what is none is refused for good.
    ///
    /// # Errors
    /// A line that says what is wrong with the bundle or the store.
    pub(super) fn fetched(
        &self,
        listed: &Listed,
        files: Result<Files, Fault>,
    ) -> Result<(), String> {
        let name = listed.org.to_string();
        let Some(shelf) = &self.shelf else { return Ok(()) };
        let failed = |error: ShelfError| format!("{name}: {error}; what is in force stays");
        let over = shelf.state(&name).map_err(failed)?.active;
        let fault = files.as_ref().err().cloned();
        let candidate = Candidate {
            name: name.clone(),
            files: files.unwrap_or_default(),
            by: By::Core,
            mark: listed.sha256.clone(),
            over,
        };
        let Some(fault) = fault else {
            self.trials.offer(candidate);
            return Ok(());
        };
        counter!(names::POLICY_REFUSED, "org" => name.clone()).increment(1);
        note(shelf, &candidate).map_err(failed)?;
        Err(format!("{}; what is in force stays", fault.line_in(&name)))
    }
}

/// Notes that a bundle has been looked at.
fn note(shelf: &Shelf, candidate: &Candidate) -> Result<(), ShelfError> {
    shelf.change(&candidate.name, |state| {
        candidate.note(state);
        Ok(())
    })
}

/// Keeps a bundle that has passed and puts it in force, unless somebody has meanwhile said otherwise.
fn keep_passed(shelf: &Shelf, candidate: &Candidate, bundle: &Bundle) -> Result<(), ShelfError> {
    let name = &candidate.name;
    let version = shelf.keep(name, &bundle.version, &candidate.files, candidate.by)?;
    shelf.change(name, |state| {
        if candidate.seen_in(state) {
            return Ok(());
        }
        candidate.note(state);
        // Nothing at all in force is somebody's word too: what else takes a bundle out of force
        // takes it off trial.
        let word = state.active.as_ref().is_none_or(|now| now.by == By::Command);
        if word && state.active != candidate.over {
            tracing::info!(
                bundle = name,
                version = version.version,
                "policy bundle passed, and is kept; a command has meanwhile said what is in force"
            );
        } else {
            state.put(Some(version));
        }
        Ok(())
    })
}

/// The bundle of a kept version; the one in force where it is the same.
fn open(
    shelf: &Shelf,
    name: &str,
    version: &Version,
    before: &BundleSet,
) -> Result<Arc<Bundle>, String> {
    if let Some(same) = before.get(name).filter(|b| b.digest == version.digest) {
        return Ok(Arc::clone(same));
    }
    let files = shelf.files(name, version).map_err(|error| error.to_string())?;
    // It was tested when it was taken; a newer daemon may still refuse to compile it.
    Bundle::compile(&files, name).map(Arc::new).map_err(|faults| {
        let first = faults.first().map(|f| f.line_in(name)).unwrap_or_default();
        format!("{name}: version {} cannot be used any more: {first}", version.version)
    })
}

fn refused(name: &str, before: Option<&Arc<Bundle>>, faults: &[Fault], survey: &mut Survey) {
    counter!(names::POLICY_REFUSED, "org" => name.to_owned()).increment(1);
    let errors = faults.iter().filter(|f| f.severity == super::Severity::Error);
    let kept = stays(before);
    survey.faults.extend(errors.map(|fault| format!("{}{kept}", fault.line_in(name))));
}

fn stays(bundle: Option<&Arc<Bundle>>) -> String {
    bundle.map_or_else(String::new, |b| format!("; version {} stays in force", b.version))
}

/// Says what is in force, and what has changed.
pub fn announce(before: &BundleSet, now: &BundleSet) {
    for bundle in now.iter() {
        if before.get(&bundle.name).is_some_and(|b| b.digest == bundle.digest) {
            continue;
        }
        tracing::info!(
            bundle = bundle.name,
            version = bundle.version,
            digest = &bundle.digest[..12],
            "policy bundle in force"
        );
    }
    for bundle in before.iter() {
        let (org, version) = (bundle.name.clone(), bundle.version.clone());
        if now.get(&org).is_none() {
            tracing::info!(bundle = org, version, "policy bundle no longer in force");
        }
        gauge!(names::POLICY_BUNDLE_INFO, "org" => org, "version" => version).set(0.0);
    }
    for bundle in now.iter() {
        let (org, version) = (bundle.name.clone(), bundle.version.clone());
        gauge!(names::POLICY_BUNDLE_INFO, "org" => org, "version" => version).set(1.0);
    }
    gauge!(names::POLICY_BUNDLES).set(now.len() as f64);
}

/// Where bundles are put in force.
pub trait InForce: Clone + Send + Sync + 'static {
    /// The bundles in force.
    fn bundles(&self) -> Arc<BundleSet>;
    /// Puts others in their place.
    fn put(&self, set: BundleSet);
}

/// What asks for the policies' folder to be looked at, and waits until it has been.
#[derive(Clone, Debug)]
pub struct Looker {
    ask: Arc<Notify>,
}

impl Looker {
    /// Asks; what comes of it is logged.
    pub fn look(&self) {
        self.ask.notify_one();
    }
}

/// What there is to look at.
#[derive(Clone, Copy)]
enum Why {
    Asked,
    Tick,
    Tried,
}

/// Looks once, at start. Blocks, for a bounded time.
pub fn first(keeper: &Keeper, engine: &impl InForce) {
    apply(engine, |before| keeper.survey(before));
}

fn apply(engine: &impl InForce, look: impl FnOnce(&BundleSet) -> Survey) {
    let before = engine.bundles();
    let survey = look(&before);
    for fault in &survey.faults {
        tracing::error!("policy: {fault}");
    }
    announce(&before, &survey.set);
    engine.put(survey.set);
}

/// Notices what changes, until `stop`. The handle asks it to look at the folder.
pub fn keep(
    keeper: Keeper,
    engine: impl InForce,
    fetch: Option<Fetch>,
    mut stop: watch::Receiver<bool>,
) -> (Looker, impl Future<Output = ()> + Send) {
    let ask = Arc::new(Notify::new());
    let looker = Looker { ask: Arc::clone(&ask) };
    let run = async move {
        let mut tick = tokio::time::interval(LOOK_EVERY);
        tick.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
        let mut edition = keeper.shelf().map(Shelf::edition);
        // Beside the loop: a source that is slow delays nothing but itself.
        let (fetcher, news) = (keeper.clone(), keeper.clone());
        let fetching = async move {
            let Some(mut fetch) = fetch else { return std::future::pending().await };
            loop {
                fetch.once(&fetcher).await;
                tokio::time::sleep(fetch.interval()).await;
            }
        };
        let mut fetching = std::pin::pin!(fetching);
        loop {
            let why = tokio::select! {
                _ = stop.wait_for(|stop| *stop) => None,
                () = ask.notified() => Some(Why::Asked),
                _ = tick.tick() => Some(Why::Tick),
                () = news.trials.news() => Some(Why::Tried),
                () = &mut fetching => None,
            };
            match why {
                None => return,
                Some(Why::Tick) if keeper.shelf().map(Shelf::edition) == edition => continue,
                Some(_) => {}
            }
            let folder = matches!(why, Some(Why::Asked));
            // Noted first: what changes while it is read is read again.
            edition = keeper.shelf().map(Shelf::edition);
            let (keeper, engine) = (keeper.clone(), engine.clone());
            let looked = tokio::task::spawn_blocking(move || {
                apply(&engine, |before| keeper.look(before, folder, Duration::ZERO));
            });
            if looked.await.is_err() {
                tracing::error!("policy: looking at the bundles failed; what is in force stays");
            }
        }
    };
    (looker, run)
}
