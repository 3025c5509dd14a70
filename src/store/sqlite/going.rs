//! What goes: old entries, expired bodies, forgotten ids, deleted rooms and accounts, and the space they took.
//!
//! ```text
//!   trim:    markers below the new floor ─▶ oldest entries ─▶ floor      each step at most so many rows,
//!   sweep:   gone_rooms ─▶ entries ─▶ all else of the room ─▶ swept      so that chat comes in between
//! ```
//!
//! Invariant: whatever a step leaves behind when the process ends there is found again by the next: a room's floor is
//! true after each of them, and a mark goes last.

#[cfg(test)]
mod tests;

use quipu_protocol::entry::Erasure;
use quipu_protocol::request::{Retention, ServerRole};
use quipu_protocol::token::sha256;
use quipu_protocol::{Entry, Kind, RoomId, Seq, UserId};
use rusqlite::{Params, params};

use super::fault::store_error;
use super::outdated::{BEHIND, DUE, IS_SOUGHT};
use super::reads::{View, count, entry_at, many, one, page, rows_max};
use super::rows::{kept, number, position};
use super::writes::Batch;
use crate::store::common::decoded;
use crate::store::{Before, Effect, GoingWrites, StoreError, StoredEntry, UserRow};

/// Bytes of entries one step removes, beyond the first: their words are to be taken out of the index as well.
const STEP_BYTES_MAX: usize = 256 * 1024;
/// Free pages that stay in the file, because what comes next needs them: a mebibyte.
const FREE_PAGES_KEPT: u64 = 256;

/// What else is kept of a room, with the rest of each table's key. All of it goes when the room does.
pub(super) const OF_ROOMS: &[(&str, &str)] = &[
    ("members", "user"),
    ("messages", "user, message"),
    ("relations", "target, kind, seq"),
    ("uncounted", "seq"),
    ("sanctions", "user, sanction"),
    ("parted", "user"),
    ("reports", "report"),
    ("purges", "purge"),
    ("searched", "number"),
    ("reactions", "target, emoji, user"),
    ("tallies", "target, emoji"),
    ("pins", "target"),
    ("threads", "root, seq"),
    ("mentions", "user, seq"),
    ("calls", "seq"),
    ("receipts", "user"),
    ("hooks", "hook"),
];

/// What is kept of an account beside its row and what it wrote, with the rest of each table's key. All of it goes when the
/// account does; [`PARTED`] last, as it says where there may be something to erase.
pub(super) const OF_USERS: &[(&str, &str)] =
    &[("sanctions", "room, sanction"), ("mentions", "room, seq"), ("receipts", "room"), PARTED];
const PARTED: (&str, &str) = ("parted", "room");

impl GoingWrites for View<Batch<'_>> {
    fn set_retention(&mut self, room: RoomId, retention: &Retention) -> Result<(), StoreError> {
        let outcome = self.0.set_retention(room, retention);
        self.0.noting(outcome)
    }

    fn trim(&mut self, room: RoomId, floor: Seq, rows_max: usize) -> Result<bool, StoreError> {
        let outcome = self.0.trim(room, floor, rows_max);
        self.0.noting(outcome)
    }

    fn expire(&mut self, now_ms: u64, rows_max: usize) -> Result<usize, StoreError> {
        let outcome = self.0.expire(now_ms, rows_max);
        self.0.noting(outcome)
    }

    fn forget(&mut self, before: Before, rows_max: usize) -> Result<usize, StoreError> {
        let outcome = self.0.forget(before, rows_max);
        self.0.noting(outcome)
    }

    fn delete_room(&mut self, room: RoomId) -> Result<(), StoreError> {
        let outcome = self.0.delete_room(room);
        self.0.noting(outcome)
    }

    fn sweep(&mut self, rows_max: usize) -> Result<bool, StoreError> {
        let outcome = self.0.sweep(rows_max);
        self.0.noting(outcome)
    }

    fn delete_user(&mut self, user: &UserRow, rest_ms: u64) -> Result<(), StoreError> {
        let outcome = self.0.delete_user(user, rest_ms);
        self.0.noting(outcome)
    }

    fn reclaim(&mut self, pages_max: u64) -> Result<u64, StoreError> {
        let outcome = self.0.reclaim(pages_max);
        self.0.noting(outcome)
    }

    fn sweep_user(&mut self, user: UserId, rows_max: usize) -> Result<bool, StoreError> {
        let outcome = self.0.sweep_user(user, rows_max);
        self.0.noting(outcome)
    }
}

