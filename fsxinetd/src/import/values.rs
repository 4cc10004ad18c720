//! What the cells of a deck mean: prices, instants, statuses, increments.

use fsx_core::{Nano, money::NANO_PER_UNIT};
use jiff::civil::{Date, DateTime, Time};
use jiff::tz::TimeZone;

/// How a deck writes its dates, where it does not write them 2026-01-31.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default, clap::ValueEnum)]
pub enum DateOrder {
    /// 2026-01-31 only; anything else could mean two days.
    #[default]
    Ymd,
    /// 31/01/2026.
    Dmy,
    /// 01/31/2026.
    Mdy,
}

/// What a row says of its codes.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Status {
    /// Nothing, or something that the price itself tells.
    Price,
    /// The price goes up.
    Increase,
    /// The price goes down.
    Decrease,
    /// Not sold for now: the carrier is not asked, whatever a shorter code costs.
    Blocked,
    /// No longer a code of its own: a shorter code counts.
    Closed,
}

/// No price of a minute or of a call is higher.
const DEAREST: Nano = Nano(1_000_000_000 * NANO_PER_UNIT);

/// A price, exactly as written.
///
/// # Errors
/// In words; nothing is rounded, and what could be two numbers is neither.
pub fn money(cell: &str, decimal_comma: bool) -> Result<Nano, String> {
    let text = cell.trim();
    let (point, group) = if decimal_comma { (',', '.') } else { ('.', ',') };
    let bad = |why: &str| Err(format!("price \"{text}\": {why}"));
    if text.is_empty() {
        return Err("it has no price".to_owned());
    }
    let (whole, fraction) = match text.split_once(point) {
        Some((whole, fraction)) => (whole, Some(fraction)),
        None => (text, None),
    };
    let mut plain = String::with_capacity(text.len());
    if whole.contains(group) {
        let mut groups = whole.split(group);
        let first = groups.next().unwrap_or_default();
        let digits = first.trim_start_matches(['+', '-']);
        let well = (1..=3).contains(&digits.len())
            && !digits.starts_with('0')
            && groups.clone().all(|g| g.len() == 3)
            && whole.bytes().all(|b| b.is_ascii_digit() || b == group as u8 || b == b'-');
        if !well {
            return bad(if decimal_comma {
                "a point where a comma should be"
            } else {
                "a comma where a point should be (--decimal-comma for decks that write 0,0125)"
            });
        }
        // 1,234 alone is one thousand in London and one and a bit in Berlin.
        if fraction.is_none() && groups.count() == 1 {
            return bad("thousands, or a decimal sign?");
        }
        plain.extend(whole.chars().filter(|c| *c != group));
    } else {
        plain.push_str(whole);
    }
    if let Some(fraction) = fraction {
        plain.push('.');
        plain.push_str(fraction);
    }
    let value = Nano::parse(&plain).map_err(|e| format!("price \"{text}\": {e}"))?;
    match value {
        value if value < Nano::ZERO => bad("negative"),
        // A build could not count with it, and would leave the price before in force.
        value if value > DEAREST => bad("more than a thousand million"),
        value => Ok(value),
    }
}

/// An instant in seconds UTC; `None` for an empty cell, "now" and "immediately". Written without an
/// offset it is in `zone`, where an hour that comes twice is the first, and one that is left out is
/// the next.
///
/// # Errors
/// In words.
pub fn instant(cell: &str, order: DateOrder, zone: &TimeZone) -> Result<Option<i64>, String> {
    let text = cell.trim();
    if text.is_empty()
        || ["now", "immediate", "immediately"].iter().any(|w| text.eq_ignore_ascii_case(w))
    {
        return Ok(None);
    }
    if let Ok(at) = text.parse::<jiff::Timestamp>() {
        return Ok(Some(at.as_second()));
    }
    let bad = || format!("\"{text}\" is not a date");
    let (day, time) = match text.split_once([' ', 'T']) {
        Some((day, time)) => (day, time.trim()),
        None => (text, ""),
    };
    let at = match day.parse::<Date>() {
        Ok(day) => day,
        Err(_) => {
            let parts: Vec<&str> = day.split(['/', '.', '-']).collect();
            let [a, b, c] = parts.as_slice() else { return Err(bad()) };
            let number = |text: &str| text.parse::<i16>().map_err(|_| bad());
            let (a, b, c) = (number(a)?, number(b)?, number(c)?);
            let (year, month, day) = match order {
                _ if a > 31 => (a, b, c),
                DateOrder::Dmy => (c, b, a),
                DateOrder::Mdy => (c, a, b),
                DateOrder::Ymd => {
                    return Err(format!(
                        "date \"{text}\" could mean two days: say --date-order dmy or mdy"
                    ));
                }
            };
            if year < 1900 {
                return Err(bad());
            }
            let small = |n: i16| i8::try_from(n).map_err(|_| bad());
            Date::new(year, small(month)?, small(day)?).map_err(|_| bad())?
        }
    };
    let time = if time.is_empty() {
        Time::midnight()
    } else {
        time.parse::<Time>().map_err(|_| format!("\"{text}\" is not a date and time"))?
    };
    let zoned = DateTime::from_parts(at, time).to_zoned(zone.clone());
    let zoned =
        zoned.map_err(|_| format!("\"{text}\" is further off than instants can be told"))?;
    Ok(Some(zoned.timestamp().as_second()))
}

