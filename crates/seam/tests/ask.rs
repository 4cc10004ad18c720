//! The decision socket against daemons that answer, dawdle, babble, leave and come back.

use std::{
    io::{Read as _, Write as _},
    os::{
        fd::AsRawFd as _,
        unix::net::{UnixListener, UnixStream},
    },
    path::{Path, PathBuf},
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering::SeqCst},
        mpsc,
    },
    thread,
    time::Duration,
};

use fsx_seam::{
    ask::{AskError, Asker},
    clock::Deadline,
};
use fsx_wire::{
    frame,
    message::{Ask, DaemonStatus, Outcome, Reply, Request},
};

struct Fixture {
    _dir: tempfile::TempDir,
    path: PathBuf,
}

fn fixture() -> Fixture {
    let dir = tempfile::tempdir().expect("tempdir");
    let path = dir.path().join("decide.sock");
    Fixture { _dir: dir, path }
}

/// Long enough for any machine; a test that comes to it has failed.
fn long() -> Deadline {
    Deadline::after_ms(20_000)
}

/// Accepts connections, one after another, and serves each, to the end of the test program. Counts them.
fn serve(path: &Path, serve: impl Fn(usize, UnixStream) + Send + 'static) -> Arc<AtomicUsize> {
    let listener = UnixListener::bind(path).expect("binds");
    let count = Arc::new(AtomicUsize::new(0));
    let accepted = Arc::clone(&count);
    thread::spawn(move || {
        for (n, stream) in listener.incoming().enumerate() {
            accepted.fetch_add(1, SeqCst);
            serve(n, stream.expect("accepts"));
        }
    });
    count
}

fn read_request(stream: &mut UnixStream) -> Option<Request> {
    let mut prefix = [0; frame::PREFIX];
    stream.read_exact(&mut prefix).ok()?;
    let mut body = vec![0; u32::from_be_bytes(prefix) as usize];
    stream.read_exact(&mut body).ok()?;
    Some(serde_json::from_slice(&body).expect("a request"))
}

fn status(id: u64, generation: u64) -> Vec<u8> {
    let status = DaemonStatus { version: "v".repeat(10_000), generation, records_waiting: 0 };
    let reply = Reply { id, outcome: Outcome::Status(status) };
    frame::encode(&serde_json::to_vec(&reply).expect("JSON")).expect("short")
}

fn answer_all(_: usize, mut stream: UnixStream) {
    while let Some(request) = read_request(&mut stream) {
        stream.write_all(&status(request.id, request.id)).expect("writes");
    }
}

#[test]
fn answered_over_one_connection() {
    let at = fixture();
    let connections = serve(&at.path, answer_all);
    let asker = Asker::new(&at.path);
    for want in 1..=5 {
        assert_eq!(asker.status(long()).expect("answered").generation, want);
    }
    assert_eq!(connections.load(SeqCst), 1);
}

#[test]
fn nobody_is_there_and_nobody_asks_again_for_a_while() {
    let at = fixture();
    let asker = Asker::new(&at.path);
    let second = Deadline::after_ms(1000);
    let error = asker.status(long()).expect_err("nobody");
    assert!(matches!(error, AskError::NotThere { resting: false, .. }), "{error}");
    let error = asker.status(long()).expect_err("nobody");
    let AskError::NotThere { resting, .. } = error else { panic!("{error}") };
    // A machine that stood still for the whole rest proves nothing.
    assert!(resting || second.passed());
    serve(&at.path, answer_all);
    let come = long();
    while asker.status(long()).is_err() {
        assert!(!come.passed(), "found again after the rest");
        thread::sleep(Duration::from_millis(20));
    }
}

#[test]
fn a_socket_that_nobody_listens_at() {
    let at = fixture();
    drop(UnixListener::bind(&at.path).expect("binds"));
    let error = Asker::new(&at.path).status(long()).expect_err("nobody");
    assert!(matches!(error, AskError::NotThere { resting: false, .. }), "{error}");
}

