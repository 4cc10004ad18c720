//! A snapshot into its place: whole, on disk, then named.
//!
//! A switch may map the path at any instant, and power may fail at any instant. So the bytes go to a
//! file beside it, are forced to disk, and take the name in one step; the folder is forced too; only
//! then does the live table name the new generation.

use std::fs::{self, File, OpenOptions, TryLockError};
use std::io::{Read as _, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::{Duration, Instant};

use fsx_core::data::RoutingData;
use fsx_live::LiveTable;
use fsx_snapshot::{OpenError, Snapshot};

use super::FeedError;

/// Writes `bytes` to `path` so that whoever opens it finds the old file or the new, never a part. A link
/// stays one: the file that it names is replaced.
///
/// # Errors
/// [`FeedError::Io`]; the old file is then still in place.
pub fn write_file(path: &Path, bytes: &[u8]) -> Result<(), FeedError> {
    static WRITTEN: AtomicU32 = AtomicU32::new(0);
    let number = WRITTEN.fetch_add(1, Ordering::Relaxed);
    let target = fs::canonicalize(path).ok().filter(|_| path.is_symlink());
    let path = target.as_deref().unwrap_or(path);
    let mut name = path.as_os_str().to_owned();
    name.push(format!(".new.{}.{number}", std::process::id()));
    let new = PathBuf::from(name);
    let result = write_new(&new, bytes).and_then(|()| {
        fs::rename(&new, path).map_err(io("rename into place", path))?;
        let folder = folder_of(path);
        File::open(folder)
            .and_then(|folder| folder.sync_all())
            .map_err(io("force to disk the folder", folder))
    });
    if result.is_err() {
        let _ = fs::remove_file(&new); // The first error is the one to tell.
    }
    result
}

fn write_new(new: &Path, bytes: &[u8]) -> Result<(), FeedError> {
    // The switches run as other users; there is no secret in it that they must not read.
    let mut file = OpenOptions::new()
        .write(true)
        .create_new(true)
        .mode(0o644)
        .open(new)
        .map_err(io("create", new))?;
    file.write_all(bytes).map_err(io("write", new))?;
    file.sync_all().map_err(io("force to disk", new))
}

fn io(doing: &'static str, path: &Path) -> impl FnOnce(std::io::Error) -> FeedError {
    move |source| FeedError::Io { doing, path: path.to_owned(), source }
}

/// Writes the file, then names its generation in the live table.
///
/// # Errors
/// As [`write_file`]; the live table is then unchanged.
pub fn publish(
    path: &Path,
    bytes: &[u8],
    generation: u64,
    live: Option<&LiveTable>,
) -> Result<(), FeedError> {
    write_file(path, bytes)?;
    if let Some(live) = live {
        live.set_generation(generation);
    }
    Ok(())
}

/// The verified snapshot at `path`; `None` where there is none or none that can be used, with the
/// reason for the log.
///
/// # Errors
/// The reason, in words, where there is a file that is not to be used.
pub fn load(path: &Path) -> Result<Option<Snapshot<Vec<u8>>>, String> {
    let bytes = match read_whole(path) {
        Ok(bytes) => bytes,
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(format!("cannot read {}: {error}", path.display())),
    };
    let bad = |why: String| format!("{} is not to be used: {why}", path.display());
    let snapshot = Snapshot::open(bytes).map_err(|e| bad(e.to_string()))?;
    snapshot.verify().map_err(|e| bad(e.to_string()))?;
    Ok(Some(snapshot))
}

/// All of a file that is one: a device or a pipe has no end.
///
/// # Errors
/// What the system says, or that it is no regular file.
pub fn read_whole(path: &Path) -> std::io::Result<Vec<u8>> {
    let mut bytes = Vec::new();
    open_regular(path)?.read_to_end(&mut bytes)?;
    Ok(bytes)
}

fn open_regular(path: &Path) -> std::io::Result<File> {
    // Looked at before it is opened, which a pipe that nobody writes to would hold up.
    if !fs::metadata(path)?.is_file() {
        return Err(std::io::Error::new(std::io::ErrorKind::InvalidInput, "it is no regular file"));
    }
    File::open(path)
}

/// Whether what is at `path` may be replaced: nothing, an empty file, or a routing file in whatever state.
/// A slip of the keyboard must not cost somebody a database.
///
/// # Errors
/// In words, what is there instead.
pub fn replaceable(path: &Path) -> Result<(), String> {
    let shown = path.display();
    // The first bytes tell; a routing file may be large.
    let mut first = Vec::new();
    let read = open_regular(path).and_then(|file| file.take(8).read_to_end(&mut first));
    match read {
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(()),
        Err(error) => return Err(format!("{shown} cannot be replaced: {error}")),
        Ok(_) => {}
    }
    match Snapshot::open(&first) {
        Err(OpenError::Foreign) if !first.is_empty() => Err(format!(
            "{shown} is no routing file, and would be lost: name another --out, or take it away first"
        )),
        _ => Ok(()),
    }
}

/// How long somebody else who builds for the same path is waited for.
const OTHERS_BUILD: Duration = Duration::from_secs(60);

/// Held from choosing a generation until its file is in place: two builders of one file must not give one
/// generation to two files. Given back when dropped.
#[derive(Debug)]
pub struct Turn {
    _folder: Option<File>,
}

/// Waits for the turn to build for `path`. Blocks.
///
/// # Errors
/// [`FeedError::Io`] when others take more than a minute.
pub fn turn(path: &Path) -> Result<Turn, FeedError> {
    // The folder itself: no file that stays behind. Where there is none, writing tells.
    let Ok(folder) = File::open(folder_of(path)) else { return Ok(Turn { _folder: None }) };
    let began = Instant::now();
    loop {
        match folder.try_lock() {
            Ok(()) => return Ok(Turn { _folder: Some(folder) }),
            // A file system that has no locks.
            Err(TryLockError::Error(_)) => return Ok(Turn { _folder: None }),
            Err(TryLockError::WouldBlock) if began.elapsed() < OTHERS_BUILD => {
                std::thread::sleep(Duration::from_millis(20));
            }
            Err(TryLockError::WouldBlock) => {
                let source = std::io::Error::other("another build for it has not ended");
                return Err(io("build for", path)(source));
            }
        }
    }
}

fn folder_of(path: &Path) -> &Path {
    path.parent().filter(|p| !p.as_os_str().is_empty()).unwrap_or(Path::new("."))
}

/// The generation that comes after everything that is known.
#[must_use]
pub fn next_generation(path: &Path, live: Option<&LiveTable>) -> u64 {
    let on_disk = match load(path) {
        Ok(Some(snapshot)) => snapshot.generation(),
        _ => 0,
    };
    on_disk.max(live.map_or(0, LiveTable::generation)) + 1
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_file_is_replaced_whole_and_nothing_is_left_beside_it() {
        let dir = tempfile::tempdir().expect("dir");
        let path = dir.path().join("routes");
        write_file(&path, b"one").expect("first");
        write_file(&path, b"two").expect("second");
        assert_eq!(fs::read(&path).expect("read"), b"two");
        assert_eq!(fs::read_dir(dir.path()).expect("list").count(), 1);
        let error = write_file(&dir.path().join("no/such/routes"), b"x").expect_err("no folder");
        assert!(error.to_string().starts_with("cannot create"), "{error}");
        // Through a link, from whatever folder.
        let (link, elsewhere) = (dir.path().join("link"), tempfile::tempdir().expect("dir"));
        let named = elsewhere.path().join("named");
        fs::write(&named, b"zero").expect("file");
        std::os::unix::fs::symlink(&named, &link).expect("link");
        write_file(&link, b"three").expect("through the link");
        assert!(link.is_symlink(), "it is still one");
        assert_eq!(fs::read(&named).expect("read"), b"three");
        fs::remove_file(&link).expect("removed");
        // A folder stands in the way of the rename: the new file is taken away again.
        fs::create_dir(dir.path().join("taken")).expect("folder");
        fs::write(dir.path().join("taken/file"), b"").expect("file");
        write_file(&dir.path().join("taken"), b"x").expect_err("a folder");
        assert_eq!(fs::read_dir(dir.path()).expect("list").count(), 2);
    }

    #[test]
    fn kamailio_lcr_swaps_two_tables_one_after_the_other() {
        use std::sync::atomic::AtomicBool;

        use fsx_snapshot::{BuildSettings, build, rows::Rows};

        let dir = tempfile::tempdir().expect("dir");
        let path = dir.path().join("routes");
        let bytes = |generation| {
            let settings = BuildSettings { generation, ..BuildSettings::default() };
            build(&Rows::default(), &settings).expect("builds").bytes
        };
        let (one, two) = (bytes(1), bytes(2));
        write_file(&path, &one).expect("first");
        let (done, reads) = (AtomicBool::new(false), AtomicU32::new(0));
        std::thread::scope(|scope| {
            // Whoever opens it finds the one or the other, whole.
            scope.spawn(|| {
                while !done.load(Ordering::Relaxed) {
                    let found = load(&path).expect("whole").expect("always there");
                    assert!((1..=2).contains(&found.generation()));
                    reads.fetch_add(1, Ordering::Relaxed);
                }
            });
            for n in 0.. {
                write_file(&path, if n % 2 == 0 { &two } else { &one }).expect("next");
                if n > 40 && reads.load(Ordering::Relaxed) > 40 {
                    break;
                }
            }
            done.store(true, Ordering::Relaxed);
        });
    }

    #[test]
    fn what_cannot_be_used_is_said_and_not_loaded() {
        let dir = tempfile::tempdir().expect("dir");
        let path = dir.path().join("routes");
        assert!(load(&path).expect("no file").is_none());
        assert_eq!(next_generation(&path, None), 1);
        fs::write(&path, b"FSXROUTE and then nothing").expect("write");
        assert!(load(&path).expect_err("torn").contains("not to be used"));
        assert_eq!(next_generation(&path, None), 1);
    }
}
