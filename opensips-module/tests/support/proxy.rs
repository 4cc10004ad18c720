//! A real OpenSIPS with the module in it, and SIP ends made of UDP sockets.

use std::{
    io::Write as _,
    net::{SocketAddr, UdpSocket},
    os::unix::net::UnixDatagram,
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
    sync::{Arc, Mutex},
    thread,
    time::Duration,
};

use serde_json::{Value, json};

use super::{PATIENCE, module, until};

/// Where OpenSIPS is installed.
pub(crate) struct Installed {
    binary: PathBuf,
    modules: PathBuf,
    /// 3.3 names its log settings otherwise.
    is_33: bool,
}

/// Finds OpenSIPS by `FSX_OPENSIPS` or on the path; otherwise says that the test is skipped.
pub(crate) fn installed(test: &str) -> Option<Installed> {
    let prefix = std::env::var_os("FSX_OPENSIPS").map(PathBuf::from);
    let found = match &prefix {
        Some(prefix) => prefix.join("sbin/opensips"),
        None => std::env::split_paths(&std::env::var_os("PATH").unwrap_or_default())
            .map(|dir| dir.join("opensips"))
            .find(|file| file.is_file())
            .unwrap_or_default(),
    };
    let skip = |reason: &str| {
        let line = format!("SKIPPED {test}: {reason}\n");
        // Past the harness' capture: silence must not pass for success.
        let _ = std::io::stderr().write_all(line.as_bytes());
        if let Some(log) = std::env::var_os("FSX_SKIP_LOG") {
            let log = std::fs::OpenOptions::new().create(true).append(true).open(log);
            log.and_then(|mut log| log.write_all(line.as_bytes())).expect("FSX_SKIP_LOG");
        }
        None
    };
    if !found.is_file() {
        return skip("no OpenSIPS: set FSX_OPENSIPS to its prefix");
    }
    let root = prefix.unwrap_or_else(|| PathBuf::from("/usr"));
    let modules = ["lib64", "lib", "lib/x86_64-linux-gnu", "lib/aarch64-linux-gnu"]
        .map(|lib| root.join(lib).join("opensips/modules"))
        .into_iter()
        .find(|dir| dir.join("tm.so").is_file());
    let Some(modules) = modules else { return skip("OpenSIPS' modules are not found") };
    let version = Command::new(&found).arg("-V").output().expect("OpenSIPS runs");
    let is_33 = String::from_utf8_lossy(&version.stdout).contains("opensips 3.3.");
    Some(Installed { binary: found, modules, is_33 })
}

/// A running proxy.
pub(crate) struct Proxy {
    child: Child,
    dir: PathBuf,
    pub(crate) address: SocketAddr,
}

impl Installed {
    /// Starts OpenSIPS in `dir` with the module, its parameters and the script's routes, and waits
    /// until it answers.
    pub(crate) fn start(&self, dir: &Path, params: &[String], routes: &str) -> Proxy {
        let mut proxy = self.spawn(dir, params, routes, None);
        proxy.ready();
        proxy
    }

    /// The same with a panic asked for.
    pub(crate) fn start_panicking(&self, dir: &Path, params: &[String], routes: &str) -> Proxy {
        let mut proxy = self.spawn(dir, params, routes, Some("cmd.fsx_route"));
        proxy.ready();
        proxy
    }

    /// Starts it and gives its exit code and log: for starts that must fail.
    pub(crate) fn start_refused(&self, dir: &Path, params: &[String]) -> (Option<i32>, String) {
        let mut proxy = self.spawn(dir, params, "route { exit; }", None);
        let mut code = None;
        until("OpenSIPS gives up", || {
            let ended = proxy.child.try_wait().expect("our child");
            code = ended.and_then(|status| status.code());
            ended.is_some()
        });
        (code, proxy.log())
    }

