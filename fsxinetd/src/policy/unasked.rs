//! Tables of which the larger part is made when somebody first looks.
//!
//! A switch tells a hundred variables of each call and the engine eight routes with twenty members
//! each; most scripts look at none of them, and to make them was most of what a short policy cost. So
//! the member that holds them is made when it is first asked for, and a script cannot tell: whoever
//! goes through the table's members looks too. After that the table is like any other.

use mlua::{Function, Lua, MultiValue, Table, Value};

use super::host::Current;
use super::run::Run;

/// The functions of Lua that pass a table's metatable by, or tell it. `false` is what the metatable of
/// such a table is, to whoever asks, and the name of all its members together.
const WHOLE: &str = "local getmetatable, type, pairs, next, foreach, rawget, rawequal, setmetatable, clone, freeze = ...
local function whole(t)
    if type(t) == 'table' and rawequal(getmetatable(t), false) then local _ = t[false] end
    return t
end
return function(t) return getmetatable(whole(t)) end,
    function(t) return pairs(whole(t)) end,
    function(t, k) return next(whole(t), k) end,
    function(t, f) return foreach(whole(t), f) end,
    function(t, k) return rawget(whole(t), k) end,
    function(t, m) return setmetatable(whole(t), m) end,
    function(t) return clone(whole(t)) end,
    function(t) return freeze(whole(t)) end";

/// Has the functions of a machine that is about to be sealed see tables whole.
pub(super) fn install(lua: &Lua) -> mlua::Result<()> {
    let globals = lua.globals();
    let of_table: Table = globals.raw_get("table")?;
    let global = |name: &str| globals.raw_get::<Function>(name);
    let table = |name: &str| of_table.raw_get::<Function>(name);
    let made: MultiValue = lua.load(WHOLE).set_name("=fsx").call((
        global("getmetatable")?,
        global("type")?,
        global("pairs")?,
        global("next")?,
        table("foreach")?,
        global("rawget")?,
        global("rawequal")?,
        global("setmetatable")?,
        table("clone")?,
        table("freeze")?,
    ))?;
    let names =
        ["getmetatable", "pairs", "next", "foreach", "rawget", "setmetatable", "clone", "freeze"];
    for (name, function) in names.into_iter().zip(made) {
        let place =
            if ["foreach", "clone", "freeze"].contains(&name) { &of_table } else { &globals };
        place.raw_set(name, function)?;
    }
    Ok(())
}

/// Globals that are not what the compiler takes them for: it would do their work by itself.
pub(super) const MUTABLE: [&str; 5] = ["getmetatable", "next", "pairs", "rawget", "setmetatable"];

/// One kind of such tables.
#[derive(Clone)]
pub(super) struct Unasked {
    meta: Table,
}

impl Unasked {
    /// Tables whose `member` is what `make` makes of the run and the table. For a machine that is not
    /// sealed yet.
    pub(super) fn new(
        lua: &Lua,
        current: &Current,
        member: &'static str,
        make: fn(&Lua, &Run, &Table) -> mlua::Result<Value>,
    ) -> mlua::Result<Self> {
        let fill = move |lua: &Lua, run: &Run, table: &Table| {
            let made = make(lua, run, table)?;
            table.set_metatable(None)?;
            // What the script has put there itself stays.
            if table.raw_get::<Value>(member)?.is_nil() {
                table.raw_set(member, made)?;
            }
            Ok::<_, mlua::Error>(())
        };
        let meta = lua.create_table()?;
        let run = current.clone();
        let index = lua.create_function(move |lua, (table, name): (Table, Value)| {
            let asked = match &name {
                Value::String(name) => name.as_bytes().as_ref() == member.as_bytes(),
                other => *other == Value::Boolean(false),
            };
            if !asked {
                return Ok(Value::Nil);
            }
            fill(lua, &*run.in_hand()?, &table)?;
            table.raw_get(name)
        })?;
        meta.raw_set("__index", index)?;
        let run = current.clone();
        let next: Function = lua.globals().raw_get("next")?;
        let iter = lua.create_function(move |lua, table: Table| {
            fill(lua, &*run.in_hand()?, &table)?;
            Ok((next.clone(), table))
        })?;
        meta.raw_set("__iter", iter)?;
        let new = lua.create_function(move |_, (table, name, value): (Table, Value, Value)| {
            if name.as_string().is_some_and(|name| name.as_bytes().as_ref() == member.as_bytes()) {
                // The script's own, nil too.
                table.set_metatable(None)?;
            }
            table.raw_set(name, value)
        })?;
        meta.raw_set("__newindex", new)?;
        // The word for "not yours": a script can neither read nor change it.
        meta.raw_set("__metatable", false)?;
        meta.set_readonly(true);
        Ok(Self { meta })
    }

    /// The metatable that makes a table one of these.
    pub(super) fn meta(&self) -> Table {
        self.meta.clone()
    }

    /// Nobody has looked yet.
    pub(super) fn is_on(&self, table: &Table) -> bool {
        table.metatable().is_some_and(|meta| meta.to_pointer() == self.meta.to_pointer())
    }
}

/// Makes what is still missing of a table that a script hands to the host.
pub(super) fn whole(table: &Table) -> mlua::Result<()> {
    let Some(meta) = table.metatable() else { return Ok(()) };
    if meta.raw_get::<Value>("__metatable")? == Value::Boolean(false) {
        let _: Value = table.get(false)?;
    }
    Ok(())
}
