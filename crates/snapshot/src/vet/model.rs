//! The rows that passed: references are row numbers, prices integers, patterns programs.

use fsx_core::{
    Country, Nano,
    data::{Margin, OverrideAction},
    digits::Key,
    money::Tariff,
};

use super::order::PublicNumbers;
use crate::rows::GatewayRow;

pub(crate) struct Carrier {
    pub(crate) id: u32,
    pub(crate) name: String,
    pub(crate) closed_loop: bool,
    pub(crate) private_services: bool,
    pub(crate) first_gateway: u32,
    pub(crate) gateways: u32,
    pub(crate) weighted: bool,
}

pub(crate) struct Band<'a> {
    pub(crate) id: u32,
    pub(crate) name: &'a str,
    /// Its carrier; none for a band of a retail deck.
    pub(crate) carrier: u32,
    /// Its retail deck; none for a band that routes.
    pub(crate) retail: u32,
    pub(crate) enabled: bool,
    pub(crate) first_rate: u32,
    pub(crate) rates: u32,
}

/// Three capital letters (ISO 4217).
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub(crate) struct Currency([u8; 3]);

impl Currency {
    pub(crate) fn new(text: &str) -> Option<Self> {
        let letters: [u8; 3] = text.trim().as_bytes().try_into().ok()?;
        letters
            .iter()
            .all(u8::is_ascii_alphabetic)
            .then(|| Self(letters.map(|b| b.to_ascii_uppercase())))
    }

    pub(crate) fn as_str(&self) -> &str {
        std::str::from_utf8(&self.0).unwrap_or_default()
    }
}

pub(crate) struct Rate {
    pub(crate) id: u32,
    pub(crate) tariff: Tariff,
    pub(crate) currency: Currency,
    pub(crate) cost_per_min: Option<Nano>,
    /// Worth of one unit of its currency in the base currency.
    pub(crate) fx: Option<Nano>,
    /// First second at which that is too old.
    pub(crate) priced_until: i64,
    pub(crate) start: i64,
    pub(crate) band: u32,
    pub(crate) period: u32,
    pub(crate) a_band: u32,
    pub(crate) format_number: u32,
    pub(crate) format_cli: u32,
}

pub(crate) struct Gateway {
    pub(crate) row: GatewayRow,
    pub(crate) carrier: u32,
    pub(crate) channel_vars: String,
    pub(crate) dial_string: String,
    /// Bits of its data centres.
    pub(crate) centre_bits: u64,
}

#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub(crate) struct Prefix {
    pub(crate) key: Key,
    pub(crate) len: u8,
}

/// A number row of one organisation: carrier and band, below one prefix.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub(crate) struct Number {
    pub(crate) org_id: u32,
    pub(crate) prefix: Prefix,
    pub(crate) carrier: u32,
    pub(crate) id: u32,
    pub(crate) band: u32,
}

/// A number row for everyone, packed to sort fast: there are millions.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug, Default)]
pub(crate) struct PublicNumber {
    /// Key (52 bits), length (4), carrier (8): see [`Self::new`].
    order: u64,
    pub(crate) id: u32,
    pub(crate) band: u32,
}

// What `order` packs has room in it.
const _: () =
    assert!(fsx_core::digits::POW11[15] < 1 << 52 && fsx_core::decide::MAX_CARRIERS <= 256);

impl PublicNumber {
    pub(crate) fn new(prefix: Prefix, carrier: u32, id: u32, band: u32) -> Self {
        let order = prefix.key.0 << 12 | u64::from(prefix.len) << 8 | u64::from(carrier);
        Self { order, id, band }
    }

    pub(crate) fn prefix(&self) -> Prefix {
        Prefix { key: Key(self.order >> 12), len: (self.order >> 8 & 15) as u8 }
    }

    pub(crate) fn carrier(&self) -> u8 {
        self.order as u8
    }

    /// Prefix and carrier at once.
    pub(crate) fn order(&self) -> u64 {
        self.order
    }
}

pub(crate) struct Override {
    pub(crate) org_id: u32,
    pub(crate) prefix: Prefix,
    pub(crate) id: u32,
    pub(crate) carrier: u32,
    pub(crate) action: OverrideAction,
    pub(crate) priority: i32,
}

/// A compiled pattern with its replacement.
pub(crate) struct Rewrite {
    pub(crate) program: Vec<u32>,
    pub(crate) replacement: String,
}

pub(crate) struct Org {
    pub(crate) org_id: u32,
    pub(crate) home_country: Option<Country>,
    pub(crate) limit: Option<Nano>,
    pub(crate) private: bool,
    pub(crate) overrides: bool,
    pub(crate) profile: String,
    pub(crate) margin: Option<Margin>,
}

pub(crate) struct DiallingRule {
    pub(crate) org_id: u32,
    pub(crate) id: u32,
    pub(crate) block: bool,
    pub(crate) pattern: Rewrite,
}

/// A band that rates name as `ABandID`.
pub(crate) struct ABand {
    pub(crate) band_id: u32,
    /// Sorted.
    pub(crate) prefixes: Vec<Prefix>,
}

#[derive(Default)]
pub(crate) struct CountryRules {
    pub(crate) normalise: Vec<Rewrite>,
    pub(crate) emergency_numbers: Vec<String>,
    pub(crate) emergency_gateways: Vec<u32>,
}

pub(crate) struct Model<'a> {
    pub(crate) carriers: Vec<Carrier>,
    pub(crate) bands: Vec<Band<'a>>,
    pub(crate) rates: Vec<Rate>,
    pub(crate) gateways: Vec<Gateway>,
    pub(crate) numbers: PublicNumbers,
    /// Sorted; at most one row for an organisation, carrier and prefix.
    pub(crate) private: Vec<Number>,
    pub(crate) overrides: Vec<Override>,
    pub(crate) closed_loop: Vec<(u32, u32)>,
    pub(crate) orgs: Vec<Org>,
    /// Sorted by organisation, then ID.
    pub(crate) dialling_rules: Vec<DiallingRule>,
    pub(crate) countries: Vec<(Country, CountryRules)>,
    pub(crate) formats: Vec<Vec<Rewrite>>,
    pub(crate) periods: Vec<(String, Vec<(i64, i64)>)>,
    pub(crate) a_bands: Vec<ABand>,
    pub(crate) data_centres: Vec<String>,
    /// Rows of retail decks, the deck's place in `carrier`; sorted by deck, then as `private`.
    pub(crate) retail: Vec<Number>,
}
