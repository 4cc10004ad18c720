//! The module in a stand-in for FreeSWITCH: the real `.so`, opened as FreeSWITCH opens it, called as
//! FreeSWITCH calls it, on FreeSWITCH's small stacks. For machines without a switch; what only a
//! switch can show is in the scenarios.

#[path = "applications/mod.rs"]
mod applications;
mod support;

use std::{
    fs,
    time::{Duration, Instant},
};

use fsx_wire::{
    answer::{Route, RouteAnswer},
    message::Verdict,
};
use support::{Daemon, Host, Script, snapshot};

#[test]
fn loads_with_nothing_there_and_says_so() {
    let host = Host::start(&Script::default());
    assert!(host.loaded.contains(
        "loaded 16 interface api=fsx app=fsx_bridge app=fsx_route app=fsx_policy dialplan=fsx "
    ));
    assert!(host.loaded.contains("no configuration fsx.conf.xml"), "{}", host.loaded);
    let status = host.api("status");
    assert!(status.starts_with("-ERR only emergency calls are routed\n"), "{status}");
    for said in ["only emergency calls are routed", "no fsx.conf.xml", "no socket configured"] {
        assert!(status.contains(said), "{said} is not in {status}");
    }
    assert_eq!(host.api("generation"), "0\n");
    host.end();
}

#[test]
fn any_argument_is_answered() {
    let host = Host::start(&Script::default());
    assert!(host.say("api").contains("fsx status  "), "NULL gets help");
    assert!(host.say("api-session\tversion").contains("fsx "));
    assert!(host.say("api-no-stream\tstatus").contains("status 0"));
    assert!(host.say("api-bytes\tff80c3fe").contains("-ERR unknown command"));
    // "route " and bytes that are not UTF-8.
    let answer = host.say("api-bytes\t726f75746520ff80");
    assert!(answer.contains("No Routes To Display"), "{answer}");
    let answer = host.say("api-bytes\t39\t65536");
    assert!(answer.contains("-ERR a command of 65536 bytes"), "{answer}");
    for wrong in ["route", "route 1 org=x", "route 1 colour=red", "gateway x up", "nothing"] {
        assert!(host.api(wrong).starts_with("-ERR "), "{wrong}");
    }
    for (wrong, said) in [
        ("route 1 org=37 cli=2 org=38", "-ERR org=38: given twice\n"),
        ("why 1 attempts=99", "-ERR attempts=99: expected a number from 0 to 32, got \"99\"\n"),
        ("reload as json", "-ERR fsx reload answers in text only\n"),
        ("help as xml", "-ERR fsx help answers in text only\n"),
        ("xml forget as json", "-ERR fsx xml forget answers in text only\n"),
        ("xml forget x", "-ERR fsx xml forget takes no \"x\"\n"),
        ("xml x", "-ERR fsx xml takes no \"x\", only forget\n"),
    ] {
        assert_eq!(host.api(wrong), said);
    }
    host.say("call\tx");
    host.say("no-profile");
    assert!(host.say("app").contains("app done cause=41"), "a leg without a profile is refused");
    assert!(host.say("app-no-session").contains("app done"));
    host.say("call\ty");
    host.say(&format!("set\trmDialledNumber\t{}", "9".repeat(60_000)));
    assert!(host.say("app").contains("app done cause="));
    assert!(host.say("hunt").contains("extension none"));
    host.end();
}

#[test]
fn a_call_fails_over_in_one_leg_and_is_recorded_once() {
    let script = Script::with_data();
    let host = Host::start(&script);
    host.begin("call-1", "07700900123", "37");
    host.say("outcome\tf\t41\t503");
    host.say("outcome\ta\t16");
    let said = host.say("app");
    let dials: Vec<&str> = said.lines().filter(|line| line.starts_with("dial ")).collect();
    assert_eq!(dials.len(), 2, "{said}");
    assert!(dials[0].starts_with("dial sofia/gateway/gw1/447700900123 limit=60"), "{}", dials[0]);
    assert!(dials[0].contains("absolute_codec_string=PCMA"), "{}", dials[0]);
    assert!(dials[0].contains("origination_caller_id_number="), "{}", dials[0]);
    assert!(dials[1].starts_with("dial sofia/gateway/gw2/0447700900123 "), "{}", dials[1]);
    assert!(said.contains("app done cause=16 answered=1 legs locked=0 events=0"), "{said}");
    assert_eq!(host.get("fsx_attempts"), "2");
    assert_eq!(host.get("fsx_gateway_id"), "2");
    assert_eq!(host.get("continue_on_fail"), "(unset)");
    assert!(host.say("state\treporting").contains("state 0"));
    assert!(host.say("state\tdestroy").contains("state 0"));
    host.end();

    let records = script.records();
    assert_eq!(records.len(), 1, "one call, one record");
    let record = &records[0];
    assert_eq!((record.id.as_str(), record.generation, record.facts.org), ("call-1", 5, 37));
    assert_eq!((record.decided_by.as_str(), record.decision.as_str()), ("local", "route"));
    assert_eq!(record.number.as_deref(), Some("447700900123"));
    let attempts: Vec<_> =
        record.attempts.iter().map(|a| (a.gateway_id, a.cause, a.sip_status)).collect();
    assert_eq!(attempts, [(1, 41, 503), (2, 16, 0)]);
    assert!(record.attempts[1].answered_ms.is_some());
    assert!(!record.attempts[1].cost.is_empty() && record.attempts[0].cost.is_empty());
}

