//! `freeswitch`: the name that scripts know, over the live call's own event socket.
//!
//! A command of the switch can reach every call on it, so each has to be on a list of the
//! configuration; what is not here says so by name.

use std::sync::{Mutex, PoisonError};
use std::time::{SystemTime, UNIX_EPOCH};

use mlua::{Error, Lua, MetaMethod, Table, UserData, UserDataMethods, Value, Variadic};

use super::Phase;
use super::host::{Current, sleep};

/// Most headers of one event.
const MAX_HEADERS: usize = 100;

/// Longest text of one event, in bytes.
const MAX_TEXT: usize = 16 << 10;

/// What is not here, and why.
const REFUSED: &[(&str, &str)] = &[
    ("Session", "a policy has one call; bridge to the other one"),
    ("bridge", "a policy has one call; use session:execute(\"bridge\", …)"),
    ("EventConsumer", "a policy has no event queue"),
    ("IVRMenu", "use session:execute(\"ivr\", …)"),
    ("email", "policies send no mail"),
    ("setGlobalVariable", "a policy may not change the switch for others"),
    ("Dbh", "databases are not offered to policies yet"),
    ("JSON", "it is not offered yet"),
];

/// Makes the table.
pub(super) fn install(lua: &Lua, current: &Current) -> mlua::Result<Table> {
    let table = lua.create_table()?;
    for name in ["consoleLog", "console_log"] {
        let run = current.clone();
        let log = lua.create_function(move |_, (level, text): (String, Value)| {
            run.run()?.log(&level.to_ascii_lowercase(), &text.to_string()?);
            Ok(())
        })?;
        table.set(name, log)?;
    }
    let run = current.clone();
    let msleep = lua.create_async_function(move |_, ms: f64| {
        let run = run.run();
        async move { sleep(&*run?, ms).await }
    })?;
    table.set("msleep", msleep)?;
    let run = current.clone();
    let api = lua.create_function(move |_, _: Variadic<Value>| Ok(Api(run.clone())))?;
    table.set("API", api)?;
    let run = current.clone();
    let event = lua.create_function(move |_, (name, subclass): (String, Option<String>)| {
        let mut headers = Vec::new();
        if let Some(subclass) = subclass {
            headers.push(("Event-Subclass".to_owned(), subclass));
        }
        let content = Content { headers, body: String::new() };
        Ok(Event { current: run.clone(), name, content: Mutex::new(content) })
    })?;
    table.set("Event", event)?;
    let run = current.clone();
    let global = lua.create_async_function(move |lua: Lua, name: String| {
        let run = in_call(&run, "freeswitch.getGlobalVariable");
        async move {
            let run = run?;
            let said = run.api("global_getvar", &name).await?;
            run.then(said.filter(|value| !value.is_empty()), &lua).await
        }
    })?;
    table.set("getGlobalVariable", global)?;
    let missing = lua.create_table()?;
    missing.set(
        "__index",
        lua.create_function(|_, (_, name): (Value, Value)| -> mlua::Result<Value> {
            let name = name.to_string()?;
            let why = REFUSED.iter().find(|(refused, _)| *refused == name).map(|(_, why)| *why);
            let why = why.unwrap_or("there is no such function");
            Err(Error::runtime(format!("freeswitch.{name} is not available here: {why}")))
        })?,
    )?;
    table.set_metatable(Some(missing))?;
    Ok(table)
}

fn in_call(current: &Current, what: &str) -> mlua::Result<std::sync::Arc<super::run::Run>> {
    let run = current.run()?;
    match run.phase {
        Phase::Call => Ok(run),
        phase => Err(Error::runtime(format!(
            "{what} is for the call phase; this is the {} phase",
            phase.as_str()
        ))),
    }
}

/// `freeswitch.API()`.
struct Api(Current);

impl UserData for Api {
    fn add_methods<M: UserDataMethods<Self>>(methods: &mut M) {
        methods.add_async_method(
            "execute",
            |lua: Lua, this, (command, argument): (String, Option<String>)| {
                let run = in_call(&this.0, "freeswitch.API");
                async move {
                    let run = run?;
                    let said = run.api(&command, argument.as_deref().unwrap_or("")).await?;
                    run.then(said.unwrap_or_default(), &lua).await
                }
            },
        );
        methods.add_async_method("executeString", |lua: Lua, this, line: String| {
            let run = in_call(&this.0, "freeswitch.API");
            async move {
                let run = run?;
                let (command, argument) = line.trim().split_once(' ').unwrap_or((line.trim(), ""));
                let said = run.api(command, argument.trim()).await?;
                run.then(said.unwrap_or_default(), &lua).await
            }
        });
        methods.add_method("getTime", |_, this, ()| {
            this.0.run()?;
            let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
            Ok(now.as_millis().to_string())
        });
        methods.add_meta_method(MetaMethod::Index, |_, _, name: String| -> mlua::Result<Value> {
            Err(Error::runtime(format!("freeswitch.API: there is no method {name} here")))
        });
    }
}

#[derive(Debug)]
struct Content {
    headers: Vec<(String, String)>,
    body: String,
}

/// `freeswitch.Event(name[, subclass])`.
struct Event {
    current: Current,
    name: String,
    content: Mutex<Content>,
}

impl Event {
    fn content(&self) -> std::sync::MutexGuard<'_, Content> {
        self.content.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl UserData for Event {
    fn add_methods<M: UserDataMethods<Self>>(methods: &mut M) {
        methods.add_method("addHeader", |_, this, (name, value): (String, Value)| {
            this.current.run()?;
            let value = value.to_string()?;
            let mut content = this.content();
            if content.headers.len() >= MAX_HEADERS || value.len() > MAX_TEXT {
                return Err(Error::runtime(format!(
                    "Event:addHeader: expected at most {MAX_HEADERS} headers of {MAX_TEXT} bytes"
                )));
            }
            content.headers.push((name, value));
            Ok(true)
        });
        methods.add_method("getHeader", |_, this, name: String| {
            let content = this.content();
            let found = content.headers.iter().find(|(n, _)| n.eq_ignore_ascii_case(&name));
            Ok(found.map(|(_, value)| value.clone()))
        });
        methods.add_method("delHeader", |_, this, name: String| {
            let mut content = this.content();
            let before = content.headers.len();
            content.headers.retain(|(n, _)| !n.eq_ignore_ascii_case(&name));
            Ok(content.headers.len() < before)
        });
        methods.add_method("addBody", |_, this, body: String| {
            if body.len() > MAX_TEXT {
                return Err(Error::runtime(format!(
                    "Event:addBody: {} bytes, expected at most {MAX_TEXT}",
                    body.len()
                )));
            }
            this.content().body = body;
            Ok(true)
        });
        methods.add_method("getBody", |_, this, ()| Ok(this.content().body.clone()));
        methods.add_method("getType", |_, this, ()| Ok(this.name.clone()));
        methods.add_async_method("fire", |lua: Lua, this, ()| {
            let run = in_call(&this.current, "Event:fire");
            let name = this.name.clone();
            let (headers, body) = {
                let content = this.content();
                (content.headers.clone(), content.body.clone())
            };
            async move {
                let run = run?;
                let sent = run.send_event(&name, &headers, &body).await?;
                run.then(sent, &lua).await
            }
        });
        methods.add_meta_method(MetaMethod::Index, |_, _, name: String| -> mlua::Result<Value> {
            Err(Error::runtime(format!("freeswitch.Event: there is no method {name} here")))
        });
    }
}
