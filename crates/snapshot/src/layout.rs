//! Where things stand in the file: one header, then sections of equal rows, all little-endian.
//!
//! Only this module, `Ranked` and `GatewayTerms` of the core, and `docs/snapshot-format.md` know the
//! places. Every change of meaning raises [`FORMAT`]; a reader refuses every other.

use fsx_core::data::Ranked;

/// Version of the format.
pub const FORMAT: u32 = 3;

pub(crate) const MAGIC: [u8; 8] = *b"FSXROUTE";

/// Bytes before the first section.
pub(crate) const HEADER: usize = 1024;

/// Sections begin on a cache line.
pub(crate) const ALIGN: usize = 64;

/// No text, no row.
pub(crate) const NONE: u32 = u32::MAX;

/// Entries before the first leaf list and bytes of one entry: the unit of the offers section.
pub(crate) const OFFER: usize = Ranked::BYTES;

/// Offer entries in one cache line, the first of which is the list's header.
pub(crate) const OFFERS_PER_LINE: usize = ALIGN / OFFER;

/// Digits that the direct table covers.
pub(crate) const HEAD_DIGITS: usize = 6;

/// Entries of the direct table.
pub(crate) const HEADS: usize = 11usize.pow(HEAD_DIGITS as u32);

// Places in the header.
pub(crate) const AT_FORMAT: usize = 8;
pub(crate) const AT_SECTIONS: usize = 12;
pub(crate) const AT_FILE_LEN: usize = 16;
pub(crate) const AT_GENERATION: usize = 24;
pub(crate) const AT_BUILT: usize = 32;
pub(crate) const AT_HORIZON: usize = 40;
pub(crate) const AT_REFERENCE: usize = 48;
pub(crate) const AT_FLAGS: usize = 52;
pub(crate) const AT_COUNTRY: usize = 56;
pub(crate) const AT_TABLE: usize = 64;
/// One row of the section table: offset u64, rows u32, row bytes u32, checksum u32, pad u32.
pub(crate) const TABLE_ROW: usize = 24;
/// First second from which the order of lists no longer holds, i64; how many columns, u32.
pub(crate) const AT_RANKED_UNTIL: usize = HEADER - 16;
pub(crate) const AT_COLUMNS: usize = HEADER - 8;
/// The header's own checksum, over everything before it.
pub(crate) const AT_HEADER_CRC: usize = HEADER - 4;

/// Header flag: [`fsx_core::data::Settings::shorter_prefix`].
pub(crate) const FLAG_SHORTER: u32 = 1;

/// Header flag: [`fsx_core::data::Settings::has_overrides`].
pub(crate) const FLAG_OVERRIDES: u32 = 2;

/// In the second word of a list's header: the rest of it is the list's first row in the variants
/// section, one a column.
pub(crate) const VARIES: u32 = 1 << 31;

/// Beside it: the same for each class of callers, one after another.
pub(crate) const BY_CALLER: u32 = 1 << 30;

/// The sections, in file order.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[repr(usize)]
pub(crate) enum Section {
    /// Lists of offers: a header entry (count, ranked), then entries; each list begins a line. First,
    /// since they are most of a file: a build writes them where they stay.
    Offers,
    /// Texts: u16 length, then that many bytes of UTF-8, one after another.
    Texts,
    /// Pattern programs: instruction words.
    Programs,
    /// Program (first word, words), replacement text.
    Rewrites,
    Carriers,
    Bands,
    Rates,
    Gateways,
    /// Direct table: (list line, 0) or (first interval, how many).
    Heads,
    /// (low nine digits, list line).
    Intervals,
    /// Small decks instead: key u64; the list line stands in `BoundLists`.
    Bounds,
    BoundLists,
    Private,
    Overrides,
    ClosedLoop,
    Orgs,
    DiallingRules,
    Countries,
    EmergencyNumbers,
    EmergencyGateways,
    Formats,
    Periods,
    PeriodIntervals,
    ABands,
    ABandPrefixes,
    /// Names of data centres, the place of each its bit.
    DataCentres,
    /// Numbers of retail decks, by deck, organisation, prefix and length.
    Retail,
    /// What a decision reads of gateways, two to a cache line; the rest is in `Gateways`.
    GatewayTerms,
    /// First second, column: spans of time in which no price changes.
    Regimes,
    /// Key, class: runs of callers that are in the same A-bands.
    Callers,
    /// Lines of lists, by list, class and column.
    Variants,
}

impl Section {
    pub(crate) const COUNT: usize = 31;

    /// Bytes of one row.
    pub(crate) const ROW: [usize; Self::COUNT] = [
        OFFER, 1, 4, 16, 32, 32, 88, 96, 8, 8, 8, 4, 24, 32, 8, 56, 16, 32, 4, 4, 8, 16, 16, 16,
        16, 4, 24, 32, 16, 16, 4,
    ];

    /// Names for error messages and `dump`.
    pub(crate) const NAMES: [&'static str; Self::COUNT] = [
        "offers",
        "texts",
        "programs",
        "rewrites",
        "carriers",
        "bands",
        "rates",
        "gateways",
        "heads",
        "intervals",
        "bounds",
        "bound lists",
        "private numbers",
        "overrides",
        "closed loop",
        "organisations",
        "dialling rules",
        "countries",
        "emergency numbers",
        "emergency gateways",
        "formats",
        "periods",
        "period intervals",
        "A-bands",
        "A-band prefixes",
        "data centres",
        "retail numbers",
        "gateway terms",
        "regimes",
        "callers",
        "variants",
    ];
}

pub(crate) fn u16_at(row: &[u8], at: usize) -> u16 {
    row.get(at..at + 2).map_or(0, |b| u16::from_le_bytes([b[0], b[1]]))
}

pub(crate) fn u32_at(row: &[u8], at: usize) -> u32 {
    row.get(at..).and_then(|b| b.first_chunk()).map_or(0, |b| u32::from_le_bytes(*b))
}

pub(crate) fn u64_at(row: &[u8], at: usize) -> u64 {
    row.get(at..).and_then(|b| b.first_chunk()).map_or(0, |b| u64::from_le_bytes(*b))
}

pub(crate) fn i64_at(row: &[u8], at: usize) -> i64 {
    u64_at(row, at) as i64
}
