//! The table opened: making, checking and replacing the file, and the few words of its header.

use std::{
    fs::{self, File, OpenOptions, Permissions},
    io::{Read as _, Write as _},
    os::unix::fs::{MetadataExt as _, OpenOptionsExt as _, PermissionsExt as _},
    path::{Path, PathBuf},
    sync::atomic::{
        AtomicU32, AtomicU64,
        Ordering::{Acquire, Relaxed, Release},
    },
};

use fsx_core::{
    CallFacts, Nano,
    data::{GatewayLoad, GatewayTerms, LiveView, Standing},
    profile::Quality,
};

use crate::{
    error::LiveError,
    layout::{
        HEADER_WORDS, Layout, MAGIC, MAX_DATA_CENTRES, MAX_OWNERS, VERSION, WORD, check, word,
    },
    map::SharedWords,
};

/// What a new table is made like.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct LiveSpec {
    /// Gateways that can be told apart: a power of two from 16 to 65,536; a third more than there are
    /// is comfortable. 1,536 bytes each.
    pub gateways: u32,
    /// Organisations whose spend can be kept: a power of two from 16 to 4,194,304. 32 bytes each.
    pub organisations: u32,
    /// Permission bits of the file. Every switch process must be able to read and write it: put their
    /// users into the file's group.
    pub mode: u32,
}

impl Default for LiveSpec {
    fn default() -> Self {
        Self { gateways: 4096, organisations: 16_384, mode: 0o660 }
    }
}

/// The live table, mapped into this process. Shared freely between threads, and with forked children.
#[derive(Debug)]
pub struct LiveTable {
    pub(crate) map: SharedWords,
    pub(crate) layout: Layout,
    /// Which file it is: device, inode.
    pub(crate) file: (u64, u64),
    /// Its permission bits.
    pub(crate) mode: u32,
}

impl LiveTable {
    /// Opens an existing table.
    ///
    /// # Errors
    /// [`LiveError`]: the file is missing, is not a live table of this version and machine, or has not
    /// the length that its header says. Nothing is changed.
    pub fn open(path: impl AsRef<Path>) -> Result<Self, LiveError> {
        let path = path.as_ref();
        let io = |doing| move |error| LiveError::Io { path: path.to_owned(), doing, error };
        // Non-blocking, so that a FIFO put in our place cannot hold a switch.
        let mut file = OpenOptions::new()
            .read(true)
            .write(true)
            .custom_flags(libc::O_NONBLOCK)
            .open(path)
            .map_err(io("open"))?;
        let about = file.metadata().map_err(io("examine"))?;
        if !about.is_file() {
            return Err(LiveError::NotAFile { path: path.to_owned() });
        }
        let mut bytes = [0; HEADER_WORDS * WORD];
        if about.len() < bytes.len() as u64 {
            return Err(LiveError::Length {
                path: path.to_owned(),
                expected: bytes.len() as u64,
                got: about.len(),
            });
        }
        file.read_exact(&mut bytes).map_err(io("read"))?;
        let mut head = [0; 8];
        for (to, from) in head.iter_mut().zip(bytes.as_chunks::<WORD>().0) {
            *to = u64::from_ne_bytes(*from);
        }
        let layout = read_head(path, &head, about.len())?;
        let map = SharedWords::new(&file, layout.words).map_err(io("map"))?;
        let file = (about.dev(), about.ino());
        Ok(Self { map, layout, file, mode: about.mode() & 0o7777 })
    }

    /// Opens the table, or makes one where there is none or none that can be used. The capacities of a
    /// usable one are left as they are. For the daemon: a module only [`open`](Self::open)s.
    ///
    /// A new file is made beside the old one and renamed over it; processes that have the old one
    /// mapped go on with it until they see [`superseded`](Self::superseded).
    ///
    /// # Errors
    /// [`LiveError`].
    pub fn open_or_create(path: impl AsRef<Path>, spec: &LiveSpec) -> Result<Self, LiveError> {
        let path = path.as_ref();
        match Self::open(path) {
            Err(error) if error.is_missing() || error.is_unusable() => Self::create(path, spec),
            other => other,
        }
    }

