//! Number patterns: the part of regular expressions that numbering plans are written in.
//!
//! Normalisation, formats and dialling rules are rows in a database, written by people, and are run
//! for every call inside a switch. So a pattern is compiled once, when the snapshot is built, to a
//! short program; matching runs all its threads side by side (Pike's machine), in time bounded by
//! program × input, on the stack, with nothing that backtracks.
//!
//! Accepted: digits and `+ * #` (escaped where they would be operators), `\d`, `.`, classes
//! `[0-9]` and `[^0]`, groups `( )` (captured, at most nine) and `(?: )`, `|`, `? * +`, `{n}`,
//! `{n,}`, `{n,m}`, `^` and `$`. The alphabet is the dial pad's: `0-9 * # +`.

use core::fmt;

use crate::digits::{Dialled, MAX_DIALLED};

/// Longest program, in instructions.
pub const MAX_PROGRAM: usize = 192;

/// Most capture groups.
pub const MAX_GROUPS: usize = 9;

/// Highest repeat count that `{n,m}` may ask for.
const MAX_REPEAT: u32 = 40;

/// Deepest nesting of groups.
const MAX_DEPTH: u32 = 16;

/// Why a pattern is refused.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum PatternError {
    /// A character outside the dial pad's alphabet and the operators, at this byte.
    Character {
        /// Byte offset in the pattern.
        at: usize,
    },
    /// A group, class or repeat is not closed, or closes nothing.
    Unbalanced {
        /// Byte offset in the pattern.
        at: usize,
    },
    /// A repeat with nothing to repeat, or `{n,m}` that is not a range up to 40.
    Repeat {
        /// Byte offset in the pattern.
        at: usize,
    },
    /// More than nine groups, or nested deeper than sixteen.
    Groups,
    /// The program is longer than [`MAX_PROGRAM`].
    TooLong,
    /// The replacement names a group that the pattern does not have, or a character that no
    /// number holds.
    Replacement {
        /// Byte offset in the replacement.
        at: usize,
    },
}

impl fmt::Display for PatternError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Character { at } => write!(f, "character not allowed at position {}", at + 1),
            Self::Unbalanced { at } => write!(f, "unbalanced bracket at position {}", at + 1),
            Self::Repeat { at } => write!(f, "bad repeat at position {}", at + 1),
            Self::Groups => write!(f, "more than {MAX_GROUPS} groups, or nested too deep"),
            Self::TooLong => write!(f, "pattern too long"),
            Self::Replacement { at } => {
                write!(f, "replacement not allowed at position {}", at + 1)
            }
        }
    }
}

impl std::error::Error for PatternError {}

// An instruction is one word: operation in the top four bits, operands below.
const CLASS: u32 = 0; // 13-bit mask of the alphabet
const SPLIT: u32 = 1; // two 14-bit targets, the preferred one first
const SAVE: u32 = 2; // slot number
const BEGIN: u32 = 3;
const END: u32 = 4;
const MATCH: u32 = 5;

const ALPHABET: usize = 13;
const ALL: u32 = (1 << ALPHABET) - 1;
const DIGITS: u32 = (1 << 10) - 1;

fn symbol(byte: u8) -> Option<u32> {
    match byte {
        b'0'..=b'9' => Some(u32::from(byte - b'0')),
        b'*' => Some(10),
        b'#' => Some(11),
        b'+' => Some(12),
        _ => None,
    }
}

fn split(first: usize, second: usize) -> u32 {
    SPLIT << 28 | (first as u32) << 14 | second as u32
}

/// Compiles `pattern` to a program for [`Rewrite::program`]. Allocates: for the builder.
///
/// # Errors
/// [`PatternError`] with the place.
pub fn compile(pattern: &str) -> Result<Vec<u32>, PatternError> {
    let mut compiler = Compiler { text: pattern.as_bytes(), at: 0, groups: 0, depth: 0 };
    let body = compiler.alternation()?;
    if compiler.at < compiler.text.len() {
        return Err(PatternError::Unbalanced { at: compiler.at });
    }
    let mut program = vec![SAVE << 28];
    append(&mut program, &body)?;
    append(&mut program, &[SAVE << 28 | 1, MATCH << 28])?;
    Ok(program)
}

