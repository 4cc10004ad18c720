//! Raw rows in, rows that can be trusted out, each loss named.
//!
//! After vetting every reference is a row number that exists, every pattern compiles, every price
//! is an integer, and rows stand in the order that the contract's choices want.

use std::collections::{HashMap, HashSet};

use fsx_core::{
    Country, MAX_GATEWAYS, Nano,
    data::OverrideAction,
    decide::MAX_CARRIERS,
    digits::Key,
    money::{NANO_PER_UNIT, Tariff},
    pattern,
};

use crate::{
    BuildError, BuildSettings, Report,
    layout::NONE,
    rows::{GatewayRow, NumberRow, RateRow, Rows},
};

pub(crate) struct Carrier {
    pub(crate) id: u32,
    pub(crate) name: String,
    pub(crate) closed_loop: bool,
    pub(crate) private_services: bool,
    pub(crate) first_gateway: u32,
    pub(crate) gateways: u32,
    pub(crate) weighted: bool,
}

pub(crate) struct Band {
    pub(crate) id: u32,
    pub(crate) name: String,
    pub(crate) carrier: u32,
    pub(crate) enabled: bool,
    pub(crate) first_rate: u32,
    pub(crate) rates: u32,
}

pub(crate) struct Rate {
    pub(crate) id: u32,
    pub(crate) tariff: Tariff,
    pub(crate) currency: String,
    pub(crate) cost_per_min: Option<Nano>,
    pub(crate) start: i64,
    pub(crate) band: u32,
    pub(crate) period: u32,
    pub(crate) a_band: u32,
    pub(crate) format_number: u32,
    pub(crate) format_cli: u32,
}

pub(crate) struct Gateway {
    pub(crate) row: GatewayRow,
    pub(crate) carrier: u32,
    pub(crate) channel_vars: String,
    pub(crate) dial_string: String,
    /// Bits of its data centres.
    pub(crate) centre_bits: u64,
}

#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub(crate) struct Prefix {
    pub(crate) key: Key,
    pub(crate) len: u8,
}

/// A number row that routes: carrier and band, below one prefix.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub(crate) struct Number {
    pub(crate) org_id: u32,
    pub(crate) prefix: Prefix,
    pub(crate) carrier: u32,
    pub(crate) id: u32,
    pub(crate) band: u32,
}

pub(crate) struct Override {
    pub(crate) org_id: u32,
    pub(crate) prefix: Prefix,
    pub(crate) id: u32,
    pub(crate) carrier: u32,
    pub(crate) action: OverrideAction,
    pub(crate) priority: i32,
}

/// A compiled pattern with its replacement.
pub(crate) struct Rewrite {
    pub(crate) program: Vec<u32>,
    pub(crate) replacement: String,
}

pub(crate) struct Org {
    pub(crate) org_id: u32,
    pub(crate) home_country: Option<Country>,
    pub(crate) limit: Option<Nano>,
    pub(crate) private: bool,
    pub(crate) overrides: bool,
}

#[derive(Default)]
pub(crate) struct CountryRules {
    pub(crate) normalise: Vec<Rewrite>,
    pub(crate) emergency_numbers: Vec<String>,
    pub(crate) emergency_gateways: Vec<u32>,
}

pub(crate) struct Model {
    pub(crate) carriers: Vec<Carrier>,
    pub(crate) bands: Vec<Band>,
    pub(crate) rates: Vec<Rate>,
    pub(crate) gateways: Vec<Gateway>,
    /// Sorted; at most one row for a carrier and prefix.
    pub(crate) numbers: Vec<Number>,
    /// Sorted; at most one row for an organisation, carrier and prefix.
    pub(crate) private: Vec<Number>,
    pub(crate) overrides: Vec<Override>,
    pub(crate) closed_loop: Vec<(u32, u32)>,
    pub(crate) orgs: Vec<Org>,
    pub(crate) dialling_rules: Vec<(u32, u32, bool, Rewrite)>,
    pub(crate) countries: Vec<(Country, CountryRules)>,
    pub(crate) formats: Vec<Vec<Rewrite>>,
    pub(crate) periods: Vec<(String, Vec<(i64, i64)>)>,
    pub(crate) a_bands: Vec<(u32, Vec<Prefix>)>,
    pub(crate) data_centres: Vec<String>,
}

