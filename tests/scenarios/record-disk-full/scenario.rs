//! See README.md beside this file.

use std::{path::PathBuf, process::Command, time::Duration};

use fsx_test_support::{
    rig::{Bench, Call, Rig},
    skip::skip,
    wait,
};

const LIMIT: Duration = Duration::from_secs(20);

#[test]
fn record_disk_full() {
    let Some(bench) = Bench::find("record-disk-full") else { return };
    let mut rig = bench.start(&[(3001, "carrier-answers.xml"), (3002, "carrier-answers.xml")]);
    let _ = rig.generation();
    let Some(disk) = SmallDisk::mount(rig.daemon().file("spool")) else {
        skip("record-disk-full", "a small disk cannot be mounted here (root can)");
        return rig.close();
    };

    rig.daemon().kill();
    let caller = rig.begin(&Call { calls: 0, rate: 30, ..Call::default() });
    wait::until("records to wait for room", LIMIT, || (waiting(&rig) > 20).then_some(()));
    assert!(rig.counter("records_spooled") > 10, "the disk took some first");
    rig.more_calls(3001, 20);
    assert!(rig.freeswitch.log(&rig.run).contains("records wait in memory: spool "));

    disk.make_room();
    wait::until("no record to wait", LIMIT, || (waiting(&rig) == 0).then_some(()));
    rig.daemon().start();
    let _ = rig.expect_nothing_lost(caller, 3001);
    assert_eq!(waiting(&rig), 0);
    rig.close();
}

/// Records that wait in FreeSWITCH's memory.
fn waiting(rig: &Rig) -> u64 {
    let text = rig.freeswitch.api("fsx status as json");
    let status: serde_json::Value = serde_json::from_str(&text).expect("JSON");
    status["records_waiting"].as_u64().expect("a count")
}

/// A small disk over a directory, until dropped.
struct SmallDisk(PathBuf);

impl SmallDisk {
    fn mount(at: PathBuf) -> Option<Self> {
        let mut command = Command::new("mount");
        command.args(["-t", "tmpfs", "-o", "size=64k,mode=0777", "tmpfs"]).arg(&at);
        let mounted = command.output().is_ok_and(|done| done.status.success());
        mounted.then_some(Self(at))
    }

    fn make_room(&self) {
        let mut command = Command::new("mount");
        let done = command.args(["-o", "remount,size=64m"]).arg(&self.0).status();
        assert!(done.is_ok_and(|status| status.success()), "cannot enlarge the disk");
    }
}

impl Drop for SmallDisk {
    fn drop(&mut self) {
        // Lazily: somebody may have a file of it open.
        let _ = Command::new("umount").arg("-l").arg(&self.0).status();
    }
}
