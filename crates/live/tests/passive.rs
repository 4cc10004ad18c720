//! Gateways that fail their calls go down, are tried again, and come back.

use fsx_core::data::{LiveView, Standing};
use fsx_live::{Fate, LiveSpec, LiveTable, Operator, Passive, PassiveRules, Turn};

const AT: i64 = 1_768_903_200;

const RULES: PassiveRules = PassiveRules {
    min_attempts: 10,
    share_percent: 60,
    window_s: 60,
    down_s: 30,
    max_down_s: 100,
    trial_calls: 2,
};

struct Desk {
    _dir: tempfile::TempDir,
    live: LiveTable,
}

impl Desk {
    fn new() -> Self {
        let dir = tempfile::tempdir().expect("tempdir");
        let spec = LiveSpec { gateways: 16, organisations: 16, mode: 0o600 };
        let live = LiveTable::create(dir.path().join("live"), &spec).expect("makes");
        Self { _dir: dir, live }
    }

    /// One attempt at gateway 5 at a second, as a switch makes it.
    fn call(&self, second: i64, fate: Fate) -> (bool, Option<Turn>) {
        let may = self.live.may_try(5, AT + second, &RULES);
        (may, self.live.attempt_ended(5, AT + second, fate, &RULES))
    }

    fn calls(&self, count: usize, second: i64, fate: Fate) -> Vec<Turn> {
        (0..count).filter_map(|_| self.call(second, fate).1).collect()
    }

    fn passive(&self, second: i64) -> Passive {
        self.live.gateway_row(5, AT + second).expect("seen").passive
    }

    fn standing(&self, second: i64) -> Standing {
        self.live.standing(5, AT + second)
    }
}

fn down(for_s: u32, failures: u32, attempts: u32) -> Turn {
    Turn::Down { for_s, failures, attempts }
}

#[test]
fn few_failures_are_no_reason() {
    let desk = Desk::new();
    assert_eq!(desk.calls(9, 0, Fate::Failed), []);
    assert!(desk.live.all_ordinary() && desk.standing(0) == Standing::Ordinary);
}

#[test]
fn a_share_below_the_limit_is_no_reason() {
    let desk = Desk::new();
    assert_eq!(desk.calls(9, 0, Fate::Alive), []);
    // 13 of 22 is 59 %, 14 of 23 is 60.9 %.
    assert_eq!(desk.calls(13, 1, Fate::Failed), []);
    assert_eq!(desk.calls(1, 1, Fate::Failed), [down(30, 14, 23)]);
}

#[test]
fn calls_that_say_nothing_do_not_count() {
    let desk = Desk::new();
    assert_eq!(desk.calls(50, 0, Fate::Unknown), []);
    assert_eq!(desk.calls(10, 0, Fate::Failed), [down(30, 10, 10)]);
}

#[test]
fn the_window_forgets() {
    let desk = Desk::new();
    assert_eq!(desk.calls(9, 0, Fate::Failed), []);
    assert_eq!(desk.calls(1, 61, Fate::Failed), [], "a minute later");
    assert_eq!(desk.calls(8, 62, Fate::Failed), []);
    // The half before counts with this one.
    assert_eq!(desk.calls(1, 89, Fate::Failed), [down(30, 10, 10)]);
}

#[test]
fn down_then_on_trial_then_up() {
    let desk = Desk::new();
    assert_eq!(desk.calls(10, 0, Fate::Failed), [down(30, 10, 10)]);
    assert!(!desk.live.all_ordinary());
    assert_eq!((desk.standing(0), desk.standing(29)), (Standing::Last, Standing::Last));
    assert_eq!(desk.passive(16), Passive::Down { left_s: 14 });
    assert!(!desk.live.may_try(5, AT + 29, &RULES));
    // Tried last all the same: what comes of that changes nothing before the time.
    assert_eq!(desk.call(10, Fate::Alive), (false, None));
    assert_eq!(desk.call(10, Fate::Failed), (false, None));
    // Two calls at a time, and no third until one has told.
    assert_eq!(desk.standing(30), Standing::Ordinary);
    assert!(desk.live.may_try(5, AT + 30, &RULES) && desk.live.may_try(5, AT + 30, &RULES));
    assert!(!desk.live.may_try(5, AT + 30, &RULES));
    assert_eq!(desk.standing(30), Standing::Last);
    assert_eq!(desk.passive(30), Passive::Trial { good: 0, of: 2 });
    assert_eq!(desk.live.attempt_ended(5, AT + 31, Fate::Alive, &RULES), None);
    assert_eq!(desk.passive(31), Passive::Trial { good: 1, of: 2 });
    assert_eq!(desk.live.attempt_ended(5, AT + 31, Fate::Alive, &RULES), Some(Turn::Up));
    assert_eq!((desk.passive(31), desk.standing(31)), (Passive::Up, Standing::Ordinary));
    // Nothing is held against it: it takes ten more failures.
    assert_eq!(desk.calls(9, 31, Fate::Failed), []);
    desk.live.tick(AT + 31);
    assert!(desk.live.all_ordinary());
}

