//! Questions on the decision socket at a fixed rate, whether the answers keep up or not.
//!
//! Calls do not wait for one another, so neither do these: each question has its instant, and what
//! it waited is counted from that instant, also when the one before it was slow (a loop that asks
//! only after an answer would leave out just the waits that matter). Written on its own and not
//! over `fsx-wire`, like [`crate::esl`].

use std::{
    io::{Read as _, Write as _},
    num::NonZeroU64,
    os::unix::net::UnixStream,
    path::Path,
    sync::{
        Mutex,
        atomic::{AtomicU64, Ordering::Relaxed},
    },
    time::{Duration, Instant, SystemTime},
};

use crate::load::Figures;

/// How long after the last question an answer still counts.
const LATEST: Duration = Duration::from_secs(2);

/// What became of the questions.
#[derive(Clone, Debug)]
pub struct Asked {
    /// When the first was due, by the time of day: other processes have that too.
    pub begin: SystemTime,
    /// How long after it each that was answered was due, and what it waited from then on.
    pub each: Vec<(Duration, Duration)>,
    /// From the first to the end.
    pub took: Duration,
    /// Questions without their answer.
    pub failed: u64,
}

impl Asked {
    /// All of them.
    #[must_use]
    pub fn figures(&self) -> Figures {
        self.of(|_| true)
    }

    /// Those during which, and during `before` they were due, the machine was nowhere `away` for as
    /// long as an answer may take. A question is not left out because its answer took longer.
    #[must_use]
    pub fn while_there(
        &self,
        away: &[(SystemTime, SystemTime)],
        before: Duration,
        limit: Duration,
    ) -> Figures {
        self.of(|due| {
            let due = self.begin + due;
            !away.iter().any(|(from, to)| *from < due + limit && *to > due - before)
        })
    }

    fn of(&self, counts: impl Fn(Duration) -> bool) -> Figures {
        let counted = self.each.iter().filter(|(due, _)| counts(*due)).map(|(_, wait)| *wait);
        Figures::of(self.took, counted.collect(), self.failed)
    }
}

/// Asks `rate` questions a second for `length`, over `connections` in turn. `question` makes the JSON
/// of one by its number, which is also its `id`; an answer must hold `expected`.
///
/// # Panics
/// When the socket cannot be connected to.
#[must_use]
pub fn decisions(
    socket: &Path,
    rate: u32,
    length: Duration,
    connections: usize,
    question: impl Fn(u64) -> String,
    expected: &str,
) -> Asked {
    let count = (length.as_secs_f64() * f64::from(rate)) as u64;
    let frames: Vec<Vec<u8>> = (0..count).map(|id| framed(&question(id))).collect();
    let streams: Vec<UnixStream> = (0..connections)
        .map(|_| {
            let stream = UnixStream::connect(socket);
            stream.unwrap_or_else(|e| panic!("cannot connect to {}: {e}", socket.display()))
        })
        .collect();
    let waits = Mutex::new(Vec::with_capacity(frames.len()));
    let (good, bad) = (AtomicU64::new(0), AtomicU64::new(0));
    // A moment for the threads to be there.
    let begin = Instant::now() + Duration::from_millis(100);
    let begun = SystemTime::now() + Duration::from_millis(100);
    let after = |id: u64| Duration::from_secs_f64(id as f64 / f64::from(rate));
    let due = |id: u64| begin + after(id);
    // A sleep ends up to 50 us late unless that is refused, and that would be no wait for the answer.
    let _ = rustix::thread::set_current_timer_slack(NonZeroU64::new(1));
    std::thread::scope(|scope| {
        for stream in &streams {
            let (waits, good, bad) = (&waits, &good, &bad);
            scope.spawn(move || {
                let mut mine = Vec::new();
                read_all(stream, |body, now| {
                    let answered = body.contains(expected).then(|| id_of(body)).flatten();
                    match answered {
                        Some(id) => {
                            mine.push((after(id), now.saturating_duration_since(due(id))));
                            good.fetch_add(1, Relaxed);
                        }
                        None => drop(bad.fetch_add(1, Relaxed)),
                    }
                });
                waits.lock().expect("no panic").extend(mine);
            });
        }
        for (id, frame) in (0..).zip(&frames) {
            while let Some(left) = due(id).checked_duration_since(Instant::now()) {
                std::thread::sleep(left);
            }
            let mut stream = &streams[id as usize % streams.len()];
            if stream.write_all(frame).is_err() {
                break;
            }
        }
        let latest = Instant::now() + LATEST;
        while good.load(Relaxed) + bad.load(Relaxed) < count && Instant::now() < latest {
            std::thread::sleep(Duration::from_millis(5));
        }
        for stream in &streams {
            let _ = stream.shutdown(std::net::Shutdown::Both);
        }
    });
    let answered = good.into_inner();
    let each = waits.into_inner().expect("no panic");
    Asked { begin: begun, each, took: begin.elapsed(), failed: count - answered }
}

