//! `session`: the call, under the names that mod_lua taught everyone.
//!
//! What decides (`execute`, `answer`, `setVariable`, `hangup`, `transfer`) is collected until
//! something needs the switch's reply; from then on it happens at once. A method that is not here
//! says so by name. Once the caller has hung up the methods give what mod_lua's give: false, 0, nil
//! or "".

use std::sync::Arc;

use fsx_wire::esl::Action;
use mlua::{Error, Lua, MetaMethod, UserData, UserDataMethods, Value, Variadic};

use super::Phase;
use super::api::{LogLevel, refusal};
use super::host::{Current, sleep};
use super::run::Run;
use super::screen::{self, Author};
use super::talk::Hook;

/// The userdata. It holds no call of its own: a script that keeps it finds only its own run.
pub(super) struct Session(pub(super) Current);

impl Session {
    /// The run, where it can talk with the switch.
    fn talking(&self, lua: &Lua, name: &'static str) -> mlua::Result<Arc<Run>> {
        let run = self.0.enter_waiting(lua, name)?;
        run.line(name)?;
        Ok(run)
    }

    /// The run, where it can ask the switch, or knows how the call ended.
    fn asking(&self, lua: &Lua, name: &'static str) -> mlua::Result<Arc<Run>> {
        let run = self.0.enter_waiting(lua, name)?;
        if run.phase != Phase::Hangup {
            run.line(name)?;
        }
        Ok(run)
    }
}

/// Text of an argument; nil is the empty text.
fn text(value: &Value) -> mlua::Result<String> {
    if value.is_nil() { Ok(String::new()) } else { value.to_string() }
}

fn whole(method: &str, what: &str, value: &Value, default: u32) -> mlua::Result<u32> {
    let given = match value {
        Value::Nil => return Ok(default),
        Value::Integer(n) => u32::try_from(*n).ok(),
        Value::Number(n) if n.fract() == 0.0 && (0.0..=4e9).contains(n) => Some(*n as u32),
        Value::String(text) => text.to_string_lossy().trim().parse().ok(),
        _ => None,
    };
    given.ok_or_else(|| {
        Error::runtime(format!("session:{method}: {what}: expected a whole number from 0"))
    })
}

/// One word of an application's data, quoted where it needs to be.
fn word(method: &str, what: &str, value: &str) -> mlua::Result<String> {
    let wrong = |why: &str| Err(Error::runtime(format!("session:{method}: {what}: {why}")));
    if value.contains('\'') || value.bytes().any(|b| b.is_ascii_control()) {
        return wrong("holds a quote or a control character");
    }
    if value.contains("${") {
        return wrong("holds \"${\"");
    }
    // The switch takes these for one character each, twice over.
    if ["\\s", "\\n", "\\r", "\\t", "\\\\"].iter().any(|escape| value.contains(escape)) {
        return wrong("holds an escape that the switch would undo; write [[:space:]] for \\s");
    }
    let bare = !value.is_empty() && !value.contains(' ');
    Ok(if bare { value.to_owned() } else { format!("'{value}'") })
}

fn sound(run: &Run, method: &str, what: &str, path: &str) -> mlua::Result<String> {
    screen::sound(run.author(), path)
        .map_err(|e| Error::runtime(format!("session:{method}: {what}: {e}")))?;
    word(method, what, path)
}

/// An application that decides: collected, or run at once in a conversation.
async fn act(run: &Run, app: &str, data: String) -> mlua::Result<bool> {
    run.action(Action::new(app, data)).map_err(Error::runtime)?;
    if run.is_live() { Box::pin(run.flush()).await } else { Ok(true) }
}

fn arg(words: &[Value], n: usize) -> &Value {
    words.get(n).unwrap_or(&Value::Nil)
}

/// What the digits were, which ended them last.
async fn digits(run: &Run, action: Action, variable: &str) -> mlua::Result<String> {
    Ok(match run.perform(action).await? {
        Some(_) => run.told(variable).unwrap_or_default(),
        None => String::new(),
    })
}

