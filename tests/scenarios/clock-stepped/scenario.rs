//! See README.md beside this file.

use std::{fs, path::Path, thread, time::Duration};

use fsx_test_support::{
    place,
    rig::{Bench, Call, Rig},
    run_dir::RunDir,
    sipp::Sipp,
    skip::skip,
    wait,
};
use serde_json::Value;

/// Where the clock goes, one after the other; and back to the truth.
const STEPS: [&str; 3] = ["+3600", "-3600", "+0"];

/// How long a step stays: libfaketime looks each second, and calls of its own time are wanted.
const STAYS: Duration = Duration::from_millis(1_500);

/// Calls of the first batch are up over all steps.
const TALK: Duration = Duration::from_secs(9);

const BATCH: u32 = 12;

const LIMIT: Duration = Duration::from_secs(30);

#[test]
fn clock_stepped() {
    let library = match place::faketime() {
        Ok(library) => library,
        Err(reason) => return skip("clock-stepped", &reason),
    };
    let dir = RunDir::new("clock");
    let clock = dir.write("clock", "+0\n");
    let environment = [
        ("LD_PRELOAD", library.as_path()),
        ("FAKETIME_TIMESTAMP_FILE", clock.as_path()),
        ("FAKETIME_CACHE_DURATION", Path::new("1")),
        ("DONT_FAKE_MONOTONIC", Path::new("1")),
        ("FAKETIME_DONT_FAKE_MONOTONIC", Path::new("1")),
    ];
    let environment =
        environment.map(|(name, value)| (name.to_owned(), value.display().to_string()));
    let Some(bench) = Bench::find("clock-stepped") else { return };
    let bench = bench.environment(environment.into()).for_calls(80);
    let mut rig = bench.start(&[(3001, "carrier-answers.xml"), (3002, "carrier-answers.xml")]);
    let _ = rig.generation();

    let mut callers = Vec::new();
    let mut batch = |rig: &mut Rig| {
        let call = Call { calls: BATCH, rate: 20, talk: TALK, ..Call::default() };
        callers.push(rig.begin(&call));
        let up = callers.len() * BATCH as usize;
        wait::until("the batch to be up", LIMIT, || {
            let answered = callers.iter().flat_map(Sipp::messages);
            let answered =
                answered.filter(|message| message.start_line().starts_with("ACK ")).count();
            (answered >= up).then_some(())
        });
    };
    batch(&mut rig);
    for step in STEPS {
        // In its place, so that no half of it is read.
        let draft = clock.with_extension("new");
        fs::write(&draft, format!("{step}\n")).expect("writes");
        fs::rename(&draft, &clock).expect("renames");
        thread::sleep(STAYS);
        batch(&mut rig);
    }
    for caller in &mut callers {
        assert_eq!(caller.finish(LIMIT), 0, "SIPp's exit code: a call failed");
    }
    let calls = callers.len() * BATCH as usize;
    assert_eq!(rig.carriers[&3001].calls_received().len(), calls);
    let records = rig.daemon().wait_for_records(calls, LIMIT);
    rig.expect_at_rest();

    let mut begun: Vec<i64> = Vec::new();
    for record in &records {
        let attempt = &record["attempts"][0];
        for part in [record, attempt] {
            let ms = |name: &str| part[name].as_i64().unwrap_or_else(|| panic!("{name}: {part:#}"));
            let talked = ms("ended_ms") - ms("answered_ms");
            assert!((8_000..15_000).contains(&talked), "talked for {talked} ms: {record:#}");
            let rang = ms("answered_ms") - ms("started_ms");
            assert!((0..10_000).contains(&rang), "rang for {rang} ms: {record:#}");
        }
        assert_ne!(attempt["cost"], Value::Null, "{record:#}");
        begun.push(attempt["started_ms"].as_i64().unwrap_or_default());
    }
    begun.sort_unstable();
    eprintln!(
        "{} calls; their records span {} s",
        records.len(),
        (begun[begun.len() - 1] - begun[0]) / 1000
    );
    assert!(rig.daemon().alive(), "fsxinetd died");
    rig.close();
}
