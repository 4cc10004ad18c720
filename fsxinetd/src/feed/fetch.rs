//! A snapshot that another host has built.
//!
//! Ten switch hosts need not read one database ten times: one builds, puts the file where a web server
//! or an object store gives it out, and the others fetch it. Asking costs a line each way while
//! nothing has changed. Whatever comes is checked as if an enemy had sent it: bounded in size and
//! time, opened and verified, and only then put in the place of the last good one.

use std::time::Duration;

use bytes::Bytes;
use http_body_util::{BodyExt as _, Empty};
use hyper::header::{
    CONTENT_LENGTH, ETAG, HeaderValue, IF_MODIFIED_SINCE, IF_NONE_MATCH, LAST_MODIFIED,
};
use hyper::{Request, Response, StatusCode, Uri, body::Incoming};
use hyper_rustls::{HttpsConnector, HttpsConnectorBuilder};
use hyper_util::client::legacy::{Client, connect::HttpConnector};
use hyper_util::rt::{TokioExecutor, TokioTimer};

use super::FeedError;
use crate::config;

/// Where to fetch from, and within which limits.
#[derive(Clone, Debug)]
pub struct Source {
    /// The address.
    pub url: Uri,
    /// For one fetch, from asking to the last byte.
    pub timeout: Duration,
    /// Most bytes.
    pub most_bytes: u64,
}

/// The address, if it is one of a file on a web server.
#[must_use]
pub fn source_address(text: &str) -> Option<Uri> {
    let uri: Uri = text.parse().ok()?;
    let scheme = matches!(uri.scheme_str(), Some("http" | "https"));
    (scheme && uri.host().is_some_and(|host| !host.is_empty())).then_some(uri)
}

impl Source {
    /// What the configuration says; `None` where it builds its own.
    #[must_use]
    pub fn from_config(feed: &config::Feed) -> Option<Self> {
        Some(Self {
            url: source_address(&feed.source)?,
            timeout: Duration::from_secs(feed.source_timeout_s.into()),
            most_bytes: u64::from(feed.source_max_mib) << 20,
        })
    }
}

/// What a server says a file by, to be asked with the next time.
#[derive(Clone, Debug, Default)]
struct Validators {
    etag: Option<HeaderValue>,
    modified: Option<HeaderValue>,
}

impl Validators {
    fn is_none(&self) -> bool {
        self.etag.is_none() && self.modified.is_none()
    }
}

/// Fetches one file again and again.
pub(crate) struct Fetcher {
    source: Source,
    /// Sent as `X-API-Key`.
    key: Option<HeaderValue>,
    client: Client<HttpsConnector<HttpConnector>, Empty<Bytes>>,
    /// Of what is in force.
    kept: Validators,
    /// Of what was fetched last.
    last: Validators,
}

impl Fetcher {
    pub(crate) fn new(source: Source) -> Result<Self, FeedError> {
        let failed = |reason: String| FeedError::Fetch { url: source.url.to_string(), reason };
        let provider = rustls::crypto::ring::default_provider();
        let builder = HttpsConnectorBuilder::new();
        let builder = if source.url.scheme_str() == Some("https") {
            builder
                .with_provider_and_native_roots(provider)
                .map_err(|e| failed(format!("no certificates of authorities: {e}")))?
        } else {
            // No certificate is ever looked at, so none need be installed.
            let config = rustls::ClientConfig::builder_with_provider(provider.into())
                .with_safe_default_protocol_versions()
                .map_err(|e| failed(e.to_string()))?
                .with_root_certificates(rustls::RootCertStore::empty())
                .with_no_client_auth();
            builder.with_tls_config(config)
        };
        let mut http = HttpConnector::new();
        http.enforce_http(false);
        http.set_connect_timeout(Some(source.timeout.min(Duration::from_secs(10))));
        let connector = builder.https_or_http().enable_http1().wrap_connector(http);
        let client = Client::builder(TokioExecutor::new())
            .pool_timer(TokioTimer::new())
            .pool_idle_timeout(Duration::from_secs(90))
            .build(connector);
        let (kept, last) = (Validators::default(), Validators::default());
        Ok(Self { source, key: None, client, kept, last })
    }

    /// The same, with a key to show; an empty one shows none.
    pub(crate) fn with_key(mut self, key: &str) -> Result<Self, String> {
        if !key.is_empty() {
            let mut value = HeaderValue::from_str(key).map_err(|_| "the key is no header value")?;
            value.set_sensitive(true);
            self.key = Some(value);
        }
        Ok(self)
    }

