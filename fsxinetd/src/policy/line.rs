//! The wire between a script and the switch while a call is talked through.
//!
//! The script runs on a policy thread and the socket belongs to the conversation's task, so what is
//! to be said goes over a channel and its reply comes back. Each order carries its own deadline; a
//! caller who hangs up ends the wait at once.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use fsx_wire::esl::{ChannelData, Frame};
use tokio::sync::{Notify, mpsc, oneshot};

use crate::config;

/// How much longer than the conversation's task a script waits for it.
const SLACK: Duration = Duration::from_millis(500);

/// What a script may wait for, and ask of the switch beside applications.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Manners {
    /// For the reply to a command that does not take its time.
    pub reply: Duration,
    /// For an application: it may last as long as a call.
    pub call: Duration,
    /// `freeswitch.API` commands of the platform's scripts.
    pub api: Vec<String>,
    /// And of organisations' scripts.
    pub api_organisations: Vec<String>,
}

impl From<&config::Policy> for Manners {
    fn from(config: &config::Policy) -> Self {
        Self {
            reply: Duration::from_millis(config.reply_timeout_ms.into()),
            call: Duration::from_secs(config.call_max_s.into()),
            api: config.api_commands.clone(),
            api_organisations: config.api_commands_organisations.clone(),
        }
    }
}

/// Why there is no reply.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Lost {
    /// The caller or the switch has ended the conversation.
    Gone,
    /// Nothing came in time.
    Silent(Duration),
}

/// One command, and where its reply goes.
#[derive(Debug)]
pub struct Order {
    /// The command, whole.
    pub bytes: Vec<u8>,
    /// How long its reply may take.
    pub wait: Duration,
    /// Takes the reply.
    pub reply: oneshot::Sender<Result<Frame, Lost>>,
}

/// What both ends know of the call, its end above all.
#[derive(Debug, Default)]
struct End {
    gone: bool,
    last: Option<ChannelData>,
    /// Version of the policy that talks: `37@4`.
    policy: Option<String>,
}

/// The script's end.
#[derive(Clone, Debug)]
pub struct Line {
    /// Boxed: the queue keeps room for a block of orders, for as long as the call lasts.
    orders: mpsc::Sender<Box<Order>>,
    end: Arc<Mutex<End>>,
    /// Why no conversation can be held on this socket, where none can.
    pub unable: Option<&'static str>,
    /// Commands that need `full` may be sent.
    pub full: bool,
    /// Something is to run after the call: what is decided is done in the conversation, so that its
    /// end is seen.
    pub holds: bool,
    /// What may be asked and waited for.
    pub manners: Arc<Manners>,
}

/// The socket's end.
#[derive(Debug)]
pub struct Orders {
    /// Comes with what is to be said.
    pub queue: mpsc::Receiver<Box<Order>>,
    end: Arc<Mutex<End>>,
}

/// A line for the call that `data` describes.
#[must_use]
pub fn line(data: &ChannelData, manners: Arc<Manners>) -> (Line, Orders) {
    // One at a time: a script waits for each reply.
    let (orders, queue) = mpsc::channel(1);
    let end = Arc::<Mutex<End>>::default();
    let line = Line {
        orders,
        end: Arc::clone(&end),
        unable: None,
        full: data.full(),
        holds: false,
        manners,
    };
    (line, Orders { queue, end })
}

impl Orders {
    /// The call has ended; `last` is how the switch described it at its end, where it did.
    pub fn hung_up(&self, last: Option<ChannelData>) {
        let mut end = self.end.lock().unwrap_or_else(PoisonError::into_inner);
        end.gone = true;
        if last.is_some() {
            end.last = last;
        }
    }
}

impl Orders {
    /// Version of the policy that talks, once it is known.
    #[must_use]
    pub fn policy(&self) -> Option<String> {
        self.end.lock().unwrap_or_else(PoisonError::into_inner).policy.clone()
    }
}

impl Line {
    /// This policy is going to talk.
    pub(super) fn runs(&self, policy: String) {
        self.end.lock().unwrap_or_else(PoisonError::into_inner).policy = Some(policy);
    }

    /// The call has ended.
    #[must_use]
    pub fn is_gone(&self) -> bool {
        self.end.lock().unwrap_or_else(PoisonError::into_inner).gone
    }

    /// How the switch described the call at its end.
    #[must_use]
    pub fn last_words(&self) -> Option<ChannelData> {
        self.end.lock().unwrap_or_else(PoisonError::into_inner).last.clone()
    }

