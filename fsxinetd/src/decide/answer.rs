//! What each request gets.

use std::sync::Arc;
use std::time::{Duration, Instant};

use fsx_wire::frame;
use fsx_wire::message::{
    Ask, DaemonStatus, Destination, Outcome, PROTOCOL, PROTOCOL_LOWEST, PolicyDecision, Reply,
    Request, SipRequest, Verdict, WireFacts,
};
use fsx_wire::record::CallRecord;
use fsx_wire::xml::XmlQuery;
use metrics::{counter, histogram};
use tokio::runtime::Handle;
use tokio::task::JoinSet;

use crate::cdr::Intake;
use crate::health::metrics as names;
use crate::net::Quiet;
use crate::policy::after::{self, After};
use crate::policy::{self, Call, Engine, Failure, Home, Phase};
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
    /// Calls whose hangup phase is to come.
    pub after: After,
    /// Keeps what peers get wrong from filling the log.
    pub quiet: Quiet,
}

/// Longest that a request may be worked on, whatever its deadline says.
const LONGEST: Duration = Duration::from_secs(30);

/// The task of the platform's bundle that says where a SIP request belongs.
const DESTINATION: &str = "Destination::check";

/// A message that is no request.
#[derive(Debug)]
pub(super) struct Unreadable {
    /// What the peer is told.
    pub(super) reply: Vec<u8>,
    /// For the log.
    pub(super) why: String,
    /// It may still be a request of a later release, so that the next one may be read.
    pub(super) is_request: bool,
}

/// Reads a message.
///
/// # Errors
/// [`Unreadable`], with what the peer is to be told.
pub(super) fn read(body: &[u8]) -> Result<Request, Unreadable> {
    let error = match serde_json::from_slice::<Request>(body) {
        Ok(request) if (PROTOCOL_LOWEST..=PROTOCOL).contains(&request.v) => return Ok(request),
        Ok(request) => return Err(in_another_version(request.id, request.v)),
        Err(error) => error,
    };
    counter!(names::DECIDE_REQUESTS, "kind" => "unknown").increment(1);
    let value = serde_json::from_slice::<serde_json::Value>(body).unwrap_or_default();
    let member = |name| value.get(name).and_then(serde_json::Value::as_u64);
    let id = member("id");
    // What a later version asks need not be understood to be answered.
    if let (Some(id), Some(v)) = (id, member("v").and_then(|v| u32::try_from(v).ok()))
        && !(PROTOCOL_LOWEST..=PROTOCOL).contains(&v)
    {
        return Err(in_another_version(id, v));
    }
    Err(unreadable(id, &format!("the request cannot be read: {error}")))
}

fn in_another_version(id: u64, v: u32) -> Unreadable {
    let outcome = Outcome::Versions { lowest: PROTOCOL_LOWEST, highest: PROTOCOL };
    let reply = encode(&Reply { id, outcome }).unwrap_or_default();
    let why = format!("asked in protocol {v}, expected {PROTOCOL_LOWEST} to {PROTOCOL}");
    Unreadable { reply, why, is_request: true }
}

/// What a peer is told whose message is none; without a number of its own it is answered as 0.
pub(super) fn unreadable(id: Option<u64>, why: &str) -> Unreadable {
    let outcome = Outcome::Failed { reason: why.to_owned(), retry: false };
    let reply = encode(&Reply { id: id.unwrap_or(0), outcome }).unwrap_or_default();
    Unreadable { reply, why: why.to_owned(), is_request: id.is_some() }
}

/// Whether nobody needs the answer once whoever asked has gone.
pub(super) fn is_for_a_caller(ask: &Ask) -> bool {
    matches!(ask, Ask::Decide { .. } | Ask::Destination { .. } | Ask::Xml { .. })
}

