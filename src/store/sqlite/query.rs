//! Statements and what they find.

use quipu_protocol::{RoomId, Seq};
use rusqlite::{Connection, OptionalExtension, Params, Row, params};

use super::fault::store_error;
use super::rows::{number, position, stored_entry};
use crate::store::{StoreError, StoredEntry};

/// The row a statement finds, if any.
pub(super) fn one<T>(
    conn: &Connection,
    sql: &str,
    params: impl Params,
    read: impl FnOnce(&Row<'_>) -> rusqlite::Result<T>,
) -> Result<Option<T>, StoreError> {
    let mut statement = conn.prepare_cached(sql).map_err(store_error)?;
    statement.query_row(params, read).optional().map_err(store_error)
}

/// The number a statement counts.
pub(super) fn count(conn: &Connection, sql: &str, params: impl Params) -> Result<u64, StoreError> {
    Ok(one(conn, sql, params, |row| number(row, 0))?.unwrap_or(0))
}

/// The rows a statement finds.
pub(super) fn many<T>(
    conn: &Connection,
    sql: &str,
    params: impl Params,
    read: impl FnMut(&Row<'_>) -> rusqlite::Result<T>,
) -> Result<Vec<T>, StoreError> {
    let mut statement = conn.prepare_cached(sql).map_err(store_error)?;
    let rows = statement.query_map(params, read).map_err(store_error)?;
    rows.collect::<rusqlite::Result<_>>().map_err(store_error)
}

pub(super) fn page(
    conn: &Connection,
    sql: &str,
    room: RoomId,
    from: Seq,
    limit: usize,
    bytes_max: usize,
) -> Result<Vec<StoredEntry>, StoreError> {
    framed(conn, sql, room, params![room.as_bytes(), position(from), rows_max(limit)], bytes_max)
}

/// Entries a statement finds, no more than `bytes_max` bytes of them but at least one.
pub(super) fn framed(
    conn: &Connection,
    sql: &str,
    room: RoomId,
    params: impl Params,
    bytes_max: usize,
) -> Result<Vec<StoredEntry>, StoreError> {
    let mut statement = conn.prepare_cached(sql).map_err(store_error)?;
    let rows = statement.query_map(params, |row| stored_entry(row, room)).map_err(store_error)?;
    let (mut entries, mut bytes) = (Vec::new(), 0);
    for entry in rows {
        let entry = entry.map_err(store_error)?;
        bytes += entry.frame.len();
        if bytes > bytes_max && !entries.is_empty() {
            break;
        }
        entries.push(entry);
    }
    Ok(entries)
}

/// The key a page begins behind: no bytes sort before every id.
pub(super) fn behind(after: Option<&[u8; 16]>) -> &[u8] {
    after.map_or(&[], <[u8; 16]>::as_slice)
}

pub(super) fn rows_max(limit: usize) -> i64 {
    i64::try_from(limit).unwrap_or(i64::MAX)
}
