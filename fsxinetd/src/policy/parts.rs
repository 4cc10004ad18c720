//! What the shipped parts need of the host, which every script may use too: dial strings, other
//! tasks, and files that are no Lua.
//!
//! The parts are ordinary Lua in the script's own globals and hold no rights of their own: whoever
//! bends them bends only the own call. So what an organisation may have done goes by what is asked
//! for, not by who asks: a dial string that was made here from checked members may be bridged to by
//! the run that it was made for.

use mlua::{Error, Lua, LuaSerdeExt as _, MultiValue, Table, Value};

use fsx_wire::answer::Route;

use super::Phase;
use super::allowed;
use super::files;
use super::handoff;
use super::host::Current;
use super::run::Run;
use super::screen::{Author, plain_sound};
use super::shows;
use crate::esl::dial_vars;

/// Most legs of one dial string.
const MAX_LEGS: usize = 100;

/// Runs a file of the bundle and the function that it defines, as the manifest's task would.
const TASK: &str = "local chunk, name, env = ...
return function(session, call)
    local result = chunk()
    if name == nil then return result end
    local f = rawget(env, name)
    if f == nil and type(result) == 'table' then f = rawget(result, name) end
    if type(f) ~= 'function' then error('the file defines no function ' .. name, 0) end
    return f(session, call)
end";

/// Puts the functions into `fsx`.
pub(super) fn install(lua: &Lua, current: &Current, fsx: &Table) -> mlua::Result<()> {
    // The parts are compiled now, with the first machine: the first call does not pay for it.
    let _ = super::api::part("fsx/parts/call.lua");
    let run = current.clone();
    fsx.set(
        "dial",
        lua.create_function(move |lua, asked: Table| {
            let run = run.enter(lua, "fsx.dial")?;
            let dial = dial(lua, &run, &asked)
                .map_err(|why| Error::runtime(format!("fsx.dial: {why}")))?;
            run.permit(&dial);
            Ok(dial)
        })?,
    )?;
    let run = current.clone();
    fsx.set(
        "domain",
        lua.create_function(move |lua, ()| {
            let run = run.enter(lua, "fsx.domain")?;
            let domain = run.own().domain();
            Ok(domain.unwrap_or_else(|| run.org().to_string()))
        })?,
    )?;
    let run = current.clone();
    fsx.set(
        "task",
        lua.create_function(move |lua, name: String| {
            let run = run.enter(lua, "fsx.task")?;
            let entry = match run.bundle.entry(Phase::Call, &name) {
                Some(entry) if !name.is_empty() => entry.clone(),
                _ => {
                    let bundle = &run.bundle.name;
                    let why = format!("bundle {bundle} has no task {name:?} of the call phase");
                    return nil_and(lua, &why);
                }
            };
            let chunk = files::load(lua, &run, &entry.file)?;
            let globals = lua.globals();
            lua.load(TASK).set_name("=fsx").call((chunk, entry.function, globals))
        })?,
    )?;
    let run = current.clone();
    fsx.set(
        "file",
        lua.create_function(move |lua, name: String| {
            let run = run.enter(lua, "fsx.file")?;
            match run.bundle.text(&name) {
                Some(text) => Ok(MultiValue::from_iter([Value::String(lua.create_string(text)?)])),
                None => {
                    let bundle = &run.bundle.name;
                    nil_and(lua, &format!("there is no file {name} in bundle {bundle}"))
                }
            }
        })?,
    )
}

fn nil_and(lua: &Lua, why: &str) -> mlua::Result<MultiValue> {
    Ok(MultiValue::from_iter([Value::Nil, Value::String(lua.create_string(why)?)]))
}

/// How several legs are tried.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum How {
    Sequential,
    Simultaneous,
    Enterprise,
}