/// Checks a replacement against its pattern: `$1` to `$9` and `$0` (the whole match), the rest
/// literal. Call it where the row is vetted, so that a rewrite cannot fail later.
///
/// # Errors
/// [`PatternError::Replacement`] with the place.
pub fn check_replacement(program: &[u32], replacement: &str) -> Result<(), PatternError> {
    let groups = program.iter().filter(|&&op| op >> 28 == SAVE).map(|op| op & 0xff).max();
    let groups = groups.unwrap_or(1) / 2;
    let bytes = replacement.as_bytes();
    let mut at = 0;
    while at < bytes.len() {
        if bytes[at] == b'$' {
            match bytes.get(at + 1) {
                Some(d) if d.is_ascii_digit() && u32::from(d - b'0') <= groups => at += 1,
                _ => return Err(PatternError::Replacement { at }),
            }
        } else if symbol(bytes[at]).is_none() && !bytes[at].is_ascii_alphanumeric() {
            return Err(PatternError::Replacement { at });
        }
        at += 1;
    }
    Ok(())
}

/// Adds `part` to `program`, moving its targets.
fn append(program: &mut Vec<u32>, part: &[u32]) -> Result<(), PatternError> {
    let base = program.len();
    if base + part.len() > MAX_PROGRAM {
        return Err(PatternError::TooLong);
    }
    program.extend(part.iter().map(|&op| {
        if op >> 28 == SPLIT {
            split((op >> 14 & 0x3fff) as usize + base, (op & 0x3fff) as usize + base)
        } else {
            op
        }
    }));
    Ok(())
}

struct Compiler<'a> {
    text: &'a [u8],
    at: usize,
    groups: usize,
    depth: u32,
}

impl Compiler<'_> {
    fn peek(&self) -> Option<u8> {
        self.text.get(self.at).copied()
    }

    fn alternation(&mut self) -> Result<Vec<u32>, PatternError> {
        let mut left = self.sequence()?;
        while self.peek() == Some(b'|') {
            self.at += 1;
            let right = self.sequence()?;
            // A jump is a split whose two targets are one.
            let after = left.len() + right.len() + 2;
            let mut both = vec![split(1, left.len() + 2)];
            append(&mut both, &left)?;
            both.push(split(after, after));
            append(&mut both, &right)?;
            left = both;
        }
        Ok(left)
    }

    fn sequence(&mut self) -> Result<Vec<u32>, PatternError> {
        let mut program = Vec::new();
        while let Some(byte) = self.peek() {
            if byte == b'|' || byte == b')' {
                break;
            }
            let atom = self.atom(byte)?;
            let repeated = self.repeated(atom)?;
            append(&mut program, &repeated)?;
        }
        Ok(program)
    }

    fn atom(&mut self, byte: u8) -> Result<Vec<u32>, PatternError> {
        let start = self.at;
        self.at += 1;
        Ok(match byte {
            b'^' => vec![BEGIN << 28],
            b'$' => vec![END << 28],
            b'.' => vec![CLASS << 28 | ALL],
            b'(' => return self.group(start),
            b'[' => vec![CLASS << 28 | self.class(start)?],
            b'\\' => {
                let escaped = self.peek().ok_or(PatternError::Character { at: start })?;
                self.at += 1;
                match (escaped, symbol(escaped)) {
                    (b'd', _) => vec![CLASS << 28 | DIGITS],
                    (_, Some(s)) if !escaped.is_ascii_digit() => vec![CLASS << 28 | 1 << s],
                    _ => return Err(PatternError::Character { at: start }),
                }
            }
            b'?' | b'*' | b'+' | b'{' => return Err(PatternError::Repeat { at: start }),
            _ => match symbol(byte) {
                Some(s) => vec![CLASS << 28 | 1 << s],
                None => return Err(PatternError::Character { at: start }),
            },
        })
    }

    fn group(&mut self, start: usize) -> Result<Vec<u32>, PatternError> {
        self.depth += 1;
        if self.depth > MAX_DEPTH {
            return Err(PatternError::Groups);
        }
        let captured = !self.text[self.at..].starts_with(b"?:");
        let mut slot = 0;
        if captured {
            self.groups += 1;
            if self.groups > MAX_GROUPS {
                return Err(PatternError::Groups);
            }
            slot = self.groups as u32 * 2;
        } else {
            self.at += 2;
        }
        let inner = self.alternation()?;
        if self.peek() != Some(b')') {
            return Err(PatternError::Unbalanced { at: start });
        }
        self.at += 1;
        self.depth -= 1;
        if !captured {
            return Ok(inner);
        }
        let mut program = vec![SAVE << 28 | slot];
        append(&mut program, &inner)?;
        append(&mut program, &[SAVE << 28 | (slot + 1)])?;
        Ok(program)
    }

    fn class(&mut self, start: usize) -> Result<u32, PatternError> {
        let negated = self.peek() == Some(b'^');
        if negated {
            self.at += 1;
        }
        let mut mask = 0;
        loop {
            let byte = self.peek().ok_or(PatternError::Unbalanced { at: start })?;
            if byte == b']' && mask != 0 {
                self.at += 1;
                break;
            }
            let low = symbol(byte).ok_or(PatternError::Character { at: self.at })?;
            self.at += 1;
            if self.peek() == Some(b'-') {
                self.at += 1;
                let high = self.peek().filter(u8::is_ascii_digit).and_then(symbol);
                let high = high.filter(|&h| low < 10 && h >= low);
                let high = high.ok_or(PatternError::Character { at: self.at })?;
                self.at += 1;
                mask |= (low..=high).fold(0, |m, s| m | 1 << s);
            } else {
                mask |= 1 << low;
            }
        }
        Ok(if negated { ALL & !mask } else { mask })
    }

    fn repeated(&mut self, mut atom: Vec<u32>) -> Result<Vec<u32>, PatternError> {
        while let Some(byte) = self.peek() {
            let start = self.at;
            let (low, high) = match byte {
                b'?' => (0, Some(1)),
                b'*' => (0, None),
                b'+' => (1, None),
                b'{' => self.braces(start)?,
                _ => break,
            };
            if byte != b'{' {
                self.at += 1;
            }
            if matches!(atom.as_slice(), [op] if matches!(op >> 28, BEGIN | END)) {
                return Err(PatternError::Repeat { at: start });
            }
            atom = repeat(&atom, low, high)?;
        }
        Ok(atom)
    }

    fn braces(&mut self, start: usize) -> Result<(u32, Option<u32>), PatternError> {
        let bad = PatternError::Repeat { at: start };
        let end = self.text[start..].iter().position(|&b| b == b'}').ok_or(bad)? + start;
        let body = core::str::from_utf8(&self.text[start + 1..end]).map_err(|_| bad)?;
        self.at = end + 1;
        let count = |text: &str| text.parse::<u32>().ok().filter(|&n| n <= MAX_REPEAT).ok_or(bad);
        let (low, high) = match body.split_once(',') {
            None => (count(body)?, Some(count(body)?)),
            Some((low, "")) => (count(low)?, None),
            Some((low, high)) => (count(low)?, Some(count(high)?)),
        };
        if high.is_some_and(|h| h < low || h == 0) {
            return Err(bad);
        }
        Ok((low, high))
    }
}

