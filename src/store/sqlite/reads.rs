//! Questions as SQL.

use quipu_protocol::request::MembershipState;
use quipu_protocol::{DeviceId, Entry, HookId, InviteId, Kind, RoomId, RoomName, Seq, UserId};
use rusqlite::{Connection, Row, params};

use super::bots;
pub(super) use super::query::{behind, count, framed, many, one, page, rows_max};
use super::rows::{
    ROOM_COLUMNS, STANDING_COLUMNS, USER_COLUMNS, columns, device_row, invite_row, kept, number, position,
    room_row, standing, stored_entry, user_row,
};
use super::{marking, search, settings};
use crate::store::common::{Standing, decoded};
use crate::store::search::Wanted;
use crate::store::{
    AccountSettings, BotRow, CallRow, DeviceRow, HeadRow, HookRow, InviteRow, MemberRow, Reads, RoomRow,
    StoreError, StoredEntry, UserRow,
};

// What the writer counts before it decides.
/// In the words of the index `members_owners`.
pub(super) const OWNERS: &str =
    "SELECT count(*) FROM members WHERE room = ?1 AND membership = 2 AND role >= 100";
pub(super) const MEMBERSHIPS: &str = "SELECT count(*) FROM members WHERE user = ?1 AND membership = ?2";
pub(super) const ROOMS_MADE: &str = "SELECT count(*) FROM rooms WHERE creator = ?1";
pub(super) const GONE_ROOMS_MADE: &str = "SELECT count(*) FROM gone_rooms WHERE creator = ?1";
pub(super) const INVITES_MADE: &str = "SELECT count(*) FROM invites WHERE created_by = ?1";

/// Questions, asked over a connection that belongs to a reader or to the writer's batch.
pub(super) struct View<A>(pub(super) A);

pub(super) trait Access: Send {
    fn conn(&self) -> &Connection;
}

impl<A: Access> Reads for View<A> {
    fn room(&self, room: RoomId) -> Result<Option<RoomRow>, StoreError> {
        let sql = concat!("SELECT ", columns!(room), " FROM rooms WHERE room = ?1");
        one(self.0.conn(), sql, [room.as_bytes()], room_row)
    }

    fn room_by_name(&self, name: &RoomName) -> Result<Option<RoomRow>, StoreError> {
        let sql = concat!("SELECT ", columns!(room), " FROM rooms WHERE name = ?1");
        one(self.0.conn(), sql, [name.as_str()], room_row)
    }

    fn direct_room(&self, one_of: UserId, other: UserId) -> Result<Option<RoomRow>, StoreError> {
        let sql =
            concat!("SELECT ", columns!(room), " FROM rooms WHERE direct_one = ?1 AND direct_other = ?2");
        let pair = [one_of.min(other), one_of.max(other)].map(|user| *user.as_bytes());
        one(self.0.conn(), sql, pair, room_row)
    }

    fn rooms_of(
        &self,
        user: UserId,
        after: Option<RoomId>,
        limit: usize,
    ) -> Result<Vec<(RoomRow, MemberRow)>, StoreError> {
        let sql = concat!(
            "SELECT ",
            columns!(room),
            ", ",
            columns!(standing),
            " FROM members JOIN rooms ON rooms.room = members.room
              WHERE members.user = ?1 AND members.room > ?2 ORDER BY members.room LIMIT ?3"
        );
        let key = behind(after.as_ref().map(RoomId::as_bytes));
        many(self.0.conn(), sql, params![user.as_bytes(), key, rows_max(limit)], |row| {
            Ok((room_row(row)?, standing(row, ROOM_COLUMNS)?.row))
        })
    }

