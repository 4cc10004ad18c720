//! The LCR engine against the memory it runs on. Every figure is a ratio of two things measured in
//! this run, because machines differ and this one may be busy (docs/benchmarks.md).
//!
//! `cargo bench -p fsx-seam --bench lcr -- [--independent]`; `FSX_BENCH_JSON` names a file that
//! takes the figures as JSON. For profilers: `--build-only`, or `--hot-only` with `--small` (few rows) and
//! `--once` (one round, for tools that count instructions).

mod chase;
mod deck;

use std::{hint::black_box, time::Instant};

use chase::{Chase, Evictor, undisturbed};
use fsx_core::{CallFacts, Decision, Plan, data::LiveView, decide::decide_into, plan::NoWhy};
use fsx_live::{LiveSpec, LiveTable};
use fsx_snapshot::{BuildSettings, Snapshot, build, rows::Rows};
use serde_json::json;

/// Rounds of a measurement in warm memory: short and many, so that some are undisturbed.
const ROUNDS: usize = 1_000;

/// Builds of the same rows. The first of a process also pays for its memory.
const BUILDS: usize = 5;

/// Rounds of a measurement in cold memory, each of which takes a while to prepare.
const COLD_ROUNDS: usize = 40;

/// Decisions, and steps of the chase, after each eviction.
const COLD: usize = 32;

type Data = Snapshot<Vec<u8>>;

fn main() {
    let independent = std::env::args().any(|arg| arg == "--independent");
    // A small deck for tools that count instructions, a hundred times slower than the machine.
    let step = if std::env::args().any(|arg| arg == "--small") { 9 } else { 1 };
    let decks = deck::decks_of((0..40).step_by(step), independent);
    let rows = decks.rows.numbers.len();
    let name = if independent { "independent (worst case)" } else { "correlated" };
    println!("deck: {name}, {rows} rows, 40 carriers, {} prefixes", decks.prefixes.len());

    // What making the decks left behind is tidied up when memory is next asked for; that is no part of a
    // build.
    drop(black_box(vec![0u8; 100_000]));
    let builds = if std::env::args().any(|arg| arg == "--hot-only") { 1 } else { BUILDS };
    let mut rates = Vec::new();
    let built = loop {
        let began = Instant::now();
        let built = build(&decks.rows, &BuildSettings::default()).expect("builds");
        rates.push(rows as f64 / began.elapsed().as_secs_f64() / 1e6);
        if rates.len() == builds {
            break built;
        }
    };
    let (first_build, build_rate) = (rates[0], rates.iter().copied().fold(0.0, f64::max));
    let bytes_a_row = built.report.bytes as f64 / rows as f64;
    let lists = built.report.lists;
    println!(
        "build: {build_rate:.2} M rows/s, the fastest of {builds} (the first {first_build:.2}); \
         {bytes_a_row:.1} bytes a row, {lists} lists"
    );
    if std::env::args().any(|arg| arg == "--build-only") {
        return;
    }
    let data = Snapshot::open(built.bytes).expect("opens");
    let began = Instant::now();
    data.verify().expect("verifies");
    println!("verify: {:?}", began.elapsed());

    let dir = tempfile::tempdir().expect("a temporary folder");
    let live = live_table(&decks.rows, &dir.path().join("routing.live"));
    let called = numbers(&decks.prefixes);

    if std::env::args().any(|arg| arg == "--hot-only") {
        // For a profiler: nothing else worth looking at runs for long.
        let turns = if std::env::args().any(|arg| arg == "--once") { 1 } else { 4 * ROUNDS };
        let hot = rounds(turns, || each(&data, &live, &called[..256], 10_240));
        println!("hot: {:.0} ns, the middle round {:.0}", hot.fastest, hot.middle);
        return;
    }
    let hot = rounds(ROUNDS, || each(&data, &live, &called[..256], 10_240));
    let key = rounds(ROUNDS, || parse(&called[..256], 102_400));
    println!(
        "hot: {:.0} ns a decision, of which {:.0} ns to read the number: {:.0} without (the middle \
         round {:.0}, with the number)",
        hot.fastest,
        key.fastest,
        hot.fastest - key.fastest,
        hot.middle
    );
    let warm = rounds(20, || each(&data, &live, &called, called.len())).fastest;
    let at_size = Chase::new(data.bytes().len());
    let mut from = 0;
    let warm_step = rounds(20, || {
        from += 7919;
        at_size.step_ns(from, 100_000)
    })
    .fastest;
    let warm_ratio = warm / (2.0 * warm_step);
    println!(
        "warm: {warm:.0} ns; two steps of a chase through as much memory {:.0} ns; ratio {warm_ratio:.2}",
        2.0 * warm_step
    );

    let chase = Chase::new(256 << 20);
    let mut evictor = Evictor::new(1 << 30);
    let (mut steps, mut decisions) = (Vec::new(), Vec::new());
    for round in 0..COLD_ROUNDS {
        evictor.evict();
        steps.push(chase.step_ns(round * 104_729, COLD));
        evictor.evict();
        let from = round * COLD % (called.len() - COLD);
        // Whoever asks has the number in hand.
        let called = called[from..from + COLD].to_vec();
        decisions.push(each(&data, &live, &called, COLD));
    }
    let (dram, cold) = (undisturbed(steps), undisturbed(decisions));
    let cold_ratio = cold / (2.0 * dram);
    println!("cold: {cold:.0} ns; two DRAM steps {:.0} ns; ratio {cold_ratio:.2}", 2.0 * dram);

    if let Ok(path) = std::env::var("FSX_BENCH_JSON") {
        let figures = json!({
            "deck": name, "rows": rows, "prefixes": decks.prefixes.len(), "lists": lists,
            "build_mrows_per_s": build_rate, "first_build_mrows_per_s": first_build,
            "bytes_per_row": bytes_a_row,
            "hot_ns": hot.fastest, "hot_middle_ns": hot.middle, "key_ns": key.fastest,
            "warm_ns": warm, "warm_ratio": warm_ratio,
            "cold_ns": cold, "dram_ns": dram, "cold_ratio": cold_ratio,
        });
        std::fs::write(&path, format!("{figures:#}\n")).expect("FSX_BENCH_JSON can be written");
    }
}

