//! A client of OpenSIPS's management interface: one JSON-RPC datagram there, one back.

use std::{
    os::unix::net::UnixDatagram,
    path::{Path, PathBuf},
    sync::atomic::{AtomicU32, Ordering},
    time::Duration,
};

use serde_json::{Value, json};

/// How long a command may take.
const LIMIT: Duration = Duration::from_secs(10);

/// Runs `method`. `params` is an object, an array or null.
///
/// # Errors
/// Nobody listens yet, no answer, or the command's own error.
pub fn ask(socket: &Path, method: &str, params: Value) -> Result<Value, String> {
    static ASKED: AtomicU32 = AtomicU32::new(1);
    let id = ASKED.fetch_add(1, Ordering::Relaxed);
    // OpenSIPS answers to the sender's own path, so the client's socket needs one.
    let own = Own(socket.with_extension(format!("client-{}-{id}", std::process::id())));
    let text = |e: std::io::Error| format!("{}: {e}", socket.display());
    let client = UnixDatagram::bind(&own.0).map_err(text)?;
    client.set_read_timeout(Some(LIMIT)).map_err(text)?;
    let mut request = json!({"jsonrpc": "2.0", "id": id, "method": method});
    if !params.is_null() {
        request["params"] = params;
    }
    client.send_to(request.to_string().as_bytes(), socket).map_err(text)?;
    let mut buffer = vec![0; 65_536];
    let length = client.recv(&mut buffer).map_err(text)?;
    let reply: Value = serde_json::from_slice(&buffer[..length]).map_err(|e| {
        format!("{method}: not JSON ({e}): {}", String::from_utf8_lossy(&buffer[..length]))
    })?;
    match reply.get("error") {
        Some(error) => Err(format!("{method}: {error}")),
        None => Ok(reply.get("result").cloned().unwrap_or(Value::Null)),
    }
}

/// The client's socket file, removed at the end.
struct Own(PathBuf);

impl Drop for Own {
    fn drop(&mut self) {
        let _ = std::fs::remove_file(&self.0);
    }
}
