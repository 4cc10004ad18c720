//! Support for tests that drive real switches.
