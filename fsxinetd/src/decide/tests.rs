//! The socket as a module meets it, and as an enemy does.

use std::time::Duration;

use fsx_wire::message::{
    Ask, Destination, Outcome, PROTOCOL, Reply, Request, SipRequest, Verdict, WireFacts,
};
use tokio::io::AsyncWriteExt as _;
use tokio::time::timeout;

use super::*;
use crate::policy::Engine;
use crate::published::PublishedHandle;
use crate::{cdr, shutdown};

const LONG: Duration = Duration::from_secs(10);

const SCRIPT: &str = "
function decide(call)
    session:setVariable('seen', call.number)
    if call.number == '1' then return {reject = 21, reason = 'no'} end
end
function slow() fsx.sleep(400) end
function broken() error('boom') end
function stuck() fsx.block(4000) end
function blocked() fsx.block(300) end
function count() session:setVariable('count', tostring(fsx.kv.add('count', 1))) end
function destination(call)
    if not call.vars.sip_ruri:find('acme') then return {reject = 1, reason = 'whose?'} end
    session:setVariable('dst_org', '37')
    session:setVariable('dst_ruri', 'sip:' .. call.number .. '@pbx1')
    session:setVariable('dst_environment', 'RT')
    session:setVariable('dst_info_header', 'X-From: ' .. call.vars.sip_source_ip .. ' ' .. call.caller)
end
";

struct Rig {
    socket: PathBuf,
    stopper: shutdown::Stopper,
    dir: tempfile::TempDir,
}

async fn rig(change: impl FnOnce(&mut config::Decide)) -> Rig {
    let dir = tempfile::tempdir().expect("a folder");
    let bundle = dir.path().join("policies/default");
    std::fs::create_dir_all(&bundle).expect("a folder");
    let manifest = "version = \"9\"\n[route]\ndefault = \"x.lua:decide\"\nslow = \"x.lua:slow\"\n\
                    broken = \"x.lua:broken\"\nstuck = \"x.lua:stuck\"\n\
                    blocked = \"x.lua:blocked\"\ncount = \"x.lua:count\"\n\
                    \"Destination::check\" = \"x.lua:destination\"\n";
    std::fs::write(bundle.join("manifest.toml"), manifest).expect("written");
    std::fs::write(bundle.join("x.lua"), SCRIPT).expect("written");
    let policy = config::Policy {
        dir: dir.path().join("policies"),
        route_budget_ms: 2_000,
        ..config::Policy::default()
    };
    let records = config::Cdr { store: dir.path().join("cdr.sqlite"), ..config::Cdr::default() };
    let published = PublishedHandle::new();
    let engine = Engine::start(&policy, published.clone()).expect("threads");
    let watched = engine.clone();
    tokio::spawn(async move { watched.supervise().await });
    let (records, writer) = cdr::Intake::open(&records).await.expect("a store");
    tokio::spawn(writer.run());
    let socket = dir.path().join("run/decide.sock");
    let mut decide = config::Decide { socket: socket.clone(), ..config::Decide::default() };
    change(&mut decide);
    let listener = bind(&decide).expect("a socket");
    let (stopper, shutdown) = shutdown::pair();
    let xml =
        crate::xml::Room::open(&config::Xml::default(), engine.clone()).await.expect("a room");
    let quiet = crate::net::Quiet::default();
    let after = crate::policy::after::After::default();
    let rooms = Rooms { engine, published, records, xml, after, quiet };
    tokio::spawn(serve(listener, decide, rooms, shutdown));
    Rig { socket, stopper, dir }
}

struct Peer {
    stream: UnixStream,
    buffer: Vec<u8>,
}

impl Peer {
    async fn new(rig: &Rig) -> Self {
        let stream = UnixStream::connect(&rig.socket).await.expect("connected");
        Self { stream, buffer: Vec::new() }
    }

    async fn ask(&mut self, id: u64, deadline_ms: u32, ask: Ask) {
        let request = Request { v: PROTOCOL, id, deadline_ms, ask };
        self.send(&serde_json::to_vec(&request).expect("json")).await;
    }

    async fn send(&mut self, body: &[u8]) {
        let bytes = frame::encode(body).expect("short");
        self.stream.write_all(&bytes).await.expect("sent");
    }

    async fn hear(&mut self) -> Option<Reply> {
        loop {
            if let Some((body, taken)) = frame::decode(&self.buffer).expect("a frame") {
                let reply = serde_json::from_slice(body).expect("a reply");
                self.buffer.drain(..taken);
                return Some(reply);
            }
            let read = self.stream.read_buf(&mut self.buffer);
            if timeout(LONG, read).await.expect("in time").unwrap_or(0) == 0 {
                return None;
            }
        }
    }
}

