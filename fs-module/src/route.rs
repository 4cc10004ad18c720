//! The decision: facts in, attempts out.
//!
//! Emergency comes first and needs nothing: the numbers and, where the routing data has no gateway
//! for them, the dial strings of this host's configuration. Everything else is the engine's answer
//! over the snapshot and the live table in hand.

use std::time::Instant;

use fsx_core::{
    Candidate, Country, Decision, Nano, Plan, Reject,
    data::{Index, LiveView, NoLive, RoutingData},
    emergency, render, standing,
};
use fsx_wire::answer::{Route, RouteAnswer};

use crate::{
    config::Config,
    dialled,
    live::Bounds,
    stats::{Stats, count},
    vars::Facts,
    world::{Data, World},
};

/// Cause of a call that could not be decided for want of data: temporary failure, so that whoever
/// sent the call may try another switch.
const NO_DATA: u16 = 41;

/// What was decided, and from what.
pub(crate) struct Routing {
    /// The facts, with what the configuration added.
    pub(crate) facts: Facts,
    /// Generation of the data; 0 where there was none.
    pub(crate) generation: u64,
    /// The number in E.164.
    pub(crate) number: Option<String>,
    /// An emergency call.
    pub(crate) emergency: bool,
    /// `local`, `policy` or `fallback`.
    pub(crate) decided_by: &'static str,
    /// Version of the policy bundle that decided.
    pub(crate) policy_version: Option<String>,
    /// The answer.
    pub(crate) verdict: Verdict,
}

/// The answer.
#[allow(clippy::large_enum_variant)] // One a call, on its stack.
pub(crate) enum Verdict {
    /// Try these.
    Route(Attempts),
    /// Refuse.
    Reject {
        /// Q.850 cause.
        cause: u16,
        /// In words.
        reason: String,
        /// What the engine said, where it was the engine.
        why: Option<Reject>,
    },
}

/// What to try, in order.
#[derive(Default)]
pub(crate) struct Attempts {
    /// A plan over the data it was made from, rendered attempt by attempt.
    plan: Option<(Data, Plan)>,
    /// After the plan: what a policy gave, or this host's emergency gateways.
    given: Vec<Route>,
}

impl Attempts {
    /// Attempts that somebody else made.
    pub(crate) fn given(routes: Vec<Route>) -> Self {
        Self { plan: None, given: routes }
    }

    /// How many there are.
    pub(crate) fn len(&self) -> usize {
        self.planned() + self.given.len()
    }

    fn planned(&self) -> usize {
        self.plan.as_ref().map_or(0, |(_, plan)| plan.routes().len())
    }

    /// The `n`th, in words.
    pub(crate) fn get(&self, facts: &Facts, n: usize) -> Option<Route> {
        if let Some((data, plan)) = &self.plan
            && let Some(candidate) = plan.routes().get(n)
        {
            let route = Route::new(data.routing(), &facts.borrow(), plan, candidate);
            // Of a file that was cut meanwhile, nothing may be dialled.
            return (!data.lost()).then(|| shown(route, facts));
        }
        Some(shown(self.given.get(n.checked_sub(self.planned())?)?.clone(), facts))
    }

    /// What the organisation sells the number for, a minute and in the base currency, where it sells by a
    /// retail deck.
    pub(crate) fn sell_price(&self, facts: &Facts) -> Option<Nano> {
        let (data, _) = self.plan.as_ref()?;
        fsx_core::sell_price(data.routing(), &facts.borrow())
    }

    /// Length of the call that the plan's prices are compared for, in seconds; 0 without a plan.
    pub(crate) fn reference_s(&self) -> u32 {
        self.plan.as_ref().map_or(0, |(data, _)| data.routing().settings().reference_seconds)
    }

    /// What the gateway of the `n`th can take, by the data; without bounds where that says nothing of it.
    pub(crate) fn bounds(&self, n: usize) -> Bounds {
        let Some((data, plan)) = &self.plan else { return Bounds::default() };
        let Some(candidate) = plan.routes().get(n) else { return Bounds::default() };
        let Some(gateway) = data.routing().gateway(candidate.gateway) else {
            return Bounds::default();
        };
        Bounds {
            calls: gateway.conc_calls,
            per_second: gateway.max_cps,
            health_checked: gateway.health_checked,
        }
    }

