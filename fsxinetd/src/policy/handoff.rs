//! What an organisation's script may hand its call to beside users and routes: mailboxes, queues and
//! recordings, its own.
//!
//! The applications behind them reach every organisation on the switch: `voicemail` opens any
//! mailbox, `fifo` any queue, `record_session` writes any file. So each is let through in one form
//! only, with the organisation's own domain or folder in it; and the variables by which these
//! applications would transfer a call, run something or read a file are looked at by value.

use fsx_wire::esl::Action;

use super::Call;
use super::screen::plain_sound;

/// Where recordings lie, as the switch knows it. Scripts may not set it.
const RECORDINGS: &str = "${recordings_dir}/";

/// What may be said of a recording.
const RECORDING_VARS: [&str; 3] = ["RECORD_STEREO=", "RECORD_BRIDGE_REQ=", "RECORD_MIN_SEC="];

/// Variables that send a call elsewhere, say whose it is, or where the switch looks for files.
const REFUSED: &[&str] = &[
    "domain_name",
    "fifo_orbit_context",
    "fifo_orbit_dialplan",
    "recordings_dir",
    "sound_prefix",
    "sounds_dir",
    "vm_operator_extension",
    "voicemail_authorized",
    "voicemail_callback_",
];

/// Variables that name something to be played.
const SOUNDS: &[&str] = &[
    "cc_moh_override",
    "cc_outbound_announce",
    "cc_warning_tone",
    "fifo_chime_list",
    "fifo_orbit_announce",
    "group_confirm_error_file",
    "group_confirm_file",
    "hold_music",
    "ringback",
    "temp_hold_music",
    "transfer_ringback",
    "voicemail_greeting_path",
];

/// Names that the organisation's own things on the switch end in: the domain that the call came
/// with, and the organisation's number.
fn domains(call: &Call) -> impl Iterator<Item = String> {
    let named = call.variable("domain_name").filter(|name| !name.is_empty()).map(str::to_owned);
    named.into_iter().chain([call.facts.org.to_string()])
}

/// Whether `domain` is the organisation's own.
///
/// # Errors
/// That it is not, with those that are.
pub(super) fn domain(call: &Call, domain: &str) -> Result<(), String> {
    if domains(call).any(|own| own == domain) {
        return Ok(());
    }
    let own = domains(call).collect::<Vec<_>>().join(" or ");
    Err(format!("the domain {domain} is not this organisation's; expected {own}"))
}

/// One word that names something: nothing in it that ends the word or means more than itself.
pub(super) fn is_name(text: &str) -> bool {
    let plain = |b: u8| b.is_ascii_alphanumeric() || b"._-".contains(&b);
    !text.is_empty() && text.len() <= 128 && text.bytes().all(plain) && !text.contains("..")
}

/// Whether an organisation's script may have this run; `None` where it is not for here to say.
pub(super) fn action(call: &Call, action: &Action) -> Option<Result<(), String>> {
    let (app, data) = (action.app.as_str(), action.data.as_str());
    let words: Vec<&str> = data.split(' ').collect();
    let said = match app {
        "voicemail" => match words.as_slice() {
            [profile, own, mailbox] if is_name(profile) && is_name(mailbox) => {
                if ["check", "auth", "auth_only"].contains(&profile.to_ascii_lowercase().as_str()) {
                    Err("organisations' policies may leave messages only".to_owned())
                } else {
                    domain(call, own)
                }
            }
            _ => Err("expected \"<profile> <domain> <mailbox>\"".to_owned()),
        },
        "callcenter" => match words.as_slice() {
            [queue] => own_queue(call, queue),
            _ => Err("expected \"<queue>@<domain>\"".to_owned()),
        },
        "fifo" => match words.as_slice() {
            [queue, "in", sounds @ ..] if sounds.len() <= 2 => {
                match sounds.iter().find(|sound| **sound != "undef" && !plays(sound)) {
                    Some(sound) => Err(format!("\"{sound}\" is no sound that a policy may play")),
                    None => own_queue(call, queue),
                }
            }
            _ => Err("expected \"<queue>@<domain> in [announcement [music]]\"".to_owned()),
        },
        "record_session" => recording(call, &words),
        "stop_record_session"
        | "record_session_mask"
        | "record_session_unmask"
        | "record_session_pause"
        | "record_session_resume" => match words.as_slice() {
            [path] => own_recording(call, path),
            _ => Err("expected the recording's path".to_owned()),
        },
        "bridge" => {
            let others = |part: &str| {
                let (_, at) = part.trim().strip_prefix("user/")?.split_once('@')?;
                domain(call, at).err()
            };
            // Whom else it may ring is for the screen to say.
            Err(data.split(['|', ',']).find_map(others)?)
        }
        _ => return None,
    };
    Some(said.map_err(|why| format!("{app}: {why}")))
}