/// Where the questions of one connection are answered.
#[derive(Clone, Debug)]
pub(super) struct Desk {
    pub(super) rooms: Arc<Rooms>,
    /// Where they are read.
    pub(super) home: Arc<Home>,
    /// Where all is done that is no decision: scripts do not wait for a disk.
    pub(super) aside: Handle,
}

impl Desk {
    /// The framed reply; `None` where nobody waits for it any more.
    pub(super) async fn answer(&self, request: Request, came: Instant) -> Option<Vec<u8>> {
        let within = Duration::from_millis(request.deadline_ms.into()).min(LONGEST);
        let deadline = came + within;
        let left = deadline.saturating_duration_since(Instant::now());
        let work = self.outcome(request.ask, left);
        let outcome = tokio::time::timeout_at(deadline.into(), work).await.ok();
        match outcome.filter(|_| Instant::now() <= deadline) {
            Some(outcome) => encode(&Reply { id: request.id, outcome }),
            None => {
                counter!(names::DECIDE_LATE).increment(1);
                None
            }
        }
    }

    async fn outcome(&self, ask: Ask, left: Duration) -> Outcome {
        match ask {
            Ask::Decide { facts, task } => {
                counter!(names::DECIDE_REQUESTS, "kind" => "decide").increment(1);
                self.decide(*facts, task, left).await
            }
            Ask::Destination { request } => {
                counter!(names::DECIDE_REQUESTS, "kind" => "destination").increment(1);
                self.destination(*request, left).await
            }
            Ask::Record { record } => {
                counter!(names::DECIDE_REQUESTS, "kind" => "record").increment(1);
                self.apart(|rooms| async move { rooms.record(*record).await }).await
            }
            Ask::Ended { record } => {
                counter!(names::DECIDE_REQUESTS, "kind" => "ended").increment(1);
                self.apart(|rooms| async move { rooms.ended(*record) }).await
            }
            Ask::Xml { query } => {
                counter!(names::DECIDE_REQUESTS, "kind" => "xml").increment(1);
                self.apart(move |rooms| async move { rooms.xml(*query, left).await }).await
            }
            Ask::Status => {
                counter!(names::DECIDE_REQUESTS, "kind" => "status").increment(1);
                self.rooms.status()
            }
        }
    }

    /// Does it where scripts neither wait for it nor keep it waiting. It ends with who waits for it.
    async fn apart<F>(&self, work: impl FnOnce(Arc<Rooms>) -> F) -> Outcome
    where
        F: Future<Output = Outcome> + Send + 'static,
    {
        let mut one = JoinSet::new();
        one.spawn_on(work(Arc::clone(&self.rooms)), &self.aside);
        match one.join_next().await {
            Some(Ok(outcome)) => outcome,
            // It panicked, or all of it is ending.
            _ => Outcome::Failed { reason: "given up by fsxinetd".to_owned(), retry: true },
        }
    }

    async fn run(&self, call: &Arc<Call>, left: Duration) -> Result<policy::Outcome, Failure> {
        self.rooms.engine.run_at(&self.home, Phase::Route, Arc::clone(call), left).await
    }

    /// Asks the platform's own bundle, which sets the members of the answer as variables.
    async fn destination(&self, request: SipRequest, left: Duration) -> Outcome {
        let started = Instant::now();
        let call = Arc::new(Call {
            facts: facts_of(request),
            task: DESTINATION.to_owned(),
            ..Call::default()
        });
        let (word, outcome) = match self.run(&call, left).await {
            Ok(outcome) => ("destination", Outcome::Destination(destination_of(outcome))),
            Err(failure) => {
                if let Some(more) = self.rooms.quiet.say("destination") {
                    let call = call.facts.call_id.as_str();
                    tracing::error!(call, more, "destination of a request: {failure}");
                }
                let retry = failure.passing();
                ("fallback", Outcome::Failed { reason: failure.to_string(), retry })
            }
        };
        counter!(names::DECISIONS, "source" => "socket", "outcome" => word).increment(1);
        histogram!(names::DECISION_SECONDS, "source" => "socket").record(started.elapsed());
        outcome
    }

