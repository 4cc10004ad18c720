//! A real FreeSWITCH in a private directory, on private ports, with nothing loaded but what a
//! routed call needs.

use std::{
    fs,
    path::{Path, PathBuf},
    process::{Command, ExitStatus},
    time::Duration,
};

use crate::{
    child::{ChildGuard, GRACE},
    esl::Esl,
    place,
    ports::Ports,
    run_dir::RunDir,
    template,
    template::Words,
};

/// From start to an answering event socket; seconds on an idle machine, more on a busy one.
const READY: Duration = Duration::from_secs(60);

/// Ports that a configuration is written for, taken before it is written.
#[derive(Debug)]
pub struct FreeSwitchPorts {
    /// SIP, UDP.
    pub sip: Ports,
    /// Inbound event socket, TCP.
    pub esl: Ports,
    /// RTP.
    pub rtp: Ports,
}

impl FreeSwitchPorts {
    /// Reserves them; `calls` is how many may run at once.
    #[must_use]
    pub fn reserve(calls: u16) -> Self {
        Self { sip: Ports::one(), esl: Ports::one(), rtp: Ports::block(calls.max(2) * 4 + 4) }
    }
}

/// How many times longer everything may take under a runner such as valgrind.
const UNDER_A_RUNNER: u32 = 10;

/// A running FreeSWITCH.
#[derive(Debug)]
pub struct FreeSwitch {
    child: ChildGuard,
    command: Command,
    out: PathBuf,
    log: PathBuf,
    ports: FreeSwitchPorts,
    password: String,
    patience: u32,
}

impl FreeSwitch {
    /// Starts it with `conf` (the whole `freeswitch.xml`, a template) and waits until it serves.
    ///
    /// To the caller's `words` it adds `SIP_PORT`, `ESL_PORT`, `ESL_PASSWORD`, `RTP_FIRST` and
    /// `RTP_LAST`.
    ///
    /// # Panics
    /// When it does not come up; its log is printed.
    #[must_use]
    pub fn start(
        switch: &place::Switch,
        run: &RunDir,
        ports: FreeSwitchPorts,
        conf: &str,
        words: &Words,
    ) -> Self {
        Self::start_in("fs", switch, run, ports, conf, words)
    }

    /// The same with its files in `home` of the run, so that several can run side by side.
    ///
    /// # Panics
    /// When it does not come up; its log is printed.
    #[must_use]
    pub fn start_in(
        home: &str,
        switch: &place::Switch,
        run: &RunDir,
        ports: FreeSwitchPorts,
        conf: &str,
        words: &Words,
    ) -> Self {
        // One log a run tells who asked; a fixed word would let one test talk to another's switch.
        let password = format!("fsx-{}-{}", std::process::id(), ports.esl.port());
        let mut words = words.clone();
        words.extend(template::words([
            ("SIP_PORT", ports.sip.port().to_string()),
            ("ESL_PORT", ports.esl.port().to_string()),
            ("ESL_PASSWORD", password.clone()),
            ("RTP_FIRST", ports.rtp.port().to_string()),
            ("RTP_LAST", ports.rtp.last().to_string()),
        ]));
        let _ = run.write(
            &format!("{home}/conf/freeswitch.xml"),
            &template::fill("freeswitch.xml", conf, &words),
        );

        let mut command = switch.command();
        command.args(["-nonat", "-nonatmap", "-nf", "-nc"]).arg("-mod").arg(&switch.modules);
        for dir in [
            "conf",
            "log",
            "db",
            "run",
            "temp",
            "scripts",
            "storage",
            "recordings",
            "cache",
            "sounds",
            "certs",
            "htdocs",
            "grammar",
        ] {
            command.arg(format!("-{dir}")).arg(run.dir(&format!("{home}/{dir}")));
        }
        let certs = run.dir(&format!("{home}/certs"));
        let kept = place::kept("freeswitch-certs");
        copy_certs(&kept, &certs);
        let (out, log) =
            (run.file(&format!("{home}/out.log")), run.file(&format!("{home}/log/freeswitch.log")));
        let patience = if switch.runner.is_empty() { 1 } else { UNDER_A_RUNNER };
        let child = spawn(&mut command, &out, &log, &ports, &password, patience);
        copy_certs(&certs, &kept);
        Self { child, command, out, log, ports, password, patience }
    }

