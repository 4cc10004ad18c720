//! One thread that runs Lua.
//!
//! It has a small runtime of its own, so that a script that waits holds nothing, and keeps a machine for
//! every organisation that ran on it lately. What else would have to be carried to it and back can be
//! done on it: whoever serves a peer that only asks for decisions does so here ([`Home`]), since each
//! wake of another thread costs as much as the decision itself.

use std::collections::HashMap;
use std::future::Future;
use std::pin::Pin;
use std::sync::atomic::{AtomicU32, AtomicU64, Ordering::Relaxed};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll};
use std::time::{Duration, Instant};

use metrics::{counter, histogram};
use tokio::runtime::Handle;
use tokio::sync::{mpsc, oneshot, watch};
use tokio::task::JoinHandle;

use super::Call;
use super::bundle::{Bundle, Entry};
use super::engine::Limits;
use super::outcome::{Failure, Outcome};
use super::run::Run;
use super::vm::Vm;
use crate::health::metrics as names;

/// Stack of a thread that runs Lua, in bytes. Luau lets functions of the host nest two hundred deep, and
/// past the end of a stack is the end of the daemon. What is not used costs nothing.
pub(crate) const STACK: usize = 32 << 20;

/// A thread, seen from outside. It ends when the last of these is gone.
#[derive(Clone, Debug)]
pub(super) struct Worker {
    jobs: mpsc::UnboundedSender<Job>,
    inside: Inside,
}

/// What the thread shares with those who look at it and with what runs on it.
#[derive(Clone, Debug)]
struct Inside {
    runtime: Handle,
    shared: Arc<Shared>,
    machines: Arc<Mutex<Machines>>,
}

#[derive(Debug)]
struct Shared {
    base: Instant,
    in_hand: AtomicU32,
    /// Peers that are served here.
    peers: AtomicU32,
    /// Milliseconds after `base` at which the thread began what it is doing; 0 while it waits.
    busy_since: AtomicU64,
    /// For which organisation, for the log.
    busy_for: AtomicU32,
    /// What it was busy for.
    load: Load,
    given_up: watch::Sender<bool>,
}

/// A run for a thread.
pub(super) struct Job {
    pub(super) run: Arc<Run>,
    pub(super) entry: Entry,
    pub(super) limits: Limits,
    pub(super) reply: oneshot::Sender<Result<Outcome, Failure>>,
}

impl Worker {
    pub(super) fn start(n: u32) -> std::io::Result<Self> {
        let (jobs, queue) = mpsc::unbounded_channel();
        let shared = Arc::new(Shared {
            base: Instant::now(),
            in_hand: AtomicU32::new(0),
            peers: AtomicU32::new(0),
            busy_since: AtomicU64::new(0),
            busy_for: AtomicU32::new(0),
            load: Load::default(),
            given_up: watch::Sender::new(false),
        });
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            // Timers are looked at after every slice of a busy script, not after 61 of them.
            .event_interval(1)
            // And so is what other threads have for it: answers, records kept, new peers.
            .global_queue_interval(1)
            .build()?;
        let inside = Inside { runtime: runtime.handle().clone(), shared, machines: Arc::default() };
        let own = inside.clone();
        std::thread::Builder::new().name(format!("policy-{n}")).stack_size(STACK).spawn(
            move || {
                runtime.block_on(work(queue, own));
                // What is still looked up for a peer that was served here; nobody waits for it.
                runtime.shutdown_background();
            },
        )?;
        Ok(Self { jobs, inside })
    }

    /// Runs that it has in hand.
    pub(super) fn in_hand(&self) -> u32 {
        self.inside.shared.in_hand.load(Relaxed)
    }

    /// Peers that are served on it.
    pub(super) fn peers(&self) -> u32 {
        self.inside.shared.peers.load(Relaxed)
    }

    /// One more run in hand, until it has been carried out.
    pub(super) fn take(&self) {
        self.inside.shared.in_hand.fetch_add(1, Relaxed);
    }

    /// Gives it a run that was [taken](Self::take).
    pub(super) fn send(&self, job: Job) -> Result<(), Failure> {
        self.jobs.send(job).map_err(|_| Failure::Busy)
    }

