//! `fsx gateways` and `fsx gateway`: health, load and quality as the live table has them.

use fsx_core::data::{Index, LiveView, NoLive, RoutingData};
use fsx_live::{GatewayRow, Operator, Passive};
use fsx_seam::clock;
use serde_json::{Value, json};

use super::{Form, table::Table};
use crate::{health, world::World};

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
    let (here, at) = (world.setup().config.data_centre.clone(), clock::utc_s());
    let mut table = Table::new([
        "Gateway",
        "Carrier",
        "Health",
        "Calls",
        "Cap",
        "ASR",
        "ACD",
        "PDD",
        "Attempts",
        "Data centres",
        "Dialstring",
    ]);
    let mut values = Vec::new();
    for n in 0..MAX_LISTED {
        let Some(row) = data.gateway(Index(n)) else { break };
        let seen = live.as_ref().and_then(|live| live.table().gateway_row(row.id, at));
        let probed = live.as_ref().is_none_or(|l| l.table().probed_healthy(row.id, &here));
        let health = Health::of(row.health_checked, probed, seen.as_ref());
        let carrier = data.carrier(row.carrier).map(|carrier| carrier.name).unwrap_or_default();
        let calls = view.calls_in_progress(row.id);
        let quality = seen.map(|seen| seen.quality).unwrap_or_default();
        values.push(json!({
            "gateway_id": row.id,
            "carrier": carrier,
            "health": health.word,
            "prober": match (row.health_checked, probed) {
                (false, _) => "unwatched",
                (true, true) => "up",
                (true, false) => "down",
            },
            "operator": health::operator(health.operator),
            "passive": passive(seen.as_ref()),
            "calls_in_progress": calls,
            "max_calls": row.conc_calls,
            "quality": {
                "attempts": quality.seizures,
                "answers": quality.answers,
                "failed": quality.failed,
                "asr_permille": quality.asr_permille(),
                "ner_permille": quality.ner_permille(),
                "acd_s": quality.acd_s(),
                "pdd_ms": quality.average_pdd_ms(),
                "counts": quality.counts(),
            },
            "data_centres": row.data_centres,
            "dial_string": row.dial_string,
        }));
        let or_none = |figure: Option<String>| figure.unwrap_or_else(|| "-".to_owned());
        let tenths = |n: u64| format!("{}.{}", n / 10, n % 10);
        table.row([
            row.id.to_string(),
            carrier.to_owned(),
            health.to_string(),
            calls.to_string(),
            if row.conc_calls == 0 { "none".to_owned() } else { row.conc_calls.to_string() },
            or_none(quality.asr_permille().map(|asr| tenths(asr) + " %")),
            or_none(quality.acd_s().map(|acd| format!("{acd} s"))),
            or_none(quality.average_pdd_ms().map(|pdd| tenths(pdd / 100) + " s")),
            quality.seizures.to_string(),
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

/// A gateway's health in a word, and who said so.
struct Health {
    word: &'static str,
    operator: Operator,
    passive: Passive,
}

impl Health {
    fn of(checked: bool, probed: bool, seen: Option<&GatewayRow>) -> Self {
        let (operator, passive) =
            seen.map_or((Operator::Auto, Passive::Up), |row| (row.operator, row.passive));
        let word = match (operator, passive) {
            (Operator::Up, _) => "up",
            (Operator::Down, _) => "down",
            _ if checked && !probed => "down",
            (_, Passive::Down { .. }) => "down",
            (_, Passive::Trial { .. }) => "trial",
            _ if !checked => "unwatched",
            _ => "up",
        };
        Self { word, operator, passive }
    }
}

impl std::fmt::Display for Health {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(self.word)?;
        match (self.operator, self.passive) {
            (Operator::Auto, Passive::Up) => Ok(()),
            (Operator::Auto, Passive::Down { left_s }) => write!(f, " (passive, {left_s} s left)"),
            (Operator::Auto, Passive::Trial { good, of }) => {
                write!(f, " (passive, {good} of {of} calls)")
            }
            _ => f.write_str(" (operator)"),
        }
    }
}

fn passive(seen: Option<&GatewayRow>) -> Value {
    let Some(row) = seen else { return json!({"state": "up", "times_down": 0}) };
    let mut value = json!({
        "state": health::passive(row.passive),
        "times_down": row.trips,
    });
    let mut set = |name: &str, number: u32| value[name] = number.into();
    match row.passive {
        Passive::Up => {}
        Passive::Down { left_s } => set("left_s", left_s),
        Passive::Trial { good, of } => {
            set("good_calls", good);
            set("of_calls", of);
        }
    }
    // What brought it down is of no interest once it is up.
    if !matches!(row.passive, Passive::Up) && row.trips > 0 && row.tripped_by.1 > 0 {
        set("failed", row.tripped_by.0);
        set("of_attempts", row.tripped_by.1);
    }
    value
}

/// Answers `fsx gateway <id> up|down|auto`: an operator's word, for all of this host.
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
    let (operator, said) = match word {
        "up" => (Operator::Up, "is up, whatever the prober and its calls say, until auto"),
        "down" => (Operator::Down, "takes no calls, until up or auto"),
        "auto" => (Operator::Auto, "is as the prober and its calls say"),
        _ => return format!("-ERR expected up, down or auto, got {word:?}\n"),
    };
    if live.table().set_operator(id, operator) {
        // At once: a word that is taken back within a second was given all the same.
        health::watch(world);
        format!("+OK gateway {id} {said}, for every switch of this host\n")
    } else {
        format!("-ERR the live table is full: nothing was changed for gateway {id}\n")
    }
}

/// Most IDs offered by Tab: a screen of them.
const MAX_OFFERED: u32 = 500;

/// The IDs of the gateways in the routing data.
pub(super) fn ids(world: &World) -> Vec<String> {
    let Some(data) = world.snapshot() else { return Vec::new() };
    let row = |n| data.routing().gateway(Index(n)).map(|row| row.id.to_string());
    (0..MAX_OFFERED).map_while(row).collect()
}
