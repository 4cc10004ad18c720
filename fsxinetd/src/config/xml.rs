//! `[xml]`: where FreeSWITCH's XML look-ups are answered from.

use std::path::PathBuf;

use fsx_wire::xml::{CONFIGURATION_KEY, DIALPLAN_KEY, DIRECTORY_KEY, MAX_DOCUMENT};
use serde::{Deserialize, Deserializer, Serialize};

/// `[xml]`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct Xml {
    /// SQLite file that holds the last good answers; empty keeps them in memory only.
    pub store: PathBuf,
    /// Most answers that are kept.
    pub max_answers: u32,
    /// An answer longer than this is none, in KiB.
    pub max_kib: u32,
    /// What the XML dialplan runs by.
    #[serde(deserialize_with = "dialplan")]
    pub dialplan: XmlSection,
    /// Users and domains.
    #[serde(deserialize_with = "directory")]
    pub directory: XmlSection,
    /// Modules' configuration files.
    #[serde(deserialize_with = "configuration")]
    pub configuration: XmlSection,
}

impl Default for Xml {
    fn default() -> Self {
        Self {
            store: "/var/lib/fsx/xml.sqlite".into(),
            max_answers: 50_000,
            max_kib: (MAX_DOCUMENT >> 10) as u32,
            dialplan: XmlSection::of(DIALPLAN_KEY, 0, 0),
            directory: XmlSection::of(DIRECTORY_KEY, 10, 2),
            configuration: XmlSection::of(CONFIGURATION_KEY, 0, 0),
        }
    }
}

/// `[xml.dialplan]`, `[xml.directory]`, `[xml.configuration]`.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct XmlSection {
    /// Policy that is asked first, as a bundle's manifest names it; empty asks none.
    pub policy: String,
    /// Service that is asked, as mod_xml_curl asks it (`http://…`, `https://…`); empty asks none.
    pub url: String,
    /// `user:password` for it; empty sends none.
    pub credentials: String,
    /// How long it may take, in milliseconds.
    pub timeout_ms: u32,
    /// An answer is given again for this long without asking, in seconds; 0 asks every time.
    pub cache_s: u32,
    /// The same for a certain "there is none".
    pub not_found_s: u32,
    /// How old a last good answer may be, in seconds.
    pub stale_s: u32,
    /// Parameters that tell one question from another.
    pub key: Vec<String>,
    /// Parameters that are sent on; empty sends all.
    pub fields: Vec<String>,
}

impl XmlSection {
    fn of(key: &[&str], cache_s: u32, not_found_s: u32) -> Self {
        Self {
            policy: String::new(),
            url: String::new(),
            credentials: String::new(),
            timeout_ms: 2_000,
            cache_s,
            not_found_s,
            stale_s: 86_400,
            key: key.iter().map(|&name| name.to_owned()).collect(),
            fields: Vec::new(),
        }
    }
}

/// A section as it stands in the file: what it leaves out is that section's default, and the defaults
/// of the three differ.
#[derive(Default, Deserialize)]
#[serde(default)]
struct Given {
    policy: Option<String>,
    url: Option<String>,
    credentials: Option<String>,
    timeout_ms: Option<u32>,
    cache_s: Option<u32>,
    not_found_s: Option<u32>,
    stale_s: Option<u32>,
    key: Option<Vec<String>>,
    fields: Option<Vec<String>>,
}

fn over<'de, D: Deserializer<'de>>(default: XmlSection, from: D) -> Result<XmlSection, D::Error> {
    let given = Given::deserialize(from)?;
    Ok(XmlSection {
        policy: given.policy.unwrap_or(default.policy),
        url: given.url.unwrap_or(default.url),
        credentials: given.credentials.unwrap_or(default.credentials),
        timeout_ms: given.timeout_ms.unwrap_or(default.timeout_ms),
        cache_s: given.cache_s.unwrap_or(default.cache_s),
        not_found_s: given.not_found_s.unwrap_or(default.not_found_s),
        stale_s: given.stale_s.unwrap_or(default.stale_s),
        key: given.key.unwrap_or(default.key),
        fields: given.fields.unwrap_or(default.fields),
    })
}

fn dialplan<'de, D: Deserializer<'de>>(from: D) -> Result<XmlSection, D::Error> {
    over(Xml::default().dialplan, from)
}

fn directory<'de, D: Deserializer<'de>>(from: D) -> Result<XmlSection, D::Error> {
    over(Xml::default().directory, from)
}

fn configuration<'de, D: Deserializer<'de>>(from: D) -> Result<XmlSection, D::Error> {
    over(Xml::default().configuration, from)
}

impl Xml {
    /// The sections by name.
    pub fn sections(&self) -> [(&'static str, &XmlSection); 3] {
        [
            ("dialplan", &self.dialplan),
            ("directory", &self.directory),
            ("configuration", &self.configuration),
        ]
    }

    /// What cannot be meant: key and problem.
    pub(super) fn problems(&self) -> Vec<(String, String)> {
        let mut problems = Vec::new();
        let most = MAX_DOCUMENT >> 10;
        if self.max_kib == 0 || self.max_kib as usize > most {
            let text = format!("expected 1 to {most}, got {}", self.max_kib);
            problems.push(("xml.max_kib".to_owned(), text));
        }
        if self.max_answers == 0 {
            problems.push(("xml.max_answers".to_owned(), "expected at least 1, got 0".to_owned()));
        }
        for (name, section) in self.sections() {
            let url = &section.url;
            if !url.is_empty() && crate::feed::source_address(url).is_none() {
                let expected = "expected http://host/path or https://host/path";
                problems.push((format!("xml.{name}.url"), format!("{expected}, got \"{url}\"")));
            }
            if !section.credentials.is_empty() && !section.credentials.contains(':') {
                let text = "expected user:password".to_owned();
                problems.push((format!("xml.{name}.credentials"), text));
            }
            if section.timeout_ms == 0 {
                let text = "expected at least 1, got 0".to_owned();
                problems.push((format!("xml.{name}.timeout_ms"), text));
            }
        }
        problems
    }
}

#[cfg(test)]
mod tests {
    use crate::config::{Config, parse};

    #[test]
    fn a_section_leaves_out_what_is_the_default() {
        let text = "[xml.directory]\nurl = \"http://a/b\"\n[xml.dialplan]\ncache_s = 3\n";
        let mut want = Config::default();
        want.xml.directory.url = "http://a/b".to_owned();
        want.xml.dialplan.cache_s = 3;
        assert_eq!(parse(text, &|_| None), Ok(want));
        for (text, problem) in [
            ("[xml.directory]\nurl = \"ftp://a\"", "url in [xml.directory]: expected http"),
            ("[xml.directory]\ncredentials = \"me\"", "credentials in [xml.directory]"),
            ("[xml.dialplan]\ntimeout_ms = 0", "timeout_ms in [xml.dialplan]: expected"),
            ("[xml]\nmax_kib = 481", "max_kib in [xml]: expected 1 to 480"),
            ("[xml.dialplan]\nurll = \"\"", "did you mean \"url\"?"),
        ] {
            let problems = parse(text, &|_| None).expect_err(text);
            assert!(problems[0].text.contains(problem), "{problems:?}");
        }
    }
}
