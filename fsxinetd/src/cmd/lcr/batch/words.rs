//! Answers as JSON, without the allocations of [`fsx_wire::answer::RouteAnswer`].
//!
//! That type owns every text it holds, which is right for one answer and dear for millions. Here the
//! same bytes are written straight into the batch's buffer; what is the same for every call (names,
//! variables, templates) is put into words once. The tests compare byte by byte with
//! `RouteAnswer`, which stays the one description of the answer.

use fsx_core::data::{Index, Rate, RoutingData};
use fsx_core::{CallFacts, Candidate, Decision, Nano, Plan, money::NANO_PER_UNIT, render};
use fsx_wire::answer::{Excluded, Route, rfc3339};

/// A carrier's or gateway's part of a route, in words.
#[derive(Debug, Default)]
struct GatewayWords {
    /// `"gateway_id":3001,`.
    id: Vec<u8>,
    prefix: String,
    suffix: String,
    /// `"vars":{…},`.
    vars: Vec<u8>,
    /// The dial string, cut where the number goes.
    dial: Vec<Vec<u8>>,
    /// `,"stop_causes":"…"`, or nothing.
    stop_causes: Vec<u8>,
}

/// What is the same for every call.
#[derive(Debug, Default)]
pub(super) struct Words {
    /// `"carrier_id":101,"carrier":"BT",`, by row.
    carriers: Vec<Vec<u8>>,
    gateways: Vec<GatewayWords>,
}

impl Words {
    /// Puts carriers and gateways into words.
    pub(super) fn of<D: RoutingData + ?Sized>(data: &D) -> Self {
        let mut words = Self::default();
        while let Some(carrier) = data.carrier(row(words.carriers.len())) {
            let mut out = Vec::new();
            carrier_words(carrier.id, carrier.name, &mut out);
            words.carriers.push(out);
        }
        while let Some(gateway) = data.gateway(row(words.gateways.len())) {
            let mut one = GatewayWords {
                prefix: gateway.prefix.to_owned(),
                suffix: gateway.suffix.to_owned(),
                ..GatewayWords::default()
            };
            gateway_id(gateway.id, &mut one.id);
            // As in the answer: by name, and of two with one name the last.
            let vars: std::collections::BTreeMap<_, _> = render::channel_vars(&gateway).collect();
            one.vars.extend_from_slice(b"\"vars\":{");
            for (at, (name, value)) in vars.into_iter().enumerate() {
                one.vars.extend_from_slice(if at == 0 { b"" } else { b"," });
                text(name, &mut one.vars);
                one.vars.push(b':');
                text(value, &mut one.vars);
            }
            one.vars.extend_from_slice(b"},");
            one.dial = dial_pieces(&gateway);
            if !gateway.stop_causes.is_empty() {
                one.stop_causes.extend_from_slice(b",\"stop_causes\":");
                text(gateway.stop_causes, &mut one.stop_causes);
            }
            words.gateways.push(one);
        }
        words
    }
}

fn row(at: usize) -> Index {
    u32::try_from(at).map_or(Index::NONE, Index)
}

fn carrier_words(id: u32, name: &str, out: &mut Vec<u8>) {
    out.extend_from_slice(b"\"carrier_id\":");
    whole(u64::from(id), out);
    out.extend_from_slice(b",\"carrier\":");
    text(name, out);
    out.push(b',');
}

fn gateway_id(id: u32, out: &mut Vec<u8>) {
    out.extend_from_slice(b"\"gateway_id\":");
    whole(u64::from(id), out);
    out.push(b',');
}

/// The dial string as text in JSON, without its quotes, in the pieces between numbers.
fn dial_pieces(gateway: &fsx_core::data::Gateway<'_>) -> Vec<Vec<u8>> {
    let pieces = gateway.dial_string.split("${number}").map(|dial_string| {
        let (mut dialled, mut out) = (String::new(), Vec::new());
        let piece = fsx_core::data::Gateway { dial_string, ..*gateway };
        // Writing to a String cannot fail.
        let _ = render::dial_string(&piece, &render::GatewayNumber::EMPTY, &mut dialled);
        escaped(&dialled, &mut out);
        out
    });
    pieces.collect()
}

/// The instant put into words last, and how.
#[derive(Debug)]
pub(super) struct LastWords {
    at: i64,
    text: String,
}

impl Default for LastWords {
    fn default() -> Self {
        Self { at: 0, text: rfc3339(0) }
    }
}

impl LastWords {
    fn of(&mut self, at: i64) -> &str {
        if self.at != at {
            *self = Self { at, text: rfc3339(at) };
        }
        &self.text
    }
}

