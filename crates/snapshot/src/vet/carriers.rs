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

/// Where the rows of a table went, by ID.
///
/// Asked once for each of millions of numbers: IDs that a database counted up are looked up by
/// place, and only a table with holes is hashed.
pub(super) struct Targets {
    known: HashMap<u32, Target>,
    by_place: Vec<Option<Target>>,
}

impl Targets {
    fn new() -> Self {
        Self { known: HashMap::new(), by_place: Vec::new() }
    }

    fn insert(&mut self, id: u32, target: Target) -> Option<Target> {
        self.known.insert(id, target)
    }

    /// Ends the inserting.
    fn settle(mut self) -> Self {
        let highest = self.known.keys().max().map_or(0, |&id| id as usize);
        if highest < 4 * self.known.len() + 1024 {
            self.by_place = vec![None; highest + 1];
            for (id, target) in &self.known {
                self.by_place[*id as usize] = Some(*target);
            }
        }
        self
    }

    pub(super) fn get(&self, id: u32) -> Option<Target> {
        if self.by_place.is_empty() {
            return self.known.get(&id).copied();
        }
        self.by_place.get(id as usize).copied().flatten()
    }
}

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
    Ok((carriers, targets.settle()))
}

pub(super) fn vet_bands(
    rows: &Rows,
    carrier_at: &Targets,
    report: &mut Report,
) -> (Vec<Band>, Targets) {
    let mut bands = Vec::new();
    let mut targets = Targets::new();
    for row in &rows.bands {
        let target = match carrier_at.get(row.carrier_id) {
            None => {
                report.lose("Bands", row.id, format!("unknown carrier {}", row.carrier_id));
                continue;
            }
            Some(Target::NotRouting) => Target::NotRouting,
            Some(Target::At(carrier)) => {
                bands.push(Band {
                    id: row.id,
                    name: row.name.clone(),
                    carrier,
                    enabled: row.enabled,
                    first_rate: 0,
                    rates: 0,
                });
                Target::At(bands.len() as u32 - 1)
            }
        };
        targets.insert(row.id, target);
    }
    (bands, targets.settle())
}
