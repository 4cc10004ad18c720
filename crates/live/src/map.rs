//! The file as atomics, and the system calls that Rust's library has no safe word for. All unsafe code of
//! this crate is here.
//!
//! **A file that is cut.** Whoever touches a mapped page past the end of its file gets SIGBUS, and a
//! switch that gets SIGBUS is gone with all its calls. Nothing that a switch can do beforehand prevents
//! it: asking for the file's length at each access would cost a system call and still leave a gap. So
//! SIGBUS is handled: a fault inside one of our maps puts a private page of zeros there, notes it, and
//! the access goes on; every other SIGBUS goes to whoever handled it before us. (systemd's journal does
//! the same to the files that it maps.)

use std::{
    fs::File,
    io,
    sync::{
        Once, OnceLock,
        atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering::SeqCst},
    },
};

use memmap2::{Mmap, MmapOptions, MmapRaw};

/// A file mapped shared and writable, seen as 64-bit atomics.
///
/// It stays mapped until dropped, also when the file is renamed over or removed. It survives `fork`,
/// parent and child sharing it.
#[derive(Debug)]
pub(crate) struct SharedWords {
    map: MmapRaw,
    words: usize,
    guarded: Option<&'static Region>,
}

/// A map that the handler knows. Plain atomics: a signal may come at any moment.
#[derive(Debug)]
struct Region {
    taken: AtomicBool,
    start: AtomicUsize,
    end: AtomicUsize,
    /// It may be written to, and so may what is put in the place of a lost page.
    writable: AtomicBool,
    /// A page of it was lost to a cut.
    lost: AtomicBool,
}

impl Region {
    /// Guards `bytes` bytes from `start`; `None` where 64 maps are guarded already.
    fn guard(start: usize, bytes: usize, writable: bool) -> Option<&'static Self> {
        handle_bus_errors();
        let region = REGIONS.iter().find(|region| !region.taken.swap(true, SeqCst))?;
        region.lost.store(false, SeqCst);
        region.writable.store(writable, SeqCst);
        region.end.store(start + bytes, SeqCst);
        region.start.store(start, SeqCst);
        Some(region)
    }

    /// Before the pages go, and somebody else's come there.
    fn release(&self) {
        self.start.store(0, SeqCst);
        self.end.store(0, SeqCst);
        self.taken.store(false, SeqCst);
    }
}

/// Maps of one process at a time; any further ones are as vulnerable as ever.
static REGIONS: [Region; 64] = [const {
    Region {
        taken: AtomicBool::new(false),
        start: AtomicUsize::new(0),
        end: AtomicUsize::new(0),
        writable: AtomicBool::new(false),
        lost: AtomicBool::new(false),
    }
}; 64];

/// Who handled SIGBUS before us.
static BEFORE: OnceLock<libc::sigaction> = OnceLock::new();

static PAGE: AtomicUsize = AtomicUsize::new(4096);

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
        let guarded = Region::guard(map.as_ptr() as usize, bytes, true);
        Ok(Self { map, words, guarded })
    }

    /// Whether part of the map is no longer the file's, because the file was cut.
    pub(crate) fn lost(&self) -> bool {
        self.guarded.is_some_and(|region| region.lost.load(SeqCst))
    }

    /// The words.
    #[inline]
    pub(crate) fn words(&self) -> &[AtomicU64] {
        // SAFETY: mmap gave `words * 8` readable and writable bytes at a page-aligned address, and they
        // stay until `self.map` is dropped, which the borrow outlives not. Every process reaches the
        // bytes through this crate's atomics only (MmapRaw makes no references), so no access races with
        // a plain one; any bit pattern is a valid u64. That the file is never truncated under the map
        // is a rule of the crate's documentation: it cannot be checked here.
        unsafe { std::slice::from_raw_parts(self.map.as_mut_ptr().cast::<AtomicU64>(), self.words) }
    }
}

impl Drop for SharedWords {
    fn drop(&mut self) {
        if let Some(region) = self.guarded {
            region.release();
        }
    }
}

/// A file mapped for reading, and guarded: where it is cut under the map, zeros are read and
/// [`lost`](Self::lost) says so, and the process lives. For the routing file, which a switch maps as it
/// maps the live table.
#[derive(Debug)]
pub struct GuardedMap {
    map: Mmap,
    guarded: Option<&'static Region>,
}

impl GuardedMap {
    /// Guards `map` for as long as it stands.
    #[must_use]
    pub fn new(map: Mmap) -> Self {
        let guarded = Region::guard(map.as_ptr() as usize, map.len(), false);
        Self { map, guarded }
    }

    /// Whether part of it is no longer the file's, because the file was cut. What was read since then is
    /// worth nothing. One load.
    #[must_use]
    #[inline]
    pub fn lost(&self) -> bool {
        self.guarded.is_some_and(|region| region.lost.load(SeqCst))
    }
}

