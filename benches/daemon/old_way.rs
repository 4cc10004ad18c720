//! What fsxinetd replaces: xinetd that starts a PHP process for each call.
//!
//! It gets the best of conditions: PHP without its configuration files, no limit on processes, none
//! on connections a second, nothing written down. (In production it stood at 100 of each.)

use std::{
    net::{SocketAddr, TcpStream},
    path::PathBuf,
    process::Command,
    time::Duration,
};

use fsx_test_support::{child::ChildGuard, place, ports::Ports, run_dir::RunDir};

/// A running xinetd.
pub(crate) struct OldWay {
    port: Ports,
    _child: ChildGuard,
}

impl OldWay {
    /// Starts it.
    ///
    /// # Errors
    /// Which program is not installed.
    pub(crate) fn start(run: &RunDir) -> Result<Self, String> {
        let xinetd = find("xinetd")?;
        let php = find("php")?;
        let port = Ports::one();
        let task = place::source("benches/daemon/task.php");
        let conf = format!(
            "defaults\n{{\n}}\nservice task\n{{\n\ttype = UNLISTED\n\tsocket_type = stream\n\t\
             protocol = tcp\n\tbind = 127.0.0.1\n\tport = {}\n\twait = no\n\tuser = {}\n\t\
             server = {}\n\tserver_args = -n {}\n\tinstances = UNLIMITED\n\tper_source = UNLIMITED\n\t\
             cps = 1000000 1\n\tdisable = no\n}}\n",
            port.port(),
            rustix::process::getuid().as_raw(),
            php.display(),
            task.display()
        );
        let conf = run.write("xinetd.conf", &conf);
        let mut command = Command::new(xinetd);
        command.arg("-dontfork").arg("-f").arg(conf).args(["-pidfile", "xinetd.pid"]);
        command.args(["-filelog", "xinetd-services.log"]).current_dir(run.path());
        let mut child = ChildGuard::spawn("xinetd", &mut command, &run.file("xinetd.log"));
        let server = SocketAddr::from(([127, 0, 0, 1], port.port()));
        child.ready("xinetd", Duration::from_secs(10), || TcpStream::connect(server).ok());
        Ok(Self { port, _child: child })
    }

    /// Where it listens.
    pub(crate) fn address(&self) -> SocketAddr {
        SocketAddr::from(([127, 0, 0, 1], self.port.port()))
    }
}

fn find(program: &str) -> Result<PathBuf, String> {
    place::on_path(program).ok_or_else(|| format!("{program} is not installed"))
}
