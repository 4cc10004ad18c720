//! Reading a snapshot in place, whatever its bytes are.
//!
//! Opening checks the header and every section's bounds; after that each access is checked again
//! by slicing, and answers "nothing" where damaged data points outside. So a file that was damaged
//! after it was opened gives wrong routes at worst, never a crash. [`Snapshot::verify`] is what
//! tells damage from data.

mod error;
mod walk;

pub use error::{OpenError, VerifyError};
pub use walk::{OverrideEntry, PrivateNumber};

use fsx_core::{
    Country, Nano,
    data::{
        Band, BandTerms, By, Carrier, CarrierTerms, DiallingRule, Gateway, GatewayTerms, Index,
        Margin, Offer, OfferList, Org, Override, OverrideAction, Ranked, Rate, RateTerms,
        RoutingData, Settings,
    },
    digits::{E164, Key, POW11},
    money::Tariff,
    pattern::Rewrite,
};

use crate::layout::{
    AT_BUILT, AT_COLUMNS, AT_COUNTRY, AT_FILE_LEN, AT_FLAGS, AT_FORMAT, AT_GENERATION,
    AT_HEADER_CRC, AT_HORIZON, AT_RANKED_UNTIL, AT_REFERENCE, AT_SECTIONS, AT_TABLE, BY_CALLER,
    FLAG_OVERRIDES, FLAG_SHORTER, FORMAT, HEADER, HEADS, MAGIC, NONE, OFFER, OFFERS_PER_LINE,
    Section, TABLE_ROW, VARIES, i64_at, u16_at, u32_at, u64_at,
};

#[derive(Clone, Copy, Debug, Default)]
struct Span {
    from: usize,
    rows: u32,
    crc: u32,
}

/// A routing file, read in place from bytes held in memory or mapped.
#[derive(Debug)]
pub struct Snapshot<B> {
    bytes: B,
    spans: [Span; Section::COUNT],
    generation: u64,
    built_at: i64,
    settings: Settings,
    /// Columns of the variants section.
    columns: u32,
}

impl<B: AsRef<[u8]>> Snapshot<B> {
    /// Checks header and bounds, in time that does not depend on the size of the file.
    ///
    /// # Errors
    /// [`OpenError`] for anything that is not a whole snapshot of this format. Damage inside a
    /// section is found by [`Self::verify`] only.
    pub fn open(bytes: B) -> Result<Self, OpenError> {
        let file = bytes.as_ref();
        let got = file.len() as u64;
        if file.len() < MAGIC.len() || file[..MAGIC.len()] != MAGIC {
            let short = file.len() < MAGIC.len() && MAGIC.starts_with(file);
            return Err(if short {
                OpenError::Short { expected: HEADER as u64, got }
            } else {
                OpenError::Foreign
            });
        }
        if file.len() < HEADER {
            return Err(OpenError::Short { expected: HEADER as u64, got });
        }
        let version = u32_at(file, AT_FORMAT);
        if version != FORMAT {
            return Err(OpenError::Version { expected: FORMAT, got: version });
        }
        let (stored, computed) =
            (u32_at(file, AT_HEADER_CRC), crc32fast::hash(&file[..AT_HEADER_CRC]));
        if stored != computed {
            return Err(OpenError::Header { expected: stored, got: computed });
        }
        let sections = u32_at(file, AT_SECTIONS);
        if sections as usize != Section::COUNT {
            return Err(OpenError::Sections { expected: Section::COUNT as u32, got: sections });
        }
        let expected = u64_at(file, AT_FILE_LEN);
        if expected != got {
            return Err(OpenError::Short { expected, got });
        }
        let mut spans = [Span::default(); Section::COUNT];
        for (at, span) in spans.iter_mut().enumerate() {
            let row = AT_TABLE + at * TABLE_ROW;
            let bad = OpenError::Section { section: Section::NAMES[at] };
            let from = usize::try_from(u64_at(file, row)).map_err(|_| bad)?;
            *span = Span { from, rows: u32_at(file, row + 8), crc: u32_at(file, row + 16) };
            let len = (span.rows as usize).checked_mul(Section::ROW[at]).ok_or(bad)?;
            let end = from.checked_add(len).ok_or(bad)?;
            if u32_at(file, row + 12) as usize != Section::ROW[at] || end > file.len() {
                return Err(bad);
            }
        }
        let heads = spans[Section::Heads as usize].rows as usize;
        let bounds = spans[Section::Bounds as usize].rows;
        let rows = |section: Section| spans[section as usize].rows;
        if rows(Section::GatewayTerms) != rows(Section::Gateways) {
            let section = Section::NAMES[Section::GatewayTerms as usize];
            return Err(OpenError::Section { section });
        }
        if (heads != 0 && heads != HEADS) || bounds != rows(Section::BoundLists) {
            return Err(OpenError::Section { section: Section::NAMES[Section::Heads as usize] });
        }
        let country = [file[AT_COUNTRY], file[AT_COUNTRY + 1]];
        let settings = Settings {
            reference_seconds: u32_at(file, AT_REFERENCE),
            home_country: Country::new(&country),
            horizon_end: i64_at(file, AT_HORIZON),
            shorter_prefix: u32_at(file, AT_FLAGS) & FLAG_SHORTER != 0,
            has_overrides: u32_at(file, AT_FLAGS) & FLAG_OVERRIDES != 0,
            ranked_from: i64_at(file, AT_BUILT),
            ranked_until: i64_at(file, AT_RANKED_UNTIL),
        };
        let generation = u64_at(file, AT_GENERATION);
        let built_at = i64_at(file, AT_BUILT);
        let columns = u32_at(file, AT_COLUMNS);
        Ok(Self { bytes, spans, generation, built_at, settings, columns })
    }

