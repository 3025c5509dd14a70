//! What is out of date, as questions: beyond what a room keeps, past its time, written by somebody who left.
//!
//! Every one of them looks at a bounded number of rows, however much there is.

use quipu_protocol::request::Retention;
use quipu_protocol::token::sha256;
use quipu_protocol::{RoomId, Seq, UserId};
use rusqlite::{Connection, Row, params};

use super::fault::store_error;
use super::reads::{Access, View, behind, count, entry_at, many, one, rows_max};
use super::rows::{kept, number, position, stored_entry};
use crate::store::common::decoded;
use crate::store::{
    AuthoredPage, AuthoredPlace, GoingReads, Keep, RelatedPage, RelationPlace, StoreError, StoredEntry,
};

/// Entries whose sizes one question adds up: about a tenth of a second on a cold disk.
const WALK_ENTRIES_MAX: usize = 50_000;
/// Rooms one question looks into for what somebody wrote.
const AUTHORED_ROOMS_MAX: usize = 64;

/// In the words of the index `members_by_marker`.
pub(super) const BEHIND: &str = "SELECT user FROM members INDEXED BY members_by_marker
    WHERE room = ?1 AND membership = 2 AND marker < ?2 LIMIT ?3";
/// In the words of the index `rooms_keeping`.
pub(super) const KEEPING: &str = "SELECT room FROM rooms INDEXED BY rooms_keeping
    WHERE room > ?1 AND (keep_ms IS NOT NULL OR keep_count IS NOT NULL OR keep_bytes IS NOT NULL)
    ORDER BY room LIMIT ?2";
/// Whether the rooms in which an account wrote are still looked up.
pub(super) const IS_SOUGHT: &str = "SELECT count(*) FROM purges WHERE user = ?1 AND room IS NULL";
/// In the words of the primary key of `expiries`.
pub(super) const DUE: &str =
    "SELECT room, seq, at_ms FROM expiries WHERE at_ms <= ?1 ORDER BY at_ms, room, seq LIMIT ?2";

impl<A: Access> GoingReads for View<A> {
    fn retention(&self, room: RoomId) -> Result<Retention, StoreError> {
        retention(self.0.conn(), room)
    }

    fn all_rooms(
        &self,
        after: Option<RoomId>,
        keeping: bool,
        limit: usize,
    ) -> Result<Vec<RoomId>, StoreError> {
        all_rooms(self.0.conn(), after, keeping, limit)
    }

    fn overdue(&self, room: RoomId, keep: &Keep) -> Result<Option<Seq>, StoreError> {
        overdue(self.0.conn(), room, keep)
    }

    fn next_expiry(&self) -> Result<Option<u64>, StoreError> {
        next_expiry(self.0.conn())
    }

    fn expired(&self, room: RoomId, from: Seq, to: Seq, now_ms: u64) -> Result<Vec<Seq>, StoreError> {
        expired(self.0.conn(), room, (from, to), now_ms)
    }

    fn is_gone(&self, room: RoomId) -> Result<bool, StoreError> {
        let sql = "SELECT count(*) FROM gone_rooms WHERE room = ?1";
        Ok(count(self.0.conn(), sql, [room.as_bytes()])? > 0)
    }

    fn has_gone_rooms(&self) -> Result<bool, StoreError> {
        Ok(count(
            self.0.conn(),
            "SELECT count(*) FROM (SELECT 1 FROM gone_rooms WHERE swept = 0 LIMIT 1)",
            [],
        )? > 0)
    }

    fn successor(&self, room: RoomId, to: UserId) -> Result<Option<UserId>, StoreError> {
        let sql = "SELECT members.user FROM members JOIN users ON users.user = members.user
            WHERE members.room = ?1 AND membership = 2 AND members.user <> ?2 AND deactivated_ms IS NULL
            ORDER BY members.role DESC, members.user LIMIT 1";
        one(self.0.conn(), sql, params![room.as_bytes(), to.as_bytes()], |row| {
            Ok(UserId::from_bytes(row.get(0)?))
        })
    }

    fn next_leaver(&self) -> Result<Option<UserId>, StoreError> {
        // Who has left everywhere waits for the purge that looks up where that was.
        let sql = "SELECT user FROM gone_users
            WHERE NOT EXISTS (SELECT 1 FROM purges WHERE purges.user = gone_users.user AND purges.room IS NULL)
                OR EXISTS (SELECT 1 FROM members JOIN rooms ON rooms.room = members.room
                    WHERE members.user = gone_users.user)
            LIMIT 1";
        one(self.0.conn(), sql, [], |row| Ok(UserId::from_bytes(row.get(0)?)))
    }

