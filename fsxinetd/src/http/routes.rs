//! What each path answers.

use std::time::Duration;

use bytes::Bytes;
use fsx_wire::{esl::percent_decode, message::WireFacts};
use http_body_util::{BodyExt, Full, Limited};
use hyper::{Method, Request, Response, StatusCode, body::Incoming, header};
use metrics::counter;
use serde::Serialize;

use super::Rooms;
use crate::{
    health::{gateways, metrics as names, report_text},
    routing,
};

/// How long a body may take; none is looked at, so a slow one is somebody's mistake or worse.
const BODY_WITHIN: Duration = Duration::from_secs(5);

/// An error as RFC 9457 has it.
#[derive(Serialize)]
struct Problem<'a> {
    r#type: &'a str,
    title: &'a str,
    status: u16,
    detail: String,
}

/// Answers one request.
pub(super) async fn answer(
    request: Request<Incoming>,
    rooms: &Rooms,
    max_body: usize,
) -> Response<Full<Bytes>> {
    let (parts, body) = request.into_parts();
    let path = parts.uri.path();
    let (endpoint, response) = match path {
        "/livez" | "/healthz" => ("livez", text(StatusCode::OK, "ok\n".to_owned())),
        "/readyz" => ("readyz", ready(rooms, parts.uri.query())),
        "/metrics" => ("metrics", metrics(rooms)),
        "/v1/lcr/route" => ("lcr_route", lcr_route(rooms, parts.uri.query().unwrap_or(""))),
        _ => {
            ("other", problem(StatusCode::NOT_FOUND, "not-found", format!("no such path: {path}")))
        }
    };
    let response = if parts.method == Method::GET || parts.method == Method::HEAD {
        response
    } else {
        let detail = format!("{path} takes GET, got {}", parts.method);
        problem(StatusCode::METHOD_NOT_ALLOWED, "method-not-allowed", detail)
    };
    // A body is never looked at, but must be read for the connection to be of further use.
    let whole = tokio::time::timeout(BODY_WITHIN, Limited::new(body, max_body).collect());
    let response = match whole.await {
        Ok(Ok(_)) => response,
        Err(_) => problem(
            StatusCode::REQUEST_TIMEOUT,
            "body-too-slow",
            format!("expected all of it within {} s", BODY_WITHIN.as_secs()),
        ),
        Ok(Err(_)) => problem(
            StatusCode::PAYLOAD_TOO_LARGE,
            "body-too-long",
            format!("expected at most {max_body} bytes"),
        ),
    };
    let code = response.status().as_u16().to_string();
    counter!(names::HTTP_REQUESTS, "endpoint" => endpoint, "code" => code).increment(1);
    response
}

fn ready(rooms: &Rooms, query: Option<&str>) -> Response<Full<Bytes>> {
    let (ready, checks) = rooms.health.report();
    let verbose = query.is_some_and(|q| parameters(q).iter().any(|(name, _)| name == "verbose"));
    let status = if ready { StatusCode::OK } else { StatusCode::SERVICE_UNAVAILABLE };
    let body = match (verbose || !ready, ready) {
        (true, _) => report_text(ready, &checks),
        (false, _) => "ok\n".to_owned(),
    };
    text(status, body)
}

fn metrics(rooms: &Rooms) -> Response<Full<Bytes>> {
    names::refresh(&rooms.published);
    if let Some(table) = rooms.published.table() {
        gateways::refresh(&table);
    }
    let mut response = text(StatusCode::OK, rooms.metrics.render());
    let kind = header::HeaderValue::from_static("text/plain; version=0.0.4; charset=utf-8");
    response.headers_mut().insert(header::CONTENT_TYPE, kind);
    response
}

fn lcr_route(rooms: &Rooms, query: &str) -> Response<Full<Bytes>> {
    let started = std::time::Instant::now();
    let (facts, why) = match question(query, rooms) {
        Ok(question) => question,
        Err(detail) => return problem(StatusCode::BAD_REQUEST, "bad-parameter", detail),
    };
    let (outcome, response) = match routing::route(&rooms.published, &routing::facts(&facts), why) {
        Ok(answer) => {
            let outcome = if answer.decision == "route" { "routed" } else { "rejected" };
            (outcome, json(StatusCode::OK, "application/json", &answer))
        }
        Err(error) => {
            let response = problem(StatusCode::SERVICE_UNAVAILABLE, "no-data", error.to_string());
            ("error", response)
        }
    };
    counter!(names::DECISIONS, "source" => "http", "outcome" => outcome).increment(1);
    metrics::histogram!(names::DECISION_SECONDS, "source" => "http").record(started.elapsed());
    response
}

/// What `/v1/lcr/route` takes. `cli` and `dc` are other names for `caller` and `data_centre`.
const PARAMETERS: [&str; 17] = [
    "number",
    "caller",
    "cli",
    "org",
    "country",
    "data_centre",
    "dc",
    "at",
    "call_id",
    "withhold",
    "privacy_class",
    "pci_zone",
    "carrier_group",
    "profile",
    "lrn",
    "max_attempts",
    "why",
];

