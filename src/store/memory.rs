//! The store in memory: for tests, benches, and servers that forget. It is the store on disk without the disk.

use std::sync::{Mutex, PoisonError};

use super::sqlite::SqliteStore;
use super::{CommitError, Effect, Reads, Store, StoreError, Writes};

/// A store that lives as long as its process. Clones share their contents, so that a simulation can stop a server
/// and start another one on the same data.
pub struct MemoryStore {
    /// Locked only to make it shareable: whoever commits has it alone.
    store: Mutex<SqliteStore>,
}

impl MemoryStore {
    /// An empty store.
    pub fn new() -> Self {
        Self::of(SqliteStore::in_memory())
    }

    fn of(store: Result<SqliteStore, StoreError>) -> Self {
        Self { store: Mutex::new(store.expect("memory takes a store as long as there is memory")) }
    }
}

impl Default for MemoryStore {
    fn default() -> Self {
        Self::new()
    }
}

impl Clone for MemoryStore {
    fn clone(&self) -> Self {
        Self::of(self.store.lock().unwrap_or_else(PoisonError::into_inner).again())
    }
}

impl Store for MemoryStore {
    fn reader(&self) -> Result<Box<dyn Reads>, StoreError> {
        self.store.lock().unwrap_or_else(PoisonError::into_inner).reader()
    }

    fn commit(&mut self, work: &mut dyn FnMut(&mut dyn Writes)) -> Result<Vec<Effect>, CommitError> {
        self.store.get_mut().unwrap_or_else(PoisonError::into_inner).commit(work)
    }
}
