//! Tests of a bundle: `tests/*.lua` and `*_test.lua`, with `describe`, `it` and `expect`.
//!
//! A test plays calls and looks at what came of them. It runs in a machine of its own with no way
//! out but [`super::play`], within limits, because an organisation's tests are run by the daemon
//! before its bundle is taken.

use std::sync::atomic::{AtomicBool, Ordering::Relaxed};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use mlua::{
    Error, Function, Lua, LuaOptions, LuaSerdeExt as _, StdLib, Table, Value, VmState,
    chunk::ChunkMode,
};
use serde::Serialize;
use serde_json::Value as Json;

use super::scene::Scene;
use super::{Played, Stage, play};
use crate::policy::bundle::{Bundle, Entry, Fault, Files};

/// How long all tests of a bundle may take.
const PATIENCE: Duration = Duration::from_secs(60);

/// Memory of the tests' own machine.
const MEMORY: usize = 64 << 20;

/// Most tests of a bundle.
const MAX_TESTS: usize = 5_000;

/// `describe`, `it`, `expect`.
const LIBRARY: &str = include_str!("suite.lua");

/// How one test went.
#[derive(Clone, Debug, Serialize)]
pub struct Tested {
    /// Its file in the bundle.
    pub file: String,
    /// What is described, and what it does: `opening hours / sends nights to voicemail`.
    pub name: String,
    /// It passed.
    pub ok: bool,
    /// What was wrong, with its line.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub failure: Option<String>,
    /// Line of the failure in `file`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub line: Option<usize>,
}

/// How all of them went.
#[derive(Clone, Debug, Default, Serialize)]
pub struct Results {
    /// Each test, in the order of the files.
    pub tests: Vec<Tested>,
    /// How long they took, in milliseconds.
    pub took_ms: u64,
}

impl Results {
    /// None failed.
    #[must_use]
    pub fn ok(&self) -> bool {
        self.tests.iter().all(|test| test.ok)
    }

    /// Failures as faults of the bundle.
    #[must_use]
    pub fn faults(&self) -> Vec<Fault> {
        let failed = self.tests.iter().filter(|test| !test.ok);
        failed
            .map(|test| {
                let why = test.failure.as_deref().unwrap_or("failed");
                let text = format!("test \"{}\": {why}", test.name);
                match test.line {
                    Some(line) => Fault::at(&test.file, line, text),
                    None => Fault::of(&test.file, text),
                }
            })
            .collect()
    }
}

/// Runs the tests of a bundle whose names hold `filter`.
pub async fn run(stage: &Stage, bundle: &Arc<Bundle>, filter: &str) -> Results {
    let began = Instant::now();
    let mut results = Results::default();
    for (file, code) in bundle.tests() {
        // Past the limit, what is left would only say so again.
        let late = began.elapsed() >= PATIENCE && !results.ok();
        if late || results.tests.len() >= MAX_TESTS {
            break;
        }
        let suite = Suite {
            stage: stage.clone(),
            bundle: Arc::clone(bundle),
            file: file.to_owned(),
            filter: filter.to_owned(),
            deadline: began + PATIENCE,
            found: Arc::default(),
        };
        suite.run(code).await;
        let found = suite.found.lock().unwrap_or_else(PoisonError::into_inner).clone();
        results.tests.extend(found);
    }
    results.took_ms = u64::try_from(began.elapsed().as_millis()).unwrap_or(u64::MAX);
    results
}

struct Suite {
    stage: Stage,
    bundle: Arc<Bundle>,
    file: String,
    filter: String,
    deadline: Instant,
    found: Arc<Mutex<Vec<Tested>>>,
}

impl Suite {
    /// Runs one file; each test is noted as it ends.
    async fn run(&self, code: &[u8]) {
        let stopped = Arc::new(AtomicBool::new(false));
        let left = self.deadline.saturating_duration_since(Instant::now());
        let done = tokio::time::timeout(left, self.execute(code, &stopped)).await;
        stopped.store(true, Relaxed);
        let fault = match done {
            Ok(Ok(())) => return,
            Ok(Err(error)) => first_line(&error),
            Err(_) => too_long(&self.bundle),
        };
        let (line, text) = self.placed(&fault);
        self.note("(the file itself)", Err((line, text)));
    }

