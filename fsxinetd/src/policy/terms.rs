//! What runs go by: limits, what a switch may be asked, and what the operator lets organisations do.
//!
//! An operator changes these while calls are up (a customer gets another number, a budget is too
//! tight), so they are taken together when the configuration is read again, and a run keeps those that
//! it began with.

use std::sync::Arc;

use super::engine::Limits;
use super::line::Manners;
use super::{Allowances, Phase};
use crate::config;

/// One reading of `[policy]`. Cheap to clone.
#[derive(Clone, Debug)]
pub struct Terms {
    /// What a run may use.
    pub limits: Limits,
    /// What a script may wait for and ask of the switch.
    pub manners: Arc<Manners>,
    /// What organisations' scripts may do beside what is harmless.
    pub allowed: Arc<Allowances>,
}

impl From<&config::Policy> for Terms {
    fn from(config: &config::Policy) -> Self {
        Self {
            limits: Limits::from(config),
            manners: Arc::new(Manners::from(config)),
            allowed: Arc::new(Allowances::from(config)),
        }
    }
}

impl Terms {
    /// Wall clock of a run.
    #[must_use]
    pub fn budget(&self, phase: Phase) -> std::time::Duration {
        match phase {
            Phase::Route => self.limits.route_budget,
            Phase::Call => self.limits.call_budget,
            Phase::Hangup => self.limits.hangup_budget,
        }
    }
}
