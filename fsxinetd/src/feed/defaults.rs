//! Rules for a database that has none of its own.
//!
//! The owner's nine tables hold no emergency numbers and no numbering plans; a call to 999 must find
//! its way all the same. The rules are those that `fsxinetd db init` puts into a new database, taken
//! from a database made for the purpose in memory, so that there is one list of them and not two.

use std::time::Duration;

use sqlx::sqlite::SqliteConnectOptions;
use sqlx::{ConnectOptions, Connection};

use crate::db::{self, Conn, DbError};

/// A connection to a fresh database in memory that holds the rules and nothing else.
pub(super) async fn rules() -> Result<Conn, DbError> {
    let open = |source| DbError::Open { url: "the rules in memory".to_owned(), source };
    let options = SqliteConnectOptions::new().in_memory(true).disable_statement_logging();
    let connected = tokio::time::timeout(Duration::from_secs(10), options.connect()).await;
    let inner = match connected {
        Ok(inner) => inner.map_err(open)?,
        Err(_) => {
            return Err(DbError::Timeout { what: "make the rules".to_owned(), after_ms: 10_000 });
        }
    };
    let mut conn = Conn::Sqlite(inner);
    if let Err(error) = db::migrate(&mut conn).await {
        if let Conn::Sqlite(inner) = conn {
            let _ = inner.close().await;
        }
        return Err(error);
    }
    Ok(conn)
}
