//! The real fsx.so inside a stand-in for OpenSIPS: every layout, every callback, every bad day that
//! can be had without a proxy. Scenarios with the real one are in the workspace's `tests/`.

mod support;

use std::{fs, path::Path, thread, time::Duration};

use support::{
    LAYOUTS, Start, Started,
    deck::{DECK, Deck, publish},
    run, start, until,
};
use tempfile::TempDir;

fn dir() -> TempDir {
    tempfile::tempdir().expect("a directory")
}

fn param(name: &str, value: &Path) -> String {
    format!("{name}={}", value.display())
}

/// A directory with generation 12 published in it, and the parameters that name it.
fn published() -> (TempDir, Vec<String>) {
    let dir = dir();
    let snapshot = dir.path().join("routes.fsx");
    DECK.publish(&snapshot);
    let params = vec![
        param("snapshot", &snapshot),
        "home_country=GB".to_owned(),
        "default_org=37".to_owned(),
        "check_interval_ms=50".to_owned(),
    ];
    (dir, params)
}

#[test]
fn every_layout_loads_and_routes() {
    for (release, version) in LAYOUTS {
        let (dir, params) = published();
        let options = Start { release, params: &params, ..Start::default() };
        let mut host = run(dir.path(), &options);
        assert_eq!(host.ask(&["child", "3"]), "0", "{version}");
        assert_eq!(host.route("07700900123", "-"), "1", "{version}");
        assert_eq!(host.fsx("gateway_id"), "3001", "{version}");
        assert_eq!(host.ask(&["uri"]), "sip:00447700900123@198.51.100.1:5060", "{version}");
        assert_eq!(host.ask(&["stat", "routed"]), "1", "{version}");
        let status = host.mi(&["fsx_status"]);
        assert_eq!(status["host"], *version);
        assert_eq!(status["generation"], 12, "{status}");
        let answer = host.mi(&["fsx_route", "number=07700900123", "org=37"]);
        assert_eq!(answer["routes"][0]["gateway_id"], 3001, "{answer}");
        assert!(host.log().contains("NOTICE:fsx: serving generation 12"), "{}", host.log());
    }
}

#[test]
fn four_point_zero_has_short_mi_names_and_the_old_ones() {
    let (dir, params) = published();
    let options = Start { release: "40000", params: &params, ..Start::default() };
    let mut host = run(dir.path(), &options);
    assert_eq!(host.mi(&["status"])["generation"], 12);
    assert_eq!(host.mi(&["fsx_status"])["generation"], 12);
    assert_eq!(host.mi(&["reload"])["result"], "same");
}

#[test]
fn an_unknown_host_is_refused_with_the_known_ones_named() {
    let dir = dir();
    for version in [
        "opensips 3.6.9 (x86_64/linux)",
        "opensips 4.1.0-dev (x86_64/linux)",
        "opensips 3.2.19 (x86_64/linux)",
        "something else",
    ] {
        match start(dir.path(), &Start { version, ..Start::default() }) {
            Started::Refused(line, _) => {
                assert!(line.contains("mismatch for fsx"), "{line}");
                assert!(line.contains("3.6.0 to 3.6.8 and 4.0.0 to 4.0.1"), "{line}");
            }
            Started::Host(_) => panic!("{version} was accepted"),
        }
    }
}

#[test]
fn a_host_without_a_function_is_refused_by_its_name() {
    let dir = dir();
    match start(dir.path(), &Start { without: Some("set_ruri"), ..Start::default() }) {
        Started::Refused(line, _) => assert!(line.contains("has no set_ruri"), "{line}"),
        Started::Host(_) => panic!("accepted"),
    }
}

