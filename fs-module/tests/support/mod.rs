//! Starting the stand-in, talking to it, and the data it routes by.

mod daemon;

pub(crate) use daemon::Daemon;

use std::{
    cell::RefCell,
    fs,
    io::{BufRead as _, BufReader, Read as _, Write as _},
    path::{Path, PathBuf},
    process::{Child, ChildStdin, ChildStdout, Command, Stdio},
    sync::OnceLock,
};

use fsx_snapshot::{
    BuildSettings, build,
    rows::{
        BandRow, CarrierRow, DiallingRuleRow, FxRow, GatewayRow, NormaliseRow, NumberRow, RateRow,
        Rows,
    },
};
use fsx_wire::record::CallRecord;
use tempfile::TempDir;

/// Deepest that any callback may go into a FreeSWITCH stack, in bytes (docs: "Limits").
const MAX_STACK: usize = 64 * 1024;

/// What a host is started with.
pub(crate) struct Script {
    /// Lines that make the configuration.
    pub(crate) params: Vec<String>,
    /// Site to panic at.
    pub(crate) panic_at: Option<&'static str>,
    dir: TempDir,
}

impl Default for Script {
    fn default() -> Self {
        let dir = tempfile::tempdir().expect("a directory of our own");
        Self { params: Vec::new(), panic_at: None, dir }
    }
}

impl Script {
    /// A snapshot of generation 5, a spool, and nothing else.
    pub(crate) fn with_data() -> Self {
        let mut script = Self::default();
        script.publish(&snapshot(5));
        let path = |name: &str| script.dir.path().join(name).display().to_string();
        let (snapshot, spool, live) = (path("snapshot"), path("spool"), path("live"));
        script.param("settings", "snapshot", &snapshot);
        script.param("settings", "spool", &spool);
        script.param("settings", "live", &live);
        script.param("settings", "data-centre", "LON1");
        script
    }

    /// Adds a parameter.
    pub(crate) fn param(&mut self, section: &str, name: &str, value: &str) {
        self.params.push(format!("param\t{section}\t{name}\t{value}"));
    }

    /// Adds a parameter with a country.
    pub(crate) fn country_param(&mut self, section: &str, name: &str, value: &str, country: &str) {
        self.params.push(format!("param\t{section}\t{name}\t{value}\t{country}"));
    }

    /// A path of this script's own.
    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.dir.path().join(name)
    }

    /// Publishes a snapshot as the daemon does: beside, then over.
    pub(crate) fn publish(&self, bytes: &[u8]) {
        let (new, path) = (self.dir.path().join("new"), self.dir.path().join("snapshot"));
        fs::write(&new, bytes).expect("writes");
        fs::rename(&new, &path).expect("renames");
    }

    /// Makes the live table, as the daemon does.
    pub(crate) fn live_table(&self) -> fsx_live::LiveTable {
        let spec = fsx_live::LiveSpec { gateways: 64, organisations: 64, mode: 0o600 };
        fsx_live::LiveTable::create(self.dir.path().join("live"), &spec).expect("a table")
    }

    /// The records in the spool.
    pub(crate) fn records(&self) -> Vec<CallRecord> {
        let text = fs::read_to_string(self.dir.path().join("spool")).expect("a spool");
        text.lines().map(|line| serde_json::from_str(line).expect("a record")).collect()
    }
}

/// A running stand-in with the module loaded.
pub(crate) struct Host {
    child: Child,
    to: RefCell<ChildStdin>,
    from: RefCell<BufReader<ChildStdout>>,
    /// What was said while loading.
    pub(crate) loaded: String,
}

impl Host {
    /// Starts one and loads the module.
    pub(crate) fn start(script: &Script) -> Self {
        let mut command = Command::new(program());
        command.arg(module()).stdin(Stdio::piped()).stdout(Stdio::piped());
        match script.panic_at {
            Some(site) => command.env("FSX_PANIC_AT", site),
            None => command.env_remove("FSX_PANIC_AT"),
        };
        let mut child = command.spawn().expect("the stand-in starts");
        let to = RefCell::new(child.stdin.take().expect("piped"));
        let from = RefCell::new(BufReader::new(child.stdout.take().expect("piped")));
        let mut host = Self { child, to, from, loaded: String::new() };
        for line in &script.params {
            host.say(line);
        }
        host.loaded = host.say("load");
        host
    }

    /// Says a line and gives what came back.
    pub(crate) fn say(&self, line: &str) -> String {
        let mut to = self.to.borrow_mut();
        writeln!(to, "{line}").expect("the stand-in lives");
        to.flush().expect("the stand-in lives");
        let mut said = String::new();
        loop {
            let mut bytes = Vec::new();
            let n = self.from.borrow_mut().read_until(b'\n', &mut bytes).expect("readable");
            assert!(n > 0, "the stand-in died at {line:?} after saying: {said}");
            let text = String::from_utf8_lossy(&bytes);
            if text == "done\n" {
                return said;
            }
            said.push_str(&text);
        }
    }

    /// Runs an API command and gives its answer alone.
    pub(crate) fn api(&self, arguments: &str) -> String {
        let said = self.say(&format!("api\t{arguments}"));
        let (_, rest) = said.split_once("api<<\n").expect("an answer");
        let (answer, status) = rest.rsplit_once(">>").expect("an answer's end");
        assert_eq!(status, "0\n", "API commands always succeed: {said}");
        // Events that it fired meanwhile are no part of it.
        answer.split_inclusive('\n').filter(|line| !line.starts_with("event ")).collect()
    }

