//! Random decks and calls, small enough to collide: few digits, few carriers, equal prices.

use fsx_core::{CallFacts, digits::Digits};
use fsx_snapshot::rows::{
    BandRow, CarrierRow, DiallingRuleRow, FxRow, GatewayRow, NumberRow, OrgRow, OverrideRow,
    PeriodRow, RateRow, Rows,
};
use proptest::prelude::*;

/// A call in owned form.
#[derive(Clone, Debug)]
pub(crate) struct Call {
    pub(crate) called: String,
    pub(crate) caller: Option<String>,
    pub(crate) org: u32,
    pub(crate) at: i64,
    pub(crate) data_centre: String,
    pub(crate) max_attempts: u8,
    pub(crate) id: String,
    pub(crate) profile: Option<&'static str>,
    pub(crate) lrn: Option<String>,
}

impl Call {
    pub(crate) fn facts(&self) -> CallFacts<'_> {
        CallFacts {
            caller: self.caller.as_deref().map(str::as_bytes),
            data_centre: &self.data_centre,
            max_attempts: self.max_attempts,
            call_id: self.id.as_bytes(),
            profile: self.profile,
            lrn: self.lrn.as_deref().map(str::as_bytes),
            ..CallFacts::new(self.called.as_bytes(), self.org, self.at)
        }
    }
}

/// Digits from a small alphabet, so that prefixes nest and match.
fn digits(len: impl Into<proptest::collection::SizeRange>) -> impl Strategy<Value = String> {
    prop::collection::vec(prop::sample::select(b"124".to_vec()), len)
        .prop_map(|bytes| String::from_utf8(bytes).unwrap_or_default())
}

pub(crate) const PROFILES: [&str; 6] =
    ["", "cost", "reliability", "quality", "tolerance:25", "split:100=1,102=2,103=1"];

pub(crate) fn calls() -> impl Strategy<Value = Call> {
    let called = prop_oneof![
        20 => digits(1..=15),
        1 => Just("999".to_owned()),
        1 => Just("+44x".to_owned()),
        1 => Just(String::new()),
        1 => digits(16..=45),
    ];
    (
        called,
        prop::option::of(digits(1..=8)),
        0..4u32,
        prop::sample::select(vec![0i64, 50, 99, 100, 101, 150, 179, 180, 200, 1000]),
        prop::sample::select(vec!["", "LON1", "NYC1"]),
        prop::sample::select(vec![0u8, 0, 0, 1, 3]),
        prop::sample::select(vec!["", "", "call-1", "call-2", "b7f1"]),
        prop::option::weighted(0.3, prop::sample::select(PROFILES.to_vec())),
        prop::option::weighted(0.15, digits(1..=6)),
    )
        .prop_map(|(called, caller, org, at, data_centre, max_attempts, id, profile, lrn)| {
            Call {
                called,
                caller,
                org,
                at,
                data_centre: data_centre.to_owned(),
                max_attempts,
                id: id.to_owned(),
                profile,
                lrn,
            }
        })
}

fn carriers() -> impl Strategy<Value = Vec<CarrierRow>> {
    let row =
        (prop::bool::weighted(0.9), prop::bool::weighted(0.1), prop::bool::weighted(0.1), 0..20u32);
    prop::collection::vec(row, 4..9).prop_map(|rows| {
        let rows = rows.into_iter().enumerate();
        rows.map(|(at, (enabled, closed_loop, private_services, kind))| CarrierRow {
            id: 100 + at as u32,
            name: format!("carrier {at}"),
            enabled: enabled || at < 2,
            // The second is always a retail deck, for margins.
            kind: if kind == 0 || at == 1 { "retail" } else { "route" }.to_owned(),
            closed_loop,
            private_services,
        })
        .collect()
    })
}

