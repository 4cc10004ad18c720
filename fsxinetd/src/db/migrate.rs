//! Makes the tables, or completes the owner's.
//!
//! Why not a ready-made migrator: the same steps must work on an empty database, on the owner's nine
//! tables with some of the additions already made by hand, and again after half of them failed
//! (MariaDB cannot roll back a CREATE TABLE). So every step is made to be repeated: a table that is
//! there is left, a column that is there is skipped, and rules are put only into tables that were
//! empty. `FsxSchema` keeps the version reached.

use super::{Conn, DbError, Schema};

/// The version that this release makes.
pub const VERSION: u32 = 3;

/// The steps: version, name, SQLite, MariaDB.
const STEPS: &[(u32, &str, &str, &str)] = &[
    (
        1,
        "the nine LCR tables",
        include_str!("../../migrations/sqlite/0001_lcr.sql"),
        include_str!("../../migrations/mysql/0001_lcr.sql"),
    ),
    (
        2,
        "what fsx adds",
        include_str!("../../migrations/sqlite/0002_fsx.sql"),
        include_str!("../../migrations/mysql/0002_fsx.sql"),
    ),
    (
        3,
        "rules to start from",
        include_str!("../../migrations/sqlite/0003_rules.sql"),
        include_str!("../../migrations/mysql/0003_rules.sql"),
    ),
];

/// What a migration did.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Migrated {
    /// Version found; 0 where there was none.
    pub from: u32,
    /// Steps taken, by name.
    pub steps: Vec<&'static str>,
    /// What was left as it was, and why.
    pub kept: Vec<String>,
}

/// The version that the database says it is at; `None` when fsx never migrated it.
pub(super) async fn version(conn: &mut Conn, schema: &Schema) -> Result<Option<u32>, DbError> {
    if !schema.has_table("FsxSchema") {
        return Ok(None);
    }
    let rows = conn.rows("read the version", "SELECT MAX(Version) FROM FsxSchema", 1).await?;
    Ok(rows.first().and_then(|r| r[0].as_deref()).and_then(|text| text.parse().ok()))
}

/// The steps that [`migrate`] would take.
///
/// # Errors
/// [`DbError`].
pub async fn pending(conn: &mut Conn) -> Result<Vec<&'static str>, DbError> {
    let schema = Schema::read(conn).await?;
    let from = version(conn, &schema).await?.unwrap_or(0);
    Ok(STEPS.iter().filter(|s| s.0 > from).map(|s| s.1).collect())
}

/// Brings the tables to [`VERSION`]. Safe to repeat, and to repeat after a failure.
///
/// # Errors
/// [`DbError`]; on SQLite nothing has then changed, on MariaDB the steps before have.
pub async fn migrate(conn: &mut Conn) -> Result<Migrated, DbError> {
    let at_start = Schema::read(conn).await?;
    let from = version(conn, &at_start).await?.unwrap_or(0);
    if from > VERSION {
        return Err(DbError::TooNew { found: from, known: VERSION });
    }
    let mut done = Migrated { from, ..Migrated::default() };
    if from == VERSION {
        return Ok(done);
    }
    let sqlite = conn.is_sqlite();
    conn.execute("begin", if sqlite { "BEGIN IMMEDIATE" } else { "START TRANSACTION" }).await?;
    match steps(conn, &at_start, &mut done).await {
        Ok(()) => conn.execute("commit", "COMMIT").await.map(|_| done),
        Err(error) => {
            // The first error is the one to tell.
            let _ = conn.execute("roll back", "ROLLBACK").await;
            Err(error)
        }
    }
}

async fn steps(conn: &mut Conn, at_start: &Schema, done: &mut Migrated) -> Result<(), DbError> {
    let sqlite = conn.is_sqlite();
    let make = if sqlite {
        "CREATE TABLE IF NOT EXISTS FsxSchema (Version INTEGER PRIMARY KEY, Name TEXT NOT NULL, \
         Applied TEXT NOT NULL DEFAULT CURRENT_TIMESTAMP)"
    } else {
        "CREATE TABLE IF NOT EXISTS FsxSchema (Version INT UNSIGNED NOT NULL PRIMARY KEY, \
         Name VARCHAR(100) NOT NULL, Applied DATETIME NOT NULL DEFAULT CURRENT_TIMESTAMP)"
    };
    conn.execute("make table FsxSchema", make).await?;
    for &(version, name, for_sqlite, for_mysql) in STEPS {
        if version <= done.from {
            continue;
        }
        for statement in statements(if sqlite { for_sqlite } else { for_mysql }) {
            if let Some(kept) = skip(conn, at_start, statement).await? {
                done.kept.push(kept);
                continue;
            }
            let first_line = statement.lines().next().unwrap_or("");
            conn.execute(first_line, statement).await?;
        }
        let mark = format!("INSERT INTO FsxSchema (Version, Name) VALUES ({version}, '{name}')");
        conn.execute("note the version", &mark).await?;
        done.steps.push(name);
    }
    Ok(())
}

/// Whether a statement is to be left out, and what to say of it.
async fn skip(
    conn: &mut Conn,
    at_start: &Schema,
    statement: &str,
) -> Result<Option<String>, DbError> {
    let words: Vec<&str> = statement.split_whitespace().take(6).collect();
    Ok(match words.as_slice() {
        ["ALTER", "TABLE", table, "ADD", "COLUMN", column] => {
            let there = Schema::read(conn).await?.has(table, column);
            there.then(|| format!("{table}.{column} is there already"))
        }
        ["INSERT", "INTO", table, ..] if at_start.has_table(table) => {
            let sql = format!("SELECT COUNT(*) FROM {table}");
            let rows = conn.rows("count rows", &sql, 1).await?;
            let empty = rows.first().and_then(|r| r[0].as_deref()) == Some("0");
            (!empty).then(|| format!("{table} has rows already"))
        }
        ["CREATE", "TABLE", "IF", "NOT", "EXISTS", table] if at_start.has_table(table) => {
            Some(format!("{table} is there already"))
        }
        ["CREATE", "INDEX", ..] => {
            // An index is only for the tables that are ours to make.
            let table = statement.split(" ON ").nth(1).and_then(|s| s.split_whitespace().next());
            table.filter(|t| at_start.has_table(t)).map(|t| format!("indexes of {t} left alone"))
        }
        _ => None,
    })
}

/// The statements of a file: split at a `;` that ends a line, comments left out. The files are ours,
/// so that is enough; a test holds that no text in them ends a line with one.
fn statements(file: &'static str) -> impl Iterator<Item = &'static str> {
    file.split(";\n").filter_map(|piece| {
        let mut rest = piece.trim_start();
        while rest.starts_with("--") {
            rest = rest.split_once('\n').map_or("", |(_, after)| after).trim_start();
        }
        (!rest.is_empty()).then_some(rest)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn files_split_into_whole_statements() {
        for &(version, _, sqlite, mysql) in STEPS {
            for file in [sqlite, mysql] {
                let all: Vec<_> = statements(file).collect();
                assert!(all.len() >= 4, "step {version}: {}", all.len());
                for s in all {
                    let verb = s.split_whitespace().next().expect("a word");
                    assert!(["CREATE", "ALTER", "INSERT"].contains(&verb), "{s}");
                    assert_eq!(s.matches('(').count(), s.matches(')').count(), "{s}");
                }
            }
        }
        assert_eq!(STEPS.last().map(|s| s.0), Some(VERSION));
    }
}
