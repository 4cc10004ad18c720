//! The loop of the daemon.

use std::collections::BTreeSet;
use std::os::unix::fs::MetadataExt;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use fsx_core::{Country, data::RoutingData};
use fsx_live::{LiveSpec, LiveTable};
use fsx_snapshot::{Report, Snapshot};
use tokio::sync::{Notify, watch};
use tokio::task::JoinSet;
use tracing::{info, warn};

use super::changes::{self, Stamp};
use super::fetch::{Fetcher, Source};
use super::follow::follow;
use super::loss::{leaves_something, lost, of_the_owner};
use super::place;
use super::read::lacking;
use super::table::{Emptied, keep};
use super::{FeedError, MakeSettings, load, make, next_generation, publish, read, turn};
use crate::config::{Config, UnusablePrefix};
use crate::db::{Access, Conn, DbError, DbUrl, Schema};
use crate::published::{Published, PublishedHandle};

/// What the feed is to do.
#[derive(Clone, Debug)]
pub struct FeedSettings {
    /// The LCR database; without one there must be a source.
    pub url: Option<DbUrl>,
    /// The snapshot of another host, fetched instead of building one.
    pub source: Option<Source>,
    /// The routing file.
    pub snapshot: PathBuf,
    /// The live table.
    pub live: PathBuf,
    /// How often changes are looked for; zero does not look for any (the horizon is minded all the
    /// same).
    pub interval: Duration,
    /// How often health and spend are read.
    pub live_interval: Duration,
    /// How long connecting may take.
    pub connect_timeout: Duration,
    /// How builds are made.
    pub make: MakeSettings,
}

impl FeedSettings {
    /// How often health and spend are read unless somebody says otherwise.
    pub const LIVE_INTERVAL: Duration = Duration::from_secs(2);

    /// What the configuration says.
    ///
    /// # Errors
    /// One line that names the key.
    pub fn from_config(config: &Config) -> Result<Self, String> {
        let feed = &config.feed;
        let alias = &feed.database;
        let source = Source::from_config(feed);
        let database = config.databases.get(alias);
        if database.is_none() && source.is_none() {
            return Err(format!(
                "feed.database is \"{alias}\", and there is no [databases.{alias}]"
            ));
        }
        let url = database.map(|database| database.url.parse()).transpose();
        let url = url.map_err(|e| format!("databases.{alias}.url: {e}"))?;
        let acquire_ms = database.map_or(3000, |database| database.acquire_timeout_ms);
        let home = config.site.home_country.as_str();
        let home_country = match home {
            "" => None,
            code => Some(Country::new(code.as_bytes()).ok_or_else(|| {
                format!("site.home_country is \"{code}\", expected two letters such as GB")
            })?),
        };
        Ok(Self {
            url,
            source,
            snapshot: feed.snapshot.clone(),
            live: feed.live.clone(),
            interval: Duration::from_secs(feed.interval_s.into()),
            live_interval: Self::LIVE_INTERVAL,
            connect_timeout: Duration::from_millis(acquire_ms.into()),
            make: MakeSettings {
                reference_seconds: feed.reference_seconds,
                home_country,
                base_currency: config.site.base_currency.clone(),
                shorter_prefix: feed.unusable_prefix == UnusablePrefix::Shorter,
                max_lost_share: f64::from(feed.max_loss_percent) / 100.0,
                fx_max_age_s: i64::from(feed.fx_max_age_h) * 3600,
                horizon_days: feed.horizon_days,
                ..MakeSettings::default()
            },
        })
    }
}

/// How the feed is doing.
#[derive(Clone, Debug, Default)]
pub struct FeedStatus {
    /// Generation in force; 0 before the first.
    pub generation: u64,
    /// When the database was last known to say what the snapshot says.
    pub confirmed_at: Option<SystemTime>,
    /// Why the last try failed; `None` when it did not.
    pub error: Option<String>,
    /// Builds published by this process.
    pub builds: u64,
    /// How long the last build took, from the first row read to the file in place.
    pub build_time: Duration,
    /// The last build's report.
    pub report: Option<Arc<Report>>,
    /// Currencies left out of the last build because their exchange rate is too old.
    pub stale_fx: Vec<String>,
}