    /// The organisation whose run it is at, or was last.
    pub(super) fn organisation(&self) -> u32 {
        self.inside.shared.busy_for.load(Relaxed)
    }

    /// How long it has been at what it is doing.
    pub(super) fn stuck_for(&self) -> Duration {
        self.inside.shared.stuck_for()
    }

    /// Whether it has ended by itself.
    pub(super) fn has_ended(&self) -> bool {
        self.jobs.is_closed()
    }

    /// Whether it was given up, and nobody has taken its place.
    pub(super) fn is_given_up(&self) -> bool {
        *self.inside.shared.given_up.borrow()
    }

    /// Per cent of its time that runs took of late.
    pub(super) fn load(&self) -> u64 {
        self.inside.shared.load()
    }

    /// Takes nothing more; what is served on it is told.
    pub(super) fn give_up(&self) {
        self.inside.shared.given_up.send_replace(true);
    }

    /// A place on it for whoever serves a peer.
    pub(super) fn home(&self) -> Home {
        self.inside.shared.peers.fetch_add(1, Relaxed);
        Home(self.inside.clone())
    }
}

/// A thread that runs Lua, for whoever serves a peer there.
#[derive(Debug)]
pub struct Home(Inside);

impl Drop for Home {
    fn drop(&mut self) {
        self.0.shared.peers.fetch_sub(1, Relaxed);
    }
}

impl Home {
    /// Does it on that thread. It must not compute for long: scripts wait meanwhile, as it waits for them.
    pub fn spawn<T: Send + 'static>(
        &self,
        work: impl Future<Output = T> + Send + 'static,
    ) -> JoinHandle<T> {
        self.0.runtime.spawn(work)
    }

    /// Returns once the thread was given up, because a run held it past every limit.
    pub fn given_up(&self) -> impl Future<Output = ()> + Send + use<> {
        let mut given_up = self.0.shared.given_up.subscribe();
        async move {
            // An error is the end of the thread.
            let _ = given_up.wait_for(|given_up| *given_up).await;
        }
    }

    /// Whether a run may be carried out here: with no more in hand than `most`, and a machine that is
    /// there or need not take the place of another.
    pub(super) fn takes(&self, org: u32, bundle: &Bundle, limits: Limits, most: u32) -> bool {
        let inside = &self.0;
        if inside.shared.in_hand.load(Relaxed) > most || *inside.shared.given_up.borrow() {
            return false;
        }
        let machines = inside.machines();
        machines.kept.contains_key(&(org, bundle.hash)) || machines.kept.len() < limits.max_vms
    }

    /// Carries a run out, on this thread.
    pub(super) fn carry_out(
        &self,
        run: Arc<Run>,
        entry: Entry,
        limits: Limits,
    ) -> impl Future<Output = Result<Outcome, Failure>> + Send + use<> {
        self.0.shared.in_hand.fetch_add(1, Relaxed);
        carry_out(&self.0, run, entry, limits)
    }

    /// Per cent of the thread's time that runs took of late.
    pub(super) fn load(&self) -> u64 {
        self.0.shared.load()
    }
}

#[cfg(test)]
impl Home {
    /// Whose machines are here.
    pub(super) fn organisations(&self) -> Vec<u32> {
        self.0.machines().kept.keys().map(|(org, _)| *org).collect()
    }
}

/// The task's name in metrics.
pub(super) fn label(call: &Call) -> String {
    if call.task.is_empty() { "default".to_owned() } else { call.task.clone() }
}

impl Shared {
    fn begin(&self, org: u32) -> Busy<'_> {
        self.busy_for.store(org, Relaxed);
        let began = self.base.elapsed();
        let now = u64::try_from(began.as_millis()).unwrap_or(u64::MAX);
        self.busy_since.store(now.max(1), Relaxed);
        Busy { shared: self, began }
    }

    fn load(&self) -> u64 {
        self.load.per_cent(self.base.elapsed())
    }

    fn stuck_for(&self) -> Duration {
        match self.busy_since.load(Relaxed) {
            0 => Duration::ZERO,
            since => self.base.elapsed().saturating_sub(Duration::from_millis(since)),
        }
    }
}

