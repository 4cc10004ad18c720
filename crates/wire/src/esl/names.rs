//! Names of headers, kept once for all calls.
//!
//! Ten thousand calls that are held have the same hundred and seventy names each, which are half of
//! what a switch says of a call. Names are never forgotten, so there is room for so many and no more:
//! callers can make names up (`sip_h_X-...`).

use std::collections::HashMap;
use std::sync::{LazyLock, PoisonError, RwLock};

/// Most names that are kept.
const MOST: usize = 4_096;

/// Longest name that is kept, in bytes.
const LONGEST: usize = 80;

/// A name that is kept; small, and as good as the name for telling whether two are the same.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Name(u32);

#[derive(Default)]
struct Names {
    by_text: HashMap<&'static str, Name>,
    all: Vec<&'static str>,
}

static NAMES: LazyLock<RwLock<Names>> = LazyLock::new(RwLock::default);

impl Name {
    /// The name for `text`, which is kept from now on; `None` where there is no room for it.
    pub(super) fn of(text: &str) -> Option<Self> {
        if let Some(known) = Self::known(text) {
            return Some(known);
        }
        let mut names = NAMES.write().unwrap_or_else(PoisonError::into_inner);
        // Somebody may have been quicker.
        if let Some(known) = names.by_text.get(text) {
            return Some(*known);
        }
        if names.all.len() >= MOST || text.len() > LONGEST {
            return None;
        }
        let name = Self(u32::try_from(names.all.len()).ok()?);
        let text: &'static str = Box::leak(Box::from(text));
        names.all.push(text);
        names.by_text.insert(text, name);
        Some(name)
    }

    /// The name for `text` where it is kept.
    pub(super) fn known(text: &str) -> Option<Self> {
        NAMES.read().unwrap_or_else(PoisonError::into_inner).by_text.get(text).copied()
    }

    /// The name itself.
    pub(super) fn text(self) -> &'static str {
        let names = NAMES.read().unwrap_or_else(PoisonError::into_inner);
        names.all.get(self.0 as usize).copied().unwrap_or("")
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::esl::{ChannelData, Decoder, Limits};

    #[test]
    fn names_past_the_room_are_names_all_the_same() {
        let long = "x".repeat(LONGEST + 1);
        assert_eq!((Name::of(&long), Name::known(&long)), (None, None));
        let mut text = String::from("Content-Type: command/reply\n");
        for n in 0..MOST + 100 {
            text.push_str(&format!("variable_n{n}: v%20{n}\n"));
        }
        text.push_str(&format!("variable_{long}: long\nUnique-ID: 1\n\n"));
        let mut decoder = Decoder::new(Limits { header: 1 << 20, ..Limits::default() });
        decoder.feed(text.as_bytes());
        let data = ChannelData::new(&decoder.next_frame().expect("fine").expect("whole"));
        for n in 0..MOST + 100 {
            assert_eq!(data.variable(&format!("N{n}")), Some(format!("v {n}").as_str()));
        }
        assert_eq!((data.variable(&long), data.uuid()), (Some("long"), "1"));
        assert_eq!(data.variables().count(), MOST + 101);
        assert!(data.variables().all(|(name, value)| data.variable(name) == Some(value)));
        let kept = |n: &usize| Name::known(&format!("variable_n{n}")).is_some();
        let kept = (0..MOST + 100).filter(kept).count();
        assert!(kept <= MOST && kept > MOST / 2, "{kept}");
    }
}
