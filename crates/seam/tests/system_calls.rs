//! A decision makes no system call: no lock that waits, no clock, no file, no memory asked for.
//!
//! A switch decides on the thread of a call, and a system call there is where a thread can be held up
//! by the rest of the machine. So the proof is a hard one: the test runs itself again, and that child
//! forbids itself every system call but its own end (seccomp; the kernel kills at the first other
//! one), then decides calls by every way through the engine, over a snapshot and a live
//! table as the modules use them. What must be killed is tried too, so that a filter that forbids
//! nothing would be noticed.

use std::{
    os::unix::process::ExitStatusExt,
    process::{Command, Stdio},
};

use fsx_core::{CallFacts, Country, Decision, data::RoutingData, decide, digits::Digits, render};
use fsx_live::{LiveSpec, LiveTable};
use fsx_snapshot::{
    BuildSettings, Snapshot, build,
    rows::{
        BandRow, CarrierRow, DiallingRuleRow, FormatRow, GatewayRow, NormaliseRow, NumberRow,
        OrgRow, OverrideRow, PeriodRow, RateRow, Rows,
    },
};

/// How the test tells its child what to do.
const CHILD: &str = "FSX_TEST_CHILD";

/// What a child gives back when everything was decided.
const DONE: i32 = 42;

/// Calls that are decided; unoptimised code is slow and decides the same.
const CALLS: usize = if cfg!(debug_assertions) { 30_000 } else { 1_000_000 };

#[test]
fn decisions_make_no_system_call() {
    match std::env::var(CHILD).as_deref() {
        Ok("decides") => decides(),
        Ok("calls") => {
            forbid();
            let _ = std::process::id();
            end(DONE);
        }
        _ => {}
    }
    let run = |what: &str| {
        Command::new(std::env::current_exe().expect("this test"))
            .args(["--exact", "decisions_make_no_system_call", "--test-threads=1", "--nocapture"])
            .env(CHILD, what)
            .stdout(Stdio::null())
            .status()
            .expect("this test runs again")
    };
    let killed = run("calls");
    if killed.code() == Some(NO_SECCOMP) {
        println!("SKIPPED decisions_make_no_system_call: the kernel has no seccomp");
        return;
    }
    assert_eq!(killed.signal(), Some(libc::SIGSYS), "getpid is a system call: {killed}");
    let decided = run("decides");
    assert_ne!(decided.signal(), Some(libc::SIGSYS), "a decision made a system call");
    assert_eq!(decided.code(), Some(DONE), "{decided}");
}

/// What a child gives back where there is no seccomp to be had.
const NO_SECCOMP: i32 = 43;

/// From here on the kernel kills this process at any system call of this thread but its end.
fn forbid() {
    const fn word(code: u32, k: u32, jt: u8, jf: u8) -> libc::sock_filter {
        libc::sock_filter { code: code as u16, jt, jf, k }
    }
    let mut program = [
        // The number of the system call.
        word(libc::BPF_LD | libc::BPF_W | libc::BPF_ABS, 0, 0, 0),
        word(libc::BPF_JMP | libc::BPF_JEQ | libc::BPF_K, libc::SYS_exit_group as u32, 0, 1),
        word(libc::BPF_RET | libc::BPF_K, libc::SECCOMP_RET_ALLOW, 0, 0),
        word(libc::BPF_RET | libc::BPF_K, libc::SECCOMP_RET_KILL_PROCESS, 0, 0),
    ];
    let filter = libc::sock_fprog { len: program.len() as u16, filter: program.as_mut_ptr() };
    // SAFETY: prctl reads its arguments only; the program lives until it returns.
    let set = unsafe {
        libc::prctl(libc::PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) == 0
            && libc::prctl(libc::PR_SET_SECCOMP, libc::SECCOMP_MODE_FILTER, &raw const filter) == 0
    };
    if !set {
        end(NO_SECCOMP);
    }
}

/// Ends the process at once: nothing is flushed or unmapped, which would be system calls.
fn end(code: i32) -> ! {
    // SAFETY: _exit has no conditions.
    unsafe { libc::_exit(code) }
}

fn decides() -> ! {
    let dir = tempfile::tempdir().expect("dir");
    let rows = rows();
    let built = build(&rows, &BuildSettings { horizon_end: 10_000, ..BuildSettings::default() });
    let built = built.expect("builds");
    assert_eq!(built.report.lost_rows, 0, "{:?}", built.report.lost);
    let data = Snapshot::open(built.bytes).expect("opens");
    data.verify().expect("verifies");
    let live = LiveTable::create(dir.path().join("live"), &LiveSpec::default()).expect("a table");
    let owner = live.register_owner();
    for gateway in &rows.gateways {
        live.set_healthy(gateway.id, "LON1", !gateway.id.is_multiple_of(7));
        live.begin_call(owner, gateway.id, 1000);
    }
    live.set_spend(43, fsx_core::Nano(5));
    let calls = calls();

    let kinds: Vec<bool> = calls.iter().map(|facts| routed(&data, &live, facts)).collect();
    let routes = kinds.iter().filter(|routed| **routed).count();
    // Every way is taken: the ordinary, the long, the refused.
    assert!(routes > 10 && kinds.len() - routes >= 3, "{kinds:?}");

    forbid();
    let same = (0..CALLS).all(|n| {
        let at = n % calls.len();
        routed(&data, &live, &calls[at]) == kinds[at]
    });
    end(if same { DONE } else { 1 });
}