fn bands(carriers: u32) -> impl Strategy<Value = Vec<BandRow>> {
    prop::collection::vec((0..carriers, prop::bool::weighted(0.9)), 6..14).prop_map(|rows| {
        let rows = rows.into_iter().enumerate();
        rows.map(|(at, (carrier, enabled))| BandRow {
            id: 500 + at as u32,
            name: format!("band {at}"),
            carrier_id: 100 + carrier,
            enabled,
            ..BandRow::default()
        })
        .collect()
    })
}

fn numbers(bands: u32) -> impl Strategy<Value = Vec<NumberRow>> {
    let row = (digits(1..=3), 0..bands, prop::sample::select(vec![0u32, 0, 0, 1, 2]), 0..10u32);
    prop::collection::vec(row, 40..160).prop_map(|rows| {
        let rows = rows.into_iter().enumerate();
        rows.map(|(at, (number, band, org_id, enabled))| NumberRow {
            // IDs fall, so that the lower ID is not the first row.
            id: 9000 - at as u32,
            band_id: 500 + band,
            org_id,
            number: Digits::new(number.as_bytes()),
            enabled: enabled > 0,
        })
        .collect()
    })
}

fn rates(bands: u32) -> impl Strategy<Value = Vec<RateRow>> {
    let row = (
        0..bands,
        prop::sample::select(vec!["0.01", "0.01", "0.02", "0.0125", "0"]),
        prop::sample::select(vec!["", "", "0.005"]),
        prop::sample::select(vec!["GBP", "GBP", "GBP", "EUR", "JPY"]),
        prop::sample::select(vec!["", "", "", "Standard", "Peak", "Weekend"]),
        prop::sample::select(vec![-5i64, -5, -5, 0, 0, 100, 5000]),
        prop::option::weighted(0.15, 0..bands),
        prop::bool::weighted(0.9),
        prop::sample::select(vec![(1u32, 1u32), (30, 6), (60, 60), (45, 60)]),
    );
    prop::collection::vec(row, 40..120).prop_map(|rows| {
        let rows = rows.into_iter().enumerate();
        rows.map(|(at, (band, rate, setup, currency, period, start, a_band, enabled, steps))| {
            RateRow {
                id: 20_000 + at as u32,
                band_id: 500 + band,
                rate: rate.to_owned(),
                setup: setup.to_owned(),
                currency: currency.to_owned(),
                period: period.to_owned(),
                start,
                enabled,
                a_band_id: a_band.map(|band| 500 + band),
                initial_increment_s: steps.0,
                next_increment_s: steps.1,
                ..RateRow::default()
            }
        })
        .collect()
    })
}

fn gateways(carriers: u32) -> impl Strategy<Value = Vec<GatewayRow>> {
    let row = (
        0..carriers,
        prop::bool::weighted(0.9),
        prop::sample::select(vec![0u8, 50, 50, 100]),
        prop::sample::select(vec!["", "LON1", "LON1, NYC1", "NYC1"]),
        (0..3u32, 0..3u32, prop::sample::select(vec![0u32, 0, 0, 1, 3]), any::<bool>()),
    );
    prop::collection::vec(row, 10..30).prop_map(|rows| {
        let rows = rows.into_iter().enumerate();
        rows.map(|(at, (carrier, enabled, reliability, data_centres, limits))| GatewayRow {
            id: 3000 + at as u32,
            carrier_id: 100 + carrier,
            enabled,
            reliability,
            data_centres: data_centres.to_owned(),
            conc_calls: limits.0,
            max_cps: limits.1,
            weight: limits.2,
            ping_gateway: if limits.3 { "YES" } else { "NO" }.into(),
            ..GatewayRow::default()
        })
        .collect()
    })
}

