//! One conversation, from `connect` to the close.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::{Duration, Instant};

use fsx_wire::esl::{self, Action, ChannelData, Decoder, Frame, Kind, Malformed};
use metrics::{counter, histogram};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio::time::timeout;

use super::admission::Admitted;
use super::{PROBE, Patience, Rooms, answer, converse, facts};
use crate::health::metrics as names;
use crate::policy::{Call, Failure, Outcome, Phase, Verdict, line as policy_line};
use crate::routing;

/// In async mode FreeSWITCH parks a call for ever when we leave before it has parked it; it has
/// within this time.
const BEFORE_LEAVING_ASYNC: Duration = Duration::from_millis(1_200);

/// How a conversation failed.
#[derive(Debug, thiserror::Error)]
pub(super) enum Broken {
    /// The peer has gone, which callers do.
    #[error("the peer has gone")]
    Gone,
    /// It says nothing.
    #[error("nothing was said in {0:?}")]
    Silent(Duration),
    /// It does not read.
    #[error("nothing was read in {0:?}")]
    Deaf(Duration),
    /// It does not speak the protocol.
    #[error(transparent)]
    Malformed(#[from] Malformed),
    /// It speaks it, but not as FreeSWITCH does here.
    #[error("expected the reply to connect, got {0:?}")]
    Unexpected(Kind),
}

impl Broken {
    fn label(&self) -> &'static str {
        match self {
            Self::Gone => "gone",
            Self::Silent(_) => "silent",
            Self::Deaf(_) => "deaf",
            Self::Malformed(_) | Self::Unexpected(_) => "malformed",
        }
    }
}

/// The connection, with what has been read of it.
pub(super) struct Peer {
    pub(super) stream: TcpStream,
    pub(super) decoder: Decoder,
    pub(super) patience: Patience,
}

impl Peer {
    /// Writes all of it, or gives up.
    pub(super) async fn say(&mut self, bytes: &[u8]) -> Result<(), Broken> {
        match timeout(self.patience.write, self.stream.write_all(bytes)).await {
            Ok(Ok(())) => Ok(()),
            Ok(Err(_)) => Err(Broken::Gone),
            Err(_) => Err(Broken::Deaf(self.patience.write)),
        }
    }

    /// The next frame, however slowly its bytes come, by the deadline.
    pub(super) async fn hear(&mut self, within: Duration) -> Result<Frame, Broken> {
        let listen = async {
            loop {
                if let Some(frame) = self.decoder.next_frame()? {
                    return Ok(frame);
                }
                self.read().await?;
            }
        };
        timeout(within, listen).await.unwrap_or(Err(Broken::Silent(within)))
    }

    pub(super) async fn read(&mut self) -> Result<(), Broken> {
        let mut bytes = [0; 8 << 10];
        match self.stream.read(&mut bytes).await {
            Ok(0) | Err(_) => Err(Broken::Gone),
            Ok(n) => {
                self.decoder.feed(&bytes[..n]);
                Ok(())
            }
        }
    }

    /// Waits for the end of the call, passing over anything else.
    pub(super) async fn until_gone(&mut self) -> Broken {
        loop {
            match self.decoder.next_frame() {
                Ok(Some(frame)) if frame.kind() == Kind::Disconnect => return Broken::Gone,
                Ok(Some(_)) => {}
                Ok(None) => {
                    if let Err(broken) = self.read().await {
                        return broken;
                    }
                }
                Err(malformed) => return malformed.into(),
            }
        }
    }

    /// Says the last words and waits for the peer to close. Closing first would send a reset over
    /// whatever it has not read yet.
    async fn finish(mut self, last: &[u8], data: &ChannelData) -> Result<(), Broken> {
        if data.is_async() {
            tokio::time::sleep(BEFORE_LEAVING_ASYNC).await;
        }
        self.say(last).await?;
        let _ = self.stream.shutdown().await;
        let _ = timeout(self.patience.close, self.until_gone()).await;
        Ok(())
    }
}

/// Talks to one peer; the word for the metrics.
pub(super) async fn converse(
    stream: TcpStream,
    peer: SocketAddr,
    admitted: &Admitted,
    patience: Patience,
    rooms: &Rooms,
) -> &'static str {
    let _ = stream.set_nodelay(true);
    let mut line = Peer { stream, decoder: Decoder::new(patience.limits), patience };
    let data = match greet(&mut line).await {
        Ok(data) => data,
        Err(broken) => {
            // A connection that is opened and closed is how a port is looked at: not worth a line.
            if !matches!(broken, Broken::Gone) {
                tracing::warn!(%peer, "event socket: {broken}");
            }
            return broken.label();
        }
    };
    let (word, result) = attend(line, admitted, &data, rooms).await;
    match result {
        Ok(()) => word,
        Err(broken) => {
            let call = data.uuid();
            tracing::info!(%peer, call, "event socket: {broken}");
            broken.label()
        }
    }
}

