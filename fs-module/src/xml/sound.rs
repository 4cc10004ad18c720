//! Whether a document may be given to FreeSWITCH's XML parser.
//!
//! That parser believes what it reads: it expands entities that a document defines for itself, and it
//! frees a tree by descending into it on a call thread's small stack. So what came over the socket is
//! looked through here first, in one pass and without recursion: tags balanced, nesting bounded, no
//! DTD, nothing beside text, elements, comments and CDATA.

use fsx_wire::xml::XmlQuery;

/// Deepest nesting. FreeSWITCH's own directories have about ten levels.
const MAX_DEPTH: usize = 64;

/// What a sound document is.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Kind {
    /// It has the section that was asked for, and in it the tag, where one was asked for.
    Found,
    /// It says that there is no such thing.
    NotFound,
}

/// Looks through `text`, which should answer `query`. A document without the very thing asked for is none:
/// FreeSWITCH would throw it away without a word and look into the files on its disk.
///
/// # Errors
/// In words, with the byte where it stopped.
pub(super) fn look(text: &str, query: &XmlQuery) -> Result<Kind, String> {
    let tag = query.tag_name.is_empty();
    let mut scan = Scan { text, at: 0, open: Vec::new(), root_seen: false, kind: None, query, tag };
    scan.run().map_err(|problem| format!("{problem} at byte {}", scan.at))?;
    match scan.kind {
        Some(Kind::Found) if !scan.tag => Err(format!("has no {} in its section", query.wanted())),
        Some(kind) => Ok(kind),
        None => Err(format!("has no <section name=\"{}\">", query.section)),
    }
}

/// Which section an element is, of those that matter.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Of {
    /// The one that was asked for.
    Wanted,
    /// The one for results.
    Result,
    /// Another element.
    Other,
}

/// Whether an attribute's value is `wanted`, in any case, as FreeSWITCH compares them.
fn is(value: &str, wanted: &str) -> bool {
    let Some((before, mut rest)) = value.split_once('&') else {
        return value.eq_ignore_ascii_case(wanted);
    };
    let mut plain = before.to_owned();
    loop {
        // No reference that XML has: not what anybody asks for.
        let Some((sign, after)) = rest.split_once(';').and_then(|(n, r)| Some((sign(n)?, r)))
        else {
            return false;
        };
        plain.push(sign);
        match after.split_once('&') {
            Some((text, next)) => {
                plain.push_str(text);
                rest = next;
            }
            None => {
                plain.push_str(after);
                return plain.eq_ignore_ascii_case(wanted);
            }
        }
    }
}

/// What `&name;` stands for.
fn sign(name: &str) -> Option<char> {
    let code = match name {
        "lt" => return Some('<'),
        "gt" => return Some('>'),
        "quot" => return Some('"'),
        "apos" => return Some('\''),
        "amp" => return Some('&'),
        _ => name.strip_prefix('#')?,
    };
    let code = match code.strip_prefix('x') {
        Some(hex) => u32::from_str_radix(hex, 16),
        None => code.parse(),
    };
    code.ok().and_then(char::from_u32).filter(|sign| *sign != '\0')
}

struct Scan<'a> {
    text: &'a str,
    at: usize,
    /// Names of the elements that are open, and which sections they are.
    open: Vec<(&'a str, Of)>,
    root_seen: bool,
    kind: Option<Kind>,
    query: &'a XmlQuery,
    /// The tag asked for was seen in its section.
    tag: bool,
}

