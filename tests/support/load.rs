//! Many calls on the event socket at once, played by threads that do nothing else.
//!
//! What a call says of itself is as long as a real one's: what a daemon spends on reading it is most
//! of what a trivial task costs. The latency of a task is what its call waits: from the first
//! packet to the end of the conversation.

use std::{
    fs,
    io::{Read as _, Write as _},
    net::{SocketAddr, TcpStream},
    sync::{
        Barrier,
        atomic::{AtomicU64, Ordering::Relaxed},
    },
    time::{Duration, Instant},
};

/// Longest that one conversation may take before it counts as failed.
const LIMIT: Duration = Duration::from_secs(20);

/// What FreeSWITCH answers to `connect` for a SIP call, some five kilobytes in a hundred and seventy
/// lines. `task` is its `rmSocketTask`.
#[must_use]
pub fn channel_data(task: &str) -> Vec<u8> {
    let mut text = String::from(
        "Event-Name: CHANNEL_DATA\nCore-UUID: 4f7a21bb-2d5e-4c57-8a0b-6f3f2f4b2f10\n\
         FreeSWITCH-Hostname: pbx1\nFreeSWITCH-IPv4: 127.0.0.1\nChannel-Direction: inbound\n\
         Unique-ID: 8d0cf1f0-98e6-4f0e-bd83-2f3d1a6f5a11\nAnswer-State: ringing\n\
         Channel-State: CS_EXECUTE\nChannel-Call-State: RINGING\n\
         Caller-Caller-ID-Number: 442079460000\nCaller-Destination-Number: 07700900123\n\
         Caller-Network-Addr: 127.0.0.1\nCaller-Context: dpOutbound\nCaller-Dialplan: XML\n",
    );
    for n in 0..40 {
        text.push_str(&format!("Caller-Profile-Field-{n}: 17905342291{n:05}\n"));
    }
    let task = task.replace(':', "%3A");
    text.push_str(&format!(
        "variable_rmSocketTask: {task}\nvariable_rmOrgID: 37\nvariable_rmHCDCode: 44\n\
         variable_rmUserID: 501\n"
    ));
    for n in 0..110 {
        text.push_str(&format!(
            "variable_sip_header_number_{n}: %3Csip%3A0770090{n:04}%40127.0.0.1%3E\n"
        ));
    }
    text.push_str(
        "Content-Type: command/reply\nReply-Text: %2BOK%0A\nSocket-Mode: static\n\
         Control: full\n\n",
    );
    text.into_bytes()
}

/// What a run of calls came to.
#[derive(Clone, Debug, Default)]
pub struct Figures {
    /// From the first call's begin to the last one's end.
    pub took: Duration,
    /// What each call waited, the shortest first.
    pub waits: Vec<Duration>,
    /// Calls that did not get their answer.
    pub failed: u64,
}

impl Figures {
    /// Puts together what threads have seen.
    #[must_use]
    pub fn of(took: Duration, mut waits: Vec<Duration>, failed: u64) -> Self {
        waits.sort_unstable();
        Self { took, waits, failed }
    }

    /// Calls answered a second.
    #[must_use]
    pub fn per_second(&self) -> f64 {
        self.waits.len() as f64 / self.took.as_secs_f64().max(f64::MIN_POSITIVE)
    }

    /// The wait that `share` of the calls did not pass, such as 0.99.
    #[must_use]
    pub fn at(&self, share: f64) -> Duration {
        let last = self.waits.len().saturating_sub(1);
        let n = (self.waits.len() as f64 * share).ceil() as usize;
        self.waits.get(n.saturating_sub(1).min(last)).copied().unwrap_or_default()
    }
}

