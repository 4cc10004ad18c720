//! crates/snapshot
