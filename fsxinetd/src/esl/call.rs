//! One conversation, from `connect` to the close.

use std::net::SocketAddr;
use std::pin::pin;
use std::sync::Arc;
use std::time::{Duration, Instant};

use fsx_wire::esl::{self, Action, ChannelData, Decoder, Frame, Kind, Malformed};
use metrics::{counter, histogram};
use tokio::io::AsyncWriteExt as _;
use tokio::net::TcpStream;
use tokio::time::timeout;

use super::admission::Admitted;
use super::queued::{self, Mode};
use super::{PROBE, Patience, Rooms, answer, converse, facts};
use crate::config::Site;
use crate::health::metrics as names;
use crate::net;
use crate::policy::after;
use crate::policy::engine::Hangup;
use crate::policy::{Call, Ended, Failure, Outcome, Phase, Verdict, line as policy_line};
use crate::routing;

/// How long a connection beyond the limits may take to say that it is a probe.
const PROBE_SAYS_SO: Duration = Duration::from_secs(1);

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
    pub(super) mode: Mode,
}

impl Peer {
    /// A peer that has just connected and has said nothing yet.
    pub(super) fn new(stream: TcpStream, patience: Patience) -> Self {
        let _ = stream.set_nodelay(true);
        net::keep_alive(&stream);
        let decoder = Decoder::new(patience.limits);
        Self { stream, decoder, patience, mode: Mode::Sync }
    }

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
        loop {
            self.stream.readable().await.map_err(|_| Broken::Gone)?;
            if self.take_in()? {
                return Ok(());
            }
        }
    }

    /// Takes in what is there; false when there was nothing after all. Not async, so that the bytes lie
    /// on the stack and not in each of ten thousand idle conversations.
    fn take_in(&mut self) -> Result<bool, Broken> {
        let mut bytes = [0; 8 << 10];
        match self.stream.try_read(&mut bytes) {
            Ok(0) => Err(Broken::Gone),
            Ok(n) => {
                self.decoder.feed(&bytes[..n]);
                Ok(true)
            }
            Err(error) if error.kind() == std::io::ErrorKind::WouldBlock => Ok(false),
            Err(_) => Err(Broken::Gone),
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
    async fn finish(&mut self, last: &[u8]) -> Result<(), Broken> {
        queued::settled(self).await?;
        self.say(last).await?;
        let _ = self.stream.shutdown().await;
        let _ = timeout(self.patience.close, self.until_gone()).await;
        Ok(())
    }
}

/// Talks to one peer; the word for the metrics.
pub(super) async fn converse(
    line: &mut Peer,
    peer: SocketAddr,
    admitted: &Admitted,
    rooms: &Rooms,
) -> &'static str {
    let data = match greet(line, admitted).await {
        Ok(data) => Arc::new(data),
        Err(broken) => {
            // A connection that is opened and closed is how a port is looked at: not worth a line.
            if !matches!(broken, Broken::Gone)
                && let Some(more) = rooms.quiet.say(broken.label())
            {
                tracing::warn!(%peer, more, "event socket: {broken}; closed");
            }
            return broken.label();
        }
    };
    let (word, result) = attend(line, admitted, &data, rooms).await;
    match result {
        Ok(()) => word,
        Err(broken) => {
            let call = data.uuid();
            // Callers go at any time; anything else is worth knowing.
            if matches!(broken, Broken::Gone) {
                tracing::debug!(%peer, call, "event socket: {broken}");
            } else if let Some(more) = rooms.quiet.say(broken.label()) {
                tracing::warn!(%peer, call, more, "event socket: {broken}; closed");
            }
            broken.label()
        }
    }
}

/// `connect`, and what the switch says of the call.
async fn greet(line: &mut Peer, admitted: &Admitted) -> Result<ChannelData, Broken> {
    line.say(esl::CONNECT).await?;
    let patience = match admitted {
        // Its place is wanted by others who may be probes.
        Admitted::ProbeOnly(_) => line.patience.connect.min(PROBE_SAYS_SO),
        _ => line.patience.connect,
    };
    let frame = line.hear(patience).await?;
    let data = match frame.kind() {
        Kind::Reply => ChannelData::new(&frame),
        Kind::Disconnect => return Err(Broken::Gone),
        other => {
            // A probe need not dress its words as a reply.
            let data = ChannelData::new(&frame);
            if facts::task(&data) != PROBE {
                return Err(Broken::Unexpected(other));
            }
            data
        }
    };
    line.mode = Mode::of(data.is_async());
    Ok(data)
}

