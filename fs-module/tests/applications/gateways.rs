//! What calls leave behind of their gateways: quality, passive health, and a table that is lost.

use std::{fs, time::Duration};

use fsx_core::{data::LiveView as _, profile::Quality};
use fsx_live::{LiveTable, Operator, Place};
use serde_json::Value;

use super::begin;
use crate::support::{Host, Script};

/// One call with scripted outcomes, to its end. Gives what was said.
fn call(host: &Host, outcomes: &[&str]) -> String {
    begin(host, "x");
    for outcome in outcomes {
        host.say(&format!("outcome\t{outcome}"));
    }
    let said = host.say("app");
    host.say("state\treporting");
    host.say("state\tdestroy");
    said
}

/// Gateways dialled, in order.
fn dialled(said: &str) -> Vec<&str> {
    let dials = said.lines().filter_map(|line| line.strip_prefix("dial sofia/gateway/gw"));
    dials.filter_map(|dial| dial.split('/').next()).collect()
}

/// A gateway as `fsx gateways as json` shows it.
fn shown(host: &Host, id: u64) -> Value {
    let answer: Value = serde_json::from_str(&host.api("gateways as json")).expect("JSON");
    let all = answer["gateways"].as_array().cloned().expect("a list");
    all.into_iter().find(|gateway| gateway["gateway_id"] == id).expect("listed")
}

fn rounds(host: &Host, n: usize) -> String {
    (0..n).map(|_| host.say("runtime")).collect()
}

#[test]
fn attempts_answers_delay_and_talk_are_measured() {
    let script = Script::with_data();
    let live = script.live_table();
    let host = Host::start(&script);
    call(&host, &["f\t41\t503", "a\t16"]);
    call(&host, &["f\t17\t486"]);
    call(&host, &["c"]);
    // Early media, and then refused: it rang, and failed.
    call(&host, &["e\t41\t503", "a\t16"]);
    let first = live.quality(1);
    assert_eq!((first.seizures, first.answers, first.failed, first.ended), (4, 0, 2, 0));
    assert_eq!((first.rang, first.pdd_ms), (1, 1250));
    let second = live.quality(2);
    assert_eq!((second.seizures, second.answers, second.failed, second.ended), (2, 2, 0, 2));
    assert_eq!((second.rang, second.pdd_ms), (2, 2500));
    let text = host.api("gateways");
    let line = text.lines().find(|line| line.trim_start().starts_with("| 2 ")).expect("gateway 2");
    for figure in ["100.0 %", "0 s", "1.2 s"] {
        assert!(line.contains(figure), "{figure}: {text}");
    }
    let quality = &shown(&host, 1)["quality"];
    assert_eq!((&quality["asr_permille"], &quality["ner_permille"]), (&0.into(), &500.into()));
    host.end();
}

#[test]
fn a_leg_that_outlives_its_caller_is_measured_once() {
    let script = Script::with_data();
    let live = script.live_table();
    let host = Host::start(&script);
    begin(&host, "x");
    host.say("outcome\to\t16");
    host.say("app");
    host.say("state\treporting");
    let so_far = live.quality(1);
    assert_eq!((so_far.seizures, so_far.answers, so_far.ended), (1, 1, 0), "it still talks");
    std::thread::sleep(Duration::from_millis(1100));
    host.say("leg-state");
    host.say("leg-state");
    let quality = live.quality(1);
    assert_eq!((quality.seizures, quality.ended, quality.rang), (1, 1, 1));
    assert!((1..10).contains(&quality.talk_s), "{quality:?}");
    host.end();
}

#[test]
fn a_gateway_that_fails_its_calls_is_tried_last_and_then_again() {
    let mut script = Script::with_data();
    for (name, value) in
        [("min-attempts", "3"), ("down-s", "2"), ("trial-calls", "2"), ("share-percent", "100")]
    {
        script.param("passive-health", name, value);
    }
    let live = script.live_table();
    let host = Host::start(&script);
    rounds(&host, 1);
    for _ in 0..2 {
        assert_eq!(dialled(&call(&host, &["f\t41\t503", "a\t16"])), ["1", "2"]);
    }
    let said = call(&host, &["f\t41\t503", "a\t16"]);
    assert!(said.contains("gateway 1 failed 3 of 3 attempts within 60 s"), "{said}");
    assert_eq!(shown(&host, 1)["health"], "down");
    assert!(host.api("gateways").contains("down (passive, "), "{}", host.api("gateways"));
    let said = rounds(&host, 6);
    for part in ["FSX-Health=down FSX-By=calls", "FSX-Failed=3 FSX-Of-Attempts=3"] {
        assert_eq!(said.matches(part).count(), 1, "{part}: {said}");
    }
    // Last, but not left out: the call is had through it when the other cannot.
    assert_eq!(dialled(&call(&host, &["a\t16"])), ["2"]);
    assert_eq!(dialled(&call(&host, &["f\t41\t503", "a\t16"])), ["2", "1"]);
    std::thread::sleep(Duration::from_millis(2100));
    assert_eq!(shown(&host, 1)["passive"]["state"], "trial");
    // Two calls that do well: a busy callee is no fault of the gateway's.
    assert_eq!(dialled(&call(&host, &["f\t17\t486"])), ["1"]);
    let said = call(&host, &["a\t16"]);
    assert!(said.contains("gateway 1 is up again"), "{said}");
    assert_eq!(shown(&host, 1)["passive"]["state"], "up");
    live.tick(0);
    assert!(live.all_ordinary());
    host.end();
}

