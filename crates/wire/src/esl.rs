//! Event-socket frames: what FreeSWITCH's `socket` application and `mod_event_socket` speak.
//!
//! Bytes in, [`Frame`]s out, and commands as bytes; no socket. Written against the host's
//! behaviour, not a document:
//! - FreeSWITCH reads our requests one byte at a time but a body in one go, so header lines stay
//!   short and long arguments go into bodies, and header and body must leave in one write;
//! - a header value ends at the first line feed whatever it meant, so a value with a control
//!   character is refused here rather than sent as two headers ([`Unsendable`]);
//! - the reply to `connect` is a bare header block whose values are percent-encoded; every other
//!   frame is not encoded, and has a body when it has `Content-Length`.
//!
//! [`Decoder`] is bounded: a block or body over its [`Limits`] is an error before it is buffered.

mod names;

use core::fmt;

use names::Name;

/// How much is taken from a peer.
#[derive(Clone, Copy, Debug)]
pub struct Limits {
    /// Longest header block, in bytes.
    pub header: usize,
    /// Longest body, in bytes.
    pub body: usize,
}

impl Default for Limits {
    /// A call with 250 variables takes some 10 KiB; an `api show channels` some hundreds.
    fn default() -> Self {
        Self { header: 256 << 10, body: 1 << 20 }
    }
}

/// The peer does not speak the protocol; the connection is to be closed.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Malformed {
    /// A header block that does not end within the limit.
    HeaderTooLong {
        /// The limit, in bytes.
        limit: usize,
    },
    /// A body over the limit.
    BodyTooLong {
        /// What was announced, in bytes.
        got: u64,
        /// The limit, in bytes.
        limit: usize,
    },
    /// `Content-Length` is not a number.
    Length {
        /// What it was, cut at 32 bytes.
        got: String,
    },
    /// A line with no colon, cut at 32 bytes.
    Line {
        /// The line.
        got: String,
    },
}

impl fmt::Display for Malformed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::HeaderTooLong { limit } => {
                write!(f, "headers that do not end within {limit} bytes")
            }
            Self::BodyTooLong { got, limit } => {
                write!(f, "a body of {got} bytes, expected at most {limit}")
            }
            Self::Length { got } => write!(f, "Content-Length is {got:?}, expected a number"),
            Self::Line { got } => write!(f, "{got:?}, expected \"Name: value\""),
        }
    }
}

impl std::error::Error for Malformed {}

/// One message from FreeSWITCH.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Frame {
    headers: Vec<(String, String)>,
    /// The body; empty where there was none.
    pub body: Vec<u8>,
}

impl Frame {
    /// The first header of that name, in any case.
    #[must_use]
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers.iter().find(|(n, _)| n.eq_ignore_ascii_case(name)).map(|(_, v)| v.as_str())
    }

    /// All headers, as they came.
    #[must_use]
    pub fn headers(&self) -> &[(String, String)] {
        &self.headers
    }

    /// What kind of frame it is.
    #[must_use]
    pub fn kind(&self) -> Kind {
        match self.header("Content-Type") {
            Some("command/reply") => Kind::Reply,
            Some("api/response") => Kind::ApiResponse,
            Some("text/disconnect-notice") => Kind::Disconnect,
            Some("text/rude-rejection") => Kind::Rejected,
            Some("text/event-plain" | "text/event-json" | "text/event-xml") => Kind::Event,
            _ => Kind::Other,
        }
    }

    /// A command reply that says `+OK`.
    #[must_use]
    pub fn is_ok(&self) -> bool {
        self.header("Reply-Text").is_some_and(|text| text.starts_with("+OK"))
    }
}

impl Frame {
    /// What an event says: its headers, decoded. `None` for anything but a plain event.
    #[must_use]
    pub fn event(&self) -> Option<ChannelData> {
        if self.header("Content-Type") != Some("text/event-plain") {
            return None;
        }
        // The event's own body, where it has one, follows a blank line.
        let end = self.body.windows(2).position(|pair| pair == b"\n\n");
        let block = &self.body[..end.unwrap_or(self.body.len())];
        parse_block(block).ok().map(|frame| ChannelData::new(&frame))
    }
}