    /// Reads the whole file against its checksums and follows every reference once. Takes time
    /// proportional to the file; not for the call path.
    ///
    /// # Errors
    /// [`VerifyError`] names the first section that is damaged.
    pub fn verify(&self) -> Result<(), VerifyError> {
        let file = self.bytes.as_ref();
        for (at, span) in self.spans.iter().enumerate() {
            // The checksum covers the padding too: it runs to where the next section begins.
            let end = self.spans.get(at + 1).map_or(file.len(), |next| next.from);
            let got = crc32fast::hash(file.get(span.from..end).unwrap_or_default());
            if got != span.crc {
                let section = Section::NAMES[at];
                return Err(VerifyError::Checksum { section, expected: span.crc, got });
            }
        }
        self.verify_rows()
    }

    fn verify_rows(&self) -> Result<(), VerifyError> {
        let every = |section: Section, valid: &dyn Fn(u32) -> bool| {
            let rows = self.spans[section as usize].rows;
            match (0..rows).find(|&row| !valid(row)) {
                Some(row) => {
                    Err(VerifyError::Row { section: Section::NAMES[section as usize], row })
                }
                None => Ok(()),
            }
        };
        let whole = |section: Section, first: u32, count: u32| {
            first.checked_add(count).is_some_and(|end| end <= self.rows(section))
        };
        let list = |line: u32| {
            let header = line.saturating_mul(OFFERS_PER_LINE as u32);
            let row = self.row(Section::Offers, header);
            let (count, order) = (u32_at(row, 0), u32_at(row, 4));
            let found = match order & VARIES {
                0 => order <= count,
                _ => whole(Section::Variants, order & !(VARIES | BY_CALLER), self.columns),
            };
            !row.is_empty() && found && whole(Section::Offers, header + 1, count)
        };
        every(Section::Variants, &|at| list(u32_at(self.row(Section::Variants, at), 0)))?;
        every(Section::Regimes, &|at| u32_at(self.row(Section::Regimes, at), 8) < self.columns)?;
        every(Section::Carriers, &|at| {
            let row = self.row(Section::Carriers, at);
            whole(Section::Gateways, u32_at(row, 12), u32_at(row, 16))
        })?;
        every(Section::Bands, &|at| {
            let row = self.row(Section::Bands, at);
            (u32_at(row, 8) < self.rows(Section::Carriers) || u32_at(row, 8) == NONE)
                && whole(Section::Rates, u32_at(row, 16), u32_at(row, 20))
        })?;
        every(Section::BoundLists, &|at| list(u32_at(self.row(Section::BoundLists, at), 0)))?;
        every(Section::Intervals, &|at| list(u32_at(self.row(Section::Intervals, at), 4)))?;
        every(Section::Heads, &|at| {
            let row = self.row(Section::Heads, at);
            match (u32_at(row, 0), u32_at(row, 4)) {
                (line, 0) => list(line),
                (first, count) => whole(Section::Intervals, first, count),
            }
        })
    }