#[test]
fn bad_parameters_stop_the_start_with_one_line() {
    for (param, said) in [
        ("snapshot=routes.fsx", "snapshot is \"routes.fsx\", expected an absolute path"),
        ("home_country=Britain", "home_country is \"Britain\""),
        ("default_org=-1", "default_org is -1"),
        ("gateway=sip:10.0.0.1", "gateway \"sip:10.0.0.1\""),
        ("number_var=$nonsense", "number_var is \"$nonsense\""),
        ("plan_avp=$var(x)", "plan_avp is \"$var(x)\""),
    ] {
        let dir = dir();
        let params = [param.to_owned()];
        // 3.3 writes each line once; the stand-ins for later releases show all three formats.
        let options = Start { release: "30300", params: &params, ..Start::default() };
        match start(dir.path(), &options) {
            Started::Refused(line, log) => {
                assert_eq!(line, "refused: mod_init");
                assert!(log.contains(said), "{param}: {log}");
                assert_eq!(log.lines().count(), 1, "{param}: {log}");
            }
            Started::Host(_) => panic!("{param} was accepted"),
        }
    }
}

#[test]
fn odd_arguments_are_answered() {
    let (dir, params) = published();
    let mut host = run(dir.path(), &Start { params: &params, ..Start::default() });
    // A refusal is -1, an error -3; nothing is 0.
    for (words, result) in [
        (["route", "@null", "-", "-"], "-1"),
        (["route", "@negative", "-", "-"], "-1"),
        (["route", "hex:ff00fe2b3434", "37", "-"], "-1"),
        (["route", "hex:303909310a32", "37", "-"], "-1"),
        (["route", "07700900123", "-1", "-"], "-3"),
        (["route", "07700900123", "2147483647", "-"], "1"),
        (["route", "07700900123", "37", "@null"], "1"),
        (["route", "07700900123", "37", "nonsense"], "-3"),
        (["route", "07700900123", "37", "hex:ff"], "-3"),
        (["route", "-", "-", "-"], "-1"),
    ] {
        assert_eq!(host.ask(&words), result, "{words:?}");
        let _ = host.fsx("called");
    }
    let long = "1".repeat(3000);
    assert_eq!(host.route(&long, "-"), "-1");
    assert_eq!(host.fsx("cause"), "28");
    assert_eq!(host.ask(&["fsx", "nonsense"]), "no such name");
    assert_eq!(host.ask(&["without-message"]), "-3 -3 0 0 0 -1 -1 -1");
    assert_eq!(host.mi(&["fsx_status"])["calls"]["errors"], 3);
    // MI: missing, foreign and bad parameters.
    assert_eq!(host.ask(&["mi", "fsx_route"]), "error: no recipe");
    let bad = host.ask(&["mi", "fsx_route", "number=1", "org=\u{e9}"]);
    assert!(bad.starts_with("error -32602: org is"), "{bad}");
    assert_eq!(host.mi(&["fsx_route", "number=", "org=37"])["cause"], 28);
}

#[test]
fn a_panic_in_any_callback_is_its_fallback() {
    let (dir, params) = published();
    let null = "error: command handler returned null";
    for (site, words, fallback) in [
        ("cmd.fsx_route", &["route", "07700900123", "-", "-"][..], "-3"),
        ("cmd.fsx_next", &["next"], "-3"),
        ("pv.parse_name", &["fsx", "cause"], "no such name"),
        ("pv.get", &["fsx", "cause"], "null"),
        ("child_init", &["child", "1"], "0"),
        ("mi.status", &["mi", "fsx_status"], null),
        ("mi.route", &["mi", "fsx_route", "number=1"], null),
        ("mi.reload", &["mi", "fsx_reload"], null),
        ("stat.routed", &["stat", "routed"], "0"),
        ("stat.rejected", &["stat", "rejected"], "0"),
        ("stat.no_data", &["stat", "no_data"], "0"),
        ("stat.errors", &["stat", "errors"], "0"),
        ("stat.emergencies", &["stat", "emergencies"], "0"),
        ("stat.next_attempts", &["stat", "next_attempts"], "0"),
    ] {
        let options = Start { params: &params, panic_at: Some(site), ..Start::default() };
        let mut host = run(dir.path(), &options);
        assert_eq!(host.ask(words), fallback, "{site}");
        assert!(host.log().contains(&format!("panic in {site} at ")), "{site}: {}", host.log());
        // It goes on, and counts.
        assert_eq!(host.ask(words), fallback, "{site}");
        if site != "mi.status" {
            assert_eq!(host.mi(&["fsx_status"])["panics"], 2, "{site}");
        }
    }
}