    /// The caller id of the `n`th though it is withheld, for a trusted trunk; empty when unknown.
    pub(crate) fn withheld_cli(&self, facts: &Facts, n: usize) -> String {
        let Some((data, plan)) = &self.plan else { return String::new() };
        let Some(candidate) = plan.routes().get(n) else { return String::new() };
        render::attempt(data.routing(), &facts.borrow(), plan, candidate).cli.to_string()
    }
}

/// The route with a caller id of its own, where FreeSWITCH would else show one that no header can carry:
/// calls for help are never withheld, and a policy may say that a call is not.
fn shown(mut route: Route, facts: &Facts) -> Route {
    if facts.unshown && !route.withhold_cli {
        if route.cli.is_empty() {
            route.cli = "anonymous".to_owned();
        }
        let name = route.vars.entry("origination_caller_id_name".to_owned());
        name.or_insert_with(|| route.cli.clone());
    }
    route
}

/// Decides a call by the data in hand, and notes how long that took. Does not wait for anything.
pub(crate) fn local(world: &World, config: &Config, facts: Facts) -> Routing {
    let begun = Instant::now();
    let routing = by_data(world, config, facts);
    world.stats.decided_in(begun.elapsed());
    routing
}

/// The same for somebody who only wants to know: not noted among the decisions.
pub(crate) fn undisturbed(world: &World, config: &Config, facts: Facts) -> Routing {
    by_data(world, config, facts)
}

fn by_data(world: &World, config: &Config, facts: Facts) -> Routing {
    let Some(data) = world.snapshot() else { return by(world, config, facts, None) };
    let routing = by(world, config, facts, Some(data.clone()));
    if data.lost() {
        // Somebody cut its file: what was read of it meanwhile were zeros.
        return by(world, config, routing.facts, None);
    }
    routing
}

fn by(world: &World, config: &Config, mut facts: Facts, data: Option<Data>) -> Routing {
    if facts.home_country.is_none() && !data.as_ref().is_some_and(|d| knows_country(d, facts.org)) {
        facts.home_country = config.home_country;
    }
    match emergency_call(config, data.as_ref(), &facts) {
        Some(country) => emergency_routing(config, data, facts, country),
        None => ordinary(world, data, facts),
    }
}

/// Counts a call's decision.
pub(crate) fn note(stats: &Stats, routing: &Routing) {
    count(&stats.calls);
    count(match routing.verdict {
        Verdict::Route(_) => &stats.routed,
        Verdict::Reject { .. } => &stats.rejected,
    });
    if routing.emergency {
        count(&stats.emergency);
    }
}

fn knows_country(data: &Data, org: u32) -> bool {
    let data = data.routing();
    data.settings().home_country.is_some()
        || data.org(org).is_some_and(|org| org.home_country.is_some())
}

/// The country whose emergency gateways are wanted, if this is an emergency call.
fn emergency_call(config: &Config, data: Option<&Data>, facts: &Facts) -> Option<Option<Country>> {
    let called = facts.called.as_bytes();
    let country = facts.home_country.or_else(|| {
        let data = data?.routing();
        data.org(facts.org).and_then(|org| org.home_country).or(data.settings().home_country)
    });
    let is_emergency = facts.emergency
        || data.is_some_and(|data| data.routing().is_emergency(country, called))
        || emergency::is_builtin(country, called)
        || config.emergency_numbers.iter().any(|extra| {
            extra.number.as_bytes() == called
                && (extra.country.is_none() || extra.country == country)
        });
    is_emergency.then_some(country)
}

