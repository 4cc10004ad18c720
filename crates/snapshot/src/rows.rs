//! Raw rows as a database gives them: the builder's input, before anything is vetted.
//!
//! Columns keep their names in the doc of each field. Texts stay texts (money above all), so that
//! the builder can name what is wrong with them; a feed never has to judge.

use crate::Lost;

/// All rows of one build. Missing tables are empty vectors.
#[derive(Clone, Debug, Default)]
pub struct Rows {
    /// `Carriers`.
    pub carriers: Vec<CarrierRow>,
    /// `Bands`.
    pub bands: Vec<BandRow>,
    /// `Numbers`.
    pub numbers: Vec<NumberRow>,
    /// `LCRRates`.
    pub rates: Vec<RateRow>,
    /// `CarrierGateway`.
    pub gateways: Vec<GatewayRow>,
    /// `Overrides`.
    pub overrides: Vec<OverrideRow>,
    /// `ClosedLoopCarriers`: organisation, carrier ID.
    pub closed_loop: Vec<(u32, u32)>,
    /// `Formats`.
    pub formats: Vec<FormatRow>,
    /// `Periods`, already resolved to UTC intervals over the horizon.
    pub periods: Vec<PeriodRow>,
    /// `FxRates`.
    pub fx: Vec<FxRow>,
    /// `Orgs`.
    pub orgs: Vec<OrgRow>,
    /// `DiallingRules`.
    pub dialling_rules: Vec<DiallingRuleRow>,
    /// `EmergencyNumbers`: country, number.
    pub emergency_numbers: Vec<(String, String)>,
    /// `EmergencyGateways`: country, gateway ID, priority.
    pub emergency_gateways: Vec<(String, u32, i32)>,
    /// `NormaliseRules`.
    pub normalise_rules: Vec<NormaliseRow>,
    /// Rows of whichever table that could not even be held. They count as lost, and may have been all
    /// that a carrier had.
    pub unread: Vec<Lost>,
}

/// `FxRates`.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct FxRow {
    /// `Currency`.
    pub currency: String,
    /// `Rate`: worth of one unit in the base currency.
    pub worth: String,
    /// First second, UTC, at which it is too old (contract step 8: `AsOf` and `fx_max_age`); `None`
    /// where it never is.
    pub until: Option<i64>,
}

/// `Carriers`.
#[derive(Clone, Debug, Default)]
pub struct CarrierRow {
    /// `ID`.
    pub id: u32,
    /// `CarrierName`.
    pub name: String,
    /// `Enabled`.
    pub enabled: bool,
    /// `Type`: `retail` or `route`.
    pub kind: String,
    /// `ClosedLoopCarrier`.
    pub closed_loop: bool,
    /// `PrivateServicesCarrier`.
    pub private_services: bool,
}

/// `Bands`.
#[derive(Clone, Debug, Default)]
pub struct BandRow {
    /// `ID`.
    pub id: u32,
    /// `BandName`.
    pub name: String,
    /// `CarrierID`.
    pub carrier_id: u32,
    /// `Type`: Mobile, Landline, ….
    pub kind: String,
    /// `CountryCode`.
    pub country: String,
    /// `Enabled`.
    pub enabled: bool,
}

/// `Numbers`. There may be millions: digits are kept inline.
#[derive(Clone, Copy, Debug)]
pub struct NumberRow {
    /// `ID`.
    pub id: u32,
    /// `BandID`.
    pub band_id: u32,
    /// `OrgID`; null is 0.
    pub org_id: u32,
    /// `Number`, as it stands; `None` when it is longer than any prefix can be or not ASCII.
    pub number: Option<fsx_core::digits::Digits<15>>,
    /// `Enabled`.
    pub enabled: bool,
}

/// `LCRRates`.
#[derive(Clone, Debug, Default)]
pub struct RateRow {
    /// `ID`.
    pub id: u32,
    /// `BandID`.
    pub band_id: u32,
    /// `Rate`, decimal text.
    pub rate: String,
    /// `Setup`, decimal text; empty is zero.
    pub setup: String,
    /// `Currency`.
    pub currency: String,
    /// `Period`.
    pub period: String,
    /// `Start`, seconds UTC.
    pub start: i64,
    /// `Enabled`.
    pub enabled: bool,
    /// `FormatNumber`.
    pub format_number: String,
    /// `FormatCLI`.
    pub format_cli: String,
    /// `ABandID`; null is `None`.
    pub a_band_id: Option<u32>,
    /// `InitialIncrement`, seconds; 1 where there is no column.
    pub initial_increment_s: u32,
    /// `NextIncrement`, seconds; 1 where there is no column.
    pub next_increment_s: u32,
}

