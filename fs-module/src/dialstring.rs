//! An attempt as text that `bridge` and `originate` take: `[name=value,…]sofia/gateway/…`.
//!
//! For dialplans that dial by themselves. The text is parsed again by FreeSWITCH, where brackets,
//! bars, commas, quotes and dollars have meanings; a value that holds one of these is written so
//! that it means itself, or is left out and named. Where we dial ourselves, variables travel in an
//! event instead (see [`crate::dialled`]).

/// Characters that no spelling brings through FreeSWITCH's parsers.
const HOPELESS: &[char] = &['[', ']', '{', '}', '|', '\'', '\\', '$', '^', '\n', '\r'];

/// What may stand between variables instead of a comma, in order of liking.
const SEPARATORS: &[char] = &[';', '!', '~', '#', ':', '&', '%', '@'];

/// The text, and the names of variables that it could not take.
pub(crate) fn with_variables<'a>(
    variables: &'a [(String, String)],
    dial_string: &str,
) -> (String, Vec<&'a str>) {
    let fits = |(name, value): &&(String, String)| {
        let plain = |c: char| !c.is_control() && !HOPELESS.contains(&c);
        !name.is_empty()
            && name.chars().all(|c| plain(c) && !matches!(c, ',' | '=' | ' '))
            && value.chars().all(plain)
            // The separator of FreeSWITCH's "enterprise" originate.
            && !value.contains(":_:")
    };
    let mut kept: Vec<&(String, String)> = variables.iter().filter(fits).collect();
    let mut left_out: Vec<&str> =
        variables.iter().filter(|v| !fits(v)).map(|(name, _)| name.as_str()).collect();
    let comma = kept.iter().any(|(_, value)| value.contains(','));
    let unused = |c: char| !kept.iter().any(|(name, value)| name.contains(c) || value.contains(c));
    let separator = match comma {
        false => Some(','),
        true => SEPARATORS.iter().copied().find(|&c| unused(c)),
    };
    if separator.is_none() {
        // Every sign is taken: what has commas stays behind.
        left_out.extend(kept.iter().filter(|(_, v)| v.contains(',')).map(|(n, _)| n.as_str()));
        kept.retain(|(_, value)| !value.contains(','));
    }
    if kept.is_empty() {
        return (dial_string.to_owned(), left_out);
    }
    let mut text = String::from("[");
    if let Some(separator) = separator.filter(|_| comma) {
        text.push_str("^^");
        text.push(separator);
    }
    for (n, (name, value)) in kept.iter().enumerate() {
        if n > 0 {
            text.push(separator.unwrap_or(','));
        }
        text.push_str(name);
        text.push('=');
        text.push_str(value);
    }
    text.push(']');
    text.push_str(dial_string);
    (text, left_out)
}

/// `text` with every sign that has a meaning in a dial string replaced by `_`.
pub(crate) fn tamed(text: &str) -> String {
    let wild = |c: char| c.is_control() || c == ',' || HOPELESS.contains(&c);
    text.chars().map(|c| if wild(c) { '_' } else { c }).collect::<String>().replace(":_:", "___")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn made(variables: &[(&str, &str)]) -> (String, Vec<String>) {
        let owned: Vec<_> =
            variables.iter().map(|(n, v)| ((*n).to_owned(), (*v).to_owned())).collect();
        let (text, left_out) = with_variables(&owned, "x/1");
        (text, left_out.into_iter().map(str::to_owned).collect())
    }

    #[test]
    fn values_mean_themselves_or_are_left_out() {
        assert_eq!(made(&[]).0, "x/1");
        assert_eq!(made(&[("a", "1"), ("b", "two words")]).0, "[a=1,b=two words]x/1");
        assert_eq!(made(&[("a", "PCMA,PCMU"), ("b", "2")]).0, "[^^;a=PCMA,PCMU;b=2]x/1");
        assert_eq!(made(&[("a", "1,2"), ("b", ";")]).0, "[^^!a=1,2!b=;]x/1");
        for wild in ["a]b", "a|b", "O'Brien", "${hupall()}", "a\\b", "a\nb", "a:_:b"] {
            let (text, left_out) = made(&[("a", wild), ("b", "2")]);
            assert_eq!((text.as_str(), left_out.as_slice()), ("[b=2]x/1", &["a".to_owned()][..]));
        }
        let all: String = SEPARATORS.iter().collect();
        let (text, left_out) = made(&[("a", "1,2"), ("b", &all)]);
        assert_eq!((text, left_out), (format!("[b={all}]x/1"), vec!["a".to_owned()]));
        assert_eq!(tamed("A, [B]|'C'"), "A_ _B___C_");
    }
}
