//! The Core API as policies ask it: one base, one key, few connections, and answers kept for when it
//! is away.
//!
//! Every answer is kept by who asked, so that what one organisation may see is never another's.
//! Connection refused for one is connection refused for all, and opens the breaker; an answer that
//! is slow may be one script's own doing, and does not.

use std::collections::HashMap;
use std::sync::atomic::{AtomicU32, AtomicU64, Ordering::Relaxed};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use bytes::Bytes;
use futures_util::FutureExt as _;
use futures_util::future::{BoxFuture, Shared};
use http_body_util::{BodyExt as _, Full, Limited};
use hyper::header::{ACCEPT, CONTENT_TYPE, HeaderName, HeaderValue};
use hyper::{Request, Uri};
use hyper_rustls::{HttpsConnector, HttpsConnectorBuilder};
use hyper_util::client::legacy::{Client, connect::HttpConnector};
use hyper_util::rt::{TokioExecutor, TokioTimer};
use tokio::sync::Semaphore;
use tokio::time::timeout;

use super::super::{Asker, CoreAnswer, CoreAsk, CoreSource};
use super::Owner;
use crate::config;
use crate::policy::screen::Author;

/// Failures to connect, one after another, after which nobody waits any more.
const BREAKS_AFTER: u32 = 5;

/// How long nobody does, before one asks again.
const REST: Duration = Duration::from_secs(2);

/// What a kept answer costs beside its texts, in bytes.
const OVERHEAD: usize = 200;

/// An answer as it came.
#[derive(Clone, Debug)]
struct Came {
    status: u16,
    body: Arc<str>,
    at: Instant,
}

/// Whose answer to what.
type Key = (Owner, String);

type Asking = Shared<BoxFuture<'static, Result<Came, String>>>;

#[derive(Default)]
struct Cache {
    kept: HashMap<Key, Came>,
    bytes: usize,
    asking: HashMap<Key, Asking>,
}

/// The client.
pub(super) struct CoreApi {
    base: String,
    key: Option<HeaderValue>,
    organisation_keys: HashMap<u32, HeaderValue>,
    organisation_paths: Vec<String>,
    timeout: Duration,
    max_body: usize,
    max_cache: usize,
    client: Client<HttpsConnector<HttpConnector>, Full<Bytes>>,
    turns: Semaphore,
    /// Questions of one owner at a time.
    share: u32,
    asked: Mutex<HashMap<Owner, u32>>,
    cache: Mutex<Cache>,
    failures: AtomicU32,
    /// Milliseconds after `began` until which nobody asks.
    rests_until: AtomicU64,
    began: Instant,
}

impl std::fmt::Debug for CoreApi {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "CoreApi({})", self.base)
    }
}

fn secret(what: &str, key: &str) -> Result<HeaderValue, String> {
    let mut value = HeaderValue::from_str(key).map_err(|_| format!("{what} is no header value"))?;
    value.set_sensitive(true);
    Ok(value)
}

impl CoreApi {
    /// The client; `None` where the configuration names no API.
    ///
    /// # Errors
    /// One line that names the key.
    pub(super) fn new(config: &config::Core) -> Result<Option<Self>, String> {
        if config.url.is_empty() {
            return Ok(None);
        }
        let base = config.url.trim_end_matches('/').to_owned();
        let uri: Uri = base.parse().map_err(|_| "url in [core] is no address".to_owned())?;
        let provider = rustls::crypto::ring::default_provider();
        let builder = HttpsConnectorBuilder::new();
        let builder = if uri.scheme_str() == Some("https") {
            builder
                .with_provider_and_native_roots(provider)
                .map_err(|e| format!("url in [core]: no certificates of authorities: {e}"))?
        } else {
            // No certificate is ever looked at, so none need be installed.
            let tls = rustls::ClientConfig::builder_with_provider(provider.into())
                .with_safe_default_protocol_versions()
                .map_err(|e| e.to_string())?
                .with_root_certificates(rustls::RootCertStore::empty())
                .with_no_client_auth();
            builder.with_tls_config(tls)
        };
        let mut http = HttpConnector::new();
        http.enforce_http(false);
        http.set_nodelay(true);
        http.set_connect_timeout(Some(Duration::from_millis(config.connect_timeout_ms.into())));
        let connector = builder.https_or_http().enable_http1().wrap_connector(http);
        let client = Client::builder(TokioExecutor::new())
            .pool_timer(TokioTimer::new())
            .pool_idle_timeout(Duration::from_secs(30))
            .build(connector);
        let mut organisation_keys = HashMap::new();
        for (org, key) in &config.organisation_keys {
            let number = org.parse().map_err(|_| {
                format!("organisation_keys in [core]: \"{org}\" is no organisation's number")
            })?;
            organisation_keys.insert(number, secret("organisation_keys in [core]", key)?);
        }
        let key = Some(&config.api_key).filter(|key| !key.is_empty());
        Ok(Some(Self {
            base,
            key: key.map(|key| secret("api_key in [core]", key)).transpose()?,
            organisation_keys,
            organisation_paths: config.organisation_paths.clone(),
            timeout: Duration::from_millis(config.timeout_ms.into()),
            max_body: config.max_body_bytes as usize,
            max_cache: config.cache_mib as usize * (1 << 20),
            client,
            turns: Semaphore::new(config.max_in_flight.max(1) as usize),
            share: (config.max_in_flight / 4).max(1),
            asked: Mutex::default(),
            cache: Mutex::default(),
            failures: AtomicU32::new(0),
            rests_until: AtomicU64::new(0),
            began: Instant::now(),
        }))
    }

