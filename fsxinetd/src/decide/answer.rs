//! What each request gets.

use std::sync::Arc;
use std::time::{Duration, Instant};

use fsx_wire::frame;
use fsx_wire::message::{
    Ask, DaemonStatus, Outcome, PROTOCOL, PolicyDecision, Reply, Request, Verdict, WireFacts,
};
use metrics::{counter, histogram};

use crate::cdr::Intake;
use crate::health::metrics as names;
use crate::policy::{self, Call, Engine, Failure, Phase};
use crate::published::PublishedHandle;
use crate::routing;
use crate::xml;

/// What requests are answered from.
#[derive(Debug)]
pub struct Rooms {
    /// Runs the policies.
    pub engine: Engine,
    /// For telling emergency calls, and for the status.
    pub published: PublishedHandle,
    /// Takes call records.
    pub records: Intake,
    /// Looks XML up.
    pub xml: xml::Room,
}

/// Longest that a request may be worked on, whatever its deadline says.
const LONGEST: Duration = Duration::from_secs(30);

impl Rooms {
    /// The framed reply; `None` where nobody waits for it any more, or nobody could be told.
    pub(super) async fn answer(&self, body: &[u8], came: Instant) -> Option<Vec<u8>> {
        let (id, deadline, outcome) = match serde_json::from_slice::<Request>(body) {
            Ok(request) if request.v != PROTOCOL => {
                let reason = format!("protocol {}, expected {PROTOCOL}", request.v);
                (request.id, None, Outcome::Failed { reason, retry: false })
            }
            Ok(request) => {
                let within = Duration::from_millis(request.deadline_ms.into()).min(LONGEST);
                let deadline = came + within;
                let left = deadline.saturating_duration_since(Instant::now());
                let work = self.outcome(request.ask, left);
                match tokio::time::timeout_at(deadline.into(), work).await {
                    Ok(outcome) => (request.id, Some(deadline), outcome),
                    Err(_) => {
                        counter!(names::DECIDE_LATE).increment(1);
                        return None;
                    }
                }
            }
            Err(error) => {
                counter!(names::DECIDE_REQUESTS, "kind" => "unknown").increment(1);
                tracing::warn!("decision socket: a request that cannot be read: {error}");
                let id =
                    serde_json::from_slice::<serde_json::Value>(body).ok()?.get("id")?.as_u64()?;
                let reason = format!("the request cannot be read: {error}");
                (id, None, Outcome::Failed { reason, retry: false })
            }
        };
        if deadline.is_some_and(|deadline| Instant::now() > deadline) {
            counter!(names::DECIDE_LATE).increment(1);
            return None;
        }
        encode(&Reply { id, outcome })
    }

    async fn outcome(&self, ask: Ask, left: Duration) -> Outcome {
        match ask {
            Ask::Decide { facts, task } => {
                counter!(names::DECIDE_REQUESTS, "kind" => "decide").increment(1);
                self.decide(*facts, task, left).await
            }
            Ask::Record { record } => {
                counter!(names::DECIDE_REQUESTS, "kind" => "record").increment(1);
                match self.records.take(*record).await {
                    Ok(()) => Outcome::Recorded,
                    Err(error) => {
                        tracing::error!("call record not taken: {error}");
                        Outcome::Failed { reason: error.to_string(), retry: true }
                    }
                }
            }
            Ask::Xml { query } => {
                counter!(names::DECIDE_REQUESTS, "kind" => "xml").increment(1);
                match self.xml.answer(*query, left).await {
                    Ok(answer) => Outcome::Xml(answer),
                    Err(reason) => Outcome::Failed { reason, retry: true },
                }
            }
            Ask::Status => {
                counter!(names::DECIDE_REQUESTS, "kind" => "status").increment(1);
                Outcome::Status(DaemonStatus {
                    version: env!("CARGO_PKG_VERSION").to_owned(),
                    generation: self.published.current().map_or(0, |p| p.generation),
                    records_waiting: self.records.waiting(),
                })
            }
        }
    }

    async fn decide(&self, facts: WireFacts, task: String, left: Duration) -> Outcome {
        let started = Instant::now();
        let (org, call_id) = (facts.org, facts.call_id.clone());
        let (word, outcome) = if routing::is_emergency(&self.published, &routing::facts(&facts)) {
            // The module does not ask about these; if one ever does, nothing stands in its way.
            ("kept", kept())
        } else {
            let call = Arc::new(Call { facts, task, ..Call::default() });
            match self.engine.run(Phase::Route, Arc::clone(&call), left).await {
                Ok(outcome) => decided(outcome),
                Err(Failure::NoTask { .. }) if call.task.is_empty() => ("kept", kept()),
                Err(failure) => {
                    tracing::error!(org, call = call_id, "policy: {failure}; the plan stands");
                    let retry = failure.passing();
                    ("fallback", Outcome::Failed { reason: failure.to_string(), retry })
                }
            }
        };
        counter!(names::DECISIONS, "source" => "socket", "outcome" => word).increment(1);
        histogram!(names::DECISION_SECONDS, "source" => "socket").record(started.elapsed());
        outcome
    }
}

fn decided(outcome: policy::Outcome) -> (&'static str, Outcome) {
    let (word, verdict) = match outcome.verdict {
        policy::Verdict::Keep => ("kept", Verdict::Keep),
        policy::Verdict::Route(answer) => ("routed", Verdict::Route { answer }),
        policy::Verdict::Reject { cause, reason } => {
            ("rejected", Verdict::Reject { cause, reason })
        }
    };
    let policy_version = outcome.policy_version;
    (word, Outcome::Decided(PolicyDecision { policy_version, verdict, vars: outcome.vars }))
}

/// No policy has anything to say: the plan in hand stands.
fn kept() -> Outcome {
    let vars = std::collections::BTreeMap::new();
    Outcome::Decided(PolicyDecision { policy_version: String::new(), verdict: Verdict::Keep, vars })
}

fn encode(reply: &Reply) -> Option<Vec<u8>> {
    let body = serde_json::to_vec(reply).ok()?;
    if let Ok(frame) = frame::encode(&body) {
        return Some(frame);
    }
    let reason = format!("the answer takes {} bytes, at most {}", body.len(), frame::MAX_FRAME);
    let failed = Reply { id: reply.id, outcome: Outcome::Failed { reason, retry: false } };
    frame::encode(&serde_json::to_vec(&failed).ok()?).ok()
}
