//! From the database to the file that the switches map, again and again.
//!
//! The switches need no database; this is why. The feed reads every table, builds a snapshot, verifies
//! it and puts it in place; then it looks for changes and does so again. When the database goes away
//! the last good snapshot stays in force and the feed keeps knocking, less and less often. Gateway
//! health and spend go a shorter way: straight from their tables into the live table, every two
//! seconds.
//!
//! - [`read()`]: all tables as rows, of one instant;
//! - [`make()`]: rows to a verified snapshot;
//! - [`publish()`]: onto disk, in place, named;
//! - [`Feed`]: the loop of the daemon, which builds or, where `feed.source` says so, fetches what another
//!   host has built.

mod changes;
mod defaults;
mod error;
pub(crate) mod fetch;
mod follow;
mod live;
mod loss;
#[cfg(test)]
mod loss_tests;
mod make;
mod periods;
mod place;
mod publish;
mod read;
mod run;
mod table;
mod tables;
#[cfg(test)]
mod tests;
pub(crate) mod text;

pub use error::FeedError;
pub use fetch::source_address;
pub use live::TableLive;
pub use loss::leaves_something;
pub use make::{MakeSettings, make};
pub use publish::{load, next_generation, publish, read_whole, replaceable, turn, write_file};
pub use read::{Progress, Read, ReadSettings, count, read};
pub use run::{Feed, FeedSettings, FeedStatus};
pub use text::instant;
