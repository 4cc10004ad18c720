//! Asking a service over HTTP, as mod_xml_curl asks it: the same names in a form, so that a gateway
//! written for that module needs no change. Unlike it, connections are kept, and an answer has a
//! limit in time and size.

use std::sync::Arc;
use std::time::Duration;

use base64::{Engine as _, prelude::BASE64_STANDARD as STANDARD};
use bytes::Bytes;
use form_urlencoded::Serializer;
use fsx_wire::xml::XmlQuery;
use http_body_util::{BodyExt as _, Full, Limited};
use hyper::header::{AUTHORIZATION, CONTENT_TYPE, HeaderValue, USER_AGENT};
use hyper::{Request, StatusCode, Uri};
use hyper_rustls::{HttpsConnector, HttpsConnectorBuilder};
use hyper_util::client::legacy::{Client, connect::HttpConnector};
use hyper_util::rt::{TokioExecutor, TokioTimer};
use tokio::sync::Semaphore;

use crate::config;

/// Why there is no answer.
#[derive(Debug)]
pub(super) struct Problem {
    /// In words.
    pub(super) text: String,
    /// The service as a whole is in trouble, and not over this one question.
    pub(super) away: bool,
}

impl Problem {
    /// Of the service.
    pub(super) fn away(text: String) -> Self {
        Self { text, away: true }
    }
}

/// Of this question.
impl From<String> for Problem {
    fn from(text: String) -> Self {
        Self { text, away: false }
    }
}

/// Most questions under way at one upstream; the next wait for a place, within their own time.
const MAX_ASKED: usize = 64;

/// One upstream.
#[derive(Debug)]
pub(super) struct Upstream {
    url: Uri,
    authorization: Option<HeaderValue>,
    fields: Vec<String>,
    most_bytes: usize,
    client: Client<HttpsConnector<HttpConnector>, Full<Bytes>>,
    places: Arc<Semaphore>,
}

impl Upstream {
    /// From the configuration; `None` where it names no address.
    pub(super) fn new(
        section: &config::XmlSection,
        most_bytes: usize,
    ) -> Result<Option<Self>, String> {
        if section.url.is_empty() {
            return Ok(None);
        }
        let url = crate::feed::source_address(&section.url).ok_or("no address of a web server")?;
        let authorization = match section.credentials.as_str() {
            "" => None,
            credentials => {
                let mut value =
                    HeaderValue::from_str(&format!("Basic {}", STANDARD.encode(credentials)))
                        .map_err(|e| e.to_string())?;
                value.set_sensitive(true);
                Some(value)
            }
        };
        let client = client(&url, Duration::from_millis(section.timeout_ms.into()))?;
        let (fields, places) = (section.fields.clone(), Arc::new(Semaphore::new(MAX_ASKED)));
        Ok(Some(Self { url, authorization, fields, most_bytes, client, places }))
    }

    /// Asks; the text of the answer.
    pub(super) async fn ask(&self, query: &XmlQuery) -> Result<String, Problem> {
        let _place = self.places.acquire().await.map_err(|e| e.to_string())?;
        let mut request = Request::post(&self.url)
            .header(CONTENT_TYPE, "application/x-www-form-urlencoded")
            .header(
                USER_AGENT,
                concat!("fsxinetd/", env!("CARGO_PKG_VERSION"), " freeswitch-xml/1.0"),
            );
        if let Some(authorization) = &self.authorization {
            request = request.header(AUTHORIZATION, authorization.clone());
        }
        let body = Full::new(Bytes::from(form(query, &self.fields)));
        let request = request.body(body).map_err(|e| e.to_string())?;
        let response = self.client.request(request).await.map_err(|e| Problem::away(chain(&e)))?;
        if response.status() != StatusCode::OK {
            let text = format!("it says {}", response.status());
            return Err(Problem { text, away: response.status().is_server_error() });
        }
        let body = Limited::new(response.into_body(), self.most_bytes).collect().await;
        let bytes = body.map_err(|e| match e.is::<http_body_util::LengthLimitError>() {
            true => {
                Problem::from(format!("its answer is longer than {} KiB", self.most_bytes >> 10))
            }
            false => Problem::away(format!("broken off: {e}")),
        })?;
        String::from_utf8(bytes.to_bytes().into())
            .map_err(|_| "its answer is not UTF-8".to_owned().into())
    }
}

fn client(
    url: &Uri,
    patience: Duration,
) -> Result<Client<HttpsConnector<HttpConnector>, Full<Bytes>>, String> {
    let provider = rustls::crypto::ring::default_provider();
    let builder = HttpsConnectorBuilder::new();
    let builder = if url.scheme_str() == Some("https") {
        let roots = builder.with_provider_and_native_roots(provider);
        roots.map_err(|e| format!("no certificates of authorities: {e}"))?
    } else {
        // No certificate is ever looked at, so none need be installed.
        let config = rustls::ClientConfig::builder_with_provider(provider.into())
            .with_safe_default_protocol_versions()
            .map_err(|e| e.to_string())?
            .with_root_certificates(rustls::RootCertStore::empty())
            .with_no_client_auth();
        builder.with_tls_config(config)
    };
    let mut http = HttpConnector::new();
    http.enforce_http(false);
    http.set_nodelay(true);
    http.set_connect_timeout(Some(patience));
    let connector = builder.https_or_http().enable_http1().wrap_connector(http);
    Ok(Client::builder(TokioExecutor::new())
        .pool_timer(TokioTimer::new())
        .pool_idle_timeout(Duration::from_secs(60))
        .build(connector))
}

/// The form that mod_xml_curl sends: five fields, then the parameters (those of `fields`, where any
/// are named) in FreeSWITCH's order.
fn form(query: &XmlQuery, fields: &[String]) -> String {
    let mut form = Serializer::new(String::new());
    form.append_pair("hostname", &query.hostname)
        .append_pair("section", &query.section)
        .append_pair("tag_name", &query.tag_name)
        .append_pair("key_name", &query.key_name)
        .append_pair("key_value", &query.key_value);
    for (name, value) in &query.params {
        if fields.is_empty() || fields.iter().any(|field| field.eq_ignore_ascii_case(name)) {
            form.append_pair(name, value);
        }
    }
    form.finish()
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
    use super::*;

    #[test]
    fn the_form_of_mod_xml_curl() {
        let query = XmlQuery {
            hostname: "sw1".to_owned(),
            section: "directory".to_owned(),
            params: [("user", "a&b c"), ("nonce", "x")]
                .map(|(n, v)| (n.to_owned(), v.to_owned()))
                .into(),
            ..XmlQuery::default()
        };
        let start = "hostname=sw1&section=directory&tag_name=&key_name=&key_value=&user=a%26b+c";
        assert_eq!(form(&query, &[]), format!("{start}&nonce=x"));
        assert_eq!(form(&query, &["User".to_owned()]), start);
    }
}
