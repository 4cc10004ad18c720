//! What is installed on this machine, and where.
//!
//! A switch is found by an environment variable that names its install prefix (`FSX_FREESWITCH`,
//! `FSX_OPENSIPS`), or on `PATH`. Our own binaries are those of the build that the running test
//! belongs to.

use std::{
    env,
    path::{Path, PathBuf},
    process::Command,
};

/// A switch: its binary and its modules.
#[derive(Clone, Debug)]
pub struct Switch {
    /// The program.
    pub binary: PathBuf,
    /// Directory of its own modules.
    pub modules: PathBuf,
    /// A program that runs it, with its arguments, such as valgrind; usually nothing.
    pub runner: Vec<String>,
    /// More of its environment.
    pub environment: Vec<(String, String)>,
}

impl Switch {
    /// Its command, without arguments.
    #[must_use]
    pub fn command(&self) -> Command {
        let mut command = match self.runner.split_first() {
            Some((runner, arguments)) => {
                let mut command = Command::new(runner);
                command.args(arguments).arg(&self.binary);
                command
            }
            None => Command::new(&self.binary),
        };
        command.envs(self.environment.iter().map(|(name, value)| (name, value)));
        command
    }
}

/// FreeSWITCH, from `FSX_FREESWITCH` or `PATH`.
///
/// # Errors
/// Why it cannot be used, in words for the `SKIPPED` line.
pub fn freeswitch() -> Result<Switch, String> {
    switch(
        "FreeSWITCH",
        "FSX_FREESWITCH",
        "freeswitch",
        &["bin", "sbin"],
        &["freeswitch/mod", "mod"],
    )
}

/// OpenSIPS, from `FSX_OPENSIPS` or `PATH`.
///
/// # Errors
/// Why it cannot be used, in words for the `SKIPPED` line.
pub fn opensips() -> Result<Switch, String> {
    switch("OpenSIPS", "FSX_OPENSIPS", "opensips", &["sbin", "bin"], &["opensips/modules"])
}

/// SIPp, from `FSX_SIPP` (the program itself) or `PATH`.
///
/// # Errors
/// Why it cannot be used.
pub fn sipp() -> Result<PathBuf, String> {
    if let Some(named) = env::var_os("FSX_SIPP").map(PathBuf::from) {
        let found = named.is_file();
        return found.then_some(named).ok_or("FSX_SIPP names no file".to_owned());
    }
    on_path("sipp").ok_or_else(|| "SIPp not found: put sipp on PATH or set FSX_SIPP".to_owned())
}

fn switch(
    name: &str,
    variable: &str,
    program: &str,
    bins: &[&str],
    modules: &[&str],
) -> Result<Switch, String> {
    let (prefix, binary) = match env::var_os(variable).filter(|v| !v.is_empty()) {
        Some(prefix) => {
            let prefix = PathBuf::from(prefix);
            let binary = bins.iter().map(|b| prefix.join(b).join(program)).find(|p| p.is_file());
            let binary = binary.ok_or_else(|| {
                format!("{variable}={} holds no {}/{program}", prefix.display(), bins[0])
            })?;
            (prefix, binary)
        }
        None => {
            let binary = on_path(program).ok_or_else(|| {
                format!("{name} not found: set {variable} to its install prefix, or put {program} on PATH")
            })?;
            // What PATH holds may be a link into the true prefix.
            let real = binary.canonicalize().unwrap_or_else(|_| binary.clone());
            let prefix = real.parent().and_then(Path::parent).unwrap_or(Path::new("/")).to_owned();
            (prefix, binary)
        }
    };
    let roots = ["lib", "lib64", "lib/x86_64-linux-gnu", "lib/aarch64-linux-gnu", "."];
    let mut dirs = roots.iter().flat_map(|root| modules.iter().map(move |m| [*root, *m]));
    let dir = dirs.find_map(|parts| {
        let dir: PathBuf = std::iter::once(prefix.as_path()).chain(parts.map(Path::new)).collect();
        dir.is_dir().then_some(dir)
    });
    match dir {
        Some(modules) => {
            Ok(Switch { binary, modules, runner: Vec::new(), environment: Vec::new() })
        }
        None => Err(format!("{name} in {} has no module directory", prefix.display())),
    }
}