/// Kinds of frames.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Kind {
    /// To a command; the reply to `connect` too.
    Reply,
    /// To `api`: the body is the output.
    ApiResponse,
    /// An event.
    Event,
    /// The call or the switch has ended the conversation.
    Disconnect,
    /// The switch's access list does not have us.
    Rejected,
    /// Anything else, such as log lines.
    Other,
}

/// Takes frames out of bytes as they come, split anywhere.
#[derive(Clone, Debug, Default)]
pub struct Decoder {
    limits: Limits,
    buffer: Vec<u8>,
    /// Bytes of `buffer` already searched for the end of the header block.
    searched: usize,
    /// The header block of a frame whose body is not all there yet, and the body's length.
    waiting: Option<(Frame, usize)>,
}

impl Decoder {
    /// A decoder with limits of its own.
    #[must_use]
    pub fn new(limits: Limits) -> Self {
        Self { limits, ..Self::default() }
    }

    /// Takes bytes as they came. Call [`Decoder::next_frame`] until it has none before feeding
    /// more: that is what bounds the buffer.
    pub fn feed(&mut self, bytes: &[u8]) {
        self.buffer.extend_from_slice(bytes);
    }

    /// Bytes held that are not yet a frame.
    #[must_use]
    pub fn buffered(&self) -> usize {
        self.buffer.len()
    }

    /// The next whole frame; `None` until more is fed.
    ///
    /// # Errors
    /// [`Malformed`]; the decoder is of no use after it.
    pub fn next_frame(&mut self) -> Result<Option<Frame>, Malformed> {
        if self.waiting.is_none() {
            let Some(block) = self.take_header_block()? else { return Ok(None) };
            let frame = parse_block(&block)?;
            let length = match frame.header("Content-Length") {
                Some(text) => self.body_length(text)?,
                None => 0,
            };
            self.waiting = Some((frame, length));
        }
        match self.waiting.take() {
            Some((mut frame, length)) if self.buffer.len() >= length => {
                let rest = self.buffer.split_off(length);
                frame.body = std::mem::replace(&mut self.buffer, rest);
                Ok(Some(frame))
            }
            still => {
                self.waiting = still;
                Ok(None)
            }
        }
    }

    /// Takes the bytes up to the blank line, without it; leading line ends are skipped, as
    /// FreeSWITCH does.
    fn take_header_block(&mut self) -> Result<Option<Vec<u8>>, Malformed> {
        if self.searched == 0 {
            let blank = self.buffer.iter().take_while(|b| matches!(b, b'\r' | b'\n')).count();
            self.buffer.drain(..blank);
        }
        let from = self.searched.saturating_sub(1);
        let end = self.buffer[from..].windows(2).position(|pair| pair == b"\n\n");
        let limit = self.limits.header;
        match end.map(|at| from + at) {
            Some(end) if end <= limit => {
                let rest = self.buffer.split_off(end + 2);
                let mut block = std::mem::replace(&mut self.buffer, rest);
                block.truncate(end);
                self.searched = 0;
                Ok(Some(block))
            }
            // A block of just the limit may lack only the second line feed of the pair that ends it.
            None if self.buffer.strip_suffix(b"\n").unwrap_or(&self.buffer).len() <= limit => {
                self.searched = self.buffer.len();
                Ok(None)
            }
            _ => Err(Malformed::HeaderTooLong { limit }),
        }
    }

    fn body_length(&self, text: &str) -> Result<usize, Malformed> {
        let got: u64 =
            text.trim().parse().map_err(|_| Malformed::Length { got: cut(text.as_bytes()) })?;
        let limit = self.limits.body;
        match usize::try_from(got) {
            Ok(length) if length <= limit => Ok(length),
            _ => Err(Malformed::BodyTooLong { got, limit }),
        }
    }
}

fn parse_block(block: &[u8]) -> Result<Frame, Malformed> {
    let mut frame = Frame::default();
    for line in block.split(|byte| *byte == b'\n').filter(|line| !line.is_empty()) {
        let text = String::from_utf8_lossy(line);
        match text.split_once(':') {
            Some((name, value)) => {
                frame.headers.push((name.trim().to_owned(), value.trim().to_owned()));
            }
            None => return Err(Malformed::Line { got: cut(line) }),
        }
    }
    Ok(frame)
}

