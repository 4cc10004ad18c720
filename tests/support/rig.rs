//! The whole rig of a scenario: SIPp caller → OpenSIPS → FreeSWITCH → SIPp carriers.
//!
//! A scenario is a folder of `tests/scenarios/`. Each file that it does not have is taken from
//! `tests/scenarios/common/`, so that a folder holds only what is its own.

use std::{
    collections::BTreeMap,
    fs::{self, File, OpenOptions},
    path::PathBuf,
    time::Duration,
};

use crate::{
    freeswitch::{FreeSwitch, FreeSwitchPorts},
    opensips::OpenSips,
    place,
    ports::Ports,
    run_dir::RunDir,
    sipp::{Calls, Sipp},
    skip::skip,
    template,
};

/// Everything that must be installed for a scenario, and the scenario's turn on this machine.
#[derive(Debug)]
pub struct Bench {
    scenario: String,
    freeswitch: place::Switch,
    opensips: place::Switch,
    sipp: PathBuf,
    _turn: File,
}

impl Bench {
    /// Looks for the programs, and waits for a turn: two real switches fill a small machine, and a
    /// scenario that measures time must not be measured beside another.
    ///
    /// `None` when something is missing; the `SKIPPED` line has then been printed.
    ///
    /// # Panics
    /// When the lock cannot be taken.
    #[must_use]
    pub fn find(scenario: &str) -> Option<Self> {
        let found =
            place::sipp().and_then(|sipp| Ok((sipp, place::freeswitch()?, place::opensips()?)));
        match found {
            Ok((sipp, freeswitch, opensips)) => Some(Self {
                scenario: scenario.to_owned(),
                freeswitch,
                opensips,
                sipp,
                _turn: turn(),
            }),
            Err(reason) => {
                skip(scenario, &reason);
                None
            }
        }
    }

    /// A file of the scenario's folder, or the common one of that name.
    ///
    /// # Panics
    /// When neither is there.
    #[must_use]
    pub fn text(&self, file: &str) -> String {
        let tried = [self.scenario.as_str(), "common"]
            .map(|folder| place::source(&format!("tests/scenarios/{folder}/{file}")));
        tried
            .iter()
            .find_map(|path| fs::read_to_string(path).ok())
            .unwrap_or_else(|| panic!("none of {tried:?} can be read"))
    }

    /// Starts carriers, FreeSWITCH and OpenSIPS, in this order. `carriers` gives each gateway's ID
    /// and the SIPp file that it runs.
    ///
    /// # Panics
    /// When one of them does not come up.
    #[must_use]
    pub fn start(self, carriers: &[(u32, &str)]) -> Rig {
        let run = RunDir::new(&self.scenario);
        let carriers: BTreeMap<u32, Sipp> =
            carriers.iter().map(|(id, file)| (*id, self.carrier(&run, *id, file))).collect();

        let mut words = template::words([
            ("LOAD_FSX", String::new()),
            ("FSX_CONF", String::new()),
            ("GATEWAYS", carriers.iter().map(|(id, sipp)| gateway(*id, sipp.port())).collect()),
            ("DIALPLAN", self.text("dialplan.xml")),
        ]);
        let ports = FreeSwitchPorts::reserve(40);
        let conf = self.text("freeswitch.xml");
        let freeswitch = FreeSwitch::start(&self.freeswitch, &run, ports, &conf, &words);

        words.insert("FREESWITCH_SIP".to_owned(), freeswitch.sip_port().to_string());
        let opensips = OpenSips::start(&self.opensips, &run, &self.text("opensips.cfg"), &words);
        Rig { callers: 0, carriers, freeswitch, opensips, run, bench: self }
    }

    fn carrier(&self, run: &RunDir, id: u32, file: &str) -> Sipp {
        let name = format!("gw{id}");
        let scenario = run.write(&format!("sipp/{name}.xml"), &self.text(file));
        Sipp::carrier(&self.sipp, run, &name, &scenario, Ports::one())
    }
}

/// A running rig. Parts end in the order of the fields: callers' side first.
#[derive(Debug)]
pub struct Rig {
    callers: u32,
    /// The proxy.
    pub opensips: OpenSips,
    /// The switch.
    pub freeswitch: FreeSwitch,
    /// The carriers, by gateway ID.
    pub carriers: BTreeMap<u32, Sipp>,
    /// Their directory.
    pub run: RunDir,
    bench: Bench,
}

