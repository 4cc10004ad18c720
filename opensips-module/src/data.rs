//! Following the published snapshot, in a proxy made of processes.
//!
//! Reading a whole file to check it takes too long for a process that answers SIP, and there may be
//! dozens of them. So one process of ours, the keeper, does nothing but look whether another file
//! stands at the path, check all of it, note its fingerprint in shared memory and tell the workers; a
//! worker that is told, or sees a new fingerprint at its next call, maps that very file, or stays with
//! what it has. OpenSIPS' timers would not do for the keeper: SIP workers run timer jobs too.

use std::path::Path;

use core::sync::atomic::Ordering::{Acquire, Relaxed, Release};

use fsx_core::data::RoutingData as _;
use fsx_seam::{
    clock,
    log::{self, OnceAMinute},
    map::{FileId, MapError, MappedFile},
};
use fsx_snapshot::Snapshot;

use crate::host::{self, shared::Shared};

/// How long a worker waits before it tries again to map a file that it could not, in milliseconds.
const RETRY_MS: u64 = 100;

/// The snapshot that a process decides from.
#[derive(Debug)]
pub(crate) struct InUse {
    pub(crate) snapshot: Snapshot<MappedFile>,
    pub(crate) fingerprint: u64,
    /// When this process moved to it, in seconds UTC.
    pub(crate) since: i64,
}

/// One process' place behind the keeper.
#[derive(Debug, Default)]
pub(crate) struct Follower {
    in_use: Option<InUse>,
    /// The fingerprint that could not be mapped, and when that was tried.
    tried: Option<(u64, u64)>,
}

impl Follower {
    pub(crate) const fn new() -> Self {
        Self { in_use: None, tried: None }
    }

    /// What is in hand; nothing where its file was cut under it.
    pub(crate) fn in_use(&self) -> Option<&InUse> {
        self.in_use.as_ref().filter(|in_use| !in_use.snapshot.bytes().lost())
    }

    /// Moves to the file that was verified last, if that is another than the one in hand and still
    /// stands at the path. Costs one load when it is the same; opens and maps, never reads, when not.
    /// `true` when it has moved.
    pub(crate) fn follow(&mut self, path: &Path, shared: &Shared) -> bool {
        let wanted = shared.verified.load(Acquire);
        let have = self.in_use.as_ref().map_or(0, |in_use| in_use.fingerprint);
        if wanted == 0 || wanted == have {
            return false;
        }
        let now = clock::monotonic_ms();
        let tried = self.tried.filter(|(fingerprint, _)| *fingerprint == wanted);
        if tried.is_some_and(|(_, at)| now.saturating_sub(at) < RETRY_MS) {
            return false;
        }
        self.tried = Some((wanted, now));
        static FAILED: OnceAMinute = OnceAMinute::new();
        let file = match MappedFile::open(path) {
            Ok(file) => file,
            Err(error) => {
                FAILED.write(log::Level::Warning, format_args!("snapshot not followed: {error}"));
                return false;
            }
        };
        let found = fingerprint(file.id());
        if found != wanted {
            // Replaced since; the keeper has yet to look at it, or has refused it.
            return false;
        }
        match Snapshot::open(file) {
            Ok(snapshot) => {
                if self.in_use.is_some() {
                    shared.own_slot().moves.fetch_add(1, Relaxed);
                }
                shared.own_slot().generation.store(snapshot.generation(), Relaxed);
                self.in_use = Some(InUse { snapshot, fingerprint: wanted, since: clock::utc_s() });
                self.tried = None;
                true
            }
            Err(error) => {
                FAILED.write(
                    log::Level::Error,
                    format_args!("{}: verified, but not opened: {error}", path.display()),
                );
                false
            }
        }
    }
}

/// What came of a look at the path.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) enum Look {
    /// The file that was verified last still stands there.
    Same,
    /// Another one, sound: its generation.
    Verified(u64),
    /// It is not to be used, and why.
    Refused(String),
}

/// Looks whether another file stands at the path, checks all of it, and tells every process. For the
/// keeper, the start and `fsx_reload`; not for SIP workers.
pub(crate) fn look(path: &Path, shared: &Shared) -> Look {
    shared.looked_at.store(clock::utc_s().unsigned_abs(), Relaxed);
    let refuse = |fingerprint: u64, reason: String| {
        if shared.refused.swap(fingerprint, Relaxed) != fingerprint {
            shared.refused_reason.set(&reason);
            shared.refusals.fetch_add(1, Relaxed);
            match shared.verified.load(Relaxed) {
                0 => log::error(format_args!("no routing data: {reason}")),
                _ => log::error(format_args!(
                    "snapshot refused: {reason}; generation {} serves on",
                    shared.verified_generation.load(Relaxed)
                )),
            }
        }
        Look::Refused(reason)
    };
    // A file that is not there has no identity; 1 stands for it.
    const MISSING: u64 = 1;
    if let Ok(id) = FileId::of(path) {
        let found = fingerprint(id);
        if found == shared.verified.load(Acquire) {
            if shared.refused.swap(0, Relaxed) != 0 {
                shared.refused_reason.set("");
            }
            return Look::Same;
        }
        if found == shared.refused.load(Relaxed) {
            return Look::Refused(shared.refused_reason.get());
        }
    }
    let file = match MappedFile::open(path) {
        Ok(file) => file,
        Err(error @ MapError::Missing { .. }) => return refuse(MISSING, error.to_string()),
        Err(error) => {
            let found = FileId::of(path).map_or(MISSING, fingerprint);
            return refuse(found, error.to_string());
        }
    };
    let found = fingerprint(file.id());
    let checked = Snapshot::open(file).map_err(|error| error.to_string()).and_then(|snapshot| {
        snapshot.verify().map_err(|error| error.to_string())?;
        Ok(snapshot.generation())
    });
    match checked {
        Ok(generation) => {
            let first = shared.verified.load(Relaxed) == 0;
            shared.verified_generation.store(generation, Relaxed);
            shared.verified_at.store(clock::utc_s().unsigned_abs(), Relaxed);
            shared.verifications.fetch_add(1, Relaxed);
            if shared.refused.swap(0, Relaxed) != 0 {
                shared.refused_reason.set("");
            }
            shared.verified.store(found, Release);
            // Now, while the file stands: a worker that waits for its next call may find the path taken
            // by a file that is refused, and be left behind.
            host::tell_workers();
            let verb = if first { "serving" } else { "moving to" };
            log::notice(format_args!("{verb} generation {generation} of {}", path.display()));
            Look::Verified(generation)
        }
        Err(reason) => refuse(found, format!("{}: {reason}", path.display())),
    }
}

/// A file's identity in one word, so that one atomic store tells all processes which file is meant.
/// Never 0 or 1. (FNV-1a over device, inode, length and time of change.)
fn fingerprint(id: FileId) -> u64 {
    let mut hash = 0xcbf2_9ce4_8422_2325_u64;
    let words = [id.dev, id.ino, id.len, id.modified_ns as u64];
    for byte in words.into_iter().flat_map(u64::to_le_bytes) {
        hash = (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3);
    }
    hash.max(2)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn fingerprints_tell_files_apart() {
        let id = FileId { dev: 1, ino: 2, len: 3, modified_ns: 4 };
        assert_eq!(fingerprint(id), fingerprint(id));
        for other in [
            FileId { dev: 2, ..id },
            FileId { ino: 3, ..id },
            FileId { len: 4, ..id },
            FileId { modified_ns: 5, ..id },
        ] {
            assert_ne!(fingerprint(id), fingerprint(other));
        }
    }
}
