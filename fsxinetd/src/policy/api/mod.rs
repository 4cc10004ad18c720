//! What policies may use: one list of the names, and one way to the world outside the machine.
//!
//! A script is somebody else's text, so everything it can reach is named in one place and reached
//! through one door. [`catalogue`] holds every name with its phases, arguments and meaning: the
//! refusals of the wrong phase, the editor stubs and the linter's settings all come from it.
//! [`World`] is the door: clocks, the Core API, the key-value store, databases, metrics, the log and
//! the routing data. The daemon opens it to the real ones ([`Outside`]); the simulator to scripted
//! ones.

mod bits;
pub mod catalogue;
mod core;
pub(super) mod dbh;
pub(super) mod event;
pub(super) mod json;
mod kv;
mod metric;
pub(super) mod number;
mod os;
pub mod outside;
mod parts;
mod schedule;
mod search;
mod time;
mod world;

#[cfg(test)]
mod dbh_tests;
#[cfg(test)]
mod tests;

use mlua::{Error, Lua, Table, Value};

use super::host::Current;

pub use outside::Outside;
pub use parts::{PARTS, part, parts};
pub use world::{
    Asker, CoreAnswer, CoreAsk, CoreSource, DbAnswer, DbAsk, KvAnswer, KvAsk, Later, LogLevel,
    MetricAsk, MetricKind, World,
};

/// Puts plain globals in, and takes out what could reach past them.
pub(super) fn install(lua: &Lua, current: &Current) -> mlua::Result<()> {
    let globals = lua.globals();
    for refused in catalogue::refused() {
        if !refused.name.contains(['.', ':']) {
            globals.raw_set(refused.name, Value::Nil)?;
        }
    }
    for table in ["io", "package", "stream", "env"] {
        globals.raw_set(table, refusing(lua, table)?)?;
    }
    globals.raw_set("debug", debug(lua)?)?;
    os::install(lua, current)?;
    bits::install(lua)?;
    search::install(lua)
}

/// Puts our own names into `fsx`.
pub(super) fn fsx(lua: &Lua, current: &Current, fsx: &Table) -> mlua::Result<()> {
    fsx.set("number", number::install(lua, current)?)?;
    fsx.set("time", time::install(lua, current)?)?;
    fsx.set("kv", kv::install(lua, current)?)?;
    fsx.set("core", core::install(lua, current)?)?;
    fsx.set("metric", metric::install(lua, current)?)?;
    fsx.set("json", json::install(lua, current)?)
}

/// The error for a name that is not here.
pub(super) fn refusal(name: &str, otherwise: &str) -> Error {
    let why = catalogue::why_refused(name).unwrap_or(otherwise);
    Error::runtime(format!("{name} is not available here: {why}"))
}

/// A table of which every part says why it is not here.
fn refusing(lua: &Lua, table: &'static str) -> mlua::Result<Table> {
    let meta = lua.create_table()?;
    let index =
        lua.create_function(move |_, (_, name): (Value, Value)| -> mlua::Result<Value> {
            Err(refusal(&format!("{table}.{}", name.to_string()?), "there is no such function"))
        })?;
    meta.set("__index", index)?;
    let refusing = lua.create_table()?;
    refusing.set_metatable(Some(meta))?;
    Ok(refusing)
}

/// Functions of Lua's `debug`.
const OF_DEBUG: &[&str] = &[
    "debug",
    "getfenv",
    "gethook",
    "getinfo",
    "getlocal",
    "getmetatable",
    "getregistry",
    "getupvalue",
    "setfenv",
    "sethook",
    "setlocal",
    "setmetatable",
    "setupvalue",
    "traceback",
];

/// `debug`: none of Lua's functions, and a place for the flags that many scripts keep there
/// (`debug["sql"] = true`), which last for one run as all globals do.
fn debug(lua: &Lua) -> mlua::Result<Table> {
    fn flags(lua: &Lua) -> mlua::Result<Table> {
        let globals = lua.globals();
        match globals.raw_get::<Value>("__debug")? {
            Value::Table(flags) => Ok(flags),
            _ => {
                let flags = lua.create_table()?;
                globals.raw_set("__debug", &flags)?;
                Ok(flags)
            }
        }
    }
    let meta = lua.create_table()?;
    let index = lua.create_function(|lua, (_, name): (Value, Value)| -> mlua::Result<Value> {
        let set: Value = flags(lua)?.raw_get(name.clone())?;
        let known = |name: &[u8]| OF_DEBUG.iter().any(|known| known.as_bytes() == name);
        if set.is_nil() && name.as_string().is_some_and(|name| known(&name.as_bytes())) {
            let name = name.to_string()?;
            return Err(refusal(&format!("debug.{name}"), "there is no such function"));
        }
        Ok(set)
    })?;
    meta.set("__index", index)?;
    let keep = lua.create_function(|lua, (_, name, value): (Value, Value, Value)| {
        if name.is_nil() {
            return Err(Error::runtime("debug: the name of a flag is nil"));
        }
        flags(lua)?.raw_set(name, value)
    })?;
    meta.set("__newindex", keep)?;
    meta.set("__metatable", false)?;
    let debug = lua.create_table()?;
    debug.set_metatable(Some(meta))?;
    Ok(debug)
}

/// Text, or a whole number written without quotes.
fn text(function: &str, what: &str, value: &Value) -> mlua::Result<String> {
    match value {
        Value::String(text) => Ok(text.to_string_lossy()),
        Value::Integer(n) => Ok(n.to_string()),
        // Past 2^53 it is no longer the number meant.
        Value::Number(n) if n.fract() == 0.0 && n.abs() < 9e15 => Ok(format!("{n:.0}")),
        other => Err(Error::runtime(format!(
            "{function}: {what}: expected text, got {}",
            other.type_name()
        ))),
    }
}
