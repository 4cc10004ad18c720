//! What the engine needs to know of the routing data, whoever holds it.
//!
//! The snapshot reader implements [`RoutingData`] over mapped bytes; tests implement it over
//! vectors. Rows are small copies, texts are borrowed. Nothing here allocates.

use crate::{
    digits::{E164, Key},
    facts::{CallFacts, Country},
    money::{Nano, Tariff},
    pattern::Rewrite,
    profile::Quality,
};

/// The place of a row in its table; [`Index::NONE`] is no row.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug, Hash)]
pub struct Index(pub u32);

impl Index {
    /// No row.
    pub const NONE: Self = Self(u32::MAX);

    /// The place as a slice index, unless it is none.
    #[must_use]
    pub fn get(self) -> Option<usize> {
        (self != Self::NONE).then_some(self.0 as usize)
    }
}

impl Default for Index {
    fn default() -> Self {
        Self::NONE
    }
}

/// Settings that belong to the data, so that every engine that reads it decides the same.
#[derive(Clone, Copy, Debug)]
pub struct Settings {
    /// Length of the call that prices are compared for, in seconds (contract step 8).
    pub reference_seconds: u32,
    /// Country whose rules apply where neither the call nor the organisation names one.
    pub home_country: Option<Country>,
    /// First second past which periods are not compiled: a later instant takes only rates with no
    /// named period, and the seam says so loudly.
    pub horizon_end: i64,
    /// Steps 6 and 7 fall back to a shorter prefix (`unusable_prefix = "shorter"`).
    pub shorter_prefix: bool,
    /// Some override is for everyone.
    pub has_overrides: bool,
    /// First second from which ranked lists hold; an earlier instant is decided row by row.
    pub ranked_from: i64,
    /// First second from which they no longer hold, because an exchange rate is too old by then.
    pub ranked_until: i64,
}

/// An organisation (`Orgs`).
#[derive(Clone, Copy, Debug)]
pub struct Org {
    /// `OrgID`.
    pub org_id: u32,
    /// `HomeCountry`.
    pub home_country: Option<Country>,
    /// `CallCostLimit` in the base currency; `None` means no check.
    pub call_cost_limit: Option<Nano>,
    /// It has numbers of its own (`Numbers.OrgID`).
    pub has_private_numbers: bool,
    /// It has overrides of its own.
    pub has_overrides: bool,
    /// It has an order of carriers of its own ([`RoutingData::org_profile`]).
    pub has_profile: bool,
    /// It sells by a retail deck, with a margin to keep ([`RoutingData::org_margin`]).
    pub has_margin: bool,
}

/// What must stay between an organisation's sell price and a carrier's cost (contract step 11).
/// Every rule that is set must hold.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Margin {
    /// `RetailCarrierID`, as [`RoutingData::retail_band`] takes it.
    pub retail: u32,
    /// `MarginAbs`: least difference per minute, base currency.
    pub absolute: Option<Nano>,
    /// `MarginRel`: least difference in percent of the sell price (10⁻⁹ of a percent inside).
    pub relative_percent: Option<Nano>,
    /// `AllowedLoss`: most that the cost may exceed the sell price by, per minute.
    pub allowed_loss: Option<Nano>,
}

impl Margin {
    /// Whether a carrier of this cost may take a call sold at this price.
    #[must_use]
    pub fn allows(&self, sell: Nano, cost: Nano) -> bool {
        let left = i128::from(sell.0) - i128::from(cost.0);
        // left ÷ sell ≥ percent ÷ 100, both sides by 100 × sell × 10⁹.
        let relative = |percent: Nano| {
            left * 100 * i128::from(crate::money::NANO_PER_UNIT)
                >= i128::from(percent.0) * i128::from(sell.0)
        };
        self.absolute.is_none_or(|least| left >= i128::from(least.0))
            && self.relative_percent.is_none_or(relative)
            && self.allowed_loss.is_none_or(|most| -left <= i128::from(most.0))
    }
}

