//! Channel variables and the call facts that they stand for.
//!
//! The only place that names the platform's `rm…` variables. Every name can be changed in
//! `<variables>` of the configuration, so that a site with other names needs no other code.

use fsx_core::{CallFacts, Country};
use fsx_seam::log::{Level, OnceAMinute};
use fsx_wire::message::WireFacts;

use crate::{config::Config, dialled, host::Channel};

/// Declares the names once: field, key in `<variables>`, default.
macro_rules! names {
    ($($(#[$doc:meta])* $field:ident: $key:literal = $default:literal,)*) => {
        /// Which channel variable holds which fact.
        #[derive(Clone, Debug, PartialEq, Eq)]
        pub(crate) struct Names {
            $($(#[$doc])* pub(crate) $field: String,)*
        }

        impl Default for Names {
            fn default() -> Self {
                Self { $($field: $default.to_owned(),)* }
            }
        }

        impl Names {
            /// Takes `variable` as the name for the fact `key`; empty switches the fact off.
            ///
            /// # Errors
            /// In words, when there is no such fact.
            pub(crate) fn set(&mut self, key: &str, variable: &str) -> Result<(), String> {
                match key {
                    $($key => self.$field = variable.to_owned(),)*
                    _ => return Err("unknown fact".to_owned()),
                }
                Ok(())
            }
        }
    };
}

names! {
    /// The number as dialled; else the profile's `destination_number`.
    called: "called" = "rmDialledNumber",
    /// The caller's number; else `effective_caller_id_number`, else the profile's.
    caller: "caller" = "rmNumberNormalised",
    /// The caller is not to be shown.
    withhold_cli: "withhold-cli" = "rmWithholdCLI",
    /// The organisation.
    org: "org" = "rmOrgID",
    /// Home country, as an ISO code or a dialling code.
    home_country: "home-country" = "rmHCDCode",
    /// Set and true where the dialplan already knows that the call is an emergency call.
    emergency: "emergency" = "rmEmergencyNumber",
    /// Wanted privacy class.
    privacy_class: "privacy-class" = "fsx_privacy_class",
    /// Wanted PCI zone.
    pci_zone: "pci-zone" = "fsx_pci_zone",
    /// Wanted carrier group.
    carrier_group: "carrier-group" = "fsx_carrier_group",
    /// Order of carriers, as a profile's name or as the engine spells it.
    profile: "profile" = "fsx_profile",
    /// Routing number of a ported number.
    lrn: "lrn" = "fsx_lrn",
    /// Most attempts.
    max_attempts: "max-attempts" = "fsx_max_attempts",
    /// Task or policy to ask for by name.
    task: "task" = "rmSocketTask",
    /// No record is to be made.
    discard_record: "discard-record" = "rmCDRDiscard",
    /// The record is only to be stored.
    store_only: "store-only" = "rmCDRStoreOnly",
}

/// Variables that the module sets on the caller's leg.
pub(crate) mod out {
    /// `route` or `reject`.
    pub(crate) const DECISION: &str = "fsx_decision";
    /// Generation of the data used.
    pub(crate) const GENERATION: &str = "fsx_generation";
    /// `local`, `policy` or `fallback`.
    pub(crate) const DECIDED_BY: &str = "fsx_decided_by";
    /// How many attempts were made so far.
    pub(crate) const ATTEMPTS: &str = "fsx_attempts";
    /// Gateway of the attempt in progress, or of the last.
    pub(crate) const GATEWAY: &str = "fsx_gateway_id";
    /// Carrier of that gateway.
    pub(crate) const CARRIER: &str = "fsx_carrier_id";
    /// Why no route was taken, in words.
    pub(crate) const REASON: &str = "fsx_reason";
    /// Name of the cause that the call is to end with.
    pub(crate) const CAUSE: &str = "fsx_cause";
}

/// Facts of a call, owned, so that they outlive the callback that read them.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Facts {
    /// As dialled.
    pub(crate) called: String,
    /// As signalled.
    pub(crate) caller: Option<String>,
    /// Not to be shown.
    pub(crate) withhold_cli: bool,
    /// What the leg itself would show, no header can carry.
    pub(crate) unshown: bool,
    /// Organisation.
    pub(crate) org: u32,
    /// Home country of the device.
    pub(crate) home_country: Option<Country>,
    /// Data centre of this switch.
    pub(crate) data_centre: String,
    /// The instant, seconds UTC.
    pub(crate) at: i64,
    /// The channel's UUID.
    pub(crate) call_id: String,
    /// The dialplan says that this is an emergency call.
    pub(crate) emergency: bool,
    pub(crate) privacy_class: Option<String>,
    pub(crate) pci_zone: Option<String>,
    pub(crate) carrier_group: Option<String>,
    /// Order of carriers; `None` takes the organisation's.
    pub(crate) profile: Option<String>,
    /// Routing number of a ported number.
    pub(crate) lrn: Option<String>,
    /// Most attempts; 0 leaves it to the engine.
    pub(crate) max_attempts: u8,
}

impl Facts {
    /// Facts with what the configuration knows of this switch, and nothing of a call.
    pub(crate) fn of_host(config: &Config, at: i64) -> Self {
        Self {
            org: config.default_org,
            data_centre: config.data_centre.clone(),
            profile: config.profile.clone(),
            max_attempts: config.max_attempts,
            at,
            ..Self::default()
        }
    }

    /// Reads a call's facts from its leg. `number` (the application's argument) comes before any
    /// variable.
    pub(crate) fn of_call(
        config: &Config,
        channel: Channel<'_>,
        number: Option<&str>,
        call_id: String,
        at: i64,
    ) -> Self {
        let names = &config.names;
        let var = |name: &str| match name {
            "" => None,
            _ => channel.var(name).filter(|value| !value.is_empty()),
        };
        let field = |name| channel.profile_field(name).filter(|value| !value.is_empty());
        let mut facts = Self::of_host(config, at);
        facts.called = number
            .map(str::to_owned)
            .or_else(|| var(&names.called))
            .or_else(|| field("destination_number"))
            .unwrap_or_default();
        facts.caller = var(&names.caller)
            .or_else(|| var("effective_caller_id_number"))
            .or_else(|| field("caller_id_number"));
        facts.withhold_cli = var(&names.withhold_cli).as_deref().is_some_and(is_true);
        let mut named = var("effective_caller_id_name").into_iter().chain(field("caller_id_name"));
        let numbered = facts.caller.as_deref().is_none_or(dialled::is_shown);
        if !numbered || named.any(|name| name.contains(char::is_control)) {
            // A line break ends a header, and a gateway that does not answer such an INVITE would be
            // taken for a failing one. FreeSWITCH would send its own copy, unless it is withheld.
            static SAID: OnceAMinute = OnceAMinute::new();
            SAID.write(
                Level::Warning,
                format_args!("fsx: caller id of {call_id} withheld: no SIP header can carry it"),
            );
            (facts.unshown, facts.withhold_cli) = (true, true);
            facts.caller = facts.caller.filter(|_| numbered);
        }
        if let Some(org) = var(&names.org).and_then(|text| text.trim().parse().ok()) {
            facts.org = org;
        }
        facts.home_country = var(&names.home_country).and_then(|text| country(text.trim()));
        facts.emergency =
            var(&names.emergency).is_some_and(|value| is_true(&value) || value == facts.called);
        facts.privacy_class = var(&names.privacy_class);
        facts.pci_zone = var(&names.pci_zone);
        facts.carrier_group = var(&names.carrier_group);
        facts.lrn = var(&names.lrn);
        if let Some(name) = var(&names.profile) {
            match config.order(&name) {
                Ok(order) => facts.profile = order,
                Err(problem) => {
                    static SAID: OnceAMinute = OnceAMinute::new();
                    SAID.write(Level::Warning, format_args!("fsx: {}: {problem}", names.profile));
                }
            }
        }
        if let Some(most) = var(&names.max_attempts).and_then(|text| text.trim().parse().ok()) {
            facts.max_attempts = most;
        }
        facts.call_id = call_id;
        facts
    }

    /// The same, as the engine takes them.
    pub(crate) fn borrow(&self) -> CallFacts<'_> {
        CallFacts {
            called: self.called.as_bytes(),
            caller: self.caller.as_deref().map(str::as_bytes),
            withhold_cli: self.withhold_cli,
            org_id: self.org,
            home_country: self.home_country,
            data_centre: &self.data_centre,
            at: self.at,
            call_id: self.call_id.as_bytes(),
            privacy_class: self.privacy_class.as_deref(),
            pci_zone: self.pci_zone.as_deref(),
            carrier_group: self.carrier_group.as_deref(),
            profile: self.profile.as_deref(),
            lrn: self.lrn.as_deref().map(str::as_bytes),
            max_attempts: self.max_attempts,
        }
    }

    /// The same, as they cross the socket and stand in a record.
    pub(crate) fn to_wire(&self) -> WireFacts {
        WireFacts {
            call_id: self.call_id.clone(),
            called: self.called.clone(),
            caller: self.caller.clone(),
            withhold_cli: self.withhold_cli,
            org: self.org,
            home_country: self.home_country.map(|country| country.to_string()),
            data_centre: self.data_centre.clone(),
            at: self.at,
            privacy_class: self.privacy_class.clone(),
            pci_zone: self.pci_zone.clone(),
            carrier_group: self.carrier_group.clone(),
            profile: self.profile.clone(),
            lrn: self.lrn.clone(),
            max_attempts: self.max_attempts,
            vars: std::collections::BTreeMap::new(),
        }
    }
}

/// Most bytes of variables that go along with a record or a question: a message has a megabyte, and a call
/// is not to be lost for what somebody wrote on its leg.
const MOST_COLLECTED: usize = 256 << 10;

/// Those of `names` that are set on the leg. The value for which there is no room any more says so.
pub(crate) fn collect(
    channel: Channel<'_>,
    names: &[String],
) -> std::collections::BTreeMap<String, String> {
    let mut room = MOST_COLLECTED;
    let fitting = |name: &String| {
        let value = channel.var(name)?;
        // As JSON writes it.
        let written = |b| match b {
            b'"' | b'\\' => 2,
            0..b' ' => 6,
            _ => 1,
        };
        let size = value.bytes().map(written).sum::<usize>();
        let Some(left) = room.checked_sub(size) else {
            return Some((name.clone(), format!("(left out: {} bytes)", value.len())));
        };
        room = left;
        Some((name.clone(), value))
    };
    names.iter().filter_map(fitting).collect()
}

/// What FreeSWITCH takes for true (`switch_true`): a word or a number that is not zero.
pub(crate) fn is_true(text: &str) -> bool {
    let text = text.trim();
    ["true", "yes", "on", "enabled", "active", "allow", "t", "y"]
        .iter()
        .any(|word| text.eq_ignore_ascii_case(word))
        || text.parse::<i64>().is_ok_and(|n| n != 0)
}

/// Whether it says yes or no at all.
pub(crate) fn is_word_of_truth(text: &str) -> bool {
    let no = ["false", "no", "off", "disabled", "inactive", "disallow", "f", "n", "0", ""];
    is_true(text) || no.iter().any(|word| text.trim().eq_ignore_ascii_case(word))
}

/// A home country by its ISO code (`GB`) or its dialling code (`44`, `+44`), since both are in use.
pub(crate) fn country(text: &str) -> Option<Country> {
    if let Some(country) = Country::new(text.as_bytes()) {
        return Some(country);
    }
    let code: &[u8; 2] = match text.trim_start_matches(['+', '0']) {
        "44" => b"GB",
        "34" => b"ES",
        "39" => b"IT",
        "351" => b"PT",
        "45" => b"DK",
        "46" => b"SE",
        "30" => b"GR",
        "353" => b"IE",
        "1" => b"US",
        "61" => b"AU",
        "49" => b"DE",
        "33" => b"FR",
        "65" => b"SG",
        _ => return None,
    };
    Country::new(code)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn countries_by_either_code() {
        assert_eq!(country("gb"), Country::new(b"GB"));
        assert_eq!(country("+44"), Country::new(b"GB"));
        assert_eq!(country("0034"), Country::new(b"ES"));
        assert_eq!(country("999"), None);
        assert_eq!(country(""), None);
    }

    #[test]
    fn truth_as_the_host_sees_it() {
        for yes in ["true", "YES", " 1 ", "on", "7"] {
            assert!(is_true(yes), "{yes}");
        }
        for no in ["", "false", "0", "no", "999x"] {
            assert!(!is_true(no), "{no}");
        }
    }
}
