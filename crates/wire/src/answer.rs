//! A routing decision as JSON, the same from every door (contract, "As JSON").

use std::collections::BTreeMap;

use fsx_core::{
    CallFacts, Candidate, Decision,
    data::{Index, RoutingData},
    money::NANO_PER_UNIT,
    plan::{Step, WhySink},
    render,
};
use serde::{Deserialize, Serialize};

/// The answer. Members stand in the contract's order.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct RouteAnswer {
    /// Generation of the data used.
    pub generation: u64,
    /// E.164 digits; the dialled string where it could not be normalised.
    pub number: String,
    /// Organisation.
    pub org: u32,
    /// Data centre that asked.
    pub data_centre: String,
    /// The instant, RFC 3339 UTC.
    pub at: String,
    /// `route` or `reject`.
    pub decision: String,
    /// An emergency call; absent otherwise.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub emergency: bool,
    /// Q.850 cause of a refusal.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cause: Option<u16>,
    /// Why refused.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
    /// Attempts in order.
    #[serde(default)]
    pub routes: Vec<Route>,
    /// What was left out, and why; empty unless asked.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub excluded: Vec<Excluded>,
}

/// One attempt. Money is text, always.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct Route {
    /// `Carriers.ID`; 0 for an emergency gateway without one.
    pub carrier_id: u32,
    /// `CarrierName`.
    pub carrier: String,
    /// `CarrierGateway.ID`.
    pub gateway_id: u32,
    /// `Bands.ID`.
    pub band_id: u32,
    /// `BandName`.
    pub band: String,
    /// The matched `Numbers.Number`.
    pub prefix: String,
    /// `LCRRates.ID`.
    pub rate_id: u32,
    /// Per minute, in `currency`.
    pub rate: String,
    /// Once, in `currency`.
    pub setup: String,
    /// ISO 4217.
    pub currency: String,
    /// First seconds billed as a block.
    #[serde(skip_serializing_if = "is_one")]
    pub initial_increment_s: u32,
    /// Following blocks.
    #[serde(skip_serializing_if = "is_one")]
    pub next_increment_s: u32,
    /// In the base currency.
    pub cost_per_min: String,
    /// Worth of one unit of `currency` in the base currency; absent where it is 1.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub fx: String,
    /// What is dialled at the gateway.
    pub number: String,
    /// Caller id to show; empty when withheld or unknown.
    pub cli: String,
    /// The caller id is to be withheld.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub withhold_cli: bool,
    /// Channel variables of the gateway.
    pub vars: BTreeMap<String, String>,
    /// What the switch dials.
    pub dial_string: String,
    /// Causes that end the call instead of moving on, as the gateway row gives them; empty is the
    /// default table.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub stop_causes: String,
}

fn is_one(n: &u32) -> bool {
    *n <= 1
}

/// A carrier or gateway that was left out.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Excluded {
    /// Which carrier.
    pub carrier_id: u32,
    /// Which of its gateways; null when the whole carrier is out.
    pub gateway_id: Option<u32>,
    /// The contract's step.
    pub step: String,
    /// In words.
    pub reason: String,
}

/// Collects reasons as [`Excluded`] rows. It allocates: for whoever asked why.
#[derive(Debug)]
pub struct CollectWhy<'a, D: ?Sized> {
    data: &'a D,
    /// What was collected, in the order the engine met it.
    pub rows: Vec<Excluded>,
}

impl<'a, D: RoutingData + ?Sized> CollectWhy<'a, D> {
    /// Starts with nothing; row numbers are turned into IDs of `data`.
    pub fn new(data: &'a D) -> Self {
        Self { data, rows: Vec::new() }
    }
}

impl<D: RoutingData + ?Sized> WhySink for CollectWhy<'_, D> {
    const ON: bool = true;

    fn excluded(&mut self, carrier: Index, gateway: Index, step: Step, reason: &'static str) {
        self.rows.push(Excluded {
            carrier_id: self.data.carrier(carrier).map_or(0, |c| c.id),
            gateway_id: self.data.gateway(gateway).map(|g| g.id),
            step: step.as_str().to_owned(),
            reason: reason.to_owned(),
        });
    }
}

