//! The last good answers, for the day on which nobody answers.
//!
//! In memory only: directory answers hold passwords, and a call thread does not write files. They
//! survive the daemon's death; what has to survive the switch's too lies in the daemon's own store.

use std::{
    collections::BTreeMap,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

/// Longest key; a look-up with a longer one is not remembered.
const MAX_KEY: usize = 4096;

/// Answers by key, the ones unused longest going first.
#[derive(Debug)]
pub(super) struct Kept(Mutex<Inner>);

#[derive(Debug)]
struct Inner {
    answers: BTreeMap<String, Answer>,
    /// Keys by when they were used last.
    used: BTreeMap<u64, String>,
    clock: u64,
    bytes: usize,
}

#[derive(Debug)]
struct Answer {
    text: Arc<str>,
    at_ms: u64,
    used: u64,
}

impl Answer {
    fn weight(&self, key: &str) -> usize {
        // The key stands in both maps; the rest is what the maps themselves take, about.
        self.text.len() + 2 * key.len() + 200
    }
}

impl Kept {
    /// Nothing.
    pub(super) const fn new() -> Self {
        Self(Mutex::new(Inner {
            answers: BTreeMap::new(),
            used: BTreeMap::new(),
            clock: 0,
            bytes: 0,
        }))
    }

    fn inner(&self) -> MutexGuard<'_, Inner> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Keeps an answer given at `at_ms`, in at most `most_bytes` for all.
    pub(super) fn put(&self, key: &str, text: &str, at_ms: u64, most_bytes: usize) {
        if key.len() > MAX_KEY {
            return;
        }
        let mut inner = self.inner();
        inner.remove(key);
        inner.clock += 1;
        let answer = Answer { text: text.into(), at_ms, used: inner.clock };
        inner.bytes += answer.weight(key);
        inner.used.insert(answer.used, key.to_owned());
        inner.answers.insert(key.to_owned(), answer);
        while inner.bytes > most_bytes {
            let Some((_, oldest)) = inner.used.pop_first() else { break };
            inner.remove(&oldest);
        }
    }

    /// The answer that was given at or after `since_ms`, and when.
    pub(super) fn get(&self, key: &str, since_ms: u64) -> Option<(Arc<str>, u64)> {
        let mut inner = self.inner();
        let inner = &mut *inner;
        inner.clock += 1;
        let answer = inner.answers.get_mut(key).filter(|answer| answer.at_ms >= since_ms)?;
        inner.used.remove(&answer.used);
        answer.used = inner.clock;
        inner.used.insert(answer.used, key.to_owned());
        Some((answer.text.clone(), answer.at_ms))
    }

    /// There is no such thing any more.
    pub(super) fn forget(&self, key: &str) {
        self.inner().remove(key);
    }

    /// Nothing is any more.
    pub(super) fn clear(&self) -> usize {
        let mut inner = self.inner();
        let count = inner.answers.len();
        inner.answers.clear();
        inner.used.clear();
        inner.bytes = 0;
        count
    }

    /// How many answers there are, and their bytes.
    pub(super) fn size(&self) -> (usize, usize) {
        let inner = self.inner();
        (inner.answers.len(), inner.bytes)
    }
}

impl Inner {
    fn remove(&mut self, key: &str) {
        if let Some(answer) = self.answers.remove(key) {
            self.bytes -= answer.weight(key);
            self.used.remove(&answer.used);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_unused_go_first_and_the_old_are_not_given() {
        let kept = Kept::new();
        let text = "x".repeat(1000);
        let room = 3 * 1300;
        for (n, key) in ["a", "b", "c"].iter().enumerate() {
            kept.put(key, &text, 10 + n as u64, room);
        }
        assert_eq!(kept.size().0, 3);
        assert!(kept.get("a", 0).is_some());
        kept.put("d", &text, 20, room);
        assert!(kept.get("b", 0).is_none(), "unused longest");
        assert_eq!(kept.get("a", 10).map(|(_, at)| at), Some(10));
        assert!(kept.get("a", 11).is_none(), "too old");
        kept.put("a", "new", 30, room);
        assert_eq!(kept.get("a", 11).map(|(text, _)| text.to_string()), Some("new".to_owned()));
        kept.forget("a");
        assert!(kept.get("a", 0).is_none());
        kept.put("e", &"y".repeat(10_000), 40, room);
        assert_eq!(kept.size(), (0, 0), "what does not fit at all is not kept");
        kept.put(&"k".repeat(MAX_KEY + 1), "", 50, room);
        kept.put("f", "", 50, room);
        assert_eq!(kept.clear(), 1);
        assert_eq!(kept.size(), (0, 0));
    }
}
