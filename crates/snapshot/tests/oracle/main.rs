//! The fast engine against a slow, obvious one: nested loops over the raw rows.
//!
//! `slow` follows the contract step by step with vectors, strings and `BTreeMap`s, and shares no
//! code with the engine but money parsing. Random decks, callers and instants must give the same
//! answer to the last row, through both kinds of index.

mod bulk;
mod deck;
// The same real decks as the benchmarks.
#[allow(dead_code)]
#[path = "../../../../benches/lcr/deck.rs"]
mod real;
mod slow;
mod world;

use fsx_core::{
    CallFacts, Decision,
    data::{LiveView, RoutingData},
    decide,
};
use fsx_snapshot::{BuildSettings, IndexKind, Snapshot, build};
use proptest::prelude::*;
use world::World;

/// The engine's answer in the oracle's words.
fn fast<D: RoutingData, L: LiveView>(data: &D, world: &L, facts: &CallFacts<'_>) -> slow::Answer {
    match decide(data, world, facts) {
        Decision::Reject { why, .. } => slow::Answer::Reject(why.cause()),
        Decision::Route(plan) => slow::Answer::Route(
            plan.routes()
                .iter()
                .map(|c| slow::Route {
                    carrier: data.carrier(c.carrier).map_or(0, |r| r.id),
                    gateway: data.gateway(c.gateway).map_or(0, |r| r.id),
                    band: data.band(c.band(data)).map_or(0, |r| r.id),
                    rate: data.rate(c.rate).map_or(0, |r| r.id),
                    prefix_len: c.prefix_len,
                    cost: c.cost_per_min(data),
                })
                .collect(),
        ),
    }
}

fn settings(index: IndexKind, shorter_prefix: bool) -> BuildSettings {
    let home_country = fsx_core::Country::new(b"GB");
    // Rates begin before, at and after it, and calls too.
    let built_at = 100;
    BuildSettings { home_country, shorter_prefix, index, built_at, ..BuildSettings::default() }
}

/// How many random decks; `make oracle` asks for more of them than every `make test` has time for.
fn cases() -> u32 {
    std::env::var("FSX_ORACLE_CASES").ok().and_then(|n| n.parse().ok()).unwrap_or(400)
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(cases()))]

    #[test]
    fn same_answer_as_the_slow_engine(
        deck in deck::decks(),
        world in world::worlds(),
        calls in prop::collection::vec(deck::calls(), 30),
        shorter in prop::bool::weighted(0.3),
        horizon_end in prop::sample::select(vec![i64::MAX, 160]),
    ) {
        let settings = BuildSettings { horizon_end, ..settings(IndexKind::Bounds, shorter) };
        let built = build(&deck, &settings).expect("a valid deck");
        let data = Snapshot::open(built.bytes).expect("opens");
        data.verify().expect("verifies");
        for call in &calls {
            let facts = call.facts();
            prop_assert_eq!(
                fast(&data, &world, &facts),
                slow::decide(&deck, &world, call, shorter),
                "{:?}", call
            );
        }
    }
}

/// Random tests prove nothing about what they never reach.
#[test]
fn decks_reach_the_interesting_cases() {
    use proptest::{strategy::ValueTree, test_runner::TestRunner};
    let mut runner = TestRunner::deterministic();
    let (mut several, mut ties, mut rejected) = (0, 0, 0);
    for _ in 0..100 {
        let deck = deck::decks().new_tree(&mut runner).expect("deck").current();
        for _ in 0..20 {
            let call = deck::calls().new_tree(&mut runner).expect("call").current();
            match slow::decide(&deck, &World::default(), &call, false) {
                slow::Answer::Reject(_) => rejected += 1,
                slow::Answer::Route(routes) => {
                    let pairs = || routes.windows(2).filter(|w| w[0].carrier != w[1].carrier);
                    several += usize::from(pairs().count() > 0);
                    ties += pairs().filter(|w| w[0].cost == w[1].cost).count();
                }
            }
        }
    }
    assert!(several > 300 && ties > 25 && rejected > 300, "{several} {ties} {rejected}");
}

/// Nor of a way through the engine that they never take.
#[test]
fn decks_reach_every_kind_of_list() {
    use proptest::{strategy::ValueTree, test_runner::TestRunner};
    let mut runner = TestRunner::deterministic();
    let (mut varying, mut open, mut settled) = (0, 0, 0);
    for _ in 0..60 {
        let deck = deck::decks().new_tree(&mut runner).expect("deck").current();
        let report = build(&deck, &settings(IndexKind::Bounds, false)).expect("builds").report;
        varying += report.varying_lists;
        open += report.open_lists;
        settled += report.lists - report.varying_lists - report.open_lists;
    }
    assert!(varying > 300 && settled > 300, "{varying} {open} {settled}");
}

#[test]
fn both_indexes_answer_alike() {
    use proptest::{strategy::ValueTree, test_runner::TestRunner};
    let mut runner = TestRunner::deterministic();
    // Few decks, since a direct table is 14 MB; many numbers.
    for _ in 0..6 {
        let deck = deck::decks().new_tree(&mut runner).expect("deck").current();
        let bounds = build(&deck, &settings(IndexKind::Bounds, false)).expect("builds");
        let direct = build(&deck, &settings(IndexKind::Direct, false)).expect("builds");
        let bounds = Snapshot::open(bounds.bytes).expect("opens");
        let direct = Snapshot::open(direct.bytes).expect("opens");
        direct.verify().expect("verifies");
        for _ in 0..2000 {
            let call = deck::calls().new_tree(&mut runner).expect("call").current();
            let facts = call.facts();
            let world = World::default();
            assert_eq!(fast(&bounds, &world, &facts), fast(&direct, &world, &facts), "{call:?}");
        }
    }
}
