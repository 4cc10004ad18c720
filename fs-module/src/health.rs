//! Watching gateways in the live table, to tell of changes.
//!
//! The prober, an operator, this switch's calls and those of other switches of this host all have a
//! say there; whoever it was, the change is said once, in the log and as an event, within about a
//! second.

use std::sync::{Mutex, PoisonError};

use fsx_live::{GatewayRow, HealthRow, Operator, Passive};
use fsx_seam::{clock, log};

use crate::{events, world::World};

/// What was seen last; `None` before the first look.
#[derive(Debug, Default)]
pub(crate) struct Seen(Mutex<Option<(Vec<HealthRow>, Vec<GatewayRow>)>>);

/// Looks, and tells of what changed since the last look. The first look only remembers.
pub(crate) fn watch(world: &World) {
    let Some(live) = world.live() else { return };
    let (before, now) = {
        // Held while looking: of two threads, who looked later must be who remembers.
        let mut seen = world.health.0.lock().unwrap_or_else(PoisonError::into_inner);
        let now = (live.table().health(), live.table().gateway_rows(clock::utc_s()));
        (seen.replace(now.clone()), now)
    };
    let Some(before) = before else { return };
    for (row, health) in changes(&before.0, &now.0) {
        let (id, centre) = (row.gateway_id, &row.data_centre);
        log::notice(format_args!("fsx: gateway {id} is {health} in data centre {centre}"));
        events::gateway(id, centre, health);
    }
    let here = world.setup().config.data_centre.clone();
    for change in turns(&before.1, &now.1) {
        match change {
            Change::Operator(row, word) => {
                let id = row.gateway_id;
                log::notice(format_args!("fsx: gateway {id} is {word} by an operator's word"));
                events::gateway_by_operator(id, &here, word);
            }
            // The log was told by the process whose call it was.
            Change::Passive(row, state) => events::gateway_by_calls(row, &here, state),
        }
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

/// A change of what calls or an operator say.
#[derive(Debug, PartialEq)]
enum Change<'a> {
    Operator(&'a GatewayRow, &'static str),
    Passive(&'a GatewayRow, &'static str),
}

/// Rows whose standing changed. Both are in order of gateway.
fn turns<'a>(before: &[GatewayRow], now: &'a [GatewayRow]) -> Vec<Change<'a>> {
    let mut found = Vec::new();
    for row in now {
        let old = before.binary_search_by_key(&row.gateway_id, |old| old.gateway_id);
        let old = old.ok().map(|at| &before[at]);
        if old.map_or(Operator::Auto, |old| old.operator) != row.operator {
            found.push(Change::Operator(row, operator(row.operator)));
        }
        let (was, trips) = old.map_or(("up", 0), |old| (passive(old.passive), old.trips));
        let is = passive(row.passive);
        // Down, on trial and down again between two looks is down anew.
        if was != is || (is == "down" && trips != row.trips) {
            found.push(Change::Passive(row, is));
        }
    }
    found
}

/// The word for an operator's word.
pub(crate) fn operator(word: Operator) -> &'static str {
    match word {
        Operator::Auto => "auto",
        Operator::Up => "up",
        Operator::Down => "down",
    }
}

/// The word for a passive state.
pub(crate) fn passive(state: Passive) -> &'static str {
    match state {
        Passive::Up => "up",
        Passive::Down { .. } => "down",
        Passive::Trial { .. } => "trial",
    }
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

    #[test]
    fn turns_are_told_once() {
        let row = |gateway_id, passive, trips, operator| GatewayRow {
            gateway_id,
            calls_in_progress: 0,
            calls_begun: 0,
            quality: fsx_core::profile::Quality::default(),
            passive,
            trips,
            tripped_by: (0, 0),
            operator,
        };
        let down = |left_s| Passive::Down { left_s };
        let before = [
            row(1, Passive::Up, 0, Operator::Auto),
            row(2, down(9), 1, Operator::Auto),
            row(3, down(9), 1, Operator::Auto),
            row(4, Passive::Up, 0, Operator::Down),
        ];
        let now = [
            row(1, down(30), 1, Operator::Auto),
            row(2, down(8), 1, Operator::Auto),
            row(3, down(60), 2, Operator::Auto),
            row(4, Passive::Up, 0, Operator::Auto),
            row(5, Passive::Trial { good: 0, of: 3 }, 1, Operator::Up),
        ];
        let told: Vec<_> = turns(&before, &now)
            .iter()
            .map(|change| match change {
                Change::Operator(row, word) => (row.gateway_id, "operator", *word),
                Change::Passive(row, word) => (row.gateway_id, "calls", *word),
            })
            .collect();
        let want = [
            (1, "calls", "down"),
            (3, "calls", "down"),
            (4, "operator", "auto"),
            (5, "operator", "up"),
            (5, "calls", "trial"),
        ];
        assert_eq!(told, want);
        assert!(turns(&now, &now).is_empty());
    }
}