impl<'a> Scan<'a> {
    fn run(&mut self) -> Result<(), &'static str> {
        if self.text.bytes().any(|b| b < 0x20 && !matches!(b, b'\t' | b'\n' | b'\r')) {
            return Err("has control characters");
        }
        self.skip_while(|c| c.is_ascii_whitespace());
        if self.rest().starts_with("<?xml") {
            self.skip_past("?>")?;
        }
        while !self.rest().is_empty() {
            if self.open.is_empty() {
                self.skip_while(|c| c.is_ascii_whitespace());
                if self.rest().is_empty() {
                    break;
                }
                if !self.rest().starts_with('<') {
                    return Err("has text outside its root element");
                }
            } else {
                self.skip_while(|c| c != '<');
                if self.rest().is_empty() {
                    break;
                }
            }
            self.markup()?;
        }
        match (self.open.is_empty(), self.root_seen) {
            (false, _) => Err("ends inside an element"),
            (true, false) => Err("is empty"),
            (true, true) => Ok(()),
        }
    }

    /// One piece that begins with `<`.
    fn markup(&mut self) -> Result<(), &'static str> {
        let rest = self.rest();
        if rest.starts_with("<!--") {
            return self.skip_past("-->");
        }
        if rest.starts_with("<![CDATA[") && !self.open.is_empty() {
            return self.skip_past("]]>");
        }
        if rest.starts_with("<!") {
            return Err("has a document type");
        }
        if rest.starts_with("<?") {
            return Err("has a processing instruction");
        }
        if let Some(after) = rest.strip_prefix("</") {
            let name = name(after);
            let (open, _) = self.open.pop().ok_or("closes what is not open")?;
            if name != open {
                return Err("closes another element than the last opened");
            }
            self.at += 2 + name.len();
            self.skip_while(|c| c.is_ascii_whitespace());
            return self.take('>');
        }
        self.element()
    }

    fn element(&mut self) -> Result<(), &'static str> {
        let name = name(self.rest().get(1..).unwrap_or_default());
        if name.is_empty() {
            return Err("has a tag without a name");
        }
        if self.open.is_empty() && self.root_seen {
            return Err("has two root elements");
        }
        self.root_seen = true;
        self.at += 1 + name.len();
        let (mut of, mut status) = (Of::Other, None);
        let query = self.query;
        let inside = |of| self.open.len() == 2 && self.open.last().is_some_and(|(_, o)| *o == of);
        let asked_for = inside(Of::Wanted) && name == query.tag_name;
        self.tag |= asked_for && query.key_name.is_empty();
        loop {
            let before = self.at;
            self.skip_while(|c| c.is_ascii_whitespace());
            if self.rest().starts_with("/>") {
                self.at += 2;
                self.seen(name, status);
                return Ok(());
            }
            if self.rest().starts_with('>') {
                self.at += 1;
                self.seen(name, status);
                if self.open.len() >= MAX_DEPTH {
                    return Err("is nested too deep");
                }
                self.open.push((name, of));
                return Ok(());
            }
            if self.at == before {
                return Err("has a tag that is none");
            }
            let (attribute, value) = self.attribute()?;
            if self.open.len() == 1 && name == "section" && attribute == "name" {
                if value.eq_ignore_ascii_case(&query.section) {
                    self.kind.get_or_insert(Kind::Found);
                    of = Of::Wanted;
                } else if value.eq_ignore_ascii_case("result") {
                    of = Of::Result;
                }
            }
            if asked_for && attribute == query.key_name {
                self.tag |= is(value, &query.key_value);
            }
            if attribute == "status" {
                status = Some(value);
            }
        }
    }

    /// A start tag is complete: `<result status="not found"/>` in its section is the answer "no".
    fn seen(&mut self, name: &str, status: Option<&str>) {
        let inside_result =
            self.open.len() == 2 && self.open.last().is_some_and(|(_, of)| *of == Of::Result);
        let not_found = status.is_some_and(|status| status.eq_ignore_ascii_case("not found"));
        if inside_result && name == "result" && not_found {
            self.kind = Some(Kind::NotFound);
        }
    }

    fn attribute(&mut self) -> Result<(&'a str, &'a str), &'static str> {
        let attribute = name(self.rest());
        if attribute.is_empty() {
            return Err("has a tag that is none");
        }
        self.at += attribute.len();
        self.skip_while(|c| c.is_ascii_whitespace());
        self.take('=')?;
        self.skip_while(|c| c.is_ascii_whitespace());
        let quote = self.rest().chars().next().filter(|c| matches!(c, '"' | '\''));
        let quote = quote.ok_or("has an attribute without quotes")?;
        self.at += 1;
        let rest = self.rest();
        let end = rest.find(quote).ok_or("has an attribute without an end")?;
        let value = rest.get(..end).unwrap_or_default();
        if value.contains('<') {
            return Err("has < in an attribute");
        }
        self.at += end + 1;
        Ok((attribute, value))
    }

    fn rest(&self) -> &'a str {
        self.text.get(self.at..).unwrap_or_default()
    }

    fn skip_while(&mut self, wanted: impl Fn(char) -> bool) {
        let rest = self.rest();
        self.at += rest.find(|c| !wanted(c)).unwrap_or(rest.len());
    }

    fn skip_past(&mut self, end: &str) -> Result<(), &'static str> {
        let found = self.rest().find(end).ok_or("ends too early")?;
        self.at += found + end.len();
        Ok(())
    }

    fn take(&mut self, wanted: char) -> Result<(), &'static str> {
        if !self.rest().starts_with(wanted) {
            return Err("has a tag that is none");
        }
        self.at += wanted.len_utf8();
        Ok(())
    }
}

