//! How a call ended: what the hangup phase is told.
//!
//! FreeSWITCH reckons its own `billsec` and `duration` only once the channel is reported on, which is
//! after we have let go of it; here they are reckoned from the same instants in the same way, so
//! that a policy's figures are those of the record.

use fsx_wire::esl::ChannelData;
use fsx_wire::record::CallRecord;
use mlua::{Lua, Table};

/// The end of a call.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Ended {
    /// FreeSWITCH's name: `NORMAL_CLEARING`; `UNKNOWN` where nobody said.
    pub cause: String,
    /// The same by Q.850.
    pub code: Option<u16>,
    /// Somebody answered.
    pub answered: bool,
    /// Microseconds since 1970 UTC at which it began, was answered and ended; 0 is unknown.
    pub began_us: i64,
    /// See `began_us`; 0 where it was not answered.
    pub answered_us: i64,
    /// See `began_us`.
    pub ended_us: i64,
}

/// Causes by their names in FreeSWITCH, which are those of Q.850.
const CAUSES: &[(&str, u16)] = &[
    ("UNALLOCATED_NUMBER", 1),
    ("NO_ROUTE_TRANSIT_NET", 2),
    ("NO_ROUTE_DESTINATION", 3),
    ("CHANNEL_UNACCEPTABLE", 6),
    ("CALL_AWARDED_DELIVERED", 7),
    ("NORMAL_CLEARING", 16),
    ("USER_BUSY", 17),
    ("NO_USER_RESPONSE", 18),
    ("NO_ANSWER", 19),
    ("SUBSCRIBER_ABSENT", 20),
    ("CALL_REJECTED", 21),
    ("NUMBER_CHANGED", 22),
    ("REDIRECTION_TO_NEW_DESTINATION", 23),
    ("EXCHANGE_ROUTING_ERROR", 25),
    ("DESTINATION_OUT_OF_ORDER", 27),
    ("INVALID_NUMBER_FORMAT", 28),
    ("FACILITY_REJECTED", 29),
    ("NORMAL_UNSPECIFIED", 31),
    ("NORMAL_CIRCUIT_CONGESTION", 34),
    ("NETWORK_OUT_OF_ORDER", 38),
    ("NORMAL_TEMPORARY_FAILURE", 41),
    ("SWITCH_CONGESTION", 42),
    ("ACCESS_INFO_DISCARDED", 43),
    ("REQUESTED_CHAN_UNAVAIL", 44),
    ("FACILITY_NOT_SUBSCRIBED", 50),
    ("OUTGOING_CALL_BARRED", 52),
    ("INCOMING_CALL_BARRED", 54),
    ("BEARERCAPABILITY_NOTAUTH", 57),
    ("BEARERCAPABILITY_NOTAVAIL", 58),
    ("SERVICE_UNAVAILABLE", 63),
    ("CHAN_NOT_IMPLEMENTED", 66),
    ("FACILITY_NOT_IMPLEMENTED", 69),
    ("SERVICE_NOT_IMPLEMENTED", 79),
    ("INCOMPATIBLE_DESTINATION", 88),
    ("RECOVERY_ON_TIMER_EXPIRE", 102),
    ("MANDATORY_IE_MISSING", 96),
    ("INTERWORKING", 127),
];

impl Ended {
    /// As the switch described the channel at its end; `now_us` stands in for an end it did not
    /// name.
    #[must_use]
    pub fn of(data: &ChannelData, now_us: i64) -> Self {
        let time = |name: &str| {
            data.get(name).and_then(|text| text.parse::<i64>().ok()).filter(|at| *at > 0)
        };
        let cause = data
            .get("Hangup-Cause")
            .or_else(|| data.variable("hangup_cause"))
            .filter(|cause| !cause.is_empty());
        let answered_us = time("Caller-Channel-Answered-Time").unwrap_or(0);
        let number = data.variable("hangup_cause_q850").and_then(|text| text.parse().ok());
        Self {
            code: number.filter(|code| *code != 0).or_else(|| code(cause.unwrap_or_default())),
            cause: cause.unwrap_or("UNKNOWN").to_owned(),
            answered: answered_us > 0,
            began_us: time("Caller-Channel-Created-Time").unwrap_or(0),
            answered_us,
            ended_us: time("Caller-Channel-Hangup-Time").unwrap_or(now_us),
        }
    }

