//! The configuration file, `autoload_configs/fsx.conf.xml`.
//!
//! A switch must come up whatever the file says, so reading never stops at the first mistake: every
//! one is collected with the place it stands in, and its key keeps its default. At load the mistakes
//! are logged; at `fsx reload` a file with mistakes is refused and the old configuration stays.
//! The shipped sample, `fs-module/conf/fsx.conf.xml`, documents each key.

use std::{collections::BTreeMap, fmt, path::PathBuf};

use fsx_core::{Country, Profile};

use crate::{
    host::xml::{Element, Section},
    passive,
    vars::Names,
    xml,
};

/// The file's name, as FreeSWITCH asks for it.
pub(crate) const FILE: &str = "fsx.conf";

/// Longest time that any setting may make a call wait, in milliseconds.
const MAX_WAIT_MS: u32 = 5_000;

/// Whose calls the daemon's policy is asked about.
#[derive(Clone, Debug, PartialEq, Eq, Default)]
pub(crate) enum Policy {
    /// Nobody's: every call is decided here.
    #[default]
    Never,
    /// Everybody's.
    Always,
    /// These organisations', in ascending order.
    Orgs(Vec<u32>),
}

impl Policy {
    /// Whether a call of `org` is asked about.
    pub(crate) fn applies(&self, org: u32) -> bool {
        match self {
            Self::Never => false,
            Self::Always => true,
            Self::Orgs(orgs) => orgs.binary_search(&org).is_ok(),
        }
    }
}

/// An emergency gateway of this host, for when the routing data has none.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct EmergencyGateway {
    /// For calls of this country; `None` for any.
    pub(crate) country: Option<Country>,
    /// What to dial, with `${number}` inside.
    pub(crate) dial_string: String,
}

/// Emergency numbers beside the built-in ones.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct EmergencyNumber {
    /// For calls of this country; `None` for any.
    pub(crate) country: Option<Country>,
    /// As dialled.
    pub(crate) number: String,
}

/// The settings in force. Times are bounded, paths are absolute.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Config {
    /// The snapshot; `None` routes emergency calls only.
    pub(crate) snapshot: Option<PathBuf>,
    /// The live table beside it.
    pub(crate) live: Option<PathBuf>,
    /// The daemon's decision socket.
    pub(crate) socket: Option<PathBuf>,
    /// Where records wait while the daemon is away.
    pub(crate) spool: Option<PathBuf>,
    /// Data centre that this switch stands in.
    pub(crate) data_centre: String,
    /// Home country where neither the call nor the routing data names one.
    pub(crate) home_country: Option<Country>,
    /// Organisation of calls that name none.
    pub(crate) default_org: u32,
    /// Most attempts of a call; 0 leaves it to the engine (8).
    pub(crate) max_attempts: u8,
    /// Order of carriers where nobody names one; `None` takes the organisation's.
    pub(crate) profile: Option<String>,
    /// Orders of carriers by the names that dialplans use.
    pub(crate) profiles: BTreeMap<String, String>,
    /// mod_lcr's names (`lcr`, `lcr_admin`) are registered too.
    pub(crate) mod_lcr_names: bool,
    /// Whose calls the policy is asked about.
    pub(crate) policy: Policy,
    /// How long a call waits for the policy, in milliseconds.
    pub(crate) policy_timeout_ms: u32,
    /// How long a hung-up leg waits for its record to be taken, in milliseconds.
    pub(crate) record_timeout_ms: u32,
    /// How long a gateway may take to answer, in seconds.
    pub(crate) attempt_timeout_s: u32,
    /// How long a gateway may take to show any progress, in seconds; 0 waits for the whole attempt.
    pub(crate) progress_timeout_s: u32,
    /// Channel variables sent along to policies.
    pub(crate) policy_variables: Vec<String>,
    /// Channel variables added to call records.
    pub(crate) record_variables: Vec<String>,
    /// Extra emergency numbers.
    pub(crate) emergency_numbers: Vec<EmergencyNumber>,
    /// This host's own emergency gateways, first to try first.
    pub(crate) emergency_gateways: Vec<EmergencyGateway>,
    /// Names of the channel variables that facts are read from.
    pub(crate) names: Names,
    /// XML look-ups.
    pub(crate) xml: xml::Setting,
    /// How gateways are judged by their calls.
    pub(crate) passive: passive::Setting,
}

