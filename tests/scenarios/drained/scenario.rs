//! See README.md beside this file.

use std::{process::Command, time::Duration};

use fsx_test_support::{
    place,
    rig::{Bench, Call, Rig},
    skip::skip,
    wait,
};

const LIMIT: Duration = Duration::from_secs(20);

#[test]
fn drained() {
    let Some(bench) = Bench::find("drained") else { return };
    let fs_cli = place::freeswitch().map(|switch| switch.binary.with_file_name("fs_cli"));
    let Some(fs_cli) = fs_cli.ok().filter(|path| path.is_file()) else {
        return skip("drained", "FreeSWITCH has no fs_cli beside it");
    };
    let mut rig = bench.start(&[(3001, "carrier-answers.xml"), (3002, "carrier-answers.xml")]);
    let _ = rig.generation();
    let salt = |rig: &Rig, words: &[&str]| {
        let (port, password) = rig.freeswitch.event_socket();
        let fs_cli = format!("{} -H 127.0.0.1 -P {port} -p {password}", fs_cli.display());
        let mut command = Command::new("sh");
        command.arg(place::source("salt/fsx/files/switch.sh")).args(words).env("FS_CLI", fs_cli);
        let done = command.output().expect("sh");
        let said = [done.stdout, done.stderr].concat();
        (done.status.success(), String::from_utf8_lossy(&said).into_owned())
    };
    let refused = Call { file: "caller-refused.xml", status: 503, ..Call::default() };

    let talk = Duration::from_secs(8);
    let mut caller = rig.begin(&Call { talk, ..Call::default() });
    let _ = caller.wait_for("SIP/2.0 200", LIMIT);
    assert_eq!(salt(&rig, &["pause"]), (true, String::new()));
    assert_eq!(rig.begin_direct(&refused, &[]).finish(LIMIT), 0, "a new call is refused");
    let (ok, said) = salt(&rig, &["wait", "1"]);
    assert!(!ok && said.contains("1 calls are still up after 1 s"), "{said}");
    let (ok, said) = salt(&rig, &["empty"]);
    assert!(!ok && said.contains("calls are up"), "{said}");
    assert!(!caller.ended(), "the call went on all the while");

    assert_eq!(salt(&rig, &["wait", "20"]), (true, String::new()));
    assert_eq!(caller.finish(LIMIT), 0);
    assert_eq!(salt(&rig, &["empty"]), (true, String::new()));
    let build = rig.freeswitch.api("fsx version");
    let build = build.trim().trim_start_matches("fsx ").to_owned();
    rig.freeswitch.restart();
    let (ok, said) = salt(&rig, &["loaded", "20", &build]);
    assert!(ok, "{said}");
    let (ok, said) = salt(&rig, &["loaded", "2", "0.0.0-another"]);
    assert!(!ok && said.contains("0.0.0-another") && said.contains(&build), "{said}");

    assert_eq!(salt(&rig, &["pause"]), (true, String::new()));
    assert_eq!(salt(&rig, &["resume"]), (true, String::new()));
    wait::until("calls to be let in", LIMIT, || {
        (rig.freeswitch.api("fsctl pause_check inbound").trim() == "false").then_some(())
    });
    rig.call(&Call { number: "07700900124", ..Call::default() });
    let _ = rig.daemon().wait_for_records(2, LIMIT);
    rig.close();
}
