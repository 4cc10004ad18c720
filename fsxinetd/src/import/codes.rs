//! Codes of a deck: what a cell such as `4477;4478`, `447[4-5]` or `4474-4476` stands for.

/// A prefix of up to 15 digits; codes sort so that a prefix stands before what it begins.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Code([u8; 15]);

impl Code {
    /// From digits; `None` where they are none, or more than 15.
    #[must_use]
    pub fn new(digits: &[u8]) -> Option<Self> {
        let mut code = [0; 15];
        code.get_mut(..digits.len())?.copy_from_slice(digits);
        (!digits.is_empty() && digits.iter().all(u8::is_ascii_digit)).then_some(Self(code))
    }

    /// Its digits.
    #[must_use]
    pub fn as_str(&self) -> &str {
        let len = self.0.iter().position(|b| *b == 0).unwrap_or(self.0.len());
        std::str::from_utf8(&self.0[..len]).unwrap_or_default()
    }
}

impl std::fmt::Display for Code {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(self.as_str())
    }
}

impl std::fmt::Debug for Code {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(self.as_str())
    }
}

/// Most codes that one cell may stand for: more is a slip of the keyboard.
pub const MOST_CODES: usize = 10_000;

/// All codes of a cell, each after `country`'s digits (the deck's column of country codes; empty
/// where it has none).
///
/// # Errors
/// What cannot be understood, in words; then none of the cell is taken.
pub fn codes(country: &str, cell: &str) -> Result<Vec<Code>, String> {
    let country = digits(country.trim().trim_start_matches('+'))?;
    let mut all = Vec::new();
    for part in parts(cell)? {
        let part = part.trim();
        let part = part.strip_prefix('+').unwrap_or(part);
        if part.is_empty() {
            continue;
        }
        one(country, part, &mut all)?;
        if all.len() > MOST_CODES {
            return Err(format!("\"{cell}\" stands for more than {MOST_CODES} codes"));
        }
    }
    // A row for the whole country leaves its area codes empty.
    if all.is_empty() && !country.is_empty() {
        all.push(code(country)?);
    }
    if all.is_empty() {
        return Err("it has no code".to_owned());
    }
    Ok(all)
}

/// Splits at `;`, `,` and `|`, but not between square brackets.
fn parts(cell: &str) -> Result<Vec<&str>, String> {
    let (mut parts, mut from, mut inside) = (Vec::new(), 0, false);
    for (at, c) in cell.char_indices() {
        match c {
            '[' if !inside => inside = true,
            ']' if inside => inside = false,
            '[' | ']' => return Err(format!("code \"{cell}\" has a bracket too many")),
            ';' | ',' | '|' if !inside => {
                parts.push(&cell[from..at]);
                from = at + 1;
            }
            _ => {}
        }
    }
    if inside {
        return Err(format!("code \"{cell}\" has a bracket that is not closed"));
    }
    parts.push(&cell[from..]);
    Ok(parts)
}

fn one(country: &str, part: &str, all: &mut Vec<Code>) -> Result<(), String> {
    if part.contains('[') {
        return bracketed(country, part, all);
    }
    let Some((low, high)) = part.split_once('-') else {
        all.push(code(&format!("{country}{}", digits(part)?))?);
        return Ok(());
    };
    let (low, high) = (digits(low.trim())?, digits(high.trim())?);
    let range = || format!("range \"{part}\"");
    if low.len() != high.len() || low.is_empty() {
        return Err(format!("{} needs both ends of one length", range()));
    }
    let value = |text: &str| text.parse::<u64>().map_err(|_| format!("{} is too long", range()));
    let (first, last) = (value(low)?, value(high)?);
    if first > last {
        return Err(format!("{} runs backwards", range()));
    }
    if last - first >= MOST_CODES as u64 {
        return Err(format!("{} stands for more than {MOST_CODES} codes", range()));
    }
    for n in first..=last {
        all.push(code(&format!("{country}{n:0width$}", width = low.len()))?);
    }
    Ok(())
}

