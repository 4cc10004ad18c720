//! Runs every target over its corpus and random mutations of it, for a bounded time, on a stable
//! toolchain. `make fuzz` calls it.
//!
//!     bounded [--seconds N] [--seed N] [TARGET...]
//!     bounded --replay FILE TARGET
//!
//! Each target runs in a process of its own, on a thread with as little stack as it may use,
//! so that an overflow is seen and ends one target only. What breaks a target is written to
//! `artifacts/TARGET-SEED` and the whole run fails.

use std::{
    env,
    fs::{self, File},
    os::unix::fs::FileExt as _,
    path::{Path, PathBuf},
    process::{Command, ExitCode},
    sync::atomic::{AtomicU64, Ordering::Relaxed},
    thread,
    time::{Duration, Instant, SystemTime},
};

use fsx_fuzz::{
    TARGETS, Target,
    mutate::{Rng, mutate},
};

/// Longest input.
const MOST: usize = 64 << 10;
/// One input that takes longer than this hangs, for a switch.
const HANG: Duration = Duration::from_secs(5);

fn main() -> ExitCode {
    let mut seconds = 60;
    let mut seed = SystemTime::UNIX_EPOCH.elapsed().map_or(1, |since| since.as_secs());
    let (mut child, mut replay, mut names) = (false, None, Vec::new());
    let mut args = env::args().skip(1);
    while let Some(arg) = args.next() {
        let mut number = || args.next().and_then(|text| text.parse().ok());
        match arg.as_str() {
            "--seconds" => match number() {
                Some(n) => seconds = n,
                None => return usage(),
            },
            "--seed" => match number() {
                Some(n) => seed = n,
                None => return usage(),
            },
            "--child" => child = true,
            "--replay" => replay = args.next(),
            name if TARGETS.iter().any(|target| target.name == name) => names.push(arg),
            _ => return usage(),
        }
    }
    let chosen: Vec<&Target> = TARGETS
        .iter()
        .filter(|target| names.is_empty() || names.iter().any(|name| name == target.name))
        .collect();
    if let Some(path) = replay {
        let input = fs::read(&path).unwrap_or_else(|e| panic!("{path}: {e}"));
        (chosen[0].run)(&input);
        println!("{}: held", chosen[0].name);
        return ExitCode::SUCCESS;
    }
    if child {
        return one(chosen[0], Duration::from_secs(seconds), seed);
    }
    let each = (seconds / chosen.len() as u64).max(1);
    let mut failed = false;
    for target in chosen {
        failed |= !supervise(target, each, seed);
    }
    if failed { ExitCode::FAILURE } else { ExitCode::SUCCESS }
}

fn usage() -> ExitCode {
    let names: Vec<_> = TARGETS.iter().map(|target| target.name).collect();
    eprintln!("usage: bounded [--seconds N] [--seed N] [--replay FILE] [{}]", names.join("|"));
    ExitCode::from(2)
}

fn folder(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join(name)
}

fn artifact(target: &Target, seed: u64) -> PathBuf {
    folder("artifacts").join(format!("{}-{seed}", target.name))
}

/// Runs a target in a process of its own; `true` when it held.
fn supervise(target: &Target, seconds: u64, seed: u64) -> bool {
    let status = Command::new(env::current_exe().expect("this program"))
        .args(["--child", "--seconds", &seconds.to_string(), "--seed", &seed.to_string()])
        .arg(target.name)
        .status()
        .expect("the same program starts again");
    let path = artifact(target, seed);
    if status.success() {
        let _ = fs::remove_file(path);
        return true;
    }
    // The input stands behind its length, since the file is never cut while the target runs.
    if let Ok(noted) = fs::read(&path)
        && let Some((len, rest)) = noted.split_first_chunk::<8>()
    {
        let len = (u64::from_le_bytes(*len) as usize).min(rest.len());
        fs::write(&path, &rest[..len]).expect("artifacts can be written");
    }
    println!("{}: FAILED ({status}), see {}", target.name, path.display());
    false
}

fn one(target: &'static Target, time: Duration, seed: u64) -> ExitCode {
    let mut corpus = (target.seeds)();
    if let Ok(entries) = fs::read_dir(folder("corpus").join(target.name)) {
        let mut paths: Vec<_> = entries.flatten().map(|entry| entry.path()).collect();
        paths.sort();
        corpus.extend(paths.iter().filter_map(|path| fs::read(path).ok()));
    }
    assert!(!corpus.is_empty(), "{}: nothing to begin with", target.name);
    fs::create_dir_all(folder("artifacts")).expect("artifacts can be written");
    let note = File::create(artifact(target, seed)).expect("artifacts can be written");

    let began = Instant::now();
    // When the input being run began, in milliseconds since `began`.
    let since_ms = AtomicU64::new(0);
    let run = || {
        let mut rng = Rng(seed);
        let (mut input, mut noted) = (Vec::new(), Vec::new());
        let mut runs: u64 = 0;
        while began.elapsed() < time {
            match corpus.get(runs as usize) {
                Some(good) => input.clone_from(good),
                None => mutate(&corpus, &mut rng, MOST, &mut input),
            }
            // Noted before it is run: an overflow or a kill leaves nobody to note it after.
            noted.clear();
            noted.extend_from_slice(&(input.len() as u64).to_le_bytes());
            noted.extend_from_slice(&input);
            note.write_all_at(&noted, 0).expect("artifacts can be written");
            since_ms.store(began.elapsed().as_millis() as u64, Relaxed);
            (target.run)(&input);
            runs += 1;
        }
        println!("{}: {runs} inputs in {} s, seed {seed}", target.name, time.as_secs());
    };
    thread::scope(|scope| {
        let worker = thread::Builder::new().stack_size(target.stack).spawn_scoped(scope, run);
        let worker = worker.expect("a thread");
        while !worker.is_finished() {
            thread::sleep(Duration::from_millis(50));
            let running = began.elapsed().as_millis() as u64 - since_ms.load(Relaxed);
            if running > HANG.as_millis() as u64 && !worker.is_finished() {
                println!("{}: one input took more than {} s", target.name, HANG.as_secs());
                // The worker cannot be stopped from here; the process can.
                std::process::exit(1);
            }
        }
        if worker.join().is_ok() { ExitCode::SUCCESS } else { ExitCode::FAILURE }
    })
}
