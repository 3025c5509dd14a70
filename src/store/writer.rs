//! The writer: the one task that changes the store.
//!
//! ```text
//!   queue ─▶ batch ─▶ Store::commit( begin_job · job · end_job, … ) ─▶ observer ─▶ answers
//! ```
//!
//! Invariant: no answer before the batch is durable and observed; a job that panics harms only itself.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;

use tokio::sync::{mpsc, oneshot};
use tokio::time::sleep;
use tokio_util::sync::CancellationToken;

use super::storage::{BATCH_JOBS_MAX, Blocking, Observer, WriteError};
use super::{CommitError, Effect, Lane, Store, StoreError, Writes};

/// A job in the queue, whatever its answer's type.
pub(super) trait Work: Send {
    /// Runs the job, once.
    fn run(&mut self, writes: &mut dyn Writes);
    /// Tells the asker how it went, or that the batch failed.
    fn answer(self: Box<Self>, batch: Result<(), &CommitError>);
}

/// The queue's end of a job, and the asker's.
pub(super) fn ticket<T, F>(lane: Lane, job: F) -> (Box<dyn Work>, oneshot::Receiver<Result<T, WriteError>>)
where
    T: Send + 'static,
    F: FnOnce(&mut dyn Writes) -> Result<T, WriteError> + Send + 'static,
{
    let (asker, answer) = oneshot::channel();
    let ticket = Ticket { lane, job: Some(job), outcome: Err(StoreError::Closed.into()), asker };
    (Box::new(ticket), answer)
}

struct Ticket<T, F> {
    lane: Lane,
    job: Option<F>,
    outcome: Result<T, WriteError>,
    asker: oneshot::Sender<Result<T, WriteError>>,
}

impl<T, F> Work for Ticket<T, F>
where
    T: Send,
    F: FnOnce(&mut dyn Writes) -> Result<T, WriteError> + Send,
{
    fn run(&mut self, writes: &mut dyn Writes) {
        let Some(job) = self.job.take() else { return };
        self.outcome = if self.lane.is_closed() {
            Err(StoreError::Failed("an earlier message of the stream was not taken".into()).into())
        } else {
            attempt(job, writes)
        };
        if matches!(self.outcome, Err(WriteError::Store(_) | WriteError::Unknown(_))) {
            self.lane.close();
        }
    }

    fn answer(self: Box<Self>, batch: Result<(), &CommitError>) {
        let outcome = match batch {
            Ok(()) => self.outcome,
            Err(error) => {
                self.lane.close();
                Err(error.clone().into())
            }
        };
        // Whoever no longer waits has dropped the other end.
        drop(self.asker.send(outcome));
    }
}

fn attempt<T>(
    job: impl FnOnce(&mut dyn Writes) -> Result<T, WriteError>,
    writes: &mut dyn Writes,
) -> Result<T, WriteError> {
    writes.begin_job()?;
    // What the panic left half done is undone by `end_job`, so nothing broken can be observed.
    let outcome = catch_unwind(AssertUnwindSafe(|| job(writes)))
        .unwrap_or_else(|_| Err(StoreError::Failed("a job panicked".into()).into()));
    writes.end_job(outcome.is_ok())?;
    outcome
}

/// The owner of the store while it is open.
pub(super) struct Writer {
    store: Box<dyn Store>,
    blocking: Blocking,
    observer: Arc<dyn Observer>,
}

type Batch = Vec<Box<dyn Work>>;

impl Writer {
    pub(super) fn new(store: Box<dyn Store>, blocking: Blocking, observer: Arc<dyn Observer>) -> Self {
        Self { store, blocking, observer }
    }

    /// Works until nobody can send any more, or `stopping` says so and the queue is empty.
    pub(super) async fn run(mut self, mut queue: mpsc::Receiver<Box<dyn Work>>, stopping: CancellationToken) {
        loop {
            let mut batch = Batch::new();
            let taken = tokio::select! {
                biased;
                () = stopping.cancelled(), if !queue.is_closed() => {
                    queue.close();
                    continue;
                }
                taken = queue.recv_many(&mut batch, BATCH_JOBS_MAX) => taken,
            };
            if taken == 0 {
                return;
            }
            let Some(next) = self.turn(batch).await else {
                return;
            };
            self = next;
        }
    }

    /// One batch, from its transaction to its answers. None when the runtime goes down in the middle.
    async fn turn(self, batch: Batch) -> Option<Self> {
        let Self { mut store, blocking, observer } = self;
        let (store, batch, committed) = match blocking {
            Blocking::Inline => {
                let (batch, committed) = commit(&mut *store, batch);
                (store, batch, committed)
            }
            Blocking::Slow(time) => {
                sleep(time / 2).await;
                let (batch, committed) = commit(&mut *store, batch);
                sleep(time / 2).await;
                (store, batch, committed)
            }
            Blocking::Pool => {
                let commit = move || {
                    let (batch, committed) = commit(&mut *store, batch);
                    (store, batch, committed)
                };
                tokio::task::spawn_blocking(commit).await.ok()?
            }
        };
        if let Ok(effects) = &committed
            && !effects.is_empty()
        {
            observer.committed(effects);
        }
        let outcome = committed.map(drop);
        for work in batch {
            work.answer(outcome.as_ref().copied());
        }
        Some(Self { store, blocking, observer })
    }
}

fn commit(store: &mut dyn Store, mut batch: Batch) -> (Batch, Result<Vec<Effect>, CommitError>) {
    let mut work = |writes: &mut dyn Writes| batch.iter_mut().for_each(|work| work.run(writes));
    // Jobs catch their own panics; one in the store itself leaves the outcome open.
    let committed = catch_unwind(AssertUnwindSafe(|| store.commit(&mut work)))
        .unwrap_or_else(|_| Err(CommitError::Unknown(StoreError::Failed("the store panicked".into()))));
    (batch, committed)
}