    /// Makes a new, empty table in the place of whatever is there.
    ///
    /// # Errors
    /// [`LiveError`].
    pub fn create(path: impl AsRef<Path>, spec: &LiveSpec) -> Result<Self, LiveError> {
        Self::make(path.as_ref(), spec, |_| {})
    }

    /// Makes a table, has it filled while nobody sees it, and puts it in its place.
    pub(crate) fn make(
        path: &Path,
        spec: &LiveSpec,
        fill: impl FnOnce(&Self),
    ) -> Result<Self, LiveError> {
        static MADE: AtomicU32 = AtomicU32::new(0);
        let layout = Layout::new(spec.gateways, spec.organisations)?;
        let old = Header::open(path);
        let mut name = path.as_os_str().to_owned();
        name.push(format!(".new.{}.{}", std::process::id(), MADE.fetch_add(1, Relaxed)));
        let new = PathBuf::from(name);
        let made = write_empty(&new, &layout, spec.mode).and_then(|()| {
            let table = Self::open(&new)?;
            fill(&table);
            fs::rename(&new, path).map_err(|error| LiveError::Io {
                path: path.to_owned(),
                doing: "rename into place",
                error,
            })?;
            Ok(table)
        });
        match made {
            Ok(table) => {
                if let Some(old) = old {
                    old.supersede();
                }
                Ok(table)
            }
            Err(error) => {
                let _ = fs::remove_file(&new); // The first error is the one to tell.
                Err(error)
            }
        }
    }

    /// Generation of the published snapshot; 0 before the first.
    #[must_use]
    pub fn generation(&self) -> u64 {
        self.word(word::GENERATION).map_or(0, |w| w.load(Acquire))
    }

    /// Publishes a generation: to be called once the snapshot file stands in its place.
    pub fn set_generation(&self, generation: u64) {
        self.set_word(word::GENERATION, generation);
    }

    /// Whether the switches of this machine are to take no new calls.
    #[must_use]
    pub fn shutting_down(&self) -> bool {
        self.word(word::SHUTDOWN).is_some_and(|w| w.load(Acquire) != 0)
    }

    /// Sets or clears shutdown mode for every switch process of this machine.
    pub fn set_shutting_down(&self, yes: bool) {
        self.set_word(word::SHUTDOWN, u64::from(yes));
    }

    /// Another file has taken this one's place: open the path again (and register again as an owner)
    /// when convenient. What is read here is no longer kept up to date.
    #[must_use]
    pub fn superseded(&self) -> bool {
        self.word(word::SUPERSEDED).is_some_and(|w| w.load(Relaxed) != 0)
    }

    /// Operations that found a table full since the file was made; see [`crate::LiveStats::overflow`].
    #[must_use]
    pub fn overflow(&self) -> u64 {
        self.word(word::OVERFLOW).map_or(0, |w| w.load(Relaxed))
    }

    pub(crate) fn count_overflow(&self) {
        if let Some(w) = self.word(word::OVERFLOW) {
            w.fetch_add(1, Relaxed);
        }
    }

    #[inline]
    pub(crate) fn word(&self, at: usize) -> Option<&AtomicU64> {
        self.map.words().get(at)
    }

    /// The `n`th row of `N` words of the part that begins at `base`.
    #[inline]
    pub(crate) fn row<const N: usize>(&self, base: usize, n: usize) -> Option<&[AtomicU64; N]> {
        self.map.words().get(base + n * N..)?.first_chunk()
    }

    pub(crate) fn set_word(&self, at: usize, value: u64) {
        if let Some(w) = self.word(at) {
            w.store(value, Release);
        }
    }
}

impl LiveView for LiveTable {
    #[inline]
    fn healthy(&self, gateway_id: u32, data_centre: &str) -> bool {
        self.is_healthy(gateway_id, data_centre)
    }

    fn calls_in_progress(&self, gateway_id: u32) -> u32 {
        self.in_progress(gateway_id)
    }

    fn calls_this_second(&self, gateway_id: u32, at: i64) -> u32 {
        self.begun_in_second(gateway_id, at)
    }

    #[inline]
    fn gateway_load(&self, gateway_id: u32, data_centre: &str, at: i64) -> GatewayLoad {
        self.load_of(gateway_id, data_centre, at)
    }