/// The thread is at a run, until this is dropped.
struct Busy<'a> {
    shared: &'a Shared,
    began: Duration,
}

impl Drop for Busy<'_> {
    fn drop(&mut self) {
        let now = self.shared.base.elapsed();
        self.shared.load.add(now, now.saturating_sub(self.began));
        self.shared.busy_since.store(0, Relaxed);
    }
}

/// How busy a thread is: what its runs took in the window of time before this and in this. Questions
/// that wait to be read are in nobody's hand, so counting those does not tell.
#[derive(Debug, Default)]
struct Load {
    /// Which window is counted.
    window: AtomicU64,
    busy_us: AtomicU64,
    before_us: AtomicU64,
}

impl Load {
    const WINDOW: Duration = Duration::from_millis(100);

    fn window(now: Duration) -> u64 {
        u64::try_from(now.as_millis() / Self::WINDOW.as_millis()).unwrap_or(u64::MAX)
    }

    /// Adds a time that ended now. For the thread itself.
    fn add(&self, now: Duration, busy: Duration) {
        let (at, counted) = (Self::window(now), self.window.load(Relaxed));
        if at != counted {
            let before = if at == counted + 1 { self.busy_us.load(Relaxed) } else { 0 };
            self.before_us.store(before, Relaxed);
            self.busy_us.store(0, Relaxed);
            self.window.store(at, Relaxed);
        }
        let us = u64::try_from(busy.as_micros()).unwrap_or(u64::MAX);
        self.busy_us.fetch_add(us, Relaxed);
    }

    fn per_cent(&self, now: Duration) -> u64 {
        let (at, counted) = (Self::window(now), self.window.load(Relaxed));
        let busy = match at.saturating_sub(counted) {
            0 => self.busy_us.load(Relaxed).max(self.before_us.load(Relaxed)),
            1 => self.busy_us.load(Relaxed),
            _ => 0,
        };
        let window = u64::try_from(Self::WINDOW.as_micros()).unwrap_or(u64::MAX);
        (busy * 100 / window).min(100)
    }
}

/// Counts a run as done when dropped, however it ended.
struct InHand(Arc<Shared>);

impl Drop for InHand {
    fn drop(&mut self) {
        self.0.in_hand.fetch_sub(1, Relaxed);
    }
}

/// Says what a run has spent when dropped, however it ended.
struct Spent(Arc<Run>);

impl Drop for Spent {
    fn drop(&mut self) {
        let run = &self.0;
        // Found in a bundle, so its names are bounded by the bundles in force.
        let labels = [
            ("org", run.bundle.name.clone()),
            ("task", label(&run.call)),
            ("phase", run.phase.as_str().to_owned()),
        ];
        histogram!(names::POLICY_SCRIPT_SECONDS, &labels).record(run.used(Duration::ZERO));
        counter!(names::POLICY_HOST_CALLS, &labels).increment(run.host_calls().into());
        if run.is_live() {
            histogram!(names::POLICY_HOST_SECONDS, &labels).record(run.waited(Duration::ZERO));
        }
        let outside = run.was_outside();
        if outside > Duration::ZERO {
            histogram!(names::POLICY_OUTSIDE_SECONDS, &labels).record(outside);
        }
    }
}

/// A machine with what is needed to retire it.
#[derive(Debug)]
struct Kept {
    vm: Arc<Vm>,
    runs: u32,
    used: u64,
}

/// The machines of a thread, by organisation and bundle.
#[derive(Debug, Default)]
struct Machines {
    kept: HashMap<(u32, u64), Kept>,
    /// Runs so far, by which the longest unused is known.
    clock: u64,
}

