//! The answer as it travels with the call, and `$fsx(…)`, which reads it.
//!
//! The request is handled by one worker process and its failure by another, perhaps a minute and a
//! generation later, so nothing about a call may stay in a worker. The whole plan, rendered for every
//! attempt, is one AVP: it lives in shared memory with the transaction and goes when that goes. Later
//! attempts are those of the generation that the call began with, whatever was published since.
//!
//! The text has one line for the decision and one an attempt, columns parted by tabs. It begins with
//! a tag, so that a script that wrote something else there is found out.

use core::fmt::Write as _;

use fsx_core::{CallFacts, Plan, Reject, cause, data::RoutingData, render};

use crate::{destination::Destinations, host::pv::Value};

/// First column: the form of the rest.
const TAG: &str = "fsx1";

/// Where an item of `$fsx(…)` stands.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Place {
    /// A column of the first line.
    Call(usize),
    /// A column of the present attempt's line.
    Attempt(usize),
}

/// What a value is to a script.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Kind {
    Text,
    /// A number where it fits OpenSIPS' 32-bit signed one, otherwise text.
    Number,
}

/// Every name of `$fsx(…)`; a name's place here is its number inside the host.
const ITEMS: &[(&str, Place, Kind)] = &[
    ("attempt", Place::Call(1), Kind::Number),
    ("attempts", Place::Call(2), Kind::Number),
    ("decision", Place::Call(3), Kind::Text),
    ("cause", Place::Call(4), Kind::Number),
    ("reason", Place::Call(5), Kind::Text),
    ("generation", Place::Call(6), Kind::Number),
    ("called", Place::Call(7), Kind::Text),
    ("org", Place::Call(8), Kind::Number),
    ("emergency", Place::Call(9), Kind::Number),
    ("gateway_id", Place::Attempt(0), Kind::Number),
    ("carrier_id", Place::Attempt(1), Kind::Number),
    ("carrier", Place::Attempt(2), Kind::Text),
    ("band_id", Place::Attempt(3), Kind::Number),
    ("rate_id", Place::Attempt(4), Kind::Number),
    ("cost", Place::Attempt(5), Kind::Text),
    ("number", Place::Attempt(6), Kind::Text),
    ("cli", Place::Attempt(7), Kind::Text),
    ("withhold_cli", Place::Attempt(8), Kind::Number),
    ("dst_uri", Place::Attempt(9), Kind::Text),
    ("dial", Place::Attempt(10), Kind::Text),
    ("vars", Place::Attempt(11), Kind::Text),
    ("stop_causes", Place::Attempt(12), Kind::Text),
];

/// The number of a name; `None` for one that there is not.
#[must_use]
pub(crate) fn item(name: &[u8]) -> Option<usize> {
    ITEMS.iter().position(|(item, _, _)| item.as_bytes() == name)
}

/// An answer being read: borrowed from the AVP.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Carried<'a> {
    text: &'a [u8],
}

impl<'a> Carried<'a> {
    /// Takes an AVP's value; `None` when it is none of ours.
    #[must_use]
    pub(crate) fn read(text: &'a [u8]) -> Option<Self> {
        let rest = text.strip_prefix(TAG.as_bytes())?;
        rest.starts_with(b"\t").then_some(Self { text })
    }

