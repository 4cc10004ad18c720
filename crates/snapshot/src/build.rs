//! Rows to bytes: vet, index, write.

use std::{collections::HashMap, fmt};

use fsx_core::{Country, Nano, data::OverrideAction};

use crate::{
    Lost, Report, hashed, index,
    layout::{
        ALIGN, AT_BUILT, AT_COLUMNS, AT_COUNTRY, AT_FILE_LEN, AT_FLAGS, AT_FORMAT, AT_GENERATION,
        AT_HEADER_CRC, AT_HORIZON, AT_RANKED_UNTIL, AT_REFERENCE, AT_SECTIONS, AT_TABLE,
        FLAG_OVERRIDES, FLAG_SHORTER, FORMAT, HEADER, HEADS, MAGIC, NONE, Section, TABLE_ROW,
        u16_at,
    },
    regimes::Regimes,
    rows::Rows,
    vet::{self, Model, Prefix, Rewrite},
};

/// How a build is made; all of it ends up in the file or decides whether there is one.
#[derive(Clone, Debug)]
pub struct BuildSettings {
    /// Name of this build; must be higher than the one before.
    pub generation: u64,
    /// When, in seconds UTC.
    pub built_at: i64,
    /// First second that the compiled periods no longer cover.
    pub horizon_end: i64,
    /// Length of the call that prices are compared for, in seconds.
    pub reference_seconds: u32,
    /// Country where neither the call nor its organisation names one.
    pub home_country: Option<Country>,
    /// Currency that costs are compared in.
    pub base_currency: String,
    /// `unusable_prefix = "shorter"` (contract step 7).
    pub shorter_prefix: bool,
    /// Take a `Numbers` row with an empty prefix, which routes every number.
    pub allow_empty_prefix: bool,
    /// Refuse a build that loses more than this share of its rows (0 to 1).
    pub max_lost_share: f64,
    /// Which index to write.
    pub index: IndexKind,
}

impl Default for BuildSettings {
    fn default() -> Self {
        Self {
            generation: 1,
            built_at: 0,
            horizon_end: i64::MAX,
            reference_seconds: 60,
            home_country: None,
            base_currency: "GBP".to_owned(),
            shorter_prefix: false,
            allow_empty_prefix: false,
            max_lost_share: 0.1,
            index: IndexKind::Auto,
        }
    }
}

/// Which index a file has. Answers are the same.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum IndexKind {
    /// By the number of intervals.
    Auto,
    /// Sorted bounds, searched: small.
    Bounds,
    /// Direct table on six digits, then intervals: fast, 14 MB at least.
    Direct,
}

/// From how many intervals on the direct table pays for its 14 MB.
const DIRECT_FROM: usize = 50_000;

/// A finished file and what was learnt on the way.
#[derive(Debug)]
pub struct Built {
    /// The file.
    pub bytes: Vec<u8>,
    /// The report.
    pub report: Report,
}

/// Why there is no file. The last good snapshot stays in force.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum BuildError {
    /// Two rows have one ID.
    DuplicateId {
        /// Which table.
        table: &'static str,
        /// Which ID.
        id: u32,
    },
    /// More enabled route carriers than a decision can hold.
    TooManyCarriers {
        /// How many.
        got: usize,
    },
    /// More gateways on one carrier than a decision looks at.
    TooManyGateways {
        /// `Carriers.ID`.
        carrier: u32,
    },
    /// Gateways name more than 64 data centres.
    TooManyDataCentres {
        /// The 65th.
        name: String,
    },
    /// More rows were lost than the settings allow.
    LostTooMuch {
        /// Rows lost.
        lost: u64,
        /// Rows read.
        of: u64,
        /// The first of them.
        first: Option<Lost>,
    },
    /// A whole carrier would vanish.
    LostCarrier {
        /// `Carriers.ID`.
        id: u32,
        /// `CarrierName`.
        name: String,
        /// The first lost row.
        first: Option<Lost>,
    },
    /// The file would pass a bound of the format.
    TooLarge {
        /// Which section.
        section: &'static str,
    },
}

