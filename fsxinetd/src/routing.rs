//! A routing answer out of the published data: the one way for every door of the daemon.

use std::time::{SystemTime, UNIX_EPOCH};

use fsx_core::{CallFacts, Country, decide, standing};
use fsx_wire::{
    answer::{CollectWhy, RouteAnswer},
    message::WireFacts,
};

use crate::published::{Published, PublishedHandle};

/// Nothing has been published yet, so there is nothing to answer from.
#[derive(Clone, Copy, PartialEq, Eq, Debug, thiserror::Error)]
#[error("no routing data has been published yet")]
pub struct NoData;

/// Decides from the data published last. `why` fills `excluded`.
///
/// # Errors
/// [`NoData`] before the first publication.
pub fn route(
    handle: &PublishedHandle,
    facts: &CallFacts<'_>,
    why: bool,
) -> Result<RouteAnswer, NoData> {
    let published = handle.current().ok_or(NoData)?;
    Ok(route_from(&published, handle, facts, why))
}

/// Decides from data that the caller holds on to.
#[must_use]
pub fn route_from(
    published: &Published,
    handle: &PublishedHandle,
    facts: &CallFacts<'_>,
    why: bool,
) -> RouteAnswer {
    let (data, live) = (&*published.snapshot, handle.live());
    if why {
        let mut reasons = CollectWhy::new(data);
        let decision = standing::route_why(data, &*live, facts, &mut reasons);
        RouteAnswer::new(data, facts, &decision, reasons.rows)
    } else {
        let decision = standing::route(data, &*live, facts);
        RouteAnswer::new(data, facts, &decision, Vec::new())
    }
}

/// Whether the call is to an emergency number, by the published data where there is some and by the
/// built-in table in any case: no policy is ever asked about such a call.
#[must_use]
pub fn is_emergency(handle: &PublishedHandle, facts: &CallFacts<'_>) -> bool {
    let Some(published) = handle.current() else {
        return fsx_core::emergency::is_builtin(facts.home_country, facts.called);
    };
    let data = &*published.snapshot;
    let country = facts
        .home_country
        .or_else(|| data.org(facts.org_id).and_then(|org| org.home_country))
        .or(data.settings().home_country);
    decide::is_emergency(data, country, facts.called)
}

/// The facts of a call as the engine takes them. An instant of 0 means now.
#[must_use]
pub fn facts(wire: &WireFacts) -> CallFacts<'_> {
    CallFacts {
        called: wire.called.as_bytes(),
        caller: wire.caller.as_deref().map(str::as_bytes),
        withhold_cli: wire.withhold_cli,
        org_id: wire.org,
        home_country: wire.home_country.as_deref().and_then(|text| Country::new(text.as_bytes())),
        data_centre: &wire.data_centre,
        at: if wire.at == 0 { now() } else { wire.at },
        call_id: wire.call_id.as_bytes(),
        privacy_class: wire.privacy_class.as_deref(),
        pci_zone: wire.pci_zone.as_deref(),
        carrier_group: wire.carrier_group.as_deref(),
        profile: wire.profile.as_deref(),
        lrn: wire.lrn.as_deref().map(str::as_bytes),
        max_attempts: wire.max_attempts,
    }
}

/// Seconds since 1970 UTC.
#[must_use]
pub fn now() -> i64 {
    seconds(SystemTime::now())
}

/// Seconds since 1970 UTC of an instant; 0 for one before.
#[must_use]
pub fn seconds(at: SystemTime) -> i64 {
    at.duration_since(UNIX_EPOCH).ok().and_then(|d| i64::try_from(d.as_secs()).ok()).unwrap_or(0)
}
