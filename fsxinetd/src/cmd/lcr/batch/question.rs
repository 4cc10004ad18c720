//! One line of a batch, as the facts of a call.
//!
//! A batch is asked at the engine's speed, and a general JSON reader alone takes longer than the
//! engine. So the plain line (no escapes, no blanks inside words, each member once) is read in one
//! pass that borrows its texts. Whatever is not plain goes to `serde_json`, which also finds the words
//! for what is wrong: the quick way never refuses, it only gives up.

use std::borrow::Cow;

use fsx_core::{CallFacts, Country};
use serde::Deserialize;

use super::super::instant;

/// A line that was read. An instant that is `None` means now.
#[derive(Debug, Default, PartialEq)]
pub(super) struct Question<'a> {
    number: Cow<'a, str>,
    org: u32,
    cli: Option<Cow<'a, str>>,
    withhold_cli: bool,
    at: Option<i64>,
    dc: Cow<'a, str>,
    country: Option<Country>,
    privacy_class: Option<Cow<'a, str>>,
    pci_zone: Option<Cow<'a, str>>,
    carrier_group: Option<Cow<'a, str>>,
    call_id: Cow<'a, str>,
    profile: Option<Cow<'a, str>>,
    lrn: Option<Cow<'a, str>>,
    max_attempts: u8,
    pub(super) why: bool,
}

/// The instant read last: the lines of a batch often name the same one.
#[derive(Debug, Default)]
pub(super) struct LastInstant {
    text: String,
    at: i64,
}

impl LastInstant {
    fn read(&mut self, text: &str) -> Result<i64, String> {
        if self.text != text || text.is_empty() || text == "now" {
            self.at = instant(text)?;
            self.text.clear();
            self.text.push_str(text);
        }
        Ok(self.at)
    }
}

impl<'a> Question<'a> {
    /// Reads a line.
    ///
    /// # Errors
    /// What is wrong with it, in words.
    pub(super) fn read(line: &'a [u8], last: &mut LastInstant) -> Result<Self, String> {
        match plain(line, last) {
            Some(question) => Ok(question),
            None => Request::read(line, last),
        }
    }

    /// The facts of the call.
    pub(super) fn facts(&self, now: i64) -> CallFacts<'_> {
        CallFacts {
            called: self.number.as_bytes(),
            caller: self.cli.as_deref().map(str::as_bytes),
            withhold_cli: self.withhold_cli,
            org_id: self.org,
            home_country: self.country,
            data_centre: &self.dc,
            at: self.at.unwrap_or(now),
            call_id: self.call_id.as_bytes(),
            privacy_class: self.privacy_class.as_deref(),
            pci_zone: self.pci_zone.as_deref(),
            carrier_group: self.carrier_group.as_deref(),
            profile: self.profile.as_deref(),
            lrn: self.lrn.as_deref().map(str::as_bytes),
            max_attempts: self.max_attempts,
        }
    }
}

/// The line as `serde_json` reads it. An unknown member is refused: it would change nothing and seem
/// to. One that is null is as good as absent.
#[derive(Debug, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
struct Request {
    number: Option<String>,
    org: Option<u32>,
    cli: Option<String>,
    withhold_cli: Option<bool>,
    at: Option<At>,
    dc: Option<String>,
    country: Option<String>,
    privacy_class: Option<String>,
    pci_zone: Option<String>,
    carrier_group: Option<String>,
    call_id: Option<String>,
    profile: Option<String>,
    lrn: Option<String>,
    max_attempts: Option<u8>,
    why: Option<bool>,
}

#[derive(Debug, Deserialize)]
#[serde(untagged, expecting = "\"at\": expected seconds since 1970, or a date and time as text")]
enum At {
    Seconds(i64),
    /// Many a clock tells more than seconds.
    Fraction(f64),
    Text(String),
}

impl Request {
    fn read<'a>(line: &[u8], last: &mut LastInstant) -> Result<Question<'a>, String> {
        if line.trim_ascii_start().first() == Some(&b'[') {
            return Err(
                "expected an object such as {\"number\":\"447700900123\"}, got a list".to_owned()
            );
        }
        let request: Self = serde_json::from_slice(line).map_err(|e| e.to_string())?;
        let country =
            match request.country {
                None => None,
                Some(text) => Some(Country::new(text.as_bytes()).ok_or_else(|| {
                    format!("country \"{text}\": expected two letters such as GB")
                })?),
            };
        let at = match request.at {
            None => None,
            Some(At::Seconds(at)) => Some(at),
            Some(At::Fraction(at)) if at.abs() < 1e15 => Some(at.floor() as i64),
            Some(At::Fraction(at)) => {
                return Err(format!("at {at}: is further off than instants can be told"));
            }
            Some(At::Text(text)) => Some(last.read(&text)?),
        };
        if let Some(text) = &request.profile {
            fsx_core::Profile::parse(text).map_err(|e| format!("profile \"{text}\": {e}"))?;
        }
        let owned = |text: Option<String>| text.map(Cow::Owned);
        Ok(Question {
            number: request.number.ok_or("it has no \"number\"")?.into(),
            org: request.org.unwrap_or_default(),
            cli: owned(request.cli),
            withhold_cli: request.withhold_cli.unwrap_or_default(),
            at,
            dc: request.dc.unwrap_or_default().into(),
            country,
            privacy_class: owned(request.privacy_class),
            pci_zone: owned(request.pci_zone),
            carrier_group: owned(request.carrier_group),
            call_id: request.call_id.unwrap_or_default().into(),
            profile: owned(request.profile),
            lrn: owned(request.lrn),
            max_attempts: request.max_attempts.unwrap_or_default(),
            why: request.why.unwrap_or_default(),
        })
    }
}