#[test]
fn a_panic_while_starting_does_not_start() {
    let (dir, params) = published();
    for (site, said) in [("load", "unsupported"), ("mod_init", "mod_init")] {
        let options = Start { params: &params, panic_at: Some(site), ..Start::default() };
        match start(dir.path(), &options) {
            Started::Refused(line, _) => assert!(line.contains(said), "{site}: {line}"),
            Started::Host(_) => panic!("{site}: started"),
        }
    }
    let params = ["gateway=3001=sip:h".to_owned()];
    let options = Start { params: &params, panic_at: Some("param.gateway"), ..Start::default() };
    match start(dir.path(), &options) {
        Started::Refused(line, _) => assert_eq!(line, "refused: parameter gateway"),
        Started::Host(_) => panic!("started"),
    }
}

#[test]
fn a_keeper_that_panics_is_begun_again() {
    let (dir, params) = published();
    let options = Start { params: &params, panic_at: Some("process.keeper"), ..Start::default() };
    let mut host = run(dir.path(), &options);
    assert_eq!(host.ask(&["keeper"]), "ok");
    until("the panic is counted", || host.mi(&["fsx_status"])["panics"] == 1);
    assert_eq!(host.route("07700900123", "37"), "1");
}

#[test]
fn attempts_follow_one_another_to_the_end() {
    let (dir, mut params) = published();
    params.push("sofia_uris=1".to_owned());
    params.push("gateway=3003=sip:203.0.113.3".to_owned());
    let mut host = run(dir.path(), &Start { params: &params, ..Start::default() });
    assert_eq!(host.ask(&["next"]), "-2", "no plan yet");
    host.ask(&["var", "rU", "+447700900123"]);
    host.ask(&["var", "fU", "02079460000"]);
    assert_eq!(host.route("-", "-"), "1");
    for (name, value) in [
        ("decision", "route"),
        ("cause", "null"),
        ("called", "447700900123"),
        ("org", "37"),
        ("generation", "12"),
        ("attempt", "1"),
        ("attempts", "3"),
        ("gateway_id", "3001"),
        ("carrier_id", "101"),
        ("carrier", "Carrier 1"),
        ("band_id", "501"),
        ("rate_id", "20001"),
        ("cost", "0.01"),
        ("number", "00447700900123"),
        ("cli", "442079460000"),
        ("withhold_cli", "0"),
        ("dst_uri", "sip:00447700900123@198.51.100.1:5060"),
        ("dial", "sip:00447700900123@198.51.100.1:5060"),
        ("vars", "a=1;b=2"),
        ("emergency", "0"),
    ] {
        assert_eq!(host.fsx(name), value, "{name}");
    }
    assert_eq!(host.ask(&["next", "486"]), "-4", "busy ends the call");
    assert_eq!(host.fsx("gateway_id"), "3001");
    assert_eq!(host.ask(&["next", "503"]), "1");
    assert_eq!(host.fsx("gateway_id"), "3002");
    assert_eq!(host.ask(&["uri"]), "sip:00447700900123@198.51.100.2");
    assert_eq!(host.ask(&["next", "-2147483648"]), "1");
    assert_eq!(host.fsx("attempt"), "3");
    assert_eq!(host.ask(&["uri"]), "sip:00447700900123@203.0.113.3");
    for _ in 0..2 {
        assert_eq!(host.ask(&["next"]), "-1");
        assert_eq!(host.fsx("gateway_id"), "3003", "the last attempt stays readable");
    }
    // A script that wrote something else into the AVP.
    for junk in ["", "hello", "fsx1", "fsx2 1"] {
        host.ask(&["avp", junk]);
        assert_eq!(host.ask(&["next"]), "-2", "{junk}");
        assert_eq!(host.fsx("cause"), "null", "{junk}");
    }
}

