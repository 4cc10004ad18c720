//! A daemon of a few lines: takes records, and says of every call what it was told to say.

use std::{
    collections::BTreeMap,
    io::{Read as _, Write as _},
    os::unix::net::{UnixListener, UnixStream},
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    thread::JoinHandle,
    time::Duration,
};

use fsx_wire::{
    frame,
    message::{Ask, DaemonStatus, Outcome, PolicyDecision, Reply, Request, Verdict, WireFacts},
    record::CallRecord,
    xml::{XmlAnswer, XmlQuery},
};

use super::Script;

/// What the daemon was asked, the records it took, and the ends of calls it was told without one.
type Taken = (Vec<WireFacts>, Vec<CallRecord>, Vec<CallRecord>);

/// A running one.
pub(crate) struct Daemon {
    stop: Arc<AtomicBool>,
    thread: JoinHandle<Taken>,
}

impl Daemon {
    /// Listens at the script's socket. With no verdict it never answers a question about a call.
    pub(crate) fn start(script: &mut Script, says: Option<Verdict>) -> Self {
        let path = script.path("decide.sock");
        let _ = std::fs::remove_file(&path);
        let listener = UnixListener::bind(&path).expect("binds");
        listener.set_nonblocking(true).expect("sets");
        script.params.retain(|line| !line.contains("\tsocket\t"));
        script.param("settings", "socket", &path.display().to_string());
        let stop = Arc::new(AtomicBool::new(false));
        let stopped = stop.clone();
        let thread = std::thread::spawn(move || serve(&listener, &stopped, says.as_ref()));
        Self { stop, thread }
    }

    /// Stops it and gives what it heard.
    pub(crate) fn end(self) -> Taken {
        self.stop.store(true, Ordering::Relaxed);
        self.thread.join().expect("did not panic")
    }
}

fn serve(listener: &UnixListener, stop: &AtomicBool, says: Option<&Verdict>) -> Taken {
    let mut taken = (Vec::new(), Vec::new(), Vec::new());
    let mut peers: Vec<(UnixStream, Vec<u8>)> = Vec::new();
    while !stop.load(Ordering::Relaxed) {
        if let Ok((stream, _)) = listener.accept() {
            stream.set_nonblocking(true).expect("sets");
            peers.push((stream, Vec::new()));
        }
        for (stream, bytes) in &mut peers {
            let mut chunk = [0; 4096];
            while let Ok(n @ 1..) = stream.read(&mut chunk) {
                bytes.extend_from_slice(&chunk[..n]);
            }
            while let Some((body, len)) = frame::decode(bytes).expect("a frame") {
                let request: Request = serde_json::from_slice(body).expect("a request");
                bytes.drain(..len);
                let outcome = match request.ask {
                    Ask::Decide { mut facts, task } => {
                        // Beside the facts, so that tests see what was asked for.
                        facts.vars.insert("task".to_owned(), task);
                        taken.0.push(*facts);
                        let Some(verdict) = says.cloned() else { continue };
                        let vars =
                            BTreeMap::from([("fsx_policy_said".to_owned(), "hello".to_owned())]);
                        let policy_version = "test-1".to_owned();
                        Outcome::Decided(PolicyDecision { policy_version, verdict, vars })
                    }
                    Ask::Record { record } => {
                        taken.1.push(*record);
                        Outcome::Recorded
                    }
                    Ask::Ended { record } => {
                        taken.2.push(*record);
                        Outcome::Noted
                    }
                    Ask::Xml { query } => match says_of_xml(&query) {
                        Some(outcome) => outcome,
                        None => continue,
                    },
                    Ask::Destination { .. } => Outcome::Destination(Default::default()),
                    Ask::Status => Outcome::Status(DaemonStatus {
                        version: "test".to_owned(),
                        generation: 5,
                        records_waiting: 0,
                    }),
                };
                let reply = serde_json::to_vec(&Reply { id: request.id, outcome }).expect("JSON");
                let _ = stream.write_all(&frame::encode(&reply).expect("short"));
            }
        }
        std::thread::sleep(Duration::from_millis(1));
    }
    taken
}

/// The user asked for says what is answered: nothing at all, that there is none, or a document.
fn says_of_xml(query: &XmlQuery) -> Option<Outcome> {
    let user = query.param("user").unwrap_or_default();
    let document = match user {
        "silent" => return None,
        "failed" => {
            return Some(Outcome::Failed { reason: "the cloud is away".to_owned(), retry: true });
        }
        "nobody" => None,
        "no-result" => Some(
            "<document><section name=\"result\"><result status=\"not found\"/></section></document>"
                .to_owned(),
        ),
        "garbage" => Some("<html>502</html>".to_owned()),
        "entities" => Some("<!DOCTYPE a [<!ENTITY b \"c\">]><a/>".to_owned()),
        "without-what-was-asked-for" => {
            Some(format!("<document><section name=\"{}\"/></document>", query.section))
        }
        _ => {
            let XmlQuery { section, tag_name, key_name, key_value, params, .. } = query;
            let tag = match tag_name.as_str() {
                "" => String::new(),
                _ => format!("<{tag_name} {key_name}=\"{key_value}\"/>"),
            };
            let params = params.len();
            Some(format!(
                "<document type=\"freeswitch/xml\"><section name=\"{section}\">{tag}{user} of {params} \
                 params</section></document>"
            ))
        }
    };
    let age = user.strip_prefix("last-good-").and_then(|age| age.parse().ok());
    let from = if age.is_some() { fsx_wire::xml::LAST_GOOD } else { "policy" };
    Some(Outcome::Xml(XmlAnswer { document, from: from.to_owned(), age_s: age.unwrap_or(0) }))
}
