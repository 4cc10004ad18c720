//! The thinking: call facts and routing data in, a decision out.
//!
//! Everything that must be the same in FreeSWITCH, in OpenSIPS, in the daemon and on the command
//! line lives here, and nothing else does: no clock (`at` is an argument), no input or output, no
//! unsafe, no allocation once a decision has begun. The contract is "What a routing decision is";
//! step numbers in these docs are its steps.
//!
//! [`decide()`] is the door. It reads a [`data::RoutingData`] and a [`data::LiveView`], takes
//! [`CallFacts`], and gives a [`Decision`]; [`render`] turns a candidate into what a switch dials.

#![forbid(unsafe_code)]

pub mod cause;
pub mod data;
pub mod decide;
pub mod digits;
pub mod emergency;
pub mod facts;
mod gateways;
pub mod money;
pub mod normalise;
pub mod pattern;
pub mod plan;
pub mod profile;
mod ranked;
pub mod render;
pub mod standing;

pub use decide::{decide, decide_why, sell_price};
pub use digits::{E164, Key};
pub use facts::{CallFacts, Country};
pub use gateways::MAX_GATEWAYS;
pub use money::Nano;
pub use plan::{Candidate, Decision, MAX_ATTEMPTS, Plan, Reject};
pub use profile::Profile;
