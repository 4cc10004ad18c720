//! mod_lcr's names over fsx's decisions, so that a dialplan written for that module runs unchanged.
//!
//! Application, dialplan and commands keep their names, arguments, variables and print. Answers are
//! the engine's: longest prefix for each carrier, health, caps. Where mod_lcr's own ways harm a
//! call (stale routes after a failed lookup, XML that is none, values that break a dial string)
//! they are not kept; `docs/freeswitch.md` lists them.
//!
//! The names are taken only where `mod-lcr-names` says so, and never from mod_lcr itself.

mod admin;
mod api;
mod app;
mod dialplan;
mod rows;

pub(crate) use rows::leg_variables;

use fsx_seam::log;

use crate::{
    host::{core, register::Registrar},
    world::World,
};

/// Registers the names, if they are wanted and free.
pub(crate) fn register(registrar: &Registrar, world: &World) {
    if !world.setup().config.mod_lcr_names {
        return;
    }
    if core::has_module("mod_lcr") {
        log::warning(format_args!(
            "fsx: mod_lcr is loaded: its names lcr and lcr_admin are left to it; take it out of \
             modules.conf.xml for mod-lcr-names to take effect"
        ));
        return;
    }
    registrar.api::<api::Lcr>(&[]);
    registrar.api::<admin::LcrAdmin>(&["show profiles"]);
    registrar.application::<app::Lcr>();
    registrar.dialplan::<dialplan::Lcr>();
}

/// What mod_lcr adds to `import`, so that the caller's leg learns of the carrier that answered.
const IMPORTED: &str = "lcr_carrier,lcr_rate,lcr_user_rate";

/// Adds it as mod_lcr does: after what is there, once.
fn import(channel: crate::host::Channel<'_>) {
    match channel.var("import").filter(|names| !names.is_empty()) {
        None => channel.set("import", Some(IMPORTED)),
        Some(names) if names.contains(IMPORTED) => {}
        Some(names) => channel.set("import", Some(&format!("{names},{IMPORTED}"))),
    }
}
