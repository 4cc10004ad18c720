//! The dialplan `lcr`: the context is the profile, as in mod_lcr.
//!
//! The extension dials with `fsx_bridge`, so that busy stops, caps hold and every attempt is
//! recorded; the leg that answers still brings `lcr_carrier` and `lcr_rate` to the caller's.

use fsx_seam::guard::Site;

use crate::{
    dialplan,
    host::{Session, dialplan::Extension, register},
    world,
};

/// The dialplan.
pub(super) struct Lcr;

impl register::Dialplan for Lcr {
    const NAME: &'static core::ffi::CStr = c"lcr";

    fn site() -> &'static Site {
        static SITE: Site = Site::new("dialplan.lcr");
        &SITE
    }

    fn hunt(session: Session<'_>, _argument: &str) -> Option<Extension> {
        let world = world::get()?;
        let channel = session.channel();
        let context = channel.profile_field("context").unwrap_or_default();
        let extension = dialplan::extension(world, session, &context)?;
        super::import(channel);
        Some(extension)
    }
}
