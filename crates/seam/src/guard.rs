//! The only door from C into Rust.
//!
//! A panic that crosses `extern "C"` aborts the process, and with it every call of the switch. So each
//! callback that a host can call is a [`Site`], entered through [`guarded`], which answers the site's
//! named fallback when the work inside panics, counts it, and says so in the host's log.
//!
//! [`install_panic_hook`] is called at load: the standard hook writes to stderr, walks the stack and
//! asks for the thread's name, and the last makes thread-local storage with a destructor.
//!
//! **Proving the fallbacks.** With the environment variable `FSX_PANIC_AT=<site name>` set when
//! [`arm_from_env`] is called (once, at load), that site panics each time it is entered. Stand-in hosts
//! use it to show that each callback survives; nobody else has a reason to.

use std::{
    env,
    fmt::Write as _,
    panic::{AssertUnwindSafe, PanicHookInfo, catch_unwind, set_hook},
    sync::{
        Mutex, OnceLock, TryLockError,
        atomic::{AtomicBool, AtomicU64, Ordering::Relaxed},
    },
};

use crate::{
    log::{Level, OnceAMinute},
    text::CBuf,
};

/// The environment variable that names the site to panic at.
pub const PANIC_AT: &str = "FSX_PANIC_AT";

static PANICS: AtomicU64 = AtomicU64::new(0);
static LAST: Mutex<PanicPlace> = Mutex::new(PanicPlace::NONE);
static ARMED: AtomicBool = AtomicBool::new(false);
static ARMED_AT: OnceLock<String> = OnceLock::new();

/// A place where C enters Rust. Make it a static.
#[derive(Debug)]
pub struct Site {
    name: &'static str,
    panics: AtomicU64,
    said: OnceAMinute,
}

impl Site {
    /// A site; the name is unique in its module, such as `app.fsx_bridge`.
    #[must_use]
    pub const fn new(name: &'static str) -> Self {
        Self { name, panics: AtomicU64::new(0), said: OnceAMinute::new() }
    }

    /// Its name.
    #[must_use]
    pub fn name(&self) -> &'static str {
        self.name
    }

    /// How often the work behind it has panicked in this process.
    #[must_use]
    pub fn panics(&self) -> u64 {
        self.panics.load(Relaxed)
    }
}

/// Where a panic began.
#[derive(Clone, Copy, Debug)]
pub struct PanicPlace {
    /// Source file; empty when there has been no panic.
    pub file: CBuf<96>,
    /// Line.
    pub line: u32,
    /// What it said, cut.
    pub message: CBuf<200>,
}

impl PanicPlace {
    const NONE: Self = Self { file: CBuf::new(), line: 0, message: CBuf::new() };
}

/// Panics in this process, for `fsx status`.
#[must_use]
pub fn panics() -> u64 {
    PANICS.load(Relaxed)
}

/// The last panic's place; `None` when there has been none (or another thread is noting one right now).
#[must_use]
pub fn last_panic() -> Option<PanicPlace> {
    let last = with_last(|last| *last)?;
    (!last.file.as_str().is_empty()).then_some(last)
}

/// Does `work`; answers `fallback` if it panics.
///
/// Results are plain C values (numbers, pointers), hence `Copy`: nothing is left to drop outside the
/// guard. What `work` had changed before it panicked stays changed; sites keep shared state in forms
/// that are valid at every step (atomics, values swapped whole).
pub fn guarded<T: Copy>(site: &'static Site, fallback: T, work: impl FnOnce() -> T) -> T {
    let caught = catch_unwind(AssertUnwindSafe(|| {
        if ARMED.load(Relaxed) {
            panic_if_armed_at(site);
        }
        work()
    }));
    match caught {
        Ok(value) => value,
        Err(payload) => {
            // A payload may panic when dropped; a second one is let go of.
            if let Err(second) = catch_unwind(AssertUnwindSafe(|| drop(payload))) {
                std::mem::forget(second);
            }
            // The host's log function is foreign too.
            if let Err(second) = catch_unwind(AssertUnwindSafe(|| note(site))) {
                std::mem::forget(second);
            }
            fallback
        }
    }
}

#[cold]
fn note(site: &'static Site) {
    let count = site.panics.fetch_add(1, Relaxed) + 1;
    PANICS.fetch_add(1, Relaxed);
    let last = last_panic().unwrap_or(PanicPlace::NONE);
    site.said.write(
        Level::Error,
        format_args!(
            "panic in {} at {}:{}: {}; answered with its fallback ({count} so far)",
            site.name, last.file, last.line, last.message
        ),
    );
}

#[cold]
fn panic_if_armed_at(site: &'static Site) {
    if ARMED_AT.get().is_some_and(|name| name == site.name) {
        panic!("asked for by {PANIC_AT}");
    }
}

/// Reads [`PANIC_AT`], once a process; later calls change nothing. For the module's load function: the
/// environment is not looked at again.
pub fn arm_from_env() {
    let Some(name) = env::var_os(PANIC_AT) else { return };
    let name = ARMED_AT.get_or_init(|| name.to_string_lossy().into_owned());
    if !name.is_empty() {
        ARMED.store(true, Relaxed);
    }
}

/// Replaces std's panic hook by one that notes the place and stays silent. Of this library's copy of
/// std only: the host and other modules have their own.
pub fn install_panic_hook() {
    set_hook(Box::new(hook));
}

fn hook(info: &PanicHookInfo<'_>) {
    let mut place = PanicPlace::NONE;
    if let Some(at) = info.location() {
        place.file.push_str(tail(at.file()));
        place.line = at.line();
    }
    let _ = place.message.write_str(info.payload_as_str().unwrap_or("(not a text)"));
    with_last(|last| *last = place);
}

/// The last two parts of a path: enough to find the file, and nothing of the machine it was built on.
fn tail(file: &str) -> &str {
    match file.rmatch_indices('/').nth(2) {
        Some((at, _)) => &file[at + 1..],
        None => file,
    }
}

fn with_last<T>(f: impl FnOnce(&mut PanicPlace) -> T) -> Option<T> {
    match LAST.try_lock() {
        Ok(mut last) => Some(f(&mut last)),
        Err(TryLockError::Poisoned(last)) => Some(f(&mut last.into_inner())),
        Err(TryLockError::WouldBlock) => None, // Two panics at once: one of them is the last.
    }
}