impl Default for Config {
    fn default() -> Self {
        Self {
            snapshot: None,
            live: None,
            socket: None,
            spool: None,
            data_centre: String::new(),
            home_country: None,
            default_org: 0,
            max_attempts: 0,
            profile: None,
            profiles: BTreeMap::new(),
            mod_lcr_names: false,
            policy: Policy::Never,
            policy_timeout_ms: 50,
            record_timeout_ms: 50,
            attempt_timeout_s: 60,
            progress_timeout_s: 15,
            policy_variables: Vec::new(),
            record_variables: Vec::new(),
            emergency_numbers: Vec::new(),
            emergency_gateways: Vec::new(),
            names: Names::default(),
            xml: xml::Setting::default(),
            passive: passive::Setting::default(),
        }
    }
}

impl Config {
    /// The order of carriers that a dialplan means by `name`: one of `<profiles>`, or one as the
    /// engine spells it; `None` takes the organisation's.
    ///
    /// # Errors
    /// In words, for a name that is neither.
    pub(crate) fn order(&self, name: &str) -> Result<Option<String>, String> {
        match self.profiles.get(name) {
            Some(order) => Ok(Some(order.clone()).filter(|order| !order.is_empty())),
            // What mod_lcr calls its profile when nobody gave it another name.
            None if name == "default" => Ok(self.profile.clone()),
            None => order(name).map(|order| order.or_else(|| self.profile.clone())),
        }
    }
}

/// A mistake in the file, in words that name its place.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Mistake {
    place: String,
    problem: String,
}

impl fmt::Display for Mistake {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "fsx.conf.xml: {}: {}", self.place, self.problem)
    }
}

/// Reads the sections of the file: the configuration, as far as it could be made out, and what is
/// wrong with it.
pub(crate) fn parse(sections: &[Section]) -> (Config, Vec<Mistake>) {
    let mut reader = Reader::default();
    for section in sections {
        for element in &section.elements {
            reader.element(&section.tag, element);
        }
        if !matches!(
            section.tag.as_str(),
            "settings" | "profiles" | "emergency" | "variables" | "xml" | "passive-health"
        ) {
            reader.mistake(
                format!("<{}>", section.tag),
                "unknown section; known are <settings>, <profiles>, <emergency>, <variables>, <xml> \
                 and <passive-health>"
                    .to_owned(),
            );
        }
    }
    (reader.config, reader.mistakes)
}

#[derive(Default)]
struct Reader {
    config: Config,
    mistakes: Vec<Mistake>,
}

impl Reader {
    fn mistake(&mut self, place: String, problem: String) {
        self.mistakes.push(Mistake { place, problem });
    }

    fn element(&mut self, section: &str, element: &Element) {
        let place = |name: &str| format!("<{section}> {name}");
        if element.tag != "param" {
            self.mistake(place(&format!("<{}>", element.tag)), "expected <param>".to_owned());
            return;
        }
        let Some(name) = element.attribute("name").filter(|name| !name.is_empty()) else {
            self.mistake(place("<param>"), "has no name".to_owned());
            return;
        };
        let Some(value) = element.attribute("value") else {
            self.mistake(place(name), "has no value".to_owned());
            return;
        };
        let value = value.trim();
        let read = match section {
            "settings" => self.setting(name, value),
            "emergency" => self.emergency(name, value, element.attribute("country")),
            "profiles" => order(value).map(|order| {
                self.config.profiles.insert(name.to_owned(), order.unwrap_or_default());
            }),
            "variables" => self.config.names.set(name, value),
            "xml" => self.config.xml.set(name, value),
            "passive-health" => self.config.passive.set(name, value),
            // The section itself is the mistake, reported once by the caller.
            _ => Ok(()),
        };
        if let Err(problem) = read {
            self.mistake(place(name), problem);
        }
    }