    fn rooms_visible(
        &self,
        user: UserId,
        after: Option<RoomId>,
        limit: usize,
    ) -> Result<Vec<(RoomRow, Option<MemberRow>)>, StoreError> {
        // Two indexes in the order of ids, merged: private rooms of others are not even looked at.
        let sql = concat!(
            "WITH seen AS (
                SELECT room FROM rooms WHERE visibility = 0 AND room > ?2
                UNION SELECT room FROM members WHERE user = ?1 AND room > ?2
                ORDER BY room LIMIT ?3)
             SELECT ",
            columns!(room),
            ", ",
            columns!(standing),
            " FROM seen JOIN rooms ON rooms.room = seen.room
              LEFT JOIN members ON members.room = seen.room AND members.user = ?1 ORDER BY seen.room"
        );
        let key = behind(after.as_ref().map(RoomId::as_bytes));
        many(self.0.conn(), sql, params![user.as_bytes(), key, rows_max(limit)], |row| {
            let is_member = row.get::<_, Option<i64>>(ROOM_COLUMNS)?.is_some();
            let member = is_member.then(|| standing(row, ROOM_COLUMNS)).transpose()?;
            Ok((room_row(row)?, member.map(|member| member.row)))
        })
    }

    fn member(&self, room: RoomId, user: UserId) -> Result<Option<MemberRow>, StoreError> {
        Ok(member(self.0.conn(), room, user)?.map(|member| member.row))
    }

    fn members(
        &self,
        room: RoomId,
        after: Option<UserId>,
        limit: usize,
    ) -> Result<Vec<(UserRow, MemberRow)>, StoreError> {
        let sql = concat!(
            "SELECT ",
            columns!(user),
            ", ",
            columns!(standing),
            " FROM members JOIN users ON users.user = members.user
              WHERE members.room = ?1 AND members.user > ?2 ORDER BY members.user LIMIT ?3"
        );
        let key = behind(after.as_ref().map(UserId::as_bytes));
        many(self.0.conn(), sql, params![room.as_bytes(), key, rows_max(limit)], |row| {
            Ok((user_row(row)?, standing(row, USER_COLUMNS)?.row))
        })
    }

    fn owners(&self, room: RoomId) -> Result<u64, StoreError> {
        count(self.0.conn(), OWNERS, [room.as_bytes()])
    }

    fn memberships(&self, user: UserId, state: MembershipState) -> Result<u64, StoreError> {
        count(self.0.conn(), MEMBERSHIPS, params![user.as_bytes(), kept(state.0)])
    }

    fn rooms_made(&self, user: UserId) -> Result<u64, StoreError> {
        let there = count(self.0.conn(), ROOMS_MADE, [user.as_bytes()])?;
        Ok(there + count(self.0.conn(), GONE_ROOMS_MADE, [user.as_bytes()])?)
    }

    fn heads(&self, user: UserId, rooms: Option<&[RoomId]>) -> Result<Vec<HeadRow>, StoreError> {
        macro_rules! heads_where {
            ($rest:literal) => {
                concat!(
                    "SELECT ",
                    columns!(room),
                    ", ",
                    columns!(standing),
                    ", rooms.countable,
                     (SELECT count(*) FROM uncounted WHERE uncounted.room = members.room
                        AND uncounted.seq > members.marker AND uncounted.author <> members.user),
                     (SELECT count(*) FROM mentions WHERE mentions.user = members.user
                        AND mentions.room = members.room AND mentions.seq > members.marker),
                     (SELECT count(*) FROM calls WHERE calls.room = members.room
                        AND calls.seq > members.marker AND calls.author <> members.user)
                     FROM members JOIN rooms ON rooms.room = members.room
                     WHERE members.user = ?1 AND members.membership = 2 ",
                    $rest
                )
            };
        }
        let conn = self.0.conn();
        let Some(rooms) = rooms else {
            return many(conn, heads_where!("ORDER BY members.room"), [user.as_bytes()], head_row);
        };
        let head = |room: &RoomId| {
            let sql = heads_where!("AND members.room = ?2");
            one(conn, sql, params![user.as_bytes(), room.as_bytes()], head_row).transpose()
        };
        rooms.iter().filter_map(head).collect()
    }

    fn entries_after(
        &self,
        room: RoomId,
        after: Seq,
        limit: usize,
        bytes_max: usize,
    ) -> Result<Vec<StoredEntry>, StoreError> {
        let sql =
            "SELECT seq, checksum, frame FROM entries WHERE room = ?1 AND seq > ?2 ORDER BY seq LIMIT ?3";
        page(self.0.conn(), sql, room, after, limit, bytes_max)
    }

    fn entries_before(
        &self,
        room: RoomId,
        before: Seq,
        limit: usize,
        bytes_max: usize,
    ) -> Result<Vec<StoredEntry>, StoreError> {
        let sql = "SELECT seq, checksum, frame FROM entries WHERE room = ?1 AND seq < ?2 ORDER BY seq DESC LIMIT ?3";
        let mut entries = page(self.0.conn(), sql, room, before, limit, bytes_max)?;
        entries.reverse();
        Ok(entries)
    }

    fn entry(&self, room: RoomId, seq: Seq) -> Result<Option<Entry>, StoreError> {
        entry_at(self.0.conn(), room, seq)
    }

    fn about(
        &self,
        room: RoomId,
        target: Seq,
        kind: Kind,
        after: Seq,
        limit: usize,
    ) -> Result<Vec<Seq>, StoreError> {
        about(self.0.conn(), room, target, kind, after, limit)
    }

    fn matching(
        &self,
        room: RoomId,
        wanted: &Wanted,
        range: (Seq, Seq),
        limit: usize,
    ) -> Result<Vec<Seq>, StoreError> {
        search::matching(self.0.conn(), room, wanted, range, limit)
    }

    fn indexed_from(&self, room: RoomId) -> Result<Seq, StoreError> {
        search::indexed_from(self.0.conn(), room)
    }

    fn user(&self, user: UserId) -> Result<Option<UserRow>, StoreError> {
        let sql = concat!("SELECT ", columns!(user), " FROM users WHERE user = ?1");
        one(self.0.conn(), sql, [user.as_bytes()], user_row)
    }

    fn user_by_nickname(&self, folded: &str) -> Result<Option<UserRow>, StoreError> {
        let sql = concat!("SELECT ", columns!(user), " FROM users WHERE folded = ?1");
        one(self.0.conn(), sql, [folded], user_row)
    }

    fn users(&self) -> Result<u64, StoreError> {
        count(self.0.conn(), "SELECT count(*) FROM users", [])
    }

    fn device(&self, device: DeviceId) -> Result<Option<DeviceRow>, StoreError> {
        let sql = concat!("SELECT ", columns!(device), " FROM devices WHERE device = ?1");
        one(self.0.conn(), sql, [device.as_bytes()], device_row)
    }

    fn device_by_key(&self, key: &[u8]) -> Result<Option<DeviceRow>, StoreError> {
        let sql = concat!("SELECT ", columns!(device), " FROM devices WHERE key = ?1");
        one(self.0.conn(), sql, [key], device_row)
    }

    fn devices(&self, user: UserId) -> Result<Vec<DeviceRow>, StoreError> {
        let sql = concat!("SELECT ", columns!(device), " FROM devices WHERE user = ?1 ORDER BY device");
        many(self.0.conn(), sql, [user.as_bytes()], device_row)
    }

    fn invite(&self, invite: InviteId) -> Result<Option<InviteRow>, StoreError> {
        let sql = concat!("SELECT ", columns!(invite), " FROM invites WHERE invite = ?1");
        one(self.0.conn(), sql, [invite.as_bytes()], invite_row)
    }

    fn invite_by_hash(&self, hash: &[u8; 32]) -> Result<Option<InviteRow>, StoreError> {
        let sql = concat!("SELECT ", columns!(invite), " FROM invites WHERE secret_hash = ?1");
        one(self.0.conn(), sql, [hash], invite_row)
    }

    fn invites(
        &self,
        by: Option<UserId>,
        after: Option<InviteId>,
        limit: usize,
    ) -> Result<Vec<InviteRow>, StoreError> {
        let all =
            concat!("SELECT ", columns!(invite), " FROM invites WHERE invite > ?1 ORDER BY invite LIMIT ?2");
        let own = concat!(
            "SELECT ",
            columns!(invite),
            " FROM invites WHERE invite > ?1 AND created_by = ?3 ORDER BY invite LIMIT ?2"
        );
        let key = behind(after.as_ref().map(InviteId::as_bytes));
        match by {
            None => many(self.0.conn(), all, params![key, rows_max(limit)], invite_row),
            Some(by) => many(self.0.conn(), own, params![key, rows_max(limit), by.as_bytes()], invite_row),
        }
    }

    fn invites_made(&self, by: UserId) -> Result<u64, StoreError> {
        count(self.0.conn(), INVITES_MADE, [by.as_bytes()])
    }

    fn redeemed_by(&self, invite: InviteId, limit: usize) -> Result<Vec<UserId>, StoreError> {
        let sql = "SELECT DISTINCT user FROM devices WHERE invite = ?1 ORDER BY user LIMIT ?2";
        many(self.0.conn(), sql, params![invite.as_bytes(), rows_max(limit)], |row| {
            Ok(UserId::from_bytes(row.get(0)?))
        })
    }

    fn calls(
        &self,
        room: RoomId,
        user: UserId,
        (after, before): (Seq, (u64, Seq)),
        limit: usize,
    ) -> Result<Vec<CallRow>, StoreError> {
        marking::calls(self.0.conn(), (room, user), after, before, limit)
    }

    fn account_settings(&self, user: UserId) -> Result<AccountSettings, StoreError> {
        settings::account_settings(self.0.conn(), user)
    }

    fn receipts(&self, room: RoomId, limit: usize) -> Result<Vec<(UserId, Seq)>, StoreError> {
        settings::receipts(self.0.conn(), room, limit)
    }

    fn bot(&self, user: UserId) -> Result<Option<BotRow>, StoreError> {
        bots::bot(self.0.conn(), user)
    }

    fn bots(
        &self,
        owner: Option<UserId>,
        after: Option<UserId>,
        limit: usize,
    ) -> Result<Vec<BotRow>, StoreError> {
        bots::bots(self.0.conn(), owner, after, limit)
    }

    fn bots_alive(&self, owner: UserId) -> Result<u64, StoreError> {
        bots::bots_alive(self.0.conn(), owner)
    }

    fn bots_made(&self, owner: UserId) -> Result<u64, StoreError> {
        bots::bots_made(self.0.conn(), owner)
    }

    fn hook(&self, hook: HookId) -> Result<Option<HookRow>, StoreError> {
        bots::hook(self.0.conn(), hook)
    }

    fn hook_by_hash(&self, hash: &[u8; 32]) -> Result<Option<HookRow>, StoreError> {
        bots::hook_by_hash(self.0.conn(), hash)
    }

    fn hooks(&self, room: RoomId, after: Option<HookId>, limit: usize) -> Result<Vec<HookRow>, StoreError> {
        bots::hooks(self.0.conn(), room, after, limit)
    }
}

