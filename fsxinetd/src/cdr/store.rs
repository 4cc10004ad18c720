//! The SQLite file that holds the records. Engineers open it with `sqlite3`, so the columns that one
//! asks for stand beside the record itself.

use std::fs::{File, TryLockError};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use fsx_wire::record::CallRecord;
use sqlx::sqlite::{
    SqliteConnectOptions, SqliteConnection, SqliteJournalMode, SqliteRow, SqliteSynchronous,
};
use sqlx::{ConnectOptions as _, Connection as _, Row as _};
use tokio::sync::{Mutex, watch};

/// Version of the tables.
const VERSION: i64 = 1;

/// How long another process's lock is waited for.
const BUSY: Duration = Duration::from_secs(5);

const TABLES: &str = "
CREATE TABLE IF NOT EXISTS records (
    seq INTEGER PRIMARY KEY AUTOINCREMENT,
    id TEXT NOT NULL UNIQUE,
    org INTEGER NOT NULL,
    switch TEXT NOT NULL,
    called TEXT NOT NULL,
    decision TEXT NOT NULL,
    cause INTEGER NOT NULL,
    started_ms INTEGER NOT NULL,
    ended_ms INTEGER NOT NULL,
    body TEXT NOT NULL,
    source TEXT NOT NULL,
    received_ms INTEGER NOT NULL,
    state TEXT NOT NULL CHECK (state IN ('kept', 'waiting', 'delivered', 'dead')),
    tries INTEGER NOT NULL DEFAULT 0,
    next_try_ms INTEGER NOT NULL DEFAULT 0,
    last_error TEXT NOT NULL DEFAULT '',
    delivered_ms INTEGER
);
CREATE INDEX IF NOT EXISTS records_to_deliver ON records (next_try_ms) WHERE state = 'waiting';
CREATE INDEX IF NOT EXISTS records_delivered ON records (delivered_ms) WHERE state = 'delivered';
CREATE TABLE IF NOT EXISTS dead_letters (
    seq INTEGER PRIMARY KEY AUTOINCREMENT,
    file TEXT NOT NULL,
    line INTEGER NOT NULL,
    reason TEXT NOT NULL,
    body BLOB NOT NULL,
    at_ms INTEGER NOT NULL,
    UNIQUE (file, line, body)
);
PRAGMA user_version = 1;
";

/// The store cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum StoreError {
    /// It cannot be opened or made.
    #[error("record store {}: {source}", path.display())]
    Open {
        /// Which file.
        path: PathBuf,
        /// SQLite's word.
        source: sqlx::Error,
    },
    /// Another process has it.
    #[error("record store {}: another fsxinetd uses it", path.display())]
    InUse {
        /// Which file.
        path: PathBuf,
    },
    /// A later release made it.
    #[error("record store {}: its tables are version {got}, this release knows {VERSION}", path.display())]
    Later {
        /// Which file.
        path: PathBuf,
        /// Its version.
        got: i64,
    },
    /// It has no tables: some other file.
    #[error("record store {}: there are no call records in it", path.display())]
    Foreign {
        /// Which file.
        path: PathBuf,
    },
    /// A statement failed.
    #[error("record store: {why}")]
    Failed {
        /// SQLite's word.
        why: String,
    },
}

impl From<sqlx::Error> for StoreError {
    fn from(error: sqlx::Error) -> Self {
        Self::Failed { why: error.to_string() }
    }
}

/// Which way a record came.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Source {
    /// The decision socket.
    Socket,
    /// A spool file.
    Spool,
}

impl Source {
    /// The word in the store and in metrics.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Socket => "socket",
            Self::Spool => "spool",
        }
    }
}

/// What a commit did.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Put {
    /// Records that were not there.
    pub new: u64,
    /// Records that were there already.
    pub again: u64,
    /// Of the new ones, those that wait to be delivered.
    pub waiting: u64,
    /// Of the new ones, those whose id another call has; they were given one of their own.
    pub renamed: u64,
}

/// A line that is no record.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct DeadLetter {
    /// Where it stood.
    pub file: String,
    /// On which line, from 1.
    pub line: u64,
    /// What is wrong with it.
    pub reason: String,
    /// The line.
    pub body: Vec<u8>,
}

/// A record to deliver.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Due {
    /// Its row.
    pub seq: i64,
    /// Its id.
    pub id: String,
    /// Its JSON.
    pub body: String,
    /// How often it was tried.
    pub tries: u32,
}

/// How a try to deliver ended.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Tried {
    /// The receiver has it.
    Delivered,
    /// Again at this instant, milliseconds since 1970.
    Again {
        /// When.
        at_ms: i64,
        /// Why not now.
        error: String,
    },
    /// The receiver will never take it; it is kept and shown.
    Dead {
        /// The receiver's word.
        error: String,
    },
}

