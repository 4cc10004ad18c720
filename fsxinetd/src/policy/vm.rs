//! One virtual machine: sealed globals, a memory limit, an interrupt; and one run in it.

use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::{Duration, Instant};

use fsx_wire::esl::Action;
use mlua::state::{GcIncParams, GcMode};
use mlua::{Error, Function, Lua, LuaOptions, StdLib, Thread, Value, VmState};

use super::api::event::Event;
use super::budget::{Meter, Tick, computed};
use super::bundle::Entry;
use super::errors::{self, explain};
use super::facts;
use super::files::{self, Files};
use super::host::{self, Current};
use super::outcome::{Failure, Outcome, Verdict};
use super::routes;
use super::run::Run;
use super::session::Session;
use super::talk;
use super::unasked;
use super::{Limits, Phase};

/// Per cent of what was in use after a collection at which the next is to be done.
const GC_GOAL: i32 = 130;

/// Runs the file, then the function that it defines. `ACTIONS` is how mod_lua's dialplan scripts
/// answer, `XML_STRING` its XML scripts.
const DRIVER: &str = "local begin, facts, setmetatable = ...
local function start(
    file, chunk, env, session, params, argv, request,
    id, number, caller, withhold, org, country, data_centre, at, task, phase, ended)
local call = setmetatable({
    id = id, number = number, caller = caller, withhold = withhold, org = org, country = country,
    data_centre = data_centre, at = at, task = task, phase = phase, ended = ended,
}, facts)
env.call, env.argv, env.params, env.XML_REQUEST = call, argv or { [0] = file }, params, request
return chunk, env, session, call
end
return function(file, name)
local chunk, env, session, call = start(file, begin(file))
local result = chunk()
if name ~= nil then
    local f = rawget(env, name)
    if f == nil and type(result) == 'table' then f = rawget(result, name) end
    if type(f) ~= 'function' then error('the file defines no function ' .. name, 0) end
    if session ~= nil then result = f(session, call) else result = f(call) end
end
if result == nil then result = rawget(env, 'XML_STRING') end
return result, rawget(env, 'ACTIONS')
end";

/// The machine of one organisation for one bundle.
#[derive(Debug)]
pub(super) struct Vm {
    lua: Lua,
    current: Current,
    meter: Arc<Meter>,
    /// [`DRIVER`]: given the file and the function, it runs them.
    driver: Function,
    limits: Limits,
}

impl Vm {
    pub(super) fn new(limits: Limits) -> mlua::Result<Self> {
        let libraries = StdLib::COROUTINE
            | StdLib::TABLE
            | StdLib::OS
            | StdLib::STRING
            | StdLib::UTF8
            | StdLib::BIT
            | StdLib::MATH
            | StdLib::BUFFER;
        let lua = Lua::new_with(libraries, LuaOptions::new())?;
        let current = Current::default();
        host::install(&lua, &current)?;
        lua.globals().raw_set("session", Session(current.clone()))?;
        lua.set_app_data(Files::new(&lua));
        let setmetatable: Function = lua.globals().raw_get("setmetatable")?;
        let (begin, facts) = (begin(&lua, &current)?, facts::install(&lua, &current)?);
        let begun = (begin, facts, setmetatable);
        unasked::install(&lua)?;
        errors::install(&lua, &current)?;
        let driver = lua.load(DRIVER).set_name("=fsx").call::<Function>(begun)?;
        lua.sandbox(true)?;
        // Half as much garbage as Luau keeps by itself: ten thousand calls may be held.
        lua.gc_set_mode(GcMode::Incremental(GcIncParams::default().goal(GC_GOAL)));
        lua.set_memory_limit(limits.memory_mib as usize * (1 << 20))?;

        let meter = Arc::new(Meter::new(limits.slice));
        let watch = Arc::clone(&meter);
        // To ask which thread this is takes a place on its stack, and a stack that has to grow in a full
        // machine is a panic in the midst of Lua, of which the whole daemon may die. A stack of this
        // size and its successor still fit.
        let roomy = limits.memory_mib as usize * (1 << 20) / 4;
        lua.set_interrupt(move |lua| match watch.tick() {
            Tick::Go => Ok(VmState::Continue),
            // Whoever fills the machine has no turns taken from it; its budget ends soon.
            Tick::Yield if lua.used_memory() > roomy => Ok(VmState::Continue),
            // Only the run's own thread can wait: a coroutine's yield would go to the script.
            Tick::Yield if watch.is_own(lua.current_thread().to_pointer() as usize) => {
                watch.yielded();
                Ok(VmState::Yield)
            }
            Tick::Yield => Ok(VmState::Continue),
            Tick::Stop => Err(Error::runtime("the budget is used up")),
        });
        Ok(Self { lua, current, meter, driver, limits })
    }