#[test]
fn what_ends_a_call_and_what_does_not() {
    let script = Script::with_data();
    let host = Host::start(&script);
    // Outcomes, attempts made, cause the caller's leg ends with (0: it stays up).
    for (name, outcomes, attempts, cause) in [
        ("busy stops", &["f\t17\t486"][..], 1, 17),
        ("all congested", &["f\t34\t503", "f\t34\t503"], 2, 34),
        ("early media, then refused", &["e\t41\t503", "a\t16"], 2, 16),
        ("early media, then busy", &["e\t17\t486"], 1, 17),
        ("no progress in time", &["f\t807", "a\t16"], 2, 16),
        ("gateway down", &["f\t812", "a\t16"], 2, 16),
        ("the caller gives up", &["c"], 1, 487),
        ("the caller is transferred", &["t"], 1, 0),
        ("no answer goes on in the dialplan", &["f\t19\t480"], 1, 0),
    ] {
        host.begin(name, "07700900123", "37");
        for outcome in outcomes {
            host.say(&format!("outcome\t{outcome}"));
        }
        let said = host.say("app");
        let made = said.lines().filter(|line| line.starts_with("dial ")).count();
        assert_eq!(made, attempts, "{name}: {said}");
        assert!(said.contains(&format!("app done cause={cause} ")), "{name}: {said}");
        host.say("state\treporting");
    }
    assert_eq!(host.api("calls"), "0 calls in progress\n");
    host.end();
}

#[test]
fn what_the_site_had_set_is_kept() {
    let host = Host::start(&Script::with_data());
    host.begin("x", "07700900123", "37");
    host.say("set\tcontinue_on_fail\ttrue");
    host.say("set\thangup_after_bridge\tfalse");
    host.say("outcome\tf\t17\t486");
    let said = host.say("app");
    assert!(said.contains("app done cause=0 "), "the dialplan goes on: {said}");
    assert_eq!(host.get("continue_on_fail"), "true");
    assert_eq!(host.get("hangup_after_bridge"), "false");
    assert_eq!(host.get("fsx_cause"), "USER_BUSY");
    host.end();
}

#[test]
fn numbers_cannot_change_a_dial_string() {
    let host = Host::start(&Script::with_data());
    for number in ["07700900123,sofia/x/1", "[a=b]07700900123", "${hupall()}", "077|009"] {
        host.begin("x", number, "37");
        let said = host.say("app");
        assert!(!said.lines().any(|line| line.starts_with("dial ")), "{number}: {said}");
        assert!(said.contains("app done cause=28 "), "{number}: {said}");
    }
    host.end();
}

#[test]
fn emergency_needs_nothing() {
    // No snapshot, no live table, no daemon.
    let mut script = Script::default();
    script.param("settings", "home-country", "GB");
    script.country_param("emergency", "dial-string", "sofia/gateway/sos/${number}", "GB");
    script.country_param("emergency", "dial-string", "sofia/gateway/sos2/${number}", "GB");
    let host = Host::start(&script);
    host.begin("x", "999", "37");
    host.say("outcome\tf\t17\t486");
    host.say("outcome\ta\t16");
    let said = host.say("app");
    assert!(said.contains("dial sofia/gateway/sos/999 "), "{said}");
    assert!(said.contains("dial sofia/gateway/sos2/999 "), "busy does not stop one: {said}");
    assert!(host.say("hunt").contains("extension fsx 999; fsx_bridge(); hangup(${fsx_cause})"));
    host.begin("x", "07700900123", "37");
    assert!(host.say("app").contains("app done cause=41 "), "the rest has no data");
    host.end();
}