/// `connect`, and what the switch says of the call.
async fn greet(line: &mut Peer) -> Result<ChannelData, Broken> {
    line.say(esl::CONNECT).await?;
    let frame = line.hear(line.patience.connect).await?;
    match frame.kind() {
        Kind::Reply => Ok(ChannelData::new(&frame)),
        Kind::Disconnect => Err(Broken::Gone),
        // A probe need not dress its words as a reply.
        _ if facts::task(&ChannelData::new(&frame)) == PROBE => Ok(ChannelData::new(&frame)),
        other => Err(Broken::Unexpected(other)),
    }
}

/// Does what the call asks for.
async fn attend(
    line: Peer,
    admitted: &Admitted,
    data: &ChannelData,
    rooms: &Rooms,
) -> (&'static str, Result<(), Broken>) {
    let started = Instant::now();
    let (task, call) = (facts::task(data), data.uuid());
    if task == PROBE {
        return ("probe", line.finish(&available(), data).await);
    }
    if matches!(admitted, Admitted::ProbeOnly(_)) {
        return ("refused", line.finish(esl::EXIT, data).await);
    }
    let asked = match facts::read(data, &rooms.site, routing::now()) {
        Ok(asked) => asked,
        Err(why) => {
            tracing::warn!(call, task, "event socket: {why}; the dialplan goes on");
            return ("malformed", line.finish(esl::EXIT, data).await);
        }
    };
    let org = asked.facts.org;
    if asked.emergency || routing::is_emergency(&rooms.published, &routing::facts(&asked.facts)) {
        tracing::warn!(call, org, task, "emergency call: no policy is asked; the dialplan goes on");
        return ("emergency", line.finish(esl::EXIT, data).await);
    }
    let arguments = facts::arguments(data);
    let question = Arc::new(Call { facts: asked.facts, task: task.to_owned(), arguments });
    run(line, data, rooms, question, started).await
}

/// Runs the policy while listening for the end of the call, says what it wants said on the way, and
/// sends what it decided.
async fn run(
    mut line: Peer,
    data: &ChannelData,
    rooms: &Rooms,
    question: Arc<Call>,
    started: Instant,
) -> (&'static str, Result<(), Broken>) {
    let (task, call, org) = (question.task.clone(), data.uuid(), question.facts.org);
    let patience = line.patience.policy;
    let (scripts, orders) = policy_line::line(data, Arc::clone(&rooms.manners));
    let decided = rooms.engine.run_on(Phase::Call, question, patience, Some(scripts));
    let decided = match converse::between(&mut line, orders, decided).await {
        Ok(converse::Ended::Decided(decided)) => decided,
        Ok(converse::Ended::HungUp(decided)) => {
            if let Some(Err(failure)) = &decided {
                tracing::warn!(call, org, task, "policy, after the call had ended: {failure}");
            }
            let served = if decided.is_some() { "served" } else { "gone" };
            let _ = line.stream.shutdown().await;
            let _ = timeout(line.patience.close, line.until_gone()).await;
            return (served, Ok(()));
        }
        Err(broken) => return (broken.label(), Err(broken)),
    };
    let (outcome, bytes) = match &decided {
        Ok(outcome) => match answer::bytes(outcome) {
            Ok(bytes) => (word(outcome), bytes),
            Err(why) => {
                tracing::error!(call, org, task, "policy: {why}; the dialplan goes on");
                ("error", esl::EXIT.to_vec())
            }
        },
        Err(failure) => {
            match failure {
                Failure::NoTask { .. } => tracing::warn!(
                    call,
                    org,
                    task,
                    "event socket: no policy bundle has this rmSocketTask; the dialplan goes on"
                ),
                _ => tracing::error!(call, org, task, "policy: {failure}; the dialplan goes on"),
            }
            ("fallback", esl::EXIT.to_vec())
        }
    };
    let took = started.elapsed();
    counter!(names::DECISIONS, "source" => "esl", "outcome" => outcome).increment(1);
    histogram!(names::DECISION_SECONDS, "source" => "esl").record(took);
    if let Ok(decided) = &decided {
        let (version, took_us) = (decided.policy_version.as_str(), took.as_micros());
        tracing::info!(call, org, task, policy = version, outcome, took_us, "call answered");
    }
    let served = if decided.is_ok() { "served" } else { "fallback" };
    (served, line.finish(&bytes, data).await)
}

fn word(outcome: &Outcome) -> &'static str {
    match outcome.verdict {
        Verdict::Keep if answer::leaves_the_call(outcome) => "kept",
        Verdict::Keep | Verdict::Route(_) => "routed",
        Verdict::Reject { .. } => "rejected",
    }
}

/// The answer to a probe: a variable that a dialplan can look at, then the end.
fn available() -> Vec<u8> {
    let mut out = esl::execute(&Action::new("set", "rmSocketAvailable=true")).unwrap_or_default();
    out.extend_from_slice(esl::EXIT);
    out
}
