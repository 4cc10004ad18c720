//! The deck in a database, and the calls that show it.

use fsx_core::data::NoLive;
use fsx_core::{CallFacts, decide_why};
use fsx_snapshot::Snapshot;
use fsx_wire::answer::{CollectWhy, RouteAnswer};

use super::*;
use crate::db::testing::{self, open, sqlite_url};
use crate::db::{Access, migrate};
use crate::feed::{MakeSettings, make, read};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn loads_once_routes_the_world_and_says_that_prices_are_samples() {
    let dir = tempfile::tempdir().expect("dir");
    let url = sqlite_url(dir.path());
    let mut heard = Vec::new();
    let first = load(&url, &mut |done, all| heard.push((done, all))).await.expect("loads");
    println!("{first:?}");
    assert!(!first.already && first.numbers >= 326_504 + 3, "{first:?}");
    assert!(heard.len() > 5 && heard.last().is_some_and(|(done, all)| done == all), "{heard:?}");
    let again = load(&url, &mut |_, _| ()).await.expect("is there");
    assert!(again.already);
    assert_eq!(
        (again.numbers, again.rates, again.carriers),
        (first.numbers, first.rates, first.carriers)
    );

    let mut conn = open(&url, Access::ReadOnly).await;
    let now = std::time::UNIX_EPOCH.elapsed().expect("after 1970").as_secs() as i64;
    let settings = MakeSettings::default();
    let rows = read(&mut conn, &settings.reading(now), &mut |_, _| ()).await.expect("reads");
    let built = make(&rows, &settings, 1, now).expect("builds");
    assert_eq!(built.report.lost, []);
    assert_eq!(rows.stale_fx, Vec::<String>::new());
    let data = Snapshot::open(&built.bytes).expect("opens");
    // 2026-01-20T10:00:00Z
    let answers: Vec<RouteAnswer> = CALLS
        .iter()
        .map(|&(_, number, org, data_centre)| {
            let mut facts = CallFacts::new(number.as_bytes(), org, 1_768_903_200);
            facts.data_centre = data_centre;
            let mut why = CollectWhy::new(&data);
            let decision = decide_why(&data, &NoLive, &facts, &mut why);
            RouteAnswer::new(&data, &facts, &decision, why.rows)
        })
        .collect();
    let carriers = |at: usize| answers[at].routes.iter().map(|r| r.carrier_id).collect::<Vec<_>>();
    let shown = |at: usize| format!("{}: {:?}", CALLS[at].0, answers[at]);
    for id in [101, 102, 103, 104] {
        assert!(carriers(0).contains(&id), "{id}: {}", shown(0));
    }
    assert!(answers[0].routes[0].carrier.ends_with(MARK), "{}", shown(0));
    assert!(carriers(1).contains(&104) && !carriers(1).contains(&102), "{}", shown(1));
    assert_eq!(carriers(2)[0], 107, "{}", shown(2));
    assert_eq!(answers[2].routes[0].dial_string, "sofia/gateway/gw3071/442079460123");
    assert_eq!(carriers(3)[0], 105, "{}", shown(3));
    assert_eq!(answers[3].number, "12025550123");
    assert!(answers[4].emergency && answers[4].routes[0].gateway_id == 3091, "{}", shown(4));
    assert_eq!(answers[5].decision, "route", "{}", shown(5));
    assert_eq!(answers[6].cause, Some(21), "{}", shown(6));
    assert_eq!(answers[7].cause, Some(28), "{}", shown(7));
    // Cheapest first, wherever the organisation has no word in it.
    let costs: Vec<fsx_core::Nano> = answers[0]
        .routes
        .iter()
        .map(|r| fsx_core::Nano::parse(&r.cost_per_min).expect("money"))
        .collect();
    assert!(costs.is_sorted(), "{}", shown(0));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn somebody_elses_data_is_left_alone() {
    let dir = tempfile::tempdir().expect("dir");
    let url = sqlite_url(dir.path());
    let mut conn = open(&url, Access::Create).await;
    migrate(&mut conn).await.expect("migrates");
    testing::run(&mut conn, testing::SAMPLE).await;
    let error = load(&url, &mut |_, _| ()).await.expect_err("refused").to_string();
    assert!(error.contains("not of the demonstration (Alpha)"), "{error}");
    let rows = conn.rows("count", "SELECT COUNT(*) FROM Carriers", 1).await.expect("counts");
    assert_eq!(rows, [[Some("6".to_owned())]]);
}