#[test]
fn paths_that_no_socket_has() {
    for path in ["", "a\0b", &"x".repeat(200)] {
        let error = Asker::new(path).status(long()).expect_err("refused");
        assert!(matches!(error, AskError::Refused { .. }), "{error}");
    }
}

#[test]
fn the_deadline_ends_it() {
    let at = fixture();
    let connections = serve(&at.path, |n, mut stream| {
        // The first is never answered; the rest are.
        if n == 0 {
            thread::spawn(move || while stream.read(&mut [0; 64]).is_ok_and(|n| n > 0) {});
        } else {
            answer_all(n, stream);
        }
    });
    let asker = Asker::new(&at.path);
    let error = asker.status(Deadline::after_ms(50)).expect_err("late");
    assert!(matches!(error, AskError::TimedOut { waited_ms: 50.. }), "{error}");
    // The next asks on another connection: the late answer would be taken for its own.
    asker.status(long()).expect("answered");
    assert_eq!(connections.load(SeqCst), 2);
    // Also where a connection is at hand.
    let error = asker.ask(Ask::Status, Deadline::after_ms(0)).map(drop).expect_err("no time");
    assert!(matches!(error, AskError::TimedOut { .. }), "{error}");
}

#[test]
fn a_question_that_is_never_read() {
    let at = fixture();
    let (held, _open) = mpsc::channel();
    serve(&at.path, move |_, stream| held.send(stream).expect("kept open"));
    let asker = Asker::new(&at.path);
    // Larger than a socket's buffers.
    let facts = fsx_wire::message::WireFacts {
        called: "1".repeat(frame::MAX_FRAME - 1000),
        ..Default::default()
    };
    let error = asker.decide(facts, "", Deadline::after_ms(50)).expect_err("late");
    assert!(matches!(error, AskError::TimedOut { waited_ms: 50.. }), "{error}");
}

#[test]
fn a_full_queue_of_connections() {
    let at = fixture();
    let listener = UnixListener::bind(&at.path).expect("binds");
    // SAFETY: a listening socket that we own; listen(2) again only shortens its queue.
    assert_eq!(unsafe { libc::listen(listener.as_raw_fd(), 0) }, 0);
    let _queued = UnixStream::connect(&at.path).expect("the one that fits");
    let error = Asker::new(&at.path).status(Deadline::after_ms(50)).expect_err("late");
    assert!(matches!(error, AskError::TimedOut { waited_ms: 50.. }), "{error}");
}

#[test]
fn a_question_too_long() {
    let at = fixture();
    let asker = Asker::new(&at.path);
    let facts =
        fsx_wire::message::WireFacts { called: "1".repeat(frame::MAX_FRAME), ..Default::default() };
    let error = asker.decide(facts, "", long()).expect_err("refused");
    assert!(matches!(error, AskError::TooLong(_)), "{error}");
}

