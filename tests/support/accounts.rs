//! Whether nothing was lost: calls that a device placed, calls that reached carriers, records in the
//! store, and places at gateways.
//!
//! A fault under calls is harmless when these agree to the call after it; anything looser would let one
//! lost call in a hundred pass.

use std::{collections::BTreeSet, time::Duration};

use serde_json::Value;

use crate::{rig::Rig, sipp::Sipp, wait};

/// From the end of the last call to a store that holds every record.
const RECORDS: Duration = Duration::from_secs(30);

/// From the end of the last call to counters at rest.
const REST: Duration = Duration::from_secs(10);

impl Rig {
    /// Lets `count` calls more reach the carrier.
    ///
    /// # Panics
    /// When they do not in good time.
    #[track_caller]
    pub fn more_calls(&self, gateway: u32, count: usize) {
        let carrier = &self.carriers[&gateway];
        carrier.wait_for_calls(carrier.calls_received().len() + count, Duration::from_secs(20));
    }

    /// Ends a caller of many calls and checks that each of them was had and recorded once, with
    /// `attempts` at `gateway` among its attempts, and that no gateway is left with a call. Gives the
    /// records.
    ///
    /// # Panics
    /// When anything is missing or too many.
    #[track_caller]
    pub fn expect_nothing_lost(&mut self, mut caller: Sipp, gateway: u32) -> Vec<Value> {
        assert_eq!(caller.retire(), 0, "SIPp's exit code: a call failed");
        let calls = caller.calls_sent().len();
        assert!(calls > 20, "too few calls to say anything: {calls}");
        assert_eq!(self.carriers[&gateway].calls_received().len(), calls, "calls at the carrier");
        let records = self.daemon().wait_for_records(calls, RECORDS);
        let ids: BTreeSet<_> = records.iter().map(|record| record["id"].as_str()).collect();
        assert_eq!(ids.len(), calls, "two records have one id");
        for record in &records {
            let attempts = record["attempts"].as_array().cloned().unwrap_or_default();
            let [attempt] = attempts.as_slice() else { panic!("one attempt: {record:#}") };
            assert_eq!(attempt["gateway_id"], gateway, "{record:#}");
            assert_eq!(record["cause"], 16, "{record:#}");
        }
        self.expect_at_rest();
        records
    }

    /// Waits until no call is in progress anywhere: in the switch, in the module, in the live table.
    ///
    /// # Panics
    /// When something stays.
    #[track_caller]
    pub fn expect_at_rest(&self) {
        wait::until("every leg to be gone", REST, || {
            (self.freeswitch.channels() == 0).then_some(())
        });
        wait::until("every place at a gateway to be given back", REST, || {
            (self.counted() == 0).then_some(())
        });
    }

    /// Calls in progress over all gateways, as the module reads the live table.
    ///
    /// # Panics
    /// When the switch does not answer.
    #[must_use]
    #[track_caller]
    pub fn counted(&self) -> u64 {
        let text = self.freeswitch.api("fsx gateways as json");
        let value: Value = serde_json::from_str(&text).unwrap_or_else(|e| panic!("{e}: {text}"));
        let gateways = value["gateways"].as_array().cloned().unwrap_or_default();
        gateways.iter().filter_map(|gateway| gateway["calls_in_progress"].as_u64()).sum()
    }

    /// A counter of `fsx status`.
    ///
    /// # Panics
    /// When there is none of that name.
    #[must_use]
    #[track_caller]
    pub fn counter(&self, name: &str) -> u64 {
        let text = self.freeswitch.api("fsx status as json");
        let value: Value = serde_json::from_str(&text).unwrap_or_else(|e| panic!("{e}: {text}"));
        value["counters"][name].as_u64().unwrap_or_else(|| panic!("no counter {name}: {value:#}"))
    }
}
