//! From tables to answers, through both engines and through faults.

use std::collections::BTreeSet;
use std::path::Path;
use std::time::Duration;

use fsx_core::data::{LiveView, NoLive, RoutingData};
use fsx_core::{CallFacts, Country, Decision, Nano, decide};
use fsx_snapshot::Snapshot;
use tokio::sync::watch;

use super::*;
use crate::db::testing::{self, MariaDb, SAMPLE, open, sqlite_url};
use crate::db::{Access, Conn, DbUrl, migrate};
use crate::published::PublishedHandle;

/// 2026-01-20T10:00:00Z, a Tuesday.
pub(super) const AT: i64 = 1_768_903_200;

/// Long enough for a machine that does much else.
const PATIENCE: Duration = Duration::from_secs(60);

pub(super) async fn filled(url: &DbUrl, sql: &str) -> Conn {
    let mut conn = open(url, Access::Create).await;
    migrate(&mut conn).await.expect("migrates");
    testing::run(&mut conn, sql).await;
    conn
}

pub(super) async fn read_at(conn: &mut Conn, at: i64) -> Read {
    let settings = MakeSettings::default().reading(at);
    read(conn, &settings, &mut |_, _| ()).await.expect("reads")
}

fn snapshot(read: &Read) -> Snapshot<Vec<u8>> {
    let built = make(read, &MakeSettings::default(), 7, AT).expect("builds");
    assert_eq!(built.report.lost, []);
    Snapshot::open(built.bytes).expect("opens")
}

fn plan(data: &impl RoutingData, number: &str, org: u32) -> Vec<(u32, u32, String)> {
    let mut facts = CallFacts::new(number.as_bytes(), org, AT);
    facts.caller = Some(b"447700900999");
    match decide(data, &NoLive, &facts) {
        Decision::Route(plan) => plan
            .routes()
            .iter()
            .map(|c| {
                let gateway = data.gateway(c.gateway).map_or(0, |g| g.id);
                let rate = data.rate(c.rate).map_or(0, |r| r.id);
                (gateway, rate, c.cost_per_min(data).to_string())
            })
            .collect(),
        Decision::Reject { why, .. } => panic!("{number}: {why:?}"),
    }
}

#[tokio::test]
async fn a_date_to_come_makes_an_exchange_rate_no_fresher() {
    let dir = tempfile::tempdir().expect("dir");
    let mut conn = filled(&sqlite_url(dir.path()), SAMPLE).await;
    let mut until = async |as_of: &str| {
        let sql = format!("UPDATE FxRates SET AsOf = '{as_of}' WHERE Currency = 'EUR'");
        testing::run(&mut conn, &sql).await;
        let read = read_at(&mut conn, AT).await;
        read.rows.fx.iter().find(|row| row.currency == "EUR").and_then(|row| row.until)
    };
    let now = until("2026-01-20 10:00:00").await;
    assert!(now.is_some_and(|until| until > AT), "{now:?}");
    assert_eq!(until("2031-01-01 00:00:00").await, now);
    assert!(until("2026-01-20 09:59:00").await < now);
}

#[tokio::test]
async fn what_the_tables_say_is_what_is_decided() {
    let dir = tempfile::tempdir().expect("dir");
    let mut conn = filled(&sqlite_url(dir.path()), SAMPLE).await;
    let read = read_at(&mut conn, AT).await;
    assert_eq!(read.rows.unread, []);
    assert_eq!(read.stale_fx, ["USD"], "ten days old; EUR is of the same morning");
    let data = snapshot(&read);
    // On-net first, then the preferred carrier by its rate for callers in band 501, then by price:
    // at ten on a Tuesday Alpha's peak rate of 1e-9 is in force.
    assert_eq!(
        plan(&data, "07700900123", 37),
        [
            (3004, 20006, "0".to_owned()),
            (3002, 20004, "0.019".to_owned()),
            (3001, 20002, "0.000000001".to_owned()),
        ]
    );
    assert_eq!(
        plan(&data, "+447700900123", 0),
        [(3001, 20002, "0.000000001".to_owned()), (3002, 20004, "0.019".to_owned())]
    );
    // Emergency: by priority, and nothing else matters.
    assert_eq!(plan(&data, "999", 37).iter().map(|r| r.0).collect::<Vec<_>>(), [3004, 3001]);
    assert_eq!(data.org(42).and_then(|o| o.call_cost_limit), Nano::parse("10.50").ok());
    assert_eq!(
        data.gateway(data.emergency_gateway(Country::new(b"GB"), 1).expect("second"))
            .map(|g| g.stop_causes.to_owned()),
        Some("17,486".to_owned())
    );
}