impl UserData for Session {
    fn add_methods<M: UserDataMethods<Self>>(methods: &mut M) {
        variables(methods);
        decides(methods);
        media(methods);
        collects(methods);
        ends(methods);
        methods.add_meta_method(MetaMethod::Index, |_, _, name: String| -> mlua::Result<Value> {
            Err(refusal(&format!("session:{name}"), "there is no such method"))
        });
    }
}

fn variables<M: UserDataMethods<Session>>(methods: &mut M) {
    methods.add_async_method("getVariable", |lua: Lua, this, name: String| {
        let run = this.0.enter(&lua, "session:getVariable");
        async move {
            let run = run?;
            if run.is_live() || (run.can_talk() && run.has_acted()) {
                run.refresh().await?;
            }
            run.then(&lua, run.variable(&name)).await
        }
    });
    methods.add_method("setVariable", |lua, this, (name, value): (String, Value)| {
        let run = this.0.enter(lua, "session:setVariable")?;
        run.set_variable(&name, &text(&value)?).map_err(Error::runtime)
    });
    methods.add_method("get_uuid", |lua, this, ()| {
        Ok(this.0.enter(lua, "session:get_uuid")?.call.facts.call_id.clone())
    });
    methods.add_method("consoleLog", |lua, this, (level, line): (String, Value)| {
        let run = this.0.enter(lua, "session:consoleLog")?;
        run.log(LogLevel::parse(&level), &text(&line)?);
        Ok(())
    });
}

fn decides<M: UserDataMethods<Session>>(methods: &mut M) {
    methods.add_async_method("execute", |lua: Lua, this, (app, data): (String, Value)| {
        let run = this.0.enter_waiting(&lua, "session:execute");
        async move {
            let run = run?;
            let done = act(&run, &app, text(&data)?).await?;
            run.then(&lua, done).await
        }
    });
    methods.add_async_method("answer", |lua: Lua, this, ()| {
        let run = this.0.enter_waiting(&lua, "session:answer");
        async move {
            let run = run?;
            let done = act(&run, "answer", String::new()).await?;
            run.then(&lua, i32::from(done)).await
        }
    });
    methods.add_async_method("preAnswer", |lua: Lua, this, ()| {
        let run = this.0.enter_waiting(&lua, "session:preAnswer");
        async move {
            let run = run?;
            let done = act(&run, "pre_answer", String::new()).await?;
            run.then(&lua, i32::from(done)).await
        }
    });
    methods.add_async_method("transfer", |lua: Lua, this, words: Variadic<String>| {
        let run = this.0.enter_waiting(&lua, "session:transfer");
        async move {
            let run = run?;
            let done = act(&run, "transfer", words.join(" ")).await?;
            run.then(&lua, i32::from(done)).await
        }
    });
    methods.add_async_method("hangup", |lua: Lua, this, cause: Value| {
        let run = this.0.enter_waiting(&lua, "session:hangup");
        async move {
            let run = run?;
            if !run.is_over() {
                act(&run, "hangup", text(&cause)?.to_ascii_uppercase()).await?;
            }
            run.then(&lua, ()).await
        }
    });
}

