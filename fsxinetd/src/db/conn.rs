//! One connection, and rows as text.

use std::future::poll_fn;
use std::task::{Context, Poll, Waker};
use std::time::Duration;

use futures_util::StreamExt;
use futures_util::stream::BoxStream;
use sqlx::mysql::{MySqlConnection, MySqlRow};
use sqlx::sqlite::{
    SqliteConnectOptions, SqliteConnection, SqliteJournalMode, SqliteRow, SqliteSynchronous,
};
use sqlx::{AssertSqlSafe, ConnectOptions, Connection, Row};
use tokio::time::timeout;

use super::{Access, DbError, DbUrl};

/// How long one statement may take unless somebody says otherwise. Reading a large table is one
/// statement, so this is generous; it is there so that nothing waits for ever.
const STATEMENT_TIMEOUT: Duration = Duration::from_secs(600);

/// How long a row may be waited for in the midst of a table: a server that went away shows here.
const ROW_TIMEOUT: Duration = Duration::from_secs(30);

/// How long rows of SQLite gather before they are taken.
const GATHER: Duration = Duration::from_millis(1);

/// How long another writer's lock on an SQLite file is waited for.
const BUSY_TIMEOUT: Duration = Duration::from_secs(10);

/// A connection. Not shared: whoever needs one opens one.
pub enum Conn {
    /// To a file.
    Sqlite(SqliteConnection),
    /// To a server.
    Mysql(MySqlConnection),
}

/// A row whose columns are text, whatever their type.
pub trait TextRow {
    /// Column `at`; `None` is null.
    fn bytes(&self, at: usize) -> Result<Option<&[u8]>, sqlx::Error>;
}

impl TextRow for SqliteRow {
    fn bytes(&self, at: usize) -> Result<Option<&[u8]>, sqlx::Error> {
        self.try_get_unchecked(at)
    }
}

impl TextRow for MySqlRow {
    fn bytes(&self, at: usize) -> Result<Option<&[u8]>, sqlx::Error> {
        self.try_get_unchecked(at)
    }
}

impl Conn {
    /// Connects, or says within `limit` that it cannot.
    ///
    /// # Errors
    /// [`DbError::NoFile`], [`DbError::Open`] or [`DbError::Timeout`].
    pub async fn open(url: &DbUrl, access: Access, limit: Duration) -> Result<Self, DbError> {
        let open = |source| DbError::Open { url: url.to_string(), source };
        let connect = async {
            match url {
                DbUrl::Sqlite(path) => {
                    if access != Access::Create && !path.exists() {
                        return Err(DbError::NoFile { path: path.clone() });
                    }
                    let mut options = SqliteConnectOptions::new()
                        .filename(path)
                        .read_only(access == Access::ReadOnly)
                        .create_if_missing(access == Access::Create)
                        .busy_timeout(BUSY_TIMEOUT)
                        .row_buffer_size(4096)
                        .disable_statement_logging();
                    if access != Access::ReadOnly {
                        // So that an import and a feed do not wait for each other.
                        options = options
                            .journal_mode(SqliteJournalMode::Wal)
                            .synchronous(SqliteSynchronous::Normal);
                    }
                    let mut conn = options.connect().await.map_err(open)?;
                    // Opening looks at nothing yet: a file that is no database shows here.
                    let look = sqlx::raw_sql("SELECT 1 FROM sqlite_master LIMIT 1");
                    look.execute(&mut conn).await.map_err(open)?;
                    Ok(Self::Sqlite(conn))
                }
                DbUrl::Mysql(options) => {
                    // ProxySQL misreads the sql_mode arithmetic that sqlx sends by default.
                    let options = options
                        .as_ref()
                        .clone()
                        .pipes_as_concat(false)
                        .no_engine_substitution(false)
                        .disable_statement_logging();
                    let mut conn = options.connect().await.map_err(open)?;
                    if access == Access::ReadOnly {
                        sqlx::raw_sql("SET SESSION TRANSACTION READ ONLY")
                            .execute(&mut conn)
                            .await
                            .map_err(open)?;
                    }
                    Ok(Self::Mysql(conn))
                }
            }
        };
        match timeout(limit, connect).await {
            Ok(result) => result,
            Err(_) => Err(DbError::Timeout {
                what: format!("cannot open {url}"),
                after_ms: limit.as_millis(),
            }),
        }
    }

    /// Whether it is SQLite.
    #[must_use]
    pub fn is_sqlite(&self) -> bool {
        matches!(self, Self::Sqlite(_))
    }

    /// Runs statements; `what` stands in the error. Gives the rows changed by the last.
    ///
    /// The caller has made `sql` from constants and [`quote`]d values only.
    ///
    /// # Errors
    /// [`DbError::Query`] or [`DbError::Timeout`].
    pub async fn execute(&mut self, what: &str, sql: &str) -> Result<u64, DbError> {
        let sql = sqlx::raw_sql(AssertSqlSafe(sql.to_owned()));
        let run = async {
            match self {
                Self::Sqlite(c) => sql.execute(c).await.map(|done| done.rows_affected()),
                Self::Mysql(c) => sql.execute(c).await.map(|done| done.rows_affected()),
            }
        };
        match timeout(STATEMENT_TIMEOUT, run).await {
            Ok(done) => done.map_err(|source| DbError::Query { what: what.to_owned(), source }),
            Err(_) => Err(late(what, STATEMENT_TIMEOUT)),
        }
    }

