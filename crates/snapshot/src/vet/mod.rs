//! Raw rows in, rows that can be trusted out, each loss named.
//!
//! After vetting every reference is a row number that exists, every pattern compiles, every price
//! is an integer, and rows stand in the order that the contract's choices want.

mod carriers;
mod gateways;
mod model;
mod numbers;
mod order;
mod rates;
mod rules;

use std::collections::HashSet;

pub(crate) use model::{ABand, Band, Carrier, Gateway, Model, Prefix, PublicNumber, Rate, Rewrite};

use crate::{BuildError, BuildSettings, Lost, Report, rows::Rows};
use carriers::{vet_bands, vet_carriers};
use gateways::{number_data_centres, vet_gateways};
use numbers::{Numbers, refuse_lost_carriers, vet_numbers};
use rates::{vet_a_bands, vet_formats, vet_rates};
use rules::{vet_closed_loop, vet_countries, vet_dialling_rules, vet_orgs, vet_overrides};

pub(crate) fn vet<'a>(
    rows: &'a Rows,
    settings: &BuildSettings,
    report: &mut Report,
) -> Result<Model<'a>, BuildError> {
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
        + rows.normalise_rules.len()
        + rows.unread.len()) as u64;
    for Lost { table, id, reason } in &rows.unread {
        match *table {
            // Whose it was is not known.
            "Bands" | "Numbers" | "LCRRates" | "CarrierGateway" => {
                report.lose_adrift(table, *id, reason.clone());
            }
            _ => report.lose(table, *id, reason.clone()),
        }
    }

    let (mut carriers, carrier_at) = vet_carriers(rows, report)?;
    let (mut bands, band_at) = vet_bands(rows, &carrier_at, report);
    let (formats, format_at) = vet_formats(rows, report);
    let (a_bands, a_band_at) = vet_a_bands(rows);
    let rates = vet_rates(rows, settings, &mut bands, &band_at, &format_at, &a_band_at, report);
    let mut gateways = vet_gateways(rows, &mut carriers, &carrier_at, report)?;
    let data_centres = number_data_centres(&mut gateways)?;
    let Numbers { everyone: numbers, private, retail } =
        vet_numbers(rows, settings, &bands, &band_at, report);
    refuse_lost_carriers(rows, &carriers, &bands, &numbers, &private, report)?;
    let private_orgs: HashSet<u32> = private.iter().map(|n| n.org_id).collect();
    let overrides = vet_overrides(rows, &carrier_at, report);
    let model = Model {
        orgs: vet_orgs(rows, &private_orgs, &overrides, &carrier_at, report),
        retail,
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
