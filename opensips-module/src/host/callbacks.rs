//! The functions that OpenSIPS calls. Each enters through the guard, with its fallback named; what it
//! does is in the safe rest of the module.

use core::{
    ffi::{c_int, c_ulong, c_void},
    sync::atomic::{AtomicU64, Ordering::Relaxed},
};

use fsx_seam::guard::{self, Site};

use super::{
    mi::{Reply, Request},
    params,
    pv::{self, Call},
    shared::{Shared, Slot},
};
use crate::{
    carried::{self, Carried},
    init, route, status,
    sys::{MiItem, MiParams, PvParam, PvSpec, PvValue, SipMsg, Str},
    worker,
};

/// Enters through the guard, and shows panics to every process.
fn enter<T: Copy>(site: &'static Site, fallback: T, work: impl FnOnce() -> T) -> T {
    let before = guard::panics();
    let result = guard::guarded(site, fallback, work);
    let after = guard::panics();
    if after != before
        && let Some(shared) = Shared::get()
    {
        let slot = shared.own_slot();
        slot.pid.store(std::process::id(), Relaxed);
        slot.panics.fetch_add(after - before, Relaxed);
    }
    result
}

/// A `str` parameter of a script function; `None` when it was left out.
///
/// # Safety
/// `param` is null or the host's `str` for a parameter declared as text.
unsafe fn text<'a>(param: *mut c_void) -> Option<&'a [u8]> {
    // SAFETY: the caller's promise.
    unsafe { pv::bytes(param.cast::<Str>()) }
}

static ROUTE: Site = Site::new("cmd.fsx_route");

/// `fsx_route([number], [org], [flags])`. Fallback: error.
pub(super) unsafe extern "C" fn fsx_route(
    msg: *mut SipMsg,
    number: *mut c_void,
    org: *mut c_void,
    flags: *mut c_void,
    _: *mut c_void,
    _: *mut c_void,
    _: *mut c_void,
    _: *mut c_void,
    _: *mut c_void,
) -> c_int {
    enter(&ROUTE, route::ERROR, || {
        // SAFETY: the host passes its message and, for the parameters declared as text and as a
        // number, null or a `str` and an `int` that live until we return.
        let (call, number, org, flags) = unsafe {
            (Call::new(msg), text(number), org.cast::<c_int>().as_ref().copied(), text(flags))
        };
        match call {
            Some(call) => route::fsx_route(&call, number, org, flags.unwrap_or_default()),
            None => route::ERROR,
        }
    })
}

static NEXT: Site = Site::new("cmd.fsx_next");

/// `fsx_next([status])`. Fallback: error.
pub(super) unsafe extern "C" fn fsx_next(
    msg: *mut SipMsg,
    status: *mut c_void,
    _: *mut c_void,
    _: *mut c_void,
    _: *mut c_void,
    _: *mut c_void,
    _: *mut c_void,
    _: *mut c_void,
    _: *mut c_void,
) -> c_int {
    enter(&NEXT, route::ERROR, || {
        // SAFETY: the host passes its message and, for the parameter declared as a number, null or an
        // `int` that lives until we return.
        let (call, status) = unsafe { (Call::new(msg), status.cast::<c_int>().as_ref().copied()) };
        match call {
            Some(call) => route::fsx_next(&call, status),
            None => route::ERROR,
        }
    })
}

static PARSE_NAME: Site = Site::new("pv.parse_name");

/// Reads the name of `$fsx(name)` while the script is parsed. Fallback: not a name.
pub(super) unsafe extern "C" fn parse_name(spec: *mut PvSpec, name: *const Str) -> c_int {
    enter(&PARSE_NAME, -1, || {
        // SAFETY: the host passes the name that it read from the script.
        let Some(name) = (unsafe { pv::bytes(name) }) else { return -1 };
        let Some(number) = carried::item(name.trim_ascii()) else { return -1 };
        let Ok(number) = c_int::try_from(number) else { return -1 };
        // SAFETY: the host passes the spec that it is filling.
        if unsafe { pv::set_name_number(spec, number) } { 0 } else { -1 }
    })
}

static GET: Site = Site::new("pv.get");

/// Reads `$fsx(name)`. Fallback: an error, which the host makes null.
pub(super) unsafe extern "C" fn get(
    msg: *mut SipMsg,
    param: *mut PvParam,
    result: *mut PvValue,
) -> c_int {
    enter(&GET, -1, || {
        if result.is_null() {
            return -1;
        }
        // SAFETY: the host passes its message and the parameter that parse_name filled.
        let (call, item) = unsafe { (Call::new(msg), pv::name_number(msg, param)) };
        let value = call.zip(item).zip(worker::config()).and_then(|((call, item), config)| {
            let carried = call.value(&config.plan).and_then(Carried::read)?;
            carried.value(usize::try_from(item).ok()?)
        });
        // SAFETY: not null; the text lies in the AVP, which lives with the transaction.
        unsafe { pv::give(result, value) }
    })
}

