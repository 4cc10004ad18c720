//! A look-up of FreeSWITCH's XML, as it crosses the decision socket.
//!
//! FreeSWITCH asks its modules for pieces of its configuration tree: who is this user, what does
//! this context do. The names are those that mod_xml_curl sends, so that a service written for that
//! module can be put behind the daemon unchanged.

use serde::{Deserialize, Serialize};

/// Longest document that an answer may hold, in bytes. Quotes take two bytes in JSON, so that twice as
/// much still fits into a frame (see [`crate::frame::MAX_FRAME`]).
pub const MAX_DOCUMENT: usize = 480 << 10;

/// Most bytes of names and values that a question carries in `params`; the asker leaves out what is
/// beyond it.
pub const MAX_PARAMS: usize = 256 << 10;

/// What is looked up.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct XmlQuery {
    /// Name of the switch that asks.
    pub hostname: String,
    /// `dialplan`, `directory` or `configuration`.
    pub section: String,
    /// Tag wanted inside the section (`domain`, `configuration`); empty where none is named.
    pub tag_name: String,
    /// Attribute that tells it apart (`name`).
    pub key_name: String,
    /// The attribute's value (`sofia.conf`).
    pub key_value: String,
    /// What FreeSWITCH says of the occasion, in its order: the user asked for, or a call's fields
    /// and variables.
    pub params: Vec<(String, String)>,
}

impl XmlQuery {
    /// A parameter's value, whatever the case of its name. The five fields are parameters too.
    #[must_use]
    pub fn param(&self, name: &str) -> Option<&str> {
        match name {
            "hostname" => Some(&self.hostname),
            "section" => Some(&self.section),
            "tag_name" => Some(&self.tag_name),
            "key_name" => Some(&self.key_name),
            "key_value" => Some(&self.key_value),
            _ => {
                let mut found = self.params.iter().filter(|(n, _)| n.eq_ignore_ascii_case(name));
                found.next().map(|(_, value)| value.as_str())
            }
        }
    }

    /// The tag wanted, as a message shows it: short, and without what a terminal or a log would obey,
    /// since a caller may have chosen the value.
    #[must_use]
    pub fn wanted(&self) -> String {
        let plain = |text: &str| -> String {
            text.chars().take(80).map(|c| if c.is_control() { '?' } else { c }).collect()
        };
        match self.key_name.as_str() {
            "" => format!("<{}>", plain(&self.tag_name)),
            key => {
                format!("<{} {}=\"{}\">", plain(&self.tag_name), plain(key), plain(&self.key_value))
            }
        }
    }

    /// What tells this question from others: section, tag and key, and those of `names` that it has.
    /// Two questions of one key may be given one answer.
    #[must_use]
    pub fn key(&self, names: &[String]) -> String {
        let mut key = String::new();
        let fixed = [&self.section, &self.tag_name, &self.key_name, &self.key_value];
        for value in fixed {
            push(&mut key, value);
        }
        for name in names {
            match self.param(name) {
                Some(value) => push(&mut key, value),
                // Not the same as empty.
                None => key.push_str("-;"),
            }
        }
        key
    }
}

/// With its length before it, so that no value can pass for two.
fn push(key: &mut String, value: &str) {
    key.push_str(&value.len().to_string());
    key.push(':');
    key.push_str(value);
    key.push(';');
}

/// What tells directory look-ups apart unless a configuration says otherwise. What changes with every
/// registration (nonces, ports) is not among them; the SIP profile is, which asks for its own gateways.
pub const DIRECTORY_KEY: &[&str] =
    &["domain", "user", "action", "purpose", "group", "key", "profile"];

/// What tells dialplan look-ups apart unless a configuration says otherwise: where the call is to go,
/// and on whose behalf, since a dialplan may let one caller do what another may not.
pub const DIALPLAN_KEY: &[&str] = &[
    "Hunt-Context",
    "Hunt-Destination-Number",
    "Caller-Context",
    "Caller-Destination-Number",
    "Caller-Caller-ID-Number",
    "variable_user_name",
    "variable_domain_name",
    "variable_rmOrgID",
];

/// What tells look-ups of configuration apart unless a configuration says otherwise.
pub const CONFIGURATION_KEY: &[&str] = &["hostname", "profile", "reconfig"];

/// The word for an answer that nobody gives any more: the last good one.
pub const LAST_GOOD: &str = "last_good";

/// The answer to an [`XmlQuery`].
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct XmlAnswer {
    /// The document; `None` says that there is none, and that this is certain.
    pub document: Option<String>,
    /// Who gave it: `policy`, `http`, `cache`, or [`LAST_GOOD`] where nobody did any more.
    pub from: String,
    /// How long ago it was given, in seconds.
    pub age_s: u64,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_tell_apart_what_differs() {
        let names: Vec<String> = ["user", "domain"].map(str::to_owned).into();
        let query = |user: Option<&str>, domain: &str| XmlQuery {
            section: "directory".to_owned(),
            params: user
                .map(|user| ("User".to_owned(), user.to_owned()))
                .into_iter()
                .chain([
                    ("domain".to_owned(), domain.to_owned()),
                    ("nonce".to_owned(), "x".to_owned()),
                ])
                .collect(),
            ..XmlQuery::default()
        };
        let key = |user, domain| query(user, domain).key(&names);
        assert_eq!(key(Some("1000"), "a"), "9:directory;0:;0:;0:;4:1000;1:a;");
        assert_ne!(key(Some(""), "a"), key(None, "a"));
        assert_ne!(key(Some("1;1:b"), "c"), key(Some("1"), "b;1:c"));
        assert_eq!(query(None, "a").param("DOMAIN"), Some("a"));
    }

    #[test]
    fn what_is_wanted_is_short_and_plain() {
        let query = |key_name: &str, key_value: String| XmlQuery {
            tag_name: "domain".to_owned(),
            key_name: key_name.to_owned(),
            key_value,
            ..XmlQuery::default()
        };
        assert_eq!(query("", String::new()).wanted(), "<domain>");
        assert_eq!(query("name", "a\nb\u{1b}".to_owned()).wanted(), "<domain name=\"a?b?\">");
        assert!(query("name", "ä".repeat(60_000)).wanted().len() < 200);
    }
}
