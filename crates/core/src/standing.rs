//! Gateways that stand back: tried after all others because their own calls fail, or taken down by an
//! operator.
//!
//! Neither is in the routing data, and neither may make a call fail that could be routed: what a
//! gateway did to the last ten calls is a guess about the next. So the plan is made as ever, with room
//! for as many attempts as there can be, and put in order afterwards: first the gateways in their
//! ordinary places, then those that stand back, then it is cut at the attempts allowed. Only what an
//! operator took down is left out, before anything else. An emergency plan stays as it is.
//!
//! Nothing of this is done, or looked at, while no gateway stands back
//! ([`LiveView::all_ordinary`]).

use crate::{
    CallFacts, Candidate, Decision, Plan, Reject,
    data::{GatewayLoad, GatewayTerms, LiveView, RoutingData, Standing},
    decide::decide_into,
    decide_why,
    money::Nano,
    plan::{DEFAULT_ATTEMPTS, MAX_ATTEMPTS, NoWhy, Step, WhySink},
    profile::Quality,
};

/// [`decide()`](crate::decide()), and then gateways by their standing: the door for calls.
#[must_use]
pub fn route<D: RoutingData + ?Sized, L: LiveView + ?Sized>(
    data: &D,
    live: &L,
    facts: &CallFacts<'_>,
) -> Decision {
    let mut decision = Decision::Route(Plan::empty(data.generation()));
    route_into(data, live, facts, &mut decision);
    decision
}

/// The same, put where an earlier decision was ([`decide_into`]).
pub fn route_into<D: RoutingData + ?Sized, L: LiveView + ?Sized>(
    data: &D,
    live: &L,
    facts: &CallFacts<'_>,
    decision: &mut Decision,
) {
    if live.all_ordinary() {
        decide_into(data, live, facts, &mut NoWhy, decision);
    } else {
        *decision = route_standing(data, live, facts, &mut NoWhy);
    }
}

/// The same, telling why carriers and gateways were left out.
pub fn route_why<D: RoutingData + ?Sized, L: LiveView + ?Sized, W: WhySink>(
    data: &D,
    live: &L,
    facts: &CallFacts<'_>,
    why: &mut W,
) -> Decision {
    if live.all_ordinary() {
        return decide_why(data, live, facts, why);
    }
    route_standing(data, live, facts, why)
}

/// Some gateway stands back. Apart, so that others need not make room for it.
#[inline(never)]
fn route_standing<D: RoutingData + ?Sized, L: LiveView + ?Sized, W: WhySink>(
    data: &D,
    live: &L,
    facts: &CallFacts<'_>,
    why: &mut W,
) -> Decision {
    let facts_of_all = CallFacts { max_attempts: MAX_ATTEMPTS as u8, ..*facts };
    let decision = decide_why(data, &Left { live, last: true }, &facts_of_all, why);
    settle(data, live, facts, decision, why)
}

/// A live table without the gateways that an operator took down: they take no place in a plan, so that
/// whatever stands behind them is reached, however many they are. Without `last`, those that stand back
/// are left out too.
struct Left<'a, L: ?Sized> {
    live: &'a L,
    last: bool,
}

impl<L: LiveView + ?Sized> LiveView for Left<'_, L> {
    fn healthy(&self, gateway_id: u32, data_centre: &str) -> bool {
        self.live.healthy(gateway_id, data_centre)
    }
    fn calls_in_progress(&self, gateway_id: u32) -> u32 {
        self.live.calls_in_progress(gateway_id)
    }
    fn calls_this_second(&self, gateway_id: u32, at: i64) -> u32 {
        self.live.calls_this_second(gateway_id, at)
    }
    fn gateway_load(&self, gateway_id: u32, data_centre: &str, at: i64) -> GatewayLoad {
        self.live.gateway_load(gateway_id, data_centre, at)
    }
    fn takes(&self, row: &[u8; GatewayTerms::BYTES], facts: &CallFacts<'_>, glance: bool) -> bool {
        let out = self.leaves_out(GatewayTerms::of(row).id, facts.at);
        !out && self.live.takes(row, facts, glance)
    }
    fn glance(&self) -> bool {
        self.live.glance()
    }
    fn spend(&self, org_id: u32) -> Option<Nano> {
        self.live.spend(org_id)
    }
    fn quality(&self, gateway_id: u32) -> Quality {
        self.live.quality(gateway_id)
    }
    fn leaves_out(&self, gateway_id: u32, at: i64) -> bool {
        match self.live.standing(gateway_id, at) {
            Standing::Ordinary => false,
            Standing::Last => !self.last,
            Standing::Out => true,
        }
    }
}

/// Adds the gateways in ordinary places that a full plan had no room for.
fn add_those_behind<D: RoutingData + ?Sized, L: LiveView + ?Sized>(
    data: &D,
    live: &L,
    facts: &CallFacts<'_>,
    settled: &mut Plan,
    allowed: usize,
) {
    let facts = CallFacts { max_attempts: MAX_ATTEMPTS as u8, ..*facts };
    let left = Left { live, last: false };
    let Decision::Route(plan) = decide_why(data, &left, &facts, &mut NoWhy) else { return };
    for candidate in plan.routes() {
        let known = settled.routes().iter().any(|there| there.gateway == candidate.gateway);
        if !known && (settled.routes().len() >= allowed || !settled.push(*candidate)) {
            return;
        }
    }
}

fn settle<D: RoutingData + ?Sized, L: LiveView + ?Sized, W: WhySink>(
    data: &D,
    live: &L,
    facts: &CallFacts<'_>,
    decision: Decision,
    why: &mut W,
) -> Decision {
    let plan = match decision {
        Decision::Route(plan) if !plan.emergency => plan,
        other => return other,
    };
    let standing = |candidate: &Candidate| {
        let id = data.gateway_terms(candidate.gateway).map(|terms: GatewayTerms| terms.id);
        id.map_or(Standing::Ordinary, |id| live.standing(id, facts.at))
    };
    let mut settled = Plan::empty(plan.generation);
    settled.number = plan.number;
    settled.looked_up = plan.looked_up;
    settled.caller = plan.caller;
    let allowed =
        usize::from(if facts.max_attempts == 0 { DEFAULT_ATTEMPTS } else { facts.max_attempts });
    // Where those that stand back fill a whole plan, others may stand behind them.
    let crowded = plan.routes().len() == MAX_ATTEMPTS;
    for turn in [Standing::Ordinary, Standing::Last] {
        if turn == Standing::Last && crowded && settled.routes().len() < allowed {
            add_those_behind(data, live, facts, &mut settled, allowed);
        }
        for candidate in plan.routes().iter().filter(|candidate| standing(candidate) == turn) {
            if settled.routes().len() >= allowed || !settled.push(*candidate) {
                let (carrier, gateway) = (candidate.carrier, candidate.gateway);
                why.excluded(carrier, gateway, Step::Plan, "beyond the attempts allowed");
            }
        }
    }
    if settled.routes().is_empty() {
        let (generation, number) = (plan.generation, plan.number);
        return Decision::Reject { generation, number, why: Reject::NoGateway };
    }
    Decision::Route(settled)
}
