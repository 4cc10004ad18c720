//! See README.md beside this file.

use std::{fs, os::unix::fs::MetadataExt as _, time::Duration};

use fsx_test_support::{
    rig::{Bench, Call, Rig},
    wait,
};

#[test]
fn module_replaced() {
    let Some(bench) = Bench::find("module-replaced") else { return };
    let mut rig = bench.start(&[(3001, "carrier-answers.xml"), (3002, "carrier-answers.xml")]);
    let _ = rig.generation();

    let caller = rig.begin(&Call { calls: 0, rate: 30, ..Call::default() });
    rig.more_calls(3001, 20);
    let module = rig.run.file("fs/mod/mod_fsx.so");
    let (old, draft) = (inode(&module), rig.run.file("fs/mod/mod_fsx.so.new"));
    fs::copy(&module, &draft).expect("a copy");
    fs::rename(&draft, &module).expect("a rename");
    let new = inode(&module);
    assert_ne!(old, new);
    rig.more_calls(3001, 20);
    let _ = rig.freeswitch.api("reload mod_fsx");
    assert!(rig.freeswitch.api("fsx status").starts_with("+OK"));
    assert_eq!(mapped(&rig), old, "the running switch keeps the code that it has");
    rig.more_calls(3001, 20);
    let records = rig.expect_nothing_lost(caller, 3001).len();

    let said = rig.freeswitch.api("fsctl pause inbound");
    assert!(said.starts_with("+OK"), "{said}");
    let refused = Call { file: "caller-refused.xml", status: 503, ..Call::default() };
    assert_eq!(rig.begin_direct(&refused, &[]).finish(Duration::from_secs(10)), 0);
    rig.expect_at_rest();
    rig.freeswitch.restart();
    wait::until("the switch to route again", Duration::from_secs(10), || {
        rig.freeswitch.api("fsx status").starts_with("+OK").then_some(())
    });
    assert_eq!(mapped(&rig), new, "a restart takes the new file");
    rig.call(&Call { calls: 5, ..Call::default() });
    let _ = rig.daemon().wait_for_records(records + 5, Duration::from_secs(10));
    rig.expect_at_rest();
    rig.close();
}

fn inode(file: &std::path::Path) -> u64 {
    fs::metadata(file).expect("the module").ino()
}

/// Inode of the module's code in the switch's memory.
fn mapped(rig: &Rig) -> u64 {
    let maps = fs::read_to_string(format!("/proc/{}/maps", rig.freeswitch.pid())).expect("maps");
    let line = maps.lines().find(|line| line.contains("mod_fsx.so")).expect("mod_fsx is loaded");
    let inode = line.split_whitespace().nth(4).and_then(|inode| inode.parse().ok());
    inode.unwrap_or_else(|| panic!("no inode in {line:?}"))
}
