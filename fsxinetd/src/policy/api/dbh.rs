//! `freeswitch.Dbh`: databases, by the aliases of the configuration and no other way.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use mlua::{Error, Function, Lua, MetaMethod, Table, UserData, UserDataMethods, Value, Variadic};

use super::super::host::Current;
use super::super::run::Run;
use super::{DbAnswer, DbAsk, refusal};

/// Longest statement, in bytes.
const MAX_SQL: usize = 64 << 10;

/// Most rows of one answer.
const MAX_ROWS: usize = 10_000;

/// How long a statement may take; the alias's own limit holds where it is shorter.
const TIMEOUT: Duration = Duration::from_secs(5);

#[derive(Debug, Default)]
struct State {
    affected: u64,
    error: Option<String>,
    released: bool,
}

/// One handle.
struct Dbh {
    current: Current,
    alias: String,
    state: Mutex<State>,
}

/// Puts `Dbh` into `freeswitch`.
pub(in super::super) fn install(lua: &Lua, current: &Current, table: &Table) -> mlua::Result<()> {
    let run = current.clone();
    let make = lua.create_function(move |lua, words: Variadic<Value>| {
        let asked = run.enter(lua, "freeswitch.Dbh")?;
        let first = words.first().unwrap_or(&Value::Nil);
        let dsn = super::text("freeswitch.Dbh", "alias", first)?;
        let alias = alias(&dsn)?;
        asked
            .world
            .database(&asked.asker, &alias)
            .map_err(|why| Error::runtime(format!("freeswitch.Dbh: {why}")))?;
        Ok(Dbh { current: run.clone(), alias, state: Mutex::default() })
    })?;
    table.set("Dbh", make)
}

/// `odbc://LCR_RO:user:password` and `LCR_RO` are the same alias; a database named by its address is
/// not.
fn alias(dsn: &str) -> mlua::Result<String> {
    let bare = dsn.strip_prefix("odbc://").unwrap_or(dsn);
    let bare = bare.split(':').next().unwrap_or("");
    let plain = |b: u8| b.is_ascii_alphanumeric() || b"_-.".contains(&b);
    if dsn.contains("://") && !dsn.starts_with("odbc://")
        || bare.is_empty()
        || !bare.bytes().all(plain)
    {
        return Err(Error::runtime(format!(
            "freeswitch.Dbh: \"{}\": expected an alias from [databases] of the configuration",
            dsn.chars().take(40).collect::<String>().split("://").next().unwrap_or("")
        )));
    }
    Ok(bare.to_owned())
}

impl Dbh {
    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Runs one statement; what goes wrong is kept for `last_error`.
    async fn ask(&self, run: &Run, sql: String) -> Option<DbAnswer> {
        let asked = if self.state().released {
            Err("the handle has been released".to_owned())
        } else if sql.len() > MAX_SQL {
            Err(format!("the statement has {} bytes, expected at most {MAX_SQL}", sql.len()))
        } else {
            let timeout = run.patience(TIMEOUT);
            let alias = self.alias.clone();
            let ask = DbAsk { alias, sql, max_rows: MAX_ROWS, timeout };
            run.outside(timeout, run.world.query(Arc::clone(&run.asker), ask)).await
        };
        let mut state = self.state();
        match asked {
            Ok(answer) => {
                (state.affected, state.error) = (answer.affected, None);
                Some(answer)
            }
            Err(why) => {
                (state.affected, state.error) = (0, Some(why.clone()));
                drop(state);
                run.log(super::LogLevel::Error, &format!("{}: {why}", self.alias));
                None
            }
        }
    }

    fn enter(&self, lua: &Lua, name: &'static str) -> mlua::Result<Arc<Run>> {
        self.current.enter(lua, name)
    }
}

/// A row by the names of its columns. mod_lua's rows hold text only.
fn row(lua: &Lua, answer: &DbAnswer, n: usize, null: Option<&str>) -> mlua::Result<Table> {
    let table = lua.create_table_with_capacity(0, answer.columns.len())?;
    for (column, value) in answer.columns.iter().zip(&answer.rows[n]) {
        table.raw_set(column.as_str(), value.as_deref().or(null))?;
    }
    Ok(table)
}

/// Whether a row's function wants no more: mod_lua stops at anything but 0.
fn stops(said: &Value) -> bool {
    match said {
        Value::Integer(n) => *n != 0,
        Value::Number(n) => *n != 0.0,
        _ => false,
    }
}

