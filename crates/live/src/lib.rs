//! crates/live
