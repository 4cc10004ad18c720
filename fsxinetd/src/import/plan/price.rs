//! One price beside another: which holds, and which is dearer.

use fsx_core::Nano;
use fsx_core::money::Tariff;

use super::super::deck::Terms;
use super::super::state::{OldBand, OldRate};
use super::work::Kind;

/// Length of the call that dearer and cheaper are measured by, in seconds.
const REFERENCE_S: u32 = 60;

/// The any-caller rate of a period that holds at an instant (contract step 7).
pub(super) fn rate_at<'a>(band: &'a OldBand, period: &str, at: i64) -> Option<&'a OldRate> {
    band.rates
        .iter()
        .filter(|rate| !rate.a_band && rate.start <= at)
        .filter(|rate| rate.terms.as_ref().is_none_or(|terms| terms.period == period))
        .max_by_key(|rate| (rate.start, rate.id))
}

/// Formats that the deck does not give are those of the rate before, or none.
pub(super) fn completed(terms: &Terms, before: Option<&Terms>) -> Terms {
    let or = |own: &Option<String>, before: Option<&Option<String>>| {
        own.clone().or_else(|| before.cloned().flatten()).or(Some(String::new()))
    };
    Terms {
        format_number: or(&terms.format_number, before.map(|b| &b.format_number)),
        format_cli: or(&terms.format_cli, before.map(|b| &b.format_cli)),
        ..terms.clone()
    }
}

pub(super) fn compare(before: &Terms, after: &Terms) -> Kind {
    if before == after {
        return Kind::Unchanged;
    }
    if before.currency != after.currency {
        return Kind::Changed;
    }
    match (cost(before), cost(after)) {
        (Some(was), Some(is)) if is > was => Kind::Dearer,
        (Some(was), Some(is)) if is < was => Kind::Cheaper,
        _ => Kind::Changed,
    }
}

/// Contract step 8, in the price's own currency.
fn cost(terms: &Terms) -> Option<Nano> {
    let tariff = Tariff {
        rate_per_min: terms.rate,
        setup: terms.setup,
        initial_increment_s: terms.initial_s.max(1),
        next_increment_s: terms.next_s.max(1),
    };
    tariff.cost_per_min(REFERENCE_S, Nano(fsx_core::money::NANO_PER_UNIT))
}

/// A price for people: `0.0125 GBP + 0.005 60/1 Peak`.
#[must_use]
pub fn price(terms: &Terms) -> String {
    use std::fmt::Write;
    let mut text = format!("{} {}", terms.rate, terms.currency);
    // Writing to a String cannot fail.
    if terms.setup != Nano::ZERO {
        let _ = write!(text, " + {}", terms.setup);
    }
    if (terms.initial_s, terms.next_s) != (1, 1) {
        let _ = write!(text, " {}/{}", terms.initial_s, terms.next_s);
    }
    if !terms.period.is_empty() {
        let _ = write!(text, " {}", terms.period);
    }
    text
}

/// An instant as its UTC day and time.
#[must_use]
pub fn day(at: i64) -> String {
    fsx_wire::answer::rfc3339(at)
}
