//! Deciding without dialling, mod_lcr's names, events, and what a call costs.

mod gateways;

use fsx_core::{Nano, data::LiveView as _};
use fsx_wire::message::Verdict;

use crate::support::{Daemon, Host, Script};

/// The call that most tests make: org 37 to a UK mobile that both carriers sell.
fn begin(host: &Host, uuid: &str) {
    host.begin(uuid, "07700900123", "37");
}

#[test]
fn a_decision_is_set_and_nothing_is_dialled() {
    let script = Script::with_data();
    let host = Host::start(&script);
    begin(&host, "x");
    let said = host.say("app-named\tfsx_route");
    assert!(!said.lines().any(|line| line.starts_with("dial ")), "{said}");
    assert_eq!(host.get("fsx_decision"), "route");
    assert_eq!(host.get("fsx_route_count"), "2");
    let first = host.get("fsx_route_1");
    assert!(first.starts_with("[absolute_codec_string=PCMA,"), "{first}");
    assert!(first.ends_with("]sofia/gateway/gw1/447700900123"), "{first}");
    assert_eq!(host.get("fsx_route_gateway_id_2"), "2");
    assert_eq!(host.get("fsx_route_carrier_id_2"), "102");
    assert_eq!(host.get("fsx_route_rate_2"), "0.02");
    let all = host.get("fsx_auto_route");
    assert_eq!(all, format!("{first}|{}", host.get("fsx_route_2")));

    // Refused: a cause, and nothing of the decision before.
    let said = host.say("app-named\tfsx_route\t0909123456");
    assert!(said.contains("app done cause=0 "), "the dialplan goes on: {said}");
    assert_eq!(host.get("fsx_decision"), "reject");
    assert_eq!(host.get("fsx_cause"), "CALL_REJECTED");
    assert_eq!(host.get("fsx_route_count"), "0");
    for name in ["fsx_route_1", "fsx_route_2", "fsx_route_gateway_id_1", "fsx_auto_route"] {
        assert_eq!(host.get(name), "(unset)", "{name}");
    }
    host.say("state\treporting");
    assert!(!script.path("spool").exists(), "who dials makes the record");
    host.end();
}

#[test]
fn a_policy_is_asked_by_name() {
    let mut script = Script::with_data();
    script.param("settings", "policy-timeout-ms", "300");
    let refusal = Verdict::Reject { cause: 21, reason: "no credit".to_owned() };
    let daemon = Daemon::start(&mut script, Some(refusal));
    let host = Host::start(&script);
    begin(&host, "x");
    let said = host.say("app-named\tfsx_policy\tcredit");
    assert_eq!(host.get("fsx_decision"), "reject");
    assert_eq!(host.get("fsx_cause"), "CALL_REJECTED");
    assert_eq!(host.get("fsx_reason"), "no credit");
    assert_eq!(host.get("fsx_policy_version"), "test-1");
    assert!(said.contains("Event-Subclass=fsx::policy Unique-ID=x "), "{said}");
    assert!(said.contains("FSX-Task=credit") && said.contains("FSX-Verdict=reject"), "{said}");
    // Never for an emergency call, whoever names a policy.
    host.begin("y", "999", "37");
    host.say("app-named\tfsx_policy\tcredit");
    assert_eq!(host.get("fsx_decision"), "route");
    host.end();
    let asked = daemon.end().0;
    let tasks: Vec<_> = asked.iter().map(|facts| facts.vars["task"].as_str()).collect();
    assert_eq!(tasks, ["credit"]);

    // No daemon: the plan in hand, and it says so.
    let mut script = Script::with_data();
    script.param("settings", "socket", "/nonexistent/decide.sock");
    let host = Host::start(&script);
    begin(&host, "z");
    let said = host.say("app-named\tfsx_policy\tcredit");
    assert_eq!(host.get("fsx_decided_by"), "fallback");
    assert_eq!(host.get("fsx_route_count"), "2");
    assert!(said.contains("FSX-Verdict=none"), "{said}");
    host.end();
}

