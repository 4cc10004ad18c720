//! The dialplan `fsx`: alone, with a profile (`fsx:premium`), or in a list such as `fsx,XML`.
//!
//! Calls that are ours get an extension of two steps: `fsx_bridge`, which decides and dials, and a
//! hangup with its cause, so that no call ends as an ordinary clearing that was never routed. What
//! is not a number that anybody sells goes to the next dialplan; when there is none, FreeSWITCH
//! itself ends the call with `NO_ROUTE_DESTINATION`.

use fsx_core::Reject;
use fsx_seam::guard::Site;

use crate::{
    host::{
        Session,
        dialplan::Extension,
        log::{self, Level},
        register,
    },
    route::{self, Verdict},
    vars::{Facts, out},
    world,
};

/// The dialplan.
pub(crate) struct Dialplan;

impl register::Dialplan for Dialplan {
    const NAME: &'static core::ffi::CStr = c"fsx";

    fn site() -> &'static Site {
        static SITE: Site = Site::new("dialplan.fsx");
        &SITE
    }

    fn hunt(session: Session<'_>, argument: &str) -> Option<Extension> {
        extension(world::get()?, session, argument)
    }
}

/// The extension of a call that is ours, its carriers in the order of `profile` (empty: nobody asks
/// for one).
pub(crate) fn extension(
    world: &world::World,
    session: Session<'_>,
    profile: &str,
) -> Option<Extension> {
    let setup = world.setup();
    let config = &setup.config;
    let channel = session.channel();
    if !profile.is_empty() {
        if let Err(problem) = config.order(profile) {
            log::call(session, Level::Error, &format!("fsx: profile: {problem}"));
            return None;
        }
        if !config.names.profile.is_empty() {
            channel.set(&config.names.profile, Some(profile));
        }
    }
    let at = fsx_seam::clock::utc_s();
    let facts = Facts::of_call(config, channel, None, session.uuid(), at);
    let number = facts.called.clone();
    if number.is_empty() || !is_ours(world, config, facts) {
        return None;
    }
    let mut extension = Extension::new(session, "fsx", &number)?;
    extension.add(session, "fsx_bridge", "");
    extension.add(session, "hangup", &format!("${{{}}}", out::CAUSE));
    Some(extension)
}

fn is_ours(world: &world::World, config: &crate::config::Config, facts: Facts) -> bool {
    let looks_dialled =
        facts.called.bytes().all(|b| b.is_ascii_digit() || matches!(b, b'+' | b'*' | b'#'));
    let asks_policy = config.policy.applies(facts.org);
    // One gateway says as well as eight that there are some; fsx_bridge makes the whole plan.
    let routing = route::local(world, config, Facts { max_attempts: 1, ..facts });
    match routing.verdict {
        Verdict::Route(_) => true,
        _ if routing.emergency => true,
        // A policy may know numbers that no carrier sells.
        _ if asks_policy && looks_dialled => true,
        Verdict::Reject { why, .. } => {
            !matches!(why, None | Some(Reject::InvalidNumber | Reject::NoRoute))
        }
    }
}
