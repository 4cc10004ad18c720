//! The sample carriers, cut out of the numbering plan as real carriers would.
//!
//! Real decks differ in what they sell and in how finely they cut it, and that is what makes routing
//! hard; so these differ in both. Names of places, operators and countries are real. **Carriers and
//! prices are made up** and say so: a price is a hash of carrier and band, shaped by the kind of
//! number so that it looks like a market, and the same on every machine.

use std::collections::HashMap;
use std::collections::HashSet;

use super::plan::{Kind, Plan, PlanRow};

/// What stands after the name of every carrier of the deck.
pub const MARK: &str = "(sample prices)";

/// A sample carrier.
#[derive(Clone, Copy, Debug)]
pub struct Carrier {
    /// `Carriers.ID`.
    pub id: u32,
    /// Its name, to which [`MARK`] is added.
    pub name: &'static str,
    /// `route` or `retail`.
    pub kind: &'static str,
    /// Currency of its prices.
    pub currency: &'static str,
    /// Worth of one unit of it in thousandths of a pound, for prices that compete.
    milli_pound: u64,
    /// Name of the format it wants numbers in.
    pub format: &'static str,
    /// First and following billing increments, in seconds.
    pub increments: (u32, u32),
    /// How dear it is in general, in percent.
    level: u64,
    cut: Cut,
}

/// What a carrier sells and how it cuts it.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Cut {
    /// Every prefix there is, by operator and by place.
    Finest,
    /// Mobiles of the world, by operator.
    Mobiles,
    /// The world, by country and kind.
    Countries,
    /// The British Isles, by operator and by place.
    British,
    /// The US and Canada, by state.
    American,
}

/// All of them.
#[rustfmt::skip] // One carrier, one row.
pub const CARRIERS: &[Carrier] = &[
    Carrier { id: 101, name: "Meridian World", kind: "route", currency: "GBP", milli_pound: 1000,
        format: "E164", increments: (1, 1), level: 104, cut: Cut::Finest },
    Carrier { id: 102, name: "Mobilis", kind: "route", currency: "EUR", milli_pound: 870,
        format: "+E164", increments: (1, 1), level: 92, cut: Cut::Mobiles },
    Carrier { id: 103, name: "Atlas A-Z", kind: "route", currency: "USD", milli_pound: 750,
        format: "00", increments: (30, 6), level: 100, cut: Cut::Countries },
    Carrier { id: 104, name: "Thames Voice", kind: "route", currency: "GBP", milli_pound: 1000,
        format: "national", increments: (1, 1), level: 85, cut: Cut::British },
    Carrier { id: 105, name: "Hudson Long Lines", kind: "route", currency: "USD", milli_pound: 750,
        format: "011", increments: (6, 6), level: 80, cut: Cut::American },
    Carrier { id: 106, name: "Our price list", kind: "retail", currency: "GBP", milli_pound: 1000,
        format: "", increments: (60, 60), level: 180, cut: Cut::Countries },
];

/// A band of a carrier.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Band {
    /// Its name.
    pub name: String,
    /// What it holds.
    pub kind: Kind,
    /// ISO 3166.
    pub country: String,
    /// Per minute in the carrier's currency, in millionths.
    pub micros: u64,
}

/// A carrier's deck: bands, and prefixes with the band's place in the list.
#[derive(Debug, Default)]
pub struct Deck<'a> {
    /// Bands.
    pub bands: Vec<Band>,
    /// Prefixes.
    pub numbers: Vec<(&'a str, u32)>,
}

/// In a country with more landline prefixes than this a place has a band of its own only from
/// [`PLACE`] prefixes on, as decks do.
const MANY: usize = 1000;
const PLACE: usize = 40;

impl Carrier {
    /// The name as it stands in the table.
    #[must_use]
    pub fn full_name(&self) -> String {
        format!("{} {MARK}", self.name)
    }

