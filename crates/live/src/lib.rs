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
//! - [`Passive`], [`PassiveRules`]: gateways that fail too many calls stand back for a while.
//! - [`Place`]: whether the file still stands where it was opened; [`LiveTable::remake`] if not.
//! - [`LiveStats`], [`GatewayRow`], [`HealthRow`], [`OwnerRow`]: what `status` commands show.
//!
//! **Who writes what.** The daemon (or the prober it listens to) writes generation, health, spend and
//! the shutdown flag; switch processes write calls, their outcomes and how long they were. Nothing
//! forbids the others, for operators' sake.
//!
//! **On the call path** nothing allocates, locks or calls the system: `LiveView`, [`LiveTable::begin_call`],
//! [`LiveTable::end_call`], [`LiveTable::may_try`], [`LiveTable::attempt_ended`], the `count_` functions,
//! [`LiveTable::generation`], [`LiveTable::shutting_down`]. Every operation is
//! total: where a table is full the gateway is healthy and uncounted, and [`LiveStats::overflow`] says so.
//!
//! **Do not truncate the file** or edit it in place with anything but this crate. To replace it, make
//! another and rename it over ([`LiveTable::open_or_create`] does), or remove it. Should somebody
//! truncate it all the same, a process that touches a page past the new end gets SIGBUS, of which a
//! switch would die; so the first table that is opened installs a handler that puts a page of zeros
//! there instead (healthy, idle, nothing spent), and [`LiveTable::look`] says so from then on.

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
mod passive;
mod place;
mod process;
mod quality;
mod status;
mod table;

pub use error::LiveError;
pub use layout::{MAX_DATA_CENTRES, MAX_NAME, MAX_OWNERS};
pub use map::GuardedMap;
pub use owners::OwnerId;
pub use passive::{Fate, Operator, Passive, PassiveRules, Turn};
pub use place::Place;
pub use quality::QUALITY_WINDOW_S;
pub use status::{GatewayLoad, GatewayRow, HealthRow, LiveStats, OwnerRow};
pub use table::{LiveSpec, LiveTable};
