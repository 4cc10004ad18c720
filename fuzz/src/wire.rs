//! What comes over sockets: length-prefixed frames, the messages in them, and event-socket text.

use fsx_wire::{
    esl::{ChannelData, Decoder, Frame, Limits, Malformed, percent_decode},
    frame::{self, MAX_FRAME, PREFIX},
    message::{Reply, Request},
    record::CallRecord,
};
use serde::{Serialize, de::DeserializeOwned};

pub(crate) fn frame_seeds() -> Vec<Vec<u8>> {
    vec![
        frame::encode(b"").expect("short"),
        frame::encode(b"{\"v\":1,\"id\":7,\"deadline_ms\":50,\"kind\":\"status\"}").expect("short"),
        b"GET / HTTP/1.1\r\n\r\n".to_vec(),
    ]
}

pub(crate) fn frame(bytes: &[u8]) {
    match frame::decode(bytes) {
        Ok(Some((body, taken))) => {
            assert_eq!(taken, PREFIX + body.len());
            assert_eq!(frame::encode(body).expect("it was accepted"), bytes[..taken]);
            // What is not there yet is asked for, not guessed.
            for cut in [0, PREFIX - 1, taken - 1] {
                assert_eq!(frame::decode(&bytes[..cut]), Ok(None));
            }
        }
        Ok(None) => assert!(bytes.len() < PREFIX + MAX_FRAME),
        Err(too_long) => assert!(too_long.got > MAX_FRAME),
    }
}

pub(crate) fn message_seeds() -> Vec<Vec<u8>> {
    [
        r#"{"v":1,"id":7,"deadline_ms":50,"kind":"status"}"#,
        r#"{"v":1,"id":8,"deadline_ms":50,"kind":"decide","task":"","facts":{"call_id":"a","called":"07700900123","org":37,"at":1768903200,"vars":{"x":"y"}}}"#,
        r#"{"id":8,"outcome":"decided","policy_version":"1","verdict":"reject","cause":21,"reason":"no","vars":{}}"#,
        r#"{"id":8,"outcome":"decided","policy_version":"1","verdict":"keep"}"#,
        r#"{"id":9,"outcome":"failed","reason":"late","retry":true}"#,
        r#"{"id":9,"outcome":"status","version":"0.1.0","generation":12,"records_waiting":0}"#,
        r#"{"id":"r-1","switch":"freeswitch","host":"fs1","facts":{"called":"999"},"generation":3,"decided_by":"local","decision":"route","emergency":true,"attempts":[{"carrier_id":1,"gateway_id":2,"rate":"0.0125","sip_status":503,"cause":41}],"started_ms":1,"ended_ms":2,"cause":16,"cause_name":"NORMAL_CLEARING"}"#,
    ]
    .map(|text| text.as_bytes().to_vec())
    .to_vec()
}

/// What can be read can be written, and reads the same again.
fn round_trip<T: DeserializeOwned + Serialize>(bytes: &[u8]) {
    let Ok(value) = serde_json::from_slice::<T>(bytes) else { return };
    let once = serde_json::to_string(&value).expect("what was read can be written");
    let again: T = serde_json::from_str(&once).unwrap_or_else(|e| panic!("{e} in {once}"));
    let twice = serde_json::to_string(&again).expect("what was read can be written");
    assert_eq!(once, twice);
}

pub(crate) fn message(bytes: &[u8]) {
    round_trip::<Request>(bytes);
    round_trip::<Reply>(bytes);
    round_trip::<CallRecord>(bytes);
}

pub(crate) fn esl_seeds() -> Vec<Vec<u8>> {
    [
        "Event-Name: CHANNEL_DATA\nUnique-ID: 2a1c\nCaller-Destination-Number: 00447700900123\n\
         variable_rmOrgID: 37\nvariable_odd: 100%25%0Anot%3A%20a%20header\nControl: full\n\n",
        "Content-Type: command/reply\nReply-Text: +OK\n\nContent-Type: api/response\nContent-Length: 12\n\n\
         line\n\nline 2\n\r\nContent-Type: text/disconnect-notice\nContent-Length: 3\n\nBye",
        "\n\n\r\nContent-Type: auth/request\n\n",
    ]
    .map(|text| text.as_bytes().to_vec())
    .to_vec()
}

/// Small enough that mutations reach the limits.
const LIMITS: Limits = Limits { header: 600, body: 300 };

fn read(pieces: &[&[u8]]) -> (Vec<Frame>, Option<Malformed>) {
    let mut decoder = Decoder::new(LIMITS);
    let mut frames = Vec::new();
    for piece in pieces {
        decoder.feed(piece);
        loop {
            match decoder.next_frame() {
                Ok(Some(frame)) => frames.push(frame),
                Ok(None) => break,
                Err(malformed) => return (frames, Some(malformed)),
            }
        }
        // The buffer is bounded whatever the peer sends.
        assert!(decoder.buffered() <= LIMITS.header + 2 + LIMITS.body + piece.len());
    }
    (frames, None)
}

pub(crate) fn esl(bytes: &[u8]) {
    let (frames, malformed) = read(&[bytes]);
    for frame in &frames {
        assert!(frame.body.len() <= LIMITS.body);
        let data = ChannelData::new(frame);
        let _ = (data.uuid(), data.full(), data.is_async(), frame.kind(), frame.is_ok());
        for (name, _) in data.variables() {
            assert!(data.variable(name).is_some(), "{name:?} is listed and not found");
        }
        for (_, value) in frame.headers() {
            assert!(percent_decode(value).len() <= value.len() * 3);
        }
    }
    // However the network cuts it, it means the same.
    let cut = bytes.len() / 2;
    let single: Vec<&[u8]> = bytes.chunks(1).collect();
    for pieces in [&[&bytes[..cut], &bytes[cut..]][..], &single] {
        let (again, same) = read(pieces);
        assert_eq!(again, frames);
        assert_eq!(same.is_some(), malformed.is_some(), "{same:?} against {malformed:?}");
    }
}
