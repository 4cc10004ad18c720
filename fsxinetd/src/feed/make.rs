//! Rows to a verified snapshot in memory.

use fsx_core::Country;
use fsx_snapshot::{BuildError, BuildSettings, Built, Snapshot, build};

use super::read::{Read, ReadSettings};
use super::{FeedError, count};

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
    // Rows lost in reading count like those lost in building.
    let lost = read.lost.len() as u64;
    let all = count(&read.rows) + lost;
    if lost as f64 > settings.max_lost_share * all as f64 {
        let first = read.lost.first().cloned();
        return Err(FeedError::Build(BuildError::LostTooMuch { lost, of: all, first }));
    }
    refuse_lost_gateways(read)?;
    let mut built = build(&read.rows, &settings).map_err(FeedError::Build)?;
    built.report.rows_in += lost;
    built.report.lost_rows += lost;
    built.report.lost.splice(0..0, read.lost.iter().cloned());
    let snapshot = Snapshot::open(&built.bytes).map_err(FeedError::Open)?;
    snapshot.verify().map_err(FeedError::Verify)?;
    Ok(built)
}

/// A gateway that could not be read does not say whose it was: where a carrier has bands and no gateway
/// row at all, it was its own, and the carrier would be gone (the contract refuses that).
fn refuse_lost_gateways(read: &Read) -> Result<(), FeedError> {
    let Some(first) = read.lost.iter().find(|lost| lost.table == "CarrierGateway") else {
        return Ok(());
    };
    let rows = &read.rows;
    let routes = |kind: &str| kind.trim().eq_ignore_ascii_case("route");
    let carriers = rows.carriers.iter().filter(|carrier| carrier.enabled && routes(&carrier.kind));
    for carrier in carriers {
        // What somebody has disabled is something: that carrier rests.
        let has_gateway = rows.gateways.iter().any(|gateway| gateway.carrier_id == carrier.id);
        let has_band = rows.bands.iter().any(|band| band.enabled && band.carrier_id == carrier.id);
        if has_band && !has_gateway {
            let (id, name, first) = (carrier.id, carrier.name.clone(), Some(first.clone()));
            return Err(FeedError::Build(BuildError::LostCarrier { id, name, first }));
        }
    }
    Ok(())
}
