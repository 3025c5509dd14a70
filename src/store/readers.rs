//! The readers: a few views of the store that answer questions beside the writer.
//!
//! Invariant: a permit is held by whoever holds a reader, so a permit in hand means that a reader is free.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::{Arc, Mutex, PoisonError};

use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use super::{Blocking, Reads, Store, StoreError};

/// Questions answered at the same time. Each reader holds a page cache and three file handles; more would only
/// wait for the same disk.
pub(super) const READERS_MAX: u32 = 4;

pub(super) struct Readers {
    free: Mutex<Vec<Box<dyn Reads>>>,
    permits: Arc<Semaphore>,
    blocking: Blocking,
}

impl Readers {
    pub(super) fn open(store: &dyn Store, blocking: Blocking) -> Result<Self, StoreError> {
        let free = (0..READERS_MAX).map(|_| store.reader()).collect::<Result<_, _>>()?;
        let permits = Arc::new(Semaphore::new(READERS_MAX as usize));
        Ok(Self { free: Mutex::new(free), permits, blocking })
    }

    /// Waits for a free reader and asks it. Cancelled, the question may still run, and its reader comes back.
    pub(super) async fn ask<T: Send + 'static>(
        self: &Arc<Self>,
        question: impl FnOnce(&dyn Reads) -> Result<T, StoreError> + Send + 'static,
    ) -> Result<T, StoreError> {
        let lent = self.lend().await?;
        let answer = move || {
            catch_unwind(AssertUnwindSafe(|| question(lent.reader()?)))
                .unwrap_or_else(|_| Err(StoreError::Failed("a question panicked".into())))
        };
        match self.blocking {
            Blocking::Inline | Blocking::Slow(_) => answer(),
            Blocking::Pool => tokio::task::spawn_blocking(answer).await.unwrap_or(Err(StoreError::Closed)),
        }
    }

    /// Waits for the questions under way, then drops the readers.
    pub(super) async fn close(&self) {
        // An error means that another call has closed them.
        if let Ok(all) = self.permits.acquire_many(READERS_MAX).await {
            self.permits.close();
            self.lock().clear();
            drop(all);
        }
    }

    async fn lend(self: &Arc<Self>) -> Result<Lent, StoreError> {
        let permit = Arc::clone(&self.permits).acquire_owned().await.map_err(|_| StoreError::Closed)?;
        let reader = self.lock().pop();
        Ok(Lent { reader, readers: Arc::clone(self), _permit: permit })
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, Vec<Box<dyn Reads>>> {
        // Nothing can panic while it is held.
        self.free.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A reader that goes back when this is dropped, before its permit does.
struct Lent {
    reader: Option<Box<dyn Reads>>,
    readers: Arc<Readers>,
    _permit: OwnedSemaphorePermit,
}

impl Lent {
    fn reader(&self) -> Result<&dyn Reads, StoreError> {
        self.reader.as_deref().ok_or(StoreError::Closed)
    }
}

impl Drop for Lent {
    fn drop(&mut self) {
        self.readers.lock().extend(self.reader.take());
    }
}
