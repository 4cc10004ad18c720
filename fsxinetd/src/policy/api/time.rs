//! `fsx.time`: clocks and schedules in the time zones of the people who are called.

use jiff::tz::TimeZone;
use jiff::{Timestamp, civil};
use mlua::{Error, Lua, MultiValue, Table, Value};

use super::super::host::Current;
use super::schedule::{Day, Holiday, Hours, Range, Schedule, Special, clock, days};

/// Most entries of one list of a schedule.
const MAX_ENTRIES: usize = 200;

fn zone(function: &str, name: Option<&str>) -> mlua::Result<TimeZone> {
    match name {
        None | Some("" | "UTC") => Ok(TimeZone::UTC),
        Some(name) if name.len() > 64 => {
            Err(Error::runtime(format!("{function}: no such time zone")))
        }
        Some(name) => TimeZone::get(name).map_err(|_| {
            Error::runtime(format!(
                "{function}: there is no time zone \"{name}\"; expected one such as Europe/London"
            ))
        }),
    }
}

fn instant(function: &str, epoch: f64) -> mlua::Result<Timestamp> {
    let wrong = || Error::runtime(format!("{function}: {epoch} is no time"));
    if !(-1e11..1e11).contains(&epoch) {
        return Err(wrong());
    }
    Timestamp::from_millisecond((epoch * 1_000.0).floor() as i64).map_err(|_| wrong())
}

/// Makes the table.
pub(super) fn install(lua: &Lua, current: &Current) -> mlua::Result<Table> {
    let table = lua.create_table()?;
    let run = current.clone();
    let now = lua.create_function(move |lua, name: Option<String>| {
        let run = run.enter(lua, "fsx.time.now")?;
        let zone = zone("fsx.time.now", name.as_deref())?;
        show(lua, instant("fsx.time.now", run.world.now_ms() as f64 / 1e3)?, zone)
    })?;
    table.set("now", now)?;

    let run = current.clone();
    let at = lua.create_function(move |lua, (epoch, name): (f64, Option<String>)| {
        run.enter(lua, "fsx.time.at")?;
        show(lua, instant("fsx.time.at", epoch)?, zone("fsx.time.at", name.as_deref())?)
    })?;
    table.set("at", at)?;

    let run = current.clone();
    let parse = lua.create_function(move |lua, (text, name): (String, Option<String>)| {
        run.enter(lua, "fsx.time.parse")?;
        let zone = zone("fsx.time.parse", name.as_deref())?;
        let mut answer = MultiValue::new();
        match read(&text, &zone) {
            Some(at) => answer.push_back(Value::Number(at.as_second() as f64)),
            None => {
                answer.push_back(Value::Nil);
                let why = "expected a time such as 2026-12-24 18:30";
                answer.push_back(Value::String(lua.create_string(why)?));
            }
        }
        Ok(answer)
    })?;
    table.set("parse", parse)?;

    let run = current.clone();
    let open = lua.create_function(move |lua, (table, epoch): (Table, Option<f64>)| {
        const NAME: &str = "fsx.time.open";
        let run = run.enter(lua, NAME)?;
        let epoch = epoch.unwrap_or_else(|| run.world.now_ms() as f64 / 1e3);
        let schedule = schedule(NAME, &table)?;
        Ok(schedule.open(instant(NAME, epoch)?))
    })?;
    table.set("open", open)?;

    let run = current.clone();
    let next = lua.create_function(move |lua, (table, epoch): (Table, Option<f64>)| {
        const NAME: &str = "fsx.time.next_change";
        let run = run.enter(lua, NAME)?;
        let epoch = epoch.unwrap_or_else(|| run.world.now_ms() as f64 / 1e3);
        let schedule = schedule(NAME, &table)?;
        let change = schedule.next_change(instant(NAME, epoch)?);
        Ok(match change {
            Some((at, open)) => (Some(at.as_second() as f64), Some(open)),
            None => (None, None),
        })
    })?;
    table.set("next_change", next)?;
    Ok(table)
}

/// `fsx.Time`.
fn show(lua: &Lua, at: Timestamp, zone: TimeZone) -> mlua::Result<Table> {
    let info = zone.to_offset_info(at);
    let (dst, offset) = (info.dst().is_dst(), info.offset());
    let zoned = at.to_zoned(zone);
    let table = lua.create_table_with_capacity(0, 15)?;
    table.raw_set("epoch", at.as_millisecond() as f64 / 1e3)?;
    table.raw_set("zone", zoned.time_zone().iana_name().unwrap_or("UTC"))?;
    table.raw_set("dst", dst)?;
    for (name, value) in [
        ("offset_s", offset.seconds()),
        ("year", i32::from(zoned.year())),
        ("month", i32::from(zoned.month())),
        ("day", i32::from(zoned.day())),
        ("hour", i32::from(zoned.hour())),
        ("min", i32::from(zoned.minute())),
        ("sec", i32::from(zoned.second())),
        ("yday", i32::from(zoned.day_of_year())),
    ] {
        table.raw_set(name, value)?;
    }
    let day = zoned.strftime("%a").to_string().to_ascii_lowercase();
    table.raw_set("weekday", day)?;
    for (name, format) in
        [("date", "%Y-%m-%d"), ("time", "%H:%M:%S"), ("iso", "%Y-%m-%dT%H:%M:%S%:z")]
    {
        table.raw_set(name, zoned.strftime(format).to_string())?;
    }
    Ok(table)
}

