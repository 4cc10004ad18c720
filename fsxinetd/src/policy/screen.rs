//! What scripts may have a switch do.
//!
//! FreeSWITCH hangs a call up over an application that it does not know, and several that it does
//! know reach the machine or other organisations' calls: `system`, `lua`, `eavesdrop`. So names are
//! checked here before anything is sent, and an organisation's script may use fewer than the
//! platform's. Arguments are screened too: `${system(…)}` in any argument is another way to the same
//! places, and so are variables, of which organisations may set those of [`super::allowed`].

use fsx_wire::answer::Route;
use fsx_wire::esl::Action;

use super::allowed::{self, Rights};

/// Applications that organisations' scripts may use.
const FOR_ORGANISATIONS: &[&str] = &[
    "answer",
    "bridge",
    "early_hangup",
    "export",
    "hangup",
    "log",
    "phrase",
    "playback",
    "pre_answer",
    "respond",
    "ring_ready",
    "say",
    "set",
    "sleep",
    "speak",
    "unset",
];

/// What the platform's own scripts may use beside those: FreeSWITCH 1.10's routing, media and
/// variable applications. None runs a program or a script on the switch.
const FOR_THE_PLATFORM: &[&str] = &[
    "acknowledge_call",
    "att_xfer",
    "bind_digit_action",
    "bind_meta_app",
    "block_dtmf",
    "break",
    "bridge_export",
    "broadcast",
    "callcenter",
    "capture",
    "check_acl",
    "clear_digit_action",
    "conference",
    "conference_set_auto_outcall",
    "deduplicate_dtmf",
    "deflect",
    "delay_echo",
    "detect_speech",
    "digit_action_set_realm",
    "displace_session",
    "eavesdrop",
    "echo",
    "enable_heartbeat",
    "enum",
    "esf_page_group",
    "event",
    "execute_extension",
    "fifo",
    "filter_codecs",
    "flush_dtmf",
    "fsx_bridge",
    "gentones",
    "group",
    "hash",
    "hold",
    "info",
    "intercept",
    "ivr",
    "jitterbuffer",
    "limit",
    "limit_execute",
    "limit_hash",
    "limit_hash_execute",
    "loop_playback",
    "media_reset",
    "multiset",
    "multiunset",
    "park",
    "pickup",
    "play_and_detect_speech",
    "play_and_get_digits",
    "presence",
    "privacy",
    "push",
    "queue_dtmf",
    "read",
    "record",
    "record_session",
    "record_session_mask",
    "record_session_pause",
    "record_session_resume",
    "record_session_unmask",
    "recovery_refresh",
    "redirect",
    "remove_bugs",
    "rxfax",
    "sched_broadcast",
    "sched_cancel",
    "sched_hangup",
    "sched_heartbeat",
    "sched_transfer",
    "send_display",
    "send_dtmf",
    "send_info",
    "set_audio_level",
    "set_media_stats",
    "set_mute",
    "set_name",
    "set_profile_var",
    "set_user",
    "sleep",
    "soft_hold",
    "sound_test",
    "start_dtmf",
    "start_dtmf_generate",
    "stop_displace_session",
    "stop_dtmf",
    "stop_dtmf_generate",
    "stop_record_session",
    "stop_tone_detect",
    "strftime",
    "three_way",
    "tone_detect",
    "transfer",
    "transfer_vars",
    "txfax",
    "unbind_meta_app",
    "unblock_dtmf",
    "unhold",
    "unshift",
    "valet_park",
    "verbose_events",
    "voicemail",
    "wait_for_answer",
    "wait_for_silence",
];

/// Longest data of one application, in bytes: a hundred of these are read by the switch in a moment.
const MAX_DATA: usize = 16 << 10;

/// Who wrote the script.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Author {
    /// The platform: the `default` bundle.
    Platform,
    /// An organisation.
    Organisation,
}

/// Whether a script may set this variable to this value.
///
/// # Errors
/// Why not, in words for the script's author.
pub(super) fn variable(rights: &Rights<'_>, name: &str, value: &str) -> Result<(), String> {
    let ok = |b: u8| b.is_ascii_alphanumeric() || matches!(b, b'_' | b'-' | b'.');
    if name.is_empty() || name.len() > 128 || !name.bytes().all(ok) {
        return Err(format!("\"{name}\" is no name of a channel variable"));
    }
    if rights.author == Author::Organisation {
        allowed::variable(rights, name, value)?;
    }
    if value.len() > 4_096 {
        return Err(format!("variable {name}: {} bytes, expected at most 4096", value.len()));
    }
    if value.bytes().any(|b| b.is_ascii_control()) {
        return Err(format!("variable {name}: the value holds a control character"));
    }
    // The switch expands these when it sets the variable, and refuses what is left of them.
    if value.contains("${") || value.contains('\\') {
        return Err(format!("variable {name}: the value holds \"${{\" or a backslash"));
    }
    Ok(())
}