    /// When it was built, in seconds UTC.
    pub fn built_at(&self) -> i64 {
        self.built_at
    }

    /// Rows of each section by name, for `lcr stats`.
    pub fn section_rows(&self) -> impl Iterator<Item = (&'static str, u32, usize)> {
        let rows = self.spans.iter().enumerate();
        rows.map(|(at, span)| (Section::NAMES[at], span.rows, Section::ROW[at]))
    }

    /// The bytes read.
    pub fn bytes(&self) -> &B {
        &self.bytes
    }

    /// One row; empty where there is none, and every field of an empty row reads as 0.
    #[inline]
    fn row(&self, section: Section, at: u32) -> &[u8] {
        let span = &self.spans[section as usize];
        if at >= span.rows {
            return &[];
        }
        let size = Section::ROW[section as usize];
        let from = span.from + at as usize * size;
        self.bytes.as_ref().get(from..from + size).unwrap_or_default()
    }

    /// One row of `N` bytes, whose fields then need no further checks.
    #[inline]
    fn fixed<const N: usize>(&self, section: Section, at: u32) -> Option<&[u8; N]> {
        debug_assert_eq!(Section::ROW[section as usize], N);
        let span = &self.spans[section as usize];
        if at >= span.rows {
            return None;
        }
        self.bytes.as_ref().get(span.from + at as usize * N..)?.first_chunk()
    }

    /// All rows of a section of `N` bytes a row.
    #[inline]
    fn rows_of<const N: usize>(&self, section: Section) -> Option<&[[u8; N]]> {
        debug_assert_eq!(Section::ROW[section as usize], N);
        let span = &self.spans[section as usize];
        let end = span.from + span.rows as usize * N;
        Some(self.bytes.as_ref().get(span.from..end)?.as_chunks().0)
    }

    fn rows(&self, section: Section) -> u32 {
        self.spans[section as usize].rows
    }

    /// `count`, or as many as the section has from `first` on: a damaged count must not become a
    /// loop of four thousand million turns.
    fn within(&self, section: Section, first: u32, count: u32) -> u32 {
        count.min(self.rows(section).saturating_sub(first))
    }

    fn text(&self, at: u32) -> &str {
        std::str::from_utf8(self.text_bytes(at)).unwrap_or_default()
    }

    fn text_bytes(&self, at: u32) -> &[u8] {
        let span = &self.spans[Section::Texts as usize];
        let (at, end) = (at as usize, span.rows as usize);
        if at >= end {
            return b"";
        }
        let texts = self.bytes.as_ref().get(span.from..span.from + end).unwrap_or_default();
        let len = usize::from(u16_at(texts, at));
        texts.get(at + 2..at + 2 + len).unwrap_or_default()
    }

