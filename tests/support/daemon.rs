//! A real fsxinetd in a private directory, and its command line.

use std::{
    io::{Read as _, Write as _},
    net::{SocketAddr, TcpStream},
    path::PathBuf,
    process::{Command, Output},
    time::Duration,
};

use rustix::process::Signal;
use serde_json::Value;

use crate::{
    child::ChildGuard, deck::Deck, place, ports::Ports, run_dir::RunDir, template, template::Words,
    wait,
};

/// From start to ready: it builds and verifies a snapshot first.
const READY: Duration = Duration::from_secs(30);

/// How long a request or a command may take.
const LIMIT: Duration = Duration::from_secs(20);

/// fsxinetd's files, and its process when it runs.
#[derive(Debug)]
pub struct Daemon {
    program: PathBuf,
    config: PathBuf,
    dir: PathBuf,
    log: PathBuf,
    /// Its LCR database.
    pub deck: Deck,
    http: Ports,
    esl: Ports,
    starts: u32,
    /// More of its environment, from the next start on.
    pub environment: Vec<(String, String)>,
    child: Option<ChildGuard>,
}

impl Daemon {
    /// Writes its configuration (a template) and makes its database with `deck_sql`; nothing is
    /// started. To the caller's `words` it adds those of [`Daemon::words`].
    ///
    /// # Panics
    /// When the database cannot be made.
    #[must_use]
    pub fn new(run: &RunDir, conf: &str, deck_sql: &str, words: &Words) -> Self {
        let dir = run.dir("fsx");
        let daemon = Self {
            program: place::built("fsxinetd"),
            config: dir.join("fsxinetd.toml"),
            log: dir.join("fsxinetd.log"),
            deck: Deck::at(&dir.join("lcr.sqlite")),
            dir,
            http: Ports::one(),
            esl: Ports::one(),
            starts: 0,
            environment: Vec::new(),
            child: None,
        };
        let mut all = words.clone();
        all.extend(daemon.words());
        let _ = run.write("fsx/fsxinetd.toml", &template::fill("fsxinetd.toml", conf, &all));
        let _ = run.dir("fsx/spool");
        let _ = run.dir("fsx/policies");
        daemon.command(&["db", "init", "--db", &daemon.deck.url()]);
        daemon.deck.run(deck_sql);
        daemon
    }

    /// What configurations need to know of it: `FSX_DIR`, `SNAPSHOT`, `LIVE`, `DECIDE_SOCKET`,
    /// `SPOOL`, `CDR_STORE`, `POLICIES`, `LCR_URL`, `HTTP_PORT`, `ESL_OUT_PORT`.
    #[must_use]
    pub fn words(&self) -> Words {
        let path = |name: &str| self.dir.join(name).display().to_string();
        template::words([
            ("FSX_DIR", self.dir.display().to_string()),
            ("SNAPSHOT", path("routing.snapshot")),
            ("LIVE", path("routing.live")),
            ("DECIDE_SOCKET", path("decide.sock")),
            ("SPOOL", path("spool/freeswitch.jsonl")),
            ("CDR_STORE", path("cdr.sqlite")),
            ("POLICIES", path("policies")),
            ("LCR_URL", self.deck.url()),
            ("HTTP_PORT", self.http.port().to_string()),
            ("ESL_OUT_PORT", self.esl.port().to_string()),
        ])
    }

    /// A file of its directory.
    #[must_use]
    pub fn file(&self, name: &str) -> PathBuf {
        self.dir.join(name)
    }

    /// Starts it and waits until it says that it is ready.
    ///
    /// # Panics
    /// When it does not come up, or runs already.
    #[track_caller]
    pub fn start(&mut self) {
        assert!(self.child.is_none(), "fsxinetd runs already");
        self.starts += 1;
        let log = self.log.with_extension(format!("{}.log", self.starts));
        let mut command = Command::new(&self.program);
        command.arg("run").arg("--config").arg(&self.config).current_dir(&self.dir);
        command.envs(self.environment.iter().map(|(name, value)| (name, value)));
        let mut child = ChildGuard::spawn("fsxinetd", &mut command, &log);
        let port = self.http.port();
        child.ready("/readyz", READY, || {
            get(port, "/readyz").ok().filter(|(status, _)| *status == 200)
        });
        self.child = Some(child);
    }

    /// SIGTERM and a deadline.
    ///
    /// # Panics
    /// When it does not run, or does not end with success.
    #[track_caller]
    pub fn stop(&mut self) {
        let Some(mut child) = self.child.take() else { panic!("fsxinetd does not run") };
        let status = child.stop();
        assert!(status.success(), "fsxinetd ended with {status}");
    }

    /// SIGKILL.
    ///
    /// # Panics
    /// When it does not run.
    #[track_caller]
    pub fn kill(&mut self) {
        let Some(mut child) = self.child.take() else { panic!("fsxinetd does not run") };
        child.kill();
    }

