//! Which process is which. A process id alone is not enough: the system gives it again to somebody
//! else, and the calls of a dead switch must not be kept alive by a stranger.

use std::fs;

use crate::map::process_exists;

/// Bits of an identity that hold the start time.
const START_BITS: u32 = 41;

/// Set while a slot is being taken.
pub(crate) const CLAIMING: u64 = 1 << 63;

/// Process id and start time in one word; never 0 for a real process. 22 bits are Linux's largest
/// process id, 41 bits of clock ticks (100 a second) are 697 years since boot.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct Identity(pub(crate) u64);

impl Identity {
    fn new(pid: u32, start_ticks: u64) -> Self {
        let pid = u64::from(pid) & ((1 << 22) - 1);
        Self(pid << START_BITS | start_ticks & ((1 << START_BITS) - 1))
    }

    /// This process; `None` when `/proc` cannot be read.
    pub(crate) fn own() -> Option<Self> {
        let stat = fs::read("/proc/self/stat").ok()?;
        Some(Self::new(std::process::id(), parse_stat(&stat)?.start_ticks))
    }

    /// The process id.
    pub(crate) fn pid(self) -> u32 {
        ((self.0 & !CLAIMING) >> START_BITS) as u32
    }

    /// Whether that very process still runs. In doubt it does: calls are given back too late rather
    /// than too early.
    pub(crate) fn alive(self) -> bool {
        let pid = self.pid();
        match fs::read(format!("/proc/{pid}/stat")).ok().as_deref().and_then(parse_stat) {
            // A zombie runs nothing; its parent has merely not asked after it yet.
            Some(stat) => {
                !matches!(stat.state, b'Z' | b'X' | b'x')
                    && Self::new(pid, stat.start_ticks).0 == self.0 & !CLAIMING
            }
            // Gone, or hidden from us (mount option hidepid): kill knows.
            None => process_exists(pid),
        }
    }
}

/// A number for this boot of the machine, so that start times of two boots are not compared; 0 where
/// the system does not say.
pub(crate) fn boot() -> u64 {
    let Ok(id) = fs::read("/proc/sys/kernel/random/boot_id") else { return 0 };
    // FNV-1a.
    id.trim_ascii()
        .iter()
        .fold(0xcbf2_9ce4_8422_2325, |h, b| (h ^ u64::from(*b)).wrapping_mul(0x100_0000_01b3))
}

/// A number for the namespace that process ids mean something in; 0 where the system does not say.
pub(crate) fn namespace() -> u64 {
    use std::os::unix::fs::MetadataExt as _;
    fs::metadata("/proc/self/ns/pid").map_or(0, |about| about.ino())
}

struct Stat {
    state: u8,
    start_ticks: u64,
}

/// Reads `/proc/<pid>/stat` (proc(5)): the command in brackets may hold anything, so fields are counted
/// from the last bracket; the state is the first, the start time the twentieth.
fn parse_stat(bytes: &[u8]) -> Option<Stat> {
    let close = bytes.iter().rposition(|&b| b == b')')?;
    let text = std::str::from_utf8(bytes.get(close + 1..)?).ok()?;
    let mut fields = text.split_ascii_whitespace();
    let state = *fields.next()?.as_bytes().first()?;
    let start_ticks = fields.nth(18)?.parse().ok()?;
    Some(Stat { state, start_ticks })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn own_identity_is_alive() {
        let own = Identity::own().expect("/proc");
        assert_eq!(own.pid(), std::process::id());
        assert!(own.alive());
        assert!(Identity(own.0 | CLAIMING).alive());
    }

    #[test]
    fn same_pid_other_start_is_dead() {
        let own = Identity::own().expect("/proc");
        assert!(!Identity(own.0 ^ 1).alive());
    }

    #[test]
    fn awkward_commands() {
        let line = b"42 (a) R 9 (b)) S 1 2 3 4 5 6 7 8 9 10 11 12 13 14 15 16 17 18 777 20\n";
        let stat = parse_stat(line).expect("well formed");
        assert_eq!((stat.state, stat.start_ticks), (b'S', 777));
        for cut in 0..line.len() - 6 {
            let _ = parse_stat(&line[..cut]);
        }
        assert!(parse_stat(b"").is_none());
        assert!(parse_stat(b"42 (x) S 1 2").is_none());
    }

    #[test]
    fn no_process_has_id_zero() {
        assert!(!process_exists(0));
        assert!(!process_exists(u32::MAX));
        assert!(process_exists(std::process::id()));
    }
}
