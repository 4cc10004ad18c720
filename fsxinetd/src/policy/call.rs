//! What is known of a call when a script is asked about it.
//!
//! A switch tells two hundred things of a call that may then be held for hours, and ten thousand of
//! them are held at once. So what it told is kept once, and shared by everybody who reads it.

use std::collections::BTreeMap;
use std::sync::Arc;

use fsx_wire::esl::ChannelData;
use fsx_wire::message::WireFacts;
use fsx_wire::xml::XmlQuery;

use super::Ended;

/// Longest name of a task, in bytes. A longer one is nobody's, and would be written into each line
/// about its call.
const MAX_TASK: usize = 200;

/// The name of a task as it is looked up and shown: its beginning, where it is longer than any.
#[must_use]
pub fn task_name(text: &str) -> &str {
    &text[..text.floor_char_boundary(MAX_TASK)]
}

/// The call that a script is asked about.
#[derive(Clone, Debug, Default)]
pub struct Call {
    /// Its facts. `vars` are variables beside those of `told`, and go before them.
    pub facts: WireFacts,
    /// How the switch described it, on the event socket.
    pub told: Option<Arc<ChannelData>>,
    /// Task or policy by name; empty takes the organisation's own for the phase.
    pub task: String,
    /// Words after the task, for `argv`.
    pub arguments: Vec<String>,
    /// How it ended, in the hangup phase.
    pub ended: Option<Ended>,
    /// The piece of XML that FreeSWITCH asks for, where it is about that: `XML_REQUEST` and
    /// `params`.
    pub look_up: Option<Arc<XmlQuery>>,
}

/// Fields of the caller's profile that scripts find among the variables, as `session:getVariable`
/// does.
const PROFILE: [&str; 12] = [
    "destination_number",
    "caller_id_number",
    "caller_id_name",
    "ani",
    "rdnis",
    "network_addr",
    "username",
    "context",
    "dialplan",
    "source",
    "channel_name",
    "uuid",
];

impl Call {
    /// A channel variable: by its own name, else by one that differs in case only.
    #[must_use]
    pub fn variable(&self, name: &str) -> Option<&str> {
        let told = || self.told.as_ref()?.variable(name);
        find(&self.facts.vars, name).or_else(told)
    }

    /// All channel variables, with what the caller's profile says where no variable does.
    #[must_use]
    pub fn variables(&self) -> BTreeMap<&str, &str> {
        let mut all = BTreeMap::new();
        if let Some(told) = &self.told {
            let profile = PROFILE.iter().filter_map(|name| Some((*name, told.variable(name)?)));
            all.extend(profile);
            all.extend(told.variables());
        }
        all.extend(self.facts.vars.iter().map(|(name, value)| (name.as_str(), value.as_str())));
        all
    }

    /// The same call as the switch describes it at its end: what it says now goes before what it
    /// said.
    #[must_use]
    pub(super) fn at_its_end(&self, last: Option<ChannelData>, ended: Ended) -> Self {
        let last = Self { told: last.map(Arc::new), ..Self::default() };
        let mut vars = self.variables();
        vars.extend(last.variables());
        let vars = vars.into_iter().map(|(name, value)| (name.to_owned(), value.to_owned()));
        let facts = WireFacts { vars: vars.collect(), ..self.facts.clone() };
        Self { facts, told: None, ended: Some(ended), ..self.clone() }
    }
}

/// A variable by its own name, else by one that differs in case only.
pub(super) fn find<'a>(vars: &'a BTreeMap<String, String>, name: &str) -> Option<&'a str> {
    vars.get(name)
        .or_else(|| vars.iter().find(|(n, _)| n.eq_ignore_ascii_case(name)).map(|(_, v)| v))
        .map(String::as_str)
}
