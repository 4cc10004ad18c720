//! The daemon's metrics: every name, its help and its buckets, in one place.
//!
//! Labels are bounded by configuration: an organisation or task that is not in a loaded bundle is
//! counted as `other`, so that a scanner cannot fill a time-series database.

use std::time::{Duration, UNIX_EPOCH};

use metrics::{Unit, describe_counter, describe_gauge, describe_histogram, gauge};
use metrics_exporter_prometheus::{BuildError, Matcher, PrometheusBuilder, PrometheusHandle};

use crate::{published::PublishedHandle, routing::seconds};

/// Decisions given, by `source` (`socket`, `esl`, `http`) and `outcome`.
pub const DECISIONS: &str = "fsxinetd_decisions_total";
/// Seconds a decision took, by `source`.
pub const DECISION_SECONDS: &str = "fsxinetd_decision_duration_seconds";
/// Policy runs, by `org` (the bundle's), `task` and `outcome`.
pub const POLICY_RUNS: &str = "fsxinetd_policy_runs_total";
/// Seconds a policy run took, by `phase`.
pub const POLICY_SECONDS: &str = "fsxinetd_policy_duration_seconds";
/// Seconds a run computed, by `org` (the bundle's), `task` and `phase`.
pub const POLICY_SCRIPT_SECONDS: &str = "fsxinetd_policy_script_duration_seconds";
/// Seconds a run that talked with a switch waited for it, by `org`, `task` and `phase`.
pub const POLICY_HOST_SECONDS: &str = "fsxinetd_policy_switch_wait_duration_seconds";
/// Seconds a run waited for the Core API and databases, by `org`, `task` and `phase`.
pub const POLICY_OUTSIDE_SECONDS: &str = "fsxinetd_policy_outside_wait_duration_seconds";
/// Calls of a run into the daemon, by `org`, `task` and `phase`.
pub const POLICY_HOST_CALLS: &str = "fsxinetd_policy_host_calls_total";
/// What policies count with `fsx.metric.count`, by `org` (the bundle's) and their own `name`.
pub const POLICY_COUNTS: &str = "fsxinetd_policy_events_total";
/// What policies put with `fsx.metric.gauge`, by `org` and `name`.
pub const POLICY_GAUGE: &str = "fsxinetd_policy_value";
/// What policies note with `fsx.metric.observe`, by `org` and `name`.
pub const POLICY_OBSERVED: &str = "fsxinetd_policy_observed_duration_seconds";
/// Policy threads given up because a run did not end.
pub const POLICY_ABANDONED: &str = "fsxinetd_policy_threads_abandoned_total";
/// Bundles in force.
pub const POLICY_BUNDLES: &str = "fsxinetd_policy_bundles";
/// 1 for each version in force, by `org` (the bundle's) and `version`; 0 for one that was.
pub const POLICY_BUNDLE_INFO: &str = "fsxinetd_policy_bundle_info";
/// Bundles offered and refused, by `org`.
pub const POLICY_REFUSED: &str = "fsxinetd_policy_bundles_refused_total";
/// Calls on the event socket now.
pub const ESL_CALLS: &str = "fsxinetd_esl_calls";
/// Connections to the event socket, by `outcome`.
pub const ESL_CONNECTIONS: &str = "fsxinetd_esl_connections_total";
/// Connections to the decision socket now.
pub const DECIDE_CONNECTIONS: &str = "fsxinetd_decide_connections";
/// Connections to the decision socket that were refused, by `reason`.
pub const DECIDE_REFUSED: &str = "fsxinetd_decide_refused_total";
/// Requests on the decision socket, by `kind`.
pub const DECIDE_REQUESTS: &str = "fsxinetd_decide_requests_total";
/// Requests whose deadline passed before their answer.
pub const DECIDE_LATE: &str = "fsxinetd_decide_late_total";
/// XML look-ups, by `section` and `outcome`.
pub const XML_LOOKUPS: &str = "fsxinetd_xml_lookups_total";
/// Seconds an XML look-up took, by `section`.
pub const XML_SECONDS: &str = "fsxinetd_xml_lookup_duration_seconds";
/// Call records taken, by `source` (`socket`, `spool`) and `result` (`new`, `again`, `dead`).
pub const CDR_TAKEN: &str = "fsxinetd_cdr_taken_total";
/// Call records delivered, by `result`.
pub const CDR_DELIVERED: &str = "fsxinetd_cdr_delivered_total";
/// Call records waiting to be delivered.
pub const CDR_WAITING: &str = "fsxinetd_cdr_waiting_records";
/// HTTP requests, by `endpoint` and `code`.
pub const HTTP_REQUESTS: &str = "fsxinetd_http_requests_total";
/// Generation last published.
pub const SNAPSHOT_GENERATION: &str = "fsxinetd_snapshot_generation";
/// Size of the snapshot.
pub const SNAPSHOT_BYTES: &str = "fsxinetd_snapshot_bytes";
/// When it was published.
pub const SNAPSHOT_TIMESTAMP: &str = "fsxinetd_snapshot_timestamp_seconds";

