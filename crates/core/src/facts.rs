//! What a seam knows about a call before it asks for a route.

use core::{fmt, num::NonZeroU16};

/// A country, as its ISO 3166 alpha-2 code in capitals (`GB`).
///
/// Two bytes, also where there may be none: the first letter is the upper half of the number.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Country(NonZeroU16);

impl Country {
    /// The United Kingdom: home where nothing else is said.
    pub const GB: Self = match NonZeroU16::new(u16::from_be_bytes(*b"GB")) {
        Some(code) => Self(code),
        None => unreachable!(),
    };

    /// Reads two ASCII letters, in either case. `UK`, which ISO 3166 reserves for the same country
    /// and which everybody types, is `GB`.
    #[must_use]
    pub fn new(text: &[u8]) -> Option<Self> {
        match text {
            [a, b] if a.is_ascii_alphabetic() && b.is_ascii_alphabetic() => {
                let code = [a.to_ascii_uppercase(), b.to_ascii_uppercase()];
                let code = if code == *b"UK" { *b"GB" } else { code };
                NonZeroU16::new(u16::from_be_bytes(code)).map(Self)
            }
            _ => None,
        }
    }

    /// The two letters.
    #[must_use]
    #[inline]
    pub fn code(self) -> [u8; 2] {
        self.0.get().to_be_bytes()
    }
}

impl fmt::Debug for Country {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl fmt::Display for Country {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(core::str::from_utf8(&self.code()).unwrap_or_default())
    }
}

/// Everything a decision may depend on (contract, "Input"). Borrowed: it lives as long as the call
/// that asks.
#[derive(Clone, Copy, Debug)]
pub struct CallFacts<'a> {
    /// The called number as dialled; any bytes.
    pub called: &'a [u8],
    /// The caller's number as signalled; `None` when the network did not give one.
    pub caller: Option<&'a [u8]>,
    /// The caller asked not to be shown (`rmWithholdCLI`).
    pub withhold_cli: bool,
    /// The organisation; 0 is the platform itself.
    pub org_id: u32,
    /// Home country of the device; `None` takes the organisation's, then the site's.
    pub home_country: Option<Country>,
    /// Data centre that asks; empty means none is named.
    pub data_centre: &'a str,
    /// The instant, in seconds since 1970-01-01T00:00:00Z.
    pub at: i64,
    /// The call's id, from which weighted draws are made so that a replay draws the same; empty
    /// where there is none.
    pub call_id: &'a [u8],
    /// Only gateways of this privacy class.
    pub privacy_class: Option<&'a str>,
    /// Only gateways in this PCI zone.
    pub pci_zone: Option<&'a str>,
    /// Only gateways in this carrier group.
    pub carrier_group: Option<&'a str>,
    /// Order of carriers by name (`Profile::parse`); `None` takes the organisation's. One that is
    /// no profile counts as `cost`: whoever takes the text in refuses it.
    pub profile: Option<&'a str>,
    /// Routing number of a ported number (LRN): prices are matched by it, while emergency, blocks,
    /// overrides and formats keep the dialled one.
    pub lrn: Option<&'a [u8]>,
    /// How many attempts at most; 0 takes the default of 8.
    pub max_attempts: u8,
}

impl<'a> CallFacts<'a> {
    /// Facts with only the number, the organisation and the instant known.
    #[must_use]
    pub fn new(called: &'a [u8], org_id: u32, at: i64) -> Self {
        Self {
            called,
            caller: None,
            withhold_cli: false,
            org_id,
            home_country: None,
            data_centre: "",
            at,
            call_id: b"",
            privacy_class: None,
            pci_zone: None,
            carrier_group: None,
            profile: None,
            lrn: None,
            max_attempts: 0,
        }
    }
}
