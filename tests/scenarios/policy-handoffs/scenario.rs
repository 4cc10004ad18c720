//! See README.md beside this file.

use std::time::Duration;

use fsx_test_support::{
    rig::{Bench, Call, Rig},
    sipp::Sipp,
    skip::skip,
    wait,
};

/// From a step to its trace.
const SOON: Duration = Duration::from_secs(20);

/// A call to `number` that presses `key`.
fn begin(rig: &mut Rig, number: &str, key: &str, talk_s: u64) -> Sipp {
    let talk = Duration::from_secs(talk_s);
    let call = Call { file: "caller-keys.xml", number, talk, ..Call::default() };
    rig.begin_direct(&call, &[("key1", key), ("key2", "5")])
}

/// What the policy said came of it.
fn came_to(rig: &mut Rig, what: &str) -> String {
    let start = format!("{what} came to ");
    wait::until(what, SOON, || {
        let log = rig.daemon().log();
        let line = log.lines().find_map(|line| line.split_once(start.as_str()))?.1.to_owned();
        Some(line.split(" org=").next().unwrap_or("").trim().to_owned())
    })
}

/// An agent of `gateway` takes the call, and they talk until the caller hangs up.
fn is_taken(rig: &mut Rig, number: &str, what: &str, gateway: u32) {
    let before = rig.carriers[&gateway].calls_received().len();
    // Without keys, which would be passed on to the agent.
    let call = Call { number, talk: Duration::from_secs(6), ..Call::default() };
    let mut caller = rig.begin_direct(&call, &[]);
    rig.carriers[&gateway].wait_for_calls(before + 1, SOON);
    let start = format!("{what} came to taken");
    wait::until(&start, SOON, || rig.daemon().log().contains(&start).then_some(()));
    wait::until("the two to be connected", SOON, || {
        rig.freeswitch.api("show bridged_calls").contains("1 total").then_some(())
    });
    // The script has ended; they still talk.
    std::thread::sleep(Duration::from_secs(1));
    assert!(rig.freeswitch.api("show bridged_calls").contains("1 total"), "{what}: cut off");
    assert_eq!(caller.finish(SOON), 0, "SIPp's exit code: the caller was hung up on");
}

#[test]
fn policy_handoffs() {
    let Some(bench) = Bench::find("policy-handoffs") else { return };
    let mut rig = bench.start(&[(4001, "carrier-answers.xml"), (4002, "carrier-answers.xml")]);
    let _ = rig.generation();
    let has = |module: &str| {
        // A load that fails says +OK as well, of the XML that it read anew.
        let _ = rig.freeswitch.api(&format!("load {module}"));
        let there = rig.freeswitch.api(&format!("module_exists {module}")).trim() == "true";
        if !there {
            skip(&format!("policy-handoffs: {module}"), "FreeSWITCH has no such module");
        }
        there
    };
    let (fifo, callcenter, voicemail) =
        (has("mod_fifo"), has("mod_callcenter"), has("mod_voicemail"));

    // Those who wait in vain do it while others are served.
    let mut callers = Vec::new();
    if fifo {
        callers.push(begin(&mut rig, "02079460502", "7", 4));
        callers.push(begin(&mut rig, "02079460506", "0", 3));
    }
    if callcenter {
        callers.push(begin(&mut rig, "02079460504", "7", 8));
        callers.push(begin(&mut rig, "02079460505", "7", 8));
        callers.push(begin(&mut rig, "02079460507", "0", 3));
    }
    if voicemail {
        callers.push(begin(&mut rig, "02079460508", "7", 1));
    }
    if fifo {
        is_taken(&mut rig, "02079460501", "fifo_taken", 4001);
        assert_eq!(came_to(&mut rig, "fifo_lonely"), "timeout nil there true");
        assert_eq!(came_to(&mut rig, "fifo_left"), "exit 0 there true");
    }
    if callcenter {
        is_taken(&mut rig, "02079460503", "queue_taken", 4002);
        assert_eq!(came_to(&mut rig, "queue_nobody"), "no_agents nil there true");
        assert_eq!(came_to(&mut rig, "queue_slow"), "timeout nil there true");
        assert_eq!(came_to(&mut rig, "queue_left"), "exit 0 there true");
    }
    if voicemail {
        // A key ends the message.
        assert_eq!(came_to(&mut rig, "mailbox"), "taken nil there true");
        let log = rig.freeswitch.log(&rig.run);
        let app =
            |l: &&str| l.contains("EXECUTE ") && l.contains("voicemail(default acme.example 1003)");
        assert_eq!(log.lines().filter(app).count(), 1);
    }
    for caller in &mut callers {
        assert_eq!(caller.finish(SOON), 0, "SIPp's exit code");
    }
    wait::until("all calls to end", SOON, || (rig.freeswitch.channels() == 0).then_some(()));
    let log = rig.freeswitch.log(&rig.run);
    let on = |l: &&str| l.contains("EXECUTE ") && l.contains("the dialplan goes on");
    assert_eq!(log.lines().filter(on).count(), 0, "nothing ran after a hand-off");
    rig.close();
}
