//! `fsxinetd lcr route --batch`: many questions, one answer a line, in order.
//!
//! A whole deck, or a month of calls, is asked in one go: to compare with what was billed, to see
//! what a new deck does, to feed another program. So it runs at the engine's speed, on every core:
//! one thread reads, each core answers pieces of the input, and answers are written in the order of
//! the questions. Whatever has come is answered at once, so that another program can hold a
//! conversation over two pipes.

mod question;
#[cfg(test)]
mod tests;
mod words;

use std::collections::BTreeMap;
use std::fs::File;
use std::io::{Read, Write};
use std::path::Path;
use std::process::ExitCode;
use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{Receiver, RecvTimeoutError, SyncSender, sync_channel};
use std::time::Duration;

use fsx_core::data::{LiveView, RoutingData};
use fsx_core::standing;
use fsx_wire::answer::CollectWhy;

use super::{Live, Opened, now};
use crate::cmd::Failure;
use question::{LastInstant, Question};
use words::{LastWords, Words};

/// A piece of the input: small enough that its answers stay in a core's cache.
const PIECE: usize = 16 << 10;

/// Longer lines are no questions.
const LONGEST_LINE: usize = 1 << 20;

/// How often a worker without questions looks whether anybody still wants answers.
const LOOK: Duration = Duration::from_millis(200);

/// A piece of the input with its first line's number, from 1.
struct Piece {
    place: u64,
    line: u64,
    what: What,
}

enum What {
    /// Whole lines.
    Lines(Vec<u8>),
    /// A line that is longer than any question.
    TooLong,
    /// Reading failed; nothing follows.
    Failed(std::io::Error),
}

/// The answers to a piece.
struct Answers {
    place: u64,
    text: Vec<u8>,
    bad: bool,
    failed: Option<std::io::Error>,
}

/// Answers every line of `path` (`-` is standard input) on standard output, on `jobs` threads.
pub(super) fn batch(opened: &Opened, path: &Path, jobs: usize) -> Result<ExitCode, Failure> {
    let stdout = std::io::stdout().lock();
    if path == Path::new("-") {
        return answer_all(opened, std::io::stdin(), stdout, jobs);
    }
    let file = File::open(path)
        .map_err(|e| Failure::usage(format!("cannot read {}: {e}", path.display())))?;
    answer_all(opened, file, stdout, jobs)
}

/// A line that makes no sense is answered with its number and what is wrong, so that answers stay in
/// step with questions; the exit code is then 1.
pub(super) fn answer_all(
    opened: &Opened,
    input: impl Read + Send + 'static,
    mut out: impl Write,
    jobs: usize,
) -> Result<ExitCode, Failure> {
    let jobs = jobs.max(1);
    let words = Words::of(&opened.data);
    let (to_workers, pieces) = sync_channel(2 * jobs);
    let (to_writer, answers) = sync_channel(2 * jobs);
    // Not waited for: where nobody reads the answers, nobody need wait for more questions.
    std::thread::Builder::new().name("questions".to_owned()).spawn(move || {
        read(input, &to_workers);
    })?;
    let pieces = Mutex::new(pieces);
    let (used, gone) = (Mutex::new(Vec::new()), AtomicBool::new(false));
    std::thread::scope(|scope| {
        let (pieces, used, words, gone) = (&pieces, &used, &words, &gone);
        for _ in 0..jobs {
            let to_writer = to_writer.clone();
            scope.spawn(move || work(opened, words, pieces, used, &to_writer, gone));
        }
        drop(to_writer);
        let done = write(answers, used, &mut out);
        gone.store(true, Ordering::Relaxed);
        done
    })
}

/// Cuts the input into pieces of whole lines.
fn read(mut input: impl Read, to_workers: &SyncSender<Piece>) {
    let (mut place, mut line) = (0u64, 1u64);
    let mut send = |what: What, lines: u64| {
        let piece = Piece { place, line, what };
        (place, line) = (place + 1, line + lines);
        to_workers.send(piece).is_ok()
    };
    let mut held: Vec<u8> = Vec::with_capacity(2 * PIECE);
    let mut skipping = false;
    loop {
        let before = held.len();
        held.resize(before + PIECE, 0);
        let got = loop {
            match input.read(&mut held[before..]) {
                Err(error) if error.kind() == std::io::ErrorKind::Interrupted => {}
                got => break got,
            }
        };
        let got = match got {
            Ok(got) => got,
            Err(error) => {
                send(What::Failed(error), 0);
                return;
            }
        };
        held.truncate(before + got);
        if got == 0 {
            // The last line may lack its end.
            if skipping {
                send(What::TooLong, 1);
            } else if !held.is_empty() {
                send(What::Lines(held), 1);
            }
            return;
        }
        if skipping {
            let Some(end) = held.iter().position(|&b| b == b'\n') else {
                held.clear();
                continue;
            };
            held.drain(..=end);
            skipping = false;
            if !send(What::TooLong, 1) {
                return;
            }
        }
        // What was held before has no end of a line in it, unless it was skipped.
        match held.iter().rposition(|&b| b == b'\n') {
            Some(end) => {
                let mut rest = Vec::with_capacity(2 * PIECE);
                rest.extend_from_slice(&held[end + 1..]);
                held.truncate(end + 1);
                let lines = held.iter().filter(|&&b| b == b'\n').count() as u64;
                if !send(What::Lines(std::mem::replace(&mut held, rest)), lines) {
                    return;
                }
            }
            None if held.len() > LONGEST_LINE => {
                skipping = true;
                held.clear();
            }
            None => {}
        }
    }
}

