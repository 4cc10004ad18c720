//! The host's functions, found by name at run time.
//!
//! Linking against them would tie the build to one release and leave a missing one to the dynamic
//! linker's message; looked up, a release that lost one is refused with a line that names it. Only
//! functions whose signature is the same from 3.3 to 4.0 are here, save `dprint` ([`super::log`]).

use core::{
    ffi::{CStr, c_char, c_double, c_int, c_void},
    ptr::NonNull,
};
use std::sync::OnceLock;

use crate::{
    release::Layout,
    sys::{MiItem, MiParams, PvElem, PvParam, PvSpec, PvValue, RpcFunction, SipMsg, Str},
};

/// A symbol that OpenSIPS does not have.
#[derive(Debug)]
pub(crate) struct Missing(pub(crate) &'static CStr);

macro_rules! host_functions {
    ($($name:ident: $kind:ty;)*) => {
        /// Pointers to the host's functions and variables; valid as long as the process.
        pub(crate) struct Api {
            $(pub(crate) $name: $kind,)*
            /// `int process_no`: this process' place in the process table.
            pub(crate) process_no: *const c_int,
            /// `int *log_level` of this process.
            pub(crate) log_level: *const *const c_int,
            /// `int log_facility`.
            pub(crate) log_facility: *const c_int,
            /// `char *log_prefix`.
            pub(crate) log_prefix: *const *const c_char,
            /// `int log_stderr`: 3.3 only.
            pub(crate) log_stderr: Option<NonNull<c_int>>,
            /// `dprint`, whose signature depends on the release.
            pub(crate) dprint: NonNull<c_void>,
        }

        impl Api {
            fn resolve(layout: Layout) -> Result<Self, Missing> {
                Ok(Self {
                    $($name: {
                        let name = cstr(concat!(stringify!($name), "\0"));
                        // SAFETY: OpenSIPS 3.3 to 4.0 declare the function of this name with this
                        // C signature (pvar.h, msg_parser.h, ipc.h, mi/item.h), and a function
                        // pointer is as wide as an address.
                        unsafe { core::mem::transmute::<NonNull<c_void>, $kind>(find(name)?) }
                    },)*
                    process_no: find(c"process_no")?.as_ptr().cast(),
                    log_level: find(c"log_level")?.as_ptr().cast(),
                    log_facility: find(c"log_facility")?.as_ptr().cast(),
                    log_prefix: find(c"log_prefix")?.as_ptr().cast(),
                    log_stderr: match layout {
                        Layout::V33 => Some(find(c"log_stderr")?.cast()),
                        Layout::V34 | Layout::V40 => None,
                    },
                    dprint: find(c"dprint")?,
                })
            }
        }
    };
}

host_functions! {
    pv_parse_spec: unsafe extern "C" fn(*const Str, *mut PvSpec) -> *mut c_char;
    pv_parse_format: unsafe extern "C" fn(*const Str, *mut *mut PvElem) -> c_int;
    pv_printf_s: unsafe extern "C" fn(*mut SipMsg, *mut PvElem, *mut Str) -> c_int;
    pv_get_spec_value: unsafe extern "C" fn(*mut SipMsg, *mut PvSpec, *mut PvValue) -> c_int;
    pv_set_value: unsafe extern "C" fn(*mut SipMsg, *mut PvSpec, c_int, *mut PvValue) -> c_int;
    pv_get_null: unsafe extern "C" fn(*mut SipMsg, *mut PvParam, *mut PvValue) -> c_int;
    pv_get_spec_name: unsafe extern "C" fn(*mut SipMsg, *mut PvParam, *mut PvValue) -> c_int;
    pv_init_iname: unsafe extern "C" fn(*mut PvSpec, c_int) -> c_int;
    set_ruri: unsafe extern "C" fn(*mut SipMsg, *mut Str) -> c_int;
    ipc_send_rpc: unsafe extern "C" fn(c_int, RpcFunction, *mut c_void) -> c_int;
    init_mi_result_object: unsafe extern "C" fn(*mut *mut MiItem) -> *mut MiItem;
    init_mi_error_extra:
        unsafe extern "C" fn(c_int, *const c_char, c_int, *const c_char, c_int) -> *mut MiItem;
    add_mi_array: unsafe extern "C" fn(*mut MiItem, *mut c_char, c_int) -> *mut MiItem;
    add_mi_object: unsafe extern "C" fn(*mut MiItem, *mut c_char, c_int) -> *mut MiItem;
    add_mi_string:
        unsafe extern "C" fn(*mut MiItem, *mut c_char, c_int, *const c_char, c_int) -> c_int;
    add_mi_number: unsafe extern "C" fn(*mut MiItem, *mut c_char, c_int, c_double) -> c_int;
    add_mi_bool: unsafe extern "C" fn(*mut MiItem, *mut c_char, c_int, c_int) -> c_int;
    add_mi_null: unsafe extern "C" fn(*mut MiItem, *mut c_char, c_int) -> c_int;
    try_get_mi_string_param:
        unsafe extern "C" fn(*const MiParams, *mut c_char, *mut *mut c_char, *mut c_int) -> c_int;
}

// SAFETY: plain addresses of the host's code and variables, which never move.
unsafe impl Send for Api {}
// SAFETY: as above; an OpenSIPS process has one thread.
unsafe impl Sync for Api {}

static API: OnceLock<Api> = OnceLock::new();

const fn cstr(text: &'static str) -> &'static CStr {
    match CStr::from_bytes_with_nul(text.as_bytes()) {
        Ok(text) => text,
        Err(_) => panic!("a name with its NUL"),
    }
}

/// Looks a symbol up among those that the host program exports.
pub(crate) fn find(name: &'static CStr) -> Result<NonNull<c_void>, Missing> {
    // SAFETY: dlsym takes any C string; the default scope begins with the host program.
    let address = unsafe { libc::dlsym(libc::RTLD_DEFAULT, name.as_ptr()) };
    NonNull::new(address).ok_or(Missing(name))
}

/// Finds everything; called once, while the library is being loaded.
pub(crate) fn load(layout: Layout) -> Result<(), Missing> {
    let api = Api::resolve(layout)?;
    // A second load finds the same addresses.
    let _ = API.set(api);
    Ok(())
}

/// The host's functions, once [`load`] found them.
pub(crate) fn api() -> Option<&'static Api> {
    API.get()
}

/// This process' place in OpenSIPS' process table; 0 is the attendant.
pub(crate) fn process_no() -> usize {
    api().map_or(0, |api| {
        // SAFETY: `process_no` is an int of the host, written only when a process is forked.
        let number = unsafe { api.process_no.read() };
        usize::try_from(number).unwrap_or(0)
    })
}
