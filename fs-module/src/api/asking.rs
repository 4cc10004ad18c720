//! `fsx route` and `fsx why`: the decision for a call that is not there.

use fsx_core::{MAX_ATTEMPTS, data::NoLive, standing};
use fsx_wire::answer::{CollectWhy, Excluded, Route, RouteAnswer};

use super::{Form, table::Table};
use crate::{
    route,
    vars::{self, Facts},
    world::World,
};

/// Answers `fsx route <number> …`.
pub(super) fn route(world: &World, number: &str, facts: &[&str], form: Form) -> String {
    match decide(world, number, facts) {
        Ok((_, answer)) => show(&answer, form),
        Err(error) => error,
    }
}

/// Answers `fsx why <number> …`.
pub(super) fn why(world: &World, number: &str, facts: &[&str], form: Form) -> String {
    let (facts, mut answer) = match decide(world, number, facts) {
        Ok(decided) => decided,
        Err(error) => return error,
    };
    if !answer.emergency
        && let Some(data) = world.snapshot()
    {
        answer.excluded = excluded(world, &data, &facts);
    }
    let mut text = show(&answer, form);
    if form == Form::Text {
        let mut table = Table::new(["Carrier", "Gateway", "Step", "Left out because"]);
        for row in &answer.excluded {
            let gateway = row.gateway_id.map_or_else(|| "all".to_owned(), |id| id.to_string());
            table.row([row.carrier_id.to_string(), gateway, row.step.clone(), row.reason.clone()]);
        }
        text.push_str("\nLeft out:\n");
        text.push_str(&table.to_string());
    }
    text
}

fn decide(world: &World, number: &str, words: &[&str]) -> Result<(Facts, RouteAnswer), String> {
    let setup = world.setup();
    let mut facts = Facts::of_host(&setup.config, fsx_seam::clock::utc_s());
    facts.called = number.to_owned();
    for (n, word) in words.iter().enumerate() {
        if words[..n].iter().any(|earlier| name_of(earlier) == name_of(word)) {
            return Err(format!("-ERR {word}: given twice\n"));
        }
        if let Some(name) = word.strip_prefix("profile=") {
            facts.profile =
                setup.config.order(name).map_err(|problem| format!("-ERR {word}: {problem}\n"))?;
            continue;
        }
        fact(&mut facts, word).map_err(|problem| format!("-ERR {word}: {problem}\n"))?;
    }
    let routing = route::local(world, &setup.config, facts);
    let answer = routing.answer();
    Ok((routing.facts, answer))
}

fn excluded(world: &World, data: &crate::world::Data, facts: &Facts) -> Vec<Excluded> {
    let routing = data.routing();
    let mut why = CollectWhy::new(routing);
    // Only the reasons are wanted; the decision itself has been made.
    let _ = match world.live() {
        Some(live) => standing::route_why(routing, live.table(), &facts.borrow(), &mut why),
        None => standing::route_why(routing, &NoLive, &facts.borrow(), &mut why),
    };
    why.rows
}

fn name_of(word: &str) -> &str {
    word.split_once('=').map_or(word, |(name, _)| name)
}

fn fact(facts: &mut Facts, word: &str) -> Result<(), String> {
    let (name, value) = word.split_once('=').ok_or("expected name=value")?;
    let number = |what: &str| format!("expected {what}, got {value:?}");
    match name {
        "org" => facts.org = value.parse().map_err(|_| number("an organisation's number"))?,
        "cli" => facts.caller = Some(value.to_owned()),
        "dc" => facts.data_centre = value.to_owned(),
        "country" => {
            let country =
                vars::country(value).ok_or_else(|| number("a country such as GB or 44"))?;
            facts.home_country = Some(country);
        }
        "at" => {
            facts.at = instant(value)
                .ok_or_else(|| number("an instant such as 2026-01-20T10:00:00Z or 1768903200"))?;
        }
        "withhold" if vars::is_word_of_truth(value) => facts.withhold_cli = vars::is_true(value),
        "withhold" => return Err(number("true or false")),
        "carrier-group" => facts.carrier_group = Some(value.to_owned()),
        "pci-zone" => facts.pci_zone = Some(value.to_owned()),
        "privacy-class" => facts.privacy_class = Some(value.to_owned()),
        "lrn" if value.contains(|c: char| c.is_ascii_digit()) => facts.lrn = Some(value.to_owned()),
        "lrn" => return Err(number("a number")),
        "attempts" => {
            let most = value.parse().ok().filter(|most| usize::from(*most) <= MAX_ATTEMPTS);
            facts.max_attempts =
                most.ok_or_else(|| number(&format!("a number from 0 to {MAX_ATTEMPTS}")))?;
        }
        _ => return Err("unknown fact; fsx help lists them".to_owned()),
    }
    Ok(())
}