/// Does what the call asks for.
async fn attend(
    line: &mut Peer,
    admitted: &Admitted,
    data: &Arc<ChannelData>,
    rooms: &Rooms,
) -> (&'static str, Result<(), Broken>) {
    let started = Instant::now();
    let (task, call) = (facts::task(data), data.uuid());
    if task == PROBE {
        return ("probe", line.finish(&available()).await);
    }
    if matches!(admitted, Admitted::ProbeOnly(_)) {
        if let Some(more) = rooms.quiet.say("refused") {
            tracing::warn!(call, task, more, "event socket: over its limits; the dialplan goes on");
        }
        return ("refused", line.finish(esl::EXIT).await);
    }
    match asked(data, rooms) {
        Ok(question) => run(line, data, rooms, question, started).await,
        Err(word) => (word, line.finish(esl::EXIT).await),
    }
}

/// What is asked of the policies, or the word for why they are not asked. Not async: what it is made
/// of would be kept for as long as the call.
fn asked(data: &Arc<ChannelData>, rooms: &Rooms) -> Result<Arc<Call>, &'static str> {
    let (task, call) = (facts::task(data), data.uuid());
    let asked = facts::read(data, &rooms.site, routing::now()).map_err(|why| {
        if let Some(more) = rooms.quiet.say("facts") {
            tracing::warn!(call, task, more, "event socket: {why}; the dialplan goes on");
        }
        "malformed"
    })?;
    let org = asked.facts.org;
    if asked.emergency || routing::is_emergency(&rooms.published, &routing::facts(&asked.facts)) {
        tracing::warn!(call, org, task, "emergency call: no policy is asked; the dialplan goes on");
        return Err("emergency");
    }
    let (told, arguments) = (Some(Arc::clone(data)), facts::arguments(data));
    let (facts, task) = (asked.facts, task.to_owned());
    Ok(Arc::new(Call { facts, told, task, arguments, ..Call::default() }))
}

/// Runs the policy while listening for the end of the call, says what it wants said on the way, and
/// sends what it decided.
async fn run(
    line: &mut Peer,
    data: &Arc<ChannelData>,
    rooms: &Rooms,
    question: Arc<Call>,
    started: Instant,
) -> (&'static str, Result<(), Broken>) {
    let asked = Arc::clone(&question);
    let (task, call, org) = (asked.task.as_str(), data.uuid(), asked.facts.org);
    let terms = rooms.engine.terms();
    let patience = terms.budget(Phase::Call);
    let (scripts, orders) = policy_line::line(data, terms.manners);
    // Chosen now: the call keeps the version of the policies that it began with.
    let hangup = rooms.engine.hangup(&question);
    if hangup.is_some() {
        rooms.after.talking(call);
    }
    let scripts = scripts.held(hangup.is_some());
    let end = scripts.clone();
    let decided = pin!(rooms.engine.run_on(Phase::Call, question, patience, Some(scripts)));
    let came = converse::between(line, orders, decided).await;
    if let Some(hangup) = hangup {
        if end.is_gone() {
            if rooms.after.ended(call) {
                let last = end.last_words().unwrap_or_else(|| ChannelData::clone(data));
                tokio::spawn(afterwards(hangup, last, rooms.site.clone()));
            }
        } else if let Some((hangup, record)) = rooms.after.left(call, hangup) {
            // It goes on without us; its record will tell of its end.
            tokio::spawn(async move { after::run(hangup, &record).await });
        }
    }
    let (decided, talked) = match came {
        Ok(converse::Ended::Decided(decided, talked)) => (decided, talked),
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
            Ok(bytes) if talked.0 || bytes == esl::EXIT => (word(outcome), bytes),
            Ok(bytes) => {
                let mark = answer::mark(&outcome.policy_version);
                (word(outcome), [mark, bytes].concat())
            }
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
    (served, line.finish(&bytes).await)
}

/// Tells the hangup phase how the call ended, as the switch described it last.
async fn afterwards(hangup: Hangup, told: ChannelData, site: Site) {
    let now_us = routing::now().saturating_mul(1_000_000);
    let ended = Ended::of(&told, now_us);
    let known = facts::read(&told, &site, routing::now()).is_ok();
    hangup.run(ended, known.then_some(told)).await;
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
