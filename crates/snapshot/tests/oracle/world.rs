//! What changes from second to second, as plain tables: health, load, spend, quality.

use std::collections::{BTreeMap, BTreeSet};

use fsx_core::{Nano, data::LiveView, profile::Quality};
use proptest::prelude::*;

#[derive(Clone, Debug, Default)]
pub(crate) struct World {
    /// Gateways that are down, and where.
    pub(crate) down: BTreeSet<(u32, &'static str)>,
    /// Calls in progress by gateway; the same number began this second.
    pub(crate) busy: BTreeMap<u32, u32>,
    pub(crate) spent: BTreeMap<u32, i64>,
    /// Seizures and answers by gateway.
    pub(crate) measured: BTreeMap<u32, (u64, u64)>,
}

impl LiveView for World {
    fn healthy(&self, gateway_id: u32, data_centre: &str) -> bool {
        !self.down.iter().any(|(id, centre)| *id == gateway_id && *centre == data_centre)
    }
    fn calls_in_progress(&self, gateway_id: u32) -> u32 {
        self.busy.get(&gateway_id).copied().unwrap_or(0)
    }
    fn calls_this_second(&self, gateway_id: u32, _: i64) -> u32 {
        self.busy.get(&gateway_id).copied().unwrap_or(0)
    }
    fn spend(&self, org_id: u32) -> Option<Nano> {
        self.spent.get(&org_id).map(|&spent| Nano(spent))
    }
    fn quality(&self, gateway_id: u32) -> Quality {
        let (seizures, answers) = self.measured.get(&gateway_id).copied().unwrap_or((0, 0));
        Quality {
            seizures,
            answers,
            ended: answers,
            talk_s: answers * 60,
            rang: seizures,
            pdd_ms: seizures * 900,
            ..Quality::default()
        }
    }
}

pub(crate) fn worlds() -> impl Strategy<Value = World> {
    let gateway = || 3000..3030u32;
    let centre = prop::sample::select(vec!["LON1", "NYC1"]);
    (
        prop::collection::btree_set((gateway(), centre), 0..8),
        prop::collection::btree_map(gateway(), 0..4u32, 0..8),
        prop::collection::btree_map(0..4u32, 0..3_000_000_000i64, 0..4),
        prop::collection::btree_map(gateway(), (0..90u64, 0..60u64), 0..20),
    )
        .prop_map(|(down, busy, spent, measured)| World { down, busy, spent, measured })
}
