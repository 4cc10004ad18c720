//! The sections and keys. Units stand last in the names.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::path::PathBuf;

use serde::{Deserialize, Serialize};

/// The whole file.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct Config {
    /// Where this machine stands.
    pub site: Site,
    /// Database to snapshot.
    pub feed: Feed,
    /// Databases by alias (`LCR_RO`, `CoreDB`, …).
    pub databases: BTreeMap<String, Database>,
    /// Event socket, for FreeSWITCH's `socket` application.
    pub esl: Esl,
    /// Decision socket, for the modules.
    pub decide: Decide,
    /// HTTP.
    pub http: Http,
    /// FreeSWITCH's XML look-ups.
    pub xml: super::Xml,
    /// Lua policies.
    pub policy: Policy,
    /// The Core API.
    pub core: super::Core,
    /// Call records.
    pub cdr: Cdr,
    /// Logging.
    pub log: Log,
    /// The daemon itself.
    pub daemon: Daemon,
}

/// `[site]`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct Site {
    /// Data centre of this machine, as `CarrierGateway.DataCentre` names it; empty names none.
    pub data_centre: String,
    /// Country whose dialling rules apply where neither the call nor its organisation names one
    /// (ISO 3166, two letters); empty is none.
    pub home_country: String,
    /// Currency that prices are compared in (ISO 4217).
    pub base_currency: String,
}

impl Default for Site {
    fn default() -> Self {
        Self {
            data_centre: String::new(),
            home_country: "GB".to_owned(),
            base_currency: "GBP".to_owned(),
        }
    }
}

/// `[feed]`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct Feed {
    /// Alias in `[databases]` that holds the nine LCR tables.
    pub database: String,
    /// Where a snapshot that was built elsewhere is fetched from, `http://…` or `https://…`; empty
    /// builds one here. The database, where there is one, then gives health and spend only.
    pub source: String,
    /// A fetch that takes longer is given up, in seconds.
    pub source_timeout_s: u32,
    /// A larger snapshot is not fetched, in MiB.
    pub source_max_mib: u32,
    /// The routing file that the switches map.
    pub snapshot: PathBuf,
    /// The small shared table beside it.
    pub live: PathBuf,
    /// How often the database is looked at, in seconds; 0 builds once, at start.
    pub interval_s: u32,
    /// A snapshot older than this makes `/readyz` fail, in seconds; 0 never does.
    pub max_age_s: u32,
    /// Length of the call that prices are compared for, in seconds.
    pub reference_seconds: u32,
    /// An exchange rate older than this is not used, in hours.
    pub fx_max_age_h: u32,
    /// What a disabled band or a missing rate does: `out` takes the carrier out, `shorter` falls
    /// back to a shorter prefix (for sites that come from mod_lcr).
    pub unusable_prefix: UnusablePrefix,
    /// Days ahead that periods are resolved for.
    pub horizon_days: u32,
    /// A build that would lose more than this share of its rows is refused, in percent.
    pub max_loss_percent: u32,
}

impl Default for Feed {
    fn default() -> Self {
        Self {
            database: "LCR_RO".to_owned(),
            source: String::new(),
            source_timeout_s: 120,
            source_max_mib: 4096,
            snapshot: "/var/lib/fsx/routing.snapshot".into(),
            live: "/var/lib/fsx/routing.live".into(),
            interval_s: 60,
            max_age_s: 86_400,
            reference_seconds: 60,
            fx_max_age_h: 72,
            unusable_prefix: UnusablePrefix::Out,
            horizon_days: 35,
            max_loss_percent: 10,
        }
    }
}

/// What an unusable prefix does (contract, steps 6 and 7).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum UnusablePrefix {
    /// The carrier is out.
    #[default]
    Out,
    /// The next shorter prefix is tried.
    Shorter,
}

/// `[databases.<Alias>]`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct Database {
    /// `sqlite:///path/to/file` or `mysql://user:password@host/name`.
    pub url: String,
    /// Refuse to write through this alias.
    pub read_only: bool,
    /// Most connections.
    pub max_connections: u32,
    /// How long a connection is waited for, in milliseconds.
    pub acquire_timeout_ms: u32,
    /// Organisations whose own policies may use it; the platform's may use every one.
    pub organisations: Vec<u32>,
}

