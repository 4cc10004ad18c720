//! The switch of a simulated call: it reads what a live one would be sent and answers as one would.
//!
//! It speaks the protocol, byte for byte, so that a simulated call goes through the same code as a
//! live one. It keeps variables, presses digits and lets bridges ring; media it has none. Time is the
//! trace's clock: an application takes what the scene says, or nothing.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::time::Duration;

use fsx_wire::esl::{Decoder, Frame, Limits};

use super::scene::{HangUp, Scene, plain};
use super::trace::{Kind, Trace};

/// What a command came to.
#[derive(Debug)]
pub(super) enum Reply {
    /// The switch's words.
    Frame(Frame),
    /// The caller hung up before there were any.
    Gone,
    /// We have let go of the call: the dialplan goes on.
    Left,
}

/// One channel.
#[derive(Debug)]
pub(super) struct Switch {
    scene: Scene,
    trace: Trace,
    vars: BTreeMap<String, String>,
    answered: Option<Duration>,
    /// Why it ended.
    pub(super) over: Option<String>,
    /// By whom, for people.
    pub(super) ended_by: &'static str,
    pub(super) lingers: bool,
    /// Where the dialplan is to go on, where that was said.
    pub(super) transferred: Option<String>,
    digits: usize,
    bridges: usize,
    ran: BTreeMap<String, u32>,
    asked: BTreeMap<String, usize>,
}

impl Switch {
    pub(super) fn new(scene: &Scene, org: u32, trace: &Trace) -> Self {
        let mut vars: BTreeMap<String, String> = BTreeMap::new();
        if org != 0 {
            vars.insert("rmOrgID".to_owned(), org.to_string());
        }
        vars.insert("rmDialledNumber".to_owned(), scene.number.clone());
        if !scene.task.is_empty() {
            vars.insert("rmSocketTask".to_owned(), scene.task.clone());
        }
        if let Some(country) = &scene.country {
            vars.insert("rmHCDCode".to_owned(), country.clone());
        }
        if scene.withhold {
            vars.insert("rmWithholdCLI".to_owned(), "true".to_owned());
        }
        for (name, value) in &scene.vars {
            if let Some(value) = plain(value) {
                vars.insert(name.clone(), value);
            }
        }
        Self {
            scene: scene.clone(),
            trace: trace.clone(),
            vars,
            answered: scene.answered.then_some(Duration::ZERO),
            over: None,
            ended_by: "",
            lingers: false,
            transferred: None,
            digits: 0,
            bridges: 0,
            ran: BTreeMap::new(),
            asked: BTreeMap::new(),
        }
    }

    /// The variables that a channel has at its end.
    pub(super) fn variables(&self) -> &BTreeMap<String, String> {
        &self.vars
    }

    /// When it was answered, since it began.
    pub(super) fn answered(&self) -> Option<Duration> {
        self.answered
    }

    /// What the switch says of the channel: its reply to `connect`.
    pub(super) fn describe(&self) -> Frame {
        let began_us = self.scene.at_ms().unwrap_or(0).saturating_mul(1_000);
        let at = |since: Duration| {
            began_us
                .saturating_add(i64::try_from(since.as_micros()).unwrap_or(i64::MAX))
                .to_string()
        };
        let mut fields: Vec<(String, String)> = vec![
            ("Event-Name".into(), "CHANNEL_DATA".into()),
            ("Channel-Destination-Number".into(), self.scene.number.clone()),
            ("Unique-ID".into(), self.scene.id.clone()),
            ("Channel-Call-UUID".into(), self.scene.id.clone()),
            ("Channel-Name".into(), "sofia/internal/simulated".into()),
            ("Call-Direction".into(), "inbound".into()),
            ("Caller-Destination-Number".into(), self.scene.number.clone()),
            ("Caller-Unique-ID".into(), self.scene.id.clone()),
            ("Caller-Context".into(), "default".into()),
            ("Caller-Dialplan".into(), "XML".into()),
            ("Caller-Channel-Created-Time".into(), at(Duration::ZERO)),
        ];
        if let Some(caller) = &self.scene.caller {
            fields.push(("Caller-Caller-ID-Number".into(), caller.clone()));
            fields.push(("Caller-ANI".into(), caller.clone()));
        }
        if let Some(name) = &self.scene.caller_name {
            fields.push(("Caller-Caller-ID-Name".into(), name.clone()));
        }
        if let Some(answered) = self.answered {
            fields.push(("Caller-Channel-Answered-Time".into(), at(answered)));
        }
        let state = match (&self.over, self.answered) {
            (Some(cause), _) => {
                fields.push(("Hangup-Cause".into(), cause.clone()));
                fields.push(("Caller-Channel-Hangup-Time".into(), at(self.trace.now())));
                "hangup"
            }
            (None, Some(_)) => "answered",
            (None, None) => "ringing",
        };
        fields.push(("Answer-State".into(), state.into()));
        let (state, number) =
            if self.over.is_some() { ("CS_HANGUP", "10") } else { ("CS_EXECUTE", "4") };
        fields.push(("Channel-State".into(), state.into()));
        fields.push(("Channel-State-Number".into(), number.into()));
        for (name, value) in &self.vars {
            fields.push((format!("variable_{name}"), value.clone()));
        }
        let asynchronous = self.scene.socket.split_whitespace().any(|word| word == "async");
        let full = self.scene.socket.split_whitespace().any(|word| word == "full");
        let mut text = String::new();
        for (name, value) in fields {
            let _ = writeln!(text, "{name}: {}", escaped(&value));
        }
        let _ = write!(
            text,
            "Content-Type: command/reply\nReply-Text: %2BOK%0A\nSocket-Mode: {}\nControl: {}\n\n",
            if asynchronous { "async" } else { "static" },
            if full { "full" } else { "single-channel" },
        );
        frame(text.as_bytes())
    }

