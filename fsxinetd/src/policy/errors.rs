//! What scripts catch of errors that functions of the host raise: text, as mod_lua's are.
//!
//! To Lua an error of ours is an object, and a script that was written for mod_lua does with what it
//! caught what one does with text: looks for words in it, writes it into the log. So it gets the line that
//! the log would have.

use mlua::{Error, Function, Lua, MultiValue, Table, Value};

use super::host::Current;

const CAUGHT: &str = "local pcall, xpcall, resume, type, words = ...
local function text(why)
    if type(why) == 'userdata' then return words(why) end
    return why
end
local function said(ok, why, ...)
    if not ok then return ok, text(why) end
    return ok, why, ...
end
return function(f, ...) return said(pcall(f, ...)) end,
    function(f, handler, ...)
        return xpcall(f, function(why) return handler(text(why)) end, ...)
    end,
    function(thread, ...) return said(resume(thread, ...)) end";

/// For a machine that is about to be sealed.
pub(super) fn install(lua: &Lua, current: &Current) -> mlua::Result<()> {
    let globals = lua.globals();
    let coroutines: Table = globals.raw_get("coroutine")?;
    let current = current.clone();
    let words = lua.create_function(move |lua, caught: Value| {
        let Value::Error(error) = &caught else { return Ok(caught) };
        let run = current.in_hand()?;
        Ok(Value::String(lua.create_string(explain(error, &run.bundle.name))?))
    })?;
    let made: MultiValue = lua.load(CAUGHT).set_name("=fsx").call((
        globals.raw_get::<Function>("pcall")?,
        globals.raw_get::<Function>("xpcall")?,
        coroutines.raw_get::<Function>("resume")?,
        globals.raw_get::<Function>("type")?,
        words,
    ))?;
    let places = [(&globals, "pcall"), (&globals, "xpcall"), (&coroutines, "resume")];
    for ((place, name), function) in places.into_iter().zip(made) {
        place.raw_set(name, function)?;
    }
    Ok(())
}

/// One line that says where and what: `default/route.lua:12: …`.
pub(super) fn explain(error: &Error, bundle: &str) -> String {
    let at = |line: &str| {
        let start = line.find(&format!("{bundle}/"))?;
        let place = line[start..].split([' ', '\t', '\n']).next()?;
        Some(place.trim_end_matches(':').to_owned())
    };
    match error {
        Error::CallbackError { traceback, cause } => {
            let message = explain(cause, bundle);
            if message.starts_with(&format!("{bundle}/")) {
                return message;
            }
            match traceback.lines().find_map(at) {
                Some(place) => format!("{place}: {message}"),
                None => message,
            }
        }
        Error::WithContext { context, cause } => format!("{context}: {}", explain(cause, bundle)),
        Error::RuntimeError(text) => {
            let first = text.lines().next().unwrap_or("").to_owned();
            match text.lines().skip(1).find_map(at) {
                Some(place) if !first.starts_with(&format!("{bundle}/")) => {
                    format!("{place}: {first}")
                }
                _ => first,
            }
        }
        other => other.to_string().lines().next().unwrap_or("").to_owned(),
    }
}
