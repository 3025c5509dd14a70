//! The data folder: who may use it, and how the store's file comes to be there.
//!
//! ```text
//!   quipu.lock   held by the process that uses the folder
//!   quipu.db     the store, beside it SQLite's quipu.db-wal and quipu.db-shm
//!   quipu.db.new a store that is not finished: the next start throws it away
//! ```
//!
//! Invariant: `quipu.db` appears whole or not at all, whenever the process or the power stops.

use std::fs::{self, DirBuilder, File, OpenOptions, TryLockError};
use std::io;
use std::path::{Path, PathBuf};

use rusqlite::Connection;

use super::fault::store_error;
use crate::store::StoreError;

/// Size of SQLite's pages, the unit of most disks and of the kernel's cache.
const PAGE_BYTES: u32 = 4_096;

/// A data folder that is ours while this lives.
pub(super) struct Folder {
    path: PathBuf,
    _lock: File,
}

impl Folder {
    /// Makes the folder if it is not there, readable for its owner alone, and locks it.
    pub(super) fn open(path: &Path) -> Result<Self, StoreError> {
        if !path.is_dir() {
            make_private_folder(path).map_err(|error| io_error(path, &error))?;
        }
        let lock_path = path.join("quipu.lock");
        let lock = private_file(&lock_path).map_err(|error| io_error(&lock_path, &error))?;
        match lock.try_lock() {
            Ok(()) => Ok(Self { path: path.to_owned(), _lock: lock }),
            Err(TryLockError::WouldBlock) => Err(StoreError::Locked(path.display().to_string())),
            Err(TryLockError::Error(error)) => Err(io_error(&lock_path, &error)),
        }
    }

    pub(super) fn store_path(&self) -> PathBuf {
        self.path.join("quipu.db")
    }

    pub(super) fn store_bytes(&self) -> Result<u64, StoreError> {
        let path = self.store_path();
        fs::metadata(&path).map(|file| file.len()).map_err(|error| io_error(&path, &error))
    }

    /// Whether no store is here yet.
    pub(super) fn is_empty(&self) -> Result<bool, StoreError> {
        let exists = |path: PathBuf| path.try_exists().map_err(|error| io_error(&path, &error));
        if exists(self.store_path())? {
            return Ok(false);
        }
        // A new file beside an old log would become a mixture of both.
        if exists(self.path.join("quipu.db-wal"))? {
            return Err(StoreError::Damaged("quipu.db-wal is here, quipu.db is missing".into()));
        }
        Ok(true)
    }

    /// Refuses a file that ends in the middle of a page: SQLite would read the rest as zeros. With a log beside it
    /// the file may have been cut short by a crash, and the log has the page.
    pub(super) fn check_length(&self) -> Result<(), StoreError> {
        let bytes = self.store_bytes()?;
        let has_log = fs::metadata(self.path.join("quipu.db-wal")).is_ok_and(|log| log.len() > 0);
        if bytes.is_multiple_of(u64::from(PAGE_BYTES)) || has_log {
            return Ok(());
        }
        Err(StoreError::Damaged(format!("quipu.db has {bytes} bytes, which are not whole pages")))
    }

    /// Makes the store's file: beside its place, on the disk, and only then at its place.
    pub(super) fn create(
        &self,
        fill: impl FnOnce(&mut Connection) -> Result<(), StoreError>,
    ) -> Result<(), StoreError> {
        self.finish(&self.begin()?, |conn| {
            conn.pragma_update(None, "page_size", PAGE_BYTES).map_err(store_error)?;
            fill(conn)
        })
    }

    /// Makes the store's file from a copy of another one, in the same way.
    pub(super) fn adopt(
        &self,
        copy: &Path,
        change: impl FnOnce(&mut Connection) -> Result<(), StoreError>,
    ) -> Result<(), StoreError> {
        let new = self.begin()?;
        let mut from = File::open(copy).map_err(|error| io_error(copy, &error))?;
        io::copy(&mut from, &mut &new).map_err(|error| io_error(&self.new_path(), &error))?;
        self.finish(&new, change)
    }

    fn new_path(&self) -> PathBuf {
        self.path.join("quipu.db.new")
    }

    /// An empty file beside the store's place.
    fn begin(&self) -> Result<File, StoreError> {
        let new = self.new_path();
        let failed = |error: io::Error| io_error(&new, &error);
        if new.try_exists().map_err(failed)? {
            fs::remove_file(&new).map_err(failed)?;
        }
        private_file(&new).map_err(failed)
    }

    /// Lets `fill` work on the new file, and puts it at the store's place.
    fn finish(
        &self,
        file: &File,
        fill: impl FnOnce(&mut Connection) -> Result<(), StoreError>,
    ) -> Result<(), StoreError> {
        let new = self.new_path();
        let failed = |error: io::Error| io_error(&new, &error);
        let mut conn = Connection::open(&new).map_err(store_error)?;
        // No journal on disk: a file that is not finished is thrown away, not repaired.
        conn.query_row("PRAGMA journal_mode = MEMORY", [], |_| Ok(())).map_err(store_error)?;
        fill(&mut conn)?;
        conn.close().map_err(|(_, error)| store_error(error))?;
        file.sync_all().map_err(failed)?;
        fs::rename(&new, self.store_path()).map_err(failed)?;
        self.sync().map_err(failed)
    }

    #[cfg(unix)]
    fn sync(&self) -> io::Result<()> {
        File::open(&self.path)?.sync_all()
    }

    #[cfg(not(unix))]
    fn sync(&self) -> io::Result<()> {
        Ok(())
    }
}

/// Opens a file that only its owner may use. SQLite gives its own files the mode of the store's.
fn private_file(path: &Path) -> io::Result<File> {
    let mut options = OpenOptions::new();
    options.read(true).write(true).create(true).truncate(false);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    let file = options.open(path)?;
    // Whatever the process's mask says, and also when the file was there.
    set_mode(path, 0o600)?;
    Ok(file)
}

fn make_private_folder(path: &Path) -> io::Result<()> {
    let mut builder = DirBuilder::new();
    builder.recursive(true);
    #[cfg(unix)]
    std::os::unix::fs::DirBuilderExt::mode(&mut builder, 0o700);
    builder.create(path)?;
    set_mode(path, 0o700)
}

#[cfg(unix)]
fn set_mode(path: &Path, mode: u32) -> io::Result<()> {
    use std::os::unix::fs::PermissionsExt;
    fs::set_permissions(path, fs::Permissions::from_mode(mode))
}

#[cfg(not(unix))]
fn set_mode(_path: &Path, _mode: u32) -> io::Result<()> {
    Ok(())
}

pub(super) fn io_error(path: &Path, error: &io::Error) -> StoreError {
    match error.kind() {
        io::ErrorKind::StorageFull => StoreError::Full,
        _ => StoreError::Io(format!("{}: {error}", path.display())),
    }
}