fn cut(bytes: &[u8]) -> String {
    String::from_utf8_lossy(&bytes[..bytes.len().min(32)]).into_owned()
}

/// Decodes `%XX`; anything else stays as it is. Bytes that are no UTF-8 become U+FFFD.
#[must_use]
pub fn percent_decode(text: &str) -> String {
    let mut out = Vec::with_capacity(text.len());
    let mut bytes = text.as_bytes();
    while let Some((&first, rest)) = bytes.split_first() {
        if let (b'%', Some(&[high, low])) = (first, rest.first_chunk::<2>())
            && let (Some(high), Some(low)) = (hex(high), hex(low))
        {
            out.push(high << 4 | low);
            bytes = &rest[2..];
        } else {
            out.push(first);
            bytes = rest;
        }
    }
    String::from_utf8(out).unwrap_or_else(|e| String::from_utf8_lossy(e.as_bytes()).into_owned())
}

fn hex(digit: u8) -> Option<u8> {
    char::from(digit).to_digit(16).and_then(|value| u8::try_from(value).ok())
}

/// What FreeSWITCH tells of the call in its reply to `connect`, decoded.
///
/// A call may last for hours and has two hundred of these, so their values are one text with an index
/// and not four hundred pieces of memory, and names that other calls have too are kept once for all.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ChannelData {
    /// The values of the known names, one after another in the order of the index.
    text: Box<str>,
    /// Known names, and where the value of each ends.
    index: Box<[(Name, u32)]>,
    /// Names in lower case for which there was no room, with their values.
    others: Box<[(Box<str>, Box<str>)]>,
}

impl ChannelData {
    /// Decodes the reply to `connect`. Later headers of a name lose to the first.
    #[must_use]
    pub fn new(frame: &Frame) -> Self {
        let mut headers: Vec<(String, &str)> = frame
            .headers()
            .iter()
            .map(|(name, value)| (name.to_ascii_lowercase(), value.as_str()))
            .collect();
        // Stable, so that the first of a name stays the first.
        headers.sort_by(|a, b| a.0.cmp(&b.0));
        headers.dedup_by(|later, first| later.0 == first.0);
        let (mut known, mut others) = (Vec::with_capacity(headers.len()), Vec::new());
        for (name, value) in headers {
            // FreeSWITCH writes this word for an empty value.
            let value = if value == "_undef_" { String::new() } else { percent_decode(value) };
            match Name::of(&name) {
                Some(name) => known.push((name, value)),
                None => others.push((name.into_boxed_str(), value.into_boxed_str())),
            }
        }
        known.sort_by_key(|(name, _)| *name);
        let mut text = String::with_capacity(known.iter().map(|(_, value)| value.len()).sum());
        let index = known
            .into_iter()
            .map(|(name, value)| {
                text.push_str(&value);
                // A header block is far below four gigabytes (Limits).
                (name, u32::try_from(text.len()).unwrap_or(u32::MAX))
            })
            .collect();
        Self { text: text.into(), index, others: others.into() }
    }

    /// The value of the known name at a place of the index.
    fn value(&self, at: usize) -> &str {
        let end = |at: usize| self.index.get(at).map_or(0, |(_, end)| *end as usize);
        let begin = at.checked_sub(1).map_or(0, end);
        self.text.get(begin..end(at)).unwrap_or("")
    }

    /// A header, by name in any case.
    #[must_use]
    pub fn get(&self, name: &str) -> Option<&str> {
        let name = name.to_ascii_lowercase();
        if let Some(known) = Name::known(&name)
            && let Ok(at) = self.index.binary_search_by_key(&known, |(name, _)| *name)
        {
            return Some(self.value(at));
        }
        let found = self.others.binary_search_by(|(other, _)| (**other).cmp(name.as_str())).ok()?;
        self.others.get(found).map(|(_, value)| &**value)
    }

    /// A channel variable, as `session:getVariable` finds it: the variable itself, or the field of
    /// the caller's profile that FreeSWITCH shows under that name.
    #[must_use]
    pub fn variable(&self, name: &str) -> Option<&str> {
        self.get(&format!("variable_{name}")).or_else(|| {
            let field = PROFILE.iter().find(|(n, _)| n.eq_ignore_ascii_case(name))?.1;
            self.get(field)
        })
    }

