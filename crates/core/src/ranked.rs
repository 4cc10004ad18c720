//! The short way: a call whose carriers were put in order when the snapshot was built.
//!
//! Most numbers have one order of carriers for every caller and instant. Their list is ranked in
//! the file, so the decision walks it until the attempts are filled, and never touches the carriers
//! behind. Whatever could change the order sends the call the long way, which is the contract to
//! the letter; both give the same answer, and the oracle in the tests holds them to it.

use crate::{
    CallFacts, Candidate, Decision, E164, Plan,
    data::{GatewayTerms, Index, LiveView, Org, Ranked, RoutingData},
    plan::DEFAULT_ATTEMPTS,
};

/// A decision made the short way; `None` where the call has to go the long way.
pub(crate) fn decide<D: RoutingData + ?Sized, L: LiveView + ?Sized>(
    data: &D,
    live: &L,
    facts: &CallFacts<'_>,
    org: Option<Org>,
    number: E164,
    caller: impl FnOnce() -> Option<E164>,
) -> Option<Decision> {
    let settings = data.settings();
    let own = org.is_some_and(|org| {
        org.has_private_numbers || org.has_overrides || org.has_profile || org.has_margin
    });
    if own || settings.has_overrides || settings.shorter_prefix || facts.at < settings.ranked_from {
        return None;
    }
    if facts.profile.is_some() || facts.lrn.is_some() {
        return None;
    }
    if facts.privacy_class.is_some() || facts.pci_zone.is_some() || facts.carrier_group.is_some() {
        return None;
    }
    let list = data.offers(number.key());
    let len = data.ranked_len(list);
    let centre = Centre::of(data, facts);
    let attempts = attempts(facts);
    // Made where it will be returned: a plan is half a kilobyte.
    let mut decision = Decision::Route(Plan::empty(data.generation()));
    let Decision::Route(plan) = &mut decision else { return None };
    (plan.number, plan.looked_up) = (Some(number), Some(number));
    'filled: for n in 0..len {
        let entry = data.ranked(list, n)?;
        let carrier = data.carrier_terms(entry.carrier)?;
        if carrier.weighted {
            return None;
        }
        let mut first = true;
        for at in (carrier.first_gateway..).take(carrier.gateways as usize).map(Index) {
            let usable = centre.usable(live, facts, &data.gateway_terms(at)?);
            // Among equal prices the best gateway left decides: the file knew only the best.
            if first && !usable && entry.tied {
                return None;
            }
            first = false;
            if !usable {
                continue;
            }
            let Ranked { carrier, rate, prefix_len, .. } = entry;
            let candidate = Candidate { carrier, gateway: at, rate, prefix_len };
            if !plan.push(candidate) || plan.routes().len() >= attempts {
                break 'filled;
            }
        }
    }
    // Nothing left: the long way tells why.
    if plan.routes().is_empty() {
        return None;
    }
    plan.caller = caller();
    Some(decision)
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
        self.refusal(live, facts, gateway).is_none()
    }

    /// Why it cannot; `None` when it can (contract step 12).
    pub(crate) fn refusal<L: LiveView + ?Sized>(
        self,
        live: &L,
        facts: &CallFacts<'_>,
        gateway: &GatewayTerms,
    ) -> Option<&'static str> {
        if let Self::Named(bit) = self
            && gateway.data_centres != 0
            && gateway.data_centres & bit == 0
        {
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
