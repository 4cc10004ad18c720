//! Whatever would take something away that nobody gave up.

use std::collections::BTreeSet;
use std::path::Path;
use std::time::Duration;

use fsx_core::Nano;
use fsx_core::data::LiveView as _;
use fsx_live::{LiveSpec, LiveTable};
use fsx_snapshot::{BuildError, Snapshot};
use tokio::sync::watch;

use super::live::LiveRows;
use super::tests::{AT, filled, read_at, settings, until};
use super::*;
use crate::db::testing::{self, SAMPLE, sqlite_url};
use crate::db::{Conn, Schema};
use crate::published::PublishedHandle;

/// A build of the tables, where a third of the rows may be lost.
async fn built(conn: &mut Conn) -> Result<Snapshot<Vec<u8>>, FeedError> {
    let loose = MakeSettings { max_lost_share: 0.33, ..MakeSettings::default() };
    make(&read_at(conn, AT).await, &loose, 2, AT)
        .map(|built| Snapshot::open(built.bytes).expect("opens"))
}

#[tokio::test]
async fn a_carrier_is_not_lost_in_reading() {
    for (sql, carrier) in [
        ("UPDATE LCRRates SET Start = '31/01/2026' WHERE BandID = 501", "101"),
        ("UPDATE LCRRates SET ABandID = 'x' WHERE BandID = 501", "101"),
        ("UPDATE LCRRates SET BandID = 'x' WHERE BandID = 501", "101"),
        ("UPDATE Numbers SET OrgID = 'x' WHERE BandID = 504", "104"),
        ("UPDATE Numbers SET Enabled = 'maybe' WHERE BandID = 504", "104"),
        ("UPDATE Bands SET Enabled = 'maybe' WHERE ID = 504", "104"),
        ("UPDATE Bands SET CarrierID = 'x' WHERE ID = 504", "104"),
        ("UPDATE Carriers SET Enabled = 'maybe' WHERE ID = 104", "104"),
        ("UPDATE Carriers SET ClosedLoopCarrier = 'maybe' WHERE ID = 104", "104"),
        ("UPDATE CarrierGateway SET ConcCalls = 'x' WHERE CarrierID = 104", "104"),
    ] {
        let dir = tempfile::tempdir().expect("dir");
        let mut conn = filled(&sqlite_url(dir.path()), SAMPLE).await;
        // The owner's databases know no types; ours do.
        testing::run(&mut conn, sql).await;
        let error = built(&mut conn).await.map(|_| ()).expect_err(sql).to_string();
        assert!(error.contains(&format!("carrier {carrier} ")), "{sql}: {error}");
    }
}

#[tokio::test]
async fn losses_of_reading_and_of_building_count_together() {
    let dir = tempfile::tempdir().expect("dir");
    let mut conn = filled(&sqlite_url(dir.path()), SAMPLE).await;
    let rows = |from: u32, number: &str, org: &str| -> String {
        let row = |id| format!("({id}, '{number}', 502, 'YES', '{org}')");
        let rows: Vec<String> = (from..from + 20).map(row).collect();
        format!(
            "INSERT INTO Numbers (ID, Number, BandID, Enabled, OrgID) VALUES {}",
            rows.join(", ")
        )
    };
    testing::run(&mut conn, &rows(1000, "44", "x")).await;
    testing::run(&mut conn, &rows(2000, "none", "0")).await;
    let all = count(&read_at(&mut conn, AT).await.rows);
    // Each by itself would be fine.
    let share = 30.0 / all as f64;
    let strict = MakeSettings { max_lost_share: share, ..MakeSettings::default() };
    let error = make(&read_at(&mut conn, AT).await, &strict, 1, AT).expect_err("refused");
    let FeedError::Build(BuildError::LostTooMuch { lost, of, .. }) = error else {
        panic!("{error}")
    };
    assert_eq!((lost, of), (40, all));
}