/// One or more calls of a device. What is not named is `..Call::default()`.
#[derive(Clone, Debug)]
pub struct Call<'a> {
    /// SIPp file of the caller.
    pub file: &'a str,
    /// Number dialled.
    pub number: &'a str,
    /// Caller's own number.
    pub cli: &'a str,
    /// Organisation.
    pub org: u32,
    /// How long each call lasts once answered.
    pub talk: Duration,
    /// How many.
    pub calls: u32,
    /// SIP status expected by `caller-refused.xml`.
    pub status: u16,
}

impl Default for Call<'_> {
    fn default() -> Self {
        Self {
            file: "caller.xml",
            number: "07700900123",
            cli: "442079460000",
            org: 37,
            talk: Duration::from_millis(300),
            calls: 1,
            status: 0,
        }
    }
}

/// Longest that a caller may take, far above what any scenario needs.
const CALL_LIMIT: Duration = Duration::from_secs(40);

impl Rig {
    /// Places calls through OpenSIPS and waits for their end; the exit code of SIPp is checked.
    ///
    /// # Panics
    /// When a call did not go as the caller's file says.
    #[track_caller]
    pub fn call(&mut self, call: &Call<'_>) {
        let mut caller = self.begin(call);
        assert_eq!(caller.finish(CALL_LIMIT), 0, "SIPp's exit code for {call:?}");
    }

    /// Places calls and gives the running caller.
    ///
    /// # Panics
    /// When it cannot be started.
    #[track_caller]
    pub fn begin(&mut self, call: &Call<'_>) -> Sipp {
        self.callers += 1;
        let name = format!("caller{}", self.callers);
        let words = template::words([("STATUS", call.status.to_string())]);
        let text = template::fill(call.file, &self.bench.text(call.file), &words);
        let file = self.run.write(&format!("sipp/{name}.xml"), &text);
        let org = call.org.to_string();
        Sipp::caller(
            &self.bench.sipp,
            &self.run,
            &name,
            &file,
            &Calls {
                to_port: self.opensips.sip_port(),
                number: call.number,
                talk: call.talk,
                calls: call.calls,
                rate: 10,
                keys: &[("cli", call.cli), ("org", &org)],
                limit: CALL_LIMIT,
            },
        )
    }

    /// Ends every part in order and checks that each was alive until then and content: carriers
    /// with exit code 0, switches not crashed.
    ///
    /// # Panics
    /// When one was not.
    #[track_caller]
    pub fn close(mut self) {
        for (id, carrier) in &mut self.carriers {
            assert_eq!(carrier.retire(), 0, "SIPp's exit code of gateway {id}");
        }
        assert!(self.opensips.alive(), "OpenSIPS died");
        assert!(self.freeswitch.alive(), "FreeSWITCH died");
        let opensips = self.opensips.stop();
        assert!(opensips.success(), "OpenSIPS ended with {opensips}");
        let freeswitch = self.freeswitch.stop();
        assert!(freeswitch.success(), "FreeSWITCH ended with {freeswitch}");
    }
}

/// A sofia gateway, as `sofia.conf` wants it.
fn gateway(id: u32, port: u16) -> String {
    format!(
        "            <gateway name=\"gw{id}\">\n\
         \x20             <param name=\"username\" value=\"fsx\"/>\n\
         \x20             <param name=\"password\" value=\"unused\"/>\n\
         \x20             <param name=\"proxy\" value=\"127.0.0.1:{port}\"/>\n\
         \x20             <param name=\"register\" value=\"false\"/>\n\
         \x20             <param name=\"caller-id-in-from\" value=\"true\"/>\n\
         \x20           </gateway>\n"
    )
}

/// Waits for this process's turn and holds it until the file is dropped.
fn turn() -> File {
    let path = std::env::temp_dir().join("fsx-scenario-turn");
    let file = OpenOptions::new().create(true).truncate(false).write(true).open(&path);
    let file = file.unwrap_or_else(|e| panic!("cannot open {}: {e}", path.display()));
    file.lock().unwrap_or_else(|e| panic!("cannot lock {}: {e}", path.display()));
    file
}
