//! Calls through real switches: one test a folder of `tests/scenarios/`.
//!
//! Each needs FreeSWITCH, OpenSIPS and SIPp (`tests/support/place.rs` says where it looks) and
//! says `SKIPPED` when one is missing.

#[path = "scenarios/async-never-parked/scenario.rs"]
mod async_never_parked;
#[path = "scenarios/busy-stops/scenario.rs"]
mod busy_stops;
#[path = "scenarios/call-routed/scenario.rs"]
mod call_routed;
#[path = "scenarios/caller-gives-up/scenario.rs"]
mod caller_gives_up;
#[path = "scenarios/caller-unshowable/scenario.rs"]
mod caller_unshowable;
#[path = "scenarios/carrier-redirects/scenario.rs"]
mod carrier_redirects;
#[path = "scenarios/carrier-silent/scenario.rs"]
mod carrier_silent;
#[path = "scenarios/clock-stepped/scenario.rs"]
mod clock_stepped;
#[path = "scenarios/daemon-gone/scenario.rs"]
mod daemon_gone;
#[path = "scenarios/daemon-hung/scenario.rs"]
mod daemon_hung;
#[path = "scenarios/daemon-killed-often/scenario.rs"]
mod daemon_killed_often;
#[path = "scenarios/drained/scenario.rs"]
mod drained;
#[path = "scenarios/emergency/scenario.rs"]
mod emergency;
#[path = "scenarios/failover-matrix/scenario.rs"]
mod failover_matrix;
#[path = "scenarios/failover-on-503/scenario.rs"]
mod failover_on_503;
#[path = "scenarios/gateway-down/scenario.rs"]
mod gateway_down;
#[path = "scenarios/gateway-full/scenario.rs"]
mod gateway_full;
#[path = "scenarios/interface-allowlist/scenario.rs"]
mod interface_allowlist;
#[path = "scenarios/lcr-dialplan-unchanged/scenario.rs"]
mod lcr_dialplan_unchanged;
#[path = "scenarios/live-table-deleted/scenario.rs"]
mod live_table_deleted;
#[path = "scenarios/live-table-lost/scenario.rs"]
mod live_table_lost;
#[path = "scenarios/memory-checked/scenario.rs"]
mod memory_checked;
#[path = "scenarios/module-replaced/scenario.rs"]
mod module_replaced;
#[path = "scenarios/no-gateway-left/scenario.rs"]
mod no_gateway_left;
#[path = "scenarios/outside-client/scenario.rs"]
mod outside_client;
#[path = "scenarios/passive-health/scenario.rs"]
mod passive_health;
#[path = "scenarios/policy-by-name/scenario.rs"]
mod policy_by_name;
#[path = "scenarios/policy-handoffs/scenario.rs"]
mod policy_handoffs;
#[path = "scenarios/policy-hundred-calls/scenario.rs"]
mod policy_hundred_calls;
#[path = "scenarios/policy-late/scenario.rs"]
mod policy_late;
#[path = "scenarios/policy-over-event-socket/scenario.rs"]
mod policy_over_event_socket;
#[path = "scenarios/policy-parts/scenario.rs"]
mod policy_parts;
#[path = "scenarios/policy-talks/scenario.rs"]
mod policy_talks;
#[path = "scenarios/policy-untrusted/scenario.rs"]
mod policy_untrusted;
#[path = "scenarios/proxy-fails-over/scenario.rs"]
mod proxy_fails_over;
#[path = "scenarios/quality-orders-carriers/scenario.rs"]
mod quality_orders_carriers;
#[path = "scenarios/record-disk-full/scenario.rs"]
mod record_disk_full;
#[path = "scenarios/referred/scenario.rs"]
mod referred;
#[path = "scenarios/reload-broken/scenario.rs"]
mod reload_broken;
#[path = "scenarios/same-answer-everywhere/scenario.rs"]
mod same_answer_everywhere;
#[path = "scenarios/same-carriers-as-mod-lcr/scenario.rs"]
mod same_carriers_as_mod_lcr;
#[path = "scenarios/snapshot-damaged/scenario.rs"]
mod snapshot_damaged;
#[path = "scenarios/snapshot-replaced-often/scenario.rs"]
mod snapshot_replaced_often;
#[path = "scenarios/snapshot-swapped-mid-call/scenario.rs"]
mod snapshot_swapped_mid_call;
#[path = "scenarios/snapshot-torn/scenario.rs"]
mod snapshot_torn;
#[path = "scenarios/storm/scenario.rs"]
mod storm;
#[path = "scenarios/switch-killed/scenario.rs"]
mod switch_killed;
#[path = "scenarios/switches-alone/scenario.rs"]
mod switches_alone;
#[path = "scenarios/transferred/scenario.rs"]
mod transferred;
#[path = "scenarios/xml-from-daemon/scenario.rs"]
mod xml_from_daemon;