/// What holds for the data of every application, whoever asks for it.
///
/// # Errors
/// Why it cannot be sent, in words for the script's author.
pub(super) fn data(action: &Action) -> Result<(), String> {
    action.check().map_err(|error| error.to_string())?;
    let app = action.app.as_str();
    if action.data.len() > MAX_DATA {
        let got = action.data.len();
        return Err(format!("{app}: {got} bytes of data, expected at most {MAX_DATA}"));
    }
    if calls_the_api(&action.data) {
        return Err(format!("{app}: the data calls a switch command (\"${{name(…)}}\")"));
    }
    Ok(())
}

/// Whether a script may have the switch run this. `given` are the routes that the engine gave to
/// this very run.
///
/// # Errors
/// Why not, in words for the script's author.
pub(super) fn action(rights: &Rights<'_>, action: &Action, given: &[Route]) -> Result<(), String> {
    let author = rights.author;
    data(action)?;
    let app = action.app.as_str();
    let own = FOR_ORGANISATIONS.contains(&app);
    match author {
        _ if own => {}
        Author::Platform if FOR_THE_PLATFORM.contains(&app) => {}
        Author::Organisation if FOR_THE_PLATFORM.contains(&app) => {
            return Err(format!("organisations' policies may not use the application {app}"));
        }
        _ => return Err(format!("there is no application {app} that a policy may use")),
    }
    if matches!(app, "set" | "export") {
        let data = action.data.strip_prefix("nolocal:").unwrap_or(&action.data);
        let (name, value) = data.split_once('=').unwrap_or((data, ""));
        return variable(rights, name.trim(), value.trim());
    }
    if app == "unset" {
        return variable(rights, action.data.trim(), "");
    }
    if author == Author::Platform {
        return Ok(());
    }
    match app {
        "bridge" if !may_bridge(&action.data, given) => {
            Err("bridge: organisations' policies may bridge to routes from fsx.route and to user/…"
                .to_owned())
        }
        "playback" if !plain_sound(&action.data) => Err(
            "playback: expected a sound by its relative name, silence_stream:// or tone_stream://"
                .to_owned(),
        ),
        "respond" if !refuses(&action.data) => {
            Err("respond: organisations' policies may refuse with a status from 400 to 699"
                .to_owned())
        }
        _ => Ok(()),
    }
}

/// `486` or `486 Busy Here`. A redirection would send the call, or an answer would say things of its
/// media.
fn refuses(data: &str) -> bool {
    let (status, reason) = data.split_once(' ').unwrap_or((data, ""));
    status.len() == 3
        && status.parse::<u16>().is_ok_and(|status| (400..700).contains(&status))
        && reason.bytes().all(|b| b.is_ascii_alphanumeric() || b" .'-".contains(&b))
}

/// It changes what is known of the call and nothing else.
pub(crate) fn is_annotation(action: &Action) -> bool {
    matches!(action.app.as_str(), "set" | "unset" | "export" | "log")
}

/// Whether a script may have this sound played.
///
/// # Errors
/// Why not, in words for the script's author.
pub(super) fn sound(author: Author, path: &str) -> Result<(), String> {
    if author == Author::Organisation && !path.is_empty() && !plain_sound(path) {
        return Err(format!(
            "\"{path}\": expected a sound by its relative name, silence_stream:// or tone_stream://"
        ));
    }
    if path.bytes().any(|b| b.is_ascii_control()) || path.contains("${") || path.contains('\'') {
        return Err("a sound's name may not hold a control character, a quote or \"${\"".to_owned());
    }
    Ok(())
}

/// `${name(args)}` and `${name args}` run a command of the switch.
fn calls_the_api(data: &str) -> bool {
    let mut rest = data;
    while let Some(at) = rest.find('$') {
        rest = &rest[at + 1..];
        let inner = rest.trim_start_matches('$');
        if let Some(inner) = inner.strip_prefix('{') {
            let end = inner.find('}').unwrap_or(inner.len());
            if inner[..end].contains(['(', ' ', '$']) {
                return true;
            }
        }
    }
    false
}

fn may_bridge(data: &str, given: &[Route]) -> bool {
    let plain = |part: &str| {
        part.strip_prefix("user/").is_some_and(|user| {
            !user.is_empty()
                && user.bytes().all(|b| b.is_ascii_alphanumeric() || b"._-@".contains(&b))
        })
    };
    !data.is_empty()
        && data
            .split(['|', ','])
            .all(|part| plain(part) || given.iter().any(|route| route.dial_string == part))
}

