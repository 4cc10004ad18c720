//! Versions of bundles on disk, and a pointer to the one in force.
//!
//! A version is written once, whole, and never changed: its folder carries its digest, so a torn or
//! edited one is found out when it is read. What is in force is one small file, replaced by renaming;
//! going back is pointing elsewhere. The daemon and the command line both write here, one at a time.
//!
//! ```text
//! <store>/.changed                   touched at every change: the daemon looks at it
//! <store>/37/active.json             which version, since when, and those before it
//! <store>/37/versions/4-9f3c0a7e21b4/
//! ```

use std::fs::File;
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::time::SystemTime;

use fsx_wire::answer::rfc3339;
use serde::{Deserialize, Serialize};

use super::{Fault, Files, canonical};

/// Versions kept beside the one in force.
const KEEP: usize = 10;

/// Begins the name of a version that is being written; the number of the writer's process ends it.
const NEW: &str = ".new-";

/// Who put a version in force.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum By {
    /// It was found in the policies' folder.
    Folder,
    /// `fsxinetd policy activate` or `rollback`.
    Command,
    /// It was fetched from the Core API.
    Core,
}

impl By {
    /// The word for people.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Folder => "folder",
            Self::Command => "command",
            Self::Core => "core",
        }
    }
}

/// One version.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Version {
    /// From its manifest.
    pub version: String,
    /// SHA-256 of its files.
    pub digest: String,
    /// When it was put in force, RFC 3339.
    pub at: String,
    /// By whom.
    pub by: By,
}

impl Version {
    /// The name of its folder.
    #[must_use]
    pub fn folder(&self) -> String {
        format!("{}-{}", self.version, self.digest.get(..12).unwrap_or(&self.digest))
    }
}

/// `active.json`.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct State {
    /// In force; `None` where none is.
    pub active: Option<Version>,
    /// In force before it, last one last.
    #[serde(default)]
    pub before: Vec<Version>,
    /// Digest of what the policies' folder offered last, taken or taken back: it is not taken again.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub seen_folder: Option<String>,
    /// The same of the Core API.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub seen_core: Option<String>,
}

/// Why the store cannot do something.
#[derive(Debug, thiserror::Error)]
pub enum ShelfError {
    /// The file system says no.
    #[error("{path}: {error}")]
    Io {
        /// Where.
        path: String,
        /// What it says.
        error: std::io::Error,
    },
    /// A file of the store is not as it was written.
    #[error("{path}: damaged: {why}")]
    Damaged {
        /// Which.
        path: String,
        /// How that was seen.
        why: String,
    },
    /// There is no such version.
    #[error("{name}: no version {version} is kept; there are {}", if known.is_empty() { "none".to_owned() } else { known.join(", ") })]
    NoVersion {
        /// Whose.
        name: String,
        /// As asked.
        version: String,
        /// What there is.
        known: Vec<String>,
    },
    /// More than one version is called that.
    #[error("{name}: more than one version {version} is kept: name one of {}", known.join(", "))]
    Ambiguous {
        /// Whose.
        name: String,
        /// As asked.
        version: String,
        /// Which they are.
        known: Vec<String>,
    },
    /// Nothing was in force before.
    #[error("{name}: there is no version to go back to")]
    NothingBefore {
        /// Whose.
        name: String,
    },
    /// It is no name of a bundle.
    #[error("{name:?}: expected \"default\" or an OrgID")]
    Name {
        /// As asked.
        name: String,
    },
}

/// The store.
#[derive(Clone, Debug)]
pub struct Shelf {
    root: PathBuf,
}

fn io<'a>(path: &'a Path) -> impl FnOnce(std::io::Error) -> ShelfError + 'a {
    move |error| ShelfError::Io { path: path.display().to_string(), error }
}

impl Shelf {
    /// Opens the folder, made where it is not there.
    ///
    /// # Errors
    /// When it cannot be made or written to.
    pub fn open(root: &Path) -> Result<Self, ShelfError> {
        std::fs::create_dir_all(root).map_err(io(root))?;
        let shelf = Self { root: root.to_owned() };
        let mark = shelf.mark();
        if !mark.exists() {
            File::create(&mark).map_err(io(&mark))?;
            shelf.own(&mark);
        }
        File::options().append(true).open(&mark).map_err(io(&mark))?;
        Ok(shelf)
    }

