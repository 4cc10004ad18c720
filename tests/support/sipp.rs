//! SIPp as the caller and as the carriers, and the messages that each of them saw.
//!
//! A carrier runs until it is told to stop, never for a fixed number of calls: a carrier that must
//! not be called can then show that it was not.

use std::{
    collections::BTreeSet,
    fs,
    path::{Path, PathBuf},
    process::Command,
    time::Duration,
};

use rustix::process::Signal;

use crate::{child::ChildGuard, ports::Ports, run_dir::RunDir, wait};

/// From start to a bound socket.
const READY: Duration = Duration::from_secs(15);

/// From being asked to end to having ended.
const ENDING: Duration = Duration::from_secs(15);

/// A running SIPp.
#[derive(Debug)]
pub struct Sipp {
    name: String,
    child: ChildGuard,
    messages: PathBuf,
    sip: Ports,
    _media: Ports,
}

/// What a caller does besides its scenario file.
#[derive(Clone, Debug)]
pub struct Calls<'a> {
    /// Where the INVITE goes: a port on loopback.
    pub to_port: u16,
    /// The number called (`[service]`).
    pub number: &'a str,
    /// How long an answered call lasts (a `<pause/>` without a length).
    pub talk: Duration,
    /// How many calls in all; 0 goes on until [`Sipp::retire`].
    pub calls: u32,
    /// How many new ones a second.
    pub rate: u32,
    /// Values of `[NAME]` in the scenario file.
    pub keys: &'a [(&'a str, &'a str)],
    /// All of it must be over by then.
    pub limit: Duration,
}

/// A SIP message as SIPp saw it.
#[derive(Clone, Debug)]
pub struct Message {
    /// Time of day; see [`Message::since`].
    at: Duration,
    /// It came in (otherwise it went out).
    pub received: bool,
    /// Everything, lines ended by `\n`.
    pub text: String,
}

impl Message {
    /// How long after `earlier` it was seen; up to a day, midnight or not.
    #[must_use]
    pub fn since(&self, earlier: &Self) -> Duration {
        const DAY: Duration = Duration::from_secs(86_400);
        self.at.checked_sub(earlier.at).unwrap_or_else(|| self.at + DAY - earlier.at)
    }

    /// First line.
    #[must_use]
    pub fn start_line(&self) -> &str {
        self.text.lines().next().unwrap_or("")
    }

    /// Value of a header, by its full name in any case.
    #[must_use]
    pub fn header(&self, name: &str) -> Option<&str> {
        self.text.lines().skip(1).take_while(|line| !line.is_empty()).find_map(|line| {
            let (found, value) = line.split_once(':')?;
            found.trim().eq_ignore_ascii_case(name).then(|| value.trim())
        })
    }

    /// User part of the request's URI: for an INVITE, the number dialled.
    #[must_use]
    pub fn dialled(&self) -> &str {
        let uri = self.start_line().split(' ').nth(1).unwrap_or("");
        let user = uri.strip_prefix("sip:").unwrap_or(uri);
        user.split_once('@').map_or("", |(user, _)| user)
    }
}

impl Sipp {
    /// Starts a carrier on `port` and waits until it listens.
    ///
    /// # Panics
    /// When it does not come up.
    #[must_use]
    pub fn carrier(sipp: &Path, run: &RunDir, name: &str, scenario: &Path, port: Ports) -> Self {
        let mut carrier = Self::spawn(sipp, run, name, scenario, port, |_| {});
        let at = carrier.sip.port();
        carrier.child.ready("its socket", READY, || udp_bound(at).then_some(()));
        carrier
    }

    /// Starts a caller; [`Sipp::finish`] waits for it.
    ///
    /// # Panics
    /// When it cannot be started.
    #[must_use]
    pub fn caller(
        sipp: &Path,
        run: &RunDir,
        name: &str,
        scenario: &Path,
        calls: &Calls<'_>,
    ) -> Self {
        Self::spawn(sipp, run, name, scenario, Ports::one(), |command| {
            command
                .args(["-s", calls.number])
                .args(["-d", &calls.talk.as_millis().to_string()])
                .args(["-r", &calls.rate.to_string()])
                .args(["-timeout", &format!("{}s", calls.limit.as_secs()), "-timeout_error"]);
            if calls.calls > 0 {
                command.args(["-m", &calls.calls.to_string()]);
            }
            for (name, value) in calls.keys {
                command.args(["-key", name, value]);
            }
            command.arg(format!("127.0.0.1:{}", calls.to_port));
        })
    }

    fn spawn(
        sipp: &Path,
        run: &RunDir,
        name: &str,
        scenario: &Path,
        sip: Ports,
        more: impl FnOnce(&mut Command),
    ) -> Self {
        let media = Ports::block(4);
        let messages = run.file(&format!("sipp/{name}.messages"));
        let errors = run.file(&format!("sipp/{name}.errors"));
        let mut command = Command::new(sipp);
        command
            .arg("-sf")
            .arg(scenario)
            .args(["-i", "127.0.0.1", "-p", &sip.port().to_string()])
            .args(["-mp", &media.port().to_string(), "-nostdin", "-trace_err", "-error_file"])
            .arg(&errors)
            .args(["-trace_msg", "-message_file"])
            .arg(&messages)
            .current_dir(run.dir("sipp"));
        more(&mut command);
        let log = run.file(&format!("sipp/{name}.log"));
        let mut child = ChildGuard::spawn(&format!("SIPp {name}"), &mut command, &log);
        // Its own log is a screen of counters.
        child.show_instead(&[&errors, &messages]);
        Self { name: name.to_owned(), child, messages, sip, _media: media }
    }

