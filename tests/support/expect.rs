//! Comparing what happened with what a scenario's `expect.json` says.
//!
//! An object names the members that matter; a list is the whole list, because "at least two
//! attempts" is how a third one goes unseen. Where a value cannot be known beforehand:
//! `"*"` is anything but nothing, `">0"` any number above zero, `null` a member that is not there.

use serde_json::Value;

/// Every difference, as one line each; nothing when `actual` is as expected.
#[must_use]
pub fn differences(expected: &Value, actual: &Value) -> Vec<String> {
    let mut found = Vec::new();
    compare("", expected, actual, &mut found);
    found
}

/// Compares and reports all differences at once.
///
/// # Panics
/// When there is one.
#[track_caller]
pub fn same(what: &str, expected: &Value, actual: &Value) {
    let found = differences(expected, actual);
    assert!(
        found.is_empty(),
        "{what} is not as expected:\n  {}\ngot {actual:#}",
        found.join("\n  ")
    );
}

fn compare(place: &str, expected: &Value, actual: &Value, found: &mut Vec<String>) {
    match (expected, actual) {
        (Value::String(mark), _) if mark == "*" => {
            let nothing = match actual {
                Value::Null => true,
                Value::String(text) => text.is_empty(),
                Value::Array(items) => items.is_empty(),
                _ => false,
            };
            if nothing {
                found.push(format!("{place}: expected anything, got nothing"));
            }
        }
        (Value::String(mark), _) if mark == ">0" => {
            if actual.as_f64().is_none_or(|n| n <= 0.0) {
                found.push(format!("{place}: expected a number above zero, got {actual}"));
            }
        }
        (Value::Object(members), Value::Object(got)) => {
            for (name, member) in members {
                let place = format!("{place}/{name}");
                compare(&place, member, got.get(name).unwrap_or(&Value::Null), found);
            }
        }
        (Value::Array(items), Value::Array(got)) => {
            if items.len() != got.len() {
                found.push(format!("{place}: expected {} entries, got {}", items.len(), got.len()));
            }
            for (n, (item, got)) in items.iter().zip(got).enumerate() {
                compare(&format!("{place}/{n}"), item, got, found);
            }
        }
        _ if expected == actual => {}
        _ => found.push(format!("{place}: expected {expected}, got {actual}")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn names_every_difference() {
        let expected = json!({"a": 1, "b": [{"c": "x"}, {"c": "*"}], "d": null, "e": ">0"});
        assert_eq!(
            differences(
                &expected,
                &json!({"a": 1, "b": [{"c": "x"}, {"c": "y"}], "e": 0.1, "f": 9})
            ),
            [""; 0]
        );
        assert_eq!(
            differences(&expected, &json!({"b": [{"c": "z"}, {"c": ""}, {}], "d": 4, "e": "1"})),
            [
                "/a: expected 1, got null",
                "/b: expected 2 entries, got 3",
                "/b/0/c: expected \"x\", got \"z\"",
                "/b/1/c: expected anything, got nothing",
                "/d: expected null, got 4",
                "/e: expected a number above zero, got \"1\"",
            ]
        );
    }
}
