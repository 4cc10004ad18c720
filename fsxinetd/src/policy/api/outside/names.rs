//! What policies count, under names of their own but labels of ours.
//!
//! A script could make a name of every number it sees; each bundle has a fixed number of names, so
//! that no script can fill a time-series database.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Mutex, PoisonError};

use metrics::{counter, gauge, histogram};

use super::super::{Asker, MetricAsk, MetricKind};
use crate::health::metrics as names;

/// Most names of one bundle.
const MAX_NAMES: usize = 50;

/// The names in use, by bundle.
#[derive(Debug, Default)]
pub(super) struct Names(Mutex<BTreeMap<String, BTreeSet<String>>>);

impl Names {
    pub(super) fn change(&self, asker: &Asker, ask: MetricAsk) -> Result<(), String> {
        {
            let mut bundles = self.0.lock().unwrap_or_else(PoisonError::into_inner);
            let own = bundles.entry(asker.bundle.clone()).or_default();
            if !own.contains(&ask.name) {
                if own.len() >= MAX_NAMES {
                    return Err(format!("more than {MAX_NAMES} names of metrics in one bundle"));
                }
                own.insert(ask.name.clone());
            }
        }
        let (org, name) = (asker.bundle.clone(), ask.name);
        match ask.kind {
            MetricKind::Count => {
                counter!(names::POLICY_COUNTS, "org" => org, "name" => name)
                    .increment(ask.value as u64);
            }
            MetricKind::Gauge => {
                gauge!(names::POLICY_GAUGE, "org" => org, "name" => name).set(ask.value);
            }
            MetricKind::Observe => {
                histogram!(names::POLICY_OBSERVED, "org" => org, "name" => name).record(ask.value);
            }
        }
        Ok(())
    }
}
