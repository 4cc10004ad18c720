//! Hostile bytes for everything that reads bytes.
//!
//! A module reads a mapped file and a socket inside a process that carries other people's calls, so
//! no bytes may make it panic, overflow its stack, hang, or allocate without bound. Each target is a
//! plain function, run in two ways: by `make fuzz` on a stable toolchain, with random mutations for
//! a bounded time ([`mutate`], `src/bounded.rs`), and by cargo-fuzz with coverage feedback where there
//! is a nightly one (`cargo +nightly fuzz run --features libfuzzer esl`).
//!
//! A target panics when what it fed gave an answer that cannot be right; that is the test.

#![forbid(unsafe_code)]

mod import;
pub mod mutate;
mod patterns;
mod snapshot;
mod wire;

/// One reader of bytes.
#[derive(Clone, Copy)]
pub struct Target {
    /// As in `cargo fuzz run NAME` and `corpus/NAME/`.
    pub name: &'static str,
    /// Well-formed inputs to start from, beside those in `corpus/`.
    pub seeds: fn() -> Vec<Vec<u8>>,
    /// Feeds the reader; panics on a wrong answer.
    pub run: fn(&[u8]),
    /// Bytes of stack that it may use.
    pub stack: usize,
}

/// What a module allows itself on a call thread (docs/host-quirks.md, FS-5).
const CALL_STACK: usize = 64 << 10;

/// What a command has.
const COMMAND_STACK: usize = 8 << 20;

/// Every target.
pub const TARGETS: &[Target] = &[
    Target { name: "frame", seeds: wire::frame_seeds, run: wire::frame, stack: CALL_STACK },
    Target { name: "message", seeds: wire::message_seeds, run: wire::message, stack: CALL_STACK },
    Target { name: "esl", seeds: wire::esl_seeds, run: wire::esl, stack: CALL_STACK },
    Target {
        name: "pattern",
        seeds: patterns::pattern_seeds,
        run: patterns::pattern,
        stack: CALL_STACK,
    },
    Target {
        name: "program",
        seeds: patterns::program_seeds,
        run: patterns::program,
        stack: CALL_STACK,
    },
    Target { name: "snapshot", seeds: snapshot::seeds, run: snapshot::file, stack: CALL_STACK },
    Target { name: "deck", seeds: import::deck_seeds, run: import::deck, stack: COMMAND_STACK },
    Target {
        name: "workbook",
        seeds: import::workbook_seeds,
        run: import::workbook,
        stack: COMMAND_STACK,
    },
    Target { name: "cell", seeds: import::cell_seeds, run: import::cell, stack: COMMAND_STACK },
    Target { name: "table", seeds: import::table_seeds, run: import::table, stack: COMMAND_STACK },
];

/// A target by name.
///
/// # Panics
/// When there is none of that name.
#[must_use]
pub fn target(name: &str) -> &'static Target {
    TARGETS.iter().find(|target| target.name == name).expect("a target of that name")
}