/// The default of `CarrierGateway.DialString`.
const DEFAULT_DIAL_STRING: &str = "sofia/gateway/gw${ID}/${number}";

/// Most characters of a gateway's prefix, and of its suffix: both and a number fit in a
/// `fsx_core::render::GatewayNumber`.
const MAX_AFFIX: usize = 40;

pub(crate) fn vet(
    rows: &Rows,
    settings: &BuildSettings,
    report: &mut Report,
) -> Result<Model, BuildError> {
    report.rows_in = (rows.carriers.len()
        + rows.bands.len()
        + rows.numbers.len()
        + rows.rates.len()
        + rows.gateways.len()
        + rows.overrides.len()
        + rows.closed_loop.len()
        + rows.formats.len()
        + rows.orgs.len()
        + rows.dialling_rules.len()
        + rows.emergency_numbers.len()
        + rows.emergency_gateways.len()
        + rows.normalise_rules.len()) as u64;

    let (mut carriers, carrier_at) = vet_carriers(rows, report)?;
    let (mut bands, band_at) = vet_bands(rows, &carrier_at, report);
    let (formats, format_at) = vet_formats(rows, report);
    let (a_bands, a_band_at) = vet_a_bands(rows);
    let rates = vet_rates(rows, settings, &mut bands, &band_at, &format_at, &a_band_at, report);
    let mut gateways = vet_gateways(rows, &mut carriers, &carrier_at, report)?;
    let data_centres = number_data_centres(&mut gateways)?;
    let (numbers, private) = vet_numbers(rows, settings, &bands, &band_at, report);
    refuse_lost_carriers(rows, &carriers, &bands, &numbers, &private, report)?;
    let private_orgs: HashSet<u32> = private.iter().map(|n| n.org_id).collect();
    let overrides = vet_overrides(rows, &carrier_at, report);
    let model = Model {
        orgs: vet_orgs(rows, &private_orgs, &overrides, report),
        overrides,
        data_centres,
        closed_loop: vet_closed_loop(rows, &carrier_at, report),
        dialling_rules: vet_dialling_rules(rows, report),
        countries: vet_countries(rows, &gateways, report),
        periods: rows.periods.iter().map(|p| (p.name.clone(), p.intervals.clone())).collect(),
        carriers,
        bands,
        rates,
        gateways,
        numbers,
        private,
        formats,
        a_bands,
    };
    let share = report.lost_rows as f64 / report.rows_in.max(1) as f64;
    if share > settings.max_lost_share {
        return Err(BuildError::LostTooMuch {
            lost: report.lost_rows,
            of: report.rows_in,
            first: report.lost.first().cloned(),
        });
    }
    Ok(model)
}

/// What a reference to a carrier or band leads to.
#[derive(Clone, Copy)]
enum Target {
    /// In the file, at this row.
    At(u32),
    /// In the database, but it does not route: disabled, or of another type.
    NotRouting,
}

type Targets = HashMap<u32, Target>;

fn vet_carriers(rows: &Rows, report: &mut Report) -> Result<(Vec<Carrier>, Targets), BuildError> {
    let mut carriers = Vec::new();
    let mut targets = Targets::new();
    for row in &rows.carriers {
        let routes = match row.kind.trim().to_ascii_lowercase().as_str() {
            "route" => row.enabled,
            "retail" => false,
            other => {
                report.lose("Carriers", row.id, format!("unknown Type {other:?}"));
                continue;
            }
        };
        let target = if routes { Target::At(carriers.len() as u32) } else { Target::NotRouting };
        if targets.insert(row.id, target).is_some() {
            return Err(BuildError::DuplicateId { table: "Carriers", id: row.id });
        }
        if routes {
            carriers.push(Carrier {
                id: row.id,
                name: row.name.clone(),
                closed_loop: row.closed_loop,
                private_services: row.private_services,
                first_gateway: 0,
                gateways: 0,
                weighted: false,
            });
        }
    }
    if carriers.len() > MAX_CARRIERS {
        return Err(BuildError::TooManyCarriers { got: carriers.len() });
    }
    Ok((carriers, targets))
}

