//! The live table in the module's hand: open, counted in, and followed when its file is not where it
//! was.
//!
//! The table is what all switch processes of a host share, so one that counts in a file that nobody
//! else has open is as good as alone. Twice a second the module looks whether its file still stands at
//! the path. Another one there is moved to. One that is gone, or was cut or overwritten, is the daemon's
//! to make anew; where the daemon does not within [`PATIENCE_MS`], the module does.

use std::{
    path::Path,
    sync::{
        Arc, Mutex, MutexGuard, PoisonError, RwLock,
        atomic::{AtomicBool, Ordering::Relaxed},
    },
};

use fsx_core::data::{LiveView, Standing};
use fsx_live::{Fate, LiveError, LiveTable, OwnerId, PassiveRules, Place, Turn};
use fsx_seam::{
    clock,
    log::{self, Level, OnceAMinute},
};

/// How long the daemon has for making a table anew, in milliseconds.
const PATIENCE_MS: u64 = 3_000;

/// The live table, with this process registered as an owner of calls.
pub(crate) struct Live {
    table: LiveTable,
    owner: OwnerId,
}

impl Live {
    fn open(path: &Path) -> Result<Self, LiveError> {
        Ok(Self::of(LiveTable::open(path)?))
    }

    fn of(table: LiveTable) -> Self {
        let owner = table.register_owner();
        Self { table, owner }
    }

    /// The table.
    pub(crate) fn table(&self) -> &LiveTable {
        &self.table
    }
}

impl Drop for Live {
    fn drop(&mut self) {
        self.table.release_owner(self.owner);
    }
}

/// Whether there is a live table at `path`, or nothing yet.
///
/// # Errors
/// What is there instead.
pub(crate) fn looks_right(path: &Path) -> Result<(), LiveError> {
    match LiveTable::open(path) {
        Err(error) if !error.is_missing() => Err(error),
        _ => Ok(()),
    }
}

/// An attempt counted at its gateway; given back when dropped, however the attempt ends.
pub(crate) struct Counted {
    live: Arc<Live>,
    gateway_id: u32,
}

impl Counted {
    /// Counts an attempt; `None` where nobody counts.
    pub(crate) fn begin(live: Option<Arc<Live>>, gateway_id: u32, at: i64) -> Option<Self> {
        let live = live.filter(|_| gateway_id != 0)?;
        live.table.begin_call(live.owner, gateway_id, at).then_some(Self { live, gateway_id })
    }

    /// Whether the gateway has more calls than it can take, this one included.
    pub(crate) fn over(&self, bounds: Bounds) -> bool {
        bounds.calls != 0 && self.live.table.calls_in_progress(self.gateway_id) > bounds.calls
    }
}

/// What a gateway can take.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Bounds {
    /// Most calls in progress; 0 is no cap.
    pub(crate) calls: u32,
    /// Most calls begun in a second; 0 is no cap.
    pub(crate) per_second: u32,
    /// It takes none while it is down.
    pub(crate) health_checked: bool,
}

impl Bounds {
    /// Why the gateway can take no call now, though the decision was made while it could. Asked before the
    /// call is counted: what has been begun in a second cannot be taken back.
    pub(crate) fn bar(
        self,
        live: &Live,
        gateway_id: u32,
        data_centre: &str,
        at: i64,
    ) -> Option<&'static str> {
        let table = &live.table;
        // By an operator, or by the prober where that is asked.
        if table.standing(gateway_id, at) == Standing::Out
            || self.health_checked && !table.healthy(gateway_id, data_centre)
        {
            return Some("down");
        }
        let begun = || table.calls_this_second(gateway_id, at);
        (self.per_second != 0 && begun() >= self.per_second).then_some("full")
    }
}

impl Drop for Counted {
    fn drop(&mut self) {
        self.live.table.end_call(self.live.owner, self.gateway_id);
    }
}

/// How the end of an attempt is told to the table.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Ended {
    /// The far end answered.
    pub(crate) answered: bool,
    /// Whose doing the end was.
    pub(crate) fate: Fate,
}

/// Takes down the outcome of an attempt, and says so if its gateway goes down or comes up by it. The
/// event is the housekeeping's, which sees every process' doing.
pub(crate) fn attempt_ended(
    live: &Live,
    gateway_id: u32,
    ended: Ended,
    rules: Option<&PassiveRules>,
) {
    if gateway_id == 0 {
        return;
    }
    let at = clock::utc_s();
    live.table.count_attempt(gateway_id, at, ended.answered, ended.fate == Fate::Failed);
    let Some(rules) = rules else { return };
    match live.table.attempt_ended(gateway_id, at, ended.fate, rules) {
        None => {}
        Some(Turn::Up) => log::notice(format_args!("fsx: gateway {gateway_id} is up again")),
        Some(Turn::Down { for_s, failures: 0, .. }) => log::warning(format_args!(
            "fsx: gateway {gateway_id} failed again: tried last for another {for_s} s"
        )),
        Some(Turn::Down { for_s, failures, attempts }) => log::warning(format_args!(
            "fsx: gateway {gateway_id} failed {failures} of {attempts} attempts within {} s: tried \
             last for {for_s} s",
            rules.window_s
        )),
    }
}

