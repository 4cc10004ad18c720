//! A file mapped read-only.
//!
//! The one rule that makes it sound is not ours to enforce but the publisher's to keep: a published
//! file is never edited, shortened or rewritten. A new one is made beside it and renamed over it. Should
//! somebody shorten one all the same (`cp` over it, `truncate`), the next page touched would be SIGBUS
//! and the switch gone; so the map is guarded ([`fsx_live::GuardedMap`]): zeros are read instead, and
//! [`MappedFile::lost`] says that they are worth nothing.

use std::{
    fmt, fs,
    fs::{File, Metadata, OpenOptions},
    io,
    os::unix::fs::{MetadataExt as _, OpenOptionsExt as _},
    path::{Path, PathBuf},
};

use fsx_live::GuardedMap;
use memmap2::Mmap;

/// Which file it is, so that a renamed-in one is told from the one in hand without reading either.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Hash)]
pub struct FileId {
    /// Device.
    pub dev: u64,
    /// Inode.
    pub ino: u64,
    /// Length in bytes.
    pub len: u64,
    /// Last change, in nanoseconds since 1970: inode numbers are used again.
    pub modified_ns: i128,
}

impl FileId {
    /// Of the file at `path` now.
    ///
    /// # Errors
    /// What the system says.
    pub fn of(path: &Path) -> io::Result<Self> {
        fs::metadata(path).map(|about| Self::new(&about))
    }

    fn new(about: &Metadata) -> Self {
        Self {
            dev: about.dev(),
            ino: about.ino(),
            len: about.len(),
            modified_ns: i128::from(about.mtime()) * 1_000_000_000 + i128::from(about.mtime_nsec()),
        }
    }
}

/// Why a file could not be mapped.
#[derive(Debug)]
pub enum MapError {
    /// There is none.
    Missing {
        /// Which.
        path: PathBuf,
    },
    /// The system refused.
    Io {
        /// Which file.
        path: PathBuf,
        /// Such as "open" or "map".
        doing: &'static str,
        /// The system's word.
        error: io::Error,
    },
    /// A directory, a FIFO, a device.
    NotAFile {
        /// Which.
        path: PathBuf,
    },
    /// It holds nothing.
    Empty {
        /// Which.
        path: PathBuf,
    },
}

impl fmt::Display for MapError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Missing { path } => write!(f, "{}: no such file", path.display()),
            Self::Io { path, doing, error } => {
                write!(f, "{}: cannot {doing}: {error}", path.display())
            }
            Self::NotAFile { path } => write!(f, "{}: not a regular file", path.display()),
            Self::Empty { path } => write!(f, "{}: empty", path.display()),
        }
    }
}

impl std::error::Error for MapError {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        match self {
            Self::Io { error, .. } => Some(error),
            _ => None,
        }
    }
}

/// A file's bytes, mapped. Unmapped when dropped; a rename over its path does not touch it.
#[derive(Debug)]
pub struct MappedFile {
    map: GuardedMap,
    id: FileId,
}

impl MappedFile {
    /// Maps the file at `path`.
    ///
    /// # Errors
    /// [`MapError`].
    pub fn open(path: &Path) -> Result<Self, MapError> {
        let io = |doing| move |error| MapError::Io { path: path.to_owned(), doing, error };
        // Non-blocking, so that a FIFO put in the file's place cannot hold a switch.
        let file: File =
            OpenOptions::new().read(true).custom_flags(libc::O_NONBLOCK).open(path).map_err(
                |error| match error.kind() {
                    io::ErrorKind::NotFound => MapError::Missing { path: path.to_owned() },
                    _ => io("open")(error),
                },
            )?;
        let about = file.metadata().map_err(io("examine"))?;
        if !about.is_file() {
            return Err(MapError::NotAFile { path: path.to_owned() });
        }
        if about.len() == 0 {
            return Err(MapError::Empty { path: path.to_owned() });
        }
        // SAFETY: the map is read-only and private to readers; the publisher never edits or shortens a
        // published file (see the module's documentation), so the bytes behind the slice do not change.
        let map = unsafe { Mmap::map(&file) }.map_err(io("map"))?;
        Ok(Self { map: GuardedMap::new(map), id: FileId::new(&about) })
    }

    /// Whether the file was cut under the map, and zeros were read in the place of what is gone: what
    /// was made of it is not to be used. One load.
    #[must_use]
    pub fn lost(&self) -> bool {
        self.map.lost()
    }

    /// Whether the file that is mapped was changed since, in its place, as the file at `path` shows.
    /// Replaced by another, or removed, it is whole.
    #[must_use]
    pub fn edited(&self, path: &Path) -> bool {
        FileId::of(path).is_ok_and(|now| {
            (now.dev, now.ino) == (self.id.dev, self.id.ino)
                && (now.len, now.modified_ns) != (self.id.len, self.id.modified_ns)
        })
    }

    /// Which file it is.
    #[must_use]
    pub fn id(&self) -> FileId {
        self.id
    }
}

impl AsRef<[u8]> for MappedFile {
    fn as_ref(&self) -> &[u8] {
        self.map.as_ref()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn maps_and_outlives_a_rename() {
        let dir = tempfile::tempdir().expect("tempdir");
        let (a, b) = (dir.path().join("a"), dir.path().join("b"));
        fs::write(&a, b"first").expect("write");
        let map = MappedFile::open(&a).expect("maps");
        assert_eq!(map.id(), FileId::of(&a).expect("stat"));
        fs::write(&b, b"second!").expect("write");
        fs::rename(&b, &a).expect("rename");
        assert_eq!(map.as_ref(), b"first");
        assert_ne!(map.id(), FileId::of(&a).expect("stat"));
        assert_eq!(MappedFile::open(&a).expect("maps").as_ref(), b"second!");
    }

    #[test]
    fn a_file_that_is_cut_reads_as_zeros_and_says_so() {
        let dir = tempfile::tempdir().expect("tempdir");
        let path = dir.path().join("a");
        fs::write(&path, vec![7_u8; 64 << 10]).expect("write");
        let map = MappedFile::open(&path).expect("maps");
        assert!(map.as_ref().iter().all(|&byte| byte == 7));
        assert!(!map.lost() && !map.edited(&path));
        OpenOptions::new().write(true).open(&path).and_then(|f| f.set_len(4096)).expect("cuts");
        assert!(map.edited(&path), "seen before anything was read");
        assert!(!map.lost());
        // Without the guard this test would be killed here.
        assert_eq!(map.as_ref()[4095..4097], [7, 0]);
        assert_eq!(map.as_ref()[(64 << 10) - 1], 0);
        assert!(map.lost());
        drop(map);
        fs::write(&path, b"another").expect("write");
        let map = MappedFile::open(&path).expect("maps");
        assert!(!map.lost(), "a new map begins whole");
        // Renamed over or removed, it stays what it was.
        fs::remove_file(&path).expect("removes");
        assert!(!map.edited(&path));
    }

    #[test]
    fn what_is_no_file() {
        let dir = tempfile::tempdir().expect("tempdir");
        assert!(matches!(MappedFile::open(dir.path()), Err(MapError::NotAFile { .. })));
        let none = dir.path().join("none");
        assert!(matches!(MappedFile::open(&none), Err(MapError::Missing { .. })));
        fs::write(&none, b"").expect("write");
        let error = MappedFile::open(&none).expect_err("empty");
        assert!(error.to_string().ends_with("none: empty"), "{error}");
    }
}
