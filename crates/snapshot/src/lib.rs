//! The routing file: one immutable snapshot, built whole, mapped by every switch process.
//!
//! The file is the data structure. [`build()`] turns raw [`rows`] into bytes and a [`Report`];
//! [`Snapshot`] reads any `AsRef<[u8]>` in place. Opening is cheap and checks every bound, so that
//! a torn, short, foreign or hostile file is refused; [`Snapshot::verify`] is the deliberate,
//! complete check, run by the publisher before the rename and by a module once per generation, off
//! the call path. Nothing ever edits or truncates a published file.
//!
//! The format is drawn in `docs/snapshot-format.md`; its version is [`FORMAT`].

#![forbid(unsafe_code)]

mod build;
mod hashed;
mod index;
mod layout;
mod lists;
mod read;
mod regimes;
mod report;
pub mod rows;
mod sums;
mod vet;

pub use build::{BuildError, BuildSettings, Built, IndexKind, build};
pub use layout::FORMAT;
pub use read::{OpenError, OverrideEntry, PrivateNumber, Snapshot, VerifyError};
pub use report::{Lost, Report};
