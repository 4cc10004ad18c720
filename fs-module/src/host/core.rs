//! What the core says of itself.

use super::text;
use crate::sys;

/// The host's name, as FreeSWITCH found it at its start.
pub(crate) fn hostname() -> String {
    // SAFETY: takes nothing, returns a string that lives as long as the core.
    unsafe { text::copy(sys::switch_core_get_hostname()) }.unwrap_or_default()
}

/// Now by the clock that FreeSWITCH stamps its legs with, in milliseconds since 1970. It does not follow
/// the machine's clock where that is set (until `fsctl sync_clock`), so that durations stay right; what
/// stands beside a leg's own times must be read from it.
pub(crate) fn now_ms() -> i64 {
    // SAFETY: takes nothing, reads a number.
    unsafe { sys::switch_micro_time_now() }.div_euclid(1000)
}

/// The running release in words (`1.10.12-release …`).
pub(crate) fn version() -> String {
    // SAFETY: takes nothing, returns a static string.
    unsafe { text::copy(sys::switch_version_full()) }.unwrap_or_default()
}

/// Whether a module of that name is loaded.
pub(crate) fn has_module(name: &str) -> bool {
    let name = text::c_string(name);
    // SAFETY: a NUL-ended string, looked up under the loader's own lock.
    unsafe { sys::switch_loadable_module_exists(name.as_ptr()) == sys::STATUS_SUCCESS }
}

/// Whether this release can keep interfaces of modules out by a list (1.11.2 and later).
pub(crate) fn has_interface_allowlist() -> bool {
    super::late::has_interface_allowlist()
}
