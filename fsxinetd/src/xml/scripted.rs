//! Asking a policy: the platform's, or the organisation's that a dialplan's call belongs to.
//!
//! It runs in the `route` phase with that phase's budget: a look-up is waited for by a call's thread.

use std::sync::Arc;
use std::time::Duration;

use fsx_wire::message::WireFacts;
use fsx_wire::xml::XmlQuery;

use crate::config;
use crate::policy::{Call, Engine, Phase};

/// The parameter that says whose call a dialplan look-up is about.
const ORG: &str = "variable_rmOrgID";

/// The document that the policy gives; `None` where it gives none.
pub(super) async fn ask(
    engine: &Engine,
    section: &config::XmlSection,
    query: &XmlQuery,
) -> Result<Option<String>, String> {
    let first = |names: [&str; 2]| names.into_iter().find_map(|name| query.param(name));
    let facts = WireFacts {
        call_id: first(["Unique-ID", "Channel-Call-UUID"]).unwrap_or_default().to_owned(),
        called: first(["Hunt-Destination-Number", "Caller-Destination-Number"])
            .unwrap_or_default()
            .to_owned(),
        caller: first(["Hunt-Caller-ID-Number", "Caller-Caller-ID-Number"]).map(str::to_owned),
        org: query.param(ORG).and_then(|org| org.trim().parse().ok()).unwrap_or(0),
        ..WireFacts::default()
    };
    let (task, look_up) = (section.policy.clone(), Some(Arc::new(query.clone())));
    let call = Arc::new(Call { facts, task, look_up, ..Call::default() });
    let within = Duration::from_millis(section.timeout_ms.into());
    match engine.run(Phase::Route, call, within).await {
        Ok(outcome) => Ok(outcome.xml),
        Err(failure) => Err(format!("policy {:?}: {failure}", section.policy)),
    }
}
