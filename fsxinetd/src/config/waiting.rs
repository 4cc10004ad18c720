//! What of a configuration that is read again has to wait for the next start.
//!
//! Who changes a key and reloads has to be told where nothing happened, or looks for the fault in the
//! wrong place.

use serde_json::Value;

use super::Config;

/// Keys of `[policy]` that take effect at once: those that `policy::Terms` is made of.
const OF_POLICIES: &[&str] = &[
    "api_commands",
    "api_commands_organisations",
    "call_budget_ms",
    "call_max_s",
    "caller_ids_organisations",
    "carrier_groups_organisations",
    "cpu_budget_ms",
    "data_centres_organisations",
    "domain_organisations",
    "hangup_budget_ms",
    "max_actions",
    "max_runs_per_thread",
    "max_vms_per_thread",
    "memory_mib",
    "outside_budget_ms",
    "profiles_organisations",
    "reply_timeout_ms",
    "route_budget_ms",
    "runs_per_vm",
    "variables_organisations",
];

/// Keys that take effect at once, by section.
fn at_once(section: &str, key: &str) -> bool {
    match section {
        "policy" => OF_POLICIES.contains(&key),
        "log" => key == "level",
        _ => false,
    }
}

/// The keys that differ and wait, as in `esl.listen`; of a database its alias, never its address.
#[must_use]
pub fn waiting(running: &Config, read: &Config) -> Vec<String> {
    let (Ok(Value::Object(running)), Ok(Value::Object(read))) =
        (serde_json::to_value(running), serde_json::to_value(read))
    else {
        return vec![];
    };
    let none = serde_json::Map::new();
    let mut keys = Vec::new();
    for (section, new) in &read {
        let Some(new) = new.as_object() else { continue };
        let old = running.get(section).and_then(Value::as_object).unwrap_or(&none);
        let gone = old.keys().filter(|key| !new.contains_key(*key));
        let changed = new.iter().filter(|(key, value)| old.get(*key) != Some(value));
        for key in changed.map(|(key, _)| key).chain(gone) {
            if !at_once(section, key) {
                keys.push(format!("{section}.{key}"));
            }
        }
    }
    keys
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::parse;

    #[test]
    fn what_waits_is_named_and_what_does_not_is_not() {
        let running = Config::default();
        assert!(waiting(&running, &running).is_empty());
        let text = "[esl]\nmax_calls = 7\n[policy]\nroute_budget_ms = 9\nthreads = 3\n\
                    [log]\nlevel = \"debug\"\n[databases.LCR]\nurl = \"mysql://u:secret@h/LCR\"\n";
        let read = parse(text, &|_| None).expect("a configuration");
        let mut waits = waiting(&running, &read);
        waits.sort_unstable();
        assert_eq!(waits, ["databases.LCR", "esl.max_calls", "policy.threads"]);
        // The other way round: what is there no more.
        assert!(waiting(&read, &running).contains(&"databases.LCR".to_owned()));
    }

    #[test]
    fn every_key_that_is_said_to_take_effect_at_once_is_one() {
        let policy = serde_json::to_value(Config::default().policy).expect("JSON");
        for key in OF_POLICIES {
            assert!(policy.get(key).is_some(), "{key} is no key of [policy]");
        }
    }
}
