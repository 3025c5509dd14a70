//! How far accounts have read, what is unread again, and who was called.
//!
//! ```text
//!   log      1 … 12 … 40 … 57         countable entries behind the marker, but for one's own and those that are erased
//!                ▲     ▲     ▲
//!            marker reached head
//! ```
//!
//! Invariant: `marker <= reached <= head`, and `reached` only moves forward.

use quipu_protocol::request::Notify;
use quipu_protocol::{RoomId, Seq, UserId};
use rusqlite::{Connection, params};

use super::reads::{count, many, member, one, rows_max};
use super::rows::{kept, number, position};
use super::writes::{Batch, Log};
use crate::store::common::Standing;
use crate::store::{CallRow, StoreError};

impl Batch<'_> {
    pub(super) fn mark_read(&self, room: RoomId, user: UserId, seq: Seq) -> Result<Seq, StoreError> {
        let log = self.log(room)?;
        let mut standing = self.joined(room, user)?;
        let marker = seq.min(log.head);
        if marker > standing.row.marker {
            standing.row.reached = standing.row.reached.max(marker);
            self.put_marker(room, user, &log, standing, marker)?;
        }
        Ok(standing.row.marker.max(marker))
    }

    pub(super) fn mark_unread(&self, room: RoomId, user: UserId, from: Seq) -> Result<(), StoreError> {
        let log = self.log(room)?;
        let standing = self.joined(room, user)?;
        let marker = Seq(from.0.saturating_sub(1));
        if marker >= standing.row.reached || marker == standing.row.marker {
            return Ok(());
        }
        self.put_marker(room, user, &log, standing, marker)
    }

    pub(super) fn set_notify(&self, room: RoomId, user: UserId, level: Notify) -> Result<(), StoreError> {
        let sql = "UPDATE members SET notify = ?3 WHERE room = ?1 AND user = ?2";
        self.execute(sql, params![room.as_bytes(), user.as_bytes(), kept(level.0)])
    }

    /// Writes a standing, new or changed. What is kept beside it in the row stays, but for the wish of whoever becomes
    /// something else.
    pub(super) fn put_standing(
        &self,
        room: RoomId,
        user: UserId,
        standing: &Standing,
    ) -> Result<(), StoreError> {
        self.execute(
            "INSERT INTO members (room, user, membership, role, marker, marker_nth, own_after, permissions, reached)
             VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9)
             ON CONFLICT (room, user) DO UPDATE SET membership = ?3, role = ?4, marker = ?5, marker_nth = ?6,
                own_after = ?7, permissions = ?8, reached = ?9,
                notify = CASE WHEN membership = ?3 THEN notify ELSE 0 END",
            params![
                room.as_bytes(),
                user.as_bytes(),
                kept(standing.row.state.membership.0),
                kept(standing.row.state.role.0),
                kept(standing.row.marker.0),
                kept(standing.marker_nth),
                kept(standing.own_after),
                standing.row.state.permissions.map(|permissions| kept(permissions.0)),
                kept(standing.row.reached.0),
            ],
        )
    }

    fn joined(&self, room: RoomId, user: UserId) -> Result<Standing, StoreError> {
        let standing = member(self.conn, room, user)?.filter(Standing::is_joined);
        standing.ok_or_else(|| StoreError::Failed("not a member".into()))
    }

    /// Moves a marker, and counts anew from there.
    fn put_marker(
        &self,
        room: RoomId,
        user: UserId,
        log: &Log,
        mut standing: Standing,
        marker: Seq,
    ) -> Result<(), StoreError> {
        standing.row.marker = marker;
        (standing.marker_nth, standing.own_after) = if marker == log.head {
            (log.countable, 0)
        } else {
            let own = own_to(self.conn, room, user, log.head)? - own_to(self.conn, room, user, marker)?;
            (countable_to(self.conn, room, marker)?, own)
        };
        self.put_standing(room, user, &standing)
    }
}

/// Countable entries up to a position, whether or not it and those before it are still kept.
fn countable_to(conn: &Connection, room: RoomId, seq: Seq) -> Result<u64, StoreError> {
    let key = params![room.as_bytes(), kept(seq.0)];
    let before = "SELECT nth FROM entries WHERE room = ?1 AND seq <= ?2 ORDER BY seq DESC LIMIT 1";
    if let Some(nth) = one(conn, before, key, |row| number(row, 0))? {
        return Ok(nth);
    }
    // An entry has an author here when it counts itself.
    let behind =
        "SELECT nth - (author IS NOT NULL) FROM entries WHERE room = ?1 AND seq > ?2 ORDER BY seq LIMIT 1";
    count(conn, behind, key)
}

/// In the words of the index `entries_authored`.
pub(super) const OWN_BEFORE: &str = "SELECT own_nth FROM entries INDEXED BY entries_authored
    WHERE room = ?1 AND author = ?2 AND seq <= ?3 ORDER BY seq DESC LIMIT 1";
/// The same.
pub(super) const OWN_BEHIND: &str = "SELECT own_nth - 1 FROM entries INDEXED BY entries_authored
    WHERE room = ?1 AND author = ?2 AND seq > ?3 ORDER BY seq LIMIT 1";

/// Countable entries of one author up to a position, counted from some entry of theirs on that is no longer kept, or
/// from the first.
pub(super) fn own_to(conn: &Connection, room: RoomId, author: UserId, seq: Seq) -> Result<u64, StoreError> {
    let key = params![room.as_bytes(), author.as_bytes(), kept(seq.0)];
    match one(conn, OWN_BEFORE, key, |row| number(row, 0))? {
        Some(nth) => Ok(nth),
        None => count(conn, OWN_BEHIND, key),
    }
}

/// Messages of a room that call an account, newest first: behind `after`, before a time and a position, at most `limit`.
pub(super) fn calls(
    conn: &Connection,
    (room, user): (RoomId, UserId),
    after: Seq,
    (at_ms, before): (u64, Seq),
    limit: usize,
) -> Result<Vec<CallRow>, StoreError> {
    let sql = "SELECT * FROM (
            SELECT seq, at_ms, 0 FROM mentions
            WHERE user = ?2 AND room = ?1 AND seq > ?3 AND (at_ms, seq) < (?4, ?5)
            ORDER BY at_ms DESC, seq DESC LIMIT ?6)
        UNION ALL SELECT * FROM (
            SELECT seq, at_ms, 1 FROM calls
            WHERE room = ?1 AND author <> ?2 AND seq > ?3 AND (at_ms, seq) < (?4, ?5)
            ORDER BY at_ms DESC, seq DESC LIMIT ?6)
        ORDER BY 2 DESC, 1 DESC LIMIT ?6";
    let at_ms = i64::try_from(at_ms).unwrap_or(i64::MAX);
    let range =
        params![room.as_bytes(), user.as_bytes(), position(after), at_ms, position(before), rows_max(limit)];
    many(conn, sql, range, |row| {
        Ok(CallRow { seq: Seq(number(row, 0)?), at_ms: number(row, 1)?, everybody: row.get(2)? })
    })
}
