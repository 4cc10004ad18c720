//! Calls through FreeSWITCH's dialplan `fsx` beside the same calls through a static XML dialplan.
//!
//! A module inside a switch must not slow the switch, and the only way to see that is to ask two
//! switches of one kind, in one run, turn by turn: a shared machine's clock lies by more than what is
//! looked for. Three FreeSWITCHes stand side by side, all with the same gateways and one carrier
//! behind them:
//!
//! - `static`: two extensions that rewrite the number and `bridge`; no fsx in it at all;
//! - `fsx`: dialplan `fsx` over the demonstration deck, live table included, without call records;
//! - `fsx+records`: the same with records, handed to a running fsxinetd.
//!
//! A SIPp keeps a fixed number of calls going, each new one begun as another ends, so that the switch
//! runs as fast as the machine lets it. Rounds alternate, `static` and `fsx` in turn the first; what is
//! reported is the median, over the rounds, of each variant against `static` in the same round. Calls a
//! second are what the caller saw; processor time is the switch's own, from the kernel.
//!
//! `make bench-freeswitch` runs it; without FreeSWITCH or SIPp it prints `SKIPPED` and ends well.

#![forbid(unsafe_code)]

mod caller;
mod figures;
mod site;

use std::{env, process::ExitCode};

use figures::{Figures, Round};
use site::Site;

/// Calls of each variant, unless `FSX_BENCH_CALLS` says otherwise.
const CALLS: u32 = 10_000;

/// Rounds of each variant, unless `FSX_BENCH_ROUNDS` says otherwise.
const ROUNDS: u32 = 60;

fn main() -> ExitCode {
    let (calls, rounds) = (number("FSX_BENCH_CALLS", CALLS), number("FSX_BENCH_ROUNDS", ROUNDS));
    let rounds = rounds.clamp(2, calls.max(2));
    let Some(mut site) = Site::start() else { return ExitCode::SUCCESS };
    let each = calls.div_ceil(rounds);
    // The first calls of a process pay for its threads and its first pages.
    for variant in 0..site.variants.len() {
        let _ = site.round(variant, each.min(200));
    }
    site.forget_warming_up();
    let mut figures = Figures::new(&site);
    for n in 0..rounds {
        let mut order: Vec<usize> = (0..site.variants.len()).collect();
        // `static` and `fsx` take turns at being first; what comes last leaves the daemon at work.
        if n % 2 == 1 {
            order.swap(0, 1);
        }
        let mut round: Vec<Option<Round>> = vec![None; order.len()];
        for variant in order {
            round[variant] = Some(site.round(variant, each));
        }
        site.rest();
        let round: Vec<Round> = round.into_iter().flatten().collect();
        eprintln!("round {}/{rounds}: {}", n + 1, figures.line(&round));
        figures.add(round);
        if n + 1 == rounds / 2 {
            figures.half_way(&site);
        }
    }
    figures.inside(&site);
    println!("{figures}");
    if let Some(path) = env::var_os("FSX_BENCH_JSON") {
        let text = format!("{:#}\n", figures.json());
        if let Err(e) = std::fs::write(&path, text) {
            eprintln!("cannot write {}: {e}", path.display());
            return ExitCode::FAILURE;
        }
    }
    site.close();
    if figures.within_limits() { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}

fn number(variable: &str, otherwise: u32) -> u32 {
    env::var(variable).ok().and_then(|text| text.parse().ok()).unwrap_or(otherwise)
}
