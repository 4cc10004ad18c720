//! See README.md beside this file.

use fsx_test_support::rig::{Bench, Rig};
use serde_json::{Value, json};

/// What must come of a question: gateways in order, or the cause.
type Expected = Result<&'static [u32], u16>;

/// Number and organisation.
const QUESTIONS: &[(&str, &str, Expected)] = &[
    ("07700900123", "37", Ok(&[3001, 3002])),
    ("+447711900123", "37", Ok(&[3002])),
    ("0012125550123", "37", Err(3)),
    ("abc", "37", Err(28)),
    ("999", "37", Ok(&[3009])),
    ("07700900123", "38", Err(21)),
    ("112", "38", Ok(&[3009])),
];

#[test]
fn same_answer_everywhere() {
    let Some(bench) = Bench::find("same-answer-everywhere") else { return };
    let mut rig = bench.start(&[
        (3001, "carrier-answers.xml"),
        (3002, "carrier-answers.xml"),
        (3009, "carrier-answers.xml"),
    ]);
    let generation = rig.generation();

    for (number, org, expected) in QUESTIONS {
        let [(_, first), others @ ..] = &answers(&mut rig, number, org)[..] else { unreachable!() };
        assert_eq!(first["generation"], generation, "{first:#}");
        let gateways: Vec<_> = first["routes"]
            .as_array()
            .map(|routes| routes.iter().map(|route| route["gateway_id"].clone()).collect())
            .unwrap_or_default();
        match expected {
            Ok(ids) => assert_eq!(gateways, *ids, "{number} of {org}: {first:#}"),
            Err(cause) => assert_eq!(first["cause"], *cause, "{number} of {org}: {first:#}"),
        }
        for (door, answer) in others {
            assert_eq!(answer, first, "{number} of {org} by {door}");
        }
    }

    let refused = rig.freeswitch.api("unload mod_fsx");
    assert!(refused.starts_with("-ERR"), "{refused}");
    assert_eq!(rig.freeswitch_generation(), generation);
    rig.close();
}

/// The answer of each door, without the instant it was asked at.
fn answers(rig: &mut Rig, number: &str, org: &str) -> Vec<(&'static str, Value)> {
    let read = |text: &str| -> Value {
        serde_json::from_str(text).unwrap_or_else(|e| panic!("{number} of {org}: {e}: {text}"))
    };
    let cli = "442079460000";
    let freeswitch =
        read(&rig.freeswitch.api(&format!("fsx why {number} org={org} cli={cli} as json")));
    let opensips =
        rig.opensips.mi("fsx_route", json!({"number": number, "org": org, "caller": cli}));
    let daemon = rig.daemon();
    let file = |name: &str| daemon.file(name).display().to_string();
    let (snapshot, live) = (file("routing.snapshot"), file("routing.live"));
    let mut asked = vec!["lcr", "route", number, "--org", org, "--cli", cli, "--dc", "LON1"];
    asked.extend(["--snapshot", &snapshot, "--live", &live, "--why", "--json"]);
    // A refusal is an answer, whatever the exit code says to scripts.
    let command = read(&String::from_utf8_lossy(&daemon.try_command(&asked).stdout));
    let encoded = number.replace('+', "%2B");
    let (_, http) =
        daemon.get(&format!("/v1/lcr/route?number={encoded}&org={org}&caller={cli}&why=true"));
    [
        ("the command line", command),
        ("HTTP", read(&http)),
        ("FreeSWITCH", freeswitch),
        ("OpenSIPS", opensips),
    ]
    .map(|(door, mut answer)| {
        answer["at"] = Value::Null;
        (door, answer)
    })
    .to_vec()
}
