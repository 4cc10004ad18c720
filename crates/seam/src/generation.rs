//! The snapshot that calls use now, and moving to the next.
//!
//! A call takes the current snapshot once, with [`HolderOf::current`], and keeps it to its end; the
//! `Arc` keeps the file mapped. A publication is noticed by comparing one number
//! ([`HolderOf::generation`] with the live table's) and adopted by [`HolderOf::refresh`], which opens
//! the new file, verifies all of it, and swaps. A file that is refused changes nothing: the last good
//! one serves, and the refused one is not read again until it is replaced.
//!
//! A lock and an `Arc` rather than `arc-swap`, whose thread-locals a guest may not have. The lock is held
//! for the copying of a pointer.

use std::{
    fmt,
    path::{Path, PathBuf},
    sync::{
        Arc, Mutex, PoisonError, RwLock, TryLockError,
        atomic::{
            AtomicU64,
            Ordering::{Acquire, Release},
        },
    },
};

use fsx_core::data::RoutingData;
use fsx_snapshot::Snapshot;

use crate::{
    clock,
    map::{FileId, MapError, MappedFile},
};

/// Data that is published as a file.
pub trait Published: Sized + Send + Sync {
    /// Opens it over mapped bytes: cheap, bounds-checked.
    ///
    /// # Errors
    /// Why it is not one, in a line.
    fn open(file: MappedFile) -> Result<Self, String>;

    /// Checks every byte; reads the whole file.
    ///
    /// # Errors
    /// What is wrong with it, in a line.
    fn verify(&self) -> Result<(), String>;

    /// Which build it is.
    fn generation(&self) -> u64;

    /// The file that it is read from, where it is read from one all the time.
    fn file(&self) -> Option<&MappedFile> {
        None
    }
}

/// The routing file.
impl Published for Snapshot<MappedFile> {
    fn open(file: MappedFile) -> Result<Self, String> {
        Snapshot::open(file).map_err(|error| error.to_string())
    }

    fn verify(&self) -> Result<(), String> {
        Snapshot::verify(self).map_err(|error| error.to_string())
    }

    fn generation(&self) -> u64 {
        RoutingData::generation(self)
    }

    fn file(&self) -> Option<&MappedFile> {
        Some(self.bytes())
    }
}

/// Holds the routing data of one process.
pub type Holder = HolderOf<Snapshot<MappedFile>>;

/// A snapshot in use. Dereferences to its data.
#[derive(Debug)]
pub struct Loaded<D> {
    /// The data.
    pub data: D,
    /// The path it was opened at; another file may stand there by now.
    pub path: PathBuf,
    /// Which file it is.
    pub file: FileId,
    /// When it was adopted, seconds UTC.
    pub loaded_at: i64,
}

impl<D: Published> Loaded<D> {
    /// Which build it is.
    pub fn generation(&self) -> u64 {
        Published::generation(&self.data)
    }

    /// Whether its file was cut under it: what is decided by it is worth nothing. One load; ask after
    /// each decision.
    pub fn lost(&self) -> bool {
        self.data.file().is_some_and(MappedFile::lost)
    }
}

impl<D> std::ops::Deref for Loaded<D> {
    type Target = D;

    fn deref(&self) -> &D {
        &self.data
    }
}

/// What came of looking for a newer snapshot.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Refresh {
    /// The one in hand is the one published.
    Same,
    /// Moved to another.
    Swapped {
        /// Generation before; 0 when there was none.
        from: u64,
        /// Generation now.
        to: u64,
    },
    /// The file was refused; what was in hand stays.
    Refused {
        /// Why, in a line.
        reason: String,
        /// This call found out; otherwise it was known, and the file was not read again. Log it then.
        first: bool,
    },
    /// There is no file; what was in hand stays.
    Missing,
    /// The file in hand was cut or written over in its place, and what stands there now is refused:
    /// nothing is in hand any more.
    Lost {
        /// Generation that was in hand.
        generation: u64,
        /// What is wrong with the file, in a line.
        reason: String,
    },
    /// Another thread is at it; what is in hand serves meanwhile.
    Busy,
}

impl fmt::Display for Refresh {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Same => f.write_str("the snapshot in use is the one published"),
            Self::Swapped { from, to } if from == to => {
                write!(f, "took another file of generation {to}")
            }
            Self::Swapped { from, to } => write!(f, "moved from generation {from} to {to}"),
            Self::Refused { reason, .. } => write!(f, "snapshot refused: {reason}"),
            Self::Missing => f.write_str("no snapshot is published"),
            Self::Lost { generation, reason } => {
                write!(f, "generation {generation} was damaged in its place: {reason}")
            }
            Self::Busy => f.write_str("another thread is moving to a newer snapshot"),
        }
    }
}

/// A file that was refused, and why.
#[derive(Debug)]
struct Refusal {
    file: FileId,
    reason: String,
}

/// Holds the current data of one process. Make it a static: `const fn new`.
#[derive(Debug)]
pub struct HolderOf<D> {
    current: RwLock<Option<Arc<Loaded<D>>>>,
    /// Generation of `current`, readable without the lock.
    generation: AtomicU64,
    /// One thread looks at a time; it holds what the last look refused.
    looking: Mutex<Option<Refusal>>,
}

