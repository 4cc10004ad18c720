//! The contract as nested loops: slow, and plain enough to be checked by reading.

use std::collections::BTreeMap;

use fsx_core::Nano;
use fsx_snapshot::rows::{BandRow, FxRow, NumberRow, OverrideRow, RateRow, Rows};

use crate::{deck::Call, world::World};

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
    quality: (i64, i64, i64),
    best: u8,
}

pub(crate) fn decide(rows: &Rows, world: &World, call: &Call, shorter: bool) -> Answer {
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
    let limit =
        rows.orgs.iter().find(|org| org.org_id == call.org).map(|o| o.call_cost_limit.as_str());
    if let Some(limit) = limit.filter(|l| !l.is_empty())
        && Nano(world.spent.get(&call.org).copied().unwrap_or(0))
            >= Nano::parse(limit).expect("the test's own")
    {
        return Answer::Reject(21);
    }
    // An LRN that is no number is as if there were none; the test's always is one.
    let looked_up = call.lrn.as_deref().unwrap_or(number);
    let mut standing: Vec<Standing<'_>> = Vec::new();
    for carrier in rows.carriers.iter().filter(|c| c.enabled && c.kind == "route") {
        let Some((number_row, rate, cost)) = offer(rows, call, looked_up, carrier.id, shorter)
        else {
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
            gateways: gateways(rows, world, call, carrier.id),
            quality: quality(rows, world, carrier.id),
            best: 0,
        });
    }
    let forced = |s: &Standing<'_>| s.chosen.is_some_and(|rule| rule.action == "FORCE");
    if standing.iter().any(forced) {
        standing.retain(forced);
    }
    keep_margin(rows, call, shorter, &mut standing);
    if standing.is_empty() {
        return Answer::Reject(3);
    }
    standing.retain(|s| !s.gateways.is_empty());
    if standing.is_empty() {
        return Answer::Reject(34);
    }
    order(rows, call, &mut standing);
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
    looked_up: &str,
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
                && looked_up.starts_with(&prefix(row))
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
            Some(rate) => return Some((row, rate, cost(rows, call, rate)?)),
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
fn cost(rows: &Rows, call: &Call, rate: &RateRow) -> Option<i128> {
    let too_old = |fx: &FxRow| fx.until.is_some_and(|until| call.at >= until);
    let worth: i128 = match rate.currency.as_str() {
        "GBP" => 100,
        "EUR" if !rows.fx.iter().any(too_old) => 85,
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

/// Step 11.
fn keep_margin(rows: &Rows, call: &Call, shorter: bool, standing: &mut Vec<Standing<'_>>) {
    let Some(org) = rows.orgs.iter().find(|org| org.org_id == call.org) else { return };
    let retail = rows
        .carriers
        .iter()
        .find(|c| c.enabled && c.kind == "retail" && c.id == org.retail_carrier_id);
    let Some(retail) = retail else { return };
    let Some((_, _, sell)) = offer(rows, call, &call.called, retail.id, shorter) else { return };
    let nano = |text: &str| i128::from(Nano::parse(text).expect("the test's own").0);
    standing.retain(|s| {
        let left = sell - s.cost;
        (org.margin_abs.is_empty() || left >= nano(&org.margin_abs))
            // left ÷ sell at least so many hundredths.
            && (org.margin_rel.is_empty()
                || left * 100_000_000_000 >= nano(&org.margin_rel) * sell)
            && (org.allowed_loss.is_empty() || -left <= nano(&org.allowed_loss))
    });
}

/// Step 13.
fn order(rows: &Rows, call: &Call, standing: &mut Vec<Standing<'_>>) {
    let own = rows.orgs.iter().find(|org| org.org_id == call.org).map(|org| org.profile.as_str());
    let profile = call.profile.or(own).unwrap_or("");
    for s in &mut *standing {
        s.best = s.gateways.iter().map(|(reliability, _)| *reliability).max().unwrap_or(0);
    }
    // The default order, which all others fall back on.
    standing.sort_by_key(|s| (s.cost, std::cmp::Reverse(s.best), s.carrier));
    let (closed, rest): (Vec<_>, Vec<_>) =
        std::mem::take(standing).into_iter().partition(|s| s.closed_loop);
    let (mut preferred, ordinary): (Vec<_>, Vec<_>) =
        rest.into_iter().partition(|s| s.chosen.is_some());
    preferred.sort_by_key(|s| s.chosen.map_or(0, |rule| rule.priority));
    // A split is one draw over all carriers; the places hold within each tier.
    let drawn = split(profile, call, closed.iter().chain(&preferred).chain(&ordinary));
    for tier in
        [by_profile(closed, profile, &drawn), preferred, by_profile(ordinary, profile, &drawn)]
    {
        standing.extend(tier);
    }
}

fn by_profile<'a>(mut tier: Vec<Standing<'a>>, profile: &str, drawn: &[u32]) -> Vec<Standing<'a>> {
    match profile.split(':').next() {
        Some("reliability") => tier.sort_by_key(|s| std::cmp::Reverse(s.best)),
        Some("quality") => tier.sort_by_key(|s| s.quality),
        Some("split") => {
            let place = |s: &Standing<'_>| drawn.iter().position(|id| *id == s.carrier);
            tier.sort_by_key(|s| place(s).unwrap_or(usize::MAX));
        }
        Some("tolerance") => {
            let mut ordered = Vec::new();
            while let Some(cheapest) = tier.first().map(|s| s.cost) {
                // The test's tolerance is 25 %.
                let (mut band, rest): (Vec<_>, Vec<_>) =
                    tier.into_iter().partition(|s| s.cost * 4 <= cheapest * 5);
                band.sort_by_key(|s| s.quality);
                ordered.extend(band);
                tier = rest;
            }
            return ordered;
        }
        _ => {}
    }
    tier
}