#[test]
fn events_tell_of_calls_gateways_and_data() {
    let script = Script::with_data();
    let live = script.live_table();
    let host = Host::start(&script);
    assert!(
        host.loaded.contains(
            "event Event-Subclass=fsx::generation FSX-Previous-Generation=0 FSX-Generation=5"
        ),
        "{}",
        host.loaded
    );
    begin(&host, "x");
    host.say("outcome\ta\t16");
    let said = host.say("app");
    let event = said.lines().find(|line| line.starts_with("event ")).expect("an event");
    assert_eq!(
        event,
        "event Event-Subclass=fsx::route Unique-ID=x FSX-Called=07700900123 \
         FSX-Number=447700900123 FSX-Org=37 FSX-Decision=route FSX-Decided-By=local \
         FSX-Generation=5 FSX-Routes=2 FSX-Gateway-ID=1 FSX-Carrier-ID=101"
    );
    host.begin("y", "0909123456", "37");
    let said = host.say("app");
    assert!(said.contains("FSX-Decision=reject") && said.contains("FSX-Cause=21"), "{said}");

    host.say("runtime");
    assert!(live.set_healthy(1, "LON1", false));
    let rounds: String = (0..6).map(|_| host.say("runtime")).collect();
    let told = "event Event-Subclass=fsx::gateway FSX-Gateway-ID=1 FSX-Data-Centre=LON1 \
                FSX-Health=down FSX-By=prober\n";
    assert_eq!(rounds.matches(told).count(), 1, "{rounds}");
    script.publish(b"nothing");
    let said = host.say("runtime");
    assert!(said.contains("fsx::generation FSX-Generation=5 FSX-Refused="), "{said}");
    host.end();
}

#[test]
fn what_a_call_cost_is_spent_by_its_organisation() {
    let script = Script::with_data();
    let live = script.live_table();
    let host = Host::start(&script);
    assert_eq!(live.spend(37), None);
    begin(&host, "x");
    host.say("outcome\tf\t41\t503");
    host.say("outcome\ta\t16");
    host.say("app");
    host.say("state\treporting");
    host.end();
    // A setup charge, and the milliseconds that the stand-in talked: one second at most.
    let cost = script.records()[0].attempts[1].cost.clone();
    assert!(!cost.is_empty());
    assert_eq!(live.spend(37), Some(Nano::parse(&cost).expect("money")));
    assert_eq!(live.spend(38), None);
}

#[test]
fn a_leg_that_outlives_its_caller_is_counted_and_charged_to_its_end() {
    let script = Script::with_data();
    let live = script.live_table();
    let host = Host::start(&script);
    let in_progress = || live.load().iter().map(|l| l.calls_in_progress).sum::<u32>();
    begin(&host, "x");
    host.say("outcome\to\t16");
    host.say("app");
    host.say("state\treporting");
    host.say("state\tdestroy");
    assert_eq!(in_progress(), 1, "the carrier's leg talks to somebody else");
    assert!(!script.path("spool").exists(), "what it costs is not known yet");
    assert!(host.api("calls").contains("1 calls in progress"));
    std::thread::sleep(std::time::Duration::from_millis(30));
    host.say("leg-state");
    assert_eq!(in_progress(), 0);
    host.say("leg-state");
    assert_eq!(host.api("calls"), "0 calls in progress\n");
    host.end();
    let records = script.records();
    assert_eq!(records.len(), 1);
    let attempt = &records[0].attempts[0];
    assert!(attempt.ended_ms - attempt.answered_ms.expect("answered") >= 30);
    assert!(attempt.ended_ms > records[0].ended_ms, "its time goes on after the caller's");
    assert_eq!(live.spend(37), Some(Nano::parse(&attempt.cost).expect("money")));
}

