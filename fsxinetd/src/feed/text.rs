//! Texts from a database, as the values that rows hold.

use fsx_core::{Nano, money::MoneyError};

/// Yes or no. `YES`, `Y`, `TRUE`, `1` and a set bit are yes; null is `or`.
pub(crate) fn yes(text: Option<&[u8]>, or: bool) -> bool {
    match text {
        None => or,
        Some(t) => {
            let t = t.trim_ascii();
            t == b"1"
                || t == [1]
                || [&b"yes"[..], b"y", b"true", b"on"].iter().any(|w| t.eq_ignore_ascii_case(w))
        }
    }
}

/// The same, where another word is neither: `None` for `maybe`. An empty text is no, as in a column of
/// MariaDB's that was given a word it does not have.
pub(super) fn yes_or_no(text: Option<&[u8]>, or: bool) -> Option<bool> {
    if yes(text, or) {
        return Some(true);
    }
    let Some(word) = text.map(<[u8]>::trim_ascii) else { return Some(false) };
    let no = word.is_empty()
        || word == b"0"
        || word == [0]
        || [&b"no"[..], b"n", b"false", b"off"].iter().any(|w| word.eq_ignore_ascii_case(w));
    no.then_some(false)
}

/// A whole number; `None` for null and for anything else.
pub(crate) fn whole<T: std::str::FromStr>(text: Option<&[u8]>) -> Option<T> {
    std::str::from_utf8(text?.trim_ascii()).ok()?.parse().ok()
}

/// The text; null is empty, and what is not UTF-8 is replaced, so that the builder names it.
pub(crate) fn words(text: Option<&[u8]>) -> String {
    text.map(|t| String::from_utf8_lossy(t).into_owned()).unwrap_or_default()
}

/// Decimal text without an exponent. A column that holds binary fractions shows small ones as
/// `1.0e-06`; the point is moved, digit for digit, and nothing is calculated.
pub(crate) fn decimal(text: Option<&[u8]>) -> String {
    let text = words(text);
    let Some(at) = text.find(['e', 'E']) else { return text };
    let (mantissa, exponent) = (&text[..at], &text[at + 1..]);
    let Ok(shift @ -40..=40) = exponent.parse::<i32>() else { return text };
    let (sign, mantissa) = match mantissa.strip_prefix('-') {
        Some(rest) => ("-", rest),
        None => ("", mantissa.trim_start_matches('+')),
    };
    let (whole, fraction) = mantissa.split_once('.').unwrap_or((mantissa, ""));
    if !whole.bytes().chain(fraction.bytes()).all(|b| b.is_ascii_digit()) {
        return text;
    }
    let digits = format!("{whole}{fraction}");
    let point = whole.len() as i32 + shift;
    if point <= 0 {
        return format!("{sign}0.{}{digits}", "0".repeat(point.unsigned_abs() as usize));
    }
    let point = point as usize;
    match digits.len().checked_sub(point) {
        Some(0) => format!("{sign}{digits}"),
        Some(_) => format!("{sign}{}.{}", &digits[..point], &digits[point..]),
        None => format!("{sign}{digits}{}", "0".repeat(point - digits.len())),
    }
}

/// Money as the live table keeps it.
pub(super) fn money(text: Option<&[u8]>) -> Result<Nano, MoneyError> {
    Nano::parse(&decimal(text))
}

/// An instant in seconds since 1970 UTC, from `YYYY-MM-DD[ T]HH:MM:SS[.fff][Z]`, `YYYY-MM-DD` or
/// whole seconds. Null, empty and MySQL's zero date are the beginning of time.
///
/// # Errors
/// What is wrong, in words.
pub fn instant(text: Option<&[u8]>) -> Result<i64, String> {
    let text = words(text);
    let text = text.trim();
    if text.is_empty() || text.starts_with("0000-00-00") {
        return Ok(0);
    }
    if let Ok(seconds) = text.parse::<i64>() {
        return Ok(seconds);
    }
    if let Ok(at) = text.parse::<jiff::Timestamp>() {
        return Ok(at.as_second());
    }
    text.trim_end_matches('Z')
        .parse::<jiff::civil::DateTime>()
        .map_err(|_| format!("\"{text}\" is not a date and time"))
        .and_then(|at| {
            at.to_zoned(jiff::tz::TimeZone::UTC)
                .map(|z| z.timestamp().as_second())
                .map_err(|_| format!("\"{text}\" is out of range"))
        })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn yes_in_every_spelling() {
        for t in ["YES", "yes", "Y", "1", "true", " Yes ", "\u{1}"] {
            assert!(yes(Some(t.as_bytes()), false), "{t:?}");
        }
        for t in ["NO", "0", "", "false", "\0", "maybe"] {
            assert!(!yes(Some(t.as_bytes()), true), "{t:?}");
        }
        assert!(yes(None, true) && !yes(None, false));
    }

    #[test]
    fn a_word_that_is_neither_yes_nor_no_is_neither() {
        for word in ["maybe", "enabled", "t", "2", "\u{ff}", "yes please"] {
            assert_eq!(yes_or_no(Some(word.as_bytes()), true), None, "{word:?}");
        }
        for word in ["NO", "n", "False", " off ", "0", "\0", ""] {
            assert_eq!(yes_or_no(Some(word.as_bytes()), true), Some(false), "{word:?}");
        }
        assert_eq!(yes_or_no(Some(b"Yes"), false), Some(true));
        assert_eq!((yes_or_no(None, true), yes_or_no(None, false)), (Some(true), Some(false)));
    }

    #[test]
    fn exponents_move_the_point_exactly() {
        for (from, to) in [
            ("1.0e-06", "0.0000010"),
            ("2.5e-05", "0.000025"),
            ("-1e-3", "-0.001"),
            ("1.25E+2", "125"),
            ("1.25e+1", "12.5"),
            ("5e2", "500"),
            ("0.0125", "0.0125"),
            ("1e", "1e"),
            ("abce1", "abce1"),
            ("1e999", "1e999"),
        ] {
            assert_eq!(decimal(Some(from.as_bytes())), to);
        }
    }

    #[test]
    fn instants_in_the_spellings_of_both_engines() {
        for (text, at) in [
            ("2026-01-20 10:00:00", 1_768_903_200),
            ("2026-01-20T10:00:00Z", 1_768_903_200),
            ("2026-01-20 10:00:00.000000", 1_768_903_200),
            ("2026-01-20T11:00:00+01:00", 1_768_903_200),
            ("2026-01-20", 1_768_867_200),
            ("1768903200", 1_768_903_200),
            ("", 0),
            ("0000-00-00 00:00:00", 0),
        ] {
            assert_eq!(instant(Some(text.as_bytes())), Ok(at), "{text}");
        }
        assert_eq!(instant(None), Ok(0));
        assert!(instant(Some(b"soon")).is_err());
    }
}