    async fn execute(&self, code: &[u8], stopped: &Arc<AtomicBool>) -> mlua::Result<()> {
        let libraries = StdLib::TABLE
            | StdLib::STRING
            | StdLib::UTF8
            | StdLib::BIT
            | StdLib::MATH
            | StdLib::COROUTINE
            // For the line of a failure; taken away again below.
            | StdLib::DEBUG
            | StdLib::BUFFER;
        let lua = Lua::new_with(libraries, LuaOptions::new())?;
        let globals = lua.globals();
        for name in ["loadstring", "collectgarbage", "getfenv", "setfenv", "newproxy"] {
            globals.raw_set(name, Value::Nil)?;
        }
        globals.raw_set("require", self.require(&lua)?)?;
        globals.raw_set("__play", self.player(&lua)?)?;
        globals.raw_set("__note", self.noter(&lua)?)?;
        let library: Table = lua.load(LIBRARY).set_name("=tests").call_async(()).await?;
        for pair in library.pairs::<String, Value>() {
            let (name, value) = pair?;
            globals.raw_set(name, value)?;
        }
        for hidden in ["__play", "__note", "debug"] {
            globals.raw_set(hidden, Value::Nil)?;
        }
        lua.sandbox(true)?;
        lua.set_memory_limit(MEMORY)?;
        let (deadline, stopped) = (self.deadline, Arc::clone(stopped));
        let late = too_long(&self.bundle);
        lua.set_interrupt(move |_| {
            if stopped.load(Relaxed) || Instant::now() >= deadline {
                return Err(Error::runtime(&late));
            }
            Ok(VmState::Continue)
        });
        let chunk = lua
            .load(code)
            .set_name(format!("@{}", self.file))
            .set_mode(ChunkMode::Binary)
            .into_function()?;
        let thread = lua.create_thread(chunk)?;
        thread.sandbox()?;
        thread.into_async::<()>(())?.await
    }

    /// `require` of the bundle's own files: data that tests and policies share.
    fn require(&self, lua: &Lua) -> mlua::Result<Function> {
        let bundle = Arc::clone(&self.bundle);
        lua.create_function(move |lua, name: String| {
            let file = format!("{}.lua", name.trim_end_matches(".lua").replace('.', "/"));
            let test = bundle.tests().find(|(name, _)| *name == file).map(|(_, code)| code);
            let code = test.or_else(|| bundle.bytecode(&file)).ok_or_else(|| {
                Error::runtime(format!("there is no file {file} in {}", bundle.name))
            })?;
            let chunk = lua.load(code).set_name(format!("@{file}")).set_mode(ChunkMode::Binary);
            chunk.into_function()?.call::<Value>(())
        })
    }

    /// Plays a scene and gives what came of it.
    fn player(&self, lua: &Lua) -> mlua::Result<Function> {
        let (stage, bundle) = (self.stage.clone(), Arc::clone(&self.bundle));
        lua.create_async_function(move |lua: Lua, scene: Table| {
            let (stage, bundle) = (stage.clone(), Arc::clone(&bundle));
            async move {
                let mut scene: Json = lua.from_value(Value::Table(scene))?;
                let runs = scene.as_object_mut().and_then(|scene| scene.remove("runs"));
                let entry = runs.map(|runs| entry(&bundle, &runs)).transpose();
                let entry = entry.map_err(Error::runtime)?;
                let scene = Scene::from_json(&[scene]).map_err(Error::runtime)?;
                let played = play(&stage, &bundle, entry, &scene).await;
                let played: Played = played.map_err(Error::runtime)?;
                let options = mlua::serde::ser::Options::new()
                    .set_array_metatable(false)
                    .serialize_none_to_null(false)
                    .serialize_unit_to_null(false);
                lua.to_value_with(&played, options)
            }
        })
    }

