//! What a gateway's legs were like, for its quality and its passive health.
//!
//! An attempt of `fsx_bridge` tells its outcome as soon as it is known, from the attempt itself: a leg
//! that never came to be has nothing else to tell by. How soon it rang and how long it lasted are read
//! off the leg. Legs that a dialplan dialled by the dial strings that `fsx_route` or `lcr` gave it carry
//! their gateway's id, too: they are measured whole when they end.

use fsx_live::Fate;
use fsx_seam::clock;
use fsx_wire::record::AttemptRecord;

use crate::{
    host::{Cause, Channel, Session, core},
    live::{self, Ended},
    passive, vars,
    world::{Setup, World},
};

/// Marks a leg of `fsx_bridge`, whose outcome the attempt tells.
pub(crate) const BY_BRIDGE: &str = "fsx_attempt";

/// Post-dial delay of a leg, milliseconds; set once it has been counted.
const DELAY: &str = "fsx_pdd_ms";

/// Marks a leg whose end has been counted.
const TOLD: &str = "fsx_measured";

/// The cause as `fsx_core::cause` counts it: FreeSWITCH's own causes, whose numbers moved between
/// releases, by the Q.850 cause that is nearest.
pub(crate) fn q850(cause: Cause) -> u16 {
    match cause.number() {
        number @ (0..=127 | 487) => number,
        _ => match cause.name().as_str() {
            // Nothing was heard in time.
            "PROGRESS_TIMEOUT" | "MEDIA_TIMEOUT" => 102,
            "USER_NOT_REGISTERED" => 20,
            "LOSE_RACE" | "PICKED_OFF" | "BLIND_TRANSFER" | "ATTENDED_TRANSFER" => 16,
            // Gateway down, no such gateway or profile: the carrier is out of order.
            _ => 27,
        },
    }
}

/// An attempt was answered.
pub(crate) fn answered(world: &World, setup: &Setup, gateway_id: u32) {
    tell(world, setup, gateway_id, Ended { answered: true, fate: Fate::Alive });
}

/// An attempt ended without an answer.
pub(crate) fn failed(world: &World, setup: &Setup, gateway_id: u32, cause: Cause, sip: u16) {
    let fate = setup.config.passive.fate(cause, q850(cause), sip);
    tell(world, setup, gateway_id, Ended { answered: false, fate });
}

fn tell(world: &World, setup: &Setup, gateway_id: u32, ended: Ended) {
    if let Some(live) = world.live() {
        live::attempt_ended(&live, gateway_id, ended, setup.config.passive.rules());
    }
}

/// Counts how soon a leg rang or was answered, once, when it has.
pub(crate) fn delay(world: &World, gateway_id: u32, leg: Channel<'_>) {
    let times = ["progress_time", "progress_media_time", "answered_time"];
    let first = times.iter().filter_map(|name| leg.time_ms(name)).min();
    let (Some(first), Some(begun)) = (first, leg.time_ms("created_time")) else { return };
    let Some(live) = world.live().filter(|_| gateway_id != 0) else { return };
    // Both by FreeSWITCH's clock; one that was stepped between them says nothing.
    let Ok(ms) = u64::try_from(first - begun) else { return };
    leg.set(DELAY, Some(&ms.to_string()));
    live.table().count_delay(gateway_id, clock::utc_s(), ms);
}

/// Counts how long an answered attempt lasted, now that it is over.
pub(crate) fn talk(world: &World, record: &AttemptRecord) {
    let Some(answered_ms) = record.answered_ms.filter(|_| record.gateway_id != 0) else { return };
    if let Some(live) = world.live() {
        let ms = u64::try_from(record.ended_ms - answered_ms).unwrap_or(0);
        live.table().count_talk(record.gateway_id, clock::utc_s(), ms);
    }
}

/// A leg is over, ours or not. May be called twice.
pub(crate) fn leg_over(world: &World, session: Session<'_>) {
    let leg = session.channel();
    let Some(gateway_id) = leg.var(vars::out::GATEWAY).and_then(|id| id.parse().ok()) else {
        return;
    };
    // A caller's leg bears the name of the gateway that it was tried at last.
    if leg.var(vars::out::ATTEMPTS).is_some() {
        return;
    }
    if leg.var(DELAY).is_none() {
        delay(world, gateway_id, leg);
    }
    if leg.var(BY_BRIDGE).is_some() || leg.var(TOLD).is_some() {
        return;
    }
    leg.set(TOLD, Some("true"));
    let setup = world.setup();
    let Some(answered_ms) = leg.time_ms("answered_time") else {
        failed(world, &setup, gateway_id, leg.cause(), sip_status(leg));
        return;
    };
    answered(world, &setup, gateway_id);
    let ended_ms = leg.time_ms("hungup_time").unwrap_or_else(core::now_ms);
    let answered_ms = Some(answered_ms);
    talk(world, &AttemptRecord { gateway_id, answered_ms, ended_ms, ..AttemptRecord::default() });
}

fn sip_status(leg: Channel<'_>) -> u16 {
    passive::sip_status(&leg.var("proto_specific_hangup_cause").unwrap_or_default())
}