/// The open store. One connection writes; readers open their own.
#[derive(Debug)]
pub struct Store {
    /// None after a fault: a connection whose commit failed (a full disk) may still think itself in a
    /// transaction, and would then take records that never reach the file.
    conn: Mutex<Option<SqliteConnection>>,
    path: PathBuf,
    /// Held as long as the store is: two daemons on one store would deliver everything twice.
    _lock: File,
    waiting: AtomicU64,
    deliver: bool,
    /// Why the last write failed, until one succeeds.
    fault: watch::Sender<Option<String>>,
}

impl Store {
    /// Opens or makes the file. With `deliver`, what is put in waits for delivery.
    ///
    /// # Errors
    /// [`StoreError`].
    pub async fn open(path: &Path, deliver: bool) -> Result<Self, StoreError> {
        let open = |source| StoreError::Open { path: path.to_owned(), source };
        if let Some(folder) = path.parent().filter(|folder| !folder.as_os_str().is_empty()) {
            std::fs::create_dir_all(folder).map_err(|e| open(sqlx::Error::Io(e)))?;
        }
        let lock = lock(path)?;
        let mut conn = connect(path).await.map_err(open)?;
        let version: i64 =
            sqlx::query_scalar("PRAGMA user_version").fetch_one(&mut conn).await.map_err(open)?;
        if version > VERSION {
            return Err(StoreError::Later { path: path.to_owned(), got: version });
        }
        sqlx::raw_sql(TABLES).execute(&mut conn).await.map_err(open)?;
        let waiting: i64 =
            sqlx::query_scalar("SELECT count(*) FROM records WHERE state = 'waiting'")
                .fetch_one(&mut conn)
                .await
                .map_err(open)?;
        let waiting = AtomicU64::new(u64::try_from(waiting).unwrap_or(0));
        let path = path.to_owned();
        let fault = watch::Sender::new(None);
        Ok(Self { conn: Mutex::new(Some(conn)), path, _lock: lock, waiting, deliver, fault })
    }

    /// Takes the connection out, opened again where the last one failed. Whoever is done with it puts
    /// it back; whoever fails drops it.
    async fn take(
        &self,
        held: &mut Option<SqliteConnection>,
    ) -> Result<SqliteConnection, StoreError> {
        match held.take() {
            Some(conn) => Ok(conn),
            None => connect(&self.path)
                .await
                .map_err(|source| StoreError::Open { path: self.path.clone(), source }),
        }
    }

    /// A disk that is full for this connection.
    #[cfg(test)]
    pub(super) async fn fill_up(&self, pages: u32) {
        let mut held = self.conn.lock().await;
        let conn = held.as_mut().expect("open");
        let limit = format!("PRAGMA max_page_count = {pages}");
        sqlx::raw_sql(sqlx::AssertSqlSafe(limit)).execute(conn).await.expect("a limit");
    }

    /// Records that wait for delivery.
    pub fn waiting(&self) -> u64 {
        self.waiting.load(Relaxed)
    }

    /// Puts records in, all or none, and syncs.
    ///
    /// # Errors
    /// [`StoreError`]; none of them is in then.
    pub async fn put(&self, source: Source, records: &[&CallRecord]) -> Result<Put, StoreError> {
        self.put_all(source, records, &[]).await
    }

    /// The same with dead letters, in one commit.
    ///
    /// # Errors
    /// [`StoreError`]; none of them is in then.
    pub async fn put_all(
        &self,
        source: Source,
        records: &[&CallRecord],
        dead: &[DeadLetter],
    ) -> Result<Put, StoreError> {
        let state = if self.deliver { "waiting" } else { "kept" };
        let put = async {
            let mut held = self.conn.lock().await;
            let mut conn = self.take(&mut held).await?;
            let put = put_in(&mut conn, source, state, records, dead).await?;
            *held = Some(conn);
            Ok(put)
        };
        let put = self.noted(put.await)?;
        self.waiting.fetch_add(put.waiting, Relaxed);
        Ok(put)
    }

    /// Writes something that changes nothing, down to the disk: whether it takes records is known
    /// before one comes.
    ///
    /// # Errors
    /// [`StoreError`].
    pub async fn try_out(&self) -> Result<(), StoreError> {
        let tried = async {
            let mut held = self.conn.lock().await;
            let mut conn = self.take(&mut held).await?;
            sqlx::raw_sql("PRAGMA user_version = 1").execute(&mut conn).await?;
            *held = Some(conn);
            Ok(())
        };
        self.noted(tried.await)
    }

