//! Pseudo-variables: all that this module reads from a call and writes to it goes through them, so
//! that no release's idea of a SIP message matters.

use core::{
    ffi::{c_char, c_int},
    ptr,
};

use super::api::api;
use crate::sys::{
    OP_ASSIGN, PV_VAL_INT, PV_VAL_NULL, PV_VAL_STR, PvElem, PvParam, PvSpec, PvValue, SipMsg, Str,
};

/// The message that a script function or a pseudo-variable is called for. It must not outlive the
/// callback.
#[derive(Clone, Copy, Debug)]
pub struct Call<'a> {
    msg: *mut SipMsg,
    _callback: core::marker::PhantomData<&'a ()>,
}

/// `pv_spec_t` measures 104 bytes up to 3.6.6 and 112 after; four times that is reserved.
const SPEC_BYTES: usize = 448;

/// A parsed pseudo-variable, as in `$avp(fsx_plan)`. Made once and kept for good: the host keeps
/// pointers into the text, and into the spec.
#[derive(Debug)]
pub struct Spec {
    spec: *mut PvSpec,
}

/// A parsed format: text with pseudo-variables in it. Made once and kept for good.
#[derive(Debug)]
pub struct Format {
    elements: *mut PvElem,
}

// SAFETY: both point at memory that is written once, before the fork, and an OpenSIPS process has
// one thread.
unsafe impl Send for Spec {}
// SAFETY: as above.
unsafe impl Sync for Spec {}
// SAFETY: as above.
unsafe impl Send for Format {}
// SAFETY: as above.
unsafe impl Sync for Format {}

/// Makes a `str` over bytes that the host only reads.
fn host_str(bytes: &[u8]) -> Option<Str> {
    Some(Str { s: bytes.as_ptr().cast_mut().cast(), len: c_int::try_from(bytes.len()).ok()? })
}

/// Copies text to where it stays, with a NUL after it: some of the host's parsers look one byte
/// past the length.
fn keep(text: &str) -> &'static [u8] {
    let mut bytes = text.as_bytes().to_vec();
    bytes.push(0);
    let kept: &'static [u8] = Box::leak(bytes.into_boxed_slice());
    &kept[..kept.len() - 1]
}

impl Spec {
    /// Parses a pseudo-variable; `None` when the host does not know it or there is more after it.
    pub fn parse(text: &str) -> Option<Self> {
        let api = api()?;
        if !text.starts_with('$') || text.contains('\0') {
            return None;
        }
        let text = keep(text);
        let input = host_str(text)?;
        let spec: *mut PvSpec =
            Box::leak(Box::new([0u64; SPEC_BYTES / 8])).as_mut_ptr().cast::<PvSpec>();
        // SAFETY: the input begins with `$` and is followed by a NUL; the buffer is larger than any
        // known release's pv_spec_t, which the function zeroes and fills.
        let end = unsafe { (api.pv_parse_spec)(&raw const input, spec) };
        let whole = ptr::eq(end, text.as_ptr_range().end.cast());
        whole.then_some(Self { spec })
    }
}

impl Format {
    /// Parses a format; `None` when the host cannot.
    pub fn parse(text: &str) -> Option<Self> {
        let api = api()?;
        if text.is_empty() || text.contains('\0') {
            return None;
        }
        let input = host_str(keep(text))?;
        let mut elements = ptr::null_mut();
        // SAFETY: the input stays for good and is followed by a NUL.
        let parsed = unsafe { (api.pv_parse_format)(&raw const input, &raw mut elements) };
        (parsed == 0 && !elements.is_null()).then_some(Self { elements })
    }
}

impl<'a> Call<'a> {
    /// The message that the host handed to a callback; `None` where it handed none.
    ///
    /// # Safety
    /// `msg` is null, or the host's message for as long as the callback runs.
    pub(super) unsafe fn new(msg: *mut SipMsg) -> Option<Self> {
        (!msg.is_null()).then_some(Self { msg, _callback: core::marker::PhantomData })
    }

