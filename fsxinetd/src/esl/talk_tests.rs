//! Live conversations with a FreeSWITCH of our own: it keeps variables, presses digits and hangs up
//! when it is told to.

use std::collections::{BTreeMap, VecDeque};
use std::time::{Duration, Instant};

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio::time::timeout;

use crate::policy::{self, Failure, Outcome};
use crate::{config, published::PublishedHandle};

use super::tests::{LONG, Rig, call, reply, rig_of};

/// One command as the switch reads it: its line, and what it is to do.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Said {
    Line(String),
    Run(String, String),
}

/// A switch with one call.
pub(super) struct Switch {
    stream: TcpStream,
    buffer: Vec<u8>,
    /// What was said to the daemon, each with the number of bytes heard before it.
    pub(super) said: Vec<(usize, Vec<u8>)>,
    pub(super) heard_bytes: usize,
    /// The socket is `async`: applications are queued, and their ends are events.
    pub(super) queues: bool,
    /// The name of the application that is being run.
    name: Option<String>,
    pub(super) vars: BTreeMap<String, String>,
    answered: bool,
    /// What the caller presses, prompt by prompt.
    pub(super) digits: VecDeque<&'static str>,
    /// Outcomes of bridges.
    pub(super) bridges: VecDeque<&'static str>,
    pub(super) lingers: bool,
    pub(super) heard: Vec<Said>,
}

impl Switch {
    pub(super) async fn dial(rig: &Rig, task: &str) -> Self {
        let mut switch = Self::on(call(rig.address).await);
        switch.heard_bytes = b"connect\n\n".len();
        switch.say(&reply(task, "")).await;
        switch
    }

    /// The same on an `async` socket.
    pub(super) async fn dial_async(rig: &Rig, task: &str) -> Self {
        let mut switch = Self::on(call(rig.address).await);
        switch.heard_bytes = b"connect\n\n".len();
        switch.queues = true;
        switch.say(&reply(task, "").replace("Mode: static", "Mode: async")).await;
        switch
    }

    pub(super) fn on(stream: TcpStream) -> Self {
        Self {
            stream,
            buffer: Vec::new(),
            said: Vec::new(),
            heard_bytes: 0,
            queues: false,
            name: None,
            vars: BTreeMap::new(),
            answered: false,
            digits: VecDeque::new(),
            bridges: VecDeque::new(),
            lingers: false,
            heard: Vec::new(),
        }
    }