/// A program on `PATH`, or where Debian keeps daemons.
#[must_use]
pub fn on_path(program: &str) -> Option<PathBuf> {
    let path = env::var_os("PATH")?;
    env::split_paths(&path)
        // Where Debian keeps the switches and a user's PATH does not look.
        .chain([PathBuf::from("/usr/sbin"), PathBuf::from("/usr/local/sbin")])
        .map(|dir| dir.join(program))
        .find(|candidate| candidate.is_file())
}

/// The library that lies to a program about the time of day, for programs of several threads.
///
/// # Errors
/// Why it cannot be used.
pub fn faketime() -> Result<PathBuf, String> {
    let arch = std::env::consts::ARCH;
    let tried = [format!("/usr/lib/{arch}-linux-gnu"), "/usr/lib".into(), "/usr/lib64".into()];
    let mut files = tried
        .iter()
        .chain([&"/usr/local/lib".to_owned()])
        .map(|dir| PathBuf::from(format!("{dir}/faketime/libfaketimeMT.so.1")))
        .collect::<Vec<_>>()
        .into_iter();
    files.find(|file| file.is_file()).ok_or_else(|| "libfaketime is not installed".to_owned())
}

/// One of our own build products, such as `fsxinetd` or `libmod_fsx.so`.
///
/// # Panics
/// When it has not been built.
#[must_use]
pub fn built(file: &str) -> PathBuf {
    let path = profile_dir().join(file);
    assert!(path.is_file(), "{} is missing: run `cargo build --workspace` first", path.display());
    if let Some(source) = newer_source(&path) {
        // Not fatal: somebody may be writing the next line while this runs.
        let (path, source) = (path.display(), source.display());
        eprintln!("{path} is older than {source}: `cargo build --workspace` makes it anew");
    }
    path
}

/// A source file that was changed after `product` was built: a test binary does not have the modules
/// and the daemon built anew, and would judge yesterday's code.
fn newer_source(product: &Path) -> Option<PathBuf> {
    let changed = |path: &Path| path.metadata().and_then(|about| about.modified()).ok();
    let built = changed(product)?;
    let mut folders: Vec<PathBuf> =
        ["core", "snapshot", "live", "wire"].map(|c| source(&format!("crates/{c}/src"))).into();
    match product.file_name()?.to_str()? {
        "fsxinetd" => folders.push(source("fsxinetd/src")),
        "libmod_fsx.so" => folders.extend(["fs-module/src", "crates/seam/src"].map(source)),
        "libfsx.so" => folders.extend(["opensips-module/src", "crates/seam/src"].map(source)),
        _ => {}
    }
    while let Some(folder) = folders.pop() {
        for entry in std::fs::read_dir(folder).ok()?.flatten() {
            let path = entry.path();
            if path.is_dir() {
                folders.push(path);
            } else if changed(&path).is_some_and(|at| at > built) {
                return Some(path);
            }
        }
    }
    None
}

/// A directory that outlives the test, beside the build products; made when it is not there.
///
/// # Panics
/// When it cannot be made.
#[must_use]
pub fn kept(name: &str) -> PathBuf {
    let path = profile_dir().join("fsx-tests").join(name);
    std::fs::create_dir_all(&path)
        .unwrap_or_else(|e| panic!("cannot make {}: {e}", path.display()));
    path
}

/// Where this build's products are: the running test is `<profile>/deps/<test>`.
fn profile_dir() -> PathBuf {
    let exe = env::current_exe().unwrap_or_else(|e| panic!("cannot tell my own path: {e}"));
    exe.parent().and_then(Path::parent).unwrap_or(Path::new(".")).to_owned()
}

/// A file of the source tree, by its path below the root.
#[must_use]
pub fn source(relative: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join(relative)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::run_dir::RunDir;

    #[test]
    fn a_prefix_without_the_program_is_named_in_the_reason() {
        let dir = RunDir::new("place");
        // Nobody else in this process reads this name.
        let name = "FSX_TEST_NO_SUCH_VARIABLE";
        let missing = switch("Switch", name, "no-such-switch", &["bin"], &["mod"]);
        assert!(missing.is_err_and(|reason| reason.contains(name)));
        let _ = dir;
    }

    #[test]
    fn finds_what_everybody_has() {
        assert!(on_path("sh").is_some());
        assert!(on_path("no-such-program-anywhere").is_none());
        assert!(source("Cargo.toml").is_file());
    }
}
