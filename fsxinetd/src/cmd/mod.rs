//! The commands that need no configuration file and no daemon.
//!
//! Each is a clap type and a `run` that gives the exit code: 0 done, 1 failed, 2 asked wrongly. What
//! goes wrong is said in one line on standard error.

/// Prints a line; like `println!`, but a reader that has gone away is an error and no panic.
macro_rules! say {
    ($($text:tt)*) => { $crate::cmd::say(format_args!($($text)*)) };
}

pub mod db;
pub mod demo;
pub mod lcr;
pub mod policy;

mod progress;
mod table;

use std::fmt::Display;
use std::io::Write;
use std::process::ExitCode;
use std::time::Duration;

pub(crate) use progress::Progress;

use crate::db::{Access, Conn, DbError, DbUrl};
use crate::feed::FeedError;

/// How long connecting to a database may take.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(15);

/// Why a command ends early: the line to say, and whose fault it is.
#[derive(Debug)]
pub(crate) enum Failure {
    /// Asked wrongly: exit 2.
    Usage(String),
    /// Did not work: exit 1.
    Failed(String),
    /// Whoever read our output has gone, so there is nobody to tell: exit 1.
    NobodyReads,
}

impl Failure {
    pub(crate) fn usage(line: impl Display) -> Self {
        Self::Usage(line.to_string())
    }

    pub(crate) fn failed(line: impl Display) -> Self {
        Self::Failed(line.to_string())
    }
}

impl From<DbError> for Failure {
    fn from(error: DbError) -> Self {
        if error.is_usage() { Self::usage(error) } else { Self::failed(error) }
    }
}

impl From<FeedError> for Failure {
    fn from(error: FeedError) -> Self {
        match error {
            FeedError::Db(error) => error.into(),
            other => Self::failed(other),
        }
    }
}

impl From<std::io::Error> for Failure {
    fn from(error: std::io::Error) -> Self {
        if error.kind() == std::io::ErrorKind::BrokenPipe {
            return Self::NobodyReads;
        }
        Self::failed(error)
    }
}

/// Prints lines to standard output.
fn say(text: std::fmt::Arguments<'_>) -> Result<(), Failure> {
    let mut out = std::io::stdout().lock();
    writeln!(out, "{text}").and_then(|()| out.flush()).map_err(Failure::from)
}

/// The exit code, with the line said.
fn exit(result: Result<ExitCode, Failure>) -> ExitCode {
    let (line, code) = match result {
        Ok(code) => return code,
        Err(Failure::Usage(line)) => (line, 2),
        Err(Failure::Failed(line)) => (line, 1),
        Err(Failure::NobodyReads) => return ExitCode::FAILURE,
    };
    // Where nobody listens the code still tells.
    let _ = writeln!(std::io::stderr(), "fsxinetd: {line}");
    ExitCode::from(code)
}

async fn open(url: &str, access: Access) -> Result<(DbUrl, Conn), Failure> {
    let url: DbUrl = url.parse()?;
    let conn = Conn::open(&url, access, CONNECT_TIMEOUT).await?;
    Ok((url, conn))
}
