//! Which names a file uses, and from which of its functions.

use std::collections::{BTreeMap, BTreeSet};

use super::{Token, What, tokens, unquoted};

/// One use of a name of ours or of mod_lua's.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(super) struct Use {
    /// As the catalogue writes it.
    pub(super) name: String,
    pub(super) line: usize,
    /// Where it stands among the tokens.
    at: usize,
}

/// A function with a name, from its first token to its last.
#[derive(Debug)]
struct Function<'a> {
    name: &'a str,
    from: usize,
    to: usize,
}

/// A file, read.
#[derive(Debug, Default)]
pub(super) struct Source<'a> {
    tokens: Vec<Token<'a>>,
    functions: Vec<Function<'a>>,
    pub(super) uses: Vec<Use>,
    /// Names that are defined anywhere in it: globals, locals, arguments.
    pub(super) globals: BTreeSet<&'a str>,
    /// Names that are read, with their lines.
    pub(super) reads: Vec<(&'a str, usize)>,
    /// Files that it requires by a plain text, with the line.
    pub(super) requires: Vec<(&'a str, usize)>,
}

/// Objects whose methods the catalogue knows.
const OBJECTS: &[&str] = &["API", "Dbh", "Event", "JSON"];

impl<'a> Source<'a> {
    pub(super) fn read(text: &'a str) -> Self {
        let mut source = Self { tokens: tokens(text), ..Self::default() };
        source.functions = functions(&source.tokens);
        source.names();
        source.uses = uses(&source.tokens);
        source
    }

    /// Whether the name stands anywhere in it, as a name or as a text.
    pub(super) fn mentions(&self, name: &str) -> bool {
        self.tokens.iter().any(|token| match token.what {
            What::Name => token.text == name,
            What::Text => unquoted(token) == name,
            _ => false,
        })
    }

    /// Definitions, reads and requires.
    fn names(&mut self) {
        let tokens = &self.tokens;
        let is = |at: usize, text: &str| tokens.get(at).is_some_and(|t| t.is(text));
        let mut arguments = 0_usize;
        for (at, token) in tokens.iter().enumerate() {
            if token.is("function") {
                // Its arguments, up to the bracket that ends them.
                arguments = tokens[at..].iter().position(|t| t.is(")")).map_or(0, |n| at + n);
            }
            if token.is("require") {
                let after = if is(at + 1, "(") { at + 2 } else { at + 1 };
                if let Some(text) = tokens.get(after).filter(|t| t.what == What::Text) {
                    self.requires.push((unquoted(text), text.line));
                }
            }
            if !token.is_name() {
                continue;
            }
            let before = at.checked_sub(1).map(|n| &tokens[n]);
            if before.is_some_and(|t| t.is(".") || t.is(":") || t.is("::")) {
                continue;
            }
            let assigned = is(at + 1, "=") || is(at + 1, ",") || is(at + 1, "in");
            let declared = before.is_some_and(|t| t.is("local") || t.is("for") || t.is("function"));
            if at < arguments || declared || assigned || in_declaration(tokens, at) {
                self.globals.insert(token.text);
            } else {
                self.reads.push((token.text, token.line));
            }
        }
        let defined = &self.globals;
        self.reads.retain(|(name, _)| !defined.contains(name));
    }

    /// Uses that a run of `function` (or of the file itself) may reach: the file's own lines, the
    /// function, and what it names. A function that looks at the phase is left to itself.
    pub(super) fn reached(&self, function: Option<&str>) -> Vec<&Use> {
        let by_name: BTreeMap<&str, &Function<'_>> =
            self.functions.iter().map(|f| (f.name, f)).collect();
        let mut reached: BTreeSet<&str> = function.into_iter().collect();
        let mut waiting: Vec<(usize, usize)> = Vec::new();
        let outside = |at: usize| !self.functions.iter().any(|f| (f.from..=f.to).contains(&at));
        let own: Vec<usize> = (0..self.tokens.len()).filter(|at| outside(*at)).collect();
        // A file that only defines names what it defines; that does not call it.
        let calls =
            |at: usize| self.tokens.get(at + 1).is_some_and(|t| t.is("(") || t.what == What::Text);
        for at in own.iter().copied().filter(|at| calls(*at)) {
            reached.insert(self.tokens[at].text);
        }
        let mut ranges: Vec<(usize, usize)> = Vec::new();
        let mut done = BTreeSet::new();
        loop {
            let next = reached.iter().find(|name| !done.contains(*name)).copied();
            let Some(name) = next else { break };
            done.insert(name);
            if let Some(function) = by_name.get(name) {
                waiting.push((function.from, function.to));
            }
            while let Some((from, to)) = waiting.pop() {
                ranges.push((from, to));
                for token in &self.tokens[from..=to] {
                    if token.is_name() && by_name.contains_key(token.text) {
                        reached.insert(token.text);
                    }
                }
            }
        }
        let guarded = |(from, to): &(usize, usize)| {
            self.tokens[*from..=*to].iter().any(|t| t.what == What::Name && t.text == "phase")
        };
        ranges.retain(|range| !guarded(range));
        let within = |at: usize| {
            let inner = self.functions.iter().filter(|f| (f.from..=f.to).contains(&at));
            // The innermost named function decides.
            match inner.min_by_key(|f| f.to - f.from) {
                None => true,
                Some(f) => ranges.iter().any(|(from, to)| (*from, *to) == (f.from, f.to)),
            }
        };
        self.uses.iter().filter(|used| within(used.at)).collect()
    }
}

/// `local a, b` and `for k, v in`: names after the first.
fn in_declaration(tokens: &[Token<'_>], at: usize) -> bool {
    let mut back = at;
    while back >= 2 && tokens[back - 1].is(",") && tokens[back - 2].is_name() {
        back -= 2;
    }
    back != at && back >= 1 && (tokens[back - 1].is("local") || tokens[back - 1].is("for"))
        || (back != at && tokens.get(at + 1).is_some_and(|t| t.is("=") || t.is("in")))
}

/// Functions with names, by counting what opens and what ends.
fn functions<'a>(tokens: &[Token<'a>]) -> Vec<Function<'a>> {
    let mut found = Vec::new();
    // What is open: a function with a name and its beginning, or anything else.
    let mut open: Vec<Option<(&'a str, usize)>> = Vec::new();
    for (at, token) in tokens.iter().enumerate() {
        match token.text {
            _ if token.what != What::Name => {}
            "function" => {
                let name = name_of(tokens, at);
                open.push(name.map(|name| (name, at)));
            }
            "do" | "repeat" => open.push(None),
            "if" if !in_expression(tokens, at) => open.push(None),
            "end" | "until" => {
                if let Some(Some((name, from))) = open.pop() {
                    found.push(Function { name, from, to: at });
                }
            }
            _ => {}
        }
    }
    found
}

