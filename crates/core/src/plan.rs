//! The answer: a plan of attempts, or a refusal with its cause.

use crate::{
    E164,
    data::{Index, RoutingData},
    digits::Dialled,
    money::Nano,
};

/// Most attempts that a plan can hold.
pub const MAX_ATTEMPTS: usize = 32;

/// Attempts where the caller names no other limit (contract step 14).
pub const DEFAULT_ATTEMPTS: u8 = 8;

/// One gateway at one rate: a row of the plan. Row numbers are places in the data of the plan's
/// generation; [`crate::render`] turns them into what a switch dials.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Candidate {
    /// Carrier row; [`Index::NONE`] for an emergency gateway that belongs to none.
    pub carrier: Index,
    /// Gateway row.
    pub gateway: Index,
    /// Rate row; [`Index::NONE`] in an emergency plan.
    pub rate: Index,
    /// How many leading digits of the number the carrier's `Numbers.Number` matched.
    pub prefix_len: u8,
}

impl Candidate {
    /// What stands in a plan behind the last: zeros, which are cleared all at once.
    const UNUSED: Self =
        Self { carrier: Index(0), gateway: Index(0), rate: Index(0), prefix_len: 0 };

    /// The rate's band; [`Index::NONE`] in an emergency plan.
    #[must_use]
    pub fn band<D: RoutingData + ?Sized>(&self, data: &D) -> Index {
        data.rate_terms(self.rate).map_or(Index::NONE, |rate| rate.band)
    }

    /// Expected cost per minute in the base currency (contract step 8); zero in an emergency plan,
    /// which has no price.
    #[must_use]
    pub fn cost_per_min<D: RoutingData + ?Sized>(&self, data: &D) -> Nano {
        data.rate_terms(self.rate).and_then(|rate| rate.cost_per_min).unwrap_or_default()
    }
}

/// Candidates in the order to try them.
#[derive(Clone, Copy, Debug)]
pub struct Plan {
    /// Generation of the data used.
    pub generation: u64,
    /// The number in E.164; for an emergency call, nothing.
    pub number: Option<E164>,
    /// The number that prefixes were matched with: the routing number of a ported one, else the
    /// number.
    pub looked_up: Option<E164>,
    /// The number as dialled, for an emergency call.
    pub dialled: Dialled,
    /// The caller in E.164, where it could be made out.
    pub caller: Option<E164>,
    /// An emergency call: never priced, never policed.
    pub emergency: bool,
    len: u8,
    routes: [Candidate; MAX_ATTEMPTS],
}

impl Plan {
    /// A plan with no candidates yet.
    #[must_use]
    #[inline]
    pub fn empty(generation: u64) -> Self {
        Self {
            generation,
            number: None,
            looked_up: None,
            dialled: Dialled::EMPTY,
            caller: None,
            emergency: false,
            len: 0,
            routes: [Candidate::UNUSED; MAX_ATTEMPTS],
        }
    }

    /// Adds a candidate; `false` when the plan is full.
    #[must_use]
    pub fn push(&mut self, candidate: Candidate) -> bool {
        let at = usize::from(self.len);
        if at == MAX_ATTEMPTS {
            return false;
        }
        self.routes[at] = candidate;
        self.len += 1;
        true
    }

    /// Makes it as [`Self::empty`] does, in its place.
    #[inline]
    pub(crate) fn clear(&mut self, generation: u64) {
        self.generation = generation;
        (self.number, self.looked_up, self.caller) = (None, None, None);
        self.dialled = Dialled::EMPTY;
        (self.emergency, self.len) = (false, 0);
    }

    /// Takes away all candidates.
    pub(crate) fn clear_routes(&mut self) {
        self.len = 0;
    }

    /// The places of the first `attempts` candidates, to be filled from the front; [`Self::filled`]
    /// then says how many were.
    #[inline]
    pub(crate) fn places(&mut self, attempts: usize) -> &mut [Candidate] {
        &mut self.routes[..attempts.min(MAX_ATTEMPTS)]
    }

    /// The first `len` places hold candidates.
    #[inline]
    pub(crate) fn filled(&mut self, len: usize) {
        self.len = len.min(MAX_ATTEMPTS) as u8;
    }

