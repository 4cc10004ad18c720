//! The daemon under load, in small: what `make bench-daemon` measures at full size and optimised is
//! held here on every run, where a limit does not depend on the machine's speed.

use std::{
    io::Write as _,
    os::unix::{fs::PermissionsExt as _, process::CommandExt as _},
    process::{Command, Stdio},
    time::Duration,
};

use fsx_test_support::{
    daemon::Daemon, load, open_loop, place, run_dir::RunDir, skip::skip, template::words,
};

/// What ends the trivial task.
const NOTED: &[u8] = b"content-length: 8\n\nseen=501exit\n\n";

/// A daemon with the benchmark's configuration and policies. The directory goes last.
fn start(name: &str) -> (Daemon, RunDir) {
    let text = |path: &str| {
        let path = place::source(path);
        std::fs::read_to_string(&path).unwrap_or_else(|e| panic!("{}: {e}", path.display()))
    };
    let run = RunDir::new(name);
    let words = words([("LOG_LEVEL", "info".to_owned())]);
    let deck = text("tests/scenarios/common/deck.sql");
    let mut daemon = Daemon::new(&run, &text("benches/daemon/fsxinetd.toml"), &deck, &words);
    for file in ["manifest.toml", "bench.lua"] {
        let text = text(&format!("benches/daemon/policies/default/{file}"));
        let _ = run.write(&format!("fsx/policies/default/{file}"), &text);
    }
    daemon.start();
    (daemon, run)
}

/// What 10,000 may cost is `make bench-daemon`'s to say, since an unoptimised daemon's tasks are
/// larger. This catches a buffer, or another copy of the channel's data, that each call keeps.
#[test]
fn idle_calls_cost_little() {
    const CALLS: usize = 500;
    let may = load::descriptors();
    if may < CALLS as u64 + 100 {
        skip("idle-calls", &format!("{may} descriptors may be open here"));
        return;
    }
    let (daemon, _run) = start("idle");
    let data = load::channel_data("Bench::hold");
    let told = "execute-app-name: playback";
    drop(load::idle_calls(daemon.event_socket(), &data, told, 50));
    let before = load::resident(daemon.pid());
    let calls = load::idle_calls(daemon.event_socket(), &data, told, CALLS);
    let grown = load::resident(daemon.pid()).saturating_sub(before);
    let each = grown / CALLS as u64;
    println!("{each} bytes a call");
    assert!(each < 64 << 10, "{each} bytes a call");
    let (_, metrics) = daemon.get("/metrics");
    assert!(metrics.contains("fsxinetd_esl_calls 500"), "{metrics}");
    drop(calls);
}

/// Flat over a million in the benchmark; here, nothing may grow with the tasks.
#[test]
fn memory_is_flat() {
    let (daemon, _run) = start("flat");
    let data = load::channel_data("Bench::note");
    let tasks = |count| {
        let figures = load::tasks(daemon.event_socket(), &data, NOTED, 16, count);
        assert_eq!((figures.failed, figures.waits.len() as u64), (0, count));
        load::resident(daemon.pid())
    };
    let before = tasks(1_000);
    let after = tasks(4_000);
    let grown = after.saturating_sub(before);
    // A kilobyte left behind by each task would be 4 MB.
    assert!(grown < 4 << 20, "{grown} bytes more after 4,000 tasks");
}

/// No limit on time here, which is the machine's: every question is answered, also where the answer
/// is that the policy had no time.
#[test]
fn decisions_at_a_rate_are_all_answered() {
    let (daemon, _run) = start("decisions");
    let question = |id| {
        format!(
            "{{\"v\":1,\"id\":{id},\"deadline_ms\":5000,\"kind\":\"decide\",\"facts\":{{\"called\":\
             \"07700900123\",\"org\":37,\"home_country\":\"GB\",\"data_centre\":\"LON1\"}}}}"
        )
    };
    let socket = daemon.file("decide.sock");
    let length = Duration::from_secs(3);
    let figures =
        open_loop::decisions(&socket, 100, length, 4, question, "\"outcome\":\"").figures();
    assert_eq!((figures.failed, figures.waits.len()), (0, 300));
}

/// Whoever scrapes us has tools that read metrics strictly.
#[test]
fn metrics_are_clean() {
    let Some(promtool) = place::on_path("promtool") else {
        skip("metrics-are-clean", "promtool is not installed (Debian: prometheus)");
        return;
    };
    let (daemon, _run) = start("metrics");
    for task in ["Bench::note", "No::such", "Available::test"] {
        let _ = load::tasks(daemon.event_socket(), &load::channel_data(task), b"", 4, 20);
    }
    let (_, metrics) = daemon.get("/metrics");
    let mut child = Command::new(promtool)
        .args(["check", "metrics"])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .expect("promtool starts");
    child.stdin.take().expect("a pipe").write_all(metrics.as_bytes()).expect("written");
    let said = child.wait_with_output().expect("promtool ends");
    let text = String::from_utf8_lossy(&said.stdout) + String::from_utf8_lossy(&said.stderr);
    assert!(said.status.success() && text.trim().is_empty(), "{text}");
    // Labels are bounded: an invented task is nobody's.
    assert!(metrics.contains("task=\"Bench::note\""), "{metrics}");
    assert!(!metrics.contains("No::such"), "{metrics}");
}

/// Permissions of the file let everybody in; the kernel says who it is.
#[test]
fn another_user_may_not_ask() {
    if !rustix::process::getuid().is_root() {
        skip("another-user-may-not-ask", "only root can be somebody else");
        return;
    }
    let (daemon, run) = start("users");
    let open = |path: &std::path::Path, mode| {
        std::fs::set_permissions(path, std::fs::Permissions::from_mode(mode)).expect("a mode");
    };
    for path in [run.path(), &run.file("fsx"), &daemon.file("policies")] {
        open(path, 0o755);
    }
    open(&daemon.file("fsxinetd.toml"), 0o644);
    open(&daemon.file("decide.sock"), 0o666);
    let binary = run.file("fsxinetd");
    std::fs::copy(place::built("fsxinetd"), &binary).expect("copied");
    open(&binary, 0o755);
    let ask = |uid: u32| {
        let mut command = Command::new(&binary);
        command.arg("status").arg("--config").arg(daemon.file("fsxinetd.toml"));
        command.current_dir("/").uid(uid).gid(uid).output().expect("started")
    };
    let own = ask(0);
    assert!(own.status.success(), "{own:?}");
    let nobody = ask(65_534);
    assert!(!nobody.status.success(), "{nobody:?}");
    let said = String::from_utf8_lossy(&nobody.stderr);
    assert!(said.contains("may this user ask?"), "{said}");
    let log = daemon.log();
    assert!(log.contains("this user may not ask") && log.contains("uid=65534"), "{log}");
}