impl Default for Database {
    fn default() -> Self {
        Self {
            url: String::new(),
            read_only: true,
            max_connections: 4,
            acquire_timeout_ms: 3_000,
            organisations: Vec::new(),
        }
    }
}

/// `[esl]`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct Esl {
    /// Where FreeSWITCH connects to.
    pub listen: SocketAddr,
    /// Addresses and networks that may connect.
    pub allow: Vec<String>,
    /// Most calls in progress; the next are refused at once.
    pub max_calls: u32,
    /// Most new calls a second; the next are refused at once.
    pub max_calls_per_s: u32,
    /// How long a new connection may take to say what call it is, in milliseconds.
    pub connect_timeout_ms: u32,
    /// How long a write may take, in milliseconds.
    pub write_timeout_ms: u32,
    /// How long the answer's last bytes may take to be read, in milliseconds.
    pub close_timeout_ms: u32,
    /// Longest header block that is read, in bytes.
    pub max_header_bytes: u32,
    /// Longest body that is read, in bytes.
    pub max_body_bytes: u32,
}

impl Default for Esl {
    fn default() -> Self {
        Self {
            listen: SocketAddr::from(([127, 0, 0, 1], 60321)),
            allow: vec!["127.0.0.0/8".to_owned(), "::1".to_owned()],
            max_calls: 2_000,
            max_calls_per_s: 500,
            connect_timeout_ms: 5_000,
            write_timeout_ms: 2_000,
            close_timeout_ms: 2_000,
            max_header_bytes: 262_144,
            max_body_bytes: 1_048_576,
        }
    }
}

/// `[decide]`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct Decide {
    /// The Unix socket.
    pub socket: PathBuf,
    /// Its permission bits, octal text.
    pub mode: String,
    /// Its group; empty leaves it as created.
    pub group: String,
    /// Users that may ask, by name or number, beside root and the daemon's own.
    pub allow_users: Vec<String>,
    /// Most connections.
    pub max_connections: u32,
    /// Most requests being answered on one connection; further ones wait unread.
    pub max_in_flight: u32,
    /// How long a write may take, in milliseconds.
    pub write_timeout_ms: u32,
}

impl Default for Decide {
    fn default() -> Self {
        Self {
            socket: "/run/fsx/decide.sock".into(),
            mode: "0660".to_owned(),
            group: String::new(),
            allow_users: vec!["freeswitch".to_owned(), "opensips".to_owned()],
            max_connections: 2_048,
            max_in_flight: 256,
            write_timeout_ms: 2_000,
        }
    }
}

/// `[http]`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct Http {
    /// Where health, metrics and the LCR answer are served.
    pub listen: SocketAddr,
    /// Most connections.
    pub max_connections: u32,
    /// How long request headers may take, in milliseconds.
    pub header_timeout_ms: u32,
    /// Longest request body, in bytes.
    pub max_body_bytes: u32,
}

impl Default for Http {
    fn default() -> Self {
        Self {
            listen: SocketAddr::from(([127, 0, 0, 1], 8060)),
            max_connections: 256,
            header_timeout_ms: 5_000,
            max_body_bytes: 1_048_576,
        }
    }
}

