//! Decks and tables that somebody made to break an import: the fuzz targets of `make fuzz`, for a moment.
//!
//! The same bytes every time, so that a failure is repeated by running the test again.

#[path = "../../fuzz/src/import.rs"]
mod import;
#[allow(unreachable_pub)] // A library there, a module here.
#[path = "../../fuzz/src/mutate.rs"]
mod mutate;

use mutate::{Rng, mutate};

/// Longest input.
const MOST: usize = 16 << 10;

fn holds(seeds: Vec<Vec<u8>>, run: fn(&[u8]), mutations: usize) {
    let mut rng = Rng(20_261_121);
    let mut input = Vec::new();
    for seed in &seeds {
        run(seed);
        // Cut at many lengths.
        for cut in (0..seed.len()).step_by((seed.len() / 16).max(1)) {
            run(&seed[..cut]);
        }
    }
    for _ in 0..mutations {
        mutate(&seeds, &mut rng, MOST, &mut input);
        run(&input);
    }
}

#[test]
fn decks() {
    holds(import::deck_seeds(), import::deck, 4000);
}

#[test]
fn workbooks() {
    holds(import::workbook_seeds(), import::workbook, 3000);
}

#[test]
fn cells() {
    holds(import::cell_seeds(), import::cell, 20_000);
}

#[test]
fn tables_of_other_routers() {
    holds(import::table_seeds(), import::table, 200);
}
