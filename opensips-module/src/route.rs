//! `fsx_route()` and `fsx_next()`: what a routing script calls.
//!
//! OpenSIPS takes a positive result as true, a negative one as false with its value in `$rc`, and
//! zero as the end of the script: zero is never returned.

use core::ffi::c_int;
use core::sync::atomic::Ordering::Relaxed;

use fsx_core::{CallFacts, Country, Decision, Reject};
use fsx_seam::{
    clock,
    log::{Level, OnceAMinute},
};

use crate::{
    carried::{self, Carried},
    config::Config,
    host::{pv::Call, shared::Shared},
    worker::{self, Worker},
};

/// An attempt is ready.
pub(crate) const OK: c_int = 1;
/// The call is refused (`fsx_route`), or nothing is left to try (`fsx_next`).
pub(crate) const NONE: c_int = -1;
/// No routing data (`fsx_route`), or no plan with this call (`fsx_next`).
pub(crate) const NO_DATA: c_int = -2;
/// Something is wrong: the log says what.
pub(crate) const ERROR: c_int = -3;
/// The answer ends the call: the other attempts are not for it (`fsx_next`).
pub(crate) const STOP: c_int = -4;

/// What `fsx_route` was asked in its third parameter.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
struct Flags {
    keep_uri: bool,
    withhold_cli: bool,
}

impl Flags {
    /// Reads a comma-separated list; the word that is none of them otherwise.
    fn read(text: &[u8]) -> Result<Self, &[u8]> {
        let mut flags = Self::default();
        for word in text.split(|&b| b == b',').map(<[u8]>::trim_ascii) {
            match word {
                b"" => {}
                b"keep_uri" => flags.keep_uri = true,
                b"withhold_cli" => flags.withhold_cli = true,
                other => return Err(other),
            }
        }
        Ok(flags)
    }
}

/// The texts of a call, copied out of the host's passing buffers.
#[derive(Debug, Default)]
struct Texts {
    called: Vec<u8>,
    caller: Vec<u8>,
    call_id: Vec<u8>,
    org: Vec<u8>,
    country: Vec<u8>,
}

impl Texts {
    fn read(call: &Call<'_>, config: &Config, number: Option<&[u8]>) -> Self {
        let mut texts = Self::default();
        // The script's own number lies in a buffer that the host uses again: first of all.
        match number {
            Some(number) => texts.called.extend_from_slice(number),
            None => {
                call.print(&config.number, &mut texts.called);
            }
        }
        call.print(&config.caller, &mut texts.caller);
        call.print(&config.call_id, &mut texts.call_id);
        if let Some(org) = &config.org {
            call.print(org, &mut texts.org);
        }
        if let Some(country) = &config.country {
            call.print(country, &mut texts.country);
        }
        texts
    }

    /// The organisation: the script's word, then the variable's, then the configured one. `None`
    /// when one is given and is no organisation.
    fn org(&self, given: Option<c_int>, config: &Config) -> Option<u32> {
        if let Some(given) = given {
            return u32::try_from(given).ok();
        }
        match self.org.as_slice() {
            b"" => Some(config.settings.default_org),
            text if text.iter().all(u8::is_ascii_digit) => {
                core::str::from_utf8(text).ok()?.parse().ok()
            }
            _ => None,
        }
    }

    fn facts<'a>(&'a self, org_id: u32, flags: Flags, config: &'a Config) -> CallFacts<'a> {
        CallFacts {
            caller: (!self.caller.is_empty()).then_some(self.caller.as_slice()),
            withhold_cli: flags.withhold_cli,
            home_country: Country::new(&self.country),
            data_centre: &config.settings.data_centre,
            call_id: &self.call_id,
            max_attempts: config.settings.max_attempts,
            ..CallFacts::new(&self.called, org_id, clock::utc_s())
        }
    }
}

