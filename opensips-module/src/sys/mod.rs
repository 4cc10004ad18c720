//! What OpenSIPS' C looks like from here: only the types that this module hands over or is handed.
//!
//! Declared by us from the published interface, never generated, and as little as can be: a SIP
//! message, a pseudo-variable's innards and an MI item are opaque, so that the releases may change
//! them. The sizes below are those of every release in [`crate::release`]; the build checks
//! them against the true headers where those are installed (`include/opensips/layout.c`).

use core::ffi::{c_char, c_int, c_uint, c_ushort, c_void};

/// `struct sip_msg`: its layout moved in 3.5, 3.6 and 4.0, so nothing here looks inside.
#[repr(C)]
pub struct SipMsg {
    _opaque: [u8; 0],
}

/// `mi_item_t` and `mi_response_t` (a cJSON node).
#[repr(C)]
pub struct MiItem {
    _opaque: [u8; 0],
}

/// `mi_params_t`.
#[repr(C)]
pub struct MiParams {
    _opaque: [u8; 0],
}

/// `pv_spec_t`: grew in 3.6.7, so it lives in a buffer with room to spare.
#[repr(C)]
pub struct PvSpec {
    _opaque: [u8; 0],
}

/// `pv_param_t`: only ever passed back to the host.
#[repr(C)]
pub struct PvParam {
    _opaque: [u8; 0],
}

/// `pv_elem_t`: a parsed format.
#[repr(C)]
pub struct PvElem {
    _opaque: [u8; 0],
}

/// `str`: bytes and a length, not ended by NUL.
#[repr(C)]
#[derive(Clone, Copy, Debug)]
pub struct Str {
    /// First byte, or null.
    pub s: *mut c_char,
    /// How many.
    pub len: c_int,
}

/// `pv_value_t`.
#[repr(C)]
#[derive(Clone, Copy, Debug)]
pub struct PvValue {
    /// The text.
    pub rs: Str,
    /// The number.
    pub ri: c_int,
    /// `PV_VAL_*`.
    pub flags: c_int,
}

/// `PV_VAL_NULL`.
pub const PV_VAL_NULL: c_int = 1;
/// `PV_VAL_STR`.
pub const PV_VAL_STR: c_int = 4;
/// `PV_VAL_INT`.
pub const PV_VAL_INT: c_int = 8;

/// Assignment (`EQ_T` of the script language): what `pv_set_value` takes as its operator. The
/// setters of pseudo-variables ignore every other one.
pub const OP_ASSIGN: c_int = 0;

/// `cmd_function`.
pub type CmdFunction = unsafe extern "C" fn(
    *mut SipMsg,
    *mut c_void,
    *mut c_void,
    *mut c_void,
    *mut c_void,
    *mut c_void,
    *mut c_void,
    *mut c_void,
    *mut c_void,
) -> c_int;

/// `struct cmd_param`.
#[repr(C)]
#[derive(Clone, Copy)]
pub struct CmdParam {
    /// `CMD_PARAM_*`; 0 ends the list.
    pub flags: c_int,
    /// Not used by us.
    pub fixup: *const c_void,
    /// Not used by us.
    pub free_fixup: *const c_void,
}

/// `CMD_PARAM_INT`.
pub const CMD_PARAM_INT: c_int = 1;
/// `CMD_PARAM_STR`.
pub const CMD_PARAM_STR: c_int = 2;
/// `CMD_PARAM_OPT`.
pub const CMD_PARAM_OPT: c_int = 16;

/// `cmd_export_t`.
#[repr(C)]
#[derive(Clone, Copy)]
pub struct CmdExport {
    /// Null ends the table.
    pub name: *const c_char,
    /// The function.
    pub function: Option<CmdFunction>,
    /// At most eight, ended by one with no flags.
    pub params: [CmdParam; 9],
    /// Routes it may stand in.
    pub flags: c_int,
}

