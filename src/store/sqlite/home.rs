//! Where a store's file is, and how a connection to it is made.
//!
//! A folder on disk keeps a write-ahead log; memory keeps nothing when its last connection closes, and its readers
//! wait for the writer instead of seeing what was before.

use std::path::PathBuf;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use rusqlite::{Connection, OpenFlags};

use super::fault::store_error;
use super::folder::Folder;
use crate::store::StoreError;

/// Page cache of the writer, in KiB: the inner pages of every index, and what one batch dirties.
const WRITER_CACHE_KIB: i64 = 16 * 1024;
/// The write-ahead log's file is cut to this after a burst, in bytes.
const WAL_BYTES_KEPT: i64 = 64 * 1024 * 1024;
/// How long one connection waits for another: on disk only a checkpoint of ours can be in the way.
pub(super) const BUSY_TIMEOUT: Duration = Duration::from_secs(5);
/// Statements that stay prepared: all there are.
const STATEMENTS_MAX: usize = 128;

/// Where the file is. Clones are the same place.
#[derive(Clone)]
pub(super) enum Home {
    /// In a folder that is ours as long as one of these lives.
    Folder(Arc<Folder>),
    /// In this process's memory.
    Memory(Arc<Memory>),
}

/// A file in memory, kept by a connection that does nothing else.
pub(super) struct Memory {
    path: PathBuf,
    _anchor: Mutex<Connection>,
}

impl Memory {
    /// A file that nobody else has.
    pub(super) fn new() -> Result<Self, StoreError> {
        static NEXT: AtomicU64 = AtomicU64::new(0);
        let number = NEXT.fetch_add(1, Ordering::Relaxed);
        let path = PathBuf::from(format!("file:/quipu-{number}?vfs=memdb"));
        let anchor =
            Mutex::new(open(path.clone(), OpenFlags::SQLITE_OPEN_URI | OpenFlags::SQLITE_OPEN_CREATE)?);
        Ok(Self { path, _anchor: anchor })
    }
}

impl Home {
    /// Whether there is a write-ahead log to take care of.
    pub(super) fn has_log(&self) -> bool {
        matches!(self, Self::Folder(_))
    }

    pub(super) fn connect(&self) -> Result<Connection, StoreError> {
        let (path, flags) = match self {
            Self::Folder(folder) => (folder.store_path(), OpenFlags::empty()),
            Self::Memory(memory) => (memory.path.clone(), OpenFlags::SQLITE_OPEN_URI),
        };
        let conn = open(path, flags)?;
        conn.set_prepared_statement_cache_capacity(STATEMENTS_MAX);
        conn.busy_timeout(BUSY_TIMEOUT).map_err(store_error)?;
        // No schema of a stranger runs code, pages are checked as they are read, and a failing disk is an error
        // rather than a signal.
        conn.execute_batch("PRAGMA trusted_schema = 0; PRAGMA cell_size_check = 1; PRAGMA mmap_size = 0;")
            .map_err(store_error)?;
        Ok(conn)
    }

    /// The one connection that writes.
    pub(super) fn connect_writer(&self) -> Result<Connection, StoreError> {
        let conn = self.connect()?;
        let wanted = if self.has_log() { "wal" } else { "memory" };
        let mode: String = conn
            .query_row(&format!("PRAGMA journal_mode = {wanted}"), [], |row| row.get(0))
            .map_err(store_error)?;
        if mode != wanted {
            return Err(StoreError::Io(format!("the data folder takes no write-ahead log, only {mode}")));
        }
        let settings = format!(
            "PRAGMA synchronous = FULL; PRAGMA wal_autocheckpoint = 0; PRAGMA secure_delete = ON; PRAGMA temp_store = MEMORY;
             PRAGMA cache_size = -{WRITER_CACHE_KIB}; PRAGMA journal_size_limit = {WAL_BYTES_KEPT};"
        );
        conn.execute_batch(&settings).map_err(store_error)?;
        Ok(conn)
    }
}

fn open(path: PathBuf, flags: OpenFlags) -> Result<Connection, StoreError> {
    let flags = flags | OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    Connection::open_with_flags(path, flags).map_err(store_error)
}
