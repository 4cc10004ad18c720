//! One conversation, cut at every byte of what the switch says and in every way that connections
//! are cut. Whatever happens, the conversation ends, its place is free again and nothing of it is
//! left.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::{Duration, Instant};

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio::sync::Semaphore;
use tokio::time::timeout;

use super::talk_tests::Switch;
use super::tests::{LONG, Rig, rig_of};

const SCRIPT: &str = "session:setHangupHook(function() end)
     session:setVariable('a', '1')
     session:answer()
     session:read(1, 1, 'x.wav', 100, '#')
     local api = freeswitch.API()
     api:executeString('create_uuid')
     session:execute('bridge', 'user/1')
     session:setVariable('b', '2')";

const MANIFEST: &str = "version = \"1\"\n[call]\nt = \"x.lua\"\n";

/// Conversations at a time. The daemon lets one more in: a place that is not given back is missed.
const AT_ONCE: u32 = 50;

/// How a connection ends.
#[derive(Clone, Copy, Debug)]
enum Fault {
    /// In order.
    Closed,
    /// With a reset.
    Reset,
    /// The switch is done, but listens.
    HalfClosed,
    /// Not at all: the switch says nothing more and reads nothing.
    Stalled,
}

const FAULTS: [Fault; 4] = [Fault::Closed, Fault::Reset, Fault::HalfClosed, Fault::Stalled];

async fn rig() -> Rig {
    rig_of(
        SCRIPT,
        MANIFEST,
        |config| {
            config.max_calls = AT_ONCE + 1;
            config.max_calls_per_s = 1_000_000;
            (config.connect_timeout_ms, config.close_timeout_ms) = (300, 200);
            config.write_timeout_ms = 300;
        },
        |policy| {
            (policy.reply_timeout_ms, policy.call_max_s) = (300, 1);
            policy.cpu_budget_ms = 2_000;
        },
    )
    .await
}

/// What the switch says, and after how many bytes of the daemon's.
type Script = Vec<(usize, Vec<u8>)>;

/// The whole conversation, once.
async fn record(rig: &Rig, queues: bool) -> Script {
    let mut switch = match queues {
        true => Switch::dial_async(rig, "t").await,
        false => Switch::dial(rig, "t").await,
    };
    switch.until_done().await;
    assert!(switch.heard.len() > 8, "{:?}", switch.heard);
    switch.said
}

/// Plays the switch's part up to its `upto`th byte, then the fault. How long the daemon kept the
/// connection after it.
async fn play(address: SocketAddr, script: &Script, upto: usize, fault: Fault) -> Duration {
    let mut stream = TcpStream::connect(address).await.expect("connected");
    stream.set_nodelay(true).expect("an option");
    let (mut heard, mut left) = (0, upto);
    let mut bytes = [0; 4096];
    'said: for (after, words) in script {
        while heard < *after {
            match timeout(LONG, stream.read(&mut bytes)).await.expect("in time") {
                Ok(0) | Err(_) => break 'said,
                Ok(n) => heard += n,
            }
        }
        let words = &words[..words.len().min(left)];
        if left == 0 || stream.write_all(words).await.is_err() {
            break;
        }
        left -= words.len();
    }
    let cut = Instant::now();
    match fault {
        Fault::Closed => drop(stream),
        Fault::Reset => {
            rustix::net::sockopt::set_socket_linger(&stream, Some(Duration::ZERO))
                .expect("an option");
            drop(stream);
        }
        Fault::HalfClosed => {
            let _ = stream.shutdown().await;
            while !matches!(timeout(LONG, stream.read(&mut bytes)).await, Ok(Ok(0) | Err(_))) {
                assert!(cut.elapsed() < LONG, "never closed");
            }
        }
        Fault::Stalled => {
            while !matches!(timeout(LONG, stream.read(&mut bytes)).await, Ok(Ok(0) | Err(_))) {
                assert!(cut.elapsed() < LONG, "never closed");
            }
        }
    }
    cut.elapsed()
}

async fn cut_everywhere(queues: bool) {
    let rig = rig().await;
    let script = Arc::new(record(&rig, queues).await);
    let length: usize = script.iter().map(|(_, words)| words.len()).sum();
    let places = Arc::new(Semaphore::new(AT_ONCE as usize));
    let mut played = tokio::task::JoinSet::new();
    for upto in 0..=length {
        // Each byte is cut in one way, and each way takes its turn with each byte's neighbours; the
        // ends of what is said are cut in every way.
        let mut end = 0;
        let at_an_end = script.iter().any(|(_, words)| {
            end += words.len();
            end == upto
        });
        for (n, fault) in FAULTS.into_iter().enumerate() {
            if !at_an_end && upto % FAULTS.len() != n {
                continue;
            }
            let place = Arc::clone(&places).acquire_owned().await.expect("open");
            let (script, address) = (Arc::clone(&script), rig.address);
            played.spawn(async move {
                let took = play(address, &script, upto, fault).await;
                drop(place);
                // The longest wait is for the park of an async call.
                assert!(took < Duration::from_secs(6), "{fault:?} at byte {upto}: {took:?}");
            });
        }
    }
    let mut count = 0;
    while let Some(ended) = played.join_next().await {
        ended.expect("cut");
        count += 1;
    }
    assert!(count > length, "{count} of {length}");
    // Every place is free: this many calls are served at once, all of them whole.
    let whole: Vec<Script> = futures_util::future::join_all((0..AT_ONCE).map(|_| async {
        let mut switch = match queues {
            true => Switch::dial_async(&rig, "t").await,
            false => Switch::dial(&rig, "t").await,
        };
        switch.until_done().await;
        switch.said
    }))
    .await;
    assert!(whole.iter().all(|said| said.len() == script.len()), "a place is not free");
    // And nothing is left to wait for.
    let started = Instant::now();
    assert!(rig.stopper.drain(LONG).await);
    assert!(started.elapsed() < Duration::from_secs(4), "{:?}", started.elapsed());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn cut_at_every_byte() {
    cut_everywhere(false).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn cut_at_every_byte_of_an_async_socket() {
    cut_everywhere(true).await;
}
