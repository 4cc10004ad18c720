//! The private directory of one run: every configuration, log, database and socket is inside it,
//! and it goes when the test has passed.

use std::{
    fs,
    path::{Path, PathBuf},
};

/// A directory that is removed at the end, or kept and named when `FSX_KEEP_RUNS` is set or the
/// test fails.
#[derive(Debug)]
pub struct RunDir {
    inner: Option<tempfile::TempDir>,
}

impl RunDir {
    /// Makes one. `name` is only for the eye; the path stays short, because a Unix socket's path
    /// may not be longer than 107 bytes.
    ///
    /// # Panics
    /// When the directory for temporary files cannot be written.
    #[must_use]
    pub fn new(name: &str) -> Self {
        let inner = tempfile::Builder::new().prefix(&format!("fsx-{name}-")).tempdir();
        Self { inner: Some(inner.unwrap_or_else(|e| panic!("cannot make a run directory: {e}"))) }
    }

    /// Where it is.
    #[must_use]
    pub fn path(&self) -> &Path {
        self.inner.as_ref().map_or(Path::new(""), tempfile::TempDir::path)
    }

    /// A path inside it; the directories above the last part are made.
    ///
    /// # Panics
    /// When they cannot be made.
    #[must_use]
    pub fn file(&self, relative: &str) -> PathBuf {
        let path = self.path().join(relative);
        if let Some(parent) = path.parent() {
            fs::create_dir_all(parent)
                .unwrap_or_else(|e| panic!("cannot make {}: {e}", parent.display()));
        }
        path
    }

    /// A directory inside it, made.
    ///
    /// # Panics
    /// When it cannot be made.
    #[must_use]
    pub fn dir(&self, relative: &str) -> PathBuf {
        let path = self.path().join(relative);
        fs::create_dir_all(&path).unwrap_or_else(|e| panic!("cannot make {}: {e}", path.display()));
        path
    }

    /// Writes a file inside it.
    ///
    /// # Panics
    /// When it cannot be written.
    #[must_use]
    pub fn write(&self, relative: &str, text: &str) -> PathBuf {
        let path = self.file(relative);
        fs::write(&path, text).unwrap_or_else(|e| panic!("cannot write {}: {e}", path.display()));
        path
    }
}

impl Drop for RunDir {
    fn drop(&mut self) {
        let keep = std::thread::panicking() || std::env::var_os("FSX_KEEP_RUNS").is_some();
        if let Some(dir) = self.inner.take().filter(|_| keep) {
            eprintln!("kept for you: {}", dir.keep().display());
        }
    }
}

/// A path that the tests of one user share; another user's would not be writable.
#[must_use]
pub fn shared(name: &str) -> PathBuf {
    std::env::temp_dir().join(format!("{name}-{}", rustix::process::geteuid().as_raw()))
}

/// The last `lines` lines of a file, for a failure's report; empty when it cannot be read.
#[must_use]
pub fn tail(path: &Path, lines: usize) -> String {
    let text = String::from_utf8_lossy(&fs::read(path).unwrap_or_default()).into_owned();
    let all: Vec<&str> = text.lines().collect();
    all[all.len().saturating_sub(lines)..].join("\n")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn goes_when_the_test_has_passed() {
        let dir = RunDir::new("own");
        let file = dir.write("a/b.txt", "one\ntwo\nthree\n");
        assert_eq!(tail(&file, 2), "two\nthree");
        let path = dir.path().to_owned();
        drop(dir);
        assert!(std::env::var_os("FSX_KEEP_RUNS").is_some() || !path.exists());
    }
}
