//! The daemon beside the switch, as a library so that tests can open each of its rooms.
//!
//! The switches route from data already in memory; this process makes that data and improves on it:
//! - [`config`]: what an operator may set;
//! - [`published`]: the routing data last published, for whoever answers inside the daemon.

#![forbid(unsafe_code)]

pub mod config;
pub mod net;
pub mod published;
