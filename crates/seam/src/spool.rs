//! Call records to a local file while the daemon is away.
//!
//! A record is money. When the daemon does not take it, it is appended to the spool file as one line of
//! JSON, and the daemon fetches it from there when it is back.
//!
//! **The file's rules**, for both sides:
//! - *Appending* (here): open with `O_APPEND`, lock (`flock`, exclusive), check that the path still names
//!   the locked file, write one whole line, unlock by closing. If the file does not end in a line end
//!   (somebody died while writing), begin with one: the torn line stays alone and is nobody else's.
//! - *Taking* (the daemon): rename the file to `<name>.taking.<n>`, with an `n` not in use; open it and
//!   take the lock, so that whoever was still writing has finished; read the lines; commit them; only
//!   then delete it. Files of that name that are found at start were left by a daemon that died: they are
//!   read the same way, and records committed twice are recognised by their id. A line that is not a
//!   record is kept among the dead letters, never dropped.
//! - Nobody shortens the file, except an appender its own incomplete line, under the lock.

use std::{
    fmt,
    fs::{self, File, OpenOptions, TryLockError},
    io::{self, Write as _},
    os::unix::fs::{FileExt as _, MetadataExt as _, OpenOptionsExt as _},
    path::{Path, PathBuf},
};

use fsx_wire::record::CallRecord;

use crate::{
    ask::{AskError, Asker},
    clock::{self, Deadline},
};

/// How often the file may be taken from under us before we give up.
const MAX_REOPENS: u32 = 16;

/// Why a record could not be spooled. It is lost unless the caller tries again: log it whole.
#[derive(Debug)]
pub enum SpoolError {
    /// The system refused.
    Io {
        /// Which file.
        path: PathBuf,
        /// Such as "open", "write".
        doing: &'static str,
        /// The system's word.
        error: io::Error,
    },
    /// A directory, a FIFO, a device.
    NotAFile {
        /// Which.
        path: PathBuf,
    },
    /// Others held the lock all the while.
    Locked {
        /// Which file.
        path: PathBuf,
        /// Milliseconds that were waited.
        waited_ms: u32,
    },
    /// The file kept being taken away between opening and locking.
    Unsettled {
        /// Which file.
        path: PathBuf,
    },
    /// The file has reached its limit; the daemon has been away for long.
    Full {
        /// Which file.
        path: PathBuf,
        /// The limit, in bytes.
        max_bytes: u64,
    },
    /// The line holds a line end.
    NotOneLine,
    /// The record cannot be written as JSON.
    NotJson {
        /// Why.
        why: String,
    },
}

impl fmt::Display for SpoolError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Io { path, doing, error } => {
                write!(f, "spool {}: cannot {doing}: {error}", path.display())
            }
            Self::NotAFile { path } => write!(f, "spool {}: not a regular file", path.display()),
            Self::Locked { path, waited_ms } => {
                write!(f, "spool {}: locked by others for {waited_ms} ms", path.display())
            }
            Self::Unsettled { path } => {
                write!(f, "spool {}: taken away {MAX_REOPENS} times in a row", path.display())
            }
            Self::Full { path, max_bytes } => {
                write!(f, "spool {}: full at {max_bytes} bytes", path.display())
            }
            Self::NotOneLine => f.write_str("spool: a record of more than one line"),
            Self::NotJson { why } => write!(f, "spool: a record that is no JSON: {why}"),
        }
    }
}

impl std::error::Error for SpoolError {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        match self {
            Self::Io { error, .. } => Some(error),
            _ => None,
        }
    }
}

/// A spool file. Holds nothing open: each append opens, locks and closes, so that threads, forked
/// workers and several switches can share one path.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Spool {
    path: PathBuf,
    sync: bool,
    lock_wait_ms: u32,
    max_bytes: u64,
}

impl Spool {
    /// A spool at `path`: each line is on the disk (`fdatasync`) before `append` returns, the lock is
    /// waited for 200 ms, and there is no limit on length.
    #[must_use]
    pub fn new(path: impl Into<PathBuf>) -> Self {
        Self { path: path.into(), sync: true, lock_wait_ms: 200, max_bytes: u64::MAX }
    }

    /// Whether `append` waits for the disk. Without it a power failure may lose the last lines; a crash
    /// of the switch does not.
    #[must_use]
    pub fn sync(self, sync: bool) -> Self {
        Self { sync, ..self }
    }

    /// How long to wait for the lock, in milliseconds.
    #[must_use]
    pub fn lock_wait_ms(self, lock_wait_ms: u32) -> Self {
        Self { lock_wait_ms, ..self }
    }

    /// Longest the file may grow, in bytes, so that a daemon that never comes back does not fill the
    /// switch's disk.
    #[must_use]
    pub fn max_bytes(self, max_bytes: u64) -> Self {
        Self { max_bytes, ..self }
    }

