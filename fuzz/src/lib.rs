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
}

/// Every target.
pub const TARGETS: &[Target] = &[
    Target { name: "frame", seeds: wire::frame_seeds, run: wire::frame },
    Target { name: "message", seeds: wire::message_seeds, run: wire::message },
    Target { name: "esl", seeds: wire::esl_seeds, run: wire::esl },
    Target { name: "pattern", seeds: patterns::pattern_seeds, run: patterns::pattern },
    Target { name: "program", seeds: patterns::program_seeds, run: patterns::program },
    Target { name: "snapshot", seeds: snapshot::seeds, run: snapshot::file },
];

/// A target by name.
///
/// # Panics
/// When there is none of that name.
#[must_use]
pub fn target(name: &str) -> &'static Target {
    TARGETS.iter().find(|target| target.name == name).expect("a target of that name")
}
