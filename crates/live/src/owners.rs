//! The switch processes whose calls are counted.
//!
//! A switch that is killed ends no calls. Its counts would fill a gateway's cap for ever, so every
//! count has an owner, and an owner that is no longer a running process is struck off. Its cells need
//! not be cleared: they carry the epoch of the registration they belong to, and the next owner of the
//! slot has another. Striking off is therefore one store, and cannot be interrupted half way.
//!
//! A process id means something in its own namespace only. Where daemon and switches run in containers
//! of their own, each would find all others dead; so an owner of another namespace is judged by its
//! heartbeat alone, and has a minute.

use std::sync::atomic::Ordering::{AcqRel, Acquire, Relaxed, Release};

use crate::{
    layout::{MAX_OWNERS, OWNER_WORDS, word},
    map::boot_s,
    process::{CLAIMING, Identity, boot, namespace},
    table::LiveTable,
};

/// Places of an owner row's words.
pub(crate) mod owner {
    /// Process id and start time; 0 is a free row; the top bit is set while it is being taken.
    pub(crate) const IDENTITY: usize = 0;
    /// Counts registrations of this slot.
    pub(crate) const EPOCH: usize = 1;
    /// Which boot of the machine the start time belongs to.
    pub(crate) const BOOT: usize = 2;
    /// In which namespace its process id means something; 0 where that is not known.
    pub(crate) const NAMESPACE: usize = 3;
    /// When it gave a sign of life last, in seconds since boot; 0 until it first does.
    pub(crate) const BEAT: usize = 4;
}

/// How long an owner of another process-id namespace may be silent, in seconds.
const SILENCE_S: u64 = 60;

/// A registration as owner of calls. Copied freely; it means something only to the table that gave it.
///
/// One registration serves a whole switch: in OpenSIPS a call may begin in one worker and end in another,
/// so the attendant registers before it forks and all workers use its id; if it dies, they die.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct OwnerId {
    pub(crate) slot: u16,
    pub(crate) epoch: u32,
}

impl OwnerId {
    /// Nobody: calls begun for it go uncounted.
    pub const NONE: Self = Self { slot: u16::MAX, epoch: 0 };

    /// Whether this is [`OwnerId::NONE`].
    #[must_use]
    pub fn is_none(self) -> bool {
        self == Self::NONE
    }
}

impl LiveTable {
    /// Registers this process as an owner of calls, after striking off those that have died.
    ///
    /// [`OwnerId::NONE`] (and the overflow counter) when all slots are taken or `/proc` cannot be read.
    /// Reads `/proc`: for module start, not for the call path.
    pub fn register_owner(&self) -> OwnerId {
        self.reap_dead_owners();
        match Identity::own().and_then(|own| self.claim_owner(own)) {
            Some(id) => id,
            None => {
                self.count_overflow();
                OwnerId::NONE
            }
        }
    }

    /// Gives up a registration: calls still counted for it are counted no more.
    pub fn release_owner(&self, id: OwnerId) {
        let slot = usize::from(id.slot);
        if self.owner_epoch(slot) != Some(id.epoch) {
            return;
        }
        if let Some(row) = self.row::<OWNER_WORDS>(self.layout.owners, slot) {
            let now = row[owner::IDENTITY].load(Acquire);
            let _ = row[owner::IDENTITY].compare_exchange(now, 0, AcqRel, Relaxed);
        }
    }

    /// Strikes off owners whose process has died, giving back their calls. Returns how many.
    ///
    /// For the daemon and the switches' housekeeping, every second or so. Owners whose process ids mean
    /// nothing here, being another container's, are struck off when they have not
    /// [given a sign of life](Self::beat) for a minute.
    pub fn reap_dead_owners(&self) -> usize {
        let (boot, here, now) = (boot(), namespace(), boot_s());
        let mut reaped = 0;
        for slot in 0..self.owners_high() {
            let Some(row) = self.row::<OWNER_WORDS>(self.layout.owners, slot) else { break };
            let identity = row[owner::IDENTITY].load(Acquire);
            if identity == 0 {
                continue;
            }
            let this_boot = identity & CLAIMING != 0 || row[owner::BOOT].load(Relaxed) == boot;
            let (theirs, beat) =
                (row[owner::NAMESPACE].load(Relaxed), row[owner::BEAT].load(Relaxed));
            let foreign = identity & CLAIMING == 0 && theirs != here;
            let alive = match foreign {
                true => now.saturating_sub(beat) <= SILENCE_S,
                false => Identity(identity).alive(),
            };
            if this_boot && alive {
                continue;
            }
            // Only if the slot is still the dead one's: another may have struck it off and a third
            // taken it meanwhile.
            if row[owner::IDENTITY].compare_exchange(identity, 0, AcqRel, Relaxed).is_ok() {
                reaped += 1;
            }
        }
        if let Some(w) = self.word(word::REAPED) {
            w.fetch_add(reaped as u64, Relaxed);
        }
        reaped
    }

    /// Gives a sign of life, and tells whether the registration still stands; if not, register again.
    /// For a switch's housekeeping, about once a second.
    #[must_use]
    pub fn beat(&self, id: OwnerId) -> bool {
        let slot = usize::from(id.slot);
        if self.owner_epoch(slot) != Some(id.epoch) {
            return false;
        }
        if let Some(row) = self.row::<OWNER_WORDS>(self.layout.owners, slot) {
            row[owner::BEAT].store(boot_s(), Relaxed);
        }
        true
    }

    fn claim_owner(&self, own: Identity) -> Option<OwnerId> {
        for slot in 0..MAX_OWNERS {
            let row = self.row::<OWNER_WORDS>(self.layout.owners, slot)?;
            let claimed =
                row[owner::IDENTITY].compare_exchange(0, own.0 | CLAIMING, AcqRel, Relaxed);
            if claimed.is_err() {
                continue;
            }
            // Until the top bit goes, the slot counts for nothing: the old epoch's cells stay dead.
            row[owner::BOOT].store(boot(), Relaxed);
            row[owner::NAMESPACE].store(namespace(), Relaxed);
            row[owner::BEAT].store(boot_s(), Relaxed);
            let epoch = row[owner::EPOCH].fetch_add(1, AcqRel).wrapping_add(1) as u32;
            if let Some(high) = self.word(word::OWNERS_HIGH) {
                high.fetch_max(slot as u64 + 1, AcqRel);
            }
            row[owner::IDENTITY].store(own.0, Release);
            return Some(OwnerId { slot: slot as u16, epoch });
        }
        None
    }

    /// Slots that can be in use.
    #[inline]
    pub(crate) fn owners_high(&self) -> usize {
        let high = self.word(word::OWNERS_HIGH).map_or(0, |w| w.load(Acquire));
        usize::try_from(high).unwrap_or(MAX_OWNERS).min(MAX_OWNERS)
    }

    /// The epoch of a slot that is in use.
    pub(crate) fn owner_epoch(&self, slot: usize) -> Option<u32> {
        if slot >= MAX_OWNERS {
            return None;
        }
        let row = self.row::<OWNER_WORDS>(self.layout.owners, slot)?;
        let identity = row[owner::IDENTITY].load(Acquire);
        (identity != 0 && identity & CLAIMING == 0).then(|| row[owner::EPOCH].load(Acquire) as u32)
    }
}