#[test]
fn mod_lcrs_names_are_taken_when_wanted_and_free() {
    let names = " api=lcr api=lcr_admin ";
    let host = Host::start(&Script::default());
    assert!(!host.loaded.contains("api=lcr"), "not by default: {}", host.loaded);
    host.end();
    let mut script = Script::with_data();
    script.param("settings", "mod-lcr-names", "true");
    let host = Host::start(&script);
    assert!(host.loaded.contains(&names[..names.len() - 1]), "{}", host.loaded);
    assert!(host.loaded.contains(" app=lcr ") && host.loaded.contains(" dialplan=lcr "));
    host.end();
    script.params.push("mod-lcr".to_owned());
    let host = Host::start(&script);
    assert!(!host.loaded.contains("api=lcr"), "{}", host.loaded);
    assert!(host.loaded.contains("mod_lcr is loaded"), "{}", host.loaded);
    host.end();
}

fn with_lcr() -> (Script, Host) {
    let mut script = Script::with_data();
    script.param("settings", "mod-lcr-names", "true");
    script.param("settings", "home-country", "GB");
    script.param("profiles", "premium", "reliability");
    let host = Host::start(&script);
    (script, host)
}

/// The answer of a command that is not the first registered.
fn named(host: &Host, name: &str, arguments: &str) -> String {
    let said = host.say(&format!("api-named\t{name}\t{arguments}"));
    let (_, rest) = said.split_once("api<<\n").expect("an answer");
    let (answer, status) = rest.rsplit_once(">>").expect("an answer's end");
    assert_eq!(status, "0\n");
    answer.to_owned()
}

#[test]
fn lcr_sets_what_mod_lcr_sets() {
    let (_script, host) = with_lcr();
    begin(&host, "x");
    host.say("set\timport\tmine");
    host.say("app-named\tlcr\t07700900123 default");
    assert_eq!(host.get("lcr_route_count"), "2");
    let (first, second) = (host.get("lcr_route_1"), host.get("lcr_route_2"));
    assert!(
        first.starts_with("[lcr_carrier=First,lcr_rate=0.01000,absolute_codec_string=PCMA"),
        "{first}"
    );
    assert!(first.ends_with("]sofia/gateway/gw1/447700900123"), "{first}");
    assert_eq!(host.get("lcr_auto_route"), format!("{first}|{second}"));
    assert_eq!(host.get("lcr_rate_2"), "0.02000");
    assert_eq!(host.get("lcr_carrier_2"), "Second");
    assert_eq!(
        (host.get("lcr_codec_1"), host.get("lcr_codec_2")),
        ("PCMA".into(), "(unset)".into())
    );
    assert_eq!(host.get("import"), "mine,lcr_carrier,lcr_rate,lcr_user_rate");
    host.say("app-named\tlcr\t07700900123");
    assert_eq!(host.get("import"), "mine,lcr_carrier,lcr_rate,lcr_user_rate", "once");

    // Where mod_lcr would leave the routes of the call before.
    for lookup in ["0909123456", "12", "07700900123 nothing"] {
        host.say("app-named\tlcr\t07700900123");
        assert_eq!(host.get("lcr_route_count"), "2");
        host.say(&format!("app-named\tlcr\t{lookup}"));
        for name in ["lcr_auto_route", "lcr_route_1", "lcr_route_2", "lcr_rate_1"] {
            assert_eq!(host.get(name), "(unset)", "{lookup}: {name}");
        }
    }
    assert!(host.say("app-named\tlcr").contains("app done"));

    // The dialplan: the context is the profile.
    host.say("profile\tcontext\tpremium");
    let said = host.say("hunt\t\tlcr");
    assert!(said.contains("extension fsx 07700900123; fsx_bridge(); hangup("), "{said}");
    assert_eq!(host.get("fsx_profile"), "premium");
    host.say("profile\tcontext\tnothing");
    assert!(host.say("hunt\t\tlcr").contains("extension none"));
    host.end();
}

