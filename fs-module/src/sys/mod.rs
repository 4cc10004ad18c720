//! FreeSWITCH as C sees it: the few types and functions that the module touches, declared by us.
//!
//! There is no header to generate this from on a build machine without FreeSWITCH, and one binary
//! has to serve 1.10.0 to 1.11.x, so only what did not move in that range is declared. Layouts are
//! asserted here at compile time, and by `include/freeswitch/layout.c` against true headers where
//! those are installed. Numbers that did move (causes above 487, channel flags, event ids near the
//! end) are looked up by name at run time, never written here.

mod functions;
mod types;

pub(crate) use functions::*;
pub(crate) use types::*;
