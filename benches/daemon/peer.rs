//! What the machine itself takes for a question and its answer.
//!
//! A process that only reads a question and answers with its number, asked at the same rate right
//! before and after the daemon: no program that is asked over a socket is faster than that, and what
//! it waits is the machine's share of what the daemon's questions wait.

use std::io::{Read as _, Write as _};
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::Path;
use std::process::{Child, Command, ExitCode, Stdio};
use std::time::{Duration, Instant};

use fsx_test_support::open_loop::{framed, id_of};

/// The first argument of a peer; then the path of its socket.
const ARGUMENT: &str = "peer";

/// What each answer holds.
pub(super) const ANSWER: &str = "\"verdict\":\"route\"";

/// A process that answers on a socket, until it is dropped.
pub(super) struct Peer(Child);

impl Peer {
    /// Begins to answer on `socket`.
    ///
    /// # Errors
    /// Why it cannot.
    pub(super) fn start(socket: &Path) -> Result<Self, String> {
        let own = std::env::current_exe().map_err(|e| e.to_string())?;
        let child = Command::new(own)
            .arg(ARGUMENT)
            .arg(socket)
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .spawn()
            .map_err(|e| e.to_string())?;
        let peer = Self(child);
        let latest = Instant::now() + Duration::from_secs(10);
        while UnixStream::connect(socket).is_err() {
            if Instant::now() > latest {
                return Err(format!("nothing answers on {}", socket.display()));
            }
            std::thread::sleep(Duration::from_millis(5));
        }
        Ok(peer)
    }
}

impl Drop for Peer {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// Whether this process is to be a peer.
pub(super) fn is_asked_for() -> bool {
    std::env::args().nth(1).is_some_and(|first| first == ARGUMENT)
}

/// Answers until it is killed.
pub(super) fn answer() -> ExitCode {
    let Some(path) = std::env::args_os().nth(2) else { return 2.into() };
    let listener = UnixListener::bind(path).expect("the socket's path is free");
    for stream in listener.incoming().flatten() {
        std::thread::spawn(move || answer_all(stream));
    }
    ExitCode::SUCCESS
}

fn answer_all(mut stream: UnixStream) {
    let mut length = [0; 4];
    while stream.read_exact(&mut length).is_ok() {
        let mut body = vec![0; u32::from_be_bytes(length) as usize];
        if stream.read_exact(&mut body).is_err() {
            return;
        }
        let Some(id) = id_of(&String::from_utf8_lossy(&body)) else { return };
        let _ = stream.write_all(&framed(&format!("{{\"id\":{id},{ANSWER}}}")));
    }
}
