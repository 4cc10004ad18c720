//! Health and spend, followed on a connection of their own: a build that takes its time must not
//! keep a dead gateway in the plans.

use std::collections::BTreeSet;
use std::time::{Duration, Instant};

use tracing::{debug, info, warn};

use super::changes::{self, Stamp};
use super::live::LiveRows;
use super::run::{FIRST_BACKOFF, FeedSettings, identity, same_file};
use super::table::Emptied;
use crate::db::{Access, Conn, DbError, DbUrl, Schema};
use crate::published::PublishedHandle;

/// Longest pause when the database is away: a dead gateway costs calls, and knocking costs nothing.
const MOST_PAUSE: Duration = Duration::from_secs(5);

/// How often it is looked which tables there are, while all that are wanted were there.
const TABLES_EVERY: Duration = Duration::from_secs(60);

/// Keeps the live table at what the database says. Never ends, never gives up; drop it to stop it.
pub(super) async fn follow(
    settings: FeedSettings,
    url: DbUrl,
    published: PublishedHandle,
    emptied: Emptied,
) {
    let mut pause = FIRST_BACKOFF;
    let mut told = Told { rows: LiveRows::default(), empty: emptied.times() };
    let mut away = false;
    let to = (&published, &emptied);
    loop {
        let mut rounds = 0u64;
        let Err(error) = session(&settings, &url, to, &mut told, &mut rounds, &mut away).await;
        if rounds > 0 {
            pause = FIRST_BACKOFF;
        }
        // Told once: the feed tells of the same database.
        if away {
            debug!("health and spend: {error}");
        } else {
            warn!("health and spend stay as they are: {error}");
        }
        away = true;
        tokio::time::sleep(pause).await;
        pause = (pause * 2).min(MOST_PAUSE);
    }
}

/// What the live table was told.
struct Told {
    rows: LiveRows,
    /// How often the table had been emptied by then.
    empty: u64,
}

/// One connection, as long as it lasts.
async fn session(
    settings: &FeedSettings,
    url: &DbUrl,
    (published, emptied): (&PublishedHandle, &Emptied),
    told: &mut Told,
    rounds: &mut u64,
    away: &mut bool,
) -> Result<std::convert::Infallible, DbError> {
    let file = identity(url);
    let mut conn = Conn::open(url, Access::ReadOnly, settings.connect_timeout).await?;
    let (mut schema, mut looked_at) = (Schema::read(&mut conn).await?, Instant::now());
    let mut seen: Option<Stamp> = None;
    let mut said: BTreeSet<String> = BTreeSet::new();
    loop {
        same_file(url, file)?;
        // Whoever makes the database may not have been done when we came: tables that were not there
        // are looked for again, or health would never be followed.
        if !LiveRows::has_all(&schema) || looked_at.elapsed() >= TABLES_EVERY {
            let now = Schema::read(&mut conn).await?;
            looked_at = Instant::now();
            if now != schema {
                (schema, seen) = (now, None);
            }
        }
        let times = emptied.times();
        if told.empty != times {
            // It knows nothing: everything is told again.
            *told = Told { rows: LiveRows::default(), empty: times };
            seen = None;
        }
        // In MariaDB the two small tables cost no more than asking whether they have changed.
        let stamp = if conn.is_sqlite() { Some(changes::stamp(&mut conn).await?) } else { None };
        if let Some(live) = published.table()
            && stamp.as_ref().is_none_or(|now| now.moved_since(seen.as_ref()))
        {
            let wrong = told.rows.refresh(&mut conn, &schema, &live).await?;
            let wrong: BTreeSet<String> = wrong.into_iter().collect();
            // Once for as long as it is so.
            for line in wrong.difference(&said) {
                warn!("{line}");
            }
            said = wrong;
            seen = stamp;
        }
        if *rounds == 0 {
            let (gateways, organisations) = told.rows.len();
            info!(gateways, organisations, "health and spend are followed");
            *away = false;
        }
        *rounds += 1;
        tokio::time::sleep(settings.live_interval).await;
    }
}
