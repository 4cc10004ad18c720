//! Hangup causes. Q.850 numbers are stable; FreeSWITCH's own, above 127, moved between releases,
//! so they are known by name only.

use core::ffi::c_int;

use super::text;
use crate::sys;

/// A `switch_call_cause_t` of the running release.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct Cause(c_int);

impl Cause {
    /// `NONE`.
    pub(crate) const NONE: Self = Self(0);
    /// `NORMAL_CLEARING`, Q.850 16.
    pub(crate) const NORMAL_CLEARING: Self = Self(16);

    /// A Q.850 cause; 0 to 127.
    pub(crate) fn q850(number: u16) -> Self {
        Self(c_int::from(number.min(127)))
    }

    pub(super) fn from_raw(raw: c_int) -> Self {
        Self(raw)
    }

    pub(super) fn raw(self) -> c_int {
        self.0
    }

    /// The host's own number: Q.850 up to 127, the running release's beyond.
    pub(crate) fn number(self) -> u16 {
        u16::try_from(self.0).unwrap_or(0)
    }

    /// Its name in the host, such as `NO_ANSWER`.
    pub(crate) fn name(self) -> String {
        // SAFETY: any number is accepted; the answer is a static string.
        unsafe { text::copy(sys::switch_channel_cause2str(self.0)) }.unwrap_or_default()
    }
}
