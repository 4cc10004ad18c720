//! What the look-ups share: counters, what is kept, and how much is waited for at once.

use std::sync::atomic::{
    AtomicBool, AtomicU32, AtomicU64,
    Ordering::{AcqRel, Relaxed},
};

use fsx_seam::clock;

use super::kept::Kept;

/// Most look-ups that wait for the daemon at once; the next are without an answer at once.
const MAX_WAITING: u32 = 64;

/// After so many look-ups in a row that waited in vain, none is asked for [`REST_MS`].
const MAX_LATE: u32 = 3;

/// How long, in milliseconds.
const REST_MS: u64 = 1000;

/// The state of the process.
pub(crate) static STATE: State = State {
    bound: AtomicBool::new(false),
    counts: Counts {
        asked: AtomicU64::new(0),
        answered: AtomicU64::new(0),
        not_found: AtomicU64::new(0),
        last_good: AtomicU64::new(0),
        refused: AtomicU64::new(0),
        passed_on: AtomicU64::new(0),
        emergency: AtomicU64::new(0),
    },
    kept: Kept::new(),
    patience: Patience {
        waiting: AtomicU32::new(0),
        late: AtomicU32::new(0),
        rest_until_ms: AtomicU64::new(0),
    },
};

/// See the module.
#[derive(Debug)]
pub(crate) struct State {
    bound: AtomicBool,
    /// Counters since the module was loaded.
    pub(crate) counts: Counts,
    pub(super) kept: Kept,
    pub(super) patience: Patience,
}

impl State {
    /// True for the first who asks: a search function is bound once.
    pub(super) fn begin_binding(&self) -> bool {
        !self.bound.swap(true, AcqRel)
    }

    /// How many last good answers are kept, and their bytes.
    pub(crate) fn kept(&self) -> (usize, usize) {
        self.kept.size()
    }

    /// Forgets all of them; how many there were.
    pub(crate) fn forget_all(&self) -> usize {
        self.kept.clear()
    }
}

/// What became of look-ups.
#[derive(Debug)]
pub(crate) struct Counts {
    asked: AtomicU64,
    answered: AtomicU64,
    not_found: AtomicU64,
    last_good: AtomicU64,
    refused: AtomicU64,
    passed_on: AtomicU64,
    emergency: AtomicU64,
}

/// Declares how each counter is counted.
macro_rules! counted {
    ($($name:ident,)*) => {
        impl Counts {
            $(pub(super) fn $name(&self) {
                self.$name.fetch_add(1, Relaxed);
            })*

            /// All counters, by name.
            pub(crate) fn all(&self) -> Vec<(&'static str, u64)> {
                vec![$((stringify!($name), self.$name.load(Relaxed)),)*]
            }
        }
    };
}

counted! { asked, answered, not_found, last_good, refused, passed_on, emergency, }

/// Keeps a daemon that does not answer from holding every thread of the switch.
#[derive(Debug)]
pub(super) struct Patience {
    waiting: AtomicU32,
    late: AtomicU32,
    rest_until_ms: AtomicU64,
}

/// One look-up that may wait, until it is dropped.
#[derive(Debug)]
pub(super) struct Turn<'a>(&'a Patience);

impl Drop for Turn<'_> {
    fn drop(&mut self) {
        self.0.waiting.fetch_sub(1, AcqRel);
    }
}

impl Patience {
    /// A turn to wait.
    ///
    /// # Errors
    /// In words, where there is none to be had.
    pub(super) fn turn(&self) -> Result<Turn<'_>, String> {
        if clock::monotonic_ms() < self.rest_until_ms.load(Relaxed) {
            return Err("fsxinetd was late three times in a row and is left alone".to_owned());
        }
        let turn = Turn(self);
        if self.waiting.fetch_add(1, AcqRel) >= MAX_WAITING {
            return Err(format!("{MAX_WAITING} look-ups are waiting already"));
        }
        Ok(turn)
    }

    /// What a look-up has taught: was it in vain?
    pub(super) fn learn(&self, late: bool) {
        if !late {
            self.late.store(0, Relaxed);
        } else if self.late.fetch_add(1, Relaxed) + 1 >= MAX_LATE {
            self.rest_until_ms.store(clock::monotonic_ms() + REST_MS, Relaxed);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nobody_waits_where_everybody_waited_in_vain() {
        let patience = Patience {
            waiting: AtomicU32::new(0),
            late: AtomicU32::new(0),
            rest_until_ms: AtomicU64::new(0),
        };
        let turns: Vec<_> =
            (0..MAX_WAITING).map(|_| patience.turn().expect("there is room")).collect();
        assert!(patience.turn().is_err());
        drop(turns);
        assert!(patience.turn().is_ok());
        for late in [true, true, false, true, true] {
            patience.learn(late);
        }
        assert!(patience.turn().is_ok());
        patience.learn(true);
        assert!(patience.turn().is_err());
        clock::pause_ms(1_050);
        assert!(patience.turn().is_ok());
        patience.learn(true);
        assert!(patience.turn().is_err(), "one more in vain is enough");
        assert_eq!(patience.waiting.load(Relaxed), 0);
    }
}