#[test]
fn emergency_comes_before_limits_and_by_the_data_first() {
    let mut script = Script::with_data();
    script.country_param("emergency", "dial-string", "sofia/gateway/sos/${number}", "GB");
    let host = Host::start(&script);
    host.begin("x", "999", "37");
    host.say("outcome\tf\t27\t502");
    host.say("outcome\ta\t16");
    let said = host.say("app");
    let dials: Vec<&str> = said.lines().filter(|line| line.starts_with("dial ")).collect();
    assert!(dials[0].starts_with("dial sofia/gateway/gw9/999 "), "{said}");
    assert!(dials[1].starts_with("dial sofia/gateway/sos/999 "), "{said}");
    host.say("state\treporting");
    host.end();
    let record = &script.records()[0];
    assert!(record.emergency && record.number.is_none());
}

#[test]
fn dialplan_takes_what_is_ours() {
    let host = Host::start(&Script::with_data());
    for (number, ours) in [("07700900123", true), ("999", true), ("park", false), ("1", false)] {
        host.begin("x", number, "37");
        let said = host.say("hunt");
        assert_eq!(!said.contains("extension none"), ours, "{number}: {said}");
    }
    // Blocked: ours, and refused with its cause.
    host.begin("x", "0909123456", "37");
    assert!(host.say("hunt").contains("extension fsx 0909123456; fsx_bridge()"));
    assert!(host.say("app").contains("app done cause=21 "));
    host.end();
}

#[test]
fn a_bad_configuration_is_named_and_a_reload_of_one_refused() {
    let mut script = Script::with_data();
    script.param("settings", "snapshto", "/x");
    let host = Host::start(&script);
    assert!(host.loaded.contains("fsx.conf.xml: <settings> snapshto: unknown setting"));
    assert_eq!(host.api("generation"), "5\n", "the rest is in force");
    host.say("forget");
    host.say("param\tsettings\tpolicy-timeout-ms\tsoon");
    let said = host.api("reload");
    // The log has it too, in the midst of the answer here.
    assert!(said.contains("-ERR the configuration in force stays"), "{said}");
    assert!(said.contains("fsx: fsx.conf.xml is not taken, the configuration"), "{said}");
    host.say("break-xml");
    let said = host.api("reload");
    assert!(said.contains("XML files do not parse"), "{said}");
    assert_eq!(host.api("generation"), "5\n");
    host.end();
}

#[test]
fn a_damaged_snapshot_is_refused_and_the_good_one_stays() {
    let script = Script::with_data();
    let host = Host::start(&script);
    let good = snapshot(6);
    let flipped: Vec<u8> = {
        let mut bytes = good.clone();
        let middle = bytes.len() / 2;
        bytes[middle] ^= 0x40;
        bytes
    };
    for (name, bytes) in [("cut", &good[..good.len() - 9]), ("flipped", &flipped), ("empty", b"")] {
        script.publish(bytes);
        let said = host.api("reload");
        assert!(
            said.contains("snapshot refused") && said.contains("generation 5"),
            "{name}: {said}"
        );
    }
    assert!(host.api("status").contains("the file there now is refused"));
    assert!(host.api("route 07700900123 org=37").contains("generation 5"));
    script.publish(&good);
    assert!(host.say("runtime").contains("runtime 0"));
    assert_eq!(host.api("generation"), "6\n", "housekeeping moves on by itself");
    // Taken away: calls are routed, and whoever looks is told, though a live table says that all is well.
    script.live_table().set_generation(6);
    std::fs::remove_file(script.path("snapshot")).expect("removed");
    assert!(host.say("runtime").contains("runtime 0"));
    assert!(host.api("status").contains("the file is gone"));
    assert!(host.api("route 07700900123 org=37").contains("generation 6"));
    host.end();
}

#[test]
fn records_wait_or_are_discarded_as_asked() {
    let script = Script::with_data();
    let host = Host::start(&script);
    for (id, variable) in [("kept", "rmCDRStoreOnly"), ("gone", "rmCDRDiscard")] {
        host.begin(id, "07700900123", "37");
        host.say("outcome\ta\t16");
        host.say(&format!("set\t{variable}\ttrue"));
        host.say("app");
        host.say("state\treporting");
    }
    // A leg whose reporting FreeSWITCH skips is recorded when it is destroyed.
    host.begin("skipped", "07700900123", "37");
    host.say("outcome\ta\t16");
    host.say("app");
    host.say("state\tdestroy");
    host.end();
    let records = script.records();
    let ids: Vec<&str> = records.iter().map(|record| record.id.as_str()).collect();
    assert_eq!(ids, ["kept", "skipped"]);
    assert_eq!(records[0].vars.get("rmCDRStoreOnly").map(String::as_str), Some("true"));
    assert!(records[0].store_only, "the daemon goes by this, whatever the variable is called");
}