#[test]
fn all_gateways_down_are_tried_as_ever() {
    let mut script = Script::with_data();
    script.param("passive-health", "min-attempts", "1");
    let _live = script.live_table();
    let host = Host::start(&script);
    for _ in 0..3 {
        assert_eq!(dialled(&call(&host, &["f\t41\t503", "f\t41\t503"])), ["1", "2"]);
    }
    assert_eq!(dialled(&call(&host, &["a\t16"])), ["1"], "a call that can be had is had");
    host.end();
}

#[test]
fn passive_health_can_be_off() {
    let mut script = Script::with_data();
    script.param("passive-health", "min-attempts", "1");
    script.param("passive-health", "enabled", "false");
    let live = script.live_table();
    let host = Host::start(&script);
    assert!(host.api("status").contains("passive      off"), "{}", host.api("status"));
    for _ in 0..3 {
        assert_eq!(dialled(&call(&host, &["f\t41\t503", "a\t16"])), ["1", "2"]);
    }
    assert!(live.all_ordinary());
    assert_eq!(live.quality(1).failed, 3, "and is measured all the same");
    host.end();
}

#[test]
fn an_operators_word_counts_for_unwatched_gateways_too() {
    let script = Script::with_data();
    let live = script.live_table();
    let host = Host::start(&script);
    rounds(&host, 1);
    let said = host.say("api\tgateway 1 down");
    assert!(said.contains("+OK gateway 1 takes no calls"), "{said}");
    // Told at once, so that a word that is taken back right away is told too; and told once.
    let told =
        |said: &str, word| said.matches(&format!("FSX-Health={word} FSX-By=operator")).count();
    assert_eq!(told(&said, "down"), 1, "{said}");
    assert_eq!(told(&host.say("api\tgateway 1 auto"), "auto"), 1);
    assert_eq!(told(&host.say("api\tgateway 1 down"), "down"), 1);
    assert_eq!(dialled(&call(&host, &["a\t16"])), ["2"]);
    assert!(host.api("gateways").contains("down (operator)"));
    let why = host.api("why 07700900123 org=37");
    assert!(why.contains("taken down by an operator"), "{why}");
    assert_eq!(told(&rounds(&host, 6), "down"), 0);
    host.api("gateway 2 down");
    assert!(call(&host, &[]).contains("app done cause=34"), "what an operator says is meant");
    host.api("gateway 1 auto");
    host.api("gateway 2 up");
    live.set_healthy(2, "LON1", false);
    assert_eq!(dialled(&call(&host, &["f\t41\t503", "a\t16"])), ["1", "2"]);
    assert_eq!(live.gateway_row(2, 0).expect("seen").operator, Operator::Up);
    host.end();
}

#[test]
fn a_table_that_is_removed_replaced_or_cut_is_followed_and_mended() {
    let script = Script::with_data();
    let path = script.path("live");
    let live = script.live_table();
    let host = Host::start(&script);
    let opened = || LiveTable::open(&path).expect("opens");
    call(&host, &["a\t16"]);
    assert_eq!(live.quality(1).seizures, 1);

    // Replaced: moved to, without waiting.
    let other = script.live_table();
    let said = rounds(&host, 6);
    assert!(said.contains("open") || said.contains("moved to it"), "{said}");
    call(&host, &["a\t16"]);
    assert_eq!((other.quality(1).seizures, live.quality(1).seizures), (1, 1));

    // Removed, and no daemon makes it anew: the module does, and keeps what was known.
    fs::remove_file(&path).expect("removes");
    let said = rounds(&host, 50);
    assert!(said.contains("it was removed") && said.contains("made anew"), "{said}");
    assert_eq!((other.look(&path), opened().quality(1).seizures), (Place::Replaced, 1));

    // Cut under its hands, with a call up: nobody dies, and it counts from nothing.
    begin(&host, "y");
    host.say("outcome\to\t16");
    host.say("app");
    fs::OpenOptions::new().write(true).open(&path).and_then(|file| file.set_len(0)).expect("cuts");
    assert_eq!(dialled(&call(&host, &["f\t41\t503", "f\t41\t503"])), ["1", "2"]);
    assert!(host.api("status").contains("+OK routing"));
    assert!(host.api("gateways").contains("sofia/gateway"));
    let said = rounds(&host, 50);
    assert!(said.contains("it was cut") && said.contains("made anew"), "{said}");
    host.say("leg-state");
    assert_eq!(opened().quality(1), Quality { ended: 1, ..opened().quality(1) });
    assert_eq!(opened().stats().calls_in_progress, 0);
    call(&host, &["a\t16"]);
    assert_eq!(opened().quality(1).answers, 1);
    host.end();
}
