//! The live table kept in its place, and at the time of day.
//!
//! Every switch process of the host maps the table that stands at the path. If somebody removes the
//! file, copies another over it or cuts it, the switches would each be alone with what they have; so
//! the daemon looks twice a second, and makes it anew or moves to the one that is there. On the same
//! round calls of switches that have died are given back, so that a killed switch does not fill its
//! gateways' caps.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, SystemTime};

use fsx_live::{LiveError, LiveTable, Place};
use tracing::{info, warn};

use crate::published::PublishedHandle;
use crate::routing::seconds;

/// How often it is looked at.
const ROUND: Duration = Duration::from_millis(500);

/// Counts the times that the table had to begin with nothing, or is another's: whoever fills it must
/// then do so again.
#[derive(Clone, Debug, Default)]
pub(super) struct Emptied(Arc<AtomicU64>);

impl Emptied {
    /// How often so far.
    pub(super) fn times(&self) -> u64 {
        self.0.load(Ordering::Acquire)
    }
}

/// Keeps the table. Never ends; drop it to stop it.
pub(super) async fn keep(path: PathBuf, published: PublishedHandle, emptied: Emptied) {
    let mut every = tokio::time::interval(ROUND);
    // The error's text names a new file each time, so it is no mark of what was said.
    let mut said = false;
    loop {
        every.tick().await;
        let Some(table) = published.table() else { continue };
        let place = table.look(&path);
        if place == Place::Same {
            said = false;
            table.tick(seconds(SystemTime::now()));
            // A build that ended while the table was made anew told the old one.
            if let Some(now) = published.current().filter(|n| n.generation > table.generation()) {
                table.set_generation(now.generation);
            }
            let dead = table.reap_dead_owners();
            if dead > 0 {
                info!(switches = dead, "calls of dead switch processes given back");
            }
            continue;
        }
        // It writes a file of megabytes and forces it to disk.
        let (old, at) = (table.clone(), path.clone());
        let mended = tokio::task::spawn_blocking(move || mend(&old, place, &at)).await;
        match mended {
            Ok(Ok((new, empty))) => {
                if empty {
                    let generation = published.current().map_or(0, |now| now.generation);
                    new.set_generation(generation.max(new.generation()));
                    emptied.0.fetch_add(1, Ordering::Release);
                }
                published.set_live(Arc::new(new));
            }
            Ok(Err(error)) if !said => {
                said = true;
                warn!("the live table cannot be made anew: {error}");
            }
            Ok(Err(_)) => {}
            Err(error) => warn!("the live table: {error}"),
        }
    }
}

/// The table that is to be used from now on, and whether it has to be filled.
fn mend(old: &LiveTable, place: Place, path: &Path) -> Result<(LiveTable, bool), LiveError> {
    let shown = path.display();
    let (what, empty) = match place {
        Place::Replaced => match LiveTable::open(path) {
            Ok(other) => {
                warn!("live table {shown}: it was replaced by another, which is used from now on");
                return Ok((other, true));
            }
            Err(error) => (format!("replaced by what is none ({error})"), false),
        },
        Place::Missing => ("removed".to_owned(), false),
        Place::Damaged(what) => (format!("damaged: {what}"), true),
        Place::Same => ("as it was".to_owned(), false),
    };
    let new = old.remake(path)?;
    warn!("live table {shown}: {what}; made anew");
    Ok((new, empty))
}

#[cfg(test)]
mod tests {
    use super::*;
    use fsx_core::data::LiveView as _;
    use fsx_live::LiveSpec;

    const SPEC: LiveSpec = LiveSpec { gateways: 16, organisations: 16, mode: 0o600 };

    async fn until(what: &str, is: impl Fn() -> bool) {
        let began = std::time::Instant::now();
        while !is() {
            assert!(began.elapsed() < Duration::from_secs(20), "{what}");
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    }

    #[tokio::test]
    async fn a_table_is_kept_in_its_place() {
        let dir = tempfile::tempdir().expect("dir");
        let path = dir.path().join("live");
        let published = PublishedHandle::new();
        let table = || published.table().expect("a table");
        published.set_live(Arc::new(LiveTable::create(&path, &SPEC).expect("makes")));
        let emptied = Emptied::default();
        let keeping = tokio::spawn(keep(path.clone(), published.clone(), emptied.clone()));
        table().set_healthy(5, "LON1", false);
        table().set_generation(3);

        // Removed: what it knew is in the new one, which the switches find.
        std::fs::remove_file(&path).expect("removes");
        until("made anew", || LiveTable::open(&path).is_ok_and(|t| t.generation() == 3)).await;
        until("used", || table().look(&path) == Place::Same).await;
        assert!(!table().healthy(5, "LON1"));
        assert_eq!(emptied.times(), 0);

        // Something else in its place.
        std::fs::remove_file(&path).expect("removes");
        std::fs::write(&path, b"a letter").expect("writes");
        until("made anew", || table().look(&path) == Place::Same).await;
        assert_eq!((table().generation(), emptied.times()), (3, 0));

        // Cut: nothing can be taken over, and whoever fills it is told.
        std::fs::OpenOptions::new()
            .write(true)
            .open(&path)
            .and_then(|f| f.set_len(7))
            .expect("cuts");
        until("made anew", || table().look(&path) == Place::Same && emptied.times() == 1).await;
        assert!(table().healthy(5, "LON1"));

        // Another table: that one is used.
        let other = LiveTable::create(dir.path().join("other"), &SPEC).expect("makes");
        other.set_healthy(6, "LON1", false);
        std::fs::rename(dir.path().join("other"), &path).expect("renames");
        until("used", || !table().healthy(6, "LON1")).await;
        assert_eq!(emptied.times(), 2);
        keeping.abort();
    }

    #[tokio::test]
    async fn calls_of_the_dead_are_given_back() {
        let dir = tempfile::tempdir().expect("dir");
        let path = dir.path().join("live");
        let published = PublishedHandle::new();
        let table = Arc::new(LiveTable::create(&path, &SPEC).expect("makes"));
        published.set_live(table.clone());
        let me = table.register_owner();
        assert!(table.begin_call(me, 5, 1));
        // As a process that has ended: its row names an id that nobody has.
        let file = std::fs::OpenOptions::new().write(true).open(&path).expect("opens");
        let row = (64 + 64 * 16) * 8;
        let word = ((1u64 << 21) + 77) << 41 | 5;
        std::os::unix::fs::FileExt::write_all_at(&file, &word.to_ne_bytes(), row).expect("writes");
        let keeping = tokio::spawn(keep(path, published, Emptied::default()));
        until("given back", || table.calls_in_progress(5) == 0).await;
        assert_eq!(table.stats().owners_reaped, 1);
        keeping.abort();
    }
}
