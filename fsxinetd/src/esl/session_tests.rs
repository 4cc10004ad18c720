//! What scripts do in a live call, the phase after it, and scripts that attack meanwhile: against a
//! switch that keeps to itself what it was asked.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio::time::timeout;

use super::tests::{LONG, Rig, call, reply, rig_of};

/// One call on a switch that answers at once.
struct Phone {
    stream: TcpStream,
    buffer: Vec<u8>,
    vars: BTreeMap<String, String>,
    headers: String,
    answered: bool,
    lingers: bool,
    /// What the caller presses next.
    digits: Vec<&'static str>,
    /// Hangs up in the midst of this many applications.
    hangs_up_after: usize,
    /// Applications with their data, and other commands by their first line.
    heard: Vec<String>,
}

const ENDED: &str = "Caller-Channel-Hangup-Time: 1795000009100000\nChannel-State: CS_HANGUP\n";

impl Phone {
    async fn dial(rig: &Rig, task: &str, org: u32) -> Self {
        let mut stream = call(rig.address).await;
        let text = reply(task, "").replace("rmOrgID: 37", &format!("rmOrgID: {org}"));
        stream.write_all(text.as_bytes()).await.expect("sent");
        Self {
            stream,
            buffer: Vec::new(),
            vars: BTreeMap::new(),
            headers: "Caller-Channel-Created-Time: 1795000000900000\n".to_owned(),
            answered: false,
            lingers: false,
            digits: Vec::new(),
            hangs_up_after: usize::MAX,
            heard: Vec::new(),
        }
    }

    async fn hear(&mut self) -> Option<(String, Option<String>, String)> {
        loop {
            if let Some(end) = self.buffer.windows(2).position(|pair| pair == b"\n\n") {
                let head = String::from_utf8(self.buffer[..end].to_vec()).expect("text");
                let field = |name: &str| {
                    head.lines().find_map(|l| l.strip_prefix(name)).map(|v| v.trim().to_owned())
                };
                let length = field("content-length:").map_or(0, |n| n.parse().expect("a length"));
                if self.buffer.len() >= end + 2 + length {
                    let body = self.buffer[end + 2..end + 2 + length].to_vec();
                    self.buffer.drain(..end + 2 + length);
                    let app = field("execute-app-name:");
                    let body = String::from_utf8(body).expect("text");
                    if body.starts_with("fsx_policy_version=") {
                        // What every conversation begins with.
                        self.say("Content-Type: command/reply\nReply-Text: +OK\n\n").await;
                        continue;
                    }
                    return Some((head, app, body));
                }
            }
            let mut bytes = [0; 4096];
            match timeout(LONG, self.stream.read(&mut bytes)).await.expect("in time") {
                Ok(0) | Err(_) => return None,
                Ok(n) => self.buffer.extend_from_slice(&bytes[..n]),
            }
        }
    }

    async fn say(&mut self, text: &str) {
        let _ = self.stream.write_all(text.as_bytes()).await;
    }

    async fn describe(&mut self, more: &str) {
        let mut text = self.headers.clone() + more;
        for (name, value) in &self.vars {
            let value: String = value.bytes().map(|b| format!("%{b:02X}")).collect();
            text.push_str(&format!("variable_{name}: {value}\n"));
        }
        self.say(&(text + &reply("x", ""))).await;
    }

    async fn hang_up(&mut self, cause: &str) {
        if self.lingers {
            self.say(
                "Content-Type: text/disconnect-notice\nContent-Disposition: linger\n\
                 Linger-Time: 2\nContent-Length: 0\n\n",
            )
            .await;
            while let Some((head, app, _)) = self.hear().await {
                assert_eq!(app, None, "after the end");
                match head.as_str() {
                    "connect" => {
                        let more = format!("Answer-State: hangup\nHangup-Cause: {cause}\n{ENDED}");
                        self.describe(&more).await;
                    }
                    "exit" => break,
                    other => panic!("after the end: {other}"),
                }
            }
        } else {
            self.say(
                "Content-Type: text/disconnect-notice\nContent-Disposition: disconnect\n\
                 Content-Length: 3\n\nBye",
            )
            .await;
        }
        let _ = self.stream.shutdown().await;
        while self.hear().await.is_some() {}
    }