/// Calls one after another on `at_once` threads until `count` have been made. Each must end in
/// `answer`.
///
/// # Panics
/// When a thread cannot be started.
#[must_use]
pub fn tasks(
    server: SocketAddr,
    data: &[u8],
    answer: &[u8],
    at_once: usize,
    count: u64,
) -> Figures {
    let (next, failed) = (AtomicU64::new(0), AtomicU64::new(0));
    let gate = Barrier::new(at_once + 1);
    let mut waits = Vec::new();
    let started = std::thread::scope(|scope| {
        let workers: Vec<_> = (0..at_once)
            .map(|_| {
                scope.spawn(|| {
                    let mut waits = Vec::new();
                    let mut heard = Vec::with_capacity(1 << 10);
                    gate.wait();
                    while next.fetch_add(1, Relaxed) < count {
                        match task(server, data, answer, &mut heard) {
                            Ok(wait) => waits.push(wait),
                            Err(_) => drop(failed.fetch_add(1, Relaxed)),
                        }
                    }
                    waits
                })
            })
            .collect();
        gate.wait();
        let started = Instant::now();
        for worker in workers {
            waits.extend(worker.join().expect("a caller's thread"));
        }
        started
    });
    Figures::of(started.elapsed(), waits, failed.into_inner())
}

/// One conversation; what the call waited.
fn task(
    server: SocketAddr,
    data: &[u8],
    answer: &[u8],
    heard: &mut Vec<u8>,
) -> std::io::Result<Duration> {
    let started = Instant::now();
    let mut stream = greeted(server, data)?;
    heard.clear();
    stream.read_to_end(heard)?;
    if heard.ends_with(answer) {
        Ok(started.elapsed())
    } else {
        Err(std::io::Error::other(String::from_utf8_lossy(heard).into_owned()))
    }
}

/// Connects, hears `connect` and says what call it is.
fn greeted(server: SocketAddr, data: &[u8]) -> std::io::Result<TcpStream> {
    let mut stream = TcpStream::connect(server)?;
    stream.set_nodelay(true)?;
    stream.set_read_timeout(Some(LIMIT))?;
    let mut hello = [0; b"connect\n\n".len()];
    stream.read_exact(&mut hello)?;
    stream.write_all(data)?;
    Ok(stream)
}

/// `count` calls whose scripts wait for the switch: each has been told its first command, which
/// must hold `told`, and never says that it is done.
///
/// # Panics
/// When one of them is not served.
#[must_use]
pub fn idle_calls(server: SocketAddr, data: &[u8], told: &str, count: usize) -> Vec<TcpStream> {
    let mut bytes = [0; 4096];
    (0..count)
        .map(|n| {
            let call = greeted(server, data).and_then(|mut stream| {
                let mut heard = String::new();
                while !heard.contains(told) {
                    match stream.read(&mut bytes)? {
                        0 => return Err(std::io::Error::other(heard)),
                        got => heard.push_str(&String::from_utf8_lossy(&bytes[..got])),
                    }
                }
                Ok(stream)
            });
            call.unwrap_or_else(|e| panic!("call {n} of {count} is not held: {e}"))
        })
        .collect()
}

/// Resident memory of a process, in bytes.
///
/// # Panics
/// When there is no such process.
#[must_use]
pub fn resident(pid: u32) -> u64 {
    let path = format!("/proc/{pid}/statm");
    let text = fs::read_to_string(&path).unwrap_or_else(|e| panic!("{path}: {e}"));
    let pages: u64 = text.split(' ').nth(1).and_then(|n| n.parse().ok()).expect("pages");
    pages * rustix::param::page_size() as u64
}

/// How many descriptors this process may have open, after asking for all that it may have.
#[must_use]
pub fn descriptors() -> u64 {
    use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
    let limit = getrlimit(Resource::Nofile);
    let most = limit.maximum;
    let _ = setrlimit(Resource::Nofile, Rlimit { current: most, maximum: most });
    getrlimit(Resource::Nofile).current.unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn shares_are_counted_from_the_shortest() {
        let waits = (1..=200).rev().map(Duration::from_millis).collect();
        let figures = Figures::of(Duration::from_secs(2), waits, 0);
        assert_eq!(figures.at(0.5), Duration::from_millis(100));
        assert_eq!(figures.at(0.99), Duration::from_millis(198));
        assert_eq!(figures.at(1.0), Duration::from_millis(200));
        assert!((figures.per_second() - 100.0).abs() < 0.001);
        assert_eq!(Figures::default().at(0.99), Duration::ZERO);
        let data = channel_data("A::b");
        assert!(data.len() > 5_000 && data.ends_with(b"\n\n"));
    }
}
