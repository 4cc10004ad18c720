//! Emergency numbers that need no data: a switch with no snapshot still knows them.
//!
//! The routing data has its own table (`EmergencyNumbers`), which adds to this one and never takes
//! away from it. Numbers are those that the national regulators publish; where the country is not
//! known, the ones that handsets treat as emergency everywhere (3GPP TS 22.101, 10.1.1).

use crate::facts::Country;

/// Numbers by country, in the order of domain.md's home countries and then alphabetically.
const BUILT_IN: &[(&[u8; 2], &[&str])] = &[
    (b"GB", &["999", "112"]),
    (b"ES", &["112", "061", "062", "080", "085", "088", "091", "092"]),
    (b"IT", &["112", "113", "115", "118"]),
    (b"PT", &["112"]),
    (b"DK", &["112"]),
    (b"SE", &["112"]),
    (b"GR", &["112", "100", "166", "199"]),
    (b"IE", &["112", "999"]),
    (b"US", &["911"]),
    (b"CA", &["911"]),
    (b"AU", &["000", "112", "106"]),
    (b"DE", &["112", "110"]),
    (b"FR", &["112", "15", "17", "18", "114", "196"]),
    (b"SG", &["999", "995", "112", "911"]),
];

/// Where the country is not known.
const ANYWHERE: &[&str] = &["112", "911", "999", "000"];

/// Digits of the longest number above.
const LONGEST: usize = 3;

/// Whether `dialled` is an emergency number of `country`, by the table in this program.
///
/// A country that the table does not list has 112 and 911, which its mobile networks must take.
#[must_use]
#[inline]
pub fn is_builtin(country: Option<Country>, dialled: &[u8]) -> bool {
    // Nearly every call is told by this alone.
    dialled.len() <= LONGEST && is_listed(country, dialled)
}

fn is_listed(country: Option<Country>, dialled: &[u8]) -> bool {
    let numbers = match country {
        None => ANYWHERE,
        Some(country) => BUILT_IN
            .iter()
            .find(|(code, _)| **code == country.code())
            .map_or(&["112", "911"][..], |(_, numbers)| numbers),
    };
    numbers.iter().any(|number| number.as_bytes() == dialled)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn by_country() {
        let gb = Country::new(b"gb");
        assert!(is_builtin(gb, b"999") && is_builtin(gb, b"112"));
        assert!(!is_builtin(gb, b"911") && !is_builtin(gb, b"9990") && !is_builtin(gb, b""));
        assert!(is_builtin(Country::new(b"US"), b"911"));
        assert!(is_builtin(None, b"000"));
        assert!(is_builtin(Country::new(b"ZA"), b"112"));
        let lists = BUILT_IN.iter().map(|(_, numbers)| *numbers).chain([ANYWHERE]);
        assert_eq!(lists.flatten().map(|number| number.len()).max(), Some(LONGEST));
    }
}
