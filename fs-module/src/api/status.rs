//! `fsx status`: one screen that says what is there, what is missing, and what it did.

use fsx_seam::{clock::Deadline, guard};
use fsx_wire::answer::rfc3339;
use serde_json::json;

use super::Form;
use crate::{BUILD_ID, config::Policy, host, stats::DecisionTimes, world::World};

/// How long the daemon may take to say how it is, in milliseconds.
const DAEMON_MS: u32 = 100;

/// Answers `fsx status`.
pub(super) fn answer(world: &World, form: Form) -> String {
    let status = Status::of(world);
    form.show(&status.value(), || status.text())
}

/// The lines, each a name and what there is to say.
struct Status {
    lines: Vec<(&'static str, String)>,
    times: DecisionTimes,
    generation: u64,
    counters: Vec<(&'static str, u64)>,
    in_progress: usize,
    waiting: usize,
    panics: u64,
}

impl Status {
    fn of(world: &World) -> Self {
        let setup = world.setup();
        let config = &setup.config;
        let generation = world.generation();
        let times = world.stats.decision_times();
        let mut lines = vec![
            ("fsx", format!("{BUILD_ID} in FreeSWITCH {}", host::core::version())),
            ("config", config_line(&setup)),
            ("snapshot", snapshot(world)),
            ("live", live(world)),
            ("daemon", daemon(&setup)),
        ];
        lines.push(("spool", path_or_none(config.spool.as_deref())));
        let centre = &config.data_centre;
        lines.push((
            "data centre",
            if centre.is_empty() { "none named".to_owned() } else { centre.clone() },
        ));
        lines.push((
            "policy",
            match &config.policy {
                Policy::Never => "never asked".to_owned(),
                Policy::Always => format!("asked always, {} ms", config.policy_timeout_ms),
                Policy::Orgs(orgs) => {
                    format!("asked for orgs {orgs:?}, {} ms", config.policy_timeout_ms)
                }
            },
        ));
        lines.push(("passive", config.passive.said()));
        lines.push(("decisions", times.to_string()));
        lines.push((
            "panics",
            match guard::last_panic() {
                None => "0".to_owned(),
                Some(last) => format!(
                    "{}, last at {}:{}: {}",
                    guard::panics(),
                    last.file.as_str(),
                    last.line,
                    last.message.as_str()
                ),
            },
        ));
        Self {
            lines,
            times,
            generation,
            counters: world.stats.all(),
            in_progress: world.calls.len(),
            waiting: world.waiting.len(),
            panics: guard::panics(),
        }
    }

    fn text(&self) -> String {
        // One line for scripts: does this switch route?
        let mut text = match self.generation {
            0 => "-ERR only emergency calls are routed\n".to_owned(),
            generation => format!("+OK routing by generation {generation}\n"),
        };
        for (name, said) in &self.lines {
            text.push_str(&format!("{name:<12} {said}\n"));
        }
        let counted: Vec<String> =
            self.counters.iter().map(|(name, n)| format!("{name} {n}")).collect();
        text.push_str(&format!(
            "{:<12} in progress {}, records waiting {}, {}\n",
            "calls",
            self.in_progress,
            self.waiting,
            counted.join(", ")
        ));
        text
    }

    fn value(&self) -> serde_json::Value {
        let mut all = serde_json::Map::new();
        all.insert("generation".to_owned(), json!(self.generation));
        all.insert("panics_total".to_owned(), json!(self.panics));
        all.insert("calls_in_progress".to_owned(), json!(self.in_progress));
        all.insert("records_waiting".to_owned(), json!(self.waiting));
        for (name, said) in &self.lines {
            all.insert(name.replace(' ', "_"), json!(said));
        }
        // A member of its own, for machines; the line above is for eyes.
        all.insert(
            "decision_times".to_owned(),
            json!({
                "count": self.times.count,
                "median_us": self.times.median_us,
                "p99_us": self.times.p99_us,
                "buckets": self
                    .times
                    .buckets
                    .iter()
                    .map(|(under_us, count)| json!({"under_us": under_us, "count": count}))
                    .collect::<Vec<_>>(),
            }),
        );
        let counters: serde_json::Map<String, serde_json::Value> =
            self.counters.iter().map(|(name, n)| ((*name).to_owned(), json!(n))).collect();
        all.insert("counters".to_owned(), counters.into());
        all.into()
    }
}

fn config_line(setup: &crate::world::Setup) -> String {
    let read = rfc3339(setup.read_at);
    match setup.mistakes.as_deref() {
        None => "no fsx.conf.xml: defaults are in use".to_owned(),
        Some([]) => format!("fsx.conf.xml, read {read}"),
        Some(all @ [first, ..]) => {
            format!("read {read} with {} mistakes, first: {first}", all.len())
        }
    }
}

fn path_or_none(path: Option<&std::path::Path>) -> String {
    path.map_or_else(|| "none configured".to_owned(), |path| path.display().to_string())
}

fn snapshot(world: &World) -> String {
    let setup = world.setup();
    let Some(path) = &setup.config.snapshot else {
        return "none configured: only emergency calls are routed".to_owned();
    };
    let mut said = match world.snapshot() {
        Some(data) => format!(
            "{}, generation {}, built {}, loaded {}",
            data.path.display(),
            world.generation(),
            rfc3339(data.routing().built_at()),
            rfc3339(data.loaded_at)
        ),
        None => format!("none at {}: only emergency calls are routed", path.display()),
    };
    if let Some(reason) = world.refusal() {
        said.push_str(&format!("; the file there now is refused: {reason}"));
    } else if world.generation() != 0 && !path.exists() {
        said.push_str("; the file is gone: a restart would route emergency calls only");
    }
    said
}

fn live(world: &World) -> String {
    let setup = world.setup();
    let Some(path) = &setup.config.live else {
        return "none configured: every gateway counts as healthy and idle".to_owned();
    };
    match world.live() {
        None => format!("none at {}: every gateway counts as healthy and idle", path.display()),
        Some(live) => {
            let stats = live.table().stats();
            format!(
                "{}, generation {}, {} gateways met, {} calls in progress, {} switch processes{}{}",
                path.display(),
                stats.generation,
                stats.gateways,
                stats.calls_in_progress,
                stats.owners,
                if stats.shutting_down { ", shutdown mode" } else { "" },
                if stats.overflow > 0 {
                    format!(", full {} times", stats.overflow)
                } else {
                    String::new()
                }
            )
        }
    }
}

fn daemon(setup: &crate::world::Setup) -> String {
    let Some(asker) = &setup.asker else { return "no socket configured".to_owned() };
    match asker.status(Deadline::after_ms(DAEMON_MS)) {
        Ok(daemon) => format!(
            "{} at {}, generation {}, {} records waiting",
            daemon.version,
            asker.path().display(),
            daemon.generation,
            daemon.records_waiting
        ),
        Err(error) => format!("away: {error}"),
    }
}
