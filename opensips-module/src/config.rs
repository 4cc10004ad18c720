//! Module parameters, checked once in `mod_init`, before anything forks.
//!
//! A proxy that starts with a mistyped path and routes nothing is worse than one that says what is
//! wrong and does not start: every value that cannot be right stops the start with one line.

use std::path::PathBuf;

use fsx_core::Country;

use crate::{
    destination::{self, Destinations},
    host::pv::{Format, Spec},
};

/// Parameters as the script gave them.
#[derive(Clone, Debug, Default)]
pub(crate) struct Raw {
    pub(crate) snapshot: Option<String>,
    pub(crate) live: Option<String>,
    pub(crate) data_centre: Option<String>,
    pub(crate) home_country: Option<String>,
    pub(crate) number_var: Option<String>,
    pub(crate) caller_var: Option<String>,
    pub(crate) org_var: Option<String>,
    pub(crate) call_id_var: Option<String>,
    pub(crate) country_var: Option<String>,
    pub(crate) plan_avp: Option<String>,
    pub(crate) destination: Option<String>,
    pub(crate) emergency_numbers: Option<String>,
    pub(crate) emergency_destination: Option<String>,
    pub(crate) gateways: Vec<String>,
    pub(crate) default_org: i32,
    pub(crate) max_attempts: i32,
    pub(crate) check_interval_ms: i32,
    pub(crate) sofia_uris: i32,
}

/// What can be judged without the host.
#[derive(Clone, Debug, Default)]
pub(crate) struct Settings {
    /// The routing file; without one only emergency calls are known.
    pub(crate) snapshot: Option<PathBuf>,
    /// The live table beside it.
    pub(crate) live: Option<PathBuf>,
    /// Our data centre; empty is none.
    pub(crate) data_centre: String,
    /// Site-wide home country, for emergency numbers while there is no data; with data, the data's.
    pub(crate) home_country: Option<Country>,
    /// Organisation where the call names none.
    pub(crate) default_org: u32,
    /// Most attempts a call; 0 is the engine's default.
    pub(crate) max_attempts: u8,
    /// How often the keeper looks for a new file, in milliseconds.
    pub(crate) check_interval_ms: u32,
    /// Where attempts go.
    pub(crate) destinations: Destinations,
    /// Emergency numbers beside those that the program knows.
    pub(crate) emergency_numbers: Vec<String>,
    /// Where emergency calls go when no data says so.
    pub(crate) emergency_destination: Option<String>,
}

/// Everything that a call needs to know of the configuration. Never changes after `mod_init`.
#[derive(Debug)]
pub(crate) struct Config {
    pub(crate) settings: Settings,
    /// The called number where `fsx_route` is not given one.
    pub(crate) number: Format,
    /// The caller's number.
    pub(crate) caller: Format,
    /// The organisation where `fsx_route` is not given one.
    pub(crate) org: Option<Format>,
    /// Home country of the caller's device, where the call says.
    pub(crate) country: Option<Format>,
    /// The call's id.
    pub(crate) call_id: Format,
    /// Where the answer travels with the transaction, to read it.
    pub(crate) plan: Spec,
    /// The same with all its values, to replace them.
    pub(crate) plan_all: Spec,
}

impl Settings {
    /// Checks everything that is not a pseudo-variable.
    ///
    /// # Errors
    /// One line that names the parameter, what it holds and what it should.
    pub(crate) fn check(raw: &Raw) -> Result<Self, String> {
        let home_country = match raw.home_country.as_deref() {
            None | Some("") => None,
            Some(text) => Some(Country::new(text.as_bytes()).ok_or_else(|| {
                format!("home_country is \"{text}\", expected two letters such as GB")
            })?),
        };
        let default_org = u32::try_from(raw.default_org)
            .map_err(|_| format!("default_org is {}, expected 0 or more", raw.default_org))?;
        let most = fsx_core::plan::MAX_ATTEMPTS as u8;
        let max_attempts = u8::try_from(raw.max_attempts)
            .ok()
            .filter(|n| *n <= most)
            .ok_or_else(|| format!("max_attempts is {}, expected 0 to {most}", raw.max_attempts))?;
        let check_interval_ms = u32::try_from(raw.check_interval_ms)
            .ok()
            .filter(|ms| (50..=60_000).contains(ms))
            .ok_or_else(|| {
                format!("check_interval_ms is {}, expected 50 to 60000", raw.check_interval_ms)
            })?;
        let mut destinations = Destinations::default();
        for text in &raw.gateways {
            let (id, target) = destination::parse_gateway(text)
                .map_err(|error| format!("gateway \"{text}\": {error}"))?;
            if destinations.gateways.insert(id, target).is_some() {
                return Err(format!("gateway {id} is given twice"));
            }
        }
        destinations.template = target("destination", raw.destination.as_deref())?;
        destinations.sofia = match raw.sofia_uris {
            0 => false,
            1 => true,
            other => return Err(format!("sofia_uris is {other}, expected 0 or 1")),
        };
        let emergency_numbers = raw.emergency_numbers.as_deref().unwrap_or_default();
        let emergency_numbers: Vec<String> = emergency_numbers
            .split(',')
            .map(str::trim)
            .filter(|number| !number.is_empty())
            .map(str::to_owned)
            .collect();
        if let Some(bad) = emergency_numbers.iter().find(|n| !n.bytes().all(is_dialled)) {
            return Err(format!("emergency_numbers holds \"{bad}\", expected digits, * and #"));
        }
        Ok(Self {
            snapshot: path("snapshot", raw.snapshot.as_deref())?,
            live: path("live", raw.live.as_deref())?,
            data_centre: raw.data_centre.clone().unwrap_or_default(),
            home_country,
            default_org,
            max_attempts,
            check_interval_ms,
            destinations,
            emergency_numbers,
            emergency_destination: target(
                "emergency_destination",
                raw.emergency_destination.as_deref(),
            )?,
        })
    }