impl fmt::Display for BuildError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let first = |first: &Option<Lost>| first.as_ref().map(|l| format!("; first: {l}"));
        match self {
            Self::DuplicateId { table, id } => write!(f, "{table} has two rows with ID {id}"),
            Self::TooManyCarriers { got } => {
                let most = fsx_core::decide::MAX_CARRIERS;
                write!(f, "{got} enabled carriers of Type route, expected at most {most}")
            }
            Self::TooManyGateways { carrier } => {
                let most = fsx_core::MAX_GATEWAYS;
                write!(f, "carrier {carrier} has more than {most} enabled gateways")
            }
            Self::TooManyDataCentres { name } => {
                write!(f, "gateways name more than 64 data centres; the 65th is {name:?}")
            }
            Self::LostTooMuch { lost, of, first: row } => {
                let first = first(row).unwrap_or_default();
                write!(f, "{lost} of {of} rows would be lost, more than is allowed{first}")
            }
            Self::LostCarrier { id, name, first: row } => {
                let first = first(row).unwrap_or_default();
                write!(
                    f,
                    "carrier {id} ({name}) would lose all its numbers, rates or gateways{first}"
                )
            }
            Self::TooLarge { section } => write!(f, "section {section} is too large"),
        }
    }
}

impl std::error::Error for BuildError {}

/// Builds a snapshot.
///
/// # Errors
/// [`BuildError`] when the result would be worse than the last good file.
pub fn build(rows: &Rows, settings: &BuildSettings) -> Result<Built, BuildError> {
    let mut report = Report::default();
    let model = vet::vet(rows, settings, &mut report)?;
    let regimes = Regimes::of(&model, settings.built_at, settings.horizon_end);
    let index = index::index(&model, &regimes, settings);
    report.carriers = model.carriers.len() as u32;
    report.bands = model.bands.len() as u32;
    report.rates = model.rates.len() as u32;
    report.gateways = model.gateways.len() as u32;
    report.numbers = index.numbers + model.private.len() as u64;
    report.prefixes = index.prefixes;
    report.intervals = index.intervals.len() as u64;
    report.lists = index.lists.len();
    report.varying_lists = index.lists.varying;
    report.open_lists = index.lists.open;
    report.regimes = regimes.starts.len() as u32;
    let mut writer = Writer::new();
    writer.rows(&model);
    writer.index(&index, settings.index);
    writer.regimes(&regimes, &index.lists.variants);
    let ranked_until = ranked_until(&model, settings);
    let everyone = model.overrides.first().is_some_and(|rule| rule.org_id == 0);
    let (columns, file) = (regimes.columns() as u32, index.lists.bytes);
    let bytes = writer.finish(file, settings, everyone, ranked_until, columns)?;
    report.bytes = bytes.len() as u64;
    Ok(Built { bytes, report })
}

/// When the first exchange rate in use is too old: from then on lists are out of order.
fn ranked_until(model: &Model<'_>, settings: &BuildSettings) -> i64 {
    let priced = model.rates.iter().filter(|rate| rate.cost_per_min.is_some());
    let ends = priced.map(|rate| rate.priced_until).filter(|&end| end > settings.built_at);
    ends.min().unwrap_or(i64::MAX)
}

/// Sections in the making.
struct Writer {
    sections: Vec<Vec<u8>>,
    /// Texts by their hash; in the next slot where two share one.
    texts: HashMap<u64, u32, hashed::Build>,
}

/// Adds fields to a section, little-endian.
macro_rules! put {
    ($writer:expr, $section:ident, $($value:expr),+ $(,)?) => {{
        let out = &mut $writer.sections[Section::$section as usize];
        $( out.extend_from_slice(&$value.to_le_bytes()); )+
    }};
}

impl Writer {
    fn new() -> Self {
        Self { sections: vec![Vec::new(); Section::COUNT], texts: HashMap::default() }
    }

    fn text(&mut self, text: &str) -> u32 {
        if text.is_empty() {
            return NONE;
        }
        // Longer texts than any column holds are cut at a character.
        let mut len = text.len().min(usize::from(u16::MAX));
        while !text.is_char_boundary(len) {
            len -= 1;
        }
        let text = &text[..len];
        let out = &mut self.sections[Section::Texts as usize];
        let mut slot = hashed::text(text);
        while let Some(&at) = self.texts.get(&slot) {
            let stored = out.get(at as usize + 2..at as usize + 2 + len);
            if usize::from(u16_at(out, at as usize)) == len && stored == Some(text.as_bytes()) {
                return at;
            }
            slot = slot.wrapping_add(1);
        }
        let at = out.len() as u32;
        out.extend_from_slice(&(len as u16).to_le_bytes());
        out.extend_from_slice(text.as_bytes());
        self.texts.insert(slot, at);
        at
    }

