//! The tables, and how a file of an earlier version becomes one of this.
//!
//! Invariant: a migration that was released never changes; a new version adds one. The version is in the file's
//! header and changes in the same transaction.

mod one;
mod two;

use rusqlite::{Connection, TransactionBehavior};
use tracing::{info, warn};

use super::fault::store_error;
use crate::store::StoreError;

/// Marks a SQLite file as ours: "QUIP".
const APPLICATION_ID: u32 = 0x5155_4950;

/// Each step from one version to the next, in parts; the first from nothing.
const MIGRATIONS: &[&[&str]] = &[&[one::TABLES], two::PARTS];

/// Fills an empty file.
pub(super) fn create(conn: &mut Connection) -> Result<(), StoreError> {
    conn.pragma_update(None, "auto_vacuum", "INCREMENTAL").map_err(store_error)?;
    conn.pragma_update(None, "application_id", APPLICATION_ID).map_err(store_error)?;
    migrate(conn)
}

/// Fills an empty file as the first version did.
#[cfg(test)]
pub(super) fn create_first(conn: &Connection) {
    conn.execute_batch(one::TABLES).unwrap();
    conn.pragma_update(None, "application_id", APPLICATION_ID).unwrap();
    conn.pragma_update(None, "user_version", 1).unwrap();
}

/// Rewrites a file that was made before files could shrink, once. It takes as long as copying the file, and as much
/// space again for the time being; without that space the file stays as it is, and the next start tries again.
pub(super) fn make_shrinkable(conn: &Connection) -> Result<(), StoreError> {
    if header(conn, "auto_vacuum")? != 0 {
        return Ok(());
    }
    info!("the store is rewritten once, so that its file can shrink from now on");
    // The copy is as large as the file, and not for memory.
    let rewritten = conn
        .execute_batch("PRAGMA temp_store = FILE; PRAGMA auto_vacuum = INCREMENTAL; VACUUM;")
        .map_err(store_error);
    conn.execute_batch("PRAGMA temp_store = MEMORY;").map_err(store_error)?;
    match rewritten {
        Err(StoreError::Full) => {
            warn!("there is no space to rewrite the store: its file will not shrink");
            Ok(())
        }
        rewritten => rewritten,
    }
}

/// Refuses files that are not ours or come from the future. Changes nothing.
pub(super) fn check(conn: &Connection) -> Result<(), StoreError> {
    let id = header(conn, "application_id")?;
    if id != APPLICATION_ID {
        return Err(StoreError::Damaged(format!(
            "quipu.db is not a store of quipu, its application id is {id:#x}"
        )));
    }
    let found = header(conn, "user_version")?;
    let known = MIGRATIONS.len() as u32;
    if found > known {
        return Err(StoreError::Newer { found, known });
    }
    Ok(())
}

/// Brings the file to this version, or leaves it as it was.
pub(super) fn migrate(conn: &mut Connection) -> Result<(), StoreError> {
    let from = header(conn, "user_version")?;
    if from as usize >= MIGRATIONS.len() {
        return Ok(());
    }
    let transaction = conn.transaction_with_behavior(TransactionBehavior::Immediate).map_err(store_error)?;
    for step in MIGRATIONS.iter().skip(from as usize).copied().flatten() {
        transaction.execute_batch(step).map_err(store_error)?;
    }
    transaction.pragma_update(None, "user_version", MIGRATIONS.len() as u32).map_err(store_error)?;
    transaction.commit().map_err(store_error)
}

fn header(conn: &Connection, field: &str) -> Result<u32, StoreError> {
    conn.pragma_query_value(None, field, |row| row.get::<_, i32>(0))
        .map(|value| value as u32)
        .map_err(store_error)
}
