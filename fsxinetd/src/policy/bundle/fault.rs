//! What is wrong with a bundle, said the way an editor can jump to.

use std::fmt;

/// How bad it is.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub enum Severity {
    /// The bundle is refused.
    Error,
    /// The bundle is taken; its author should look.
    Warning,
}

impl Severity {
    /// The word in messages and JSON.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Error => "error",
            Self::Warning => "warning",
        }
    }
}

/// One thing that is wrong, with its place.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Fault {
    /// File in the bundle; empty where it is the bundle itself.
    pub file: String,
    /// Line from 1, where there is one.
    pub line: Option<usize>,
    /// Whether the bundle is refused for it.
    pub severity: Severity,
    /// What is wrong, and what was expected.
    pub text: String,
}

impl Fault {
    /// An error at a line of a file.
    #[must_use]
    pub fn at(file: &str, line: usize, text: impl Into<String>) -> Self {
        Self { line: Some(line), ..Self::of(file, text) }
    }

    /// An error of a whole file.
    #[must_use]
    pub fn of(file: &str, text: impl Into<String>) -> Self {
        Self { file: file.to_owned(), line: None, severity: Severity::Error, text: text.into() }
    }

    /// The same, no reason to refuse the bundle.
    #[must_use]
    pub fn warning(self) -> Self {
        Self { severity: Severity::Warning, ..self }
    }

    /// As a line: `37/menu.lua:3: text`, where `bundle` is `37`; `37: text`, where it is of no file.
    #[must_use]
    pub fn line_in(&self, bundle: &str) -> String {
        match (bundle, self.file.as_str()) {
            ("", _) => self.to_string(),
            (_, "") => format!("{bundle}: {self}"),
            _ => format!("{bundle}/{self}"),
        }
    }
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.file)?;
        if let Some(line) = self.line {
            write!(f, ":{line}")?;
        }
        if !self.file.is_empty() {
            f.write_str(": ")?;
        }
        f.write_str(&self.text)
    }
}