/// The gateways of the routing data, then those of the configuration.
fn emergency_routing(
    config: &Config,
    data: Option<Data>,
    facts: Facts,
    country: Option<Country>,
) -> Routing {
    let mut attempts = Attempts::default();
    let mut generation = 0;
    if let Some(data) = data {
        let plan = emergency_plan(&data, &facts, country);
        generation = plan.generation;
        if !plan.routes().is_empty() {
            attempts.plan = Some((data, plan));
        }
    }
    if dialled::is_safe(&facts.called) {
        attempts.given = config
            .emergency_gateways
            .iter()
            .filter(|gateway| gateway.country.is_none() || gateway.country == country)
            .map(|gateway| Route {
                carrier: "emergency".to_owned(),
                number: facts.called.clone(),
                cli: facts.caller.clone().unwrap_or_default(),
                dial_string: gateway.dial_string.replace("${number}", &facts.called),
                ..Route::default()
            })
            .collect();
    }
    let verdict = if attempts.len() > 0 {
        Verdict::Route(attempts)
    } else {
        let why = Reject::NoEmergencyGateway;
        Verdict::Reject { cause: why.cause(), reason: why.to_string(), why: Some(why) }
    };
    Routing {
        facts,
        generation,
        number: None,
        emergency: true,
        decided_by: "local",
        policy_version: None,
        verdict,
    }
}

/// As the engine's own step 1, also for numbers that only this host knows to be emergency numbers.
fn emergency_plan(data: &Data, facts: &Facts, country: Option<Country>) -> Plan {
    let data = data.routing();
    let mut plan = Plan::empty(data.generation());
    plan.emergency = true;
    plan.dialled = fsx_core::digits::Dialled::new(facts.called.as_bytes()).unwrap_or_default();
    let mut n = 0;
    while let Some(gateway) = data.emergency_gateway(country, n) {
        let carrier = data.gateway(gateway).map_or(Index::NONE, |row| row.carrier);
        if !plan.push(Candidate { carrier, gateway, ..Candidate::default() }) {
            break;
        }
        n += 1;
    }
    plan
}

fn ordinary(world: &World, data: Option<Data>, facts: Facts) -> Routing {
    let Some(data) = data else {
        return Routing {
            facts,
            generation: 0,
            number: None,
            emergency: false,
            decided_by: "local",
            policy_version: None,
            verdict: Verdict::Reject {
                cause: NO_DATA,
                reason: "no routing data".to_owned(),
                why: None,
            },
        };
    };
    let live = world.live();
    let decision = match &live {
        Some(live) => decide_with(&data, live.table(), &facts),
        None => decide_with(&data, &NoLive, &facts),
    };
    let (generation, number, emergency, verdict) = match decision {
        Decision::Route(plan) => (
            plan.generation,
            plan.number.map(|number| number.to_string()),
            plan.emergency,
            Verdict::Route(Attempts { plan: Some((data, plan)), given: Vec::new() }),
        ),
        Decision::Reject { generation, number, why } => (
            generation,
            number.map(|number| number.to_string()),
            false,
            Verdict::Reject { cause: why.cause(), reason: why.to_string(), why: Some(why) },
        ),
    };
    Routing {
        facts,
        generation,
        number,
        emergency,
        decided_by: "local",
        policy_version: None,
        verdict,
    }
}

fn decide_with<L: LiveView>(data: &Data, live: &L, facts: &Facts) -> Decision {
    standing::route(data.routing(), live, &facts.borrow())
}

impl Routing {
    /// The whole answer in words, as every door gives it.
    pub(crate) fn answer(&self) -> RouteAnswer {
        let mut answer = RouteAnswer {
            generation: self.generation,
            number: self.number.clone().unwrap_or_else(|| self.facts.called.clone()),
            org: self.facts.org,
            data_centre: self.facts.data_centre.clone(),
            at: fsx_wire::answer::rfc3339(self.facts.at),
            emergency: self.emergency,
            ..RouteAnswer::default()
        };
        match &self.verdict {
            Verdict::Route(attempts) => {
                answer.decision = "route".to_owned();
                answer.routes =
                    (0..attempts.len()).filter_map(|n| attempts.get(&self.facts, n)).collect();
            }
            Verdict::Reject { cause, reason, .. } => {
                answer.decision = "reject".to_owned();
                answer.cause = Some(*cause);
                answer.reason = Some(reason.clone());
            }
        }
        answer
    }

    /// `route` or `reject`.
    pub(crate) fn decision(&self) -> &'static str {
        match self.verdict {
            Verdict::Route(_) => "route",
            Verdict::Reject { .. } => "reject",
        }
    }
}
