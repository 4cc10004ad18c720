//! When something is open: the week of a shop, its holidays and its special days, in its own time
//! zone.
//!
//! Everything is reckoned in local time and turned into instants last, so that nine o'clock is nine
//! o'clock on both sides of a clock change, and a range across midnight on such a night is as long
//! as the night was.

use jiff::civil::{Date, DateTime, Time};
use jiff::tz::{AmbiguousOffset, TimeZone};
use jiff::{Span, Timestamp};

/// Monday is bit 0.
const EVERY_DAY: u8 = 0x7f;

const DAYS: [&str; 7] = ["mon", "tue", "wed", "thu", "fri", "sat", "sun"];

/// Furthest that a change is looked for.
const HORIZON_DAYS: i64 = 370;

/// A day of the calendar, or the same day of every year.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Day {
    Once(Date),
    Yearly(i8, i8),
}

impl Day {
    /// `2026-12-25` or `12-25`.
    pub(super) fn parse(text: &str) -> Result<Self, String> {
        let wrong = || format!("\"{text}\": expected a day such as 2026-12-25 or 12-25");
        let parts: Vec<&str> = text.split('-').collect();
        let number = |text: &str| text.parse::<i16>().map_err(|_| wrong());
        match parts.as_slice() {
            [year, month, day] => {
                let (month, day) = (number(month)? as i8, number(day)? as i8);
                Date::new(number(year)?, month, day).map(Self::Once).map_err(|_| wrong())
            }
            [month, day] => {
                let (month, day) = (number(month)? as i8, number(day)? as i8);
                // A leap year, so that 02-29 is a day.
                Date::new(2024, month, day).map_err(|_| wrong())?;
                Ok(Self::Yearly(month, day))
            }
            _ => Err(wrong()),
        }
    }

    fn is(self, date: Date) -> bool {
        match self {
            Self::Once(day) => day == date,
            Self::Yearly(month, day) => (date.month(), date.day()) == (month, day),
        }
    }
}

/// `mon-fri`, `sat,sun`, `fri-mon` or `*`, as bits.
pub(super) fn days(text: &str) -> Result<u8, String> {
    let wrong = |word: &str| {
        format!("days: \"{word}\": expected mon, tue, wed, thu, fri, sat, sun, mon-fri or *")
    };
    let number = |word: &str| {
        let short = word.get(..3).map(str::to_ascii_lowercase).unwrap_or_default();
        DAYS.iter().position(|day| *day == short).ok_or_else(|| wrong(word))
    };
    let mut bits = 0;
    for word in text.split([',', ' ']).map(str::trim).filter(|word| !word.is_empty()) {
        match word.split_once('-') {
            _ if word == "*" => bits |= EVERY_DAY,
            Some((first, last)) => {
                let (mut day, last) = (number(first)?, number(last)?);
                bits |= 1 << day;
                while day != last {
                    day = (day + 1) % 7;
                    bits |= 1 << day;
                }
            }
            None => bits |= 1 << number(word)?,
        }
    }
    if bits == 0 { Err(wrong(text)) } else { Ok(bits) }
}

/// Seconds from midnight of `09:00`, `9:00`, `09:00:30` or `24:00`.
pub(super) fn clock(text: &str) -> Result<i32, String> {
    let wrong = || format!("\"{text}\": expected a time such as 09:00, up to 24:00");
    let mut parts = text.split(':');
    let mut part = |most: i32| -> Result<i32, String> {
        let text = parts.next().unwrap_or("0");
        let digits =
            !text.is_empty() && text.len() <= 2 && text.bytes().all(|b| b.is_ascii_digit());
        text.parse().ok().filter(|n| digits && *n <= most).ok_or_else(wrong)
    };
    let seconds = part(24)? * 3_600 + part(59)? * 60 + part(59)?;
    if parts.next().is_some() || seconds > 86_400 || !text.contains(':') {
        return Err(wrong());
    }
    Ok(seconds)
}

/// From and to, in seconds from midnight; a `to` that is not after `from` is of the next day.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) struct Range {
    pub(super) from: i32,
    pub(super) to: i32,
}

#[derive(Clone, PartialEq, Eq, Debug)]
pub(super) struct Hours {
    pub(super) days: u8,
    pub(super) range: Range,
    pub(super) name: String,
}