    fn set(&mut self, pair: &str) {
        let (name, value) = pair.split_once('=').expect("name=value");
        self.vars.insert(name.to_owned(), value.to_owned());
    }

    /// Obeys to the end; what was heard, without the questions about the call.
    async fn serve(mut self) -> Vec<String> {
        let ok = "Content-Type: command/reply\nReply-Text: +OK\n\n";
        let mut applications = 0;
        while let Some((head, app, data)) = self.hear().await {
            let Some(app) = app else {
                let line = head.lines().next().unwrap_or("").to_owned();
                match line.as_str() {
                    "connect" => {
                        let state = if self.answered { "answered" } else { "ringing" };
                        let more = format!("Answer-State: {state}\nChannel-State: CS_EXECUTE\n");
                        self.describe(&more).await;
                        continue;
                    }
                    "exit" => {
                        self.heard.push(line);
                        break;
                    }
                    "linger 2" => self.lingers = true,
                    _ => {}
                }
                self.heard.push(line);
                self.say(ok).await;
                continue;
            };
            let words: Vec<String> = data.split(' ').map(str::to_owned).collect();
            self.heard.push(format!("{app} {data}").trim_end().to_owned());
            match app.as_str() {
                "set" => self.set(&data),
                "multiset" => {
                    let mark = data.as_bytes()[2] as char;
                    data[3..].split(mark).for_each(|pair| self.set(pair));
                }
                "answer" => {
                    self.answered = true;
                    self.headers.push_str("Caller-Channel-Answered-Time: 1795000002900000\n");
                }
                "read" => {
                    let digits = self.digits.pop().unwrap_or("");
                    self.set(&format!("{}={digits}", words[3]));
                }
                "playback" => self.set("current_application_response=FILE PLAYED"),
                "hangup" => {
                    self.say(ok).await;
                    self.hang_up(&data).await;
                    return self.heard;
                }
                _ => {}
            }
            if !matches!(app.as_str(), "set" | "multiset" | "answer") {
                applications += 1;
                if applications >= self.hangs_up_after {
                    self.hang_up("ORIGINATOR_CANCEL").await;
                    return self.heard;
                }
            }
            self.say(ok).await;
        }
        self.heard
    }
}

const MANIFEST: &str = "version = \"1\"\n[call]\nt = \"x.lua\"\n";

async fn rig(script: &str) -> Rig {
    rig_of(script, MANIFEST, |_| {}, |_| {}).await
}

