//! The files of a bundle, before anybody has looked into them.
//!
//! They come from a folder or from the Core API, are kept in the store, and are the same bundle
//! wherever their digest is the same. What counts is the manifest, Lua and JSON: notes and pictures
//! beside them are nobody's policy.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::io::Write as _;
use std::path::{Component, Path, PathBuf};

use serde::{Deserialize, Serialize};
use sha2::{Digest as _, Sha256};

use super::Fault;

/// The manifest's name.
pub const MANIFEST: &str = "manifest.toml";

/// Longest file, in bytes.
pub const MAX_FILE: u64 = 256 << 10;

/// Most files of one bundle.
pub const MAX_FILES: usize = 200;

/// All files of a bundle together, in bytes.
pub const MAX_BYTES: u64 = 4 << 20;

/// Deepest folder of a bundle.
const MAX_DEPTH: usize = 4;

/// Longest name of a file or folder that file systems keep, in bytes.
const MAX_PART: usize = 255;

/// The files, by their path from the bundle's folder.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Files(BTreeMap<String, Vec<u8>>);

/// A bundle as the Core API sends it: `{"files": {"manifest.toml": "…", "menu.lua": "…"}}`.
#[derive(Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Archive {
    files: BTreeMap<String, String>,
}

impl Files {
    /// Reads what is in `dir`. Links are not followed: a bundle is what is in its folder.
    ///
    /// # Errors
    /// What cannot be read, is too large or too many.
    pub fn read(dir: &Path) -> Result<Self, Fault> {
        let mut found = BTreeMap::new();
        let mut folders = vec![(PathBuf::new(), 0)];
        while let Some((folder, depth)) = folders.pop() {
            let shown = folder.to_string_lossy().into_owned();
            let cannot = |e: std::io::Error| Fault::of(&shown, format!("cannot be read: {e}"));
            for entry in std::fs::read_dir(dir.join(&folder)).map_err(cannot)? {
                let entry = entry.map_err(cannot)?;
                let kind = entry.file_type().map_err(cannot)?;
                let path = folder.join(entry.file_name());
                let Some(name) = path.to_str() else { continue };
                if entry.file_name().to_string_lossy().starts_with('.') {
                    continue;
                }
                if kind.is_dir() {
                    if depth >= MAX_DEPTH {
                        let text = format!("a folder deeper than {MAX_DEPTH} is not looked into");
                        return Err(Fault::of(name, text));
                    }
                    folders.push((path, depth + 1));
                } else if kind.is_file() && counts(name) {
                    let size = entry.metadata().map_or(0, |m| m.len());
                    if size > MAX_FILE {
                        return Err(too_long(name, size));
                    }
                    let bytes = std::fs::read(dir.join(name))
                        .map_err(|e| Fault::of(name, format!("cannot be read: {e}")))?;
                    found.insert(name.to_owned(), bytes);
                    // Checked as it grows: a folder of a million files is not read first.
                    if found.len() > MAX_FILES {
                        return Err(Fault::of("", format!("more than {MAX_FILES} files")));
                    }
                }
            }
        }
        Self(found).checked()
    }

    /// Reads what the Core API has sent.
    ///
    /// # Errors
    /// What is no bundle, has a name that would leave the folder, or is too large.
    pub fn from_json(bytes: &[u8]) -> Result<Self, Fault> {
        let archive: Archive = serde_json::from_slice(bytes).map_err(|e| {
            Fault::of("", format!("expected {{\"files\": {{\"manifest.toml\": …}}}}: {e}"))
        })?;
        let no_name =
            |name: &str| Err(Fault::of("", format!("{name:?} is no name of a file in a bundle")));
        let mut found = BTreeMap::new();
        for (name, text) in archive.files {
            let plain = Path::new(&name).components().all(|c| matches!(c, Component::Normal(_)));
            let hidden = name.split('/').any(|part| part.is_empty() || part.starts_with('.'));
            let odd = name.bytes().any(|b| b.is_ascii_control() || b == b'\\');
            let long = name.split('/').any(|part| part.len() > MAX_PART);
            if !plain || hidden || odd || long || name.split('/').count() > MAX_DEPTH + 1 {
                return no_name(&name);
            }
            if counts(&name) {
                found.insert(name, text.into_bytes());
            }
        }
        if found.len() > MAX_FILES {
            return Err(Fault::of("", format!("more than {MAX_FILES} files")));
        }
        // On disk a file cannot be a folder too.
        let below = |name: &String| {
            name.match_indices('/').any(|(slash, _)| found.contains_key(&name[..slash]))
        };
        if let Some(name) = found.keys().find(|name| below(name)) {
            return no_name(name);
        }
        Self(found).checked()
    }

