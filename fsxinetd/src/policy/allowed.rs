//! What organisations' scripts may set on a call, and what the operator lets them choose beside.
//!
//! A switch reads hundreds of variables by name, and every module adds its own: by some it runs a
//! program, sends the call elsewhere, writes into its messages or reads a file. Nobody can list all of
//! those, so here are the harmless ones, each with what its value may be; everything else is refused by
//! name. A script's own variables begin with `my_`, which no part of the switch reads.

use std::collections::BTreeMap;

use super::handoff;
use super::screen::{Author, plain_sound};
use crate::config;

/// What a script's own variables begin with.
const OWN: &str = "my_";

/// What the value of a variable may be; the empty one always unsets it.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Kind {
    /// A word for yes or no.
    Flag,
    /// A whole number up to this one.
    Number(u32),
    /// Names or numbers of causes, or a word for yes or no.
    Causes,
    /// A name as people read it.
    Name,
    /// A telephone number that the call may be shown with.
    Caller,
    /// A telephone number or a name in an address.
    Callee,
    /// Something that is played.
    Sound,
    /// Several of those, with commas between them.
    Sounds,
    /// Keys of a telephone, or `none` or `any`.
    Keys,
    /// `en`, `en-GB`.
    Language,
    /// A time zone.
    Zone,
    /// The name of a voice or an engine.
    Voice,
    /// One of these.
    OneOf(&'static [&'static str]),
    /// `_continue_:30`.
    Orbit,
    /// Set by the switch; a script may only clear it.
    Cleared,
}

/// Most seconds, or milliseconds where the switch counts those, that a wait may be set to.
const DAY_S: u32 = 86_400;
const DAY_MS: u32 = 86_400_000;

