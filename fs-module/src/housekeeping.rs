//! What is done beside the calls, on the one thread that FreeSWITCH makes for the module.
//!
//! The module may make no threads of its own; the core starts the `runtime` function of a module in
//! one (also of a module that is never unloaded) and calls it again until it says that it is done.
//! It is told of the core's end by an event, since the core waits for no thread of such a module.

use std::sync::atomic::{AtomicU64, Ordering::Relaxed};

use fsx_seam::{clock, guard::Site};

use crate::{health, host::register, record, world};

/// How often a newer snapshot is looked for, in milliseconds.
const EVERY_MS: u32 = 100;

/// How often the health of gateways is looked at, in rounds.
const WATCH_ROUNDS: u64 = 5;

/// How often dead switch processes are looked for, in rounds.
const REAP_ROUNDS: u64 = 10;

/// One round looks for a newer snapshot; every fifth for gateways whose health changed and whether the
/// live table is where it was, every tenth for dead processes and for
/// a place for the records that have none.
pub(crate) struct Housekeeping;

impl register::Housekeeping for Housekeeping {
    fn site() -> &'static Site {
        static SITE: Site = Site::new("runtime");
        &SITE
    }

    fn round() -> bool {
        static ROUND: AtomicU64 = AtomicU64::new(0);
        let Some(world) = world::get() else {
            // Load panicked: there is nothing to keep.
            return false;
        };
        if world.stopping() {
            return false;
        }
        world.refresh();
        let round = ROUND.fetch_add(1, Relaxed);
        if round.is_multiple_of(WATCH_ROUNDS) {
            world.keep_live();
            health::watch(world);
        }
        if round % REAP_ROUNDS == REAP_ROUNDS - 1 {
            world.reap();
            record::retry(world);
        }
        clock::pause_ms(EVERY_MS);
        true
    }
}

/// The core's end.
pub(crate) struct CoreShutdown;

impl register::CoreShutdown for CoreShutdown {
    fn site() -> &'static Site {
        static SITE: Site = Site::new("event.shutdown");
        &SITE
    }

    fn begun() {
        if let Some(world) = world::get() {
            world.stop();
            record::give_up(world);
        }
    }
}
