//! Functions younger than 1.10.0. Linking them would keep the module out of older releases, so
//! they are asked for by name, once.

use core::ffi::{CStr, c_char};
use std::sync::OnceLock;

use crate::sys;

/// `switch_channel_get_variable_buf` (1.10.10): reads a variable into our buffer, under the
/// channel's lock, without growing the session's pool.
pub(super) type GetVariableBuf =
    unsafe extern "C" fn(*mut sys::ChannelRaw, *const c_char, *mut c_char, usize) -> sys::Status;

/// The function, where the running release has it.
pub(super) fn get_variable_buf() -> Option<GetVariableBuf> {
    static FOUND: OnceLock<Option<GetVariableBuf>> = OnceLock::new();
    *FOUND.get_or_init(|| {
        let at = symbol(c"switch_channel_get_variable_buf")?;
        // SAFETY: the name belongs to a function of this signature in every release that has it
        // (1.10.10 to 1.11.2).
        Some(unsafe { core::mem::transmute::<core::ptr::NonNull<_>, GetVariableBuf>(at) })
    })
}

fn symbol(name: &CStr) -> Option<core::ptr::NonNull<libc::c_void>> {
    // SAFETY: a NUL-ended name; the default scope holds libfreeswitch, which the program links.
    core::ptr::NonNull::new(unsafe { libc::dlsym(libc::RTLD_DEFAULT, name.as_ptr()) })
}

/// Whether the running release has the interface allowlist: it came with this function (1.11.2).
pub(super) fn has_interface_allowlist() -> bool {
    symbol(c"switch_loadable_module_dump_interface_allowlist").is_some()
}
