//! A snapshot cut at every length and flipped at every bit is refused, and reading it anyway is
//! harmless.

use fsx_core::{CallFacts, data::NoLive, decide, digits::Digits};
use fsx_snapshot::{
    BuildSettings, IndexKind, OpenError, Snapshot, build,
    rows::{
        BandRow, CarrierRow, DiallingRuleRow, FormatRow, GatewayRow, NormaliseRow, NumberRow,
        OrgRow, OverrideRow, PeriodRow, RateRow, Rows,
    },
};

/// A deck with something in every section.
fn file(index: IndexKind) -> Vec<u8> {
    let rows = Rows {
        carriers: vec![CarrierRow {
            id: 1,
            name: "One".into(),
            enabled: true,
            kind: "route".into(),
            closed_loop: true,
            private_services: false,
        }],
        bands: vec![BandRow {
            id: 10,
            name: "UK".into(),
            carrier_id: 1,
            enabled: true,
            ..BandRow::default()
        }],
        numbers: [("44", 0), ("447", 0), ("4477", 37), ("1", 0)]
            .into_iter()
            .enumerate()
            .map(|(at, (digits, org_id))| NumberRow {
                id: at as u32,
                band_id: 10,
                org_id,
                number: Digits::new(digits.as_bytes()),
                enabled: true,
            })
            .collect(),
        rates: vec![RateRow {
            id: 1000,
            band_id: 10,
            rate: "0.01".into(),
            currency: "GBP".into(),
            period: "Peak".into(),
            enabled: true,
            format_number: "National".into(),
            a_band_id: Some(10),
            initial_increment_s: 1,
            next_increment_s: 1,
            ..RateRow::default()
        }],
        gateways: vec![GatewayRow {
            id: 31,
            carrier_id: 1,
            enabled: true,
            channel_vars: "a=1,b=2".into(),
            data_centres: "LON1".into(),
            ..GatewayRow::default()
        }],
        overrides: vec![OverrideRow {
            id: 9,
            carrier_id: 1,
            prefix: "44".into(),
            action: "PREFER".into(),
            enabled: true,
            ..OverrideRow::default()
        }],
        closed_loop: vec![(37, 1)],
        formats: vec![FormatRow {
            id: 7,
            name: "National".into(),
            sequence: 1,
            pattern: "^44([0-9]+)$".into(),
            replacement: "0$1".into(),
        }],
        periods: vec![PeriodRow { name: "Peak".into(), intervals: vec![(0, 100)] }],
        orgs: vec![OrgRow {
            org_id: 37,
            home_country: "GB".into(),
            call_cost_limit: "10".into(),
            ..OrgRow::default()
        }],
        dialling_rules: vec![DiallingRuleRow {
            id: 8,
            org_id: 37,
            pattern: "^449".into(),
            action: "BLOCK".into(),
            enabled: true,
        }],
        emergency_numbers: vec![("GB".into(), "999".into())],
        emergency_gateways: vec![("GB".into(), 31, 1)],
        normalise_rules: vec![NormaliseRow {
            country: "GB".into(),
            sequence: 1,
            pattern: "^0([1-9][0-9]+)$".into(),
            replacement: "44$1".into(),
        }],
        ..Rows::default()
    };
    build(&rows, &BuildSettings { index, ..BuildSettings::default() }).expect("builds").bytes
}

/// Asks everything that a call would, and something that it would not.
fn exercise(data: &Snapshot<&[u8]>) {
    for called in ["07700900123", "999", "449000", "12125551234", "x", ""] {
        let facts = CallFacts {
            caller: Some(b"07700900456"),
            data_centre: "LON1",
            ..CallFacts::new(called.as_bytes(), 37, 50)
        };
        if let fsx_core::Decision::Route(plan) = decide(data, &NoLive, &facts) {
            for candidate in plan.routes() {
                let _ = fsx_core::render::attempt(data, &facts, &plan, candidate);
            }
        }
    }
}

#[test]
fn whole_it_routes() {
    let bytes = file(IndexKind::Bounds);
    let data = Snapshot::open(bytes.as_slice()).expect("opens");
    data.verify().expect("verifies");
    let facts =
        CallFacts { caller: Some(b"07700900456"), ..CallFacts::new(b"07700900123", 37, 50) };
    assert!(matches!(decide(&data, &NoLive, &facts), fsx_core::Decision::Route(_)));
}

#[test]
fn cut_anywhere_it_is_refused() {
    let bytes = file(IndexKind::Bounds);
    for len in 0..bytes.len() {
        let error = Snapshot::open(&bytes[..len]).expect_err("refused");
        assert!(matches!(error, OpenError::Short { .. }), "{len}: {error}");
    }
    let mut longer = bytes.clone();
    longer.push(0);
    assert!(matches!(Snapshot::open(longer), Err(OpenError::Short { .. })));
}

#[test]
fn flipped_anywhere_it_is_refused_and_harmless() {
    let mut bytes = file(IndexKind::Bounds);
    for at in 0..bytes.len() {
        for bit in 0..8 {
            bytes[at] ^= 1 << bit;
            if let Ok(data) = Snapshot::open(bytes.as_slice()) {
                assert!(data.verify().is_err(), "byte {at} bit {bit} passed");
                exercise(&data);
            }
            bytes[at] ^= 1 << bit;
        }
    }
}

#[test]
fn foreign_and_newer_files_are_named() {
    assert_eq!(Snapshot::open(b"not a snapshot".as_slice()).err(), Some(OpenError::Foreign));
    let mut bytes = file(IndexKind::Bounds);
    let own = bytes[8];
    for other in [own + 1, own - 1] {
        bytes[8] = other;
        let error = Snapshot::open(bytes.as_slice()).err().map(|error| error.to_string());
        let expected = format!("snapshot format {other}, this program reads {own}");
        assert_eq!(error, Some(expected));
    }
}