/// `low` copies, then optional ones up to `high`, or a loop.
fn repeat(atom: &[u32], low: u32, high: Option<u32>) -> Result<Vec<u32>, PatternError> {
    let mut program = Vec::new();
    for _ in 0..low {
        append(&mut program, atom)?;
    }
    match high {
        None => {
            let mut turn = vec![split(1, atom.len() + 2)];
            append(&mut turn, atom)?;
            turn.push(split(0, 0));
            append(&mut program, &turn)?;
        }
        Some(high) => {
            for _ in low..high {
                let mut once = vec![split(1, atom.len() + 1)];
                append(&mut once, atom)?;
                append(&mut program, &once)?;
            }
        }
    }
    Ok(program)
}

/// A compiled pattern with its replacement, borrowed from the routing data.
#[derive(Clone, Copy, Debug)]
pub struct Rewrite<'a> {
    /// Made by [`compile`]. Damaged programs are safe: they match nothing.
    pub program: &'a [[u8; 4]],
    /// `$0` to `$9` and literals.
    pub replacement: &'a str,
}

/// Where each group matched: pairs of offsets, [`Captures::UNSET`] where it did not.
#[derive(Clone, Copy, Debug)]
struct Captures([u8; 2 * (MAX_GROUPS + 1)]);

impl Captures {
    const UNSET: u8 = u8::MAX;
}

/// More ways wait than [`Rewrite::walk`] remembers.
struct TooManyBranches;

#[derive(Clone, Copy)]
struct Threads {
    len: usize,
    at: [u8; MAX_PROGRAM],
    captures: [Captures; MAX_PROGRAM],
    seen: [u64; MAX_PROGRAM.div_ceil(64)],
}

impl Threads {
    const EMPTY: Self = Self {
        len: 0,
        at: [0; MAX_PROGRAM],
        captures: [Captures([Captures::UNSET; 2 * (MAX_GROUPS + 1)]); MAX_PROGRAM],
        seen: [0; MAX_PROGRAM.div_ceil(64)],
    };