/// The feed of one daemon.
pub struct Feed {
    settings: FeedSettings,
    published: PublishedHandle,
    /// The live table as it was at start.
    opened: Arc<LiveTable>,
    status: watch::Sender<FeedStatus>,
    rebuild: Arc<Notify>,
    generation: u64,
    fingerprint: Option<u64>,
    /// What the database lacked when the last snapshot was built from it.
    lacking: Option<BTreeSet<String>>,
    /// What it lacked when a build was refused for that: a grant that comes back changes no table.
    refused_lacking: Option<BTreeSet<String>>,
    snapshot: Option<(Arc<Snapshot<Vec<u8>>>, u64)>,
    in_force: watch::Sender<Option<Arc<Snapshot<Vec<u8>>>>>,
    clock: Clock,
    said_past: Option<Instant>,
}

/// What time it is; a test may have its own.
pub(super) type Clock = Arc<dyn Fn() -> SystemTime + Send + Sync>;

/// First pause between tries when the database is away; it doubles.
pub(super) const FIRST_BACKOFF: Duration = Duration::from_millis(500);

/// Longest pause.
pub(super) const MOST_BACKOFF: Duration = Duration::from_secs(60);

/// Everything is read at least this often, changes or not.
const READ_ALL_EVERY: Duration = Duration::from_secs(3600);

/// How often a snapshot that nears its horizon is tried to be made anew, where that is refused.
const AGEING_EVERY: Duration = Duration::from_secs(60);

/// How often it is said that the horizon has passed.
const SAY_PAST_EVERY: Duration = Duration::from_secs(300);

/// How often a read that takes its time says how far it is.
const SAY_EVERY: Duration = Duration::from_secs(10);

/// How many lost rows of a build are logged one by one.
const MOST_LOGGED: usize = 20;

impl Feed {
    /// Opens the live table and takes the snapshot that is there, if it is a good one, so that the
    /// daemon can answer before it has seen the database.
    ///
    /// # Errors
    /// [`FeedError::Live`] when the live table can neither be opened nor made.
    pub fn new(settings: FeedSettings, published: PublishedHandle) -> Result<Self, FeedError> {
        let live = Arc::new(LiveTable::open_or_create(&settings.live, &LiveSpec::default())?);
        published.set_live(live.clone());
        let mut feed = Self {
            settings,
            published,
            opened: live,
            status: watch::Sender::default(),
            rebuild: Arc::default(),
            generation: 0,
            fingerprint: None,
            lacking: None,
            refused_lacking: None,
            snapshot: None,
            in_force: watch::Sender::new(None),
            clock: Arc::new(SystemTime::now),
            said_past: None,
        };
        match load(&feed.settings.snapshot) {
            Ok(None) => info!(path = %feed.settings.snapshot.display(), "no snapshot yet"),
            Ok(Some(snapshot)) => {
                let generation = snapshot.generation();
                info!(generation, "the snapshot on disk is in force");
                if feed.live().generation() < generation {
                    feed.live().set_generation(generation);
                }
                let at = UNIX_EPOCH + Duration::from_secs(snapshot.built_at().max(0) as u64);
                feed.take(snapshot, generation, at);
            }
            Err(reason) => warn!("{reason}"),
        }
        Ok(feed)
    }

    /// The feed, by another clock.
    #[cfg(test)]
    pub(super) fn with_clock(self, clock: Clock) -> Self {
        Self { clock, ..self }
    }

    /// How it is doing; changes with every try.
    #[must_use]
    pub fn status(&self) -> watch::Receiver<FeedStatus> {
        self.status.subscribe()
    }

    /// Notify it to read everything now, and to build where anything has changed.
    #[must_use]
    pub fn rebuild(&self) -> Arc<Notify> {
        self.rebuild.clone()
    }

    /// The live table: the one that stands at its path now.
    #[must_use]
    pub fn live(&self) -> Arc<LiveTable> {
        self.published.table().unwrap_or_else(|| self.opened.clone())
    }

    /// Runs until `stop` turns true (or its sender is gone). Never gives up on the database.
    pub async fn run(mut self, mut stop: watch::Receiver<bool>) {
        // Dropped with this future, which ends it.
        let mut followers = JoinSet::new();
        let emptied = Emptied::default();
        let path = self.settings.live.clone();
        followers.spawn(keep(path, self.published.clone(), emptied.clone()));
        followers.spawn(place::keep(self.settings.snapshot.clone(), self.in_force.subscribe()));
        if let Some(url) = self.settings.url.clone() {
            let (settings, published) = (self.settings.clone(), self.published.clone());
            followers.spawn(follow(settings, url, published, emptied));
        }
        let mut pause = FIRST_BACKOFF;
        loop {
            let session = async {
                let ended = match (&self.settings.source, &self.settings.url) {
                    (Some(source), _) => self.fetching(source.clone()).await,
                    (None, Some(url)) => self.session(url.clone()).await,
                    (None, None) => std::future::pending().await,
                };
                match ended {
                    Ok(never) => match never {},
                    Err(error) => error,
                }
            };
            let error = tokio::select! {
                _ = stop.wait_for(|stop| *stop) => return,
                error = session => error,
            };
            let was_well = self.status.borrow().error.is_none();
            if was_well {
                pause = FIRST_BACKOFF;
            }
            warn!(pause_ms = pause.as_millis() as u64, "the feed waits: {error}");
            self.status.send_modify(|status| status.error = Some(error.to_string()));
            // Where nothing can be built the horizon is passed in the end.
            self.snapshot_has_aged();
            tokio::select! {
                _ = stop.wait_for(|stop| *stop) => return,
                () = tokio::time::sleep(pause) => {}
                () = self.rebuild.notified() => self.fingerprint = None,
            }
            pause = (pause * 2).min(MOST_BACKOFF);
        }
    }

