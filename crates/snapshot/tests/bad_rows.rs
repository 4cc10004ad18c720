//! Bad rows are named and left out; a build that would lose too much is refused.

use fsx_core::digits::Digits;
use fsx_snapshot::{
    BuildError, BuildSettings, build,
    rows::{
        BandRow, CarrierRow, DiallingRuleRow, FormatRow, GatewayRow, NumberRow, OverrideRow,
        RateRow, Rows,
    },
};

fn number(id: u32, band_id: u32, digits: &str) -> NumberRow {
    NumberRow { id, band_id, org_id: 0, number: Digits::new(digits.as_bytes()), enabled: true }
}

fn rate(id: u32, band_id: u32, rate: &str) -> RateRow {
    RateRow {
        id,
        band_id,
        rate: rate.into(),
        currency: "GBP".into(),
        enabled: true,
        initial_increment_s: 1,
        next_increment_s: 1,
        ..RateRow::default()
    }
}

fn good() -> Rows {
    let carrier = |id: u32| CarrierRow {
        id,
        name: format!("C{id}"),
        enabled: true,
        kind: "route".into(),
        ..CarrierRow::default()
    };
    let band = |id, carrier_id| BandRow {
        id,
        carrier_id,
        enabled: true,
        name: format!("B{id}"),
        ..BandRow::default()
    };
    let gateway =
        |id, carrier_id| GatewayRow { id, carrier_id, enabled: true, ..GatewayRow::default() };
    Rows {
        carriers: vec![carrier(1), carrier(2)],
        bands: vec![band(10, 1), band(20, 2)],
        numbers: vec![number(100, 10, "44"), number(101, 20, "44")],
        rates: vec![rate(1000, 10, "0.01"), rate(1001, 20, "0.02")],
        gateways: vec![gateway(31, 1), gateway(32, 2)],
        ..Rows::default()
    }
}

/// Losing a row or two of a handful is not what these tests are about.
fn tolerant() -> BuildSettings {
    BuildSettings { max_lost_share: 1.0, ..BuildSettings::default() }
}

#[track_caller]
fn loses(rows: &Rows, table: &str, id: u32, reason: &str) {
    let report = build(rows, &tolerant()).expect("goes on").report;
    let lost: Vec<_> = report.lost.iter().map(ToString::to_string).collect();
    assert_eq!(lost, [format!("{table} {id}: {reason}")]);
}

#[test]
fn each_is_named_with_table_id_and_reason() {
    let mut rows = good();
    rows.numbers.push(number(102, 99, "44"));
    loses(&rows, "Numbers", 102, "unknown band 99");

    let mut rows = good();
    rows.numbers.push(number(102, 10, "44x"));
    loses(&rows, "Numbers", 102, "Number is not 1 to 15 digits: \"44x\"");

    let mut rows = good();
    rows.numbers.push(number(102, 10, "1234567890123456"));
    loses(&rows, "Numbers", 102, "Number is not 1 to 15 digits: too long");

    let mut rows = good();
    rows.numbers.push(number(102, 10, ""));
    loses(&rows, "Numbers", 102, "empty prefix, which would route every number");

    for (text, reason) in [
        ("-0.01", "Rate -0.01 is negative"),
        ("0.0000000001", "Rate \"0.0000000001\": more than 9 decimals"),
        ("1e-2", "Rate \"1e-2\": not a decimal number"),
        ("99999999999", "Rate \"99999999999\": too large"),
    ] {
        let mut rows = good();
        rows.rates.push(rate(1002, 10, text));
        loses(&rows, "LCRRates", 1002, reason);
    }

    let mut rows = good();
    rows.rates.push(RateRow { currency: "pounds".into(), ..rate(1002, 10, "1") });
    loses(&rows, "LCRRates", 1002, "unknown currency \"pounds\"");

    let mut rows = good();
    rows.rates.push(RateRow { format_number: "Mars".into(), ..rate(1002, 10, "1") });
    loses(&rows, "LCRRates", 1002, "unknown FormatNumber \"mars\"");

    let mut rows = good();
    rows.rates.push(RateRow { period: "Siesta".into(), ..rate(1002, 10, "1") });
    loses(&rows, "LCRRates", 1002, "unknown Period \"siesta\"");

    let mut rows = good();
    let pattern = "^(0".to_owned();
    rows.formats.push(FormatRow { id: 7, name: "E164".into(), pattern, ..FormatRow::default() });
    loses(&rows, "Formats", 7, "pattern \"^(0\": unbalanced bracket at position 2");

    let mut rows = good();
    let (pattern, action) = ("^44".to_owned(), "DENY".to_owned());
    rows.dialling_rules.push(DiallingRuleRow { id: 8, org_id: 0, pattern, action, enabled: true });
    loses(&rows, "DiallingRules", 8, "unknown Action \"DENY\"");

    let mut rows = good();
    let action = "FORCE".to_owned();
    rows.overrides.push(OverrideRow {
        id: 9,
        carrier_id: 77,
        action,
        enabled: true,
        ..OverrideRow::default()
    });
    loses(&rows, "Overrides", 9, "unknown carrier 77");

    let mut rows = good();
    let dial_string = "sofia/external/1@host".to_owned();
    rows.gateways.push(GatewayRow {
        id: 33,
        carrier_id: 1,
        enabled: true,
        dial_string,
        ..GatewayRow::default()
    });
    let reason = "DialString \"sofia/external/1@host\" lacks ${number}";
    loses(&rows, "CarrierGateway", 33, reason);
}