/// `{legs = {leg, …}, how = …}` as one dial string. Of "enterprise", a leg may be a list of legs that
/// are tried one after another while the others ring.
fn dial(lua: &Lua, run: &Run, asked: &Table) -> Result<String, String> {
    let how = match asked.raw_get::<Option<String>>("how").map_err(|e| e.to_string())?.as_deref() {
        None | Some("sequential") => How::Sequential,
        Some("simultaneous") => How::Simultaneous,
        Some("enterprise") => How::Enterprise,
        Some(other) => {
            return Err(format!(
                "how: expected sequential, simultaneous or enterprise, got \"{other}\""
            ));
        }
    };
    let legs: Table = asked.raw_get("legs").map_err(|_| "legs: expected a list".to_owned())?;
    let (mut dials, mut count) = (Vec::new(), 0);
    for (n, item) in legs.sequence_values::<Table>().enumerate() {
        let at = |why: String| format!("legs[{}]: {why}", n + 1);
        let item = item.map_err(|_| at("expected a table".to_owned()))?;
        let mut several = Vec::new();
        if how == How::Enterprise && item.raw_len() > 0 {
            for each in item.sequence_values::<Table>() {
                let each = each.map_err(|_| at("expected a table".to_owned()))?;
                several.push(leg(lua, run, &each).map_err(at)?);
            }
        } else {
            several.push(leg(lua, run, &item).map_err(at)?);
        }
        count += several.len();
        if count > MAX_LEGS {
            return Err(format!("legs: expected at most {MAX_LEGS}"));
        }
        dials.push(several.join("|"));
    }
    if dials.is_empty() {
        return Err("legs: there are none".to_owned());
    }
    Ok(dials.join(match how {
        How::Sequential => "|",
        How::Simultaneous => ",",
        How::Enterprise => ":_:",
    }))
}

/// What a leg may say.
const LEG: &[&str] = &[
    "user",
    "domain",
    "route",
    "ring_timeout_ms",
    "delay_ms",
    "confirm_key",
    "confirm_sound",
    "confirm_timeout_ms",
    "caller_name",
    "caller_number",
];

fn leg(lua: &Lua, run: &Run, asked: &Table) -> Result<String, String> {
    for pair in asked.pairs::<Value, Value>() {
        let (name, _) = pair.map_err(|e| e.to_string())?;
        let known = name.as_string().is_some_and(|name| {
            LEG.iter().any(|known| known.as_bytes() == name.as_bytes().as_ref())
        });
        if !known {
            let name = name.to_string().unwrap_or_default();
            return Err(format!("{name}: expected one of {}", LEG.join(", ")));
        }
    }
    let route: Value = asked.raw_get("route").map_err(|e| e.to_string())?;
    let (to, mut vars) = match (text(asked, "user")?, route) {
        (Some(user), Value::Nil) => (self::user(run, &user, text(asked, "domain")?)?, Vec::new()),
        (None, route @ Value::Table(_)) => {
            let route: Route = lua.from_value(route).map_err(|e| format!("route: {e}"))?;
            let route = given(run, route)?;
            (route.dial_string.clone(), dial_vars(&route))
        }
        _ => return Err("expected a user, or a route from fsx.route".to_owned()),
    };
    let mut add = |name: &str, value: String| {
        vars.retain(|(other, _)| other != name);
        vars.push((name.to_owned(), value));
    };
    if let Some(ms) = ms(asked, "ring_timeout_ms")?.filter(|ms| *ms > 0) {
        add("leg_timeout", seconds(ms));
    }
    if let Some(ms) = ms(asked, "delay_ms")?.filter(|ms| *ms > 0) {
        add("leg_delay_start", seconds(ms));
    }
    if let Some(key) = text(asked, "confirm_key")? {
        if key.is_empty() || !key.bytes().all(|b| b.is_ascii_digit() || b"*#".contains(&b)) {
            return Err("confirm_key: expected keys of a telephone".to_owned());
        }
        let Some(sound) = text(asked, "confirm_sound")? else {
            return Err("confirm_sound: is missing: whoever picks up would hear nothing".to_owned());
        };
        if run.author() == Author::Organisation && !plain_sound(&sound) {
            return Err(format!("confirm_sound: \"{sound}\" is no sound that a policy may play"));
        }
        add("group_confirm_key", key);
        add("group_confirm_file", sound);
        let wait = ms(asked, "confirm_timeout_ms")?.filter(|ms| *ms > 0).unwrap_or(10_000);
        add("group_confirm_timeout", seconds(wait));
    }
    for (option, variable) in [
        ("caller_name", "origination_caller_id_name"),
        ("caller_number", "origination_caller_id_number"),
    ] {
        if let Some(value) = text(asked, option)? {
            if run.author() == Author::Organisation {
                match option {
                    "caller_number" => shows::may_show(run, &value),
                    _ => allowed::name(&value),
                }
                .map_err(|why| format!("{option}: {why}"))?;
            }
            add(variable, value);
        }
    }
    bracketed(&to, &vars)
}