    /// The value of `$fsx(name)`, by the name's number. Empty is null.
    #[must_use]
    pub(crate) fn value(&self, item: usize) -> Option<Value<'a>> {
        let (_, place, kind) = ITEMS.get(item)?;
        let text = self.column(*place)?;
        if text.is_empty() {
            return None;
        }
        let number = core::str::from_utf8(text).ok().and_then(|text| text.parse::<i32>().ok());
        Some(match (kind, number) {
            (Kind::Number, Some(number)) => Value::Number(text, number),
            _ => Value::Text(text),
        })
    }

    /// The URI that the request is to be pointed at for the present attempt; `None` where it has
    /// none, or the script asked to keep its own.
    #[must_use]
    pub(crate) fn destination(&self) -> Option<&'a [u8]> {
        match self.column(Place::Call(10)) {
            Some(b"0") => self.column(Place::Attempt(9)).filter(|uri| !uri.is_empty()),
            _ => None,
        }
    }

    /// Whether a final answer to the present attempt ends the call, by its gateway's table or the
    /// engine's (contract step 15).
    #[must_use]
    pub(crate) fn stops(&self, sip_status: u16) -> bool {
        let own = self.column(Place::Attempt(12)).unwrap_or_default();
        // A table that is not text is no table: the default then decides.
        cause::stops(core::str::from_utf8(own).unwrap_or_default(), 0, sip_status)
    }

    /// The same answer with the next attempt as the present one; `None` when there is none. After an
    /// attempt that had a destination, those without one are passed over: the request would go to
    /// the carrier before.
    #[must_use]
    pub(crate) fn next(&self) -> Option<Vec<u8>> {
        let pointed = self.destination().is_some();
        let (mut at, attempts) = (self.number(1)?, self.number(2)?);
        loop {
            if at == 0 || at >= attempts {
                return None;
            }
            let text = self.at(at + 1)?;
            let has_one = Carried::read(&text)?.destination().is_some();
            if has_one || !pointed {
                return Some(text);
            }
            at += 1;
        }
    }

    /// The same answer with another attempt as the present one.
    fn at(&self, at: usize) -> Option<Vec<u8>> {
        self.line(at)?;
        let present = self.column(Place::Call(1))?;
        let head = TAG.len() + 1;
        let mut text = Vec::with_capacity(self.text.len() + 1);
        text.extend_from_slice(self.text.get(..head)?);
        text.extend_from_slice(at.to_string().as_bytes());
        text.extend_from_slice(self.text.get(head + present.len()..)?);
        Some(text)
    }

    fn number(&self, column: usize) -> Option<usize> {
        core::str::from_utf8(self.column(Place::Call(column))?).ok()?.parse().ok()
    }

    fn line(&self, n: usize) -> Option<&'a [u8]> {
        self.text.split(|&b| b == b'\n').nth(n)
    }

    fn column(&self, place: Place) -> Option<&'a [u8]> {
        let (line, column) = match place {
            Place::Call(column) => (0, column),
            Place::Attempt(column) => match self.number(1)? {
                0 => return None,
                at => (at, column),
            },
        };
        self.line(line)?.split(|&b| b == b'\t').nth(column)
    }
}

/// The first line.
struct Head<'a> {
    attempts: usize,
    decision: &'a str,
    cause: Option<u16>,
    reason: &'a str,
    generation: u64,
    called: &'a str,
    org: u32,
    emergency: bool,
    keep_uri: bool,
}

impl Head<'_> {
    fn write(&self, text: &mut String) {
        text.clear();
        let at = usize::from(self.attempts > 0);
        // Writing to a String cannot fail.
        let _ = write!(text, "{TAG}\t{at}\t{}\t{}\t", self.attempts, self.decision);
        if let Some(cause) = self.cause {
            let _ = write!(text, "{cause}");
        }
        text.push('\t');
        column(text, self.reason);
        let _ = write!(text, "\t{}\t", self.generation);
        column(text, self.called);
        let (emergency, keep_uri) = (u8::from(self.emergency), u8::from(self.keep_uri));
        let _ = write!(text, "\t{}\t{emergency}\t{keep_uri}", self.org);
    }
}

/// Adds text with everything that could part lines or columns made a space.
fn column(text: &mut String, value: &str) {
    text.extend(value.chars().map(|c| if c.is_control() { ' ' } else { c }));
}

