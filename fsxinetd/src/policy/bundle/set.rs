//! The bundles in force.
//!
//! A set never changes: a new one takes its place whole, so that no call sees half of a change.

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;

use super::{Bundle, DEFAULT, Entry, files};
use crate::policy::Phase;

/// All bundles in force.
#[derive(Clone, Debug, Default)]
pub struct BundleSet {
    by_name: BTreeMap<String, Arc<Bundle>>,
}

impl BundleSet {
    /// Reads every bundle under `dir`. What cannot be read or compiled is named in the second part
    /// of the result and stays as it was in `before`; what did not change keeps its machines warm.
    #[must_use]
    pub fn load(dir: &Path, before: &Self) -> (Self, Vec<String>) {
        let (mut set, mut faults) = (Self::default(), Vec::new());
        let names = match names(dir) {
            Ok((names, wrong)) => {
                faults.extend(wrong);
                names
            }
            Err(fault) => return (before.clone(), vec![fault]),
        };
        for name in names {
            let before = before.by_name.get(&name);
            match Bundle::read(&dir.join(&name), &name) {
                Ok(bundle) => set.put(bundle, before),
                Err(found) => {
                    let kept = before.map(|b| format!("; version {} stays in force", b.version));
                    let kept = kept.unwrap_or_default();
                    faults.extend(found.iter().map(|f| format!("{}{kept}", f.line_in(&name))));
                    set.by_name.extend(before.map(|b| (name, Arc::clone(b))));
                }
            }
        }
        (set, faults)
    }

    /// Puts a bundle in; `before`, where it is the same, is kept instead.
    pub fn put(&mut self, bundle: Bundle, before: Option<&Arc<Bundle>>) {
        let same = before.filter(|before| before.digest == bundle.digest);
        let name = bundle.name.clone();
        self.by_name.insert(name, same.map_or_else(|| Arc::new(bundle), Arc::clone));
    }

    /// Puts one in that is in another set.
    pub fn keep(&mut self, bundle: Arc<Bundle>) {
        self.by_name.insert(bundle.name.clone(), bundle);
    }

    /// Takes one out.
    pub fn remove(&mut self, name: &str) {
        self.by_name.remove(name);
    }

    /// The bundle of that name.
    #[must_use]
    pub fn get(&self, name: &str) -> Option<&Arc<Bundle>> {
        self.by_name.get(name)
    }

    /// How many there are.
    #[must_use]
    pub fn len(&self) -> usize {
        self.by_name.len()
    }

    /// Whether there are none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.by_name.is_empty()
    }

    /// All of them, by name.
    pub fn iter(&self) -> impl Iterator<Item = &Arc<Bundle>> {
        self.by_name.values()
    }

    /// What runs for a task of an organisation: its own bundle where that has the task, else the
    /// platform's.
    #[must_use]
    pub fn find(&self, org: u32, phase: Phase, task: &str) -> Option<(Arc<Bundle>, Entry)> {
        self.find_for(org, phase, task, "")
    }

    /// The same, for a call to a number: where no task is named, a bundle's numbers come before its
    /// default.
    #[must_use]
    pub fn find_for(
        &self,
        org: u32,
        phase: Phase,
        task: &str,
        called: &str,
    ) -> Option<(Arc<Bundle>, Entry)> {
        let unnamed = task.is_empty() || task == DEFAULT;
        [org.to_string().as_str(), DEFAULT].iter().find_map(|name| {
            let bundle = self.by_name.get(*name)?;
            let number = if unnamed { bundle.number(phase, called) } else { None };
            let entry = number.or_else(|| bundle.entry(phase, task))?.clone();
            Some((Arc::clone(bundle), entry))
        })
    }
}

/// Names of the bundles under `dir`, and what looks like one and is none.
///
/// # Errors
/// `dir` cannot be read.
pub(super) fn names(dir: &Path) -> Result<(Vec<String>, Vec<String>), String> {
    let entries = std::fs::read_dir(dir)
        .map_err(|error| format!("{}: no policies: {error}", dir.display()))?;
    let (mut names, mut wrong) = (Vec::new(), Vec::new());
    for entry in entries.flatten() {
        let name = entry.file_name().to_string_lossy().into_owned();
        if !entry.path().is_dir() || name.starts_with('.') {
            continue;
        }
        if canonical(&name) {
            names.push(name);
        } else if entry.path().join(files::MANIFEST).exists() {
            wrong.push(format!(
                "{name}: is no bundle: expected \"{DEFAULT}\" or an OrgID as the folder's name"
            ));
        }
    }
    names.sort();
    wrong.sort();
    Ok((names, wrong))
}

/// `default`, or an OrgID written the one way that it is looked up by.
#[must_use]
pub fn canonical(name: &str) -> bool {
    name == DEFAULT || name.parse::<u32>().is_ok_and(|org| org != 0 && org.to_string() == name)
}
