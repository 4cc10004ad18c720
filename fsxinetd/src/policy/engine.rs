//! Who runs where, of the threads that run Lua.
//!
//! An organisation goes to the same thread as long as that one is not busier than the others, which
//! keeps its machine warm; a question that was read on such a thread stays there. A thread that one run
//! has held past every limit is given up: its calls have their fallback already, and a new thread takes
//! its place.

use std::path::PathBuf;
use std::sync::{Arc, PoisonError, RwLock};
use std::time::{Duration, Instant};

use fsx_wire::esl::ChannelData;
use metrics::{counter, gauge, histogram};
use tokio::sync::{oneshot, watch};

use super::api::{Outside, World};
use super::bundle::{Bundle, BundleSet, Entry};
use super::line::{Deadline, Line};
use super::outcome::{Failure, Outcome};
use super::run::Run;
use super::worker::{Home, Job, Worker, label};
use super::{Call, Ended, Phase, Terms};
use crate::config;
use crate::health::metrics as names;
use crate::published::PublishedHandle;

/// How many times its computing budget a run may hold its thread before that is given up: the budget
/// is of processor time, and on a machine that is full a second of that takes longer. All that is
/// going on in a thread ends with it.
const STARVED: u32 = 3;

/// And how much longer.
const GRACE: Duration = Duration::from_millis(500);

/// How often the threads are looked at.
const LOOK_EVERY: Duration = Duration::from_millis(100);

/// Long beside what a turn costs, short beside what anybody notices.
const SLICE: Duration = Duration::from_millis(2);

/// How many more runs than the idlest thread an organisation's own may have.
const SLACK: u32 = 4;

/// Per cent of its time from which on a thread is busy, and hands on what another has time for.
const BUSY: u64 = 60;

/// For how long a thread may be at one thing and still get new peers, and what others hand on.
const PROMPT: Duration = Duration::from_millis(20);

/// What a run may use.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limits {
    /// Wall clock of a run in the route phase.
    pub route_budget: Duration,
    /// Wall clock of a run in the call phase.
    pub call_budget: Duration,
    /// Wall clock of a run in the hangup phase.
    pub hangup_budget: Duration,
    /// Of which computing.
    pub cpu_budget: Duration,
    /// What a live call's run may wait for the Core API and databases, all together.
    pub outside_budget: Duration,
    /// How long a run may compute before others on its thread get a turn.
    pub slice: Duration,
    /// Of one machine.
    pub memory_mib: u32,
    /// Of one thread.
    pub max_vms: usize,
    /// Of one machine.
    pub runs_per_vm: u32,
    /// Of one thread.
    pub max_runs: u32,
    /// Of one run.
    pub max_actions: usize,
}

impl From<&config::Policy> for Limits {
    fn from(config: &config::Policy) -> Self {
        let ms = |ms: u32| Duration::from_millis(ms.into());
        Self {
            route_budget: ms(config.route_budget_ms),
            call_budget: ms(config.call_budget_ms),
            hangup_budget: ms(config.hangup_budget_ms),
            cpu_budget: ms(config.cpu_budget_ms),
            outside_budget: ms(config.outside_budget_ms),
            slice: SLICE,
            memory_mib: config.memory_mib,
            max_vms: config.max_vms_per_thread as usize,
            runs_per_vm: config.runs_per_vm,
            max_runs: config.max_runs_per_thread,
            max_actions: config.max_actions as usize,
        }
    }
}

/// Runs policies. Cheap to clone.
#[derive(Clone, Debug)]
pub struct Engine {
    inner: Arc<Inner>,
}

#[derive(Debug)]
struct Inner {
    dir: PathBuf,
    bundles: watch::Sender<Arc<BundleSet>>,
    terms: RwLock<Terms>,
    world: Arc<dyn World>,
    workers: RwLock<Vec<Worker>>,
}

impl Engine {
    /// Reads the bundles and starts the threads. What is wrong with a bundle is logged; the others
    /// work.
    ///
    /// # Errors
    /// When a thread cannot be started.
    pub fn start(config: &config::Policy, published: PublishedHandle) -> std::io::Result<Self> {
        Self::start_in(config, Arc::new(Outside::bare(config, published)))
    }

    /// The same in a world that the caller has made: one with databases and a Core API, or a
    /// simulated one.
    ///
    /// # Errors
    /// When a thread cannot be started.
    pub fn start_in(config: &config::Policy, world: Arc<dyn World>) -> std::io::Result<Self> {
        let engine = Self::idle_in(config, world)?;
        engine.reload(config);
        Ok(engine)
    }

    /// Starts the threads, with no bundle in force.
    ///
    /// # Errors
    /// When a thread cannot be started.
    pub fn idle(config: &config::Policy, published: PublishedHandle) -> std::io::Result<Self> {
        Self::idle_in(config, Arc::new(Outside::bare(config, published)))
    }

