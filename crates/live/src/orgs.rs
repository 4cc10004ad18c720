//! What organisations have spent, so that a limit holds without asking a database.

use std::sync::atomic::{
    AtomicU64,
    Ordering::{AcqRel, Acquire, Relaxed, Release},
};

use fsx_core::Nano;

use crate::{
    layout::{MAX_PROBES, ORG_WORDS, place},
    table::LiveTable,
};

/// Places of an organisation row's words.
mod org {
    /// The organisation's id and one; 0 is a free row.
    pub(super) const KEY: usize = 0;
    /// Spend: a signed number of nano-units.
    pub(super) const SPEND: usize = 1;
    /// 1 once the spend has been set.
    pub(super) const KNOWN: usize = 2;
}

type Row = [AtomicU64; ORG_WORDS];

impl LiveTable {
    pub(crate) fn spend_of(&self, org_id: u32) -> Option<Nano> {
        let row = self.org(org_id)?;
        (row[org::KNOWN].load(Acquire) != 0)
            .then(|| Nano(row[org::SPEND].load(Acquire).cast_signed()))
    }

    /// Sets what an organisation has spent, in the base currency. False (and the overflow counter) when
    /// there is no room: its limit then does not hold.
    pub fn set_spend(&self, org_id: u32, spend: Nano) -> bool {
        let Some(row) = self.claim_org(org_id) else { return false };
        row[org::SPEND].store(spend.0.cast_unsigned(), Release);
        row[org::KNOWN].store(1, Release);
        true
    }

    /// Adds the cost of a call to what an organisation has spent, beginning at nothing; it stops at the
    /// largest amount instead of turning negative. False (and the overflow counter) when there is no
    /// room.
    pub fn add_spend(&self, org_id: u32, cost: Nano) -> bool {
        let Some(row) = self.claim_org(org_id) else { return false };
        // Never an error: the closure always answers.
        let _ = row[org::SPEND].fetch_update(AcqRel, Relaxed, |now| {
            Some(now.cast_signed().saturating_add(cost.0).cast_unsigned())
        });
        row[org::KNOWN].store(1, Release);
        true
    }

    /// Forgets what an organisation has spent: nothing is known of it, so no limit is checked.
    pub fn forget_spend(&self, org_id: u32) {
        if let Some(row) = self.org(org_id) {
            row[org::KNOWN].store(0, Release);
            row[org::SPEND].store(0, Release);
        }
    }

    /// Organisations that have a row; slow, for listings.
    pub(crate) fn orgs_used(&self) -> usize {
        (0..self.layout.org_capacity)
            .filter_map(|n| self.row::<ORG_WORDS>(self.layout.orgs, n))
            .filter(|row| row[org::KEY].load(Relaxed) != 0)
            .count()
    }

    fn org(&self, org_id: u32) -> Option<&Row> {
        let capacity = self.layout.org_capacity;
        let key = u64::from(org_id) + 1;
        let start = place(org_id, capacity);
        for step in 0..MAX_PROBES.min(capacity) {
            let row = self.row::<ORG_WORDS>(self.layout.orgs, (start + step) & (capacity - 1))?;
            match row[org::KEY].load(Acquire) {
                0 => return None,
                found if found == key => return Some(row),
                _ => {}
            }
        }
        None
    }

    fn claim_org(&self, org_id: u32) -> Option<&Row> {
        let capacity = self.layout.org_capacity;
        let key = u64::from(org_id) + 1;
        let start = place(org_id, capacity);
        for step in 0..MAX_PROBES.min(capacity) {
            let row = self.row::<ORG_WORDS>(self.layout.orgs, (start + step) & (capacity - 1))?;
            let found = match row[org::KEY].load(Acquire) {
                0 => match row[org::KEY].compare_exchange(0, key, AcqRel, Acquire) {
                    Ok(_) => key,
                    Err(other) => other,
                },
                found => found,
            };
            if found == key {
                return Some(row);
            }
        }
        self.count_overflow();
        None
    }
}