/// The list, by name in small letters.
const VARIABLES: &[(&str, Kind)] = &[
    ("bridge_answer_timeout", Kind::Number(DAY_S)),
    ("bridge_terminate_key", Kind::Keys),
    ("call_timeout", Kind::Number(DAY_S)),
    ("cc_base_score", Kind::Number(100_000)),
    ("cc_cancel_reason", Kind::Cleared),
    ("cc_cause", Kind::Cleared),
    ("cc_exit_key", Kind::Cleared),
    ("cc_exit_keys", Kind::Keys),
    ("cc_moh_override", Kind::Sound),
    ("cc_outbound_announce", Kind::Sound),
    ("cc_warning_tone", Kind::Sound),
    ("continue_on_fail", Kind::Causes),
    ("default_language", Kind::Language),
    ("effective_callee_id_name", Kind::Name),
    ("effective_callee_id_number", Kind::Callee),
    ("effective_caller_id_name", Kind::Name),
    ("effective_caller_id_number", Kind::Caller),
    ("failure_causes", Kind::Causes),
    ("fifo_announce", Kind::Sound),
    ("fifo_caller_exit_key", Kind::Keys),
    ("fifo_chime_freq", Kind::Number(DAY_S)),
    ("fifo_chime_list", Kind::Sounds),
    ("fifo_hold_music", Kind::Sound),
    ("fifo_music", Kind::Sound),
    ("fifo_orbit_announce", Kind::Sound),
    ("fifo_orbit_exten", Kind::Orbit),
    ("fifo_override_announce", Kind::Sound),
    ("fifo_priority", Kind::Number(10)),
    ("fifo_status", Kind::Cleared),
    // A mark for the call record; nobody decides by it.
    ("fsx_recording", Kind::OneOf(&["on", "refused"])),
    ("group_confirm_cancel_timeout", Kind::Flag),
    ("group_confirm_error_file", Kind::Sound),
    ("group_confirm_file", Kind::Sound),
    // "exec" would run the application that group_confirm_file names.
    ("group_confirm_key", Kind::Keys),
    ("group_confirm_read_timeout", Kind::Number(DAY_MS)),
    ("group_confirm_timeout", Kind::Number(DAY_S)),
    ("hangup_after_bridge", Kind::Flag),
    ("hold_music", Kind::Sound),
    ("ignore_early_media", Kind::OneOf(&["true", "false", "ring_ready", "consume"])),
    ("instant_ringback", Kind::Flag),
    ("language", Kind::Language),
    ("leg_delay_start", Kind::Number(DAY_S)),
    ("leg_progress_timeout", Kind::Number(DAY_S)),
    ("leg_timeout", Kind::Number(DAY_S)),
    ("originate_continue_on_timeout", Kind::Flag),
    ("originate_disposition", Kind::Cleared),
    ("originate_retries", Kind::Number(10)),
    ("originate_retry_sleep_ms", Kind::Number(60_000)),
    ("originate_timeout", Kind::Number(DAY_S)),
    ("playback_sleep_val", Kind::Number(DAY_MS)),
    ("playback_terminator_used", Kind::Cleared),
    ("playback_terminators", Kind::Keys),
    ("playback_timeout_as_success", Kind::Flag),
    ("playback_timeout_sec", Kind::Number(DAY_S)),
    ("playback_timeout_sec_cumulative", Kind::Number(DAY_S)),
    ("progress_timeout", Kind::Number(DAY_S)),
    ("read_result", Kind::Cleared),
    ("read_terminator_used", Kind::Cleared),
    ("record_answer_req", Kind::Flag),
    ("record_append", Kind::Flag),
    ("record_artist", Kind::Name),
    ("record_bridge_req", Kind::Flag),
    ("record_comment", Kind::Name),
    ("record_copyright", Kind::Name),
    ("record_date", Kind::Name),
    ("record_fill_cng", Kind::OneOf(&["true", "false"])),
    ("record_min_sec", Kind::Number(DAY_S)),
    ("record_read_only", Kind::Flag),
    ("record_software", Kind::Name),
    ("record_stereo", Kind::Flag),
    ("record_stereo_swap", Kind::Flag),
    ("record_title", Kind::Name),
    ("record_waste_resources", Kind::Flag),
    ("record_write_only", Kind::Flag),
    ("ringback", Kind::Sound),
    ("send_silence_when_idle", Kind::Number(100_000)),
    ("skip_greeting", Kind::Flag),
    ("skip_instructions", Kind::Flag),
    ("sleep_eat_digits", Kind::Flag),
    ("temp_hold_music", Kind::Sound),
    ("timezone", Kind::Zone),
    ("transfer_ringback", Kind::Sound),
    ("tts_engine", Kind::Voice),
    ("tts_voice", Kind::Voice),
    ("vm_message_ext", Kind::OneOf(&["wav", "mp3"])),
    ("voicemail_greeting_number", Kind::Number(9)),
];

/// Parts of names by which the switch runs something, wherever they stand in the name
/// (`record_post_process_exec_app`, `bridge_pre_execute_bleg_app`, `api_hangup_hook`, …). An operator's
/// prefix does not open these; only the whole name does.
const RUNS_SOMETHING: &[&str] =
    &["exec", "api_", "_api", "hook", "script", "on_answer", "on_media"];

/// Why a name is not on the list, by its beginning, for people who wonder.
const WHY: &[(&str, &str)] = &[
    ("_nolocal_", "the switch takes it for the name without its beginning"),
    ("accountcode", "it says whose call it is"),
    ("bridge_", "the switch runs something by it"),
    ("campon", "it sends the call elsewhere"),
    ("domain_name", "it says whose call it is"),
    ("export_vars", "it hands other variables on"),
    ("fifo_orbit", "it sends the call elsewhere"),
    ("force_transfer", "it sends the call elsewhere"),
    ("fsx_", "the platform tells itself something by it"),
    ("nibble", "it is about money"),
    ("origination_", "it is about legs; fsx.dial sets it from its options"),
    ("recordings_dir", "it says where files lie"),
    ("rm", "it says whose call it is"),
    ("sip_", "it goes into the switch's messages"),
    ("sound", "it says where files lie"),
    ("transfer_", "it sends the call elsewhere"),
    ("valet", "it sends the call elsewhere"),
    ("vm_", "it is about other mailboxes"),
    ("voicemail_", "it is about other mailboxes"),
];

