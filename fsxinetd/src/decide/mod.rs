//! The decision socket: the modules ask, in frames of JSON, and get an answer before their deadline
//! or none that matters.
//!
//! A Unix socket, because who asks is then known to the kernel: only root, the daemon's own user
//! and those of the configuration are heard. Both directions are bounded: a connection has so many
//! requests in hand and the next wait unread, and a peer that does not read its answers is closed.

mod answer;
pub mod client;
mod outbox;
mod peers;
#[cfg(test)]
mod tests;

use std::future::poll_fn;
use std::io;
use std::os::unix::fs::{FileTypeExt as _, MetadataExt as _, PermissionsExt as _};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::task::Poll;
use std::time::{Duration, Instant};

use fsx_wire::frame;
use metrics::{counter, gauge};
use tokio::io::AsyncReadExt as _;
use tokio::net::{UnixListener, UnixStream, unix::OwnedReadHalf};
use tokio::runtime::Handle;
use tokio::sync::{Semaphore, oneshot};
use tokio::task::JoinSet;

use answer::Desk;
pub use answer::Rooms;
use outbox::Outbox;
use peers::Peers;

use crate::health::metrics as names;
use crate::shutdown::Shutdown;
use crate::{config, net};

/// A bound socket, removed from the file system when dropped.
#[derive(Debug)]
pub struct Listener {
    inner: UnixListener,
    file: SocketFile,
    owner: u32,
}

#[derive(Debug)]
struct SocketFile {
    path: PathBuf,
    inode: u64,
}

impl Drop for SocketFile {
    fn drop(&mut self) {
        // Unless somebody else has put theirs there since.
        if std::fs::metadata(&self.path).is_ok_and(|m| m.ino() == self.inode) {
            let _ = std::fs::remove_file(&self.path);
        }
    }
}

/// Binds the socket and sets who may open it. One that a dead daemon left is replaced; one that
/// answers is not.
///
/// # Errors
/// One line that names the path.
pub fn bind(config: &config::Decide) -> Result<Listener, String> {
    let path = &config.socket;
    let wrong = |doing: &str, why: &dyn std::fmt::Display| {
        format!("decision socket {}: cannot {doing}: {why}", path.display())
    };
    match std::os::unix::net::UnixStream::connect(path) {
        Ok(_) => return Err(wrong("listen", &"another fsxinetd answers there")),
        // Refused is what a socket without a listener says, and also any other file.
        Err(error) if error.kind() == io::ErrorKind::ConnectionRefused => {
            let found = std::fs::symlink_metadata(path).map_err(|e| wrong("look at it", &e))?;
            if !found.file_type().is_socket() {
                return Err(wrong("listen", &"there is a file that is no socket"));
            }
            std::fs::remove_file(path).map_err(|e| wrong("remove the old one", &e))?;
        }
        Err(_) => {}
    }
    if let Some(folder) = path.parent().filter(|folder| !folder.as_os_str().is_empty()) {
        std::fs::create_dir_all(folder).map_err(|e| wrong("make its folder", &e))?;
    }
    let inner = UnixListener::bind(path).map_err(|e| wrong("listen", &e))?;
    let found = std::fs::metadata(path).map_err(|e| wrong("look at it", &e))?;
    let file = SocketFile { path: path.clone(), inode: found.ino() };
    let listener = Listener { inner, file, owner: found.uid() };
    if !config.group.is_empty() {
        let group = peers::group_id(&config.group)
            .ok_or_else(|| wrong("set its group", &format!("no group \"{}\"", config.group)))?;
        std::os::unix::fs::chown(path, None, Some(group))
            .map_err(|e| wrong("set its group", &e))?;
    }
    let mode = u32::from_str_radix(&config.mode, 8).map_err(|e| wrong("set its mode", &e))?;
    std::fs::set_permissions(path, std::fs::Permissions::from_mode(mode))
        .map_err(|e| wrong("set its mode", &e))?;
    Ok(listener)
}

impl Listener {
    /// The same, heard by another runtime.
    fn moved(self, to: &tokio::runtime::Runtime) -> io::Result<Self> {
        let inner = self.inner.into_std()?;
        let _inside = to.enter();
        Ok(Self { inner: UnixListener::from_std(inner)?, ..self })
    }

    /// Where it is.
    #[must_use]
    pub fn path(&self) -> &Path {
        &self.file.path
    }
}