/// The life of a thread: takes runs until its queue is closed or it is given up.
async fn work(mut queue: mpsc::UnboundedReceiver<Job>, inside: Inside) {
    while let Some(job) = queue.recv().await {
        if *inside.shared.given_up.borrow() {
            return;
        }
        let Job { run, entry, limits, mut reply } = job;
        let work = carry_out(&inside, run, entry, limits);
        tokio::spawn(async move {
            let work = std::pin::pin!(work);
            tokio::select! {
                result = work => drop(reply.send(result)),
                // Nobody waits any more: the caller has hung up.
                () = reply.closed() => {}
            }
        });
    }
}

/// Carries out a run that is counted as in hand.
fn carry_out(
    inside: &Inside,
    run: Arc<Run>,
    entry: Entry,
    limits: Limits,
) -> impl Future<Output = Result<Outcome, Failure>> + Send + use<> {
    let (shared, machines) = (Arc::clone(&inside.shared), Arc::clone(&inside.machines));
    let in_hand = InHand(Arc::clone(&shared));
    let key = (run.org(), run.bundle.hash);
    let vm = inside.machines().machine(key, &run.bundle, limits);
    // Each piece by itself: the whole would be kept beside its pieces.
    async move {
        let _in_hand = in_hand;
        let vm = vm.map_err(|error| Failure::Script(format!("no virtual machine: {error}")))?;
        let _spent = Spent(Arc::clone(&run));
        let work =
            Watched { work: Box::pin(vm.execute(&run, &entry)), org: key.0, shared: &shared };
        let result = work.await;
        if matches!(result, Err(Failure::Memory { .. })) {
            // What filled it may still be there.
            lock(&machines).kept.remove(&key);
        }
        result
    }
}

fn lock(machines: &Mutex<Machines>) -> MutexGuard<'_, Machines> {
    machines.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Inside {
    fn machines(&self) -> MutexGuard<'_, Machines> {
        lock(&self.machines)
    }
}

impl Machines {
    /// The machine for a key, made or taken; worn and unused ones are let go.
    fn machine(
        &mut self,
        key: (u32, u64),
        bundle: &Bundle,
        limits: Limits,
    ) -> mlua::Result<Arc<Vm>> {
        self.clock += 1;
        // One that was made on other terms is no longer to be used.
        let is_old = |kept: &Kept| kept.runs >= limits.runs_per_vm || kept.vm.limits() != limits;
        if self.kept.get(&key).is_some_and(is_old) {
            self.kept.remove(&key);
        }
        if let Some(kept) = self.kept.get_mut(&key) {
            (kept.runs, kept.used) = (kept.runs + 1, self.clock);
            return Ok(Arc::clone(&kept.vm));
        }
        if self.kept.len() >= limits.max_vms {
            let oldest = self.kept.iter().min_by_key(|(_, kept)| kept.used).map(|(key, _)| *key);
            oldest.map(|key| self.kept.remove(&key));
        }
        tracing::debug!(org = key.0, bundle = bundle.name, "new virtual machine");
        let vm = Arc::new(Vm::new(limits)?);
        self.kept.insert(key, Kept { vm: Arc::clone(&vm), runs: 1, used: self.clock });
        Ok(vm)
    }
}

/// A future whose polls the supervisor can see.
struct Watched<'a, F> {
    work: Pin<Box<F>>,
    org: u32,
    shared: &'a Shared,
}

impl<F: Future> Future for Watched<'_, F> {
    type Output = F::Output;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<F::Output> {
        let this = self.get_mut();
        let _busy = this.shared.begin(this.org);
        this.work.as_mut().poll(cx)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_load_is_what_the_last_windows_say() {
        let (load, ms) = (Load::default(), Duration::from_millis);
        assert_eq!(load.per_cent(ms(0)), 0);
        for n in 0..10 {
            load.add(ms(200 + n * 10), ms(6));
        }
        assert_eq!((load.per_cent(ms(299)), load.per_cent(ms(300))), (60, 60));
        // A new window has hardly begun: the one before still counts, and is then forgotten.
        load.add(ms(301), ms(1));
        assert_eq!(load.per_cent(ms(302)), 60);
        assert_eq!((load.per_cent(ms(400)), load.per_cent(ms(500))), (1, 0));
        load.add(ms(900), ms(2_000));
        assert_eq!(load.per_cent(ms(900)), 100);
    }
}
