//! One attempt at one gateway: dial, join, and say how it ended.

use fsx_core::Nano;
use fsx_wire::{answer::Route, record::AttemptRecord};

use crate::{
    bill::{Bill, Spend},
    calls::LegUp,
    dialled,
    host::{Cause, Channel, Event, Session, core, dial},
    lcr::leg_variables,
    live::Counted,
    measure, passive,
    stats::count,
    world::{Setup, World},
};

/// FreeSWITCH's variable for the SIP status that ended the other leg, such as `sip:503`.
const LAST_STATUS: &str = "last_bridge_proto_specific_hangup_cause";

/// How an attempt ended.
pub(crate) struct Outcome {
    /// The far end answered; the call was had.
    pub(crate) answered: bool,
    /// Why it ended.
    pub(crate) cause: Cause,
    /// SIP status of the answer that ended it; 0 where none is known.
    pub(crate) sip_status: u16,
}

impl Outcome {
    /// The cause as `fsx_core::cause` counts it.
    pub(crate) fn q850(&self) -> u16 {
        measure::q850(self.cause)
    }
}

/// An attempt that is to be made.
pub(crate) struct Attempt<'a> {
    /// UUID of the caller's leg.
    pub(crate) call: &'a str,
    /// Where to.
    pub(crate) route: &'a Route,
    /// The caller id that may go to a trusted trunk only.
    pub(crate) withheld_cli: &'a str,
    /// What the organisation sells the number for, where mod_lcr's names are in use and that is known.
    pub(crate) sell: Option<Nano>,
    /// What it is billed by.
    pub(crate) bill: Bill,
    /// Its place at the gateway, given back when its leg ends.
    pub(crate) counted: Option<Counted>,
}

/// Makes the attempt. Returns when it has failed, or when the caller's part in it is over; what is
/// then left of it is told at the end of its leg.
pub(crate) fn make(
    world: &World,
    session: Session<'_>,
    setup: &Setup,
    attempt: Attempt<'_>,
) -> Outcome {
    let route = attempt.route;
    // By the clock of the legs: this host's own may be set while the call is up.
    let started_ms = core::now_ms();
    let mut record = AttemptRecord {
        carrier_id: route.carrier_id,
        gateway_id: route.gateway_id,
        rate_id: route.rate_id,
        rate: route.rate.clone(),
        setup: route.setup.clone(),
        currency: route.currency.clone(),
        dial_string: route.dial_string.clone(),
        started_ms,
        ..AttemptRecord::default()
    };
    let failed = |mut record: AttemptRecord, cause: Cause| {
        record.ended_ms = core::now_ms().max(started_ms);
        record.cause = cause.number();
        record.cause_name = cause.name();
        let sip_status = record.sip_status;
        world.calls.attempted(attempt.call, record);
        Outcome { answered: false, cause, sip_status }
    };
    let Some(variables) = variables(setup, route, attempt.withheld_cli, attempt.sell) else {
        return failed(record, Cause::q850(28));
    };
    let channel = session.channel();
    channel.set(LAST_STATUS, None);
    let limit_s = setup.config.attempt_timeout_s;
    let leg = match dial::originate(session, &route.dial_string, variables, limit_s) {
        Ok(leg) => leg,
        Err(cause) => {
            record.sip_status = sip_status(channel, LAST_STATUS);
            measure::failed(world, setup, route.gateway_id, cause, record.sip_status);
            return failed(record, cause);
        }
    };
    measure::delay(world, route.gateway_id, leg.channel());
    let at_once = leg.channel().answered();
    if at_once {
        // Now, not when the call is over: the next decision is to know.
        measure::answered(world, setup, route.gateway_id);
    }
    // Answered, or early media that may still end in a refusal.
    dial::bridge(session, &leg);
    let far = leg.channel();
    finish(&mut record, far);
    let (answered, sip_status) = (far.answered(), record.sip_status);
    let still_up = far.cause() == Cause::NONE;
    if !at_once && answered {
        measure::answered(world, setup, route.gateway_id);
    } else if !answered && !still_up {
        measure::failed(world, setup, route.gateway_id, far.cause(), sip_status);
    }
    let cause = match far.cause() {
        Cause::NONE => {
            let place = world.calls.attempted(attempt.call, record.clone());
            // Kept while our lock is on the leg, so that its end cannot be missed.
            let call = attempt.call.to_owned();
            let (bill, counted) = (attempt.bill, attempt.counted);
            let up = LegUp { call, attempt: place, record, bill, counted, told: answered };
            world.calls.outlives(&leg.session().uuid(), up);
            Cause::NORMAL_CLEARING
        }
        cause => {
            measure::talk(world, &record);
            charge(world, &mut record, attempt.bill);
            world.calls.attempted(attempt.call, record);
            cause
        }
    };
    Outcome { answered, cause, sip_status }
}