/// Serves until told to stop, apart from the daemon's own threads: calls wait for these answers, and
/// nothing but scripts stands before them.
///
/// A connection is read on one of the threads that run Lua, so that a decision wakes nobody but who
/// asked; records and look-ups go to a thread of this room's own, since those wait for the disk and the
/// network.
///
/// What is given ends when the thread does.
///
/// # Errors
/// When there is no thread to be had.
pub fn start(
    listener: Listener,
    config: config::Decide,
    rooms: Rooms,
    shutdown: Shutdown,
) -> io::Result<impl Future<Output = ()>> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    let listener = listener.moved(&runtime)?;
    let (ended, end) = oneshot::channel::<std::convert::Infallible>();
    std::thread::Builder::new().name("decide".to_owned()).spawn(move || {
        let _ended = ended;
        runtime.block_on(serve(listener, config, rooms, shutdown));
        // Look-ups under way that nobody waits for.
        runtime.shutdown_background();
    })?;
    Ok(async move {
        let _ = end.await;
    })
}

/// Serves until told to stop, and then until what is in hand has been answered.
async fn serve(listener: Listener, config: config::Decide, rooms: Rooms, shutdown: Shutdown) {
    let mut connections = JoinSet::new();
    accept(&mut connections, listener, config, rooms, shutdown).await;
    while connections.join_next().await.is_some() {}
}

async fn accept(
    connections: &mut JoinSet<()>,
    listener: Listener,
    config: config::Decide,
    rooms: Rooms,
    shutdown: Shutdown,
) {
    let peers = Peers::new(listener.owner, &config.allow_users);
    let slots = Arc::new(Semaphore::new(config.max_connections as usize));
    let rooms = Arc::new(rooms);
    let aside = Handle::current();
    loop {
        let accepted = tokio::select! {
            () = shutdown.requested() => return,
            accepted = listener.inner.accept() => accepted,
            // Only so that they do not gather.
            Some(_) = connections.join_next() => continue,
        };
        let quiet = &rooms.quiet;
        let stream = match accepted {
            Ok((stream, _)) => stream,
            Err(error) => {
                net::accept_failed("decide", &error).await;
                continue;
            }
        };
        match stream.peer_cred() {
            Ok(peer) if peers.allow(peer.uid()) => {}
            Ok(peer) => {
                counter!(names::DECIDE_REFUSED, "reason" => "user").increment(1);
                if let Some(more) = quiet.say("user") {
                    let (uid, pid) = (peer.uid(), peer.pid());
                    tracing::warn!(uid, pid, more, "decision socket: this user may not ask");
                }
                continue;
            }
            Err(error) => {
                if let Some(more) = quiet.say("who") {
                    tracing::warn!(%error, more, "decision socket: cannot tell who asks");
                }
                continue;
            }
        }
        let Ok(slot) = Arc::clone(&slots).try_acquire_owned() else {
            counter!(names::DECIDE_REFUSED, "reason" => "too_many").increment(1);
            if let Some(more) = quiet.say("too_many") {
                let most = config.max_connections;
                tracing::warn!(most, more, "decision socket: more connections than it may have");
            }
            continue;
        };
        let (config, rooms, shutdown) = (config.clone(), Arc::clone(&rooms), shutdown.clone());
        let aside = aside.clone();
        connections.spawn(async move {
            gauge!(names::DECIDE_CONNECTIONS).increment(1.0);
            let said = Arc::clone(&rooms);
            if let Err(error) = attend_at_home(stream, config, rooms, aside, shutdown).await
                && let Some(more) = said.quiet.say("serve")
            {
                tracing::error!(%error, more, "decision socket: a connection cannot be served");
            }
            gauge!(names::DECIDE_CONNECTIONS).decrement(1.0);
            drop(slot);
        });
    }
}

/// One connection, on a thread that runs Lua. Where that is given up the connection ends: its peer
/// falls back and comes again, to another.
async fn attend_at_home(
    stream: UnixStream,
    config: config::Decide,
    rooms: Arc<Rooms>,
    aside: Handle,
    shutdown: Shutdown,
) -> io::Result<()> {
    let home = rooms.engine.home().ok_or_else(|| io::Error::other("no policy thread"))?;
    let (home, stream) = (Arc::new(home), stream.into_std()?);
    let ours = stream.try_clone()?;
    let given_up = home.given_up();
    let desk = Desk { rooms, home: Arc::clone(&home), aside };
    let serving = home.spawn(async move {
        attend(UnixStream::from_std(stream)?, &config, desk, shutdown).await;
        io::Result::Ok(())
    });
    drop(home);
    tokio::select! {
        served = serving => served.map_err(io::Error::other).flatten(),
        () = given_up => ours.shutdown(std::net::Shutdown::Both),
    }
}

