//! Passive health: what a gateway's own calls say of it.
//!
//! A prober asks every half minute and only where it is told to; calls know at once. A gateway of whose
//! attempts too great a share fails goes down for a while: it is then tried after all others, never
//! left out, so that no call fails that could have been routed. When its time is over a few calls at a
//! time are let through in its ordinary place; if they do well it is up again, if one fails it is down
//! for twice as long. All switch processes of the host see and feed the same state.
//!
//! The state of a gateway is one word and changes in one exchange. A call that was let through and
//! never tells (its switch was killed) holds its place for [`TRIAL_S`] only.
//!
//! **Trouble.** Hardly ever is any gateway down, and a decision should not look at each to find that
//! out: one word of the header says whether there is anything to look at. It is raised after every
//! change that gives reason, and lowered by [`LiveTable::tick`] when a look at all rows finds none; it
//! counts its raisings, so that a raising during the look is not undone.

use std::sync::atomic::Ordering::{AcqRel, Acquire, Relaxed};

use fsx_core::data::Standing;

use crate::{
    health::{GatewayAt, gateway},
    layout::word,
    table::LiveTable,
};

/// When a gateway is held to have failed, and for how long. The same on all processes of a host.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct PassiveRules {
    /// Attempts in the window before anything is judged; at least 1.
    pub min_attempts: u32,
    /// Share of them that must have failed, in percent, 1 to 100.
    pub share_percent: u32,
    /// The window, in seconds, at least 2.
    pub window_s: u32,
    /// How long it is down the first time, in seconds. Doubles each time that it is down again.
    pub down_s: u32,
    /// The longest that it is down, in seconds; at most [`PassiveRules::MOST_DOWN_S`].
    pub max_down_s: u32,
    /// Calls at a time that try it afterwards, and that must do well before it is up; 1 to 255.
    pub trial_calls: u32,
}

impl PassiveRules {
    /// Longest that a gateway can be down, in seconds: if the clock is set back, what is left of a
    /// longer time is not waited for.
    pub const MOST_DOWN_S: u32 = 3600;
}

impl Default for PassiveRules {
    fn default() -> Self {
        Self {
            min_attempts: 10,
            share_percent: 60,
            window_s: 60,
            down_s: 30,
            max_down_s: 600,
            trial_calls: 3,
        }
    }
}

/// How an attempt ended, as far as the gateway goes.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Fate {
    /// The gateway did its work: it answered, rang, or brought the callee's refusal.
    Alive,
    /// The gateway is to blame.
    Failed,
    /// It says nothing: the caller was gone before the gateway had its chance.
    Unknown,
}

/// What changed by an attempt's end.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Turn {
    /// It is down from now on.
    Down {
        /// For how long, in seconds.
        for_s: u32,
        /// How many attempts had failed; 0 when it was on trial.
        failures: u32,
        /// Of how many.
        attempts: u32,
    },
    /// Its trial is over: it is up.
    Up,
}

/// A gateway's passive state, to be shown.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug, Default)]
pub enum Passive {
    /// Nothing is held against it.
    #[default]
    Up,
    /// Tried last.
    Down {
        /// For so many seconds more.
        left_s: u32,
    },
    /// A few calls at a time try it.
    Trial {
        /// Calls that did well so far.
        good: u32,
        /// Calls that must.
        of: u32,
    },
}

/// What an operator said of a gateway: it counts before the prober's word and the calls'.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug, Default)]
pub enum Operator {
    /// Nothing.
    #[default]
    Auto,
    /// It is up, whatever is measured.
    Up,
    /// It takes no calls but emergency calls.
    Down,
}

impl Operator {
    pub(crate) fn of(at: &GatewayAt<'_>) -> Self {
        match at.row[gateway::OPERATOR].load(Relaxed) {
            0 => Self::Auto,
            1 => Self::Up,
            _ => Self::Down,
        }
    }
}

/// A call on trial that has not told by then is taken for lost, in seconds.
const TRIAL_S: u32 = 60;

/// Kinds of a state.
const UP: u8 = 0;
const DOWN: u8 = 1;
const TRIAL: u8 = 2;

/// The state's word in its parts. All zeros is up.
#[derive(Clone, Copy, Default)]
struct State {
    kind: u8,
    /// Times down in a row.
    strikes: u8,
    /// Calls on trial that are out.
    out: u8,
    /// Calls on trial that did well.
    good: u8,
    /// Most calls on trial at a time, and how many must do well.
    limit: u8,
    /// Down: until when. Trial: when calls that are out are taken for lost. Up: since when.
    second: u32,
}

impl State {
    fn read(word: u64) -> Self {
        let [b0, b1, b2, b3, kind_strikes, out, good, limit] = word.to_le_bytes();
        Self {
            kind: kind_strikes & 3,
            strikes: kind_strikes >> 2,
            out,
            good,
            limit,
            second: u32::from_le_bytes([b0, b1, b2, b3]),
        }
    }

