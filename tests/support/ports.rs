//! Private loopback ports that two tests never share, even when they run at the same time in
//! different processes.
//!
//! A port is reserved by a locked file as well as tried with a bind: between the try and the
//! program's own bind nobody else in these tests can take it. They are drawn below the kernel's
//! range for outgoing connections, so that no client socket sits on one by chance.

use std::{
    fs::{File, OpenOptions, TryLockError},
    net::{TcpListener, UdpSocket},
    ops::Range,
    time::{SystemTime, UNIX_EPOCH},
};

use crate::run_dir::shared;

/// Where ports are drawn from.
const DRAWN: Range<u16> = 20_000..32_000;

/// One or more neighbouring ports, reserved until dropped.
#[derive(Debug)]
pub struct Ports {
    first: u16,
    count: u16,
    _locks: Vec<File>,
}

impl Ports {
    /// One port, free for UDP and for TCP.
    ///
    /// # Panics
    /// When there is none left.
    #[must_use]
    pub fn one() -> Self {
        Self::block(1)
    }

    /// `count` ports in a row, beginning with an even one (RTP wants that).
    ///
    /// # Panics
    /// When there is no such block left.
    #[must_use]
    pub fn block(count: u16) -> Self {
        let mut seed = seed();
        for _ in 0..2_000 {
            // Xorshift: ports need to be spread, not secret.
            seed ^= seed << 13;
            seed ^= seed >> 7;
            seed ^= seed << 17;
            let span = u64::from(DRAWN.end - DRAWN.start - count);
            let first = (DRAWN.start + (seed % span) as u16) & !1;
            if let Some(locks) = (first..first + count).map(reserve).collect() {
                return Self { first, count, _locks: locks };
            }
        }
        panic!("no {count} free loopback ports in {DRAWN:?}");
    }

    /// The first (or only) one.
    #[must_use]
    pub fn port(&self) -> u16 {
        self.first
    }

    /// The last one.
    #[must_use]
    pub fn last(&self) -> u16 {
        self.first + self.count - 1
    }
}

/// Locks the port's file and checks that both kinds of socket can be bound.
fn reserve(port: u16) -> Option<File> {
    let lock = lock_file(port)?;
    match lock.try_lock() {
        Ok(()) => {}
        Err(TryLockError::WouldBlock) => return None,
        Err(TryLockError::Error(e)) => panic!("cannot lock port {port}: {e}"),
    }
    let tcp = TcpListener::bind(("127.0.0.1", port)).ok()?;
    let udp = UdpSocket::bind(("127.0.0.1", port)).ok()?;
    drop((tcp, udp));
    Some(lock)
}

fn lock_file(port: u16) -> Option<File> {
    let dir = shared("fsx-test-ports");
    std::fs::create_dir_all(&dir).ok()?;
    let path = dir.join(port.to_string());
    OpenOptions::new().create(true).truncate(false).write(true).open(path).ok()
}

fn seed() -> u64 {
    static DRAWS: std::sync::atomic::AtomicU64 = std::sync::atomic::AtomicU64::new(1);
    let draw = DRAWS.fetch_add(1, std::sync::atomic::Ordering::Relaxed);
    let now = SystemTime::now().duration_since(UNIX_EPOCH).map_or(1, |d| d.as_nanos() as u64);
    (now ^ (u64::from(std::process::id()) << 32)).wrapping_mul(draw | 1) | 1
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn blocks_are_even_free_and_never_shared() {
        let held: Vec<Ports> = (0..20).map(|_| Ports::block(4)).collect();
        let mut all: Vec<u16> = held.iter().flat_map(|p| p.port()..=p.last()).collect();
        assert_eq!(all.len(), 80);
        assert!(held.iter().all(|p| p.port() % 2 == 0));
        all.sort_unstable();
        all.dedup();
        assert_eq!(all.len(), 80, "two blocks overlap");
        UdpSocket::bind(("127.0.0.1", all[0])).expect("free for UDP");
        TcpListener::bind(("127.0.0.1", all[0])).expect("free for TCP");
    }

    #[test]
    fn a_port_in_use_is_not_given() {
        let held = Ports::one();
        let _socket = UdpSocket::bind(("127.0.0.1", held.port())).expect("bind");
        let port = held.port();
        drop(held);
        assert!(reserve(port).is_none());
    }
}