/// The methods that take their answer from one application each, and what they send.
#[tokio::test]
async fn media_methods_run_their_applications() {
    let rig = rig("assert(session:recordFile('/tmp/a b.wav', 30, 200, 5) == 1)
         assert(session:say('12', 'en', 'number', 'pronounced') == true)
         assert(session:say('12', 'en', 'number', 'pronounced', 'feminine') == true)
         assert(session:sayPhrase('welcome', '7', 'fr') == true)
         local ok, why = pcall(session.speak, session, 'hello')
         assert(not ok and tostring(why):find('set_tts_params'), tostring(why))
         session:set_tts_params('flite', 'kal')
         assert(session:speak('hello, you') == 1)
         assert(session:getDigits(3, '#', 1000, 500) == '12')
         assert(session:flushDigits() == true)
         freeswitch.msleep(1)
         assert(session:getState() == 'CS_EXECUTE' and session:bridged() == false)
         assert(session:hangupCause() == 'NONE' and session:mediaReady() == false)
         session:preAnswer()
         session:answer()
         assert(session:mediaReady() and session:answered())
         for _, name in ipairs({'collectDigits', 'collectInput', 'setInputCallback', 'insertFile',
                                'destroy', 'originate', 'sendEvent', 'noSuch'}) do
             local ok, why = pcall(function() return session[name] end)
             local said = 'session:' .. name .. ' is not available here: '
             assert(not ok and tostring(why):find(said, 1, true), tostring(why))
         end
         assert(session:transfer('1002', 'XML', 'features') == 1)")
    .await;
    let mut phone = Phone::dial(&rig, "t", 37).await;
    phone.digits = vec!["12"];
    let expected = [
        "record '/tmp/a b.wav' 30 200 5",
        "say en number pronounced 12",
        "say en number pronounced feminine 12",
        "set language=fr",
        "phrase welcome,7",
        "speak flite|kal|hello, you",
        "read 1 3 silence_stream://1 fsx_digits_1 1000 # 500",
        "flush_dtmf",
        "pre_answer",
        "answer",
        "transfer 1002 XML features",
        "exit",
    ];
    assert_eq!(phone.serve().await, expected);
}

/// Leaves what it was told where another call finds it. The channel is gone: whatever would touch it
/// is refused by name.
const AFTER: &str = "
    function after(call)
        local e = call.ended
        local ok, why = pcall(session.execute, session, 'playback', 'x.wav')
        local said = 'session:execute is for the call phase; this is the hangup phase'
        assert(not ok and tostring(why):find(said, 1, true), tostring(why))
        assert(not pcall(session.setVariable, session, 'a', 'b') and not session:ready())
        assert(session:hangupCause() == e.cause and session:getState() == 'CS_HANGUP')
        assert(call.phase == 'hangup' and session:answered() == e.answered)
        fsx.kv.set('told', table.concat({e.cause, tostring(e.code), tostring(e.answered), e.billsec,
            e.duration_s, session:getVariable('outcome') or 'no'}, ' '))
    end
    function asks(session) session:setVariable('told', fsx.kv.get('told') or 'nothing') end
";

async fn hangup_rig(talk: &str) -> Rig {
    let manifest = "version = \"1\"\n[call]\nt = \"x.lua:talk\"\nasks = \"x.lua:asks\"\n\
                    [hangup]\nt = \"x.lua:after\"\n";
    let script = format!("{AFTER} function talk(session, call) {talk} end");
    rig_of(&script, manifest, |_| {}, |policy| policy.cpu_budget_ms = 1_000).await
}

/// What the hangup phase was told, once it was told something.
async fn told(rig: &Rig) -> String {
    let until = Instant::now() + Duration::from_secs(10);
    loop {
        let heard = Phone::dial(rig, "asks", 37).await.serve().await;
        let told = heard[0].trim_start_matches("set told=").to_owned();
        if told != "nothing" || Instant::now() > until {
            return told;
        }
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
}

#[tokio::test]
async fn the_hangup_phase_knows_how_the_call_ended() {
    for (talk, hangs_up_after, expected) in [
        // The caller goes in the midst of a prompt.
        (
            "session:setVariable('outcome', 'begun') session:answer()
             while session:ready() do session:streamFile('x.wav') end",
            2,
            "ORIGINATOR_CANCEL nil true 7 9 begun",
        ),
        // The script ends the call itself.
        (
            "session:answer() session:setVariable('outcome', 'x') session:hangup('USER_BUSY')",
            99,
            "USER_BUSY 17 true 7 9 x",
        ),
        // What is decided at the end is done in the conversation, so that its end is seen.
        (
            "session:answer() session:execute('bridge', 'user/1')",
            1,
            "ORIGINATOR_CANCEL nil true 7 9 no",
        ),
        ("session:setAutoHangup(true) session:answer()", 99, "NORMAL_CLEARING 16 true 7 9 no"),
        // A script that fails has a call all the same.
        (
            "session:streamFile('x.wav') session:streamFile('y.wav') error('boom')",
            2,
            "ORIGINATOR_CANCEL nil false 0 9 no",
        ),
    ] {
        let rig = hangup_rig(talk).await;
        let mut phone = Phone::dial(&rig, "t", 37).await;
        phone.hangs_up_after = hangs_up_after;
        let heard = phone.serve().await;
        assert_eq!(heard.first().map(String::as_str), Some("linger 2"), "{talk}: {heard:?}");
        assert_eq!(told(&rig).await, expected, "{talk}");
    }
}

#[tokio::test]
async fn a_call_that_ends_before_a_word_has_its_hangup_phase_too() {
    let rig = hangup_rig("fsx.sleep(400) session:answer()").await;
    let mut phone = Phone::dial(&rig, "t", 37).await;
    phone.hang_up("ORIGINATOR_CANCEL").await;
    let told = told(&rig).await;
    assert!(told.starts_with("UNKNOWN nil false 0 "), "{told}");
}

#[tokio::test]
async fn a_call_that_goes_on_in_the_dialplan_has_not_ended() {
    let rig = hangup_rig("session:answer()").await;
    let heard = Phone::dial(&rig, "t", 37).await.serve().await;
    assert_eq!(heard, ["linger 2", "answer", "exit"]);
    tokio::time::sleep(Duration::from_millis(200)).await;
    let heard = Phone::dial(&rig, "asks", 37).await.serve().await;
    assert_eq!(heard[0], "set told=nothing");
}

/// What a hostile script does once its call is being talked through.
const ATTACKS: &[&str] = &[
    "while true do end",
    "while true do pcall(function() while true do end end) end",
    "string.find(string.rep('a', 100), string.rep('.-', 15) .. 'b')",
    "local t = {} while true do t[#t + 1] = string.rep('x', 100000) .. #t end",
    "local t = {} while true do t[#t + 1] = coroutine.create(function() end) end",
    "while true do pcall(session.consoleLog, session, 'info', 'x') end",
    "while true do pcall(session.setVariable, session, 'a', 'b') end",
    "for i = 1, 1e9 do session:setVariable('a' .. i, 'x') end",
    "setmetatable(_G, {__index = function() while true do end end}) return nothing.x",
    "pcall(function() string.upper = nil end) pcall(function() getmetatable('').__index = nil end)
     pcall(rawset, string, 'upper', nil) while true do end",
];

#[tokio::test]
async fn a_hostile_call_does_not_harm_another() {
    for attack in ATTACKS {
        let script = format!(
            "session:answer() session:sleep(1)
             if call.org == 37 then {attack} end
             for n = 1, 20 do
                 assert(session:streamFile('x.wav') == 1 and ('x'):upper() == 'X')
                 session:setVariable('n', n)
             end
             session:hangup('NORMAL_CLEARING')"
        );
        let rig = rig_of(
            &script,
            MANIFEST,
            |_| {},
            |policy| {
                (policy.threads, policy.memory_mib) = (1, 8);
                (policy.cpu_budget_ms, policy.call_budget_ms) = (300, 10_000);
            },
        )
        .await;
        let hostile = Phone::dial(&rig, "t", 37).await;
        let other = Phone::dial(&rig, "t", 5).await;
        let began = Instant::now();
        let (hostile, other) = tokio::join!(hostile.serve(), other.serve());
        let took = began.elapsed();
        // The attacked call is not left hanging: the dialplan goes on with it.
        assert_eq!(hostile.last().map(String::as_str), Some("exit"), "{attack}: {hostile:?}");
        assert_eq!(other.last().map(String::as_str), Some("hangup NORMAL_CLEARING"), "{attack}");
        assert_eq!(
            other.iter().filter(|said| said.starts_with("playback")).count(),
            20,
            "{attack}"
        );
        assert!(took < Duration::from_secs(12), "{attack}: {took:?}");
    }
}
