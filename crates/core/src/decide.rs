//! The decision: steps 1 to 14 of the contract, in its order, on the stack.
//!
//! Each step is a function that narrows what is left. A carrier that is still in the running sits
//! in a [`Seat`]; seats are a bounded array, so that a decision never needs the heap.

use crate::{
    CallFacts, Candidate, Decision, Plan, Reject,
    data::{Index, LiveView, NoLive, Offer, Org, Override, OverrideAction, RateTerms, RoutingData},
    digits::{Dialled, E164},
    emergency,
    facts::Country,
    gateways,
    money::Nano,
    normalise::normalise,
    plan::{NoWhy, Step, WhySink},
    profile::{Profile, Quality, QualityKey, share_of},
    ranked,
};

/// Most carriers of Type `route`; the builder refuses more.
pub const MAX_CARRIERS: usize = 256;

/// Decides where a call goes. Pure: the same data, live view and facts give the same answer.
///
/// Never allocates, never panics, takes no lock of its own; stack use is under 24 KiB.
#[must_use]
pub fn decide<D: RoutingData + ?Sized, L: LiveView + ?Sized>(
    data: &D,
    live: &L,
    facts: &CallFacts<'_>,
) -> Decision {
    decide_why(data, live, facts, &mut NoWhy)
}

/// As [`decide`], telling `why` each carrier and gateway was left out.
#[must_use]
pub fn decide_why<D: RoutingData + ?Sized, L: LiveView + ?Sized, W: WhySink>(
    data: &D,
    live: &L,
    facts: &CallFacts<'_>,
    why: &mut W,
) -> Decision {
    let mut decision = Decision::Route(Plan::empty(data.generation()));
    decide_into(data, live, facts, why, &mut decision);
    decision
}

/// The same, put where an earlier decision was: for who decides call after call, and need not clear
/// and copy half a kilobyte for each.
pub fn decide_into<D: RoutingData + ?Sized, L: LiveView + ?Sized, W: WhySink>(
    data: &D,
    live: &L,
    facts: &CallFacts<'_>,
    why: &mut W,
    decision: &mut Decision,
) {
    let generation = data.generation();
    if let Decision::Reject { .. } = decision {
        *decision = Decision::Route(Plan::empty(generation));
    }
    let Decision::Route(plan) = decision else { return };
    plan.clear(generation);
    if let Err(refused) = fill(data, live, facts, why, plan) {
        let number = plan.number;
        *decision = Decision::Reject { generation, number, why: refused };
    }
}

/// Fills an empty plan, or says why there is none, with the number in it as far as it was made out.
#[inline]
fn fill<D: RoutingData + ?Sized, L: LiveView + ?Sized, W: WhySink>(
    data: &D,
    live: &L,
    facts: &CallFacts<'_>,
    why: &mut W,
    plan: &mut Plan,
) -> Result<(), Reject> {
    let org = data.org(facts.org_id);
    let country = facts
        .home_country
        .or(org.and_then(|org| org.home_country))
        .or(data.settings().home_country);

    // Step 1.
    if is_emergency(data, country, facts.called) {
        return emergency_plan(data, facts, country, plan).ok_or(Reject::NoEmergencyGateway);
    }
    // Step 2.
    // Not `ok_or`: a number in a `Result` beside a `Reject` is put together from other pieces than it
    // was stored in, and every call would wait for that.
    let Some(number) = normalise(data, country, facts.called) else {
        return Err(Reject::InvalidNumber);
    };
    plan.number = Some(number);
    // Step 3.
    if let Some(rule_id) = blocking_rule(data, facts.org_id, &number) {
        return Err(Reject::Blocked { rule_id });
    }
    // Step 4.
    if let Some(limit) = org.and_then(|org| org.call_cost_limit)
        // Nothing known is nothing spent, which is at a limit of nothing.
        && live.spend(facts.org_id).unwrap_or_default() >= limit
    {
        return Err(Reject::SpendLimit);
    }

    let lrn = facts.lrn.and_then(|lrn| normalise(data, country, lrn));
    let looked_up = lrn.unwrap_or(number);
    plan.looked_up = Some(looked_up);
    plan.caller = facts.caller.and_then(|caller| normalise(data, country, caller));
    if !W::ON && ranked::fill(data, live, facts, org.as_ref(), country, looked_up, plan) {
        return Ok(());
    }
    let call = Call { data, live, facts, number, looked_up, caller: plan.caller };
    fill_row_by_row(&call, org, why, plan)
}

