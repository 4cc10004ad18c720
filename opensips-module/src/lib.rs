//! fsx.so: fsx inside OpenSIPS 3.3 to 4.0.
//!
//! `fsx_route()` decides a call from the snapshot that is mapped into every process, writes the plan
//! into one AVP that travels with the transaction, and points the request at the first attempt;
//! `fsx_next()` goes to the next one in a failure route; `$fsx(…)` reads what was decided. Nothing on
//! that way waits, asks or locks. `README.md` beside this crate is the manual.
//!
//! One binary serves every release that it knows ([`release`]) and refuses all others, so that it is
//! built with no OpenSIPS source at hand. Unsafe code is in [`sys`] and [`host`] only.

#![deny(unsafe_code)]

mod carried;
mod config;
mod data;
pub mod destination;
#[allow(unsafe_code)]
pub mod host;
mod init;
pub mod release;
mod route;
mod status;
#[allow(unsafe_code)]
pub mod sys;
mod worker;