    /// The candidates, first to try first.
    #[must_use]
    #[inline]
    pub fn routes(&self) -> &[Candidate] {
        &self.routes[..usize::from(self.len)]
    }
}

/// Why a call is refused, with its Q.850 cause.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Reject {
    /// Empty, over 15 digits, or not digits after normalising: cause 28 (step 2).
    InvalidNumber,
    /// The organisation's dialling rules forbid it; the rule's row ID: cause 21 (step 3).
    Blocked {
        /// `DiallingRules.ID`.
        rule_id: u32,
    },
    /// The spend limit is reached: cause 21 (step 4).
    SpendLimit,
    /// No carrier sells the destination now: cause 3 (steps 5 to 11).
    NoRoute,
    /// Carriers sell it, but none has a gateway left: cause 34 (step 12).
    NoGateway,
    /// An emergency number, and the data has no emergency gateway for its country: cause 34. The
    /// seam then takes the emergency destination of its own configuration.
    NoEmergencyGateway,
}

impl Reject {
    /// The Q.850 cause.
    #[must_use]
    pub fn cause(self) -> u16 {
        match self {
            Self::InvalidNumber => 28,
            Self::Blocked { .. } | Self::SpendLimit => 21,
            Self::NoRoute => 3,
            Self::NoGateway | Self::NoEmergencyGateway => 34,
        }
    }

    /// The reason in words that are the same for all calls of a kind; with the row that it is about it
    /// displays itself, as JSON answers have it.
    #[must_use]
    pub fn reason(self) -> &'static str {
        match self {
            Self::InvalidNumber => "invalid number",
            Self::Blocked { .. } => "blocked by dialling rule",
            Self::SpendLimit => "spend limit reached",
            Self::NoRoute => "no carrier sells this destination",
            Self::NoGateway => "no gateway available",
            Self::NoEmergencyGateway => "no emergency gateway for this country",
        }
    }
}

impl core::fmt::Display for Reject {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.write_str(self.reason())?;
        match self {
            Self::Blocked { rule_id } => write!(f, " {rule_id}"),
            _ => Ok(()),
        }
    }
}

/// What the engine answers. Asking a policy and "not ours" are the seams' own answers, since they
/// depend on configuration that is not routing data.
#[derive(Clone, Copy, Debug)]
#[allow(clippy::large_enum_variant)] // On the stack of one call, never stored in numbers.
pub enum Decision {
    /// Try these, in order. Never empty.
    Route(Plan),
    /// Refuse, with the generation that says so and the number as far as it was made out.
    Reject {
        /// Generation of the data used.
        generation: u64,
        /// The number in E.164, where step 2 got that far.
        number: Option<E164>,
        /// Why.
        why: Reject,
    },
}

/// A step of the contract, as `excluded` names it.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Step {
    /// Step 5.
    Match,
    /// Step 6.
    Band,
    /// Step 7.
    Rate,
    /// Step 8.
    Price,
    /// Step 9.
    ClosedLoop,
    /// Step 10.
    Override,
    /// Step 11.
    Margin,
    /// Step 12.
    Gateway,
    /// Step 14.
    Plan,
}

impl Step {
    /// The word in JSON answers.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Match => "match",
            Self::Band => "band",
            Self::Rate => "rate",
            Self::Price => "price",
            Self::ClosedLoop => "closed_loop",
            Self::Override => "override",
            Self::Margin => "margin",
            Self::Gateway => "gateway",
            Self::Plan => "plan",
        }
    }
}

/// Takes the reasons why carriers and gateways were left out. [`NoWhy`] costs nothing: the calls
/// compile away.
pub trait WhySink {
    /// Whether anybody listens; work done only for the reasons is skipped where not.
    const ON: bool;
    /// A carrier (and, at the gateway step, one of its gateways) is out.
    fn excluded(&mut self, carrier: Index, gateway: Index, step: Step, reason: &'static str);
}

/// Nobody asked why.
#[derive(Clone, Copy, Debug, Default)]
pub struct NoWhy;

impl WhySink for NoWhy {
    const ON: bool = false;
    #[inline]
    fn excluded(&mut self, _: Index, _: Index, _: Step, _: &'static str) {}
}
