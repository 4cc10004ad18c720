//! Documents of our own: refusals, and the way of an emergency call.
//!
//! FreeSWITCH takes "no document" for "look into the files on disk". Where that is not wanted, an
//! answer must be given that has the section asked for, and in it nothing to be found.

use fsx_wire::xml::XmlQuery;

use crate::{api::xml::escaped, vars::out};

/// The cause of calls refused for want of a dialplan: whoever sent the call may try another switch.
const REFUSED: &str = "NORMAL_TEMPORARY_FAILURE";

/// An answer in which what was asked for is not, so that no other source is asked.
pub(super) fn refusal(query: &XmlQuery) -> String {
    let inside = match query.section.as_str() {
        // A context that has nothing would be left without a word: this one says why.
        "dialplan" => context(
            query,
            "fsx_no_answer",
            &format!(
                "<action application=\"set\" data=\"{}=no dialplan: fsxinetd has no answer\"/>\
                 <action application=\"hangup\" data=\"{REFUSED}\"/>",
                out::REASON
            ),
        ),
        // The domain without its users, the configuration without its settings.
        _ if is_name(&query.tag_name) && is_name(&query.key_name) => {
            format!("<{} {}=\"{}\"/>", query.tag_name, query.key_name, escaped(&query.key_value))
        }
        _ => String::new(),
    };
    document(&query.section, &inside)
}

/// The dialplan of an emergency call, which waits for nobody.
pub(super) fn emergency(query: &XmlQuery) -> String {
    let actions = format!(
        "<action application=\"fsx_bridge\"/><action application=\"hangup\" data=\"${{{}}}\"/>",
        out::CAUSE
    );
    document("dialplan", &context(query, "fsx_emergency", &actions))
}

fn context(query: &XmlQuery, extension: &str, actions: &str) -> String {
    let name = query.param("Hunt-Context").or_else(|| query.param("Caller-Context"));
    format!(
        "<context name=\"{}\"><extension name=\"{extension}\"><condition>{actions}</condition>\
         </extension></context>",
        escaped(name.unwrap_or("default"))
    )
}

fn document(section: &str, inside: &str) -> String {
    format!(
        "<document type=\"freeswitch/xml\"><section name=\"{}\">{inside}</section></document>",
        escaped(section)
    )
}

/// A name that XML allows for a tag or an attribute.
fn is_name(text: &str) -> bool {
    text.starts_with(|c: char| c.is_ascii_alphabetic())
        && text.chars().all(|c| c.is_ascii_alphanumeric() || matches!(c, '_' | '-'))
}

#[cfg(test)]
mod tests {
    use super::{
        super::sound::{Kind, look},
        *,
    };

    fn query(section: &str, tag: &str, key: &str, value: &str) -> XmlQuery {
        let [section, tag_name, key_name, key_value] =
            [section, tag, key, value].map(str::to_owned);
        let params = vec![("Hunt-Context".to_owned(), "a\"b&c".to_owned())];
        XmlQuery { section, tag_name, key_name, key_value, params, ..XmlQuery::default() }
    }

    #[test]
    fn our_own_documents_are_sound() {
        for query in [
            query("directory", "domain", "name", "a\"<b"),
            query("directory", "", "", ""),
            query("configuration", "configuration", "name", "acl.conf"),
            query("dialplan", "", "", ""),
            query("directory", "a b", "<", "x"),
        ] {
            let text = refusal(&query);
            // A tag that XML does not allow cannot be in it.
            let asked = match is_name(&query.tag_name) {
                true => query,
                false => XmlQuery { section: query.section, ..XmlQuery::default() },
            };
            assert_eq!(look(&text, &asked), Ok(Kind::Found), "{text}");
        }
        let dialplan = query("dialplan", "", "", "");
        let text = emergency(&dialplan);
        assert_eq!(look(&text, &dialplan), Ok(Kind::Found));
        assert!(text.contains("<context name=\"a&quot;b&amp;c\">"), "{text}");
    }
}
