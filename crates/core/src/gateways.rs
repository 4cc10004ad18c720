//! Which of a carrier's gateways can take the call, and in which order (contract step 12).

use crate::{
    CallFacts,
    data::{CarrierTerms, GatewayTerms, Index, LiveView, RoutingData},
    plan::{Step, WhySink},
    ranked::Centre,
};

/// Most gateways of one carrier that are looked at; the builder refuses more.
pub const MAX_GATEWAYS: usize = 256;

/// The gateways of one carrier that can take a call, in order.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Usable {
    len: usize,
    rows: [Index; MAX_GATEWAYS],
}

impl Usable {
    pub(crate) fn rows(&self) -> &[Index] {
        &self.rows[..self.len]
    }
}

/// Reliability of the best gateway left, without ordering them; `None` when none is left.
pub(crate) fn best<D: RoutingData + ?Sized, L: LiveView + ?Sized, W: WhySink>(
    data: &D,
    live: &L,
    facts: &CallFacts<'_>,
    (carrier, row): (Index, &CarrierTerms),
    why: &mut W,
) -> Option<u8> {
    let mut best = None;
    for n in 0..row.gateways.min(MAX_GATEWAYS as u32) {
        let at = Index(row.first_gateway.saturating_add(n));
        let Some(gateway) = data.gateway_terms(at) else { continue };
        match refusal(data, live, facts, (at, &gateway)) {
            Some(reason) => why.excluded(carrier, at, Step::Gateway, reason),
            None => {
                best = best.max(Some(gateway.reliability));
                // Rows stand by reliability: the first one left is the best.
                if !W::ON {
                    break;
                }
            }
        }
    }
    best
}

/// The gateways left, by reliability, then by weighted draw where weights are set, then by ID.
pub(crate) fn ordered<D: RoutingData + ?Sized, L: LiveView + ?Sized>(
    data: &D,
    live: &L,
    facts: &CallFacts<'_>,
    row: &CarrierTerms,
    seed: u64,
) -> Usable {
    let mut usable = Usable { len: 0, rows: [Index::NONE; MAX_GATEWAYS] };
    for n in 0..row.gateways.min(MAX_GATEWAYS as u32) {
        let at = Index(row.first_gateway.saturating_add(n));
        let Some(gateway) = data.gateway_terms(at) else { continue };
        if refusal(data, live, facts, (at, &gateway)).is_none() {
            usable.rows[usable.len] = at;
            usable.len += 1;
        }
    }
    if !row.weighted {
        return usable;
    }
    let mut seed = seed ^ u64::from(row.id).wrapping_mul(0x9E37_79B9_7F4A_7C15);
    let mut from = 0;
    while from < usable.len {
        let reliability = |at: Index| data.gateway_terms(at).map_or(0, |g| g.reliability);
        let group = reliability(usable.rows[from]);
        let mut to = from + 1;
        while to < usable.len && reliability(usable.rows[to]) == group {
            to += 1;
        }
        draw(data, &mut usable.rows[from..to], &mut seed);
        from = to;
    }
    usable
}

/// Orders gateways of equal reliability: drawn one after another with chances by weight; those
/// without a weight follow in order of ID. Untouched where no weight is set.
fn draw<D: RoutingData + ?Sized>(data: &D, rows: &mut [Index], seed: &mut u64) {
    let weight = |at: Index| data.gateway_terms(at).map_or(0, |g| u64::from(g.weight));
    for place in 0..rows.len() {
        let total: u64 = rows[place..].iter().map(|&at| weight(at)).sum();
        if total == 0 {
            return;
        }
        let mut ticket = splitmix(seed) % total;
        let chosen = rows[place..].iter().position(|&at| {
            let own = weight(at);
            if ticket < own {
                return true;
            }
            ticket -= own;
            false
        });
        // Moved, not swapped: the ones not drawn keep their order of ID.
        rows[place..=place + chosen.unwrap_or(0)].rotate_right(1);
    }
}

/// The next number of Vigna's SplitMix64; public domain, chosen for being four lines.
pub(crate) fn splitmix(state: &mut u64) -> u64 {
    *state = state.wrapping_add(0x9E37_79B9_7F4A_7C15);
    let mut z = *state;
    z = (z ^ (z >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
    z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
    z ^ (z >> 31)
}

/// From where a call's weighted draws start: its id, or number, caller and instant where it has
/// none (FNV-1a, 64 bits), so that a replay draws the same.
pub(crate) fn seed(facts: &CallFacts<'_>, number: &[u8]) -> u64 {
    let mut hash = 0xcbf2_9ce4_8422_2325u64;
    let mut eat = |bytes: &[u8]| {
        for &byte in bytes {
            hash = (hash ^ u64::from(byte)).wrapping_mul(0x0000_0100_0000_01b3);
        }
    };
    if facts.call_id.is_empty() {
        eat(number);
        eat(b"\0");
        eat(facts.caller.unwrap_or(b""));
        eat(b"\0");
        eat(&facts.at.to_le_bytes());
    } else {
        eat(facts.call_id);
    }
    hash
}

/// Why the gateway cannot take the call; `None` when it can.
fn refusal<D: RoutingData + ?Sized, L: LiveView + ?Sized>(
    data: &D,
    live: &L,
    facts: &CallFacts<'_>,
    (at, terms): (Index, &GatewayTerms),
) -> Option<&'static str> {
    let asks = |wanted: Option<&str>| wanted.is_some();
    if asks(facts.privacy_class) || asks(facts.pci_zone) || asks(facts.carrier_group) {
        let gateway = data.gateway(at)?;
        let differs = |wanted: Option<&str>, has: &str| wanted.is_some_and(|wanted| wanted != has);
        if differs(facts.privacy_class, gateway.privacy_class) {
            return Some("another privacy class");
        }
        if differs(facts.pci_zone, gateway.pci_zone) {
            return Some("another PCI zone");
        }
        if facts.carrier_group.is_some_and(|group| !names(gateway.carrier_groups, group)) {
            return Some("another carrier group");
        }
    }
    Centre::of(data, facts).refusal(live, facts, terms)
}

/// Whether the comma-separated `list` names `word`.
fn names(list: &str, word: &str) -> bool {
    list.split(',').any(|item| item.trim() == word)
}