    fn count(&self, section: Section) -> u32 {
        let at = section as usize;
        (self.sections[at].len() / Section::ROW[at]) as u32
    }

    fn rewrite(&mut self, rewrite: &Rewrite) -> u32 {
        let at = self.count(Section::Rewrites);
        let (first, words) = (self.count(Section::Programs), rewrite.program.len() as u32);
        let text = self.text(&rewrite.replacement);
        for word in &rewrite.program {
            put!(self, Programs, word);
        }
        put!(self, Rewrites, first, words, text, 0u32);
        at
    }

    fn rewrites(&mut self, rewrites: &[Rewrite]) -> (u32, u32) {
        let first = self.count(Section::Rewrites);
        for rewrite in rewrites {
            self.rewrite(rewrite);
        }
        (first, rewrites.len() as u32)
    }

    fn rows(&mut self, model: &Model<'_>) {
        self.texts.reserve(model.bands.len());
        for (section, rows) in
            [(Section::Bands, model.bands.len()), (Section::Rates, model.rates.len())]
        {
            self.sections[section as usize].reserve_exact(rows * Section::ROW[section as usize]);
        }
        for row in &model.carriers {
            let name = self.text(&row.name);
            let flags = u32::from(row.closed_loop)
                | u32::from(row.private_services) << 1
                | u32::from(row.weighted) << 2;
            put!(self, Carriers, row.id, name, flags, row.first_gateway, row.gateways);
            put!(self, Carriers, 0u32, 0u64);
        }
        for row in &model.bands {
            let name = self.text(row.name);
            put!(self, Bands, row.id, name, row.carrier, u32::from(row.enabled));
            put!(self, Bands, row.first_rate, row.rates, 0u64);
        }
        for row in &model.rates {
            let currency = self.text(row.currency.as_str());
            let (has_cost, cost) =
                (row.cost_per_min.is_some(), row.cost_per_min.unwrap_or_default());
            let tariff = &row.tariff;
            put!(self, Rates, tariff.rate_per_min.0, tariff.setup.0, cost.0, row.start);
            put!(self, Rates, row.id, tariff.initial_increment_s, tariff.next_increment_s);
            put!(self, Rates, currency, row.period, row.a_band, row.format_number);
            put!(self, Rates, row.format_cli, u32::from(has_cost), row.band);
            put!(self, Rates, row.fx.unwrap_or_default().0, row.priced_until);
        }
        for gateway in &model.gateways {
            self.gateway(gateway);
        }
        for row in &model.private {
            put!(self, Private, row.prefix.key.0, row.org_id, row.band);
            put!(self, Private, row.carrier as u16, row.prefix.len, 0u8, 0u32);
        }
        for row in &model.retail {
            put!(self, Retail, row.prefix.key.0, row.org_id, row.band);
            put!(self, Retail, row.carrier, row.prefix.len, 0u8, 0u16);
        }
        for row in &model.overrides {
            let action = match row.action {
                OverrideAction::Force => 0u8,
                OverrideAction::Prefer => 1,
                OverrideAction::Forbid => 2,
            };
            put!(self, Overrides, row.prefix.key.0, row.org_id, row.id, row.carrier);
            put!(self, Overrides, row.priority, row.prefix.len, action, 0u16, 0u32);
        }
        for (org_id, carrier) in &model.closed_loop {
            put!(self, ClosedLoop, org_id, carrier);
        }
        for row in &model.orgs {
            let country = row.home_country.map_or(0, |c| u16::from_le_bytes(c.code()));
            let flags = u8::from(row.limit.is_some())
                | u8::from(row.private) << 1
                | u8::from(row.overrides) << 2
                | u8::from(!row.profile.is_empty()) << 3
                | u8::from(row.margin.is_some()) << 4;
            let profile = self.text(&row.profile);
            let margin = row.margin.unwrap_or_default();
            // A rule that is not set is one that always holds.
            let absolute = margin.absolute.unwrap_or(Nano(i64::MIN)).0;
            let relative = margin.relative_percent.unwrap_or(Nano(i64::MIN)).0;
            let loss = margin.allowed_loss.unwrap_or(Nano(i64::MIN)).0;
            put!(self, Orgs, row.org_id, country, flags, 0u8, row.limit.unwrap_or_default().0);
            put!(self, Orgs, profile, margin.retail, absolute, relative, loss, 0u64);
        }
        for row in &model.dialling_rules {
            let rewrite = self.rewrite(&row.pattern);
            put!(self, DiallingRules, row.org_id, row.id, u32::from(row.block), rewrite);
        }
        for (country, rules) in &model.countries {
            let (first, count) = self.rewrites(&rules.normalise);
            let numbers = self.count(Section::EmergencyNumbers);
            for number in &rules.emergency_numbers {
                let text = self.text(number);
                put!(self, EmergencyNumbers, text);
            }
            let gateways = self.count(Section::EmergencyGateways);
            for gateway in &rules.emergency_gateways {
                put!(self, EmergencyGateways, gateway);
            }
            put!(self, Countries, u16::from_le_bytes(country.code()), 0u16, first, count, numbers);
            put!(self, Countries, rules.emergency_numbers.len() as u32, gateways);
            put!(self, Countries, rules.emergency_gateways.len() as u32, 0u32);
        }
        for format in &model.formats {
            let (first, count) = self.rewrites(format);
            put!(self, Formats, first, count);
        }
        for name in &model.data_centres {
            let text = self.text(name);
            put!(self, DataCentres, text);
        }
        for (name, intervals) in &model.periods {
            let name = self.text(name);
            let first = self.count(Section::PeriodIntervals);
            for (from, to) in intervals {
                put!(self, PeriodIntervals, from, to);
            }
            put!(self, Periods, name, first, intervals.len() as u32, 0u32);
        }
        for vet::ABand { band_id, prefixes } in &model.a_bands {
            let first = self.count(Section::ABandPrefixes);
            for Prefix { key, len } in prefixes {
                put!(self, ABandPrefixes, key.0, len, 0u8, 0u16, 0u32);
            }
            put!(self, ABands, band_id, first, prefixes.len() as u32, 0u32);
        }
    }