impl RouteAnswer {
    /// Puts a decision into words. `excluded` comes from a [`CollectWhy`] or is empty.
    pub fn new<D: RoutingData + ?Sized>(
        data: &D,
        facts: &CallFacts<'_>,
        decision: &Decision,
        excluded: Vec<Excluded>,
    ) -> Self {
        let dialled = || String::from_utf8_lossy(facts.called).into_owned();
        let mut answer = Self {
            org: facts.org_id,
            data_centre: facts.data_centre.to_owned(),
            at: rfc3339(facts.at),
            excluded,
            ..Self::default()
        };
        match decision {
            Decision::Route(plan) => {
                answer.generation = plan.generation;
                answer.number = plan.number.map_or_else(dialled, |n| n.to_string());
                answer.decision = "route".to_owned();
                answer.emergency = plan.emergency;
                answer.routes =
                    plan.routes().iter().map(|c| Route::new(data, facts, plan, c)).collect();
            }
            Decision::Reject { generation, number, why } => {
                answer.generation = *generation;
                answer.number = number.map_or_else(dialled, |n| n.to_string());
                answer.decision = "reject".to_owned();
                answer.cause = Some(why.cause());
                answer.reason = Some(why.to_string());
            }
        }
        answer
    }
}

impl Route {
    /// Puts one candidate of `plan` into words.
    pub fn new<D: RoutingData + ?Sized>(
        data: &D,
        facts: &CallFacts<'_>,
        plan: &fsx_core::Plan,
        candidate: &Candidate,
    ) -> Self {
        let mut route =
            Self { cost_per_min: candidate.cost_per_min(data).to_string(), ..Self::default() };
        if let Some(carrier) = data.carrier(candidate.carrier) {
            route.carrier_id = carrier.id;
            route.carrier = carrier.name.to_owned();
        }
        if let Some(band) = data.band(candidate.band(data)) {
            route.band_id = band.id;
            route.band = band.name.to_owned();
        }
        if let Some(number) = plan.looked_up {
            let len = usize::from(candidate.prefix_len).min(number.len());
            route.prefix = number.as_str()[..len].to_owned();
        }
        if let Some(rate) = data.rate(candidate.rate) {
            route.rate_id = rate.id;
            route.rate = rate.tariff.rate_per_min.to_string();
            route.setup = rate.tariff.setup.to_string();
            route.currency = rate.currency.to_owned();
            let foreign = rate.fx.filter(|worth| worth.0 != NANO_PER_UNIT);
            route.fx = foreign.map(|worth| worth.to_string()).unwrap_or_default();
            route.initial_increment_s = rate.tariff.initial_increment_s;
            route.next_increment_s = rate.tariff.next_increment_s;
        }
        let dialled = render::attempt(data, facts, plan, candidate);
        route.number = dialled.number.to_string();
        route.withhold_cli = dialled.withhold_cli;
        if !dialled.withhold_cli {
            route.cli = dialled.cli.to_string();
        }
        if let Some(gateway) = data.gateway(candidate.gateway) {
            route.gateway_id = gateway.id;
            route.stop_causes = gateway.stop_causes.to_owned();
            for (name, value) in render::channel_vars(&gateway) {
                route.vars.insert(name.to_owned(), value.to_owned());
            }
            // Writing to a String cannot fail.
            let _ = render::dial_string(&gateway, &dialled.number, &mut route.dial_string);
        }
        route
    }
}

/// `at`, seconds since 1970 UTC, as RFC 3339 text (`2026-01-20T10:00:00Z`).
///
/// Civil-from-days after Howard Hinnant's published algorithm; proleptic Gregorian.
#[must_use]
pub fn rfc3339(at: i64) -> String {
    let (days, second) = (at.div_euclid(86_400), at.rem_euclid(86_400));
    let z = days + 719_468;
    let (era, day_of_era) = (z.div_euclid(146_097), z.rem_euclid(146_097));
    let year_of_era =
        (day_of_era - day_of_era / 1460 + day_of_era / 36_524 - day_of_era / 146_096) / 365;
    let day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let shifted_month = (5 * day_of_year + 2) / 153;
    let day = day_of_year - (153 * shifted_month + 2) / 5 + 1;
    let month = if shifted_month < 10 { shifted_month + 3 } else { shifted_month - 9 };
    let year = year_of_era + era * 400 + i64::from(month <= 2);
    format!(
        "{year:04}-{month:02}-{day:02}T{:02}:{:02}:{:02}Z",
        second / 3600,
        second / 60 % 60,
        second % 60
    )
}

#[cfg(test)]
mod tests {
    use super::rfc3339;

    #[test]
    fn instants_in_words() {
        for (at, text) in [
            (0, "1970-01-01T00:00:00Z"),
            (1_768_903_200, "2026-01-20T10:00:00Z"),
            (951_827_696, "2000-02-29T12:34:56Z"),
            (-1, "1969-12-31T23:59:59Z"),
        ] {
            assert_eq!(rfc3339(at), text);
        }
    }
}