    /// All channel variables, without their prefix, in lower case; in no order.
    pub fn variables(&self) -> impl Iterator<Item = (&str, &str)> {
        let known =
            self.index.iter().enumerate().map(|(at, (name, _))| (name.text(), self.value(at)));
        let others = self.others.iter().map(|(name, value)| (&**name, &**value));
        known
            .chain(others)
            .filter_map(|(name, value)| Some((name.strip_prefix("variable_")?, value)))
    }

    /// The call's UUID; empty where there is none, which no FreeSWITCH sends.
    #[must_use]
    pub fn uuid(&self) -> &str {
        self.get("Unique-ID").or_else(|| self.get("Caller-Unique-ID")).unwrap_or("")
    }

    /// Whether commands that need `full` may be sent.
    #[must_use]
    pub fn full(&self) -> bool {
        self.get("Control") == Some("full")
    }

    /// Whether the socket is in async mode, in which leaving early parks the call for ever.
    #[must_use]
    pub fn is_async(&self) -> bool {
        self.get("Socket-Mode") == Some("async")
    }
}

/// Profile fields that are read like variables, and the headers that carry them.
const PROFILE: [(&str, &str); 13] = [
    ("destination_number", "Caller-Destination-Number"),
    ("caller_id_number", "Caller-Caller-ID-Number"),
    ("caller_id_name", "Caller-Caller-ID-Name"),
    ("ani", "Caller-ANI"),
    ("rdnis", "Caller-RDNIS"),
    ("network_addr", "Caller-Network-Addr"),
    ("username", "Caller-Username"),
    ("context", "Caller-Context"),
    ("dialplan", "Caller-Dialplan"),
    ("source", "Caller-Source"),
    ("chan_name", "Caller-Channel-Name"),
    ("channel_name", "Caller-Channel-Name"),
    ("uuid", "Unique-ID"),
];

/// A text that cannot be sent as meant.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Unsendable {
    /// What it was to be: `application`, `data`, `cause`.
    pub what: &'static str,
    /// Why not.
    pub why: &'static str,
    /// The text, cut at 32 bytes.
    pub got: String,
}

impl fmt::Display for Unsendable {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {:?} {}", self.what, self.got, self.why)
    }
}

impl std::error::Error for Unsendable {}

/// The first thing to send on an outbound socket; FreeSWITCH waits 25 s for it.
pub const CONNECT: &[u8] = b"connect\n\n";

/// Ends the conversation; the dialplan goes on.
pub const EXIT: &[u8] = b"exit\n\n";

/// One dialplan application with its data.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Action {
    /// The application, such as `bridge`. FreeSWITCH hangs a call up over a name it does not know.
    pub app: String,
    /// Its data; `${…}` in it is expanded by the switch.
    pub data: String,
}

impl Action {
    /// An action.
    pub fn new(app: impl Into<String>, data: impl Into<String>) -> Self {
        Self { app: app.into(), data: data.into() }
    }

    /// Whether it can be sent as meant.
    ///
    /// # Errors
    /// [`Unsendable`] for a name with anything but letters, digits, `_` and `-`, or data with a
    /// control character.
    pub fn check(&self) -> Result<(), Unsendable> {
        let name = |b: u8| b.is_ascii_alphanumeric() || matches!(b, b'_' | b'-');
        if self.app.is_empty() || !self.app.bytes().all(name) {
            return Err(unsendable("application", "is no application name", &self.app));
        }
        one_line("data", &self.data)
    }
}

fn one_line(what: &'static str, text: &str) -> Result<(), Unsendable> {
    if text.bytes().any(|byte| byte.is_ascii_control()) {
        return Err(unsendable(what, "holds a control character", text));
    }
    Ok(())
}

fn unsendable(what: &'static str, why: &'static str, got: &str) -> Unsendable {
    Unsendable { what, why, got: cut(got.as_bytes()) }
}

