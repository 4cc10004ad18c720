//! The way back to a peer.
//!
//! A reply is written by whoever has it, at once, while nothing is before it: to hand it to another task
//! is a good part of what a short decision costs. What the peer does not take waits in a queue, and is
//! waited for so long and no longer.

use std::future::poll_fn;
use std::io;
use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};
use std::sync::{Arc, Weak};
use std::task::Poll;
use std::time::Duration;

use tokio::io::Interest;
use tokio::net::unix::OwnedWriteHalf;
use tokio::sync::mpsc;

/// Takes the replies of one connection, all of whose tasks share a thread. Cheap to clone; the
/// connection's writing half ends with the last of them, or when the peer does not read.
#[derive(Clone, Debug)]
pub(super) struct Outbox {
    queue: mpsc::Sender<Vec<u8>>,
    /// In the queue, or taken from it and not yet written.
    waiting: Arc<AtomicUsize>,
    /// Belongs to whoever writes the queue.
    writer: Weak<OwnedWriteHalf>,
}

impl Outbox {
    /// One with room for so many replies, and what writes those that wait; it ends when the last
    /// outbox is gone, or a write has taken longer than `patience`.
    pub(super) fn new(
        writer: OwnedWriteHalf,
        room: usize,
        patience: Duration,
    ) -> (Self, impl Future<Output = ()> + Send + 'static) {
        let (queue, replies) = mpsc::channel(room);
        let (writer, waiting) = (Arc::new(writer), Arc::new(AtomicUsize::new(0)));
        let outbox = Self { queue, waiting: Arc::clone(&waiting), writer: Arc::downgrade(&writer) };
        (outbox, write_waiting(writer, replies, waiting, patience))
    }

    /// Writes a reply, or has it written; `false` where the peer has gone. Waits where there is no more
    /// room.
    pub(super) async fn put(&self, mut reply: Vec<u8>) -> bool {
        if self.waiting.load(Relaxed) == 0 {
            let Some(writer) = self.writer.upgrade() else { return false };
            match writer.try_write(&reply) {
                Ok(written) if written == reply.len() => return true,
                Ok(written) => {
                    drop(reply.drain(..written));
                    // Before anybody else has a turn; there is room, since nothing waits.
                    self.waiting.fetch_add(1, Relaxed);
                    return self.queue.try_send(reply).is_ok();
                }
                // It waits, or shows whoever writes what waits that the peer has gone.
                Err(_) => {}
            }
        }
        self.waiting.fetch_add(1, Relaxed);
        self.queue.send(reply).await.is_ok()
    }

    /// Whether the peer has closed its end, as far as is known without asking the kernel.
    pub(super) async fn is_gone(&self) -> bool {
        let Some(writer) = self.writer.upgrade() else { return true };
        let mut ready = std::pin::pin!(writer.ready(Interest::WRITABLE));
        let ready = poll_fn(|cx| Poll::Ready(ready.as_mut().poll(cx))).await;
        matches!(ready, Poll::Ready(Ok(ready)) if ready.is_write_closed())
    }

    /// Returns when nothing can be written any more.
    pub(super) async fn closed(&self) {
        self.queue.closed().await;
    }
}

/// Writes what waits, all of it together.
async fn write_waiting(
    writer: Arc<OwnedWriteHalf>,
    mut queue: mpsc::Receiver<Vec<u8>>,
    waiting: Arc<AtomicUsize>,
    patience: Duration,
) {
    while let Some(mut bytes) = queue.recv().await {
        let mut taken = 1;
        while let Ok(more) = queue.try_recv() {
            bytes.extend_from_slice(&more);
            taken += 1;
        }
        match tokio::time::timeout(patience, write_all(&writer, &bytes)).await {
            Ok(Ok(())) => drop(waiting.fetch_sub(taken, Relaxed)),
            Ok(Err(_)) => return,
            Err(_) => {
                tracing::warn!("decision socket: nothing was read in {patience:?}; closed");
                return;
            }
        }
    }
}

async fn write_all(writer: &OwnedWriteHalf, mut bytes: &[u8]) -> io::Result<()> {
    while !bytes.is_empty() {
        writer.writable().await?;
        match writer.try_write(bytes) {
            Ok(written) => bytes = bytes.get(written..).unwrap_or_default(),
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
            Err(error) => return Err(error),
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use tokio::io::AsyncReadExt as _;
    use tokio::net::UnixStream;

    use super::*;

    /// A peer that reads late gets all, each whole and in the order in which they were put.
    #[tokio::test]
    async fn what_does_not_fit_waits_and_nothing_overtakes_it() {
        let (mine, mut peer) = UnixStream::pair().expect("a pair");
        let (_reader, writer) = mine.into_split();
        let (outbox, written) = Outbox::new(writer, 1_000, Duration::from_secs(10));
        let writing = tokio::spawn(written);
        let mut all = Vec::new();
        for n in 0..1_000_u32 {
            let reply: Vec<u8> = (0..2_000_u32).flat_map(|at| (n * at).to_be_bytes()).collect();
            all.extend_from_slice(&reply);
            assert!(outbox.put(reply).await);
            // Others have a turn now and then: some is read, and some written from the queue.
            if n % 7 == 0 {
                let mut some = vec![0; 20_000];
                let got = peer.read(&mut some).await.expect("bytes");
                assert_eq!(some[..got], all[..got]);
                all.drain(..got);
            }
        }
        assert!(outbox.waiting.load(Relaxed) > 0, "it was too much to be taken at once");
        drop(outbox);
        let mut rest = Vec::new();
        peer.read_to_end(&mut rest).await.expect("bytes");
        assert!(rest == all, "{} bytes of {}", rest.len(), all.len());
        writing.await.expect("no panic");
    }
}
