//! Calls in progress and calls a second, gateway by gateway.

use std::sync::atomic::{
    AtomicU64,
    Ordering::{AcqRel, Acquire, Relaxed},
};

use fsx_core::{
    CallFacts,
    data::{GatewayLoad, GatewayTerms},
};

use crate::{
    health::{GatewayAt, NEAR_OWNERS, gateway},
    layout::{GATEWAY_WORDS, MAX_OWNERS, word},
    owners::OwnerId,
    table::LiveTable,
};

/// Bits of a cell, and of a second's word, that hold the count.
const COUNT_BITS: u32 = 32;
const SECOND_COUNT_BITS: u32 = 24;
const SECOND_COUNT_MAX: u64 = (1 << SECOND_COUNT_BITS) - 1;

/// A call that begins this many seconds before the newest one seen is merely late to the counter; more,
/// and the clock has been set back.
const LATE_S: u64 = 5;

impl LiveTable {
    /// Counts a call that begins on a gateway, in the second `at` (UTC).
    ///
    /// Returns whether it is counted as in progress: not when `owner` is [`OwnerId::NONE`] or has been
    /// given up, or when there is no room for the gateway; the overflow counter then goes up and the
    /// call goes its way. Call path: no lock, no allocation, no system call.
    pub fn begin_call(&self, owner: OwnerId, gateway_id: u32, at: i64) -> bool {
        let Some(row) = self.claim_gateway(gateway_id) else { return false };
        row.row[gateway::BEGUN].fetch_add(1, Relaxed);
        count_second(&row.row[gateway::SECOND], at);
        let counted = self.own_cell(owner, &row).is_some_and(|cell| {
            cell.fetch_update(AcqRel, Relaxed, |now| {
                let count = if epoch_of(now) == owner.epoch { count_of(now) } else { 0 };
                Some(pack(owner.epoch, count.saturating_add(1)))
            })
            .is_ok()
        });
        if !counted {
            self.count_overflow();
        }
        counted
    }

    /// Counts a call that ends. Never below zero: an end without a beginning changes nothing.
    pub fn end_call(&self, owner: OwnerId, gateway_id: u32) {
        let Some(row) = self.gateway(gateway_id) else { return };
        let Some(cell) = self.own_cell(owner, &row) else { return };
        // An error is the refusal below: nothing was in progress.
        let _ = cell.fetch_update(AcqRel, Relaxed, |now| {
            if epoch_of(now) != owner.epoch {
                return None;
            }
            Some(pack(owner.epoch, count_of(now).checked_sub(1)?))
        });
    }

    pub(crate) fn in_progress(&self, gateway_id: u32) -> u32 {
        self.gateway(gateway_id).map_or(0, |at| self.in_progress_at(&at))
    }

    /// The cell of an owner at a gateway.
    fn cell<'a>(&'a self, at: &GatewayAt<'a>, slot: usize) -> Option<&'a AtomicU64> {
        if slot < NEAR_OWNERS {
            return at.row.get(gateway::CELLS + slot);
        }
        self.row::<MAX_OWNERS>(self.layout.cells, at.n)?.get(slot)
    }

    /// The sum over the owners that are registered.
    pub(crate) fn in_progress_at(&self, at: &GatewayAt<'_>) -> u32 {
        let mut sum = 0u32;
        for slot in 0..self.owners_high() {
            let Some(cell) = self.cell(at, slot) else { break };
            let cell = cell.load(Relaxed);
            if count_of(cell) != 0 && self.owner_epoch(slot) == Some(epoch_of(cell)) {
                sum = sum.saturating_add(count_of(cell));
            }
        }
        sum
    }

    /// Calls of one owner over all gateways; slow, for listings.
    pub(crate) fn calls_of_owner(&self, slot: usize, epoch: u32) -> u64 {
        (0..self.layout.gateway_capacity)
            .filter_map(|n| {
                let row = self.row::<GATEWAY_WORDS>(self.layout.gateways, n)?;
                self.cell(&GatewayAt { n, row }, slot)
            })
            .map(|cell| cell.load(Relaxed))
            .filter(|&cell| epoch_of(cell) == epoch)
            .map(|cell| u64::from(count_of(cell)))
            .sum()
    }

    /// All that a decision asks of a gateway, from one search for its row.
    pub(crate) fn load_of(&self, gateway_id: u32, data_centre: &str, at: i64) -> GatewayLoad {
        let Some(row) = self.gateway(gateway_id) else {
            return GatewayLoad { healthy: true, in_progress: 0, this_second: 0 };
        };
        GatewayLoad {
            healthy: self.is_healthy_at(&row, data_centre),
            in_progress: self.in_progress_at(&row),
            this_second: begun_at(&row, at),
        }
    }

