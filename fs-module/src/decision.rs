//! A decision for a leg, as every application makes it: facts, the plan in hand, perhaps a policy,
//! and what the leg is told of it.
//!
//! Applications differ in what they do with the answer only, so that `fsx_bridge`, `fsx_route`,
//! `fsx_policy` and `lcr` cannot disagree about a call.

use crate::{
    events,
    host::{
        Channel, Session,
        log::{self, Level},
    },
    policy,
    route::{self, Routing, Verdict},
    vars::{Facts, out},
    world::{Setup, World},
};

/// Version of the policy bundle that decided.
pub(crate) const POLICY_VERSION: &str = "fsx_policy_version";

/// What is asked for.
#[derive(Clone, Copy, Default)]
pub(crate) struct Asked<'a> {
    /// The number, where the application names it; else it is the leg's.
    pub(crate) number: Option<&'a str>,
    /// The profile, where the application names it.
    pub(crate) profile: Option<&'a str>,
    /// Whom to ask besides the data.
    pub(crate) policy: policy::Which<'a>,
}

/// Decides for `session` and tells its leg, the log, the counters and whoever listens to events.
pub(crate) fn make(
    world: &World,
    setup: &Setup,
    session: Session<'_>,
    asked: Asked<'_>,
) -> Routing {
    let channel = session.channel();
    let at = fsx_seam::clock::utc_s();
    let uuid = session.uuid();
    let mut facts = Facts::of_call(&setup.config, channel, asked.number, uuid, at);
    if let Some(profile) = asked.profile {
        facts.profile = Some(profile.to_owned());
    }
    let mut routing = route::local(world, &setup.config, facts);
    let vars = policy::improve(world, setup, channel, asked.policy, &mut routing);
    for (name, value) in &vars {
        channel.set(name, Some(value));
    }
    route::note(&world.stats, &routing);
    announce(session, channel, &routing);
    events::route(&routing);
    routing
}

fn announce(session: Session<'_>, channel: Channel<'_>, routing: &Routing) {
    channel.set(out::DECISION, Some(routing.decision()));
    channel.set(out::DECIDED_BY, Some(routing.decided_by));
    channel.set(out::GENERATION, Some(&routing.generation.to_string()));
    // What the event socket's policy left there stays, where no other decided.
    if routing.policy_version.is_some() {
        channel.set(POLICY_VERSION, routing.policy_version.as_deref());
    }
    let facts = &routing.facts;
    let line = match &routing.verdict {
        Verdict::Route(attempts) => {
            channel.set(out::CAUSE, None);
            channel.set(out::REASON, None);
            format!(
                "fsx: {} of org {}: {} attempts, generation {}, {}",
                facts.called,
                facts.org,
                attempts.len(),
                routing.generation,
                routing.decided_by
            )
        }
        Verdict::Reject { cause, reason, .. } => {
            channel.set(out::CAUSE, Some(&crate::host::Cause::q850(*cause).name()));
            channel.set(out::REASON, Some(reason));
            format!(
                "fsx: {} of org {}: refused with cause {cause}: {reason}, generation {}, {}",
                facts.called, facts.org, routing.generation, routing.decided_by
            )
        }
    };
    log::call(session, Level::Info, &line);
}