/// A carrier (`Carriers`).
#[derive(Clone, Copy, Debug)]
pub struct Carrier<'a> {
    /// `Carriers.ID`.
    pub id: u32,
    /// `CarrierName`.
    pub name: &'a str,
    /// `ClosedLoopCarrier`.
    pub closed_loop: bool,
    /// `PrivateServicesCarrier`.
    pub private_services: bool,
    /// First row of its gateways, in the order Reliability high to low, then ID.
    pub first_gateway: u32,
    /// How many gateways follow.
    pub gateways: u32,
}

/// A band (`Bands`).
#[derive(Clone, Copy, Debug)]
pub struct Band<'a> {
    /// `Bands.ID`.
    pub id: u32,
    /// `BandName`.
    pub name: &'a str,
    /// Whose it is.
    pub carrier: Index,
    /// `Enabled`; a disabled band takes its carrier out (step 6).
    pub enabled: bool,
    /// First row of its rates, in the order of step 7's choice: the first usable one is chosen.
    pub first_rate: u32,
    /// How many rates follow; disabled ones are not in the data.
    pub rates: u32,
}

/// A rate (`LCRRates`).
#[derive(Clone, Copy, Debug)]
pub struct Rate<'a> {
    /// `LCRRates.ID`.
    pub id: u32,
    /// Its price, in its own currency.
    pub tariff: Tariff,
    /// `Currency` (ISO 4217).
    pub currency: &'a str,
    /// Expected cost per minute in the base currency (step 8); `None` when the currency has no
    /// usable exchange rate.
    pub cost_per_min: Option<Nano>,
    /// Worth of one unit of its currency in the base currency, where that is known: what a call
    /// cost is turned into spend with ([`Tariff::cost_of_call_in_base`]).
    pub fx: Option<Nano>,
    /// First second, UTC, at which that worth is too old to price by (step 8).
    pub priced_until: i64,
    /// `Start`, in seconds UTC.
    pub start: i64,
    /// Named period that must cover the instant; [`Index::NONE`] for empty and `Standard`.
    pub period: Index,
    /// Band that must hold the caller's number; [`Index::NONE`] for any caller.
    pub a_band: Index,
    /// `FormatNumber`.
    pub format_number: Index,
    /// `FormatCLI`.
    pub format_cli: Index,
}

/// A gateway (`CarrierGateway`).
#[derive(Clone, Copy, Debug)]
pub struct Gateway<'a> {
    /// `CarrierGateway.ID`.
    pub id: u32,
    /// Whose it is.
    pub carrier: Index,
    /// `Prefix`, put before the number.
    pub prefix: &'a str,
    /// `Suffix`, put after it.
    pub suffix: &'a str,
    /// `ChannelVars` as stored: `name=value` pairs, one a line (the builder normalises them).
    pub channel_vars: &'a str,
    /// `PrivacyClass`; a call that asks for one is served by equal ones only.
    pub privacy_class: &'a str,
    /// `PCIZone`; likewise.
    pub pci_zone: &'a str,
    /// `DataCentre`: comma-separated; empty serves all.
    pub data_centres: &'a str,
    /// `CarrierGroup`: comma-separated.
    pub carrier_groups: &'a str,
    /// `ConcCalls`: most calls in progress; 0 means no cap.
    pub conc_calls: u32,
    /// `MaxCPS`: most new calls a second; 0 means no cap.
    pub max_cps: u32,
    /// `Reliability`, 0 to 100.
    pub reliability: u8,
    /// `Weight` among equal Reliability; 0 means none set.
    pub weight: u32,
    /// `PingGateway` is not NO: its health is looked at.
    pub health_checked: bool,
    /// `DialString` template, `${ID}` and `${number}` inside.
    pub dial_string: &'a str,
    /// `StopCauses`: Q.850 or SIP numbers that end the call, comma-separated; empty takes the
    /// default of [`crate::cause`].
    pub stop_causes: &'a str,
}

/// One carrier's offer for a number: the leaf of its longest matching prefix.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Offer {
    /// The band it falls in.
    pub band: Index,
    /// Whose offer.
    pub carrier: Index,
    /// Length of the matched prefix, 1 to 15 (0 only where an empty prefix was allowed).
    pub prefix_len: u8,
}