    fn setting(&mut self, name: &str, value: &str) -> Result<(), String> {
        let config = &mut self.config;
        match name {
            "snapshot" => config.snapshot = path(value)?,
            "live" => config.live = path(value)?,
            "socket" => config.socket = path(value)?,
            "spool" => config.spool = path(value)?,
            "data-centre" => config.data_centre = value.to_owned(),
            "home-country" => config.home_country = country(value)?,
            "default-org" => config.default_org = number(value, 0, u32::MAX)?,
            "max-attempts" => {
                let most = fsx_core::plan::MAX_ATTEMPTS as u32;
                config.max_attempts = number(value, 0, most)? as u8;
            }
            "profile" => config.profile = order(value)?,
            "mod-lcr-names" => config.mod_lcr_names = boolean(value)?,
            "policy" => config.policy = policy(value)?,
            "policy-timeout-ms" => config.policy_timeout_ms = number(value, 1, MAX_WAIT_MS)?,
            "record-timeout-ms" => config.record_timeout_ms = number(value, 1, MAX_WAIT_MS)?,
            "attempt-timeout-s" => config.attempt_timeout_s = number(value, 1, 600)?,
            "progress-timeout-s" => config.progress_timeout_s = number(value, 0, 600)?,
            "policy-variables" => config.policy_variables = list(value),
            "record-variables" => config.record_variables = list(value),
            _ => return Err("unknown setting".to_owned()),
        }
        Ok(())
    }

    fn emergency(&mut self, name: &str, value: &str, of: Option<&str>) -> Result<(), String> {
        let country = of.map_or(Ok(None), country)?;
        match name {
            "numbers" => {
                for number in list(value) {
                    if !number.bytes().all(|b| b.is_ascii_digit() || b == b'*' || b == b'#') {
                        return Err(format!("expected digits, got {number:?}"));
                    }
                    self.config.emergency_numbers.push(EmergencyNumber { country, number });
                }
            }
            "dial-string" => {
                if !value.contains("${number}") {
                    return Err(format!("expected a dial string with ${{number}}, got {value:?}"));
                }
                let dial_string = value.to_owned();
                self.config.emergency_gateways.push(EmergencyGateway { country, dial_string });
            }
            _ => return Err("unknown; known are numbers and dial-string".to_owned()),
        }
        Ok(())
    }
}

fn path(value: &str) -> Result<Option<PathBuf>, String> {
    match value {
        "" => Ok(None),
        _ if value.starts_with('/') => Ok(Some(PathBuf::from(value))),
        _ => Err(format!("expected an absolute path, got {value:?}")),
    }
}

fn country(value: &str) -> Result<Option<Country>, String> {
    match value {
        "" => Ok(None),
        _ => Country::new(value.as_bytes())
            .map(Some)
            .ok_or_else(|| format!("expected an ISO 3166 code such as GB, got {value:?}")),
    }
}

fn number(value: &str, least: u32, most: u32) -> Result<u32, String> {
    value
        .parse()
        .ok()
        .filter(|n| (least..=most).contains(n))
        .ok_or_else(|| format!("expected a number from {least} to {most}, got {value:?}"))
}

fn boolean(value: &str) -> Result<bool, String> {
    match value {
        "true" => Ok(true),
        "false" | "" => Ok(false),
        _ => Err(format!("expected true or false, got {value:?}")),
    }
}

/// An order of carriers as the engine spells it; `None` for the organisation's own.
fn order(value: &str) -> Result<Option<String>, String> {
    match value {
        "" => Ok(None),
        _ => match Profile::parse(value) {
            Ok(_) => Ok(Some(value.to_owned())),
            Err(error) => Err(format!("{error}, got {value:?}")),
        },
    }
}

fn list(value: &str) -> Vec<String> {
    value.split(',').map(str::trim).filter(|word| !word.is_empty()).map(str::to_owned).collect()
}

