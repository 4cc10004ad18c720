//! From a gateway to the SIP address that an attempt goes to.
//!
//! The data's dial strings are FreeSWITCH's (`sofia/gateway/gw3001/…`), because in front of carriers
//! stands a FreeSWITCH. Where OpenSIPS itself faces a carrier it needs a URI: named for the gateway
//! in the configuration, written in the dial string, or made from a template. Where none gives one,
//! the request URI stays as it is and the script relays to its FreeSWITCH. Addresses in FreeSWITCH
//! dial strings count only where the configuration says so: they are FreeSWITCH's to use.

use std::collections::BTreeMap;

/// Longest URI made here; longer ones are as if there were none. OpenSIPS' own limit is 1,024.
pub const MAX_URI: usize = 512;

/// Where attempts go, as configured.
#[derive(Clone, Debug, Default)]
pub struct Destinations {
    /// By `CarrierGateway.ID`.
    pub gateways: BTreeMap<u32, String>,
    /// For every other gateway whose dial string says nothing.
    pub template: Option<String>,
    /// Take the address out of `sofia/profile/user@host`.
    pub sofia: bool,
}

impl Destinations {
    /// The URI for one attempt; `None` leaves the request URI alone.
    #[must_use]
    pub fn uri(&self, gateway_id: u32, number: &str, dial_string: &str) -> Option<String> {
        let uri = match self.gateways.get(&gateway_id) {
            Some(target) => fill(target, gateway_id, number),
            None => from_dial_string(dial_string, self.sofia).or_else(|| {
                self.template.as_deref().map(|template| fill(template, gateway_id, number))
            })?,
        };
        is_plain(&uri).then_some(uri)
    }
}

/// Reads `ID=target`, as in `3001=sip:10.0.0.1:5060` or `3001=sip:${number}@10.0.0.1`.
///
/// # Errors
/// What is wrong with it, in words.
pub fn parse_gateway(text: &str) -> Result<(u32, String), &'static str> {
    let (id, target) = text.split_once('=').ok_or("expected ID=sip:host[:port]")?;
    let id = id.trim();
    // u32's own parser would take a sign.
    let id = if id.bytes().all(|b| b.is_ascii_digit()) { id.parse().ok() } else { None };
    let id = id.ok_or("the gateway's ID is not a number")?;
    Ok((id, parse_target(target.trim())?))
}

/// Checks a target or template and puts `${number}@` where it names only a host.
///
/// # Errors
/// What is wrong with it, in words.
pub fn parse_target(text: &str) -> Result<String, &'static str> {
    let (scheme, rest) = text.split_once(':').ok_or("expected a sip: or sips: URI")?;
    if !matches!(scheme, "sip" | "sips") {
        return Err("expected a sip: or sips: URI");
    }
    if rest.is_empty() || !is_plain(&rest.replace("${number}", "0").replace("${gateway_id}", "0")) {
        return Err("not a URI");
    }
    // A parameter may hold an @, a host may not.
    let before_parameters = rest.split(';').next().unwrap_or(rest);
    Ok(if before_parameters.contains('@') {
        text.to_owned()
    } else {
        format!("{scheme}:${{number}}@{rest}")
    })
}

fn fill(template: &str, gateway_id: u32, number: &str) -> String {
    template.replace("${number}", number).replace("${gateway_id}", &gateway_id.to_string())
}

/// `sip:user@host`, `sofia/profile/user@host` and `sofia/profile/sip:user@host` name an address;
/// `sofia/gateway/…` and everything else do not.
fn from_dial_string(text: &str, sofia: bool) -> Option<String> {
    if text.starts_with("sip:") || text.starts_with("sips:") {
        return Some(text.to_owned());
    }
    if !sofia {
        return None;
    }
    let (profile, address) = text.strip_prefix("sofia/")?.split_once('/')?;
    if profile == "gateway" || profile.is_empty() || address.contains('/') {
        return None;
    }
    let (user, host) = address.rsplit_once('@')?;
    if user.is_empty() || host.is_empty() {
        return None;
    }
    Some(if address.starts_with("sip:") || address.starts_with("sips:") {
        address.to_owned()
    } else {
        format!("sip:{address}")
    })
}

/// Nothing that could end a URI early or begin a header: visible ASCII without quotes or brackets.
fn is_plain(uri: &str) -> bool {
    !uri.is_empty()
        && uri.len() <= MAX_URI
        && uri.bytes().all(|b| b.is_ascii_graphic() && !matches!(b, b'<' | b'>' | b'"' | b'$'))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn uri(destinations: &Destinations, id: u32, dial: &str) -> Option<String> {
        destinations.uri(id, "447700900123", dial)
    }

    #[test]
    fn the_configuration_wins_then_the_dial_string_then_the_template() {
        let mut all = Destinations::default();
        assert_eq!(uri(&all, 3001, "sofia/gateway/gw3001/1"), None);
        all.template = Some(parse_target("sip:10.0.0.9;gw=${gateway_id}").expect("good"));
        assert_eq!(
            uri(&all, 3001, "sofia/gateway/gw3001/1").as_deref(),
            Some("sip:447700900123@10.0.0.9;gw=3001")
        );
        assert_eq!(uri(&all, 3001, "sip:1@h:5070").as_deref(), Some("sip:1@h:5070"));
        let (id, target) = parse_gateway("3001=sip:10.0.0.1:5060").expect("good");
        all.gateways.insert(id, target);
        assert_eq!(
            uri(&all, 3001, "sip:1@h:5070").as_deref(),
            Some("sip:447700900123@10.0.0.1:5060")
        );
    }

    #[test]
    fn dial_strings_that_name_an_address() {
        let none = Destinations { sofia: true, ..Destinations::default() };
        for (dial, expected) in [
            ("sofia/external/44770@10.0.0.1:5080", Some("sip:44770@10.0.0.1:5080")),
            ("sofia/external/sips:44770@10.0.0.1", Some("sips:44770@10.0.0.1")),
            ("sofia/gateway/gw1/44770", None),
            ("sofia/external/@10.0.0.1", None),
            ("sofia/external/44770@", None),
            ("sofia//1@h", None),
            ("user/1000", None),
            ("", None),
            ("sip:1@h\r\nX: y", None),
            ("sip:1@h x", None),
            ("sip:<1@h>", None),
        ] {
            assert_eq!(uri(&none, 1, dial).as_deref(), expected, "{dial}");
        }
        assert_eq!(uri(&none, 1, &format!("sip:{}@h", "1".repeat(600))), None);
        assert_eq!(uri(&Destinations::default(), 1, "sofia/external/44770@10.0.0.1:5080"), None);
    }

    #[test]
    fn bad_targets_are_named() {
        for text in ["", "3001", "x=sip:h", "+1=sip:h", "3001=h", "3001=tel:1", "3001=sip:"] {
            assert!(parse_gateway(text).is_err(), "{text}");
        }
        assert!(parse_target("sip:a b").is_err() && parse_target("sip:${nonsense}@h").is_err());
        assert_eq!(parse_target("sip:h;x=a@b").expect("good"), "sip:${number}@h;x=a@b");
    }
}
