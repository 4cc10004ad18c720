//! `fsx.route{…}`: the engine's answer as a table, and such a table as what is to be done.
//!
//! A policy often returns the very answer that it was given. So the routes become tables only when the
//! script looks at them ([`Unasked`]); an answer that nobody looked at is taken as the engine gave it.

use fsx_wire::answer::{Route, RouteAnswer, rfc3339};
use fsx_wire::message::WireFacts;
use mlua::{Error, Function, Lua, LuaSerdeExt as _, MultiValue, Table, Value, serde::ser::Options};

use super::host::Current;
use super::run::Run;
use super::shows;
use super::unasked::Unasked;

/// An answer that has routes, all but them: made in Lua, where a member costs less than one that is
/// set from here.
const ANSWER: &str = "local untouched, setmetatable = ...
return function(generation, number, org, data_centre, at, decision, emergency)
return setmetatable({
    generation = generation, number = number, org = org, data_centre = data_centre, at = at,
    decision = decision, emergency = emergency,
}, untouched)
end";

/// `fsx.route`, for a machine that is not sealed yet.
pub(super) fn install(lua: &Lua, current: &Current) -> mlua::Result<Function> {
    let untouched = Unasked::new(lua, current, "routes", |lua, run, answer| {
        lua.to_value_with(&run.answered(address(answer)), options())
    })?;
    let setmetatable: Function = lua.globals().raw_get("setmetatable")?;
    let made = lua.load(ANSWER).set_name("=fsx").call((untouched.meta(), setmetatable))?;
    lua.set_app_data(Untouched(untouched));
    let run = current.clone();
    lua.create_function(move |lua, question: Option<Table>| {
        route(lua, &*run.enter(lua, "fsx.route")?, question, &made)
    })
}

/// Answers at whose routes nobody has looked, in a machine.
struct Untouched(Unasked);

/// By which a run knows its answers.
fn address(table: &Table) -> usize {
    table.to_pointer() as usize
}

fn options() -> Options {
    Options::new()
        .set_array_metatable(false)
        .serialize_none_to_null(false)
        .serialize_unit_to_null(false)
}

/// The engine's answer; nil and a reason before any data is published.
fn route(
    lua: &Lua,
    run: &Run,
    question: Option<Table>,
    made: &Function,
) -> mlua::Result<MultiValue> {
    let mut facts = WireFacts { vars: Default::default(), ..run.call.facts.clone() };
    let mut why = false;
    if let Some(question) = question {
        for pair in question.pairs::<String, Value>() {
            let (name, value) = pair?;
            fact(lua, run, &mut facts, &mut why, &name, value)
                .map_err(|e| Error::runtime(format!("fsx.route: {name}: {e}")))?;
        }
    }
    let mut answer = match run.world.route(&run.asker, &facts, why) {
        Ok(answer) => answer,
        Err(no_data) => {
            let reason = Value::String(lua.create_string(no_data.to_string())?);
            return Ok(MultiValue::from_iter([Value::Nil, reason]));
        }
    };
    if answer.routes.is_empty() {
        return Ok(MultiValue::from_iter([lua.to_value_with(&answer, options())?]));
    }
    let routes = std::mem::take(&mut answer.routes);
    let excluded = std::mem::take(&mut answer.excluded);
    let table: Table = made.call((
        answer.generation,
        answer.number,
        answer.org,
        answer.data_centre,
        answer.at,
        answer.decision,
        answer.emergency.then_some(true),
    ))?;
    if let Err(routes) = run.give(address(&table), routes) {
        // The run has as many as it may: these can be read, and not dialled.
        table.set_metatable(None)?;
        table.raw_set("routes", lua.to_value_with(&routes, options())?)?;
    }
    if !excluded.is_empty() {
        table.raw_set("excluded", lua.to_value_with(&excluded, options())?)?;
    }
    Ok(MultiValue::from_iter([Value::Table(table)]))
}

/// What is to be done by a table that a policy returned: `{routes = …}`, or an answer of [`route`].
/// `None` where it has no routes.
pub(super) fn answer(lua: &Lua, run: &Run, table: &Table) -> mlua::Result<Option<RouteAnswer>> {
    let untouched =
        lua.app_data_ref::<Untouched>().is_some_and(|untouched| untouched.0.is_on(table));
    let routes = match table.raw_get::<Value>("routes")? {
        Value::Nil if untouched => run.answered(address(table)),
        Value::Nil => return Ok(None),
        routes => written(lua, run, routes)?,
    };
    if routes.is_empty() || routes.len() > fsx_core::plan::MAX_ATTEMPTS {
        return Err(Error::runtime(format!(
            "routes: {} of them, expected 1 to {}",
            routes.len(),
            fsx_core::plan::MAX_ATTEMPTS
        )));
    }
    for (n, route) in routes.iter().enumerate() {
        if route.dial_string.is_empty() || route.dial_string.bytes().any(|b| b.is_ascii_control()) {
            return Err(Error::runtime(format!("routes[{}]: no usable dial_string", n + 1)));
        }
    }
    let facts = &run.call.facts;
    let at = if facts.at == 0 { crate::routing::now() } else { facts.at };
    Ok(Some(RouteAnswer {
        generation: table.raw_get::<Option<u64>>("generation")?.unwrap_or(0),
        number: table.raw_get::<Option<String>>("number")?.unwrap_or_else(|| facts.called.clone()),
        org: facts.org,
        data_centre: facts.data_centre.clone(),
        at: rfc3339(at),
        decision: "route".to_owned(),
        routes,
        ..RouteAnswer::default()
    }))
}

