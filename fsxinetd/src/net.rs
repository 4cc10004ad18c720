//! Which addresses may connect, and what to do when nobody can.

use std::{io, net::IpAddr, time::Duration};

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

#[cfg(test)]
mod tests {
    use super::AddressList;

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
