//! `${NAME}` in texts: secrets stay out of the file, and the names that the old service read from
//! its environment go on working.

/// Environment names of the old service, with the values it took where they were not set.
pub const OLD_SERVICE: [(&str, &str); 4] = [
    ("CORE_API_HOST", "api-local"),
    ("DG_API_HOST", "dgapi"),
    ("SERVICE_GATEWAY_HOST", "servicegateway"),
    ("ESL_HOST", "esl"),
];

/// Where names are looked up; a closure so that tests need not touch the process.
pub type Environment<'a> = &'a dyn Fn(&str) -> Option<String>;

/// Replaces every `${NAME}` and `${NAME:-default}` of `text`.
///
/// A name that is set wins, then the text's own default, then [`OLD_SERVICE`].
///
/// # Errors
/// The name that has no value, or the text from an unclosed `${` on.
pub(super) fn expand(text: &str, env: Environment<'_>) -> Result<String, String> {
    let mut out = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(at) = rest.find("${") {
        out.push_str(&rest[..at]);
        let inner = &rest[at + 2..];
        let Some(end) = inner.find('}') else {
            return Err(format!("\"{}\" is not closed", &rest[at..]));
        };
        let (name, default) = match inner[..end].split_once(":-") {
            Some((name, default)) => (name, Some(default)),
            None => (&inner[..end], None),
        };
        let known = || OLD_SERVICE.iter().find(|(n, _)| *n == name).map(|(_, value)| *value);
        match env(name).or_else(|| default.or_else(known).map(str::to_owned)) {
            Some(value) => out.push_str(&value),
            None => return Err(format!("environment variable {name} is not set")),
        }
        rest = &inner[end + 1..];
    }
    out.push_str(rest);
    Ok(out)
}

#[cfg(test)]
mod tests {
    use super::expand;

    #[test]
    fn names_defaults_and_the_old_service() {
        let env = |name: &str| (name == "SECRET").then(|| "s3".to_owned());
        for (text, expected) in [
            ("plain", Ok("plain")),
            ("a${SECRET}b${SECRET}", Ok("as3bs3")),
            ("${GONE:-here}", Ok("here")),
            ("${GONE:-}", Ok("")),
            ("http://${CORE_API_HOST}/cdr", Ok("http://api-local/cdr")),
            ("${CORE_API_HOST:-other}", Ok("other")),
            ("${GONE}", Err("environment variable GONE is not set")),
            ("a${GONE", Err("\"${GONE\" is not closed")),
        ] {
            let got = expand(text, &env);
            assert_eq!(got.as_deref().map_err(String::as_str), expected, "{text}");
        }
    }
}
