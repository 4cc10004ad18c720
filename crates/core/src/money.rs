//! Money as integers, because a rate that is off in the seventh place decides routes wrongly.
//!
//! A [`Nano`] is a count of 10⁻⁹ of a currency unit (contract step 8). Text comes in exactly or not
//! at all; the one rounding of a price is half to even, at the end.

use core::fmt;

/// 10⁻⁹ of a currency unit. Range about ±9.2 × 10⁹ units.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug, Default, Hash)]
pub struct Nano(pub i64);

/// How many [`Nano`] make one unit.
pub const NANO_PER_UNIT: i64 = 1_000_000_000;

/// Why a text is not money.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum MoneyError {
    /// Not `[+-]digits[.digits]`.
    NotDecimal,
    /// More than nine decimals that are not zero: refused, never rounded (contract step 8).
    TooPrecise,
    /// Beyond ±9.2 × 10⁹ units.
    TooLarge,
}

impl fmt::Display for MoneyError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::NotDecimal => "not a decimal number",
            Self::TooPrecise => "more than 9 decimals",
            Self::TooLarge => "too large",
        })
    }
}

impl std::error::Error for MoneyError {}

impl Nano {
    /// Zero.
    pub const ZERO: Self = Self(0);

    /// Reads a decimal text exactly. Zeros past the ninth decimal are accepted.
    ///
    /// # Errors
    /// [`MoneyError`] names what is wrong; nothing is rounded.
    pub fn parse(text: &str) -> Result<Self, MoneyError> {
        let text = text.trim();
        let (negative, digits) = match text.as_bytes().first() {
            Some(b'-') => (true, &text[1..]),
            Some(b'+') => (false, &text[1..]),
            _ => (false, text),
        };
        let (whole, fraction) = digits.split_once('.').unwrap_or((digits, ""));
        if whole.is_empty() && fraction.is_empty() {
            return Err(MoneyError::NotDecimal);
        }
        let mut value: i64 = 0;
        for b in whole.bytes() {
            if !b.is_ascii_digit() {
                return Err(MoneyError::NotDecimal);
            }
            value = value
                .checked_mul(10)
                .and_then(|v| v.checked_add(i64::from(b - b'0')))
                .ok_or(MoneyError::TooLarge)?;
        }
        value = value.checked_mul(NANO_PER_UNIT).ok_or(MoneyError::TooLarge)?;
        let mut unit = NANO_PER_UNIT / 10;
        for b in fraction.bytes() {
            if !b.is_ascii_digit() {
                return Err(MoneyError::NotDecimal);
            }
            let part = i64::from(b - b'0');
            if unit == 0 {
                if part != 0 {
                    return Err(MoneyError::TooPrecise);
                }
                continue;
            }
            value = value.checked_add(part * unit).ok_or(MoneyError::TooLarge)?;
            unit /= 10;
        }
        Ok(Self(if negative { -value } else { value }))
    }
}

impl fmt::Display for Nano {
    /// The shortest decimal text: `0.0125`, `3`, `-0.5`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let magnitude = self.0.unsigned_abs();
        let (whole, mut fraction) =
            (magnitude / NANO_PER_UNIT as u64, magnitude % NANO_PER_UNIT as u64);
        if self.0 < 0 {
            f.write_str("-")?;
        }
        if fraction == 0 {
            return write!(f, "{whole}");
        }
        let mut width = 9;
        while fraction % 10 == 0 {
            fraction /= 10;
            width -= 1;
        }
        write!(f, "{whole}.{fraction:0width$}")
    }
}

/// What a rate charges, in its own currency.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Tariff {
    /// Per minute.
    pub rate_per_min: Nano,
    /// Once per answered call.
    pub setup: Nano,
    /// The first seconds billed as a block; at least 1.
    pub initial_increment_s: u32,
    /// Every following block in seconds; at least 1.
    pub next_increment_s: u32,
}

impl Tariff {
    /// Seconds billed for `duration_s` seconds of an answered call (contract step 8).
    #[must_use]
    pub fn billed_s(&self, duration_s: u32) -> u64 {
        let (initial, next) =
            (u64::from(self.initial_increment_s), u64::from(self.next_increment_s.max(1)));
        initial + u64::from(duration_s).saturating_sub(initial).div_ceil(next) * next
    }

    /// Expected cost per minute of a call of `reference_s` seconds, in the base currency, rounded
    /// once, half to even (contract step 8). `fx` is the worth of one unit of this tariff's
    /// currency in the base currency. `None` when the result is out of range.
    #[must_use]
    pub fn cost_per_min(&self, reference_s: u32, fx: Nano) -> Option<Nano> {
        let reference = i128::from(reference_s.max(1));
        let per_call_x60 = i128::from(self.setup.0) * 60
            + i128::from(self.rate_per_min.0) * i128::from(self.billed_s(reference_s));
        let numerator = per_call_x60.checked_mul(i128::from(fx.0))?;
        divide_half_even(numerator, reference * i128::from(NANO_PER_UNIT))
    }