    fn spawn(&self, dir: &Path, params: &[String], routes: &str, panic: Option<&str>) -> Proxy {
        // Let go of again: OpenSIPS wants it for itself.
        let socket = UdpSocket::bind("127.0.0.1:0").expect("a port");
        let address = socket.local_addr().expect("an address");
        drop(socket);
        let library = dir.join("fsx.so");
        if !library.exists() {
            std::os::unix::fs::symlink(module(), &library).expect("a link");
        }
        let log =
            if self.is_33 { "log_stderror=yes" } else { "stderror_enabled=yes\nsyslog_enabled=no" };
        let mut script = format!(
            "log_level=3\n{log}\nudp_workers=3\nsocket=udp:{address}\nmpath=\"{}/\"\n",
            self.modules.display()
        );
        for name in ["proto_udp", "signaling", "sl", "tm", "sipmsgops", "mi_datagram"] {
            script.push_str(&format!("loadmodule \"{name}.so\"\n"));
        }
        let mi = dir.join("mi.sock");
        script.push_str(&format!(
            "modparam(\"mi_datagram\", \"socket_name\", \"{}\")\nloadmodule \"{}\"\n",
            mi.display(),
            library.display()
        ));
        for param in params {
            let (name, value) = param.split_once('=').expect("name=value");
            let value = match value.parse::<i32>() {
                Ok(number) => number.to_string(),
                Err(_) => format!("\"{value}\""),
            };
            script.push_str(&format!("modparam(\"fsx\", \"{name}\", {value})\n"));
        }
        script.push_str(routes);
        let config = dir.join("opensips.cfg");
        std::fs::write(&config, script).expect("written");
        let mut command = Command::new(&self.binary);
        command
            .args(["-F", "-m", "64", "-M", "8", "-f"])
            .arg(config)
            .arg("-w")
            .arg(dir)
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(std::fs::File::create(dir.join("log")).expect("a log"))
            .env_remove("FSX_PANIC_AT");
        if let Some(site) = panic {
            command.env("FSX_PANIC_AT", site);
        }
        let child = command.spawn().expect("OpenSIPS starts");
        Proxy { child, dir: dir.to_owned(), address }
    }
}

impl Proxy {
    fn ready(&mut self) {
        until("OpenSIPS serves", || {
            if let Some(status) = self.child.try_wait().expect("our child") {
                panic!("OpenSIPS ended: {status}\n{}", self.log());
            }
            self.try_mi("uptime", Value::Null).is_some() && bound(self.address)
        });
    }

    /// Runs an MI command and gives its result.
    pub(crate) fn mi(&self, method: &str, params: Value) -> Value {
        let reply = self.try_mi(method, params);
        let reply = reply.unwrap_or_else(|| panic!("no answer to {method}\n{}", self.log()));
        assert!(reply["error"].is_null(), "{method}: {reply}");
        reply["result"].clone()
    }

    /// Runs an MI command; `None` when nobody answers.
    pub(crate) fn try_mi(&self, method: &str, params: Value) -> Option<Value> {
        let own = tempfile::tempdir().expect("a directory");
        let socket = UnixDatagram::bind(own.path().join("reply")).expect("a socket");
        socket.set_read_timeout(Some(Duration::from_secs(5))).expect("a timeout");
        let mut request = json!({ "jsonrpc": "2.0", "id": 1, "method": method });
        if !params.is_null() {
            request["params"] = params;
        }
        socket.send_to(request.to_string().as_bytes(), self.dir.join("mi.sock")).ok()?;
        let mut reply = vec![0; 65_536];
        let len = socket.recv(&mut reply).ok()?;
        serde_json::from_slice(&reply[..len]).ok()
    }

    /// What it logged.
    pub(crate) fn log(&self) -> String {
        let text = std::fs::read(self.dir.join("log")).expect("the log");
        String::from_utf8_lossy(&text).into_owned()
    }

    /// Whether it still runs.
    pub(crate) fn runs(&mut self) -> bool {
        self.child.try_wait().expect("our child").is_none()
    }

