//! The table between processes: switches that work at the same time, and switches that are killed.
//!
//! This program runs itself again as those switches (`child <what> <path>`), hence no test harness. A
//! child says `ready` on its standard output and lives until its standard input ends or it is killed.

use std::{
    env,
    io::{BufRead as _, BufReader, Read as _},
    path::Path,
    process::{Child, Command, ExitCode, Stdio},
    time::{Duration, Instant},
};

use fsx_core::{
    Nano,
    data::{LiveView, Standing},
};
use fsx_live::{Fate, LiveSpec, LiveTable, Passive, PassiveRules, Place};

/// A test by name, given the path that its table is to have.
type Test = (&'static str, fn(&Path));

const AT: i64 = 1_768_903_200;
const MANY: u32 = 20_000;

fn main() -> ExitCode {
    let args: Vec<String> = env::args().collect();
    if let [_, child, what, path] = args.as_slice()
        && child == "child"
    {
        return run_child(what, Path::new(path));
    }
    let tests: [Test; 9] = [
        ("quality_of_many_processes_adds_up", quality_of_many_processes_adds_up),
        ("a_gateway_goes_down_once_for_all", a_gateway_goes_down_once_for_all),
        ("a_cut_file_kills_nobody", a_cut_file_kills_nobody),
        ("counts_of_many_processes_add_up", counts_of_many_processes_add_up),
        ("a_killed_owner_gives_its_calls_back", a_killed_owner_gives_its_calls_back),
        ("killed_at_any_moment", killed_at_any_moment),
        ("an_owner_that_lives_keeps_its_calls", an_owner_that_lives_keeps_its_calls),
        ("rows_are_claimed_once", rows_are_claimed_once),
        ("a_flip_is_seen_at_once", a_flip_is_seen_at_once),
    ];
    let wanted = args.iter().skip(1).find(|arg| !arg.starts_with('-'));
    let has = |word: &str| args.iter().any(|arg| arg == word);
    if has("--list") {
        // No test of ours is ignored: named in that list too, nextest would run none of them.
        if has("--ignored") {
            return ExitCode::SUCCESS;
        }
        tests.iter().for_each(|(name, _)| println!("{name}: test"));
        return ExitCode::SUCCESS;
    }
    for (name, test) in tests {
        if wanted.is_none_or(|part| name.contains(part.as_str())) {
            let dir = tempfile::tempdir().expect("tempdir");
            test(&dir.path().join("live")); // A panic ends the program, with a status that cargo sees.
            println!("test {name} ... ok");
        }
    }
    ExitCode::SUCCESS
}

fn table(path: &Path) -> LiveTable {
    let spec = LiveSpec { gateways: 64, organisations: 64, mode: 0o600 };
    LiveTable::create(path, &spec).expect("makes")
}

fn counts_of_many_processes_add_up(path: &Path) {
    let live = table(path);
    let mut children: Vec<_> = (0..4).map(|_| Switch::start("busy", path)).collect();
    children.iter_mut().for_each(Switch::ready);
    assert_eq!(live.calls_in_progress(5), 4 * MANY);
    assert_eq!(live.calls_this_second(5, AT), 8 * MANY);
    assert_eq!(live.spend(37), Some(Nano(4 * i64::from(MANY))));
    assert_eq!(live.stats().owners, 4);
    assert_eq!(live.overflow(), 0);
}

fn quality_of_many_processes_adds_up(path: &Path) {
    let live = table(path);
    let mut children: Vec<_> = (0..4).map(|_| Switch::start("measure", path)).collect();
    children.iter_mut().for_each(Switch::ready);
    // Killed at any moment, a fifth leaves at most its last call half counted.
    let mut killed = Switch::start("measure_on", path);
    killed.ready();
    until("it has measured", || live.quality(6).seizures > 100);
    killed.0.kill().expect("kills");
    killed.0.wait().expect("waits");
    let quality = live.quality(5);
    let sum = 4 * u64::from(MANY);
    assert_eq!((quality.seizures, quality.answers, quality.failed), (sum, sum / 2, sum / 5));
    assert_eq!((quality.ended, quality.talk_s, quality.rang, quality.pdd_ms), (sum, sum, sum, sum));
    let other = live.quality(6);
    assert!(other.seizures > 0 && other.seizures - other.ended <= 1, "{other:?}");
}

fn a_gateway_goes_down_once_for_all(path: &Path) {
    let live = table(path);
    let mut children: Vec<_> = (0..4).map(|_| Switch::start("fail", path)).collect();
    children.iter_mut().for_each(Switch::ready);
    let row = live.gateway_row(5, AT).expect("seen");
    assert_eq!((row.trips, row.passive), (1, Passive::Down { left_s: 30 }));
    assert_eq!(live.standing(5, AT), Standing::Last);
    // Three calls of all four on trial, and those are lost with their switches.
    let mut children: Vec<_> = (0..4).map(|_| Switch::start("try", path)).collect();
    children.iter_mut().for_each(Switch::ready);
    assert_eq!(live.spend(5), Some(Nano(3)), "let through");
    drop(children);
    assert!(!live.may_try(5, AT + 89, &PassiveRules::default()));
    assert!(live.may_try(5, AT + 90, &PassiveRules::default()));
}

fn a_cut_file_kills_nobody(path: &Path) {
    let live = table(path);
    let mut child = Switch::start("churn", path);
    child.ready();
    std::fs::OpenOptions::new().write(true).open(path).and_then(|f| f.set_len(0)).expect("cuts");
    std::thread::sleep(Duration::from_millis(200));
    assert!(child.0.try_wait().expect("looks").is_none(), "it goes on");
    assert!(matches!(live.look(path), Place::Damaged(_)));
}

fn a_killed_owner_gives_its_calls_back(path: &Path) {
    let live = table(path);
    let me = live.register_owner();
    assert!(live.begin_call(me, 5, AT));
    let (mut a, mut b) = (Switch::start("seven", path), Switch::start("seven", path));
    a.ready();
    b.ready();
    assert_eq!(live.calls_in_progress(5), 15);
    assert_eq!(live.reap_dead_owners(), 0, "all live");
    a.0.kill().expect("kills");
    // Dead and not yet asked after: a zombie is in the process table, and holds no calls.
    until("the child is a zombie", || {
        live.owners().iter().any(|owner| !owner.alive && owner.pid == a.0.id())
    });
    assert_eq!(live.calls_in_progress(5), 15, "until somebody looks");
    assert_eq!(live.reap_dead_owners(), 1);
    assert_eq!(live.calls_in_progress(5), 8);
    assert_eq!(live.reap_dead_owners(), 0);
    // The next owner takes the dead one's slot, and none of its calls.
    let mut c = Switch::start("seven", path);
    c.ready();
    assert_eq!(live.calls_in_progress(5), 15);
    assert_eq!(live.stats().owners, 3);
    assert_eq!(live.stats().owners_reaped, 1);
}

fn killed_at_any_moment(path: &Path) {
    let live = table(path);
    for round in 0..20 {
        let mut child = Switch::start("churn", path);
        child.ready();
        std::thread::sleep(Duration::from_micros(round * 137));
        child.0.kill().expect("kills");
        child.0.wait().expect("waits");
        live.reap_dead_owners();
        assert_eq!(live.calls_in_progress(5), 0, "round {round}");
        assert_eq!(live.stats().owners, 0, "round {round}");
    }
    assert!(live.load().iter().any(|g| g.gateway_id == 5 && g.calls_begun > 20));
    assert_eq!(live.overflow(), 0);
}

fn an_owner_that_lives_keeps_its_calls(path: &Path) {
    let live = table(path);
    let mut child = Switch::start("seven", path);
    child.ready();
    // A module that starts strikes off the dead, not the living.
    let me = live.register_owner();
    assert!(!me.is_none());
    assert_eq!(live.calls_in_progress(5), 7);
    drop(child);
    let again = live.register_owner();
    assert!(!again.is_none());
    assert_eq!(live.calls_in_progress(5), 0);
}

fn rows_are_claimed_once(path: &Path) {
    let live = table(path);
    let mut children: Vec<_> = (0..4).map(|_| Switch::start("claim", path)).collect();
    children.iter_mut().for_each(Switch::ready);
    let stats = live.stats();
    assert_eq!((stats.gateways, stats.organisations, stats.data_centres), (48, 48, 48));
    assert_eq!(live.health().len(), 48);
    for n in 0..48 {
        assert_eq!(live.spend(n), Some(Nano(4)), "organisation {n}");
        assert!(!live.healthy(n, &format!("DC{n}")), "gateway {n}");
    }
    assert_eq!(live.overflow(), 0);
}

fn a_flip_is_seen_at_once(path: &Path) {
    let live = table(path);
    let mut child = Switch::start("mirror", path);
    child.ready();
    live.set_healthy(5, "LON1", false);
    until("down is seen", || live.generation() == 1);
    live.set_healthy(5, "LON1", true);
    until("up is seen", || live.generation() == 2);
}

fn measure(live: &LiveTable, gateway: u32, n: u32) {
    live.count_attempt(gateway, AT, n.is_multiple_of(2), n.is_multiple_of(5));
    live.count_delay(gateway, AT, 1);
    live.count_talk(gateway, AT, 1000);
}

/// A child process, gone at the end of the test whatever happens.
struct Switch(Child);

impl Switch {
    fn start(what: &str, path: &Path) -> Self {
        let child = Command::new(env::current_exe().expect("own path"))
            .args(["child", what])
            .arg(path)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .expect("starts");
        Self(child)
    }

    fn ready(&mut self) {
        let mut line = String::new();
        let stdout = self.0.stdout.as_mut().expect("piped");
        BufReader::new(stdout).read_line(&mut line).expect("reads");
        assert_eq!(line, "ready\n");
    }
}

impl Drop for Switch {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

fn until(what: &str, met: impl Fn() -> bool) {
    let begun = Instant::now();
    while !met() {
        assert!(begun.elapsed() < Duration::from_secs(20), "waited in vain until {what}");
        std::thread::sleep(Duration::from_millis(2));
    }
}

fn run_child(what: &str, path: &Path) -> ExitCode {
    let live = LiveTable::open(path).expect("opens");
    let ready = || println!("ready");
    match what {
        "busy" => {
            let me = live.register_owner();
            for _ in 0..MANY {
                assert!(live.begin_call(me, 5, AT) && live.begin_call(me, 5, AT));
                live.end_call(me, 5);
                live.add_spend(37, Nano(1));
            }
        }
        "seven" => {
            let me = live.register_owner();
            (0..7).for_each(|_| assert!(live.begin_call(me, 5, AT)));
        }
        "churn" => {
            let me = live.register_owner();
            ready();
            loop {
                live.begin_call(me, 5, AT);
                live.begin_call(me, 5, AT);
                live.end_call(me, 5);
                live.end_call(me, 5);
            }
        }
        "measure" => {
            for n in 0..MANY {
                measure(&live, 5, n);
            }
        }
        "measure_on" => {
            ready();
            (0..u32::MAX).for_each(|n| measure(&live, 6, n));
        }
        "fail" => {
            for _ in 0..MANY {
                live.attempt_ended(5, AT, Fate::Failed, &PassiveRules::default());
            }
        }
        "try" => {
            for _ in 0..100 {
                if live.may_try(5, AT + 30, &PassiveRules::default()) {
                    live.add_spend(5, Nano(1)); // Lent as a counter.
                }
            }
        }
        "claim" => {
            for n in 0..48 {
                assert!(live.set_healthy(n, &format!("DC{n}"), false));
                assert!(live.add_spend(n, Nano(1)));
            }
        }
        "mirror" => {
            ready();
            until("the gateway is down", || !live.healthy(5, "LON1"));
            live.set_generation(1);
            until("the gateway is up", || live.healthy(5, "LON1"));
            live.set_generation(2);
            return ExitCode::SUCCESS;
        }
        other => panic!("no child called {other}"),
    }
    ready();
    // Ends with the parent, however that ends.
    let _ = std::io::stdin().read(&mut [0]);
    ExitCode::SUCCESS
}