    fn gateway(&mut self, gateway: &vet::Gateway) {
        let row = &gateway.row;
        let checked = !row.ping_gateway.trim().eq_ignore_ascii_case("no");
        put!(self, Gateways, row.id, gateway.carrier, row.conc_calls, row.max_cps, row.weight);
        put!(self, Gateways, row.reliability, u8::from(checked), 0u16);
        for text in [
            &row.prefix,
            &row.suffix,
            &gateway.channel_vars,
            &row.privacy_class,
            &row.pci_zone,
            &row.data_centres,
            &row.carrier_groups,
            &gateway.dial_string,
            &row.stop_causes,
        ] {
            let at = self.text(text.trim());
            put!(self, Gateways, at);
        }
        put!(self, Gateways, 0u32, 0u64, 0u64, 0u64, 0u64);
        put!(self, GatewayTerms, gateway.centre_bits, row.id, row.conc_calls, row.max_cps);
        put!(self, GatewayTerms, row.weight, row.reliability, u8::from(checked));
        put!(self, GatewayTerms, 0u16, gateway.carrier);
    }

    fn index(&mut self, index: &index::Index, kind: IndexKind) {
        let direct = match kind {
            IndexKind::Auto => index.intervals.len() >= DIRECT_FROM,
            IndexKind::Bounds => false,
            IndexKind::Direct => true,
        };
        if !direct {
            for interval in &index.intervals {
                put!(self, Bounds, interval.low.0);
                put!(self, BoundLists, interval.line);
            }
            return;
        }
        // 11^9 keys below one head, which is why the low part fits in 32 bits.
        let below = fsx_core::digits::POW11[9];
        let heads = HEADS * Section::ROW[Section::Heads as usize];
        self.sections[Section::Heads as usize].reserve_exact(heads);
        let mut at = 0;
        let mut line = 0u32;
        for head in 0..HEADS as u64 {
            let (from, to) = (head * below, (head + 1) * below);
            let first = self.count(Section::Intervals);
            let own = index.intervals[at..].iter().take_while(|i| i.low.0 < to).count();
            let mine = &index.intervals[at..at + own];
            at += own;
            // One list for the whole head needs no interval.
            let starts_here = mine.first().is_some_and(|i| i.low.0 == from);
            match mine {
                [] => put!(self, Heads, line, 0u32),
                [only] if starts_here => put!(self, Heads, only.line, 0u32),
                _ => {
                    let mut count = own as u32;
                    if !starts_here {
                        put!(self, Intervals, 0u32, line);
                        count += 1;
                    }
                    for interval in mine {
                        put!(self, Intervals, (interval.low.0 - from) as u32, interval.line);
                    }
                    put!(self, Heads, first, count);
                }
            }
            line = mine.last().map_or(line, |last| last.line);
        }
    }

