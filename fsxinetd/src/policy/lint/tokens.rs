//! Lua as words and marks, with their lines. Enough to see which names a file uses; the compiler has
//! already said whether it is Lua at all.

/// What a token is.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum What {
    Name,
    Text,
    Number,
    Mark,
}

/// One token.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) struct Token<'a> {
    pub(super) what: What,
    pub(super) text: &'a str,
    pub(super) line: usize,
}

impl Token<'_> {
    pub(super) fn is(&self, text: &str) -> bool {
        self.text == text && self.what != What::Text
    }

    pub(super) fn is_name(&self) -> bool {
        self.what == What::Name && !KEYWORDS.contains(&self.text)
    }
}

const KEYWORDS: &[&str] = &[
    "and", "break", "do", "else", "elseif", "end", "false", "for", "function", "if", "in", "local",
    "nil", "not", "or", "repeat", "return", "then", "true", "until", "while",
];

/// Takes a file apart; comments are left out.
pub(super) fn tokens(source: &str) -> Vec<Token<'_>> {
    let bytes = source.as_bytes();
    let (mut found, mut at, mut line) = (Vec::new(), 0, 1);
    while at < bytes.len() {
        let byte = bytes[at];
        if byte == b'\n' {
            line += 1;
            at += 1;
            continue;
        }
        if byte.is_ascii_whitespace() || !byte.is_ascii() {
            at += 1;
            continue;
        }
        let rest = &source[at..];
        let (what, len) = if let Some(comment) = rest.strip_prefix("--") {
            let long = long_bracket(comment);
            let len = long.map_or_else(|| rest.find('\n').unwrap_or(rest.len()), |len| len + 2);
            line += rest[..len].matches('\n').count();
            at += len;
            continue;
        } else if byte.is_ascii_alphabetic() || byte == b'_' {
            let word = |b: &u8| b.is_ascii_alphanumeric() || *b == b'_';
            (What::Name, rest.bytes().take_while(word).count())
        } else if byte.is_ascii_digit() {
            let word = |b: &u8| b.is_ascii_alphanumeric() || *b == b'.' || *b == b'_';
            (What::Number, rest.bytes().take_while(word).count())
        } else if matches!(byte, b'"' | b'\'' | b'`') {
            (What::Text, quoted(rest.as_bytes()))
        } else if let Some(len) = long_bracket(rest) {
            (What::Text, len)
        } else {
            let double = ["...", "..", "==", "~=", "<=", ">=", "::"];
            let len = double.iter().find(|mark| rest.starts_with(**mark)).map_or(1, |m| m.len());
            (What::Mark, len)
        };
        found.push(Token { what, text: &rest[..len], line });
        line += rest[..len].matches('\n').count();
        at += len;
    }
    found
}

fn quoted(bytes: &[u8]) -> usize {
    let mut at = 1;
    while at < bytes.len() {
        match bytes[at] {
            b'\\' => at += 2,
            b if b == bytes[0] => return at + 1,
            _ => at += 1,
        }
    }
    bytes.len()
}

/// `[[…]]`, `[==[…]==]`.
fn long_bracket(text: &str) -> Option<usize> {
    let rest = text.strip_prefix('[')?;
    let level = rest.bytes().take_while(|b| *b == b'=').count();
    rest[level..].strip_prefix('[')?;
    let close = format!("]{}]", "=".repeat(level));
    Some(text.find(&close).map_or(text.len(), |at| at + close.len()))
}

/// Text of a string token without its quotes.
pub(super) fn unquoted<'a>(token: &Token<'a>) -> &'a str {
    let text = token.text;
    if text.len() >= 2 && matches!(text.as_bytes()[0], b'"' | b'\'' | b'`') {
        return &text[1..text.len() - 1];
    }
    text
}
