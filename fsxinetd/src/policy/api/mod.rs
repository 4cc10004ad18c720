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
    for table in ["io", "package", "debug", "stream", "env"] {
        globals.raw_set(table, refusing(lua, table)?)?;
    }
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
