//! The real binary in a folder of its own, on ports of its own.

use std::fs::File;
use std::io::{Read as _, Write as _};
use std::net::{SocketAddr, TcpStream};
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Output, Stdio};
use std::time::{Duration, Instant};

use fsx_wire::frame;
use fsx_wire::message::{Ask, Outcome, PROTOCOL, Reply, Request, WireFacts};
use fsx_wire::record::CallRecord;
use serde_json::Value;

/// Longer than anything here may take on a busy machine.
pub(crate) const LONG: Duration = Duration::from_secs(30);

/// Two carriers that sell the United Kingdom, one dearer than the other.
const DECK: &str = "
INSERT INTO Carriers (ID, CarrierName, Enabled, Type, ClosedLoopCarrier, PrivateServicesCarrier) VALUES
    (101, 'Alpha', 'YES', 'route', 'NO', 'NO'), (102, 'Beta', 'YES', 'route', 'NO', 'NO');
INSERT INTO Bands (ID, BandName, CarrierID, Type, CountryCode, Enabled) VALUES
    (501, 'UK', 101, 'Mobile', 'GB', 'YES'), (502, 'UK', 102, 'Mobile', 'GB', 'YES');
INSERT INTO Numbers (ID, Number, BandID, Enabled, OrgID) VALUES
    (1, '44', 501, 'YES', NULL), (2, '44', 502, 'YES', NULL);
INSERT INTO LCRRates (ID, BandID, Rate, Setup, Currency, Period, Start, Enabled) VALUES
    (1, 501, '0.01', '0', 'GBP', '', '2020-01-01 00:00:00', 'YES'),
    (2, 502, '0.02', '0', 'GBP', '', '2020-01-01 00:00:00', 'YES');
INSERT INTO CarrierGateway (ID, CarrierID, Enabled, Prefix, Suffix, ChannelVars, PingGateway) VALUES
    (3001, 101, 'YES', '', '', 'absolute_codec_string=PCMA', 'NO'),
    (3002, 102, 'YES', '', '', '', 'NO');
";

/// A daemon's folder, and its process while it runs.
pub(crate) struct Daemon {
    pub(crate) dir: tempfile::TempDir,
    pub(crate) http: Option<SocketAddr>,
    pub(crate) esl: Option<SocketAddr>,
    child: Option<Child>,
    starts: u32,
}

impl Drop for Daemon {
    fn drop(&mut self) {
        if let Some(mut child) = self.child.take() {
            let _ = child.kill();
            let _ = child.wait();
        }
    }
}

