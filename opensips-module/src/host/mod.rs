//! Where OpenSIPS and the module touch: all that is unsafe, behind safe types.

pub(crate) mod api;
mod callbacks;
mod exports;
mod log;
pub mod mi;
pub(crate) mod params;
pub mod pv;
pub mod shared;

pub(crate) use api::process_no;
pub(crate) use callbacks::tell_workers;
pub(crate) use exports::version;