    fn cache(&self) -> MutexGuard<'_, Cache> {
        self.cache.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Whether the asker may ask for the path: an organisation's scripts with the platform's key
    /// only for what is their own.
    fn may(&self, asker: &Asker, path: &str) -> Result<(), String> {
        if asker.author == Author::Platform || self.organisation_keys.contains_key(&asker.org) {
            return Ok(());
        }
        let own = self.organisation_paths.iter().any(|allowed| {
            let allowed = allowed.replace("{org}", &asker.org.to_string());
            path.strip_prefix(allowed.as_str()).is_some_and(|rest| {
                allowed.ends_with('/') || rest.is_empty() || rest.starts_with('/')
            })
        });
        if own { Ok(()) } else { Err(format!("organisation {} may not ask for {path}", asker.org)) }
    }

    /// Asks, or finds what was answered before.
    pub(super) async fn ask(
        self: &Arc<Self>,
        asker: &Asker,
        ask: CoreAsk,
    ) -> Result<CoreAnswer, String> {
        self.may(asker, &ask.path)?;
        let owner = Owner::of(asker);
        let limit = ask.timeout.unwrap_or(self.timeout).min(self.timeout);
        let key = (owner, address(&ask));
        let keeps = ask.method == "GET" && ask.cache + ask.stale > Duration::ZERO;
        if keeps {
            let kept = self.cache().kept.get(&key).cloned();
            if let Some(kept) = kept.filter(|kept| kept.at.elapsed() < ask.cache) {
                return Ok(answer(kept, CoreSource::Cache));
            }
        }
        let asking = if ask.method == "GET" && ask.cache > Duration::ZERO {
            self.together(owner, asker.org, &key, &ask)
        } else {
            Arc::clone(self)
                .fetch(owner, asker.org, key.1.clone(), ask.clone(), limit)
                .boxed()
                .shared()
        };
        let said = timeout(limit, asking)
            .await
            .unwrap_or_else(|_| Err(format!("no answer within {} ms", limit.as_millis())));
        let came = match said {
            Ok(came) if came.status < 500 => came,
            // The API is away, or says that it cannot.
            failed => {
                let oldest = ask.cache + ask.stale;
                let kept = self.cache().kept.get(&key).cloned().filter(|_| keeps);
                return match kept.filter(|kept| kept.at.elapsed() < oldest) {
                    Some(kept) => Ok(answer(kept, CoreSource::Stale)),
                    None => failed.map(|came| answer(came, CoreSource::Fetched)),
                };
            }
        };
        if keeps && came.status < 400 {
            self.keep(key, came.clone());
        }
        Ok(answer(came, CoreSource::Fetched))
    }

    /// One question for all who ask the same of the same at once. It has the whole limit, however
    /// short the first asker's is.
    fn together(self: &Arc<Self>, owner: Owner, org: u32, key: &Key, ask: &CoreAsk) -> Asking {
        let mut cache = self.cache();
        if let Some(asking) = cache.asking.get(key) {
            return asking.clone();
        }
        let (api, own, asked) = (Arc::clone(self), key.clone(), ask.clone());
        let limit = self.timeout;
        // On a task of its own: the first asker may go away while others still wait.
        let task = tokio::spawn(async move {
            let came = Arc::clone(&api).fetch(owner, org, own.1.clone(), asked, limit).await;
            api.cache().asking.remove(&own);
            came
        });
        let asking =
            async move { task.await.unwrap_or_else(|e| Err(e.to_string())) }.boxed().shared();
        cache.asking.insert(key.clone(), asking.clone());
        asking
    }

