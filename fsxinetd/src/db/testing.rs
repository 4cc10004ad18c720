//! Databases for tests: an SQLite file, and a private MariaDB server where there is one installed.

use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use super::{Access, Conn, DbUrl};

/// Long enough for a machine that does much else.
const PATIENCE: Duration = Duration::from_secs(60);

/// A server of our own: private folder, Unix socket, no TCP. It dies with this value.
pub(crate) struct MariaDb {
    child: Child,
    dir: tempfile::TempDir,
}

impl MariaDb {
    /// Starts one; `None`, with a line that says so, where MariaDB is not installed.
    pub(crate) fn start(test: &str) -> Option<Self> {
        let Some(server) = find("mariadbd") else {
            println!("SKIPPED {test}: mariadbd not found");
            return None;
        };
        let Some(install) = find("mariadb-install-db") else {
            println!("SKIPPED {test}: mariadb-install-db not found");
            return None;
        };
        let dir = tempfile::tempdir().expect("a temporary folder");
        let data = format!("--datadir={}", dir.path().join("data").display());
        let user = format!("--user={}", whoami());
        // Servers that start at once in a shared /tmp delete each other's tables.
        let tmp = format!("--tmpdir={}", dir.path().display());
        let made = Command::new(install)
            .args(["--no-defaults", &data, &user, &tmp, "--skip-test-db"])
            .env("TMPDIR", dir.path())
            .arg("--auth-root-authentication-method=normal")
            .stdin(Stdio::null())
            .output()
            .expect("mariadb-install-db runs");
        assert!(made.status.success(), "{}", String::from_utf8_lossy(&made.stderr));
        let child = Command::new(server)
            .args(["--no-defaults", &data, &user, &tmp, "--skip-networking"])
            .arg(format!("--socket={}", socket(dir.path()).display()))
            .arg(format!("--pid-file={}", dir.path().join("pid").display()))
            .arg("--innodb-buffer-pool-size=64M")
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(std::fs::File::create(dir.path().join("log")).expect("a log"))
            .spawn()
            .expect("mariadbd starts");
        Some(Self { child, dir })
    }

    /// The address of a database on it, as a configuration writes it.
    pub(crate) fn address(&self, name: &str) -> String {
        let socket = socket(self.dir.path());
        format!("mysql://root@localhost/{name}?socket={}", socket.display())
    }

    /// The same, read.
    pub(crate) fn url(&self, name: &str) -> DbUrl {
        self.address(name).parse().expect("an address")
    }

    /// Makes an empty database and gives its address.
    pub(crate) async fn database(&mut self, name: &str) -> DbUrl {
        let began = Instant::now();
        loop {
            match Conn::open(&self.url("mysql"), Access::ReadWrite, PATIENCE).await {
                Ok(mut conn) => {
                    let sql = format!("CREATE DATABASE {name}");
                    conn.execute("make a database", &sql).await.expect("made");
                    conn.close().await;
                    return self.url(name);
                }
                Err(error) => {
                    let log = || std::fs::read_to_string(self.dir.path().join("log"));
                    assert!(began.elapsed() < PATIENCE, "{error}\n{}", log().unwrap_or_default());
                    let ended = self.child.try_wait().expect("a child of ours");
                    assert!(ended.is_none(), "{}", log().unwrap_or_default());
                    tokio::time::sleep(Duration::from_millis(100)).await;
                }
            }
        }
    }
}

impl Drop for MariaDb {
    fn drop(&mut self) {
        // Nothing in the folder outlives it, so there is nothing to shut down gently for.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn socket(dir: &Path) -> PathBuf {
    dir.join("sock")
}

fn whoami() -> String {
    let id = Command::new("id").arg("-un").output().expect("id runs");
    String::from_utf8_lossy(&id.stdout).trim().to_owned()
}

fn find(program: &str) -> Option<PathBuf> {
    let path = std::env::var_os("PATH").unwrap_or_default();
    std::env::split_paths(&path)
        .chain(["/usr/sbin".into(), "/usr/local/sbin".into()])
        .map(|dir| dir.join(program))
        .find(|file| file.is_file())
}

/// An SQLite file in a folder of its own.
pub(crate) fn sqlite_url(dir: &Path) -> DbUrl {
    DbUrl::Sqlite(dir.join("lcr.sqlite"))
}

/// Opens with patience.
pub(crate) async fn open(url: &DbUrl, access: Access) -> Conn {
    Conn::open(url, access, PATIENCE).await.expect("opens")
}

/// A small database in which every table has a row, and every kind of value.
pub(crate) const SAMPLE: &str = include_str!("testing.sql");

/// Runs the statements of [`SAMPLE`] or the like.
pub(crate) async fn run(conn: &mut Conn, sql: &str) {
    for statement in sql.split(";\n").map(str::trim).filter(|s| !s.is_empty()) {
        let statement =
            if conn.is_sqlite() { statement.to_owned() } else { statement.replace('\\', "\\\\") };
        conn.execute(statement.lines().next().unwrap_or(""), &statement).await.expect("runs");
    }
}
