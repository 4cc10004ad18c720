//! The routing file. A switch maps whatever lies under its name, so every answer over damaged bytes
//! must at least be safe and come in time.

use fsx_core::{
    CallFacts, Country, Decision, Nano,
    data::{Index, LiveView},
    decide_why,
    plan::{Step, WhySink},
    render,
};
use fsx_snapshot::{
    BuildSettings, IndexKind, Snapshot, build,
    rows::{
        BandRow, CarrierRow, DiallingRuleRow, FormatRow, FxRow, GatewayRow, NormaliseRow,
        NumberRow, OrgRow, OverrideRow, PeriodRow, RateRow, Rows,
    },
};

/// An instant inside the horizon and the period of the deck below.
const AT: i64 = 1_768_903_200;

/// Bytes of the header, and where length and checksum stand in it (docs/snapshot-format.md).
const HEADER: usize = 1024;
const AT_FILE_LEN: usize = 16;
const AT_HEADER_CRC: usize = HEADER - 4;

/// A deck with a row of every kind, so that every section has something to damage.
fn deck() -> Rows {
    let text = str::to_owned;
    let carrier = |id, name: &str, closed_loop| CarrierRow {
        id,
        name: text(name),
        enabled: true,
        kind: text("route"),
        closed_loop,
        private_services: false,
    };
    let band = |id, carrier_id| BandRow {
        id,
        name: format!("Band {id}"),
        carrier_id,
        kind: text("Mobile"),
        country: text("GB"),
        enabled: true,
    };
    let number = |id, band_id, org_id, digits: &str| NumberRow {
        id,
        band_id,
        org_id,
        number: fsx_core::digits::Digits::new(digits.as_bytes()),
        enabled: true,
    };
    let rate = |id, band_id, rate: &str, period: &str, a_band_id| RateRow {
        id,
        band_id,
        rate: text(rate),
        setup: text("0.005"),
        currency: text("GBP"),
        period: text(period),
        start: 0,
        enabled: true,
        format_number: text("00"),
        format_cli: text(""),
        a_band_id,
        initial_increment_s: 30,
        next_increment_s: 6,
    };
    let gateway = |id, carrier_id, data_centres: &str| GatewayRow {
        id,
        carrier_id,
        enabled: true,
        prefix: text("9"),
        channel_vars: text("absolute_codec_string=PCMA\\,PCMU"),
        conc_calls: 10,
        reliability: 90,
        weight: 5,
        ping_gateway: text("YES"),
        data_centres: text(data_centres),
        stop_causes: text("17,486"),
        ..GatewayRow::default()
    };
    Rows {
        unread: Vec::new(),
        carriers: vec![
            carrier(1, "One", false),
            carrier(2, "Two", false),
            carrier(3, "Loop", true),
        ],
        bands: vec![band(10, 1), band(20, 2), band(30, 3), band(11, 1)],
        numbers: vec![
            number(1, 10, 0, "44"),
            number(2, 10, 0, "447700"),
            number(3, 20, 0, "44"),
            number(4, 20, 37, "4477009"),
            number(5, 30, 0, "4"),
            number(6, 11, 0, "1"),
        ],
        rates: vec![
            rate(100, 10, "0.0125", "", None),
            rate(101, 10, "0.0100", "Peak", None),
            rate(102, 10, "0.0090", "", Some(11)),
            rate(200, 20, "0.0130", "", None),
            rate(300, 30, "0.0010", "", None),
            rate(110, 11, "0.0020", "", None),
        ],
        gateways: vec![
            gateway(1000, 1, "LON1"),
            gateway(1001, 1, ""),
            gateway(2000, 2, "LON1,LON2"),
            gateway(3000, 3, ""),
        ],
        overrides: vec![OverrideRow {
            id: 1,
            org_id: 37,
            prefix: text("447"),
            carrier_id: 2,
            action: text("PREFER"),
            priority: 1,
            enabled: true,
        }],
        closed_loop: vec![(37, 3)],
        formats: vec![FormatRow {
            id: 1,
            name: text("00"),
            sequence: 1,
            pattern: text("^(.*)$"),
            replacement: text("00$1"),
        }],
        periods: vec![PeriodRow { name: text("Peak"), intervals: vec![(AT - 3600, AT + 3600)] }],
        fx: vec![FxRow { currency: text("EUR"), worth: text("0.85"), until: None }],
        orgs: vec![OrgRow {
            org_id: 37,
            home_country: text("GB"),
            call_cost_limit: text("100"),
            ..OrgRow::default()
        }],
        dialling_rules: vec![DiallingRuleRow {
            id: 1,
            org_id: 37,
            pattern: text("^449"),
            action: text("BLOCK"),
            enabled: true,
        }],
        emergency_numbers: vec![(text("GB"), text("999")), (text("GB"), text("112"))],
        emergency_gateways: vec![(text("GB"), 1000, 1)],
        normalise_rules: vec![NormaliseRow {
            country: text("GB"),
            sequence: 1,
            pattern: text("^0(\\d{10})$"),
            replacement: text("44$1"),
        }],
    }
}