fn vet_bands(rows: &Rows, carrier_at: &Targets, report: &mut Report) -> (Vec<Band>, Targets) {
    let mut bands = Vec::new();
    let mut targets = Targets::new();
    for row in &rows.bands {
        let target = match carrier_at.get(&row.carrier_id) {
            None => {
                report.lose("Bands", row.id, format!("unknown carrier {}", row.carrier_id));
                continue;
            }
            Some(Target::NotRouting) => Target::NotRouting,
            Some(Target::At(carrier)) => {
                bands.push(Band {
                    id: row.id,
                    name: row.name.clone(),
                    carrier: *carrier,
                    enabled: row.enabled,
                    first_rate: 0,
                    rates: 0,
                });
                Target::At(bands.len() as u32 - 1)
            }
        };
        targets.insert(row.id, target);
    }
    (bands, targets)
}

fn compile(pattern: &str, replacement: &str) -> Result<Rewrite, String> {
    let program = pattern::compile(pattern).map_err(|e| format!("pattern {pattern:?}: {e}"))?;
    pattern::check_replacement(&program, replacement)
        .map_err(|e| format!("replacement {replacement:?}: {e}"))?;
    Ok(Rewrite { program, replacement: replacement.to_owned() })
}

fn vet_formats(rows: &Rows, report: &mut Report) -> (Vec<Vec<Rewrite>>, HashMap<String, u32>) {
    let mut sorted: Vec<_> = rows.formats.iter().collect();
    sorted.sort_by_key(|row| (row.sequence, row.id));
    let mut formats: Vec<Vec<Rewrite>> = Vec::new();
    let mut names = HashMap::new();
    for row in sorted {
        match compile(&row.pattern, &row.replacement) {
            Err(reason) => report.lose("Formats", row.id, reason),
            Ok(rewrite) => {
                let name = row.name.trim().to_ascii_lowercase();
                let at = *names.entry(name).or_insert_with(|| {
                    formats.push(Vec::new());
                    formats.len() as u32 - 1
                });
                formats[at as usize].push(rewrite);
            }
        }
    }
    (formats, names)
}

/// Bands that rates name as `ABandID`: all their enabled prefixes, whosever band it is.
#[allow(clippy::type_complexity)] // One caller, which takes it apart at once.
fn vet_a_bands(rows: &Rows) -> (Vec<(u32, Vec<Prefix>)>, HashMap<u32, u32>) {
    let mut a_bands: Vec<(u32, Vec<Prefix>)> = Vec::new();
    let mut at = HashMap::new();
    let known: HashSet<u32> = rows.bands.iter().map(|band| band.id).collect();
    for band_id in rows.rates.iter().filter_map(|rate| rate.a_band_id) {
        if known.contains(&band_id) {
            at.entry(band_id).or_insert_with(|| {
                a_bands.push((band_id, Vec::new()));
                a_bands.len() as u32 - 1
            });
        }
    }
    if !at.is_empty() {
        for number in rows.numbers.iter().filter(|number| number.enabled) {
            if let (Some(&place), Some(prefix)) = (at.get(&number.band_id), prefix_of(number)) {
                a_bands[place as usize].1.push(prefix);
            }
        }
    }
    for (_, prefixes) in &mut a_bands {
        prefixes.sort_unstable();
        prefixes.dedup();
    }
    (a_bands, at)
}

fn prefix_of(row: &NumberRow) -> Option<Prefix> {
    let digits = row.number?;
    let valid = !digits.is_empty() && digits.as_bytes().iter().all(u8::is_ascii_digit);
    valid.then(|| Prefix { key: Key::of(digits.as_bytes()), len: digits.len() as u8 })
}