/// What the engine needs of a band: no texts.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct BandTerms {
    /// As [`Band::enabled`].
    pub enabled: bool,
    /// As [`Band::first_rate`].
    pub first_rate: u32,
    /// As [`Band::rates`].
    pub rates: u32,
}

/// What the engine needs of a rate: when it holds, and what it costs.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct RateTerms {
    /// The band it belongs to.
    pub band: Index,
    /// As [`Rate::start`].
    pub start: i64,
    /// As [`Rate::period`].
    pub period: Index,
    /// As [`Rate::a_band`].
    pub a_band: Index,
    /// As [`Rate::cost_per_min`].
    pub cost_per_min: Option<Nano>,
    /// As [`Rate::priced_until`].
    pub priced_until: i64,
}

impl RateTerms {
    /// What it costs at the instant; `None` where there is no exchange rate, or it is too old.
    #[must_use]
    pub fn cost_at(&self, at: i64) -> Option<Nano> {
        self.cost_per_min.filter(|_| at < self.priced_until)
    }
}

/// What the engine needs of a carrier.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct CarrierTerms {
    /// As [`Carrier::id`].
    pub id: u32,
    /// As [`Carrier::closed_loop`].
    pub closed_loop: bool,
    /// As [`Carrier::private_services`].
    pub private_services: bool,
    /// Some gateway of it has a weight.
    pub weighted: bool,
    /// As [`Carrier::first_gateway`].
    pub first_gateway: u32,
    /// As [`Carrier::gateways`].
    pub gateways: u32,
}

/// What the engine needs of a gateway, unless the call asks for a class, zone or group.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct GatewayTerms {
    /// As [`Gateway::id`].
    pub id: u32,
    /// As [`Gateway::carrier`].
    pub carrier: Index,
    /// Bits of its data centres; 0 serves all.
    pub data_centres: u64,
    /// As [`Gateway::conc_calls`].
    pub conc_calls: u32,
    /// As [`Gateway::max_cps`].
    pub max_cps: u32,
    /// As [`Gateway::weight`].
    pub weight: u32,
    /// As [`Gateway::reliability`].
    pub reliability: u8,
    /// As [`Gateway::health_checked`].
    pub health_checked: bool,
}

/// An entry of a ranked list: its rate is settled, whoever calls and whenever.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Ranked {
    /// Its rate.
    pub rate: Index,
    /// Length of the matched prefix.
    pub prefix_len: u8,
    /// It costs the same as the entry before or after it, so that the best gateway left decides
    /// between them.
    pub tied: bool,
    /// Whose offer, and by which gateways.
    pub by: By,
}

/// Who serves an entry of a ranked list.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum By {
    /// These gateway rows, in order. Their carrier stands in each.
    Gateways {
        /// First row; the carrier where there are none.
        first: u32,
        /// How many.
        count: u32,
    },
    /// A carrier that serves only the organisations of its closed loop, and those in an order of their
    /// own.
    ClosedLoop(Index),
    /// A carrier whose gateways are drawn anew for each call.
    Drawn(Index),
}

impl Ranked {
    /// Bytes of one in a list.
    pub const BYTES: usize = 8;

    /// Flag: the entry holds a rate row, not a band row.
    pub const RATE: u8 = 1;
    /// Flag: [`Ranked::tied`].
    pub const TIED: u8 = 2;
    /// Flag: [`By::ClosedLoop`].
    pub const CLOSED_LOOP: u8 = 4;
    /// Flag: [`By::Drawn`].
    pub const DRAWN: u8 = 8;