    /// The next command; `None` when the daemon is done.
    pub(super) async fn hear(&mut self) -> Option<Said> {
        loop {
            if let Some(end) = self.buffer.windows(2).position(|pair| pair == b"\n\n") {
                let head = String::from_utf8(self.buffer[..end].to_vec()).expect("text");
                let field = |name: &str| {
                    head.lines().find_map(|l| l.strip_prefix(name)).map(|v| v.trim().to_owned())
                };
                let length: usize =
                    field("content-length:").map_or(0, |n| n.parse().expect("a length"));
                if self.buffer.len() >= end + 2 + length {
                    let body = self.buffer[end + 2..end + 2 + length].to_vec();
                    self.buffer.drain(..end + 2 + length);
                    let body = String::from_utf8(body).expect("text");
                    self.heard_bytes += end + 2 + length;
                    if let Some(version) = body.strip_prefix("fsx_policy_version=") {
                        // What every conversation begins with, and every answer has.
                        self.vars.insert("fsx_policy_version".to_owned(), version.to_owned());
                        self.ok().await;
                        continue;
                    }
                    self.name = field("Event-UUID:");
                    let said = match field("execute-app-name:") {
                        Some(app) => Said::Run(app, body),
                        None if body.is_empty() => Said::Line(head),
                        None => Said::Line(format!("{head}\n\n{body}")),
                    };
                    self.heard.push(said.clone());
                    return Some(said);
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
        self.said.push((self.heard_bytes, text.as_bytes().to_vec()));
        let _ = self.stream.write_all(text.as_bytes()).await;
    }

    pub(super) async fn ok(&mut self) {
        self.say("Content-Type: command/reply\nReply-Text: +OK\n\n").await;
    }

    /// The reply to a command of the switch.
    pub(super) async fn api(&mut self, out: &str) {
        let length = out.len();
        let reply = format!("Content-Type: api/response\nContent-Length: {length}\n\n{out}");
        self.say(&reply).await;
    }

    /// What is running has been queued.
    pub(super) async fn only_ok(&mut self) {
        self.ok().await;
    }

    /// And is over.
    pub(super) async fn end_now(&mut self) {
        let name = self.name.take().expect("a name");
        self.ended(&name).await;
    }

    /// Events of a queued application: another one's, and that of its end.
    async fn ended(&mut self, name: &str) {
        for (event, name) in [
            ("CHANNEL_EXECUTE_COMPLETE", "somebody-elses"),
            ("CHANNEL_EXECUTE", name),
            ("CHANNEL_EXECUTE_COMPLETE", name),
        ] {
            let body = format!("Event-Name: {event}\nApplication-UUID: {name}\n\n");
            let length = body.len();
            self.say(&format!(
                "Content-Length: {length}\nContent-Type: text/event-plain\n\n{body}"
            ))
            .await;
        }
    }

    async fn describe(&mut self, hangup: Option<&str>) {
        let mut text = reply("x", "");
        if self.queues {
            text = text.replace("Mode: static", "Mode: async");
        }
        let mut more = String::new();
        for (name, value) in &self.vars {
            let value: String = value.bytes().map(|b| format!("%{b:02X}")).collect();
            more.push_str(&format!("variable_{name}: {value}\n"));
        }
        match hangup {
            Some(cause) => more.push_str(&format!("Answer-State: hangup\nHangup-Cause: {cause}\n")),
            None if self.answered => more.push_str("Answer-State: answered\n"),
            None => more.push_str("Answer-State: ringing\n"),
        }
        text.insert_str(0, &more);
        self.say(&text).await;
    }

    /// The caller hangs up.
    pub(super) async fn hang_up(&mut self, cause: &str) {
        if self.lingers {
            self.say(
                "Content-Type: text/disconnect-notice\nContent-Disposition: linger\n\
                 Linger-Time: 2\nContent-Length: 0\n\n",
            )
            .await;
            while let Some(said) = self.hear().await {
                match said {
                    Said::Line(line) if line == "connect" => self.describe(Some(cause)).await,
                    Said::Line(line) if line == "exit" => self.ok().await,
                    other => panic!("after the end: {other:?}"),
                }
            }
            return;
        }
        self.say(
            "Content-Type: text/disconnect-notice\nContent-Disposition: disconnect\n\
             Content-Length: 3\n\nBye",
        )
        .await;
        let _ = self.stream.shutdown().await;
        while self.hear().await.is_some() {}
    }

    pub(super) fn set(&mut self, pair: &str) {
        let (name, value) = pair.split_once('=').expect("name=value");
        self.vars.insert(name.to_owned(), value.to_owned());
    }

    /// Does what one command asks. False when the conversation is over.
    pub(super) async fn obey(&mut self, said: &Said) -> bool {
        let name = self.name.take().filter(|_| self.queues);
        if name.is_some() {
            self.ok().await;
        }
        match said {
            Said::Line(line) => match line.lines().next().unwrap_or("") {
                "connect" => self.describe(None).await,
                "exit" => return false,
                "linger 2" => {
                    self.lingers = true;
                    self.ok().await;
                }
                "sendmsg" | "myevents" => self.ok().await,
                line if line.starts_with("api ") => {
                    let out = match line {
                        "api create_uuid" => "u-u-i-d",
                        "api global_getvar domain" => "example.net",
                        _ => "-ERR\n",
                    };
                    self.api(out).await;
                }
                line if line.starts_with("sendevent ") => self.ok().await,
                line => panic!("unknown command {line:?}"),
            },
            Said::Run(app, data) => {
                let words: Vec<&str> = data.split(' ').collect();
                match app.as_str() {
                    "set" => self.set(data),
                    "multiset" => {
                        let mark = data.as_bytes()[2] as char;
                        for pair in data[3..].split(mark) {
                            self.set(pair);
                        }
                    }
                    "unset" => drop(self.vars.remove(data)),
                    "answer" => self.answered = true,
                    "playback" => self.set("current_application_response=FILE PLAYED"),
                    "read" => {
                        let digits = self.digits.pop_front().unwrap_or("");
                        self.set(&format!("{}={digits}", words[3]));
                    }
                    "play_and_get_digits" => {
                        let digits = self.digits.pop_front().unwrap_or("");
                        self.set(&format!("{}={digits}", words[7]));
                    }
                    "bridge" => {
                        let outcome = self.bridges.pop_front().unwrap_or("SUCCESS");
                        self.set(&format!("originate_disposition={outcome}"));
                    }
                    "hangup" => {
                        if name.is_none() {
                            self.ok().await;
                        }
                        self.hang_up(data).await;
                        return false;
                    }
                    _ => {}
                }
                match name {
                    Some(name) => self.ended(&name).await,
                    None => self.ok().await,
                }
            }
        }
        true
    }

    /// Obeys until the daemon or the call is done; gives what was heard.
    async fn serve(mut self) -> Vec<Said> {
        self.until_done().await;
        self.heard
    }

    /// Obeys until the daemon or the call is done.
    pub(super) async fn until_done(&mut self) {
        while let Some(said) = self.hear().await {
            if !self.obey(&said).await {
                return;
            }
        }
    }
}

pub(super) fn run(app: &str, data: &str) -> Said {
    Said::Run(app.to_owned(), data.to_owned())
}

pub(super) fn line(text: &str) -> Said {
    Said::Line(text.to_owned())
}

/// What was heard without the questions about the call.
pub(super) fn deeds(heard: Vec<Said>) -> Vec<Said> {
    heard.into_iter().filter(|said| *said != line("connect")).collect()
}

const MANIFEST: &str = "version = \"1\"\n[call]\nt = \"x.lua\"\n";

pub(super) async fn rig(script: &str) -> Rig {
    rig_of(script, MANIFEST, |_| {}, |_| {}).await
}

#[tokio::test]
async fn a_menu_with_failover_and_a_hook() {
    let rig = rig("function gone(s, what, arg)
             freeswitch.consoleLog('info', 'over ' .. s:hangupCause())
             assert(what == 'hangup' and arg == 'extra' and not s:ready())
             hook_cause = s:hangupCause()
         end
         assert(argv[1] == 'sales' and argv[2] == '7')
         session:setVariable('a', '1')
         session:setVariable('b', 'two words')
         session:setHangupHook('gone', 'extra')
         session:answer()
         assert(session:ready() and session:answered())
         assert(session:streamFile('tone_stream://%(100,0,800)') == 1)
         local digits = session:playAndGetDigits(1, 4, 3, 3000, '#', 'prompt.wav', '', '\\\\d+')
         assert(digits == '42', digits)
         assert(session:read(1, 1, 'x.wav', 2000, '#') == '')
         assert(session:getVariable('b') == 'two words' and session:getVariable('no') == nil)
         for _, to in ipairs({'one', 'two', 'three'}) do
             session:execute('bridge', 'user/' .. to)
             if session:getVariable('originate_disposition') == 'SUCCESS' then break end
         end
         session:setVariable('outcome', digits)
         session:hangup('user_busy')
         assert(hook_cause == 'USER_BUSY', hook_cause)
         assert(session:streamFile('x.wav') == 0 and session:getVariable('outcome') == '42')")
    .await;
    let mut switch = Switch::dial(&rig, "t sales 7").await;
    switch.digits = ["42", ""].into();
    switch.bridges = ["USER_BUSY", "SUCCESS"].into();
    let expected = [
        run("multiset", "^^|a=1|b=two words"),
        line("linger 2"),
        run("answer", ""),
        run("playback", "tone_stream://%(100,0,800)"),
        run("play_and_get_digits", "1 4 3 3000 # prompt.wav '' fsx_digits_1 \\d+"),
        run("read", "1 1 x.wav fsx_digits_2 2000 # 0"),
        run("bridge", "user/one"),
        run("bridge", "user/two"),
        run("set", "outcome=42"),
        run("hangup", "USER_BUSY"),
        line("exit"),
    ];
    assert_eq!(deeds(switch.serve().await), expected);
}

#[tokio::test]
async fn after_a_conversation_the_dialplan_goes_on_unless_told_otherwise() {
    for (script, expected) in [
        ("session:sleep(10)", vec![run("sleep", "10"), line("exit")]),
        (
            "session:setAutoHangup(true) session:sleep(10)",
            vec![
                run("sleep", "10"),
                line("sendmsg\ncall-command: xferext\napplication: hangup NORMAL_CLEARING"),
                line("exit"),
            ],
        ),
        ("session:setAutoHangup(false) session:answer()", vec![run("answer", ""), line("exit")]),
        (
            "session:sleep(10) session:setVariable('z', '1')",
            vec![run("sleep", "10"), run("set", "z=1"), line("exit")],
        ),
        (
            "session:sleep(1) return {reject = 21}",
            vec![
                run("sleep", "1"),
                line("sendmsg\ncall-command: xferext\napplication: hangup 21"),
                line("exit"),
            ],
        ),
        // A script that fails has done what it has done; the dialplan goes on.
        ("session:sleep(1) error('boom')", vec![run("sleep", "1"), line("exit")]),
        // One that only decides is one write, as ever.
        (
            "session:answer() session:execute('bridge', 'user/1')",
            vec![
                line(
                    "sendmsg\ncall-command: xferext\napplication: answer\napplication: bridge user/1",
                ),
                line("exit"),
            ],
        ),
    ] {
        let rig = rig(script).await;
        let mut switch = Switch::dial(&rig, "t").await;
        let mut heard = Vec::new();
        while let Some(said) = switch.hear().await {
            heard.push(said.clone());
            if !switch.obey(&said).await {
                break;
            }
        }
        assert_eq!(deeds(heard), expected, "{script}");
    }
}

#[tokio::test]
async fn commands_of_the_switch_and_events() {
    let rig = rig(
        "local api = freeswitch.API()
         assert(api:executeString('create_uuid') == 'u-u-i-d')
         assert(freeswitch.getGlobalVariable('domain') == 'example.net')
         assert(tonumber(api:getTime()) > 1e12)
         local ok, why = pcall(api.execute, api, 'system', 'reboot')
         assert(not ok and tostring(why):find('does not allow the command system'), tostring(why))
         local e = freeswitch.Event('CUSTOM', 'fsx::seen')
         e:addHeader('Number', call.number) e:addHeader('gone', 1) e:delHeader('gone')
         assert(e:getHeader('number') == '1001' and e:getType() == 'CUSTOM')
         e:addBody('hello')
         assert(e:fire())
         local ok, why = pcall(function() local e = freeswitch.Event('X') e:addHeader('a', 'b\\nc') e:fire() end)
         assert(not ok and tostring(why):find('control character'), tostring(why))
         for _, name in ipairs({'Session', 'EventConsumer', 'email'}) do
             local ok, why = pcall(function() return freeswitch[name] end)
             assert(not ok and tostring(why):find('freeswitch.' .. name .. ' is not available'))
         end
         local ok, why = pcall(function() return session.setInputCallback end)
         assert(not ok and tostring(why):find('sync mode'), tostring(why))
         session:setVariable('all', 'well')",
    )
    .await;
    let heard = deeds(Switch::dial(&rig, "t").await.serve().await);
    let expected = [
        line("api create_uuid"),
        line("api global_getvar domain"),
        line(
            "sendevent CUSTOM\nEvent-Subclass: fsx::seen\nNumber: 1001\ncontent-length: 5\n\nhello",
        ),
        run("set", "all=well"),
        line("exit"),
    ];
    assert_eq!(heard, expected);
}

/// Talks until the call is gone, and counts in a file that it came to its end and ran its hook.
const UNTIL_GONE: &str = "
    function gone(s) fsx.log('hook ' .. s:hangupCause()) ended = s:hangupCause() end
    session:setHangupHook('gone')
    session:answer()
    while session:ready() do
        session:streamFile('x.wav')
        session:sleep(20)
    end
    assert(ended ~= nil)
    session:setVariable('more', 'x')
";

/// The script's own end, which nobody hears on the socket once the call is gone.
#[tokio::test]
async fn the_hook_knows_why_the_call_ended() {
    for (lingers, cause) in [(true, "ORIGINATOR_CANCEL"), (false, "UNKNOWN")] {
        for (returned, then) in [("nil", "error('after')"), ("'die'", "error('never')")] {
            let script = format!(
                "local runs = 0
                 function gone(s)
                     runs = runs + 1
                     assert(s:hangupCause() == '{cause}', s:hangupCause())
                     assert(runs == 1 and not s:ready() and s:getVariable('kept') == '1')
                     return {returned}
                 end
                 session:setVariable('kept', '1')
                 session:setHangupHook('gone')
                 while session:ready() do session:sleep(20) end
                 assert(runs == 1)
                 {then}"
            );
            let ended = play(&script, lingers).await;
            match then {
                "error('never')" => assert!(ended.is_ok(), "{ended:?}"),
                _ => {
                    let failure = ended.expect_err("it goes on to its end").to_string();
                    assert!(failure.ends_with("after"), "{failure}");
                }
            }
        }
    }
}

/// Plays a call that ends at its third `sleep`.
async fn play(script: &str, lingers: bool) -> Result<Outcome, Failure> {
    let dir = tempfile::tempdir().expect("a folder");
    std::fs::create_dir(dir.path().join("default")).expect("a folder");
    std::fs::write(dir.path().join("default/manifest.toml"), MANIFEST).expect("written");
    std::fs::write(dir.path().join("default/x.lua"), script).expect("written");
    let config = config::Policy {
        dir: dir.path().to_owned(),
        cpu_budget_ms: 1_000,
        ..config::Policy::default()
    };
    let engine = policy::Engine::start(&config, PublishedHandle::new()).expect("threads");
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.expect("a port");
    let address = listener.local_addr().expect("an address");
    let (ours, theirs) = tokio::join!(TcpStream::connect(address), listener.accept());
    let mut switch = Switch::on(theirs.expect("accepted").0);
    let short = Duration::from_secs(2);
    let limits = fsx_wire::esl::Limits::default();
    let mut peer = super::call::Peer {
        stream: ours.expect("connected"),
        decoder: fsx_wire::esl::Decoder::new(limits),
        patience: super::Patience { connect: short, write: short, close: short, limits },
        mode: super::queued::Mode::Sync,
    };
    let text = reply("t", "");
    let mut decoder = fsx_wire::esl::Decoder::default();
    decoder.feed(text.as_bytes());
    let frame = decoder.next_frame().expect("well formed").expect("whole");
    let data = fsx_wire::esl::ChannelData::new(&frame);
    let manners = std::sync::Arc::new(policy::line::Manners::from(&config));
    let (line, orders) = policy::line::line(&data, manners);
    let call = policy::Call { task: "t".to_owned(), ..policy::Call::default() };
    let run = engine.run_on(policy::Phase::Call, std::sync::Arc::new(call), LONG, Some(line));
    let caller = async {
        let mut sleeps = 0;
        while let Some(said) = switch.hear().await {
            sleeps += u32::from(matches!(&said, Said::Run(app, _) if app == "sleep"));
            if sleeps == 3 {
                switch.lingers &= lingers;
                switch.hang_up("ORIGINATOR_CANCEL").await;
                return;
            }
            assert!(switch.obey(&said).await, "{said:?}");
        }
    };
    let daemon = async {
        let ended = super::converse::between(&mut peer, orders, std::pin::pin!(run)).await;
        // As the conversation does when it is over.
        drop(peer);
        ended
    };
    match tokio::join!(daemon, caller).0 {
        Ok(super::converse::Ended::HungUp(Some(ended))) => ended,
        _ => panic!("the end of the call was not noticed"),
    }
}

#[tokio::test]
async fn a_caller_may_hang_up_at_any_point() {
    let rig = rig(UNTIL_GONE).await;
    let started = Instant::now();
    for lingers in [true, false] {
        for commands in 0..8 {
            let mut switch = Switch::dial(&rig, "t").await;
            for _ in 0..commands {
                let said = switch.hear().await.expect("a command");
                assert!(switch.obey(&said).await);
            }
            // In the middle of whatever comes next, without a reply to it.
            let _ = switch.hear().await;
            switch.lingers &= lingers;
            switch.hang_up("ORIGINATOR_CANCEL").await;
        }
        // And without a word.
        for commands in 0..4 {
            let mut switch = Switch::dial(&rig, "t").await;
            for _ in 0..commands {
                let said = switch.hear().await.expect("a command");
                assert!(switch.obey(&said).await);
            }
        }
    }
    assert!(rig.stopper.drain(LONG).await);
    assert!(started.elapsed() < Duration::from_secs(8), "{:?}", started.elapsed());
}

#[tokio::test]
async fn a_switch_that_stops_answering_is_left() {
    let rig = rig_of(
        UNTIL_GONE,
        MANIFEST,
        |config| config.close_timeout_ms = 200,
        |policy| {
            (policy.reply_timeout_ms, policy.call_max_s) = (300, 1);
        },
    )
    .await;
    for commands in 0..6 {
        let mut switch = Switch::dial(&rig, "t").await;
        for _ in 0..commands {
            let said = switch.hear().await.expect("a command");
            assert!(switch.obey(&said).await);
        }
        // From here on it takes everything and says nothing; the daemon closes.
        let started = Instant::now();
        while switch.hear().await.is_some() {}
        assert!(started.elapsed() < Duration::from_secs(4), "{commands}: {:?}", started.elapsed());
    }
    assert!(rig.stopper.drain(LONG).await);
}

#[tokio::test]
async fn waiting_for_the_switch_is_not_the_scripts_own_time() {
    let rig = rig_of(
        "session:sleep(400) session:sleep(400) session:setVariable('a', '1')",
        MANIFEST,
        |_| {},
        |policy| policy.call_budget_ms = 300,
    )
    .await;
    let mut switch = Switch::dial(&rig, "t").await;
    let mut heard = Vec::new();
    while let Some(said) = switch.hear().await {
        if matches!(&said, Said::Run(app, _) if app == "sleep") {
            tokio::time::sleep(Duration::from_millis(400)).await;
        }
        heard.push(said.clone());
        if !switch.obey(&said).await {
            break;
        }
    }
    let expected = [run("sleep", "400"), run("sleep", "400"), run("set", "a=1"), line("exit")];
    assert_eq!(deeds(heard), expected);
}
