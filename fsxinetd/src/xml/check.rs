//! Whether an answer is a document that a switch may be given.
//!
//! An upstream in trouble answers with a proxy's page of apology, half a document, or a megabyte of
//! something else. None of it may become the last good answer, and none may reach the switch's own
//! parser, which believes what it reads.

use fsx_wire::xml::XmlQuery;
use quick_xml::Reader;
use quick_xml::events::{BytesStart, Event};

/// Deepest nesting; the module refuses more.
const MAX_DEPTH: usize = 64;

/// What a document says.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Kind {
    /// It has the section that was asked for, and in it the tag, where one was asked for.
    Found,
    /// It says that there is no such thing.
    NotFound,
}

/// Reads the whole of `text`, which should answer `query`. A document without the very thing asked for is
/// none: FreeSWITCH would throw it away without a word and look into the files on its disk.
///
/// # Errors
/// What is wrong, in words, with the byte where it was seen.
pub(super) fn check(text: &str, query: &XmlQuery) -> Result<Kind, String> {
    if text.trim().is_empty() {
        return Err("is empty".to_owned());
    }
    let mut reader = Reader::from_str(text);
    let mut looked = Looked {
        query,
        depth: 0,
        roots: 0,
        in_section: false,
        in_result: false,
        tag: query.tag_name.is_empty(),
        kind: None,
    };
    loop {
        let at = reader.buffer_position();
        let event = reader.read_event().map_err(|e| format!("is no XML: {e} (byte {at})"))?;
        let here = |problem: &str| format!("{problem} (byte {at})");
        match event {
            Event::Start(tag) => looked.open(&tag, true).map_err(|e| here(&e))?,
            Event::Empty(tag) => looked.open(&tag, false).map_err(|e| here(&e))?,
            Event::End(_) => {
                looked.depth -= 1;
                looked.in_result &= looked.depth >= 2;
                looked.in_section &= looked.depth >= 2;
            }
            Event::Text(text) if looked.depth == 0 && !text.trim_ascii().is_empty() => {
                return Err(here("has text outside its root element"));
            }
            Event::CData(_) | Event::GeneralRef(_) if looked.depth == 0 => {
                return Err(here("has text outside its root element"));
            }
            Event::GeneralRef(name) => known_reference(&name).map_err(|e| here(&e))?,
            Event::DocType(_) => return Err(here("has a document type")),
            Event::PI(_) => return Err(here("has a processing instruction")),
            Event::Text(_) | Event::CData(_) | Event::Comment(_) | Event::Decl(_) => {}
            Event::Eof => break,
        }
    }
    match looked.kind {
        _ if looked.depth > 0 => Err("ends inside an element".to_owned()),
        _ if looked.roots == 0 => Err("has no element".to_owned()),
        Some(Kind::Found) if !looked.tag => {
            Err(format!("has no {} in its section", query.wanted()))
        }
        Some(kind) => Ok(kind),
        None => Err(format!("has no <section name=\"{}\">", query.section)),
    }
}

struct Looked<'a> {
    query: &'a XmlQuery,
    depth: usize,
    roots: u32,
    /// Inside the section asked for.
    in_section: bool,
    in_result: bool,
    /// The tag asked for was seen there.
    tag: bool,
    kind: Option<Kind>,
}