/// `[policy]`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct Policy {
    /// Folder of bundles: `default/` for the platform, `<OrgID>/` for each organisation.
    pub dir: PathBuf,
    /// Folder of the versions that are kept and of which one is in force; empty keeps none.
    pub store: PathBuf,
    /// Where organisations' bundles are fetched from (`http://…`, `https://…`); empty fetches none.
    pub source: String,
    /// Sent as `X-API-Key` when fetching; empty sends none.
    pub source_api_key: String,
    /// How often the source is asked, in seconds.
    pub source_interval_s: u32,
    /// How long one fetch may take, in seconds.
    pub source_timeout_s: u32,
    /// Threads that run Lua.
    pub threads: u32,
    /// Most runs in progress on one thread; the next are refused at once.
    pub max_runs_per_thread: u32,
    /// Wall-clock time of a run in the `route` phase, in milliseconds.
    pub route_budget_ms: u32,
    /// Wall-clock time of a run in the `call` phase, in milliseconds.
    pub call_budget_ms: u32,
    /// Wall-clock time of a run in the `hangup` phase, in milliseconds.
    pub hangup_budget_ms: u32,
    /// Of which computing, in milliseconds.
    pub cpu_budget_ms: u32,
    /// How long one live call's script may wait for the Core API and databases, all together, in
    /// milliseconds. In the other phases that is part of their own time.
    pub outside_budget_ms: u32,
    /// Memory of one organisation's virtual machine, in MiB.
    pub memory_mib: u32,
    /// Most virtual machines kept on one thread; the one unused longest goes first.
    pub max_vms_per_thread: u32,
    /// A virtual machine is replaced after this many runs.
    pub runs_per_vm: u32,
    /// Most actions that one run may ask of a call.
    pub max_actions: u32,
    /// How long the switch may take to reply to a command that does not run as long as the call
    /// likes, in milliseconds.
    pub reply_timeout_ms: u32,
    /// How long one application (a bridge, say) may be waited for, in seconds.
    pub call_max_s: u32,
    /// Commands that the platform's scripts may use through `freeswitch.API`.
    pub api_commands: Vec<String>,
    /// Commands that organisations' scripts may use.
    pub api_commands_organisations: Vec<String>,
    /// Variables that organisations' scripts may set beside the harmless ones: names, or beginnings
    /// with `*`.
    pub variables_organisations: Vec<String>,
    /// Routing profiles that they may choose in `fsx.route`, beside the organisation's own.
    pub profiles_organisations: Vec<String>,
    /// Carrier groups that they may choose there.
    pub carrier_groups_organisations: Vec<String>,
    /// Data centres that they may choose there.
    pub data_centres_organisations: Vec<String>,
    /// Domain of users, mailboxes and queues where a call has no `domain_name`; `{org}` stands for the
    /// organisation's number. Empty leaves users to the switch's own domain.
    pub domain_organisations: String,
    /// Numbers that an organisation (`*`: any) may show, beside those of the call.
    pub caller_ids_organisations: BTreeMap<String, Vec<String>>,
    /// Most keys that one organisation may keep in the key-value store.
    pub kv_max_keys: u32,
    /// Longest value there, in bytes.
    pub kv_max_value_bytes: u32,
    /// Most that one organisation may keep there, in KiB.
    pub kv_max_kib: u32,
    /// Most that all may keep there, in MiB.
    pub kv_memory_mib: u32,
    /// What `freeswitch.getGlobalVariable` gives without asking a switch.
    pub globals: BTreeMap<String, String>,
}

impl Default for Policy {
    fn default() -> Self {
        Self {
            dir: "/etc/fsx/policies".into(),
            store: "/var/lib/fsx/policies".into(),
            source: String::new(),
            source_api_key: String::new(),
            source_interval_s: 30,
            source_timeout_s: 10,
            threads: 2,
            max_runs_per_thread: 1_000,
            route_budget_ms: 50,
            call_budget_ms: 2_000,
            hangup_budget_ms: 5_000,
            cpu_budget_ms: 50,
            outside_budget_ms: 30_000,
            memory_mib: 16,
            max_vms_per_thread: 64,
            runs_per_vm: 10_000,
            max_actions: 100,
            reply_timeout_ms: 5_000,
            call_max_s: 14_400,
            api_commands: [
                "create_uuid",
                "global_getvar",
                "hostname",
                "module_exists",
                "regex",
                "sofia_contact",
                "strepoch",
                "strftime",
                "switchname",
                "user_data",
                "user_exists",
                "uuid_exists",
                "uuid_getvar",
                "uuid_setvar",
            ]
            .map(str::to_owned)
            .into(),
            api_commands_organisations: [
                "create_uuid",
                "module_exists",
                "regex",
                "strepoch",
                "strftime",
            ]
            .map(str::to_owned)
            .into(),
            variables_organisations: Vec::new(),
            profiles_organisations: Vec::new(),
            carrier_groups_organisations: Vec::new(),
            data_centres_organisations: Vec::new(),
            domain_organisations: "{org}".to_owned(),
            caller_ids_organisations: BTreeMap::new(),
            kv_max_keys: 10_000,
            kv_max_value_bytes: 65_536,
            kv_max_kib: 4_096,
            kv_memory_mib: 128,
            globals: BTreeMap::new(),
        }
    }
}

