//! The short way: a call whose carriers were put in order when the snapshot was built.
//!
//! Most numbers have one order of carriers for every caller and instant. Their list is ranked in
//! the file, so the decision walks it until the attempts are filled, and never touches the carriers
//! behind. Whatever could change the order sends the call the long way, which is the contract to
//! the letter; both give the same answer, and the oracle in the tests holds them to it.

use crate::{
    CallFacts, Candidate, E164, Plan,
    data::{GatewayTerms, Index, LiveView, Org, Ranked, RoutingData},
    plan::DEFAULT_ATTEMPTS,
};

/// Fills an empty plan the short way; `false` where the call has to go the long way, whatever was
/// put into it by then.
pub(crate) fn fill<D: RoutingData + ?Sized, L: LiveView + ?Sized>(
    data: &D,
    live: &L,
    facts: &CallFacts<'_>,
    org: Option<Org>,
    looked_up: E164,
    caller: &mut dyn FnMut() -> Option<E164>,
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
    // Nothing put in: the long way tells why.
    walk(data, live, facts, looked_up, caller, plan).is_some() && !plan.routes().is_empty()
}

/// Puts in what the list gives, cheapest first; `None` where only the long way can tell.
#[inline]
fn walk<D: RoutingData + ?Sized, L: LiveView + ?Sized>(
    data: &D,
    live: &L,
    facts: &CallFacts<'_>,
    looked_up: E164,
    caller: &mut dyn FnMut() -> Option<E164>,
    plan: &mut Plan,
) -> Option<()> {
    let list = data.settled(data.offers(looked_up.key()), facts.at, caller);
    let centre = Centre::of(data, facts);
    let attempts = attempts(facts);
    for n in 0..data.ranked_len(list) {
        let Ranked { carrier, rate, prefix_len, tied, closed_loop } = data.ranked(list, n)?;
        if closed_loop {
            // Its own organisations have it before all others.
            if data.closed_loop_member(facts.org_id, carrier) {
                return None;
            }
            continue;
        }
        let row = data.carrier_terms(carrier)?;
        if row.weighted {
            return None;
        }
        let gateways = row.first_gateway..row.first_gateway.saturating_add(row.gateways);
        for gateway in gateways.clone().map(Index) {
            if !centre.usable(live, facts, &data.gateway_terms(gateway)?) {
                // Among equal prices the best gateway left decides: the file knew only the best.
                if tied && gateway.0 == gateways.start {
                    return None;
                }
                continue;
            }
            let candidate = Candidate { carrier, gateway, rate, prefix_len };
            if !plan.push(candidate) || plan.routes().len() >= attempts {
                return Some(());
            }
        }
    }
    Some(())
}

/// How many attempts a plan for this call may have.
pub(crate) fn attempts(facts: &CallFacts<'_>) -> usize {
    usize::from(if facts.max_attempts == 0 { DEFAULT_ATTEMPTS } else { facts.max_attempts })
}

/// The data centre that asks, looked up once a call.
#[derive(Clone, Copy)]
pub(crate) enum Centre {
    /// None is named: every gateway will do.
    Any,
    /// Gateways with this bit, or with none set.
    Named(u64),
}

impl Centre {
    pub(crate) fn of<D: RoutingData + ?Sized>(data: &D, facts: &CallFacts<'_>) -> Self {
        match facts.data_centre {
            "" => Self::Any,
            name => Self::Named(data.data_centre_bit(name)),
        }
    }

    /// Whether a gateway of these terms can take the call now.
    fn usable<L: LiveView + ?Sized>(
        self,
        live: &L,
        facts: &CallFacts<'_>,
        gateway: &GatewayTerms,
    ) -> bool {
        self.serves(gateway) && live.takes(gateway, facts.data_centre, facts.at)
    }

    fn serves(self, gateway: &GatewayTerms) -> bool {
        match self {
            Self::Any => true,
            Self::Named(bit) => gateway.data_centres == 0 || gateway.data_centres & bit != 0,
        }
    }

    /// Why it cannot; `None` when it can (contract step 12).
    pub(crate) fn refusal<L: LiveView + ?Sized>(
        self,
        live: &L,
        facts: &CallFacts<'_>,
        gateway: &GatewayTerms,
    ) -> Option<&'static str> {
        if !self.serves(gateway) {
            return Some("not in this data centre");
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