/// One connection: reads requests, answers each at once or when it is done, in whatever order.
async fn attend(stream: UnixStream, config: &config::Decide, desk: Desk, shutdown: Shutdown) {
    let rooms = Arc::clone(&desk.rooms);
    let (mut reader, writer) = stream.into_split();
    let in_flight = config.max_in_flight as usize;
    let slots = Arc::new(Semaphore::new(in_flight));
    let patience = Duration::from_millis(config.write_timeout_ms.into());
    let (replies, written) = Outbox::new(writer, in_flight, patience);
    let writing = tokio::spawn(written);
    let mut buffer = Vec::with_capacity(4 << 10);
    let mut at_once = Duration::ZERO;
    loop {
        let request = tokio::select! {
            request = next_request(&mut reader, &mut buffer) => request,
            () = shutdown.requested() => break,
            // The peer does not read, or has gone.
            () = replies.closed() => break,
        };
        let body = match request {
            Ok(Some(body)) => body,
            Ok(None) => break,
            Err(error) => {
                // It may be able to read why, and its maker should be able to.
                if error.kind() == io::ErrorKind::InvalidData {
                    let told = answer::unreadable(None, &error.to_string());
                    replies.put(told.reply).await;
                }
                if let Some(more) = rooms.quiet.say("frame") {
                    tracing::warn!(more, "decision socket: {error}; connection closed");
                }
                break;
            }
        };
        let came = Instant::now();
        let Ok(slot) = Arc::clone(&slots).acquire_owned().await else { break };
        let request = match answer::read(&body) {
            Ok(request) => request,
            Err(told) => {
                if let Some(more) = rooms.quiet.say("request") {
                    tracing::warn!(more, "decision socket: {}", told.why);
                }
                // The slot is held until there is room for the reply: this does not wait for long.
                let sent = tokio::time::timeout(patience, replies.put(told.reply)).await;
                if told.is_request && sent == Ok(true) {
                    continue;
                }
                break;
            }
        };
        if answer::is_for_a_caller(&request.ask) && replies.is_gone().await {
            // It fell back long ago: whoever still waits comes first.
            counter!(names::DECIDE_LATE).increment(1);
            continue;
        }
        let (desk, replies, working) = (desk.clone(), replies.clone(), shutdown.working());
        let mut answering = Box::pin(async move {
            if let Some(reply) = desk.answer(request, came).await {
                replies.put(reply).await;
            }
            drop((slot, working));
        });
        // Most are done before they would wait for anything: those need no task.
        if poll_fn(|cx| Poll::Ready(answering.as_mut().poll(cx))).await.is_pending() {
            tokio::spawn(answering);
        }
        at_once += came.elapsed();
        if at_once > TURN {
            // Others on this thread have a turn, however much this peer asks.
            at_once = Duration::ZERO;
            tokio::task::yield_now().await;
        }
    }
    // Answers in hand are written before the connection ends.
    drop(replies);
    let _ = writing.await;
}

/// How long one connection may keep its thread to itself.
const TURN: Duration = Duration::from_millis(1);

/// How long a message may take from its first byte to its last. One that never ends would hold its
/// connection's place for ever.
const MESSAGE_WITHIN: Duration = Duration::from_secs(5);

/// The next message; `None` when the peer has closed between messages.
async fn next_request(
    reader: &mut OwnedReadHalf,
    buffer: &mut Vec<u8>,
) -> io::Result<Option<Vec<u8>>> {
    let mut until = None;
    loop {
        let too_long = |e: frame::TooLong| io::Error::new(io::ErrorKind::InvalidData, e);
        if let Some((body, taken)) = frame::decode(buffer).map_err(too_long)? {
            let body = body.to_vec();
            buffer.drain(..taken);
            return Ok(Some(body));
        }
        let read = reader.read_buf(buffer);
        let got = match until {
            None => read.await?,
            Some(until) => tokio::time::timeout_at(until, read).await.map_err(|_| {
                let why = format!("a message that was not whole within {MESSAGE_WITHIN:?}");
                io::Error::new(io::ErrorKind::InvalidData, why)
            })??,
        };
        until = until.or_else(|| Some(tokio::time::Instant::now() + MESSAGE_WITHIN));
        if got == 0 {
            return match buffer.is_empty() {
                true => Ok(None),
                false => Err(io::Error::new(
                    io::ErrorKind::UnexpectedEof,
                    format!("{} bytes of a message and no more", buffer.len()),
                )),
            };
        }
    }
}