/// Answer-seizure ratio in thousandths, then duration, then delay, better first; the middle where
/// under 30 calls were measured.
fn quality(rows: &Rows, world: &World, carrier: u32) -> (i64, i64, i64) {
    let own = rows.gateways.iter().filter(|g| g.enabled && g.carrier_id == carrier);
    let (seizures, answers) = own
        .filter_map(|gateway| world.measured.get(&gateway.id))
        .fold((0, 0), |sum, one| (sum.0 + one.0 as i64, sum.1 + one.1 as i64));
    if seizures < 30 {
        // No duration known counts as none.
        return (-500, 0, 0);
    }
    // The world's calls last a minute and ring after 900 ms.
    (-(answers * 1000 / seizures), if answers > 0 { -60 } else { 0 }, 900)
}

/// FNV-1a of the call's id, or of number, caller and instant.
fn seed(call: &Call) -> u64 {
    let mut bytes = call.id.clone().into_bytes();
    if bytes.is_empty() {
        bytes.extend(call.called.bytes().chain([0]));
        bytes.extend(call.caller.iter().flat_map(|caller| caller.bytes()).chain([0]));
        bytes.extend(call.at.to_le_bytes());
    }
    bytes.iter().fold(0xcbf2_9ce4_8422_2325, |hash, byte| {
        (hash ^ u64::from(*byte)).wrapping_mul(0x0100_0000_01b3)
    })
}

/// SplitMix64.
fn next(state: &mut u64) -> u64 {
    *state = state.wrapping_add(0x9E37_79B9_7F4A_7C15);
    let z = (*state ^ (*state >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
    let z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
    z ^ (z >> 31)
}

/// Draws all of `chances` (ID, weight), in order of ID, one after another.
fn draw(mut chances: Vec<(u32, u64)>, seed: &mut u64) -> Vec<u32> {
    chances.retain(|(_, weight)| *weight > 0);
    let mut drawn = Vec::new();
    while !chances.is_empty() {
        let total: u64 = chances.iter().map(|(_, weight)| weight).sum();
        let mut ticket = next(seed) % total;
        let at = chances.iter().position(|(_, weight)| {
            let mine = ticket < *weight;
            ticket = ticket.wrapping_sub(*weight);
            mine
        });
        drawn.push(chances.remove(at.expect("a ticket below the total")).0);
    }
    drawn
}

fn split<'a>(profile: &str, call: &Call, all: impl Iterator<Item = &'a Standing<'a>>) -> Vec<u32> {
    let Some(shares) = profile.strip_prefix("split:") else { return Vec::new() };
    let share = |carrier: u32| {
        shares.split(',').find_map(|one| one.strip_prefix(&format!("{carrier}="))?.parse().ok())
    };
    let mut chances: Vec<(u32, u64)> =
        all.map(|s| (s.carrier, share(s.carrier).unwrap_or(0))).collect();
    chances.sort_unstable();
    draw(chances, &mut !seed(call))
}

/// Step 12: reliability and ID, in order.
fn gateways(rows: &Rows, world: &World, call: &Call, carrier: u32) -> Vec<(u8, u32)> {
    let mut left: Vec<_> = rows
        .gateways
        .iter()
        .filter(|gateway| {
            let centres: Vec<&str> = gateway.data_centres.split(", ").collect();
            let busy = world.busy.get(&gateway.id).copied().unwrap_or(0);
            let down =
                world.down.iter().any(|(id, at)| *id == gateway.id && *at == call.data_centre);
            gateway.enabled
                && gateway.carrier_id == carrier
                && (call.data_centre.is_empty()
                    || gateway.data_centres.is_empty()
                    || centres.contains(&call.data_centre.as_str()))
                && (gateway.ping_gateway == "NO" || !down)
                && (gateway.conc_calls == 0 || busy < gateway.conc_calls)
                && (gateway.max_cps == 0 || busy < gateway.max_cps)
        })
        .collect();
    left.sort_by_key(|gateway| (std::cmp::Reverse(gateway.reliability), gateway.id));
    let mut seed = seed(call) ^ u64::from(carrier).wrapping_mul(0x9E37_79B9_7F4A_7C15);
    let mut ordered = Vec::new();
    for group in left.chunk_by(|a, b| a.reliability == b.reliability) {
        let chances: Vec<_> = group.iter().map(|g| (g.id, u64::from(g.weight))).collect();
        let drawn = draw(chances, &mut seed);
        let rest = group.iter().map(|g| g.id).filter(|id| !drawn.contains(id));
        ordered.extend(drawn.iter().copied().chain(rest).map(|id| (group[0].reliability, id)));
    }
    ordered
}
