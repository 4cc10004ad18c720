use proptest::prelude::*;

use super::*;

/// A reply to `connect` as FreeSWITCH 1.10 writes it, cut to what matters.
const CONNECT_REPLY: &str = "Event-Name: CHANNEL_DATA\n\
    Core-UUID: 5b3b9b3a-0000-4c43-9c0a-000000000001\n\
    Channel-State: CS_EXECUTE\n\
    Unique-ID: 2a1c6d1e-1111-4f5e-8a3a-000000000002\n\
    Caller-Destination-Number: 00447700900123\n\
    Caller-Caller-ID-Name: %C3%85sa%20%22x%22\n\
    Caller-Caller-ID-Number: _undef_\n\
    variable_rmSocketTask: Outbound%3A%3Aroute\n\
    variable_rmOrgID: 37\n\
    variable_odd: 100%25%0Anot%3A%20a%20header\n\
    Content-Type: command/reply\n\
    Reply-Text: %2BOK%0A\n\
    Socket-Mode: static\n\
    Control: full\n\n";

fn all(decoder: &mut Decoder) -> Vec<Frame> {
    let mut frames = Vec::new();
    while let Some(frame) = decoder.next_frame().expect("well formed") {
        frames.push(frame);
    }
    frames
}

#[test]
fn a_conversation_split_at_every_byte() {
    let text = format!(
        "{CONNECT_REPLY}Content-Type: command/reply\nReply-Text: +OK\n\n\
         Content-Type: api/response\nContent-Length: 12\n\nline\n\nline 2\
         \n\r\nContent-Type: text/disconnect-notice\nContent-Length: 3\n\nBye"
    );
    let mut whole = Decoder::default();
    whole.feed(text.as_bytes());
    let expected = all(&mut whole);
    let kinds: Vec<Kind> = expected.iter().map(Frame::kind).collect();
    assert_eq!(kinds, [Kind::Reply, Kind::Reply, Kind::ApiResponse, Kind::Disconnect]);
    assert_eq!(expected[2].body, b"line\n\nline 2");
    assert_eq!(expected[3].body, b"Bye");
    assert!(expected[1].is_ok());
    for cut in 0..text.len() {
        let mut decoder = Decoder::default();
        decoder.feed(&text.as_bytes()[..cut]);
        let mut frames = all(&mut decoder);
        decoder.feed(&text.as_bytes()[cut..]);
        frames.extend(all(&mut decoder));
        assert_eq!(frames, expected, "cut at {cut}");
    }
    let mut bytewise = Decoder::default();
    let mut frames = Vec::new();
    for byte in text.as_bytes() {
        bytewise.feed(&[*byte]);
        frames.extend(all(&mut bytewise));
    }
    assert_eq!(frames, expected);
    assert_eq!(bytewise.buffered(), 0);
}

#[test]
fn the_connect_reply_in_words() {
    let mut decoder = Decoder::default();
    decoder.feed(CONNECT_REPLY.as_bytes());
    let data = ChannelData::new(&decoder.next_frame().expect("fine").expect("whole"));
    assert_eq!(data.uuid(), "2a1c6d1e-1111-4f5e-8a3a-000000000002");
    assert_eq!(data.variable("rmSocketTask"), Some("Outbound::route"));
    assert_eq!(data.variable("RMORGID"), Some("37"));
    assert_eq!(data.variable("destination_number"), Some("00447700900123"));
    assert_eq!(data.variable("caller_id_number"), Some(""));
    assert_eq!(data.variable("caller_id_name"), Some("Åsa \"x\""));
    assert_eq!(data.variable("odd"), Some("100%\nnot: a header"));
    assert_eq!(data.variable("gone"), None);
    assert!(data.full() && !data.is_async());
    assert_eq!(data.variables().count(), 3);
}

#[test]
fn what_is_too_long_or_foreign_is_refused_early() {
    let limits = Limits { header: 64, body: 16 };
    let run = |text: &str| {
        let mut decoder = Decoder::new(limits);
        decoder.feed(text.as_bytes());
        decoder.next_frame()
    };
    assert_eq!(run(&"a".repeat(65)), Err(Malformed::HeaderTooLong { limit: 64 }));
    assert_eq!(run(&"a".repeat(64)), Ok(None));
    assert_eq!(
        run(&format!("{}\n\n", "a:".repeat(40))),
        Err(Malformed::HeaderTooLong { limit: 64 })
    );
    assert_eq!(run("Content-Length: 17\n\n"), Err(Malformed::BodyTooLong { got: 17, limit: 16 }));
    assert!(matches!(
        run("Content-Length: 99999999999999999999\n\n"),
        Err(Malformed::Length { .. })
    ));
    assert!(matches!(run("Content-Length: -1\n\n"), Err(Malformed::Length { .. })));
    assert!(matches!(run("GET / HTTP/1.1\n\n"), Err(Malformed::Line { .. })));
    assert_eq!(run("\n\n\n\n"), Ok(None));
}

#[test]
fn percent_decoding_leaves_what_is_no_escape() {
    for (text, decoded) in [
        ("", ""),
        ("%41%62", "Ab"),
        ("100%", "100%"),
        ("%4", "%4"),
        ("%zz%20", "%zz "),
        ("%FF", "\u{fffd}"),
    ] {
        assert_eq!(percent_decode(text), decoded);
    }
}