fn own_queue(call: &Call, queue: &str) -> Result<(), String> {
    match queue.split_once('@') {
        Some((name, own)) if is_name(name) => domain(call, own),
        _ => Err("expected \"<queue>@<domain>\"".to_owned()),
    }
}

fn own_recording(call: &Call, path: &str) -> Result<(), String> {
    let folder = format!("{RECORDINGS}{}/", call.facts.org);
    match path.strip_prefix(&folder) {
        Some(file) if is_name(file) => Ok(()),
        _ => Err(format!("expected a file in {folder}")),
    }
}

/// `<path> [+<seconds>] [{NAME=value,…}]`.
fn recording(call: &Call, words: &[&str]) -> Result<(), String> {
    let (path, mut rest) =
        words.split_first().ok_or_else(|| "expected the recording's path".to_owned())?;
    own_recording(call, path)?;
    let digits = |text: &str| !text.is_empty() && text.bytes().all(|b| b.is_ascii_digit());
    if let [limit, more @ ..] = rest
        && limit.strip_prefix('+').is_some_and(digits)
    {
        rest = more;
    }
    match rest {
        [] => Ok(()),
        [vars] => {
            let list = vars.strip_prefix('{').and_then(|list| list.strip_suffix('}'));
            let known = |pair: &str| {
                RECORDING_VARS.iter().any(|name| {
                    pair.strip_prefix(name).is_some_and(|value| value == "true" || digits(value))
                })
            };
            match list {
                Some(list) if list.split(',').all(known) => Ok(()),
                _ => Err(format!("\"{vars}\": expected {{{}…}}", RECORDING_VARS.join("…,"))),
            }
        }
        _ => Err("expected \"<path> [+<seconds>] [{…}]\"".to_owned()),
    }
}

/// Something that an organisation may have played while a call waits.
fn plays(value: &str) -> bool {
    let stream = value.strip_prefix("local_stream://").is_some_and(is_name);
    // A tone as `ringback` has it: %(on,off,hertz…).
    let tone = value.starts_with("%(")
        && value.bytes().all(|b| b.is_ascii_digit() || b"%(),.;+".contains(&b));
    stream || tone || value == "silence" || plain_sound(value)
}