/// Each answer with the instant at which it had been read, until the stream ends.
fn read_all(mut stream: &UnixStream, mut answer: impl FnMut(&str, Instant)) {
    let (mut buffer, mut bytes) = (Vec::new(), [0; 64 << 10]);
    while let Ok(got @ 1..) = stream.read(&mut bytes) {
        let now = Instant::now();
        buffer.extend_from_slice(&bytes[..got]);
        let mut taken = 0;
        while let Some(prefix) = buffer[taken..].first_chunk::<4>() {
            let end = taken + 4 + u32::from_be_bytes(*prefix) as usize;
            let Some(body) = buffer.get(taken + 4..end) else { break };
            answer(&String::from_utf8_lossy(body), now);
            taken = end;
        }
        buffer.drain(..taken);
    }
}

/// A message of the decision socket, with its length before it.
///
/// # Panics
/// When it is longer than four gigabytes.
#[must_use]
pub fn framed(body: &str) -> Vec<u8> {
    let length = u32::try_from(body.len()).expect("a short question");
    let mut frame = length.to_be_bytes().to_vec();
    frame.extend_from_slice(body.as_bytes());
    frame
}

/// The number that an answer bears. Looking for it is cheaper than reading all of the answer, which
/// would be this side's time and not the daemon's.
#[must_use]
pub fn id_of(body: &str) -> Option<u64> {
    let after = &body[body.find("\"id\":")? + 5..];
    let digits = after.find(|c: char| !c.is_ascii_digit()).unwrap_or(after.len());
    after[..digits].parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::net::UnixListener;

    /// One slow answer must show in the waits of the questions behind it.
    #[test]
    fn a_stall_is_seen_by_all_who_would_have_waited() {
        let dir = tempfile::tempdir().expect("a folder");
        let path = dir.path().join("s");
        let server = UnixListener::bind(&path).expect("a socket");
        let peer = std::thread::spawn(move || {
            let (stream, _) = server.accept().expect("a peer");
            let mut writer = stream.try_clone().expect("a copy");
            let mut count = 0;
            read_all(&stream, |body, _| {
                count += 1;
                if count == 10 {
                    std::thread::sleep(Duration::from_millis(200));
                }
                let id = id_of(body).expect("an id");
                let _ = writer.write_all(&framed(&format!("{{\"id\":{id},\"outcome\":\"x\"}}")));
            });
        });
        let question = |id| format!("{{\"id\":{id}}}");
        let length = Duration::from_millis(500);
        let asked = decisions(&path, 200, length, 1, question, "\"x\"");
        let figures = asked.figures();
        assert_eq!((figures.waits.len(), figures.failed), (100, 0));
        // 200 ms at 200 a second: forty questions, of which half waited more than 100 ms.
        let slow = figures.waits.iter().filter(|w| **w >= Duration::from_millis(90)).count();
        assert!((15..60).contains(&slow), "{slow} of 100 waited long");
        // Due every 5 ms: those at 100 to 120 ms, of which none is left out for having waited.
        let ms = |ms| asked.begin + Duration::from_millis(ms);
        let (before, limit) = (Duration::from_millis(20), Duration::from_millis(1));
        let there = asked.while_there(&[(ms(100), ms(101))], before, limit);
        assert_eq!(there.waits.len(), 95);
        assert_eq!(asked.while_there(&[], before, limit).waits, figures.waits);
        assert!(asked.while_there(&[(ms(0), ms(600))], before, limit).waits.is_empty());
        peer.join().expect("the peer");
    }
}
