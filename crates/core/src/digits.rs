//! Digit strings of bounded length, so that a number never needs the heap.
//!
//! A dialled string is at most [`MAX_DIALLED`] bytes for routing purposes; an E.164 number is at
//! most 15 digits (ITU-T E.164, 6.2.1). Both are kept inline and copied freely.

use core::{fmt, num::NonZeroU64};

use zerocopy::{Immutable, IntoBytes};

/// Longest dialled string that routing looks at, in bytes. Longer ones are refused with cause 28.
pub const MAX_DIALLED: usize = 40;

/// Longest E.164 number, in digits (ITU-T E.164, 6.2.1).
pub const MAX_E164: usize = 15;

/// A short ASCII string held inline: digits, `*`, `#`, `+` and whatever a rewrite rule adds.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct Digits<const N: usize> {
    len: u8,
    buf: [u8; N],
}

/// A dialled string, or one made by a rewrite rule.
pub type Dialled = Digits<MAX_DIALLED>;

impl<const N: usize> Digits<N> {
    /// The empty string.
    pub const EMPTY: Self = Self { len: 0, buf: [0; N] };

    /// Copies `bytes`; `None` when they are longer than `N` or not ASCII.
    #[must_use]
    pub fn new(bytes: &[u8]) -> Option<Self> {
        if bytes.len() > N || !bytes.is_ascii() {
            return None;
        }
        let mut buf = [0; N];
        buf[..bytes.len()].copy_from_slice(bytes);
        Some(Self { len: bytes.len() as u8, buf })
    }

    /// Adds one ASCII byte; `false` (and unchanged) when full or not ASCII.
    #[must_use]
    pub fn push(&mut self, byte: u8) -> bool {
        if usize::from(self.len) == N || !byte.is_ascii() {
            return false;
        }
        self.buf[usize::from(self.len)] = byte;
        self.len += 1;
        true
    }

    /// Adds all of `bytes`; `false` when they do not fit, with what fitted kept.
    #[must_use]
    pub fn extend(&mut self, bytes: &[u8]) -> bool {
        bytes.iter().all(|&b| self.push(b))
    }

    /// The bytes held.
    #[must_use]
    pub fn as_bytes(&self) -> &[u8] {
        &self.buf[..usize::from(self.len)]
    }

    /// The same as text; always valid, since only ASCII is accepted.
    #[must_use]
    pub fn as_str(&self) -> &str {
        core::str::from_utf8(self.as_bytes()).unwrap_or("")
    }

    /// How many bytes are held.
    #[must_use]
    pub fn len(&self) -> usize {
        usize::from(self.len)
    }

    /// Whether nothing is held.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len == 0
    }
}

impl<const N: usize> Default for Digits<N> {
    fn default() -> Self {
        Self::EMPTY
    }
}

impl<const N: usize> fmt::Debug for Digits<N> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(self.as_str(), f)
    }
}

impl<const N: usize> fmt::Display for Digits<N> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// One to fifteen digits, country code first, no `+` (ITU-T E.164).
///
/// Sixteen bytes in memory order: digits, zeros behind them, their count last. Held as two words of
/// which one is never zero, so that it travels in registers, also where there may be none: a word read
/// from where its bytes were written in other pieces waits, and every call would.
#[derive(Clone, Copy, PartialEq, Eq, IntoBytes, Immutable)]
#[repr(C)]
pub struct E164 {
    low: u64,
    high: NonZeroU64,
}

impl E164 {
    /// Takes `bytes` if they are 1 to 15 ASCII digits.
    #[must_use]
    #[inline]
    pub fn new(bytes: &[u8]) -> Option<Self> {
        let len = bytes.len();
        if len == 0 || len > MAX_E164 {
            return None;
        }
        // A call waits for this, so all digits are looked at together: `foreign` gets the top bit of
        // every byte that is not '0' to '9'.
        let packed = packed(bytes);
        let all = u128::MAX >> (8 * (16 - len));
        let values = packed ^ (u128::from_ne_bytes([0x30; 16]) & all);
        let over = values & u128::from_ne_bytes([0x7f; 16]);
        let foreign = (over + u128::from_ne_bytes([0x76; 16])) | values;
        if foreign & u128::from_ne_bytes([0x80; 16]) != 0 {
            return None;
        }
        let high = (packed >> 64) as u64 | (len as u64) << 56;
        Some(Self { low: (packed as u64).to_le(), high: NonZeroU64::new(high.to_le())? })
    }

    /// The digits.
    #[must_use]
    #[inline]
    pub fn as_bytes(&self) -> &[u8] {
        &IntoBytes::as_bytes(self)[..self.len()]
    }

    /// The digits as text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        core::str::from_utf8(self.as_bytes()).unwrap_or("")
    }

    /// How many digits; 1 to 15.
    #[must_use]
    #[inline]
    #[allow(clippy::len_without_is_empty)] // Never empty.
    pub fn len(&self) -> usize {
        (u64::from_le(self.high.get()) >> 56) as usize & 15
    }

    /// The number's place in base-11 order: see [`Key`].
    #[must_use]
    #[inline]
    pub fn key(&self) -> Key {
        // What follows the digits is zero, which is the pad. The count makes way for a place in
        // front that is worth nothing, so that there are sixteen.
        let (low, high) = (u64::from_le(self.low), u64::from_le(self.high.get()));
        Key::of_places((u128::from(low) | u128::from(high) << 64) << 8)
    }
}

