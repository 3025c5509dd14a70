//! The store as the rest of the server uses it: one writer that gathers jobs into batches, and a few readers.
//!
//! ```text
//!   enqueue(job) ─▶ queue ─▶ writer: [job job job] one transaction ─▶ observer ─▶ every job's answer
//!   read(question) ─▶ a free reader
//! ```
//!
//! Batching needs no clock: while one batch commits, the next one gathers. The blocking work runs on
//! `spawn_blocking`, or inline where a simulation must replay.

use std::future::Future;
use std::sync::Arc;
use std::time::Duration;

use quipu_protocol::Refusal;
use tokio::sync::mpsc;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use super::lane::Lane;
use super::readers::Readers;
use super::writer::{Work, Writer, ticket};
use super::{Effect, Reads, Store, StoreError, Writes};

/// Jobs that wait for the writer. It is also what they may cost: each holds at most one body of 16 KiB.
pub const JOBS_QUEUED_MAX: usize = 4_096;
/// Jobs in one transaction: enough that its fsync costs each of them little, few enough that the first of them
/// does not wait long for the last.
pub const BATCH_JOBS_MAX: usize = 1_024;
const _: () = assert!(BATCH_JOBS_MAX <= JOBS_QUEUED_MAX);

/// Where the store's blocking calls run.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Blocking {
    /// On tokio's threads for blocking work.
    Pool,
    /// In the task that asks: for simulations, whose order of events must not depend on threads.
    Inline,
    /// The same with a disk that takes its time over a batch, half of it before the batch is durable and half after:
    /// so that a simulated crash can fall into a commit.
    Slow(Duration),
}

/// Sees what every batch did to the logs, after it is durable and before its authors are told.
pub trait Observer: Send + Sync + 'static {
    /// Effects in their order. Must not block.
    fn committed(&self, effects: &[Effect]);
}

/// Why a job did not happen.
#[derive(Debug, Clone, thiserror::Error)]
pub enum WriteError {
    /// The job itself said no.
    #[error(transparent)]
    Refused(#[from] Refusal),
    /// The store could not; nothing happened.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// The store failed while it made the batch durable; it may or may not have happened.
    #[error("the outcome is unknown: {0}")]
    Unknown(StoreError),
}

/// A job that has its place in the queue; await it for its answer. Dropping it does not take the job back.
pub type Pending<T> = std::pin::Pin<Box<dyn Future<Output = Result<T, WriteError>> + Send>>;

/// The store, shared. When the last clone is dropped the writer finishes what is queued and ends.
#[derive(Clone)]
pub struct Storage {
    inner: Arc<Inner>,
}

struct Inner {
    jobs: mpsc::Sender<Box<dyn Work>>,
    stopping: CancellationToken,
    writer: TaskTracker,
    readers: Arc<Readers>,
}

impl Storage {
    /// Starts the writer's task on the current runtime; `observer` sees every batch.
    ///
    /// # Errors
    /// When the readers cannot be opened.
    ///
    /// # Panics
    /// Outside a runtime.
    pub fn start(
        store: Box<dyn Store>,
        blocking: Blocking,
        observer: Arc<dyn Observer>,
    ) -> Result<Self, StoreError> {
        let readers = Arc::new(Readers::open(&*store, blocking)?);
        let (jobs, queue) = mpsc::channel(JOBS_QUEUED_MAX);
        let stopping = CancellationToken::new();
        let writer = TaskTracker::new();
        writer.spawn(Writer::new(store, blocking, observer).run(queue, stopping.clone()));
        writer.close();
        let inner = Inner { jobs, stopping, writer, readers };
        Ok(Self { inner: Arc::new(inner) })
    }

    /// Gives the job its place; waits only while the queue is full. Jobs run in the order of their places.
    /// Cancel-safe: cancelled before it returns, the job has no place.
    ///
    /// # Errors
    /// [`StoreError::Closed`].
    pub async fn enqueue<T: Send + 'static>(
        &self,
        job: impl FnOnce(&mut dyn Writes) -> Result<T, WriteError> + Send + 'static,
    ) -> Result<Pending<T>, WriteError> {
        self.enqueue_in(&Lane::default(), job).await
    }

    /// The same, for a job that must not overtake a failed one of its lane.
    ///
    /// # Errors
    /// [`StoreError::Closed`].
    pub async fn enqueue_in<T: Send + 'static>(
        &self,
        lane: &Lane,
        job: impl FnOnce(&mut dyn Writes) -> Result<T, WriteError> + Send + 'static,
    ) -> Result<Pending<T>, WriteError> {
        let place = self.inner.jobs.reserve().await.map_err(|_| StoreError::Closed)?;
        let (work, answer) = ticket(lane.clone(), job);
        place.send(work);
        // A writer that ended without an answer may have got as far as the disk.
        Ok(Box::pin(async { answer.await.unwrap_or(Err(WriteError::Unknown(StoreError::Closed))) }))
    }

    /// Runs a job and waits until it is durable.
    ///
    /// # Errors
    /// See [`WriteError`].
    pub async fn write<T: Send + 'static>(
        &self,
        job: impl FnOnce(&mut dyn Writes) -> Result<T, WriteError> + Send + 'static,
    ) -> Result<T, WriteError> {
        self.enqueue(job).await?.await
    }

    /// Asks a question on one of the readers. It sees every batch whose jobs were answered. Each call the
    /// question makes is consistent in itself; a later one may see a later batch.
    ///
    /// # Errors
    /// See [`StoreError`].
    pub async fn read<T: Send + 'static>(
        &self,
        question: impl FnOnce(&dyn Reads) -> Result<T, StoreError> + Send + 'static,
    ) -> Result<T, StoreError> {
        self.inner.readers.ask(question).await
    }

    /// Jobs that wait for the writer now: those of the batch under way are not among them.
    pub fn queued(&self) -> usize {
        JOBS_QUEUED_MAX.saturating_sub(self.inner.jobs.capacity())
    }

    /// Finishes the jobs in the queue and the questions under way, then closes the store. Later ones are refused.
    pub async fn close(&self) {
        self.inner.stopping.cancel();
        self.inner.writer.wait().await;
        self.inner.readers.close().await;
    }
}
