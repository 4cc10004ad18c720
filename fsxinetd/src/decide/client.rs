//! One question to a running daemon, for the command line. Blocking, with a deadline.

use std::io::{Read as _, Write as _};
use std::os::unix::net::UnixStream;
use std::path::Path;
use std::time::{Duration, Instant};

use fsx_wire::frame;
use fsx_wire::message::{Ask, Outcome, PROTOCOL, Reply, Request};

/// What a user hears that the daemon does not listen to.
const CLOSED: &str = "the daemon closed the connection: may this user ask?";

/// Asks and waits for the reply.
///
/// # Errors
/// One line that names the socket.
pub fn ask(socket: &Path, ask: Ask, within: Duration) -> Result<Outcome, String> {
    let wrong = |why: &dyn std::fmt::Display| format!("{}: {why}", socket.display());
    let deadline = Instant::now() + within;
    let left = || deadline.saturating_duration_since(Instant::now()).max(Duration::from_millis(1));
    let mut stream = UnixStream::connect(socket)
        .map_err(|e| wrong(&format!("no daemon answers on the decision socket: {e}")))?;
    let deadline_ms = u32::try_from(within.as_millis()).unwrap_or(u32::MAX);
    let request = Request { v: PROTOCOL, id: 1, deadline_ms, ask };
    let body = serde_json::to_vec(&request).map_err(|e| wrong(&e))?;
    let bytes = frame::encode(&body).map_err(|e| wrong(&e))?;
    stream.set_write_timeout(Some(left())).map_err(|e| wrong(&e))?;
    stream.write_all(&bytes).map_err(|e| match e.kind() {
        std::io::ErrorKind::BrokenPipe => wrong(&CLOSED),
        _ => wrong(&e),
    })?;
    let mut buffer = Vec::new();
    loop {
        if let Some((body, _)) = frame::decode(&buffer).map_err(|e| wrong(&e))? {
            let reply: Reply = serde_json::from_slice(body).map_err(|e| wrong(&e))?;
            return Ok(reply.outcome);
        }
        if Instant::now() >= deadline {
            return Err(wrong(&"no answer in time"));
        }
        stream.set_read_timeout(Some(left())).map_err(|e| wrong(&e))?;
        let mut bytes = [0; 4 << 10];
        match stream.read(&mut bytes) {
            Ok(0) => return Err(wrong(&CLOSED)),
            // The same, with our question still unread.
            Err(e) if e.kind() == std::io::ErrorKind::ConnectionReset => {
                return Err(wrong(&CLOSED));
            }
            Ok(n) => buffer.extend_from_slice(&bytes[..n]),
            Err(e) if e.kind() == std::io::ErrorKind::WouldBlock => {
                return Err(wrong(&"no answer in time"));
            }
            Err(e) => return Err(wrong(&e)),
        }
    }
}
