//! What status commands show. These walk whole tables and allocate: not for the call path.

use std::sync::atomic::Ordering::{Acquire, Relaxed};

use fsx_core::profile::Quality;

use crate::{
    health::{GatewayAt, gateway},
    layout::{GATEWAY_WORDS, OWNER_WORDS, word},
    owners::owner,
    passive::{Operator, Passive},
    process::{CLAIMING, Identity},
    table::LiveTable,
};

/// The table in numbers.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct LiveStats {
    /// Generation of the published snapshot.
    pub generation: u64,
    /// The switches are to take no new calls.
    pub shutting_down: bool,
    /// Another file has taken this one's place.
    pub superseded: bool,
    /// Times that a full table (or a name too long) left a gateway healthy or a call or a spend
    /// uncounted. Anything but 0 asks for a larger table.
    pub overflow: u64,
    /// Owners that were found dead.
    pub owners_reaped: u64,
    /// Owners registered now.
    pub owners: usize,
    /// Gateway rows in use.
    pub gateways: usize,
    /// Gateway rows there are.
    pub gateway_capacity: usize,
    /// Organisation rows in use.
    pub organisations: usize,
    /// Organisation rows there are.
    pub organisation_capacity: usize,
    /// Data-centre names taken down.
    pub data_centres: usize,
    /// Calls in progress over all gateways.
    pub calls_in_progress: u64,
}

/// What a data centre said of a gateway.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub struct HealthRow {
    /// `CarrierGateway.ID`.
    pub gateway_id: u32,
    /// Who said so.
    pub data_centre: String,
    /// What it said.
    pub healthy: bool,
}

/// A gateway's load.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub struct GatewayLoad {
    /// `CarrierGateway.ID`.
    pub gateway_id: u32,
    /// Calls in progress.
    pub calls_in_progress: u32,
    /// Calls begun since the file was made.
    pub calls_begun: u64,
}

/// Everything that is known of a gateway, to be shown.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct GatewayRow {
    /// `CarrierGateway.ID`.
    pub gateway_id: u32,
    /// Calls in progress.
    pub calls_in_progress: u32,
    /// Calls begun since the file was made.
    pub calls_begun: u64,
    /// What was measured in the last hour.
    pub quality: Quality,
    /// What its own calls say of it.
    pub passive: Passive,
    /// Times that it went down by them since the file was made.
    pub trips: u64,
    /// Failures and attempts in the window that took it down last, unless that was on trial.
    pub tripped_by: (u32, u32),
    /// What an operator says of it.
    pub operator: Operator,
}

/// A switch process that owns calls.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct OwnerRow {
    /// Its process id.
    pub pid: u32,
    /// Whether it runs; one that does not is struck off at the next reaping.
    pub alive: bool,
    /// Its calls in progress.
    pub calls_in_progress: u64,
}

impl LiveTable {
    /// The table in numbers.
    #[must_use]
    pub fn stats(&self) -> LiveStats {
        let load = self.load();
        LiveStats {
            generation: self.generation(),
            shutting_down: self.shutting_down(),
            superseded: self.superseded(),
            overflow: self.overflow(),
            owners_reaped: self.word(word::REAPED).map_or(0, |w| w.load(Relaxed)),
            owners: (0..self.owners_high()).filter(|&n| self.owner_epoch(n).is_some()).count(),
            gateways: load.len(),
            gateway_capacity: self.layout.gateway_capacity,
            organisations: self.orgs_used(),
            organisation_capacity: self.layout.org_capacity,
            data_centres: self.centre_names().len(),
            calls_in_progress: load.iter().map(|g| u64::from(g.calls_in_progress)).sum(),
        }
    }

    /// What every data centre said of every gateway, by gateway and data centre.
    #[must_use]
    pub fn health(&self) -> Vec<HealthRow> {
        let centres = self.centre_names();
        let mut rows = Vec::new();
        for (gateway_id, at) in self.gateways() {
            let known = at.row[gateway::KNOWN].load(Acquire);
            let down = at.row[gateway::DOWN].load(Acquire);
            for (bit, name) in centres.iter().filter(|(bit, _)| known & bit != 0) {
                rows.push(HealthRow {
                    gateway_id,
                    data_centre: name.clone(),
                    healthy: down & bit == 0,
                });
            }
        }
        rows.sort();
        rows
    }

    /// Every gateway's load, by id.
    #[must_use]
    pub fn load(&self) -> Vec<GatewayLoad> {
        let mut rows: Vec<_> = self
            .gateways()
            .map(|(gateway_id, at)| GatewayLoad {
                gateway_id,
                calls_in_progress: self.in_progress_at(&at),
                calls_begun: at.row[gateway::BEGUN].load(Relaxed),
            })
            .collect();
        rows.sort();
        rows
    }

    /// Everything that is known of every gateway that the table has seen, by id.
    #[must_use]
    pub fn gateway_rows(&self, at: i64) -> Vec<GatewayRow> {
        let mut rows: Vec<_> =
            self.gateways().map(|(id, row)| self.gateway_row_of(id, &row, at)).collect();
        rows.sort_by_key(|row| row.gateway_id);
        rows
    }

    /// The same of one gateway; `None` for one that the table has not seen.
    #[must_use]
    pub fn gateway_row(&self, gateway_id: u32, at: i64) -> Option<GatewayRow> {
        self.gateway(gateway_id).map(|row| self.gateway_row_of(gateway_id, &row, at))
    }

    fn gateway_row_of(&self, gateway_id: u32, row: &GatewayAt<'_>, at: i64) -> GatewayRow {
        let tripped_by = row.row[gateway::TRIPPED_BY].load(Relaxed);
        GatewayRow {
            gateway_id,
            calls_in_progress: self.in_progress_at(row),
            calls_begun: row.row[gateway::BEGUN].load(Relaxed),
            quality: self.quality_at(row),
            passive: self.passive_at(row, at),
            trips: row.row[gateway::TRIPS].load(Relaxed),
            tripped_by: ((tripped_by >> 32) as u32, tripped_by as u32),
            operator: Operator::of(row),
        }
    }

    /// The owners registered now.
    #[must_use]
    pub fn owners(&self) -> Vec<OwnerRow> {
        (0..self.owners_high())
            .filter_map(|slot| {
                let epoch = self.owner_epoch(slot)?;
                let row = self.row::<OWNER_WORDS>(self.layout.owners, slot)?;
                let identity = Identity(row[owner::IDENTITY].load(Acquire) & !CLAIMING);
                Some(OwnerRow {
                    pid: identity.pid(),
                    alive: identity.alive(),
                    calls_in_progress: self.calls_of_owner(slot, epoch),
                })
            })
            .collect()
    }

    pub(crate) fn gateways(&self) -> impl Iterator<Item = (u32, GatewayAt<'_>)> {
        (0..self.layout.gateway_capacity).filter_map(|n| {
            let row = self.row::<GATEWAY_WORDS>(self.layout.gateways, n)?;
            let id = row[gateway::KEY].load(Acquire).checked_sub(1)?;
            Some((u32::try_from(id).ok()?, GatewayAt { n, row }))
        })
    }
}
