//! Events, as a bag of names and values: what originate takes its variables in.

use core::ptr::NonNull;

use super::text;
use crate::sys;

/// A `switch_event_t` of our own; destroyed with this value.
pub(crate) struct Event {
    raw: NonNull<sys::EventRaw>,
}

impl Event {
    /// An event with no headers of the core's, to carry variables; `None` when there is no memory.
    pub(crate) fn bare() -> Option<Self> {
        let mut raw = core::ptr::null_mut();
        // SAFETY: an out pointer of ours and static strings. The event id never moved; only with
        // it the core adds no headers, which would become variables of the new leg.
        let status = unsafe {
            sys::switch_event_create_subclass_detailed(
                c"mod_fsx".as_ptr(),
                c"event".as_ptr(),
                0,
                &raw mut raw,
                sys::EVENT_CLONE,
                core::ptr::null(),
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