/// Steps 5 to 14 to the letter. Apart, so that its stack is taken only where it is needed.
#[inline(never)]
fn fill_row_by_row<D: RoutingData + ?Sized, L: LiveView + ?Sized, W: WhySink>(
    call: &Call<'_, D, L>,
    org: Option<Org>,
    why: &mut W,
    plan: &mut Plan,
) -> Result<(), Reject> {
    // Steps 5 to 8.
    let mut seats = Seats::EMPTY;
    let private = org.is_some_and(|org| org.has_private_numbers);
    call.match_carriers(private, &mut seats, why);
    // Steps 9 and 10.
    call.closed_loop_and_overrides(&mut seats, why);
    if seats.len == 0 {
        return Err(Reject::NoRoute);
    }
    // Step 11.
    if org.is_some_and(|org| org.has_margin) {
        call.keep_margin(&mut seats, why);
        if seats.len == 0 {
            return Err(Reject::NoRoute);
        }
    }
    // Step 12.
    call.keep_with_gateway(&mut seats, why);
    if seats.len == 0 {
        return Err(Reject::NoGateway);
    }
    // Steps 13 and 14.
    call.order(&mut seats);
    call.plan(&seats, why, plan);
    Ok(())
}

/// What the organisation sells the number for, a minute and in the base currency; `None` where it sells
/// by no retail deck, or that deck does not have the number. The margin rule (step 11) goes by the same.
///
/// Not part of a decision: for whoever shows or passes on the price beside one.
#[must_use]
pub fn sell_price<D: RoutingData + ?Sized>(data: &D, facts: &CallFacts<'_>) -> Option<Nano> {
    let org = data.org(facts.org_id).filter(|org| org.has_margin)?;
    let retail = data.org_margin(facts.org_id)?.retail;
    let country = facts.home_country.or(org.home_country).or(data.settings().home_country);
    let number = normalise(data, country, facts.called)?;
    let caller = facts.caller.and_then(|caller| normalise(data, country, caller));
    Call { data, live: &NoLive, facts, number, looked_up: number, caller }.sell_price(retail)
}

/// Whether the dialled string is an emergency number: by the data, or by this program's own table.
#[must_use]
pub fn is_emergency<D: RoutingData + ?Sized>(
    data: &D,
    country: Option<Country>,
    dialled: &[u8],
) -> bool {
    data.is_emergency(country, dialled) || emergency::is_builtin(country, dialled)
}

/// The emergency gateways of the country, by priority; no price, cap, health or policy.
fn emergency_plan<D: RoutingData + ?Sized>(
    data: &D,
    facts: &CallFacts<'_>,
    country: Option<Country>,
    plan: &mut Plan,
) -> Option<()> {
    plan.emergency = true;
    plan.dialled = Dialled::new(facts.called)?;
    plan.caller = facts.caller.and_then(|caller| normalise(data, country, caller));
    let mut n = 0;
    while let Some(gateway) = data.emergency_gateway(country, n) {
        let carrier = data.gateway(gateway).map_or(Index::NONE, |g| g.carrier);
        if !plan.push(Candidate { carrier, gateway, ..Candidate::default() }) {
            break;
        }
        n += 1;
    }
    (!plan.routes().is_empty()).then_some(())
}

/// The rule that forbids the number: the organisation's own rules, then those for everyone, each
/// by ID; the first that matches decides.
fn blocking_rule<D: RoutingData + ?Sized>(data: &D, org_id: u32, number: &E164) -> Option<u32> {
    for owner in owners(org_id) {
        let mut n = 0;
        while let Some(rule) = data.dialling_rule(owner, n) {
            if rule.pattern.matches(number.as_bytes()) {
                return rule.block.then_some(rule.id);
            }
            n += 1;
        }
    }
    None
}

/// The organisation, then the platform; once where they are the same.
fn owners(org_id: u32) -> impl Iterator<Item = u32> {
    core::iter::once(org_id).chain((org_id != 0).then_some(0))
}

