//! The application `lcr <number> [<profile>]`.

use fsx_seam::guard::Site;

use super::rows::{Row, leg_variables};
use crate::{
    decision::{self, Asked},
    host::{
        Channel, Session,
        log::{self, Level},
        register,
    },
    policy,
    route::Verdict,
    route_only, world,
};

const COUNT: &str = "lcr_route_count";
const ALL: &str = "lcr_auto_route";
const NUMBERED: [&str; 4] = ["lcr_route_", "lcr_rate_", "lcr_carrier_", "lcr_codec_"];

/// The application.
pub(super) struct Lcr;

impl register::Application for Lcr {
    const NAME: &'static core::ffi::CStr = c"lcr";
    const SHORT: &'static core::ffi::CStr = c"Perform an LCR lookup";
    const LONG: &'static core::ffi::CStr =
        c"Perform an LCR lookup, by fsx: sets lcr_route_1 and so on, lcr_route_count and \
          lcr_auto_route as mod_lcr does.";
    const SYNTAX: &'static core::ffi::CStr = c"<number> [<profile>]";

    fn site() -> &'static Site {
        static SITE: Site = Site::new("app.lcr");
        &SITE
    }

    fn run(session: Session<'_>, data: &str) {
        let mut words = data.split_whitespace();
        let Some(number) = words.next() else { return };
        let Some(world) = world::get() else { return Self::fallback(session) };
        let setup = world.setup();
        let channel = session.channel();
        forget(channel);
        let profile = words.next().unwrap_or_default();
        let order = match setup.config.order(profile) {
            Ok(order) => order,
            Err(_) => {
                log::call(session, Level::Error, &format!("Unknown profile: {profile}"));
                return;
            }
        };
        let asked = Asked {
            number: Some(number),
            profile: order.as_deref().filter(|_| !profile.is_empty()),
            policy: policy::Which::Configured,
        };
        let routing = decision::make(world, &setup, session, asked);
        let Verdict::Route(attempts) = &routing.verdict else {
            channel.set(COUNT, Some("0"));
            return;
        };
        let sell = attempts.sell_price(&routing.facts);
        let mut all = Vec::with_capacity(attempts.len());
        for n in 0..attempts.len() {
            let Some(route) = attempts.get(&routing.facts, n) else { break };
            let more = leg_variables(&route, sell);
            let Some(text) = route_only::dial_string(session, &setup, &routing, attempts, n, &more)
            else {
                continue;
            };
            let row = Row::new(&route, text);
            let values = [&row.dial_string, &row.rate, &row.carrier, &row.codec];
            for (name, value) in NUMBERED.iter().zip(values) {
                channel.set(&format!("{name}{}", all.len() + 1), Some(value));
            }
            all.push(row.dial_string);
        }
        channel.set(COUNT, Some(&all.len().to_string()));
        channel.set(ALL, Some(&all.join("|")));
        super::import(channel);
    }

    fn fallback(session: Session<'_>) {
        forget(session.channel());
    }
}

/// mod_lcr leaves an earlier call's routes in place when a lookup fails; then they are dialled.
fn forget(channel: Channel<'_>) {
    route_only::forget(channel, &NUMBERED, COUNT);
    channel.set(COUNT, None);
    channel.set(ALL, None);
}
