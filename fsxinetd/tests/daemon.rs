//! The daemon as its neighbours meet it: the real binary, real sockets, a real database.

mod support;

use std::io::Write as _;
use std::process::Command;
use std::time::{Duration, Instant};

use fsx_wire::message::{Ask, Outcome, Verdict};
use serde_json::Value;
use support::{Daemon, EslCall, LONG, fsxinetd, record, until};

const MANIFEST: &str = "version = \"1\"\n[route]\ndefault = \"x.lua:decide\"\n\
                        [call]\n\"Outbound::route\" = \"x.lua:call\"\nslow = \"x.lua:slow\"\n";

/// Tries the dearest carrier first, which no plan of the engine does.
const DEAREST_FIRST: &str = "
function decide(call)
    local answer = assert(fsx.route{number = call.number})
    local routes = {}
    for n = #answer.routes, 1, -1 do routes[#routes + 1] = answer.routes[n] end
    return {routes = routes, generation = answer.generation}
end
function call(session, call) return decide(call) end
function slow(session) fsx.sleep(1200) session:setVariable('late', 'no') end
";

fn gateways(outcome: &Outcome) -> Vec<u32> {
    match outcome {
        Outcome::Decided(decision) => match &decision.verdict {
            Verdict::Route { answer } => answer.routes.iter().map(|r| r.gateway_id).collect(),
            other => panic!("{other:?}"),
        },
        other => panic!("{other:?}"),
    }
}

#[test]
fn every_door_answers_from_the_published_data() {
    let mut daemon = Daemon::new(
        "route_budget_ms = 5000\n",
        &[("37/manifest.toml", MANIFEST), ("37/x.lua", DEAREST_FIRST)],
    );
    daemon.start_ready();
    let (status, verbose) = daemon.get("/readyz?verbose");
    assert_eq!(status, 200, "{verbose}");
    for line in ["[+]snapshot ok: generation 1, ", "[+]esl ok", "[+]decide ok", "[+]cdr ok"] {
        assert!(verbose.contains(line), "{verbose}");
    }
    assert_eq!(daemon.get("/livez"), (200, "ok\n".to_owned()));
    assert_eq!(daemon.get("/healthz"), (200, "ok\n".to_owned()));

    // HTTP.
    let (status, body) = daemon.get("/v1/lcr/route?number=%2B447700900123&org=37&why=1");
    let answer: Value = serde_json::from_str(&body).expect("JSON");
    assert_eq!((status, answer["decision"].as_str()), (200, Some("route")), "{body}");
    assert_eq!(answer["routes"][0]["gateway_id"], 3001);
    assert_eq!(answer["routes"][0]["cost_per_min"], "0.01");
    assert_eq!(answer["routes"][1]["gateway_id"], 3002);
    // Other names for two of the parameters, and each says something.
    let ask = |more: &str| {
        let question = "/v1/lcr/route?number=%2B447700900123&org=37&at=1795000000";
        daemon.get(&format!("{question}{more}")).1
    };
    let named = ask("&caller=%2B442079460000&data_centre=LON1");
    assert_eq!(named, ask("&cli=%2B442079460000&dc=LON1"));
    assert!(named.contains("442079460000"), "{named}");
    assert_ne!(named, ask("&cli=%2B442079460001&dc=LON1"));
    assert_ne!(named, ask("&cli=%2B442079460000&dc=SYD9"));
    let (status, body) = daemon.get("/v1/lcr/route?org=37");
    assert_eq!((status, body.contains("number is missing")), (400, true), "{body}");
    assert_eq!(daemon.get("/no/such/path").0, 404);

    // The decision socket: the organisation's policy turns the order round; nobody else's does.
    let mut asker = daemon.asker();
    assert_eq!(gateways(&asker.decide(37, "07700900123")), [3002, 3001]);
    let other = asker.decide(38, "07700900123");
    assert!(
        matches!(&other, Outcome::Decided(d) if matches!(d.verdict, Verdict::Keep)),
        "{other:?}"
    );
    assert!(matches!(asker.ask(Ask::Status), Outcome::Status(s) if s.generation == 1));

    // The event socket: one answer, failing over in that order.
    let answer = daemon.esl_call("Outbound::route", 37, "07700900123");
    let bridges: Vec<_> = answer.lines().filter(|l| l.starts_with("application: bridge")).collect();
    assert_eq!(bridges.len(), 2, "{answer}");
    assert!(bridges[0].ends_with("gw3002/447700900123"), "{answer}");
    assert!(bridges[1].contains("absolute_codec_string=PCMA"), "{answer}");
    assert!(answer.contains("sendmsg\ncall-command: xferext\n") && answer.ends_with("exit\n\n"));
    assert!(answer.contains("\n\nfsx_policy_version=37@1sendmsg\n"), "{answer}");
    assert_eq!(daemon.esl_call("Outbound::route", 38, "07700900123"), "exit\n\n");
    assert!(daemon.esl_call("Available::test", 0, "0").contains("rmSocketAvailable=true"));

    // The command line.
    let status = daemon.command(&["status", "--json"]);
    let status: Value = serde_json::from_slice(&status.stdout).expect("JSON");
    assert_eq!(
        (status["generation"].as_u64(), status["records_waiting"].as_u64()),
        (Some(1), Some(0))
    );

    let (_, metrics) = daemon.get("/metrics");
    for line in [
        "fsxinetd_snapshot_generation 1",
        "fsxinetd_esl_connections_total{outcome=\"probe\"} 1",
        "fsxinetd_decisions_total{source=\"socket\",outcome=\"routed\"} 1",
        "fsxinetd_policy_runs_total{org=\"37\",task=\"default\",outcome=\"ok\"} 1",
        "fsxinetd_policy_script_duration_seconds_count{org=\"37\",task=\"default\",phase=\"route\"} 1",
    ] {
        assert!(metrics.contains(line), "{line} is not in\n{metrics}");
    }
    promtool(&metrics);

    // New prices reach every door.
    daemon.sql("UPDATE LCRRates SET Rate = '0.03' WHERE ID = 1");
    until("new prices", || {
        let (_, body) = daemon.get("/v1/lcr/route?number=%2B447700900123");
        body.contains("\"generation\":2") && body.find("3002") < body.find("3001")
    });

    daemon.signal("-TERM");
    assert!(daemon.ended().success(), "{}", daemon.log());
    assert!(!daemon.path("decide.sock").exists());
}

