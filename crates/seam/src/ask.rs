//! A question to the daemon, with a deadline.
//!
//! The switch has its plan before it asks, so the daemon can only improve a call, never hold it up:
//! every wait here ends at the asker's deadline, and a daemon that is not there costs one failed connect
//! a second for the whole process, not one a call.
//!
//! One request at a time on a connection; idle connections are kept. A connection that has gone stale (the
//! daemon was restarted) is noticed and replaced within the same deadline. Connections are not shared
//! with forked children: each process makes its own.

use std::{
    fmt, io,
    os::unix::net::UnixStream,
    path::{Path, PathBuf},
    sync::{
        Mutex, MutexGuard, PoisonError,
        atomic::{AtomicU64, Ordering::Relaxed},
    },
};

use fsx_wire::{
    frame::{self, TooLong},
    message::{
        Ask, DaemonStatus, Destination, Outcome, PROTOCOL, PolicyDecision, Reply, Request,
        SipRequest, WireFacts,
    },
    record::CallRecord,
    xml::{XmlAnswer, XmlQuery},
};

use crate::{
    clock::{self, Deadline},
    socket::{self, Until},
};

/// Most idle connections that are kept.
const MAX_IDLE: usize = 8;

/// After a failed connect, nobody tries again for this long.
const REST_MS: u64 = 1000;

/// Deepest nesting of a reply: deeper ones would be parsed by recursion on a small stack.
const MAX_DEPTH: usize = 24;

/// Why there is no answer. The asker goes on with what it has.
#[derive(Debug)]
pub enum AskError {
    /// Nobody listens at the socket, or nobody did within the last second.
    NotThere {
        /// Where.
        path: PathBuf,
        /// This call did not try: an earlier one had just failed.
        resting: bool,
    },
    /// The daemon or the system would not talk to us: permissions, descriptors, a closed door.
    Refused {
        /// In words.
        why: String,
    },
    /// The deadline passed.
    TimedOut {
        /// Milliseconds that were waited.
        waited_ms: u32,
    },
    /// The question, or the answer announced, is longer than a message may be.
    TooLong(TooLong),
    /// The answer makes no sense; the connection was closed.
    Garbled {
        /// What was wrong with it.
        why: String,
    },
    /// The daemon answered that it could not.
    DaemonSaid {
        /// Its reason.
        reason: String,
        /// The same question may do better later.
        retry: bool,
    },
}

impl fmt::Display for AskError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NotThere { path, .. } => write!(f, "no daemon at {}", path.display()),
            Self::Refused { why } => write!(f, "the daemon cannot be asked: {why}"),
            Self::TimedOut { waited_ms } => write!(f, "no answer within {waited_ms} ms"),
            Self::TooLong(error) => error.fmt(f),
            Self::Garbled { why } => write!(f, "a garbled answer: {why}"),
            Self::DaemonSaid { reason, .. } => write!(f, "the daemon said: {reason}"),
        }
    }
}

impl std::error::Error for AskError {}

/// The daemon's decision socket, as seen from one process. Make one a module; threads share it.
#[derive(Debug)]
pub struct Asker {
    path: PathBuf,
    idle: Mutex<Idle>,
    next_id: AtomicU64,
    /// Monotonic milliseconds before which nobody connects.
    rest_until_ms: AtomicU64,
}

#[derive(Debug)]
struct Idle {
    /// The process that made them.
    pid: u32,
    streams: Vec<UnixStream>,
}

/// What came of one exchange on one connection.
#[allow(clippy::large_enum_variant)] // Handed on at once, never stored in numbers.
enum Exchanged {
    Reply(Outcome),
    /// Closed before it answered anything: an idle connection that the daemon has given up.
    Closed(io::Error),
}

impl Asker {
    /// Asks at the socket at `path`. Connects to nothing yet.
    #[must_use]
    pub fn new(path: impl Into<PathBuf>) -> Self {
        Self {
            path: path.into(),
            idle: Mutex::new(Idle { pid: 0, streams: Vec::new() }),
            next_id: AtomicU64::new(1),
            rest_until_ms: AtomicU64::new(0),
        }
    }

    /// Where it asks.
    #[must_use]
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Asks for the policy's word on a call. `task` empty takes the one that the organisation names.
    ///
    /// # Errors
    /// [`AskError`], at the deadline at the latest.
    pub fn decide(
        &self,
        facts: WireFacts,
        task: &str,
        deadline: Deadline,
    ) -> Result<PolicyDecision, AskError> {
        match self.ask(Ask::Decide { facts: Box::new(facts), task: task.to_owned() }, deadline)? {
            Outcome::Decided(decision) => Ok(decision),
            other => Err(not_about(&other)),
        }
    }

    /// Hands over a call record. `Ok` means that the daemon has it on disk.
    ///
    /// # Errors
    /// [`AskError`], at the deadline at the latest. The daemon may have it all the same: hand it to the
    /// spool, its id makes it one.
    pub fn record(&self, record: CallRecord, deadline: Deadline) -> Result<(), AskError> {
        match self.ask(Ask::Record { record: Box::new(record) }, deadline)? {
            Outcome::Recorded => Ok(()),
            other => Err(not_about(&other)),
        }
    }