    /// The error of this source.
    pub(super) fn failed(&self, reason: impl Into<String>) -> FeedError {
        FeedError::Fetch { url: self.source.url.to_string(), reason: reason.into() }
    }

    /// What was fetched last is in force.
    pub(crate) fn keep(&mut self) {
        self.kept = self.last.clone();
    }

    /// Asks for the whole file the next time, changed or not.
    pub(super) fn forget(&mut self) {
        self.kept = Validators::default();
    }

    /// The file, unless it is what is in force.
    pub(crate) async fn fetch(&mut self) -> Result<Option<Vec<u8>>, FeedError> {
        let limit = self.source.timeout;
        match tokio::time::timeout(limit, self.ask()).await {
            Ok(Ok(bytes)) => Ok(bytes),
            Ok(Err(reason)) => Err(self.failed(reason)),
            Err(_) => Err(self.failed(format!("not whole within {} s", limit.as_secs_f64()))),
        }
    }

    async fn ask(&mut self) -> Result<Option<Vec<u8>>, String> {
        let mut request = Request::get(&self.source.url);
        if let Some(etag) = &self.kept.etag {
            request = request.header(IF_NONE_MATCH, etag);
        }
        if let Some(modified) = &self.kept.modified {
            request = request.header(IF_MODIFIED_SINCE, modified);
        }
        if let Some(key) = &self.key {
            request = request.header("X-API-Key", key);
        }
        let request = request.body(Empty::new()).map_err(|e| e.to_string())?;
        let response = self.client.request(request).await.map_err(|e| chain(&e))?;
        match response.status() {
            StatusCode::NOT_MODIFIED if self.kept.is_none() => {
                Err("the server says 304 Not Modified to a request without a condition".to_owned())
            }
            StatusCode::NOT_MODIFIED => Ok(None),
            StatusCode::OK => self.body(response).await.map(Some),
            status => Err(format!("the server says {status}")),
        }
    }

    async fn body(&mut self, response: Response<Incoming>) -> Result<Vec<u8>, String> {
        let header = |name| response.headers().get(name).cloned();
        self.last = Validators { etag: header(ETAG), modified: header(LAST_MODIFIED) };
        let too_large =
            || format!("larger than {} MiB (source_max_mib)", self.source.most_bytes >> 20);
        let length = header(CONTENT_LENGTH);
        let length = length.and_then(|v| v.to_str().ok()?.parse::<u64>().ok());
        if length.is_some_and(|length| length > self.source.most_bytes) {
            return Err(too_large());
        }
        // The server's word on the length is not taken for more than this.
        let mut bytes = Vec::with_capacity(length.unwrap_or(0).min(64 << 20) as usize);
        let mut body = response.into_body();
        while let Some(frame) = body.frame().await {
            let frame = frame.map_err(|e| format!("broken off: {}", chain(&e)))?;
            if let Some(data) = frame.data_ref() {
                if bytes.len() as u64 + data.len() as u64 > self.source.most_bytes {
                    return Err(too_large());
                }
                bytes.extend_from_slice(data);
            }
        }
        Ok(bytes)
    }
}

/// An error and what lies behind it: the outer one rarely says more than "client error".
fn chain(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut inner = error.source();
    while let Some(error) = inner {
        text = format!("{text}: {error}");
        inner = error.source();
    }
    text
}

#[cfg(test)]
mod tests {
    use std::sync::{Arc, Mutex};

    use fsx_snapshot::{BuildSettings, build, rows::Rows};
    use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
    use tokio::net::TcpListener;
    use tokio::sync::watch;

    use super::super::{Feed, FeedSettings, FeedStatus, MakeSettings};
    use super::*;
    use crate::published::PublishedHandle;

    const PATIENCE: Duration = Duration::from_secs(60);