    /// Reads one: rate row (32 bits, little-endian), first gateway row (16), how many (8), flags (4),
    /// length (4). Of a closed loop or a draw, and where there are no gateways, the carrier stands in
    /// the place of the first. `None` where its rate is left to the call.
    #[must_use]
    #[inline]
    pub fn of(entry: &[u8; Self::BYTES]) -> Option<Self> {
        let word = u64::from_le_bytes(*entry);
        let (at, flags) = (u32::from((word >> 32) as u16), (word >> 56) as u8);
        if flags & Self::RATE == 0 {
            return None;
        }
        let by = if flags & (Self::CLOSED_LOOP | Self::DRAWN) == 0 {
            By::Gateways { first: at, count: u32::from((word >> 48) as u8) }
        } else if flags & Self::CLOSED_LOOP != 0 {
            By::ClosedLoop(Index(at))
        } else {
            By::Drawn(Index(at))
        };
        let tied = flags & Self::TIED != 0;
        Some(Self { rate: Index(word as u32), prefix_len: flags >> 4, tied, by })
    }
}

impl GatewayTerms {
    /// Bytes of a row.
    pub const BYTES: usize = 32;

    /// Reads a row: data centres (64 bits, little-endian), then ID, calls, calls a second, weight (32
    /// each), reliability, 1 where health is looked at, two zeros, carrier (32).
    #[must_use]
    #[inline]
    pub fn of(row: &[u8; Self::BYTES]) -> Self {
        let word = |at: usize| u32::from_le_bytes([row[at], row[at + 1], row[at + 2], row[at + 3]]);
        Self {
            data_centres: u64::from(word(4)) << 32 | u64::from(word(0)),
            id: word(8),
            conc_calls: word(12),
            max_cps: word(16),
            weight: word(20),
            reliability: row[24],
            health_checked: row[25] != 0,
            carrier: Index(word(28)),
        }
    }

    /// Whether it serves one of the data centres of these bits. One that names none serves all.
    #[must_use]
    #[inline]
    pub fn serves(&self, centres: u64) -> bool {
        self.data_centres == 0 || self.data_centres & centres != 0
    }
}

/// What an override does (contract step 10).
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum OverrideAction {
    /// Only forced carriers stay.
    Force,
    /// Before the rest.
    Prefer,
    /// Out.
    Forbid,
}

/// A row of `Overrides` that begins the number.
#[derive(Clone, Copy, Debug)]
pub struct Override {
    /// `Overrides.ID`.
    pub id: u32,
    /// Which carrier.
    pub carrier: Index,
    /// What it does.
    pub action: OverrideAction,
    /// Lower comes first.
    pub priority: i32,
}

/// What a dialling rule does (contract step 3).
#[derive(Clone, Copy, Debug)]
pub struct DiallingRule<'a> {
    /// `DiallingRules.ID`.
    pub id: u32,
    /// It forbids (otherwise it allows, and ends the search).
    pub block: bool,
    /// The E.164 number must match this.
    pub pattern: Rewrite<'a>,
}

