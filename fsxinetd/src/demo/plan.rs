//! The shipped numbering plan: 326,504 real prefixes with country, type and place or operator.
//!
//! The file is made by `demo/generate.py`, which also says where the data comes from and describes
//! the format in its own first lines.

use std::collections::BTreeMap;
use std::io::Read;

/// The file, compressed.
const FILE: &[u8] = include_bytes!("../../demo/numbering-plan.gz");

/// What numbers under a prefix are.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug, Hash)]
pub enum Kind {
    /// Geographic.
    Landline,
    /// Mobile.
    Mobile,
    /// The caller pays the callee.
    Premium,
    /// The callee pays.
    Freephone,
    /// Both pay.
    Shared,
    /// Follows a person.
    Personal,
    /// Pager.
    Pager,
    /// Nomadic.
    Voip,
    /// One number for a company.
    Universal,
    /// Satellites and networks without a country.
    Other,
}

impl Kind {
    fn from_letter(letter: u8) -> Option<Self> {
        Some(match letter {
            b'l' => Self::Landline,
            b'm' => Self::Mobile,
            b'p' => Self::Premium,
            b'f' => Self::Freephone,
            b's' => Self::Shared,
            b'n' => Self::Personal,
            b'g' => Self::Pager,
            b'v' => Self::Voip,
            b'u' => Self::Universal,
            b'o' => Self::Other,
            _ => return None,
        })
    }

    /// As `Bands.Type` names it.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Landline => "Landline",
            Self::Mobile => "Mobile",
            Self::Premium => "Premium",
            Self::Freephone => "Freephone",
            Self::Shared => "Shared cost",
            Self::Personal => "Personal",
            Self::Pager => "Pager",
            Self::Voip => "VoIP",
            Self::Universal => "Universal access",
            Self::Other => "Satellite",
        }
    }
}

/// One prefix.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct PlanRow {
    digits: [u8; 15],
    len: u8,
    /// ISO 3166 alpha-2; `ZZ` is no country.
    pub country: [u8; 2],
    /// What the numbers are.
    pub kind: Kind,
    name: u32,
}

impl PlanRow {
    /// The digits.
    #[must_use]
    pub fn prefix(&self) -> &str {
        std::str::from_utf8(&self.digits[..usize::from(self.len)]).unwrap_or("")
    }

    /// The country as text.
    #[must_use]
    pub fn country(&self) -> &str {
        std::str::from_utf8(&self.country).unwrap_or("")
    }
}

/// The plan, sorted by prefix.
#[derive(Debug, Default)]
pub struct Plan {
    /// Every prefix once.
    pub rows: Vec<PlanRow>,
    names: Vec<String>,
    countries: BTreeMap<[u8; 2], String>,
}

/// The file is damaged: line and what it says.
#[derive(Debug, thiserror::Error)]
#[error("the shipped numbering plan is damaged at line {line}: \"{text}\"")]
pub struct PlanError {
    line: usize,
    text: String,
}

impl Plan {
    /// Reads the shipped plan.
    ///
    /// # Errors
    /// [`PlanError`], which no release should ever give.
    pub fn shipped() -> Result<Self, PlanError> {
        let mut text = String::new();
        flate2::read::GzDecoder::new(FILE)
            .read_to_string(&mut text)
            .map_err(|e| PlanError { line: 0, text: e.to_string() })?;
        Self::parse(&text)
    }

    fn parse(text: &str) -> Result<Self, PlanError> {
        let mut plan = Self { names: vec![String::new()], ..Self::default() };
        let mut last =
            PlanRow { digits: [0; 15], len: 0, country: *b"ZZ", kind: Kind::Other, name: 0 };
        for (at, line) in text.lines().enumerate() {
            let bad = || PlanError { line: at + 1, text: line.to_owned() };
            match line.as_bytes() {
                [b'#', ..] => {}
                [b'=', a, b, b' ', ..] => {
                    plan.countries.insert([*a, *b], line[4..].to_owned());
                }
                [b'@', ..] => plan.names.push(line[1..].to_owned()),
                row => {
                    last = next(&last, row).ok_or_else(bad)?;
                    if last.name as usize >= plan.names.len() {
                        return Err(bad());
                    }
                    plan.rows.push(last);
                }
            }
        }
        Ok(plan)
    }

    /// Place or operator; empty where none is known.
    #[must_use]
    pub fn name(&self, row: &PlanRow) -> &str {
        self.names.get(row.name as usize).map_or("", String::as_str)
    }

    /// The country's name.
    #[must_use]
    pub fn country_name(&self, row: &PlanRow) -> &str {
        self.countries.get(&row.country).map_or("", String::as_str)
    }
}

/// One line: digits kept, further digits, what changed.
fn next(last: &PlanRow, line: &[u8]) -> Option<PlanRow> {
    let (keep, mut rest) = line.split_first()?;
    let keep = usize::from(keep.checked_sub(b'0')?);
    if keep > usize::from(last.len) {
        return None;
    }
    let mut row = PlanRow { len: keep as u8, ..*last };
    while let Some((digit, after)) = rest.split_first().filter(|(d, _)| d.is_ascii_digit()) {
        *row.digits.get_mut(usize::from(row.len))? = *digit;
        row.len += 1;
        rest = after;
    }
    if let [a @ b'A'..=b'Z', b @ b'A'..=b'Z', after @ ..] = rest {
        row.country = [*a, *b];
        rest = after;
    }
    if let [letter @ b'a'..=b'z', after @ ..] = rest {
        row.kind = Kind::from_letter(*letter)?;
        rest = after;
    }
    if let [b'#', number @ ..] = rest {
        row.name = std::str::from_utf8(number).ok()?.parse().ok()?;
        rest = &[];
    }
    (rest.is_empty() && row.len > 0).then_some(row)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_shipped_plan_is_whole_and_knows_the_world() {
        let plan = Plan::shipped().expect("undamaged");
        assert!(plan.rows.len() >= 200_000, "{}", plan.rows.len());
        assert!(plan.rows.windows(2).all(|w| w[0].prefix() < w[1].prefix()), "sorted, once each");
        let longest = |number: &str| {
            (1..=number.len())
                .rev()
                .find_map(|len| {
                    let at = plan.rows.binary_search_by(|row| row.prefix().cmp(&number[..len]));
                    at.ok().map(|at| &plan.rows[at])
                })
                .map(|row| (plan.country_name(row), row.kind.as_str(), plan.name(row)))
        };
        for (number, expected) in [
            ("447700900123", ("United Kingdom", "Mobile", "O2")),
            ("442079460000", ("United Kingdom", "Landline", "London")),
            ("449098790000", ("United Kingdom", "Premium", "")),
            ("12025550123", ("United States", "Landline", "Washington D.C.")),
            ("18005550123", ("United States", "Freephone", "")),
            ("33612345678", ("France", "Mobile", "SFR")),
            ("8613800138000", ("China", "Mobile", "China Mobile")),
            ("870773111111", ("International", "Satellite", "Inmarsat")),
        ] {
            assert_eq!(longest(number), Some(expected), "{number}");
        }
        assert_eq!(longest("999"), None);
    }

    #[test]
    fn damage_is_named_by_line() {
        for (text, line) in [
            ("=GB United Kingdom\n044GBl\n3", 3),
            ("944GB", 1),
            ("044GBx", 1),
            ("044GBl#7", 1),
            ("0", 1),
            ("01234567890123456", 1),
        ] {
            assert_eq!(Plan::parse(text).expect_err(text).line, line, "{text}");
        }
    }
}
