//! `manifest.toml`: which function answers which task and number, in which phase, and the version.
//!
//! It is read by hand over the parsed table so that everything wrong is named at once, each with its
//! line: an author mends it in one go.

use std::collections::BTreeMap;

use toml::Spanned;
use toml::de::{DeTable, DeValue};

use super::files::MANIFEST;
use super::numbers::Pattern;
use super::{Entry, Fault};
use crate::policy::Phase;

/// Longest version and task, in bytes.
const MAX_NAME: usize = 64;

/// Most tasks and numbers.
const MAX_ENTRIES: usize = 10_000;

/// One line of the manifest that runs something.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Runs {
    pub(super) entry: Entry,
    /// In the manifest, from 1.
    pub(super) line: usize,
}

/// What the manifest says.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Manifest {
    pub(super) version: String,
    /// Task by phase and name.
    pub(super) tasks: BTreeMap<(Phase, String), Runs>,
    /// Called numbers, most particular first.
    pub(super) numbers: Vec<(Pattern, Phase, Runs)>,
}

impl Manifest {
    /// Everything that runs: its phase, what it is called in the manifest, its entry and line.
    pub fn entries(&self) -> impl Iterator<Item = (Phase, String, &Entry, usize)> {
        let tasks = self.tasks.iter().map(|((phase, task), runs)| {
            (*phase, format!("task \"{task}\""), &runs.entry, runs.line)
        });
        let numbers = self.numbers.iter().map(|(pattern, phase, runs)| {
            (*phase, format!("number \"{pattern}\""), &runs.entry, runs.line)
        });
        tasks.chain(numbers)
    }

    /// Reads the text.
    ///
    /// # Errors
    /// Everything that is wrong with it.
    pub fn parse(text: &str) -> Result<Self, Vec<Fault>> {
        let table = DeTable::parse(text).map_err(|error| {
            let message = error.message().lines().next().unwrap_or("").to_owned();
            let line = error.span().map_or(1, |span| line_of(text, span.start));
            vec![Fault::at(MANIFEST, line, message)]
        })?;
        let mut reader = Reader { text, manifest: Self::default(), faults: Vec::new() };
        reader.top(table.get_ref());
        let mut manifest = reader.manifest;
        manifest.numbers.sort_by_key(|(number, ..)| std::cmp::Reverse(number.rank()));
        if reader.faults.is_empty() {
            return Ok(manifest);
        }
        // In the order of the file.
        reader.faults.sort_by_key(|fault| fault.line);
        Err(reader.faults)
    }
}

struct Reader<'a> {
    text: &'a str,
    manifest: Manifest,
    faults: Vec<Fault>,
}

const TOP: &[&str] = &["version", "description", "numbers", "route", "call", "hangup"];