#[test]
fn a_variable_that_fits_no_message_is_left_out_and_the_call_is_recorded() {
    let mut script = Script::with_data();
    script.param("settings", "record-variables", "huge,small");
    let daemon = Daemon::start(&mut script, None);
    let host = Host::start(&script);
    host.begin("x", "07700900123", "37");
    host.say("outcome\ta\t16");
    host.say(&format!("set\thuge\t{}", "\\".repeat(200_000)));
    host.say("set\tsmall\tstays");
    host.say("app");
    host.say("state\treporting");
    host.end();
    let (_, records, _) = daemon.end();
    assert_eq!(records.len(), 1);
    let var = |name: &str| records[0].vars.get(name).map(String::as_str);
    assert_eq!(var("huge"), Some("(left out: 200000 bytes)"));
    assert_eq!(var("small"), Some("stays"));
}

#[test]
fn a_record_without_a_place_waits_for_one() {
    let mut script = Script::with_data();
    script.params.retain(|line| !line.contains("\tspool\t"));
    let folder = script.path("later");
    let spool = folder.join("spool");
    script.param("settings", "spool", &spool.display().to_string());
    let host = Host::start(&script);
    let call = |id: &str| {
        host.begin(id, "07700900123", "37");
        host.say("outcome\ta\t16");
        host.say("app");
        host.say("state\treporting")
    };
    let said = call("patient");
    assert!(said.contains("fsx: 1 records wait in memory: spool "), "{said}");
    call("patient too");
    assert!(host.api("status").contains("records waiting 2"), "{}", host.api("status"));

    fs::create_dir(&folder).expect("the folder");
    let placed = (0..20).any(|_| {
        host.say("runtime");
        host.api("status").contains("records waiting 0")
    });
    assert!(placed, "{}", host.api("status"));
    let text = fs::read_to_string(&spool).expect("the spool");
    let (patient, too) = (text.find("\"patient\""), text.find("\"patient too\""));
    assert!(patient.is_some() && patient < too, "each once and in order: {text}");
    assert_eq!(text.lines().count(), 2, "{text}");

    // A record that waits when the switch ends is written into the log whole.
    fs::remove_dir_all(&folder).expect("removes");
    call("nowhere");
    let said = host.say("shutdown");
    assert!(said.contains("fsx: lost record {\"id\":\"nowhere\""), "{said}");
    assert!(host.api("status").contains("records_lost 1"));
    let said = call("too late");
    assert!(said.contains("fsx: lost record {\"id\":\"too late\""), "{said}");
    host.end();
}

#[test]
fn every_callback_survives_a_panic_with_its_fallback() {
    for (site, line, fallback) in [
        ("load", "", ""),
        ("api.fsx", "api\tstatus", "-ERR fsx: an internal fault, noted in the log\n>>0"),
        ("app.fsx_bridge", "app", "app done cause=0 "),
        ("dialplan.fsx", "hunt", "extension none"),
        ("state.reporting", "state\treporting", "state 0"),
        ("state.destroy", "state\tdestroy", "state 0"),
        ("runtime", "runtime", "runtime 0"),
        ("event.shutdown", "shutdown", "told of shutdown"),
        ("complete.gateways", "complete", "nothing to offer"),
    ] {
        let mut script = Script::with_data();
        script.panic_at = Some(site);
        let host = Host::start(&script);
        host.begin("x", "07700900123", "37");
        if site == "load" {
            assert!(host.loaded.contains("loaded 16 interface"), "{}", host.loaded);
            assert!(host.loaded.contains("panic in load"), "{}", host.loaded);
            host.end();
            continue;
        }
        let said = host.say(line);
        assert!(said.contains(fallback), "{site}: {said}");
        assert!(said.contains(&format!("panic in {site}")), "{site}: {said}");
        if site == "app.fsx_bridge" {
            assert_eq!(host.get("fsx_cause"), "NORMAL_TEMPORARY_FAILURE");
        }
        if site != "api.fsx" {
            assert!(host.api("status").contains("panics       1, last at"), "{site}");
        }
        // The same callback again: nothing was left locked or half done.
        assert!(host.say(line).contains(fallback), "{site}, second time");
        host.end();
    }
}