    /// Does what one command asks.
    pub(super) fn obey(&mut self, bytes: &[u8]) -> Reply {
        let text = String::from_utf8_lossy(bytes).into_owned();
        let (head, body) = text.split_once("\n\n").unwrap_or((text.as_str(), ""));
        let first = head.lines().next().unwrap_or("").trim();
        let field = |name: &str| {
            head.lines().skip(1).find_map(|line| {
                let (key, value) = line.split_once(':')?;
                key.trim().eq_ignore_ascii_case(name).then(|| value.trim().to_owned())
            })
        };
        if self.over.is_some() && first != "connect" && first != "exit" {
            return Reply::Gone;
        }
        match first.split_once(' ').unwrap_or((first, "")) {
            ("connect", _) => Reply::Frame(self.describe()),
            ("exit", _) => Reply::Left,
            ("linger", _) => {
                self.lingers = true;
                ok()
            }
            ("api", command) => self.command(command.trim()),
            ("sendevent", name) => {
                let headers: Vec<&str> = head.lines().skip(1).collect();
                self.trace.note(Kind::Event, name.trim(), headers.join(", "), None);
                ok()
            }
            ("sendmsg", _) => match field("call-command").as_deref() {
                Some("execute") => {
                    let app = field("execute-app-name").unwrap_or_default();
                    let data = field("execute-app-arg").unwrap_or_else(|| body.to_owned());
                    self.execute(&app, &data)
                }
                Some("hangup") => {
                    let cause = field("hangup-cause").unwrap_or_default();
                    self.execute("hangup", &cause)
                }
                _ => ok(),
            },
            _ => frame_reply("-ERR command not found"),
        }
    }

    /// Runs an application. After it the caller may have gone.
    pub(super) fn execute(&mut self, app: &str, data: &str) -> Reply {
        let began = self.trace.now();
        let time = self.ran.entry(app.to_owned()).or_default();
        *time += 1;
        let time = *time;
        let extra = self.scene.apps.get(app).and_then(|a| a.nth(time as usize - 1));
        let data = self.expanded(data);
        let (mut took, mut result) = self.work(app, &data);
        if let Some(extra) = extra {
            took += seconds(extra.seconds);
            for (name, value) in &extra.vars {
                self.vars.insert(name.clone(), plain(value).unwrap_or_default());
            }
            if let Some(response) = extra.response {
                self.vars.insert("current_application_response".to_owned(), response.clone());
                result = Some(response);
            }
        }
        // Noted at the instant it began; the clock moves after.
        self.trace.note(Kind::App, app, &data, result);
        let gone = self.hang_up_now(app, time, began, took);
        if app == "hangup" && self.over.is_none() {
            let cause = if data.is_empty() { "NORMAL_CLEARING".to_owned() } else { data };
            self.end(&super::cause_name(&cause), "the policy");
            return ok();
        }
        if gone { Reply::Gone } else { ok() }
    }

