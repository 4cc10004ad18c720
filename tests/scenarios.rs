//! Calls through real switches: one test a folder of `tests/scenarios/`.
//!
//! Each needs FreeSWITCH, OpenSIPS and SIPp (`tests/support/place.rs` says where it looks) and
//! says `SKIPPED` when one is missing.

#[path = "scenarios/switches-alone/scenario.rs"]
mod switches_alone;