    /// Where it is.
    #[must_use]
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Appends a record.
    ///
    /// # Errors
    /// [`SpoolError`]; the file then holds nothing of it, as far as the system allows.
    pub fn append(&self, record: &CallRecord) -> Result<(), SpoolError> {
        let json = serde_json::to_vec(record)
            .map_err(|error| SpoolError::NotJson { why: error.to_string() })?;
        self.append_line(&json)
    }

    /// Appends a line; `line` holds no line end.
    ///
    /// # Errors
    /// [`SpoolError`].
    pub fn append_line(&self, line: &[u8]) -> Result<(), SpoolError> {
        if line.contains(&b'\n') {
            return Err(SpoolError::NotOneLine);
        }
        let file = self.open_locked()?;
        let old_len = file.metadata().map_err(self.io("examine"))?.len();
        let mut bytes = Vec::with_capacity(line.len() + 2);
        if old_len > 0 && !ends_a_line(&file, old_len).map_err(self.io("read"))? {
            bytes.push(b'\n');
        }
        bytes.extend_from_slice(line);
        bytes.push(b'\n');
        if old_len.saturating_add(bytes.len() as u64) > self.max_bytes {
            return Err(SpoolError::Full { path: self.path.clone(), max_bytes: self.max_bytes });
        }
        if let Err(error) = (&file).write_all(&bytes) {
            // A full disk took a part. Take it back; failing that, the next appender begins a new line.
            let _ = file.set_len(old_len);
            return Err(self.io("write")(error));
        }
        if self.sync {
            file.sync_data().map_err(self.io("sync"))?;
            if old_len == 0 {
                self.sync_directory();
            }
        }
        Ok(())
        // Closing gives the lock back.
    }

    /// The file at the path, locked, and still the file at the path.
    fn open_locked(&self) -> Result<File, SpoolError> {
        let deadline = Deadline::after_ms(self.lock_wait_ms);
        for _ in 0..MAX_REOPENS {
            let file = OpenOptions::new()
                .read(true)
                .append(true)
                .create(true)
                .mode(0o640)
                .custom_flags(libc::O_NONBLOCK) // A FIFO here must not hold the switch.
                .open(&self.path)
                .map_err(self.io("open"))?;
            let about = file.metadata().map_err(self.io("examine"))?;
            if !about.is_file() {
                return Err(SpoolError::NotAFile { path: self.path.clone() });
            }
            self.lock(&file, deadline)?;
            match fs::metadata(&self.path) {
                Ok(now) if (now.dev(), now.ino()) == (about.dev(), about.ino()) => return Ok(file),
                Ok(_) => {}
                Err(error) if error.kind() == io::ErrorKind::NotFound => {}
                Err(error) => return Err(self.io("examine")(error)),
            }
            // The daemon took it while we waited: what we wrote now, nobody might read.
        }
        Err(SpoolError::Unsettled { path: self.path.clone() })
    }

    fn lock(&self, file: &File, deadline: Deadline) -> Result<(), SpoolError> {
        let mut pause_ms = 1;
        loop {
            match file.try_lock() {
                Ok(()) => return Ok(()),
                Err(TryLockError::Error(error)) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(TryLockError::Error(error)) => return Err(self.io("lock")(error)),
                Err(TryLockError::WouldBlock) => {}
            }
            if deadline.passed() {
                let waited_ms = deadline.waited_ms();
                return Err(SpoolError::Locked { path: self.path.clone(), waited_ms });
            }
            clock::pause_ms(pause_ms.min(deadline.left_ms()));
            pause_ms = (pause_ms * 2).min(10);
        }
    }

    /// Makes the new name last, too. Where directories cannot be synced, data still was.
    fn sync_directory(&self) {
        if let Some(dir) = self.path.parent() {
            let dir = if dir.as_os_str().is_empty() { Path::new(".") } else { dir };
            let _ = File::open(dir).and_then(|dir| dir.sync_all());
        }
    }

    fn io(&self, doing: &'static str) -> impl FnOnce(io::Error) -> SpoolError + use<> {
        let path = self.path.clone();
        move |error| SpoolError::Io { path, doing, error }
    }
}

/// Who has the record now.
#[derive(Debug)]
pub enum Taken {
    /// The daemon, on its disk.
    Daemon,
    /// The spool file, because the daemon did not take it.
    Spool {
        /// Why not.
        because: AskError,
    },
}

/// Gives a record to the daemon, or to the spool when the daemon does not take it by the deadline. It may
/// come to be in both; its id makes it one.
///
/// # Errors
/// [`SpoolError`]: neither has it.
pub fn hand_over(
    asker: &Asker,
    spool: &Spool,
    record: CallRecord,
    deadline: Deadline,
) -> Result<Taken, SpoolError> {
    match asker.record(record.clone(), deadline) {
        Ok(()) => Ok(Taken::Daemon),
        Err(because) => spool.append(&record).map(|()| Taken::Spool { because }),
    }
}

fn ends_a_line(file: &File, len: u64) -> io::Result<bool> {
    let mut last = [0];
    file.read_exact_at(&mut last, len - 1)?;
    Ok(last == *b"\n")
}
