//! Lines into OpenSIPS' own log, wherever it goes: standard error, syslog, JSON, events.
//!
//! `dprint` is the one function we call whose signature moved. 3.3 prints one format to standard
//! error and leaves syslog to the caller's macro; from 3.4 on it takes the level, the place and three
//! formats, and its consumers pick the arguments that they want. Both are variadic, so a wrong guess
//! would be silent garbage: the release recognised at load decides.

use core::ffi::{CStr, c_char, c_int, c_void};

use fsx_seam::{log::Level, text::CBuf};

use super::api::api;

/// OpenSIPS' number for a level (`L_ERR`, `L_WARN`, …), and syslog's.
const fn numbers(level: Level) -> (c_int, c_int) {
    match level {
        Level::Error => (-1, libc::LOG_ERR),
        Level::Warning => (1, libc::LOG_WARNING),
        Level::Notice => (2, libc::LOG_NOTICE),
        Level::Info => (3, libc::LOG_INFO),
        Level::Debug => (4, libc::LOG_DEBUG),
    }
}

/// Standard-error format: time, process, prefix, function, text. Our functions are not worth a word
/// in the line, hence `%.0s`; the JSON format of 3.4 and later wants the argument.
const fn stderr_format(level: Level) -> &'static CStr {
    match level {
        Level::Error => c"%s [%d] %sERROR:fsx:%.0s %s\n",
        Level::Warning => c"%s [%d] %sWARNING:fsx:%.0s %s\n",
        Level::Notice => c"%s [%d] %sNOTICE:fsx:%.0s %s\n",
        Level::Info => c"%s [%d] %sINFO:fsx:%.0s %s\n",
        Level::Debug => c"%s [%d] %sDBG:fsx:%.0s %s\n",
    }
}

/// Syslog format: the same without time and process.
const fn syslog_format(level: Level) -> &'static CStr {
    match level {
        Level::Error => c"%sERROR:fsx:%.0s %s\n",
        Level::Warning => c"%sWARNING:fsx:%.0s %s\n",
        Level::Notice => c"%sNOTICE:fsx:%.0s %s\n",
        Level::Info => c"%sINFO:fsx:%.0s %s\n",
        Level::Debug => c"%sDBG:fsx:%.0s %s\n",
    }
}

type Dprint33 = unsafe extern "C" fn(*const c_char, ...);
type Dprint34 = unsafe extern "C" fn(
    c_int,
    c_int,
    *const c_char,
    *const c_char,
    *const c_char,
    *const c_char,
    *const c_char,
    ...
);

/// Writes a line if the process' log level lets it through: the seam's host log. Nothing is written
/// when the module is not inside a known OpenSIPS.
pub(crate) fn write(level: Level, text: &str) {
    let Some(api) = api() else { return };
    // SAFETY: `log_level` points at this process' level at all times (dprint.c).
    let most = unsafe { **api.log_level };
    let (number, priority) = numbers(level);
    if number > most {
        return;
    }
    let text = CBuf::<{ fsx_seam::log::MAX_LINE + 1 }>::from(text);
    let text = text.as_c_str();
    let place = c"fsx";
    let time = now();
    // SAFETY: a C string of the host; never null, but checked, since it is the script's to set.
    let prefix = unsafe { *api.log_prefix };
    let prefix = if prefix.is_null() { c"".as_ptr() } else { prefix };
    // SAFETY: an int of the host.
    let facility = unsafe { *api.log_facility };
    // SAFETY: no arguments, no failure.
    let pid: c_int = unsafe { libc::getpid() };
    let dprint: *mut c_void = api.dprint.as_ptr();
    if let Some(log_stderr) = api.log_stderr {
        // SAFETY: `log_stderr` is an int of 3.3.
        if unsafe { *log_stderr.as_ptr() } != 0 {
            // SAFETY: only 3.3 has `log_stderr`, and its dprint is `void (char *format, ...)`; the
            // format takes exactly these five arguments.
            unsafe {
                let dprint = core::mem::transmute::<*mut c_void, Dprint33>(dprint);
                dprint(
                    stderr_format(level).as_ptr(),
                    time.as_ptr(),
                    pid,
                    prefix,
                    place.as_ptr(),
                    text.as_ptr(),
                );
            }
        } else {
            // SAFETY: the format takes exactly these three strings.
            unsafe {
                libc::syslog(
                    priority | facility,
                    syslog_format(level).as_ptr(),
                    prefix,
                    place.as_ptr(),
                    text.as_ptr(),
                );
            }
        }
        return;
    }
    // SAFETY: without `log_stderr` the host is 3.4 or later, whose dprint takes level, facility,
    // module, function, three formats, and then time, process, prefix, function and text, of which
    // each consumer skips what its format does not want (dprint.c).
    unsafe {
        let dprint = core::mem::transmute::<*mut c_void, Dprint34>(dprint);
        dprint(
            number,
            facility,
            c"fsx".as_ptr(),
            place.as_ptr(),
            stderr_format(level).as_ptr(),
            syslog_format(level).as_ptr(),
            c"%s\n".as_ptr(),
            time.as_ptr(),
            pid,
            prefix,
            place.as_ptr(),
            text.as_ptr(),
        );
    }
}

/// Local time as the host's own lines have it (`Nov 21 09:00:00`), ended by NUL.
fn now() -> [c_char; 16] {
    let mut text = [0; 16];
    // SAFETY: all-zero is a valid `tm`; localtime_r and strftime write within what they are given
    // and the last byte stays NUL.
    unsafe {
        let at = libc::time(core::ptr::null_mut());
        let mut tm: libc::tm = core::mem::zeroed();
        if !libc::localtime_r(&raw const at, &raw mut tm).is_null() {
            libc::strftime(text.as_mut_ptr(), 16, c"%b %e %H:%M:%S".as_ptr(), &raw const tm);
        }
    }
    text[15] = 0;
    text
}
