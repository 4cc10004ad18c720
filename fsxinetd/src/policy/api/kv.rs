//! `fsx.kv`: what a policy remembers from one call to the next.

use std::time::Duration;

use mlua::{Error, Lua, Table, Value};

use super::super::host::Current;
use super::json::{self, Null};
use super::{KvAnswer, KvAsk};

/// Longest key, in bytes.
const MAX_KEY: usize = 250;

/// Most keys of one listing.
const MAX_LISTED: usize = 1_000;

/// Longest life, in seconds: a year.
const MAX_TTL_S: f64 = 31_536_000.0;

fn key(function: &str, value: &Value) -> mlua::Result<String> {
    let key = super::text(function, "key", value)?;
    if key.is_empty() || key.len() > MAX_KEY {
        return Err(Error::runtime(format!("{function}: key: expected 1 to {MAX_KEY} bytes")));
    }
    Ok(key)
}

fn ttl(function: &str, seconds: Option<f64>) -> mlua::Result<Option<Duration>> {
    match seconds {
        None => Ok(None),
        Some(s) if s > 0.0 && s <= MAX_TTL_S => Ok(Some(Duration::from_secs_f64(s))),
        Some(s) => Err(Error::runtime(format!(
            "{function}: ttl_s: expected seconds from 0 to {MAX_TTL_S}, got {s}"
        ))),
    }
}

/// Makes the table.
pub(super) fn install(lua: &Lua, current: &Current) -> mlua::Result<Table> {
    let table = lua.create_table()?;
    let failed =
        |function: &'static str| move |why: String| Error::runtime(format!("{function}: {why}"));

    let run = current.clone();
    let get = lua.create_function(move |lua, name: Value| {
        const NAME: &str = "fsx.kv.get";
        let run = run.enter(lua, NAME)?;
        let ask = KvAsk::Get { key: key(NAME, &name)? };
        match run.world.kv(&run.asker, ask).map_err(failed(NAME))? {
            KvAnswer::Value(Some(value)) => json::to_lua(lua, &value, Null::Nil),
            _ => Ok(Value::Nil),
        }
    })?;
    table.set("get", get)?;

    let run = current.clone();
    let set =
        lua.create_function(move |lua, (name, value, life): (Value, Value, Option<f64>)| {
            const NAME: &str = "fsx.kv.set";
            let run = run.enter(lua, NAME)?;
            let key = key(NAME, &name)?;
            if value.is_nil() {
                return Err(Error::runtime(
                    "fsx.kv.set: nil is nothing to keep; use fsx.kv.delete",
                ));
            }
            let value =
                json::from_lua(lua, &value, false).map_err(|e| failed(NAME)(e.to_string()))?;
            let ask = KvAsk::Set { key, value, ttl: ttl(NAME, life)? };
            run.world.kv(&run.asker, ask).map_err(failed(NAME))?;
            Ok(true)
        })?;
    table.set("set", set)?;

    let run = current.clone();
    let add =
        lua.create_function(move |lua, (name, by, life): (Value, Option<f64>, Option<f64>)| {
            const NAME: &str = "fsx.kv.add";
            let run = run.enter(lua, NAME)?;
            let by = by.unwrap_or(1.0);
            if !by.is_finite() {
                return Err(Error::runtime("fsx.kv.add: expected a number"));
            }
            let ask = KvAsk::Add { key: key(NAME, &name)?, by, ttl: ttl(NAME, life)? };
            match run.world.kv(&run.asker, ask).map_err(failed(NAME))? {
                KvAnswer::Sum(sum) => Ok(sum),
                _ => Ok(0.0),
            }
        })?;
    table.set("add", add)?;

    let run = current.clone();
    let delete = lua.create_function(move |lua, name: Value| {
        const NAME: &str = "fsx.kv.delete";
        let run = run.enter(lua, NAME)?;
        let ask = KvAsk::Delete { key: key(NAME, &name)? };
        Ok(run.world.kv(&run.asker, ask).map_err(failed(NAME))? == KvAnswer::Done(true))
    })?;
    table.set("delete", delete)?;

    let run = current.clone();
    let keys = lua.create_function(move |lua, prefix: Option<String>| {
        const NAME: &str = "fsx.kv.keys";
        let run = run.enter(lua, NAME)?;
        let ask = KvAsk::Keys { prefix: prefix.unwrap_or_default(), most: MAX_LISTED };
        match run.world.kv(&run.asker, ask).map_err(failed(NAME))? {
            KvAnswer::Keys(keys) => Ok(keys),
            _ => Ok(Vec::new()),
        }
    })?;
    table.set("keys", keys)?;
    Ok(table)
}
