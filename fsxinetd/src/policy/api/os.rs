//! `os`: the clock and the calendar, as Lua 5.1 has them on the machine's own time zone.
//!
//! Luau's own read the machine's clock, which a simulated call must not, and take a date for UTC
//! where Lua takes it for local time.

use jiff::tz::TimeZone;
use jiff::{Timestamp, Zoned, civil, fmt::strtime};
use mlua::{Error, Lua, MetaMethod, Table, Value};

use super::super::host::Current;
use super::refusal;

/// Longest format, in bytes: what it makes is not counted as the script's memory.
const MAX_FORMAT: usize = 500;

/// Puts the table into the globals.
pub(super) fn install(lua: &Lua, current: &Current) -> mlua::Result<()> {
    let os = lua.create_table()?;
    let run = current.clone();
    let time = lua.create_function(move |lua, date: Option<Table>| {
        let run = run.enter(lua, "os.time")?;
        match date {
            None => Ok(run.world.now_ms().div_euclid(1_000)),
            Some(date) => epoch(&date),
        }
    })?;
    os.raw_set("time", time)?;
    let run = current.clone();
    let date = lua.create_function(move |lua, (format, at): (Option<String>, Option<f64>)| {
        let run = run.enter(lua, "os.date")?;
        let at = at.unwrap_or_else(|| run.world.now_ms() as f64 / 1e3);
        show(lua, format.as_deref().unwrap_or("%c"), at)
    })?;
    os.raw_set("date", date)?;
    let run = current.clone();
    let clock = lua.create_function(move |lua, ()| {
        Ok(run.enter(lua, "os.clock")?.world.monotonic().as_secs_f64())
    })?;
    os.raw_set("clock", clock)?;
    os.raw_set(
        "difftime",
        lua.create_function(|_, (a, b): (f64, Option<f64>)| Ok(a - b.unwrap_or(0.0)))?,
    )?;
    let meta = lua.create_table()?;
    let index = lua.create_function(|_, (_, name): (Value, Value)| -> mlua::Result<Value> {
        Err(refusal(&format!("os.{}", name.to_string()?), "there is no such function"))
    })?;
    meta.set(MetaMethod::Index.name(), index)?;
    os.set_metatable(Some(meta))?;
    lua.globals().raw_set("os", os)
}

fn wrong(what: &str) -> Error {
    Error::runtime(format!("os.{what}"))
}

/// The instant of a date in the machine's zone. Fields past their ends carry over, as in C.
fn epoch(date: &Table) -> mlua::Result<i64> {
    let field = |name: &str, default: Option<i64>| -> mlua::Result<i64> {
        let value: Option<f64> = date.raw_get(name)?;
        match value.map(|n| n as i64).or(default) {
            Some(n) if n.abs() < 1_000_000_000 => Ok(n),
            Some(n) => Err(wrong(&format!("time: {name}: {n} is out of range"))),
            None => Err(wrong(&format!("time: the date has no {name}"))),
        }
    };
    let (year, month) = (field("year", None)?, field("month", None)? - 1);
    let year =
        i16::try_from(year + month.div_euclid(12)).map_err(|_| wrong("time: no such year"))?;
    let month = i8::try_from(month.rem_euclid(12) + 1).unwrap_or(1);
    let first = civil::Date::new(year, month, 1).map_err(|_| wrong("time: no such year"))?;
    let seconds =
        field("hour", Some(12))? * 3_600 + field("min", Some(0))? * 60 + field("sec", Some(0))?;
    let span = jiff::Span::new()
        .try_days(field("day", None)? - 1)
        .and_then(|span| span.try_seconds(seconds))
        .map_err(|_| wrong("time: out of range"))?;
    let at = first.at(0, 0, 0, 0).checked_add(span).map_err(|_| wrong("time: out of range"))?;
    let zoned = TimeZone::system().to_zoned(at).map_err(|_| wrong("time: out of range"))?;
    Ok(zoned.timestamp().as_second())
}

fn show(lua: &Lua, format: &str, at: f64) -> mlua::Result<Value> {
    let (utc, format) = match format.strip_prefix('!') {
        Some(rest) => (true, rest),
        None => (false, format),
    };
    if format.len() > MAX_FORMAT {
        return Err(wrong(&format!("date: the format is longer than {MAX_FORMAT} bytes")));
    }
    let stamp =
        Timestamp::from_second(at.floor() as i64).map_err(|_| wrong("date: no such time"))?;
    let zone = if utc { TimeZone::UTC } else { TimeZone::system() };
    let dst = zone.to_offset_info(stamp).dst().is_dst();
    let zoned = stamp.to_zoned(zone);
    if format.starts_with("*t") {
        return table(lua, &zoned, dst).map(Value::Table);
    }
    // The C locale's own forms, which jiff leaves to others.
    let format = format
        .replace("%c", "%a %b %e %H:%M:%S %Y")
        .replace("%x", "%m/%d/%y")
        .replace("%X", "%H:%M:%S")
        .replace("%r", "%I:%M:%S %p");
    let text =
        strtime::format(&format, &zoned).map_err(|e| wrong(&format!("date: \"{format}\": {e}")))?;
    Ok(Value::String(lua.create_string(text)?))
}

fn table(lua: &Lua, zoned: &Zoned, dst: bool) -> mlua::Result<Table> {
    let table = lua.create_table()?;
    for (name, value) in [
        ("year", i64::from(zoned.year())),
        ("month", i64::from(zoned.month())),
        ("day", i64::from(zoned.day())),
        ("hour", i64::from(zoned.hour())),
        ("min", i64::from(zoned.minute())),
        ("sec", i64::from(zoned.second())),
        ("wday", i64::from(zoned.weekday().to_sunday_one_offset())),
        ("yday", i64::from(zoned.day_of_year())),
    ] {
        table.raw_set(name, value)?;
    }
    table.raw_set("isdst", dst)?;
    Ok(table)
}