    /// Runs an API command on a connection of its own.
    ///
    /// # Panics
    /// When the event socket does not answer.
    #[track_caller]
    pub fn api(&self, command: &str) -> String {
        Esl::connect(self.ports.esl.port(), &self.password)
            .and_then(|mut esl| esl.api(command))
            .unwrap_or_else(|e| panic!("FreeSWITCH did not answer `{command}`: {e}"))
    }

    /// Calls in progress, legs counted singly.
    ///
    /// # Panics
    /// When the answer cannot be read.
    #[track_caller]
    pub fn channels(&self) -> usize {
        let said = self.api("show channels count");
        let number = said.split_whitespace().next().and_then(|n| n.parse().ok());
        number.unwrap_or_else(|| panic!("`show channels count` said {said:?}"))
    }

    /// Its SIP port.
    #[must_use]
    pub fn sip_port(&self) -> u16 {
        self.ports.sip.port()
    }

    /// Its own log so far.
    #[must_use]
    pub fn log(&self, run: &RunDir) -> String {
        let path = run.file("fs/log/freeswitch.log");
        String::from_utf8_lossy(&fs::read(path).unwrap_or_default()).into_owned()
    }

    /// Process id.
    #[must_use]
    pub fn pid(&self) -> u32 {
        self.child.pid()
    }

    /// Whether it still runs: a crash is the one thing that no scenario may overlook.
    pub fn alive(&mut self) -> bool {
        self.child.ended().is_none()
    }

    /// Ends it in order and tells how it ended.
    pub fn stop(mut self) -> ExitStatus {
        self.child.stop_within(GRACE * self.patience)
    }

    /// Ends it in order and starts it again, on the same ports and files.
    ///
    /// # Panics
    /// When it does not end well, or does not come up.
    pub fn restart(&mut self) {
        let ended = self.child.stop_within(GRACE * self.patience);
        assert!(ended.success(), "FreeSWITCH ended with {ended}");
        self.start_again();
    }

    /// SIGKILL: the end of a switch that crashed.
    pub fn kill(&mut self) {
        self.child.kill();
    }

    /// Starts it again after it has ended.
    ///
    /// # Panics
    /// When it does not come up.
    pub fn start_again(&mut self) {
        let (command, patience) = (&mut self.command, self.patience);
        self.child = spawn(command, &self.out, &self.log, &self.ports, &self.password, patience);
    }

    /// Where a client such as `fs_cli` finds it: port of the inbound event socket, and password.
    #[must_use]
    pub fn event_socket(&self) -> (u16, &str) {
        (self.ports.esl.port(), &self.password)
    }
}

/// Starts the process and waits until it serves.
fn spawn(
    command: &mut Command,
    out: &Path,
    log: &Path,
    ports: &FreeSwitchPorts,
    password: &str,
    patience: u32,
) -> ChildGuard {
    let mut child = ChildGuard::spawn("FreeSWITCH", command, out);
    child.also_show(log);
    let sip = ports.sip.port();
    child.ready("its event socket and SIP profile", READY * patience, || {
        let mut esl = Esl::connect(ports.esl.port(), password).ok()?;
        let ready = esl.api("status").ok()?.contains("is ready");
        (ready && crate::sipp::udp_bound(sip)).then_some(())
    });
    child
}

/// FreeSWITCH makes two 4096-bit keys when it finds none: seconds of every start. They are made
/// once a build directory and copied from then on. Best effort: without them it only takes longer.
fn copy_certs(from: &Path, to: &Path) {
    for name in ["dtls-srtp.pem", "wss.pem"] {
        let (source, target) = (from.join(name), to.join(name));
        // A rename, so that nobody ever reads half a key.
        let draft = to.join(format!("{name}.{}", std::process::id()));
        if !target.exists() && fs::copy(source, &draft).is_ok() {
            let _ = fs::rename(draft, target);
        }
    }
}
