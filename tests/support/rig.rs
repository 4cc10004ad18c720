//! The whole rig of a scenario: SIPp caller → OpenSIPS → FreeSWITCH → SIPp carriers, with fsxinetd
//! beside them; [`Bench`] puts it together.

use std::{collections::BTreeMap, time::Duration};

use serde_json::Value;

pub use crate::bench::Bench;
use crate::{
    daemon::Daemon,
    expect,
    freeswitch::FreeSwitch,
    opensips::OpenSips,
    run_dir::RunDir,
    sipp::{Calls, Sipp},
    template,
    template::Words,
    wait,
};

/// A running rig. Parts end in the order of the fields: callers' side first.
#[derive(Debug)]
pub struct Rig {
    pub(crate) callers: u32,
    /// The proxy.
    pub opensips: OpenSips,
    /// The switch.
    pub freeswitch: FreeSwitch,
    pub(crate) daemon: Option<Daemon>,
    /// The carriers, by gateway ID.
    pub carriers: BTreeMap<u32, Sipp>,
    /// Their directory.
    pub run: RunDir,
    pub(crate) bench: Bench,
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
    /// How many; 0 goes on until [`Sipp::retire`].
    pub calls: u32,
    /// How many new ones a second.
    pub rate: u32,
    /// SIP status expected by `caller-refused.xml`.
    pub status: u16,
    /// All of it must be over by then.
    pub limit: Duration,
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
            rate: 10,
            status: 0,
            limit: CALL_LIMIT,
        }
    }
}

/// Longest that a caller may take, far above what any scenario needs.
const CALL_LIMIT: Duration = Duration::from_secs(60);

/// From the publication of a snapshot to its use in both switches, and the like.
const SETTLE: Duration = Duration::from_secs(10);

/// From the end of a call to its record in the store.
const RECORD_LIMIT: Duration = Duration::from_secs(10);

impl Rig {
    /// The daemon, running or not.
    ///
    /// # Panics
    /// When the rig was started without fsx.
    #[track_caller]
    pub fn daemon(&mut self) -> &mut Daemon {
        self.daemon.as_mut().unwrap_or_else(|| panic!("this rig has no fsxinetd"))
    }

    /// Waits for the records of all calls so far and compares them, the earliest call first, with
    /// `records` of the scenario's `expect.json`. `words` fills in what the run decides.
    ///
    /// # Panics
    /// When there are others, or they differ.
    #[track_caller]
    pub fn expect_records(&mut self, words: &Words) -> Vec<Value> {
        let expected: Value = serde_json::from_str(&template::fill(
            "expect.json",
            &self.bench.text("expect.json"),
            words,
        ))
        .unwrap_or_else(|e| panic!("expect.json: {e}"));
        let count = expected["records"].as_array().map_or(0, Vec::len);
        let records = self.daemon().wait_for_records(count, RECORD_LIMIT);
        expect::same("the call records", &expected["records"], &Value::Array(records.clone()));
        records
    }

    /// Generation that FreeSWITCH's module decides by; 0 without data.
    ///
    /// # Panics
    /// When it does not answer.
    #[track_caller]
    pub fn freeswitch_generation(&self) -> u64 {
        let said = self.freeswitch.api("fsx generation");
        said.trim().parse().unwrap_or_else(|_| panic!("`fsx generation` said {said:?}"))
    }

    /// Generation that OpenSIPS's module decides by; 0 without data.
    ///
    /// # Panics
    /// When it does not answer.
    #[track_caller]
    pub fn opensips_generation(&self) -> u64 {
        let status = self.opensips.mi("fsx_status", Value::Null);
        status["generation"].as_u64().unwrap_or_else(|| panic!("fsx_status said {status:#}"))
    }

    /// Waits until both switches decide by the same generation, newer than `old`, and gives it.
    ///
    /// # Panics
    /// When they do not within `limit`.
    #[track_caller]
    pub fn wait_for_generation_after(&self, old: u64, limit: Duration) -> u64 {
        wait::until(&format!("both switches to be past generation {old}"), limit, || {
            let (here, there) = (self.freeswitch_generation(), self.opensips_generation());
            (here == there && here > old).then_some(here)
        })
    }

