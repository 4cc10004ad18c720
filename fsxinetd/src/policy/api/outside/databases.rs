//! Databases of policies, by alias: few connections each, deadlines, and rows as text.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use futures_util::StreamExt as _;
use sqlx::{AssertSqlSafe, Column as _, Either, Row as _};
use tokio::sync::Semaphore;
use tokio::time::timeout;

use super::super::{Asker, DbAnswer, DbAsk};
use super::sql;
use crate::config;
use crate::db::{Access, Conn, DbUrl, TextRow};
use crate::policy::screen::Author;

/// How long a server may work on one statement, whoever waits for it.
const MAX_STATEMENT: Duration = Duration::from_secs(10);

/// How often SQLite is asked to look at the clock, in steps of its machine.
const STEPS: i32 = 10_000;

/// More than SQLite can be built to attach.
const MAX_ATTACHED: u32 = 126;

/// Most bytes of one answer.
const MAX_BYTES: usize = 4 << 20;

/// A connection that was not used for longer is not trusted to be there.
const FRESH: Duration = Duration::from_secs(30);

/// One alias.
#[derive(Debug)]
pub(super) struct Database {
    alias: String,
    url: DbUrl,
    read_only: bool,
    acquire: Duration,
    /// Organisations whose own policies may use it.
    organisations: Vec<u32>,
    turns: Semaphore,
    idle: Mutex<Vec<(Conn, Instant)>>,
}

/// All of them.
#[derive(Debug, Default)]
pub(super) struct Databases(BTreeMap<String, Arc<Database>>);

impl Databases {
    /// Those whose address can be read; the configuration has complained of the others.
    pub(super) fn new(config: &BTreeMap<String, config::Database>) -> Self {
        let one = |(alias, config): (&String, &config::Database)| {
            let database = Database {
                alias: alias.clone(),
                url: config.url.parse().ok()?,
                read_only: config.read_only,
                acquire: Duration::from_millis(config.acquire_timeout_ms.into()),
                organisations: config.organisations.clone(),
                turns: Semaphore::new(config.max_connections.max(1) as usize),
                idle: Mutex::default(),
            };
            Some((alias.clone(), Arc::new(database)))
        };
        Self(config.iter().filter_map(one).collect())
    }

    /// The database, where the asker may use it. To an organisation, one that it may not use and
    /// one that is not there look the same.
    pub(super) fn find(&self, asker: &Asker, alias: &str) -> Result<Arc<Database>, String> {
        let found = self.0.get(alias).filter(|database| match asker.author {
            Author::Platform => true,
            Author::Organisation => database.organisations.contains(&asker.org),
        });
        found.cloned().ok_or_else(|| {
            format!(
                "there is no database \"{alias}\" that this policy may use ([databases.{alias}])"
            )
        })
    }
}

impl Database {
    pub(super) fn is_sqlite(&self) -> bool {
        matches!(self.url, DbUrl::Sqlite(_))
    }

    /// Makes one statement.
    pub(super) async fn ask(&self, ask: DbAsk) -> Result<DbAnswer, String> {
        sql::check(&ask.sql, self.read_only)?;
        let began = Instant::now();
        let turn = timeout(self.acquire.min(ask.timeout), self.turns.acquire());
        let _turn = match turn.await {
            Ok(Ok(turn)) => turn,
            _ => return Err(format!("{}: every connection is busy", self.alias)),
        };
        let left = |timeout: Duration| timeout.saturating_sub(began.elapsed());
        let mut conn = match self.taken() {
            Some(conn) => conn,
            None => {
                let access = if self.read_only { Access::ReadOnly } else { Access::ReadWrite };
                let limit = self.acquire.min(left(ask.timeout));
                let mut conn =
                    Conn::open(&self.url, access, limit).await.map_err(|e| e.to_string())?;
                if self.is_sqlite() {
                    no_other_files(&mut conn).await;
                } else {
                    // A statement that we gave up must not go on there. MySQL has no such word,
                    // and does without.
                    let seconds = MAX_STATEMENT.as_secs();
                    let sql = format!("SET SESSION max_statement_time = {seconds}");
                    let _ = conn.execute("limit statements", &sql).await;
                }
                conn
            }
        };
        // A connection whose statement was given up in the midst is dropped with it.
        let said = timeout(left(ask.timeout), rows(&mut conn, &ask)).await;
        let said = said.map_err(|_| format!("no answer within {} ms", ask.timeout.as_millis()))?;
        match said {
            Ok(answer) => {
                self.idle().push((conn, Instant::now()));
                Ok(answer)
            }
            // The engine said no to the statement; the connection is as good as before.
            Err(Fault::Engine(why)) => {
                self.idle().push((conn, Instant::now()));
                Err(why)
            }
            Err(Fault::Broken(why)) => Err(why),
        }
    }

