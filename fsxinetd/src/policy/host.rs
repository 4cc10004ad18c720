//! What scripts can call, and what every such call goes through.
//!
//! The functions live in the machine's own globals, which are sealed before any script runs, and
//! find the run that is going on through [`Current`]. Each checks what it is given: a script is
//! somebody else's text.

use std::collections::HashMap;
use std::sync::{Arc, LazyLock, Mutex, PoisonError};
use std::time::{Duration, Instant};

use mlua::{Error, Lua, Table, Value, Variadic};

use super::api::catalogue::{self, Function};
use super::api::{self, LogLevel};
use super::files;
use super::freeswitch;
use super::parts;
use super::routes;
use super::run::Run;

/// The catalogue by name: every host call looks here.
static BY_NAME: LazyLock<HashMap<&'static str, &'static Function>> =
    LazyLock::new(|| catalogue::functions().map(|function| (function.name, function)).collect());

/// The run that a machine is busy with, and the Lua threads on which it may wait. Set while it is
/// polled, empty otherwise.
#[derive(Clone, Debug, Default)]
pub(super) struct Current(Arc<Mutex<Busy>>);

#[derive(Debug, Default)]
struct Busy {
    run: Option<Arc<Run>>,
    threads: Vec<usize>,
}

impl Current {
    fn busy(&self) -> std::sync::MutexGuard<'_, Busy> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The machine is about to be polled for `run`, whose own Lua thread is `thread`.
    pub(super) fn begin(&self, run: Arc<Run>, thread: usize) {
        let mut busy = self.busy();
        busy.run = Some(run);
        busy.threads.push(thread);
    }

    /// It has been polled.
    pub(super) fn end(&self) {
        let mut busy = self.busy();
        busy.run = None;
        busy.threads.clear();
    }

    /// The run in hand, not counted as a call into the host.
    pub(super) fn in_hand(&self) -> mlua::Result<Arc<Run>> {
        self.busy().run.clone().ok_or_else(|| Error::runtime("no call is going on"))
    }

    /// A script calls `name`, which is in the catalogue: counted, told to whoever traces, and
    /// refused in the wrong phase.
    pub(super) fn enter(&self, lua: &Lua, name: &'static str) -> mlua::Result<Arc<Run>> {
        let run = self.in_hand()?;
        run.host_call().map_err(Error::runtime)?;
        let Some(function) = BY_NAME.get(name) else {
            return Err(Error::runtime(format!("{name} is not in the catalogue")));
        };
        if run.world.traces() {
            run.world.entered(&run.asker, function.name, &place(lua, &run));
        }
        if !function.phases.has(run.phase) {
            let (meant, is) = (function.phases.names(), run.phase.as_str());
            return Err(Error::runtime(format!(
                "{name} is for the {meant} phase; this is the {is} phase"
            )));
        }
        Ok(run)
    }

    /// The same for a function that waits. Inside a coroutine of the script, the wait would be
    /// taken for the coroutine's own yield.
    pub(super) fn enter_waiting(&self, lua: &Lua, name: &'static str) -> mlua::Result<Arc<Run>> {
        let run = self.enter(lua, name)?;
        let thread = lua.current_thread().to_pointer() as usize;
        if !self.busy().threads.contains(&thread) && !run.is_own_thread(thread) {
            return Err(Error::runtime(format!(
                "{name} waits, which a coroutine of the script cannot; call it outside"
            )));
        }
        Ok(run)
    }
}

/// Where the script is: `37/ivr.lua:12`.
fn place(lua: &Lua, run: &Run) -> String {
    let start = format!("{}/", run.bundle.name);
    for level in 1..8 {
        let found = lua.inspect_stack(level, |debug| {
            let source = debug.source();
            let file = source.short_src.as_deref().unwrap_or("").to_owned();
            (file, debug.current_line().unwrap_or(0))
        });
        match found {
            Some((file, line)) if file.starts_with(&start) => return format!("{file}:{line}"),
            Some(_) => {}
            None => break,
        }
    }
    String::new()
}

/// Puts the functions into `lua`'s globals and takes out what could reach past them.
pub(super) fn install(lua: &Lua, current: &Current) -> mlua::Result<()> {
    let globals = lua.globals();
    api::install(lua, current)?;
    globals.raw_set("require", files::require(lua, current)?)?;
    globals.raw_set("dofile", files::dofile(lua, current)?)?;
    globals.raw_set("print", print(lua, current)?)?;
    globals.raw_set("fsx", fsx(lua, current)?)?;
    globals.raw_set("freeswitch", freeswitch::install(lua, current)?)?;
    Ok(())
}

/// `fsx`: our own names.
fn fsx(lua: &Lua, current: &Current) -> mlua::Result<Table> {
    let fsx = lua.create_table()?;
    fsx.set("route", routes::install(lua, current)?)?;
    let run = current.clone();
    fsx.set(
        "log",
        lua.create_function(move |lua, words: Variadic<Value>| {
            let run = run.enter(lua, "fsx.log")?;
            match words.as_slice() {
                [text] => run.log(LogLevel::Info, &text.to_string()?),
                [level, text] => run.log(LogLevel::parse(&level.to_string()?), &text.to_string()?),
                _ => return Err(Error::runtime("fsx.log: expected (text) or (level, text)")),
            }
            Ok(())
        })?,
    )?;
    let run = current.clone();
    fsx.set(
        "sleep",
        lua.create_async_function(move |lua: Lua, ms: f64| {
            let run = run.enter_waiting(&lua, "fsx.sleep");
            async move { sleep(&*run?, ms).await }
        })?,
    )?;
    api::fsx(lua, current, &fsx)?;
    parts::install(lua, current, &fsx)?;
    #[cfg(test)]
    for_tests(lua, &fsx)?;
    Ok(fsx)
}

/// Host functions with faults that real ones might have.
#[cfg(test)]
fn for_tests(lua: &Lua, fsx: &Table) -> mlua::Result<()> {
    fsx.set(
        "block",
        lua.create_function(|_, ms: u64| {
            // No budget can see into it.
            std::thread::sleep(Duration::from_millis(ms));
            Ok(())
        })?,
    )?;
    fsx.set(
        "once",
        lua.create_async_function(|_, ()| {
            // Not ready the first time, and says at once that it is now.
            let mut asked = false;
            std::future::poll_fn(move |cx| {
                if std::mem::replace(&mut asked, true) {
                    return std::task::Poll::Ready(Ok(()));
                }
                cx.waker().wake_by_ref();
                std::task::Poll::Pending
            })
        })?,
    )
}

/// Waits on behalf of a script. Past the budget it fails at once instead of holding on to nothing.
pub(super) async fn sleep(run: &Run, ms: f64) -> mlua::Result<()> {
    if !(0.0..=86_400_000.0).contains(&ms) {
        return Err(Error::runtime(format!("sleep: expected milliseconds, got {ms}")));
    }
    let wanted = Duration::from_secs_f64(ms / 1000.0);
    let left = run.deadline.at().saturating_duration_since(Instant::now());
    run.world.sleep(wanted.min(left)).await;
    Ok(())
}

fn print(lua: &Lua, current: &Current) -> mlua::Result<mlua::Function> {
    let run = current.clone();
    lua.create_function(move |lua, words: Variadic<Value>| {
        let words = words.iter().map(Value::to_string).collect::<mlua::Result<Vec<_>>>()?;
        run.enter(lua, "print")?.log(LogLevel::Info, &words.join("\t"));
        Ok(())
    })
}