#[test]
fn lcr_prints_what_mod_lcr_prints() {
    let (_script, host) = with_lcr();
    let text = named(&host, "lcr", "07700900123 default 02079460000");
    let lines: Vec<&str> = text.lines().collect();
    assert_eq!(lines.len(), 3, "{text}");
    assert!(
        lines[0].starts_with(
            " | Digit Match | Carrier | Rate     | Codec | CID Regexp | Limit | Dialstring"
        ),
        "{text}"
    );
    assert!(
        lines[1].starts_with(
            " | 447         | First   | 0.01000  | PCMA  |            |       | [lcr_carrier=First,"
        ),
        "{text}"
    );
    assert!(lines.iter().all(|line| line.ends_with(" |") && line.len() == lines[0].len()));
    assert_eq!(named(&host, "lcr", "12"), "No Routes To Display\n");
    assert_eq!(named(&host, "lcr", "07700900123 x"), "-ERR Unknown profile: x\n");
    assert!(named(&host, "lcr", "").starts_with("USAGE: lcr <digits>"));
    assert!(named(&host, "lcr", "07700900123 default as csv").starts_with("USAGE: "));

    let xml = named(&host, "lcr", "07700900123 premium as xml");
    assert!(xml.starts_with("<result>\n  <row id=\"1\">\n    <prefix>447</prefix>\n"), "{xml}");
    assert!(xml.ends_with("  </row>\n</result>\n"), "{xml}");
    well_formed(&xml);
    let none = named(&host, "lcr", "12 default as xml");
    assert_eq!(none, "<result row_count=\"0\">\n</result>\n");

    let profiles = named(&host, "lcr_admin", "show profiles");
    assert!(profiles.starts_with("Name:\t\tdefault\n ID:\t\t0\n order by:\tthe"), "{profiles}");
    assert!(profiles.contains("Name:\t\tpremium\n ID:\t\t0\n order by:\treliability\n"));
    assert_eq!(named(&host, "lcr_admin", "x"), "-ERR lcr_admin show profiles\n");
    host.end();
}

#[test]
fn answers_as_xml_are_xml() {
    let script = Script::with_data();
    let _live = script.live_table();
    let host = Host::start(&script);
    for command in [
        "status",
        "route 07700900123 org=37",
        "why 07700900123 org=37",
        "gateways",
        "calls",
        "generation",
        "version",
        "route <&> org=37",
    ] {
        let xml = host.api(&format!("{command} as xml"));
        assert!(xml.starts_with("<result>\n"), "{command}: {xml}");
        well_formed(&xml);
        let json = host.api(&format!("{command} as json"));
        serde_json::from_str::<serde_json::Value>(&json).expect(command);
    }
    let times: serde_json::Value = serde_json::from_str(&host.api("status as json")).expect("JSON");
    let times = &times["decision_times"];
    assert!(times["count"].as_u64() >= Some(3) && times["median_us"].is_number(), "{times}");
    host.end();
}

/// Every element is closed in turn, and nothing that XML does not allow stands outside of tags.
#[track_caller]
fn well_formed(xml: &str) {
    let mut open: Vec<&str> = Vec::new();
    let mut rest = xml;
    let mut elements = 0;
    while let Some((text, after)) = rest.split_once('<') {
        assert!(!text.contains('>'), "{xml}");
        assert!(text.split('&').skip(1).all(|entity| entity.contains(';')), "{xml}");
        let (tag, after) = after.split_once('>').expect("a tag's end");
        match tag.strip_prefix('/') {
            Some(name) => assert_eq!(open.pop(), Some(name), "{xml}"),
            None => {
                elements += 1;
                open.push(tag.split(' ').next().expect("a name"));
            }
        }
        rest = after;
    }
    assert!(open.is_empty() && elements > 0 && rest.trim().is_empty(), "{xml}");
}

