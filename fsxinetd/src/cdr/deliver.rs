//! On to the receiver: each record at least once, however long the receiver is away.
//!
//! A record that the receiver refuses for good (400, 413, 415, 422) would block nobody but never
//! arrive: it is marked dead, with the receiver's word, and shown by `fsxinetd cdr list --dead`.
//! Every other failure is tried again, later each time.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use fsx_wire::record::CallRecord;
use http_body_util::{BodyExt as _, Full, Limited};
use hyper::{Request, StatusCode, Uri, header};
use hyper_util::client::legacy::{Client, connect::HttpConnector};
use hyper_util::rt::{TokioExecutor, TokioTimer};
use metrics::{counter, gauge};

use super::store::{Due, Store, Tried, now_ms};
use crate::config;
use crate::health::metrics as names;
use crate::shutdown::Shutdown;

/// Posts under way at a time.
const AT_A_TIME: u32 = 8;

/// How often the store is looked at when nothing is due.
const LOOK_EVERY: Duration = Duration::from_millis(250);

/// How often delivered records are forgotten.
const FORGET_EVERY: Duration = Duration::from_secs(3_600);

type Poster = Client<HttpConnector, Full<Bytes>>;

/// Delivers until told to stop. Does nothing but forget where there is no receiver.
pub async fn run(config: config::Cdr, store: Arc<Store>, shutdown: Shutdown) {
    let receiver = config.deliver_url.parse::<Uri>().ok().filter(|uri| uri.host().is_some());
    let timeout = Duration::from_millis(config.deliver_timeout_ms.into());
    let mut connector = HttpConnector::new();
    connector.set_connect_timeout(Some(timeout));
    connector.set_nodelay(true);
    let poster: Poster = Client::builder(TokioExecutor::new())
        .pool_timer(TokioTimer::new())
        .pool_idle_timeout(Duration::from_secs(30))
        .build(connector);
    let mut forget = tokio::time::interval(FORGET_EVERY);
    loop {
        let busy = match &receiver {
            Some(uri) => round(&config, uri, &poster, timeout, &store).await,
            None => false,
        };
        let pause = if busy { Duration::ZERO } else { LOOK_EVERY };
        tokio::select! {
            () = shutdown.requested() => return,
            _ = forget.tick() => clear(&config, &store).await,
            () = tokio::time::sleep(pause) => {}
        }
    }
}

/// Delivers what is due, a few at a time; whether there may be more.
async fn round(
    config: &config::Cdr,
    uri: &Uri,
    poster: &Poster,
    timeout: Duration,
    store: &Store,
) -> bool {
    let due = match store.due(now_ms(), AT_A_TIME).await {
        Ok(due) if due.is_empty() => return false,
        Ok(due) => due,
        Err(error) => {
            tracing::error!("call records cannot be delivered: {error}");
            return false;
        }
    };
    let mut posts = tokio::task::JoinSet::new();
    for record in due {
        let (uri, key, poster) = (uri.clone(), config.deliver_api_key.clone(), poster.clone());
        let longest = Duration::from_secs(config.retry_max_s.into());
        posts.spawn(async move {
            let said = tokio::time::timeout(timeout, post(&poster, uri, &key, &record)).await;
            let said = said.unwrap_or_else(|_| Err(format!("no answer in {timeout:?}")));
            (record.seq, judge(&record, said, longest))
        });
    }
    let mut results = Vec::new();
    while let Some(joined) = posts.join_next().await {
        results.extend(joined.ok());
    }
    for (_, tried) in &results {
        let result = match tried {
            Tried::Delivered => "delivered",
            Tried::Again { .. } => "again",
            Tried::Dead { .. } => "dead",
        };
        counter!(names::CDR_DELIVERED, "result" => result).increment(1);
    }
    if let Err(error) = store.tried(&results).await {
        tracing::error!("deliveries cannot be written down: {error}");
        return false;
    }
    gauge!(names::CDR_WAITING).set(store.waiting() as f64);
    true
}

/// One post: the status and the beginning of the body.
async fn post(
    poster: &Poster,
    uri: Uri,
    key: &str,
    record: &Due,
) -> Result<(StatusCode, String), String> {
    let mut request = Request::post(uri)
        .header(header::CONTENT_TYPE, "application/json")
        .header("Idempotency-Key", &record.id);
    if !key.is_empty() {
        request = request.header("X-API-Key", key);
    }
    let body = Full::new(Bytes::from(record.body.clone()));
    let request = request.body(body).map_err(|e| e.to_string())?;
    let response = poster.request(request).await.map_err(|e| chain(&e))?;
    let status = response.status();
    let said = Limited::new(response.into_body(), 64 << 10).collect().await;
    let said = said.map(|body| body.to_bytes()).unwrap_or_default();
    Ok((status, String::from_utf8_lossy(&said[..said.len().min(200)]).trim().to_owned()))
}

/// An error with what it came of: "client error (Connect): connection refused".
fn chain(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut source = error.source();
    while let Some(cause) = source {
        text.push_str(&format!(": {cause}"));
        source = cause.source();
    }
    text
}

fn judge(record: &Due, said: Result<(StatusCode, String), String>, longest: Duration) -> Tried {
    let error = match said {
        Ok((status, _)) if status.is_success() => return Tried::Delivered,
        Ok((status, body)) => {
            let error = format!("{status} {body}").trim_end().to_owned();
            if matches!(status.as_u16(), 400 | 413 | 415 | 422) {
                tracing::error!(id = record.id, "call record refused by the receiver: {error}");
                return Tried::Dead { error };
            }
            error
        }
        Err(error) => error,
    };
    let pause = backoff(record, longest);
    if record.tries == 0 {
        tracing::warn!(id = record.id, "call record not delivered: {error}; next in {pause:?}");
    }
    let at_ms = now_ms().saturating_add(i64::try_from(pause.as_millis()).unwrap_or(i64::MAX));
    Tried::Again { at_ms, error }
}

/// Half a second, doubled each time; a quarter of it by the record's id, so that records that failed
/// together do not come back together.
fn backoff(record: &Due, longest: Duration) -> Duration {
    let doubled = Duration::from_millis(500).saturating_mul(1 << record.tries.min(20));
    let base = doubled.min(longest);
    let spread = record.id.bytes().fold(0_u32, |sum, b| sum.wrapping_mul(31) + u32::from(b)) % 256;
    base - base / 4 + base.mul_f64(f64::from(spread) / 1_024.0)
}

/// Forgets what was delivered long enough ago.
async fn clear(config: &config::Cdr, store: &Store) {
    if config.keep_days == 0 {
        return;
    }
    let before = now_ms() - i64::from(config.keep_days) * 86_400_000;
    match store.forget_delivered(before).await {
        Ok(0) => {}
        Ok(records) => tracing::info!(records, "delivered call records forgotten"),
        Err(error) => tracing::error!("delivered call records cannot be forgotten: {error}"),
    }
}

/// Keeps the shape of what is posted honest: the body is the record as every door shows it.
const _: fn(&CallRecord) -> Result<String, serde_json::Error> = serde_json::to_string::<CallRecord>;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pauses_grow_and_stay_bounded() {
        let due = |tries| Due { seq: 1, id: "a".to_owned(), body: String::new(), tries };
        let longest = Duration::from_secs(300);
        let pauses: Vec<_> = (0..40).map(|tries| backoff(&due(tries), longest)).collect();
        assert!(pauses.windows(2).all(|pair| pair[0] <= pair[1]));
        assert!(pauses[0] >= Duration::from_millis(375) && pauses[39] <= longest);
    }
}