fn decide(number: &str, task: &str) -> Ask {
    let facts = WireFacts { called: number.to_owned(), org: 37, ..WireFacts::default() };
    Ask::Decide { facts: Box::new(facts), task: task.to_owned() }
}

#[tokio::test]
async fn requests_in_flight_are_answered_as_they_are_done() {
    let rig = rig(|_| {}).await;
    let mut peer = Peer::new(&rig).await;
    peer.ask(1, 5_000, decide("1", "slow")).await;
    peer.ask(2, 5_000, decide("1", "")).await;
    peer.ask(3, 5_000, decide("2", "")).await;
    peer.ask(4, 5_000, decide("2", "broken")).await;
    peer.ask(5, 5_000, decide("2", "gone")).await;
    peer.ask(6, 5_000, decide("999", "")).await;
    peer.ask(7, 5_000, Ask::Status).await;
    let mut replies = Vec::new();
    for _ in 0..7 {
        replies.push(peer.hear().await.expect("a reply"));
    }
    assert_eq!(replies.last().map(|r| r.id), Some(1), "the slow one is last");
    replies.sort_by_key(|reply| reply.id);
    let decided = |n: usize| match &replies[n].outcome {
        Outcome::Decided(decision) => decision,
        other => panic!("{other:?}"),
    };
    assert!(matches!(&decided(1).verdict, Verdict::Reject { cause: 21, reason } if reason == "no"));
    assert_eq!(decided(1).policy_version, "default@9");
    assert!(matches!(decided(2).verdict, Verdict::Keep));
    assert_eq!(decided(2).vars["seen"], "2");
    for (n, why) in
        [(3, "default/x.lua:7: boom"), (4, "no policy for the route phase is called \"gone\"")]
    {
        assert!(
            matches!(&replies[n].outcome, Outcome::Failed { reason, retry: false } if reason == why),
            "{:?}",
            replies[n]
        );
    }
    // An emergency call is nobody's to decide: the policy was not asked.
    assert!(matches!(decided(5).verdict, Verdict::Keep) && decided(5).vars.is_empty());
    assert!(matches!(&replies[6].outcome, Outcome::Status(s) if s.generation == 0));
}

#[tokio::test]
async fn a_thread_that_never_comes_back_lets_its_peers_go() {
    let rig = rig(|_| {}).await;
    let started = Instant::now();
    let mut peers = Vec::new();
    for _ in 0..4 {
        let mut peer = Peer::new(&rig).await;
        // Served, and so on its thread, before the next comes.
        peer.ask(1, 5_000, Ask::Status).await;
        assert!(peer.hear().await.is_some());
        peers.push(peer);
    }
    peers[0].ask(2, 300, decide("1", "stuck")).await;
    // It blocks for four seconds. By then the peers of its thread are long somewhere else.
    assert!(peers[0].hear().await.is_none());
    assert!(started.elapsed() < Duration::from_millis(3_500), "{:?}", started.elapsed());
    let mut gone = 0;
    for peer in &mut peers[1..] {
        // Those that were on it find their connection closed, and come again.
        let mut bytes = [0];
        if let Ok(closed) = timeout(Duration::from_millis(50), peer.stream.read(&mut bytes)).await {
            assert_eq!(closed.expect("closed"), 0);
            gone += 1;
            *peer = Peer::new(&rig).await;
        }
        peer.ask(3, 5_000, decide("2", "")).await;
        assert!(peer.hear().await.is_some());
    }
    assert_eq!(gone, 1, "of four peers two threads have two each");
    assert!(started.elapsed() < Duration::from_millis(3_900), "{:?}", started.elapsed());
}

/// Two peers of one thread: of two threads, the third peer comes to the first's.
async fn neighbours(rig: &Rig) -> (Peer, Peer) {
    let mut peers = Vec::new();
    for _ in 0..3 {
        let mut peer = Peer::new(rig).await;
        peer.ask(1, 5_000, Ask::Status).await;
        assert!(peer.hear().await.is_some());
        peers.push(peer);
    }
    let third = peers.pop().expect("three");
    (peers.swap_remove(0), third)
}

#[tokio::test]
async fn questions_of_peers_that_have_gone_are_not_worked_on() {
    let rig = rig(|_| {}).await;
    let (mut first, second) = neighbours(&rig).await;
    first.ask(2, 5_000, decide("1", "count")).await;
    assert!(first.hear().await.is_some());
    first.ask(3, 5_000, decide("1", "blocked")).await;
    tokio::time::sleep(Duration::from_millis(50)).await;
    // Its thread is held. It asks, does not wait for long, and has gone when it is read.
    let mut second = second;
    second.ask(4, 5_000, decide("1", "count")).await;
    drop(second);
    assert!(first.hear().await.is_some());
    first.ask(5, 5_000, decide("1", "count")).await;
    let reply = first.hear().await.expect("a reply");
    match reply.outcome {
        Outcome::Decided(decision) => assert_eq!(decision.vars["count"], "2"),
        other => panic!("{other:?}"),
    }
}

