//! `freeswitch`: the name that scripts know, over the live call's own event socket.
//!
//! A command of the switch can reach every call on it, so each has to be on a list of the
//! configuration; what is not here says so by name.

use mlua::{Lua, MetaMethod, Table, UserData, UserDataMethods, Value, Variadic};

use super::Phase;
use super::api::{LogLevel, dbh, event, json, refusal};
use super::host::{Current, sleep};

/// Makes the table.
pub(super) fn install(lua: &Lua, current: &Current) -> mlua::Result<Table> {
    let table = lua.create_table()?;
    for name in ["freeswitch.consoleLog", "freeswitch.console_log"] {
        let run = current.clone();
        let log = lua.create_function(move |lua, (level, text): (String, Value)| {
            run.enter(lua, name)?.log(LogLevel::parse(&level), &text.to_string()?);
            Ok(())
        })?;
        table.set(short(name), log)?;
    }
    for name in ["freeswitch.consoleCleanLog", "freeswitch.console_clean_log"] {
        let run = current.clone();
        let log = lua.create_function(move |lua, text: Value| {
            run.enter(lua, name)?.log(LogLevel::Info, &text.to_string()?);
            Ok(())
        })?;
        table.set(short(name), log)?;
    }
    let run = current.clone();
    let msleep = lua.create_async_function(move |lua: Lua, ms: f64| {
        let run = run.enter_waiting(&lua, "freeswitch.msleep");
        async move { sleep(&*run?, ms).await }
    })?;
    table.set("msleep", msleep)?;
    let run = current.clone();
    let api = lua.create_function(move |lua, _: Variadic<Value>| {
        run.enter(lua, "freeswitch.API")?;
        Ok(Api(run.clone()))
    })?;
    table.set("API", api)?;
    let run = current.clone();
    let global = lua.create_async_function(move |lua: Lua, name: String| {
        let run = run.enter(&lua, "freeswitch.getGlobalVariable");
        async move {
            let run = run?;
            let told = run.world.global(&run.asker, &name);
            if told.is_some() || run.phase != Phase::Call || !run.can_talk() {
                return run.then(&lua, told).await;
            }
            let said = run.api("global_getvar", &name).await?;
            run.then(&lua, said.filter(|value| !value.is_empty() && !is_error(value))).await
        }
    })?;
    table.set("getGlobalVariable", global)?;
    event::install(lua, current, &table)?;
    json::install_object(lua, current, &table)?;
    dbh::install(lua, current, &table)?;
    let missing = lua.create_table()?;
    missing.set(
        "__index",
        lua.create_function(|_, (_, name): (Value, Value)| -> mlua::Result<Value> {
            let name = name.to_string()?;
            Err(refusal(&format!("freeswitch.{name}"), "there is no such function"))
        })?,
    )?;
    table.set_metatable(Some(missing))?;
    Ok(table)
}

/// `API` of `freeswitch.API`.
fn short(name: &'static str) -> &'static str {
    name.trim_start_matches("freeswitch.")
}

/// What the switch prints instead of a value.
fn is_error(said: &str) -> bool {
    said.starts_with("-ERR")
}

/// `freeswitch.API()`.
struct Api(Current);

impl UserData for Api {
    fn add_methods<M: UserDataMethods<Self>>(methods: &mut M) {
        methods.add_async_method(
            "execute",
            |lua: Lua, this, (command, argument): (String, Option<String>)| {
                let run = this.0.enter_waiting(&lua, "freeswitch.API:execute");
                async move {
                    let run = run?;
                    let said = run.api(&command, argument.as_deref().unwrap_or("")).await?;
                    run.then(&lua, said.unwrap_or_default()).await
                }
            },
        );
        methods.add_async_method("executeString", |lua: Lua, this, line: String| {
            let run = this.0.enter_waiting(&lua, "freeswitch.API:executeString");
            async move {
                let run = run?;
                let (command, argument) = line.trim().split_once(' ').unwrap_or((line.trim(), ""));
                let said = run.api(command, argument.trim()).await?;
                run.then(&lua, said.unwrap_or_default()).await
            }
        });
        methods.add_method("getTime", |lua, this, ()| {
            let run = this.0.enter(lua, "freeswitch.API:getTime")?;
            Ok(run.world.now_ms().to_string())
        });
        methods.add_meta_method(MetaMethod::Index, |_, _, name: String| -> mlua::Result<Value> {
            Err(refusal(&format!("freeswitch.API:{name}"), "there is no such method"))
        });
    }
}
