//! Watching the health of gateways in the live table, to tell of changes.
//!
//! The prober, an operator and other switches of this host all write there; whoever it was, the
//! change is said once, in the log and as an event, within about a second.

use std::sync::{Mutex, PoisonError};

use fsx_live::HealthRow;
use fsx_seam::log;

use crate::{events, world::World};

/// What was seen last; `None` before the first look.
#[derive(Debug, Default)]
pub(crate) struct Seen(Mutex<Option<Vec<HealthRow>>>);

/// Looks, and tells of what changed since the last look. The first look only remembers.
pub(crate) fn watch(world: &World) {
    let Some(live) = world.live() else { return };
    let now = live.table().health();
    let before = {
        let mut seen = world.health.0.lock().unwrap_or_else(PoisonError::into_inner);
        seen.replace(now.clone())
    };
    let Some(before) = before else { return };
    for (row, health) in changes(&before, &now) {
        let (id, centre) = (row.gateway_id, &row.data_centre);
        log::notice(format_args!("fsx: gateway {id} is {health} in data centre {centre}"));
        events::gateway(id, centre, health);
    }
}

/// Rows that changed, with what they are now. Both are in order of gateway and data centre.
fn changes<'a>(
    before: &'a [HealthRow],
    now: &'a [HealthRow],
) -> Vec<(&'a HealthRow, &'static str)> {
    let found_in = |rows: &'a [HealthRow], row: &HealthRow| {
        let key = |row: &HealthRow| (row.gateway_id, row.data_centre.clone());
        rows.binary_search_by_key(&key(row), key).ok().map(|at| &rows[at])
    };
    let mut found: Vec<_> = now
        .iter()
        .filter(|row| match found_in(before, row) {
            Some(old) => old.healthy != row.healthy,
            // A first word that says "up" changes nothing: no word was up too.
            None => !row.healthy,
        })
        .map(|row| (row, if row.healthy { "up" } else { "down" }))
        .collect();
    found.extend(
        before
            .iter()
            .filter(|old| !old.healthy && found_in(now, old).is_none())
            .map(|old| (old, "unknown")),
    );
    found
}

#[cfg(test)]
mod tests {
    use super::*;

    fn row(gateway_id: u32, data_centre: &str, healthy: bool) -> HealthRow {
        HealthRow { gateway_id, data_centre: data_centre.to_owned(), healthy }
    }

    #[test]
    fn only_changes_are_told() {
        let before = [row(1, "A", true), row(2, "A", false), row(3, "A", false)];
        let now = [row(1, "A", false), row(2, "A", true), row(4, "A", true), row(5, "B", false)];
        let told: Vec<_> =
            changes(&before, &now).iter().map(|(row, health)| (row.gateway_id, *health)).collect();
        assert_eq!(told, [(1, "down"), (2, "up"), (5, "down"), (3, "unknown")]);
        assert!(changes(&now, &now).is_empty());
    }
}
