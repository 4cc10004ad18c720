//! Types: opaque handles, the tables that the module fills in, and the stable numbers.

use core::{
    ffi::{c_char, c_int, c_void},
    marker::{PhantomData, PhantomPinned},
    mem::{offset_of, size_of},
};

/// A type that only FreeSWITCH knows the inside of: reached by pointer, never laid out, moved or
/// made here.
macro_rules! opaque {
    ($($(#[$doc:meta])* $name:ident;)*) => {$(
        $(#[$doc])*
        #[repr(C)]
        pub(crate) struct $name {
            _inside: [u8; 0],
            _pinned: PhantomData<(*mut u8, PhantomPinned)>,
        }
    )*};
}

opaque! {
    /// `switch_core_session_t`.
    SessionRaw;
    /// `switch_channel_t`.
    ChannelRaw;
    /// `switch_memory_pool_t`.
    PoolRaw;
    /// `switch_loadable_module_interface_t`.
    ModuleInterfaceRaw;
    /// `switch_caller_profile_t`.
    CallerProfileRaw;
    /// `switch_caller_extension_t`.
    CallerExtensionRaw;
    /// `switch_event_t`.
    EventRaw;
    /// `switch_event_node_t`.
    EventNodeRaw;
    /// `switch_dial_handle_t`.
    DialHandleRaw;
    /// `switch_console_callback_match_t`.
    MatchesRaw;
    /// `switch_xml_binding_t`.
    XmlBindingRaw;
}

/// `switch_status_t`.
pub(crate) type Status = c_int;
/// `SWITCH_STATUS_SUCCESS`.
pub(crate) const STATUS_SUCCESS: Status = 0;
/// `SWITCH_STATUS_FALSE`.
pub(crate) const STATUS_FALSE: Status = 1;
/// `SWITCH_STATUS_NOUNLOAD`: loaded, and never to be unloaded.
pub(crate) const STATUS_NOUNLOAD: Status = 16;
/// `SWITCH_STATUS_TERM`: the runtime function is done.
pub(crate) const STATUS_TERM: Status = 21;

/// `SWITCH_API_VERSION`, checked by the loader; 5 from 1.6 to 1.11.
pub(crate) const API_VERSION: c_int = 5;

/// `SWITCH_DIALPLAN_INTERFACE`.
pub(crate) const INTERFACE_DIALPLAN: c_int = 2;
/// `SWITCH_APPLICATION_INTERFACE`.
pub(crate) const INTERFACE_APPLICATION: c_int = 4;
/// `SWITCH_API_INTERFACE`.
pub(crate) const INTERFACE_API: c_int = 5;

/// `SAF_SUPPORT_NOMEDIA`: the application does not need media to be up.
pub(crate) const APP_NO_MEDIA: u32 = 1;
/// `SAF_ROUTING_EXEC`: the application may run while the call is being routed.
pub(crate) const APP_ROUTING: u32 = 2;

/// `SWITCH_CHANNEL_ID_LOG`: a log line; its user data is NULL or a UUID.
pub(crate) const LOG_PLAIN: c_int = 0;

/// `SWITCH_STACK_BOTTOM`; the only stack value that did not move.
pub(crate) const STACK_BOTTOM: c_int = 1;
/// `SWITCH_EVENT_CUSTOM`: a module's own event, told apart by its subclass.
pub(crate) const EVENT_CUSTOM: c_int = 0;
/// `SWITCH_EVENT_CLONE`: an event made bare, without the core's own headers.
pub(crate) const EVENT_CLONE: c_int = 1;

/// `CF_ANSWERED`: first of its enum, so it cannot move.
pub(crate) const FLAG_ANSWERED: c_int = 1;
/// `CF_TRANSFER`.
pub(crate) const FLAG_TRANSFER: c_int = 6;

/// `SOF_NONE`.
pub(crate) const ORIGINATE_NONE: u32 = 0;

/// `load` of the function table.
pub(crate) type LoadFn = unsafe extern "C" fn(*mut *mut ModuleInterfaceRaw, *mut PoolRaw) -> Status;
/// `shutdown` and `runtime` of the function table.
pub(crate) type PlainFn = unsafe extern "C" fn() -> Status;

/// `switch_loadable_module_function_table_t`: what the exported data symbol is.
#[repr(C)]
pub(crate) struct FunctionTable {
    pub(crate) switch_api_version: c_int,
    pub(crate) load: Option<LoadFn>,
    pub(crate) shutdown: Option<PlainFn>,
    pub(crate) runtime: Option<PlainFn>,
    pub(crate) flags: u32,
}

const _: () = {
    assert!(size_of::<FunctionTable>() == 40);
    assert!(offset_of!(FunctionTable, load) == 8);
    assert!(offset_of!(FunctionTable, shutdown) == 16);
    assert!(offset_of!(FunctionTable, runtime) == 24);
    assert!(offset_of!(FunctionTable, flags) == 32);
};

/// The function of an API command: command text and session may be NULL.
pub(crate) type ApiFn =
    unsafe extern "C" fn(*const c_char, *mut SessionRaw, *mut StreamRaw) -> Status;

/// `switch_api_interface_t` as far as its maker fills it in; the core owns what follows.
#[repr(C)]
pub(crate) struct ApiInterface {
    pub(crate) interface_name: *const c_char,
    pub(crate) desc: *const c_char,
    pub(crate) function: Option<ApiFn>,
    pub(crate) syntax: *const c_char,
}

const _: () = {
    assert!(offset_of!(ApiInterface, desc) == 8);
    assert!(offset_of!(ApiInterface, function) == 16);
    assert!(offset_of!(ApiInterface, syntax) == 24);
};

/// The function of an application: data may be NULL.
pub(crate) type AppFn = unsafe extern "C" fn(*mut SessionRaw, *const c_char);

/// `switch_application_interface_t` as far as its maker fills it in.
#[repr(C)]
pub(crate) struct ApplicationInterface {
    pub(crate) interface_name: *const c_char,
    pub(crate) application_function: Option<AppFn>,
    pub(crate) long_desc: *const c_char,
    pub(crate) short_desc: *const c_char,
    pub(crate) syntax: *const c_char,
    pub(crate) flags: u32,
}

const _: () = {
    assert!(offset_of!(ApplicationInterface, application_function) == 8);
    assert!(offset_of!(ApplicationInterface, long_desc) == 16);
    assert!(offset_of!(ApplicationInterface, short_desc) == 24);
    assert!(offset_of!(ApplicationInterface, syntax) == 32);
    assert!(offset_of!(ApplicationInterface, flags) == 40);
};

/// The function of a dialplan: argument may be NULL, the profile is NULL from the core's router.
pub(crate) type HuntFn = unsafe extern "C" fn(
    *mut SessionRaw,
    *mut c_void,
    *mut CallerProfileRaw,
) -> *mut CallerExtensionRaw;

/// `switch_dialplan_interface_t` as far as its maker fills it in.
#[repr(C)]
pub(crate) struct DialplanInterface {
    pub(crate) interface_name: *const c_char,
    pub(crate) hunt_function: Option<HuntFn>,
}

const _: () = assert!(offset_of!(DialplanInterface, hunt_function) == 8);

/// `raw_write_function` of a stream.
pub(crate) type RawWriteFn = unsafe extern "C" fn(*mut StreamRaw, *mut u8, usize) -> Status;

/// The head of `switch_stream_handle_t`. Modules put their own streams behind these pointers, so
/// the field is to be used, not the console's exported function.
#[repr(C)]
pub(crate) struct StreamRaw {
    read_function: *mut c_void,
    write_function: *mut c_void,
    pub(crate) raw_write_function: Option<RawWriteFn>,
}

const _: () = assert!(offset_of!(StreamRaw, raw_write_function) == 16);

/// A state handler: runs on the session's own thread.
pub(crate) type StateFn = unsafe extern "C" fn(*mut SessionRaw) -> Status;

/// `switch_state_handler_table_t`. The core keeps the pointer for ever, so it lives in a static.
#[repr(C)]
pub(crate) struct StateHandlers {
    pub(crate) on_init: Option<StateFn>,
    pub(crate) on_routing: Option<StateFn>,
    pub(crate) on_execute: Option<StateFn>,
    pub(crate) on_hangup: Option<StateFn>,
    pub(crate) on_exchange_media: Option<StateFn>,
    pub(crate) on_soft_execute: Option<StateFn>,
    pub(crate) on_consume_media: Option<StateFn>,
    pub(crate) on_hibernate: Option<StateFn>,
    pub(crate) on_reset: Option<StateFn>,
    pub(crate) on_park: Option<StateFn>,
    pub(crate) on_reporting: Option<StateFn>,
    pub(crate) on_destroy: Option<StateFn>,
    pub(crate) flags: c_int,
    pub(crate) padding: [usize; 10],
}

const _: () = {
    assert!(size_of::<StateHandlers>() == 184);
    assert!(offset_of!(StateHandlers, on_hangup) == 24);
    assert!(offset_of!(StateHandlers, on_reporting) == 80);
    assert!(offset_of!(StateHandlers, on_destroy) == 88);
    assert!(offset_of!(StateHandlers, flags) == 96);
    assert!(offset_of!(StateHandlers, padding) == 104);
};

/// The head of `struct switch_xml`, a node of the configuration tree.
#[repr(C)]
pub(crate) struct XmlRaw {
    pub(crate) name: *const c_char,
    /// Name, value, name, value, …, NULL.
    pub(crate) attr: *const *const c_char,
    pub(crate) txt: *const c_char,
    free_path: *const c_char,
    off: usize,
    /// Next node of the same name at this depth.
    pub(crate) next: *const XmlRaw,
    /// Next node of another name at this depth.
    pub(crate) sibling: *const XmlRaw,
    /// Next node at this depth in the order of the file.
    pub(crate) ordered: *const XmlRaw,
    /// First node one deeper.
    pub(crate) child: *const XmlRaw,
}

const _: () = {
    assert!(offset_of!(XmlRaw, attr) == 8);
    assert!(offset_of!(XmlRaw, txt) == 16);
    assert!(offset_of!(XmlRaw, next) == 40);
    assert!(offset_of!(XmlRaw, sibling) == 48);
    assert!(offset_of!(XmlRaw, ordered) == 56);
    assert!(offset_of!(XmlRaw, child) == 64);
};

/// An event callback.
pub(crate) type EventFn = unsafe extern "C" fn(*mut EventRaw);

/// A completion: the line, its last word (each NULL or NUL-ended), and where the matches go. The core
/// does not clear that place first.
pub(crate) type CompleteFn =
    unsafe extern "C" fn(*const c_char, *const c_char, *mut *mut MatchesRaw) -> Status;

/// A search function: section, tag, attribute and its value, each NULL or NUL-ended; parameters and
/// user data, each NULL or live. What it returns belongs to the core.
pub(crate) type XmlSearchFn = unsafe extern "C" fn(
    *const c_char,
    *const c_char,
    *const c_char,
    *const c_char,
    *mut EventRaw,
    *mut c_void,
) -> *mut XmlRaw;

/// `SWITCH_XML_SECTION_CONFIG | …_DIRECTORY | …_DIALPLAN`.
pub(crate) const XML_SECTIONS: u32 = 1 | 2 | 4;

/// The head of `switch_event_t`, for walking through its headers.
#[repr(C)]
pub(crate) struct EventHead {
    event_id: c_int,
    priority: c_int,
    owner: *const c_char,
    subclass_name: *const c_char,
    pub(crate) headers: *const EventHeader,
}

const _: () = assert!(offset_of!(EventHead, headers) == 24);

/// `switch_event_header_t`.
#[repr(C)]
pub(crate) struct EventHeader {
    pub(crate) name: *const c_char,
    /// Of several values, all of them in one text.
    pub(crate) value: *const c_char,
    array: *const *const c_char,
    idx: c_int,
    hash: usize,
    pub(crate) next: *const EventHeader,
}

const _: () = {
    assert!(size_of::<EventHeader>() == 48);
    assert!(offset_of!(EventHeader, value) == 8);
    assert!(offset_of!(EventHeader, next) == 40);
};
