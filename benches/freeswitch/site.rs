//! The three switches, the daemon, the carrier, and a round of calls through one of them.

use std::{fs, time::Duration};

use fsx_test_support::{
    daemon::Daemon,
    freeswitch::{FreeSwitch, FreeSwitchPorts},
    place,
    run_dir::RunDir,
    skip::skip,
    template::{self, Words},
    wait,
};
use serde_json::Value;

use crate::{
    caller::{Caller, Carrier},
    figures::{Buckets, Round},
};

/// Calls going at a time: enough to keep two cores busy while each call waits for its timers.
const AT_ONCE: u32 = 24;

/// Calls for which a switch has media ports: on a busy machine legs are still being taken apart long after
/// the caller has heard of their end.
const MEDIA: u16 = 240;

/// A second of the kernel's own counting of processor time (`USER_HZ`; 100 on every Linux).
const TICKS_PER_S: f64 = 100.0;

/// The configuration of the module, once without a place for records and once with.
const FSX_CONF: &str = r#"<configuration name="fsx.conf"><settings>
  <param name="snapshot" value="@SNAPSHOT@"/><param name="live" value="@LIVE@"/>
  <param name="data-centre" value="LON1"/><param name="home-country" value="GB"/>
  @RECORDS@
</settings></configuration>"#;
const RECORDS: &str = r#"<param name="socket" value="@DECIDE_SOCKET@"/>
  <param name="spool" value="@SPOOL@"/>"#;

/// What a site writes that knows one carrier: the number into E.164, then `bridge`.
const STATIC: &str = r#"<context name="bench">
  <extension name="national">
    <condition field="destination_number" expression="^0([1-9]\d+)$">
      <action application="set" data="hangup_after_bridge=true"/>
      <action application="bridge" data="sofia/gateway/gw3011/44$1"/>
    </condition>
  </extension>
  <extension name="international">
    <condition field="destination_number" expression="^00(\d+)$">
      <action application="set" data="hangup_after_bridge=true"/>
      <action application="bridge" data="sofia/gateway/gw3011/$1"/>
    </condition>
  </extension>
</context>"#;

/// Beginnings of numbers that somebody in the demonstration deck sells, and how many digits follow. All
/// go first to a gateway that takes PCMA: SIPp speaks nothing else, and a second attempt would be
/// counted against fsx.
const STEMS: [(&str, u32); 8] = [
    ("07700900", 3),
    ("020794600", 2),
    ("0161496000", 1),
    ("00331560", 5),
    ("00493012", 6),
    ("0035318010", 3),
    ("0061255501", 3),
    ("003461234", 4),
];

/// One of the switches.
#[derive(Debug)]
pub(crate) struct Variant {
    /// Its name in the figures.
    pub(crate) name: &'static str,
    pub(crate) switch: FreeSwitch,
}

/// Everything that runs.
#[derive(Debug)]
pub(crate) struct Site {
    pub(crate) variants: Vec<Variant>,
    pub(crate) host: String,
    caller: Caller,
    daemon: Daemon,
    carrier: Carrier,
    before: Vec<Value>,
    run: RunDir,
}

