//! Sockets that the dialplan opens as `async`.
//!
//! There the switch reads us on a thread of its own while the call is parked. Two traps follow. What
//! we send is queued: `+OK` says only that it waits its turn, and its end is an event. And a
//! connection that ends before the call has been parked leaves it parked for ever, since what clears
//! the park has then come before the park (measured: FreeSWITCH 1.10.12 and 1.11.2). So each
//! application is sent under a name whose event is waited for, and nobody leaves before one such event
//! has come: only a call that is parked runs what is queued.

use std::time::Duration;

use fsx_wire::esl::{self, Action, Frame};

use super::call::{Broken, Peer};

/// Longest wait for the call to be parked. It takes some 20 ms; a switch that says nothing of it in
/// this time has no call to leave parked.
const UNTIL_PARKED: Duration = Duration::from_secs(3);

/// The mode of a socket, and what of it has been seen.
#[derive(Debug)]
pub(super) enum Mode {
    /// Each command is done when its reply comes.
    Sync,
    /// Commands are queued.
    Async {
        /// Applications sent so far.
        sent: u32,
        /// One of them has run.
        parked: bool,
    },
}

/// What ends the wait for a command.
#[derive(Debug, Default)]
pub(super) struct End {
    /// Replies to what was sent before it.
    before: u32,
    /// The name that its event bears; none where its reply is its end.
    name: Option<String>,
    /// The reply, where the event is still to come.
    reply: Option<Frame>,
}

impl Mode {
    pub(super) fn of(is_async: bool) -> Self {
        if is_async { Self::Async { sent: 0, parked: false } } else { Self::Sync }
    }

    /// The command as it is sent on this socket, and how its end is known.
    pub(super) fn send(&mut self, command: Vec<u8>) -> (Vec<u8>, End) {
        let Self::Async { sent, .. } = self else { return (command, End::default()) };
        let name = format!("fsx-{sent}");
        let Some(named) = esl::named(&command, &name) else { return (command, End::default()) };
        let mut end = End { before: 0, name: Some(name), reply: None };
        let mut bytes = Vec::new();
        if *sent == 0 {
            bytes.extend_from_slice(esl::MY_EVENTS);
            end.before = 1;
        }
        *sent += 1;
        bytes.extend(named);
        (bytes, end)
    }

    /// An event has come. True when it is the end of the command.
    pub(super) fn ends(&mut self, end: &End, frame: &Frame) -> bool {
        let (Self::Async { parked, .. }, Some(name)) = (self, &end.name) else { return false };
        let Some(event) = frame.event() else { return false };
        let is = |header, value| event.get(header) == Some(value);
        let ended = is("Event-Name", "CHANNEL_EXECUTE_COMPLETE") && is("Application-UUID", name);
        *parked |= ended;
        ended
    }
}

impl End {
    /// One more command was sent before it, whose reply nobody waits for.
    pub(super) fn one_before(&mut self) {
        self.before += 1;
    }

    /// A reply has come. It is given back when it is the end of the command.
    pub(super) fn reply(&mut self, frame: Frame) -> Option<Frame> {
        if self.before > 0 {
            self.before -= 1;
            return None;
        }
        if self.name.is_some() && frame.is_ok() {
            self.reply = Some(frame);
            return None;
        }
        Some(frame)
    }

    /// The reply that came before the event.
    pub(super) fn queued(self) -> Frame {
        self.reply.unwrap_or_default()
    }
}

/// Returns once the call may be left.
pub(super) async fn settled(peer: &mut Peer) -> Result<(), Broken> {
    if !matches!(peer.mode, Mode::Async { parked: false, .. }) {
        return Ok(());
    }
    // Something that does nothing, to see it done.
    let Ok(nothing) = esl::execute(&Action::new("set", "fsx_parked=true")) else { return Ok(()) };
    let (bytes, mut end) = peer.mode.send(nothing);
    peer.say(&bytes).await?;
    let parked = async {
        loop {
            let frame = peer.hear(UNTIL_PARKED).await?;
            match frame.kind() {
                esl::Kind::Disconnect => return Err(Broken::Gone),
                esl::Kind::Event if peer.mode.ends(&end, &frame) => return Ok(()),
                // Refused: there is no such wait.
                esl::Kind::Reply if end.reply(frame).is_some() => return Ok(()),
                _ => {}
            }
        }
    };
    match tokio::time::timeout(UNTIL_PARKED, parked).await {
        Ok(Err(Broken::Silent(_))) | Err(_) => Ok(()),
        Ok(done) => done,
    }
}