pub(super) fn plain_sound(data: &str) -> bool {
    if let Some(list) = data.strip_prefix("file_string://") {
        return list.split('!').all(|part| !part.starts_with("file_string:") && plain_sound(part));
    }
    let stream = data.strip_prefix("silence_stream://");
    if let Some(tones) = stream.or_else(|| data.strip_prefix("tone_stream://")) {
        // "path=" would play a file.
        return !tones.contains("path")
            && tones.bytes().all(|b| b.is_ascii_alphanumeric() || b"%(),.;:=+-> ".contains(&b));
    }
    let plain = |b: u8| b.is_ascii_alphanumeric() || b"._-/".contains(&b);
    !data.is_empty() && !data.starts_with('/') && !data.contains("..") && data.bytes().all(plain)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn may(author: Author, app: &str, data: &str) -> bool {
        let given =
            [Route { dial_string: "sofia/gateway/gw1/4477".to_owned(), ..Route::default() }];
        let allowed = allowed::Allowances::default();
        let rights = Rights { author, allowed: &allowed, shows: &|_| Ok(()) };
        action(&rights, &Action::new(app, data), &given).is_ok()
    }

    #[test]
    fn what_organisations_may_have_done() {
        use Author::{Organisation, Platform};
        for (app, data, organisation, platform) in [
            ("answer", "", true, true),
            ("set", "hangup_after_bridge=true", true, true),
            ("set", "execute_on_answer=system reboot", false, true),
            ("set", "Execute_On_Answer=system reboot", false, true),
            ("export", "nolocal:api_on_answer=x", false, true),
            ("export", "_nolocal_group_confirm_key=exec", false, true),
            ("export", "_NoLocal_group_confirm_file=system reboot", false, true),
            ("set", "campon_fallback_exten=system:reboot", false, true),
            ("set", "force_transfer_dialplan=inline", false, true),
            ("export", "nolocal:sip_invite_req_uri=sip:900@elsewhere.example", false, true),
            ("set", "sip_route_uri=sip:elsewhere.example", false, true),
            ("set", "fsx_gateway_id=7", false, true),
            ("set", "fsx_recording=on", true, true),
            ("set", "rmOrgID=12", false, true),
            ("set", "a=${caller_id_number}", false, false),
            ("system", "reboot", false, false),
            ("lua", "x.lua", false, false),
            ("no_such_app", "", false, false),
            ("eavesdrop", "all", false, true),
            ("transfer", "1 XML other", false, true),
            ("bridge", "user/1001", true, true),
            ("bridge", "user/1001,user/1002|sofia/gateway/gw1/4477", true, true),
            ("bridge", "sofia/gateway/gw9/4477", false, true),
            ("bridge", "[execute_on_answer=x]user/1001", false, true),
            ("bridge", "", false, true),
            ("playback", "ivr/ivr-welcome.wav", true, true),
            ("playback", "file_string://a.wav!b/c.wav", true, true),
            ("playback", "file_string://a.wav!/etc/passwd", false, true),
            ("unset", "rmOrgID", false, true),
            ("unset", "account", false, true),
            ("unset", "my_account", true, true),
            ("set", "my_account=12", true, true),
            ("export", "nolocal:my_account=12", true, true),
            ("set", "account=12", false, true),
            ("respond", "486 Busy Here", true, true),
            ("respond", "302 sip:900@elsewhere.example", false, true),
            ("respond", "200 OK", false, true),
            ("respond", "486", true, true),
            ("respond", "", false, true),
            ("playback", "tone_stream://%(400,200,400,450);loops=2", true, true),
            ("playback", "tone_stream://path=/etc/passwd", false, true),
            ("playback", "silence_stream://1000,1400", true, true),
            ("set", "group_confirm_key=exec", false, true),
            ("set", "recordings_dir=/tmp", false, true),
            ("playback", "/etc/passwd", false, true),
            ("playback", "../recordings/x.wav", false, true),
            ("playback", "${system(reboot)}", false, false),
            ("log", "INFO ${caller_id_number}", true, true),
            ("log", "INFO ${system reboot}", false, false),
            ("log", "INFO $${x(y)}", false, false),
            ("log", "INFO ${a${b}}", false, false),
            ("log", "a\nb", false, false),
        ] {
            assert_eq!(may(Organisation, app, data), organisation, "{app} {data}");
            assert_eq!(may(Platform, app, data), platform, "{app} {data}");
        }
    }
}