    /// Lets time go by, unless the caller hangs up meanwhile. Whether they did.
    fn hang_up_now(&mut self, app: &str, time: u32, began: Duration, took: Duration) -> bool {
        if let Some(HangUp { after_s, during, time: wanted, cause }) = self.scene.hang_up.clone() {
            let mut at = None;
            if during.as_deref() == Some(app) && wanted == time {
                at = Some(began + took);
            } else if let (Some(after), None) = (after_s, &during)
                && seconds(after) <= began + took
            {
                at = Some(seconds(after).max(began));
            }
            if let Some(at) = at {
                self.trace.advance(at.saturating_sub(began));
                let own =
                    if self.answered.is_some() { "NORMAL_CLEARING" } else { "ORIGINATOR_CANCEL" };
                let cause = cause.unwrap_or_else(|| own.to_owned());
                self.end(&super::cause_name(&cause), "the caller");
                return true;
            }
        }
        self.trace.advance(took);
        false
    }

    /// The channel is no more.
    pub(super) fn end(&mut self, cause: &str, by: &'static str) {
        if self.over.is_some() {
            return;
        }
        self.vars.insert("hangup_cause".to_owned(), cause.to_owned());
        self.over = Some(cause.to_owned());
        self.ended_by = by;
        self.trace.note(Kind::Hangup, cause, by, None);
    }

    /// How long an application takes, and what came of it.
    fn work(&mut self, app: &str, data: &str) -> (Duration, Option<String>) {
        let words: Vec<String> = words(data);
        let word = |n: usize| words.get(n).map_or("", String::as_str);
        let ms = |n: usize| Duration::from_millis(word(n).parse().unwrap_or(0));
        match app {
            "set" | "export" => {
                let pair = data.strip_prefix("nolocal:").unwrap_or(data);
                self.set(pair);
            }
            "multiset" => {
                let (mark, rest) = match data.strip_prefix("^^") {
                    Some(rest) => (rest.chars().next().unwrap_or(' '), &rest[1.min(rest.len())..]),
                    None => (' ', data),
                };
                for pair in rest.split(mark) {
                    self.set(pair);
                }
            }
            "unset" => drop(self.vars.remove(data.trim())),
            "answer" => {
                self.answered.get_or_insert(self.trace.now());
            }
            "sleep" => return (ms(0), None),
            "playback" => {
                self.vars.insert("current_application_response".into(), "FILE PLAYED".into());
            }
            "play_and_get_digits" => {
                let prompt = Prompt {
                    variable: word(7),
                    min: word(0).parse().unwrap_or(1),
                    max: word(1).parse().unwrap_or(128),
                    tries: word(2).parse().unwrap_or(1),
                    patience: ms(3),
                    terminators: word(4),
                    valid: word(8),
                };
                return self.press(&prompt);
            }
            "read" => {
                let prompt = Prompt {
                    variable: word(3),
                    min: word(0).parse().unwrap_or(1),
                    max: word(1).parse().unwrap_or(128),
                    tries: 1,
                    patience: ms(4),
                    terminators: word(5),
                    valid: "",
                };
                return self.press(&prompt);
            }
            "bridge" | "fsx_bridge" => return self.bridge(),
            "transfer" => self.transferred = Some(data.to_owned()),
            _ => {}
        }
        (Duration::ZERO, None)
    }

    fn set(&mut self, pair: &str) {
        let (name, value) = pair.split_once('=').unwrap_or((pair, ""));
        if value.is_empty() {
            self.vars.remove(name.trim());
        } else {
            self.vars.insert(name.trim().to_owned(), value.to_owned());
        }
    }

