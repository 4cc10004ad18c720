//! The LCR database, whichever engine holds it.
//!
//! One schema lives in two engines: SQLite for a machine that has nothing else, MariaDB or MySQL in
//! production. Everything that reads or writes it goes through [`Conn`], which gives rows as text:
//! money must arrive digit for digit, and text is what both engines can give exactly.
//!
//! - [`DbUrl`]: where it is;
//! - [`Conn`]: one connection, with a deadline on everything;
//! - [`Schema`]: which tables and columns are really there, since the owner's database has nine
//!   tables and ours has more;
//! - [`migrate()`]: makes or completes the tables.

mod conn;
mod error;
mod migrate;
mod schema;
#[cfg(test)]
pub(crate) mod testing;
#[cfg(test)]
mod tests;
mod url;

pub use conn::{Conn, TextRow, quote};
pub use error::DbError;
pub use migrate::{Migrated, VERSION, migrate, pending};
pub use schema::{Finding, Schema, TABLES, Table, check};
pub use url::{Access, DbUrl};