    fn rewrite(&self, at: u32) -> Option<Rewrite<'_>> {
        let row = self.row(Section::Rewrites, at);
        if row.is_empty() {
            return None;
        }
        let (first, words) = (u32_at(row, 0), u32_at(row, 4));
        if first.checked_add(words)? > self.rows(Section::Programs) {
            return None;
        }
        let span = &self.spans[Section::Programs as usize];
        let from = span.from + first as usize * 4;
        let bytes = self.bytes.as_ref().get(from..from + words as usize * 4)?;
        let (program, _) = bytes.as_chunks::<4>();
        Some(Rewrite { program, replacement: self.text(u32_at(row, 8)) })
    }

    /// First row of a sorted section that is not before; `before` compares by the row's bytes.
    fn lower_bound(&self, section: Section, before: impl Fn(&[u8]) -> bool) -> u32 {
        let (mut low, mut high) = (0, self.rows(section));
        while low < high {
            let middle = low + (high - low) / 2;
            if before(self.row(section, middle)) { low = middle + 1 } else { high = middle }
        }
        low
    }

    #[inline]
    fn country_row(&self, country: Option<Country>) -> &[u8] {
        country.map_or(&[], |country| self.row_of_country(country))
    }

    fn row_of_country(&self, country: Country) -> &[u8] {
        let wanted = country.code();
        let code = |row: &[u8]| u16_at(row, 0).to_le_bytes();
        let at = self.lower_bound(Section::Countries, |row| code(row) < wanted);
        let row = self.row(Section::Countries, at);
        if !row.is_empty() && code(row) == wanted { row } else { &[] }
    }

    fn org_row(&self, org_id: u32) -> &[u8] {
        let at = self.lower_bound(Section::Orgs, |row| u32_at(row, 0) < org_id);
        let row = self.row(Section::Orgs, at);
        if u32_at(row, 0) == org_id { row } else { &[] }
    }

    #[inline]
    fn list_at(&self, line: u32) -> Option<OfferList> {
        let header = line as usize * OFFERS_PER_LINE;
        let rows = self.rows_of::<OFFER>(Section::Offers)?;
        let word = u64::from_le_bytes(*rows.get(header)?);
        // A damaged count ends where the rows end.
        let left = rows.len() - header - 1;
        let (len, order) = ((word as u32).min(left as u32), (word >> 32) as u32);
        Some(OfferList { first: header as u32 + 1, len, order })
    }

    /// The list of a varying one for the instant and the caller; `None` outside what is compiled.
    #[inline(never)]
    fn variant(
        &self,
        order: u32,
        at: i64,
        caller: &mut dyn FnMut() -> Option<E164>,
    ) -> Option<OfferList> {
        if at >= self.settings.horizon_end {
            return None;
        }
        let regime =
            self.lower_bound(Section::Regimes, |row| i64_at(row, 0) <= at).checked_sub(1)?;
        let column = u32_at(self.row(Section::Regimes, regime), 8);
        let class = if order & BY_CALLER == 0 { 0 } else { caller().map_or(0, |c| self.class(&c)) };
        let first = order & !(VARIES | BY_CALLER);
        let row = first.checked_add(class.checked_mul(self.columns)?.checked_add(column)?)?;
        let row = self.row(Section::Variants, row);
        if row.is_empty() { None } else { self.list_at(u32_at(row, 0)) }
    }

    /// Which A-bands a caller is in.
    fn class(&self, caller: &E164) -> u32 {
        let key = caller.key().0;
        let run = self.lower_bound(Section::Callers, |row| u64_at(row, 0) <= key);
        run.checked_sub(1).map_or(0, |run| u32_at(self.row(Section::Callers, run), 8))
    }

    #[inline]
    fn line_of(&self, key: Key) -> Option<u32> {
        let heads = self.rows_of::<8>(Section::Heads)?;
        if heads.is_empty() {
            return self.line_by_bounds(key);
        }
        let below = POW11[9];
        let head = u64::from_le_bytes(*heads.get((key.0 / below) as usize)?);
        let (first, count) = (head as u32, (head >> 32) as usize);
        if count == 0 {
            return Some(first);
        }
        let low = (key.0 % below) as u32;
        let first = first as usize;
        line_in(self.rows_of(Section::Intervals)?.get(first..first + count)?, low)
    }

    fn line_by_bounds(&self, key: Key) -> Option<u32> {
        let at = self.lower_bound(Section::Bounds, |row| u64_at(row, 0) <= key.0);
        Some(u32_at(self.row(Section::BoundLists, at.checked_sub(1)?), 0))
    }
}