#[test]
fn shutdown_ends_housekeeping() {
    let host = Host::start(&Script::default());
    assert!(host.say("runtime").contains("runtime 0"));
    host.say("shutdown");
    assert!(host.say("runtime").contains("runtime 21"));
    host.end();
}

#[test]
fn a_policy_improves_the_plan_in_time_or_not_at_all() {
    let mut script = Script::with_data();
    script.param("settings", "policy", "37");
    script.param("settings", "policy-timeout-ms", "300");
    script.param("settings", "policy-variables", "rmUserID");
    let route = Route {
        gateway_id: 77,
        number: "1".to_owned(),
        dial_string: "sofia/gateway/gw77/1".to_owned(),
        ..Route::default()
    };
    let answer = RouteAnswer { routes: vec![route], ..RouteAnswer::default() };
    // What the policy says, the first number dialled, the leg's cause, who decided.
    for (says, dialled, cause, by) in [
        (Some(Verdict::Keep), Some("sofia/gateway/gw1/447700900123"), 16, "policy"),
        (
            Some(Verdict::Route { answer: Box::new(answer) }),
            Some("sofia/gateway/gw77/1"),
            16,
            "policy",
        ),
        (Some(Verdict::Reject { cause: 21, reason: "no credit".to_owned() }), None, 21, "policy"),
        (None, Some("sofia/gateway/gw1/447700900123"), 16, "fallback"),
    ] {
        let daemon = Daemon::start(&mut script, says);
        let host = Host::start(&script);
        host.begin("x", "07700900123", "37");
        host.say("set\trmUserID\t4711");
        host.say("outcome\ta\t16");
        let begun = Instant::now();
        let said = host.say("app");
        assert!(begun.elapsed() < Duration::from_millis(1500), "{by}: {:?}", begun.elapsed());
        let dial = said.lines().find_map(|line| line.strip_prefix("dial ")?.split(' ').next());
        assert_eq!(dial, dialled, "{by}: {said}");
        assert!(said.contains(&format!("app done cause={cause} ")), "{by}: {said}");
        assert_eq!(host.get("fsx_decided_by"), by);
        assert_eq!(host.get("fsx_policy_said"), if by == "policy" { "hello" } else { "(unset)" });
        host.say("state\treporting");
        host.end();
        let (asked, records, ends) = daemon.end();
        assert_eq!(asked.len(), 1);
        assert_eq!(asked[0].org, 37);
        assert_eq!(asked[0].vars.get("rmUserID").map(String::as_str), Some("4711"));
        assert_eq!(records.len(), 1, "the daemon took the record");
        assert_eq!(ends.len(), 0, "which tells of the end");
        assert_eq!(records[0].decided_by, by);
        assert_eq!(records[0].policy_version.is_some(), by == "policy");
    }
    // Not for others, not for emergencies, not for what a rule forbids.
    let daemon = Daemon::start(&mut script, Some(Verdict::Keep));
    let host = Host::start(&script);
    for (number, org) in [("07700900123", "38"), ("999", "37"), ("0909123456", "37")] {
        host.begin(number, number, org);
        host.say("outcome\ta\t16");
        host.say("app");
        assert_eq!(host.get("fsx_decided_by"), "local", "{number}");
    }
    host.end();
    assert_eq!(daemon.end().0.len(), 0);
}

#[test]
fn gateways_are_listed_and_set() {
    let script = Script::with_data();
    let live = script.live_table();
    let host = Host::start(&script);
    let listed = host.api("gateways");
    assert!(
        listed.contains("sofia/gateway/gw${ID}/${number}") || listed.contains("gw1"),
        "{listed}"
    );
    assert!(host.api("gateway 1 down").contains("+OK gateway 1 "));
    assert!(host.api("route 07700900123 org=37").contains("gw2"));
    assert!(!host.api("route 07700900123 org=37").contains("gw1"));
    let why = host.api("why 07700900123 org=37");
    assert!(why.contains("gateway"), "{why}");
    assert!(host.api("gateway 1 auto").contains("+OK gateway 1 "));
    assert!(host.api("route 07700900123 org=37").contains("gw1"));
    assert!(host.api("gateway 77 up").starts_with("-ERR no gateway 77"));

    // Counted while it lasts, given back afterwards.
    host.begin("x", "07700900123", "37");
    host.say("outcome\tf\t41\t503");
    host.say("outcome\ta\t16");
    host.say("app");
    let load = live.load();
    let begun: Vec<_> = load.iter().map(|l| (l.gateway_id, l.calls_begun)).collect();
    assert_eq!(begun, [(1, 1), (2, 1)]);
    assert!(load.iter().all(|l| l.calls_in_progress == 0));
    host.end();
}

