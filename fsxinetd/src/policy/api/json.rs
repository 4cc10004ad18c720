//! JSON for policies: `fsx.json`, mod_lua's `freeswitch.JSON`, and the values of other functions.
//!
//! A document from outside can be as deep and as large as its sender likes, so both ways have their
//! bounds, and a table that holds itself is an error and not a loop.

use mlua::{
    Error, Lua, LuaSerdeExt as _, MetaMethod, MultiValue, Table, UserData, UserDataMethods, Value,
};
use serde_json::{Map, Number, Value as Json};
use std::sync::atomic::{AtomicBool, Ordering::Relaxed};

use super::super::host::Current;
use super::super::unasked;
use super::refusal;

/// Deepest value.
const MAX_DEPTH: usize = 64;

/// Most values of one document.
const MAX_VALUES: usize = 100_000;

/// Longest document, in bytes.
const MAX_TEXT: usize = 1 << 20;

/// What one conversion may still use. A text that a table holds a thousand times counts a thousand
/// times.
struct Left {
    values: usize,
    bytes: usize,
}

impl Left {
    fn all() -> Self {
        Self { values: MAX_VALUES, bytes: MAX_TEXT }
    }

    fn take(&mut self, bytes: usize) -> Result<(), String> {
        let values = self.values.checked_sub(1);
        self.values =
            values.ok_or_else(|| format!("more than {MAX_VALUES} values in one document"))?;
        let left = self.bytes.checked_sub(bytes);
        self.bytes = left.ok_or_else(|| format!("more than {MAX_TEXT} bytes in one document"))?;
        Ok(())
    }
}

/// What null becomes.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Null {
    /// Nothing: the member is not there.
    Nil,
    /// `fsx.json.null`, which stays null on the way back.
    Kept,
}

/// A JSON value as a Lua one.
pub(super) fn to_lua(lua: &Lua, value: &Json, null: Null) -> mlua::Result<Value> {
    Ok(match value {
        Json::Null if null == Null::Kept => lua.null(),
        Json::Null => Value::Nil,
        Json::Bool(yes) => Value::Boolean(*yes),
        Json::Number(n) => match n.as_i64() {
            // Luau has no integers of its own; past 2^53 a number is not the one meant.
            Some(whole) if whole.abs() <= 1 << 53 => Value::Number(whole as f64),
            Some(_) => Value::String(lua.create_string(n.to_string())?),
            None if n.is_u64() => Value::String(lua.create_string(n.to_string())?),
            None => Value::Number(n.as_f64().unwrap_or(0.0)),
        },
        Json::String(text) => Value::String(lua.create_string(text)?),
        Json::Array(list) => {
            let table = lua.create_table_with_capacity(list.len().min(10_000), 0)?;
            for (n, item) in list.iter().enumerate() {
                table.raw_set(n + 1, to_lua(lua, item, null)?)?;
            }
            Value::Table(table)
        }
        Json::Object(map) => {
            let table = lua.create_table_with_capacity(0, map.len().min(10_000))?;
            for (name, item) in map {
                table.raw_set(name.as_str(), to_lua(lua, item, null)?)?;
            }
            Value::Table(table)
        }
    })
}

/// A Lua value as JSON. A table with elements 1 to n and nothing else is a list.
pub(super) fn from_lua(lua: &Lua, value: &Value, empty_is_object: bool) -> mlua::Result<Json> {
    convert(lua, value, empty_is_object, 0, &mut Left::all())
}

fn convert(
    lua: &Lua,
    value: &Value,
    empty_is_object: bool,
    depth: usize,
    left: &mut Left,
) -> mlua::Result<Json> {
    let wrong = Error::runtime::<String>;
    if depth > MAX_DEPTH {
        return Err(wrong(format!("the value is more than {MAX_DEPTH} deep, or holds itself")));
    }
    let bytes = value.as_string().map_or(0, |text| text.as_bytes().len());
    left.take(bytes).map_err(wrong)?;
    Ok(match value {
        Value::Nil => Json::Null,
        Value::Boolean(yes) => Json::Bool(*yes),
        Value::Integer(n) => Json::Number((*n).into()),
        Value::Number(n) if n.fract() == 0.0 && n.abs() < 9e15 => {
            Json::Number(Number::from(*n as i64))
        }
        Value::Number(n) => Json::Number(
            Number::from_f64(*n).ok_or_else(|| wrong(format!("{n} is no number in JSON")))?,
        ),
        Value::String(text) => Json::String(text.to_string_lossy()),
        Value::LightUserData(_) if *value == lua.null() => Json::Null,
        Value::Table(table) => {
            unasked::whole(table)?;
            let length = table.raw_len();
            let mut members = Map::new();
            let mut list = Vec::new();
            if length > 0 {
                for n in 1..=length {
                    let item: Value = table.raw_get(n)?;
                    list.push(convert(lua, &item, empty_is_object, depth + 1, left)?);
                }
            }
            for pair in table.pairs::<Value, Value>() {
                let (name, item) = pair?;
                let name = match &name {
                    Value::String(text) => text.to_string_lossy(),
                    Value::Integer(n) if length > 0 && (1..=length as i64).contains(n) => continue,
                    Value::Number(n)
                        if length > 0 && n.fract() == 0.0 && (1.0..=length as f64).contains(n) =>
                    {
                        continue;
                    }
                    Value::Integer(_) | Value::Number(_) => name.to_string()?,
                    other => {
                        return Err(wrong(format!(
                            "a {} cannot be the name of a member",
                            other.type_name()
                        )));
                    }
                };
                left.take(name.len()).map_err(wrong)?;
                members.insert(name, convert(lua, &item, empty_is_object, depth + 1, left)?);
            }
            match (length > 0, members.is_empty()) {
                (true, true) => Json::Array(list),
                (false, true) if !empty_is_object => Json::Array(list),
                (false, _) => Json::Object(members),
                (true, false) => {
                    // Part list, part object: an object, as mod_lua makes it.
                    for (n, item) in list.into_iter().enumerate() {
                        members.insert((n + 1).to_string(), item);
                    }
                    Json::Object(members)
                }
            }
        }
        other => return Err(wrong(format!("a {} cannot be put into JSON", other.type_name()))),
    })
}

