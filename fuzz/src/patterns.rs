//! Number patterns: text that people wrote, and compiled programs out of a file that may be damaged.

use fsx_core::{
    digits::MAX_DIALLED,
    pattern::{self, MAX_PROGRAM, Rewrite},
};

/// Pattern, replacement and number, a line each.
pub(crate) fn pattern_seeds() -> Vec<Vec<u8>> {
    [
        "^0(\\d{10})$\n44$1\n07700900123",
        "^(?:1)?([2-9]\\d{9})$\n1$1\n12125551212",
        "^00(.*)$\n$1\n00442079460000",
        "^(9[0-9]{1,2}|112)$\n$0\n999",
        "^\\+?(\\d+)#?$\n*$1\n+447700900123",
        "(1|2|3)*4?5+[^6-8]{0,3}$\n$1\n12344559",
    ]
    .map(|text| text.as_bytes().to_vec())
    .to_vec()
}

pub(crate) fn pattern(bytes: &[u8]) {
    let mut lines = bytes.splitn(3, |byte| *byte == b'\n');
    let mut line = || lines.next().unwrap_or_default();
    let (Ok(text), Ok(replacement)) = (str::from_utf8(line()), str::from_utf8(line())) else {
        return;
    };
    let number = line();
    let Ok(program) = pattern::compile(text) else { return };
    assert!(program.len() <= MAX_PROGRAM, "{text:?} compiled to {}", program.len());

    let words: Vec<_> = program.iter().map(|word| word.to_le_bytes()).collect();
    let rewrite = Rewrite { program: &words, replacement };
    let matches = rewrite.matches(number);
    if number.len() > MAX_DIALLED {
        assert!(!matches, "{text:?} matched {} bytes", number.len());
    }
    let applied = rewrite.apply(number);
    assert!(matches || applied.is_none(), "{text:?} rewrote {number:?} without matching it");
    if matches && pattern::check_replacement(&program, replacement).is_ok() {
        // A checked replacement may fail for one reason only: the result is too long.
        let longest = replacement.len() * MAX_DIALLED;
        assert!(
            applied.is_some() || longest > MAX_DIALLED,
            "{text:?} matches {number:?} but {replacement:?} does not apply"
        );
    }
    // A match does not depend on being asked twice.
    assert_eq!(matches, rewrite.matches(number));
}

/// Programs as they lie in a file, then a byte that says how many, then the number.
pub(crate) fn program_seeds() -> Vec<Vec<u8>> {
    let mut seeds = Vec::new();
    for (text, number) in [("^0(\\d{10})$", "07700900123"), ("(1|2|3)*4?5+", "1234455"), ("", "")] {
        let Ok(program) = pattern::compile(text) else { continue };
        let mut seed = vec![program.len() as u8];
        seed.extend(program.iter().flat_map(|word| word.to_le_bytes()));
        seed.extend_from_slice(number.as_bytes());
        seeds.push(seed);
    }
    seeds
}

/// A damaged program must be safe: at worst it matches nothing.
pub(crate) fn program(bytes: &[u8]) {
    let Some((&words, rest)) = bytes.split_first() else { return };
    let (program, _) = rest.as_chunks::<4>();
    let program = &program[..usize::from(words).min(program.len())];
    let number = &rest[program.len() * 4..];
    for replacement in ["$1", "$0$9$5", "44$1"] {
        let rewrite = Rewrite { program, replacement };
        let _ = rewrite.matches(number);
        let _ = rewrite.apply(number);
    }
}
