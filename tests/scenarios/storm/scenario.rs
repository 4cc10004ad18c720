//! See README.md beside this file.

use std::{
    collections::{BTreeMap, BTreeSet},
    time::Duration,
};

use fsx_core::data::LiveView as _;
use fsx_live::LiveTable;
use fsx_test_support::{
    rig::{Bench, Call},
    wait,
};

const CALLS: u32 = 240;

#[test]
fn storm() {
    let Some(bench) = Bench::find("storm") else { return };
    let mut rig = bench.start(&[(3001, "carrier-answers.xml"), (3002, "carrier-answers.xml")]);
    let mut newest = rig.generation();

    let mut caller = rig.begin(&Call { calls: CALLS, rate: 20, ..Call::default() });
    for round in 1..=4 {
        rig.carriers[&3001].wait_for_calls(round * 15, Duration::from_secs(20));
        // Still the cheaper one: only the price moves.
        let sql = format!("UPDATE LCRRates SET Rate = '0.012{round}' WHERE ID = 20001");
        rig.daemon().deck.run(&sql);
        if round == 2 {
            rig.daemon().kill();
            rig.daemon().start();
        }
        newest = rig.wait_for_generation_after(newest, Duration::from_secs(10));
    }
    assert!(!caller.ended(), "the calls were over before the storm was");
    assert_eq!(caller.finish(Duration::from_secs(40)), 0, "SIPp's exit code");

    assert_eq!(rig.carriers[&3001].calls_received().len(), CALLS as usize);
    rig.expect_no_calls(&[3002]);
    let records = rig.daemon().wait_for_records(CALLS as usize, Duration::from_secs(20));
    let ids: BTreeSet<_> = records.iter().map(|record| record["id"].as_str()).collect();
    assert_eq!(ids.len(), CALLS as usize, "two records have one id");
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
    assert!(prices.len() >= 3, "the calls saw hardly any of the storm: {prices:?}");

    let live = LiveTable::open(rig.daemon().file("routing.live")).expect("the live table");
    wait::until("all calls to be given back", Duration::from_secs(5), || {
        (live.calls_in_progress(3001) == 0).then_some(())
    });
    rig.close();
}

/// In which round a price was set: the deck's own is the first.
fn rank(rate: &str) -> usize {
    ["0.0125", "0.0121", "0.0122", "0.0123", "0.0124"]
        .iter()
        .position(|known| *known == rate)
        .unwrap_or_else(|| panic!("nobody set a rate of {rate:?}"))
}
