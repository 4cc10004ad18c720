//! The daemon, from start to stop: what runs, in which order it comes up and goes down.
//!
//! Up: the data first, then the record store, then the policies, then the doors open. Down the other
//! way round: the doors close, what was begun is finished within `drain_s`, records are written last. A
//! database that is away stops nothing: the last snapshot is served.

use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::sync::{Arc, PoisonError, RwLock};
use std::time::{Duration, UNIX_EPOCH};

use fsx_core::data::RoutingData as _;
use tokio::signal::unix::{Signal, SignalKind, signal};
use tokio::sync::Notify;
use tokio::task::JoinSet;

use crate::cli::fail;
use crate::config::{self, Config};
use crate::feed::{self, Feed, FeedSettings};
use crate::health::{Health, Part, metrics, notify};
use crate::policy::after::After;
use crate::policy::bundle::{BundleSet, Files, fetch::Fetch, keeper};
use crate::policy::sim::{Stage, suite};
use crate::policy::{Engine, api::Outside};
use crate::published::{Published, PublishedHandle};
use crate::shutdown;
use crate::{cdr, decide, esl, http, logging, policy, xml};

/// Runs until SIGTERM or SIGINT; the exit code.
pub fn start(config: Config, path: &Path) -> ExitCode {
    let feed = match feed_settings(&config) {
        Ok(feed) => feed,
        Err(error) => return fail(2, &format!("{}: {error}", path.display())),
    };
    let level = match logging::start(&config.log) {
        Ok(level) => level,
        Err(error) => return fail(2, &error),
    };
    // Databases by TLS need it, and with none installed the first such connection would panic.
    let _ = rustls::crypto::ring::default_provider().install_default();
    let mut builder = tokio::runtime::Builder::new_multi_thread();
    if config.daemon.threads > 0 {
        builder.worker_threads(config.daemon.threads as usize);
    }
    // Bundles are compiled and tried on its threads.
    builder.thread_stack_size(policy::STACK);
    let runtime = match builder.enable_all().build() {
        Ok(runtime) => runtime,
        Err(error) => return fail(1, &format!("cannot start: {error}")),
    };
    let result = runtime.block_on(run(config, feed, path.to_owned(), level));
    // Whoever has not finished by now has had its time.
    runtime.shutdown_timeout(Duration::from_secs(1));
    match result {
        Ok(()) => ExitCode::SUCCESS,
        Err(line) => fail(1, &line),
    }
}

/// What is running, and how to reach it.
struct Rooms {
    engine: Engine,
    policies: keeper::Looker,
    /// Has the feed look at its data, where there is one.
    look_at_data: Option<Arc<Notify>>,
    health: Health,
    level: logging::Level,
    path: PathBuf,
    /// On which bundles are tried before they come into force.
    stage: Arc<RwLock<Stage>>,
    /// The configuration that the daemon was started with.
    running: Config,
}

