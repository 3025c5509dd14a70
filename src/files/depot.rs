//! The place of the files, and where its blocking calls run.

use std::collections::HashSet;
use std::io;
use std::path::Path;
use std::sync::Arc;

use tokio::sync::Notify;

use super::FileError;
use super::folder::Folder;
use super::incoming::Incoming;
use super::outgoing::Outgoing;
use crate::seams::Entropy;
use crate::store::{Blocking, FileHash};

/// The place of the files. Clones are the same place.
#[derive(Clone)]
pub struct Depot {
    folder: Option<Arc<Folder>>,
    blocking: Blocking,
    /// The store has something for the janitor.
    rubbish: Arc<Notify>,
}

impl Depot {
    /// Opens the folder, and makes it if it is not there: for its owner alone. Blocks.
    ///
    /// # Errors
    /// What the system says.
    pub fn open(path: &Path, blocking: Blocking) -> io::Result<Self> {
        let folder = Some(Arc::new(Folder::open(path)?));
        Ok(Self { folder, blocking, rubbish: Arc::default() })
    }

    /// A server without a place for files: all of them are refused.
    pub fn closed() -> Self {
        Self { folder: None, blocking: Blocking::Inline, rubbish: Arc::default() }
    }

    /// Whether files are taken here at all.
    pub fn is_open(&self) -> bool {
        self.folder.is_some()
    }

    /// A name that nothing here has or ever had.
    pub fn new_name(hash: &FileHash, entropy: &dyn Entropy) -> String {
        let mut drawn = [0; 16];
        entropy.fill(&mut drawn);
        let hex = |bytes: &[u8]| bytes.iter().map(|byte| format!("{byte:02x}")).collect::<String>();
        format!("{}-{}", hex(hash), hex(&drawn))
    }

    /// Goes on with an upload that shall have `size` bytes. Whoever wrote it before does so no longer.
    ///
    /// # Errors
    /// See [`FileError`].
    pub async fn resume(&self, name: &str, size: u64) -> Result<Incoming, FileError> {
        let (folder, name, blocking) = (self.folder()?, name.to_owned(), self.blocking);
        on_disk(blocking, move || Incoming::open(folder, name, size, blocking)).await
    }

    /// Opens `length` bytes of whole content from `offset` on.
    ///
    /// # Errors
    /// See [`FileError`].
    pub async fn read(&self, name: &str, offset: u64, length: u64) -> Result<Outgoing, FileError> {
        let (path, blocking) = (self.folder()?.whole(name), self.blocking);
        on_disk(blocking, move || Outgoing::open(&path, offset, length, blocking)).await
    }

    /// Unlinks what has these names, whole or not; gives those that are gone.
    pub(super) async fn remove(&self, names: Vec<String>) -> Vec<String> {
        let Ok(folder) = self.folder() else { return names };
        let gone = move || Ok(names.into_iter().filter(|name| folder.remove(name)).collect());
        on_disk(self.blocking, gone).await.unwrap_or_default()
    }

    /// Unlinks whatever is not `needed`; gives how much that was. For the start, before anything is served: a crash may
    /// leave bytes that the store knows nothing of. Blocks.
    ///
    /// # Errors
    /// What the system says.
    pub fn collect(&self, needed: &HashSet<String>) -> io::Result<usize> {
        self.folder.as_ref().map_or(Ok(0), |folder| folder.collect(needed))
    }

    /// Says that the store has something for the janitor.
    pub fn tidy(&self) {
        self.rubbish.notify_one();
    }

    /// Waits until somebody says so.
    pub(super) async fn untidy(&self) {
        self.rubbish.notified().await;
    }

    fn folder(&self) -> Result<Arc<Folder>, FileError> {
        self.folder.clone().ok_or(FileError::Closed)
    }
}

/// Runs blocking work where it hurts nobody. It runs to its end even when nobody waits for it any longer.
pub(super) async fn on_disk<T, F>(blocking: Blocking, work: F) -> Result<T, FileError>
where
    T: Send + 'static,
    F: FnOnce() -> Result<T, FileError> + Send + 'static,
{
    match blocking {
        Blocking::Inline | Blocking::Slow(_) => work(),
        Blocking::Pool => match tokio::task::spawn_blocking(work).await {
            Ok(done) => done,
            Err(error) => Err(io::Error::other(error).into()),
        },
    }
}
