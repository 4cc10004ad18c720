//! The call that FreeSWITCH describes in its reply to `connect`.
//!
//! The names are the platform's, and mean what they mean in the module.

use fsx_core::Country;
use fsx_wire::esl::ChannelData;
use fsx_wire::message::WireFacts;

use crate::config::Site;
use crate::policy::task_name;

/// Most words after a task, as in mod_lua.
const MAX_ARGUMENTS: usize = 128;

/// What a call says of itself.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Asked {
    /// Facts, without the channel variables, which whoever has the call's data has.
    pub facts: WireFacts,
    /// The dialplan already knows that it is an emergency call.
    pub emergency: bool,
}

/// The task that a connection asks for. A probe that is no FreeSWITCH may say it without the prefix
/// of channel variables.
#[must_use]
pub fn task(data: &ChannelData) -> &str {
    task_name(said(data).split_whitespace().next().unwrap_or(""))
}

/// The words after the task, which a script finds in `argv`.
#[must_use]
pub fn arguments(data: &ChannelData) -> Vec<String> {
    said(data).split_whitespace().skip(1).take(MAX_ARGUMENTS).map(str::to_owned).collect()
}

fn said(data: &ChannelData) -> &str {
    data.variable("rmSocketTask").or_else(|| data.get("rmSocketTask")).unwrap_or("")
}

/// Reads the facts.
///
/// # Errors
/// One line, when the organisation cannot be made out: a policy must never run for the wrong one.
pub fn read(data: &ChannelData, site: &Site, at: i64) -> Result<Asked, String> {
    let var = |name: &str| data.variable(name).map(str::trim).filter(|value| !value.is_empty());
    let text = |name: &str| var(name).map(str::to_owned);
    let org = match var("rmOrgID") {
        None => 0,
        Some(text) => text
            .parse()
            .map_err(|_| format!("rmOrgID is {text:?}, expected an organisation's number"))?,
    };
    let called = text("rmDialledNumber").or_else(|| text("destination_number")).unwrap_or_default();
    let emergency = var("rmEmergencyNumber").is_some_and(|value| is_true(value) || value == called);
    let facts = WireFacts {
        call_id: data.uuid().to_owned(),
        caller: text("rmNumberNormalised")
            .or_else(|| text("effective_caller_id_number"))
            .or_else(|| text("caller_id_number")),
        called,
        withhold_cli: var("rmWithholdCLI").is_some_and(is_true),
        org,
        home_country: var("rmHCDCode").and_then(country).map(|country| country.to_string()),
        data_centre: site.data_centre.clone(),
        at,
        privacy_class: text("fsx_privacy_class"),
        pci_zone: text("fsx_pci_zone"),
        carrier_group: text("fsx_carrier_group"),
        // A name that is no profile is the organisation's own order.
        profile: text("fsx_profile").filter(|name| fsx_core::Profile::parse(name).is_ok()),
        lrn: text("fsx_lrn"),
        max_attempts: var("fsx_max_attempts").and_then(|n| n.parse().ok()).unwrap_or(0),
        vars: Default::default(),
    };
    Ok(Asked { facts, emergency })
}

/// What FreeSWITCH takes for true: a word, or a number that is not zero.
fn is_true(text: &str) -> bool {
    ["true", "yes", "on", "enabled", "active", "allow", "t", "y"]
        .iter()
        .any(|word| text.eq_ignore_ascii_case(word))
        || text.parse::<i64>().is_ok_and(|n| n != 0)
}

/// A home country by its ISO code or its dialling code, since both are in use.
fn country(text: &str) -> Option<Country> {
    Country::new(text.as_bytes()).or_else(|| {
        let code = match text.trim_start_matches(['+', '0']) {
            "44" => "GB",
            "34" => "ES",
            "39" => "IT",
            "351" => "PT",
            "45" => "DK",
            "46" => "SE",
            "30" => "GR",
            "353" => "IE",
            "1" => "US",
            "61" => "AU",
            "49" => "DE",
            "33" => "FR",
            "65" => "SG",
            _ => return None,
        };
        Country::new(code.as_bytes())
    })
}