/// With an offset of its own, or by the zone's clocks.
fn read(text: &str, zone: &TimeZone) -> Option<Timestamp> {
    let text = text.trim();
    if text.len() > 64 {
        return None;
    }
    if let Ok(at) = text.parse::<Timestamp>() {
        return Some(at);
    }
    let local = text
        .parse::<civil::DateTime>()
        .or_else(|_| text.parse::<civil::Date>().map(|date| date.at(0, 0, 0, 0)));
    Some(zone.to_zoned(local.ok()?).ok()?.timestamp())
}

/// Reads a schedule; every fault names its part.
fn schedule(function: &str, table: &Table) -> mlua::Result<Schedule> {
    let wrong = |place: &str, why: &str| Error::runtime(format!("{function}: {place}{why}"));
    let text = |table: &Table, name: &str, place: &str| -> mlua::Result<Option<String>> {
        match table.get::<Value>(name)? {
            Value::Nil => Ok(None),
            Value::String(text) if text.as_bytes().len() <= 100 => Ok(Some(text.to_string_lossy())),
            _ => Err(wrong(place, &format!("{name}: expected text"))),
        }
    };
    let known = |table: &Table, names: &[&str], place: &str| -> mlua::Result<()> {
        for pair in table.pairs::<Value, Value>() {
            let name = pair?.0.to_string()?;
            if !names.contains(&name.as_str()) {
                return Err(wrong(place, &format!("there is no {name} in a schedule")));
            }
        }
        Ok(())
    };
    let list = |name: &str| -> mlua::Result<Vec<Value>> {
        match table.get::<Value>(name)? {
            Value::Nil => Ok(Vec::new()),
            Value::Table(list) if list.raw_len() > MAX_ENTRIES => {
                Err(wrong(name, &format!(": more than {MAX_ENTRIES} entries")))
            }
            Value::Table(list) => list.sequence_values::<Value>().collect(),
            _ => Err(wrong(name, ": expected a list")),
        }
    };
    let entry = |value: &Value, place: &str| -> mlua::Result<Table> {
        value.as_table().cloned().ok_or_else(|| wrong(place, "expected a table"))
    };
    let range = |table: &Table, place: &str| -> mlua::Result<Option<Range>> {
        let (from, to) = (text(table, "from", place)?, text(table, "to", place)?);
        if from.is_none() && to.is_none() {
            return Ok(None);
        }
        let read = |name: &str, given: Option<String>, default: i32| match given {
            Some(given) => clock(&given).map_err(|e| wrong(place, &format!("{name}: {e}"))),
            None => Ok(default),
        };
        Ok(Some(Range { from: read("from", from, 0)?, to: read("to", to, 86_400)? }))
    };
    let day = |text: &str, place: &str| Day::parse(text).map_err(|e| wrong(place, &e));
    known(table, &["zone", "hours", "holidays", "special", "name"], "")?;
    let mut hours = Vec::new();
    for (n, value) in list("hours")?.iter().enumerate() {
        let place = format!("hours[{}]: ", n + 1);
        let entry = entry(value, &place)?;
        known(&entry, &["days", "from", "to", "name"], &place)?;
        let bits = match entry.get::<Value>("days")? {
            Value::Nil => 0x7f,
            Value::String(text) => days(&text.to_string_lossy()).map_err(|e| wrong(&place, &e))?,
            Value::Table(list) if list.raw_len() <= 7 => {
                let words: Vec<String> =
                    list.sequence_values::<String>().collect::<mlua::Result<_>>()?;
                days(&words.join(",")).map_err(|e| wrong(&place, &e))?
            }
            _ => return Err(wrong(&place, "days: expected text such as mon-fri")),
        };
        hours.push(Hours {
            days: bits,
            range: range(&entry, &place)?.unwrap_or(Range { from: 0, to: 86_400 }),
            name: text(&entry, "name", &place)?.unwrap_or_default(),
        });
    }
    let mut holidays = Vec::new();
    for (n, value) in list("holidays")?.iter().enumerate() {
        let place = format!("holidays[{}]: ", n + 1);
        if let Value::String(one) = value {
            let day = day(&one.to_string_lossy(), &place)?;
            holidays.push(Holiday { first: day, last: day, name: String::new() });
            continue;
        }
        let entry = entry(value, &place)?;
        known(&entry, &["date", "from", "to", "name"], &place)?;
        let part = |name: &str| text(&entry, name, &place);
        let (first, last) = match (part("date")?, part("from")?, part("to")?) {
            (Some(date), None, None) => (day(&date, &place)?, day(&date, &place)?),
            (None, Some(from), Some(to)) => (day(&from, &place)?, day(&to, &place)?),
            _ => return Err(wrong(&place, "expected date, or from and to")),
        };
        if matches!(
            (first, last),
            (Day::Once(_), Day::Yearly(..)) | (Day::Yearly(..), Day::Once(_))
        ) {
            return Err(wrong(&place, "from and to: both with a year or both without"));
        }
        if matches!((first, last), (Day::Once(a), Day::Once(b)) if a > b) {
            return Err(wrong(&place, "to is before from"));
        }
        holidays.push(Holiday { first, last, name: part("name")?.unwrap_or_default() });
    }
    let mut special = Vec::new();
    for (n, value) in list("special")?.iter().enumerate() {
        let place = format!("special[{}]: ", n + 1);
        let entry = entry(value, &place)?;
        known(&entry, &["date", "from", "to", "name"], &place)?;
        let date = text(&entry, "date", &place)?.ok_or_else(|| wrong(&place, "expected a date"))?;
        special.push(Special {
            day: day(&date, &place)?,
            range: range(&entry, &place)?,
            name: text(&entry, "name", &place)?.unwrap_or_default(),
        });
    }
    let zone = zone(function, text(table, "zone", "")?.as_deref())?;
    Ok(Schedule { zone, hours, holidays, special })
}