#[test]
fn tab_offers_the_gateways_there_are() {
    let host = Host::start(&Script::with_data());
    assert_eq!(host.say("complete"), "offers 1 2 9\n");
    host.end();
    let host = Host::start(&Script::default());
    assert_eq!(host.say("complete"), "nothing to offer\n");
    host.end();
}

#[test]
fn a_gateway_that_filled_up_meanwhile_is_passed_over() {
    let script = Script::with_data();
    let live = script.live_table();
    let host = Host::start(&script);
    // Gateway 2 takes one call at most. Another switch takes that while gateway 1 is being tried:
    // the stand-in waits with its dial until then.
    let other = live.register_owner();
    let full = script.path("full");
    host.begin("x", "07700900124", "37");
    host.say("outcome\tf\t41\t503");
    host.say("outcome\ta\t16");
    let busy = std::thread::scope(|scope| {
        let filling = scope.spawn(|| {
            let deadline = Instant::now() + Duration::from_secs(10);
            while live.load().iter().all(|l| l.gateway_id != 1 || l.calls_in_progress == 0) {
                assert!(Instant::now() < deadline, "gateway 1 was never tried");
                std::thread::yield_now();
            }
            let begun = live.begin_call(other, 2, fsx_seam::clock::utc_s());
            fs::write(&full, "").expect("writes");
            begun
        });
        host.say(&format!("dial-waits\t{}", full.display()));
        let said = host.say("app");
        assert!(filling.join().expect("did not panic"));
        said
    });
    let dials = busy.lines().filter(|line| line.starts_with("dial ")).count();
    assert_eq!(dials, 1, "{busy}");
    assert!(busy.contains("gateway 2 is full, passed over"), "{busy}");
    assert!(busy.contains("app done cause=34 "), "{busy}");
    assert_eq!(live.load().iter().map(|l| l.calls_in_progress).sum::<u32>(), 1);
    host.end();
}

#[test]
fn the_answer_as_json_is_the_contracts() {
    let host = Host::start(&Script::with_data());
    let text = host.api("route 07700900123 org=37 cli=02079460000 at=2026-01-20T10:00:00Z as json");
    let answer: fsx_wire::answer::RouteAnswer = serde_json::from_str(&text).expect("JSON");
    assert_eq!((answer.decision.as_str(), answer.generation, answer.org), ("route", 5, 37));
    assert_eq!(answer.at, "2026-01-20T10:00:00Z");
    assert_eq!(answer.routes.len(), 2);
    assert_eq!(answer.routes[0].dial_string, "sofia/gateway/gw1/447700900123");
    let status = host.api("status as json");
    let status: serde_json::Value = serde_json::from_str(&status).expect("JSON");
    assert_eq!(status["generation"], 5);
    host.end();
}

#[test]
fn sample_configuration_names_every_key_and_no_other() {
    let sample = fs::read_to_string(concat!(env!("CARGO_MANIFEST_DIR"), "/conf/fsx.conf.xml"))
        .expect("the sample ships");
    let mut script = Script::default();
    let mut section = "";
    for line in sample.lines() {
        // Keys that are off in the sample stand in comments of their own line.
        let line = line.trim().trim_start_matches("<!--").trim_end_matches("-->").trim();
        for name in ["settings", "profiles", "emergency", "passive-health", "variables", "xml"] {
            if line == format!("<{name}>") {
                section = name;
            }
        }
        if line.starts_with("<param ") {
            let attribute = |name: &str| {
                let (_, rest) = line.split_once(&format!("{name}=\""))?;
                Some(rest.split_once('"')?.0)
            };
            let (name, value) =
                (attribute("name").expect("name"), attribute("value").expect("value"));
            match attribute("country") {
                Some(country) => script.country_param(section, name, value, country),
                None => script.param(section, name, value),
            }
        }
    }
    assert!(script.params.len() > 25, "{}", script.params.len());
    let host = Host::start(&script);
    assert!(!host.loaded.contains("fsx.conf.xml: "), "{}", host.loaded);
    host.end();
}
