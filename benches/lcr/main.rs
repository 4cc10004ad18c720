//! The LCR engine against the memory it runs on. Every figure is a ratio of two things measured in
//! this run, because machines differ and this one may be busy (docs/benchmarks.md).

mod deck;

use std::{hint::black_box, time::Instant};

use fsx_core::{CallFacts, data::NoLive, decide};
use fsx_snapshot::{BuildSettings, Snapshot, build};

fn main() {
    let independent = std::env::args().any(|arg| arg == "--independent");
    let began = Instant::now();
    let decks = deck::decks(independent);
    let numbers = decks.rows.numbers.len();
    println!("{numbers} rows, {} prefixes, made in {:?}", decks.prefixes.len(), began.elapsed());
    let began = Instant::now();
    let built = build(&decks.rows, &BuildSettings::default()).expect("builds");
    let took = began.elapsed();
    let report = &built.report;
    println!(
        "built in {took:?}: {:.2} M rows/s, {} bytes, {:.1} a row, {} intervals, {} lists",
        numbers as f64 / took.as_secs_f64() / 1e6,
        report.bytes,
        report.bytes as f64 / numbers as f64,
        report.intervals,
        report.lists
    );
    let data = Snapshot::open(built.bytes).expect("opens");
    let began = Instant::now();
    data.verify().expect("verifies");
    println!("verified in {:?}", began.elapsed());

    let called: Vec<String> = (0..1u64 << 16)
        .map(|n| {
            let at = (n.wrapping_mul(0x9E37_79B9_7F4A_7C15) >> 20) as usize % decks.prefixes.len();
            let mut number = decks.prefixes[at].clone();
            while number.len() < 12 {
                number.push((b'0' + (n % 10) as u8) as char);
            }
            number
        })
        .collect();
    for (name, count) in [("hot", 1024), ("warm", called.len())] {
        let began = Instant::now();
        let mut routes = 0;
        let turns = 200_000;
        for n in 0..turns {
            let facts = CallFacts::new(called[n % count].as_bytes(), 37, 1_000_000);
            if let fsx_core::Decision::Route(plan) = decide(&data, &NoLive, &facts) {
                routes += black_box(plan.routes().len());
            }
        }
        let each = began.elapsed().as_nanos() as f64 / turns as f64;
        println!("{name}: {each:.0} ns a decision, {:.1} routes", routes as f64 / turns as f64);
    }
}