    /// Why it takes no records, as of the last write; changes are told.
    #[must_use]
    pub fn fault(&self) -> watch::Receiver<Option<String>> {
        self.fault.subscribe()
    }

    /// Notes how a write ended.
    fn noted<T>(&self, written: Result<T, StoreError>) -> Result<T, StoreError> {
        let fault = written.as_ref().err().map(|error| match error {
            StoreError::Failed { why } => why.clone(),
            other => other.to_string(),
        });
        self.fault.send_if_modified(|last| {
            let changed = *last != fault;
            *last = fault;
            changed
        });
        written
    }

    /// Records whose time to be delivered has come, the longest waiting first.
    ///
    /// # Errors
    /// [`StoreError`].
    pub async fn due(&self, at_ms: i64, most: u32) -> Result<Vec<Due>, StoreError> {
        let mut held = self.conn.lock().await;
        let mut conn = self.take(&mut held).await?;
        let rows = sqlx::query(
            "SELECT seq, id, body, tries FROM records
             WHERE state = 'waiting' AND next_try_ms <= ? ORDER BY next_try_ms, seq LIMIT ?",
        )
        .bind(at_ms)
        .bind(most)
        .fetch_all(&mut conn)
        .await?;
        *held = Some(conn);
        rows.iter()
            .map(|row: &SqliteRow| {
                Ok(Due {
                    seq: row.try_get(0)?,
                    id: row.try_get(1)?,
                    body: row.try_get(2)?,
                    tries: u32::try_from(row.try_get::<i64, _>(3)?).unwrap_or(u32::MAX),
                })
            })
            .collect()
    }

    /// Writes down how tries ended, all in one commit.
    ///
    /// # Errors
    /// [`StoreError`]; a record that was delivered may then be delivered again.
    pub async fn tried(&self, results: &[(i64, Tried)]) -> Result<(), StoreError> {
        let (now, mut done) = (now_ms(), 0);
        let mut held = self.conn.lock().await;
        let mut conn = self.take(&mut held).await?;
        let mut commit = conn.begin().await?;
        for (seq, tried) in results {
            let (state, at, error) = match tried {
                Tried::Delivered => ("delivered", 0, ""),
                Tried::Again { at_ms, error } => ("waiting", *at_ms, error.as_str()),
                Tried::Dead { error } => ("dead", 0, error.as_str()),
            };
            done += u64::from(state != "waiting");
            sqlx::query(
                "UPDATE records SET state = ?, next_try_ms = ?, last_error = ?, tries = tries + 1,
                 delivered_ms = CASE WHEN ? = 'delivered' THEN ? END WHERE seq = ?",
            )
            .bind(state)
            .bind(at)
            .bind(error)
            .bind(state)
            .bind(now)
            .bind(seq)
            .execute(&mut *commit)
            .await?;
        }
        commit.commit().await?;
        *held = Some(conn);
        self.waiting.fetch_sub(done.min(self.waiting()), Relaxed);
        Ok(())
    }

    /// Forgets what was delivered before the instant.
    ///
    /// # Errors
    /// [`StoreError`].
    pub async fn forget_delivered(&self, before_ms: i64) -> Result<u64, StoreError> {
        let mut held = self.conn.lock().await;
        let mut conn = self.take(&mut held).await?;
        let done =
            sqlx::query("DELETE FROM records WHERE state = 'delivered' AND delivered_ms < ?")
                .bind(before_ms)
                .execute(&mut conn)
                .await?;
        *held = Some(conn);
        Ok(done.rows_affected())
    }

    /// Brings the write-ahead log into the file; at the end of the daemon.
    pub async fn close(&self) {
        let mut held = self.conn.lock().await;
        if let Some(conn) = held.as_mut() {
            let _ = sqlx::query("PRAGMA wal_checkpoint(TRUNCATE)").execute(conn).await;
        }
    }
}

/// A connection that only reads, for the command line.
///
/// # Errors
/// [`StoreError`] when there is no such file, or it holds no records.
pub async fn open_read_only(path: &Path) -> Result<SqliteConnection, StoreError> {
    let mut conn = SqliteConnectOptions::new()
        .filename(path)
        .read_only(true)
        .busy_timeout(BUSY)
        .disable_statement_logging()
        .connect()
        .await
        .map_err(|source| StoreError::Open { path: path.to_owned(), source })?;
    let tables: i64 = sqlx::query_scalar(
        "SELECT count(*) FROM sqlite_master WHERE name IN ('records', 'dead_letters')",
    )
    .fetch_one(&mut conn)
    .await
    .map_err(|source| StoreError::Open { path: path.to_owned(), source })?;
    if tables == 2 { Ok(conn) } else { Err(StoreError::Foreign { path: path.to_owned() }) }
}