    fn idle(&self) -> std::sync::MutexGuard<'_, Vec<(Conn, Instant)>> {
        self.idle.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn taken(&self) -> Option<Conn> {
        let mut idle = self.idle();
        idle.retain(|(_, since)| since.elapsed() < FRESH);
        idle.pop().map(|(conn, _)| conn)
    }
}

/// SQLite opens no further file on this connection: it takes ten at most beside its own (its limit as
/// it is built here), and all ten are used up, by nothing. `sql::check` lets no ATTACH and no DETACH
/// through; this is for the day when it is fooled. There is no way to say so without unsafe code.
async fn no_other_files(conn: &mut Conn) {
    for n in 0..MAX_ATTACHED {
        let sql = format!("ATTACH ':memory:' AS fsx_nothing_{n}");
        if conn.execute("take every place of a database", &sql).await.is_err() {
            return;
        }
    }
}

enum Fault {
    Engine(String),
    Broken(String),
}

fn fault(error: sqlx::Error) -> Fault {
    match error {
        sqlx::Error::Database(error) => Fault::Engine(error.message().to_owned()),
        other => Fault::Broken(other.to_string()),
    }
}

async fn rows(conn: &mut Conn, ask: &DbAsk) -> Result<DbAnswer, Fault> {
    let mut answer = DbAnswer::default();
    let mut bytes = 0;
    // Plain text both ways: MariaDB then sends every type as text. One statement is all there is,
    // which was checked.
    macro_rules! take {
        ($conn:expr) => {{
            let mut stream = sqlx::raw_sql(AssertSqlSafe(ask.sql.clone())).fetch_many($conn);
            while let Some(next) = stream.next().await {
                match next.map_err(fault)? {
                    Either::Left(done) => answer.affected += done.rows_affected(),
                    Either::Right(row) => {
                        if answer.columns.is_empty() {
                            answer.columns =
                                row.columns().iter().map(|c| c.name().to_owned()).collect();
                        }
                        if answer.rows.len() >= ask.max_rows {
                            return Err(Fault::Broken(format!(
                                "more than {} rows; say LIMIT",
                                ask.max_rows
                            )));
                        }
                        let mut one = Vec::with_capacity(answer.columns.len());
                        for at in 0..answer.columns.len() {
                            let value = TextRow::bytes(&row, at).map_err(fault)?;
                            bytes += value.map_or(0, <[u8]>::len);
                            one.push(value.map(|b| String::from_utf8_lossy(b).into_owned()));
                        }
                        if bytes > MAX_BYTES {
                            return Err(Fault::Broken(format!(
                                "more than {MAX_BYTES} bytes; say LIMIT"
                            )));
                        }
                        answer.rows.push(one);
                    }
                }
            }
        }};
    }
    match conn {
        Conn::Sqlite(c) => {
            // It works on a thread of its own, which nothing else would stop.
            let until = Instant::now() + ask.timeout;
            let mut handle = c.lock_handle().await.map_err(fault)?;
            handle.set_progress_handler(STEPS, move || Instant::now() < until);
            drop(handle);
            take!(&mut *c);
        }
        Conn::Mysql(c) => take!(&mut *c),
    }
    Ok(answer)
}

impl std::fmt::Debug for Conn {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(if self.is_sqlite() { "Conn(sqlite)" } else { "Conn(mysql)" })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn sqlite_opens_no_other_file() {
        let dir = tempfile::tempdir().expect("a directory");
        let (own, other) = (dir.path().join("own.db"), dir.path().join("other.db"));
        let config = config::Database {
            url: format!("sqlite:{}", own.display()),
            read_only: false,
            ..config::Database::default()
        };
        for path in [&own, &other] {
            let url: DbUrl = format!("sqlite:{}", path.display()).parse().expect("an address");
            let limit = Duration::from_secs(5);
            let mut conn = Conn::open(&url, Access::Create, limit).await.expect("a database");
            conn.execute("fill", "CREATE TABLE t AS SELECT 'secret' AS a").await.expect("filled");
        }
        let all = Databases::new(&[("A".to_owned(), config)].into());
        let database = Arc::clone(&all.0["A"]);
        let ask = |sql: String| DbAsk {
            alias: "A".to_owned(),
            sql,
            max_rows: 10,
            timeout: Duration::from_secs(5),
        };
        let said = database.ask(ask("SELECT a FROM t".to_owned())).await.expect("rows");
        assert_eq!(said.rows, [[Some("secret".to_owned())]]);
        // As if the check of statements had let it through.
        let mut conn = database.taken().expect("the connection of just now");
        let attach = ask(format!("ATTACH '{}' AS o", other.display()));
        match rows(&mut conn, &attach).await {
            Err(Fault::Engine(why)) => assert!(why.contains("too many attached"), "{why}"),
            Err(Fault::Broken(why)) => panic!("broken: {why}"),
            Ok(_) => panic!("another file was opened"),
        }
    }
}