    /// Tells that a call is over which a policy has had and which has no record.
    ///
    /// # Errors
    /// [`AskError`], at the deadline at the latest. What was to run after the call may not run then.
    pub fn ended(&self, record: CallRecord, deadline: Deadline) -> Result<(), AskError> {
        match self.ask(Ask::Ended { record: Box::new(record) }, deadline)? {
            Outcome::Noted => Ok(()),
            other => Err(not_about(&other)),
        }
    }

    /// Asks where a SIP request belongs.
    ///
    /// # Errors
    /// [`AskError`], at the deadline at the latest.
    pub fn destination(
        &self,
        request: SipRequest,
        deadline: Deadline,
    ) -> Result<Destination, AskError> {
        match self.ask(Ask::Destination { request: Box::new(request) }, deadline)? {
            Outcome::Destination(destination) => Ok(destination),
            other => Err(not_about(&other)),
        }
    }

    /// Asks how the daemon is.
    ///
    /// # Errors
    /// [`AskError`], at the deadline at the latest.
    pub fn status(&self, deadline: Deadline) -> Result<DaemonStatus, AskError> {
        match self.ask(Ask::Status, deadline)? {
            Outcome::Status(status) => Ok(status),
            other => Err(not_about(&other)),
        }
    }

    /// Looks up a piece of FreeSWITCH's XML.
    ///
    /// # Errors
    /// [`AskError`], at the deadline at the latest.
    pub fn xml(&self, query: XmlQuery, deadline: Deadline) -> Result<XmlAnswer, AskError> {
        match self.ask(Ask::Xml { query: Box::new(query) }, deadline)? {
            Outcome::Xml(answer) => Ok(answer),
            other => Err(not_about(&other)),
        }
    }

    /// Asks anything. Blocks its thread until the answer or the deadline, and no longer.
    ///
    /// # Errors
    /// [`AskError`]; `Outcome::Failed` is [`AskError::DaemonSaid`].
    pub fn ask(&self, ask: Ask, deadline: Deadline) -> Result<Outcome, AskError> {
        if deadline.passed() {
            return Err(timed_out(deadline)); // Without even a question that nobody reads the answer of.
        }
        let id = self.next_id.fetch_add(1, Relaxed);
        let request = Request { v: PROTOCOL, id, deadline_ms: deadline.left_ms(), ask };
        let body = serde_json::to_vec(&request)
            .map_err(|error| AskError::Refused { why: format!("the question: {error}") })?;
        let bytes = frame::encode(&body).map_err(AskError::TooLong)?;

        if let Some(stream) = self.take_idle() {
            match exchange(&stream, &bytes, id, deadline)? {
                Exchanged::Reply(outcome) => return self.answered(stream, outcome),
                // The daemon was restarted: the rest of the pool is as old.
                Exchanged::Closed(_) => self.idle().streams.clear(),
            }
        }
        let stream = self.connect(deadline)?;
        match exchange(&stream, &bytes, id, deadline)? {
            Exchanged::Reply(outcome) => self.answered(stream, outcome),
            Exchanged::Closed(error) => Err(AskError::Refused { why: error.to_string() }),
        }
    }

    fn answered(&self, stream: UnixStream, outcome: Outcome) -> Result<Outcome, AskError> {
        let mut idle = self.idle();
        if idle.streams.len() < MAX_IDLE {
            idle.streams.push(stream);
        }
        match outcome {
            Outcome::Failed { reason, retry } => Err(AskError::DaemonSaid { reason, retry }),
            Outcome::Versions { lowest, highest } => {
                let reason =
                    format!("it speaks protocol {lowest} to {highest}, this module {PROTOCOL}");
                Err(AskError::DaemonSaid { reason, retry: false })
            }
            done => Ok(done),
        }
    }

    fn take_idle(&self) -> Option<UnixStream> {
        let mut idle = self.idle();
        while let Some(stream) = idle.streams.pop() {
            if socket::is_quiet(&stream) {
                return Some(stream);
            }
        }
        None
    }

    /// The pool of this very process: what was inherited over a fork belongs to the parent.
    fn idle(&self) -> MutexGuard<'_, Idle> {
        let mut idle = self.idle.lock().unwrap_or_else(PoisonError::into_inner);
        let pid = std::process::id();
        if idle.pid != pid {
            idle.pid = pid;
            idle.streams.clear();
        }
        idle
    }

    fn connect(&self, deadline: Deadline) -> Result<UnixStream, AskError> {
        let not_there = |resting| AskError::NotThere { path: self.path.clone(), resting };
        if clock::monotonic_ms() < self.rest_until_ms.load(Relaxed) {
            return Err(not_there(true));
        }
        socket::connect(&self.path, deadline).map_err(|error| {
            self.rest_until_ms.store(clock::monotonic_ms().saturating_add(REST_MS), Relaxed);
            match error.kind() {
                io::ErrorKind::TimedOut => timed_out(deadline),
                io::ErrorKind::NotFound | io::ErrorKind::ConnectionRefused => not_there(false),
                io::ErrorKind::InvalidInput => AskError::Refused {
                    why: format!("{}: no path for a socket", self.path.display()),
                },
                _ => AskError::Refused { why: format!("{}: {error}", self.path.display()) },
            }
        })
    }
}

