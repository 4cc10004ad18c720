//! The whole real numbering plan through both engines (`make oracle`): every prefix, by several
//! organisations, callers, instants and data centres, with every kind of row that changes an answer.
//!
//! The slow engine reads every row for every call; here it is given, for each call, the rows that
//! could matter to it, found by their prefixes.

use std::{
    cell::Cell,
    collections::{BTreeSet, HashMap},
    time::Instant,
};

use fsx_core::{
    CallFacts, Nano,
    data::{GatewayTerms, LiveView},
    digits::Digits,
    profile::Quality,
};
use fsx_snapshot::{
    BuildSettings, Snapshot, build,
    rows::{FxRow, NumberRow, OrgRow, OverrideRow, PeriodRow, RateRow, Rows},
};

use crate::{
    deck::{Call, PROFILES},
    fast,
    real::decks_of,
    slow,
    world::World,
};

/// Repeatable noise.
fn mix(seed: u64) -> u64 {
    let mut z = seed.wrapping_add(0x9E37_79B9_7F4A_7C15);
    z = (z ^ (z >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
    z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
    z ^ (z >> 31)
}

fn one_in(seed: u64, n: u64) -> bool {
    mix(seed).is_multiple_of(n)
}

fn pick<T: Copy>(seed: u64, from: &[T]) -> T {
    from[(mix(seed) % from.len() as u64) as usize]
}

/// Which rows a run has beside the decks.
#[derive(Clone, Copy, PartialEq, Debug)]
enum Kind {
    /// Of every kind. Overrides that hold for everyone send every call the long way.
    Every,
    /// Nothing that all calls have to go the long way for: over a fifth end the short way.
    Short,
}

/// Rows that make prices depend on instant and caller, carriers on organisation, and so on.
fn complicate(rows: &mut Rows, kind: Kind) {
    // Of so many conditions as all bands make, a build leaves most to the call.
    let (share, bands) = if kind == Kind::Every { (12, rows.bands.len() as u64) } else { (3, 3) };
    let first_new_rate = rows.rates.len() as u32 + 1;
    let mut more = Vec::new();
    for (at, rate) in rows.rates.iter().enumerate() {
        let seed = at as u64 * 7919;
        if mix(seed) % 100 >= share {
            continue;
        }
        more.push(RateRow {
            id: first_new_rate + more.len() as u32,
            rate: pick(seed + 1, &["0.001", "0.02", "0.3"]).into(),
            currency: pick(seed + 2, &["GBP", "EUR", "JPY"]).into(),
            period: pick(seed + 3, &["", "Peak", "Weekend", "Standard"]).into(),
            start: pick(seed + 4, &[-5, 100, 150, 5000]),
            a_band_id: one_in(seed + 5, 3).then(|| (mix(seed + 6) % bands) as u32 + 1),
            initial_increment_s: pick(seed + 7, &[1, 30, 60]),
            next_increment_s: pick(seed + 8, &[1, 6, 60]),
            ..rate.clone()
        });
    }
    rows.rates.extend(more);
    for (at, band) in rows.bands.iter_mut().enumerate() {
        band.enabled = !one_in(at as u64 + 31, 50);
    }
    let mut id = rows.numbers.len() as u32;
    let private: Vec<NumberRow> = rows
        .numbers
        .iter()
        .step_by(997)
        .filter_map(|row| {
            let mut number = Digits::new(row.number?.as_bytes())?;
            let _ = number.push(b'0' + (mix(u64::from(row.id)) % 10) as u8);
            id += 1;
            let org_id = 1 + (mix(u64::from(id)) % 3) as u32;
            Some(NumberRow { id, org_id, number: Some(number), ..*row })
        })
        .collect();
    rows.numbers.extend(private);
    for (at, number) in rows.numbers.iter_mut().enumerate() {
        number.enabled = !one_in(at as u64 + 77, 40);
    }
    for (at, gateway) in rows.gateways.iter_mut().enumerate() {
        let seed = at as u64 * 101;
        gateway.reliability = pick(seed, &[40, 50, 50, 100]);
        gateway.data_centres = pick(seed + 1, &["", "LON1", "LON1, NYC1", "NYC1"]).into();
        if kind == Kind::Every || at / 3 == 11 {
            gateway.weight = pick(seed + 2, &[0, 0, 0, 1, 3]);
        }
        gateway.conc_calls = 3;
    }
    let ids: Vec<u32> = rows.carriers.iter().map(|carrier| carrier.id).collect();
    rows.carriers[1].kind = "retail".into();
    rows.carriers[2].closed_loop = true;
    rows.carriers[3].private_services = true;
    rows.carriers[9].closed_loop = true;
    // Organisation 4 has nothing else of its own.
    rows.closed_loop = vec![(2, ids[2]), (4, ids[9])];
    let rules: [(u32, &str, usize, &str, i32); 6] = [
        (2, "44", 3, "PREFER", 1),
        (0, "33", 4, "FORBID", 0),
        (2, "3361", 4, "PREFER", 0),
        (3, "49", 5, "FORCE", 0),
        (3, "", 6, "PREFER", 2),
        (0, "1212", 7, "FORCE", 0),
    ];
    rows.overrides = rules
        .into_iter()
        .filter(|rule| kind == Kind::Every || rule.0 != 0)
        .zip(1..)
        .map(|((org_id, prefix, carrier, action, priority), id)| OverrideRow {
            id,
            org_id,
            prefix: prefix.into(),
            carrier_id: ids[carrier],
            action: action.into(),
            priority,
            enabled: true,
        })
        .collect();
    rows.periods = vec![
        PeriodRow { name: "Peak".into(), intervals: vec![(50, 100), (150, 200)] },
        PeriodRow { name: "Weekend".into(), intervals: vec![(100, 150)] },
    ];
    rows.fx = vec![FxRow { currency: "EUR".into(), worth: "0.85".into(), until: Some(180) }];
    rows.orgs = vec![
        OrgRow { org_id: 1, profile: "tolerance:25".into(), ..OrgRow::default() },
        OrgRow {
            org_id: 2,
            retail_carrier_id: ids[1],
            margin_rel: "5".into(),
            ..OrgRow::default()
        },
    ];
}

/// The rows by what finds them.
struct Finder<'a> {
    rows: &'a Rows,
    /// Every table but numbers, bands and rates.
    rest: Rows,
    numbers: HashMap<&'a str, Vec<usize>>,
    rates: HashMap<u32, Vec<usize>>,
    bands: HashMap<u32, usize>,
}

impl<'a> Finder<'a> {
    fn new(rows: &'a Rows) -> Self {
        let mut numbers: HashMap<&str, Vec<usize>> = HashMap::new();
        for (at, row) in rows.numbers.iter().enumerate() {
            let digits = row.number.as_ref().map_or("", |number| number.as_str());
            numbers.entry(digits).or_default().push(at);
        }
        let mut rates: HashMap<u32, Vec<usize>> = HashMap::new();
        for (at, row) in rows.rates.iter().enumerate() {
            rates.entry(row.band_id).or_default().push(at);
        }
        let bands = rows.bands.iter().enumerate().map(|(at, band)| (band.id, at)).collect();
        let rest = Rows {
            carriers: rows.carriers.clone(),
            gateways: rows.gateways.clone(),
            overrides: rows.overrides.clone(),
            closed_loop: rows.closed_loop.clone(),
            periods: rows.periods.clone(),
            fx: rows.fx.clone(),
            orgs: rows.orgs.clone(),
            ..Rows::default()
        };
        Self { rows, rest, numbers, rates, bands }
    }

    /// Fills `rest` with the rows that a call's digits lead to.
    fn narrow(&mut self, call: &Call) {
        let mut found = BTreeSet::new();
        for digits in [Some(&call.called), call.lrn.as_ref(), call.caller.as_ref()] {
            let digits = digits.map_or("", String::as_str);
            for len in 1..=digits.len() {
                found.extend(self.numbers.get(&digits[..len]).into_iter().flatten().copied());
            }
        }
        self.rest.numbers = found.iter().map(|&at| self.rows.numbers[at]).collect();
        let bands: BTreeSet<u32> = self.rest.numbers.iter().map(|row| row.band_id).collect();
        self.rest.bands = bands.iter().map(|id| self.rows.bands[self.bands[id]].clone()).collect();
        let rates = bands.iter().flat_map(|band| self.rates.get(band).into_iter().flatten());
        self.rest.rates = rates.map(|&at| self.rows.rates[at].clone()).collect();
    }
}

fn call(prefix: &str, seed: u64) -> Call {
    let mut called = prefix.to_owned();
    while called.len() < 7 + (mix(seed) % 7) as usize {
        called.push((b'0' + (mix(seed + called.len() as u64) % 10) as u8) as char);
    }
    let callers = ["447700900123", "12125550123", "33612345678", "8613800000000"];
    Call {
        called,
        caller: (!one_in(seed + 50, 5)).then(|| pick(seed + 51, &callers).to_owned()),
        org: (mix(seed + 52) % 5) as u32,
        at: pick(seed + 53, &[0, 60, 99, 100, 120, 150, 179, 180, 199, 200, 6000]),
        data_centre: pick(seed + 54, &["", "LON1", "NYC1", "SYD1"]).to_owned(),
        max_attempts: pick(seed + 55, &[0, 0, 1, 2, 3, 20]),
        id: pick(seed + 56, &["", "a", "b", "c"]).to_owned(),
        profile: one_in(seed + 57, 4).then(|| pick(seed + 58, &PROFILES)),
        lrn: one_in(seed + 59, 20).then(|| pick(seed + 60, &callers).to_owned()),
    }
}

/// The world, and which way the last call went through the engine: the short one asks whether gateways
/// take it, the long one why they do not.
struct Watched {
    world: World,
    short: Cell<bool>,
    long: Cell<bool>,
}

impl LiveView for Watched {
    fn healthy(&self, gateway_id: u32, data_centre: &str) -> bool {
        self.world.healthy(gateway_id, data_centre)
    }
    fn calls_in_progress(&self, gateway_id: u32) -> u32 {
        self.world.calls_in_progress(gateway_id)
    }
    fn calls_this_second(&self, gateway_id: u32, at: i64) -> u32 {
        self.world.calls_this_second(gateway_id, at)
    }
    fn takes(&self, row: &[u8; GatewayTerms::BYTES], facts: &CallFacts<'_>, glance: bool) -> bool {
        self.short.set(true);
        self.world.takes(row, facts, glance)
    }
    fn spend(&self, org_id: u32) -> Option<Nano> {
        self.world.spend(org_id)
    }
    fn quality(&self, gateway_id: u32) -> Quality {
        self.world.quality(gateway_id)
    }
    fn leaves_out(&self, gateway_id: u32, at: i64) -> bool {
        self.long.set(true);
        self.world.leaves_out(gateway_id, at)
    }
}

#[test]
#[ignore = "takes minutes; make oracle runs it"]
fn the_whole_numbering_plan_answers_alike() {
    answers_alike(Kind::Every);
}

#[test]
#[ignore = "takes minutes; make oracle runs it"]
fn the_whole_numbering_plan_answers_alike_the_short_way() {
    answers_alike(Kind::Short);
}

fn answers_alike(kind: Kind) {
    let mut decks = decks_of([0, 1, 3, 10, 12, 14, 20, 25, 26, 30, 31, 37], false);
    complicate(&mut decks.rows, kind);
    let rows = decks.rows;
    let settings = BuildSettings { built_at: 100, ..BuildSettings::default() };
    let built = build(&rows, &settings).expect("builds");
    let (lists, varying, open) =
        (built.report.lists, built.report.varying_lists, built.report.open_lists);
    println!("{kind:?}: {lists} lists, of which {varying} vary and {open} are left to the call");
    let data = Snapshot::open(built.bytes).expect("opens");
    data.verify().expect("verifies");
    let mut finder = Finder::new(&rows);
    let world = World {
        down: rows.gateways.iter().step_by(7).map(|gateway| (gateway.id, "LON1")).collect(),
        busy: rows.gateways.iter().step_by(5).map(|gateway| (gateway.id, 3)).collect(),
        measured: rows
            .gateways
            .iter()
            .step_by(3)
            .map(|g| (g.id, (100, u64::from(g.id) % 90)))
            .collect(),
        ..World::default()
    };
    let world = Watched { world, short: Cell::default(), long: Cell::default() };
    let turns = std::env::var("FSX_ORACLE_TURNS").ok().and_then(|n| n.parse().ok()).unwrap_or(2);
    let began = Instant::now();
    let (mut asked, mut routed, mut short, mut differ) = (0u64, 0u64, 0u64, 0u64);
    for turn in 0..turns {
        for (at, prefix) in decks.prefixes.iter().enumerate() {
            let seed = mix(turn << 32 | at as u64);
            let mut call = call(prefix, seed);
            if kind == Kind::Short {
                call.org = pick(seed + 61, &[0, 0, 0, 4, 4, 4, 1, 2, 3]);
                call.profile = call.profile.filter(|_| one_in(seed + 62, 5));
                call.at = pick(seed + 63, &[99, 100, 110, 120, 140, 149, 150, 160, 179, 180]);
            }
            finder.narrow(&call);
            let slow = slow::decide(&finder.rest, &world.world, &call, false);
            world.short.set(false);
            world.long.set(false);
            let fast = fast(&data, &world, &call.facts());
            asked += 1;
            routed += u64::from(matches!(slow, slow::Answer::Route(_)));
            short += u64::from(world.short.get() && !world.long.get());
            if slow != fast {
                differ += 1;
                eprintln!("{call:?}\n  slow {slow:?}\n  fast {fast:?}");
                assert!(differ < 10, "{differ} differences in {asked} calls");
            }
        }
    }
    println!(
        "{kind:?}: {} prefixes, {asked} calls, {routed} routed, {short} the short way, {differ} differences, {:?}",
        decks.prefixes.len(),
        began.elapsed()
    );
    assert!(decks.prefixes.len() >= 300_000 && routed * 2 > asked, "the deck reaches too little");
    assert!(kind == Kind::Every || short * 5 > asked, "{short} of {asked} the short way");
    assert_eq!(differ, 0);
}
