//! What an attempt costs: in the rate's currency for the record, and in the base currency for the
//! spend limit.
//!
//! Money is exact or it is not said. The routing data gives a rate in its own currency, and its
//! price in the base currency for the reference call only; so the cost in the base currency is known
//! where the two are the same, and is not guessed elsewhere.

use fsx_core::{
    Nano,
    money::{NANO_PER_UNIT, Tariff},
};
use fsx_wire::{answer::Route, record::AttemptRecord};

/// What an attempt is billed by.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Bill {
    /// Whose call it is.
    pub(crate) org: u32,
    /// The rate; `None` where there is none (emergency, a policy's own route).
    tariff: Option<Tariff>,
    /// The rate's amounts are in the base currency too.
    in_base: bool,
}

/// What an attempt adds to the spend of its organisation.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Spend {
    /// Nothing: not answered, or not priced.
    Nothing,
    /// So much, in the base currency.
    Known(Nano),
    /// Something, in a currency whose worth is not known here.
    OtherCurrency,
}

impl Bill {
    /// How `route` is billed; `reference_s` is the length of the call that prices are compared for.
    pub(crate) fn of(org: u32, route: &Route, reference_s: u32) -> Self {
        let tariff = tariff(route);
        let in_base = tariff.is_some_and(|tariff| {
            let own = tariff.cost_per_min(reference_s, Nano(NANO_PER_UNIT));
            own.is_some() && own == Nano::parse(&route.cost_per_min).ok()
        });
        Self { org, tariff, in_base }
    }

    /// What the answered seconds of an attempt cost, in the rate's currency; `None` when it was not
    /// answered or has no rate.
    pub(crate) fn cost(&self, record: &AttemptRecord) -> Option<Nano> {
        let answered_ms = record.answered_ms?;
        let ms = (record.ended_ms - answered_ms).max(0);
        // A second that was begun is billed.
        let duration_s = u32::try_from((ms + 999) / 1000).unwrap_or(u32::MAX);
        self.tariff?.cost_of_call(duration_s)
    }

    /// The same for the spend limit.
    pub(crate) fn spend(&self, record: &AttemptRecord) -> Spend {
        match self.cost(record) {
            None | Some(Nano::ZERO) => Spend::Nothing,
            Some(cost) if self.in_base => Spend::Known(cost),
            Some(_) => Spend::OtherCurrency,
        }
    }
}

fn tariff(route: &Route) -> Option<Tariff> {
    if route.rate.is_empty() {
        return None;
    }
    Some(Tariff {
        rate_per_min: Nano::parse(&route.rate).ok()?,
        setup: Nano::parse(&route.setup).ok()?,
        initial_increment_s: route.initial_increment_s.max(1),
        next_increment_s: route.next_increment_s.max(1),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn route(cost_per_min: &str) -> Route {
        Route {
            rate: "0.012".to_owned(),
            setup: "0.005".to_owned(),
            cost_per_min: cost_per_min.to_owned(),
            ..Route::default()
        }
    }

    fn half_a_minute() -> AttemptRecord {
        AttemptRecord { answered_ms: Some(500), ended_ms: 30_500, ..AttemptRecord::default() }
    }

    #[test]
    fn cost_of_the_answered_seconds() {
        let bill = Bill::of(37, &route("0.017"), 60);
        assert_eq!(
            bill.cost(&half_a_minute()).map(|cost| cost.to_string()).as_deref(),
            Some("0.011")
        );
        let unanswered = AttemptRecord { answered_ms: None, ..half_a_minute() };
        assert_eq!((bill.cost(&unanswered), bill.spend(&unanswered)), (None, Spend::Nothing));
        let free = Bill::of(37, &Route::default(), 60);
        assert_eq!(
            (free.cost(&half_a_minute()), free.spend(&half_a_minute())),
            (None, Spend::Nothing)
        );
    }

    #[test]
    fn spend_is_exact_or_not_said() {
        let cost = Nano::parse("0.011").expect("money");
        assert_eq!(Bill::of(37, &route("0.017"), 60).spend(&half_a_minute()), Spend::Known(cost));
        for dearer in ["0.0187", "", "0.017000001"] {
            let bill = Bill::of(37, &route(dearer), 60);
            assert_eq!(bill.spend(&half_a_minute()), Spend::OtherCurrency, "{dearer}");
        }
    }
}
