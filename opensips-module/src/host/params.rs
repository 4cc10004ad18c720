//! Where OpenSIPS puts `modparam` values, before `mod_init` looks at them.
//!
//! OpenSIPS itself refuses unknown names and wrong types. It writes plain values straight to memory
//! and calls a function for those that may be given again and again; nothing is judged here, so that
//! [`crate::config`] can name everything that is wrong in one place.

use core::{
    ffi::{c_char, c_int, c_uint, c_void},
    sync::atomic::{AtomicI32, AtomicPtr, Ordering::Relaxed},
};
use std::sync::Mutex;

use super::pv::c_text;
use crate::{
    config::Raw,
    sys::{INT_PARAM, ParamExport, STR_PARAM, USE_FUNC_PARAM},
};

macro_rules! params {
    (text { $($text:ident: $text_name:literal,)* } number { $($number:ident: $number_name:literal = $default:literal,)* }) => {
        $(static $text: AtomicPtr<c_char> = AtomicPtr::new(core::ptr::null_mut());)*
        $(static $number: AtomicI32 = AtomicI32::new($default);)*

        /// The table for the host, without its end.
        pub(super) fn table() -> Vec<ParamExport> {
            vec![
                $(ParamExport {
                    name: $text_name.as_ptr(),
                    kind: STR_PARAM,
                    pointer: $text.as_ptr().cast::<c_void>(),
                },)*
                $(ParamExport {
                    name: $number_name.as_ptr(),
                    kind: INT_PARAM,
                    pointer: $number.as_ptr().cast::<c_void>(),
                },)*
                ParamExport {
                    name: c"gateway".as_ptr(),
                    kind: STR_PARAM | USE_FUNC_PARAM,
                    pointer: gateway as *mut c_void,
                },
            ]
        }
    };
}

params! {
    text {
        SNAPSHOT: c"snapshot",
        LIVE: c"live",
        DATA_CENTRE: c"data_centre",
        HOME_COUNTRY: c"home_country",
        NUMBER_VAR: c"number_var",
        CALLER_VAR: c"caller_var",
        ORG_VAR: c"org_var",
        CALL_ID_VAR: c"call_id_var",
        COUNTRY_VAR: c"country_var",
        PLAN_AVP: c"plan_avp",
        DESTINATION: c"destination",
        EMERGENCY_NUMBERS: c"emergency_numbers",
        EMERGENCY_DESTINATION: c"emergency_destination",
    }
    number {
        DEFAULT_ORG: c"default_org" = 0,
        MAX_ATTEMPTS: c"max_attempts" = 0,
        CHECK_INTERVAL_MS: c"check_interval_ms" = 500,
        SOFIA_URIS: c"sofia_uris" = 0,
    }
}

static GATEWAYS: Mutex<Vec<String>> = Mutex::new(Vec::new());

static GATEWAY_SITE: fsx_seam::guard::Site = fsx_seam::guard::Site::new("param.gateway");

/// `param_func_t` of `gateway`, which may be given once a gateway.
unsafe extern "C" fn gateway(_kind: c_uint, value: *mut c_void) -> c_int {
    fsx_seam::guard::guarded(&GATEWAY_SITE, -1, || {
        // SAFETY: for a parameter of text the host passes a C string.
        let text = unsafe { c_text(value.cast()) }.unwrap_or_default();
        match GATEWAYS.lock() {
            Ok(mut gateways) => {
                gateways.push(String::from_utf8_lossy(text).into_owned());
                0
            }
            Err(_) => -1,
        }
    })
}

fn text(place: &AtomicPtr<c_char>) -> Option<String> {
    // SAFETY: null, or the C string that the host wrote, which it keeps for as long as it lives.
    let text = unsafe { c_text(place.load(Relaxed)) }?;
    Some(String::from_utf8_lossy(text).into_owned())
}

/// What the script set.
pub(crate) fn read() -> Raw {
    Raw {
        snapshot: text(&SNAPSHOT),
        live: text(&LIVE),
        data_centre: text(&DATA_CENTRE),
        home_country: text(&HOME_COUNTRY),
        number_var: text(&NUMBER_VAR),
        caller_var: text(&CALLER_VAR),
        org_var: text(&ORG_VAR),
        call_id_var: text(&CALL_ID_VAR),
        country_var: text(&COUNTRY_VAR),
        plan_avp: text(&PLAN_AVP),
        destination: text(&DESTINATION),
        emergency_numbers: text(&EMERGENCY_NUMBERS),
        emergency_destination: text(&EMERGENCY_DESTINATION),
        gateways: GATEWAYS.lock().map(|gateways| gateways.clone()).unwrap_or_default(),
        default_org: DEFAULT_ORG.load(Relaxed),
        max_attempts: MAX_ATTEMPTS.load(Relaxed),
        check_interval_ms: CHECK_INTERVAL_MS.load(Relaxed),
        sofia_uris: SOFIA_URIS.load(Relaxed),
    }
}