    #[inline]
    fn takes(&self, row: &[u8; GatewayTerms::BYTES], facts: &CallFacts<'_>, glance: bool) -> bool {
        self.can_take(row, facts, glance)
    }

    #[inline]
    fn glance(&self) -> bool {
        self.owners_are_near()
    }

    #[inline]
    fn spend(&self, org_id: u32) -> Option<Nano> {
        self.spend_of(org_id)
    }

    fn quality(&self, gateway_id: u32) -> Quality {
        self.quality_of(gateway_id)
    }

    #[inline]
    fn all_ordinary(&self) -> bool {
        !self.trouble()
    }

    fn standing(&self, gateway_id: u32, at: i64) -> Standing {
        self.standing_of(gateway_id, at)
    }
}

/// The header of a table of whatever version, so that who has it mapped can be told to let go.
struct Header(SharedWords);

impl Header {
    fn open(path: &Path) -> Option<Self> {
        let file = OpenOptions::new()
            .read(true)
            .write(true)
            .custom_flags(libc::O_NONBLOCK)
            .open(path)
            .ok()?;
        let about = file.metadata().ok()?;
        if !about.is_file() || about.len() < (HEADER_WORDS * WORD) as u64 {
            return None;
        }
        let words = SharedWords::new(&file, HEADER_WORDS).ok()?;
        let magic = words.words().first()?.load(Relaxed);
        (magic == MAGIC).then_some(Self(words))
    }

    fn supersede(&self) {
        if let Some(w) = self.0.words().get(word::SUPERSEDED) {
            w.store(1, Release);
        }
    }
}

/// Judges the first eight words of a file of `len` bytes.
fn read_head(path: &Path, head: &[u64; 8], len: u64) -> Result<Layout, LiveError> {
    if head[word::MAGIC] != MAGIC {
        return Err(LiveError::Foreign { path: path.to_owned() });
    }
    if head[word::VERSION] != VERSION {
        return Err(LiveError::Version {
            path: path.to_owned(),
            expected: VERSION,
            got: head[word::VERSION],
        });
    }
    let damaged = |what| LiveError::Damaged { path: path.to_owned(), what };
    if head[word::CHECK] != check(head) {
        return Err(damaged("its check word does not fit"));
    }
    if head[word::OWNERS] != MAX_OWNERS as u64 || head[word::CENTRES] != MAX_DATA_CENTRES as u64 {
        return Err(damaged("owners or data centres of another layout"));
    }
    let capacity = |at: usize| u32::try_from(head[at]).unwrap_or(u32::MAX);
    let layout = Layout::new(capacity(word::GATEWAYS), capacity(word::ORGS))
        .map_err(|_| damaged("impossible capacity"))?;
    if layout.bytes() != head[word::BYTES] {
        return Err(damaged("its length does not fit its capacities"));
    }
    if layout.bytes() != len {
        return Err(LiveError::Length {
            path: path.to_owned(),
            expected: layout.bytes(),
            got: len,
        });
    }
    Ok(layout)
}

/// Writes an empty table. Every byte is written, not only the length set: a hole that finds the disk
/// full when a call first touches it would be SIGBUS.
fn write_empty(path: &Path, layout: &Layout, mode: u32) -> Result<(), LiveError> {
    let io = |doing| move |error| LiveError::Io { path: path.to_owned(), doing, error };
    let mut file: File = OpenOptions::new()
        .write(true)
        .create_new(true)
        .mode(0o600)
        .open(path)
        .map_err(io("create"))?;
    // The umask must not decide who may take part.
    file.set_permissions(Permissions::from_mode(mode)).map_err(io("set the mode"))?;
    let mut left = layout.words * WORD;
    let zeros = vec![0; 64 * 1024];
    let mut chunk = zeros.clone();
    for (to, from) in chunk.iter_mut().zip(layout.head().iter().flat_map(|w| w.to_ne_bytes())) {
        *to = from;
    }
    let mut next = &chunk;
    while left > 0 {
        let n = left.min(next.len());
        file.write_all(&next[..n]).map_err(io("write"))?;
        left -= n;
        next = &zeros;
    }
    file.sync_all().map_err(io("sync"))
}