    /// Sends an INVITE and gives the final answer.
    pub(crate) fn call(&self, number: &str) -> String {
        let socket = UdpSocket::bind("127.0.0.1:0").expect("a port");
        socket.set_read_timeout(Some(PATIENCE)).expect("a timeout");
        let own = socket.local_addr().expect("an address");
        let invite = format!(
            "INVITE sip:{number}@127.0.0.1 SIP/2.0\r\n\
             Via: SIP/2.0/UDP {own};branch=z9hG4bK{port}\r\n\
             From: <sip:02079460000@127.0.0.1>;tag=a\r\nTo: <sip:{number}@127.0.0.1>\r\n\
             Call-ID: {port}@test\r\nCSeq: 1 INVITE\r\nContact: <sip:a@{own}>\r\n\
             Max-Forwards: 70\r\nContent-Length: 0\r\n\r\n",
            port = own.port()
        );
        socket.send_to(invite.as_bytes(), self.address).expect("sent");
        let mut buffer = [0; 65_535];
        loop {
            let Ok(len) = socket.recv(&mut buffer) else {
                panic!("no answer to a call\n{}", self.log())
            };
            let text = String::from_utf8_lossy(&buffer[..len]);
            if !text.starts_with("SIP/2.0 1") {
                return text.into_owned();
            }
        }
    }
}

impl Drop for Proxy {
    fn drop(&mut self) {
        if !self.runs() {
            return;
        }
        // Asked, not killed: the attendant has workers to end.
        let pid = self.child.id().to_string();
        let _ = Command::new("kill").args(["-TERM", &pid]).status();
        for _ in 0..1000 {
            if matches!(self.child.try_wait(), Ok(Some(_))) {
                return;
            }
            thread::sleep(Duration::from_millis(10));
        }
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Whether somebody has a UDP port.
fn bound(address: SocketAddr) -> bool {
    UdpSocket::bind(address).is_err()
}

/// A carrier that answers each INVITE with one status, and notes what was dialled.
pub(crate) struct Carrier {
    pub(crate) port: u16,
    dialled: Arc<Mutex<Vec<String>>>,
}

impl Carrier {
    /// Listens until the test ends.
    pub(crate) fn answering(status: &'static str) -> Self {
        let socket = UdpSocket::bind("127.0.0.1:0").expect("a port");
        let port = socket.local_addr().expect("an address").port();
        let dialled = Arc::new(Mutex::new(Vec::new()));
        let noted = Arc::clone(&dialled);
        thread::spawn(move || {
            let mut buffer = [0; 65_535];
            while let Ok((len, from)) = socket.recv_from(&mut buffer) {
                let text = String::from_utf8_lossy(&buffer[..len]).into_owned();
                let Some(uri) = text.strip_prefix("INVITE ") else { continue };
                let uri = uri.split(' ').next().unwrap_or_default().to_owned();
                let mut all = noted.lock().expect("not poisoned");
                // A retransmission is the same call.
                if !all.contains(&uri) {
                    all.push(uri);
                }
                drop(all);
                let mut reply = format!("SIP/2.0 {status}\r\n");
                for line in text.lines() {
                    let name = line.split(':').next().unwrap_or_default();
                    if matches!(name, "Via" | "From" | "Call-ID" | "CSeq" | "Record-Route") {
                        reply.push_str(&format!("{line}\r\n"));
                    } else if name == "To" {
                        reply.push_str(&format!("{line};tag=b\r\n"));
                    }
                }
                reply.push_str(&format!(
                    "Contact: <sip:b@127.0.0.1:{port}>\r\nContent-Length: 0\r\n\r\n"
                ));
                let _ = socket.send_to(reply.as_bytes(), from);
            }
        });
        Self { port, dialled }
    }

    /// Request URIs received, in order.
    pub(crate) fn dialled(&self) -> Vec<String> {
        self.dialled.lock().expect("not poisoned").clone()
    }
}