#[test]
fn an_answer_is_one_write() {
    let answer = transfer_and_exit(&[
        Action::new("set", "hangup_after_bridge=true"),
        Action::new("answer", ""),
        Action::new("bridge", "sofia/gateway/gw1/447700900123"),
    ]);
    assert_eq!(
        String::from_utf8(answer.expect("sendable")).expect("text"),
        "sendmsg\ncall-command: xferext\napplication: set hangup_after_bridge=true\n\
         application: answer\napplication: bridge sofia/gateway/gw1/447700900123\n\nexit\n\n"
    );
    assert_eq!(
        hangup_and_exit("21").expect("sendable"),
        b"sendmsg\ncall-command: hangup\nhangup-cause: 21\n\nexit\n\n"
    );
    assert_eq!(
        execute(&Action::new("set", "a=1\nb: 2")).expect("sendable"),
        b"sendmsg\ncall-command: execute\nexecute-app-name: set\ncontent-type: text/plain\n\
          content-length: 8\n\na=1\nb: 2"
    );
}

#[test]
fn nothing_can_be_smuggled_into_an_answer() {
    for (app, data) in [
        ("set", "a=1\napplication: system reboot"),
        ("set", "a=1\rb"),
        ("set\nx", "a"),
        ("set a", "b"),
        ("", "b"),
        ("set", "a=\0"),
    ] {
        assert!(transfer_and_exit(&[Action::new(app, data)]).is_err(), "{app:?} {data:?}");
    }
    assert!(execute(&Action::new("a b", "")).is_err());
    assert!(execute(&Action::new("set", "\0")).is_err());
    assert!(hangup_and_exit("21\n\nexit").is_err());
}

proptest! {
    /// Whatever comes, however it is cut: no panic, a bounded buffer, and the same frames.
    #[test]
    fn any_bytes_any_cut(bytes in proptest::collection::vec(any::<u8>(), 0..600), cut in 0usize..600) {
        let limits = Limits { header: 200, body: 100 };
        let run = |parts: &[&[u8]]| {
            let mut decoder = Decoder::new(limits);
            let mut frames = Vec::new();
            for part in parts {
                decoder.feed(part);
                loop {
                    match decoder.next_frame() {
                        Ok(Some(frame)) => frames.push(frame),
                        Ok(None) => break,
                        Err(error) => return (frames, Some(error)),
                    }
                }
                prop_assert_bounded(&decoder, part.len());
            }
            (frames, None)
        };
        let cut = cut.min(bytes.len());
        prop_assert_eq!(run(&[&bytes]), run(&[&bytes[..cut], &bytes[cut..]]));
    }

    /// An answer is read back by FreeSWITCH's own rules as exactly the actions that were meant.
    #[test]
    fn an_answer_means_what_was_meant(
        actions in proptest::collection::vec(("[a-z_]{1,12}", "[ -~]{0,40}"), 0..6)
    ) {
        let actions: Vec<Action> =
            actions.iter().map(|(app, data)| Action::new(app.as_str(), data.trim())).collect();
        let bytes = transfer_and_exit(&actions).expect("printable");
        let mut decoder = Decoder::default();
        let text = String::from_utf8(bytes).expect("text").replacen("sendmsg\n", "", 1);
        decoder.feed(text.as_bytes());
        let frame = decoder.next_frame().expect("well formed").expect("whole");
        let read: Vec<Action> = frame
            .headers()
            .iter()
            .filter(|(name, _)| name == "application")
            .map(|(_, value)| match value.split_once(' ') {
                Some((app, data)) => Action::new(app, data.trim()),
                None => Action::new(value.as_str(), ""),
            })
            .collect();
        prop_assert_eq!(read, actions);
    }
}

fn prop_assert_bounded(decoder: &Decoder, fed: usize) {
    // What is left is at most an unfinished block or body, never everything that ever came.
    assert!(decoder.buffered() <= 202 + fed);
}

#[test]
fn events_and_the_names_of_what_they_end() {
    let body = "Event-Name: CHANNEL_EXECUTE_COMPLETE\nApplication-UUID: fsx-1\n\
                Application-Data: a%3D1%0A\n\nits: own body";
    let text = format!("Content-Length: {}\nContent-Type: text/event-plain\n\n{body}", body.len());
    let mut decoder = Decoder::default();
    decoder.feed(text.as_bytes());
    let event = all(&mut decoder)[0].event().expect("an event");
    assert_eq!(event.get("application-uuid"), Some("fsx-1"));
    assert_eq!(event.get("Application-Data"), Some("a=1\n"));
    assert_eq!(event.get("its"), None);
    assert!(Frame::default().event().is_none());

    let command = execute(&Action::new("playback", "x.wav")).expect("sendable");
    assert_eq!(
        String::from_utf8(named(&command, "fsx-7").expect("an execute")).expect("text"),
        "sendmsg\ncall-command: execute\nEvent-UUID: fsx-7\nexecute-app-name: playback\n\
         content-type: text/plain\ncontent-length: 5\n\nx.wav"
    );
    assert_eq!(named(CONNECT, "x"), None);
    assert_eq!(named(&transfer_and_exit(&[]).expect("sendable"), "x"), None);
}
