//! Rows to a verified snapshot in memory.

use fsx_core::Country;
use fsx_snapshot::{BuildSettings, Built, Snapshot, build};

use super::FeedError;
use super::read::{Read, ReadSettings};

/// What a build is made with.
#[derive(Clone, Debug)]
pub struct MakeSettings {
    /// Length of the call that prices are compared for, in seconds.
    pub reference_seconds: u32,
    /// Country where neither the call nor its organisation names one.
    pub home_country: Option<Country>,
    /// Currency that prices are compared in.
    pub base_currency: String,
    /// An unusable prefix falls back to a shorter one.
    pub shorter_prefix: bool,
    /// A `Numbers` row with an empty prefix is taken.
    pub allow_empty_prefix: bool,
    /// A build that would lose more than this share of its rows is refused, 0 to 1.
    pub max_lost_share: f64,
    /// An exchange rate older than this is not used, in seconds.
    pub fx_max_age_s: i64,
    /// Days ahead that periods are resolved for.
    pub horizon_days: u32,
}

impl Default for MakeSettings {
    fn default() -> Self {
        let builder = BuildSettings::default();
        Self {
            reference_seconds: builder.reference_seconds,
            home_country: Country::new(b"GB"),
            base_currency: builder.base_currency,
            shorter_prefix: builder.shorter_prefix,
            allow_empty_prefix: builder.allow_empty_prefix,
            max_lost_share: builder.max_lost_share,
            fx_max_age_s: 72 * 3600,
            horizon_days: 35,
        }
    }
}

impl MakeSettings {
    /// How to read for a build as of `at`, in seconds UTC.
    #[must_use]
    pub fn reading(&self, at: i64) -> ReadSettings {
        ReadSettings {
            at,
            horizon_end: at.saturating_add(i64::from(self.horizon_days) * 86_400),
            fx_max_age_s: self.fx_max_age_s,
        }
    }
}

/// Builds and verifies. Takes a core for a while: not for an async thread.
///
/// # Errors
/// [`FeedError::Build`], [`FeedError::Open`] or [`FeedError::Verify`].
pub fn make(
    read: &Read,
    settings: &MakeSettings,
    generation: u64,
    at: i64,
) -> Result<Built, FeedError> {
    let settings = BuildSettings {
        generation,
        built_at: at,
        horizon_end: settings.reading(at).horizon_end,
        reference_seconds: settings.reference_seconds,
        home_country: settings.home_country,
        base_currency: settings.base_currency.clone(),
        shorter_prefix: settings.shorter_prefix,
        allow_empty_prefix: settings.allow_empty_prefix,
        max_lost_share: settings.max_lost_share,
        ..BuildSettings::default()
    };
    let built = build(&read.rows, &settings).map_err(FeedError::Build)?;
    let snapshot = Snapshot::open(&built.bytes).map_err(FeedError::Open)?;
    snapshot.verify().map_err(FeedError::Verify)?;
    Ok(built)
}
