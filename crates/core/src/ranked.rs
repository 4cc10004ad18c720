//! The short way: a call whose carriers were put in order when the snapshot was built.
//!
//! Most numbers have one order of carriers for every caller and instant. Their list is ranked in
//! the file, so the decision walks it until the attempts are filled, and never touches the carriers
//! behind. Whatever could change the order sends the call the long way, which is the contract to
//! the letter; both give the same answer, and the oracle in the tests holds them to it.

use crate::{
    CallFacts, Candidate, E164, Plan,
    data::{By, GatewayTerms, Index, LiveView, Org, Ranked, RoutingData},
    facts::Country,
    normalise::normalise,
    plan::DEFAULT_ATTEMPTS,
};

/// Fills an empty plan the short way; `false` where the call has to go the long way, whatever was
/// put into it by then.
#[inline]
pub(crate) fn fill<D: RoutingData + ?Sized, L: LiveView + ?Sized>(
    data: &D,
    live: &L,
    facts: &CallFacts<'_>,
    org: Option<&Org>,
    country: Option<Country>,
    looked_up: E164,
    plan: &mut Plan,
) -> bool {
    let settings = data.settings();
    let own = org.is_some_and(|org| {
        org.has_private_numbers || org.has_overrides || org.has_profile || org.has_margin
    });
    let asks = facts.profile.is_some()
        || facts.privacy_class.is_some()
        || facts.pci_zone.is_some()
        || facts.carrier_group.is_some();
    if own || asks || settings.has_overrides || settings.shorter_prefix {
        return false;
    }
    if facts.at < settings.ranked_from || facts.at >= settings.ranked_until {
        return false;
    }
    let places = plan.places(attempts(facts));
    let Some(filled) = walk(data, live, facts, country, looked_up, places) else { return false };
    plan.filled(filled);
    // Nothing put in: the long way tells why.
    filled > 0
}

/// Puts in what the list gives, cheapest first, and gives how many; `None` where only the long way
/// can tell.
#[inline]
fn walk<D: RoutingData + ?Sized, L: LiveView + ?Sized>(
    data: &D,
    live: &L,
    facts: &CallFacts<'_>,
    country: Option<Country>,
    looked_up: E164,
    places: &mut [Candidate],
) -> Option<usize> {
    let mut list = data.offers(looked_up.key());
    if data.varies(list) {
        let mut caller = || facts.caller.and_then(|caller| normalise(data, country, caller));
        list = data.settled(list, facts.at, &mut caller);
    }
    let entries = data.ranked_entries(list)?;
    // Its own organisations have a closed loop before all others, wherever its price puts it.
    if data.in_closed_loops(facts.org_id) && entries.iter().any(|entry| is_own(data, facts, entry))
    {
        return None;
    }
    walk_entries(data, live, facts, entries, Centre::of(data, facts), places)
}

/// Whether the entry is of a closed loop that the call's organisation belongs to.
fn is_own<D: RoutingData + ?Sized>(
    data: &D,
    facts: &CallFacts<'_>,
    entry: &[u8; Ranked::BYTES],
) -> bool {
    match Ranked::of(entry) {
        Some(Ranked { by: By::ClosedLoop(carrier), .. }) => {
            data.closed_loop_member(facts.org_id, carrier)
        }
        _ => false,
    }
}

/// The same of a list that was found. Apart, so that it has all registers to itself.
#[inline(never)]
fn walk_entries<D: RoutingData + ?Sized, L: LiveView + ?Sized>(
    data: &D,
    live: &L,
    facts: &CallFacts<'_>,
    entries: &[[u8; Ranked::BYTES]],
    centre: Centre,
    places: &mut [Candidate],
) -> Option<usize> {
    let attempts = places.len();
    let mut free = places.iter_mut();
    let gateways = data.all_gateway_terms()?;
    let glance = live.glance();
    for entry in entries {
        let Ranked { rate, prefix_len, tied, by } = Ranked::of(entry)?;
        let (first, count) = match by {
            By::Gateways { first, count } => (first, count),
            // Of others: the call's own were looked for.
            By::ClosedLoop(_) => continue,
            By::Drawn(_) => return None,
        };
        let rows = gateways.get(first as usize..(first + count) as usize).unwrap_or_default();
        for (gateway, row) in (first..).zip(rows) {
            let terms = || GatewayTerms::of(row);
            if !terms().serves(centre.0) || !live.takes(row, facts, glance) {
                // Among equal prices the best gateway left decides: the file knew only the best.
                if tied && gateway == first {
                    return None;
                }
                continue;
            }
            let Some(place) = free.next() else { return Some(attempts) };
            let (carrier, gateway) = (terms().carrier, Index(gateway));
            *place = Candidate { carrier, gateway, rate, prefix_len };
            if free.len() == 0 {
                return Some(attempts);
            }
        }
    }
    Some(attempts - free.len())
}

/// How many attempts a plan for this call may have.
pub(crate) fn attempts(facts: &CallFacts<'_>) -> usize {
    usize::from(if facts.max_attempts == 0 { DEFAULT_ATTEMPTS } else { facts.max_attempts })
}

/// The data centre that asks, looked up once a call: its bit, or all where none is named.
#[derive(Clone, Copy)]
pub(crate) struct Centre(u64);

impl Centre {
    #[inline]
    pub(crate) fn of<D: RoutingData + ?Sized>(data: &D, facts: &CallFacts<'_>) -> Self {
        match facts.data_centre {
            "" => Self(u64::MAX),
            name => Self(data.data_centre_bit(name)),
        }
    }

    /// Why it cannot; `None` when it can (contract step 12).
    pub(crate) fn refusal<L: LiveView + ?Sized>(
        self,
        live: &L,
        facts: &CallFacts<'_>,
        gateway: &GatewayTerms,
    ) -> Option<&'static str> {
        if !gateway.serves(self.0) {
            return Some("not in this data centre");
        }
        if live.leaves_out(gateway.id, facts.at) {
            return Some("taken down by an operator");
        }
        if !gateway.health_checked && gateway.conc_calls == 0 && gateway.max_cps == 0 {
            return None;
        }
        let load = live.gateway_load(gateway.id, facts.data_centre, facts.at);
        if gateway.health_checked && !load.healthy {
            return Some("not healthy");
        }
        if gateway.conc_calls > 0 && load.in_progress >= gateway.conc_calls {
            return Some("at its cap of calls in progress");
        }
        if gateway.max_cps > 0 && load.this_second >= gateway.max_cps {
            return Some("at its cap of calls per second");
        }
        None
    }
}