    fn word(self) -> u64 {
        let [b0, b1, b2, b3] = self.second.to_le_bytes();
        let kind_strikes = self.kind & 3 | self.strikes.min(63) << 2;
        u64::from_le_bytes([b0, b1, b2, b3, kind_strikes, self.out, self.good, self.limit])
    }

    fn down(self, at: u32, strikes: u8, rules: &PassiveRules) -> (Self, u32) {
        let doubled = u64::from(rules.down_s.max(1)) << strikes.saturating_sub(1).min(31);
        let for_s = u32::try_from(doubled).unwrap_or(u32::MAX);
        let for_s = for_s.min(rules.max_down_s.clamp(1, PassiveRules::MOST_DOWN_S));
        let second = at.saturating_add(for_s);
        (Self { kind: DOWN, strikes, out: 0, good: 0, limit: limit(rules), second }, for_s)
    }

    /// Whether a call may try the gateway in its ordinary place.
    fn lets_through(self, at: u32) -> bool {
        match self.kind {
            DOWN => self.over(at),
            TRIAL => self.out < self.limit || self.over(at),
            _ => true,
        }
    }

    /// The time of this state is over, or was set by a clock that has been put right since.
    fn over(self, at: u32) -> bool {
        at >= self.second || self.second - at > PassiveRules::MOST_DOWN_S
    }
}

fn limit(rules: &PassiveRules) -> u8 {
    rules.trial_calls.clamp(1, 255) as u8
}

fn second(at: i64) -> u32 {
    u32::try_from(at.max(0)).unwrap_or(u32::MAX)
}

/// Bits of a tally: number of the half window, attempts, failures.
const TALLY_BITS: u32 = 20;
const TALLY_MAX: u64 = (1 << TALLY_BITS) - 1;

impl LiveTable {
    /// Whether an attempt may be made at a gateway in its ordinary place, just now. False: try it after
    /// all others. A gateway on trial counts the call as out: tell of its end by
    /// [`attempt_ended`](Self::attempt_ended). Call path.
    pub fn may_try(&self, gateway_id: u32, at: i64, rules: &PassiveRules) -> bool {
        if !self.trouble() {
            return true;
        }
        let Some(row) = self.gateway(gateway_id) else { return true };
        match Operator::of(&row) {
            Operator::Up => return true,
            Operator::Down => return false,
            Operator::Auto => {}
        }
        let at = second(at);
        let claimed = row.row[gateway::PASSIVE].fetch_update(AcqRel, Acquire, |now| {
            let now = State::read(now);
            if now.kind == UP || !now.lets_through(at) {
                return None;
            }
            let fresh = now.kind == DOWN || now.over(at);
            Some(
                State {
                    kind: TRIAL,
                    out: if fresh { 1 } else { now.out.saturating_add(1) },
                    limit: limit(rules),
                    second: at.saturating_add(TRIAL_S),
                    ..now
                }
                .word(),
            )
        });
        match claimed {
            Ok(_) => true,
            Err(now) => State::read(now).kind == UP,
        }
    }

    /// Takes down how an attempt at a gateway ended, and gives what that changed. Call path.
    pub fn attempt_ended(
        &self,
        gateway_id: u32,
        at: i64,
        fate: Fate,
        rules: &PassiveRules,
    ) -> Option<Turn> {
        let row = self.claim_gateway(gateway_id)?;
        let at = second(at);
        let (attempts, failures) = match fate {
            Fate::Unknown => (0, 0),
            Fate::Alive | Fate::Failed => tally(&row, at, fate == Fate::Failed, rules.window_s),
        };
        let failing = fate == Fate::Failed
            && attempts >= u64::from(rules.min_attempts.max(1))
            && failures * 100 >= attempts * u64::from(rules.share_percent);
        let mut turn = None;
        let changed = row.row[gateway::PASSIVE].fetch_update(AcqRel, Acquire, |word| {
            let now = State::read(word);
            turn = None;
            let next = match (now.kind, fate) {
                (UP, _) if failing => {
                    let recent = at.saturating_sub(now.second) <= rules.max_down_s;
                    let strikes = if now.strikes > 0 && recent { now.strikes } else { 0 } + 1;
                    let (next, for_s) = now.down(at, strikes.min(63), rules);
                    turn = Some(Turn::Down {
                        for_s,
                        failures: failures as u32,
                        attempts: attempts as u32,
                    });
                    next
                }
                (TRIAL, Fate::Failed) => {
                    let (next, for_s) = now.down(at, now.strikes.saturating_add(1).min(63), rules);
                    turn = Some(Turn::Down { for_s, failures: 0, attempts: 0 });
                    next
                }
                (TRIAL, Fate::Alive) if now.good + 1 >= now.limit => {
                    turn = Some(Turn::Up);
                    State { strikes: now.strikes, second: at, ..State::default() }
                }
                (TRIAL, Fate::Alive) => {
                    State { good: now.good + 1, out: now.out.saturating_sub(1), ..now }
                }
                (TRIAL, Fate::Unknown) => State { out: now.out.saturating_sub(1), ..now },
                _ => return None,
            };
            Some(next.word())
        });
        if changed.is_err() {
            return None;
        }
        match turn {
            Some(Turn::Down { failures, attempts, .. }) => {
                self.raise_trouble();
                row.row[gateway::TRIPS].fetch_add(1, Relaxed);
                let by = u64::from(failures) << 32 | u64::from(attempts);
                row.row[gateway::TRIPPED_BY].store(by, Relaxed);
            }
            // What was held against it is past.
            Some(Turn::Up) => clear_tallies(&row),
            None => {}
        }
        turn
    }