/// A country, and what is dialled there with the number that it is.
type Plan = (&'static [u8; 2], &'static [(&'static str, &'static str)]);

/// What people dial at home, and the number that it is. From libphonenumber's example numbers.
const DIALLED: &[Plan] = &[
    (
        b"GB",
        &[
            ("02079460000", "442079460000"),
            ("07400123456", "447400123456"),
            ("08001111", "448001111"),
            ("0800123456", "44800123456"),
        ],
    ),
    (b"ES", &[("810123456", "34810123456"), ("612345678", "34612345678")]),
    (
        b"IT",
        &[
            ("0212345678", "390212345678"),
            ("3123456789", "393123456789"),
            ("800123456", "39800123456"),
        ],
    ),
    (b"PT", &[("212345678", "351212345678"), ("912345678", "351912345678")]),
    (b"DK", &[("32123456", "4532123456"), ("80123456", "4580123456")]),
    (b"SE", &[("08123456", "468123456"), ("0701234567", "46701234567")]),
    (b"GR", &[("2123456789", "302123456789"), ("6912345678", "306912345678")]),
    (b"IE", &[("012345678", "35312345678"), ("0850123456", "353850123456")]),
    (
        b"US",
        &[
            ("2015550123", "12015550123"),
            ("12015550123", "12015550123"),
            ("011442079460000", "442079460000"),
        ],
    ),
    (b"CA", &[("5062345678", "15062345678"), ("011442079460000", "442079460000")]),
    (
        b"AU",
        &[
            ("0212345678", "61212345678"),
            ("0412345678", "61412345678"),
            ("1300123456", "611300123456"),
            ("131234", "61131234"),
            ("0011442079460000", "442079460000"),
        ],
    ),
    (b"DE", &[("030123456", "4930123456"), ("015123456789", "4915123456789")]),
    (b"FR", &[("0123456789", "33123456789"), ("0612345678", "33612345678")]),
    (
        b"SG",
        &[
            ("61234567", "6561234567"),
            ("81234567", "6581234567"),
            ("001442079460000", "442079460000"),
            ("00812025550123", "12025550123"),
        ],
    ),
];

#[tokio::test]
async fn every_home_country_dials_as_it_always_has() {
    let dir = tempfile::tempdir().expect("dir");
    let mut conn = filled(&sqlite_url(dir.path()), SAMPLE).await;
    let data = snapshot(&read_at(&mut conn, AT).await);
    let number = |country: &[u8; 2], dialled: &str| {
        let mut facts = CallFacts::new(dialled.as_bytes(), 0, AT);
        facts.home_country = Country::new(country);
        match decide(&data, &NoLive, &facts) {
            Decision::Route(plan) => plan.number,
            Decision::Reject { number, .. } => number,
        }
        .map(|n| n.to_string())
        .unwrap_or_default()
    };
    for &(country, numbers) in DIALLED {
        let shown = String::from_utf8_lossy(country);
        for &(dialled, expected) in numbers {
            assert_eq!(number(country, dialled), expected, "{shown} {dialled}");
            // As other devices store it.
            assert_eq!(number(country, &format!("+{expected}")), expected, "{shown} +");
            assert_eq!(number(country, expected), expected, "{shown}, E.164 already");
        }
        for dialled in ["+442079460000", "00442079460000", "442079460000"] {
            assert_eq!(number(country, dialled), "442079460000", "{shown} {dialled}");
        }
        assert_eq!(number(country, "0800FLOWERS"), "", "{shown}");
    }
}

