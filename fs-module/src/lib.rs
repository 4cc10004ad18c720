//! fsx inside FreeSWITCH: `mod_fsx.so`.
//!
//! The switch has an answer before it asks anyone: calls are decided here, from a snapshot in
//! memory, and everything else (the daemon, its policies, its records) improves that inside a
//! deadline. What FreeSWITCH sees of us, in the order it calls it:
//!
//! 1. [`mod_fsx_module_interface`], the table it looks for; `load` registers the rest.
//! 2. Housekeeping on the module's own thread: [`housekeeping`].
//! 3. The dialplan `fsx`: [`dialplan`]. The applications `fsx_bridge`: [`bridge`], `fsx_route` and
//!    `fsx_policy`: [`route_only`], and mod_lcr's names where they are wanted: [`lcr`].
//! 4. The end of every leg: [`record`].
//! 5. FreeSWITCH's XML look-ups, where they are bound: [`xml`].
//! 6. The API `fsx …`: [`api`].
//!
//! A call's way through the rooms: [`vars`] reads its facts, [`route`] decides, [`policy`] may
//! improve, [`attempt`] dials, [`calls`] remembers until [`record`] tells.
//!
//! The module is never unloaded: data and configuration are reloaded by command, new code by a
//! restart. Unsafe code is in `sys` and `host` only.

#![deny(unsafe_code)]

mod allowlist;
mod api;
mod attempt;
mod bill;
mod bridge;
mod calls;
mod config;
mod decision;
mod dialled;
mod dialplan;
mod dialstring;
mod events;
mod health;
#[allow(unsafe_code)]
mod host;
mod housekeeping;
mod lcr;
mod live;
mod measure;
mod passive;
mod policy;
mod record;
mod route;
mod route_only;
mod stats;
#[allow(unsafe_code)]
mod sys;
mod vars;
mod waiting;
mod world;
mod xml;

use fsx_seam::{guard, log};
use host::register::{self, Registrar};

/// What was built: release and commit.
pub(crate) const BUILD_ID: &str = env!("FSX_BUILD_ID");

struct Fsx;

impl register::Module for Fsx {
    const NAME: &'static core::ffi::CStr = c"mod_fsx";
    type Housekeeping = housekeeping::Housekeeping;

    fn prepare() {
        log::set_host_log(host::log::seam);
        guard::install_panic_hook();
        guard::arm_from_env();
    }

    fn load_site() -> &'static guard::Site {
        static SITE: guard::Site = guard::Site::new("load");
        &SITE
    }

    fn load(registrar: &Registrar) {
        registrar.completion::<api::GatewayIds>();
        registrar.api::<api::Fsx>(api::COMPLETIONS);
        registrar.application::<bridge::Bridge>();
        registrar.application::<route_only::RouteOnly>();
        registrar.application::<route_only::ByPolicy>();
        registrar.dialplan::<dialplan::Dialplan>();
        registrar.leg_end::<record::LegEnd>();
        registrar.core_shutdown::<housekeeping::CoreShutdown>();
        let world = world::make();
        xml::bind(&world.setup().config);
        lcr::register(registrar, world);
        allowlist::check();
        log::notice(format_args!(
            "fsx {BUILD_ID} loaded into FreeSWITCH {}, generation {}",
            host::core::version(),
            world.generation(),
        ));
    }
}

/// The table that FreeSWITCH's loader looks for, named after the file.
#[allow(unsafe_code)] // The name is ours alone: FreeSWITCH makes it from the file's.
#[unsafe(no_mangle)]
#[allow(non_upper_case_globals)] // The loader's spelling.
#[allow(private_interfaces)] // For C alone.
pub static mod_fsx_module_interface: sys::FunctionTable = register::function_table::<Fsx>();
