//! The section `<xml>` of the configuration: which look-ups fsxinetd is asked for, and what is done
//! when it has no answer.

use fsx_wire::xml::{CONFIGURATION_KEY, DIALPLAN_KEY, DIRECTORY_KEY};

/// A section of FreeSWITCH's XML tree that can be bound.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Which {
    /// What the XML dialplan runs by.
    Dialplan,
    /// Users and domains.
    Directory,
    /// Modules' configuration files.
    Configuration,
}

impl Which {
    /// All of them.
    pub(crate) const ALL: [Self; 3] = [Self::Dialplan, Self::Directory, Self::Configuration];

    /// By FreeSWITCH's name for it.
    pub(crate) fn named(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|which| which.as_str() == name)
    }

    /// FreeSWITCH's name for it.
    pub(crate) fn as_str(self) -> &'static str {
        match self {
            Self::Dialplan => "dialplan",
            Self::Directory => "directory",
            Self::Configuration => "configuration",
        }
    }
}

/// What is done where nobody has an answer.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Otherwise {
    /// FreeSWITCH asks the next source, at last the files on disk.
    Next,
    /// What was looked up is not there.
    Refuse,
}

/// A section that is bound.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) struct Bound {
    /// The last good answer is used first.
    pub(crate) last_good: bool,
    /// And then.
    pub(crate) otherwise: Otherwise,
}

/// The settings of `<xml>`.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) struct Setting {
    bound: [Option<Bound>; 3],
    keys: [Vec<String>; 3],
    /// Configuration files that are looked up; no other is.
    pub(crate) files: Vec<String>,
    /// How long a look-up waits, in milliseconds.
    pub(crate) timeout_ms: u32,
    /// How old a last good answer may be, in seconds.
    pub(crate) last_good_s: u32,
    /// Memory for last good answers, in MiB.
    pub(crate) last_good_mib: u32,
}

impl Default for Setting {
    fn default() -> Self {
        let owned = |names: &[&str]| names.iter().map(|&name| name.to_owned()).collect();
        Self {
            bound: [None, None, None],
            keys: [owned(DIALPLAN_KEY), owned(DIRECTORY_KEY), owned(CONFIGURATION_KEY)],
            files: Vec::new(),
            timeout_ms: 500,
            last_good_s: 86_400,
            last_good_mib: 16,
        }
    }
}

impl Setting {
    /// What is to be done for a section; `None` where it is not ours.
    pub(crate) fn bound(&self, which: Which) -> Option<&Bound> {
        self.bound[which as usize].as_ref()
    }

    /// Whether any section is bound.
    pub(crate) fn any(&self) -> bool {
        self.bound.iter().any(Option::is_some)
    }

    /// Parameters that tell look-ups of a section apart.
    pub(crate) fn key(&self, which: Which) -> &[String] {
        &self.keys[which as usize]
    }

    /// Whether the configuration of this name is looked up. Ours never is: it says where to look.
    pub(crate) fn has_file(&self, name: &str) -> bool {
        name != crate::config::FILE && self.files.iter().any(|file| file == name)
    }

    /// Takes the parameter `name`.
    ///
    /// # Errors
    /// In words, when there is no such parameter or the value cannot be.
    pub(crate) fn set(&mut self, name: &str, value: &str) -> Result<(), String> {
        if let Some(which) = Which::named(name) {
            self.bound[which as usize] = bound(value)?;
            return Ok(());
        }
        if let Some(which) = name.strip_suffix("-key").and_then(Which::named) {
            self.keys[which as usize] = list(value);
            return Ok(());
        }
        match name {
            "configuration-files" => {
                let files = list(value);
                if files.iter().any(|file| file == crate::config::FILE) {
                    return Err(format!(
                        "{} says where to look, and comes from disk",
                        crate::config::FILE
                    ));
                }
                self.files = files;
            }
            "timeout-ms" => self.timeout_ms = number(value, 5_000)?,
            "last-good-s" => self.last_good_s = number(value, 31_536_000)?,
            "last-good-mib" => self.last_good_mib = number(value, 1_024)?,
            _ => return Err("unknown setting".to_owned()),
        }
        Ok(())
    }
}

fn bound(value: &str) -> Result<Option<Bound>, String> {
    let (last_good, otherwise) = match value.split_once(',') {
        Some((first, then)) if first.trim() == "last-good" => (true, then.trim()),
        Some(_) => (false, ""),
        None => (false, value),
    };
    let otherwise = match otherwise {
        "off" | "" if !value.contains(',') => return Ok(None),
        "next" => Otherwise::Next,
        "refuse" => Otherwise::Refuse,
        _ => {
            return Err(format!(
                "expected off, next, refuse, or last-good before one of the latter two \
                 (last-good,refuse), got {value:?}"
            ));
        }
    };
    Ok(Some(Bound { last_good, otherwise }))
}

fn list(value: &str) -> Vec<String> {
    value.split(',').map(str::trim).filter(|part| !part.is_empty()).map(str::to_owned).collect()
}

fn number(value: &str, most: u32) -> Result<u32, String> {
    value
        .parse()
        .ok()
        .filter(|n| (1..=most).contains(n))
        .ok_or_else(|| format!("expected a number from 1 to {most}, got {value:?}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_may_stand_there() {
        let mut setting = Setting::default();
        assert!(!setting.any());
        for (value, want) in [
            ("off", None),
            ("", None),
            ("next", Some((false, Otherwise::Next))),
            ("refuse", Some((false, Otherwise::Refuse))),
            ("last-good, next", Some((true, Otherwise::Next))),
            ("last-good,refuse", Some((true, Otherwise::Refuse))),
        ] {
            setting.set("directory", value).expect(value);
            let got = setting.bound(Which::Directory).map(|b| (b.last_good, b.otherwise));
            assert_eq!(got, want, "{value}");
        }
        assert!(setting.any() && setting.bound(Which::Dialplan).is_none());
        for wrong in ["on", "last-good", "last-good,", "next,refuse", "refuse,last-good", ","] {
            assert!(setting.set("dialplan", wrong).is_err(), "{wrong}");
        }
        setting.set("configuration-files", "acl.conf, conference.conf").expect("files");
        assert!(setting.has_file("acl.conf") && !setting.has_file("sofia.conf"));
        assert!(setting.set("configuration-files", "fsx.conf").is_err());
        setting.set("directory-key", "user, domain").expect("a key");
        assert_eq!(setting.key(Which::Directory), ["user", "domain"]);
        assert!(setting.set("timeout-ms", "5001").is_err() && setting.set("keys", "").is_err());
    }
}