/// Reads a plain line; `None` for any other, right or wrong.
fn plain<'a>(line: &'a [u8], last: &mut LastInstant) -> Option<Question<'a>> {
    let mut at = Cursor { line, at: 0 };
    let mut question = Question::default();
    let mut seen = 0u16;
    at.take(b'{')?;
    loop {
        let name = at.word()?;
        at.take(b':')?;
        let member = match name {
            "number" => {
                question.number = at.text()?.into();
                0
            }
            "org" => {
                question.org = u32::try_from(at.whole()?).ok()?;
                1
            }
            "cli" => {
                question.cli = at.text_or_null()?;
                2
            }
            "at" => {
                question.at = match at.peek()? {
                    b'"' => Some(last.read(at.text()?).ok()?),
                    b'n' => at.literal("null").map(|()| None)?,
                    _ => Some(i64::try_from(at.whole()?).ok()?),
                };
                3
            }
            "dc" => {
                question.dc = at.text()?.into();
                4
            }
            "why" => {
                question.why = at.yes()?;
                5
            }
            "withhold_cli" => {
                question.withhold_cli = at.yes()?;
                6
            }
            "country" => {
                question.country = match at.text_or_null()? {
                    None => None,
                    Some(text) => Some(Country::new(text.as_bytes())?),
                };
                7
            }
            "call_id" => {
                question.call_id = at.text()?.into();
                8
            }
            "profile" => {
                question.profile = at.text_or_null()?;
                if let Some(text) = &question.profile {
                    fsx_core::Profile::parse(text).ok()?;
                }
                9
            }
            "lrn" => {
                question.lrn = at.text_or_null()?;
                10
            }
            "max_attempts" => {
                question.max_attempts = u8::try_from(at.whole()?).ok()?;
                11
            }
            "privacy_class" => {
                question.privacy_class = at.text_or_null()?;
                12
            }
            "pci_zone" => {
                question.pci_zone = at.text_or_null()?;
                13
            }
            "carrier_group" => {
                question.carrier_group = at.text_or_null()?;
                14
            }
            _ => return None,
        };
        if seen & 1 << member != 0 {
            return None;
        }
        seen |= 1 << member;
        match at.next()? {
            b',' => {}
            b'}' => break,
            _ => return None,
        }
    }
    // A number there must be, and nothing behind.
    (seen & 1 != 0 && at.peek().is_none()).then_some(question)
}

/// A place in a line.
struct Cursor<'a> {
    line: &'a [u8],
    at: usize,
}

impl<'a> Cursor<'a> {
    /// The next byte that is no blank, which stays.
    fn peek(&mut self) -> Option<u8> {
        loop {
            let byte = *self.line.get(self.at)?;
            if !matches!(byte, b' ' | b'\t' | b'\r' | b'\n') {
                return Some(byte);
            }
            self.at += 1;
        }
    }

    /// The next byte that is no blank.
    fn next(&mut self) -> Option<u8> {
        let byte = self.peek()?;
        self.at += 1;
        Some(byte)
    }

    fn take(&mut self, wanted: u8) -> Option<()> {
        (self.next()? == wanted).then_some(())
    }

    fn literal(&mut self, word: &str) -> Option<()> {
        self.line[self.at..].starts_with(word.as_bytes()).then(|| self.at += word.len())
    }