    /// Runs one query and hands over its rows one by one, so that a large table never stands in
    /// memory twice.
    ///
    /// # Errors
    /// [`DbError::Query`], [`DbError::Timeout`], or what `each` returns.
    pub async fn for_each(
        &mut self,
        what: &str,
        sql: &str,
        mut each: impl FnMut(&dyn TextRow) -> Result<(), sqlx::Error>,
    ) -> Result<(), DbError> {
        let sql = sqlx::raw_sql(AssertSqlSafe(sql.to_owned()));
        let failed = |source| DbError::Query { what: what.to_owned(), source };
        // The text protocol on both sides: MariaDB sends every type as text by it.
        macro_rules! stream {
            ($conn:expr, $own_thread:expr) => {{
                let mut rows = sql.fetch($conn);
                let mut begun = false;
                while let Some(row) = next(&mut rows, begun && $own_thread, what).await? {
                    each(&row.map_err(failed)?).map_err(failed)?;
                    begun = true;
                }
                Ok(())
            }};
        }
        match self {
            Self::Sqlite(c) => stream!(c, true),
            Self::Mysql(c) => stream!(c, false),
        }
    }

    /// All rows of a small query, as owned text; null is `None`.
    ///
    /// # Errors
    /// As [`Self::for_each`].
    pub async fn rows(
        &mut self,
        what: &str,
        sql: &str,
        columns: usize,
    ) -> Result<Vec<Vec<Option<String>>>, DbError> {
        let mut all = Vec::new();
        self.for_each(what, sql, |row| {
            let mut one = Vec::with_capacity(columns);
            for at in 0..columns {
                one.push(row.bytes(at)?.map(|b| String::from_utf8_lossy(b).into_owned()));
            }
            all.push(one);
            Ok(())
        })
        .await?;
        Ok(all)
    }

    /// Begins a transaction in which every read sees the same instant.
    ///
    /// # Errors
    /// As [`Self::execute`].
    pub async fn begin_read(&mut self) -> Result<(), DbError> {
        let sql = match self {
            Self::Sqlite(_) => "BEGIN",
            Self::Mysql(_) => "START TRANSACTION WITH CONSISTENT SNAPSHOT",
        };
        self.execute("begin reading", sql).await.map(drop)
    }

    /// Ends the transaction of [`Self::begin_read`].
    ///
    /// # Errors
    /// As [`Self::execute`].
    pub async fn end_read(&mut self) -> Result<(), DbError> {
        self.execute("end reading", "ROLLBACK").await.map(drop)
    }

    /// Says goodbye. Dropping does as well, less politely.
    pub async fn close(self) {
        // What is left to say to a server that is gone interests nobody.
        let bye = async {
            match self {
                Self::Sqlite(c) => drop(c.close().await),
                Self::Mysql(c) => drop(c.close().await),
            }
        };
        let _ = timeout(Duration::from_secs(5), bye).await;
    }
}

/// The next row, or none within [`ROW_TIMEOUT`].
///
/// SQLite's rows are made by a thread of sqlx's. To be woken for each of them would cost more than
/// the row, so `in_bulk` looks for what has gathered every millisecond instead.
async fn next<T>(
    rows: &mut BoxStream<'_, T>,
    in_bulk: bool,
    what: &str,
) -> Result<Option<T>, DbError> {
    // Most rows are here already; only for one that is not is a clock worth its price.
    if !in_bulk {
        return match poll_fn(|cx| Poll::Ready(rows.as_mut().poll_next(cx))).await {
            Poll::Ready(row) => Ok(row),
            Poll::Pending => {
                timeout(ROW_TIMEOUT, rows.next()).await.map_err(|_| late(what, ROW_TIMEOUT))
            }
        };
    }
    let mut asleep = Duration::ZERO;
    loop {
        if let Poll::Ready(row) = rows.as_mut().poll_next(&mut Context::from_waker(Waker::noop())) {
            return Ok(row);
        }
        if asleep >= ROW_TIMEOUT {
            return Err(late(what, ROW_TIMEOUT));
        }
        tokio::time::sleep(GATHER).await;
        asleep += GATHER;
    }
}

fn late(what: &str, after: Duration) -> DbError {
    DbError::Timeout { what: what.to_owned(), after_ms: after.as_millis() }
}

/// A text as an SQL literal. `sqlite` doubles only quotes; a MySQL server also reads backslashes.
#[must_use]
pub fn quote(sqlite: bool, text: &str) -> String {
    let mut out = String::with_capacity(text.len() + 2);
    out.push('\'');
    for c in text.chars() {
        match c {
            '\'' => out.push_str("''"),
            '\\' if !sqlite => out.push_str("\\\\"),
            _ => out.push(c),
        }
    }
    out.push('\'');
    out
}
