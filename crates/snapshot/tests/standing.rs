//! Gateways that stand back: tried last, never left out; and those that an operator took down.

use std::collections::BTreeMap;

use fsx_core::{
    CallFacts, Decision, Nano, Reject,
    data::{GatewayLoad, LiveView, NoLive, RoutingData, Standing},
    decide,
    digits::Digits,
    standing,
};
use fsx_snapshot::{
    BuildSettings, Snapshot, build,
    rows::{BandRow, CarrierRow, GatewayRow, NumberRow, RateRow, Rows},
};

/// A live table that holds something against some gateways.
#[derive(Default)]
struct Held(BTreeMap<u32, Standing>);

impl LiveView for Held {
    fn healthy(&self, _: u32, _: &str) -> bool {
        true
    }
    fn calls_in_progress(&self, _: u32) -> u32 {
        0
    }
    fn calls_this_second(&self, _: u32, _: i64) -> u32 {
        0
    }
    fn gateway_load(&self, _: u32, _: &str, _: i64) -> GatewayLoad {
        GatewayLoad { healthy: true, in_progress: 0, this_second: 0 }
    }
    fn spend(&self, _: u32) -> Option<Nano> {
        None
    }
    fn all_ordinary(&self) -> bool {
        self.0.is_empty()
    }
    fn standing(&self, gateway_id: u32, _: i64) -> Standing {
        self.0.get(&gateway_id).copied().unwrap_or_default()
    }
}

/// `carriers` carriers, cheapest first, with `gateways` gateways each: 101, 102, …, 201, 202, …
fn data(carriers: u32, gateways: u32) -> Snapshot<Vec<u8>> {
    let mut rows = Rows::default();
    for id in 1..=carriers {
        rows.carriers.push(CarrierRow {
            id,
            name: format!("C{id}"),
            enabled: true,
            kind: "route".into(),
            ..CarrierRow::default()
        });
        rows.bands.push(BandRow { id, carrier_id: id, enabled: true, ..BandRow::default() });
        rows.numbers.push(NumberRow {
            id,
            band_id: id,
            org_id: 0,
            number: Digits::new(b"44"),
            enabled: true,
        });
        rows.rates.push(RateRow {
            id,
            band_id: id,
            rate: format!("0.{id:03}"),
            currency: "GBP".into(),
            enabled: true,
            initial_increment_s: 1,
            next_increment_s: 1,
            ..RateRow::default()
        });
        for n in 1..=gateways {
            rows.gateways.push(GatewayRow {
                id: id * 100 + n,
                carrier_id: id,
                enabled: true,
                ..GatewayRow::default()
            });
        }
    }
    let built = build(&rows, &BuildSettings::default()).expect("builds");
    Snapshot::open(built.bytes).expect("opens")
}

fn ids(data: &Snapshot<Vec<u8>>, decision: &Decision) -> Vec<u32> {
    let Decision::Route(plan) = decision else { panic!("{decision:?}") };
    plan.routes().iter().map(|c| data.gateway_terms(c.gateway).expect("a row").id).collect()
}

fn facts(max_attempts: u8) -> CallFacts<'static> {
    CallFacts { max_attempts, ..CallFacts::new(b"447700900123", 37, 1000) }
}

fn held(standings: &[(u32, Standing)]) -> Held {
    Held(standings.iter().copied().collect())
}

#[test]
fn nothing_held_is_the_plan_as_ever() {
    let data = data(3, 2);
    for attempts in [0, 1, 3, 32] {
        let as_ever = ids(&data, &decide(&data, &NoLive, &facts(attempts)));
        let live = held(&[]);
        assert_eq!(ids(&data, &standing::route(&data, &live, &facts(attempts))), as_ever);
        let live = held(&[(999, Standing::Last)]);
        assert_eq!(ids(&data, &standing::route(&data, &live, &facts(attempts))), as_ever);
    }
}

#[test]
fn who_stands_back_is_tried_last_in_the_same_order() {
    let data = data(3, 2);
    let live = held(&[(102, Standing::Last), (201, Standing::Last)]);
    let route = |attempts| ids(&data, &standing::route(&data, &live, &facts(attempts)));
    assert_eq!(route(0), [101, 202, 301, 302, 102, 201]);
    assert_eq!(route(5), [101, 202, 301, 302, 102]);
    assert_eq!(route(3), [101, 202, 301]);
}

