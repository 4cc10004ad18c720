//! One page table's worth of memory that all processes of one OpenSIPS share.
//!
//! OpenSIPS forks its workers after modules are initialised, and has no threads: whatever one process
//! must tell another goes through memory mapped shared before the fork. Here that is which snapshot
//! file was verified or refused, so that the checksum is run once, away from the SIP workers, and the
//! counters that `fsx_status` adds up. Only atomics: nothing to lock, nothing that a killed process
//! could leave locked.

use core::sync::atomic::{
    AtomicU8, AtomicU32, AtomicU64, Ordering::Acquire, Ordering::Relaxed, Ordering::Release,
};
use std::{io, sync::OnceLock};

/// Processes that have counters of their own; any further ones share.
pub const SLOTS: usize = 512;

/// Longest line kept, in bytes.
const LINE: usize = 400;

/// What a process counts. Each on cache lines of its own.
#[repr(C, align(128))]
pub struct Slot {
    /// Process id of the last process that counted here.
    pub pid: AtomicU32,
    /// 1 if the process takes work from others: it has been through `child_init` as a worker.
    pub listens: AtomicU32,
    /// Generation that it decides from; 0 is none.
    pub generation: AtomicU64,
    /// Calls routed.
    pub routed: AtomicU64,
    /// Calls refused by a decision.
    pub rejected: AtomicU64,
    /// Calls that found no routing data.
    pub no_data: AtomicU64,
    /// Calls that failed inside the module.
    pub errors: AtomicU64,
    /// Emergency calls, also counted as routed.
    pub emergencies: AtomicU64,
    /// Further attempts given by `fsx_next`.
    pub next: AtomicU64,
    /// Moves to another generation.
    pub moves: AtomicU64,
    /// Panics caught.
    pub panics: AtomicU64,
}

/// A line of text that one process writes and others read.
#[repr(C)]
pub struct Line {
    /// Odd while the text is being written.
    sequence: AtomicU32,
    len: AtomicU32,
    text: [AtomicU8; LINE],
}

impl Line {
    /// Replaces the text, cut to what fits. Two writers at once can mix their texts, never more.
    pub fn set(&self, text: &str) {
        let mut end = text.len().min(LINE);
        while !text.is_char_boundary(end) {
            end -= 1;
        }
        self.sequence.fetch_add(1, Acquire);
        for (to, from) in self.text.iter().zip(text[..end].bytes()) {
            to.store(from, Relaxed);
        }
        self.len.store(end as u32, Relaxed);
        self.sequence.fetch_add(1, Release);
    }

    /// The text; empty when there is none, or it is being written just now and again and again.
    #[must_use]
    pub fn get(&self) -> String {
        for _ in 0..100 {
            let before = self.sequence.load(Acquire);
            let len = (self.len.load(Relaxed) as usize).min(LINE);
            let bytes: Vec<u8> = self.text[..len].iter().map(|b| b.load(Relaxed)).collect();
            core::sync::atomic::fence(Acquire);
            if before.is_multiple_of(2) && self.sequence.load(Relaxed) == before {
                return String::from_utf8_lossy(&bytes).into_owned();
            }
        }
        String::new()
    }
}

/// Everything that the processes share.
#[repr(C)]
pub struct Shared {
    /// Fingerprint of the snapshot file that was verified last; 0 is none.
    pub verified: AtomicU64,
    /// Its generation.
    pub verified_generation: AtomicU64,
    /// When it was verified, in seconds since 1970 UTC.
    pub verified_at: AtomicU64,
    /// Fingerprint of the file that was refused last, 0 when the one in place is good.
    pub refused: AtomicU64,
    /// Why.
    pub refused_reason: Line,
    /// Process id of the keeper.
    pub keeper_pid: AtomicU32,
    /// When the keeper looked last, in seconds since 1970 UTC.
    pub looked_at: AtomicU64,
    /// Files verified since the start.
    pub verifications: AtomicU64,
    /// Files refused since the start.
    pub refusals: AtomicU64,
    /// Counts the live tables that the keeper has found in place of the one before.
    pub live_tables: AtomicU64,
    slots: [Slot; SLOTS],
}

static SHARED: OnceLock<&'static Shared> = OnceLock::new();

impl Shared {
    /// Maps the memory, zeroed. Must be called before the fork.
    ///
    /// # Errors
    /// Those of mmap.
    pub fn create() -> io::Result<&'static Self> {
        if let Some(shared) = SHARED.get() {
            return Ok(shared);
        }
        // SAFETY: a fresh anonymous mapping, not placed anywhere in particular.
        let at = unsafe {
            libc::mmap(
                core::ptr::null_mut(),
                size_of::<Self>(),
                libc::PROT_READ | libc::PROT_WRITE,
                libc::MAP_SHARED | libc::MAP_ANONYMOUS,
                -1,
                0,
            )
        };
        if at == libc::MAP_FAILED {
            return Err(io::Error::last_os_error());
        }
        // SAFETY: the mapping is page-aligned, as long as the type, zeroed, never unmapped, and the
        // type is made of atomics only, for which zero is a value.
        let shared: &'static Self = unsafe { &*at.cast::<Self>() };
        Ok(SHARED.get_or_init(|| shared))
    }

    /// The memory, once made.
    pub fn get() -> Option<&'static Self> {
        SHARED.get().copied()
    }

    /// Counters of this process.
    pub fn own_slot(&self) -> &Slot {
        &self.slots[super::api::process_no() % SLOTS]
    }

    /// All counters, with the process numbers that they belong to.
    pub fn slots(&self) -> impl Iterator<Item = (usize, &Slot)> {
        self.slots.iter().enumerate().filter(|(_, slot)| slot.pid.load(Relaxed) != 0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_is_cut_at_a_character() {
        let shared = Shared::create().expect("memory");
        shared.refused_reason.set(&"é".repeat(LINE));
        let text = shared.refused_reason.get();
        assert_eq!(text, "é".repeat(LINE / 2));
        shared.refused_reason.set("");
        assert_eq!(shared.refused_reason.get(), "");
    }
}