impl Daemon {
    /// A folder with a database, a configuration (`more` is added to it) and these policy files.
    pub(crate) fn new(more: &str, policies: &[(&str, &str)]) -> Self {
        let dir = tempfile::tempdir().expect("a folder");
        let daemon = Self { dir, http: None, esl: None, child: None, starts: 0 };
        let at = |name: &str| daemon.path(name).display().to_string();
        let config = format!(
            "[feed]\nsnapshot = {:?}\nlive = {:?}\ninterval_s = 1\n\
             [databases.LCR_RO]\nurl = {:?}\n\
             [esl]\nlisten = \"127.0.0.1:0\"\n\
             [decide]\nsocket = {:?}\n\
             [http]\nlisten = \"127.0.0.1:0\"\n\
             [cdr]\nstore = {:?}\nspool = [{:?}]\nspool_interval_ms = 50\n\
             [log]\nformat = \"json\"\nlevel = \"debug\"\n\
             [daemon]\ndrain_s = 5\n\
             [policy]\nstore = {:?}\ndir = {:?}\n{more}",
            at("routing.snapshot"),
            at("routing.live"),
            format!("sqlite:{}", at("lcr.sqlite")),
            at("decide.sock"),
            at("cdr.sqlite"),
            at("spool.jsonl"),
            at("policy-versions"),
            at("policies"),
        );
        std::fs::write(daemon.path("fsxinetd.toml"), config).expect("written");
        std::fs::create_dir(daemon.path("policies")).expect("a folder");
        daemon.write_policies(policies);
        let db = format!("sqlite:{}", at("lcr.sqlite"));
        let made = daemon.command(&["db", "init", "--db", &db]);
        assert!(made.status.success(), "{made:?}");
        daemon.sql(DECK);
        daemon
    }

    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.dir.path().join(name)
    }

    pub(crate) fn write_policies(&self, files: &[(&str, &str)]) {
        for (name, text) in files {
            let path = self.path("policies").join(name);
            std::fs::create_dir_all(path.parent().expect("a parent")).expect("a folder");
            std::fs::write(path, text).expect("written");
        }
    }

    /// Runs statements on the LCR database.
    pub(crate) fn sql(&self, sql: &'static str) {
        use sqlx::{ConnectOptions as _, Connection as _};
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
        runtime.expect("a runtime").block_on(async {
            let mut conn = sqlx::sqlite::SqliteConnectOptions::new()
                .filename(self.path("lcr.sqlite"))
                .busy_timeout(LONG)
                .connect()
                .await
                .expect("a database");
            sqlx::raw_sql(sql).execute(&mut conn).await.expect("statements that work");
            conn.close().await.expect("closed");
        });
    }

    /// `fsxinetd --config … <args>`.
    pub(crate) fn command(&self, args: &[&str]) -> Output {
        fsxinetd(&self.path("fsxinetd.toml"), args)
    }

    fn log_path(&self) -> PathBuf {
        self.path(&format!("log.{}", self.starts))
    }

    pub(crate) fn log(&self) -> String {
        std::fs::read_to_string(self.log_path()).unwrap_or_default()
    }

    /// Starts it and waits until it has said where it listens.
    pub(crate) fn start(&mut self) {
        self.start_with(&[]);
    }

    /// The same, with more in its environment.
    pub(crate) fn start_with(&mut self, environment: &[(&str, &str)]) {
        self.begin(environment);
        let up = self.wait_for_log("fsxinetd is up");
        let address = |name: &str| up[name].as_str().expect("an address").parse().expect("one");
        (self.http, self.esl) = (Some(address("http")), Some(address("esl")));
    }

    /// Starts it and waits for nothing.
    pub(crate) fn begin(&mut self, environment: &[(&str, &str)]) {
        assert!(self.child.is_none());
        self.starts += 1;
        let log = File::create(self.log_path()).expect("a log");
        let child = Command::new(env!("CARGO_BIN_EXE_fsxinetd"))
            .arg("--config")
            .arg(self.path("fsxinetd.toml"))
            .arg("run")
            .envs(environment.iter().copied())
            .stdin(Stdio::null())
            .stdout(log.try_clone().expect("a log"))
            .stderr(log)
            .spawn()
            .expect("started");
        self.child = Some(child);
    }

    /// Starts it and waits until it is ready.
    pub(crate) fn start_ready(&mut self) {
        self.start();
        until("ready", || self.get("/readyz").0 == 200);
    }

    /// The first line of the log with that message.
    pub(crate) fn wait_for_log(&self, message: &str) -> Value {
        let mut found = None;
        until(&format!("\"{message}\" in the log"), || {
            let log = self.log();
            found = log
                .lines()
                .filter_map(|line| serde_json::from_str::<Value>(line).ok())
                .find(|line| line["message"].as_str().is_some_and(|m| m.contains(message)));
            found.is_some()
        });
        found.expect("found")
    }

    pub(crate) fn signal(&self, name: &str) {
        let pid = self.child.as_ref().expect("it runs").id().to_string();
        let sent = Command::new("kill").args([name, &pid]).status().expect("kill");
        assert!(sent.success());
    }

    /// Waits for its end.
    pub(crate) fn ended(&mut self) -> ExitStatus {
        let mut child = self.child.take().expect("it runs");
        let started = Instant::now();
        loop {
            if let Some(status) = child.try_wait().expect("a status") {
                return status;
            }
            if started.elapsed() > LONG {
                let _ = child.kill();
                panic!("it does not end\n{}", self.log());
            }
            std::thread::sleep(Duration::from_millis(10));
        }
    }

    /// `GET`: status and body.
    pub(crate) fn get(&self, path: &str) -> (u16, String) {
        let mut stream = TcpStream::connect(self.http.expect("it runs")).expect("connected");
        stream.set_read_timeout(Some(LONG)).expect("set");
        write!(stream, "GET {path} HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n")
            .expect("sent");
        let mut text = String::new();
        stream.read_to_string(&mut text).expect("an answer");
        let (head, body) = text.split_once("\r\n\r\n").expect("HTTP");
        (head.split(' ').nth(1).expect("a status").parse().expect("a number"), body.to_owned())
    }

    pub(crate) fn asker(&self) -> Asker {
        let stream = UnixStream::connect(self.path("decide.sock")).expect("connected");
        stream.set_read_timeout(Some(LONG)).expect("set");
        Asker { stream, buffer: Vec::new(), id: 0 }
    }

    /// One call on the event socket: everything that we, as FreeSWITCH, are told after `connect`.
    pub(crate) fn esl_call(&self, task: &str, org: u32, number: &str) -> String {
        let mut call = EslCall::new(self.esl.expect("it runs"));
        call.describe(task, org, number);
        call.rest()
    }

    pub(crate) fn records(&self) -> Vec<Value> {
        let listed = self.command(&["cdr", "list", "--json"]);
        assert!(listed.status.success(), "{listed:?}");
        serde_json::from_slice(&listed.stdout).expect("JSON")
    }
}

