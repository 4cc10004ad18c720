//! C strings, both ways; see `fsx_seam::text`. FreeSWITCH tells "unset" by NULL, so that is kept.

use core::ffi::c_char;

pub(super) use fsx_seam::text::c_string;

/// Copies a C string; `None` for NULL. Bytes that are not UTF-8 become U+FFFD.
///
/// # Safety
/// `ptr` is NULL or points to a NUL-ended string that stays unchanged during the call.
pub(super) unsafe fn copy(ptr: *const c_char) -> Option<String> {
    if ptr.is_null() {
        return None;
    }
    // SAFETY: not NULL, and the caller vouches for the rest.
    let bytes = unsafe { fsx_seam::text::bytes(ptr) };
    Some(fsx_seam::text::shown(bytes).into_owned())
}
