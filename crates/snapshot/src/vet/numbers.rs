//! Number rows: the prefixes that route, everyone's and each organisation's own.

use std::collections::{HashMap, HashSet};

use fsx_core::digits::{E164, Key};

use super::{
    carriers::{Target, Targets},
    model::{Band, Carrier, Number, Prefix, PublicNumber},
    order::PublicNumbers,
};
use crate::{
    BuildError, BuildSettings, Lost, Report,
    layout::NONE,
    rows::{BandRow, NumberRow, Rows},
};

#[inline]
pub(super) fn prefix_of(row: &NumberRow) -> Option<Prefix> {
    // A prefix is read as a number is: all its digits at once.
    let digits = E164::new(row.number.as_ref()?.as_bytes())?;
    Some(Prefix { key: digits.key(), len: digits.len() as u8 })
}

/// What number rows came to.
pub(super) struct Numbers {
    pub(super) everyone: PublicNumbers,
    pub(super) private: Vec<Number>,
    pub(super) retail: Vec<Number>,
}

pub(super) fn vet_numbers(
    rows: &Rows,
    settings: &BuildSettings,
    bands: &[Band<'_>],
    band_at: &Targets,
    report: &mut Report,
) -> Numbers {
    let mut numbers = PublicNumbers::with_capacity(rows.numbers.len());
    let (mut private, mut retail) = (Vec::new(), Vec::new());
    for row in &rows.numbers {
        let band = match band_at.get(row.band_id) {
            Some(Target::At(band)) => band,
            Some(Target::NotRouting | Target::Retail(_)) => continue,
            None => {
                report.lose_adrift("Numbers", row.id, format!("unknown band {}", row.band_id));
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
        let Band { carrier, retail: deck, .. } = bands[band as usize];
        let number = Number { org_id: row.org_id, prefix, carrier, id: row.id, band };
        if deck != NONE {
            retail.push(Number { carrier: deck, ..number });
        } else if row.org_id == 0 {
            numbers.push(PublicNumber::new(prefix, carrier, row.id, band));
        } else {
            private.push(number);
        }
    }
    private.sort();
    retail.sort_by_key(|number| (number.carrier, *number));
    // Same prefix and carrier: the lower ID stays (step 5).
    private.dedup_by_key(|number| (number.org_id, number.prefix, number.carrier));
    retail.dedup_by_key(|number| (number.carrier, number.org_id, number.prefix));
    Numbers { everyone: numbers, private, retail }
}

/// A carrier that had numbers, rates or gateways in the database and has none here would vanish from
/// every route: better the last good snapshot than that.
pub(super) fn refuse_lost_carriers(
    rows: &Rows,
    carriers: &[Carrier],
    bands: &[Band<'_>],
    numbers: &PublicNumbers,
    private: &[Number],
    report: &Report,
) -> Result<(), BuildError> {
    if report.lost_rows == 0 {
        return Ok(());
    }
    let mut has_numbers: Vec<bool> = (0..carriers.len()).map(|at| numbers.any_of(at)).collect();
    let mut has_rates = vec![false; carriers.len()];
    for number in private {
        has_numbers[number.carrier as usize] = true;
    }
    let has_gateways: Vec<bool> = carriers.iter().map(|carrier| carrier.gateways > 0).collect();
    for band in bands.iter().filter(|band| band.rates > 0 && band.retail == NONE) {
        has_rates[band.carrier as usize] = true;
    }
    let of_band: HashMap<u32, u32> = rows.bands.iter().map(|b| (b.id, b.carrier_id)).collect();
    let owners = |bands: &mut dyn Iterator<Item = u32>| -> HashSet<u32> {
        bands.filter_map(|band| of_band.get(&band).copied()).collect()
    };
    let had_numbers = owners(&mut rows.numbers.iter().filter(|n| n.enabled).map(|n| n.band_id));
    let had_rates = owners(&mut rows.rates.iter().filter(|r| r.enabled).map(|r| r.band_id));
    let had_gateways: HashSet<u32> =
        rows.gateways.iter().filter(|g| g.enabled).map(|g| g.carrier_id).collect();
    let gone = |id: u32, first: Option<&Lost>| {
        let row = rows.carriers.iter().find(|carrier| carrier.id == id);
        let name = row.map(|carrier| carrier.name.clone()).unwrap_or_default();
        Err(BuildError::LostCarrier { id, name, first: first.cloned() })
    };
    let enabled: HashSet<u32> = rows.carriers.iter().filter(|c| c.enabled).map(|c| c.id).collect();
    let in_use = |id: &u32| enabled.contains(id) && had_numbers.contains(id);
    let lost = report.lost.iter().find(|lost| lost.table == "Carriers" && in_use(&lost.id));
    if let Some(row) = lost {
        return gone(row.id, Some(row));
    }
    // A carrier that could not be read: its bands lead nowhere.
    if let Some(row) = rows.unread.iter().find(|lost| lost.table == "Carriers") {
        let known: HashSet<u32> = rows.carriers.iter().map(|carrier| carrier.id).collect();
        let nobodys = |band: &&BandRow| band.enabled && !known.contains(&band.carrier_id);
        let its = |band: &&BandRow| row.id == 0 || band.carrier_id == row.id;
        if let Some(band) = rows.bands.iter().filter(nobodys).find(its) {
            return gone(band.carrier_id, Some(row));
        }
    }
    if !report.adrift.is_empty() {
        // Where a carrier has nothing at all of just what leads nowhere, those rows were its own. What
        // somebody has disabled is something: that carrier rests.
        let numbers = owners(&mut rows.numbers.iter().map(|n| n.band_id));
        let rates = owners(&mut rows.rates.iter().map(|r| r.band_id));
        let gateways: HashSet<u32> = rows.gateways.iter().map(|g| g.carrier_id).collect();
        for first in &report.adrift {
            let would_have = match first.table {
                "Numbers" => [false, true, true],
                "LCRRates" => [true, false, true],
                "Bands" => [false, false, true],
                _ => [true, true, false],
            };
            let is_it =
                |id: &u32| [&numbers, &rates, &gateways].map(|of| of.contains(id)) == would_have;
            if let Some(carrier) = carriers.iter().find(|carrier| is_it(&carrier.id)) {
                return gone(carrier.id, Some(first));
            }
        }
    }
    for (at, carrier) in carriers.iter().enumerate() {
        for (had, has) in [
            (&had_numbers, has_numbers[at]),
            (&had_rates, has_rates[at]),
            (&had_gateways, has_gateways[at]),
        ] {
            if had.contains(&carrier.id) && !has {
                return gone(carrier.id, report.lost.first());
            }
        }
    }
    Ok(())
}