    /// The same in a world that the caller has made.
    ///
    /// # Errors
    /// When a thread cannot be started.
    pub fn idle_in(config: &config::Policy, world: Arc<dyn World>) -> std::io::Result<Self> {
        let inner = Arc::new(Inner {
            dir: config.dir.clone(),
            bundles: watch::Sender::new(Arc::default()),
            terms: RwLock::new(Terms::from(config)),
            world,
            workers: RwLock::default(),
        });
        let workers =
            (0..config.threads).map(Worker::start).collect::<std::io::Result<Vec<_>>>()?;
        *inner.workers.write().unwrap_or_else(PoisonError::into_inner) = workers;
        Ok(Self { inner })
    }

    /// Reads the bundles again and takes new limits; runs in hand keep what they began with.
    pub fn reload(&self, config: &config::Policy) {
        self.set_terms(config);
        let (set, faults) = BundleSet::load(&self.inner.dir, &self.bundles());
        for fault in faults {
            tracing::error!("policy: {fault}");
        }
        for bundle in set.iter() {
            tracing::info!(
                bundle = bundle.name,
                version = bundle.version,
                "policy bundle in force"
            );
        }
        gauge!(names::POLICY_BUNDLES).set(set.len() as f64);
        self.inner.bundles.send_replace(Arc::new(set));
    }

    /// The bundles in force.
    #[must_use]
    pub fn bundles(&self) -> Arc<BundleSet> {
        Arc::clone(&self.inner.bundles.borrow())
    }

    /// Puts other bundles in force; runs in hand keep theirs.
    pub fn put(&self, set: BundleSet) {
        self.inner.bundles.send_replace(Arc::new(set));
    }

    /// Takes new terms; runs in hand keep theirs.
    pub fn set_terms(&self, config: &config::Policy) {
        *self.inner.terms.write().unwrap_or_else(PoisonError::into_inner) = Terms::from(config);
    }

