//! Call records that neither the daemon nor the spool took yet: the spool's disk is full, say.
//!
//! A record is money, and a full disk is one that somebody will empty. So they wait here, in memory, and
//! housekeeping tries again; only what exceeds the limit, or is left when the switch ends, goes into the
//! log instead. The limit keeps a disk that nobody empties from taking the switch's memory as well.

use std::{
    collections::VecDeque,
    sync::{Mutex, MutexGuard, PoisonError},
};

use fsx_wire::record::CallRecord;

/// Most records that wait; about 2 KiB each.
const MOST: usize = 10_000;

/// The records, the earliest first.
#[derive(Debug, Default)]
pub(crate) struct Waiting(Mutex<Queue>);

#[derive(Debug, Default)]
struct Queue {
    records: VecDeque<CallRecord>,
    /// Nobody comes any more to take them out. Behind the same lock as the records, so that none can
    /// slip in after the last look.
    closed: bool,
}

impl Waiting {
    /// Keeps a record. Gives it back when there are too many, or nobody will try it again.
    pub(crate) fn keep(&self, record: CallRecord) -> Result<(), Box<CallRecord>> {
        let mut queue = self.lock();
        if queue.closed || queue.records.len() >= MOST {
            return Err(Box::new(record));
        }
        queue.records.push_back(record);
        Ok(())
    }

    /// Takes the earliest out, to try it again.
    pub(crate) fn take(&self) -> Option<CallRecord> {
        self.lock().records.pop_front()
    }

    /// Puts it back as the earliest: trying it again was in vain. Gives it back when nobody will once more.
    pub(crate) fn put_back(&self, record: CallRecord) -> Result<(), Box<CallRecord>> {
        let mut queue = self.lock();
        if queue.closed {
            return Err(Box::new(record));
        }
        queue.records.push_front(record);
        Ok(())
    }

    /// Takes no more records, and gives those that are left.
    pub(crate) fn close(&self) -> VecDeque<CallRecord> {
        let mut queue = self.lock();
        queue.closed = true;
        std::mem::take(&mut queue.records)
    }

    /// How many wait.
    pub(crate) fn len(&self) -> usize {
        self.lock().records.len()
    }

    /// Whole at every step, so a panic under the lock spoils nothing.
    fn lock(&self) -> MutexGuard<'_, Queue> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn record(id: usize) -> CallRecord {
        let text = format!(
            r#"{{"id":"{id}","switch":"freeswitch","host":"h","facts":{{}},"generation":3,
                "decided_by":"local","decision":"route","attempts":[],"started_ms":1,
                "ended_ms":2,"cause":16,"cause_name":"NORMAL_CLEARING"}}"#
        );
        serde_json::from_str(&text).expect("a record")
    }

    #[test]
    fn in_order_and_not_without_end() {
        let waiting = Waiting::default();
        for id in 0..MOST {
            assert!(waiting.keep(record(id)).is_ok());
        }
        assert_eq!(waiting.keep(record(MOST)).expect_err("too many").id, MOST.to_string());
        let first = waiting.take().expect("the earliest");
        assert_eq!((first.id.as_str(), waiting.len()), ("0", MOST - 1));
        waiting.put_back(first).expect("there is room");
        assert_eq!(waiting.take().map(|record| record.id).as_deref(), Some("0"));
    }

    #[test]
    fn none_slips_in_after_the_last_look() {
        let waiting = Waiting::default();
        for id in 0..3 {
            waiting.keep(record(id)).expect("there is room");
        }
        // Housekeeping has one in its hand as the switch ends.
        let held = waiting.take().expect("the earliest");
        let left: Vec<_> = waiting.close().into_iter().map(|record| record.id).collect();
        assert_eq!(left, ["1", "2"]);
        assert_eq!(waiting.put_back(held).expect_err("closed").id, "0");
        assert_eq!(waiting.keep(record(3)).expect_err("closed").id, "3");
        assert_eq!((waiting.len(), waiting.take().is_none()), (0, true));
    }
}