    /// The generation in use in both switches.
    ///
    /// # Panics
    /// When there is none.
    #[must_use]
    #[track_caller]
    pub fn generation(&self) -> u64 {
        self.wait_for_generation_after(0, SETTLE)
    }

    /// What was dialled at a carrier so far, call by call.
    #[must_use]
    pub fn dialled_at(&self, gateway: u32) -> Vec<String> {
        let calls = self.carriers[&gateway].calls_received();
        calls.iter().map(|call| call.dialled().to_owned()).collect()
    }

    /// Checks that carriers were not called.
    ///
    /// # Panics
    /// When one was.
    #[track_caller]
    pub fn expect_no_calls(&self, gateways: &[u32]) {
        for id in gateways {
            assert!(self.dialled_at(*id).is_empty(), "gateway {id}: {:?}", self.dialled_at(*id));
        }
    }

    /// Places calls through OpenSIPS and waits for their end; the exit code of SIPp is checked.
    ///
    /// # Panics
    /// When a call did not go as the caller's file says.
    #[track_caller]
    pub fn call(&mut self, call: &Call<'_>) {
        let mut caller = self.begin(call);
        assert_eq!(caller.finish(call.limit), 0, "SIPp's exit code for {call:?}");
    }

    /// Places calls and gives the running caller.
    ///
    /// # Panics
    /// When it cannot be started.
    #[track_caller]
    pub fn begin(&mut self, call: &Call<'_>) -> Sipp {
        self.begin_at(self.opensips.sip_port(), call, &[])
    }

    /// Places calls at FreeSWITCH itself, past the proxy, and gives the running caller; `keys` are more
    /// values of `[NAME]` in the caller's file.
    ///
    /// # Panics
    /// When it cannot be started.
    #[track_caller]
    pub fn begin_direct(&mut self, call: &Call<'_>, keys: &[(&str, &str)]) -> Sipp {
        self.begin_at(self.freeswitch.sip_port(), call, keys)
    }

    fn begin_at(&mut self, to_port: u16, call: &Call<'_>, keys: &[(&str, &str)]) -> Sipp {
        self.callers += 1;
        let name = format!("caller{}", self.callers);
        let words = template::words([("STATUS", call.status.to_string())]);
        let text = template::fill(call.file, &self.bench.text(call.file), &words);
        let file = self.run.write(&format!("sipp/{name}.xml"), &text);
        let org = call.org.to_string();
        let keys = [&[("cli", call.cli), ("org", &org)], keys].concat();
        Sipp::caller(
            &self.bench.sipp,
            &self.run,
            &name,
            &file,
            &Calls {
                to_port,
                number: call.number,
                talk: call.talk,
                calls: call.calls,
                rate: call.rate,
                keys: &keys,
                limit: call.limit,
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
        if self.daemon.is_some() {
            self.expect_modules_sound();
        }
        let opensips = self.opensips.stop();
        assert!(opensips.success(), "OpenSIPS ended with {opensips}");
        let freeswitch = self.freeswitch.stop();
        assert!(freeswitch.success(), "FreeSWITCH ended with {freeswitch}");
        if let Some(daemon) = self.daemon.as_mut().filter(|daemon| daemon.started()) {
            assert!(daemon.alive(), "fsxinetd died");
            daemon.stop();
        }
    }
}

impl Rig {
    /// Neither module caught a panic, and no record was lost.
    #[track_caller]
    fn expect_modules_sound(&self) {
        let text = self.freeswitch.api("fsx status as json");
        let status: Value = serde_json::from_str(&text)
            .unwrap_or_else(|e| panic!("fsx status as json: {e}: {text}"));
        assert_eq!(status["panics_total"], 0, "{status:#}");
        assert_eq!(status["counters"]["records_lost"], 0, "{status:#}");
        assert_eq!(status["calls_in_progress"], 0, "{status:#}");
        let status = self.opensips.mi("fsx_status", Value::Null);
        assert_eq!(status["panics"], 0, "{status:#}");
        assert_eq!(status["calls"]["errors"], 0, "{status:#}");
    }
}
