//! What an attempt costs: in the rate's currency for the record, and in the base currency for the
//! spend limit.
//!
//! Money is exact or it is not said. A rate in another currency brings that currency's worth with it;
//! what has neither the base currency nor a worth (a route of a policy's own making) adds nothing to
//! the spend, and is counted as unknown.

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
    /// What one unit of the rate's currency is worth in the base currency, where that is known.
    worth: Option<Nano>,
}

/// What an attempt adds to the spend of its organisation.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Spend {
    /// Nothing: not answered, or not priced.
    Nothing,
    /// So much, in the base currency.
    Known(Nano),
    /// Something, in a currency whose worth is not known, or more than can be counted.
    Unknown,
}

impl Bill {
    /// How `route` is billed; `reference_s` is the length of the call that prices are compared for.
    pub(crate) fn of(org: u32, route: &Route, reference_s: u32) -> Self {
        let tariff = tariff(route);
        let worth = tariff.and_then(|tariff| worth(route, &tariff, reference_s));
        Self { org, tariff, worth }
    }

    /// What the answered seconds of an attempt cost, in the rate's currency; `None` when it was not
    /// answered or has no rate.
    pub(crate) fn cost(&self, record: &AttemptRecord) -> Option<Nano> {
        self.tariff?.cost_of_call(billed_s(record)?)
    }

    /// The same for the spend limit, in the base currency, rounded once.
    pub(crate) fn spend(&self, record: &AttemptRecord) -> Spend {
        let (Some(tariff), Some(duration_s)) = (self.tariff, billed_s(record)) else {
            return Spend::Nothing;
        };
        if tariff.cost_of_call(duration_s) == Some(Nano::ZERO) {
            return Spend::Nothing;
        }
        let in_base = self.worth.and_then(|worth| tariff.cost_of_call_in_base(duration_s, worth));
        in_base.map_or(Spend::Unknown, Spend::Known)
    }
}

/// Answered seconds of an attempt; `None` when it was not answered. A second that was begun is billed.
fn billed_s(record: &AttemptRecord) -> Option<u32> {
    let ms = (record.ended_ms - record.answered_ms?).max(0);
    Some(u32::try_from((ms + 999) / 1000).unwrap_or(u32::MAX))
}

/// What a unit of the rate's currency is worth: as the route says; else it is the base currency if the
/// route's price, which is in that, is the rate's own.
fn worth(route: &Route, tariff: &Tariff, reference_s: u32) -> Option<Nano> {
    if !route.fx.is_empty() {
        return Nano::parse(&route.fx).ok();
    }
    let one = Nano(NANO_PER_UNIT);
    let own = tariff.cost_per_min(reference_s, one)?;
    (Nano::parse(&route.cost_per_min).ok()? == own).then_some(one)
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
    fn another_currency_is_spent_by_its_worth() {
        let dollars = |fx: &str| Route { fx: fx.to_owned(), ..route("0.01343") };
        // 0.011 in the rate's currency; 0.00869 exactly in the base one.
        let bill = Bill::of(37, &dollars("0.79"), 60);
        assert_eq!(
            bill.cost(&half_a_minute()).map(|cost| cost.to_string()).as_deref(),
            Some("0.011")
        );
        let worth = Nano::parse("0.00869").expect("money");
        assert_eq!(bill.spend(&half_a_minute()), Spend::Known(worth));
        let bad = Bill::of(37, &dollars("dear"), 60);
        assert_eq!(bad.spend(&half_a_minute()), Spend::Unknown);
    }

    #[test]
    fn spend_is_exact_or_not_said() {
        let cost = Nano::parse("0.011").expect("money");
        assert_eq!(Bill::of(37, &route("0.017"), 60).spend(&half_a_minute()), Spend::Known(cost));
        for dearer in ["0.0187", "", "0.017000001"] {
            let bill = Bill::of(37, &route(dearer), 60);
            assert_eq!(bill.spend(&half_a_minute()), Spend::Unknown, "{dearer}");
        }
    }
}
