//! `freeswitch.Dbh` on a real MariaDB: its types as text, its quoting, its limits.

use std::sync::Arc;
use std::time::{Duration, Instant};

use super::super::tests::{MANIFEST, Rig};
use super::super::{Engine, Phase};
use super::Outside;
use crate::config::{self, Config};
use crate::db::Access;
use crate::db::testing::{MariaDb, open, run};
use crate::published::PublishedHandle;

const TABLE: &str =
    "CREATE TABLE t (a INT PRIMARY KEY, b VARCHAR(100), price DECIMAL(12,6), at DATETIME,
    raw VARBINARY(10), n BIGINT UNSIGNED);
INSERT INTO t VALUES (1, 'x', 0.012500, '2026-11-21 12:00:00', X'00FF', 18446744073709551615);
INSERT INTO t VALUES (2, NULL, NULL, NULL, NULL, NULL);
";

const SCRIPT: &str = r#"
    local dbh = freeswitch.Dbh('there')
    assert(dbh:connected())
    -- Every type as text, money not rounded, null as mod_lua's rows have it.
    local row = dbh:first_row('SELECT a, b, price, at, n FROM t WHERE a = 1')
    assert(row.a == '1' and row.b == 'x' and row.price == '0.012500', row.price)
    assert(row.at == '2026-11-21 12:00:00' and row.n == '18446744073709551615')
    local all = {}
    assert(dbh:query('SELECT a, b FROM t ORDER BY a', function(r) all[#all + 1] = r.a .. r.b end))
    assert(table.concat(all, ',') == '1x,2')
    assert(dbh:first_value('SELECT COUNT(*) FROM t') == '2')
    assert(dbh:first_row('SHOW TABLES') ~= nil)
    -- What is quoted stays one text, backslashes and quotes too.
    local hostile = "\\' OR 1=1; DROP TABLE t; -- \\"
    assert(dbh:first_value('SELECT ' .. dbh:quote(hostile)) == hostile)
    assert(dbh:first_value("SELECT a FROM t WHERE b = " .. dbh:quote("x' OR 'a' = 'a")) == nil)
    -- The alias reads; the server itself holds it to that.
    for _, sql in ipairs { "DELETE FROM t", "SELECT 1; DELETE FROM t", "SET SESSION TRANSACTION READ WRITE",
                           "SELECT 1 INTO OUTFILE '/tmp/x'", "SELECT LOAD_FILE('/etc/passwd')",
                           "SELECT 1 /*! INTO OUTFILE '/tmp/x' */", "SELECT nonsense" } do
        assert(dbh:query(sql) == false and dbh:last_error(), sql)
        dbh:clear_error()
    end
    local ours = freeswitch.Dbh('ours')
    assert(ours:query("UPDATE t SET b = " .. ours:quote("it's \\ 5") .. " WHERE a = 2") and ours:affected_rows() == 1)
    assert(ours:first_value('SELECT b FROM t WHERE a = 2') == "it's \\ 5")
    assert(ours:query("INSERT INTO t (a) VALUES (1)") == false and ours:last_error():find('Duplicate'))
    assert(not pcall(freeswitch.Dbh, 'none'))
    local ok = ours:query_rows('SELECT a.a FROM t a, (WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 900) SELECT i FROM n) x, (WITH RECURSIVE m(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM m WHERE i < 20) SELECT i FROM m) y')
    assert(not ok and ours:last_error():find('more than 10000 rows'), ours:last_error())"#;

/// A statement that works for longer than anybody waits.
const SLOW: &str = "local dbh = freeswitch.Dbh('there')
    assert(dbh:query('SELECT SLEEP(60)') == false, 'it was waited for')
    assert(dbh:last_error():find('no answer within'), dbh:last_error())
    assert(dbh:first_value('SELECT 1') == '1', 'the next has a connection of its own')";

fn config(rig: &Rig, url: &str) -> Config {
    let mut config = Config { policy: rig.config.clone(), ..Config::default() };
    for (alias, read_only) in [("there", true), ("ours", false)] {
        let url = url.to_owned();
        let database = config::Database { url, read_only, ..config::Database::default() };
        config.databases.insert(alias.to_owned(), database);
    }
    config
}

#[tokio::test]
async fn databases_on_mariadb() {
    let Some(mut server) = MariaDb::start("databases_on_mariadb") else { return };
    let url = server.database("policies").await;
    let mut conn = open(&url, Access::ReadWrite).await;
    run(&mut conn, TABLE).await;
    conn.close().await;
    for (script, within_s) in [(SCRIPT, 60), (SLOW, 20)] {
        let files = [("default/manifest.toml", MANIFEST), ("default/x.lua", script)];
        let rig = Rig::with(&files, |config| config.call_budget_ms = 30_000);
        let config = config(&rig, &server.address("policies"));
        let world = Outside::new(&config, PublishedHandle::new()).expect("a world");
        let engine = Engine::start_in(&config.policy, Arc::new(world)).expect("threads");
        let rig = Rig { engine, ..rig };
        let began = Instant::now();
        let ended = rig.run(Phase::Call, 0, "default").await;
        assert!(ended.is_ok(), "{ended:?}");
        assert!(began.elapsed() < Duration::from_secs(within_s), "{:?}", began.elapsed());
    }
}
