//! Every name that a policy may use.
//!
//! One table, because a name is spoken of in many places: the refusal of a wrong phase, the editor's
//! stubs, the linter's settings, the manual, the simulator. A test holds the table against what a
//! virtual machine really has.

mod freeswitch;
mod fsx;
mod lua;
mod session;

use super::super::Phase;

/// In which phases something may be used.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Phases {
    /// In all of them.
    Any,
    /// While the call is there: `call`.
    Call,
    /// Before the end: `route` and `call`.
    BeforeTheEnd,
    /// While there is a channel, or what was known of it: `call` and `hangup`.
    CallAndHangup,
}

impl Phases {
    /// Whether `phase` is among them.
    #[must_use]
    pub fn has(self, phase: Phase) -> bool {
        match self {
            Self::Any => true,
            Self::Call => phase == Phase::Call,
            Self::BeforeTheEnd => phase != Phase::Hangup,
            Self::CallAndHangup => phase != Phase::Route,
        }
    }

    /// Their names, as in "is for the … phase".
    #[must_use]
    pub fn names(self) -> &'static str {
        match self {
            Self::Any => "route, call or hangup",
            Self::Call => "call",
            Self::BeforeTheEnd => "route or call",
            Self::CallAndHangup => "call or hangup",
        }
    }
}

/// One function or method.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Function {
    /// As written: `fsx.kv.get`, `session:answer`, `freeswitch.Event:addHeader`.
    pub name: &'static str,
    /// Where it may be used.
    pub phases: Phases,
    /// `name: type, name?: type, ...: type`, in the notation of LuaLS.
    pub takes: &'static str,
    /// `type` or `type, type`; empty gives nothing.
    pub gives: &'static str,
    /// One line.
    pub doc: &'static str,
}

/// One argument of a [`Function`].
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Param {
    /// Its name; `...` stands for the rest.
    pub name: &'static str,
    /// Its type, in the notation of LuaLS.
    pub kind: &'static str,
    /// May be left out.
    pub optional: bool,
}

impl Function {
    /// Its arguments, in order.
    #[must_use]
    pub fn params(&self) -> Vec<Param> {
        split(self.takes)
            .into_iter()
            .map(|part| {
                let (name, kind) = part.split_once(": ").unwrap_or((part, "any"));
                let bare = name.trim_end_matches('?');
                Param { name: bare, kind, optional: bare.len() < name.len() }
            })
            .collect()
    }

    /// Types of its results, in order.
    #[must_use]
    pub fn results(&self) -> Vec<&'static str> {
        split(self.gives)
    }

    /// What it belongs to: `session`, `fsx.kv`, `freeswitch.Event`; empty for a plain global.
    #[must_use]
    pub fn owner(&self) -> &'static str {
        self.name.rfind([':', '.']).map_or("", |at| &self.name[..at])
    }

    /// The last part of its name.
    #[must_use]
    pub fn short(&self) -> &'static str {
        self.name.rfind([':', '.']).map_or(self.name, |at| &self.name[at + 1..])
    }

    /// It is called with a colon.
    #[must_use]
    pub fn is_method(&self) -> bool {
        self.name.contains(':')
    }
}

/// At the commas that stand outside brackets.
fn split(text: &'static str) -> Vec<&'static str> {
    let (mut parts, mut depth, mut start) = (Vec::new(), 0_u32, 0);
    for (at, byte) in text.bytes().enumerate() {
        match byte {
            b'(' | b'<' | b'{' | b'[' => depth += 1,
            b')' | b'>' | b'}' | b']' => depth = depth.saturating_sub(1),
            b',' if depth == 0 => {
                parts.push(text[start..at].trim());
                start = at + 1;
            }
            _ => {}
        }
    }
    parts.push(text[start..].trim());
    parts.retain(|part| !part.is_empty());
    parts
}

/// A global that is a value, or a table of functions.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Global {
    /// Its name.
    pub name: &'static str,
    /// Its type, in the notation of LuaLS.
    pub kind: &'static str,
    /// Scripts give it a value (`ACTIONS`); the others are only read.
    pub written: bool,
    /// Where it is there.
    pub phases: Phases,
    /// One line.
    pub doc: &'static str,
}

