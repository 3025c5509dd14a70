//! Rows of the tables as values, and back. A value outside its rule is damage.

use std::error::Error as StdError;
use std::str::FromStr;

use bytes::Bytes;
use quipu_protocol::request::{
    Act, MembershipState, Notify, Permissions, RoomRole, Sanction, ServerRole, Visibility,
};
use quipu_protocol::{Cursor, DeviceId, Incarnation, InviteId, RoomId, Seq, Text, UserId};
use ring::digest::{Context, SHA256};
use rusqlite::types::Type;
use rusqlite::{Error, Result, Row};

use crate::store::common::Standing;
use crate::store::{
    AuditRow, DeviceRow, InviteRow, MemberRow, MemberState, PurgeRow, PurgeStage, ReportRow, RoomRow,
    SanctionRow, Settings, StoredEntry, UserRow,
};

/// The columns each function below expects, in its order.
macro_rules! columns {
    (room) => {
        "rooms.room, rooms.name, rooms.visibility, rooms.topic, rooms.direct_one, rooms.direct_other,
         rooms.incarnation, rooms.head, rooms.floor, rooms.members, rooms.creator, rooms.created_ms,
         rooms.read_only, rooms.invite_only, rooms.slow_ms"
    };
    (standing) => {
        "members.membership, members.role, members.marker, members.marker_nth, members.own_after,
         members.permissions, members.reached, members.notify"
    };
    (user) => {
        "users.user, users.nickname, users.role, users.epoch, users.created_ms, users.deactivated_ms"
    };
    (device) => {
        "device, user, name, key, invite, created_ms, seen_ms, revoked_ms"
    };
    (sanction) => {
        "sanctions.room, sanctions.user, sanctions.sanction, sanctions.by_user, sanctions.at_ms,
         sanctions.until_ms, sanctions.reason"
    };
    (audit) => {
        "record, at_ms, act, by_user, room, user, reason, detail"
    };
    (report) => {
        "report, room, seq, author, by_user, at_ms, reason"
    };
    (purge) => {
        "purge, user, room, up_to, done, behind, by_user, by_device, reason"
    };
    (invite) => {
        "invite, secret_hash, created_by, room, role, for_user, uses_left, expires_ms, revoked, created_ms,
         device"
    };
}
pub(super) use columns;

/// Columns of a room, so that others may follow them.
pub(super) const ROOM_COLUMNS: usize = 15;
/// Columns of a sanction, so that others may follow them.
pub(super) const SANCTION_COLUMNS: usize = 7;
/// Columns of a standing, so that others may follow them.
pub(super) const STANDING_COLUMNS: usize = 8;
/// Columns of an account, so that others may follow them.
pub(super) const USER_COLUMNS: usize = 6;

/// A number as SQLite keeps it. Numbers above `i64::MAX` come back as they were, but compare as negative.
pub(super) fn kept(number: u64) -> i64 {
    number.cast_signed()
}

/// A position to compare with: positions in the file are never beyond `i64::MAX`.
pub(super) fn position(seq: Seq) -> i64 {
    i64::try_from(seq.0).unwrap_or(i64::MAX)
}

pub(super) fn number(row: &Row<'_>, at: usize) -> Result<u64> {
    row.get::<_, i64>(at).map(i64::cast_unsigned)
}

pub(super) fn room_row(row: &Row<'_>) -> Result<RoomRow> {
    let direct = user_id(row, 4)?.zip(user_id(row, 5)?);
    let head = Cursor { incarnation: Incarnation(number(row, 6)?), seq: Seq(number(row, 7)?) };
    Ok(RoomRow {
        room: RoomId::from_bytes(row.get(0)?),
        name: parsed(row, 1)?,
        visibility: Visibility(number(row, 2)?),
        topic: parsed(row, 3)?,
        direct,
        head,
        floor: Seq(number(row, 8)?),
        members: number(row, 9)?,
        creator: user_id(row, 10)?,
        created_ms: number(row, 11)?,
        settings: Settings { read_only: row.get(12)?, invite_only: row.get(13)?, slow_ms: number(row, 14)? },
    })
}

