//! Forty decks cut like real ones, from real prefixes (research B.3): small, A to Z, fine, and
//! North American by NPA-NXX and thousand-block.
//!
//! Prices come from 600 price points a carrier, as real decks repeat theirs; `independent` prices
//! every prefix by itself, which no real deck does, and which is the worst that can happen.

use std::{collections::HashMap, io::Read};

use fsx_core::digits::Digits;
use fsx_snapshot::rows::{BandRow, CarrierRow, GatewayRow, NumberRow, RateRow, Rows};

/// The shipped numbering plan: every prefix with the number of its country and name.
pub(crate) fn plan() -> Vec<Prefix> {
    // By the place of this file, whoever includes it.
    let packed = include_bytes!("../../fsxinetd/demo/numbering-plan.gz").as_slice();
    let mut text = String::new();
    flate2::read::GzDecoder::new(packed).read_to_string(&mut text).expect("readable");
    let mut prefixes = Vec::new();
    let (mut digits, mut group) = (String::new(), String::new());
    let mut groups: HashMap<String, u32> = HashMap::new();
    for line in text.lines().filter(|line| line.starts_with(|c: char| c.is_ascii_digit())) {
        let kept = usize::from(line.as_bytes()[0] - b'0');
        let rest = &line[1..];
        let end = rest.find(|c: char| !c.is_ascii_digit()).unwrap_or(rest.len());
        digits.truncate(kept);
        digits.push_str(&rest[..end]);
        if end < rest.len() {
            group = rest[end..].to_owned();
        }
        let next = groups.len() as u32;
        prefixes.push((digits.clone(), *groups.entry(group.clone()).or_insert(next)));
    }
    prefixes
}

/// A prefix and the number of its group: country and name.
type Prefix = (String, u32);

/// Repeatable noise.
fn mix(seed: u64) -> u64 {
    let mut z = seed.wrapping_add(0x9E37_79B9_7F4A_7C15);
    z = (z ^ (z >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
    z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
    z ^ (z >> 31)
}

/// NPA-NXX codes on the plan's own area codes, and thousand-blocks below some of them.
fn north_america(plan: &[Prefix]) -> (Vec<Prefix>, Vec<Prefix>) {
    let mut areas: Vec<&str> = plan
        .iter()
        .filter(|(digits, _)| digits.len() >= 4 && digits.starts_with('1'))
        .map(|(digits, _)| &digits[..4])
        .collect();
    areas.dedup();
    let (mut codes, mut blocks) = (Vec::new(), Vec::new());
    for (at, area) in areas.iter().enumerate() {
        for nxx in (200..1000).filter(|nxx| mix(at as u64 * 1000 + nxx) % 100 < 51) {
            // Twenty rate centres an area.
            let group = (at * 20) as u32 + (nxx % 20) as u32;
            codes.push((format!("{area}{nxx}"), group));
            if mix(nxx ^ at as u64) % 100 < 43 {
                blocks.extend((0..10).map(|d| (format!("{area}{nxx}{d}"), group)));
            }
        }
    }
    (codes, blocks)
}

/// What was generated.
pub(crate) struct Decks {
    pub(crate) rows: Rows,
    pub(crate) prefixes: Vec<String>,
}

/// Some of forty carriers. `independent`: a band, and so a price, for every row.
pub(crate) fn decks_of(carriers: impl IntoIterator<Item = u32>, independent: bool) -> Decks {
    let plan = plan();
    let (codes, blocks) = north_america(&plan);
    let mut rows = Rows::default();
    let mut all: Vec<String> = Vec::new();
    for carrier in carriers {
        let mine: Vec<&Prefix> = match carrier {
            // Small: mostly short prefixes.
            0..10 => plan.iter().filter(|(p, _)| p.len() <= 5 && keep(p, carrier, 35)).collect(),
            // A to Z: a third to a fifth of the plan.
            10..25 => plan
                .iter()
                .filter(|(p, _)| p.len() <= 4 || keep(p, carrier, 12 + carrier % 14))
                .collect(),
            25..30 => plan.iter().collect(),
            30..37 => codes.iter().collect(),
            _ => codes.iter().chain(&blocks).collect(),
        };
        add_carrier(&mut rows, carrier, &mine, independent);
        all.extend(mine.into_iter().map(|(digits, _)| digits.clone()));
    }
    all.sort_unstable();
    all.dedup();
    Decks { rows, prefixes: all }
}

fn keep(prefix: &str, carrier: u32, percent: u32) -> bool {
    let seed = prefix.bytes().fold(u64::from(carrier), |h, b| h.wrapping_mul(31) + u64::from(b));
    mix(seed) % 100 < u64::from(percent)
}

fn add_carrier(rows: &mut Rows, carrier: u32, mine: &[&Prefix], independent: bool) {
    rows.carriers.push(CarrierRow {
        id: 100 + carrier,
        name: format!("Carrier {carrier}"),
        enabled: true,
        kind: "route".into(),
        ..CarrierRow::default()
    });
    for n in 0..3 {
        rows.gateways.push(GatewayRow {
            id: 3000 + carrier * 3 + n,
            carrier_id: 100 + carrier,
            enabled: true,
            reliability: 50 + n as u8,
            conc_calls: 1000,
            max_cps: 100,
            ..GatewayRow::default()
        });
    }
    let mut bands: HashMap<u32, u32> = HashMap::new();
    for (at, (digits, group)) in mine.iter().enumerate() {
        let segment = if independent { at as u32 } else { *group };
        let band_id = *bands.entry(segment).or_insert_with(|| {
            let id = rows.bands.len() as u32 + 1;
            let point = mix(u64::from(carrier) << 32 | u64::from(segment)) % 600;
            // Prices differ from carrier to carrier by more than the grid, as real ones do.
            let micro = 800 + point * 731 + u64::from(carrier) * 7;
            rows.bands.push(BandRow {
                id,
                name: format!("Band {id}"),
                carrier_id: 100 + carrier,
                enabled: true,
                ..BandRow::default()
            });
            rows.rates.push(RateRow {
                id,
                band_id: id,
                rate: format!("0.{micro:06}"),
                currency: "GBP".into(),
                enabled: true,
                initial_increment_s: 1,
                next_increment_s: 1,
                ..RateRow::default()
            });
            id
        });
        rows.numbers.push(NumberRow {
            id: rows.numbers.len() as u32 + 1,
            band_id,
            org_id: 0,
            number: Digits::new(digits.as_bytes()),
            enabled: true,
        });
    }
}
