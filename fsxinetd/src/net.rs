//! Which addresses may connect, what to do when nobody can, when a peer that says nothing has gone, and
//! how often its faults are worth a line.

use std::collections::HashMap;
use std::os::fd::AsFd as _;
use std::sync::{Mutex, PoisonError};
use std::time::Instant;
use std::{io, net::IpAddr, time::Duration};

use rustix::net::sockopt;
use tokio::net::TcpStream;

/// Addresses and networks, such as `127.0.0.0/8` and `::1`.
#[derive(Clone, Debug)]
pub struct AddressList(Vec<(IpAddr, u8)>);

impl AddressList {
    /// Reads the texts of a configuration.
    ///
    /// # Errors
    /// The first entry that is neither an address nor `address/bits`.
    pub fn new(entries: &[String]) -> Result<Self, String> {
        entries.iter().map(|entry| network(entry)).collect::<Result<_, _>>().map(Self)
    }

    /// Whether `address` is in one of the networks. An IPv4 address that came in over an IPv6
    /// socket counts as IPv4.
    #[must_use]
    pub fn contains(&self, address: IpAddr) -> bool {
        let address = address.to_canonical();
        self.0.iter().any(|(network, bits)| match (network, address) {
            (IpAddr::V4(network), IpAddr::V4(address)) => {
                same(network.to_bits().into(), address.to_bits().into(), 32, *bits)
            }
            (IpAddr::V6(network), IpAddr::V6(address)) => {
                same(network.to_bits(), address.to_bits(), 128, *bits)
            }
            _ => false,
        })
    }
}

fn same(a: u128, b: u128, width: u32, bits: u8) -> bool {
    (a ^ b).checked_shr(width - u32::from(bits)).unwrap_or(0) == 0
}

fn network(entry: &str) -> Result<(IpAddr, u8), String> {
    let wrong = || format!("expected an address or address/bits, got \"{entry}\"");
    let (address, bits) = match entry.split_once('/') {
        Some((address, bits)) => (address, Some(bits.parse::<u8>().map_err(|_| wrong())?)),
        None => (entry, None),
    };
    let address: IpAddr = address.parse().map_err(|_| wrong())?;
    let width = if address.is_ipv4() { 32 } else { 128 };
    let bits = bits.unwrap_or(width);
    if bits > width { Err(wrong()) } else { Ok((address, bits)) }
}

/// Says why a connection could not be accepted, and waits where that gives the machine time: out of
/// descriptors, `accept` fails at once and for ever, and a loop on it would take a whole core.
pub async fn accept_failed(door: &'static str, error: &io::Error) {
    let passing = matches!(
        error.kind(),
        io::ErrorKind::ConnectionAborted
            | io::ErrorKind::ConnectionReset
            | io::ErrorKind::Interrupted
    );
    if !passing {
        tracing::error!(door, %error, "cannot accept a connection");
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
}

/// How long a peer may be unheard of before the kernel asks it whether it is there.
const ASK_AFTER: Duration = Duration::from_secs(30);
/// How often it is asked.
const ASK_EVERY: Duration = Duration::from_secs(10);
/// How often it may fail to answer.
const ASKS: u32 = 3;
/// How long what we said may stay unacknowledged.
const UNACKNOWLEDGED: Duration = Duration::from_secs(30);

/// Has the kernel find out that the other machine has gone without a word: a call may last for
/// hours in which neither side has anything to say.
pub fn keep_alive(stream: &TcpStream) {
    let socket = stream.as_fd();
    // Each is a help and none a need; a socket of another kind has none of them.
    let _ = sockopt::set_socket_keepalive(socket, true);
    let _ = sockopt::set_tcp_keepidle(socket, ASK_AFTER);
    let _ = sockopt::set_tcp_keepintvl(socket, ASK_EVERY);
    let _ = sockopt::set_tcp_keepcnt(socket, ASKS);
    let limit_ms = u32::try_from(UNACKNOWLEDGED.as_millis()).unwrap_or(u32::MAX);
    let _ = sockopt::set_tcp_user_timeout(socket, limit_ms);
}

/// How long a kind of fault is silent after it has been told of.
const SILENCE: Duration = Duration::from_secs(10);

/// Tells of each kind of fault once, and then how often it came again: what peers do wrong they do a
/// thousand times a second, and a log that is full of one line hides the others.
#[derive(Debug, Default)]
pub struct Quiet(Mutex<HashMap<&'static str, (Instant, u64)>>);

impl Quiet {
    /// Whether a fault of this kind is to be told now, and how many were not told since the last.
    pub fn say(&self, kind: &'static str) -> Option<u64> {
        self.say_at(kind, Instant::now())
    }

    fn say_at(&self, kind: &'static str, now: Instant) -> Option<u64> {
        let mut told = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        match told.get_mut(kind) {
            Some((at, more)) if now.saturating_duration_since(*at) < SILENCE => {
                *more += 1;
                None
            }
            Some(last) => Some(std::mem::replace(last, (now, 0)).1),
            None => {
                told.insert(kind, (now, 0));
                Some(0)
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_fault_is_told_once_and_then_counted() {
        let (quiet, start) = (Quiet::default(), Instant::now());
        let later = |s| start + Duration::from_secs(s);
        assert_eq!(quiet.say_at("a", start), Some(0));
        assert_eq!(quiet.say_at("a", later(1)), None);
        assert_eq!(quiet.say_at("b", later(1)), Some(0));
        assert_eq!(quiet.say_at("a", later(9)), None);
        assert_eq!(quiet.say_at("a", later(11)), Some(2));
        assert_eq!(quiet.say_at("a", later(30)), Some(0));
    }

    #[tokio::test]
    async fn the_kernel_is_told_to_ask_after_silent_peers() {
        let listener = tokio::net::TcpListener::bind(("127.0.0.1", 0)).await.expect("a port");
        let address = listener.local_addr().expect("an address");
        let stream = TcpStream::connect(address).await.expect("connected");
        keep_alive(&stream);
        assert!(sockopt::socket_keepalive(&stream).expect("an option"));
        assert_eq!(sockopt::tcp_keepidle(&stream).expect("an option"), ASK_AFTER);
        assert_eq!(sockopt::tcp_keepcnt(&stream).expect("an option"), ASKS);
        assert_eq!(sockopt::tcp_user_timeout(&stream).expect("an option"), 30_000);
    }

    #[test]
    fn networks_hold_what_they_should() {
        let texts = ["127.0.0.0/8", "10.1.2.3", "2001:db8::/32", "::1"].map(str::to_owned);
        let list = AddressList::new(&texts).expect("good");
        for (address, inside) in [
            ("127.9.9.9", true),
            ("128.0.0.1", false),
            ("10.1.2.3", true),
            ("10.1.2.4", false),
            ("2001:db8:1::5", true),
            ("2001:db9::5", false),
            ("::ffff:127.0.0.1", true),
            ("::1", true),
            ("::2", false),
        ] {
            assert_eq!(list.contains(address.parse().expect("address")), inside, "{address}");
        }
        let all = AddressList::new(&["0.0.0.0/0".to_owned(), "::/0".to_owned()]).expect("good");
        assert!(all.contains("8.8.8.8".parse().expect("address")));
        assert!(all.contains("2001:db8::1".parse().expect("address")));
        for bad in ["localhost", "10.0.0.0/33", "::/129", "10.0.0.0/x", ""] {
            let error = AddressList::new(&[bad.to_owned()]).expect_err(bad);
            assert!(error.contains(bad), "{error}");
        }
    }
}
