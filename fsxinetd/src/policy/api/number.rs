//! `fsx.number`: telephone numbers, as the routing data dials them and the numbering plan knows them.
//!
//! The routing data's dialling rules come first, because the routes are chosen by them. What they do
//! not rewrite is left to the world's numbering plan (libphonenumber's), which also says what a
//! number is. Emergency numbers come before both: nothing is ever put in front of 999.

use fsx_core::Country;
use fsx_core::decide::is_emergency as is_emergency_number;
use fsx_core::normalise::normalise;
use mlua::{Error, Lua, MultiValue, Table, Value};
use rlibphonenumber::enums::{PhoneNumberFormat, PhoneNumberType, Region};
use rlibphonenumber::{PHONE_NUMBER_UTIL, PhoneNumber};

use super::super::host::Current;
use super::super::run::Run;
use crate::published::Published;

/// Longest text that is looked at, in bytes.
const MAX_TEXT: usize = 64;

/// What a number is said to be written for.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Style {
    E164,
    National,
    International,
    Digits,
}

/// A number, taken apart.
struct Number {
    emergency: bool,
    /// Without the plus; an emergency number as dialled.
    digits: String,
    country: Option<String>,
    code: i32,
    kind: &'static str,
    valid: bool,
    /// As the numbering plan has it, where it can have it.
    plan: Option<PhoneNumber>,
}

impl Number {
    /// Takes `text` apart as `country` dials it.
    fn read(
        published: Option<&Published>,
        country: Option<Country>,
        text: &str,
    ) -> Result<Self, String> {
        if text.len() > MAX_TEXT {
            return Err(format!("{} bytes are no number", text.len()));
        }
        // What people put between digits.
        let dialled: String = text
            .chars()
            .filter(|c| !matches!(c, ' ' | '-' | '(' | ')' | '.' | '/' | '\u{a0}'))
            .collect();
        let (plus, digits) = match dialled.strip_prefix('+') {
            Some(rest) => (true, rest),
            None => (false, dialled.as_str()),
        };
        if digits.is_empty()
            || !digits.bytes().all(|b| b.is_ascii_digit() || matches!(b, b'*' | b'#'))
        {
            return Err(format!("\"{text}\" is no number"));
        }
        let emergency = rings_for_help(published, country, &dialled);
        if emergency {
            return Ok(Self {
                emergency,
                digits: digits.to_owned(),
                country: country.map(|country| country.to_string()),
                code: 0,
                kind: "emergency",
                valid: true,
                plan: None,
            });
        }
        // The routing data's rules; what they leave as it was, they may not have known.
        let ruled = published.and_then(|published| {
            let number = normalise(&*published.snapshot, country, dialled.as_bytes())?;
            let number = String::from_utf8(number.as_bytes().to_vec()).ok()?;
            (plus || number != digits).then_some(number)
        });
        let region =
            country.and_then(|country| Region::try_from(country.to_string().as_str()).ok());
        let of = |text: &str, region: Option<Region>| PHONE_NUMBER_UTIL.parse(text, region).ok();
        let mut candidates = Vec::with_capacity(3);
        if let Some(ruled) = &ruled {
            candidates.push(of(&format!("+{ruled}"), None));
        }
        candidates.push(of(&dialled, region));
        if ruled.is_none() && !plus && !digits.starts_with('0') {
            // No country, or one that does not dial so: digits that a trunk sends in E.164.
            candidates.push(of(&format!("+{digits}"), None));
        }
        let candidates: Vec<_> = candidates.into_iter().flatten().collect();
        let found = candidates.iter().find(|number| number.is_valid()).or(candidates.first());
        match (found, ruled) {
            (Some(plan), _) => {
                let valid = plan.is_valid();
                let e164 = plan.format_as(PhoneNumberFormat::E164);
                // A number that the plan does not have still has its code's country.
                let region = plan.get_region_code();
                let region = region
                    .or_else(|| PHONE_NUMBER_UTIL.get_region_for_country_code(plan.country_code));
                let country = region.map(|region| region.to_string());
                Ok(Self {
                    emergency,
                    digits: e164.trim_start_matches('+').to_owned(),
                    // 001 stands for numbers of no country.
                    country: country.filter(|code| code.len() == 2 && code != "ZZ"),
                    code: plan.country_code,
                    kind: if valid { kind(plan.get_type()) } else { "unknown" },
                    valid,
                    plan: Some(plan.clone()),
                })
            }
            (None, Some(digits)) => Ok(Self {
                emergency,
                digits,
                country: None,
                code: 0,
                kind: "unknown",
                valid: false,
                plan: None,
            }),
            (None, None) => Err(format!("\"{text}\" is no number of any country")),
        }
    }

    fn written(&self, style: Style) -> String {
        let plan = |format| self.plan.as_ref().map(|plan| plan.format_as(format).into_owned());
        let plain =
            || if self.emergency { self.digits.clone() } else { format!("+{}", self.digits) };
        match style {
            Style::Digits => self.digits.clone(),
            Style::E164 => plain(),
            Style::National => plan(PhoneNumberFormat::National).unwrap_or_else(plain),
            Style::International => plan(PhoneNumberFormat::International).unwrap_or_else(plain),
        }
    }

