//! A real OpenSIPS in a private directory, on private ports.

use std::{path::PathBuf, process::Command, time::Duration};

use serde_json::Value;

use crate::{
    child::ChildGuard, mi, place, ports::Ports, run_dir::RunDir, template, template::Words,
};

/// From start to an answering management interface.
const READY: Duration = Duration::from_secs(30);

/// A running OpenSIPS.
#[derive(Debug)]
pub struct OpenSips {
    child: ChildGuard,
    mi_socket: PathBuf,
    sip: Ports,
}

impl OpenSips {
    /// Starts it with `conf` (the whole script, a template) and waits until it serves.
    ///
    /// To the caller's `words` it adds `SIP_PORT`, `MODULES` (its module directory), `MI_SOCKET`
    /// and `LOG_TO_STDERR` (the line that this release wants for it).
    ///
    /// # Panics
    /// When it does not come up; its log is printed.
    #[must_use]
    pub fn start(switch: &place::Switch, run: &RunDir, conf: &str, words: &Words) -> Self {
        let sip = Ports::one();
        let mi_socket = run.file("os/mi.sock");
        let mut words = words.clone();
        words.extend(template::words([
            ("SIP_PORT", sip.port().to_string()),
            ("MODULES", switch.modules.display().to_string()),
            ("MI_SOCKET", mi_socket.display().to_string()),
            ("LOG_TO_STDERR", log_to_stderr(switch).to_owned()),
        ]));
        let script = run.write("os/opensips.cfg", &template::fill("opensips.cfg", conf, &words));
        let mut command = Command::new(&switch.binary);
        // Small memory: the limits that a leak would meet are near.
        command.args(["-F", "-m", "64", "-M", "8", "-f"]).arg(script);
        command.arg("-w").arg(run.dir("os")).arg("-P").arg(run.file("os/opensips.pid"));
        let mut child = ChildGuard::spawn("OpenSIPS", &mut command, &run.file("os/out.log"));
        let port = sip.port();
        child.ready("its management interface and SIP socket", READY, || {
            mi::ask(&mi_socket, "uptime", Value::Null).ok()?;
            crate::sipp::udp_bound(port).then_some(())
        });
        Self { child, mi_socket, sip }
    }

    /// Runs a management command.
    ///
    /// # Panics
    /// When it fails.
    #[track_caller]
    pub fn mi(&self, method: &str, params: Value) -> Value {
        mi::ask(&self.mi_socket, method, params).unwrap_or_else(|e| panic!("OpenSIPS: {e}"))
    }

    /// Runs a management command, whatever comes of it.
    ///
    /// # Errors
    /// The command's own.
    pub fn try_mi(&self, method: &str, params: Value) -> Result<Value, String> {
        mi::ask(&self.mi_socket, method, params)
    }

    /// Its SIP port.
    #[must_use]
    pub fn sip_port(&self) -> u16 {
        self.sip.port()
    }

    /// Its log so far.
    #[must_use]
    pub fn log(&self) -> String {
        self.child.log()
    }

    /// Whether it still runs.
    pub fn alive(&mut self) -> bool {
        self.child.ended().is_none()
    }

    /// Ends it in order and tells how it ended.
    pub fn stop(mut self) -> std::process::ExitStatus {
        self.child.stop()
    }
}

/// The parameter was renamed in 3.5, and each release refuses the other's name.
fn log_to_stderr(switch: &place::Switch) -> &'static str {
    let output = Command::new(&switch.binary).arg("-V").output();
    let said = output.map(|o| String::from_utf8_lossy(&o.stdout).into_owned()).unwrap_or_default();
    let old = ["opensips 3.3.", "opensips 3.4."].iter().any(|version| said.contains(version));
    if old { "log_stderror=yes" } else { "stderror_enabled=yes\nsyslog_enabled=no" }
}
