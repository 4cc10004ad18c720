//! What must be there before a scenario can run, and putting it together.
//!
//! A scenario is a folder of `tests/scenarios/`. Each file that it does not have is taken from
//! `tests/scenarios/common/`, so that a folder holds only what is its own.

use std::{
    collections::BTreeMap,
    fs::{self, File, OpenOptions},
    path::{Path, PathBuf},
};

use crate::{
    daemon::Daemon,
    freeswitch::{FreeSwitch, FreeSwitchPorts},
    opensips::OpenSips,
    place,
    ports::Ports,
    rig::Rig,
    run_dir::{RunDir, shared},
    sipp::Sipp,
    skip::skip,
    template,
    template::Words,
};

/// Everything that must be installed for a scenario, and the scenario's turn on this machine.
#[derive(Debug)]
pub struct Bench {
    scenario: String,
    freeswitch: place::Switch,
    opensips: place::Switch,
    pub(crate) sipp: PathBuf,
    words: Words,
    calls: u16,
    _turn: File,
}

/// How many calls FreeSWITCH has media ports for, where the scenario does not say.
const CALLS: u16 = 40;

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
                words: Words::new(),
                calls: CALLS,
                _turn: turn(),
            }),
            Err(reason) => {
                skip(scenario, &reason);
                None
            }
        }
    }

    /// What else the scenario's configurations need to know.
    #[must_use]
    pub fn with(mut self, words: Words) -> Self {
        self.words = words;
        self
    }

    /// FreeSWITCH is run by `runner`, such as valgrind, with its arguments; all it does may then take ten
    /// times as long.
    #[must_use]
    pub fn under(mut self, runner: Vec<String>) -> Self {
        self.freeswitch.runner = runner;
        self
    }

    /// More of the environment of FreeSWITCH and fsxinetd.
    #[must_use]
    pub fn environment(mut self, environment: Vec<(String, String)>) -> Self {
        self.freeswitch.environment = environment;
        self
    }

    /// How many calls may run at once in FreeSWITCH; a bridged one counts twice.
    #[must_use]
    pub fn for_calls(mut self, calls: u16) -> Self {
        self.calls = calls;
        self
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

    /// Starts the switches without fsx. `carriers` gives each gateway's ID and the SIPp file that
    /// it runs.
    ///
    /// # Panics
    /// When one of them does not come up.
    #[must_use]
    pub fn start_plain(self, carriers: &[(u32, &str)]) -> Rig {
        let run = RunDir::new(&self.scenario);
        let words = template::words([("LOAD_FSX", String::new()), ("FSX_CONF", String::new())]);
        self.assemble(run, carriers, None, words)
    }

    /// Starts fsxinetd with the scenario's deck, then the switches with our modules.
    ///
    /// # Panics
    /// When one of them does not come up.
    #[must_use]
    pub fn start(self, carriers: &[(u32, &str)]) -> Rig {
        self.start_fsx(carriers, Daemon::start)
    }

    /// The same, but fsxinetd is not started; `prepare` may put things into its directory first.
    ///
    /// # Panics
    /// When a switch does not come up.
    #[must_use]
    pub fn start_without_daemon(
        self,
        carriers: &[(u32, &str)],
        prepare: impl FnOnce(&mut Daemon),
    ) -> Rig {
        self.start_fsx(carriers, prepare)
    }

    fn start_fsx(self, carriers: &[(u32, &str)], prepare: impl FnOnce(&mut Daemon)) -> Rig {
        let run = RunDir::new(&self.scenario);
        // FreeSWITCH finds a module's table by the file's name.
        let fs_module = copy("libmod_fsx.so", &run, "fs/mod/mod_fsx.so");
        let os_module = copy("libfsx.so", &run, "os/fsx.so");
        let (conf, deck) = (self.text("fsxinetd.toml"), self.text("deck.sql"));
        let mut daemon = Daemon::new(&run, &conf, &deck, &self.words);
        let policies = place::source(&format!("tests/scenarios/{}/policies", self.scenario));
        if policies.is_dir() {
            copy_tree(&policies, &daemon.file("policies"));
        }
        daemon.environment.clone_from(&self.freeswitch.environment);
        prepare(&mut daemon);
        let mut words = daemon.words();
        words.insert("LOAD_FSX".to_owned(), format!("<load module=\"{fs_module}\"/>"));
        words.insert("FSX_MODULE".to_owned(), os_module);
        self.assemble(run, carriers, Some(daemon), words)
    }

    /// Carriers, FreeSWITCH and OpenSIPS, in this order.
    fn assemble(
        self,
        run: RunDir,
        carriers: &[(u32, &str)],
        daemon: Option<Daemon>,
        mut words: Words,
    ) -> Rig {
        words.extend(self.words.clone());
        let carriers: BTreeMap<u32, Sipp> =
            carriers.iter().map(|(id, file)| (*id, self.carrier(&run, *id, file))).collect();
        for (id, carrier) in &carriers {
            words.insert(format!("CARRIER_{id}"), carrier.port().to_string());
        }
        let gateways = carriers.iter().map(|(id, sipp)| gateway(*id, sipp.port())).collect();
        words.insert("GATEWAYS".to_owned(), gateways);
        for (word, file) in [
            ("FSX_CONF", "fsx.conf.xml"),
            ("DIALPLAN", "dialplan.xml"),
            ("SWITCH_CONF", "switch-conf.xml"),
        ] {
            if !words.contains_key(word) {
                let text = template::fill(file, &self.text(file), &words);
                words.insert(word.to_owned(), text);
            }
        }
        let ports = FreeSwitchPorts::reserve(self.calls);
        let conf = self.text("freeswitch.xml");
        let freeswitch = FreeSwitch::start(&self.freeswitch, &run, ports, &conf, &words);

        words.insert("FREESWITCH_SIP".to_owned(), freeswitch.sip_port().to_string());
        let opensips = OpenSips::start(&self.opensips, &run, &self.text("opensips.cfg"), &words);
        Rig { callers: 0, opensips, freeswitch, daemon, carriers, run, bench: self }
    }

    /// `file` may end in a SIP status, `@STATUS@` inside: `carrier-refuses.xml 486`.
    fn carrier(&self, run: &RunDir, id: u32, file: &str) -> Sipp {
        let name = format!("gw{id}");
        let (file, status) = file.split_once(' ').unwrap_or((file, ""));
        let words = template::words([("STATUS", status.to_owned())]);
        let text = template::fill(file, &self.text(file), &words);
        let scenario = run.write(&format!("sipp/{name}.xml"), &text);
        Sipp::carrier(&self.sipp, run, &name, &scenario, Ports::one())
    }
}

