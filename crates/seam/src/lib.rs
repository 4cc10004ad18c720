//! What a Rust guest needs in any C host.
//!
//! A switch is a C program that must not fall, and it runs our code on its own threads, with its own
//! signals, small stacks and forks. Everything that this asks of a guest, and that is the same in
//! FreeSWITCH and in OpenSIPS, is here once:
//!
//! - [`guard`]: the only door from C into Rust; a panic becomes a named fallback.
//! - [`text`]: C strings in and out, NULL and non-UTF-8 included.
//! - [`map`]: a file mapped read-only.
//! - [`generation`]: the snapshot that calls use now, and moving to the next.
//! - [`log`]: words to the host's log.
//! - [`ask`]: a question to the daemon, with a deadline.
//! - [`spool`]: call records to a local file while the daemon is away.
//! - [`clock`]: instants, deadlines, short pauses.
//!
//! **No threads, no thread-locals with destructors** (`std::thread`, `arc-swap` and their like pin the
//! module in the host's memory, and their destructors run in signal handlers), nothing that waits
//! without a deadline, and no stack frame worth mentioning: a FreeSWITCH session thread has 240 KiB.

#![deny(unsafe_code)] // Three files may: C strings, the map, sockets.

pub mod ask;
pub mod clock;
pub mod generation;
pub mod guard;
pub mod log;
#[allow(unsafe_code)]
pub mod map;
#[allow(unsafe_code)]
mod socket;
pub mod spool;
#[allow(unsafe_code)]
pub mod text;
