//! What a reader says of a file that it will not use, so that an engineer knows whether to copy it again,
//! upgrade, or look for a bad disk.

use std::fmt;

/// Why bytes are not a snapshot. The reader keeps what it had.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum OpenError {
    /// Shorter than its header, or than the header says: torn, or still being copied.
    Short {
        /// Bytes that should be there.
        expected: u64,
        /// Bytes that are.
        got: u64,
    },
    /// Not a snapshot at all.
    Foreign,
    /// Written by another release.
    Version {
        /// [`crate::FORMAT`] of this program.
        expected: u32,
        /// The file's.
        got: u32,
    },
    /// Written before this format was settled.
    Sections {
        /// Sections that this program reads.
        expected: u32,
        /// The file's.
        got: u32,
    },
    /// The header does not add up.
    Header {
        /// Stored checksum.
        expected: u32,
        /// Computed checksum.
        got: u32,
    },
    /// A section points outside the file, or has rows of another size.
    Section {
        /// Which one.
        section: &'static str,
    },
}

impl fmt::Display for OpenError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Short { expected, got } => {
                write!(f, "the file is torn: {got} bytes, expected {expected}")
            }
            Self::Foreign => f.write_str("not a routing snapshot"),
            Self::Version { expected, got } => {
                write!(f, "snapshot format {got}, this program reads {expected}")
            }
            Self::Sections { expected, got } => {
                write!(f, "snapshot with {got} sections, this program reads {expected}")
            }
            Self::Header { expected, got } => {
                write!(f, "damaged header: checksum {got:08x}, expected {expected:08x}")
            }
            Self::Section { section } => write!(f, "section {section:?} is out of bounds"),
        }
    }
}

impl std::error::Error for OpenError {}

/// Why an opened snapshot is not to be used.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum VerifyError {
    /// Bytes of a section changed since it was written.
    Checksum {
        /// Which section.
        section: &'static str,
        /// Stored checksum.
        expected: u32,
        /// Computed checksum.
        got: u32,
    },
    /// The checksums are right and a row points outside its table: the writer is at fault.
    Row {
        /// Which section.
        section: &'static str,
        /// Which row.
        row: u32,
    },
}

impl fmt::Display for VerifyError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Checksum { section, expected, got } => write!(
                f,
                "section {section:?} is damaged: checksum {got:08x}, expected {expected:08x}"
            ),
            Self::Row { section, row } => {
                write!(f, "section {section:?} row {row} points outside its table")
            }
        }
    }
}

impl std::error::Error for VerifyError {}