/// Milliseconds since 1970 UTC.
pub(super) fn now_ms() -> i64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    i64::try_from(since.as_millis()).unwrap_or(i64::MAX)
}

/// Takes the store for this process, until what is given is dropped. A file beside it, since SQLite's own
/// locks are let go of with any connection to it.
fn lock(path: &Path) -> Result<File, StoreError> {
    let beside = PathBuf::from(format!("{}.lock", path.display()));
    let open = |error| StoreError::Open { path: beside.clone(), source: sqlx::Error::Io(error) };
    let file =
        File::options().create(true).truncate(false).write(true).open(&beside).map_err(open)?;
    match file.try_lock() {
        Ok(()) => Ok(file),
        Err(TryLockError::WouldBlock) => Err(StoreError::InUse { path: path.to_owned() }),
        Err(TryLockError::Error(error)) => Err(open(error)),
    }
}

/// Opens the file to write.
async fn connect(path: &Path) -> Result<SqliteConnection, sqlx::Error> {
    SqliteConnectOptions::new()
        .filename(path)
        .create_if_missing(true)
        .busy_timeout(BUSY)
        .journal_mode(SqliteJournalMode::Wal)
        // An acknowledged record survives a power cut, not only a crash.
        .synchronous(SqliteSynchronous::Full)
        .disable_statement_logging()
        .connect()
        .await
}

/// One transaction over records and dead letters.
async fn put_in(
    conn: &mut SqliteConnection,
    source: Source,
    state: &str,
    records: &[&CallRecord],
    dead: &[DeadLetter],
) -> Result<Put, StoreError> {
    let (now, mut put) = (now_ms(), Put::default());
    let mut commit = conn.begin().await?;
    for record in records {
        let state = if record.store_only { "kept" } else { state };
        let mut new = insert(&mut commit, source, state, record, now).await?;
        if !new && let Some(other) = of_another_call(&mut commit, record).await? {
            new = insert(&mut commit, source, state, &other, now).await?;
            put.renamed += u64::from(new);
        }
        put.new += u64::from(new);
        put.again += u64::from(!new);
        put.waiting += u64::from(new && state == "waiting");
    }
    for letter in dead {
        sqlx::query(
            "INSERT INTO dead_letters (file, line, reason, body, at_ms) VALUES (?, ?, ?, ?, ?)
             ON CONFLICT DO NOTHING",
        )
        .bind(&letter.file)
        .bind(i64::try_from(letter.line).unwrap_or(i64::MAX))
        .bind(&letter.reason)
        .bind(&letter.body)
        .bind(now)
        .execute(&mut *commit)
        .await?;
    }
    commit.commit().await?;
    Ok(put)
}

/// The record under an id of its own, where the one that is there is of another call: a switch that takes
/// its ids from the caller (`inbound-use-callid-as-uuid`) lets callers choose them. Made of when the call
/// began, so that the same record gets the same id again.
async fn of_another_call(
    conn: &mut SqliteConnection,
    record: &CallRecord,
) -> Result<Option<CallRecord>, StoreError> {
    let there: Option<i64> = sqlx::query_scalar("SELECT started_ms FROM records WHERE id = ?")
        .bind(&record.id)
        .fetch_optional(conn)
        .await?;
    if there.is_none_or(|started_ms| started_ms == record.started_ms) {
        return Ok(None);
    }
    Ok(Some(CallRecord { id: format!("{}/{}", record.id, record.started_ms), ..record.clone() }))
}

/// Puts one in; whether it was not there.
async fn insert(
    conn: &mut SqliteConnection,
    source: Source,
    state: &str,
    record: &CallRecord,
    now_ms: i64,
) -> Result<bool, StoreError> {
    let body =
        serde_json::to_string(record).map_err(|e| StoreError::Failed { why: e.to_string() })?;
    let done = sqlx::query(
        "INSERT INTO records (id, org, switch, called, decision, cause, started_ms, ended_ms,
         body, source, received_ms, state) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)
         ON CONFLICT (id) DO NOTHING",
    )
    .bind(&record.id)
    .bind(i64::from(record.facts.org))
    .bind(&record.switch)
    .bind(&record.facts.called)
    .bind(&record.decision)
    .bind(i64::from(record.cause))
    .bind(record.started_ms)
    .bind(record.ended_ms)
    .bind(body)
    .bind(source.as_str())
    .bind(now_ms)
    .bind(state)
    .execute(conn)
    .await?;
    Ok(done.rows_affected() > 0)
}