    /// One connection, as long as it lasts.
    async fn session(&mut self, url: DbUrl) -> Result<std::convert::Infallible, FeedError> {
        let file = identity(&url);
        let mut conn = Conn::open(&url, Access::ReadOnly, self.settings.connect_timeout).await?;
        changes::prepare(&mut conn).await;
        let mut read_stamp: Option<Stamp> = None;
        let mut read_at = Instant::now();
        let (mut looked_at, mut aged_at): (Option<Instant>, _) = (None, None);
        let (mut asked, mut refused) = (false, false);
        let every = self.settings.interval;
        loop {
            same_file(&url, file)?;
            let due = looked_at.is_none_or(|at| !every.is_zero() && at.elapsed() >= every);
            // Also where changes are not looked for: time passes all the same.
            let ageing = self.snapshot_has_aged()
                && aged_at.is_none_or(|at: Instant| at.elapsed() >= AGEING_EVERY);
            if ageing {
                aged_at = Some(Instant::now());
            }
            if due || asked || ageing {
                looked_at = Some(Instant::now());
                let now = changes::stamp(&mut conn).await?;
                let old = read_at.elapsed() >= READ_ALL_EVERY;
                let back = match self.refused_lacking.take() {
                    Some(then) if lacking(&Schema::read(&mut conn).await?) == then => {
                        self.refused_lacking = Some(then);
                        false
                    }
                    then => then.is_some(),
                };
                if asked || old || ageing || back || now.moved_since(read_stamp.as_ref()) {
                    refused = match self.read_and_build(&mut conn, asked, ageing).await {
                        Ok(()) => false,
                        // The database is well, its data is not: wait for somebody to mend it.
                        Err(
                            error @ (FeedError::Build(_)
                            | FeedError::Nothing { .. }
                            | FeedError::Gone { .. }),
                        ) => {
                            warn!("the last good snapshot stays: {error}");
                            let line = error.to_string();
                            self.status.send_modify(|status| status.error = Some(line));
                            true
                        }
                        Err(error) => return Err(error),
                    };
                    (read_stamp, read_at) = (Some(now), Instant::now());
                }
                if !refused {
                    self.confirm();
                }
            }
            asked = tokio::select! {
                () = tokio::time::sleep(self.settings.live_interval) => false,
                () = self.rebuild.notified() => true,
            };
        }
    }

