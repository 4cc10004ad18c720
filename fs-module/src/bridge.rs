//! The application `fsx_bridge`: decide, then try gateway after gateway in one leg.
//!
//! It does what a "ghost channel" did, inside the switch: the caller's leg stays one leg and gets
//! one record. Which failures move on to the next gateway is the gateway's own table; busy does
//! not. Ring-back, early media, codecs and bypass are FreeSWITCH's and follow the same variables
//! as for `bridge`; so does what happens after a final failure (`continue_on_fail`,
//! `failure_causes`, `transfer_on_fail`) and after the call (`hangup_after_bridge`, true unless set).

use std::collections::VecDeque;

use fsx_core::cause;
use fsx_live::Fate;
use fsx_seam::guard::Site;
use fsx_wire::answer::Route;

use crate::{
    attempt::{self, Attempt, Outcome},
    bill::Bill,
    decision::{self, Asked},
    host::{
        Cause, Channel, Session,
        log::{self, Level},
        register,
    },
    live::Counted,
    route::{Attempts, Routing, Verdict},
    stats::count,
    vars::out,
    world::{self, Setup, World},
};

/// The cause that a call is left with when our own handling of it failed: temporary failure, so
/// that whoever sent the call may try another switch.
const FAULT: u16 = 41;

/// The cause of a call whose gateways are all full: no circuit available.
const FULL: u16 = 34;

/// The application.
pub(crate) struct Bridge;

impl register::Application for Bridge {
    const NAME: &'static core::ffi::CStr = c"fsx_bridge";
    const SHORT: &'static core::ffi::CStr = c"Route by fsx and bridge, with failover in one leg";
    const LONG: &'static core::ffi::CStr =
        c"Decides where the call goes from data in memory, then bridges to gateway after gateway \
          until one answers or a cause stops it. Without an argument the number is taken from the \
          channel.";
    const SYNTAX: &'static core::ffi::CStr = c"[<number>]";

    fn site() -> &'static Site {
        static SITE: Site = Site::new("app.fsx_bridge");
        &SITE
    }

    fn run(session: Session<'_>, data: &str) {
        let Some(world) = world::get() else { return Self::fallback(session) };
        let number = data.trim();
        run(world, session, (!number.is_empty()).then_some(number));
    }

    /// The call goes on with the next action of its dialplan; `fsx_cause` says how to end it.
    fn fallback(session: Session<'_>) {
        session.channel().set(out::CAUSE, Some("NORMAL_TEMPORARY_FAILURE"));
    }
}

fn run(world: &World, session: Session<'_>, number: Option<&str>) {
    let setup = world.setup();
    let channel = session.channel();
    let started_ms = crate::host::core::now_ms();
    let asked = Asked { number, ..Asked::default() };
    let routing = decision::make(world, &setup, session, asked);
    remember(world, started_ms, &routing);

    let failed = match &routing.verdict {
        Verdict::Route(attempts) => {
            let calls_own_way = ByUs::begin(channel);
            let failed = try_all(world, &setup, session, &routing, attempts);
            drop(calls_own_way);
            failed
        }
        Verdict::Reject { cause, .. } => Some(Cause::q850(*cause)),
    };
    if let Some(cause) = failed {
        channel.set(out::CAUSE, Some(&cause.name()));
        if channel.ready() {
            channel.handle_cause(cause);
        }
    }
}

/// Tries the attempts in order. `None` when the call was had, or is no longer ours; otherwise why
/// the last attempt failed.
fn try_all(
    world: &World,
    setup: &Setup,
    session: Session<'_>,
    routing: &Routing,
    attempts: &Attempts,
) -> Option<Cause> {
    let channel = session.channel();
    let mut last = Cause::q850(FAULT);
    // For `lcr_user_rate`, which nobody else asks for.
    let sell = setup.config.mod_lcr_names.then(|| attempts.sell_price(&routing.facts)).flatten();
    let mut turns: VecDeque<Turn> = (0..attempts.len()).map(Turn::first).collect();
    let mut made = 0;
    while let Some(Turn { n, put_off }) = turns.pop_front() {
        if !channel.ready() {
            return None;
        }
        let Some(route) = attempts.get(&routing.facts, n) else { break };
        let at = fsx_seam::clock::utc_s();
        let bounds = attempts.bounds(n);
        // Others may have filled it since, or an operator taken it out.
        let bar = world
            .live()
            .filter(|_| !routing.emergency)
            .and_then(|live| bounds.bar(&live, route.gateway_id, &routing.facts.data_centre, at));
        if let Some(bar) = bar {
            let line = format!("fsx: gateway {} is {bar}, passed over", route.gateway_id);
            log::call(session, Level::Info, &line);
            if made == 0 {
                last = Cause::q850(FULL);
            }
            continue;
        }
        // The plan was made for how its gateways stood then; by now this one may stand back.
        let may = put_off || routing.emergency || may_try(world, setup, route.gateway_id, at);
        if !may && !turns.is_empty() {
            count(&world.stats.put_off);
            turns.push_back(Turn { n, put_off: true });
            continue;
        }
        made += 1;
        let counted = Counted::begin(world.live(), route.gateway_id, at);
        // The decision saw room; by now others may have taken it.
        if !routing.emergency && counted.as_ref().is_some_and(|c| c.over(bounds)) {
            give_back(world, setup, route.gateway_id, at);
            let line = format!("fsx: gateway {} is full, passed over", route.gateway_id);
            log::call(session, Level::Info, &line);
            last = Cause::q850(FULL);
            continue;
        }
        count(&world.stats.attempts);
        channel.set(out::ATTEMPTS, Some(&made.to_string()));
        channel.set(out::GATEWAY, Some(&route.gateway_id.to_string()));
        channel.set(out::CARRIER, Some(&route.carrier_id.to_string()));
        let withheld_cli = match route.withhold_cli {
            true => attempts.withheld_cli(&routing.facts, n),
            false => String::new(),
        };
        let outcome = attempt::make(
            world,
            session,
            setup,
            Attempt {
                call: &routing.facts.call_id,
                route: &route,
                withheld_cli: &withheld_cli,
                sell,
                bill: Bill::of(routing.facts.org, &route, attempts.reference_s()),
                counted,
            },
        );
        say(session, made, attempts.len(), &route, &outcome);
        last = outcome.cause;
        if outcome.answered {
            count(&world.stats.answered);
            return None;
        }
        if ends_call(routing.emergency, &route, &outcome) {
            break;
        }
    }
    // Gone, transferred or parked by somebody while we were at it: not ours to end.
    (channel.ready() && !channel.transferring()).then_some(last)
}

