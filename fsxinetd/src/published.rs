//! The routing data that this daemon published last, for whoever answers inside the daemon.
//!
//! The switches read the snapshot file; the daemon's own doors (HTTP, policies, the event socket)
//! must give the same answers, so they read the very data that was published. The feed sets it, and
//! everyone else only looks: a call keeps the `Arc` it took, whatever is published meanwhile.

use std::sync::Arc;
use std::time::SystemTime;

use fsx_core::data::{LiveView, NoLive, RoutingData};
use fsx_live::LiveTable;
use tokio::sync::watch;

/// Routing data that threads may share.
pub type SharedRouting = dyn RoutingData + Send + Sync;

/// The live table as threads share it.
pub type SharedLive = dyn LiveView + Send + Sync;

/// One published build of the routing data.
pub struct Published {
    /// The data: `fsx_snapshot::Snapshot<Vec<u8>>` in the daemon, anything in tests.
    pub snapshot: Arc<SharedRouting>,
    /// Its generation, which is also `snapshot.generation()`.
    pub generation: u64,
    /// When it was published, or found on disk at start.
    pub at: SystemTime,
    /// Size of the file, in bytes; 0 where there is none.
    pub bytes: u64,
}

impl Published {
    /// Data published now.
    pub fn now(snapshot: Arc<SharedRouting>, bytes: u64) -> Self {
        let generation = snapshot.generation();
        Self { snapshot, generation, at: SystemTime::now(), bytes }
    }
}

impl std::fmt::Debug for Published {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Published(generation {}, {} bytes)", self.generation, self.bytes)
    }
}

/// The handle: cheap to clone, one value behind all clones.
#[derive(Clone)]
pub struct PublishedHandle {
    current: watch::Sender<Option<Arc<Published>>>,
    live: watch::Sender<Option<Arc<LiveTable>>>,
}

impl Default for PublishedHandle {
    fn default() -> Self {
        Self { current: watch::Sender::new(None), live: watch::Sender::new(None) }
    }
}

impl PublishedHandle {
    /// Nothing published yet, no live table.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// What was published last; `None` before the first time.
    #[must_use]
    pub fn current(&self) -> Option<Arc<Published>> {
        self.current.borrow().clone()
    }

    /// Publishes. Readers that hold the former data keep it until they are done.
    pub fn set(&self, published: Published) {
        self.current.send_replace(Some(Arc::new(published)));
    }

    /// Wakes at each publication.
    #[must_use]
    pub fn subscribe(&self) -> watch::Receiver<Option<Arc<Published>>> {
        self.current.subscribe()
    }

    /// Names the live table to judge gateways by: the one that the switches map. The feed calls this
    /// at start, and when that is another.
    pub fn set_live(&self, live: Arc<LiveTable>) {
        self.live.send_replace(Some(live));
    }

    /// The live table; `None` where there is none.
    #[must_use]
    pub fn table(&self) -> Option<Arc<LiveTable>> {
        self.live.borrow().clone()
    }

    /// The live table, or the answer where there is none.
    #[must_use]
    pub fn live(&self) -> Arc<SharedLive> {
        match self.table() {
            Some(table) => table,
            None => Arc::new(NoLive),
        }
    }
}

impl std::fmt::Debug for PublishedHandle {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "PublishedHandle({:?})", *self.current.borrow())
    }
}