impl<D> HolderOf<D> {
    /// Holds nothing.
    #[must_use]
    pub const fn new() -> Self {
        Self {
            current: RwLock::new(None),
            generation: AtomicU64::new(0),
            looking: Mutex::new(None),
        }
    }

    /// The data that a call beginning now uses to its end; `None` before the first snapshot.
    #[must_use]
    pub fn current(&self) -> Option<Arc<Loaded<D>>> {
        self.current.read().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Generation in hand; 0 when there is none. One atomic load: compare it with the live table's to
    /// know whether to [`refresh`](Self::refresh).
    #[must_use]
    pub fn generation(&self) -> u64 {
        self.generation.load(Acquire)
    }

    /// Why the last file looked at was refused; `None` when it was not.
    #[must_use]
    pub fn refusal(&self) -> Option<String> {
        match self.looking.try_lock() {
            Ok(refused) => refused.as_ref().map(|r| r.reason.clone()),
            Err(TryLockError::Poisoned(e)) => e.into_inner().as_ref().map(|r| r.reason.clone()),
            Err(TryLockError::WouldBlock) => None,
        }
    }
}

impl<D: Published> HolderOf<D> {
    /// Adopts the file at `path` if it is another than the one in hand, and sound.
    ///
    /// `expected` is the live table's generation where there is one: when the data in hand has it, a path
    /// that names no other file is left alone. Another file is looked at all the same: whoever begins
    /// anew, or copies files, may publish one of the same number. A sound file of another generation
    /// than expected is adopted too, since the publisher renames first and announces after.
    ///
    /// Data whose file was cut or edited in its place is let go of, unless what stands there is sound: it
    /// is then adopted like any other. That is found out by one look at the path each time.
    ///
    /// Reads the whole of a new file (some milliseconds a hundred megabytes once it is in memory). One
    /// thread at a time does; others get [`Refresh::Busy`] at once.
    pub fn refresh(&self, path: &Path, expected: Option<u64>) -> Refresh {
        let mut refused = match self.looking.try_lock() {
            Ok(refused) => refused,
            Err(TryLockError::Poisoned(error)) => error.into_inner(),
            Err(TryLockError::WouldBlock) => return Refresh::Busy,
        };
        let current = self.current();
        let damaged = current
            .as_ref()
            .is_some_and(|c| c.data.file().is_some_and(|file| file.lost() || file.edited(&c.path)));
        let is_expected = |c: &Arc<Loaded<D>>| {
            expected == Some(c.generation()) && FileId::of(path).map_or(true, |id| id == c.file)
        };
        if !damaged && current.as_ref().is_some_and(is_expected) {
            return Refresh::Same;
        }
        match self.look(path, &mut refused) {
            Refresh::Missing | Refresh::Refused { .. } | Refresh::Same if damaged => {
                self.put(None);
                Refresh::Lost {
                    generation: current.map_or(0, |c| c.generation()),
                    reason: match &*refused {
                        Some(refusal) => refusal.reason.clone(),
                        None => format!("{}: cut or overwritten", path.display()),
                    },
                }
            }
            looked => looked,
        }
    }

    /// Looks at the path and adopts what stands there, if it is another file and sound.
    fn look(&self, path: &Path, refused: &mut Option<Refusal>) -> Refresh {
        let current = self.current();
        if let Ok(id) = FileId::of(path) {
            if current.as_ref().is_some_and(|c| c.file == id) {
                *refused = None;
                return Refresh::Same;
            }
            if let Some(known) = refused.as_ref().filter(|r| r.file == id) {
                return Refresh::Refused { reason: known.reason.clone(), first: false };
            }
        }
        let file = match MappedFile::open(path) {
            Ok(file) => file,
            Err(MapError::Missing { .. }) => return Refresh::Missing,
            Err(error) => {
                let reason = error.to_string();
                let file = FileId::of(path).ok();
                *refused = file.map(|file| Refusal { file, reason: reason.clone() });
                return Refresh::Refused { reason, first: true };
            }
        };
        let id = file.id();
        let verified = D::open(file).and_then(|data| data.verify().map(|()| data));
        let data = match verified {
            Ok(data) => data,
            Err(why) => {
                let reason = format!("{}: {why}", path.display());
                *refused = Some(Refusal { file: id, reason: reason.clone() });
                return Refresh::Refused { reason, first: true };
            }
        };
        *refused = None;
        let (from, to) = (current.as_ref().map_or(0, |c| c.generation()), data.generation());
        let next = Loaded { data, path: path.to_owned(), file: id, loaded_at: clock::utc_s() };
        self.put(Some(next));
        Refresh::Swapped { from, to }
    }

    fn put(&self, next: Option<Loaded<D>>) {
        let to = next.as_ref().map_or(0, Loaded::generation);
        let mut slot = self.current.write().unwrap_or_else(PoisonError::into_inner);
        let last = std::mem::replace(&mut *slot, next.map(Arc::new));
        self.generation.store(to, Release);
        drop(slot);
        drop(last); // Unmaps outside the lock, unless a call still uses it.
    }
}

impl<D> Default for HolderOf<D> {
    fn default() -> Self {
        Self::new()
    }
}