#[test]
fn the_end_of_a_call_that_a_policy_had_is_told_once() {
    let mut script = Script::with_data();
    let daemon = Daemon::start(&mut script, Some(Verdict::Keep));
    let host = Host::start(&script);
    let over = || {
        host.say("state\treporting");
        host.say("state\tdestroy");
    };
    // The event socket's policy left it to the dialplan.
    begin(&host, "left");
    host.say("set\tfsx_policy_version\t37@2");
    host.say("set\trmSocketTask\tIvr::main");
    over();
    // As before, and it is an emergency call: that is no policy's.
    host.begin("emergency", "999", "37");
    host.say("set\tfsx_policy_version\t37@2");
    host.say("set\trmEmergencyNumber\ttrue");
    over();
    // It is to have no record.
    begin(&host, "discarded");
    host.say("set\tfsx_policy_version\t37@2");
    host.say("set\trmCDRDiscard\ttrue");
    host.say("outcome\ta\t16");
    host.say("app");
    over();
    // It has one.
    begin(&host, "recorded");
    host.say("set\tfsx_policy_version\t37@2");
    host.say("outcome\ta\t16");
    host.say("app");
    over();
    // A policy was asked by name, and the dialplan dialled.
    begin(&host, "by-name");
    host.say("app-named\tfsx_policy\tcredit");
    over();
    // No policy's.
    begin(&host, "plain");
    over();
    host.end();
    let (_, records, ends) = daemon.end();
    let ids = |records: &[fsx_wire::record::CallRecord]| -> Vec<String> {
        records.iter().map(|record| record.facts.call_id.clone()).collect()
    };
    assert_eq!(ids(&records), ["recorded"]);
    assert_eq!(ids(&ends), ["left", "emergency", "discarded", "by-name"]);
    let left = &ends[0];
    assert_eq!(left.policy_version.as_deref(), Some("37@2"));
    assert_eq!((left.facts.org, left.facts.called.as_str()), (37, "07700900123"));
    assert_eq!(left.facts.vars.get("rmSocketTask").map(String::as_str), Some("Ivr::main"));
    assert!(left.attempts.is_empty() && left.started_ms > 0 && left.ended_ms >= left.started_ms);
    let emergencies: Vec<bool> = ends.iter().map(|end| end.emergency).collect();
    assert_eq!(emergencies, [false, true, false, false]);

    // Nobody to tell: the leg ends all the same, in time.
    let mut script = Script::with_data();
    script.param("settings", "socket", "/nonexistent/decide.sock");
    let host = Host::start(&script);
    begin(&host, "x");
    host.say("set\tfsx_policy_version\t37@2");
    let said = host.say("state\treporting");
    assert!(said.contains("fsxinetd was not told of a call's end"), "{said}");
    host.end();
}

#[test]
fn a_caller_that_no_header_can_carry_is_withheld() {
    let script = Script::with_data();
    let host = Host::start(&script);
    let dialled = |uuid: &str, field: &str, value: &str| {
        begin(&host, uuid);
        host.say(&format!("profile\t{field}\t{value}"));
        host.say("outcome\ta\t16");
        let said = host.say("app");
        said.lines().find(|line| line.starts_with("dial ")).expect("was dialled").to_owned()
    };
    let plain = dialled("a", "caller_id_number", "02079460000");
    assert!(plain.contains("origination_caller_id_number=442079460000"), "{plain}");
    for (uuid, field, value) in [
        ("b", "caller_id_number", "0770\r2026-11-22 fake@"),
        ("c", "caller_id_number", "${domain}"),
        ("d", "caller_id_number", "a,b|c[d]{e}<f>"),
        ("e", "caller_id_name", "A\u{1b}B"),
    ] {
        let dial = dialled(uuid, field, value);
        assert!(dial.contains("origination_caller_id_number=anonymous"), "{value:?}: {dial}");
        assert!(!dial.contains("fake") && !dial.contains("domain}"), "{value:?}: {dial}");
    }
    // A call for help is never withheld, and has to be one that a gateway understands.
    let emergency = |uuid: &str, field: &str, value: &str| {
        host.begin(uuid, "999", "37");
        host.say(&format!("profile\t{field}\t{value}"));
        host.say("outcome\ta\t16");
        let said = host.say("app");
        said.lines().find(|line| line.starts_with("dial ")).expect("was dialled").to_owned()
    };
    let dial = emergency("f", "caller_id_number", "0770\r2026-11-22 fake@");
    assert!(dial.contains("origination_caller_id_number=anonymous"), "{dial}");
    assert!(!dial.contains("fake"), "{dial}");
    let dial = emergency("g", "caller_id_name", "A\u{1b}B");
    assert!(dial.contains("origination_caller_id_number=02079460000"), "it is who calls: {dial}");
    assert!(dial.contains("origination_caller_id_name=02079460000"), "{dial}");
    host.end();
}
