//! Bad input, item by item as the issue lists it: always a clear answer, never a crash.
//!
//! Rows that make no sense (non-digit prefixes, negative, huge and ten-decimal rates, unknown currencies,
//! bad patterns, empty tables) are in `bad_rows.rs`; files that are cut, flipped, foreign or newer in
//! `damage.rs`; the hours of daylight saving in `fsxinetd/src/feed/periods.rs`; decks and tables of others in
//! `fsxinetd/tests/hostile_decks.rs`.

use fsx_core::data::{NoLive, RoutingData};
use fsx_core::digits::Digits;
use fsx_core::{CallFacts, Country, Decision, Reject, decide, render};
use fsx_snapshot::rows::{
    BandRow, CarrierRow, FormatRow, GatewayRow, NormaliseRow, NumberRow, RateRow, Rows,
};
use fsx_snapshot::{BuildSettings, Snapshot, build};

/// One carrier that sells 44 at 0.01.
fn deck() -> Rows {
    Rows {
        carriers: vec![CarrierRow {
            id: 1,
            name: "C1".into(),
            enabled: true,
            kind: "route".into(),
            ..CarrierRow::default()
        }],
        bands: vec![band(10)],
        numbers: vec![number(100, "44", 10)],
        rates: vec![rate(1000, 10, "0.01")],
        gateways: vec![GatewayRow { id: 1, carrier_id: 1, enabled: true, ..GatewayRow::default() }],
        normalise_rules: vec![
            NormaliseRow {
                country: "GB".into(),
                sequence: 1,
                pattern: "^00(\\d+)$".into(),
                replacement: "$1".into(),
            },
            NormaliseRow {
                country: "GB".into(),
                sequence: 2,
                pattern: "^0(\\d{10})$".into(),
                replacement: "44$1".into(),
            },
        ],
        ..Rows::default()
    }
}

fn band(id: u32) -> BandRow {
    BandRow { id, name: format!("B{id}"), carrier_id: 1, enabled: true, ..BandRow::default() }
}

fn number(id: u32, digits: &str, band_id: u32) -> NumberRow {
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

fn built(rows: &Rows, settings: &BuildSettings) -> Snapshot<Vec<u8>> {
    let data = Snapshot::open(build(rows, settings).expect("builds").bytes).expect("opens");
    data.verify().expect("verifies");
    data
}

fn facts(called: &[u8]) -> CallFacts<'_> {
    CallFacts { home_country: Country::new(b"GB"), ..CallFacts::new(called, 0, 1000) }
}

/// The rate that decides, and what is dialled.
fn routed(data: &Snapshot<Vec<u8>>, facts: &CallFacts<'_>) -> Result<(u32, String), Reject> {
    match decide(data, &NoLive, facts) {
        Decision::Route(plan) => {
            let first = &plan.routes()[0];
            let dialled = render::attempt(data, facts, &plan, first).number.to_string();
            Ok((data.rate(first.rate).map_or(0, |rate| rate.id), dialled))
        }
        Decision::Reject { why, .. } => Err(why),
    }
}

#[test]
fn dialled_strings_that_are_no_numbers() {
    let data = built(&deck(), &BuildSettings::default());
    let forty = b"4420794600004420794600004420794600004420";
    for bad in [
        &b""[..],
        b"+",
        b"++442079460000",
        b"4420+79460000",
        b" 442079460000",
        b"44 2079 460000",
        b"44-2079-460000",
        b"FREEPHONE",
        b"4420794600OO",
        b"#31#442079460000",
        b"*100",
        b"4420794600004420",
        forty,
        &[b'4'; 5000],
        b"44207946\x000000",
        b"\xff\xfe\x00",
        "４４２０７９４６００００".as_bytes(),
        "٤٤٢٠".as_bytes(),
        b"sip:442079460000@example.com",
        b"\n442079460000",
    ] {
        let shown = String::from_utf8_lossy(bad);
        assert_eq!(routed(&data, &facts(bad)), Err(Reject::InvalidNumber), "{shown:?}");
        assert_eq!(Reject::InvalidNumber.cause(), 28);
    }
    for good in [&b"+442079460000"[..], b"442079460000", b"02079460000", b"00442079460000"] {
        let shown = String::from_utf8_lossy(good);
        assert_eq!(routed(&data, &facts(good)), Ok((1000, "442079460000".into())), "{shown}");
    }
    // A number, and nobody's.
    assert_eq!(routed(&data, &facts(b"123456789012345")), Err(Reject::NoRoute));
}

