//! Why a live table cannot be had.

use std::{fmt, io, path::PathBuf};

/// Why a live table could not be opened or made.
#[derive(Debug)]
pub enum LiveError {
    /// The system refused; `doing` says what was being done.
    Io {
        /// Which file.
        path: PathBuf,
        /// Such as "open", "map", "rename".
        doing: &'static str,
        /// The system's word.
        error: io::Error,
    },
    /// Not a regular file (a directory, a FIFO, a device).
    NotAFile {
        /// Which.
        path: PathBuf,
    },
    /// Shorter or longer than its header says, or too short to hold one: torn, or still being copied.
    Length {
        /// Which file.
        path: PathBuf,
        /// Bytes there should be.
        expected: u64,
        /// Bytes there are.
        got: u64,
    },
    /// Not a live table of this byte order.
    Foreign {
        /// Which file.
        path: PathBuf,
    },
    /// A live table of another release.
    Version {
        /// Which file.
        path: PathBuf,
        /// The version that this code reads.
        expected: u64,
        /// The version that the file has.
        got: u64,
    },
    /// The header contradicts itself: damaged.
    Damaged {
        /// Which file.
        path: PathBuf,
        /// What is wrong.
        what: &'static str,
    },
    /// A capacity that cannot be: not a power of two, too small or too large.
    Capacity {
        /// Which table.
        table: &'static str,
        /// What was asked.
        got: u32,
        /// The largest allowed; the smallest is 16.
        max: u32,
    },
}

impl LiveError {
    /// There is no such file: nobody has made it yet.
    #[must_use]
    pub fn is_missing(&self) -> bool {
        matches!(self, Self::Io { error, .. } if error.kind() == io::ErrorKind::NotFound)
    }

    /// The file is there and is no table that this code can use; making a new one is the cure.
    #[must_use]
    pub fn is_unusable(&self) -> bool {
        matches!(
            self,
            Self::Length { .. }
                | Self::Foreign { .. }
                | Self::Version { .. }
                | Self::Damaged { .. }
        )
    }
}

impl fmt::Display for LiveError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Io { path, doing, error } => {
                write!(f, "live table {}: cannot {doing}: {error}", path.display())
            }
            Self::NotAFile { path } => {
                write!(f, "live table {}: not a regular file", path.display())
            }
            Self::Length { path, expected, got } => {
                write!(f, "live table {}: {got} bytes, expected {expected}", path.display())
            }
            Self::Foreign { path } => {
                write!(f, "{}: not a live table of this machine", path.display())
            }
            Self::Version { path, expected, got } => {
                write!(f, "live table {}: version {got}, expected {expected}", path.display())
            }
            Self::Damaged { path, what } => {
                write!(f, "live table {}: damaged header: {what}", path.display())
            }
            Self::Capacity { table, got, max } => write!(
                f,
                "live table: capacity {got} for {table}, expected a power of two from 16 to {max}"
            ),
        }
    }
}

impl std::error::Error for LiveError {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        match self {
            Self::Io { error, .. } => Some(error),
            _ => None,
        }
    }
}
