//! A switch that queues what it is told, and is not to be left before it has parked the call.

use std::time::{Duration, Instant};

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::time::timeout;

use super::talk_tests::{Said, Switch, deeds, line, rig, run};
use super::tests::{LONG, call, reply, rig_of};

/// Whether the first thing that a switch is told besides questions is something to see done.
fn waited_for_the_park(heard: &[Said]) -> bool {
    let done = heard.iter().position(|said| matches!(said, Said::Run(..)));
    let left = heard.iter().position(|said| *said == line("exit"));
    done.is_some() && done < left && heard.contains(&line("myevents"))
}

#[tokio::test]
async fn a_conversation_on_an_async_socket() {
    let rig = rig("session:setVariable('a', '1')
         session:answer()
         assert(session:playAndGetDigits(1, 4, 3, 3000, '#', 'p.wav', '', '\\\\d+') == '42')
         session:execute('bridge', 'user/1')
         assert(session:getVariable('originate_disposition') == 'USER_BUSY')
         session:setVariable('b', '2')")
    .await;
    let mut switch = Switch::dial_async(&rig, "t").await;
    (switch.digits, switch.bridges) = (["42"].into(), ["USER_BUSY"].into());
    switch.until_done().await;
    assert!(waited_for_the_park(&switch.heard), "{:?}", switch.heard);
    let expected = [
        line("myevents"),
        run("set", "a=1"),
        run("answer", ""),
        run("play_and_get_digits", "1 4 3 3000 # p.wav '' fsx_digits_1 \\d+"),
        run("bridge", "user/1"),
        run("set", "b=2"),
        line("exit"),
    ];
    assert_eq!(deeds(switch.heard), expected);
}

/// An application takes its time; its `+OK` does not.
#[tokio::test]
async fn the_end_of_an_application_is_its_event() {
    let rig = rig("session:sleep(1) session:setVariable('late', '1') session:sleep(2)").await;
    let mut switch = Switch::dial_async(&rig, "t").await;
    assert_eq!(switch.hear().await, Some(line("myevents")));
    assert!(switch.obey(&line("myevents")).await);
    let first = switch.hear().await.expect("a command");
    assert_eq!(first, run("sleep", "1"));
    // The switch says +OK and goes on sleeping; nothing must come meanwhile.
    switch.only_ok().await;
    let early = timeout(Duration::from_millis(300), switch.hear()).await;
    assert!(early.is_err(), "told on before its end: {early:?}");
    switch.end_now().await;
    switch.until_done().await;
    let expected = [run("set", "late=1"), run("sleep", "2"), line("exit")];
    assert_eq!(deeds(switch.heard)[2..], expected);
}

#[tokio::test]
async fn nobody_leaves_before_the_call_is_parked() {
    let rig = rig_of(
        "function keep() end
         function note(s) s:setVariable('a', '1') end
         function route(s) s:execute('bridge', 'user/1') end
         function broken() error('boom') end",
        "version = \"1\"\n[call]\nkeep = \"x.lua:keep\"\nnote = \"x.lua:note\"\n\
         route = \"x.lua:route\"\nbroken = \"x.lua:broken\"\n",
        |config| config.max_calls = 1,
        |_| {},
    )
    .await;
    for task in ["keep", "note", "route", "broken", "no such task", "", super::PROBE] {
        let mut switch = Switch::dial_async(&rig, task).await;
        switch.until_done().await;
        assert!(waited_for_the_park(&switch.heard), "{task}: {:?}", switch.heard);
        // Its place must be free for the next.
        while switch.hear().await.is_some() {}
    }
    // Nor is a call that is refused because others are in.
    let _first = call(rig.address).await;
    let mut switch = Switch::dial_async(&rig, "keep").await;
    switch.until_done().await;
    assert!(waited_for_the_park(&switch.heard), "{:?}", switch.heard);
}

#[tokio::test]
async fn a_switch_that_never_tells_of_the_park_is_left_all_the_same() {
    let rig = rig("session:setVariable('a', '1')").await;
    let mut stream = call(rig.address).await;
    let text = reply("t", "").replace("Mode: static", "Mode: async");
    let started = Instant::now();
    stream.write_all(text.as_bytes()).await.expect("sent");
    let mut all = Vec::new();
    timeout(LONG, stream.read_to_end(&mut all)).await.expect("in time").expect("bytes");
    assert!(String::from_utf8_lossy(&all).ends_with("a=1exit\n\n"));
    assert!(started.elapsed() >= Duration::from_secs(2), "{:?}", started.elapsed());
}