    /// `asked`: by somebody, who is to hear of it; `ageing`: the snapshot in force is, so that it is made anew
    /// though nothing has changed.
    async fn read_and_build(
        &mut self,
        conn: &mut Conn,
        asked: bool,
        ageing: bool,
    ) -> Result<(), FeedError> {
        let began = Instant::now();
        let at = seconds((self.clock)());
        let reading = self.settings.make.reading(at);
        let mut said = began;
        let rows = read(conn, &reading, &mut |table, rows| {
            if said.elapsed() >= SAY_EVERY {
                said = Instant::now();
                info!(table, rows, "reading the database");
            }
        })
        .await?;
        if let Some(before) = &self.lacking {
            let gone = lost(before, &rows.lacking);
            if !gone.is_empty() {
                self.refused_lacking = Some(rows.lacking);
                let path = self.settings.snapshot.clone();
                return Err(FeedError::Gone { what: gone.join(", "), path });
            }
        }
        if !ageing && self.fingerprint == Some(rows.fingerprint) {
            if asked {
                info!(generation = self.generation, "the database was read: nothing has changed");
            }
            return Ok(());
        }
        self.say_lacking(&rows.lacking);
        let lacking = rows.lacking.clone();
        for currency in &rows.stale_fx {
            warn!("the exchange rate of {currency} is too old: its rates are not used");
        }
        let (fingerprint, stale_fx) = (rows.fingerprint, rows.stale_fx.clone());
        let (settings, live) = (self.settings.clone(), self.live());
        let known = self.generation;
        let made = tokio::task::spawn_blocking(move || {
            let turn = turn(&settings.snapshot)?;
            let generation = next_generation(&settings.snapshot, Some(&live)).max(known + 1);
            let built = make(&rows, &settings.make, generation, at)?;
            let snapshot = Snapshot::open(built.bytes).map_err(FeedError::Open)?;
            leaves_something(&settings.snapshot, &snapshot, &rows.lacking)?;
            publish(&settings.snapshot, snapshot.bytes(), generation, Some(&live))?;
            drop(turn);
            Ok::<_, FeedError>((snapshot, generation, built.report))
        });
        let (snapshot, generation, report) =
            made.await.map_err(|e| FeedError::Stopped(e.to_string()))??;
        let build_time = began.elapsed();
        info!(
            generation,
            rows = report.rows_in,
            lost = report.lost_rows,
            prefixes = report.prefixes,
            bytes = report.bytes,
            took_ms = build_time.as_millis() as u64,
            "snapshot published"
        );
        for (currency, rates) in &report.no_exchange_rate {
            if !stale_fx.contains(currency) {
                warn!(generation, rates, "FxRates has no {currency}: its rates are not used");
            }
        }
        for lost in report.lost.iter().take(MOST_LOGGED) {
            warn!(generation, "row left out: {lost}");
        }
        self.take(snapshot, generation, SystemTime::now());
        (self.fingerprint, self.lacking) = (Some(fingerprint), Some(lacking));
        self.status.send_modify(|status| {
            status.builds += 1;
            status.build_time = build_time;
            status.report = Some(Arc::new(report));
            status.stale_fx = stale_fx;
        });
        Ok(())
    }

    /// What the database lacks, when that is not what was said last.
    fn say_lacking(&self, lacking: &BTreeSet<String>) {
        if lacking.is_empty() || self.lacking.as_ref() == Some(lacking) {
            return;
        }
        let owners = of_the_owner(lacking);
        if !owners.is_empty() {
            let names = owners.join(", ");
            warn!(
                "the database has no {names}, or we may not see it: read as the defaults, everybody's and \
                 in force (fsxinetd db check)"
            );
        }
        if owners.len() < lacking.len() {
            let tables = lacking.len() - owners.len();
            info!(tables, "the database lacks tables or columns that fsx adds (fsxinetd db check)");
        }
    }

    /// Periods are resolved up to the horizon only, so the snapshot is made anew long before that,
    /// although nothing has changed; and lists are in order without the rates that have no exchange
    /// rate, so it is when one becomes too old.
    fn snapshot_has_aged(&mut self) -> bool {
        let Some((snapshot, _)) = &self.snapshot else { return false };
        let (from, to) = (snapshot.built_at(), snapshot.settings().horizon_end);
        let in_order_until = snapshot.settings().ranked_until;
        let now = seconds((self.clock)());
        if now >= to {
            self.say_past_horizon(to);
        }
        now >= from.saturating_add(to.saturating_sub(from) / 2) || now >= in_order_until
    }

    /// Loud, and not without end: the switches go on with rates that name no period.
    fn say_past_horizon(&mut self, horizon_end: i64) {
        if self.said_past.is_none_or(|at| at.elapsed() >= SAY_PAST_EVERY) {
            self.said_past = Some(Instant::now());
            let horizon_end = fsx_wire::answer::rfc3339(horizon_end);
            warn!(
                horizon_end,
                "the snapshot in force is past its horizon: only rates without a period are used"
            );
        }
    }

    /// Asks the source again and again, until asking fails.
    async fn fetching(&mut self, source: Source) -> Result<std::convert::Infallible, FeedError> {
        let mut fetcher = Fetcher::new(source)?;
        let every = self.settings.interval;
        let mut asked_at: Option<Instant> = None;
        loop {
            if asked_at.is_none_or(|at| !every.is_zero() && at.elapsed() >= every) {
                asked_at = Some(Instant::now());
                let began = Instant::now();
                if let Some(bytes) = fetcher.fetch().await? {
                    self.adopt(bytes, &fetcher, began).await?;
                    fetcher.keep();
                }
                self.confirm();
            }
            // Whoever builds it is late.
            self.snapshot_has_aged();
            let left = asked_at.map_or(every, |at| every.saturating_sub(at.elapsed()));
            let pause = if every.is_zero() { AGEING_EVERY } else { left.min(AGEING_EVERY) };
            tokio::select! {
                () = tokio::time::sleep(pause) => {}
                () = self.rebuild.notified() => {
                    fetcher.forget();
                    asked_at = None;
                }
            }
        }
    }