impl Reader<'_> {
    fn line(&self, offset: usize) -> usize {
        line_of(self.text, offset)
    }

    fn fault(&mut self, offset: usize, text: impl Into<String>) {
        let line = self.line(offset);
        self.faults.push(Fault::at(MANIFEST, line, text));
    }

    fn top(&mut self, table: &DeTable<'_>) {
        let mut has_version = false;
        for (key, value) in table {
            let (name, at) = (key.get_ref().as_ref(), key.span().start);
            match (name, value.get_ref()) {
                ("version", value) => {
                    has_version = true;
                    self.version(at, value);
                }
                ("description", DeValue::String(_)) => {}
                ("description", _) => self.fault(at, "description: expected text"),
                ("numbers", DeValue::Table(inner)) => self.numbers(inner),
                ("numbers", _) => self.fault(at, "\"numbers\" is a section: write [numbers]"),
                (name, value) => match (Phase::named(name), value) {
                    (Some(phase), DeValue::Table(inner)) => self.tasks(phase, inner),
                    (Some(_), _) => {
                        self.fault(at, format!("\"{name}\" is a section: write [{name}]"));
                    }
                    (None, _) => self.fault(at, unknown(name)),
                },
            }
        }
        if !has_version {
            let text = "there is no version: write version = \"1\" at the top";
            self.faults.push(Fault::of(MANIFEST, text));
        }
    }

    fn version(&mut self, at: usize, value: &DeValue<'_>) {
        let DeValue::String(text) = value else {
            return self.fault(at, "version: expected text, as in version = \"1\"");
        };
        let plain = |b: u8| b.is_ascii_alphanumeric() || b"._+-".contains(&b);
        if text.is_empty() {
            self.fault(at, "version is empty");
        } else if text.len() > MAX_NAME || !text.bytes().all(plain) || text.starts_with('.') {
            // It becomes a folder's name, a metric's label and a field of records.
            let expected = format!("letters, digits and . _ + -, at most {MAX_NAME}");
            self.fault(at, format!("version: expected {expected}, got {text:?}"));
        } else {
            self.manifest.version = text.clone().into_owned();
        }
    }

    fn tasks(&mut self, phase: Phase, table: &DeTable<'_>) {
        for (key, value) in table {
            let (task, at) = (key.get_ref().as_ref(), key.span().start);
            if task.is_empty() || task.len() > MAX_NAME || task.contains(char::is_whitespace) {
                let text = format!("task {task:?}: expected at most {MAX_NAME} bytes, no spaces");
                self.fault(at, text);
                continue;
            }
            if let Some(runs) = self.runs(&format!("task \"{task}\""), at, value) {
                self.manifest.tasks.insert((phase, task.to_owned()), runs);
            }
        }
        self.bound();
    }

    fn numbers(&mut self, table: &DeTable<'_>) {
        for (key, value) in table {
            let (number, at) = (key.get_ref().as_ref(), key.span().start);
            let pattern = match Pattern::parse(number) {
                Ok(pattern) => pattern,
                Err(why) => {
                    self.fault(at, format!("number {number:?}: {why}"));
                    continue;
                }
            };
            let what = format!("number \"{number}\"");
            // A line is a function of the call phase; a table names the phases.
            let DeValue::Table(phases) = value.get_ref() else {
                if let Some(runs) = self.runs(&what, at, value) {
                    self.manifest.numbers.push((pattern, Phase::Call, runs));
                }
                continue;
            };
            for (key, value) in phases {
                let at = key.span().start;
                match Phase::named(key.get_ref()) {
                    Some(phase) => {
                        if let Some(runs) = self.runs(&what, at, value) {
                            self.manifest.numbers.push((pattern.clone(), phase, runs));
                        }
                    }
                    None => {
                        let got = key.get_ref();
                        self.fault(at, format!("{what}: expected a phase, got \"{got}\""));
                    }
                }
            }
        }
        self.bound();
    }

    fn bound(&mut self) {
        if self.manifest.tasks.len() + self.manifest.numbers.len() > MAX_ENTRIES {
            self.faults
                .push(Fault::of(MANIFEST, format!("more than {MAX_ENTRIES} tasks and numbers")));
        }
    }

    /// `file.lua` or `file.lua:function`.
    fn runs(&mut self, what: &str, at: usize, value: &Spanned<DeValue<'_>>) -> Option<Runs> {
        let expected = "expected \"file.lua\" or \"file.lua:function\"";
        let DeValue::String(text) = value.get_ref() else {
            self.fault(at, format!("{what}: {expected}"));
            return None;
        };
        let (file, function) = match text.split_once(':') {
            Some((file, function)) => (file, Some(function)),
            None => (text.as_ref(), None),
        };
        let named = |name: &str| {
            !name.is_empty()
                && !name.as_bytes()[0].is_ascii_digit()
                && name.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'_')
        };
        if !file.ends_with(".lua") || function.is_some_and(|f| !named(f)) {
            self.fault(at, format!("{what}: {expected}, got {text:?}"));
            return None;
        }
        let entry = Entry { file: file.to_owned(), function: function.map(str::to_owned) };
        Some(Runs { entry, line: self.line(at) })
    }
}

fn unknown(name: &str) -> String {
    match TOP.iter().find(|known| near(name, known)) {
        Some(known) => format!("unknown key \"{name}\"; did you mean \"{known}\"?"),
        None => format!("unknown key \"{name}\"; expected one of {}", TOP.join(", ")),
    }
}

/// One letter more, less, or other.
fn near(a: &str, b: &str) -> bool {
    let (long, short) = if a.len() >= b.len() { (a, b) } else { (b, a) };
    let (long, short) = (long.as_bytes(), short.as_bytes());
    match long.len() - short.len() {
        0 => long.iter().zip(short).filter(|(x, y)| x != y).count() == 1,
        1 => (0..long.len()).any(|n| [&long[..n], &long[n + 1..]].concat() == short),
        _ => false,
    }
}

fn line_of(text: &str, offset: usize) -> usize {
    text.as_bytes().iter().take(offset).filter(|byte| **byte == b'\n').count() + 1
}