    /// Opens the folder to look only.
    #[must_use]
    pub fn look(root: &Path) -> Self {
        Self { root: root.to_owned() }
    }

    fn mark(&self) -> PathBuf {
        self.root.join(".changed")
    }

    fn folder(&self, name: &str) -> PathBuf {
        self.root.join(name)
    }

    /// Where a version's files are.
    #[must_use]
    pub fn path(&self, name: &str, version: &Version) -> PathBuf {
        self.folder(name).join("versions").join(version.folder())
    }

    /// When anything last changed.
    #[must_use]
    pub fn changed(&self) -> Option<SystemTime> {
        std::fs::metadata(self.mark()).and_then(|m| m.modified()).ok()
    }

    /// Bundles that have anything here, by name.
    #[must_use]
    pub fn names(&self) -> Vec<String> {
        let mut names: Vec<String> = std::fs::read_dir(&self.root)
            .into_iter()
            .flatten()
            .flatten()
            .map(|entry| entry.file_name().to_string_lossy().into_owned())
            .filter(|name| canonical(name))
            .collect();
        names.sort();
        names
    }

    /// What is in force of a bundle.
    ///
    /// # Errors
    /// When its file cannot be read or is damaged.
    pub fn state(&self, name: &str) -> Result<State, ShelfError> {
        let path = self.folder(name).join("active.json");
        match std::fs::read(&path) {
            Ok(bytes) => serde_json::from_slice(&bytes).map_err(|e| ShelfError::Damaged {
                path: path.display().to_string(),
                why: e.to_string(),
            }),
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(State::default()),
            Err(error) => Err(io(&path)(error)),
        }
    }

    /// Changes the state of a bundle, alone.
    ///
    /// # Errors
    /// What `change` says, or the file system.
    pub fn change<T>(
        &self,
        name: &str,
        change: impl FnOnce(&mut State) -> Result<T, ShelfError>,
    ) -> Result<T, ShelfError> {
        if !canonical(name) {
            return Err(ShelfError::Name { name: name.to_owned() });
        }
        let folder = self.folder(name);
        std::fs::create_dir_all(&folder).map_err(io(&folder))?;
        self.own(&folder);
        let lock_path = folder.join(".lock");
        let lock = File::create(&lock_path).map_err(io(&lock_path))?;
        self.own(&lock_path);
        lock.lock().map_err(io(&lock_path))?;
        let mut state = self.state(name)?;
        let was = state.clone();
        let done = change(&mut state)?;
        if state != was {
            let path = folder.join("active.json");
            self.replace(&path, &serde_json::to_vec_pretty(&state).unwrap_or_default())?;
            self.touch();
        }
        self.prune(name, &state);
        Ok(done)
    }

    /// Writes a file whole, or not at all.
    fn replace(&self, path: &Path, bytes: &[u8]) -> Result<(), ShelfError> {
        let new = path.with_extension("new");
        let written = (|| {
            let mut file = File::create(&new)?;
            file.write_all(bytes)?;
            file.sync_all()
        })();
        written.map_err(io(&new))?;
        self.own(&new);
        std::fs::rename(&new, path).map_err(io(path))?;
        if let Some(folder) = path.parent() {
            File::open(folder).and_then(|f| f.sync_all()).map_err(io(folder))?;
        }
        Ok(())
    }

    fn touch(&self) {
        // A clock that stands still would hide a change; the length does not.
        if let Ok(mut file) = File::options().append(true).open(self.mark()) {
            let _ = file.set_modified(SystemTime::now());
            if file.metadata().is_ok_and(|m| m.len() > 4_096) {
                let _ = file.set_len(0);
            }
            let _ = file.write_all(b".");
        }
    }

    /// A mark that differs after every change.
    #[must_use]
    pub fn edition(&self) -> (Option<SystemTime>, u64) {
        (self.changed(), std::fs::metadata(self.mark()).map_or(0, |m| m.len()))
    }

