//! MI requests in, JSON out, through the host's own item functions.
//!
//! The host prints fractions with six decimals and loses whole numbers past 2^53, so money crosses
//! as text (it always is in our answers) and integers too large for a double do as well.

use core::{
    ffi::{CStr, c_char, c_int},
    ptr,
};

use serde_json::Value;

use super::{api::api, pv::c_text};
use crate::sys::{MiItem, MiParams};

/// The parameters of one MI request.
#[derive(Clone, Copy, Debug)]
pub struct Request<'a> {
    params: *const MiParams,
    _callback: core::marker::PhantomData<&'a ()>,
}

/// What an MI command answers.
#[derive(Debug)]
pub enum Reply {
    /// A JSON object.
    Object(Value),
    /// An error, with a code of JSON-RPC's and a line of text.
    Error(c_int, String),
}

/// JSON-RPC's "invalid params".
pub const INVALID_PARAMS: c_int = -32602;
/// JSON-RPC's first code for errors of the server's own.
pub const SERVER_ERROR: c_int = -32000;

/// Deepest nesting that is handed over; our answers have four.
const MAX_DEPTH: usize = 8;

impl<'a> Request<'a> {
    /// # Safety
    /// `params` is null, or the host's parameters for as long as the callback runs.
    pub(super) unsafe fn new(params: *const MiParams) -> Self {
        Self { params, _callback: core::marker::PhantomData }
    }

    /// A parameter as text (numbers included); `None` when it was not given or is neither.
    pub fn text(&self, name: &'static CStr) -> Option<&'a [u8]> {
        if self.params.is_null() {
            return None;
        }
        let (mut text, mut len): (*mut c_char, c_int) = (ptr::null_mut(), 0);
        // SAFETY: the host's parameters and a C string, which the function only reads.
        let found = unsafe {
            (api()?.try_get_mi_string_param)(
                self.params,
                name.as_ptr().cast_mut(),
                &raw mut text,
                &raw mut len,
            )
        };
        if found != 0 {
            return None;
        }
        // SAFETY: the text belongs to the request and ends with a NUL; a number's text lies in a
        // buffer of the host that is good until several more are printed.
        unsafe { c_text(text) }
    }
}

impl Reply {
    /// Makes the host's item; null when it cannot, which the host answers with an error of its own.
    pub(super) fn into_item(self) -> *mut MiItem {
        let Some(api) = api() else { return ptr::null_mut() };
        match self {
            Self::Error(code, line) => {
                let len = c_int::try_from(line.len()).unwrap_or(0);
                // SAFETY: the host copies the text; no details are given.
                unsafe {
                    (api.init_mi_error_extra)(code, line.as_ptr().cast(), len, ptr::null(), 0)
                }
            }
            Self::Object(value) => {
                let mut root = ptr::null_mut();
                // SAFETY: the host writes the object's address.
                let reply = unsafe { (api.init_mi_result_object)(&raw mut root) };
                if !reply.is_null() && !root.is_null() {
                    fill(root, &value);
                }
                reply
            }
        }
    }
}

/// Copies a JSON tree below `root`, without recursion: what is still to do waits in a list.
fn fill(root: *mut MiItem, value: &Value) {
    let mut waiting: Vec<(*mut MiItem, &Value, usize)> = vec![(root, value, 0)];
    while let Some((item, value, depth)) = waiting.pop() {
        if depth == MAX_DEPTH {
            continue;
        }
        match value {
            Value::Object(members) => {
                for (name, member) in members {
                    if let Some(child) = add(item, name, member) {
                        waiting.push((child, member, depth + 1));
                    }
                }
            }
            Value::Array(members) => {
                for member in members {
                    if let Some(child) = add(item, "", member) {
                        waiting.push((child, member, depth + 1));
                    }
                }
            }
            _ => {}
        }
    }
}

/// Adds one value to an object (by name) or an array; gives the new item where it has members.
fn add(to: *mut MiItem, name: &str, value: &Value) -> Option<*mut MiItem> {
    let api = api()?;
    // Members of an array have no name; the host wants null for it.
    let (name, name_len): (*mut c_char, c_int) = if name.is_empty() {
        (ptr::null_mut(), 0)
    } else {
        (name.as_ptr().cast_mut().cast(), c_int::try_from(name.len()).ok()?)
    };
    // SAFETY: `to` is an object or array that the host made, the name is read and copied with its
    // length, and so is text.
    unsafe {
        match value {
            Value::Object(_) => return non_null((api.add_mi_object)(to, name, name_len)),
            Value::Array(_) => return non_null((api.add_mi_array)(to, name, name_len)),
            Value::Null => (api.add_mi_null)(to, name, name_len),
            Value::Bool(yes) => (api.add_mi_bool)(to, name, name_len, c_int::from(*yes)),
            Value::Number(number) => match exact(number) {
                Some(number) => (api.add_mi_number)(to, name, name_len, number),
                None => add_text(to, name, name_len, &number.to_string()),
            },
            Value::String(text) => add_text(to, name, name_len, text),
        };
    }
    None
}

/// # Safety
/// As [`add`].
unsafe fn add_text(to: *mut MiItem, name: *mut c_char, name_len: c_int, text: &str) -> c_int {
    let (Some(api), Ok(len)) = (api(), c_int::try_from(text.len())) else { return -1 };
    // SAFETY: the caller's promise; the text is copied.
    unsafe { (api.add_mi_string)(to, name, name_len, text.as_ptr().cast(), len) }
}

fn non_null(item: *mut MiItem) -> Option<*mut MiItem> {
    (!item.is_null()).then_some(item)
}

/// A whole number that a double holds exactly; everything else crosses as text.
#[allow(clippy::cast_precision_loss)] // Within 2^53 there is none.
fn exact(number: &serde_json::Number) -> Option<f64> {
    const MAX: i64 = 1 << 53;
    number.as_i64().filter(|n| (-MAX..=MAX).contains(n)).map(|n| n as f64)
}

#[cfg(test)]
mod tests {
    use super::exact;

    #[test]
    fn only_exact_numbers_are_numbers() {
        let number = |text| serde_json::from_str::<serde_json::Number>(text).expect("a number");
        assert_eq!(exact(&number("9007199254740992")), Some(9_007_199_254_740_992.0));
        assert_eq!(exact(&number("9007199254740993")), None);
        assert_eq!(exact(&number("0.5")), None);
        assert_eq!(exact(&number("-3")), Some(-3.0));
        assert_eq!(exact(&number("18446744073709551615")), None);
    }
}