/// Whether an organisation's script may set this variable to this value, beside what the screen says
/// of its name.
///
/// # Errors
/// Why not, in words for the script's author.
pub(super) fn variable(name: &str, value: &str) -> Result<(), String> {
    let lower = name.to_ascii_lowercase();
    if let Some(start) = REFUSED.iter().find(|start| lower.starts_with(**start)) {
        return Err(format!("variable {name}: organisations may not set {start}"));
    }
    if value.is_empty() {
        return Ok(());
    }
    if SOUNDS.contains(&lower.as_str()) && !plays(value) {
        return Err(format!("variable {name}: \"{value}\" is no sound that a policy may play"));
    }
    // "exec" would run the application that group_confirm_file names.
    if lower == "group_confirm_key"
        && !value.bytes().all(|b| b.is_ascii_digit() || b"*#".contains(&b))
    {
        return Err(format!("variable {name}: expected keys of a telephone"));
    }
    if lower == "fifo_orbit_exten" {
        let seconds = value.strip_prefix("_continue_:").unwrap_or("");
        if seconds.is_empty() || !seconds.bytes().all(|b| b.is_ascii_digit()) {
            return Err(format!("variable {name}: expected _continue_:<seconds>"));
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use fsx_wire::message::WireFacts;

    fn call() -> Call {
        let vars = [("domain_name".to_owned(), "acme.example".to_owned())];
        let facts = WireFacts { org: 37, vars: vars.into(), ..WireFacts::default() };
        Call { facts, ..Call::default() }
    }

    fn may(app: &str, data: &str) -> Option<bool> {
        action(&call(), &Action::new(app, data)).map(|said| said.is_ok())
    }

    #[test]
    fn a_call_goes_to_its_own_organisation_only() {
        for (app, data, expected) in [
            ("voicemail", "default acme.example 1001", true),
            ("bridge", "user/1001@other.example", false),
            ("bridge", "user/1001@acme.example,user/1002@other.example", false),
            ("voicemail", "default 37 1001", true),
            ("voicemail", "default other.example 1001", false),
            ("voicemail", "default 38 1001", false),
            ("voicemail", "check default 37", false),
            ("voicemail", "check default 37 1001", false),
            ("voicemail", "Check 37 1001", false),
            ("voicemail", "auth_only 37 1001", false),
            ("voicemail", "default 37", false),
            ("voicemail", "default 37 1001 x", false),
            ("voicemail", "default 37 ../x", false),
            ("voicemail", "", false),
            ("callcenter", "sales@acme.example", true),
            ("callcenter", "sales@37", true),
            ("callcenter", "sales@other.example", false),
            ("callcenter", "sales", false),
            ("callcenter", "sales@37 x", false),
            ("fifo", "sales@37 in", true),
            ("fifo", "sales@37 in undef local_stream://moh", true),
            ("fifo", "sales@37 in a/b.wav undef", true),
            ("fifo", "sales@37 in /etc/passwd", false),
            ("fifo", "sales@37 in undef undef early", false),
            ("fifo", "sales@37 out", false),
            ("fifo", "sales@38 in", false),
            ("record_session", "${recordings_dir}/37/a-1.wav", true),
            ("record_session", "${recordings_dir}/37/a.wav +60 {RECORD_STEREO=true}", true),
            (
                "record_session",
                "${recordings_dir}/37/a.wav {RECORD_MIN_SEC=2,RECORD_STEREO=true}",
                true,
            ),
            ("record_session", "${recordings_dir}/37/a.wav {RECORD_STEREO=true,x=y}", false),
            ("record_session", "${recordings_dir}/37/a.wav {execute_on_x=true}", false),
            ("record_session", "${recordings_dir}/37/a.wav +x", false),
            ("record_session", "${recordings_dir}/38/a.wav", false),
            ("record_session", "${recordings_dir}/37/../38/a.wav", false),
            ("record_session", "${recordings_dir}/37/a/b.wav", false),
            ("record_session", "/tmp/a.wav", false),
            ("record_session", "", false),
            ("stop_record_session", "${recordings_dir}/37/a.wav", true),
            ("stop_record_session", "all", false),
            ("record_session_mask", "${recordings_dir}/37/a.wav", true),
            ("record_session_mask", "${recordings_dir}/12/a.wav", false),
        ] {
            assert_eq!(may(app, data), Some(expected), "{app} {data}");
        }
        assert_eq!(may("playback", "x.wav"), None);
        // An organisation whose number begins like another's.
        assert_eq!(may("record_session", "${recordings_dir}/370/a.wav"), Some(false));
    }

    #[test]
    fn variables_are_looked_at_by_value() {
        for (name, value, expected) in [
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
            ("fifo_orbit_exten", "_continue_:30", true),
            ("fifo_orbit_exten", "1000:30", false),
            ("fifo_orbit_context", "other", false),
            ("fifo_orbit_exten", "", true),
            ("recordings_dir", "/tmp", false),
            ("Recordings_Dir", "/tmp", false),
            ("domain_name", "other.example", false),
            ("domain_name", "", false),
            ("voicemail_greeting_path", "/etc/x.wav", false),
            ("vm_operator_extension", "0", false),
            ("call_timeout", "20", true),
        ] {
            assert_eq!(variable(name, value).is_ok(), expected, "{name}={value}");
        }
    }
}
