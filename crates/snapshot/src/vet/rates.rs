//! Rates, with the formats, periods and A-bands that they name.

use std::collections::{BTreeMap, HashMap, HashSet};

use fsx_core::{
    Nano,
    money::{NANO_PER_UNIT, Tariff},
};

use super::{
    carriers::{Target, Targets},
    model::{ABand, Band, Currency, Rate, Rewrite},
    numbers::prefix_of,
    rules::compile,
};
use crate::{
    BuildSettings, Report,
    layout::NONE,
    rows::{FxRow, RateRow, Rows},
};

/// By currency: what one unit is worth in the base currency, and the first second at which that is
/// too old.
type Worths = Vec<(Currency, (Nano, i64))>;

pub(super) fn vet_formats(
    rows: &Rows,
    report: &mut Report,
) -> (Vec<Vec<Rewrite>>, HashMap<String, u32>) {
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
pub(super) fn vet_a_bands(rows: &Rows) -> (Vec<ABand>, HashMap<u32, u32>) {
    let mut a_bands: Vec<ABand> = Vec::new();
    let mut at = HashMap::new();
    let named: HashSet<u32> = rows.rates.iter().filter_map(|rate| rate.a_band_id).collect();
    // Most sites name none.
    if named.is_empty() {
        return (a_bands, at);
    }
    let known: HashSet<u32> = rows.bands.iter().map(|band| band.id).collect();
    for band_id in rows.rates.iter().filter_map(|rate| rate.a_band_id) {
        if known.contains(&band_id) {
            at.entry(band_id).or_insert_with(|| {
                a_bands.push(ABand { band_id, prefixes: Vec::new() });
                a_bands.len() as u32 - 1
            });
        }
    }
    if !at.is_empty() {
        for number in rows.numbers.iter().filter(|number| number.enabled) {
            if let (Some(&place), Some(prefix)) = (at.get(&number.band_id), prefix_of(number)) {
                a_bands[place as usize].prefixes.push(prefix);
            }
        }
    }
    for ABand { prefixes, .. } in &mut a_bands {
        prefixes.sort_unstable();
        prefixes.dedup();
    }
    (a_bands, at)
}

pub(super) fn vet_rates(
    rows: &Rows,
    settings: &BuildSettings,
    bands: &mut [Band<'_>],
    band_at: &Targets,
    format_at: &HashMap<String, u32>,
    a_band_at: &HashMap<u32, u32>,
    report: &mut Report,
) -> Vec<Rate> {
    let mut fx = Worths::new();
    for FxRow { currency, worth, until } in &rows.fx {
        match (Currency::new(currency), Nano::parse(worth)) {
            (Some(currency), Ok(worth)) if worth > Nano::ZERO => {
                fx.push((currency, (worth, until.unwrap_or(i64::MAX))));
            }
            _ => report.lose(
                "FxRates",
                0,
                format!("{currency:?} {worth:?}: expected a currency and a rate above 0"),
            ),
        }
    }
    if let Some(base) = Currency::new(&settings.base_currency) {
        fx.push((base, (Nano(NANO_PER_UNIT), i64::MAX)));
    }
    let periods: HashMap<String, u32> = rows
        .periods
        .iter()
        .enumerate()
        .map(|(at, period)| (period.name.trim().to_ascii_lowercase(), at as u32))
        .collect();
    let mut rates: Vec<Rate> = Vec::with_capacity(rows.rates.len());
    for row in &rows.rates {
        let band = match band_at.get(row.band_id) {
            Some(Target::At(band)) => band,
            Some(Target::NotRouting | Target::Retail(_)) => continue,
            None => {
                report.lose_adrift("LCRRates", row.id, format!("unknown band {}", row.band_id));
                continue;
            }
        };
        if !row.enabled {
            continue;
        }
        match vet_rate(row, band, settings, &fx, &periods, format_at, a_band_at) {
            Ok(rate) => rates.push(rate),
            Err(reason) => report.lose("LCRRates", row.id, reason),
        }
    }
    let mut unpriced: BTreeMap<&str, u64> = BTreeMap::new();
    for rate in rates.iter().filter(|rate| rate.fx.is_none()) {
        *unpriced.entry(rate.currency.as_str()).or_default() += 1;
    }
    report.no_exchange_rate = unpriced.into_iter().map(|(c, n)| (c.to_owned(), n)).collect();
    // Step 7's choice: the first of a band's rates that is in force.
    rates.sort_by_key(|rate| {
        let any_caller = rate.a_band == NONE;
        let any_time = rate.period == NONE;
        (rate.band, any_caller, any_time, std::cmp::Reverse(rate.start), std::cmp::Reverse(rate.id))
    });
    for (at, rate) in rates.iter().enumerate() {
        let band = &mut bands[rate.band as usize];
        if band.rates == 0 {
            band.first_rate = at as u32;
        }
        band.rates += 1;
    }
    rates
}

fn vet_rate(
    row: &RateRow,
    band: u32,
    settings: &BuildSettings,
    fx: &Worths,
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
    let currency = Currency::new(&row.currency)
        .ok_or_else(|| format!("unknown currency {:?}", row.currency))?;
    // Most name none: nothing is copied for them.
    let lower = |text: &str| match text.trim() {
        "" => String::new(),
        text => text.to_ascii_lowercase(),
    };
    let format = |column: &str, name: &str| match lower(name).as_str() {
        "" => Ok(NONE),
        name => format_at.get(name).copied().ok_or_else(|| format!("unknown {column} {name:?}")),
    };
    let period = match lower(&row.period).as_str() {
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
    // A few currencies: of two rows of one the later holds.
    let worth = fx.iter().rfind(|(known, _)| *known == currency).map(|(_, worth)| *worth);
    let cost_per_min = match worth {
        None => None,
        Some((worth, _)) => Some(
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
        fx: worth.map(|(worth, _)| worth),
        priced_until: worth.map_or(i64::MAX, |(_, until)| until),
        start: row.start,
        band,
        period,
        a_band,
        format_number: format("FormatNumber", &row.format_number)?,
        format_cli: format("FormatCLI", &row.format_cli)?,
    })
}