/// Seconds since 1970 of `2026-01-20T10:00:00Z` or of plain seconds.
///
/// Days-from-civil after Howard Hinnant's published algorithm; proleptic Gregorian.
fn instant(text: &str) -> Option<i64> {
    if let Ok(seconds) = text.parse() {
        return Some(seconds);
    }
    let (date, time) = text.strip_suffix('Z')?.split_once('T')?;
    let [year, month, day] = three(date, '-')?;
    let [hour, minute, second] = three(time, ':')?;
    if !(1..=12).contains(&month)
        || !(1..=31).contains(&day)
        || hour > 23
        || minute > 59
        || second > 60
    {
        return None;
    }
    let shifted_year = year - i64::from(month <= 2);
    let (era, year_of_era) = (shifted_year.div_euclid(400), shifted_year.rem_euclid(400));
    let day_of_year = (153 * ((month + 9) % 12) + 2) / 5 + day - 1;
    let day_of_era = year_of_era * 365 + year_of_era / 4 - year_of_era / 100 + day_of_year;
    let days = era * 146_097 + day_of_era - 719_468;
    let at = days * 86_400 + hour * 3600 + minute * 60 + second;
    // Days that a month does not have are refused by the way back.
    (second == 60 || fsx_wire::answer::rfc3339(at) == text).then_some(at)
}

fn three(text: &str, separator: char) -> Option<[i64; 3]> {
    let mut parts = text.split(separator);
    let mut next = || {
        let part = parts.next()?;
        (part.len() <= 4 && part.bytes().all(|b| b.is_ascii_digit())).then(|| part.parse().ok())?
    };
    let found = [next()?, next()?, next()?];
    parts.next().is_none().then_some(found)
}

fn show(answer: &RouteAnswer, form: Form) -> String {
    match form {
        Form::Text => {}
        // Not by way of a value, which would put the members into another order.
        Form::Json => {
            return serde_json::to_string(answer)
                .map_or_else(|error| format!("-ERR no JSON of it: {error}\n"), |text| text + "\n");
        }
        Form::Xml => {
            return serde_json::to_value(answer).map_or_else(
                |error| format!("-ERR no XML of it: {error}\n"),
                |value| form.show(&value, String::new),
            );
        }
    }
    let mut text = format!(
        "{} of org {} at {}, generation {}{}\n",
        answer.number,
        answer.org,
        answer.at,
        answer.generation,
        if answer.emergency { ", emergency" } else { "" }
    );
    if answer.decision != "route" {
        let cause = answer.cause.unwrap_or_default();
        let reason = answer.reason.as_deref().unwrap_or_default();
        text.push_str(&format!("No Routes To Display: {reason} (cause {cause})\n"));
        return text;
    }
    let mut table = Table::new([
        "Digit Match",
        "Carrier",
        "Gateway",
        "Band",
        "Rate",
        "Setup",
        "Cost/min",
        "CLI",
        "Dialstring",
    ]);
    for route in &answer.routes {
        table.row(row(route));
    }
    text.push_str(&table.to_string());
    text
}

fn row(route: &Route) -> [String; 9] {
    let money = |amount: &str| match amount {
        "" => String::new(),
        _ => format!("{amount} {}", route.currency),
    };
    [
        route.prefix.clone(),
        route.carrier.clone(),
        route.gateway_id.to_string(),
        route.band.clone(),
        money(&route.rate),
        money(&route.setup),
        route.cost_per_min.clone(),
        if route.withhold_cli { "withheld".to_owned() } else { route.cli.clone() },
        route.dial_string.clone(),
    ]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn instants_in_either_form() {
        for (text, at) in [
            ("1970-01-01T00:00:00Z", Some(0)),
            ("2026-01-20T10:00:00Z", Some(1_768_903_200)),
            ("2000-02-29T12:34:56Z", Some(951_827_696)),
            ("1768903200", Some(1_768_903_200)),
            ("2026-02-30T00:00:00Z", None),
            ("2026-13-01T00:00:00Z", None),
            ("2026-01-20 10:00:00", None),
            ("2026-01-20T10:00Z", None),
            ("", None),
        ] {
            assert_eq!(instant(text), at, "{text}");
        }
    }

    #[test]
    fn facts_as_words() {
        let mut facts = Facts::default();
        for word in ["org=37", "cli=442079460000", "dc=LON1", "country=44", "withhold=true"] {
            fact(&mut facts, word).expect(word);
        }
        assert_eq!((facts.org, facts.data_centre.as_str()), (37, "LON1"));
        assert!(facts.withhold_cli && facts.home_country.is_some());
        assert!(fact(&mut facts, "org=x").is_err());
        assert!(fact(&mut facts, "what").is_err());
        assert!(fact(&mut facts, "colour=red").is_err());
    }
}
