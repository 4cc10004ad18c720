//! Files that the modules wrote while nobody took their records.
//!
//! The rules of the file are the appenders' (`fsx_seam::spool`): it is taken by renaming it to
//! `<name>.taking.<n>`, locked so that whoever was writing has finished, read, committed, and only
//! then deleted. A daemon that dies between leaves the renamed file; the next one reads it again,
//! and records that were committed already are known by their ids.

use std::ffi::OsString;
use std::fs::{self, File, TryLockError};
use std::io::{self, BufRead as _, BufReader, Read as _};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, Instant};

use fsx_wire::record::CallRecord;
use metrics::counter;

use super::store::{DeadLetter, Source, Store, StoreError, now_ms};
use crate::config;
use crate::health::metrics as names;
use crate::shutdown::Shutdown;

/// How long an appender's lock is waited for; the file is left for the next round then.
const LOCK: Duration = Duration::from_secs(2);

/// Longest line that can be a record, in bytes.
const MAX_LINE: u64 = 1 << 20;

/// Lines of one commit.
const BATCH: usize = 500;

/// Looks at the files again and again, and once more at the end.
pub async fn run(config: config::Cdr, store: Arc<Store>, shutdown: Shutdown) {
    let every = Duration::from_millis(config.spool_interval_ms.into());
    loop {
        for file in &config.spool {
            match take(file, &store).await {
                Ok(0) => {}
                Ok(records) => {
                    let file = file.display();
                    tracing::info!(records, "call records taken from {file}");
                }
                Err(error) => tracing::error!("spool file {}: {error}", file.display()),
            }
        }
        tokio::select! {
            () = tokio::time::sleep(every) => {}
            () = shutdown.requested() => return,
        }
    }
}

/// Takes what is in the file, and in those that a daemon before us took and did not finish. Gives
/// the number of records read, known ones included.
///
/// # Errors
/// One line. Nothing is lost: whatever was not committed is still in a file.
pub async fn take(file: &Path, store: &Store) -> Result<u64, String> {
    rename(file).map_err(|e| format!("cannot be taken: {e}"))?;
    let (mut records, mut faults) = (0, Vec::new());
    for taken in taken(file).map_err(|e| format!("its folder cannot be read: {e}"))? {
        // One that cannot be read must not keep the others waiting.
        match import(&taken, store).await {
            Ok(more) => records += more,
            Err(fault) => faults.push(format!("{}: {fault}", taken.display())),
        }
    }
    if faults.is_empty() { Ok(records) } else { Err(faults.join("; ")) }
}

/// Renames the file, where it is there and holds something.
fn rename(file: &Path) -> io::Result<()> {
    match fs::symlink_metadata(file) {
        Ok(found) if found.is_file() && found.len() > 0 => {}
        Ok(found) if found.is_file() => return Ok(()),
        Ok(_) => return Err(io::Error::other("it is not a regular file")),
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(()),
        Err(error) => return Err(error),
    }
    let mut n = now_ms();
    let target = loop {
        let mut name = OsString::from(file);
        name.push(format!(".taking.{n}"));
        let target = PathBuf::from(name);
        if !target.exists() {
            break target;
        }
        n += 1;
    };
    match fs::rename(file, target) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => Err(error),
        _ => Ok(()),
    }
}

/// Files that were taken from `file`, the oldest first.
fn taken(file: &Path) -> io::Result<Vec<PathBuf>> {
    let folder = file.parent().filter(|f| !f.as_os_str().is_empty()).unwrap_or(Path::new("."));
    let Some(name) = file.file_name() else { return Ok(Vec::new()) };
    let mut start = name.to_owned();
    start.push(".taking.");
    let start = start.to_string_lossy().into_owned();
    let entries = match fs::read_dir(folder) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
        entries => entries?,
    };
    let mut found: Vec<(u64, PathBuf)> = entries
        .flatten()
        .filter_map(|entry| {
            let n = entry.file_name().to_string_lossy().strip_prefix(&start)?.parse().ok()?;
            Some((n, entry.path()))
        })
        .collect();
    found.sort();
    Ok(found.into_iter().map(|(_, path)| path).collect())
}

/// Reads one taken file, commits it and deletes it.
async fn import(path: &Path, store: &Store) -> Result<u64, String> {
    // Opening a pipe would wait for whoever writes into it.
    let found = fs::symlink_metadata(path).map_err(|e| format!("cannot be looked at: {e}"))?;
    if !found.is_file() {
        return Err("is not a regular file".to_owned());
    }
    let file = File::open(path).map_err(|e| format!("cannot be opened: {e}"))?;
    lock(&file).await?;
    let shown = path.display().to_string();
    let mut lines = BufReader::new(file);
    let (mut line, mut records) = (0, 0);
    loop {
        let batch = read_batch(&mut lines, &shown, &mut line)
            .map_err(|e| format!("cannot be read: {e}"))?;
        if batch.lines == 0 {
            break;
        }
        let rows: Vec<&CallRecord> = batch.records.iter().collect();
        let put = store
            .put_all(Source::Spool, &rows, &batch.dead)
            .await
            .map_err(|e: StoreError| e.to_string())?;
        super::count(Source::Spool, &put);
        for letter in &batch.dead {
            counter!(names::CDR_TAKEN, "source" => "spool", "result" => "dead").increment(1);
            tracing::error!("{}:{}: no call record: {}", letter.file, letter.line, letter.reason);
        }
        records += put.new + put.again;
    }
    fs::remove_file(path).map_err(|e| format!("cannot be deleted: {e}"))?;
    Ok(records)
}

/// Waits for whoever is still writing to finish.
async fn lock(file: &File) -> Result<(), String> {
    let deadline = Instant::now() + LOCK;
    loop {
        match file.try_lock() {
            Ok(()) => return Ok(()),
            Err(TryLockError::WouldBlock) if Instant::now() < deadline => {
                tokio::time::sleep(Duration::from_millis(10)).await;
            }
            Err(TryLockError::WouldBlock) => {
                return Err(format!("somebody has held its lock for {LOCK:?}; left for later"));
            }
            Err(TryLockError::Error(error)) => return Err(format!("cannot be locked: {error}")),
        }
    }
}

#[derive(Default)]
struct Batch {
    lines: usize,
    records: Vec<CallRecord>,
    dead: Vec<DeadLetter>,
}

fn read_batch(from: &mut impl io::BufRead, file: &str, line: &mut u64) -> io::Result<Batch> {
    let mut batch = Batch::default();
    while batch.lines < BATCH {
        let mut text = Vec::new();
        if from.by_ref().take(MAX_LINE).read_until(b'\n', &mut text)? == 0 {
            break;
        }
        batch.lines += 1;
        *line += 1;
        // A line over the limit is kept in pieces, each a dead letter of its own.
        let whole = text.pop_if(|last| *last == b'\n').is_some();
        if text.is_empty() {
            continue;
        }
        let reason = match serde_json::from_slice::<CallRecord>(&text) {
            Ok(record) if record.id.is_empty() => "it has no id".to_owned(),
            Ok(record) => {
                batch.records.push(record);
                continue;
            }
            Err(error) if whole => error.to_string(),
            Err(error) => format!("{error} (the line is cut off)"),
        };
        batch.dead.push(DeadLetter { file: file.to_owned(), line: *line, reason, body: text });
    }
    Ok(batch)
}
