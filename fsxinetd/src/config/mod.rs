//! What an operator may set, with its defaults.
//!
//! One file, TOML. A key that this release does not know is refused with its line, because a
//! misspelt key that is silently ignored is found out at the worst hour. The shipped sample
//! (`conf/fsxinetd.toml`) says what each key means; a test holds it to be these defaults.
//!
//! Texts may hold `${NAME}` or `${NAME:-default}`, taken from the environment.

mod core;
mod expand;
mod file;
mod sections;
mod waiting;
mod xml;

pub use self::core::Core;
pub use expand::{Environment, OLD_SERVICE};
pub use file::{ConfigError, Problem, load, parse};
pub use sections::*;
pub use waiting::waiting;
pub use xml::{Xml, XmlSection};

/// Where the configuration is looked for unless the command line names a file.
pub const DEFAULT_PATH: &str = "/etc/fsx/fsxinetd.toml";

/// The sample that is shipped, for `fsxinetd check-config --sample` and for the tests.
pub const SAMPLE: &str = include_str!("../../conf/fsxinetd.toml");

#[cfg(test)]
mod tests;
