//! The schema in both engines.

use super::testing::{self, MariaDb, SAMPLE, open, sqlite_url};
use super::*;

const NINE: &str = include_str!("../../migrations/sqlite/0001_lcr.sql");

#[test]
fn addresses_are_understood_or_refused_in_one_line() {
    for (text, shown) in [
        ("sqlite:lcr.sqlite", "sqlite:lcr.sqlite"),
        ("sqlite://lcr.sqlite", "sqlite:lcr.sqlite"),
        ("sqlite:///var/lib/fsx/lcr.sqlite", "sqlite:/var/lib/fsx/lcr.sqlite"),
        ("mysql://u:secret@db.example:3307/LCR", "mysql://u@db.example:3307/LCR"),
        ("mariadb://u@localhost/LCR?socket=/run/m.sock", "mysql://u@/run/m.sock/LCR"),
    ] {
        assert_eq!(text.parse::<DbUrl>().expect(text).to_string(), shown);
    }
    for text in [
        "",
        "lcr.sqlite",
        "postgres://x/y",
        "sqlite:",
        "sqlite::memory:",
        "sqlite:lcr.sqlite?mode=ro",
        "mysql://host",
    ] {
        let error = text.parse::<DbUrl>().expect_err(text);
        assert!(error.is_usage(), "{text}");
        assert!(!error.to_string().contains('\n'), "{error}");
    }
}

/// Empty database: made, made again, found complete. Then a row of every kind goes in.
async fn makes_everything(url: &DbUrl) {
    let mut conn = open(url, Access::Create).await;
    let done = migrate(&mut conn).await.expect("first");
    assert_eq!((done.from, done.steps.len(), done.kept.len()), (0, 3, 0), "{done:?}");
    let again = migrate(&mut conn).await.expect("again");
    assert_eq!((again.from, again.steps.len()), (VERSION, 0), "{again:?}");
    assert_eq!(check(&mut conn).await.expect("checked"), []);
    testing::run(&mut conn, SAMPLE).await;
    conn.close().await;
}

/// A read-only connection is refused by the engine itself.
async fn read_only_cannot_write(url: &DbUrl) {
    let mut conn = open(url, Access::ReadOnly).await;
    let rows = conn.rows("count", "SELECT COUNT(*) FROM Carriers", 1).await.expect("reads");
    assert_eq!(rows, [[Some("6".to_owned())]]);
    for sql in ["UPDATE Carriers SET Enabled = 'NO'", "DELETE FROM Numbers", "DROP TABLE Formats"] {
        let error = conn.execute("write", sql).await.expect_err(sql).to_string();
        assert!(error.to_lowercase().contains("read"), "{error}");
    }
    conn.close().await;
}

/// A step that fails half way can be repeated; tables and rows that are there stay.
async fn completes_what_is_there(url: &DbUrl) {
    let mut conn = open(url, Access::Create).await;
    for statement in [
        "CREATE TABLE Formats (Name VARCHAR(40), Pattern VARCHAR(99), Replacement VARCHAR(99))",
        "INSERT INTO Formats VALUES ('Ours', '^(.*)$', '$1')",
        "CREATE TABLE LCRRates (ID INTEGER PRIMARY KEY, BandID INTEGER, Rate DECIMAL(18,9), \
         Currency CHAR(3), NextIncrement INTEGER)",
    ] {
        conn.execute("prepare", statement).await.expect("prepared");
    }
    let done = migrate(&mut conn).await.expect("migrates");
    for part in ["Formats has rows", "LCRRates is there", "LCRRates.NextIncrement is there"] {
        assert!(done.kept.iter().any(|line| line.contains(part)), "{part}: {done:?}");
    }
    let schema = Schema::read(&mut conn).await.expect("schema");
    assert!(schema.has("LCRRates", "InitialIncrement") && schema.has("Periods", "TimeZone"));
    let rows = conn.rows("count", "SELECT COUNT(*) FROM Formats", 1).await.expect("counts");
    assert_eq!(rows, [[Some("1".to_owned())]]);
    let findings = check(&mut conn).await.expect("checked");
    assert!(findings.iter().all(|f| !f.fatal), "{findings:?}");
    assert!(findings.iter().any(|f| f.line.contains("LCRRates has no column Setup")));
    conn.close().await;
}

#[tokio::test]
async fn sqlite_is_made_completed_and_guarded() {
    let dir = tempfile::tempdir().expect("dir");
    let url = sqlite_url(dir.path());
    let missing = Conn::open(&url, Access::ReadWrite, std::time::Duration::from_secs(5)).await;
    assert!(matches!(missing, Err(DbError::NoFile { .. })));
    makes_everything(&url).await;
    read_only_cannot_write(&url).await;
    completes_what_is_there(&DbUrl::Sqlite(dir.path().join("other.sqlite"))).await;
}

#[tokio::test]
async fn mariadb_is_made_completed_and_guarded() {
    let Some(mut server) = MariaDb::start("mariadb_is_made_completed_and_guarded") else { return };
    let url = server.database("lcr").await;
    makes_everything(&url).await;
    read_only_cannot_write(&url).await;
    completes_what_is_there(&server.database("other").await).await;
}

#[tokio::test]
async fn a_newer_or_foreign_database_is_named() {
    let dir = tempfile::tempdir().expect("dir");
    let mut conn = open(&sqlite_url(dir.path()), Access::Create).await;
    let findings = check(&mut conn).await.expect("checked");
    assert!(findings.iter().any(|f| f.fatal && f.line.contains("Carriers is missing")));
    testing::run(
        &mut conn,
        &NINE.lines().filter(|l| !l.starts_with("--")).collect::<Vec<_>>().join("\n"),
    )
    .await;
    let findings = check(&mut conn).await.expect("checked");
    assert!(findings.iter().all(|f| !f.fatal), "{findings:?}");
    assert!(findings.iter().any(|f| f.line.contains("not made by fsx")));
    migrate(&mut conn).await.expect("completes");
    conn.execute("age", "INSERT INTO FsxSchema VALUES (99, 'later', 'now')").await.expect("aged");
    assert!(matches!(migrate(&mut conn).await, Err(DbError::TooNew { found: 99, .. })));
    assert!(matches!(check(&mut conn).await, Err(DbError::TooNew { found: 99, .. })));
}

#[test]
fn texts_are_quoted_for_the_engine() {
    assert_eq!(quote(true, r"it's ^\d"), r"'it''s ^\d'");
    assert_eq!(quote(false, r"it's ^\d"), r"'it''s ^\\d'");
}
