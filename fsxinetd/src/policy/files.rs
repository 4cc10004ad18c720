//! Files of a bundle in a machine: read once, and made anew for each run.
//!
//! Every run has globals of its own, so every run needs functions of its own. Reading the bytecode
//! again each time was most of what a short policy cost. Luau can make a function from one that was
//! read before, with the globals of whoever asks; so a file is read once and copied.

use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};

use mlua::{Error, Function, Lua, Table, Value, chunk::ChunkMode};

use super::api;
use super::bundle::Bundle;
use super::host::Current;
use super::run::Run;

/// What a machine has read. Its bundle never changes: another version has another machine.
#[derive(Debug)]
pub(super) struct Files {
    /// The machine's own globals. What is kept belongs to them: were it a run's, that run's globals
    /// would be kept with it.
    sealed: Table,
    read: Mutex<HashMap<String, Function>>,
}

impl Files {
    /// Nothing read yet.
    pub(super) fn new(lua: &Lua) -> Self {
        Self { sealed: lua.globals(), read: Mutex::default() }
    }
}

/// The part of `require` that is Lua: what a file does at its top may wait, and a function of the
/// host that calls it could not.
const REQUIRE: &str = "local find, keep = ...
return function(name)
    local file, known, chunk = find(name)
    if chunk == nil then return known end
    local value = chunk(name)
    if value == nil then value = true end
    keep(file, value)
    return value
end";

const DOFILE: &str = "local find = ...
return function(name)
    local _, _, chunk = find(name)
    return chunk()
end";

/// `require`: another file of the same bundle, or a shipped part; run once a run.
pub(super) fn require(lua: &Lua, current: &Current) -> mlua::Result<mlua::Function> {
    let run = current.clone();
    let find = lua.create_function(move |lua, name: String| {
        let run = run.enter(lua, "require")?;
        let file = file_of(&name);
        let loaded = loaded(lua)?;
        let known: Value = loaded.raw_get(file.as_str())?;
        if !known.is_nil() {
            return Ok((file, known, Value::Nil));
        }
        let function = load(lua, &run, &file)?;
        // Marked first, so that two files that require one another end.
        loaded.raw_set(file.as_str(), true)?;
        Ok((file, Value::Nil, Value::Function(function)))
    })?;
    let keep = lua.create_function(|lua, (file, value): (String, Value)| {
        loaded(lua)?.raw_set(file.as_str(), value)
    })?;
    lua.load(REQUIRE).set_name("=fsx").call((find, keep))
}

/// `dofile`: the same, run each time.
pub(super) fn dofile(lua: &Lua, current: &Current) -> mlua::Result<mlua::Function> {
    let run = current.clone();
    let find = lua.create_function(move |lua, name: String| {
        let run = run.enter(lua, "dofile")?;
        let file = file_of(&name);
        let function = load(lua, &run, &file)?;
        Ok((file, Value::Nil, function))
    })?;
    lua.load(DOFILE).set_name("=fsx").call(find)
}

/// `lib.part`, `lib/part` and `lib/part.lua` are one file.
fn file_of(name: &str) -> String {
    let bare = name.strip_suffix(".lua").unwrap_or(name);
    format!("{}.lua", bare.replace('.', "/"))
}

/// What was loaded. The table is in the run's own globals, so it goes when the run goes.
fn loaded(lua: &Lua) -> mlua::Result<Table> {
    let globals = lua.globals();
    match globals.raw_get::<Value>("__loaded")? {
        Value::Table(table) => Ok(table),
        _ => {
            let table = lua.create_table()?;
            globals.raw_set("__loaded", &table)?;
            Ok(table)
        }
    }
}

/// A file for the run that asks. A bundle cannot put a file in a part's place.
pub(super) fn load(lua: &Lua, run: &Run, file: &str) -> mlua::Result<Function> {
    let files = lua.app_data_ref::<Files>().ok_or_else(|| Error::runtime("no files here"))?;
    let mut read = files.read.lock().unwrap_or_else(PoisonError::into_inner);
    if let Some(function) = read.get(file) {
        return function.deep_clone();
    }
    let (code, name) = code(&run.bundle, file)?;
    let chunk = lua.load(code).set_name(name).set_mode(ChunkMode::Binary);
    let chunk = chunk.set_environment(files.sealed.clone());
    // Luau would look names such as `Config.limit` up as it reads, in the globals of this run, and keep
    // what it found for all who come after. It does not where globals count as unsafe.
    let globals = lua.globals();
    globals.set_safeenv(false);
    let function = chunk.into_function();
    globals.set_safeenv(true);
    let function = function?;
    let own = function.deep_clone()?;
    read.insert(file.to_owned(), function);
    Ok(own)
}

/// Bytecode and the name that goes before its line numbers.
fn code<'a>(bundle: &'a Bundle, file: &str) -> mlua::Result<(&'a [u8], String)> {
    if file.starts_with(api::PARTS) {
        let code = api::part(file)
            .ok_or_else(|| Error::runtime(format!("there is no shipped part {file}")))?;
        return Ok((code, format!("@{file}")));
    }
    let code = bundle
        .bytecode(file)
        .ok_or_else(|| Error::runtime(format!("there is no file {file} in {}", bundle.name)))?;
    Ok((code, format!("@{}/{file}", bundle.name)))
}
