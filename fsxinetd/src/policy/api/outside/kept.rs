//! The key-value store of policies: in memory, bounded, and each owner's own.
//!
//! It is for what may be lost: counters of the last minute, an answer that was looked up a moment
//! ago. It ends with the daemon. What must outlive it belongs into a database or the Core API.

use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use serde_json::Value as Json;

use super::super::{KvAnswer, KvAsk};
use super::Owner;
use crate::config;

/// What an entry costs beside its key and value, in bytes.
const OVERHEAD: usize = 96;

/// How often everything is looked through for what has expired.
const SWEEP_EVERY: Duration = Duration::from_secs(10);

#[derive(Debug)]
struct Entry {
    /// Numbers as they are, since they are added to; anything else as JSON text, which is smaller
    /// than a tree.
    value: Value,
    until: Option<Instant>,
}

#[derive(Debug)]
enum Value {
    Number(f64),
    Text(Box<str>),
}

impl Entry {
    fn size(&self, key: &str) -> usize {
        let value = match &self.value {
            Value::Number(_) => 0,
            Value::Text(text) => text.len(),
        };
        OVERHEAD + key.len() + value
    }

    fn is_over(&self, now: Instant) -> bool {
        self.until.is_some_and(|until| until <= now)
    }
}

#[derive(Debug, Default)]
struct Space {
    entries: HashMap<String, Entry>,
    bytes: usize,
    /// Nothing is over before this; `None` where nothing ever will be.
    first_over: Option<Instant>,
}

impl Space {
    /// Lets go of what is over. Bytes that this freed. Looks at nothing where nothing can be.
    fn sweep(&mut self, now: Instant) -> usize {
        if self.first_over.is_none_or(|first| first > now) {
            return 0;
        }
        let (mut freed, mut first) = (0, None);
        self.entries.retain(|key, entry| {
            let over = entry.is_over(now);
            if over {
                freed += entry.size(key);
            } else if let Some(until) = entry.until {
                first = Some(first.map_or(until, |first: Instant| first.min(until)));
            }
            !over
        });
        self.bytes -= freed;
        self.first_over = first;
        freed
    }

    /// Takes an entry out, with its size.
    fn remove(&mut self, key: &str) -> Option<(Entry, usize)> {
        let entry = self.entries.remove(key)?;
        let size = entry.size(key);
        self.bytes -= size;
        Some((entry, size))
    }

    fn insert(&mut self, key: String, entry: Entry, size: usize) {
        self.bytes += size;
        self.first_over = self.first_over.into_iter().chain(entry.until).min();
        self.entries.insert(key, entry);
    }
}

#[derive(Debug)]
struct State {
    spaces: HashMap<Owner, Space>,
    /// Of all spaces.
    bytes: usize,
    swept: Instant,
}

/// The store.
#[derive(Debug)]
pub(super) struct Kept {
    state: Mutex<State>,
    max_keys: usize,
    max_value: usize,
    /// Of one owner.
    max_bytes: usize,
    /// Of all.
    max_all: usize,
}

impl Kept {
    pub(super) fn new(config: &config::Policy) -> Self {
        let state = State { spaces: HashMap::new(), bytes: 0, swept: Instant::now() };
        Self {
            state: Mutex::new(state),
            max_keys: config.kv_max_keys as usize,
            max_value: config.kv_max_value_bytes as usize,
            max_bytes: config.kv_max_kib as usize * 1024,
            max_all: config.kv_memory_mib as usize * (1 << 20),
        }
    }

