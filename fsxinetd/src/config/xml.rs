//! `[xml]`: where FreeSWITCH's XML look-ups are answered from.

use std::path::PathBuf;

use fsx_wire::xml::{CONFIGURATION_KEY, DIALPLAN_KEY, DIRECTORY_KEY, MAX_DOCUMENT};
use serde::{Deserialize, Serialize};

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
    pub dialplan: XmlSection,
    /// Users and domains.
    pub directory: XmlSection,
    /// Modules' configuration files.
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
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
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
            timeout_ms: 2_000,
            cache_s,
            not_found_s,
            stale_s: 86_400,
            key: key.iter().map(|&name| name.to_owned()).collect(),
            ..Self::default()
        }
    }
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
