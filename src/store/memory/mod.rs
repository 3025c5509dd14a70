//! The store in memory: for tests, benches, and servers that forget.
//!
//! ```text
//!   batch ──holds the state for itself──▶ tables, journal of how to undo ──▶ released: readers see all of it
//! ```
//!
//! Invariant: readers wait while a batch runs, so they never see part of one.

mod reads;
mod state;
mod writes;

use std::sync::{Arc, PoisonError, RwLock};

use self::state::{Journal, State};
use super::{CommitError, Fresh, Reads, Store, StoreError, Writes};

/// A store that lives as long as its process. Clones share their contents, so that a simulation can stop a server
/// and start another one on the same data.
#[derive(Clone, Default)]
pub struct MemoryStore {
    state: Arc<RwLock<State>>,
}

impl MemoryStore {
    /// An empty store.
    pub fn new() -> Self {
        Self::default()
    }
}

impl Store for MemoryStore {
    fn reader(&self) -> Result<Box<dyn Reads>, StoreError> {
        Ok(Box::new(View(Shared(Arc::clone(&self.state)))))
    }

    fn commit(&mut self, work: &mut dyn FnMut(&mut dyn Writes)) -> Result<Vec<Fresh>, CommitError> {
        // A panic poisons the lock, and the journal has undone its job by then.
        let mut state = self.state.write().unwrap_or_else(PoisonError::into_inner);
        let mut batch = View(Batch { journal: Journal::new(&mut state), fresh: Vec::new(), job_begins: 0 });
        work(&mut batch);
        Ok(batch.0.fresh)
    }
}

/// Questions, asked of a state that is reached in either of two ways.
struct View<A>(A);

trait Access: Send {
    fn with<T>(&self, ask: impl FnOnce(&State) -> T) -> T;
}

struct Shared(Arc<RwLock<State>>);

impl Access for Shared {
    fn with<T>(&self, ask: impl FnOnce(&State) -> T) -> T {
        ask(&self.0.read().unwrap_or_else(PoisonError::into_inner))
    }
}

/// The writer's way: the state is its own while the batch runs.
struct Batch<'a> {
    journal: Journal<'a>,
    fresh: Vec<Fresh>,
    job_begins: usize,
}

impl Access for Batch<'_> {
    fn with<T>(&self, ask: impl FnOnce(&State) -> T) -> T {
        ask(self.journal.state())
    }
}
