//! A Core API that answers what it was told to, over loopback HTTP.
//!
//! One thread a connection: the daemon holds a few and asks one question at a time on each.

use std::{
    collections::BTreeMap,
    io::{BufRead as _, BufReader, Read as _, Write as _},
    net::{SocketAddr, TcpListener, TcpStream},
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicBool, Ordering::Relaxed},
    },
    thread,
    time::Duration,
};

/// How long a connection may be idle, and a question take to arrive.
const IDLE: Duration = Duration::from_secs(60);

/// Longest question, in bytes.
const MAX_BODY: usize = 1 << 20;

/// One question that was asked.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Asked {
    /// `GET` or `POST`.
    pub method: String,
    /// Path and query.
    pub target: String,
    /// What was sent along.
    pub body: String,
    /// Value of `X-API-Key`.
    pub key: String,
}

/// Answers by method and path: `GET /organisations/37/callers`.
type Answers = BTreeMap<String, (u16, String)>;

/// The server. It ends when it is dropped.
#[derive(Debug)]
pub struct CoreApi {
    address: SocketAddr,
    asked: Arc<Mutex<Vec<Asked>>>,
    done: Arc<AtomicBool>,
}

impl CoreApi {
    /// Starts one. `answers` gives method and path, status and JSON; anything else is 404.
    ///
    /// # Panics
    /// When there is no port.
    #[must_use]
    pub fn start(answers: &[(&str, u16, &str)]) -> Self {
        let listener = TcpListener::bind(("127.0.0.1", 0)).unwrap_or_else(|e| panic!("port: {e}"));
        let address = listener.local_addr().unwrap_or_else(|e| panic!("port: {e}"));
        let asked = Arc::<Mutex<Vec<Asked>>>::default();
        let done = Arc::<AtomicBool>::default();
        let answers: Arc<Answers> = Arc::new(
            answers
                .iter()
                .map(|(what, status, body)| ((*what).to_owned(), (*status, (*body).to_owned())))
                .collect(),
        );
        let (log, stop) = (Arc::clone(&asked), Arc::clone(&done));
        thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                if stop.load(Relaxed) {
                    return;
                }
                let (answers, log) = (Arc::clone(&answers), Arc::clone(&log));
                thread::spawn(move || serve(stream, &answers, &log));
            }
        });
        Self { address, asked, done }
    }

    /// For the daemon's configuration.
    #[must_use]
    pub fn url(&self) -> String {
        format!("http://{}", self.address)
    }

    /// Every question so far.
    #[must_use]
    pub fn asked(&self) -> Vec<Asked> {
        self.asked.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }
}

impl Drop for CoreApi {
    fn drop(&mut self) {
        self.done.store(true, Relaxed);
        // So that it looks.
        let _ = TcpStream::connect(self.address);
    }
}

/// Answers one connection's questions until it closes or says something odd.
fn serve(stream: TcpStream, answers: &Answers, log: &Mutex<Vec<Asked>>) -> Option<()> {
    stream.set_read_timeout(Some(IDLE)).ok()?;
    stream.set_nodelay(true).ok()?;
    let mut reader = BufReader::new(stream.try_clone().ok()?);
    let mut writer = stream;
    loop {
        let mut line = String::new();
        if reader.read_line(&mut line).ok()? == 0 {
            return None;
        }
        let mut words = line.split_whitespace();
        let (method, target) = (words.next()?.to_owned(), words.next()?.to_owned());
        let (mut length, mut key) = (0, String::new());
        loop {
            let mut header = String::new();
            reader.read_line(&mut header).ok()?;
            let Some((name, value)) = header.trim_end().split_once(':') else { break };
            match name.to_ascii_lowercase().as_str() {
                "content-length" => length = value.trim().parse().ok()?,
                "x-api-key" => key = value.trim().to_owned(),
                _ => {}
            }
        }
        if length > MAX_BODY {
            return None;
        }
        let mut body = vec![0; length];
        reader.read_exact(&mut body).ok()?;
        let body = String::from_utf8_lossy(&body).into_owned();
        let path = target.split('?').next().unwrap_or("");
        let (status, answer) = answers
            .get(&format!("{method} {path}"))
            .cloned()
            .unwrap_or((404, "{\"error\": \"not found\"}".to_owned()));
        log.lock().unwrap_or_else(PoisonError::into_inner).push(Asked {
            method,
            target,
            body,
            key,
        });
        let head = format!(
            "HTTP/1.1 {status} Status\r\nContent-Type: application/json\r\n\
             Content-Length: {}\r\n\r\n",
            answer.len()
        );
        writer.write_all((head + &answer).as_bytes()).ok()?;
    }
}
