//! Load: whether the server has so much to do that what may wait shall wait.
//!
//! It is measured where everything that is durable passes: in jobs that wait for the store's writer. Presence,
//! receipts, typing and "last seen" are held back while it is high; heads, memberships and messages never are.

use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};

use crate::limits::LOADED_JOBS;
use crate::store::Storage;

/// How much the server has to do.
pub struct Load {
    storage: Storage,
    /// So many waiting jobs are much.
    jobs_max: AtomicUsize,
    held_back: AtomicU64,
}

impl Load {
    pub(super) fn new(storage: Storage) -> Self {
        Self { storage, jobs_max: AtomicUsize::new(LOADED_JOBS), held_back: AtomicU64::new(0) }
    }

    /// Whether what may wait is held back now.
    pub fn is_high(&self) -> bool {
        self.storage.queued() >= self.jobs_max.load(Ordering::Relaxed)
    }

    /// From how many waiting jobs on it is high; with 0 it always is.
    pub fn set_jobs_max(&self, jobs: usize) {
        self.jobs_max.store(jobs, Ordering::Relaxed);
    }

    /// How often something was held back so far.
    pub fn held_back(&self) -> u64 {
        self.held_back.load(Ordering::Relaxed)
    }

    /// Notes that something was held back.
    pub(crate) fn hold_back(&self) {
        self.held_back.fetch_add(1, Ordering::Relaxed);
    }
}