#[test]
fn a_call_is_not_refused_because_all_stand_back() {
    let data = data(2, 2);
    let all = [101, 102, 201, 202].map(|id| (id, Standing::Last));
    let live = held(&all);
    assert_eq!(ids(&data, &standing::route(&data, &live, &facts(0))), [101, 102, 201, 202]);
    assert_eq!(ids(&data, &standing::route(&data, &live, &facts(1))), [101]);
}

#[test]
fn a_carrier_whose_gateways_all_fail_does_not_use_up_the_attempts() {
    let data = data(2, 10);
    let failing: Vec<_> = (101..=110).map(|id| (id, Standing::Last)).collect();
    let live = held(&failing);
    let first: Vec<u32> = (201..=208).collect();
    assert_eq!(ids(&data, &standing::route(&data, &live, &facts(0))), first);
}

#[test]
fn what_an_operator_took_down_is_left_out() {
    let data = data(2, 1);
    let live = held(&[(101, Standing::Out)]);
    assert_eq!(ids(&data, &standing::route(&data, &live, &facts(0))), [201]);
    let live = held(&[(101, Standing::Out), (201, Standing::Out)]);
    match standing::route(&data, &live, &facts(0)) {
        Decision::Reject { why: Reject::NoGateway, number: Some(number), generation } => {
            assert_eq!(number.as_str(), "447700900123");
            assert_eq!(generation, data.generation());
        }
        other => panic!("{other:?}"),
    }
}

#[test]
fn what_stands_behind_many_taken_down_is_reached() {
    // More than a plan holds, of one carrier and of two; by the short way and row by row.
    for (carriers, down) in [(2, 101..=140), (2, 101..=139)] {
        let data = data(carriers, 40);
        let taken: Vec<_> = down.clone().map(|id| (id, Standing::Out)).collect();
        let live = held(&taken);
        let next = if *down.end() == 140 { 201 } else { 140 };
        let route = |facts: &CallFacts<'_>| ids(&data, &standing::route(&data, &live, facts));
        assert_eq!(route(&facts(1)), [next]);
        assert_eq!(route(&CallFacts { profile: Some("reliability"), ..facts(1) }), [next]);
    }
}

#[test]
fn what_stands_behind_many_that_stand_back_is_reached_before_them() {
    // Forty gateways of the cheap carrier fail, more than a plan can hold; the dear one has two.
    let data = data(2, 40);
    let last: Vec<_> = (101..=140).chain(203..=240).map(|id| (id, Standing::Last)).collect();
    let got = ids(&data, &standing::route(&data, &held(&last), &facts(4)));
    assert_eq!(got, [201, 202, 101, 102]);
    // Two of them in their places: those come first, and whoever stands behind after them.
    let last: Vec<_> = last.into_iter().filter(|(id, _)| ![105, 131].contains(id)).collect();
    let got = ids(&data, &standing::route(&data, &held(&last), &facts(5)));
    assert_eq!(got, [105, 131, 201, 202, 101]);
}

#[test]
fn an_emergency_call_asks_nobody() {
    let mut rows = Rows::default();
    rows.carriers.push(CarrierRow {
        id: 1,
        enabled: true,
        kind: "route".into(),
        ..CarrierRow::default()
    });
    for id in [11, 12] {
        rows.gateways.push(GatewayRow {
            id,
            carrier_id: 1,
            enabled: true,
            ..GatewayRow::default()
        });
        rows.emergency_gateways.push(("GB".into(), id, id.cast_signed()));
    }
    let settings =
        BuildSettings { home_country: fsx_core::Country::new(b"GB"), ..BuildSettings::default() };
    let built = build(&rows, &settings).expect("builds");
    let data = Snapshot::open(built.bytes).expect("opens");
    let live = held(&[(11, Standing::Last), (12, Standing::Out)]);
    let called = CallFacts::new(b"999", 37, 1000);
    assert_eq!(ids(&data, &standing::route(&data, &live, &called)), [11, 12]);
}
