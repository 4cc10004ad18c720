//! The file as atomics, and the other system call that Rust's library has no safe word for. All unsafe
//! code of this crate is here.

use std::{fs::File, io, sync::atomic::AtomicU64};

use memmap2::{MmapOptions, MmapRaw};

/// A file mapped shared and writable, seen as 64-bit atomics.
///
/// It stays mapped until dropped, also when the file is renamed over or removed. It survives `fork`,
/// parent and child sharing it.
#[derive(Debug)]
pub(crate) struct SharedWords {
    map: MmapRaw,
    words: usize,
}

impl SharedWords {
    /// Maps the first `words` words of `file`, which must be open for reading and writing and at least
    /// that long.
    ///
    /// # Errors
    /// What the system says.
    pub(crate) fn new(file: &File, words: usize) -> io::Result<Self> {
        let bytes = words
            .checked_mul(size_of::<u64>())
            .filter(|&n| n > 0)
            .ok_or_else(|| io::Error::from(io::ErrorKind::InvalidInput))?;
        let map = MmapOptions::new().len(bytes).map_raw(file)?;
        Ok(Self { map, words })
    }

    /// The words.
    pub(crate) fn words(&self) -> &[AtomicU64] {
        // SAFETY: mmap gave `words * 8` readable and writable bytes at a page-aligned address, and they
        // stay until `self.map` is dropped, which the borrow outlives not. Every process reaches the
        // bytes through this crate's atomics only (MmapRaw makes no references), so no access races with
        // a plain one; any bit pattern is a valid u64. That the file is never truncated under the map
        // is a rule of the crate's documentation: it cannot be checked here.
        unsafe { std::slice::from_raw_parts(self.map.as_mut_ptr().cast::<AtomicU64>(), self.words) }
    }
}

/// Whether a process of this id exists, also when it belongs to somebody else or `/proc` hides it.
pub(crate) fn process_exists(pid: u32) -> bool {
    let Ok(pid) = libc::pid_t::try_from(pid) else { return false };
    if pid <= 0 {
        return false; // 0 and negative numbers name groups.
    }
    // SAFETY: signal 0 sends nothing; kill only looks whether the process is there.
    let sent = unsafe { libc::kill(pid, 0) };
    sent == 0 || io::Error::last_os_error().raw_os_error() != Some(libc::ESRCH)
}