/// Writes a plan: every attempt rendered from the generation that made it.
pub(crate) fn write_plan<D: RoutingData + ?Sized>(
    text: &mut String,
    data: &D,
    facts: &CallFacts<'_>,
    plan: &Plan,
    destinations: &Destinations,
    keep_uri: bool,
) {
    let called = match &plan.number {
        Some(number) => number.as_str(),
        None => plan.dialled.as_str(),
    };
    Head {
        attempts: plan.routes().len(),
        decision: "route",
        cause: None,
        reason: "",
        generation: plan.generation,
        called,
        org: facts.org_id,
        emergency: plan.emergency,
        keep_uri,
    }
    .write(text);
    let mut dial_string = String::new();
    for candidate in plan.routes() {
        let dial = render::attempt(data, facts, plan, candidate);
        let gateway = data.gateway(candidate.gateway);
        let carrier = data.carrier(candidate.carrier);
        let gateway_id = gateway.map_or(0, |g| g.id);
        dial_string.clear();
        if let Some(gateway) = &gateway {
            // Writing to a String cannot fail.
            let _ = render::dial_string(gateway, &dial.number, &mut dial_string);
        }
        let _ = write!(text, "\n{gateway_id}\t{}\t", carrier.map_or(0, |c| c.id));
        column(text, carrier.map_or("", |c| c.name));
        let band = data.band(candidate.band(data)).map_or(0, |b| b.id);
        let rate = data.rate(candidate.rate).map_or(0, |r| r.id);
        let _ = write!(text, "\t{band}\t{rate}\t{}\t", candidate.cost_per_min(data));
        column(text, dial.number.as_str());
        text.push('\t');
        column(text, dial.cli.as_str());
        let _ = write!(text, "\t{}\t", u8::from(dial.withhold_cli));
        if let Some(uri) = destinations.uri(gateway_id, dial.number.as_str(), &dial_string) {
            text.push_str(&uri);
        }
        text.push('\t');
        column(text, &dial_string);
        text.push('\t');
        if let Some(gateway) = &gateway {
            for (n, (name, value)) in render::channel_vars(gateway).enumerate() {
                if n > 0 {
                    text.push(';');
                }
                column(text, name);
                text.push('=');
                column(text, value);
            }
        }
        text.push('\t');
        column(text, gateway.map_or("", |g| g.stop_causes));
    }
}

/// Writes a refusal.
pub(crate) fn write_reject(
    text: &mut String,
    facts: &CallFacts<'_>,
    generation: u64,
    number: Option<fsx_core::E164>,
    why: Reject,
) {
    let dialled = String::from_utf8_lossy(facts.called);
    Head {
        attempts: 0,
        decision: "reject",
        cause: Some(why.cause()),
        reason: &why.to_string(),
        generation,
        called: number.as_ref().map_or(&*dialled, |n| n.as_str()),
        org: facts.org_id,
        emergency: false,
        keep_uri: false,
    }
    .write(text);
}

/// Writes an emergency call that no data routes: one attempt, to where the configuration says, or
/// to wherever the script relays.
pub(crate) fn write_emergency(
    text: &mut String,
    facts: &CallFacts<'_>,
    destination: Option<&str>,
    keep_uri: bool,
) {
    let dialled = String::from_utf8_lossy(facts.called);
    Head {
        attempts: 1,
        decision: "route",
        cause: None,
        reason: "",
        generation: 0,
        called: &dialled,
        org: facts.org_id,
        emergency: true,
        keep_uri,
    }
    .write(text);
    text.push_str("\n0\t0\t\t0\t0\t\t");
    column(text, &dialled);
    text.push('\t');
    column(text, &String::from_utf8_lossy(facts.caller.unwrap_or_default()));
    text.push_str("\t0\t");
    if let Some(target) = destination {
        let only = Destinations { template: Some(target.to_owned()), ..Destinations::default() };
        if let Some(uri) = only.uri(0, &dialled, "") {
            text.push_str(&uri);
        }
    }
    text.push_str("\t\t\t");
}

/// Writes that there is no data to decide from.
pub(crate) fn write_no_data(text: &mut String, facts: &CallFacts<'_>) {
    let dialled = String::from_utf8_lossy(facts.called);
    Head {
        attempts: 0,
        decision: "reject",
        // Q.850: temporary failure.
        cause: Some(41),
        reason: "no routing data",
        generation: 0,
        called: &dialled,
        org: facts.org_id,
        emergency: false,
        keep_uri: false,
    }
    .write(text);
}

#[cfg(test)]
mod tests {
    use super::*;