fn policy(value: &str) -> Result<Policy, String> {
    match value {
        "never" | "" => return Ok(Policy::Never),
        "always" => return Ok(Policy::Always),
        _ => {}
    }
    let orgs: Result<Vec<u32>, _> = list(value).iter().map(|word| word.parse()).collect();
    let mut orgs = orgs.map_err(|_| {
        format!("expected never, always or organisations such as 37,41, got {value:?}")
    })?;
    orgs.sort_unstable();
    Ok(Policy::Orgs(orgs))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn section(tag: &str, params: &[(&str, &str)]) -> Section {
        let element = |&(name, value): &(&str, &str)| Element {
            tag: "param".to_owned(),
            attributes: vec![
                ("name".to_owned(), name.to_owned()),
                ("value".to_owned(), value.to_owned()),
            ],
        };
        Section { tag: tag.to_owned(), elements: params.iter().map(element).collect() }
    }

    #[test]
    fn every_setting_is_read() {
        let (config, mistakes) = parse(&[
            section(
                "settings",
                &[
                    ("snapshot", "/var/lib/fsx/snapshot"),
                    ("live", "/var/lib/fsx/live"),
                    ("socket", "/run/fsx/decide.sock"),
                    ("spool", "/var/spool/fsx"),
                    ("data-centre", "LON1"),
                    ("home-country", "gb"),
                    ("default-org", "7"),
                    ("max-attempts", "4"),
                    ("profile", "reliability"),
                    ("mod-lcr-names", "true"),
                    ("policy", "41, 37"),
                    ("policy-timeout-ms", "20"),
                    ("record-timeout-ms", "30"),
                    ("attempt-timeout-s", "25"),
                    ("progress-timeout-s", "6"),
                    ("policy-variables", "rmUserID, rmDevID"),
                    ("record-variables", "rmUserID"),
                ],
            ),
            section("emergency", &[("numbers", "118"), ("dial-string", "sofia/x/${number}")]),
            section("variables", &[("org", "my_org")]),
            section("profiles", &[("premium", "tolerance:5"), ("theirs", "")]),
        ]);
        assert_eq!(mistakes, []);
        assert!(config.mod_lcr_names);
        for (name, order) in [
            ("premium", Ok(Some("tolerance:5"))),
            ("theirs", Ok(None)),
            ("default", Ok(Some("reliability"))),
            ("", Ok(Some("reliability"))),
            ("quality", Ok(Some("quality"))),
            ("nothing", Err(())),
        ] {
            let found = config.order(name).map_err(|_| ());
            assert_eq!(found, order.map(|o: Option<&str>| o.map(str::to_owned)), "{name}");
        }
        assert_eq!(config.home_country, Country::new(b"GB"));
        assert_eq!(config.policy, Policy::Orgs(vec![37, 41]));
        assert!(config.policy.applies(37) && !config.policy.applies(38));
        assert_eq!((config.default_org, config.max_attempts), (7, 4));
        assert_eq!(config.policy_variables, ["rmUserID", "rmDevID"]);
        assert_eq!(config.emergency_gateways.len(), 1);
        assert_eq!(config.names.org, "my_org");
    }

    #[test]
    fn mistakes_are_all_named_and_keep_defaults() {
        let (config, mistakes) = parse(&[
            section(
                "settings",
                &[("snapshot", "lcr.fsx"), ("policy-timeout-ms", "0"), ("snapshto", "/x")],
            ),
            section("emergency", &[("dial-string", "sofia/x/999")]),
            section("variables", &[("organisation", "rmOrgID")]),
            section("profiles", &[("a", "b")]),
            section("routes", &[("a", "b")]),
        ]);
        assert_eq!(config, Config::default());
        let text: Vec<String> = mistakes.iter().map(ToString::to_string).collect();
        assert_eq!(
            text,
            [
                "fsx.conf.xml: <settings> snapshot: expected an absolute path, got \"lcr.fsx\"",
                "fsx.conf.xml: <settings> policy-timeout-ms: expected a number from 1 to 5000, \
                 got \"0\"",
                "fsx.conf.xml: <settings> snapshto: unknown setting",
                "fsx.conf.xml: <emergency> dial-string: expected a dial string with ${number}, \
                 got \"sofia/x/999\"",
                "fsx.conf.xml: <variables> organisation: unknown fact",
                "fsx.conf.xml: <profiles> a: expected cost, reliability, quality, \
                 tolerance:PERCENT or split:CARRIER=SHARE,…, got \"b\"",
                "fsx.conf.xml: <routes>: unknown section; known are <settings>, <profiles>, \
                 <emergency>, <variables>, <xml> and <passive-health>",
            ]
        );
    }
}
