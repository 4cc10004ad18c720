//! The snapshot kept in its place.
//!
//! Switches map the file that stands at the path, and one that starts has nothing else. If somebody
//! removes the file, cuts it or copies another over it, what was published is lost to them until the
//! next change of a price. So the daemon, which has all of it in memory, looks at the file each second
//! and writes it again where it cannot be used. A sound one stays, whoever put it there.

use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use fsx_snapshot::Snapshot;
use tokio::sync::watch;
use tracing::warn;

use super::publish::{load, write_file};

/// How often it is looked at.
const ROUND: Duration = Duration::from_secs(1);

/// The snapshot in force, for whoever writes it again.
pub(super) type InForce = watch::Receiver<Option<Arc<Snapshot<Vec<u8>>>>>;

/// Which file stands at the path, and in which state: device, inode, length, time of change.
type Id = (u64, u64, u64, i64, i64);

fn id(path: &Path) -> Option<Id> {
    let about = std::fs::metadata(path).ok()?;
    Some((about.dev(), about.ino(), about.len(), about.mtime(), about.mtime_nsec()))
}

/// Keeps the file. Never ends; drop it to stop it.
pub(super) async fn keep(path: PathBuf, in_force: InForce) {
    let mut every = tokio::time::interval(ROUND);
    // The file that was looked at last and found sound, and what was written again, if that was.
    let mut sound: Option<Id> = None;
    let mut written: Option<Arc<Snapshot<Vec<u8>>>> = None;
    // The error's text names a new file each time, so it is no mark of what was said.
    let mut said = false;
    loop {
        every.tick().await;
        let Some(snapshot) = in_force.borrow().clone() else { continue };
        let now = id(&path);
        let same = now.is_some() && now == sound;
        // One that was published while we wrote the one before it would be lost under ours.
        let outdated = written.as_ref().is_some_and(|ours| !Arc::ptr_eq(ours, &snapshot));
        if same && !outdated {
            said = false;
            continue;
        }
        let (at, bytes) = (path.clone(), snapshot.clone());
        // It reads, or writes and forces to disk, up to hundreds of megabytes.
        let looked = tokio::task::spawn_blocking(move || {
            let why = match load(&at) {
                Ok(Some(_)) if !(same && outdated) => return Ok(None),
                Ok(Some(_)) => "older than what is in force".to_owned(),
                Ok(None) => "removed".to_owned(),
                Err(why) => why,
            };
            write_file(&at, bytes.bytes()).map(|()| Some(why))
        });
        match looked.await {
            Ok(Ok(None)) => (sound, written) = (now, None),
            Ok(Ok(Some(why))) => {
                said = false;
                warn!("snapshot {}: {why}; written again", path.display());
                (sound, written) = (id(&path), Some(snapshot));
            }
            Ok(Err(error)) if !said => {
                said = true;
                warn!("the snapshot cannot be written again: {error}");
            }
            Ok(Err(_)) => {}
            Err(error) => warn!("the snapshot: {error}"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use fsx_core::data::RoutingData as _;
    use fsx_snapshot::{BuildSettings, build, rows::Rows};

    fn snapshot(generation: u64) -> Arc<Snapshot<Vec<u8>>> {
        let settings = BuildSettings { generation, ..BuildSettings::default() };
        let bytes = build(&Rows::default(), &settings).expect("builds").bytes;
        Arc::new(Snapshot::open(bytes).expect("opens"))
    }

    async fn until(path: &Path, generation: u64) {
        let began = std::time::Instant::now();
        while !matches!(load(path), Ok(Some(found)) if found.generation() == generation) {
            assert!(began.elapsed() < Duration::from_secs(20), "generation {generation}");
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    }

    #[tokio::test]
    async fn it_is_written_again_where_it_cannot_be_used() {
        let dir = tempfile::tempdir().expect("dir");
        let path = dir.path().join("routing.snapshot");
        let (tell, in_force) = watch::channel(Some(snapshot(5)));
        let keeping = tokio::spawn(keep(path.clone(), in_force));
        until(&path, 5).await;
        std::fs::write(&path, b"half a").expect("writes");
        until(&path, 5).await;
        std::fs::remove_file(&path).expect("removes");
        tell.send_replace(Some(snapshot(6)));
        until(&path, 6).await;
        // A sound one stays, though it is another's.
        write_file(&path, snapshot(4).bytes()).expect("writes");
        tokio::time::sleep(ROUND * 2).await;
        until(&path, 4).await;
        keeping.abort();
    }
}
