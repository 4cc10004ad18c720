//! Starting: `mod_init`, and the keeper's life.

use core::{ffi::c_int, sync::atomic::Ordering::Relaxed};

use std::path::Path;

use fsx_live::{LiveTable, Place};
use fsx_seam::{clock, log};

use crate::{
    config::{Config, Raw},
    data,
    host::shared::Shared,
    worker,
};

/// Checks the configuration and maps the data, before OpenSIPS forks: every process begins with the
/// same. Negative stops the start.
pub(crate) fn mod_init(raw: &Raw) -> c_int {
    let config = match Config::check(raw) {
        Ok(config) => config,
        Err(line) => {
            log::error(format_args!("modparam {line}"));
            return -1;
        }
    };
    let shared = match Shared::create() {
        Ok(shared) => shared,
        Err(error) => {
            log::error(format_args!("no shared memory: {error}"));
            return -1;
        }
    };
    let Some(config) = worker::set_config(config) else { return -1 };
    match &config.settings.snapshot {
        // A refusal is in the log; the proxy starts all the same, since emergency calls need no data
        // and the next publication brings it.
        Some(path) => {
            let _ = data::look(path, shared);
        }
        None => log::warning(format_args!(
            "modparam snapshot is not set: only emergency calls will be routed"
        )),
    }
    if let Some(mut worker) = worker::worker() {
        worker.refresh(&config.settings, shared);
    }
    0
}

/// Looks whether another live table stands at the path than before, and tells the workers, who ask the
/// system for nothing while they route.
fn look_at_live(live: &mut Option<LiveTable>, path: &Path, shared: &Shared) {
    if live.as_ref().is_some_and(|table| table.look(path) == Place::Same) {
        return;
    }
    // Not yet made anew by those who keep it: what is in hand serves on.
    let Ok(table) = LiveTable::open(path) else { return };
    if live.replace(table).is_some() {
        shared.live_tables.fetch_add(1, Relaxed);
        log::notice(format_args!("live table {}: another one, moving to it", path.display()));
    }
}

/// The keeper: looks for a new file until its parent is gone. OpenSIPS ends it with a signal.
pub(crate) fn keeper() {
    let (Some(config), Some(shared)) = (worker::config(), Shared::get()) else { return };
    shared.keeper_pid.store(std::process::id(), Relaxed);
    let parent = std::os::unix::process::parent_id();
    let mut live = None;
    while std::os::unix::process::parent_id() == parent {
        if let Some(path) = &config.settings.snapshot {
            let _ = data::look(path, shared);
        }
        if let Some(path) = &config.settings.live {
            look_at_live(&mut live, path, shared);
        }
        clock::pause_ms(config.settings.check_interval_ms);
    }
}