/// The call that a query describes, and whether to say why.
fn question(query: &str, rooms: &Rooms) -> Result<(WireFacts, bool), String> {
    let mut facts =
        WireFacts { data_centre: rooms.site.data_centre.clone(), ..WireFacts::default() };
    let mut why = false;
    for (name, value) in parameters(query) {
        match name.as_str() {
            "number" => facts.called = value,
            "caller" | "cli" => facts.caller = Some(value),
            "org" => facts.org = number("org", &value)?,
            "country" => facts.home_country = Some(country(&value)?),
            "data_centre" | "dc" => facts.data_centre = value,
            "at" => facts.at = instant(&value)?,
            "call_id" => facts.call_id = value,
            "withhold" => facts.withhold_cli = yes("withhold", &value)?,
            "privacy_class" => facts.privacy_class = Some(value),
            "pci_zone" => facts.pci_zone = Some(value),
            "carrier_group" => facts.carrier_group = Some(value),
            "profile" => facts.profile = Some(profile(value)?),
            "lrn" => facts.lrn = Some(value),
            "max_attempts" => facts.max_attempts = number("max_attempts", &value)?,
            "why" => why = yes("why", &value)?,
            _ => {
                let known = PARAMETERS.join(", ");
                return Err(format!("unknown parameter \"{name}\", expected one of {known}"));
            }
        }
    }
    if facts.called.is_empty() {
        return Err("number is missing".to_owned());
    }
    Ok((facts, why))
}

fn number<N: std::str::FromStr>(name: &str, value: &str) -> Result<N, String> {
    value.parse().map_err(|_| format!("{name}: expected a whole number, got \"{value}\""))
}

fn yes(name: &str, value: &str) -> Result<bool, String> {
    match value {
        "" | "1" | "true" | "yes" => Ok(true),
        "0" | "false" | "no" => Ok(false),
        _ => Err(format!("{name}: expected true or false, got \"{value}\"")),
    }
}

fn country(value: &str) -> Result<String, String> {
    fsx_core::Country::new(value.as_bytes())
        .map(|country| country.to_string())
        .ok_or_else(|| format!("country: expected two letters, got \"{value}\""))
}

fn profile(value: String) -> Result<String, String> {
    match fsx_core::Profile::parse(&value) {
        Ok(_) => Ok(value),
        Err(error) => Err(format!("profile: \"{value}\": {error}")),
    }
}

fn instant(value: &str) -> Result<i64, String> {
    value.parse::<i64>().or_else(|_| {
        value
            .parse::<jiff::Timestamp>()
            .map(jiff::Timestamp::as_second)
            .map_err(|_| format!("at: expected RFC 3339 or seconds since 1970, got \"{value}\""))
    })
}

/// Names and values of a query, decoded.
fn parameters(query: &str) -> Vec<(String, String)> {
    query
        .split('&')
        .filter(|pair| !pair.is_empty())
        .map(|pair| pair.split_once('=').unwrap_or((pair, "")))
        .map(|(name, value)| (decode(name), decode(value)))
        .collect()
}

/// `+` stands for a space in queries; a number's own plus may be sent either way, since no number
/// begins with a space.
fn decode(text: &str) -> String {
    let decoded = percent_decode(&text.replace('+', " "));
    match decoded.strip_prefix(' ') {
        Some(digits) if digits.starts_with(|c: char| c.is_ascii_digit()) => format!("+{digits}"),
        _ => decoded,
    }
}

fn text(status: StatusCode, body: String) -> Response<Full<Bytes>> {
    with_type(status, "text/plain; charset=utf-8", body.into())
}

fn json<T: Serialize>(status: StatusCode, kind: &'static str, value: &T) -> Response<Full<Bytes>> {
    match serde_json::to_vec(value) {
        Ok(mut body) => {
            body.push(b'\n');
            with_type(status, kind, body.into())
        }
        Err(error) => text(StatusCode::INTERNAL_SERVER_ERROR, format!("{error}\n")),
    }
}

fn problem(status: StatusCode, kind: &str, detail: String) -> Response<Full<Bytes>> {
    let body = Problem {
        r#type: &format!("urn:fsx:problem:{kind}"),
        title: status.canonical_reason().unwrap_or("error"),
        status: status.as_u16(),
        detail,
    };
    json(status, "application/problem+json", &body)
}

fn with_type(status: StatusCode, kind: &'static str, body: Bytes) -> Response<Full<Bytes>> {
    let mut response = Response::new(Full::new(body));
    *response.status_mut() = status;
    let headers = response.headers_mut();
    headers.insert(header::CONTENT_TYPE, header::HeaderValue::from_static(kind));
    headers.insert(header::CACHE_CONTROL, header::HeaderValue::from_static("no-store"));
    response
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn queries_in_words() {
        let got = parameters("number=%2B447700900123&org=37&verbose&caller=+44x&x=a+b");
        let expected = [
            ("number", "+447700900123"),
            ("org", "37"),
            ("verbose", ""),
            ("caller", "+44x"),
            ("x", "a b"),
        ];
        assert_eq!(got, expected.map(|(n, v)| (n.to_owned(), v.to_owned())));
        assert_eq!(instant("2026-01-20T10:00:00Z"), Ok(1_768_903_200));
        assert_eq!(instant("1768903200"), Ok(1_768_903_200));
        assert!(instant("soon").is_err());
    }
}