/// `447[4-5]`, `447[45]`, `447[4,6-8]00`: every combination.
fn bracketed(country: &str, part: &str, all: &mut Vec<Code>) -> Result<(), String> {
    let mut heads = vec![country.to_owned()];
    let mut rest = part;
    while !rest.is_empty() {
        let (plain, class) = match rest.split_once('[') {
            Some((plain, after)) => {
                let (class, after) = after.split_once(']').unwrap_or((after, ""));
                rest = after;
                (plain, Some(class))
            }
            None => (std::mem::take(&mut rest), None),
        };
        let plain = digits(plain)?;
        heads.iter_mut().for_each(|head| head.push_str(plain));
        if let Some(class) = class {
            let endings = class_digits(class, part)?;
            heads = heads
                .iter()
                .flat_map(|head| endings.iter().map(move |&digit| format!("{head}{digit}")))
                .collect();
            if heads.len() > MOST_CODES {
                return Err(format!("\"{part}\" stands for more than {MOST_CODES} codes"));
            }
        }
    }
    for head in heads {
        all.push(code(&head)?);
    }
    Ok(())
}

fn class_digits(class: &str, part: &str) -> Result<Vec<char>, String> {
    let bad = || format!("\"[{class}]\" in code \"{part}\" is not a set of digits");
    let mut found = Vec::new();
    let mut chars = class.chars().filter(|c| *c != ',' && *c != ' ').peekable();
    while let Some(low) = chars.next() {
        if !low.is_ascii_digit() {
            return Err(bad());
        }
        let mut high = low;
        if chars.next_if_eq(&'-').is_some() {
            high = chars.next().filter(char::is_ascii_digit).ok_or_else(bad)?;
        }
        if low > high {
            return Err(bad());
        }
        found.extend(low..=high);
    }
    if found.is_empty() { Err(bad()) } else { Ok(found) }
}

/// The text itself, if it is digits throughout.
fn digits(text: &str) -> Result<&str, String> {
    match text.chars().find(|c| !c.is_ascii_digit()) {
        None => Ok(text),
        Some(' ') => Err(format!("code \"{text}\" has a space in it: one code, or two?")),
        Some(c) => Err(format!("code \"{text}\" has '{c}' in it")),
    }
}

fn code(text: &str) -> Result<Code, String> {
    Code::new(text.as_bytes()).ok_or_else(|| format!("code \"{text}\" is longer than 15 digits"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(country: &str, cell: &str) -> Result<String, String> {
        let all = codes(country, cell)?;
        Ok(all.iter().map(Code::as_str).collect::<Vec<_>>().join(" "))
    }

    #[test]
    fn every_way_of_writing_several_codes() {
        for (cell, expected) in [
            ("4477", "4477"),
            (" +4477 ", "4477"),
            ("4477;4478", "4477 4478"),
            ("4477, 4478", "4477 4478"),
            ("4477|4478;", "4477 4478"),
            ("447[4-5]", "4474 4475"),
            ("447[46]", "4474 4476"),
            ("447[4,6-8]0", "44740 44760 44770 44780"),
            ("44[1-2][8-9]", "4418 4419 4428 4429"),
            ("4474-4476", "4474 4475 4476"),
            ("0998-1001", "0998 0999 1000 1001"),
            ("44; 3301-3302 ;1[2-3]", "44 3301 3302 12 13"),
        ] {
            assert_eq!(read("", cell).as_deref(), Ok(expected), "{cell}");
        }
        assert_eq!(read("44", "77,78").as_deref(), Ok("4477 4478"));
        assert_eq!(read("+44", "74-76").as_deref(), Ok("4474 4475 4476"));
        assert_eq!(read("44", "").as_deref(), Ok("44"));
    }

    #[test]
    fn what_could_mean_two_things_is_refused() {
        for (cell, reason) in [
            ("", "no code"),
            (" ; ", "no code"),
            ("44 77", "space"),
            ("44x7", "'x'"),
            ("44.0", "'.'"),
            ("4474-6", "one length"),
            ("4476-4474", "backwards"),
            ("-4474", "one length"),
            ("447[", "not closed"),
            ("447]", "too many"),
            ("447[[4]]", "too many"),
            ("447[]", "not a set"),
            ("447[5-4]", "not a set"),
            ("447[a]", "not a set"),
            ("000000-999999", "more than"),
            ("[0-9][0-9][0-9][0-9][0-9]", "more than"),
            ("1234567890123456", "15 digits"),
            ("99999999999999999999-99999999999999999999", "too long"),
            ("4477\u{0664}", "in it"),
        ] {
            let error = read("", cell).expect_err(cell);
            assert!(error.contains(reason), "{cell}: {error}");
        }
    }
}
