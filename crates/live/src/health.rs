//! Gateway rows, and the health in them.

use std::sync::atomic::{
    AtomicU64,
    Ordering::{AcqRel, Acquire, Relaxed},
};

use crate::{
    layout::{GATEWAY_WORDS, MAX_PROBES, place},
    passive::Operator,
    table::LiveTable,
};

/// Places of a gateway row's words: what a decision reads of it on one cache line, the rest on the next.
pub(crate) mod gateway {
    /// The gateway's id and one; 0 is a free row.
    pub(crate) const KEY: usize = 0;
    /// A bit a data centre that says it is down. Zero is healthy, so that a new row is.
    pub(crate) const DOWN: usize = 1;
    /// Second (40 bits) and calls begun in it (24 bits).
    pub(crate) const SECOND: usize = 2;
    /// 0 nothing, 1 up, 2 down: an operator's word, before everybody else's.
    pub(crate) const OPERATOR: usize = 3;
    /// Cells of the first owners.
    pub(crate) const CELLS: usize = 4;
    /// A bit a data centre whose word on this gateway is known.
    pub(crate) const KNOWN: usize = 8;
    /// Calls begun since the file was made.
    pub(crate) const BEGUN: usize = 9;
    /// What its own calls say of it; see `passive.rs`.
    pub(crate) const PASSIVE: usize = 10;
    /// Attempts and failures of two half windows.
    pub(crate) const TALLY: usize = 11;
    /// Times that it went down by its own calls.
    pub(crate) const TRIPS: usize = 13;
    /// Failures (upper half) and attempts of the window that took it down last.
    pub(crate) const TRIPPED_BY: usize = 14;
}

/// Owners whose cells stand in the gateway's row; a host hardly has more.
pub(crate) const NEAR_OWNERS: usize = gateway::KNOWN - gateway::CELLS;

/// A gateway's row and its number.
pub(crate) struct GatewayAt<'a> {
    pub(crate) n: usize,
    pub(crate) row: &'a [AtomicU64; GATEWAY_WORDS],
}

impl LiveTable {
    /// All gateway rows.
    #[inline]
    fn gateway_words(&self) -> &[[AtomicU64; GATEWAY_WORDS]] {
        // The part begins at a whole row of the file.
        let first = self.layout.gateways / GATEWAY_WORDS;
        let rows = self.map.words().as_chunks().0;
        rows.get(first..first + self.layout.gateway_capacity).unwrap_or_default()
    }

    /// The row of a gateway where the search for it begins, which is where nearly all stand; `None` says
    /// nothing of the others.
    ///
    /// A row is zeros before it has a key, which is a whole row too: nothing need be seen in order, and
    /// a decision may keep what it knows of the table.
    #[inline]
    pub(crate) fn in_first_place(&self, id: u32) -> Option<&[AtomicU64; GATEWAY_WORDS]> {
        let rows = self.gateway_words();
        let row = rows.get(place(id, rows.len()))?;
        (row[gateway::KEY].load(Relaxed) == u64::from(id) + 1).then_some(row)
    }

    /// The row of a gateway, if it has one.
    #[inline]
    pub(crate) fn gateway(&self, id: u32) -> Option<GatewayAt<'_>> {
        let n = place(id, self.layout.gateway_capacity);
        let row = self.gateway_words().get(n)?;
        match row[gateway::KEY].load(Acquire) {
            0 => None,
            found if found == u64::from(id) + 1 => Some(GatewayAt { n, row }),
            _ => self.displaced_gateway(id),
        }
    }

    #[cold]
    fn displaced_gateway(&self, id: u32) -> Option<GatewayAt<'_>> {
        let capacity = self.layout.gateway_capacity;
        let key = u64::from(id) + 1;
        let start = place(id, capacity);
        for step in 1..MAX_PROBES.min(capacity) {
            let n = (start + step) & (capacity - 1);
            let row = self.row::<GATEWAY_WORDS>(self.layout.gateways, n)?;
            match row[gateway::KEY].load(Acquire) {
                0 => return None,
                found if found == key => return Some(GatewayAt { n, row }),
                _ => {}
            }
        }
        None
    }

    /// The row of a gateway, taken if it had none; `None` (and counted) when there is no room. Rows are
    /// never freed: a gateway's id is good for the life of the file.
    pub(crate) fn claim_gateway(&self, id: u32) -> Option<GatewayAt<'_>> {
        let capacity = self.layout.gateway_capacity;
        let key = u64::from(id) + 1;
        let start = place(id, capacity);
        for step in 0..MAX_PROBES.min(capacity) {
            let n = (start + step) & (capacity - 1);
            let row = self.row::<GATEWAY_WORDS>(self.layout.gateways, n)?;
            let mut found = row[gateway::KEY].load(Acquire);
            if found == 0 {
                match row[gateway::KEY].compare_exchange(0, key, AcqRel, Acquire) {
                    Ok(_) => found = key,
                    Err(other) => found = other,
                }
            }
            if found == key {
                return Some(GatewayAt { n, row });
            }
        }
        self.count_overflow();
        None
    }

    pub(crate) fn is_healthy(&self, gateway_id: u32, data_centre: &str) -> bool {
        self.gateway(gateway_id).is_none_or(|at| self.is_healthy_at(&at, data_centre))
    }

    #[inline]
    pub(crate) fn is_healthy_at(&self, at: &GatewayAt<'_>, data_centre: &str) -> bool {
        // Down is not unhealthy, but out: `standing` says so, and a plan why.
        Operator::of(at) == Operator::Up || self.probed_at(at, data_centre)
    }

    /// Whether the prober of a data centre finds a gateway healthy, whatever an operator says. No word
    /// is healthy. To be shown.
    #[must_use]
    pub fn probed_healthy(&self, gateway_id: u32, data_centre: &str) -> bool {
        self.gateway(gateway_id).is_none_or(|at| self.probed_at(&at, data_centre))
    }

    fn probed_at(&self, at: &GatewayAt<'_>, data_centre: &str) -> bool {
        // Most gateways are down nowhere: no name need be looked up.
        let down = at.row[gateway::DOWN].load(Relaxed);
        down == 0 || self.centre_bit(data_centre).is_none_or(|bit| down & bit == 0)
    }

    /// Says whether a gateway is healthy as a data centre sees it. One store; every process sees it at
    /// its next decision.
    ///
    /// Returns false when it could not be kept: the table or the list of names is full, or the name is
    /// empty, longer than [`crate::MAX_NAME`] or holds a NUL. The gateway is then healthy there, and
    /// the overflow counter has gone up.
    pub fn set_healthy(&self, gateway_id: u32, data_centre: &str, healthy: bool) -> bool {
        let Some(bit) = self.claim_centre_bit(data_centre) else {
            self.count_overflow();
            return false;
        };
        let Some(at) = self.claim_gateway(gateway_id) else { return false };
        if healthy {
            at.row[gateway::DOWN].fetch_and(!bit, AcqRel);
        } else {
            at.row[gateway::DOWN].fetch_or(bit, AcqRel);
        }
        at.row[gateway::KNOWN].fetch_or(bit, AcqRel);
        true
    }

    /// Forgets what a data centre said of a gateway: no word is healthy.
    pub fn forget_health(&self, gateway_id: u32, data_centre: &str) {
        if let (Some(at), Some(bit)) = (self.gateway(gateway_id), self.centre_bit(data_centre)) {
            at.row[gateway::KNOWN].fetch_and(!bit, AcqRel);
            at.row[gateway::DOWN].fetch_and(!bit, AcqRel);
        }
    }
}