    /// What root makes for the daemon is the daemon's.
    fn own(&self, path: &Path) {
        use std::os::unix::fs::MetadataExt as _;
        if let Ok(root) = std::fs::metadata(&self.root) {
            // Only root can; for others it is their own already.
            let _ = std::os::unix::fs::lchown(path, Some(root.uid()), Some(root.gid()));
        }
    }

    fn own_all(&self, dir: &Path) {
        self.own(dir);
        for entry in std::fs::read_dir(dir).into_iter().flatten().flatten() {
            if entry.file_type().is_ok_and(|t| t.is_dir()) {
                self.own_all(&entry.path());
            } else {
                self.own(&entry.path());
            }
        }
    }

    /// Keeps a version; nothing is in force by it.
    ///
    /// # Errors
    /// When it cannot be written.
    pub fn keep(
        &self,
        name: &str,
        version: &str,
        files: &Files,
        by: By,
    ) -> Result<Version, ShelfError> {
        let kept = Version {
            version: version.to_owned(),
            digest: files.digest(),
            at: rfc3339(crate::routing::now()),
            by,
        };
        let path = self.path(name, &kept);
        if path.exists() && self.files(name, &kept).is_ok() {
            return Ok(kept);
        }
        let versions = self.folder(name).join("versions");
        let new = versions.join(format!("{NEW}{}", std::process::id()));
        let _ = std::fs::remove_dir_all(&new);
        sweep(&versions);
        let moved = files.write(&new).map_err(io(&new)).and_then(|()| {
            for made in [&self.folder(name), &versions] {
                self.own(made);
            }
            self.own_all(&new);
            let _ = std::fs::remove_dir_all(&path);
            std::fs::rename(&new, &path).map_err(io(&path))
        });
        if moved.is_err() {
            // Half a version is of no use, and on a full disk its room is wanted.
            let _ = std::fs::remove_dir_all(&new);
        }
        moved?;
        File::open(&versions).and_then(|f| f.sync_all()).map_err(io(&versions))?;
        Ok(kept)
    }

    /// Puts a kept version in force.
    ///
    /// # Errors
    /// The file system's.
    pub fn activate(&self, name: &str, version: Version) -> Result<(), ShelfError> {
        self.change(name, |state| {
            state.seen(&version);
            state.put(Some(version));
            Ok(())
        })
    }

    /// Goes back to the version before, or to a named one; gives what is in force then.
    ///
    /// # Errors
    /// When there is none.
    pub fn rollback(&self, name: &str, to: Option<&str>) -> Result<Version, ShelfError> {
        let now = rfc3339(crate::routing::now());
        let found = to.map(|to| self.find(name, to)).transpose()?;
        self.change(name, |state| {
            let version = match found {
                Some(version) => {
                    state.put(Some(version.clone()));
                    version
                }
                None => {
                    let nothing = || ShelfError::NothingBefore { name: name.to_owned() };
                    state.before.pop().ok_or_else(nothing)?
                }
            };
            state.active = Some(Version { at: now, by: By::Command, ..version });
            Ok(state.active.clone().expect("just put"))
        })
    }

    /// A kept version by its version, folder or the beginning of its digest.
    ///
    /// # Errors
    /// When none or several are called that.
    pub fn find(&self, name: &str, wanted: &str) -> Result<Version, ShelfError> {
        let all = self.versions(name)?;
        let found: Vec<_> = all
            .iter()
            .filter(|v| {
                v.version == wanted
                    || v.folder() == wanted
                    || (wanted.len() >= 6 && v.digest.starts_with(wanted))
            })
            .collect();
        let (name, version) = (name.to_owned(), wanted.to_owned());
        match found.as_slice() {
            [one] => Ok((*one).clone()),
            [] => {
                let known = all.iter().map(Version::folder).collect();
                Err(ShelfError::NoVersion { name, version, known })
            }
            several => {
                let known = several.iter().map(|v| v.folder()).collect();
                Err(ShelfError::Ambiguous { name, version, known })
            }
        }
    }

