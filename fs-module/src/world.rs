//! What the module knows between calls: configuration, snapshot, live table, calls in progress.
//!
//! One value for the process, made at load and never unmade. Each part is swapped whole behind a
//! lock that is held for the copying of a pointer, so a call sees one state of each, and keeps the
//! snapshot that it began with.

use std::sync::{
    Arc, OnceLock, PoisonError, RwLock,
    atomic::{AtomicBool, Ordering::Relaxed},
};

use fsx_seam::{
    ask::Asker,
    generation::{HolderOf, Loaded, Published, Refresh},
    log,
    map::MappedFile,
    spool::Spool,
};
use fsx_snapshot::Snapshot;

use crate::{
    calls::Calls,
    config::{self, Config, Mistake},
    events, health, host,
    live::{self, Live},
    stats::{Stats, count},
    waiting::Waiting,
};

/// The routing data of one generation, mapped.
pub(crate) struct Routes(Snapshot<MappedFile>);

impl Routes {
    /// The data, as the engine reads it.
    pub(crate) fn routing(&self) -> &Snapshot<MappedFile> {
        &self.0
    }
}

impl Published for Routes {
    fn open(file: MappedFile) -> Result<Self, String> {
        Snapshot::open(file).map(Self).map_err(|error| error.to_string())
    }

    fn verify(&self) -> Result<(), String> {
        self.0.verify().map_err(|error| error.to_string())
    }

    fn generation(&self) -> u64 {
        fsx_core::data::RoutingData::generation(&self.0)
    }

    fn file(&self) -> Option<&MappedFile> {
        Some(self.0.bytes())
    }
}

/// A snapshot in use; a call holds one to its end.
pub(crate) type Data = Arc<Loaded<Routes>>;

/// A configuration, with what was made from it.
pub(crate) struct Setup {
    /// The settings.
    pub(crate) config: Config,
    /// What is wrong with the file they came from; `None` where there is no file.
    pub(crate) mistakes: Option<Vec<Mistake>>,
    /// When they were read, seconds UTC.
    pub(crate) read_at: i64,
    /// The daemon, where a socket is configured.
    pub(crate) asker: Option<Asker>,
    /// Where records wait, where that is configured.
    pub(crate) spool: Option<Spool>,
}

impl Setup {
    fn new(config: Config, mistakes: Option<Vec<Mistake>>) -> Self {
        Self {
            asker: config.socket.clone().map(Asker::new),
            spool: config.spool.clone().map(Spool::new),
            config,
            mistakes,
            read_at: fsx_seam::clock::utc_s(),
        }
    }
}

/// Everything that outlives a call.
pub(crate) struct World {
    setup: RwLock<Arc<Setup>>,
    snapshot: HolderOf<Routes>,
    live: live::Slot,
    /// The missing snapshot was said, and need not be said again.
    said_missing: AtomicBool,
    stopping: AtomicBool,
    /// Calls in progress.
    pub(crate) calls: Calls,
    /// Records without a place.
    pub(crate) waiting: Waiting,
    /// Health of the gateways, as seen last.
    pub(crate) health: health::Seen,
    /// Counters.
    pub(crate) stats: Stats,
}

static WORLD: OnceLock<World> = OnceLock::new();

/// The world; `None` before [`make`].
pub(crate) fn get() -> Option<&'static World> {
    WORLD.get()
}

/// Makes the world from the configuration file. Does not fail: whatever is missing is said in the
/// log, and looked for again.
pub(crate) fn make() -> &'static World {
    let (config, mistakes) = match host::xml::read_config(config::FILE) {
        Some(sections) => {
            let (config, mistakes) = config::parse(&sections);
            (config, Some(mistakes))
        }
        None => {
            log::warning(format_args!("fsx: no configuration fsx.conf.xml: defaults are in use"));
            (Config::default(), None)
        }
    };
    for mistake in mistakes.iter().flatten() {
        log::error(format_args!("fsx: {mistake}"));
    }
    let world = WORLD.get_or_init(|| World {
        setup: RwLock::new(Arc::new(Setup::new(config, mistakes))),
        snapshot: HolderOf::new(),
        live: live::Slot::default(),
        said_missing: AtomicBool::new(false),
        stopping: AtomicBool::new(false),
        calls: Calls::default(),
        waiting: Waiting::default(),
        health: health::Seen::default(),
        stats: Stats::default(),
    });
    world.refresh();
    world
}