    /// What its runs may use.
    pub(super) fn limits(&self) -> Limits {
        self.limits
    }

    /// Bytes in use once all garbage is gone.
    #[cfg(test)]
    pub(super) fn live_memory(&self) -> usize {
        self.lua.gc_collect().expect("collected");
        self.lua.gc_collect().expect("collected");
        self.lua.used_memory()
    }

    /// Runs `entry` for `run`, to its end or its limits.
    pub(super) async fn execute(&self, run: &Arc<Run>, entry: &Entry) -> Result<Outcome, Failure> {
        let started = Instant::now();
        if started >= run.deadline.at() {
            // It waited in the queue for all its time: whoever comes next may still be helped.
            return Err(Failure::Busy);
        }
        let thread = self.thread().map_err(|e| self.failure(run, started, &e))?;
        let own = thread.to_pointer() as usize;
        let entry = (entry.file.as_str(), entry.function.as_deref());
        // Boxed as it is made: beside the box its room would be kept a second time.
        let work = Box::pin(async {
            let ended = thread.into_async::<(Value, Value)>(entry)?.await;
            let (result, mut actions) = match ended {
                // A hangup hook that says so has ended it.
                Err(error) if run.is_over() && error.to_string().contains(talk::ENDED) => {
                    (Value::Nil, Value::Nil)
                }
                other => other?,
            };
            if run.line.as_ref().is_some_and(|line| line.holds) {
                // Dialplan scripts leave theirs behind; done in the conversation, like the rest.
                if !actions.is_nil() {
                    take_actions(run, &actions)?;
                    actions = Value::Nil;
                }
                if result.is_nil() && run.auto_hangup() == Some(true) && !run.hung_up() {
                    let hangup = Action::new("hangup", "NORMAL_CLEARING");
                    run.action(hangup).map_err(Error::runtime)?;
                }
                // Boxed, like what else comes after the script: a held call need not keep its room.
                Box::pin(run.see_out()).await?;
            }
            match Box::pin(run.after(&self.lua)).await {
                Err(error) if !error.to_string().contains(talk::ENDED) => return Err(error),
                _ => {}
            }
            if run.auto_hangup() == Some(false) && run.has_acted() && run.can_talk() {
                // The dialplan is to go on after what was collected.
                Box::pin(run.flush()).await?;
            }
            self.conclude(run, result, actions)
        });
        let work = Metered { work, vm: self, run, own, turned: false };
        let ended = tokio::select! {
            ended = work => Ok(ended),
            () = run.deadline.passed() => Err(()),
        };
        match ended {
            _ if Instant::now() >= run.deadline.at() => Err(self.timeout(run, started)),
            Ok(Ok(outcome)) if run.used(Duration::ZERO) < self.limits.cpu_budget => Ok(outcome),
            Ok(Ok(_)) => Err(self.computed_too_long()),
            Ok(Err(error)) => Err(self.failure(run, started, &error)),
            Err(()) => Err(self.timeout(run, started)),
        }
    }

    /// A Lua thread with globals of its own, ready to run.
    fn thread(&self) -> mlua::Result<Thread> {
        let thread = self.lua.create_thread(self.driver.clone())?;
        thread.sandbox()?;
        Ok(thread)
    }

