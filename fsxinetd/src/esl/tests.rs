//! We play FreeSWITCH: well, badly, slowly, and not at all.

use std::net::SocketAddr;
use std::time::{Duration, Instant};

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio::time::timeout;

use super::*;
use crate::shutdown::{self, Stopper};

/// Longer than anything here may take.
pub(super) const LONG: Duration = Duration::from_secs(10);

const SCRIPT: &str = "
function keep(session) session:setVariable('seen', session:getVariable('rmUserID')) end
function busy() while true do end end
function slow() fsx.sleep(60000) end
function reject() return {reject = 21, reason = 'no'} end
function bridge(session, call)
    session:answer()
    session:execute('bridge', 'user/' .. call.number)
end
function broken() error('boom') end
";

const MANIFEST: &str = "version = \"1\"
[call]
keep = \"x.lua:keep\"
busy = \"x.lua:busy\"
slow = \"x.lua:slow\"
reject = \"x.lua:reject\"
\"Outbound::route\" = \"x.lua:bridge\"
broken = \"x.lua:broken\"
";

pub(super) struct Rig {
    pub(super) address: SocketAddr,
    pub(super) stopper: Stopper,
    _dir: tempfile::TempDir,
}

async fn rig(change: impl FnOnce(&mut config::Esl)) -> Rig {
    rig_of(SCRIPT, MANIFEST, change, |_| {}).await
}

pub(super) async fn rig_of(
    script: &str,
    manifest: &str,
    change: impl FnOnce(&mut config::Esl),
    change_policy: impl FnOnce(&mut config::Policy),
) -> Rig {
    rig_with("default", manifest, &[("x.lua", script)], change, change_policy).await
}

/// A daemon with one bundle.
pub(super) async fn rig_with(
    name: &str,
    manifest: &str,
    files: &[(&str, &str)],
    change: impl FnOnce(&mut config::Esl),
    change_policy: impl FnOnce(&mut config::Policy),
) -> Rig {
    let dir = tempfile::tempdir().expect("a folder");
    let bundle = dir.path().join(name);
    std::fs::create_dir(&bundle).expect("a folder");
    std::fs::write(bundle.join("manifest.toml"), manifest).expect("written");
    for (file, text) in files {
        std::fs::write(bundle.join(file), text).expect("written");
    }
    let mut policy = config::Policy {
        dir: dir.path().to_owned(),
        call_budget_ms: 3_000,
        cpu_budget_ms: 200,
        ..config::Policy::default()
    };
    let mut esl = config::Esl { listen: ([127, 0, 0, 1], 0).into(), ..config::Esl::default() };
    change(&mut esl);
    change_policy(&mut policy);
    let published = PublishedHandle::new();
    let engine = policy::Engine::start(&policy, published.clone()).expect("threads");
    let listener = bind(esl.listen).await.expect("a port");
    let address = listener.local_addr().expect("an address");
    let (stopper, shutdown) = shutdown::pair();
    let (site, quiet) = (config::Site::default(), Quiet::default());
    let after = policy::after::After::default();
    let rooms = Rooms { engine, published, site, after, quiet };
    tokio::spawn(serve(listener, esl, rooms, shutdown));
    Rig { address, stopper, _dir: dir }
}

/// What FreeSWITCH answers to `connect`.
pub(super) fn reply(task: &str, more: &str) -> String {
    format!(
        "Event-Name: CHANNEL_DATA\nUnique-ID: 2a1c6d1e\nCaller-Destination-Number: 1001\n\
         variable_rmSocketTask: {}\nvariable_rmOrgID: 37\nvariable_rmUserID: 5%20%26\n{more}\
         Content-Type: command/reply\nReply-Text: %2BOK%0A\nSocket-Mode: static\n\
         Control: full\n\n",
        task.replace(':', "%3A")
    )
}

/// Connects and reads `connect`.
pub(super) async fn call(address: SocketAddr) -> TcpStream {
    let mut stream = TcpStream::connect(address).await.expect("connected");
    let mut hello = [0; 9];
    timeout(LONG, stream.read_exact(&mut hello)).await.expect("in time").expect("bytes");
    assert_eq!(&hello, b"connect\n\n");
    stream
}