    /// Cuts the deck.
    #[must_use]
    pub fn deck<'a>(&self, plan: &'a Plan) -> Deck<'a> {
        let places = Places::new(plan);
        let mut deck = Deck::default();
        let mut known: HashMap<(Kind, [u8; 2], &str), u32> = HashMap::new();
        // The rows that the row in hand lies below, each with its band.
        let mut above: Vec<(&PlanRow, Option<u32>)> = Vec::new();
        for row in &plan.rows {
            while above.last().is_some_and(|(up, _)| !row.prefix().starts_with(up.prefix())) {
                above.pop();
            }
            let band = self.detail(plan, &places, row).map(|detail| {
                *known.entry((row.kind, row.country, detail)).or_insert_with(|| {
                    deck.bands.push(self.band(plan, row, detail));
                    deck.bands.len() as u32 - 1
                })
            });
            let inherited = above.last().and_then(|(_, band)| *band);
            if let Some(band) = band.filter(|_| self.cut == Cut::Finest || band != inherited) {
                deck.numbers.push((row.prefix(), band));
            }
            above.push((row, band));
        }
        deck
    }

    /// The finer name within country and kind that the carrier goes by; `None` is not sold.
    fn detail<'a>(&self, plan: &'a Plan, places: &Places<'_>, row: &PlanRow) -> Option<&'a str> {
        let name = plan.name(row);
        match self.cut {
            Cut::Finest => Some(if places.known(plan, row) { name } else { "" }),
            Cut::Mobiles => (row.kind == Kind::Mobile).then_some(name),
            Cut::Countries => Some(""),
            Cut::British => matches!(&row.country, b"GB" | b"GG" | b"JE" | b"IM").then_some(name),
            // "Jersey City, NJ": the state is what counts there.
            Cut::American => matches!(&row.country, b"US" | b"CA")
                .then(|| name.rsplit_once(", ").map_or("", |(_, state)| state)),
        }
    }

    fn band(&self, plan: &Plan, row: &PlanRow, detail: &str) -> Band {
        let mut name = format!("{} {}", plan.country_name(row), row.kind.as_str());
        if !detail.is_empty() {
            name.push(' ');
            name.push_str(detail);
        }
        let micros = self.price(row, detail);
        Band { name, kind: row.kind, country: row.country().to_owned(), micros }
    }

    /// A sample price per minute, in millionths of a unit of the carrier's currency.
    fn price(&self, row: &PlanRow, detail: &str) -> u64 {
        // What the country costs everybody: 4,000 to 150,000 millionths of a pound.
        let country = hash(&[&row.country]) % 1000;
        let base = match &row.country {
            b"GB" | b"US" | b"CA" => 4_000,
            b"ZZ" => 900_000,
            _ => 5_000 + country * country * 145 / 1000,
        };
        let base = match row.kind {
            Kind::Landline | Kind::Voip | Kind::Other => base,
            Kind::Mobile | Kind::Pager => base * 2 + 6_000,
            Kind::Premium => base + 600_000,
            Kind::Freephone => base / 2 + 1_000,
            Kind::Shared | Kind::Universal => base + 30_000,
            Kind::Personal => base + 120_000,
        };
        // What the operator or place adds, and how the carrier bought: 80 to 125 percent each.
        let place = 80 + hash(&[&row.country, detail.as_bytes()]) % 46;
        let bought = 80
            + hash(&[self.name.as_bytes(), &row.country, &[row.kind as u8], detail.as_bytes()])
                % 46;
        let pounds = base * place / 100 * bought / 100 * self.level / 100;
        // To tens of millionths, as decks are.
        (pounds * 1000 / self.milli_pound / 10).max(1) * 10
    }
}

/// Which landline places have bands of their own.
struct Places<'a>(HashSet<([u8; 2], &'a str)>);

impl<'a> Places<'a> {
    fn new(plan: &'a Plan) -> Self {
        let mut country: HashMap<[u8; 2], usize> = HashMap::new();
        let mut place: HashMap<([u8; 2], &str), usize> = HashMap::new();
        for row in plan.rows.iter().filter(|row| row.kind == Kind::Landline) {
            *country.entry(row.country).or_default() += 1;
            *place.entry((row.country, plan.name(row))).or_default() += 1;
        }
        Self(
            place
                .into_iter()
                .filter(|((code, _), prefixes)| country[code] <= MANY || *prefixes >= PLACE)
                .map(|(key, _)| key)
                .collect(),
        )
    }

    fn known(&self, plan: &Plan, row: &PlanRow) -> bool {
        row.kind == Kind::Mobile || self.0.contains(&(row.country, plan.name(row)))
    }
}

/// FNV-1a over the parts, with its bits well mixed: prices must be the same everywhere, for ever.
fn hash(parts: &[&[u8]]) -> u64 {
    let mut state = 0xcbf2_9ce4_8422_2325u64;
    for part in parts {
        for &byte in part.iter().chain(&[0xff]) {
            state = (state ^ u64::from(byte)).wrapping_mul(0x0000_0100_0000_01b3);
        }
    }
    (state ^ state >> 32).wrapping_mul(0x9e37_79b9_7f4a_7c15) >> 24
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn carriers_differ_in_what_they_sell_and_how_they_cut_it() {
        let plan = Plan::shipped().expect("undamaged");
        let decks: Vec<Deck<'_>> = CARRIERS.iter().map(|c| c.deck(&plan)).collect();
        assert_eq!(decks[0].numbers.len(), plan.rows.len(), "the finest has every prefix");
        for (carrier, deck) in CARRIERS.iter().zip(&decks) {
            println!(
                "{}: {} prefixes in {} bands",
                carrier.name,
                deck.numbers.len(),
                deck.bands.len()
            );
            assert!(deck.numbers.len() >= 200 && deck.bands.len() >= 20, "{}", carrier.name);
            assert!(deck.bands.iter().all(|b| b.micros >= 10), "{}", carrier.name);
            let names: HashSet<_> = deck.bands.iter().map(|b| &b.name).collect();
            assert_eq!(names.len(), deck.bands.len(), "{}: every band once", carrier.name);
        }
        let longest = |deck: &Deck<'_>, number: &str| {
            deck.numbers
                .iter()
                .filter(|(prefix, _)| number.starts_with(prefix))
                .max_by_key(|(prefix, _)| prefix.len())
                .map(|&(prefix, band)| (prefix.to_owned(), deck.bands[band as usize].name.clone()))
        };
        // Cutting coarser must not change what a number is.
        for row in plan.rows.iter().step_by(997) {
            let number = row.prefix();
            let (_, name) = longest(&decks[2], number).expect("A-Z sells everything");
            let expected = format!("{} {}", plan.country_name(row), row.kind.as_str());
            assert_eq!(name, expected, "{number}");
        }
        let sellers = |number: &str| {
            decks.iter().map(|deck| longest(deck, number).is_some()).collect::<Vec<_>>()
        };
        assert_eq!(sellers("447700900123"), [true, true, true, true, false, true]);
        assert_eq!(sellers("12025550123"), [true, false, true, false, true, true]);
        assert_eq!(sellers("442079460000"), [true, false, true, true, false, true]);
    }
}
