//! Asking the daemon's policy to improve a plan that is already in hand.
//!
//! Only where the configuration or the dialplan says so, only up to the deadline, and never for an emergency call
//! or one that a dialling rule or the spend limit forbids. Whatever goes wrong, the plan in hand
//! stands, and the record says `fallback`.

use std::collections::BTreeMap;

use fsx_core::Reject;
use fsx_seam::{
    clock::Deadline,
    log::{Level, OnceAMinute},
};
use fsx_wire::message::Verdict as Word;

use crate::{
    events,
    host::Channel,
    route::{Attempts, Routing, Verdict},
    stats::count,
    vars,
    world::{Setup, World},
};

/// Channel variables that the policy wants set.
pub(crate) type Vars = BTreeMap<String, String>;

/// Whom to ask.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub(crate) enum Which<'a> {
    /// Whom the configuration says, the task being the one that the leg's variable names.
    #[default]
    Configured,
    /// This task or policy, whatever the configuration says.
    Named(&'a str),
}

/// Asks `which`; changes `routing` by the answer.
pub(crate) fn improve(
    world: &World,
    setup: &Setup,
    channel: Channel<'_>,
    which: Which<'_>,
    routing: &mut Routing,
) -> Vars {
    if !is_asked(setup, which, routing) {
        return Vars::new();
    }
    let Some(asker) = &setup.asker else {
        if let Which::Named(_) = which {
            routing.decided_by = "fallback";
        }
        return Vars::new();
    };
    let config = &setup.config;
    let mut facts = routing.facts.to_wire();
    facts.vars = vars::collect(channel, &config.policy_variables);
    let task = match (which, config.names.task.as_str()) {
        (Which::Named(task), _) => task.to_owned(),
        (_, "") => String::new(),
        (_, name) => channel.var(name).unwrap_or_default(),
    };
    count(&world.stats.policy_asked);
    let deadline = Deadline::after_ms(config.policy_timeout_ms);
    let answer = asker.decide(facts, &task, deadline);
    events::policy(routing, &task, deadline.waited_ms(), &answer);
    match answer {
        Ok(decision) => {
            routing.decided_by = "policy";
            routing.policy_version = Some(decision.policy_version);
            match decision.verdict {
                Word::Keep => {}
                Word::Route { answer } => {
                    if answer.generation != 0 {
                        routing.generation = answer.generation;
                    }
                    // A script that names no number gets it back as dialled; the engine knew better.
                    if !answer.number.is_empty() && answer.number != routing.facts.called {
                        routing.number = Some(answer.number);
                    }
                    routing.verdict = Verdict::Route(Attempts::given(answer.routes));
                }
                Word::Reject { cause, reason } => {
                    routing.verdict = Verdict::Reject { cause, reason, why: None };
                }
            }
            decision.vars
        }
        Err(error) => {
            static SAID: OnceAMinute = OnceAMinute::new();
            count(&world.stats.policy_late);
            routing.decided_by = "fallback";
            SAID.write(
                Level::Warning,
                format_args!(
                    "fsx: policy not asked with success, the plan in hand is used: {error}"
                ),
            );
            Vars::new()
        }
    }
}

fn is_asked(setup: &Setup, which: Which<'_>, routing: &Routing) -> bool {
    let forbidden = matches!(
        routing.verdict,
        Verdict::Reject { why: Some(Reject::Blocked { .. } | Reject::SpendLimit), .. }
    );
    let wanted = match which {
        Which::Configured => setup.config.policy.applies(routing.facts.org),
        Which::Named(_) => true,
    };
    wanted && !routing.emergency && !forbidden
}
