//! Copies of a store: one moment of it while a server goes on writing, and a new life made from one.
//!
//! Nothing here takes the folder's lock for a copy: SQLite's own locks keep a reader's view whole beside a writer.
//! Invariant: a copy is a store of its own, whole and checked, before anybody is told that it is there.

use std::fs::{self, File};
use std::path::Path;

use rusqlite::{Connection, OpenFlags};

use super::fault::store_error;
use super::folder::{Folder, io_error};
use super::{check_pages, schema};
use crate::store::StoreError;

/// Copies the store in `folder` as it is at one moment to the new file `to`, and makes the copy durable. A server may
/// use the store meanwhile. Blocks.
///
/// # Errors
/// When there is no store, it is not ours, or the disk refuses.
pub fn snapshot(folder: &Path, to: &Path) -> Result<(), StoreError> {
    let from = folder.join("quipu.db");
    let conn = open(&from)?;
    schema::check(&conn)?;
    conn.execute("VACUUM INTO ?1", [to.to_string_lossy()]).map_err(store_error)?;
    let copy = open(to)?;
    check_pages(&copy)?;
    copy.close().map_err(|(_, error)| store_error(error))?;
    sync(to)
}

/// Makes the store of a new server in `folder` from the copy `from`. Its logs begin another life: whoever has read further
/// than the copy knows is told so instead of being believed. Blocks.
///
/// # Errors
/// [`StoreError::Failed`] when `folder` has a store, otherwise what is wrong with the copy or the disk.
pub fn revive(from: &Path, folder: &Path, incarnation: u64) -> Result<(), StoreError> {
    let folder = Folder::open(folder)?;
    if !folder.is_empty()? {
        return Err(StoreError::Failed("the data folder has a store already".into()));
    }
    folder.adopt(from, |conn| {
        schema::check(conn)?;
        check_pages(conn)?;
        conn.execute("UPDATE rooms SET incarnation = ?1", [incarnation.cast_signed()])
            .map(drop)
            .map_err(store_error)
    })
}

fn open(path: &Path) -> Result<Connection, StoreError> {
    let flags = OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    let conn = Connection::open_with_flags(path, flags).map_err(store_error)?;
    conn.busy_timeout(super::home::BUSY_TIMEOUT).map_err(store_error)?;
    conn.execute_batch("PRAGMA trusted_schema = 0; PRAGMA cell_size_check = 1;").map_err(store_error)?;
    Ok(conn)
}

fn sync(path: &Path) -> Result<(), StoreError> {
    let synced = fs::OpenOptions::new().write(true).open(path).and_then(|file: File| file.sync_all());
    synced.map_err(|error| io_error(path, &error))
}
