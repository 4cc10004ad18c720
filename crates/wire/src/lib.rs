//! The words that cross a socket or a spool, and nothing that does the crossing.
//!
//! Sans-I/O: bytes in, values out, and back. The modules and the daemon share these so that a
//! message means the same on both sides:
//! - [`answer`]: a routing decision as JSON (the contract's "As JSON");
//! - [`message`]: what a module asks the daemon over the decision socket, and the replies;
//! - [`frame`]: the length prefix round each message;
//! - [`record`]: the call record, on the socket and in the spool file;
//! - [`xml`]: a look-up of FreeSWITCH's XML;
//! - [`esl`]: event-socket frames (FreeSWITCH `mod_event_socket`).

#![forbid(unsafe_code)]

pub mod answer;
pub mod esl;
pub mod frame;
pub mod message;
pub mod record;
pub mod xml;