    /// As the Core API sends it.
    #[must_use]
    pub fn to_json(&self) -> String {
        let text = |bytes: &Vec<u8>| String::from_utf8_lossy(bytes).into_owned();
        let files = self.0.iter().map(|(name, bytes)| (name.clone(), text(bytes))).collect();
        serde_json::to_string(&Archive { files }).unwrap_or_default()
    }

    /// Files given as text; for tests and examples.
    #[must_use]
    pub fn of(files: &[(&str, &str)]) -> Self {
        Self(files.iter().map(|(n, text)| ((*n).to_owned(), text.as_bytes().to_vec())).collect())
    }

    fn checked(self) -> Result<Self, Fault> {
        for (name, bytes) in &self.0 {
            if bytes.len() as u64 > MAX_FILE {
                return Err(too_long(name, bytes.len() as u64));
            }
        }
        let all: u64 = self.0.values().map(|bytes| bytes.len() as u64).sum();
        if all > MAX_BYTES {
            return Err(Fault::of("", format!("{all} bytes, expected at most {MAX_BYTES}")));
        }
        Ok(self)
    }

    /// One file.
    #[must_use]
    pub fn get(&self, name: &str) -> Option<&[u8]> {
        self.0.get(name).map(Vec::as_slice)
    }

    /// Adds a file, or puts it in the place of the one of that name.
    pub fn insert(&mut self, name: &str, bytes: Vec<u8>) {
        self.0.insert(name.to_owned(), bytes);
    }

    /// Every file by name.
    pub fn iter(&self) -> impl Iterator<Item = (&str, &[u8])> {
        self.0.iter().map(|(name, bytes)| (name.as_str(), bytes.as_slice()))
    }

    /// Every Lua file by name.
    pub fn lua(&self) -> impl Iterator<Item = (&str, &[u8])> {
        self.iter().filter(|(name, _)| name.ends_with(".lua"))
    }

    /// SHA-256 over names and contents, in hexadecimal: equal digests are equal bundles.
    #[must_use]
    pub fn digest(&self) -> String {
        let mut hasher = Sha256::new();
        for (name, bytes) in self.iter() {
            for part in [name.as_bytes(), bytes] {
                hasher.update((part.len() as u64).to_le_bytes());
                hasher.update(part);
            }
        }
        hex(&hasher.finalize())
    }

    /// Writes them all under `dir`, each synced.
    ///
    /// # Errors
    /// The first that cannot be written.
    pub fn write(&self, dir: &Path) -> std::io::Result<()> {
        std::fs::create_dir_all(dir)?;
        for (name, bytes) in self.iter() {
            let path = dir.join(name);
            if let Some(folder) = path.parent() {
                std::fs::create_dir_all(folder)?;
            }
            let mut file = std::fs::File::create(path)?;
            file.write_all(bytes)?;
            file.sync_all()?;
        }
        std::fs::File::open(dir)?.sync_all()
    }
}

/// SHA-256 of bytes, in hexadecimal.
#[must_use]
pub fn sha256(bytes: &[u8]) -> String {
    hex(&Sha256::digest(bytes))
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().fold(String::new(), |mut text, byte| {
        let _ = write!(text, "{byte:02x}");
        text
    })
}

/// A test of the bundle: never loaded by a call.
#[must_use]
pub fn is_test(name: &str) -> bool {
    name.starts_with("tests/") || name.ends_with("_test.lua")
}

fn counts(name: &str) -> bool {
    name == MANIFEST || name.ends_with(".lua") || name.ends_with(".json")
}

fn too_long(name: &str, size: u64) -> Fault {
    Fault::of(name, format!("{size} bytes, expected at most {MAX_FILE}"))
}
