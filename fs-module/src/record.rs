//! The call record: made when the caller's leg ends, one a call, with every attempt. Where a leg to
//! a gateway outlives the caller's, the record waits for its end.
//!
//! It goes to the daemon if that takes it by a short deadline, else to the spool file, which the
//! daemon takes later. When neither works it waits in memory and is tried again ([`crate::waiting`]); what
//! cannot wait is written whole into FreeSWITCH's log: a record is money.

use std::sync::atomic::AtomicU64;

use fsx_seam::{
    clock::Deadline,
    guard::Site,
    log::{self, Level, OnceAMinute},
    spool::{Taken, hand_over},
};
use fsx_wire::record::CallRecord;

use crate::decision::POLICY_VERSION;
use crate::{
    attempt,
    calls::Call,
    host::{self, Session, register},
    measure,
    stats::count,
    vars::{self, Facts, Names},
    world::{self, Setup, World},
};

/// How long one round of trying again may take, in milliseconds.
const RETRY_MS: u32 = 300;

/// Set on a leg whose end was told to its policy.
const END_TOLD: &str = "fsx_end_told";

/// Hears of the end of every leg.
pub(crate) struct LegEnd;

impl register::LegEnd for LegEnd {
    fn reporting_site() -> &'static Site {
        static SITE: Site = Site::new("state.reporting");
        &SITE
    }

    fn reporting(session: Session<'_>) {
        finish(session);
    }

    fn destroy_site() -> &'static Site {
        static SITE: Site = Site::new("state.destroy");
        &SITE
    }

    /// Legs whose reporting was skipped (`process_cdr=false`, another module's refusal): the record
    /// is fsx's own and has its own switch, `rmCDRDiscard`.
    fn destroy(session: Session<'_>) {
        finish(session);
    }
}

fn finish(session: Session<'_>) {
    let Some(world) = world::get() else { return };
    measure::leg_over(world, session);
    // Most legs are not ours: nothing is kept, so there is nothing to look up.
    let recorded = !world.calls.idle() && record(world, session);
    if let Some(version) = session.channel().var(POLICY_VERSION) {
        tell_end(world, session, version, recorded);
    }
}

/// Makes the record of a call of ours whose leg has ended. Whether it has one.
fn record(world: &World, session: Session<'_>) -> bool {
    let uuid = session.uuid();
    // One leg may be both: a gateway's that outlived its caller, and then a caller itself.
    if let Some(up) = world.calls.leg_ended(&uuid)
        && let Some(record) = attempt::leg_ended(world, up, session.channel())
    {
        deliver(world, &world.setup(), record);
    }
    let Some(call) = world.calls.in_progress(&uuid) else { return false };
    let setup = world.setup();
    let channel = session.channel();
    let names = &setup.config.names;
    let is_set = |name: &str| {
        !name.is_empty() && channel.var(name).is_some_and(|value| vars::is_true(&value))
    };
    // A switch without anywhere to put records makes none.
    if is_set(&names.discard_record) || (setup.asker.is_none() && setup.spool.is_none()) {
        world.calls.forget(&uuid);
        return false;
    }
    let store_only = is_set(&names.store_only);
    let record = record_of(&setup, session, call, store_only);
    if let Some(record) = world.calls.caller_ended(&uuid, record) {
        deliver(world, &setup, record);
    }
    true
}

/// Tells the daemon, once, that a call is over which a policy has had: where there is no record to tell
/// it by, since the policy left it to the dialplan or it is to have none, its hangup phase would wait for
/// ever.
fn tell_end(world: &World, session: Session<'_>, version: String, recorded: bool) {
    static SAID: OnceAMinute = OnceAMinute::new();
    let channel = session.channel();
    // A leg's end comes here twice.
    if channel.var(END_TOLD).is_some() {
        return;
    }
    channel.set(END_TOLD, Some("true"));
    let setup = world.setup();
    let Some(asker) = setup.asker.as_ref().filter(|_| !recorded) else { return };
    let (uuid, names) = (session.uuid(), &setup.config.names);
    let started_ms = channel.time_ms("created_time").unwrap_or_else(host::core::now_ms);
    let facts = Facts::of_call(&setup.config, channel, None, uuid, started_ms / 1000);
    let mut wire = facts.to_wire();
    if let Some(task) = channel.var(&names.task) {
        wire.vars.insert(Names::default().task, task);
    }
    let call = Call::by_policy(wire, version, facts.emergency, started_ms);
    let record = record_of(&setup, session, call, false);
    let deadline = Deadline::after_ms(setup.config.record_timeout_ms);
    if let Err(error) = asker.ended(record, deadline) {
        SAID.write(
            Level::Warning,
            format_args!(
                "fsx: fsxinetd was not told of a call's end, its policy may wait: {error}"
            ),
        );
    }
}