/// A turn in the plan.
struct Turn {
    /// Its place there.
    n: usize,
    /// It was put off to the end before: it is not again.
    put_off: bool,
}

impl Turn {
    fn first(n: usize) -> Self {
        Self { n, put_off: false }
    }
}

/// Whether a gateway may be tried in its place: it is not down by its own calls, nor has it calls
/// enough on trial. Where it may, its end is told by [`crate::measure`].
fn may_try(world: &World, setup: &Setup, gateway_id: u32, at: i64) -> bool {
    match (world.live(), setup.config.passive.rules()) {
        (Some(live), Some(rules)) => live.table().may_try(gateway_id, at, rules),
        _ => true,
    }
}

/// The attempt that [`may_try`] allowed is not made.
fn give_back(world: &World, setup: &Setup, gateway_id: u32, at: i64) {
    if let (Some(live), Some(rules)) = (world.live(), setup.config.passive.rules()) {
        // Nothing changes by a call that was not made, but the number of those on trial.
        let _ = live.table().attempt_ended(gateway_id, at, Fate::Unknown, rules);
    }
}

/// Whether this outcome leaves nothing to try. An emergency call tries everything.
fn ends_call(emergency: bool, route: &Route, outcome: &Outcome) -> bool {
    if outcome.answered {
        return true;
    }
    !emergency && cause::stops(&route.stop_causes, outcome.q850(), outcome.sip_status)
}

/// Begins the call's record, or goes on with it: a call that is transferred back to us is one call.
fn remember(world: &World, started_ms: i64, routing: &Routing) {
    world.calls.begin(&routing.facts.call_id, |call| {
        call.facts = routing.facts.to_wire();
        call.generation = routing.generation;
        call.decided_by = routing.decided_by;
        call.policy_version = routing.policy_version.clone();
        call.number = routing.number.clone();
        call.decision = routing.decision();
        call.emergency = routing.emergency;
        if call.started_ms == 0 {
            call.started_ms = started_ms;
        }
    });
}

fn say(session: Session<'_>, made: usize, of: usize, route: &Route, outcome: &Outcome) {
    let line = format!(
        "fsx: attempt {made}/{of} at gateway {} ({}): {}{}",
        route.gateway_id,
        route.dial_string,
        outcome.cause.name(),
        match outcome.sip_status {
            0 => String::new(),
            status => format!(", SIP {status}"),
        }
    );
    log::call(session, Level::Info, &line);
}

/// While we try gateways, a refusal after early media must come back to us instead of ending the
/// call: FreeSWITCH asks `continue_on_fail`. What the site had set is put back afterwards.
struct ByUs<'call> {
    channel: Channel<'call>,
    continue_on_fail: Option<String>,
    failure_causes: Option<String>,
}

const CONTINUE_ON_FAIL: &str = "continue_on_fail";
const FAILURE_CAUSES: &str = "failure_causes";
const HANGUP_AFTER_BRIDGE: &str = "hangup_after_bridge";

impl<'call> ByUs<'call> {
    fn begin(channel: Channel<'call>) -> Self {
        let before = Self {
            channel,
            continue_on_fail: channel.var(CONTINUE_ON_FAIL),
            failure_causes: channel.var(FAILURE_CAUSES),
        };
        channel.set(CONTINUE_ON_FAIL, Some("true"));
        channel.set(FAILURE_CAUSES, None);
        if channel.var(HANGUP_AFTER_BRIDGE).is_none() {
            channel.set(HANGUP_AFTER_BRIDGE, Some("true"));
        }
        before
    }
}

impl Drop for ByUs<'_> {
    fn drop(&mut self) {
        self.channel.set(CONTINUE_ON_FAIL, self.continue_on_fail.as_deref());
        self.channel.set(FAILURE_CAUSES, self.failure_causes.as_deref());
    }
}
