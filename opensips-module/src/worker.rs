//! What one process of OpenSIPS keeps between calls: the snapshot and the live table in hand.

use std::{
    path::Path,
    sync::{Mutex, MutexGuard, OnceLock, TryLockError, atomic::Ordering::Relaxed},
};

use fsx_core::{CallFacts, Decision, data::NoLive, standing};
use fsx_live::LiveTable;
use fsx_seam::{clock, log, map::MappedFile};
use fsx_snapshot::Snapshot;
use fsx_wire::answer::CollectWhy;

use crate::{
    config::{Config, Settings},
    data::Follower,
    host::{self, shared::Shared},
};

/// How often a live table that could not be opened is tried again, in milliseconds.
const LIVE_RETRY_MS: u64 = 5000;

static CONFIG: OnceLock<Config> = OnceLock::new();

static WORKER: Mutex<Worker> = Mutex::new(Worker::new());

/// The configuration, once `mod_init` has accepted it.
pub(crate) fn config() -> Option<&'static Config> {
    CONFIG.get()
}

/// Keeps the configuration for good.
pub(crate) fn set_config(config: Config) -> Option<&'static Config> {
    // mod_init runs once; a second configuration would be ignored.
    let _ = CONFIG.set(config);
    CONFIG.get()
}

/// This process' state. `None` only if a callback came in while another runs, which a process with
/// one thread cannot do unless the host calls us from inside a call of ours.
pub(crate) fn worker() -> Option<MutexGuard<'static, Worker>> {
    match WORKER.try_lock() {
        Ok(worker) => Some(worker),
        // A panic passed through: the state is whole at every step, values are swapped in one piece.
        Err(TryLockError::Poisoned(worker)) => Some(worker.into_inner()),
        Err(TryLockError::WouldBlock) => None,
    }
}

/// Moves this process to the newest data, outside of a call.
pub(crate) fn catch_up() {
    if let (Some(config), Some(shared), Some(mut worker)) = (config(), Shared::get(), worker()) {
        worker.refresh(&config.settings, shared);
    }
}

/// One process' state.
#[derive(Debug)]
pub(crate) struct Worker {
    /// The place in the process table that the state was last used at; forks inherit the state.
    place: Option<usize>,
    pub(crate) data: Follower,
    live: Option<LiveTable>,
    /// The keeper's count of tables when this one was opened.
    live_tables: u64,
    live_tried_ms: Option<u64>,
    live_said: bool,
}

impl Worker {
    const fn new() -> Self {
        Self {
            place: None,
            data: Follower::new(),
            live: None,
            live_tables: 0,
            live_tried_ms: None,
            live_said: false,
        }
    }

    /// Brings the state up to date at the beginning of a call: no waiting, and no system call while
    /// nothing has changed.
    pub(crate) fn refresh(&mut self, settings: &Settings, shared: &Shared) {
        let slot = shared.own_slot();
        let place = host::process_no();
        if self.place != Some(place) {
            self.place = Some(place);
            slot.pid.store(std::process::id(), Relaxed);
            let generation = self.data.in_use().map_or(0, |in_use| generation(&in_use.snapshot));
            slot.generation.store(generation, Relaxed);
        }
        // The publisher makes the live table before the snapshot: with a new one, look at once, so that
        // no call of a new generation is decided without its limits.
        if let Some(path) = &settings.snapshot
            && self.data.follow(path, shared)
        {
            self.live_tried_ms = None;
        }
        if let Some(path) = &settings.live {
            self.follow_live(path, shared.live_tables.load(Relaxed));
        }
    }

    fn follow_live(&mut self, path: &Path, tables: u64) {
        let moved = self.live_tables != tables;
        if !moved && self.live.as_ref().is_some_and(|live| !live.superseded()) {
            return;
        }
        let now = clock::monotonic_ms();
        if self.live_tried_ms.is_some_and(|tried| now.saturating_sub(tried) < LIVE_RETRY_MS) {
            return;
        }
        self.live_tried_ms = Some(now);
        match LiveTable::open(path) {
            Ok(live) => {
                self.live = Some(live);
                (self.live_tables, self.live_tried_ms) = (tables, None);
                self.live_said = false;
            }
            // What is in hand stays: a table that is gone still knows what was last healthy.
            Err(error) if !self.live_said => {
                self.live_said = true;
                log::warning(format_args!(
                    "live table not opened: {error}; gateways count as healthy and idle meanwhile"
                ));
            }
            Err(_) => {}
        }
    }

    /// The live table in hand.
    pub(crate) fn live(&self) -> Option<&LiveTable> {
        self.live.as_ref()
    }

    /// Decides; `None` when there is no data.
    pub(crate) fn decide(&self, facts: &CallFacts<'_>) -> Option<Decision> {
        let data = &self.data.in_use()?.snapshot;
        let decision = match &self.live {
            Some(live) => standing::route(data, live, facts),
            None => standing::route(data, &NoLive, facts),
        };
        // Somebody cut the file: what was read of it meanwhile were zeros.
        (!data.bytes().lost()).then_some(decision)
    }

    /// Decides, and says what was left out.
    pub(crate) fn decide_why(
        &self,
        facts: &CallFacts<'_>,
    ) -> Option<(Decision, Vec<fsx_wire::answer::Excluded>)> {
        let data = &self.data.in_use()?.snapshot;
        let mut why = CollectWhy::new(data);
        let decision = match &self.live {
            Some(live) => standing::route_why(data, live, facts, &mut why),
            None => standing::route_why(data, &NoLive, facts, &mut why),
        };
        Some((decision, why.rows))
    }
}

fn generation(snapshot: &Snapshot<MappedFile>) -> u64 {
    fsx_core::data::RoutingData::generation(snapshot)
}