fn record_of(setup: &Setup, session: Session<'_>, call: Call, store_only: bool) -> CallRecord {
    let channel = session.channel();
    let cause = channel.cause();
    let mut vars = vars::collect(channel, &setup.config.record_variables);
    if store_only {
        vars.insert(setup.config.names.store_only.clone(), "true".to_owned());
    }
    // FreeSWITCH's own clock can be set too, by command; a record's times never run backwards.
    let started_ms = channel.time_ms("created_time").unwrap_or(call.started_ms);
    let answered_ms = channel.time_ms("answered_time").map(|ms| ms.max(started_ms));
    let ended_ms = channel.time_ms("hungup_time").unwrap_or_else(host::core::now_ms);
    CallRecord {
        id: call.facts.call_id.clone(),
        switch: "freeswitch".to_owned(),
        host: host::core::hostname(),
        facts: call.facts,
        generation: call.generation,
        decided_by: call.decided_by.to_owned(),
        // A policy may have had its say on the event socket, before it was routed here.
        policy_version: call.policy_version.or_else(|| channel.var(POLICY_VERSION)),
        number: call.number,
        decision: call.decision.to_owned(),
        emergency: call.emergency,
        attempts: call.attempts,
        started_ms,
        answered_ms,
        ended_ms: ended_ms.max(answered_ms.unwrap_or(started_ms)),
        cause: cause.number(),
        cause_name: cause.name(),
        store_only,
        vars,
    }
}

/// Finds a place for a record. Where there is none now, it waits for one.
fn deliver(world: &World, setup: &Setup, record: CallRecord) {
    static SAID: OnceAMinute = OnceAMinute::new();
    match place(world, setup, &record) {
        Ok(counter) => count(counter),
        // Nobody will try again.
        Err(error) if world.stopping() => lost(world, &record, &error),
        Err(error) => match world.waiting.keep(record) {
            Ok(()) => SAID.write(
                Level::Error,
                format_args!("fsx: {} records wait in memory: {error}", world.waiting.len()),
            ),
            Err(record) => lost(world, &record, &error),
        },
    }
}

/// Tries again to find a place for the records that wait, until one finds none. For housekeeping.
pub(crate) fn retry(world: &World) {
    let setup = world.setup();
    let deadline = Deadline::after_ms(RETRY_MS);
    let mut placed = 0;
    while !deadline.passed()
        && let Some(record) = world.waiting.take()
    {
        match place(world, &setup, &record) {
            Ok(counter) => {
                count(counter);
                placed += 1;
            }
            // The switch ends while we try: nobody comes after us.
            Err(error) if world.stopping() => lost(world, &record, &error),
            Err(error) => {
                if let Err(record) = world.waiting.put_back(record) {
                    lost(world, &record, &error);
                }
                break;
            }
        }
    }
    if placed > 0 {
        let left = world.waiting.len();
        log::notice(format_args!("fsx: {placed} records that waited have a place, {left} wait on"));
    }
}

/// The switch ends: what still waits and finds no place now is written into the log.
pub(crate) fn give_up(world: &World) {
    retry(world);
    for record in world.waiting.close() {
        lost(world, &record, "the switch ends");
    }
}

/// Gives a record to the daemon or the spool, and tells which counter counts it.
fn place<'a>(
    world: &'a World,
    setup: &Setup,
    record: &CallRecord,
) -> Result<&'a AtomicU64, String> {
    static SAID: OnceAMinute = OnceAMinute::new();
    let deadline = Deadline::after_ms(setup.config.record_timeout_ms);
    match (&setup.asker, &setup.spool) {
        (Some(asker), Some(spool)) => match hand_over(asker, spool, record.clone(), deadline) {
            Ok(Taken::Daemon) => Ok(&world.stats.records_delivered),
            Ok(Taken::Spool { because }) => {
                SAID.write(
                    Level::Warning,
                    format_args!("fsx: record put into {}: {because}", spool.path().display()),
                );
                Ok(&world.stats.records_spooled)
            }
            Err(error) => Err(error.to_string()),
        },
        (None, Some(spool)) => spool
            .append(record)
            .map(|()| &world.stats.records_spooled)
            .map_err(|error| error.to_string()),
        (Some(asker), None) => asker
            .record(record.clone(), deadline)
            .map(|()| &world.stats.records_delivered)
            .map_err(|error| error.to_string()),
        (None, None) => Err("neither socket nor spool is configured".to_owned()),
    }
}

/// The last place of all: the log, whole, past the limit on ordinary lines, so that it can be fed in by
/// hand from there.
fn lost(world: &World, record: &CallRecord, why: &str) {
    count(&world.stats.records_lost);
    log::error(format_args!("fsx: record of {} has no place: {why}", record.id));
    let json = serde_json::to_string(record).unwrap_or_default();
    host::log::line(host::log::Level::Error, &format!("fsx: lost record {json}"));
}
