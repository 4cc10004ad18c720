//! Configuration files with names to fill in: `@SIP_PORT@`.
//!
//! An at-sign pair round capitals means nothing to FreeSWITCH, OpenSIPS, SIPp, TOML or SQL, so a
//! template stays readable as what it is. A name that nobody filled in is an error, never an empty
//! string that a switch takes for a default.

use std::collections::BTreeMap;

/// Names and what they stand for.
pub type Words = BTreeMap<String, String>;

/// Fills in every `@NAME@` of `text`; `from` names the template in errors.
///
/// # Panics
/// When a name stands for nothing.
#[must_use]
pub fn fill(from: &str, text: &str, words: &Words) -> String {
    let mut out = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(at) = rest.find('@') {
        let (before, after) = rest.split_at(at);
        out.push_str(before);
        let name_len = after[1..]
            .bytes()
            .take_while(|b| b.is_ascii_uppercase() || b.is_ascii_digit() || *b == b'_')
            .count();
        let name = &after[1..=name_len];
        // `user@HOST:5060` has no closing sign and is left as it is.
        if name_len > 0 && after[1 + name_len..].starts_with('@') {
            match words.get(name) {
                Some(value) => out.push_str(value),
                None => panic!("{from}: @{name}@ stands for nothing; known: {:?}", words.keys()),
            }
            rest = &after[name_len + 2..];
        } else {
            out.push('@');
            rest = &after[1..];
        }
    }
    out.push_str(rest);
    out
}

/// Shorthand for [`Words`] from pairs.
#[must_use]
pub fn words<const N: usize>(pairs: [(&str, String); N]) -> Words {
    pairs.into_iter().map(|(name, value)| (name.to_owned(), value)).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn fills_in_and_leaves_addresses_alone() {
        let words = words([("PORT", "5060".to_owned()), ("A1", "x".to_owned())]);
        assert_eq!(
            fill("t", "sip:[service]@[remote_ip]:@PORT@ a@HOST:1 @A1@@A1@ @", &words),
            "sip:[service]@[remote_ip]:5060 a@HOST:1 xx @"
        );
    }

    #[test]
    #[should_panic(expected = "opensips.cfg: @NOBODY@ stands for nothing")]
    fn a_name_that_stands_for_nothing_is_an_error() {
        let _ = fill("opensips.cfg", "socket=udp:127.0.0.1:@NOBODY@", &Words::new());
    }
}