    fn is_resting(&self, folded: &str, now_ms: u64) -> Result<bool, StoreError> {
        let sql = "SELECT count(*) FROM resting_names WHERE hash = ?1 AND until_ms > ?2";
        Ok(count(self.0.conn(), sql, params![sha256(folded.as_bytes()), kept(now_ms)])? > 0)
    }

    fn authored(
        &self,
        user: UserId,
        after: AuthoredPlace,
        limit: usize,
        bytes_max: usize,
    ) -> Result<AuthoredPage, StoreError> {
        authored(self.0.conn(), user, after, limit, bytes_max)
    }

    fn related(
        &self,
        user: UserId,
        after: RelationPlace,
        limit: usize,
        bytes_max: usize,
    ) -> Result<RelatedPage, StoreError> {
        related(self.0.conn(), user, after, limit, bytes_max)
    }
}

pub(super) fn retention(conn: &Connection, room: RoomId) -> Result<Retention, StoreError> {
    let sql = "SELECT keep_ms, keep_count, keep_bytes, ttl_ms FROM rooms WHERE room = ?1";
    let found = one(conn, sql, [room.as_bytes()], |row| {
        Ok(Retention {
            age_ms: said(row, 0)?,
            count: said(row, 1)?,
            bytes: said(row, 2)?,
            ttl_ms: said(row, 3)?,
        })
    })?;
    Ok(found.unwrap_or_default())
}

fn said(row: &Row<'_>, at: usize) -> rusqlite::Result<Option<u64>> {
    Ok(row.get::<_, Option<i64>>(at)?.map(i64::cast_unsigned))
}

pub(super) fn all_rooms(
    conn: &Connection,
    after: Option<RoomId>,
    keeping: bool,
    limit: usize,
) -> Result<Vec<RoomId>, StoreError> {
    let sql = if keeping { KEEPING } else { "SELECT room FROM rooms WHERE room > ?1 ORDER BY room LIMIT ?2" };
    let key = behind(after.as_ref().map(RoomId::as_bytes));
    many(conn, sql, params![key, rows_max(limit)], |row| Ok(RoomId::from_bytes(row.get(0)?)))
}

/// The ends of a log, and its size.
struct Extent {
    head: Seq,
    floor: Seq,
    bytes: u64,
}

pub(super) fn overdue(conn: &Connection, room: RoomId, keep: &Keep) -> Result<Option<Seq>, StoreError> {
    let sql = "SELECT head, floor, bytes FROM rooms WHERE room = ?1";
    let extent = one(conn, sql, [room.as_bytes()], |row| {
        Ok(Extent { head: Seq(number(row, 0)?), floor: Seq(number(row, 1)?), bytes: number(row, 2)? })
    })?;
    let Some(extent) = extent else { return Ok(None) };
    let mut floor = extent.floor;
    if let Some(count) = keep.count {
        floor = floor.max(Seq(extent.head.next().0.saturating_sub(count)));
    }
    if let Some(bytes) = keep.bytes {
        floor = floor.max(within_bytes(conn, room, &extent, bytes)?);
    }
    if let Some(since_ms) = keep.since_ms {
        floor = floor.max(first_since(conn, room, &extent, since_ms)?);
    }
    Ok((floor > extent.floor).then_some(floor))
}

/// The position from which on the log takes no more than `bytes`.
fn within_bytes(conn: &Connection, room: RoomId, extent: &Extent, bytes: u64) -> Result<Seq, StoreError> {
    let (mut left, mut floor) = (extent.bytes, extent.floor);
    if left <= bytes {
        return Ok(floor);
    }
    let sql = "SELECT length(frame) FROM entries WHERE room = ?1 AND seq >= ?2 ORDER BY seq LIMIT ?3";
    let mut statement = conn.prepare_cached(sql).map_err(store_error)?;
    let key = params![room.as_bytes(), position(floor), rows_max(WALK_ENTRIES_MAX)];
    for size in statement.query_map(key, |row| number(row, 0)).map_err(store_error)? {
        left = left.saturating_sub(size.map_err(store_error)?);
        floor = floor.next();
        if left <= bytes {
            break;
        }
    }
    Ok(floor)
}

/// The first entry from `since_ms` on: found by halving, as time never goes back within a log.
fn first_since(conn: &Connection, room: RoomId, extent: &Extent, since_ms: u64) -> Result<Seq, StoreError> {
    let (mut from, mut to) = (extent.floor.0, extent.head.next().0);
    while from < to {
        let middle = from + (to - from) / 2;
        // An entry that was trimmed meanwhile was too old as well.
        let at_ms = entry_at(conn, room, Seq(middle))?.map_or(0, |entry| entry.at_ms);
        if at_ms < since_ms { from = middle + 1 } else { to = middle }
    }
    Ok(Seq(from))
}