/// A name, or a beginning and `*`.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Pattern {
    Whole(String),
    Beginning(String),
}

impl Pattern {
    fn new(text: &str) -> Self {
        let lower = text.to_ascii_lowercase();
        match lower.strip_suffix('*') {
            Some(start) => Self::Beginning(start.to_owned()),
            None => Self::Whole(lower),
        }
    }

    fn all(texts: &[String]) -> Vec<Self> {
        texts.iter().map(|text| Self::new(text)).collect()
    }

    fn matches(&self, lower: &str) -> bool {
        match self {
            Self::Whole(name) => name == lower,
            Self::Beginning(start) => lower.starts_with(start.as_str()),
        }
    }
}

/// What the operator lets organisations' scripts do beyond the list: `[policy]` of the configuration.
#[derive(Clone, Debug, Default)]
pub struct Allowances {
    variables: Vec<Pattern>,
    profiles: Vec<Pattern>,
    carrier_groups: Vec<Pattern>,
    data_centres: Vec<Pattern>,
    /// Numbers that an organisation may show, by its number or `*`; digits, or a beginning and `*`.
    caller_ids: BTreeMap<String, Vec<Pattern>>,
    domain: String,
}

impl From<&config::Policy> for Allowances {
    fn from(config: &config::Policy) -> Self {
        let digits = |number: &String| number.trim_start_matches('+').to_owned();
        let numbers =
            |list: &Vec<String>| Pattern::all(&list.iter().map(digits).collect::<Vec<_>>());
        Self {
            variables: Pattern::all(&config.variables_organisations),
            profiles: Pattern::all(&config.profiles_organisations),
            carrier_groups: Pattern::all(&config.carrier_groups_organisations),
            data_centres: Pattern::all(&config.data_centres_organisations),
            caller_ids: config
                .caller_ids_organisations
                .iter()
                .map(|(org, list)| (org.clone(), numbers(list)))
                .collect(),
            domain: config.domain_organisations.clone(),
        }
    }
}

impl Allowances {
    /// The domain of an organisation whose calls name none; `None` where the operator has the switch
    /// say it.
    pub(super) fn domain(&self, org: u32) -> Option<String> {
        let domain = self.domain.replace("{org}", &org.to_string());
        (!domain.is_empty()).then_some(domain)
    }

    /// Whether the organisation may show this number, beside those of the call. `digits` is without
    /// its plus.
    pub(super) fn may_show(&self, org: u32, digits: &str) -> bool {
        [org.to_string(), "*".to_owned()]
            .iter()
            .filter_map(|who| self.caller_ids.get(who))
            .flatten()
            .any(|pattern| pattern.matches(digits))
    }

    /// Whether an organisation's script may put `value` for `name` in a question to the engine.
    ///
    /// # Errors
    /// That it may not, with the key of the configuration.
    pub(super) fn may_ask(&self, name: &str, value: &str) -> Result<(), String> {
        let list = match name {
            "profile" => &self.profiles,
            "carrier_group" => &self.carrier_groups,
            "data_centre" => &self.data_centres,
            _ => return Err("only the platform's policies may say it".to_owned()),
        };
        let lower = value.to_ascii_lowercase();
        if list.iter().any(|pattern| pattern.matches(&lower)) {
            return Ok(());
        }
        Err(format!(
            "organisations' policies may not choose \"{value}\" (policy.{name}s_organisations)"
        ))
    }

    fn names(&self, lower: &str) -> bool {
        let runs = RUNS_SOMETHING.iter().any(|part| lower.contains(part));
        self.variables.iter().any(|pattern| {
            pattern.matches(lower) && (!runs || matches!(pattern, Pattern::Whole(_)))
        })
    }
}

/// Who sets variables, and what they may.
pub(super) struct Rights<'a> {
    pub(super) author: Author,
    pub(super) allowed: &'a Allowances,
    /// Whether the call may be shown with this number.
    pub(super) shows: &'a dyn Fn(&str) -> Result<(), String>,
}