    /// The caller presses what the scene says, try by try, or nothing until the time is up. What is
    /// too short or not valid is asked for again, as often as the prompt says.
    fn press(&mut self, prompt: &Prompt<'_>) -> (Duration, Option<String>) {
        let mut said: Vec<String> = Vec::new();
        let mut took = Duration::ZERO;
        self.vars.remove(prompt.variable);
        self.vars.remove("read_terminator_used");
        self.vars.insert("read_result".into(), "timeout".into());
        for _ in 0..prompt.tries.clamp(1, 100) {
            let pressed = self.scene.digits.get(self.digits).map(|d| d.0.clone());
            self.digits += 1;
            let pressed: String = pressed.unwrap_or_default();
            if pressed.is_empty() {
                took += prompt.patience;
                said.push("nothing".into());
                continue;
            }
            let ends = |key: char| prompt.terminators != "none" && prompt.terminators.contains(key);
            let digits: String =
                pressed.chars().take_while(|key| !ends(*key)).take(prompt.max).collect();
            if digits.len() < prompt.min || !valid(prompt.valid, &digits) {
                said.push(format!("{pressed}, not valid"));
                continue;
            }
            if let Some(end) = pressed.chars().nth(digits.len()).filter(|key| ends(*key)) {
                self.vars.insert("read_terminator_used".into(), end.into());
            }
            self.vars.insert("read_result".into(), "success".into());
            said.push(digits.clone());
            self.vars.insert(prompt.variable.to_owned(), digits);
            break;
        }
        // A prompt that nobody answers says so once.
        said.dedup();
        (took, Some(format!("pressed {}", said.join("; "))))
    }

    fn bridge(&mut self) -> (Duration, Option<String>) {
        let bridge = self.scene.bridges.get(self.bridges).cloned();
        self.bridges += 1;
        let bridge = bridge.unwrap_or(super::scene::Bridge {
            cause: "SUCCESS".into(),
            after_s: 0.0,
            talk_s: 0.0,
        });
        let rang = seconds(bridge.after_s);
        self.vars.insert("originate_disposition".into(), bridge.cause.clone());
        if bridge.cause != "SUCCESS" {
            self.vars.insert("bridge_hangup_cause".into(), bridge.cause.clone());
            self.vars.insert("DIALSTATUS".into(), dial_status(&bridge.cause).into());
            return (rang, Some(bridge.cause));
        }
        self.answered.get_or_insert(self.trace.now() + rang);
        self.vars.insert("bridge_hangup_cause".into(), "NORMAL_CLEARING".into());
        self.vars.insert("DIALSTATUS".into(), "SUCCESS".into());
        (rang + seconds(bridge.talk_s), Some("answered".into()))
    }

    /// Whether an application that ran last has ended the call by itself: a bridge that was answered,
    /// where the channel says so; or a failed one, by its cause.
    pub(super) fn after_bridge(&mut self) -> bool {
        let var = |name: &str| self.vars.get(name).cloned().unwrap_or_default();
        let disposition = var("originate_disposition");
        if disposition == "SUCCESS" {
            if var("hangup_after_bridge") == "true" {
                self.end("NORMAL_CLEARING", "the other side");
                return true;
            }
            return false;
        }
        let listed = |list: String| {
            list.split(',').any(|cause| {
                let cause = cause.trim();
                cause.eq_ignore_ascii_case(&disposition) || super::cause_name(cause) == disposition
            })
        };
        let go_on = var("continue_on_fail");
        let stops = listed(var("failure_causes"))
            || (go_on.is_empty() && var("failure_causes").is_empty())
            || go_on == "false"
            || (!go_on.is_empty() && go_on != "true" && !listed(go_on));
        if stops && !disposition.is_empty() {
            self.end(&disposition, "the switch");
        }
        stops
    }

    fn command(&mut self, line: &str) -> Reply {
        let (name, argument) = line.split_once(' ').unwrap_or((line, ""));
        let asked = [line, name].into_iter().find(|key| self.scene.api.contains_key(*key));
        let printed = match asked {
            Some(key) => {
                let n = self.asked.entry(key.to_owned()).or_default();
                let answer = self.scene.api[key].nth(*n).map(|text| text.0).unwrap_or_default();
                *n += 1;
                answer
            }
            None => self.own_command(name, argument.trim()),
        };
        let shown = printed.trim_end().to_owned();
        self.trace.note(Kind::Api, name, argument.trim(), Some(shown));
        let body = if printed.is_empty() { "-ERR no reply\n".to_owned() } else { printed };
        let text = format!("Content-Type: api/response\nContent-Length: {}\n\n{body}", body.len());
        Reply::Frame(frame(text.as_bytes()))
    }