fn vet_rates(
    rows: &Rows,
    settings: &BuildSettings,
    bands: &mut [Band],
    band_at: &Targets,
    format_at: &HashMap<String, u32>,
    a_band_at: &HashMap<u32, u32>,
    report: &mut Report,
) -> Vec<Rate> {
    let mut fx: HashMap<String, Nano> = HashMap::new();
    for (currency, worth) in &rows.fx {
        match Nano::parse(worth) {
            Ok(worth) if worth > Nano::ZERO => {
                fx.insert(currency.trim().to_ascii_uppercase(), worth);
            }
            _ => report.lose("FxRates", 0, format!("{currency}: rate {worth:?} is not positive")),
        }
    }
    fx.insert(settings.base_currency.to_ascii_uppercase(), Nano(NANO_PER_UNIT));
    let periods: HashMap<String, u32> = rows
        .periods
        .iter()
        .enumerate()
        .map(|(at, period)| (period.name.trim().to_ascii_lowercase(), at as u32))
        .collect();
    let mut rates: Vec<(u32, Rate)> = Vec::new();
    for row in &rows.rates {
        let band = match band_at.get(&row.band_id) {
            Some(Target::At(band)) => *band,
            Some(Target::NotRouting) => continue,
            None => {
                report.lose("LCRRates", row.id, format!("unknown band {}", row.band_id));
                continue;
            }
        };
        if !row.enabled {
            continue;
        }
        match vet_rate(row, band, settings, &fx, &periods, format_at, a_band_at) {
            Ok(rate) => rates.push((band, rate)),
            Err(reason) => report.lose("LCRRates", row.id, reason),
        }
    }
    // Step 7's choice: the first of a band's rates that is in force.
    rates.sort_by_key(|(band, rate)| {
        let any_caller = rate.a_band == NONE;
        let any_time = rate.period == NONE;
        (*band, any_caller, any_time, std::cmp::Reverse(rate.start), std::cmp::Reverse(rate.id))
    });
    for (at, (band, _)) in rates.iter().enumerate() {
        let band = &mut bands[*band as usize];
        if band.rates == 0 {
            band.first_rate = at as u32;
        }
        band.rates += 1;
    }
    rates.into_iter().map(|(_, rate)| rate).collect()
}

fn vet_rate(
    row: &RateRow,
    band: u32,
    settings: &BuildSettings,
    fx: &HashMap<String, Nano>,
    periods: &HashMap<String, u32>,
    format_at: &HashMap<String, u32>,
    a_band_at: &HashMap<u32, u32>,
) -> Result<Rate, String> {
    let money = |column: &str, text: &str| match Nano::parse(text) {
        Ok(money) if money >= Nano::ZERO => Ok(money),
        Ok(_) => Err(format!("{column} {text} is negative")),
        Err(e) => Err(format!("{column} {text:?}: {e}")),
    };
    let rate_per_min = money("Rate", &row.rate)?;
    let setup = if row.setup.trim().is_empty() { Nano::ZERO } else { money("Setup", &row.setup)? };
    let currency = row.currency.trim().to_ascii_uppercase();
    if currency.len() != 3 || !currency.bytes().all(|b| b.is_ascii_alphabetic()) {
        return Err(format!("unknown currency {:?}", row.currency));
    }
    let format = |column: &str, name: &str| match name.trim().to_ascii_lowercase().as_str() {
        "" => Ok(NONE),
        name => format_at.get(name).copied().ok_or_else(|| format!("unknown {column} {name:?}")),
    };
    let period = match row.period.trim().to_ascii_lowercase().as_str() {
        "" | "standard" => NONE,
        name => *periods.get(name).ok_or_else(|| format!("unknown Period {name:?}"))?,
    };
    let a_band = match row.a_band_id {
        None => NONE,
        Some(id) => *a_band_at.get(&id).ok_or_else(|| format!("unknown ABandID {id}"))?,
    };
    if row.initial_increment_s == 0 || row.next_increment_s == 0 {
        return Err("an increment of 0 seconds".to_owned());
    }
    let tariff = Tariff {
        rate_per_min,
        setup,
        initial_increment_s: row.initial_increment_s,
        next_increment_s: row.next_increment_s,
    };
    let cost_per_min = match fx.get(&currency) {
        None => None,
        Some(&worth) => Some(
            tariff
                .cost_per_min(settings.reference_seconds, worth)
                .ok_or_else(|| format!("Rate {} costs more than can be counted", row.rate))?,
        ),
    };
    Ok(Rate {
        id: row.id,
        tariff,
        currency,
        cost_per_min,
        start: row.start,
        band,
        period,
        a_band,
        format_number: format("FormatNumber", &row.format_number)?,
        format_cli: format("FormatCLI", &row.format_cli)?,
    })
}

