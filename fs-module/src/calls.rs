//! What is remembered of a call until its record is made.
//!
//! FreeSWITCH's own places for this (channel variables, private data) are strings, or pointers that
//! nobody frees; so calls are kept here by their leg's UUID, and taken out once, when the leg ends.
//! A call that is still here when its leg is destroyed is reported then, so that nothing is lost and
//! nothing stays.
//!
//! A leg to a gateway may outlive the bridge to its caller: after an attended transfer it talks to
//! somebody else. The carrier goes on charging, so its place at the gateway, its time and its cost
//! are kept until that leg ends, and the call's record with them.

use std::{
    collections::BTreeMap,
    sync::{Mutex, MutexGuard, PoisonError},
};

use fsx_wire::{
    message::WireFacts,
    record::{AttemptRecord, CallRecord},
};

use crate::{bill::Bill, live::Counted};

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
    /// Attempts whose legs are up though their bridge is over.
    legs_up: u32,
    /// The record of a call whose caller has gone, waiting for those legs.
    ended: Option<Box<CallRecord>>,
}

impl Call {
    /// A call that was routed by a policy and the dialplan alone.
    pub(crate) fn by_policy(
        facts: WireFacts,
        version: String,
        emergency: bool,
        started_ms: i64,
    ) -> Self {
        Self {
            facts,
            decided_by: "policy",
            policy_version: Some(version),
            decision: "route",
            emergency,
            started_ms,
            ..Self::default()
        }
    }
}

/// A leg to a gateway that is still up though the bridge to the caller is over: the caller was
/// transferred away, or has gone a moment before it.
pub(crate) struct LegUp {
    /// UUID of the caller's leg.
    pub(crate) call: String,
    /// Place of the attempt among the call's.
    pub(crate) attempt: usize,
    /// The attempt, as it stood when the bridge ended.
    pub(crate) record: AttemptRecord,
    /// What it is billed by.
    pub(crate) bill: Bill,
    /// Its place at the gateway, given back when this is dropped.
    pub(crate) counted: Option<Counted>,
    /// Its outcome was told: it had been answered.
    pub(crate) told: bool,
}

/// All calls in progress, by UUID of the caller's leg, and legs that outlive their bridge, by their
/// own.
#[derive(Default)]
pub(crate) struct Calls {
    kept: Mutex<Kept>,
}

#[derive(Default)]
struct Kept {
    calls: BTreeMap<String, Call>,
    legs: BTreeMap<String, LegUp>,
}

impl Calls {
    /// Begins the call of `uuid`, or goes on with the one that is there, and sets it by `set`.
    pub(crate) fn begin(&self, uuid: &str, set: impl FnOnce(&mut Call)) {
        set(self.lock().calls.entry(uuid.to_owned()).or_default());
    }

    /// Adds an attempt to the call of `uuid`, if there is one, and gives its place.
    pub(crate) fn attempted(&self, uuid: &str, attempt: AttemptRecord) -> usize {
        let mut kept = self.lock();
        let Some(call) = kept.calls.get_mut(uuid) else { return 0 };
        call.attempts.push(attempt);
        call.attempts.len() - 1
    }

    /// Keeps a leg until [`leg_ended`](Self::leg_ended); its call's record waits for it.
    pub(crate) fn outlives(&self, leg: &str, up: LegUp) {
        let mut kept = self.lock();
        if let Some(call) = kept.calls.get_mut(&up.call) {
            call.legs_up += 1;
        }
        let replaced = kept.legs.insert(leg.to_owned(), up);
        drop(kept);
        drop(replaced); // Outside the lock; there is none, a UUID being unique.
    }

    /// Takes out a leg that ended; `None` for one that was not kept.
    pub(crate) fn leg_ended(&self, leg: &str) -> Option<LegUp> {
        self.lock().legs.remove(leg)
    }

    /// Puts the final attempt of an ended leg into its call. Gives the call's record when it waited
    /// for this leg only.
    pub(crate) fn settle(
        &self,
        call: &str,
        attempt: usize,
        record: AttemptRecord,
    ) -> Option<CallRecord> {
        let mut kept = self.lock();
        let of_call = kept.calls.get_mut(call)?;
        if let Some(place) = of_call.attempts.get_mut(attempt) {
            *place = record;
        }
        of_call.legs_up = of_call.legs_up.saturating_sub(1);
        if of_call.legs_up > 0 || of_call.ended.is_none() {
            return None;
        }
        whole(kept.calls.remove(call)?)
    }

    /// A copy of the call of `uuid`; `None` where there is none, or its end was told already.
    pub(crate) fn in_progress(&self, uuid: &str) -> Option<Call> {
        self.lock().calls.get(uuid).filter(|call| call.ended.is_none()).cloned()
    }