    /// How the server answers.
    #[derive(Clone, Debug)]
    enum Says {
        /// 200 with this body, or 304 where it is asked with this ETag.
        File(Vec<u8>, &'static str),
        /// The same under another length: torn.
        Torn(Vec<u8>),
        /// A status and nothing.
        Status(&'static str),
        /// A head, and then silence.
        Slow,
        /// More than anybody wants, without a length.
        Endless,
    }

    struct Server {
        says: Arc<Mutex<Says>>,
        /// Request heads, in order.
        heard: Arc<Mutex<Vec<String>>>,
        url: String,
        task: tokio::task::JoinHandle<()>,
    }

    impl Drop for Server {
        fn drop(&mut self) {
            self.task.abort();
        }
    }

    async fn serve(says: Says) -> Server {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
        let url = format!("http://{}/routes.fsx", listener.local_addr().expect("an address"));
        let says = Arc::new(Mutex::new(says));
        let heard = Arc::new(Mutex::new(Vec::new()));
        let (now, log) = (says.clone(), heard.clone());
        let task = tokio::spawn(async move {
            let mut held = Vec::new();
            while let Ok((mut peer, _)) = listener.accept().await {
                let mut head = vec![0; 4096];
                let len = peer.read(&mut head).await.unwrap_or(0);
                let head = String::from_utf8_lossy(&head[..len]).to_ascii_lowercase();
                log.lock().expect("log").push(head.clone());
                let says = now.lock().expect("says").clone();
                let close = "Connection: close\r\n";
                let answer = match says {
                    Says::File(_, etag) if head.contains(&format!("if-none-match: {etag}")) => {
                        format!("HTTP/1.1 304 Not Modified\r\n{close}\r\n").into_bytes()
                    }
                    Says::File(body, etag) => {
                        let len = body.len();
                        let head = format!(
                            "HTTP/1.1 200 OK\r\nContent-Length: {len}\r\nETag: {etag}\r\n{close}\r\n"
                        );
                        [head.into_bytes(), body].concat()
                    }
                    Says::Torn(body) => {
                        let len = body.len() + 100;
                        let head =
                            format!("HTTP/1.1 200 OK\r\nContent-Length: {len}\r\n{close}\r\n");
                        [head.into_bytes(), body].concat()
                    }
                    Says::Status(status) => {
                        format!("HTTP/1.1 {status}\r\nContent-Length: 0\r\n{close}\r\n")
                            .into_bytes()
                    }
                    Says::Slow => b"HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\n1".to_vec(),
                    Says::Endless => {
                        let head = format!("HTTP/1.1 200 OK\r\n{close}\r\n");
                        [head.into_bytes(), vec![0; 3 << 20]].concat()
                    }
                };
                let slow = matches!(*now.lock().expect("says"), Says::Slow);
                let _ = peer.write_all(&answer).await;
                if slow {
                    held.push(peer);
                }
            }
        });
        Server { says, heard, url, task }
    }

    fn snapshot(generation: u64, built_at: i64) -> Vec<u8> {
        let settings = BuildSettings { generation, built_at, ..BuildSettings::default() };
        build(&Rows::default(), &settings).expect("an empty one").bytes
    }

    fn settings(dir: &std::path::Path, url: &str) -> FeedSettings {
        FeedSettings {
            url: None,
            source: Some(Source {
                url: source_address(url).expect("an address"),
                timeout: Duration::from_millis(400),
                most_bytes: 1 << 20,
            }),
            snapshot: dir.join("routes"),
            live: dir.join("live"),
            interval: Duration::from_millis(30),
            live_interval: Duration::from_millis(30),
            connect_timeout: PATIENCE,
            make: MakeSettings::default(),
        }
    }

    async fn until(
        status: &mut watch::Receiver<FeedStatus>,
        what: &str,
        is: impl Fn(&FeedStatus) -> bool,
    ) -> FeedStatus {
        match tokio::time::timeout(PATIENCE, status.wait_for(|s| is(s))).await {
            Ok(Ok(status)) => status.clone(),
            other => panic!("{what}: {:?}", other.map(|r| r.map(|s| s.clone()))),
        }
    }

    #[tokio::test]
    async fn a_snapshot_built_elsewhere_is_taken_once_and_outlives_its_server() {
        let dir = tempfile::tempdir().expect("dir");
        let first = snapshot(7, 1000);
        let server = serve(Says::File(first.clone(), "\"a\"")).await;
        let handle = PublishedHandle::new();
        let feed = Feed::new(settings(dir.path(), &server.url), handle.clone()).expect("starts");
        let (mut status, live, rebuild) = (feed.status(), feed.live(), feed.rebuild());
        let (stop, stopped) = watch::channel(false);
        let running = tokio::spawn(feed.run(stopped));
        until(&mut status, "takes it", |s| s.generation == 7 && s.confirmed_at.is_some()).await;
        assert_eq!(std::fs::read(dir.path().join("routes")).expect("published"), first);
        assert_eq!(live.generation(), 7);

        // Asked again with what the server said, and told that nothing has changed.
        let asked = || server.heard.lock().expect("heard").clone();
        let began = std::time::Instant::now();
        while asked().len() < 3 {
            assert!(began.elapsed() < PATIENCE, "asks again");
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
        assert!(!asked()[0].contains("if-none-match"), "{:?}", asked());
        assert!(asked()[1].contains("if-none-match: \"a\""), "{:?}", asked());
        assert_eq!(status.borrow().builds, 1);

        // Whatever goes wrong, the last good one stays, and what is wrong is said.
        let mut flipped = snapshot(8, 2000);
        let at = flipped.len() - 9;
        flipped[at] ^= 1;
        let whole = snapshot(8, 2000);
        for (says, reason) in [
            (Says::Status("500 Internal Server Error"), "500"),
            (Says::Status("404 Not Found"), "404"),
            (Says::Status("302 Found"), "302"),
            (Says::Torn(whole.clone()), "broken off"),
            (Says::Torn(Vec::new()), "broken off"),
            (Says::File(whole[..whole.len() / 2].to_vec(), "\"b\""), "torn"),
            (Says::File(b"<html>not here</html>".to_vec(), "\"c\""), "not a routing snapshot"),
            (Says::File(flipped, "\"d\""), "damaged"),
            (Says::File(snapshot(6, 999), "\"e\""), "older"),
            (Says::File(snapshot(6, 1000), "\"e\""), "older"),
            (Says::Status("304 Not Modified"), "304"),
            (Says::File(snapshot(7, 1001), "\"f\""), "is in force, and is another"),
            (Says::Endless, "larger than 1 MiB"),
            (Says::Slow, "not whole within"),
        ] {
            *server.says.lock().expect("says") = says;
            rebuild.notify_one();
            let told = |s: &FeedStatus| s.error.as_ref().is_some_and(|e| e.contains(reason));
            until(&mut status, reason, told).await;
            assert_eq!(std::fs::read(dir.path().join("routes")).expect("stays"), first, "{reason}");
            assert_eq!(live.generation(), 7);
        }
        assert_eq!(std::fs::read_dir(dir.path()).expect("list").count(), 2, "nothing left beside");

        // Well again.
        *server.says.lock().expect("says") = Says::File(whole.clone(), "\"g\"");
        rebuild.notify_one();
        until(&mut status, "well again", |s| s.generation == 8 && s.error.is_none()).await;
        assert_eq!(std::fs::read(dir.path().join("routes")).expect("published"), whole);
        assert_eq!(handle.current().map(|p| p.snapshot.generation()), Some(8));

        // Gone altogether; the next start has what is on disk.
        drop(server);
        until(&mut status, "gone", |s| s.error.is_some()).await;
        stop.send(true).expect("runs");
        running.await.expect("ends");
        let handle = PublishedHandle::new();
        let url = "http://127.0.0.1:1/routes.fsx";
        drop(Feed::new(settings(dir.path(), url), handle.clone()).expect("starts"));
        assert_eq!(handle.current().map(|p| p.generation), Some(8));
    }

    #[test]
    fn addresses() {
        for good in ["http://a/b", "https://routes.example.net:8443/x?y=1", "http://[::1]/r"] {
            assert!(source_address(good).is_some(), "{good}");
        }
        for bad in ["", "routes.fsx", "/r", "ftp://a/b", "http://", "s3://bucket/key"] {
            assert!(source_address(bad).is_none(), "{bad}");
        }
    }

    #[tokio::test]
    async fn https_is_spoken() {
        // A server that does not: the hello is a hello, and the error says what failed.
        let server = serve(Says::Status("200 OK")).await;
        let url = server.url.replace("http:", "https:");
        let source = Source {
            url: source_address(&url).expect("an address"),
            timeout: PATIENCE,
            most_bytes: 1 << 20,
        };
        let mut fetcher = match Fetcher::new(source) {
            Ok(fetcher) => fetcher,
            // A machine without a certificate of any authority.
            Err(error) => {
                assert!(error.to_string().contains("authorities"), "{error}");
                println!("SKIPPED https_is_spoken: {error}");
                return;
            }
        };
        let error = fetcher.fetch().await.expect_err("no TLS").to_string();
        assert!(error.contains("https://"), "{error}");
        assert!(server.heard.lock().expect("heard")[0].starts_with('\u{16}'), "{error}");
    }
}
