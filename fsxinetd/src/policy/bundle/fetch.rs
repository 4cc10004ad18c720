//! Bundles from the Core API.
//!
//! One address lists them, and costs a line each way while nothing has changed; each bundle is
//! fetched when its digest is one that was not looked at yet. What comes is bounded, must have the
//! digest that the list gave it, is compiled and tested, and only then takes the place of the last
//! good one. The platform's own bundle is never fetched: it may do what organisations' may not.
//!
//! ```text
//! GET <source>              {"bundles": [{"org": 37, "version": "4", "sha256": "9f3c…", "url": "37/4.json"}]}
//! GET <source>/../37/4.json {"files": {"manifest.toml": "version = \"4\"\n…", "menu.lua": "…"}}
//! ```

use std::time::Duration;

use hyper::Uri;
use serde::Deserialize;
use tokio::task::JoinSet;

use super::files::sha256;
use super::keeper::Keeper;
use super::{Fault, Files};
use crate::config;
use crate::feed::fetch::{Fetcher, Source, source_address};

/// Longest list, in bytes.
const MAX_LIST: u64 = 8 << 20;

/// Longest bundle on the wire, in bytes: its files, escaped.
const MAX_BUNDLE: u64 = 3 * super::files::MAX_BYTES;

/// Most bundles of one list.
const MAX_BUNDLES: usize = 100_000;

/// Bundles fetched at once: one that is slow to come does not hold up the others.
const AT_ONCE: usize = 8;

/// Most bundles that wait for their trial: they are in memory.
const MAX_QUEUE: usize = 64;

/// How long to wait for room among them.
const PAUSE: Duration = Duration::from_millis(100);

#[derive(Debug, Deserialize)]
struct List {
    bundles: Vec<Listed>,
}

/// One bundle of the list.
#[derive(Clone, Debug, Deserialize)]
pub(super) struct Listed {
    /// Whose.
    pub(super) org: u32,
    /// SHA-256 of what is fetched, in hexadecimal.
    pub(super) sha256: String,
    url: String,
}

/// Why there is no bundle.
enum Missing {
    /// The source's fault: it is asked again.
    Source(String),
    /// What it sent, as promised, is none: asking again would give the same.
    NoBundle(Fault),
}

/// Fetches again and again.
pub struct Fetch {
    list: Fetcher,
    source: Source,
    key: String,
    interval: Duration,
    /// What the last list said; asked again where it has not changed and something is missing.
    listed: Vec<Listed>,
    failing: bool,
}

impl std::fmt::Debug for Fetch {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Fetch").field("url", &self.source.url).finish()
    }
}

impl Fetch {
    /// What the configuration says; `None` where nothing is fetched.
    ///
    /// # Errors
    /// One line, when it cannot be begun.
    pub fn from_config(config: &config::Policy) -> Result<Option<Self>, String> {
        let Some(url) = source_address(&config.source) else { return Ok(None) };
        let timeout = Duration::from_secs(config.source_timeout_s.into());
        let source = Source { url, timeout, most_bytes: MAX_LIST };
        let list = Fetcher::new(source.clone()).map_err(|e| e.to_string())?;
        let key = config.source_api_key.clone();
        let list = list.with_key(&key)?;
        let interval = Duration::from_secs(config.source_interval_s.max(1).into());
        Ok(Some(Self { list, source, key, interval, listed: Vec::new(), failing: false }))
    }

    /// How long between two looks.
    #[must_use]
    pub fn interval(&self) -> Duration {
        self.interval
    }

    /// Looks once and puts on trial what is new; what is wrong is logged, and what is in force stays.
    pub async fn once(&mut self, keeper: &Keeper) {
        let answers = self.look(keeper).await;
        if answers && self.failing {
            tracing::info!(source = %self.source.url, "policy: the source answers again");
        }
        self.failing = !answers;
    }

