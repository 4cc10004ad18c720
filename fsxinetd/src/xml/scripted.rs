//! Asking a policy: the platform's, or the organisation's that a dialplan's call belongs to.

use fsx_wire::xml::XmlQuery;

use crate::config;
use crate::policy::Engine;

/// The document that the policy gives; `None` where it gives none.
pub(super) async fn ask(
    _engine: &Engine,
    section: &config::XmlSection,
    _query: &XmlQuery,
) -> Result<Option<String>, String> {
    Err(format!("policy {:?}: policies cannot answer look-ups yet", section.policy))
}
