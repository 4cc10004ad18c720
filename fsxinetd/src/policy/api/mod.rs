//! What policies may use: one list of the names, and one way to the world outside the machine.
//!
//! A script is somebody else's text, so everything it can reach is named in one place and reached
//! through one door. [`catalogue`] holds every name with its phases, arguments and meaning: the
//! refusals of the wrong phase, the editor stubs and the linter's settings all come from it.
//! [`World`] is the door: clocks, the Core API, the key-value store, databases, metrics, the log and
//! the routing data. The daemon opens it to the real ones; the simulator to scripted ones.

pub mod catalogue;
mod world;

pub use world::{
    Asker, CoreAnswer, CoreAsk, CoreSource, DbAnswer, DbAsk, KvAnswer, KvAsk, Later, LogLevel,
    MetricAsk, MetricKind, World,
};