#[test]
fn the_script_may_keep_its_uri() {
    let (dir, params) = published();
    let mut host = run(dir.path(), &Start { params: &params, ..Start::default() });
    assert_eq!(host.ask(&["route", "07700900123", "37", "keep_uri,withhold_cli"]), "1");
    assert_eq!(host.ask(&["uri"]), "unchanged");
    assert_eq!(host.fsx("withhold_cli"), "1");
    assert_eq!(host.fsx("dst_uri"), "sip:00447700900123@198.51.100.1:5060");
    assert_eq!(host.ask(&["next"]), "1");
    assert_eq!(host.ask(&["uri"]), "unchanged");
    // Without the flag, attempts that cannot be pointed at are passed over: none is left here.
    assert_eq!(host.route("07700900123", "37"), "1");
    assert_eq!(host.ask(&["next"]), "-1");
}

#[test]
fn refusals_carry_their_cause() {
    let (dir, params) = published();
    let mut host = run(dir.path(), &Start { params: &params, ..Start::default() });
    for (number, cause, reason) in [
        ("", "28", "invalid number"),
        ("07900900123", "21", "blocked by dialling rule 9"),
        ("+33123456789", "3", "no carrier sells this destination"),
    ] {
        let result = host.route(number, "37");
        let found = (host.fsx("decision"), host.fsx("cause"), host.fsx("reason"));
        assert_eq!(result, "-1", "{number}");
        assert_eq!(found, ("reject".to_owned(), cause.to_owned(), reason.to_owned()), "{number}");
        assert_eq!(host.fsx("attempt"), "0");
        assert_eq!(host.ask(&["next"]), "-1");
    }
    assert_eq!(host.mi(&["fsx_status"])["calls"]["rejected"], 3);
}

#[test]
fn the_organisation_comes_from_the_script_then_the_variable_then_the_default() {
    let (dir, mut params) = published();
    params.push("org_var=$org".to_owned());
    let mut host = run(dir.path(), &Start { params: &params, ..Start::default() });
    for (variable, given, org) in [("", "-", "37"), ("41", "-", "41"), ("41", "5", "5")] {
        host.ask(&["var", "org", variable]);
        assert_eq!(host.route("07700900123", given), "1");
        assert_eq!(host.fsx("org"), org);
    }
    for bad in ["-5", "x", "4294967296", "\u{e9}"] {
        host.ask(&["var", "org", bad]);
        assert_eq!(host.route("07700900123", "-"), "-3", "{bad}");
    }
}

#[test]
fn emergency_calls_need_no_data() {
    let dir = dir();
    let params = [
        "home_country=GB".to_owned(),
        "emergency_numbers=*999, 1000".to_owned(),
        "emergency_destination=sip:203.0.113.112:5060".to_owned(),
    ];
    let mut host = run(dir.path(), &Start { params: &params, ..Start::default() });
    host.ask(&["var", "fU", "442079460000"]);
    for number in ["999", "112", "*999", "1000"] {
        assert_eq!(host.route(number, "-"), "1", "{number}");
        assert_eq!(host.fsx("emergency"), "1");
        assert_eq!(host.ask(&["uri"]), format!("sip:{number}@203.0.113.112:5060"));
        assert_eq!(host.fsx("cli"), "442079460000");
        assert_eq!(host.ask(&["next"]), "-1");
    }
    assert_eq!(host.route("07700900123", "-"), "-2");
    assert_eq!(host.fsx("cause"), "41");
    let status = host.mi(&["fsx_status"]);
    assert_eq!(status["calls"]["emergencies"], 4, "{status}");
    assert_eq!(status["calls"]["no_data"], 1, "{status}");
    assert_eq!(host.ask(&["mi", "fsx_route", "number=1"]), "error -32000: no routing data");
}

