//! What is remembered of a call until its record is made.
//!
//! FreeSWITCH's own places for this (channel variables, private data) are strings, or pointers that
//! nobody frees; so calls are kept here by their leg's UUID, and taken out once, when the leg ends.
//! A call that is still here when its leg is destroyed is reported then, so that nothing is lost and
//! nothing stays.

use std::{
    collections::BTreeMap,
    sync::{Mutex, MutexGuard, PoisonError},
};

use fsx_wire::{message::WireFacts, record::AttemptRecord};

/// A call in progress.
#[derive(Clone, Debug, Default)]
pub(crate) struct Call {
    /// What the last decision was made from.
    pub(crate) facts: WireFacts,
    /// Generation that decided.
    pub(crate) generation: u64,
    /// Who decided.
    pub(crate) decided_by: &'static str,
    /// Version of the policy bundle, where one decided.
    pub(crate) policy_version: Option<String>,
    /// The number in E.164.
    pub(crate) number: Option<String>,
    /// `route` or `reject`.
    pub(crate) decision: &'static str,
    /// An emergency call.
    pub(crate) emergency: bool,
    /// Every gateway tried so far.
    pub(crate) attempts: Vec<AttemptRecord>,
    /// When the first decision was made, milliseconds since 1970.
    pub(crate) started_ms: i64,
}

/// All calls in progress, by UUID of the caller's leg.
#[derive(Default)]
pub(crate) struct Calls {
    by_uuid: Mutex<BTreeMap<String, Call>>,
}

impl Calls {
    /// Begins the call of `uuid`, or goes on with the one that is there, and sets it by `set`.
    pub(crate) fn begin(&self, uuid: &str, set: impl FnOnce(&mut Call)) {
        set(self.lock().entry(uuid.to_owned()).or_default());
    }

    /// Adds an attempt to the call of `uuid`, if there is one.
    pub(crate) fn attempted(&self, uuid: &str, attempt: AttemptRecord) {
        if let Some(call) = self.lock().get_mut(uuid) {
            call.attempts.push(attempt);
        }
    }

    /// Takes the call of `uuid` out; `None` where there is none (any more).
    pub(crate) fn take(&self, uuid: &str) -> Option<Call> {
        self.lock().remove(uuid)
    }

    /// What each is about, for a listing: UUID and call.
    pub(crate) fn list(&self) -> Vec<(String, Call)> {
        self.lock().iter().map(|(uuid, call)| (uuid.clone(), call.clone())).collect()
    }

    /// How many are in progress.
    pub(crate) fn len(&self) -> usize {
        self.lock().len()
    }

    /// The map is whole at every step, so a panic under the lock spoils nothing.
    fn lock(&self) -> MutexGuard<'_, BTreeMap<String, Call>> {
        self.by_uuid.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_call_is_reported_once() {
        let calls = Calls::default();
        calls.begin("a", |call| call.generation = 3);
        calls.attempted("a", AttemptRecord::default());
        calls.attempted("unknown", AttemptRecord::default());
        assert_eq!(calls.len(), 1);
        let call = calls.take("a").expect("was begun");
        assert_eq!((call.generation, call.attempts.len()), (3, 1));
        assert!(calls.take("a").is_none() && calls.len() == 0);
    }
}