/// Prometheus' own opinion of the metrics, where it is installed.
fn promtool(metrics: &str) {
    let child = Command::new("promtool")
        .args(["check", "metrics"])
        .stdin(std::process::Stdio::piped())
        .stdout(std::process::Stdio::piped())
        .stderr(std::process::Stdio::piped())
        .spawn();
    let Ok(mut child) = child else {
        println!("SKIPPED promtool: not installed");
        return;
    };
    child.stdin.take().expect("a pipe").write_all(metrics.as_bytes()).expect("sent");
    let said = child.wait_with_output().expect("ended");
    assert!(said.status.success(), "{}", String::from_utf8_lossy(&said.stderr));
}

#[test]
fn hostile_policies_are_stopped_and_others_go_on() {
    let hostile = |body: &str| {
        format!(
            "function decide() {body} end\nfunction call() {body} end\n\
                                        function slow() end"
        )
    };
    let (forever, bomb, broken) = (
        hostile("while true do end"),
        hostile("local t = {} while true do t[#t + 1] = string.rep('x', 1000) .. #t end"),
        hostile("error('boom')"),
    );
    let mut daemon = Daemon::new(
        "memory_mib = 8\ncpu_budget_ms = 300\nroute_budget_ms = 1000\nthreads = 1\n",
        &[
            ("37/manifest.toml", MANIFEST),
            ("37/x.lua", DEAREST_FIRST),
            ("41/manifest.toml", MANIFEST),
            ("41/x.lua", &forever),
            ("42/manifest.toml", MANIFEST),
            ("42/x.lua", &bomb),
            ("43/manifest.toml", MANIFEST),
            ("43/x.lua", &broken),
        ],
    );
    daemon.start_ready();
    let mut asker = daemon.asker();
    for (org, reason) in [(41, "computing"), (42, "memory"), (43, "43/x.lua:1: boom")] {
        let started = Instant::now();
        match asker.decide(org, "07700900123") {
            // A slow machine meets the computing limit before the memory is full.
            Outcome::Failed { reason: said, retry: false } => assert!(
                said.contains(reason) || (org == 42 && said.contains("computing")),
                "{said}"
            ),
            other => panic!("{other:?}"),
        }
        assert!(started.elapsed() < Duration::from_secs(5), "{:?}", started.elapsed());
        assert_eq!(gateways(&asker.decide(37, "07700900123")), [3002, 3001]);
        // On the event socket the dialplan goes on.
        assert_eq!(daemon.esl_call("Outbound::route", org, "07700900123"), "exit\n\n");
    }
    assert_eq!(daemon.get("/readyz").0, 200);
}

