//! Where everything stands in the file.
//!
//! The file is an array of 64-bit words in the machine's own byte order (little-endian on every machine
//! we run on; a file from the other kind fails the magic). Parts follow one another, each beginning on a
//! 64-byte line so that two hot words never share one by accident:
//!
//! ```text
//! header        64 words   0-7 what the file is (never changes), 8-15 what calls read, 16-23 counters
//! data centres  64 x 16    hash of the name, ready, name (8 words)
//! owners       128 x 8     identity, epoch, boot, namespace, sign of life
//! gateways       n x 16    key, health down, calls this second, operator's word, cells of the first
//!                          four owners; health known, calls begun, passive state, tallies, trips
//! quality        n x 48    six buckets of ten minutes: seizures, answers, failures, ended calls, talk,
//!                          calls that rang, post-dial delay
//! cells          n x 128   calls in progress of one gateway, a word an owner: epoch, count
//! organisations  m x 4     key, spend, known
//! ```
//!
//! A gateway's calls in progress are the sum of its cells whose owner is alive. There is no total
//! beside them: a total and its parts cannot be changed together, and a process killed between the two
//! stores would leave them apart for ever.

use crate::error::LiveError;

/// First word of every live table.
pub(crate) const MAGIC: u64 = u64::from_le_bytes(*b"fsxlive\n");

/// Goes up when the layout changes.
pub(crate) const VERSION: u64 = 2;

/// Bytes of a word.
pub(crate) const WORD: usize = 8;

/// Words of the header.
pub(crate) const HEADER_WORDS: usize = 64;

/// Most data centres that can be told apart: their health is one word of bits.
pub const MAX_DATA_CENTRES: usize = 64;

/// Longest name of a data centre, in bytes.
pub const MAX_NAME: usize = 64;

/// Most switch processes at a time.
pub const MAX_OWNERS: usize = 128;

/// Words of a data centre's row.
pub(crate) const CENTRE_WORDS: usize = 16;

/// Words of an owner's row.
pub(crate) const OWNER_WORDS: usize = 8;

/// Words of a gateway's row.
pub(crate) const GATEWAY_WORDS: usize = 16;

/// Buckets of a gateway's quality.
pub(crate) const BUCKETS: usize = 6;

/// Words of a bucket.
pub(crate) const BUCKET_WORDS: usize = 8;

/// Words of a gateway's quality.
pub(crate) const QUALITY_WORDS: usize = BUCKETS * BUCKET_WORDS;

/// Words of an organisation's row.
pub(crate) const ORG_WORDS: usize = 4;

/// How far a key may stand from its place; bounds every search, also in a full table.
pub(crate) const MAX_PROBES: usize = 64;

const MIN_CAPACITY: u32 = 16;
const MAX_GATEWAYS: u32 = 1 << 16;
const MAX_ORGS: u32 = 1 << 22;

/// Places of the header's words. Those up to [`word::SUPERSEDED`] stand where they are in every version:
/// a newer release tells processes of an older one through them.
pub(crate) mod word {
    pub(crate) const MAGIC: usize = 0;
    pub(crate) const VERSION: usize = 1;
    pub(crate) const BYTES: usize = 2;
    pub(crate) const GATEWAYS: usize = 3;
    pub(crate) const ORGS: usize = 4;
    pub(crate) const OWNERS: usize = 5;
    pub(crate) const CENTRES: usize = 6;
    pub(crate) const CHECK: usize = 7;
    /// Generation of the published snapshot; 0 before the first.
    pub(crate) const GENERATION: usize = 8;
    /// 1 while the switch takes no new calls.
    pub(crate) const SHUTDOWN: usize = 9;
    /// 1 once another file has taken this one's place.
    pub(crate) const SUPERSEDED: usize = 10;
    /// Owner slots ever used: sums stop there.
    pub(crate) const OWNERS_HIGH: usize = 11;
    /// The second (UTC) that was seen last: what is recent is judged by it.
    pub(crate) const CLOCK: usize = 12;
    /// Whether any gateway is to be tried last or not at all; see `passive.rs`.
    pub(crate) const TROUBLE: usize = 13;
    /// Operations that found a table full.
    pub(crate) const OVERFLOW: usize = 16;
    /// Owners found dead since the file was made.
    pub(crate) const REAPED: usize = 17;
}

/// Sizes and places of the parts, computed once.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct Layout {
    pub(crate) gateway_capacity: usize,
    pub(crate) org_capacity: usize,
    pub(crate) centres: usize,
    pub(crate) owners: usize,
    pub(crate) gateways: usize,
    pub(crate) quality: usize,
    pub(crate) cells: usize,
    pub(crate) orgs: usize,
    /// Words of the whole file.
    pub(crate) words: usize,
}

impl Layout {
    /// Places the parts.
    ///
    /// # Errors
    /// [`LiveError::Capacity`]; what passes cannot overflow.
    pub(crate) fn new(gateway_capacity: u32, org_capacity: u32) -> Result<Self, LiveError> {
        for (table, got, max) in [
            ("gateways", gateway_capacity, MAX_GATEWAYS),
            ("organisations", org_capacity, MAX_ORGS),
        ] {
            if !got.is_power_of_two() || got < MIN_CAPACITY || got > max {
                return Err(LiveError::Capacity { table, got, max });
            }
        }
        let (gateway_capacity, org_capacity) = (gateway_capacity as usize, org_capacity as usize);
        let centres = HEADER_WORDS;
        let owners = centres + MAX_DATA_CENTRES * CENTRE_WORDS;
        let gateways = owners + MAX_OWNERS * OWNER_WORDS;
        debug_assert_eq!(gateways % GATEWAY_WORDS, 0);
        let quality = gateways + gateway_capacity * GATEWAY_WORDS;
        let cells = quality + gateway_capacity * QUALITY_WORDS;
        let orgs = cells + gateway_capacity * MAX_OWNERS;
        let words = orgs + org_capacity * ORG_WORDS;
        Ok(Self {
            gateway_capacity,
            org_capacity,
            centres,
            owners,
            gateways,
            quality,
            cells,
            orgs,
            words,
        })
    }

    /// Bytes of the whole file.
    pub(crate) fn bytes(&self) -> u64 {
        (self.words * WORD) as u64
    }

    /// The first eight words of a file of this layout.
    pub(crate) fn head(&self) -> [u64; 8] {
        let mut head = [0; 8];
        head[word::MAGIC] = MAGIC;
        head[word::VERSION] = VERSION;
        head[word::BYTES] = self.bytes();
        head[word::GATEWAYS] = self.gateway_capacity as u64;
        head[word::ORGS] = self.org_capacity as u64;
        head[word::OWNERS] = MAX_OWNERS as u64;
        head[word::CENTRES] = MAX_DATA_CENTRES as u64;
        head[word::CHECK] = check(&head);
        head
    }
}

/// A sum over the words before it, to tell a damaged header from a sound one.
pub(crate) fn check(head: &[u64; 8]) -> u64 {
    head[..word::CHECK].iter().fold(MAGIC, |sum, w| (sum ^ w).wrapping_mul(0x9e37_79b9_7f4a_7c15))
}

/// Where the search for `key` begins in a table of `capacity` rows (a power of two).
#[inline]
pub(crate) fn place(key: u32, capacity: usize) -> usize {
    // Fibonacci hashing: ids come in runs, and this spreads runs.
    let hash = u64::from(key).wrapping_mul(0x9e37_79b9_7f4a_7c15);
    (hash >> 32) as usize & (capacity - 1)
}