#[derive(Clone, PartialEq, Eq, Debug)]
pub(super) struct Holiday {
    pub(super) first: Day,
    pub(super) last: Day,
    pub(super) name: String,
}

impl Holiday {
    fn has(&self, date: Date) -> bool {
        match (self.first, self.last) {
            (first, last) if first == last => first.is(date),
            (Day::Once(first), Day::Once(last)) => first <= date && date <= last,
            // 12-24 to 01-02 goes over the end of the year.
            (Day::Yearly(m1, d1), Day::Yearly(m2, d2)) => {
                let (first, last, day) = ((m1, d1), (m2, d2), (date.month(), date.day()));
                if first <= last {
                    first <= day && day <= last
                } else {
                    day >= first || day <= last
                }
            }
            _ => false,
        }
    }
}

#[derive(Clone, PartialEq, Eq, Debug)]
pub(super) struct Special {
    pub(super) day: Day,
    /// `None` is closed all day.
    pub(super) range: Option<Range>,
    pub(super) name: String,
}

/// A whole schedule.
#[derive(Clone, Debug)]
pub(super) struct Schedule {
    pub(super) zone: TimeZone,
    pub(super) hours: Vec<Hours>,
    pub(super) holidays: Vec<Holiday>,
    pub(super) special: Vec<Special>,
}

/// A stretch of being open.
struct Open {
    from: Timestamp,
    to: Timestamp,
    why: String,
}

fn said(kind: &str, name: &str) -> String {
    if name.is_empty() { kind.to_owned() } else { format!("{kind}: {name}") }
}

impl Schedule {
    /// Whether it is open at `at`, and why.
    pub(super) fn open(&self, at: Timestamp) -> (bool, String) {
        let today = at.to_zoned(self.zone.clone()).date();
        let yesterday = today.yesterday().unwrap_or(today);
        for day in [today, yesterday] {
            if let Some(open) = self.stretches(day).into_iter().find(|o| o.from <= at && at < o.to)
            {
                return (true, open.why);
            }
        }
        if let Some(special) = self.special.iter().find(|special| special.day.is(today)) {
            return (false, said("special", &special.name));
        }
        if let Some(holiday) = self.holidays.iter().find(|holiday| holiday.has(today)) {
            return (false, said("holiday", &holiday.name));
        }
        (false, "closed".to_owned())
    }

    /// The first instant after `at` at which it opens or closes, and whether it is open then.
    pub(super) fn next_change(&self, at: Timestamp) -> Option<(Timestamp, bool)> {
        let open = self.open(at).0;
        let mut day = at.to_zoned(self.zone.clone()).date().yesterday().ok()?;
        // Where it is open: how far what is open now goes on without a break.
        let mut until = at;
        for _ in 0..HORIZON_DAYS {
            let mut stretches = self.stretches(day);
            stretches.sort_by_key(|stretch| stretch.from);
            let next = day.tomorrow().ok()?;
            if open {
                for stretch in stretches {
                    // A gap before it stays one: whatever could fill it would have begun earlier.
                    if stretch.from <= until {
                        until = until.max(stretch.to);
                    }
                }
                if next > at.to_zoned(self.zone.clone()).date() && until < self.instant(next, 0)? {
                    return Some((until, false));
                }
            } else if let Some(stretch) = stretches.iter().find(|stretch| stretch.from > at) {
                return Some((stretch.from, true));
            }
            day = next;
        }
        None
    }

    /// The stretches that begin on `day`. A range that crosses midnight belongs to the day on which
    /// it begins.
    fn stretches(&self, day: Date) -> Vec<Open> {
        let mut found = Vec::new();
        let special: Vec<_> = self.special.iter().filter(|special| special.day.is(day)).collect();
        if !special.is_empty() {
            for one in special {
                if let Some(range) = one.range {
                    found.extend(self.stretch(day, range, said("special", &one.name)));
                }
            }
            return found;
        }
        if self.holidays.iter().any(|holiday| holiday.has(day)) {
            return found;
        }
        let bit = 1 << day.weekday().to_monday_zero_offset();
        for hours in self.hours.iter().filter(|hours| hours.days & bit != 0) {
            found.extend(self.stretch(day, hours.range, said("hours", &hours.name)));
        }
        found
    }

    fn stretch(&self, day: Date, range: Range, why: String) -> Option<Open> {
        let over = if range.to <= range.from { 86_400 } else { 0 };
        let (from, to) = (self.instant(day, range.from)?, self.instant(day, range.to + over)?);
        (from < to).then_some(Open { from, to, why })
    }