#[test]
fn records_survive_a_daemon_that_is_killed() {
    let mut daemon = Daemon::new("", &[]);
    daemon.start();
    let mut asker = daemon.asker();
    // Another thread hands over records as fast as it can, until the daemon is gone.
    let feeder = std::thread::spawn(move || {
        let mut acked = Vec::new();
        for n in 0.. {
            let id = format!("r{n}");
            match asker.try_ask(Ask::Record { record: Box::new(record(&id)) }) {
                Some(Outcome::Recorded) => acked.push(id),
                Some(other) => panic!("{other:?}"),
                None => break,
            }
        }
        acked
    });
    std::thread::sleep(Duration::from_millis(300));
    daemon.signal("-KILL");
    daemon.ended();
    let acked = feeder.join().expect("no panic");
    assert!(!acked.is_empty());

    // Meanwhile the module has spooled: a record the daemon had, a new one, and a torn line.
    let line = |id: &str| serde_json::to_string(&record(id)).expect("JSON");
    let spool = format!("{}\n{}\n{}", line(&acked[0]), line("spooled"), &line("torn")[..50]);
    std::fs::write(daemon.path("spool.jsonl"), spool).expect("written");
    daemon.start();
    daemon.wait_for_log("call records taken");
    let records = daemon.records();
    let mut ids: Vec<_> = records.iter().filter_map(|r| r["id"].as_str()).collect();
    let count = ids.len();
    ids.sort_unstable();
    ids.dedup();
    assert_eq!(ids.len(), count, "no record twice");
    for id in acked.iter().map(String::as_str).chain(["spooled"]) {
        assert!(ids.binary_search(&id).is_ok(), "{id} was acknowledged and is gone");
    }
    // One that was being written when the daemon died may be there too.
    assert!(count <= acked.len() + 2, "{count} records, {} acknowledged", acked.len());
    let dead = daemon.command(&["cdr", "list", "--dead"]);
    let dead: Value = serde_json::from_slice(&dead.stdout).expect("JSON");
    assert_eq!(dead[0]["line"], 3, "{dead}");
}

#[test]
fn the_drain_finishes_what_was_begun() {
    let mut daemon =
        Daemon::new("", &[("default/manifest.toml", MANIFEST), ("default/x.lua", DEAREST_FIRST)]);
    daemon.start_ready();
    let mut call = EslCall::new(daemon.esl.expect("it runs"));
    call.describe("slow", 0, "1");
    std::thread::sleep(Duration::from_millis(300));
    daemon.signal("-TERM");
    until("unready", || std::net::TcpStream::connect(daemon.esl.expect("known")).is_err());
    // The call in hand gets its answer though the door is shut.
    assert!(call.rest().contains("late=no"));
    assert!(daemon.ended().success());
}

#[test]
fn a_reload_takes_new_policies_and_refuses_broken_ones() {
    let reject = |cause: u32| {
        format!(
            "function decide() return {{reject = {cause}}} end\n\
                                       function call() end function slow() end"
        )
    };
    let mut daemon =
        Daemon::new("", &[("default/manifest.toml", MANIFEST), ("default/x.lua", &reject(1))]);
    daemon.start_ready();
    let mut asker = daemon.asker();
    let mut cause = || match asker.decide(5, "07700900123") {
        Outcome::Decided(d) => match d.verdict {
            Verdict::Reject { cause, .. } => cause,
            other => panic!("{other:?}"),
        },
        // On a busy machine a run may miss its deadline; the next one is asked.
        Outcome::Failed { .. } => 0,
        other => panic!("{other:?}"),
    };
    until("the first policy", || cause() == 1);
    daemon.write_policies(&[("default/x.lua", &reject(2))]);
    daemon.signal("-HUP");
    until("the new policy", || cause() == 2);
    // The data was looked at too.
    daemon.wait_for_log("the database was read: nothing has changed");
    daemon.write_policies(&[("default/x.lua", "function decide(\n  = 3")]);
    daemon.signal("-HUP");
    daemon.wait_for_log("policy: default/x.lua:2: ");
    until("the same policy", || cause() == 2);
    // Keys that wait for the next start are named.
    let file = daemon.path("fsxinetd.toml");
    let text = std::fs::read_to_string(&file).expect("read");
    let text = text.replace("drain_s = 5", "drain_s = 5\nthreads = 3");
    std::fs::write(&file, text).expect("written");
    daemon.signal("-HUP");
    daemon.wait_for_log("configuration: daemon.threads wait for the next start");
    // A broken configuration changes nothing either.
    std::fs::write(daemon.path("fsxinetd.toml"), "[esl]\nlisen = 1\n").expect("written");
    daemon.signal("-HUP");
    daemon.wait_for_log("configuration not read again");
    until("the same policy still", || cause() == 2);
}