fn vet_gateways(
    rows: &Rows,
    carriers: &mut [Carrier],
    carrier_at: &Targets,
    report: &mut Report,
) -> Result<Vec<Gateway>, BuildError> {
    let emergency: HashSet<u32> = rows.emergency_gateways.iter().map(|(_, id, _)| *id).collect();
    let mut gateways = Vec::new();
    let mut seen = HashSet::new();
    for row in &rows.gateways {
        if !seen.insert(row.id) {
            return Err(BuildError::DuplicateId { table: "CarrierGateway", id: row.id });
        }
        let carrier = match carrier_at.get(&row.carrier_id) {
            Some(Target::At(carrier)) => *carrier,
            // An emergency gateway serves emergencies whatever becomes of its carrier.
            Some(Target::NotRouting) if emergency.contains(&row.id) => NONE,
            Some(Target::NotRouting) => continue,
            None => {
                let reason = format!("unknown carrier {}", row.carrier_id);
                report.lose("CarrierGateway", row.id, reason);
                continue;
            }
        };
        if !row.enabled {
            continue;
        }
        match vet_gateway(row, carrier) {
            Ok(gateway) => gateways.push(gateway),
            Err(reason) => report.lose("CarrierGateway", row.id, reason),
        }
    }
    gateways.sort_by_key(|g| (g.carrier, std::cmp::Reverse(g.row.reliability), g.row.id));
    for (at, gateway) in gateways.iter().enumerate() {
        if gateway.carrier == NONE {
            continue;
        }
        let carrier = &mut carriers[gateway.carrier as usize];
        if carrier.gateways == 0 {
            carrier.first_gateway = at as u32;
        }
        carrier.gateways += 1;
        carrier.weighted |= gateway.row.weight > 0;
        if carrier.gateways as usize > MAX_GATEWAYS {
            return Err(BuildError::TooManyGateways { carrier: carrier.id });
        }
    }
    Ok(gateways)
}

/// Gives every data centre that a gateway names its bit.
fn number_data_centres(gateways: &mut [Gateway]) -> Result<Vec<String>, BuildError> {
    let mut names: Vec<String> = Vec::new();
    for gateway in gateways {
        for name in gateway.row.data_centres.split(',').map(str::trim).filter(|n| !n.is_empty()) {
            let at = names.iter().position(|known| known == name).unwrap_or_else(|| {
                names.push(name.to_owned());
                names.len() - 1
            });
            if at >= 64 {
                return Err(BuildError::TooManyDataCentres { name: name.to_owned() });
            }
            gateway.centre_bits |= 1 << at;
        }
    }
    Ok(names)
}