    fn clear(&mut self) {
        self.len = 0;
        self.seen = [0; MAX_PROGRAM.div_ceil(64)];
    }

    fn first_visit(&mut self, at: usize) -> bool {
        let bit = 1 << (at % 64);
        let word = &mut self.seen[at / 64];
        let first = *word & bit == 0;
        *word |= bit;
        first
    }
}

impl Rewrite<'_> {
    fn op(&self, at: usize) -> Option<u32> {
        self.program.get(at).map(|word| u32::from_le_bytes(*word))
    }

    /// Whether the pattern is found in `input` (anchor it with `^` and `$` to match the whole).
    #[must_use]
    pub fn matches(&self, input: &[u8]) -> bool {
        self.run(input).is_some()
    }

    /// The replacement with its groups filled in, if the pattern matches; `None` too when the
    /// result would not fit in a [`Dialled`].
    #[must_use]
    pub fn apply(&self, input: &[u8]) -> Option<Dialled> {
        let captures = self.run(input)?;
        let mut out = Dialled::EMPTY;
        let mut bytes = self.replacement.bytes();
        while let Some(byte) = bytes.next() {
            let fits = if byte == b'$' {
                let group = usize::from(bytes.next()?.wrapping_sub(b'0'));
                let (from, to) = (captures.0.get(group * 2)?, captures.0.get(group * 2 + 1)?);
                // A group that took no part is empty.
                out.extend(input.get(usize::from(*from)..usize::from(*to)).unwrap_or(b""))
            } else {
                out.push(byte)
            };
            if !fits {
                return None;
            }
        }
        Some(out)
    }

    /// Leftmost match, preferring what the pattern prefers; linear in program × input.
    fn run(&self, input: &[u8]) -> Option<Captures> {
        if input.len() > MAX_DIALLED || self.program.len() > MAX_PROGRAM {
            return None;
        }
        if self.fails_at_once(input) {
            return None;
        }
        match self.walk(input) {
            Ok(found) => found,
            Err(TooManyBranches) => self.run_side_by_side(input),
        }
    }

    /// Whether an anchored pattern's first symbols already differ. Most rules of a table are for
    /// other numbers than this one; they cost a few comparisons.
    fn fails_at_once(&self, input: &[u8]) -> bool {
        if self.op(1) != Some(BEGIN << 28) {
            return false;
        }
        let mut pos = 0;
        for at in 2.. {
            match self.op(at) {
                Some(op) if op >> 28 == CLASS => {
                    let mask = input.get(pos).and_then(|&b| symbol(b)).map_or(0, |s| 1 << s);
                    if op & mask == 0 {
                        return true;
                    }
                    pos += 1;
                }
                Some(op) if op >> 28 == SAVE => {}
                _ => return false,
            }
        }
        false
    }

    /// Tries one way after another, each place of the program and the input once: short for the
    /// patterns that numbering plans are made of. Gives up where too many ways wait.
    fn walk(&self, input: &[u8]) -> Result<Option<Captures>, TooManyBranches> {
        const UNDO: u32 = 1 << 31;
        let mut seen = [0u64; (MAX_PROGRAM * (MAX_DIALLED + 1)).div_ceil(64)];
        let mut waiting = [0u32; 96];
        let mut captures = Captures([Captures::UNSET; 2 * (MAX_GROUPS + 1)]);
        let anchored = self.op(1) == Some(BEGIN << 28);
        let last_start = if anchored { 0 } else { input.len() };
        for start in 0..=last_start {
            waiting[0] = start as u32;
            let mut depth = 1;
            while depth > 0 {
                depth -= 1;
                let job = waiting[depth];
                if job & UNDO != 0 {
                    captures.0[(job >> 8 & 0xff) as usize] = job as u8;
                    continue;
                }
                let (mut at, mut pos) = ((job >> 8) as usize, (job & 0xff) as usize);
                while at < self.program.len() {
                    let place = at * (MAX_DIALLED + 1) + pos;
                    let (word, bit) = (place / 64, 1 << (place % 64));
                    if seen[word] & bit != 0 {
                        break;
                    }
                    seen[word] |= bit;
                    let Some(op) = self.op(at) else { break };
                    let mut wait = |job: u32| {
                        *waiting.get_mut(depth).ok_or(TooManyBranches)? = job;
                        depth += 1;
                        Ok(())
                    };
                    match op >> 28 {
                        CLASS => {
                            let symbol = input.get(pos).and_then(|&byte| symbol(byte));
                            if symbol.is_none_or(|symbol| op & 1 << symbol == 0) {
                                break;
                            }
                            pos += 1;
                        }
                        SPLIT => {
                            let (first, second) = (op >> 14 & 0x3fff, op & 0x3fff);
                            if first != second {
                                wait((second & 0xff) << 8 | pos as u32)?;
                            }
                            at = first as usize;
                            continue;
                        }
                        SAVE => {
                            let slot = op & 0xff;
                            let Some(saved) = captures.0.get_mut(slot as usize) else { break };
                            wait(UNDO | slot << 8 | u32::from(*saved))?;
                            *saved = pos as u8;
                        }
                        BEGIN if pos == 0 => {}
                        END if pos == input.len() => {}
                        MATCH => return Ok(Some(captures)),
                        _ => break,
                    }
                    at += 1;
                }
            }
        }
        Ok(None)
    }

    /// The same with all ways side by side (Pike), for patterns with many branches.
    fn run_side_by_side(&self, input: &[u8]) -> Option<Captures> {
        let (mut even, mut odd) = (Threads::EMPTY, Threads::EMPTY);
        let (mut now, mut next) = (&mut even, &mut odd);
        let mut found = None;
        for pos in 0..=input.len() {
            if found.is_none() {
                let fresh = Captures([Captures::UNSET; 2 * (MAX_GROUPS + 1)]);
                self.follow(now, 0, fresh, pos, input.len());
            }
            if now.len == 0 && found.is_some() {
                break;
            }
            let mask = input.get(pos).and_then(|&b| symbol(b)).map_or(0, |s| 1 << s);
            next.clear();
            for thread in 0..now.len {
                let at = usize::from(now.at[thread]);
                let Some(op) = self.op(at) else { continue };
                match op >> 28 {
                    CLASS if op & mask != 0 => {
                        self.follow(next, at + 1, now.captures[thread], pos + 1, input.len());
                    }
                    MATCH => {
                        // Threads after this one are less preferred.
                        found = Some(now.captures[thread]);
                        break;
                    }
                    _ => {}
                }
            }
            core::mem::swap(&mut now, &mut next);
        }
        found
    }

    /// Adds the threads reachable from `start` without reading a symbol, in order of preference.
    fn follow(
        &self,
        threads: &mut Threads,
        start: usize,
        captures: Captures,
        pos: usize,
        end: usize,
    ) {
        // Each instruction is entered once, so the stack cannot outgrow the program.
        let mut stack = [(start as u8, captures); MAX_PROGRAM];
        let mut depth = 1;
        while depth > 0 {
            depth -= 1;
            let (at, mut captures) = stack[depth];
            let mut at = usize::from(at);
            while at < self.program.len() && threads.first_visit(at) {
                let Some(op) = self.op(at) else { break };
                match op >> 28 {
                    SPLIT => {
                        let second = (op & 0x3fff) as usize;
                        at = (op >> 14 & 0x3fff) as usize;
                        if second != at && second < self.program.len() && depth < stack.len() {
                            stack[depth] = (second as u8, captures);
                            depth += 1;
                        }
                        continue;
                    }
                    SAVE => {
                        if let Some(slot) = captures.0.get_mut((op & 0xff) as usize) {
                            *slot = pos as u8;
                        }
                    }
                    BEGIN if pos == 0 => {}
                    END if pos == end => {}
                    CLASS | MATCH => {
                        threads.at[threads.len] = at as u8;
                        threads.captures[threads.len] = captures;
                        threads.len += 1;
                        break;
                    }
                    _ => break,
                }
                at += 1;
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn program(pattern: &str) -> Vec<[u8; 4]> {
        compile(pattern).expect(pattern).iter().map(|op| op.to_le_bytes()).collect()
    }

    fn rewrite(pattern: &str, replacement: &str, input: &str) -> Option<String> {
        let program = program(pattern);
        Rewrite { program: &program, replacement }.apply(input.as_bytes()).map(|d| d.to_string())
    }

    #[test]
    fn numbering_plan_rules() {
        for (pattern, replacement, input, output) in [
            (r"^0([1-9]\d{8,9})$", "44$1", "07700900123", Some("447700900123")),
            (r"^0([1-9]\d{8,9})$", "44$1", "0770090012", Some("44770090012")),
            (r"^0([1-9]\d{8,9})$", "44$1", "077009001234", None),
            (r"^1?([2-9]\d{9})$", "1$1", "12125551234", Some("12125551234")),
            (r"^1?([2-9]\d{9})$", "1$1", "2125551234", Some("12125551234")),
            (r"^(?:00|\+)(\d+)$", "$1", "+4420", Some("4420")),
            (r"^(?:00|\+)(\d+)$", "$1", "004420", Some("4420")),
            (r"^(?:54102[01]|1950[02])(\d+)$", "$1", "541021447700", Some("447700")),
            (r"^(\d{2})(\d*)$", "$2$1", "441", Some("144")),
            (r"44", "$0", "9944", Some("44")),
            (r"^\*1[0-9]{2}$", "$0", "*182", Some("*182")),
            (r"^[^0]\d$", "$0", "+1", Some("+1")),
            (r"^(a)?", "", "1", None),
        ] {
            if pattern.contains('a') {
                assert_eq!(compile(pattern), Err(PatternError::Character { at: 2 }));
                continue;
            }
            assert_eq!(
                rewrite(pattern, replacement, input).as_deref(),
                output,
                "{pattern} {input}"
            );
        }
    }

    #[test]
    fn both_machines_find_the_same() {
        for pattern in [
            r"^0([1-9]\d{8,9})$",
            r"(1|12|123)(3?)4*",
            r"^(?:00|\+)(\d+)$",
            "(?:1*)*(2)?",
            "((1)|(2))+",
            "^([0-9]*)([0-9]*)$",
            "(1?)(1?)(1?)(1?)$",
            "[^1]+|1{2,3}",
            "",
        ] {
            let program = program(pattern);
            let rewrite = Rewrite { program: &program, replacement: "" };
            for n in 0..4000u32 {
                let text: String = n.to_string().replace('9', "+").replace('8', "1");
                let walked = rewrite.walk(text.as_bytes()).ok().flatten().map(|c| c.0);
                let beside = rewrite.run_side_by_side(text.as_bytes()).map(|c| c.0);
                assert_eq!(walked, beside, "{pattern} on {text}");
                if rewrite.fails_at_once(text.as_bytes()) {
                    assert_eq!(beside, None, "{pattern} on {text}");
                }
            }
        }
    }

    #[test]
    fn refused_with_their_place() {
        for (pattern, error) in [
            ("(12", PatternError::Unbalanced { at: 0 }),
            ("12)", PatternError::Unbalanced { at: 2 }),
            ("[12", PatternError::Unbalanced { at: 0 }),
            ("*1", PatternError::Repeat { at: 0 }),
            ("1{3,2}", PatternError::Repeat { at: 1 }),
            ("1{41}", PatternError::Repeat { at: 1 }),
            ("^*", PatternError::Repeat { at: 1 }),
            ("x", PatternError::Character { at: 0 }),
            (r"\w", PatternError::Character { at: 0 }),
            ("[9-0]", PatternError::Character { at: 3 }),
        ] {
            assert_eq!(compile(pattern), Err(error), "{pattern}");
        }
        assert_eq!(compile(&"(".repeat(20)), Err(PatternError::Groups));
        assert_eq!(compile("((1{40}){40}){40}"), Err(PatternError::TooLong));
        let one = compile(r"^(\d)$").expect("valid");
        assert_eq!(check_replacement(&one, "44$1"), Ok(()));
        assert_eq!(check_replacement(&one, "44$2"), Err(PatternError::Replacement { at: 2 }));
        assert_eq!(check_replacement(&one, "a,b"), Err(PatternError::Replacement { at: 1 }));
    }

    #[test]
    fn pattern_bombs_are_linear() {
        // Exponential for a backtracker; forty steps here.
        let program = program("^(?:(?:1*)*)*0$");
        let bomb = Rewrite { program: &program, replacement: "" };
        assert!(!bomb.matches(&[b'1'; 40]));
    }

    #[test]
    fn wide_alternations_lose_nothing() {
        let many: Vec<String> = (10..70).map(|n| n.to_string()).collect();
        let program = program(&format!("^(?:{})$", many[..40].join("|")));
        let rewrite = Rewrite { program: &program, replacement: "" };
        assert!(many[..40].iter().all(|n| rewrite.matches(n.as_bytes())));
        assert!(!rewrite.matches(b"69"));
    }

    #[test]
    fn foreign_programs_match_nothing() {
        for word in [0u32, u32::MAX, split(9999, 9999), split(0, 0), SAVE << 28 | 255] {
            let program = [word.to_le_bytes(); 8];
            let rewrite = Rewrite { program: &program, replacement: "$9$" };
            assert_eq!(rewrite.apply(b"123"), None);
        }
    }
}
