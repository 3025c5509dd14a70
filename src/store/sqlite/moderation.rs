//! Sanctions and settings as SQL.

use quipu_protocol::request::Sanction;
use quipu_protocol::{RoomId, UserId};
use rusqlite::params;

use super::reads::{Access, View, many, one};
use super::rows::{columns, kept, sanction_row, stored_entry};
use super::writes::Batch;
use crate::store::common::decoded;
use crate::store::{ModerationReads, ModerationWrites, SanctionRow, Settings, StoreError};

impl<A: Access> ModerationReads for View<A> {
    fn sanctions(&self, room: RoomId, user: UserId) -> Result<Vec<SanctionRow>, StoreError> {
        let sql = concat!("SELECT ", columns!(sanction), " FROM sanctions WHERE room = ?1 AND user = ?2");
        many(self.0.conn(), sql, params![room.as_bytes(), user.as_bytes()], sanction_row)
    }

    fn said_ms(&self, room: RoomId, user: UserId) -> Result<Option<u64>, StoreError> {
        let sql = "SELECT seq, checksum, frame FROM entries INDEXED BY entries_authored
            WHERE room = ?1 AND author = ?2 ORDER BY seq DESC LIMIT 1";
        let last = one(self.0.conn(), sql, params![room.as_bytes(), user.as_bytes()], |row| {
            stored_entry(row, room)
        })?;
        last.map(|stored| Ok(decoded(&stored.frame)?.at_ms)).transpose()
    }
}

impl ModerationWrites for View<Batch<'_>> {
    fn put_settings(&mut self, room: RoomId, settings: Settings) -> Result<(), StoreError> {
        self.0.change(
            "UPDATE rooms SET read_only = ?2, invite_only = ?3, slow_ms = ?4 WHERE room = ?1",
            params![room.as_bytes(), settings.read_only, settings.invite_only, kept(settings.slow_ms)],
        )
    }

    fn put_sanction(&mut self, sanction: &SanctionRow) -> Result<(), StoreError> {
        self.0.change(
            "INSERT OR REPLACE INTO sanctions (room, user, sanction, by_user, at_ms, until_ms, reason)
             VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7)",
            params![
                sanction.room.as_bytes(),
                sanction.user.as_bytes(),
                kept(sanction.sanction.0),
                sanction.by.as_bytes(),
                kept(sanction.at_ms),
                sanction.until_ms.map(kept),
                sanction.reason,
            ],
        )
    }

    fn drop_sanction(&mut self, room: RoomId, user: UserId, sanction: Sanction) -> Result<(), StoreError> {
        self.0.change(
            "DELETE FROM sanctions WHERE room = ?1 AND user = ?2 AND sanction = ?3",
            params![room.as_bytes(), user.as_bytes(), kept(sanction.0)],
        )
    }
}