/// Luau's `x = if a then b else c` has no end.
fn in_expression(tokens: &[Token<'_>], at: usize) -> bool {
    let Some(before) = at.checked_sub(1).map(|n| tokens[n]) else { return false };
    let opens = ["=", "(", ",", "{", "..", "+", "-", "*", "/", "<", ">", "==", "~=", "<=", ">="];
    (before.what == What::Mark && opens.contains(&before.text))
        || ["return", "and", "or", "not"].iter().any(|word| before.is(word))
}

/// `function M.name(`, `local function name(`, `name = function(`.
fn name_of<'a>(tokens: &[Token<'a>], at: usize) -> Option<&'a str> {
    if tokens.get(at + 1).is_some_and(Token::is_name) {
        let bracket = tokens[at..].iter().position(|t| t.is("("))?;
        return Some(tokens[at + bracket - 1].text);
    }
    let before = |n: usize| at.checked_sub(n).map(|n| tokens[n]);
    (before(1)?.is("=") && before(2)?.is_name()).then(|| tokens[at - 2].text)
}

/// Names of ours and of mod_lua's, as the catalogue writes them.
fn uses(tokens: &[Token<'_>]) -> Vec<Use> {
    let mut found = Vec::new();
    let mut objects: BTreeMap<&str, &str> = BTreeMap::new();
    let is = |at: usize, text: &str| tokens.get(at).is_some_and(|t| t.is(text));
    let is_local =
        |name: &str| tokens.windows(2).any(|pair| pair[0].is("local") && pair[1].is(name));
    let own: Vec<&str> = ["fsx", "freeswitch", "session", "io", "os", "debug", "package", "string"]
        .into_iter()
        .filter(|name| !is_local(name))
        .collect();
    let mut at = 0;
    while at < tokens.len() {
        let token = &tokens[at];
        let first = at == 0 || !(is(at - 1, ".") || is(at - 1, ":"));
        if !token.is_name() || !first {
            at += 1;
            continue;
        }
        // The whole chain of names.
        let (start, mut name, mut end) = (at, token.text.to_owned(), at);
        while (is(end + 1, ".") || is(end + 1, ":"))
            && tokens.get(end + 2).is_some_and(|t| t.what == What::Name)
        {
            name.push_str(tokens[end + 1].text);
            name.push_str(tokens[end + 2].text);
            end += 2;
            if is(end - 1, ":") {
                break;
            }
        }
        at = end + 1;
        let mut note = |name: String, line: usize| found.push(Use { name, line, at: start });
        if own.contains(&token.text) && end > start {
            note(name.clone(), token.line);
            let object = OBJECTS.iter().find(|o| name == format!("freeswitch.{o}"));
            if let Some(object) = object {
                // `local api = freeswitch.API()`, and `freeswitch.API():execute(…)`.
                if start >= 2 && is(start - 1, "=") && tokens[start - 2].is_name() {
                    objects.insert(tokens[start - 2].text, object);
                }
                if let Some(close) = closing(tokens, end + 1)
                    && is(close + 1, ":")
                    && let Some(method) = tokens.get(close + 2)
                {
                    note(format!("{name}:{}", method.text), method.line);
                }
            }
        } else if let Some(object) = objects.get(token.text)
            && is(start + 1, ":")
            && let Some(method) = tokens.get(start + 2)
        {
            note(format!("freeswitch.{object}:{}", method.text), method.line);
        }
    }
    found
}

/// The bracket that closes the one at `at`.
fn closing(tokens: &[Token<'_>], at: usize) -> Option<usize> {
    tokens.get(at).filter(|t| t.is("("))?;
    let mut depth = 0_usize;
    for (n, token) in tokens.iter().enumerate().skip(at) {
        if token.is("(") {
            depth += 1;
        } else if token.is(")") {
            depth -= 1;
            if depth == 0 {
                return Some(n);
            }
        }
    }
    None
}