/// A status, in the words of the trade.
///
/// # Errors
/// In words: a status that nobody knows might have been an end.
pub fn status(cell: &str) -> Result<Status, String> {
    let text: String =
        cell.chars().filter(char::is_ascii_alphabetic).map(|c| c.to_ascii_lowercase()).collect();
    Ok(match text.as_str() {
        "" | "new" | "newcode" | "add" | "added" | "open" | "active" | "enabled" | "changed"
        | "change" | "update" | "updated" | "unchanged" | "nochange" | "same" | "current"
        | "existing" => Status::Price,
        "increase" | "increased" | "up" => Status::Increase,
        "decrease" | "decreased" | "down" => Status::Decrease,
        "blocked" | "block" | "barred" | "suspended" => Status::Blocked,
        "closed" | "close" | "delete" | "deleted" | "discontinued" | "removed" | "remove"
        | "ended" | "end" | "withdrawn" => Status::Closed,
        _ => return Err(format!("status \"{}\" is none that is known", cell.trim())),
    })
}

/// First and following block, in seconds: `60/1`, `1+1`, `30-6`, or `60` for both.
///
/// # Errors
/// In words.
pub fn increments(cell: &str) -> Result<(u32, u32), String> {
    let text = cell.trim();
    let bad = || format!("increments \"{text}\": expected seconds such as 60/1");
    let number = |text: &str| {
        let seconds = text.trim().parse::<u32>().ok().filter(|n| (1..=3600).contains(n));
        seconds.ok_or_else(bad)
    };
    match text.split_once(['/', '+', '-', '\\', ':']) {
        Some((first, next)) => Ok((number(first)?, number(next)?)),
        None => number(text).map(|n| (n, n)),
    }
}

/// An ISO 4217 code.
///
/// # Errors
/// In words.
pub fn currency(cell: &str) -> Result<String, String> {
    let text = cell.trim().to_ascii_uppercase();
    if text.len() == 3 && text.bytes().all(|b| b.is_ascii_uppercase()) {
        Ok(text)
    } else {
        Err(format!("currency \"{}\": expected three letters such as GBP", cell.trim()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn prices_are_taken_exactly_or_not_at_all() {
        for (cell, comma, nano) in [
            ("0.0125", false, 12_500_000),
            (" .5 ", false, 500_000_000),
            ("0.123456789", false, 123_456_789),
            ("0.1234567890", false, 123_456_789),
            ("1,234.5", false, 1_234_500_000_000),
            ("1,234,567", false, 1_234_567_000_000_000),
            ("0,0125", true, 12_500_000),
            ("1.234,5", true, 1_234_500_000_000),
            ("3", true, 3_000_000_000),
        ] {
            assert_eq!(money(cell, comma), Ok(Nano(nano)), "{cell}");
        }
        for (cell, comma, reason) in [
            ("", false, "no price"),
            ("free", false, "not a decimal"),
            ("0.1234567891", false, "more than 9 decimals"),
            ("0,0125", false, "--decimal-comma"),
            ("12,5", false, "--decimal-comma"),
            ("1,234", false, "thousands"),
            ("1.234", true, "thousands"),
            ("0.0125", true, "comma should be"),
            ("1,2345.6", false, "point should be"),
            ("-0.01", false, "negative"),
            ("$0.01", false, "not a decimal"),
            ("1e-3", false, "not a decimal"),
            ("99999999999", false, "too large"),
            ("1000000000.01", false, "more than a thousand million"),
        ] {
            let error = money(cell, comma).expect_err(cell);
            assert!(error.contains(reason), "{cell}: {error}");
        }
    }

    #[test]
    fn dates_in_the_zone_of_the_carrier() {
        let zone = TimeZone::get("Europe/London").expect("a zone");
        let read = |cell: &str, order| instant(cell, order, &zone);
        for (cell, order, at) in [
            ("2026-01-20", DateOrder::Ymd, 1_768_867_200),
            ("2026-01-20 10:00", DateOrder::Ymd, 1_768_903_200),
            ("2026-07-01", DateOrder::Ymd, 1_782_860_400), // Summer: an hour before midnight UTC.
            ("2026-07-01T00:00:00Z", DateOrder::Ymd, 1_782_864_000),
            ("20/01/2026", DateOrder::Dmy, 1_768_867_200),
            ("01/20/2026 00:00:00", DateOrder::Mdy, 1_768_867_200),
            ("2026/01/20", DateOrder::Ymd, 1_768_867_200),
        ] {
            assert_eq!(read(cell, order), Ok(Some(at)), "{cell}");
        }
        for cell in ["", "now", "Immediately"] {
            assert_eq!(read(cell, DateOrder::Ymd), Ok(None));
        }
        for (cell, order) in [
            ("20/01/2026", DateOrder::Ymd),
            ("20/01/2026", DateOrder::Mdy),
            ("soon", DateOrder::Ymd),
            ("2026-02-30", DateOrder::Ymd),
            ("20/01/26", DateOrder::Dmy),
            ("2026-01-20 25:00", DateOrder::Ymd),
        ] {
            read(cell, order).expect_err(cell);
        }
    }

    #[test]
    fn the_words_of_the_trade() {
        assert_eq!(status(" No Change "), Ok(Status::Price));
        assert_eq!(status("INCREASE"), Ok(Status::Increase));
        assert_eq!(status("Decreased"), Ok(Status::Decrease));
        assert_eq!(status("blocked"), Ok(Status::Blocked));
        assert_eq!(status("Closed"), Ok(Status::Closed));
        status("Q3").expect_err("unknown");
        assert_eq!(increments("60/1"), Ok((60, 1)));
        assert_eq!(increments("30 + 6"), Ok((30, 6)));
        assert_eq!(increments("60"), Ok((60, 60)));
        for bad in ["0/1", "60/", "a", "1/99999", ""] {
            increments(bad).expect_err(bad);
        }
        assert_eq!(currency(" usd "), Ok("USD".to_owned()));
        currency("US$").expect_err("a sign");
    }
}
