//! A decision takes nothing from the heap, the short way and the long way.
//!
//! That it makes no system call is shown in `crates/seam/tests/system_calls.rs`, where the kernel kills
//! whoever makes one; that it holds no lock, by `tests/house.rs`, which finds none in its rooms.

use fsx_core::{CallFacts, Decision, data::NoLive, decide, digits::Digits};
use fsx_snapshot::{
    BuildSettings, Snapshot, build,
    rows::{BandRow, CarrierRow, GatewayRow, NumberRow, OverrideRow, RateRow, Rows},
};

fn rows(carriers: u32) -> Rows {
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
        rows.gateways.push(GatewayRow {
            id,
            carrier_id: id,
            enabled: true,
            weight: 1,
            ..GatewayRow::default()
        });
    }
    rows
}

#[track_caller]
fn takes_nothing(rows: &Rows, facts: &CallFacts<'_>) {
    let built = build(rows, &BuildSettings::default()).expect("builds");
    let data = Snapshot::open(built.bytes).expect("opens");
    let mut routes = 0;
    let counted = allocation_counter::measure(|| {
        if let Decision::Route(plan) = decide(&data, &NoLive, facts) {
            routes = plan.routes().len();
        }
    });
    assert!(routes > 0, "the call is routed");
    assert_eq!(counted.count_total, 0, "{counted:?}");
}

#[test]
fn the_short_way() {
    let mut rows = rows(40);
    rows.gateways.iter_mut().for_each(|gateway| gateway.weight = 0);
    takes_nothing(&rows, &CallFacts::new(b"447700900123", 37, 1000));
}

#[test]
fn the_long_way() {
    let mut rows = rows(40);
    rows.overrides.push(OverrideRow {
        id: 1,
        prefix: "44".into(),
        carrier_id: 3,
        action: "PREFER".into(),
        enabled: true,
        ..OverrideRow::default()
    });
    let facts = CallFacts {
        profile: Some("split:1=1,2=2"),
        lrn: Some(b"447911123456"),
        ..CallFacts::new(b"447700900123", 37, 1000)
    };
    takes_nothing(&rows, &facts);
}

#[test]
fn the_counter_counts() {
    let counted = allocation_counter::measure(|| drop(std::hint::black_box(vec![1u8; 100])));
    assert_eq!(counted.count_total, 1);
}
