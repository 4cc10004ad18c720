//! One attempt at one gateway: dial, join, and say how it ended.

use fsx_core::{Nano, money::Tariff};
use fsx_wire::{answer::Route, record::AttemptRecord};

use crate::{
    dialled,
    host::{Cause, Channel, Event, Session, dial},
    world::Setup,
};

/// FreeSWITCH's variable for the SIP status that ended the other leg, such as `sip:503`.
const LAST_STATUS: &str = "last_bridge_proto_specific_hangup_cause";

/// How an attempt ended.
pub(crate) struct Outcome {
    /// For the call's record.
    pub(crate) record: AttemptRecord,
    /// The far end answered; the call was had.
    pub(crate) answered: bool,
    /// Why it ended.
    pub(crate) cause: Cause,
}

impl Outcome {
    /// The cause as `fsx_core::cause` counts it: FreeSWITCH's own causes, whose numbers moved
    /// between releases, by the Q.850 cause that is nearest.
    pub(crate) fn q850(&self) -> u16 {
        match self.cause.number() {
            number @ (0..=127 | 487) => number,
            _ => match self.record.cause_name.as_str() {
                // Nothing was heard in time.
                "PROGRESS_TIMEOUT" | "MEDIA_TIMEOUT" => 102,
                "USER_NOT_REGISTERED" => 20,
                "LOSE_RACE" | "PICKED_OFF" | "BLIND_TRANSFER" | "ATTENDED_TRANSFER" => 16,
                // Gateway down, no such gateway or profile: the carrier is out of order.
                _ => 27,
            },
        }
    }
}

/// Makes the attempt. Returns when it has failed, or when the call that came of it is over.
/// `withheld_cli` is the caller id that may go to a trusted trunk only.
pub(crate) fn make(
    session: Session<'_>,
    setup: &Setup,
    route: &Route,
    withheld_cli: &str,
) -> Outcome {
    let started_ms = fsx_seam::clock::utc_ms();
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
    let (mut answered, mut ended_ms) = (false, None);
    let cause = match variables(setup, route, withheld_cli) {
        None => Cause::q850(28),
        Some(variables) => {
            let channel = session.channel();
            channel.set(LAST_STATUS, None);
            let limit_s = setup.config.attempt_timeout_s;
            match dial::originate(session, &route.dial_string, variables, limit_s) {
                Err(cause) => {
                    record.sip_status = sip_status(channel, LAST_STATUS);
                    cause
                }
                Ok(leg) => {
                    // Answered, or early media that may still end in a refusal.
                    dial::bridge(session, &leg);
                    let far = leg.channel();
                    answered = far.answered();
                    // FreeSWITCH stamps with a clock that ticks: never before we began.
                    record.answered_ms = far.time_ms("answered_time").map(|ms| ms.max(started_ms));
                    // By the same clock, so that the duration is right; ours where it is not set yet.
                    ended_ms = far.time_ms("hungup_time");
                    if !answered {
                        record.sip_status = sip_status(far, "proto_specific_hangup_cause");
                    }
                    match far.cause() {
                        Cause::NONE => Cause::NORMAL_CLEARING,
                        cause => cause,
                    }
                }
            }
        }
    };
    record.ended_ms = ended_ms
        .unwrap_or_else(fsx_seam::clock::utc_ms)
        .max(record.answered_ms.unwrap_or(started_ms));
    record.cause = cause.number();
    record.cause_name = cause.name();
    record.cost = cost(route, &record);
    Outcome { record, answered, cause }
}

/// The new leg's variables; `None` when the number must not be put into a dial string.
fn variables(setup: &Setup, route: &Route, withheld_cli: &str) -> Option<Event> {
    if !dialled::is_safe(&route.number) || route.dial_string.is_empty() {
        return None;
    }
    let mut event = Event::bare()?;
    for (name, value) in dialled::variables(&setup.config, route, withheld_cli) {
        event.add(&name, &value);
    }
    Some(event)
}

fn sip_status(channel: Channel<'_>, variable: &str) -> u16 {
    let text = channel.var(variable).unwrap_or_default();
    text.strip_prefix("sip:").and_then(|status| status.parse().ok()).unwrap_or(0)
}

/// What the answered seconds cost, by the rate the attempt was made at.
fn cost(route: &Route, record: &AttemptRecord) -> String {
    let Some(answered_ms) = record.answered_ms.filter(|_| !route.rate.is_empty()) else {
        return String::new();
    };
    let (Ok(rate_per_min), Ok(setup)) = (Nano::parse(&route.rate), Nano::parse(&route.setup))
    else {
        return String::new();
    };
    let tariff = Tariff {
        rate_per_min,
        setup,
        initial_increment_s: route.initial_increment_s.max(1),
        next_increment_s: route.next_increment_s.max(1),
    };
    let ms = (record.ended_ms - answered_ms).max(0);
    // A second that was begun is billed.
    let duration_s = u32::try_from((ms + 999) / 1000).unwrap_or(u32::MAX);
    tariff.cost_of_call(duration_s).map(|cost| cost.to_string()).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn cost_of_the_answered_seconds() {
        let route =
            Route { rate: "0.012".to_owned(), setup: "0.005".to_owned(), ..Route::default() };
        let mut record =
            AttemptRecord { started_ms: 0, ended_ms: 30_500, ..AttemptRecord::default() };
        assert_eq!(cost(&route, &record), "");
        record.answered_ms = Some(500);
        assert_eq!(cost(&route, &record), "0.011");
        assert_eq!(cost(&Route::default(), &record), "");
    }
}