#[tokio::test]
async fn both_engines_give_the_same_bytes() {
    let Some(mut server) = MariaDb::start("both_engines_give_the_same_bytes") else { return };
    let dir = tempfile::tempdir().expect("dir");
    let mut sqlite = filled(&sqlite_url(dir.path()), SAMPLE).await;
    let mut mariadb = filled(&server.database("lcr").await, SAMPLE).await;
    let (a, b) = (read_at(&mut sqlite, AT).await, read_at(&mut mariadb, AT).await);
    assert_eq!((&a.rows.unread, &a.stale_fx), (&b.rows.unread, &b.stale_fx));
    assert_eq!(snapshot(&a).bytes(), snapshot(&b).bytes());
}

#[tokio::test]
async fn mariadb_changes_are_noticed_without_a_scan() {
    let Some(mut server) = MariaDb::start("mariadb_changes_are_noticed_without_a_scan") else {
        return;
    };
    let url = server.database("lcr").await;
    let mut writer = filled(&url, SAMPLE).await;
    let mut conn = open(&url, Access::ReadOnly).await;
    changes::prepare(&mut conn).await;
    let settled = async |conn: &mut Conn| {
        let began = std::time::Instant::now();
        loop {
            let stamp = changes::stamp(conn).await.expect("stamp");
            if !stamp.moved_since(Some(&stamp)) {
                return stamp;
            }
            assert!(began.elapsed() < PATIENCE, "never settles");
            tokio::time::sleep(Duration::from_millis(200)).await;
        }
    };
    let before = settled(&mut conn).await;
    // Health is no routing data: the stamp does not move.
    testing::run(&mut writer, "UPDATE CarrierGatewayHealth SET Healthy = 'YES'").await;
    assert!(!settled(&mut conn).await.moved_since(Some(&before)));
    testing::run(&mut writer, "UPDATE LCRRates SET Rate = 0.0126 WHERE ID = 20001").await;
    let now = changes::stamp(&mut conn).await.expect("stamp");
    assert!(now.moved_since(Some(&before)));
    assert!(settled(&mut conn).await.moved_since(Some(&before)));
}

#[tokio::test]
async fn the_owners_nine_tables_are_enough() {
    let dir = tempfile::tempdir().expect("dir");
    let mut conn = open(&sqlite_url(dir.path()), Access::Create).await;
    // As a site without fsx has them: binary fractions, other types, some columns missing.
    testing::run(
        &mut conn,
        "CREATE TABLE Carriers (ID INT, CarrierName TEXT, Enabled INT, Type TEXT);\n\
         CREATE TABLE Bands (ID INT, BandName TEXT, CarrierID INT, Enabled INT);\n\
         CREATE TABLE Numbers (ID INT, Number TEXT, BandID INT, Enabled INT, OrgID INT);\n\
         CREATE TABLE LCRRates (ID INT, BandID INT, Rate DECIMAL(10,7), Setup REAL, Currency TEXT, \
         Period TEXT, Start DATETIME, Enabled INT);\n\
         CREATE TABLE CarrierGateway (ID INT, CarrierID INT, Enabled INT, Reliability INT);\n\
         CREATE TABLE Overrides (Something INT);\n\
         INSERT INTO Carriers VALUES (1, 'A', 1, 'route'), (2, 'B', 0, 'route');\n\
         INSERT INTO Bands VALUES (1, 'All', 1, 1);\n\
         INSERT INTO Numbers VALUES (1, '44', 1, 1, NULL), (2, '1', 1, 1, 0);\n\
         INSERT INTO LCRRates VALUES (1, 1, 0.0000025, 1e-9, 'GBP', 'Peak', '2026-01-01', 1);\n\
         INSERT INTO CarrierGateway VALUES (9, 1, 1, 50);\n",
    )
    .await;
    let read = read_at(&mut conn, AT).await;
    assert_eq!(read.rows.unread, []);
    assert_eq!(read.rows.rates[0].rate, "0.0000025");
    assert_eq!(read.rows.rates[0].setup, "0.0000000010");
    let data = snapshot(&read);
    assert_eq!(plan(&data, "02079460000", 5), [(9, 1, "0.000002501".to_owned())]);
    // Emergency numbers and numbering plans are the built-in ones.
    assert!(data.is_emergency(Country::new(b"GB"), b"999"));
    assert!(data.is_emergency(Country::new(b"AU"), b"000"));
    assert!(read.rows.normalise_rules.iter().any(|r| r.country == "SG"));
    assert!(read.rows.formats.iter().any(|f| f.name == "national"));
}