/// Whether an organisation's script may set this variable to this value.
///
/// # Errors
/// Why not, with the name, for the script's author.
pub(super) fn variable(rights: &Rights<'_>, name: &str, value: &str) -> Result<(), String> {
    let lower = name.to_ascii_lowercase();
    let runs = RUNS_SOMETHING.iter().find(|part| lower.contains(**part));
    if let Some(own) = lower.strip_prefix(OWN) {
        return match runs {
            None if !own.is_empty() => Ok(()),
            _ => Err(format!("variable {name}: a name such as {OWN}note was expected")),
        };
    }
    if rights.allowed.names(&lower) {
        return Ok(());
    }
    if let Ok(at) = VARIABLES.binary_search_by_key(&lower.as_str(), |(known, _)| known) {
        if value.is_empty() {
            return Ok(());
        }
        let said = match VARIABLES[at].1 {
            Kind::Caller => (rights.shows)(value),
            kind => fits(kind, value),
        };
        return said.map_err(|why| format!("variable {name}: {why}"));
    }
    if runs.is_some() {
        return Err(format!(
            "variable {name}: organisations may not set it: the switch runs something by it"
        ));
    }
    let own = format!("a script's own variables begin with {OWN}");
    match WHY.iter().find(|(start, _)| lower.starts_with(start)) {
        Some((_, why)) => {
            Err(format!("variable {name}: organisations may not set it: {why}; {own}"))
        }
        None => Err(format!(
            "variable {name}: it is not among those that organisations may set; {own} ({OWN}{name})"
        )),
    }
}

/// Whether organisations may set a variable of this name, where the operator adds none.
///
/// # Errors
/// Why not.
pub(super) fn listed(name: &str) -> Result<(), String> {
    let allowed = Allowances::default();
    let rights = Rights { author: Author::Organisation, allowed: &allowed, shows: &|_| Ok(()) };
    variable(&rights, name, "")
}

fn fits(kind: Kind, value: &str) -> Result<(), String> {
    const YES_NO: [&str; 8] = ["true", "false", "yes", "no", "on", "off", "1", "0"];
    let is_flag = YES_NO.iter().any(|word| value.eq_ignore_ascii_case(word));
    let plain = |more: &[u8]| {
        value.len() <= 128 && value.bytes().all(|b| b.is_ascii_alphanumeric() || more.contains(&b))
    };
    let (good, expected) = match kind {
        Kind::Flag => (is_flag, "true or false".to_owned()),
        Kind::Number(most) => (
            value.bytes().all(|b| b.is_ascii_digit())
                && value.parse::<u32>().is_ok_and(|n| n <= most),
            format!("a whole number from 0 to {most}"),
        ),
        Kind::Causes => (is_flag || plain(b"_, "), "causes, or true or false".to_owned()),
        Kind::Name => return name(value),
        Kind::Callee => (plain(b"+*#._-"), "a number or a name".to_owned()),
        Kind::Sound => (plays(value), "a sound that a policy may play".to_owned()),
        Kind::Sounds => (value.split(',').all(plays), "sounds that a policy may play".to_owned()),
        Kind::Keys => {
            let keys = value.bytes().all(|b| b.is_ascii_digit() || b"*#".contains(&b));
            (keys || value == "none" || value == "any", "keys of a telephone".to_owned())
        }
        Kind::Language => (plain(b"-_") && value.len() <= 16, "a language such as en".to_owned()),
        Kind::Zone => (plain(b"/_+-") && !value.starts_with('/'), "a time zone".to_owned()),
        Kind::Voice => (
            plain(b"_-./ ") && !value.contains("..") && !value.starts_with('/'),
            "the name of a voice".to_owned(),
        ),
        Kind::OneOf(words) => (words.contains(&value), format!("one of {}", words.join(", "))),
        Kind::Orbit => {
            let seconds = value.strip_prefix("_continue_:").unwrap_or("");
            let digits = !seconds.is_empty() && seconds.bytes().all(|b| b.is_ascii_digit());
            (digits, "_continue_:<seconds>".to_owned())
        }
        Kind::Cleared => (false, "nothing: the switch says it, a policy may clear it".to_owned()),
        // Asked of the call, before this.
        Kind::Caller => (false, "a number".to_owned()),
    };
    if good { Ok(()) } else { Err(format!("\"{}\": expected {expected}", shown(value))) }
}

