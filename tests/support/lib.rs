//! Why this exists: fsx lives inside other people's programs, so what matters can only be shown
//! with those programs running. This library starts the real FreeSWITCH, OpenSIPS, SIPp and
//! fsxinetd in a private directory on private ports, waits for them by asking and not by sleeping,
//! reads back what they did, and leaves nothing behind, even when a test is killed.
//!
//! One file a noun:
//! - [`place`]: what is installed here, and where; a scenario that lacks a
//!   program says `SKIPPED` and why ([`skip`]);
//! - [`run_dir`], [`ports`], [`child`], [`wait`], [`template`]: what every guest needs;
//! - [`freeswitch`], [`opensips`], [`sipp`], [`daemon`]: one guard for each program;
//! - [`esl`], [`mi`]: how to ask the two switches;
//! - [`deck`]: a small LCR database;
//! - [`load`], [`open_loop`]: many calls at once, and questions at a fixed rate;
//! - [`expect`]: comparing a call record with what a scenario expects;
//! - [`mod@bench`], [`rig`]: all of it put together, and as the scenarios use it;
//! - [`accounts`]: whether nothing was lost.
//!
//! Everything here may panic: it is test code, and a panic with one clear line is its error type.
//! Guards print the end of their program's log when they are dropped by a panic.

#![forbid(unsafe_code)]

pub mod accounts;
pub mod bench;
pub mod child;
pub mod core_api;
pub mod daemon;
pub mod deck;
pub mod esl;
pub mod expect;
pub mod freeswitch;
pub mod load;
pub mod mi;
pub mod open_loop;
pub mod opensips;
pub mod place;
pub mod ports;
pub mod rig;
pub mod run_dir;
pub mod sipp;
pub mod skip;
pub mod template;
pub mod wait;
