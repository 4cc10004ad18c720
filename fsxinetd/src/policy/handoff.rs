//! What an organisation's script may hand its call to beside users and routes: mailboxes, queues and
//! recordings, its own.
//!
//! The applications behind them reach every organisation on the switch: `voicemail` opens any
//! mailbox, `fifo` any queue, `record_session` writes any file. So each is let through in one form
//! only, with the organisation's own domain or folder in it. A user without a domain would be looked for
//! in the switch's own one, so such a user gets the organisation's.

use fsx_wire::esl::Action;

use super::Call;
use super::allowed::{Allowances, plays};

/// Where recordings lie, as the switch knows it. Scripts may not set it.
const RECORDINGS: &str = "${recordings_dir}/";

/// What may be said of a recording.
const RECORDING_VARS: [&str; 3] = ["RECORD_STEREO=", "RECORD_BRIDGE_REQ=", "RECORD_MIN_SEC="];

/// Whose call it is, and what that organisation's own things on the switch end in.
pub(super) struct Own<'a> {
    pub(super) call: &'a Call,
    pub(super) allowed: &'a Allowances,
}

impl Own<'_> {
    /// The domain of users who are named without one: the call's own, else the organisation's as the
    /// operator says it; `None` leaves it to the switch.
    pub(super) fn domain(&self) -> Option<String> {
        let named = self.call.variable("domain_name").filter(|name| is_name(name));
        named.map(str::to_owned).or_else(|| self.allowed.domain(self.call.facts.org))
    }

    /// The domain that the call came with or has by the configuration, and the organisation's number.
    fn domains(&self) -> impl Iterator<Item = String> {
        self.domain().into_iter().chain([self.call.facts.org.to_string()])
    }

    /// Whether `domain` is the organisation's own.
    ///
    /// # Errors
    /// That it is not, with those that are.
    pub(super) fn has(&self, domain: &str) -> Result<(), String> {
        if self.domains().any(|own| own == domain) {
            return Ok(());
        }
        let own = self.domains().collect::<Vec<_>>().join(" or ");
        Err(format!("the domain {domain} is not this organisation's; expected {own}"))
    }

    /// Data of `bridge` with the domain after every user who is named without one.
    pub(super) fn completed(&self, data: &str) -> String {
        let bare = |part: &str| part.starts_with("user/") && !part.contains('@');
        let Some(domain) = self.domain().filter(|_| data.split(['|', ',']).any(bare)) else {
            return data.to_owned();
        };
        let mut out = String::with_capacity(data.len() + domain.len() + 1);
        for part in data.split_inclusive(['|', ',']) {
            let (leg, mark) = match part.strip_suffix(['|', ',']) {
                Some(leg) => (leg, &part[leg.len()..]),
                None => (part, ""),
            };
            out.push_str(leg);
            if bare(leg) {
                out.push('@');
                out.push_str(&domain);
            }
            out.push_str(mark);
        }
        out
    }
}

/// One word that names something: nothing in it that ends the word or means more than itself.
pub(super) fn is_name(text: &str) -> bool {
    let plain = |b: u8| b.is_ascii_alphanumeric() || b"._-".contains(&b);
    !text.is_empty() && text.len() <= 128 && text.bytes().all(plain) && !text.contains("..")
}

/// Whether an organisation's script may have this run; `None` where it is not for here to say.
pub(super) fn action(own: &Own<'_>, action: &Action) -> Option<Result<(), String>> {
    let (app, data) = (action.app.as_str(), action.data.as_str());
    let words: Vec<&str> = data.split(' ').collect();
    let said = match app {
        "voicemail" => match words.as_slice() {
            [profile, domain, mailbox] if is_name(profile) && is_name(mailbox) => {
                if ["check", "auth", "auth_only"].contains(&profile.to_ascii_lowercase().as_str()) {
                    Err("organisations' policies may leave messages only".to_owned())
                } else {
                    own.has(domain)
                }
            }
            _ => Err("expected \"<profile> <domain> <mailbox>\"".to_owned()),
        },
        "callcenter" => match words.as_slice() {
            [queue] => own_queue(own, queue),
            _ => Err("expected \"<queue>@<domain>\"".to_owned()),
        },
        "fifo" => match words.as_slice() {
            [queue, "in", sounds @ ..] if sounds.len() <= 2 => {
                match sounds.iter().find(|sound| **sound != "undef" && !plays(sound)) {
                    Some(sound) => Err(format!("\"{sound}\" is no sound that a policy may play")),
                    None => own_queue(own, queue),
                }
            }
            _ => Err("expected \"<queue>@<domain> in [announcement [music]]\"".to_owned()),
        },
        "record_session" => recording(own, &words),
        "stop_record_session"
        | "record_session_mask"
        | "record_session_unmask"
        | "record_session_pause"
        | "record_session_resume" => match words.as_slice() {
            [path] => own_recording(own, path),
            _ => Err("expected the recording's path".to_owned()),
        },
        "bridge" => {
            let others = |part: &str| {
                let (_, at) = part.trim().strip_prefix("user/")?.split_once('@')?;
                own.has(at).err()
            };
            // Whom else it may ring is for the screen to say.
            Err(data.split(['|', ',']).find_map(others)?)
        }
        _ => return None,
    };
    Some(said.map_err(|why| format!("{app}: {why}")))
}

fn own_queue(own: &Own<'_>, queue: &str) -> Result<(), String> {
    match queue.split_once('@') {
        Some((name, domain)) if is_name(name) => own.has(domain),
        _ => Err("expected \"<queue>@<domain>\"".to_owned()),
    }
}

fn own_recording(own: &Own<'_>, path: &str) -> Result<(), String> {
    let folder = format!("{RECORDINGS}{}/", own.call.facts.org);
    match path.strip_prefix(&folder) {
        Some(file) if is_name(file) => Ok(()),
        _ => Err(format!("expected a file in {folder}")),
    }
}

/// `<path> [+<seconds>] [{NAME=value,…}]`.
fn recording(own: &Own<'_>, words: &[&str]) -> Result<(), String> {
    let (path, mut rest) =
        words.split_first().ok_or_else(|| "expected the recording's path".to_owned())?;
    own_recording(own, path)?;
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
        let (call, allowed) = (call(), Allowances::default());
        let own = Own { call: &call, allowed: &allowed };
        action(&own, &Action::new(app, data)).map(|said| said.is_ok())
    }

    #[test]
    fn users_without_a_domain_are_the_organisations_own() {
        let (named, allowed) = (call(), Allowances::from(&crate::config::Policy::default()));
        let mut bare = call();
        bare.facts.vars.clear();
        for (call, data, expected) in [
            (&named, "user/1", "user/1@acme.example"),
            (
                &named,
                "user/1,user/2@x|sofia/gateway/a/1",
                "user/1@acme.example,user/2@x|sofia/gateway/a/1",
            ),
            (&named, "sofia/gateway/a/1", "sofia/gateway/a/1"),
            (&bare, "user/1|user/2", "user/1@37|user/2@37"),
            (&bare, "", ""),
        ] {
            assert_eq!(Own { call, allowed: &allowed }.completed(data), expected, "{data}");
        }
        // Where the operator leaves it to the switch.
        let allowed = Allowances::default();
        assert_eq!(Own { call: &bare, allowed: &allowed }.completed("user/1"), "user/1");
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
}
