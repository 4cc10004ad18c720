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

/// Oldest version that is still understood. A daemon asked in another says [`Outcome::Versions`], and
/// the asker goes on in the highest that both know.
pub const PROTOCOL_LOWEST: u32 = 1;

/// The version to speak with a peer that knows `lowest` to `highest`; `None` where there is none.
#[must_use]
pub fn common_version(lowest: u32, highest: u32) -> Option<u32> {
    let version = highest.min(PROTOCOL);
    (version >= lowest.max(PROTOCOL_LOWEST)).then_some(version)
}

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
    /// A call is over that a policy has had and that has no record: its hangup phase may be due. Not
    /// kept and not passed on; `Reply::Noted`.
    Ended {
        /// What its record would say.
        record: Box<CallRecord>,
    },
    /// How is the daemon?
    Status,
    /// Look up a piece of FreeSWITCH's XML.
    Xml {
        /// Which.
        query: Box<XmlQuery>,
    },
    /// Where does a SIP request belong? What a proxy asks before it knows whose call it is.
    Destination {
        /// The request.
        request: Box<SipRequest>,
    },
}

/// A SIP request as a proxy describes it. Texts are as they came; empty where there was none.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct SipRequest {
    /// `Call-ID`.
    pub call_id: String,
    /// `INVITE`, `REGISTER`, ….
    pub method: String,
    /// Request URI.
    pub ruri: String,
    /// URI of `From`.
    pub from: String,
    /// URI of `To`.
    pub to: String,
    /// URI of `P-Asserted-Identity`.
    pub p_asserted: String,
    /// The door it came in by (`trunks`, `devices`, …).
    pub profile: String,
    /// Address of the sender.
    pub source_ip: String,
    /// Address that media is to go to.
    pub media_ip: String,
}

/// Where a request belongs. An empty text changes nothing.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Destination {
    /// Organisation.
    pub org: u32,
    /// New request URI.
    pub ruri: String,
    /// New `To`.
    pub to: String,
    /// The door it leaves by.
    pub profile: String,
    /// Names of headers to copy to the next leg, separated by commas.
    pub copy_headers: String,
    /// A header for those behind, whole.
    pub info_header: String,
    /// Region that takes the call.
    pub region: String,
    /// Environment that takes it (`RT`, `SDC`).
    pub environment: String,
    /// Q.850 cause of a refusal; 0 is none.
    pub cause: u16,
    /// Why refused.
    pub reason: String,
    /// Version of the policy bundle that said so.
    pub policy_version: String,
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
    /// The call's end is known.
    Noted,
    /// Where the request belongs.
    Destination(Destination),
    /// The daemon's state.
    Status(DaemonStatus),
    /// Not understood in the asker's version; ask again in one of these.
    Versions {
        /// Oldest that the daemon understands.
        lowest: u32,
        /// Newest that it understands.
        highest: u32,
    },
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_highest_version_that_both_know() {
        assert_eq!(common_version(PROTOCOL_LOWEST, PROTOCOL), Some(PROTOCOL));
        assert_eq!(common_version(PROTOCOL, PROTOCOL + 7), Some(PROTOCOL));
        assert_eq!(common_version(PROTOCOL + 1, PROTOCOL + 7), None);
        assert_eq!(common_version(0, PROTOCOL_LOWEST - 1), None);
    }
}