impl World {
    /// The configuration in force.
    pub(crate) fn setup(&self) -> Arc<Setup> {
        self.setup.read().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// The snapshot that a call beginning now uses; none where its file was cut under it.
    pub(crate) fn snapshot(&self) -> Option<Data> {
        self.snapshot.current().filter(|data| !data.lost())
    }

    /// Generation of it; 0 where there is none.
    pub(crate) fn generation(&self) -> u64 {
        self.snapshot.generation()
    }

    /// Why the last snapshot looked at was refused.
    pub(crate) fn refusal(&self) -> Option<String> {
        self.snapshot.refusal()
    }

    /// The live table, if one is open.
    pub(crate) fn live(&self) -> Option<Arc<Live>> {
        self.live.get()
    }

    /// Follows the live table where its file has moved, and tells it the time. Not for the call path.
    pub(crate) fn keep_live(&self) {
        self.live.keep(self.setup().config.live.as_deref());
    }

    /// The core is about to end: no more housekeeping.
    pub(crate) fn stop(&self) {
        self.stopping.store(true, Relaxed);
    }

    /// Whether it is.
    pub(crate) fn stopping(&self) -> bool {
        self.stopping.load(Relaxed)
    }

    /// Reads the configuration file again, from the disk. One with mistakes is refused, and what is in force stays.
    ///
    /// # Errors
    /// What is wrong with it.
    pub(crate) fn reload(&self) -> Result<(), Vec<String>> {
        if !host::xml::reload() {
            return Err(vec![
                "FreeSWITCH's XML files do not parse: reloadxml says where".to_owned(),
            ]);
        }
        let Some(sections) = host::xml::read_config(config::FILE) else {
            return Err(vec!["no configuration fsx.conf.xml".to_owned()]);
        };
        let (config, mistakes) = config::parse(&sections);
        if !mistakes.is_empty() {
            return Err(mistakes.iter().map(ToString::to_string).collect());
        }
        let old = self.setup();
        if old.config.live != config.live {
            // One that is not there yet is the daemon's to make; what can never be one is a mistake.
            if let Some(Err(problem)) = config.live.as_deref().map(live::looks_right) {
                return Err(vec![format!("live: {problem}")]);
            }
            self.live.clear();
        }
        let next = Arc::new(Setup::new(config, Some(mistakes)));
        crate::xml::bind(&next.config);
        *self.setup.write().unwrap_or_else(PoisonError::into_inner) = next;
        self.said_missing.store(false, Relaxed);
        self.live.say_again();
        Ok(())
    }

    /// Opens what is there by now and moves to a newer snapshot if one is published. Not for the
    /// call path: it reads the whole of a new snapshot.
    pub(crate) fn refresh(&self) -> Option<Refresh> {
        self.look(true)
    }

    /// The same, looking at the file even where the live table announces nothing new: somebody asked.
    pub(crate) fn look_again(&self) -> Option<Refresh> {
        self.look(false)
    }

    /// Where the snapshot should be, for messages.
    pub(crate) fn snapshot_path(&self) -> String {
        let path = self.setup().config.snapshot.clone();
        path.map_or_else(|| "no path".to_owned(), |path| path.display().to_string())
    }

    fn look(&self, trust_announcement: bool) -> Option<Refresh> {
        let setup = self.setup();
        self.live.refresh(setup.config.live.as_deref());
        let Some(path) = setup.config.snapshot.as_deref() else {
            if !self.said_missing.swap(true, Relaxed) {
                log::warning(format_args!(
                    "fsx: no snapshot is configured: only emergency calls are routed"
                ));
            }
            return None;
        };
        let announced = self
            .live()
            .filter(|_| trust_announcement)
            .map(|live| live.table().generation())
            .filter(|&generation| generation != 0);
        let came = self.snapshot.refresh(path, announced);
        match &came {
            Refresh::Swapped { from, to } => {
                self.said_missing.store(false, Relaxed);
                log::notice(format_args!("fsx: snapshot {}: {came}", path.display()));
                events::generation(*from, *to);
            }
            Refresh::Refused { reason, first: true } => {
                let kept = self.snapshot.generation();
                events::generation_refused(kept, reason);
                log::error(format_args!(
                    "fsx: snapshot refused: {reason}; generation {kept} stays in use"
                ));
            }
            Refresh::Lost { generation, reason } => {
                events::generation_refused(0, reason);
                log::error(format_args!(
                    "fsx: snapshot of generation {generation} was damaged in its place: {reason}"
                ));
            }
            Refresh::Missing if !self.said_missing.swap(true, Relaxed) => {
                log::warning(format_args!(
                    "fsx: no snapshot at {} yet: {}",
                    path.display(),
                    match self.snapshot.generation() {
                        0 => "only emergency calls are routed".to_owned(),
                        kept => format!("generation {kept} stays in use"),
                    }
                ));
            }
            _ => {}
        }
        Some(came)
    }

    /// Adds the cost of a call, in the base currency, to what its organisation has spent. Until the
    /// feed brings a newer sum from the database, the limit holds by this one.
    pub(crate) fn spent(&self, org: u32, cost: fsx_core::Nano) {
        if let Some(live) = self.live()
            && !live.table().add_spend(org, cost)
        {
            count(&self.stats.spend_unknown);
        }
    }

    /// Gives back the calls of switch processes that have died.
    pub(crate) fn reap(&self) {
        if let Some(live) = self.live() {
            let reaped = live.table().reap_dead_owners();
            if reaped > 0 {
                log::notice(format_args!(
                    "fsx: calls of {reaped} dead switch processes given back"
                ));
            }
        }
    }
}
