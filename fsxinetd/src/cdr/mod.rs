//! Call records: taken, kept, delivered.
//!
//! A record is money, so it is acknowledged only when it is on disk, synced, and it travels with an
//! id made once in the switch: what comes twice is kept once, and what is delivered twice can be
//! recognised. Nothing is ever thrown away unread: a line that is no record becomes a dead letter,
//! with the file and line that it stood on.
//!
//! - [`store`]: the SQLite file;
//! - [`spool`]: files that the modules wrote while the daemon was away;
//! - [`deliver`]: on to the receiver, at least once each;
//! - [`list`]: what the command line shows.

pub mod deliver;
pub mod list;
pub mod spool;
pub mod store;
#[cfg(test)]
mod tests;

use std::sync::Arc;
use std::time::Duration;

use fsx_wire::record::CallRecord;
use metrics::{counter, gauge};
use tokio::sync::{mpsc, oneshot};

use crate::config;
use crate::health::{Health, Part, metrics as names};
use crate::shutdown::Shutdown;
use store::{Source, Store, StoreError};

/// Most records of one commit.
const BATCH: usize = 256;

/// Why a record was not taken. It is the asker's still.
#[derive(Debug, thiserror::Error)]
pub enum IntakeError {
    /// It has no id, so it could not be told from others.
    #[error("a record without an id")]
    NoId,
    /// It could not be written.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// Too many wait to be written, or the writer has ended.
    #[error("the record store is not taking records")]
    Busy,
}

/// Takes records. Cheap to clone.
#[derive(Clone, Debug)]
pub struct Intake {
    queue: mpsc::Sender<Waiting>,
    store: Arc<Store>,
}

#[derive(Debug)]
struct Waiting {
    record: CallRecord,
    done: oneshot::Sender<Result<(), IntakeError>>,
}

impl Intake {
    /// Opens the store; records that are taken wait for delivery where there is a receiver.
    ///
    /// # Errors
    /// [`StoreError`], in one line.
    pub async fn open(config: &config::Cdr) -> Result<(Self, Writer), StoreError> {
        let store = Arc::new(Store::open(&config.store, !config.deliver_url.is_empty()).await?);
        gauge!(names::CDR_WAITING).set(store.waiting() as f64);
        let (queue, waiting) = mpsc::channel(4 * BATCH);
        Ok((Self { queue, store: Arc::clone(&store) }, Writer { waiting, store }))
    }

    /// Takes a record; returns when it is on disk.
    ///
    /// # Errors
    /// [`IntakeError`]; then the record is still the asker's.
    pub async fn take(&self, record: CallRecord) -> Result<(), IntakeError> {
        if record.id.is_empty() {
            return Err(IntakeError::NoId);
        }
        let (done, written) = oneshot::channel();
        self.queue.try_send(Waiting { record, done }).map_err(|_| IntakeError::Busy)?;
        written.await.unwrap_or(Err(IntakeError::Busy))
    }

    /// Records that wait for delivery.
    #[must_use]
    pub fn waiting(&self) -> u64 {
        self.store.waiting()
    }

    /// The store.
    #[must_use]
    pub fn store(&self) -> Arc<Store> {
        Arc::clone(&self.store)
    }
}

/// Writes what is taken: everything that has come while the last commit was made goes into the next,
/// so that a burst costs few syncs and a single record waits for nobody.
#[derive(Debug)]
pub struct Writer {
    waiting: mpsc::Receiver<Waiting>,
    store: Arc<Store>,
}

impl Writer {
    /// Runs until every [`Intake`] is gone.
    pub async fn run(mut self) {
        let mut batch = Vec::with_capacity(BATCH);
        while self.waiting.recv_many(&mut batch, BATCH).await > 0 {
            let records: Vec<&CallRecord> = batch.iter().map(|w| &w.record).collect();
            match self.store.put(Source::Socket, &records).await {
                Ok(put) => {
                    count(Source::Socket, &put);
                    for waiting in batch.drain(..) {
                        let _ = waiting.done.send(Ok(()));
                    }
                }
                Err(error) => {
                    // Each asker is told the fault itself, not the fault of a fault.
                    let error = match error {
                        StoreError::Failed { why } => why,
                        other => other.to_string(),
                    };
                    for waiting in batch.drain(..) {
                        let error = StoreError::Failed { why: error.clone() };
                        let _ = waiting.done.send(Err(error.into()));
                    }
                }
            }
            gauge!(names::CDR_WAITING).set(self.store.waiting() as f64);
        }
    }
}

fn count(source: Source, put: &store::Put) {
    let source = source.as_str();
    if put.renamed > 0 {
        tracing::warn!(
            records = put.renamed,
            "two calls have one id (is inbound-use-callid-as-uuid set?): the records of the later ones are \
             kept as <id>/<start in ms>"
        );
    }
    counter!(names::CDR_TAKEN, "source" => source, "result" => "new")
        .increment(put.new - put.renamed);
    counter!(names::CDR_TAKEN, "source" => source, "result" => "renamed").increment(put.renamed);
    counter!(names::CDR_TAKEN, "source" => source, "result" => "again").increment(put.again);
}

/// How often the store is tried out, and how often after a fault.
const TRY_EVERY: (Duration, Duration) = (Duration::from_secs(10), Duration::from_secs(2));

/// Tells the daemon's health whether the store takes records, by trying: the first call record is
/// too late to learn that the disk is full. Runs until the daemon stops.
pub async fn watch(store: &Store, health: &Health, shutdown: &Shutdown) {
    let mut fault = store.fault();
    loop {
        let tried = store.try_out().await;
        let pause = if tried.is_ok() { TRY_EVERY.0 } else { TRY_EVERY.1 };
        let until = tokio::time::Instant::now() + pause;
        loop {
            let now = fault.borrow_and_update().clone();
            health.say(Part::Cdr, now);
            tokio::select! {
                () = shutdown.requested() => return,
                () = tokio::time::sleep_until(until) => break,
                // The store outlives this: it is borrowed.
                _ = fault.changed() => {}
            }
        }
    }
}