    /// The instant of a local time. One that a clock change leaves out is the instant of the change;
    /// one that comes twice is the first.
    fn instant(&self, day: Date, seconds: i32) -> Option<Timestamp> {
        let days = Span::new().try_days(seconds.div_euclid(86_400)).ok()?;
        let day = day.checked_add(days).ok()?;
        let left = seconds.rem_euclid(86_400);
        let time =
            Time::new((left / 3_600) as i8, (left / 60 % 60) as i8, (left % 60) as i8, 0).ok()?;
        let local = DateTime::from_parts(day, time);
        let zoned = self.zone.to_ambiguous_zoned(local);
        if matches!(zoned.offset(), AmbiguousOffset::Gap { .. }) {
            // The later reading of a time in the gap lies past the change by as much as it lay past
            // the gap's beginning; the transition itself is where the shop's clock jumps over it.
            let later = zoned.compatible().ok()?;
            let found = self.zone.preceding(later.timestamp() + Span::new().nanoseconds(1)).next();
            return found.map(|change| change.timestamp());
        }
        Some(zoned.earlier().ok()?.timestamp())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn zone(name: &str) -> TimeZone {
        TimeZone::get(name).expect("a zone")
    }

    fn at(zone_name: &str, local: &str) -> Timestamp {
        let local: DateTime = local.parse().expect("a local time");
        zone(zone_name).to_zoned(local).expect("an instant").timestamp()
    }

    fn schedule(zone_name: &str, hours: &[(&str, &str, &str)]) -> Schedule {
        let hours = hours
            .iter()
            .map(|(on, from, to)| Hours {
                days: days(on).expect("days"),
                range: Range { from: clock(from).expect("from"), to: clock(to).expect("to") },
                name: String::new(),
            })
            .collect();
        Schedule { zone: zone(zone_name), hours, holidays: Vec::new(), special: Vec::new() }
    }

    #[test]
    fn days_and_clocks_are_read() {
        for (text, bits) in [
            ("mon-fri", Some(0b001_1111)),
            ("sat,sun", Some(0b110_0000)),
            ("fri-mon", Some(0b111_0001)),
            ("Monday Wednesday", Some(0b000_0101)),
            ("*", Some(0x7f)),
            ("mon-mon", Some(1)),
            ("", None),
            ("mo", None),
            ("mon-x", None),
        ] {
            assert_eq!(days(text).ok(), bits, "{text}");
        }
        for (text, seconds) in [
            ("09:00", Some(32_400)),
            ("9:30", Some(34_200)),
            ("24:00", Some(86_400)),
            ("00:00:01", Some(1)),
            ("24:01", None),
            ("9", None),
            ("9:60", None),
            ("-1:00", None),
            ("1:2:3:4", None),
        ] {
            assert_eq!(clock(text).ok(), seconds, "{text}");
        }
        assert_eq!(Day::parse("02-29"), Ok(Day::Yearly(2, 29)));
        assert!(Day::parse("2026-02-29").is_err() && Day::parse("13-01").is_err());
    }

    #[test]
    fn the_week_of_a_shop() {
        let shop =
            schedule("Europe/London", &[("mon-fri", "09:00", "17:30"), ("sat", "22:00", "02:00")]);
        let london = |local| at("Europe/London", local);
        for (local, open) in [
            ("2026-11-20T08:59:59", false),
            ("2026-11-20T09:00:00", true),
            ("2026-11-20T17:29:59", true),
            ("2026-11-20T17:30:00", false),
            ("2026-11-21T21:59:59", false),
            ("2026-11-21T22:00:00", true),
            // Sunday, out of Saturday's range.
            ("2026-11-22T01:59:59", true),
            ("2026-11-22T02:00:00", false),
        ] {
            assert_eq!(shop.open(london(local)).0, open, "{local}");
        }
        // Friday evening, and the next thing is Saturday night.
        assert_eq!(
            shop.next_change(london("2026-11-20T18:00:00")),
            Some((london("2026-11-21T22:00:00"), true))
        );
        assert_eq!(
            shop.next_change(london("2026-11-22T00:00:00")),
            Some((london("2026-11-22T02:00:00"), false))
        );
        // Around the clock: never a change, though every midnight is an edge.
        let always = schedule("Europe/London", &[("*", "00:00", "24:00")]);
        assert_eq!(always.next_change(london("2026-11-20T18:00:00")), None);
        assert!(always.open(london("2026-11-20T00:00:00")).0);
    }

    #[test]
    fn nine_is_nine_on_both_sides_of_a_clock_change() {
        // London goes to summer time on 2026-03-29 at 01:00 UTC and back on 2026-10-25.
        let shop = schedule("Europe/London", &[("*", "09:00", "17:00")]);
        for day in ["2026-03-28", "2026-03-29", "2026-10-24", "2026-10-25"] {
            assert!(!shop.open(at("Europe/London", &format!("{day}T08:59:59"))).0, "{day}");
            assert!(shop.open(at("Europe/London", &format!("{day}T09:00:00"))).0, "{day}");
        }
        let utc = |text: &str| text.parse::<Timestamp>().expect("an instant");
        assert!(
            shop.open(utc("2026-03-28T09:00:00Z")).0 && !shop.open(utc("2026-03-28T08:30:00Z")).0
        );
        assert!(shop.open(utc("2026-03-29T08:30:00Z")).0);
        // A night shift is as long as its night: 8 hours, 7 in spring, 9 in autumn.
        let night = schedule("Europe/London", &[("*", "22:00", "06:00")]);
        for (evening, hours) in [("2026-03-27", 8), ("2026-03-28", 7), ("2026-10-24", 9)] {
            let from = at("Europe/London", &format!("{evening}T22:00:00"));
            let (to, open) = night.next_change(from).expect("it closes");
            assert_eq!(
                ((to.as_second() - from.as_second()) / 3_600, open),
                (hours, false),
                "{evening}"
            );
        }
        // 01:30 does not exist that night: what opens then opens when the clock jumps.
        let odd = schedule("Europe/London", &[("*", "01:30", "03:00")]);
        assert!(!odd.open(utc("2026-03-29T00:59:59Z")).0);
        assert!(odd.open(utc("2026-03-29T01:00:00Z")).0);
        assert!(!odd.open(utc("2026-03-29T02:00:00Z")).0);
        // In autumn 01:30 comes twice: open from the first on.
        assert!(odd.open(utc("2026-10-25T00:30:00Z")).0 && odd.open(utc("2026-10-25T01:30:00Z")).0);
        // The other half of the world, where summer is in January; and half-hour changes.
        let sydney = schedule("Australia/Sydney", &[("*", "09:00", "17:00")]);
        assert!(
            sydney.open(utc("2026-01-10T22:00:00Z")).0
                && !sydney.open(utc("2026-07-10T22:00:00Z")).0
        );
        let howe = schedule("Australia/Lord_Howe", &[("*", "09:00", "17:00")]);
        assert!(howe.open(at("Australia/Lord_Howe", "2026-04-05T09:00:00")).0);
    }

    #[test]
    fn holidays_and_special_days_come_first() {
        let mut shop =
            schedule("Europe/London", &[("*", "09:00", "17:00"), ("thu", "22:00", "02:00")]);
        let holiday = |first: &str, last: &str, name: &str| Holiday {
            first: Day::parse(first).expect("a day"),
            last: Day::parse(last).expect("a day"),
            name: name.to_owned(),
        };
        shop.holidays = vec![holiday("12-25", "12-25", "Christmas"), holiday("12-31", "01-02", "")];
        shop.special = vec![Special {
            day: Day::parse("2027-01-02").expect("a day"),
            range: Some(Range { from: 36_000, to: 43_200 }),
            name: "sale".to_owned(),
        }];
        let open = |local| shop.open(at("Europe/London", local));
        assert_eq!(open("2026-12-24T12:00:00"), (true, "hours".to_owned()));
        // The range that began before the holiday goes on into it.
        assert!(open("2026-12-25T01:00:00").0);
        assert_eq!(open("2026-12-25T12:00:00"), (false, "holiday: Christmas".to_owned()));
        assert_eq!(open("2027-12-25T12:00:00").1, "holiday: Christmas");
        assert_eq!(open("2027-01-01T12:00:00"), (false, "holiday".to_owned()));
        assert_eq!(open("2027-01-02T11:00:00"), (true, "special: sale".to_owned()));
        assert_eq!(open("2027-01-02T13:00:00"), (false, "special: sale".to_owned()));
        assert_eq!(open("2027-01-03T12:00:00"), (true, "hours".to_owned()));
    }
}