    /// Takes what came of one test: its name and, where it failed, the error.
    fn noter(&self, lua: &Lua) -> mlua::Result<Function> {
        let (file, filter, found) = (self.file.clone(), self.filter.clone(), self.found.clone());
        lua.create_function(move |_, (name, failure): (String, Option<Value>)| {
            if failure.is_none() && name.is_empty() {
                return Ok(true);
            }
            // Asked before a test runs, with `false`, and told after.
            if matches!(failure, Some(Value::Boolean(false))) {
                return Ok(filter.is_empty() || name.contains(&filter));
            }
            let failure = match failure {
                None | Some(Value::Nil) => None,
                Some(Value::Error(error)) => Some(first_line(&error)),
                Some(other) => Some(other.to_string()?),
            };
            let (line, failure) = match failure {
                None => (None, None),
                Some(text) => {
                    let (line, text) = placed(&file, &text);
                    (line, Some(text))
                }
            };
            let ok = failure.is_none();
            let tested = Tested { file: file.clone(), name, ok, failure, line };
            found.lock().unwrap_or_else(PoisonError::into_inner).push(tested);
            Ok(true)
        })
    }

    fn placed(&self, text: &str) -> (Option<usize>, String) {
        placed(&self.file, text)
    }

    fn note(&self, name: &str, result: Result<(), (Option<usize>, String)>) {
        let (ok, line, failure) = match result {
            Ok(()) => (true, None, None),
            Err((line, text)) => (false, line, Some(text)),
        };
        let tested = Tested { file: self.file.clone(), name: name.to_owned(), ok, failure, line };
        self.found.lock().unwrap_or_else(PoisonError::into_inner).push(tested);
    }
}

fn too_long(bundle: &Bundle) -> String {
    format!("the tests of version {} did not end in {} s", bundle.version, PATIENCE.as_secs())
}

/// `"menu.lua:welcome"`, which need not stand in the manifest.
pub fn entry(bundle: &Bundle, runs: &Json) -> Result<Entry, String> {
    let text = runs.as_str().ok_or("runs: expected \"file.lua:function\"")?;
    let (file, function) = match text.split_once(':') {
        Some((file, function)) => (file, Some(function.to_owned())),
        None => (text, None),
    };
    if bundle.bytecode(file).is_none() {
        return Err(format!("runs: there is no file {file} in {}", bundle.name));
    }
    Ok(Entry { file: file.to_owned(), function })
}

/// Takes `tests/x.lua:12: text` apart.
fn placed(file: &str, text: &str) -> (Option<usize>, String) {
    let rest = text.strip_prefix(&format!("{file}:"));
    let found = rest.and_then(|rest| {
        let (line, text) = rest.split_once(':')?;
        Some((line.trim().parse().ok()?, text.trim().to_owned()))
    });
    match found {
        Some((line, text)) => (Some(line), text),
        None => (None, text.to_owned()),
    }
}

fn first_line(error: &Error) -> String {
    match error {
        Error::CallbackError { cause, .. } => first_line(cause),
        Error::RuntimeError(text) => {
            text.split("\nstack traceback").next().unwrap_or("").to_owned()
        }
        other => other.to_string().lines().next().unwrap_or("").to_owned(),
    }
}

/// Compiles the files of a bundle and runs its tests: what stands between an offer and a live call.
/// Blocks; on a thread without a runtime.
///
/// # Errors
/// Everything that is wrong.
pub fn admit(stage: &Stage, files: &Files, name: &str) -> Result<Bundle, Vec<Fault>> {
    let bundle = Arc::new(Bundle::compile(files, name)?);
    if bundle.tests().next().is_some() {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_time().build();
        let runtime = runtime.map_err(|e| vec![Fault::of("", format!("cannot run tests: {e}"))])?;
        let results = runtime.block_on(run(stage, &bundle, ""));
        drop(runtime);
        if !results.ok() {
            return Err(results.faults());
        }
    }
    // Nobody else holds it any more; if somebody does, it is made anew.
    Arc::into_inner(bundle).map_or_else(|| Bundle::compile(files, name), Ok)
}