/// Rounds that all do the same.
struct Rounds {
    /// The fastest: nothing but others on the machine makes one slower than another, so this is what
    /// the work takes.
    fastest: f64,
    /// The middle one, which tells how busy the machine was.
    middle: f64,
}

fn rounds(count: usize, mut round: impl FnMut() -> f64) -> Rounds {
    let mut all: Vec<f64> = (0..count).map(|_| round()).collect();
    all.sort_unstable_by(f64::total_cmp);
    Rounds { fastest: all[0], middle: all[count / 2] }
}

/// A live table with a health row for every gateway and a call in progress on some.
fn live_table(rows: &Rows, path: &std::path::Path) -> LiveTable {
    let live = LiveTable::open_or_create(path, &LiveSpec::default()).expect("a live table");
    let owner = live.register_owner();
    for (at, gateway) in rows.gateways.iter().enumerate() {
        live.set_healthy(gateway.id, "LON1", !at.is_multiple_of(20));
        if at.is_multiple_of(3) {
            live.begin_call(owner, gateway.id, 1_000_000);
        }
    }
    live
}

/// Twelve-digit numbers under prefixes of the deck, in no order.
fn numbers(prefixes: &[String]) -> Vec<String> {
    (0..1u64 << 16)
        .map(|n| {
            let at = (n.wrapping_mul(0x9E37_79B9_7F4A_7C15) >> 20) as usize % prefixes.len();
            let mut number = prefixes[at].clone();
            while number.len() < 12 {
                number.push((b'0' + (n % 10) as u8) as char);
            }
            number
        })
        .collect()
}

/// Nanoseconds a full decision: emergency, rules, limit, match, rank, health, caps, plan of eight.
#[inline(never)]
fn each(data: &Data, live: &impl LiveView, called: &[String], turns: usize) -> f64 {
    let mut routes = 0;
    let mut decision = Decision::Route(Plan::empty(0));
    let began = Instant::now();
    for n in 0..turns {
        let mut facts = CallFacts::new(called[n % called.len()].as_bytes(), 37, 1_000_000);
        facts.data_centre = "LON1";
        decide_into(data, live, &facts, &mut NoWhy, &mut decision);
        if let Decision::Route(plan) = black_box(&decision) {
            routes += plan.routes().len();
        }
    }
    let ns = began.elapsed().as_nanos() as f64 / turns as f64;
    assert!(routes > 6 * turns, "the deck answers");
    ns
}

/// Nanoseconds to read a number and make its key.
fn parse(called: &[String], turns: usize) -> f64 {
    let began = Instant::now();
    for n in 0..turns {
        let number = fsx_core::E164::new(called[n % called.len()].as_bytes());
        black_box(number.map(|number| number.key()));
    }
    began.elapsed().as_nanos() as f64 / turns as f64
}
