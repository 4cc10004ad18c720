//! How carriers are put in order (contract step 13), and what quality means.

use core::fmt;

/// An order of carriers. As text (`Orgs.Profile`, `--profile`): `cost`, `reliability`, `quality`,
/// `tolerance:5` (percent, up to two decimals) or `split:101=1,102=2` (carrier ID and share).
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub enum Profile<'a> {
    /// Cost low to high; ties by the best gateway's reliability, then the carrier's ID.
    #[default]
    Cost,
    /// The best gateway's reliability first, then cost.
    Reliability,
    /// Measured quality first ([`Quality`]), then cost.
    Quality,
    /// Prices within so many hundredths of a percent of the cheapest count as equal, and quality
    /// decides among them; the cheapest of the rest begins the next such band.
    Tolerance(u32),
    /// The carriers named share calls by their weights; the others follow by cost.
    Split(&'a str),
}

/// A text that names no profile.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct UnknownProfile;

impl fmt::Display for UnknownProfile {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(
            "expected cost, reliability, quality, tolerance:PERCENT or split:CARRIER=SHARE,…",
        )
    }
}

impl std::error::Error for UnknownProfile {}

impl<'a> Profile<'a> {
    /// Reads a profile; an empty text is [`Profile::Cost`].
    ///
    /// # Errors
    /// [`UnknownProfile`].
    pub fn parse(text: &'a str) -> Result<Self, UnknownProfile> {
        let text = text.trim();
        let (name, rest) = text.split_once(':').unwrap_or((text, ""));
        match (name, rest) {
            ("" | "cost", "") => Ok(Self::Cost),
            ("reliability", "") => Ok(Self::Reliability),
            ("quality", "") => Ok(Self::Quality),
            ("tolerance", percent) => hundredths(percent).map(Self::Tolerance),
            ("split", shares) if !shares.is_empty() => {
                let mut all = shares.split(',').map(share);
                let total = all.try_fold(0u64, |sum, share| Some(sum + u64::from(share?.1)));
                total.filter(|&total| total > 0).map(|_| Self::Split(shares)).ok_or(UnknownProfile)
            }
            _ => Err(UnknownProfile),
        }
    }
}

/// The share of a carrier in a [`Profile::Split`] text; `None` for one that it does not name.
pub(crate) fn share_of(shares: &str, carrier_id: u32) -> Option<u32> {
    shares.split(',').filter_map(share).find(|(id, _)| *id == carrier_id).map(|(_, share)| share)
}

fn share(text: &str) -> Option<(u32, u32)> {
    let (carrier, share) = text.split_once('=')?;
    Some((carrier.trim().parse().ok()?, share.trim().parse().ok()?))
}

/// `5`, `2.5` or `0.25` percent, in hundredths.
fn hundredths(text: &str) -> Result<u32, UnknownProfile> {
    let (whole, fraction) = text.trim().split_once('.').unwrap_or((text.trim(), ""));
    let digits = |text: &str| text.bytes().all(|b| b.is_ascii_digit());
    if whole.is_empty()
        || whole.len() > 4
        || fraction.len() > 2
        || !digits(whole)
        || !digits(fraction)
    {
        return Err(UnknownProfile);
    }
    let whole: u32 = whole.parse().map_err(|_| UnknownProfile)?;
    let part = match fraction.len() {
        0 => 0,
        len => fraction.parse::<u32>().map_err(|_| UnknownProfile)? * if len == 1 { 10 } else { 1 },
    };
    Ok(whole * 100 + part)
}

/// What was measured of a gateway's calls.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Quality {
    /// Calls sent.
    pub seizures: u64,
    /// Calls answered.
    pub answers: u64,
    /// Answered seconds of all of them.
    pub talk_s: u64,
    /// Post-dial delay of all of them, milliseconds.
    pub pdd_ms: u64,
}

/// Calls before a measurement counts.
pub const MIN_SEIZURES: u64 = 30;

/// Better sorts first.
pub(crate) type QualityKey = (u64, u64, u64);

impl Quality {
    /// Both together.
    #[must_use]
    pub fn plus(self, other: Self) -> Self {
        Self {
            seizures: self.seizures.saturating_add(other.seizures),
            answers: self.answers.saturating_add(other.answers),
            talk_s: self.talk_s.saturating_add(other.talk_s),
            pdd_ms: self.pdd_ms.saturating_add(other.pdd_ms),
        }
    }

    /// Answer-seizure ratio in thousandths, high to low; then average call duration in seconds,
    /// high to low; then post-dial delay in milliseconds, low to high. Under [`MIN_SEIZURES`] a
    /// carrier stands in the middle, as one that answers every second call: behind what is known to
    /// be good, before what is known to be bad.
    pub(crate) fn key(self) -> QualityKey {
        if self.seizures < MIN_SEIZURES {
            return (u64::MAX - 500, u64::MAX, 0);
        }
        let asr = self.answers.saturating_mul(1000) / self.seizures;
        let acd = self.talk_s.checked_div(self.answers).unwrap_or(0);
        (u64::MAX - asr, u64::MAX - acd, self.pdd_ms / self.seizures)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn texts() {
        assert_eq!(Profile::parse(""), Ok(Profile::Cost));
        assert_eq!(Profile::parse("tolerance:2.5"), Ok(Profile::Tolerance(250)));
        assert_eq!(Profile::parse("tolerance:0.05"), Ok(Profile::Tolerance(5)));
        assert_eq!(Profile::parse("split:101=1,102=2"), Ok(Profile::Split("101=1,102=2")));
        assert_eq!(share_of("101=1, 102=2", 102), Some(2));
        for bad in [
            "cheap",
            "cost:1",
            "tolerance:",
            "tolerance:-1",
            "tolerance:1.234",
            "split:",
            "split:a=1",
            "split:1=0",
            "split:1",
        ] {
            assert_eq!(Profile::parse(bad), Err(UnknownProfile), "{bad}");
        }
    }

    #[test]
    fn better_first() {
        let measured =
            |seizures, answers, talk_s, pdd_ms| Quality { seizures, answers, talk_s, pdd_ms }.key();
        let good = measured(100, 70, 7000, 200_000);
        let short = measured(100, 70, 700, 200_000);
        let slow = measured(100, 70, 7000, 900_000);
        let bad = measured(100, 20, 2000, 200_000);
        let unknown = measured(29, 0, 0, 0);
        assert!(good < short && good < slow && slow < unknown && unknown < bad);
    }
}
