//! Called numbers in a manifest: `"+442079460000"`, or `"+4420794601*"` for all that begin so.
//!
//! A number is the same number however it was dialled internationally: `+44…`, `0044…` and `44…`.

use std::fmt;

/// One number or the beginning of many.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Pattern {
    digits: String,
    /// More may follow.
    open: bool,
    text: String,
}

impl Pattern {
    /// Reads it.
    ///
    /// # Errors
    /// What was expected.
    pub(super) fn parse(text: &str) -> Result<Self, &'static str> {
        let expected = "expected digits, as in \"+442079460000\", or a beginning, as in \"+4420*\"";
        let (number, open) = match text.strip_suffix('*') {
            Some(number) => (number, true),
            None => (text, false),
        };
        let plain = |c: char| c.is_ascii_digit() || " +-.()".contains(c);
        let digits = digits(number);
        if digits.is_empty() || digits.len() > 32 || !number.chars().all(plain) {
            return Err(expected);
        }
        Ok(Self { digits, open, text: text.to_owned() })
    }

    /// The more particular pattern has the greater rank: a whole number before a beginning, a
    /// longer beginning before a shorter.
    pub(super) fn rank(&self) -> (bool, usize) {
        (!self.open, self.digits.len())
    }

    /// Whether a called number is one of these.
    #[must_use]
    pub(super) fn matches(&self, called: &str) -> bool {
        let called = digits(called);
        if self.open { called.starts_with(&self.digits) } else { called == self.digits }
    }
}

impl fmt::Display for Pattern {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

/// The digits, without what says that they are international.
fn digits(number: &str) -> String {
    let digits: String = number.chars().filter(char::is_ascii_digit).collect();
    match digits.strip_prefix("00") {
        Some(rest) => rest.to_owned(),
        None => digits,
    }
}

#[cfg(test)]
mod tests {
    use super::Pattern;

    #[test]
    fn however_it_was_dialled() {
        let whole = Pattern::parse("+44 20 7946 0000").expect("a number");
        for called in ["+442079460000", "00442079460000", "442079460000"] {
            assert!(whole.matches(called), "{called}");
        }
        for called in ["", "+4420794600001", "02079460000", "anonymous"] {
            assert!(!whole.matches(called), "{called}");
        }
        let open = Pattern::parse("+4420*").expect("a beginning");
        assert!(open.matches("0044201") && open.matches("4420") && !open.matches("4421"));
        assert!(whole.rank() > open.rank());
        for bad in ["", "*", "+", "sales", "+44*20", "12ab"] {
            assert!(Pattern::parse(bad).is_err(), "{bad}");
        }
    }
}
