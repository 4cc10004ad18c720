//! From a dialled string to E.164 digits (contract step 2).

use crate::{
    data::RoutingData,
    digits::{Dialled, E164},
    facts::Country,
};

/// Applies the first rule of `country` that matches, drops one leading `+`, and takes what is left
/// if it is 1 to 15 digits. `None` is a number that no carrier could be given: cause 28.
#[must_use]
#[inline(always)] // Nearly all of it is for those who have rules.
pub fn normalise<D: RoutingData + ?Sized>(
    data: &D,
    country: Option<Country>,
    dialled: &[u8],
) -> Option<E164> {
    if data.normalise_rule(country, 0).is_some() {
        return rewrite(data, country, dialled);
    }
    match dialled.strip_prefix(b"+") {
        Some(digits) => plain(digits),
        None => E164::new(dialled),
    }
}

/// Apart, so that the digits of those who dial no `+` are read before it is known that there is none.
#[cold]
#[inline(never)]
fn plain(digits: &[u8]) -> Option<E164> {
    E164::new(digits)
}

/// The same where there are rules.
#[inline(never)]
fn rewrite<D: RoutingData + ?Sized>(
    data: &D,
    country: Option<Country>,
    dialled: &[u8],
) -> Option<E164> {
    let dialled = Dialled::new(dialled)?;
    let mut rewritten = dialled;
    let mut n = 0;
    while let Some(rule) = data.normalise_rule(country, n) {
        if let Some(number) = rule.apply(dialled.as_bytes()) {
            rewritten = number;
            break;
        }
        n += 1;
    }
    let digits = rewritten.as_bytes();
    E164::new(digits.strip_prefix(b"+").unwrap_or(digits))
}