fn vet_gateway(row: &GatewayRow, carrier: u32) -> Result<Gateway, String> {
    for (column, text) in [("Prefix", &row.prefix), ("Suffix", &row.suffix)] {
        let plain = text.bytes().all(|b| b.is_ascii_graphic());
        if text.len() > MAX_AFFIX || !plain {
            return Err(format!("{column} {text:?} is not plain text of up to {MAX_AFFIX} bytes"));
        }
    }
    if row.reliability > 100 {
        return Err(format!("Reliability {} is over 100", row.reliability));
    }
    let none = row.stop_causes.trim().eq_ignore_ascii_case("none");
    let bad = row
        .stop_causes
        .split(',')
        .map(str::trim)
        .find(|word| !none && !word.is_empty() && word.parse::<u16>().is_err());
    if let Some(word) = bad {
        return Err(format!("StopCauses names {word:?}, not a cause number"));
    }
    let dial_string = match row.dial_string.trim() {
        "" => DEFAULT_DIAL_STRING.to_owned(),
        template if template.contains("${number}") => template.to_owned(),
        template => return Err(format!("DialString {template:?} lacks ${{number}}")),
    };
    Ok(Gateway {
        channel_vars: channel_vars(&row.channel_vars)?,
        dial_string,
        centre_bits: 0,
        carrier,
        row: row.clone(),
    })
}

/// `a=b,c=d` to one pair a line. A piece without `=` belongs to the value before it, so that
/// `absolute_codec_string=PCMA,PCMU` stays one variable.
fn channel_vars(text: &str) -> Result<String, String> {
    let mut lines: Vec<String> = Vec::new();
    for piece in text.split(['\n', ';']).flat_map(|line| line.split(',')) {
        let piece = piece.trim();
        match (piece.split_once('='), lines.last_mut()) {
            (Some((name, value)), _) => {
                let name = name.trim();
                let valid = |b: u8| b.is_ascii_alphanumeric() || b"_-.".contains(&b);
                if name.is_empty() || !name.bytes().all(valid) {
                    return Err(format!("ChannelVars names {name:?}"));
                }
                lines.push(format!("{name}={}", value.trim()));
            }
            (None, _) if piece.is_empty() => {}
            (None, Some(last)) => {
                last.push(',');
                last.push_str(piece);
            }
            (None, None) => {
                return Err(format!("ChannelVars begins with {piece:?}, not name=value"));
            }
        }
    }
    Ok(lines.join("\n"))
}

fn vet_numbers(
    rows: &Rows,
    settings: &BuildSettings,
    bands: &[Band],
    band_at: &Targets,
    report: &mut Report,
) -> (Vec<Number>, Vec<Number>) {
    let mut numbers = Vec::with_capacity(rows.numbers.len());
    let mut private = Vec::new();
    for row in &rows.numbers {
        let band = match band_at.get(&row.band_id) {
            Some(Target::At(band)) => *band,
            Some(Target::NotRouting) => continue,
            None => {
                report.lose("Numbers", row.id, format!("unknown band {}", row.band_id));
                continue;
            }
        };
        if !row.enabled {
            continue;
        }
        let empty = row.number.is_some_and(|number| number.is_empty());
        let prefix = match prefix_of(row) {
            Some(prefix) => prefix,
            None if empty && settings.allow_empty_prefix => Prefix { key: Key(0), len: 0 },
            None if empty => {
                report.lose("Numbers", row.id, "empty prefix, which would route every number");
                continue;
            }
            None => {
                let shown = row.number.map_or_else(|| "too long".to_owned(), |n| format!("{n:?}"));
                report.lose("Numbers", row.id, format!("Number is not 1 to 15 digits: {shown}"));
                continue;
            }
        };
        let carrier = bands[band as usize].carrier;
        let number = Number { org_id: row.org_id, prefix, carrier, id: row.id, band };
        if row.org_id == 0 { numbers.push(number) } else { private.push(number) }
    }
    for numbers in [&mut numbers, &mut private] {
        numbers.sort_unstable();
        // Same prefix and carrier: the lower ID stays (step 5).
        numbers.dedup_by_key(|n| (n.org_id, n.prefix, n.carrier));
    }
    (numbers, private)
}