const BUILD_INFO: &str = "fsxinetd_build_info";
const RESIDENT: &str = "process_resident_memory_bytes";
const OPEN_FDS: &str = "process_open_fds";
const START_TIME: &str = "process_start_time_seconds";

/// Upper bounds of the duration buckets, in seconds.
const BUCKETS: [f64; 13] =
    [0.000_05, 0.000_1, 0.000_25, 0.000_5, 0.001, 0.002_5, 0.005, 0.01, 0.025, 0.05, 0.1, 0.5, 2.5];

/// The same for what is told by organisation and task, which multiplies.
const COARSE: [f64; 5] = [0.001, 0.01, 0.1, 1.0, 10.0];

/// How often histograms are folded; without it they grow until somebody scrapes.
pub const UPKEEP: Duration = Duration::from_secs(5);

/// Installs the recorder of this process and describes every metric.
///
/// # Errors
/// When the process has a recorder already.
pub fn install() -> Result<PrometheusHandle, BuildError> {
    let handle = PrometheusBuilder::new()
        .set_buckets_for_metric(Matcher::Suffix("_duration_seconds".to_owned()), &BUCKETS)?
        .set_buckets_for_metric(Matcher::Full(POLICY_SCRIPT_SECONDS.to_owned()), &COARSE)?
        .set_buckets_for_metric(Matcher::Full(POLICY_HOST_SECONDS.to_owned()), &COARSE)?
        .set_buckets_for_metric(Matcher::Full(POLICY_OUTSIDE_SECONDS.to_owned()), &COARSE)?
        .set_buckets_for_metric(Matcher::Full(POLICY_OBSERVED.to_owned()), &COARSE)?
        .install_recorder()?;
    describe();
    gauge!(BUILD_INFO, "version" => env!("CARGO_PKG_VERSION"), "lua" => "luau").set(1.0);
    gauge!(START_TIME).set(seconds(std::time::SystemTime::now()) as f64);
    gauge!(ESL_CALLS).set(0.0);
    gauge!(DECIDE_CONNECTIONS).set(0.0);
    gauge!(CDR_WAITING).set(0.0);
    gauge!(POLICY_BUNDLES).set(0.0);
    Ok(handle)
}

