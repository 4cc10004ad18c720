//! Carriers and bands: what routes, and what only exists.

use std::collections::HashMap;

use fsx_core::decide::MAX_CARRIERS;

use super::model::{Band, Carrier};
use crate::{BuildError, Report, rows::Rows};

/// What a reference to a carrier or band leads to.
#[derive(Clone, Copy)]
pub(super) enum Target {
    /// In the file, at this row.
    At(u32),
    /// In the database, but it does not route: disabled, or of another type.
    NotRouting,
}

pub(super) type Targets = HashMap<u32, Target>;

pub(super) fn vet_carriers(
    rows: &Rows,
    report: &mut Report,
) -> Result<(Vec<Carrier>, Targets), BuildError> {
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

pub(super) fn vet_bands(
    rows: &Rows,
    carrier_at: &Targets,
    report: &mut Report,
) -> (Vec<Band>, Targets) {
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