    /// A text of plain ASCII between quotes.
    fn text(&mut self) -> Option<&'a str> {
        self.take(b'"')?;
        let rest = &self.line[self.at..];
        let end =
            rest.iter().position(|&b| matches!(b, b'"' | b'\\') || !(0x20..0x80).contains(&b));
        let end = end.filter(|&end| rest[end] == b'"')?;
        self.at += end + 1;
        std::str::from_utf8(&rest[..end]).ok()
    }

    fn word(&mut self) -> Option<&'a str> {
        self.text()
    }

    fn text_or_null(&mut self) -> Option<Option<Cow<'a, str>>> {
        match self.peek()? {
            b'n' => self.literal("null").map(|()| None),
            _ => self.text().map(|text| Some(Cow::Borrowed(text))),
        }
    }

    /// A whole number that is not negative.
    fn whole(&mut self) -> Option<u64> {
        self.peek()?;
        let rest = &self.line[self.at..];
        let len = rest.iter().take_while(|b| b.is_ascii_digit()).count();
        // JSON knows no leading zeros; eighteen digits cannot overflow.
        if !(1..=18).contains(&len) || (len > 1 && rest[0] == b'0') {
            return None;
        }
        // A fraction or an exponent is for the other reader.
        if matches!(rest.get(len), Some(b'.' | b'e' | b'E')) {
            return None;
        }
        self.at += len;
        Some(rest[..len].iter().fold(0, |n, b| n * 10 + u64::from(b - b'0')))
    }

    fn yes(&mut self) -> Option<bool> {
        match self.peek()? {
            b't' => self.literal("true").map(|()| true),
            b'f' => self.literal("false").map(|()| false),
            _ => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// Where the quick way answers, it answers as the other.
    fn both(line: &str) -> bool {
        let mut last = LastInstant::default();
        match plain(line.as_bytes(), &mut last) {
            None => false,
            Some(quick) => {
                let slow = Request::read(line.as_bytes(), &mut last);
                assert_eq!(Ok(quick), slow, "{line}");
                true
            }
        }
    }

    #[test]
    fn a_plain_line_is_read_in_one_pass() {
        for line in [
            r#"{"number":"447700900123"}"#,
            r#"{"number":"+44 7700","org":37,"cli":"442079460000","dc":"LON1"}"#,
            r#" { "number" : "1" , "org" : 0 , "at" : 1768939200 } "#,
            "{\"number\":\"\",\"at\":\"2026-01-20T10:00:00Z\",\"why\":true}\r",
            r#"{"number":"1","withhold_cli":false,"country":"gb","call_id":"a-b","max_attempts":8}"#,
            r#"{"number":"1","profile":"tolerance:5","lrn":"12025550123","privacy_class":"x"}"#,
            r#"{"number":"1","pci_zone":"A","carrier_group":"b","cli":null,"at":null,"lrn":null}"#,
        ] {
            assert!(both(line), "{line}");
        }
    }

    #[test]
    fn anything_else_is_left_to_the_other_reader() {
        for (line, words) in [
            (r#"{"org":1}"#, Some("no \"number\"")),
            (r#"{"number":"1","number":"2"}"#, Some("duplicate")),
            (r#"{"number":"1","org":-1}"#, Some("invalid value")),
            (r#"{"number":"1","org":4294967296}"#, Some("invalid value")),
            (r#"{"number":"1","org":01}"#, Some("invalid number")),
            (r#"{"number":"1","org":1.5}"#, Some("invalid type")),
            (r#"{"number":"1","org":null,"dc":null,"why":null,"max_attempts":null}"#, None),
            (r#"{"number":null}"#, Some("no \"number\"")),
            (r#"{"number":1}"#, Some("expected a string")),
            (r#"{"number":"1"}}"#, Some("trailing")),
            (r#"{"number":"1","country":"GBR"}"#, Some("country")),
            (r#"{"number":"1","at":"soon"}"#, Some("not a date")),
            (r#"{"number":"1","at":""}"#, Some("instant")),
            (r#"{"number":"1","profile":"best"}"#, Some("profile")),
            (r#"{"number":"1","max_attempts":256}"#, Some("invalid value")),
            (r#"{"number":"1","colour":"red"}"#, Some("unknown field")),
            (r#"{"number":"1""#, Some("EOF")),
            ("[", Some("got a list")),
            (r#" ["447700900123"]"#, Some("got a list")),
            (r#"{"number":"1","at":1.5e30}"#, Some("further off")),
            (r#"{"number":"1","at":[1]}"#, Some("expected seconds since 1970")),
            (r#"{"number":"1","at":1.5}"#, None),
            ("", Some("EOF")),
            (r#"{"number":"\u0031"}"#, None),
            (r#"{"number":"１"}"#, None),
            (r#"{"number":"1","at":-5}"#, None),
        ] {
            let mut last = LastInstant::default();
            assert_eq!(plain(line.as_bytes(), &mut last), None, "{line}");
            match (Question::read(line.as_bytes(), &mut last), words) {
                (Ok(_), None) => {}
                (Err(error), Some(words)) => assert!(error.contains(words), "{line}: {error}"),
                (other, _) => panic!("{line}: {other:?}"),
            }
        }
    }

    proptest! {
        /// Lines that are nearly right, whatever was done to them.
        #[test]
        fn the_two_readers_agree(
            members in proptest::collection::vec(prop_oneof![
                "\"(number|cli|dc|lrn|call_id|pci_zone)\" ?: ?\"[0-9+ a-z\\\\é]{0,6}\"",
                "\"(org|at|max_attempts)\": ?(-?[0-9]{0,20}|1e3|2\\.0|null|\"2026-01-20\")",
                "\"(why|withhold_cli)\":(true|false|null|1|tru)",
                "\"(profile|country)\":(\"(GB|xx|cost|split:1=2|)\"|null)",
            ], 0..6),
            tail in "(\\}|\\} |\\}x|)",
        ) {
            both(&format!("{{{}{tail}", members.join(",")));
        }
    }
}
