//! `exports`: what OpenSIPS looks for in a module, laid out while the library is being loaded.
//!
//! OpenSIPS opens the library, which runs our constructor, and only then reads `exports` and compares
//! its version text with its own. The constructor reads the host's version from the host itself: the
//! UDP transport is a module compiled into the program, and its own `exports`, `proto_udp_exports`,
//! holds version and flags at the same places in every release. A release that we know gets tables in
//! its layout and its own version text back; any other gets [`REFUSAL`], which it prints and stops.
//! The refusal is what stands there before the constructor runs, so that nothing can go wrong into
//! being accepted.

use core::{
    ffi::{CStr, c_char, c_int, c_void},
    mem::ManuallyDrop,
    ptr,
};
use std::sync::OnceLock;

use fsx_seam::guard;

use super::{api, callbacks as cb, log, params};
use crate::{
    release::{Layout, REFUSAL, Release},
    sys::{
        CMD_PARAM_INT, CMD_PARAM_OPT, CMD_PARAM_STR, CmdExport, CmdFunction, CmdParam, MiFunction,
        ParamExport, ProcExport, PvExport, ROUTES_DECIDE, STAT_IS_FUNC, StatExport, StatFunction,
        Str,
    },
};

/// Words reserved for `module_exports`: 23 are the most that a known release has.
const WORDS: usize = 32;

type Word = *const c_void;

/// `struct module_exports`, as whichever release reads it. (`dlopen` finds it by this name.)
#[unsafe(no_mangle)]
#[allow(non_upper_case_globals)]
#[used]
pub(crate) static mut exports: [Word; WORDS] = refusal();

const fn refusal() -> [Word; WORDS] {
    let mut words = [ptr::null(); WORDS];
    words[0] = c"fsx".as_ptr().cast();
    words[1] = ptr::without_provenance(MOD_TYPE_DEFAULT);
    words[2] = REFUSAL.as_ptr().cast();
    words[3] = c"".as_ptr().cast();
    // From 3.4 on these two are the version-control pair; 3.3 has its first, still empty fields here.
    // A wrong version is reported before either is looked at, but null is reported first of all.
    words[4] = c"".as_ptr().cast();
    words[5] = c"".as_ptr().cast();
    words
}

/// `MOD_TYPE_DEFAULT`.
const MOD_TYPE_DEFAULT: usize = 1;

/// Run by the dynamic linker before `dlopen` returns.
#[used]
#[unsafe(link_section = ".init_array")]
static CONSTRUCTOR: extern "C" fn() = constructor;

static LOAD: guard::Site = guard::Site::new("load");

/// Fallback: the host is refused.
extern "C" fn constructor() {
    guard::arm_from_env();
    guard::guarded(&LOAD, (), || {
        // Before a host is known to be ours nothing of it is changed, and the hook is not the host's.
        guard::install_panic_hook();
        if let Some(words) = lay_out() {
            // SAFETY: this runs once, while the library is being loaded, before anybody can have the
            // symbol's address.
            unsafe { (&raw mut exports).write(words) };
        }
    });
}

/// What the host is; set when it was recognised.
static HOST: OnceLock<(Release, String)> = OnceLock::new();

/// The host's own version text; empty outside of a known host.
pub(crate) fn version() -> &'static str {
    HOST.get().map_or("", |(_, version)| version.as_str())
}

/// The header of the host's own `proto_udp_exports`.
struct HostHeader {
    version: Word,
    flags: Word,
    scm: [Word; 2],
}

/// Reads the host and fills the table; `None` refuses it.
fn lay_out() -> Option<[Word; WORDS]> {
    let host = api::find(c"proto_udp_exports").ok()?.as_ptr().cast::<Word>();
    // SAFETY: in every OpenSIPS a `module_exports` of the program itself, 21 words at least, whose
    // third and fourth are the version and the flags; constants of the program.
    let header = unsafe {
        HostHeader {
            version: host.add(2).read(),
            flags: host.add(3).read(),
            scm: [host.add(4).read(), host.add(5).read()],
        }
    };
    if header.version.is_null() || header.flags.is_null() {
        return None;
    }
    // SAFETY: a string constant of the program.
    let version = unsafe { CStr::from_ptr(header.version.cast()) };
    let release = Release::recognise(version.to_bytes())?;
    if let Err(api::Missing(name)) = api::load(release.layout) {
        // A release we know that lacks what it has: a build of its own. Name it where the host
        // prints the version.
        let name = name.to_str().unwrap_or("?");
        let text = fsx_seam::text::c_string(format!("unsupported (this OpenSIPS has no {name})"));
        let mut words = refusal();
        words[2] = text.into_raw().cast_const().cast();
        return Some(words);
    }
    // A second constructor would find the same host.
    let _ = HOST.set((release, version.to_string_lossy().into_owned()));
    // The first sink stays; there is no other.
    let _ = fsx_seam::log::set_host_log(log::write);
    Some(words(release.layout, &header))
}

/// `module_exports` in the release's layout, pointing at tables that live for good.
fn words(layout: Layout, host: &HostHeader) -> [Word; WORDS] {
    let mut words = refusal();
    words[2] = host.version;
    words[3] = host.flags;
    match layout {
        Layout::V33 => (words[4], words[5]) = (ptr::null(), ptr::null()),
        Layout::V34 | Layout::V40 => {
            // SAFETY: the two words after the flags are the program's own version-control pair.
            words[4] = host.scm[0];
            words[5] = host.scm[1];
        }
    }
    let after = &mut words[layout.header_words()..];
    // dlflags 0: with any other the library is closed and opened again, which Rust does not survive.
    after[0] = ptr::null();
    after[3] = leak(commands());
    after[5] = leak(ended(params::table(), no_param()));
    after[6] = leak(statistics());
    after[7] = leak(mi_commands(layout));
    after[8] = leak(pseudo_variables());
    after[10] = leak(processes());
    after[12] = cb::mod_init as Word;
    after[15] = cb::child_init as Word;
    words
}

