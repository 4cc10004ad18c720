//! Carriers and bands: what routes, and what only exists.

use std::collections::HashMap;

use fsx_core::decide::MAX_CARRIERS;

use super::model::{Band, Carrier};
use crate::{BuildError, Report, layout::NONE, rows::Rows};

/// What a reference to a carrier or band leads to.
#[derive(Clone, Copy)]
pub(super) enum Target {
    /// In the file, at this row.
    At(u32),
    /// A retail deck, of this place among them: it sells, and routes nothing.
    Retail(u32),
    /// In the database, but it does not route: disabled, or of another type.
    NotRouting,
}

/// Where the rows of a table went, by ID.
///
/// Asked once for each of millions of numbers: IDs that a database counted up are looked up by
/// place, and only those far above their number are hashed.
pub(super) struct Targets {
    by_place: Vec<Option<Target>>,
    above: HashMap<u32, Target>,
}

impl Targets {
    /// For a table of so many rows.
    fn new(rows: usize) -> Self {
        Self { by_place: vec![None; 4 * rows + 1024], above: HashMap::new() }
    }

    fn insert(&mut self, id: u32, target: Target) -> Option<Target> {
        match self.by_place.get_mut(id as usize) {
            Some(place) => place.replace(target),
            None => self.above.insert(id, target),
        }
    }

    pub(super) fn get(&self, id: u32) -> Option<Target> {
        match self.by_place.get(id as usize) {
            Some(place) => *place,
            None => self.above.get(&id).copied(),
        }
    }
}

pub(super) fn vet_carriers(
    rows: &Rows,
    report: &mut Report,
) -> Result<(Vec<Carrier>, Targets), BuildError> {
    let mut carriers = Vec::new();
    let mut targets = Targets::new(rows.carriers.len());
    let mut retail = 0;
    for row in &rows.carriers {
        let target = match row.kind.trim().to_ascii_lowercase().as_str() {
            "route" if row.enabled => Target::At(carriers.len() as u32),
            "retail" if row.enabled => {
                retail += 1;
                Target::Retail(retail - 1)
            }
            "route" | "retail" => Target::NotRouting,
            other => {
                report.lose("Carriers", row.id, format!("unknown Type {other:?}"));
                continue;
            }
        };
        if targets.insert(row.id, target).is_some() {
            return Err(BuildError::DuplicateId { table: "Carriers", id: row.id });
        }
        if matches!(target, Target::At(_)) {
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

pub(super) fn vet_bands<'a>(
    rows: &'a Rows,
    carrier_at: &Targets,
    report: &mut Report,
) -> (Vec<Band<'a>>, Targets) {
    let mut bands = Vec::new();
    let mut targets = Targets::new(rows.bands.len());
    for row in &rows.bands {
        let target = match carrier_at.get(row.carrier_id) {
            None => {
                report.lose_adrift("Bands", row.id, format!("unknown carrier {}", row.carrier_id));
                continue;
            }
            Some(Target::NotRouting) => Target::NotRouting,
            Some(Target::At(owner) | Target::Retail(owner)) => {
                let routes = matches!(carrier_at.get(row.carrier_id), Some(Target::At(_)));
                bands.push(Band {
                    id: row.id,
                    name: &row.name,
                    carrier: if routes { owner } else { NONE },
                    retail: if routes { NONE } else { owner },
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
