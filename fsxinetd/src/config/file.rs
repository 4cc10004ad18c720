//! Reading the file: every fault is one line that names the file, the line and the key.

use std::borrow::Cow;
use std::fmt;
use std::net::{IpAddr, SocketAddr};
use std::path::Path;

use serde::Deserialize as _;
use toml::{
    Spanned, Table, Value,
    de::{DeTable, DeValue},
};

use super::{
    Config, Database,
    expand::{Environment, expand},
};
use crate::net::AddressList;

/// One fault in the file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Problem {
    /// Line, from 1; `None` where the fault has no place in the file.
    pub line: Option<usize>,
    /// What is wrong, naming the key.
    pub text: String,
}

/// Why there is no configuration. Displays as one line a fault.
#[derive(Debug)]
pub enum ConfigError {
    /// The file cannot be read.
    Unreadable {
        /// Which file.
        path: String,
        /// Why.
        error: std::io::Error,
    },
    /// The file is read but wrong.
    Wrong {
        /// Which file.
        path: String,
        /// Every fault found, in the order of the file.
        problems: Vec<Problem>,
    },
}

impl fmt::Display for ConfigError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Unreadable { path, error } => {
                write!(
                    f,
                    "{path}: cannot read the configuration: {error} (--config names another; \
                     check-config --sample prints one)"
                )
            }
            Self::Wrong { path, problems } => {
                for (n, problem) in problems.iter().enumerate() {
                    if n > 0 {
                        f.write_str("\n")?;
                    }
                    match problem.line {
                        Some(line) => write!(f, "{path}:{line}: {}", problem.text)?,
                        None => write!(f, "{path}: {}", problem.text)?,
                    }
                }
                Ok(())
            }
        }
    }
}

impl std::error::Error for ConfigError {}

/// Reads and checks the file at `path`, with the environment of this process.
///
/// # Errors
/// [`ConfigError`], one line a fault.
pub fn load(path: &Path) -> Result<Config, ConfigError> {
    let name = path.display().to_string();
    let text = std::fs::read_to_string(path)
        .map_err(|error| ConfigError::Unreadable { path: name.clone(), error })?;
    parse(&text, &|name| std::env::var(name).ok())
        .map_err(|problems| ConfigError::Wrong { path: name, problems })
}

/// Reads and checks `text`.
///
/// # Errors
/// Every unknown key, unset variable and impossible value found; at a syntax error, that one.
pub fn parse(text: &str, env: Environment<'_>) -> Result<Config, Vec<Problem>> {
    let at = |offset: usize| Some(line_of(text, offset));
    let one = |error: &toml::de::Error, place: &str| {
        vec![Problem {
            line: error.span().and_then(|span| at(span.start)),
            text: format!("{place}{}", error.message().lines().next().unwrap_or("")),
        }]
    };
    let mut table = DeTable::parse(text).map_err(|error| one(&error, ""))?;

    let mut problems = Vec::new();
    let known = Table::try_from(Config::default()).expect("the defaults are a table");
    check_keys(table.get_ref(), &known, "", &mut |offset, text| {
        problems.push(Problem { line: at(offset), text });
    });
    expand_table(table.get_mut(), env, &mut |offset, text| {
        problems.push(Problem { line: at(offset), text });
    });
    if !problems.is_empty() {
        return Err(problems);
    }

    let lines = Lines::of(table.get_ref(), text);
    let mut config = Config::deserialize(toml::de::Deserializer::from(table)).map_err(|error| {
        let line = error.span().map(|span| line_of(text, span.start));
        let key = line.and_then(|line| lines.key_on(line)).unwrap_or_default();
        one(&error, &if key.is_empty() { String::new() } else { format!("{key}: ") })
    })?;
    old_socket_names(&mut config, env, &mut problems);
    check_values(&config, &lines, &mut problems);
    if problems.is_empty() { Ok(config) } else { Err(problems) }
}

/// The line, from 1, that holds byte `offset`.
fn line_of(text: &str, offset: usize) -> usize {
    text.as_bytes().iter().take(offset).filter(|byte| **byte == b'\n').count() + 1
}

/// Reports keys that `known` does not have.
fn check_keys(
    table: &DeTable<'_>,
    known: &Table,
    section: &str,
    report: &mut dyn FnMut(usize, String),
) {
    for (key, value) in table {
        let name: &str = key.get_ref();
        // Aliases are free names; each holds the same keys.
        if section == "databases" {
            let keys = Table::try_from(Database::default()).expect("the defaults are a table");
            match value.get_ref() {
                DeValue::Table(inner) => {
                    check_keys(inner, &keys, &format!("databases.{name}"), report);
                }
                _ => report(key.span().start, format!("[databases.{name}] is not a table")),
            }
            continue;
        }
        // Free names too, with a text each.
        if matches!((section, name), ("policy", "globals") | ("core", "organisation_keys")) {
            continue;
        }
        match (known.get(name), value.get_ref()) {
            (None, _) => report(key.span().start, unknown(name, section, known)),
            (Some(Value::Table(inner_known)), DeValue::Table(inner)) => {
                check_keys(inner, inner_known, name, report);
            }
            (Some(Value::Table(_)), _) => {
                report(key.span().start, format!("\"{name}\" is a section: write [{name}]"));
            }
            _ => {}
        }
    }
}