/// The routing data of one generation. Implementations are read-only; every method is cheap, does
/// not allocate, and answers nothing rather than panics on damaged data.
pub trait RoutingData {
    /// Which build of the data this is.
    fn generation(&self) -> u64;
    /// The settings it was built with.
    fn settings(&self) -> Settings;
    /// An organisation; `None` for one that `Orgs` does not know.
    fn org(&self, org_id: u32) -> Option<Org>;
    /// Whether `dialled` is an emergency number of `country`.
    fn is_emergency(&self, country: Option<Country>, dialled: &[u8]) -> bool;
    /// The `n`th emergency gateway of `country`, by priority; `None` past the last.
    fn emergency_gateway(&self, country: Option<Country>, n: u32) -> Option<Index>;
    /// The `n`th normalisation rule of `country`, in sequence.
    fn normalise_rule(&self, country: Option<Country>, n: u32) -> Option<Rewrite<'_>>;
    /// The `n`th dialling rule of `org_id` (its own, not 0's), in order of ID.
    fn dialling_rule(&self, org_id: u32, n: u32) -> Option<DiallingRule<'_>>;
    /// The list of offers for a number, of the rows for everyone: one a carrier, its longest
    /// prefix, cheapest first as far as the build could know. With [`Settings::shorter_prefix`]
    /// every matching prefix of a carrier is there.
    fn offers(&self, number: Key) -> OfferList;
    /// The `n`th entry of a list.
    fn offer(&self, list: OfferList, n: u32) -> Option<Offer>;
    /// The `n`th offer among the rows private to `org_id` whose prefix is exactly the first
    /// `prefix_len` digits of `number`; at most one a carrier.
    fn private_offer(&self, org_id: u32, number: Key, prefix_len: u8, n: u32) -> Option<Offer>;
    /// The `n`th override of `org_id` whose prefix is exactly the first `prefix_len` digits of
    /// `number`, by ID.
    fn override_rule(&self, org_id: u32, number: Key, prefix_len: u8, n: u32) -> Option<Override>;
    /// Whether `org_id` may use some closed-loop carrier (`ClosedLoopCarriers`).
    fn in_closed_loops(&self, org_id: u32) -> bool;
    /// Whether it may use this one.
    fn closed_loop_member(&self, org_id: u32, carrier: Index) -> bool;
    /// Whether the instant or the caller decides how a list stands: whether [`Self::settled`] need be
    /// asked.
    fn varies(&self, list: OfferList) -> bool;
    /// The list as it stands at an instant for a caller: the list itself where neither matters, and
    /// where both are left to the call. Asks for the caller only where callers matter.
    fn settled(
        &self,
        list: OfferList,
        at: i64,
        caller: &mut dyn FnMut() -> Option<E164>,
    ) -> OfferList;
    /// How many entries of a list stand in the order of the default profile, cheapest first, each
    /// with its rate settled; 0 where that is left to the call ([`Self::settled`] comes first). The rest of such a list can never be used.
    fn ranked_len(&self, list: OfferList) -> u32;
    /// The entries of a list that are ranked, as [`Ranked::of`] reads them; none where
    /// [`Self::ranked_len`] is 0. `None` of damaged data.
    fn ranked_entries(&self, list: OfferList) -> Option<&[[u8; Ranked::BYTES]]>;
    /// The bit of a data centre in [`GatewayTerms::data_centres`]; 0 for one that no gateway names.
    fn data_centre_bit(&self, name: &str) -> u64;
    /// The organisation's order of carriers as text; empty is the default.
    fn org_profile(&self, org_id: u32) -> &str;
    /// The organisation's margin rule, where it has a retail deck.
    fn org_margin(&self, org_id: u32) -> Option<Margin>;
    /// The band of a retail deck for exactly the first `prefix_len` digits of `number`, among the
    /// rows of `org_id` alone.
    fn retail_band(&self, retail: u32, org_id: u32, number: Key, prefix_len: u8) -> Option<Index>;
    /// A carrier row without its texts.
    fn carrier_terms(&self, at: Index) -> Option<CarrierTerms>;
    /// A band row without its texts.
    fn band_terms(&self, at: Index) -> Option<BandTerms>;
    /// A rate row without its texts.
    fn rate_terms(&self, at: Index) -> Option<RateTerms>;
    /// A gateway row without its texts.
    fn gateway_terms(&self, at: Index) -> Option<GatewayTerms>;
    /// The same of all gateways, as [`GatewayTerms::of`] reads them. `None` of damaged data.
    fn all_gateway_terms(&self) -> Option<&[[u8; GatewayTerms::BYTES]]>;
    /// A carrier row.
    fn carrier(&self, at: Index) -> Option<Carrier<'_>>;
    /// A band row.
    fn band(&self, at: Index) -> Option<Band<'_>>;
    /// A rate row.
    fn rate(&self, at: Index) -> Option<Rate<'_>>;
    /// A gateway row.
    fn gateway(&self, at: Index) -> Option<Gateway<'_>>;
    /// Whether a named period covers the instant.
    fn period_covers(&self, period: Index, at: i64) -> bool;
    /// Whether an enabled prefix of `band` begins the caller's number.
    fn a_band_holds(&self, band: Index, caller: &E164) -> bool;
    /// The `n`th rewrite of a format, in sequence.
    fn format_rule(&self, format: Index, n: u32) -> Option<Rewrite<'_>>;
}

/// A list of offers: first row and count, and in what order it stands.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct OfferList {
    /// First row.
    pub first: u32,
    /// How many.
    pub len: u32,
    /// What the data notes of its order; theirs to read.
    pub order: u32,
}

