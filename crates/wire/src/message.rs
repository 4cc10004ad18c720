//! What a module asks the daemon, and what it gets back.
//!
//! One JSON object a frame. Every request carries its own `id` and the milliseconds its asker will
//! still wait; the daemon answers with the same `id`, in any order, and drops what is too late.
//! A member that one side does not know is ignored, so that module and daemon may differ by a
//! release; [`PROTOCOL`] goes up when meaning changes, and the daemon refuses one it does not know.

use serde::{Deserialize, Serialize};

use crate::{
    answer::RouteAnswer,
    record::CallRecord,
    xml::{XmlAnswer, XmlQuery},
};

/// Version of this protocol.
pub const PROTOCOL: u32 = 1;

/// A request, module to daemon.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Request {
    /// [`PROTOCOL`] of the asker.
    pub v: u32,
    /// The asker's number for this request; unique among those in flight on the connection.
    pub id: u64,
    /// How long the asker will wait from sending on, in milliseconds; past it the answer is unread.
    pub deadline_ms: u32,
    /// What is asked.
    #[serde(flatten)]
    pub ask: Ask,
}

/// What is asked.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "snake_case")]
pub enum Ask {
    /// Run the organisation's policy for the `route` phase over this call.
    Decide {
        /// The call.
        facts: Box<WireFacts>,
        /// Task or policy by name; empty takes the one that the organisation's manifest names.
        #[serde(default)]
        task: String,
    },
    /// Take a call record. `Reply::Recorded` means that it is on disk.
    Record {
        /// The record.
        record: Box<CallRecord>,
    },
    /// How is the daemon?
    Status,
    /// Look up a piece of FreeSWITCH's XML.
    Xml {
        /// Which.
        query: Box<XmlQuery>,
    },
}

/// The facts of a call as they cross the socket; see `fsx_core::CallFacts` for their meaning.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct WireFacts {
    /// The channel's id (FreeSWITCH UUID, SIP Call-ID).
    pub call_id: String,
    /// As dialled.
    pub called: String,
    /// As signalled.
    pub caller: Option<String>,
    /// Not to be shown.
    pub withhold_cli: bool,
    /// Organisation.
    pub org: u32,
    /// ISO 3166 alpha-2.
    pub home_country: Option<String>,
    /// Data centre that asks.
    pub data_centre: String,
    /// Seconds UTC.
    pub at: i64,
    /// Wanted privacy class.
    pub privacy_class: Option<String>,
    /// Wanted PCI zone.
    pub pci_zone: Option<String>,
    /// Wanted carrier group.
    pub carrier_group: Option<String>,
    /// Order of carriers by name.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub profile: Option<String>,
    /// Routing number of a ported number.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub lrn: Option<String>,
    /// Most attempts; 0 is the default.
    pub max_attempts: u8,
    /// Channel variables that the configuration passes on to policies.
    pub vars: std::collections::BTreeMap<String, String>,
}

/// A reply, daemon to module.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Reply {
    /// The request's number.
    pub id: u64,
    /// What came of it.
    #[serde(flatten)]
    pub outcome: Outcome,
}

/// What came of a request.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(tag = "outcome", rename_all = "snake_case")]
pub enum Outcome {
    /// The policy's word on the call.
    Decided(PolicyDecision),
    /// The record is on disk.
    Recorded,
    /// The daemon's state.
    Status(DaemonStatus),
    /// The piece of XML, or that there is none.
    Xml(XmlAnswer),
    /// Not done, and why; the asker falls back on what it has.
    Failed {
        /// One line for the log.
        reason: String,
        /// The same request may succeed later.
        retry: bool,
    },
}

/// What a policy decided.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct PolicyDecision {
    /// Version of the policy bundle that decided.
    pub policy_version: String,
    /// What to do.
    #[serde(flatten)]
    pub verdict: Verdict,
    /// Channel variables to set before anything is dialled.
    #[serde(default)]
    pub vars: std::collections::BTreeMap<String, String>,
}

/// A policy's verdict.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(tag = "verdict", rename_all = "snake_case")]
pub enum Verdict {
    /// Use the plan in hand.
    Keep,
    /// Use these routes instead.
    Route {
        /// The plan, in the shape of every routing answer.
        answer: Box<RouteAnswer>,
    },
    /// Refuse the call.
    Reject {
        /// Q.850 cause.
        cause: u16,
        /// For the log and the record.
        reason: String,
    },
}

/// The daemon's state in a few words.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct DaemonStatus {
    /// Its release.
    pub version: String,
    /// Generation it last published.
    pub generation: u64,
    /// Records waiting to be delivered.
    pub records_waiting: u64,
}