/// `[^^;a=1;b=2]user/1001`: values may hold commas, so the list says what parts it.
fn bracketed(to: &str, vars: &[(String, String)]) -> Result<String, String> {
    if vars.is_empty() {
        return Ok(to.to_owned());
    }
    for (name, value) in vars {
        let ends = |text: &str| {
            text.contains(['[', ']', '{', '}', '<', '>', '|', '\'', '\\', '$', '^'])
                || text.contains(":_:")
                || text.bytes().any(|b| b.is_ascii_control())
        };
        if ends(value) || value.contains(',') && name.starts_with("origination_caller") {
            return Err(format!("{name}: \"{value}\" would not stay one value"));
        }
    }
    let free = |mark: &char| vars.iter().all(|(n, v)| !n.contains(*mark) && !v.contains(*mark));
    let Some(mark) = [';', '~', '#', '!'].into_iter().find(free) else {
        return Err("the values hold every separator there is".to_owned());
    };
    let list: Vec<String> = vars.iter().map(|(name, value)| format!("{name}={value}")).collect();
    Ok(format!("[^^{mark}{}]{to}", list.join(&mark.to_string())))
}

/// A user of the organisation's own domain.
fn user(run: &Run, user: &str, domain: Option<String>) -> Result<String, String> {
    if !handoff::is_name(user) {
        return Err(format!("user: \"{user}\" is no name of a user"));
    }
    let own = match run.author() {
        Author::Organisation => run.own().domain(),
        Author::Platform => run.call.variable("domain_name").map(str::to_owned),
    };
    let Some(domain) = domain.or(own).filter(|domain| !domain.is_empty()) else {
        return Ok(format!("user/{user}"));
    };
    if !handoff::is_name(&domain) {
        return Err(format!("domain: \"{domain}\" is no domain"));
    }
    if run.author() == Author::Organisation {
        run.own().has(&domain)?;
    }
    Ok(format!("user/{user}@{domain}"))
}

/// A route that the engine gave this run. An organisation chooses among them and writes none.
fn given(run: &Run, route: Route) -> Result<Route, String> {
    let same = |other: &&Route| {
        (other.gateway_id, other.rate_id, &other.dial_string)
            == (route.gateway_id, route.rate_id, &route.dial_string)
    };
    match run.given().iter().find(same) {
        Some(original) => Ok(original.clone()),
        None if run.author() == Author::Platform && !route.dial_string.is_empty() => Ok(route),
        None => Err("route: not given by fsx.route in this run".to_owned()),
    }
}

fn text(asked: &Table, name: &str) -> Result<Option<String>, String> {
    match asked.raw_get::<Value>(name).map_err(|e| e.to_string())? {
        Value::Nil => Ok(None),
        Value::String(text) => Ok(Some(text.to_string_lossy())),
        other => Err(format!("{name}: expected text, got {}", other.type_name())),
    }
}

fn ms(asked: &Table, name: &str) -> Result<Option<u32>, String> {
    let wrong = || format!("{name}: expected milliseconds from 0 to 86400000");
    let ms = match asked.raw_get::<Value>(name).map_err(|e| e.to_string())? {
        Value::Nil => return Ok(None),
        Value::Integer(n) => u32::try_from(n).map_err(|_| wrong())?,
        Value::Number(n) if (0.0..=86_400_000.0).contains(&n) => n as u32,
        _ => return Err(wrong()),
    };
    if ms > 86_400_000 { Err(wrong()) } else { Ok(Some(ms)) }
}

/// The switch counts whole seconds: no less than was asked for.
fn seconds(ms: u32) -> String {
    ms.div_ceil(1_000).to_string()
}