impl Batch<'_> {
    pub(super) fn set_retention(&self, room: RoomId, retention: &Retention) -> Result<(), StoreError> {
        self.execute(
            "UPDATE rooms SET keep_ms = ?2, keep_count = ?3, keep_bytes = ?4, ttl_ms = ?5 WHERE room = ?1",
            params![
                room.as_bytes(),
                retention.age_ms.map(kept),
                retention.count.map(kept),
                retention.bytes.map(kept),
                retention.ttl_ms.map(kept),
            ],
        )
    }

    pub(super) fn trim(&mut self, room: RoomId, floor: Seq, rows: usize) -> Result<bool, StoreError> {
        let sql = "SELECT head, floor FROM rooms WHERE room = ?1";
        let ends = one(self.conn, sql, [room.as_bytes()], |row| Ok((number(row, 0)?, number(row, 1)?)))?;
        let Some((head, oldest)) = ends else { return Ok(false) };
        let floor = floor.min(Seq(head + 1));
        if floor.0 <= oldest {
            return Ok(false);
        }
        let below = Seq(floor.0 - 1);
        let key = params![room.as_bytes(), position(below), rows_max(rows)];
        let users: Vec<UserId> = many(self.conn, BEHIND, key, |row| Ok(UserId::from_bytes(row.get(0)?)))?;
        for user in &users {
            self.mark_read(room, *user, below)?;
        }
        if users.len() == rows {
            return Ok(true);
        }
        let limit = rows.min((floor.0 - oldest) as usize);
        let entries = self.oldest(room, Seq(oldest - 1), limit)?;
        let reached = Seq(oldest + entries.len() as u64).min(floor);
        // Without a row there is a hole, and the log begins behind it.
        let reached = if entries.is_empty() { floor } else { reached };
        self.remove(room, &entries)?;
        self.execute(
            "UPDATE rooms SET floor = ?2 WHERE room = ?1",
            params![room.as_bytes(), kept(reached.0)],
        )?;
        self.effects.push(Effect::Trimmed { room, floor: reached });
        Ok(reached < floor)
    }

    fn oldest(&self, room: RoomId, after: Seq, limit: usize) -> Result<Vec<StoredEntry>, StoreError> {
        let sql =
            "SELECT seq, checksum, frame FROM entries WHERE room = ?1 AND seq > ?2 ORDER BY seq LIMIT ?3";
        page(self.conn, sql, room, after, limit, STEP_BYTES_MAX)
    }

    /// Removes these oldest entries and whatever is kept because of them.
    fn remove(&mut self, room: RoomId, entries: &[StoredEntry]) -> Result<(), StoreError> {
        let Some(last) = entries.last() else { return Ok(()) };
        let mut bytes = 0;
        for stored in entries {
            bytes += stored.frame.len() as u64;
            self.left(room, &decoded(&stored.frame)?)?;
        }
        self.execute(
            "DELETE FROM entries WHERE room = ?1 AND seq <= ?2",
            params![room.as_bytes(), kept(last.seq.0)],
        )?;
        self.execute(
            "UPDATE rooms SET bytes = max(0, bytes - ?2) WHERE room = ?1",
            params![room.as_bytes(), kept(bytes)],
        )
    }

    pub(super) fn expire(&mut self, now_ms: u64, rows: usize) -> Result<usize, StoreError> {
        let due: Vec<(RoomId, Seq, u64)> =
            many(self.conn, DUE, params![kept(now_ms), rows_max(rows)], |row| {
                Ok((RoomId::from_bytes(row.get(0)?), Seq(number(row, 1)?), number(row, 2)?))
            })?;
        for (room, seq, at_ms) in &due {
            let entry = entry_at(self.conn, *room, *seq)?;
            if entry.is_some_and(|entry| !entry.is_erased()) {
                self.erase(*room, *seq, Erasure::EXPIRED)?;
            }
            self.expires_no_more(*room, *seq, *at_ms)?;
        }
        Ok(due.len())
    }

    /// When an entry vanishes that does not say so itself: a message after the room's time for messages, an edit together
    /// with what it edits. It is no part of what an author says, so a retry with another clock is the same message.
    pub(super) fn end_of(
        &self,
        room: RoomId,
        entry: &Entry,
        ttl_ms: Option<u64>,
    ) -> Result<Option<u64>, StoreError> {
        match (entry.kind, entry.ext.target) {
            (Kind::EDIT, Some(target)) => {
                Ok(entry_at(self.conn, room, target)?.and_then(|target| target.ext.expires_ms))
            }
            (Kind::TEXT, _) if entry.ext.expires_ms.is_none() => {
                Ok(ttl_ms.map(|ttl_ms| entry.at_ms.saturating_add(ttl_ms)))
            }
            _ => Ok(None),
        }
    }

    /// Notes when an entry vanishes.
    pub(super) fn expires(&self, room: RoomId, entry: &Entry) -> Result<(), StoreError> {
        let Some(at_ms) = entry.ext.expires_ms else { return Ok(()) };
        self.execute(
            "INSERT OR IGNORE INTO expiries (at_ms, room, seq) VALUES (?1, ?2, ?3)",
            params![kept(at_ms), room.as_bytes(), kept(entry.seq.0)],
        )
    }

    pub(super) fn expires_no_more(&self, room: RoomId, seq: Seq, at_ms: u64) -> Result<(), StoreError> {
        self.execute(
            "DELETE FROM expiries WHERE at_ms = ?1 AND room = ?2 AND seq = ?3",
            params![kept(at_ms), room.as_bytes(), kept(seq.0)],
        )
    }

    pub(super) fn forget(&self, before: Before, rows: usize) -> Result<usize, StoreError> {
        let messages = self.changed_rows(
            "DELETE FROM messages WHERE (room, user, message) IN
                (SELECT room, user, message FROM messages WHERE heard_ms < ?1 ORDER BY heard_ms LIMIT ?2)",
            params![kept(before.messages_ms), rows_max(rows)],
        )?;
        let names = self.changed_rows(
            "DELETE FROM resting_names WHERE hash IN
                (SELECT hash FROM resting_names WHERE until_ms < ?1 LIMIT ?2)",
            params![kept(before.names_ms), rows_max(rows)],
        )?;
        let invites = self.changed_rows(
            "DELETE FROM invites WHERE invite IN
                (SELECT invite FROM invites WHERE expires_ms < ?1 ORDER BY expires_ms LIMIT ?2)",
            params![kept(before.invites_ms), rows_max(rows)],
        )?;
        Ok(messages.max(names).max(invites))
    }

    pub(super) fn delete_room(&mut self, room: RoomId) -> Result<(), StoreError> {
        let invited = many(
            self.conn,
            "SELECT user FROM members WHERE room = ?1 AND membership = 1",
            [room.as_bytes()],
            |row| Ok(UserId::from_bytes(row.get(0)?)),
        )?;
        self.execute(
            "INSERT OR IGNORE INTO gone_rooms (room, swept, creator)
             VALUES (?1, 0, (SELECT creator FROM rooms WHERE room = ?1))",
            [room.as_bytes()],
        )?;
        self.execute("DELETE FROM rooms WHERE room = ?1", [room.as_bytes()])?;
        self.effects.push(Effect::Deleted { room, invited });
        Ok(())
    }

    pub(super) fn sweep(&mut self, rows: usize) -> Result<bool, StoreError> {
        let gone = one(self.conn, "SELECT room FROM gone_rooms WHERE swept = 0 LIMIT 1", [], |row| {
            Ok(RoomId::from_bytes(row.get(0)?))
        })?;
        let Some(room) = gone else { return Ok(false) };
        let entries = self.oldest(room, Seq::ZERO, rows)?;
        self.remove(room, &entries)?;
        if !entries.is_empty() {
            return Ok(true);
        }
        if self.empty_some(OF_ROOMS, "room", room.as_bytes(), rows)?
            || self.empty_some(&[("audit", "record")], "shelf", room.as_bytes(), rows)?
        {
            return Ok(true);
        }
        self.execute("UPDATE gone_rooms SET swept = 1 WHERE room = ?1", [room.as_bytes()])?;
        Ok(true)
    }

    /// Removes some rows of the first of these tables that has any.
    fn empty_some(
        &self,
        tables: &[(&str, &str)],
        of: &str,
        id: &[u8; 16],
        rows: usize,
    ) -> Result<bool, StoreError> {
        for (table, key) in tables {
            let sql = format!(
                "DELETE FROM {table} WHERE ({of}, {key}) IN
                    (SELECT {of}, {key} FROM {table} WHERE {of} = ?1 LIMIT ?2)"
            );
            if self.changed_rows(&sql, params![id, rows_max(rows)])? > 0 {
                return Ok(true);
            }
        }
        Ok(false)
    }

    pub(super) fn sweep_user(&self, user: UserId, rows: usize) -> Result<bool, StoreError> {
        let is_sought = count(self.conn, IS_SOUGHT, [user.as_bytes()])? > 0;
        let tables = OF_USERS.strip_suffix(&[PARTED]).filter(|_| is_sought).unwrap_or(OF_USERS);
        if self.empty_some(tables, "user", user.as_bytes(), rows)? {
            return Ok(true);
        }
        if is_sought {
            return Ok(false);
        }
        self.execute("DELETE FROM gone_users WHERE user = ?1", [user.as_bytes()])?;
        Ok(false)
    }

    pub(super) fn delete_user(&self, row: &UserRow, rest_ms: u64) -> Result<(), StoreError> {
        let user = row.user.as_bytes();
        self.execute("DELETE FROM devices WHERE user = ?1", [user])?;
        self.execute("DELETE FROM invites WHERE created_by = ?1", [user])?;
        self.execute("DELETE FROM account_settings WHERE user = ?1", [user])?;
        self.execute("DELETE FROM hooks WHERE bot = ?1", [user])?;
        self.execute("DELETE FROM bots WHERE user = ?1", [user])?;
        self.let_files_go(row.user)?;
        self.execute(
            "INSERT OR REPLACE INTO resting_names (hash, until_ms) VALUES (?1, ?2)",
            params![sha256(row.nickname.folded().as_bytes()), kept(rest_ms)],
        )?;
        let nickname = crate::store::deleted_nickname(row.user);
        self.put_user(&UserRow { nickname, role: ServerRole::GUEST, epoch: row.epoch + 1, ..row.clone() })?;
        self.execute("INSERT OR IGNORE INTO gone_users (user) VALUES (?1)", [user])
    }

    pub(super) fn reclaim(&mut self, pages: u64) -> Result<u64, StoreError> {
        let free = count(self.conn, "PRAGMA freelist_count", [])?;
        let given = free.saturating_sub(FREE_PAGES_KEPT).min(pages);
        if given > 0 {
            // It gives a page with every step, and stops when nobody takes one.
            let mut statement =
                self.conn.prepare(&format!("PRAGMA incremental_vacuum({given})")).map_err(store_error)?;
            let mut steps = statement.query([]).map_err(store_error)?;
            while steps.next().map_err(store_error)?.is_some() {}
        }
        let left = count(self.conn, "PRAGMA freelist_count", [])?.saturating_sub(FREE_PAGES_KEPT);
        self.shrinks |= given > 0 && left == 0;
        // A file that cannot shrink gives nothing, however often it is asked.
        Ok(if left < free.saturating_sub(FREE_PAGES_KEPT) { left } else { 0 })
    }

    fn changed_rows(&self, sql: &str, params: impl Params) -> Result<usize, StoreError> {
        let mut statement = self.conn.prepare_cached(sql).map_err(store_error)?;
        statement.execute(params).map_err(store_error)
    }
}