    /// The script has learnt that the call has ended.
    pub(super) fn ended(&self, last: Option<ChannelData>) {
        let mut end = self.end.lock().unwrap_or_else(PoisonError::into_inner);
        end.gone = true;
        if last.is_some() {
            end.last = last;
        }
    }

    /// The same line for a call after which something is to run.
    #[must_use]
    pub fn held(mut self, holds: bool) -> Self {
        self.holds = holds;
        self
    }

    /// Says it and waits for the reply.
    ///
    /// # Errors
    /// [`Lost`].
    pub async fn ask(&self, bytes: Vec<u8>, wait: Duration) -> Result<Frame, Lost> {
        let (reply, mut answer) = oneshot::channel();
        if self.orders.send(Box::new(Order { bytes, wait, reply })).await.is_err() {
            return Err(Lost::Gone);
        }
        let answered = tokio::select! {
            biased;
            answered = tokio::time::timeout(wait + SLACK, &mut answer) => answered,
            // An order that came while the queue was being let go of stays in it, neither answered
            // nor dropped, for as long as there is a line. What was answered before that counts.
            () = self.orders.closed() => return answer.try_recv().unwrap_or(Err(Lost::Gone)),
        };
        match answered {
            Ok(Ok(said)) => said,
            Ok(Err(_)) => Err(Lost::Gone),
            Err(_) => Err(Lost::Silent(wait)),
        }
    }
}

/// When a run must have ended. Time that it waits for the switch is not its own and is given back.
#[derive(Clone, Debug)]
pub(super) struct Deadline(Arc<Moving>);

/// An instant that is moved while it is waited for.
#[derive(Debug)]
struct Moving {
    at: Mutex<Instant>,
    moved: Notify,
}

impl Deadline {
    pub(super) fn new(at: Instant) -> Self {
        Self(Arc::new(Moving { at: Mutex::new(at), moved: Notify::new() }))
    }

    pub(super) fn at(&self) -> Instant {
        *self.0.at.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Returns when the deadline has passed, however often it is moved before.
    pub(super) async fn passed(&self) {
        loop {
            let mut moved = std::pin::pin!(self.0.moved.notified());
            // Before it is read, so that no move is missed.
            moved.as_mut().enable();
            let at = self.at();
            tokio::select! {
                () = tokio::time::sleep_until(at.into()) => {}
                () = moved => continue,
            }
            if self.at() <= Instant::now() {
                return;
            }
        }
    }

    /// The switch is being waited for, for at most `limit`, until the result is dropped.
    pub(super) fn waiting(&self, limit: Duration) -> Waiting<'_> {
        let now = Instant::now();
        let left = self.at().saturating_duration_since(now);
        self.move_to(now + limit + left);
        Waiting { deadline: self, left }
    }

    fn move_to(&self, at: Instant) {
        *self.0.at.lock().unwrap_or_else(PoisonError::into_inner) = at;
        self.0.moved.notify_waiters();
    }
}

/// See [`Deadline::waiting`].
pub(super) struct Waiting<'a> {
    deadline: &'a Deadline,
    left: Duration,
}

impl Drop for Waiting<'_> {
    fn drop(&mut self) {
        self.deadline.move_to(Instant::now() + self.left);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ends() -> (Line, Orders) {
        let manners = Manners::from(&config::Policy::default());
        line(&ChannelData::default(), Arc::new(manners))
    }

    /// How long a reply may take here: the end has to be seen long before.
    const WAIT: Duration = Duration::from_secs(2);

    #[tokio::test]
    async fn an_order_that_is_left_when_the_conversation_ends_is_over() {
        let (line, mut orders) = ends();
        let asked = tokio::spawn(async move { line.ask(Vec::new(), WAIT).await });
        // Taken and never answered: what a queue does to an order that came while it was being let go of.
        let left = orders.queue.recv().await.expect("an order");
        drop(orders);
        assert_eq!(asked.await.expect("no panic").err(), Some(Lost::Gone));
        drop(left);
    }

    #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
    async fn the_end_of_a_conversation_never_looks_like_silence() {
        for _ in 0..20_000 {
            let (line, orders) = ends();
            let ended = tokio::spawn(async move { drop(orders) });
            let said = line.ask(Vec::new(), WAIT).await;
            assert_eq!(said.err(), Some(Lost::Gone));
            ended.await.expect("no panic");
        }
    }
}