impl Site {
    /// Starts all of it; `None` when a program is missing, which has then been said.
    pub(crate) fn start() -> Option<Self> {
        let (freeswitch, sipp) = match place::freeswitch().and_then(|f| Ok((f, place::sipp()?))) {
            Ok(found) => found,
            Err(reason) => {
                skip("bench-freeswitch", &reason);
                return None;
            }
        };
        let run = RunDir::new("bench");
        let carrier = Carrier::start(&sipp, &run);
        let mut daemon = daemon(&run);
        let numbers = numbers(&daemon);
        let caller = Caller::new(&sipp, &run, &numbers);
        daemon.start();
        let module = run.file("fs/mod/mod_fsx.so");
        fs::copy(place::built("libmod_fsx.so"), &module)
            .unwrap_or_else(|e| panic!("cannot copy libmod_fsx.so: {e}"));
        let load = format!("<load module=\"{}\"/>", module.display());
        let variants = [
            ("static", "XML", None),
            ("fsx", "fsx", Some("")),
            ("fsx+records", "fsx", Some(RECORDS)),
        ];
        let variants = variants.map(|(name, dialplan, fsx)| {
            let mut words = daemon.words();
            let conf = fsx.map_or(String::new(), |records| {
                let records = template::fill("records", records, &words);
                let mut words = words.clone();
                words.insert("RECORDS".to_owned(), records);
                template::fill("fsx.conf", FSX_CONF, &words)
            });
            words.extend(template::words([
                ("FSX_CONF", conf),
                ("LOAD_FSX", fsx.map_or(String::new(), |_| load.clone())),
                ("DIALPLAN_NAME", dialplan.to_owned()),
                ("DIALPLAN", STATIC.to_owned()),
                ("GATEWAYS", gateways(carrier.port.port())),
            ]));
            let switch = start(&freeswitch, &run, name, &words);
            Variant { name, switch }
        });
        let host = format!(
            "FreeSWITCH {}, {} cores, load average {} before the run",
            variants[0].switch.api("version short").trim(),
            std::thread::available_parallelism().map_or(0, usize::from),
            load_average(),
        );
        Some(Self {
            variants: variants.into(),
            host,
            caller,
            daemon,
            carrier,
            before: Vec::new(),
            run,
        })
    }

    /// Places `calls` calls through a variant and gives what it took. Waits until every leg is gone, so
    /// that one round's end is not paid for by the next.
    pub(crate) fn round(&mut self, variant: usize, calls: u32) -> Round {
        let switch = &self.variants[variant].switch;
        let before = processor_s(switch.pid());
        let took = self.caller.call(&self.run, switch.sip_port(), calls, AT_ONCE);
        wait::until("every leg to be gone", Duration::from_secs(60), || {
            (switch.channels() == 0).then_some(())
        });
        let processor_s = processor_s(switch.pid()) - before;
        Round { calls, wall_s: took.as_secs_f64(), processor_s }
    }

    /// Lets the daemon finish with the records of the last round, so that no other round pays for them.
    pub(crate) fn rest(&self) {
        let pid = self.daemon.pid();
        let mut before = processor_s(pid);
        // A tick in a fifth of a second is what it uses when it has nothing to do.
        let _ = wait::try_until(Duration::from_secs(5), || {
            std::thread::sleep(Duration::from_millis(200));
            let now = processor_s(pid);
            let quiet = now - before < 1.5 / TICKS_PER_S;
            before = now;
            Ok::<_, ()>(quiet.then_some(()))
        });
    }

    /// Everything counted inside so far was for warming up.
    pub(crate) fn forget_warming_up(&mut self) {
        self.before = self.variants.iter().map(status).collect();
    }

    /// What the module counted of itself since then: under and count of each bucket of the histogram of
    /// decisions; `None` for a switch without fsx.
    pub(crate) fn decisions(&self, variant: usize) -> Option<Buckets> {
        let (before, now) = (self.before.get(variant)?, status(&self.variants[variant]));
        let counts = |status: &Value| -> Option<Buckets> {
            let buckets = status["decision_times"]["buckets"].as_array()?;
            Some(
                buckets
                    .iter()
                    .map(|b| (b["under_us"].as_f64(), b["count"].as_u64().unwrap_or(0)))
                    .collect(),
            )
        };
        let (before, now) = (counts(before)?, counts(&now)?);
        Some(
            now.into_iter()
                .zip(before)
                .map(|((under, now), (_, then))| (under, now - then))
                .collect(),
        )
    }

    /// Attempts that the module counted since then; `None` for a switch without fsx.
    pub(crate) fn attempts(&self, variant: usize) -> Option<u64> {
        let count = |status: &Value| status["counters"]["attempts"].as_u64();
        Some(count(&status(&self.variants[variant]))? - count(self.before.get(variant)?)?)
    }

    /// Most memory of each switch, in KiB.
    pub(crate) fn memory_kib(&self, variant: usize) -> u64 {
        let status = format!("/proc/{}/status", self.variants[variant].switch.pid());
        let text = fs::read_to_string(status).unwrap_or_default();
        let line = text.lines().find_map(|line| line.strip_prefix("VmRSS:"));
        line.and_then(|line| line.split_whitespace().next()?.parse().ok()).unwrap_or(0)
    }