    fn table(&self, lua: &Lua) -> mlua::Result<Table> {
        let table = lua.create_table_with_capacity(0, 9)?;
        for (name, style) in [
            ("e164", Style::E164),
            ("digits", Style::Digits),
            ("national", Style::National),
            ("international", Style::International),
        ] {
            table.raw_set(name, self.written(style))?;
        }
        table.raw_set("country", self.country.as_deref())?;
        table.raw_set("code", self.code)?;
        table.raw_set("type", self.kind)?;
        table.raw_set("valid", self.valid)?;
        table.raw_set("emergency", self.emergency)?;
        Ok(table)
    }
}

fn kind(kind: PhoneNumberType) -> &'static str {
    match kind {
        PhoneNumberType::FixedLine => "fixed",
        PhoneNumberType::Mobile => "mobile",
        PhoneNumberType::FixedLineOrMobile => "fixed_or_mobile",
        PhoneNumberType::TollFree => "toll_free",
        PhoneNumberType::PremiumRate => "premium",
        PhoneNumberType::SharedCost => "shared_cost",
        PhoneNumberType::VoIP => "voip",
        PhoneNumberType::PersonalNumber => "personal",
        PhoneNumberType::Pager => "pager",
        PhoneNumberType::UAN => "uan",
        PhoneNumberType::VoiceMail => "voicemail",
        PhoneNumberType::Unknown => "unknown",
    }
}

/// Loads the numbering plan, which takes some milliseconds, before the first call needs it.
pub(super) fn warm() {
    let _ = PHONE_NUMBER_UTIL.parse("+442079460000", None);
}

/// The country that the script names, else the call's, its organisation's, or the site's.
fn country(run: &Run, function: &str, given: Option<&str>) -> mlua::Result<Option<Country>> {
    if let Some(given) = given {
        let upper = given.to_ascii_uppercase();
        return Country::new(upper.as_bytes()).map(Some).ok_or_else(|| {
            Error::runtime(format!("{function}: country: \"{given}\": expected one such as GB"))
        });
    }
    let facts = &run.call.facts;
    if let Some(country) = facts.home_country.as_deref().and_then(|c| Country::new(c.as_bytes())) {
        return Ok(Some(country));
    }
    Ok(run.world.published().and_then(|published| {
        let data = &published.snapshot;
        data.org(facts.org).and_then(|org| org.home_country).or(data.settings().home_country)
    }))
}

fn read(
    run: &Run,
    function: &str,
    text: &Value,
    given: Option<&str>,
) -> mlua::Result<Result<Number, String>> {
    let text = super::text(function, "number", text)?;
    let country = country(run, function, given)?;
    Ok(Number::read(run.world.published().as_deref(), country, &text))
}

/// The number's digits in full, as the routes have them; `None` where it is none.
pub(in crate::policy) fn digits(run: &Run, text: &str) -> Option<String> {
    let country = country(run, "", None).ok().flatten();
    let number = Number::read(run.world.published().as_deref(), country, text).ok()?;
    (!number.emergency).then_some(number.digits)
}

/// Whether the number is an emergency service's where the call is.
pub(in crate::policy) fn is_emergency(run: &Run, text: &str) -> bool {
    let country = country(run, "", None).ok().flatten();
    rings_for_help(run.world.published().as_deref(), country, text)
}

fn rings_for_help(published: Option<&Published>, country: Option<Country>, dialled: &str) -> bool {
    match published {
        Some(published) => is_emergency_number(&*published.snapshot, country, dialled.as_bytes()),
        None => fsx_core::emergency::is_builtin(country, dialled.as_bytes()),
    }
}

/// The value, or nil and why.
fn answer(lua: &Lua, value: Result<Value, String>) -> mlua::Result<MultiValue> {
    Ok(match value {
        Ok(value) => MultiValue::from_iter([value]),
        Err(why) => MultiValue::from_iter([Value::Nil, Value::String(lua.create_string(why)?)]),
    })
}

