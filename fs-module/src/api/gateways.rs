//! `fsx gateways` and `fsx gateway`: health and load as the live table has them.

use fsx_core::data::{Index, LiveView, NoLive, RoutingData};
use serde_json::json;

use super::{Form, table::Table};
use crate::world::World;

/// Most gateways listed: a bound on what an operator's terminal is sent.
const MAX_LISTED: u32 = 10_000;

/// Answers `fsx gateways`.
pub(super) fn list(world: &World, form: Form) -> String {
    let Some(data) = world.snapshot() else {
        return "-ERR no routing data: no gateways are known\n".to_owned();
    };
    let data = data.routing();
    let live = world.live();
    let view: &dyn LiveView = match &live {
        Some(live) => live.table(),
        None => &NoLive,
    };
    let here = world.setup().config.data_centre.clone();
    let mut table =
        Table::new(["Gateway", "Carrier", "Health", "Calls", "Cap", "Data centres", "Dialstring"]);
    let mut values = Vec::new();
    for n in 0..MAX_LISTED {
        let Some(row) = data.gateway(Index(n)) else { break };
        let health = match (row.health_checked, view.healthy(row.id, &here)) {
            (false, _) => "unwatched",
            (true, true) => "up",
            (true, false) => "down",
        };
        let carrier = data.carrier(row.carrier).map(|carrier| carrier.name).unwrap_or_default();
        let calls = view.calls_in_progress(row.id);
        values.push(json!({
            "gateway_id": row.id,
            "carrier": carrier,
            "health": health,
            "calls_in_progress": calls,
            "max_calls": row.conc_calls,
            "data_centres": row.data_centres,
            "dial_string": row.dial_string,
        }));
        table.row([
            row.id.to_string(),
            carrier.to_owned(),
            health.to_owned(),
            calls.to_string(),
            if row.conc_calls == 0 { "none".to_owned() } else { row.conc_calls.to_string() },
            if row.data_centres.is_empty() {
                "all".to_owned()
            } else {
                row.data_centres.to_owned()
            },
            row.dial_string.to_owned(),
        ]);
    }
    form.show(&json!({"gateways": values}), || table.to_string())
}

/// Answers `fsx gateway <id> up|down|auto`, for the data centre of this switch.
pub(super) fn set(world: &World, id: &str, word: &str) -> String {
    let Ok(id) = id.parse::<u32>() else {
        return format!("-ERR expected a gateway's number, got {id:?}\n");
    };
    let Some(live) = world.live() else {
        return "-ERR no live table: health cannot be kept\n".to_owned();
    };
    let known = world.snapshot().is_some_and(|data| {
        let data = data.routing();
        (0..MAX_LISTED).map_while(|n| data.gateway(Index(n))).any(|row| row.id == id)
    });
    if !known {
        return format!("-ERR no gateway {id} in generation {}\n", world.generation());
    }
    let here = world.setup().config.data_centre.clone();
    let set = match word {
        "up" => live.table().set_healthy(id, &here, true),
        "down" => live.table().set_healthy(id, &here, false),
        "auto" => {
            live.table().forget_health(id, &here);
            true
        }
        _ => return format!("-ERR expected up, down or auto, got {word:?}\n"),
    };
    if set {
        format!("+OK gateway {id} is {word} in data centre {here:?}\n")
    } else {
        format!("-ERR the live table is full: nothing was changed for gateway {id}\n")
    }
}
