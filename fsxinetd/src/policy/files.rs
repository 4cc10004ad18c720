//! Files of a bundle in a machine: read once, and made anew for each run.
//!
//! Every run has globals of its own, so every run needs functions of its own. Reading the bytecode
//! again each time was most of what a short policy cost. Luau can make a function from one that was
//! read before, with the globals of whoever asks; so a file is read once, against the sealed
//! globals that are the same for all, and copied.

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
    /// The machine's own globals, which no script can change.
    sealed: Table,
    read: Mutex<HashMap<String, Option<Function>>>,
}

impl Files {
    /// Nothing read yet; `lua` has its globals and is about to be sealed.
    pub(super) fn new(lua: &Lua) -> Self {
        Self { sealed: lua.globals(), read: Mutex::default() }
    }

    /// Reads `file`, and what the runs before this one asked for. To be called outside of every run:
    /// bytecode looks names such as `string.format` up as it is read, in the globals of the Lua
    /// thread that is going on, and those of a run are its own.
    pub(super) fn prepare(lua: &Lua, bundle: &Bundle, file: &str) {
        let Some(files) = lua.app_data_ref::<Self>() else { return };
        let mut read = files.read.lock().unwrap_or_else(PoisonError::into_inner);
        if !read.contains_key(file) {
            read.insert(file.to_owned(), None);
        }
        for (file, function) in read.iter_mut().filter(|(_, function)| function.is_none()) {
            // One that cannot be read is so in the run too, which says why.
            *function = from_bytes(lua, bundle, file).ok();
        }
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
        let function = again(lua, &run, &file)?;
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
        let function = again(lua, &run, &file)?;
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
    match read.get(file) {
        Some(Some(function)) => return function.deep_clone(),
        Some(None) => {}
        // Names that are no files are the script's, and there may be any number of them.
        None if code(&run.bundle, file).is_ok() => drop(read.insert(file.to_owned(), None)),
        None => {}
    }
    drop(read);
    from_bytes(lua, &run.bundle, file)
}

/// The same in the middle of a run: where the script has put something of its own in the place of a
/// name of ours, that one is meant.
fn again(lua: &Lua, run: &Run, file: &str) -> mlua::Result<Function> {
    let ours = match lua.app_data_ref::<Files>() {
        Some(files) => files.sealed.clone(),
        None => return Err(Error::runtime("no files here")),
    };
    for pair in lua.globals().pairs::<Value, Value>() {
        let (name, _) = pair?;
        if !ours.raw_get::<Value>(name)?.is_nil() {
            return from_bytes(lua, &run.bundle, file);
        }
    }
    load(lua, run, file)
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

/// Reads bytecode, for the globals of whoever asks.
fn from_bytes(lua: &Lua, bundle: &Bundle, file: &str) -> mlua::Result<Function> {
    let (code, name) = code(bundle, file)?;
    lua.load(code).set_name(name).set_mode(ChunkMode::Binary).into_function()
}