    async fn fetch(
        self: Arc<Self>,
        owner: Owner,
        org: u32,
        address: String,
        ask: CoreAsk,
        limit: Duration,
    ) -> Result<Came, String> {
        let now = u64::try_from(self.began.elapsed().as_millis()).unwrap_or(u64::MAX);
        if now < self.rests_until.load(Relaxed) {
            return Err("the Core API cannot be reached; it is asked again in a moment".to_owned());
        }
        let _share = Share::take(&self, owner)?;
        let work = async {
            let _turn = self.turns.acquire().await.map_err(|_| "closed".to_owned())?;
            let mut tries = 0;
            loop {
                tries += 1;
                let request = self.request(owner, org, &address, &ask)?;
                match self.client.request(request).await {
                    Ok(response) => {
                        self.failures.store(0, Relaxed);
                        let status = response.status().as_u16();
                        let body =
                            Limited::new(response.into_body(), self.max_body).collect().await;
                        let body = body.map_err(|_| {
                            format!(
                                "the answer was cut off or is longer than {} bytes",
                                self.max_body
                            )
                        })?;
                        let body = String::from_utf8_lossy(&body.to_bytes()).into_owned();
                        return Ok(Came { status, body: body.into(), at: Instant::now() });
                    }
                    Err(error) => {
                        // A kept connection that the other end has closed; nothing was asked yet,
                        // or what was asked changes nothing.
                        if tries == 1 && ask.method == "GET" && !error.is_connect() {
                            continue;
                        }
                        if error.is_connect() {
                            self.failed();
                        }
                        return Err(chain(&error));
                    }
                }
            }
        };
        timeout(limit, work)
            .await
            .unwrap_or_else(|_| Err(format!("no answer within {} ms", limit.as_millis())))
    }

    fn request(
        &self,
        owner: Owner,
        org: u32,
        address: &str,
        ask: &CoreAsk,
    ) -> Result<Request<Full<Bytes>>, String> {
        let mut request = Request::builder()
            .method(ask.method)
            .uri(format!("{}{address}", self.base))
            .header(ACCEPT, "application/json")
            .header(HeaderName::from_static("x-org-id"), org);
        let own = self.organisation_keys.get(&org).filter(|_| !owner.platform);
        if let Some(key) = own.or(self.key.as_ref()) {
            request = request.header(HeaderName::from_static("x-api-key"), key);
        }
        let body = match &ask.body {
            Some(body) => {
                request = request.header(CONTENT_TYPE, "application/json");
                Bytes::from(body.clone())
            }
            None => Bytes::new(),
        };
        request.body(Full::new(body)).map_err(|e| e.to_string())
    }

    fn failed(&self) {
        if self.failures.fetch_add(1, Relaxed) + 1 >= BREAKS_AFTER {
            let until = self.began.elapsed() + REST;
            self.rests_until.store(u64::try_from(until.as_millis()).unwrap_or(0), Relaxed);
        }
    }

    fn keep(&self, key: Key, came: Came) {
        let size = |key: &Key, came: &Came| OVERHEAD + key.1.len() + came.body.len();
        let new = size(&key, &came);
        if new > self.max_cache / 8 {
            return;
        }
        let mut cache = self.cache();
        while cache.bytes + new > self.max_cache {
            // Rare: only a full cache is looked through, and then a tenth of it goes at once.
            let mut oldest: Vec<(Key, Instant)> =
                cache.kept.iter().map(|(key, came)| (key.clone(), came.at)).collect();
            oldest.sort_by_key(|(_, at)| *at);
            oldest.truncate(oldest.len() / 10 + 1);
            for (key, _) in oldest {
                if let Some(came) = cache.kept.remove(&key) {
                    cache.bytes -= size(&key, &came);
                }
            }
        }
        cache.bytes += new;
        if let Some(old) = cache.kept.insert(key.clone(), came) {
            cache.bytes -= size(&key, &old);
        }
    }
}

/// One question of an owner, given back when dropped.
struct Share<'a>(&'a CoreApi, Owner);

impl<'a> Share<'a> {
    fn take(api: &'a CoreApi, owner: Owner) -> Result<Self, String> {
        let mut asked = api.asked.lock().unwrap_or_else(PoisonError::into_inner);
        let own = asked.entry(owner).or_default();
        if !owner.platform && *own >= api.share {
            return Err("too many questions of this organisation at once".to_owned());
        }
        *own += 1;
        Ok(Self(api, owner))
    }
}

impl Drop for Share<'_> {
    fn drop(&mut self) {
        let mut asked = self.0.asked.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(own) = asked.get_mut(&self.1) {
            *own -= 1;
            if *own == 0 {
                asked.remove(&self.1);
            }
        }
    }
}

fn answer(came: Came, source: CoreSource) -> CoreAnswer {
    let age = match source {
        CoreSource::Fetched => Duration::ZERO,
        _ => came.at.elapsed(),
    };
    CoreAnswer { status: came.status, body: came.body.to_string(), source, age }
}

/// Path and query.
fn address(ask: &CoreAsk) -> String {
    let mut out = ask.path.clone();
    for (n, (name, value)) in ask.query.iter().enumerate() {
        out.push(if n == 0 { '?' } else { '&' });
        encode(&mut out, name);
        out.push('=');
        encode(&mut out, value);
    }
    out
}

fn encode(out: &mut String, text: &str) {
    for byte in text.bytes() {
        if byte.is_ascii_alphanumeric() || b"-._~".contains(&byte) {
            out.push(char::from(byte));
        } else {
            out.push_str(&format!("%{byte:02X}"));
        }
    }
}

/// The error with what caused it, without the address: that is the configuration's.
fn chain(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut next = error.source();
    while let Some(cause) = next {
        text = format!("{text}: {cause}");
        next = cause.source();
    }
    text
}

#[cfg(test)]
#[path = "api_tests.rs"]
mod tests;