impl UserData for Dbh {
    fn add_methods<M: UserDataMethods<Self>>(methods: &mut M) {
        methods.add_method("connected", |lua, this, ()| {
            this.enter(lua, "freeswitch.Dbh:connected")?;
            Ok(!this.state().released)
        });
        methods.add_method("release", |lua, this, ()| {
            this.enter(lua, "freeswitch.Dbh:release")?;
            this.state().released = true;
            Ok(true)
        });
        methods.add_method("affected_rows", |lua, this, ()| {
            this.enter(lua, "freeswitch.Dbh:affected_rows")?;
            Ok(this.state().affected)
        });
        methods.add_method("last_error", |lua, this, ()| {
            this.enter(lua, "freeswitch.Dbh:last_error")?;
            Ok(this.state().error.clone())
        });
        methods.add_method("clear_error", |lua, this, ()| {
            this.enter(lua, "freeswitch.Dbh:clear_error")?;
            this.state().error = None;
            Ok(())
        });
        methods.add_method("quote", |lua, this, value: Value| {
            let run = this.enter(lua, "freeswitch.Dbh:quote")?;
            quote(&run, &this.alias, &value)
        });
        methods.add_async_method(
            "query",
            |lua: Lua, this, (sql, each): (String, Option<Function>)| {
                let run = this.current.enter_waiting(&lua, "freeswitch.Dbh:query");
                async move {
                    let run = run?;
                    let answer = this.ask(&run, sql).await;
                    if let (Some(answer), Some(each)) = (&answer, each) {
                        for n in 0..answer.rows.len() {
                            // On a thread of ours, so that the function may wait.
                            let thread = lua.create_thread(each.clone())?;
                            let own = thread.to_pointer() as usize;
                            let said = thread.into_async(row(&lua, answer, n, Some(""))?)?;
                            run.begin_thread(own).map_err(Error::runtime)?;
                            let said = said.await;
                            run.end_thread(own);
                            if stops(&said?) {
                                break;
                            }
                        }
                    }
                    run.then(&lua, answer.is_some()).await
                }
            },
        );
        methods.add_async_method("query_rows", |lua: Lua, this, sql: String| {
            let run = this.current.enter_waiting(&lua, "freeswitch.Dbh:query_rows");
            async move {
                let run = run?;
                let answer = this.ask(&run, sql).await;
                let Some(answer) = answer else {
                    let why = this.state().error.clone();
                    return run.then(&lua, (false, Value::Nil, why)).await;
                };
                let rows = lua.create_table_with_capacity(answer.rows.len(), 0)?;
                for n in 0..answer.rows.len() {
                    rows.raw_set(n + 1, row(&lua, &answer, n, None)?)?;
                }
                run.then(&lua, (true, rows)).await
            }
        });
        methods.add_async_method("first_row", |lua: Lua, this, sql: String| {
            let run = this.current.enter_waiting(&lua, "freeswitch.Dbh:first_row");
            async move {
                let run = run?;
                let answer = this.ask(&run, sql).await.filter(|answer| !answer.rows.is_empty());
                let row = answer.map(|answer| row(&lua, &answer, 0, None)).transpose()?;
                run.then(&lua, row).await
            }
        });
        methods.add_async_method("first_value", |lua: Lua, this, sql: String| {
            let run = this.current.enter_waiting(&lua, "freeswitch.Dbh:first_value");
            async move {
                let run = run?;
                let answer = this.ask(&run, sql).await;
                let value = answer.and_then(|mut answer| {
                    (!answer.rows.is_empty()).then(|| answer.rows.swap_remove(0).into_iter().next())
                });
                run.then(&lua, value.flatten().flatten()).await
            }
        });
        methods.add_meta_method(MetaMethod::Index, |_, _, name: String| -> mlua::Result<Value> {
            Err(refusal(&format!("freeswitch.Dbh:{name}"), "there is no such method"))
        });
    }
}

/// A literal. A server that reads backslashes gets them doubled; one that does not would get two.
fn quote(run: &Run, alias: &str, value: &Value) -> mlua::Result<String> {
    Ok(match value {
        Value::Nil => "NULL".to_owned(),
        Value::Boolean(yes) => if *yes { "1" } else { "0" }.to_owned(),
        Value::Integer(n) => n.to_string(),
        Value::Number(n) if n.is_finite() => value.to_string()?,
        Value::String(text) => {
            let text = text.to_string_lossy();
            if text.contains('\0') {
                return Err(Error::runtime("freeswitch.Dbh:quote: the text holds a zero byte"));
            }
            let plain = run.world.database_is_sqlite(&run.asker, alias);
            crate::db::quote(plain, &text)
        }
        other => {
            return Err(Error::runtime(format!(
                "freeswitch.Dbh:quote: expected text or a number, got {}",
                other.type_name()
            )));
        }
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn databases_have_no_other_name_than_their_alias() {
        for dsn in ["LCR_RO", "odbc://LCR_RO", "odbc://LCR_RO:user:password"] {
            assert_eq!(alias(dsn).expect("an alias"), "LCR_RO", "{dsn}");
        }
        for dsn in [
            "",
            "sqlite:///etc/passwd",
            "pgsql://host=db user=x",
            "mariadb://Server=db",
            "mysql://root@db/x",
            "../x",
            "/var/lib/x.db",
        ] {
            assert!(alias(dsn).is_err(), "{dsn}");
        }
        // A password in an address is not repeated.
        let said = alias("pgsql://user:secret@db").expect_err("refused").to_string();
        assert!(!said.contains("secret"), "{said}");
    }
}