/// Makes the table.
pub(super) fn install(lua: &Lua, current: &Current) -> mlua::Result<Table> {
    type Part = fn(&Lua, &Number) -> mlua::Result<Value>;
    let table = lua.create_table()?;
    let parts: [(&'static str, Part); 4] = [
        ("fsx.number.parse", |lua, number| number.table(lua).map(Value::Table)),
        ("fsx.number.normalise", |lua, number| {
            Ok(Value::String(lua.create_string(number.written(Style::E164))?))
        }),
        ("fsx.number.country", |lua, number| {
            let country = number.country.as_deref();
            country.map_or(Ok(Value::Nil), |country| Ok(Value::String(lua.create_string(country)?)))
        }),
        ("fsx.number.type", |lua, number| Ok(Value::String(lua.create_string(number.kind)?))),
    ];
    for (name, part) in parts {
        let run = current.clone();
        let function =
            lua.create_function(move |lua, (text, given): (Value, Option<String>)| {
                let run = run.enter(lua, name)?;
                match read(&run, name, &text, given.as_deref())? {
                    Ok(number) => answer(lua, Ok(part(lua, &number)?)),
                    Err(why) => answer(lua, Err(why)),
                }
            })?;
        table.set(name.rsplit('.').next().unwrap_or(name), function)?;
    }
    let run = current.clone();
    let format = lua.create_function(
        move |lua, (text, style, given): (Value, String, Option<String>)| {
            const NAME: &str = "fsx.number.format";
            let run = run.enter(lua, NAME)?;
            let style = match style.as_str() {
                "e164" => Style::E164,
                "national" => Style::National,
                "international" => Style::International,
                "digits" => Style::Digits,
                other => {
                    return Err(Error::runtime(format!(
                        "{NAME}: style: \"{other}\": expected e164, national, international or digits"
                    )));
                }
            };
            match read(&run, NAME, &text, given.as_deref())? {
                Ok(number) => {
                    answer(lua, Ok(Value::String(lua.create_string(number.written(style))?)))
                }
                Err(why) => answer(lua, Err(why)),
            }
        },
    )?;
    table.set("format", format)?;
    let run = current.clone();
    let emergency = lua.create_function(move |lua, (text, given): (Value, Option<String>)| {
        const NAME: &str = "fsx.number.is_emergency";
        let run = run.enter(lua, NAME)?;
        Ok(read(&run, NAME, &text, given.as_deref())?.is_ok_and(|number| number.emergency))
    })?;
    table.set("is_emergency", emergency)?;
    Ok(table)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(country: &str, text: &str) -> Result<Number, String> {
        Number::read(None, Country::new(country.as_bytes()), text)
    }

    #[test]
    fn numbers_of_the_home_countries() {
        for (country, text, e164, of, kind) in [
            ("GB", "07400 123456", "+447400123456", "GB", "mobile"),
            ("GB", "020 7946 0000", "+442079460000", "GB", "fixed"),
            ("GB", "+44 (0)20 7946 0000", "+442079460000", "GB", "fixed"),
            ("GB", "00442079460000", "+442079460000", "GB", "fixed"),
            ("AU", "0011442079460000", "+442079460000", "GB", "fixed"),
            ("GB", "0800 800 001", "+44800800001", "GB", "toll_free"),
            ("US", "2025550123", "+12025550123", "US", "fixed_or_mobile"),
            ("CA", "1 416 555 0123", "+14165550123", "CA", "fixed_or_mobile"),
            ("IT", "02 1234 5678", "+390212345678", "IT", "fixed"),
            ("FR", "06 12 34 56 78", "+33612345678", "FR", "mobile"),
            ("DK", "32 12 34 56", "+4532123456", "DK", "fixed_or_mobile"),
            ("SG", "81234567", "+6581234567", "SG", "mobile"),
            // A trunk that sends E.164 without its plus.
            ("GB", "12025550123", "+12025550123", "US", "fixed_or_mobile"),
            ("", "447400123456", "+447400123456", "GB", "mobile"),
        ] {
            let number = read(country, text).unwrap_or_else(|e| panic!("{country} {text}: {e}"));
            assert_eq!(number.written(Style::E164), e164, "{country} {text}");
            assert_eq!(number.country.as_deref(), Some(of), "{country} {text}");
            assert_eq!((number.kind, number.valid), (kind, true), "{country} {text}");
        }
    }

    #[test]
    fn what_is_no_number_says_so() {
        for text in ["", "abc", "+", "sip:alice", "1; DROP", "٠٧٧", &"1".repeat(65)] {
            assert!(read("GB", text).is_err(), "{text}");
        }
        // Numbers that the plan does not have are still numbers: these are kept for films.
        let number = read("GB", "07700 900123").expect("digits");
        assert!(!number.valid && number.kind == "unknown");
        assert_eq!(number.written(Style::E164), "+447700900123");
        assert_eq!(number.country.as_deref(), Some("GB"));
    }

    #[test]
    fn emergency_numbers_are_left_alone() {
        for (country, text, is) in
            [("GB", "999", true), ("US", "911", true), ("AU", "000", true), ("GB", "911", false)]
        {
            let number = read(country, text);
            assert_eq!(number.as_ref().is_ok_and(|n| n.emergency), is, "{country} {text}");
            if let Ok(number) = number.as_ref()
                && is
            {
                assert_eq!(number.written(Style::E164), text);
                assert_eq!(number.written(Style::International), text);
            }
        }
    }

    #[test]
    fn written_for_people() {
        let number = read("GB", "+447700900123").expect("a number");
        assert_eq!(number.written(Style::National), "07700 900123");
        assert_eq!(number.written(Style::International), "+44 7700 900123");
        assert_eq!(number.written(Style::Digits), "447700900123");
    }
}
