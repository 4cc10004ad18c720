//! The small shared-memory table beside the snapshot.
//!
//! The snapshot says what the routing data is; it changes when somebody edits a price. Gateway health,
//! calls in progress and spend change every second, and a rebuild for each would be absurd. They live
//! here instead: one file of a few megabytes that the daemon and every switch process map shared, and
//! in which each change is one atomic store that all of them see at once.
//!
//! - [`LiveTable`]: the file, opened. It implements [`fsx_core::data::LiveView`], which is all that the
//!   engine asks of it.
//! - [`OwnerId`]: a switch process whose calls are counted, and given back if it dies.
//! - [`LiveStats`], [`HealthRow`], [`GatewayLoad`], [`OwnerRow`]: what `status` commands show.
//!
//! **Who writes what.** The daemon (or the prober it listens to) writes generation, health, spend and
//! the shutdown flag; switch processes write calls. Nothing forbids the others, for operators' sake.
//!
//! **On the call path** nothing allocates, locks or calls the system: `LiveView`, [`LiveTable::begin_call`],
//! [`LiveTable::end_call`], [`LiveTable::generation`], [`LiveTable::shutting_down`]. Every operation is
//! total: where a table is full the gateway is healthy and uncounted, and [`LiveStats::overflow`] says so.
//!
//! **Never truncate the file** or edit it in place with anything but this crate: a process that touches a
//! page past the new end gets SIGBUS, and a switch that gets SIGBUS is gone. To replace the file, make
//! another and rename it over ([`LiveTable::open_or_create`] does), or remove it.

#![deny(unsafe_code)]

mod calls;
mod centres;
mod error;
mod health;
mod layout;
#[allow(unsafe_code)] // The one file of this crate that may.
mod map;
mod orgs;
mod owners;
mod process;
mod status;
mod table;

pub use error::LiveError;
pub use layout::{MAX_DATA_CENTRES, MAX_NAME, MAX_OWNERS};
pub use owners::OwnerId;
pub use status::{GatewayLoad, HealthRow, LiveStats, OwnerRow};
pub use table::{LiveSpec, LiveTable};
