//! A small LCR database, in SQLite, with the tables that fsxinetd's own migrations make.

use std::path::{Path, PathBuf};

use sqlx::{ConnectOptions as _, Connection as _, sqlite::SqliteConnectOptions};

/// A database file.
#[derive(Clone, Debug)]
pub struct Deck {
    path: PathBuf,
}

impl Deck {
    /// Names one; fsxinetd makes its tables.
    #[must_use]
    pub fn at(path: &Path) -> Self {
        Self { path: path.to_owned() }
    }

    /// Where it is.
    #[must_use]
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// As fsxinetd's configuration wants it.
    #[must_use]
    pub fn url(&self) -> String {
        format!("sqlite://{}", self.path.display())
    }

    /// Runs statements, all of them or none.
    ///
    /// # Panics
    /// When one fails.
    #[track_caller]
    pub fn run(&self, sql: &str) {
        let done = block_on(async {
            let options = SqliteConnectOptions::new().filename(&self.path).create_if_missing(true);
            let mut connection = options.connect().await?;
            let mut transaction = connection.begin().await?;
            sqlx::raw_sql(sqlx::AssertSqlSafe(sql.to_owned())).execute(&mut *transaction).await?;
            transaction.commit().await?;
            connection.close().await
        });
        done.unwrap_or_else(|e| panic!("{}: {e}\n{sql}", self.path.display()));
    }
}

fn block_on<F: Future>(future: F) -> F::Output {
    tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .unwrap_or_else(|e| panic!("no runtime: {e}"))
        .block_on(future)
}