    /// Every version kept, oldest first as far as that is known.
    ///
    /// # Errors
    /// When the state is damaged.
    pub fn versions(&self, name: &str) -> Result<Vec<Version>, ShelfError> {
        let state = self.state(name)?;
        let mut known: Vec<Version> = state.before.iter().chain(&state.active).cloned().collect();
        let mut rest: Vec<Version> = Vec::new();
        let folder = self.folder(name).join("versions");
        for entry in std::fs::read_dir(&folder).into_iter().flatten().flatten() {
            let called = entry.file_name().to_string_lossy().into_owned();
            if called.starts_with('.') || known.iter().any(|v| v.folder() == called) {
                continue;
            }
            let Ok(files) = Files::read(&entry.path()) else { continue };
            let Some((version, _)) = called.rsplit_once('-') else { continue };
            let at = entry.metadata().and_then(|m| m.modified()).ok();
            let at = at.and_then(|at| at.duration_since(SystemTime::UNIX_EPOCH).ok());
            let version = Version {
                version: version.to_owned(),
                digest: files.digest(),
                at: rfc3339(at.map_or(0, |at| i64::try_from(at.as_secs()).unwrap_or(0))),
                by: By::Command,
            };
            if version.folder() == called {
                rest.push(version);
            }
        }
        rest.sort_by(|a, b| (&a.at, &a.version).cmp(&(&b.at, &b.version)));
        rest.append(&mut known);
        // One that was in force twice is one.
        let mut seen = std::collections::BTreeSet::new();
        rest.reverse();
        rest.retain(|v| seen.insert(v.digest.clone()));
        rest.reverse();
        Ok(rest)
    }

    /// The files of a kept version.
    ///
    /// # Errors
    /// When they are not as they were kept.
    pub fn files(&self, name: &str, version: &Version) -> Result<Files, ShelfError> {
        let path = self.path(name, version);
        let damaged = |why: String| ShelfError::Damaged { path: path.display().to_string(), why };
        let files = Files::read(&path).map_err(|fault: Fault| damaged(fault.to_string()))?;
        let digest = files.digest();
        if digest == version.digest {
            return Ok(files);
        }
        let short = |digest: &str| digest.get(..12).unwrap_or(digest).to_owned();
        Err(damaged(format!("expected {}, got {}", short(&version.digest), short(&digest))))
    }

    /// Takes away versions that nothing points to any more.
    fn prune(&self, name: &str, state: &State) {
        sweep(&self.folder(name).join("versions"));
        let Ok(all) = self.versions(name) else { return };
        let held =
            |v: &Version| state.before.iter().chain(&state.active).any(|h| h.digest == v.digest);
        let loose: Vec<_> = all.iter().filter(|v| !held(v)).collect();
        let surplus = loose.len().saturating_sub(KEEP);
        for version in loose.into_iter().take(surplus) {
            let _ = std::fs::remove_dir_all(self.path(name, version));
        }
    }
}

/// Takes away what processes that are gone had begun to write.
fn sweep(versions: &Path) {
    let processes = Path::new("/proc");
    if !processes.join("self").exists() {
        return;
    }
    for entry in std::fs::read_dir(versions).into_iter().flatten().flatten() {
        let name = entry.file_name();
        let writer = name.to_str().and_then(|name| name.strip_prefix(NEW)?.parse::<u32>().ok());
        if writer.is_some_and(|writer| !processes.join(writer.to_string()).exists()) {
            let _ = std::fs::remove_dir_all(entry.path());
        }
    }
}

impl State {
    /// Puts a version in force, or none.
    pub fn put(&mut self, version: Option<Version>) {
        let same = |a: &Version, b: &Version| a.digest == b.digest;
        if let (Some(now), Some(new)) = (&self.active, &version)
            && same(now, new)
        {
            return;
        }
        if let Some(was) = self.active.take() {
            self.before.retain(|v| !same(v, &was));
            self.before.push(was);
            let surplus = self.before.len().saturating_sub(KEEP);
            self.before.drain(..surplus);
        }
        self.active = version;
    }

