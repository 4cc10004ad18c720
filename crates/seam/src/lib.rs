//! crates/seam
