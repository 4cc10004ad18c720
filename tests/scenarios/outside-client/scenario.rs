//! See README.md beside this file.

use std::{env, path::PathBuf, process::Command, time::Duration};

use fsx_test_support::{child::ChildGuard, place, rig::Bench, skip::skip};
use serde_json::{Value, json};

/// An interpreter that has greenswitch.
fn python() -> Result<PathBuf, String> {
    let named = env::var_os("FSX_PYTHON").map(PathBuf::from);
    let target =
        env::var_os("FSX_TARGET_DIR").map_or_else(|| place::source("target"), PathBuf::from);
    let python = named.unwrap_or_else(|| target.join("python-esl/bin/python"));
    let has = Command::new(&python).args(["-c", "import greenswitch"]).output();
    match has {
        Ok(done) if done.status.success() => Ok(python),
        _ => Err("no Python with greenswitch (pkg/setup.sh test, or FSX_PYTHON)".to_owned()),
    }
}

#[test]
fn outside_client() {
    let python = match python() {
        Ok(python) => python,
        Err(why) => return skip("outside-client", &why),
    };
    let Some(bench) = Bench::find("outside-client") else { return };
    let rig = bench.start(&[]);
    for module in ["mod_loopback", "mod_tone_stream"] {
        assert!(rig.freeswitch.api(&format!("load {module}")).contains("+OK"), "no {module}");
    }
    let (port, password) = rig.freeswitch.event_socket();
    let mut command = Command::new(python);
    command.arg(place::source("tests/python/drive.py")).arg(port.to_string()).arg(password);
    let out = rig.run.file("drive.json");
    let mut child = ChildGuard::spawn("drive.py", &mut command, &out);
    let status = child.wait(Duration::from_secs(40));
    let said = child.log();
    assert!(status.success(), "{said}");
    let seen: Value = serde_json::from_str(said.trim()).unwrap_or_else(|e| panic!("{e}: {said}"));
    assert_eq!(
        seen,
        json!({
            "applications": [
                ["set", "rmOrgID=37"],
                ["set", "rmHCDCode=44"],
                ["set", "rmSocketTask=Outside::menu sales"],
                ["set", "fsx_policy_version=default@1"],
                ["answer", ""],
                ["set", "department=sales"],
                ["play_and_get_digits", "1 2 1 8000 # silence_stream://200 '' fsx_digits_1 \\d+"],
                ["set", "chosen=42"],
                ["hangup", "USER_BUSY"]
            ],
            "department": "sales",
            "chosen": "42",
            "cause": "USER_BUSY"
        })
    );
    rig.close();
}