#[test]
fn emergency_calls_take_the_gateway_of_the_data_where_there_is_one() {
    let (dir, mut params) = published();
    params.push("emergency_numbers=1000".to_owned());
    params.push("emergency_destination=sip:203.0.113.112".to_owned());
    let mut host = run(dir.path(), &Start { params: &params, ..Start::default() });
    assert_eq!(host.route("999", "37"), "1");
    assert_eq!(host.fsx("gateway_id"), "3112");
    assert_eq!(host.ask(&["uri"]), "sip:999@198.51.100.112");
    assert_eq!(host.route("1000", "37"), "1");
    assert_eq!(host.ask(&["uri"]), "sip:1000@203.0.113.112");
    assert_eq!(host.fsx("emergency"), "1");
}

#[test]
fn a_new_generation_is_followed_and_a_call_keeps_its_own() {
    let (dir, params) = published();
    let snapshot = dir.path().join("routes.fsx");
    let mut host = run(dir.path(), &Start { params: &params, ..Start::default() });
    assert_eq!(host.ask(&["keeper"]), "ok");
    assert_eq!(host.route("07700900123", "37"), "1");
    assert_eq!(host.fsx("gateway_id"), "3001");
    Deck { generation: 13, first_price: "0.9" }.publish(&snapshot);
    until("the keeper verifies 13", || host.mi(&["fsx_status"])["generation"] == 13);
    // The call that began with 12 goes on with its plan.
    assert_eq!(host.fsx("generation"), "12");
    assert_eq!(host.fsx("cost"), "0.01");
    // The next one has the new order.
    assert_eq!(host.route("07700900123", "37"), "1");
    assert_eq!(host.fsx("generation"), "13");
    assert_eq!(host.fsx("gateway_id"), "3002");
    assert!(host.log().contains("NOTICE:fsx: moving to generation 13"), "{}", host.log());
}

#[test]
fn an_idle_worker_is_not_left_behind() {
    let (dir, params) = published();
    let snapshot = dir.path().join("routes.fsx");
    let mut host = run(dir.path(), &Start { params: &params, ..Start::default() });
    assert_eq!(host.ask(&["child", "1"]), "0");
    assert_eq!(host.ask(&["keeper"]), "ok");
    let next = Deck { generation: 13, first_price: "0.9" };
    next.publish(&snapshot);
    until("the keeper verifies 13", || {
        host.ask(&["idle"]);
        host.log().contains("moving to generation 13")
    });
    // Told by the keeper while it had no call; nothing it does from here on could find the file.
    host.ask(&["idle"]);
    publish(&snapshot, &next.bytes()[..99]);
    assert_eq!(host.route("07700900123", "37"), "1");
    assert_eq!(host.fsx("generation"), "13");
}

#[test]
fn a_worker_that_panics_when_told_moves_at_its_next_call() {
    let (dir, params) = published();
    let snapshot = dir.path().join("routes.fsx");
    let options = Start { params: &params, panic_at: Some("ipc.follow"), ..Start::default() };
    let mut host = run(dir.path(), &options);
    assert_eq!(host.ask(&["child", "1"]), "0");
    assert_eq!(host.ask(&["keeper"]), "ok");
    Deck { generation: 13, first_price: "0.9" }.publish(&snapshot);
    until("the worker is told", || {
        host.ask(&["idle"]);
        host.log().contains("panic in ipc.follow at ")
    });
    assert_eq!(host.route("07700900123", "37"), "1");
    assert_eq!(host.fsx("generation"), "13");
}

