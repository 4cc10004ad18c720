//! How long a run may go on, seen from inside the virtual machine.
//!
//! Luau calls the interrupt at every loop and call, so the check must cost next to nothing: two
//! loads and a clock. A machine runs one script at a time; whoever polls it sets the marks first
//! ([`Meter::enter`]) and takes them away after ([`Meter::leave`]).
//!
//! Computing is measured by the thread's own processor time: on a busy machine a script that was
//! put aside by the kernel has not computed. That clock costs a system call, so it is looked at only
//! when the wall clock says that the budget could be used up.

use std::sync::atomic::{AtomicBool, AtomicU32, AtomicU64, AtomicUsize, Ordering::Relaxed};
use std::time::{Duration, Instant};

use rustix::time::{ClockId, clock_gettime};

const NEVER: u64 = u64::MAX;

/// Processor time that this thread has used.
pub(super) fn computed() -> Duration {
    let time = clock_gettime(ClockId::ThreadCPUTime);
    Duration::new(u64::try_from(time.tv_sec).unwrap_or(0), u32::try_from(time.tv_nsec).unwrap_or(0))
}

/// Watches whichever run its machine is busy with. One for each machine.
#[derive(Debug)]
pub(super) struct Meter {
    base: Instant,
    /// How long a script may compute before others on its thread get a turn.
    slice: Duration,
    /// Wall clock at which the run must stop.
    deadline: AtomicU64,
    /// Processor time of the thread at which it must stop.
    computed: AtomicU64,
    /// Wall clock before which neither can be reached.
    look_at: AtomicU64,
    /// Wall clock at which others get a turn.
    yield_at: AtomicU64,
    /// The Lua thread that may yield: the run's own. A yield inside a coroutine of the script would
    /// be taken by the script.
    thread: AtomicUsize,
    /// The run gave way to others in this poll.
    turned: AtomicBool,
    /// Ticks of this poll.
    ticks: AtomicU32,
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
    pub(super) fn new(slice: Duration) -> Self {
        let never = || AtomicU64::new(NEVER);
        Self {
            base: Instant::now(),
            slice,
            deadline: never(),
            computed: never(),
            look_at: never(),
            yield_at: never(),
            thread: AtomicUsize::new(0),
            turned: AtomicBool::new(false),
            ticks: AtomicU32::new(0),
        }
    }

    fn mark(&self, at: Instant) -> u64 {
        nanos(at.saturating_duration_since(self.base))
    }

    /// A run is about to be polled: it must stop at `deadline`, or after computing for `left` more.
    pub(super) fn enter(&self, now: Instant, deadline: Instant, left: Duration, thread: usize) {
        self.thread.store(thread, Relaxed);
        self.ticks.store(0, Relaxed);
        self.deadline.store(self.mark(deadline), Relaxed);
        self.computed.store(nanos(computed() + left), Relaxed);
        self.look_at.store(self.mark(deadline.min(now + left)), Relaxed);
        self.yield_at.store(self.mark(now + self.slice), Relaxed);
    }

    /// The run gives way to others.
    pub(super) fn yielded(&self) {
        self.turned.store(true, Relaxed);
    }

    /// It has been polled. Whether it gave way to others.
    pub(super) fn leave(&self) -> bool {
        self.look_at.store(NEVER, Relaxed);
        self.yield_at.store(NEVER, Relaxed);
        self.thread.store(0, Relaxed);
        self.turned.swap(false, Relaxed)
    }

    /// Called by the interrupt.
    pub(super) fn tick(&self) -> Tick {
        let now = self.mark(Instant::now());
        // After a turn Luau asks again at the same instruction: at least one must be let through.
        let first = self.ticks.fetch_add(1, Relaxed) == 0;
        if now >= self.look_at.load(Relaxed) && self.is_used_up(now) {
            Tick::Stop
        } else if now >= self.yield_at.load(Relaxed) && !first {
            Tick::Yield
        } else {
            Tick::Go
        }
    }

    fn is_used_up(&self, now: u64) -> bool {
        let deadline = self.deadline.load(Relaxed);
        let left = self.computed.load(Relaxed).saturating_sub(nanos(computed()));
        if now >= deadline || left == 0 {
            return true;
        }
        self.look_at.store(deadline.min(now.saturating_add(left)), Relaxed);
        false
    }

    /// Whether `thread` is the run's own Lua thread.
    pub(super) fn is_own(&self, thread: usize) -> bool {
        self.thread.load(Relaxed) == thread
    }
}

fn nanos(duration: Duration) -> u64 {
    u64::try_from(duration.as_nanos()).unwrap_or(NEVER)
}