/// Request, failure, branch, local, start-up, timer and event routes.
pub const ROUTES_DECIDE: c_int = 1 | 2 | 8 | 32 | 64 | 128 | 256;

/// `param_export_t`.
#[repr(C)]
pub struct ParamExport {
    /// Null ends the table.
    pub name: *const c_char,
    /// `STR_PARAM` or `INT_PARAM`, with `USE_FUNC_PARAM` where `pointer` is a function.
    pub kind: c_uint,
    /// Where the value goes.
    pub pointer: *mut c_void,
}

/// `STR_PARAM`.
pub const STR_PARAM: c_uint = 1;
/// `INT_PARAM`.
pub const INT_PARAM: c_uint = 2;
/// `USE_FUNC_PARAM`.
pub const USE_FUNC_PARAM: c_uint = 1 << 31;

/// `param_func_t`.
pub type ParamFunction = unsafe extern "C" fn(c_uint, *mut c_void) -> c_int;

/// `stat_export_t`.
#[repr(C)]
pub struct StatExport {
    /// Null ends the table.
    pub name: *const c_char,
    /// `STAT_*`.
    pub flags: c_ushort,
    /// With `STAT_IS_FUNC`, a [`StatFunction`].
    pub pointer: *const c_void,
}

/// `STAT_IS_FUNC`: the value is computed when it is asked for.
pub const STAT_IS_FUNC: c_ushort = 8;

/// `stat_function`.
pub type StatFunction = unsafe extern "C" fn(*mut c_void) -> core::ffi::c_ulong;

/// `pv_export_t`.
#[repr(C)]
pub struct PvExport {
    /// Class name; a null text ends the table.
    pub name: Str,
    /// Any number from 1000 up.
    pub kind: c_int,
    /// Reads the value.
    pub getf: Option<unsafe extern "C" fn(*mut SipMsg, *mut PvParam, *mut PvValue) -> c_int>,
    /// Read-only when null.
    pub setf: *const c_void,
    /// Reads the name in brackets.
    pub parse_name: Option<unsafe extern "C" fn(*mut PvSpec, *const Str) -> c_int>,
    /// No index when null.
    pub parse_index: *const c_void,
    /// Not used by us.
    pub init_param: *const c_void,
    /// Not used by us.
    pub iparam: c_int,
}

/// `proc_export_t`.
#[repr(C)]
pub struct ProcExport {
    /// Null ends the table.
    pub name: *const c_char,
    /// Not used by us.
    pub pre_fork: *const c_void,
    /// Not used by us.
    pub post_fork: *const c_void,
    /// The process' life; the host exits it on return.
    pub function: Option<unsafe extern "C" fn(c_int)>,
    /// How many such processes.
    pub number: c_uint,
    /// `PROC_FLAG_*`.
    pub flags: c_uint,
}

/// `mi_cmd_f`.
pub type MiFunction = unsafe extern "C" fn(*const MiParams, *mut c_void) -> *mut MiItem;

/// `ipc_rpc_f`: work done in another process.
pub type RpcFunction = unsafe extern "C" fn(c_int, *mut c_void);

/// `init_f`, `preinit_f`.
pub type InitFunction = unsafe extern "C" fn() -> c_int;

/// `child_init_f`.
pub type ChildInitFunction = unsafe extern "C" fn(c_int) -> c_int;

// The 64-bit sizes measured against the headers of every known release. Another word size has not
// been measured, so it does not build.
const _: () = {
    assert!(size_of::<usize>() == 8);
    assert!(size_of::<Str>() == 16);
    assert!(size_of::<PvValue>() == 24);
    assert!(size_of::<CmdParam>() == 24);
    assert!(size_of::<CmdExport>() == 240);
    assert!(size_of::<ParamExport>() == 24);
    assert!(size_of::<StatExport>() == 24);
    assert!(size_of::<PvExport>() == 72);
    assert!(size_of::<ProcExport>() == 40);
};
