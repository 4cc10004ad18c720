//! Searches, patterns and sorting, bounded where Luau cannot be interrupted.
//!
//! A pattern is matched step by step, and a budget ends it between steps. But a plain search is one loop in
//! C over both texts, one step of a pattern may hold a class of a thousand letters against each letter of
//! a long text, and a sort without a function compares texts in C, however long: megabytes in megabytes
//! would hold the thread, and all calls on it, for minutes.

use mlua::{Function, Lua, Table};

/// Most that the lengths of a text and of what is looked for in it may multiply to: some tens of
/// milliseconds at worst, since what is compared are bytes in a row.
const MOST_STEPS: u32 = 1 << 27;

/// The same for patterns, where each comparison is a step.
const MOST_PATTERN_STEPS: u32 = 1 << 25;

/// Most bytes that a sort may compare, counted as all texts together times the logarithm of how many.
const MOST_SORTED: u32 = 1 << 29;

/// Takes the function, its name and the most steps, plain and of a pattern; gives one that refuses more.
const BOUND: &str = "local inner, name, plain, pattern = ...
local type, error = type, error
return function(text, wanted, a, b, ...)
    if type(text) == 'string' and type(wanted) == 'string' and #text * #wanted > pattern
        and (#text * #wanted > plain or not (name == 'string.split' or name == 'string.find' and b)) then
        error(name .. ': ' .. #wanted .. ' bytes looked for in ' .. #text .. ' are more than a policy may', 2)
    end
    return inner(text, wanted, a, b, ...)
end";

/// Takes `table.sort` and the most bytes; gives one that refuses more.
const SORT: &str = "local inner, most = ...
local type, error, rawget, rawlen, log = type, error, rawget, rawlen, math.log
return function(list, less)
    if less == nil and type(list) == 'table' then
        local bytes, count = 0, rawlen(list)
        for at = 1, count do
            local item = rawget(list, at)
            if type(item) == 'string' then bytes += #item end
        end
        if bytes * log(count + 1, 2) > most then
            error('table.sort: ' .. count .. ' texts of ' .. bytes .. ' bytes are more than a policy may', 2)
        end
    end
    return inner(list, less)
end";

/// The functions of `string` that search.
const SEARCHES: [(&str, &str); 5] = [
    ("find", "string.find"),
    ("split", "string.split"),
    ("match", "string.match"),
    ("gmatch", "string.gmatch"),
    ("gsub", "string.gsub"),
];

/// Bounds the functions of `string` that search, and `table.sort`; before the tables are sealed.
pub(super) fn install(lua: &Lua) -> mlua::Result<()> {
    let strings: Table = lua.globals().raw_get("string")?;
    for (field, name) in SEARCHES {
        let inner: Function = strings.raw_get(field)?;
        let bound = lua.load(BOUND).set_name("=fsx");
        let bound: Function = bound.call((inner, name, MOST_STEPS, MOST_PATTERN_STEPS))?;
        strings.raw_set(field, bound)?;
    }
    let tables: Table = lua.globals().raw_get("table")?;
    let inner: Function = tables.raw_get("sort")?;
    let bound: Function = lua.load(SORT).set_name("=fsx").call((inner, MOST_SORTED))?;
    tables.raw_set("sort", bound)
}
