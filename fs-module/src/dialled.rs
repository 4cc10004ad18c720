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

/// What keeps FreeSWITCH from following a redirection: without it, a gateway that answers 302 has the
/// call sent to any address that it names, or the caller's leg transferred into the caller's own
/// dialplan, to any number that it names and at the caller's cost.
const REDIRECT_FATAL: &str = "outbound_redirect_fatal";

/// Whether `number` may stand in a dial string as it is.
pub(crate) fn is_safe(number: &str) -> bool {
    !number.is_empty()
        && number.chars().all(|c| c.is_ascii() && c > ' ' && !SPECIAL.contains(&c))
        // The separator of FreeSWITCH's "enterprise" originate.
        && !number.contains(":_:")
}

/// Whether a caller's number may be shown: it becomes part of headers, and of the address in `From`.
pub(crate) fn is_shown(number: &str) -> bool {
    number.chars().all(|c| c == ' ' || (c.is_ascii_graphic() && !SPECIAL.contains(&c)))
}

/// The variables of the new leg, in order, no name twice. The gateway's own come first and win.
///
/// A withheld number goes nowhere, except to a gateway whose own variables ask for an identity
/// header (`sip_cid_type=pid` or `rpid`): that is a trusted trunk, which gets it under
/// `Privacy: id` while `From` is anonymous (RFC 3323, 3325).
pub(crate) fn variables(
    config: &Config,
    route: &Route,
    withheld_cli: &str,
) -> Vec<(String, String)> {
    let mut found: Vec<(String, String)> = Vec::with_capacity(route.vars.len() + 8);
    for (name, value) in &route.vars {
        found.push((name.clone(), value.clone()));
    }
    let mut default = |name: &str, value: &str| {
        if !found.iter().any(|(known, _)| known == name) {
            found.push((name.to_owned(), value.to_owned()));
        }
    };
    if route.withhold_cli {
        let trusted =
            matches!(route.vars.get("sip_cid_type").map(String::as_str), Some("pid" | "rpid"));
        let number = if trusted && !withheld_cli.is_empty() { withheld_cli } else { "anonymous" };
        default("origination_caller_id_number", number);
        default("origination_caller_id_name", "Anonymous");
        default("origination_privacy", "screen:hide_name:hide_number");
        default("sip_cid_type", "none");
        default("sip_invite_full_from", "\"Anonymous\" <sip:anonymous@anonymous.invalid>");
    } else if !route.cli.is_empty() {
        default("origination_caller_id_number", &route.cli);
    }
    // A carrier must not send our calls, or our caller's own leg, wherever it likes (SIP 3xx).
    default(REDIRECT_FATAL, "true");
    if config.progress_timeout_s > 0 {
        // FreeSWITCH calls the end of an attempt NO_ANSWER, as of a telephone that rang: a gateway from
        // which nothing was heard by then is given up before.
        let attempt_s = config.attempt_timeout_s.saturating_sub(1).max(1);
        default("progress_timeout", &config.progress_timeout_s.min(attempt_s).to_string());
    }
    default("fsx_gateway_id", &route.gateway_id.to_string());
    default("fsx_carrier_id", &route.carrier_id.to_string());
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
    fn numbers_that_no_header_can_carry() {
        for number in ["", "02079460000", "+44 (0)20 7946-0000", "alice", "anonymous"] {
            assert!(is_shown(number), "{number:?}");
        }
        for number in
            ["0770\n09", "0770\r\nX: y", "a<b>", "${domain}", "a,b", "a\"b", "\u{7f}", "é"]
        {
            assert!(!is_shown(number), "{number:?}");
        }
    }

    fn value<'a>(found: &'a [(String, String)], name: &str) -> Option<&'a str> {
        let mut values = found.iter().filter(|(n, _)| n == name).map(|(_, v)| v.as_str());
        let value = values.next();
        assert_eq!(values.next(), None, "{name} twice");
        value
    }

    #[test]
    fn gateway_variables_win() {
        let mut route = Route { cli: "4420".to_owned(), gateway_id: 7, ..Route::default() };
        route.vars.insert("progress_timeout".to_owned(), "3".to_owned());
        let found = variables(&Config::default(), &route, "");
        assert_eq!(value(&found, "progress_timeout"), Some("3"));
        let timeout = |attempt_timeout_s, progress_timeout_s| {
            let config = Config { attempt_timeout_s, progress_timeout_s, ..Config::default() };
            let found = variables(&config, &Route::default(), "");
            value(&found, "progress_timeout").map(str::to_owned)
        };
        assert_eq!(timeout(60, 15).as_deref(), Some("15"));
        assert_eq!(timeout(10, 15).as_deref(), Some("9"), "before the attempt ends");
        assert_eq!(timeout(1, 15).as_deref(), Some("1"));
        assert_eq!(timeout(60, 0), None);
        assert_eq!(value(&found, "origination_caller_id_number"), Some("4420"));
        assert_eq!(value(&found, "fsx_gateway_id"), Some("7"));
        assert_eq!(value(&found, "origination_privacy"), None);
        assert_eq!(value(&found, "outbound_redirect_fatal"), Some("true"));
        route.vars.insert("outbound_redirect_fatal".to_owned(), "false".to_owned());
        let found = variables(&Config::default(), &route, "");
        assert_eq!(value(&found, "outbound_redirect_fatal"), Some("false"), "a trusted gateway");
    }

    #[test]
    fn withheld_means_withheld() {
        let mut route = Route { withhold_cli: true, ..Route::default() };
        let found = variables(&Config::default(), &route, "4420");
        assert!(found.iter().all(|(_, value)| !value.contains("4420")), "{found:?}");
        assert_eq!(value(&found, "sip_cid_type"), Some("none"));
        assert_eq!(value(&found, "origination_caller_id_number"), Some("anonymous"));

        route.vars.insert("sip_cid_type".to_owned(), "pid".to_owned());
        let found = variables(&Config::default(), &route, "4420");
        assert_eq!(value(&found, "origination_caller_id_number"), Some("4420"));
        assert_eq!(value(&found, "origination_privacy"), Some("screen:hide_name:hide_number"));
        assert!(value(&found, "sip_invite_full_from").is_some_and(|from| from.contains("invalid")));
        let found = variables(&Config::default(), &route, "");
        assert_eq!(value(&found, "origination_caller_id_number"), Some("anonymous"));
    }
}