#[tokio::test]
async fn bad_rows_are_named_and_too_many_are_refused() {
    let dir = tempfile::tempdir().expect("dir");
    let url = sqlite_url(dir.path());
    let mut conn = filled(&url, SAMPLE).await;
    testing::run(
        &mut conn,
        "UPDATE LCRRates SET Start = 'soon' WHERE ID = 20003;\n\
         INSERT INTO CarrierGateway (ID, CarrierID, Enabled, ConcCalls) VALUES (3055, 105, 'YES', 'many');\n\
         UPDATE LCRRates SET Rate = '0.0000000001' WHERE ID = 20002;\n\
         INSERT INTO Periods (Name, TimeZone) VALUES ('Moon', 'Luna/Tranquility');\n\
         INSERT INTO Periods (Name, StartTime) VALUES ('Late', '4611686018427387904');\n\
         INSERT INTO CarrierGateway (ID, CarrierID, Enabled) VALUES (3056, 105, 'perhaps');\n",
    )
    .await;
    let read = read_at(&mut conn, AT).await;
    let built = make(&read, &MakeSettings::default(), 1, AT).expect("builds");
    let lost: Vec<String> = built.report.lost.iter().map(ToString::to_string).collect();
    for part in [
        "LCRRates 20003: Start: \"soon\"",
        "CarrierGateway 3055: ConcCalls \"many\"",
        "LCRRates 20002: Rate \"0.0000000001\": more than 9 decimals",
        "Periods 0: Moon: unknown time zone \"Luna/Tranquility\"",
        "Periods 0: Late: \"4611686018427387904\" is not a time of day",
        "CarrierGateway 3056: Enabled \"perhaps\" is neither YES nor NO",
    ] {
        assert!(lost.iter().any(|line| line.starts_with(part)), "{part}: {lost:?}");
    }
    let strict = MakeSettings { max_lost_share: 0.01, ..MakeSettings::default() };
    let error = make(&read, &strict, 1, AT).expect_err("refused").to_string();
    assert!(error.starts_with("build refused") && error.contains("first"), "{error}");
    // A table that nothing routes without.
    testing::run(&mut conn, "DROP TABLE Numbers").await;
    let settings = MakeSettings::default().reading(AT);
    let error = super::read(&mut conn, &settings, &mut |_, _| ()).await.expect_err("no table");
    assert!(error.to_string().contains("Numbers is missing"), "{error}");
}