#[test]
fn a_disabled_row_may_be_anything() {
    let mut rows = good();
    rows.numbers.push(NumberRow { enabled: false, ..number(102, 10, "x") });
    rows.rates.push(RateRow { enabled: false, ..rate(1002, 10, "x") });
    assert_eq!(build(&rows, &BuildSettings::default()).expect("builds").report.lost_rows, 0);
}

#[test]
fn refused_when_too_much_is_lost() {
    let mut rows = good();
    rows.numbers.extend((200..300).map(|id| number(id, 99, "44")));
    let error = build(&rows, &BuildSettings::default()).expect_err("refused");
    let BuildError::LostTooMuch { lost: 100, of: 110, first: Some(first) } = error else {
        panic!("{error}");
    };
    assert_eq!(first.to_string(), "Numbers 200: unknown band 99");
}

#[test]
fn refused_when_a_carrier_would_vanish() {
    let mut rows = good();
    rows.rates[1].rate = "free".into();
    let error = build(&rows, &tolerant()).expect_err("refused");
    assert_eq!(
        error.to_string(),
        "carrier 2 (C2) would lose all its numbers, rates or gateways; \
         first: LCRRates 1001: Rate \"free\": not a decimal number"
    );
}

#[test]
fn refused_when_rows_that_lead_nowhere_were_a_carriers_own() {
    type Spoil = fn(&mut Rows);
    let spoilt: [(&str, Spoil); 5] = [
        ("first: Numbers 101: unknown band 999", |rows| rows.numbers[1].band_id = 999),
        ("first: LCRRates 1001: unknown band 999", |rows| rows.rates[1].band_id = 999),
        ("first: Bands 20: unknown carrier 77", |rows| rows.bands[1].carrier_id = 77),
        ("first: CarrierGateway 32: unknown carrier 77", |rows| rows.gateways[1].carrier_id = 77),
        ("first: Carriers 2: unknown Type \"bogus\"", |rows| {
            rows.carriers[1].kind = "bogus".into()
        }),
    ];
    for (why, spoil) in spoilt {
        let mut rows = good();
        spoil(&mut rows);
        let error = build(&rows, &tolerant()).expect_err(why).to_string();
        assert!(error.starts_with("carrier 2 (C2) would lose all"), "{error}");
        assert!(error.ends_with(why), "{error}");
    }
    // A carrier that rests, because its numbers, rates or gateways are disabled, stands in nobody's way.
    let rest: [Spoil; 3] = [
        |rows| rows.numbers[1].enabled = false,
        |rows| rows.rates[1].enabled = false,
        |rows| rows.gateways[1].enabled = false,
    ];
    for disable in rest {
        let mut rows = good();
        disable(&mut rows);
        rows.numbers.push(number(102, 99, "45"));
        rows.rates.push(rate(1002, 99, "1"));
        rows.gateways.push(GatewayRow { id: 33, carrier_id: 77, ..rows.gateways[0].clone() });
        assert_eq!(build(&rows, &tolerant()).expect("builds").report.lost_rows, 3);
    }
    // Nor does one of a strange type that is disabled, nor one that is not finished yet.
    let mut rows = good();
    rows.carriers[1].kind = "bogus".into();
    rows.carriers[1].enabled = false;
    assert!(build(&rows, &tolerant()).is_ok());
    let mut rows = good();
    rows.carriers.push(CarrierRow { id: 3, name: "C3".into(), ..rows.carriers[0].clone() });
    rows.numbers.push(number(102, 99, "45"));
    rows.rates.push(rate(1002, 99, "1"));
    assert_eq!(build(&rows, &tolerant()).expect("builds").report.lost_rows, 2);
}

#[test]
fn a_currency_without_an_exchange_rate_is_named() {
    let mut rows = good();
    rows.rates[1].currency = "GPB".into();
    rows.rates.push(RateRow { currency: "USD".into(), ..rate(1002, 10, "1") });
    let report = build(&rows, &tolerant()).expect("builds").report;
    assert_eq!(report.no_exchange_rate, [("GPB".to_owned(), 1), ("USD".to_owned(), 1)]);
    let report = build(&good(), &tolerant()).expect("builds").report;
    assert_eq!(report.no_exchange_rate, []);
}

#[test]
fn refused_when_a_carrier_would_lose_its_gateways() {
    let mut rows = good();
    rows.gateways[0].channel_vars = "],[x=1".into();
    let error = build(&rows, &tolerant()).expect_err("refused").to_string();
    assert!(error.starts_with("carrier 1 (C1) would lose all its numbers, rates or gateways"));
}

#[test]
fn empty_tables_build_and_route_nothing() {
    let built = build(&Rows::default(), &BuildSettings::default()).expect("builds");
    let data = fsx_snapshot::Snapshot::open(built.bytes).expect("opens");
    data.verify().expect("verifies");
    let facts = fsx_core::CallFacts::new(b"447700900123", 0, 0);
    let decision = fsx_core::decide(&data, &fsx_core::data::NoLive, &facts);
    let fsx_core::Decision::Reject { why, .. } = decision else { panic!("{decision:?}") };
    assert_eq!(why, fsx_core::Reject::NoRoute);
}