    /// The caller's leg ended, and this is its record. Gives it back, whole, unless a leg to a
    /// gateway is still up: then it waits.
    pub(crate) fn caller_ended(&self, uuid: &str, record: CallRecord) -> Option<CallRecord> {
        let mut kept = self.lock();
        let call = kept.calls.get_mut(uuid)?;
        call.ended = Some(Box::new(record));
        if call.legs_up > 0 {
            return None;
        }
        whole(kept.calls.remove(uuid)?)
    }

    /// Forgets the call of `uuid`: it has no record.
    pub(crate) fn forget(&self, uuid: &str) {
        let _ = self.lock().calls.remove(uuid);
    }

    /// Whether nothing at all is kept.
    pub(crate) fn idle(&self) -> bool {
        let kept = self.lock();
        kept.calls.is_empty() && kept.legs.is_empty()
    }

    /// What each is about, for a listing: UUID and call.
    pub(crate) fn list(&self) -> Vec<(String, Call)> {
        self.lock().calls.iter().map(|(uuid, call)| (uuid.clone(), call.clone())).collect()
    }

    /// How many are in progress, those included whose record waits for a leg.
    pub(crate) fn len(&self) -> usize {
        self.lock().calls.len()
    }

    /// The maps are whole at every step, so a panic under the lock spoils nothing.
    fn lock(&self) -> MutexGuard<'_, Kept> {
        self.kept.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The record of a call that is over, with every attempt as it ended.
fn whole(call: Call) -> Option<CallRecord> {
    let mut record = *call.ended?;
    record.attempts = call.attempts;
    Some(record)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn leg(call: &str, attempt: usize) -> LegUp {
        let (record, bill) = (AttemptRecord::default(), Bill::default());
        LegUp { call: call.to_owned(), attempt, record, bill, counted: None, told: true }
    }

    fn ended(cause: u16) -> AttemptRecord {
        AttemptRecord { cause, ..AttemptRecord::default() }
    }

    fn record() -> CallRecord {
        serde_json::from_str(
            r#"{"id":"a","switch":"freeswitch","host":"h","facts":{},"generation":3,
                "decided_by":"local","decision":"route","attempts":[],"started_ms":1,
                "ended_ms":2,"cause":16,"cause_name":"NORMAL_CLEARING"}"#,
        )
        .expect("a record")
    }

    #[test]
    fn a_call_is_reported_once() {
        let calls = Calls::default();
        calls.begin("a", |call| call.generation = 3);
        calls.attempted("a", AttemptRecord::default());
        calls.attempted("unknown", AttemptRecord::default());
        assert_eq!(calls.in_progress("a").expect("was begun").generation, 3);
        assert_eq!(calls.caller_ended("a", record()).expect("is over").attempts.len(), 1);
        assert!(calls.in_progress("a").is_none() && calls.idle());
        assert!(calls.caller_ended("a", record()).is_none());
    }

    #[test]
    fn a_record_waits_for_the_legs_of_its_call() {
        let calls = Calls::default();
        calls.begin("a", |_| {});
        assert_eq!(calls.attempted("a", ended(41)), 0);
        assert_eq!(calls.attempted("a", ended(0)), 1);
        calls.outlives("b", leg("a", 1));
        assert!(calls.caller_ended("a", record()).is_none(), "its leg is up");
        assert!(calls.in_progress("a").is_none(), "but its end is told once");
        let up = calls.leg_ended("b").expect("was kept");
        assert!(calls.leg_ended("b").is_none(), "once");
        let whole = calls.settle(&up.call, up.attempt, ended(16)).expect("is over");
        let causes: Vec<u16> = whole.attempts.iter().map(|attempt| attempt.cause).collect();
        assert_eq!(causes, [41, 16]);
        assert!(calls.idle());
    }

    #[test]
    fn a_leg_that_ends_first_leaves_the_record_to_the_caller() {
        let calls = Calls::default();
        calls.begin("a", |_| {});
        calls.attempted("a", ended(0));
        calls.outlives("b", leg("a", 0));
        assert!(calls.leg_ended("b").is_some());
        assert!(calls.settle("a", 0, ended(16)).is_none(), "the caller is up");
        assert_eq!(calls.caller_ended("a", record()).expect("over").attempts[0].cause, 16);
        // Of a call that is forgotten nothing is told, and its leg still ends.
        calls.begin("c", |_| {});
        calls.outlives("d", leg("c", 0));
        calls.forget("c");
        assert!(calls.leg_ended("d").is_some() && calls.settle("c", 0, ended(16)).is_none());
        assert!(calls.idle());
    }
}
