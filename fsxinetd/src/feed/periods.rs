//! Named periods, resolved to UTC.
//!
//! A tariff says "Monday to Friday, 8 to 18, London"; the engine compares seconds. The wall clock is
//! the law: an instant is in the period when the clock on the wall there says so, also on the two
//! days a year when the clock jumps. So the horizon is cut at every change of offset, and within a
//! piece the local hours are plain arithmetic.

use jiff::Timestamp;
use jiff::tz::TimeZone;

const DAY_S: i64 = 86_400;

/// One row of `Periods`, as text.
#[derive(Clone, Debug)]
pub(super) struct Hours {
    /// IANA name; empty is UTC.
    pub(super) time_zone: String,
    /// Days of the week; empty is all.
    pub(super) days: String,
    /// First second of the day, `HH:MM[:SS]`; empty is midnight.
    pub(super) start: String,
    /// The second after the last; empty is the end of the day.
    pub(super) end: String,
}

/// Adds the row's `[from, to)` intervals that touch `[begin, end)` to `out`.
///
/// # Errors
/// What is wrong with the row, in words.
pub(super) fn resolve(
    hours: &Hours,
    begin: i64,
    end: i64,
    out: &mut Vec<(i64, i64)>,
) -> Result<(), String> {
    let name = hours.time_zone.trim();
    let zone = match name {
        "" => TimeZone::UTC,
        _ => TimeZone::get(name).map_err(|_| format!("unknown time zone \"{name}\""))?,
    };
    let days = days_of(&hours.days)?;
    let from = time_of(&hours.start, 0)?;
    let mut to = time_of(&hours.end, DAY_S)?;
    if to <= from {
        to += DAY_S;
    }
    let start = Timestamp::from_second(begin).map_err(|e| e.to_string())?;
    let mut piece_begin = begin;
    let mut offset = i64::from(zone.to_offset(start).seconds());
    let mut changes = zone.following(start);
    loop {
        let change = changes.next();
        let piece_end = change.as_ref().map_or(end, |c| c.timestamp().as_second().min(end));
        // Local midnights from the day before, whose hours may run into this piece.
        let first = (piece_begin + offset).div_euclid(DAY_S) - 1;
        let last = (piece_end + offset).div_euclid(DAY_S);
        for day in first..=last {
            // 1970-01-01 was a Thursday; Monday is 0.
            if days[(day + 3).rem_euclid(7) as usize] {
                let midnight = day * DAY_S - offset;
                let (a, b) = ((midnight + from).max(piece_begin), (midnight + to).min(piece_end));
                if a < b {
                    out.push((a, b));
                }
            }
        }
        match change {
            Some(change) if piece_end < end => {
                piece_begin = piece_end;
                offset = i64::from(change.offset().seconds());
            }
            _ => return Ok(()),
        }
    }
}

/// Sorts intervals and joins those that overlap or touch.
pub(super) fn join(mut intervals: Vec<(i64, i64)>) -> Vec<(i64, i64)> {
    intervals.sort_unstable();
    let mut joined: Vec<(i64, i64)> = Vec::with_capacity(intervals.len());
    for (from, to) in intervals {
        match joined.last_mut() {
            Some(last) if from <= last.1 => last.1 = last.1.max(to),
            _ => joined.push((from, to)),
        }
    }
    joined
}

/// `Mon-Fri`, `Sat,Sun`, `1-5`, `Fri-Mon`, empty or `*`; Monday first.
fn days_of(text: &str) -> Result<[bool; 7], String> {
    let text = text.trim();
    if text.is_empty() || text == "*" {
        return Ok([true; 7]);
    }
    let mut days = [false; 7];
    for part in text.split([',', ' ', ';']).filter(|p| !p.is_empty()) {
        let (from, to) = part.split_once('-').unwrap_or((part, part));
        let (mut day, last) = (day_of(from)?, day_of(to)?);
        loop {
            days[day] = true;
            if day == last {
                break;
            }
            day = (day + 1) % 7;
        }
    }
    Ok(days)
}

fn day_of(word: &str) -> Result<usize, String> {
    const NAMES: [&str; 7] =
        ["monday", "tuesday", "wednesday", "thursday", "friday", "saturday", "sunday"];
    let word = word.trim().to_ascii_lowercase();
    if let Ok(n @ 1..=7) = word.parse::<usize>() {
        return Ok(n - 1);
    }
    NAMES
        .iter()
        .position(|name| word.len() >= 2 && name.starts_with(&word))
        .ok_or_else(|| format!("\"{word}\" is not a day of the week"))
}

