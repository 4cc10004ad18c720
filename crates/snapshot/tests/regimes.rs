//! What the build compiles: instants, callers and closed loops. Each answer is worked out by hand, asked
//! for the short way (`decide`) and the long way (`decide_why`), and the list is looked at, so that a test
//! says also which way was there to be taken.

use fsx_core::{
    CallFacts, Decision, E164,
    data::{Index, NoLive, RoutingData},
    decide, decide_why,
    digits::Digits,
    plan::{Step, WhySink},
};
use fsx_snapshot::{
    BuildSettings, Report, Snapshot, build,
    rows::{BandRow, CarrierRow, FxRow, GatewayRow, NumberRow, PeriodRow, RateRow, Rows},
};

/// When decks are built, and what their horizon is.
const BUILT: i64 = 1_000;
const HORIZON: i64 = 2_000;

/// Somebody listens, so the long way is taken.
struct Listener;

impl WhySink for Listener {
    const ON: bool = true;
    fn excluded(&mut self, _: Index, _: Index, _: Step, _: &'static str) {}
}

#[derive(Default)]
struct Deck(Rows);

impl Deck {
    /// A carrier with one gateway and one band for the prefix; its ID is the band's too.
    fn carrier(mut self, id: u32, prefix: &str, with: impl Fn(&mut CarrierRow)) -> Self {
        let mut row = CarrierRow {
            id,
            name: format!("C{id}"),
            enabled: true,
            kind: "route".into(),
            ..CarrierRow::default()
        };
        with(&mut row);
        self.0.carriers.push(row);
        self.0.gateways.push(GatewayRow {
            id,
            carrier_id: id,
            enabled: true,
            ..GatewayRow::default()
        });
        self.band(id, id, prefix)
    }

    fn band(mut self, id: u32, carrier_id: u32, prefix: &str) -> Self {
        self.0.bands.push(BandRow { id, carrier_id, enabled: true, ..BandRow::default() });
        let number = Digits::new(prefix.as_bytes());
        self.0.numbers.push(NumberRow { id, band_id: id, org_id: 0, number, enabled: true });
        self
    }

    fn rate(mut self, band_id: u32, rate: &str, with: impl Fn(&mut RateRow)) -> Self {
        let mut row = RateRow {
            id: self.0.rates.len() as u32 + 1,
            band_id,
            rate: rate.into(),
            currency: "GBP".into(),
            enabled: true,
            initial_increment_s: 1,
            next_increment_s: 1,
            ..RateRow::default()
        };
        with(&mut row);
        self.0.rates.push(row);
        self
    }

    fn built(&self) -> (Snapshot<Vec<u8>>, Report) {
        let settings =
            BuildSettings { built_at: BUILT, horizon_end: HORIZON, ..BuildSettings::default() };
        let built = build(&self.0, &settings).expect("builds");
        assert_eq!(built.report.lost_rows, 0, "{:?}", built.report.lost);
        let data = Snapshot::open(built.bytes).expect("opens");
        data.verify().expect("verifies");
        (data, built.report)
    }
}

/// Carriers in order, by both ways.
fn order(data: &Snapshot<Vec<u8>>, facts: &CallFacts<'_>) -> Vec<u32> {
    let carriers = |decision: Decision| match decision {
        Decision::Reject { .. } => Vec::new(),
        Decision::Route(plan) => {
            let rows = plan.routes().iter();
            rows.map(|c| data.carrier(c.carrier).map_or(0, |carrier| carrier.id)).collect()
        }
    };
    let short = carriers(decide(data, &NoLive, facts));
    let long = carriers(decide_why(data, &NoLive, facts, &mut Listener));
    assert_eq!(short, long, "{facts:?}");
    short
}

fn at(second: i64) -> CallFacts<'static> {
    CallFacts::new(b"442079460000", 0, second)
}

/// Entries in order on the list that a call at the instant would read.
fn in_order(data: &Snapshot<Vec<u8>>, second: i64, caller: Option<&str>) -> u32 {
    let number = E164::new(b"442079460000").expect("a number");
    let mut caller = || E164::new(caller?.as_bytes());
    data.ranked_len(data.settled(data.offers(number.key()), second, &mut caller))
}

#[test]
fn an_exchange_rate_too_old_takes_its_carriers_out() {
    let mut deck = Deck::default()
        .carrier(1, "44", |_| {})
        .rate(1, "0.02", |_| {})
        .carrier(2, "44", |_| {})
        .rate(2, "0.01", |row| row.currency = "EUR".into());
    deck.0.fx = vec![FxRow { currency: "EUR".into(), worth: "0.85".into(), until: Some(1_500) }];
    let (data, report) = deck.built();
    assert_eq!((report.varying_lists, report.open_lists), (0, 0));
    assert_eq!(data.settings().ranked_until, 1_500);
    assert_eq!(in_order(&data, BUILT, None), 2);
    assert_eq!(order(&data, &at(BUILT)), [2, 1]);
    assert_eq!(order(&data, &at(1_499)), [2, 1]);
    assert_eq!(order(&data, &at(1_500)), [1]);
}