/// A standing whose columns begin at `at`.
pub(super) fn standing(row: &Row<'_>, at: usize) -> Result<Standing> {
    let state = MemberState {
        membership: MembershipState(number(row, at)?),
        role: RoomRole(number(row, at + 1)?),
        permissions: row.get::<_, Option<i64>>(at + 5)?.map(|bits| Permissions(bits.cast_unsigned())),
    };
    Ok(Standing {
        row: MemberRow {
            state,
            marker: Seq(number(row, at + 2)?),
            reached: Seq(number(row, at + 6)?),
            notify: Notify(number(row, at + 7)?),
        },
        marker_nth: number(row, at + 3)?,
        own_after: number(row, at + 4)?,
    })
}

pub(super) fn user_row(row: &Row<'_>) -> Result<UserRow> {
    Ok(UserRow {
        user: UserId::from_bytes(row.get(0)?),
        nickname: required(row, 1)?,
        role: ServerRole(number(row, 2)?),
        epoch: number(row, 3)?,
        created_ms: number(row, 4)?,
        deactivated_ms: row.get::<_, Option<i64>>(5)?.map(i64::cast_unsigned),
    })
}

pub(super) fn device_row(row: &Row<'_>) -> Result<DeviceRow> {
    Ok(DeviceRow {
        device: DeviceId::from_bytes(row.get(0)?),
        user: UserId::from_bytes(row.get(1)?),
        name: required(row, 2)?,
        key: row.get(3)?,
        invite: InviteId::from_bytes(row.get(4)?),
        created_ms: number(row, 5)?,
        seen_ms: number(row, 6)?,
        revoked_ms: row.get::<_, Option<i64>>(7)?.map(i64::cast_unsigned),
    })
}

pub(super) fn sanction_row(row: &Row<'_>) -> Result<SanctionRow> {
    Ok(SanctionRow {
        room: RoomId::from_bytes(row.get(0)?),
        user: UserId::from_bytes(row.get(1)?),
        sanction: Sanction(number(row, 2)?),
        by: UserId::from_bytes(row.get(3)?),
        at_ms: number(row, 4)?,
        until_ms: row.get::<_, Option<i64>>(5)?.map(i64::cast_unsigned),
        reason: worded(row, 6)?,
    })
}

/// An act whose columns begin behind its number.
pub(super) fn audit_row(row: &Row<'_>) -> Result<(u64, AuditRow)> {
    let act = AuditRow {
        at_ms: number(row, 1)?,
        act: Act(number(row, 2)?),
        by: user_id(row, 3)?,
        room: room_id(row, 4)?,
        user: user_id(row, 5)?,
        reason: worded(row, 6)?,
        detail: worded(row, 7)?,
    };
    Ok((number(row, 0)?, act))
}

/// A report whose columns begin behind its number.
pub(super) fn report_row(row: &Row<'_>) -> Result<(u64, ReportRow)> {
    let report = ReportRow {
        room: RoomId::from_bytes(row.get(1)?),
        seq: Seq(number(row, 2)?),
        author: UserId::from_bytes(row.get(3)?),
        by: UserId::from_bytes(row.get(4)?),
        at_ms: number(row, 5)?,
        reason: worded(row, 6)?.unwrap_or_default(),
    };
    Ok((number(row, 0)?, report))
}