    /// Verifies what was fetched and puts it in force, unless it is what is in force.
    async fn adopt(
        &mut self,
        bytes: Vec<u8>,
        fetcher: &Fetcher,
        began: Instant,
    ) -> Result<(), FeedError> {
        let (path, live) = (self.settings.snapshot.clone(), self.live());
        let current = self.snapshot.as_ref().map(|(snapshot, _)| snapshot.clone());
        let checked = tokio::task::spawn_blocking(move || {
            let bad = |error: String| Err(format!("not to be used: {error}"));
            let snapshot = match Snapshot::open(bytes) {
                Ok(snapshot) => snapshot,
                Err(error) => return Ok(bad(error.to_string())),
            };
            if let Err(error) = snapshot.verify() {
                return Ok(bad(error.to_string()));
            }
            if let Some(current) = current {
                if current.bytes() == snapshot.bytes() {
                    return Ok(Ok(None));
                }
                let age = |of: &Snapshot<Vec<u8>>| (of.built_at(), of.generation());
                if age(&snapshot) < age(&current) {
                    return Ok(bad("it is older than the snapshot in force".to_owned()));
                }
                if snapshot.generation() == current.generation() {
                    let generation = snapshot.generation();
                    return Ok(bad(format!("generation {generation} is in force, and is another")));
                }
            }
            if let Err(error) = leaves_something(&path, &snapshot, &BTreeSet::new()) {
                return Ok(bad(error.to_string()));
            }
            publish(&path, snapshot.bytes(), snapshot.generation(), Some(&live))?;
            Ok::<_, FeedError>(Ok(Some(snapshot)))
        });
        let checked = checked.await.map_err(|e| FeedError::Stopped(e.to_string()))??;
        let snapshot = match checked {
            Err(reason) => return Err(fetcher.failed(reason)),
            Ok(None) => return Ok(()),
            Ok(Some(snapshot)) => snapshot,
        };
        let generation = snapshot.generation();
        let took = began.elapsed();
        let (size, took_ms) = (snapshot.bytes().len(), took.as_millis() as u64);
        info!(generation, bytes = size, took_ms, "snapshot fetched and published");
        let built_at = UNIX_EPOCH + Duration::from_secs(snapshot.built_at().max(0) as u64);
        self.take(snapshot, generation, built_at);
        self.status.send_modify(|status| {
            status.builds += 1;
            status.build_time = took;
        });
        Ok(())
    }

    /// Puts a snapshot in force for the daemon itself.
    fn take(&mut self, snapshot: Snapshot<Vec<u8>>, generation: u64, at: SystemTime) {
        let bytes = snapshot.bytes().len() as u64;
        let snapshot = Arc::new(snapshot);
        self.snapshot = Some((snapshot.clone(), bytes));
        self.in_force.send_replace(Some(snapshot.clone()));
        self.generation = generation;
        self.published.set(Published { snapshot, generation, at, bytes });
        self.status.send_modify(|status| status.generation = generation);
    }

    /// The database says what the snapshot says, as of now.
    fn confirm(&mut self) {
        let now = SystemTime::now();
        self.status.send_modify(|status| {
            status.error = None;
            status.confirmed_at = Some(now);
        });
        if let Some((snapshot, bytes)) = &self.snapshot {
            self.published.set(Published {
                snapshot: snapshot.clone(),
                generation: self.generation,
                at: now,
                bytes: *bytes,
            });
        }
    }
}

/// Which file an SQLite database is: one that was removed or replaced can still be read, and never
/// changes.
pub(super) fn identity(url: &DbUrl) -> Option<(u64, u64)> {
    match url {
        DbUrl::Sqlite(path) => std::fs::metadata(path).ok().map(|m| (m.dev(), m.ino())),
        DbUrl::Mysql(_) => None,
    }
}

/// Still the file that was opened?
pub(super) fn same_file(url: &DbUrl, opened: Option<(u64, u64)>) -> Result<(), DbError> {
    if identity(url) == opened {
        return Ok(());
    }
    let source = sqlx::Error::Io(std::io::Error::other("the file was replaced"));
    Err(DbError::Open { url: url.to_string(), source })
}

fn seconds(at: SystemTime) -> i64 {
    at.duration_since(UNIX_EPOCH).map_or(0, |d| d.as_secs() as i64)
}