    fn seen(&mut self, version: &Version) {
        match version.by {
            By::Folder => self.seen_folder = Some(version.digest.clone()),
            // It was said by hand: what the folder or the API offers now is old news, but what they
            // offer next is not.
            By::Command | By::Core => {}
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn files(n: u32) -> Files {
        Files::of(&[("manifest.toml", &format!("version = \"{n}\"")), ("x.lua", "return 1")])
    }

    fn shelf() -> (tempfile::TempDir, Shelf) {
        let dir = tempfile::tempdir().expect("a folder");
        let shelf = Shelf::open(&dir.path().join("store")).expect("opens");
        (dir, shelf)
    }

    fn put(shelf: &Shelf, n: u32) {
        let version = shelf.keep("37", &n.to_string(), &files(n), By::Command).expect("kept");
        shelf.activate("37", version).expect("in force");
    }

    fn active(shelf: &Shelf) -> String {
        shelf.state("37").expect("a state").active.map_or_else(String::new, |v| v.version)
    }

    #[test]
    fn forth_and_back() {
        let (_dir, shelf) = shelf();
        assert!(matches!(shelf.rollback("37", None), Err(ShelfError::NothingBefore { .. })));
        let before = shelf.edition();
        for n in 1..=3 {
            put(&shelf, n);
        }
        assert_ne!(shelf.edition(), before);
        assert_eq!(active(&shelf), "3");
        assert_eq!(shelf.rollback("37", None).expect("back").version, "2");
        assert_eq!(shelf.rollback("37", None).expect("back").version, "1");
        assert!(shelf.rollback("37", None).is_err());
        assert_eq!(active(&shelf), "1");
        assert_eq!(shelf.rollback("37", Some("3")).expect("by name").version, "3");
        assert_eq!(shelf.rollback("37", None).expect("back").version, "1");
        let error = shelf.rollback("37", Some("9")).expect_err("none").to_string();
        assert!(error.starts_with("37: no version 9 is kept; there are 2-"), "{error}");
        assert!(matches!(shelf.rollback("../37", None), Err(ShelfError::Name { .. })));
    }

    #[test]
    fn what_was_touched_is_found_out() {
        let (_dir, shelf) = shelf();
        put(&shelf, 1);
        let version = shelf.state("37").expect("a state").active.expect("in force");
        assert_eq!(shelf.files("37", &version).expect("whole"), files(1));
        let file = shelf.path("37", &version).join("x.lua");
        std::fs::write(&file, "return 2").expect("written");
        let error = shelf.files("37", &version).expect_err("damaged").to_string();
        assert!(error.contains("damaged: expected "), "{error}");
        // Kept anew, it is whole again.
        put(&shelf, 1);
        assert!(shelf.files("37", &version).is_ok());
        std::fs::write(shelf.root.join("37/active.json"), "{").expect("written");
        assert!(matches!(shelf.state("37"), Err(ShelfError::Damaged { .. })));
    }

    #[test]
    fn what_could_not_be_written_whole_leaves_nothing_behind() {
        let (_dir, shelf) = shelf();
        put(&shelf, 1);
        let versions = shelf.root.join("37/versions");
        let began = || {
            let entries = std::fs::read_dir(&versions).expect("read").flatten();
            let names = entries.map(|entry| entry.file_name().to_string_lossy().into_owned());
            names.filter(|name| name.starts_with(NEW)).collect::<Vec<_>>()
        };
        // The second file cannot be written, as on a disk that is full by then.
        let torn = Files::of(&[("manifest.toml", ""), ("b.lua", ""), ("b.lua/c.lua", "")]);
        shelf.keep("37", "2", &torn, By::Core).expect_err("no room");
        assert_eq!(began(), Vec::<String>::new());
        // A writer that was killed, and one that is at it.
        let (gone, at_it) = (u32::MAX, std::os::unix::process::parent_id());
        for writer in [gone, at_it] {
            std::fs::create_dir(versions.join(format!("{NEW}{writer}"))).expect("made");
        }
        put(&shelf, 3);
        assert_eq!(began(), [format!("{NEW}{at_it}")]);
    }

    #[test]
    fn the_store_does_not_grow_for_ever() {
        let (_dir, shelf) = shelf();
        for n in 1..=40 {
            put(&shelf, n);
        }
        assert_eq!(active(&shelf), "40");
        assert!(shelf.versions("37").expect("read").len() <= 2 * KEEP + 1);
        let names: Vec<_> = shelf.state("37").expect("read").before;
        assert_eq!(names.len(), KEEP);
        assert_eq!(names.last().map(|v| v.version.as_str()), Some("39"));
    }
}
