//! The daemon as its peers meet it: calls on the event socket, questions on the decision socket
//! (docs/benchmarks.md).
//!
//! `make bench-daemon`; `-- tasks decide idle flat` chooses some, `--seconds`, `--calls` and `--tasks`
//! make them smaller or larger. `FSX_BENCH_JSON` names a file that takes the figures as JSON. It ends
//! with 1 where a figure is outside its limit.

mod old_way;
mod peer;
mod witness;

use std::path::Path;
use std::time::Duration;

use fsx_test_support::{
    daemon::Daemon,
    load::{self, Figures},
    open_loop, place,
    run_dir::RunDir,
    skip::skip,
    template::words,
};
use old_way::OldWay;
use peer::Peer;
use serde_json::{Map, Value, json};
use witness::Witness;

/// What ends the conversation of the trivial task, in both ways.
const NOTED: &[u8] = b"content-length: 8\n\nseen=501exit\n\n";

/// How long what an absence of the machine has held up is still being worked off.
const SETTLES: Duration = Duration::from_millis(20);

/// The limit of a decision at p99.
const DECIDED: Duration = Duration::from_millis(1);

/// Fewer questions say nothing of one in a hundred.
const ENOUGH: usize = 1_000;

/// Callers at once.
const AT_ONCE: usize = 16;

/// What was asked for on the command line.
struct Wanted {
    names: Vec<String>,
    seconds: u64,
    calls: usize,
    tasks: u64,
}

impl Wanted {
    fn read() -> Result<Self, String> {
        let mut wanted = Self { names: Vec::new(), seconds: 20, calls: 10_000, tasks: 1_000_000 };
        let mut args = std::env::args().skip(1);
        while let Some(arg) = args.next() {
            let mut number = || {
                let text = args.next().unwrap_or_default();
                text.parse::<u64>().map_err(|_| format!("{arg}: expected a number, got {text:?}"))
            };
            match arg.as_str() {
                // cargo says so to every bench.
                "--bench" => {}
                "--seconds" => wanted.seconds = number()?,
                "--calls" => wanted.calls = number()? as usize,
                "--tasks" => wanted.tasks = number()?,
                "tasks" | "decide" | "idle" | "flat" => wanted.names.push(arg),
                _ => return Err(format!("{arg}: expected tasks, decide, idle, flat or an option")),
            }
        }
        Ok(wanted)
    }

    fn wants(&self, name: &str) -> bool {
        self.names.is_empty() || self.names.iter().any(|n| n == name)
    }
}

/// The figures, and whether each is within its limit.
#[derive(Default)]
struct Sheet {
    figures: Map<String, Value>,
    outside: Vec<String>,
}

impl Sheet {
    fn put(&mut self, name: &str, value: Value) {
        self.figures.insert(name.to_owned(), value);
    }

    fn limit(&mut self, holds: bool, what: String) {
        println!("    {} {what}", if holds { "within:" } else { "OUTSIDE:" });
        if !holds {
            self.outside.push(what);
        }
    }
}

fn main() -> std::process::ExitCode {
    if witness::is_asked_for() {
        return witness::watch();
    }
    if peer::is_asked_for() {
        return peer::answer();
    }
    let wanted = match Wanted::read() {
        Ok(wanted) => wanted,
        Err(why) => {
            eprintln!("{why}");
            return 2.into();
        }
    };
    let mut sheet = Sheet::default();
    if wanted.wants("tasks") {
        tasks(&mut sheet, &wanted);
    }
    if wanted.wants("decide") {
        decide(&mut sheet, &wanted);
    }
    if wanted.wants("idle") {
        idle(&mut sheet, &wanted);
    }
    if wanted.wants("flat") {
        flat(&mut sheet, &wanted);
    }
    if let Some(path) = std::env::var_os("FSX_BENCH_JSON") {
        let text = Value::Object(std::mem::take(&mut sheet.figures)).to_string();
        std::fs::write(path, text).expect("written");
    }
    for what in &sheet.outside {
        eprintln!("outside our limit: {what}");
    }
    u8::from(!sheet.outside.is_empty()).into()
}

/// A daemon, and the directory that goes when it has ended.
struct Measured {
    daemon: Daemon,
    _run: RunDir,
}

/// A daemon in a directory of its own, ready.
fn daemon(name: &str) -> Measured {
    let text = |path: &str| {
        let path = place::source(path);
        std::fs::read_to_string(&path).unwrap_or_else(|e| panic!("{}: {e}", path.display()))
    };
    let run = RunDir::new(name);
    // What it writes down is part of what it costs, as in production.
    let words = words([("LOG_LEVEL", "info".to_owned())]);
    let (conf, deck) =
        (text("benches/daemon/fsxinetd.toml"), text("tests/scenarios/common/deck.sql"));
    let mut daemon = Daemon::new(&run, &conf, &deck, &words);
    for file in ["manifest.toml", "bench.lua"] {
        let text = text(&format!("benches/daemon/policies/default/{file}"));
        let _ = run.write(&format!("fsx/policies/default/{file}"), &text);
    }
    daemon.start();
    Measured { daemon, _run: run }
}

