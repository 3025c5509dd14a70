//! Settings of accounts, and what they allow to be kept.
//!
//! Invariant: nothing is kept of an account that its settings do not allow: switching off deletes.

use quipu_protocol::{RoomId, Seq, UserId};
use rusqlite::{Connection, params};

use super::reads::{many, one, rows_max};
use super::rows::{kept, number, position};
use super::writes::Batch;
use crate::store::{AccountSettings, StoreError};

pub(super) fn account_settings(conn: &Connection, user: UserId) -> Result<AccountSettings, StoreError> {
    let sql = "SELECT receipts, last_seen, seen_ms FROM account_settings WHERE user = ?1";
    let row = one(conn, sql, [user.as_bytes()], |row| {
        let seen_ms = row.get::<_, Option<i64>>(2)?.map(i64::cast_unsigned);
        Ok(AccountSettings { receipts: row.get(0)?, last_seen: row.get(1)?, seen_ms })
    })?;
    Ok(row.unwrap_or_default())
}

pub(super) fn receipts(
    conn: &Connection,
    room: RoomId,
    limit: usize,
) -> Result<Vec<(UserId, Seq)>, StoreError> {
    let sql = "SELECT user, seq FROM receipts WHERE room = ?1 ORDER BY user LIMIT ?2";
    many(conn, sql, params![room.as_bytes(), rows_max(limit)], |row| {
        Ok((UserId::from_bytes(row.get(0)?), Seq(number(row, 1)?)))
    })
}

impl Batch<'_> {
    pub(super) fn put_account_settings(
        &self,
        user: UserId,
        row: &AccountSettings,
    ) -> Result<Vec<RoomId>, StoreError> {
        let seen_ms = row.seen_ms.filter(|_| row.last_seen);
        self.execute(
            "INSERT OR REPLACE INTO account_settings (user, receipts, last_seen, seen_ms) VALUES (?1, ?2, ?3, ?4)",
            params![user.as_bytes(), row.receipts, row.last_seen, seen_ms.map(kept)],
        )?;
        if row.receipts {
            return Ok(Vec::new());
        }
        let sql = "SELECT room FROM receipts WHERE user = ?1 ORDER BY room";
        let rooms = many(self.conn, sql, [user.as_bytes()], |row| Ok(RoomId::from_bytes(row.get(0)?)))?;
        self.execute("DELETE FROM receipts WHERE user = ?1", [user.as_bytes()])?;
        Ok(rooms)
    }

    pub(super) fn put_receipt(&self, room: RoomId, user: UserId, seq: Seq) -> Result<bool, StoreError> {
        let sql = "SELECT seq FROM receipts WHERE room = ?1 AND user = ?2";
        let key = params![room.as_bytes(), user.as_bytes()];
        let before = one(self.conn, sql, key, |row| number(row, 0))?;
        if before.is_some_and(|before| seq.0 <= before) {
            return Ok(false);
        }
        self.execute(
            "INSERT OR REPLACE INTO receipts (room, user, seq) VALUES (?1, ?2, ?3)",
            params![room.as_bytes(), user.as_bytes(), position(seq)],
        )?;
        Ok(true)
    }

    /// Who is no member any more is told of no longer.
    pub(super) fn drop_receipt(&self, room: RoomId, user: UserId) -> Result<(), StoreError> {
        let sql = "DELETE FROM receipts WHERE room = ?1 AND user = ?2";
        self.execute(sql, params![room.as_bytes(), user.as_bytes()])
    }
}
