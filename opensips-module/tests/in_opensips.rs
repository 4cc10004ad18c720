//! The module in a real OpenSIPS that faces its carriers itself: what the stand-in cannot show.
//!
//! Needs OpenSIPS (`FSX_OPENSIPS` = its prefix, or on the path), and nothing else.

mod support;

use serde_json::json;
use support::{
    deck::{DECK, Deck, publish},
    proxy::{Carrier, installed},
    until,
};

/// Routes to carriers, fails over, and tells the caller which gateway it ended at.
const ROUTES: &str = r#"
route {
	if (!is_method("INVITE"))
		exit;
	t_newtran();
	fsx_route();
	$var(rc) = $rc;
	if ($var(rc) < 0) {
		append_to_reply("X-Result: $var(rc) $fsx(cause) $fsx(generation)\r\n");
		t_reply(403, "Refused");
		exit;
	}
	t_on_failure("carriers");
	t_relay();
}
failure_route[carriers] {
	xlog("L_NOTICE", "failed at $fsx(gateway_id) of generation $fsx(generation)\n");
	if (fsx_next($T_reply_code)) {
		t_on_failure("carriers");
		t_relay();
	}
}
"#;

fn params(dir: &std::path::Path) -> Vec<String> {
    vec![
        format!("snapshot={}", dir.join("routes.fsx").display()),
        "home_country=GB".to_owned(),
        "default_org=37".to_owned(),
        "check_interval_ms=50".to_owned(),
    ]
}

#[test]
fn a_call_fails_over_in_the_proxy() {
    let Some(opensips) = installed("a_call_fails_over_in_the_proxy") else { return };
    let dir = tempfile::tempdir().expect("a directory");
    DECK.publish(&dir.path().join("routes.fsx"));
    let carriers = ["503 Full", "500 Broken", "200 OK"].map(Carrier::answering);
    let mut params = params(dir.path());
    for (id, carrier) in (3001..).zip(&carriers) {
        params.push(format!("gateway={id}=sip:127.0.0.1:{}", carrier.port));
    }
    let mut proxy = opensips.start(dir.path(), &params, ROUTES);
    let answer = proxy.call("07700900123");
    assert!(answer.starts_with("SIP/2.0 200 "), "{answer}");
    for carrier in &carriers {
        let uri = format!("sip:00447700900123@127.0.0.1:{}", carrier.port);
        assert_eq!(carrier.dialled(), [uri]);
    }
    let calls = proxy.mi("fsx_status", json!(null))["calls"].clone();
    assert_eq!((&calls["routed"], &calls["next_attempts"]), (&json!(1), &json!(2)), "{calls}");
    let statistics = proxy.mi("get_statistics", json!([["fsx:"]]));
    assert_eq!(statistics["fsx:next_attempts"], 2, "{statistics}");
    assert!(proxy.runs());
}

#[test]
fn busy_is_not_tried_elsewhere() {
    let Some(opensips) = installed("busy_is_not_tried_elsewhere") else { return };
    let dir = tempfile::tempdir().expect("a directory");
    DECK.publish(&dir.path().join("routes.fsx"));
    let (busy, other) = (Carrier::answering("486 Busy Here"), Carrier::answering("200 OK"));
    let mut params = params(dir.path());
    params.push(format!("gateway=3001=sip:127.0.0.1:{}", busy.port));
    params.push(format!("destination=sip:127.0.0.1:{}", other.port));
    let proxy = opensips.start(dir.path(), &params, ROUTES);
    let answer = proxy.call("07700900123");
    assert!(answer.starts_with("SIP/2.0 486 "), "{answer}");
    assert_eq!((busy.dialled().len(), other.dialled().len()), (1, 0));
}