    /// The terms in force.
    #[must_use]
    pub fn terms(&self) -> Terms {
        self.inner.terms.read().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Runs the organisation's policy for the call. `within` is how long the asker will wait; the
    /// phase's budget holds where it is shorter. It begins at once; what is given waits for its end,
    /// and gives it up when dropped.
    ///
    /// # Errors
    /// [`Failure`]: the caller falls back on what it has.
    pub fn run(
        &self,
        phase: Phase,
        call: Arc<Call>,
        within: Duration,
    ) -> impl Future<Output = Result<Outcome, Failure>> + use<> {
        self.run_on(phase, call, within, None)
    }

    /// The same for a live call, which the script may talk with over the line.
    ///
    /// # Errors
    /// [`Failure`].
    pub fn run_on(
        &self,
        phase: Phase,
        call: Arc<Call>,
        within: Duration,
        line: Option<Line>,
    ) -> impl Future<Output = Result<Outcome, Failure>> + use<> {
        let called = call.facts.called.as_str();
        // XML is the switch's own configuration: no organisation writes it.
        let whose = if call.look_up.is_some() { 0 } else { call.facts.org };
        let running = match self.bundles().find_for(whose, phase, &call.task, called) {
            Some(found) => self.begin(phase, call, within, line, found),
            None => {
                // A task that no bundle has is somebody's invention: it must not become a label.
                counter!(names::POLICY_RUNS, "org" => "other", "task" => "other", "outcome" => "no_task")
                    .increment(1);
                let failure = Failure::NoTask { phase: phase.as_str(), task: call.task.clone() };
                Running::none(failure)
            }
        };
        running.ended()
    }

    /// The same for a question that was read on a thread that runs Lua, which decides it where it can:
    /// the organisation's own thread may be another.
    ///
    /// # Errors
    /// [`Failure`].
    pub async fn run_at(
        &self,
        home: &Home,
        phase: Phase,
        call: Arc<Call>,
        within: Duration,
    ) -> Result<Outcome, Failure> {
        let (org, called) = (call.facts.org, call.facts.called.as_str());
        let found = self.bundles().find_for(org, phase, &call.task, called);
        let Some((bundle, entry)) = found else {
            return self.run(phase, call, within).await;
        };
        if let Some(worker) = self.less_busy_than(home) {
            let found = (bundle, entry);
            return self.begin_on(Some(worker), phase, call, within, None, found).ended().await;
        }
        let terms = self.terms();
        let limits = terms.limits;
        let most =
            self.in_hand_of_idlest().saturating_add(SLACK).min(limits.max_runs.saturating_sub(1));
        if !home.takes(org, &bundle, limits, most) {
            return self.begin(phase, call, within, None, (bundle, entry)).ended().await;
        }
        let started = Instant::now();
        let until = started + terms.budget(phase).min(within);
        let world = Arc::clone(&self.inner.world);
        let counted = (Arc::clone(&bundle), Arc::clone(&call), phase);
        let run = Run::new(phase, call, bundle, world, until, &terms);
        let result = home.carry_out(Arc::new(run), entry, limits).await;
        count(&counted, &result, started);
        result
    }

    /// A place on the thread that serves the fewest peers; `None` where there is no thread.
    #[must_use]
    pub fn home(&self) -> Option<Home> {
        let workers = self.inner.workers.read().unwrap_or_else(PoisonError::into_inner);
        let with = workers.iter().filter(|worker| !worker.is_given_up());
        with.min_by_key(|worker| (worker.stuck_for() > PROMPT, worker.peers())).map(Worker::home)
    }

    /// What is to run after this call, of the bundles that are in force now: a call keeps the
    /// version it began with.
    #[must_use]
    pub fn hangup(&self, call: &Arc<Call>) -> Option<Hangup> {
        let (bundles, facts) = (self.bundles(), &call.facts);
        let of = |task: &str| bundles.find_for(facts.org, Phase::Hangup, task, &facts.called);
        let (bundle, entry) = of(&call.task).or_else(|| of(""))?;
        Some(Hangup { engine: self.clone(), call: Arc::clone(call), bundle, entry })
    }

    /// Has a thread begin with the run.
    fn begin(
        &self,
        phase: Phase,
        call: Arc<Call>,
        within: Duration,
        line: Option<Line>,
        found: (Arc<Bundle>, Entry),
    ) -> Running {
        let worker = self.choose(call.facts.org, self.terms().limits.max_runs);
        self.begin_on(worker, phase, call, within, line, found)
    }

    /// Has that thread begin with it, of which it is one more already; `None` is none that has room.
    fn begin_on(
        &self,
        worker: Option<Worker>,
        phase: Phase,
        call: Arc<Call>,
        within: Duration,
        line: Option<Line>,
        (bundle, entry): (Arc<Bundle>, Entry),
    ) -> Running {
        let started = Instant::now();
        let terms = self.terms();
        let (budget, limits) = (terms.budget(phase).min(within), terms.limits);
        // Bounded by the bundles in force: an organisation without one of its own is the platform's.
        let counted = Some((Arc::clone(&bundle), Arc::clone(&call), phase));
        let world = Arc::clone(&self.inner.world);
        let run = Run::new(phase, call, bundle, world, started + budget, &terms).on(line);
        let deadline = run.deadline.clone();
        let answer = worker.ok_or(Failure::Busy).and_then(|worker| {
            let (reply, answer) = oneshot::channel();
            worker.send(Job { run: Arc::new(run), entry, limits, reply })?;
            Ok((answer, deadline))
        });
        Running { answer: answer.map_err(Some), started, budget, counted }
    }

    /// The thread for a run of the organisation; `None` when all have as much as they may.
    fn choose(&self, org: u32, max_runs: u32) -> Option<Worker> {
        let workers = self.inner.workers.read().unwrap_or_else(PoisonError::into_inner);
        let idlest = workers.iter().min_by_key(|worker| worker.in_hand())?;
        let own = &workers[org as usize % workers.len()];
        let chosen = if own.in_hand() <= idlest.in_hand() + SLACK { own } else { idlest };
        if chosen.in_hand() >= max_runs {
            return None;
        }
        chosen.take();
        Some(chosen.clone())
    }

    /// A thread that has much time left where this one has little, for a run that is then its own.
    fn less_busy_than(&self, home: &Home) -> Option<Worker> {
        let load = home.load();
        if load < BUSY {
            return None;
        }
        let workers = self.inner.workers.read().unwrap_or_else(PoisonError::into_inner);
        // One that is held shows no load until it comes back.
        let prompt = workers.iter().filter(|worker| worker.stuck_for() <= PROMPT);
        let idlest = prompt.min_by_key(|worker| (worker.load(), worker.in_hand()))?;
        if idlest.load() >= load / 2 || idlest.in_hand() > SLACK {
            return None;
        }
        idlest.take();
        Some(idlest.clone())
    }

    fn in_hand_of_idlest(&self) -> u32 {
        let workers = self.inner.workers.read().unwrap_or_else(PoisonError::into_inner);
        workers.iter().map(Worker::in_hand).min().unwrap_or(0)
    }

    /// Replaces threads that one run holds past every limit. Runs until it is dropped.
    pub async fn supervise(&self) {
        let mut tick = tokio::time::interval(LOOK_EVERY);
        loop {
            tick.tick().await;
            let patience = self.terms().limits.cpu_budget * STARVED + GRACE;
            let mut workers = self.inner.workers.write().unwrap_or_else(PoisonError::into_inner);
            for (n, worker) in workers.iter_mut().enumerate() {
                // One that was given up and could not be replaced: now, maybe.
                let newly = !worker.is_given_up();
                if newly {
                    if worker.stuck_for() < patience && !worker.has_ended() {
                        continue;
                    }
                    worker.give_up();
                    counter!(names::POLICY_ABANDONED).increment(1);
                    tracing::error!(
                        org = worker.organisation(),
                        "a policy run holds its thread past every limit; a new one starts"
                    );
                }
                match Worker::start(u32::try_from(n).unwrap_or(0)) {
                    Ok(new) => *worker = new,
                    Err(error) if newly => tracing::error!(%error, "cannot start a policy thread"),
                    Err(_) => {}
                }
            }
        }
    }

    /// Whether every thread gets round to what it is asked; the watchdog's question.
    #[must_use]
    pub fn is_alive(&self) -> bool {
        let workers = self.inner.workers.read().unwrap_or_else(PoisonError::into_inner);
        let patience = Duration::from_secs(5);
        workers.iter().any(|worker| worker.stuck_for() < patience)
    }
}

/// Comes when a run has ended.
type Answer = oneshot::Receiver<Result<Outcome, Failure>>;

/// A run that a thread has in hand, as whoever waits for it holds it: for a call that may last for
/// hours, so it has only what the wait needs.
struct Running {
    answer: Result<(Answer, Deadline), Option<Failure>>,
    started: Instant,
    budget: Duration,
    /// For its organisation, task and phase in metrics; `None` for what is counted already.
    counted: Option<(Arc<Bundle>, Arc<Call>, Phase)>,
}

impl Running {
    fn none(failure: Failure) -> Self {
        let (started, budget) = (Instant::now(), Duration::ZERO);
        Self { answer: Err(Some(failure)), started, budget, counted: None }
    }