fn encode(lua: &Lua, value: &Value, empty_is_object: bool, pretty: bool) -> mlua::Result<String> {
    let json = from_lua(lua, value, empty_is_object)?;
    let text =
        if pretty { serde_json::to_string_pretty(&json) } else { serde_json::to_string(&json) };
    let text = text.map_err(|e| Error::runtime(e.to_string()))?;
    if text.len() > MAX_TEXT {
        return Err(Error::runtime(format!("the JSON is longer than {MAX_TEXT} bytes")));
    }
    Ok(text)
}

/// The value of a text; its sender's mistakes are one line.
pub(super) fn parse(text: &[u8]) -> Result<Json, String> {
    if text.len() > MAX_TEXT {
        return Err(format!("{} bytes, expected at most {MAX_TEXT}", text.len()));
    }
    let json = serde_json::from_slice(text).map_err(|e| format!("no JSON: {e}"))?;
    count(&json, &mut Left { values: MAX_VALUES, bytes: usize::MAX })?;
    Ok(json)
}

fn count(json: &Json, left: &mut Left) -> Result<(), String> {
    left.take(0)?;
    match json {
        Json::Array(list) => list.iter().try_for_each(|item| count(item, left)),
        Json::Object(map) => map.values().try_for_each(|item| count(item, left)),
        _ => Ok(()),
    }
}

/// `fsx.json`.
pub(super) fn install(lua: &Lua, current: &Current) -> mlua::Result<Table> {
    let table = lua.create_table()?;
    let run = current.clone();
    let function = lua.create_function(move |lua, value: Value| {
        run.enter(lua, "fsx.json.encode")?;
        encode(lua, &value, false, false)
            .map_err(|e| Error::runtime(format!("fsx.json.encode: {e}")))
    })?;
    table.set("encode", function)?;
    let run = current.clone();
    let function = lua.create_function(move |lua, text: mlua::LuaString| {
        run.enter(lua, "fsx.json.decode")?;
        let mut answer = MultiValue::new();
        match parse(&text.as_bytes()) {
            Ok(json) => answer.push_back(to_lua(lua, &json, Null::Kept)?),
            Err(why) => {
                answer.push_back(Value::Nil);
                answer.push_back(Value::String(lua.create_string(why)?));
            }
        }
        Ok(answer)
    })?;
    table.set("decode", function)?;
    table.set("null", lua.null())?;
    Ok(table)
}

/// `freeswitch.JSON()`.
struct Object {
    current: Current,
    empty_is_object: AtomicBool,
    one_line: AtomicBool,
}

/// Puts `JSON` into `freeswitch`.
pub(in super::super) fn install_object(
    lua: &Lua,
    current: &Current,
    table: &Table,
) -> mlua::Result<()> {
    let run = current.clone();
    let make = lua.create_function(move |lua, ()| {
        run.enter(lua, "freeswitch.JSON")?;
        Ok(Object {
            current: run.clone(),
            empty_is_object: AtomicBool::new(false),
            one_line: AtomicBool::new(true),
        })
    })?;
    table.set("JSON", make)
}

impl UserData for Object {
    fn add_methods<M: UserDataMethods<Self>>(methods: &mut M) {
        methods.add_method("encode", |lua, this, value: Value| {
            this.current.enter(lua, "freeswitch.JSON:encode")?;
            encode(lua, &value, this.empty_is_object.load(Relaxed), !this.one_line.load(Relaxed))
                .map_err(|e| Error::runtime(format!("freeswitch.JSON:encode: {e}")))
        });
        methods.add_method("decode", |lua, this, text: mlua::LuaString| {
            this.current.enter(lua, "freeswitch.JSON:decode")?;
            match parse(&text.as_bytes()) {
                Ok(json) => to_lua(lua, &json, Null::Nil),
                Err(_) => Ok(Value::Nil),
            }
        });
        methods.add_method("encode_empty_table_as_object", |lua, this, yes: bool| {
            this.current.enter(lua, "freeswitch.JSON:encode_empty_table_as_object")?;
            this.empty_is_object.store(yes, Relaxed);
            Ok(())
        });
        methods.add_method("return_unformatted_json", |lua, this, yes: bool| {
            this.current.enter(lua, "freeswitch.JSON:return_unformatted_json")?;
            this.one_line.store(yes, Relaxed);
            Ok(())
        });
        methods.add_meta_method(MetaMethod::Index, |_, _, name: String| -> mlua::Result<Value> {
            Err(refusal(&format!("freeswitch.JSON:{name}"), "there is no such method"))
        });
    }
}
