//! `call`: what a script is told of its call.
//!
//! A call may be held for hours, and a hundred variables of each would be kept with it; so `call.vars`
//! is made when somebody first looks ([`Unasked`]).

use mlua::{IntoLuaMulti, Lua, MultiValue, Table, Value};

use super::host::Current;
use super::run::Run;
use super::unasked::Unasked;

/// What makes a table of facts one that has `vars`, for a machine that is about to be sealed.
pub(super) fn install(lua: &Lua, current: &Current) -> mlua::Result<Table> {
    Ok(Unasked::new(lua, current, "vars", vars)?.meta())
}

/// The facts, in the order in which the driver takes them.
pub(super) fn of(lua: &Lua, run: &Run) -> mlua::Result<MultiValue> {
    let facts = &run.call.facts;
    let ended = run.call.ended.as_ref().map(|ended| ended.table(lua)).transpose()?;
    let told = (
        facts.call_id.as_str(),
        facts.called.as_str(),
        facts.caller.as_deref(),
        facts.withhold_cli,
        facts.org,
        facts.home_country.as_deref(),
        facts.data_centre.as_str(),
        facts.at,
        run.call.task.as_str(),
        run.phase.as_str(),
        ended,
    );
    told.into_lua_multi(lua)
}

/// `call.vars`.
fn vars(lua: &Lua, run: &Run, _: &Table) -> mlua::Result<Value> {
    let known = run.call.variables();
    let vars = lua.create_table_with_capacity(0, known.len())?;
    for (name, value) in known {
        vars.raw_set(name, value)?;
    }
    Ok(Value::Table(vars))
}