    /// Ends all of it in order.
    pub(crate) fn close(self) {
        let Self { variants, mut daemon, carrier, .. } = self;
        for variant in variants {
            let ended = variant.switch.stop();
            assert!(ended.success(), "{} ended with {ended}", variant.name);
        }
        daemon.stop();
        drop(carrier);
    }
}

fn daemon(run: &RunDir) -> Daemon {
    let conf = fs::read_to_string(place::source("tests/scenarios/common/fsxinetd.toml"))
        .unwrap_or_else(|e| panic!("fsxinetd.toml: {e}"))
        .replace("interval_s = 1\n", "interval_s = 600\n")
        .replace("level = \"debug\"", "level = \"warn\"");
    let daemon = Daemon::new(run, &conf, "", &Words::new());
    daemon.command(&["demo", "init", "--db", &daemon.deck.url()]);
    daemon
}

/// Each variant is a switch in a directory of its own.
fn start(place: &place::Switch, run: &RunDir, name: &str, words: &Words) -> FreeSwitch {
    let ports = FreeSwitchPorts::reserve(MEDIA);
    FreeSwitch::start_in(name, place, run, ports, include_str!("freeswitch.xml"), words)
}

/// All gateways of the deck, each the same carrier.
fn gateways(port: u16) -> String {
    let one = |id: u32| {
        format!(
            "<gateway name=\"gw{id}\"><param name=\"username\" value=\"fsx\"/>\
             <param name=\"password\" value=\"unused\"/>\
             <param name=\"proxy\" value=\"127.0.0.1:{port}\"/>\
             <param name=\"register\" value=\"false\"/>\
             <param name=\"caller-id-in-from\" value=\"true\"/></gateway>\n"
        )
    };
    (3001..3100).filter(|id| id % 10 < 6).map(one).collect()
}

/// A thousand numbers, each of which the deck can route.
fn numbers(daemon: &Daemon) -> Vec<String> {
    let mut seed = 0x2545_f491_4f6c_dd1d_u64;
    let mut numbers = Vec::new();
    while numbers.len() < 1000 {
        seed ^= seed << 13;
        seed ^= seed >> 7;
        seed ^= seed << 17;
        let (stem, digits) = STEMS[numbers.len() % STEMS.len()];
        let tail = seed % 10_u64.pow(digits);
        numbers.push(format!("{stem}{tail:0width$}", width = digits as usize));
    }
    let requests: String = numbers
        .iter()
        .map(|n| format!("{{\"number\":\"{n}\",\"org\":0,\"dc\":\"LON1\"}}\n"))
        .collect();
    let file = daemon.file("numbers.jsonl");
    fs::write(&file, requests).unwrap_or_else(|e| panic!("{}: {e}", file.display()));
    let answers = daemon.command(&[
        "lcr",
        "route",
        "--db",
        &daemon.deck.url(),
        "--batch",
        &file.display().to_string(),
    ]);
    assert_eq!(answers.lines().count(), numbers.len());
    for (number, answer) in numbers.iter().zip(answers.lines()) {
        assert!(answer.contains("\"decision\":\"route\""), "nobody sells {number}: {answer}");
        let answer: Value = serde_json::from_str(answer).expect("JSON");
        let codec = &answer["routes"][0]["vars"]["absolute_codec_string"];
        assert!(codec.is_null() || codec == "PCMA", "{number}: the carrier here has no {codec}");
    }
    numbers
}

fn status(variant: &Variant) -> Value {
    serde_json::from_str(&variant.switch.api("fsx status as json")).unwrap_or_default()
}

/// Processor time that a process has used, in seconds.
fn processor_s(pid: u32) -> f64 {
    let stat = fs::read_to_string(format!("/proc/{pid}/stat")).unwrap_or_default();
    // The name, in brackets, may hold anything.
    let fields: Vec<&str> = stat.rsplit(')').next().unwrap_or("").split_whitespace().collect();
    let ticks = |n: usize| fields.get(n).and_then(|t| t.parse::<f64>().ok()).unwrap_or(0.0);
    (ticks(11) + ticks(12)) / TICKS_PER_S
}

fn load_average() -> String {
    let text = fs::read_to_string("/proc/loadavg").unwrap_or_default();
    text.split(' ').next().unwrap_or("unknown").to_owned()
}