pub(crate) fn seeds() -> Vec<Vec<u8>> {
    // Not the direct index: its table alone is 14 MB. What it points at is the same.
    let settings = BuildSettings {
        generation: 7,
        built_at: AT,
        horizon_end: AT + 86_400,
        home_country: Country::new(b"GB"),
        index: IndexKind::Bounds,
        ..BuildSettings::default()
    };
    let shorter = BuildSettings { shorter_prefix: true, ..settings.clone() };
    [settings, shorter]
        .iter()
        .map(|settings| {
            let built = build(&deck(), settings).unwrap_or_else(|e| panic!("the deck: {e}"));
            assert!(built.bytes.len() < 64 << 10, "{} bytes", built.bytes.len());
            // A deck that routes nothing would test nothing.
            let snapshot = Snapshot::open(&built.bytes[..]).expect("just built");
            snapshot.verify().expect("just built");
            assert_eq!(ask(&snapshot), [4, 3, 4, 2, 1, 0, 0], "attempts, number by number");
            built.bytes
        })
        .collect()
}

struct Well;

impl LiveView for Well {
    fn healthy(&self, _: u32, _: &str) -> bool {
        true
    }
    fn calls_in_progress(&self, _: u32) -> u32 {
        0
    }
    fn calls_this_second(&self, _: u32, _: i64) -> u32 {
        0
    }
    fn spend(&self, _: u32) -> Option<Nano> {
        None
    }
}

#[derive(Default)]
struct Count(usize);

impl WhySink for Count {
    const ON: bool = true;

    fn excluded(&mut self, _: Index, _: Index, _: Step, reason: &'static str) {
        self.0 += reason.len();
    }
}

/// Decides some calls; how many attempts each was given.
fn ask<B: AsRef<[u8]>>(snapshot: &Snapshot<B>) -> Vec<usize> {
    let numbers: [(&[u8], u32); 7] = [
        (b"07700900123", 37),
        (b"447700900123", 0),
        (b"+442079460000", 37),
        (b"12125551212", 37),
        (b"999", 37),
        (b"449012345678", 37),
        (b"\xff\0", u32::MAX),
    ];
    numbers
        .iter()
        .map(|(called, org)| {
            let mut facts = CallFacts::new(called, *org, AT);
            facts.caller = Some(b"12025550100");
            facts.data_centre = "LON1";
            facts.call_id = b"a-call";
            let mut why = Count::default();
            let Decision::Route(plan) = decide_why(snapshot, &Well, &facts, &mut why) else {
                return 0;
            };
            for candidate in plan.routes() {
                let dial = render::attempt(snapshot, &facts, &plan, candidate);
                if let Some(gateway) =
                    fsx_core::data::RoutingData::gateway(snapshot, candidate.gateway)
                {
                    let mut out = String::new();
                    let _ = render::dial_string(&gateway, &dial.number, &mut out);
                    let _ = render::channel_vars(&gateway).count();
                }
            }
            plan.routes().len()
        })
        .collect()
}

pub(crate) fn file(bytes: &[u8]) {
    if let Ok(snapshot) = Snapshot::open(bytes) {
        ask(&snapshot);
        let _ = snapshot.verify();
    }
    // Again with length and header checksum put right: a forger would do so, and damage behind
    // them must not do harm either.
    if bytes.len() < HEADER {
        return;
    }
    let mut forged = bytes.to_vec();
    let len = forged.len() as u64;
    forged[AT_FILE_LEN..AT_FILE_LEN + 8].copy_from_slice(&len.to_le_bytes());
    let crc = crc32fast::hash(&forged[..AT_HEADER_CRC]);
    forged[AT_HEADER_CRC..HEADER].copy_from_slice(&crc.to_le_bytes());
    if let Ok(snapshot) = Snapshot::open(&forged[..]) {
        ask(&snapshot);
        let _ = snapshot.verify();
    }
}