#[test]
fn who_stops_a_daemon_at_its_start_does_not_wait_for_tests() {
    let endless = "it('never ends', function() while true do end end)";
    let mut daemon = Daemon::new(
        "",
        &[
            ("default/manifest.toml", MANIFEST),
            ("default/x.lua", DEAREST_FIRST),
            ("default/tests/a_test.lua", endless),
        ],
    );
    daemon.begin(&[]);
    daemon.wait_for_log("snapshot published");
    daemon.signal("-TERM");
    assert!(daemon.ended().success(), "{}", daemon.log());
    daemon.wait_for_log("stopped before it was up");
}

#[test]
fn faults_at_the_start_are_one_line_and_a_code() {
    let dir = tempfile::tempdir().expect("a folder");
    let file = dir.path().join("fsxinetd.toml");
    let run = |text: Option<&str>, args: &[&str]| {
        if let Some(text) = text {
            std::fs::write(&file, text).expect("written");
        }
        let output = fsxinetd(&file, args);
        (output.status.code(), String::from_utf8(output.stderr).expect("text"))
    };
    let shown = file.display().to_string();
    for (text, args, code, said) in [
        (None, &["run"][..], 2, format!("fsxinetd: {shown}: cannot read the configuration: ")),
        (
            Some("[esl]\n\nlisen = \"x\"\n"),
            &["run"],
            2,
            format!("fsxinetd: {shown}:3: unknown key \"lisen\" in [esl]; did you mean"),
        ),
        (
            Some("[http]\nlisten = 5\n"),
            &["check-config"],
            2,
            format!("fsxinetd: {shown}:2: listen in [http]: "),
        ),
        (
            Some("[databases.LCR_RO]\nurl = \"mysql://host\"\n"),
            &["run"],
            2,
            format!("fsxinetd: {shown}: databases.LCR_RO.url: bad database address: "),
        ),
        (Some("[log]\nlevel = \"=loud=\"\n"), &["run"], 2, "fsxinetd: level in [log]: ".to_owned()),
        (
            Some("[decide]\nsocket = \"/dev/null/x\"\n"),
            &["status"],
            1,
            "fsxinetd: /dev/null/x: no daemon answers on the decision socket: ".to_owned(),
        ),
        (
            Some("[cdr]\nstore = \"/dev/null/x\"\n"),
            &["cdr", "list"],
            1,
            "fsxinetd: record store /dev/null/x: ".to_owned(),
        ),
    ] {
        let (got, line) = run(text, args);
        assert_eq!(got, Some(code), "{line}");
        assert!(line.starts_with(&said), "{line}");
        assert_eq!(line.trim_end().lines().count(), 1, "{line}");
    }
    let (code, usage) = run(Some(""), &["no-such-command"]);
    assert_eq!(code, Some(2), "{usage}");

    let sample = fsxinetd(&file, &["check-config", "--sample"]);
    assert!(sample.status.success());
    std::fs::write(&file, &sample.stdout).expect("written");
    let (code, line) = run(None, &["check-config"]);
    assert_eq!(code, Some(0), "{line}");
}

