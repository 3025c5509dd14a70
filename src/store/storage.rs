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

use quipu_protocol::Refusal;

use super::{Fresh, Reads, Store, StoreError, Writes};

/// Where the store's blocking calls run.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Blocking {
    /// On tokio's threads for blocking work.
    Pool,
    /// In the task that asks: for simulations, whose order of events must not depend on threads.
    Inline,
}

/// Sees every batch of entries after it is durable and before its authors are told.
pub trait Observer: Send + Sync + 'static {
    /// Entries in the order of their positions. Must not block.
    fn committed(&self, entries: &[Fresh]);
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

/// The store, shared.
#[derive(Clone)]
pub struct Storage {
    _inner: Arc<()>,
}

impl Storage {
    /// Starts the writer's task on the current runtime; `observer` sees every batch.
    ///
    /// # Errors
    /// When the readers cannot be opened.
    pub fn start(store: Box<dyn Store>, blocking: Blocking, observer: Arc<dyn Observer>) -> Result<Self, StoreError> {
        let _ = (store, blocking, observer);
        Err(StoreError::Closed)
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
        let _ = job;
        Err(StoreError::Closed.into())
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

    /// Asks a question on one of the readers. It sees every batch whose jobs were answered.
    ///
    /// # Errors
    /// See [`StoreError`].
    pub async fn read<T: Send + 'static>(
        &self,
        question: impl FnOnce(&dyn Reads) -> Result<T, StoreError> + Send + 'static,
    ) -> Result<T, StoreError> {
        let _ = question;
        Err(StoreError::Closed)
    }

    /// Finishes the jobs in the queue, then closes the store. Later jobs are refused.
    pub async fn close(&self) {}
}