/// The list of the last interval of a head that does not begin after `low`.
#[inline]
fn line_in(mut run: &[[u8; 8]], low: u32) -> Option<u32> {
    let begun = |row: &[u8; 8]| u64::from_le_bytes(*row) as u32 <= low;
    while run.len() > 16 * ROWS_A_LINE {
        let (left, right) = run.split_at(run.len() / 2);
        run = if right.first().is_some_and(begun) { right } else { left };
    }
    // One row of each cache line first: their loads do not wait for each other, as the steps of a
    // search do, so a cold run costs about one trip to memory instead of four.
    let (lines, rest) = run.as_chunks::<ROWS_A_LINE>();
    let row = if rest.first().is_some_and(begun) {
        rest.iter().take_while(|row| begun(row)).last()?
    } else {
        let line = lines.iter().filter(|line| begun(&line[0])).count();
        let line = lines.get(line.checked_sub(1)?)?;
        let rows: usize = line.iter().map(|row| usize::from(begun(row))).sum();
        line.get(rows.checked_sub(1)?)?
    };
    Some((u64::from_le_bytes(*row) >> 32) as u32)
}

/// Intervals in a cache line.
const ROWS_A_LINE: usize = 8;

fn index(at: u32) -> Index {
    if at == NONE { Index::NONE } else { Index(at) }
}

impl<B: AsRef<[u8]>> RoutingData for Snapshot<B> {
    fn generation(&self) -> u64 {
        self.generation
    }

    fn settings(&self) -> Settings {
        self.settings
    }

    #[inline]
    fn org(&self, org_id: u32) -> Option<Org> {
        let row = self.org_row(org_id);
        if row.is_empty() {
            return None;
        }
        let flags = row.get(6).copied().unwrap_or(0);
        Some(Org {
            org_id,
            home_country: Country::new(&u16_at(row, 4).to_le_bytes()),
            call_cost_limit: (flags & 1 != 0).then(|| Nano(i64_at(row, 8))),
            has_private_numbers: flags & 2 != 0,
            has_overrides: flags & 4 != 0,
            has_profile: flags & 8 != 0,
            has_margin: flags & 16 != 0,
        })
    }

    #[inline]
    fn is_emergency(&self, country: Option<Country>, dialled: &[u8]) -> bool {
        let row = self.country_row(country);
        let (first, count) = (u32_at(row, 12), u32_at(row, 16));
        // It ends where the rows end, whatever a damaged count says.
        for n in 0..self.within(Section::EmergencyNumbers, first, count) {
            let row = self.row(Section::EmergencyNumbers, first.saturating_add(n));
            let number = self.text_bytes(u32_at(row, 0));
            if !number.is_empty() && number == dialled {
                return true;
            }
        }
        false
    }

    fn emergency_gateway(&self, country: Option<Country>, n: u32) -> Option<Index> {
        let row = self.country_row(country);
        if n >= u32_at(row, 24) {
            return None;
        }
        let row = self.row(Section::EmergencyGateways, u32_at(row, 20).checked_add(n)?);
        (!row.is_empty()).then(|| index(u32_at(row, 0)))
    }