async fn run(
    config: Config,
    feed: Option<FeedSettings>,
    path: PathBuf,
    level: logging::Level,
) -> Result<(), String> {
    let (mut stop, mut hangup) = (StopSignals::new()?, listen(SignalKind::hangup())?);
    let recorder = metrics::install().map_err(|e| format!("cannot start the metrics: {e}"))?;
    let (stopper, shutdown) = shutdown::pair();
    let published = PublishedHandle::new();
    let health = Health::new(published.clone(), Duration::from_secs(config.feed.max_age_s.into()));
    let mut tasks = JoinSet::new();

    // The doors are bound before anything is touched: a second daemon ends here, and whoever knocks
    // meanwhile waits.
    let decide_socket = decide::bind(&config.decide)?;
    let esl_socket = esl::bind(config.esl.listen).await?;
    let http_socket = http::bind(config.http.listen).await?;

    // The data.
    let mut look_at_data = None;
    if let Some(feed) = start_feed(&config, feed, &published)? {
        health.follow(feed.status());
        look_at_data = Some(feed.rebuild());
        tasks.spawn(feed.run(shutdown.signal()));
    }

    // The records.
    let (records, writer) = cdr::Intake::open(&config.cdr).await.map_err(|e| e.to_string())?;
    let writer = tokio::spawn(writer.run());
    let store = records.store();
    tasks.spawn(cdr::spool::run(config.cdr.clone(), store.clone(), shutdown.clone()));
    tasks.spawn(cdr::deliver::run(config.cdr.clone(), store.clone(), shutdown.clone()));
    health.set(Part::Cdr, true);
    tasks.spawn({
        let (store, health, shutdown) = (store.clone(), health.clone(), shutdown.clone());
        async move { cdr::watch(&store, &health, &shutdown).await }
    });

    // The policies.
    let world = Arc::new(Outside::new(&config, published.clone())?);
    let engine = Engine::idle_in(&config.policy, world)
        .map_err(|e| format!("cannot start the policy threads: {e}"))?;
    let place = Place { engine: engine.clone(), health: health.clone() };
    let stage = Arc::new(RwLock::new(Stage::new(&config.policy, &config.site)));
    let fetch = Fetch::from_config(&config.policy)?;
    let keeper = policy_keeper(&config, Arc::clone(&stage));
    let first = tokio::task::spawn_blocking({
        let (keeper, place) = (keeper.clone(), place.clone());
        move || keeper::first(&keeper, &place)
    });
    tokio::select! {
        first = first => first.map_err(|e| format!("cannot read the policies: {e}"))?,
        // Tests may take their time; whoever stops the daemon meanwhile does not wait for them.
        () = stop.come() => {
            drop((shutdown, records));
            stopper.drain(Duration::from_secs(config.daemon.drain_s.into())).await;
            tasks.abort_all();
            let _ = tokio::time::timeout(Duration::from_secs(2), writer).await;
            store.close().await;
            tracing::info!("fsxinetd has stopped before it was up");
            return Ok(());
        }
    }
    let (policies, keeping) = keeper::keep(keeper, place, fetch, shutdown.signal());
    tasks.spawn(keeping);
    let supervisor = tokio::spawn({
        let engine = engine.clone();
        async move { engine.supervise().await }
    });

    let xml = xml::Room::open(&config.xml, engine.clone()).await?;

    let after = After::default();

    // The doors open.
    let address = |socket: &tokio::net::TcpListener| {
        socket.local_addr().map_or_else(|e| e.to_string(), |a| a.to_string())
    };
    tracing::info!(
        version = env!("CARGO_PKG_VERSION"),
        esl = address(&esl_socket),
        http = address(&http_socket),
        decide = %decide_socket.path().display(),
        "fsxinetd is up"
    );
    let decide_rooms = decide::Rooms {
        engine: engine.clone(),
        published: published.clone(),
        records: records.clone(),
        xml,
        after: after.clone(),
        quiet: crate::net::Quiet::default(),
    };
    let (decide_config, decide_shutdown) = (config.decide.clone(), shutdown.clone());
    let deciding = decide::start(decide_socket, decide_config, decide_rooms, decide_shutdown)
        .map_err(|e| format!("cannot start the decision socket's thread: {e}"))?;
    tasks.spawn(deciding);
    health.set(Part::Decide, true);
    let esl_rooms = esl::Rooms {
        engine: engine.clone(),
        published: published.clone(),
        site: config.site.clone(),
        after,
        quiet: crate::net::Quiet::default(),
    };
    let (esl_config, esl_shutdown) = (config.esl.clone(), shutdown.clone());
    tasks.spawn(async move {
        let served = esl::serve(esl_socket, esl_config, esl_rooms, esl_shutdown);
        if let Err(error) = served.await {
            tracing::error!("event socket: {error}");
        }
    });
    health.set(Part::Esl, true);
    let http_rooms = http::Rooms {
        published: published.clone(),
        health: health.clone(),
        metrics: recorder.clone(),
        site: config.site.clone(),
    };
    // HTTP tells of the drain, so it goes on until the very end.
    let (http_stopper, http_shutdown) = shutdown::pair();
    let http =
        tokio::spawn(http::serve(http_socket, config.http.clone(), http_rooms, http_shutdown));
    let upkeep = tokio::spawn(async move {
        let mut tick = tokio::time::interval(metrics::UPKEEP);
        loop {
            tick.tick().await;
            recorder.run_upkeep();
        }
    });
    let alive = engine.clone();
    let watchdog = tokio::spawn(notify::watchdog(shutdown.clone(), move || {
        let alive = alive.is_alive();
        async move { alive }
    }));
    notify::ready("up");

    let (drain_s, running) = (config.daemon.drain_s, config);
    let rooms = Rooms { engine, policies, look_at_data, health, level, path, stage, running };
    let broken = serve(&mut stop, &mut hangup, &mut tasks, &rooms).await;

    // Down.
    let limit = Duration::from_secs(drain_s.into());
    notify::stopping(limit);
    rooms.health.drain();
    drop((shutdown, records));
    // A second signal does not wait for the first.
    let drained = tokio::select! {
        drained = stopper.drain(limit) => drained,
        () = stop.come() => false,
    };
    if !drained {
        tracing::warn!("work in hand did not finish in {limit:?}; it is left");
    }
    watchdog.abort();
    supervisor.abort();
    upkeep.abort();
    let quick = Duration::from_secs(2);
    let _ = tokio::time::timeout(quick, async { while tasks.join_next().await.is_some() {} }).await;
    tasks.abort_all();
    let _ = tokio::time::timeout(quick, http_stopper.drain(quick)).await;
    let _ = tokio::time::timeout(quick, http).await;
    let _ = tokio::time::timeout(quick, writer).await;
    store.close().await;
    tracing::info!("fsxinetd has stopped");
    broken.map_or(Ok(()), Err)
}

