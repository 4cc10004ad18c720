//! The manual, held to what it says; and policy documents.

use super::*;

/// The examples of the manual, each with the calls that follow it.
#[tokio::test]
async fn the_manual_tells_the_truth() {
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/../docs/policy-parts.md");
    let text = std::fs::read_to_string(path).expect("the manual");
    let (mut script, mut kind, mut body) = (String::new(), String::new(), Vec::new());
    let mut calls = 0;
    for line in text.lines() {
        match (line.strip_prefix("```"), kind.is_empty()) {
            (Some(opens), true) if !opens.is_empty() => kind = opens.to_owned(),
            (Some(_), false) => {
                match kind.as_str() {
                    "lua" => script = body.join("\n"),
                    "call" => {
                        calls += 1;
                        a_call_of_the_manual(&script, &body).await;
                    }
                    "problems" => a_wrong_document(&body).await,
                    other => panic!("what is a block of {other:?}?"),
                }
                kind.clear();
                body.clear();
            }
            (_, false) => body.push(line.to_owned()),
            _ => {}
        }
    }
    assert!(calls >= 12, "only {calls} calls");
}

async fn a_call_of_the_manual(script: &str, lines: &[String]) {
    let mut scene = Scene::default();
    let mut expected = Vec::new();
    for line in lines {
        let list = |text: &str| {
            text.split(',').map(|word| word.trim().to_owned()).filter(|w| !w.is_empty()).collect()
        };
        match line.split_once(' ').unwrap_or((line, "")) {
            (">", deed) => expected.push(deed.to_owned()),
            ("presses", keys) => scene.presses = list(keys),
            ("bridges", outcomes) => scene.bridges = list(outcomes),
            ("queue", reason) => scene.queue = reason.to_owned(),
            ("caller", number) => scene.caller = number.to_owned().leak(),
            other => panic!("{other:?}"),
        }
    }
    let mut did = once(script, scene).await;
    did.retain(|deed| !deed.starts_with("module_exists"));
    assert_eq!(did, expected, "{script}\n{}", lines.join("\n"));
}

/// A document and what is wrong with it.
async fn a_wrong_document(lines: &[String]) {
    let (expected, json): (Vec<_>, Vec<_>) = lines.iter().partition(|line| line.starts_with("> "));
    let json: Vec<&str> = json.iter().map(|line| line.as_str()).collect();
    let script = format!(
        "local document = require 'fsx.parts.document'
         for _, line in ipairs((document.problems((fsx.json.decode([[{}]]))))) do
             session:execute('playback', (line:gsub('[^%w]', '-')))
         end
         session:sleep(1)",
        json.join("\n")
    );
    let did = once(&script, Scene::default()).await;
    let plain = |line: &str| line.replace(|c: char| !c.is_ascii_alphanumeric(), "-");
    let mut expected: Vec<String> =
        expected.iter().map(|line| format!("playback {}", plain(&line[2..]))).collect();
    expected.push("sleep 1".to_owned());
    assert_eq!(did, expected);
}

/// A document of one condition, and a fallback; which of the two has the call.
#[tokio::test]
async fn documents_choose_by_their_conditions() {
    for (when, caller, expected) in [
        (r#"{"days": "*", "from": "00:00", "to": "24:00"}"#, "07700900123", true),
        (r#"{"dates": ["1999-01-01"]}"#, "07700900123", false),
        (r#"{"dates": [{"from": "2020-01-01", "to": "2090-01-01"}]}"#, "07700900123", true),
        (r#"{"holiday": true}"#, "07700900123", false),
        (r#"{"holiday": false}"#, "07700900123", true),
        (r#"{"countries": ["GB"]}"#, "07700900123", true),
        (r#"{"countries": ["FR", "DE"]}"#, "07700900123", false),
        (r#"{"countries": ["FR"]}"#, "+33142685300", true),
        (r#"{"countries": ["GB"]}"#, "anonymous", false),
        (r#"{"areas": ["+4420"]}"#, "02079460000", true),
        (r#"{"areas": ["+4420"]}"#, "01142960000", false),
        (r#"{"callers": ["+447700900123"]}"#, "07700900123", true),
        (r#"{"callers": ["+4477*"]}"#, "07700900123", true),
        (r#"{"callers": ["+4478*"]}"#, "07700900123", false),
        (r#"{"anonymous": true}"#, "anonymous", true),
        (r#"{"anonymous": true}"#, "07700900123", false),
        (r#"{"called": ["1001"]}"#, "07700900123", true),
        (r#"{"called": ["2*"]}"#, "07700900123", false),
        // All of them, not one of them.
        (r#"{"countries": ["GB"], "callers": ["+4478*"]}"#, "07700900123", false),
    ] {
        let options = format!(
            r#"{{document = [[{{"zone": "Europe/London", "holidays": ["1999-01-01"], "rules": [
                {{"when": {when}, "then": "continue"}},
                {{"when": "fallback", "then": {{"hangup": "NO_ANSWER"}}}}]}}]]}}"#
        );
        let did = says("document", &options, Scene { caller, ..Scene::default() }).await;
        let chosen = if expected { "playback continue.nil" } else { "hangup NO_ANSWER" };
        assert_eq!(did, [chosen], "{when} {caller}");
    }
}

#[tokio::test]
async fn documents_from_everywhere_and_of_every_kind() {
    for (options, expected) in [
        // From the bundle.
        ("{document = 'main.json'}", "bridge [^^;leg_timeout=20]user/1009@37"),
        ("{document = 'none.json'}", "playback invalid.table"),
        // No Core API is configured.
        ("{core = {path = '/x'}, otherwise = {hangup = 'NO_ANSWER'}}", "hangup NO_ANSWER"),
        ("{document = '{not json', otherwise = {hangup = 'NO_ANSWER'}}", "hangup NO_ANSWER"),
        ("{document = '{}', otherwise = {hangup = 'NO_ANSWER'}}", "hangup NO_ANSWER"),
        (
            "{document = '{\"rules\": null}', otherwise = {hangup = 'NO_ANSWER'}}",
            "hangup NO_ANSWER",
        ),
        (
            "{document = '{\"rules\": [[[[]]]]}', otherwise = {hangup = 'NO_ANSWER'}}",
            "hangup NO_ANSWER",
        ),
        // A field that is not known.
        (
            "{document = {new = 1, rules = {{when = 'fallback', ['then'] = 'continue'}}}}",
            "playback invalid.table",
        ),
        (
            "{unknown = 'warn', document = {new = 1, rules = {{when = 'fallback', ['then'] = 'continue'}}}}",
            "playback continue.nil",
        ),
        // Nothing holds.
        (
            "{document = {rules = {{when = {anonymous = true}, ['then'] = 'continue'}}}}",
            "playback no_match.nil",
        ),
        // All but.
        (
            "{document = {rules = {{when = 'fallback', unless = {countries = 'GB'}, ['then'] = 'continue'}}}}",
            "playback no_match.nil",
        ),
        // A function is no part of a document, and a document that asks for itself ends.
        (
            "{document = {rules = {{when = 'fallback', ['then'] = {document = 'main.json'}}}}}",
            "bridge [^^;leg_timeout=20]user/1009@37",
        ),
        ("{document = 'loop.json'}", "hangup EXCHANGE_ROUTING_ERROR"),
    ] {
        let did = says("document", options, Scene::default()).await;
        let first = did.first().map(|deed| deed.split(['-', ':']).next().unwrap_or("").to_owned());
        let whole = did.first().cloned();
        assert!(
            whole.as_deref() == Some(expected) || first.as_deref() == Some(expected),
            "{options}: {did:?}"
        );
    }
}