pub(super) fn purge_row(row: &Row<'_>) -> Result<PurgeRow> {
    let (up_to, done) = (Seq(number(row, 3)?), Seq(number(row, 4)?));
    let stage = match room_id(row, 2)? {
        Some(room) if up_to == Seq::ZERO => PurgeStage::Looking(room, done),
        Some(room) => PurgeStage::Room(room, up_to, done),
        None => PurgeStage::Everywhere(room_id(row, 5)?),
    };
    Ok(PurgeRow {
        purge: number(row, 0)?,
        user: UserId::from_bytes(row.get(1)?),
        stage,
        by: (UserId::from_bytes(row.get(6)?), DeviceId::from_bytes(row.get(7)?)),
        reason: worded(row, 8)?,
    })
}

pub(super) fn invite_row(row: &Row<'_>) -> Result<InviteRow> {
    Ok(InviteRow {
        invite: InviteId::from_bytes(row.get(0)?),
        secret_hash: row.get(1)?,
        created_by: user_id(row, 2)?,
        room: row.get::<_, Option<[u8; 16]>>(3)?.map(RoomId::from_bytes),
        role: ServerRole(number(row, 4)?),
        for_user: user_id(row, 5)?,
        uses_left: number(row, 6)?,
        expires_ms: number(row, 7)?,
        revoked: row.get(8)?,
        created_ms: number(row, 9)?,
        device: row.get::<_, Option<[u8; 16]>>(10)?.map(DeviceId::from_bytes),
    })
}

/// An entry from `seq, checksum, frame`, if its bytes are those that were written.
pub(super) fn stored_entry(row: &Row<'_>, room: RoomId) -> Result<StoredEntry> {
    let seq = Seq(number(row, 0)?);
    let frame = row.get_ref(2)?.as_blob()?;
    if row.get::<_, i64>(1)? != checksum(room, seq, frame) {
        return Err(damaged(
            2,
            Type::Blob,
            format!("entry {seq} of room {room} is not what was written").into(),
        ));
    }
    Ok(StoredEntry { seq, frame: Bytes::copy_from_slice(frame) })
}

/// Eight bytes of SHA-256 over an entry and its place: SQLite itself would not notice a bit that turned.
pub(super) fn checksum(room: RoomId, seq: Seq, frame: &[u8]) -> i64 {
    let mut context = Context::new(&SHA256);
    context.update(room.as_bytes());
    context.update(&seq.0.to_be_bytes());
    context.update(frame);
    let digest = context.finish();
    let bytes = digest.as_ref().iter().take(8);
    bytes.fold(0, |sum, byte| (sum << 8) | i64::from(*byte))
}

fn user_id(row: &Row<'_>, at: usize) -> Result<Option<UserId>> {
    Ok(row.get::<_, Option<[u8; 16]>>(at)?.map(UserId::from_bytes))
}

fn room_id(row: &Row<'_>, at: usize) -> Result<Option<RoomId>> {
    Ok(row.get::<_, Option<[u8; 16]>>(at)?.map(RoomId::from_bytes))
}

/// A text for people, which was within its bound when it was written.
fn worded<const MAX: usize>(row: &Row<'_>, at: usize) -> Result<Option<Text<MAX>>> {
    let text = row.get::<_, Option<String>>(at)?.map(Text::new).transpose();
    text.map_err(|text| damaged(at, Type::Text, format!("a text of {} bytes", text.len()).into()))
}

fn parsed<T>(row: &Row<'_>, at: usize) -> Result<Option<T>>
where
    T: FromStr<Err: StdError + Send + Sync + 'static>,
{
    let text = row.get_ref(at)?.as_str_or_null()?;
    text.map(str::parse).transpose().map_err(|error| damaged(at, Type::Text, Box::new(error)))
}

pub(super) fn required<T>(row: &Row<'_>, at: usize) -> Result<T>
where
    T: FromStr<Err: StdError + Send + Sync + 'static>,
{
    let text = row.get_ref(at)?.as_str()?;
    text.parse().map_err(|error| damaged(at, Type::Text, Box::new(error)))
}

fn damaged(at: usize, ty: Type, why: Box<dyn StdError + Send + Sync>) -> Error {
    Error::FromSqlConversionFailure(at, ty, why)
}