/// Routes that a script put together, or looked at.
fn written(lua: &Lua, run: &Run, routes: Value) -> mlua::Result<Vec<Route>> {
    let mut routes: Vec<Route> =
        lua.from_value(routes).map_err(|e| Error::runtime(format!("routes: {e}")))?;
    if !run.bundle.trusted() {
        // An organisation may choose among what the engine sold it, not write routes of its own:
        // prices, limits and the dial string are the platform's.
        let given = run.given();
        for (n, route) in routes.iter_mut().enumerate() {
            let original = given.iter().find(|g| {
                (g.gateway_id, g.rate_id, &g.dial_string)
                    == (route.gateway_id, route.rate_id, &route.dial_string)
            });
            *route = original.cloned().ok_or_else(|| {
                Error::runtime(format!("routes[{}]: not given by fsx.route in this run", n + 1))
            })?;
        }
    }
    Ok(routes)
}

/// What an organisation may choose only where the operator lets it, or where it is the call's own.
fn choice(run: &Run, name: &str, value: String, own: Option<&str>) -> Result<String, String> {
    if !run.bundle.trusted() && own != Some(value.as_str()) {
        run.allowed.may_ask(name, &value)?;
    }
    Ok(value)
}

fn fact(
    lua: &Lua,
    run: &Run,
    facts: &mut WireFacts,
    why: &mut bool,
    name: &str,
    value: Value,
) -> Result<(), String> {
    let text = |value: Value| match value {
        Value::String(text) => Ok(text.to_string_lossy()),
        // A number that was written without quotes; past 2^53 it is no longer the one meant.
        Value::Integer(n) => Ok(n.to_string()),
        Value::Number(n) if n.fract() == 0.0 && n.abs() < 9e15 => Ok(format!("{n:.0}")),
        other => Err(format!("expected text, got {}", other.type_name())),
    };
    let whole = |value: Value| lua.unpack::<u32>(value).map_err(|_| "expected a whole number");
    let truth = |value: Value| match value {
        Value::Boolean(yes) => Ok(yes),
        other => Err(format!("expected true or false, got {}", other.type_name())),
    };
    match name {
        "number" => facts.called = text(value)?,
        "caller" => {
            let number = text(value)?;
            if !run.bundle.trusted() {
                // It is shown to whoever is called, and prices may go by it.
                shows::may_show(run, &number)?;
            }
            facts.caller = Some(number);
        }
        "withhold" => facts.withhold_cli = truth(value)?,
        "country" => facts.home_country = Some(text(value)?),
        "data_centre" => {
            facts.data_centre = choice(run, name, text(value)?, Some(&run.call.facts.data_centre))?;
        }
        // Its routes may be dialled, so they are for now: another hour may be cheaper, or unmeasured.
        "at" if !run.bundle.trusted() => {
            return Err("only the platform's policies may ask for another instant".to_owned());
        }
        "at" => facts.at = lua.unpack::<i64>(value).map_err(|_| "expected seconds since 1970")?,
        "privacy_class" => facts.privacy_class = Some(text(value)?),
        "pci_zone" => facts.pci_zone = Some(text(value)?),
        "carrier_group" => {
            let own = run.call.facts.carrier_group.as_deref();
            facts.carrier_group = Some(choice(run, name, text(value)?, own)?);
        }
        "profile" => {
            let name = text(value)?;
            fsx_core::Profile::parse(&name).map_err(|e| format!("\"{name}\": {e}"))?;
            let own = run.call.facts.profile.as_deref();
            facts.profile = Some(choice(run, "profile", name, own)?);
        }
        "lrn" => {
            let own = run.call.facts.lrn.as_deref();
            facts.lrn = Some(choice(run, name, text(value)?, own)?);
        }
        "max_attempts" => {
            facts.max_attempts =
                u8::try_from(whole(value)?).map_err(|_| "expected at most 255".to_owned())?;
        }
        "why" => *why = truth(value)?,
        "org" => {
            let (org, own) = (whole(value)?, run.org());
            if org != own && !run.bundle.trusted() {
                return Err(format!("organisation {own} may not ask for organisation {org}"));
            }
            facts.org = org;
        }
        _ => return Err("no such part of a question".to_owned()),
    }
    Ok(())
}