pub(super) fn entry_at(conn: &Connection, room: RoomId, seq: Seq) -> Result<Option<Entry>, StoreError> {
    let sql = "SELECT seq, checksum, frame FROM entries WHERE room = ?1 AND seq = ?2";
    let stored = one(conn, sql, params![room.as_bytes(), position(seq)], |row| stored_entry(row, room))?;
    stored.map(|stored| decoded(&stored.frame)).transpose()
}

pub(super) fn about(
    conn: &Connection,
    room: RoomId,
    target: Seq,
    kind: Kind,
    after: Seq,
    limit: usize,
) -> Result<Vec<Seq>, StoreError> {
    let sql = "SELECT seq FROM relations
        WHERE room = ?1 AND target = ?2 AND kind = ?3 AND seq > ?4 ORDER BY seq LIMIT ?5";
    let key = params![room.as_bytes(), position(target), kept(kind.0), position(after), rows_max(limit)];
    many(conn, sql, key, |row| Ok(Seq(number(row, 0)?)))
}

pub(super) fn member(conn: &Connection, room: RoomId, user: UserId) -> Result<Option<Standing>, StoreError> {
    let sql = concat!("SELECT ", columns!(standing), " FROM members WHERE room = ?1 AND user = ?2");
    one(conn, sql, params![room.as_bytes(), user.as_bytes()], |row| standing(row, 0))
}

fn head_row(row: &Row<'_>) -> rusqlite::Result<HeadRow> {
    let room = room_row(row)?;
    let member = standing(row, ROOM_COLUMNS)?;
    const COUNTS: usize = ROOM_COLUMNS + STANDING_COLUMNS;
    let (countable, erased) = (number(row, COUNTS)?, number(row, COUNTS + 1)?);
    Ok(HeadRow {
        room: room.room,
        head: room.head,
        member: member.row,
        unread: member.unread(countable).saturating_sub(erased),
        mentions: number(row, COUNTS + 2)? + number(row, COUNTS + 3)?,
    })
}
