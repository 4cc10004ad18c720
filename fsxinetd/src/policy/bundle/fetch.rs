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

use super::Files;
use super::files::sha256;
use super::keeper::Keeper;
use crate::config;
use crate::feed::fetch::{Fetcher, Source, source_address};

/// Longest list, in bytes.
const MAX_LIST: u64 = 8 << 20;

/// Longest bundle on the wire, in bytes: its files, escaped.
const MAX_BUNDLE: u64 = 3 * super::files::MAX_BYTES;

/// Most bundles of one list.
const MAX_BUNDLES: usize = 100_000;

/// One bundle of the list.
#[derive(Clone, Debug)]
pub struct Offer {
    /// Whose.
    pub org: u32,
    /// SHA-256 of what is fetched, in hexadecimal.
    pub sha256: String,
    /// What was fetched; `None` where it need not be.
    pub files: Option<Files>,
}

#[derive(Debug, Deserialize)]
struct List {
    bundles: Vec<Listed>,
}

#[derive(Debug, Deserialize)]
struct Listed {
    org: u32,
    sha256: String,
    url: String,
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

    /// Looks once; what is wrong is logged, and what is in force stays.
    pub async fn once(&mut self, keeper: &Keeper) {
        match self.look(keeper).await {
            Ok(()) if std::mem::take(&mut self.failing) => {
                tracing::info!(source = %self.source.url, "policy: the source answers again");
            }
            Ok(()) => {}
            Err(faults) => {
                self.failing = true;
                for fault in faults {
                    tracing::error!("policy: {fault}");
                }
            }
        }
    }

    async fn look(&mut self, keeper: &Keeper) -> Result<(), Vec<String>> {
        let one = |error: &dyn std::fmt::Display| vec![format!("{error}; what is in force stays")];
        match self.list.fetch().await {
            Ok(Some(bytes)) => {
                self.listed = self.read(&bytes).map_err(|e| one(&e))?;
                self.list.keep();
            }
            Ok(None) => {}
            Err(error) => return Err(one(&error)),
        }
        let (own, shelf) = (keeper.of_the_folder(), keeper.shelf());
        let (mut offers, mut faults) = (Vec::new(), Vec::new());
        for listed in &self.listed {
            let name = listed.org.to_string();
            if own.contains(&name) {
                continue;
            }
            let seen = shelf.and_then(|s| s.state(&name).ok()).and_then(|s| s.seen_core);
            let offer =
                |files| Offer { org: listed.org, sha256: listed.sha256.to_lowercase(), files };
            if seen.is_some_and(|seen| seen.eq_ignore_ascii_case(&listed.sha256)) {
                offers.push(offer(None));
                continue;
            }
            match self.bundle(listed).await {
                Ok(files) => offers.push(offer(Some(files))),
                Err(fault) => {
                    faults.push(format!("{name}: {fault}; what is in force stays"));
                    offers.push(offer(None));
                }
            }
        }
        let keeper = keeper.clone();
        let taken = tokio::task::spawn_blocking(move || keeper.take(&offers)).await;
        match taken {
            Ok(Ok(())) => {}
            Ok(Err(found)) => faults.extend(found),
            Err(error) => faults.push(error.to_string()),
        }
        if faults.is_empty() { Ok(()) } else { Err(faults) }
    }

    fn read(&self, bytes: &[u8]) -> Result<Vec<Listed>, String> {
        let url = &self.source.url;
        let list: List = serde_json::from_slice(bytes)
            .map_err(|e| format!("{url}: expected {{\"bundles\": [{{…}}]}}: {e}"))?;
        if list.bundles.len() > MAX_BUNDLES {
            let got = list.bundles.len();
            return Err(format!("{url}: {got} bundles, expected at most {MAX_BUNDLES}"));
        }
        let mut seen = std::collections::BTreeSet::new();
        for listed in &list.bundles {
            if listed.org == 0 {
                return Err(format!("{url}: org 0: the platform's own bundle is not fetched"));
            }
            if !seen.insert(listed.org) {
                return Err(format!("{url}: org {} is listed twice", listed.org));
            }
        }
        Ok(list.bundles)
    }

    async fn bundle(&self, listed: &Listed) -> Result<Files, String> {
        let url = join(&self.source.url, &listed.url)
            .ok_or_else(|| format!("{:?} is no address", listed.url))?;
        let same_host = url.authority() == self.source.url.authority();
        let source = Source { url, most_bytes: MAX_BUNDLE, ..self.source.clone() };
        let mut fetcher = Fetcher::new(source).map_err(|e| e.to_string())?;
        if same_host {
            fetcher = fetcher.with_key(&self.key)?;
        }
        let bytes = fetcher.fetch().await.map_err(|e| e.to_string())?.unwrap_or_default();
        let got = sha256(&bytes);
        if !got.eq_ignore_ascii_case(&listed.sha256) {
            return Err(format!(
                "{}: expected SHA-256 {}, got {got}",
                listed.url,
                listed.sha256.to_lowercase()
            ));
        }
        Files::from_json(&bytes).map_err(|fault| fault.to_string())
    }
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
