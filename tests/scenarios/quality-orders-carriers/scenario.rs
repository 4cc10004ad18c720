//! See README.md beside this file.

use std::time::Duration;

use fsx_test_support::rig::{Bench, Call, Rig};
use serde_json::Value;

const NUMBER: &str = "07700900123";

/// As many as a measurement needs to count.
const ENOUGH: u32 = 30;

#[test]
fn quality_orders_carriers() {
    let Some(bench) = Bench::find("quality-orders-carriers") else { return };
    let bench = bench.for_calls(80);
    let mut rig = bench.start(&[(3001, "carrier-486.xml"), (3002, "carrier-answers.xml")]);
    let _ = rig.generation();
    assert_eq!(order(&rig, ""), [3001, 3002], "nothing is known: by cost");

    let busy = Call { file: "caller-refused.xml", status: 486, rate: 20, ..Call::default() };
    rig.call(&Call { calls: ENOUGH - 1, ..busy.clone() });
    assert_eq!(order(&rig, ""), [3001, 3002], "too few to say anything");
    rig.call(&Call { calls: 1, ..busy });
    assert_eq!(order(&rig, ""), [3002, 3001], "what is not known before what is known to be bad");
    let quality = gateway(&rig, 3001)["quality"].clone();
    assert_eq!((&quality["asr_permille"], &quality["counts"]), (&0.into(), &true.into()));
    assert_eq!(quality["ner_permille"], 1000, "a busy callee is not its fault");

    rig.call(&Call { calls: ENOUGH, rate: 10, talk: Duration::from_secs(1), ..Call::default() });
    assert_eq!((rig.dialled_at(3001).len(), rig.dialled_at(3002).len()), (30, 30));
    assert_eq!(order(&rig, ""), [3002, 3001]);
    rig.expect_at_rest();
    let quality = gateway(&rig, 3002)["quality"].clone();
    assert_eq!((&quality["attempts"], &quality["asr_permille"]), (&30.into(), &1000.into()));
    let (acd_s, pdd_ms) = (quality["acd_s"].as_u64(), quality["pdd_ms"].as_u64());
    assert!(acd_s.is_some_and(|s| (1..5).contains(&s)), "{quality}");
    assert!(pdd_ms.is_some_and(|ms| ms < 2000), "{quality}");

    assert_eq!(order(&rig, " profile=cost"), [3001, 3002]);
    let status = rig.daemon().json(&["status", "--json", "--config", "fsxinetd.toml"]);
    let seen = status["live"]["gateways"].as_array().cloned().unwrap_or_default();
    let beta = seen.iter().find(|gateway| gateway["gateway_id"] == 3002).expect("Beta");
    assert_eq!(beta["quality"]["asr_permille"], 1000, "{status:#}");
    let (code, metrics) = rig.daemon().get("/metrics");
    assert_eq!(code, 200);
    let line = "fsxinetd_gateway_answer_seizure_ratio{gateway=\"3002\"} 1\n";
    assert!(metrics.contains(line), "{metrics}");
    rig.close();
}

/// Gateways in the order that a call would try them.
#[track_caller]
fn order(rig: &Rig, facts: &str) -> Vec<u64> {
    let text = rig.freeswitch.api(&format!("fsx route {NUMBER} org=37{facts} as json"));
    let answer: Value = serde_json::from_str(&text).unwrap_or_else(|e| panic!("{e}: {text}"));
    let routes = answer["routes"].as_array().cloned().unwrap_or_default();
    routes.iter().filter_map(|route| route["gateway_id"].as_u64()).collect()
}

/// A gateway as `fsx gateways as json` shows it.
#[track_caller]
fn gateway(rig: &Rig, id: u64) -> Value {
    let text = rig.freeswitch.api("fsx gateways as json");
    let value: Value = serde_json::from_str(&text).unwrap_or_else(|e| panic!("{e}: {text}"));
    let all = value["gateways"].as_array().cloned().unwrap_or_default();
    all.into_iter().find(|gateway| gateway["gateway_id"] == id).unwrap_or_else(|| panic!("{text}"))
}
