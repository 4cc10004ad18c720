//! `fsx.core`: questions to the Core API.
//!
//! A script names a path and nothing else: host, scheme and key are the configuration's, so that no
//! policy can make the daemon speak to anybody else.

use std::time::Duration;

use mlua::{Error, Lua, MultiValue, Table, Value};

use super::super::host::Current;
use super::json::{self, Null};
use super::{CoreAnswer, CoreAsk};

/// Longest path, in bytes.
const MAX_PATH: usize = 1_000;

/// Most parts of a query.
const MAX_QUERY: usize = 50;

/// How long an answer may take unless the script says otherwise.
const DEFAULT_TIMEOUT: Duration = Duration::from_secs(5);

/// Makes the table.
pub(super) fn install(lua: &Lua, current: &Current) -> mlua::Result<Table> {
    let table = lua.create_table()?;
    let run = current.clone();
    let get =
        lua.create_async_function(move |lua: Lua, (path, options): (String, Option<Table>)| {
            const NAME: &str = "fsx.core.get";
            let run = run.enter_waiting(&lua, NAME);
            async move {
                let run = run?;
                let ask = ask(NAME, "GET", &path, None, options.as_ref())?;
                answer(&lua, &run, ask).await
            }
        })?;
    table.set("get", get)?;
    let run = current.clone();
    let post = lua.create_async_function(
        move |lua: Lua, (path, body, options): (String, Value, Option<Table>)| {
            const NAME: &str = "fsx.core.post";
            let run = run.enter_waiting(&lua, NAME);
            async move {
                let run = run?;
                let body = json::from_lua(&lua, &body, true)
                    .map_err(|e| Error::runtime(format!("{NAME}: body: {e}")))?;
                let ask = ask(NAME, "POST", &path, Some(body.to_string()), options.as_ref())?;
                answer(&lua, &run, ask).await
            }
        },
    )?;
    table.set("post", post)?;
    Ok(table)
}

/// Whether it is a path below the base, however a server may read it.
fn check_path(path: &str) -> Result<(), String> {
    if !path.starts_with('/') || path.starts_with("//") {
        return Err(format!("path: \"{path}\": expected one that begins with a single /"));
    }
    if path.len() > MAX_PATH {
        return Err(format!("path: {} bytes, expected at most {MAX_PATH}", path.len()));
    }
    let plain = |b: u8| b.is_ascii_alphanumeric() || b"/-._~!$&'()*+,;=:@".contains(&b);
    if let Some(odd) = path.bytes().find(|b| !plain(*b)) {
        return Err(format!(
            "path: holds \"{}\"; what belongs to the query goes into options.query",
            char::from(odd).escape_default()
        ));
    }
    // Some servers take off what follows a semicolon, and walk up then.
    let walks = |part: &str| matches!(part.split(';').next(), Some("." | ".."));
    if path.split('/').any(walks) {
        return Err("path: holds . or ..".to_owned());
    }
    Ok(())
}

fn ask(
    function: &str,
    method: &'static str,
    path: &str,
    body: Option<String>,
    options: Option<&Table>,
) -> mlua::Result<CoreAsk> {
    let wrong = |why: String| Error::runtime(format!("{function}: {why}"));
    check_path(path).map_err(wrong)?;
    let mut ask = CoreAsk {
        method,
        path: path.to_owned(),
        query: Vec::new(),
        body,
        timeout: None,
        cache: Duration::ZERO,
        stale: Duration::ZERO,
    };
    let Some(options) = options else { return Ok(ask) };
    for pair in options.pairs::<String, Value>() {
        let (name, value) = pair.map_err(|_| wrong("options: names are text".to_owned()))?;
        let number = || {
            let n = value.as_f64().or_else(|| value.as_i64().map(|n| n as f64));
            n.filter(|n| (0.0..=31_536_000_000.0).contains(n))
                .ok_or_else(|| wrong(format!("options.{name}: expected a number from 0")))
        };
        match name.as_str() {
            "query" => {
                let Value::Table(query) = &value else {
                    return Err(wrong("options.query: expected a table".to_owned()));
                };
                for part in query.pairs::<String, Value>() {
                    let (key, value) =
                        part.map_err(|_| wrong("options.query: names are text".to_owned()))?;
                    let value = match value {
                        Value::Boolean(yes) => yes.to_string(),
                        other => super::text(function, &format!("options.query.{key}"), &other)?,
                    };
                    ask.query.push((key, value));
                }
                if ask.query.len() > MAX_QUERY {
                    return Err(wrong(format!("options.query: more than {MAX_QUERY} parts")));
                }
                // A table has no order; the same question must have the same address.
                ask.query.sort();
            }
            "timeout_ms" => ask.timeout = Some(Duration::from_secs_f64(number()? / 1e3)),
            "cache_s" if method == "GET" => ask.cache = Duration::from_secs_f64(number()?),
            "stale_s" if method == "GET" => ask.stale = Duration::from_secs_f64(number()?),
            _ => return Err(wrong(format!("options: there is no {name}"))),
        }
    }
    Ok(ask)
}

async fn answer(
    lua: &Lua,
    run: &super::super::run::Run,
    mut ask: CoreAsk,
) -> mlua::Result<MultiValue> {
    let limit = run.patience(ask.timeout.unwrap_or(DEFAULT_TIMEOUT));
    ask.timeout = Some(limit);
    let asked = run.world.core(std::sync::Arc::clone(&run.asker), ask);
    let said = run.outside(limit, asked).await;
    let values = match said {
        Ok(answer) => MultiValue::from_iter([Value::Table(table(lua, &answer)?)]),
        Err(why) => {
            let why = lua.create_string(why)?;
            MultiValue::from_iter([Value::Nil, Value::String(why)])
        }
    };
    run.then(lua, values).await
}

fn table(lua: &Lua, answer: &CoreAnswer) -> mlua::Result<Table> {
    let table = lua.create_table_with_capacity(0, 6)?;
    table.raw_set("status", answer.status)?;
    table.raw_set("ok", (200..300).contains(&answer.status))?;
    table.raw_set("body", answer.body.as_str())?;
    table.raw_set("source", answer.source.as_str())?;
    table.raw_set("age_s", answer.age.as_secs_f64())?;
    if let Ok(json) = json::parse(answer.body.as_bytes()) {
        table.raw_set("json", json::to_lua(lua, &json, Null::Nil)?)?;
    }
    Ok(table)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_paths_below_the_base() {
        for path in ["/a", "/org/12/users", "/a;b=c/d", "/v1/x.json"] {
            assert_eq!(check_path(path), Ok(()), "{path}");
        }
        for path in [
            "",
            "a",
            "//evil.example/a",
            "http://evil.example/",
            "/a/../../b",
            "/a/./b",
            "/a?b=c",
            "/a#b",
            "/a b",
            "/a%2e%2e/b",
            "/a\\b",
            "/a\r\nHost: evil.example",
            "/\u{e5}",
        ] {
            assert!(check_path(path).is_err(), "{path}");
        }
    }
}