    pub(super) fn ask(&self, owner: Owner, ask: KvAsk, now: Instant) -> Result<KvAnswer, String> {
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        if now.saturating_duration_since(state.swept) >= SWEEP_EVERY {
            let freed: usize = state.spaces.values_mut().map(|space| space.sweep(now)).sum();
            state.bytes -= freed;
            state.spaces.retain(|_, space| !space.entries.is_empty());
            state.swept = now;
        }
        match ask {
            KvAsk::Get { key } => {
                let entry = state.spaces.get(&owner).and_then(|space| space.entries.get(&key));
                let value =
                    entry.filter(|entry| !entry.is_over(now)).map(|entry| match &entry.value {
                        Value::Number(n) => Ok(Json::from(*n)),
                        Value::Text(text) => serde_json::from_str(text),
                    });
                value.transpose().map(KvAnswer::Value).map_err(|e| e.to_string())
            }
            KvAsk::Set { key, value, ttl } => {
                let value = match value.as_f64() {
                    Some(n) => Value::Number(n),
                    None => Value::Text(value.to_string().into()),
                };
                let entry = Entry { value, until: ttl.and_then(|ttl| now.checked_add(ttl)) };
                self.put(&mut state, owner, key, entry, now)?;
                Ok(KvAnswer::Done(true))
            }
            KvAsk::Add { key, by, ttl } => {
                let space = state.spaces.get_mut(&owner);
                let there = space.and_then(|space| space.entries.get_mut(&key));
                if let Some(entry) = there.filter(|entry| !entry.is_over(now)) {
                    let Value::Number(sum) = &mut entry.value else {
                        return Err(format!("\"{key}\" is no number"));
                    };
                    *sum += by;
                    return Ok(KvAnswer::Sum(*sum));
                }
                let until = ttl.and_then(|ttl| now.checked_add(ttl));
                let entry = Entry { value: Value::Number(by), until };
                self.put(&mut state, owner, key, entry, now)?;
                Ok(KvAnswer::Sum(by))
            }
            KvAsk::Delete { key } => {
                let gone = state.spaces.get_mut(&owner).and_then(|space| space.remove(&key));
                state.bytes -= gone.as_ref().map_or(0, |(_, size)| *size);
                Ok(KvAnswer::Done(gone.is_some_and(|(entry, _)| !entry.is_over(now))))
            }
            KvAsk::Keys { prefix, most } => {
                let mut keys: Vec<String> = state
                    .spaces
                    .get(&owner)
                    .into_iter()
                    .flat_map(|space| &space.entries)
                    .filter(|(key, entry)| key.starts_with(&prefix) && !entry.is_over(now))
                    .map(|(key, _)| key.clone())
                    .collect();
                keys.sort();
                keys.truncate(most);
                Ok(KvAnswer::Keys(keys))
            }
        }
    }

