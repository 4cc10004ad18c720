//! Metrics of the live table: what switches do with each gateway, and how the table itself is.
//!
//! Read at a scrape. The label `gateway` is bounded by the routing data, which is what calls are sent by.

use std::sync::Once;

use fsx_live::{GatewayRow, LiveTable, Operator, Passive};
use metrics::{Unit, describe_gauge, gauge};

use crate::routing::seconds;

const CALLS: &str = "fsxinetd_gateway_calls";
const UP: &str = "fsxinetd_gateway_up";
const TIMES_DOWN: &str = "fsxinetd_gateway_passive_downs";
const ATTEMPTS: &str = "fsxinetd_gateway_attempts_recent";
const ASR: &str = "fsxinetd_gateway_answer_seizure_ratio";
const NER: &str = "fsxinetd_gateway_network_effectiveness_ratio";
const ACD: &str = "fsxinetd_gateway_average_call_duration_seconds";
const PDD: &str = "fsxinetd_gateway_post_dial_delay_seconds";
const TABLE_CALLS: &str = "fsxinetd_live_calls";
const TABLE_SWITCHES: &str = "fsxinetd_live_switch_processes";
const TABLE_REAPED: &str = "fsxinetd_live_switch_processes_lost";
const TABLE_FULL: &str = "fsxinetd_live_table_full";

fn describe() {
    for (name, unit, help) in [
        (CALLS, Unit::Count, "Calls in progress at a gateway, all switches of this host."),
        (
            UP,
            Unit::Count,
            "1 if calls try a gateway in its place; 0.5 on trial; 0 last or not at all.",
        ),
        (TIMES_DOWN, Unit::Count, "Times that a gateway went down by its own calls."),
        (ATTEMPTS, Unit::Count, "Attempts at a gateway in the last hour."),
        (ASR, Unit::Count, "Share of them that was answered."),
        (NER, Unit::Count, "Share of them that did not fail by the gateway's fault."),
        (ACD, Unit::Seconds, "Average duration of calls that ended in the last hour."),
        (PDD, Unit::Seconds, "Average time from INVITE to ringing in the last hour."),
        (TABLE_CALLS, Unit::Count, "Calls in progress at all gateways."),
        (TABLE_SWITCHES, Unit::Count, "Switch processes that count calls."),
        (TABLE_REAPED, Unit::Count, "Switch processes found dead, their calls given back."),
        (TABLE_FULL, Unit::Count, "Times that the live table had no room; make it larger."),
    ] {
        describe_gauge!(name, unit, help);
    }
}

/// Sets them by what the table says now.
pub fn refresh(table: &LiveTable) {
    static DESCRIBED: Once = Once::new();
    DESCRIBED.call_once(describe);
    let stats = table.stats();
    gauge!(TABLE_CALLS).set(stats.calls_in_progress as f64);
    gauge!(TABLE_SWITCHES).set(stats.owners as f64);
    gauge!(TABLE_REAPED).set(stats.owners_reaped as f64);
    gauge!(TABLE_FULL).set(stats.overflow as f64);
    for row in table.gateway_rows(seconds(std::time::SystemTime::now())) {
        of_gateway(&row);
    }
}

fn of_gateway(row: &GatewayRow) {
    let id = row.gateway_id.to_string();
    let set = |name: &'static str, value: f64| gauge!(name, "gateway" => id.clone()).set(value);
    // No figure is no number: an average of nothing is not 0.
    let figure = |n: Option<u64>| n.map_or(f64::NAN, |n| n as f64 / 1000.0);
    let up = match (row.operator, row.passive) {
        (Operator::Up, _) | (Operator::Auto, Passive::Up) => 1.0,
        (Operator::Auto, Passive::Trial { .. }) => 0.5,
        _ => 0.0,
    };
    set(CALLS, f64::from(row.calls_in_progress));
    set(UP, up);
    set(TIMES_DOWN, row.trips as f64);
    set(ATTEMPTS, row.quality.seizures as f64);
    set(ASR, figure(row.quality.asr_permille()));
    set(NER, figure(row.quality.ner_permille()));
    set(ACD, row.quality.acd_s().map_or(f64::NAN, |s| s as f64));
    set(PDD, figure(row.quality.average_pdd_ms()));
}