/// Everything that comes until the other side is done, but for the policy's version.
async fn rest(stream: &mut TcpStream) -> String {
    raw(stream).await.replace(MARK, "")
}

async fn raw(stream: &mut TcpStream) -> String {
    let mut all = Vec::new();
    timeout(LONG, stream.read_to_end(&mut all)).await.expect("in time").expect("bytes");
    String::from_utf8(all).expect("text")
}

/// What notes the policy's version on the call.
const MARK: &str = "sendmsg\ncall-command: execute\nexecute-app-name: set\n\
    content-type: text/plain\ncontent-length: 28\n\nfsx_policy_version=default@1";

#[tokio::test]
async fn the_call_says_which_policy_had_it() {
    let rig = rig(|_| {}).await;
    for (task, marked) in
        [("keep", true), ("Outbound::route", true), ("reject", true), ("unknown", false)]
    {
        let mut stream = call(rig.address).await;
        stream.write_all(reply(task, "").as_bytes()).await.expect("sent");
        let said = raw(&mut stream).await;
        assert_eq!(said.starts_with(MARK), marked, "{task}: {said}");
        assert_eq!(said.matches("fsx_policy_version").count(), usize::from(marked), "{task}");
    }
}

async fn asked(address: SocketAddr, task: &str, more: &str) -> String {
    let mut stream = call(address).await;
    stream.write_all(reply(task, more).as_bytes()).await.expect("sent");
    rest(&mut stream).await
}

const KEPT: &str = "sendmsg\ncall-command: execute\nexecute-app-name: set\n\
    content-type: text/plain\ncontent-length: 8\n\nseen=5 &exit\n\n";

#[tokio::test]
async fn tasks_are_answered() {
    let rig = rig(|_| {}).await;
    for (task, answer) in [
        ("keep", KEPT),
        (
            "Outbound::route",
            "sendmsg\ncall-command: xferext\napplication: answer\n\
             application: bridge user/1001\n\nexit\n\n",
        ),
        ("reject", "sendmsg\ncall-command: xferext\napplication: hangup 21\n\nexit\n\n"),
        // Faults of every kind let the dialplan go on.
        ("broken", "exit\n\n"),
        ("busy", "exit\n\n"),
        ("No::such", "exit\n\n"),
        ("", "exit\n\n"),
        (
            "Available::test",
            "sendmsg\ncall-command: execute\nexecute-app-name: set\ncontent-type: text/plain\n\
             content-length: 22\n\nrmSocketAvailable=trueexit\n\n",
        ),
    ] {
        assert_eq!(asked(rig.address, task, "").await, answer, "{task}");
    }
    // Nor is a policy asked about an emergency call, or for an organisation it cannot make out.
    assert_eq!(
        asked(rig.address, "reject", "variable_rmEmergencyNumber: true\n").await,
        "exit\n\n"
    );
    assert_eq!(asked(rig.address, "reject", "variable_rmDialledNumber: 999\n").await, "exit\n\n");
    let garbled = reply("reject", "").replace("rmOrgID: 37", "rmOrgID: acme");
    let mut stream = call(rig.address).await;
    stream.write_all(garbled.as_bytes()).await.expect("sent");
    assert_eq!(rest(&mut stream).await, "exit\n\n");
}

#[tokio::test]
async fn a_reply_split_at_every_byte() {
    let rig = rig(|config| config.max_calls_per_s = 100_000).await;
    let text = reply("keep", "");
    for cut in 1..text.len() {
        let mut stream = call(rig.address).await;
        stream.set_nodelay(true).expect("set");
        let (head, tail) = text.as_bytes().split_at(cut);
        stream.write_all(head).await.expect("sent");
        tokio::task::yield_now().await;
        stream.write_all(tail).await.expect("sent");
        assert_eq!(rest(&mut stream).await, KEPT, "cut at {cut}");
    }
    let mut stream = call(rig.address).await;
    for byte in text.as_bytes() {
        stream.write_all(&[*byte]).await.expect("sent");
    }
    assert_eq!(rest(&mut stream).await, KEPT);
}

