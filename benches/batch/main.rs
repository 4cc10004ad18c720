//! `fsxinetd lcr route --batch` against the bare engine, and against what the machine can do.
//!
//! A line cannot be answered faster than it can be read and its answer written, so the batch is held
//! against three things measured in the same run: the engine alone, `serde_json` reading the same lines
//! into nothing, and the answers being copied. The command is the real one, as a user runs it; its start (a
//! snapshot that is read and verified) is measured by an empty batch and taken off.
//!
//! `cargo bench -p fsxinetd --bench batch -- [--small]`; `FSX_BENCH_JSON` names a file that takes the figures
//! as JSON.

#[allow(dead_code)] // Shared with the engine's bench.
#[path = "../lcr/deck.rs"]
mod deck;

use std::{
    fs::File,
    hint::black_box,
    io::Write as _,
    path::Path,
    process::{Command, Stdio},
    time::Instant,
};

use fsx_core::{CallFacts, data::NoLive, decide};
use fsx_snapshot::{BuildSettings, Snapshot, build};
use serde_json::json;

/// Lines of a batch.
const LINES: usize = 500_000;

/// Rounds of everything; the best counts, since what disturbs only ever slows.
const ROUNDS: usize = 3;

fn main() {
    let step = if std::env::args().any(|arg| arg == "--small") { 9 } else { 1 };
    let decks = deck::decks_of((0..40).step_by(step), false);
    let built = build(&decks.rows, &BuildSettings::default()).expect("builds");
    let dir = tempfile::tempdir().expect("a temporary folder");
    let path = |name: &str| dir.path().join(name);
    std::fs::write(path("routes.fsx"), &built.bytes).expect("written");
    let data = Snapshot::open(built.bytes).expect("opens");
    println!("{} prefixes, {} carriers", decks.prefixes.len(), decks.rows.carriers.len());

    let called: Vec<String> = (0..LINES as u64)
        .map(|n| {
            let at = (n.wrapping_mul(0x9E37_79B9_7F4A_7C15) >> 20) as usize % decks.prefixes.len();
            let mut number = decks.prefixes[at].clone();
            while number.len() < 12 {
                number.push((b'0' + (n % 10) as u8) as char);
            }
            number
        })
        .collect();
    let mut figures = vec![];
    for (name, attempts) in [("eight routes", 0), ("one route", 1)] {
        let lines: String = called
            .iter()
            .map(|number| match attempts {
                0 => format!("{{\"number\":\"{number}\",\"org\":37,\"at\":1000000,\"dc\":\"LON1\"}}\n"),
                n => format!(
                    "{{\"number\":\"{number}\",\"org\":37,\"at\":1000000,\"dc\":\"LON1\",\"max_attempts\":{n}}}\n"
                ),
            })
            .collect();
        std::fs::write(path("lines"), &lines).expect("written");
        std::fs::write(path("none"), "").expect("written");
        let started = best(|| run(&path("routes.fsx"), &path("none"), 1, None));
        let one = best(|| run(&path("routes.fsx"), &path("lines"), 1, None)) - started;
        let all = best(|| run(&path("routes.fsx"), &path("lines"), 0, None)) - started;
        run(&path("routes.fsx"), &path("lines"), 0, Some(&path("answers")));
        let answers = std::fs::read(path("answers")).expect("answers");
        let engine = best(|| {
            timed(|| {
                for number in &called {
                    let mut facts = CallFacts::new(number.as_bytes(), 37, 1_000_000);
                    (facts.data_centre, facts.max_attempts) = ("LON1", attempts);
                    black_box(decide(&data, &NoLive, &facts));
                }
            })
        });
        let read = best(|| {
            timed(|| {
                for line in lines.lines() {
                    black_box(serde_json::from_str::<serde::de::IgnoredAny>(line).expect("JSON"));
                }
            })
        });
        let mut sink = vec![0u8; answers.len()];
        let copy = best(|| timed(|| black_box(&mut sink).copy_from_slice(black_box(&answers))));
        let ns = |seconds: f64| seconds * 1e9 / LINES as f64;
        println!(
            "{name}: {:.0} lines/s on one core, {:.0} on all; {:.0} bytes an answer\n\
             \x20 a line {:.0} ns; the engine alone {:.0} ns, serde_json reading it {:.0} ns, its answer \
             copied {:.0} ns; ratio to the three together {:.2} (one core), {:.2} (all)",
            LINES as f64 / one,
            LINES as f64 / all,
            answers.len() as f64 / LINES as f64,
            ns(one),
            ns(engine),
            ns(read),
            ns(copy),
            one / (engine + read + copy),
            all / (engine + read + copy),
        );
        figures.push(json!({
            "answers": name, "lines_per_s_one_core": LINES as f64 / one, "lines_per_s": LINES as f64 / all,
            "ns": ns(one), "engine_ns": ns(engine), "read_ns": ns(read), "copy_ns": ns(copy),
            "bytes": answers.len() as f64 / LINES as f64,
        }));
    }
    if let Ok(path) = std::env::var("FSX_BENCH_JSON") {
        std::fs::write(&path, format!("{:#}\n", json!(figures)))
            .expect("FSX_BENCH_JSON can be written");
    }
}

/// Seconds that the command takes.
fn run(snapshot: &Path, lines: &Path, jobs: u32, out: Option<&Path>) -> f64 {
    let out = out.map_or_else(Stdio::null, |path| File::create(path).expect("a file").into());
    timed(|| {
        let status = Command::new(env!("CARGO_BIN_EXE_fsxinetd"))
            .args(["lcr", "route", "--json", "--jobs", &jobs.to_string(), "--snapshot"])
            .arg(snapshot)
            .arg("--batch")
            .arg(lines)
            .stdout(out)
            .status()
            .expect("it runs");
        assert!(status.success(), "{status}");
    })
}

fn timed(work: impl FnOnce()) -> f64 {
    let began = Instant::now();
    work();
    began.elapsed().as_secs_f64()
}

fn best(mut seconds: impl FnMut() -> f64) -> f64 {
    let _ = std::io::stdout().flush();
    (0..ROUNDS).map(|_| seconds()).fold(f64::MAX, f64::min)
}