    /// Says for an operator what a gateway is. [`Operator::Auto`] gives it back to what is measured,
    /// with nothing held against it. False (and the overflow counter) when there is no room.
    pub fn set_operator(&self, gateway_id: u32, what: Operator) -> bool {
        let Some(row) = self.claim_gateway(gateway_id) else { return false };
        let word = match what {
            Operator::Auto => {
                clear_tallies(&row);
                row.row[gateway::PASSIVE].store(0, Relaxed);
                0
            }
            Operator::Up => 1,
            Operator::Down => 2,
        };
        row.row[gateway::OPERATOR].store(word, std::sync::atomic::Ordering::Release);
        self.raise_trouble();
        true
    }

    /// Notes what time it is (`at`, seconds UTC), and whether any gateway is down or on trial. For the
    /// daemon and for the housekeeping of switches, about once a second; looks at every row.
    pub fn tick(&self, at: i64) {
        self.set_clock(at);
        let Some(trouble) = self.word(word::TROUBLE) else { return };
        let seen = trouble.load(Acquire);
        let any = self.gateways().any(|(_, row)| {
            Operator::of(&row) != Operator::Auto
                || State::read(row.row[gateway::PASSIVE].load(Acquire)).kind != UP
        });
        match (any, seen & 1 == 1) {
            // Whoever changed a row died before it said so.
            (true, false) => self.raise_trouble(),
            // An error: raised meanwhile, or lowered by another.
            (false, true) => drop(trouble.compare_exchange(seen, seen & !1, AcqRel, Relaxed)),
            _ => {}
        }
    }

    /// Whether there is any gateway to be tried last, or not at all.
    pub(crate) fn trouble(&self) -> bool {
        self.word(word::TROUBLE).is_some_and(|w| w.load(Acquire) & 1 == 1)
    }

    fn raise_trouble(&self) {
        if let Some(trouble) = self.word(word::TROUBLE) {
            // Never an error: the closure always answers.
            let _ = trouble
                .fetch_update(AcqRel, Acquire, |now| Some((now >> 1).wrapping_add(1) << 1 | 1));
        }
    }

    pub(crate) fn standing_of(&self, gateway_id: u32, at: i64) -> Standing {
        let Some(row) = self.gateway(gateway_id) else { return Standing::Ordinary };
        match Operator::of(&row) {
            Operator::Up => Standing::Ordinary,
            Operator::Down => Standing::Out,
            Operator::Auto => {
                let state = State::read(row.row[gateway::PASSIVE].load(Acquire));
                if state.lets_through(second(at)) { Standing::Ordinary } else { Standing::Last }
            }
        }
    }

    /// The passive state of a row at an instant, to be shown.
    pub(crate) fn passive_at(&self, row: &GatewayAt<'_>, at: i64) -> Passive {
        let state = State::read(row.row[gateway::PASSIVE].load(Acquire));
        let left_s = state.second.saturating_sub(second(at));
        match state.kind {
            DOWN if !state.over(second(at)) => Passive::Down { left_s },
            DOWN | TRIAL => {
                Passive::Trial { good: u32::from(state.good), of: u32::from(state.limit) }
            }
            _ => Passive::Up,
        }
    }
}

/// Counts an attempt and gives attempts and failures of the window: this half and the one before.
fn tally(row: &GatewayAt<'_>, at: u32, failed: bool, window_s: u32) -> (u64, u64) {
    let half = u64::from(at / (window_s / 2).max(1)) & (u64::MAX >> (2 * TALLY_BITS));
    let words = [&row.row[gateway::TALLY], &row.row[gateway::TALLY + 1]];
    let this = (half & 1) as usize;
    let failed = u64::from(failed);
    let parts =
        |word: u64| (word >> (2 * TALLY_BITS), word >> TALLY_BITS & TALLY_MAX, word & TALLY_MAX);
    let mut now = (1, failed);
    // Never an error: the closure always answers.
    let _ = words[this].fetch_update(AcqRel, Acquire, |word| {
        let (stamp, attempts, failures) = parts(word);
        now = match stamp == half {
            true => ((attempts + 1).min(TALLY_MAX), (failures + failed).min(TALLY_MAX)),
            false => (1, failed),
        };
        Some(half << (2 * TALLY_BITS) | now.0 << TALLY_BITS | now.1)
    });
    let (stamp, attempts, failures) = parts(words[1 - this].load(Acquire));
    if stamp + 1 == half { (now.0 + attempts, now.1 + failures) } else { now }
}

fn clear_tallies(row: &GatewayAt<'_>) {
    row.row[gateway::TALLY].store(0, Relaxed);
    row.row[gateway::TALLY + 1].store(0, Relaxed);
}