#[tokio::test]
async fn what_is_too_late_is_not_answered() {
    let rig = rig(|_| {}).await;
    let mut peer = Peer::new(&rig).await;
    peer.ask(1, 50, decide("1", "slow")).await;
    peer.ask(2, 0, decide("1", "")).await;
    tokio::time::sleep(Duration::from_millis(100)).await;
    peer.ask(3, 5_000, Ask::Status).await;
    let reply = peer.hear().await.expect("a reply");
    // The first may have been told in its last millisecond that its policy was stopped.
    let reply = if reply.id == 1 { peer.hear().await.expect("a reply") } else { reply };
    assert_eq!(reply.id, 3);
}

#[tokio::test]
async fn a_record_is_on_disk_when_it_is_acknowledged() {
    let rig = rig(|_| {}).await;
    let record: fsx_wire::record::CallRecord = serde_json::from_value(serde_json::json!({
        "id": "r1", "switch": "opensips", "host": "h", "facts": {}, "generation": 0,
        "decided_by": "local", "decision": "reject", "attempts": [], "started_ms": 1,
        "ended_ms": 2, "cause": 21, "cause_name": "CALL_REJECTED"
    }))
    .expect("a record");
    let mut peer = Peer::new(&rig).await;
    for id in [1, 2] {
        peer.ask(id, 5_000, Ask::Record { record: Box::new(record.clone()) }).await;
        let reply = peer.hear().await.expect("a reply");
        assert!(matches!(reply.outcome, Outcome::Recorded), "{reply:?}");
        let path = rig.dir.path().join("cdr.sqlite");
        let stored = cdr::list::records(&path, Default::default()).await.expect("a store");
        assert_eq!(stored.len(), 1);
    }
}

