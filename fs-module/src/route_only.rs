//! The applications `fsx_route` (decide, and leave the dialling to the dialplan) and `fsx_policy`
//! (the same, with a policy asked by name).
//!
//! They set what `fsx_bridge` sets, and besides, for each attempt `n` from 1 on, `fsx_route_n` (what
//! to give to `bridge`), `fsx_route_count`, and `fsx_auto_route`, all attempts in one dial string.
//! They end no call and make no record: who dials knows how it went.

use fsx_seam::guard::Site;

use crate::{
    decision::{self, Asked},
    dialled, dialstring,
    host::{
        Channel, Session,
        log::{self, Level},
        register,
    },
    policy,
    route::{Attempts, Routing, Verdict},
    vars::out,
    world::{self, Setup},
};

/// Variables for each attempt, by what stands before its number.
const ROUTE: &str = "fsx_route_";
const GATEWAY: &str = "fsx_route_gateway_id_";
const CARRIER: &str = "fsx_route_carrier_id_";
const RATE: &str = "fsx_route_rate_";
const COUNT: &str = "fsx_route_count";
const ALL: &str = "fsx_auto_route";

/// The application `fsx_route`.
pub(crate) struct RouteOnly;

impl register::Application for RouteOnly {
    const NAME: &'static core::ffi::CStr = c"fsx_route";
    const SHORT: &'static core::ffi::CStr = c"Route by fsx, and set variables";
    const LONG: &'static core::ffi::CStr =
        c"Decides where the call goes from data in memory and sets fsx_decision, fsx_cause, \
          fsx_route_count, fsx_route_1 and so on, and fsx_auto_route for bridge.";
    const SYNTAX: &'static core::ffi::CStr = c"[<number>]";

    fn site() -> &'static Site {
        static SITE: Site = Site::new("app.fsx_route");
        &SITE
    }

    fn run(session: Session<'_>, data: &str) {
        let number = Some(data.trim()).filter(|number| !number.is_empty());
        run(session, Asked { number, ..Asked::default() });
    }

    fn fallback(session: Session<'_>) {
        fault(session);
    }
}

/// The application `fsx_policy`.
pub(crate) struct ByPolicy;

impl register::Application for ByPolicy {
    const NAME: &'static core::ffi::CStr = c"fsx_policy";
    const SHORT: &'static core::ffi::CStr = c"Route by fsx and a policy, and set variables";
    const LONG: &'static core::ffi::CStr =
        c"As fsx_route, and asks fsxinetd for the policy of that name before the deadline of the \
          configuration; past it the plan in hand is used, and fsx_decided_by is fallback.";
    const SYNTAX: &'static core::ffi::CStr = c"<policy>";

    fn site() -> &'static Site {
        static SITE: Site = Site::new("app.fsx_policy");
        &SITE
    }

    fn run(session: Session<'_>, data: &str) {
        let policy = policy::Which::Named(data.trim());
        run(session, Asked { policy, ..Asked::default() });
    }

    fn fallback(session: Session<'_>) {
        fault(session);
    }
}

/// What is left when our own handling failed: nothing of an earlier decision, and a cause.
fn fault(session: Session<'_>) {
    let channel = session.channel();
    for name in [out::DECISION, ALL, COUNT] {
        channel.set(name, None);
    }
    channel.set(out::CAUSE, Some("NORMAL_TEMPORARY_FAILURE"));
}

fn run(session: Session<'_>, asked: Asked<'_>) {
    let Some(world) = world::get() else { return fault(session) };
    let setup = world.setup();
    let routing = decision::make(world, &setup, session, asked);
    tell(session, &setup, &routing);
}

fn tell(session: Session<'_>, setup: &Setup, routing: &Routing) {
    let channel = session.channel();
    forget(channel, &[ROUTE, GATEWAY, CARRIER, RATE], COUNT);
    channel.set(ALL, None);
    let Verdict::Route(attempts) = &routing.verdict else {
        channel.set(COUNT, Some("0"));
        return;
    };
    let mut all = Vec::with_capacity(attempts.len());
    for n in 0..attempts.len() {
        let Some(route) = attempts.get(&routing.facts, n) else { break };
        let Some(text) = dial_string(session, setup, routing, attempts, n, &[]) else { continue };
        all.push(text);
        let number = all.len();
        let set = |name: &str, value: &str| channel.set(&format!("{name}{number}"), Some(value));
        set(ROUTE, &all[number - 1]);
        set(GATEWAY, &route.gateway_id.to_string());
        set(CARRIER, &route.carrier_id.to_string());
        set(RATE, &route.rate);
    }
    channel.set(COUNT, Some(&all.len().to_string()));
    channel.set(ALL, Some(&all.join("|")));
}

/// Removes what an earlier lookup set, so that nothing stale is dialled.
pub(crate) fn forget(channel: Channel<'_>, names: &[&str], count: &str) {
    let before: usize = channel.var(count).and_then(|n| n.parse().ok()).unwrap_or(0);
    for n in 1..=before.min(fsx_core::plan::MAX_ATTEMPTS * 2) {
        for name in names {
            channel.set(&format!("{name}{n}"), None);
        }
    }
}

/// What to give to `bridge` for the `n`th attempt, `more` standing before the leg's other
/// variables; `None` when its number must not be put into a dial string.
pub(crate) fn dial_string(
    session: Session<'_>,
    setup: &Setup,
    routing: &Routing,
    attempts: &Attempts,
    n: usize,
    more: &[(String, String)],
) -> Option<String> {
    let route = attempts.get(&routing.facts, n)?;
    if !dialled::is_safe(&route.number) || route.dial_string.is_empty() {
        return None;
    }
    let withheld_cli = match route.withhold_cli {
        true => attempts.withheld_cli(&routing.facts, n),
        false => String::new(),
    };
    let mut variables = more.to_vec();
    variables.extend(dialled::variables(&setup.config, &route, &withheld_cli));
    let (text, left_out) = dialstring::with_variables(&variables, &route.dial_string);
    for name in left_out {
        let line = format!(
            "fsx: gateway {}: variable {name} cannot stand in a dial string and is left out",
            route.gateway_id
        );
        log::call(session, Level::Warning, &line);
    }
    Some(text)
}