static MOD_INIT: Site = Site::new("mod_init");

/// `init_f`. Fallback: OpenSIPS does not start.
pub(super) unsafe extern "C" fn mod_init() -> c_int {
    enter(&MOD_INIT, -1, || init::mod_init(&params::read()))
}

static CHILD_INIT: Site = Site::new("child_init");

/// `init_child_f`: shows the process in `fsx_status` before its first call. Fallback: go on.
pub(super) unsafe extern "C" fn child_init(rank: c_int) -> c_int {
    enter(&CHILD_INIT, 0, || {
        worker::catch_up();
        // Ranks from 1 on are workers, which the host makes listen to other processes.
        if rank >= 1
            && let Some(shared) = Shared::get()
        {
            shared.own_slot().listens.store(1, Relaxed);
        }
        0
    })
}

static FOLLOW: Site = Site::new("ipc.follow");

/// Work that the keeper asks of a worker: move to the newest generation, idle or not. Fallback: the
/// worker moves at its next call.
unsafe extern "C" fn follow(_sender: c_int, _: *mut c_void) {
    enter(&FOLLOW, (), worker::catch_up);
}

/// Asks every worker to move to the newest generation.
pub(crate) fn tell_workers() {
    let (Some(api), Some(shared)) = (super::api::api(), Shared::get()) else { return };
    for (number, slot) in shared.slots().filter(|(_, slot)| slot.listens.load(Relaxed) == 1) {
        let pid = slot.pid.load(Relaxed).cast_signed();
        // SAFETY: signal 0 is only a question.
        if pid <= 0 || unsafe { libc::kill(pid, 0) } != 0 {
            // Auto-scaling ended it; its place may be taken by another, which then says so.
            slot.listens.store(0, Relaxed);
            continue;
        }
        let Ok(number) = c_int::try_from(number) else { continue };
        // SAFETY: the process went through child_init as a worker, so the host has its pipe; the
        // function is ours, at the same address in every fork. Not waited for: a full pipe is an error
        // that the host logs.
        unsafe { (api.ipc_send_rpc)(number, follow, core::ptr::null_mut()) };
    }
}

static KEEPER: Site = Site::new("process.keeper");

/// The keeper process. Fallback: begin again, less often.
pub(super) unsafe extern "C" fn keeper(_number: c_int) {
    // A return would end the process, and with it the proxy, unless the parent is gone.
    while enter(&KEEPER, true, || {
        init::keeper();
        false
    }) {
        fsx_seam::clock::pause_ms(5000);
    }
}

macro_rules! mi_commands {
    ($($name:ident: $site:ident = $site_name:literal => $work:expr;)*) => {
        $(
            static $site: Site = Site::new($site_name);

            /// An MI command. Fallback: null, which the host answers with an error of its own.
            pub(super) unsafe extern "C" fn $name(
                params: *const MiParams,
                _async: *mut c_void,
            ) -> *mut MiItem {
                enter(&$site, core::ptr::null_mut(), || {
                    // SAFETY: the host passes the request's parameters.
                    let request = unsafe { Request::new(params) };
                    let work: fn(Request<'_>) -> Reply = $work;
                    work(request).into_item()
                })
            }
        )*
    };
}

mi_commands! {
    mi_status: MI_STATUS = "mi.status" => |_| status::status();
    mi_route: MI_ROUTE = "mi.route" => status::route;
    mi_reload: MI_RELOAD = "mi.reload" => |_| status::reload();
}

macro_rules! statistics {
    ($($name:ident: $site:ident = $site_name:literal => $counter:ident;)*) => {
        $(
            static $site: Site = Site::new($site_name);

            /// A statistic, summed over all processes when it is asked for. Fallback: 0.
            pub(super) unsafe extern "C" fn $name(_: *mut c_void) -> c_ulong {
                enter(&$site, 0, || sum(|slot| &slot.$counter))
            }
        )*
    };
}

statistics! {
    stat_routed: STAT_ROUTED = "stat.routed" => routed;
    stat_rejected: STAT_REJECTED = "stat.rejected" => rejected;
    stat_no_data: STAT_NO_DATA = "stat.no_data" => no_data;
    stat_errors: STAT_ERRORS = "stat.errors" => errors;
    stat_emergencies: STAT_EMERGENCIES = "stat.emergencies" => emergencies;
    stat_next: STAT_NEXT = "stat.next_attempts" => next;
    stat_panics: STAT_PANICS = "stat.panics" => panics;
}

fn sum(counter: fn(&Slot) -> &AtomicU64) -> c_ulong {
    Shared::get().map_or(0, |shared| {
        shared.slots().map(|(_, slot)| counter(slot).load(Relaxed)).sum::<u64>()
    })
}