    /// What the script's values mean.
    fn conclude(&self, run: &Run, result: Value, actions: Value) -> mlua::Result<Outcome> {
        if run.phase == Phase::Call && !actions.is_nil() {
            take_actions(run, &actions)?;
        }
        let mut xml = None;
        let verdict = if run.call.look_up.is_some() {
            xml = document(&result)?;
            Verdict::Keep
        } else {
            verdict(&self.lua, run, result)?
        };
        if verdict == Verdict::Keep && run.auto_hangup() == Some(true) && !run.hung_up() {
            run.action(Action::new("hangup", "NORMAL_CLEARING")).map_err(Error::runtime)?;
        }
        let (vars, actions) = run.take();
        let policy_version = format!("{}@{}", run.bundle.name, run.bundle.version);
        Ok(Outcome { policy_version, verdict, vars, actions, xml })
    }

    fn timeout(&self, run: &Run, started: Instant) -> Failure {
        let had = run.deadline.at().saturating_duration_since(started);
        let after_ms = u64::try_from(had.as_millis()).unwrap_or(u64::MAX);
        Failure::Budget { what: "wall clock", after_ms }
    }

    fn computed_too_long(&self) -> Failure {
        let after_ms = u64::try_from(self.limits.cpu_budget.as_millis()).unwrap_or(u64::MAX);
        Failure::Budget { what: "computing", after_ms }
    }

    fn failure(&self, run: &Run, started: Instant, error: &Error) -> Failure {
        if Instant::now() >= run.deadline.at() {
            self.timeout(run, started)
        } else if run.used(Duration::ZERO) >= self.limits.cpu_budget {
            self.computed_too_long()
        } else if is_memory(error) {
            Failure::Memory { limit_mib: self.limits.memory_mib }
        } else {
            Failure::Script(explain(error, &run.bundle.name))
        }
    }
}

/// A future that runs Lua only between [`Meter::enter`] and [`Meter::leave`].
struct Metered<'a, F> {
    work: Pin<Box<F>>,
    vm: &'a Vm,
    run: &'a Arc<Run>,
    own: usize,
    /// The last poll ended because others were to have a turn.
    turned: bool,
}

impl<F: Future> Future for Metered<'_, F> {
    type Output = F::Output;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<F::Output> {
        let (vm, run) = (self.vm, Arc::clone(self.run));
        let before = computed();
        let left = vm.limits.cpu_budget.saturating_sub(run.used(Duration::ZERO));
        vm.meter.enter(Instant::now(), run.deadline.at(), left, self.own);
        vm.current.begin(Arc::clone(&run), self.own);
        let polled = self.work.as_mut().poll(cx);
        vm.current.end();
        let turned = vm.meter.leave();
        if polled.is_pending() {
            // The turn may have come between a host function's "not yet" and the wait for it. The
            // poll after it then only begins to wait, and a wake that came with it would be lost.
            if self.turned && !turned {
                cx.waker().wake_by_ref();
            }
            self.turned = turned;
        }
        run.used(computed().saturating_sub(before));
        polled
    }
}

/// What a run begins with, asked for on its own Lua thread: globals belong to that, and so does whatever
/// is made on it. Takes the file; gives the chunk, the globals, and what [`DRIVER`] puts there. Tables
/// are made in Lua: each member that is set from here costs as much as a call.
fn begin(lua: &Lua, current: &Current) -> mlua::Result<Function> {
    let session = lua.globals().raw_get::<Value>("session")?;
    let current = current.clone();
    lua.create_function(move |lua, file: String| {
        let run = current.in_hand()?;
        let globals = lua.globals();
        let argv = match &run.call.arguments[..] {
            [] => None,
            words => {
                let argv = lua.create_sequence_from(words.iter().map(String::as_str))?;
                argv.raw_set(0, file.as_str())?;
                Some(argv)
            }
        };
        let request = match &run.call.look_up {
            None => None,
            Some(query) => {
                let request = lua.create_table()?;
                request.raw_set("section", query.section.as_str())?;
                request.raw_set("tag_name", query.tag_name.as_str())?;
                request.raw_set("key_name", query.key_name.as_str())?;
                request.raw_set("key_value", query.key_value.as_str())?;
                Some(request)
            }
        };
        let params = Event::of_call(&current, Arc::clone(&run));
        let chunk = files::load(lua, &run, &file)?;
        let session = match run.phase {
            Phase::Call => session.clone(),
            Phase::Route | Phase::Hangup => Value::Nil,
        };
        let facts = facts::of(lua, &run)?;
        Ok((chunk, globals, session, params, argv, request, facts))
    })
}

