//! `docs/freeswitch.md` names everything that the module shows to a switch.
//!
//! An operator who meets a word in a log or a variable in a dump looks it up there; a word that was
//! added to the code and not to the page is found here. Reads text, runs nothing.

use std::{
    collections::BTreeSet,
    fs,
    path::{Path, PathBuf},
};

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().expect("a workspace").to_owned()
}

fn page() -> String {
    fs::read_to_string(root().join("docs/freeswitch.md")).expect("the page")
}

/// The module's sources, tests inside them cut off.
fn sources() -> Vec<(String, String)> {
    let mut found = Vec::new();
    let mut folders = vec![Path::new(env!("CARGO_MANIFEST_DIR")).join("src")];
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(folder).expect("a folder") {
            let path = entry.expect("an entry").path();
            if path.is_dir() {
                folders.push(path);
            } else {
                let text = fs::read_to_string(&path).expect("a file");
                let code = text.split("#[cfg(test)]").next().unwrap_or_default().to_owned();
                found.push((path.display().to_string(), code));
            }
        }
    }
    assert!(found.len() > 40, "{} files", found.len());
    found
}

fn source(name: &str) -> String {
    let all = sources();
    let found = all.iter().find(|(path, _)| path.ends_with(name));
    found.unwrap_or_else(|| panic!("no {name}")).1.clone()
}

/// What stands between `before` and `after`, wherever `before` stands.
fn between<'a>(text: &'a str, before: &str, after: &str) -> BTreeSet<&'a str> {
    text.split(before).skip(1).filter_map(|rest| Some(rest.split_once(after)?.0)).collect()
}

/// Fails with every one of `names` that does not stand on the page in backticks, alone or at the
/// beginning of a longer piece of code.
#[track_caller]
fn all_on_page(what: &str, names: &BTreeSet<&str>, least: usize) {
    let page = page();
    assert!(names.len() >= least, "only {} {what} found in the code: {names:?}", names.len());
    let missing: Vec<_> = names
        .iter()
        .filter(|name| {
            !page.match_indices(&format!("`{name}")).any(|(at, found)| {
                let next = page[at + found.len()..].chars().next();
                next.is_some_and(|c| !(c.is_alphanumeric() || matches!(c, '_' | '-' | ':')))
            })
        })
        .collect();
    assert!(missing.is_empty(), "docs/freeswitch.md does not name these {what}: {missing:?}");
}

#[test]
fn applications_commands_and_dialplans() {
    let all = sources();
    let names: BTreeSet<&str> = all
        .iter()
        .filter(|(path, _)| !path.contains("/host/"))
        .flat_map(|(_, text)| between(text, "const NAME: &'static core::ffi::CStr = c\"", "\""))
        .filter(|name| *name != "mod_fsx")
        .collect();
    all_on_page("names", &names, 5);
    let api = source("src/api.rs");
    let help = api.split_once("const HELP: &str = \"\\\n").expect("help").1;
    let help = help.split_once("\";").expect("its end").0;
    let words = help.lines().filter(|line| line.starts_with("fsx ")).map(|line| {
        let words: Vec<&str> = line.split([' ', '<']).filter(|w| !w.is_empty()).collect();
        words[1]
    });
    let commands: BTreeSet<String> = words.map(|word| format!("fsx {word}")).collect();
    all_on_page("commands", &commands.iter().map(String::as_str).collect(), 10);
}

#[test]
fn variables_and_counters() {
    let vars = source("src/vars.rs");
    let names = vars.split_once("names! {").expect("names").1.split_once("\n}").expect("end").0;
    all_on_page("variables that are read", &between(names, "\" = \"", "\""), 14);
    let out = vars.split_once("mod out {").expect("out").1.split_once("\n}").expect("end").0;
    all_on_page("variables that are set", &between(out, "&str = \"", "\""), 8);
    let stats = source("src/stats.rs");
    let list =
        stats.split_once("counters! {").expect("counters").1.split_once("\n}").expect("end").0;
    let counters: BTreeSet<&str> = list
        .lines()
        .map(str::trim)
        .filter(|line| !line.starts_with("//") && line.ends_with(','))
        .map(|line| line.trim_end_matches(','))
        .collect();
    all_on_page("counters", &counters, 12);
    let state = source("src/xml/state.rs");
    let list = state.split_once("counted! { ").expect("counted").1.split_once(" }").expect("end").0;
    let counters = list.split(", ").map(|name| name.trim_end_matches(',')).collect();
    all_on_page("counters of look-ups", &counters, 7);
}

#[test]
fn events_and_their_headers() {
    let events = source("src/events.rs");
    all_on_page(
        "events",
        &between(&events, "c\"fsx::", "\"")
            .iter()
            .map(|n| format!("fsx::{n}"))
            .collect::<Vec<_>>()
            .iter()
            .map(String::as_str)
            .collect(),
        4,
    );
    let headers: BTreeSet<String> =
        between(&events, "\"FSX-", "\"").into_iter().map(|n| format!("FSX-{n}")).collect();
    all_on_page("headers", &headers.iter().map(String::as_str).collect(), 15);
}

#[test]
fn settings_of_the_sample() {
    let sample =
        fs::read_to_string(root().join("fs-module/conf/fsx.conf.xml")).expect("the sample");
    let xml = sample.split_once("<xml>").expect("xml").1.split_once("</xml>").expect("end").0;
    let page = page();
    for name in between(xml, "name=\"", "\"") {
        let short = if name.ends_with("-key") { "<section>-key" } else { name };
        assert!(page.contains(short), "docs/freeswitch.md does not name the setting {name}");
    }
}

#[test]
fn log_lines() {
    let page = page();
    let table = page.split_once("## Log lines").expect("log lines").1;
    let table = table.split_once("\n## ").expect("the next").0;
    let mut lines = 0;
    let mut missing = Vec::new();
    for (path, text) in sources() {
        // A line's text begins a string; what holds none of the page's words is not one.
        for line in between(&text, "\"fsx: ", "\"") {
            // The fixed pieces between what is filled in; a backslash continues the text below.
            let pieces = line.split(['{', '\\']).enumerate().map(|(n, piece)| match n {
                0 => piece,
                _ => piece.split_once('}').map_or(piece, |(_, rest)| rest),
            });
            let Some(longest) = pieces.map(str::trim).max_by_key(|piece| piece.len()) else {
                continue;
            };
            lines += 1;
            if longest.len() > 3 && !table.contains(longest) {
                missing.push(format!("{path}: \"{longest}\" of \"fsx: {line}\""));
            }
        }
    }
    assert!(lines > 25, "only {lines} lines found");
    assert!(
        missing.is_empty(),
        "docs/freeswitch.md does not have these log lines:\n{}",
        missing.join("\n")
    );
}
