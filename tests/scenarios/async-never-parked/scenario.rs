//! See README.md beside this file.

use std::time::{Duration, Instant};

use fsx_test_support::{
    rig::{Bench, Call},
    wait,
};

/// Longer than any step may take.
const SOON: Duration = Duration::from_secs(20);

#[test]
fn async_never_parked() {
    let Some(bench) = Bench::find("async-never-parked") else { return };
    let mut rig = bench.start(&[]);
    assert!(rig.freeswitch.api("load mod_tone_stream").contains("+OK"), "no mod_tone_stream");
    // Executed, not only listed.
    let went_on = |log: &str, noted: &str| {
        let line = format!("the dialplan goes on: {noted}.");
        log.lines().filter(|l| l.contains("EXECUTE ") && l.contains(&line)).count()
    };
    let refused = Call { file: "caller-refused.xml", status: 486, ..Call::default() };
    for (number, noted) in [
        ("07700900200", "noted= "),
        ("07700900201", "noted= true"),
        ("07700900202", "noted=here "),
        ("07700900203", "noted= "),
        ("07700900204", ""),
    ] {
        let before = went_on(&rig.freeswitch.log(&rig.run), noted);
        rig.call(&Call { number, ..refused.clone() });
        wait::until("no call to be left", SOON, || (rig.freeswitch.channels() == 0).then_some(()));
        if !noted.is_empty() {
            let after = went_on(&rig.freeswitch.log(&rig.run), noted);
            assert_eq!(after, before + 1, "{number}: {noted:?}");
        }
    }
    assert_eq!(went_on(&rig.freeswitch.log(&rig.run), ""), 0);

    // The switch ends these calls; the caller's file expects to do so itself.
    let talk = |number| Call { number, talk: Duration::from_secs(10), ..Call::default() };
    let mut caller = rig.begin(&talk("07700900205"));
    wait::until("the dialplan to go on after a conversation", SOON, || {
        (went_on(&rig.freeswitch.log(&rig.run), "noted=one and two ") == 1).then_some(())
    });
    let _ = caller.finish(SOON);
    assert!(rig.daemon().log().contains("talked, answered true"), "{}", rig.daemon().log());

    let mut caller = rig.begin(&talk("07700900206"));
    wait::until("the long tone", SOON, || {
        let log = rig.freeswitch.log(&rig.run);
        log.lines()
            .any(|l| l.contains("EXECUTE ") && l.contains("playback(silence_stream://15000)"))
            .then_some(())
    });
    let killed = Instant::now();
    rig.daemon().kill();
    wait::until("the dialplan to go on without the daemon", SOON, || {
        (went_on(&rig.freeswitch.log(&rig.run), "noted=long ") == 1).then_some(())
    });
    assert!(killed.elapsed() < Duration::from_secs(8), "{:?}", killed.elapsed());
    let _ = caller.finish(SOON);
    rig.daemon().start();
    wait::until("no call to be left", SOON, || (rig.freeswitch.channels() == 0).then_some(()));
    rig.close();
}
