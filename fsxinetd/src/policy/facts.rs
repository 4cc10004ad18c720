//! `call`: what a script is told of its call.
//!
//! A call may be held for hours, and a hundred variables of each would be kept with it; so `call.vars`
//! is made when somebody first looks ([`Unasked`]).

use mlua::{Lua, Table, Value};

use super::host::Current;
use super::run::Run;
use super::unasked::Unasked;

/// Makes `call` for each run of a machine.
pub(super) struct Facts {
    vars: Unasked,
}

impl Facts {
    /// For a machine that is about to be sealed.
    pub(super) fn install(lua: &Lua, current: &Current) -> mlua::Result<Self> {
        Ok(Self { vars: Unasked::new(lua, current, "vars", vars)? })
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
        self.vars.put_on(&call)?;
        Ok(call)
    }
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
