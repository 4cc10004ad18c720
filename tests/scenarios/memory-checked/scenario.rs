//! See README.md beside this file.

use std::{fs, time::Duration};

use fsx_test_support::{
    place,
    rig::{Bench, Call},
    skip::skip,
    wait,
};

/// Calls of each kind that are placed at a time.
const TURN: u32 = 50;

/// How often each kind has its turn, unless `FSX_SOAK_TURNS` says otherwise.
const TURNS: u32 = 14;

const LIMIT: Duration = Duration::from_secs(300);

#[test]
#[ignore = "minutes: make soak"]
fn soak_memory_checked() {
    let Some(valgrind) = place::on_path("valgrind") else {
        return skip("memory-checked", "valgrind is not installed");
    };
    let Some(bench) = Bench::find("memory-checked") else { return };
    let report = std::env::temp_dir().join(format!("fsx-memcheck-{}.xml", std::process::id()));
    let runner = [
        valgrind.display().to_string(),
        "--tool=memcheck".to_owned(),
        "--leak-check=full".to_owned(),
        "--show-leak-kinds=definite".to_owned(),
        "--num-callers=40".to_owned(),
        // FreeSWITCH's timer would hardly let anybody else run.
        "--fair-sched=yes".to_owned(),
        // FreeSWITCH's own pools, and threads with small stacks.
        "--main-stacksize=8388608".to_owned(),
        "--xml=yes".to_owned(),
        format!("--xml-file={}", report.display()),
    ];
    let mut rig = bench
        .under(runner.into())
        .for_calls(200)
        .start(&[(3001, "carrier-503.xml"), (3002, "carrier-answers.xml")]);
    let mut generation = rig.generation();

    let turns = std::env::var("FSX_SOAK_TURNS").ok().and_then(|text| text.parse().ok());
    for turn in 0..turns.unwrap_or(TURNS) {
        let call = Call { calls: TURN, rate: 4, limit: LIMIT, ..Call::default() };
        for call in [
            call.clone(),
            Call { number: "07799900124", ..call.clone() },
            Call {
                file: "caller-refused.xml",
                number: "00442079460999",
                status: 404,
                ..call.clone()
            },
        ] {
            // Past the proxy, which would refuse by itself.
            let mut caller = rig.begin_direct(&call, &[]);
            let _ = caller.finish(LIMIT);
        }
        let rate = format!("UPDATE LCRRates SET Rate = '0.012{turn:02}' WHERE ID = 20001");
        rig.daemon().deck.run(&rate);
        generation = rig.wait_for_generation_after(generation, Duration::from_secs(60));
        for command in [
            "status",
            "gateways as json",
            "route 07700900123 org=37",
            "why 0044",
            "calls",
            "reload",
            "xml",
        ] {
            assert!(!rig.freeswitch.api(&format!("fsx {command}")).is_empty(), "{command}");
        }
    }
    wait::until("every leg to be gone", LIMIT, || (rig.freeswitch.channels() == 0).then_some(()));
    let status = rig.freeswitch.api("fsx status as json");
    let status: serde_json::Value = serde_json::from_str(&status).expect("JSON");
    assert_eq!(status["panics_total"], 0, "{status:#}");
    // Not rig.close(): a BYE that took its time is said twice, which the carrier's SIPp does not forgive.
    assert!(rig.freeswitch.alive(), "FreeSWITCH died");
    let ended = rig.freeswitch.stop();
    assert!(ended.success(), "FreeSWITCH ended with {ended}");

    let text = fs::read_to_string(&report).unwrap_or_else(|e| panic!("valgrind's report: {e}"));
    assert!(text.contains("</valgrindoutput>"), "valgrind's report is cut short");
    let errors: Vec<&str> = text.split("<error>").skip(1).collect();
    let ours: Vec<&&str> =
        errors.iter().filter(|error| error.contains("mod_fsx.so</obj>")).collect();
    eprintln!("{} reports of FreeSWITCH's own, {} of ours", errors.len() - ours.len(), ours.len());
    assert!(ours.is_empty(), "{}", ours.iter().map(|e| e.to_string()).collect::<String>());
    let _ = fs::remove_file(&report);
}
