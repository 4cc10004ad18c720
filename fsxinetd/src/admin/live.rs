//! The live table for people and machines: `fsxinetd status` reads the file itself.

use std::fmt::Write;
use std::time::SystemTime;

use fsx_live::{GatewayRow, LiveTable, Operator, Passive};
use serde_json::{Value, json};

use crate::config::Config;
use crate::routing::seconds;

/// What the table says, or why it cannot be read.
pub(super) struct Live(Result<(LiveTable, Vec<GatewayRow>), String>);

impl Live {
    pub(super) fn read(config: &Config) -> Self {
        let opened = LiveTable::open(&config.feed.live).map_err(|error| error.to_string());
        Self(opened.map(|table| {
            let rows = table.gateway_rows(seconds(SystemTime::now()));
            (table, rows)
        }))
    }

    pub(super) fn value(&self) -> Value {
        let (table, rows) = match &self.0 {
            Ok(read) => read,
            Err(error) => return json!({ "error": error }),
        };
        let stats = table.stats();
        let switches: Vec<Value> = table
            .owners()
            .iter()
            .map(|owner| {
                json!({
                    "pid": owner.pid,
                    "alive": owner.alive,
                    "calls_in_progress": owner.calls_in_progress,
                })
            })
            .collect();
        json!({
            "generation": stats.generation,
            "shutting_down": stats.shutting_down,
            "calls_in_progress": stats.calls_in_progress,
            "switches": switches,
            "switches_lost": stats.owners_reaped,
            "times_full": stats.overflow,
            "gateways": rows.iter().map(gateway).collect::<Vec<_>>(),
        })
    }

    pub(super) fn text(&self) -> String {
        let (table, rows) = match &self.0 {
            Ok(read) => read,
            Err(error) => return format!("{error}\n"),
        };
        let stats = table.stats();
        let mut out = format!(
            "live table: {} calls in progress at {} gateways, {} switch processes",
            stats.calls_in_progress, stats.gateways, stats.owners
        );
        // Writing to a String cannot fail.
        if stats.overflow > 0 {
            let _ = write!(out, ", full {} times", stats.overflow);
        }
        out.push('\n');
        if rows.is_empty() {
            return out;
        }
        let _ = writeln!(
            out,
            "{:>10}  {:<24} {:>6} {:>8} {:>7} {:>7} {:>7}",
            "gateway", "by its calls", "calls", "attempts", "ASR", "ACD", "PDD"
        );
        for row in rows {
            let quality = &row.quality;
            let or_none = |figure: Option<String>| figure.unwrap_or_else(|| "-".to_owned());
            let tenths = |n: u64| format!("{}.{}", n / 10, n % 10);
            let _ = writeln!(
                out,
                "{:>10}  {:<24} {:>6} {:>8} {:>7} {:>7} {:>7}",
                row.gateway_id,
                standing(row),
                row.calls_in_progress,
                quality.seizures,
                or_none(quality.asr_permille().map(|asr| tenths(asr) + " %")),
                or_none(quality.acd_s().map(|acd| format!("{acd} s"))),
                or_none(quality.average_pdd_ms().map(|pdd| tenths(pdd / 100) + " s")),
            );
        }
        out
    }
}

fn standing(row: &GatewayRow) -> String {
    match (row.operator, row.passive) {
        (Operator::Up, _) => "up (operator)".to_owned(),
        (Operator::Down, _) => "down (operator)".to_owned(),
        (_, Passive::Up) => "up".to_owned(),
        (_, Passive::Down { left_s }) => format!("down, {left_s} s left"),
        (_, Passive::Trial { good, of }) => format!("trial, {good} of {of} calls"),
    }
}

fn gateway(row: &GatewayRow) -> Value {
    let quality = &row.quality;
    let (state, left_s) = match row.passive {
        Passive::Up => ("up", None),
        Passive::Down { left_s } => ("down", Some(left_s)),
        Passive::Trial { .. } => ("trial", None),
    };
    let operator = match row.operator {
        Operator::Auto => "auto",
        Operator::Up => "up",
        Operator::Down => "down",
    };
    json!({
        "gateway_id": row.gateway_id,
        "operator": operator,
        "passive": { "state": state, "left_s": left_s, "times_down": row.trips },
        "calls_in_progress": row.calls_in_progress,
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
    })
}
