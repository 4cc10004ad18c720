//! The MI commands: how is the module, what would it decide, look at the file now.

use core::sync::atomic::{AtomicU64, Ordering::Relaxed};

use fsx_core::{CallFacts, Country, data::RoutingData as _};
use fsx_seam::clock;
use fsx_wire::answer::{RouteAnswer, rfc3339};
use serde_json::{Value, json};

use crate::{
    config::Config,
    data::{self, Look},
    host::{
        self,
        mi::{INVALID_PARAMS, Reply, Request, SERVER_ERROR},
        shared::{Shared, Slot},
    },
    worker,
};

fn not_ready() -> Reply {
    Reply::Error(SERVER_ERROR, "fsx is not initialised".to_owned())
}

/// `fsx_status`: what runs, from which data, and what it has done.
pub(crate) fn status() -> Reply {
    let (Some(config), Some(shared)) = (worker::config(), Shared::get()) else {
        return not_ready();
    };
    let settings = &config.settings;
    let Some(mut worker) = worker::worker() else { return not_ready() };
    worker.refresh(settings, shared);
    let now = clock::utc_s();
    let verified_at = shared.verified_at.load(Relaxed);
    let looked_at = shared.looked_at.load(Relaxed);
    let refused = shared.refused_reason.get();
    let in_use = worker.data.in_use();
    let processes: Vec<Value> = shared
        .slots()
        .map(|(number, slot)| {
            json!({
                "process": number,
                "pid": slot.pid.load(Relaxed),
                "worker": slot.listens.load(Relaxed) == 1,
                "generation": slot.generation.load(Relaxed),
                "routed": slot.routed.load(Relaxed),
                "rejected": slot.rejected.load(Relaxed),
                "moves": slot.moves.load(Relaxed),
            })
        })
        .collect();
    let sum = |counter: fn(&Slot) -> &AtomicU64| -> u64 {
        shared.slots().map(|(_, slot)| counter(slot).load(Relaxed)).sum()
    };
    Reply::Object(json!({
        "version": env!("CARGO_PKG_VERSION"),
        "build": env!("FSX_BUILD_ID"),
        "host": host::version(),
        "generation": shared.verified_generation.load(Relaxed),
        "snapshot": {
            "file": settings.snapshot.as_ref().map(|path| path.display().to_string()),
            "built_at": in_use.map(|data| rfc3339(data.snapshot.built_at())),
            "age_s": in_use.map(|data| now - data.snapshot.built_at()),
            "verified_at": (verified_at > 0).then(|| rfc3339(verified_at.cast_signed())),
            "in_use_since": in_use.map(|data| rfc3339(data.since)),
            "refused": (!refused.is_empty()).then_some(refused),
            "verifications": shared.verifications.load(Relaxed),
            "refusals": shared.refusals.load(Relaxed),
        },
        "live": {
            "file": settings.live.as_ref().map(|path| path.display().to_string()),
            "open": worker.live().is_some(),
            "generation": worker.live().map(fsx_live::LiveTable::generation),
            "shutting_down": worker.live().is_some_and(fsx_live::LiveTable::shutting_down),
        },
        "keeper": {
            "pid": shared.keeper_pid.load(Relaxed),
            "looked_s_ago": (looked_at > 0).then(|| now - looked_at.cast_signed()),
        },
        "calls": {
            "routed": sum(|slot| &slot.routed),
            "rejected": sum(|slot| &slot.rejected),
            "no_data": sum(|slot| &slot.no_data),
            "errors": sum(|slot| &slot.errors),
            "emergencies": sum(|slot| &slot.emergencies),
            "next_attempts": sum(|slot| &slot.next),
        },
        "panics": sum(|slot| &slot.panics),
        "processes": processes,
    }))
}

/// `fsx_route number [org] [caller]`: what a call would get, and why. Nothing is dialled or counted.
pub(crate) fn route(request: Request<'_>) -> Reply {
    let (Some(config), Some(shared)) = (worker::config(), Shared::get()) else {
        return not_ready();
    };
    let Some(called) = request.text(c"number").map(<[u8]>::to_vec) else {
        return Reply::Error(INVALID_PARAMS, "number: expected a number as text".to_owned());
    };
    let org_id = match request.text(c"org") {
        None => config.settings.default_org,
        Some(text) => match core::str::from_utf8(text).ok().and_then(|text| text.parse().ok()) {
            Some(org_id) => org_id,
            None => {
                let text = fsx_seam::text::shown(text);
                let line = format!("org is \"{text}\", expected a number of 0 or more");
                return Reply::Error(INVALID_PARAMS, line);
            }
        },
    };
    let caller = request.text(c"caller").map(<[u8]>::to_vec);
    let country = request.text(c"country").map(<[u8]>::to_vec);
    let facts = CallFacts {
        caller: caller.as_deref(),
        home_country: country.as_deref().and_then(Country::new),
        data_centre: &config.settings.data_centre,
        max_attempts: config.settings.max_attempts,
        ..CallFacts::new(&called, org_id, clock::utc_s())
    };
    let Some(mut worker) = worker::worker() else { return not_ready() };
    worker.refresh(&config.settings, shared);
    let (Some((decision, excluded)), Some(data)) =
        (worker.decide_why(&facts), worker.data.in_use())
    else {
        return Reply::Error(SERVER_ERROR, "no routing data".to_owned());
    };
    let answer = RouteAnswer::new(&data.snapshot, &facts, &decision, excluded);
    match serde_json::to_value(&answer) {
        Ok(answer) => Reply::Object(answer),
        Err(error) => Reply::Error(SERVER_ERROR, format!("answer not written: {error}")),
    }
}

/// `fsx_reload`: look at the file now instead of at the keeper's next turn.
pub(crate) fn reload() -> Reply {
    let (Some(Config { settings, .. }), Some(shared)) = (worker::config(), Shared::get()) else {
        return not_ready();
    };
    let Some(path) = &settings.snapshot else {
        return Reply::Error(SERVER_ERROR, "the snapshot parameter is not set".to_owned());
    };
    let result = match data::look(path, shared) {
        Look::Same => "same",
        Look::Verified(_) => "moved",
        Look::Refused(reason) => return Reply::Error(SERVER_ERROR, reason),
    };
    if let Some(mut worker) = worker::worker() {
        worker.refresh(settings, shared);
        let generation = worker.data.in_use().map_or(0, |in_use| in_use.snapshot.generation());
        return Reply::Object(json!({ "result": result, "generation": generation }));
    }
    Reply::Object(json!({ "result": result }))
}