/// `ACTIONS`: a list of `"app"`, `{"app"}` and `{"app", "data"}`.
fn take_actions(run: &Run, actions: &Value) -> mlua::Result<()> {
    let wrong = |at: usize| {
        Error::runtime(format!(
            "ACTIONS[{at}]: expected \"app\", {{\"app\"}} or {{\"app\", \"data\"}}"
        ))
    };
    let Value::Table(list) = actions else {
        return Err(Error::runtime(format!(
            "ACTIONS: expected a table, got {}",
            actions.type_name()
        )));
    };
    for (n, item) in list.sequence_values::<Value>().enumerate() {
        let action = match item? {
            Value::String(app) => Action::new(app.to_string_lossy(), ""),
            Value::Table(pair) => {
                let app: String = pair.raw_get(1).map_err(|_| wrong(n + 1))?;
                let data: Option<String> = pair.raw_get(2).map_err(|_| wrong(n + 1))?;
                Action::new(app, data.unwrap_or_default())
            }
            _ => return Err(wrong(n + 1)),
        };
        run.action(action).map_err(|e| Error::runtime(format!("ACTIONS[{}]: {e}", n + 1)))?;
    }
    Ok(())
}

/// What a script answers a look-up with: its result, or what it left in `XML_STRING`.
fn document(result: &Value) -> mlua::Result<Option<String>> {
    match result {
        Value::Nil => Ok(None),
        Value::String(text) if text.as_bytes().is_empty() => Ok(None),
        Value::String(text) if text.as_bytes().len() <= fsx_wire::xml::MAX_DOCUMENT => {
            let text =
                text.to_str().map_err(|_| Error::runtime("XML_STRING: is not UTF-8 text"))?;
            Ok(Some(text.to_owned()))
        }
        Value::String(text) => Err(Error::runtime(format!(
            "XML_STRING: {} bytes, expected at most {}",
            text.as_bytes().len(),
            fsx_wire::xml::MAX_DOCUMENT
        ))),
        other => {
            Err(Error::runtime(format!("XML_STRING: expected text, got {}", other.type_name())))
        }
    }
}

/// nil and `"keep"`; `{reject = cause, reason = text}`; `{routes = {…}}`, an answer of `fsx.route`
/// among them.
fn verdict(lua: &Lua, run: &Run, result: Value) -> mlua::Result<Verdict> {
    let expected = "expected \"keep\", {routes = …} or {reject = cause}";
    let table = match result {
        Value::Nil => return Ok(Verdict::Keep),
        Value::String(word) if word.as_bytes().as_ref() == b"keep" => return Ok(Verdict::Keep),
        Value::Table(table) => table,
        other => {
            return Err(Error::runtime(format!(
                "the policy returned {}, {expected}",
                other.type_name()
            )));
        }
    };
    let reason: Option<String> = table.raw_get("reason")?;
    let reject: Value = match table.raw_get::<Option<String>>("decision")?.as_deref() {
        Some("reject") => table.raw_get("cause")?,
        _ => table.raw_get("reject")?,
    };
    if !reject.is_nil() {
        let cause = lua.unpack::<u16>(reject).ok().filter(|cause| (1..=127).contains(cause));
        let cause =
            cause.ok_or_else(|| Error::runtime("reject: expected a Q.850 cause from 1 to 127"))?;
        let reason = reason.unwrap_or_else(|| "refused by policy".to_owned());
        return Ok(Verdict::Reject { cause, reason: reason.chars().take(200).collect() });
    }
    match routes::answer(lua, run, &table)? {
        Some(answer) => Ok(Verdict::Route(Box::new(answer))),
        None => Err(Error::runtime(format!("the policy returned a table, {expected}"))),
    }
}

fn is_memory(error: &Error) -> bool {
    match error {
        Error::MemoryError(_) => true,
        Error::CallbackError { cause, .. } | Error::WithContext { cause, .. } => is_memory(cause),
        Error::RuntimeError(text) => text.contains("not enough memory"),
        _ => false,
    }
}

/// Only to keep the compiler honest about what a machine may be sent to.
const _: fn() = || {
    fn assert_send<T: Send>() {}
    assert_send::<Vm>();
    assert_send::<Function>();
};