/// A carrier in the running.
#[derive(Clone, Copy, Debug)]
struct Seat {
    offer: Offer,
    rate: Index,
    cost_per_min: Nano,
    tier: Tier,
    priority: i32,
    reliability: u8,
    carrier_id: u32,
    /// Place by measured quality, or in a draw; small first. Used by the profiles that want it.
    merit: QualityKey,
}

/// First word of the order in step 13.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
enum Tier {
    ClosedLoop,
    Preferred,
    Ordinary,
}

/// A set of carriers, by row.
#[derive(Clone, Copy)]
struct CarrierSet([u64; MAX_CARRIERS / 64]);

impl CarrierSet {
    const EMPTY: Self = Self([0; MAX_CARRIERS / 64]);

    /// Adds the carrier; `false` when it was there, or is no row that a snapshot can have.
    fn insert(&mut self, carrier: Index) -> bool {
        let at = carrier.0 as usize;
        let Some(word) = self.0.get_mut(at / 64) else { return false };
        let bit = 1 << (at % 64);
        let new = *word & bit == 0;
        *word |= bit;
        new
    }

    fn contains(&self, carrier: Index) -> bool {
        let at = carrier.0 as usize;
        self.0.get(at / 64).is_some_and(|word| word & (1 << (at % 64)) != 0)
    }
}

struct Seats {
    len: usize,
    rows: [Seat; MAX_CARRIERS],
}

impl Seats {
    const EMPTY: Self = Self {
        len: 0,
        rows: [Seat {
            offer: Offer { band: Index::NONE, carrier: Index::NONE, prefix_len: 0 },
            rate: Index::NONE,
            cost_per_min: Nano::ZERO,
            tier: Tier::Ordinary,
            priority: 0,
            reliability: 0,
            carrier_id: 0,
            merit: (0, 0, 0),
        }; MAX_CARRIERS],
    };

    fn push(&mut self, seat: Seat) {
        if let Some(free) = self.rows.get_mut(self.len) {
            *free = seat;
            self.len += 1;
        }
    }

    /// Keeps the seats for which `keep` says so, in their order.
    fn retain(&mut self, mut keep: impl FnMut(&mut Seat) -> bool) {
        let mut kept = 0;
        for at in 0..self.len {
            let mut seat = self.rows[at];
            if keep(&mut seat) {
                self.rows[kept] = seat;
                kept += 1;
            }
        }
        self.len = kept;
    }
}

/// A call under decision: what every step reads.
struct Call<'a, D: ?Sized, L: ?Sized> {
    data: &'a D,
    live: &'a L,
    facts: &'a CallFacts<'a>,
    number: E164,
    /// The routing number where there is one, else the number.
    looked_up: E164,
    caller: Option<E164>,
}

