//! Lanes: jobs that must not overtake each other, even when the store fails in between.
//!
//! Jobs run in the order of their places, but a batch may fail and the next succeed. Whoever sends the failed
//! ones again would find the later ones before them. A lane closes with its first failure: everything behind it is
//! refused until the sender opens a new one and starts again from what failed.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

/// A sequence of jobs that fails as a whole from its first failure onwards.
#[derive(Debug, Clone, Default)]
pub struct Lane(Arc<AtomicBool>);

impl Lane {
    /// Whether an earlier job of the lane met a failure of the store. Only the writer's task asks.
    pub(super) fn is_closed(&self) -> bool {
        self.0.load(Ordering::Relaxed)
    }

    pub(super) fn close(&self) {
        self.0.store(true, Ordering::Relaxed);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::store::memory::MemoryStore;
    use crate::store::{
        Blocking, CommitError, Effect, Observer, Reads, Storage, Store, StoreError, WriteError, Writes,
    };

    /// Fails its first commit.
    struct Flaky(MemoryStore, bool);

    impl Store for Flaky {
        fn reader(&self) -> Result<Box<dyn Reads>, StoreError> {
            self.0.reader()
        }

        fn commit(&mut self, work: &mut dyn FnMut(&mut dyn Writes)) -> Result<Vec<Effect>, CommitError> {
            if std::mem::replace(&mut self.1, false) {
                return Err(CommitError::Undone(StoreError::Full));
            }
            self.0.commit(work)
        }
    }

    struct Nobody;

    impl Observer for Nobody {
        fn committed(&self, _: &[Effect]) {}
    }

    #[tokio::test]
    async fn nothing_overtakes_what_failed() {
        let store = Box::new(Flaky(MemoryStore::new(), true));
        let storage = Storage::start(store, Blocking::Inline, Arc::new(Nobody)).unwrap();
        let (one, other) = (Lane::default(), Lane::default());
        let first = storage.enqueue_in(&one, |_| Ok(1)).await.unwrap().await;
        assert!(matches!(first, Err(WriteError::Store(StoreError::Full))));
        // The store is well again, but the lane is not.
        let second = storage.enqueue_in(&one, |_| Ok(2)).await.unwrap().await;
        assert!(matches!(second, Err(WriteError::Store(_))));
        assert!(matches!(storage.enqueue_in(&other, |_| Ok(3)).await.unwrap().await, Ok(3)));
    }

    #[tokio::test]
    async fn a_job_that_says_no_does_not_close_its_lane() {
        let store = Box::new(Flaky(MemoryStore::new(), false));
        let storage = Storage::start(store, Blocking::Inline, Arc::new(Nobody)).unwrap();
        let lane = Lane::default();
        let no = |_: &mut dyn Writes| {
            Err::<(), _>(quipu_protocol::Refusal::from(quipu_protocol::Code::FORBIDDEN).into())
        };
        assert!(storage.enqueue_in(&lane, no).await.unwrap().await.is_err());
        assert!(storage.enqueue_in(&lane, |_| Ok(())).await.unwrap().await.is_ok());
    }
}