#[tokio::test]
async fn tables_that_route_nothing_any_more_leave_the_good_file() {
    let dir = tempfile::tempdir().expect("dir");
    let path = dir.path().join("routes");
    let mut conn = filled(&sqlite_url(dir.path()), SAMPLE).await;
    let built = make(&read_at(&mut conn, AT).await, &MakeSettings::default(), 1, AT).expect("good");
    let looked = |bytes: &[u8]| {
        let new = fsx_snapshot::Snapshot::open(bytes).expect("opens");
        super::leaves_something(&path, &new, &BTreeSet::new())
    };
    assert!(looked(&built.bytes).is_ok(), "nothing is lost yet");
    super::write_file(&path, &built.bytes).expect("written");
    assert!(looked(&built.bytes).is_ok());
    // In this order, since it is the first of carriers, numbers, rates and gateways that is named.
    for (table, what) in [("LCRRates", "rates"), ("Numbers", "numbers")] {
        testing::run(&mut conn, &format!("DELETE FROM {table}")).await;
        let read = read_at(&mut conn, AT).await;
        let built = make(&read, &MakeSettings::default(), 2, AT).expect("builds");
        let error = looked(&built.bytes).expect_err("refused").to_string();
        assert!(error.contains(&format!("there are no {what} any more")), "{error}");
    }
    // The only gateway of a carrier cannot be read.
    let dir = tempfile::tempdir().expect("dir");
    let mut conn = filled(&sqlite_url(dir.path()), SAMPLE).await;
    testing::run(&mut conn, "UPDATE CarrierGateway SET ConcCalls = '-1'").await;
    let loose = MakeSettings { max_lost_share: 1.0, ..MakeSettings::default() };
    let error =
        make(&read_at(&mut conn, AT).await, &loose, 1, AT).expect_err("refused").to_string();
    assert!(error.contains("would lose all its numbers, rates or gateways"), "{error}");
    assert!(error.contains("ConcCalls"), "{error}");
}

pub(super) fn settings(dir: &Path) -> FeedSettings {
    FeedSettings {
        url: Some(sqlite_url(dir)),
        source: None,
        snapshot: dir.join("routes"),
        live: dir.join("live"),
        interval: Duration::from_millis(50),
        live_interval: Duration::from_millis(20),
        connect_timeout: PATIENCE,
        make: MakeSettings { fx_max_age_s: i64::MAX, ..MakeSettings::default() },
    }
}

pub(super) async fn until(
    status: &mut watch::Receiver<FeedStatus>,
    what: &str,
    is: impl Fn(&FeedStatus) -> bool,
) -> FeedStatus {
    match tokio::time::timeout(PATIENCE, status.wait_for(|s| is(s))).await {
        Ok(Ok(status)) => status.clone(),
        other => panic!("{what}: {:?}", other.map(|r| r.map(|s| s.clone()))),
    }
}