/// A complete routing answer in one write: the call is transferred into these actions, which the
/// switch then runs by itself, and the conversation ends.
///
/// # Errors
/// The first action that cannot be sent; nothing is to be sent then.
pub fn transfer_and_exit(actions: &[Action]) -> Result<Vec<u8>, Unsendable> {
    let mut out = b"sendmsg\ncall-command: xferext\n".to_vec();
    for action in actions {
        action.check()?;
        out.extend_from_slice(b"application: ");
        out.extend_from_slice(action.app.as_bytes());
        if !action.data.is_empty() {
            out.push(b' ');
            out.extend_from_slice(action.data.as_bytes());
        }
        out.push(b'\n');
    }
    out.push(b'\n');
    out.extend_from_slice(EXIT);
    Ok(out)
}

/// Runs one application now (`sync` mode: the reply comes when it has ended). Data goes in the body.
///
/// # Errors
/// [`Unsendable`] for the name; data may hold anything but NUL.
pub fn execute(action: &Action) -> Result<Vec<u8>, Unsendable> {
    Action::new(action.app.as_str(), "").check()?;
    if action.data.contains('\0') {
        return Err(unsendable("data", "holds a NUL", &action.data));
    }
    let mut out = format!("sendmsg\ncall-command: execute\nexecute-app-name: {}\n", action.app);
    if action.data.is_empty() {
        out.push('\n');
    } else {
        out.push_str(&format!(
            "content-type: text/plain\ncontent-length: {}\n\n{}",
            action.data.len(),
            action.data
        ));
    }
    Ok(out.into_bytes())
}

/// How an [`execute`] begins.
const EXECUTE: &[u8] = b"sendmsg\ncall-command: execute\n";

/// Asks for events of this call's own. Needs no `full`.
pub const MY_EVENTS: &[u8] = b"myevents\n\n";

/// An [`execute`] under a name, which the event at its end bears as `Application-UUID`. In async mode
/// the reply says only that it waits its turn. `None` for any other command.
#[must_use]
pub fn named(command: &[u8], name: &str) -> Option<Vec<u8>> {
    let rest = command.strip_prefix(EXECUTE)?;
    let mut out = Vec::with_capacity(command.len() + name.len() + 16);
    out.extend_from_slice(EXECUTE);
    out.extend_from_slice(b"Event-UUID: ");
    out.extend_from_slice(name.as_bytes());
    out.push(b'\n');
    out.extend_from_slice(rest);
    Some(out)
}

/// Runs a command of the switch, whose reply is [`Kind::ApiResponse`]. Needs `full`.
///
/// # Errors
/// [`Unsendable`] for a command that is no name, or an argument with a control character.
pub fn api(command: &str, argument: &str) -> Result<Vec<u8>, Unsendable> {
    Action::new(command, "").check()?;
    one_line("argument", argument)?;
    let space = if argument.is_empty() { "" } else { " " };
    Ok(format!("api {command}{space}{argument}\n\n").into_bytes())
}

/// Puts an event into the switch. Needs `full`.
///
/// # Errors
/// [`Unsendable`] for what would be another header, or a body with a NUL.
pub fn send_event(
    name: &str,
    headers: &[(String, String)],
    body: &str,
) -> Result<Vec<u8>, Unsendable> {
    Action::new(name, "").check()?;
    let mut out = format!("sendevent {name}\n");
    for (header, value) in headers {
        let plain = |b: u8| b.is_ascii_alphanumeric() || matches!(b, b'_' | b'-' | b'.');
        // FreeSWITCH would take it for the length of the body, or for a second event.
        let taken = header.eq_ignore_ascii_case("content-length");
        if header.is_empty() || taken || !header.bytes().all(plain) {
            return Err(unsendable("header", "is no header name", header));
        }
        one_line("header", value)?;
        out.push_str(&format!("{header}: {value}\n"));
    }
    if body.contains('\0') {
        return Err(unsendable("body", "holds a NUL", body));
    }
    if !body.is_empty() {
        out.push_str(&format!("content-length: {}\n", body.len()));
    }
    out.push('\n');
    out.push_str(body);
    Ok(out.into_bytes())
}

/// Hangs the call up with `cause`, a name or a Q.850 number, and ends the conversation.
///
/// # Errors
/// [`Unsendable`] for a cause with a control character.
pub fn hangup_and_exit(cause: &str) -> Result<Vec<u8>, Unsendable> {
    one_line("cause", cause)?;
    Ok(format!("sendmsg\ncall-command: hangup\nhangup-cause: {cause}\n\nexit\n\n").into_bytes())
}

#[cfg(test)]
mod tests;