/// Answers pieces until there are no more, or nobody wants the answers.
fn work(
    opened: &Opened,
    words: &Words,
    pieces: &Mutex<Receiver<Piece>>,
    used: &Mutex<Vec<Vec<u8>>>,
    to_writer: &SyncSender<Answers>,
    gone: &AtomicBool,
) {
    let mut memo = Memo::default();
    while !gone.load(Ordering::Relaxed) {
        let Ok(piece) = pieces.lock().map(|pieces| pieces.recv_timeout(LOOK)) else { return };
        let piece = match piece {
            Ok(piece) => piece,
            Err(RecvTimeoutError::Timeout) => continue,
            Err(RecvTimeoutError::Disconnected) => return,
        };
        let text = used.lock().ok().and_then(|mut used| used.pop()).unwrap_or_default();
        let mut answers = Answers { place: piece.place, text, bad: false, failed: None };
        match piece.what {
            What::Failed(error) => answers.failed = Some(error),
            What::TooLong => {
                answers.bad = true;
                let reason = format!("longer than {} MiB", LONGEST_LINE >> 20);
                complain(piece.line, &reason, &mut answers.text);
            }
            What::Lines(lines) => {
                let out = &mut answers.text;
                answers.bad = !match &opened.live {
                    Live::None(live) => {
                        lines_of(&opened.data, live, words, &lines, piece.line, &mut memo, out)
                    }
                    Live::Table(live) => {
                        lines_of(&opened.data, live, words, &lines, piece.line, &mut memo, out)
                    }
                    Live::Rows(live) => {
                        lines_of(&opened.data, live, words, &lines, piece.line, &mut memo, out)
                    }
                };
            }
        }
        if to_writer.send(answers).is_err() {
            return;
        }
    }
}

/// What a worker remembers from line to line.
#[derive(Default)]
struct Memo {
    read: LastInstant,
    words: LastWords,
}

/// Answers lines, the first of which is number `first`; `false` where one made no sense.
fn lines_of<D: RoutingData + ?Sized, L: LiveView + ?Sized>(
    data: &D,
    live: &L,
    words: &Words,
    lines: &[u8],
    first: u64,
    memo: &mut Memo,
    out: &mut Vec<u8>,
) -> bool {
    let now = now();
    let mut good = true;
    for (number, line) in (first..).zip(lines.split(|&b| b == b'\n')) {
        // Some editors mark a file as UTF-8.
        let line = line.strip_prefix(b"\xef\xbb\xbf").filter(|_| number == 1).unwrap_or(line);
        if line.trim_ascii().is_empty() {
            continue;
        }
        match Question::read(line, &mut memo.read) {
            Ok(question) => {
                let facts = question.facts(now);
                if question.why {
                    let mut reasons = CollectWhy::new(data);
                    let decision = standing::route_why(data, live, &facts, &mut reasons);
                    let excluded = &reasons.rows;
                    words::answer(data, words, &mut memo.words, &facts, &decision, excluded, out);
                } else {
                    let decision = standing::route(data, live, &facts);
                    words::answer(data, words, &mut memo.words, &facts, &decision, &[], out);
                }
                out.push(b'\n');
            }
            Err(reason) => {
                good = false;
                complain(number, &reason, out);
            }
        }
    }
    good
}

fn complain(line: u64, reason: &str, out: &mut Vec<u8>) {
    out.extend_from_slice(format!("{{\"line\":{line},\"error\":").as_bytes());
    // A text into memory: it cannot fail.
    let _ = serde_json::to_writer(&mut *out, reason);
    out.extend_from_slice(b"}\n");
}

/// Writes answers in the order of the questions.
fn write(
    answers: Receiver<Answers>,
    used: &Mutex<Vec<Vec<u8>>>,
    out: &mut impl Write,
) -> Result<ExitCode, Failure> {
    let mut early: BTreeMap<u64, Answers> = BTreeMap::new();
    let (mut next, mut bad) = (0u64, false);
    for answer in answers {
        early.insert(answer.place, answer);
        while let Some(mut answer) = early.remove(&next) {
            next += 1;
            bad |= answer.bad;
            out.write_all(&answer.text)?;
            // Nothing to be gained by keeping it when somebody may be waiting.
            out.flush()?;
            if let Some(error) = answer.failed {
                return Err(Failure::failed(format!("cannot read the questions: {error}")));
            }
            answer.text.clear();
            if let Ok(mut used) = used.lock() {
                used.push(answer.text);
            }
        }
    }
    Ok(if bad { ExitCode::FAILURE } else { ExitCode::SUCCESS })
}
