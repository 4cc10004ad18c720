//! Why there is no new snapshot. The last good one stays in force.

use std::path::PathBuf;

use fsx_live::LiveError;
use fsx_snapshot::{BuildError, OpenError, VerifyError};

use crate::db::DbError;

/// A build or a publication that did not happen.
#[derive(Debug, thiserror::Error)]
pub enum FeedError {
    /// The database.
    #[error(transparent)]
    Db(#[from] DbError),
    /// The data would make a worse snapshot than the one in force.
    #[error("build refused: {0}")]
    Build(BuildError),
    /// What routes calls has become empty.
    #[error(
        "refused: there are no {what} any more, and {path} has some: calls would be refused. If that \
         is meant, stop fsxinetd, take the file away, and start it",
        path = path.display()
    )]
    Nothing {
        /// Of what there are none.
        what: &'static str,
        /// The snapshot in place, which stays.
        path: PathBuf,
    },
    /// What the last build read is not there any more, or not ours to see.
    #[error(
        "refused: the database has no {what} any more, and what it said would be forgotten. Put it \
         back, or the grant on it (`fsxinetd db check`); if that is meant, stop fsxinetd, take {path} \
         away, and start it",
        path = path.display()
    )]
    Gone {
        /// A table, or a column as `Numbers.OrgID`; several with commas.
        what: String,
        /// The snapshot in place, which stays.
        path: PathBuf,
    },
    /// What was built cannot be opened: a fault in fsx.
    #[error("the new snapshot cannot be read back: {0}")]
    Open(OpenError),
    /// What was built does not verify: a fault in fsx.
    #[error("the new snapshot does not verify: {0}")]
    Verify(VerifyError),
    /// A file.
    #[error("cannot {doing} {path}: {source}", path = path.display())]
    Io {
        /// What was being done.
        doing: &'static str,
        /// To which file.
        path: PathBuf,
        /// The system's word.
        source: std::io::Error,
    },
    /// The live table.
    #[error(transparent)]
    Live(#[from] LiveError),
    /// The snapshot of another host.
    #[error("{url}: {reason}")]
    Fetch {
        /// Where it was asked for.
        url: String,
        /// What came of it.
        reason: String,
    },
    /// The build did not end: a fault in fsx.
    #[error("the build stopped short: {0}")]
    Stopped(String),
}