fn media<M: UserDataMethods<Session>>(methods: &mut M) {
    methods.add_async_method("streamFile", |lua: Lua, this, (path, start): (String, Value)| {
        let run = this.0.enter_waiting(&lua, "session:streamFile");
        async move {
            let run = run?;
            if !matches!(whole("streamFile", "start", &start, 0)?, 0) {
                return Err(Error::runtime(
                    "session:streamFile: the application plays from the beginning; leave start out",
                ));
            }
            screen::sound(run.author(), &path).map_err(Error::runtime)?;
            let action = Action::new("playback", path);
            if !run.can_talk() {
                run.action(action).map_err(Error::runtime)?;
                return run.then(&lua, 1).await;
            }
            let said = run.perform(action).await?;
            let played =
                said.is_some_and(|said| !said.contains("NOT FOUND") && !said.contains("ERROR"));
            run.then(&lua, i32::from(played)).await
        }
    });
    methods.add_async_method("sleep", |lua: Lua, this, ms: f64| {
        let run = this.0.enter_waiting(&lua, "session:sleep");
        async move {
            let run = run?;
            if run.phase == Phase::Route || !run.can_talk() {
                sleep(&run, ms).await?;
                return run.then(&lua, ()).await;
            }
            if !(0.0..=86_400_000.0).contains(&ms) {
                return Err(Error::runtime(format!("sleep: expected milliseconds, got {ms}")));
            }
            let slept = run.perform(Action::new("sleep", format!("{ms:.0}"))).await?;
            run.then(&lua, i32::from(slept.is_some())).await
        }
    });
    methods.add_async_method("recordFile", |lua: Lua, this, words: Variadic<Value>| {
        let run = this.talking(&lua, "session:recordFile");
        async move {
            let run = run?;
            if run.author() == Author::Organisation {
                return Err(Error::runtime(
                    "session:recordFile: organisations' policies may not write files",
                ));
            }
            let mut data = word("recordFile", "path", &text(arg(&words, 0))?)?;
            for (n, what) in ["limit", "threshold", "hits"].iter().enumerate() {
                if arg(&words, n + 1).is_nil() {
                    break;
                }
                let number = whole("recordFile", what, arg(&words, n + 1), 0)?;
                data.push_str(&format!(" {number}"));
            }
            let done = run.perform(Action::new("record", data)).await?;
            run.then(&lua, i32::from(done.is_some())).await
        }
    });
    methods.add_async_method("say", |lua: Lua, this, words: Variadic<String>| {
        let run = this.talking(&lua, "session:say");
        async move {
            let run = run?;
            let [said, module, kind, method, gender @ ..] = words.as_slice() else {
                return Err(Error::runtime("session:say: expected (text, module, type, method)"));
            };
            let mut data = Vec::new();
            for (what, value) in [("module", module), ("type", kind), ("method", method)] {
                data.push(word("say", what, value)?);
            }
            if let Some(gender) = gender.first() {
                data.push(word("say", "gender", gender)?);
            }
            // The last of them is the rest of the line, unquoted.
            word("say", "text", said)?;
            data.push(said.clone());
            let done = run.perform(Action::new("say", data.join(" "))).await?;
            run.then(&lua, done.is_some()).await
        }
    });
    methods.add_async_method("sayPhrase", |lua: Lua, this, words: Variadic<String>| {
        let run = this.talking(&lua, "session:sayPhrase");
        async move {
            let run = run?;
            let Some(name) = words.first() else {
                return Err(Error::runtime("session:sayPhrase: expected (name, data, language)"));
            };
            let rest = words.get(1).map_or("", String::as_str);
            word("sayPhrase", "name", name)?;
            word("sayPhrase", "data", rest)?;
            if let Some(language) = words.get(2).filter(|language| !language.is_empty()) {
                run.set_variable("language", language).map_err(Error::runtime)?;
            }
            let action = Action::new("phrase", format!("{name},{rest}"));
            let done = run.perform(action).await?;
            run.then(&lua, done.is_some()).await
        }
    });
    for name in ["session:set_tts_params", "session:set_tts_parms"] {
        let method = name.trim_start_matches("session:");
        methods.add_method(method, move |lua, this, (engine, voice): (String, String)| {
            let run = this.0.enter(lua, name)?;
            for (what, value) in [("engine", &engine), ("voice", &voice)] {
                let plain = |b: u8| b.is_ascii_alphanumeric() || b"_-. /".contains(&b);
                if !value.bytes().all(plain) {
                    return Err(Error::runtime(format!("{name}: {what}: \"{value}\"")));
                }
            }
            run.tts(Some((engine, voice)));
            Ok(())
        });
    }
    methods.add_async_method("speak", |lua: Lua, this, said: String| {
        let run = this.talking(&lua, "session:speak");
        async move {
            let run = run?;
            let Some((engine, voice)) = run.tts(None) else {
                return Err(Error::runtime(
                    "session:speak: call set_tts_params(engine, voice) first",
                ));
            };
            if said.contains("${") || said.contains('|') {
                return Err(Error::runtime("session:speak: the text holds \"${\" or a bar"));
            }
            let action = Action::new("speak", format!("{engine}|{voice}|{said}"));
            let done = run.perform(action).await?;
            run.then(&lua, i32::from(done.is_some())).await
        }
    });
}