impl AsRef<[u8]> for GuardedMap {
    #[inline]
    fn as_ref(&self) -> &[u8] {
        &self.map
    }
}

impl Drop for GuardedMap {
    fn drop(&mut self) {
        if let Some(region) = self.guarded {
            region.release();
        }
    }
}

/// Installs the handler, once a process. One that is forked has it from its parent.
fn handle_bus_errors() {
    static ONCE: Once = Once::new();
    ONCE.call_once(|| {
        // SAFETY: sysconf has no preconditions.
        let page = unsafe { libc::sysconf(libc::_SC_PAGESIZE) };
        if let Ok(page) = usize::try_from(page)
            && page.is_power_of_two()
        {
            PAGE.store(page, SeqCst);
        }
        // SAFETY: a sigaction of zeros is a valid one; both pointers are to values of ours. The former
        // handler is kept before ours can be called, since it is read before ours is set.
        unsafe {
            let mut before: libc::sigaction = std::mem::zeroed();
            if libc::sigaction(libc::SIGBUS, std::ptr::null(), &raw mut before) != 0 {
                return;
            }
            let _ = BEFORE.set(before);
            let mut ours: libc::sigaction = std::mem::zeroed();
            ours.sa_sigaction = on_bus_error as *const () as usize;
            ours.sa_flags = libc::SA_SIGINFO | libc::SA_ONSTACK;
            libc::sigemptyset(&raw mut ours.sa_mask);
            // Without it the process is as vulnerable as it was.
            libc::sigaction(libc::SIGBUS, &raw const ours, std::ptr::null_mut());
        }
    });
}

/// Mends a fault in a map of ours; hands every other one on. Only what may be done in a signal: atomics
/// and two system calls.
extern "C" fn on_bus_error(
    signal: libc::c_int,
    info: *mut libc::siginfo_t,
    context: *mut libc::c_void,
) {
    // SAFETY: the kernel passes a siginfo; the address is meaningful for this code only.
    let (code, address) = unsafe { ((*info).si_code, (*info).si_addr() as usize) };
    if code == libc::BUS_ADRERR {
        for region in &REGIONS {
            let (start, end) = (region.start.load(SeqCst), region.end.load(SeqCst));
            if start == 0 || address < start || address >= end {
                continue;
            }
            let page = PAGE.load(SeqCst);
            let protection = match region.writable.load(SeqCst) {
                true => libc::PROT_READ | libc::PROT_WRITE,
                false => libc::PROT_READ,
            };
            // SAFETY: the page lies in a map of ours, which is not unmapped while somebody reads it:
            // that reader is this very thread. It is replaced by one of the same protection. Errno is
            // the interrupted code's.
            let mended = unsafe {
                let errno = *libc::__errno_location();
                let got = libc::mmap(
                    (address & !(page - 1)) as *mut libc::c_void,
                    page,
                    protection,
                    libc::MAP_PRIVATE | libc::MAP_ANONYMOUS | libc::MAP_FIXED,
                    -1,
                    0,
                );
                *libc::__errno_location() = errno;
                got != libc::MAP_FAILED
            };
            if mended {
                region.lost.store(true, SeqCst);
                return;
            }
        }
    }
    let before = BEFORE.get();
    // SAFETY: what stood there before us was a handler of the kind that its flags say, or no handler:
    // then the default is put back, and the fault repeats and ends the process as it would have.
    unsafe {
        match before {
            Some(before) if before.sa_sigaction > libc::SIG_IGN => {
                if before.sa_flags & libc::SA_SIGINFO != 0 {
                    let handler: extern "C" fn(
                        libc::c_int,
                        *mut libc::siginfo_t,
                        *mut libc::c_void,
                    ) = std::mem::transmute(before.sa_sigaction);
                    handler(signal, info, context);
                } else {
                    let handler: extern "C" fn(libc::c_int) =
                        std::mem::transmute(before.sa_sigaction);
                    handler(signal);
                }
            }
            _ => {
                let mut default: libc::sigaction = std::mem::zeroed();
                default.sa_sigaction = libc::SIG_DFL;
                libc::sigaction(libc::SIGBUS, &raw const default, std::ptr::null_mut());
                // One that was sent instead of caused does not repeat by itself.
                if code <= 0 {
                    libc::raise(signal);
                }
            }
        }
    }
}

/// Seconds since the machine was started, sleep included; the same in every container of it.
pub(crate) fn boot_s() -> u64 {
    let mut at = libc::timespec { tv_sec: 0, tv_nsec: 0 };
    // SAFETY: the pointer is to a value of ours; on failure it stays as it is.
    unsafe { libc::clock_gettime(libc::CLOCK_BOOTTIME, &raw mut at) };
    u64::try_from(at.tv_sec).unwrap_or(0)
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