/// `HH:MM[:SS]`, up to 24:00:00, in seconds.
fn time_of(text: &str, empty: i64) -> Result<i64, String> {
    let text = text.trim();
    if text.is_empty() {
        return Ok(empty);
    }
    let wrong = || format!("\"{text}\" is not a time of day");
    let mut parts = [0i64; 3];
    let whole = text.split_once('.').map_or(text, |(whole, _)| whole);
    for (at, part) in whole.split(':').enumerate() {
        *parts.get_mut(at).ok_or_else(wrong)? = part.parse().map_err(|_| wrong())?;
    }
    let [h, m, s] = parts;
    // First, since what is far outside cannot even be multiplied.
    if !(0..=24).contains(&h) || !(0..60).contains(&m) || !(0..60).contains(&s) {
        return Err(wrong());
    }
    let seconds = h * 3600 + m * 60 + s;
    if seconds <= DAY_S { Ok(seconds) } else { Err(wrong()) }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn hours(zone: &str, days: &str, start: &str, end: &str) -> Hours {
        Hours {
            time_zone: zone.to_owned(),
            days: days.to_owned(),
            start: start.to_owned(),
            end: end.to_owned(),
        }
    }

    /// The law itself, second by second in steps: the wall clock says so.
    fn wall(h: &Hours, at: i64) -> bool {
        let zone = match h.time_zone.as_str() {
            "" => TimeZone::UTC,
            name => TimeZone::get(name).expect("zone"),
        };
        let local = zone.to_datetime(Timestamp::from_second(at).expect("range"));
        let second = i64::from(local.hour()) * 3600
            + i64::from(local.minute()) * 60
            + i64::from(local.second());
        let today = local.weekday().to_monday_zero_offset() as usize;
        let days = days_of(&h.days).expect("days");
        let (from, to) =
            (time_of(&h.start, 0).expect("start"), time_of(&h.end, DAY_S).expect("end"));
        if from < to {
            days[today] && (from..to).contains(&second)
        } else {
            (days[today] && second >= from) || (days[(today + 6) % 7] && second < to)
        }
    }

    #[test]
    fn agrees_with_the_wall_clock_also_when_it_jumps() {
        let spring = 1_774_486_800; // 2026-03-26T01:00:00Z; London jumps on the 29th.
        let autumn = 1_792_627_200; // 2026-10-22T00:00:00Z; back on the 25th.
        let new_york = 1_772_668_800; // 2026-03-05; jumps on the 8th.
        for h in [
            hours("Europe/London", "Mon-Fri", "08:00:00", "18:00:00"),
            hours("Europe/London", "", "00:30", "01:30"),
            hours("Europe/London", "Sun", "00:00", "24:00"),
            hours("Europe/London", "Sat", "22:00", "02:30"),
            hours("America/New_York", "Fri-Mon", "01:15:00", "02:45:00"),
            hours("Australia/Lord_Howe", "6,7", "01:00", "03:00"),
            hours("", "*", "23:00", "01:00"),
        ] {
            for begin in [spring, autumn, new_york] {
                let end = begin + 7 * DAY_S;
                let mut out = Vec::new();
                resolve(&h, begin, end, &mut out).expect("good row");
                let joined = join(out);
                for at in (begin..end).step_by(300) {
                    let inside = joined.iter().any(|&(a, b)| (a..b).contains(&at));
                    assert_eq!(inside, wall(&h, at), "{h:?} at {at}");
                }
                assert!(joined.windows(2).all(|w| w[0].1 < w[1].0), "{joined:?}");
            }
        }
    }

    #[test]
    fn wrong_rows_are_named() {
        for (h, part) in [
            (hours("Mars/Olympus", "", "", ""), "Mars/Olympus"),
            (hours("", "Mon-Funday", "", ""), "funday"),
            (hours("", "8", "", ""), "\"8\""),
            (hours("", "", "25:00", ""), "25:00"),
            (hours("", "", "", "24:00:01"), "24:00:01"),
            (hours("", "", "noon", ""), "noon"),
            (hours("", "", "4611686018427387904", ""), "4611686018427387904"),
        ] {
            let error = resolve(&h, 0, 1, &mut Vec::new()).expect_err(part);
            assert!(error.contains(part), "{error}");
        }
    }
}
