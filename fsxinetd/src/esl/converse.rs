//! A script and the switch, talking over one socket.
//!
//! The script orders one command at a time and each has its deadline. A call that ends while the
//! script runs is told to the script, which may finish what it has begun and run its hangup hook; a
//! script that had not begun to talk has nothing to finish and is let go.

use std::pin::Pin;
use std::time::{Duration, Instant};

use fsx_wire::esl::{self, ChannelData, Frame, Kind};
use tokio::sync::oneshot;
use tokio::time::{sleep_until, timeout};

use super::answer;
use super::call::{Broken, Peer};
use super::queued::End;
use crate::policy::line::{Lost, Order, Orders};

/// How long the switch may take to say why a call has ended; the call's own end waits for it.
const LAST_WORDS: Duration = Duration::from_secs(1);

/// Whether the script has talked with the switch, which knows the policy's version then.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) struct Talked(pub(super) bool);

/// How a conversation ended.
pub(super) enum Ended<T> {
    /// The script came to its end; the call is still there.
    Decided(T, Talked),
    /// The call ended first; what the script came to, where it had begun to talk.
    HungUp(Option<T>),
}

/// The command whose reply is awaited.
struct Awaited {
    reply: oneshot::Sender<Result<Frame, Lost>>,
    end: End,
    wait: Duration,
    until: Instant,
}

/// Carries orders to the switch and replies back until the script or the call has ended.
pub(super) async fn between<T>(
    peer: &mut Peer,
    mut orders: Orders,
    mut script: Pin<&mut impl Future<Output = T>>,
) -> Result<Ended<T>, Broken> {
    let mut awaited: Option<Awaited> = None;
    let mut talked = false;
    let broken = loop {
        match peer.decoder.next_frame() {
            Ok(Some(frame)) => match frame.kind() {
                Kind::Reply | Kind::ApiResponse => {
                    let ended = awaited.as_mut().and_then(|awaited| awaited.end.reply(frame));
                    if let Some(frame) = ended
                        && let Some(awaited) = awaited.take()
                    {
                        let _ = awaited.reply.send(Ok(frame));
                    }
                    continue;
                }
                Kind::Event => {
                    let ended = awaited.as_ref().is_some_and(|a| peer.mode.ends(&a.end, &frame));
                    if ended && let Some(Awaited { reply, end, .. }) = awaited.take() {
                        let _ = reply.send(Ok(end.queued()));
                    }
                    continue;
                }
                Kind::Disconnect => {
                    let lingers = frame.header("Content-Disposition") == Some("linger");
                    let last = if lingers { Box::pin(last_words(peer)).await } else { None };
                    orders.hung_up(last);
                    break None;
                }
                _ => continue,
            },
            Ok(None) => {}
            Err(malformed) => break Some(Broken::from(malformed)),
        }
        let until = awaited.as_ref().map(|awaited| awaited.until);
        tokio::select! {
            ended = &mut script => return Ok(Ended::Decided(ended, Talked(talked))),
            order = orders.queue.recv(), if awaited.is_none() => {
                // None: the script is at its end, which the other branch will say.
                let Some(order) = order else {
                    return after(peer, script.as_mut(), Talked(talked)).await;
                };
                let Order { bytes, wait, reply } = *order;
                let (mut bytes, mut end) = peer.mode.send(bytes);
                let mark = orders.policy().filter(|_| !talked);
                if let Some(mark) = mark.map(|policy| answer::mark(&policy)).filter(|m| !m.is_empty()) {
                    // In the same write: it costs no turn.
                    bytes = [mark, bytes].concat();
                    end.one_before();
                }
                talked = true;
                if let Err(broken) = peer.say(&bytes).await {
                    break Some(broken);
                }
                awaited = Some(Awaited { reply, end, wait, until: Instant::now() + wait });
            }
            read = peer.read() => if let Err(broken) = read {
                break Some(broken);
            },
            () = sleep_until(until.unwrap_or_else(Instant::now).into()), if until.is_some() => {
                // A reply that comes after all would be taken for the next one's.
                let wait = awaited.as_ref().map_or(Duration::ZERO, |awaited| awaited.wait);
                if let Some(awaited) = awaited.take() {
                    let _ = awaited.reply.send(Err(Lost::Silent(wait)));
                }
                break Some(Broken::Silent(wait));
            }
        }
    };
    orders.hung_up(None);
    if let Some(awaited) = awaited {
        let _ = awaited.reply.send(Err(Lost::Gone));
    }
    drop(orders);
    if !talked {
        return match broken {
            Some(broken) => Err(broken),
            None => Err(Broken::Gone),
        };
    }
    // It has its own budget of time left, and nothing more to wait for.
    let ended = script.await;
    match broken {
        None | Some(Broken::Gone) => Ok(Ended::HungUp(Some(ended))),
        Some(broken) => Err(broken),
    }
}

/// The script has let go of the line; its end comes by itself. The call may still end before.
async fn after<T>(
    peer: &mut Peer,
    script: Pin<&mut impl Future<Output = T>>,
    talked: Talked,
) -> Result<Ended<T>, Broken> {
    tokio::select! {
        ended = script => Ok(Ended::Decided(ended, talked)),
        broken = peer.until_gone() => Err(broken),
    }
}

/// What the switch says of a call that has ended, while it lingers for us; then we leave, since the
/// call's own end waits.
async fn last_words(peer: &mut Peer) -> Option<ChannelData> {
    let ask = async {
        peer.say(esl::CONNECT).await.ok()?;
        loop {
            let frame = peer.hear(LAST_WORDS).await.ok()?;
            if frame.kind() == Kind::Reply {
                return Some(ChannelData::new(&frame));
            }
        }
    };
    let data = timeout(LAST_WORDS, ask).await.ok().flatten();
    let _ = peer.say(esl::EXIT).await;
    data
}