    /// Its SIP port.
    #[must_use]
    pub fn port(&self) -> u16 {
        self.sip.port()
    }

    /// Waits for a caller to end by itself and gives its exit code: 0 when every call went as the
    /// scenario file says, 1 when one did not.
    ///
    /// # Panics
    /// When it does not end within `limit`.
    #[track_caller]
    pub fn finish(&mut self, limit: Duration) -> i32 {
        self.child.wait(limit).code().unwrap_or(-1)
    }

    /// Asks it to end once its calls are over, and gives its exit code: 0 when every call went as the
    /// scenario file says, also when none came.
    ///
    /// # Panics
    /// When it does not end.
    #[track_caller]
    pub fn retire(&mut self) -> i32 {
        self.child.signal(Signal::USR1);
        self.finish(ENDING)
    }

    /// Whether it has ended.
    pub fn ended(&mut self) -> bool {
        self.child.ended().is_some()
    }

    /// All messages so far, in order.
    #[must_use]
    pub fn messages(&self) -> Vec<Message> {
        parse(&String::from_utf8_lossy(&fs::read(&self.messages).unwrap_or_default()))
    }

    /// The first INVITE of each call that came in: retransmissions and re-INVITEs not counted.
    #[must_use]
    pub fn calls_received(&self) -> Vec<Message> {
        self.calls_seen(true)
    }

    /// The first INVITE of each call that went out.
    #[must_use]
    pub fn calls_sent(&self) -> Vec<Message> {
        self.calls_seen(false)
    }

    fn calls_seen(&self, received: bool) -> Vec<Message> {
        let mut seen = BTreeSet::new();
        self.messages()
            .into_iter()
            .filter(|m| m.received == received && m.start_line().starts_with("INVITE "))
            .filter(|m| seen.insert(m.header("Call-ID").unwrap_or("").to_owned()))
            .collect()
    }

    /// Waits until `count` calls have come in.
    ///
    /// # Panics
    /// When they have not within `limit`.
    #[track_caller]
    pub fn wait_for_calls(&self, count: usize, limit: Duration) {
        let what = format!("{count} calls at SIPp {}", self.name);
        wait::until(&what, limit, || (self.calls_received().len() >= count).then_some(()));
    }

    /// Waits until a message whose first line begins with `start` has been sent or received.
    ///
    /// # Panics
    /// When there is none within `limit`.
    #[track_caller]
    pub fn wait_for(&self, start: &str, limit: Duration) -> Message {
        let what = format!("`{start}` at SIPp {}", self.name);
        wait::until(&what, limit, || {
            self.messages().into_iter().find(|m| m.start_line().starts_with(start))
        })
    }
}

/// Whether somebody has bound UDP `port` on loopback. Asked of the kernel: a trial bind could take
/// the port from the very program that is waited for.
#[must_use]
pub fn udp_bound(port: u16) -> bool {
    let sockets = fs::read_to_string("/proc/net/udp").unwrap_or_default();
    let address = format!("0100007F:{port:04X}");
    sockets.lines().skip(1).any(|line| line.split_whitespace().nth(1) == Some(&address))
}

/// Splits a SIPp message log. Each message follows a line of dashes with the time and a line such
/// as `UDP message received [511] bytes :`.
fn parse(log: &str) -> Vec<Message> {
    const RULE: &str = "----------------------------------------------- ";
    log.split(RULE)
        .filter_map(|block| {
            let (head, text) = block.split_once("\n\n")?;
            let received = head.contains(" message received ");
            let at = time_of_day(head.lines().next()?)?;
            (received || head.contains(" message sent ")).then(|| Message {
                at,
                received,
                text: text.replace('\r', ""),
            })
        })
        .collect()
}

/// Reads `2026-11-21 09:04:45.185189` (older SIPps part the two with a tab).
fn time_of_day(line: &str) -> Option<Duration> {
    let time = line.split_whitespace().nth(1)?;
    let mut parts = time.split(':');
    let mut next = || parts.next()?.parse::<f64>().ok();
    let (hours, minutes, seconds) = (next()?, next()?, next()?);
    Duration::try_from_secs_f64(hours * 3600.0 + minutes * 60.0 + seconds).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    const LOG: &str = "\
----------------------------------------------- 2026-11-21 09:04:45.185189\n\
UDP message received [511] bytes :\n\n\
INVITE sip:447700900123@127.0.0.1:25999 SIP/2.0\r\nCall-ID: 1-8581@127.0.0.1\r\n\
X-Test:  yes \r\n\r\nv=0\r\n\n\
----------------------------------------------- 2026-11-21 09:04:45.185332\n\
UDP message sent (262 bytes):\n\nSIP/2.0 503 Service Unavailable\nCall-ID: 1-8581@127.0.0.1\n\n";

    #[test]
    fn reads_the_message_log() {
        let messages = parse(LOG);
        assert_eq!(messages.len(), 2);
        assert!(messages[0].received && !messages[1].received);
        assert_eq!(messages[1].since(&messages[0]), Duration::from_micros(143));
        assert_eq!(messages[0].dialled(), "447700900123");
        assert_eq!(messages[0].header("x-test"), Some("yes"));
        assert_eq!(messages[0].header("v=0"), None);
        assert_eq!(messages[1].start_line(), "SIP/2.0 503 Service Unavailable");
    }

    #[test]
    fn sees_a_bound_port() {
        let port = Ports::one();
        assert!(!udp_bound(port.port()));
        let _socket = std::net::UdpSocket::bind(("127.0.0.1", port.port())).expect("bind");
        assert!(udp_bound(port.port()));
    }
}
