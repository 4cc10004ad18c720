//! The daemon beside the switch, as a library so that tests can open each of its rooms.
//!
//! The switches route from data already in memory; this process makes that data and improves on it:
//! - [`daemon`] and [`cli`]: what runs, and what can be asked;
//! - [`config`]: what an operator may set;
//! - [`published`] and [`routing`]: the routing data last published, and answers out of it;
//! - [`esl`] and [`decide`]: the doors that the switches knock at;
//! - [`cdr`]: call records, taken, kept and delivered;
//! - [`policy`]: the organisations' Lua;
//! - [`xml`]: FreeSWITCH's look-ups of its XML;
//! - [`http`] and [`health`]: how the daemon is asked how it does;
//! - [`shutdown`]: how it stops without dropping a call.

#![forbid(unsafe_code)]

pub mod admin;
pub mod cdr;
pub mod cli;
pub mod cmd;
pub mod config;
pub mod daemon;
pub mod db;
pub mod decide;
pub mod demo;
pub mod esl;
pub mod feed;
pub mod health;
pub mod http;
pub mod import;
pub mod logging;
pub mod net;
pub mod policy;
pub mod published;
pub mod routing;
pub mod shutdown;
pub mod xml;