#[test]
fn every_worker_follows_a_new_generation_and_refuses_a_damaged_one() {
    let name = "every_worker_follows_a_new_generation_and_refuses_a_damaged_one";
    let Some(opensips) = installed(name) else { return };
    let dir = tempfile::tempdir().expect("a directory");
    let snapshot = dir.path().join("routes.fsx");
    DECK.publish(&snapshot);
    let mut proxy = opensips.start(dir.path(), &params(dir.path()), ROUTES);
    // A blocked number: an answer from whichever worker, with its generation.
    let generation = || {
        let answer = proxy.call("07900900123");
        let line = answer.lines().find(|line| line.starts_with("X-Result: ")).expect("our header");
        assert!(line.starts_with("X-Result: -1 21 "), "{line}");
        line.rsplit(' ').next().expect("a generation").to_owned()
    };
    assert_eq!(generation(), "12");
    let next = Deck { generation: 13, first_price: "0.9" };
    next.publish(&snapshot);
    until("the keeper verifies 13", || proxy.mi("fsx_status", json!(null))["generation"] == 13);
    assert_eq!(generation(), "13");
    // The others have had no call since; the keeper told them.
    until("every worker is at 13", || {
        let status = proxy.mi("fsx_status", json!(null));
        let all = status["processes"].as_array().expect("a list").clone();
        all.iter()
            .filter(|process| process["worker"] == true && process["generation"] == 13)
            .count()
            >= 3
    });
    let whole = Deck { generation: 14, ..next }.bytes();
    publish(&snapshot, &whole[..whole.len() - 1]);
    let refused = || proxy.mi("fsx_status", json!(null))["snapshot"]["refused"].clone();
    until("a torn file is refused", || refused().as_str().is_some_and(|r| r.contains("torn")));
    assert_eq!(generation(), "13");
    let mut flipped = whole.clone();
    let at = flipped.len() - 9;
    flipped[at] ^= 1;
    publish(&snapshot, &flipped);
    until("a flipped bit is refused", || {
        proxy.mi("fsx_status", json!(null))["snapshot"]["refusals"] == 2
    });
    assert_eq!(generation(), "13");
    assert_eq!(proxy.log().matches("snapshot refused").count(), 2, "{}", proxy.log());
    // Reloading the script runs our parsing again in every process.
    assert_eq!(proxy.mi("reload_routes", json!(null)), "OK");
    publish(&snapshot, &whole);
    assert_eq!(proxy.mi("fsx_reload", json!(null))["generation"], 14);
    assert_eq!(generation(), "14");
    let answer = proxy.mi("fsx_route", json!({ "number": "07700900123", "org": "37" }));
    assert_eq!(answer["routes"][0]["gateway_id"], 3002, "{answer}");
    assert!(proxy.runs());
}

#[test]
fn emergency_calls_are_routed_with_no_data() {
    let Some(opensips) = installed("emergency_calls_are_routed_with_no_data") else { return };
    let dir = tempfile::tempdir().expect("a directory");
    let desk = Carrier::answering("200 OK");
    let mut params = params(dir.path());
    params.push(format!("emergency_destination=sip:127.0.0.1:{}", desk.port));
    let proxy = opensips.start(dir.path(), &params, ROUTES);
    let answer = proxy.call("999");
    assert!(answer.starts_with("SIP/2.0 200 "), "{answer}");
    assert_eq!(desk.dialled(), [format!("sip:999@127.0.0.1:{}", desk.port)]);
    let answer = proxy.call("07700900123");
    assert!(answer.contains("X-Result: -2 41 "), "{answer}");
}

#[test]
fn a_panic_does_not_end_the_proxy() {
    let Some(opensips) = installed("a_panic_does_not_end_the_proxy") else { return };
    let dir = tempfile::tempdir().expect("a directory");
    DECK.publish(&dir.path().join("routes.fsx"));
    let mut proxy = opensips.start_panicking(dir.path(), &params(dir.path()), ROUTES);
    for _ in 0..5 {
        let answer = proxy.call("07700900123");
        assert!(answer.contains("X-Result: -3 "), "{answer}");
    }
    assert_eq!(proxy.mi("fsx_status", json!(null))["panics"], 5);
    assert!(proxy.runs());
}

#[test]
fn bad_parameters_stop_opensips_with_a_line() {
    let Some(opensips) = installed("bad_parameters_stop_opensips_with_a_line") else { return };
    for (param, said) in [
        ("home_country=Britain", "ERROR:fsx: modparam home_country is \"Britain\""),
        ("nonsense=1", "nonsense"),
    ] {
        let dir = tempfile::tempdir().expect("a directory");
        let (code, log) = opensips.start_refused(dir.path(), &[param.to_owned()]);
        assert_ne!(code, Some(0), "{param}: {log}");
        assert!(log.contains(said), "{param}: {log}");
    }
}