/// Decides a call, and does with its first attempt what a module does.
fn routed(data: &Snapshot<Vec<u8>>, live: &LiveTable, facts: &CallFacts<'_>) -> bool {
    match decide(data, live, facts) {
        Decision::Route(plan) => {
            let dial = render::attempt(data, facts, &plan, &plan.routes()[0]);
            dial.number.len() > 2 && data.gateway(plan.routes()[0].gateway).is_some()
        }
        Decision::Reject { .. } => false,
    }
}

/// Calls that take every way through the engine.
fn calls() -> Vec<CallFacts<'static>> {
    let plain = CallFacts {
        data_centre: "LON1",
        caller: Some(b"442079460000"),
        home_country: Country::new(b"GB"),
        ..CallFacts::new(b"07700900123", 0, 1000)
    };
    vec![
        plain,
        CallFacts { called: b"+12025550123", ..plain },
        // An override, numbers of its own, a margin, a limit that is reached.
        CallFacts { org_id: 37, ..plain },
        CallFacts { org_id: 43, ..plain },
        // Orders that are not the default.
        CallFacts { profile: Some("quality"), ..plain },
        CallFacts { profile: Some("reliability"), ..plain },
        CallFacts { profile: Some("tolerance:5"), ..plain },
        CallFacts { profile: Some("split:1=1,2=2"), call_id: b"a-b-c", ..plain },
        // A ported number; within, and past, the horizon; before the data.
        CallFacts { lrn: Some(b"12025550123"), ..plain },
        CallFacts { at: 5000, ..plain },
        CallFacts { at: 20_000, ..plain },
        CallFacts { at: -5, ..plain },
        CallFacts { caller: None, withhold_cli: true, ..plain },
        CallFacts { called: b"1202555012345678901234567890", ..plain },
        CallFacts { called: b"09001234567", ..plain },
        CallFacts { called: b"999", ..plain },
        CallFacts { privacy_class: Some("gold"), ..plain },
    ]
}

fn rows() -> Rows {
    let mut rows = Rows::default();
    for id in 1..=12 {
        rows.carriers.push(CarrierRow {
            id,
            name: format!("C{id}"),
            enabled: true,
            kind: "route".into(),
            ..CarrierRow::default()
        });
        for (at, prefix) in ["44", "447700", "1", "1202"].iter().enumerate() {
            let band = id * 10 + at as u32;
            rows.bands.push(BandRow {
                id: band,
                carrier_id: id,
                enabled: true,
                ..BandRow::default()
            });
            rows.numbers.push(NumberRow {
                id: band,
                band_id: band,
                org_id: if at == 1 && id == 5 { 37 } else { 0 },
                number: Digits::new(prefix.as_bytes()),
                enabled: true,
            });
            let rate = RateRow {
                id: band * 10,
                band_id: band,
                rate: format!("0.{:03}", 1 + id % 20),
                currency: "GBP".into(),
                enabled: true,
                initial_increment_s: 1,
                next_increment_s: 1,
                format_number: "plus".into(),
                format_cli: "plus".into(),
                ..RateRow::default()
            };
            if id % 5 == 0 {
                let period = RateRow { id: rate.id + 1, period: "Peak".into(), ..rate.clone() };
                let origin = RateRow { id: rate.id + 2, a_band_id: Some(20), ..rate.clone() };
                rows.rates.extend([period, origin]);
            }
            rows.rates.push(rate);
        }
        for n in 0..3 {
            rows.gateways.push(GatewayRow {
                id: id * 10 + n,
                carrier_id: id,
                enabled: true,
                conc_calls: 5,
                max_cps: 5,
                weight: n,
                privacy_class: if n == 2 { "gold".into() } else { String::new() },
                data_centres: "LON1,NYC1".into(),
                ..GatewayRow::default()
            });
        }
    }
    rows.periods.push(PeriodRow { name: "Peak".into(), intervals: vec![(0, 2000), (4000, 6000)] });
    rows.formats.push(FormatRow {
        id: 1,
        name: "plus".into(),
        sequence: 1,
        pattern: "^(\\d+)$".into(),
        replacement: "00$1".into(),
    });
    rows.normalise_rules.push(NormaliseRow {
        country: "GB".into(),
        sequence: 1,
        pattern: "^0(\\d{10})$".into(),
        replacement: "44$1".into(),
    });
    rows.overrides.push(OverrideRow {
        id: 1,
        org_id: 37,
        prefix: "44".into(),
        carrier_id: 3,
        action: "PREFER".into(),
        enabled: true,
        ..OverrideRow::default()
    });
    rows.dialling_rules.push(DiallingRuleRow {
        id: 1,
        pattern: "^449".into(),
        action: "BLOCK".into(),
        enabled: true,
        ..DiallingRuleRow::default()
    });
    rows.orgs.push(OrgRow { org_id: 37, home_country: "GB".into(), ..OrgRow::default() });
    rows.orgs.push(OrgRow {
        org_id: 43,
        call_cost_limit: "0.000000001".into(),
        home_country: "GB".into(),
        ..OrgRow::default()
    });
    rows.emergency_numbers.push(("GB".into(), "999".into()));
    rows.emergency_gateways.push(("GB".into(), 11, 1));
    rows
}
