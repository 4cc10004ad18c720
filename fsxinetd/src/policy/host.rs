//! What scripts can call: `fsx`, `freeswitch`, `require`, `print`.
//!
//! The functions live in the machine's own globals, which are sealed before any script runs, and
//! find the run that is going on through [`Current`]. Each checks what it is given: a script is
//! somebody else's text.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use fsx_wire::message::WireFacts;
use mlua::{Error, Lua, LuaSerdeExt as _, MultiValue, Table, Value, Variadic, chunk::ChunkMode};

use super::freeswitch;
use super::run::Run;
use crate::published::PublishedHandle;
use crate::routing;

/// The run that a machine is busy with. Set while it is polled, empty otherwise.
#[derive(Clone, Debug, Default)]
pub(super) struct Current(Arc<Mutex<Option<Arc<Run>>>>);

impl Current {
    pub(super) fn set(&self, run: Option<Arc<Run>>) {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = run;
    }

    /// The run, with this call into the host counted.
    pub(super) fn run(&self) -> mlua::Result<Arc<Run>> {
        let run = self.0.lock().unwrap_or_else(PoisonError::into_inner).clone();
        let run = run.ok_or_else(|| Error::runtime("no call is going on"))?;
        run.host_call().map_err(Error::runtime)?;
        Ok(run)
    }
}

/// Puts the functions into `lua`'s globals and takes out what could reach past them.
pub(super) fn install(
    lua: &Lua,
    current: &Current,
    published: &PublishedHandle,
) -> mlua::Result<()> {
    let globals = lua.globals();
    for name in ["loadstring", "collectgarbage", "getfenv", "setfenv", "newproxy"] {
        globals.raw_set(name, Value::Nil)?;
    }
    globals.raw_set("require", require(lua, current)?)?;
    globals.raw_set("print", print(lua, current)?)?;
    globals.raw_set("fsx", fsx(lua, current, published)?)?;
    globals.raw_set("freeswitch", freeswitch::install(lua, current)?)?;
    Ok(())
}

/// `fsx`: our own names.
fn fsx(lua: &Lua, current: &Current, published: &PublishedHandle) -> mlua::Result<Table> {
    let fsx = lua.create_table()?;
    let (run, handle) = (current.clone(), published.clone());
    fsx.set(
        "route",
        lua.create_function(move |lua, question: Option<Table>| {
            route(lua, &*run.run()?, &handle, question)
        })?,
    )?;
    let run = current.clone();
    fsx.set(
        "log",
        lua.create_function(move |_, words: Variadic<Value>| {
            let run = run.run()?;
            match words.as_slice() {
                [text] => run.log("info", &text.to_string()?),
                [level, text] => run.log(&level.to_string()?, &text.to_string()?),
                _ => return Err(Error::runtime("fsx.log: expected (text) or (level, text)")),
            }
            Ok(())
        })?,
    )?;
    let run = current.clone();
    fsx.set(
        "sleep",
        lua.create_async_function(move |_, ms: f64| {
            let run = run.run();
            async move { sleep(&*run?, ms).await }
        })?,
    )?;
    #[cfg(test)]
    for_tests(lua, &fsx)?;
    Ok(fsx)
}

/// Host functions with faults that real ones might have.
#[cfg(test)]
fn for_tests(lua: &Lua, fsx: &Table) -> mlua::Result<()> {
    fsx.set(
        "block",
        lua.create_function(|_, ms: u64| {
            // No budget can see into it.
            std::thread::sleep(Duration::from_millis(ms));
            Ok(())
        })?,
    )?;
    fsx.set(
        "once",
        lua.create_async_function(|_, ()| {
            // Not ready the first time, and says at once that it is now.
            let mut asked = false;
            std::future::poll_fn(move |cx| {
                if std::mem::replace(&mut asked, true) {
                    return std::task::Poll::Ready(Ok(()));
                }
                cx.waker().wake_by_ref();
                std::task::Poll::Pending
            })
        })?,
    )
}

/// Waits on behalf of a script. Past the budget it fails at once instead of holding on to nothing.
pub(super) async fn sleep(run: &Run, ms: f64) -> mlua::Result<()> {
    if !(0.0..=86_400_000.0).contains(&ms) {
        return Err(Error::runtime(format!("sleep: expected milliseconds, got {ms}")));
    }
    let wanted = Duration::from_secs_f64(ms / 1000.0);
    let left = run.deadline.at().saturating_duration_since(Instant::now());
    tokio::time::sleep(wanted.min(left)).await;
    Ok(())
}

fn print(lua: &Lua, current: &Current) -> mlua::Result<mlua::Function> {
    let run = current.clone();
    lua.create_function(move |_, words: Variadic<Value>| {
        let words = words.iter().map(Value::to_string).collect::<mlua::Result<Vec<_>>>()?;
        run.run()?.log("info", &words.join("\t"));
        Ok(())
    })
}

