//! Ten million distinct prefixes: built, written, mapped and asked.
//!
//! No country has so many yet; a plan that goes down to blocks of a hundred numbers everywhere would. So
//! every real prefix is cut into tens and hundreds below itself until there are ten million, all sold by
//! one fine carrier beside the forty of `deck.rs`, and answers are compared with a search that looks
//! every length up in a plain set.
//!
//! `cargo bench -p fsx-seam --bench ten_million -- [--independent]`; `FSX_BENCH_JSON` names a file that
//! takes the figures as JSON.

#[allow(dead_code)] // Shared with the other bench.
mod deck;

use std::{collections::HashSet, time::Instant};

use fsx_core::{CallFacts, Decision, data::NoLive, data::RoutingData, decide, digits::Digits};
use fsx_seam::map::MappedFile;
use fsx_snapshot::{
    BuildSettings, Snapshot, build,
    rows::{BandRow, CarrierRow, GatewayRow, NumberRow, RateRow},
};
use serde_json::json;

/// Prefixes wanted.
const WANTED: usize = 10_000_000;

/// The fine carrier.
const FINE: u32 = 900;

fn main() {
    let independent = std::env::args().any(|arg| arg == "--independent");
    let name = if independent { "independent (worst case)" } else { "correlated" };
    let began = Instant::now();
    let mut decks = deck::decks_of(0..40, independent);
    let prefixes = blocks(&decks.prefixes);
    sell(&mut decks, &prefixes, independent);
    let rows = decks.rows.numbers.len();
    println!(
        "deck: {name}, {} prefixes, {rows} rows, 41 carriers; {:?}",
        prefixes.len(),
        began.elapsed()
    );
    assert!(prefixes.len() >= WANTED);
    let with_rows = peak_mib();

    let began = Instant::now();
    let built = build(&decks.rows, &BuildSettings::default()).expect("builds");
    let build_s = began.elapsed().as_secs_f64();
    assert_eq!(built.report.lost_rows, 0);
    let (bytes, lists) = (built.report.bytes, built.report.lists);
    let bytes_a_row = bytes as f64 / rows as f64;
    let peak = peak_mib();
    println!(
        "build: {build_s:.1} s, {:.2} M rows/s; {} MiB, {bytes_a_row:.1} bytes a row, {lists} lists; \
         peak memory {peak} MiB (of which {with_rows} the rows)",
        rows as f64 / build_s / 1e6,
        bytes >> 20,
    );
    let dir = tempfile::tempdir().expect("a temporary folder");
    let path = dir.path().join("routes.fsx");
    std::fs::write(&path, &built.bytes).expect("written");
    drop((built, decks));

    let began = Instant::now();
    let data = Snapshot::open(MappedFile::open(&path).expect("maps")).expect("opens");
    let open_ms = began.elapsed().as_secs_f64() * 1e3;
    let began = Instant::now();
    data.verify().expect("verifies");
    let verify_s = began.elapsed().as_secs_f64();
    println!("map and open: {open_ms:.2} ms; verify: {verify_s:.2} s");

    let (asked, ns) = ask(&data, &prefixes);
    println!(
        "answers: {asked} numbers, each at its longest prefix; {ns:.0} ns a decision in passing"
    );
    if let Ok(path) = std::env::var("FSX_BENCH_JSON") {
        let figures = json!({
            "deck": name, "prefixes": prefixes.len(), "rows": rows, "lists": lists,
            "build_s": build_s, "bytes": bytes, "bytes_per_row": bytes_a_row, "peak_mib": peak,
            "rows_mib": with_rows, "open_ms": open_ms, "verify_s": verify_s, "asked": asked,
            "ns": ns,
        });
        std::fs::write(&path, format!("{figures:#}\n")).expect("FSX_BENCH_JSON can be written");
    }
}

/// A prefix of up to fifteen digits as one number in base 11, so that `12` is not `120`: a string each
/// would be most of the memory.
type Packed = u64;

fn packed(digits: &str) -> Packed {
    digits.bytes().fold(0, |n, b| n * 11 + u64::from(b - b'0') + 1)
}

fn unpacked(mut packed: Packed) -> String {
    let mut digits = Vec::new();
    while packed > 0 {
        digits.push(b'0' + (packed % 11) as u8 - 1);
        packed /= 11;
    }
    digits.reverse();
    String::from_utf8(digits).expect("digits")
}

