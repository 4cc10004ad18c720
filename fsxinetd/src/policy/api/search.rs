//! Plain searches in texts, bounded: Luau's own cannot be interrupted.
//!
//! A pattern is matched step by step, and a budget ends it. A plain search is one loop in C over both
//! texts: megabytes in megabytes would hold the thread, and all calls on it, for minutes.

use mlua::{Function, Lua, Table};

/// Most that the lengths of a text and of what is looked for in it may multiply to: some tens of
/// milliseconds at worst.
const MOST_STEPS: u32 = 1 << 27;

/// Takes the function, its name and the most steps; gives one that refuses more.
const BOUND: &str = "local inner, name, most = ...
local type, error = type, error
return function(text, wanted, ...)
    if type(text) == 'string' and type(wanted) == 'string' and #text * #wanted > most then
        error(name .. ': ' .. #wanted .. ' bytes looked for in ' .. #text .. ' are more than a policy may', 2)
    end
    return inner(text, wanted, ...)
end";

/// Bounds `string.find` and `string.split`; before the tables are sealed.
pub(super) fn install(lua: &Lua) -> mlua::Result<()> {
    let strings: Table = lua.globals().raw_get("string")?;
    for (field, name) in [("find", "string.find"), ("split", "string.split")] {
        let inner: Function = strings.raw_get(field)?;
        let bound: Function = lua.load(BOUND).set_name("=fsx").call((inner, name, MOST_STEPS))?;
        strings.raw_set(field, bound)?;
    }
    Ok(())
}
