//! Where a database is.

use std::fmt;
use std::path::PathBuf;
use std::str::FromStr;

use sqlx::mysql::MySqlConnectOptions;

use super::DbError;

/// What a connection may do.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Access {
    /// Reads; the engine itself refuses writes.
    ReadOnly,
    /// Reads and writes what is there.
    ReadWrite,
    /// The same, and an SQLite file that is not there is made.
    Create,
}

/// A database's address: `sqlite:path`, `sqlite:///path` or `mysql://user:password@host/name`
/// (`mariadb://` is the same; `?socket=/path` connects by Unix socket).
///
/// Shown without its password.
#[derive(Clone)]
pub enum DbUrl {
    /// A file.
    Sqlite(PathBuf),
    /// A server.
    Mysql(Box<MySqlConnectOptions>),
}

impl FromStr for DbUrl {
    type Err = DbError;

    fn from_str(text: &str) -> Result<Self, DbError> {
        let bad = |why: &str| DbError::BadUrl { why: why.to_owned() };
        let Some((scheme, rest)) = text.split_once(':') else {
            return Err(bad("it has no scheme"));
        };
        match scheme {
            "sqlite" => {
                let path = rest.strip_prefix("//").unwrap_or(rest);
                if path.contains('?') {
                    // Nothing of what others write there is done here, read-only least of all.
                    return Err(bad("an SQLite file takes nothing after a question mark"));
                }
                match path {
                    "" => Err(bad("it names no file")),
                    ":memory:" => Err(bad("a database in memory cannot be shared")),
                    _ => Ok(Self::Sqlite(PathBuf::from(path))),
                }
            }
            "mysql" | "mariadb" => {
                let options = MySqlConnectOptions::from_str(&format!("mysql:{rest}"))
                    .map_err(|e| bad(&e.to_string()))?;
                if options.get_database().is_none_or(str::is_empty) {
                    return Err(bad("it names no database (mysql://host/NAME)"));
                }
                Ok(Self::Mysql(Box::new(options)))
            }
            _ => Err(bad(&format!("the scheme is \"{scheme}\""))),
        }
    }
}

impl fmt::Display for DbUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Sqlite(path) => write!(f, "sqlite:{}", path.display()),
            Self::Mysql(o) => {
                write!(f, "mysql://{}@", o.get_username())?;
                match o.get_socket() {
                    Some(socket) => write!(f, "{}", socket.display())?,
                    None => write!(f, "{}:{}", o.get_host(), o.get_port())?,
                }
                write!(f, "/{}", o.get_database().unwrap_or(""))
            }
        }
    }
}

impl fmt::Debug for DbUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}