#[test]
fn damaged_files_are_refused_and_the_last_good_one_serves() {
    let (dir, params) = published();
    let snapshot = dir.path().join("routes.fsx");
    let options = Start { release: "30300", params: &params, ..Start::default() };
    let mut host = run(dir.path(), &options);
    assert_eq!(host.ask(&["keeper"]), "ok");
    let whole = Deck { generation: 13, first_price: "0.9" }.bytes();
    let mut flipped = whole.clone();
    let middle = flipped.len() * 3 / 4;
    flipped[middle] ^= 0x10;
    let torn = &whole[..whole.len() / 2];
    for (n, (name, bytes)) in
        (1..).zip([("torn", torn), ("flipped", &flipped), ("empty", b""), ("foreign", b"hello")])
    {
        publish(&snapshot, bytes);
        until(name, || host.mi(&["fsx_status"])["snapshot"]["refusals"] == n);
        let status = host.mi(&["fsx_status"]);
        assert!(status["snapshot"]["refused"].is_string(), "{name}: {status}");
        assert_eq!(host.route("07700900123", "37"), "1", "{name}");
        assert_eq!(host.fsx("generation"), "12", "{name}");
        assert!(host.ask(&["mi", "fsx_reload"]).starts_with("error -32000: "), "{name}");
    }
    fs::remove_file(&snapshot).expect("removed");
    until("gone", || host.mi(&["fsx_status"])["snapshot"]["refusals"] == 5);
    assert_eq!(host.route("07700900123", "37"), "1");
    // Each was said once, however often the keeper looks.
    let before = fs::metadata(dir.path().join("host.log")).expect("the log").len();
    thread::sleep(Duration::from_millis(300));
    assert_eq!(fs::metadata(dir.path().join("host.log")).expect("the log").len(), before);
    let said = host.log().matches("snapshot refused").count();
    assert_eq!(said, 5, "{}", host.log());
    publish(&snapshot, &whole);
    until("13 serves", || {
        host.route("07700900123", "37");
        host.fsx("generation") == "13"
    });
    assert!(host.mi(&["fsx_status"])["snapshot"]["refused"].is_null());
}

#[test]
fn a_start_with_a_damaged_file_serves_emergencies_and_recovers() {
    let (dir, mut params) = published();
    params.push("emergency_destination=sip:203.0.113.112".to_owned());
    let snapshot = dir.path().join("routes.fsx");
    publish(&snapshot, &DECK.bytes()[..100]);
    let mut host = run(dir.path(), &Start { params: &params, ..Start::default() });
    assert_eq!(host.route("999", "37"), "1");
    assert_eq!(host.route("07700900123", "37"), "-2");
    assert!(host.log().contains("ERROR:fsx: no routing data: "), "{}", host.log());
    DECK.publish(&snapshot);
    assert_eq!(host.mi(&["fsx_reload"])["generation"], 12);
    assert_eq!(host.route("07700900123", "37"), "1");
}

#[test]
fn gateway_health_is_seen_at_once() {
    let (dir, mut params) = published();
    let path = dir.path().join("live");
    params.push(param("live", &path));
    params.push("data_centre=LON1".to_owned());
    let live = fsx_live::LiveTable::create(&path, &fsx_live::LiveSpec::default()).expect("a table");
    let mut host = run(dir.path(), &Start { params: &params, ..Start::default() });
    assert_eq!(host.mi(&["fsx_status"])["live"]["open"], true);
    assert!(live.set_healthy(3001, "LON1", false));
    assert_eq!(host.route("07700900123", "37"), "1");
    assert_eq!(host.fsx("gateway_id"), "3002");
    assert!(live.set_healthy(3001, "LON1", true));
    assert_eq!(host.route("07700900123", "37"), "1");
    assert_eq!(host.fsx("gateway_id"), "3001");
    let answer = host.mi(&["fsx_route", "number=07700900123", "org=37"]);
    assert_eq!(answer["routes"].as_array().map(Vec::len), Some(3), "{answer}");
    assert_eq!(answer["routes"][0]["cost_per_min"], "0.01", "money is text: {answer}");
}
