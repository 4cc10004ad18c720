//! The last good answers on disk, so that they outlive the daemon and the machine's restart.
//!
//! Writing happens beside the answering, in batches; what cannot be written is written when it is
//! answered again. The file holds what directories hold, passwords among it, and is the daemon's alone.

use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use sqlx::sqlite::SqliteSynchronous;
use sqlx::sqlite::{SqliteConnectOptions, SqliteJournalMode, SqlitePool, SqlitePoolOptions};
use tokio::sync::mpsc;

/// Most changes that wait to be written; the next are dropped.
const QUEUE: usize = 1024;

/// Most changes in one transaction.
const BATCH: usize = 256;

const TABLES: &str = "
CREATE TABLE IF NOT EXISTS answers (
    key TEXT PRIMARY KEY,
    section TEXT NOT NULL,
    document TEXT NOT NULL,
    at INTEGER NOT NULL
) WITHOUT ROWID;
CREATE INDEX IF NOT EXISTS answers_at ON answers (at);
PRAGMA user_version = 1;
";

/// A change.
#[derive(Debug)]
pub(super) struct Change {
    pub(super) key: String,
    pub(super) section: &'static str,
    /// `None` takes the answer out.
    pub(super) document: Option<Arc<str>>,
    /// When, in seconds since 1970 UTC.
    pub(super) at: i64,
}

/// The file. Cheap to clone.
#[derive(Clone, Debug)]
pub(super) struct Store {
    pool: SqlitePool,
    changes: mpsc::Sender<Change>,
}

impl Store {
    /// Opens or makes the file, and begins to write into it.
    pub(super) async fn open(path: &Path, most: u32) -> Result<Self, String> {
        let wrong = |e: &dyn std::fmt::Display| format!("XML store {}: {e}", path.display());
        if let Some(folder) = path.parent().filter(|folder| !folder.as_os_str().is_empty()) {
            std::fs::create_dir_all(folder).map_err(|e| wrong(&e))?;
        }
        // Made by us and closed to others before anything is in it.
        let file = std::fs::OpenOptions::new().create(true).append(true).open(path);
        file.and_then(|file| file.set_permissions(std::fs::Permissions::from_mode(0o600)))
            .map_err(|e| wrong(&e))?;
        let options = SqliteConnectOptions::new()
            .filename(path)
            .journal_mode(SqliteJournalMode::Wal)
            .synchronous(SqliteSynchronous::Normal)
            .busy_timeout(Duration::from_secs(5));
        let pool = SqlitePoolOptions::new()
            .max_connections(4)
            .acquire_timeout(Duration::from_secs(5))
            .connect_with(options)
            .await
            .map_err(|e| wrong(&e))?;
        sqlx::raw_sql(TABLES).execute(&pool).await.map_err(|e| wrong(&e))?;
        let (changes, queue) = mpsc::channel(QUEUE);
        tokio::spawn(write(pool.clone(), queue, most));
        Ok(Self { pool, changes })
    }

    /// Notes a change, to be written soon.
    pub(super) fn note(&self, change: Change) {
        let _ = self.changes.try_send(change);
    }

    /// The answer, and when it was given.
    pub(super) async fn get(&self, key: &str) -> Option<(Arc<str>, i64)> {
        let asked =
            sqlx::query_as::<_, (String, i64)>("SELECT document, at FROM answers WHERE key = ?");
        match asked.bind(key).fetch_optional(&self.pool).await {
            Ok(found) => found.map(|(document, at)| (document.into(), at)),
            Err(error) => {
                tracing::error!("XML store: {error}");
                None
            }
        }
    }
}

async fn write(pool: SqlitePool, mut queue: mpsc::Receiver<Change>, most: u32) {
    let mut changes = Vec::with_capacity(BATCH);
    while queue.recv_many(&mut changes, BATCH).await > 0 {
        if let Err(error) = write_batch(&pool, &changes, most).await {
            tracing::error!("XML store: {} answers not written: {error}", changes.len());
        }
        changes.clear();
    }
}

async fn write_batch(pool: &SqlitePool, changes: &[Change], most: u32) -> Result<(), sqlx::Error> {
    let mut transaction = pool.begin().await?;
    for change in changes {
        match &change.document {
            Some(document) => {
                sqlx::query(
                    "INSERT INTO answers (key, section, document, at) VALUES (?, ?, ?, ?) \
                     ON CONFLICT (key) DO UPDATE SET document = excluded.document, at = excluded.at",
                )
                .bind(&change.key)
                .bind(change.section)
                .bind(&**document)
                .bind(change.at)
                .execute(&mut *transaction)
                .await?;
            }
            None => {
                let out = sqlx::query("DELETE FROM answers WHERE key = ?").bind(&change.key);
                out.execute(&mut *transaction).await?;
            }
        }
    }
    sqlx::query(
        "DELETE FROM answers WHERE key IN (SELECT key FROM answers ORDER BY at LIMIT \
         max(0, (SELECT count(*) FROM answers) - ?))",
    )
    .bind(most)
    .execute(&mut *transaction)
    .await?;
    transaction.commit().await
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn what_was_written_is_there_after_a_restart() {
        let dir = tempfile::tempdir().expect("a folder");
        let path = dir.path().join("deep/xml.sqlite");
        let store = Store::open(&path, 3).await.expect("a store");
        let change = |key: &str, document: Option<&str>, at| Change {
            key: key.to_owned(),
            section: "directory",
            document: document.map(Into::into),
            at,
        };
        for n in 0..5 {
            store.note(change(&format!("k{n}"), Some("<a/>"), n));
        }
        store.note(change("k4", Some("<b/>"), 9));
        store.note(change("k3", None, 9));
        let mut found = None;
        for _ in 0..500 {
            found = store.get("k4").await;
            if found.as_ref().is_some_and(|(_, at)| *at == 9) && store.get("k3").await.is_none() {
                break;
            }
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
        assert_eq!(found, Some(("<b/>".into(), 9)));
        drop(store);
        let mode = std::fs::metadata(&path).expect("a file").permissions().mode();
        assert_eq!(mode & 0o777, 0o600);
        let store = Store::open(&path, 3).await.expect("again");
        assert_eq!(store.get("k4").await, Some(("<b/>".into(), 9)));
        assert_eq!(store.get("k0").await, None, "the oldest went");
        assert!(Store::open(dir.path(), 3).await.is_err(), "a folder is no file");
    }
}