/// Copies a build product into the run, because a host goes by the file's name.
fn copy(product: &str, run: &RunDir, to: &str) -> String {
    let (from, to) = (place::built(product), run.file(to));
    fs::copy(&from, &to).unwrap_or_else(|e| panic!("cannot copy {}: {e}", from.display()));
    to.display().to_string()
}

fn copy_tree(from: &Path, to: &Path) {
    let fail = |e: std::io::Error| -> ! { panic!("cannot copy {}: {e}", from.display()) };
    fs::create_dir_all(to).unwrap_or_else(|e| fail(e));
    for entry in fs::read_dir(from).unwrap_or_else(|e| fail(e)) {
        let entry = entry.unwrap_or_else(|e| fail(e));
        let (source, target) = (entry.path(), to.join(entry.file_name()));
        if source.is_dir() {
            copy_tree(&source, &target);
        } else {
            fs::copy(&source, &target).unwrap_or_else(|e| fail(e));
        }
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
    let path = shared("fsx-scenario-turn");
    let file = OpenOptions::new().create(true).truncate(false).write(true).open(&path);
    let file = file.unwrap_or_else(|e| panic!("cannot open {}: {e}", path.display()));
    file.lock().unwrap_or_else(|e| panic!("cannot lock {}: {e}", path.display()));
    file
}
