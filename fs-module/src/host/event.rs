//! Events: to be fired for whoever listens, or as a bag of names and values, which is what
//! originate takes its variables in.

use core::{
    ffi::{CStr, c_int},
    mem::ManuallyDrop,
    ptr::{NonNull, null},
};

use super::text;
use crate::sys;

/// A `switch_event_t` of our own; destroyed with this value.
pub(crate) struct Event {
    raw: NonNull<sys::EventRaw>,
}

impl Event {
    /// An event with no headers of the core's, to carry variables; `None` when there is no memory.
    pub(crate) fn bare() -> Option<Self> {
        // Only with this id the core adds no headers, which would become variables of the new leg.
        Self::create(sys::EVENT_CLONE, None)
    }

    /// A `CUSTOM` event of `subclass`, with the core's own headers.
    pub(crate) fn custom(subclass: &CStr) -> Option<Self> {
        Self::create(sys::EVENT_CUSTOM, Some(subclass))
    }

    fn create(id: c_int, subclass: Option<&CStr>) -> Option<Self> {
        let mut raw = core::ptr::null_mut();
        // SAFETY: an out pointer of ours and NUL-ended strings, which are copied. The ids passed
        // are the first two of their enum and never moved.
        let status = unsafe {
            sys::switch_event_create_subclass_detailed(
                c"mod_fsx".as_ptr(),
                c"event".as_ptr(),
                0,
                &raw mut raw,
                id,
                subclass.map_or(null(), CStr::as_ptr),
            )
        };
        if status != sys::STATUS_SUCCESS {
            return None;
        }
        NonNull::new(raw).map(|raw| Self { raw })
    }

    /// Adds a header after those it has.
    pub(crate) fn add(&mut self, name: &str, value: &str) {
        let (name, value) = (text::c_string(name), text::c_string(value));
        // SAFETY: our own live event; name and value are copied.
        unsafe {
            sys::switch_event_add_header_string(
                self.raw.as_ptr(),
                sys::STACK_BOTTOM,
                name.as_ptr(),
                value.as_ptr(),
            );
        }
    }

    /// Hands the event to the core, which tells whoever listens, on threads of its own.
    pub(crate) fn fire(self) {
        let mut raw = ManuallyDrop::new(self).raw.as_ptr();
        // SAFETY: our own live event; the core takes it over, and destroys it also when it cannot
        // queue it. The user data may be NULL.
        unsafe {
            sys::switch_event_fire_detailed(
                c"mod_fsx".as_ptr(),
                c"event".as_ptr(),
                0,
                &raw mut raw,
                core::ptr::null_mut(),
            );
        }
    }

    pub(super) fn raw(&mut self) -> *mut sys::EventRaw {
        self.raw.as_ptr()
    }
}

impl Drop for Event {
    fn drop(&mut self) {
        let mut raw = self.raw.as_ptr();
        // SAFETY: our own live event, destroyed once.
        unsafe { sys::switch_event_destroy(&raw mut raw) };
    }
}
