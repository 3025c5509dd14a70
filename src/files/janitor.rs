//! The janitor: ends what nobody refers to in time, and takes from the disk what the store has let go.
//!
//! ```text
//!   entry erased ─commit─▶ Watch ─▶ tidy() ──┐
//!   now and then ───────────────────────────┴▶ end what is over ─▶ names in `rubbish` ─▶ unlink ─▶ forget the names
//! ```
//!
//! Invariant: a name is unlinked only after its row is gone for good, and forgotten only after it is unlinked; a crash in
//! between repeats the unlink, which does no harm.

use std::sync::Arc;

use tokio_util::sync::CancellationToken;
use tracing::{debug, warn};

use super::Depot;
use crate::limits::{FILES_TIDIED_MAX, TIDY_INTERVAL, UPLOAD_LIFE};
use crate::seams::Seams;
use crate::store::{Effect, Observer, Storage, WriteError};

/// Tidies a depot.
pub struct Janitor {
    depot: Depot,
    storage: Storage,
    seams: Seams,
}

impl Janitor {
    /// For this place and the store that knows what is in it.
    pub fn new(depot: Depot, storage: Storage, seams: Seams) -> Self {
        Self { depot, storage, seams }
    }

    /// Works until `stopping`.
    pub async fn run(self, stopping: CancellationToken) {
        loop {
            if let Err(error) = self.tidy().await {
                warn!(%error, "files nobody needs could not be removed");
            }
            tokio::select! {
                biased;
                () = stopping.cancelled() => return,
                () = self.depot.untidy() => {}
                () = tokio::time::sleep(TIDY_INTERVAL) => {}
            }
        }
    }

    async fn tidy(&self) -> Result<(), WriteError> {
        let now_ms = self.seams.clock.now_ms();
        let seen_ms = now_ms.saturating_sub(UPLOAD_LIFE.as_millis() as u64);
        while self.storage.write(move |store| Ok(store.end_files(now_ms, seen_ms, FILES_TIDIED_MAX)?)).await?
            > 0
        {}
        loop {
            let names = self.storage.read(|store| store.file_rubbish(FILES_TIDIED_MAX)).await?;
            let gone = self.depot.remove(names).await;
            if gone.is_empty() {
                return Ok(());
            }
            debug!(files = gone.len(), "removed content that nobody needs");
            self.storage.write(move |store| Ok(store.forget_rubbish(&gone)?)).await?;
        }
    }
}

/// Tells the janitor when a batch changed what was there before; everything it tells the next observer.
pub struct Watch {
    next: Arc<dyn Observer>,
    depot: Depot,
}

impl Watch {
    /// Before `next`.
    pub fn new(next: Arc<dyn Observer>, depot: Depot) -> Self {
        Self { next, depot }
    }
}

impl Observer for Watch {
    fn committed(&self, effects: &[Effect]) {
        self.next.committed(effects);
        if effects.iter().any(|effect| effect.appended().is_none()) {
            self.depot.tidy();
        }
    }
}