#[test]
fn callers_and_routing_numbers_that_are_no_numbers() {
    let data = built(&deck(), &BuildSettings::default());
    for caller in [&b""[..], b"anonymous", b"\xff", &[b'1'; 500], b"+"] {
        let facts = CallFacts { caller: Some(caller), ..facts(b"442079460000") };
        assert!(routed(&data, &facts).is_ok(), "{caller:?}");
        // A routing number that is none leaves the dialled one.
        let facts = CallFacts { lrn: Some(caller), caller: None, ..facts };
        assert!(routed(&data, &facts).is_ok(), "{caller:?}");
    }
}

#[test]
fn an_empty_prefix_routes_everything_only_where_that_is_allowed() {
    let mut rows = deck();
    rows.numbers.push(number(101, "", 10));
    let tolerant = BuildSettings { max_lost_share: 1.0, ..BuildSettings::default() };
    let report = build(&rows, &tolerant).expect("goes on").report;
    assert_eq!(report.lost[0].reason, "empty prefix, which would route every number");
    assert_eq!(routed(&built(&rows, &tolerant), &facts(b"33100000000")), Err(Reject::NoRoute));
    let allowed = BuildSettings { allow_empty_prefix: true, ..BuildSettings::default() };
    assert!(routed(&built(&rows, &allowed), &facts(b"33100000000")).is_ok());
}

#[test]
fn of_duplicate_prefixes_the_lower_id_counts() {
    let mut rows = deck();
    rows.bands.push(band(11));
    rows.rates.push(rate(1001, 11, "0.001"));
    // The same number in two bands, and twice in one.
    rows.numbers.extend([number(103, "44", 11), number(102, "44", 10), number(104, "44", 11)]);
    let data = built(&rows, &BuildSettings::default());
    assert_eq!(routed(&data, &facts(b"442079460000")).map(|(rate, _)| rate), Ok(1000));
    rows.numbers.insert(0, number(99, "44", 11));
    let data = built(&rows, &BuildSettings::default());
    assert_eq!(routed(&data, &facts(b"442079460000")).map(|(rate, _)| rate), Ok(1001));
}

#[test]
fn formats_that_would_rewrite_each_other_for_ever_are_applied_once() {
    let mut rows = deck();
    let format = |id, sequence, pattern: &str, replacement: &str| FormatRow {
        id,
        name: "round".into(),
        sequence,
        pattern: pattern.into(),
        replacement: replacement.into(),
    };
    // Each makes what the other takes, and the first makes what it takes itself.
    rows.formats = vec![format(1, 1, "^44(\\d+)$", "4400$1"), format(2, 2, "^4400(\\d+)$", "44$1")];
    rows.rates[0].format_number = "round".into();
    let data = built(&rows, &BuildSettings::default());
    assert_eq!(routed(&data, &facts(b"442079460000")), Ok((1000, "44002079460000".into())));
    // One that grows what it is given past any number leaves the number as it is, or cuts nothing.
    rows.formats = vec![format(1, 1, "^(\\d+)$", "$1$1$1$1$1$1$1$1")];
    match build(&rows, &BuildSettings { max_lost_share: 1.0, ..BuildSettings::default() }) {
        Ok(built) => {
            let data = Snapshot::open(built.bytes).expect("opens");
            let (_, dialled) = routed(&data, &facts(b"442079460000")).expect("a route");
            assert!(dialled.len() <= 128 && dialled.starts_with("442079460000"), "{dialled}");
        }
        Err(error) => assert!(error.to_string().contains("Formats"), "{error}"),
    }
}

#[test]
fn rates_as_large_as_money_goes_are_ranked() {
    let mut rows = deck();
    rows.rates[0].rate = "9000000000".into();
    rows.rates[0].setup = "9000000000".into();
    // Beyond what can be counted the rate is no price; it never wraps into a cheap one.
    match build(&rows, &BuildSettings { max_lost_share: 1.0, ..BuildSettings::default() }) {
        Ok(built) => {
            let data = Snapshot::open(built.bytes).expect("opens");
            if let Decision::Route(plan) = decide(&data, &NoLive, &facts(b"442079460000")) {
                assert!(plan.routes()[0].cost_per_min(&data).0 > 0);
            }
        }
        Err(error) => assert!(error.to_string().contains("Rate"), "{error}"),
    }
}
