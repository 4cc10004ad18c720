//! See README.md beside this file.

use std::{collections::BTreeSet, time::Duration};

use fsx_test_support::{
    rig::{Bench, Call},
    wait,
};

/// How many calls, and how many of each kind.
const CALLS: usize = 100;
const EACH: u32 = 50;

/// From the first call to the last one's end.
const LIMIT: Duration = Duration::from_secs(60);

#[test]
fn policy_hundred_calls() {
    let Some(bench) = Bench::find("policy-hundred-calls") else { return };
    let carriers = [(3001, "carrier-answers.xml"), (4001, "carrier-answers.xml")];
    let mut rig = bench.for_calls(2 * CALLS as u16 + 20).start(&carriers);
    let _ = rig.generation();

    let call = Call {
        file: "caller-key.xml",
        number: "02079460100",
        calls: EACH,
        rate: 25,
        talk: Duration::from_secs(14),
        ..Call::default()
    };
    let mut callers: Vec<_> = ["1", "2"]
        .map(|key| rig.begin_direct(&Call { ..call.clone() }, &[("key1", key)]))
        .into_iter()
        .collect();
    wait::until("a hundred callers to talk to somebody", LIMIT, || {
        (rig.freeswitch.channels() >= 2 * CALLS).then_some(())
    });
    for caller in &mut callers {
        assert_eq!(caller.finish(LIMIT), 0, "SIPp's exit code");
    }
    assert_eq!(rig.dialled_at(3001).len(), EACH as usize);
    assert_eq!(rig.dialled_at(4001).len(), EACH as usize);

    let over = |log: &str| -> Vec<String> {
        log.lines()
            .filter_map(|line| line.split_once("over "))
            .map(|(_, said)| said.to_owned())
            .filter(|said| said.contains(" key "))
            .collect()
    };
    wait::until("a hundred hooks", LIMIT, || {
        (over(&rig.daemon().log()).len() >= CALLS).then_some(())
    });
    let said = over(&rig.daemon().log());
    assert_eq!(said.len(), CALLS, "a hook ran twice");
    let mut marks = BTreeSet::new();
    for line in &said {
        let words: Vec<&str> = line.split(' ').collect();
        let [cause, mark, seen, "key", key, ..] = words.as_slice() else { panic!("{line}") };
        assert_eq!(*cause, "NORMAL_CLEARING", "{line}");
        assert_eq!(mark, seen, "one call saw another's variable");
        assert!(["1", "2"].contains(&key.trim_matches('"')), "{line}");
        marks.insert((*mark).to_owned());
    }
    assert_eq!(marks.len(), CALLS, "a call is missing");
    wait::until("all calls to end", LIMIT, || (rig.freeswitch.channels() == 0).then_some(()));
    rig.close();
}