/// `CarrierGateway`.
#[derive(Clone, Debug, Default)]
pub struct GatewayRow {
    /// `ID`.
    pub id: u32,
    /// `CarrierID`.
    pub carrier_id: u32,
    /// `Enabled`.
    pub enabled: bool,
    /// `Prefix`.
    pub prefix: String,
    /// `Suffix`.
    pub suffix: String,
    /// `ChannelVars`: `a=b,c=d`.
    pub channel_vars: String,
    /// `PrivacyClass`.
    pub privacy_class: String,
    /// `PCIZone`.
    pub pci_zone: String,
    /// `ConcCalls`; null and 0 mean no cap.
    pub conc_calls: u32,
    /// `MaxCPS`; null and 0 mean no cap.
    pub max_cps: u32,
    /// `Reliability`; null is 0.
    pub reliability: u8,
    /// `Weight`; null is 0.
    pub weight: u32,
    /// `PingGateway`: YES, NO or TEST.
    pub ping_gateway: String,
    /// `DataCentre`, comma-separated.
    pub data_centres: String,
    /// `CarrierGroup`, comma-separated.
    pub carrier_groups: String,
    /// `DialString`; empty takes the default template.
    pub dial_string: String,
    /// `StopCauses`, comma-separated.
    pub stop_causes: String,
}

/// `Overrides`.
#[derive(Clone, Debug, Default)]
pub struct OverrideRow {
    /// `ID`.
    pub id: u32,
    /// `OrgID`; 0 is everyone.
    pub org_id: u32,
    /// `Prefix`; empty is every number.
    pub prefix: String,
    /// `CarrierID`.
    pub carrier_id: u32,
    /// `Action`: FORCE, PREFER or FORBID.
    pub action: String,
    /// `Priority`.
    pub priority: i32,
    /// `Enabled`.
    pub enabled: bool,
}

/// One rewrite of `Formats`.
#[derive(Clone, Debug, Default)]
pub struct FormatRow {
    /// `ID`.
    pub id: u32,
    /// `Name`; several rows of one name form the format.
    pub name: String,
    /// `Sequence`.
    pub sequence: i32,
    /// `Pattern`.
    pub pattern: String,
    /// `Replacement`.
    pub replacement: String,
}

/// A named period, resolved to UTC: sorted, half-open, not touching one another.
#[derive(Clone, Debug, Default)]
pub struct PeriodRow {
    /// `Name`.
    pub name: String,
    /// `[from, to)` in seconds UTC.
    pub intervals: Vec<(i64, i64)>,
}

/// `Orgs`.
#[derive(Clone, Debug, Default)]
pub struct OrgRow {
    /// `OrgID`.
    pub org_id: u32,
    /// `HomeCountry`; empty is none.
    pub home_country: String,
    /// `CallCostLimit`, decimal text in the base currency; empty is no limit.
    pub call_cost_limit: String,
    /// `Profile`; empty is the default.
    pub profile: String,
    /// `RetailCarrierID`; 0 is none.
    pub retail_carrier_id: u32,
    /// `MarginAbs`, decimal text per minute; empty is no rule.
    pub margin_abs: String,
    /// `MarginRel`, decimal text, percent of the sell price; empty is no rule.
    pub margin_rel: String,
    /// `AllowedLoss`, decimal text per minute; empty is no rule.
    pub allowed_loss: String,
}

/// `DiallingRules`.
#[derive(Clone, Debug, Default)]
pub struct DiallingRuleRow {
    /// `ID`.
    pub id: u32,
    /// `OrgID`; 0 is everyone.
    pub org_id: u32,
    /// `Pattern` over the E.164 digits.
    pub pattern: String,
    /// `Action`: BLOCK or ALLOW.
    pub action: String,
    /// `Enabled`.
    pub enabled: bool,
}

/// `NormaliseRules`.
#[derive(Clone, Debug, Default)]
pub struct NormaliseRow {
    /// `Country`.
    pub country: String,
    /// `Sequence`.
    pub sequence: i32,
    /// `Pattern` over the dialled string.
    pub pattern: String,
    /// `Replacement`.
    pub replacement: String,
}