    /// The text of a pseudo-variable where the host keeps it; `None` when it has no value. The bytes
    /// change with the next value that the host prints: use them or copy them first.
    pub fn value(&self, spec: &Spec) -> Option<&'a [u8]> {
        let api = api()?;
        let mut value =
            PvValue { rs: Str { s: ptr::null_mut(), len: 0 }, ri: 0, flags: PV_VAL_NULL };
        // SAFETY: the message lives as long as the callback, the spec was filled by pv_parse_spec.
        let read = unsafe { (api.pv_get_spec_value)(self.msg, spec.spec, &raw mut value) };
        if read != 0 || value.flags & PV_VAL_NULL != 0 || value.flags & PV_VAL_STR == 0 {
            return None;
        }
        // SAFETY: a value flagged as text points at `len` bytes of the host.
        unsafe { bytes(&raw const value.rs) }
    }

    /// Copies a printed format into `into`; `false` when the host cannot print it. Variables without
    /// a value print as `<null>`, which is taken as nothing when it is all that is printed.
    pub fn print(&self, format: &Format, into: &mut Vec<u8>) -> bool {
        into.clear();
        let Some(api) = api() else { return false };
        let mut text = Str { s: ptr::null_mut(), len: 0 };
        // SAFETY: the message lives as long as the callback, the elements were made by
        // pv_parse_format.
        if unsafe { (api.pv_printf_s)(self.msg, format.elements, &raw mut text) } != 0 {
            return false;
        }
        // SAFETY: on success the text lies in one of the host's print buffers.
        let Some(text) = (unsafe { bytes(&raw const text) }) else { return true };
        if text != b"<null>" {
            into.extend_from_slice(text);
        }
        true
    }

    /// Sets a pseudo-variable to text; `false` when the host refuses.
    pub fn set(&self, spec: &Spec, text: &[u8]) -> bool {
        let (Some(api), Some(rs)) = (api(), host_str(text)) else { return false };
        let mut value = PvValue { rs, ri: 0, flags: PV_VAL_STR };
        // SAFETY: as in `value`; setters copy the text (usr_avp.c, pvar.c). A spec without a setter
        // is refused by the host.
        unsafe { (api.pv_set_value)(self.msg, spec.spec, OP_ASSIGN, &raw mut value) == 0 }
    }

    /// Replaces the request URI; `false` when the host refuses.
    pub fn set_request_uri(&self, uri: &[u8]) -> bool {
        let (Some(api), false) = (api(), uri.is_empty()) else { return false };
        let Some(mut uri) = host_str(uri) else { return false };
        // SAFETY: set_ruri copies the text into the message.
        unsafe { (api.set_ruri)(self.msg, &raw mut uri) == 0 }
    }
}

/// The bytes of a host `str`; `None` when it is null, has no bytes, or a negative length.
///
/// # Safety
/// `text` is null or points at a `str` whose bytes live as long as the caller uses them.
pub(super) unsafe fn bytes<'a>(text: *const Str) -> Option<&'a [u8]> {
    // SAFETY: the caller's promise.
    let text = unsafe { text.as_ref() }?;
    let len = usize::try_from(text.len).ok()?;
    if text.s.is_null() {
        return None;
    }
    // SAFETY: the caller's promise.
    Some(unsafe { core::slice::from_raw_parts(text.s.cast_const().cast(), len) })
}

/// Gives a spec being parsed the number that stands for its name, to be read back by
/// [`name_number`].
///
/// # Safety
/// `spec` is the one that the host passed to `parse_name`.
pub(super) unsafe fn set_name_number(spec: *mut PvSpec, number: c_int) -> bool {
    // SAFETY: the host's own function writes to the host's own structure; it checks for null.
    api().is_some_and(|api| unsafe { (api.pv_init_iname)(spec, number) } == 0)
}

/// Reads the number back.
///
/// # Safety
/// Both are those that the host passed to `getf`.
pub(super) unsafe fn name_number(msg: *mut SipMsg, param: *mut PvParam) -> Option<c_int> {
    let mut value = PvValue { rs: Str { s: ptr::null_mut(), len: 0 }, ri: 0, flags: 0 };
    // SAFETY: the host's own function, which checks for null.
    let read = unsafe { (api()?.pv_get_spec_name)(msg, param, &raw mut value) };
    (read == 0 && value.flags & PV_VAL_INT != 0).then_some(value.ri)
}

/// `PV_TYPE_INT`: compare it as a number.
const PV_TYPE_INT: c_int = 16;

/// What a pseudo-variable of ours has for a value.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Value<'a> {
    /// Text, living as long as the transaction.
    Text(&'a [u8]),
    /// A number, with the digits that print it.
    Number(&'a [u8], c_int),
}

/// Hands a value to the host; `None` is null.
///
/// # Safety
/// `result` is the place that the host passed to `getf`, and the text outlives the host's use.
pub(super) unsafe fn give(result: *mut PvValue, value: Option<Value<'_>>) -> c_int {
    let value = value.and_then(|value| match value {
        Value::Text(text) => Some((host_str(text)?, 0, PV_VAL_STR)),
        Value::Number(digits, number) => {
            Some((host_str(digits)?, number, PV_VAL_STR | PV_VAL_INT | PV_TYPE_INT))
        }
    });
    match value {
        Some((rs, ri, flags)) => {
            // SAFETY: the caller's promise, checked for null by the callback.
            unsafe { result.write(PvValue { rs, ri, flags }) };
            0
        }
        None => match api() {
            // SAFETY: pv_get_null writes an empty value; it uses neither message nor parameter.
            Some(api) => unsafe { (api.pv_get_null)(ptr::null_mut(), ptr::null_mut(), result) },
            None => -1,
        },
    }
}

/// An optional C string argument of the host as bytes.
///
/// # Safety
/// `text` is null or a C string that lives as long as the caller uses it.
pub(super) unsafe fn c_text<'a>(text: *const c_char) -> Option<&'a [u8]> {
    if text.is_null() {
        return None;
    }
    // SAFETY: the caller's promise.
    Some(unsafe { core::ffi::CStr::from_ptr(text) }.to_bytes())
}
