//! Which answers end a call and which move it on to the next gateway (contract step 15).
//!
//! A busy callee is busy through every carrier: trying the next one rings them again and bills
//! another setup. A carrier that has no circuit says nothing about the callee. The default table
//! draws that line; a gateway row may draw its own in `StopCauses`.

/// Q.850 cause of a call that was answered and ended in the ordinary way.
pub const NORMAL_CLEARING: u16 = 16;

/// Cause number that switches give to a call its caller gave up (SIP 487).
pub const ORIGINATOR_CANCEL: u16 = 487;

/// Whether an attempt that ended with this cause ends the call.
///
/// `stop_causes` is the gateway's own table (Q.850 causes and SIP statuses, comma-separated, `none`
/// for an empty one); an empty text takes the default. `q850` and `sip` are 0 where unknown; the
/// SIP status decides where both are known, since switches map several statuses to one cause. A
/// call that was answered, and one whose caller hung up, always end.
#[must_use]
pub fn stops(stop_causes: &str, q850: u16, sip: u16) -> bool {
    if q850 == NORMAL_CLEARING || q850 == ORIGINATOR_CANCEL || sip == ORIGINATOR_CANCEL {
        return true;
    }
    let mut own = stop_causes.split(',').map(str::trim).filter(|word| !word.is_empty()).peekable();
    if own.peek().is_some() {
        return own
            .filter_map(|word| word.parse::<u16>().ok())
            .any(|cause| cause != 0 && (cause == q850 || cause == sip));
    }
    if sip == 0 { stops_by_q850(q850) } else { stops_by_sip(sip) }
}

/// The number is wrong, or the callee is busy, away, or said no.
fn stops_by_q850(cause: u16) -> bool {
    // 1 unallocated, 17 busy, 18 no user responding, 19 no answer, 20 absent, 21 rejected,
    // 22 number changed, 28 invalid format (ITU-T Q.850, 2.2.7).
    matches!(cause, 1 | 17..=22 | 28)
}

/// The same line drawn over SIP statuses (RFC 3261, 21). 403 is a carrier's refusal, not the
/// callee's, and 408 is silence on the way.
fn stops_by_sip(status: u16) -> bool {
    matches!(status, 404 | 410 | 480 | 484..=486 | 600 | 603 | 604 | 607)
}

/// Whether an attempt that ended with this cause was failed by the gateway: it was silent, full, broken
/// or would not serve us. What the callee did (busy, no answer, a wrong number) is not its fault.
///
/// `failures` is a table of its own, as for [`stops`]; an empty text takes the default. The SIP status
/// decides where both are known.
#[must_use]
pub fn fails(failures: &str, q850: u16, sip: u16) -> bool {
    let mut own = failures.split(',').map(str::trim).filter(|word| !word.is_empty()).peekable();
    if own.peek().is_some() {
        let decides = if sip == 0 { q850 } else { sip };
        return own
            .filter_map(|word| word.parse::<u16>().ok())
            .any(|cause| cause != 0 && (cause == decides || (cause < 128 && cause == q850)));
    }
    match sip {
        // Q.850 (2.2.7): 27 out of order, 34 no circuit, 38 network out of order, 41 temporary failure,
        // 42 congestion, 44 channel not available, 47 resource unavailable, 102 timer expired.
        0 => matches!(q850, 27 | 34 | 38 | 41 | 42 | 44 | 47 | 102),
        // 401, 403, 407: it does not know us. 408: silence. 5xx: RFC 3261, 21.5; 501, 505 and 513 are
        // about one request.
        status => matches!(status, 401 | 403 | 407 | 408 | 500 | 502..=504 | 580),
    }
}

#[cfg(test)]
mod tests {
    use super::{fails, stops};

    #[test]
    fn whose_fault() {
        for (q850, sip, fault) in [
            (41, 503, true),
            (102, 408, true),
            (102, 0, true),
            (27, 0, true),
            (21, 403, true),
            (21, 603, false),
            (17, 486, false),
            (18, 480, false),
            (19, 0, false),
            (1, 404, false),
            (16, 200, false),
            (487, 487, false),
            (79, 501, false),
            (0, 0, false),
        ] {
            assert_eq!(fails("", q850, sip), fault, "{q850} {sip}");
        }
        assert!(fails("480, 3", 18, 480) && fails("480, 3", 3, 404) && fails("480, 3", 3, 0));
        assert!(!fails("480, 3", 41, 503) && !fails("none", 41, 503));
    }

    #[test]
    fn default_table() {
        for (q850, sip, stop) in [
            (17, 486, true),
            (17, 0, true),
            (21, 603, true),
            (21, 403, false),
            (34, 503, false),
            (41, 503, false),
            (41, 0, false),
            (102, 408, false),
            (1, 404, true),
            (16, 200, true),
            (487, 487, true),
            (27, 502, false),
            (0, 0, false),
        ] {
            assert_eq!(stops("", q850, sip), stop, "{q850} {sip}");
        }
    }

    #[test]
    fn a_gateway_may_draw_its_own_line() {
        assert!(stops("503, 17", 34, 503));
        assert!(stops("503, 17", 17, 486));
        assert!(!stops("503", 17, 486));
        assert!(!stops("none", 17, 486));
        assert!(stops("none", 16, 200) && stops("none", 487, 487));
    }
}