fn overrides(carriers: u32) -> impl Strategy<Value = Vec<OverrideRow>> {
    let row = (
        0..3u32,
        digits(0..=3),
        0..carriers,
        prop::sample::select(vec!["FORCE", "PREFER", "FORBID"]),
        0..3i32,
        prop::bool::weighted(0.9),
    );
    prop_oneof![Just(vec![]), prop::collection::vec(row, 0..6)].prop_map(|rows: Vec<_>| {
        let rows = rows.into_iter().enumerate();
        rows.map(|(at, (org_id, prefix, carrier, action, priority, enabled))| OverrideRow {
            id: 70 - at as u32,
            org_id,
            prefix,
            carrier_id: 100 + carrier,
            action: action.to_owned(),
            priority,
            enabled,
        })
        .collect()
    })
}

/// One organisation with an order of its own, one with margins, one with a limit.
fn orgs() -> impl Strategy<Value = Vec<OrgRow>> {
    let text = |texts: &[&'static str]| prop::sample::select(texts.to_vec());
    (
        text(&PROFILES),
        text(&["", "0.001", "0.009"]),
        text(&["", "10", "33.3"]),
        text(&["", "0.005"]),
        text(&["", "1", "2.5"]),
    )
        .prop_map(|(profile, abs, rel, loss, limit)| {
            vec![
                OrgRow { org_id: 1, profile: profile.into(), ..OrgRow::default() },
                OrgRow {
                    org_id: 2,
                    retail_carrier_id: 101,
                    margin_abs: abs.into(),
                    margin_rel: rel.into(),
                    allowed_loss: loss.into(),
                    ..OrgRow::default()
                },
                OrgRow { org_id: 3, call_cost_limit: limit.into(), ..OrgRow::default() },
            ]
        })
}

/// Decks that build: every reference exists. What vetting refuses has tests of its own.
pub(crate) fn decks() -> impl Strategy<Value = Rows> {
    // Half of them with one price for everyone at all times: such lists are ranked in the file.
    (any_decks(), any::<bool>()).prop_map(|(mut rows, plain)| {
        for rate in rows.rates.iter_mut().filter(|_| plain) {
            rate.period.clear();
            rate.a_band_id = None;
            rate.start = rate.start.min(100);
        }
        for carrier in rows.carriers.iter_mut().filter(|_| plain) {
            (carrier.closed_loop, carrier.private_services) = (false, false);
        }
        rows
    })
}

fn any_decks() -> impl Strategy<Value = Rows> {
    carriers().prop_flat_map(|carriers| {
        let count = carriers.len() as u32;
        bands(count).prop_flat_map(move |bands| {
            let (carriers, band_count) = (carriers.clone(), bands.len() as u32);
            (
                numbers(band_count),
                rates(band_count),
                gateways(count),
                overrides(count),
                prop::collection::vec((0..4u32, 0..count), 0..4),
                prop::collection::vec((0..3u32, digits(1..=3), any::<bool>()), 0..3),
                orgs(),
                prop::sample::select(vec![None, Some(80), Some(100), Some(180)]),
            )
                .prop_map(
                    move |(numbers, rates, gateways, overrides, members, rules, orgs, until)| {
                        Rows {
                            carriers: carriers.clone(),
                            bands: bands.clone(),
                            numbers,
                            rates,
                            gateways,
                            overrides,
                            closed_loop: members.into_iter().map(|(o, c)| (o, 100 + c)).collect(),
                            periods: vec![
                                PeriodRow {
                                    name: "Peak".into(),
                                    intervals: vec![(50, 100), (150, 200)],
                                },
                                PeriodRow { name: "weekend".into(), intervals: vec![(100, 150)] },
                            ],
                            fx: vec![FxRow { currency: "EUR".into(), worth: "0.85".into(), until }],
                            orgs,
                            dialling_rules: rules
                                .into_iter()
                                .enumerate()
                                .map(|(at, (org_id, prefix, block))| DiallingRuleRow {
                                    id: at as u32,
                                    org_id,
                                    pattern: format!("^{prefix}2"),
                                    action: if block { "BLOCK" } else { "ALLOW" }.into(),
                                    enabled: true,
                                })
                                .collect(),
                            ..Rows::default()
                        }
                    },
                )
        })
    })
}
