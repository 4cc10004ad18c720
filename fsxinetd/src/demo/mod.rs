//! A database to try fsx on: real prefixes, sample carriers, sample prices.
//!
//! Routing shown on ten made-up prefixes shows nothing. The numbering plan is the world's
//! (`plan`, 326,504 prefixes); the carriers that sell it are made up and priced by a hash, and
//! everything that shows them says so ([`MARK`]).

mod deck;
mod load;
mod plan;
mod site;
#[cfg(test)]
mod tests;

pub use deck::{CARRIERS, MARK};
pub use load::{DemoError, Loaded, load};

/// Calls worth trying on the demonstration deck: what they show, number, organisation, data centre.
pub const CALLS: &[(&str, &str, u32, &str)] = &[
    ("UK mobile", "07700900123", 37, "LON1"),
    ("London landline", "+442079460000", 51, "LON1"),
    ("a number of the organisation's own", "02079460123", 37, "LON1"),
    ("US, from a US organisation", "2025550123", 42, "NYC1"),
    ("emergency", "999", 37, "LON1"),
    ("premium rate, allowed", "09098790000", 37, "LON1"),
    ("premium rate, blocked for this organisation", "09098790000", 51, "LON1"),
    ("not a number", "0800FLOWERS", 37, "LON1"),
];