/// Up to sixteen bytes, the first lowest, zeros after the last: two loads that overlap.
#[inline]
fn packed(bytes: &[u8]) -> u128 {
    let len = bytes.len();
    if let (Some(first), Some(last)) = (bytes.first_chunk(), bytes.last_chunk()) {
        let (first, last) = (u64::from_le_bytes(*first), u64::from_le_bytes(*last));
        return u128::from(first) | u128::from(last) << (8 * (len.min(16) - 8));
    }
    if let (Some(first), Some(last)) = (bytes.first_chunk(), bytes.last_chunk()) {
        let (first, last) = (u32::from_le_bytes(*first), u32::from_le_bytes(*last));
        return u128::from(first) | u128::from(last) << (8 * (len - 4));
    }
    bytes.iter().rev().fold(0, |packed, &byte| packed << 8 | u128::from(byte))
}

impl fmt::Debug for E164 {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(self.as_str(), f)
    }
}

impl fmt::Display for E164 {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// A digit string as one integer, ordered so that every prefix is an interval.
///
/// Fifteen base-11 places: the pad is 0 and digit *d* is *d* + 1, so that `"12"` sorts before
/// `"120"` and is never mistaken for it. All numbers that begin with a prefix of length *n* lie in
/// `[key, key + 11^(15-n))`.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug, Hash)]
pub struct Key(pub u64);

/// Powers of eleven, `POW11[i] = 11^i`, for `i` up to 15.
pub const POW11: [u64; MAX_E164 + 1] = {
    let mut pow = [1u64; MAX_E164 + 1];
    let mut i = 1;
    while i <= MAX_E164 {
        pow[i] = pow[i - 1] * 11;
        i += 1;
    }
    pow
};

impl Key {
    /// The key of `digits`: at most 15 ASCII digits, the caller's promise ([`E164`] keeps it).
    #[must_use]
    pub fn of(digits: &[u8]) -> Self {
        debug_assert!(digits.len() <= MAX_E164 && digits.iter().all(u8::is_ascii_digit));
        let mut places = [0; MAX_E164 + 1];
        for (to, &digit) in places[1..].iter_mut().zip(digits) {
            *to = digit;
        }
        Self::of_places(u128::from_le_bytes(places))
    }

    /// The same of sixteen places, the first lowest and worth nothing, zeros behind the last digit.
    /// All at once: neighbours are joined to pairs, pairs to fours, fours to eights, in the lanes of
    /// two words.
    #[inline]
    fn of_places(places: u128) -> Self {
        let [high, low] = [places as u64, (places >> 64) as u64].map(|ascii| {
            // Only digits have this bit: '0' becomes 1, and the pad stays 0.
            let places = ascii - (ascii >> 4 & 0x0101_0101_0101_0101) * 0x2f;
            let pairs =
                (places & 0x00ff_00ff_00ff_00ff) * 11 + (places >> 8 & 0x00ff_00ff_00ff_00ff);
            let fours =
                (pairs & 0x0000_ffff_0000_ffff) * 121 + (pairs >> 16 & 0x0000_ffff_0000_ffff);
            (fours & 0xffff_ffff) * 14_641 + (fours >> 32)
        });
        Self(high * POW11[8] + low)
    }

    /// The key of this number cut to its first `len` digits (`len` at most 15).
    #[must_use]
    pub fn prefix(self, len: usize) -> Self {
        let unit = POW11[MAX_E164 - len.min(MAX_E164)];
        Self(self.0 / unit * unit)
    }

    /// One past the last key that a prefix of `len` digits covers.
    #[must_use]
    pub fn end(self, len: usize) -> Self {
        Self(self.0 + POW11[MAX_E164 - len.min(MAX_E164)])
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn prefix_is_an_interval() {
        let (p, q, n) = (Key::of(b"4477"), Key::of(b"4478"), Key::of(b"447700900123"));
        assert!(p <= n && n < p.end(4) && p.end(4) == q);
        assert_eq!(n.prefix(4), p);
        assert!(Key::of(b"12") < Key::of(b"120"));
        assert_ne!(Key::of(b"12"), Key::of(b"120"));
    }

    #[test]
    fn all_places_at_once_is_one_after_another() {
        let slow = |digits: &[u8]| {
            let key = digits.iter().fold(0, |key, d| key * 11 + u64::from(d - b'0') + 1);
            Key(key * POW11[MAX_E164 - digits.len()])
        };
        let mut seed = 7u64;
        for turn in 0..2000usize {
            let digits: Vec<u8> = (0..turn % 16)
                .map(|_| {
                    seed = seed.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(99);
                    b'0' + (seed >> 60) as u8 % 10
                })
                .collect();
            assert_eq!(Key::of(&digits), slow(&digits));
            if let Some(number) = E164::new(&digits) {
                assert_eq!((number.key(), number.as_bytes()), (slow(&digits), &digits[..]));
            }
        }
        assert_eq!(Key::of(&[b'9'; 15]), slow(&[b'9'; 15]));
    }

    #[test]
    fn one_foreign_byte_anywhere_is_seen() {
        for len in 1..=15 {
            for at in 0..len {
                for byte in 0..=u8::MAX {
                    let mut digits = vec![b'0' + (at % 10) as u8; len];
                    digits[at] = byte;
                    let number = E164::new(&digits);
                    assert_eq!(number.is_some(), byte.is_ascii_digit(), "{digits:?}");
                    assert!(number.is_none_or(|number| number.as_bytes() == digits));
                }
            }
        }
    }

    #[test]
    fn bounded_and_ascii_only() {
        assert!(Dialled::new(&[b'1'; 40]).is_some());
        assert!(Dialled::new(&[b'1'; 41]).is_none());
        assert!(Dialled::new("é".as_bytes()).is_none());
        assert!(E164::new(b"").is_none() && E164::new(b"1234567890123456").is_none());
        assert!(E164::new(b"44a").is_none());
    }
}