/// (a) The trivial task, the old way and ours, in turns.
fn tasks(sheet: &mut Sheet, wanted: &Wanted) {
    println!("tasks: a trivial task, {AT_ONCE} callers at once");
    let data = load::channel_data("Bench::note");
    let ours = daemon("bench-tasks");
    let run = RunDir::new("bench-old-way");
    let old = match OldWay::start(&run) {
        Ok(old) => Some(old),
        Err(why) => {
            skip("bench-daemon tasks (the old way)", &why);
            None
        }
    };
    let measure = |server, count| load::tasks(server, &data, NOTED, AT_ONCE, count);
    let _warm = measure(ours.daemon.event_socket(), 2_000);
    let (mut new_rounds, mut old_rounds) = (Vec::new(), Vec::new());
    // In turns, so that a machine that grows busy meanwhile is so for both.
    for _ in 0..3 {
        if let Some(old) = &old {
            old_rounds.push(measure(old.address(), 60 * wanted.seconds.div_ceil(3)));
        }
        new_rounds.push(measure(ours.daemon.event_socket(), 3_000 * wanted.seconds.div_ceil(3)));
    }
    let (new, old) = (together(new_rounds), together(old_rounds));
    show("fsxinetd", &new);
    sheet.put("tasks_fsxinetd", figures(&new));
    sheet.limit(new.failed == 0, format!("{} tasks of fsxinetd failed", new.failed));
    if old.waits.is_empty() {
        return;
    }
    show("xinetd and PHP", &old);
    let ratio = new.per_second() / old.per_second();
    sheet.put("tasks_xinetd_php", figures(&old));
    sheet.put("tasks_ratio", json!(ratio));
    sheet.limit(ratio >= 30.0, format!("{ratio:.1} times the calls a second (at least 30)"));
    let (fast, slow) = (new.at(0.99), old.at(0.99));
    sheet.limit(fast < slow, format!("p99 {fast:.1?}, the old way {slow:.1?}"));
}

/// (b) A policy with one look-up, asked over the decision socket.
fn decide(sheet: &mut Sheet, wanted: &Wanted) {
    const RATE: u32 = 1_000;
    println!("decide: a Luau policy with one LCR look-up, {RATE} questions a second, open loop");
    let measured = daemon("bench-decide");
    let ask = |socket: &Path, seconds| {
        open_loop::decisions(socket, RATE, Duration::from_secs(seconds), 4, question, peer::ANSWER)
    };
    let socket = measured.daemon.file("decide.sock");
    let _warm = ask(&socket, 2);
    let run = RunDir::new("bench-peer");
    let plain = run.path().join("peer.sock");
    let peer = Peer::start(&plain).unwrap_or_else(|why| panic!("no peer: {why}"));
    let machine = watched(wanted.seconds.div_ceil(4), |seconds| ask(&plain, seconds));
    let ours = watched(wanted.seconds, |seconds| ask(&socket, seconds));
    let again = watched(wanted.seconds.div_ceil(4), |seconds| ask(&plain, seconds));
    drop(peer);

    show("decisions", &ours.all);
    sheet.put("decide", figures(&ours.all));
    sheet.limit(ours.all.failed == 0, format!("{} questions not answered", ours.all.failed));
    let machine = machine.or(again);
    match &machine.there {
        Ok(there) => {
            show("a peer that only answers, while the machine was there", there);
            sheet.put("decide_peer_there", figures(there));
        }
        Err(_) => show("a peer that only answers", &machine.all),
    }
    let judged = match ours.there {
        Ok(there) => {
            show("while the machine was there", &there);
            println!(
                "    {} of {} questions; {}",
                there.waits.len(),
                ours.all.waits.len(),
                ours.away
            );
            sheet.put("decide_while_there", figures(&there));
            there
        }
        Err(why) => {
            skip("bench-daemon decide (the machine's own absences)", &why);
            ours.all
        }
    };
    if judged.waits.len() < ENOUGH {
        let why = format!("the machine was there for {} questions only", judged.waits.len());
        skip("bench-daemon decide (p99)", &why);
        return;
    }
    let p99 = judged.at(0.99);
    sheet.limit(p99 <= DECIDED, format!("p99 {p99:.2?} (at most 1 ms)"));
}

/// What questions waited, and those of them during which the machine was there.
struct Watched {
    all: Figures,
    there: Result<Figures, String>,
    away: String,
}

impl Watched {
    /// The one with more questions while the machine was there.
    fn or(self, other: Self) -> Self {
        let count = |w: &Self| w.there.as_ref().map_or(0, |there| there.waits.len());
        if count(&self) >= count(&other) { self } else { other }
    }
}

