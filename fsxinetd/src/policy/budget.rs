//! How long a run may go on, seen from inside the virtual machine.
//!
//! Luau calls the interrupt at every loop and call, so the check must cost next to nothing: two
//! loads and a clock. A machine runs one script at a time; whoever polls it sets the marks first
//! ([`Meter::enter`]) and takes them away after ([`Meter::leave`]).

use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering::Relaxed};
use std::time::{Duration, Instant};

/// How long a script may compute before others on its thread get a turn.
const SLICE: Duration = Duration::from_millis(2);

const NEVER: u64 = u64::MAX;

/// Watches whichever run its machine is busy with. One for each machine.
#[derive(Debug)]
pub(super) struct Meter {
    base: Instant,
    stop_at: AtomicU64,
    yield_at: AtomicU64,
    /// The Lua thread that may yield: the run's own. A yield inside a coroutine of the script would
    /// be taken by the script.
    thread: AtomicUsize,
}

/// What the interrupt is to do.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Tick {
    /// Go on.
    Go,
    /// Let others run, if this is the run's own thread.
    Yield,
    /// The budget is used up.
    Stop,
}

impl Meter {
    pub(super) fn new() -> Self {
        Self {
            base: Instant::now(),
            stop_at: AtomicU64::new(NEVER),
            yield_at: AtomicU64::new(NEVER),
            thread: AtomicUsize::new(0),
        }
    }

    fn mark(&self, at: Instant) -> u64 {
        u64::try_from(at.saturating_duration_since(self.base).as_nanos()).unwrap_or(NEVER)
    }

    /// A run is about to be polled: it must stop at `deadline`, or after computing for `left` more.
    pub(super) fn enter(&self, now: Instant, deadline: Instant, left: Duration, thread: usize) {
        let stop = deadline.min(now + left);
        self.thread.store(thread, Relaxed);
        self.yield_at.store(self.mark(now + SLICE), Relaxed);
        self.stop_at.store(self.mark(stop), Relaxed);
    }

    /// It has been polled.
    pub(super) fn leave(&self) {
        self.stop_at.store(NEVER, Relaxed);
        self.yield_at.store(NEVER, Relaxed);
        self.thread.store(0, Relaxed);
    }

    /// Called by the interrupt.
    pub(super) fn tick(&self) -> Tick {
        let now = self.mark(Instant::now());
        if now >= self.stop_at.load(Relaxed) {
            Tick::Stop
        } else if now >= self.yield_at.load(Relaxed) {
            Tick::Yield
        } else {
            Tick::Go
        }
    }

    /// Whether `thread` is the run's own Lua thread.
    pub(super) fn is_own(&self, thread: usize) -> bool {
        self.thread.load(Relaxed) == thread
    }
}