    /// As the call record has it.
    #[must_use]
    pub fn of_record(record: &CallRecord) -> Self {
        let us = |ms: i64| ms.saturating_mul(1_000);
        let cause = Some(record.cause_name.as_str()).filter(|cause| !cause.is_empty());
        Self {
            code: Some(record.cause).filter(|code| (1..=127).contains(code)),
            cause: cause.unwrap_or("UNKNOWN").to_owned(),
            answered: record.answered_ms.is_some(),
            began_us: us(record.started_ms),
            answered_us: us(record.answered_ms.unwrap_or(0)),
            ended_us: us(record.ended_ms),
        }
    }

    /// Whole seconds from the answer to the end, as FreeSWITCH counts them.
    #[must_use]
    pub fn billsec(&self) -> i64 {
        if self.answered { seconds(self.answered_us, self.ended_us) } else { 0 }
    }

    /// Whole seconds from the beginning to the end, as FreeSWITCH counts them.
    #[must_use]
    pub fn duration_s(&self) -> i64 {
        if self.began_us > 0 { seconds(self.began_us, self.ended_us) } else { 0 }
    }

    /// `call.ended`.
    pub(super) fn table(&self, lua: &Lua) -> mlua::Result<Table> {
        let at = |us: i64| (us > 0).then_some(us as f64 / 1e6);
        let table = lua.create_table()?;
        table.raw_set("cause", self.cause.as_str())?;
        table.raw_set("code", self.code)?;
        table.raw_set("answered", self.answered)?;
        table.raw_set("duration_s", self.duration_s())?;
        table.raw_set("billsec", self.billsec())?;
        table.raw_set("started_at", at(self.began_us))?;
        table.raw_set("answered_at", at(self.answered_us))?;
        table.raw_set("ended_at", at(self.ended_us))?;
        Ok(table)
    }
}

/// FreeSWITCH cuts both instants to seconds before it takes one from the other.
fn seconds(from_us: i64, to_us: i64) -> i64 {
    (to_us / 1_000_000 - from_us / 1_000_000).max(0)
}

/// Its number by Q.850.
pub(super) fn code(cause: &str) -> Option<u16> {
    CAUSES.iter().find(|(name, _)| *name == cause).map(|(_, code)| *code)
}

/// The name of a number of Q.850.
pub(super) fn name(code: u16) -> Option<&'static str> {
    CAUSES.iter().find(|(_, number)| *number == code).map(|(name, _)| *name)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn seconds_are_counted_as_the_switch_counts_them() {
        // 0.9 s and 1.1 s are one second apart to FreeSWITCH, 1.0 s and 1.9 s none.
        let ended = |answered_us, ended_us| Ended {
            answered: true,
            answered_us,
            ended_us,
            began_us: 500_000,
            ..Ended::default()
        };
        assert_eq!(ended(900_000, 1_100_000).billsec(), 1);
        assert_eq!(ended(1_000_000, 1_900_000).billsec(), 0);
        assert_eq!(ended(2_000_000, 1_000_000).billsec(), 0);
        assert_eq!(ended(1_000_000, 61_200_000).duration_s(), 61);
        assert_eq!(Ended { answered: false, ..ended(1, 9_000_000) }.billsec(), 0);
    }

    #[test]
    fn causes_have_their_numbers() {
        for (name, expected) in [("USER_BUSY", Some(17)), ("ORIGINATOR_CANCEL", None), ("", None)] {
            assert_eq!(code(name), expected, "{name}");
        }
    }
}