/// `require`: another file of the same bundle, run once a run.
fn require(lua: &Lua, current: &Current) -> mlua::Result<mlua::Function> {
    let run = current.clone();
    lua.create_function(move |lua, name: String| {
        let run = run.run()?;
        let file = format!("{}.lua", name.trim_end_matches(".lua").replace('.', "/"));
        // The cache is in the run's own globals, so it goes when the run goes.
        let globals = lua.globals();
        let loaded = match globals.raw_get::<Value>("__loaded")? {
            Value::Table(table) => table,
            _ => {
                let table = lua.create_table()?;
                globals.raw_set("__loaded", &table)?;
                table
            }
        };
        let known: Value = loaded.raw_get(file.as_str())?;
        if !known.is_nil() {
            return Ok(known);
        }
        let function = load(lua, &run, &file)?;
        // Marked first, so that two files that require one another end.
        loaded.raw_set(file.as_str(), true)?;
        let value: Value = function.call(())?;
        let value = if value.is_nil() { Value::Boolean(true) } else { value };
        loaded.raw_set(file.as_str(), &value)?;
        Ok(value)
    })
}

/// Loads a compiled file of the run's bundle into the globals of the Lua thread that asks.
pub(super) fn load(lua: &Lua, run: &Run, file: &str) -> mlua::Result<mlua::Function> {
    let bundle = &run.bundle;
    let code = bundle
        .bytecode(file)
        .ok_or_else(|| Error::runtime(format!("there is no file {file} in {}", bundle.name)))?;
    lua.load(code)
        .set_name(format!("@{}/{file}", bundle.name))
        .set_mode(ChunkMode::Binary)
        .into_function()
}

/// `fsx.route{…}`: the engine's answer as a table; nil and a reason before any data is published.
fn route(
    lua: &Lua,
    run: &Run,
    handle: &PublishedHandle,
    question: Option<Table>,
) -> mlua::Result<MultiValue> {
    let mut facts = WireFacts { vars: Default::default(), ..run.call.facts.clone() };
    let mut why = false;
    if let Some(question) = question {
        for pair in question.pairs::<String, Value>() {
            let (name, value) = pair?;
            fact(lua, run, &mut facts, &mut why, &name, value)
                .map_err(|e| Error::runtime(format!("fsx.route: {name}: {e}")))?;
        }
    }
    match routing::route(handle, &routing::facts(&facts), why) {
        Ok(answer) => {
            run.give(&answer.routes);
            let options = mlua::serde::ser::Options::new()
                .set_array_metatable(false)
                .serialize_none_to_null(false)
                .serialize_unit_to_null(false);
            let answer = lua.to_value_with(&answer, options)?;
            Ok(MultiValue::from_iter([answer]))
        }
        Err(no_data) => {
            let reason = Value::String(lua.create_string(no_data.to_string())?);
            Ok(MultiValue::from_iter([Value::Nil, reason]))
        }
    }
}

fn fact(
    lua: &Lua,
    run: &Run,
    facts: &mut WireFacts,
    why: &mut bool,
    name: &str,
    value: Value,
) -> Result<(), String> {
    let text = |value: Value| match value {
        Value::String(text) => Ok(text.to_string_lossy()),
        // A number that was written without quotes; past 2^53 it is no longer the one meant.
        Value::Integer(n) => Ok(n.to_string()),
        Value::Number(n) if n.fract() == 0.0 && n.abs() < 9e15 => Ok(format!("{n:.0}")),
        other => Err(format!("expected text, got {}", other.type_name())),
    };
    let whole = |value: Value| lua.unpack::<u32>(value).map_err(|_| "expected a whole number");
    let truth = |value: Value| match value {
        Value::Boolean(yes) => Ok(yes),
        other => Err(format!("expected true or false, got {}", other.type_name())),
    };
    match name {
        "number" => facts.called = text(value)?,
        "caller" => facts.caller = Some(text(value)?),
        "withhold" => facts.withhold_cli = truth(value)?,
        "country" => facts.home_country = Some(text(value)?),
        "data_centre" => facts.data_centre = text(value)?,
        "at" => facts.at = lua.unpack::<i64>(value).map_err(|_| "expected seconds since 1970")?,
        "privacy_class" => facts.privacy_class = Some(text(value)?),
        "pci_zone" => facts.pci_zone = Some(text(value)?),
        "carrier_group" => facts.carrier_group = Some(text(value)?),
        "profile" => {
            let name = text(value)?;
            fsx_core::Profile::parse(&name).map_err(|e| format!("\"{name}\": {e}"))?;
            facts.profile = Some(name);
        }
        "lrn" => facts.lrn = Some(text(value)?),
        "max_attempts" => {
            facts.max_attempts =
                u8::try_from(whole(value)?).map_err(|_| "expected at most 255".to_owned())?;
        }
        "why" => *why = truth(value)?,
        "org" => {
            let (org, own) = (whole(value)?, run.org());
            if org != own && !run.bundle.trusted() {
                return Err(format!("organisation {own} may not ask for organisation {org}"));
            }
            facts.org = org;
        }
        _ => return Err("no such part of a question".to_owned()),
    }
    Ok(())
}
