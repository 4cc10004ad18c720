//! The daemon beside the switch, and its command line. Everything is in the library: see
//! [`fsxinetd::daemon`] for what runs, and [`fsxinetd::cli`] for what can be asked.

#![forbid(unsafe_code)]

use std::process::ExitCode;

use clap::Parser as _;

fn main() -> ExitCode {
    fsxinetd::cli::Cli::parse().run()
}
