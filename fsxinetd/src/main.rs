//! fsxinetd
fn main() {}