/// The name that `text` begins with; empty where it begins with none.
fn name(text: &str) -> &str {
    let starts = |c: char| c.is_alphabetic() || matches!(c, '_' | ':');
    if !text.starts_with(starts) {
        return "";
    }
    let end = text.find(|c: char| !(c.is_alphanumeric() || matches!(c, '_' | ':' | '-' | '.')));
    text.get(..end.unwrap_or(text.len())).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Asks for the whole section.
    fn whole(section: &str) -> XmlQuery {
        XmlQuery { section: section.to_owned(), ..XmlQuery::default() }
    }

    #[test]
    fn a_document_without_what_was_asked_for_is_none() {
        let query = XmlQuery {
            tag_name: "domain".to_owned(),
            key_name: "name".to_owned(),
            key_value: "a&b".to_owned(),
            ..whole("directory")
        };
        let cases = include_str!("../../../crates/wire/testdata/wanted.txt");
        for case in cases.lines().filter(|line| !line.starts_with('#')) {
            let (expected, text) = case.split_once(' ').unwrap_or((case, ""));
            match look(&inside(text), &query) {
                Ok(kind) => assert_eq!((expected, kind), ("found", Kind::Found), "{text}"),
                Err(said) => {
                    let why = "has no <domain name=\"a&b\"> in its section";
                    assert_eq!((expected, said.as_str()), ("none", why), "{text}");
                }
            }
        }
    }

    fn inside(text: &str) -> String {
        format!(
            "<document type=\"freeswitch/xml\"><section name=\"directory\">{text}</section></document>"
        )
    }

    #[test]
    fn sound_documents() {
        for text in [
            inside(""),
            inside("<domain name='a &amp; b > c'><!-- < --><![CDATA[<x>]]>text</domain>"),
            format!("\n<?xml version=\"1.0\"?>\n{}\n<!-- end -->\n", inside("<a/><b c=\"1\" />")),
            "<d><section name=\"dialplan\"/><section x='1' name=\"Directory\"/></d>".to_owned(),
        ] {
            assert_eq!(look(&text, &whole("directory")), Ok(Kind::Found), "{text}");
        }
        let no = "<document><section name=\"result\"><result status=\"not found\"/></section></document>";
        assert_eq!(look(no, &whole("directory")), Ok(Kind::NotFound));
    }

    #[test]
    fn what_would_harm_or_mean_nothing_is_refused() {
        let deep = inside(&("<a>".repeat(70) + &"</a>".repeat(70)));
        for (text, problem) in [
            ("", "is empty"),
            ("hello", "text outside"),
            ("<html><body>502</body></html>", "has no <section"),
            ("<!DOCTYPE a [<!ENTITY b \"c\">]><a/>", "document type"),
            ("<a><section name='directory'>", "ends inside"),
            ("<a></b>", "closes another"),
            ("</a>", "closes what is not open"),
            ("<a/><b/>", "two root elements"),
            ("<a b=c/>", "without quotes"),
            ("<a b=\"c/>", "without an end"),
            ("<a b=\"<\"/>", "has <"),
            ("<a b=\"1\"c=\"2\"/>", "a tag that is none"),
            ("<a><?php x?></a>", "processing instruction"),
            ("<a><!-- </a>", "ends too early"),
            ("<a>\u{1}</a>", "control characters"),
            ("<", "without a name"),
            ("<a", "a tag that is none"),
            (&deep, "too deep"),
        ] {
            let said = look(text, &whole("directory")).expect_err(text);
            assert!(said.contains(problem), "{text}: {said}");
        }
        // No cut of a sound document is one, and none makes it panic.
        let all = inside("<domain name=\"ä\"><user id='1'>ö<![CDATA[x]]></user></domain>");
        for cut in (0..all.len()).filter(|n| all.is_char_boundary(*n)) {
            assert!(look(&all[..cut], &whole("directory")).is_err(), "cut at {cut}");
        }
    }
}