/// A carrier that had numbers and rates in the database and has none here would vanish from every
/// route: better the last good snapshot than that.
fn refuse_lost_carriers(
    rows: &Rows,
    carriers: &[Carrier],
    bands: &[Band],
    numbers: &[Number],
    private: &[Number],
    report: &Report,
) -> Result<(), BuildError> {
    if report.lost_rows == 0 {
        return Ok(());
    }
    let mut has_numbers = vec![false; carriers.len()];
    let mut has_rates = vec![false; carriers.len()];
    for number in numbers.iter().chain(private) {
        has_numbers[number.carrier as usize] = true;
    }
    for band in bands.iter().filter(|band| band.rates > 0) {
        has_rates[band.carrier as usize] = true;
    }
    let of_band: HashMap<u32, u32> = rows.bands.iter().map(|b| (b.id, b.carrier_id)).collect();
    let enabled = |rows: &mut dyn Iterator<Item = u32>| -> HashSet<u32> {
        rows.filter_map(|band| of_band.get(&band).copied()).collect()
    };
    let had_numbers = enabled(&mut rows.numbers.iter().filter(|n| n.enabled).map(|n| n.band_id));
    let had_rates = enabled(&mut rows.rates.iter().filter(|r| r.enabled).map(|r| r.band_id));
    for (at, carrier) in carriers.iter().enumerate() {
        for (had, has) in [(&had_numbers, has_numbers[at]), (&had_rates, has_rates[at])] {
            if had.contains(&carrier.id) && !has {
                return Err(BuildError::LostCarrier {
                    id: carrier.id,
                    name: carrier.name.clone(),
                    first: report.lost.first().cloned(),
                });
            }
        }
    }
    Ok(())
}

fn vet_overrides(rows: &Rows, carrier_at: &Targets, report: &mut Report) -> Vec<Override> {
    let mut overrides = Vec::new();
    for row in rows.overrides.iter().filter(|row| row.enabled) {
        let carrier = match carrier_at.get(&row.carrier_id) {
            Some(Target::At(carrier)) => *carrier,
            Some(Target::NotRouting) => continue,
            None => {
                let reason = format!("unknown carrier {}", row.carrier_id);
                report.lose("Overrides", row.id, reason);
                continue;
            }
        };
        let action = match row.action.trim().to_ascii_uppercase().as_str() {
            "FORCE" => OverrideAction::Force,
            "PREFER" => OverrideAction::Prefer,
            "FORBID" => OverrideAction::Forbid,
            other => {
                report.lose("Overrides", row.id, format!("unknown Action {other:?}"));
                continue;
            }
        };
        let prefix = row.prefix.trim();
        if prefix.len() > 15 || !prefix.bytes().all(|b| b.is_ascii_digit()) {
            report.lose("Overrides", row.id, format!("Prefix {prefix:?} is not up to 15 digits"));
            continue;
        }
        let prefix = Prefix { key: Key::of(prefix.as_bytes()), len: prefix.len() as u8 };
        let (org_id, id, priority) = (row.org_id, row.id, row.priority);
        overrides.push(Override { org_id, prefix, id, carrier, action, priority });
    }
    overrides.sort_by_key(|o| (o.org_id, o.prefix, o.id));
    overrides
}

fn vet_closed_loop(rows: &Rows, carrier_at: &Targets, report: &mut Report) -> Vec<(u32, u32)> {
    let mut members = Vec::new();
    for &(org_id, carrier_id) in &rows.closed_loop {
        match carrier_at.get(&carrier_id) {
            Some(Target::At(carrier)) => members.push((org_id, *carrier)),
            Some(Target::NotRouting) => {}
            None => {
                let reason = format!("unknown carrier {carrier_id}");
                report.lose("ClosedLoopCarriers", org_id, reason);
            }
        }
    }
    members.sort_unstable();
    members.dedup();
    members
}

