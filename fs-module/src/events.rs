//! What the module tells whoever listens to FreeSWITCH's events: `CUSTOM fsx::route`,
//! `fsx::policy`, `fsx::gateway` and `fsx::generation`.
//!
//! Dashboards and fraud watchers live by events, not by polling. Every header is documented in
//! `docs/freeswitch.md`; names are only ever added.

use fsx_live::{GatewayRow, Passive};
use fsx_seam::ask::AskError;
use fsx_wire::message::{PolicyDecision, Verdict as Word};

use crate::{
    host::Event,
    route::{Routing, Verdict},
};

/// The decision for a call.
pub(crate) fn route(routing: &Routing) {
    let Some(mut event) = Event::custom(c"fsx::route") else { return };
    call(&mut event, routing);
    event.add("FSX-Decision", routing.decision());
    event.add("FSX-Decided-By", routing.decided_by);
    event.add("FSX-Generation", &routing.generation.to_string());
    if routing.emergency {
        event.add("FSX-Emergency", "true");
    }
    if let Some(version) = &routing.policy_version {
        event.add("FSX-Policy-Version", version);
    }
    match &routing.verdict {
        Verdict::Route(attempts) => {
            event.add("FSX-Routes", &attempts.len().to_string());
            if let Some(first) = attempts.get(&routing.facts, 0) {
                event.add("FSX-Gateway-ID", &first.gateway_id.to_string());
                event.add("FSX-Carrier-ID", &first.carrier_id.to_string());
            }
        }
        Verdict::Reject { cause, reason, .. } => refused(&mut event, *cause, reason),
    }
    event.fire();
}

/// What a policy said to a call, or that it did not. `routing` is the plan in hand before.
pub(crate) fn policy(
    routing: &Routing,
    task: &str,
    waited_ms: u32,
    answer: &Result<PolicyDecision, AskError>,
) {
    let Some(mut event) = Event::custom(c"fsx::policy") else { return };
    call(&mut event, routing);
    event.add("FSX-Task", task);
    event.add("FSX-Waited-MS", &waited_ms.to_string());
    match answer {
        Ok(decision) => {
            event.add("FSX-Policy-Version", &decision.policy_version);
            match &decision.verdict {
                Word::Keep => event.add("FSX-Verdict", "keep"),
                Word::Route { answer } => {
                    event.add("FSX-Verdict", "route");
                    event.add("FSX-Routes", &answer.routes.len().to_string());
                }
                Word::Reject { cause, reason } => {
                    event.add("FSX-Verdict", "reject");
                    refused(&mut event, *cause, reason);
                }
            }
        }
        Err(error) => {
            event.add("FSX-Verdict", "none");
            event.add("FSX-Reason", &error.to_string());
        }
    }
    event.fire();
}

/// A gateway's health changed in a data centre: `up`, `down`, or `unknown` when the word on it was
/// taken back.
pub(crate) fn gateway(gateway_id: u32, data_centre: &str, health: &str) {
    let Some(mut event) = Event::custom(c"fsx::gateway") else { return };
    event.add("FSX-Gateway-ID", &gateway_id.to_string());
    event.add("FSX-Data-Centre", data_centre);
    event.add("FSX-Health", health);
    event.add("FSX-By", "prober");
    event.fire();
}

/// An operator said of a gateway that it is `up`, `down`, or `auto`.
pub(crate) fn gateway_by_operator(gateway_id: u32, data_centre: &str, word: &str) {
    let Some(mut event) = Event::custom(c"fsx::gateway") else { return };
    event.add("FSX-Gateway-ID", &gateway_id.to_string());
    event.add("FSX-Data-Centre", data_centre);
    event.add("FSX-Health", word);
    event.add("FSX-By", "operator");
    event.fire();
}

/// A gateway is `down`, on `trial` or `up` by what its own calls say.
pub(crate) fn gateway_by_calls(row: &GatewayRow, data_centre: &str, state: &str) {
    let Some(mut event) = Event::custom(c"fsx::gateway") else { return };
    event.add("FSX-Gateway-ID", &row.gateway_id.to_string());
    event.add("FSX-Data-Centre", data_centre);
    event.add("FSX-Health", state);
    event.add("FSX-By", "calls");
    if let Passive::Down { left_s } = row.passive {
        event.add("FSX-Seconds", &left_s.to_string());
        // None where it failed on trial.
        if row.tripped_by.1 > 0 {
            event.add("FSX-Failed", &row.tripped_by.0.to_string());
            event.add("FSX-Of-Attempts", &row.tripped_by.1.to_string());
        }
    }
    event.add("FSX-Times-Down", &row.trips.to_string());
    event.fire();
}

/// The routing data moved on.
pub(crate) fn generation(from: u64, to: u64) {
    let Some(mut event) = Event::custom(c"fsx::generation") else { return };
    event.add("FSX-Previous-Generation", &from.to_string());
    event.add("FSX-Generation", &to.to_string());
    event.fire();
}

/// A snapshot was refused, and what is in use stays.
pub(crate) fn generation_refused(kept: u64, reason: &str) {
    let Some(mut event) = Event::custom(c"fsx::generation") else { return };
    event.add("FSX-Generation", &kept.to_string());
    event.add("FSX-Refused", reason);
    event.fire();
}

fn call(event: &mut Event, routing: &Routing) {
    let facts = &routing.facts;
    event.add("Unique-ID", &facts.call_id);
    event.add("FSX-Called", &facts.called);
    if let Some(number) = &routing.number {
        event.add("FSX-Number", number);
    }
    event.add("FSX-Org", &facts.org.to_string());
}

fn refused(event: &mut Event, cause: u16, reason: &str) {
    event.add("FSX-Cause", &cause.to_string());
    event.add("FSX-Reason", reason);
}