impl Policy {
    /// What cannot be meant, by key.
    pub(super) fn problems(&self) -> Vec<(String, String)> {
        let plain = |text: &str, more: &[u8]| {
            !text.is_empty() && text.bytes().all(|b| b.is_ascii_alphanumeric() || more.contains(&b))
        };
        let mut problems = Vec::new();
        for name in &self.variables_organisations {
            let start = name.strip_suffix('*').unwrap_or(name);
            // A beginning of one letter opens too much.
            if !plain(start, b"_-.") || start.len() < 3 && name.ends_with('*') {
                let expected = "expected names, or beginnings of three letters and more with *";
                let text = format!("{expected}, got \"{name}\"");
                problems.push(("policy.variables_organisations".to_owned(), text));
            }
        }
        let domain = self.domain_organisations.replace("{org}", "1");
        if !domain.is_empty() && !plain(&domain, b".-_") {
            let text = format!("expected a domain, got \"{}\"", self.domain_organisations);
            problems.push(("policy.domain_organisations".to_owned(), text));
        }
        for (org, numbers) in &self.caller_ids_organisations {
            let path = format!("policy.caller_ids_organisations.{org}");
            if org != "*" && org.parse::<u32>().is_err() {
                let text = "expected an organisation's number or * as the name";
                problems.push((path.clone(), text.to_owned()));
            }
            for number in numbers {
                let digits = number.strip_prefix('+').unwrap_or(number);
                let digits = digits.strip_suffix('*').unwrap_or(digits);
                if !digits.bytes().all(|b| b.is_ascii_digit()) || number.is_empty() {
                    let text =
                        format!("expected a number, or its beginning and *, got \"{number}\"");
                    problems.push((path.clone(), text));
                }
            }
        }
        problems
    }
}

/// `[cdr]`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct Cdr {
    /// SQLite file that holds the records.
    pub store: PathBuf,
    /// Files that the modules write while the daemon is away.
    pub spool: Vec<PathBuf>,
    /// How often the spool files are looked at, in milliseconds.
    pub spool_interval_ms: u32,
    /// Where records are posted (`http://…`); empty keeps them in the store only.
    pub deliver_url: String,
    /// Sent as `X-API-Key`; empty sends none.
    pub deliver_api_key: String,
    /// How long one post may take, in milliseconds.
    pub deliver_timeout_ms: u32,
    /// Longest pause between tries of one record, in seconds.
    pub retry_max_s: u32,
    /// Delivered records are kept this many days; 0 keeps them for ever.
    pub keep_days: u32,
}

impl Default for Cdr {
    fn default() -> Self {
        Self {
            store: "/var/lib/fsx/cdr.sqlite".into(),
            spool: vec![
                "/var/lib/fsx/spool/freeswitch.jsonl".into(),
                "/var/lib/fsx/spool/opensips.jsonl".into(),
            ],
            spool_interval_ms: 2_000,
            deliver_url: String::new(),
            deliver_api_key: String::new(),
            deliver_timeout_ms: 5_000,
            retry_max_s: 300,
            keep_days: 30,
        }
    }
}

/// `[log]`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct Log {
    /// `error`, `warn`, `info`, `debug` or `trace`, or a filter such as `info,fsxinetd::esl=debug`.
    pub level: String,
    /// `text` or `json`, one line each, to standard error.
    pub format: LogFormat,
}

impl Default for Log {
    fn default() -> Self {
        Self { level: "info".to_owned(), format: LogFormat::Text }
    }
}

/// How log lines look.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum LogFormat {
    /// For people.
    #[default]
    Text,
    /// For machines.
    Json,
}

/// `[daemon]`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct Daemon {
    /// How long calls in progress may take to finish when the daemon is told to stop, in seconds.
    pub drain_s: u32,
    /// Threads of the runtime; 0 is one a core.
    pub threads: u32,
}

impl Default for Daemon {
    fn default() -> Self {
        Self { drain_s: 10, threads: 0 }
    }
}