pub(crate) fn fsxinetd(config: &Path, args: &[&str]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_fsxinetd"))
        .env_remove("FSX_CONFIG")
        .arg("--config")
        .arg(config)
        .args(args)
        .stdin(Stdio::null())
        .output()
        .expect("it runs")
}

/// Polls; panics past [`LONG`].
#[track_caller]
pub(crate) fn until(what: &str, mut done: impl FnMut() -> bool) {
    let started = Instant::now();
    while !done() {
        assert!(started.elapsed() < LONG, "still not: {what}");
        std::thread::sleep(Duration::from_millis(20));
    }
}

/// A module's end of the decision socket.
pub(crate) struct Asker {
    stream: UnixStream,
    buffer: Vec<u8>,
    id: u64,
}

impl Asker {
    pub(crate) fn ask(&mut self, ask: Ask) -> Outcome {
        self.try_ask(ask).expect("an answer")
    }

    /// `None` when the daemon goes away.
    pub(crate) fn try_ask(&mut self, ask: Ask) -> Option<Outcome> {
        self.id += 1;
        let request = Request { v: PROTOCOL, id: self.id, deadline_ms: 20_000, ask };
        let body = serde_json::to_vec(&request).expect("JSON");
        self.stream.write_all(&frame::encode(&body).expect("short")).ok()?;
        loop {
            if let Some((body, taken)) = frame::decode(&self.buffer).expect("a frame") {
                let reply: Reply = serde_json::from_slice(body).expect("a reply");
                self.buffer.drain(..taken);
                assert_eq!(reply.id, self.id);
                return Some(reply.outcome);
            }
            let mut bytes = [0; 4096];
            match self.stream.read(&mut bytes) {
                Ok(0) | Err(_) => return None,
                Ok(n) => self.buffer.extend_from_slice(&bytes[..n]),
            }
        }
    }

    pub(crate) fn decide(&mut self, org: u32, number: &str) -> Outcome {
        let facts = WireFacts { called: number.to_owned(), org, ..WireFacts::default() };
        self.ask(Ask::Decide { facts: Box::new(facts), task: String::new() })
    }
}

/// FreeSWITCH's end of the event socket.
pub(crate) struct EslCall(pub(crate) TcpStream);

impl EslCall {
    pub(crate) fn new(address: SocketAddr) -> Self {
        let mut stream = TcpStream::connect(address).expect("connected");
        stream.set_read_timeout(Some(LONG)).expect("set");
        let mut hello = [0; 9];
        stream.read_exact(&mut hello).expect("connect");
        assert_eq!(&hello, b"connect\n\n");
        Self(stream)
    }

    pub(crate) fn describe(&mut self, task: &str, org: u32, number: &str) {
        let task = task.replace(':', "%3A");
        write!(
            self.0,
            "Event-Name: CHANNEL_DATA\nUnique-ID: u-1\nCaller-Destination-Number: {number}\n\
             variable_rmSocketTask: {task}\nvariable_rmOrgID: {org}\nContent-Type: command/reply\n\
             Reply-Text: %2BOK%0A\nSocket-Mode: static\nControl: full\n\n"
        )
        .expect("sent");
    }

    pub(crate) fn rest(mut self) -> String {
        let mut text = String::new();
        self.0.read_to_string(&mut text).expect("an answer");
        text
    }
}

pub(crate) fn record(id: &str) -> CallRecord {
    serde_json::from_value(serde_json::json!({
        "id": id, "switch": "freeswitch", "host": "h", "facts": {"called": "1", "org": 37},
        "generation": 1, "decided_by": "local", "decision": "route", "attempts": [],
        "started_ms": 1_768_903_200_000_i64, "ended_ms": 1_768_903_260_000_i64, "cause": 16,
        "cause_name": "NORMAL_CLEARING"
    }))
    .expect("a record")
}
