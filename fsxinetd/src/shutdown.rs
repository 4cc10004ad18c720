//! Stopping without dropping a call: everyone hears of it, and work in hand is waited for.

use std::time::Duration;

use tokio::sync::{mpsc, watch};

/// Heard by every loop and held by every piece of work. Cheap to clone.
#[derive(Clone, Debug)]
pub struct Shutdown {
    asked: watch::Receiver<bool>,
    work: mpsc::Sender<std::convert::Infallible>,
}

/// The other end: asks, and waits for the work.
#[derive(Debug)]
pub struct Stopper {
    ask: watch::Sender<bool>,
    done: mpsc::Receiver<std::convert::Infallible>,
}

/// Proof that work is in hand; the drain waits until every one is dropped.
#[derive(Debug)]
pub struct Working {
    _work: mpsc::Sender<std::convert::Infallible>,
}

/// A pair that belongs together.
#[must_use]
pub fn pair() -> (Stopper, Shutdown) {
    let (ask, asked) = watch::channel(false);
    let (work, done) = mpsc::channel(1);
    (Stopper { ask, done }, Shutdown { asked, work })
}

impl Shutdown {
    /// Returns once it has been asked for.
    pub async fn requested(&self) {
        // An error means that the stopper is gone, which is a request too.
        let _ = self.asked.clone().wait_for(|asked| *asked).await;
    }

    /// Whether it has been asked for.
    #[must_use]
    pub fn is_requested(&self) -> bool {
        *self.asked.borrow()
    }

    /// The bare signal, for rooms that need nothing else: it becomes `true` once.
    #[must_use]
    pub fn signal(&self) -> watch::Receiver<bool> {
        self.asked.clone()
    }

    /// Takes part in the drain until the result is dropped.
    #[must_use]
    pub fn working(&self) -> Working {
        Working { _work: self.work.clone() }
    }
}

impl Stopper {
    /// Asks everyone to stop taking work and waits at most `limit` for the work in hand. Drop your
    /// own [`Shutdown`] first: it counts as work.
    ///
    /// `false` when work was still in hand at the limit.
    pub async fn drain(mut self, limit: Duration) -> bool {
        self.ask.send_replace(true);
        tokio::time::timeout(limit, self.done.recv()).await.is_ok()
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    #[tokio::test(start_paused = true)]
    async fn work_in_hand_is_waited_for_up_to_the_limit() {
        let (stopper, shutdown) = super::pair();
        let working = shutdown.working();
        let listener = tokio::spawn(async move { shutdown.requested().await });
        let worker = tokio::spawn(async move {
            tokio::time::sleep(Duration::from_secs(3)).await;
            drop(working);
        });
        assert!(stopper.drain(Duration::from_secs(10)).await);
        worker.await.expect("no panic");
        listener.await.expect("no panic");

        let (stopper, shutdown) = super::pair();
        let _never = shutdown.working();
        drop(shutdown);
        assert!(!stopper.drain(Duration::from_secs(10)).await);
    }
}
