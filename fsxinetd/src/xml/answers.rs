//! Answers that were given: the fresh ones spare the upstream a question, the old ones are the last
//! good answers of a bad day.

use std::collections::{BTreeMap, HashMap};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

/// An answer. `None` is a certain "there is none".
pub(super) type Document = Option<Arc<str>>;

/// Longest key; a look-up with a longer one is not remembered.
pub(super) const MAX_KEY: usize = 4096;

/// Answers by key, the ones given longest ago going first.
#[derive(Debug)]
pub(super) struct Answers {
    most: usize,
    most_bytes: usize,
    inner: Mutex<Inner>,
}

#[derive(Debug, Default)]
struct Inner {
    answers: HashMap<String, Given>,
    order: BTreeMap<u64, String>,
    clock: u64,
    bytes: usize,
}

#[derive(Clone, Debug)]
struct Given {
    document: Document,
    at: Instant,
    turn: u64,
}

impl Given {
    fn weight(&self, key: &str) -> usize {
        self.document.as_ref().map_or(0, |document| document.len()) + 2 * key.len() + 200
    }
}

impl Answers {
    /// None, and at most so many.
    pub(super) fn new(most: usize, most_bytes: usize) -> Self {
        Self { most, most_bytes, inner: Mutex::default() }
    }

    fn inner(&self) -> MutexGuard<'_, Inner> {
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The answer and its age.
    pub(super) fn get(&self, key: &str) -> Option<(Document, Duration)> {
        let inner = self.inner();
        let given = inner.answers.get(key)?;
        Some((given.document.clone(), given.at.elapsed()))
    }

    /// Remembers an answer given now.
    pub(super) fn put(&self, key: &str, document: Document) {
        if key.len() > MAX_KEY {
            return;
        }
        let mut inner = self.inner();
        inner.remove(key);
        inner.clock += 1;
        let given = Given { document, at: Instant::now(), turn: inner.clock };
        inner.bytes += given.weight(key);
        inner.order.insert(given.turn, key.to_owned());
        inner.answers.insert(key.to_owned(), given);
        while inner.bytes > self.most_bytes || inner.answers.len() > self.most {
            let Some((_, oldest)) = inner.order.pop_first() else { break };
            inner.remove(&oldest);
        }
    }
}

impl Inner {
    fn remove(&mut self, key: &str) {
        if let Some(given) = self.answers.remove(key) {
            self.bytes -= given.weight(key);
            self.order.remove(&given.turn);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_oldest_go_first() {
        let answers = Answers::new(2, 1 << 20);
        for key in ["a", "b", "a", "c"] {
            answers.put(key, Some(key.into()));
        }
        let has = |key: &str| answers.get(key).is_some();
        assert!(has("a") && !has("b") && has("c"));
        let small = Answers::new(10, 1000);
        small.put("a", Some("x".repeat(500).into()));
        small.put("b", Some("x".repeat(500).into()));
        assert!(small.get("a").is_none() && small.get("b").is_some());
        small.put("b", None);
        assert_eq!(small.get("b").map(|(document, _)| document), Some(None));
    }
}