#[tokio::test]
async fn strangers_and_nonsense() {
    let rig = rig(|_| {}).await;
    let mut peer = Peer::new(&rig).await;
    let reason = async |peer: &mut Peer| match peer.hear().await.expect("a reply").outcome {
        Outcome::Failed { reason, retry: false } => reason,
        other => panic!("{other:?}"),
    };
    peer.send(br#"{"v": 9, "id": 4, "deadline_ms": 100, "kind": "status"}"#).await;
    let versions = peer.hear().await.expect("a reply");
    assert_eq!(versions.id, 4);
    assert!(
        matches!(versions.outcome, Outcome::Versions { lowest: 1, highest: PROTOCOL }),
        "{versions:?}"
    );
    // Also when its question is not understood.
    peer.send(br#"{"v": 9, "id": 8, "kind": "dance"}"#).await;
    assert!(matches!(peer.hear().await.expect("a reply").outcome, Outcome::Versions { .. }));
    peer.send(br#"{"v": 1, "id": 5, "deadline_ms": 100, "kind": "dance"}"#).await;
    assert!(reason(&mut peer).await.contains("dance"));
    peer.ask(6, 5_000, Ask::Status).await;
    assert_eq!(peer.hear().await.map(|r| r.id), Some(6));
    // What is no request at all is told so, and closed: whoever wrote it does not speak this.
    for nonsense in [&b"not json"[..], b"{}", b"[1, 2]", b"", b"\xff\xfe"] {
        let mut peer = Peer::new(&rig).await;
        peer.send(nonsense).await;
        let reply = peer.hear().await.expect("a reply");
        assert_eq!(reply.id, 0, "{nonsense:?}");
        assert!(matches!(&reply.outcome, Outcome::Failed { retry: false, .. }), "{reply:?}");
        assert!(peer.hear().await.is_none(), "{nonsense:?}");
    }
    // Another protocol, or a length from hell.
    let mut peer = Peer::new(&rig).await;
    peer.stream.write_all(b"GET / HTTP/1.1\r\n\r\n").await.expect("sent");
    assert!(reason(&mut peer).await.contains("expected at most 1048576"));
    assert!(peer.hear().await.is_none());
    // Half a message and no more.
    let mut peer = Peer::new(&rig).await;
    peer.stream.write_all(b"\0\0\0\x09{\"v").await.expect("sent");
    peer.stream.shutdown().await.expect("shut down");
    assert!(peer.hear().await.is_none());
}

#[tokio::test]
async fn a_message_that_never_ends_holds_no_place() {
    let rig = rig(|config| config.max_connections = 1).await;
    let mut slow = Peer::new(&rig).await;
    slow.stream.write_all(b"\0\0\0\x09{").await.expect("sent");
    let started = Instant::now();
    let reply = slow.hear().await.expect("a reply");
    assert!(
        matches!(&reply.outcome, Outcome::Failed { reason, .. } if reason.contains("not whole")),
        "{reply:?}"
    );
    assert!(slow.hear().await.is_none());
    assert!(started.elapsed() >= MESSAGE_WITHIN, "{:?}", started.elapsed());
    let mut next = Peer::new(&rig).await;
    next.ask(1, 5_000, Ask::Status).await;
    assert!(next.hear().await.is_some());
}

#[tokio::test]
async fn where_a_request_belongs() {
    let rig = rig(|_| {}).await;
    let mut peer = Peer::new(&rig).await;
    let request = |ruri: &str| Ask::Destination {
        request: Box::new(SipRequest {
            call_id: "c1".to_owned(),
            method: "INVITE".to_owned(),
            ruri: ruri.to_owned(),
            from: "sip:442079460000@a.example".to_owned(),
            source_ip: "192.0.2.7".to_owned(),
            ..SipRequest::default()
        }),
    };
    peer.ask(1, 5_000, request("sip:1001@acme.example")).await;
    let expected = Destination {
        org: 37,
        ruri: "sip:1001@pbx1".to_owned(),
        environment: "RT".to_owned(),
        info_header: "X-From: 192.0.2.7 442079460000".to_owned(),
        policy_version: "default@9".to_owned(),
        ..Destination::default()
    };
    match peer.hear().await.expect("a reply").outcome {
        Outcome::Destination(found) => assert_eq!(found, expected),
        other => panic!("{other:?}"),
    }
    peer.ask(2, 5_000, request("sip:1001@nobody.example")).await;
    match peer.hear().await.expect("a reply").outcome {
        Outcome::Destination(Destination { org: 0, cause: 1, reason, .. }) => {
            assert_eq!(reason, "whose?");
        }
        other => panic!("{other:?}"),
    }
}

#[tokio::test]
async fn a_peer_that_does_not_read_is_closed_and_harms_nobody() {
    let rig = rig(|config| {
        (config.max_in_flight, config.write_timeout_ms) = (4, 300);
    })
    .await;
    let mut deaf = Peer::new(&rig).await;
    let request = Request { v: PROTOCOL, id: 1, deadline_ms: 5_000, ask: Ask::Status };
    let bytes = frame::encode(&serde_json::to_vec(&request).expect("json")).expect("short");
    // It asks for ever and never reads; the write fails once it has been closed.
    let asking = async { while deaf.stream.write_all(&bytes).await.is_ok() {} };
    timeout(LONG, asking).await.expect("closed in time");
    let mut peer = Peer::new(&rig).await;
    peer.ask(1, 5_000, Ask::Status).await;
    assert!(peer.hear().await.is_some());
}

#[tokio::test]
async fn connections_are_bounded_and_the_drain_answers_what_was_asked() {
    let rig = rig(|config| config.max_connections = 1).await;
    let mut first = Peer::new(&rig).await;
    first.ask(1, 5_000, Ask::Status).await;
    assert!(first.hear().await.is_some());
    let mut second = Peer::new(&rig).await;
    assert!(second.hear().await.is_none());
    first.ask(2, 5_000, decide("1", "slow")).await;
    // The request must have been read before the drain begins.
    tokio::time::sleep(Duration::from_millis(100)).await;
    let (drained, reply) = tokio::join!(rig.stopper.drain(LONG), first.hear());
    assert!(drained);
    assert_eq!(reply.map(|r| r.id), Some(2));
    assert!(first.hear().await.is_none());
}

#[tokio::test]
async fn the_path_is_taken_from_the_dead_and_not_from_the_living() {
    let dir = tempfile::tempdir().expect("a folder");
    let config = config::Decide { socket: dir.path().join("s"), ..config::Decide::default() };
    drop(std::os::unix::net::UnixListener::bind(&config.socket).expect("a socket"));
    let living = bind(&config).expect("the dead one's place");
    let mode = std::fs::metadata(&config.socket).expect("there").permissions().mode();
    assert_eq!(mode & 0o777, 0o660);
    let refused = bind(&config).expect_err("somebody answers");
    assert!(refused.ends_with("cannot listen: another fsxinetd answers there"), "{refused}");
    drop(living);
    assert!(!config.socket.exists());
    std::fs::write(&config.socket, "a file").expect("written");
    assert!(bind(&config).is_err());
    assert_eq!(std::fs::read_to_string(&config.socket).expect("untouched"), "a file");
}