/// The table in use, if one is open.
#[derive(Default)]
pub(crate) struct Slot {
    current: RwLock<Option<Arc<Live>>>,
    lost: Mutex<Option<Lost>>,
    said: AtomicBool,
}

/// A table whose file is gone or damaged.
struct Lost {
    since_ms: u64,
    table: Arc<Live>,
}

impl Slot {
    /// The table.
    pub(crate) fn get(&self) -> Option<Arc<Live>> {
        self.current.read().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Lets go of it: another path is configured.
    pub(crate) fn clear(&self) {
        self.set(None);
        *self.lost() = None;
        self.say_again();
    }

    /// What is still wrong is said once more.
    pub(crate) fn say_again(&self) {
        self.said.store(false, Relaxed);
    }

    /// Opens the table if none is open, or another has taken the place of the one that is.
    pub(crate) fn refresh(&self, path: Option<&Path>) {
        if self.get().is_some_and(|live| !live.table.superseded()) {
            return;
        }
        let Some(path) = path else { return };
        match Live::open(path) {
            Ok(live) => {
                self.set(Some(Arc::new(live)));
                *self.lost() = None;
                self.said.store(false, Relaxed);
                log::notice(format_args!("fsx: live table {}: open", path.display()));
            }
            Err(error) if !self.said.swap(true, Relaxed) => {
                let meanwhile = match self.get() {
                    Some(_) => "the former one is counted in, and no longer told of health",
                    None => "every gateway counts as healthy and idle",
                };
                log::warning(format_args!("fsx: {error}; {meanwhile}"));
            }
            Err(_) => {}
        }
    }

    /// Looks whether the table still stands at `path`, and follows or mends it. Tells it the time.
    pub(crate) fn keep(&self, path: Option<&Path>) {
        let (Some(path), Some(live)) = (path, self.get().or_else(|| self.lost_table())) else {
            return;
        };
        match live.table.look(path) {
            Place::Same => {
                *self.lost() = None;
                live.table.tick(clock::utc_s());
                if !live.owner.is_none() && !live.table.beat(live.owner) {
                    self.register_again(path);
                }
            }
            Place::Replaced => match Live::open(path) {
                Ok(new) => {
                    self.set(Some(Arc::new(new)));
                    *self.lost() = None;
                    let path = path.display();
                    log::notice(format_args!("fsx: live table {path}: another one, moved to it"));
                }
                Err(error) => {
                    self.lose(&live, &format!("replaced by what is none: {error}"), path);
                }
            },
            Place::Missing => self.lose(&live, "it was removed", path),
            Place::Damaged(what) => {
                // What it says now may be anything: down, full, spent.
                self.set(None);
                self.lose(&live, what, path);
            }
        }
    }

    /// Somebody struck us off: our calls count for nothing until we are an owner again.
    fn register_again(&self, path: &Path) {
        if let Ok(live) = Live::open(path) {
            self.set(Some(Arc::new(live)));
            log::warning(format_args!("fsx: was struck off the live table, and is in it again"));
        }
    }

    /// The file is gone or damaged: waits for the daemon to mend that, then does it.
    fn lose(&self, live: &Arc<Live>, what: &str, path: &Path) {
        live.table.tick(clock::utc_s());
        let now = clock::monotonic_ms();
        let since_ms = {
            let mut lost = self.lost();
            if lost.is_none() {
                log::error(format_args!("fsx: live table {}: {what}", path.display()));
            }
            lost.get_or_insert_with(|| Lost { since_ms: now, table: live.clone() }).since_ms
        };
        if now.saturating_sub(since_ms) < PATIENCE_MS {
            return;
        }
        static FAILED: OnceAMinute = OnceAMinute::new();
        match live.table.remake(path) {
            Ok(table) => {
                self.set(Some(Arc::new(Live::of(table))));
                *self.lost() = None;
                log::notice(format_args!("fsx: live table {}: made anew", path.display()));
            }
            Err(error) => FAILED.write(
                Level::Error,
                format_args!("fsx: {error}; calls are not counted until it is made anew"),
            ),
        }
    }

    fn lost_table(&self) -> Option<Arc<Live>> {
        self.lost().as_ref().map(|lost| lost.table.clone())
    }

    fn lost(&self) -> MutexGuard<'_, Option<Lost>> {
        self.lost.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn set(&self, live: Option<Arc<Live>>) {
        let old = {
            let mut slot = self.current.write().unwrap_or_else(PoisonError::into_inner);
            std::mem::replace(&mut *slot, live)
        };
        drop(old); // Outside the lock: the last holder gives its registration back.
    }
}
