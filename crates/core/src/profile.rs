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
    /// Attempts whose outcome is known.
    pub seizures: u64,
    /// Of them, answered.
    pub answers: u64,
    /// Of them, failed by the gateway's own fault.
    pub failed: u64,
    /// Answered calls that have ended.
    pub ended: u64,
    /// Answered seconds of all of those.
    pub talk_s: u64,
    /// Attempts that were heard ringing, or answered.
    pub rang: u64,
    /// Post-dial delay of all of those, milliseconds.
    pub pdd_ms: u64,
}

/// Attempts before a measurement counts.
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
            failed: self.failed.saturating_add(other.failed),
            ended: self.ended.saturating_add(other.ended),
            talk_s: self.talk_s.saturating_add(other.talk_s),
            rang: self.rang.saturating_add(other.rang),
            pdd_ms: self.pdd_ms.saturating_add(other.pdd_ms),
        }
    }

    /// Answer-seizure ratio in thousandths, rounded down (ITU-T E.411); `None` without attempts.
    #[must_use]
    pub fn asr_permille(&self) -> Option<u64> {
        self.answers.saturating_mul(1000).checked_div(self.seizures)
    }

    /// Average call duration in seconds, rounded down; `None` while no answered call has ended.
    #[must_use]
    pub fn acd_s(&self) -> Option<u64> {
        self.talk_s.checked_div(self.ended)
    }

    /// Average post-dial delay in milliseconds, rounded down; `None` while nothing was heard ringing.
    #[must_use]
    pub fn average_pdd_ms(&self) -> Option<u64> {
        self.pdd_ms.checked_div(self.rang)
    }

    /// Attempts that the network did its part for, answered or not, in thousandths of all: the network
    /// effectiveness ratio of ITU-T E.425. `None` without attempts.
    #[must_use]
    pub fn ner_permille(&self) -> Option<u64> {
        self.seizures.saturating_sub(self.failed).saturating_mul(1000).checked_div(self.seizures)
    }

    /// Whether there are attempts enough ([`MIN_SEIZURES`]) for quality to put a carrier in order.
    #[must_use]
    pub fn counts(&self) -> bool {
        self.seizures >= MIN_SEIZURES
    }

    /// Answer-seizure ratio in thousandths, high to low; then average call duration in seconds,
    /// high to low; then post-dial delay in milliseconds, low to high, unknown last. Under
    /// [`MIN_SEIZURES`] a carrier stands in the middle, as one that answers every second call: behind
    /// what is known to be good, before what is known to be bad.
    pub(crate) fn key(self) -> QualityKey {
        match self.asr_permille() {
            Some(asr) if self.counts() => (
                u64::MAX - asr,
                u64::MAX - self.acd_s().unwrap_or(0),
                self.average_pdd_ms().unwrap_or(u64::MAX),
            ),
            _ => (u64::MAX - 500, u64::MAX, 0),
        }
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
        let measured = |seizures, answers, talk_s, pdd_ms| {
            Quality { seizures, answers, failed: 0, ended: answers, talk_s, rang: seizures, pdd_ms }
                .key()
        };
        let good = measured(100, 70, 7000, 200_000);
        let short = measured(100, 70, 700, 200_000);
        let slow = measured(100, 70, 7000, 900_000);
        let bad = measured(100, 20, 2000, 200_000);
        let unknown = measured(29, 0, 0, 0);
        assert!(good < short && good < slow && slow < unknown && unknown < bad);
    }

    #[test]
    fn figures_of_what_was_measured() {
        let nothing = Quality::default();
        assert_eq!((nothing.asr_permille(), nothing.acd_s()), (None, None));
        assert_eq!((nothing.average_pdd_ms(), nothing.ner_permille()), (None, None));
        let some = Quality {
            seizures: 30,
            answers: 20,
            failed: 3,
            ended: 10, // The other ten still talk: they do not make calls look short.
            talk_s: 1205,
            rang: 25,
            pdd_ms: 50_010,
        };
        assert_eq!((some.asr_permille(), some.ner_permille()), (Some(666), Some(900)));
        assert_eq!((some.acd_s(), some.average_pdd_ms()), (Some(120), Some(2000)));
        assert!(some.counts() && !Quality { seizures: 29, ..some }.counts());
        assert_eq!(some.plus(some).acd_s(), some.acd_s());
    }
}