#[test]
fn peak_and_a_later_start_change_the_order() {
    let mut deck = Deck::default()
        .carrier(1, "44", |_| {})
        .rate(1, "0.02", |_| {})
        .carrier(2, "44", |_| {})
        .rate(2, "0.01", |_| {})
        .rate(2, "0.03", |row| row.period = "Peak".into())
        .carrier(3, "44", |_| {})
        .rate(3, "0.05", |_| {})
        .rate(3, "0.005", |row| row.start = 1_700);
    let intervals = vec![(1_100, 1_200), (1_600, 1_800), (2_100, 2_200)];
    deck.0.periods = vec![PeriodRow { name: "Peak".into(), intervals }];
    let (data, report) = deck.built();
    assert_eq!((report.varying_lists, report.open_lists), (1, 0));
    // The build, 1100, 1200, 1600, 1700, 1800; past the horizon nothing is compiled.
    assert_eq!(report.regimes, 6);
    for (second, expected) in [
        (BUILT, [2, 1, 3]),
        (1_099, [2, 1, 3]),
        (1_100, [1, 2, 3]),
        (1_199, [1, 2, 3]),
        (1_200, [2, 1, 3]),
        (1_650, [1, 2, 3]),
        (1_700, [3, 1, 2]),
        (1_800, [3, 2, 1]),
        (1_999, [3, 2, 1]),
    ] {
        assert_eq!(in_order(&data, second, None), 3, "{second}");
        assert_eq!(order(&data, &at(second)), expected, "{second}");
    }
    // Before the build and past the horizon: row by row.
    assert_eq!(order(&data, &at(900)), [2, 1, 3]);
    assert_eq!(in_order(&data, HORIZON, None), 0);
    assert_eq!(order(&data, &at(2_150)), [3, 1, 2]);
}

#[test]
fn callers_are_told_apart_by_their_bands() {
    // Carrier 2 charges callers from 4479 more and from 33 less; 4 is a band of callers' prefixes.
    let deck = Deck::default()
        .carrier(1, "44", |_| {})
        .rate(1, "0.02", |_| {})
        .carrier(2, "44", |_| {})
        .rate(2, "0.02", |row| row.rate = "0.021".into())
        .rate(2, "0.03", |row| row.a_band_id = Some(4))
        .rate(2, "0.01", |row| row.a_band_id = Some(5))
        .band(4, 2, "4479")
        .band(5, 2, "33");
    let (data, report) = deck.built();
    assert_eq!((report.varying_lists > 0, report.open_lists), (true, 0));
    let from = |caller| CallFacts { caller, ..at(BUILT) };
    for (caller, expected, entries) in [
        (None, [1, 2], 2),
        (Some("15550100"), [1, 2], 2),
        (Some("447900"), [1, 2], 2),
        (Some("33142685300"), [2, 1], 2),
        (Some("3"), [1, 2], 2),
    ] {
        assert_eq!(in_order(&data, BUILT, caller), entries, "{caller:?}");
        assert_eq!(order(&data, &from(caller.map(str::as_bytes))), expected, "{caller:?}");
    }
}

#[test]
fn closed_loops_come_first_for_their_own_and_not_at_all_for_others() {
    let mut deck = Deck::default()
        .carrier(1, "44", |_| {})
        .rate(1, "0.02", |_| {})
        .carrier(2, "44", |row| row.closed_loop = true)
        .rate(2, "0.9", |_| {})
        .carrier(3, "44", |row| row.closed_loop = true)
        .rate(3, "0.001", |_| {})
        .carrier(4, "44", |row| row.private_services = true)
        .rate(4, "0.0001", |_| {});
    deck.0.closed_loop = vec![(37, 2)];
    let (data, report) = deck.built();
    assert_eq!((report.varying_lists, report.open_lists), (0, 0));
    assert_eq!(in_order(&data, BUILT, None), 3, "all but the private one");
    assert_eq!(order(&data, &at(BUILT)), [1]);
    let its_own = CallFacts { org_id: 37, ..at(BUILT) };
    assert_eq!(order(&data, &its_own), [2, 1]);
    // Also where a cheaper one would fill the attempts before its price is reached.
    assert_eq!(order(&data, &CallFacts { max_attempts: 1, ..its_own }), [2]);
    assert_eq!(order(&data, &CallFacts { max_attempts: 1, ..at(BUILT) }), [1]);
}

#[test]
fn too_many_conditions_are_left_to_the_call() {
    // A hundred rates that start one after another: as many columns.
    let mut deck = Deck::default().carrier(1, "44", |_| {}).carrier(2, "44", |_| {});
    deck = deck.rate(2, "0.5", |_| {});
    for n in 0..100i64 {
        deck = deck.rate(1, "1", |row| {
            row.start = BUILT + n;
            row.rate = if n % 2 == 0 { "0.9" } else { "0.1" }.into();
        });
    }
    let (data, report) = deck.built();
    assert_eq!((report.varying_lists, report.open_lists), (0, 1));
    assert_eq!(in_order(&data, BUILT + 5, None), 0);
    assert_eq!(order(&data, &at(BUILT + 4)), [2, 1]);
    assert_eq!(order(&data, &at(BUILT + 5)), [1, 2]);
}