/// Writes the answer that `RouteAnswer::new` would give.
pub(super) fn answer<D: RoutingData + ?Sized>(
    data: &D,
    words: &Words,
    last: &mut LastWords,
    facts: &CallFacts<'_>,
    decision: &Decision,
    excluded: &[Excluded],
    out: &mut Vec<u8>,
) {
    let (generation, number) = match decision {
        Decision::Route(plan) => (plan.generation, plan.number),
        Decision::Reject { generation, number, .. } => (*generation, *number),
    };
    out.extend_from_slice(b"{\"generation\":");
    whole(generation, out);
    out.extend_from_slice(b",\"number\":");
    match &number {
        Some(number) => text(number.as_str(), out),
        None => text(&String::from_utf8_lossy(facts.called), out),
    }
    out.extend_from_slice(b",\"org\":");
    whole(u64::from(facts.org_id), out);
    out.extend_from_slice(b",\"data_centre\":");
    text(facts.data_centre, out);
    out.extend_from_slice(b",\"at\":\"");
    out.extend_from_slice(last.of(facts.at).as_bytes());
    match decision {
        Decision::Route(plan) => {
            out.extend_from_slice(b"\",\"decision\":\"route\"");
            if plan.emergency {
                out.extend_from_slice(b",\"emergency\":true");
            }
            out.extend_from_slice(b",\"routes\":[");
            for (at, candidate) in plan.routes().iter().enumerate() {
                out.extend_from_slice(if at == 0 { b"{" } else { b",{" });
                route(data, words, facts, plan, candidate, out);
                out.push(b'}');
            }
            out.push(b']');
        }
        Decision::Reject { why, .. } => {
            out.extend_from_slice(b"\",\"decision\":\"reject\",\"cause\":");
            whole(u64::from(why.cause()), out);
            out.extend_from_slice(b",\"reason\":");
            text(&why.to_string(), out);
            out.extend_from_slice(b",\"routes\":[]");
        }
    }
    if !excluded.is_empty() {
        out.extend_from_slice(b",\"excluded\":");
        // Numbers and texts only, into memory: it cannot fail.
        let _ = serde_json::to_writer(&mut *out, excluded);
    }
    out.push(b'}');
}

fn route<D: RoutingData + ?Sized>(
    data: &D,
    words: &Words,
    facts: &CallFacts<'_>,
    plan: &Plan,
    candidate: &Candidate,
    out: &mut Vec<u8>,
) {
    let rate = data.rate(candidate.rate);
    let gateway = candidate.gateway.get().and_then(|at| words.gateways.get(at));
    let Some(gateway) = gateway else {
        // No row: of damaged data, or none at all. Rare, so in the long way.
        let mut long = Vec::new();
        let _ = serde_json::to_writer(&mut long, &Route::new(data, facts, plan, candidate));
        out.extend_from_slice(long.get(1..long.len().saturating_sub(1)).unwrap_or_default());
        return;
    };
    match candidate.carrier.get().and_then(|at| words.carriers.get(at)) {
        Some(carrier) => out.extend_from_slice(carrier),
        None => carrier_words(0, "", out),
    }
    out.extend_from_slice(&gateway.id);
    let band = data.band(candidate.band(data));
    out.extend_from_slice(b"\"band_id\":");
    whole(band.map_or(0, |band| u64::from(band.id)), out);
    out.extend_from_slice(b",\"band\":");
    text(band.map_or("", |band| band.name), out);
    out.extend_from_slice(b",\"prefix\":\"");
    if let Some(number) = plan.looked_up {
        let len = usize::from(candidate.prefix_len).min(number.len());
        out.extend_from_slice(&number.as_bytes()[..len]);
    }
    out.extend_from_slice(b"\",\"rate_id\":");
    price(rate.as_ref(), out);
    out.extend_from_slice(b",\"cost_per_min\":\"");
    money(rate.and_then(|rate| rate.cost_per_min).unwrap_or_default(), out);
    // As in the answer: said where it is not 1.
    if let Some(worth) = rate.and_then(|rate| rate.fx).filter(|worth| worth.0 != NANO_PER_UNIT) {
        out.extend_from_slice(b"\",\"fx\":\"");
        money(worth, out);
    }
    let around = Some((gateway.prefix.as_str(), gateway.suffix.as_str()));
    let dialled = render::dial(data, facts, plan, rate.as_ref(), around);
    out.extend_from_slice(b"\",\"number\":");
    text(dialled.number.as_str(), out);
    out.extend_from_slice(b",\"cli\":");
    if dialled.withhold_cli {
        out.extend_from_slice(b"\"\",\"withhold_cli\":true,");
    } else {
        text(dialled.cli.as_str(), out);
        out.push(b',');
    }
    out.extend_from_slice(&gateway.vars);
    out.extend_from_slice(b"\"dial_string\":\"");
    for (at, piece) in gateway.dial.iter().enumerate() {
        if at > 0 {
            escaped(dialled.number.as_str(), out);
        }
        out.extend_from_slice(piece);
    }
    out.push(b'"');
    out.extend_from_slice(&gateway.stop_causes);
}

