//! From a candidate to what a switch dials (contract step 15).
//!
//! A plan holds row numbers only. These functions turn one candidate into its number, caller id,
//! channel variables and dial string, at the moment that the attempt is made.

use core::fmt::{self, Write};

use crate::{
    CallFacts, Candidate, Plan,
    data::{Gateway, Index, Rate, RoutingData},
    digits::{Dialled, Digits},
};

/// A number as a gateway wants it: prefix, number, suffix. Longer ones are refused by the builder.
pub type GatewayNumber = Digits<128>;

/// One attempt in words.
#[derive(Clone, Copy, Debug)]
pub struct Dial {
    /// What is dialled at the gateway.
    pub number: GatewayNumber,
    /// The caller id as the carrier wants it, even where it is withheld (a trusted trunk may carry
    /// it with its privacy flag); empty when unknown.
    pub cli: Dialled,
    /// The caller id must not be shown. Emergency calls always show it.
    pub withhold_cli: bool,
}

/// Renders `candidate` of `plan`. An unknown row leaves its part empty.
#[must_use]
pub fn attempt<D: RoutingData + ?Sized>(
    data: &D,
    facts: &CallFacts<'_>,
    plan: &Plan,
    candidate: &Candidate,
) -> Dial {
    let gateway = data.gateway(candidate.gateway);
    let around = gateway.map(|gateway| (gateway.prefix, gateway.suffix));
    dial(data, facts, plan, data.rate(candidate.rate).as_ref(), around)
}

/// As [`attempt`], for whoever has the candidate's rate, and its gateway's prefix and suffix, at
/// hand.
#[must_use]
pub fn dial<D: RoutingData + ?Sized>(
    data: &D,
    facts: &CallFacts<'_>,
    plan: &Plan,
    rate: Option<&Rate<'_>>,
    around: Option<(&str, &str)>,
) -> Dial {
    let plain = match plan.number {
        Some(number) if !plan.emergency => Dialled::new(number.as_bytes()).unwrap_or_default(),
        _ => plan.dialled,
    };
    let formatted = match rate {
        Some(rate) => format(data, rate.format_number, plain),
        None => plain,
    };
    let mut number = GatewayNumber::EMPTY;
    if let Some((prefix, suffix)) = around {
        let parts = [prefix.as_bytes(), formatted.as_bytes(), suffix.as_bytes()];
        // The builder refuses prefixes and suffixes that could overflow.
        let _ = parts.iter().all(|part| number.extend(part));
    }
    let caller = match plan.caller {
        Some(caller) => Dialled::new(caller.as_bytes()),
        None => facts.caller.and_then(Dialled::new),
    };
    let cli = match (caller, rate) {
        (Some(caller), Some(rate)) => format(data, rate.format_cli, caller),
        (caller, _) => caller.unwrap_or_default(),
    };
    Dial { number, cli, withhold_cli: facts.withhold_cli && !plan.emergency }
}

/// The first rewrite of the format that matches; the number as it is where none does.
fn format<D: RoutingData + ?Sized>(data: &D, format: Index, number: Dialled) -> Dialled {
    if format == Index::NONE {
        return number;
    }
    let mut n = 0;
    while let Some(rule) = data.format_rule(format, n) {
        if let Some(rewritten) = rule.apply(number.as_bytes()) {
            return rewritten;
        }
        n += 1;
    }
    number
}

/// Writes the gateway's `DialString` with `${ID}` and `${number}` filled in; other `${…}` stay for
/// the switch to fill.
///
/// # Errors
/// Only those of `out`.
pub fn dial_string(
    gateway: &Gateway<'_>,
    number: &GatewayNumber,
    out: &mut impl Write,
) -> fmt::Result {
    let mut rest = gateway.dial_string;
    while let Some(at) = rest.find("${") {
        out.write_str(&rest[..at])?;
        rest = &rest[at..];
        if let Some(after) = rest.strip_prefix("${ID}") {
            write!(out, "{}", gateway.id)?;
            rest = after;
        } else if let Some(after) = rest.strip_prefix("${number}") {
            out.write_str(number.as_str())?;
            rest = after;
        } else {
            out.write_str("${")?;
            rest = &rest[2..];
        }
    }
    out.write_str(rest)
}

/// The gateway's channel variables, name and value.
pub fn channel_vars<'a>(gateway: &Gateway<'a>) -> impl Iterator<Item = (&'a str, &'a str)> {
    gateway.channel_vars.split('\n').filter_map(|line| line.split_once('='))
}