    fn put(
        &self,
        state: &mut State,
        owner: Owner,
        key: String,
        entry: Entry,
        now: Instant,
    ) -> Result<(), String> {
        let size = entry.size(&key);
        if size > self.max_value + OVERHEAD {
            return Err(format!(
                "{} bytes, expected at most {} (kv_max_value_bytes)",
                size - OVERHEAD,
                self.max_value
            ));
        }
        let State { spaces, bytes: all, .. } = state;
        let space = spaces.entry(owner).or_default();
        let old = space.entries.get(&key).map_or(0, |entry| entry.size(&key));
        let fits = |space: &Space| {
            let more = usize::from(old == 0);
            space.entries.len() + more <= self.max_keys
                && space.bytes - old + size <= self.max_bytes
        };
        if !fits(space) {
            *all -= space.sweep(now);
        }
        // What was there may have been swept.
        let old = space.entries.get(&key).map_or(0, |entry| entry.size(&key));
        if space.entries.len() + usize::from(old == 0) > self.max_keys {
            return Err(format!("{} keys are kept, as many as may be", space.entries.len()));
        }
        if space.bytes - old + size > self.max_bytes || *all - old + size > self.max_all {
            return Err("there is no room for more".to_owned());
        }
        space.remove(&key);
        space.insert(key, entry, size);
        *all = *all - old + size;
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const A: Owner = Owner { platform: false, org: 1 };
    const B: Owner = Owner { platform: false, org: 2 };

    fn kept() -> Kept {
        Kept::new(&config::Policy {
            kv_max_keys: 3,
            kv_max_value_bytes: 1_000,
            kv_max_kib: 2,
            kv_memory_mib: 1,
            ..config::Policy::default()
        })
    }

    fn set(key: &str, value: &str, ttl_s: Option<u64>) -> KvAsk {
        KvAsk::Set { key: key.to_owned(), value: value.into(), ttl: ttl_s.map(Duration::from_secs) }
    }

    fn get(key: &str) -> KvAsk {
        KvAsk::Get { key: key.to_owned() }
    }

    fn add(key: &str, by: f64, ttl_s: Option<u64>) -> KvAsk {
        KvAsk::Add { key: key.to_owned(), by, ttl: ttl_s.map(Duration::from_secs) }
    }

    #[test]
    fn owners_keep_their_own() {
        let (kept, now) = (kept(), Instant::now());
        let platform = Owner { platform: true, ..A };
        kept.ask(A, set("k", "a", None), now).expect("kept");
        kept.ask(platform, set("k", "p", None), now).expect("kept");
        let value = |owner| kept.ask(owner, get("k"), now).expect("answered");
        assert_eq!(value(A), KvAnswer::Value(Some("a".into())));
        assert_eq!(value(platform), KvAnswer::Value(Some("p".into())));
        assert_eq!(value(B), KvAnswer::Value(None));
        let keys = KvAsk::Keys { prefix: String::new(), most: 10 };
        assert_eq!(kept.ask(B, keys, now), Ok(KvAnswer::Keys(Vec::new())));
        let delete = || KvAsk::Delete { key: "k".to_owned() };
        assert_eq!(kept.ask(B, delete(), now), Ok(KvAnswer::Done(false)));
        assert_eq!(kept.ask(A, delete(), now), Ok(KvAnswer::Done(true)));
        assert_eq!(value(A), KvAnswer::Value(None));
    }

    #[test]
    fn counters_live_from_their_beginning() {
        let (kept, now) = (kept(), Instant::now());
        let later = |s| now + Duration::from_secs(s);
        assert_eq!(kept.ask(A, add("n", 1.0, Some(60)), now), Ok(KvAnswer::Sum(1.0)));
        assert_eq!(kept.ask(A, add("n", 2.5, Some(60)), later(59)), Ok(KvAnswer::Sum(3.5)));
        // A window, not a sliding one: the addition at 59 s did not prolong it.
        assert_eq!(kept.ask(A, add("n", 1.0, Some(60)), later(60)), Ok(KvAnswer::Sum(1.0)));
        kept.ask(A, set("t", "x", None), now).expect("kept");
        assert!(kept.ask(A, add("t", 1.0, None), now).is_err());
    }

    #[test]
    fn no_owner_keeps_more_than_its_share() {
        let (kept, now) = (kept(), Instant::now());
        for key in ["a", "b", "c"] {
            kept.ask(A, set(key, "x", Some(5)), now).expect("kept");
        }
        assert!(kept.ask(A, set("d", "x", None), now).is_err());
        // One that is there may change, others are not concerned, and what is over makes room.
        kept.ask(A, set("a", "y", Some(5)), now).expect("kept");
        kept.ask(B, set("d", "x", None), now).expect("kept");
        kept.ask(A, set("d", "x", None), now + Duration::from_secs(5)).expect("kept");

        let long = "x".repeat(900);
        assert!(kept.ask(A, set("e", &"x".repeat(1_001), None), now).is_err());
        let later = now + Duration::from_secs(20);
        kept.ask(A, set("e", &long, None), later).expect("kept");
        // 900, a few, and 900 are more than 2 KiB.
        assert!(kept.ask(A, set("f", &long, None), later).is_err());
        kept.ask(A, KvAsk::Delete { key: "e".to_owned() }, later).expect("gone");
        kept.ask(A, set("f", &long, None), later).expect("kept");
    }

    #[test]
    fn what_is_counted_is_what_is_there() {
        let (kept, mut now) = (kept(), Instant::now());
        for n in 0..500_u64 {
            now += Duration::from_millis(137);
            let owner = if n % 3 == 0 { A } else { B };
            let key = format!("k{}", n % 5);
            let _ = match n % 7 {
                0 => kept.ask(owner, KvAsk::Delete { key }, now),
                1 | 2 => kept.ask(owner, add(&key, 1.0, Some(1)), now),
                _ => kept.ask(
                    owner,
                    set(&key, &"x".repeat((n % 300) as usize), Some(n % 4 + 1)),
                    now,
                ),
            };
        }
        let state = kept.state.lock().expect("unpoisoned");
        let mut all = 0;
        for space in state.spaces.values() {
            let counted: usize = space.entries.iter().map(|(key, entry)| entry.size(key)).sum();
            assert_eq!(space.bytes, counted);
            let first = space.entries.values().filter_map(|entry| entry.until).min();
            assert!(first.is_none() || space.first_over.is_some_and(|over| Some(over) <= first));
            all += counted;
        }
        assert_eq!(state.bytes, all);
    }
}