impl<D: RoutingData + ?Sized, L: LiveView + ?Sized> Call<'_, D, L> {
    /// Steps 5 to 8: a seat for every carrier that sells the destination now.
    fn match_carriers<W: WhySink>(&self, private: bool, seats: &mut Seats, why: &mut W) {
        let list = self.data.offers(self.looked_up.key());
        // It ends where the rows end, whatever a damaged count says; so do the rates below.
        let everyone = (0..list.len).map_while(|n| self.data.offer(list, n));
        let mut settled = CarrierSet::EMPTY;
        if !private && !self.data.settings().shorter_prefix {
            everyone.for_each(|offer| self.consider(offer, &mut settled, seats, why));
        } else {
            // Longest first; at one length the organisation's own rows before everyone's.
            for len in (0..=self.looked_up.len() as u8).rev() {
                let mut n = 0;
                while private
                    && let Some(offer) =
                        self.data.private_offer(self.facts.org_id, self.looked_up.key(), len, n)
                {
                    self.consider(offer, &mut settled, seats, why);
                    n += 1;
                }
                let same_len = everyone.clone().filter(|offer| offer.prefix_len == len);
                same_len.for_each(|offer| self.consider(offer, &mut settled, seats, why));
            }
        }
        if W::ON {
            let mut at = 0;
            while self.data.carrier(Index(at)).is_some() {
                if !settled.contains(Index(at)) {
                    why.excluded(Index(at), Index::NONE, Step::Match, "no prefix matches");
                }
                at += 1;
            }
        }
    }

    /// Steps 6 to 8 for one offer. The first offer of a carrier settles it, unless unusable ones
    /// fall back to a shorter prefix.
    fn consider<W: WhySink>(
        &self,
        offer: Offer,
        settled: &mut CarrierSet,
        seats: &mut Seats,
        why: &mut W,
    ) {
        if settled.contains(offer.carrier) {
            return;
        }
        let Some(carrier) = self.data.carrier_terms(offer.carrier) else { return };
        let Some(band) = self.data.band_terms(offer.band) else { return };
        let falls_back = self.data.settings().shorter_prefix;
        if !band.enabled {
            why.excluded(offer.carrier, Index::NONE, Step::Band, "band is disabled");
            if !falls_back {
                settled.insert(offer.carrier);
            }
            return;
        }
        let rates = (0..band.rates).map(|n| Index(band.first_rate.saturating_add(n)));
        let chosen = rates
            .map_while(|at| Some((at, self.data.rate_terms(at)?)))
            .find(|(_, rate)| self.in_force(rate));
        let Some((rate_row, rate)) = chosen else {
            why.excluded(offer.carrier, Index::NONE, Step::Rate, "no rate in force");
            if !falls_back {
                settled.insert(offer.carrier);
            }
            return;
        };
        settled.insert(offer.carrier);
        let Some(cost_per_min) = rate.cost_at(self.facts.at) else {
            why.excluded(offer.carrier, Index::NONE, Step::Price, "no exchange rate");
            return;
        };
        seats.push(Seat {
            offer,
            rate: rate_row,
            cost_per_min,
            tier: Tier::Ordinary,
            priority: 0,
            reliability: 0,
            carrier_id: carrier.id,
            merit: (0, 0, 0),
        });
    }

    /// Step 7's conditions. Rates of a band stand in the order of its choice.
    fn in_force(&self, rate: &RateTerms) -> bool {
        rate.start <= self.facts.at
            && (rate.period == Index::NONE || self.data.period_covers(rate.period, self.facts.at))
            && (rate.a_band == Index::NONE
                || self.caller.is_some_and(|caller| self.data.a_band_holds(rate.a_band, &caller)))
    }

    /// The override rows that decide, one a carrier, most specific first.
    fn each_override(&self, mut take: impl FnMut(Override)) {
        let mut decided = CarrierSet::EMPTY;
        let everyone = self.data.settings().has_overrides;
        let own = self.data.org(self.facts.org_id).is_some_and(|org| org.has_overrides);
        for owner in owners(self.facts.org_id) {
            if !(if owner == 0 { everyone } else { own }) {
                continue;
            }
            for len in (0..=self.number.len() as u8).rev() {
                let mut n = 0;
                while let Some(rule) = self.data.override_rule(owner, self.number.key(), len, n) {
                    if decided.insert(rule.carrier) {
                        take(rule);
                    }
                    n += 1;
                }
            }
        }
    }

    /// Steps 9 and 10. An override of a carrier that is no longer in the running does nothing, so
    /// that a forced carrier without a rate does not cut the call off.
    fn closed_loop_and_overrides<W: WhySink>(&self, seats: &mut Seats, why: &mut W) {
        let (mut forbidden, mut preferred, mut forced) =
            (CarrierSet::EMPTY, CarrierSet::EMPTY, CarrierSet::EMPTY);
        self.each_override(|rule| {
            let set = match rule.action {
                OverrideAction::Forbid => &mut forbidden,
                OverrideAction::Prefer => &mut preferred,
                OverrideAction::Force => &mut forced,
            };
            set.insert(rule.carrier);
            let seat = seats.rows[..seats.len].iter_mut().find(|s| s.offer.carrier == rule.carrier);
            if let Some(seat) = seat {
                seat.priority = rule.priority;
            }
        });
        let mut any_forced = false;
        seats.retain(|seat| {
            let at = seat.offer.carrier;
            let mut out = |step, reason| {
                why.excluded(at, Index::NONE, step, reason);
                false
            };
            let Some(carrier) = self.data.carrier_terms(at) else { return false };
            let chosen = preferred.contains(at) || forced.contains(at);
            if carrier.closed_loop && !self.data.closed_loop_member(self.facts.org_id, at) {
                return out(Step::ClosedLoop, "closed loop of other organisations");
            }
            if carrier.private_services && !chosen {
                return out(Step::ClosedLoop, "private services carrier without an override");
            }
            if forbidden.contains(at) {
                return out(Step::Override, "forbidden by an override");
            }
            seat.tier = match (carrier.closed_loop, chosen) {
                (true, _) => Tier::ClosedLoop,
                (false, true) => Tier::Preferred,
                (false, false) => Tier::Ordinary,
            };
            any_forced |= forced.contains(at);
            true
        });
        if any_forced {
            seats.retain(|seat| {
                let stays = forced.contains(seat.offer.carrier);
                if !stays {
                    let reason = "another carrier is forced";
                    why.excluded(seat.offer.carrier, Index::NONE, Step::Override, reason);
                }
                stays
            });
        }
    }

    /// Step 12: carriers with no gateway left are out.
    fn keep_with_gateway<W: WhySink>(&self, seats: &mut Seats, why: &mut W) {
        seats.retain(|seat| {
            let at = seat.offer.carrier;
            let Some(carrier) = self.data.carrier_terms(at) else { return false };
            match gateways::best(self.data, self.live, self.facts, (at, &carrier), why) {
                Some(reliability) => {
                    seat.reliability = reliability;
                    true
                }
                None => {
                    why.excluded(at, Index::NONE, Step::Gateway, "no gateway left");
                    false
                }
            }
        });
    }

    /// Step 11: carriers that break the organisation's margin rule are out. Without a sell price
    /// for the number there is nothing to break.
    fn keep_margin<W: WhySink>(&self, seats: &mut Seats, why: &mut W) {
        let Some(margin) = self.data.org_margin(self.facts.org_id) else { return };
        let Some(sell) = self.sell_price(margin.retail) else { return };
        seats.retain(|seat| {
            let stays = margin.allows(sell, seat.cost_per_min);
            if !stays {
                let reason = "breaks the margin rule";
                why.excluded(seat.offer.carrier, Index::NONE, Step::Margin, reason);
            }
            stays
        });
    }

    /// What the organisation sells the number for, by steps 5 to 8 over its retail deck: the
    /// dialled number, since that is what its bill shows.
    fn sell_price(&self, retail: u32) -> Option<Nano> {
        for len in (0..=self.number.len() as u8).rev() {
            for owner in owners(self.facts.org_id) {
                let key = self.number.key();
                let Some(at) = self.data.retail_band(retail, owner, key, len) else { continue };
                let band = self.data.band_terms(at).filter(|band| band.enabled);
                let rate = band.and_then(|band| {
                    let rates = (0..band.rates).map(|n| Index(band.first_rate.saturating_add(n)));
                    rates.map_while(|at| self.data.rate_terms(at)).find(|rate| self.in_force(rate))
                });
                match rate {
                    Some(rate) => return rate.cost_at(self.facts.at),
                    None if self.data.settings().shorter_prefix => {}
                    None => return None,
                }
            }
        }
        None
    }

    /// Step 13. Forced and preferred carriers stand by priority and cost whatever the profile.
    fn order(&self, seats: &mut Seats) {
        let text = self.facts.profile.unwrap_or_else(|| self.data.org_profile(self.facts.org_id));
        let profile = Profile::parse(text).unwrap_or_default();
        let seats = &mut seats.rows[..seats.len];
        match profile {
            Profile::Cost | Profile::Reliability => {}
            Profile::Quality | Profile::Tolerance(_) => {
                seats.iter_mut().for_each(|seat| seat.merit = self.quality(seat).key());
            }
            Profile::Split(shares) => self.draw(seats, shares),
        }
        seats.sort_unstable_by_key(|seat| {
            let unreliability = u8::MAX - seat.reliability;
            let by_cost = (seat.cost_per_min, unreliability, seat.carrier_id);
            let (priority, early, merit) = match (seat.tier, profile) {
                (Tier::Preferred, _) => (seat.priority, 0, (0, 0, 0)),
                (_, Profile::Reliability) => (0, unreliability, (0, 0, 0)),
                (_, Profile::Quality | Profile::Split(_)) => (0, 0, seat.merit),
                (_, Profile::Cost | Profile::Tolerance(_)) => (0, 0, (0, 0, 0)),
            };
            (seat.tier, priority, early, merit, by_cost)
        });
        if let Profile::Tolerance(hundredths) = profile {
            seats
                .chunk_by_mut(|a, b| a.tier == b.tier)
                .filter(|group| group.first().is_some_and(|seat| seat.tier != Tier::Preferred))
                .for_each(|group| prefer_quality_within(group, hundredths));
        }
    }

    /// What was measured of all gateways of a carrier.
    fn quality(&self, seat: &Seat) -> Quality {
        let Some(carrier) = self.data.carrier_terms(seat.offer.carrier) else {
            return Quality::default();
        };
        (carrier.first_gateway..)
            .take(carrier.gateways as usize)
            .filter_map(|at| self.data.gateway_terms(Index(at)))
            .fold(Quality::default(), |sum, gateway| sum.plus(self.live.quality(gateway.id)))
    }

    /// Draws the carriers that a split names one after another, with chances by their shares; the
    /// same call draws the same. Those it does not name come after.
    fn draw(&self, seats: &mut [Seat], shares: &str) {
        const UNDRAWN: u64 = u64::MAX;
        let mut seed = !gateways::seed(self.facts, self.number.as_bytes());
        // In order of ID, so that the draw does not depend on prices.
        seats.sort_unstable_by_key(|seat| seat.carrier_id);
        seats.iter_mut().for_each(|seat| seat.merit.0 = UNDRAWN);
        let share = |seat: &Seat| match seat.merit.0 {
            UNDRAWN => u64::from(share_of(shares, seat.carrier_id).unwrap_or(0)),
            _ => 0,
        };
        for turn in 0..seats.len() as u64 {
            let total: u64 = seats.iter().map(share).sum();
            if total == 0 {
                return;
            }
            let mut ticket = gateways::splitmix(&mut seed) % total;
            let drawn = seats.iter_mut().find(|seat| {
                let own = share(seat);
                let mine = ticket < own;
                ticket = ticket.saturating_sub(own);
                mine
            });
            if let Some(seat) = drawn {
                seat.merit.0 = turn;
            }
        }
    }

    /// Step 14.
    fn plan<W: WhySink>(&self, seats: &Seats, why: &mut W, plan: &mut Plan) {
        let attempts = ranked::attempts(self.facts);
        // The short way may have left something behind.
        plan.clear_routes();
        let seed = gateways::seed(self.facts, self.number.as_bytes());
        for seat in &seats.rows[..seats.len] {
            let at = seat.offer.carrier;
            let full = plan.routes().len() >= attempts;
            if full && !W::ON {
                break;
            }
            let Some(carrier) = self.data.carrier_terms(at) else { continue };
            let usable = gateways::ordered(self.data, self.live, self.facts, &carrier, seed);
            for &gateway in usable.rows() {
                let candidate = Candidate {
                    carrier: at,
                    gateway,
                    rate: seat.rate,
                    prefix_len: seat.offer.prefix_len,
                };
                if plan.routes().len() >= attempts || !plan.push(candidate) {
                    why.excluded(at, gateway, Step::Plan, "beyond the attempts allowed");
                }
            }
        }
    }
}

/// Seats stand by cost. Those within so many hundredths of a percent of the first are put in order
/// of quality; the next dearer one begins the next band.
fn prefer_quality_within(mut seats: &mut [Seat], hundredths: u32) {
    while let Some(first) = seats.first() {
        let cheapest = i128::from(first.cost_per_min.0);
        let within = |seat: &Seat| {
            i128::from(seat.cost_per_min.0) * 10_000 <= cheapest * (10_000 + i128::from(hundredths))
        };
        let len = seats.iter().take_while(|seat| within(seat)).count().max(1);
        let (band, rest) = seats.split_at_mut(len);
        band.sort_unstable_by_key(|seat| {
            (seat.merit, seat.cost_per_min, u8::MAX - seat.reliability, seat.carrier_id)
        });
        seats = rest;
    }
}
