//! Functions: exported by the running libfreeswitch, found by the loader when it opens the module.
//!
//! FreeSWITCH opens modules with `RTLD_NOW`, so one name that a release lacks keeps the whole
//! module out: every function here is exported by 1.10.0 and later. Newer ones are asked for by
//! name at run time (`host::late`).

use core::ffi::{c_char, c_int, c_uint, c_void};

use super::types::*;

// Unit tests are programs: they need the names, so they get the stand-in's (never called there).
#[cfg(test)]
#[link(name = "fsx_freeswitch_stand_in", kind = "static")]
unsafe extern "C" {}

unsafe extern "C" {
    // Module and registration. Names handed over are kept by pointer.
    pub(crate) fn switch_loadable_module_create_module_interface(
        pool: *mut PoolRaw,
        name: *const c_char,
    ) -> *mut ModuleInterfaceRaw;
    pub(crate) fn switch_loadable_module_create_interface(
        module: *mut ModuleInterfaceRaw,
        kind: c_int,
    ) -> *mut c_void;
    pub(crate) fn switch_core_add_state_handler(table: *const StateHandlers) -> c_int;
    pub(crate) fn switch_console_set_complete(text: *const c_char) -> Status;
    pub(crate) fn switch_console_add_complete_func(
        name: *const c_char,
        callback: CompleteFn,
    ) -> Status;
    pub(crate) fn switch_console_push_match(matches: *mut *mut MatchesRaw, word: *const c_char);
    pub(crate) fn switch_event_bind_removable(
        id: *const c_char,
        event: c_int,
        subclass: *const c_char,
        callback: Option<EventFn>,
        user_data: *mut c_void,
        node: *mut *mut EventNodeRaw,
    ) -> Status;

    pub(crate) fn switch_loadable_module_exists(name: *const c_char) -> Status;

    // The core.
    pub(crate) fn switch_log_printf(
        channel: c_int,
        file: *const c_char,
        func: *const c_char,
        line: c_int,
        userdata: *const c_char,
        level: c_int,
        format: *const c_char,
        ...
    );
    pub(crate) fn switch_core_get_hostname() -> *const c_char;
    pub(crate) fn switch_micro_time_now() -> i64;
    pub(crate) fn switch_version_full() -> *const c_char;

    // Sessions and channels.
    pub(crate) fn switch_core_session_get_channel(session: *mut SessionRaw) -> *mut ChannelRaw;
    pub(crate) fn switch_core_session_get_uuid(session: *mut SessionRaw) -> *const c_char;
    pub(crate) fn switch_core_session_rwunlock(session: *mut SessionRaw);
    pub(crate) fn switch_channel_get_variable_dup(
        channel: *mut ChannelRaw,
        name: *const c_char,
        dup: c_int,
        index: c_int,
    ) -> *const c_char;
    pub(crate) fn switch_channel_set_variable_var_check(
        channel: *mut ChannelRaw,
        name: *const c_char,
        value: *const c_char,
        check: c_int,
    ) -> Status;
    pub(crate) fn switch_channel_get_caller_profile(
        channel: *mut ChannelRaw,
    ) -> *mut CallerProfileRaw;
    pub(crate) fn switch_caller_get_field_by_name(
        profile: *mut CallerProfileRaw,
        name: *const c_char,
    ) -> *const c_char;
    pub(crate) fn switch_channel_test_flag(channel: *mut ChannelRaw, flag: c_int) -> u32;
    pub(crate) fn switch_channel_test_ready(
        channel: *mut ChannelRaw,
        check_ready: c_int,
        check_media: c_int,
    ) -> c_int;
    pub(crate) fn switch_channel_get_cause(channel: *mut ChannelRaw) -> c_int;
    pub(crate) fn switch_channel_cause2str(cause: c_int) -> *const c_char;
    pub(crate) fn switch_channel_handle_cause(channel: *mut ChannelRaw, cause: c_int);

    // Dialplan.
    pub(crate) fn switch_caller_extension_new(
        session: *mut SessionRaw,
        name: *const c_char,
        number: *const c_char,
    ) -> *mut CallerExtensionRaw;
    pub(crate) fn switch_caller_extension_add_application(
        session: *mut SessionRaw,
        extension: *mut CallerExtensionRaw,
        application: *const c_char,
        data: *const c_char,
    );

    // Calling out and joining. `originate` returns the new leg read-locked.
    pub(crate) fn switch_ivr_originate(
        session: *mut SessionRaw,
        new_leg: *mut *mut SessionRaw,
        cause: *mut c_int,
        dial_string: *const c_char,
        time_limit_s: u32,
        table: *const StateHandlers,
        caller_name: *const c_char,
        caller_number: *const c_char,
        profile: *mut CallerProfileRaw,
        variables: *mut EventRaw,
        flags: c_uint,
        cancel_cause: *mut c_int,
        handle: *mut DialHandleRaw,
    ) -> Status;
    pub(crate) fn switch_ivr_multi_threaded_bridge(
        session: *mut SessionRaw,
        peer: *mut SessionRaw,
        on_input: *const c_void,
        session_data: *mut c_void,
        peer_data: *mut c_void,
    ) -> Status;

    // Events.
    pub(crate) fn switch_event_create_subclass_detailed(
        file: *const c_char,
        func: *const c_char,
        line: c_int,
        event: *mut *mut EventRaw,
        id: c_int,
        subclass: *const c_char,
    ) -> Status;
    pub(crate) fn switch_event_add_header_string(
        event: *mut EventRaw,
        stack: c_int,
        name: *const c_char,
        value: *const c_char,
    ) -> Status;
    pub(crate) fn switch_event_fire_detailed(
        file: *const c_char,
        func: *const c_char,
        line: c_int,
        event: *mut *mut EventRaw,
        user_data: *mut c_void,
    ) -> Status;
    pub(crate) fn switch_event_destroy(event: *mut *mut EventRaw);
    pub(crate) fn switch_name_event(name: *const c_char, id: *mut c_int) -> Status;

    // Configuration.
    pub(crate) fn switch_xml_open_cfg(
        file: *const c_char,
        node: *mut *const XmlRaw,
        params: *mut EventRaw,
    ) -> *mut XmlRaw;
    pub(crate) fn switch_xml_reload(error: *mut *const c_char) -> Status;
    pub(crate) fn switch_xml_free(root: *mut XmlRaw);

    // Look-ups.
    pub(crate) fn switch_xml_bind_search_function_ret(
        function: XmlSearchFn,
        sections: c_uint,
        user_data: *mut c_void,
        binding: *mut *mut XmlBindingRaw,
    ) -> Status;
    pub(crate) fn switch_xml_parse_str_dynamic(text: *mut c_char, copy: c_int) -> *mut XmlRaw;
    pub(crate) fn switch_xml_error(root: *mut XmlRaw) -> *const c_char;
}