    /// Whether the source gave all that it was asked for.
    async fn look(&mut self, keeper: &Keeper) -> bool {
        let listed = match self.list.fetch().await {
            Ok(Some(bytes)) => self.read(&bytes).map(Some),
            Ok(None) => Ok(None),
            Err(error) => Err(error.to_string()),
        };
        match listed {
            Ok(Some(listed)) => {
                self.listed = listed;
                self.list.keep();
            }
            Ok(None) => {}
            Err(error) => {
                tracing::error!("policy: {error}; what is in force stays");
                return false;
            }
        }
        let (sifter, listed) = (keeper.clone(), self.listed.clone());
        let sifted = tokio::task::spawn_blocking(move || sifter.wanted(listed)).await;
        let Ok((wanted, faults)) = sifted else {
            tracing::error!("policy: looking at the list failed; what is in force stays");
            return true;
        };
        for fault in faults {
            tracing::error!("policy: {fault}");
        }
        let (mut fetches, mut answers) = (JoinSet::new(), true);
        for listed in wanted {
            while keeper.trials().queued() >= MAX_QUEUE {
                tokio::time::sleep(PAUSE).await;
            }
            if fetches.len() >= AT_ONCE {
                answers &= fetches.join_next().await.is_none_or(|got| got.unwrap_or(true));
            }
            let (source, key) = (self.source.clone(), self.key.clone());
            fetches.spawn(one(keeper.clone(), source, key, listed));
        }
        while let Some(got) = fetches.join_next().await {
            answers &= got.unwrap_or(true);
        }
        answers
    }

    fn read(&self, bytes: &[u8]) -> Result<Vec<Listed>, String> {
        let url = &self.source.url;
        let mut list: List = serde_json::from_slice(bytes)
            .map_err(|e| format!("{url}: expected {{\"bundles\": [{{…}}]}}: {e}"))?;
        if list.bundles.len() > MAX_BUNDLES {
            let got = list.bundles.len();
            return Err(format!("{url}: {got} bundles, expected at most {MAX_BUNDLES}"));
        }
        let mut seen = std::collections::BTreeSet::new();
        for listed in &mut list.bundles {
            listed.sha256.make_ascii_lowercase();
            if listed.org == 0 {
                return Err(format!("{url}: org 0: the platform's own bundle is not fetched"));
            }
            if !seen.insert(listed.org) {
                return Err(format!("{url}: org {} is listed twice", listed.org));
            }
        }
        Ok(list.bundles)
    }
}

/// Fetches one bundle and puts it on trial; whether the source gave it.
async fn one(keeper: Keeper, source: Source, key: String, listed: Listed) -> bool {
    let files = match bundle(&source, &key, &listed).await {
        Ok(files) => Ok(files),
        Err(Missing::NoBundle(fault)) => Err(fault),
        Err(Missing::Source(fault)) => {
            tracing::error!("policy: {}: {fault}; what is in force stays", listed.org);
            return false;
        }
    };
    let org = listed.org;
    match tokio::task::spawn_blocking(move || keeper.fetched(&listed, files)).await {
        Ok(Ok(())) => {}
        Ok(Err(fault)) => tracing::error!("policy: {fault}"),
        Err(error) => tracing::error!("policy: {org}: {error}; what is in force stays"),
    }
    true
}

async fn bundle(list: &Source, key: &str, listed: &Listed) -> Result<Files, Missing> {
    let url = join(&list.url, &listed.url)
        .ok_or_else(|| Missing::Source(format!("{:?} is no address", listed.url)))?;
    let same_host = url.authority() == list.url.authority();
    let source = Source { url, most_bytes: MAX_BUNDLE, ..list.clone() };
    let mut fetcher = Fetcher::new(source).map_err(|e| Missing::Source(e.to_string()))?;
    if same_host {
        fetcher = fetcher.with_key(key).map_err(Missing::Source)?;
    }
    let fetched = fetcher.fetch().await.map_err(|e| Missing::Source(e.to_string()))?;
    let bytes = fetched.unwrap_or_default();
    let got = sha256(&bytes);
    if got != listed.sha256 {
        let text = format!("{}: expected SHA-256 {}, got {got}", listed.url, listed.sha256);
        return Err(Missing::Source(text));
    }
    Files::from_json(&bytes).map_err(Missing::NoBundle)
}

/// An address as the list writes it: whole, from the root, or beside the list.
fn join(base: &Uri, text: &str) -> Option<Uri> {
    if text.starts_with("http://") || text.starts_with("https://") {
        return source_address(text);
    }
    let path = if text.starts_with('/') {
        text.to_owned()
    } else {
        let folder = base.path().rsplit_once('/').map_or("", |(folder, _)| folder);
        format!("{folder}/{text}")
    };
    Uri::builder()
        .scheme(base.scheme_str()?)
        .authority(base.authority()?.as_str())
        .path_and_query(path)
        .build()
        .ok()
}