    /// Begins a call from a UK landline.
    pub(crate) fn begin(&self, uuid: &str, number: &str, org: &str) {
        self.say(&format!("call\t{uuid}"));
        self.say(&format!("set\trmOrgID\t{org}"));
        self.say("set\trmHCDCode\tGB");
        self.say("profile\tcaller_id_number\t02079460000");
        self.say(&format!("profile\tdestination_number\t{number}"));
    }

    /// A variable of the call.
    pub(crate) fn get(&self, name: &str) -> String {
        let said = self.say(&format!("get\t{name}"));
        said.trim_end().trim_start_matches(name).trim_start_matches('=').to_owned()
    }

    /// Ends the stand-in and judges what it was left with.
    pub(crate) fn end(mut self) {
        drop(self.to);
        let mut rest = String::new();
        self.from.borrow_mut().read_to_string(&mut rest).expect("readable");
        assert!(self.child.wait().expect("ends").success(), "{rest}");
        let words: Vec<&str> = rest.split_whitespace().collect();
        let [.., "stack", deepest, "events", events, "held", held] = words.as_slice() else {
            panic!("no last words in {rest:?}");
        };
        assert_eq!((*events, *held), ("0", "0"), "events or configuration kept");
        let deepest: usize = deepest.parse().expect("a number");
        assert!(deepest <= MAX_STACK, "a callback used {deepest} bytes of stack");
    }
}

/// The stand-in, compiled once a test run.
fn program() -> &'static Path {
    static PROGRAM: OnceLock<PathBuf> = OnceLock::new();
    PROGRAM.get_or_init(|| {
        let sources = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/standin");
        let program = Path::new(env!("CARGO_TARGET_TMPDIR"))
            .join(format!("fsx-standin-{}", std::process::id()));
        let status = Command::new(std::env::var_os("CC").unwrap_or_else(|| "cc".into()))
            .args(["-std=gnu11", "-O1", "-g", "-rdynamic", "-o"])
            .arg(&program)
            .args([sources.join("host.c"), sources.join("main.c")])
            .args(["-ldl", "-lpthread"])
            .status()
            .expect("a C compiler, as every Rust linker needs one");
        assert!(status.success(), "the stand-in does not compile");
        program
    })
}

/// The module, beside this test.
fn module() -> PathBuf {
    let test = std::env::current_exe().expect("a path");
    let found = test.with_file_name("libmod_fsx.so");
    assert!(found.is_file(), "{} is not built", found.display());
    found
}

/// A small deck: two carriers that sell UK mobiles, a blocked range, an emergency gateway.
pub(crate) fn snapshot(generation: u64) -> Vec<u8> {
    let carrier = |id, name: &str| CarrierRow {
        id,
        name: name.to_owned(),
        enabled: true,
        kind: "route".to_owned(),
        ..CarrierRow::default()
    };
    let band = |id, carrier_id| BandRow {
        id,
        name: "UK Mobile".to_owned(),
        carrier_id,
        enabled: true,
        ..BandRow::default()
    };
    let number = |id, band_id, digits: &[u8]| NumberRow {
        id,
        band_id,
        org_id: 0,
        number: fsx_core::digits::Digits::new(digits),
        enabled: true,
    };
    let rate = |id, band_id, rate: &str| RateRow {
        id,
        band_id,
        rate: rate.to_owned(),
        setup: "0.005".to_owned(),
        currency: "GBP".to_owned(),
        enabled: true,
        initial_increment_s: 1,
        next_increment_s: 1,
        ..RateRow::default()
    };
    let gateway = |id, carrier_id, prefix: &str, vars: &str| GatewayRow {
        id,
        carrier_id,
        enabled: true,
        prefix: prefix.to_owned(),
        channel_vars: vars.to_owned(),
        ping_gateway: "YES".to_owned(),
        dial_string: "sofia/gateway/gw${ID}/${number}".to_owned(),
        ..GatewayRow::default()
    };
    let rows = Rows {
        carriers: vec![carrier(101, "First"), carrier(102, "Second"), carrier(103, "Sos")],
        bands: vec![band(501, 101), band(502, 102), band(503, 103)],
        numbers: vec![number(1, 501, b"447"), number(2, 502, b"44"), number(3, 503, b"882")],
        rates: vec![rate(1, 501, "0.01"), rate(2, 502, "0.02"), rate(3, 503, "1")],
        gateways: vec![
            gateway(1, 101, "", "absolute_codec_string=PCMA"),
            GatewayRow { conc_calls: 1, ..gateway(2, 102, "0", "") },
            gateway(9, 103, "", ""),
        ],
        fx: vec![FxRow { currency: "GBP".to_owned(), worth: "1".to_owned(), until: None }],
        dialling_rules: vec![DiallingRuleRow {
            id: 1,
            org_id: 37,
            pattern: "^4490".to_owned(),
            action: "BLOCK".to_owned(),
            enabled: true,
        }],
        emergency_numbers: vec![("GB".to_owned(), "999".to_owned())],
        emergency_gateways: vec![("GB".to_owned(), 9, 1)],
        normalise_rules: vec![NormaliseRow {
            country: "GB".to_owned(),
            sequence: 1,
            pattern: "^0([1-9][0-9]{8,9})$".to_owned(),
            replacement: "44$1".to_owned(),
        }],
        ..Rows::default()
    };
    let settings = BuildSettings {
        generation,
        built_at: 1_768_903_200,
        home_country: fsx_core::Country::new(b"GB"),
        base_currency: "GBP".to_owned(),
        max_lost_share: 0.0,
        ..BuildSettings::default()
    };
    build(&rows, &settings).expect("a sound deck").bytes
}