/// A kind of table that functions take or give.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Class {
    /// Its name: `fsx.Call`.
    pub name: &'static str,
    /// One line.
    pub doc: &'static str,
    /// `name`, or `name?` for one that may be missing; type; one line.
    pub fields: &'static [(&'static str, &'static str, &'static str)],
}

/// A name that mod_lua has and policies have not, with the reason.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Refused {
    /// As written: `session:setInputCallback`, `io.open`; `io.*` stands for all of `io`.
    pub name: &'static str,
    /// Why, and what to use instead.
    pub why: &'static str,
}

/// Every function, by table.
pub fn functions() -> impl Iterator<Item = &'static Function> {
    [fsx::FUNCTIONS, session::FUNCTIONS, freeswitch::FUNCTIONS, lua::FUNCTIONS]
        .into_iter()
        .flatten()
}

/// The function of that name.
#[must_use]
pub fn function(name: &str) -> Option<&'static Function> {
    functions().find(|function| function.name == name)
}

/// Globals that are values.
#[must_use]
pub fn globals() -> &'static [Global] {
    lua::GLOBALS
}

/// Tables with names of their own.
#[must_use]
pub fn classes() -> &'static [Class] {
    fsx::CLASSES
}

/// What is not here.
pub fn refused() -> impl Iterator<Item = &'static Refused> {
    [session::REFUSED, freeswitch::REFUSED, lua::REFUSED].into_iter().flatten()
}

/// Why a name is not here, where it is one that people know.
#[must_use]
pub fn why_refused(name: &str) -> Option<&'static str> {
    refused()
        .find(|refused| {
            refused.name == name
                || refused.name.strip_suffix('*').is_some_and(|start| name.starts_with(start))
        })
        .map(|refused| refused.why)
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    #[test]
    fn signatures_are_read() {
        let function = Function {
            name: "fsx.kv.set",
            phases: Phases::Any,
            takes: "key: string, value: table<string, any>|string, options?: {ttl_s?: number}, ...: any",
            gives: "boolean, string?",
            doc: "",
        };
        let params = function.params();
        let names: Vec<_> = params.iter().map(|p| (p.name, p.optional)).collect();
        assert_eq!(names, [("key", false), ("value", false), ("options", true), ("...", false)]);
        assert_eq!(params[1].kind, "table<string, any>|string");
        assert_eq!(function.results(), ["boolean", "string?"]);
        assert_eq!((function.owner(), function.short()), ("fsx.kv", "set"));
    }

    #[test]
    fn every_name_is_there_once_and_says_what_it_is() {
        let mut names = BTreeSet::new();
        for function in functions() {
            assert!(names.insert(function.name), "{} is there twice", function.name);
            assert!(function.doc.ends_with('.') && !function.doc.contains('\n'), "{function:?}");
            for param in function.params() {
                assert!(!param.name.is_empty() && !param.kind.is_empty(), "{function:?}");
                assert!(function.takes.contains(": "), "{function:?}");
            }
        }
        for refused in refused() {
            assert!(names.insert(refused.name), "{} is there twice", refused.name);
            assert!(!refused.why.is_empty());
        }
        for global in globals() {
            assert!(global.doc.ends_with('.'), "{global:?}");
        }
        let classes: BTreeSet<_> = classes().iter().map(|class| class.name).collect();
        for class in super::classes() {
            assert!(class.doc.ends_with('.'), "{class:?}");
            for (field, kind, doc) in class.fields {
                assert!(!kind.is_empty() && doc.ends_with('.'), "{}.{field}", class.name);
            }
        }
        // A type of ours that is named is a type that is described.
        let kinds = functions()
            .flat_map(|f| f.params().into_iter().map(|p| p.kind).chain(f.results()))
            .chain(globals().iter().map(|g| g.kind));
        for kind in kinds {
            for word in kind.split(|c: char| !(c.is_alphanumeric() || c == '.' || c == '_')) {
                if word.starts_with("fsx.") {
                    assert!(classes.contains(word), "{kind}: {word} is not described");
                }
            }
        }
    }
}
