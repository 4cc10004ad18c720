//! See README.md beside this file.

use std::{
    collections::{BTreeMap, BTreeSet},
    fs,
    time::Duration,
};

use fsx_test_support::{
    rig::{Bench, Call, Rig},
    wait,
};

/// Longest that the calls may go on.
const LIMIT: Duration = Duration::from_secs(900);

#[test]
fn snapshot_replaced_often() {
    replaced("snapshot-replaced-often", 6);
}

#[test]
#[ignore = "minutes: make soak"]
fn soak_snapshot_replaced_often() {
    replaced("snapshot-replaced-often", 60);
}

fn replaced(scenario: &str, times: u32) {
    let Some(bench) = Bench::find(scenario) else { return };
    let mut rig = bench.start(&[(3001, "carrier-answers.xml"), (3002, "carrier-answers.xml")]);
    let mut generation = rig.generation();

    let caller = rig.begin(&Call { calls: 0, rate: 30, limit: LIMIT, ..Call::default() });
    rig.more_calls(3001, 10);
    for round in 1..=times {
        // Still the cheaper carrier: only its price moves.
        rig.daemon()
            .deck
            .run(&format!("UPDATE LCRRates SET Rate = '0.011{round:02}' WHERE ID = 20001"));
        generation = rig.wait_for_generation_after(generation, Duration::from_secs(10));
        // Calls of each generation, so that none is passed over.
        rig.more_calls(3001, 15);
    }
    let records = rig.expect_nothing_lost(caller, 3001);
    let mut prices: BTreeMap<u64, BTreeSet<&str>> = BTreeMap::new();
    for record in &records {
        let generation = record["generation"].as_u64().unwrap_or(0);
        let rate = record["attempts"][0]["rate"].as_str().unwrap_or("");
        prices.entry(generation).or_default().insert(rate);
    }
    assert!(prices.values().all(|rates| rates.len() == 1), "one generation, one price: {prices:?}");
    let rates: BTreeSet<_> = prices.values().flatten().collect();
    assert_eq!(rates.len(), times as usize + 1, "every price was used: {prices:?}");
    wait::until("the old snapshots to be let go", Duration::from_secs(5), || {
        (mapped(&rig) == 1).then_some(())
    });
    rig.close();
}

/// How many snapshots FreeSWITCH has mapped.
fn mapped(rig: &Rig) -> usize {
    let maps = fs::read_to_string(format!("/proc/{}/maps", rig.freeswitch.pid()));
    let maps = maps.unwrap_or_else(|e| panic!("maps of FreeSWITCH: {e}"));
    maps.lines().filter(|line| line.contains("routing.snapshot")).count()
}