#[test]
fn a_database_that_is_away_stops_nothing() {
    let mut daemon = Daemon::new("", &[]);
    std::fs::rename(daemon.path("lcr.sqlite"), daemon.path("away")).expect("renamed");
    daemon.start();
    let (status, said) = daemon.get("/readyz");
    assert_eq!(status, 503, "{said}");
    assert!(said.contains("[-]snapshot failed: no routing data published yet"), "{said}");
    assert_eq!(daemon.get("/livez").0, 200);
    assert_eq!(daemon.get("/v1/lcr/route?number=%2B44").0, 503);
    std::fs::rename(daemon.path("away"), daemon.path("lcr.sqlite")).expect("renamed");
    let started = Instant::now();
    until("ready", || daemon.get("/readyz").0 == 200);
    assert!(started.elapsed() < LONG);
    // Gone again, and the daemon with it: the next one serves the snapshot on disk.
    daemon.signal("-TERM");
    assert!(daemon.ended().success());
    std::fs::rename(daemon.path("lcr.sqlite"), daemon.path("away")).expect("renamed");
    daemon.start_ready();
    assert_eq!(daemon.get("/v1/lcr/route?number=%2B447700900123").0, 200);
    assert!(daemon.get("/readyz?verbose").1.contains("[!]feed warning"));
}

#[test]
fn two_daemons_do_not_share_a_socket() {
    let mut daemon = Daemon::new("", &[]);
    daemon.start();
    let second = daemon.command(&["run"]);
    assert_eq!(second.status.code(), Some(1));
    let said = String::from_utf8_lossy(&second.stderr).into_owned();
    assert!(said.contains("another fsxinetd answers there"), "{said}");
    assert!(matches!(daemon.asker().ask(Ask::Status), Outcome::Status(_)));
}

#[test]
fn systemd_is_told() {
    let mut daemon = Daemon::new("", &[]);
    let path = daemon.path("notify");
    let socket = std::os::unix::net::UnixDatagram::bind(&path).expect("a socket");
    socket.set_read_timeout(Some(LONG)).expect("set");
    let path = path.display().to_string();
    daemon.start_with(&[("NOTIFY_SOCKET", path.as_str()), ("WATCHDOG_USEC", "200000")]);
    let mut heard = String::new();
    let mut wait_for = |word: &str| {
        while !heard.contains(word) {
            let mut bytes = [0; 4096];
            let n = socket.recv(&mut bytes).unwrap_or_else(|e| panic!("no {word}: {e}: {heard}"));
            heard.push_str(&String::from_utf8_lossy(&bytes[..n]));
            heard.push('\n');
        }
        std::mem::take(&mut heard)
    };
    wait_for("READY=1");
    wait_for("WATCHDOG=1");
    wait_for("WATCHDOG=1");
    daemon.signal("-HUP");
    assert!(wait_for("RELOADING=1").contains("MONOTONIC_USEC="));
    wait_for("READY=1");
    daemon.signal("-TERM");
    wait_for("STOPPING=1");
    assert!(daemon.ended().success());
}

#[test]
fn only_known_users_may_ask() {
    let mut daemon = Daemon::new("[site]\ndata_centre = \"LON1\"\n", &[]);
    if !std::fs::metadata(daemon.dir.path())
        .is_ok_and(|m| std::os::unix::fs::MetadataExt::uid(&m) == 0)
        || Command::new("setpriv").arg("--version").output().is_err()
    {
        println!("SKIPPED only_known_users_may_ask: needs root and setpriv");
        return;
    }
    // Anybody may open the path: what is tested is who is heard.
    let open = std::os::unix::fs::PermissionsExt::from_mode(0o755);
    std::fs::set_permissions(daemon.dir.path(), open).expect("set");
    daemon.start();
    let open = std::os::unix::fs::PermissionsExt::from_mode(0o777);
    std::fs::set_permissions(daemon.path("decide.sock"), open).expect("set");
    let program = daemon.path("fsxinetd");
    std::fs::copy(env!("CARGO_BIN_EXE_fsxinetd"), &program).expect("copied");
    let ask_as = |user: &str| {
        Command::new("setpriv")
            .args(["--reuid", user, "--regid", user, "--clear-groups"])
            .arg(&program)
            .arg("--config")
            .arg(daemon.path("fsxinetd.toml"))
            .arg("status")
            .output()
            .expect("it runs")
    };
    assert!(ask_as("0").status.success());
    let stranger = ask_as("65534");
    let said = String::from_utf8_lossy(&stranger.stderr).into_owned();
    assert_eq!(stranger.status.code(), Some(1), "{said}");
    assert!(said.contains("may this user ask?"), "{said}");
    daemon.wait_for_log("this user may not ask");
}