fn collects<M: UserDataMethods<Session>>(methods: &mut M) {
    // min, max, tries, timeout, terminators, file, invalid file, regex, variable, digit timeout,
    // transfer on failure.
    methods.add_async_method("playAndGetDigits", |lua: Lua, this, words: Variadic<Value>| {
        const NAME: &str = "playAndGetDigits";
        let run = this.talking(&lua, "session:playAndGetDigits");
        async move {
            let run = run?;
            let texts = words.iter().map(text).collect::<mlua::Result<Vec<_>>>()?;
            let given = |n: usize| texts.get(n).map_or("", String::as_str);
            if !given(10).is_empty() {
                return Err(Error::runtime(
                    "session:playAndGetDigits: transfer_on_failure would take the call away from \
                     the script; look at the digits instead",
                ));
            }
            let variable = run.digits_variable();
            let mut data = Vec::new();
            for (n, what) in ["min", "max", "tries", "timeout"].iter().enumerate() {
                data.push(whole(NAME, what, arg(&words, n), 1)?.to_string());
            }
            data.push(word(NAME, "terminators", given(4))?);
            data.push(sound(&run, NAME, "file", given(5))?);
            data.push(sound(&run, NAME, "invalid file", given(6))?);
            data.push(variable.clone());
            data.push(word(NAME, "digits", given(7))?);
            if !arg(&words, 9).is_nil() {
                data.push(whole(NAME, "digit timeout", arg(&words, 9), 0)?.to_string());
            }
            let action = Action::new("play_and_get_digits", data.join(" "));
            let pressed = digits(&run, action, &variable).await?;
            // The caller's own name for them, which mod_lua sets too.
            if !given(8).is_empty() && !pressed.is_empty() {
                run.set_variable(given(8), &pressed).map_err(Error::runtime)?;
            }
            run.then(&lua, pressed).await
        }
    });
    // min, max, file, timeout, terminators, digit timeout.
    methods.add_async_method("read", |lua: Lua, this, words: Variadic<Value>| {
        let run = this.talking(&lua, "session:read");
        async move {
            let run = run?;
            let variable = run.digits_variable();
            let data = [
                whole("read", "min", arg(&words, 0), 1)?.to_string(),
                whole("read", "max", arg(&words, 1), 1)?.to_string(),
                sound(&run, "read", "file", &text(arg(&words, 2))?)?,
                variable.clone(),
                whole("read", "timeout", arg(&words, 3), 5_000)?.to_string(),
                word("read", "terminators", &text(arg(&words, 4))?)?,
                whole("read", "digit timeout", arg(&words, 5), 0)?.to_string(),
            ];
            let pressed = digits(&run, Action::new("read", data.join(" ")), &variable).await?;
            run.then(&lua, pressed).await
        }
    });
    // max, terminators, timeout, between digits.
    methods.add_async_method("getDigits", |lua: Lua, this, words: Variadic<Value>| {
        let run = this.talking(&lua, "session:getDigits");
        async move {
            let run = run?;
            let variable = run.digits_variable();
            let data = [
                "1".to_owned(),
                whole("getDigits", "max", arg(&words, 0), 1)?.to_string(),
                "silence_stream://1".to_owned(),
                variable.clone(),
                whole("getDigits", "timeout", arg(&words, 2), 5_000)?.to_string(),
                word("getDigits", "terminators", &text(arg(&words, 1))?)?,
                whole("getDigits", "digit timeout", arg(&words, 3), 0)?.to_string(),
            ];
            let pressed = digits(&run, Action::new("read", data.join(" ")), &variable).await?;
            run.then(&lua, pressed).await
        }
    });
    methods.add_async_method("flushDigits", |lua: Lua, this, ()| {
        let run = this.talking(&lua, "session:flushDigits");
        async move {
            let run = run?;
            let done = run.perform(Action::new("flush_dtmf", "")).await?;
            run.then(&lua, done.is_some()).await
        }
    });
}