pub(super) fn next_expiry(conn: &Connection) -> Result<Option<u64>, StoreError> {
    one(conn, "SELECT at_ms FROM expiries ORDER BY at_ms LIMIT 1", [], |row| number(row, 0))
}

pub(super) fn expired(
    conn: &Connection,
    room: RoomId,
    (from, to): (Seq, Seq),
    now_ms: u64,
) -> Result<Vec<Seq>, StoreError> {
    // By time: what is over and still there is little, what a room keeps may be much.
    let sql = "SELECT seq FROM expiries WHERE at_ms <= ?1 AND room = ?2 AND seq BETWEEN ?3 AND ?4";
    let key = params![kept(now_ms), room.as_bytes(), position(from), position(to)];
    many(conn, sql, key, |row| Ok(Seq(number(row, 0)?)))
}

pub(super) fn authored(
    conn: &Connection,
    user: UserId,
    after: AuthoredPlace,
    limit: usize,
    bytes_max: usize,
) -> Result<AuthoredPage, StoreError> {
    let mut rooms: Vec<_> = after.room.into_iter().collect();
    let following = all_rooms(conn, after.room, false, AUTHORED_ROOMS_MAX)?;
    let is_last_page = following.len() < AUTHORED_ROOMS_MAX;
    rooms.extend(following);
    let (mut found, mut bytes) = (Vec::new(), 0);
    let mut place = after;
    for room in rooms {
        if place.room != Some(room) {
            place = AuthoredPlace { room: Some(room), seq: Seq::ZERO };
        }
        let sql = "SELECT seq, checksum, frame FROM entries INDEXED BY entries_authored
            WHERE room = ?1 AND author = ?2 AND seq > ?3 ORDER BY seq LIMIT ?4";
        let mut statement = conn.prepare_cached(sql).map_err(store_error)?;
        let left = limit - found.len();
        let key = params![room.as_bytes(), user.as_bytes(), position(place.seq), rows_max(left + 1)];
        for entry in statement.query_map(key, |row| stored_entry(row, room)).map_err(store_error)? {
            let entry = entry.map_err(store_error)?;
            bytes += entry.frame.len();
            if !found.is_empty() && (found.len() == limit || bytes > bytes_max) {
                return Ok((found, Some(place)));
            }
            place.seq = entry.seq;
            found.push((room, entry));
        }
    }
    Ok((found, (!is_last_page).then_some(place)))
}

pub(super) fn related(
    conn: &Connection,
    user: UserId,
    after: RelationPlace,
    limit: usize,
    bytes_max: usize,
) -> Result<RelatedPage, StoreError> {
    let mut rooms: Vec<_> = after.room.into_iter().collect();
    let following = all_rooms(conn, after.room, false, AUTHORED_ROOMS_MAX)?;
    let is_last_page = following.len() < AUTHORED_ROOMS_MAX;
    rooms.extend(following);
    let (mut found, mut bytes, mut left) = (Vec::new(), 0, limit);
    let mut place = after;
    for room in rooms {
        if place.room != Some(room) {
            place = RelationPlace { room: Some(room), ..RelationPlace::default() };
        }
        for row in related_in(conn, room, &place, left)? {
            if let Some(entry) = frame_at(conn, room, row.seq)?
                && decoded(&entry.frame)?.user == Some(user)
            {
                bytes += entry.frame.len();
                if !found.is_empty() && bytes > bytes_max {
                    return Ok((found, Some(place)));
                }
                found.push((room, entry));
            }
            (place, left) = (row, left - 1);
        }
        if left == 0 {
            return Ok((found, Some(place)));
        }
    }
    Ok((found, (!is_last_page).then_some(place)))
}

fn related_in(
    conn: &Connection,
    room: RoomId,
    after: &RelationPlace,
    limit: usize,
) -> Result<Vec<RelationPlace>, StoreError> {
    let sql = "SELECT target, kind, seq FROM relations WHERE room = ?1 AND (target, kind, seq) > (?2, ?3, ?4)
        ORDER BY target, kind, seq LIMIT ?5";
    let place = [position(after.target), kept(after.kind), position(after.seq)];
    let key = params![room.as_bytes(), place[0], place[1], place[2], rows_max(limit)];
    many(conn, sql, key, |row| {
        let (target, kind, seq) = (Seq(number(row, 0)?), number(row, 1)?, Seq(number(row, 2)?));
        Ok(RelationPlace { room: Some(room), target, kind, seq })
    })
}

fn frame_at(conn: &Connection, room: RoomId, seq: Seq) -> Result<Option<StoredEntry>, StoreError> {
    let sql = "SELECT seq, checksum, frame FROM entries WHERE room = ?1 AND seq = ?2";
    one(conn, sql, params![room.as_bytes(), position(seq)], |row| stored_entry(row, room))
}