/// Sends one question and reads its answer.
fn exchange(
    stream: &UnixStream,
    bytes: &[u8],
    id: u64,
    deadline: Deadline,
) -> Result<Exchanged, AskError> {
    let mut left = bytes;
    while !left.is_empty() {
        match socket::send(stream, left) {
            Ok(n) => left = left.get(n..).unwrap_or_default(),
            Err(error) => match error.kind() {
                io::ErrorKind::Interrupted => {}
                io::ErrorKind::WouldBlock => await_or_time_out(stream, Until::Writable, deadline)?,
                _ => return Ok(Exchanged::Closed(error)),
            },
        }
    }
    let mut answer = Vec::new();
    let mut chunk = [0; 4096];
    loop {
        match socket::receive(stream, &mut chunk) {
            Ok(0) if answer.is_empty() => {
                let closed = "the daemon closed the connection without an answer";
                return Ok(Exchanged::Closed(io::Error::other(closed)));
            }
            Ok(0) => {
                let why = format!("cut off after {} bytes", answer.len());
                return Err(AskError::Garbled { why });
            }
            Ok(n) => answer.extend_from_slice(chunk.get(..n).unwrap_or_default()),
            Err(error) => match error.kind() {
                io::ErrorKind::Interrupted => {}
                io::ErrorKind::WouldBlock => await_or_time_out(stream, Until::Readable, deadline)?,
                _ if answer.is_empty() => return Ok(Exchanged::Closed(error)),
                _ => return Err(AskError::Garbled { why: error.to_string() }),
            },
        }
        if let Some((body, taken)) = frame::decode(&answer).map_err(AskError::TooLong)? {
            if taken != answer.len() {
                return Err(AskError::Garbled { why: "more than one answer".to_owned() });
            }
            return read_reply(body, id).map(Exchanged::Reply);
        }
    }
}

fn await_or_time_out(
    stream: &UnixStream,
    until: Until,
    deadline: Deadline,
) -> Result<(), AskError> {
    match socket::wait(stream, until, deadline) {
        Ok(true) => Ok(()),
        Ok(false) => Err(timed_out(deadline)),
        Err(error) => Err(AskError::Refused { why: error.to_string() }),
    }
}

fn read_reply(body: &[u8], id: u64) -> Result<Outcome, AskError> {
    if depth(body) > MAX_DEPTH {
        return Err(AskError::Garbled { why: format!("nested deeper than {MAX_DEPTH}") });
    }
    let reply: Reply = serde_json::from_slice(body)
        .map_err(|error| AskError::Garbled { why: error.to_string() })?;
    if reply.id != id {
        let why = format!("answer to question {}, expected {id}", reply.id);
        return Err(AskError::Garbled { why });
    }
    Ok(reply.outcome)
}

/// How deep brackets nest in a JSON text.
fn depth(json: &[u8]) -> usize {
    let (mut now, mut most) = (0usize, 0);
    let (mut in_text, mut escaped) = (false, false);
    for byte in json {
        match byte {
            _ if escaped => escaped = false,
            b'\\' if in_text => escaped = true,
            b'"' => in_text = !in_text,
            b'[' | b'{' if !in_text => {
                now += 1;
                most = most.max(now);
            }
            b']' | b'}' if !in_text => now = now.saturating_sub(1),
            _ => {}
        }
    }
    most
}

fn timed_out(deadline: Deadline) -> AskError {
    AskError::TimedOut { waited_ms: deadline.waited_ms() }
}

fn not_about(outcome: &Outcome) -> AskError {
    let got = match outcome {
        Outcome::Decided(_) => "a decision",
        Outcome::Recorded => "a receipt",
        Outcome::Noted => "a nod",
        Outcome::Status(_) => "a status",
        Outcome::Xml(_) => "a piece of XML",
        Outcome::Destination(_) => "a destination",
        Outcome::Versions { .. } => "versions",
        Outcome::Failed { .. } => "a failure",
    };
    AskError::Garbled { why: format!("{got}, which was not asked for") }
}

#[cfg(test)]
mod tests {
    use super::depth;

    #[test]
    fn depth_of_texts() {
        for (json, want) in [
            (&br#"{}"#[..], 1),
            (br#"1"#, 0),
            (br#"{"a":[{"b":1}],"c":{}}"#, 3),
            (br#"{"a":"[[[[{{"}"#, 1),
            (br#"{"a":"\"[[","b":[]}"#, 2),
            (br#"{"a":"\\","b":[[]]}"#, 3),
            (b"]]]}}[", 1),
        ] {
            assert_eq!(depth(json), want, "{}", String::from_utf8_lossy(json));
        }
    }
}
