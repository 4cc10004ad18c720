//! Which OpenSIPS is this, and do we know it?
//!
//! OpenSIPS changes structures inside a stable series (3.3.9, 3.4.3 and 3.6.7 did), so a module
//! built for one patch release can corrupt the memory of the next. Its own check, an equal version
//! string, exists to stop that; one binary for many releases takes the check's place and must be at
//! least as strict. So: the releases below were each looked at, and everything else is refused.

/// How a release lays out the tables that a module exports.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Layout {
    /// 3.3: no version-control pair in `module_exports`, 11 recipes of 10 parameters an MI command.
    V33,
    /// 3.4 to 3.6: the pair, 48 recipes.
    V34,
    /// 4.0: the pair, 48 recipes of 20 parameters, 4 aliases; MI names live under their module's.
    V40,
}

impl Layout {
    /// Words of `module_exports` before `dlflags`.
    #[must_use]
    pub const fn header_words(self) -> usize {
        match self {
            Self::V33 => 4,
            Self::V34 | Self::V40 => 6,
        }
    }

    /// Parameters that one MI recipe can name.
    #[must_use]
    pub const fn mi_params(self) -> usize {
        match self {
            Self::V33 | Self::V34 => 10,
            Self::V40 => 20,
        }
    }

    /// Recipes that one MI command can have.
    #[must_use]
    pub const fn mi_recipes(self) -> usize {
        match self {
            Self::V33 => 11,
            Self::V34 | Self::V40 => 48,
        }
    }

    /// Aliases that one MI command can have.
    #[must_use]
    pub const fn mi_aliases(self) -> usize {
        match self {
            Self::V33 | Self::V34 => 0,
            Self::V40 => 4,
        }
    }

    /// Words of one `mi_export_t`: name, help, flags, init, recipes, aliases.
    #[must_use]
    pub const fn mi_export_words(self) -> usize {
        4 + self.mi_recipes() * (1 + self.mi_params()) + self.mi_aliases()
    }
}

// The sizes measured against the headers.
const _: () = {
    assert!(Layout::V33.mi_export_words() * 8 == 1000);
    assert!(Layout::V34.mi_export_words() * 8 == 4256);
    assert!(Layout::V40.mi_export_words() * 8 == 8128);
};

/// A series whose patch releases up to `last_patch` have been looked at.
struct Series {
    major: u16,
    minor: u16,
    last_patch: u16,
    layout: Layout,
}

/// Every release that this module serves.
const KNOWN: &[Series] = &[
    Series { major: 3, minor: 3, last_patch: 10, layout: Layout::V33 },
    Series { major: 3, minor: 4, last_patch: 18, layout: Layout::V34 },
    Series { major: 3, minor: 5, last_patch: 9, layout: Layout::V34 },
    Series { major: 3, minor: 6, last_patch: 8, layout: Layout::V34 },
    Series { major: 4, minor: 0, last_patch: 1, layout: Layout::V40 },
];

/// The version text that a module shows when it refuses its host. OpenSIPS prints it in its own
/// "module version mismatch" line, which is how the operator gets to read it.
pub const REFUSAL: &core::ffi::CStr = c"unsupported (this fsx serves OpenSIPS 3.3.0 to 3.3.10, \
3.4.0 to 3.4.18, 3.5.0 to 3.5.9, 3.6.0 to 3.6.8 and 4.0.0 to 4.0.1)";

/// A release of OpenSIPS that we know.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Release {
    /// `3` of 3.6.8.
    pub major: u16,
    /// `6` of 3.6.8.
    pub minor: u16,
    /// `8` of 3.6.8.
    pub patch: u16,
    /// Its layout.
    pub layout: Layout,
}

impl Release {
    /// Recognises a host by its full version text, as in `opensips 3.6.8 (x86_64/linux)`. Betas,
    /// release candidates, development trees and renamed forks are not known.
    #[must_use]
    pub fn recognise(version: &[u8]) -> Option<Self> {
        let text = core::str::from_utf8(version).ok()?;
        let (number, _arch_and_os) = text.strip_prefix("opensips ")?.split_once(" (")?;
        let mut parts = number.split('.').map(decimal);
        let (major, minor, patch) = (parts.next()??, parts.next()??, parts.next()??);
        if parts.next().is_some() {
            return None;
        }
        KNOWN
            .iter()
            .find(|s| s.major == major && s.minor == minor && patch <= s.last_patch)
            .map(|s| Self { major, minor, patch, layout: s.layout })
    }
}

/// Digits only: `u16::from_str` would also take a sign.
fn decimal(text: &str) -> Option<u16> {
    (!text.is_empty() && text.bytes().all(|b| b.is_ascii_digit())).then(|| text.parse().ok())?
}

#[cfg(test)]
mod tests {
    use super::*;

    fn layout(version: &str) -> Option<Layout> {
        Release::recognise(version.as_bytes()).map(|r| r.layout)
    }

    #[test]
    fn known_releases_by_their_full_text() {
        assert_eq!(layout("opensips 3.3.0 (x86_64/linux)"), Some(Layout::V33));
        assert_eq!(layout("opensips 3.4.18 (x86_64/linux)"), Some(Layout::V34));
        assert_eq!(layout("opensips 3.5.9 (aarch64/linux)"), Some(Layout::V34));
        assert_eq!(layout("opensips 3.6.8 (x86_64/linux)"), Some(Layout::V34));
        assert_eq!(layout("opensips 4.0.1 (x86_64/linux)"), Some(Layout::V40));
    }

    #[test]
    fn everything_else_is_refused() {
        for version in [
            "",
            "opensips",
            "opensips 3.6.9 (x86_64/linux)",
            "opensips 4.1.0 (x86_64/linux)",
            "opensips 3.6.0-beta (x86_64/linux)",
            "opensips 3.6.0-rc1 (x86_64/linux)",
            "opensips 3.6 (x86_64/linux)",
            "opensips 3.6.8.1 (x86_64/linux)",
            "opensips 3.6.+8 (x86_64/linux)",
            "opensips 3.6.8",
            "kamailio 3.6.8 (x86_64/linux)",
            "opensips 3.2.19 (x86_64/linux)",
            "opensips 99999999.6.8 (x86_64/linux)",
        ] {
            assert_eq!(layout(version), None, "{version}");
        }
        assert_eq!(Release::recognise(b"opensips \xff.6.8 ("), None);
    }

    #[test]
    fn the_refusal_names_every_series() {
        let text = REFUSAL.to_str().expect("ASCII");
        for s in KNOWN {
            let range = format!("{0}.{1}.0 to {0}.{1}.{2}", s.major, s.minor, s.last_patch);
            assert!(text.contains(&range), "{range} is missing from: {text}");
        }
    }
}