    /// Cost of an answered call of `duration_s` seconds, in the tariff's own currency, rounded
    /// once, half to even.
    #[must_use]
    pub fn cost_of_call(&self, duration_s: u32) -> Option<Nano> {
        let x60 = i128::from(self.setup.0) * 60
            + i128::from(self.rate_per_min.0) * i128::from(self.billed_s(duration_s));
        divide_half_even(x60, 60)
    }

    /// The same in the base currency, of which one unit of this tariff's currency is worth `fx`:
    /// rounded once, not once a currency.
    #[must_use]
    pub fn cost_of_call_in_base(&self, duration_s: u32, fx: Nano) -> Option<Nano> {
        let x60 = i128::from(self.setup.0) * 60
            + i128::from(self.rate_per_min.0) * i128::from(self.billed_s(duration_s));
        divide_half_even(x60.checked_mul(i128::from(fx.0))?, 60 * i128::from(NANO_PER_UNIT))
    }
}

/// `numerator / denominator`, half to even; `denominator` is positive.
fn divide_half_even(numerator: i128, denominator: i128) -> Option<Nano> {
    let (quotient, remainder) =
        (numerator.div_euclid(denominator), numerator.rem_euclid(denominator));
    let up = match (remainder * 2).cmp(&denominator) {
        core::cmp::Ordering::Less => 0,
        core::cmp::Ordering::Greater => 1,
        core::cmp::Ordering::Equal => quotient & 1,
    };
    i64::try_from(quotient + up).ok().map(Nano)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn text_round_trips() {
        for (text, nano, shown) in [
            ("0.0125", 12_500_000, "0.0125"),
            ("1", 1_000_000_000, "1"),
            ("-0.5", -500_000_000, "-0.5"),
            (".000000001", 1, "0.000000001"),
            ("0.1000000000", 100_000_000, "0.1"),
            (" 2.50 ", 2_500_000_000, "2.5"),
        ] {
            let money = Nano::parse(text).expect(text);
            assert_eq!((money.0, money.to_string().as_str()), (nano, shown));
        }
        assert_eq!(Nano::parse("0.0000000001"), Err(MoneyError::TooPrecise));
        assert_eq!(Nano::parse("99999999999"), Err(MoneyError::TooLarge));
        for bad in ["", "-", ".", "1e3", "0,5", "1.2.3", "£1", "NaN"] {
            assert_eq!(Nano::parse(bad), Err(MoneyError::NotDecimal), "{bad}");
        }
    }

    #[test]
    fn price_of_the_contract_example() {
        let tariff = Tariff {
            rate_per_min: Nano::parse("0.0125").expect("rate"),
            setup: Nano::parse("0.005").expect("setup"),
            initial_increment_s: 1,
            next_increment_s: 1,
        };
        let cost = tariff.cost_per_min(60, Nano(NANO_PER_UNIT)).expect("in range");
        assert_eq!(cost.to_string(), "0.0175");
    }

    #[test]
    fn increments_bill_whole_blocks() {
        let tariff = Tariff {
            rate_per_min: Nano(60),
            setup: Nano(0),
            initial_increment_s: 30,
            next_increment_s: 6,
        };
        for (duration, billed) in [(0, 30), (30, 30), (31, 36), (36, 36), (37, 42)] {
            assert_eq!(tariff.billed_s(duration), billed);
        }
    }

    #[test]
    fn one_rounding_half_to_even() {
        assert_eq!(divide_half_even(5, 2), Some(Nano(2)));
        assert_eq!(divide_half_even(7, 2), Some(Nano(4)));
        assert_eq!(divide_half_even(-5, 2), Some(Nano(-2)));
        // 80 s at 0.01 a minute, one second increments: 0.013333333, not 0.0136 (CGRateS).
        let tariff = Tariff {
            rate_per_min: Nano(10_000_000),
            setup: Nano(0),
            initial_increment_s: 1,
            next_increment_s: 1,
        };
        assert_eq!(tariff.cost_of_call(80), Some(Nano(13_333_333)));
        // A third times three: 0.04, and not 0.013333333 × 3.
        let fx = Nano::parse("3").expect("worth");
        assert_eq!(tariff.cost_of_call_in_base(80, fx), Some(Nano(40_000_000)));
        assert_eq!(tariff.cost_of_call_in_base(80, Nano(NANO_PER_UNIT)), Some(Nano(13_333_333)));
    }
}