fn ends<M: UserDataMethods<Session>>(methods: &mut M) {
    methods.add_async_method("ready", |lua: Lua, this, ()| {
        let run = this.0.enter_waiting(&lua, "session:ready");
        async move {
            let run = run?;
            let ready = if run.phase == Phase::Hangup {
                false
            } else if run.is_live() || (run.can_talk() && run.has_acted()) {
                run.refresh().await?
            } else {
                !run.hung_up()
            };
            run.then(&lua, ready && !run.hung_up()).await
        }
    });
    for (name, states) in [
        ("session:answered", &["answered"][..]),
        ("session:mediaReady", &["answered", "early"]),
        // A script runs between applications, and a call is bridged only while one of them runs.
        ("session:bridged", &[]),
    ] {
        let method = name.trim_start_matches("session:");
        methods.add_async_method(method, move |lua: Lua, this, ()| {
            let run = this.asking(&lua, name);
            async move {
                let run = run?;
                let is = match &run.call.ended {
                    Some(ended) => name == "session:answered" && ended.answered,
                    None => {
                        let there = run.refresh().await?;
                        let state = run.header("Answer-State");
                        there && state.is_some_and(|state| states.contains(&state.as_str()))
                    }
                };
                run.then(&lua, is).await
            }
        });
    }
    for name in ["session:getState", "session:hangupState"] {
        let method = name.trim_start_matches("session:");
        methods.add_async_method(method, move |lua: Lua, this, ()| {
            let run = this.asking(&lua, name);
            async move {
                let run = run?;
                let there = run.phase != Phase::Hangup && run.refresh().await?;
                let state = run.header("Channel-State").filter(|_| there);
                let state = state.unwrap_or_else(|| "CS_HANGUP".to_owned());
                run.then(&lua, state).await
            }
        });
    }
    methods.add_async_method("hangupCause", |lua: Lua, this, ()| {
        let run = this.0.enter_waiting(&lua, "session:hangupCause");
        async move {
            let run = run?;
            if run.is_live() && !run.is_over() {
                run.refresh().await?;
            }
            let unknown = if run.is_over() { "UNKNOWN" } else { "NONE" };
            run.then(&lua, run.cause().unwrap_or_else(|| unknown.to_owned())).await
        }
    });
    methods.add_async_method(
        "setHangupHook",
        |lua: Lua, this, (function, argument): (Value, Value)| {
            let run = this.talking(&lua, "session:setHangupHook");
            let globals = lua.globals();
            async move {
                let run = run?;
                if !matches!(function, Value::Function(_) | Value::String(_)) {
                    return Err(Error::runtime(
                        "session:setHangupHook: expected the name of a function",
                    ));
                }
                run.hook(Some(Hook { globals, function, argument }));
                run.linger().await?;
                run.then(&lua, ()).await
            }
        },
    );
    methods.add_method("setAutoHangup", |lua, this, yes: bool| {
        this.0.enter(lua, "session:setAutoHangup")?.set_auto_hangup(yes);
        Ok(())
    });
}