fn vet_orgs(
    rows: &Rows,
    private: &HashSet<u32>,
    overrides: &[Override],
    report: &mut Report,
) -> Vec<Org> {
    let mut orgs: Vec<Org> = Vec::new();
    for row in &rows.orgs {
        let home_country = Country::new(row.home_country.trim().as_bytes());
        if home_country.is_none() && !row.home_country.trim().is_empty() {
            let reason = format!("HomeCountry {:?} is not two letters", row.home_country);
            report.lose("Orgs", row.org_id, reason);
        }
        // A limit that cannot be read must not become no limit.
        let limit = match row.call_cost_limit.trim() {
            "" => None,
            text => Some(Nano::parse(text).unwrap_or_else(|e| {
                let reason = format!("CallCostLimit {text:?}: {e}; taken as 0");
                report.lose("Orgs", row.org_id, reason);
                Nano::ZERO
            })),
        };
        let private = private.contains(&row.org_id);
        orgs.push(Org { org_id: row.org_id, home_country, limit, private, overrides: false });
    }
    // An organisation may have rows of its own elsewhere and none in `Orgs`.
    let overriding: HashSet<u32> = overrides.iter().map(|rule| rule.org_id).collect();
    let known: HashSet<u32> = orgs.iter().map(|org| org.org_id).collect();
    let unknown = private.union(&overriding).filter(|id| !known.contains(id));
    orgs.extend(unknown.map(|&org_id| Org {
        org_id,
        home_country: None,
        limit: None,
        private: private.contains(&org_id),
        overrides: false,
    }));
    for org in &mut orgs {
        org.overrides = overriding.contains(&org.org_id);
    }
    orgs.sort_by_key(|org| org.org_id);
    orgs.dedup_by_key(|org| org.org_id);
    orgs
}

fn vet_dialling_rules(rows: &Rows, report: &mut Report) -> Vec<(u32, u32, bool, Rewrite)> {
    let mut rules = Vec::new();
    for row in rows.dialling_rules.iter().filter(|row| row.enabled) {
        let block = match row.action.trim().to_ascii_uppercase().as_str() {
            "BLOCK" => true,
            "ALLOW" => false,
            other => {
                report.lose("DiallingRules", row.id, format!("unknown Action {other:?}"));
                continue;
            }
        };
        match compile(&row.pattern, "") {
            Ok(rewrite) => rules.push((row.org_id, row.id, block, rewrite)),
            Err(reason) => report.lose("DiallingRules", row.id, reason),
        }
    }
    rules.sort_by_key(|(org_id, id, _, _)| (*org_id, *id));
    rules
}

fn vet_countries(
    rows: &Rows,
    gateways: &[Gateway],
    report: &mut Report,
) -> Vec<(Country, CountryRules)> {
    let mut countries: std::collections::BTreeMap<Country, CountryRules> = Default::default();
    let mut normalise: Vec<_> = rows.normalise_rules.iter().collect();
    normalise.sort_by_key(|row| row.sequence);
    for row in normalise {
        let Some(country) = Country::new(row.country.trim().as_bytes()) else {
            report.lose("NormaliseRules", 0, format!("Country {:?}", row.country));
            continue;
        };
        match compile(&row.pattern, &row.replacement) {
            Ok(rewrite) => countries.entry(country).or_default().normalise.push(rewrite),
            Err(reason) => report.lose("NormaliseRules", 0, format!("{country}: {reason}")),
        }
    }
    for (name, number) in &rows.emergency_numbers {
        let number = number.trim();
        match Country::new(name.trim().as_bytes()) {
            Some(country) if !number.is_empty() && number.len() <= 40 => {
                countries.entry(country).or_default().emergency_numbers.push(number.to_owned());
            }
            _ => report.lose("EmergencyNumbers", 0, format!("{name:?} {number:?}")),
        }
    }
    let mut wanted = rows.emergency_gateways.clone();
    wanted.sort_by_key(|(_, id, priority)| (*priority, *id));
    for (name, id, _) in &wanted {
        let at = gateways.iter().position(|gateway| gateway.row.id == *id);
        match (Country::new(name.trim().as_bytes()), at) {
            (Some(country), Some(at)) => {
                countries.entry(country).or_default().emergency_gateways.push(at as u32);
            }
            (None, _) => report.lose("EmergencyGateways", *id, format!("Country {name:?}")),
            (_, None) => report.lose("EmergencyGateways", *id, "no such enabled gateway"),
        }
    }
    countries.into_iter().collect()
}