    fn value<'a>(text: &'a str, name: &str) -> Option<Value<'a>> {
        Carried::read(text.as_bytes())?.value(item(name.as_bytes()).expect("a name"))
    }

    fn two_attempts() -> String {
        let mut text = String::new();
        Head {
            attempts: 2,
            decision: "route",
            cause: None,
            reason: "",
            generation: 5_000_000_000,
            called: "447700900123",
            org: 37,
            emergency: false,
            keep_uri: false,
        }
        .write(&mut text);
        text.push_str("\n3001\t101\tA B\t501\t20001\t0.0175\t0044\t4420\t0\tsip:0044@h1\td1\t\t");
        text.push_str("\n3002\t102\tC\t502\t20002\t0.02\t44\t\t1\t\td2\tx=1\t503");
        text
    }

    #[test]
    fn attempts_follow_one_another() {
        let first = two_attempts();
        assert_eq!(value(&first, "gateway_id"), Some(Value::Number(b"3001", 3001)));
        assert_eq!(value(&first, "cost"), Some(Value::Text(b"0.0175")));
        assert_eq!(value(&first, "generation"), Some(Value::Text(b"5000000000")));
        assert_eq!(value(&first, "cause"), None);
        let first = Carried::read(first.as_bytes()).expect("ours");
        assert_eq!(first.destination(), Some(&b"sip:0044@h1"[..]));
        assert!(first.stops(486) && !first.stops(503));
        assert_eq!(first.next(), None, "the second has no destination, the first had");
        let own_uri = two_attempts().replacen("\t37\t0\t0\n", "\t37\t0\t1\n", 1);
        let first = Carried::read(own_uri.as_bytes()).expect("ours");
        assert_eq!(first.destination(), None);
        let second = String::from_utf8(first.next().expect("a second")).expect("text");
        assert_eq!(value(&second, "attempt"), Some(Value::Number(b"2", 2)));
        assert_eq!(value(&second, "carrier"), Some(Value::Text(b"C")));
        assert_eq!(value(&second, "stop_causes"), Some(Value::Text(b"503")));
        let second = Carried::read(second.as_bytes()).expect("ours");
        assert_eq!(second.destination(), None);
        assert!(second.stops(503) && !second.stops(486), "the gateway's own table");
        assert_eq!(second.next(), None);
    }

    #[test]
    fn a_refusal_has_a_cause_and_no_attempt() {
        let mut text = String::new();
        let facts = CallFacts::new(b"0\t44\n\xff", 37, 0);
        write_reject(&mut text, &facts, 7, None, Reject::InvalidNumber);
        assert_eq!(value(&text, "decision"), Some(Value::Text(b"reject")));
        assert_eq!(value(&text, "cause"), Some(Value::Number(b"28", 28)));
        assert_eq!(value(&text, "called"), Some(Value::Text("0 44 \u{fffd}".as_bytes())));
        assert_eq!(value(&text, "attempt"), Some(Value::Number(b"0", 0)));
        assert_eq!(value(&text, "gateway_id"), None);
        assert_eq!(Carried::read(text.as_bytes()).and_then(|c| c.next()), None);
    }

    #[test]
    fn an_emergency_without_data() {
        let mut text = String::new();
        let facts = CallFacts { caller: Some(b"44207"), ..CallFacts::new(b"112", 1, 0) };
        write_emergency(&mut text, &facts, Some("sip:${number}@10.0.0.112"), false);
        assert_eq!(value(&text, "emergency"), Some(Value::Number(b"1", 1)));
        assert_eq!(value(&text, "dst_uri"), Some(Value::Text(b"sip:112@10.0.0.112")));
        assert_eq!(value(&text, "cli"), Some(Value::Text(b"44207")));
        assert_eq!(value(&text, "stop_causes"), None);
        write_emergency(&mut text, &facts, None, false);
        assert_eq!(value(&text, "dst_uri"), None);
        assert_eq!(value(&text, "number"), Some(Value::Text(b"112")));
    }

    #[test]
    fn what_is_not_ours_reads_as_nothing() {
        for text in [&b""[..], b"fsx1", b"fsx2\t1", b"hello", b"\xff\t\n"] {
            assert!(Carried::read(text).is_none());
        }
        for text in
            ["fsx1\t", "fsx1\t9\t1\troute", "fsx1\tx\ty", "fsx1\t1\t2\troute\n1\n", "fsx1\t\n"]
        {
            let carried = Carried::read(text.as_bytes()).expect("tagged");
            for item in 0..ITEMS.len() + 1 {
                let _ = carried.value(item);
            }
            let _ = (carried.next(), carried.destination());
        }
        assert_eq!(item(b"nonsense"), None);
    }
}