    #[inline]
    fn normalise_rule(&self, country: Option<Country>, n: u32) -> Option<Rewrite<'_>> {
        let row = self.country_row(country);
        if n >= u32_at(row, 8) {
            return None;
        }
        self.rewrite(u32_at(row, 4).checked_add(n)?)
    }

    #[inline]
    fn dialling_rule(&self, org_id: u32, n: u32) -> Option<DiallingRule<'_>> {
        let at = self.lower_bound(Section::DiallingRules, |row| u32_at(row, 0) < org_id);
        let row = self.row(Section::DiallingRules, at.checked_add(n)?);
        if row.is_empty() || u32_at(row, 0) != org_id {
            return None;
        }
        let pattern = self.rewrite(u32_at(row, 12))?;
        Some(DiallingRule { id: u32_at(row, 4), block: u32_at(row, 8) != 0, pattern })
    }

    #[inline]
    fn offers(&self, number: Key) -> OfferList {
        self.line_of(number).and_then(|line| self.list_at(line)).unwrap_or_default()
    }

    fn offer(&self, list: OfferList, n: u32) -> Option<Offer> {
        if n >= list.len {
            return None;
        }
        let row = self.fixed::<OFFER>(Section::Offers, list.first.checked_add(n)?)?;
        let Some(entry) = Ranked::of(row) else {
            let carrier = Index(u32::from(u16_at(row, 4)));
            return Some(Offer { band: Index(u32_at(row, 0)), carrier, prefix_len: row[7] >> 4 });
        };
        let carrier = match entry.by {
            By::Gateways { first, count: 0 } => Index(first),
            By::Gateways { first, .. } => self.gateway_terms(Index(first))?.carrier,
            By::ClosedLoop(carrier) | By::Drawn(carrier) => carrier,
        };
        let band = self.rate_terms(entry.rate)?.band;
        Some(Offer { band, carrier, prefix_len: entry.prefix_len })
    }

    #[inline]
    fn ranked_len(&self, list: OfferList) -> u32 {
        if list.order & VARIES != 0 { 0 } else { list.order.min(list.len) }
    }

    #[inline]
    fn varies(&self, list: OfferList) -> bool {
        list.order & VARIES != 0
    }

    fn settled(
        &self,
        list: OfferList,
        at: i64,
        caller: &mut dyn FnMut() -> Option<E164>,
    ) -> OfferList {
        if list.order & VARIES == 0 {
            return list;
        }
        self.variant(list.order, at, caller).unwrap_or(list)
    }

    #[inline]
    fn ranked_entries(&self, list: OfferList) -> Option<&[[u8; OFFER]]> {
        let first = list.first as usize;
        let end = first + self.ranked_len(list) as usize;
        self.rows_of(Section::Offers)?.get(first..end)
    }

    fn org_profile(&self, org_id: u32) -> &str {
        match self.org_row(org_id) {
            [] => "",
            row => self.text(u32_at(row, 16)),
        }
    }

    fn org_margin(&self, org_id: u32) -> Option<Margin> {
        let row = self.org_row(org_id);
        if row.get(6).is_none_or(|flags| flags & 16 == 0) {
            return None;
        }
        let rule = |at: usize| Some(Nano(i64_at(row, at))).filter(|rule| rule.0 != i64::MIN);
        let (absolute, relative_percent, allowed_loss) = (rule(24), rule(32), rule(40));
        Some(Margin { retail: u32_at(row, 20), absolute, relative_percent, allowed_loss })
    }

    fn retail_band(&self, retail: u32, org_id: u32, number: Key, prefix_len: u8) -> Option<Index> {
        let wanted = (retail, org_id, number.prefix(usize::from(prefix_len)).0, prefix_len);
        let of = |row: &[u8]| {
            let len = row.get(20).copied().unwrap_or(0);
            (u32_at(row, 16), u32_at(row, 8), u64_at(row, 0), len)
        };
        let at = self.lower_bound(Section::Retail, |row| of(row) < wanted);
        let row = self.row(Section::Retail, at);
        (!row.is_empty() && of(row) == wanted).then(|| Index(u32_at(row, 12)))
    }

    #[inline]
    fn data_centre_bit(&self, name: &str) -> u64 {
        let count = self.rows(Section::DataCentres).min(64);
        let named = |at: u32| {
            self.text_bytes(u32_at(self.row(Section::DataCentres, at), 0)) == name.as_bytes()
        };
        (0..count).find(|&at| named(at)).map_or(0, |at| 1 << at)
    }

    #[inline]
    fn carrier_terms(&self, at: Index) -> Option<CarrierTerms> {
        let row = self.fixed::<32>(Section::Carriers, at.0)?;
        Some(CarrierTerms {
            id: u32_at(row, 0),
            closed_loop: u32_at(row, 8) & 1 != 0,
            private_services: u32_at(row, 8) & 2 != 0,
            weighted: u32_at(row, 8) & 4 != 0,
            first_gateway: u32_at(row, 12),
            gateways: self.within(Section::Gateways, u32_at(row, 12), u32_at(row, 16)),
        })
    }

    fn band_terms(&self, at: Index) -> Option<BandTerms> {
        let row = self.row(Section::Bands, at.0);
        (!row.is_empty()).then(|| BandTerms {
            enabled: u32_at(row, 12) != 0,
            first_rate: u32_at(row, 16),
            rates: self.within(Section::Rates, u32_at(row, 16), u32_at(row, 20)),
        })
    }

    fn rate_terms(&self, at: Index) -> Option<RateTerms> {
        let row = self.row(Section::Rates, at.0);
        (!row.is_empty()).then(|| RateTerms {
            band: Index(u32_at(row, 68)),
            start: i64_at(row, 24),
            period: index(u32_at(row, 48)),
            a_band: index(u32_at(row, 52)),
            cost_per_min: (u32_at(row, 64) != 0).then(|| Nano(i64_at(row, 16))),
            priced_until: i64_at(row, 80),
        })
    }

    #[inline]
    fn gateway_terms(&self, at: Index) -> Option<GatewayTerms> {
        self.fixed(Section::GatewayTerms, at.0).map(GatewayTerms::of)
    }

    #[inline]
    fn all_gateway_terms(&self) -> Option<&[[u8; GatewayTerms::BYTES]]> {
        self.rows_of(Section::GatewayTerms)
    }

    fn private_offer(&self, org_id: u32, number: Key, prefix_len: u8, n: u32) -> Option<Offer> {
        let wanted = (org_id, number.prefix(usize::from(prefix_len)).0, prefix_len);
        let of = |row: &[u8]| (u32_at(row, 8), u64_at(row, 0), row.get(18).copied().unwrap_or(0));
        let at = self.lower_bound(Section::Private, |row| of(row) < wanted);
        let row = self.row(Section::Private, at.checked_add(n)?);
        (!row.is_empty() && of(row) == wanted).then(|| Offer {
            band: Index(u32_at(row, 12)),
            carrier: Index(u32::from(u16_at(row, 16))),
            prefix_len,
        })
    }

    fn override_rule(&self, org_id: u32, number: Key, prefix_len: u8, n: u32) -> Option<Override> {
        let wanted = (org_id, number.prefix(usize::from(prefix_len)).0, prefix_len);
        let of = |row: &[u8]| (u32_at(row, 8), u64_at(row, 0), row.get(24).copied().unwrap_or(0));
        let at = self.lower_bound(Section::Overrides, |row| of(row) < wanted);
        let row = self.row(Section::Overrides, at.checked_add(n)?);
        if row.is_empty() || of(row) != wanted {
            return None;
        }
        let action = match row[25] {
            0 => OverrideAction::Force,
            1 => OverrideAction::Prefer,
            2 => OverrideAction::Forbid,
            _ => return None,
        };
        let (carrier, priority) = (Index(u32_at(row, 16)), u32_at(row, 20) as i32);
        Some(Override { id: u32_at(row, 12), carrier, action, priority })
    }

    fn in_closed_loops(&self, org_id: u32) -> bool {
        let at = self.lower_bound(Section::ClosedLoop, |row| u32_at(row, 0) < org_id);
        let row = self.row(Section::ClosedLoop, at);
        !row.is_empty() && u32_at(row, 0) == org_id
    }

    fn closed_loop_member(&self, org_id: u32, carrier: Index) -> bool {
        let wanted = (org_id, carrier.0);
        let of = |row: &[u8]| (u32_at(row, 0), u32_at(row, 4));
        let at = self.lower_bound(Section::ClosedLoop, |row| of(row) < wanted);
        let row = self.row(Section::ClosedLoop, at);
        !row.is_empty() && of(row) == wanted
    }

    fn carrier(&self, at: Index) -> Option<Carrier<'_>> {
        let row = self.row(Section::Carriers, at.0);
        (!row.is_empty()).then(|| Carrier {
            id: u32_at(row, 0),
            name: self.text(u32_at(row, 4)),
            closed_loop: u32_at(row, 8) & 1 != 0,
            private_services: u32_at(row, 8) & 2 != 0,
            first_gateway: u32_at(row, 12),
            gateways: self.within(Section::Gateways, u32_at(row, 12), u32_at(row, 16)),
        })
    }

    fn band(&self, at: Index) -> Option<Band<'_>> {
        let row = self.row(Section::Bands, at.0);
        (!row.is_empty()).then(|| Band {
            id: u32_at(row, 0),
            name: self.text(u32_at(row, 4)),
            carrier: index(u32_at(row, 8)),
            enabled: u32_at(row, 12) != 0,
            first_rate: u32_at(row, 16),
            rates: self.within(Section::Rates, u32_at(row, 16), u32_at(row, 20)),
        })
    }

    fn rate(&self, at: Index) -> Option<Rate<'_>> {
        let row = self.row(Section::Rates, at.0);
        (!row.is_empty()).then(|| Rate {
            id: u32_at(row, 32),
            tariff: Tariff {
                rate_per_min: Nano(i64_at(row, 0)),
                setup: Nano(i64_at(row, 8)),
                initial_increment_s: u32_at(row, 36),
                next_increment_s: u32_at(row, 40),
            },
            currency: self.text(u32_at(row, 44)),
            cost_per_min: (u32_at(row, 64) != 0).then(|| Nano(i64_at(row, 16))),
            fx: (u32_at(row, 64) != 0).then(|| Nano(i64_at(row, 72))),
            priced_until: i64_at(row, 80),
            start: i64_at(row, 24),
            period: index(u32_at(row, 48)),
            a_band: index(u32_at(row, 52)),
            format_number: index(u32_at(row, 56)),
            format_cli: index(u32_at(row, 60)),
        })
    }

    fn gateway(&self, at: Index) -> Option<Gateway<'_>> {
        let row = self.row(Section::Gateways, at.0);
        if row.is_empty() {
            return None;
        }
        let text = |n: usize| self.text(u32_at(row, 24 + 4 * n));
        Some(Gateway {
            id: u32_at(row, 0),
            carrier: index(u32_at(row, 4)),
            conc_calls: u32_at(row, 8),
            max_cps: u32_at(row, 12),
            weight: u32_at(row, 16),
            reliability: row[20],
            health_checked: row[21] != 0,
            prefix: text(0),
            suffix: text(1),
            channel_vars: text(2),
            privacy_class: text(3),
            pci_zone: text(4),
            data_centres: text(5),
            carrier_groups: text(6),
            dial_string: text(7),
            stop_causes: text(8),
        })
    }

    fn period_covers(&self, period: Index, at: i64) -> bool {
        let row = self.row(Section::Periods, period.0);
        let (first, count) = (u32_at(row, 4), u32_at(row, 8));
        let (mut low, mut high) = (0, count);
        while low < high {
            let middle = low + (high - low) / 2;
            let interval = self.row(Section::PeriodIntervals, first.saturating_add(middle));
            if interval.is_empty() {
                return false;
            }
            if i64_at(interval, 0) > at {
                high = middle;
            } else if i64_at(interval, 8) <= at {
                low = middle + 1;
            } else {
                return true;
            }
        }
        false
    }

    fn a_band_holds(&self, band: Index, caller: &E164) -> bool {
        let row = self.row(Section::ABands, band.0);
        let (first, count) = (u32_at(row, 4), u32_at(row, 8));
        let key = caller.key();
        (1..=caller.len()).any(|len| {
            let wanted = (key.prefix(len).0, len as u8);
            let (mut low, mut high) = (0, count);
            while low < high {
                let middle = low + (high - low) / 2;
                let row = self.row(Section::ABandPrefixes, first.saturating_add(middle));
                let found = (u64_at(row, 0), row.get(8).copied().unwrap_or(0));
                match found.cmp(&wanted) {
                    std::cmp::Ordering::Less => low = middle + 1,
                    std::cmp::Ordering::Equal => return true,
                    std::cmp::Ordering::Greater => high = middle,
                }
            }
            false
        })
    }

    fn format_rule(&self, format: Index, n: u32) -> Option<Rewrite<'_>> {
        let row = self.row(Section::Formats, format.0);
        if n >= u32_at(row, 4) {
            return None;
        }
        self.rewrite(u32_at(row, 0).checked_add(n)?)
    }
}