async fn wait(what: &str, is: impl Fn() -> bool) {
    let began = std::time::Instant::now();
    while !is() {
        assert!(began.elapsed() < PATIENCE, "{what}");
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_feed_follows_the_database_and_outlives_it() {
    let dir = tempfile::tempdir().expect("dir");
    let handle = PublishedHandle::new();
    let feed = Feed::new(settings(dir.path()), handle.clone()).expect("starts");
    let (mut status, live, rebuild) = (feed.status(), feed.live(), feed.rebuild());
    let (stop, stopped) = watch::channel(false);
    let running = tokio::spawn(feed.run(stopped));

    // No database yet.
    let s = until(&mut status, "says so", |s| s.error.is_some()).await;
    assert!(s.error.expect("an error").contains("no database at"));
    assert!(handle.current().is_none());

    // It comes.
    let url = sqlite_url(dir.path());
    let mut conn = filled(&url, SAMPLE).await;
    rebuild.notify_one();
    let s = until(&mut status, "first build", |s| s.generation > 0 && s.error.is_none()).await;
    let first = s.generation;
    assert_eq!(live.generation(), first);
    wait("health", || !live.healthy(3001, "LON1")).await;
    assert!(live.healthy(3001, "NYC1"));
    wait("spend", || live.spend(42) == Nano::parse("10.5").ok()).await;

    // Health moves without a build.
    testing::run(&mut conn, "UPDATE CarrierGatewayHealth SET Healthy = 'YES'").await;
    wait("healthy again", || live.healthy(3001, "LON1")).await;
    testing::run(&mut conn, "DELETE FROM WholesaleCallCostCache").await;
    wait("spend forgotten", || live.spend(42).is_none()).await;
    assert_eq!((live.generation(), status.borrow().builds), (first, 1));

    // A price moves: a new generation, on disk and in the daemon.
    testing::run(&mut conn, "UPDATE LCRRates SET Rate = '0.03' WHERE ID = 20004").await;
    let s = until(&mut status, "second build", |s| s.generation > first).await;
    let second = s.generation;
    let on_disk = load(&dir.path().join("routes")).expect("usable").expect("there");
    assert_eq!(on_disk.generation(), second);
    assert_eq!(handle.current().expect("published").generation, second);

    // Nonsense is refused; the last good one stays, and mending mends.
    testing::run(&mut conn, "UPDATE LCRRates SET Rate = 'free'").await;
    let s = until(&mut status, "refused", |s| s.error.is_some()).await;
    assert!(s.error.expect("an error").starts_with("build refused"));
    assert_eq!(live.generation(), second);
    testing::run(&mut conn, "UPDATE LCRRates SET Rate = '0.04'").await;
    until(&mut status, "mended", |s| s.generation > second && s.error.is_none()).await;

    // The database vanishes and comes back as another file.
    conn.close().await;
    for name in ["lcr.sqlite", "lcr.sqlite-wal", "lcr.sqlite-shm"] {
        let _ = std::fs::remove_file(dir.path().join(name));
    }
    until(&mut status, "gone", |s| s.error.is_some()).await;
    let third = live.generation();
    let back = filled(&url, SAMPLE).await;
    rebuild.notify_one();
    until(&mut status, "back", |s| s.generation > third && s.error.is_none()).await;
    back.close().await;

    stop.send_replace(true);
    tokio::time::timeout(PATIENCE, running).await.expect("stops").expect("no panic");

    // Another daemon starts from what is there.
    let last = live.generation();
    let handle = PublishedHandle::new();
    let feed = Feed::new(settings(dir.path()), handle.clone()).expect("starts");
    assert_eq!(handle.current().expect("from disk").generation, last);
    drop(feed);
    std::fs::write(dir.path().join("routes"), b"torn").expect("torn");
    let handle = PublishedHandle::new();
    let feed = Feed::new(settings(dir.path()), handle.clone()).expect("starts all the same");
    assert!(handle.current().is_none());
    assert_eq!(feed.status().borrow().generation, 0);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_snapshot_is_made_anew_long_before_its_horizon() {
    use std::sync::Arc;
    use std::sync::atomic::{AtomicI64, Ordering};
    use std::time::UNIX_EPOCH;

    let dir = tempfile::tempdir().expect("dir");
    let conn = filled(&sqlite_url(dir.path()), SAMPLE).await;
    conn.close().await;
    // Nobody looks for changes, and none are made.
    let day = 86_400;
    let settings = FeedSettings { interval: Duration::ZERO, ..settings(dir.path()) };
    let horizon = i64::from(settings.make.horizon_days) * day;
    let now = Arc::new(AtomicI64::new(AT));
    let clock = now.clone();
    let feed = Feed::new(settings, PublishedHandle::new()).expect("starts").with_clock(Arc::new(
        move || UNIX_EPOCH + Duration::from_secs(clock.load(Ordering::SeqCst) as u64),
    ));
    let mut status = feed.status();
    let (stop, stopped) = watch::channel(false);
    let running = tokio::spawn(feed.run(stopped));
    until(&mut status, "first build", |s| s.builds == 1).await;
    let horizon_of = || {
        let snapshot = load(&dir.path().join("routes")).expect("usable").expect("there");
        snapshot.settings().horizon_end
    };
    assert_eq!(horizon_of(), AT + horizon);

    // A third of it has passed: nothing happens.
    now.store(AT + horizon / 3, Ordering::SeqCst);
    tokio::time::sleep(Duration::from_millis(300)).await;
    assert_eq!(status.borrow().builds, 1);

    // More than half: a new one, from the same rows, with the whole horizon before it.
    let later = AT + horizon * 2 / 3;
    now.store(later, Ordering::SeqCst);
    until(&mut status, "second build", |s| s.builds == 2).await;
    assert_eq!(horizon_of(), later + horizon);
    tokio::time::sleep(Duration::from_millis(300)).await;
    assert_eq!(status.borrow().builds, 2, "once is enough");
    stop.send_replace(true);
    tokio::time::timeout(PATIENCE, running).await.expect("stops").expect("no panic");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_snapshot_is_made_anew_when_an_exchange_rate_is_too_old() {
    use std::sync::Arc;
    use std::sync::atomic::{AtomicI64, Ordering};
    use std::time::UNIX_EPOCH;

    let dir = tempfile::tempdir().expect("dir");
    let conn = filled(&sqlite_url(dir.path()), SAMPLE).await;
    conn.close().await;
    let make = MakeSettings { max_lost_share: 1.0, ..MakeSettings::default() };
    let settings = FeedSettings { make, interval: Duration::ZERO, ..settings(dir.path()) };
    let now = Arc::new(AtomicI64::new(AT));
    let clock = now.clone();
    let feed = Feed::new(settings, PublishedHandle::new()).expect("starts").with_clock(Arc::new(
        move || UNIX_EPOCH + Duration::from_secs(clock.load(Ordering::SeqCst) as u64),
    ));
    let mut status = feed.status();
    let (stop, stopped) = watch::channel(false);
    let running = tokio::spawn(feed.run(stopped));
    until(&mut status, "first build", |s| s.builds == 1).await;
    let in_order_until = || {
        let snapshot = load(&dir.path().join("routes")).expect("usable").expect("there");
        snapshot.settings().ranked_until
    };
    let first = in_order_until();
    assert!(
        AT < first && first < AT + 4 * 86_400,
        "EUR is of this morning, and good for three days"
    );

    now.store(first - 1, Ordering::SeqCst);
    tokio::time::sleep(Duration::from_millis(300)).await;
    assert_eq!(status.borrow().builds, 1);
    now.store(first, Ordering::SeqCst);
    until(&mut status, "second build", |s| s.builds == 2).await;
    assert_eq!(in_order_until(), i64::MAX, "no rate in use ages any more");
    assert!(status.borrow().stale_fx.iter().any(|currency| currency == "EUR"));
    stop.send_replace(true);
    tokio::time::timeout(PATIENCE, running).await.expect("stops").expect("no panic");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn tables_that_come_later_are_followed() {
    let dir = tempfile::tempdir().expect("dir");
    let url = sqlite_url(dir.path());
    // Whoever makes the database is not done when the feed comes.
    let mut conn = open(&url, Access::Create).await;
    testing::run(&mut conn, "CREATE TABLE Carriers (ID INTEGER)").await;
    let feed = Feed::new(settings(dir.path()), PublishedHandle::new()).expect("starts");
    let live = feed.live();
    let (stop, stopped) = watch::channel(false);
    let running = tokio::spawn(feed.run(stopped));
    tokio::time::sleep(Duration::from_millis(400)).await;
    testing::run(
        &mut conn,
        "CREATE TABLE CarrierGatewayHealth (ID INTEGER, DataCentre TEXT, Healthy TEXT);\n
         INSERT INTO CarrierGatewayHealth VALUES (3001, 'LON1', 'NO');\n",
    )
    .await;
    wait("health", || !live.healthy(3001, "LON1")).await;
    conn.close().await;
    stop.send_replace(true);
    tokio::time::timeout(PATIENCE, running).await.expect("stops").expect("no panic");
}