#[test]
fn babble() {
    let json = |text: &str| frame::encode(text.as_bytes()).expect("short");
    let mut two = status(1, 1);
    two.extend(status(1, 1));
    let mut half = status(1, 1);
    half.truncate(100);
    let deep =
        format!(r#"{{"id":1,"outcome":"recorded","x":{}{}}}"#, "[".repeat(5000), "]".repeat(5000));
    type Right = fn(&AskError) -> bool;
    let cases: [(&str, Vec<u8>, Right); 8] = [
        ("HTTP", b"HTTP/1.1 400 Bad Request\r\n\r\n".to_vec(), |e| {
            matches!(e, AskError::TooLong(_))
        }),
        ("not JSON", json("hello"), |e| matches!(e, AskError::Garbled { .. })),
        ("not UTF-8", frame::encode(b"\xff").expect("short"), |e| {
            matches!(e, AskError::Garbled { .. })
        }),
        ("another id", status(99, 1), |e| matches!(e, AskError::Garbled { .. })),
        ("another kind", json(r#"{"id":1,"outcome":"recorded"}"#), |e| {
            matches!(e, AskError::Garbled { .. })
        }),
        ("twice", two, |e| matches!(e, AskError::Garbled { .. })),
        ("half", half, |e| matches!(e, AskError::Garbled { .. })),
        ("deep", json(&deep), |e| matches!(e, AskError::Garbled { why } if why.contains("nested"))),
    ];
    for (name, bytes, right) in cases {
        let at = fixture();
        serve(&at.path, move |_, mut stream| {
            read_request(&mut stream);
            let _ = stream.write_all(&bytes);
        });
        let error = Asker::new(&at.path).status(long()).expect_err(name);
        assert!(right(&error), "{name}: {error}");
    }
}

#[test]
fn a_door_that_closes_at_once() {
    let at = fixture();
    let connections = serve(&at.path, |_, stream| drop(stream));
    let error = Asker::new(&at.path).status(long()).expect_err("refused");
    assert!(matches!(error, AskError::Refused { .. }), "{error}");
    assert_eq!(connections.load(SeqCst), 1, "a fresh connection is not tried twice");
}

#[test]
fn the_daemon_says_no() {
    let at = fixture();
    let connections = serve(&at.path, |_, mut stream| {
        while let Some(request) = read_request(&mut stream) {
            assert!(matches!(request.ask, Ask::Status) && request.deadline_ms > 10_000);
            let outcome = Outcome::Failed { reason: "busy".to_owned(), retry: true };
            let reply = serde_json::to_vec(&Reply { id: request.id, outcome }).expect("JSON");
            stream.write_all(&frame::encode(&reply).expect("short")).expect("writes");
        }
    });
    let asker = Asker::new(&at.path);
    for _ in 0..3 {
        let error = asker.status(long()).expect_err("no");
        assert!(
            matches!(&error, AskError::DaemonSaid { reason, retry: true } if reason == "busy"),
            "{error}"
        );
    }
    assert_eq!(connections.load(SeqCst), 1, "the connection is good all the same");
}

#[test]
fn a_daemon_that_was_restarted() {
    let at = fixture();
    // Hangs up after each answer, as an old daemon that goes.
    let connections = serve(&at.path, |_, mut stream| {
        let request = read_request(&mut stream).expect("a request");
        stream.write_all(&status(request.id, request.id)).expect("writes");
    });
    let asker = Asker::new(&at.path);
    for want in 1..=5 {
        assert_eq!(asker.status(long()).expect("answered").generation, want);
    }
    assert_eq!(connections.load(SeqCst), 5);
}

#[test]
fn a_kept_connection_closed_over_the_question() {
    let at = fixture();
    let connections = serve(&at.path, |n, mut stream| {
        let request = read_request(&mut stream).expect("a request");
        stream.write_all(&status(request.id, request.id)).expect("writes");
        if n == 0 {
            // Still open when the second question is sent, and closed over it.
            read_request(&mut stream);
        } else {
            answer_all(n, stream);
        }
    });
    let asker = Asker::new(&at.path);
    asker.status(long()).expect("answered");
    asker.status(long()).expect("asked again on another connection");
    assert_eq!(connections.load(SeqCst), 2);
}

#[test]
fn idle_connections_are_few() {
    let at = fixture();
    let listener = UnixListener::bind(&at.path).expect("binds");
    let asker = Asker::new(&at.path);
    let streams: Vec<UnixStream> = thread::scope(|scope| {
        let askers: Vec<_> = (0..20).map(|_| scope.spawn(|| asker.status(long()))).collect();
        // All twenty are under way before any is answered.
        let mut streams: Vec<_> = (0..20).map(|_| listener.accept().expect("accepts").0).collect();
        for stream in &mut streams {
            let request = read_request(stream).expect("a request");
            stream.write_all(&status(request.id, 0)).expect("writes");
        }
        askers.into_iter().for_each(|a| {
            a.join().expect("ends").expect("answered");
        });
        streams
    });
    let open = streams
        .into_iter()
        .filter_map(|mut stream| {
            stream.set_nonblocking(true).expect("sets");
            stream.read(&mut [0]).err() // An error means that it is open and silent.
        })
        .count();
    assert_eq!(open, 8);
}