fn shown(value: &str) -> String {
    value.chars().take(60).collect()
}

/// A name that people are shown: nothing in it that would end it in a message.
///
/// # Errors
/// That it is none.
pub(super) fn name(value: &str) -> Result<(), String> {
    let ends = |c: char| c.is_control() || "\"<>\\;[]{}|^$".contains(c);
    if value.chars().count() <= 100 && !value.contains(ends) {
        return Ok(());
    }
    Err(format!(
        "\"{}\": expected a name of at most 100 characters, without \"<>[]{{}};|^$",
        shown(value)
    ))
}

/// Something that an organisation may have played while a call waits.
pub(super) fn plays(value: &str) -> bool {
    let stream = value.strip_prefix("local_stream://").is_some_and(handoff::is_name);
    // A tone as `ringback` has it: %(on,off,hertz…).
    let tone = value.starts_with("%(")
        && value.bytes().all(|b| b.is_ascii_digit() || b"%(),.;+".contains(&b));
    stream || tone || value == "silence" || plain_sound(value)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn may(allowed: &Allowances, name: &str, value: &str) -> Result<(), String> {
        let shows = |number: &str| match number {
            "442079460000" => Ok(()),
            _ => Err("not its own".to_owned()),
        };
        variable(&Rights { author: Author::Organisation, allowed, shows: &shows }, name, value)
    }

    #[test]
    fn the_list_is_in_order() {
        for pair in VARIABLES.windows(2) {
            assert!(pair[0].0 < pair[1].0, "{} {}", pair[0].0, pair[1].0);
        }
    }

    #[test]
    fn what_is_not_on_the_list_is_refused_by_name() {
        let none = Allowances::default();
        for name in [
            "_nolocal_group_confirm_key",
            "accountcode",
            "api_hangup_hook",
            "bridge_pre_execute_bleg_app",
            "campon_fallback_exten",
            "domain_name",
            "execute_on_answer",
            "Execute_On_Answer",
            "export_vars",
            "fifo_orbit_context",
            "fifo_orbit_dialplan",
            "force_transfer_dialplan",
            "fsx_gateway_id",
            "fsx_policy_version",
            "nibble_rate",
            "origination_caller_id_number",
            "process_cdr",
            "record_post_process_exec_app",
            "recordings_dir",
            "rmOrgID",
            "session_in_hangup_hook",
            "signal_bond",
            "sip_h_X-Route",
            "sip_invite_req_uri",
            "sip_redirect_contact_0",
            "sip_route_uri",
            "socket_resume",
            "sound_prefix",
            "transfer_after_bridge",
            "vm_operator_extension",
            "voicemail_authorized",
            "voicemail_greeting_path",
            // Nobody's, and somebody's next year.
            "account",
            "whatever_comes_next",
            "my_",
            "my_execute_on_answer",
        ] {
            for value in ["x", ""] {
                let said = may(&none, name, value).expect_err(name);
                assert!(said.starts_with(&format!("variable {name}: ")), "{said}");
            }
        }
        assert!(may(&none, "account", "1").expect_err("no").contains("my_account"));
        for (name, value) in [("my_account", "12; any 'text'"), ("MY_note", ""), ("my_a.b-c", "x")]
        {
            assert_eq!(may(&none, name, value), Ok(()), "{name}");
        }
    }

    #[test]
    fn what_is_on_the_list_is_looked_at_by_value() {
        let none = Allowances::default();
        for (name, value, expected) in [
            ("call_timeout", "20", true),
            ("Call_Timeout", "20", true),
            ("call_timeout", "", true),
            ("call_timeout", "86401", false),
            ("call_timeout", "+20", false),
            ("call_timeout", "20 execute_on_answer=x", false),
            ("hangup_after_bridge", "true", true),
            ("hangup_after_bridge", "NO", true),
            ("hangup_after_bridge", "perhaps", false),
            ("continue_on_fail", "USER_BUSY,NO_ANSWER,17", true),
            ("continue_on_fail", "true", true),
            ("continue_on_fail", "a=b", false),
            ("effective_caller_id_name", "Ann O'Neil, Sales", true),
            ("effective_caller_id_name", "x\" <sip:900@elsewhere.example>", false),
            ("effective_caller_id_number", "442079460000", true),
            ("effective_caller_id_number", "447700900999", false),
            ("group_confirm_key", "1", true),
            ("group_confirm_key", "exec", false),
            ("Group_Confirm_Key", "exec", false),
            ("group_confirm_file", "ivr/press-1.wav", true),
            ("group_confirm_file", "system reboot", false),
            ("group_confirm_file", "/etc/passwd", false),
            ("ringback", "%(400,200,400,450);%(400,2000,400,450)", true),
            ("ringback", "tone_stream://%(400,200,400,450)", true),
            ("ringback", "${system(x)}", false),
            ("hold_music", "local_stream://moh", true),
            ("hold_music", "local_stream://../x", false),
            ("hold_music", "shout://elsewhere.example/x", false),
            ("fifo_chime_list", "a.wav,b/c.wav", true),
            ("fifo_chime_list", "a.wav,/etc/passwd", false),
            ("fifo_orbit_exten", "_continue_:30", true),
            ("fifo_orbit_exten", "1000:30", false),
            ("fifo_orbit_exten", "", true),
            ("playback_terminators", "none", true),
            ("playback_terminators", "*#", true),
            ("playback_terminators", "x", false),
            ("language", "en-GB", true),
            ("language", "../en", false),
            ("timezone", "Europe/London", true),
            ("timezone", "/etc/passwd", false),
            ("tts_voice", "en-GB/Amy", true),
            ("tts_engine", "../x", false),
            ("fsx_recording", "on", true),
            ("fsx_recording", "off", false),
            ("read_result", "", true),
            ("read_result", "success", false),
            ("record_stereo", "true", true),
            ("RECORD_TITLE", "Call of Ann", true),
        ] {
            assert_eq!(may(&none, name, value).is_ok(), expected, "{name}={value}");
        }
    }

    #[test]
    fn the_operator_adds_names() {
        let config = config::Policy {
            variables_organisations: ["crm_*", "rmNote", "sip_h_X-Colour", "execute_on_tea"]
                .map(str::to_owned)
                .into(),
            ..config::Policy::default()
        };
        let allowed = Allowances::from(&config);
        for (name, expected) in [
            ("crm_customer", true),
            ("CRM_customer", true),
            ("crm_execute_on_answer", false),
            ("rmNote", true),
            ("rmNotes", false),
            ("rmOrgID", false),
            ("sip_h_X-Colour", true),
            ("sip_h_X-Route", false),
            // Named whole: the operator means it.
            ("execute_on_tea", true),
        ] {
            assert_eq!(may(&allowed, name, "x").is_ok(), expected, "{name}");
        }
    }

    #[test]
    fn what_the_operator_lets_them_choose() {
        let config = config::Policy {
            profiles_organisations: vec!["quality".to_owned()],
            data_centres_organisations: vec!["*".to_owned()],
            caller_ids_organisations: [
                ("37".to_owned(), vec!["+44207946*".to_owned()]),
                ("*".to_owned(), vec!["443000000000".to_owned()]),
            ]
            .into(),
            ..config::Policy::default()
        };
        let allowed = Allowances::from(&config);
        for (name, value, expected) in [
            ("profile", "quality", true),
            ("profile", "cost", false),
            ("carrier_group", "gold", false),
            ("data_centre", "SYD1", true),
            ("lrn", "447700900123", false),
        ] {
            assert_eq!(allowed.may_ask(name, value).is_ok(), expected, "{name}={value}");
        }
        assert!(allowed.may_show(37, "442079460099") && allowed.may_show(38, "443000000000"));
        assert!(!allowed.may_show(38, "442079460099"));
        assert_eq!(allowed.domain(37).as_deref(), Some("37"));
        assert_eq!(Allowances::default().domain(37), None);
    }
}
