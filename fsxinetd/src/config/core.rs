//! `[core]`: the Core API, as policies ask it.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

/// `[core]`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct Core {
    /// The base of every question, `http://…` or `https://…`; empty asks nobody.
    pub url: String,
    /// Sent as `X-API-Key`; empty sends none.
    pub api_key: String,
    /// Keys of organisations, by their number, for what their own policies ask.
    pub organisation_keys: BTreeMap<String, String>,
    /// Paths that organisations' own policies may ask for with the platform's key; `{org}` stands for
    /// the organisation's number.
    pub organisation_paths: Vec<String>,
    /// How long an answer may take, in milliseconds.
    pub timeout_ms: u32,
    /// How long a connection may take, in milliseconds.
    pub connect_timeout_ms: u32,
    /// Longest answer that is read, in bytes.
    pub max_body_bytes: u32,
    /// Most questions at a time; one organisation has a quarter of them.
    pub max_in_flight: u32,
    /// Answers that are kept, in MiB.
    pub cache_mib: u32,
}

impl Default for Core {
    fn default() -> Self {
        Self {
            url: String::new(),
            api_key: String::new(),
            organisation_keys: BTreeMap::new(),
            organisation_paths: vec!["/organisations/{org}/".to_owned()],
            timeout_ms: 2_000,
            connect_timeout_ms: 500,
            max_body_bytes: 524_288,
            max_in_flight: 128,
            cache_mib: 32,
        }
    }
}
