//! Which calls' hangup phase is still to come, so that each call has it once.
//!
//! A call that is talked through to its end is seen ending on its own socket. One that was routed and
//! left runs on without us, and its end is told by the call record that the module delivers. Both may
//! tell of the same call, in any order; a record may come twice.

use std::collections::{HashMap, VecDeque};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use fsx_wire::message::WireFacts;
use fsx_wire::record::CallRecord;

use super::engine::Hangup;
use super::{Call, Ended, Engine};

/// Most calls that are remembered; past it, the one that began first is forgotten.
const MAX_CALLS: usize = 50_000;

/// Beginnings of the variables that a call which was left is remembered with. The rest are the
/// record's to bring: two hundred variables each would be a lot of memory for calls of hours.
const REMEMBERED: &[&str] = &["rm", "my_", "fsx_", "domain_name"];

/// Cheap to clone.
#[derive(Clone, Debug, Default)]
pub struct After {
    calls: Arc<Mutex<Calls>>,
}

#[derive(Debug, Default)]
struct Calls {
    by_id: HashMap<String, State>,
    in_order: VecDeque<String>,
}

#[derive(Debug)]
enum State {
    /// It is being talked with; its record, where that came first.
    Talking(Option<Box<CallRecord>>),
    /// It was routed, and goes on without us.
    Left(Box<Hangup>),
    /// Its hangup phase has begun.
    Over,
}

impl Calls {
    fn put(&mut self, id: &str, state: State) {
        if self.by_id.insert(id.to_owned(), state).is_none() {
            self.in_order.push_back(id.to_owned());
        }
        while self.in_order.len() > MAX_CALLS {
            if let Some(first) = self.in_order.pop_front() {
                self.by_id.remove(&first);
            }
        }
    }
}

impl After {
    fn calls(&self) -> MutexGuard<'_, Calls> {
        self.calls.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// A conversation with a call begins that has a hangup phase.
    pub fn talking(&self, id: &str) {
        let mut calls = self.calls();
        // The same call may come back after it was left; once it is over, it is.
        if !matches!(calls.by_id.get(id), Some(State::Over)) {
            calls.put(id, State::Talking(None));
        }
    }

    /// The call has ended in its conversation. Whether its hangup phase is to run now.
    #[must_use]
    pub fn ended(&self, id: &str) -> bool {
        let mut calls = self.calls();
        let first = !matches!(calls.by_id.get(id), Some(State::Over));
        calls.put(id, State::Over);
        first
    }

    /// The conversation has ended before the call. Gives `hangup` back, with the call's record, where
    /// the call has ended meanwhile.
    #[must_use]
    pub fn left(&self, id: &str, hangup: Hangup) -> Option<(Hangup, Box<CallRecord>)> {
        let slim = slim(hangup.call());
        let hangup = hangup.about(slim);
        let mut calls = self.calls();
        match calls.by_id.remove(id) {
            Some(State::Talking(Some(record))) => {
                calls.by_id.insert(id.to_owned(), State::Over);
                Some((hangup, record))
            }
            Some(State::Over) => {
                calls.by_id.insert(id.to_owned(), State::Over);
                None
            }
            Some(_) => {
                calls.by_id.insert(id.to_owned(), State::Left(Box::new(hangup)));
                None
            }
            None => {
                calls.put(id, State::Left(Box::new(hangup)));
                None
            }
        }
    }

    /// A call's record has come. What is to run now, if anything: what was kept for the call, or, of a
    /// call that a policy decided on another way, what the bundles in force say.
    #[must_use]
    pub fn recorded(&self, engine: &Engine, record: &CallRecord) -> Option<Hangup> {
        let id = record.facts.call_id.as_str();
        if id.is_empty() || record.emergency {
            return None;
        }
        let mut calls = self.calls();
        let kept = match calls.by_id.get_mut(id) {
            Some(State::Over) => return None,
            Some(State::Talking(waits)) => {
                *waits = Some(Box::new(record.clone()));
                return None;
            }
            Some(State::Left(_)) => match calls.by_id.insert(id.to_owned(), State::Over) {
                Some(State::Left(hangup)) => Some(*hangup),
                _ => None,
            },
            None if record.policy_version.is_some() => {
                let task = record
                    .facts
                    .vars
                    .get("rmSocketTask")
                    .or_else(|| record.vars.get("rmSocketTask"));
                let task = task.cloned().unwrap_or_default();
                let call = Call { facts: record.facts.clone(), task, ..Call::default() };
                let hangup = engine.hangup(&Arc::new(call));
                if hangup.is_some() {
                    calls.put(id, State::Over);
                }
                hangup
            }
            None => None,
        };
        drop(calls);
        kept
    }
}

/// Runs it for the call of the record.
pub async fn run(hangup: Hangup, record: &CallRecord) {
    let own = hangup.call();
    let mut vars = own.facts.vars.clone();
    for (name, value) in record.facts.vars.iter().chain(&record.vars) {
        vars.insert(name.clone(), value.clone());
    }
    let call = Call { facts: WireFacts { vars, ..own.facts.clone() }, ..own.clone() };
    hangup.about(call).run(Ended::of_record(record), None).await;
}

