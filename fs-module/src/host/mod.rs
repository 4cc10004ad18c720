//! FreeSWITCH's own functions, wrapped: the only code beside `sys` that is unsafe.
//!
//! Everything above this floor is safe Rust. Handles are borrowed for the length of one callback
//! and cannot be sent to another thread; what is read from FreeSWITCH is copied at once, since its
//! strings belong to pools and other threads; callbacks can be registered only through
//! [`register`], which puts the guard round each.

pub(crate) mod cause;
pub(crate) mod channel;
pub(crate) mod core;
pub(crate) mod dial;
pub(crate) mod dialplan;
pub(crate) mod event;
mod late;
pub(crate) mod log;
pub(crate) mod register;
pub(crate) mod session;
pub(crate) mod stream;
mod text;
pub(crate) mod xml;

pub(crate) use cause::Cause;
pub(crate) use channel::Channel;
pub(crate) use event::Event;
pub(crate) use session::Session;
pub(crate) use stream::Stream;