fn unknown(name: &str, section: &str, known: &Table) -> String {
    let (what, place) = match section {
        "" => ("section or key", String::new()),
        section => ("key", format!(" in [{section}]")),
    };
    let near = known
        .keys()
        .map(|key| (distance(name, key), key))
        .filter(|(far, key)| *far <= 1 + key.len() / 4)
        .min();
    match near {
        Some((_, key)) => format!("unknown {what} \"{name}\"{place}; did you mean \"{key}\"?"),
        None => format!("unknown {what} \"{name}\"{place}"),
    }
}

/// Edit distance of two short names.
fn distance(a: &str, b: &str) -> usize {
    let b: Vec<char> = b.chars().collect();
    let mut row: Vec<usize> = (0..=b.len()).collect();
    for (i, x) in a.chars().enumerate() {
        let mut corner = row[0];
        row[0] = i + 1;
        for (j, y) in b.iter().enumerate() {
            let swap = corner + usize::from(x != *y);
            corner = row[j + 1];
            row[j + 1] = swap.min(row[j] + 1).min(corner + 1);
        }
    }
    row[b.len()]
}

fn expand_table(
    table: &mut DeTable<'_>,
    env: Environment<'_>,
    report: &mut dyn FnMut(usize, String),
) {
    for (key, value) in table.iter_mut() {
        let name = key.get_ref().to_string();
        expand_value(&name, value, env, report);
    }
}

fn expand_value(
    name: &str,
    value: &mut Spanned<DeValue<'_>>,
    env: Environment<'_>,
    report: &mut dyn FnMut(usize, String),
) {
    let start = value.span().start;
    match value.get_mut() {
        DeValue::String(text) if text.contains("${") => match expand(text, env) {
            Ok(expanded) => *text = Cow::Owned(expanded),
            Err(error) => report(start, format!("{name}: {error}")),
        },
        DeValue::Array(items) => {
            for item in items.iter_mut() {
                expand_value(name, item, env, report);
            }
        }
        DeValue::Table(inner) => expand_table(inner, env, report),
        _ => {}
    }
}

/// Where each key stands, so that a wrong value can be named with its line.
struct Lines(Vec<(String, usize)>);

impl Lines {
    fn of(table: &DeTable<'_>, text: &str) -> Self {
        let mut lines = Vec::new();
        for (section, value) in table {
            if let DeValue::Table(inner) = value.get_ref() {
                Self::section(section.get_ref(), inner, text, &mut lines);
            }
        }
        Self(lines)
    }

    fn section(name: &str, table: &DeTable<'_>, text: &str, lines: &mut Vec<(String, usize)>) {
        for (key, value) in table {
            let path = format!("{name}.{}", key.get_ref());
            if let DeValue::Table(inner) = value.get_ref() {
                Self::section(&path, inner, text, lines);
            }
            lines.push((path, line_of(text, key.span().start)));
        }
    }

    fn line(&self, path: &str) -> Option<usize> {
        self.0.iter().find(|(key, _)| key == path).map(|(_, line)| *line)
    }

    /// `key in [section]` of the last key that begins on or before `line`.
    fn key_on(&self, line: usize) -> Option<String> {
        let (path, _) = self.0.iter().filter(|(_, at)| *at <= line).max_by_key(|(_, at)| *at)?;
        let (section, key) = path.rsplit_once('.')?;
        Some(format!("{key} in [{section}]"))
    }
}

/// `FSX_SOCKET_HOST` and `FSX_SOCKET_PORT` named the old service's address; they win over the file.
fn old_socket_names(config: &mut Config, env: Environment<'_>, problems: &mut Vec<Problem>) {
    let (host, port) = (env("FSX_SOCKET_HOST"), env("FSX_SOCKET_PORT"));
    if let Some(host) = host {
        match host.parse::<IpAddr>() {
            Ok(ip) => config.esl.listen = SocketAddr::new(ip, config.esl.listen.port()),
            Err(_) => problems.push(Problem {
                line: None,
                text: format!("FSX_SOCKET_HOST: expected an address, got \"{host}\""),
            }),
        }
    }
    if let Some(port) = port {
        match port.parse::<u16>() {
            Ok(port) => config.esl.listen.set_port(port),
            Err(_) => problems.push(Problem {
                line: None,
                text: format!("FSX_SOCKET_PORT: expected a port, got \"{port}\""),
            }),
        }
    }
}