/// Decides a call, keeps the answer with it, and points its request URI at the first attempt.
pub(crate) fn fsx_route(
    call: &Call<'_>,
    number: Option<&[u8]>,
    org: Option<c_int>,
    flags: &[u8],
) -> c_int {
    let (Some(config), Some(shared)) = (worker::config(), Shared::get()) else { return ERROR };
    let slot = shared.own_slot();
    let failed = || {
        slot.errors.fetch_add(1, Relaxed);
        ERROR
    };
    static BAD_CALL: OnceAMinute = OnceAMinute::new();
    let flags = match Flags::read(flags) {
        Ok(flags) => flags,
        Err(word) => {
            let word = fsx_seam::text::shown(word);
            BAD_CALL.write(
                Level::Error,
                format_args!("fsx_route: flag \"{word}\", expected keep_uri or withhold_cli"),
            );
            return failed();
        }
    };
    let texts = Texts::read(call, config, number);
    let Some(org_id) = texts.org(org, config) else {
        let text = fsx_seam::text::shown(&texts.org);
        BAD_CALL.write(
            Level::Error,
            format_args!("fsx_route: organisation {org:?} (org_var \"{text}\") is not a number"),
        );
        return failed();
    };
    let facts = texts.facts(org_id, flags, config);
    let mut text = String::with_capacity(1024);
    let Some(mut worker) = worker::worker() else { return failed() };
    worker.refresh(&config.settings, shared);
    let result = decide(&worker, config, shared, &facts, flags, &mut text);
    // The host may call back into us from here on.
    drop(worker);
    if !call.set(&config.plan_all, text.as_bytes()) {
        BAD_CALL.write(
            Level::Error,
            format_args!("fsx_route: OpenSIPS did not take the plan ({} bytes)", text.len()),
        );
        return failed();
    }
    if result == OK && !point(call, text.as_bytes()) {
        return failed();
    }
    result
}

/// The decision in its carried form, counted.
fn decide(
    worker: &Worker,
    config: &Config,
    shared: &Shared,
    facts: &CallFacts<'_>,
    flags: Flags,
    text: &mut String,
) -> c_int {
    let (slot, settings) = (shared.own_slot(), &config.settings);
    let emergency = |text: &mut String| {
        slot.routed.fetch_add(1, Relaxed);
        slot.emergencies.fetch_add(1, Relaxed);
        let destination = settings.emergency_destination.as_deref();
        carried::write_emergency(text, facts, destination, flags.keep_uri);
        OK
    };
    let (Some(decision), Some(in_use)) = (worker.decide(facts), worker.data.in_use()) else {
        if settings.is_emergency(facts.home_country, facts.called) {
            return emergency(text);
        }
        slot.no_data.fetch_add(1, Relaxed);
        carried::write_no_data(text, facts);
        return NO_DATA;
    };
    match &decision {
        Decision::Route(plan) if plan.emergency || !settings.names_emergency(facts.called) => {
            slot.routed.fetch_add(1, Relaxed);
            if plan.emergency {
                slot.emergencies.fetch_add(1, Relaxed);
            }
            let (data, destinations) = (&in_use.snapshot, &settings.destinations);
            carried::write_plan(text, data, facts, plan, destinations, flags.keep_uri);
            OK
        }
        Decision::Reject { generation, number, why }
            if *why != Reject::NoEmergencyGateway && !settings.names_emergency(facts.called) =>
        {
            slot.rejected.fetch_add(1, Relaxed);
            carried::write_reject(text, facts, *generation, *number, *why);
            NONE
        }
        // The configuration calls it an emergency, or the data does and has no gateway for it.
        Decision::Route(_) | Decision::Reject { .. } => emergency(text),
    }
}

/// Goes to the next attempt of the call's plan, unless the present one's SIP status ends the call.
pub(crate) fn fsx_next(call: &Call<'_>, status: Option<c_int>) -> c_int {
    let (Some(config), Some(shared)) = (worker::config(), Shared::get()) else { return ERROR };
    let slot = shared.own_slot();
    let Some(carried) = call.value(&config.plan).and_then(Carried::read) else {
        return NO_DATA;
    };
    // A status that is none ends nothing.
    if status.and_then(|status| u16::try_from(status).ok()).is_some_and(|s| carried.stops(s)) {
        return STOP;
    }
    let Some(next) = carried.next() else { return NONE };
    if !call.set(&config.plan_all, &next) || !point(call, &next) {
        slot.errors.fetch_add(1, Relaxed);
        return ERROR;
    }
    slot.next.fetch_add(1, Relaxed);
    OK
}

/// Sets the request URI to the present attempt's destination, where it has one.
fn point(call: &Call<'_>, text: &[u8]) -> bool {
    match Carried::read(text).and_then(|carried| carried.destination()) {
        Some(uri) => call.set_request_uri(uri),
        None => true,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn flags_by_name() {
        assert_eq!(Flags::read(b""), Ok(Flags::default()));
        assert_eq!(
            Flags::read(b" withhold_cli ,keep_uri"),
            Ok(Flags { keep_uri: true, withhold_cli: true })
        );
        assert_eq!(Flags::read(b"keep_uri,\xff"), Err(&b"\xff"[..]));
    }
}
