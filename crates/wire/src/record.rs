//! The call record: one a call, with every attempt.
//!
//! A module makes it at hangup and hands it to the daemon, or appends it as one line of JSON to its
//! spool file when the daemon is away. The `id` is made once, in the switch, so that a record that
//! travels twice is stored once.

use serde::{Deserialize, Serialize};

use crate::message::WireFacts;

/// Everything that billing, quality and support need to know of one call.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct CallRecord {
    /// Unique and stable: the same call's record has the same id wherever it travels.
    pub id: String,
    /// `freeswitch` or `opensips`.
    pub switch: String,
    /// Host that the switch runs on.
    pub host: String,
    /// What the decision was made from.
    pub facts: WireFacts,
    /// Generation of the routing data used; 0 where there was none.
    pub generation: u64,
    /// Who decided: `local`, `policy` or `fallback` (asked the policy, went on without it).
    pub decided_by: String,
    /// Version of the policy bundle, where one decided.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub policy_version: Option<String>,
    /// The number in E.164, where it could be made out.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub number: Option<String>,
    /// `route` or `reject`.
    pub decision: String,
    /// An emergency call.
    #[serde(default)]
    pub emergency: bool,
    /// Every gateway tried, in order.
    pub attempts: Vec<AttemptRecord>,
    /// When the call began, milliseconds since 1970 UTC.
    pub started_ms: i64,
    /// When it was answered.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub answered_ms: Option<i64>,
    /// When it ended.
    pub ended_ms: i64,
    /// Q.850 cause (or the host's own number) that it ended with.
    pub cause: u16,
    /// The cause's name in the host, such as `NORMAL_CLEARING`.
    pub cause_name: String,
    /// It is kept where it was taken, and not passed on.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub store_only: bool,
    /// Channel variables that the configuration adds.
    #[serde(default, skip_serializing_if = "std::collections::BTreeMap::is_empty")]
    pub vars: std::collections::BTreeMap<String, String>,
}

/// One attempt at one gateway.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct AttemptRecord {
    /// Carrier.
    pub carrier_id: u32,
    /// Gateway.
    pub gateway_id: u32,
    /// Rate row; 0 in an emergency plan.
    pub rate_id: u32,
    /// Rate per minute, decimal text in `currency`.
    pub rate: String,
    /// Setup charge, decimal text.
    pub setup: String,
    /// ISO 4217.
    pub currency: String,
    /// What was dialled.
    pub dial_string: String,
    /// When the attempt began, milliseconds since 1970 UTC.
    pub started_ms: i64,
    /// When it was answered.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub answered_ms: Option<i64>,
    /// When it ended.
    pub ended_ms: i64,
    /// Q.850 cause it ended with; 0 while unknown.
    pub cause: u16,
    /// The cause's name in the host.
    pub cause_name: String,
    /// SIP status of the answer that ended it, where the host tells; 0 otherwise.
    #[serde(default)]
    pub sip_status: u16,
    /// What the answered seconds cost, decimal text in `currency`; empty when unanswered.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub cost: String,
}
