//! A call leg, borrowed for the length of one callback.

use core::{ffi::CStr, marker::PhantomData, ptr::NonNull};

use super::{Channel, text};
use crate::sys;

/// A `switch_core_session_t` that FreeSWITCH lent to a callback. Not owned, never kept: what has to
/// outlive the callback is kept under the call's [`uuid`](Self::uuid). Neither `Send` nor `Sync`.
#[derive(Clone, Copy)]
pub(crate) struct Session<'call> {
    raw: NonNull<sys::SessionRaw>,
    _lent: PhantomData<&'call ()>,
}

impl<'call> Session<'call> {
    /// Borrows a session; `None` for NULL.
    ///
    /// # Safety
    /// `raw` is NULL or a session that stays valid for `'call`: during a callback that was given it,
    /// or while a read lock on it is held.
    pub(super) unsafe fn from_raw(raw: *mut sys::SessionRaw) -> Option<Self> {
        NonNull::new(raw).map(|raw| Self { raw, _lent: PhantomData })
    }

    pub(super) fn raw(self) -> *mut sys::SessionRaw {
        self.raw.as_ptr()
    }

    /// The leg's channel.
    pub(crate) fn channel(self) -> Channel<'call> {
        // SAFETY: a live session always has a channel (asserted by the core itself).
        unsafe { Channel::from_raw(sys::switch_core_session_get_channel(self.raw())) }
    }

    /// The leg's UUID.
    pub(crate) fn uuid(self) -> String {
        // SAFETY: the UUID is an array inside the live session, written once at its birth.
        unsafe { text::copy(sys::switch_core_session_get_uuid(self.raw())) }.unwrap_or_default()
    }

    /// The leg's UUID as C sees it.
    pub(super) fn uuid_raw(&self) -> &CStr {
        // SAFETY: as above; the array lives as long as the session.
        unsafe { CStr::from_ptr(sys::switch_core_session_get_uuid(self.raw())) }
    }
}