    /// What it came to.
    #[expect(
        clippy::manual_async_fn,
        reason = "an async fn keeps its argument beside what it is taken into"
    )]
    fn ended(mut self) -> impl Future<Output = Result<Outcome, Failure>> {
        async move {
            let result = match &mut self.answer {
                Ok((answer, deadline)) => {
                    // The thread keeps the deadline itself; this is for a thread that does not
                    // answer at all.
                    tokio::select! {
                        answer = answer => answer.unwrap_or_else(|_| {
                            Err(Failure::Script("the policy thread gave the run up".to_owned()))
                        }),
                        () = late_after(deadline) => {
                            let after_ms = u64::try_from(self.budget.as_millis());
                            let after_ms = after_ms.unwrap_or(u64::MAX);
                            Err(Failure::Budget { what: "wall clock", after_ms })
                        }
                    }
                }
                Err(failure) => Err(failure.take().unwrap_or(Failure::Busy)),
            };
            if let Some(counted) = &self.counted {
                count(counted, &result, self.started);
            }
            result
        }
    }
}

/// Counts a run for its organisation, task and phase.
fn count(
    (bundle, call, phase): &(Arc<Bundle>, Arc<Call>, Phase),
    result: &Result<Outcome, Failure>,
    started: Instant,
) {
    let (org, task) = (bundle.name.clone(), label(call));
    let outcome = result.as_ref().map_or_else(Failure::label, |_| "ok");
    counter!(names::POLICY_RUNS, "org" => org, "task" => task, "outcome" => outcome).increment(1);
    histogram!(names::POLICY_SECONDS, "phase" => phase.as_str()).record(started.elapsed());
}

/// What is to run after a call.
#[derive(Debug)]
pub struct Hangup {
    engine: Engine,
    call: Arc<Call>,
    bundle: Arc<Bundle>,
    entry: Entry,
}

impl Hangup {
    /// The call that it is about.
    pub(super) fn call(&self) -> &Call {
        &self.call
    }

    /// The same for the call as it is known now.
    pub(super) fn about(self, call: Call) -> Self {
        Self { call: Arc::new(call), ..self }
    }

    /// Runs it: the call has ended, and `last` is how the switch described it then. What the script
    /// returns changes nothing, and its failure is a line in the log.
    pub async fn run(self, ended: Ended, last: Option<ChannelData>) {
        let call = self.call.at_its_end(last, ended);
        let (org, task, id) = (call.facts.org, call.task.clone(), call.facts.call_id.clone());
        let within = Duration::from_secs(3_600);
        let (engine, call) = (&self.engine, Arc::new(call));
        let run = engine.begin(Phase::Hangup, call, within, None, (self.bundle, self.entry));
        if let Err(failure) = run.ended().await {
            tracing::error!(call = id, org, task, "policy, hangup phase: {failure}");
        }
    }
}

/// Returns once the deadline has passed and the thread has had its chance to say so.
async fn late_after(deadline: &Deadline) {
    loop {
        deadline.passed().await;
        tokio::time::sleep(Duration::from_millis(2)).await;
        if deadline.at() <= Instant::now() {
            return;
        }
    }
}
