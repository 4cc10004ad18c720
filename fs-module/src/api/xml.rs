//! Answers as XML, made from the same values as their JSON.

use serde_json::Value;

/// `value` as an element `name`. Members of an object become elements of their names; entries of a
/// list become elements `row` with an `id` counted from 1, as in mod_lcr's XML; null is empty.
pub(crate) fn document(name: &str, value: &Value) -> String {
    let mut text = String::new();
    element(&mut text, name, "", value, 0);
    text
}

/// Deepest nesting written; our own answers have four levels.
const MAX_DEPTH: usize = 16;

fn element(text: &mut String, name: &str, attributes: &str, value: &Value, depth: usize) {
    let indent = "  ".repeat(depth);
    let name = tag(name);
    let simple = match value {
        Value::Null => String::new(),
        Value::Bool(yes) => yes.to_string(),
        Value::Number(number) => number.to_string(),
        Value::String(said) => escaped(said),
        Value::Array(_) | Value::Object(_) if depth >= MAX_DEPTH => String::new(),
        Value::Array(rows) => {
            text.push_str(&format!("{indent}<{name}{attributes}>\n"));
            for (n, row) in rows.iter().enumerate() {
                element(text, "row", &format!(" id=\"{}\"", n + 1), row, depth + 1);
            }
            text.push_str(&format!("{indent}</{name}>\n"));
            return;
        }
        Value::Object(members) => {
            text.push_str(&format!("{indent}<{name}{attributes}>\n"));
            for (member, value) in members {
                // A member whose name is a variable's may be no name for an element.
                let attributes = match tag(member) == *member {
                    true => String::new(),
                    false => format!(" name=\"{}\"", escaped(member)),
                };
                element(text, member, &attributes, value, depth + 1);
            }
            text.push_str(&format!("{indent}</{name}>\n"));
            return;
        }
    };
    text.push_str(&format!("{indent}<{name}{attributes}>{simple}</{name}>\n"));
}

/// The member's name where XML allows it as an element's, else `value`.
fn tag(member: &str) -> &str {
    let starts = member.starts_with(|c: char| c.is_ascii_alphabetic() || c == '_');
    let goes_on = member.chars().all(|c| c.is_ascii_alphanumeric() || matches!(c, '_' | '-' | '.'));
    if starts && goes_on { member } else { "value" }
}

/// Text for the inside of an element or a quoted attribute. Control characters, which XML cannot
/// hold even escaped, become spaces.
pub(crate) fn escaped(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            '&' => out.push_str("&amp;"),
            '<' => out.push_str("&lt;"),
            '>' => out.push_str("&gt;"),
            '"' => out.push_str("&quot;"),
            '\'' => out.push_str("&apos;"),
            '\n' | '\t' => out.push(c),
            c if c.is_control() || matches!(c, '\u{fffe}' | '\u{ffff}') => out.push(' '),
            c => out.push(c),
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn values_as_elements() {
        let value = json!({
            "generation": 5, "reason": null, "who": "A & <B>'s \u{7}", "routes": [{"rate": "0.1"}],
            "vars": {"sip_h_X": "1", "0 bad": true},
        });
        assert_eq!(
            document("result", &value),
            "<result>\n  <generation>5</generation>\n  <reason></reason>\n  <routes>\n    \
             <row id=\"1\">\n      <rate>0.1</rate>\n    </row>\n  </routes>\n  <vars>\n    \
             <value name=\"0 bad\">true</value>\n    <sip_h_X>1</sip_h_X>\n  </vars>\n  \
             <who>A &amp; &lt;B&gt;&apos;s  </who>\n</result>\n"
        );
    }
}
