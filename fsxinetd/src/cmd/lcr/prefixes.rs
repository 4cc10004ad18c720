//! Runs of numbers as prefixes, and back.

use fsx_core::digits::{Key, MAX_E164, POW11};

/// One past the last number.
pub(super) const END: Key = Key(POW11[MAX_E164]);

/// The digits of a key, up to its first pad.
pub(super) fn digits(key: Key) -> String {
    let mut rest = key.0;
    let mut digits = String::with_capacity(MAX_E164);
    for place in (0..MAX_E164).rev() {
        match rest / POW11[place] {
            0 => break,
            digit => digits.push(char::from(b'0' + (digit as u8).saturating_sub(1).min(9))),
        }
        rest %= POW11[place];
    }
    digits
}

/// The fewest prefixes that together cover `[from, to)`. A number that is exactly a prefix, with no
/// digit after it, is no destination and is left out.
pub(super) fn cover(from: Key, to: Key, out: &mut Vec<String>) {
    let mut at = from;
    while at < to {
        let text = digits(at);
        // The whole numbering space has no prefix of its own: ten begin it.
        if !text.is_empty() && at.end(text.len()) <= to {
            at = at.end(text.len());
            out.push(text);
        } else if text.len() < MAX_E164 {
            // Into its first child.
            at = Key(at.0 + POW11[MAX_E164 - text.len() - 1]);
        } else {
            break;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn runs_are_few_prefixes() {
        let cover = |from: &[u8], to: Key| {
            let mut out = Vec::new();
            super::cover(Key::of(from), to, &mut out);
            out.join(" ")
        };
        assert_eq!(cover(b"4477", Key::of(b"4478")), "4477");
        assert_eq!(cover(b"44", Key::of(b"4402")), "4400 4401");
        assert_eq!(cover(b"4498", Key::of(b"451")), "4498 4499 450");
        assert_eq!(cover(b"9", END), "9");
        assert_eq!(cover(b"", END), "0 1 2 3 4 5 6 7 8 9");
        assert_eq!(digits(Key::of(b"447700900123")), "447700900123");
        assert_eq!(digits(Key(0)), "");
        assert_eq!(digits(Key::of(b"4499").end(4)), "45");
    }
}
