//! The event socket: FreeSWITCH connects to us for each call and does as it is told.
//!
//! A call waits while we talk, so every step has a deadline, everything read is bounded, and
//! whatever goes wrong ends the same way: the connection closes and the dialplan goes on with its
//! next action, which FreeSWITCH does within 20 ms.
//!
//! - [`admission`]: who gets in;
//! - [`facts`]: the call that FreeSWITCH describes;
//! - [`answer`]: a policy's outcome as bytes;
//! - `call`: one conversation;
//! - `converse`: a script and the switch talking through it;
//! - `queued`: what `async` changes.

pub mod admission;
pub mod answer;
mod call;
mod converse;
#[cfg(test)]
mod cut_tests;
pub mod facts;
#[cfg(test)]
mod parts_tests;
mod queued;
#[cfg(test)]
mod queued_tests;
#[cfg(test)]
mod session_tests;
#[cfg(test)]
mod talk_tests;
#[cfg(test)]
mod tests;

use std::{net::SocketAddr, sync::Arc, time::Duration};

use fsx_wire::esl::Limits;
use metrics::{counter, gauge};
use tokio::net::TcpListener;

use admission::{Admission, Admitted};
pub(crate) use answer::dial_vars;

use crate::health::metrics as names;
use crate::net::{AddressList, Quiet};
use crate::{config, policy, published::PublishedHandle, shutdown::Shutdown};

/// The task that health probes ask for.
pub const PROBE: &str = "Available::test";

/// What a conversation needs.
#[derive(Debug)]
pub struct Rooms {
    /// Runs the policies.
    pub engine: policy::Engine,
    /// For telling emergency calls.
    pub published: PublishedHandle,
    /// Where this machine stands.
    pub site: config::Site,
    /// Calls whose hangup phase is to come.
    pub after: policy::after::After,
    /// Keeps what peers get wrong from filling the log.
    pub quiet: Quiet,
}

/// Deadlines and limits of a conversation.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Patience {
    /// For the reply to `connect`.
    pub(crate) connect: Duration,
    /// For a write.
    pub(crate) write: Duration,
    /// For the peer's close.
    pub(crate) close: Duration,
    /// For what is read.
    pub(crate) limits: Limits,
}

/// Binds the address.
///
/// # Errors
/// One line that names the address.
pub async fn bind(listen: SocketAddr) -> Result<TcpListener, String> {
    TcpListener::bind(listen)
        .await
        .map_err(|e| format!("cannot listen on {listen} for the event socket: {e}"))
}

/// Serves until told to stop; conversations in hand take part in the drain.
///
/// # Errors
/// When the configuration's address list is wrong, which `check-config` says first.
pub async fn serve(
    listener: TcpListener,
    config: config::Esl,
    rooms: Rooms,
    shutdown: Shutdown,
) -> Result<(), String> {
    let allow = AddressList::new(&config.allow)?;
    let rooms = Arc::new(rooms);
    let admission = Admission::new(config.max_calls, config.max_calls_per_s);
    let ms = |ms: u32| Duration::from_millis(ms.into());
    let patience = Patience {
        connect: ms(config.connect_timeout_ms),
        write: ms(config.write_timeout_ms),
        close: ms(config.close_timeout_ms),
        limits: Limits {
            header: config.max_header_bytes as usize,
            body: config.max_body_bytes as usize,
        },
    };
    loop {
        let accepted = tokio::select! {
            () = shutdown.requested() => return Ok(()),
            accepted = listener.accept() => accepted,
        };
        let (stream, peer) = match accepted {
            Ok(accepted) => accepted,
            Err(error) => {
                crate::net::accept_failed("esl", &error).await;
                continue;
            }
        };
        if !allow.contains(peer.ip()) {
            counter!(names::ESL_CONNECTIONS, "outcome" => "not_allowed").increment(1);
            if let Some(more) = rooms.quiet.say("not_allowed") {
                tracing::warn!(%peer, more, "event socket: address is not in esl.allow");
            }
            continue;
        }
        let admitted = admission.admit();
        if matches!(admitted, Admitted::Refused) {
            // Closed at once: the dialplan goes on, and it costs us an accept.
            counter!(names::ESL_CONNECTIONS, "outcome" => "refused").increment(1);
            if let Some(more) = rooms.quiet.say("closed") {
                tracing::warn!(%peer, more, "event socket: far over its limits; closed unheard");
            }
            continue;
        }
        let (rooms, working) = (Arc::clone(&rooms), shutdown.working());
        let mut line = call::Peer::new(stream, patience);
        tokio::spawn(async move {
            gauge!(names::ESL_CALLS).increment(1.0);
            let outcome = call::converse(&mut line, peer, &admitted, &rooms).await;
            gauge!(names::ESL_CALLS).decrement(1.0);
            counter!(names::ESL_CONNECTIONS, "outcome" => outcome).increment(1);
            drop((admitted, working));
        });
    }
}