/// Every prefix, with tens and then hundreds below the shorter ones, until there are enough.
fn blocks(real: &[String]) -> HashSet<Packed> {
    let mut all: HashSet<Packed> = HashSet::with_capacity(WANTED + WANTED / 8);
    all.extend(real.iter().map(|prefix| packed(prefix)));
    for below in [10, 100] {
        for prefix in real.iter().filter(|prefix| prefix.len() <= 9) {
            for n in 0..below {
                let width = if below == 10 { 1 } else { 2 };
                all.insert(packed(&format!("{prefix}{n:0width$}")));
            }
            if all.len() >= WANTED {
                return all;
            }
        }
    }
    all
}

/// The fine carrier sells every prefix: ten prices below each real one, or a price each.
fn sell(decks: &mut deck::Decks, prefixes: &HashSet<Packed>, independent: bool) {
    let rows = &mut decks.rows;
    rows.carriers.push(CarrierRow {
        id: FINE,
        name: "Fine".into(),
        enabled: true,
        kind: "route".into(),
        ..CarrierRow::default()
    });
    rows.gateways.push(GatewayRow {
        id: 9000,
        carrier_id: FINE,
        enabled: true,
        ..GatewayRow::default()
    });
    let first = rows.bands.len() as u32 + 1;
    let bands = if independent { prefixes.len() as u32 } else { 20_000 };
    for band in 0..bands {
        let (id, micro) = (first + band, 500 + band % 60_000);
        rows.bands.push(BandRow { id, carrier_id: FINE, enabled: true, ..BandRow::default() });
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
    }
    // In order, so that every run builds the same.
    let mut sorted: Vec<String> = prefixes.iter().map(|&prefix| unpacked(prefix)).collect();
    sorted.sort_unstable();
    for (at, number) in sorted.into_iter().enumerate() {
        // Neighbours share a price, as blocks of one exchange do.
        let band = if independent { at as u32 } else { (at as u32 / 8) % bands };
        rows.numbers.push(NumberRow {
            id: rows.numbers.len() as u32 + 1,
            band_id: first + band,
            org_id: 0,
            number: Digits::new(number.as_bytes()),
            enabled: true,
        });
    }
}

/// Asks for numbers under prefixes and beside them; each answer must stand on the longest prefix that
/// there is. Gives how many, and the time of a decision.
fn ask<B: AsRef<[u8]>>(data: &Snapshot<B>, prefixes: &HashSet<Packed>) -> (usize, f64) {
    let mut asked = 0;
    let mut numbers = Vec::new();
    for (n, prefix) in prefixes.iter().step_by(97).enumerate() {
        let mut number = unpacked(*prefix);
        while number.len() < 12 {
            number.push((b'0' + (n % 10) as u8) as char);
        }
        numbers.push(number);
    }
    for number in &numbers {
        let longest =
            (1..=number.len()).rev().find(|&len| prefixes.contains(&packed(&number[..len])));
        let facts =
            CallFacts { max_attempts: 32, ..CallFacts::new(number.as_bytes(), 0, 1_000_000) };
        let Decision::Route(plan) = decide(data, &NoLive, &facts) else {
            panic!("{number}: no route")
        };
        let fine =
            plan.routes().iter().find(|c| data.carrier(c.carrier).is_some_and(|c| c.id == FINE));
        // Among forty, the fine one may stand past the last attempt.
        if let Some(fine) = fine {
            assert_eq!(Some(usize::from(fine.prefix_len)), longest, "{number}");
            asked += 1;
        }
    }
    assert!(asked > numbers.len() / 10, "{asked} of {}", numbers.len());
    let began = Instant::now();
    for number in &numbers {
        std::hint::black_box(decide(
            data,
            &NoLive,
            &CallFacts::new(number.as_bytes(), 0, 1_000_000),
        ));
    }
    (asked, began.elapsed().as_nanos() as f64 / numbers.len() as f64)
}

/// The most memory that this process has had, in MiB.
fn peak_mib() -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let line = status.lines().find(|line| line.starts_with("VmHWM:"));
    let kib = line.and_then(|line| line.split_whitespace().nth(1)?.parse::<u64>().ok());
    kib.unwrap_or(0) >> 10
}