impl Looked<'_> {
    fn open(&mut self, tag: &BytesStart<'_>, stays: bool) -> Result<(), String> {
        if self.depth == 0 {
            self.roots += 1;
            if self.roots > 1 {
                return Err("has two root elements".to_owned());
            }
        }
        let (mut name, mut status) = (None, None);
        let XmlQuery { tag_name, key_name, key_value, .. } = self.query;
        let asked_for = self.depth == 2 && self.in_section && tag.name().as_ref() == tag_name;
        self.tag |= asked_for && key_name.is_empty();
        for attribute in tag.attributes() {
            let attribute = attribute.map_err(|e| format!("has a bad attribute: {e}"))?;
            if attribute.value.contains('<') {
                return Err("has < in an attribute".to_owned());
            }
            for reference in attribute.value.split('&').skip(1) {
                let name = reference.split_once(';').map_or("", |(name, _)| name);
                known_reference(name)?;
            }
            if asked_for && attribute.key.as_ref() == key_name {
                let value = quick_xml::escape::unescape(&attribute.value);
                self.tag |= value.is_ok_and(|value| value.eq_ignore_ascii_case(key_value));
            }
            match attribute.key.as_ref() {
                "name" => name = Some(attribute.value.to_ascii_lowercase()),
                "status" => status = Some(attribute.value.to_ascii_lowercase()),
                _ => {}
            }
        }
        match (self.depth, tag.name().as_ref()) {
            (1, "section") => {
                let name = name.unwrap_or_default();
                if name == self.query.section {
                    self.kind.get_or_insert(Kind::Found);
                    self.in_section = stays;
                }
                self.in_result = stays && name == "result";
            }
            (2, "result") if self.in_result && status.as_deref() == Some("not found") => {
                self.kind = Some(Kind::NotFound);
            }
            _ => {}
        }
        if stays {
            self.depth += 1;
            if self.depth > MAX_DEPTH {
                return Err(format!("is nested deeper than {MAX_DEPTH}"));
            }
        }
        Ok(())
    }
}

/// `&name;` where a document may have it: there are no entities but XML's own.
fn known_reference(name: &str) -> Result<(), String> {
    match name {
        "lt" | "gt" | "amp" | "quot" | "apos" => Ok(()),
        _ if name.starts_with('#') => Ok(()),
        _ => Err(format!("has an unknown entity &{name};")),
    }
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
            match check(&inside(text), &query) {
                Ok(kind) => assert_eq!((expected, kind), ("found", Kind::Found), "{text}"),
                Err(said) => {
                    let why = "has no <domain name=\"a&b\"> in its section";
                    assert_eq!((expected, said.as_str()), ("none", why), "{text}");
                }
            }
        }
        let no = "<document><section name=\"result\"><result status=\"not found\"/></section></document>";
        assert_eq!(check(no, &query), Ok(Kind::NotFound));
        for text in ["<domain name='a&amp;b' x='&lol;'/>", "<domain name='a&amp;b' x='a & b'/>"] {
            let said = check(&inside(text), &query).expect_err(text);
            assert!(said.contains("unknown entity"), "{said}");
        }
    }

    fn inside(text: &str) -> String {
        format!(
            "<?xml version=\"1.0\"?><document><section name=\"directory\">{text}</section></document>\n"
        )
    }

    #[test]
    fn documents_and_what_is_none() {
        assert_eq!(
            check(&inside("<a b='1'>&amp;&#65;<![CDATA[<]]></a>"), &whole("directory")),
            Ok(Kind::Found)
        );
        let no = "<document><section name=\"result\"><result status=\"not found\"/></section></document>";
        assert_eq!(check(no, &whole("directory")), Ok(Kind::NotFound));
        let deep = inside(&("<a>".repeat(70) + &"</a>".repeat(70)));
        for (text, problem) in [
            ("", "is empty"),
            (" \n", "is empty"),
            ("null", "outside its root"),
            ("<html><body>502</body></html>", "no <section"),
            ("<!DOCTYPE a><a/>", "document type"),
            ("<a><section name='directory'>", "ends inside"),
            ("<a></b>", "is no XML"),
            ("<a/><b/>", "two root"),
            ("<a b=c/>", "bad attribute"),
            ("<a b='1' b='2'/>", "bad attribute"),
            ("<a>&nbsp;</a>", "unknown entity"),
            ("<a><?php x?></a>", "processing instruction"),
            ("{\"error\": 1}", "outside its root"),
            (&deep, "nested deeper"),
        ] {
            let said = check(text, &whole("directory")).expect_err(text);
            assert!(said.contains(problem), "{text}: {said}");
        }
        let all = inside("<domain name=\"x\"><user id='1'>ö</user></domain>");
        let end = all.trim_end().len();
        for cut in (0..end).filter(|n| all.is_char_boundary(*n)) {
            assert!(check(&all[..cut], &whole("directory")).is_err(), "cut at {cut}");
        }
    }
}
