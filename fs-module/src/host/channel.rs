//! A channel: variables, caller profile, state.

use core::{ffi::c_int, marker::PhantomData};

use super::{Cause, late, text};
use crate::sys;

/// Longest variable read without a copy into the session's pool, in bytes.
const VARIABLE_BUF: usize = 1024;

/// A `switch_channel_t`, borrowed as long as its session.
#[derive(Clone, Copy)]
pub(crate) struct Channel<'call> {
    raw: *mut sys::ChannelRaw,
    _lent: PhantomData<&'call ()>,
}

impl Channel<'_> {
    /// # Safety
    /// `raw` is the channel of a session that is valid for the lifetime.
    pub(super) unsafe fn from_raw(raw: *mut sys::ChannelRaw) -> Self {
        Self { raw, _lent: PhantomData }
    }

    /// A variable's value, copied; `None` when unset. Scope variables, caller-profile fields and
    /// global variables answer too, in FreeSWITCH's own order.
    pub(crate) fn var(self, name: &str) -> Option<String> {
        let name = text::c_string(name);
        if let Some(get) = late::get_variable_buf() {
            let mut buf = [0u8; VARIABLE_BUF];
            // SAFETY: a live channel, a NUL-ended name, a buffer of the length given. The function
            // copies under the channel's own lock and ends the copy with NUL.
            let status =
                unsafe { get(self.raw, name.as_ptr(), buf.as_mut_ptr().cast(), buf.len()) };
            if status != sys::STATUS_SUCCESS {
                return None;
            }
            let len = buf.iter().position(|&b| b == 0).unwrap_or(0);
            if len + 1 < buf.len() {
                return Some(String::from_utf8_lossy(&buf[..len]).into_owned());
            }
            // It may have been cut: take the long way round.
        }
        // SAFETY: with dup set the value is copied into the session's pool under the channel's
        // lock, so no other thread can free it while we copy it again.
        unsafe { text::copy(sys::switch_channel_get_variable_dup(self.raw, name.as_ptr(), 1, -1)) }
    }

    /// Sets a variable; `None` removes it. The value is taken as it is: `${…}` in it is neither
    /// expanded nor refused.
    pub(crate) fn set(self, name: &str, value: Option<&str>) {
        let name = text::c_string(name);
        let value = value.map(text::c_string);
        let value = value.as_ref().map_or(core::ptr::null(), |v| v.as_ptr());
        // SAFETY: a live channel and NUL-ended strings, which the function copies; NULL deletes.
        unsafe { sys::switch_channel_set_variable_var_check(self.raw, name.as_ptr(), value, 0) };
    }

    /// A field of the caller profile by FreeSWITCH's name for it (`destination_number`,
    /// `answered_time`, …); `None` when there is no profile or the field is unset.
    pub(crate) fn profile_field(self, name: &str) -> Option<String> {
        let name = text::c_string(name);
        // SAFETY: a live channel; its profile lives in the session's pool, which outlives this
        // callback, and the field is copied at once. NULL profiles are not passed on.
        unsafe {
            let profile = sys::switch_channel_get_caller_profile(self.raw);
            if profile.is_null() {
                return None;
            }
            text::copy(sys::switch_caller_get_field_by_name(profile, name.as_ptr()))
        }
    }

    /// A time of the caller profile in milliseconds since 1970; `None` while it has not come.
    pub(crate) fn time_ms(self, name: &str) -> Option<i64> {
        let us: i64 = self.profile_field(name)?.parse().ok()?;
        (us > 0).then_some(us / 1000)
    }

    /// The leg is up and ours to work with: not hung up, not transferred away.
    pub(crate) fn ready(self) -> bool {
        // SAFETY: a live channel; the arguments are plain flags.
        unsafe { sys::switch_channel_test_ready(self.raw, 1, 0) != 0 }
    }

    /// The leg was answered.
    pub(crate) fn answered(self) -> bool {
        self.flag(sys::FLAG_ANSWERED)
    }

    /// The leg is on its way to another place in the dialplan.
    pub(crate) fn transferring(self) -> bool {
        self.flag(sys::FLAG_TRANSFER)
    }

    fn flag(self, flag: c_int) -> bool {
        // SAFETY: a live channel; the flags passed are among those that never moved.
        unsafe { sys::switch_channel_test_flag(self.raw, flag) != 0 }
    }

    /// Why the leg was hung up; [`Cause::NONE`] while it is up.
    pub(crate) fn cause(self) -> Cause {
        // SAFETY: a live channel.
        Cause::from_raw(unsafe { sys::switch_channel_get_cause(self.raw) })
    }

    /// Ends or continues the call after a failed attempt as `bridge` does: by `continue_on_fail`,
    /// `failure_causes` and `transfer_on_fail`.
    pub(crate) fn handle_cause(self, cause: Cause) {
        // SAFETY: a live channel on its own thread, as the function asks.
        unsafe { sys::switch_channel_handle_cause(self.raw, cause.raw()) };
    }
}