/// Asks for so many seconds, with an eye on the machine.
fn watched(seconds: u64, ask: impl Fn(u64) -> open_loop::Asked) -> Watched {
    let witness = Witness::start(seconds);
    let asked = ask(seconds);
    let all = asked.figures();
    match witness.and_then(Witness::away) {
        Ok(away) => {
            let there = asked.while_there(&away, SETTLES, DECIDED);
            let lost = away.iter().filter_map(|(from, to)| to.duration_since(*from).ok());
            let lost = lost.sum::<Duration>();
            let away = format!("it was away {} times, {lost:.1?} together", away.len());
            Watched { all, there: Ok(there), away }
        }
        Err(why) => Watched { all, there: Err(why), away: String::new() },
    }
}

/// A question of which `facts` are as a module sends them.
fn question(id: u64) -> String {
    json!({
        "v": 1, "id": id, "deadline_ms": 1_000, "kind": "decide",
        "facts": {
            "call_id": format!("8d0cf1f0-98e6-4f0e-bd83-{id:012}"),
            "called": "07700900123", "caller": "442079460000", "org": 37, "home_country": "GB",
            "data_centre": "LON1", "vars": { "rmOrgID": "37", "rmUserID": "501" }
        }
    })
    .to_string()
}

/// (c) Calls that are talked with and whose switch is busy.
fn idle(sheet: &mut Sheet, wanted: &Wanted) {
    println!("idle: {} calls held open", wanted.calls);
    let may = load::descriptors();
    if may < wanted.calls as u64 + 200 {
        skip("bench-daemon idle", &format!("{may} descriptors may be open here"));
        return;
    }
    let measured = daemon("bench-idle");
    let data = load::channel_data("Bench::hold");
    let told = "execute-app-name: playback";
    // What the first calls cost is not what a call costs.
    drop(load::idle_calls(measured.daemon.event_socket(), &data, told, 50));
    let before = load::resident(measured.daemon.pid());
    let calls = load::idle_calls(measured.daemon.event_socket(), &data, told, wanted.calls);
    let grown = load::resident(measured.daemon.pid()).saturating_sub(before);
    let each = grown as f64 / calls.len() as f64 / 1024.0;
    let mib = grown as f64 / f64::from(1 << 20);
    println!("  {mib:.0} MiB more, {each:.1} KiB a call");
    sheet.put("idle_calls", json!(calls.len()));
    sheet.put("idle_bytes", json!(grown));
    let limit = 200e6 / 10_000.0 * calls.len() as f64;
    sheet.limit(
        (grown as f64) < limit,
        format!("{mib:.0} MiB (less than {:.0})", limit / 1048576.0),
    );
}

/// (d) Memory over very many tasks.
fn flat(sheet: &mut Sheet, wanted: &Wanted) {
    println!("flat: {} tasks", wanted.tasks);
    let measured = daemon("bench-flat");
    let data = load::channel_data("Bench::note");
    let step = (wanted.tasks / 10).max(1);
    let mut seen = Vec::new();
    let mut failed = 0;
    for n in 1..=10 {
        let done = load::tasks(measured.daemon.event_socket(), &data, NOTED, AT_ONCE, step);
        failed += done.failed;
        let resident = load::resident(measured.daemon.pid());
        println!(
            "  after {:>9} tasks {:>6.1} MiB, {:.0} a second",
            n * step,
            resident as f64 / f64::from(1 << 20),
            done.per_second()
        );
        seen.push(resident);
    }
    // The first tenth fills what is then kept: machines, buffers, histograms.
    let grown = seen[9].saturating_sub(seen[0]);
    sheet.put("flat_resident", json!(seen));
    sheet.put("flat_grown", json!(grown));
    sheet.limit(failed == 0, format!("{failed} tasks failed"));
    let mib = grown as f64 / f64::from(1 << 20);
    sheet.limit(grown < 8 << 20, format!("{mib:.1} MiB more than after a tenth (less than 8)"));
}

/// Rounds as one.
fn together(rounds: Vec<Figures>) -> Figures {
    let (mut took, mut waits, mut failed) = (Duration::ZERO, Vec::new(), 0);
    for round in rounds {
        (took, failed) = (took + round.took, failed + round.failed);
        waits.extend(round.waits);
    }
    Figures::of(took, waits, failed)
}

fn show(name: &str, figures: &Figures) {
    println!(
        "  {name}: {:.0} a second; p50 {:.1?}, p99 {:.1?}, p99.9 {:.1?}, most {:.1?}; {} failed",
        figures.per_second(),
        figures.at(0.5),
        figures.at(0.99),
        figures.at(0.999),
        figures.at(1.0),
        figures.failed
    );
}

fn figures(figures: &Figures) -> Value {
    let us = |share| figures.at(share).as_micros() as u64;
    json!({
        "count": figures.waits.len(), "failed": figures.failed, "per_second": figures.per_second(),
        "p50_us": us(0.5), "p99_us": us(0.99), "p999_us": us(0.999), "max_us": us(1.0)
    })
}
