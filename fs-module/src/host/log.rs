//! Lines in FreeSWITCH's log. Text is always an argument, never a format.

use core::ffi::{CStr, c_int};

use super::{Session, text};
use crate::sys;

/// `switch_log_level_t`, as far as we use it.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Level {
    /// `SWITCH_LOG_ERROR`: something that an operator must put right.
    Error = 3,
    /// `SWITCH_LOG_WARNING`.
    Warning = 4,
    /// `SWITCH_LOG_NOTICE`: a change of state worth a line.
    Notice = 5,
    /// `SWITCH_LOG_INFO`: one call's doings.
    Info = 6,
    /// `SWITCH_LOG_DEBUG`.
    Debug = 7,
}

/// A line of no particular call.
pub(crate) fn line(level: Level, message: &str) {
    write(None, level, message);
}

/// A line of one call; FreeSWITCH puts its UUID before it.
pub(crate) fn call(session: Session<'_>, level: Level, message: &str) {
    write(Some(session), level, message);
}

/// Where `fsx_seam`'s lines go.
pub(crate) fn seam(level: fsx_seam::log::Level, message: &str) {
    use fsx_seam::log::Level as Seam;
    let level = match level {
        Seam::Error => Level::Error,
        Seam::Warning => Level::Warning,
        Seam::Notice => Level::Notice,
        Seam::Info => Level::Info,
        Seam::Debug => Level::Debug,
    };
    write(None, level, message);
}

fn write(session: Option<Session<'_>>, level: Level, message: &str) {
    const FILE: &CStr = c"mod_fsx";
    const FUNC: &CStr = c"fsx";
    let text = text::c_string(message);
    let uuid = session.as_ref().map_or(core::ptr::null(), |s| s.uuid_raw().as_ptr());
    // SAFETY: `LOG_PLAIN` takes NULL or a UUID string as its user data; the only format is "%s\n"
    // with one NUL-ended argument. The core copies what it keeps.
    unsafe {
        sys::switch_log_printf(
            sys::LOG_PLAIN,
            FILE.as_ptr(),
            FUNC.as_ptr(),
            0,
            uuid,
            level as c_int,
            c"%s\n".as_ptr(),
            text.as_ptr(),
        );
    }
}