#[tokio::test]
async fn emergency_gateways_and_what_a_missing_table_said_are_not_forgotten() {
    let dir = tempfile::tempdir().expect("dir");
    let path = dir.path().join("routes");
    let mut conn = filled(&sqlite_url(dir.path()), SAMPLE).await;
    let old = built(&mut conn).await.expect("builds");
    write_file(&path, old.bytes()).expect("written");
    testing::run(&mut conn, "DELETE FROM EmergencyGateways").await;
    let new = built(&mut conn).await.expect("builds");
    let error = leaves_something(&path, &new, &BTreeSet::new()).expect_err("refused").to_string();
    assert!(error.contains("no emergency gateways any more"), "{error}");

    for (sql, what) in [
        ("ALTER TABLE Overrides RENAME TO Overrides_old", "Overrides"),
        ("ALTER TABLE DiallingRules RENAME COLUMN Pattern TO Pat", "DiallingRules"),
        ("ALTER TABLE LCRRates RENAME COLUMN ABandID TO ABand", "LCRRates.ABandID"),
    ] {
        let dir = tempfile::tempdir().expect("dir");
        let mut conn = filled(&sqlite_url(dir.path()), SAMPLE).await;
        testing::run(&mut conn, sql).await;
        let read = read_at(&mut conn, AT).await;
        assert!(read.lacking.contains(what), "{:?}", read.lacking);
        let new = built(&mut conn).await.expect("builds");
        let error = leaves_something(&path, &new, &read.lacking).expect_err(what).to_string();
        assert!(error.contains(&format!("has no {what} any more")), "{error}");
        // Emptied, the table is there and says that there is nothing.
        leaves_something(&path, &new, &BTreeSet::new()).expect("somebody's wish");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_column_that_goes_away_does_not_open_what_it_closed() {
    let dir = tempfile::tempdir().expect("dir");
    let mut conn = filled(&sqlite_url(dir.path()), SAMPLE).await;
    let feed = Feed::new(settings(dir.path()), PublishedHandle::new()).expect("starts");
    let (mut status, rebuild) = (feed.status(), feed.rebuild());
    let (stop, stopped) = watch::channel(false);
    let running = tokio::spawn(feed.run(stopped));
    let first = until(&mut status, "first", |s| s.generation > 0).await.generation;
    testing::run(&mut conn, "ALTER TABLE LCRRates RENAME COLUMN Start TO EffectiveFrom").await;
    let s = until(&mut status, "refused", |s| s.error.is_some()).await;
    let error = s.error.expect("an error");
    assert!(error.contains("no LCRRates.Start any more"), "{error}");
    assert_eq!(s.generation, first);
    // Somebody who has policies read again has not said that rates are to begin at once.
    rebuild.notify_one();
    tokio::time::sleep(Duration::from_millis(500)).await;
    assert!(status.borrow().error.is_some());
    // Back, and all is well. A new table takes nothing away, whatever it lacks.
    testing::run(&mut conn, "ALTER TABLE LCRRates RENAME COLUMN EffectiveFrom TO Start").await;
    until(&mut status, "well again", |s| s.error.is_none()).await;
    stop.send(true).expect("runs");
    running.await.expect("ends");
    // A restart without the file in place is somebody's word.
    testing::run(&mut conn, "ALTER TABLE LCRRates RENAME COLUMN Start TO EffectiveFrom").await;
    std::fs::remove_file(dir.path().join("routes")).expect("removed");
    let feed = Feed::new(settings(dir.path()), PublishedHandle::new()).expect("starts");
    let mut status = feed.status();
    let (stop, stopped) = watch::channel(false);
    let running = tokio::spawn(feed.run(stopped));
    until(&mut status, "taken", |s| s.generation > first && s.error.is_none()).await;
    stop.send(true).expect("runs");
    running.await.expect("ends");
}

#[test]
fn a_new_table_takes_nothing_away() {
    let set = |names: &[&str]| names.iter().map(|name| (*name).to_owned()).collect::<BTreeSet<_>>();
    let before = set(&["Periods", "Numbers.OrgID"]);
    assert!(super::loss::lost(&before, &set(&["Periods.TimeZone", "Numbers.OrgID"])).is_empty());
    let now = set(&["Overrides", "LCRRates.Start", "Periods"]);
    assert_eq!(super::loss::lost(&before, &now), ["LCRRates.Start", "Overrides"]);
}

#[tokio::test]
async fn a_cost_that_cannot_be_read_opens_no_limit() {
    let dir = tempfile::tempdir().expect("dir");
    let mut conn = filled(&sqlite_url(dir.path()), SAMPLE).await;
    let spec = LiveSpec { gateways: 16, organisations: 16, mode: 0o600 };
    let live = LiveTable::create(dir.path().join("live"), &spec).expect("makes");
    let mut rows = LiveRows::default();
    let known = Nano::parse("10.5").ok();
    assert_eq!(told(&mut rows, &mut conn, &live).await, 0);
    assert_eq!(live.spend(42), known);
    // Unreadable: what is known stays, and one of which nothing is known has spent all.
    testing::run(
        &mut conn,
        "UPDATE WholesaleCallCostCache SET Cost = '150.0000000001';\n\
         INSERT INTO WholesaleCallCostCache (OrgID, Cost) VALUES (43, 'much')",
    )
    .await;
    assert_eq!(told(&mut rows, &mut conn, &live).await, 2);
    assert_eq!((live.spend(42), live.spend(43)), (known, Some(Nano(i64::MAX))));
    // One that is older than what can be read is of no interest.
    testing::run(
        &mut conn,
        "ALTER TABLE WholesaleCallCostCache RENAME TO Spend_one;\n\
         CREATE TABLE WholesaleCallCostCache AS SELECT * FROM Spend_one WHERE OrgID = 43;\n\
         INSERT INTO WholesaleCallCostCache VALUES (42, NULL, '2024-01-01 00:00:00'), \
         (42, '10.5', '2026-01-20 09:00:00')",
    )
    .await;
    assert_eq!(told(&mut rows, &mut conn, &live).await, 2);
    assert_eq!(live.spend(42), known);
    testing::run(&mut conn, "UPDATE WholesaleCallCostCache SET Cost = '11' WHERE Cost = '10.5'")
        .await;
    told(&mut rows, &mut conn, &live).await;
    assert_eq!(live.spend(42), Nano::parse("11").ok());
    testing::run(&mut conn, "UPDATE WholesaleCallCostCache SET Cost = '10.5' WHERE Cost = '11'")
        .await;
    told(&mut rows, &mut conn, &live).await;
    // The tables go away: nothing is forgotten.
    testing::run(&mut conn, "ALTER TABLE WholesaleCallCostCache RENAME TO Spend_old").await;
    testing::run(&mut conn, "ALTER TABLE CarrierGatewayHealth RENAME TO Health_old").await;
    assert_eq!(told(&mut rows, &mut conn, &live).await, 2);
    assert_eq!(live.spend(42), known);
    assert!(!live.healthy(3001, "LON1"));
    // Nor by a daemon that starts just then.
    let mut fresh = LiveRows::default();
    assert_eq!(told(&mut fresh, &mut conn, &live).await, 1);
    assert_eq!((live.spend(42), live.healthy(3001, "LON1")), (known, false));
    // Deleted is forgotten.
    testing::run(&mut conn, "ALTER TABLE Spend_old RENAME TO WholesaleCallCostCache").await;
    testing::run(&mut conn, "DELETE FROM WholesaleCallCostCache").await;
    told(&mut rows, &mut conn, &live).await;
    assert_eq!((live.spend(42), live.spend(43)), (None, None));
}

/// Tells the table, and gives how much was wrong.
async fn told(rows: &mut LiveRows, conn: &mut Conn, live: &LiveTable) -> usize {
    let schema = Schema::read(conn).await.expect("schema");
    rows.refresh(conn, &schema, live).await.expect("reads").len()
}

#[test]
fn who_builds_for_a_file_waits_for_the_other() {
    let dir = tempfile::tempdir().expect("dir");
    let path = dir.path().join("routes");
    let first = turn(&path).expect("a turn");
    let (told, after) = std::sync::mpsc::channel();
    std::thread::scope(|scope| {
        scope.spawn(|| {
            let _second = turn(&path).expect("a turn");
            told.send(()).expect("heard");
        });
        assert!(after.recv_timeout(Duration::from_millis(200)).is_err(), "both have it");
        drop(first);
        after.recv_timeout(Duration::from_secs(20)).expect("its turn");
    });
    assert!(turn(Path::new("/no/such/folder/routes")).is_ok(), "writing tells");
}