/// From the rate's ID to its increments.
fn price(rate: Option<&Rate<'_>>, out: &mut Vec<u8>) {
    let Some(rate) = rate else {
        // As a route without a rate says it.
        return out.extend_from_slice(b"0,\"rate\":\"\",\"setup\":\"\",\"currency\":\"\"");
    };
    whole(u64::from(rate.id), out);
    out.extend_from_slice(b",\"rate\":\"");
    money(rate.tariff.rate_per_min, out);
    out.extend_from_slice(b"\",\"setup\":\"");
    money(rate.tariff.setup, out);
    out.extend_from_slice(b"\",\"currency\":");
    text(rate.currency, out);
    for (name, seconds) in [
        (&b",\"initial_increment_s\":"[..], rate.tariff.initial_increment_s),
        (b",\"next_increment_s\":", rate.tariff.next_increment_s),
    ] {
        if seconds > 1 {
            out.extend_from_slice(name);
            whole(u64::from(seconds), out);
        }
    }
}

/// A text with its quotes.
fn text(text: &str, out: &mut Vec<u8>) {
    out.push(b'"');
    escaped(text, out);
    out.push(b'"');
}

/// A text as it stands between quotes.
fn escaped(text: &str, out: &mut Vec<u8>) {
    let bytes = text.as_bytes();
    if !bytes.iter().any(|&b| b < 0x20 || b == b'"' || b == b'\\') {
        return out.extend_from_slice(bytes);
    }
    for &byte in bytes {
        match byte {
            b'"' | b'\\' => out.extend_from_slice(&[b'\\', byte]),
            b'\n' => out.extend_from_slice(b"\\n"),
            b'\r' => out.extend_from_slice(b"\\r"),
            b'\t' => out.extend_from_slice(b"\\t"),
            0x08 => out.extend_from_slice(b"\\b"),
            0x0c => out.extend_from_slice(b"\\f"),
            0x00..0x20 => {
                let digit = |n: u8| b"0123456789abcdef"[usize::from(n & 15)];
                out.extend_from_slice(b"\\u00");
                out.extend_from_slice(&[digit(byte >> 4), digit(byte)]);
            }
            _ => out.push(byte),
        }
    }
}

/// A whole number.
fn whole(mut number: u64, out: &mut Vec<u8>) {
    let mut digits = [0; 20];
    let mut at = digits.len();
    loop {
        at -= 1;
        digits[at] = b'0' + (number % 10) as u8;
        number /= 10;
        if number == 0 {
            break;
        }
    }
    out.extend_from_slice(&digits[at..]);
}

/// As `Nano` shows itself.
fn money(amount: Nano, out: &mut Vec<u8>) {
    let magnitude = amount.0.unsigned_abs();
    let (units, mut rest) = (magnitude / NANO_PER_UNIT as u64, magnitude % NANO_PER_UNIT as u64);
    if amount.0 < 0 {
        out.push(b'-');
    }
    whole(units, out);
    if rest == 0 {
        return;
    }
    let mut decimals = [0; 10];
    decimals[0] = b'.';
    for digit in decimals[1..].iter_mut().rev() {
        *digit = b'0' + (rest % 10) as u8;
        rest /= 10;
    }
    let end = decimals.iter().rposition(|&b| b != b'0').map_or(0, |at| at + 1);
    out.extend_from_slice(&decimals[..end]);
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn money_and_texts_read_as_elsewhere(
            amount in prop_oneof![any::<i64>(), -2_000_000_000i64..2_000_000_000, Just(i64::MIN)],
            n in any::<u64>(),
            words in "[ -~é\"\\\\\u{0}-\u{1f}\u{7f}😀]{0,20}",
        ) {
            let mut out = Vec::new();
            money(Nano(amount), &mut out);
            prop_assert_eq!(String::from_utf8(out).expect("text"), Nano(amount).to_string());
            let mut out = Vec::new();
            whole(n, &mut out);
            prop_assert_eq!(String::from_utf8(out).expect("text"), n.to_string());
            let mut out = Vec::new();
            text(&words, &mut out);
            prop_assert_eq!(out, serde_json::to_vec(&words).expect("JSON"));
        }
    }
}