    /// Stops it in its tracks (SIGSTOP), or lets it go on (SIGCONT).
    ///
    /// # Panics
    /// When it does not run.
    #[track_caller]
    pub fn hang(&mut self, hung: bool) {
        let Some(child) = self.child.as_mut() else { panic!("fsxinetd does not run") };
        child.signal(if hung { Signal::STOP } else { Signal::CONT });
    }

    /// Whether it was started and neither stopped nor killed by the test.
    #[must_use]
    pub fn started(&self) -> bool {
        self.child.is_some()
    }

    /// Whether it was started and still runs.
    pub fn alive(&mut self) -> bool {
        self.child.as_mut().is_some_and(|child| child.ended().is_none())
    }

    /// Its process.
    ///
    /// # Panics
    /// When it does not run.
    #[must_use]
    #[track_caller]
    pub fn pid(&self) -> u32 {
        self.child.as_ref().map_or_else(|| panic!("fsxinetd does not run"), ChildGuard::pid)
    }

    /// Where it takes calls.
    #[must_use]
    pub fn event_socket(&self) -> SocketAddr {
        SocketAddr::from(([127, 0, 0, 1], self.esl.port()))
    }

    /// What it wrote since its last start.
    #[must_use]
    pub fn log(&self) -> String {
        self.child.as_ref().map(ChildGuard::log).unwrap_or_default()
    }

    /// `GET` over HTTP: status and body.
    ///
    /// # Panics
    /// When there is no answer.
    #[track_caller]
    pub fn get(&self, path: &str) -> (u16, String) {
        get(self.http.port(), path).unwrap_or_else(|e| panic!("GET {path}: {e}"))
    }

    /// Runs `fsxinetd <args>` and gives what it printed.
    ///
    /// # Panics
    /// When it fails.
    #[track_caller]
    pub fn command(&self, args: &[&str]) -> String {
        let output = self.try_command(args);
        assert!(
            output.status.success(),
            "fsxinetd {args:?} ended with {}: {}",
            output.status,
            String::from_utf8_lossy(&output.stderr)
        );
        String::from_utf8_lossy(&output.stdout).into_owned()
    }

    /// The same, whatever comes of it.
    ///
    /// # Panics
    /// When it cannot be started.
    #[must_use]
    #[track_caller]
    pub fn try_command(&self, args: &[&str]) -> Output {
        Command::new(&self.program)
            .args(args)
            .current_dir(&self.dir)
            .output()
            .unwrap_or_else(|e| panic!("cannot start fsxinetd: {e}"))
    }

    /// The same, its output read as JSON.
    ///
    /// # Panics
    /// When it fails or prints something else.
    #[track_caller]
    pub fn json(&self, args: &[&str]) -> Value {
        let text = self.command(args);
        serde_json::from_str(&text).unwrap_or_else(|e| panic!("fsxinetd {args:?}: {e}\n{text}"))
    }

    /// Call records in the store, the earliest call first.
    ///
    /// # Panics
    /// When the store cannot be read.
    #[must_use]
    #[track_caller]
    pub fn records(&self) -> Vec<Value> {
        let store = self.file("cdr.sqlite").display().to_string();
        let Value::Array(mut records) = self.json(&["cdr", "list", "--json", "--db", &store])
        else {
            panic!("`cdr list --json` gave no list");
        };
        records.sort_by_key(|record| record["started_ms"].as_i64());
        records
    }

    /// Waits until the store holds `count` records (not fewer, not more) and gives them.
    ///
    /// # Panics
    /// When it does not within `limit`.
    #[track_caller]
    pub fn wait_for_records(&self, count: usize, limit: Duration) -> Vec<Value> {
        let what = format!("{count} call records in the store");
        let records = wait::until(&what, limit, || {
            Some(self.records()).filter(|records| records.len() >= count)
        });
        assert_eq!(records.len(), count, "call records: {records:#?}");
        records
    }
}

/// One request on a connection of its own.
fn get(port: u16, path: &str) -> std::io::Result<(u16, String)> {
    let mut stream = TcpStream::connect(("127.0.0.1", port))?;
    stream.set_read_timeout(Some(LIMIT))?;
    write!(stream, "GET {path} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n")?;
    let mut text = Vec::new();
    stream.read_to_end(&mut text)?;
    let text = String::from_utf8_lossy(&text).into_owned();
    let (head, body) = text.split_once("\r\n\r\n").unwrap_or((&text, ""));
    let status = head.split(' ').nth(1).and_then(|code| code.parse().ok());
    let status = status.ok_or_else(|| std::io::Error::other(format!("not HTTP: {head}")))?;
    Ok((status, body.to_owned()))
}