/// Waits for signals; gives a line when a room has ended that never should.
async fn serve(
    stop: &mut StopSignals,
    hangup: &mut Signal,
    tasks: &mut JoinSet<()>,
    rooms: &Rooms,
) -> Option<String> {
    loop {
        tokio::select! {
            () = stop.come() => return None,
            _ = hangup.recv() => reload(rooms),
            Some(ended) = tasks.join_next() => {
                let why = ended.err().map(|e| format!(": {e}")).unwrap_or_default();
                return Some(format!("a part of the daemon has ended by itself{why}"));
            }
        }
    }
}

/// SIGHUP: what can change does, the rest waits for the next start. A wrong file changes nothing.
fn reload(rooms: &Rooms) {
    notify::reloading();
    match config::load(&rooms.path) {
        Ok(config) => {
            let waits = config::waiting(&rooms.running, &config);
            if !waits.is_empty() {
                tracing::warn!("configuration: {} wait for the next start", waits.join(", "));
            }
            rooms.engine.set_terms(&config.policy);
            *rooms.stage.write().unwrap_or_else(PoisonError::into_inner) =
                Stage::new(&config.policy, &rooms.running.site);
            rooms.policies.look();
            if let Some(feed) = &rooms.look_at_data {
                feed.notify_one();
            }
            if let Err(error) = rooms.level.set(&config.log) {
                tracing::error!("{error}; the old level stays");
            }
            tracing::info!("configuration read again");
        }
        Err(error) => {
            for line in error.to_string().lines() {
                tracing::error!("configuration not read again: {line}");
            }
        }
    }
    notify::ready("up");
}

/// Where policies are in force, and who is told that there are some.
#[derive(Clone)]
struct Place {
    engine: Engine,
    health: Health,
}

impl keeper::InForce for Place {
    fn bundles(&self) -> Arc<BundleSet> {
        self.engine.bundles()
    }

    fn put(&self, set: BundleSet) {
        self.health.set(Part::Policies, !set.is_empty());
        self.engine.put(set);
    }
}

/// Who puts policies in force.
fn policy_keeper(config: &Config, stage: Arc<RwLock<Stage>>) -> keeper::Keeper {
    let check = move |files: &Files, name: &str| {
        let stage = stage.read().unwrap_or_else(PoisonError::into_inner).clone();
        suite::admit(&stage, files, name)
    };
    keeper::Keeper::new(&config.policy.dir, &config.policy.store, Arc::new(check))
}

/// What the feed is to do; nothing where there is neither its database nor a source.
///
/// # Errors
/// One line that names the key.
pub(crate) fn feed_settings(config: &Config) -> Result<Option<FeedSettings>, String> {
    if config.databases.contains_key(&config.feed.database) || !config.feed.source.is_empty() {
        FeedSettings::from_config(config).map(Some)
    } else {
        Ok(None)
    }
}

/// The feed, where a database is configured; otherwise the snapshot that is on disk, if any.
fn start_feed(
    config: &Config,
    settings: Option<FeedSettings>,
    published: &PublishedHandle,
) -> Result<Option<Feed>, String> {
    let Some(settings) = settings else {
        tracing::warn!(
            "there is no [databases.{}]: nothing is built, the snapshot on disk is served",
            config.feed.database
        );
        match feed::load(&config.feed.snapshot) {
            Ok(Some(snapshot)) => {
                let built_at = u64::try_from(snapshot.built_at()).unwrap_or(0);
                published.set(Published {
                    generation: snapshot.generation(),
                    snapshot: Arc::new(snapshot),
                    at: UNIX_EPOCH + Duration::from_secs(built_at),
                    bytes: std::fs::metadata(&config.feed.snapshot).map_or(0, |m| m.len()),
                });
            }
            Ok(None) => {}
            Err(error) => tracing::warn!("{error}"),
        }
        return Ok(None);
    };
    for file in [&settings.snapshot, &settings.live] {
        if let Some(folder) = file.parent().filter(|folder| !folder.as_os_str().is_empty()) {
            std::fs::create_dir_all(folder)
                .map_err(|e| format!("cannot make {}: {e}", folder.display()))?;
        }
    }
    Feed::new(settings, published.clone()).map(Some).map_err(|e| e.to_string())
}

fn listen(kind: SignalKind) -> Result<Signal, String> {
    signal(kind).map_err(|e| format!("cannot listen for signals: {e}"))
}

/// The signals that end the daemon.
struct StopSignals {
    terminate: Signal,
    interrupt: Signal,
}

impl StopSignals {
    fn new() -> Result<Self, String> {
        let terminate = listen(SignalKind::terminate())?;
        Ok(Self { terminate, interrupt: listen(SignalKind::interrupt())? })
    }

    async fn come(&mut self) {
        tokio::select! {
            _ = self.terminate.recv() => {}
            _ = self.interrupt.recv() => {}
        }
    }
}
