//! Who puts bundles in force while the daemon runs.
//!
//! Three things offer bundles: the policies' folder at start and at SIGHUP, `fsxinetd policy`, and
//! the Core API. Whatever is offered is compiled and tested before it takes the place of what is in
//! force; what fails is named and changes nothing. What was in force is kept, so a restart with a
//! broken folder, or with the Core API away, begins with the last good version.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use metrics::{counter, gauge};
use tokio::sync::{Notify, watch};

use super::fetch::{Fetch, Offer};
use super::shelf::{By, Shelf, ShelfError, Version};
use super::{Bundle, BundleSet, Fault, Files, set};
use crate::health::metrics as names;

/// Compiles the files of a bundle and runs its tests: the whole of what keeps a bad one out.
pub type Check = Arc<dyn Fn(&Files, &str) -> Result<Bundle, Vec<Fault>> + Send + Sync>;

/// How often the store is looked at: one `stat` each time.
const LOOK_EVERY: Duration = Duration::from_secs(1);

/// Puts bundles in force.
#[derive(Clone)]
pub struct Keeper {
    dir: PathBuf,
    shelf: Option<Shelf>,
    check: Check,
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
        Self { dir: dir.to_owned(), shelf, check }
    }

    /// The store, where there is one.
    #[must_use]
    pub fn shelf(&self) -> Option<&Shelf> {
        self.shelf.as_ref()
    }

    /// Takes what is new in the policies' folder and gives what is to be in force. Blocks: tests run.
    #[must_use]
    pub fn survey(&self, before: &BundleSet) -> Survey {
        let mut survey = Survey::default();
        let offered = match set::names(&self.dir) {
            Ok((names, wrong)) => {
                survey.faults.extend(wrong);
                Some(names)
            }
            Err(fault) => {
                survey.faults.push(fault);
                None
            }
        };
        let Some(shelf) = &self.shelf else {
            // A folder that cannot be read, for once, takes nothing out of force.
            let Some(offered) = offered else {
                return Survey { set: before.clone(), ..survey };
            };
            for name in offered {
                self.straight(&name, before, &mut survey);
            }
            return survey;
        };
        if let Some(offered) = &offered {
            for name in offered {
                if let Err(faults) = self.offer(shelf, name) {
                    refused(name, before.get(name), &faults, &mut survey);
                }
            }
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
        self.in_force(before, &mut survey);
        survey
    }

    /// What the store says is in force, and nothing else looked at.
    #[must_use]
    pub fn glance(&self, before: &BundleSet) -> Survey {
        let mut survey = Survey::default();
        if self.shelf.is_some() {
            self.in_force(before, &mut survey);
        } else {
            survey.set = before.clone();
        }
        survey
    }

    /// A bundle without a store: from the folder, straight.
    fn straight(&self, name: &str, before: &BundleSet, survey: &mut Survey) {
        let before = before.get(name);
        let files = match Files::read(&self.dir.join(name)) {
            Ok(files) => files,
            Err(fault) => return refused(name, before, &[fault], survey),
        };
        if let Some(same) = before.filter(|b| b.digest == files.digest()) {
            return survey.set.keep(Arc::clone(same));
        }
        match (self.check)(&files, name) {
            Ok(bundle) => survey.set.put(bundle, before),
            Err(faults) => refused(name, before, &faults, survey),
        }
    }

    /// What the folder holds, checked and put in force where it is new.
    fn offer(&self, shelf: &Shelf, name: &str) -> Result<(), Vec<Fault>> {
        let one = |error: ShelfError| vec![Fault::of("", error.to_string())];
        let files = Files::read(&self.dir.join(name)).map_err(|fault| vec![fault])?;
        let digest = files.digest();
        if shelf.state(name).map_err(one)?.seen_folder.as_ref() == Some(&digest) {
            return Ok(());
        }
        self.admit(shelf, name, &files, By::Folder)
    }

    /// Checks it and puts it in force.
    ///
    /// # Errors
    /// What is wrong with it, or with the store.
    pub fn admit(
        &self,
        shelf: &Shelf,
        name: &str,
        files: &Files,
        by: By,
    ) -> Result<(), Vec<Fault>> {
        let bundle = (self.check)(files, name)?;
        let put = put(shelf, name, &bundle, files, by);
        put.map_err(|error| vec![Fault::of("", error.to_string())])
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

    /// Takes what the Core API offers. What it no longer offers, and had put in force, goes.
    ///
    /// # Errors
    /// A line for each bundle that was not taken.
    pub fn take(&self, offers: &[Offer]) -> Result<(), Vec<String>> {
        let Some(shelf) = &self.shelf else {
            return Err(vec!["[policy] source needs a [policy] store that can be written".into()]);
        };
        let mut faults = Vec::new();
        for offer in offers {
            let name = offer.org.to_string();
            let Some(files) = &offer.files else { continue };
            match (self.check)(files, &name) {
                Ok(bundle) => {
                    // The store is at fault, not the bundle: it is tried again when next asked for.
                    if let Err(error) = put(shelf, &name, &bundle, files, By::Core) {
                        faults.push(Fault::of("", error.to_string()).line_in(&name));
                        continue;
                    }
                }
                Err(found) => faults.extend(found.iter().map(|f| f.line_in(&name))),
            }
            // Taken or refused, it has been looked at.
            let seen = shelf.change(&name, |state| {
                state.seen_core = Some(offer.sha256.clone());
                Ok(())
            });
            faults.extend(seen.err().map(|e| e.to_string()));
        }
        for name in shelf.names() {
            if offers.iter().any(|offer| offer.org.to_string() == name) {
                continue;
            }
            let gone = shelf.change(&name, |state| {
                if state.active.as_ref().is_some_and(|v| v.by == By::Core) {
                    state.put(None);
                }
                state.seen_core = None;
                Ok(())
            });
            faults.extend(gone.err().map(|e| e.to_string()));
        }
        if faults.is_empty() { Ok(()) } else { Err(faults) }
    }

    /// Organisations whose bundle the folder holds: what the Core API offers for them is not taken.
    #[must_use]
    pub fn of_the_folder(&self) -> Vec<String> {
        set::names(&self.dir).map(|(names, _)| names).unwrap_or_default()
    }
}

/// Keeps a version of a checked bundle and puts it in force.
fn put(
    shelf: &Shelf,
    name: &str,
    bundle: &Bundle,
    files: &Files,
    by: By,
) -> Result<(), ShelfError> {
    let version = shelf.keep(name, &bundle.version, files, by)?;
    shelf.activate(name, version)
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
    let kept = before.map(|b| format!("; version {} stays in force", b.version));
    let kept = kept.unwrap_or_default();
    let errors = faults.iter().filter(|f| f.severity == super::Severity::Error);
    survey.faults.extend(errors.map(|fault| format!("{}{kept}", fault.line_in(name))));
    if let Some(bundle) = before {
        survey.set.keep(Arc::clone(bundle));
    }
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
    Fetch,
}

/// Looks once, at start. Blocks.
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
    mut fetch: Option<Fetch>,
    mut stop: watch::Receiver<bool>,
) -> (Looker, impl Future<Output = ()> + Send) {
    let ask = Arc::new(Notify::new());
    let looker = Looker { ask: Arc::clone(&ask) };
    let run = async move {
        let mut tick = tokio::time::interval(LOOK_EVERY);
        tick.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
        let mut edition = keeper.shelf().map(Shelf::edition);
        let mut due = tokio::time::Instant::now();
        loop {
            let fetching = async {
                match &fetch {
                    Some(_) => tokio::time::sleep_until(due).await,
                    None => std::future::pending().await,
                }
            };
            let why = tokio::select! {
                _ = stop.wait_for(|stop| *stop) => None,
                () = ask.notified() => Some(Why::Asked),
                _ = tick.tick() => Some(Why::Tick),
                () = fetching => Some(Why::Fetch),
            };
            match why {
                None => return,
                Some(Why::Tick) if keeper.shelf().map(Shelf::edition) == edition => continue,
                Some(Why::Fetch) => {
                    if let Some(fetch) = &mut fetch {
                        fetch.once(&keeper).await;
                        due = tokio::time::Instant::now() + fetch.interval();
                    }
                }
                Some(_) => {}
            }
            let folder = matches!(why, Some(Why::Asked));
            // Noted first: what changes while it is read is read again.
            edition = keeper.shelf().map(Shelf::edition);
            let (keeper, engine) = (keeper.clone(), engine.clone());
            let looked =
                tokio::task::spawn_blocking(move || {
                    apply(&engine, |before| {
                        if folder { keeper.survey(before) } else { keeper.glance(before) }
                    });
                });
            if looked.await.is_err() {
                tracing::error!("policy: looking at the bundles failed; what is in force stays");
            }
        }
    };
    (looker, run)
}
