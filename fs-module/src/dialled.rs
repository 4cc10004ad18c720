//! One attempt as FreeSWITCH is to dial it: a dial string and the new leg's variables.
//!
//! Variables travel in an event, not in brackets before the dial string, so their values need no
//! quoting. The dial string itself is the administrator's template; what calls put into it is the
//! number, and a number that could change the string's meaning is not dialled at all.

use fsx_wire::answer::Route;

use crate::config::Config;

/// Characters that separate or enclose in a dial string, or that the core expands.
const SPECIAL: &[char] =
    &[',', '|', '[', ']', '{', '}', '<', '>', '\'', '"', '\\', '$', '^', '\u{7f}'];

/// Whether `number` may stand in a dial string as it is.
pub(crate) fn is_safe(number: &str) -> bool {
    !number.is_empty()
        && number.chars().all(|c| c.is_ascii() && c > ' ' && !SPECIAL.contains(&c))
        // The separator of FreeSWITCH's "enterprise" originate.
        && !number.contains(":_:")
}

/// The variables of the new leg, in order, no name twice. The gateway's own come first and win.
///
/// Withheld is RFC 3323 and 3325: an anonymous `From`, the real number only in
/// `P-Asserted-Identity` under `Privacy: id`. A gateway that must not see it at all says
/// `sip_cid_type=none` in its `ChannelVars`.
pub(crate) fn variables(config: &Config, route: &Route) -> Vec<(String, String)> {
    let mut found: Vec<(String, String)> = Vec::with_capacity(route.vars.len() + 8);
    for (name, value) in &route.vars {
        found.push((name.clone(), value.clone()));
    }
    let mut default = |name: &str, value: String| {
        if !found.iter().any(|(known, _)| known == name) {
            found.push((name.to_owned(), value));
        }
    };
    if !route.cli.is_empty() {
        default("origination_caller_id_number", route.cli.clone());
    }
    if route.withhold_cli {
        default("origination_caller_id_name", "Anonymous".to_owned());
        default("origination_privacy", "screen:hide_name:hide_number".to_owned());
        default("sip_cid_type", "pid".to_owned());
        default(
            "sip_invite_full_from",
            "\"Anonymous\" <sip:anonymous@anonymous.invalid>".to_owned(),
        );
    }
    if config.progress_timeout_s > 0 {
        default("progress_timeout", config.progress_timeout_s.to_string());
    }
    default("fsx_gateway_id", route.gateway_id.to_string());
    default("fsx_carrier_id", route.carrier_id.to_string());
    found
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_that_change_a_dial_string() {
        for number in ["00447700900123", "+447700900123", "447700900123@10.0.0.1:5060;user=phone"] {
            assert!(is_safe(number), "{number}");
        }
        for number in [
            "",
            "1,sofia/gateway/x/2",
            "1|2",
            "[a=b]1",
            "${hupall()}",
            "1\\,2",
            "1:_:2",
            "1 2",
            "1\n",
            "é",
        ] {
            assert!(!is_safe(number), "{number:?}");
        }
    }

    #[test]
    fn gateway_variables_win() {
        let mut route = Route { cli: "4420".to_owned(), gateway_id: 7, ..Route::default() };
        route.withhold_cli = true;
        route.vars.insert("sip_cid_type".to_owned(), "none".to_owned());
        let found = variables(&Config::default(), &route);
        let value = |name: &str| {
            let values: Vec<_> = found.iter().filter(|(n, _)| n == name).collect();
            assert!(values.len() < 2, "{name} twice");
            values.first().map(|(_, v)| v.as_str())
        };
        assert_eq!(value("sip_cid_type"), Some("none"));
        assert_eq!(value("origination_caller_id_number"), Some("4420"));
        assert_eq!(value("origination_privacy"), Some("screen:hide_name:hide_number"));
        assert_eq!(value("fsx_gateway_id"), Some("7"));
        assert_eq!(value("progress_timeout"), Some("15"));
    }

    #[test]
    fn shown_unless_withheld() {
        let route = Route { cli: "4420".to_owned(), ..Route::default() };
        let found = variables(&Config::default(), &route);
        assert!(found.iter().all(|(name, _)| name != "origination_privacy"));
    }
}