fn slim(call: &Call) -> Call {
    let vars = call
        .variables()
        .into_iter()
        .filter(|(name, _)| REMEMBERED.iter().any(|start| name.starts_with(start)));
    let vars = vars.map(|(name, value)| (name.to_owned(), value.to_owned())).collect();
    Call { facts: WireFacts { vars, ..call.facts.clone() }, told: None, ..call.clone() }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::super::tests::Rig;
    use super::*;

    const MANIFEST: &str = "version = \"3\"\n[route]\ndefault = \"x.lua:decide\"\n\
                            [hangup]\ndefault = \"x.lua:after\"\n";

    const SCRIPT: &str = "function after(call)
            assert(call.vars.my_note == 'kept' and call.vars.sip_x == nil and call.vars.late == 'yes')
            assert(call.ended.cause == 'USER_BUSY' and call.ended.code == 17 and not call.ended.answered)
            fsx.kv.add('n', 1)
        end
        function decide() return { reject = fsx.kv.get('n') or 127 } end";

    fn rig() -> Rig {
        Rig::new(&[("default/manifest.toml", MANIFEST), ("default/x.lua", SCRIPT)])
    }

    fn call() -> Arc<Call> {
        let vars = [("my_note", "kept"), ("sip_x", "1")];
        let facts = WireFacts {
            call_id: "c1".to_owned(),
            vars: vars.map(|(n, v)| (n.to_owned(), v.to_owned())).into(),
            ..WireFacts::default()
        };
        Arc::new(Call { facts, ..Call::default() })
    }

    fn record(version: Option<&str>) -> CallRecord {
        let mut record: CallRecord = serde_json::from_str(
            r#"{"id":"c1","switch":"freeswitch","host":"h","facts":{"call_id":"c1"},"generation":3,
                "decided_by":"local","decision":"route","attempts":[],"started_ms":1000,
                "ended_ms":2000,"cause":17,"cause_name":"USER_BUSY","vars":{"late":"yes"}}"#,
        )
        .expect("a record");
        record.policy_version = version.map(str::to_owned);
        record
    }

    /// How often the hangup function ran: what it counted is what the other refuses with.
    async fn runs(rig: &Rig) -> u16 {
        match rig.route().await.expect("fine").verdict {
            super::super::Verdict::Reject { cause: 127, .. } => 0,
            super::super::Verdict::Reject { cause, .. } => cause,
            other => panic!("{other:?}"),
        }
    }

    #[tokio::test]
    async fn a_call_that_was_left_has_its_hangup_phase_by_its_record_once() {
        let (rig, after) = (rig(), After::default());
        after.talking("c1");
        let hangup = rig.engine.hangup(&call()).expect("a hangup phase");
        assert!(after.left("c1", hangup).is_none());
        for _ in 0..3 {
            if let Some(hangup) = after.recorded(&rig.engine, &record(None)) {
                run(hangup, &record(None)).await;
            }
        }
        assert_eq!(runs(&rig).await, 1);
        assert!(!after.ended("c1"), "it is over");
    }

    #[tokio::test]
    async fn the_record_may_come_first() {
        let (rig, after) = (rig(), After::default());
        after.talking("c1");
        assert!(after.recorded(&rig.engine, &record(None)).is_none(), "the conversation goes on");
        let hangup = rig.engine.hangup(&call()).expect("a hangup phase");
        let (hangup, record) = after.left("c1", hangup).expect("the call has ended meanwhile");
        run(hangup, &record).await;
        assert_eq!(runs(&rig).await, 1);
        // And one that is seen ending on its socket does not wait for its record, nor run by it.
        after.talking("c2");
        assert!(after.ended("c2"));
        let mut other = (*record).clone();
        other.facts.call_id = "c2".to_owned();
        assert!(after.recorded(&rig.engine, &other).is_none());
    }

    #[tokio::test]
    async fn calls_that_nobody_talked_with() {
        let (rig, after) = (rig(), After::default());
        assert!(after.recorded(&rig.engine, &record(None)).is_none(), "no policy had it");
        let mut emergency = record(Some("default@3"));
        emergency.emergency = true;
        assert!(after.recorded(&rig.engine, &emergency).is_none());
        assert!(after.recorded(&rig.engine, &record(Some("default@3"))).is_some());
        assert!(after.recorded(&rig.engine, &record(Some("default@3"))).is_none(), "once");
    }

    #[test]
    fn what_is_remembered_is_bounded() {
        let after = After::default();
        for n in 0..MAX_CALLS + 10 {
            after.talking(&n.to_string());
        }
        let calls = after.calls();
        assert_eq!((calls.by_id.len(), calls.in_order.len()), (MAX_CALLS, MAX_CALLS));
        assert!(!calls.by_id.contains_key("0") && calls.by_id.contains_key("10"));
    }
}
