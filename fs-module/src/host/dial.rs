//! Calling out and joining two legs, with FreeSWITCH's own functions.
//!
//! `switch_ivr_originate` and `switch_ivr_multi_threaded_bridge` are what the `bridge` application
//! itself calls. Called directly, the cause of a failure comes back as a value, variables travel in
//! an event instead of being quoted into the dial string, and the new leg is in hand between the
//! two, so that its answer can be timed. What `bridge` adds on top and this leaves out: camp-on,
//! `bridge_terminate_key`, and `bypass_media_after_bridge` (its channel flag moved between
//! releases).

use core::{ffi::c_int, ptr::null_mut};

use super::{Cause, Channel, Event, Session, text};
use crate::sys;

/// A leg that was called, read-locked by us until dropped.
pub(crate) struct Leg {
    raw: core::ptr::NonNull<sys::SessionRaw>,
}

impl Leg {
    /// The leg's session.
    pub(crate) fn session(&self) -> Session<'_> {
        // SAFETY: our read lock keeps the session alive as long as `self`.
        unsafe { Session::from_raw(self.raw.as_ptr()) }.expect("not NULL by its type")
    }

    /// The leg's channel.
    pub(crate) fn channel(&self) -> Channel<'_> {
        self.session().channel()
    }
}

impl Drop for Leg {
    fn drop(&mut self) {
        // SAFETY: originate took this read lock for us; it is given back once.
        unsafe { sys::switch_core_session_rwunlock(self.raw.as_ptr()) };
    }
}

/// Calls `dial_string` for `session`, with `variables` set on the new leg, and waits until it is
/// answered, gives early media, or fails; `time_limit_s` at most (the channel variable
/// `call_timeout` and the variable `originate_timeout` overrule it).
///
/// # Errors
/// The cause, as FreeSWITCH found it: of the far end, `NO_ANSWER` at the time limit,
/// `ORIGINATOR_CANCEL` when the caller left.
pub(crate) fn originate(
    session: Session<'_>,
    dial_string: &str,
    mut variables: Event,
    time_limit_s: u32,
) -> Result<Leg, Cause> {
    let dial_string = text::c_string(dial_string);
    let mut leg = null_mut();
    let mut cause: c_int = Cause::NONE.raw();
    // SAFETY: called on the session's own thread. The dial string is copied; the event stays ours
    // (originate never destroys one it was given); all other arguments may be NULL. On success the
    // new leg comes back read-locked, else NULL.
    let status = unsafe {
        sys::switch_ivr_originate(
            session.raw(),
            &raw mut leg,
            &raw mut cause,
            dial_string.as_ptr(),
            time_limit_s,
            core::ptr::null(),
            core::ptr::null(),
            core::ptr::null(),
            null_mut(),
            variables.raw(),
            sys::ORIGINATE_NONE,
            null_mut(),
            null_mut(),
        )
    };
    match core::ptr::NonNull::new(leg) {
        Some(raw) if status == sys::STATUS_SUCCESS => Ok(Leg { raw }),
        _ => Err(Cause::from_raw(cause)),
    }
}

/// Joins the two legs until one ends. Returns when the caller's leg is ours again or gone.
pub(crate) fn bridge(session: Session<'_>, leg: &Leg) {
    // SAFETY: both sessions are live, the new one read-locked by us; no input callback is set, so
    // its data may be NULL. The status repeats what the channels' states say.
    unsafe {
        sys::switch_ivr_multi_threaded_bridge(
            session.raw(),
            leg.raw.as_ptr(),
            core::ptr::null(),
            null_mut(),
            null_mut(),
        );
    }
}