    /// Whether a gateway can take a call. Most are down nowhere and far below their caps, which shows
    /// without a look at who is alive and which second it is: counts that are past are too high.
    /// `near` says that [`Self::owners_are_near`].
    #[inline]
    pub(crate) fn can_take(
        &self,
        terms: &[u8; GatewayTerms::BYTES],
        facts: &CallFacts<'_>,
        near: bool,
    ) -> bool {
        let gateway = GatewayTerms::of(terms);
        let clear = self.in_first_place(gateway.id).is_some_and(|row| {
            let word = |n: usize| row[n].load(Relaxed);
            let cells = row[gateway::CELLS..gateway::KNOWN].iter();
            // The counts stand in the lower halves, so that whole words can be added up.
            let calls = cells.fold(0u64, |sum, cell| sum.wrapping_add(cell.load(Relaxed)));
            // No cap, which is 0, becomes the highest.
            let below = |count: u32, cap: u32| count <= cap.wrapping_sub(1);
            word(gateway::DOWN) == 0
                && below((word(gateway::SECOND) & SECOND_COUNT_MAX) as u32, gateway.max_cps)
                && below(count_of(calls), gateway.conc_calls)
        });
        // The row, not what was read of it: that would have to be kept for what is rarely done.
        clear && near || self.can_take_counted(terms, facts)
    }

    /// Whether the cells of all owners stand in the gateways' rows.
    #[inline]
    pub(crate) fn owners_are_near(&self) -> bool {
        let high = self.word(word::OWNERS_HIGH).map_or(u64::MAX, |w| w.load(Relaxed));
        high <= NEAR_OWNERS as u64
    }

    #[cold]
    #[inline(never)]
    fn can_take_counted(
        &self,
        terms: &[u8; GatewayTerms::BYTES],
        &CallFacts { data_centre, at, .. }: &CallFacts<'_>,
    ) -> bool {
        let gateway = GatewayTerms::of(terms);
        let Some(row) = &self.gateway(gateway.id) else { return true };
        let (conc_calls, max_cps) = (gateway.conc_calls, gateway.max_cps);
        (!gateway.health_checked || self.is_healthy_at(row, data_centre))
            && (max_cps == 0 || begun_at(row, at) < max_cps)
            && (conc_calls == 0 || self.in_progress_at(row) < conc_calls)
    }

    pub(crate) fn begun_in_second(&self, gateway_id: u32, at: i64) -> u32 {
        self.gateway(gateway_id).map_or(0, |row| begun_at(&row, at))
    }

    /// The owner's cell at a gateway, while the owner's registration stands.
    fn own_cell<'a>(&'a self, owner: OwnerId, at: &GatewayAt<'a>) -> Option<&'a AtomicU64> {
        let slot = usize::from(owner.slot);
        if self.owner_epoch(slot) != Some(owner.epoch) {
            return None;
        }
        self.cell(at, slot)
    }
}

/// Calls begun in the second `at`.
fn begun_at(row: &GatewayAt<'_>, at: i64) -> u32 {
    let now = row.row[gateway::SECOND].load(Relaxed);
    if now >> SECOND_COUNT_BITS == second(at) { (now & SECOND_COUNT_MAX) as u32 } else { 0 }
}

fn count_second(word: &AtomicU64, at: i64) {
    let at = second(at);
    let _ = word.fetch_update(AcqRel, Acquire, |now| {
        let (stamp, count) = (now >> SECOND_COUNT_BITS, now & SECOND_COUNT_MAX);
        let count = if stamp == at {
            (count + 1).min(SECOND_COUNT_MAX)
        } else if stamp > at && stamp - at <= LATE_S {
            return None; // Another process is already in the next second.
        } else {
            1
        };
        Some(at << SECOND_COUNT_BITS | count)
    });
}

/// 40 bits of seconds: until the year 36,812.
fn second(at: i64) -> u64 {
    at.max(0).unsigned_abs() & (u64::MAX >> SECOND_COUNT_BITS)
}

fn pack(epoch: u32, count: u32) -> u64 {
    u64::from(epoch) << COUNT_BITS | u64::from(count)
}

fn epoch_of(cell: u64) -> u32 {
    (cell >> COUNT_BITS) as u32
}

fn count_of(cell: u64) -> u32 {
    cell as u32
}