    async fn decide(&self, facts: WireFacts, task: String, left: Duration) -> Outcome {
        let started = Instant::now();
        let (org, call_id) = (facts.org, facts.call_id.clone());
        let (word, outcome) =
            if routing::is_emergency(&self.rooms.published, &routing::facts(&facts)) {
                // The module does not ask about these; if one ever does, nothing stands in its way.
                ("kept", kept())
            } else {
                let task = policy::task_name(&task).to_owned();
                let call = Arc::new(Call { facts, task, ..Call::default() });
                match self.run(&call, left).await {
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

impl Rooms {
    async fn record(&self, record: CallRecord) -> Outcome {
        let ended = record.clone();
        match self.records.take(record).await {
            Ok(()) => {
                self.after_call(ended);
                Outcome::Recorded
            }
            Err(error) => {
                if let Some(more) = self.quiet.say("record") {
                    tracing::error!(more, "call record not taken: {error}");
                }
                Outcome::Failed { reason: error.to_string(), retry: true }
            }
        }
    }

    fn ended(&self, record: CallRecord) -> Outcome {
        self.after_call(record);
        Outcome::Noted
    }

    /// The hangup phase of a call that is over.
    fn after_call(&self, record: CallRecord) {
        if let Some(hangup) = self.after.recorded(&self.engine, &record) {
            tokio::spawn(async move { after::run(hangup, &record).await });
        }
    }

    async fn xml(&self, query: XmlQuery, left: Duration) -> Outcome {
        match self.xml.answer(query, left).await {
            Ok(answer) => Outcome::Xml(answer),
            Err(reason) => Outcome::Failed { reason, retry: true },
        }
    }

    fn status(&self) -> Outcome {
        Outcome::Status(DaemonStatus {
            version: env!("CARGO_PKG_VERSION").to_owned(),
            generation: self.published.current().map_or(0, |p| p.generation),
            records_waiting: self.records.waiting(),
        })
    }
}

/// The request as a policy finds it: the called user as the number, everything as variables.
fn facts_of(request: SipRequest) -> WireFacts {
    let user = |uri: &str| {
        let uri = uri.split_once(':').map_or(uri, |(_, rest)| rest);
        uri.split_once('@').map(|(user, _)| user.to_owned())
    };
    let caller = Some(&request.p_asserted).filter(|uri| !uri.is_empty()).unwrap_or(&request.from);
    let (called, caller) = (user(&request.ruri).unwrap_or_default(), user(caller));
    let vars = [
        ("sip_method", request.method),
        ("sip_ruri", request.ruri),
        ("sip_from", request.from),
        ("sip_to", request.to),
        ("sip_p_asserted", request.p_asserted),
        ("sip_profile", request.profile),
        ("sip_source_ip", request.source_ip),
        ("sip_media_ip", request.media_ip),
    ]
    .map(|(name, value)| (name.to_owned(), value));
    WireFacts {
        call_id: request.call_id,
        called,
        caller,
        vars: vars.into(),
        ..WireFacts::default()
    }
}

fn destination_of(outcome: policy::Outcome) -> Destination {
    let mut vars = outcome.vars;
    let mut take = |name: &str| vars.remove(name).unwrap_or_default();
    let mut destination = Destination {
        org: take("dst_org").parse().unwrap_or(0),
        ruri: take("dst_ruri"),
        to: take("dst_to"),
        profile: take("dst_profile"),
        copy_headers: take("dst_copy_headers"),
        info_header: take("dst_info_header"),
        region: take("dst_region"),
        environment: take("dst_environment"),
        policy_version: outcome.policy_version,
        ..Destination::default()
    };
    if let policy::Verdict::Reject { cause, reason } = outcome.verdict {
        (destination.cause, destination.reason) = (cause, reason);
    }
    destination
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
