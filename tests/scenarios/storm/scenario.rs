//! See README.md beside this file.

use std::{
    collections::{BTreeMap, BTreeSet},
    time::Duration,
};

use fsx_core::data::LiveView as _;
use fsx_live::LiveTable;
use fsx_test_support::{
    rig::{Bench, Call, Rig},
    wait,
};

#[test]
fn storm() {
    let Some(bench) = Bench::find("storm") else { return };
    let mut rig = bench.start(&[(3001, "carrier-answers.xml"), (3002, "carrier-answers.xml")]);
    let mut newest = rig.generation();

    let mut caller = rig.begin(&Call { calls: 0, rate: 20, ..Call::default() });
    ten_more(&rig);
    for round in 1..=4 {
        // Still the cheaper one: only the price moves.
        let sql = format!("UPDATE LCRRates SET Rate = '0.012{round}' WHERE ID = 20001");
        rig.daemon().deck.run(&sql);
        if round == 2 {
            rig.daemon().kill();
            rig.daemon().start();
        }
        newest = rig.wait_for_generation_after(newest, Duration::from_secs(10));
        ten_more(&rig);
    }
    assert_eq!(caller.retire(), 0, "SIPp's exit code");

    let calls = caller.calls_sent().len();
    assert_eq!(rig.carriers[&3001].calls_received().len(), calls);
    rig.expect_no_calls(&[3002]);
    let records = rig.daemon().wait_for_records(calls, Duration::from_secs(20));
    let ids: BTreeSet<_> = records.iter().map(|record| record["id"].as_str()).collect();
    assert_eq!(ids.len(), calls, "two records have one id");
    let mut prices: BTreeMap<u64, BTreeSet<&str>> = BTreeMap::new();
    for record in &records {
        assert_eq!(record["cause"], 16, "{record:#}");
        assert_eq!(record["attempts"].as_array().map(Vec::len), Some(1), "{record:#}");
        let generation = record["generation"].as_u64().unwrap_or(0);
        let rate = record["attempts"][0]["rate"].as_str().unwrap_or("");
        prices.entry(generation).or_default().insert(rate);
    }
    let rates: Vec<&str> = prices.values().flatten().copied().collect();
    assert!(prices.values().all(|rates| rates.len() == 1), "one generation, one price: {prices:?}");
    assert!(rates.is_sorted_by_key(|rate| rank(rate)), "later data, later prices: {prices:?}");
    assert!(prices.len() >= 5, "a price was never used: {prices:?}");

    let live = LiveTable::open(rig.daemon().file("routing.live")).expect("the live table");
    wait::until("all calls to be given back", Duration::from_secs(5), || {
        (live.calls_in_progress(3001) == 0).then_some(())
    });
    rig.close();
}

/// Lets ten calls more reach the carrier, so that every generation has calls.
fn ten_more(rig: &Rig) {
    let carrier = &rig.carriers[&3001];
    carrier.wait_for_calls(carrier.calls_received().len() + 10, Duration::from_secs(20));
}

/// In which round a price was set: the deck's own is the first.
fn rank(rate: &str) -> usize {
    ["0.0125", "0.0121", "0.0122", "0.0123", "0.0124"]
        .iter()
        .position(|known| *known == rate)
        .unwrap_or_else(|| panic!("nobody set a rate of {rate:?}"))
}