    fn regimes(&mut self, regimes: &Regimes, variants: &[u32]) {
        for &(start, column) in &regimes.starts {
            put!(self, Regimes, start, column, 0u32);
        }
        for &(key, class) in &regimes.callers {
            put!(self, Callers, key.0, class, 0u32);
        }
        for line in variants {
            put!(self, Variants, line);
        }
    }

    /// Puts the sections behind the first, which stands in `file`, and fills in the header.
    fn finish(
        self,
        mut file: Vec<u8>,
        settings: &BuildSettings,
        overrides: bool,
        ranked_until: i64,
        columns: u32,
    ) -> Result<Vec<u8>, BuildError> {
        let body: usize = self.sections.iter().map(|s| s.len().next_multiple_of(ALIGN)).sum();
        file.reserve_exact(body);
        for (at, section) in self.sections.iter().enumerate() {
            let first = at == Section::Offers as usize;
            let offset = if first { HEADER as u64 } else { file.len() as u64 };
            file.extend_from_slice(section);
            let rows = (file.len() - offset as usize) / Section::ROW[at];
            let rows = u32::try_from(rows)
                .map_err(|_| BuildError::TooLarge { section: Section::NAMES[at] })?;
            file.resize(file.len().next_multiple_of(ALIGN), 0);
            let row = AT_TABLE + at * TABLE_ROW;
            file[row..row + 8].copy_from_slice(&offset.to_le_bytes());
            file[row + 8..row + 12].copy_from_slice(&rows.to_le_bytes());
            file[row + 12..row + 16].copy_from_slice(&(Section::ROW[at] as u32).to_le_bytes());
            let crc = crc32fast::hash(&file[offset as usize..]);
            file[row + 16..row + 20].copy_from_slice(&crc.to_le_bytes());
        }
        let len = file.len() as u64;
        let mut set = |at: usize, bytes: &[u8]| file[at..at + bytes.len()].copy_from_slice(bytes);
        set(0, &MAGIC);
        set(AT_FORMAT, &FORMAT.to_le_bytes());
        set(AT_SECTIONS, &(Section::COUNT as u32).to_le_bytes());
        set(AT_FILE_LEN, &len.to_le_bytes());
        set(AT_GENERATION, &settings.generation.to_le_bytes());
        set(AT_BUILT, &settings.built_at.to_le_bytes());
        set(AT_HORIZON, &settings.horizon_end.to_le_bytes());
        set(AT_REFERENCE, &settings.reference_seconds.to_le_bytes());
        let mut flags = if settings.shorter_prefix { FLAG_SHORTER } else { 0 };
        if overrides {
            flags |= FLAG_OVERRIDES;
        }
        set(AT_FLAGS, &flags.to_le_bytes());
        set(AT_COUNTRY, &settings.home_country.map_or([0; 2], Country::code));
        set(AT_RANKED_UNTIL, &ranked_until.to_le_bytes());
        set(AT_COLUMNS, &columns.to_le_bytes());
        let crc = crc32fast::hash(&file[..AT_HEADER_CRC]);
        file[AT_HEADER_CRC..HEADER].copy_from_slice(&crc.to_le_bytes());
        Ok(file)
    }
}
