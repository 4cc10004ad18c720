//! Non-blocking Unix sockets and poll(2), the few calls that std has no deadline for.

use std::{
    io,
    os::{
        fd::{AsRawFd as _, FromRawFd as _, OwnedFd, RawFd},
        unix::{ffi::OsStrExt as _, net::UnixStream},
    },
    path::Path,
    time::Duration,
};

use crate::clock::Deadline;

/// What to wait for.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Until {
    Readable,
    Writable,
}

/// Connects to the Unix socket at `path`, waiting no longer than the deadline for room in the listener's
/// queue. The stream does not block and is not inherited by programs that the host starts.
///
/// # Errors
/// What the system says; [`io::ErrorKind::TimedOut`] past the deadline and
/// [`io::ErrorKind::InvalidInput`] for a path that no socket can have.
pub(crate) fn connect(path: &Path, deadline: Deadline) -> io::Result<UnixStream> {
    // SAFETY: sockaddr_un is plain numbers, for which zero is a value.
    let mut address: libc::sockaddr_un = unsafe { std::mem::zeroed() };
    let bytes = path.as_os_str().as_bytes();
    if bytes.is_empty() || bytes.contains(&0) || bytes.len() >= address.sun_path.len() {
        return Err(io::ErrorKind::InvalidInput.into());
    }
    address.sun_family = libc::AF_UNIX as libc::sa_family_t;
    for (to, from) in address.sun_path.iter_mut().zip(bytes) {
        *to = *from as libc::c_char;
    }
    let flags = libc::SOCK_STREAM | libc::SOCK_CLOEXEC | libc::SOCK_NONBLOCK;
    // SAFETY: takes numbers, gives a descriptor or -1.
    let fd = unsafe { libc::socket(libc::AF_UNIX, flags, 0) };
    if fd < 0 {
        return Err(io::Error::last_os_error());
    }
    // SAFETY: a descriptor just made, owned by nobody else.
    let fd = unsafe { OwnedFd::from_raw_fd(fd) };
    let mut pause_ms = 1;
    loop {
        // SAFETY: the address is a whole sockaddr_un with a NUL after the path, and outlives the call.
        let done = unsafe {
            libc::connect(
                fd.as_raw_fd(),
                (&raw const address).cast(),
                size_of::<libc::sockaddr_un>() as libc::socklen_t,
            )
        };
        if done == 0 {
            return Ok(UnixStream::from(fd));
        }
        let error = io::Error::last_os_error();
        match error.raw_os_error() {
            Some(libc::EINTR) => {}
            Some(libc::EISCONN) => return Ok(UnixStream::from(fd)),
            // unix(7): the listener's queue is full. There is nothing to poll for; look again shortly.
            Some(libc::EAGAIN) => {
                if deadline.passed() {
                    return Err(io::ErrorKind::TimedOut.into());
                }
                pause(Duration::from_millis(pause_ms).min(deadline.left()));
                pause_ms = (pause_ms * 2).min(20);
            }
            _ => return Err(error),
        }
    }
}

/// Waits until the stream is ready (or broken: the next call says how); false past the deadline.
///
/// # Errors
/// What the system says.
pub(crate) fn wait(stream: &UnixStream, until: Until, deadline: Deadline) -> io::Result<bool> {
    let events = match until {
        Until::Readable => libc::POLLIN,
        Until::Writable => libc::POLLOUT,
    };
    loop {
        let mut fds = [libc::pollfd { fd: stream.as_raw_fd(), events, revents: 0 }];
        let ready = poll(&mut fds, deadline.left());
        match ready {
            Ok(0) if deadline.passed() => return Ok(false),
            Ok(0) => {}
            Ok(_) => return Ok(true),
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {
                if deadline.passed() {
                    return Ok(false);
                }
            }
            Err(error) => return Err(error),
        }
    }
}

/// Writes some of `bytes`. A closed peer is an error and never SIGPIPE, which a host may not ignore.
///
/// # Errors
/// What the system says; [`io::ErrorKind::WouldBlock`] when nothing can be taken now.
pub(crate) fn send(stream: &UnixStream, bytes: &[u8]) -> io::Result<usize> {
    let flags = libc::MSG_NOSIGNAL | libc::MSG_DONTWAIT;
    // SAFETY: `bytes` is readable for its length.
    let sent = unsafe { libc::send(stream.as_raw_fd(), bytes.as_ptr().cast(), bytes.len(), flags) };
    usize::try_from(sent).map_err(|_| io::Error::last_os_error())
}

/// Reads what is there into `bytes`; 0 means that the peer has closed.
///
/// # Errors
/// What the system says; [`io::ErrorKind::WouldBlock`] when nothing is there.
pub(crate) fn receive(stream: &UnixStream, bytes: &mut [u8]) -> io::Result<usize> {
    receive_with(stream.as_raw_fd(), bytes, libc::MSG_DONTWAIT)
}

/// Whether an idle stream is still good: open, and with nothing unasked-for to read.
pub(crate) fn is_quiet(stream: &UnixStream) -> bool {
    let flags = libc::MSG_DONTWAIT | libc::MSG_PEEK;
    receive_with(stream.as_raw_fd(), &mut [0], flags)
        .is_err_and(|error| error.kind() == io::ErrorKind::WouldBlock)
}

/// Lets time pass; a signal may cut it short.
pub(crate) fn pause(time: Duration) {
    let _ = poll(&mut [], time); // With nothing to watch there is nothing to go wrong.
}

fn receive_with(fd: RawFd, bytes: &mut [u8], flags: libc::c_int) -> io::Result<usize> {
    // SAFETY: `bytes` is writable for its length.
    let got = unsafe { libc::recv(fd, bytes.as_mut_ptr().cast(), bytes.len(), flags) };
    usize::try_from(got).map_err(|_| io::Error::last_os_error())
}

fn poll(fds: &mut [libc::pollfd], time: Duration) -> io::Result<usize> {
    // Rounded up: a poll that ends early would spin.
    let ms = libc::c_int::try_from(time.as_micros().div_ceil(1000)).unwrap_or(libc::c_int::MAX);
    // SAFETY: `fds` is writable for its length; poll writes `revents` only.
    let ready = unsafe { libc::poll(fds.as_mut_ptr(), fds.len() as libc::nfds_t, ms) };
    usize::try_from(ready).map_err(|_| io::Error::last_os_error())
}
