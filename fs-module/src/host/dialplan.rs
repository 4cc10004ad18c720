//! Building an extension: the list of applications that a call then runs.

use core::ptr::NonNull;

use super::{Session, text};
use crate::sys;

/// A `switch_caller_extension_t`, in the session's pool: valid as long as the call.
pub(crate) struct Extension {
    raw: NonNull<sys::CallerExtensionRaw>,
}

impl Extension {
    /// An extension with no applications; `None` when there is no memory.
    pub(crate) fn new(session: Session<'_>, name: &str, number: &str) -> Option<Self> {
        let (name, number) = (text::c_string(name), text::c_string(number));
        // SAFETY: a live session; both strings are copied into its pool.
        NonNull::new(unsafe {
            sys::switch_caller_extension_new(session.raw(), name.as_ptr(), number.as_ptr())
        })
        .map(|raw| Self { raw })
    }

    /// Adds an application after those it has. Its data is expanded (`${…}`) when it runs.
    pub(crate) fn add(&mut self, session: Session<'_>, application: &str, data: &str) {
        let (application, data) = (text::c_string(application), text::c_string(data));
        // SAFETY: a live session and an extension of it; both strings are copied into its pool.
        unsafe {
            sys::switch_caller_extension_add_application(
                session.raw(),
                self.raw.as_ptr(),
                application.as_ptr(),
                data.as_ptr(),
            );
        }
    }

    pub(super) fn into_raw(self) -> *mut sys::CallerExtensionRaw {
        self.raw.as_ptr()
    }
}