#[test]
fn one_failure_on_trial_doubles_the_time_up_to_the_most() {
    let desk = Desk::new();
    assert_eq!(desk.calls(10, 0, Fate::Failed), [down(30, 10, 10)]);
    for (second, for_s) in [(30, 60), (90, 100), (190, 100)] {
        assert_eq!(desk.call(second, Fate::Failed), (true, Some(down(for_s, 0, 0))), "{second}");
        assert_eq!(desk.standing(second + i64::from(for_s) - 1), Standing::Last);
    }
    // Up for a short time, and down again: the time is that of a second failure.
    assert_eq!(desk.calls(2, 290, Fate::Alive), [Turn::Up]);
    assert_eq!(desk.calls(10, 291, Fate::Failed), [down(100, 10, 10)]);
    // Up for longer than it was ever down: as if for the first time.
    assert_eq!(desk.calls(2, 391, Fate::Alive), [Turn::Up]);
    assert_eq!(desk.calls(10, 492, Fate::Failed), [down(30, 10, 10)]);
    assert_eq!(desk.live.gateway_row(5, AT).expect("seen").trips, 6);
}

#[test]
fn a_caller_who_leaves_gives_the_trial_back() {
    let desk = Desk::new();
    desk.calls(10, 0, Fate::Failed);
    for _ in 0..10 {
        assert_eq!(desk.call(40, Fate::Unknown), (true, None));
    }
    assert_eq!(desk.passive(40), Passive::Trial { good: 0, of: 2 });
}

#[test]
fn calls_on_trial_that_never_tell_are_given_up() {
    let desk = Desk::new();
    desk.calls(10, 0, Fate::Failed);
    assert!(desk.live.may_try(5, AT + 30, &RULES) && desk.live.may_try(5, AT + 30, &RULES));
    // Their switch was killed.
    assert!(!desk.live.may_try(5, AT + 89, &RULES));
    assert!(desk.live.may_try(5, AT + 90, &RULES));
    assert_eq!(desk.live.attempt_ended(5, AT + 91, Fate::Alive, &RULES), None);
    assert!(desk.live.may_try(5, AT + 91, &RULES));
    assert_eq!(desk.live.attempt_ended(5, AT + 91, Fate::Alive, &RULES), Some(Turn::Up));
}

#[test]
fn a_clock_set_back_does_not_keep_it_down() {
    let desk = Desk::new();
    desk.calls(10, 86_400, Fate::Failed);
    assert_eq!(desk.standing(86_400), Standing::Last);
    assert_eq!(desk.standing(0), Standing::Ordinary);
    assert!(desk.live.may_try(5, AT, &RULES));
}

#[test]
fn an_operators_word_comes_first() {
    let desk = Desk::new();
    let word = |operator| assert!(desk.live.set_operator(5, operator));
    desk.calls(10, 0, Fate::Failed);
    desk.live.set_healthy(5, "LON1", false);
    word(Operator::Up);
    assert!(desk.live.healthy(5, "LON1") && desk.live.may_try(5, AT, &RULES));
    assert!(!desk.live.probed_healthy(5, "LON1"));
    assert_eq!(desk.standing(0), Standing::Ordinary);
    word(Operator::Down);
    desk.live.set_healthy(5, "LON1", true);
    assert_eq!((desk.standing(0), desk.live.may_try(5, AT, &RULES)), (Standing::Out, false));
    desk.live.tick(AT);
    assert!(!desk.live.all_ordinary(), "it is still down");
    // Back to what is measured, with nothing held against it.
    word(Operator::Auto);
    assert!(desk.live.healthy(5, "LON1"));
    assert_eq!((desk.standing(0), desk.passive(0)), (Standing::Ordinary, Passive::Up));
    desk.live.tick(AT);
    assert!(desk.live.all_ordinary());
}

#[test]
fn only_that_gateway_is_down() {
    let desk = Desk::new();
    desk.calls(10, 0, Fate::Failed);
    assert_eq!(desk.live.standing(6, AT), Standing::Ordinary);
    assert!(desk.live.may_try(6, AT, &RULES));
    assert!(desk.live.healthy(5, "LON1"), "the prober's word is another matter");
}

#[test]
fn threads_take_it_down_once_and_let_no_more_through_than_allowed() {
    for round in 0..50 {
        let desk = Desk::new();
        let start = std::sync::Barrier::new(4);
        let turns: usize = std::thread::scope(|scope| {
            let failing = || {
                start.wait();
                desk.calls(10, 0, Fate::Failed).len()
            };
            let threads: Vec<_> = (0..4).map(|_| scope.spawn(failing)).collect();
            threads.into_iter().map(|thread| thread.join().expect("ends")).sum()
        });
        assert_eq!(turns, 1, "round {round}");
        let through: usize = std::thread::scope(|scope| {
            let trying = || {
                start.wait();
                (0..5).filter(|_| desk.live.may_try(5, AT + 30, &RULES)).count()
            };
            let threads: Vec<_> = (0..4).map(|_| scope.spawn(trying)).collect();
            threads.into_iter().map(|thread| thread.join().expect("ends")).sum()
        });
        assert_eq!(through, 2, "round {round}");
    }
}

#[test]
fn trouble_is_never_lost_to_a_look() {
    for round in 0..200 {
        let desk = Desk::new();
        let start = std::sync::Barrier::new(2);
        std::thread::scope(|scope| {
            scope.spawn(|| {
                start.wait();
                desk.calls(10, 0, Fate::Failed);
                desk.live.set_operator(6, Operator::Down);
            });
            scope.spawn(|| {
                start.wait();
                (0..50).for_each(|_| desk.live.tick(AT));
            });
        });
        assert!(!desk.live.all_ordinary(), "round {round}");
        assert_eq!(desk.live.standing(6, AT), Standing::Out);
    }
}