/// A leg that was kept has ended. Gives its call's record when that waited for it.
pub(crate) fn leg_ended(
    world: &World,
    mut up: LegUp,
    far: Channel<'_>,
) -> Option<fsx_wire::record::CallRecord> {
    drop(up.counted.take());
    finish(&mut up.record, far);
    let (gateway_id, sip_status) = (up.record.gateway_id, up.record.sip_status);
    match (up.told, far.answered()) {
        (true, _) => {}
        (false, true) => measure::answered(world, &world.setup(), gateway_id),
        (false, false) => {
            measure::failed(world, &world.setup(), gateway_id, far.cause(), sip_status);
        }
    }
    measure::talk(world, &up.record);
    charge(world, &mut up.record, up.bill);
    world.calls.settle(&up.call, up.attempt, up.record)
}

/// Takes down times and cause of a leg, as far as they have come.
fn finish(record: &mut AttemptRecord, far: Channel<'_>) {
    // FreeSWITCH stamps with a clock that ticks: never before we began.
    record.answered_ms = far.time_ms("answered_time").map(|ms| ms.max(record.started_ms));
    if !far.answered() {
        record.sip_status = sip_status(far, "proto_specific_hangup_cause");
    }
    // By the same clock, so that the duration is right; ours where it is not set yet.
    record.ended_ms = far
        .time_ms("hungup_time")
        .unwrap_or_else(core::now_ms)
        .max(record.answered_ms.unwrap_or(record.started_ms));
    let cause = match far.cause() {
        Cause::NONE => Cause::NORMAL_CLEARING,
        cause => cause,
    };
    record.cause = cause.number();
    record.cause_name = cause.name();
}

/// Puts the cost into the record and adds it to what the organisation has spent.
fn charge(world: &World, record: &mut AttemptRecord, bill: Bill) {
    record.cost = bill.cost(record).map(|cost| cost.to_string()).unwrap_or_default();
    match bill.spend(record) {
        Spend::Nothing => {}
        Spend::Known(cost) => world.spent(bill.org, cost),
        Spend::Unknown => count(&world.stats.spend_unknown),
    }
}

/// The new leg's variables; `None` when the number must not be put into a dial string.
fn variables(
    setup: &Setup,
    route: &Route,
    withheld_cli: &str,
    sell: Option<Nano>,
) -> Option<Event> {
    if !dialled::is_safe(&route.number) || route.dial_string.is_empty() {
        return None;
    }
    let mut event = Event::bare()?;
    if setup.config.mod_lcr_names {
        for (name, value) in leg_variables(route, sell) {
            if !route.vars.contains_key(&name) {
                event.add(&name, &value);
            }
        }
    }
    for (name, value) in dialled::variables(&setup.config, route, withheld_cli) {
        event.add(&name, &value);
    }
    event.add(measure::BY_BRIDGE, "bridge");
    Some(event)
}

fn sip_status(channel: Channel<'_>, variable: &str) -> u16 {
    passive::sip_status(&channel.var(variable).unwrap_or_default())
}