/// What a live table says of one gateway.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct GatewayLoad {
    /// As [`LiveView::healthy`].
    pub healthy: bool,
    /// As [`LiveView::calls_in_progress`].
    pub in_progress: u32,
    /// As [`LiveView::calls_this_second`].
    pub this_second: u32,
}

/// What changes from second to second: health, load, spend. The shared table of `fsx-live`
/// implements it; [`NoLive`] is the answer where there is none.
pub trait LiveView {
    /// Whether the gateway is healthy in the data centre; no row means healthy (step 12).
    fn healthy(&self, gateway_id: u32, data_centre: &str) -> bool;
    /// Calls in progress on the gateway.
    fn calls_in_progress(&self, gateway_id: u32) -> u32;
    /// Calls begun on the gateway in the second of `at`.
    fn calls_this_second(&self, gateway_id: u32, at: i64) -> u32;
    /// The three above at once, for a table that finds them in one row.
    fn gateway_load(&self, gateway_id: u32, data_centre: &str, at: i64) -> GatewayLoad {
        GatewayLoad {
            healthy: self.healthy(gateway_id, data_centre),
            in_progress: self.calls_in_progress(gateway_id),
            this_second: self.calls_this_second(gateway_id, at),
        }
    }
    /// Whether a gateway can take a call: healthy where that is looked at, and below its caps (step
    /// 12). It gets the row that [`GatewayTerms::of`] reads, for a table that can tell from less, and
    /// without adding up what is far below a cap; `glance` is what [`Self::glance`] said at the
    /// beginning of the decision.
    #[inline]
    fn takes(&self, row: &[u8; GatewayTerms::BYTES], facts: &CallFacts<'_>, _glance: bool) -> bool {
        let gateway = GatewayTerms::of(row);
        if !gateway.health_checked && gateway.conc_calls == 0 && gateway.max_cps == 0 {
            return true;
        }
        let load = self.gateway_load(gateway.id, facts.data_centre, facts.at);
        (load.healthy || !gateway.health_checked)
            && (gateway.conc_calls == 0 || load.in_progress < gateway.conc_calls)
            && (gateway.max_cps == 0 || load.this_second < gateway.max_cps)
    }
    /// Asked once a decision: whatever a table would otherwise find out for each gateway anew.
    fn glance(&self) -> bool {
        false
    }
    /// What the organisation has spent, in the base currency; `None` when nothing is known.
    fn spend(&self, org_id: u32) -> Option<Nano>;
    /// What was measured of the gateway's calls; nothing by default.
    fn quality(&self, _gateway_id: u32) -> Quality {
        Quality::default()
    }
    /// Whether every gateway's [`standing`](Self::standing) is ordinary, so that none need be asked
    /// after. One look, whatever the number of gateways.
    fn all_ordinary(&self) -> bool {
        true
    }
    /// Whether the gateway is not to be looked at, whatever else is said of it. No table says so by
    /// itself: [`crate::standing`] does of those that an operator took down.
    fn leaves_out(&self, _gateway_id: u32, _at: i64) -> bool {
        false
    }
    /// Whether the gateway takes its ordinary place in a plan made at `at`.
    fn standing(&self, _gateway_id: u32, _at: i64) -> Standing {
        Standing::Ordinary
    }
}

/// A gateway's place in a plan, beside what the prober says of it; see [`crate::standing`].
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub enum Standing {
    /// Where the contract puts it.
    #[default]
    Ordinary,
    /// After all others: its own calls say that it fails.
    Last,
    /// Nowhere: an operator has taken it down.
    Out,
}

/// No live table: every gateway is healthy and idle, and nothing is known to be spent.
#[derive(Clone, Copy, Debug, Default)]
pub struct NoLive;

impl LiveView for NoLive {
    fn healthy(&self, _: u32, _: &str) -> bool {
        true
    }
    fn calls_in_progress(&self, _: u32) -> u32 {
        0
    }
    fn calls_this_second(&self, _: u32, _: i64) -> u32 {
        0
    }
    fn spend(&self, _: u32) -> Option<Nano> {
        None
    }
}