/// Tables are read for as long as the process lives, script reloads included.
fn leak<T>(table: Vec<T>) -> Word {
    ManuallyDrop::new(table).as_ptr().cast()
}

fn ended<T>(mut table: Vec<T>, end: T) -> Vec<T> {
    table.push(end);
    table
}

fn commands() -> Vec<CmdExport> {
    let none = CmdParam { flags: 0, fixup: ptr::null(), free_fixup: ptr::null() };
    let command = |name: *const c_char, function: Option<CmdFunction>, kinds: &[c_int]| {
        let mut params = [none; 9];
        for (param, kind) in params.iter_mut().zip(kinds) {
            param.flags = *kind;
        }
        let flags = if name.is_null() { 0 } else { ROUTES_DECIDE };
        CmdExport { name, function, params, flags }
    };
    let (text, number) = (CMD_PARAM_STR | CMD_PARAM_OPT, CMD_PARAM_INT | CMD_PARAM_OPT);
    vec![
        command(c"fsx_route".as_ptr(), Some(cb::fsx_route), &[text, number, text]),
        command(c"fsx_next".as_ptr(), Some(cb::fsx_next), &[number]),
        command(ptr::null(), None, &[]),
    ]
}

fn no_param() -> ParamExport {
    ParamExport { name: ptr::null(), kind: 0, pointer: ptr::null_mut() }
}

fn statistics() -> Vec<StatExport> {
    let functions: [(&'static CStr, StatFunction); 7] = [
        (c"routed", cb::stat_routed),
        (c"rejected", cb::stat_rejected),
        (c"no_data", cb::stat_no_data),
        (c"errors", cb::stat_errors),
        (c"emergencies", cb::stat_emergencies),
        (c"next_attempts", cb::stat_next),
        (c"panics", cb::stat_panics),
    ];
    let table = functions.map(|(name, function)| StatExport {
        name: name.as_ptr(),
        flags: STAT_IS_FUNC,
        pointer: function as Word,
    });
    let end = StatExport { name: ptr::null(), flags: 0, pointer: ptr::null() };
    ended(table.into(), end)
}

fn pseudo_variables() -> Vec<PvExport> {
    let class = |s: *const c_char, len| PvExport {
        name: Str { s: s.cast_mut(), len },
        kind: 1000,
        getf: None,
        setf: ptr::null(),
        parse_name: None,
        parse_index: ptr::null(),
        init_param: ptr::null(),
        iparam: 0,
    };
    let fsx = PvExport {
        getf: Some(cb::get),
        parse_name: Some(cb::parse_name),
        ..class(c"fsx".as_ptr(), 3)
    };
    vec![fsx, PvExport { kind: 0, ..class(ptr::null(), 0) }]
}

fn processes() -> Vec<ProcExport> {
    let process = |name: *const c_char, number| ProcExport {
        name,
        pre_fork: ptr::null(),
        post_fork: ptr::null(),
        function: None,
        number,
        flags: 0,
    };
    let keeper = ProcExport { function: Some(cb::keeper), ..process(c"fsx keeper".as_ptr(), 1) };
    vec![keeper, process(ptr::null(), 0)]
}

/// `mi_export_t` records, word by word, since their size is the release's.
fn mi_commands(layout: Layout) -> Vec<Word> {
    /// Bare name, name with our prefix, help, function, and the parameter lists it takes.
    type Command = (
        &'static CStr,
        &'static CStr,
        &'static CStr,
        MiFunction,
        &'static [&'static [&'static CStr]],
    );
    const NUMBER: &CStr = c"number";
    const ORG: &CStr = c"org";
    const CALLER: &CStr = c"caller";
    const COUNTRY: &CStr = c"country";
    let commands: [Command; 3] = [
        (
            c"status",
            c"fsx_status",
            c"What runs, from which data, and what it has done",
            cb::mi_status,
            &[&[]],
        ),
        (
            c"route",
            c"fsx_route",
            c"What a call would get, and why: number [org] [caller] [country]",
            cb::mi_route,
            &[&[NUMBER], &[NUMBER, ORG], &[NUMBER, ORG, CALLER], &[NUMBER, ORG, CALLER, COUNTRY]],
        ),
        (
            c"reload",
            c"fsx_reload",
            c"Look now whether another snapshot was published",
            cb::mi_reload,
            &[&[]],
        ),
    ];
    let size = layout.mi_export_words();
    let mut words = vec![ptr::null(); size * (commands.len() + 1)];
    for (record, (bare, ours, help, function, recipes)) in words.chunks_mut(size).zip(commands) {
        // From 4.0 on MI names live under their module's, as fsx:status; the old form is an alias.
        let name = if layout.mi_aliases() > 0 { bare } else { ours };
        record[0] = name.as_ptr().cast();
        record[1] = help.as_ptr().cast();
        // Flags and init function stay empty.
        let recipe_words = 1 + layout.mi_params();
        // One recipe is left empty: it ends the list.
        let slots = record[4..].chunks_mut(recipe_words).take(layout.mi_recipes() - 1);
        for (slot, params) in slots.zip(recipes) {
            slot[0] = function as Word;
            for (place, param) in slot[1..].iter_mut().zip(*params) {
                *place = param.as_ptr().cast();
            }
        }
        if layout.mi_aliases() > 0 {
            record[4 + layout.mi_recipes() * recipe_words] = ours.as_ptr().cast();
        }
    }
    words
}
