//! `call`: what a script is told of its call.
//!
//! A switch tells a hundred variables of each, most scripts ask for none, and a call may be held for
//! hours. So `call.vars` is made when somebody first looks, and a script cannot tell: whoever goes
//! through the table's members looks too.

use mlua::{Function, Lua, Table, Value};

use super::host::Current;
use super::run::Run;

/// The functions of Lua that go through a table's members without looking at its metatable. `false` is
/// what the metatable of such a `call` is, to a script.
const WHOLE: &str = "local pairs, next, clone, getmetatable, type = ...
local function whole(t)
    if type(t) == 'table' and getmetatable(t) == false then local _ = t.vars end
    return t
end
return function(t) return pairs(whole(t)) end,
    function(t, k) return next(whole(t), k) end,
    function(t) return clone(whole(t)) end";

/// Makes `call` for each run of a machine.
pub(super) struct Facts {
    until_asked: Table,
}

impl Facts {
    /// For a machine that is about to be sealed.
    pub(super) fn install(lua: &Lua, current: &Current) -> mlua::Result<Self> {
        let until_asked = until_asked(lua, current)?;
        let globals = lua.globals();
        let of_table: Table = globals.raw_get("table")?;
        let builtin = |name: &str| globals.raw_get::<Function>(name);
        let (pairs, next, clone): (Function, Function, Function) =
            lua.load(WHOLE).set_name("=fsx").call((
                builtin("pairs")?,
                builtin("next")?,
                of_table.raw_get::<Function>("clone")?,
                builtin("getmetatable")?,
                builtin("type")?,
            ))?;
        globals.raw_set("pairs", pairs)?;
        globals.raw_set("next", next)?;
        of_table.raw_set("clone", clone)?;
        Ok(Self { until_asked })
    }

    /// `call`: the facts, under the names of the documentation.
    pub(super) fn table(&self, lua: &Lua, run: &Run) -> mlua::Result<Table> {
        let facts = &run.call.facts;
        let call = lua.create_table_with_capacity(0, 12)?;
        call.raw_set("id", facts.call_id.as_str())?;
        call.raw_set("number", facts.called.as_str())?;
        call.raw_set("caller", facts.caller.as_deref())?;
        call.raw_set("withhold", facts.withhold_cli)?;
        call.raw_set("org", facts.org)?;
        call.raw_set("country", facts.home_country.as_deref())?;
        call.raw_set("data_centre", facts.data_centre.as_str())?;
        call.raw_set("at", facts.at)?;
        call.raw_set("task", run.call.task.as_str())?;
        call.raw_set("phase", run.phase.as_str())?;
        if let Some(ended) = &run.call.ended {
            call.raw_set("ended", ended.table(lua)?)?;
        }
        call.set_metatable(Some(self.until_asked.clone()))?;
        Ok(call)
    }
}

/// Has a `call` that a script hands to the host its `vars`.
pub(super) fn whole(table: &Table) -> mlua::Result<()> {
    let Some(meta) = table.metatable() else { return Ok(()) };
    if meta.raw_get::<Value>("__metatable")? == Value::Boolean(false) {
        let _: Value = table.get("vars")?;
    }
    Ok(())
}

/// The metatable that `call` has until its `vars` are asked for: many scripts never do, and a call
/// that is held for hours would keep a hundred of them. After that `call` is a table like any other.
fn until_asked(lua: &Lua, current: &Current) -> mlua::Result<Table> {
    let until = lua.create_table()?;
    let run = current.clone();
    let index = lua.create_function(move |lua, (call, name): (Table, Value)| {
        let asked = name.as_string().is_some_and(|name| name.as_bytes().as_ref() == b"vars");
        if !asked {
            return Ok(Value::Nil);
        }
        fill(lua, &run, &call)?;
        call.raw_get("vars")
    })?;
    until.raw_set("__index", index)?;
    let run = current.clone();
    let next: Function = lua.globals().raw_get("next")?;
    let iter = lua.create_function(move |lua, call: Table| {
        fill(lua, &run, &call)?;
        Ok((next.clone(), call))
    })?;
    until.raw_set("__iter", iter)?;
    // The word for "not yours": a script can neither read nor change it.
    until.raw_set("__metatable", false)?;
    until.set_readonly(true);
    Ok(until)
}

/// Makes `call.vars`, and of `call` an ordinary table.
fn fill(lua: &Lua, current: &Current, call: &Table) -> mlua::Result<()> {
    let run = current.in_hand()?;
    call.set_metatable(None)?;
    if call.raw_get::<Value>("vars")?.is_nil() {
        let known = run.call.variables();
        let vars = lua.create_table_with_capacity(0, known.len())?;
        for (name, value) in known {
            vars.raw_set(name, value)?;
        }
        call.raw_set("vars", vars)?;
    }
    Ok(())
}
