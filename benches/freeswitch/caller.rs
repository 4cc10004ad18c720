//! The device and the carrier: SIPp without message logs, which would cost more than the calls.

use std::{
    fs,
    path::{Path, PathBuf},
    process::Command,
    time::{Duration, Instant},
};

use fsx_test_support::{child::ChildGuard, ports::Ports, run_dir::RunDir, sipp::udp_bound};

/// Longest that a round may take.
const LIMIT: Duration = Duration::from_secs(300);

/// A SIPp that answers every call at once.
#[derive(Debug)]
pub(crate) struct Carrier {
    _child: ChildGuard,
    pub(crate) port: Ports,
}

impl Carrier {
    /// Starts it.
    pub(crate) fn start(sipp: &Path, run: &RunDir) -> Self {
        let port = Ports::one();
        let file = run.write("sipp/carrier.xml", include_str!("carrier.xml"));
        let mut command = sipp_command(sipp, run, &file, &port);
        command.args(["-aa"]);
        let mut child =
            ChildGuard::spawn("SIPp carrier", &mut command, &run.file("sipp/carrier.log"));
        let at = port.port();
        child.ready("its socket", Duration::from_secs(15), || udp_bound(at).then_some(()));
        Self { _child: child, port }
    }
}

/// What a device needs to place its calls.
#[derive(Debug)]
pub(crate) struct Caller {
    sipp: PathBuf,
    scenario: PathBuf,
    numbers: PathBuf,
}

impl Caller {
    /// One that calls `numbers` in turn.
    pub(crate) fn new(sipp: &Path, run: &RunDir, numbers: &[String]) -> Self {
        let text = format!("SEQUENTIAL\n{}\n", numbers.join(";\n"));
        Self {
            sipp: sipp.to_owned(),
            scenario: run.write("sipp/caller.xml", include_str!("caller.xml")),
            numbers: run.write("sipp/numbers.csv", &text),
        }
    }

    /// Places `calls` calls at `to`, `at_once` of them at a time and as fast as they end, and gives how
    /// long that took.
    ///
    /// # Panics
    /// When one call did not go as it should: figures over failed calls are worth nothing.
    pub(crate) fn call(&self, run: &RunDir, to: u16, calls: u32, at_once: u32) -> Duration {
        let port = Ports::one();
        let mut command = sipp_command(&self.sipp, run, &self.scenario, &port);
        command
            .arg("-inf")
            .arg(&self.numbers)
            .args(["-m", &calls.to_string(), "-l", &at_once.to_string()])
            .args(["-r", "5000", "-timeout", "290s", "-timeout_error"])
            .arg(format!("127.0.0.1:{to}"));
        let log = run.file("sipp/caller.log");
        let begun = Instant::now();
        let mut child = ChildGuard::spawn("SIPp caller", &mut command, &log);
        let status = child.wait(LIMIT);
        let took = begun.elapsed();
        assert!(status.success(), "SIPp ended with {status}: a call failed; see {}", log.display());
        took
    }
}

fn sipp_command(sipp: &Path, run: &RunDir, scenario: &Path, port: &Ports) -> Command {
    let mut command = Command::new(sipp);
    let dir = run.dir("sipp");
    let errors = dir.join(format!("{}.errors", port.port()));
    let _ = fs::remove_file(&errors);
    command
        .arg("-sf")
        .arg(scenario)
        .args(["-i", "127.0.0.1", "-p", &port.port().to_string(), "-nostdin"])
        .args(["-trace_err", "-error_file"])
        .arg(errors)
        .current_dir(dir);
    command
}