    /// Whether the configuration names a dialled number as an emergency number.
    pub(crate) fn names_emergency(&self, dialled: &[u8]) -> bool {
        self.emergency_numbers.iter().any(|number| number.as_bytes() == dialled)
    }

    /// Whether a dialled number is an emergency number with no data to ask: by configuration, or by
    /// what the program knows of the country.
    pub(crate) fn is_emergency(&self, country: Option<Country>, dialled: &[u8]) -> bool {
        self.names_emergency(dialled)
            || fsx_core::emergency::is_builtin(country.or(self.home_country), dialled)
    }
}

impl Config {
    /// Checks everything, with the host's help for the pseudo-variables.
    ///
    /// # Errors
    /// One line that names the parameter, what it holds and what it should.
    pub(crate) fn check(raw: &Raw) -> Result<Self, String> {
        let settings = Settings::check(raw)?;
        let avp = raw.plan_avp.as_deref().unwrap_or("$avp(fsx_plan)");
        let name = avp
            .strip_prefix("$avp(")
            .and_then(|rest| rest.strip_suffix(')'))
            .filter(|name| {
                !name.is_empty() && name.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'_')
            })
            .ok_or_else(|| format!("plan_avp is \"{avp}\", expected one such as $avp(fsx_plan)"))?;
        let spec = |text: &str| {
            Spec::parse(text).ok_or_else(|| format!("plan_avp: OpenSIPS does not take {text}"))
        };
        Ok(Self {
            settings,
            number: format("number_var", raw.number_var.as_deref().unwrap_or("$rU"))?,
            caller: format("caller_var", raw.caller_var.as_deref().unwrap_or("$fU"))?,
            org: raw.org_var.as_deref().map(|text| format("org_var", text)).transpose()?,
            country: raw
                .country_var
                .as_deref()
                .map(|text| format("country_var", text))
                .transpose()?,
            call_id: format("call_id_var", raw.call_id_var.as_deref().unwrap_or("$ci"))?,
            plan: spec(&format!("$avp({name})"))?,
            plan_all: spec(&format!("$(avp({name})[*])"))?,
        })
    }
}

fn format(parameter: &str, text: &str) -> Result<Format, String> {
    Format::parse(text).ok_or_else(|| {
        format!("{parameter} is \"{text}\", expected pseudo-variables that OpenSIPS knows")
    })
}

fn path(parameter: &str, text: Option<&str>) -> Result<Option<PathBuf>, String> {
    match text {
        None | Some("") => Ok(None),
        // OpenSIPS changes to / when it becomes a daemon.
        Some(text) if text.starts_with('/') => Ok(Some(PathBuf::from(text))),
        Some(text) => Err(format!("{parameter} is \"{text}\", expected an absolute path")),
    }
}

fn target(parameter: &str, text: Option<&str>) -> Result<Option<String>, String> {
    match text {
        None | Some("") => Ok(None),
        Some(text) => destination::parse_target(text)
            .map(Some)
            .map_err(|error| format!("{parameter} is \"{text}\": {error}")),
    }
}

fn is_dialled(byte: u8) -> bool {
    byte.is_ascii_digit() || byte == b'*' || byte == b'#'
}

#[cfg(test)]
mod tests {
    use super::*;

    fn raw() -> Raw {
        Raw { check_interval_ms: 500, ..Raw::default() }
    }

    #[test]
    fn nothing_set_is_fine() {
        let settings = Settings::check(&raw()).expect("good");
        assert_eq!(settings.snapshot, None);
        assert!(settings.is_emergency(None, b"112"));
        assert!(!settings.is_emergency(None, b"447700900123"));
    }

    #[test]
    fn each_bad_value_is_named() {
        let text = |text: &str| Some(text.to_owned());
        for (name, raw) in [
            ("snapshot", Raw { snapshot: text("routes.fsx"), ..raw() }),
            ("live", Raw { live: text("live"), ..raw() }),
            ("home_country", Raw { home_country: text("GBR"), ..raw() }),
            ("default_org", Raw { default_org: -1, ..raw() }),
            ("max_attempts", Raw { max_attempts: 33, ..raw() }),
            ("check_interval_ms", Raw { check_interval_ms: 0, ..raw() }),
            ("gateway", Raw { gateways: vec!["3001".to_owned()], ..raw() }),
            (
                "gateway",
                Raw { gateways: vec!["1=sip:a".to_owned(), "1=sip:b".to_owned()], ..raw() },
            ),
            ("sofia_uris", Raw { sofia_uris: 2, ..raw() }),
            ("destination", Raw { destination: text("tel:1"), ..raw() }),
            ("emergency_destination", Raw { emergency_destination: text("x"), ..raw() }),
            ("emergency_numbers", Raw { emergency_numbers: text("112, nine"), ..raw() }),
        ] {
            let error = Settings::check(&raw).expect_err(name);
            assert!(error.contains(name), "{error}");
            assert!(!error.contains('\n'), "{error}");
        }
    }

    #[test]
    fn own_emergency_numbers_add_to_the_known_ones() {
        let raw = Raw {
            emergency_numbers: Some("*999, 1234".to_owned()),
            home_country: Some("gb".to_owned()),
            ..raw()
        };
        let settings = Settings::check(&raw).expect("good");
        for number in ["*999", "1234", "999", "112"] {
            assert!(settings.is_emergency(None, number.as_bytes()), "{number}");
        }
        assert!(!settings.is_emergency(None, b"911"));
        assert!(settings.is_emergency(Country::new(b"US"), b"911"));
    }
}