fn describe() {
    for (name, unit, help) in [
        (DECISIONS, Unit::Count, "Routing decisions given, by source and outcome."),
        (POLICY_RUNS, Unit::Count, "Policy runs, by bundle, task and outcome."),
        (
            POLICY_HOST_CALLS,
            Unit::Count,
            "Calls of policies into the daemon, by bundle, task and phase.",
        ),
        (POLICY_COUNTS, Unit::Count, "What policies count, by bundle and their own name."),
        (POLICY_ABANDONED, Unit::Count, "Policy threads given up because a run did not end."),
        (ESL_CONNECTIONS, Unit::Count, "Event-socket connections, by outcome."),
        (DECIDE_REFUSED, Unit::Count, "Decision-socket connections refused, by reason."),
        (DECIDE_REQUESTS, Unit::Count, "Decision-socket requests, by kind."),
        (DECIDE_LATE, Unit::Count, "Decision-socket requests answered too late to be of use."),
        (XML_LOOKUPS, Unit::Count, "XML look-ups, by section and outcome."),
        (CDR_TAKEN, Unit::Count, "Call records taken, by source and result."),
        (CDR_DELIVERED, Unit::Count, "Call records delivered, by result."),
        (HTTP_REQUESTS, Unit::Count, "HTTP requests, by endpoint and status code."),
    ] {
        describe_counter!(name, unit, help);
    }
    for (name, unit, help) in [
        (ESL_CALLS, Unit::Count, "Calls on the event socket now."),
        (DECIDE_CONNECTIONS, Unit::Count, "Connections to the decision socket now."),
        (CDR_WAITING, Unit::Count, "Call records waiting to be delivered."),
        (POLICY_BUNDLES, Unit::Count, "Policy bundles in force."),
        (POLICY_GAUGE, Unit::Count, "What policies put, by bundle and their own name."),
        (
            POLICY_BUNDLE_INFO,
            Unit::Count,
            "1 for each policy version in force, by org and version.",
        ),
        (SNAPSHOT_GENERATION, Unit::Count, "Generation of the routing data last published."),
        (SNAPSHOT_BYTES, Unit::Bytes, "Size of the routing file last published."),
        (SNAPSHOT_TIMESTAMP, Unit::Seconds, "When the routing data was last published."),
        (BUILD_INFO, Unit::Count, "Release of this daemon; always 1."),
        (RESIDENT, Unit::Bytes, "Resident memory of this process."),
        (OPEN_FDS, Unit::Count, "Open file descriptors of this process."),
        (START_TIME, Unit::Seconds, "When this process started."),
    ] {
        describe_gauge!(name, unit, help);
    }
    for (name, help) in [
        (DECISION_SECONDS, "Time from question to decision, by source."),
        (XML_SECONDS, "Time an XML look-up took, by section."),
        (POLICY_SECONDS, "Time a policy run took, by phase."),
        (POLICY_SCRIPT_SECONDS, "Time a policy run computed, by bundle, task and phase."),
        (
            POLICY_HOST_SECONDS,
            "Time a policy run waited for the switch, by bundle, task and phase.",
        ),
        (
            POLICY_OUTSIDE_SECONDS,
            "Time a policy run waited for the Core API and databases, by bundle, task and phase.",
        ),
        (POLICY_OBSERVED, "What policies note the time of, by bundle and their own name."),
    ] {
        describe_histogram!(name, Unit::Seconds, help);
    }
}

/// Sets the gauges that are cheaper to read at a scrape than to keep.
pub fn refresh(published: &PublishedHandle) {
    if let Some(published) = published.current() {
        gauge!(SNAPSHOT_GENERATION).set(published.generation as f64);
        gauge!(SNAPSHOT_BYTES).set(published.bytes as f64);
        let at = published.at.duration_since(UNIX_EPOCH).unwrap_or_default();
        gauge!(SNAPSHOT_TIMESTAMP).set(at.as_secs_f64());
    }
    // The kernel's own page count; pages are 4 KiB on every machine that this runs on.
    if let Some(pages) = std::fs::read_to_string("/proc/self/statm")
        .ok()
        .and_then(|text| text.split_whitespace().nth(1)?.parse::<f64>().ok())
    {
        gauge!(RESIDENT).set(pages * 4096.0);
    }
    if let Ok(open) = std::fs::read_dir("/proc/self/fd") {
        gauge!(OPEN_FDS).set(open.count() as f64);
    }
}
