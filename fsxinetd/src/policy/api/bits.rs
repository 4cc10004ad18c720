//! `bit`: the helpers of LuaJIT, beside Luau's own `bit32`, and the old ways to say `unpack`.
//!
//! Scripts in the field use whichever their switch was built with.

use mlua::{Error, Lua, Value, Variadic};

/// 32 bits of a number, as LuaJIT takes them: it wraps, and negatives are two's complement.
fn bits(value: f64) -> mlua::Result<i32> {
    if !value.is_finite() {
        return Err(Error::runtime("bit: expected a number"));
    }
    let wrapped = value.trunc().rem_euclid(4_294_967_296.0);
    Ok(wrapped as u32 as i32)
}

type Fold = fn(i32, i32) -> i32;
type Shift = fn(i32, u32) -> i32;
type Change = fn(i32) -> i32;

/// Puts them into the globals.
pub(super) fn install(lua: &Lua) -> mlua::Result<()> {
    let globals = lua.globals();
    let bit = lua.create_table()?;
    let all: [(&str, Fold); 3] =
        [("band", |a, b| a & b), ("bor", |a, b| a | b), ("bxor", |a, b| a ^ b)];
    for (name, fold) in all {
        let function = lua.create_function(move |_, words: Variadic<f64>| {
            let mut words = words.iter().map(|word| bits(*word));
            let first =
                words.next().unwrap_or_else(|| Err(Error::runtime("bit: expected a number")))?;
            words.try_fold(first, |sum, word| Ok::<_, Error>(fold(sum, word?)))
        })?;
        bit.set(name, function)?;
    }
    let shifts: [(&str, Shift); 5] = [
        ("lshift", |a, n| ((a as u32) << n) as i32),
        ("rshift", |a, n| ((a as u32) >> n) as i32),
        ("arshift", |a, n| a >> n),
        ("rol", |a, n| a.rotate_left(n)),
        ("ror", |a, n| a.rotate_right(n)),
    ];
    for (name, shift) in shifts {
        let function = lua.create_function(move |_, (value, by): (f64, f64)| {
            Ok(shift(bits(value)?, bits(by)? as u32 & 31))
        })?;
        bit.set(name, function)?;
    }
    let alone: [(&str, Change); 3] =
        [("tobit", |a| a), ("bnot", |a| !a), ("bswap", i32::swap_bytes)];
    for (name, change) in alone {
        bit.set(name, lua.create_function(move |_, value: f64| Ok(change(bits(value)?)))?)?;
    }
    let hex = lua.create_function(|_, (value, digits): (f64, Option<i32>)| {
        let digits = digits.unwrap_or(8);
        let most = (digits.unsigned_abs() as usize).clamp(1, 8);
        let text = format!("{:08x}", bits(value)?);
        let text = text[8 - most..].to_owned();
        Ok(if digits < 0 { text.to_ascii_uppercase() } else { text })
    })?;
    bit.set("tohex", hex)?;
    globals.raw_set("bit", bit)?;
    // Both ways to say it, whatever this release of Luau has.
    let table: mlua::Table = globals.get("table")?;
    let unpack: Value = table.get("unpack")?;
    if globals.raw_get::<Value>("unpack")?.is_nil() {
        globals.raw_set("unpack", unpack)?;
    }
    Ok(())
}