    /// Commands whose answer needs no script.
    fn own_command(&mut self, name: &str, argument: &str) -> String {
        let words: Vec<&str> = argument.split_whitespace().collect();
        let own = |uuid: &str| uuid == self.scene.id;
        match name {
            "global_getvar" => self.scene.globals.get(argument).cloned().unwrap_or_default(),
            "uuid_exists" => own(argument).to_string(),
            "uuid_getvar" if words.len() == 2 && own(words[0]) => {
                self.vars.get(words[1]).cloned().unwrap_or_else(|| "_undef_".to_owned())
            }
            "uuid_setvar" if words.len() >= 2 && own(words[0]) => {
                let value = words[2..].join(" ");
                self.set(&format!("{}={value}", words[1]));
                "+OK\n".to_owned()
            }
            "create_uuid" => {
                let n = self.asked.entry("create_uuid".to_owned()).or_default();
                *n += 1;
                format!("00000000-0000-4000-8000-{n:012}")
            }
            "strepoch" if argument.is_empty() => (self.scene.at_ms().unwrap_or(0) / 1_000
                + self.trace.now().as_secs() as i64)
                .to_string(),
            "hostname" | "switchname" => "simulated".to_owned(),
            "module_exists" => "true".to_owned(),
            _ => format!("-ERR {name} is not in the scene: give it under \"api\"\n"),
        }
    }

    /// `${name}` of channel and global variables, as the switch expands an application's data.
    fn expanded(&self, data: &str) -> String {
        let mut out = String::new();
        let mut rest = data;
        while let Some(at) = rest.find("${") {
            out.push_str(&rest[..at]);
            let inner = &rest[at + 2..];
            let Some(end) = inner.find('}') else {
                out.push_str(&rest[at..]);
                return out;
            };
            let name = &inner[..end];
            if name.contains(['(', ' ']) {
                // A command of the switch; the scene's own answer, or nothing.
                let line = name.replace(['(', ')'], " ");
                let answer = self.scene.api.get(line.trim()).and_then(|a| a.nth(0));
                out.push_str(&answer.map(|text| text.0).unwrap_or_default());
            } else {
                let known = self.vars.get(name).or_else(|| self.scene.globals.get(name));
                out.push_str(known.map_or("", String::as_str));
            }
            rest = &inner[end + 1..];
        }
        out.push_str(rest);
        out
    }
}

/// What a caller is asked for.
struct Prompt<'a> {
    variable: &'a str,
    min: usize,
    max: usize,
    tries: u32,
    /// Of each try.
    patience: Duration,
    terminators: &'a str,
    /// Regular expression; empty takes all.
    valid: &'a str,
}

/// Whether the switch would take the digits. An expression that we cannot read is taken for right.
fn valid(expression: &str, digits: &str) -> bool {
    expression.is_empty()
        || regex::Regex::new(expression).map_or(true, |expression| expression.is_match(digits))
}

fn seconds(seconds: f64) -> Duration {
    Duration::try_from_secs_f64(seconds.max(0.0)).unwrap_or_default()
}

/// At spaces, but not inside quotes.
fn words(data: &str) -> Vec<String> {
    let (mut words, mut word, mut quoted, mut any) = (Vec::new(), String::new(), false, false);
    for c in data.chars() {
        match c {
            '\'' => (quoted, any) = (!quoted, true),
            ' ' if !quoted => {
                if any {
                    words.push(std::mem::take(&mut word));
                }
                any = false;
            }
            c => {
                word.push(c);
                any = true;
            }
        }
    }
    if any {
        words.push(word);
    }
    words
}

fn dial_status(cause: &str) -> &'static str {
    match cause {
        "USER_BUSY" => "BUSY",
        "NO_ANSWER" | "NO_USER_RESPONSE" | "ALLOTTED_TIMEOUT" => "NOANSWER",
        "ORIGINATOR_CANCEL" => "CANCEL",
        "CALL_REJECTED" => "DONTCALL",
        _ => "CHANUNAVAIL",
    }
}

/// As the switch writes values.
fn escaped(value: &str) -> String {
    if value.is_empty() {
        return "_undef_".to_owned();
    }
    let mut out = String::new();
    for byte in value.bytes() {
        if byte.is_ascii_alphanumeric() || b"-_.!~*'(),/$".contains(&byte) {
            out.push(char::from(byte));
        } else {
            let _ = write!(out, "%{byte:02X}");
        }
    }
    out
}

fn ok() -> Reply {
    frame_reply("+OK")
}

fn frame_reply(text: &str) -> Reply {
    Reply::Frame(frame(format!("Content-Type: command/reply\nReply-Text: {text}\n\n").as_bytes()))
}

fn frame(bytes: &[u8]) -> Frame {
    let mut decoder = Decoder::new(Limits::default());
    decoder.feed(bytes);
    decoder.next_frame().ok().flatten().expect("our own words are well-formed")
}