#[tokio::test]
async fn peers_that_go_early_leave_nothing_behind() {
    let rig = rig(|config| config.close_timeout_ms = 200).await;
    let text = reply("slow", "");
    for upto in [0, 10, text.len() / 2, text.len()] {
        let mut stream = call(rig.address).await;
        stream.write_all(&text.as_bytes()[..upto]).await.expect("sent");
        drop(stream);
    }
    let mut hung_up = call(rig.address).await;
    let notice = "Content-Type: text/disconnect-notice\nContent-Length: 3\n\nBye";
    hung_up.write_all(format!("{text}{notice}").as_bytes()).await.expect("sent");
    assert_eq!(rest(&mut hung_up).await, "");
    // The drain waits for every conversation: `slow` would hold it for its whole budget of 3 s.
    let started = Instant::now();
    assert!(rig.stopper.drain(LONG).await);
    assert!(started.elapsed() < Duration::from_millis(2_500), "{:?}", started.elapsed());
}

#[tokio::test]
async fn silent_slow_and_foreign_peers_are_closed() {
    let rig = rig(|config| {
        (config.connect_timeout_ms, config.max_header_bytes) = (300, 2_000);
    })
    .await;
    let started = Instant::now();
    let mut silent = call(rig.address).await;
    assert_eq!(rest(&mut silent).await, "");
    assert!(started.elapsed() >= Duration::from_millis(300));

    // A byte now and then does not buy more time.
    let started = Instant::now();
    let mut slow = call(rig.address).await;
    while slow.write_all(b"a").await.is_ok() {
        tokio::time::sleep(Duration::from_millis(20)).await;
        assert!(started.elapsed() < LONG, "never closed");
    }
    for foreign in [
        "GET / HTTP/1.1\r\nHost: x\r\n\r\n\n\n",
        &"a".repeat(5_000),
        "Content-Length: 999999999\n\n",
    ] {
        let mut stream = call(rig.address).await;
        stream.write_all(foreign.as_bytes()).await.expect("sent");
        let mut all = Vec::new();
        // The close may be a reset: there was more to read.
        let _ = timeout(LONG, stream.read_to_end(&mut all)).await.expect("in time");
        assert!(all.is_empty(), "{foreign}");
    }
    assert_eq!(asked(rig.address, "keep", "").await, KEPT);
}

#[tokio::test]
async fn a_peer_that_does_not_close_is_closed() {
    let rig = rig(|config| config.close_timeout_ms = 300).await;
    let mut stream = call(rig.address).await;
    stream.write_all(reply("keep", "").as_bytes()).await.expect("sent");
    // Our side has ended the conversation; the peer stays, half open.
    assert_eq!(rest(&mut stream).await, KEPT);
    let started = Instant::now();
    assert!(rig.stopper.drain(LONG).await);
    assert!(started.elapsed() < Duration::from_secs(3), "{:?}", started.elapsed());
}

#[tokio::test]
async fn past_the_limits_only_probes_are_answered() {
    let rig = rig(|config| config.max_calls = 1).await;
    let mut first = call(rig.address).await;
    first.write_all(reply("slow", "").as_bytes()).await.expect("sent");
    let started = Instant::now();
    assert_eq!(asked(rig.address, "keep", "").await, "exit\n\n");
    assert!(asked(rig.address, "Available::test", "").await.contains("rmSocketAvailable=true"));
    assert!(started.elapsed() < Duration::from_secs(2), "{:?}", started.elapsed());
    drop(first);
    // The place is free again as soon as the first is gone.
    while asked(rig.address, "keep", "").await != KEPT {
        assert!(started.elapsed() < LONG, "never free");
    }
}

#[tokio::test]
async fn addresses_off_the_list_hear_nothing() {
    let rig = rig(|config| config.allow = vec!["10.0.0.0/8".to_owned()]).await;
    let mut stream = TcpStream::connect(rig.address).await.expect("connected");
    assert_eq!(rest(&mut stream).await, "");
}
