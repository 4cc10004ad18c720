//! What a new snapshot would take away from the one in place.
//!
//! Tables that are being loaded anew, a grant that was forgotten, a column renamed by another team: each
//! looks like data that says less than before. Less may open what was closed (a number private to an
//! organisation, a block, a limit) or close what was open (every call, every emergency call), and nobody
//! asked for it. So such a snapshot is refused by name, and the last good one stays.

use std::collections::BTreeSet;
use std::path::Path;

use fsx_core::data::RoutingData;
use fsx_snapshot::Snapshot;

use super::{FeedError, load};

/// Columns and tables that fsx adds to the owner's, whose want needs no warning.
const ADDED: &[&str] = &[
    "LCRRates.InitialIncrement",
    "LCRRates.NextIncrement",
    "CarrierGateway.DialString",
    "CarrierGateway.Weight",
    "CarrierGateway.MaxCPS",
    "CarrierGateway.StopCauses",
    "Periods",
    "FxRates",
    "Orgs",
    "DiallingRules",
    "EmergencyNumbers",
    "EmergencyGateways",
    "NormaliseRules",
];

/// A section of the file, and what the database must have for there to be rows in it.
const FROM: &[(&str, &str)] = &[
    ("overrides", "Overrides"),
    ("dialling rules", "DiallingRules"),
    ("closed loop", "ClosedLoopCarriers"),
    ("organisations", "Orgs"),
    ("private numbers", "Numbers.OrgID"),
    ("A-bands", "LCRRates.ABandID"),
];

/// What is lacking now and was there before. A table that is new has lost nothing, whatever it lacks.
pub(super) fn lost(before: &BTreeSet<String>, now: &BTreeSet<String>) -> Vec<String> {
    let was_there = |name: &&String| {
        let table = name.split_once('.').map_or(name.as_str(), |(table, _)| table);
        !before.contains(*name) && !before.contains(table)
    };
    now.iter().filter(was_there).cloned().collect()
}

/// Of what the database lacks, what its owner has elsewhere: it is worth a warning.
pub(super) fn of_the_owner(lacking: &BTreeSet<String>) -> Vec<&str> {
    let added = |name: &str| ADDED.iter().any(|a| *a == name || name.starts_with(&format!("{a}.")));
    lacking.iter().map(String::as_str).filter(|name| !added(name)).collect()
}

/// Whether `new` has what the file in place has: carriers, numbers, rates, gateways, gateways for emergency
/// calls; and whatever came from a table or column that the database now lacks.
///
/// # Errors
/// [`FeedError::Nothing`] and [`FeedError::Gone`].
pub fn leaves_something<B: AsRef<[u8]>>(
    path: &Path,
    new: &Snapshot<B>,
    lacking: &BTreeSet<String>,
) -> Result<(), FeedError> {
    let Ok(Some(old)) = load(path) else { return Ok(()) };
    let nothing = |what| Err(FeedError::Nothing { what, path: path.to_owned() });
    if routes(&old) == Ok(())
        && let Err(what) = routes(new)
    {
        return nothing(what);
    }
    let home = new.settings().home_country;
    let lost_at_home = old.emergency_gateway(home, 0).is_some()
        && new.emergency_gateway(home, 0).is_none()
        && old.settings().home_country == home;
    let any = "emergency gateways";
    if lost_at_home || has(&old, any) && !has(new, any) {
        return nothing(any);
    }
    let from_lacking = |&&(section, from): &&(&str, &str)| {
        lacking.contains(from) && has(&old, section) && !has(new, section)
    };
    match FROM.iter().find(from_lacking) {
        Some((_, from)) => Err(FeedError::Gone { what: (*from).to_owned(), path: path.to_owned() }),
        None => Ok(()),
    }
}

/// Whether there is all that a call needs.
///
/// # Errors
/// What there is none of.
fn routes<B: AsRef<[u8]>>(data: &Snapshot<B>) -> Result<(), &'static str> {
    // Numbers have no rows of their own in the file: where there are two lists, there are some.
    let lists = data.section_rows().any(|(name, rows, _)| name == "offers" && rows > 8);
    let there = [
        ("carriers", has(data, "carriers")),
        ("numbers", lists || has(data, "private numbers")),
        ("rates", has(data, "rates")),
        ("gateways", has(data, "gateways")),
    ];
    there.into_iter().find(|(_, there)| !there).map_or(Ok(()), |(what, _)| Err(what))
}

fn has<B: AsRef<[u8]>>(data: &Snapshot<B>, section: &str) -> bool {
    data.section_rows().any(|(name, rows, _)| name == section && rows > 0)
}