/// Values that parse but cannot be meant.
fn check_values(config: &Config, lines: &Lines, problems: &mut Vec<Problem>) {
    let mut wrong = |path: &str, text: String| {
        let (section, key) = path.rsplit_once('.').unwrap_or(("", path));
        problems.push(Problem {
            line: lines.line(path),
            text: format!("{key} in [{section}]: {text}"),
        });
    };
    let country = &config.site.home_country;
    if !country.is_empty() && fsx_core::Country::new(country.as_bytes()).is_none() {
        wrong("site.home_country", format!("expected two letters, got \"{country}\""));
    }
    let currency = &config.site.base_currency;
    if currency.len() != 3 || !currency.bytes().all(|b| b.is_ascii_alphabetic()) {
        wrong(
            "site.base_currency",
            format!("expected three letters such as GBP, got \"{currency}\""),
        );
    }
    if u32::from_str_radix(&config.decide.mode, 8).map_or(true, |mode| mode > 0o777) {
        let mode = &config.decide.mode;
        wrong("decide.mode", format!("expected octal permission bits, got \"{mode}\""));
    }
    if let Err(error) = AddressList::new(&config.esl.allow) {
        wrong("esl.allow", error);
    }
    let url = &config.cdr.deliver_url;
    if !url.is_empty() && (!url.starts_with("http://") || url.parse::<hyper::Uri>().is_err()) {
        wrong("cdr.deliver_url", format!("expected http://…, got \"{url}\""));
    }
    for (alias, database) in &config.databases {
        let known = ["sqlite:", "mysql:", "mariadb:"];
        if !known.iter().any(|scheme| database.url.starts_with(scheme)) {
            // The text may hold a password, so only what stands before it is shown.
            let scheme = database.url.split(':').next().unwrap_or("");
            wrong(
                &format!("databases.{alias}.url"),
                format!("expected sqlite:… or mysql:…, got \"{scheme}\""),
            );
        }
    }
    for (path, value) in [
        ("esl.max_calls", config.esl.max_calls),
        ("esl.max_calls_per_s", config.esl.max_calls_per_s),
        ("esl.max_header_bytes", config.esl.max_header_bytes),
        ("decide.max_connections", config.decide.max_connections),
        ("decide.max_in_flight", config.decide.max_in_flight),
        ("http.max_connections", config.http.max_connections),
        ("policy.threads", config.policy.threads),
        ("policy.max_runs_per_thread", config.policy.max_runs_per_thread),
        ("policy.route_budget_ms", config.policy.route_budget_ms),
        ("policy.call_budget_ms", config.policy.call_budget_ms),
        ("policy.hangup_budget_ms", config.policy.hangup_budget_ms),
        ("policy.cpu_budget_ms", config.policy.cpu_budget_ms),
        ("policy.outside_budget_ms", config.policy.outside_budget_ms),
        ("policy.memory_mib", config.policy.memory_mib),
        ("policy.max_vms_per_thread", config.policy.max_vms_per_thread),
        ("policy.runs_per_vm", config.policy.runs_per_vm),
        ("policy.max_actions", config.policy.max_actions),
        ("policy.reply_timeout_ms", config.policy.reply_timeout_ms),
        ("policy.call_max_s", config.policy.call_max_s),
        ("policy.kv_max_value_bytes", config.policy.kv_max_value_bytes),
        ("core.timeout_ms", config.core.timeout_ms),
        ("core.connect_timeout_ms", config.core.connect_timeout_ms),
        ("core.max_body_bytes", config.core.max_body_bytes),
        ("core.max_in_flight", config.core.max_in_flight),
        ("policy.source_interval_s", config.policy.source_interval_s),
        ("policy.source_timeout_s", config.policy.source_timeout_s),
        ("feed.reference_seconds", config.feed.reference_seconds),
        ("feed.source_timeout_s", config.feed.source_timeout_s),
        ("feed.source_max_mib", config.feed.source_max_mib),
        ("cdr.spool_interval_ms", config.cdr.spool_interval_ms),
    ] {
        if value == 0 {
            wrong(path, "expected at least 1, got 0".to_owned());
        }
    }
    let source = &config.feed.source;
    if !source.is_empty() && crate::feed::source_address(source).is_none() {
        let expected = "expected http://host/path or https://host/path";
        wrong("feed.source", format!("{expected}, got \"{source}\""));
    }
    let url = &config.core.url;
    if !url.is_empty()
        && (crate::feed::source_address(url).is_none() || url.contains(['?', '#', '@']))
    {
        // It may hold a password, which is not shown.
        wrong("core.url", "expected http://host/path or https://host/path".to_owned());
    }
    for org in config.core.organisation_keys.keys() {
        if org.parse::<u32>().is_err() {
            let path = format!("core.organisation_keys.{org}");
            wrong(&path, "expected an organisation's number as the name".to_owned());
        }
    }
    let source = &config.policy.source;
    if !source.is_empty() && crate::feed::source_address(source).is_none() {
        let expected = "expected http://host/path or https://host/path";
        wrong("policy.source", format!("{expected}, got \"{source}\""));
    }
    if !source.is_empty() && config.policy.store.as_os_str().is_empty() {
        wrong("policy.source", "needs a store: what is fetched is kept there".to_owned());
    }
    for (path, problem) in config.policy.problems() {
        wrong(&path, problem);
    }
    for (path, problem) in config.xml.problems() {
        wrong(&path, problem);
    }
    if config.feed.max_loss_percent > 100 {
        let got = config.feed.max_loss_percent;
        wrong("feed.max_loss_percent", format!("expected at most 100, got {got}"));
    }
}
